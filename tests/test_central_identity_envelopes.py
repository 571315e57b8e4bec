"""Visitors' envelopes on their way into the database: opened, indexed, sealed again, or not kept at all."""

from pathlib import Path
from typing import Any

import pytest
from central_support import GATEWAY, SITE, a_record, topic
from database_support import new_database
from identity_support import (
    COMMUNITY,
    DAY,
    DAY_US,
    MONTH,
    NOON_US,
    VISITOR,
    a_vault,
    arrive,
    know_site,
    opener_of,
    visits,
)
from sqlalchemy import Engine, select

from central.identity.opening import UNOPENED, row_name
from central.identity.retention import open_waiting
from central.identity.suites import COMMERCIAL, INTERNATIONAL, Suite
from central.identity.vault import Vault
from central.ingest.intake import examine, examine_unread, take_in
from central.ingest.verify import singly, take_apart
from central.store.engine import reading, writing
from central.store.identity_tables import envelope
from central.store.tables import finding, quarantine, record
from messages.chain import GENESIS
from messages.envelope import (
    MAX_ENVELOPE_BYTES,
    DocumentKind,
    EnvelopeError,
    VisitorIdentity,
    decode_envelope,
    envelope_hash,
    seal_identity,
    unpadded,
)
from messages.model import ClockQuality
from messages.site_settings import SealingKey
from messages.topics import Leaf
from messages.wire import decode_block, encode_record, join_block, unreadable_single

OTHER = VisitorIdentity("Ana Example", DocumentKind.PERMANENT_RESIDENCE, "AAA000085010112")
CHILD = VisitorIdentity("小明", DocumentKind.RESIDENT, "000000201301010018")


def rows(engine: Engine, *columns: Any) -> list[Any]:
    with reading(engine) as connection:
        return [tuple(row) for row in connection.execute(select(*columns))]


@pytest.mark.parametrize("suite", [INTERNATIONAL, COMMERCIAL], ids=lambda suite: suite.name)
def test_a_visitor_is_found_by_number_and_opened_by_the_days_key(
    engine: Engine, tmp_path: Path, suite: Suite
) -> None:
    vault = a_vault(tmp_path, suite)
    key = vault.sealing_key(COMMUNITY, NOON_US)
    arrive(engine, visits(key, NOON_US, VISITOR, OTHER), opener_of(vault), NOON_US)
    index = vault.period_index(COMMUNITY, DAY, VISITOR.number)
    columns = envelope.c
    with reading(engine) as connection:
        found = connection.execute(
            select(envelope).where(columns.community_id == COMMUNITY, columns.number_index == index)
        ).one()
    assert (found.seq, found.period, found.waits, found.at) == (1, DAY, 0, NOON_US)
    plain = vault.open_period(COMMUNITY, DAY, row_name(SITE, GATEWAY, 1, 1), found.sealed)
    assert unpadded(plain) == VISITOR
    assert rows(engine, record.c.identity)[0] == (found.hash,)


def test_nothing_in_the_database_says_who_it_was(tmp_path: Path) -> None:

    vault, path = a_vault(tmp_path), tmp_path / "central.sqlite"
    engine = new_database(path)
    key = vault.sealing_key(COMMUNITY, NOON_US)
    arrive(engine, visits(key, NOON_US, VISITOR), opener_of(vault), NOON_US)
    engine.dispose()
    for text in (VISITOR.name.encode(), VISITOR.number.encode(), VISITOR.name.encode("utf-16-le")):
        assert not any(text in part.read_bytes() for part in tmp_path.glob("central.sqlite*"))


def test_a_record_is_the_same_bytes_with_and_without_its_envelope(tmp_path: Path) -> None:
    key = a_vault(tmp_path).sealing_key(COMMUNITY, NOON_US)
    block = decode_block(visits(key, NOON_US, VISITOR))
    bare = join_block(1, 1, 1, bytes(block.records[0]))
    assert bytes(decode_block(bare).records[0]) == bytes(block.records[0])
    assert take_apart(GATEWAY, bare).arrived[0].hash == take_apart(GATEWAY, visits_of(block)).arrived[0].hash


def visits_of(block: Any) -> bytes:
    bodies = b",".join(bytes(each) for each in block.records)
    return join_block(block.epoch, block.first, block.count, bodies, block.envelopes)


def test_envelopes_stay_with_their_records_when_a_block_is_taken_apart(tmp_path: Path) -> None:
    key = a_vault(tmp_path).sealing_key(COMMUNITY, NOON_US)
    payload = visits(key, NOON_US, VISITOR, OTHER)
    whole = decode_block(payload).envelopes
    parts = [decode_block(part).envelopes for part in singly(payload)]
    assert parts == [{1: whole[1]}, {2: whole[2]}]


def test_an_unreadable_record_with_an_envelope_is_still_set_aside_at_its_place() -> None:
    torn = join_block(9, 7, 1, b"{torn", {7: b"sealed"})
    assert unreadable_single(torn) == (9, 7, b"{torn")


