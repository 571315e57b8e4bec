"""Pages over what several indexes hold, newest first, without end, stable while more arrives. Reads only.

A question is cut into branches: each fixes the leading columns of one index, so that its newest rows are
found there without sorting and without reading what is not shown. The branches' rows are then merged.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Connection,
    CursorResult,
    FromClause,
    Row,
    Select,
    and_,
    bindparam,
    or_,
    select,
    union_all,
)

from central.errors import BadQuestion
from central.lookup.decided import released_by
from central.store.identity_tables import envelope
from central.store.tables import Whole, gateway, record

MAX_PAGE: Final = 500
_AT_ONCE: Final = 8
"""Branches in one statement: each on its own index, and one way to the database and back."""

_COLUMNS: Final = (
    *(record.c[name] for name in ("id", "gateway_id", "epoch", "seq", "at", "kind", "door", "direction")),
    *(record.c[name] for name in ("reason", "category", "assurance", "clock", "credential", "token")),
    *(record.c[name] for name in ("hint", "holder", "identity", "links")),
    gateway.c.site,
    gateway.c.name,
    released_by(),
)


@dataclass(frozen=True, slots=True)
class Window:
    """From `from_us` up to but without `until_us`, UTC microseconds."""

    from_us: int
    until_us: int

    def cut(self, from_us: int | None, until_us: int | None) -> Window | None:
        """What of it lies within another one, open where it is None; None: nothing."""
        begin = self.from_us if from_us is None else max(self.from_us, from_us)
        end = self.until_us if until_us is None else min(self.until_us, until_us)
        return Window(begin, end) if begin < end else None


@dataclass(frozen=True, slots=True)
class Branch:
    """Rows that fulfil all conditions, within a window."""

    window: Window
    conditions: tuple[ColumnElement[bool], ...]
    of_visitors: bool = False
    """Found through their envelopes: the conditions are about `envelope`."""
    holder: str | None = None
    """Of this holder's rows alone: several such branches without conditions are one statement, made once."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ends: the time and number of its last row."""

    at_us: int
    id: int


@dataclass(frozen=True, slots=True)
class Found:
    """A record as it is here, with whose it is: never to be shown as it is, see `masking`."""

    id: int
    gateway_id: int
    epoch: int
    seq: int
    at_us: int
    kind: str
    door: str | None
    direction: str | None
    reason: str | None
    category: str | None
    assurance: str | None
    clock: str
    credential: str | None
    token: bytes | None
    hint: str | None
    holder: str | None
    identity: bytes | None
    links: int | None
    site: str
    gateway: str
    released_by: str | None = None
    """Of ACCESS_NOT_TAKEN: the reason, or the kind, of what had released the door."""

    @property
    def place(self) -> Place:
        return Place(self.at_us, self.id)

    @property
    def granted(self) -> bool | None:
        """None for what is no decision about a credential."""
        return {"access_granted": True, "access_denied": False}.get(self.kind)


def page(
    connection: Connection, branches: Sequence[Branch], limit: int, after: Place | None = None
) -> tuple[list[Found], bool]:
    """The `limit` newest rows after a place, and whether there are more."""
    found: dict[int, Found] = {}
    for first in range(0, len(branches), _AT_ONCE):
        for row in _rows(connection, branches[first : first + _AT_ONCE], limit + 1, after):
            found[row.id] = _found(row)
    ordered = sorted(found.values(), key=lambda each: (each.at_us, each.id), reverse=True)
    return ordered[:limit], len(ordered) > limit


def one(connection: Connection, number: int) -> Found | None:
    """The record of that number: for whoever knows that a look-up has shown it."""
    row = connection.execute(_joined(()).where(record.c.id == number)).first()
    return None if row is None else _found(row)


