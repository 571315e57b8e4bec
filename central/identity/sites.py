"""Which community a site belongs to, as the register says."""

from __future__ import annotations

from sqlalchemy import Connection, exists, select

from central.store.assessment_tables import community_live
from central.store.register_tables import site as sites


def community_of(connection: Connection, site: str) -> int | None:
    """For which visitors' identity is sealed and kept there; None where the register knows nothing of that
    site, or the community is not live yet (trust.md R-80)."""
    live = exists().where(community_live.c.community_id == sites.c.community_id)
    found = connection.execute(select(sites.c.community_id).where(sites.c.name == site, live)).scalar()
    return None if found is None else int(found)
