"""Which rounds a plan asks for, and what became of one: pure."""

from datetime import date
from itertools import permutations
from zoneinfo import ZoneInfo

import pytest

from central.times import local
from central.tours.rounds import US, Plan, Round, Route, Stop, judged, overlap, rounds_of
from central.tours.words import OnHolidays, RoundState, StopState

ZONE = ZoneInfo("Asia/Shanghai")
MINUTE = 60 * US
MONDAY = date(2026, 11, 23)
DUE, OVERDUE, DONE, LATE = StopState.DUE, StopState.OVERDUE, StopState.DONE, StopState.LATE
ODD, QUICK, MISSED, NOT_KNOWN = (
    StopState.OUT_OF_ORDER,
    StopState.TOO_QUICK,
    StopState.MISSED,
    StopState.NOT_KNOWN,
)


def a_plan(*, ordered: bool = True, least_s: int = 30, points: int = 3, **changes: object) -> Plan:
    """Window 10 minutes, then 30 for all of it and 15 of grace."""
    stops = tuple(Stop(n, n, 1_800, least_s if n > 1 or not ordered else 0) for n in range(1, points + 1))
    fields: dict[str, object] = {
        "id": 1,
        "name": "夜巡",
        "route": Route(1, "外圈", ordered, 1_800, 900, stops),
        "days": frozenset(range(1, 8)),
        "starts": ("22:00",),
        "window_s": 600,
        "holidays": OnHolidays.AS_USUAL,
        "from_us": 0,
        "until_us": None,
    }
    return Plan(**{**fields, **changes})  # type: ignore[arg-type]


def a_round(plan: Plan | None = None) -> Round:
    [found] = rounds_of(plan or a_plan(), MONDAY, MONDAY, (), ZONE)
    return found


def states(
    reads: dict[int, list[float]],
    *,
    plan: Plan | None = None,
    now: float = 60,
    known: float | None = None,
) -> tuple[RoundState, list[StopState]]:
    """Minutes after the start; `known`: up to when the gateways' records are here."""
    found = a_round(plan)
    at = {point: [found.opens_us + int(m * MINUTE) for m in times] for point, times in reads.items()}
    seen = found.opens_us + int((now if known is None else known) * MINUTE)
    points = {stop.point: seen for stop in found.plan.route.stops}
    told = judged(found, at, points, found.opens_us + int(now * MINUTE))
    return told.state, list(told.stops)


def test_a_round_that_was_walked_in_time_is_done() -> None:
    assert states({1: [2], 2: [5], 3: [9]}) == (RoundState.DONE, [DONE, DONE, DONE])


def test_what_comes_after_its_time_is_late_and_after_the_grace_missed() -> None:
    assert states({1: [2], 2: [5], 3: [33]}) == (RoundState.LATE, [DONE, DONE, LATE])
    assert states({1: [2], 2: [5], 3: [56]}) == (RoundState.INCOMPLETE, [DONE, DONE, MISSED])
    assert states({}) == (RoundState.MISSED, [MISSED] * 3)


def test_a_round_that_begins_after_its_window_is_late() -> None:
    assert states({1: [11], 2: [14], 3: [17]}) == (RoundState.LATE, [LATE, DONE, DONE])


def test_what_is_before_the_start_or_of_another_point_does_not_count() -> None:
    assert states({1: [-1], 2: [-2], 9: [3]})[0] is RoundState.MISSED


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        pytest.param({1: [20], 2: [2], 3: [5]}, [ODD, DONE, DONE], id="the first one last"),
        pytest.param({1: [2], 2: [9], 3: [5]}, [DONE, DONE, ODD], id="the last two exchanged"),
        pytest.param({1: [2], 2: [9], 3: [5, 12]}, [DONE, DONE, DONE], id="exchanged, and gone there again"),
        pytest.param({1: [9], 2: [6], 3: [3]}, [DONE, ODD, ODD], id="backwards"),
        pytest.param({1: [2], 3: [5]}, [DONE, MISSED, DONE], id="one left out"),
    ],
)
def test_the_order_that_fits_most_stops_is_taken(
    reads: dict[int, list[float]], expected: list[StopState]
) -> None:
    found = states(reads)[1]
    assert sorted(found) == sorted(expected)
    assert found == expected or found.count(ODD) == expected.count(ODD)


