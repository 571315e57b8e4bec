"""Requests about one's own data in the console: asked for, taken down, answered, overseen."""

import re
from collections.abc import Iterator

import pytest
from console_support import Console, a_console, faults_of
from playwright.sync_api import Page

from central.accounts.who import Role
from central.requests.book import receive
from central.requests.words import RequestKind

TEXT = "姓名写错了一个字"
WHY = "登记与证件一致"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """The resident asked three weeks ago, and has no answer yet."""
    with a_console(tmp_path_factory.mktemp("requests")) as made:
        assert made.person is not None
        with made.estate.desk(days=-21) as desk:
            receive(desk, RequestKind.DELETION, TEXT, person_id=made.person, at_desk=False)
        yield made


def is_well(page: Page, path: str | None = None) -> str:
    if path is not None:
        page.goto(path)
    assert faults_of(page) == []
    return page.locator("main").inner_text()


def test_a_resident_asks_a_worker_answers_and_the_resident_reads_it_with_the_way_to_court(
    console: Console,
) -> None:
    with console.as_role(Role.RESIDENT, "zh", 390) as page:
        assert {"删除", "已逾期"} <= set(is_well(page, "/own/requests").split("\n"))
        page.locator("#text").fill(TEXT)
        page.get_by_role("button", name="提交").click()
        assert page.locator("input[name=kind]:checked").count() == 0, "whoever asks chooses"
        assert page.url.endswith("/own/requests"), "and nothing was sent without"
        page.get_by_label("更正").check()
        page.get_by_role("button", name="提交").click()
        page.get_by_text("您的申请已收到").wait_for()
        assert "2026-11-19" in is_well(page)
    with console.as_role(Role.SUPERVISOR, "en") as page:
        told = is_well(page, "/oversight/requests")
        assert re.search(r"1\s*past their 15 days", told)
        assert TEXT not in told
    with console.as_role(Role.WORKER, "en", 1280, "dark") as page:
        assert "past its date" in is_well(page, "/requests")
        page.get_by_role("link", name="deletion").click()
        page.locator("#text").fill(WHY)
        is_well(page)
        page.get_by_role("button", name="It is not granted").click()
        page.get_by_text(WHY).wait_for()
        assert "correction" in is_well(page, "/requests")
        assert "answered late" in is_well(page, "/requests?waiting=false")
    with console.as_role(Role.RESIDENT, "en") as page:
        told = is_well(page, "/own/requests")
        assert {"not granted", "answered late", WHY} <= set(told.split("\n"))
        assert "go to court" in told
    assert console.complaints.said == []


def test_a_resident_withdraws_a_request_and_the_office_sees_that(console: Console) -> None:
    with console.as_role(Role.RESIDENT, "zh", 390) as page:
        page.goto("/own/requests")
        page.get_by_label("投诉").check()
        page.locator("#text").fill(TEXT)
        page.get_by_role("button", name="提交").click()
        page.get_by_text("您的申请已收到").wait_for()
        newest = page.locator(".request").first
        newest.locator("summary").click()
        is_well(page)
        newest.get_by_role("button", name="确认撤回").click()
        page.get_by_text("您的申请已撤回").wait_for()
        assert "已撤回" in newest.inner_text()
        assert newest.locator("summary").count() == 0
        is_well(page)
    with console.as_role(Role.WORKER, "en") as page:
        page.goto("/requests?waiting=false")
        page.get_by_role("link", name="complaint").click()
        assert "nothing is to be answered" in is_well(page)
        assert page.locator("textarea").count() == 0


def test_the_desk_takes_one_down_prints_its_receipt_and_finds_it_by_that(console: Console) -> None:
    with console.as_role(Role.WORKER, "en", 390) as page:
        page.goto("/visitors/new")
        page.get_by_role("button", name="Give this pass").click()
        page.wait_for_url(re.compile(r"/visitors/\d+$"))
        page.get_by_role("link", name="Take a request down").click()
        page.get_by_label("deletion").check()
        page.locator("#text").fill(TEXT)
        assert "the visitor's of this pass" in is_well(page)
        page.get_by_role("button", name="Take it down").click()
        page.wait_for_url(re.compile(r"/requests/\d+/\d+$"))
        assert "a colleague answers it" in is_well(page)
        address, receipt = page.url, page.locator(".slip .receipt").inner_text()
        page.goto("/requests")
        page.locator("#receipt").fill("2222-2222-2222")
        page.get_by_role("button", name="Find").click()
        page.get_by_text("no request has this receipt").wait_for()
        page.locator("#receipt").fill(receipt.lower())
        page.get_by_role("button", name="Find").click()
        page.wait_for_url(address)
    assert all("409" in text for text in console.complaints.said)
