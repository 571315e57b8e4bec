"""Which community a site belongs to, as the register says."""

from __future__ import annotations

from sqlalchemy import Connection, select

from central.store.register_tables import site as sites


def community_of(connection: Connection, site: str) -> int | None:
    """None where the register knows nothing of that site."""
    found = connection.execute(select(sites.c.community_id).where(sites.c.name == site)).scalar()
    return None if found is None else int(found)


def may_be_of(connection: Connection, site: str, community: int) -> bool:
    """Whether a gateway of that site may speak of visitors of that community: of its own alone, and of a site
    that the register does not know, of none."""
    return community_of(connection, site) == community
