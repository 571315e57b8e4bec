"""People who swipe as people do: they come at random, choose a door, queue, lay the card, wait, take it away.

The plan and the crowd are pure: chance and time are arguments. `CommunityRunner` lets them happen.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from firmware_sim.errors import RequestError, SimulatorGone
from firmware_sim.events import EventLog
from firmware_sim.scene import CommunityPlan, DoorPlan

MAX_QUEUE = 10  # people at one reader; more go to another door or home
_NEXT_PERSON_S = 0.3  # between one card leaving and the next arriving
_REACH_S = 0.4  # from taking the card away to pulling the door, from hearing the beep to the first key
_WALK_S = 1.5  # how long the leaf stands open
_AWAY_S = (
    5.0  # before the same person may come again: longer than a repeat window of 2 to 3 s (readers.md 1.9)
)
_SPREAD = (0.5, 1.5)  # patience and lingering, as a share of the mean
_SECONDS_PER_HOUR = 3600.0
_EVENTS_AT_ONCE = 1000

# Share of the mean rate per hour of the day: morning, noon and evening peaks, a quiet night.
HOUR_WEIGHTS = (
    *(0.1, 0.05, 0.05, 0.05, 0.1, 0.4),
    *(1.0, 2.6, 2.8, 1.2, 0.8, 1.2),
    *(1.8, 1.0, 0.8, 0.8, 1.2, 2.6),
    *(2.4, 1.2, 0.8, 0.6, 0.3, 0.15),
)
_PEAK = max(HOUR_WEIGHTS)
_ANY_DOOR: Mapping[str, Sequence[str]] = {}


def doors_by_person(doors: Sequence[DoorPlan], people: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """To which doors each of these people comes; nobody is named where every door is everybody's."""
    if not any(door.used_by for door in doors):
        return {}
    return {ref: tuple(d.name for d in doors if not d.used_by or ref in d.used_by) for ref in people}


@dataclass(frozen=True, slots=True)
class Visit:
    """Someone comes to a door, `at_s` seconds after the community began."""

    at_s: float
    card: str
    door: str
    patience_s: float
    linger_s: float
    stays_out: bool = False  # thinks better of it once let in


class CommunityClock:
    """Hour of the simulated day, for the peaks."""

    def __init__(self, plan: CommunityPlan) -> None:
        self._plan = plan

    def weight(self, at_s: float) -> float:
        """Share of the mean rate `at_s` real seconds after the beginning."""
        if not self._plan.peaks:
            return 1.0
        hour = self._plan.start_hour + at_s * self._plan.speed / _SECONDS_PER_HOUR
        return HOUR_WEIGHTS[int(hour) % len(HOUR_WEIGHTS)]

    @property
    def highest(self) -> float:
        """The largest weight there is."""
        return _PEAK if self._plan.peaks else 1.0


def visits(
    plan: CommunityPlan,
    rng: Random,
    *,
    rate_per_minute: float,
    from_s: float,
    enrolled: Sequence[str],
    strangers: Sequence[str],
    doors: Sequence[str],
    doors_of: Mapping[str, Sequence[str]] = _ANY_DOOR,
) -> Iterator[Visit]:
    """Endless visits from `from_s` on: a Poisson process thinned by the hour, the same for the same seed.
    `doors_of`: of those who do not come to any of `doors`; whoever has none there stays at home."""
    clock = CommunityClock(plan)
    rate_per_s = rate_per_minute / 60.0
    at_s = from_s
    while True:
        at_s += rng.expovariate(rate_per_s * clock.highest)
        if rng.random() * clock.highest > clock.weight(at_s):
            continue
        crowd = strangers if strangers and rng.random() < plan.unknown_share else enrolled
        card = rng.choice(crowd)
        theirs = doors_of.get(card, doors)
        if not theirs:
            continue
        yield Visit(
            at_s=at_s,
            card=card,
            door=rng.choice(theirs),
            patience_s=plan.patience_s * rng.uniform(*_SPREAD),
            linger_s=plan.linger_s * rng.uniform(*_SPREAD),
            stays_out=plan.stays_out_share > 0 and rng.random() < plan.stays_out_share,
        )


@dataclass(frozen=True, slots=True)
class Act:
    """A card is laid on a reader, or (None) taken away."""

    reader: str
    card: str | None


@dataclass(frozen=True, slots=True)
class Typing:
    """The PIN of the card that was read is typed."""

    reader: str
    card: str


@dataclass(frozen=True, slots=True)
class Swing:
    """Someone walks through: the leaf opens, or falls shut."""

    door: str
    is_open: bool


Deed = Act | Typing | Swing


