"""Why a door had been released through which nobody went: a column for whoever shows such a record."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Label, and_, case, func, select

from central.store.tables import record
from messages.model import Kind


def released_by() -> Label[Any]:
    """The reason of the decision that an ACCESS_NOT_TAKEN names, or the kind of a record without one, such as
    REMOTE_RELEASE; NULL of every other record, and where the decision is not here."""
    decision = record.alias("decision")
    same = (decision.c.gateway_id == record.c.gateway_id, decision.c.epoch == record.c.epoch)
    why = select(func.coalesce(decision.c.reason, decision.c.kind)).where(
        *same, decision.c.seq == record.c.links
    )
    not_taken = and_(record.c.kind == Kind.ACCESS_NOT_TAKEN, record.c.links.is_not(None))
    # On PostgreSQL several partitions may be looked through, one place is in one of them alone.
    return case((not_taken, why.limit(1).correlate(record).scalar_subquery())).label("released_by")
