"""Whatever people, schedules, fires and broken wires do at a door, in any order: its records tell no lie.

The rules below know nothing of the portal's table: they keep what is true at the door by themselves.
"""

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.portal import Portal, Told
from gateway.portal_table import Signal
from messages.model import Kind

RELEASE_S, LIMIT_S, EXIT_S, GRACE_S, SETTLE_S = 5.0, 30.0, 30.0, 2.0, 5.0
LONG_S = 10_000.0

DEEDS = st.sampled_from(
    ["grant"] * 4
    + ["open", "close"] * 4
    + ["command", "rex", "free", "controlled", "lockdown", "lockdown_over", "fire", "fire_over"]
    + ["lose", "return"]
)
WAITS = st.sampled_from([0.0, 0.1, 1.0, 4.0, 6.9, 7.0, 12.0, 29.0, 31.0, 400.0])
STORIES = st.lists(st.tuples(WAITS, DEEDS), max_size=60)

SIGNALS = {
    "rex": Signal.REX,
    "free": Signal.FREE_BEGAN,
    "controlled": Signal.FREE_ENDED,
    "lockdown": Signal.LOCKDOWN_BEGAN,
    "lockdown_over": Signal.LOCKDOWN_ENDED,
    "fire": Signal.FIRE,
    "fire_over": Signal.FIRE_OVER,
}


