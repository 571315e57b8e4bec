"""A community whose gateways have recorded for half a year: what `bench lookups` asks about.

Drawn from a seed and written by the centre's own insert, in the order of time, with all indexes in place.
People are invented; area code 000000 was never given to anybody.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, delete, func, insert, select

from bench.assessed import goes_live
from central.identity.periods import DAY_US, day_of, days_between
from central.identity.ring import make_ring
from central.identity.suites import INTERNATIONAL
from central.identity.vault import Vault
from central.store.engine import insert_many, reading, writing
from central.store.identity_tables import envelope
from central.store.register_tables import community, holder, person, place, residency, site
from central.store.tables import epoch_head, gateway, record, segment

COMMUNITY: Final = 1
SITE: Final = "bench"
GATEWAYS: Final = 20
DOORS: Final = 5
PEOPLE: Final = 20_000
A_ROOM: Final = 3
DAYS: Final = 180
VISITOR_DAYS: Final = 30
END_US: Final = 1_793_764_800_000_000
BEGIN_US: Final = END_US - DAYS * DAY_US
ZONE: Final = ZoneInfo("Asia/Shanghai")
_BATCH: Final = 5_000
_AT_HOME: Final = 0.8
_BOOT, _HASH = bytes(8), bytes(32)
_UNREGISTERED, _DENIED, _UNKNOWN, _REMOTE = 0.06, 0.10, 0.12, 0.1201


@dataclass(frozen=True, slots=True)
class World:
    engine: Engine
    vault: Vault


def number_of(who: int) -> str:
    return f"000000{19500101 + who // 10_000 * 10_000}{who % 10_000:04}"


def open_world(engine: Engine, folder: Path) -> World:
    """The register is written where there is none yet."""
    ring = folder / "ring"
    vault = (
        Vault.of(ring, INTERNATIONAL)
        if ring.exists()
        else Vault(make_ring(ring, INTERNATIONAL), INTERNATIONAL)
    )
    vault.make_register(COMMUNITY)
    world = World(engine, vault)
    with reading(engine) as connection:
        there = connection.execute(select(func.count()).select_from(community)).scalar_one()
    if not there:
        _register(world)
    return world


def fill(world: World, records: int) -> None:
    """Up to so many. Each stage covers the whole half year: stages of a tenth and of all are alike."""
    with reading(world.engine) as connection:
        there = connection.execute(select(func.count()).select_from(record)).scalar_one()
        seqs = dict(
            connection.execute(
                select(record.c.gateway_id, func.max(record.c.seq)).group_by(record.c.gateway_id)
            ).all()
        )
    drawn = random.Random(records)
    missing = records - there
    for first in range(0, missing, _BATCH):
        count = min(_BATCH, missing - first)
        rows = [_record(drawn, BEGIN_US + (first + n) * DAYS * DAY_US // missing, seqs) for n in range(count)]
        with writing(world.engine) as connection:
            insert_many(connection, record, rows)
            if visitors := list(_envelopes(drawn, rows)):
                insert_many(connection, envelope, visitors)
    _say_complete(world, seqs)


def _say_complete(world: World, seqs: dict[int, int]) -> None:
    """As the ingest notes it: each gateway's records without a hole."""
    with writing(world.engine) as connection:
        for table in (segment, epoch_head):
            connection.execute(delete(table))
        for number, last in seqs.items():
            own = {"gateway_id": number, "epoch": 1}
            run = {"first": 1, "last": last, "first_prev": _HASH, "last_hash": _HASH}
            connection.execute(insert(segment).values(**own, **run))
            connection.execute(insert(epoch_head).values(**own, oldest=1, head=last, hash=_HASH, held=1))


