"""Signing in through a provider (OpenID Connect) over the real web application; it is on loopback."""

import hmac
import logging
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import plain_http
import pyotp
import pytest
from accounts_support import KEPT, PASSWORD, SECOND_US, a_town
from central_web_support import SEALER, Served, a_filled
from provider_support import CLIENT, CLIENT_SECRET, SUBJECT
from provider_town_support import CALLBACK, LEADS_ON, Place, a_place, led_to, me
from sqlalchemy import delete, insert, select, update

from central.accounts import book, provider, provider_book
from central.accounts.second_factor import Sealer
from central.accounts.who import Role
from central.errors import SettingsError
from central.identity.suites import INTERNATIONAL, Key
from central.settings import load_settings
from central.store.account_tables import account, provider_link, provider_visit, session
from central.store.engine import writing

REFUSED, AWAY = "登录未成功", "对方暂时无法正常应答"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with a_place(tmp_path) as place:
        yield place


# --- in --------------------------------------------------------------------------------------------------


def test_the_provider_stands_for_the_password_and_the_second_factor_is_given_here(place: Place) -> None:
    place.link()
    pages = place.pages()
    back = place.comes_back(pages)
    assert (back.status_code, led_to(back)) == (200, "/sign-in/code")
    assert me(pages) == 401, "the second factor is still to come"
    assert place.code(pages).headers["location"] == "/"
    assert pages.get("/api/v1/me").json()["name"] == "周警官"
    assert place.events(2) == [("provider_linked", "1"), ("signed_in", "1")]


def test_what_is_asked_of_the_provider_is_as_the_standards_want_it(place: Place) -> None:
    place.link()
    place.comes_back(place.pages())
    linking, asked = place.provider.asked
    assert {name: asked[name] for name in ("response_type", "client_id", "scope", "redirect_uri")} == {
        "response_type": "code",
        "client_id": CLIENT,
        "scope": "openid",
        "redirect_uri": f"{place.town.served.address}{CALLBACK}",
    }
    assert asked["code_challenge_method"] == "S256"
    assert len({asked["state"], asked["nonce"], asked["code_challenge"], linking["state"]}) == 4
    assert (linking["prompt"], linking["max_age"]) == ("login", "0"), "whoever links signs in there anew"
    assert not {"prompt", "max_age"} & set(asked)


def test_role_and_communities_come_from_our_account_alone(place: Place) -> None:
    place.link()
    place.provider.claims = {"role": "administrator", "roles": ["administrator"], "communities": [1, 2, 3]}
    pages = place.pages()
    place.comes_back(pages)
    place.code(pages)
    told = pages.get("/api/v1/me").json()
    assert (told["role"], len(told["communities"])) == ("officer", 1)


def test_a_curve_s_signature_is_good_too_and_so_is_one_that_names_no_key(place: Place) -> None:
    place.link()
    for way in ("ES256", "no kid"):
        place.provider.wrong = way
        assert place.comes_back(place.pages()).status_code == 200


def test_where_the_provider_wants_our_secret_in_the_form_it_gets_it_there(place: Place) -> None:
    place.provider.document = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    place.link()
    assert place.comes_back(place.pages()).status_code == 200


def test_the_secret_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIUHEN_OIDC_SECRET", CLIENT_SECRET)
    with a_place(tmp_path, client_secret_file=None, client_secret_variable="LIUHEN_OIDC_SECRET") as place:
        place.link()
        assert place.comes_back(place.pages()).status_code == 200


def test_keys_that_the_provider_turns_are_asked_for_anew(place: Place) -> None:
    place.link()
    place.provider.turn_keys()
    assert place.comes_back(place.pages()).status_code == 200
    place.provider.turn_keys()
    assert place.comes_back(place.pages()).status_code == 401, "but not at each token"
    place.town.passes(60)
    assert place.comes_back(place.pages()).status_code == 200


# --- who is let in ---------------------------------------------------------------------------------------


