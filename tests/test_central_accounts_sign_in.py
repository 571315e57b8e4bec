"""Signing in over the real web application: two factors, limits, sessions, and what ends them."""

import html
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import msgspec
import plain_http
import pytest
from accounts_support import PASSWORD, Town, a_town
from central_web_support import AN_OFFICER, COMMUNITY, Served, a_filled
from sqlalchemy import delete, select

from central.accounts import second_factor, sessions, tokens
from central.accounts.who import Role
from central.console.demo_accounts import DemoAccount
from central.errors import NotSignedIn
from central.store.account_tables import account_community, session
from central.store.engine import writing


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with a_town(tmp_path) as town:
        yield town


def test_two_factors_let_in_and_either_alone_does_not(town: Town) -> None:
    secret = town.account()
    browser = town.browser()
    assert browser.get("/gateways").status_code == 401
    assert browser.post("/sign-in/code", json={"code": town.code(secret)}).status_code == 401
    assert browser.post("/sign-in", json={"login": "zhou", "password": PASSWORD}).json() == {"next": "code"}
    assert browser.get("/gateways").status_code == 401, "the second factor is still to come"
    assert browser.post("/sign-in/code", json={"code": town.code(secret)}).status_code == 200
    assert browser.get("/gateways").status_code == 200
    me = browser.get("/me").json()
    assert me == {"name": "周警官", "role": "officer", "unit": "一号警务室", "communities": [COMMUNITY]}


def test_a_code_is_good_once(town: Town) -> None:
    secret = town.account()
    code = town.code(secret)
    town.signed_in("zhou", secret)
    again = town.browser()
    again.post("/sign-in", json={"login": "zhou", "password": PASSWORD})
    assert again.post("/sign-in/code", json={"code": code}).status_code == 401
    town.passes(30)
    assert again.post("/sign-in/code", json={"code": town.code(secret)}).status_code == 200


@pytest.mark.parametrize(("late_s", "status"), [(0, 200), (30, 200), (90, 401)])
def test_a_code_is_good_for_half_a_minute_and_a_little_more(town: Town, late_s: int, status: int) -> None:
    secret = town.account()
    browser = town.browser()
    browser.post("/sign-in", json={"login": "zhou", "password": PASSWORD})
    code = town.code(secret)
    town.passes(late_s)
    assert browser.post("/sign-in/code", json={"code": code}).status_code == status


def test_what_is_wrong_is_said_alike_whether_there_is_such_an_account_or_not(town: Town) -> None:
    town.account()
    said = [
        town.browser().post("/sign-in", json={"login": login, "password": "not the password at all"}).json()
        for login in ("zhou", "nobody")
    ]
    assert said[0] == said[1]
    assert said[0]["status"] == 401
    assert town.events()[-2:] == ["refused", "refused"]


def test_after_five_wrong_tries_the_right_password_has_to_wait_too(town: Town) -> None:
    town.account()
    town.account("wu")
    for _ in range(5):
        assert town.browser().post("/sign-in", json={"login": "zhou", "password": "wrong"}).status_code == 401
    answer = town.browser().post("/sign-in", json={"login": "zhou", "password": PASSWORD})
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 900
    assert town.browser().post("/sign-in", json={"login": "wu", "password": PASSWORD}).status_code == 200


def test_many_wrong_tries_at_once_are_no_more_than_five(town: Town) -> None:
    town.account()

    def tried(_: int) -> int:
        wrong = {"login": "zhou", "password": "wrong"}
        return plain_http.post(
            f"{town.served.address}/api/v1/sign-in",
            json=wrong,
            headers={"Sec-Fetch-Site": "same-origin"},
            timeout=60,
        ).status_code

    with ThreadPoolExecutor(12) as together:
        found = list(together.map(tried, range(12)))
    assert sorted(found) == [401] * 5 + [429] * 7


def test_codes_are_not_guessed_either(town: Town) -> None:
    town.account()
    browser = town.browser()
    browser.post("/sign-in", json={"login": "zhou", "password": PASSWORD})
    wrong = [browser.post("/sign-in/code", json={"code": f"{n:06d}"}).status_code for n in range(6)]
    assert wrong == [401] * 5 + [429]


