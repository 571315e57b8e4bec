"""Entries end: 180 days after they came, within a day, certified; what stays behind is verifiable, and
nothing goes before its time."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from central_support import a_chain
from database_support import alter, forbid
from identity_support import COMMUNITY, DAY_US, NOON_US
from retention_support import DAYS, HOUR_US, Archive, Growing
from sqlalchemy import Connection, Engine, insert, select

from bench.assessed import an_assessment, goes_live
from central.errors import RowRefused
from central.identity.retention_rules import RetentionRules
from central.ingest.verify import Trouble
from central.retention.marks import days_of, ended_until, until_us
from central.store.count_tables import entry_count
from central.store.engine import reading, writing
from central.store.lookup_tables import case_hold, case_hold_entry
from central.store.retention_tables import ended_count, record_mark
from central.store.tables import finding, quarantine, record
from messages.chain import record_hash
from messages.model import ClockQuality


@pytest.fixture
def archive(engine: Engine) -> Iterator[Archive]:
    made = Archive(engine)
    yield made
    made.close()


def test_nothing_goes_before_its_time_and_all_within_a_day_after_it(archive: Archive) -> None:
    chain = Growing()
    archive.comes(Growing("west-1"), 1)  # by which it is known how late it is
    archive.runs()
    archive.now_us += HOUR_US  # right after a mark: those that wait longest for theirs
    archive.comes(chain, 3)
    came_us = archive.now_us
    archive.passes(DAYS - 1 / 24)
    assert archive.seqs() == [1, 2, 3]
    archive.now_us = came_us + DAYS * DAY_US
    archive.runs()
    assert archive.seqs() == [1, 2, 3]
    archive.now_us = came_us + (DAYS + 1) * DAY_US
    archive.runs()
    assert archive.seqs() == []
    assert archive.certified()[-1] == (COMMUNITY, "2026-11-05", 3)


def test_what_came_since_stays(archive: Archive) -> None:
    chain = Growing()
    archive.comes(chain, 4)
    archive.passes(10)
    archive.comes(chain, 5)
    archive.passes(DAYS - 9)
    assert archive.seqs() == [5, 6, 7, 8, 9]
    assert archive.verified() == [("epoch 1: 1-9, of which 4 were ended; good", True)]
    archive.passes(10)
    assert archive.seqs() == []
    assert archive.verified() == [("epoch 1: 1-9, of which 9 were ended; good", True)]
    assert archive.ended() == [(1, 9)]
    assert [(day, rows) for _, day, rows in archive.certified()] == [("2026-11-04", 4), ("2026-11-15", 5)]


@pytest.mark.parametrize("at_us", [0, 1_000_000, NOON_US + 30 * 365 * DAY_US])
def test_a_wrong_clock_of_a_gateway_neither_hastens_nor_delays_an_end(archive: Archive, at_us: int) -> None:
    chain = Growing()
    archive.comes(chain, 2, at_us)
    assert archive.passes(DAYS - 1) == []
    assert archive.seqs() == [1, 2]
    archive.passes(2)
    assert archive.seqs() == []


def test_after_an_upgrade_the_time_counts_from_the_first_run(archive: Archive) -> None:
    """Records of years before are there, and no mark says when they came."""
    chain = Growing()
    archive.comes(chain, 3, NOON_US - 900 * DAY_US)
    archive.now_us += 400 * DAY_US
    assert archive.passes(DAYS - 1) == []
    assert archive.seqs() == [1, 2, 3]
    archive.passes(2)
    assert archive.seqs() == []


def test_what_two_people_agreed_to_is_not_undone_by_a_setting(archive: Archive) -> None:
    """A community whose assessment in force promises a year, by a rule that it cites."""
    archive.comes(Growing(), 2)
    with writing(archive.engine) as connection:
        a_year = an_assessment(('"days": 180', '"days": 365'))
        goes_live(connection, COMMUNITY, archive.now_us, assessment=a_year)
    archive.passes(364)
    assert archive.seqs() == [1, 2]
    archive.passes(2)
    assert archive.seqs() == []


def test_what_is_not_counted_yet_stays_until_it_is(archive: Archive) -> None:
    chain = Growing()
    archive.comes(chain, 3)
    for _ in range(2 * DAYS // 30 + 2):
        archive.runs(counted=False)
        archive.now_us += 15 * DAY_US
    assert archive.seqs() == [1, 2, 3]
    archive.runs()
    assert archive.seqs() == []
    assert sum(archive.values(select(entry_count.c.entries))) == 3


def test_entries_that_come_after_all_have_gone_are_counted_and_stay_their_time(archive: Archive) -> None:
    """SQLite gives the number of a deleted last row again: the new one must not be taken for an old one."""
    chain = Growing()
    archive.comes(chain, 6)
    highest = archive.newest_number()
    archive.passes(DAYS + 1)
    assert archive.newest_number() == 0
    archive.comes(chain, 2)
    assert archive.newest_number() > highest
    archive.runs()
    assert archive.seqs() == [7, 8]
    archive.passes(DAYS - 1)
    assert archive.seqs() == [7, 8]
    assert sum(archive.values(select(entry_count.c.entries))) == 8
    archive.passes(2)
    assert archive.seqs() == []


# --- the centre's own clock


def test_a_clock_that_was_never_set_notes_nothing(archive: Archive) -> None:
    archive.comes(Growing(), 1)
    archive.now_us = 1_000_000
    archive.runs()
    assert archive.values(select(record_mark.c.noted_at)) == []


@pytest.mark.parametrize("days", [39, 365, 3650])
def test_a_clock_ahead_ends_nothing_early_and_deletion_goes_on_after(archive: Archive, days: int) -> None:
    archive.comes(Growing(), 2)
    came_us = archive.now_us
    archive.passes(DAYS - 38)
    archive.goes_wrong(days * DAY_US)
    assert archive.runs() == []
    assert archive.passes(3) == []
    assert archive.seqs() == [1, 2]
    assert max(archive.values(select(record_mark.c.noted_at))) <= archive.true_us
    archive.goes_wrong(-archive.wrong_us)
    archive.passes((came_us + DAYS * DAY_US - archive.now_us) / DAY_US - 1)
    assert archive.seqs() == [1, 2]
    archive.passes(2)
    assert archive.seqs() == []


@pytest.mark.parametrize("marks", [1, 2, 3])
def test_marks_of_a_clock_ahead_are_taken_away_even_where_there_are_no_others(
    archive: Archive, marks: int
) -> None:
    """As a program noted them that asked no gateway."""
    archive.comes(Growing(), 2)
    came_us = archive.now_us
    number = archive.newest_number()
    for each in range(marks):
        insert_mark(archive, number, came_us + 3650 * DAY_US + each * DAY_US)
    archive.passes(DAYS - 1)
    assert archive.seqs() == [1, 2]
    assert max(archive.values(select(record_mark.c.noted_at))) <= archive.now_us
    archive.passes(2)
    assert archive.seqs() == []


def test_a_mark_ahead_that_was_begun_does_not_keep_others_from_being_noted(archive: Archive) -> None:
    insert_mark(archive, 0, archive.now_us + 3650 * DAY_US, begun_at=archive.now_us)
    archive.comes(Growing(), 2)
    archive.passes(DAYS + 1)
    assert archive.seqs() == []


@pytest.mark.parametrize("behind", [10, 300, 8000])
def test_a_clock_behind_at_the_first_start_ends_nothing_before_its_true_time(
    archive: Archive, behind: int
) -> None:
    """A dead clock; and an archive that was there before, such as at an upgrade."""
    chain = Growing()
    archive.comes(chain, 3, archive.now_us - 900 * DAY_US)
    archive.comes(chain, 3)
    archive.goes_wrong(-behind * DAY_US)
    archive.runs()
    archive.comes(chain, 1)
    archive.goes_wrong(-archive.wrong_us)
    archive.passes(1)
    archive.passes(DAYS - 2)
    assert archive.seqs() == [1, 2, 3, 4, 5, 6, 7]
    archive.passes(2)
    assert archive.seqs() == []


def test_a_mark_of_a_clock_behind_counts_from_what_gateways_told_of_its_records(archive: Archive) -> None:
    """As a program noted it that asked no gateway."""
    chain = Growing()
    other = Growing("west-1")  # by which it is known how late it is
    archive.comes(other, 1)
    archive.comes(chain, 3)
    insert_mark(archive, archive.newest_number(), archive.now_us - 300 * DAY_US)
    archive.passes(0.5)
    archive.comes(chain, 3, 1_000_000, clock=ClockQuality.UNKNOWN)  # tells no time, and came after the others
    insert_mark(archive, archive.newest_number(), archive.now_us - 299 * DAY_US)
    came_us = archive.now_us
    archive.passes(DAYS - 1)
    assert archive.seqs() == [1, 2, 3, 4, 5, 6]
    archive.comes(other, 1)
    archive.passes(1.5)
    assert archive.seqs() == []
    with reading(archive.engine) as connection:
        assert (ended_until(connection) or 0) >= came_us
    assert {day for _, day, _ in archive.certified()} <= {"2026-11-04", "2026-11-05"}


def test_while_no_gateway_says_how_late_it_is_nothing_is_ended_and_the_log_says_so(
    archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    archive.comes(Growing(), 2)
    archive.passes(1)
    archive.silent = True
    archive.passes(DAYS + 5)
    archive.passes(5)
    assert archive.seqs() == [1, 2]
    assert len([each for each in caplog.records if "gateways were last heard at" in each.message]) == 1
    archive.silent = False
    archive.runs()
    assert archive.seqs() == []


@pytest.mark.parametrize("flaw", ["online = 0", "unbelieved_at = 1", "replayed_at = 1", "state_at = 1"])
def test_a_state_that_is_not_believed_says_no_time(archive: Archive, flaw: str) -> None:
    archive.comes(Growing(), 2)
    archive.passes(1)
    archive.now_us += DAYS * DAY_US
    archive.speak()
    alter(archive.engine, f"UPDATE gateway SET {flaw}")  # noqa: S608
    archive.silent = True
    archive.runs()
    assert archive.seqs() == [1, 2]


def test_a_state_under_a_clock_that_nobody_set_says_no_time(archive: Archive) -> None:
    """After a power cut centre and gateway may both believe in a day that was long ago, or is to come."""
    chain = Growing()
    archive.comes(chain, 2)
    archive.passes(1)
    archive.goes_wrong(DAYS * DAY_US)
    archive.comes(chain, 1, archive.now_us, clock="unknown")
    archive.silent = True
    alter(archive.engine, f"UPDATE gateway SET state_at = {archive.now_us}, online = 1")  # noqa: S608
    archive.runs()
    assert archive.seqs() == [1, 2, 3]
    archive.comes(chain, 1, archive.now_us, clock="synced")  # that somebody has set meanwhile
    alter(archive.engine, f"UPDATE gateway SET state_at = {archive.now_us}, online = 1")  # noqa: S608
    archive.runs()
    assert archive.seqs() == [3, 4]


def test_a_centre_that_stood_still_for_long_ends_what_is_due_once_a_gateway_speaks(archive: Archive) -> None:
    archive.comes(Growing(), 2)
    archive.passes(1)
    archive.now_us += 300 * DAY_US
    archive.silent = True
    assert archive.runs() == []
    archive.comes(Growing("west-1"), 1)  # its clock is synchronised
    archive.runs()
    assert archive.seqs() == []


def test_a_clock_set_back_ends_nothing(archive: Archive) -> None:
    """Not even what is due: what it says is of no use."""
    archive.comes(Growing(), 2)
    for days in (1, DAYS + 20):
        archive.now_us = NOON_US + days * DAY_US
        archive.runs(counted=False)
    archive.goes_wrong(-10 * DAY_US)
    noted = archive.values(select(record_mark.c.noted_at))
    assert archive.runs() == []
    assert archive.seqs() == [1, 2]
    assert archive.values(select(record_mark.c.noted_at)) == noted
    assert archive.values(select(record_mark.c.begun_at).where(record_mark.c.begun_at.is_not(None))) == []
    archive.goes_wrong(-archive.wrong_us)
    archive.runs()
    assert archive.seqs() == []


def test_a_mark_begins_when_what_lies_under_it_goes_and_not_before(archive: Archive) -> None:
    """What is not counted yet stays, and nobody is told that it has gone."""
    chain = Growing()
    archive.comes(chain, 2)
    archive.runs()
    archive.now_us += DAY_US // 2
    archive.comes(chain, 2)
    archive.runs(counted=False)
    archive.now_us += (DAYS + 1) * DAY_US
    archive.runs(counted=False)
    assert archive.seqs() == [3, 4]
    with reading(archive.engine) as connection:
        assert NOON_US <= (ended_until(connection) or 0) < NOON_US + HOUR_US
    archive.runs()
    assert archive.seqs() == []


def test_an_assessment_that_cannot_be_read_ends_nothing_and_the_log_says_so_once(
    archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    archive.comes(Growing(), 2)
    with writing(archive.engine) as connection:
        a_year = an_assessment(('"days": 180', '"days": 365'))
        goes_live(connection, COMMUNITY, archive.now_us, assessment=a_year)
    archive.passes(DAYS - 1)
    alter(archive.engine, "UPDATE impact_assessment SET body = '{\"unknown\": 1}'")
    archive.passes(10)
    archive.passes(10)
    assert archive.seqs() == [1, 2]
    assert len([each for each in caplog.records if "cannot be read" in each.message]) == 1
    with reading(archive.engine) as connection:
        assert until_us(connection, [1], RetentionRules(), archive.now_us) == [None]


def test_assessments_are_read_once_in_a_pass(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, read = Archive(engine, at_once=2), 0
    archive.comes(Growing(), 9)
    archive.passes(DAYS)
    archive.now_us += DAY_US

    def reads(connection: Connection, rules: RetentionRules) -> int | None:
        nonlocal read
        read += 1
        return days_of(connection, rules)

    monkeypatch.setattr("central.retention.entries.days_of", reads)
    archive.runs()
    assert (archive.seqs(), read) == ([], 1)
    archive.close()


@pytest.mark.parametrize("online", [0, 1])
def test_a_gateway_that_fell_silent_takes_no_mark_of_a_clock_set_back_away(
    archive: Archive, online: int
) -> None:
    """It speaks of the past, as that clock does; the others know better."""
    archive.comes(Growing("west-1"), 1)
    archive.comes(Growing(), 1)
    archive.passes(50)
    noted = archive.values(select(record_mark.c.noted_at))
    archive.goes_wrong(-30 * DAY_US)
    archive.speak()
    alter(archive.engine, f"UPDATE gateway SET online = {online} WHERE name = 'west-1'")  # noqa: S608
    archive.silent = True
    archive.runs()
    assert archive.values(select(record_mark.c.noted_at)) == noted


def insert_mark(archive: Archive, last_id: int, noted_at: int, begun_at: int | None = None) -> None:
    values = {"day": "2026-01-01", "last_id": last_id, "noted_at": noted_at, "begun_at": begun_at}
    with writing(archive.engine) as connection:
        connection.execute(insert(record_mark).values(values))


# --- chains


def test_chains_with_holes_epochs_and_late_ones_stay_good(archive: Archive) -> None:
    first, second, west = Growing(), Growing(epoch=2), Growing("west-1")
    first.grow(40, archive.now_us)
    archive.take(first.block(1, 10), first.block(21, 30))
    archive.comes(second, 5)
    archive.comes(west, 7)
    archive.passes(20)
    archive.take(first.block(31, 40))
    archive.comes(second, 5)
    archive.passes(DAYS - 19)
    assert (archive.seqs(), archive.ended()) == (list(range(31, 41)), [(1, 10), (21, 30)])
    assert (archive.seqs(epoch=2), archive.ended(epoch=2)) == (list(range(6, 11)), [(1, 5)])
    archive.take(first.block(11, 20))  # a hole between ended ones is filled late
    assert archive.verified() == [
        ("epoch 1: 1-40, of which 20 were ended; good", True),
        ("epoch 2: 1-10, of which 5 were ended; good", True),
        ("epoch 1: 1-7, of which 7 were ended; good", True),
    ]
    archive.passes(20)
    assert (archive.seqs(), archive.ended()) == (list(range(11, 21)), [(1, 10), (21, 40)])
    assert all(good for _, good in archive.verified())
    archive.passes(DAYS)
    assert (archive.seqs(), archive.ended()) == ([], [(1, 40)])
    assert all(good for _, good in archive.verified())


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE record SET door = 'back-door' WHERE seq = 5", "altered 5"),
        ("UPDATE record SET door = 'back-door' WHERE seq = 7", "altered 7"),
        ("DELETE FROM record WHERE seq = 5", "missing 5"),
        ("DELETE FROM record WHERE seq = 8", "missing 8"),
        ("UPDATE ended_range SET last_hash = x'" + "ab" * 32 + "'", "altered 5"),
        ("UPDATE ended_range SET last = 3", "missing 4"),
        ("UPDATE record SET seq = 2 WHERE seq = 6", "added 2; missing 6"),
    ],
)
def test_whatever_is_altered_behind_what_was_ended_is_found(
    archive: Archive, statement: str, said: str
) -> None:
    chain = Growing()
    archive.comes(chain, 4)
    archive.passes(5)
    archive.comes(chain, 4)
    archive.passes(DAYS - 4)
    assert archive.ended() == [(1, 4)]
    alter(archive.engine, statement)
    line, good = archive.verified()[0]
    assert not good
    assert line.endswith(said), line


def test_what_comes_again_after_its_end_is_neither_stored_nor_a_conflict(archive: Archive) -> None:
    chain = Growing()
    archive.comes(chain, 6, archive.now_us - HOUR_US)
    archive.passes(DAYS + 1)
    archive.comes(chain, 2)
    again = archive.take(chain.block(1))
    assert archive.seqs() == [7, 8]
    assert archive.values(select(quarantine.c.id)) == []
    assert archive.values(select(finding.c.id)) == []
    (ack,) = again.acks.values()
    assert (ack.epochs[0].through, ack.epochs[0].hash) == (8, record_hash(chain.bodies[-1]))


@pytest.mark.parametrize(
    ("at_us", "clock"),
    [
        (None, ClockQuality.SYNCED),
        (1_000_000, ClockQuality.UNKNOWN),  # a clock that was never set
        (NOON_US - HOUR_US, ClockQuality.HELD),
    ],
)
def test_another_record_at_a_place_whose_record_was_ended_is_set_aside(
    archive: Archive, at_us: int | None, clock: ClockQuality
) -> None:
    """Of a gateway whose disk was put back to a copy of half a year ago: it is evidence, and new."""
    chain = Growing()
    archive.comes(chain, 6)
    archive.passes(DAYS + 1)
    put_back = Growing()
    put_back.bodies = chain.bodies[:4]
    archive.comes(put_back, 2, at_us, clock=clock)
    assert archive.values(select(quarantine.c.seq).order_by(quarantine.c.seq)) == [5, 6]
    assert archive.values(select(finding.c.kind).distinct()) == [Trouble.CONFLICT]
    (ack,) = archive.comes(put_back, 1).acks.values()
    assert ack.epochs[0].hash is None, "the gateway's own chain is not known here whole"


def test_a_break_that_was_ended_holds_up_no_gateway(archive: Archive) -> None:
    """Of a disk that was put back; the gateway would keep all of that epoch for ever."""
    chain = Growing()
    archive.comes(chain, 6)
    other = Growing()
    other.bodies = chain.bodies[:3]
    other.grow(6, archive.now_us + 5 * HOUR_US)
    (ack,) = archive.take(other.block(7)).acks.values()
    assert ack.epochs[0].hash is None, "4 to 6 of its chain are not here"
    archive.passes(DAYS + 1)
    (ack,) = archive.comes(other, 1).acks.values()
    assert (ack.epochs[0].through, ack.epochs[0].hash) == (10, record_hash(other.bodies[-1]))
    assert archive.verified() == [("epoch 1: 1-10, of which 9 were ended; chain break 7", False)]


def test_what_was_set_aside_between_ended_ones_is_still_held_to_its_hash(archive: Archive) -> None:
    strange = a_chain(1)[0].replace(b"access_granted", b"door_melted")
    chain = Growing()
    chain.bodies = [strange]
    archive.take(chain.block(1))
    archive.comes(chain, 3)
    archive.passes(DAYS + 1)
    assert archive.ended() == [(2, 4)]
    assert archive.verified() == [("epoch 1: 1-4, of which 3 were ended; poison 1", False)]


# --- one step after the other


def test_a_day_of_many_goes_in_steps_and_gets_one_certificate(engine: Engine) -> None:
    archive = Archive(engine, at_once=7)
    chain, west = Growing(), Growing("west-1")
    archive.comes(chain, 20)
    archive.comes(west, 10)
    archive.passes(DAYS - 1)
    archive.now_us += 2 * DAY_US
    archive.count()
    archive.job.look()
    archive.now_us += DAY_US // 2
    steps = 0
    while archive.job.look():
        steps += 1
    assert (archive.seqs(), archive.seqs("west-1")) == ([], [])
    assert steps >= 3
    assert archive.certified() == [(COMMUNITY, "2026-11-04", 30)]
    archive.close()


def test_a_step_that_fails_leaves_all_as_it_was(archive: Archive) -> None:
    archive.comes(Growing(), 5)
    archive.passes(DAYS - 1)
    forbid(archive.engine, "INSERT", "ended_range", "no room")
    archive.now_us += 2 * DAY_US
    with pytest.raises(RowRefused, match="no room"):
        archive.runs()
    assert archive.seqs() == [1, 2, 3, 4, 5]
    assert archive.values(select(ended_count.c.entries)) == []
    with reading(archive.engine) as connection:
        assert ended_until(connection) is None


KILLED = """
import os, signal, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from central.identity.retention_rules import RetentionRules
from central.retention.entries import EntryRetention
from central.store.engine import open_reader, open_writer