def test_whoever_is_not_linked_is_told_the_same_whatever_there_is(place: Place) -> None:
    """Nobody, somebody of another name, an account that is disabled, and one that waits for its owner."""
    nobody = place.comes_back(place.pages(), "nobody")
    assert (nobody.status_code, REFUSED in nobody.text) == (401, True)
    place.link()
    with writing(place.town.filled.writer) as connection:
        connection.execute(update(account).values(second=None))
    waiting = place.comes_back(place.pages())
    with writing(place.town.filled.writer) as connection:
        connection.execute(update(account).values(disabled_at=1))
    disabled = place.comes_back(place.pages())
    assert nobody.text == waiting.text == disabled.text
    assert (waiting.status_code, disabled.status_code) == (401, 401)
    assert place.events(2) == [("refused", "nobody known")] * 2
    with place.town.filled.reader.connect() as connection:
        assert len(connection.execute(select(account.c.id)).all()) == 1, "and none was made"


def test_a_reset_or_disabled_account_keeps_no_link(place: Place) -> None:
    for done in (book.reset, book.disable):
        place.link()
        with writing(place.town.filled.writer) as connection:
            done(connection, 1, "test", place.town.now_us)
            assert provider_book.linked_at(connection, 1) is None
            book.set_password(connection, 1, "x", by_code=False, now_us=place.town.now_us)
        assert ("provider_unlinked", "test") in place.events(4)
        assert place.comes_back(place.pages()).status_code == 401
        if done is book.reset:
            place.secret = _anew(place)


def _anew(place: Place) -> str:
    """Activated again by its owner."""
    secret = pyotp.random_base32()
    with writing(place.town.filled.writer) as connection:
        book.set_password(connection, 1, KEPT, by_code=True, now_us=place.town.now_us)
        book.set_second(connection, 1, SEALER.sealed(1, secret), 0, place.town.now_us)
    return secret


def test_a_resident_s_account_cannot_be_linked(place: Place) -> None:
    with writing(place.town.filled.writer) as connection:
        connection.execute(update(account).values(role=Role.RESIDENT))
    pages = place.signed_in()
    refused = pages.post("/account/provider")
    assert refused.status_code == 403
    assert "City login" not in pages.get("/account").text
    with writing(place.town.filled.writer) as connection:
        connection.execute(insert(provider_link).values(account_id=1, subject=b"x", made_at=0))
        assert provider_book.account_of(connection, b"x") is None


def test_one_sign_in_there_is_one_account_here(place: Place) -> None:
    place.link()
    wu = place.town.account("wu")
    pages = place.signed_in("wu", wu)
    back = pages.get(place.provider.lets_in(led_to(pages.post("/account/provider"))))
    assert (back.status_code, REFUSED in back.text) == (401, True)
    assert place.events(1) == [("refused", "nobody known")]


def test_linking_takes_both_factors_given_a_moment_ago(place: Place) -> None:
    half = place.pages()
    half.post("/sign-in", data={"login": "zhou", "password": PASSWORD})
    assert half.post("/account/provider").headers["location"] == "/sign-in"
    pages = place.signed_in()
    place.town.passes(600)
    assert pages.post("/account/provider").headers["location"] == "/sign-in/code?then=/account"


@pytest.mark.parametrize(
    ("since_s", "status"),
    [
        pytest.param(0, 200, id="as it began"),
        pytest.param(-60, 200, id="by a clock that is a minute late"),
        pytest.param(-61, 401, id="before it began"),
        pytest.param(-8 * 3_600, 401, id="this morning"),
        pytest.param(541, 401, id="in some time"),
        pytest.param(None, 401, id="who knows when"),
    ],
)
def test_whoever_links_has_signed_in_there_since_it_began(
    place: Place, since_s: int | None, status: int
) -> None:
    """Else whoever finds somebody's browser open at the provider links that sign-in to their own account."""
    pages = place.signed_in()
    to = led_to(pages.post("/account/provider"))
    began_s = place.town.now_us // SECOND_US
    place.town.passes(480)
    place.provider.claims = {"auth_time": None if since_s is None else began_s + since_s}
    assert pages.get(place.provider.lets_in(to)).status_code == status
    with place.town.filled.reader.connect() as connection:
        assert (provider_book.linked_at(connection, 1) is not None) == (status == 200)


