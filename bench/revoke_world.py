"""A district of buildings with a gateway each, who lives in them, and caretakers who may pass every door.

Residents are written straight into the register's tables; caretakers, their cards, group and rights as people
write them. All are invented; area code 000000 was never given to anybody.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Engine, Table, insert

from bench.centre_alone import SITE, CentreAlone
from central.accounts.tokens import make_machine_token
from central.accounts.who import Role
from central.register.credentials import CredentialKind, issue
from central.register.desk import Desk, desk_of
from central.register.groups import Door, Whose, create_group, grant, set_doors
from central.register.people import register_person
from central.register.place_tree import root_of
from central.register.words import DocumentType
from central.store.engine import writing
from central.store.register_tables import (
    credential,
    credential_token,
    door_place,
    holder,
    person,
    place,
    residency,
)

_CLERK: Final = 1
_FIRST_ID: Final = 1_000_000
"""Of rows that are written straight into the tables: beyond those that the register numbers itself."""


def gateway_name(number: int) -> str:
    return f"building-{number}"


@dataclass
class District:
    """`caretakers`: so many, each with one card, by the cards' ids in `cards`."""

    gateways: int
    residents: int  # of each building
    caretakers: int
    cards: list[int] = field(default_factory=list)
    token: str = ""  # of a machine that may act as a community worker does
    community: int = 0

    def furnish(self, centre: CentreAlone, engine: Engine) -> None:
        self.community, now_us = centre.community, time.time_ns() // 1_000
        centre.vault.keep_site_key(SITE, bytes(32))
        with writing(engine) as connection:
            desk = desk_of(connection, centre.vault, self.community, account=_CLERK, now_us=now_us)
            self._residents(connection, now_us)
            self._caretakers(desk)
            self.token = make_machine_token(
                connection,
                "the-bench",
                role=Role.WORKER,
                communities=[self.community],
                days=1,
                by="bench",
                now_us=now_us,
            )

    def _caretakers(self, desk: Desk) -> None:
        group = create_group(desk, "every door")
        doors = (Door(SITE, gateway_name(number), "unit-1") for number in range(self.gateways))
        set_doors(desk, group, frozenset(doors))
        for number in range(self.caretakers):
            who = register_person(
                desk,
                name=f"保洁{number}",
                document=DocumentType.NONE,
                number=None,
            )
            self.cards.append(issue(desk, who, CredentialKind.CARD_UID, f"04a1b2{number:02x}"))
            grant(desk, group, Whose(person=who))

    def _residents(self, connection: Connection, now_us: int) -> None:
        drawn = random.Random(1)
        rows: dict[Table, list[dict[str, Any]]] = {}
        root, since = root_of(connection, self.community).id, {"from_at": now_us}
        for building in range(self.gateways):
            here = {"id": _FIRST_ID + building, "community_id": self.community}
            named = {"name": f"{building} 号楼", "sort_key": f"{building:06}", "pinyin": "", "initials": ""}
            rows.setdefault(place, []).append(
                {**here, "parent_id": root, "kind": "building", **named, **since}
            )
            leads = {"place_id": here["id"], "residents": 1, **since}
            door = {"site": SITE, "gateway": gateway_name(building), "door": "unit-1"}
            rows.setdefault(door_place, []).append({**here, **door, **leads})
            for resident in range(self.residents):
                self._resident(rows, building * self.residents + resident, here["id"], now_us, drawn)
        for table, made in rows.items():
            connection.execute(insert(table), made)

    def _resident(
        self, rows: dict[Table, list[dict[str, Any]]], who: int, home: int, now_us: int, drawn: random.Random
    ) -> None:
        own = {"id": _FIRST_ID + who, "community_id": self.community}
        whose = {**own, "person_id": own["id"]}
        since, index = {"from_at": now_us}, who.to_bytes(16, "big")
        sealed = {"sealed": b"-", "number_index": index}
        known = {"state": "registered", "category": "resident", "document_type": "resident_id"}
        at = {"created_at": now_us, "changed_at": now_us}
        rows.setdefault(person, []).append({**own, **known, **sealed, "name_index": index, **at})
        rows.setdefault(holder, []).append({**whose, "reference": f"h-{who}", **since})
        lives = {"place_id": home, "relation": "owner", "registered_at": now_us, "registered_by": _CLERK}
        rows.setdefault(residency, []).append({**whose, **lives, **since})
        card = {"kind": "card_uid", "state": "issued", "valid_from": now_us, "issued_at": now_us}
        rows.setdefault(credential, []).append({**whose, **card, **sealed})
        token = {"credential_id": own["id"], "site": SITE, "token": drawn.randbytes(16)}
        rows.setdefault(credential_token, []).append({**own, **token})