def test_a_session_ends_when_it_is_idle_for_a_quarter_of_an_hour(town: Town) -> None:
    browser = town.signed_in("zhou", town.account())
    town.passes(14 * 60)
    assert browser.get("/me").status_code == 200
    town.passes(14 * 60)
    assert browser.get("/me").status_code == 200
    town.passes(15 * 60)
    assert browser.get("/me").status_code == 401


def test_a_session_ends_after_twelve_hours_however_busy_it_is(town: Town) -> None:
    browser = town.signed_in("zhou", town.account())
    for _ in range(12 * 6 - 1):
        town.passes(600)
        assert browser.get("/me").status_code == 200
    town.passes(600)
    assert browser.get("/me").status_code == 401


def test_signing_out_ends_it_for_whoever_kept_the_cookie(town: Town) -> None:
    browser = town.signed_in("zhou", town.account())
    kept = dict(browser.cookies)
    assert browser.post("/sign-out").status_code == 204
    assert plain_http.get(f"{town.served.address}/api/v1/me", cookies=kept).status_code == 401


def test_the_token_changes_with_the_second_factor(town: Town) -> None:
    """Whoever planted a cookie in a browser before gains nothing by it."""
    secret = town.account()
    browser = town.browser()
    browser.post("/sign-in", json={"login": "zhou", "password": PASSWORD})
    planted = dict(browser.cookies)
    browser.post("/sign-in/code", json={"code": town.code(secret)})
    assert dict(browser.cookies) != planted
    assert plain_http.get(f"{town.served.address}/api/v1/me", cookies=planted).status_code == 401


def test_a_session_that_is_gone_is_not_taken_for_another_s_of_the_same_number(town: Town) -> None:
    """SQLite gives the highest number again: what was asked in one session is never done in the next."""
    town.account()
    town.account("wu")
    with writing(town.filled.writer) as connection:
        gone = sessions.find_session(connection, sessions.begin_session(connection, 1, 0), 0)
        connection.execute(delete(session))
        token = sessions.begin_session(connection, 2, 0)
        with pytest.raises(NotSignedIn):
            sessions.proved(connection, gone, 1)
        sessions.used(connection, gone, 1)
        sessions.end_session(connection, gone, 1)
        [kept] = connection.execute(select(session)).all()
        assert (kept.used_at, kept.proved_at, kept.ended_at) == (0, None, None)
        assert sessions.find_session(connection, token, 1).account == 2


def test_a_disabled_account_is_out_at_once(town: Town) -> None:
    browser = town.signed_in("zhou", town.account())
    admin = town.signed_in("admin", town.account("admin", Role.ADMINISTRATOR))
    number = next(each["id"] for each in admin.get("/accounts").json() if each["login"] == "zhou")
    assert admin.post(f"/accounts/{number}/disable").status_code == 204
    assert browser.get("/me").status_code == 401
    assert town.browser().post("/sign-in", json={"login": "zhou", "password": PASSWORD}).status_code == 401


def test_of_cookies_and_passwords_only_hashes_are_kept(town: Town) -> None:
    browser = town.signed_in("zhou", town.account())
    [token] = browser.cookies.values()
    with town.filled.reader.connect() as connection:
        kept = connection.execute(select(session.c.token)).scalars().all()
        assert kept == [tokens.hash_of(token)]
        dump = "\n".join(connection.connection.driver_connection.iterdump())  # type: ignore[union-attr]
    assert token not in dump
    assert PASSWORD not in dump
    assert "$argon2id$v=19$m=65536,t=3,p=4$" in dump


def test_the_cookie_is_for_this_site_and_its_pages_cannot_read_it(town: Town) -> None:
    town.account()
    said = town.browser().post("/sign-in", json={"login": "zhou", "password": PASSWORD}).headers["set-cookie"]
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(said.split("; "))
    assert "Domain" not in said
    assert "Max-Age" not in said


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Sec-Fetch-Site": "cross-site"}, id="another site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, id="a neighbour below one domain"),
        pytest.param({"Origin": "https://evil.example"}, id="an older browser"),
        pytest.param({"Origin": "null"}, id="from nowhere"),
        pytest.param({}, id="without a word"),
    ],
)
def test_another_sites_page_changes_nothing_in_your_name(town: Town, headers: dict[str, str]) -> None:
    cookies = dict(town.signed_in("admin", town.account("admin", Role.ADMINISTRATOR)).cookies)
    new = {"login": "mallory", "name": "m", "role": "officer", "unit": "u", "communities": []}
    answer = plain_http.post(
        f"{town.served.address}/api/v1/accounts", json=new, cookies=cookies, headers=headers, timeout=30
    )
    assert answer.status_code == 403
    assert "mallory" not in town.served.get("/api/v1/accounts").text


