"""What reports are made of, over a real database: entries counted once, and when each door could record."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from central_web_support import Chain, about, gone, online
from database_support import new_database
from register_support import EAST, GATE, SITE, WEST, Estate, an_estate
from sqlalchemy import Engine, event, select

from central.fleet.coverage import DoorCoverage, Gap, Span, coverage, laid_out
from central.ingest.intake import examine, take_in
from central.reports import tally
from central.reports.entries import Entries, Month, entries_of, is_closed
from central.reports.tally import Tally
from central.store.count_tables import month_told
from central.store.engine import open_reader, reading, writing
from central.store.tables import gateway
from central.times import micros
from messages.model import Direction, Kind
from messages.topics import GatewayTopic, Leaf
from messages.wire import About, State, encode

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
OCTOBER_US, NOVEMBER_US = (micros(datetime(2026, month, 1, tzinfo=SHANGHAI)) for month in (10, 11))
OCTOBER = Month.of(date(2026, 10, 1), SHANGHAI)
NO_CREDENTIAL = {"credential": None, "holder": None, "reason": None, "door": None, "reader": None}


class House:
    """A community, what its gateways deliver, and the tally behind it."""

    def __init__(self, estate: Estate, reader: Engine) -> None:
        self.estate, self.reader = estate, reader
        self.chains = {name: Chain(name) for name in (GATE, EAST, WEST)}
        self.now_us = NOVEMBER_US + 4 * DAY_US
        self.tally = self.a_tally()

    def a_tally(self) -> Tally:
        return Tally(self.estate.engine, self.reader, lambda: self.now_us, SHANGHAI)

    def happens(self, name: str, hours: float, count: int = 1, /, **changes: object) -> None:
        """So many hours after October began in Shanghai."""
        self.chains[name].grow(count, **{"at": OCTOBER_US + int(hours * HOUR_US), **changes})

    def delivers(self, name: str, first: int, last: int | None = None, *said: State | About) -> None:
        block = [] if first > len(self.chains[name].bodies) else [self.chains[name].block(first, last)]
        more = [(Leaf.STATE if isinstance(one, State) else Leaf.ABOUT, encode(one)) for one in said]
        batch = [examine(str(GatewayTopic(SITE, name, leaf)), body) for leaf, body in (*block, *more)]
        with writing(self.estate.engine) as connection:
            take_in(connection, batch, self.estate.now_us)

    def counts(self) -> None:
        """Twice: what was there at the first look is counted at the second."""
        self.tally.look()
        while self.tally.look():
            continue

    def told_now(self) -> Entries | None:
        with reading(self.reader) as connection:
            return entries_of(connection, self.estate.community, OCTOBER)

    def told(self) -> Entries:
        """Of October, when it is closed."""
        self.now_us = NOVEMBER_US + 5 * DAY_US
        self.counts()
        found = self.told_now()
        assert found is not None
        return found

    def covered(self, hours: float, now: float) -> list[DoorCoverage]:
        """From October's beginning for so many hours."""
        with reading(self.reader) as connection:
            rows = connection.execute(select(gateway).order_by(gateway.c.name)).all()
            return coverage(connection, rows, OCTOBER_US, at(hours), at(now))


def at(hours: float) -> int:
    return OCTOBER_US + int(hours * HOUR_US)


@pytest.fixture
def house(engine: Engine, database_url: str, tmp_path: Path) -> Iterator[House]:
    reader = open_reader(database_url)
    yield House(an_estate(engine, tmp_path), reader)
    reader.dispose()