def test_a_link_is_not_made_once_the_session_that_began_it_is_over(place: Place) -> None:
    pages = place.signed_in()
    back = place.provider.lets_in(led_to(pages.post("/account/provider")))
    with writing(place.town.filled.writer) as connection:
        connection.execute(update(session).values(ended_at=1))
    assert pages.get(back).status_code == 401
    with place.town.filled.reader.connect() as connection:
        assert provider_book.linked_at(connection, 1) is None


def test_a_link_is_not_made_to_whose_session_stands_in_the_row_of_one_that_is_gone(place: Place) -> None:
    """SQLite gives the highest number again once its row is gone: else the sign-in of whoever comes back late
    would be another's key."""
    wu = place.town.account("wu")
    pages = place.signed_in()
    back = place.provider.lets_in(led_to(pages.post("/account/provider")))
    with writing(place.town.filled.writer) as connection:
        numbers = connection.execute(select(session.c.id)).scalars().all()
        connection.execute(delete(session))
    place.signed_in("wu", wu)
    with place.town.filled.reader.connect() as connection:
        assert connection.execute(select(session.c.id)).scalars().all() == numbers, "the same number"
    assert pages.get(back).status_code == 401
    with place.town.filled.reader.connect() as connection:
        assert [provider_book.linked_at(connection, number) for number in (1, 2)] == [None, None]


def test_a_link_is_removed_by_its_owner_and_by_whoever_keeps_accounts(place: Place) -> None:
    pages = place.link()
    linked = pages.get("/account?lang=en").text
    assert "Linked since" in linked
    place.code(pages)
    assert pages.post("/account/provider/remove?lang=zh").headers["location"] == "/sign-in?lang=zh"
    assert me(pages) == 401, "sessions end"
    assert place.events(1) == [("provider_unlinked", "1")]
    place.town.passes(60)
    place.link()
    keeper = place.signed_in("wang", place.town.account("wang", Role.ADMINISTRATOR))
    [known] = [each for each in keeper.get("/api/v1/accounts").json() if each["login"] == "zhou"]
    assert known["linked"] is True
    assert "City login" in keeper.get("/administration/1").text
    assert keeper.delete("/api/v1/accounts/1/provider").status_code == 204
    assert keeper.delete("/api/v1/accounts/1/provider").status_code == 404
    assert place.events(1) == [("provider_unlinked", "2")]
    place.link()
    done = keeper.post("/administration/1/unlink")
    assert done.headers["location"] == "/administration/1?done=account"
    assert place.comes_back(place.pages()).status_code == 401


def test_the_api_ends_one_s_own_link(place: Place) -> None:
    pages = place.link()
    place.code(pages)
    assert pages.delete("/api/v1/me/provider").status_code == 204
    assert me(pages) == 401


# --- the second factor -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "step"),
    [
        pytest.param({"amr": ["pwd", "otp"], "acr": "2"}, "/", id="both"),
        pytest.param({"amr": ["pwd"], "acr": "2"}, "/sign-in/code", id="another amr"),
        pytest.param({"amr": "otp", "acr": "2"}, "/sign-in/code", id="amr that is no list"),
        pytest.param({"amr": ["otp"], "acr": "1"}, "/sign-in/code", id="another acr"),
        pytest.param({"amr": ["otp"]}, "/sign-in/code", id="no acr"),
        pytest.param({"amr": ["otp"], "acr": "2", "auth_time": -1_000}, "/sign-in/code", id="long ago"),
        pytest.param({"amr": ["otp"], "acr": "2", "auth_time": None}, "/sign-in/code", id="who knows when"),
    ],
)
def test_the_provider_s_second_factor_counts_where_the_settings_and_the_token_say_so(
    tmp_path: Path, claims: dict[str, Any], step: str
) -> None:
    with a_place(tmp_path, second_factor_acr=["2"], second_factor_amr=["otp", "hwk"]) as place:
        place.link()
        now_s = place.town.now_us // SECOND_US
        since = claims.get("auth_time", 0)
        place.provider.claims = {**claims, "auth_time": None if since is None else now_s + since}
        pages = place.pages()
        assert led_to(place.comes_back(pages)) == step
        assert me(pages) == (200 if step == "/" else 401)
        asked = place.provider.asked[-1]
        assert (asked["acr_values"], asked["max_age"]) == ("2", "900")