def test_a_new_account_is_activated_by_its_code_and_sets_up_its_authenticator(town: Town) -> None:
    admin = town.signed_in("admin", town.account("admin", Role.ADMINISTRATOR))
    new = {"login": "li", "name": "李社工", "role": "worker", "unit": "居委会", "communities": [COMMUNITY]}
    made = admin.post("/accounts", json=new)
    assert made.status_code == 201
    code = made.json()["code"]
    browser = town.browser()
    weak = browser.post("/sign-in/activation", json={"code": code, "password": "password123"})
    assert (weak.status_code, "guessed first" in weak.json()["detail"]) == (422, True)
    activated = browser.post("/sign-in/activation", json={"code": code, "password": PASSWORD})
    assert activated.json() == {"next": "enrol"}
    enrolment = browser.post("/sign-in/enrolment").json()
    assert enrolment["address"].startswith("otpauth://totp/")
    secret = enrolment["secret"]
    wrong = browser.post("/sign-in/enrol", json={"secret": secret, "code": "000000"})
    assert wrong.status_code == 401
    done = browser.post("/sign-in/enrol", json={"secret": secret, "code": town.code(secret)})
    assert done.json() == {"next": None}
    assert browser.get("/me").json()["role"] == "worker"
    assert browser.post("/sign-in/enrolment").status_code == 409, "nobody replaces it who is signed in"
    again = town.browser().post("/sign-in/activation", json={"code": code, "password": PASSWORD})
    assert again.status_code == 401, "a code is good once"


def test_an_activation_code_is_good_for_a_day(town: Town) -> None:
    admin = town.signed_in("admin", town.account("admin", Role.ADMINISTRATOR))
    new = {"login": "li", "name": "李社工", "role": "worker", "unit": "居委会", "communities": []}
    code = admin.post("/accounts", json=new).json()["code"]
    town.passes(24 * 3_600)
    late = town.browser().post("/sign-in/activation", json={"code": code, "password": PASSWORD})
    assert late.status_code == 401


def test_a_new_password_ends_all_sessions(town: Town) -> None:
    secret = town.account()
    here = town.signed_in("zhou", secret)
    town.passes(30)
    there = town.signed_in("zhou", secret)
    new = "geese fly south when leaves turn"
    assert here.post("/me/password", json={"old": "no", "new": new}).status_code == 401
    assert here.post("/me/password", json={"old": PASSWORD, "new": new}).status_code == 204
    assert (here.get("/me").status_code, there.get("/me").status_code) == (401, 401)
    assert town.browser().post("/sign-in", json={"login": "zhou", "password": new}).status_code == 200


def test_a_reset_account_begins_anew(town: Town) -> None:
    secret = town.account()
    browser = town.signed_in("zhou", secret)
    admin = town.signed_in("admin", town.account("admin", Role.ADMINISTRATOR))
    number = next(each["id"] for each in admin.get("/accounts").json() if each["login"] == "zhou")
    code = admin.post(f"/accounts/{number}/reset").json()["code"]
    assert browser.get("/me").status_code == 401
    assert town.browser().post("/sign-in", json={"login": "zhou", "password": PASSWORD}).status_code == 401
    activated = town.browser().post("/sign-in/activation", json={"code": code, "password": PASSWORD})
    assert activated.json() == {"next": "enrol"}, "the former authenticator counts no more"


def test_a_machine_comes_with_a_token_until_it_ends(town: Town) -> None:
    with writing(town.filled.writer) as connection:
        token = tokens.make_machine_token(
            connection,
            "board",
            role=Role.OPERATOR,
            communities=[COMMUNITY],
            days=1,
            by="test",
            now_us=town.now_us,
        )

    def ask() -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return plain_http.get(f"{town.served.address}/api/v1/gateways", headers=headers).status_code

    assert ask() == 200
    town.passes(86_400)
    assert ask() == 401


