"""The oracle: knows what happened at the doors and compares it with what the centre has. Pure.

Its two witnesses know nothing of each other: the simulator's event log (what was laid on which reader, which
relay was driven) and the centre's committed records.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Swipe:
    """One card at one door, as the simulator saw it."""

    door: str
    token: str
    openings: int  # how often the door's relay was driven while the card lay there
    read: bool  # the whole card had been sent to the gateway
    disturbed: bool  # the gateway was killed while the card lay there
    unheard: bool = False  # its cable was not right: what was read may never have come to the gateway
    forgotten: int = 0  # of the openings, those whose record may have fallen with the gateway's memory
    opened_ns: tuple[int, ...] = field(default=(), compare=False)  # monotonic


Span = tuple[int, int]
"""From and to, monotonic nanoseconds, both included."""


@dataclass(frozen=True, slots=True)
class Disorder:
    """What was done to one door, beside kills of its gateway, that excuses what the oracle would find."""

    unheard: Sequence[Span] = ()  # its reader was unplugged, or babbled
    in_memory: Sequence[Span] = ()  # nothing could be recorded, and then the gateway was killed
    admits_unrecorded: bool = False  # its declared policy for that; otherwise no opening is excused
    strangers: frozenset[str] = frozenset()  # cards that are never let in unrecorded

    def may_forget(self, card: str, at_ns: int) -> bool:
        """Whether the record of an opening at that time may be gone."""
        return (
            self.admits_unrecorded and card not in self.strangers and _touches(self.in_memory, at_ns, at_ns)
        )


_IN_ORDER = Disorder()


def _touches(spans: Sequence[Span], from_ns: int, to_ns: int) -> bool:
    return any(first <= to_ns and from_ns <= last for first, last in spans)


@dataclass(frozen=True, slots=True)
class Entry:
    """One committed record about a credential, as the centre has it."""

    gateway: str
    epoch: int
    seq: int
    door: str
    token: str
    granted: bool
    uptime_us: int
    boot: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it must be; `what` is one word, `text` a sentence for a person."""

    what: str
    text: str


def compare(swipes: Sequence[Swipe], entries: Sequence[Entry]) -> list[Finding]:
    """Every opening has exactly one granted record, every read attempt one record, in order, none invented.

    A swipe during which the gateway was killed may have one record more than openings: it was recorded and
    the process fell before the door was released. It may never have one less.
    """
    return [*_openings(swipes, entries), *_attempts(swipes, entries), *_order(entries)]


def _openings(swipes: Sequence[Swipe], entries: Sequence[Entry]) -> Iterable[Finding]:
    granted = Counter((e.door, e.token) for e in entries if e.granted)
    opened: Counter[tuple[str, str]] = Counter()
    allowed: Counter[tuple[str, str]] = Counter()
    forgotten: Counter[tuple[str, str]] = Counter()
    for swipe in swipes:
        opened[swipe.door, swipe.token] += swipe.openings
        allowed[swipe.door, swipe.token] += swipe.disturbed
        forgotten[swipe.door, swipe.token] += swipe.forgotten
    for key in opened | granted:
        surplus = granted[key] - opened[key]
        if surplus < -forgotten[key]:
            yield Finding(
                "lost", f"door {key[0]}: opened {opened[key]} times, {granted[key]} records at the centre"
            )
        elif surplus > allowed[key]:
            yield Finding("doubled", f"door {key[0]}: {granted[key]} records for {opened[key]} openings")


def _attempts(swipes: Sequence[Swipe], entries: Sequence[Entry]) -> Iterable[Finding]:
    recorded = Counter((e.door, e.token) for e in entries)
    laid: dict[tuple[str, str], int] = defaultdict(int)
    for swipe in swipes:
        if swipe.read and not swipe.disturbed and not swipe.unheard:
            laid[swipe.door, swipe.token] += 1
    for (door, token), times in laid.items():
        if recorded[door, token] < times:
            yield Finding(
                "untraced", f"door {door}: a card was read {times} times, {recorded[door, token]} records"
            )


