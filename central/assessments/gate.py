"""The gate: whether a community is live. Asked by whatever would begin to work with somebody's data."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, exists, select

from central.errors import Clash
from central.store.assessment_tables import community_live
from central.store.register_tables import site

NOT_LIVE: Final = (
    "this community is not live yet: its impact assessment has to be written and agreed to first"
)


def is_live(connection: Connection, community: int) -> bool:
    return bool(
        connection.execute(select(exists().where(community_live.c.community_id == community))).scalar()
    )


def refuse_before_live(connection: Connection, community: int) -> None:
    """Raises Clash."""
    if not is_live(connection, community):
        raise Clash(NOT_LIVE)


def sites_not_live(connection: Connection) -> frozenset[str]:
    """Sites of communities that are not live. One that no community has is not among them."""
    begun = exists().where(community_live.c.community_id == site.c.community_id)
    return frozenset(connection.execute(select(site.c.name).where(~begun)).scalars())
