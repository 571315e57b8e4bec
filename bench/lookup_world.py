"""A community whose gateways have recorded for half a year: what `bench lookups` asks about.

Drawn and written by the database itself, in the order of time: ten millions take minutes so, and not hours.
People are invented; area code 000000 was never given to anybody.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, TextClause, func, insert, select, text

from bench.assessed import goes_live
from central.identity.periods import DAY_US, days_between
from central.identity.ring import make_ring
from central.identity.suites import INTERNATIONAL
from central.identity.vault import Vault
from central.register.person_identity import check_character
from central.store.engine import reading, writing
from central.store.months import make_months
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
_TOGETHER: Final = 250_000
_AT_HOME: Final = 0.8
_HASH = bytes(32)
_UNREGISTERED, _DENIED, _UNKNOWN, _REMOTE = 0.06, 0.10, 0.12, 0.1201
"""Shares, each with those before it: visitors, residents and strangers refused, doors opened from afar."""

_NO_CARD: Final = f"(share >= {_UNKNOWN} AND share < {_REMOTE})"
_A_STRANGER: Final = f"(share < {_UNREGISTERED} OR share >= {_DENIED} AND share < {_UNKNOWN})"


@dataclass(frozen=True, slots=True)
class World:
    engine: Engine
    vault: Vault


def number_of(who: int) -> str:
    """One that an ID card could have; nobody's, as no place has its area code."""
    body = f"000000{1950 + who // 1_000}0101{who % 1_000:03}"
    return body + check_character(body)


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
    """Up to so many, over the whole half year: worlds of a tenth and of all are alike. Their indexes but the
    keys are made when all are there."""
    engine = world.engine
    with reading(engine) as connection:
        there = connection.execute(select(func.count()).select_from(record)).scalar_one()
    if there >= records:
        return
    with writing(engine) as connection:
        for index in record.indexes:
            index.drop(connection, checkfirst=True)
        if engine.dialect.name == "postgresql":
            make_months(connection, range(BEGIN_US, END_US, DAY_US))
    for first in range(there, records, _TOGETHER):
        last = min(first + _TOGETHER, records) - 1
        with writing(engine) as connection:
            connection.execute(_records(engine.dialect.name), {"first": first, "last": last, "all": records})
    with writing(engine) as connection:
        connection.execute(_envelopes(engine.dialect.name))
        for index in sorted(record.indexes, key=lambda index: str(index.name)):
            index.create(connection)
    _say_complete(world)


def _say_complete(world: World) -> None:
    """As the ingest notes it: each gateway's records without a hole."""
    last = select(record.c.gateway_id, func.max(record.c.seq)).group_by(record.c.gateway_id)
    with writing(world.engine) as connection:
        for number, last_seq in connection.execute(last).all():
            own = {"gateway_id": number, "epoch": 1}
            run = {"first": 1, "last": last_seq, "first_prev": _HASH, "last_hash": _HASH}
            connection.execute(insert(segment).values(**own, **run))
            connection.execute(insert(epoch_head).values(**own, oldest=1, head=last_seq, hash=_HASH, held=1))


@dataclass(frozen=True, slots=True)
class _Words:
    """What one engine says otherwise than the other."""

    series: str
    draw: str  # a whole number below {0}
    drawn_bytes: str  # 16 of them
    known_bytes: str  # 16 of them, always the same of a person
    zeros: str  # {0} bytes
    day: str  # of a record's time, where the community is


_WORDS: Final = {
    "sqlite": _Words(
        "(WITH RECURSIVE n(n) AS (VALUES (:first) UNION ALL SELECT n + 1 FROM n WHERE n < :last)"
        " SELECT n FROM n)",
        "abs(random() % {0})",
        "randomblob(16)",
        "CAST(printf('%016d', who) AS BLOB)",
        "zeroblob({0})",
        "strftime('%Y-%m-%d', at / 1000000 + 28800, 'unixepoch')",
    ),
    "postgresql": _Words(
        "(SELECT generate_series(CAST(:first AS bigint), :last) AS n)",
        "CAST(floor(random() * {0}) AS bigint)",
        "uuid_send(gen_random_uuid())",
        "convert_to(lpad(CAST(who AS text), 16, '0'), 'UTF8')",
        "decode(repeat('00', {0}), 'hex')",
        "to_char(to_timestamp(at / 1000000) AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD')",
    ),
}