@dataclass
class House:
    """What is true at the door, and the records that came of it with their moment."""

    portal: Portal
    by_handle: bool = False
    ticks: int = 1  # how often the portal is asked between two deeds
    now_s: float = 0.0
    is_open: bool = False
    heard: bool = True  # the contact's line is whole
    word: bool | None = None  # what the contact said last
    mode: str = "controlled"
    fire: bool = False
    lawful_until_s: float = -1.0
    known_since_s: float | None = None  # since when the contact's word is known to be good
    decisions: dict[int, float] = field(default_factory=dict)
    unknowable: set[int] = field(default_factory=set)
    answered: set[int] = field(default_factory=set)
    records: list[tuple[float, Told]] = field(default_factory=list)
    held: int = 0

    def signal(self, signal: Signal, decision: int | None = None) -> list[Told]:
        told = list(self.portal.signal(signal, self.now_s, decision))
        self.note(told, self.now_s)
        return told

    def note(self, told: list[Told], now_s: float) -> None:
        self.records += [(now_s, each) for each in told]
        for each in told:
            if each.kind in (Kind.ACCESS_TAKEN, Kind.ACCESS_NOT_TAKEN):
                assert each.links in self.decisions, "an outcome of no decision"
                assert each.links not in self.answered, "a second outcome"
                assert each.links not in self.unknowable, "nobody can know that"
                self.answered.add(each.links)
            if each.links is not None:
                assert each.links in self.decisions

    def pass_time(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        for part in range(1, self.ticks + 1):
            now_s = until_s if part == self.ticks else self.now_s + (until_s - self.now_s) * part / self.ticks
            due_s = self.portal.due_s()
            told = list(self.portal.tick(now_s))
            assert not told or (due_s is not None and due_s <= now_s)
            after_s = self.portal.due_s()
            assert after_s is None or after_s > now_s, "something due is left undone"
            for each in told:
                assert each.kind in (Kind.ACCESS_NOT_TAKEN, Kind.DOOR_HELD)
                if each.kind is Kind.ACCESS_NOT_TAKEN:
                    assert each.links is not None
                    assert self.decisions[each.links] + RELEASE_S + GRACE_S <= now_s
                else:
                    assert self.is_open
                    assert self.mode != "free"
                    assert not self.fire
            self.note(told, now_s)
        self.now_s = until_s
        if self.known_since_s is not None and self.now_s >= self.known_since_s:
            self.known_since_s = None

    @property
    def is_known(self) -> bool:
        return self.heard and self.word is not None and self.known_since_s is None

    def let_in(self, signal: Signal) -> None:
        decision = len(self.decisions) + 1
        self.decisions[decision] = self.now_s
        self.lawful_until_s = max(self.lawful_until_s, self.now_s + RELEASE_S + GRACE_S)
        if not self.is_known:
            self.unknowable.add(decision)
        told = self.signal(signal, decision)
        taken_at_once = any(each == Told(Kind.ACCESS_TAKEN, each.reason, decision) for each in told)
        assert taken_at_once == (self.is_known and self.is_open)

    def swing(self, *, is_open: bool) -> None:
        if is_open == self.is_open:
            return
        self.is_open = is_open
        if self.heard:
            self.speak()

    def speak(self) -> None:
        """The contact says how the leaf is."""
        was_known, before = self.is_known, self.word
        told = Counter(each.kind for each in self.signal(Signal.OPENED if self.is_open else Signal.CLOSED))
        self.word, self.known_since_s = self.is_open, None
        assert told[Kind.DOOR_OPENED] == (self.is_open and before is not True)
        assert told[Kind.DOOR_CLOSED] == (not self.is_open and before is True)
        lawful = self.by_handle or self.fire or self.mode == "free" or self.now_s < self.lawful_until_s
        assert told[Kind.DOOR_FORCED] == (self.is_open and was_known and not lawful)
        if self.is_open and was_known:
            waiting = {
                number
                for number, at_s in self.decisions.items()
                if self.now_s < at_s + RELEASE_S + GRACE_S and number not in self.unknowable
            }
            assert waiting <= self.answered, "somebody who was let in and went in is not told"

    def lose(self) -> None:
        """Whoever waits to go in: nobody will know."""
        self.heard, self.known_since_s = False, None
        self.unknowable |= self.decisions.keys() - self.answered
        self.signal(Signal.LINE_LOST)

    def come_back(self) -> None:
        """As drivers do: a contact that says the same as before says nothing."""
        if self.heard:
            return
        self.heard = True
        self.known_since_s = self.now_s + SETTLE_S
        self.signal(Signal.LINE_BACK)
        if self.word is not self.is_open:
            self.speak()

    def turn(self, deed: str) -> None:
        before = self.mode
        if deed in ("free", "lockdown"):
            self.mode = deed
        elif before == {"controlled": "free", "lockdown_over": "lockdown"}[deed]:
            self.mode = "controlled"
        told = {each.kind for each in self.signal(SIGNALS[deed])}
        says = {"free": Kind.DOOR_FREED, "lockdown": Kind.DOOR_LOCKED_DOWN, "controlled": Kind.DOOR_SECURED}
        assert told == ({says[self.mode]} if self.mode != before else set())
        if before == "free" != self.mode:
            self.lawful_until_s = max(self.lawful_until_s, self.now_s + RELEASE_S + GRACE_S)

    def do(self, deed: str) -> None:
        match deed:
            case "grant" | "command":
                self.let_in(Signal.GRANTED if deed == "grant" else Signal.COMMANDED)
            case "open" | "close":
                self.swing(is_open=deed == "open")
            case "lose":
                self.lose()
            case "return":
                self.come_back()
            case "rex":
                self.lawful_until_s = max(self.lawful_until_s, self.now_s + EXIT_S)
                assert [each.kind for each in self.signal(Signal.REX)] == [Kind.REX]
            case "fire" | "fire_over":
                self.fire = deed == "fire"
                assert self.signal(SIGNALS[deed]) == []
            case _:
                self.turn(deed)
        assert self.portal.wants_release == (self.mode == "free")
        assert self.portal.is_open == (self.is_open if self.is_known else None)


def house(*, by_handle: bool, ticks: int = 1, has_contact: bool = True) -> House:
    portal = Portal(
        release_s=RELEASE_S, open_limit_s=LIMIT_S, has_contact=has_contact, exit_by_handle=by_handle
    )
    return House(portal, by_handle, ticks)


def lived_through(story: list[tuple[float, str]], *, by_handle: bool, ticks: int = 1) -> House:
    there = house(by_handle=by_handle, ticks=ticks)
    there.speak()
    for wait_s, deed in story:
        there.pass_time(wait_s)
        there.do(deed)
    there.pass_time(LONG_S)
    return there


@settings(max_examples=400)
@given(STORIES, st.booleans())
def test_each_decision_has_one_outcome_unless_nobody_can_know(
    story: list[tuple[float, str]], by_handle: bool
) -> None:
    there = lived_through(story, by_handle=by_handle)
    assert there.decisions.keys() - there.unknowable <= there.answered


@settings(max_examples=400)
@given(STORIES)
def test_openings_and_closings_take_turns_and_a_held_door_is_told_once_for_each(
    story: list[tuple[float, str]],
) -> None:
    is_open = held = False
    for _, told in lived_through(story, by_handle=True).records:
        match told.kind:
            case Kind.DOOR_OPENED:
                assert not is_open
                is_open, held = True, False
            case Kind.DOOR_CLOSED:
                assert is_open
                is_open = False
            case Kind.DOOR_HELD:
                assert is_open
                assert not held
                held = True
            case Kind.DOOR_FREED:
                held = False  # what is left open when the free hours end is told once more
            case Kind.DOOR_FORCED:
                raise AssertionError("a handle inside opens the door without force")


@settings(max_examples=200)
@given(STORIES, st.booleans())
def test_a_door_that_stays_open_is_told_as_held_in_the_end(
    story: list[tuple[float, str]], by_handle: bool
) -> None:
    there = lived_through([*story, (0.0, "close"), (0.0, "return")], by_handle=by_handle)
    for deed in ("fire_over", "controlled", "lockdown_over", "grant", "open"):
        there.do(deed)
    before = len(there.records)
    there.pass_time(LONG_S)
    assert [told.kind for _, told in there.records[before:]] == [Kind.DOOR_HELD]


@settings(max_examples=200)
@given(STORIES, st.booleans(), st.integers(2, 5))
def test_how_often_a_door_is_asked_changes_nothing(
    story: list[tuple[float, str]], by_handle: bool, ticks: int
) -> None:
    seldom = lived_through(story, by_handle=by_handle)
    often = lived_through(story, by_handle=by_handle, ticks=ticks)
    assert [told for _, told in often.records] == [told for _, told in seldom.records]


@given(st.lists(st.tuples(WAITS, st.sampled_from(sorted(SIGNALS))), max_size=40), st.booleans())
def test_a_door_without_a_contact_tells_only_what_it_can_know(
    story: list[tuple[float, str]], by_handle: bool
) -> None:
    there = house(by_handle=by_handle, has_contact=False)
    told: list[Told] = []
    for number, (wait_s, deed) in enumerate(story, start=1):
        there.now_s += wait_s
        told += there.portal.signal(SIGNALS[deed], there.now_s)
        told += there.portal.signal(Signal.GRANTED, there.now_s, number)
    told += there.portal.tick(there.now_s + LONG_S)
    mode_words = {Kind.DOOR_FREED, Kind.DOOR_LOCKED_DOWN, Kind.DOOR_SECURED}
    assert {each.kind for each in told} <= {Kind.REX, *mode_words}
    assert [each.kind for each in told].count(Kind.REX) == [deed for _, deed in story].count("rex")
