"""What there is to raise an alarm about, and by which records it is known. Pure.

Kinds of records: `messages.model.Kind`. Alarms of trust.md R-31 and R-35, and what R-08, R-13, R-14 and R-18
ask to be noticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from messages.model import ClockQuality, Kind, Reason


class Urgency(StrEnum):
    NOW = "now"  # somebody must go and look
    TODAY = "today"  # something does not work, or is not known
    NOTED = "noted"  # to be read when there is time


class AlarmKind(StrEnum):
    DURESS = "duress"
    FORCED = "forced"
    HELD = "held"
    TAMPER = "tamper"
    FIRE = "fire"
    LOST_CARD = "lost_card"
    REPEATED_TRIES = "repeated_tries"
    LOCK_NOT_DRIVEN = "lock_not_driven"
    READER_LOST = "reader_lost"
    LOCK_LOST = "lock_lost"
    MAINS_FAILED = "mains_failed"
    BATTERY_LOW = "battery_low"
    STORAGE = "storage"
    RECORDS_LOST = "records_lost"
    CLOCK_OFF = "clock_off"
    # not of records, but of what is known of a gateway
    GATEWAY_SILENT = "gateway_silent"
    GAP = "gap"
    INTEGRITY = "integrity"
    # of what a guard tour's plan asks for and nobody did, or not so
    TOUR_LATE = "tour_late"
    TOUR_MISSED = "tour_missed"
    TOUR_OUT_OF_ORDER = "tour_out_of_order"
    TOUR_TOO_QUICK = "tour_too_quick"


class About(StrEnum):
    """What an alarm is told apart by, beside its gateway."""

    DOOR = "door"
    DEVICE = "device"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class Sign:
    """Records by which an alarm is known. Without `over` it is over at once: it happened, and that was it.

    `reasons`: of those alone, where there are any.
    """

    begins: frozenset[Kind]
    about: About
    urgency: Urgency
    over: frozenset[Kind] = frozenset()
    reasons: frozenset[Reason] = frozenset()


def _of(
    *begins: Kind,
    about: About,
    urgency: Urgency,
    over: tuple[Kind, ...] = (),
    reasons: tuple[Reason, ...] = (),
) -> Sign:
    return Sign(frozenset(begins), about, urgency, frozenset(over), frozenset(reasons))


_DOOR, _DEVICE, _GATEWAY = About.DOOR, About.DEVICE, About.GATEWAY

SIGNS: Final[Mapping[AlarmKind, Sign]] = {
    AlarmKind.DURESS: _of(Kind.DURESS, about=_DOOR, urgency=Urgency.NOW),
    AlarmKind.FORCED: _of(Kind.DOOR_FORCED, about=_DOOR, urgency=Urgency.NOW, over=(Kind.DOOR_CLOSED,)),
    AlarmKind.HELD: _of(Kind.DOOR_HELD, about=_DOOR, urgency=Urgency.TODAY, over=(Kind.DOOR_CLOSED,)),
    AlarmKind.TAMPER: _of(Kind.TAMPER, about=_DEVICE, urgency=Urgency.NOW, over=(Kind.TAMPER_RESTORED,)),
    AlarmKind.FIRE: _of(Kind.FIRE_INPUT, about=_DOOR, urgency=Urgency.NOW, over=(Kind.FIRE_INPUT_RESTORED,)),
    AlarmKind.LOST_CARD: _of(Kind.ACCESS_DENIED, about=_DOOR, urgency=Urgency.NOW, reasons=(Reason.LOST,)),
    AlarmKind.REPEATED_TRIES: _of(Kind.REPEATED_DENIALS, about=_DOOR, urgency=Urgency.TODAY),
    AlarmKind.LOCK_NOT_DRIVEN: _of(Kind.RELEASE_FAILED, about=_DOOR, urgency=Urgency.TODAY),
    AlarmKind.READER_LOST: _of(
        Kind.READER_LOST, about=_DEVICE, urgency=Urgency.TODAY, over=(Kind.READER_RESTORED,)
    ),
    AlarmKind.LOCK_LOST: _of(Kind.LOCK_LOST, about=_DEVICE, urgency=Urgency.NOW, over=(Kind.LOCK_RESTORED,)),
    AlarmKind.MAINS_FAILED: _of(
        Kind.MAINS_FAILED, about=_GATEWAY, urgency=Urgency.TODAY, over=(Kind.MAINS_RESTORED,)
    ),
    AlarmKind.BATTERY_LOW: _of(
        Kind.BATTERY_LOW, about=_GATEWAY, urgency=Urgency.NOW, over=(Kind.BATTERY_RESTORED,)
    ),
    AlarmKind.STORAGE: _of(
        Kind.STORAGE_LOW,
        Kind.STORAGE_FAULT,
        about=_GATEWAY,
        urgency=Urgency.TODAY,
        over=(Kind.STORAGE_RESTORED,),
    ),
    AlarmKind.RECORDS_LOST: _of(Kind.RECORDS_LOST, about=_GATEWAY, urgency=Urgency.NOW),
    AlarmKind.CLOCK_OFF: _of(Kind.CLOCK_STEPPED, about=_GATEWAY, urgency=Urgency.TODAY),
}
"""The alarms that single records tell of."""

BY_STATE: Final = frozenset({AlarmKind.GATEWAY_SILENT, AlarmKind.GAP, AlarmKind.INTEGRITY})
"""The alarms that a gateway's present state tells of: there is no past of it to try them on."""

OF_TOURS: Final = frozenset(
    {
        AlarmKind.TOUR_LATE,
        AlarmKind.TOUR_MISSED,
        AlarmKind.TOUR_OUT_OF_ORDER,
        AlarmKind.TOUR_TOO_QUICK,
    }
)
"""The alarms that rounds tell of, by what readers recorded and what they did not."""

UNBELIEVED: Final = "unbelieved"
"""What an alarm of kind `integrity` is about where what is said in a gateway's name lacks its signature."""

DEFAULT_LIMITS: Final[Mapping[AlarmKind, Mapping[str, int]]] = {
    AlarmKind.READER_LOST: {"after_s": 30},
    AlarmKind.GATEWAY_SILENT: {"after_s": 120},
    AlarmKind.GAP: {"after_s": 120},
}
"""What each kind may be asked to tolerate, and what it tolerates where nothing is said."""

DEFAULT_URGENCY: Final[Mapping[AlarmKind, Urgency]] = {
    **{kind: sign.urgency for kind, sign in SIGNS.items()},
    AlarmKind.GATEWAY_SILENT: Urgency.TODAY,
    AlarmKind.GAP: Urgency.TODAY,
    AlarmKind.INTEGRITY: Urgency.NOW,
    AlarmKind.TOUR_LATE: Urgency.TODAY,
    AlarmKind.TOUR_MISSED: Urgency.TODAY,
    AlarmKind.TOUR_OUT_OF_ORDER: Urgency.NOTED,
    AlarmKind.TOUR_TOO_QUICK: Urgency.NOTED,
}

WATCHED: Final = frozenset(kind for sign in SIGNS.values() for kind in (*sign.begins, *sign.over))
"""The kinds of records that any alarm looks at."""

TRUSTED_CLOCKS: Final = frozenset({ClockQuality.SYNCED, ClockQuality.HELD})
