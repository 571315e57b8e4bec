"""What keeps the register's own answers from giving honey records away.

The register notes truly who planted one: an account of oversight, which does nothing else there. In what
community workers are shown of it stands in its place the account that acted before; the true one stands in
`honey_record`, in `register_event` and in the register of look-ups. Reads only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from central.store.honey_tables import honey_record
from central.store.register_tables import register_event

_NOBODY = 0
"""The operator at the centre itself: where nobody acted before."""


@dataclass(frozen=True, slots=True)
class Veil:
    """By the account that planted or removed, and when: the account to be shown."""

    instead: Mapping[tuple[int, int], int]

    def account(self, account: int, at_us: int) -> int:
        return self.instead.get((account, at_us), account)


def veil_of(connection: Connection, community: int) -> Veil:
    columns = honey_record.c
    rows = connection.execute(select(honey_record).where(columns.community_id == community)).all()
    acts = {(row.planted_by, row.planted_at) for row in rows}
    acts |= {(row.removed_by, row.removed_at) for row in rows if row.removed_at is not None}
    theirs = sorted({account for account, _ in acts})
    return Veil({act: _before(connection, community, act[1], theirs) for act in acts})


def _before(connection: Connection, community: int, at_us: int, but: list[int]) -> int:
    """Who acted last until then, by hand."""
    columns = register_event.c
    mine = (columns.community_id == community, columns.at <= at_us, columns.account > 0)
    query = select(columns.account).where(*mine, columns.account.not_in(but))
    found = connection.execute(query.order_by(columns.id.desc()).limit(1)).scalar()
    return _NOBODY if found is None else int(found)