url, now_us, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
centre = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
rules = RetentionRules()
job = EntryRetention(open_writer(url), open_reader(url), centre, rules, now_us=lambda: now_us, at_once=4)
for _ in range(steps):
    job.look()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_after_any_step_it_goes_on_and_certifies_each_row_once(engine: Engine) -> None:
    archive = Archive(engine)
    chain = Growing()
    archive.comes(chain, 22)
    archive.passes(DAYS - 1)
    archive.now_us += DAY_US // 2
    archive.runs()
    archive.now_us += DAY_US
    url = engine.url.render_as_string(hide_password=False)
    engine.dispose()
    for steps in (1, 2):
        script = [sys.executable, "-c", KILLED, url, str(archive.now_us), str(steps)]
        assert subprocess.run(script, timeout=60, check=False).returncode == -signal.SIGKILL
        assert all(good for _, good in archive.verified())
    assert len(archive.seqs()) == 22 - 3 * 4
    archive.runs()
    assert archive.seqs() == []
    assert archive.certified() == [(COMMUNITY, "2026-11-04", 22)]
    assert archive.verified() == [("epoch 1: 1-22, of which 22 were ended; good", True)]
    archive.close()


def test_records_of_a_site_that_no_community_has_go_too(archive: Archive) -> None:
    alter(archive.engine, "UPDATE site SET name = 'elsewhere'")
    archive.comes(Growing(), 2)
    archive.passes(DAYS + 1)
    assert archive.seqs() == []
    assert archive.certified() == [(0, "2026-11-04", 2)]


