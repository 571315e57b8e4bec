"""An officer at the look-up page of a centre with millions of records: a real browser, by keyboard alone.

`python -m bench browse --records 10000000 --engine sqlite|postgresql --folder FOLDER`; the folder is one that
`bench lookups` filled with so many, or is filled now. Of each question: from the page's first key, and from
the key that asks, to the answer painted; both read from the browser's own clock, with server and page in
between, and both rows of the register committed. Nobody types as fast as here: the first figure is what a
person waits for in all, without the pauses between their keys. Beside it what server and browser worked
meanwhile, in processor time of all their threads: where others are at work, that alone says something.
For a room its name is typed and sent at once: whoever pauses would see its rooms. `bare`: the same keys on
a page of nothing but a form, answered at once with a page of one line. Then what each page weighs at its
first load, without fonts.
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI, Request
from playwright.sync_api import Browser, Page, Response, sync_playwright
from sqlalchemy import Engine, func, insert, select, update

from bench.limits import UNLIMITED
from bench.lookup_world import (
    A_ROOM,
    COMMUNITY,
    DOORS,
    END_US,
    GATEWAYS,
    PEOPLE,
    SITE,
    fill,
    number_of,
    open_world,
)
from bench.postgres import Postgres
from bench.report import quantile, save, show, spread
from bench.shots import CHROMIUM, CHROMIUM_FLAGS
from central.accounts.second_factor import Sealer
from central.accounts.who import Role, Who
from central.app import create_app
from central.console.registry import all_pages
from central.identity.suites import INTERNATIONAL, Key
from central.identity.vault import Vault
from central.ingest.service import IngestStatus
from central.register.words import PlaceKind
from central.settings import Settings
from central.store.account_tables import account
from central.store.engine import migrate, open_reader, open_writer, reading, writing
from central.store.register_tables import place
from central.store.tables import record

GOAL_MS: Final = 500.0
MOST_BYTES: Final = 300_000
_MOST_MS: Final = 20_000.0
_SAY_EVERY: Final = 10
_ROOF: Final = 1_000_000
_AN_ACCOUNT: Final = 15
"""Look-ups before another officer asks: nobody may more often."""

_CLOCK: Final = """(() => {
  const now = () => performance.timeOrigin + performance.now();
  const note = name => { sessionStorage.setItem(name, now()); };
  addEventListener("keydown", event => {
    if (sessionStorage.getItem("first") === null) note("first");
    if (event.key === "Enter") note("asked");
  }, true);
  const painted = () => requestAnimationFrame(() => requestAnimationFrame(() => note("painted")));
  addEventListener("DOMContentLoaded", () => { if (document.querySelector(".answer")) painted(); });
})()"""
"""When the first key was pressed, when Enter was, and when an answer was painted: two frames after it was
there, the second of which shows it."""


class Served:
    """The centre's own application over that database, at a port of its own, and who asks there."""

    def __init__(self, writer: Engine, reader: Engine, vault: Vault) -> None:
        self._first = _officers(writer)
        self._asked = 0
        self.role = Role.OFFICER
        self._stopping = threading.Event()
        app = create_app(
            Settings.model_validate({"database": {"path": "bench"}, "limits": UNLIMITED}),
            reader,
            writer,
            sealer=Sealer(Key(bytes(8), INTERNATIONAL, bytes(32))),
            ingest_status=lambda: IngestStatus(True, None, 0, 0),  # noqa: FBT003
            stopping=self._stopping,
            vault=vault,
            signing=Ed25519PrivateKey.generate(),
            now_us=lambda: END_US,
        )
        app.state.identify = self._identify
        self._serve(app)

    async def _identify(self, _: Request) -> Who:
        number = self._first + self._asked // _AN_ACCOUNT
        return Who(number, self.role, frozenset({COMMUNITY}), 1, fresh=True)

    def next(self) -> None:
        """One more look-up is asked."""
        self._asked += 1

    def _serve(self, app: FastAPI) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(app, lifespan="off", log_config=None, ws="none", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="web")
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._server.should_exit = True
        self._thread.join()


