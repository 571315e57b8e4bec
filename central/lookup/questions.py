"""What may be asked about entries, each as branches that its index answers. Reads only.

Whose entries they are has been resolved before (`subjects`): here stand holders, tokens and places. Whether
it may be asked stands in `rules`; nothing here is called before the look-up's row is written (`service`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, exists, false, select

from central.lookup.paging import Branch, Window
from central.store.identity_tables import envelope
from central.store.register_tables import site
from central.store.tables import gateway, record
from messages.model import Kind, Reason

_WITHDRAWN = (Reason.LOST, Reason.BLOCKED)


def of_holder(holder: str, window: Window, *more: ColumnElement[bool]) -> Branch:
    return Branch(window, (record.c.holder == holder, *more))


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


def visitors(
    connection: Connection, community: int, indexes: Mapping[str, bytes], window: Window
) -> tuple[bool, bool]:
    """Whether any envelope has such an index: most people are no visitors, and to look here alone costs
    little. And whether some visitor's identity of that time is here and could not be opened yet: who that was
    cannot be found by a number."""
    columns = envelope.c
    within = (columns.at >= window.from_us, columns.at < window.until_us)
    came = exists().where(*_visits(community, indexes)) if indexes else false()
    waits = exists().where(columns.community_id == community, _waits, *within)
    there, waiting = connection.execute(select(came, waits)).one()
    return bool(there), bool(waiting)


def _visits(community: int, indexes: Mapping[str, bytes]) -> tuple[ColumnElement[bool], ...]:
    columns = envelope.c
    return (
        columns.community_id == community,
        columns.period.in_(indexes),
        columns.number_index.in_(indexes.values()),
    )


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


def doors_of(connection: Connection, gateway_id: int) -> list[str]:
    """Every door of which the gateway ever recorded anything: from one to the next through the index."""
    found: list[str] = []
    while True:
        query = select(record.c.door).where(record.c.gateway_id == gateway_id, record.c.door > _last(found))
        door = connection.execute(query.order_by(record.c.door).limit(1)).scalar()
        if door is None:
            return found
        found.append(door)


def gateways_of(connection: Connection, community: int) -> list[Any]:
    """Whole rows of `gateway`."""
    sites = select(site.c.name).where(site.c.community_id == community)
    here = gateway.c.site.in_(sites)
    return list(connection.execute(select(gateway).where(here).order_by(gateway.c.site, gateway.c.name)))


def gateways_at(connection: Connection, place: str, name: str | None = None) -> list[Any]:
    """Whole rows of `gateway` of that site, or the one of them with that name."""
    here = [gateway.c.site == place, *([gateway.c.name == name] if name is not None else [])]
    return list(connection.execute(select(gateway).where(*here).order_by(gateway.c.site, gateway.c.name)))


def _last(found: Sequence[str]) -> str:
    return found[-1] if found else ""


def _at(door: str | None) -> list[ColumnElement[bool]]:
    return [] if door is None else [record.c.door == door]


_waits: ColumnElement[bool] = envelope.c.waits == bindparam(None, 1, literal_execute=True)


def _is(kind: Kind) -> ColumnElement[bool]:
    """As it stands in the index's own condition: only then is the index known to hold all of them."""
    return record.c.kind == bindparam(None, kind.value, literal_execute=True)