def test_without_such_settings_no_claim_counts(place: Place) -> None:
    place.link()
    place.provider.claims = {"amr": ["otp"], "acr": "2", "auth_time": place.town.now_us // SECOND_US}
    assert led_to(place.comes_back(place.pages())) == "/sign-in/code"


def test_a_second_factor_of_the_provider_is_never_fresh(tmp_path: Path) -> None:
    with a_place(tmp_path, second_factor_amr=["otp"]) as place:
        place.link()
        place.provider.claims = {"amr": ["otp"], "auth_time": place.town.now_us // SECOND_US}
        pages = place.pages()
        place.comes_back(pages)
        assert place.events(1) == [("signed_in", "1")]
        assert me(pages) == 200
        refused = pages.post("/api/v1/me/totp")
        assert (refused.status_code, "insufficient" in refused.headers["www-authenticate"]) == (401, True)
        assert pages.post("/api/v1/sign-in/enrolment").status_code == 409
        place.code(pages)
        assert pages.post("/api/v1/me/totp").status_code == 200


# --- what is not believed --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        "nonce",
        "no nonce",
        "audience",
        "audiences",
        "party",
        "expired",
        "never ends",
        "issuer",
        "no subject",
        "alg none",
        "HS256 by the public key",
        "HS256 by the client's secret",
        "another key",
        "no JWT",
        "no token",
    ],
)
def test_a_token_that_is_not_as_it_has_to_be_lets_nobody_in(place: Place, wrong: str) -> None:
    place.link()
    place.provider.wrong = wrong
    pages = place.pages()
    back = place.comes_back(pages)
    assert (back.status_code, REFUSED in back.text) == (401, True)
    assert (me(pages), pages.cookies.get("liuhen")) == (401, None)
    assert place.events(1) == [("refused", "nobody known")]
    place.provider.wrong = None
    assert place.comes_back(place.pages()).status_code == 200


def test_a_few_seconds_between_two_clocks_are_nothing(place: Place) -> None:
    place.link()
    now_s = place.town.now_us // SECOND_US
    place.provider.now_s = lambda: now_s + 30
    assert place.comes_back(place.pages()).status_code == 200
    place.provider.now_s = lambda: now_s - 330
    assert place.comes_back(place.pages()).status_code == 200


def test_an_address_counts_only_where_the_provider_has_verified_it(tmp_path: Path) -> None:
    with a_place(tmp_path, claim="email") as place:
        place.provider.claims = {"email": "zhou@office.example", "email_verified": True}
        place.link()
        assert place.provider.asked[0]["scope"] == "openid email"
        assert place.comes_back(place.pages(), "another subject").status_code == 200
        place.provider.claims["email_verified"] = False
        assert place.comes_back(place.pages()).status_code == 401


