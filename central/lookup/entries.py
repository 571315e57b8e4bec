"""Entries of one door in a window, newest first, in pages that stay stable while new ones arrive.

An answer says where, when, what and why. Whose token it was and which holder is not in it, and cannot be
asked for: questions about people come with their register, and not before (architecture, promise P6).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, func, not_, or_, select, tuple_

from central.errors import BadQuestion
from central.lookup.decided import released_by
from central.store.tables import arrival_mark, gateway, record
from messages.model import ClockQuality, Kind

MAX_WINDOW_US: Final = 7 * 86_400 * 1_000_000
MAX_PAGE: Final = 500
FEW_DOORS: Final = 12
"""Of a building; of so many each is asked for by itself."""

LOOKED_BACK: Final = 10_000
"""So many of all records that came last are looked through for what came late at few doors."""

WALKED: Final = 100_000
"""So many of all records are looked through, at the most, for what came while a page was not there."""

LATE_US: Final = 60_000_000
"""What came so long after it happened came late: the network was down, or the gateway."""

_MARK: Final = (
    select(arrival_mark.c.noted_at)
    .where(arrival_mark.c.last_id < record.c.id)
    .order_by(arrival_mark.c.last_id.desc(), arrival_mark.c.noted_at.desc())
    .limit(1)
    .correlate(record)
    .scalar_subquery()
)

_SHOWN: Final = (
    record.c.id,
    record.c.at,
    record.c.kind,
    record.c.door,
    record.c.direction,
    record.c.reason,
    record.c.category,
    record.c.assurance,
    record.c.clock,
    _MARK.label("came_after"),
    released_by(),
)


_OF_A_PASSAGE: Final = (Kind.DOOR_OPENED, Kind.ACCESS_TAKEN, Kind.DOOR_CLOSED)


@dataclass(frozen=True, slots=True)
class Window:
    """From `from_us` up to but without `until_us`, UTC microseconds."""

    from_us: int
    until_us: int

    def __post_init__(self) -> None:
        if self.until_us <= self.from_us:
            raise BadQuestion("until", "lies not after `from`")
        if self.until_us - self.from_us > MAX_WINDOW_US:
            raise BadQuestion("until", "a window has at most 7 days; ask for the parts one after the other")


@dataclass(frozen=True, slots=True)
class Entry:
    """What may be shown of a record. `id` counts up in the order of arrival."""

    id: int
    at_us: int
    kind: str
    door: str | None
    direction: str | None
    reason: str | None
    category: str | None
    assurance: str | None
    clock: str
    site: str
    gateway: str
    came_after_us: int | None = None
    """It came to the centre then, or within half a minute after; None: that is not known, or long ago."""
    released_by: str | None = None
    """Of ACCESS_NOT_TAKEN: the reason, or the kind, of what had released the door."""

    @property
    def came_late_us(self) -> int | None:
        """When it came, of what came late. Of a gateway whose clock was never set nobody knows."""
        if self.came_after_us is None or self.clock == ClockQuality.UNKNOWN:
            return None
        return self.came_after_us if self.came_after_us - self.at_us > LATE_US else None

    @property
    def granted(self) -> bool | None:
        """None for what is no decision about a credential."""
        return {"access_granted": True, "access_denied": False}.get(self.kind)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the entries somebody watches: of one gateway, of some kinds, of some doors (site, gateway and
    name); None: of all. `but`: of which doors not."""

    site: str | None = None
    gateway: str | None = None
    kinds: frozenset[str] | None = None
    doors: frozenset[tuple[str, str, str]] | None = None
    but: frozenset[tuple[str, str, str]] = frozenset()


EVERYTHING: Final = Wanted()


@dataclass(frozen=True, slots=True)
class Page:
    entries: Sequence[Entry]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Question:
    site: str
    gateway: str
    door: str
    window: Window
    limit: int = 100
    cursor: str | None = None


def entries_of_door(connection: Connection, question: Question) -> Page:
    """One page. Raises BadQuestion for a cursor that is not one of ours."""
    conditions = [
        gateway.c.site == question.site,
        gateway.c.name == question.gateway,
        record.c.door == question.door,
        record.c.at >= question.window.from_us,
        record.c.at < question.window.until_us,
    ]
    if question.cursor is not None:
        conditions.append(_after(question.cursor))
    query = _entries().where(*conditions).order_by(record.c.at.desc(), record.c.id.desc())
    found = [_entry(row) for row in connection.execute(query.limit(question.limit + 1))]
    page = found[: question.limit]
    more = len(found) > question.limit
    return Page(page, _cursor(page[-1]) if more else None)


def newest(
    connection: Connection, count: int, sites: Collection[str], wanted: Wanted = EVERYTHING
) -> list[Entry]:
    """The `count` entries of `sites` that arrived last, the newest first. Of few doors those of each that
    happened last, and what came late among the last records of all, in order of arrival."""
    here = (_worth_a_line(), gateway.c.site.in_(sites), *_of(wanted))
    query = _in_order_of_arrival().where(*here).order_by(record.c.id.desc()).limit(count)
    if wanted.doors is None or len(wanted.doors) > FEW_DOORS:
        return [_entry(row) for row in connection.execute(query)]
    found = {each.id: each for door in wanted.doors for each in _newest_of(connection, door, here, count)}
    lately = query.where(record.c.id > newest_id(connection) - LOOKED_BACK)
    found |= {row.id: _entry(row) for row in connection.execute(lately)}
    return [found[number] for number in sorted(found, reverse=True)[:count]]


