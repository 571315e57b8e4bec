"""A community from a workbook into the register, as a page does it: brought, previewed, agreed to, imported.

`python -m bench import [--people 50000] [--engine sqlite|postgresql|both] [--form xlsx|csv]`. Through the
API of the application, with the service of the centre that does the work on a thread of its own, on a
database with its durable settings. Counted from the first byte that is sent until the import says that it is
done, with consent given at once; PASS where that is under a minute on each engine, progress was told on the
way, and every person, home and card is there. Beside it stand the longest time for which the writer's
connection was held at once, as records that come meanwhile wait for that, and bringing the same file again.
Figures taken beside other work mean nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import io
import resource
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx
import xlsxwriter  # type: ignore[import-untyped]
from fastapi import Request
from sqlalchemy import Engine, event, func, select

from bench.assessed import goes_live
from bench.limits import UNLIMITED
from bench.postgres import Postgres
from bench.report import save, show
from bench.verdict import conclude
from central.accounts.second_factor import Sealer
from central.accounts.who import Role, Who
from central.app import create_app
from central.identity.ring import make_ring
from central.identity.suites import INTERNATIONAL, Key
from central.identity.vault import Vault
from central.ingest.service import IngestStatus
from central.register.communities import add_site, create_community
from central.register.desk import desk_of
from central.register.imports.service import ImportService
from central.register.place_tree import root_of
from central.register.places import place_door
from central.settings import Settings
from central.store.engine import migrate, open_reader, open_writer, reading, writing
from central.store.register_tables import credential, person, place, residency

GOAL_S: Final = 60.0
PEOPLE: Final = 50_000
_A_HOME, _A_FLOOR, _A_UNIT, _A_BUILDING = 3, 4, 60, 240
_SITE: Final = "bench"
_GATEWAYS: Final = 20
_ZONE: Final = ZoneInfo("Asia/Shanghai")
_LOOK_S: Final = 0.2
_BEGUN_ON_THE_WAY_AND_ENDED: Final = 3
_HEADINGS: Final = [
    *("小区", "楼栋", "单元", "室", "姓名", "证件号码"),
    *("电话", "与房屋关系", "入住日期", "卡类型", "卡号"),
]
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench import", description=__doc__)
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--engine", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--form", choices=("xlsx", "csv"), default="xlsx")
    arguments = parser.parse_args(words)
    data = _file(arguments.people, arguments.form)
    print(f"{arguments.people:,} people in {len(data) / 1e6:.1f} MB of {arguments.form}", flush=True)
    engines = ("sqlite", "postgresql") if arguments.engine == "both" else (arguments.engine,)
    found: dict[str, dict[str, Any]] = {}
    failures: list[str] = []
    for engine in engines:
        with tempfile.TemporaryDirectory(prefix="liuhen-import-") as name, _store(engine, Path(name)) as url:
            found[engine] = _Town(url, Path(name)).measure(data)
        failures += [f"{engine}: {each}" for each in _wrong(found[engine], arguments.people)]
    rows = [(name, *(found[engine][name] for engine in engines)) for name in found[engines[0]]]
    show(f"Import of {arguments.people:,} people", ("", *engines), rows)
    save("import", {"people": arguments.people, "form": arguments.form, "goal_s": GOAL_S, **found})
    return conclude(failures)


def _wrong(figures: dict[str, Any], people: int) -> Iterator[str]:
    if figures["whole, s"] > GOAL_S:
        yield f"took {figures['whole, s']:.1f} s, the goal is {GOAL_S:.0f} s"
    for what in ("people", "homes", "cards"):
        if figures[what] != people:
            yield f"{figures[what]} {what} are there and not {people}"
    if figures["same again"] != people:
        yield f"of the same file only {figures['same again']} rows were found to be there"
    if figures["progress told"] < _BEGUN_ON_THE_WAY_AND_ENDED:
        yield "no progress was told on the way"


@dataclass
class _Town:
    """A centre that serves one community, without a listener."""

    url: str
    folder: Path

    def measure(self, data: bytes) -> dict[str, Any]:
        writer = open_writer(self.url)
        migrate(writer)
        reader = open_reader(self.url)
        longest = _Longest(writer)
        make_ring(self.folder / "ring", INTERNATIONAL)
        vault = Vault.of(self.folder / "ring", INTERNATIONAL)
        vault.keep_site_key(_SITE, b"k" * 32)
        community = _founded(writer, vault)
        service = ImportService(writer, reader, vault, _ZONE, _now_us)
        service.start()
        app = _app(reader, writer, vault, community)
        try:
            return asyncio.run(self._through_api(app, community, data, longest))
        finally:
            service.stop()
            reader.dispose()
            writer.dispose()

    async def _through_api(self, app: Any, community: int, data: bytes, longest: _Longest) -> dict[str, Any]:
        inside = httpx.ASGITransport(app=app)
        here = f"http://localhost/api/v1/communities/{community}/imports"
        async with httpx.AsyncClient(transport=inside, timeout=600.0) as client:
            begun_s = time.perf_counter()
            number = (await client.post(here, content=data)).raise_for_status().json()["id"]
            preview, _ = await _until(client, f"{here}/{number}", "preview")
            previewed_s = time.perf_counter()
            print(f"read and previewed after {previewed_s - begun_s:.1f} s", flush=True)
            longest.seconds = 0.0
            agreed = await client.post(f"{here}/{number}/consent", json={"without_wrong": True})
            agreed.raise_for_status()
            done, told = await _until(client, f"{here}/{number}", "done")
            done_s = time.perf_counter()
            print(f"imported after {done_s - begun_s:.1f} s", flush=True)
            longest_s = longest.seconds
            again = (await client.post(here, content=data)).raise_for_status().json()["id"]
            same, _ = await _until(client, f"{here}/{again}", "preview")
            same_s = time.perf_counter()
        return {
            "reading and preview, s": previewed_s - begun_s,
            "importing, s": done_s - previewed_s,
            "whole, s": done_s - begun_s,
            "longest transaction, ms": longest_s * 1e3,
            "the same file again, s": same_s - done_s,
            "same again": same["rows"]["same"],
            "new": preview["rows"]["new"],
            "imported": done["progress"]["done"],
            "progress told": told,
            **self._there(),
            "memory, MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }

    def _there(self) -> dict[str, int]:
        tables = {"people": person, "homes": residency, "cards": credential, "places": place}
        engine = open_reader(self.url)
        with reading(engine) as connection:
            found = {
                name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
                for name, table in tables.items()
            }
        engine.dispose()
        return found


class _Longest:
    """How long the writer's connection was held at a time, at the most."""

    def __init__(self, engine: Engine) -> None:
        self.seconds = 0.0
        self._since = 0.0
        event.listen(engine, "checkout", self._out)
        event.listen(engine, "checkin", self._in)

    def _out(self, *_: object) -> None:
        self._since = time.perf_counter()

    def _in(self, *_: object) -> None:
        self.seconds = max(self.seconds, time.perf_counter() - self._since)


