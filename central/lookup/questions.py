"""What may be asked about entries, each as branches that its index answers. Reads only.

Whose entries they are has been resolved before (`subjects`): here stand holders, tokens and places. Whether
it may be asked stands in `rules`; nothing here is called before the look-up's row is written (`service`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import BindParameter, ColumnElement, Connection, Select, and_, bindparam, func, or_, select

from central.lookup.paging import Branch, Window
from central.store.identity_tables import envelope
from central.store.register_tables import site
from central.store.tables import gateway, record
from central.store.visitor_tables import visitor_pass
from central.visitors.visits import seen_of
from messages.model import Direction, Kind, Reason

_WITHDRAWN = (Reason.LOST, Reason.BLOCKED)


def of_holder(holder: str, window: Window, *more: ColumnElement[bool]) -> Branch:
    return Branch(window, more, holder=holder)


def of_card(token: bytes, holders: Iterable[str], window: Window) -> list[Branch]:
    """Of a credential: with each of the holders that it ever had, and with none. Tokens of records that name
    a holder have no index of their own, which would cost the ingest a third of its pace."""
    this = record.c.token == token
    return [
        *(of_holder(holder, window, this) for holder in holders),
        Branch(window, (this, record.c.holder.is_(None))),
    ]


def of_visitor(community: int, indexes: Mapping[str, bytes], window: Window) -> Branch:
    """`indexes`: blind ones of a number, by day."""
    return Branch(window, _visits(community, indexes), of_visitors=True)


def _visits(community: int, indexes: Mapping[str, bytes]) -> tuple[ColumnElement[bool], ...]:
    columns = envelope.c
    of_a_day = [
        and_(columns.community_id == community, columns.period == day, columns.number_index == index)
        for day, index in indexes.items()  # the community in each: else SQLite walks all of it
    ]
    return (or_(*of_a_day),)


def of_door(gateway_id: int, door: str | None, window: Window) -> Branch:
    """`door` None: what is about no door of the gateway."""
    here = record.c.door.is_(None) if door is None else record.c.door == door
    return Branch(window, (record.c.gateway_id == gateway_id, here))


def of_building(connection: Connection, gateway_id: int, window: Window) -> list[Branch]:
    return [of_door(gateway_id, door, window) for door in doors_of(connection, gateway_id)]


def unregistered(gateway_id: int, door: str | None, window: Window) -> Branch:
    """Let in, and no access list knew who."""
    let_in = (_is(Kind.ACCESS_GRANTED), record.c.holder.is_(None))
    return Branch(window, (record.c.gateway_id == gateway_id, *let_in, *_at(door)))


def denied(gateway_id: int, door: str | None, window: Window) -> Branch:
    return Branch(window, (record.c.gateway_id == gateway_id, _is(Kind.ACCESS_DENIED), *_at(door)))


def lost_card(gateway_id: int, door: str | None, window: Window) -> Branch:
    tries = denied(gateway_id, door, window)
    return Branch(window, (*tries.conditions, record.c.reason.in_(_WITHDRAWN)))


def remote_releases(gateway_id: int, door: str | None, window: Window) -> Branch:
    return Branch(window, (record.c.gateway_id == gateway_id, _is(Kind.REMOTE_RELEASE), *_at(door)))


def overdue(connection: Connection, place: str, gateways: Sequence[int], window: Window) -> list[Branch]:
    """Visitors of a site who came in within the window, whose pass was over by its end, and whom no door let
    out by then: of each the last time that they came in, where that was at one of these gateways. Not those
    whose pass was taken back by then or is used up: no door takes it as they leave (`visitors.words`)."""
    lasts: dict[str, dict[str, int]] = defaultdict(dict)
    uses: dict[str, int | None] = {}
    asked = {"site": place, "from_us": window.from_us, "until_us": window.until_us}
    for row in connection.execute(_OVERDUE, asked):
        lasts[row.reference][row.direction] = row.at
        uses[row.reference] = row.uses
    inside = {
        reference: last
        for reference, last in lasts.items()
        if Direction.IN in last and last.get(Direction.OUT, 0) < last[Direction.IN]
    }
    counted = {reference: uses[reference] for reference in inside if uses[reference] is not None}
    used_up = {reference for reference, seen in seen_of(connection, counted).items() if seen.used_up}
    came_in = (
        record.c.kind == Kind.ACCESS_GRANTED,
        record.c.direction == Direction.IN,
        record.c.gateway_id.in_(gateways),
    )
    return [
        of_holder(reference, Window(last[Direction.IN], last[Direction.IN] + 1), *came_in)
        for reference, last in inside.items()
        if reference not in used_up
    ]


def doors_of(connection: Connection, gateway_id: int) -> list[str]:
    """Every door of which the gateway ever recorded anything: from one to the next through the index."""
    doors = connection.execute(_DOORS, {"gateway_id": gateway_id}).scalars()
    return [door for door in doors if door is not None]


def gateways_of(connection: Connection, community: int) -> list[Any]:
    """Whole rows of `gateway`."""
    return list(connection.execute(_GATEWAYS, {"community": community}))


def gateways_at(connection: Connection, community: int, place: str, name: str | None = None) -> list[Any]:
    """Whole rows of `gateway` of that site of theirs, or the one of them with that name."""
    here = _GATEWAYS.where(gateway.c.site == place)
    query = here if name is None else here.where(gateway.c.name == name)
    return list(connection.execute(query, {"community": community}))


def _all_doors() -> Select[Any]:
    this = record.c.gateway_id == bindparam("gateway_id")
    first = select(func.min(record.c.door).label("door")).where(this)
    found = first.cte("doors", recursive=True)
    further = select(func.min(record.c.door)).where(this, record.c.door > found.c.door).correlate(found)
    steps = found.union_all(select(further.scalar_subquery()).where(found.c.door.is_not(None)))
    return select(steps.c.door)


def _passes_over() -> Select[Any]:
    given = visitor_pass.c
    from_us: BindParameter[int] = bindparam("from_us")
    until_us: BindParameter[int] = bindparam("until_us")
    good_until_then = or_(given.revoked_at.is_(None), given.revoked_at > until_us)
    over = (given.until_at <= until_us, good_until_then)
    here = (given.site == bindparam("site"), given.until_at > from_us, given.from_at < until_us, *over)
    seen = (
        record.c.holder == given.reference,
        record.c.kind == Kind.ACCESS_GRANTED,
        record.c.at >= from_us,
        record.c.at < until_us,
    )
    last = func.max(record.c.at).label("at")
    wanted = (given.reference, given.uses, record.c.direction)
    query = select(*wanted, last).join_from(visitor_pass, record, and_(*seen))
    return query.where(*here).group_by(*wanted).order_by(given.reference)


_DOORS: Final = _all_doors()
_OVERDUE: Final = _passes_over()
_GATEWAYS: Final = (
    select(gateway)
    .where(gateway.c.site.in_(select(site.c.name).where(site.c.community_id == bindparam("community"))))
    .order_by(gateway.c.site, gateway.c.name)
)


def _at(door: str | None) -> list[ColumnElement[bool]]:
    return [] if door is None else [record.c.door == door]


def _is(kind: Kind) -> ColumnElement[bool]:
    """As it stands in the index's own condition: only then is the index known to hold all of them."""
    return record.c.kind == bindparam(None, kind.value, literal_execute=True)