def test_a_token_that_was_ended_is_good_no_more(town: Town) -> None:
    with writing(town.filled.writer) as connection:
        make = {"role": Role.OPERATOR, "communities": [], "days": 9, "by": "test", "now_us": town.now_us}
        token = tokens.make_machine_token(connection, "board", **make)  # type: ignore[arg-type]
        assert tokens.end_machine_token(connection, "board", "test", town.now_us) == 1
    headers = {"Authorization": f"Bearer {token}"}
    assert plain_http.get(f"{town.served.address}/api/v1/gateways", headers=headers).status_code == 401


# --- the pages -------------------------------------------------------------------------------------------


def test_whoever_has_not_signed_in_is_led_to_the_page_where_one_does(town: Town) -> None:
    answer = plain_http.get(town.served.address)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    part = plain_http.get(f"{town.served.address}/parts/gateways", headers={"HX-Request": "true"})
    assert (part.status_code, part.headers["hx-redirect"]) == (401, "/sign-in")


@pytest.mark.parametrize(
    ("after_s", "said"),
    [
        pytest.param(15 * 60, "You were signed out after 15 minutes without use.", id="idle"),
        pytest.param(12 * 3_600, "You were signed out: a session lasts 12 hours.", id="too old"),
    ],
)
def test_whoever_was_signed_out_is_told_why_and_led_back_to_where_they_were(
    town: Town, after_s: int, said: str
) -> None:
    secret = town.account()
    place = "/look-up/mine?days=7"
    with plain_http.Client(base_url=town.served.address, headers={"Origin": town.served.address}) as browser:
        browser.cookies.update(town.signed_in("zhou", secret).cookies)
        town.passes(after_s)
        led = browser.get(f"{place}&lang=en&done=rule").headers["location"]
        page = browser.get(led)
        assert said in page.text
        first = browser.post(action_of(page.text), data={"login": "zhou", "password": PASSWORD})
        second = browser.get(first.headers["location"])
        answer = browser.post(action_of(second.text), data={"code": town.code(secret)})
        assert answer.headers["location"] == f"{place}&lang=en"


@pytest.mark.parametrize(
    "then",
    [
        pytest.param("//evil.example", id="another place"),
        pytest.param("/\\evil.example", id="another place for a browser"),
        pytest.param("/operations/rules", id="a page of another role"),
        pytest.param("/nowhere", id="no page"),
        pytest.param("/parts/\nSet-Cookie:a=b", id="no address"),
    ],
)
def test_nobody_is_led_back_to_what_is_no_page_of_theirs(town: Town, then: str) -> None:
    secret = town.account()
    with plain_http.Client(base_url=town.served.address, headers={"Origin": town.served.address}) as browser:
        asked = {"then": then, "lang": "en"}
        browser.post("/sign-in", params=asked, data={"login": "zhou", "password": PASSWORD})
        answer = browser.post("/sign-in/code", params=asked, data={"code": town.code(secret)})
        assert answer.headers["location"] == "/?lang=en"


def test_a_part_that_is_asked_for_too_late_leads_the_page_around_it(town: Town) -> None:
    secret = town.account()
    browser = town.signed_in("zhou", secret)
    town.passes(15 * 60)
    page = f"{town.served.address}/?at=east"
    headers = {"HX-Request": "true", "HX-Current-URL": page}
    with plain_http.Client(base_url=town.served.address, cookies=browser.cookies) as late:
        part = late.get("/parts/alarms", headers=headers)
        elsewhere = [
            late.get("/parts/alarms", headers=headers | {"HX-Current-URL": said})
            for said in ("https://evil.example/x?y=1", "http://[", "")
        ]
    assert part.headers["hx-redirect"] == "/sign-in?why=idle&then=/%3Fat%3Deast"
    assert {each.headers["hx-redirect"] for each in elsewhere} == {"/sign-in?why=idle&then=/parts/alarms"}


