"""The commonest settings of one door as a form: reading them from the settings of a site, and back. Pure.

A form's hours stand in a schedule of the door's own. What else is written of the door, such as hours of a
schedule that other doors share or by which people have rights, stays as it is.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from central.console.pages.operations.faults import HOURS, NotAForm, Told
from central.console.words import N_
from messages.model import AssuranceLevel
from messages.site_settings import Admission, Day, DoorMode

SPARE: Final = 2
"""Rows of hours that are offered empty."""

MOST_ROWS: Final = 16
_MIDNIGHT: Final = "24:00"
_LONGEST_BASE: Final = 22
_TIME: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_KINDS: Final = (DoorMode.LOCKED_DOWN, DoorMode.FREE)
"""In the order in which they stand: where both hold, a door stays shut."""

_HALF_A_ROW: Final = N_("Row %(row)s is not whole: choose days, and say from when to when.")
_NO_TIME: Final = N_("Row %(row)s: write hours and minutes, such as %(eight)s.")
_NO_HOURS: Final = N_(
    "Row %(row)s ends when it begins: for a whole day write from %(begin)s to %(begin)s of the next."
)
_TOO_MANY: Final = N_("There are at most %(most)s rows of hours.")
LISTS: Final[Mapping[str, str]] = {
    DoorMode.FREE: N_("Hours in which it stands free"),
    DoorMode.LOCKED_DOWN: N_("Hours in which it is locked down"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """`begins`, `ends`: as a field for a time has them; an end of 00:00 is midnight."""

    days: frozenset[str] = frozenset()
    begins: str = ""
    ends: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.days or self.begins or self.ends)


@dataclass(frozen=True, slots=True)
class DoorForm:
    """Of `mode`, `asks_pin` and `minimum` empty, and of `admits` nothing: as the gateway's own file says.
    `others`: schedules of hours that the form does not show."""

    mode: str = ""
    asks_pin: str = ""
    minimum: str = ""
    admits: frozenset[str] = frozenset()
    free: tuple[Row, ...] = ()
    locked: tuple[Row, ...] = ()
    others: tuple[str, ...] = ()

    def rows(self, mode: str) -> tuple[Row, ...]:
        return self.free if mode == DoorMode.FREE else self.locked


def form_of(written: Mapping[str, Any], door: str, of_rights: Collection[str] = ()) -> DoorForm:
    """As the settings have it. `of_rights`: schedules by whose hours people have rights."""
    rules = written.get("doors", {}).get(door, {})
    asks = rules.get("asks_pin")
    own = {mode: name for name, mode in _own(written, door, of_rights)}
    others = [each["schedule"] for each in rules.get("windows", ()) if each["schedule"] not in own.values()]
    return DoorForm(
        mode=rules.get("mode") or "",
        asks_pin="" if asks is None else "yes" if asks else "no",
        minimum=rules.get("minimum_assurance") or "",
        admits=frozenset(rules.get("admits") or ()),
        free=tuple(_rows(written, own.get(DoorMode.FREE))),
        locked=tuple(_rows(written, own.get(DoorMode.LOCKED_DOWN))),
        others=tuple(dict.fromkeys(others)),
    )


def typed(sent: Mapping[str, list[str]], others: tuple[str, ...]) -> DoorForm:
    """What somebody has typed, whether it fits or not."""

    def one(name: str) -> str:
        return (sent.get(name) or [""])[0].strip()[:64]

    def rows(mode: str) -> tuple[Row, ...]:
        found = [
            Row(
                frozenset(sent.get(f"{mode}-{at}-days", ())) & frozenset(Day),
                one(f"{mode}-{at}-from"),
                one(f"{mode}-{at}-to"),
            )
            for at in range(MOST_ROWS + SPARE)
        ]
        return tuple(each for each in found if not each.is_empty)

    return DoorForm(
        mode=one("mode") if one("mode") in set(DoorMode) else "",
        asks_pin=one("asks_pin") if one("asks_pin") in {"yes", "no"} else "",
        minimum=one("minimum") if one("minimum") in set(AssuranceLevel) else "",
        admits=frozenset(sent.get("admits", ())) & frozenset(Admission),
        free=rows(DoorMode.FREE),
        locked=rows(DoorMode.LOCKED_DOWN),
        others=others,
    )


def changed(
    written: Mapping[str, Any], door: str, form: DoorForm, of_rights: Collection[str] = ()
) -> dict[str, Any]:
    """The settings of the site with the form's in them; `of_rights` as of `form_of`. Raises NotAForm."""
    said: dict[str, Any] = copy.deepcopy(dict(written))
    own = {mode: name for name, mode in _own(said, door, of_rights)}
    doors, schedules = said.setdefault("doors", {}), said.setdefault("schedules", {})
    rules = doors.setdefault(door, {})
    _put(rules, "mode", form.mode)
    _put(rules, "asks_pin", {"yes": True, "no": False}.get(form.asks_pin))
    _put(rules, "minimum_assurance", form.minimum)
    _put(rules, "admits", [each.value for each in Admission if each in form.admits])
    kept = [each for each in rules.get("windows", ()) if each["schedule"] not in own.values()]
    for name in own.values():
        del schedules[name]
    mine = []
    for mode in _KINDS:
        if windows := _windows(form.rows(mode), mode):
            name = own.get(mode) or _unused(
                {*schedules, *of_rights}, door, "free" if mode is DoorMode.FREE else "shut"
            )
            schedules[name] = {"windows": windows}
            mine.append({"mode": mode.value, "schedule": name})
    _put(rules, "windows", [*mine, *kept])
    for name, part in (("doors", doors), ("schedules", schedules)):
        if name == "doors" and not rules:
            del doors[door]
        if not part:
            del said[name]
    return said


