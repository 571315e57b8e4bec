"""What differs between settings as people write them, and one's own change put on top of what others wrote
meanwhile. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Difference:
    """`place` such as doors.lobby.mode; None: it does not stand there."""

    place: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Clashing:
    """A place that two changed in different ways: as it was before both, and as each has it; None: it does
    not stand there."""

    place: str
    before: str | None
    theirs: str | None
    own: str | None


@dataclass(frozen=True, slots=True)
class OnTop:
    """`own_first` and `theirs_first`: both changes together, and of what clashes the one's or the others';
    where nothing clashes, they are the same."""

    own_first: dict[str, Any]
    theirs_first: dict[str, Any]
    clashing: list[Clashing]


_NOT_THERE: Final = object()
_WHOLE: Final = frozenset({"schedules", "areas"})
"""Of each of these, a part is nothing without the rest: one that somebody took out is changed as a whole."""


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """By place."""
    was, is_now = _all_leaves(before), _all_leaves(after)
    return [
        Difference(place, was.get(place), is_now.get(place))
        for place in sorted(was.keys() | is_now.keys())
        if was.get(place) != is_now.get(place)
    ]


def put_on_top(before: Mapping[str, Any], theirs: Mapping[str, Any], own: Mapping[str, Any]) -> OnTop:
    """One's own change of the settings that one had before one, put on top of what others made of them
    meanwhile: value by value, each list as a whole."""
    clashing: list[Clashing] = []
    three = (dict(before), dict(theirs), dict(own))
    together = _together((), three, clashing, own_first=True)
    others = _together((), three, [], own_first=False)
    return OnTop(_parts(together), _parts(others), sorted(clashing, key=lambda each: each.place))


def _together(
    place: tuple[str, ...], three: tuple[Any, Any, Any], clashing: list[Clashing], *, own_first: bool
) -> Any:
    """`three`: before, theirs and one's own."""
    before, theirs, own = three
    if own in (before, theirs):
        return theirs
    if theirs == before:
        return own
    if not _by_parts(place, three):
        clashing += _clashing(".".join(place), three)
        return own if own_first else theirs
    found = {}
    for name in dict.fromkeys([*_parts(theirs), *_parts(own), *_parts(before)]):
        of_name = (_at(before, name), _at(theirs, name), _at(own, name))
        value = _together((*place, name), of_name, clashing, own_first=own_first)
        if value is not _NOT_THERE:
            found[name] = value
    return _NOT_THERE if not found and _NOT_THERE in (theirs, own) else found


def _by_parts(place: tuple[str, ...], three: tuple[Any, Any, Any]) -> bool:
    if not all(isinstance(each, dict) or each is _NOT_THERE for each in three):
        return False
    was_taken_out = three[0] is not _NOT_THERE and _NOT_THERE in three[1:]
    return not (was_taken_out and len(place) > 1 and place[0] in _WHOLE)


def _parts(value: Any) -> dict[str, Any]:
    return {} if value is _NOT_THERE else value


def _at(value: Any, name: str) -> Any:
    return _parts(value).get(name, _NOT_THERE)


def _clashing(place: str, three: tuple[Any, Any, Any]) -> Iterator[Clashing]:
    was, theirs, own = ({} if each is _NOT_THERE else dict(_leaves(place, each)) for each in three)
    for at in theirs.keys() | own.keys():
        if theirs.get(at) != own.get(at):
            yield Clashing(at, was.get(at), theirs.get(at), own.get(at))


def _all_leaves(settings: Mapping[str, Any]) -> dict[str, str]:
    return {place: said for name, value in settings.items() for place, said in _leaves(name, value)}


def _leaves(place: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every value with where it stands; a list of plain words is one value."""
    if isinstance(value, dict) and value:
        for name, each in value.items():
            yield from _leaves(f"{place}.{name}", each)
    elif isinstance(value, list) and any(isinstance(each, dict) for each in value):
        for at, each in enumerate(value, 1):
            yield from _leaves(f"{place}[{at}]", each)
    else:
        yield place, _said(value)


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_said, value)) or "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "-" if value in (None, {}) else str(value)
