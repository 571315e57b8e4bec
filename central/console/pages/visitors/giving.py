"""A pass from the few things that the desk is asked: for which home, why, shown how, for how long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import segno
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from central.accounts.book import sites_of
from central.accounts.who import Who
from central.console.centre import Centre
from central.console.pages.visitors.sentences import LENGTHS
from central.errors import BadQuestion
from central.register.place_tree import rooms_written, search
from central.register.words import PlaceKind
from central.times import local, micros
from central.visitors.passes import Issued, Pass, Visitor, Wanted, the_desk
from central.visitors.ways import way_to
from central.visitors.words import PassKind, VisitReason
from messages.access_list import EVERY_DOOR

_MINUTE_US: Final = 60_000_000
_HOUR_US: Final = 60 * _MINUTE_US
_DAY_US: Final = 24 * _HOUR_US
_TODAY: Final = "today"
_MOST_HOMES: Final = 12

Said = Annotated[str, Field(max_length=80)]


class SeveralHomes(BadQuestion):
    """Are called as somebody wrote: they choose. `homes`: numbers, of so many as one can look through."""

    def __init__(self, homes: Sequence[int]) -> None:
        super().__init__("where", "several homes are called so; choose one, or write more of its name")
        self.homes = homes[:_MOST_HOMES]


class Asked(BaseModel):
    """The form as it was typed. `where`: a home by the beginnings of its names, as places are searched.
    `chosen`: by its whole name, of those that were shown for `chosen_for`."""

    model_config = ConfigDict(extra="ignore")

    where: Said = ""
    chosen: Annotated[str, Field(max_length=240)] = ""
    chosen_for: Said = ""
    reason: VisitReason = VisitReason.FRIENDS
    kind: PassKind = PassKind.QR
    length: Said = "4h"
    number: Said = ""
    name: Said = ""

    @property
    def home(self) -> str:
        return self.chosen if self.chosen and self.chosen_for == self.where else self.where


async def issued(centre: Centre, who: Who, asked: Asked) -> Issued:
    """Good from now on. Raises BadQuestion, Clash, NotThere."""
    desk, from_us, now_us = the_desk(centre.desk), begins_us(centre), centre.now_us()
    until_us = until_of(centre, from_us, asked.length)

    def change(db: Connection) -> Issued:
        room, site, doors = _target(db, who, asked.home)
        wanted = Wanted(
            kind=asked.kind,
            site=site,
            reason=asked.reason,
            from_us=from_us,
            until_us=until_us,
            doors=doors,
            room=room,
            number=asked.number.strip() or None,
        )
        visitor = Visitor(asked.name.strip())
        return desk.issue(db, wanted, visitor, by=who.by, now_us=now_us)

    return await centre.changes.make(change)


def begins_us(centre: Centre) -> int:
    """Of a pass that is good from now on."""
    return centre.now_us() // _MINUTE_US * _MINUTE_US


def until_of(centre: Centre, from_us: int, length: str) -> int:
    """When a pass ends that lasts so long, counted from a moment. Raises BadQuestion."""
    if length not in LENGTHS:
        raise BadQuestion("length", "choose how long")
    if length == _TODAY:
        midnight = local(from_us, centre.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        return micros(midnight) + _DAY_US
    unit = _HOUR_US if length.endswith("h") else _DAY_US
    return from_us + int(length[:-1]) * unit


def code_of(centre: Centre, made: Pass) -> str | None:
    """What its QR code says; None for a pass of another kind."""
    return None if made.kind is not PassKind.QR or centre.desk is None else centre.desk.text_of(made)


def picture_of(centre: Centre, made: Pass) -> str | None:
    """Of a QR code, as SVG; None for a pass of another kind."""
    text = code_of(centre, made)
    if text is None:
        return None
    code = segno.make(text, error="m", mode="alphanumeric")
    return code.svg_inline(scale=4, border=4, dark="#000", light="#fff")


def _target(db: Connection, who: Who, where: str) -> tuple[int | None, str, tuple[str, ...]]:
    """The home, its site, and the doors on the way to it; of no home, every door of the only site. Raises
    BadQuestion."""
    sites = sites_of(db, who.communities)
    if not where.strip():
        if len(sites) != 1:
            raise BadQuestion("where", "name the home that the visit is for")
        return None, sites[0], (EVERY_DOOR,)
    room = room_called(db, who, where)
    way = way_to(db, room)
    if way is not None:
        return room, way.site, way.doors
    if len(sites) != 1:
        raise BadQuestion("where", "no door leads to this home yet")
    return room, sites[0], (EVERY_DOOR,)


def room_called(db: Connection, who: Who, where: str) -> int:
    """Raises BadQuestion for none, SeveralHomes for more than one."""
    whole = [room for each in sorted(who.communities) for room in rooms_written(db, each, where)]
    if len(whole) == 1:
        return whole[0]
    found: list[Any] = []
    for community in sorted(who.communities):
        found += [each for each in search(db, community, where) if each.kind == PlaceKind.ROOM]
    exact = [each for each in found if each.name == where.rsplit(maxsplit=1)[-1]]
    if len(exact) == 1:
        return int(exact[0].id)
    if not found:
        raise BadQuestion("where", "no home is called so")
    if len(found) > 1:
        raise SeveralHomes([each.id for each in exact or found])
    return int(found[0].id)
