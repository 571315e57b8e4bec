"""How doors stand, and the form that sets one: as they are seen in both languages and widths."""

from collections.abc import Iterator
from typing import Literal

import pytest
from console_support import LANGUAGES, WIDTHS, Console, a_console, faults_of
from register_support import EAST, SITE

from central.accounts.who import Role
from messages.model import Kind, Reason

FORM = f"/operations/settings/door?site={SITE}&door=east-front"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with a_console(tmp_path_factory.mktemp("doors")) as made:
        said = {"credential": None, "holder": None, "category": None}
        made.happens(EAST, kind=Kind.DOOR_LOCKED_DOWN, reason=Reason.COMMAND, **said)
        made.happens(EAST, kind=Kind.DOOR_FREED, reason=Reason.SCHEDULE, door="east-unit-1", **said)
        yield made


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_pages_of_doors_have_no_fault(
    console: Console, lang: Literal["zh", "en"], width: int, scheme: Literal["light", "dark"]
) -> None:
    with console.as_role(Role.OPERATOR, lang, width, scheme) as page:
        page.goto(f"/operations/{SITE}/{EAST}")
        door = page.locator("#door-east-front").inner_text()
        assert {"zh": "已封闭", "en": "locked down"}[lang] in door
        assert faults_of(page) == []
        page.goto(FORM)
        assert faults_of(page) == []


def test_hours_are_typed_and_what_would_change_is_shown(console: Console) -> None:
    with console.as_role(Role.OPERATOR, "en", 390) as page:
        page.goto(f"/operations/settings?site={SITE}")
        page.get_by_label("Door", exact=True).select_option("east-front")
        page.get_by_role("button", name="Open the form").click()
        row = page.locator("fieldset.hours").first
        row.get_by_label("Mon").check()
        row.get_by_label("from").fill("08:00")
        page.get_by_role("button", name="See what would change").click()
        assert "Row 1 is not whole" in page.get_by_role("alert").inner_text()
        assert page.locator("fieldset.hours").first.get_by_label("from").input_value() == "08:00"
        page.locator("fieldset.hours").first.get_by_label("to", exact=True).fill("18:00")
        page.get_by_role("button", name="See what would change").click()
        where = "Hours in which it stands free › Row 1 › to"
        page.locator("#differences").get_by_text(where).wait_for()
        assert faults_of(page) == []
    assert console.complaints.elsewhere == []


def test_what_was_done_is_said_once(console: Console) -> None:
    with console.as_role(Role.OPERATOR) as page:
        page.goto("/operations/rules?done=rule")
        page.get_by_text("The rule holds from now on.").wait_for()
        page.wait_for_url("**/operations/rules")
        page.reload()
        assert page.get_by_text("The rule holds from now on.").count() == 0