@dataclass(slots=True)
class _Place:
    """What goes on at one door and its reader."""

    door: str
    reader: str
    used_by: frozenset[str]  # empty: everybody
    walks: bool  # the door has a contact that feels who walks through
    asks_pin: bool
    queue: deque[Visit] = field(default_factory=deque)
    visit: Visit | None = None
    leaves_s: float = 0.0  # when the card goes
    free_s: float = 0.0  # when the next may step up
    opened: bool = False
    types_s: float | None = None  # when the PIN is typed
    typed: bool = False
    swings: deque[tuple[float, bool]] = field(default_factory=deque)  # when, and whether it opens


class Crowd:
    """Who stands where. Knows no thread; `now` is any steady clock in seconds."""

    def __init__(self, doors: Sequence[DoorPlan]) -> None:
        self._places = {
            door.name: _Place(door.name, door.reader, door.used_by, door.contact is not None, door.pin)
            for door in doors
        }
        self._away_until_s: dict[str, float] = {}
        self.turned_away = 0
        self.swiped = 0
        self.opened = 0
        self.kept_outside = 0
        self.stayed_out = 0

    @property
    def at_doors(self) -> int:
        """People who stand at a reader or queue for one."""
        return sum((place.visit is not None) + len(place.queue) for place in self._places.values())

    def arrive(self, visit: Visit, now: float) -> None:
        """Queue at the door, or where nobody stands, or where fewest do; go home if that is full as well.
        Elsewhere than at the door they came to only where their own doors are."""
        place = self._places[visit.door]
        if place.visit is not None or place.queue:
            others = [
                each for each in self._places.values() if not each.used_by or visit.card in each.used_by
            ]
            there = others or [place]
            free = [each for each in there if each.visit is None and not each.queue]
            place = free[0] if free else min(there, key=lambda each: len(each.queue))
        if len(place.queue) >= MAX_QUEUE or self._away_until_s.get(visit.card, 0.0) > now:
            self.turned_away += 1
            return
        self._away_until_s[visit.card] = float("inf")
        place.queue.append(visit)

    def door_opened(self, door: str, now: float) -> None:
        """The relay of a door went on: whoever has a card there takes it away after a human moment."""
        place = self._places[door]
        if place.visit is None or place.opened:
            return
        place.opened = True
        self.opened += 1
        place.leaves_s = now + place.visit.linger_s
        if place.visit.stays_out:
            self.stayed_out += 1
        elif place.walks:
            place.swings.extend(
                ((place.leaves_s + _REACH_S, True), (place.leaves_s + _REACH_S + _WALK_S, False))
            )

    def card_read(self, reader: str, card: str, now: float) -> None:
        """A reader took a card: where the door asks for it, its person types the PIN."""
        for place in self._places.values():
            if place.reader != reader or not place.asks_pin or place.typed:
                continue
            if place.visit is not None and place.visit.card == card:
                place.typed = True
                place.types_s = now + _REACH_S

    def kept_out(self, door: str) -> None:
        """The leaf was locked again before it was pulled: nobody walks through."""
        self._places[door].swings.clear()
        self.kept_outside += 1

    def refused(self, reader: str, now: float) -> None:
        """The card could not be laid: the person goes home."""
        for place in self._places.values():
            if place.reader == reader and place.visit is not None:
                self._leave(place, now)
                self.turned_away += 1

    def tick(self, now: float) -> list[Deed]:
        """What people do by now."""
        acts: list[Deed] = []
        for place in self._places.values():
            if place.visit is not None and place.types_s is not None and place.types_s <= now:
                place.types_s = None
                acts.append(Typing(place.reader, place.visit.card))
            if place.visit is not None and place.leaves_s <= now:
                acts.append(Act(place.reader, None))
                self._leave(place, now)
                self.swiped += 1
            if place.visit is None and place.queue and place.free_s <= now:
                place.visit = place.queue.popleft()
                place.leaves_s = now + place.visit.patience_s
                place.opened = place.typed = False
                place.types_s = None
                acts.append(Act(place.reader, place.visit.card))
            while place.swings and place.swings[0][0] <= now:
                acts.append(Swing(place.door, place.swings.popleft()[1]))
        return acts

    def go_home(self) -> list[Deed]:
        """Everyone leaves; cards that lie are taken along, doors fall shut."""
        places = self._places.values()
        acts: list[Deed] = [Act(place.reader, None) for place in places if place.visit is not None]
        acts += [Swing(place.door, is_open=False) for place in places if place.swings]
        for place in places:
            place.swings.clear()
            place.visit = None
            place.queue.clear()
        self._away_until_s.clear()
        return acts

    def next_due(self) -> float | None:
        """When `tick` has something to do next."""
        moments = [place.leaves_s for place in self._places.values() if place.visit is not None]
        moments += [place.types_s for place in self._places.values() if place.types_s is not None]
        moments += [place.swings[0][0] for place in self._places.values() if place.swings]
        moments += [place.free_s for place in self._places.values() if place.visit is None and place.queue]
        return min(moments, default=None)

    def _leave(self, place: _Place, now: float) -> None:
        assert place.visit is not None
        self._away_until_s[place.visit.card] = now + _AWAY_S
        place.visit = None
        place.types_s = None
        place.free_s = now + _NEXT_PERSON_S