async def _until(client: httpx.AsyncClient, address: str, state: str) -> tuple[dict[str, Any], int]:
    """The answer that says so, and how many different states of progress were told on the way. Raises
    RuntimeError where it stops otherwise."""
    told: set[int] = set()
    while True:
        answer: dict[str, Any] = (await client.get(address)).raise_for_status().json()
        told.add(answer["progress"]["done"])
        if answer["state"] == state:
            return answer, len(told)
        if answer["trouble"] is not None:
            raise RuntimeError(answer["trouble"])
        await asyncio.sleep(_LOOK_S)


def _app(reader: Engine, writer: Engine, vault: Vault, community: int) -> Any:
    app = create_app(
        Settings.model_validate({"database": {"path": "bench"}, "limits": UNLIMITED}),
        reader,
        writer,
        sealer=Sealer(Key(bytes(8), INTERNATIONAL, bytes(32))),
        ingest_status=lambda: IngestStatus(True, None, 0, 0),  # noqa: FBT003
        stopping=threading.Event(),
        vault=vault,
    )

    async def identify(_request: Request) -> Who:
        return Who(1, Role.WORKER, frozenset({community}))

    app.state.identify = identify
    return app


def _founded(writer: Engine, vault: Vault) -> int:
    """A community whose gates lead into it."""
    with writing(writer) as connection:
        made = create_community(connection, vault, "000000001", "枫园社区", account=0, now_us=_now_us())
        goes_live(connection, made, _now_us())
        desk = desk_of(connection, vault, made, account=0, now_us=_now_us())
        add_site(desk, _SITE)
        root = root_of(connection, made).id
        for number in range(_GATEWAYS):
            place_door(desk, _SITE, f"gate-{number}", "gate", root)
    return made


@contextmanager
def _store(engine: str, folder: Path) -> Iterator[str]:
    if engine == "sqlite":
        yield f"sqlite:///{folder / 'central.sqlite'}"
        return
    folder.chmod(0o755)
    server = Postgres(folder / "postgres")
    try:
        yield server.start("imports")
    finally:
        server.stop()


def _file(people: int, form: str) -> bytes:
    rows = [_HEADINGS, *map(_person, range(people))]
    if form == "csv":
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        return text.getvalue().encode()
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True, "constant_memory": True})
    sheet = book.add_worksheet()
    for at, row in enumerate(rows):
        for column, cell in enumerate(row):
            sheet.write_string(at, column, cell)
    book.close()
    return made.getvalue()


def _person(who: int) -> list[str]:
    """Invented; area code 000000 was never given to anybody."""
    home = who // _A_HOME
    return [
        "枫园小区",
        f"{home // _A_BUILDING + 1} 号楼",
        f"{home // _A_UNIT % (_A_BUILDING // _A_UNIT) + 1} 单元",
        f"{home % _A_UNIT // _A_FLOOR + 1}{home % _A_FLOOR + 1:02}",
        f"王{chr(0x4E00 + who % 3000)}",
        _number(who),
        f"138{who:08}",
        ("业主", "家人", "家人")[who % _A_HOME],
        "2026-01-05",
        "IC卡",
        f"04{who:06X}",
    ]


def _number(who: int) -> str:
    day, serial = divmod(who, 1000)
    body = f"000000{1950 + day % 60}{day // 60 % 12 + 1:02}01{serial:03}"
    return body + "10X98765432"[sum(w * int(digit) for w, digit in zip(_WEIGHTS, body, strict=True)) % 11]


def _now_us() -> int:
    return time.time_ns() // 1_000
