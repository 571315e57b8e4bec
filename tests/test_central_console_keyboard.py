"""The main tasks by keyboard alone: nothing is clicked, and one always sees where one is."""

import re
from collections.abc import Iterator
from datetime import UTC

import pytest
from console_support import CARDS, Console, a_console
from playwright.sync_api import Locator, Page
from register_support import EAST, SITE, a_number

from central.accounts.who import Role
from central.alarms.watch import Watch
from messages.model import Kind

MOST_TABS = 60
OF_A_DOOR: dict[str, object] = {"credential": None, "holder": None, "category": None, "reason": None}
_SEEN = """one => {
  if (one !== document.activeElement) return false;
  const marked = one.matches("[type=radio], [type=checkbox]") ? one.nextElementSibling ?? one : one;
  if ([one, marked].every(each => getComputedStyle(each).outlineStyle === "none")) throw "focus is not seen";
  const {left, right, top, bottom} = marked.getBoundingClientRect();
  const over = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
  const bare = over && (over === one || marked.contains(over) || over.contains(marked));
  if (!bare) throw "focus is out of sight or covered";
  return true;
}"""


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with a_console(tmp_path_factory.mktemp("keyboard")) as made:
        yield made


def tabs_to(page: Page, there: Locator, key: str = "Tab") -> None:
    """Fails where it is never reached, and where one would not see that one is there."""
    for _ in range(MOST_TABS):
        if there.evaluate(_SEEN):
            return
        page.keyboard.press(key)
    raise AssertionError(f"no {key} leads to {there}")


def types(page: Page, field: str, text: str) -> None:
    tabs_to(page, page.locator(field))
    page.keyboard.insert_text(text)


def presses(page: Page, name: str, role: str = "button") -> None:
    tabs_to(page, page.get_by_role(role, name=name, exact=True).first)  # type: ignore[arg-type]
    page.keyboard.press("Enter")


def test_a_pass_is_given_extended_by_a_choice_and_taken_back(console: Console) -> None:
    with console.as_role(Role.WORKER) as page:
        page.goto("/visitors")
        presses(page, "Give a pass", "link")
        page.wait_for_url("**/visitors/new")
        types(page, "#where", "1 101")
        tabs_to(page, page.locator("[name=reason]:checked"))
        page.keyboard.press("ArrowRight")  # to the next reason
        tabs_to(page, page.locator("[name=length]:checked"))
        page.keyboard.press("ArrowRight")
        assert page.locator("[name=length]:checked").get_attribute("value") == "today"
        presses(page, "Give this pass")
        page.wait_for_url(re.compile(r"/visitors/\d+$"))
        assert "delivery" in page.locator("main").inner_text()
        console.passes(1)
        presses(page, "Undo")
        page.get_by_text("good no more").wait_for()


def test_a_family_moves_in(console: Console) -> None:
    """From the palette to the home; Enter in a field means that they move in."""
    with console.as_role(Role.WORKER) as page:
        page.goto("/visitors")
        page.keyboard.press("Control+k")
        page.keyboard.insert_text("1 102")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(r"/places/\d+$"))
        presses(page, "Move in", "link")
        page.wait_for_url("**/move-in")
        types(page, "#name-0", "林秋月")
        types(page, "#number-0", a_number(80))
        tabs_to(page, page.locator("#relation-0"))
        page.keyboard.press("ArrowDown")
        presses(page, "One more person")
        page.locator("#name-2").wait_for()
        assert page.locator("#relation-0").input_value() == "family"
        types(page, "#name-1", "林一鸣")
        types(page, "#number-1", a_number(81))
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(r"/places/\d+$"))
        assert page.locator(".people").inner_text().count("林**") == 2


def test_somebody_moves_out(console: Console) -> None:
    with console.as_role(Role.WORKER) as page:
        page.goto(f"/homes/{console.estate.community}/places/{console.estate.places['201']}")
        before = page.locator(".people li").count()
        tabs_to(page, page.locator(".people input").first)
        page.keyboard.press("Space")
        tabs_to(page, page.locator("details.fold summary"))
        page.keyboard.press("Enter")
        types(page, "#reason", "registered twice")
        presses(page, "They never lived here")
        page.locator(".people li").nth(before - 1).wait_for(state="detached")


def test_a_wide_look_up_is_asked_approved_and_read(console: Console) -> None:
    with console.as_role(Role.OFFICER) as officer, console.as_role(Role.APPROVER) as page:
        officer.goto("/look-up")
        tabs_to(officer, officer.locator("[name=purpose]").first)
        officer.keyboard.press("Space")
        types(officer, "#case_number", "A-2026-17")
        tabs_to(officer, officer.locator("[name=question]:checked"))
        for _ in range(3):
            officer.keyboard.press("ArrowRight")
        tabs_to(officer, officer.locator("#place"))
        officer.keyboard.press("End")  # all buildings
        assert officer.locator("#place").input_value() == SITE
        presses(officer, "Look up")
        officer.wait_for_url(re.compile(r"/look-up/\d+$"))

        page.goto("/oversight/approvals")
        types(page, "[name=why] >> nth=0", "案情需要")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_load_state()
        page.get_by_text("Nothing waits").first.wait_for()

        officer.reload()
        presses(officer, "Table", "link")
        officer.wait_for_url("**view=table*")
        tabs_to(officer, officer.locator(".reveal summary").first)
        officer.keyboard.press("Enter")
        tabs_to(officer, officer.locator(".reveal[open] [name=why]"))
        officer.keyboard.insert_text("for the case")
        officer.keyboard.press("Enter")
        officer.locator(".revealed .value").first.wait_for()


def test_an_alarm_is_seen_to_and_the_focus_stays_beside_it(console: Console) -> None:
    """Also while the page asks for alarms again and again."""
    watch = Watch(console.filled.writer, console.filled.reader, lambda: console.now_us, UTC)
    watch.begin()
    console.happens(EAST, kind=Kind.DOOR_FORCED, **OF_A_DOOR)
    watch.look()
    with console.as_role(Role.OFFICER) as page:
        page.goto("/")
        button = page.locator(".alarms li", has_text="door was forced").get_by_role("button")
        tabs_to(page, button)
        with page.expect_response("**/parts/alarms"):
            pass
        assert button.evaluate(_SEEN)
        page.keyboard.press("Enter")
        undo = page.locator("#alarms .undoable button")
        undo.wait_for()
        assert undo.evaluate(_SEEN)
        page.keyboard.press("Enter")
        button.wait_for()


def test_a_card_is_given_reported_lost_and_found(console: Console) -> None:
    with console.as_role(Role.WORKER) as page:
        page.goto("/homes/people")
        page.keyboard.insert_text(CARDS["赵强"])  # the field has the focus from the beginning
        page.keyboard.press("Enter")
        tabs_to(page, page.locator(".found a"))
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(r"/people/\d+$"))
        types(page, "#number", "04A1B2FF")
        page.keyboard.press("Enter")
        page.get_by_text("····B2FF").wait_for()
        presses(page, "Report lost")
        page.locator(".badge", has_text="reported lost").wait_for()
        presses(page, "Found again")
        page.locator(".badge", has_text="found again").wait_for()