@pytest.mark.parametrize(
    ("then", "leads"),
    [
        pytest.param("/look-up?purpose=criminal", "/look-up?purpose=criminal&lang=en", id="a page of theirs"),
        pytest.param("/operations/rules", "/?lang=en", id="a page of another role"),
        pytest.param("//evil.example", "/?lang=en", id="another place"),
    ],
)
def test_whoever_proved_a_passkey_is_led_on_as_with_a_code(town: Town, then: str, leads: str) -> None:
    browser = town.signed_in("zhou", town.account())
    on = {"then": then, "lang": "en"}
    with plain_http.Client(base_url=town.served.address, cookies=browser.cookies) as proved:
        assert proved.get("/sign-in/on", params=on).headers["location"] == leads
    with plain_http.Client(base_url=town.served.address) as nobody:
        assert nobody.get("/sign-in/on", params=on).headers["location"] == "/sign-in?lang=en"


def action_of(page: str) -> str:
    """Where its first form goes."""
    found = re.search(r'<form method="post" action="([^"]+)"', page)
    assert found is not None
    return html.unescape(found[1])


def test_the_forms_lead_through_both_factors_without_scripts(town: Town) -> None:
    secret = town.account()
    with plain_http.Client(base_url=town.served.address, headers={"Origin": town.served.address}) as browser:
        wrong = browser.post("/sign-in", data={"login": "zhou", "password": "wrong"})
        assert (wrong.status_code, "账号或密码不正确" in wrong.text) == (401, True)
        first = browser.post("/sign-in?lang=en", data={"login": "zhou", "password": PASSWORD})
        assert first.headers["location"] == "/sign-in/code?lang=en"
        assert "authenticator" in browser.get("/sign-in/code?lang=en").text
        second = browser.post("/sign-in/code", data={"code": town.code(secret)})
        assert second.headers["location"] == "/?lang=en"
        assert browser.get("/").status_code == 200
        assert browser.post("/sign-out").headers["location"] == "/sign-in?lang=en"
        assert browser.get("/").status_code == 303


@pytest.mark.parametrize(
    ("path", "led"),
    [
        pytest.param("/?lang=en", "/sign-in?lang=en", id="one of ours"),
        pytest.param("/operations?lang=zh", "/sign-in?lang=zh", id="of a page below"),
        pytest.param("/?lang=fr", "/sign-in", id="none of ours"),
    ],
)
def test_the_language_that_was_asked_for_goes_along_to_the_sign_in(town: Town, path: str, led: str) -> None:
    answer = plain_http.get(f"{town.served.address}{path}")
    assert (answer.status_code, answer.headers["location"]) == (303, led)


@pytest.mark.parametrize(
    ("accepted", "lang"),
    [
        pytest.param(None, "zh-CN", id="no header"),
        pytest.param("fr-FR,de;q=0.9,*;q=0.5", "zh-CN", id="neither"),
        pytest.param("en-US,en;q=0.9", "en", id="English"),
        pytest.param("fr;q=0.9,en;q=0.4,zh-TW;q=0.3", "en", id="English rather than Chinese"),
        pytest.param("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN", id="Chinese rather than English"),
        pytest.param("en;q=0,fr", "zh-CN", id="not English"),
        pytest.param("en;q=much", "zh-CN", id="no weight"),
    ],
)
def test_a_first_visit_is_in_the_language_that_the_browser_prefers(
    town: Town, accepted: str | None, lang: str
) -> None:
    headers = {} if accepted is None else {"Accept-Language": accepted}
    with plain_http.Client(base_url=town.served.address, headers=headers) as browser:
        assert f'<html lang="{lang}">' in browser.get("/sign-in").text
        chosen = "zh-CN" if lang == "en" else "en"
        assert f'<html lang="{chosen}">' in browser.get(f"/sign-in?lang={chosen[:2]}").text
        assert f'<html lang="{chosen}">' in browser.get("/sign-in").text, "what was chosen wins"


