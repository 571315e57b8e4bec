"""The oracle: knows what happened at the doors and compares it with what the centre has. Pure.

Its two witnesses know nothing of each other: the simulator's event log (what was laid on which reader, which
relay was driven) and the centre's committed records.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Swipe:
    """One card at one door, as the simulator saw it."""

    door: str
    token: str
    openings: int  # how often the door's relay was driven while the card lay there
    read: bool  # the whole card had been sent to the gateway
    disturbed: bool  # the gateway was killed while the card lay there


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
    for swipe in swipes:
        opened[swipe.door, swipe.token] += swipe.openings
        allowed[swipe.door, swipe.token] += swipe.disturbed
    for key in opened | granted:
        surplus = granted[key] - opened[key]
        if surplus < 0:
            yield Finding(
                "lost", f"door {key[0]}: opened {opened[key]} times, {granted[key]} records at the centre"
            )
        elif surplus > allowed[key]:
            yield Finding("doubled", f"door {key[0]}: {granted[key]} records for {opened[key]} openings")


def _attempts(swipes: Sequence[Swipe], entries: Sequence[Entry]) -> Iterable[Finding]:
    recorded = Counter((e.door, e.token) for e in entries)
    laid: dict[tuple[str, str], int] = defaultdict(int)
    for swipe in swipes:
        if swipe.read and not swipe.disturbed:
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
) -> list[Swipe]:
    """Reads the simulator's event log: one swipe from each `presented` to its `removed`.

    `token_of(door, card)`: what that card is there, None if its reader cannot read it. `kills_ns` by door:
    the monotonic times its gateway was killed at. A relay driven shortly after the card had gone belongs to
    the card that lay there last.
    """
    swipes: list[Swipe] = []
    lying: dict[str, _Lying] = {}
    for event in events:
        door = str(event.get("door", ""))
        match event["event"]:
            case "presented":
                if door in lying:
                    swipes.append(lying.pop(door).swipe(kills_ns.get(door, ())))
                token = token_of(door, str(event["card"]))
                if token is not None:
                    lying[door] = _Lying(door, token, _t_ns(event))
            case "removed" if door in lying:
                lying[door].gone_ns = _t_ns(event)
            case "read_sent" if door in lying:
                lying[door].read = True
            case "relay_on" if door in lying:
                lying[door].openings += 1
                lying[door].gone_ns = max(lying[door].gone_ns, _t_ns(event))
    swipes += [last.swipe(kills_ns.get(door, ())) for door, last in lying.items()]
    return swipes


def _t_ns(event: Mapping[str, object]) -> int:
    at = event["t_ns"]
    assert isinstance(at, int)
    return at


_AFTERWARDS_NS = 5_000_000_000
"""A gateway killed this long after a card had gone may still have fallen over its record."""


@dataclass(slots=True)
class _Lying:
    door: str
    token: str
    laid_ns: int
    gone_ns: int = 0
    openings: int = 0
    read: bool = False

    def swipe(self, kills_ns: Sequence[int]) -> Swipe:
        until_ns = (self.gone_ns or self.laid_ns) + _AFTERWARDS_NS
        disturbed = any(self.laid_ns <= at <= until_ns for at in kills_ns)
        return Swipe(self.door, self.token, self.openings, self.read, disturbed)