# --- holds


def test_what_a_case_holds_stays_until_its_hold_has_ended(archive: Archive) -> None:
    chain = Growing()
    archive.comes(chain, 5)
    with writing(archive.engine) as connection:
        values = {"community_id": COMMUNITY, "look_up_id": 1, "case_number": "A-1", "made_at": 1}
        connection.execute(insert(case_hold).values(id=1, until_at=2, **values))
        row = connection.execute(select(record).where(record.c.seq == 3)).one()
        place = {name: getattr(row, name) for name in ("gateway_id", "epoch", "seq", "at")}
        connection.execute(
            insert(case_hold_entry).values(id=1, community_id=COMMUNITY, case_hold_id=1, **place)
        )
    archive.passes(DAYS + 1)
    assert (archive.seqs(), archive.ended()) == ([3], [(1, 2), (4, 5)])
    assert archive.verified() == [("epoch 1: 1-5, of which 4 were ended; good", True)]
    alter(archive.engine, "UPDATE record SET door = 'back-door' WHERE seq = 3")
    assert archive.verified() == [("epoch 1: 1-5, of which 4 were ended; altered 3", False)]
    alter(archive.engine, "DELETE FROM case_hold_entry")
    archive.passes(0.5)
    assert (archive.seqs(), archive.ended()) == ([], [(1, 5)])
    assert archive.certified() == [(COMMUNITY, "2026-11-04", 4), (COMMUNITY, "2026-11-04", 1)]
    assert archive.verified() == [("epoch 1: 1-5, of which 5 were ended; good", True)]