def test_who_types_a_code_twice_is_told_so_and_when_the_next_one_comes(town: Town) -> None:
    secret = town.account()
    code = town.code(secret)
    town.signed_in("zhou", secret)
    town.passes(11)  # nineteen seconds of its half minute are left
    with plain_http.Client(base_url=town.served.address, headers={"Origin": town.served.address}) as browser:
        browser.post("/sign-in?lang=en", data={"login": "zhou", "password": PASSWORD})
        again = browser.post("/sign-in/code?lang=en", data={"code": code})
        assert again.status_code == 401
        assert (
            "used already: each works once. Your authenticator shows the next one in 19 seconds" in again.text
        )
        wrong = browser.post("/sign-in/code?lang=zh", data={"code": "000000"})
        assert ("已用过" in wrong.text, "有误或已过时" in wrong.text) == (False, True)


def test_the_demo_fills_in_a_code_that_was_not_used_yet(tmp_path: Path) -> None:
    """One after the other; of a third within a minute it says when it counts."""
    secret, shown = second_factor.new_secret(), tmp_path / "demo-accounts.json"
    shown.write_bytes(msgspec.json.encode([DemoAccount("zhou", "周警官", Role.OFFICER, PASSWORD, secret)]))
    with a_town(tmp_path, console={"demo_accounts": shown}) as town:
        town.account(secret=secret)

        def filled_in() -> tuple[str, str, httpx.Client]:
            headers = {"Origin": town.served.address}
            browser = town.opened.enter_context(
                plain_http.Client(base_url=town.served.address, headers=headers)
            )
            browser.post("/sign-in?lang=en", data={"login": "zhou", "password": PASSWORD})
            page = browser.get("/sign-in/code?lang=en").text
            return re.findall(r'maxlength="8" autofocus value="(\d{6})"', page)[0], page, browser

        for _ in range(2):
            code, page, browser = filled_in()
            assert "this one does in" not in page
            assert browser.post("/sign-in/code", data={"code": code}).status_code == 303
        code, page, browser = filled_in()
        assert "Each works once: this one does in 30 seconds." in page
        assert browser.post("/sign-in/code", data={"code": code}).status_code == 401
        town.passes(30)
        assert browser.post("/sign-in/code", data={"code": code}).status_code == 303


def test_a_first_authenticator_is_set_up_by_a_picture(town: Town) -> None:
    town.account(second=False)
    with plain_http.Client(base_url=town.served.address, headers={"Origin": town.served.address}) as browser:
        first = browser.post("/sign-in", data={"login": "zhou", "password": PASSWORD})
        assert first.headers["location"] == "/sign-in/enrol"
        page = browser.get("/sign-in/enrol").text
        secret = page.split('name="secret" value="')[1].split('"')[0]
        assert "<svg" in page
        assert secret in page.split("<code")[1]
        done = browser.post("/sign-in/enrol", data={"secret": secret, "code": town.code(secret)})
        assert done.headers["location"] == "/"


@pytest.mark.parametrize(
    ("role", "entries", "gateways"),
    [
        (Role.OFFICER, True, True),
        (Role.OPERATOR, False, True),
        (Role.WORKER, False, False),
        (Role.ADMINISTRATOR, False, False),
    ],
)
def test_the_live_page_shows_each_role_what_is_its_own(
    filled_page: Callable[[Role], str], role: Role, entries: bool, gateways: bool
) -> None:
    page = filled_page(role)
    assert ('id="rows"' in page) is entries
    assert ('id="gateways"' in page) is gateways


@pytest.fixture
def filled_page(tmp_path: Path) -> Iterator[Callable[[Role], str]]:
    with a_filled(tmp_path) as filled, Served(filled, who=AN_OFFICER) as served:

        def page(role: Role) -> str:
            served.is_asked_by(AN_OFFICER.__class__(1, role, AN_OFFICER.communities))
            return served.get("/").text

        yield page


@pytest.mark.parametrize("ending", ["signed out", "idle", "of other places"])
def test_a_live_feed_ends_with_the_session_and_keeps_none_alive(town: Town, ending: str) -> None:
    browser = town.signed_in("zhou", town.account())
    with browser.stream("GET", "/live") as feed:
        assert feed.status_code == 200
        if ending == "signed out":
            browser.post("/sign-out")
        elif ending == "idle":
            town.passes(15 * 60)
        else:
            with writing(town.filled.writer) as connection:
                connection.execute(delete(account_community))
        assert feed.read().decode().count("still here") == 1  # as it began, and never again
