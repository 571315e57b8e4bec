"""The frame around every page, in a real browser: each registered page, as each role that sees it."""

import re
from collections.abc import Iterator
from pathlib import Path

import plain_http
import pytest
from console_support import LANGUAGES, Console, a_console, faults_of
from playwright.sync_api import Route
from register_support import EAST, SITE
from routes_support import the_routes

from bench.community.pictures import all_pictures
from central.accounts.who import Role
from central.console.palette import pages_called
from central.console.registry import Page, Section, all_pages, pages_of

MOST_SECTIONS = 5  # as many as stand side by side at the bottom of a phone
FIRST_LOAD_BYTES = 300_000


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with a_console(tmp_path_factory.mktemp("console")) as made:
        yield made


def somebody_of(page: Page) -> Role:
    """The first role that sees it, in the order of the roles."""
    return next(role for role in Role if role in page.roles)


# --- the registry ----------------------------------------------------------------------------------------


def test_every_page_has_a_name_and_an_address_of_its_own() -> None:
    pages = all_pages()
    assert len({page.name for page in pages}) == len({page.path for page in pages}) == len(pages)


def test_every_page_lets_in_whom_the_registry_names() -> None:
    """Whom the navigation leads there is not turned away."""
    guards = {cell.path: cell.roles for cell in the_routes() if cell.method == "GET"}
    for page in all_pages():
        roles = guards[page.path]
        assert roles is None or page.roles <= roles, page.name


@pytest.mark.parametrize("role", list(Role))
def test_no_role_has_more_sections_than_a_phone_shows(role: Role) -> None:
    sections = {page.section for page in pages_of(role)} - {Section.ACCOUNT}
    assert len(sections) <= MOST_SECTIONS


def test_the_palette_finds_pages_in_both_languages_and_only_ones_own() -> None:
    assert [found.path for found in pages_called(Role.OFFICER, "实时")] == ["/"]
    assert [found.path for found in pages_called(Role.OFFICER, "now")] == ["/"]
    assert pages_called(Role.RESIDENT, "now") == []


# --- every page ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: page.name)
def test_a_page_has_no_fault_in_either_language_width_or_scheme(console: Console, page: Page) -> None:
    console.complaints.said.clear()
    role = somebody_of(page)
    found = []
    for lang, width, scheme in (("zh", 390, "light"), ("en", 1280, "dark")):
        shown = console.kept(role, lang, width, scheme)  # type: ignore[arg-type]
        answer = shown.goto(page.path)
        assert answer is not None
        assert answer.status == 200
        assert shown.locator("h1").count() == 1
        found += [f"{lang} {width} {scheme}: {fault}" for fault in faults_of(shown)]
        shown.goto("about:blank")  # what it still asks and says is heard now, and nothing goes on
    assert found == []
    assert console.complaints.said == []
    assert console.complaints.elsewhere == []


@pytest.mark.parametrize("path", ["/public-report", "/sign-in?why=idle&then=/operations"])
def test_a_page_for_everybody_has_no_fault_either(console: Console, path: str) -> None:
    found = []
    for lang, width, scheme in (("zh", 390, "light"), ("en", 1280, "dark")):
        shown = console.kept(Role.SUPERVISOR, lang, width, scheme)  # type: ignore[arg-type]
        shown.goto(path)
        assert shown.locator("h1").count() == 1
        found += [f"{lang} {width} {scheme}: {fault}" for fault in faults_of(shown)]
    assert found == []


# --- the frame -------------------------------------------------------------------------------------------


def test_the_palette_is_opened_by_a_key_and_leads_to_a_page(console: Console) -> None:
    with console.as_role(Role.OFFICER) as shown:
        shown.goto("/")
        shown.keyboard.press("Control+k")
        shown.locator("#palette-found a").first.wait_for()
        shown.keyboard.type("account")
        shown.locator("#palette-found a", has_text="Your account").wait_for()
        shown.keyboard.press("Enter")
        shown.wait_for_url("**/account")


def test_what_is_typed_into_the_palette_stands_in_no_address(console: Console) -> None:
    addresses: list[str] = []
    with console.as_role(Role.OFFICER) as shown:
        shown.on("request", lambda asked: addresses.append(asked.url))
        shown.goto("/")
        shown.keyboard.press("Control+k")
        with shown.expect_response("**/find"):
            shown.keyboard.type("王小明")
    assert addresses
    assert not [each for each in addresses if "%" in each or "王" in each]


def test_the_language_that_was_chosen_stays(console: Console) -> None:
    with console.as_role(Role.OFFICER, "zh") as shown:
        shown.goto("/")
        shown.get_by_role("link", name="English").click()
        shown.goto("/account")
        assert shown.title() == "Your account · 留痕 Liuhen"


def test_whoever_may_not_see_the_first_page_is_led_on_or_told_so(console: Console) -> None:
    with console.as_role(Role.RESIDENT) as shown:
        answer = shown.goto("/")
        assert answer is not None
        assert answer.status == 200
        assert shown.locator("h1, .empty").first.is_visible()


@pytest.mark.parametrize(
    ("path", "role", "status"),
    [
        pytest.param("/nowhere", Role.OFFICER, 404, id="nothing there"),
        pytest.param("/parts/gateways", Role.WORKER, 403, id="not for the role"),
        pytest.param("/parts/entries?after=x", Role.OFFICER, 422, id="asked wrongly"),
    ],
)
def test_what_went_wrong_is_told_on_a_page(console: Console, path: str, role: Role, status: int) -> None:
    for lang in LANGUAGES:
        with console.as_role(role, lang) as shown:
            answer = shown.goto(path)
            assert answer is not None
            assert answer.status == status
            assert shown.locator(".problem h1").is_visible()
            assert faults_of(shown) == []


