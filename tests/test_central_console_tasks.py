"""Each role's main task, from signing in with both factors to its result, in a real browser: in Chinese on a
dark phone, and in English at a light desk."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

import pytest
from console_support import CARDS, DOORS, WIDTHS, Console, a_console, faults_of
from playwright.sync_api import Page
from register_support import EAST, SITE, a_number

from central.accounts.who import Role

CASE: Final = "A-2026-17"
SETTINGS: Final = '{"doors": {"east-front": {"asks_pin": %s}}}'


@dataclass(frozen=True)
class Way:
    """How a console is looked at. `turn`: which try of each task that is."""

    lang: Literal["zh", "en"]
    width: int
    scheme: Literal["light", "dark"]
    turn: int


WAYS: Final = (
    Way("zh", WIDTHS["phone"], "dark", 0),
    Way("en", WIDTHS["desktop"], "light", 1),
)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with a_console(tmp_path_factory.mktemp("tasks"), by_hand=True) as made:
        yield made


def asks(page: Page, question: str, subject: str) -> None:
    page.goto("/look-up")
    page.locator("[name=purpose][value=missing_person]").check()
    page.locator("#case_number").fill(CASE)
    page.locator(f"[name=question][value={question}]").check()
    if question == "door":
        page.locator("#place").select_option(subject)
    else:
        page.locator("#number").fill(subject)
    page.locator(".go button").click()
    page.wait_for_url(re.compile(r"/look-up/\d+$"))


def an_officer_looks_somebody_up(page: Page, _console: Console, _way: Way) -> None:
    asks(page, "card", CARDS["王小明"])
    assert page.locator(".timeline li").count() == 4
    assert CARDS["王小明"] not in page.url + page.title()


def an_approver_agrees_to_a_wide_look_up(page: Page, console: Console, way: Way) -> None:
    with console.as_role(Role.OFFICER, way.lang) as officer:
        asks(officer, "door", SITE)
        page.goto("/oversight/approvals")
        page.locator("[name=why]").first.fill("案情需要")
        page.locator("button[name=agreed][value=true]").first.click()
        page.wait_for_load_state()
        officer.reload()
        assert officer.locator(".timeline li").count() > 0


def a_supervisor_reads_who_looked(page: Page, console: Console, way: Way) -> None:
    with console.as_role(Role.OFFICER, way.lang) as officer:
        asks(officer, "card", CARDS["王小明"])
    page.goto("/oversight/register")
    assert CASE in page.locator("main").inner_text()
    assert CARDS["王小明"] not in page.content()


def a_worker_registers_a_family(page: Page, console: Console, way: Way) -> None:
    home = f"/homes/{console.estate.community}/places/{console.estate.places['102']}"
    page.goto(home)
    page.locator("a[href*='move-in'], a[href$='/in']").first.click()
    page.locator("#name-0").fill("林秋月")
    page.locator("#number-0").fill(a_number(40 + way.turn))
    page.locator("main form button:not([name])").last.click()
    page.wait_for_url(f"**{home}")
    assert "林**" in page.locator(".people").inner_text()


def a_worker_issues_a_pass(page: Page, _console: Console, _way: Way) -> None:
    page.goto("/visitors/new")
    page.locator("#where").fill("1 101")
    page.locator("[name=reason][value=friends]").check()
    page.locator("main form button").last.click()
    page.wait_for_url(re.compile(r"/visitors/\d+$"))
    assert page.locator(".code svg").is_visible()


def an_installer_sees_what_hangs_on_a_gateway(page: Page, _console: Console, _way: Way) -> None:
    page.goto("/operations")
    page.locator(f"a[href='/operations/{SITE}/{EAST}']").first.click()
    page.wait_for_url(f"**/operations/{SITE}/{EAST}")
    shown = page.locator(".doors").inner_text()
    assert all(label in shown for _, label, _ in DOORS[EAST][1])


def an_operator_writes_settings(page: Page, _console: Console, way: Way) -> None:
    page.goto("/operations/settings")
    page.locator("#written").fill(SETTINGS % ("true" if way.turn else "false"))
    page.locator("form:has(#written) button").click()
    asks_pin = "PIN after the card" if way.lang == "en" else "刷卡后密码"
    assert f"1 号楼 · 正门 › {asks_pin}" in page.locator("#differences").inner_text()
    page.locator("form[action*='/send'] button").click()
    page.locator(".notice.good").wait_for()


def an_administrator_makes_an_account(page: Page, _console: Console, way: Way) -> None:
    page.goto("/administration/new")
    page.locator("#name").fill("新同事")
    page.locator("#login").fill(f"new-{way.turn}")
    page.locator("#unit").fill("二号警务室")
    page.locator("[name=communities]").first.check()
    page.locator("main form button").click()
    assert re.fullmatch(r"[0-9a-f]{20}", page.locator("code.secret").inner_text())


def a_resident_sees_their_own_entries(page: Page, _console: Console, _way: Way) -> None:
    page.goto("/")
    page.locator("a[href='/own']").first.click()
    page.wait_for_url("**/own")
    assert page.locator("tbody tr").count() == 4


Task = Callable[[Page, Console, Way], None]
TASKS: Final[dict[Task, Role]] = {
    an_officer_looks_somebody_up: Role.OFFICER,
    an_approver_agrees_to_a_wide_look_up: Role.APPROVER,
    a_supervisor_reads_who_looked: Role.SUPERVISOR,
    a_worker_registers_a_family: Role.WORKER,
    a_worker_issues_a_pass: Role.WORKER,
    an_installer_sees_what_hangs_on_a_gateway: Role.INSTALLER,
    an_operator_writes_settings: Role.OPERATOR,
    an_administrator_makes_an_account: Role.ADMINISTRATOR,
    a_resident_sees_their_own_entries: Role.RESIDENT,
}


def test_every_role_has_a_task_here() -> None:
    assert set(TASKS.values()) == set(Role)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.lang}-{way.width}-{way.scheme}")
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.__name__)
def test_each_role_gets_its_main_task_done(console: Console, task: Task, way: Way) -> None:
    """The page where it ends has no fault, and none asks for anything from elsewhere."""
    with console.as_role(TASKS[task], way.lang, way.width, way.scheme) as page:
        task(page, console, way)
        assert faults_of(page) == []
    assert (console.complaints.elsewhere, console.complaints.said) == ([], [])


@pytest.mark.parametrize(
    ("action", "takes"),
    [
        pytest.param("release", (True, False), id="a door alone"),
        pytest.param("lock_down", (True, True), id="a door and minutes"),
        pytest.param("reset_passback", (False, False), id="neither"),
    ],
)
def test_the_form_of_a_command_shows_what_its_action_takes(
    console: Console, action: str, takes: tuple[bool, bool]
) -> None:
    with console.as_role(Role.OPERATOR) as page:
        page.goto(f"/operations/{SITE}/{EAST}")
        page.locator("#action").select_option(action)
        assert (page.locator("#door").is_visible(), page.locator("#minutes").is_visible()) == takes
