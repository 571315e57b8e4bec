"""Speaks for the gateways that do not run, while the demo does: that they are there, and who comes in.

What each has recorded is known from the centre's database; what is silent there stays silent.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, Final, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from sqlalchemy import Connection, Select, func, or_, select

from bench.community.happening import LIST_AGE_S, Chain, Happening
from bench.community.places import Door
from bench.community.settings import settings_wanted
from bench.community.times import ZONE
from central.ingest.intake import examine, take_in
from central.register.credential_life import CredentialState
from central.register.words import CATEGORY_OF, Relation
from central.store.engine import open_reader, open_writer, reading, writing
from central.store.honey_tables import honey_record
from central.store.register_tables import (
    credential,
    credential_token,
    door_place,
    holder,
    place,
    residency,
    tenancy,
)
from central.store.tables import epoch_head, gateway, lost_range, segment, sent_list
from firmware_sim.community import HOUR_WEIGHTS
from messages.model import AssuranceLevel, Credential, Direction, Kind, Reason
from messages.topics import GatewayTopic, Leaf
from messages.wire import encode

_STATES_EVERY_S: Final = 30.0
_COME_A_MINUTE: Final = 8.0
_LEAST_WEIGHT: Final = 0.4
"""Whoever opens the demo at night should see somebody, too."""


@dataclass(frozen=True, slots=True)
class Known:
    """A gateway as the database has it. `owes`: it has said that it holds more than it has sent."""

    chain: Chain
    devices: dict[str, str]
    list_version: int | None
    settings_revision: int | None
    owes: bool

    def state(self, at_us: int) -> tuple[str, bytes]:
        """Topic and payload."""
        topic = GatewayTopic(self.chain.site, self.chain.name, Leaf.STATE)
        devices = {name: told for name, told in self.devices.items() if told != "ok"}
        said = self.chain.state(
            at_us, list_version=self.list_version, settings_revision=self.settings_revision, devices=devices
        )
        return str(topic), encode(said)


@dataclass(frozen=True, slots=True)
class Comer:
    """Somebody of the register, at the door of their own home."""

    site: str
    gateway: str
    door: str
    credential: Credential
    holder: str
    category: str


def greet(database: Path) -> None:
    """Each that is not silent has spoken just now; before the centre starts."""
    now_us = time.time_ns() // 1_000
    writer = open_writer(f"sqlite:///{database}")
    try:
        with writing(writer) as connection:
            told = [known.state(now_us) for known in _known(connection, ())]
            take_in(connection, [examine(topic, payload) for topic, payload in told], now_us)
    finally:
        writer.dispose()


class Gateways:
    """Use as a context manager, once the broker is there."""

    def __init__(self, database: Path, port: int, running: Sequence[tuple[str, str]], seed: int) -> None:
        self._reader = open_reader(f"sqlite:///{database}")
        self._running = running
        with reading(self._reader) as connection:
            self._known = {(k.chain.site, k.chain.name): k for k in _known(connection, running)}
            self._comers = [
                each for each in _comers(connection, _now_us()) if (each.site, each.gateway) in self._known
            ]
        self._drawn = Random(f"now:{seed}")
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id="liuhen-demo", protocol=MQTTProtocolVersion.MQTTv311
        )
        self._port = port
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gateways", daemon=True)

    def __enter__(self) -> Self:
        self._client.connect_async("127.0.0.1", self._port)
        self._client.loop_start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()
        self._reader.dispose()

    def _run(self) -> None:
        states_s, pause_s = float("-inf"), 0.0
        while not self._stopping.wait(pause_s):
            if time.monotonic() - states_s >= _STATES_EVERY_S:
                states_s = time.monotonic()
                self._say_states()
            self._somebody_comes()
            pause_s = min(self._drawn.expovariate(_rate_per_s()), _STATES_EVERY_S)

    def _say_states(self) -> None:
        """With the list and settings that each should have: they take what they are sent."""
        with reading(self._reader) as connection:
            fresh, revisions = _list_versions(connection), settings_wanted(connection)
        for where, known in self._known.items():
            version, revision = fresh.get(where, known.list_version), revisions.get(where[0])
            now = replace(known, list_version=version, settings_revision=revision)
            topic, payload = now.state(_now_us())
            self._client.publish(topic, payload, qos=1, retain=True)

    def _somebody_comes(self) -> None:
        comer = self._drawn.choice(self._comers)
        known = self._known[comer.site, comer.gateway]
        if known.owes:
            return
        bodies = known.chain.grow([_coming(comer, _now_us())])
        for topic, payload in known.chain.blocks(bodies):
            self._client.publish(topic.replace(Leaf.BACKLOG, Leaf.JOURNAL), payload, qos=1)


def _coming(comer: Comer, at_us: int) -> Happening:
    fields: dict[str, Any] = {
        "kind": Kind.ACCESS_GRANTED,
        "reason": Reason.LISTED,
        "door": comer.door,
        "reader": comer.door,
        "direction": Direction.IN,
        "credential": comer.credential,
        "holder": comer.holder,
        "category": comer.category,
        "list_version": 1,
        "list_age_s": LIST_AGE_S,
    }
    return Happening(at_us, comer.site, comer.gateway, fields)


def _rate_per_s() -> float:
    weight = HOUR_WEIGHTS[datetime.now(ZONE).hour]
    return _COME_A_MINUTE * max(weight, _LEAST_WEIGHT) / 60


def _now_us() -> int:
    return time.time_ns() // 1_000


# --- what the database says


def _known(connection: Connection, running: Sequence[tuple[str, str]]) -> Iterator[Known]:
    versions, revisions = _list_versions(connection), settings_wanted(connection)
    for row in connection.execute(select(gateway).order_by(gateway.c.id)).all():
        if not row.online or (row.site, row.name) in running:
            continue
        head = connection.execute(
            select(epoch_head).where(epoch_head.c.gateway_id == row.id).order_by(epoch_head.c.epoch.desc())
        ).first()
        if head is not None:
            version, revision = versions.get((row.site, row.name)), revisions.get(row.site)
            yield _of_row(connection, row, head, version, revision)


def _of_row(connection: Connection, row: Any, head: Any, version: int | None, revision: int | None) -> Known:
    here = segment.c.gateway_id == row.id
    last = connection.execute(select(func.max(segment.c.last)).where(here)).scalar_one()
    gone = select(lost_range.c.first, lost_range.c.last).where(lost_range.c.gateway_id == row.id)
    holes = tuple((first, until) for first, until in connection.execute(gone))
    doors = tuple(Door(each["door"], each["label"]) for each in json.loads(row.doors))
    chain = Chain(row.site, row.name, row.boot, head.epoch, doors, head.head, head.hash.hex(), holes)
    return Known(chain, json.loads(row.devices or "{}"), version, revision, owes=last < head.head)


def _list_versions(connection: Connection) -> dict[tuple[str, str], int]:
    newest = select(func.max(sent_list.c.id)).group_by(sent_list.c.site, sent_list.c.gateway)
    rows = connection.execute(select(sent_list).where(sent_list.c.id.in_(newest)))
    return {(row.site, row.gateway): row.version for row in rows}


def _running(now_us: int) -> Select[tuple[int]]:
    """Leases that are not over yet."""
    lasts = or_(tenancy.c.until_at.is_(None), tenancy.c.until_at > now_us)
    return select(tenancy.c.id).where(lasts)


def _comers(connection: Connection, now_us: int) -> Iterator[Comer]:
    """Who lives there and has a card that opens: nobody made up, and nobody whose lease is over."""
    good = [each.value for each in (CredentialState.ISSUED, CredentialState.FOUND)]
    query = (
        select(
            *(door_place.c.site, door_place.c.gateway, door_place.c.door),
            *(credential.c.kind, credential.c.hint, credential_token.c.token),
            *(holder.c.reference, residency.c.relation),
        )
        .join_from(residency, place, place.c.id == residency.c.place_id)
        .join(door_place, door_place.c.place_id == place.c.parent_id)
        .join(credential, credential.c.person_id == residency.c.person_id)
        .join(credential_token, credential_token.c.credential_id == credential.c.id)
        .join(holder, holder.c.person_id == residency.c.person_id)
        .where(residency.c.until_at.is_(None), credential.c.state.in_(good))
        .where(residency.c.person_id.not_in(select(honey_record.c.person_id)))
        .where(or_(residency.c.tenancy_id.is_(None), residency.c.tenancy_id.in_(_running(now_us))))
        .where(credential_token.c.site == door_place.c.site)
        .order_by(credential.c.id)
    )
    for row in connection.execute(query):
        is_document = row.kind == "id_card"
        level = AssuranceLevel.L3 if is_document else AssuranceLevel.L1
        shown = Credential(row.kind, row.token.hex(), level, None if is_document else row.hint)
        category = CATEGORY_OF[Relation(row.relation)]
        yield Comer(row.site, row.gateway, row.door, shown, row.reference, category.value)
