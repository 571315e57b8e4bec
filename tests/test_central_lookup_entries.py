"""Entries of a door in a window: the right ones, in stable pages, and nothing that says who it was."""

import base64
import random
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from central_support import GATEWAY, SITE, START_US
from central_web_support import DOORLESS, NOW_US, Chain, Filled, a_filled
from sqlalchemy import event

from central.errors import BadQuestion
from central.lookup import entries
from central.lookup.entries import (
    LATE_US,
    MAX_WINDOW_US,
    Entry,
    Page,
    Question,
    Wanted,
    Window,
    arrived_after,
    entries_of_door,
    newest,
    newest_between,
    newest_id,
)
from central.lookup.paging import Branch, page
from central.lookup.paging import Window as LookedAt
from central.store.engine import reading, writing
from central.store.tables import record
from messages.model import ClockQuality, Direction, Kind, Reason

DOOR = "door-1"
ALL = Window(START_US - 1_000_000_000, START_US + 1_000_000_000)
LOOKED_AT = LookedAt(ALL.from_us, ALL.until_us)


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    with a_filled(tmp_path) as opened:
        yield opened


def asked(filled: Filled, question: Question) -> Page:
    with reading(filled.reader) as connection:
        return entries_of_door(connection, question)


def question(*, window: Window = ALL, limit: int = 100, cursor: str | None = None) -> Question:
    return Question(SITE, GATEWAY, DOOR, window, limit, cursor)


def seconds(page: Page) -> list[int]:
    return [(entry.at_us - START_US) // 1_000_000 for entry in page.entries]


def put(filled: Filled, chain: Chain, *offsets_s: int, **changes: object) -> None:
    """One entry at the door for each offset, in this order of arrival."""
    first = len(chain.bodies) + 1
    for offset_s in offsets_s:
        chain.grow(at=START_US + offset_s * 1_000_000, **{"door": DOOR, **changes})
    filled.take(chain.block(first))


def test_the_newest_comes_first_whatever_the_order_of_arrival(filled: Filled) -> None:
    put(filled, Chain(), 3, 1, 2)
    assert seconds(asked(filled, question())) == [3, 2, 1]


def test_other_doors_gateways_and_sites_are_left_out(filled: Filled) -> None:
    put(filled, Chain(), 1)
    put(filled, Chain(epoch=2), 2, door="door-2")
    for site, name in ((SITE, "west-1"), ("oak-lane", GATEWAY)):
        elsewhere = Chain(name)
        elsewhere.grow(door=DOOR)
        filled.take(elsewhere.block(), gateway=name, site=site)
    assert seconds(asked(filled, question())) == [1]


def test_a_window_begins_with_its_first_moment_and_ends_before_its_last(filled: Filled) -> None:
    put(filled, Chain(), 1, 2, 3, 4)
    window = Window(START_US + 2_000_000, START_US + 4_000_000)
    assert seconds(asked(filled, question(window=window))) == [3, 2]


@pytest.mark.parametrize(
    ("until_us", "what"),
    [
        pytest.param(START_US, "lies not after", id="empty"),
        pytest.param(START_US - 1, "lies not after", id="backwards"),
        pytest.param(START_US + MAX_WINDOW_US + 1, "at most 7 days", id="a microsecond too long"),
    ],
)
def test_a_window_that_cannot_be_asked_for_is_refused(until_us: int, what: str) -> None:
    with pytest.raises(BadQuestion, match=what) as refused:
        Window(START_US, until_us)
    assert refused.value.field == "until"


def test_seven_days_may_be_asked_for() -> None:
    assert Window(START_US, START_US + MAX_WINDOW_US).until_us - START_US == 7 * 86_400 * 1_000_000


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 24, 25, 26])
def test_pages_hold_each_entry_once_also_where_many_share_one_moment(filled: Filled, limit: int) -> None:
    put(filled, Chain(), *[5] * 12, *[6] * 8, *[4] * 5)
    found, cursor = [], None
    for _ in range(30):
        page = asked(filled, question(limit=limit, cursor=cursor))
        assert len(page.entries) <= limit
        found += [(entry.at_us, entry.id) for entry in page.entries]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(found) == len(set(found)) == 25
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("seed", range(6))
def test_what_arrives_between_two_pages_neither_doubles_nor_hides_anything(filled: Filled, seed: int) -> None:
    chance = random.Random(seed)
    chain = Chain()
    put(filled, chain, *(chance.randrange(8) for _ in range(40)))
    before = {entry.id for entry in asked(filled, question()).entries}
    found: list[int] = []
    cursor = None
    while True:
        page = asked(filled, question(limit=chance.randint(1, 7), cursor=cursor))
        found += [entry.id for entry in page.entries]
        cursor = page.next_cursor
        if cursor is None:
            break
        if len(chain.bodies) < 100:
            put(filled, chain, *(chance.randrange(8) for _ in range(chance.randrange(4))))
    assert len(found) == len(set(found))
    assert before <= set(found)


