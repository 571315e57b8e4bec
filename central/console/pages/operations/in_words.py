"""Settings in words, as the form of a door says them: places, values, the doors of a change. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from central.console.pages.operations.door_form import LISTS
from central.console.pages.operations.faults import PLACES, steps_of
from central.console.words import N_
from central.fleet.completeness import Completeness
from central.fleet.settings_differences import Clashing, Difference
from central.fleet.site_settings import History, Noted, wrote_last
from messages.model import AssuranceLevel
from messages.site_settings import Admission, Day, DoorMode

AS_INSTALLED: Final = N_("as the gateway's own file says")
MODES: Final = {
    DoorMode.CONTROLLED: N_("opens after a decision"),
    DoorMode.FREE: N_("stands free at all hours"),
    DoorMode.LOCKED_DOWN: N_("locked down at all hours"),
}
ADMITS: Final = {
    Admission.LISTED: N_("who is on the access list"),
    Admission.PASS: N_("visitors with a pass"),
    Admission.VERIFIED_ID: N_("anybody with a verified ID card"),
}
LEVELS: Final = {
    AssuranceLevel.L0: N_("L0: anything, codes and PINs too"),
    AssuranceLevel.L1: N_("L1: any card, also one that can be copied"),
    AssuranceLevel.L2: N_("L2: cards that are hard to copy"),
    AssuranceLevel.L3: N_("L3: verified ID cards alone"),
}
PINS: Final = {"yes": N_("asked for"), "no": N_("not asked for")}
DAYS: Final = {
    Day.MON: N_("Mon"),
    Day.TUE: N_("Tue"),
    Day.WED: N_("Wed"),
    Day.THU: N_("Thu"),
    Day.FRI: N_("Fri"),
    Day.SAT: N_("Sat"),
    Day.SUN: N_("Sun"),
}
FIELDS: Final[Mapping[str, str]] = {
    "mode": N_("The door"),
    "admits": N_("It admits"),
    "minimum_assurance": N_("How hard to copy a card must be, at the least"),
    "asks_pin": N_("PIN after the card"),
}
"""As the form of a door calls them."""

_ROW: Final = N_("Row %(row)s")
_NUMBER: Final = N_("no. %(number)s")
_VALUES: Final[Mapping[str, Mapping[str, str]]] = {
    "mode": {mode.value: text for mode, text in MODES.items()},
    "admits": {each.value: text for each, text in ADMITS.items()},
    "minimum_assurance": {level.value: text for level, text in LEVELS.items()},
    "asks_pin": {"true": PINS["yes"], "false": PINS["no"]},
    "days": {day.value: text for day, text in DAYS.items()},
}
_HOURS: Final[Mapping[str, str]] = {
    DoorMode.FREE: N_("stands free"),
    DoorMode.LOCKED_DOWN: N_("locked down"),
    DoorMode.CONTROLLED: MODES[DoorMode.CONTROLLED],
}
"""Of a mode in some hours only."""

_OF_A_DOOR: Final = 3  # doors, its name, a field
_BETWEEN: Final = " › "


@dataclass(frozen=True, slots=True)
class Value:
    """`technical`: as it is written, where that is something else; `absent`: nothing is written there."""

    text: str
    technical: str | None = None
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """Of a table of differences. `values`: one for each column; `wrote`: the revision that somebody else
    changed the place in last."""

    where: str
    technical: str
    values: tuple[Value, ...]
    wrote: Noted | None = None


@dataclass(frozen=True, slots=True)
class Touched:
    """`doors`: what those are called at which something changes; `parts`: those of the settings that are of
    the whole site."""

    doors: tuple[str, ...]
    parts: tuple[str, ...]


class InWords:
    """`said`: translates. `settings`: those before and after, by which hours belong to a door."""

    def __init__(
        self,
        said: Callable[[str], str],
        gateways: Iterable[Completeness],
        settings: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._said = said
        self._doors = {
            door.name: f"{each.label} · {door.label}" if each.label else door.label
            for each in gateways
            for door in each.doors
        }
        self._users: dict[str, dict[str, str]] = {}  # of a schedule: by door, the mode in its hours
        for whole in settings:
            for door, rules in whole.get("doors", {}).items():
                for window in rules.get("windows", ()):
                    self._users.setdefault(window["schedule"], {})[door] = window.get("mode", "")

    def differences(
        self, found: Iterable[Difference], changes: History = (), besides: str | None = None
    ) -> list[Line]:
        """`changes`: those of late; of `besides`, who looks at them, none is told."""
        lines = []
        for each in found:
            wrote = wrote_last(changes, each.place)
            of_others = wrote if wrote is not None and wrote.by != besides else None
            lines.append(self._line(each.place, (each.before, each.after), of_others))
        return lines

    def clashing(self, found: Iterable[Clashing], changes: History) -> list[Line]:
        return [
            self._line(each.place, (each.before, each.theirs, each.own), wrote_last(changes, each.place))
            for each in found
        ]

    def touched(self, found: Iterable[Difference]) -> Touched:
        doors: dict[str, None] = {}
        parts: dict[str, None] = {}
        for each in found:
            kind, *names = steps_of(each.place)
            if kind == "doors" and names:
                doors[names[0]] = None
            elif kind == "schedules" and names and names[0] in self._users:
                doors |= dict.fromkeys(self._users[names[0]])
            else:
                parts[self._called(kind)] = None
        return Touched(tuple(sorted(self.door(each) for each in doors)), tuple(parts))

    def history(self, changes: History) -> list[tuple[Noted, Touched]]:
        return [(noted, self.touched(found)) for noted, found in changes]

    def door(self, name: str) -> str:
        return self._doors.get(name, name)

    def place(self, place: str) -> str:
        steps = steps_of(place)
        match steps:
            case ("doors", door):
                return self.door(door)
            case ("doors", door, field) if field in FIELDS:
                return _BETWEEN.join([self.door(door), self._said(FIELDS[field])])
            case ("doors", door, *rest):
                return _BETWEEN.join([self.door(door), *map(self._called, rest)])
            case ("schedules", name, "windows", row, *rest) if own := self._own_hours(name):
                numbered = self._said(_ROW) % {"row": row}
                return _BETWEEN.join([*own, numbered, *map(self._called, rest)])
            case _:
                return _BETWEEN.join(map(self._called, steps))

    def _own_hours(self, schedule: str) -> list[str]:
        """Where they are those of one door alone, as its form says it."""
        users = list(self._users.get(schedule, {}).items())
        if len(users) != 1 or users[0][1] not in LISTS:
            return []
        door, mode = users[0]
        return [self.door(door), self._said(LISTS[mode])]

    def _line(self, place: str, values: tuple[str | None, ...], wrote: Noted | None) -> Line:
        return Line(self.place(place), place, tuple(self._value(place, each) for each in values), wrote)

    def _value(self, place: str, text: str | None) -> Value:
        steps = steps_of(place)
        field, in_form = steps[-1], len(steps) == _OF_A_DOOR and steps[0] == "doors"
        if text is None:
            return Value(self._said(AS_INSTALLED) if in_form and field in FIELDS else "–", absent=True)
        words = _HOURS if field == "mode" and not in_form else _VALUES.get(field, {})
        parts = text.split(", ")
        if not all(part in words for part in parts):
            return Value(text)
        return Value(" · ".join(self._said(words[part]) for part in parts), text)

    def _called(self, step: str) -> str:
        if step in PLACES:
            return self._said(PLACES[step])
        return self._said(_NUMBER) % {"number": step} if step.isdecimal() else step
