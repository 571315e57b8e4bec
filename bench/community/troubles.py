"""What goes wrong on a day: refusals, doors held and forced, devices that fail, releases by hand. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Final

from bench.community.happening import Carried, Happening
from bench.community.ordered import FREE_US, reference_of
from bench.community.places import GATES, Door, Estate, House
from bench.community.times import MINUTE_US, Days
from messages.model import AssuranceLevel, Credential, Direction, Kind, Reason

_REFUSALS: Final = 16
"""A day and estate."""

_REASONS: Final = (
    *(Reason.UNKNOWN_CREDENTIAL,) * 5,
    *(Reason.NO_RIGHT,) * 6,
    *(Reason.UNREADABLE,) * 2,
)
"""Nobody's right has hours: nobody is refused for them."""

_OF_HOUSES: Final = (
    (0.45, Kind.DOOR_HELD, Reason.OPEN_TOO_LONG, Kind.DOOR_CLOSED, (2, 25)),
    (0.06, Kind.DOOR_FORCED, Reason.NO_RELEASE, Kind.DOOR_CLOSED, (1, 4)),
    (0.16, Kind.READER_LOST, Reason.NO_ANSWER, Kind.READER_RESTORED, (8, 150)),
    (0.03, Kind.TAMPER, None, Kind.TAMPER_RESTORED, (3, 20)),
    (0.02, Kind.LOCK_LOST, Reason.NO_ANSWER, Kind.LOCK_RESTORED, (10, 90)),
    (0.05, Kind.RELEASE_FAILED, Reason.LOST_DRIVE, None, (0, 0)),
    (0.14, Kind.REPEATED_DENIALS, None, None, (0, 0)),
)
"""How often on a day in an estate, what, why, and what ends it after how many minutes."""

_OF_GATEWAYS: Final = (
    (0.025, Kind.MAINS_FAILED, Kind.MAINS_RESTORED, (6, 70)),
    (0.012, Kind.STORAGE_LOW, Kind.STORAGE_RESTORED, (60, 300)),
    (0.02, Kind.CLOCK_STEPPED, None, (0, 0)),
)
_TOO_LATE, _KEPT_OPEN = 0.08, 0.05
_ENDED: Final = {Kind.READER_RESTORED: Reason.ANSWERS_AGAIN, Kind.LOCK_RESTORED: Reason.ANSWERS_AGAIN}
_CAUSES: Final = {Kind.STORAGE_LOW: Reason.NEARLY_FULL, Kind.CLOCK_STEPPED: Reason.CLOCK_FORWARD}


def troubles(
    estate: Estate, there: Sequence[Carried], days: Days, day: int, drawn: Random, *, operators: Sequence[int]
) -> Iterator[Happening]:
    """Of one estate; `there`: its residents; `operators`: accounts. Not in the order of time."""
    found = [*_refusals(estate, there, days, day, drawn), *_orders(estate, days, day, drawn, operators)]
    for share, kind, reason, over, minutes in _OF_HOUSES:
        if drawn.random() < share:
            house = _house(estate, drawn)
            door = drawn.choice([each for each in house.doors if each.unit is not None])
            fields = {"kind": kind, "door": door.name, "reason": reason}
            if kind in (Kind.READER_LOST, Kind.TAMPER, Kind.REPEATED_DENIALS, Kind.LOCK_LOST):
                fields["reader"] = door.name
            at_us = days.at(day, drawn.uniform(7, 22))
            found += _lasting(house, fields, over, minutes, at_us, days.ends(day), drawn)
    for share, kind, over, minutes in _OF_GATEWAYS:
        if drawn.random() < share:
            fields = {"kind": kind, "reason": _CAUSES.get(kind)}
            at_us = days.at(day, drawn.uniform(1, 23))
            found += _lasting(_house(estate, drawn), fields, over, minutes, at_us, days.ends(day), drawn)
    yield from (each for each in found if days.begins(day) <= each.at_us < days.ends(day))


def _house(estate: Estate, drawn: Random) -> House:
    """One whose gateway does not run for itself, and in which somebody lives."""
    return drawn.choice([each for each in estate.houses if not each.simulated and not each.under_repair])


