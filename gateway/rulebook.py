"""The rulebook: what holds at a door now. Site settings over what the gateway's own settings say. Pure.

Made anew for each revision of the settings; time is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from drivers.base import Assurance
from gateway.decision import DoorPolicy
from gateway.schedules import Timetable, end_of_day_us, local_date, midnight_us
from messages.access_list import EVERY_DOOR, GROUP_MARK
from messages.model import Direction
from messages.site_settings import (
    SETTINGS_VERSION,
    AreaRules,
    CategoryRules,
    DoorMode,
    DoorRule,
    DoorRules,
    SiteSettings,
)

CLOCK_TOLERANCE_US = 300_000_000
"""Centre and gateway may differ by so much; a clock further back than the settings is not set."""

NO_SETTINGS = SiteSettings(v=SETTINGS_VERSION, revision=0, issued_us=0)
_T = TypeVar("_T")
NOTHING_SPECIAL: Final = CategoryRules()
"""Of a category that the settings say nothing about."""

_UNSAID = DoorRules()


@dataclass(frozen=True, slots=True)
class RuleNow:
    """What holds at a door from now on, `until_us` at the latest."""

    policy: DoorPolicy
    mode: DoorMode
    first_person: str | None  # the category that has to come first
    since_us: int  # when the hours that say so began; the local day where none do
    until_us: int
    today: date  # the local date, the same until then


class Rulebook:
    """Questions about doors, schedules and categories; remembers the last answer for each door."""

    def __init__(self, settings: SiteSettings, doors: Mapping[str, DoorPolicy], zone: ZoneInfo) -> None:
        """`doors`: what holds where the settings say nothing."""
        self.settings = settings
        self._doors = doors
        self._zone = zone
        holidays = {name: frozenset(dates) for name, dates in settings.holidays.items()}
        self._timetables = {
            name: Timetable(schedule, holidays, zone) for name, schedule in settings.schedules.items()
        }
        self._names = {door: self._names_of(door) for door in doors}
        self._pairs: dict[str, list[tuple[str, int]]] = {}
        for pair in settings.interlocks:
            for door, other in (pair.doors, pair.doors[::-1]):
                self._pairs.setdefault(door, []).append((other, pair.released_s * 1_000_000))
        self._last: dict[str, tuple[int, RuleNow]] = {}

    def _names_of(self, door: str) -> frozenset[str]:
        groups = (name for name, doors in self.settings.groups.items() if door in doors)
        return frozenset({EVERY_DOOR, door, *(GROUP_MARK + name for name in groups)})

    def names(self, door: str) -> frozenset[str]:
        """All that a right may call this door: itself, its groups, every door."""
        return self._names.get(door) or self._names_of(door)

    def at(self, door: str, now_us: int) -> RuleNow:
        asked_us, rule = self._last.get(door, (0, None))
        if rule is None or not asked_us <= now_us < rule.until_us:
            rule = self._rule(door, now_us)
            self._last[door] = (now_us, rule)
        return rule

    def _rule(self, door: str, now_us: int) -> RuleNow:
        """The first window whose schedule holds, over the door's own rule, over the gateway's settings."""
        rules = self.settings.doors.get(door, _UNSAID)
        local = self._doors.get(door, DoorPolicy())
        today = local_date(now_us, self._zone)
        if self.is_unset(now_us):
            return _rule_now(local, (rules,), (0, now_us + 1), today, hours_known=False)
        until_us = end_of_day_us(now_us, self._zone)
        for window in rules.windows:
            span = self._timetables[window.schedule].span(now_us)
            until_us = min(until_us, span.until_us)
            if span.since_us is not None:
                return _rule_now(local, (window, rules), (span.since_us, until_us), today)
        return _rule_now(local, (rules,), (midnight_us(today, self._zone), until_us), today)

    def is_unset(self, now_us: int) -> bool:
        """Whether no hours can be judged: by this clock the settings have not been issued yet."""
        return now_us < self.settings.issued_us - CLOCK_TOLERANCE_US

    def schedule_holds(self, name: str, now_us: int) -> bool:
        """False for a schedule that the settings do not have: a right limited to unknown hours is none."""
        timetable = self._timetables.get(name)
        return timetable is not None and timetable.holds(now_us)

    def category(self, name: str) -> CategoryRules:
        return self.settings.categories.get(name, NOTHING_SPECIAL)

    def area_behind(self, door: str, direction: Direction) -> str | None:
        """Where one comes to through this door; None where nothing is said."""
        rules = self.settings.doors.get(door, _UNSAID)
        return rules.inside if direction is Direction.IN else rules.outside

    def area(self, name: str) -> AreaRules | None:
        """None: an area that everybody may enter as often as wanted, such as the street."""
        return self.settings.areas.get(name)

    def paired_with(self, door: str) -> Sequence[tuple[str, int]]:
        """The other doors of its interlocks, and for how many microseconds a release counts as open."""
        return self._pairs.get(door, ())


def _rule_now(
    local: DoorPolicy,
    said: tuple[DoorRule, ...],
    span: tuple[int, int],
    today: date,
    *,
    hours_known: bool = True,
) -> RuleNow:
    """What the first of `said` says of each point, else the next, else the gateway's own settings."""
    mode = _first(rule.mode for rule in said) or DoorMode.CONTROLLED
    admits = _first(rule.admits for rule in said)
    assurance = _first(rule.minimum_assurance for rule in said)
    asks_pin = _first(rule.asks_pin for rule in said)
    if not hours_known and mode is DoorMode.FREE:
        mode = DoorMode.CONTROLLED  # who knows whether this is the hour that the settings mean
    policy = DoorPolicy(
        admits=local.admits if admits is None else frozenset(admits),
        minimum_assurance=local.minimum_assurance if assurance is None else Assurance(assurance),
        asks_pin=local.asks_pin if asks_pin is None else asks_pin,
    )
    return RuleNow(policy, mode, _first(rule.first_person for rule in said), *span, today)


def _first(said: Iterable[_T | None]) -> _T | None:
    return next((each for each in said if each is not None), None)