def _records(dialect: str) -> TextClause:
    """Rows `first` to `last` of `all`, in the order of time, drawn and written by the database itself."""
    words = _WORDS[dialect]
    names = [column.name for column in record.columns if column.name != "id"]
    values = {
        "gateway_id": "home",
        "epoch": "1",
        "seq": f"n / {GATEWAYS} + 1",
        "kind": f"CASE WHEN share < {_UNREGISTERED} THEN 'access_granted' WHEN share < {_UNKNOWN} THEN"
        f" 'access_denied' WHEN share < {_REMOTE} THEN 'remote_release' ELSE 'access_granted' END",
        "at": "at",
        "boot": words.zeros.format(8),
        "uptime_us": f"at - {BEGIN_US}",
        "clock": "'synced'",
        "door": "'door-' || door",
        "reader": "'reader-' || door",
        "direction": "'in'",
        "credential": f"CASE WHEN {_NO_CARD} THEN NULL ELSE 'id_card' END",
        "token": f"CASE WHEN {_NO_CARD} THEN NULL WHEN {_A_STRANGER} THEN {words.drawn_bytes} ELSE"
        f" {words.known_bytes} END",
        "assurance": f"CASE WHEN {_NO_CARD} THEN NULL ELSE 'L3' END",
        "hint": f"CASE WHEN {_NO_CARD} THEN NULL ELSE '0000' END",
        "holder": f"CASE WHEN {_NO_CARD} OR {_A_STRANGER} THEN NULL ELSE 'H-' || who END",
        "category": f"CASE WHEN {_NO_CARD} OR {_A_STRANGER} THEN NULL ELSE 'resident' END",
        "reason": f"CASE WHEN share < {_UNREGISTERED} THEN 'verified_id'"
        f" WHEN share < {_DENIED} THEN 'no_right' WHEN share < {_UNKNOWN} THEN 'unknown_credential'"
        f" WHEN {_NO_CARD} THEN 'command' ELSE 'listed' END",
        "list_version": "7",
        "list_age_s": "60",
        "identity": f"CASE WHEN share < {_UNREGISTERED} THEN {words.zeros.format(32)} END",
        "hash": f"{words.drawn_bytes} || {words.drawn_bytes}",
    }
    # concatenating makes text of SQLite's bytes
    values["hash"] = "randomblob(32)" if dialect == "sqlite" else values["hash"]
    at_home, anywhere = words.draw.format(PEOPLE // GATEWAYS), words.draw.format(PEOPLE)
    seconds = DAYS * DAY_US // 1_000_000
    drawn = (
        f"SELECT n, n % {GATEWAYS} + 1 AS home,"  # noqa: S608  ours
        f" {BEGIN_US} + n * {seconds} / :all * 1000000 + {words.draw.format(1_000_000)} AS at,"
        f" {words.draw.format(DOORS)} + 1 AS door,"
        f" {words.draw.format(10_000)} / 10000.0 AS share,"
        f" CASE WHEN {words.draw.format(100)} < {_AT_HOME * 100} THEN {at_home} * {GATEWAYS} + n % {GATEWAYS}"
        f" ELSE {anywhere} END AS who FROM {words.series} AS series"
    )
    chosen = ", ".join(values.get(name, "NULL") for name in names)
    return text(
        f"INSERT INTO record ({', '.join(names)}) WITH drawn AS MATERIALIZED ({drawn})"  # noqa: S608  ours
        f" SELECT {chosen} FROM drawn"
    )


def _envelopes(dialect: str) -> TextClause:
    """Of the visitors whose keys are not destroyed. Sealed with nothing: the index alone is asked for."""
    words = _WORDS[dialect]
    names = "gateway_id, epoch, seq, community_id, period, at, sealing_key, hash, number_index, sealed, waits"
    values = (
        f"{COMMUNITY}, {words.day}, at, 'bench', identity, {words.drawn_bytes}, {words.zeros.format(1)}, 0"
    )
    return text(
        f"INSERT INTO envelope ({names}) SELECT gateway_id, epoch, seq, {values} FROM record"  # noqa: S608  ours
        f" WHERE identity IS NOT NULL AND at >= {END_US - VISITOR_DAYS * DAY_US}"
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