def test_a_month_is_told_by_building_and_hour_and_no_small_count_can_be_worked_out(house: House) -> None:
    for hour, count in ((8, 12), (9, 11), (10, 3)):
        house.happens(EAST, hour, count, door="east-front")
    house.happens(EAST, 8, 50, door="east-front", kind=Kind.ACCESS_DENIED)
    house.happens(EAST, 8, 50, door="east-front", direction=Direction.OUT)
    house.happens(WEST, 24 + 8.5, 40, door="west-front")
    house.happens(GATE, 8, 15, door="gate-in")
    house.happens(GATE, -1, 30, door="gate-in")  # in September
    for name in house.chains:
        house.delivers(name, 1)
    house.counts()
    found = house.told()
    east, west, gates = found.buildings
    assert (found.entries, east.entries, west.entries, gates.entries) == (81, 26, 40, 15)
    assert (east.name, gates.name) == ("东湖小区 1 号楼", "")
    assert east.hours[8:11] == [12, None, None], "beside the 3 a larger one: else the sum would say it"
    assert (west.hours[8], found.hours[8], found.hours[9]) == (40, 67, 0)


def test_what_comes_late_and_whoever_else_counts_is_counted_once(house: House) -> None:
    house.happens(EAST, 8, 20, door="east-front")
    house.delivers(EAST, 1)
    house.counts()
    other = house.a_tally()
    while other.look() or other.look():
        continue
    house.happens(EAST, 8, 10, door="east-front")
    house.delivers(EAST, 11)  # ten of them again
    house.counts()
    assert house.told().entries == 30


def test_a_month_is_told_five_days_after_its_end_and_then_the_same_for_ever(house: House) -> None:
    house.happens(EAST, 8, 12, door="east-front")
    house.delivers(EAST, 1)
    house.counts()
    with reading(house.reader) as connection:
        assert not is_closed(connection, house.estate.community, OCTOBER)
    assert house.told_now() is None
    told = house.told()
    house.happens(EAST, 8, 1, door="east-front")  # somebody whom the next reading would give away
    house.happens(WEST, 9, 8, door="west-front")
    house.delivers(EAST, 13)
    house.delivers(WEST, 1)
    house.counts()
    assert house.told_now() == told, "two readings subtracted are nothing at all"
    house.happens(WEST, 9, 1, door="west-front")
    house.delivers(WEST, 9)
    house.counts()
    assert house.told_now() == replace(told, late=10)
    house.happens(GATE, 9, 9, door="gate-in")
    house.delivers(GATE, 1)
    house.counts()
    assert house.told_now() == replace(told, late=10), "what is late is told in whole tens"


def test_a_clock_that_stands_at_1970_closes_no_hundreds_of_months(house: House) -> None:
    house.happens(WEST, 0, 12, door="west-front", at=HOUR_US)
    house.happens(EAST, 8, 12, door="east-front")
    house.delivers(WEST, 1)
    house.delivers(EAST, 1)
    assert house.told().entries == 12
    with reading(house.reader) as connection:
        assert list(connection.execute(select(month_told.c.month)).scalars()) == ["2026-10"]


def test_a_month_is_not_closed_before_all_that_has_arrived_is_counted(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "MOST_RECORDS", 10)
    house.happens(EAST, 8, 30, door="east-front")
    house.delivers(EAST, 1)
    house.now_us = NOVEMBER_US + 40 * DAY_US
    house.tally = house.a_tally()
    while house.told_now() is None:
        house.tally.look()
    assert house.told().entries == 30