def test_whom_the_provider_means_cannot_be_guessed_from_the_database_alone(tmp_path: Path) -> None:
    """Addresses and staff numbers are few: a hash of them tells them, where no key goes into it."""
    with a_place(tmp_path, claim="email") as place:
        place.provider.claims = {"email": "zhou@office.example", "email_verified": True}
        place.link()
        with place.town.filled.reader.connect() as connection:
            kept = connection.execute(select(provider_link.c.subject)).scalar_one()
        whom = f"{place.provider.issuer}\0email\0zhou@office.example"
        another = Sealer(Key(bytes(8), INTERNATIONAL, b"another key of thirty-two bytes."))
        assert kept == SEALER.hashed(whom)
        assert kept not in (sha256(whom.encode()).digest(), another.hashed(whom))
        assert kept != hmac.digest(bytes(32), whom.encode(), "sha256"), "nor is it the key that seals"


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"issuer": "https://login.example"}, id="another issuer"),
        pytest.param({"token_endpoint": "http://login.example/token"}, id="in the clear"),
        pytest.param({"jwks_uri": None}, id="no keys"),
        pytest.param({"authorization_endpoint": "javascript:alert(1)"}, id="a script"),
    ],
)
def test_a_description_that_cannot_be_believed_leads_nobody_away(
    place: Place, document: dict[str, Any]
) -> None:
    place.provider.document = document
    page = place.pages().post("/sign-in/provider")
    assert (page.status_code, AWAY in page.text, LEADS_ON.search(page.text)) == (503, True, None)


# --- and back, once, in the same browser -----------------------------------------------------------------


def test_an_answer_is_good_once(place: Place) -> None:
    place.link()
    pages = place.pages()
    to = led_to(pages.post("/sign-in/provider"))
    held = httpx.Cookies(pages.cookies)
    back = place.provider.lets_in(to)
    assert pages.get(back).status_code == 200
    assert pages.get(back).status_code == 401, "its browser holds nothing any more"
    again = place.pages()
    again.cookies = held
    assert again.get(back).status_code == 401, "a copy of what it held is of no use"
    assert again.get(place.provider.lets_in(to)).status_code == 401, "nor with another code"


def test_an_answer_is_good_in_the_browser_that_began_it_alone(place: Place) -> None:
    """Else whoever sends somebody a link would have them work in another's account."""
    place.link()
    mine, another = place.pages(), place.pages()
    back = place.provider.lets_in(led_to(mine.post("/sign-in/provider")))
    assert another.get(back).status_code == 401
    another.post("/sign-in/provider")
    assert another.get(back).status_code == 401
    assert another.cookies.get("liuhen") is None
    assert mine.get(back).status_code == 200


def test_an_answer_to_one_sign_in_is_none_to_another(place: Place) -> None:
    """Of one browser, as an attacker who holds a code of theirs would have it taken."""
    place.link()
    pages = place.pages()
    first = place.provider.lets_in(led_to(pages.post("/sign-in/provider")))
    second = place.provider.lets_in(led_to(pages.post("/sign-in/provider")))
    assert pages.get(first).status_code == 401
    mixed = httpx.URL(second).copy_set_param("code", httpx.URL(first).params["code"])
    pages.post("/sign-in/provider")
    assert pages.get(str(mixed)).status_code == 401


def test_a_code_of_another_browser_s_sign_in_is_refused_by_its_nonce_and_verifier(place: Place) -> None:
    place.link()
    mine, theirs = place.pages(), place.pages()
    stolen = httpx.URL(place.provider.lets_in(led_to(theirs.post("/sign-in/provider")))).params["code"]
    own = httpx.URL(place.provider.lets_in(led_to(mine.post("/sign-in/provider"))))
    assert mine.get(str(own.copy_set_param("code", stolen))).status_code == 401


def test_an_answer_of_another_provider_is_refused(place: Place) -> None:
    """RFC 9207."""
    place.link()
    pages = place.pages()
    back = httpx.URL(place.provider.lets_in(led_to(pages.post("/sign-in/provider"))))
    assert pages.get(str(back.copy_set_param("iss", "https://login.example"))).status_code == 401
    back = httpx.URL(place.provider.lets_in(led_to(pages.post("/sign-in/provider"))))
    assert pages.get(str(back.copy_set_param("iss", place.provider.issuer))).status_code == 200
    place.provider.document = {"authorization_response_iss_parameter_supported": True}
    place.town.passes(3_600)
    assert place.comes_back(pages).status_code == 401, "it says that it would name itself"