def together(before: DoorForm, theirs: DoorForm, own: DoorForm) -> DoorForm:
    """What one changed of the form as it was before one, put on top of what others made of it meanwhile."""

    def one_of(field: str) -> Any:
        is_own: Any = getattr(own, field)
        return is_own if is_own != getattr(before, field) else getattr(theirs, field)

    return DoorForm(**{each.name: one_of(each.name) for each in fields(DoorForm)})


def _own(written: Mapping[str, Any], door: str, of_rights: Collection[str]) -> Iterator[tuple[str, DoorMode]]:
    """Schedules that the form shows as rows: of this door alone, one of each mode, the same all year."""
    doors, schedules = written.get("doors", {}), written.get("schedules", {})
    windows = doors.get(door, {}).get("windows", ())
    used = [each["schedule"] for rules in doors.values() for each in rules.get("windows", ())]
    seen: set[DoorMode] = set()
    for each in windows:
        plain = each.keys() == {"mode", "schedule"} and each["mode"] in _KINDS
        name = each["schedule"]
        alone = (
            used.count(name) == 1 and name not in of_rights and not schedules.get(name, {}).get("on_holidays")
        )
        if plain and alone and name in schedules and DoorMode(each["mode"]) not in seen:
            seen.add(DoorMode(each["mode"]))
            yield name, DoorMode(each["mode"])


def _rows(written: Mapping[str, Any], schedule: str | None) -> Iterator[Row]:
    if schedule is None:
        return
    for each in written["schedules"][schedule]["windows"]:
        ends = "00:00" if each["to"] == _MIDNIGHT else each["to"]
        yield Row(frozenset(each["days"]), each["from"], ends)


def _windows(rows: tuple[Row, ...], mode: DoorMode) -> list[dict[str, Any]]:
    """Raises NotAForm that says which list and row."""
    if len(rows) > MOST_ROWS:
        raise NotAForm(Told(_TOO_MANY, (mode.value,), {"most": MOST_ROWS}))
    found = []
    for at, row in enumerate(rows, 1):
        fault = None
        if not (row.days and row.begins and row.ends):
            fault = _HALF_A_ROW
        elif not (_TIME.fullmatch(row.begins) and _TIME.fullmatch(row.ends)):
            fault = _NO_TIME
        elif row.begins == row.ends != "00:00":
            fault = _NO_HOURS
        if fault is not None:
            raise NotAForm(Told(fault, (mode.value,), {**HOURS, "row": at}))
        ends = _MIDNIGHT if row.ends == "00:00" else row.ends
        days = [day.value for day in Day if day in row.days]
        found.append({"from": row.begins, "to": ends, "days": days})
    return found


def _put(rules: dict[str, Any], name: str, value: Any) -> None:
    if value is None or value in ("", []):
        rules.pop(name, None)
    else:
        rules[name] = value


def _unused(schedules: Collection[str], door: str, what: str) -> str:
    base = f"{door[:_LONGEST_BASE].rstrip('-')}-{what}"
    names = [base, *(f"{base}-{number}" for number in range(2, 200))]
    return next(each for each in names if each not in schedules)