def _record(drawn: random.Random, at: int, seqs: dict[int, int]) -> tuple[Any, ...]:
    who = drawn.randrange(PEOPLE)
    home = who % GATEWAYS + 1
    gateway_id = home if drawn.random() < _AT_HOME else drawn.randint(1, GATEWAYS)
    seq = seqs[gateway_id] = seqs.get(gateway_id, 0) + 1
    door = f"door-{drawn.randint(1, DOORS)}"
    kind, reason = "access_granted", "listed"
    holder_: str | None = f"H-{who}"
    identity: bytes | None = None
    share = drawn.random()
    token: bytes | None = who.to_bytes(16, "little")
    if share < _UNREGISTERED:
        reason, holder_, identity, token = "verified_id", None, _HASH, drawn.randbytes(16)
    elif share < _DENIED:
        kind, reason = "access_denied", "no_right"
    elif share < _UNKNOWN:
        kind, reason, holder_, token = "access_denied", "unknown_credential", None, drawn.randbytes(16)
    elif share < _REMOTE:
        kind, reason, holder_, token = "remote_release", "command", None, None
    card = ("id_card", token, "L3", "0000") if token is not None else (None, None, None, None)
    return (
        *(gateway_id, 1, seq, kind, at, _BOOT, at - BEGIN_US, "synced", door, f"reader-{door[5:]}", "in"),
        *card,
        *(holder_, "resident" if holder_ else None, reason, 7, 60, None, identity, None, drawn.randbytes(32)),
    )


def _envelopes(drawn: random.Random, rows: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Sealed with nothing: the index alone is asked for."""
    for row in rows:
        if row[21] is not None and row[4] >= END_US - VISITOR_DAYS * DAY_US:
            day = day_of(row[4], ZONE)
            yield (
                row[0],
                row[1],
                row[2],
                COMMUNITY,
                day,
                row[4],
                "bench",
                _HASH,
                drawn.randbytes(16),
                b"-",
                0,
            )


def _register(world: World) -> None:
    vault, kept = world.vault, []
    for day in days_between(END_US - VISITOR_DAYS * DAY_US, END_US, ZONE):
        vault.seal_period(COMMUNITY, day, "bench", b"makes the day's keys")
    with writing(world.engine) as connection:
        connection.execute(
            insert(community).values(id=COMMUNITY, code="bench", name="评测社区", created_at=0)
        )
        goes_live(connection, COMMUNITY, BEGIN_US)
        connection.execute(insert(site).values(name=SITE, community_id=COMMUNITY, created_at=0))
        doors = json.dumps(
            [{"door": f"door-{n}", "label": f"door {n}", "readers": []} for n in range(1, DOORS + 1)]
        )
        for number in range(1, GATEWAYS + 1):
            values = {"site": SITE, "name": f"gateway-{number}", "first_heard_at": 1, "doors": doors}
            connection.execute(insert(gateway).values(values))
        rooms = range(1, PEOPLE // A_ROOM + 2)
        plain = {"community_id": COMMUNITY, "kind": "room", "pinyin": "", "initials": "", "from_at": 0}
        connection.execute(
            insert(place), [{"id": n, "name": str(n), "sort_key": str(n), **plain} for n in rooms]
        )
        for who in range(PEOPLE):
            index = vault.register_index(COMMUNITY, "id_number", number_of(who))
            kept.append(
                {"id": who + 1, "community_id": COMMUNITY, "state": "registered", "category": "resident"}
                | {"document_type": "resident_id", "sealed": b"-", "number_index": index, "name_index": b"-"}
                | {"created_at": 0, "changed_at": 0}
            )
        connection.execute(insert(person), kept)
        own = {"community_id": COMMUNITY, "from_at": 0}
        people = range(PEOPLE)
        connection.execute(
            insert(holder), [{"person_id": n + 1, "reference": f"H-{n}", **own} for n in people]
        )
        lives = {**own, "relation": "owner", "registered_at": 0, "registered_by": 1}
        connection.execute(
            insert(residency), [{"person_id": n + 1, "place_id": n // A_ROOM + 1, **lives} for n in people]
        )