def test_a_page_that_is_just_full_promises_no_other(filled: Filled) -> None:
    put(filled, Chain(), 1, 2)
    assert asked(filled, question(limit=2)).next_cursor is None
    assert asked(filled, question(limit=1)).next_cursor is not None


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        *("", "=", "x", "not a cursor", "é", "%00", "A" * 63, encoded("1"), encoded("1.2.3"), encoded("a.b")),
        *(encoded(text) for text in ("-1.5", "1.-5", f"{2**63}.1", f"1.{2**63}", "1.5e3")),
    ],
)
def test_a_cursor_that_is_none_of_ours_is_refused_with_what_to_do(filled: Filled, cursor: str) -> None:
    with pytest.raises(BadQuestion, match="begin again without it") as refused:
        asked(filled, question(cursor=cursor))
    assert refused.value.field == "cursor"


def test_a_decision_says_whether_it_was_granted_and_nothing_else_does(filled: Filled) -> None:
    chain = Chain()
    put(filled, chain, 3)
    put(filled, chain, 2, kind=Kind.ACCESS_DENIED)
    put(filled, chain, 1, kind=Kind.READER_LOST)
    assert [entry.granted for entry in asked(filled, question()).entries] == [True, False, None]


def test_an_entry_holds_what_was_recorded_and_no_more_than_may_be_shown(filled: Filled) -> None:
    put(filled, Chain(), 1, direction=Direction.OUT)
    [entry] = asked(filled, question()).entries
    assert entry == Entry(
        id=1,
        at_us=START_US + 1_000_000,
        kind="access_granted",
        door=DOOR,
        direction="out",
        reason="listed",
        category="resident",
        assurance="L3",
        clock="synced",
        site=SITE,
        gateway=GATEWAY,
        came_after_us=NOW_US,
    )
    assert {field.name for field in fields(Entry)} == {
        *("id", "at_us", "kind", "door", "direction", "reason", "category", "assurance", "clock"),
        *("site", "gateway", "came_after_us", "released_by"),
    }


def test_the_newest_are_those_that_arrived_last_and_are_about_a_door(filled: Filled) -> None:
    chain = Chain()
    put(filled, chain, 9, 8, 7)
    chain.grow(**DOORLESS)
    filled.take(chain.block(4))
    with reading(filled.reader) as connection:
        assert [entry.id for entry in newest(connection, 2, [SITE])] == [3, 2]
        assert [entry.id for entry in arrived_after(connection, 1, 10, [SITE], through=3)] == [2, 3]
        assert [entry.id for entry in arrived_after(connection, 1, 1, [SITE], through=3)] == [2]
        assert [entry.id for entry in arrived_after(connection, 1, 10, [SITE], through=2)] == [2]
        assert newest_id(connection) == 4


def came(filled: Filled, chain: Chain, *offsets_s: int, at_s: int, **changes: object) -> None:
    """As `put`, to a centre whose clock says `at_s`."""
    first = len(chain.bodies) + 1
    for offset_s in offsets_s:
        chain.grow(at=START_US + offset_s * 1_000_000, **{"door": DOOR, **changes})
    filled.take(chain.block(first), gateway=chain.gateway, now_us=START_US + at_s * 1_000_000)


