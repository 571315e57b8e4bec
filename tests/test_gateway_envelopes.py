"""Who a visitor is, from the reader to the centre: sealed in the driver, kept beside its record, never to be
read again on the way."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from controller_support import LISTED, STRANGER, House, no_room
from controller_support import read as a_read
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from drivers_support import (
    INVENTED_NUMBER,
    Peer,
    ScriptedModule,
    invented_block,
    read_reply,
    running,
    tokenise,
)
from gateway_support import EPOCH_S, GATEWAY, TurnedClock, a_fact, opened
from msgspec import structs
from msgspec.structs import replace
from test_gateway_salvage import leaf_of, overwrite

from central.identity.opening import Opener, row_name
from central.identity.retention_rules import SHANGHAI, RetentionRules
from central.identity.ring import make_ring
from central.identity.suites import INTERNATIONAL
from central.identity.vault import Vault
from central.ingest.verify import open_visitors, take_apart
from drivers.base import Assurance, CardRead, CardRemoved, CredentialKind
from drivers.sam_reader import SamReader, SamVSettings
from gateway.access_list import AccessList
from gateway.dispatch import Dispatch
from gateway.events import NewSettings
from gateway.facts import Fact
from gateway.journal_reader import JournalReader
from gateway.sealing import Sealer
from messages.access_list import Entry
from messages.chain import record_hash
from messages.envelope import (
    DocumentKind,
    VisitorIdentity,
    bound,
    decode_envelope,
    envelope_hash,
    open_identity,
    unpadded,
)
from messages.model import Kind, Reason, Record
from messages.site_settings import SealingKey, SiteSettings
from messages.wire import decode_block

SITE = "north"
PRIVATE = X25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = SealingKey("c7.2026-11.00000000", PRIVATE.public_key().public_bytes_raw().hex())
VISITOR = VisitorIdentity("张金丝", DocumentKind.RESIDENT, INVENTED_NUMBER)
DAY_US = 86_400_000_000


def a_sealer(key: SealingKey | None = KEY, now_s: int = EPOCH_S) -> Sealer:
    sealer = Sealer(SITE, GATEWAY, SHANGHAI, lambda: now_s * 1_000_000)
    sealer.use(key)
    return sealer


def sealed_visitor() -> bytes:
    sealed = a_sealer().seal(VISITOR.kind, VISITOR.name, VISITOR.number)
    assert sealed is not None
    return sealed


def a_visit() -> Fact:
    return replace(a_fact(reason=Reason.VERIFIED_ID), envelope=sealed_visitor())


def opened_envelope(sealed: bytes) -> VisitorIdentity:
    taken = decode_envelope(sealed)
    return open_identity(taken.sealed, PRIVATE, bound(SITE, GATEWAY, taken.key))


def kept(path: Path) -> dict[int, bytes]:
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT id, body FROM envelopes"))


# --- sealing


def test_what_is_sealed_only_the_centres_key_opens() -> None:
    sealed = sealed_visitor()
    assert opened_envelope(sealed) == VISITOR
    assert VISITOR.name.encode() not in sealed
    assert VISITOR.number.encode() not in sealed
    assert decode_envelope(sealed).key == KEY.id


def test_without_a_key_in_the_site_settings_nothing_is_sealed() -> None:
    sealer = a_sealer(None)
    assert not sealer.wanted
    assert sealer.seal("resident", VISITOR.name, VISITOR.number) is None


def test_children_are_not_sealed() -> None:
    sealer = a_sealer(now_s=EPOCH_S)  # 2023-11-15
    assert sealer.seal("resident", "小明", "000000200911160017") is None
    assert sealer.seal("resident", "小明", "000000200911150017") is not None


def test_a_key_that_is_none_stops_no_door() -> None:
    assert a_sealer(SealingKey("bad", "00" * 32)).seal("resident", "王", INVENTED_NUMBER) is None


def test_a_document_without_a_name_is_sealed_all_the_same() -> None:
    sealed = a_sealer().seal("permanent_residence", "", "GBR110085021419")
    assert sealed is not None
    assert opened_envelope(sealed).name == "-"


# --- the reader


@pytest.fixture
def module() -> ScriptedModule:
    return ScriptedModule()


@pytest.fixture
def peer(tmp_path: Path, module: ScriptedModule) -> Iterator[Peer]:
    with Peer(tmp_path / "east-1", module) as peer:
        yield peer


def read_with(sealer: Sealer | None, peer: Peer, module: ScriptedModule) -> CardRead:
    settings = SamVSettings.model_validate({"port": str(peer.path), "poll_s": 0.02, "presence_s": 0.05})
    with running(SamReader("east-1", settings, tokenise, sealer)) as ear:
        ear.wait_state("ok")
        module.lay(read_reply(bytes(invented_block())))
        (read,) = ear.wait(CardRead)
        assert isinstance(read, CardRead)
        return read


def test_a_readers_driver_lets_a_visitor_out_only_sealed(peer: Peer, module: ScriptedModule) -> None:
    read = read_with(a_sealer(), peer, module)
    assert read.sealed is not None
    assert opened_envelope(read.sealed) == VISITOR
    assert VISITOR.name not in repr(read)
    assert VISITOR.number not in repr(read)


@pytest.mark.parametrize("sealer", [None, a_sealer(None)], ids=["nobody seals", "no key"])
def test_without_a_key_nothing_of_a_visitor_leaves_the_driver(
    peer: Peer, module: ScriptedModule, sealer: Sealer | None
) -> None:
    assert read_with(sealer, peer, module).sealed is None


class Watched:
    """Seals as the gateway does, and remembers in which thread; `wanted` without a key is no."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self.threads: list[str] = []

    @property
    def wanted(self) -> bool:
        return self._sealer.wanted

    def seal(self, document: str, name: str, number: str) -> bytes | None:
        self.threads.append(threading.current_thread().name)
        return self._sealer.seal(document, name, number)


