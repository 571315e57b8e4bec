"""Helpers of the tests of look-ups: a community with its register, records and visitors, and people who ask.

People are invented; area code 000000 was never given to anybody.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from central_support import SITE, a_record
from identity_support import COMMUNITY, DAY_US, NOON_US, VISITOR, a_registers_vault, opener_of, visits
from sqlalchemy import Engine, Table, insert

from bench.assessed import goes_live
from central.identity.suites import INTERNATIONAL
from central.identity.vault import Vault
from central.ingest.intake import examine, take_in
from central.lookup.paging import Window
from central.lookup.rules import Asker, Asking
from central.lookup.service import LookUps
from central.lookup.words import Asked, Basis, Purpose
from central.store.changes import Changes
from central.store.engine import insert_many, open_reader, writing
from central.store.questions import Questions
from central.store.records import row_of
from central.store.register_tables import (
    community,
    credential,
    credential_token,
    holder,
    person,
    place,
    residency,
    site,
)
from central.store.tables import gateway, record
from messages.model import AssuranceLevel, Credential
from messages.topics import GatewayTopic, Leaf

T = TypeVar("T")

OTHER = 8
SITE_KEY = b"k" * 32
HOUR_US = 3_600_000_000
NUMBER = "000000198001010013"
CARD = "04A1B2C3"
OFFICER = Asker(41, "officer", "一号警务室", frozenset({COMMUNITY}), "192.0.2.1")
APPROVER = Asker(42, "approver", "二号警务室", frozenset({COMMUNITY}))
COLLEAGUE = Asker(43, "approver", "一号警务室", frozenset({COMMUNITY}))
SUPERVISOR = Asker(44, "supervisor", "督察", frozenset({COMMUNITY}))
STRANGER = Asker(45, "officer", "三号警务室", frozenset({OTHER}))

ZONE = ZoneInfo("Asia/Shanghai")


class World:
    """A community with two gateways; `now_us` is its clock. Close it at the end."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._open(engine, a_registers_vault(folder))
        self.vault.keep_site_key(SITE, SITE_KEY)
        self.put(community, id=COMMUNITY, code="000000-1", name="枫园", created_at=1)
        self.put(community, id=OTHER, code="000000-2", name="柳园", created_at=1)
        with writing(engine) as connection:
            for each in (COMMUNITY, OTHER):
                goes_live(connection, each, NOON_US)
        self.put(site, name=SITE, community_id=COMMUNITY, created_at=1)
        for name in ("east", "west"):
            self.put(gateway, site=SITE, name=name, first_heard_at=1, doors=DOORS)
        self.put(
            place,
            id=1,
            community_id=COMMUNITY,
            kind="community",
            name="枫园",
            sort_key="a",
            pinyin="fengyuan",
            initials="fy",
            from_at=0,
        )
        for number, name in ((301, "301"), (302, "302")):
            self.put(
                place,
                id=number,
                community_id=COMMUNITY,
                parent_id=1,
                kind="room",
                name=name,
                sort_key=name,
                pinyin=name,
                initials=name,
                from_at=0,
            )

    @classmethod
    def again(cls, engine: Engine, folder: Path) -> World:
        """The one that another process made."""
        made = cls.__new__(cls)
        made._open(engine, Vault.of(folder / "ring", INTERNATIONAL))
        return made

    def _open(self, engine: Engine, vault: Vault) -> None:
        self.engine, self.vault = engine, vault
        self.now_us = NOON_US
        self.reader = open_reader(engine.url.render_as_string(hide_password=False))
        self._seq: dict[int, int] = {}
        self.look_ups = LookUps(
            Changes(engine), Questions(self.reader, bound=False), self.vault, ZONE, lambda: self.now_us
        )

    def close(self) -> None:
        self.reader.dispose()

    def put(self, table: Table, **values: Any) -> int:
        """The number of the new row; 0 of one that has none."""
        with writing(self.engine) as connection:
            made = connection.execute(insert(table).values(values))
            return int(made.inserted_primary_key[0]) if "id" in table.c else 0  # type: ignore[index]

    def resident(
        self,
        number: str = NUMBER,
        name: str = "王居民",
        reference: str = "H-1",
        *,
        room: int | None = 301,
        from_us: int = 0,
        until_us: int | None = None,
    ) -> int:
        """Registered, with a holder and, in a room, a residency of that time."""
        index = self.vault.register_index(COMMUNITY, "id_number", number)
        made = self.put(
            person,
            community_id=COMMUNITY,
            state="registered",
            category="resident",
            document_type="resident",
            sealed=b"",
            number_index=index,
            name_index=b"n",
            created_at=0,
            changed_at=0,
        )
        text = json.dumps({"name": name, "number": number, "phone": None}, ensure_ascii=False).encode()
        sealed = self.vault.seal_register(COMMUNITY, f"person:{made}", text)
        with writing(self.engine) as connection:
            connection.execute(person.update().where(person.c.id == made).values(sealed=sealed))
        self.put(holder, community_id=COMMUNITY, person_id=made, reference=reference, from_at=0)
        if room is not None:
            self.put(
                residency,
                community_id=COMMUNITY,
                person_id=made,
                place_id=room,
                relation="owner",
                from_at=from_us,
                until_at=until_us,
                registered_at=0,
                registered_by=1,
            )
        return made

    def card(self, owner: int, number: str = CARD) -> bytes:
        """Issued to somebody; its token."""
        token = self.vault.token(SITE, "mifare", number)
        made = self.put(
            credential,
            community_id=COMMUNITY,
            person_id=owner,
            kind="mifare",
            sealed=b"",
            number_index=self.vault.register_index(COMMUNITY, "card", number),
            state="issued",
            valid_from=0,
            issued_at=0,
        )
        sealed = self.vault.seal_register(COMMUNITY, f"credential:{made}", number.encode())
        with writing(self.engine) as connection:
            connection.execute(credential.update().where(credential.c.id == made).values(sealed=sealed))
        self.put(credential_token, community_id=COMMUNITY, credential_id=made, site=SITE, token=token)
        return token

    def enter(
        self, *times_us: int, gateway_id: int = 1, token: bytes | None = None, **changes: Any
    ) -> list[int]:
        """Records of one gateway at these times; their sequence numbers."""
        rows, numbers = [], []
        fields: dict[str, Any] = {"holder": "H-1", "door": "door-1", **changes}
        if token is not None:
            fields["credential"] = Credential("mifare", token.hex(), AssuranceLevel.L1, "b2c3")
        for at in times_us:
            seq = self._seq[gateway_id] = self._seq.get(gateway_id, 0) + 1
            rows.append(row_of(gateway_id, a_record(seq, at=at, **fields), seq.to_bytes(32, "big")))
            numbers.append(seq)
        with writing(self.engine) as connection:
            insert_many(connection, record, rows)
        return numbers

    def visit(self, at_us: int, *visitors: Any) -> None:
        """By verified ID card, through the ingest's own door, at a gateway of its own."""
        key = self.vault.sealing_key(COMMUNITY, at_us)
        payload = visits(key, at_us, *(visitors or (VISITOR,)))
        topic = str(GatewayTopic(SITE, "east-1", Leaf.JOURNAL))
        with writing(self.engine) as connection:
            take_in(connection, [examine(topic, payload, opener_of(self.vault).at(at_us))], at_us)

    def asking(self, asked: Asked = Asked.PERSON, **changes: Any) -> Asking:
        """Of the last 24 hours, for a missing person."""
        wheres: dict[Asked, dict[str, Any]] = {
            Asked.PERSON: {"number": NUMBER},
            Asked.CARD: {"number": CARD, "card_kind": "mifare"},
            Asked.ROOM: {"room": 301},
            Asked.DOOR: {"site": SITE, "gateway": "east", "door": "door-1"},
            Asked.SITE: {"site": SITE},
        }
        where = wheres.get(asked, {"site": SITE, "gateway": "east"})
        made = Asking(
            asked=asked,
            community=COMMUNITY,
            purpose=Purpose.MISSING_PERSON,
            basis=Basis.PEOPLES_POLICE,
            case_number="A-2026-17",
            window=Window(self.now_us - DAY_US, self.now_us),
        )
        return replace(made, **{**where, **changes})


DOORS = json.dumps([{"door": "door-1", "label": "一单元", "readers": []}])


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)
