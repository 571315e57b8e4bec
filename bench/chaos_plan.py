"""What happens in a campaign of chaos: faults that overlap, drawn from a seed. Pure.

In each round one fault of every track takes place. The faults of a track come in turn, in an order drawn anew
each time, so that also a short run meets each of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from bench.plan import Building
from messages.model import ClockQuality


class What(StrEnum):
    """A kind of fault, in the words of the report."""

    GATEWAY_KILLED = "gateway: kill -9"
    GATEWAY_ENDED = "gateway: SIGTERM"
    POWER_CUT = "gateway: power of its disk cut"
    BROKER_KILLED = "broker: kill -9"
    BROKER_WIPED = "broker: kill -9, its store wiped"
    BROKER_REWOUND = "broker: kill -9, back at an older snapshot"
    CENTRE_KILLED = "centre: kill -9"
    READER_UNPLUGGED = "reader: unplugged"
    READER_BABBLES = "reader: babbles"
    DISK_FULL = "disk: full"
    DISK_FAILS = "disk: writes and syncs fail"
    DISK_WAITS = "disk: syncs wait"
    CLOCK_STEPPED = "clock: stepped"


TRACKS: tuple[tuple[What, ...], ...] = (
    (What.GATEWAY_KILLED, What.POWER_CUT, What.GATEWAY_ENDED),
    (What.BROKER_WIPED, What.CENTRE_KILLED, What.BROKER_KILLED, What.BROKER_REWOUND),
    (What.READER_UNPLUGGED, What.READER_BABBLES),
    (What.DISK_FULL, What.DISK_FAILS, What.DISK_WAITS),
    (What.CLOCK_STEPPED,),
)
ON_A_DISK = frozenset({What.POWER_CUT, What.DISK_FULL})
"""These need a disk of their own under the gateway."""

BY_STRACE = frozenset({What.DISK_FAILS, What.DISK_WAITS})
DISK_TROUBLE = BY_STRACE | {What.DISK_FULL}
ENDS_GATEWAY = frozenset({What.GATEWAY_KILLED, What.GATEWAY_ENDED, What.POWER_CUT})
DELIVERY = frozenset({What.BROKER_KILLED, What.BROKER_WIPED, What.BROKER_REWOUND, What.CENTRE_KILLED})
CABLES = frozenset({What.READER_UNPLUGGED, What.READER_BABBLES})

_DAY_S = 86_400
_YEAR_S = 31_557_600
_CLOCKS_S = (-50 * _YEAR_S, -3 * _DAY_S, 0, 3 * _DAY_S, 50 * _YEAR_S)
_BEGINS_S = (0.0, 1.5)
_LASTS_S = (1.0, 3.0)
_DISK_LASTS_S = (2.5, 5.0)
_ENDS_S = (0.2, 3.5)
"""Programs fall before, amid and after what else is wrong."""


@dataclass(frozen=True, slots=True)
class Fault:
    what: What
    building: str  # whose gateway, disk, clock or reader
    door: str  # whose reader
    after_s: float  # from the begin of its round
    lasts_s: float  # where it is something that lasts
    clock_s: int = 0  # from now on the gateway's clock is wrong by so much
    quality: ClockQuality = ClockQuality.SYNCED


def drawn(
    chance: Random, buildings: Sequence[Building], rounds: int, possible: Collection[What]
) -> Iterator[tuple[Fault, ...]]:
    """The faults of each round. A disk whose power is cut has no other trouble in that round."""
    tracks = [_in_turn(chance, [what for what in track if what in possible]) for track in TRACKS]
    for _ in range(rounds):
        faults: list[Fault] = []
        for track in tracks:
            if (what := next(track, None)) is None:
                continue
            cut = {fault.building for fault in faults if fault.what is What.POWER_CUT}
            whole = [building for building in buildings if building.name not in cut]
            faults.append(_fault(chance, what, whole if what in DISK_TROUBLE else buildings))
        yield tuple(faults)


def _in_turn(chance: Random, kinds: Sequence[What]) -> Iterator[What]:
    while kinds:
        yield from chance.sample(kinds, len(kinds))


def _fault(chance: Random, what: What, buildings: Sequence[Building]) -> Fault:
    building = chance.choice(buildings)
    disk = what in DISK_TROUBLE
    return Fault(
        what=what,
        building=building.name,
        door=chance.choice(building.doors).name,
        after_s=chance.uniform(*(_ENDS_S if what in ENDS_GATEWAY | DELIVERY else _BEGINS_S)),
        lasts_s=chance.uniform(*(_DISK_LASTS_S if disk else _LASTS_S)),
        clock_s=chance.choice(_CLOCKS_S),
        quality=chance.choice(tuple(ClockQuality)),
    )
