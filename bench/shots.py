"""Pictures of every page in both languages, both colour schemes and two widths, of the demo's community; and
of rarer states of Now.

`python -m bench.shots [folder]`; `./liuhen shots` sets up what it needs first.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from playwright._impl._api_structures import SetCookieParam
from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import Error as BrowserFailed

from bench.community.opening import estate_of_community, other_gateways
from bench.community.pictures import Picture, pictures_of
from bench.demo import LOOK
from bench.estate import SITE, Estate
from bench.plan import BUILDINGS, Plan
from bench.prefill import PREPARED_EPOCH, prepared
from bench.processes import ProcessFailed
from central.accounts.who import Role
from central.console.registry import all_pages
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
_WIDTHS = {1280: 900, 390: 844}
_WIDE = 600
"""Narrower pages are taken at their full length: what stands beside the entries stands below them there."""

_Language = Literal["zh", "en"]
_Scheme = Literal["light", "dark"]
_LANGUAGES: tuple[_Language, ...] = ("zh", "en")
_SCHEMES: tuple[_Scheme, ...] = ("light", "dark")

_PLAN = Plan(people=40, swipes_per_minute=200, unknown_share=0.1, profile="instant", state_every_s=1.0)
_ENOUGH_ROWS = 14
_LIMIT_S = 60.0
_COME_A_MINUTE = 24

_NORTH = "north"
_HELD, _OLDEST = 180, 9
_COMES = ((1, 4), (12, 13))


class Camera:
    """Takes the page's picture as a person with these wishes sees it, and names the file after them."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self._browser = browser
        self._folder = folder

    def take(  # noqa: PLR0917  one call a picture
        self,
        state: str,
        address: str,
        cookie: SetCookieParam | None,
        language: _Language,
        scheme: _Scheme,
        width: int,
        meanwhile: Callable[[Page], None] = lambda _: None,
        path: str = "/",
    ) -> None:
        """`meanwhile` happens to the loaded page before the picture is taken. `path`: of the page."""
        view = self._browser.new_context(
            viewport={"width": width, "height": _WIDTHS[width]},
            color_scheme=scheme,
            device_scale_factor=1,
        )
        if cookie is not None:
            view.add_cookies([cookie])
        page = view.new_page()
        page.goto(f"{address}{path}{'&' if '?' in path else '?'}lang={language}", wait_until="load")
        page.wait_for_function("!document.querySelector('.htmx-request')")
        meanwhile(page)
        file = self._folder / f"{state}-{language}-{scheme}-{width}.png"
        if width < _WIDE:
            whole = page.evaluate("document.documentElement.scrollHeight")
            page.set_viewport_size({"width": width, "height": whole})  # what is fixed below
        page.screenshot(path=file)
        view.close()
        _say(str(file))


def main() -> None:
    parser = argparse.ArgumentParser(prog="./liuhen shots", description="Pictures of the page. 页面截图")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("out/shots"))
    parser.add_argument("--only", action="append", default=[], help="pages of this name; once for each")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="liuhen-shots-") as kept:
            community = estate_of_community(Path(kept) / "community", LOOK, _say)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_FLAGS))
                camera = Camera(browser, folder)
                _community(community, camera, frozenset(arguments.only))
                if not arguments.only:
                    _empty(Path(kept) / "empty", camera)
                    _alive(Path(kept) / "alive", camera)
                browser.close()
    except (ProcessFailed, CentralError, BrowserFailed) as error:
        sys.exit(f"no pictures: {error}")


def _empty(folder: Path, camera: Camera) -> None:
    """A centre to which nobody has spoken yet."""
    estate = Estate(folder, replace(_PLAN, buildings=(), swipes_per_minute=0.0))
    with ExitStack() as running:
        for child in (estate.broker, estate.centre):
            running.callback(child.stop)
            child.start()
        for language in _LANGUAGES:
            camera.take("empty", estate.address, estate.cookie(), language, "light", 1280)
        camera.take("empty", estate.address, estate.cookie(), "zh", "dark", 390)


def _alive(folder: Path, camera: Camera) -> None:
    with Estate(folder, _PLAN) as estate:
        _wait("entries", lambda: _rows(estate) >= _ENOUGH_ROWS)
        with estate.control as control:
            control.set_community_rate(0)
        _wait("the rest", lambda: all(_gateway(estate, place.name)["complete"] for place in BUILDINGS))
        _break(estate)
        for language in _LANGUAGES:
            camera.take("trouble", estate.address, estate.cookie(), language, "light", 1280)
        camera.take("trouble", estate.address, estate.cookie(), "zh", "dark", 390)
        camera.take(
            "lost", estate.address, estate.cookie(), "zh", "light", 1280, lambda page: _lose(estate, page)
        )


def _say(text: str) -> None:
    print(text, flush=True)


def _community(estate: Estate, camera: Camera, only: frozenset[str]) -> None:
    with estate, other_gateways(estate):
        estate.wait_for_devices(_LIMIT_S)
        with estate.control as control:
            control.set_community_rate(_COME_A_MINUTE)
        for picture in sorted([*_pages(), *pictures_of(estate.database)], key=_when):
            if not only or picture.name in only:
                cookie = None if picture.role is None else estate.cookie(picture.role)
                for language, scheme, width in product(_LANGUAGES, _SCHEMES, _WIDTHS):
                    camera.take(
                        picture.name, estate.address, cookie, language, scheme, width, path=picture.path
                    )


def _when(picture: Picture) -> int:
    """Now comes late, when somebody has come. Each look at one's own leaves a row, and they would fill the
    page of the register: so they come last."""
    return 2 if picture.role is Role.RESIDENT else int(picture.name == "now")


def _pages() -> Iterator[Picture]:
    """Each that is registered, as the first role that sees it."""
    for page in all_pages():
        role = next(role for role in Role if role in page.roles)
        for number, path in enumerate((page.path, *page.pictures)):
            yield Picture(f"{page.name}-{number}" if number else page.name, path, role)


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


def _lose(estate: Estate, page: Page) -> None:
    estate.centre.kill()
    page.wait_for_selector("#offline:not([hidden])")


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