class Hands(Protocol):
    """What people can do with the devices. RequestError: it cannot be done now."""

    def present(self, reader: str, card: str) -> None:
        """Lay a card down."""

    def take_along(self, reader: str) -> None:
        """Take away whatever card lies there."""

    def type_pin(self, reader: str, card: str) -> None:
        """Type the digits that belong to a card."""

    def swing_door(self, door: str, *, is_open: bool) -> None:
        """Open or shut a leaf."""


class CommunityRunner:
    """The thread on which the community lives. Its rate can be changed at any time."""

    def __init__(
        self,
        crowd: Crowd,
        log: EventLog,
        *,
        plan_visits: Callable[[float, float], Iterator[Visit]],
        hands: "Hands",
    ) -> None:
        """`plan_visits(rate_per_minute, from_s)`; what hands cannot do they refuse by RequestError."""
        self._crowd = crowd
        self._log = log
        self._plan_visits = plan_visits
        self._hands = hands
        self._lock = threading.Lock()
        self._rate = 0.0
        self._plan: Iterator[Visit] | None = None
        self._next: Visit | None = None
        self._stopping = False
        self._began_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="simulated-community", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Everyone goes home; waits for it."""
        with self._lock:
            self._stopping = True
        self._log.append("community", "stopped")
        self._thread.join()

    def set_rate(self, rate_per_minute: float) -> None:
        """Swipes per minute from now on; 0: nobody new comes."""
        with self._lock:
            self._rate = rate_per_minute
            from_s = time.monotonic() - self._began_s
            self._plan = self._plan_visits(rate_per_minute, from_s) if rate_per_minute > 0 else None
            self._next = next(self._plan) if self._plan else None
        self._log.append("community", "rate", detail=f"{rate_per_minute:g} per minute")

    def status(self) -> dict[str, float | int]:
        """Rate and counts so far."""
        return {
            "rate": self._rate,
            "swiped": self._crowd.swiped,
            "opened": self._crowd.opened,
            "at_doors": self._crowd.at_doors,
            "turned_away": self._crowd.turned_away,
            "kept_outside": self._crowd.kept_outside,
            "stayed_out": self._crowd.stayed_out,
        }

    def _run(self) -> None:
        seen = self._log.last
        while not self._stopping:
            now = time.monotonic()
            self._arrivals(now)
            self._perform(self._crowd.tick(now), now)
            for event in self._log.wait_after(seen, _EVENTS_AT_ONCE, self._idle_s(now)):
                seen = event.n
                if event.event == "relay_on" and event.door is not None:
                    self._crowd.door_opened(event.door, time.monotonic())
                elif event.event == "read_sent" and event.card is not None:
                    self._crowd.card_read(event.device, event.card, time.monotonic())
        self._perform(self._crowd.go_home(), time.monotonic())

    def _arrivals(self, now: float) -> None:
        with self._lock:
            while self._next is not None and self._began_s + self._next.at_s <= now:
                self._crowd.arrive(self._next, now)
                self._next = next(self._plan) if self._plan else None

    def _perform(self, deeds: Sequence[Deed], now: float) -> None:
        for deed in deeds:
            try:
                self._do(deed)
            except RequestError:
                if isinstance(deed, Act):
                    self._crowd.refused(deed.reader, now)  # someone else's card lies there
                elif isinstance(deed, Swing):
                    self._crowd.kept_out(deed.door)
            except SimulatorGone:
                self._stopping = True

    def _do(self, deed: Deed) -> None:
        if isinstance(deed, Swing):
            self._hands.swing_door(deed.door, is_open=deed.is_open)
        elif isinstance(deed, Typing):
            self._hands.type_pin(deed.reader, deed.card)
        elif deed.card is None:
            self._hands.take_along(deed.reader)
        else:
            self._hands.present(deed.reader, deed.card)

    def _idle_s(self, now: float) -> float:
        moments = [] if self._next is None else [self._began_s + self._next.at_s]
        due_s = self._crowd.next_due()
        if due_s is not None:
            moments.append(due_s)
        return max(0.0, min(moments) - now) if moments else threading.TIMEOUT_MAX