def _lasting(  # noqa: PLR0917  of one table each
    house: House,
    fields: dict[str, Any],
    over: Kind | None,
    minutes: Any,
    at_us: int,
    until_us: int,
    drawn: Random,
) -> Iterator[Happening]:
    """Nothing, where it would not be over by `until_us`: what does not work now is told elsewhere."""
    ends_us = at_us if over is None else at_us + int(drawn.uniform(*minutes) * MINUTE_US)
    if ends_us >= until_us:
        return
    yield Happening(at_us, house.site, house.gateway, fields)
    if over is not None:
        after = {**fields, "kind": over, "reason": _ENDED.get(over)}
        yield Happening(ends_us, house.site, house.gateway, after)


def _refusals(
    estate: Estate, there: Sequence[Carried], days: Days, day: int, drawn: Random
) -> Iterator[Happening]:
    for _ in range(drawn.randrange(_REFUSALS // 2, _REFUSALS * 3 // 2)):
        house, reason = _house(estate, drawn), drawn.choice(_REASONS)
        door = drawn.choice([each for each in house.doors if each.unit is not None])
        at_us = days.at(day, min(max(drawn.gauss(15, 4.5), 0.1), 23.9))
        refused = {"kind": Kind.ACCESS_DENIED, "reason": reason}
        if reason is Reason.NO_RIGHT:
            strangers = [each for each in there if not each.member.lives_behind(house, door)]
            yield drawn.choice(strangers).at(at_us, house.gateway, door, **refused)
            continue
        unknown = Credential("card_uid", drawn.randbytes(16).hex(), AssuranceLevel.L1)
        told = {"credential": unknown} if reason is Reason.UNKNOWN_CREDENTIAL else {}
        yield Happening(at_us, estate.site, house.gateway, {**refused, **_shown(door), **told})


def _shown(door: Door) -> dict[str, Any]:
    return {"door": door.name, "reader": door.name, "direction": door.direction}


def _orders(
    estate: Estate, days: Days, day: int, drawn: Random, operators: Sequence[int]
) -> Iterator[Happening]:
    """Somebody at the centre lets somebody in who stands before a gate; now and then it comes too late, or a
    gate is kept open for a while."""
    gates = [gate for gate in estate.gates if gate.direction is Direction.IN]
    for _ in range(drawn.choice((0, 0, 1, 1, 2))):
        at_us = days.at(day, drawn.uniform(7.5, 20))
        door, by = drawn.choice(gates).name, reference_of(drawn.choice(operators))
        if drawn.random() < _TOO_LATE:
            late = {"kind": Kind.COMMAND_REFUSED, "reason": Reason.TOO_LATE, "door": door}
            yield Happening(at_us, estate.site, GATES, late)
            at_us += drawn.randrange(8, 40) * 1_000_000
        yield Happening(at_us, estate.site, GATES, released(door, by))
    if drawn.random() < _KEPT_OPEN:
        at_us, door = days.at(day, drawn.uniform(9, 16)), drawn.choice(gates).name
        by = reference_of(drawn.choice(operators))
        done = {**released(door, by), "kind": Kind.COMMAND_DONE}
        yield Happening(at_us, estate.site, GATES, done)
        for later_us, kind in ((40_000, Kind.DOOR_FREED), (FREE_US, Kind.DOOR_SECURED)):
            fields = {"kind": kind, "reason": Reason.COMMAND, "door": door}
            yield Happening(at_us + later_us, estate.site, GATES, fields)


def released(door: str, by: str) -> dict[str, Any]:
    """Once, from the centre: who ordered it stands where a holder stands."""
    return {
        "kind": Kind.REMOTE_RELEASE,
        "reason": Reason.COMMAND,
        "door": door,
        "holder": by,
        "category": "operator",
    }


def lost_card_used(carried: Carried, days: Days, day: int, drawn: Random) -> Happening:
    """Somebody tries a card at its owner's door that was reported lost the day before."""
    at_us = days.at(day + 1, drawn.uniform(10, 22))
    return carried.at_home(at_us, kind=Kind.ACCESS_DENIED, reason=Reason.LOST)
