"""Signing in through a provider in a real browser, which keeps cookies from what other sites lead to."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from accounts_support import PASSWORD
from central_support import DEADLINE_S
from console_support import faults_of
from playwright.sync_api import Browser, Page, expect, sync_playwright
from provider_town_support import Place, a_place

from bench.shots import CHROMIUM, CHROMIUM_FLAGS

SAID = {
    "en": ("Sign in with City login", "Sign in", "Link my account", "Linked since", "officer"),
    "zh": ("用City login登录", "登录", "关联我的账户", "关联于", "民警"),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_FLAGS))
        yield launched
        launched.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """The provider is at 127.0.0.1 and we at localhost: another site, for a browser."""
    with a_place(tmp_path) as place:
        yield place


def opened(browser: Browser, place: Place, lang: str, complaints: list[str], width: int = 390) -> Page:
    context = browser.new_context(
        base_url=place.town.served.address,
        viewport={"width": width, "height": 844},
        reduced_motion="reduce",
        locale="zh-CN" if lang == "zh" else "en-US",
        color_scheme="dark" if lang == "en" else "light",
    )
    context.set_default_timeout(DEADLINE_S * 1_000)
    context.add_cookies([{"name": "liuhen-language", "value": lang, "url": place.town.served.address}])
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None
    )
    return page


def gives_the_code(place: Place, page: Page) -> None:
    page.locator("input[name=code]").fill(place.town.code(place.secret))
    page.keyboard.press("Enter")


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_somebody_links_their_account_and_signs_in_by_the_button(
    browser: Browser, place: Place, lang: Literal["zh", "en"]
) -> None:
    button, sign_in, link, linked, role = SAID[lang]
    complaints: list[str] = []
    page = opened(browser, place, lang, complaints)
    page.goto("/sign-in")
    page.locator("input[name=login]").fill("zhou")
    page.locator("input[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/sign-in/code*")
    gives_the_code(place, page)
    page.wait_for_url(lambda url: "/sign-in" not in url)
    page.goto("/account")
    assert faults_of(page) == []
    page.get_by_role("button", name=link).click()
    page.get_by_role("button", name="Let me in").click()
    page.wait_for_url("**/account")
    expect(page.get_by_text(linked)).to_be_visible()
    assert faults_of(page) == []
    page.context.close()

    place.town.passes(60)
    page = opened(browser, place, lang, complaints)
    page.goto("/sign-in")
    assert faults_of(page) == []
    page.get_by_role("button", name=button).click()
    page.get_by_role("button", name="Let me in").click()
    page.wait_for_url("**/sign-in/code*")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN" if lang == "zh" else "en")
    expect(page.get_by_role("button", name=sign_in, exact=True)).to_be_visible()
    gives_the_code(place, page)
    page.wait_for_url(lambda url: "/sign-in" not in url)
    expect(page.get_by_role("group").filter(has_text=role)).to_have_count(1)
    assert page.request.get("/api/v1/me").status == 200
    page.context.close()
    assert complaints == []


def test_a_refusal_can_be_read_on_a_phone_and_leads_back(browser: Browser, place: Place) -> None:
    page = opened(browser, place, "zh", [])
    page.goto("/sign-in")
    page.get_by_role("button", name=SAID["zh"][0]).click()
    page.get_by_role("button", name="Let me in").click()
    expect(page.get_by_role("alert")).to_contain_text("登录未成功")
    assert faults_of(page) == []
    page.get_by_role("link", name="继续").click()
    page.wait_for_url("**/sign-in*")
    page.context.close()


def test_a_provider_that_is_away_leaves_the_password(browser: Browser, place: Place) -> None:
    place.provider.stop()
    page = opened(browser, place, "en", [], width=1280)
    page.goto("/sign-in")
    page.get_by_role("button", name=SAID["en"][0]).click()
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    assert faults_of(page) == []
    page.get_by_role("link", name="Go on").click()
    page.wait_for_url("**/sign-in*")
    expect(page.locator("input[name=password]")).to_be_visible()
    page.context.close()