def main(words: list[str]) -> int:
    arguments = _arguments(words)
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="liuhen-browse-"))
    with _a_centre(arguments.engine, folder, arguments.records) as served, _a_browser() as browser:
        times = {name: _asked(browser, served, way, arguments.times) for name, way in _WAYS.items()}
        with _a_bare_form() as address:
            served.address, kept = address, served.address
            times["bare"] = _asked(browser, served, _by_person, arguments.times)
            served.address = kept
        _say_times(times, arguments)
        weights = {page.name: _weight(browser, served, page.path, page.roles) for page in all_pages()}
    heaviest = sorted(weights.items(), key=lambda each: -each[1])
    worst = [(name, weight, MOST_BYTES, _met(weight <= MOST_BYTES)) for name, weight in heaviest[:8]]
    show(f"The heaviest of {len(weights)} pages at their first load", ("page", "bytes", "goal", "met"), worst)
    figures = {"records": arguments.records, "ms": times, "bytes": weights}
    save(f"browse-{arguments.engine}", figures)
    return 0


def _say_times(times: dict[str, dict[str, list[float]]], arguments: argparse.Namespace) -> None:
    title = f"Look-ups in the browser among {arguments.records:,} records on {arguments.engine}, ms"
    columns = ("question", "from", "median", "p95", "least", "most", "p95 goal", "met")
    show(title, columns, list(_rows(times)))


def _rows(times: dict[str, dict[str, list[float]]]) -> Iterator[tuple[object, ...]]:
    for name, ways in times.items():
        for way, values in ways.items():
            middle, least, most = spread(values)
            late = quantile(values, 0.95)
            goal = (GOAL_MS, _met(late <= GOAL_MS)) if way == "first key" else ("", "")
            yield name, way, middle, late, least, most, *goal


def _met(yes: bool) -> str:  # noqa: FBT001  a cell of a table
    return "yes" if yes else "no"


@contextmanager
def _a_centre(engine: str, folder: Path, records: int) -> Iterator[Served]:
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as opened:
        if engine == "sqlite":
            url = f"sqlite:///{folder / 'central.sqlite'}"
        else:
            server = Postgres(folder / "postgres")
            opened.callback(server.stop)
            url = server.start("lookups")
        writer = open_writer(url)
        opened.callback(writer.dispose)
        migrate(writer)
        world = open_world(writer, folder)
        if _there(writer) < records:
            fill(world, records)
            with writer.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                connection.exec_driver_sql("ANALYZE")
        _under_one_roof(writer)
        reader = open_reader(url)
        opened.callback(reader.dispose)
        served = Served(writer, reader, world.vault)
        opened.callback(served.stop)
        yield served


def _there(writer: Engine) -> int:
    """By the last one's number: to count them all takes long."""
    with reading(writer) as connection:
        return connection.execute(select(func.max(record.c.id))).scalar() or 0


def _under_one_roof(writer: Engine) -> None:
    """A room is found by its name where it lies in something; in that world none does."""
    with writing(writer) as connection:
        if connection.execute(select(place.c.id).where(place.c.id == _ROOF)).first() is None:
            plain = {"community_id": COMMUNITY, "pinyin": "", "initials": "", "from_at": 0}
            roof = {"id": _ROOF, "kind": PlaceKind.COMMUNITY, "name": "-", "sort_key": "", **plain}
            connection.execute(insert(place).values(roof))
            connection.execute(update(place).where(place.c.id != _ROOF).values(parent_id=_ROOF))


@contextmanager
def _a_browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()


def _officers(writer: Engine, count: int = 60) -> int:
    """New ones, who have asked nothing yet; the number of the first."""
    with writing(writer) as connection:
        numbers = []
        for _ in range(count):
            values = {"login": os.urandom(8).hex(), "name": "-", "role": Role.OFFICER, "unit": "bench"}
            made = connection.execute(insert(account).values(**values, second_step=0, made_at=1))
            numbers.append(int(made.inserted_primary_key[0]))  # type: ignore[index]
    return numbers[0]


# --- by keyboard ----------------------------------------------------------------------------------------

Way = Callable[[Page, random.Random], None]


def _purpose_and_case(page: Page) -> None:
    page.keyboard.press("Space")  # the first purpose, which has the focus
    page.keyboard.press("Tab")
    page.keyboard.type("BENCH-2026-1")


def _by_person(page: Page, drawn: random.Random) -> None:
    _purpose_and_case(page)
    page.locator("#number").focus()
    page.keyboard.type(number_of(drawn.randrange(PEOPLE)))
    page.keyboard.press("Enter")


def _by_door(page: Page, drawn: random.Random) -> None:
    place = f"{SITE}/gateway-{drawn.randint(1, GATEWAYS)}/door-{drawn.randint(1, DOORS)}"
    _purpose_and_case(page)
    page.locator("[name=question][value=door]").press("Space")
    page.locator("#place").select_option(place)
    page.locator("[name=span][value=day]").press("Space")
    page.keyboard.press("Enter")


