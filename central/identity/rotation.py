"""A register key is rotated: everything that was sealed with a former one is sealed again, under load.

Columns say themselves that they are sealed with the register key: `Column("sealed", LargeBinary,
info=sealed_as("person"))` in a table with `id` and `community_id`; its rows are sealed for `person:{id}`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Column, Connection, Engine, Table, select, update

from central.identity.suites import key_named
from central.identity.vault import Vault
from central.store.engine import writing
from central.store.schema import metadata

SEALED_AS: Final = "sealed_as"
PAGE: Final = 500


def sealed_as(row: str) -> dict[str, str]:
    """For `Column(info=...)`: what its rows are called when they are sealed."""
    return {SEALED_AS: row}


def sealed_columns() -> list[Column[Any]]:
    """Of all tables, those that hold something sealed with a register key."""
    columns = (column for table in metadata.sorted_tables for column in table.columns)
    return [column for column in columns if SEALED_AS in column.info]


def reseal(
    engine: Engine,
    vault: Vault,
    community: int,
    *,
    columns: Sequence[Column[Any]] | None = None,
    page: int = PAGE,
) -> int:
    """Seals a community's rows again with the key in use; how many. May be run again after being killed.

    `columns`: all `sealed_columns` without them. `page`: rows of one transaction; whoever else writes waits
    that long.

    Raises StoreUnavailable; and IdentityGone or IdentityDamaged where a row cannot be opened: then former
    keys must not be dropped.
    """
    chosen = sealed_columns() if columns is None else columns
    return sum(_reseal_column(engine, vault, community, column, page) for column in chosen)


def _reseal_column(engine: Engine, vault: Vault, community: int, column: Column[Any], page: int) -> int:
    done = after = 0
    while True:
        with writing(engine) as connection:
            rows = _page(connection, column, community, after, page)
            done += sum([_reseal_row(connection, vault, community, column, row) for row in rows])
        if not rows:
            return done
        after = rows[-1].id


def _page(connection: Connection, column: Column[Any], community: int, after: int, page: int) -> list[Any]:
    table = column.table
    here = (table.c.community_id == community) & (table.c.id > after) & column.is_not(None)
    asked = select(table.c.id, column.label("sealed")).where(here).order_by(table.c.id).limit(page)
    if connection.dialect.name == "postgresql":
        asked = asked.with_for_update()
    return list(connection.execute(asked).all())


def _reseal_row(connection: Connection, vault: Vault, community: int, column: Column[Any], row: Any) -> bool:
    if key_named(row.sealed) == vault.register_key_id(community):
        return False
    name = f"{column.info[SEALED_AS]}:{row.id}"
    sealed = vault.seal_register(community, name, vault.open_register(community, name, row.sealed))
    table = column.table
    assert isinstance(table, Table)
    connection.execute(update(table).where(table.c.id == row.id).values({column.name: sealed}))
    return True
