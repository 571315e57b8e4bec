"""What the parts of an undo have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Table, select

from central.register.desk import Desk, GatewayOf
from central.register.imports.bulk import Bulk, Ids
from central.register.imports.states import Effect


@dataclass(frozen=True, slots=True)
class Done:
    """One thing that the import did: a row of `import_effect`."""

    id: int
    kind: Effect
    subject: int
    at_us: int
    body: Mapping[str, Any]


@dataclass(slots=True)
class Part:
    """One transaction. `kept`: by effect, the code of why it is not taken back."""

    desk: Desk
    bulk: Bulk
    ids: Ids
    reason: str
    kept: dict[int, str] = field(default_factory=dict)
    touched: set[GatewayOf] = field(default_factory=set)
    people: set[int] = field(default_factory=set)

    def rows(self, table: Table, ids: Iterable[int]) -> dict[int, Any]:
        """By their ids, as they are now."""
        return {row.id: row for row in self._of(table, table.c.id, ids)}

    def found(self, column: ColumnElement[Any], ids: Iterable[int], *where: ColumnElement[bool]) -> set[int]:
        """Those of `ids` that stand in this column of any row that fits."""
        wanted = sorted(set(ids))
        asked = select(column).where(column.in_(wanted), *where).distinct()
        return set(self.desk.connection.execute(asked).scalars()) if wanted else set()

    def keep(self, done: Done, why: str) -> None:
        self.kept[done.id] = why

    def touch(self, people: Iterable[int]) -> None:
        """Before their rights change; after it they are asked for again."""
        fresh = set(people) - self.people
        self.people |= fresh
        self.touched |= self.bulk.gateways_of(fresh)

    def mark(self) -> None:
        self.bulk.mark(self.touched | self.bulk.gateways_of(self.people))

    def _of(self, table: Table, column: ColumnElement[Any], ids: Iterable[int]) -> list[Any]:
        mine = table.c.community_id == self.desk.community
        asked = select(table).where(mine, column.in_(sorted(set(ids))))
        return list(self.desk.connection.execute(asked))