@pytest.mark.parametrize("spoil", ["another", "altered", "foreign key", "elsewhere"])
def test_an_envelope_that_does_not_fit_its_record_is_not_kept_and_told_of(
    engine: Engine, tmp_path: Path, spoil: str
) -> None:
    vault = a_vault(tmp_path)
    key = vault.sealing_key(COMMUNITY, NOON_US)
    sealed = seal_identity(VISITOR, key, SITE, GATEWAY)
    named = envelope_hash(sealed)
    if spoil == "another":
        sealed = seal_identity(VISITOR, key, SITE, GATEWAY)
    elif spoil == "altered":
        sealed = sealed[:-1] + bytes([sealed[-1] ^ 1])
        named = envelope_hash(sealed)
    elif spoil == "foreign key":
        sealed = seal_identity(VISITOR, SealingKey("2026-11", key.public), SITE, GATEWAY)
        named = envelope_hash(sealed)
    else:
        sealed = seal_identity(VISITOR, key, SITE, "west-9")
        named = envelope_hash(sealed)
    body = encode_record(a_record(1, GENESIS, at=NOON_US, identity=named))
    outcome = arrive(engine, join_block(1, 1, 1, body, {1: sealed}), opener_of(vault), NOON_US)
    assert (outcome.stored, rows(engine, envelope.c.id)) == (1, [])
    assert rows(engine, finding.c.kind, finding.c.seq) == [("envelope", 1)]


@pytest.mark.parametrize("owner", [None, COMMUNITY + 1])
def test_a_site_speaks_of_visitors_of_its_own_community_alone(
    engine: Engine, tmp_path: Path, owner: int | None
) -> None:
    """Of one that the register does not know nothing is kept either."""
    vault = a_vault(tmp_path)
    payload = visits(vault.sealing_key(COMMUNITY, NOON_US), NOON_US, VISITOR)
    with writing(engine) as connection:
        if owner is not None:
            know_site(connection, number=owner)
        batch = [examine(topic(Leaf.JOURNAL), payload, opener_of(vault).at(NOON_US))]
        assert take_in(connection, batch, NOON_US).stored == 1
    assert rows(engine, envelope.c.id) == []
    assert rows(engine, finding.c.kind, finding.c.seq) == [("envelope", 1)]


