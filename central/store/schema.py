"""All tables of the centre: whoever needs the whole of `metadata` imports this."""

from __future__ import annotations

from central.store import (
    account_tables,
    alarm_tables,
    assessment_tables,
    count_tables,
    honey_tables,
    identity_tables,
    import_tables,
    list_tables,
    lookup_tables,
    register_tables,
    request_tables,
    retention_tables,
    tables,
    tour_tables,
    visitor_tables,
)

__all__ = [
    "account_tables",
    "alarm_tables",
    "assessment_tables",
    "count_tables",
    "honey_tables",
    "identity_tables",
    "import_tables",
    "list_tables",
    "lookup_tables",
    "metadata",
    "register_tables",
    "request_tables",
    "retention_tables",
    "tables",
    "tour_tables",
    "visitor_tables",
]

metadata = tables.metadata