def test_as_many_stops_are_in_order_as_can_be() -> None:
    """Against every order of five stops, by trying all subsets."""
    plan = a_plan(points=5, least_s=0)
    for order in permutations(range(1, 6)):
        when = {point: [1.0 + place] for place, point in enumerate(order)}
        ascending = max(
            bin(chosen).count("1")
            for chosen in range(1, 32)
            if (kept := [when[p][0] for p in range(1, 6) if chosen >> (p - 1) & 1]) == sorted(kept)
        )
        assert states(when, plan=plan)[1].count(DONE) == ascending, order


def test_a_free_route_has_no_order() -> None:
    plan = a_plan(ordered=False)
    assert states({1: [9], 2: [6], 3: [3]}, plan=plan) == (RoundState.DONE, [DONE] * 3)


@pytest.mark.parametrize("ordered", [True, False])
def test_nobody_is_at_two_points_within_seconds(ordered: bool) -> None:
    plan = a_plan(ordered=ordered)
    assert states({1: [2], 2: [2.1], 3: [9]}, plan=plan) == (RoundState.TOO_QUICK, [DONE, QUICK, DONE])


def test_while_there_is_time_nothing_is_said_to_be_missed() -> None:
    assert states({}, now=-5) == (RoundState.PLANNED, [DUE] * 3)
    assert states({}, now=5) == (RoundState.RUNNING, [DUE] * 3)
    assert states({1: [2]}, now=20) == (RoundState.RUNNING, [DONE, DUE, DUE])
    assert states({1: [2]}, now=40) == (RoundState.OVERDUE, [DONE, OVERDUE, OVERDUE])


def test_a_round_that_nobody_began_is_overdue_once_its_window_is_over() -> None:
    assert states({}, now=11) == (RoundState.OVERDUE, [DUE] * 3)
    found = a_round()
    told = judged(found, {}, dict.fromkeys((1, 2, 3), 2**60), found.opens_us + 11 * MINUTE)
    assert told.overdue_us == found.closes_us


def test_what_has_not_come_from_a_gateway_is_not_known_and_not_missed() -> None:
    assert states({1: [2]}, now=600, known=20) == (RoundState.NOT_KNOWN, [DONE, NOT_KNOWN, NOT_KNOWN])
    assert states({}, now=41, known=39.5)[1] == [DUE] * 3, "it speaks again within a minute"
    assert states({}, now=600, known=600)[0] is RoundState.MISSED


def test_plans_know_their_days_their_holidays_and_their_end() -> None:
    new_year = date(2026, 11, 25)

    def days(**changes: object) -> list[int]:
        plan = a_plan(**changes)  # type: ignore[arg-type]
        return [found.day.day for found in rounds_of(plan, MONDAY, date(2026, 11, 29), {new_year}, ZONE)]

    assert days(days=frozenset({1, 3, 5})) == [23, 25, 27]
    assert days(days=frozenset({1, 3, 5}), holidays=OnHolidays.NOT) == [23, 27]
    assert days(holidays=OnHolidays.ONLY) == [25]
    assert days(from_us=a_round().opens_us + 1) == [24, 25, 26, 27, 28, 29]
    assert days(until_us=a_round().opens_us) == []


def test_starts_are_by_the_communitys_clock_also_when_that_is_changed() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    plan = a_plan(starts=("22:00", "02:30"))
    found = list(rounds_of(plan, date(2026, 10, 24), date(2026, 10, 25), (), berlin))
    assert [f"{local(each.opens_us, berlin):%d %H:%M}" for each in found] == [
        "24 02:30",
        "24 22:00",
        "25 02:30",
        "25 22:00",
    ]
    assert found[3].opens_us - found[1].opens_us == 25 * 60 * MINUTE
    skipped = list(rounds_of(plan, date(2026, 3, 29), date(2026, 3, 29), (), berlin))
    assert f"{local(skipped[0].opens_us, berlin):%H:%M}" == "03:30"


@pytest.mark.parametrize(
    ("days", "starts", "hours", "expected"),
    [
        ({1}, ["22:00", "23:00"], 1, False),
        ({1}, ["22:00", "22:59"], 1, True),
        ({1, 2}, ["23:30", "00:10"], 1, True),
        ({1}, ["23:30", "00:10"], 1, False),
        ({7, 1}, ["23:30", "00:10"], 1, True),
        ({1}, ["22:00"], 24, False),
    ],
)
def test_rounds_of_a_plan_never_count_the_same_read_twice(
    days: set[int],
    starts: list[str],
    hours: int,
    expected: bool,
) -> None:
    assert overlap(days, starts, hours * 3_600) is expected
