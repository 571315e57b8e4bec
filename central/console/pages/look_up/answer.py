"""An answer as the page shows it: how complete in words, by day, and by place. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Final

from central.console.words import N_
from central.fleet.coverage import DoorCoverage, Span
from central.lookup.masking import Masked
from central.lookup.service import DoorComplete
from central.lookup.subjects import DAYS_DESTROYED, ENTRIES_ENDED, NOT_IN_REGISTER, VISITORS_WAIT

NOTES: Final[dict[str, str]] = {
    NOT_IN_REGISTER: N_("Nobody of this number is in the register."),
    VISITORS_WAIT: N_("Some visitors of that time cannot be opened yet: ask again later."),
    ENTRIES_ENDED: N_("Entries of some of these days are deleted, as their time was over."),
    DAYS_DESTROYED: N_("Visitors of some of these days are deleted, as their time was over."),
}
"""What could not be searched."""


class How(StrEnum):
    """How complete what a gateway recorded in the time is here, the worst first."""

    UNKNOWN = "unknown"
    DOUBTFUL = "doubtful"  # records are lost, set aside or doubtful
    BEHIND = "behind"  # records are still to come, or nothing was heard of it for some minutes
    ENDED = "ended"  # some days are deleted, as their time was over
    LIVE = "live"  # all up to a moment ago: what came since may be under way
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Known:
    """How far a gateway's records are here; `doors`: their labels. `until_us` None: nothing is known."""

    label: str
    doors: tuple[str, ...]
    how: How
    until_us: int | None
    ended_us: int | None = None

    @property
    def keeps_up(self) -> bool:
        return self.how in {How.LIVE, How.COMPLETE}


@dataclass(frozen=True, slots=True)
class Blind:
    """When a door of the answer could not record, or is not known to have."""

    place: str
    door: str
    span: Span


@dataclass(frozen=True, slots=True)
class Visited:
    """A door with what happened there, newest first."""

    place: str
    door: str
    entries: tuple[Masked, ...]

    @property
    def granted(self) -> int:
        return sum(each.granted is True for each in self.entries)

    @property
    def refused(self) -> int:
        return sum(each.granted is False for each in self.entries)


Label = Callable[[str, str], str]
"""Of a gateway, by site and name."""


def known_of(doors: Iterable[DoorComplete], label: Label) -> list[Known]:
    """A line for each gateway; the worst come first."""
    found = []
    for (site, gateway), group in groupby(doors, key=lambda door: (door.site, door.gateway)):
        mine = list(group)
        named = tuple(door.label for door in mine if door.label)
        one = mine[0]  # what is known is known of the gateway: the same for each of its doors
        found.append(Known(label(site, gateway), named, how_of(one), one.until_us, one.ended_us))
    return sorted(found, key=lambda each: _WORST_FIRST.index(each.how))


_WORST_FIRST: Final = list(How)


def how_of(door: DoorComplete) -> How:
    if door.complete:
        return How.COMPLETE
    if door.until_us is None:
        return How.UNKNOWN
    if not door.sound:
        return How.DOUBTFUL
    if door.ended_us is not None:
        return How.ENDED  # also where it is behind: until when it is complete is said, too
    return How.LIVE if door.keeps_up else How.BEHIND


def complete_to(known: Collection[Known]) -> int | None:
    """To which moment nothing of theirs is missing, the least of them; None: it is of no such moment, as one
    of them lacks more than a live gateway has under way."""
    if not known or not all(each.keeps_up for each in known):
        return None
    return min(each.until_us for each in known if each.until_us is not None)


def blind_of(covered: Iterable[DoorCoverage], door: str | None) -> list[Blind]:
    """The latest first; `door`: the one that was asked about, of one gateway then."""
    found = [
        Blind(each.gateway_label, each.label, span)
        for each in covered
        if door in {None, each.door}
        for span in each.spans
        if span.why is not None
    ]
    return sorted(found, key=lambda each: each.span.from_us, reverse=True)


def covers(
    covered: Iterable[DoorCoverage],
    places: Collection[tuple[str, str]],
    door: str | None,
    from_us: int,
    until_us: int,
) -> bool:
    """Whether each door that was asked about could record all of the time; what nothing is known of could
    not. `places`: site and gateway."""
    found: dict[tuple[str, str], list[bool]] = {place: [] for place in places}
    for each in covered:
        if (each.site, each.gateway) in found and door in {None, each.door}:
            found[each.site, each.gateway].append(_is_whole(each.spans, from_us, until_us))
    return bool(found) and all(mine and all(mine) for mine in found.values())


def _is_whole(spans: Sequence[Span], from_us: int, until_us: int) -> bool:
    known = bool(spans) and spans[0].from_us <= from_us and spans[-1].until_us >= until_us
    return known and all(each.why is None for each in spans)


def by_day(entries: Sequence[Masked], day: Callable[[int], str]) -> list[tuple[str, list[Masked]]]:
    return [(at, list(group)) for at, group in groupby(entries, key=lambda each: day(each.at_us))]


def by_place(
    entries: Sequence[Masked], label: Label, door_label: Callable[[str, str, str | None], str]
) -> list[Visited]:
    """Where most happened comes first."""
    found: dict[tuple[str, str, str | None], list[Masked]] = {}
    for each in entries:
        found.setdefault((each.site, each.gateway, each.door), []).append(each)
    places = [
        Visited(label(site, gateway), door_label(site, gateway, door), tuple(mine))
        for (site, gateway, door), mine in found.items()
    ]
    return sorted(places, key=lambda each: -len(each.entries))