def test_a_program_is_told_of_a_problem_in_its_own_form(console: Console) -> None:
    answer = plain_http.get(f"{console.served.address}/nowhere")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_no_form_of_another_site_changes_anything(console: Console) -> None:
    """Whoever is signed in may be on a page of somebody else's, which posts to us in their name."""
    with console.as_role(Role.OFFICER) as shown:
        [session] = [each for each in shown.context.cookies() if each["name"] == "liuhen"]
    sent = {"Sec-Fetch-Site": "cross-site", "Accept": "text/html", "Origin": "https://elsewhere.example"}
    posts = [
        cell
        for cell in the_routes()
        if cell.method == "POST" and cell.roles and not cell.path.startswith("/api/")
    ]
    assert posts
    for cell in posts:
        path = "/".join("1" if part.startswith("{") else part for part in cell.path.split("/"))
        address = f"{console.served.address}{path}"
        answer = plain_http.post(address, headers=sent, cookies={"liuhen": session["value"]})
        assert answer.status_code == 403, cell.name


def test_no_template_holds_a_script_or_a_style_of_its_own() -> None:
    """The content policy would not run it."""
    for template in sorted(Path("central/console").rglob("*.html")):
        if "node_modules" in template.parts:
            continue
        text = template.read_text(encoding="utf-8")
        assert "<script>" not in text, template
        assert " style=" not in text, template
        assert " onclick=" not in text, template


# --- what is sent ---------------------------------------------------------------------------------------


_PRESSES_AGAIN = """() => new MutationObserver(() => {
  if (!document.documentElement.classList.contains("waits")) return;
  document.querySelector("main form").requestSubmit();
  fetch("/waits");
}).observe(document.documentElement, {attributes: true})"""


def test_what_takes_long_shows_it_and_is_sent_once(console: Console) -> None:
    """The answer is held back until the page says that it waits, and the form was sent once more."""
    held: list[Route] = []

    def goes_on(waits: Route) -> None:
        waits.fulfill(status=204)
        held[0].continue_()

    with console.as_role(Role.WORKER) as shown:
        shown.goto("/visitors/new")
        shown.locator("#where").fill("1 101")
        shown.route("**/visitors/new", lambda route: held.append(route))  # noqa: PLW0108
        shown.route("**/waits", goes_on)
        shown.evaluate(_PRESSES_AGAIN)
        shown.get_by_role("button", name="Give this pass").click(no_wait_after=True)
        shown.wait_for_url(re.compile(r"/visitors/\d+$"))
        assert [route.request.method for route in held] == ["POST"]


def test_without_a_network_nothing_is_sent_and_what_was_typed_stays(console: Console) -> None:
    console.complaints.said.clear()
    with console.as_role(Role.WORKER, "zh", 390, "dark") as shown:
        shown.goto("/visitors/new")
        shown.locator("#where").fill("1 101")
        shown.context.set_offline(True)
        shown.locator("#offline").wait_for()
        shown.get_by_role("button", name="发放", exact=True).click()
        shown.locator(".toast", has_text="内容未发送").wait_for()
        assert faults_of(shown) == []
        shown.context.set_offline(False)
        shown.locator("#offline").wait_for(state="hidden")
        assert shown.locator("#where").input_value() == "1 101"
        shown.get_by_role("button", name="发放", exact=True).click()
        shown.wait_for_url(re.compile(r"/visitors/\d+$"))


# --- pictures --------------------------------------------------------------------------------------------

NO_PAGE = re.compile(r"/parts/|/progress$|/workbook$|/sign-in/on$|/sign-in/provider/callback$")
"""What a script or a program fetches, and where a provider sends a browser, which is led on at once."""


def test_a_picture_is_taken_of_every_page_there_is() -> None:
    pages = {
        cell.path
        for cell in the_routes()
        if cell.method == "GET" and not cell.path.startswith("/api/") and not NO_PAGE.search(cell.path)
    }
    assert pages - {picture.route for picture in all_pictures()} == set()


def test_pictures_have_names_of_their_own() -> None:
    names = [picture.name for picture in all_pictures()]
    assert len(names) == len(set(names))


# --- the palette finds by role ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "leads"),
    [
        (Role.OPERATOR, [f"/operations/{SITE}/{EAST}"]),
        (Role.OFFICER, [f"/?at={SITE}/{EAST}"]),
        (Role.ADMINISTRATOR, []),
    ],
)
def test_the_palette_leads_to_a_building_as_far_as_a_role_sees_it(
    console: Console, role: Role, leads: list[str]
) -> None:
    with console.as_role(role) as shown:
        found = shown.request.post(
            f"{console.served.address}/find",
            form={"text": "1 号楼"},
            headers={"Sec-Fetch-Site": "same-origin"},
        )
        assert re.findall(r'href="([^"]+)"', found.text()) == leads


def test_on_a_phone_the_current_tab_is_in_sight_and_a_shadow_shows_where_more_follow(
    console: Console,
) -> None:
    with console.as_role(Role.SUPERVISOR, "zh", 390) as page:
        page.goto("/oversight/transparency")
        tabs = page.locator("main .tabs").first
        assert tabs.evaluate("e => e.scrollWidth > e.clientWidth && e.scrollLeft > 0")
        inside = """e => { const one = e.querySelector('[aria-current]').getBoundingClientRect(),
            all = e.getBoundingClientRect(); return one.left >= all.left && one.right <= all.right; }"""
        assert tabs.evaluate(inside)
        moves = tabs.evaluate("e => getComputedStyle(e).backgroundAttachment")
        assert moves == "local, local, scroll, scroll", "what hides a shadow moves with the tabs"
        assert faults_of(page) == []
