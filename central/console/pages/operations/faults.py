"""What is wrong with settings, in sentences: where, what, and what to do. `N_` marks what is translated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from central.console.words import N_
from central.errors import BadQuestion, CentralError, ProveAgain
from central.fleet.settings_faults import Broken, Fault
from central.fleet.site_settings import NoSettings, NotSent, Unsent

PLACES: Final[Mapping[str, str]] = {
    "groups": N_("groups of doors"),
    "holidays": N_("holidays"),
    "schedules": N_("schedules"),
    "doors": N_("single doors"),
    "categories": N_("categories"),
    "areas": N_("areas"),
    "interlocks": N_("interlocks"),
    "windows": N_("hours"),
    "on_holidays": N_("on holidays"),
    "days": N_("days"),
    "from": N_("from"),
    "to": N_("to"),
    "mode": N_("mode"),
    "admits": N_("admits"),
    "minimum_assurance": N_("minimum level"),
    "asks_pin": N_("asks for the PIN"),
    "first_person": N_("first person"),
    "schedule": N_("schedule"),
    "outside": N_("outside"),
    "inside": N_("inside"),
}
"""Steps of a place; what somebody gave a name is called by it."""

_KINDS: Final[Mapping[str, str]] = {
    "bool": N_("true or false, without quotes"),
    "str": N_("a text in quotes"),
    "int": N_("a whole number, without quotes"),
    "array": N_("a list in square brackets"),
    "object": N_("a group in braces"),
}
_RULES: Final[Mapping[Broken, str]] = {
    Broken.KIND: N_("Something else belongs here: write %(wanted)s."),
    Broken.MISSING: N_("A field is missing: add “%(field)s”."),
    Broken.UNKNOWN: N_("There is no field “%(field)s” here. Write one of these: %(known)s."),
    Broken.WORD: N_("This word is not known. Write one of these: %(known)s."),
    Broken.OWN: N_("“%(field)s” is written by the centre itself: leave it out."),
    Broken.TIME: N_(
        "This is no time of day: write hours and minutes, such as %(eight)s; midnight at the end is %(end)s."
    ),
    Broken.DATE: N_("This is no day of the calendar: write it like 2027-01-01."),
    Broken.NAME: N_(
        "This name cannot be used: take small letters, digits and hyphens, 32 characters at most."
    ),
    Broken.LENGTH: N_("There are too many or too few of these: the number has to be %(wanted)s."),
    Broken.BOUND: N_("This number is too large or too small: it has to be %(wanted)s."),
    Broken.SAME_HOURS: N_(
        "These hours end when they begin: for a whole day write from %(begin)s to %(end)s."
    ),
    Broken.HOURS_FROM_MIDNIGHT: N_("Hours cannot begin at %(end)s: write %(begin)s of the next day."),
    Broken.NO_SUCH_HOLIDAYS: N_(
        "A set of holidays is named that is not there: add it, or take its name out."
    ),
    Broken.ONE_DATE_TWICE: N_(
        "One date stands in two sets of holidays of this schedule: take it out of one."
    ),
    Broken.NO_SUCH_SCHEDULE: N_("A schedule is named that is not there: add it, or take its name out."),
    Broken.ONE_SIDE: N_("Only one of “outside” and “inside” is written: write both or neither."),
    Broken.LEADS_NOWHERE: N_("The door leads to where it comes from: name two areas."),
    Broken.PAIRED_WITH_ITSELF: N_("A door is paired with itself: name two doors."),
    Broken.TOO_LONG: N_("These settings are too long: gateways take 128 KiB at most. Take something out."),
    Broken.OTHER: N_("This is not taken: look at it again, with the guide to access beside you."),
}
_UNSENT: Final[Mapping[Unsent, str]] = {
    Unsent.NO_KEYS: N_(
        "Nothing was sent: the centre has no keys to sign with. Whoever keeps the centre makes them."
    ),
    Unsent.CHANGED_MEANWHILE: N_(
        "Nothing was sent: somebody wrote other settings meanwhile. Look at those first."
    ),
    Unsent.NEWER_ALONE: N_(
        "Nothing was sent: %(gateways)s have newer settings of their own. Send whole ones"
        " on the command line."
    ),
    Unsent.NOTHING_NEW: N_("Nothing was sent: these are the settings that hold now."),
    Unsent.ONE_GATEWAY_S: N_(
        "Nothing was sent: these were one gateway's alone. Send them on the command line."
    ),
    Unsent.ANOTHER_PROGRAM_S: N_("Nothing was sent: another program wrote the settings. Change them there."),
}
_NOT_JSON: Final = N_(
    "This is not JSON: look at line %(line)s. Often a comma, a quote or a bracket is missing."
)
_STALE: Final = N_("Sending takes a fresh second factor. Give it in another tab, then send again.")


HOURS: Final[Mapping[str, str]] = {"eight": "08:00", "begin": "00:00", "end": "24:00"}
"""Examples in sentences."""


def steps_of(place: str) -> tuple[str, ...]:
    """Of a difference's place, such as doors.lobby.windows[1].mode; what has no name is counted from 1."""
    return tuple(place.replace("[", ".").replace("]", "").split("."))


@dataclass(frozen=True, slots=True)
class Told:
    """`place`: steps, of which those in PLACES are translated. `values`: in the sentence; those in `words`
    are translated first."""

    sentence: str
    place: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    words: frozenset[str] = frozenset()


class NotJson(BadQuestion):
    """`line` is where reading stopped."""

    def __init__(self, line: int) -> None:
        super().__init__("settings", "not JSON")
        self.line = line


class NotAForm(BadQuestion):
    """Something in a form of a door; `told` says what."""

    def __init__(self, told_: Told) -> None:
        super().__init__("door", told_.sentence)
        self.told = told_


def told(error: CentralError | None) -> Told | None:
    match error:
        case None:
            return None
        case NotJson(line=line):
            return Told(_NOT_JSON, values={"line": line})
        case NotAForm(told=found):
            return found
        case ProveAgain():
            return Told(_STALE)
        case NotSent(why=why, gateways=gateways):
            return Told(_UNSENT[why], values={"gateways": ", ".join(gateways)})
        case NoSettings(fault=Fault() as fault):
            return told_of(fault)
        case _:
            return Told(_RULES[Broken.OTHER])


def told_of(fault: Fault) -> Told:
    values = dict(fault.values)
    wanted = values.get("wanted", "").partition(" | ")[0]
    if fault.broken is Broken.KIND:
        return Told(
            _RULES[fault.broken], fault.place, {"wanted": _KINDS.get(wanted, wanted)}, frozenset({"wanted"})
        )
    signs = {">=": "≥", "<=": "≤"}
    for sign, shown in signs.items():
        wanted = wanted.replace(sign, shown)
    return Told(_RULES[fault.broken], fault.place, {**HOURS, **values, "wanted": wanted})
