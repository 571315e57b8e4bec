"""The live page in a real browser: it moves by itself, says when it does not, and everybody can use it."""

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import pytest
from central_support import DEADLINE_S, START_US, free_port
from central_web_support import Chain, Filled, Served, a_filled, about, gone, online, secretive
from playwright.sync_api import Browser, Page, Route, sync_playwright

from bench.shots import CHROMIUM, CHROMIUM_FLAGS
from central.console import words
from central.console.pages.now.page import ROWS
from messages.model import Kind, Reason
from messages.topics import Leaf

SHEET = Path(words.__file__).parent / "static" / "liuhen.css"
EAST, DOOR_1, DOOR_2, LOCKS = "东楼", "1 单元门", "车库门", "east-locks"
CHINESE = re.compile(r"[\u3400-\u9fff]+")
LATIN = re.compile(r"[A-Za-z][a-z]{2,}")
READABLE = 4.5  # WCAG 2.2, 1.4.3, for text of ordinary size
VISIBLE = 3.0  # 1.4.11, for what is no text
TARGET_PX = 24  # 2.5.8


@dataclass
class Watched:
    """A page, and what it asked for and complained about."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def texts(self, selector: str) -> list[str]:
        return self.page.locator(selector).all_inner_texts()

    def ids(self) -> list[int]:
        found: list[int] = self.page.evaluate(
            "[...document.querySelectorAll('#rows > li')].map(row => Number(row.id.replace('entry-', '')))"
        )
        return found

    def shows(self, number: int) -> None:
        self.page.wait_for_selector(f"#entry-{number}")

    def until(self, expression: str) -> None:
        """Waits until an expression of the page is true. Evaluated by us: the page's policy forbids eval."""
        self.page.wait_for_function(f"() => {expression}")


Visit = Callable[..., AbstractContextManager[Watched]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_FLAGS))
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Browser) -> Visit:
    @contextmanager
    def opened(
        address: str,
        lang: str = "en",
        prepare: Callable[[Page], None] = lambda _: None,
        **wishes: object,
    ) -> Iterator[Watched]:
        context = browser.new_context(**wishes)  # type: ignore[arg-type]
        context.set_default_timeout(DEADLINE_S * 1_000)
        watched = Watched(context.new_page())
        watched.page.on("request", lambda request: watched.requests.append(request.url))
        watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        watched.page.on(
            "console",
            lambda said: watched.complaints.append(said.text) if said.type in ("error", "warning") else None,
        )
        prepare(watched.page)
        watched.page.goto(f"{address}/?lang={lang}")
        watched.page.wait_for_selector("#gateways")
        try:
            yield watched
        finally:
            context.close()

    return opened


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    with a_filled(tmp_path) as database:
        yield database


@pytest.fixture
def served(filled: Filled) -> Iterator[Served]:
    with Served(filled) as running:
        yield running


def put(filled: Filled, chain: Chain, count: int = 1, **changes: object) -> None:
    first = len(chain.bodies) + 1
    secretive(chain, count, **{"door": "door-1", "at": START_US + first * 1_000_000, **changes})
    filled.take(chain.block(first))


