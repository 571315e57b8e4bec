"""The pages of signing in by a passkey and of one's own account: plain forms, and what scripts add."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import plain_http
import pytest
from accounts_support import PASSWORD, Town, a_town
from passkey_support import Authenticator


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with a_town(tmp_path, by_name=True) as town:
        yield town


def page_of(town: Town, browser: httpx.Client) -> httpx.Client:
    """The same browser, on the pages."""
    pages = plain_http.Client(
        base_url=town.served.address,
        cookies=browser.cookies,
        headers={"Origin": town.served.address},
        timeout=30,
    )
    return town.opened.enter_context(pages)


def with_passkey(town: Town, browser: httpx.Client) -> None:
    options = browser.post("/me/passkeys/options").json()["options"]
    body = {"name": "蓝色密钥", "answer": Authenticator(town.served.address).makes(options)}
    assert browser.post("/me/passkeys", json=body).status_code == 201


def test_the_account_page_shows_who_one_is_and_ones_passkeys(town: Town) -> None:
    browser = town.signed_in("zhou", town.account())
    with_passkey(town, browser)
    page = page_of(town, browser).get("/account?lang=zh").text
    assert all(word in page for word in ("周警官", "民警", "蓝色密钥", "添加通行密钥"))


def test_a_passkey_is_removed_by_a_form(town: Town) -> None:
    browser = town.signed_in("zhou", town.account())
    with_passkey(town, browser)
    [known] = browser.get("/me/passkeys").json()
    answer = page_of(town, browser).post(f"/account/passkeys/{known['id']}/remove?lang=en")
    assert (answer.status_code, answer.headers["location"]) == (303, "/account?lang=en")
    assert browser.get("/me/passkeys").json() == []


def test_removing_one_leads_to_the_second_factor_where_it_was_given_too_long_ago(town: Town) -> None:
    browser = town.signed_in("zhou", town.account())
    with_passkey(town, browser)
    [known] = browser.get("/me/passkeys").json()
    town.passes(600)
    answer = page_of(town, browser).post(f"/account/passkeys/{known['id']}/remove")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in/code?then=/account")
    assert len(browser.get("/me/passkeys").json()) == 1


def test_the_password_is_changed_by_a_form_and_one_signs_in_anew(town: Town) -> None:
    pages = page_of(town, town.signed_in("zhou", town.account()))
    new = "geese fly south when leaves turn"
    wrong = pages.post("/account/password", data={"old": "no", "new": new})
    assert (wrong.status_code, "当前密码不正确" in wrong.text) == (403, True)
    weak = pages.post("/account/password", data={"old": PASSWORD, "new": "password123"})
    assert (weak.status_code, "太容易被猜到" in weak.text) == (422, True)
    done = pages.post("/account/password", data={"old": PASSWORD, "new": new})
    assert done.headers["location"] == "/sign-in"
    assert pages.get("/account").headers["location"] == "/sign-in"


def test_whoever_has_a_passkey_alone_is_asked_for_it_and_for_no_code(town: Town) -> None:
    town.account(second=False)
    browser = town.browser()
    browser.post("/sign-in", json={"login": "zhou", "password": PASSWORD})
    options = browser.post("/sign-in/enrol/passkey/options").json()["options"]
    body = {"name": "手机", "answer": Authenticator(town.served.address).makes(options)}
    assert browser.post("/sign-in/enrol/passkey", json=body).status_code == 200
    again = town.browser()
    again.post("/sign-in", json={"login": "zhou", "password": PASSWORD})
    page = page_of(town, again).get("/sign-in/code").text
    assert 'data-passkey="use"' in page
    assert 'name="code"' not in page
