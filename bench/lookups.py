"""Look-ups in a store of millions: bare in the store, cold and warm, and through the API with their rows.

`python -m bench lookups --records 10000000 --engine sqlite|postgresql`. A tenth of the records is measured
first, so that the growth shows. Of each question the p95 of many subjects: what the register resolves, the
first page of 25, and how complete its gateways are, as a look-up does it. Cold: the database's files were
dropped from memory before each one, a server was started anew, and one question about somebody else went
before. Through the API: from the request to the whole answer, with both rows of the register committed in
between.
Figures taken beside other work mean nothing. Filling takes minutes: `--fill` does that alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
from fastapi import Request
from sqlalchemy import Connection, Engine, insert

from bench.limits import UNLIMITED
from bench.lookup_world import (
    A_ROOM,
    COMMUNITY,
    DOORS,
    END_US,
    GATEWAYS,
    PEOPLE,
    SITE,
    ZONE,
    fill,
    number_of,
    open_world,
)
from bench.postgres import Postgres
from bench.report import quantile, save, show
from central.accounts.second_factor import Sealer
from central.accounts.who import Role, Who
from central.app import create_app
from central.identity.periods import DAY_US
from central.identity.suites import INTERNATIONAL, Key
from central.identity.vault import Vault
from central.ingest.service import IngestStatus
from central.lookup.paging import Window
from central.lookup.rules import Asker, Asking
from central.lookup.service import LookUps
from central.lookup.states import row_of
from central.lookup.words import Asked, Basis, Purpose
from central.settings import Settings
from central.store.account_tables import account
from central.store.changes import Changes
from central.store.engine import migrate, open_reader, open_writer, reading, writing
from central.store.questions import Questions
from central.times import utc_text

QUESTIONS: Final = (Asked.PERSON, Asked.DOOR, Asked.ROOM, Asked.UNREGISTERED)
_COLD, _WARM, _API = 30, 200, 100
_SHORT: Final = {"cold": 3, "warm": 10, "api": 10}
_FULL: Final = {"cold": _COLD, "warm": _WARM, "api": _API}
GOALS_MS: Final = {"cold": 25.0, "warm": 10.0, "api": 100.0}
_AN_ACCOUNT: Final = 15
"""Look-ups before another officer asks: nobody may more often."""


def main(words: list[str]) -> int:
    arguments = _arguments(words)
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="liuhen-lookups-"))
    folder.mkdir(parents=True, exist_ok=True)
    counts = _SHORT if arguments.short else _FULL
    figures = _figures_in(folder)
    for records in arguments.only or (arguments.records // 10, arguments.records):
        of_this = folder / str(records)
        of_this.mkdir(exist_ok=True)
        with _store(arguments.engine, of_this) as store:
            begun_s = time.monotonic()
            store.open(partial(_filled, folder=of_this, records=records))
            store.settle()
            print(f"{records:,} records are there after {time.monotonic() - begun_s:.0f} s", flush=True)
            if not arguments.fill:
                figures[str(records)] = _measured(store, of_this, counts)
                _keep(folder, figures)
    if figures:
        rows = list(_rows(figures))
        show(f"Look-ups on {arguments.engine}: p95, ms", ("question", "", *figures, "goal", "met"), rows)
        save(f"lookups-{arguments.engine}", {"short": arguments.short, "p95_ms": figures})
    print(f"everything is in {folder}")
    return 0


class _Sqlite:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "central.sqlite"
        self.url = f"sqlite:///{self._path}"

    def open(self, work: Callable[[Engine], Any]) -> Any:
        """With the one that writes."""
        engine = open_writer(self.url)
        try:
            migrate(engine)
            return work(engine)
        finally:
            engine.dispose()

    def settle(self) -> None:
        """As a server does it by itself after a while: here SQLite has nothing of the kind."""

    def forget(self) -> None:
        """What memory holds of the files."""
        for path in self._path.parent.glob(f"{self._path.name}*"):
            _drop(path)

    def close(self) -> None:
        """Nothing runs."""


class _Postgres(_Sqlite):
    def __init__(self, folder: Path) -> None:
        self._server = Postgres(folder / "postgres")
        self.url = self._server.start("lookups")

    def open(self, work: Callable[[Engine], Any]) -> Any:
        engine = open_writer(self.url)
        try:
            migrate(engine)
            return work(engine)
        finally:
            engine.dispose()

    def settle(self) -> None:
        engine = open_writer(self.url).execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
        engine.dispose()

    def forget(self) -> None:
        self._server.stop()
        for path in self._server.data.rglob("*"):
            if path.is_file():
                _drop(path)
        self._server.start("lookups")

    def close(self) -> None:
        self._server.stop()


@contextmanager
def _store(engine: str, folder: Path) -> Iterator[_Sqlite]:
    made = _Sqlite(folder) if engine == "sqlite" else _Postgres(folder)
    try:
        yield made
    finally:
        made.close()


def _drop(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)  # only what is on the disk can be dropped
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)


def _measured(store: _Sqlite, folder: Path, counts: dict[str, int]) -> dict[str, dict[str, float]]:
    """p95 in milliseconds by question and way."""
    found: dict[str, dict[str, float]] = {}
    vault = store.open(partial(open_world, folder=folder)).vault
    for asked in QUESTIONS:
        drawn = random.Random(asked)
        subjects = [_asking(asked, drawn) for _ in range(max(counts.values()))]
        numbers = store.open(partial(_written, folder=folder, subjects=subjects))
        cold = _cold(store, vault, numbers[: counts["cold"]])
        warm = _warm(store, vault, numbers[: counts["warm"]])
        through = partial(_through_api, url=store.url, folder=folder, subjects=subjects[: counts["api"]])
        api = store.open(through)
        ways = {"cold": cold, "warm": warm, "api": api}
        found[asked] = {way: quantile(times, 0.95) * 1e3 for way, times in ways.items()}
        found[asked] |= {f"{way} median": quantile(times, 0.5) * 1e3 for way, times in ways.items()}
        print(asked, {way: round(value, 2) for way, value in found[asked].items()}, flush=True)
    return found


def _asking(asked: Asked, drawn: random.Random) -> Asking:
    until_us = END_US - drawn.randrange(20) * DAY_US
    where: dict[str, Any] = {"site": SITE, "gateway": f"gateway-{drawn.randint(1, GATEWAYS)}"}
    days = 1
    match asked:
        case Asked.PERSON:
            where, days = {"number": number_of(drawn.randrange(PEOPLE))}, 7
        case Asked.ROOM:
            where, days = {"room": drawn.randrange(PEOPLE // A_ROOM) + 1}, 7
        case Asked.DOOR:
            where["door"] = f"door-{drawn.randint(1, DOORS)}"
    window = Window(until_us - days * DAY_US, until_us)
    plain = Asking(asked, COMMUNITY, Purpose.MISSING_PERSON, Basis.PEOPLES_POLICE, "BENCH-1", window)
    return replace(plain, **where)


def _look_ups(engine: Engine, vault: Vault) -> LookUps:
    return LookUps(Changes(engine), Questions(engine), vault, ZONE, lambda: END_US)


def _filled(engine: Engine, folder: Path, records: int) -> None:
    fill(open_world(engine, folder), records)


def _written(engine: Engine, folder: Path, subjects: list[Asking]) -> list[int]:
    """Rows of look-ups; their numbers."""
    look_ups = _look_ups(engine, open_world(engine, folder).vault)
    asker = Asker(1, "officer", "bench", frozenset({COMMUNITY}))
    with writing(engine) as connection:
        return [look_ups.write(connection, asker, each, END_US) for each in subjects]


def _cold(store: _Sqlite, vault: Vault, numbers: list[int]) -> list[float]:
    """Keys stay in memory, as in a centre that serves. Each time another question went before: the connection
    and what all questions read are there, and what this one alone reads is not."""
    times = []
    for before, number in zip(numbers[1:] + numbers[:1], numbers, strict=True):
        store.forget()
        reader = open_reader(store.url)
        try:
            look_ups = _look_ups(reader, vault)
            _timed(reader, look_ups, before)
            times.append(_timed(reader, look_ups, number))
        finally:
            reader.dispose()
    return times


def _warm(store: _Sqlite, vault: Vault, numbers: list[int]) -> list[float]:
    """Each is asked twice, and the second time counts."""
    reader = open_reader(store.url)
    look_ups = _look_ups(reader, vault)
    try:
        for number in numbers:
            _timed(reader, look_ups, number)
        return [_timed(reader, look_ups, number) for number in numbers]
    finally:
        reader.dispose()


def _timed(reader: Engine, look_ups: LookUps, number: int) -> float:
    def asked(connection: Connection) -> None:
        look_ups.find(connection, row_of(connection, number))

    begun_s = time.perf_counter()
    with reading(reader) as connection:
        asked(connection)
    return time.perf_counter() - begun_s


def _through_api(engine: Engine, url: str, folder: Path, subjects: list[Asking]) -> list[float]:
    reader = open_reader(url)
    world = open_world(engine, folder)
    app = create_app(
        Settings.model_validate({"database": {"path": "bench"}, "limits": UNLIMITED}),
        reader,
        engine,
        sealer=Sealer(Key(bytes(8), INTERNATIONAL, bytes(32))),
        ingest_status=lambda: IngestStatus(True, None, 0, 0),  # noqa: FBT003
        stopping=threading.Event(),
        vault=world.vault,
    )
    first = _accounts(engine, len(subjects) // _AN_ACCOUNT + 1)

    async def identify(request: Request) -> Who:
        return Who(first + int(request.headers["turn"]) // _AN_ACCOUNT, Role.OFFICER, frozenset({COMMUNITY}))

    app.state.identify = identify
    try:
        return asyncio.run(_asked_all(app, subjects))
    finally:
        reader.dispose()


async def _asked_all(app: Any, subjects: list[Asking]) -> list[float]:
    times = []
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://localhost"
    ) as client:
        for turn, asking in enumerate(subjects):
            body = {
                "question": asking.asked,
                "community": asking.community,
                "purpose": asking.purpose,
                "basis": asking.basis,
                "case_number": asking.case_number,
                "from": utc_text(asking.window.from_us),
                "until": utc_text(asking.window.until_us),
                **{name: value for name in _PLACES if (value := getattr(asking, name)) is not None},
            }
            begun_s = time.perf_counter()
            answer = await client.post("/api/v1/look-ups", json=body, headers={"turn": str(turn)})
            times.append(time.perf_counter() - begun_s)
            answer.raise_for_status()
    return times


_PLACES: Final = ("site", "gateway", "door", "room", "number")


def _accounts(engine: Engine, count: int) -> int:
    """New officers, who have asked nothing yet; the number of the first."""
    with writing(engine) as connection:
        numbers = []
        for _ in range(count):
            values = {"login": os.urandom(8).hex(), "name": "-", "role": "officer", "unit": "bench"}
            made = connection.execute(insert(account).values(**values, second_step=0, made_at=1))
            numbers.append(int(made.inserted_primary_key[0]))  # type: ignore[index]
    return numbers[0]


def _rows(figures: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    largest = list(figures.values())[-1]
    for asked, ways in largest.items():
        for way, goal in GOALS_MS.items():
            values = [found[asked][way] for found in figures.values()]
            yield (asked, way, *values, f"≤ {goal:g}", "yes" if ways[way] <= goal else "no")


def _figures_in(folder: Path) -> dict[str, Any]:
    kept = folder / "figures.json"
    return dict(json.loads(kept.read_text())) if kept.exists() else {}


def _keep(folder: Path, figures: dict[str, Any]) -> None:
    (folder / "figures.json").write_text(json.dumps(figures))


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./liuhen bench lookups", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--folder", type=Path, help="kept between runs; what is there is not filled again")
    parser.add_argument("--only", type=int, action="append", help="this number of records; once for each")
    parser.add_argument("--fill", action="store_true", help="measure nothing")
    parser.add_argument("--short", action="store_true", help="few of each, to see that it runs")
    return parser.parse_args(words)