def everything(filled: Filled) -> Chain:
    """A gateway whose page shows every word there is: kinds, reasons, categories, conditions, findings."""
    chain = Chain()
    doors = [("door-1", DOOR_1, ["reader-1"]), ("door-2", DOOR_2, ["reader-2"])]
    devices = {"reader-1": "ok", "reader-2": "lost", LOCKS: "degraded", "reader-3": "recovering"}
    worded = zip(
        itertools.chain(Kind, itertools.repeat(Kind.ACCESS_DENIED)),
        Reason,
        itertools.cycle(words.CATEGORIES),
        strict=False,
    )
    for kind, reason, category in worded:  # one record has a kind and a reason: a page shows a hundred
        chain.grow(kind=kind, door="door-1", reason=reason, category=category)
    filled.take(about(EAST, doors), chain.block())
    chain.grow(20)
    filled.take(online(chain.head(oldest=len(chain.bodies) - 12), devices=devices))
    filled.take(chain.block(len(chain.bodies) - 4), (Leaf.JOURNAL, b"{"))
    other = Chain("west-1")
    other.grow(1, at=START_US)
    filled.take(other.block(), online(other.head()), gateway="west-1")
    filled.take(about("西楼"), gone(), gateway="west-1")
    return chain


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A centre whose page shows everything; for those that only look."""
    with a_filled(tmp_path_factory.mktemp("full")) as database:
        everything(database)
        with Served(database) as running:
            yield running


# --- it moves by itself ---------------------------------------------------------------------------------


def test_an_entry_appears_at_the_top_without_a_reload(filled: Filled, served: Served, visit: Visit) -> None:
    chain = Chain()
    put(filled, chain, 3)
    with visit(served.address) as watched:
        watched.page.evaluate("window.untouched = true")
        put(filled, chain, kind=Kind.ACCESS_DENIED, reason=Reason.UNKNOWN_CREDENTIAL)
        watched.shows(4)
        assert watched.ids()[0] == 4
        assert "refused" in watched.texts("#entry-4")[0]
        assert watched.page.evaluate("window.untouched")


def test_the_first_entry_takes_the_place_of_the_empty_notice(
    filled: Filled, served: Served, visit: Visit
) -> None:
    with visit(served.address) as watched:
        assert watched.page.get_by_text("Nobody has come yet.").is_visible()
        put(filled, Chain())
        watched.shows(1)
        assert not watched.page.get_by_text("Nobody has come yet.").is_visible()


def test_a_row_stands_there_once_however_often_it_is_sent(
    filled: Filled, served: Served, visit: Visit
) -> None:
    chain = Chain()
    put(filled, chain, 20)

    def from_the_beginning(page: Page) -> None:
        def older(route: Route) -> None:
            answer = route.fetch()
            route.fulfill(response=answer, body=answer.text().replace("after=20", "after=0"))

        page.route(re.compile(r"/\?lang="), older)

    with visit(served.address, prepare=from_the_beginning) as watched:
        put(filled, chain)
        watched.shows(21)
        assert any("after=0" in url for url in watched.requests)
        assert sorted(watched.ids()) == list(range(1, 22))


def test_the_list_stays_at_a_hundred(filled: Filled, served: Served, visit: Visit) -> None:
    chain = Chain()
    put(filled, chain, ROWS - 2)
    with visit(served.address) as watched:
        put(filled, chain, 30)
        watched.shows(ROWS + 28)
        watched.until(f"document.querySelectorAll('#rows > li').length === {ROWS}")
        assert sorted(watched.ids()) == list(range(29, ROWS + 29))


def test_a_gateway_s_card_follows_what_it_says(filled: Filled, served: Served, visit: Visit) -> None:
    chain = Chain()
    put(filled, chain, 3)
    filled.take(about(EAST), online(chain.head()))
    with visit(served.address) as watched:
        assert "online" in watched.texts(".gateway")[0]
        assert "3 records, none missing" in watched.texts(".gateway")[0]
        filled.take(gone())
        watched.page.get_by_text("offline").wait_for()
        assert "none missing" not in watched.texts(".gateway")[0]


# --- it says when it does not ---------------------------------------------------------------------------


def test_the_banner_comes_when_the_centre_dies_and_goes_when_it_is_back(filled: Filled, visit: Visit) -> None:
    chain = Chain()
    put(filled, chain, 3)
    port = free_port()
    with Served(filled, port) as first, visit(first.address) as watched:
        banner = watched.page.locator("#offline")
        put(filled, chain)
        watched.shows(4)
        assert not banner.is_visible()
        first.stop()
        banner.wait_for(state="visible")
        put(filled, chain, 5)
        with Served(filled, port):
            banner.wait_for(state="hidden")
            watched.shows(9)
            put(filled, chain)
            watched.shows(10)
            assert sorted(watched.ids()) == list(range(1, 11))


def test_a_centre_with_another_database_is_shown_from_the_beginning(
    tmp_path: Path, filled: Filled, visit: Visit
) -> None:
    put(filled, Chain(), 9)
    port = free_port()
    folder = tmp_path / "other"
    folder.mkdir()
    with a_filled(folder) as other:
        put(other, Chain(), 2)
        with Served(filled, port) as first, visit(first.address) as watched:
            put(filled, chain := Chain(epoch=2))
            watched.shows(10)
            first.stop()
            with Served(other, port):
                watched.until("document.querySelectorAll('#rows > li').length === 2")
                assert watched.ids() == [2, 1]
        assert len(chain.bodies) == 1


def test_without_scripts_the_page_still_shows_entries_and_says_that_it_stands_still(
    filled: Filled, served: Served, visit: Visit
) -> None:
    put(filled, Chain(), 3)
    with visit(served.address, java_script_enabled=False) as watched:
        assert watched.page.locator("#rows > li").count() == 3
        assert watched.page.locator("noscript").first.is_visible()
        assert "load it again" in watched.texts("noscript")[0]


def test_when_htmx_is_not_there_the_page_says_that_it_stands_still(served: Served, visit: Visit) -> None:
    def without_assets(page: Page) -> None:
        page.route("**/assets/**", lambda route: route.abort())

    with visit(served.address, prepare=without_assets) as watched:
        watched.page.locator("#still").wait_for(state="visible")


# --- it keeps to itself ---------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_nothing_leaves_the_origin_nothing_is_complained_about_and_no_entry_is_kept(
    filled: Filled, served: Served, visit: Visit, lang: str
) -> None:
    chain = everything(filled)
    with visit(served.address, lang) as watched:
        last = max(watched.ids())
        with watched.page.expect_response(re.compile("/parts/gateways")):
            put(filled, chain)
            watched.shows(last + 1)
        kept = watched.page.evaluate("[{...localStorage}, {...sessionStorage}, document.cookie]")
    assert {url for url in watched.requests if not url.startswith(f"{served.address}/")} == set()
    assert watched.complaints == []
    assert kept == [{}, {"htmx-current-path-for-history": f"/?lang={lang}"}, ""]


def test_what_a_gateway_says_is_text_and_never_markup(filled: Filled, served: Served, visit: Visit) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    chain = Chain()
    put(filled, chain)
    filled.take(
        about(evil, [("door-1", evil, ["reader-1"])]), online(chain.head(), devices={"reader-1": evil})
    )
    with visit(served.address) as watched:
        put(filled, chain)
        watched.shows(2)
        assert evil in watched.texts("#entry-2 .building")
        assert evil in watched.texts(".gateway h3")
        assert watched.page.locator("main img, main script").count() == 0
        assert watched.page.title() == "Now · 留痕 Liuhen"
        assert watched.complaints == []


# --- everybody can use it -------------------------------------------------------------------------------


def test_the_keyboard_reaches_entries_and_languages(filled: Filled, served: Served, visit: Visit) -> None:
    put(filled, Chain())
    with visit(served.address) as watched:
        page = watched.page
        focused = "document.activeElement"
        page.keyboard.press("Tab")
        assert page.evaluate(f"{focused}.className") == "skip"
        box = page.locator(".skip").bounding_box()
        assert box
        assert box["x"] >= 0
        for _ in range(3):
            page.keyboard.press("Tab")
        assert page.evaluate(f"{focused}.textContent") == "中文"
        assert page.evaluate(f"getComputedStyle({focused}).outlineStyle") == "solid"
        for _ in range(3):
            page.keyboard.press("Shift+Tab")
        page.keyboard.press("Enter")
        assert page.evaluate(f"{focused}.id") == "content"
        page.reload()
        for _ in range(4):
            page.keyboard.press("Tab")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert page.locator("html").get_attribute("lang") == "zh-CN"
        assert page.locator(".languages [aria-current]").inner_text() == "中文"


@pytest.mark.parametrize(("lang", "said"), [("zh", "zh-CN"), ("en", "en")])
def test_language_and_structure_are_told_to_who_cannot_see(
    full: Served, visit: Visit, lang: str, said: str
) -> None:
    with visit(full.address, lang) as watched:
        page = watched.page
        assert page.locator("html").get_attribute("lang") == said
        assert {
            page.locator(one).count()
            for one in ("h1", "main", "nav.sections[aria-label]", "nav.languages[aria-label]", "header.bar")
        } == {1}
        assert page.locator("main [aria-live=polite]").count() == 1
        assert page.locator("img:not([alt])").count() == 0
        assert page.locator("svg:not([aria-hidden=true])").count() == 0
        levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => Number(h.tagName[1]))")
        assert levels[0] == 1
        assert all(deeper - level <= 1 for level, deeper in itertools.pairwise(levels))
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
        assert len(ids) == len(set(ids))
        for part in page.locator("[aria-labelledby]").all():
            assert page.locator(f"#{part.get_attribute('aria-labelledby')}").text_content()
        for link in page.locator("nav a").all():
            box = link.bounding_box()
            assert box
            assert min(box["width"], box["height"]) >= TARGET_PX


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_no_page_is_wider_than_its_window(filled: Filled, served: Served, visit: Visit, lang: str) -> None:
    chain = everything(filled)
    endless = "Unbreakable" * 9
    filled.take(
        about(endless, [("door-1", endless, ["reader-1"])]),
        online(chain.head(), devices={"reader-1": endless}),
    )
    with visit(served.address, lang) as watched:
        for width in (320, 390, 768, 1280):
            watched.page.set_viewport_size({"width": width, "height": 844})
            assert watched.page.evaluate("innerWidth") == width
            wide = watched.page.evaluate(
                """[...document.querySelectorAll('body *')].filter(one => !one.closest('.skip'))
                .filter(one => one.getBoundingClientRect().right > innerWidth + 0.5)
                .map(one => one.tagName + '.' + one.className)"""
            )
            assert (width, wide) == (width, [])
            assert watched.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_english_page_speaks_english(full: Served, visit: Visit) -> None:
    with visit(full.address, "en") as watched:
        text = watched.page.inner_text("body")
    for label in (EAST, "西楼", DOOR_1, DOOR_2, "留痕", "中文"):
        text = text.replace(label, "")
    assert CHINESE.findall(text) == []


def test_the_chinese_page_speaks_chinese(full: Served, visit: Visit) -> None:
    with visit(full.address, "zh") as watched:
        text = watched.page.inner_text("body")
        hidden = "".join(watched.page.locator(".banner").all_text_contents())
        labels = watched.page.evaluate(
            "[...document.querySelectorAll('[aria-label]')].map(one => one.ariaLabel).join(' ')"
        )
    for name in ("Liuhen", "English", "Ctrl", LOCKS, "reader-3", "door-2", "door-3", "west-1"):
        text = text.replace(name, "")
    assert LATIN.findall(text + hidden + labels) == []


def test_every_word_of_records_is_shown_as_a_sentence(full: Served, visit: Visit) -> None:
    with visit(full.address, "en") as watched:
        text = watched.page.inner_text("main")
    for known in (words.KINDS, words.REASONS, words.CATEGORIES, words.CONDITIONS):
        for sentence in known.values():
            assert sentence in text
    assert re.search(r"[a-z]_[a-z]", text) is None


# --- it can be read -------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    """Of `#rrggbb`, after WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def tokens() -> dict[str, tuple[str, str]]:
    """Each colour token in the light and in the dark scheme."""
    found = re.findall(
        r"--([a-z-]+): light-dark\((#[0-9a-f]{6,8}), (#[0-9a-f]{6,8})\);", SHEET.read_text(encoding="utf-8")
    )
    return {name: (light, dark) for name, light, dark in found}


