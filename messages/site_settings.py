"""Site settings: who may pass which door when, beside the access list. One versioned, bounded JSON object.

The centre signs them (Purpose.SETTINGS) for all gateways of a site. A gateway's own settings say what holds
at a door where nothing stands here. Values only; what they mean together: docs/access.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta, Struct

from messages.errors import MessageError
from messages.keys import KeyHex
from messages.model import AssuranceLevel, Count, Micros, Name, Reference
from messages.signing import trusted

SETTINGS_VERSION: Final = 1
MAX_SETTINGS_BYTES: Final = 131_072
"""Half of what a signed message may be."""

VISITOR: Final = "visitor"
"""The category of whoever comes with a visitor pass."""

MAX_DOORS: Final = 256
MAX_GROUPS: Final = 256
MAX_SCHEDULES: Final = 128
MAX_WINDOWS: Final = 32
MAX_HOLIDAY_SETS: Final = 16
MAX_DATES: Final = 366
MAX_CATEGORIES: Final = 64
MAX_AREAS: Final = 64
MAX_INTERLOCKS: Final = 64
MAX_PASS_KEYS: Final = 8

TimeOfDay = Annotated[str, Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)\Z")]


class Admission(StrEnum):
    """Who a door admits."""

    LISTED = "listed"  # credentials on the access list
    VERIFIED_ID = "verified_id"  # any valid identity document read through a security module
    PASS = "pass"  # noqa: S105  a signed visitor pass for this door


class DoorMode(StrEnum):
    """How a door is towards people who come in; whoever leaves is decided on as if it were controlled."""

    CONTROLLED = "controlled"  # opens after a decision
    FREE = "free"  # stands unlocked
    LOCKED_DOWN = "locked_down"  # opens only to categories that may pass it all the same


class Day(StrEnum):
    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class Passback(StrEnum):
    """What becomes of somebody who, by the records, is inside already."""

    SOFT = "soft"  # let in, and recorded as such
    HARD = "hard"  # refused


class Hours(
    Struct, frozen=True, forbid_unknown_fields=True, rename={"begins": "from", "ends": "to"}, kw_only=True
):
    """Local time of day; `to` is exclusive, "24:00" is midnight. Where it is not later than `from`, it is
    meant of the next day."""

    begins: TimeOfDay
    ends: TimeOfDay


class Window(Hours, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hours that begin on each of these days."""

    days: Annotated[tuple[Day, ...], Meta(min_length=1, max_length=7)]


_Hours = Annotated[tuple[Hours, ...], Meta(max_length=MAX_WINDOWS)]


