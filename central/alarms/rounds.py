"""Alarms of guard tours: a round is late, was missed, or was walked out of order or too quickly. Pure.

No record tells of what did not happen: rounds are looked at again and again until what became of them is
settled. A round raises each kind once. The alarm is about the round and its point, never about a guard.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from central.alarms.kinds import AlarmKind
from central.alarms.rules import Lasting, Rules
from central.tours.reads import Point
from central.tours.rounds import Judged
from central.tours.words import SETTLED, RoundState, StopState

BACK_US: Final = 3 * 86_400_000_000
"""Rounds that opened so long ago are looked at no more: by then a gateway's silence has alarms of its own."""

RoundOf = tuple[AlarmKind, str]
"""What an alarm of a round is told apart by: its kind, and the round's key."""

_KINDS: Final[Mapping[RoundState, AlarmKind]] = {
    RoundState.OVERDUE: AlarmKind.TOUR_LATE,
    RoundState.LATE: AlarmKind.TOUR_LATE,
    RoundState.MISSED: AlarmKind.TOUR_MISSED,
    RoundState.INCOMPLETE: AlarmKind.TOUR_MISSED,
    RoundState.OUT_OF_ORDER: AlarmKind.TOUR_OUT_OF_ORDER,
    RoundState.TOO_QUICK: AlarmKind.TOUR_TOO_QUICK,
}
_AT_FAULT: Final[Mapping[AlarmKind, frozenset[StopState]]] = {
    AlarmKind.TOUR_LATE: frozenset({StopState.OVERDUE, StopState.LATE}),
    AlarmKind.TOUR_MISSED: frozenset({StopState.MISSED}),
    AlarmKind.TOUR_OUT_OF_ORDER: frozenset({StopState.OUT_OF_ORDER}),
    AlarmKind.TOUR_TOO_QUICK: frozenset({StopState.TOO_QUICK}),
}


@dataclass(frozen=True, slots=True)
class Grounds:
    """What is known beside the rounds. `points`, `gateways`: by id; by site and name. `noted`: what alarms
    there were already."""

    points: Mapping[int, Point]
    gateways: Mapping[tuple[str, str], int]
    noted: Collection[RoundOf] = ()


def compared_rounds(
    rules: Rules, rounds: Iterable[Judged], lasting: Iterable[Lasting], grounds: Grounds, now_us: int
) -> list[Lasting]:
    """What has begun, grown or ended since `lasting`. A late round is over when all of it is settled."""
    known = {each.device: each for each in lasting if each.rule.kind is AlarmKind.TOUR_LATE}
    changed: list[Lasting] = []
    for each in rounds:
        late = known.pop(each.round.key, None)
        if late is not None:
            changed += _gone_on(late, each, now_us)
        kind = _KINDS.get(each.state)
        told = (kind, each.round.key) in grounds.noted or (late is not None and kind is late.rule.kind)
        if kind is not None and not told and (begun := _begun(rules, each, kind, grounds, now_us)):
            changed.append(begun)
    for forgotten in known.values():
        if forgotten.began_us < now_us - BACK_US:
            forgotten.ends(now_us)
            changed.append(forgotten)
    return changed


def settled_by(rules: Rules, rounds: Iterable[Judged], grounds: Grounds, now_us: int) -> list[Lasting]:
    """Of the past: every alarm that these rules would have raised."""
    settled = [each for each in rounds if each.state in SETTLED]
    return compared_rounds(rules, settled, (), grounds, now_us)


def _gone_on(late: Lasting, found: Judged, now_us: int) -> Iterator[Lasting]:
    count = found.count(*_AT_FAULT[AlarmKind.TOUR_LATE])
    over = found.state in SETTLED
    if count > late.count:
        late.count, late.last_us, late.changed = count, now_us, True
    if over:
        late.ends(min(now_us, found.round.ends_us))
    if over or late.changed:
        yield late


def _begun(rules: Rules, found: Judged, kind: AlarmKind, grounds: Grounds, now_us: int) -> Lasting | None:
    """None: no rule asks for it, or no gateway of it is known."""
    place = _where(found, kind, grounds)
    rule = None if place is None else rules.of(kind, place[1].site)
    if rule is None or place is None:
        return None
    gateway_id, point = place
    over = found.state in SETTLED
    at_us = min(now_us, found.round.ends_us) if over or found.overdue_us is None else found.overdue_us
    begun = Lasting(
        rule=rule,
        gateway_id=gateway_id,
        door=point.door,
        device=found.round.key,
        began_us=at_us,
        last_us=at_us,
        count=max(1, found.count(*_AT_FAULT[kind])),
    )
    if over:
        begun.ends(at_us)
    return begun


def _where(found: Judged, kind: AlarmKind, grounds: Grounds) -> tuple[int, Point] | None:
    """The first point at fault; the round's first where none is yet."""
    stops = list(zip(found.round.plan.route.stops, found.stops, strict=True))
    ordered = sorted(stops, key=lambda each: each[1] not in _AT_FAULT[kind])
    for stop, _ in ordered:
        point = grounds.points[stop.point]
        number = grounds.gateways.get((point.site, point.gateway))
        if number is not None:
            return number, point
    return None
