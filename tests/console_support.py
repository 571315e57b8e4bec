"""Helpers of the tests of the console: a small filled community, a centre that serves it, and people of each
role who sign in there in a real browser, all in one browser process.

    with a_console(tmp_path_factory.mktemp("console")) as console, console.as_role(Role.WORKER) as page:
        page.goto("/homes")

A module shares one (`scope="module"`); a test that changes what others see makes its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import pyotp
from accounts_support import KEPT, PASSWORD
from central_support import DEADLINE_S
from central_web_support import SEALER, Chain, Filled, Served, about, online
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from database_support import new_database
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, sync_playwright
from register_support import EAST, GATE, SITE, WEST, Estate, an_estate

from bench.shots import CHROMIUM, CHROMIUM_FLAGS
from central.accounts import book, sessions
from central.accounts.who import Role
from central.store.engine import open_reader, writing
from messages.model import AssuranceLevel, Credential, Kind, Reason

AXE: Final = Path(__file__).parent.parent / "central/console/assets/node_modules/axe-core/axe.min.js"
LANGUAGES: Final[tuple[Literal["zh", "en"], ...]] = ("zh", "en")
WIDTHS: Final = {"phone": 390, "desktop": 1280}
_SECOND_US = 1_000_000
_STEP_S = 30  # of an authenticator's codes

DOORS: Final = {
    GATE: ("大门", [("gate-in", "大门入口", ["gate-reader"])]),
    EAST: ("1 号楼", [("east-front", "正门", ["front"]), ("east-unit-1", "1 单元门", ["unit-1"])]),
    WEST: ("2 号楼", [("west-front", "正门", ["front"])]),
}
UNITS: Final = {Role.APPROVER: "分局督察", Role.SUPERVISOR: "区监察办"}
"""Whose word on a look-up counts is of another unit than who asks."""

CARDS: Final = {"王小明": "04A1B2C3", "李芳": "04A1B2C4", "赵强": "04A1B2C5"}


@dataclass
class Complaints:
    """What a page asked for elsewhere, and what its browser complained about."""

    elsewhere: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


class Console:
    """`estate`: its register. `filled`: its database. `served`: the application over it."""

    def __init__(
        self,
        estate: Estate,
        filled: Filled,
        served: Served,
        browser: Browser,
        clock: list[int],
        *,
        by_hand: bool,
    ) -> None:
        self.estate, self.filled, self.served, self.browser = estate, filled, served, browser
        self.complaints = Complaints()
        self._clock = clock
        self._by_hand = by_hand
        self.person: int | None = None  # whom a resident's account is for
        self._secrets: dict[Role, str] = {}
        self._states: dict[Role, StorageState] = {}
        self._kept: dict[tuple[Role, str, int, str], Page] = {}
        self.chains = {name: Chain(name) for name in DOORS}

    @property
    def now_us(self) -> int:
        return self._clock[0]

    def passes(self, seconds: float) -> None:
        self._clock[0] += int(seconds * _SECOND_US)

    def at(self, minutes: float) -> int:
        """After the community began, which was an hour before the first test."""
        return self.estate.now_us + int(minutes * 60 * _SECOND_US)

    def happens(self, gateway: str, count: int = 1, /, **changes: object) -> None:
        """Records of a gateway arrive; `changes` replace fields of each."""
        chain = self.chains[gateway]
        first = len(chain.bodies) + 1
        chain.grow(count, **{"at": self.now_us, "door": DOORS[gateway][1][0][0], **changes})
        self.filled.take(
            chain.block(first),
            online(chain.head(), at_us=self.now_us),
            gateway=gateway,
            site=SITE,
            now_us=self.now_us,
        )

    def account(self, role: Role, login: str | None = None, unit: str = "一号警务室") -> tuple[str, str]:
        """Login and secret of a second factor."""
        login, secret = login or f"{role}-1", pyotp.random_base32()
        with writing(self.filled.writer) as connection:
            number, _ = book.make_account(
                connection,
                login,
                name="测试员",
                role=role,
                unit=unit,
                communities=[self.estate.community],
                by="test",
                now_us=self.now_us,
                person=self.person if role is Role.RESIDENT else None,
            )
            book.set_password(connection, number, KEPT, by_code=True, now_us=self.now_us)
            book.set_second(connection, number, SEALER.sealed(number, secret), 0, self.now_us)
        return login, secret

    @contextmanager
    def as_role(
        self,
        role: Role,
        lang: Literal["zh", "en"] = "en",
        width: int = 1280,
        scheme: Literal["light", "dark"] = "light",
        **wishes: Any,
    ) -> Iterator[Page]:
        """A page of a browser in which somebody of that role has signed in, once for all, with both factors.
        Addresses may begin with /."""
        page = self._opened(role, lang, width, scheme, **wishes)
        try:
            yield page
        finally:
            page.context.close()

    def kept(
        self,
        role: Role,
        lang: Literal["zh", "en"],
        width: int,
        scheme: Literal["light", "dark"],
    ) -> Page:
        """As `as_role`; the same one each time, for those who only look at one page after the other."""
        way = (role, lang, width, scheme)
        if way not in self._kept:
            self._kept[way] = self._opened(*way)
        return self._kept[way]

    def _opened(self, role: Role, lang: str, width: int, scheme: str, **wishes: Any) -> Page:
        return self.watched(self._context(lang, width, scheme, storage_state=self._signed_in(role), **wishes))

    def watched(self, context: BrowserContext) -> Page:
        page = context.new_page()
        page.on(
            "request",
            lambda asked: (
                None
                if asked.url.startswith(f"{self.served.address}/")
                else self.complaints.elsewhere.append(asked.url)
            ),
        )
        page.on("pageerror", lambda error: self.complaints.said.append(str(error)))
        page.on(
            "console",
            lambda said: (
                self.complaints.said.append(said.text) if said.type in ("error", "warning") else None
            ),
        )
        return page

    def _context(self, lang: str, width: int, scheme: Any, **wishes: Any) -> BrowserContext:
        context = self.browser.new_context(
            base_url=self.served.address,
            viewport={"width": width, "height": 844 if width < 600 else 900},
            color_scheme=scheme,
            reduced_motion="reduce",
            **wishes,
        )
        context.set_default_timeout(DEADLINE_S * 1_000)
        context.add_cookies([{"name": "liuhen-language", "value": lang, "url": self.served.address}])
        return context

    def proves_again(self, page: Page, role: Role) -> None:
        """Gives the second factor once more, with a code of its own."""
        self.passes(2 * _STEP_S)
        page.goto("/sign-in/code")
        page.locator("input[name=code]").fill(pyotp.TOTP(self._secrets[role]).at(self.now_us // _SECOND_US))
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "/sign-in" not in url)
        self._states[role] = page.context.storage_state()  # a fresh factor has a new session

    def _signed_in(self, role: Role) -> StorageState:
        if role not in self._states:
            login, secret = self.account(role, unit=UNITS.get(role, "一号警务室"))
            self._secrets[role] = secret
            self._states[role] = self._typed_in(login, secret) if self._by_hand else self._let_in(login)
        return self._states[role]

    def _let_in(self, login: str) -> StorageState:
        """What a browser holds after both factors."""
        with writing(self.filled.writer) as connection:
            row = book.account_called(connection, login)
            assert row is not None
            first = sessions.begin_session(connection, row.id, self.now_us)
            token = sessions.proved(
                connection, sessions.find_session(connection, first, self.now_us), self.now_us
            )
        context = self._context("en", 1280, "light")
        context.add_cookies(
            [
                {
                    "name": "liuhen",
                    "value": token,
                    "url": self.served.address,
                    "httpOnly": True,
                    "sameSite": "Strict",
                }
            ]
        )
        state = context.storage_state()
        context.close()
        return state

    def _typed_in(self, login: str, secret: str) -> StorageState:
        context = self._context("en", 1280, "light")
        page = self.watched(context)
        page.goto("/sign-in")
        page.get_by_label("Login").fill(login)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Go on").click()
        page.wait_for_url("**/sign-in/code*")
        page.locator("input[name=code]").fill(pyotp.TOTP(secret).at(self.now_us // _SECOND_US))
        page.locator("input[name=code]").press("Enter")
        page.wait_for_url(lambda url: "/sign-in" not in url)
        state = context.storage_state()
        context.close()
        return state


@contextmanager
def a_console(folder: Path, browser: Browser | None = None, *, by_hand: bool = False) -> Iterator[Console]:
    """`browser`: one that runs already; else one is started, and ended at the end. `by_hand`: people sign in
    on the pages for it; else they come in as if they had, a second of a processor sooner."""
    with ExitStack() as opened:
        if browser is None:
            playwright = opened.enter_context(sync_playwright())
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_FLAGS))
            opened.callback(browser.close)
        filled = Filled.__new__(Filled)
        filled.url = f"sqlite:///{folder / 'central.sqlite'}"
        filled.writer = new_database(folder / "central.sqlite")
        filled.reader = open_reader(filled.url)
        opened.callback(filled.close)
        estate = an_estate(filled.writer, folder)
        clock = [estate.now_us + 3_600 * _SECOND_US]
        served = opened.enter_context(
            Served(
                filled,
                who=None,
                now_us=lambda: clock[0],
                vault=estate.vault,
                signing=Ed25519PrivateKey.generate(),
            )
        )
        console = Console(estate, filled, served, browser, clock, by_hand=by_hand)
        _fill(console)
        yield console


def _fill(console: Console) -> None:
    """Three families, their cards, and an hour of swipes at three gateways."""
    estate = console.estate
    for (name, number), room in zip(CARDS.items(), ("101", "102", "201"), strict=True):
        console.person = estate.resident(name, room, number)
    for gateway, (label, doors) in DOORS.items():
        console.filled.take(about(label, doors), gateway=gateway, site=SITE, now_us=console.now_us)
    for turn, name in enumerate(CARDS):
        token = estate.vault.token(SITE, "card_uid", CARDS[name]).hex()
        credential = Credential("card_uid", token, AssuranceLevel.L1, CARDS[name][-4:])
        holder = estate.listed(GATE, CARDS[name]).holder
        console.happens(GATE, 2, at=console.at(turn), credential=credential, holder=holder)
        console.happens(EAST, 2, at=console.at(turn + 3), credential=credential, holder=holder)
    console.happens(EAST, 1, kind=Kind.ACCESS_DENIED, reason=Reason.UNKNOWN_CREDENTIAL, holder=None)
    console.happens(WEST, 1, kind=Kind.DOOR_HELD, reason=Reason.OPEN_TOO_LONG, credential=None, holder=None)


# --- what somebody does -----------------------------------------------------------------------------------

_DEEDS: Final = """(() => {
  addEventListener("change", event => did(`fills ${event.target.name}`), true);
  addEventListener("submit", () => did("sends"), true);
  addEventListener("click", event => {
    const one = event.isTrusted && event.target.closest("a, summary, button[type=button]");
    if (one) did(`presses ${one.textContent.trim()}`);
  }, true);
})()"""


def deeds_on(page: Page) -> list[str]:
    """Grows with each input of a person on pages that are loaded from now on, as the browser itself notices
    it: a field is filled, however often; a form is sent, by key or button; a link or fold is pressed."""
    done: list[str] = []
    page.expose_function("did", lambda what: None if what in done else done.append(what))
    page.add_init_script(_DEEDS)
    return done


# --- checks that every page passes -----------------------------------------------------------------------


def faults_of(page: Page) -> list[str]:
    """What axe-core finds against WCAG 2.2 A and AA, each with where; and what is wider than the window."""
    size = page.viewport_size
    assert size is not None
    whole = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({**size, "height": max(whole, size["height"])})  # no bar lies over anything then
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(
        """async () => {
          // at the bottom of a phone, and what lies under it is scrolled up before it is touched
          const nav = document.querySelector(".sections");
          if (nav) nav.style.position = "static";
          const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
          const {violations} = await axe.run(document, {runOnly: tags});
          const said = violations.flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.target}`));
          const seen = [...document.querySelectorAll('main *')].filter(one => one.checkVisibility());
          const wide = seen.filter(one => !one.closest('.tabs, .unseen, thead'))
            .filter(one => one.getBoundingClientRect().right > innerWidth + 1);
          return [...said, ...wide.map(one => `wider than the window: ${one.tagName}.${one.className}`)];
        }"""
    )
    page.set_viewport_size(size)
    return [str(each) for each in found]