def held_by(connection: Connection, numbers: Collection[int], references: Collection[str]) -> set[int]:
    """Which of the records with these numbers are of one of these holders."""
    ordered, found = sorted(numbers), set[int]()
    for first in range(0, len(ordered), MAX_PAGE):
        these = record.c.id.in_(ordered[first : first + MAX_PAGE])
        query = select(record.c.id).where(these, record.c.holder.in_(references))
        found.update(connection.execute(query).scalars())
    return found


def cursor_of(place: Place) -> str:
    return base64.urlsafe_b64encode(f"{place.at_us}.{place.id}".encode()).decode().rstrip("=")


def place_of(cursor: str) -> Place:
    """Raises BadQuestion for a cursor that is not one of ours."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        at, number = (int(part) for part in base64.urlsafe_b64decode(padded).decode().split("."))
    except (ValueError, binascii.Error):
        raise BadQuestion("cursor", "is none of ours; begin again without it") from None
    if not (0 <= at < 2**63 and 0 <= number < 2**63):
        raise BadQuestion("cursor", "is none of ours; begin again without it")
    return Place(at, number)


def _rows(
    connection: Connection, branches: Sequence[Branch], count: int, after: Place | None
) -> CursorResult[Any]:
    if any(branch.holder is None or branch.conditions for branch in branches):
        return connection.execute(_all([_newest(branch, count, after) for branch in branches]))
    asked: dict[str, Any] = {"count": count}
    for n, branch in enumerate(branches):
        asked |= {f"holder_{n}": branch.holder}
        asked |= {f"from_{n}": branch.window.from_us, f"until_{n}": branch.window.until_us}
    if after is not None:
        asked |= {"after_at": after.at_us, "after_id": after.id}
    return connection.execute(_of_holders(len(branches), first_page=after is None), asked)


@lru_cache(2 * _AT_ONCE)
def _of_holders(count: int, *, first_page: bool) -> Select[Any] | CompoundSelect[Any]:
    """Of a room or a person: to make such a statement takes as long as to ask it."""
    parts = []
    for n in range(count):
        at, number = record.c.at, record.c.id
        here = [record.c.holder == bindparam(f"holder_{n}"), at >= bindparam(f"from_{n}")]
        here += [at < bindparam(f"until_{n}")]
        if not first_page:
            here += _before(bindparam("after_at", type_=Whole), bindparam("after_id", type_=Whole))
        parts.append(_joined(here).order_by(at.desc(), number.desc()).limit(bindparam("count", type_=Whole)))
    return _all(parts)


def _all(parts: Sequence[Select[Any]]) -> Select[Any] | CompoundSelect[Any]:
    return parts[0] if len(parts) == 1 else union_all(*(select(part.subquery()) for part in parts))


def _newest(branch: Branch, count: int, after: Place | None) -> Select[Any]:
    within = (record.c.at >= branch.window.from_us, record.c.at < branch.window.until_us)
    older = () if after is None else _before(after.at_us, after.id)
    whose = () if branch.holder is None else (record.c.holder == branch.holder,)
    rows = _joined((*whose, *branch.conditions, *within, *older), of_visitors=branch.of_visitors)
    return rows.order_by(record.c.at.desc(), record.c.id.desc()).limit(count)


def _joined(conditions: Sequence[ColumnElement[bool]], *, of_visitors: bool = False) -> Select[Any]:
    rows: FromClause = record.join(gateway)
    if of_visitors:
        same = [envelope.c[name] == record.c[name] for name in ("gateway_id", "epoch", "seq")]
        rows = envelope.join(record, and_(*same)).join(gateway, gateway.c.id == record.c.gateway_id)
    return select(*_COLUMNS).select_from(rows).where(*conditions)


def _before(
    at_us: int | BindParameter[int], number: int | BindParameter[int]
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The first one alone bounds the search in the index."""
    return record.c.at <= at_us, or_(record.c.at < at_us, record.c.id < number)


def _found(row: Row[Any]) -> Found:
    values = dict(row._mapping)
    return Found(**{"at_us": values.pop("at"), "gateway": values.pop("name"), **values})
