"""Visitors of a day: with a pass, and without one by an identity card. Pure; passes are issued elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from bench.community.happening import LIST_AGE_S, Happening
from bench.community.places import GATES, Estate, Room
from bench.community.times import HOUR_US, MINUTE_US, Days
from central.visitors.words import PassKind, VisitReason
from firmware_sim.people import Person
from messages.model import AssuranceLevel, Credential, Direction, Kind, Reason
from messages.site_settings import VISITOR

_PASSES, _WITHOUT = 8, 16
"""A day and estate; twice as many without on a weekend day."""

_REASONS: Final = (
    *(VisitReason.FAMILY,) * 5,
    *(VisitReason.FRIENDS,) * 4,
    *(VisitReason.REPAIR,) * 3,
    *(VisitReason.DELIVERY,) * 3,
    *(VisitReason.CARE,) * 2,
    *(VisitReason.VIEWING,) * 2,
    VisitReason.OFFICIAL,
)
_KINDS: Final = (PassKind.QR, PassKind.QR, PassKind.QR, PassKind.PIN)
_ASSURANCE: Final = {PassKind.QR: AssuranceLevel.L2, PassKind.PIN: AssuranceLevel.L0}
_STAY_H: Final = {VisitReason.DELIVERY: (0.2, 0.5), VisitReason.FAMILY: (1.5, 6)}
_USUAL_STAY_H: Final = (0.5, 3)
_NEVER_CAME, _NOT_SEEN_LEAVING = 0.07, 0.04
_CALLED_OFF: Final = 0.5
"""Of those who do not come: of so many somebody said so, and the pass was taken back."""


@dataclass(frozen=True, slots=True)
class Visit:
    """As it is planned. `came_us`, `left_us` None: they do not come, nobody sees them leave. `revoked_us`:
    when the pass was taken back, of some who do not come."""

    room: Room
    kind: PassKind
    reason: VisitReason
    issued_us: int
    from_us: int
    until_us: int
    came_us: int | None
    left_us: int | None
    visitor: Person
    revoked_us: int | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What the pass is at the gates: as it was issued."""

    holder: str
    token: bytes


def visits(
    homes: Sequence[Room], visitors: Sequence[Person], days: Days, day: int, drawn: Random
) -> Iterator[Visit]:
    """In the order in which their passes are issued; also those of later today."""
    planned = [
        _visit(drawn.choice(homes), drawn.choice(visitors), days, day, drawn)
        for _ in range(drawn.randrange(_PASSES - 4, _PASSES + 5))
    ]
    yield from sorted(planned, key=lambda each: each.issued_us)


def of_a_pass(
    estate: Estate, visit: Visit, shown: Shown, until_us: int, drawn: Random
) -> Iterator[Happening]:
    """As far as it is over by `until_us`."""
    credential = Credential(visit.kind.value, shown.token.hex(), _ASSURANCE[visit.kind])
    reason = Reason.VISITOR_PASS if visit.kind is PassKind.QR else Reason.LISTED
    for at_us, direction in ((visit.came_us, Direction.IN), (visit.left_us, Direction.OUT)):
        if at_us is not None and at_us < until_us:
            gate = drawn.choice([each for each in estate.gates if each.direction is direction])
            fields: dict[str, Any] = {
                "kind": Kind.ACCESS_GRANTED,
                "reason": reason,
                "door": gate.name,
                "reader": gate.name,
                "direction": direction,
                "credential": credential,
                "holder": shown.holder,
                "category": VISITOR,
                "list_version": 1,
                "list_age_s": LIST_AGE_S,
            }
            yield Happening(at_us, estate.site, GATES, fields)


def without_a_pass(
    estate: Estate,
    visitors: Sequence[Person],
    days: Days,
    day: int,
    drawn: Random,
    *,
    seal: Callable[[Person, int], bytes],
    token: Callable[[Person], bytes],
) -> Iterator[Happening]:
    """Let in by an identity card that nobody has registered. `seal`: who it is, at that time, for the centre
    alone."""
    gates = [gate for gate in estate.gates if gate.direction is Direction.IN]
    for _ in range(drawn.randrange(_WITHOUT * 3 // 4, _WITHOUT * 5 // 4)):
        who, gate = drawn.choice(visitors), drawn.choice(gates)
        at_us = days.at(day, min(max(drawn.gauss(14.5, 3.4), 6), 23.5))
        if at_us < days.ends(day):
            fields = {
                "kind": Kind.ACCESS_GRANTED,
                "reason": Reason.VERIFIED_ID,
                "door": gate.name,
                "reader": gate.name,
                "direction": Direction.IN,
                "credential": Credential("id_card", token(who).hex(), AssuranceLevel.L3),
                "list_version": 1,
                "list_age_s": LIST_AGE_S,
                "envelope": seal(who, at_us),
            }
            yield Happening(at_us, estate.site, GATES, fields)


def _visit(room: Room, visitor: Person, days: Days, day: int, drawn: Random) -> Visit:
    reason = drawn.choice(_REASONS)
    hour = min(max(drawn.gauss(14.5, 3.2), 8), 20.5)
    from_us = days.at(day, int(hour * 4) / 4)
    until_us = from_us + drawn.choice((2, 3, 4, 6, 8)) * HOUR_US
    issued_us = from_us - int(drawn.choice((0.3, 1, 2, 5, 20)) * HOUR_US * drawn.uniform(0.6, 1.2))
    came_us = from_us + int(drawn.uniform(-2, 50) * MINUTE_US) + drawn.randrange(MINUTE_US)
    came_us = max(came_us, from_us)
    stays_us = int(drawn.uniform(*_STAY_H.get(reason, _USUAL_STAY_H)) * HOUR_US)
    left_us: int | None = min(came_us + stays_us, until_us - MINUTE_US)
    share = drawn.random()
    if share < _NOT_SEEN_LEAVING:
        left_us = None
    missed = _NOT_SEEN_LEAVING < share < _NOT_SEEN_LEAVING + _NEVER_CAME
    came = None if missed else came_us
    gone = None if missed or (left_us is not None and left_us <= came_us) else left_us
    called_off = missed and drawn.random() < _CALLED_OFF
    revoked_us = issued_us + int((from_us - issued_us) * drawn.uniform(0.2, 0.9)) if called_off else None
    kind = drawn.choice(_KINDS)
    return Visit(room, kind, reason, issued_us, from_us, until_us, came, gone, visitor, revoked_us)
