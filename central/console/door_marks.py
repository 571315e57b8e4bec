"""How a door stands, in marks that pages show: a word, a sign, and a tone. Pure but for `marks_of`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from central.alarms import book
from central.alarms.book import Alarm
from central.fleet.completeness import Completeness
from central.fleet.door_states import DoorState, Leaf, Mode, door_states
from messages.model import Kind, Reason

_READERS: Final[Mapping[str, str]] = {
    "lost": Kind.READER_LOST,
    "degraded": Kind.READER_DEGRADED,
    "recovering": Kind.READER_RECOVERING,
}
_WORST: Final = ("bad", "warn", "open", "good")

OFFLINE: Final = "offline"
_OF_DEVICES: Final = frozenset({*_READERS.values(), OFFLINE})
TAMPERED: Final = "tampered"
WAS_TAMPERED: Final = "was_tampered"


@dataclass(frozen=True, slots=True)
class Mark:
    """`word`: of `words.STANDS`. `tone`: "bad", "warn", "open" (anybody may pass) or "good". `icon`: beside
    the word where it is out of the ordinary, so that no colour says it alone."""

    word: str
    tone: str
    icon: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    reason: Reason | None = None

    @property
    def is_usual(self) -> bool:
        """A leaf that people go through, and nothing that somebody should know of."""
        return self.icon is None


@dataclass(frozen=True, slots=True)
class DoorMarks:
    """The worst mark first; empty where nothing is known of the door. `as_of_us`: so far reaches what is
    known; None: it is up to date."""

    marks: tuple[Mark, ...] = ()
    as_of_us: int | None = None

    @property
    def unusual(self) -> tuple[Mark, ...]:
        """Of the door itself, where it stands out of the ordinary. Without what is said of its gateway or its
        readers beside it."""
        return tuple(each for each in self.marks if not each.is_usual and each.word not in _OF_DEVICES)

    @property
    def tone(self) -> str:
        return min((each.tone for each in self.marks), key=_WORST.index, default="")

    @property
    def badness(self) -> int:
        """The smaller the worse."""
        return min((_WORST.index(each.tone) for each in self.marks), default=len(_WORST))


Places = Mapping[tuple[str, str, str], DoorMarks]
"""By site, gateway and door."""


def marks_of(connection: Connection, gateways: Sequence[Completeness], now_us: int) -> Places:
    """Of every door of these gateways."""
    states = door_states(connection, gateways, now_us)
    alarms: dict[tuple[str, str], list[Alarm]] = {}
    for each in book.tampers(connection, sorted({each.site for each in gateways}), now_us):
        alarms.setdefault((each.site, each.gateway), []).append(each)
    return {
        (known.site, known.name, door.name): door_marks(
            known,
            door.name,
            states[known.site, known.name, door.name],
            alarms.get((known.site, known.name), ()),
        )
        for known in gateways
        for door in known.doors
    }


def door_marks(known: Completeness, door: str, state: DoorState, tampers: Sequence[Alarm]) -> DoorMarks:
    """`tampers`: alarms of the door's gateway. One that names no door of it is about the gateway's own
    enclosure, and so about each of its doors."""
    marks = [*_of_tampers(known, door, tampers), *_of_devices(known, door), *_of_state(state)]
    ordered = sorted(marks, key=lambda each: _WORST.index(each.tone))
    told = state.leaf is not None or state.mode is not None
    return DoorMarks(tuple(ordered), state.as_of_us if told else None)


def _of_tampers(known: Completeness, door: str, tampers: Sequence[Alarm]) -> Iterator[Mark]:
    readers = next((each.readers for each in known.doors if each.name == door), ())
    ours = {each.name for each in known.doors}
    for each in sorted(tampers, key=_is_over):
        elsewhere = known.reader_label(each.device) is not None if each.device else False
        if each.door == door or each.device in readers or (each.door not in ours and not elsewhere):
            lasts = each.over_us is None
            tone = "bad" if each.seen_us is None else "warn"
            yield Mark(TAMPERED if lasts else WAS_TAMPERED, tone, "warn", each.began_us)
            return


def _is_over(tamper: Alarm) -> tuple[bool, bool]:
    """What lasts comes before what is over, what nobody has seen to before the rest."""
    return tamper.over_us is not None, tamper.seen_us is not None


def _of_devices(known: Completeness, door: str) -> Iterator[Mark]:
    if not known.online:
        yield Mark(OFFLINE, "warn", "warn")
        return
    readers = next((each.readers for each in known.doors if each.name == door), ())
    states = {known.devices.get(reader) for reader in readers}
    if worst := next((state for state in _READERS if state in states), None):
        yield Mark(_READERS[worst], "warn", "warn")


def _of_state(state: DoorState) -> Iterator[Mark]:
    match state.mode:
        case Mode.LOCKED_DOWN:
            yield Mark(Mode.LOCKED_DOWN, "warn", "lock", state.mode_since_us, state.until_us, state.reason)
        case Mode.FREE:
            ordered = state.reason is Reason.COMMAND
            tone = "warn" if ordered else "open"
            yield Mark(Mode.FREE, tone, "door", state.mode_since_us, state.until_us, state.reason)
    match state.leaf:
        case Leaf.FORCED | Leaf.HELD:
            yield Mark(state.leaf, "bad", "warn", state.leaf_since_us)
        case Leaf.OPEN:
            yield Mark(Leaf.OPEN, "open", None, state.leaf_since_us)
        case Leaf.CLOSED:
            yield Mark(Leaf.CLOSED, "good", None, state.leaf_since_us)