def test_an_answer_comes_within_ten_minutes(place: Place) -> None:
    place.link()
    pages = place.pages()
    back = place.provider.lets_in(led_to(pages.post("/sign-in/provider")))
    place.town.passes(600)
    assert pages.get(back).status_code == 401
    place.pages().post("/sign-in/provider")
    with place.town.filled.reader.connect() as connection:
        assert len(connection.execute(select(provider_visit)).all()) == 1, "what was too late is gone"


def test_whoever_turns_back_at_the_provider_is_not_in(place: Place) -> None:
    place.link()
    pages = place.pages()
    back = httpx.URL(place.provider.lets_in(led_to(pages.post("/sign-in/provider"))))
    state = back.params["state"]
    refused = pages.get(
        CALLBACK, params={"error": "access_denied", "state": state, "error_description": "<b>x"}
    )
    assert (refused.status_code, "<b>x" in refused.text) == (401, False)
    assert pages.get(str(back)).status_code == 401


def test_a_session_that_somebody_planted_is_not_the_one_that_goes_on(place: Place) -> None:
    place.link()
    pages = place.pages()
    planted = place.town.browser()
    planted.post("/sign-in", json={"login": "zhou", "password": PASSWORD})
    pages.cookies = planted.cookies
    before = pages.cookies["liuhen"]
    place.comes_back(pages)
    half = pages.cookies["liuhen"]
    place.code(pages)
    assert len({before, half, pages.cookies["liuhen"]}) == 3
    assert (me(pages), planted.get("/me").status_code) == (200, 401)