def _newest_of(
    connection: Connection, door: tuple[str, str, str], here: Sequence[ColumnElement[bool]], count: int
) -> list[Entry]:
    """What happened there last. By the index of doors, which is in order of time: whoever walks along all
    records for a quiet door walks far, and in order of arrival all of a door would have to be sorted."""
    this = (gateway.c.site == door[0], gateway.c.name == door[1], record.c.door == door[2])
    query = _entries().where(*here, *this).order_by(record.c.at.desc()).limit(count)
    return [_entry(row) for row in connection.execute(query)]


def arrived_after(
    connection: Connection,
    number: int,
    count: int,
    sites: Collection[str],
    wanted: Wanted = EVERYTHING,
    *,
    through: int,
) -> list[Entry]:
    """Up to `count` entries of `sites` that arrived after the one numbered `number`, and up to the one
    numbered `through`, in order of arrival."""
    here = (
        record.c.id > number,
        record.c.id <= through,
        gateway.c.site.in_(sites),
        _worth_a_line(),
        *_of(wanted),
    )
    query = _in_order_of_arrival().where(*here).order_by(record.c.id).limit(count)
    return [_entry(row) for row in connection.execute(query)]


def newest_between(
    connection: Connection,
    number: int,
    count: int,
    sites: Collection[str],
    wanted: Wanted = EVERYTHING,
    *,
    through: int,
) -> tuple[list[Entry], bool]:
    """The `count` entries of `sites` that arrived last of those after the one numbered `number`, and up to
    the one numbered `through`, in order of arrival; and whether others of them were passed over, or may have
    been: no more than `WALKED` records are looked through, as each look has its end."""
    begin = max(number, through - WALKED)
    here = (record.c.id > begin, record.c.id <= through, gateway.c.site.in_(sites))
    query = _in_order_of_arrival().where(*here, _worth_a_line(), *_of(wanted))
    rows = connection.execute(query.order_by(record.c.id.desc()).limit(count + 1)).all()
    return [_entry(row) for row in reversed(rows[:count])], len(rows) > count or begin > number


def numbers_between(connection: Connection, after: int, through: int) -> Sequence[int]:
    """Of all records that are there."""
    here = (record.c.id > after, record.c.id <= through)
    return connection.execute(select(record.c.id).where(*here)).scalars().all()


def entries_numbered(
    connection: Connection, numbers: Collection[int], sites: Collection[str], wanted: Wanted = EVERYTHING
) -> list[Entry]:
    """In order of arrival."""
    if not numbers:
        return []
    here = (record.c.id.in_(sorted(numbers)), gateway.c.site.in_(sites), _worth_a_line(), *_of(wanted))
    query = _entries().where(*here).order_by(record.c.id)
    return [_entry(row) for row in connection.execute(query)]


def newest_id(connection: Connection) -> int:
    """The number of the record that arrived last, 0 before the first."""
    return connection.execute(select(func.max(record.c.id))).scalar() or 0


def _entries() -> Any:
    return select(*_SHOWN, gateway.c.site, gateway.c.name).join_from(record, gateway)


def _in_order_of_arrival() -> Any:
    """Walks along the numbers of the records. A planner that may begin at the gateways reads all that they
    ever recorded, and sorts it: the sum keeps it from the index by gateway."""
    along = gateway.c.id == record.c.gateway_id + 0
    return select(*_SHOWN, gateway.c.site, gateway.c.name).join_from(record, gateway, along)


def _of(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.site is not None:
        conditions.append(gateway.c.site == wanted.site)
    if wanted.gateway is not None:
        conditions.append(gateway.c.name == wanted.gateway)
    if wanted.kinds is not None:
        conditions.append(record.c.kind.in_(sorted(wanted.kinds)))
    place = tuple_(gateway.c.site, gateway.c.name, record.c.door)
    if wanted.doors is not None:
        conditions.append(place.in_(sorted(wanted.doors)))
    if wanted.but:
        conditions.append(not_(place.in_(sorted(wanted.but))))
    return conditions


def _worth_a_line() -> ColumnElement[bool]:
    """Of doors; that somebody who was let in opened the door, went in and shut it is no news of its own."""
    follows = and_(record.c.links.is_not(None), record.c.kind.in_(_OF_A_PASSAGE))
    return and_(record.c.door.is_not(None), not_(follows))


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        id=row.id,
        at_us=row.at,
        kind=row.kind,
        door=row.door,
        direction=row.direction,
        reason=row.reason,
        category=row.category,
        assurance=row.assurance,
        clock=row.clock,
        site=row.site,
        gateway=row.name,
        came_after_us=row.came_after,
        released_by=row.released_by,
    )


def _cursor(entry: Entry) -> str:
    return base64.urlsafe_b64encode(f"{entry.at_us}.{entry.id}".encode()).decode().rstrip("=")


def _after(cursor: str) -> ColumnElement[bool]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        at, number = (int(part) for part in base64.urlsafe_b64decode(padded).decode().split("."))
    except (ValueError, binascii.Error):
        raise BadQuestion("cursor", "is none of ours; begin again without it") from None
    if not (0 <= at < 2**63 and 0 <= number < 2**63):
        raise BadQuestion("cursor", "is none of ours; begin again without it")
    return or_(record.c.at < at, and_(record.c.at == at, record.c.id < number))