def test_the_thread_that_reads_seals_and_only_with_a_key(peer: Peer, module: ScriptedModule) -> None:
    """Whoever decides gets the envelope ready made; without a key nothing at all is asked."""
    sealer = a_sealer(None)
    watched = Watched(sealer)
    settings = SamVSettings.model_validate({"port": str(peer.path), "poll_s": 0.02, "presence_s": 0.05})
    with running(SamReader("east-1", settings, tokenise, watched)) as ear:
        ear.wait_state("ok")
        module.lay(read_reply(bytes(invented_block())))
        ear.wait(CardRead)
        assert watched.threads == []
        module.lift()
        ear.wait(CardRemoved)
        sealer.use(KEY)
        module.lay(read_reply(bytes(invented_block())))
        assert [read.sealed is not None for read in ear.wait(CardRead, 2)] == [False, True]
    (sealing,) = watched.threads
    assert sealing not in {threading.current_thread().name, "decisions"}


def test_a_gateway_without_a_key_loads_nothing_to_seal_with() -> None:
    code = "import sys, gateway.daemon; print([name for name in sys.modules if 'hpke' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# --- whose is kept


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.journal.close()


def shows(house: House, token: str, *, reader: str = "lobby-in", level: str = "L3") -> Record:
    house.controller.handle([replace(a_read(token, reader=reader, level=level), sealed=sealed_visitor())])
    return house.records()[-1]


def test_of_a_visitor_who_is_let_in_the_record_names_the_envelope(house: House) -> None:
    record = shows(house, STRANGER)
    assert (record.reason, record.kind) == (Reason.VERIFIED_ID, Kind.ACCESS_GRANTED)
    assert list(map(envelope_hash, kept(house.path).values())) == [record.identity]


def test_a_visitor_who_is_expected_and_shows_a_document_is_kept_too(house: House) -> None:
    guest = Entry(STRANGER, "p-1", "visitor", ("*",))
    house.access.take_list(AccessList(6, EPOCH_S * 1_000_000, {STRANGER: guest}))
    record = shows(house, STRANGER)
    assert (record.reason, record.holder) == (Reason.LISTED, "p-1")
    assert record.identity is not None


def test_a_residents_identity_does_not_travel(house: House) -> None:
    assert shows(house, LISTED).identity is None
    assert kept(house.path) == {}


@pytest.mark.parametrize(
    ("reader", "level"), [("lobby-in", "L0"), ("garage-out", "L3")], ids=["refused", "on the way out"]
)
def test_nobodys_is_kept_who_is_not_let_in(house: House, reader: str, level: str) -> None:
    assert shows(house, STRANGER, reader=reader, level=level).identity is None
    assert kept(house.path) == {}


def test_a_visitor_who_cannot_be_recorded_and_is_sent_to_a_person_leaves_nothing(house: House) -> None:
    with no_room(house):
        house.controller.handle([replace(a_read(STRANGER, level="L3"), sealed=sealed_visitor())])
    house.reads(LISTED, at_s=20)
    assert {record.identity for record in house.records()} == {None}
    assert kept(house.path) == {}


def test_the_site_settings_say_what_is_sealed_for(tmp_path: Path) -> None:
    house, sealer = House(tmp_path), a_sealer(None)
    house.access._sealer = sealer
    settings = SiteSettings(1, 1, EPOCH_S * 1_000_000, sealing_key=KEY)
    house.controller.handle([NewSettings(settings)])
    assert sealer.wanted
    house.controller.handle([NewSettings(structs.replace(settings, sealing_key=None))])
    assert not sealer.wanted
    house.journal.close()


# --- the journal


