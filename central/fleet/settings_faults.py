"""What is wrong with settings as people write them: which rule is broken, and where. Pure.

`decode_site_settings` says it in one English sentence, with a place in which names of doors and schedules are
left out; whoever typed them wants to be told the very line. So the parts are looked at one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import structs

from messages.errors import MessageError
from messages.model import Name, Reference
from messages.site_settings import (
    SETTINGS_VERSION,
    AreaRules,
    CategoryRules,
    DoorRules,
    Interlock,
    Schedule,
    SiteSettings,
    decode_site_settings,
)


class Broken(StrEnum):
    """A rule that settings keep."""

    KIND = "kind"  # of another kind than belongs there: `wanted`, `got`
    MISSING = "missing"  # a field that has to be there: `field`
    UNKNOWN = "unknown"  # a field that nothing here is called: `field`, `known`
    WORD = "word"  # none of the words that may stand there: `known`
    OWN = "own"  # what the centre writes by itself: `field`
    TIME = "time"  # not an hour as it is written
    DATE = "date"  # no day of the calendar
    NAME = "name"  # not what a name is made of
    LENGTH = "length"  # too many or too few: `wanted`
    BOUND = "bound"  # too large or too small: `wanted`
    SAME_HOURS = "same_hours"
    HOURS_FROM_MIDNIGHT = "hours_from_midnight"
    NO_SUCH_HOLIDAYS = "no_such_holidays"
    ONE_DATE_TWICE = "one_date_twice"
    NO_SUCH_SCHEDULE = "no_such_schedule"
    ONE_SIDE = "one_side"
    LEADS_NOWHERE = "leads_nowhere"
    PAIRED_WITH_ITSELF = "paired_with_itself"
    TOO_LONG = "too_long"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Fault:
    """`place`: from the outside to the inside, as it is written; a number counts from 1. `values`: of the
    rule."""

    broken: Broken
    place: tuple[str, ...] = ()
    values: tuple[tuple[str, str], ...] = ()


OWN: Final = ("v", "revision", "issued_us", "pass_keys", "sealing_key")
"""What the centre writes by itself."""

_PARTS: Final[Mapping[str, type]] = {
    "schedules": Schedule,
    "doors": DoorRules,
    "categories": CategoryRules,
    "areas": AreaRules,
}
_CLASHES: Final[Mapping[str, Broken]] = {
    "hours that end when they begin": Broken.SAME_HOURS,
    "hours that begin at": Broken.HOURS_FROM_MIDNIGHT,
    "a set of holidays that": Broken.NO_SUCH_HOLIDAYS,
    "one date in two sets": Broken.ONE_DATE_TWICE,
    "a schedule that": Broken.NO_SUCH_SCHEDULE,
    "one of `outside` and `inside`": Broken.ONE_SIDE,
    "a door that leads to": Broken.LEADS_NOWHERE,
    "a door paired with itself": Broken.PAIRED_WITH_ITSELF,
}
_AT: Final = re.compile(r" - at (?:`key` in )?`\$([^`]*)`\Z")
_STEP: Final = re.compile(r"\.?([A-Za-z_]+)|\[(\d+)\]")
_RULES: Final = (
    (re.compile(r"Object missing required field `(?P<field>\w+)`"), Broken.MISSING),
    (re.compile(r"Object contains unknown field `(?P<field>[^`]*)`"), Broken.UNKNOWN),
    (re.compile(r"Invalid enum value"), Broken.WORD),
    (re.compile(r"Expected `str` matching regex"), Broken.NAME),
    (re.compile(r"Expected `(?:array|object|str)` of length (?P<wanted>(?:[<>]= ?)?\d+)"), Broken.LENGTH),
    (re.compile(r"Expected `(?:int|float)` (?P<wanted>[<>]=? ?-?\d+)"), Broken.BOUND),
    (re.compile(r"Expected `(?P<wanted>[^`]*)`, got `(?P<got>[^`]*)`"), Broken.KIND),
    (re.compile(r"Invalid RFC3339"), Broken.DATE),
)
_OWN: Final = {"v": SETTINGS_VERSION, "revision": 1, "issued_us": 1}


def fault_of(said: Mapping[str, Any]) -> Fault | None:
    """The first one, without what the centre writes by itself; None: there is none."""
    known = {each.encode_name for each in msgspec.structs.fields(SiteSettings)}
    for name in said:
        if name in OWN:
            return Fault(Broken.OWN, (), (("field", name),))
        if name not in known:
            return Fault(Broken.UNKNOWN, (), (("field", name), ("known", _listed(SiteSettings))))
    found = next(_of_parts(said), None) or _converted({**said, **_OWN}, SiteSettings, ())
    return found or next(_of_clashes(said), None)


def _of_parts(said: Mapping[str, Any]) -> Iterator[Fault]:
    """Each thing with a name by itself, so that the name is known."""
    for part, kind in _PARTS.items():
        for name, value in _named(said, part):
            of_a_name = Reference if part == "categories" else Name
            yield from _faults(
                _converted(name, of_a_name, (part, name)), _converted(value, kind, (part, name))
            )
    pairs = said.get("interlocks")
    for at, pair in enumerate(pairs if isinstance(pairs, list) else (), 1):
        yield from _faults(_converted(pair, Interlock, ("interlocks", str(at))))
    yield from _of_lists(said)


def _of_lists(said: Mapping[str, Any]) -> Iterator[Fault]:
    for part in ("groups", "holidays"):
        for name, value in _named(said, part):
            yield from _faults(_converted(name, Name, (part, name)))
            for fault in _faults(_converted({part: {name: value}, **_OWN}, SiteSettings, ())):
                yield Fault(fault.broken, (part, name, *fault.place[1:]), fault.values)


def _named(said: Mapping[str, Any], part: str) -> Iterator[tuple[str, Any]]:
    whole = said.get(part)
    yield from whole.items() if isinstance(whole, dict) else ()


def _faults(*found: Fault | None) -> Iterator[Fault]:
    yield from (each for each in found if each is not None)


def _converted(value: Any, kind: Any, above: tuple[str, ...]) -> Fault | None:
    try:
        msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        return _read(str(error), kind, above)
    return None


def _read(said: str, kind: Any, above: tuple[str, ...]) -> Fault:
    at = _AT.search(said)
    steps = [(name, number) for name, number in _STEP.findall(at[1] if at else "")]
    place = (*above, *(name or str(int(number) + 1) for name, number in steps))
    for rule, broken in _RULES:
        if (match := rule.search(said)) is None:
            continue
        values = dict(match.groupdict())
        if broken in {Broken.UNKNOWN, Broken.WORD}:
            values["known"] = _listed(_kind_at(kind, [name for name, _ in steps if name]))
        is_hour = broken is Broken.NAME and place[-1:] in {("from",), ("to",)}
        return Fault(Broken.TIME if is_hour else broken, place, tuple(values.items()))
    return Fault(Broken.OTHER, place, (("said", said.partition(" - at ")[0]),))


def _kind_at(kind: Any, names: list[str]) -> Any:
    """The type that stands behind these fields, containers taken off."""
    for name in names:
        kind = _bare(kind)
        if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
            return kind
        kind = next((each.type for each in structs.fields(kind) if each.encode_name == name), None)
    return _bare(kind)


def _bare(kind: Any) -> Any:
    """Of `Annotated[tuple[Window, ...], …]`, `Day | None` or `dict[Name, Hours]`: what is in it."""
    while True:
        inner = [each for each in getattr(kind, "__args__", ()) if each not in (type(None), Ellipsis)]
        if hasattr(kind, "__metadata__"):
            kind = kind.__origin__
        elif inner:
            kind = inner[-1]
        else:
            return kind


def _listed(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return ", ".join(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        own = OWN if kind is SiteSettings else ()
        return ", ".join(each.encode_name for each in structs.fields(kind) if each.encode_name not in own)
    return ""


def _of_clashes(said: Mapping[str, Any]) -> Iterator[Fault]:
    """Parts that do not belong together: by leaving out all but one it is known of which that is so."""
    if (clash := _clash(said)) is None:
        return
    broken, part = clash
    whole = said.get(part)
    if isinstance(whole, dict):
        for name, value in whole.items():
            if _clash({**said, "doors": {}, "interlocks": [], part: {name: value}}) == clash:
                yield Fault(broken, (part, name))
    yield Fault(broken, (part,) if part else ())


def _clash(said: Mapping[str, Any]) -> tuple[Broken, str] | None:
    try:
        decode_site_settings(msgspec.json.encode({**said, **_OWN}))
    except MessageError as error:
        at = _AT.search(str(error))
        text = str(error).removeprefix("site settings: ")
        known = next((broken for begin, broken in _CLASHES.items() if text.startswith(begin)), None)
        usual = Broken.TOO_LONG if " bytes; at most " in text else Broken.OTHER
        return known or usual, (at[1] if at else "").lstrip(".")
    return None
