"""Which community a site belongs to, as the register says."""

from __future__ import annotations

from sqlalchemy import Connection, select

from central.store.schema import metadata


def community_of(connection: Connection, site: str) -> int | None:
    """None where the register knows nothing of that site."""
    sites = metadata.tables.get("site")
    if sites is None:
        return None
    found = connection.execute(select(sites.c.community_id).where(sites.c.name == site)).scalar()
    return None if found is None else int(found)


def may_be_of(connection: Connection, site: str, community: int) -> bool:
    """Whether a gateway of that site may speak of visitors of that community."""
    return community_of(connection, site) in (None, community)
