"""What a change of an input means at its door: contact, REX, tamper, duress, fire, mains, battery. Pure.

Only observed and recorded: exit and fire release are hard-wired to the lock's power and never pass through
here (trust.md R-36). Names after IEC 60839-11-1 and readers.md 7.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from drivers.base import POWER_INPUT, TAMPER_INPUT, InputState
from gateway.portal_table import Signal
from messages.model import Kind, Reason


class InputFunction(StrEnum):
    """What an input is wired to."""

    CONTACT = "contact"  # active: the door is open
    REX = "rex"  # active: somebody asks to leave
    TAMPER = "tamper"
    DURESS = "duress"  # a hidden button: somebody is made to open
    FIRE = "fire"  # the fire alarm system's report
    MAINS = "mains"  # active: mains power has failed
    BATTERY = "battery"  # active: the battery is low


@dataclass(frozen=True, slots=True)
class Sensor:
    """One input of a board or reader and the doors whose records tell of it."""

    function: InputFunction
    doors: tuple[str, ...]
    reader: str | None = None  # its own tamper contact or power


OWN_INPUTS: Mapping[int, InputFunction] = {
    TAMPER_INPUT: InputFunction.TAMPER,
    POWER_INPUT: InputFunction.MAINS,
}
"""Inputs without terminals: what a device reports of itself."""

_BEGUN: Mapping[InputFunction, Kind] = {
    InputFunction.CONTACT: Kind.DOOR_OPENED,
    InputFunction.REX: Kind.REX,
    InputFunction.TAMPER: Kind.TAMPER,
    InputFunction.DURESS: Kind.DURESS,
    InputFunction.FIRE: Kind.FIRE_INPUT,
    InputFunction.MAINS: Kind.MAINS_FAILED,
    InputFunction.BATTERY: Kind.BATTERY_LOW,
}
_ENDED: Mapping[InputFunction, Kind | None] = {
    InputFunction.CONTACT: Kind.DOOR_CLOSED,
    InputFunction.REX: None,  # a button let go says nothing
    InputFunction.TAMPER: Kind.TAMPER_RESTORED,
    InputFunction.DURESS: None,
    InputFunction.FIRE: Kind.FIRE_INPUT_RESTORED,
    InputFunction.MAINS: Kind.MAINS_RESTORED,
    InputFunction.BATTERY: Kind.BATTERY_RESTORED,
}
LINE_FAULTS: Mapping[InputState, Reason] = {
    InputState.SHORTED: Reason.LINE_SHORTED,
    InputState.CUT: Reason.LINE_CUT,
}

Meaning = tuple[Kind, Reason | None]


def meanings(
    function: InputFunction, before: InputState | None, now: InputState, said: InputState | None = None
) -> list[Meaning]:
    """What there is to record when an input goes from `before` (None: not known yet) to `now`.

    A supervised line that is cut or shorted is tampered with, whatever hangs on it. When it is whole again,
    news is what differs from `said`, the input's last word before (None: it had none).
    """
    if before is now:
        return []
    if now in LINE_FAULTS:
        return [(Kind.TAMPER, LINE_FAULTS[now])]
    found: list[Meaning] = []
    if before in LINE_FAULTS:
        found.append((Kind.TAMPER_RESTORED, None))
        before = said
    ended = _ENDED[function]
    if now is InputState.ACTIVE and before is not InputState.ACTIVE:
        found.append((_BEGUN[function], None))
    elif now is InputState.NORMAL and before is InputState.ACTIVE and ended is not None:
        found.append((ended, None))
    return found


_SIGNALS: Mapping[InputFunction, Mapping[InputState, Signal]] = {
    InputFunction.CONTACT: {InputState.ACTIVE: Signal.OPENED, InputState.NORMAL: Signal.CLOSED}
    | dict.fromkeys(LINE_FAULTS, Signal.LINE_LOST),
    InputFunction.REX: {InputState.ACTIVE: Signal.REX},
    InputFunction.FIRE: {InputState.ACTIVE: Signal.FIRE, InputState.NORMAL: Signal.FIRE_OVER},
}
_BY_PORTAL = frozenset({InputFunction.CONTACT, InputFunction.REX})
"""What they mean depends on what happened at the door before: the portal says what there is to record."""


@dataclass(frozen=True, slots=True)
class Sensed:
    """What there is to record of an input at once, and what its door's portal must be told."""

    meanings: tuple[Meaning, ...] = ()
    signal: Signal | None = None


def sensed(
    function: InputFunction, before: InputState | None, now: InputState, said: InputState | None = None
) -> Sensed:
    """As `meanings`, for doors with a portal: contact and REX are signals, their broken wires stay tamper.

    The portal hears each word of a contact, also one that is no news: after a loss it waits for it.
    """
    found = meanings(function, before, now, said)
    signal = _SIGNALS.get(function, {}).get(now)
    if function in _BY_PORTAL:
        pressed = (_BEGUN[function], None) in found
        found = [each for each in found if each[0] in (Kind.TAMPER, Kind.TAMPER_RESTORED)]
        if function is InputFunction.REX and not pressed:
            signal = None
    return Sensed(tuple(found), signal)