def _by_room(page: Page, drawn: random.Random) -> None:
    _purpose_and_case(page)
    page.locator("[name=question][value=room]").press("Space")
    page.locator("#room_name").focus()
    page.keyboard.type(str(drawn.randrange(1_000, PEOPLE // A_ROOM) + 1))  # that only one is called
    page.keyboard.press("Enter")


_WAYS: Final[dict[str, Way]] = {"person": _by_person, "door, a day": _by_door, "room": _by_room}


def _asked(browser: Browser, served: Served, way: Way, times: int) -> dict[str, list[float]]:
    """Milliseconds of each, after two that count for nothing: a browser that was just started, a store that
    was just opened."""
    drawn = random.Random(way.__name__)
    found: dict[str, list[float]] = {name: [] for name in ("first key", "Enter", "server", "browser")}
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(_MOST_MS)
    context.add_init_script(_CLOCK)
    page = context.new_page()
    for turn in range(times + 2):
        served.next()
        page.goto(f"{served.address}/look-up?lang=zh", wait_until="load")
        page.evaluate("sessionStorage.clear()")
        page.locator("[name=purpose]").first.focus()
        before = _worked_ms()
        way(page, drawn)
        page.wait_for_function("() => sessionStorage.getItem('painted') !== null")
        worked = [now - then for now, then in zip(_worked_ms(), before, strict=True)]
        noted = page.evaluate("Object.fromEntries(Object.entries(sessionStorage))")
        if turn > 1:
            painted = float(noted["painted"])
            found["first key"].append(painted - float(noted["first"]))
            found["Enter"].append(painted - float(noted["asked"]))
            found["server"].append(worked[0])
            found["browser"].append(worked[1])
            if turn % _SAY_EVERY == 0:
                print(f"{way.__name__}: {turn} of {times}", flush=True)
    context.close()
    return found


def _worked_ms() -> tuple[float, float]:
    """Of the server, which is every thread of ours but this one, and of the browser's processes."""
    server_s = time.process_time() - time.thread_time()
    return server_s * 1e3, sum(_ran_ms(each) for each in _below(os.getpid()) if _is_browser(each))


def _below(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # it has just ended
            for child in (task / "children").read_text().split():
                yield int(child)
                yield from _below(int(child))


def _is_browser(pid: int) -> bool:
    with suppress(OSError):
        return b"chromium" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
    return False


def _ran_ms(pid: int) -> float:
    """On all of its threads."""
    ran_ns = 0
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            ran_ns += int((task / "schedstat").read_text().split()[0])
    return ran_ns / 1e6


class _Bare(BaseHTTPRequestHandler):
    """A form, and an answer to it; nothing is looked up."""

    def do_GET(self) -> None:
        fields = "<input name=purpose><input name=case_number><input id=number>"
        self._say(f"<form method=post>{fields}<button>-</button></form>")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._say("<p class=answer>-</p>")

    def _say(self, body: str) -> None:
        whole = f"<!doctype html><title>-</title>{body}".encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(whole)))
        self.end_headers()
        self.wfile.write(whole)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def _a_bare_form() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Bare) as server:
        thread = threading.Thread(target=server.serve_forever, name="bare")
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


# --- by weight ------------------------------------------------------------------------------------------


def _weight(browser: Browser, served: Served, path: str, roles: frozenset[Role]) -> int:
    """Bytes of everything that a first load brings, as they are served; fonts are the system's own."""
    served.role = next(role for role in Role if role in roles)
    context = browser.new_context()
    context.set_default_timeout(_MOST_MS)
    page = context.new_page()
    weight = weight_at(page, f"{served.address}{path}")
    context.close()
    return weight


def weight_at(page: Page, address: str) -> int:
    """Loads it there; without streams of events, which have no end."""
    loaded: list[Response] = []
    page.on("response", lambda answer: loaded.append(answer))  # noqa: PLW0108  it takes no method of a list
    page.goto(address, wait_until="load")
    return sum(len(each.body()) for each in _files(loaded))


def _files(loaded: Sequence[Response]) -> Iterator[Response]:
    for each in loaded:
        kind = each.headers.get("content-type", "")
        if not kind.startswith(("text/event-stream", "font/")) and each.status < 300:  # noqa: PLR2004
            yield each


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./liuhen bench browse", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--folder", type=Path, help="kept between runs; what is there is not filled again")
    parser.add_argument("--times", type=int, default=60, help="look-ups of each kind")
    return parser.parse_args(words)