GROUNDS = ("ground", "surface", "raised", "good-soft", "bad-soft", "warn-soft")
PAIRS = [
    *product(("text", "quiet"), GROUNDS),
    *product(("brand",), ("ground", "surface", "good-soft")),
    *product(("good",), ("ground", "surface", "good-soft")),
    *product(("bad",), ("ground", "surface", "bad-soft", "warn-soft")),
    *product(("warn",), ("ground", "surface", "warn-soft")),
]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_stands_out_from_its_ground(text: str, ground: str, scheme: int) -> None:
    known = tokens()
    assert contrast(known[text][scheme], known[ground][scheme]) >= READABLE


def test_the_measure_of_contrast_is_the_known_one() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_colours_come_from_the_tokens_alone() -> None:
    sheet = SHEET.read_text(encoding="utf-8")
    rules = sheet[sheet.index("}") :]
    assert re.findall(r"#[0-9a-f]{3,8}\b|rgba?\(|hsla?\(", rules) == []
    assert set(re.findall(r"var\(--([a-z-]+)\)", rules)) <= {*tokens(), "space", "radius", "small", "font"}
    assert len(tokens()) == len(
        {*GROUNDS, "line", "text", "quiet", "brand", "good", "bad", "warn", "raised", "edge", "shade", "cut"}
    )


