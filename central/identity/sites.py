"""Which community a site belongs to, as the register says."""

from __future__ import annotations

from sqlalchemy import Connection, select

from central.store.register_tables import site as sites


def community_of(connection: Connection, site: str) -> int | None:
    """None where the register knows nothing of that site."""
    found = connection.execute(select(sites.c.community_id).where(sites.c.name == site)).scalar()
    return None if found is None else int(found)
