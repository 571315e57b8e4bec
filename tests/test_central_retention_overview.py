"""What is kept until when: every table and certificate has its class, and a class says what goes next."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from central_support import GATEWAY
from central_web_support import COMMUNITY, Chain, Filled, a_filled, about, online
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from identity_support import NOON_US
from sqlalchemy import event, insert, select

from central.accounts.book import make_community
from central.console.pages.oversight import kept as page
from central.identity.certificates import DataClass, certify
from central.identity.periods import DAY_US
from central.identity.retention_rules import RetentionRules
from central.retention.entries import EntryRetention
from central.retention.overview import LIES, Asked, Certified, Kept, Standing, Stopped, standings
from central.store.engine import reading, writing
from central.store.identity_tables import envelope
from central.store.inventory import load
from central.store.lookup_tables import case_hold, case_hold_entry
from central.store.tables import metadata, record
from messages.model import ClockQuality

RULES = RetentionRules()
DAYS = RULES.entry_days


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    with a_filled(tmp_path) as opened:
        yield opened


def standing(
    filled: Filled, kept: Kept, now_us: int, *, signs: bool = True, community: int = COMMUNITY
) -> Standing:
    with reading(filled.reader) as connection:
        return standings(connection, Asked([community], RULES, now_us, signs))[kept]


def retention(filled: Filled, clock: list[int]) -> EntryRetention:
    signing = Ed25519PrivateKey.generate()
    return EntryRetention(filled.writer, filled.reader, signing, RULES, now_us=lambda: clock[0])


def comes(filled: Filled, chain: Chain, count: int, now_us: int) -> None:
    first = len(chain.bodies) + 1
    chain.grow(count, at=now_us, door="door-1")
    filled.take(chain.block(first), online(chain.head(), at_us=now_us), now_us=now_us)


# --- nothing is forgotten --------------------------------------------------------------------------------


def test_every_table_lies_in_one_class_that_is_kept_as_the_inventory_says() -> None:
    inventory = load()
    words = {name: {entry.kept for entry in inventory.of(name)} for name in inventory.tables}
    placed = [(table, lies.word) for lies in LIES.values() for table in lies.tables]
    assert sorted(table for table, _ in placed) == sorted(metadata.tables)
    assert [each for each in placed if each[1] not in words[each[0]]] == []


def test_every_column_that_is_kept_for_another_time_than_its_table_is_named() -> None:
    inventory = load()
    word = {table: lies.word for lies in LIES.values() for table in lies.tables}
    apart = {
        f"{each.table}.{each.column}": each.kept
        for each in inventory.entries
        if each.kept != word[each.table]
    }
    assert apart == {column: lies.word for lies in LIES.values() for column in lies.columns}


def test_every_length_of_time_of_the_inventory_and_every_certificate_has_its_class() -> None:
    assert {lies.word for lies in LIES.values()} - {None} == set(load().words["kept_for"])
    assert sorted(each for lies in LIES.values() for each in lies.certified) == sorted(DataClass)


def test_the_page_tells_every_class_once_in_words() -> None:
    shown = [*page.ENDING, *(kept for _, _, group in page.GROUPS for kept in group)]
    assert sorted(shown) == sorted(Kept) == sorted(LIES) == sorted(page.CLASSES_TOLD)
    assert {kept for kept, lies in LIES.items() if lies.certified} <= set(page.ENDING)
    assert set(page.STOPPED) == set(Stopped)


# --- how classes stand -----------------------------------------------------------------------------------


def test_entries_say_what_goes_next_what_is_over_and_what_went(filled: Filled) -> None:
    clock, chain = [NOON_US], Chain()
    assert standing(filled, Kept.ENTRIES, NOON_US) == Standing()
    comes(filled, chain, 3, clock[0])
    ending = retention(filled, clock)
    assert not ending.look()  # notes a mark
    clock[0] += DAY_US
    comes(filled, chain, 2, clock[0])
    assert not ending.look()
    now = standing(filled, Kept.ENTRIES, clock[0])
    assert (now.oldest_us, now.due_us, now.due_rows, now.over) == (NOON_US, NOON_US + DAYS * DAY_US, 3, 0)
    clock[0] = NOON_US + DAYS * DAY_US
    late = standing(filled, Kept.ENTRIES, clock[0])
    assert (late.over, late.due_rows, late.stopped) == (3, 2, Stopped.CLOCK)
    comes(filled, chain, 1, clock[0])
    assert standing(filled, Kept.ENTRIES, clock[0]).stopped is None
    assert standing(filled, Kept.ENTRIES, clock[0], signs=False).stopped is Stopped.NO_KEYS
    with writing(filled.writer) as connection:
        connection.exec_driver_sql("INSERT INTO entry_tally (id, record_id) VALUES (1, 99)")
    ending.run()
    gone = standing(filled, Kept.ENTRIES, clock[0])
    assert (gone.oldest_us, gone.over) == (NOON_US + DAY_US, 0)
    assert gone.certified == {DataClass.ENTRIES: Certified(1, 1, "2026-11-04", clock[0])}
    assert standing(filled, Kept.ENTRIES, clock[0], community=COMMUNITY + 1) == Standing()


def test_entries_that_nothing_will_end_say_so_and_no_day(filled: Filled) -> None:
    """No gateway's clock is believed: so no mark is noted, and nobody knows how old an entry is."""
    chain = Chain()
    chain.grow(3, at=NOON_US - 400 * DAY_US, door="door-1", clock=ClockQuality.UNKNOWN)
    filled.take(chain.block(), now_us=NOON_US)
    ending = retention(filled, [NOON_US])
    ending.look()
    assert ending.said == "no gateway says that it can be this late: no entry is ended"
    assert standing(filled, Kept.ENTRIES, NOON_US) == Standing(unknown=True, stopped=Stopped.CLOCK)
    comes(filled, chain, 1, NOON_US)
    first = standing(filled, Kept.ENTRIES, NOON_US)
    assert first == Standing(unknown=True, due_us=NOON_US + DAYS * DAY_US)  # at the earliest
    keyless = standing(filled, Kept.ENTRIES, NOON_US, signs=False)
    assert keyless == Standing(unknown=True, stopped=Stopped.NO_KEYS)


