"""All tables of the centre: whoever needs the whole of `metadata` imports this."""

from __future__ import annotations

from central.store import identity_tables, lookup_tables, tables

__all__ = ["identity_tables", "lookup_tables", "metadata", "tables"]

metadata = tables.metadata
