"""The resident's own pages: where they went in, and who looked at that."""

import re
from collections.abc import Iterator
from typing import Literal

import pytest
from console_support import CARDS, LANGUAGES, WIDTHS, Console, a_console, faults_of
from playwright.sync_api import Page

from central.accounts.who import Role

DAY_S = 86_400
IDENTITY = re.compile("赵强|04A1B2C5|" + "0" * 6 + r"\d{11}[\dX]")


def ask(page: Page) -> None:
    page.goto("/look-up")
    page.locator("[name=purpose][value=missing_person]").check()
    page.locator("#case_number").fill("A-2026-17")
    page.locator("[name=question][value=card]").check()
    page.locator("#number").fill(CARDS["赵强"])
    page.locator(".go button").click()
    page.wait_for_url(re.compile(r"/look-up/\d+$"))


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A day after an officer asked twice about the card of the resident whose account it is: once to be told
    later."""
    with a_console(tmp_path_factory.mktemp("own")) as made:
        with made.as_role(Role.OFFICER) as page:
            ask(page)
            ask(page)
            page.get_by_text("Tell it later").click()
            page.locator("#why-delay").fill("the case is not over")
            page.locator("#why-delay").press("Enter")
            page.get_by_text("waits for somebody of another unit").wait_for(state="attached")
            assert faults_of(page) == []
        made.passes(DAY_S + 1)
        yield made


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_a_resident_sees_their_own_entries_and_who_looked(
    console: Console, lang: Literal["zh", "en"], width: int
) -> None:
    with console.as_role(Role.RESIDENT, lang, width) as page:
        for path, rows in (
            ("/own", 4),
            ("/own?days=31", 4),
            ("/own?cursor=nonsense", 4),
            ("/own/who-looked", 1),
        ):
            page.goto(path)
            assert page.locator("tbody tr").count() == rows
            assert not IDENTITY.search(page.content())
            assert faults_of(page) == []
        assert "一号警务室" in page.locator("tbody tr").inner_text()
    assert (console.complaints.elsewhere, console.complaints.said) == ([], [])


def test_a_resident_who_signs_in_is_led_to_their_own_page(console: Console) -> None:
    with console.as_role(Role.RESIDENT) as page:
        page.goto("/")
        page.locator("a[href='/own']").first.click()
        page.wait_for_url("**/own")


def test_others_have_no_such_page(console: Console) -> None:
    with console.as_role(Role.WORKER) as page:
        answer = page.goto("/own")
        assert answer is not None
        assert answer.status == 403


def test_a_resident_who_reads_their_own_is_a_number_to_the_supervisor(console: Console) -> None:
    with console.as_role(Role.RESIDENT) as page:
        page.goto("/own")
    with console.as_role(Role.SUPERVISOR) as page:
        page.goto("/oversight/register")
        row = page.locator("tbody tr", has_text="read what concerns themselves").first
        assert re.fullmatch(r"Resident \d+", row.locator("[data-label=Who]").inner_text().strip())


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_a_resident_reports_a_card_lost_by_keyboard(
    console: Console, lang: Literal["zh", "en"], width: int
) -> None:
    """Each time one more question, and nothing is done before it is answered."""
    with console.as_role(Role.RESIDENT, lang, width) as page:
        page.goto("/own/cards")
        assert faults_of(page) == []
        assert not IDENTITY.search(page.content())
        opener = page.locator("summary.plain").first
        if not opener.count():
            return  # reported by the first of these tests, for good
        opener.focus()
        page.keyboard.press("Enter")
        assert faults_of(page) == []
        assert page.locator("button.danger:visible, .button.danger:visible").count() == 1, (
            "that which does it"
        )
        page.locator(".own-cards form button").first.press("Enter")
        page.locator("main > .notice.good").wait_for()
        assert page.locator(".badge.bad").count() == 1
        assert faults_of(page) == []