def test_a_community_without_an_entry_reads_none_of_the_others(filled: Filled) -> None:
    comes(filled, Chain(), 3, NOON_US)
    with writing(filled.writer) as connection:
        make_community(connection, "310101001002", "荷塘社区", ["pond"], NOON_US)
    filled.take(about("1 号楼"), gateway="pond-1", site="pond", now_us=NOON_US)
    said: list[str] = []

    def note(_c: object, _u: object, statement: str, *_: object) -> None:
        said.append(statement)

    event.listen(filled.reader, "before_cursor_execute", note)
    try:
        assert standing(filled, Kept.ENTRIES, NOON_US, community=COMMUNITY + 1) == Standing()
        ordered = [each for each in said if "ORDER BY record.id" in each]
        assert [each for each in ordered if "gateway.site" in each] == []
        assert standing(filled, Kept.ENTRIES, NOON_US).unknown
    finally:
        event.remove(filled.reader, "before_cursor_execute", note)


def test_what_a_case_holds_is_kept_back_and_not_called_due(filled: Filled) -> None:
    clock, chain = [NOON_US], Chain()
    comes(filled, chain, 3, clock[0])
    assert not retention(filled, clock).look()
    clock[0] = NOON_US + DAYS * DAY_US
    comes(filled, chain, 1, clock[0])
    until_us = clock[0] + 5 * DAY_US
    own = {"community_id": COMMUNITY}
    with writing(filled.writer) as connection:
        row = connection.execute(select(record).order_by(record.c.id)).first()
        assert row is not None
        connection.execute(
            insert(case_hold).values(
                id=1, look_up_id=1, case_number="A-2026-17", made_at=clock[0], until_at=until_us, **own
            )
        )
        place = {"gateway_id": row.gateway_id, "epoch": row.epoch, "seq": row.seq, "at": row.at}
        connection.execute(insert(case_hold_entry).values(case_hold_id=1, sealed=b"sealed", **own, **place))
    before = standing(filled, Kept.ENTRIES, clock[0] - DAY_US)
    assert (before.over, before.due_rows, before.held) == (0, 2, 1)
    entries = standing(filled, Kept.ENTRIES, clock[0])
    assert (entries.held, entries.held_until_us, entries.over) == (1, until_us, 2)
    visitors = standing(filled, Kept.VISITORS, clock[0])
    assert (visitors.held, visitors.held_until_us) == (1, until_us)
    holds = standing(filled, Kept.HOLDS, clock[0])
    assert (holds.oldest_us, holds.due_us, holds.due_rows, holds.over) == (clock[0], until_us, 1, 0)
    assert standing(filled, Kept.HOLDS, until_us).over == 1


def test_visitors_go_by_days_and_their_certificates_are_counted(filled: Filled) -> None:
    own = {"gateway_id": 1, "epoch": 1, "community_id": COMMUNITY, "at": NOON_US, "sealing_key": ""}
    comes(filled, Chain(GATEWAY), 1, NOON_US)
    days = ("2026-11-01", "2026-11-02", "2026-11-02")
    with writing(filled.writer) as connection:
        for seq, day in enumerate(days, 1):
            values = {"seq": seq, "period": day, "hash": b"", "sealed": b"", "waits": 0}
            connection.execute(insert(envelope).values(**own, **values))
        for number in range(2):
            certify(
                connection,
                Ed25519PrivateKey.generate(),
                community=COMMUNITY,
                data_class=DataClass.VISITOR_IDENTITY,
                period=f"2026-08-0{number + 1}",
                due_us=NOON_US,
                now_us=NOON_US,
                keys=(),
                rows=1,
            )
    before_us = RULES.due_us("2026-11-01") - 1
    first = standing(filled, Kept.VISITORS, before_us)
    assert (first.due_us, first.due_rows, first.over) == (before_us + 1, 1, 0)
    made = first.certified[DataClass.VISITOR_IDENTITY]
    assert (made.count, made.last, made.period) == (2, 2, "2026-08-02")
    second = standing(filled, Kept.VISITORS, before_us + 1)
    assert (second.due_us, second.due_rows, second.over) == (RULES.due_us("2026-11-02"), 2, 1)