def test_an_envelope_goes_when_its_record_goes_and_not_before_it_is_acknowledged(tmp_path: Path) -> None:
    path, clock = tmp_path / "journal.db", TurnedClock()
    with opened(path, clock) as journal:
        journal.append([a_visit(), a_fact(), a_visit(), a_fact()])
        assert list(kept(path)) == [2, 4]
        journal.acknowledge(journal.head.epoch, 3)
        clock.passes(8 * DAY_US)
        assert journal.prune(7) == 3
        assert list(kept(path)) == [4]


def test_what_a_failed_commit_left_goes_with_its_envelope(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with opened(path) as journal:
        journal.append([a_visit()])
        store = journal._current
        assert store is not None
        head = journal.head
        journal.append([a_visit()])
        store._drop()
        store.head = journal._head = head  # as it was before that commit, which failed after it was written
        journal.append([a_fact()])
        assert list(kept(path)) == [2]


def test_a_lost_leaf_of_records_costs_no_other_records_envelope(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with opened(path) as journal:
        for _ in range(30):
            journal.append([a_visit(), *[a_fact()] * 9])
    before = kept(path)
    overwrite(path, leaf_of(path, 100), bytes(4_096))
    with opened(path, TurnedClock(EPOCH_S + 9)), closing(JournalReader(path)) as reader:
        epoch = reader.holdings().heads[0].epoch
        held = [seq for first, last in reader.held(epoch) for seq in range(first, last + 1)]
        after = reader.envelopes(epoch, 1, 301)
    assert len(after) > len(before) // 2
    assert after == {seq: before[seq] for seq in after}
    assert set(after) == set(before) & set(held)


def test_damaged_envelopes_cost_no_record(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with opened(path) as journal:
        for _ in range(30):
            journal.append([a_visit()])
    data = path.read_bytes()
    for sealed in list(kept(path).values())[:5]:
        overwrite(path, data.index(sealed) + 60, b"spoilt")
    overwrite(path, 0, bytes(100))
    with opened(path, TurnedClock(EPOCH_S + 9)), closing(JournalReader(path)) as reader:
        oldest = reader.holdings().heads[0]
        assert (oldest.oldest, oldest.head) == (1, 31)
        assert set(reader.envelopes(oldest.epoch, 1, 31)) == set(range(7, 32))


# --- the way to the centre


def test_a_block_carries_the_envelopes_of_its_records_and_the_centre_opens_them(tmp_path: Path) -> None:
    vault = Vault(make_ring(tmp_path / "ring", INTERNATIONAL), INTERNATIONAL)
    sealer = a_sealer(vault.sealing_key(7, EPOCH_S * 1_000_000))
    envelope = sealer.seal(VISITOR.kind, VISITOR.name, VISITOR.number)
    path = tmp_path / "journal.db"
    with opened(path) as journal, closing(JournalReader(path)) as reader:
        journal.append([a_fact(), replace(a_fact(reason=Reason.VERIFIED_ID), envelope=envelope), a_fact()])
        dispatch = Dispatch(reader, lambda *_: None)
        dispatch.appended(journal.head)
        payload = dispatch.next_fresh(0.0) or dispatch.next_block(0.0)
    assert payload is not None
    assert list(decode_block(payload).envelopes) == [3]
    assert VISITOR.name.encode() not in payload
    taken = take_apart(GATEWAY, payload)
    now_us = (EPOCH_S + 60) * 1_000_000
    open_visitors(taken, Opener(vault, RetentionRules()).at(now_us), SITE)
    (visit,) = [each for each in taken.arrived if each.visitor is not None]
    assert visit.hash.hex() == record_hash(visit.body)
    assert visit.visitor is not None
    row = row_name(SITE, GATEWAY, decode_block(payload).epoch, visit.seq)
    assert unpadded(vault.open_period(7, visit.visitor.period, row, visit.visitor.sealed)) == VISITOR


def test_an_order_to_send_again_brings_the_envelopes_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with opened(path) as journal, closing(JournalReader(path)) as reader:
        journal.append([a_visit(), a_visit()])
        dispatch = Dispatch(reader, lambda *_: None)
        dispatch.send_again(journal.head.epoch, 3, 3)
        payload = dispatch.next_block(0.0)
    assert payload is not None
    assert list(decode_block(payload).envelopes) == [3]


def test_a_journal_of_a_former_program_is_read_before_it_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with opened(path) as journal:
        journal.append([a_fact()])
        epoch = journal.head.epoch
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DROP TRIGGER envelope_goes; DROP TABLE envelopes;")
    with closing(JournalReader(path)) as reader:
        assert reader.envelopes(epoch, 1, 2) == {}


def test_a_read_says_by_default_nothing_of_anybody() -> None:
    assert CardRead("r", CredentialKind.ID_CARD, "t" * 32, Assurance.L3, 0).sealed is None