class Schedule(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Holds within any of its windows. On the dates of a set of holidays that it names, other hours hold."""

    windows: Annotated[tuple[Window, ...], Meta(max_length=MAX_WINDOWS)]
    on_holidays: Annotated[dict[Name, _Hours], Meta(max_length=MAX_HOLIDAY_SETS)] = {}


class DoorRule(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What is said of a door; None: as it would be without this."""

    mode: DoorMode | None = None
    admits: Annotated[tuple[Admission, ...], Meta(min_length=1, max_length=3)] | None = None
    minimum_assurance: AssuranceLevel | None = None
    asks_pin: bool | None = None
    first_person: Reference | None = None  # nobody else before somebody of this category; free only after


class DoorWindow(DoorRule, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What is said of a door while a schedule holds."""

    schedule: Name


class DoorRules(DoorRule, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A door at all hours; of its windows, the first whose schedule holds goes before that."""

    windows: Annotated[tuple[DoorWindow, ...], Meta(max_length=MAX_WINDOWS)] = ()
    outside: Name | None = None  # the area one comes from on the way in
    inside: Name | None = None  # the area one comes to


class CategoryRules(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is particular to holders of a category."""

    max_list_age_h: Annotated[int, Meta(ge=1, le=8_784)] | None = None  # None: goes on with an old list
    passback_exempt: bool = False
    passes_locked_down: bool = False


class AreaRules(Struct, frozen=True, forbid_unknown_fields=True):
    """An area that nobody enters twice without leaving it."""

    passback: Passback
    forget_after_min: Annotated[int, Meta(ge=1, le=44_640)] = 720  # then the holder counts as nowhere


class Interlock(Struct, frozen=True, forbid_unknown_fields=True):
    """Two doors of which only one is open at a time."""

    doors: tuple[Name, Name]
    released_s: Annotated[int, Meta(ge=1, le=60)] = 10  # so long a released door counts as open


class SealingKey(Struct, frozen=True, forbid_unknown_fields=True):
    """What a gateway seals visitors' identity for: the period's X25519 public key."""

    id: Reference
    public: KeyHex


class SiteSettings(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One site's settings; each revision stands for itself, nothing is left over from the one before."""

    v: int
    revision: Count
    issued_us: Micros
    groups: Annotated[
        dict[Name, Annotated[tuple[Name, ...], Meta(max_length=MAX_DOORS)]], Meta(max_length=MAX_GROUPS)
    ] = {}
    holidays: Annotated[
        dict[Name, Annotated[tuple[date, ...], Meta(max_length=MAX_DATES)]], Meta(max_length=MAX_HOLIDAY_SETS)
    ] = {}
    schedules: Annotated[dict[Name, Schedule], Meta(max_length=MAX_SCHEDULES)] = {}
    doors: Annotated[dict[Name, DoorRules], Meta(max_length=MAX_DOORS)] = {}
    categories: Annotated[dict[Reference, CategoryRules], Meta(max_length=MAX_CATEGORIES)] = {}
    areas: Annotated[dict[Name, AreaRules], Meta(max_length=MAX_AREAS)] = {}
    interlocks: Annotated[tuple[Interlock, ...], Meta(max_length=MAX_INTERLOCKS)] = ()
    pass_keys: Annotated[tuple[KeyHex, ...], Meta(max_length=MAX_PASS_KEYS)] = ()
    sealing_key: SealingKey | None = None

    def pass_signers(self) -> dict[str, Ed25519PublicKey]:
        """The keys that sign visitor passes, by their id; several while they are changed."""
        return trusted(*(Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)) for key in self.pass_keys))


_decoder = msgspec.json.Decoder(SiteSettings)


def encode_site_settings(settings: SiteSettings) -> bytes:
    return msgspec.json.encode(settings)


def decode_site_settings(body: bytes) -> SiteSettings:
    """Raises MessageError that names the place and the rule, and quotes nothing."""
    if len(body) > MAX_SETTINGS_BYTES:
        raise MessageError(f"site settings: {len(body)} bytes; at most {MAX_SETTINGS_BYTES}")
    try:
        settings = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise MessageError(f"site settings: {_rule(error)}") from None
    if settings.v != SETTINGS_VERSION:
        raise MessageError(f"site settings of version {settings.v}; this program knows {SETTINGS_VERSION}")
    for clash in _clashes(settings):
        raise MessageError(f"site settings: {clash}")
    return settings


_PLACE = re.compile(r" - at (`key` in )?`\$[A-Za-z_.\[\]0-9]*`\Z")


def _rule(error: Exception) -> str:
    """What msgspec says, but for the two rules of which it would quote what was sent."""
    if isinstance(error, UnicodeError):
        return "not UTF-8"
    text = str(error)
    place = _PLACE.search(text)
    at = place[0] if place else ""
    if text.startswith("Object contains unknown field"):
        return f"a field that is not known{at}"
    if text.startswith("Invalid enum value"):
        return f"a word that is not known{at}"
    return text[:200]


def _clashes(settings: SiteSettings) -> Iterator[str]:
    for schedule in settings.schedules.values():
        yield from _clashes_of_a_schedule(schedule, settings)
    for door in settings.doors.values():
        yield from _clashes_of_a_door(door, settings)
    if any(pair.doors[0] == pair.doors[1] for pair in settings.interlocks):
        yield "a door paired with itself - at `$.interlocks`"
    if len(set(settings.pass_keys)) != len(settings.pass_keys):
        yield "a key stands there twice - at `$.pass_keys`"


def _clashes_of_a_schedule(schedule: Schedule, settings: SiteSettings) -> Iterator[str]:
    hours = [*schedule.windows, *(each for rule in schedule.on_holidays.values() for each in rule)]
    if any(each.begins == each.ends for each in hours):
        yield 'hours that end when they begin; a whole day is "00:00" to "24:00" - at `$.schedules`'
    if any(each.begins == "24:00" for each in hours):
        yield 'hours that begin at "24:00"; write "00:00" of the next day - at `$.schedules`'
    if not schedule.on_holidays.keys() <= settings.holidays.keys():
        yield "a set of holidays that `$.holidays` does not have - at `$.schedules`"
        return
    dates = [day for name in schedule.on_holidays for day in set(settings.holidays[name])]
    if len(set(dates)) != len(dates):
        yield "one date in two sets of holidays of one schedule - at `$.schedules`"


def _clashes_of_a_door(door: DoorRules, settings: SiteSettings) -> Iterator[str]:
    if any(window.schedule not in settings.schedules for window in door.windows):
        yield "a schedule that `$.schedules` does not have - at `$.doors`"
    if (door.outside is None) != (door.inside is None):
        yield "one of `outside` and `inside` without the other - at `$.doors`"
    elif door.outside is not None and door.outside == door.inside:
        yield "a door that leads to where it comes from - at `$.doors`"