COMPUTED = """() => {
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility() || element.closest("script, noscript")) continue;
    let ground = element;
    while (getComputedStyle(ground).backgroundColor === "rgba(0, 0, 0, 0)") ground = ground.parentElement;
    found.add([getComputedStyle(element).color, getComputedStyle(ground).backgroundColor].join("|"));
  }
  return [...found];
}"""


def as_hex(colour: str) -> str:
    red, green, blue = re.findall(r"\d+", colour)[:3]
    return f"#{int(red):02x}{int(green):02x}{int(blue):02x}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_of_the_page_can_be_read_in_both_schemes(full: Served, visit: Visit, scheme: str) -> None:
    with visit(full.address, color_scheme=scheme) as watched:
        pairs = watched.page.evaluate(COMPUTED)
        ground = as_hex(watched.page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert ground == tokens()["ground"][scheme == "dark"]
    assert len(pairs) > 8
    weak = [pair for pair in pairs if contrast(*map(as_hex, pair.split("|"))) < READABLE]
    assert weak == []


def test_conditions_are_told_by_words_and_not_by_colour_alone(full: Served, visit: Visit) -> None:
    with visit(full.address) as watched:
        for row in watched.texts(".devices li"):
            assert any(word in row for word in words.CONDITIONS.values())
        assert all(watched.texts("#rows .result"))
        assert watched.page.locator(".devices .dot").count() == len(watched.texts(".devices li"))
    known = tokens()
    for scheme, dot in product((0, 1), ("good", "warn", "bad")):
        assert contrast(known[dot][scheme], known["surface"][scheme]) >= VISIBLE