def feed(filled: Filled, wanted: Wanted = entries.EVERYTHING) -> list[Entry]:
    with reading(filled.reader) as connection:
        return newest(connection, 100, [SITE], wanted)


def test_what_came_late_says_when_it_came(filled: Filled) -> None:
    """A minute is the network's own; a mark stands for the half minute after it."""
    chain, minutes = Chain(), LATE_US // 1_000_000
    came(filled, chain, 0, at_s=1)
    came(filled, chain, 20, at_s=21)  # no mark of its own
    came(filled, chain, 100, at_s=100 + minutes)
    came(filled, chain, 300, 200, at_s=400)
    came(filled, chain, 401, at_s=401)
    late = {entry.id: entry.came_late_us for entry in feed(filled)}
    assert late == dict.fromkeys((1, 2, 3, 6)) | dict.fromkeys((4, 5), START_US + 400_000_000)


def test_of_a_gateway_whose_clock_was_never_set_nobody_knows_what_is_late(filled: Filled) -> None:
    came(filled, Chain(), 0, at_s=9_000, clock=ClockQuality.UNKNOWN)
    came(filled, Chain(epoch=2), 0, at_s=9_100, clock=ClockQuality.HELD)
    assert [entry.came_late_us is None for entry in feed(filled)] == [False, True]


def test_what_came_before_arrivals_were_noted_is_not_called_late(filled: Filled) -> None:
    chain = Chain()
    came(filled, chain, 0, at_s=9_000)
    with writing(filled.writer) as connection:
        connection.exec_driver_sql("DELETE FROM arrival_mark")
    came(filled, chain, 100, at_s=9_100)
    assert [entry.came_after_us for entry in feed(filled)] == [START_US + 9_100_000_000, None]


def test_marks_of_a_clock_that_was_put_right_and_those_of_long_ago_are_forgotten(filled: Filled) -> None:
    chain, year_s = Chain(), 365 * 86_400
    for at_s in (0, 9 * year_s, year_s):
        came(filled, chain, at_s, at_s=at_s)
    came(filled, chain, year_s + 5, at_s=year_s + 5)
    with reading(filled.reader) as connection:
        noted = connection.exec_driver_sql("SELECT noted_at, last_id FROM arrival_mark").all()
    assert [tuple(row) for row in noted] == [(START_US + year_s * 1_000_000, 2)]


