"""What must hold under whatever settings, at whatever time, whoever comes with whatever."""

from datetime import date
from itertools import count
from typing import Any

from access_support import (
    CARD,
    DURESS_PIN,
    ISSUER,
    NOON_US,
    OTHER_PIN,
    PIN,
    SECOND_CARD,
    Site,
    a_pass,
    card,
    entry,
    hours,
)
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import Assurance, CredentialKind
from gateway.clock import Moment
from gateway.decision import Decision, Presented
from gateway.reasons import DENIED, GRANTED
from messages.access_list import Entry
from messages.chain import GENESIS
from messages.model import AssuranceLevel, ClockQuality, Credential, Direction, Kind, Reason, Record
from messages.site_settings import DoorMode
from messages.visitor_pass import encode_pass

DOORS = st.sampled_from(["lobby", "yard", "cellar"])
DIRECTIONS = st.sampled_from(Direction)
CATEGORIES = ["resident", "worker", "fire-brigade", "visitor"]
PASS_TEXT = encode_pass(a_pass(doors=("lobby", "@east"), uses=2), ISSUER)
TIMES = st.integers(0, 2**53) | st.integers(1_795_000_000_000_000, 1_795_100_000_000_000)


def maybe(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Any of these keys."""
    return st.fixed_dictionaries({}, optional=values)


RULES: dict[str, st.SearchStrategy[Any]] = {
    "mode": st.sampled_from(["controlled", "free", "locked_down"]),
    "admits": st.lists(st.sampled_from(["listed", "pass", "verified_id"]), min_size=1, max_size=3),
    "minimum_assurance": st.sampled_from(["L0", "L1", "L2", "L3"]),
    "asks_pin": st.booleans(),
    "first_person": st.sampled_from(CATEGORIES),
}
WINDOWS = st.lists(
    st.builds(
        lambda name, rule: {"schedule": name, **rule}, st.sampled_from(["day", "night"]), maybe(**RULES)
    ),
    max_size=3,
)
AREAS = st.sampled_from([{}, {"outside": "street", "inside": "hall"}, {"outside": "hall", "inside": "vault"}])
DOOR = st.builds(
    lambda rule, windows, areas: {**rule, "windows": windows, **areas}, maybe(**RULES), WINDOWS, AREAS
)
SETTINGS = st.fixed_dictionaries(
    {"schedules": st.just({"day": hours("07:00", "19:00"), "night": hours("22:00", "05:00")})},
    optional={
        "doors": st.dictionaries(DOORS, DOOR, max_size=3),
        "groups": st.just({"east": ["lobby", "cellar"]}),
        "categories": st.dictionaries(
            st.sampled_from(CATEGORIES),
            maybe(
                max_list_age_h=st.integers(1, 100),
                passback_exempt=st.booleans(),
                passes_locked_down=st.booleans(),
            ),
        ),
        "areas": st.dictionaries(
            st.sampled_from(["hall", "vault"]),
            st.fixed_dictionaries({"passback": st.sampled_from(["soft", "hard"])}),
        ),
        "interlocks": st.just([{"doors": ["lobby", "yard"]}]),
        "issued_us": st.integers(0, 2**53),
    },
)
ENTRIES = st.builds(
    entry,
    st.sampled_from([CARD, SECOND_CARD, PIN]),
    st.sampled_from(["h-1", "h-2"]),
    st.sampled_from(CATEGORIES),
    doors=st.lists(st.sampled_from(["*", "lobby", "yard", "@east", "@gone"]), max_size=3).map(tuple),
    from_us=st.none() | TIMES,
    until_us=st.none() | TIMES,
    schedule=st.sampled_from([None, "day", "night", "gone"]),
    uses=st.none() | st.integers(1, 3),
    pin=st.sampled_from([None, PIN]),
    duress_pin=st.sampled_from([None, DURESS_PIN]),
)
LISTS = st.lists(ENTRIES, max_size=4)
SHOWN = st.builds(
    Presented,
    st.sampled_from(Assurance),
    st.none() | st.dates(),
    st.none() | st.dates(),
    st.sampled_from([None, PIN, OTHER_PIN, DURESS_PIN]),
    st.sampled_from([CARD, SECOND_CARD, PIN, "e" * 32, ""]),
    st.none() | st.sampled_from(CredentialKind),
)
SWIPE = st.tuples(SHOWN, DOORS, DIRECTIONS, TIMES, st.sampled_from(ClockQuality))


def a_site(listed: list[Entry], settings: dict[str, Any]) -> Site:
    return Site(*{one.token: one for one in listed}.values(), **settings)


@given(LISTS, SETTINGS, st.lists(SWIPE, max_size=12), st.booleans())
def test_there_is_always_a_decision_with_a_reason_of_its_own_kind(
    listed: list[Entry], settings: dict[str, Any], swipes: list[Any], opens: bool
) -> None:
    site = a_site(listed, settings)
    site.access.door_is("yard", open=opens)
    for shown, door, direction, at_us, clock in swipes:
        decision = site.shows(shown, door, direction, at_us, clock)
        assert decision.reason in (GRANTED if decision.granted else DENIED)
        assert site.access.mode(door, Moment(at_us)) in DoorMode


@given(
    LISTS,
    SETTINGS,
    st.lists(SWIPE, min_size=1, max_size=8),
    st.sampled_from([{"lost": True}, {"blocked": True}, {"lost": True, "blocked": True}]),
    st.sampled_from([None, *DoorMode]),
)
def test_a_lost_or_blocked_card_never_opens_anything(
    listed: list[Entry],
    settings: dict[str, Any],
    swipes: list[Any],
    gone: dict[str, bool],
    commanded: DoorMode | None,
) -> None:
    rights: dict[str, Any] = {"doors": ("*",), **gone}
    site = a_site([*listed, entry("f" * 32, "h-1", "fire-brigade", **rights)], settings)
    for shown, door, direction, at_us, clock in swipes:
        site.access.command_mode(door, commanded, None)
        site.shows(shown, door, direction, at_us, clock)
        of_it = Presented(
            shown.assurance, shown.valid_from, shown.valid_until, shown.pin, "f" * 32, shown.kind
        )
        decision = site.shows(of_it, door, direction, at_us, clock)
        assert (decision.granted, decision.reason) == (
            False,
            Reason.LOST if gone.get("lost") else Reason.BLOCKED,
        )


@given(SETTINGS, DOORS, DIRECTIONS, TIMES)
def test_who_has_neither_right_nor_pass_nor_document_comes_in_only_where_a_door_is_free(
    settings: dict[str, Any], door: str, direction: Direction, at_us: int
) -> None:
    site = Site(**settings)
    shown = card(assurance=Assurance.L2)
    free = site.access.mode(door, Moment(at_us)) is DoorMode.FREE
    assert site.shows(shown, door, direction, at_us).granted is free


@given(SETTINGS, st.integers(1, 3), st.lists(st.tuples(DOORS, TIMES), max_size=20))
def test_no_right_is_used_more_often_than_it_may(
    settings: dict[str, Any], uses: int, swipes: list[tuple[str, int]]
) -> None:
    site = Site(entry(doors=("*",), uses=uses), **settings)
    granted = [site.shows(card(), door, at_us=at_us).reason for door, at_us in swipes]
    counted = [reason for reason in granted if reason in (Reason.LISTED, Reason.LISTED_PASSED_BACK)]
    assert len(counted) <= uses


def a_record(
    seq: int, shown: Presented, decision: Decision, point: tuple[str, Direction], at_us: int
) -> Record:
    """As the gateway writes it."""
    return Record(
        v=1,
        gateway="east-1",
        epoch=1,
        seq=seq,
        kind=Kind.ACCESS_GRANTED if decision.granted else Kind.ACCESS_DENIED,
        at=at_us,
        boot="0" * 16,
        uptime_us=0,
        clock=ClockQuality.SYNCED,
        prev=GENESIS,
        door=point[0],
        direction=point[1],
        credential=Credential(shown.kind or "other", shown.token, AssuranceLevel(shown.assurance)),
        holder=decision.holder,
        category=decision.category,
        reason=decision.reason,
    )


STEPS = st.tuples(
    st.sampled_from([CARD, SECOND_CARD, PIN, "pass"]), DOORS, DIRECTIONS, st.integers(0, 1_200_000_000)
)


@given(LISTS, SETTINGS, st.lists(STEPS, max_size=25))
def test_after_a_restart_the_gateway_decides_as_if_there_had_been_none(
    listed: list[Entry], settings: dict[str, Any], steps: list[Any]
) -> None:
    """Interlocks apart: what doors are is told anew by their contacts after a start."""
    settings = {**settings, "interlocks": [], "issued_us": 0}
    before, now_us, records, seq = a_site(listed, settings), 1_795_050_000_000_000, [], count(1)
    for token, door, direction, pause_us in steps:
        now_us += pause_us
        shown = before.qr(PASS_TEXT) if token == "pass" else as_shown(token)
        decision = before.shows(shown, door, direction, now_us)
        records.append(a_record(next(seq), shown, decision, (door, direction), now_us))
    after = a_site(listed, settings)
    after.access.replay(records)
    for token in (CARD, SECOND_CARD, PIN, "pass"):
        for door in ("lobby", "yard", "cellar"):
            for site in (before, after):
                site.qr(PASS_TEXT)
            shown = before.qr(PASS_TEXT) if token == "pass" else as_shown(token)
            found = [
                site.access.decide(shown, door, Direction.IN, Moment(now_us)) for site in (before, after)
            ]
            assert found[0].reason is found[1].reason
            for site, decision in zip((before, after), found, strict=True):
                if decision.granted:
                    site.access.withdrawn(decision, door, Direction.IN)


def test_what_is_found_in_the_records_twice_counts_once() -> None:
    """As at a start, and again when list and settings could be read."""
    site, now_us = a_site([], {"doors": {"lobby": {"admits": ["pass"]}}}), NOON_US
    shown = site.qr(PASS_TEXT)  # good for two uses
    decision = site.shows(shown, "lobby", Direction.IN, now_us)
    records = [a_record(1, shown, decision, ("lobby", Direction.IN), now_us)]
    for _ in range(2):
        site.access.replay(records)
    assert site.shows(shown, "lobby", Direction.IN, now_us).reason is Reason.VISITOR_PASS
    assert site.shows(shown, "lobby", Direction.IN, now_us).reason is Reason.PASS_USED_UP


def as_shown(token: str) -> Presented:
    kind = CredentialKind.PIN if token == PIN else CredentialKind.CARD_UID
    return Presented(Assurance.L2, date(2020, 1, 1), date(2040, 1, 1), PIN, token, kind)