def _order(entries: Sequence[Entry]) -> Iterable[Finding]:
    """Within a boot, sequence numbers and the monotonic clock must tell the same story."""
    newest: dict[tuple[str, int, str], tuple[int, int]] = {}
    for entry in sorted(entries, key=lambda e: (e.gateway, e.epoch, e.seq)):
        key = (entry.gateway, entry.epoch, entry.boot)
        seq, uptime_us = newest.get(key, (0, 0))
        if entry.uptime_us < uptime_us:
            yield Finding(
                "order", f"gateway {entry.gateway}: record {entry.seq} is earlier than record {seq}"
            )
        newest[key] = (entry.seq, entry.uptime_us)


def swipes_from_events(
    events: Iterable[Mapping[str, object]],
    token_of: Callable[[str, str], str | None],
    kills_ns: Mapping[str, Sequence[int]],
    disorders: Mapping[str, Disorder] = MappingProxyType({}),
) -> list[Swipe]:
    """Reads the simulator's event log: one swipe from each `presented` to its `removed`.

    `token_of(door, card)`: what that card is there, None if its reader cannot read it. `kills_ns` by door:
    the monotonic times its gateway was killed at; `disorders` by door, too. A relay driven shortly after the
    card had gone belongs to the card that lay there last, and so does one driven when the next card lies
    there and was not read yet.
    """
    laid: list[_Lying] = []
    lying: dict[str, _Lying] = {}
    for event in events:
        door = str(event.get("door", ""))
        match event["event"]:
            case "presented":
                before = lying.pop(door, None)
                token = token_of(door, str(event["card"]))
                if token is not None:
                    lying[door] = _Lying(door, str(event["card"]), token, _t_ns(event), before)
                    laid.append(lying[door])
            case "removed" if door in lying:
                lying[door].gone_ns = _t_ns(event)
            case "read_sent" if door in lying:
                lying[door].read = True
            case "relay_on" if door in lying:
                lying[door].opens(_t_ns(event))
    return [each.swipe(kills_ns.get(each.door, ()), disorders.get(each.door, _IN_ORDER)) for each in laid]


def _t_ns(event: Mapping[str, object]) -> int:
    at = event["t_ns"]
    assert isinstance(at, int)
    return at


_AFTERWARDS_NS = 5_000_000_000
"""A gateway killed this long after a card had gone may still have fallen over its record."""


@dataclass(slots=True)
class _Lying:
    door: str
    card: str
    token: str
    laid_ns: int
    before: _Lying | None
    gone_ns: int = 0
    opened_ns: list[int] = field(default_factory=list)
    read: bool = False

    def opens(self, at_ns: int) -> None:
        last = self.before
        if last is not None and not self.read and last.waits(at_ns):
            last.opens(at_ns)
            return
        self.opened_ns.append(at_ns)
        self.gone_ns = max(self.gone_ns, at_ns)

    def waits(self, at_ns: int) -> bool:
        """Whether it was read and has had no answer, and that not long ago."""
        return self.read and not self.opened_ns and at_ns <= self.gone_ns + _AFTERWARDS_NS

    def swipe(self, kills_ns: Sequence[int], disorder: Disorder) -> Swipe:
        gone_ns = self.gone_ns or self.laid_ns
        killed = any(self.laid_ns <= at <= gone_ns + _AFTERWARDS_NS for at in kills_ns)
        return Swipe(
            self.door,
            self.token,
            len(self.opened_ns),
            self.read,
            disturbed=killed or _touches(disorder.in_memory, self.laid_ns, gone_ns),
            unheard=_touches(disorder.unheard, self.laid_ns, gone_ns),
            forgotten=sum(disorder.may_forget(self.card, at) for at in self.opened_ns),
            opened_ns=tuple(self.opened_ns),
        )