def test_of_a_quiet_door_what_came_late_is_not_hidden_behind_what_happened_since(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The door's index is in the order of time: what came late is far down in it."""
    chain, other = Chain(), Chain(epoch=2)
    came(filled, chain, *range(1_000, 1_120), at_s=1_200)
    came(filled, chain, 1, 2, at_s=1_300)
    came(filled, other, *range(1_400, 1_410), at_s=1_410, door="door-2")
    one = Wanted(doors=frozenset({(SITE, GATEWAY, DOOR)}))
    assert [entry.id for entry in feed(filled, one)] == list(range(122, 22, -1))
    monkeypatch.setattr(entries, "LOOKED_BACK", 10)
    assert [entry.id for entry in feed(filled, one)] == list(range(120, 20, -1))


def test_the_newest_are_read_from_the_end_however_many_there_are(filled: Filled) -> None:
    """A plan that sorts reads all that a community ever recorded."""
    said: list[tuple[str, Any]] = []

    def note(_c: object, _u: object, statement: str, parameters: object, *_: object) -> None:
        if statement.startswith("SELECT"):
            said.append((statement, parameters))

    with filled.reader.connect() as connection:
        event.listen(connection, "before_cursor_execute", note)
        newest(connection, 2, [SITE])
        arrived_after(connection, 0, 2, [SITE], through=9)
        for wanted in (
            entries.EVERYTHING,
            Wanted(SITE, GATEWAY),
            Wanted(kinds=frozenset({Kind.ACCESS_DENIED})),
            Wanted(doors=frozenset({(SITE, GATEWAY, DOOR)})),
        ):
            newest_between(connection, 0, 2, [SITE], wanted, through=9)
        event.remove(connection, "before_cursor_execute", note)
        for statement, parameters in said:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            assert not [row for row in plan if "TEMP B-TREE" in str(row)], statement
    assert len(said) == 6


def test_the_newest_of_what_is_wanted_come_from_among_many_others(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(filled, Chain(), 1, 2, 3, kind=Kind.ACCESS_DENIED)
    put(filled, Chain(epoch=2), *range(10, 30), door="door-2")
    refused = Wanted(kinds=frozenset({Kind.ACCESS_DENIED}))

    def found(after: int, count: int) -> tuple[list[int], bool]:
        with reading(filled.reader) as connection:
            these, passed = newest_between(connection, after, count, [SITE], refused, through=23)
        return [each.id for each in these], passed

    assert [found(0, 2), found(1, 2), found(3, 2)] == [([2, 3], True), ([2, 3], False), ([], False)]
    monkeypatch.setattr(entries, "WALKED", 21)
    assert found(0, 3) == ([3], True)  # no further back than each look can


def test_that_somebody_let_in_went_in_is_no_news_but_is_found_at_the_door(filled: Filled) -> None:
    chain = Chain()
    put(filled, chain, 1, kind=Kind.ACCESS_GRANTED)
    for offset_s, kind in enumerate((Kind.DOOR_OPENED, Kind.ACCESS_TAKEN, Kind.DOOR_CLOSED), 2):
        put(filled, chain, offset_s, kind=kind, links=1)
    put(filled, chain, 5, kind=Kind.DOOR_HELD, links=1)
    put(filled, chain, 6, kind=Kind.DOOR_OPENED)
    with reading(filled.reader) as connection:
        kinds = [entry.kind for entry in newest(connection, 9, [SITE])]
    assert kinds == [Kind.DOOR_OPENED, Kind.DOOR_HELD, Kind.ACCESS_GRANTED]
    assert seconds(asked(filled, question())) == [6, 5, 4, 3, 2, 1]


def test_before_the_first_record_there_is_nothing(filled: Filled) -> None:
    with reading(filled.reader) as connection:
        assert (newest(connection, 5, [SITE]), newest_id(connection)) == ([], 0)
    assert asked(filled, question()) == Page([], None)


def test_a_page_is_found_through_the_index_and_not_by_sorting(filled: Filled) -> None:
    put(filled, Chain(), 1)
    statements: list[str] = []
    with reading(filled.reader) as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.set_trace_callback(statements.append)
        entries_of_door(connection, question(cursor=encoded("1.1")))
        driver.set_trace_callback(None)
        [select] = [text for text in statements if text.startswith("SELECT")]
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {select}")]
    assert any("record_by_door" in step for step in plan)
    assert not any("TEMP B-TREE" in step for step in plan)


@pytest.mark.parametrize(
    ("before", "said"),
    [
        pytest.param(
            {"kind": Kind.ACCESS_GRANTED, "reason": Reason.VISITOR_PASS}, "visitor_pass", id="let in"
        ),
        pytest.param({"kind": Kind.REMOTE_RELEASE, "reason": None}, "remote_release", id="by a command"),
    ],
)
def test_of_whom_nobody_saw_go_in_it_says_what_had_released_the_door(
    filled: Filled, before: dict[str, object], said: str
) -> None:
    chain = Chain()
    put(filled, chain, 1, **before)
    put(filled, chain, 2, kind=Kind.ACCESS_NOT_TAKEN, links=1, credential=None, reason=None)
    put(filled, chain, 3, kind=Kind.ACCESS_NOT_TAKEN, links=9, credential=None, reason=None)
    assert [each.released_by for each in asked(filled, question()).entries] == [None, said, None]
    with reading(filled.reader) as connection:
        found = newest(connection, 3, [SITE])
        shown, _ = page(connection, [Branch(LOOKED_AT, (record.c.door == DOOR,))], 3)
    assert [each.released_by for each in found] == [None, said, None]
    assert [each.released_by for each in shown] == [None, said, None]
