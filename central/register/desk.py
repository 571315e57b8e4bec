"""One act at the register: who does it, when, in which community, and its note.

Everything that changes the register is given a `Desk`; in its transaction stand what was changed, who did it,
and whose access lists it makes old.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, insert, select

from central.errors import Clash, NotThere
from central.identity.registers import begin_register
from central.identity.vault import Vault
from central.register.words import RegisterAct
from central.store.register_tables import community as communities
from central.store.register_tables import register_event, rights_changed


class GatewayOf(NamedTuple):
    site: str
    gateway: str


@dataclass(frozen=True, slots=True)
class Desk:
    """`account`: of whoever acts. `met`: the people whom they named, by their ids."""

    connection: Connection
    community: int
    account: int
    now_us: int
    key_ring: Vault | None
    met: set[int] = field(default_factory=set, compare=False)

    @property
    def vault(self) -> Vault:
        """With the community's register key. Raises Clash where the centre has no key ring."""
        if self.key_ring is None:
            raise Clash("nobody can be registered: this centre has no key ring; liuhen-central identity make")
        if not self.key_ring.has_register(self.community):
            begin_register(self.connection, self.key_ring, self.community, self.now_us)
        return self.key_ring

    def row(self, table: Table, row_id: int, called: str) -> Any:
        """One row of this community. Raises NotThere."""
        return row_of(self.connection, table, self.community, row_id, called)

    def add(self, table: Table, /, **values: object) -> int:
        """The id of a new row of this community."""
        row = {"community_id": self.community, **values}
        made = self.connection.execute(insert(table).values(row)).inserted_primary_key
        assert made is not None
        return int(made[0])

    def note(
        self,
        act: RegisterAct,
        subject: Table,
        subject_id: int,
        *,
        reason: str | None = None,
        body: Mapping[str, object] | None = None,
        changed: Iterable[GatewayOf] = (),
        person: int | None = None,
    ) -> int:
        """What was done, by its id; `body` says nothing of who somebody is. `changed`: whose access lists are
        not what they should be any more; of `person` alone, where one is named."""
        event = self.add(
            register_event,
            at=self.now_us,
            account=self.account,
            act=act.value,
            subject=subject.name,
            subject_id=subject_id,
            reason=reason,
            body=json.dumps(body or {}, ensure_ascii=False, sort_keys=True),
        )
        self.mark(event, changed, person)
        return event

    def mark(self, event: int, changed: Iterable[GatewayOf], person: int | None) -> None:
        rows = [
            {
                "community_id": self.community,
                "site": site,
                "gateway": gateway,
                "person_id": person,
                "at": self.now_us,
                "event_id": event,
            }
            for site, gateway in sorted(set(changed))
        ]
        if rows:
            self.connection.execute(insert(rights_changed), rows)


def desk_of(
    connection: Connection,
    vault: Vault | None,
    community: int,
    *,
    account: int,
    now_us: int,
    met: set[int] | None = None,
) -> Desk:
    """Others who change the same community wait from here on until the transaction ends. `met`: gets whom the
    act names, also where it fails. Raises NotThere."""
    found = select(communities.c.id).where(communities.c.id == community).with_for_update()
    if connection.execute(found).scalar() is None:
        raise NotThere("no such community")
    return Desk(connection, community, account, now_us, vault, set() if met is None else met)


def row_of(connection: Connection, table: Table, community: int, row_id: int, called: str) -> Any:
    """Raises NotThere."""
    mine = (table.c.id == row_id) & (table.c.community_id == community)
    found = connection.execute(select(table).where(mine)).one_or_none()
    if found is None:
        raise NotThere(f"no such {called} in this community")
    return found
