"""What is remembered of the past, within bounds, and found again in the records."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access_list import AccessList
from gateway.rulebook import Rulebook
from gateway.tries import MAX_TRIES, PAUSE_US, Tries
from gateway.whereabouts import MAX_HOLDERS, MAX_USED, MAX_USES, Areas, Bounded, Firsts, Memory, Uses
from messages.access_list import Entry
from messages.chain import GENESIS
from messages.model import AssuranceLevel, ClockQuality, Credential, Direction, Kind, Reason, Record
from messages.site_settings import DoorRules, SiteSettings

NOW_US = 1_795_000_000_000_000
HOUR_US = 3_600_000_000
CARD = "ab" * 16


def test_a_holder_is_where_he_was_last_seen() -> None:
    areas = Areas()
    areas.entered("h-1", "hall", NOW_US)
    assert areas.is_in("h-1", "hall", NOW_US, HOUR_US)
    areas.entered("h-1", "street", NOW_US + 1)
    assert not areas.is_in("h-1", "hall", NOW_US + 1, HOUR_US)
    assert not areas.is_in("h-2", "street", NOW_US + 1, HOUR_US)


@pytest.mark.parametrize("later_us", [HOUR_US, 50 * HOUR_US, -HOUR_US, -50 * HOUR_US])
def test_after_some_time_or_a_changed_clock_nobody_knows_where_anybody_is(later_us: int) -> None:
    areas = Areas()
    areas.entered("h-1", "hall", NOW_US)
    assert not areas.is_in("h-1", "hall", NOW_US + later_us, HOUR_US)


def test_reset_everybody_is_nowhere() -> None:
    areas = Areas()
    areas.entered("h-1", "hall", NOW_US)
    areas.reset()
    assert not areas.is_in("h-1", "hall", NOW_US, HOUR_US)


def test_uses_are_counted_since_the_right_began() -> None:
    uses, right = Uses(), (CARD, "h-1")
    for at_us in (10, 20, 30):
        uses.take(right, at_us)
    assert [uses.count(right, since) for since in (None, 0, 20, 31)] == [3, 3, 2, 0]
    assert uses.count((CARD, "h-2"), None) == 0


def test_a_use_can_be_given_back_once_it_was_taken() -> None:
    uses, right = Uses(), (CARD, "h-1")
    uses.give_back(right)
    uses.take(right, 10)
    uses.take(right, 20)
    uses.give_back(right)
    assert uses.count(right, None) == 1


def test_the_first_person_comes_anew_in_each_stretch_of_hours() -> None:
    firsts = Firsts()
    firsts.came("lobby", "worker", NOW_US)
    assert firsts.has_come("lobby", "worker", NOW_US, NOW_US)
    assert not firsts.has_come("lobby", "worker", NOW_US + 1, NOW_US + 2)
    assert not firsts.has_come("lobby", "guard", NOW_US, NOW_US)
    assert not firsts.has_come("yard", "worker", NOW_US, NOW_US)


def test_the_last_of_five_wrong_tries_is_one_too_many_for_five_minutes() -> None:
    tries = Tries()
    told = [tries.wrong("lobby", NOW_US + number) for number in range(MAX_TRIES)]
    last_us = NOW_US + MAX_TRIES - 1
    assert MAX_TRIES <= 5  # trust.md R-35
    assert told == [False] * (MAX_TRIES - 1) + [True]
    assert tries.are_over("lobby", last_us + PAUSE_US - 1)
    assert not tries.are_over("lobby", last_us + PAUSE_US)
    assert not tries.are_over("yard", last_us)


def test_tries_far_apart_do_not_add_up() -> None:
    tries = Tries()
    assert not any(tries.wrong("lobby", NOW_US + number * PAUSE_US) for number in range(3 * MAX_TRIES))


def test_a_right_try_forgets_the_wrong_ones() -> None:
    tries = Tries()
    for _ in range(MAX_TRIES - 1):
        tries.wrong("lobby", NOW_US)
    tries.forget("lobby")
    assert not tries.wrong("lobby", NOW_US)


def test_a_clock_put_back_does_not_make_a_pause_endless() -> None:
    tries = Tries()
    for _ in range(MAX_TRIES):
        tries.wrong("lobby", NOW_US)
    assert not tries.are_over("lobby", NOW_US - PAUSE_US)


@given(st.lists(st.integers(0, 30), max_size=60))
def test_the_newest_are_kept_and_never_more(keys: list[int]) -> None:
    kept: Bounded[int, int] = Bounded(5)
    for number, key in enumerate(keys):
        kept.put(key, number)
    newest = list(dict.fromkeys(reversed(keys)))
    assert len(kept) == min(5, len(newest))
    assert all((kept.get(key) is not None) == (place < 5) for place, key in enumerate(newest))


def test_memory_stays_bounded_however_many_come() -> None:
    memory = Memory()
    for number in range(MAX_HOLDERS + 10):
        memory.areas.entered(f"h-{number}", "hall", NOW_US)
        memory.uses.take((CARD, f"h-{number}"), NOW_US)
        memory.tries.wrong(number, NOW_US)
    for _ in range(MAX_USES + 10):
        memory.uses.take((CARD, "h-1"), NOW_US)
    assert not memory.areas.is_in("h-9", "hall", NOW_US, HOUR_US)
    assert memory.areas.is_in(f"h-{MAX_HOLDERS + 9}", "hall", NOW_US, HOUR_US)
    assert memory.uses.count((CARD, f"h-{MAX_HOLDERS + 9 - MAX_USED}"), None) == 0
    assert memory.uses.count((CARD, "h-1"), None) == MAX_USES


def a_record(
    kind: Kind,
    seq: int = 1,
    *,
    reason: Reason | None = Reason.LISTED,
    door: str = "lobby",
    direction: Direction | None = Direction.IN,
    credential: str = "card_uid",
    holder: str | None = "h-1",
    at: int = NOW_US,
    links: int | None = None,
) -> Record:
    return Record(
        v=1,
        gateway="east-1",
        epoch=1,
        seq=seq,
        kind=kind,
        at=at,
        boot="0" * 16,
        uptime_us=0,
        clock=ClockQuality.SYNCED,
        prev=GENESIS,
        door=door,
        direction=direction,
        credential=Credential(credential, CARD, AssuranceLevel.L0),
        holder=holder,
        category="worker" if holder else None,
        reason=reason,
        links=links,
    )


SETTINGS = SiteSettings(
    v=1, revision=1, issued_us=0, doors={"lobby": DoorRules(outside="street", inside="hall")}
)
LIST = AccessList(1, 0, {CARD: Entry(CARD, "h-1", "worker", ("*",), uses=3)})


def replayed(*records: Record, contacts: tuple[str, ...] = ()) -> Memory:
    memory = Memory()
    memory.replay(records, LIST, Rulebook(SETTINGS, {}, ZoneInfo("Asia/Shanghai")), contacts)
    return memory


def is_inside(memory: Memory) -> bool:
    return memory.areas.is_in("h-1", "hall", NOW_US, HOUR_US)


def test_grants_are_found_again_as_uses_and_as_first_persons() -> None:
    memory = replayed(
        a_record(Kind.ACCESS_GRANTED, 1),
        a_record(Kind.ACCESS_GRANTED, 2, reason=Reason.LISTED_PASSED_BACK),
        a_record(Kind.ACCESS_GRANTED, 3, reason=Reason.LISTED_UNRECORDED),
        a_record(Kind.ACCESS_GRANTED, 4, reason=Reason.FREE_HOURS),
        a_record(Kind.ACCESS_GRANTED, 5, direction=Direction.OUT),
        a_record(Kind.ACCESS_DENIED, 6, reason=Reason.PASS_USED_UP),
        a_record(Kind.ACCESS_GRANTED, 7, reason=Reason.VISITOR_PASS, holder="pass-7"),
    )
    assert memory.uses.count((CARD, "h-1"), None) == 3
    assert memory.uses.count(("", "pass-7"), None) == 1
    assert memory.firsts.has_come("lobby", "worker", NOW_US, NOW_US)


def test_where_no_contact_tells_a_grant_is_a_passage() -> None:
    assert is_inside(replayed(a_record(Kind.ACCESS_GRANTED)))


def test_where_a_contact_tells_only_what_was_taken_is_a_passage() -> None:
    granted = a_record(Kind.ACCESS_GRANTED, 1)
    taken = a_record(Kind.ACCESS_TAKEN, 2, reason=None, holder=None, direction=None, links=1)
    assert not is_inside(replayed(granted, contacts=("lobby",)))
    assert is_inside(replayed(granted, taken, contacts=("lobby",)))
    assert not is_inside(replayed(taken, contacts=("lobby",)))


def test_who_went_out_or_was_reset_is_not_inside() -> None:
    inside = a_record(Kind.ACCESS_GRANTED, 1)
    assert not is_inside(replayed(inside, a_record(Kind.ACCESS_GRANTED, 2, direction=Direction.OUT)))
    assert not is_inside(replayed(inside, a_record(Kind.PASSBACK_RESET, 2, reason=None)))


def test_wrong_pins_are_found_again() -> None:
    card = [a_record(Kind.ACCESS_DENIED, number, reason=Reason.PIN_WRONG) for number in range(1, 6)]
    alone = [
        a_record(Kind.ACCESS_DENIED, number, reason=Reason.UNKNOWN_CREDENTIAL, credential="pin", holder=None)
        for number in range(1, 6)
    ]
    unknown = [
        a_record(Kind.ACCESS_DENIED, number, reason=Reason.UNKNOWN_CREDENTIAL) for number in range(1, 6)
    ]
    assert replayed(*card).tries.are_over(CARD, NOW_US)
    assert replayed(*alone).tries.are_over(("lobby", Direction.IN), NOW_US)
    assert not replayed(*unknown).tries.are_over(("lobby", Direction.IN), NOW_US)


@given(st.lists(st.builds(
    a_record,
    kind=st.sampled_from(Kind),
    seq=st.integers(1, 20),
    reason=st.none() | st.sampled_from(Reason),
    direction=st.none() | st.sampled_from(Direction),
    holder=st.none() | st.sampled_from(["h-1", "h-2"]),
    at=st.integers(0, 2**53),
    links=st.none() | st.integers(1, 20),
), max_size=20))  # fmt: skip
def test_no_record_hurts(records: list[Record]) -> None:
    replayed(*records, contacts=("lobby",))
    replayed(*records)