def test_another_site_begins_nothing(place: Place) -> None:
    pages = place.pages()
    for origin in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
        assert pages.post("/sign-in/provider", headers=origin).status_code == 403
    signed_in = place.signed_in()
    for path in ("/account/provider", "/account/provider/remove"):
        assert signed_in.post(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert pages.get("/sign-in/provider").status_code in (404, 405)


def test_people_come_back_to_the_address_of_the_settings_and_to_no_other(tmp_path: Path) -> None:
    """Neither what the request calls us nor what it asks for leads anywhere else."""
    with a_place(tmp_path) as place:
        place.link()
        pages = place.pages()
        by_number = f"http://127.0.0.1:{place.town.served.port}/sign-in/provider?then=https://evil.example"
        asked = pages.post(by_number, headers={"X-Forwarded-Host": "evil.example"})
        place.provider.lets_in(led_to(asked))
        assert place.provider.asked[-1]["redirect_uri"] == f"{place.town.served.address}{CALLBACK}"
        to = place.provider.lets_in(led_to(pages.post("/sign-in/provider")))
        assert led_to(pages.get(f"{to}&then=https://evil.example&next=//evil.example")) == "/sign-in/code"


def test_what_the_browser_holds_is_for_that_visit_and_no_script(place: Place) -> None:
    answer = place.pages().post("/sign-in/provider")
    [cookie] = answer.headers.get_list("set-cookie")
    assert cookie.startswith("liuhen-provider=")
    assert all(word in cookie for word in ("HttpOnly", "Path=/", "SameSite=lax", "Max-Age=600"))
    safe = place.pages().post("/sign-in/provider", headers={"X-Forwarded-Proto": "https"})
    [cookie] = safe.headers.get_list("set-cookie")
    assert cookie.startswith("__Host-liuhen-provider=")
    assert "Secure" in cookie


# --- away, slow, too much --------------------------------------------------------------------------------


def test_where_the_provider_is_away_that_is_said_and_the_password_still_lets_in(place: Place) -> None:
    place.provider.stop()
    page = place.pages().post("/sign-in/provider?lang=en")
    assert (page.status_code, "sign in another way" in page.text) == (503, True)
    assert me(place.signed_in()) == 200
    assert "refused" not in place.town.events(), "nobody did anything wrong"


@pytest.mark.parametrize("wrong", ["slow", "leads elsewhere", "too long", "packed", "no JSON"])
def test_a_provider_that_answers_badly_is_as_good_as_away(
    place: Place, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "_STEP_S", 0.2)
    place.provider.wrong = wrong
    page = place.pages().post("/sign-in/provider")
    assert (page.status_code, AWAY in page.text) == (503, True)
    assert not [path for path in place.provider.requests if "again" in path]


@pytest.mark.parametrize("wrong", ["slow to change codes", "an error of its own", "a list"])
def test_a_provider_that_fails_while_somebody_comes_back_is_said_to_be_away(
    place: Place, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.link()
    monkeypatch.setattr(provider, "_WHOLE_S", 0.5)
    place.provider.wrong = wrong
    page = place.comes_back(place.pages())
    assert (page.status_code, AWAY in page.text) == (503, True)


def test_who_fails_too_often_waits_and_keeps_nobody_else_of_the_office_out(place: Place) -> None:
    place.link()
    pages = place.pages()
    statuses = [place.comes_back(pages, "nobody").status_code for _ in range(5)]
    assert statuses == [401] * 5
    page = place.comes_back(pages, "nobody")
    assert (page.status_code, "错误次数过多" in page.text) == (429, True)
    assert place.town.events().count("refused") == 5
    assert place.comes_back(pages).status_code == 200


def test_starts_at_the_provider_use_up_none_of_the_passkeys(place: Place) -> None:
    pages = place.pages()
    statuses = [pages.post("/sign-in/provider").status_code for _ in range(101)]
    assert statuses == [200] * 100 + [429]
    assert pages.post("/api/v1/sign-in/passkey/options").status_code == 200


def test_turning_back_and_coming_with_junk_count_against_the_address_alone(place: Place) -> None:
    """As often as fifty times a quarter of an hour."""
    place.link()
    pages = place.pages()
    for each in range(49):
        if each % 2:
            state = httpx.URL(led_to(pages.post("/sign-in/provider"))).params["state"]
            answer = {"error": "access_denied", "state": state}
        else:
            pages.cookies.set("liuhen-provider", "junk")
            answer = {"code": "junk", "state": "junk"}
        assert pages.get(CALLBACK, params=answer).status_code == 401
        pages.cookies.clear()
    assert place.comes_back(pages).status_code == 200
    pages.cookies.set("liuhen-provider", "junk")
    assert pages.get(CALLBACK, params={"code": "junk", "state": "junk"}).status_code == 401
    page = pages.post("/sign-in/provider?lang=en")
    assert (page.status_code, "Too many wrong tries" in page.text) == (429, True)


def test_a_page_that_leads_a_browser_here_keeps_nobody_else_out(place: Place) -> None:
    """What began nothing is not counted."""
    place.link()
    for _ in range(20):
        assert place.pages().get(f"{CALLBACK}?state=x&code=y").status_code == 401
    assert place.comes_back(place.pages()).status_code == 200


def test_nothing_of_tokens_and_claims_gets_into_logs_or_the_database(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    place.link()
    pages = place.pages()
    place.comes_back(pages)
    place.comes_back(place.pages(), "canary-of-nobody")
    place.provider.wrong = "nonce"
    place.comes_back(place.pages())
    secret = [SUBJECT, CLIENT_SECRET, "canary", *place.provider.said, *dict(pages.cookies).values()]
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("central.sqlite*"))
    of_tests = (
        "httpx.",
        "httpcore.",
        "uvicorn.access",
    )  # the browsers, and a log that the centre never keeps
    logged = "\n".join(
        each.getMessage() for each in caplog.records if not f"{each.name}.".startswith(of_tests)
    )
    assert "refused" in logged
    for each in secret:
        assert each not in logged
        assert each.encode() not in kept


# --- without, and wrongly set up -------------------------------------------------------------------------


def test_without_settings_there_is_no_button_and_nothing_at_its_addresses(tmp_path: Path) -> None:
    with a_town(tmp_path) as town:
        secret = town.account()
        pages = plain_http.Client(
            base_url=town.served.address, headers={"Sec-Fetch-Site": "same-origin"}, timeout=30
        )
        town.opened.enter_context(pages)
        assert "/sign-in/provider" not in pages.get("/sign-in").text
        assert pages.post("/sign-in/provider").status_code == 404
        assert pages.get(CALLBACK).status_code == 404
        pages.cookies = town.signed_in("zhou", secret).cookies
        assert "/account/provider" not in pages.get("/account").text
        assert pages.post("/account/provider").status_code == 404
        assert pages.delete("/api/v1/me/provider").status_code == 404


def test_without_the_library_the_start_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "authlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "central.accounts.provider")
    monkeypatch.setitem(sys.modules, "authlib", None)
    part = {"issuer": "https://login.example", "client_id": "x", "client_secret_variable": "X", "name": "x"}
    with (
        a_filled(tmp_path) as filled,
        pytest.raises(SettingsError, match=r"\[oidc\].*authlib.*liuhen\[oidc\]"),
    ):
        Served(filled, oidc=part)


BEGINS = '[database]\npath = "central.sqlite"\n[listen]\naddress = "https://liuhen.example"\n[oidc]\n'
WHOLE = 'issuer = "https://login.example"\nclient_id = "liuhen"\nname = "x"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(WHOLE, "client_secret_file or client_secret_variable", id="no secret"),
        pytest.param(
            f'{WHOLE}client_secret = "canary"\n',
            "[oidc] client_secret: no such key; known here: issuer",
            id="in it",
        ),
        pytest.param(
            WHOLE.replace("https", "http") + 'client_secret_variable = "X"\n',
            "[oidc] issuer",
            id="in the clear",
        ),
        pytest.param(
            WHOLE.replace("example", "example?a=b") + 'client_secret_variable = "X"\n',
            "[oidc] issuer",
            id="a query",
        ),
        pytest.param(
            WHOLE + 'client_secret_variable = "a b"\n', "[oidc] client_secret_variable", id="no name"
        ),
    ],
)
def test_settings_that_are_wrong_are_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "central.toml"
    file.write_text(BEGINS + text)
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    assert said in str(caught.value)
    assert "canary" not in str(caught.value)


