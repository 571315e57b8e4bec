"""Pictures of every page in both languages, both colour schemes and two widths, of the demo's community; and
of rarer states: empty, in trouble, cut off, refused.

`python -m bench.shots [folder]`; `./liuhen shots` sets up what it needs first. A page is loaded once in each
language and then seen in both schemes and widths; several pages are taken at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import groupby, product
from pathlib import Path
from typing import Any, Final, Literal

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from playwright._impl._api_structures import SetCookieParam
from playwright.async_api import Browser, Page, async_playwright
from playwright.async_api import Error as BrowserFailed

from bench.community.gestures import Gesture
from bench.community.opening import estate_of_community, other_gateways
from bench.community.pictures import all_pictures, found_in
from bench.demo import LOOK
from bench.estate import SITE, Estate
from bench.plan import BUILDINGS, Plan
from bench.prefill import PREPARED_EPOCH, prepared
from bench.processes import ProcessFailed
from bench.sheets import Sheet, draw
from central.errors import CentralError
from messages.chain import record_hash
from messages.topics import GatewayTopic, Leaf
from messages.wire import WIRE_VERSION, About, DoorAbout, EpochHead, State, encode, join_block

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_FLAGS = (
    "--no-sandbox",  # root has no other way
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_HEIGHTS: Final = {1280: 900, 390: 844}
_WIDE: Final = 600
"""Narrower pages are taken at their full length: what stands beside the entries stands below them there."""

_LONGEST: Final = 6_000
"""Pixels: of a list without end its beginning is enough."""

_AT_A_TIME: Final = max(2, os.cpu_count() or 2)
_FAULT: Final = 500
_PATIENCE_MS: Final = 60_000.0

_Language = Literal["zh", "en"]
_Scheme = Literal["light", "dark"]
_LANGUAGES: Final[tuple[_Language, ...]] = ("zh", "en")
_LOCALES: Final = {"zh": "zh-CN", "en": "en-GB"}
"""Of the browser: days are typed in its own order."""

_SCHEMES: Final[tuple[_Scheme, ...]] = ("light", "dark")


@dataclass(frozen=True, slots=True, order=True)
class View:
    """As whom a picture is seen."""

    language: _Language
    scheme: _Scheme
    width: int


VIEWS: Final = tuple(
    View(language, scheme, width) for language, scheme, width in product(_LANGUAGES, _SCHEMES, _HEIGHTS)
)
_BY_PAIRS: Final = (
    View("zh", "light", 1280),
    View("en", "dark", 1280),
    View("zh", "dark", 390),
    View("en", "light", 390),
)
"""Each two of language, scheme and width meet once."""

_DESK: Final = (View("zh", "light", 1280), View("en", "light", 1280), View("zh", "dark", 390))

_PLAN = Plan(people=40, swipes_per_minute=200, unknown_share=0.1, profile="instant", state_every_s=1.0)
_ENOUGH_ROWS = 14
_LIMIT_S = 60.0
_COME_A_MINUTE = 24

_NORTH = "north"
_HELD, _OLDEST = 180, 9
_COMES = ((1, 4), (12, 13))


async def _nothing(_: Page) -> None:
    """Is done to a page that is taken as it comes."""


@dataclass
class Camera:
    """Takes pages as people with these wishes see them, and names each file after page and wishes.

    `whole`: at a desk, too, the page is taken at its full length. `sheets`: a folder for four of each on one.
    `faults`: what is wider than the window or cut off, or a page that could not be made."""

    browser: Browser
    folder: Path
    whole: bool = False
    sheets: Path | None = None
    taken: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    async def take(
        self,
        name: str,
        address: str,
        cookie: SetCookieParam | None,
        views: Sequence[View] = VIEWS,
        meanwhile: Gesture = _nothing,
    ) -> None:
        """`meanwhile` happens to the loaded page before the pictures are taken."""
        for language, mine in groupby(sorted(views), lambda view: view.language):
            try:
                await self._in_language(name, address, cookie, language, list(mine), meanwhile)
            except BrowserFailed as error:  # the others are taken all the same
                self.faults.append(f"{name}-{language}: {str(error).splitlines()[0]}")
        self.taken.append(name)
        if self.sheets:
            shots = [_file(self.folder, name, view) for view in _BY_PAIRS]
            await draw(self.browser, Sheet(name, [each for each in shots if each.exists()]), self.sheets)
        _say(name)

    async def _in_language(  # noqa: PLR0917  one call a language
        self,
        name: str,
        address: str,
        cookie: SetCookieParam | None,
        language: _Language,
        views: Sequence[View],
        meanwhile: Gesture,
    ) -> None:
        first = views[0]
        context = await self.browser.new_context(
            viewport={"width": first.width, "height": _HEIGHTS[first.width]},
            color_scheme=first.scheme,
            reduced_motion="reduce",
            device_scale_factor=1,
            locale=_LOCALES[language],
        )
        context.set_default_timeout(_PATIENCE_MS)
        try:
            await context.add_cookies([cookie] if cookie is not None else [])
            page = await context.new_page()
            asked = f"{address}{'&' if '?' in address else '?'}lang={language}"
            answer = await page.goto(asked, wait_until="load")
            if answer is not None and answer.status >= _FAULT:
                self.faults.append(f"{name}-{language}: answered with {answer.status}")
            await page.locator(".htmx-request").first.wait_for(state="detached")
            await meanwhile(page)
            for view in views:
                await self._seen(name, page, view)
        finally:
            await context.close()

    async def _seen(self, name: str, page: Page, view: View) -> None:
        await page.emulate_media(color_scheme=view.scheme)
        await page.set_viewport_size({"width": view.width, "height": _HEIGHTS[view.width]})
        if view.width < _WIDE or self.whole:
            length = min(_LONGEST, await page.evaluate("document.documentElement.scrollHeight"))
            height = max(_HEIGHTS[view.width], length)
            await page.set_viewport_size({"width": view.width, "height": height})  # what is fixed below
        said = f"{name}-{view.language}-{view.scheme}-{view.width}"
        self.faults += [f"{said}: {fault}" for fault in await page.evaluate(_FAULTS)]
        await page.screenshot(path=self.folder / f"{said}.png")


_FAULTS: Final = """() => {
  const seen = [...document.querySelectorAll("body *")]
    .filter(one => one.checkVisibility() && !one.closest(".unseen, .skip, thead, svg"));
  const said = one =>
    `${one.tagName.toLowerCase()}.${one.className} “${one.textContent.trim().slice(0, 30)}”`;
  const wide = seen.filter(one => !one.closest(".tabs"))
    .filter(one => one.getBoundingClientRect().right > innerWidth + 1);
  const cut = seen.filter(one => {
    const style = getComputedStyle(one);
    const hides = ["hidden", "clip"].includes(style.overflowX) && one.children.length === 0;
    return hides && style.clipPath === "none" && one.scrollWidth > one.clientWidth + 1;
  });
  return [...wide.map(one => `wider than the window: ${said(one)}`), ...cut.map(one => `cut: ${said(one)}`)];
}"""


def main() -> None:
    arguments = _arguments()
    folder: Path = arguments.folder
    (folder / "sheets" if arguments.sheets else folder).mkdir(parents=True, exist_ok=True)
    begun_s = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended too
    try:
        with tempfile.TemporaryDirectory(prefix="liuhen-shots-") as kept:
            home: Path = arguments.community or Path(kept) / "community"
            community = estate_of_community(home, LOOK, _say)
            camera = asyncio.run(_taken(community, Path(kept), arguments))
    except (ProcessFailed, CentralError, BrowserFailed) as error:
        sys.exit(f"no pictures: {error}")
    for fault in camera.faults:
        _say(f"look here 请看: {fault}")
    pictures = len(list(folder.glob("*.png")))
    _say(f"{len(camera.taken)} pages, {pictures} pictures in {time.monotonic() - begun_s:.0f} s: {folder}")


async def _taken(community: Estate, kept: Path, arguments: argparse.Namespace) -> Camera:
    only = frozenset(arguments.only)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_FLAGS))
        sheets = arguments.folder / "sheets" if arguments.sheets else None
        camera = Camera(browser, arguments.folder, arguments.whole, sheets)
        await _community(community, camera, only)
        if not only or "empty" in only:
            await _empty(kept / "empty", camera)
        if not only or only & {"trouble", "lost"}:
            await _alive(kept / "alive", camera)
        await browser.close()
    return camera


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./liuhen shots", description="Pictures of the pages. 页面截图")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("out/shots"))
    parser.add_argument("--only", action="append", default=[], help="pages of this name; once for each")
    parser.add_argument("--community", type=Path, help="a folder that keeps the community between runs")
    parser.add_argument("--whole", action="store_true", help="at a desk, too, pages at their full length")
    parser.add_argument("--sheets", action="store_true", help="four pictures of each page on one sheet, too")
    return parser.parse_args()


def _file(folder: Path, name: str, view: View) -> Path:
    return folder / f"{name}-{view.language}-{view.scheme}-{view.width}.png"


def _say(text: str) -> None:
    print(text, flush=True)


async def _community(estate: Estate, camera: Camera, only: frozenset[str]) -> None:
    """Now comes late, when somebody has come. Each look at one's own leaves a row, and they would fill the
    page of the register: so they come last."""
    with estate, other_gateways(estate):
        estate.wait_for_devices(_LIMIT_S)
        with estate.control as control:
            control.set_community_rate(_COME_A_MINUTE)
        wanted = [each for each in all_pictures() if not only or each.name in only]
        found = found_in(estate.database, wanted)
        cookies = {
            (role, signed): estate.cookie(role, signed)
            for role, signed in sorted({(each.role, each.session) for each in wanted if each.role})
        }
        for turn in (0, 1, 2):
            mine = [each for each in wanted if each.turn == turn]
            await _together(
                [
                    camera.take(
                        each.name,
                        f"{estate.address}{found[each.name]}",
                        cookies[each.role, each.session] if each.role else None,
                        meanwhile=each.act or _nothing,
                    )
                    for each in mine
                ]
            )


async def _together(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """As many at a time as there are processors."""
    room = asyncio.Semaphore(_AT_A_TIME)

    async def one(each: Coroutine[Any, Any, None]) -> None:
        async with room:
            await each

    await asyncio.gather(*(one(each) for each in work))


async def _empty(folder: Path, camera: Camera) -> None:
    """A centre to which nobody has spoken yet."""
    estate = Estate(folder, replace(_PLAN, buildings=(), swipes_per_minute=0.0))
    with ExitStack() as running:
        for child in (estate.broker, estate.centre):
            running.callback(child.stop)
            child.start()
        await _together(
            [
                camera.take(f"empty-{each.name}" if each.name != "now" else "empty", *where, _DESK)
                for each in all_pictures()
                if each.fixed and each.role is not None
                for where in [(f"{estate.address}{each.route}", estate.cookie(each.role))]
            ]
        )


async def _alive(folder: Path, camera: Camera) -> None:
    with Estate(folder, _PLAN) as estate:
        _wait("entries", lambda: _rows(estate) >= _ENOUGH_ROWS)
        with estate.control as control:
            control.set_community_rate(0)
        _wait("the rest", lambda: all(_gateway(estate, place.name)["complete"] for place in BUILDINGS))
        _break(estate)
        where = f"{estate.address}/", estate.cookie()
        await camera.take("trouble", *where, _DESK)

        async def lose(page: Page) -> None:
            estate.centre.kill()
            await page.wait_for_selector("#offline:not([hidden])")

        await camera.take("lost", *where, _DESK[::2], lose)


def _break(estate: Estate) -> None:
    """A building that owes records and has lost some, another gone dark, and a reader without its cable."""
    east, west = BUILDINGS
    _send_with_holes(estate)
    _wait("the holes", lambda: len(_gateway(estate, _NORTH)["missing"]) > 1)
    with estate.control as control:
        control.unplug(east.doors[1].name)
    _wait("the lost reader", lambda: "lost" in _gateway(estate, east.name)["devices"].values())
    estate.gateways[west.name].kill()
    _wait("the dark building", lambda: not _gateway(estate, west.name)["online"])


def _send_with_holes(estate: Estate) -> None:
    """A third building's gateway says what it holds; parts of it never come, and others it no longer has."""
    bodies = prepared(_NORTH, _HELD)
    head = EpochHead(PREPARED_EPOCH, _OLDEST, _HELD, record_hash(bodies[-1]))
    now_us = time.time_ns() // 1_000
    state = State(WIRE_VERSION, True, "0" * 16, "1" * 16, at=now_us, epochs=[head], devices={"unit-1": "ok"})  # noqa: FBT003
    about = About(WIRE_VERSION, "0.1.0", "北楼", [DoorAbout("unit-1", "单元门", ["unit-1"])])
    blocks = [join_block(PREPARED_EPOCH, a, b - a + 1, b",".join(bodies[a - 1 : b])) for a, b in _COMES]
    said = [(Leaf.ABOUT, encode(about)), (Leaf.STATE, encode(state))]
    said += [(Leaf.BACKLOG, block) for block in blocks]
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", estate.broker.port)
    client.loop_start()
    for leaf, payload in said:
        client.publish(str(GatewayTopic(SITE, _NORTH, leaf)), payload, qos=1).wait_for_publish(_LIMIT_S)
    client.disconnect()
    client.loop_stop()


def _gateway(estate: Estate, name: str) -> dict[str, Any]:
    """What the centre says of it; without anything as long as it has not heard of it."""
    answer = estate.asked(f"/api/v1/gateways/{SITE}/{name}")
    found: dict[str, Any] = answer.json() if answer.is_success else {"missing": []}
    return found


def _rows(estate: Estate) -> int:
    return estate.asked("/").text.count('<li id="entry-')


def _wait(what: str, until: Callable[[], bool]) -> None:
    waiting = threading.Event()
    end_s = time.monotonic() + _LIMIT_S
    while not until():
        if time.monotonic() > end_s:
            raise ProcessFailed(f"{what} did not come within {_LIMIT_S:.0f} s")
        waiting.wait(0.1)


if __name__ == "__main__":
    main()