def test_a_door_s_time_is_what_starts_readers_and_missing_records_say(house: House) -> None:
    house.delivers(EAST, 1, None, about("1 号楼", [("front", "正门", ["r-1"]), ("roof", "天台", ["r-2"])]))
    house.happens(EAST, 0, kind=Kind.GATEWAY_STARTED, **NO_CREDENTIAL)
    for hour, kind in ((2, Kind.READER_LOST), (3, Kind.READER_RESTORED)):
        house.happens(EAST, hour, kind=kind, **{**NO_CREDENTIAL, "door": "front", "reader": "r-1"})
    for hour, kind in ((5, Kind.GATEWAY_STOPPED), (6, Kind.GATEWAY_STARTED), (7, Kind.REX)):
        house.happens(EAST, hour, kind=kind, **NO_CREDENTIAL)
    house.happens(EAST, 9, kind=Kind.GATEWAY_STARTED, **NO_CREDENTIAL)
    house.happens(EAST, 10, kind=Kind.RECORDS_LOST, **NO_CREDENTIAL)
    for late in (11, 11.5, 12):  # the second one is still to come
        house.happens(EAST, late, door="front")
    house.delivers(EAST, 1, 9)
    house.delivers(EAST, 11, None, online(house.chains[EAST].head(), at_us=at(13)), gone())
    front, roof = house.covered(hours=16, now=14)
    told = [(span.from_us, span.why) for span in front.spans]
    assert told == [
        (at(0), None),
        (at(2), Gap.READER),
        (at(3), None),
        (at(5), Gap.STOPPED),
        (at(6), None),
        (at(7), Gap.SILENT),
        (at(9), None),
        (at(10), Gap.LOST),
        (at(11), Gap.AWAITED),
        (at(12), None),
        (at(13), Gap.AWAITED),
    ]
    assert (front.known_us, front.blind_us, front.unknown_us) == (14 * HOUR_US, 3 * HOUR_US, 4 * HOUR_US)
    assert Gap.READER not in {span.why for span in roof.spans}, "its own reader answered"


def test_a_reader_that_was_lost_before_is_lost_until_it_is_found_and_a_door_begins_with_its_gateway(
    house: House,
) -> None:
    house.delivers(WEST, 1, None, about("2 号楼", [("front", "正门", ["r-1"])]))
    lost = {**NO_CREDENTIAL, "door": "front", "reader": "r-1"}
    house.happens(WEST, -9, kind=Kind.READER_LOST, **lost)
    house.happens(WEST, 6, kind=Kind.READER_RESTORED, **lost)
    house.delivers(WEST, 1, None, online(house.chains[WEST].head(), at_us=at(12)))
    [door] = house.covered(hours=12, now=12)
    assert [(span.from_us, span.why) for span in door.spans] == [(at(0), Gap.READER), (at(6), None)]
    assert door.recorded == pytest.approx(0.5)
    with reading(house.reader) as connection:
        rows = connection.execute(select(gateway)).all()
        [early] = coverage(connection, rows, at(-20), at(-10), at(12))
    assert (early.spans, early.recorded) == ([], None)


def test_of_two_reasons_at_once_the_stronger_one_counts() -> None:
    flaws = [Span(10, 40, Gap.AWAITED), Span(20, 30, Gap.LOST), Span(90, 200, Gap.READER)]
    assert laid_out(flaws, 0, 100) == [
        Span(0, 10, None),
        Span(10, 20, Gap.AWAITED),
        Span(20, 30, Gap.LOST),
        Span(30, 40, Gap.AWAITED),
        Span(40, 90, None),
        Span(90, 100, Gap.READER),
    ]


def test_no_report_walks_all_records(tmp_path: Path) -> None:
    """By SQLite's own word on every statement of coverage."""
    engine = new_database(tmp_path / "central.sqlite")
    house = House(an_estate(engine, tmp_path), engine)
    house.delivers(EAST, 1, None, about("1 号楼", [("front", "正门", ["r-1"])]))
    house.happens(EAST, 0, 5, kind=Kind.GATEWAY_STARTED, **NO_CREDENTIAL)
    house.delivers(EAST, 1, None, online(house.chains[EAST].head(), at_us=at(1)))
    asked: list[tuple[str, object]] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _k, said, given, *_: asked.append((said, given)))
    house.covered(hours=12, now=12)
    told = []
    with engine.connect() as connection:
        for said, given in [each for each in asked if "FROM record" in each[0]]:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}", given)  # type: ignore[arg-type]
            told += [row[3] for row in plan if re.search(r"\brecord\b", row[3])]
    assert any("record_of_coverage" in each for each in told)
    assert [each for each in told if not each.startswith("SEARCH record USING")] == []
    engine.dispose()