def test_an_envelope_without_a_record_that_names_it_is_not_kept(engine: Engine, tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    sealed = seal_identity(VISITOR, vault.sealing_key(COMMUNITY, NOON_US), SITE, GATEWAY)
    body = encode_record(a_record(1, GENESIS, at=NOON_US))
    arrive(engine, join_block(1, 1, 1, body, {1: sealed, 2: sealed}), opener_of(vault), NOON_US)
    assert (rows(engine, envelope.c.id), rows(engine, finding.c.kind)) == ([], [("envelope",)])


def test_the_same_block_twice_leaves_one_row(engine: Engine, tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    payload = visits(vault.sealing_key(COMMUNITY, NOON_US), NOON_US, VISITOR)
    for _ in range(2):
        arrive(engine, payload, opener_of(vault), NOON_US)
    assert len(rows(engine, envelope.c.id)) == 1


def test_of_a_child_under_fourteen_nothing_is_kept(engine: Engine, tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    key = vault.sealing_key(COMMUNITY, NOON_US)
    outcome = arrive(engine, visits(key, NOON_US, CHILD, VISITOR), opener_of(vault), NOON_US)
    assert (outcome.stored, rows(engine, envelope.c.seq)) == (2, [(2,)])


@pytest.mark.parametrize(
    ("born", "kept"), [("20121104", [(1,)]), ("20121105", [])], ids=["on the birthday", "a day before it"]
)
def test_fourteen_begins_on_the_birthday(
    engine: Engine, tmp_path: Path, born: str, kept: list[tuple[int]]
) -> None:
    vault = a_vault(tmp_path)
    person = VisitorIdentity("小明", DocumentKind.RESIDENT, f"000000{born}0010")
    key = vault.sealing_key(COMMUNITY, NOON_US)
    arrive(engine, visits(key, NOON_US, person), opener_of(vault), NOON_US)
    assert rows(engine, envelope.c.seq) == kept


def test_what_comes_after_its_time_is_not_kept_and_makes_no_key(engine: Engine, tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    payload = visits(vault.sealing_key(COMMUNITY, NOON_US), NOON_US, VISITOR)
    outcome = arrive(engine, payload, opener_of(vault), NOON_US + 31 * DAY_US)
    assert (outcome.stored, rows(engine, envelope.c.id)) == (1, [])
    assert vault.periods(COMMUNITY) == (MONTH,)


@pytest.mark.parametrize(
    ("at_us", "clock"),
    [(NOON_US + 400 * DAY_US, ClockQuality.SYNCED), (0, ClockQuality.UNKNOWN)],
    ids=["ahead of us", "does not know the time"],
)
def test_a_wrong_clock_at_a_gateway_neither_prolongs_nor_loses_identity(
    engine: Engine, tmp_path: Path, at_us: int, clock: ClockQuality
) -> None:
    vault = a_vault(tmp_path)
    sealed = seal_identity(VISITOR, vault.sealing_key(COMMUNITY, NOON_US), SITE, GATEWAY)
    body = encode_record(a_record(1, GENESIS, at=at_us, clock=clock, identity=envelope_hash(sealed)))
    arrive(engine, join_block(1, 1, 1, body, {1: sealed}), opener_of(vault), NOON_US)
    assert rows(engine, envelope.c.period, envelope.c.at) == [(DAY, NOON_US)]


def test_no_record_waits_for_a_key_ring_and_its_envelope_is_opened_later(
    engine: Engine, tmp_path: Path
) -> None:
    vault = a_vault(tmp_path)
    key = vault.sealing_key(COMMUNITY, NOON_US)
    ring = tmp_path / "ring" / "periods"
    ring.rename(tmp_path / "away")
    (tmp_path / "ring" / "periods").touch()  # a folder that is none: nothing can be read or made there
    outcome = arrive(engine, visits(key, NOON_US, VISITOR, CHILD, OTHER), opener_of(vault), NOON_US)
    assert (outcome.stored, rows(engine, envelope.c.waits)) == (3, [(1,)] * 3)
    assert open_waiting(engine, opener_of(vault)) == 0
    assert rows(engine, envelope.c.waits) == [(1,)] * 3
    (tmp_path / "ring" / "periods").unlink()
    (tmp_path / "away").rename(ring)
    open_waiting(engine, opener_of(vault))
    assert sorted(rows(engine, envelope.c.seq, envelope.c.waits)) == [(1, 0), (3, 0)]
    index = vault.period_index(COMMUNITY, DAY, VISITOR.number)
    assert (index,) in rows(engine, envelope.c.number_index)


def test_whoever_has_no_keys_at_hand_leaves_envelopes_to_the_serving_centre(
    engine: Engine, tmp_path: Path
) -> None:
    vault = a_vault(tmp_path)
    arrive(engine, visits(vault.sealing_key(COMMUNITY, NOON_US), NOON_US, VISITOR), UNOPENED, NOON_US)
    assert rows(engine, envelope.c.waits, envelope.c.number_index) == [(1, None)]
    open_waiting(engine, opener_of(vault))
    assert rows(engine, envelope.c.waits) == [(0,)]


def test_the_index_of_one_day_says_nothing_of_another(tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    for day in (DAY, "2026-11-05"):
        vault.seal_period(COMMUNITY, day, "row", b"")
    first, second = (vault.period_index(COMMUNITY, day, VISITOR.number) for day in (DAY, "2026-11-05"))
    assert first != second


def test_all_that_is_sealed_of_one_size_looks_alike(tmp_path: Path) -> None:
    key = a_vault(tmp_path).sealing_key(COMMUNITY, NOON_US)
    short = VisitorIdentity("王", DocumentKind.RESIDENT, VISITOR.number)
    assert len({len(seal_identity(each, key, SITE, GATEWAY)) for each in (VISITOR, short, CHILD)}) == 1


@pytest.mark.parametrize(
    "data",
    [b"", b"\1", b"\2\1a" + bytes(60), b"\1\3a/b" + bytes(60), b"\1\1a" + bytes(48), bytes(2_000)],
    ids=["nothing", "cut short", "a later version", "no reference", "nothing sealed", "too long"],
)
def test_what_is_no_envelope_is_refused(data: bytes) -> None:
    assert len(data) in range(MAX_ENVELOPE_BYTES * 2)
    with pytest.raises(EnvelopeError):
        decode_envelope(data)


def test_a_message_nobody_may_look_into_is_set_aside_as_it_came(engine: Engine, tmp_path: Path) -> None:
    vault: Vault = a_vault(tmp_path)
    payload = visits(vault.sealing_key(COMMUNITY, NOON_US), NOON_US, VISITOR)
    unread = examine_unread(topic(Leaf.JOURNAL), payload, "why")
    assert unread.taken is not None
    assert [each.envelope for each in unread.taken.arrived] == [None]
    assert examine(topic(Leaf.JOURNAL), payload).taken is not None
    assert rows(engine, quarantine.c.id) == []


def test_a_visitors_record_whose_place_is_taken_is_set_aside_with_its_envelope(
    engine: Engine, tmp_path: Path
) -> None:
    """Its gateway may delete both on the strength of it. Of a child only the record is kept."""
    vault = a_vault(tmp_path)
    key = vault.sealing_key(COMMUNITY, NOON_US)
    arrive(engine, visits(key, NOON_US, OTHER, OTHER), opener_of(vault), NOON_US)
    again = visits(key, NOON_US, VISITOR, CHILD)
    arrive(engine, again, opener_of(vault), NOON_US)
    first, second = (bytes(each) for each in decode_block(again).records)
    kept = join_block(decode_block(again).epoch, 1, 1, first, {1: decode_block(again).envelopes[1]})
    assert sorted(rows(engine, quarantine.c.seq, quarantine.c.payload)) == [(1, kept), (2, second)]
    assert sorted(rows(engine, envelope.c.seq)) == [(1,), (2,)]
