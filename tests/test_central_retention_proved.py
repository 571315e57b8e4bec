"""What stays of ended entries proves that they were ended: nobody without the centre's key takes records away
or alters those that are left, and has `verify` call it good."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from central_support import GATEWAY, SITE
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from database_support import alter, new_database
from identity_support import COMMUNITY, DAY_US
from msgspec.structs import replace
from program_support import called
from retention_support import CENTRE, DAYS, HOUR_US, Archive, Growing
from sqlalchemy import Engine, insert, select

from central.cli import main
from central.retention.ranges import EndedRange, holding, joined, signed
from central.settings import load_settings
from central.store.engine import writing
from central.store.identity_tables import deletion_certificate
from central.store.lookup_tables import case_hold, case_hold_entry
from central.store.records import record_of
from central.store.retention_tables import ended_range
from central.store.tables import record
from messages.chain import record_hash
from messages.wire import encode_record

STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


@pytest.fixture
def archive(engine: Engine) -> Iterator[Archive]:
    made = Archive(engine)
    yield made
    made.close()


# --- records that are said to have been ended


def made_up(archive: Archive, first: int, last: int, arrived_by: int, **more: Any) -> None:
    """Whoever may write to the database takes these records away, and notes them as ended."""
    with writing(archive.engine) as connection:
        at = (record.c.gateway_id, record.c.epoch, record.c.seq, record.c.hash)
        hashes = {row.seq: row.hash for row in connection.execute(select(*at))}
        each = EndedRange(first, last, hashes[first - 1], hashes[last], arrived_by)
        each = signed(STRANGER, (1, 1), each)
        values = {name: getattr(each, name) for name in EndedRange.__struct_fields__} | more
        connection.execute(insert(ended_range).values(gateway_id=1, epoch=1, **values))
        connection.execute(record.delete().where(record.c.seq.between(first, last)))


def test_records_of_today_that_are_said_to_be_ended_are_found(archive: Archive) -> None:
    archive.comes(Growing(), 8)
    made_up(archive, 3, 5, archive.now_us)
    assert archive.verified() == [
        ("epoch 1: 1-8, of which 3 were ended; end not proved 3; ended too early 3", False),
        ("3 records are noted as ended, 0 are certified or still to be", False),
    ]


def test_records_that_are_said_to_be_ended_with_all_numbers_set_right_are_found(archive: Archive) -> None:
    chain = Growing()
    archive.comes(chain, 4)
    archive.passes(DAYS + 1)
    archive.comes(chain, 8)
    (own,) = archive.ranges()
    copied = {"signer": own.signer, "signature": own.signature}  # of another run
    made_up(archive, 7, 9, own.arrived_by, **copied)
    alter(
        archive.engine,
        "INSERT INTO ended_count (day, community_id, entries) VALUES ('2026-11-04', :community, 3)",
        community=COMMUNITY,
    )
    found = [("epoch 1: 1-12, of which 7 were ended; end not proved 7", False)]
    assert archive.verified() == found


@pytest.mark.parametrize("counted", [False, True])
def test_a_run_that_is_stretched_is_found_and_never_signed_for(archive: Archive, counted: bool) -> None:
    chain = Growing()
    archive.comes(chain, 8)
    archive.passes(DAYS - 1)
    archive.comes(chain, 4)
    archive.passes(2)
    assert archive.ended() == [(1, 8)]
    alter(
        archive.engine,
        "UPDATE ended_range SET last = 10, last_hash = (SELECT hash FROM record WHERE seq = 10)",
        "DELETE FROM record WHERE seq <= 10",
    )
    if counted:
        alter(
            archive.engine,
            "INSERT INTO ended_count (day, community_id, entries) VALUES ('2026-11-04', :community, 2)",
            community=COMMUNITY,
        )
    line, *more = archive.verified()
    assert line == ("epoch 1: 1-12, of which 10 were ended; end not proved 1", False)
    assert bool(more) is not counted
    archive.passes(DAYS + 1)  # what is ended behind it, is not one run with it
    assert archive.ended() == [(1, 10), (11, 12)]
    assert archive.verified()[0] == ("epoch 1: 1-12, of which 12 were ended; end not proved 1", False)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE ended_range SET arrived_by = arrived_by - 1", "end not proved 1"),
        ("UPDATE ended_range SET epoch = 2", "end not proved 1"),
        ("UPDATE ended_range SET first_prev = x'" + "ab" * 32 + "'", "end not proved 1"),
        ("UPDATE ended_range SET signer = 'ab'", "end not proved 1"),
        ("UPDATE record_mark SET begun_at = NULL", "ended too early 1"),
        ("DELETE FROM deletion_certificate", "4 records are noted as ended, 0 are certified or still to be"),
        (
            "UPDATE deletion_certificate SET made_at = made_at + 1",
            "4 records are noted as ended, 0 are certified or still to be",
        ),
        (
            "INSERT INTO ended_count (day, community_id, entries) VALUES ('2026-11-04', 1, 2)",
            "4 records are noted as ended, 6 are certified or still to be",
        ),
    ],
)
def test_whatever_proves_an_end_is_held_against_the_rest(archive: Archive, statement: str, said: str) -> None:
    chain = Growing()
    archive.comes(chain, 4)
    archive.passes(5)
    archive.comes(chain, 2)
    archive.passes(DAYS - 4)
    assert archive.verified() == [("epoch 1: 1-6, of which 4 were ended; good", True)]
    alter(archive.engine, statement)
    wrong = [line for line, good in archive.verified() if not good]
    assert any(said in line for line in wrong), wrong


def test_what_has_gone_and_is_not_certified_yet_is_counted(engine: Engine) -> None:
    archive = Archive(engine, at_once=4)
    archive.comes(Growing(), 10)
    archive.passes(DAYS - 1)
    archive.passes(0.5)
    archive.now_us += DAY_US
    archive.job.look()
    assert archive.values(select(deletion_certificate.c.id)) == []
    assert archive.verified() == [("epoch 1: 1-10, of which 4 were ended; good", True)]
    archive.close()


# --- what is held between ended ones


def hold(archive: Archive, seq: int) -> Any:
    """The row that a case holds now."""
    with writing(archive.engine) as connection:
        values = {"community_id": COMMUNITY, "look_up_id": 1, "case_number": "A-1", "made_at": 1}
        connection.execute(insert(case_hold).values(id=1, until_at=2, **values))
        row = connection.execute(select(record).where(record.c.seq == seq)).one()
        place = {name: getattr(row, name) for name in ("gateway_id", "epoch", "seq", "at")}
        connection.execute(
            insert(case_hold_entry).values(id=1, community_id=COMMUNITY, case_hold_id=1, **place)
        )
    return row


@pytest.mark.parametrize("seq", [1, 3, 4])
@pytest.mark.parametrize("before", [False, True])
def test_what_is_held_between_ended_ones_is_not_altered_with_its_hash(
    archive: Archive, seq: int, before: bool
) -> None:
    """Neither after they have gone nor before."""
    chain = Growing()
    archive.comes(chain, 5)
    row = hold(archive, seq)
    if not before:
        archive.passes(DAYS + 1)
        assert archive.seqs() == [seq]
        assert archive.verified() == [("epoch 1: 1-5, of which 4 were ended; good", True)]
    prev = bytes(32) if seq == 1 else bytes.fromhex(record_hash(chain.bodies[seq - 2]))
    forged = encode_record(replace(record_of(row, GATEWAY, prev), door="back-door"))
    alter(
        archive.engine,
        "UPDATE record SET door = 'back-door', hash = x'digest' WHERE seq = :seq".replace(
            "digest", record_hash(forged)
        ),
        seq=seq,
    )
    if before:
        archive.passes(DAYS + 1)
    assert archive.verified() == [(f"epoch 1: 1-5, of which 4 were ended; altered {seq}", False)]


def test_what_is_held_before_a_break_is_no_alteration(archive: Archive) -> None:
    chain = Growing()
    archive.comes(chain, 4)
    other = Growing()
    other.bodies = chain.bodies[:3]
    other.grow(4, archive.now_us + HOUR_US)
    archive.take(other.block(5))
    hold(archive, 4)
    archive.passes(DAYS + 1)
    assert (archive.seqs(), archive.ended()) == ([4], [(1, 3), (5, 7)])
    assert archive.verified() == [("epoch 1: 1-7, of which 6 were ended; chain break 5", False)]


# --- runs


def run(first: int, last: int, arrived_by: int = 1) -> EndedRange:
    return EndedRange(first, last, b"before %d" % first, b"at %d" % last, arrived_by)


@pytest.mark.parametrize(
    ("runs", "one"),
    [
        ([run(1, 2), run(3, 4, 2)], [run(1, 4, 2)]),
        ([run(1, 4), run(3, 3)], [run(1, 4)]),
        ([run(3, 3), run(1, 4), run(4, 6, 3)], [run(1, 6, 3)]),
        ([run(1, 2), run(1, 5)], [run(1, 5)]),
        ([run(1, 2), run(4, 5)], [run(1, 2), run(4, 5)]),
    ],
)
def test_runs_that_touch_or_overlap_are_one(runs: list[EndedRange], one: list[EndedRange]) -> None:
    assert joined(runs) == one
    assert joined(reversed(runs)) == one
    assert holding(joined(runs), max(each.last for each in runs)) == one[-1]


def test_the_command_verifies_with_the_keys_of_the_centre(tmp_path: Path) -> None:
    archive = Archive(new_database(tmp_path / "central.sqlite"))
    archive.comes(Growing(), 3)
    archive.passes(DAYS + 1)
    archive.close()
    archive.engine.dispose()
    settings = tmp_path / "central.toml"
    settings.write_text('[database]\npath = "central.sqlite"\n')
    path = load_settings(settings).keys.centre_key_file
    unknown = called(main, "verify", "--settings", settings)
    assert (unknown.returncode, "end not proved 1" in unknown.stdout) == (1, True)
    path.parent.mkdir(parents=True, exist_ok=True)
    private = CENTRE.private_bytes_raw().hex()
    path.write_text(json.dumps({"v": 1, "signing": [private], "opening": [private]}))
    path.chmod(0o600)
    known = called(main, "verify", "--settings", settings)
    assert (
        known.stdout
        == f"{SITE}/{GATEWAY} epoch 1: 1-3, of which 3 were ended; good\nin short: 1 of 1 gateways whole\n"
    ), known.stderr
    assert known.returncode == 0