def test_people_have_to_have_an_address_to_come_back_to(tmp_path: Path) -> None:
    file = tmp_path / "central.toml"
    oidc = BEGINS.replace('address = "https://liuhen.example"', "port = 0")
    file.write_text(f'{oidc}{WHOLE}client_secret_variable = "X"\n')
    with pytest.raises(SettingsError, match=r"write \[listen\] address"):
        load_settings(file)


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        pytest.param("canary", 0o644, "can be read by others", id="open to others"),
        pytest.param(" \n", 0o600, "is empty", id="empty"),
        pytest.param(None, 0o600, "cannot be read", id="absent"),
    ],
)
def test_a_secret_that_cannot_be_used_stops_the_start(
    tmp_path: Path, content: str | None, mode: int, said: str
) -> None:
    file = tmp_path / "oidc.secret"
    if content is not None:
        file.write_text(content)
        file.chmod(mode)
    part = {"issuer": "https://login.example", "client_id": "x", "client_secret_file": file, "name": "x"}
    with a_filled(tmp_path) as filled, pytest.raises(SettingsError) as caught:
        Served(filled, oidc=part)
    assert said in str(caught.value)
    assert "canary" not in str(caught.value)


def test_paths_of_the_settings_are_taken_from_where_they_lie(tmp_path: Path) -> None:
    file = tmp_path / "central.toml"
    file.write_text(f'{BEGINS}{WHOLE}client_secret_file = "oidc.secret"\nca_file = "ca.pem"\n')
    found = load_settings(file).oidc
    assert found is not None
    assert (found.client_secret_file, found.ca_file) == (tmp_path / "oidc.secret", tmp_path / "ca.pem")


def test_a_missing_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIUHEN_NO_SECRET", raising=False)
    part = {
        "issuer": "https://login.example",
        "client_id": "x",
        "client_secret_variable": "LIUHEN_NO_SECRET",
        "name": "x",
    }
    with a_filled(tmp_path) as filled, pytest.raises(SettingsError, match="LIUHEN_NO_SECRET"):
        Served(filled, oidc=part)
