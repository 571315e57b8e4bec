"""Passkeys over the real web application, with an authenticator in software."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import plain_http
import pytest
from accounts_support import PASSWORD, Town, a_town
from central_web_support import COMMUNITY
from passkey_support import Authenticator, bytes_of, text_of
from sqlalchemy import delete

from central.accounts import passkey_book
from central.accounts.backoff import Backoff
from central.accounts.passkeys import Passkey
from central.accounts.who import Role
from central.errors import TooOften
from central.store.account_tables import passkey
from central.store.engine import writing

ELSEWHERE = "https://liuhen.example.net"


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with a_town(tmp_path, by_name=True) as town:
        yield town


def added(town: Town, browser: httpx.Client, **kind: Any) -> Authenticator:
    key = Authenticator(town.served.address, **kind)
    options = browser.post("/me/passkeys/options").json()["options"]
    answer = browser.post("/me/passkeys", json={"name": "指纹", "answer": key.makes(options)})
    assert answer.status_code == 201, answer.text
    return key


def options_of(browser: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = browser.post("/sign-in/passkey/options").json()["options"]
    return found


def signed_in(browser: httpx.Client, key: Authenticator) -> httpx.Response:
    return browser.post("/sign-in/passkey", json={"answer": key.signs_in(options_of(browser))})


def test_a_passkey_alone_lets_in_and_nothing_is_typed(town: Town) -> None:
    secret = town.account()
    key = added(town, town.signed_in("zhou", secret))
    browser = town.browser()
    asked = options_of(browser)
    assert (asked["rpId"], asked["userVerification"], asked["allowCredentials"]) == (
        "localhost",
        "required",
        [],
    )
    assert signed_in(browser, key).json() == {"next": None}
    me = browser.get("/me").json()
    assert (me["name"], me["communities"]) == ("周警官", [COMMUNITY])
    assert town.events()[-4:] == ["signed_in", "passkey_added", "signed_in", "signed_in"]


def test_an_answer_is_good_once(town: Town) -> None:
    key = added(town, town.signed_in("zhou", town.account()))
    answer = {"answer": key.signs_in(options_of(town.browser()))}
    assert town.browser().post("/sign-in/passkey", json=answer).status_code == 200
    assert town.browser().post("/sign-in/passkey", json=answer).status_code == 401


def test_a_challenge_is_good_for_five_minutes(town: Town) -> None:
    key = added(town, town.signed_in("zhou", town.account()))
    answer = {"answer": key.signs_in(options_of(town.browser()))}
    town.passes(300)
    assert town.browser().post("/sign-in/passkey", json=answer).status_code == 401


def test_a_challenge_for_adding_lets_nobody_in(town: Town) -> None:
    browser = town.signed_in("zhou", town.account())
    key = added(town, browser)
    options = browser.post("/me/passkeys/options").json()["options"]
    answer = key.signs_in({"rpId": "localhost", "challenge": options["challenge"]})
    assert town.browser().post("/sign-in/passkey", json={"answer": answer}).status_code == 401


def test_what_was_signed_for_another_site_lets_nobody_in(town: Town) -> None:
    """As a page would pass on that looks like ours."""
    key = added(town, town.signed_in("zhou", town.account()))
    key.origin = ELSEWHERE
    assert signed_in(town.browser(), key).status_code == 401
    key.origin = town.served.address
    asked = {**options_of(town.browser()), "rpId": "liuhen.example.net"}
    answer = {"answer": key.signs_in(asked)}
    assert town.browser().post("/sign-in/passkey", json=answer).status_code == 401
    assert town.events()[-2:] == ["refused", "refused"]


def test_a_copy_is_told_by_its_counter(town: Town) -> None:
    key = added(town, town.signed_in("zhou", town.account()))
    assert signed_in(town.browser(), key).status_code == 200
    key.signs = 0
    assert signed_in(town.browser(), key).status_code == 401


def test_an_authenticator_has_to_check_who_holds_it(town: Town) -> None:
    """Else it would be one factor."""
    browser = town.signed_in("zhou", town.account())
    key = Authenticator(town.served.address, verifies=False)
    options = browser.post("/me/passkeys/options").json()["options"]
    refused = browser.post("/me/passkeys", json={"name": "x", "answer": key.makes(options)})
    assert refused.status_code == 401


def test_an_unknown_passkey_is_refused_as_a_false_one_is(town: Town) -> None:
    assert signed_in(town.browser(), Authenticator(town.served.address)).status_code == 401


def test_a_false_signature_lets_nobody_in(town: Town) -> None:
    key = added(town, town.signed_in("zhou", town.account()))
    answer = key.signs_in(options_of(town.browser()))
    signature = bytearray(bytes_of(answer["response"]["signature"]))
    signature[-1] ^= 1
    answer["response"]["signature"] = text_of(bytes(signature))
    assert town.browser().post("/sign-in/passkey", json={"answer": answer}).status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"id": 7}, id="a number for an id"),
        pytest.param({"response": None}, id="no response"),
        pytest.param({"response": {"clientDataJSON": "e30"}}, id="told nothing"),
        pytest.param({"response": {"clientDataJSON": "!"}}, id="no base64"),
        pytest.param({"response": {"clientDataJSON": "bm8ganNvbg"}}, id="no JSON"),
    ],
)
def test_what_is_no_answer_is_refused(town: Town, change: dict[str, Any]) -> None:
    answer = {} if not change else {"id": "AAAA", "rawId": "AAAA", "type": "public-key", **change}
    assert town.browser().post("/sign-in/passkey", json={"answer": answer}).status_code == 401


@pytest.mark.parametrize("part", ["clientDataJSON", "authenticatorData", "signature", "attestationObject"])
def test_a_mangled_part_is_refused(town: Town, part: str) -> None:
    browser = town.signed_in("zhou", town.account())
    if part == "attestationObject":
        options = browser.post("/me/passkeys/options").json()["options"]
        answer = Authenticator(town.served.address).makes(options)
    else:
        answer = added(town, browser).signs_in(options_of(browser))
    whole = bytes_of(answer["response"][part])
    for cut in (b"", whole[: len(whole) // 2], bytes(len(whole))):
        answer["response"][part] = text_of(cut)
        path = "/me/passkeys" if part == "attestationObject" else "/sign-in/passkey"
        body = {"answer": answer} | ({"name": "x"} if part == "attestationObject" else {})
        assert browser.post(path, json=body).status_code == 401


def test_wrong_answers_without_end_have_to_wait_and_passwords_are_still_tried_from_there(town: Town) -> None:
    """A passkey is not guessed: nobody of an office keeps the others out by a few junk answers."""
    town.account()
    browser = town.browser()

    def wrong() -> int:
        return browser.post("/sign-in/passkey", json={"answer": {}}).status_code

    assert [wrong() for _ in range(101)] == [401] * 100 + [429]
    assert browser.post("/sign-in", json={"login": "zhou", "password": PASSWORD}).status_code == 200


def test_a_passkey_that_is_gone_is_not_taken_for_another_of_the_same_number(town: Town) -> None:
    """SQLite gives the highest number again."""
    town.account(second=False)
    town.account("wu", second=False)
    with writing(town.filled.writer) as connection:
        number = passkey_book.add(connection, 1, Passkey(b"gone", b"", 0), "指纹", 0)
        gone = passkey_book.passkey_of(connection, b"gone")
        assert gone is not None
        connection.execute(delete(passkey))
        assert passkey_book.add(connection, 2, Passkey(b"another", b"", 0), "指纹", 0) == number
        assert not passkey_book.used(connection, gone, 0, 1)


def test_asking_for_challenges_without_end_is_refused() -> None:
    """Each is a row, and nobody is known to be asking."""
    backoff = Backoff()
    for _ in range(100):
        backoff.refuse_if_too_many_begun("passkey", "192.0.2.7")
    with pytest.raises(TooOften):
        backoff.refuse_if_too_many_begun("passkey", "192.0.2.7")
    backoff.refuse_if_too_many_begun("passkey", "192.0.2.8")


def test_a_passkey_is_somebodys_first_second_factor(town: Town) -> None:
    town.account(second=False)
    browser = town.browser()
    first = browser.post("/sign-in", json={"login": "zhou", "password": PASSWORD})
    assert first.json() == {"next": "enrol"}
    key = Authenticator(town.served.address)
    options = browser.post("/sign-in/enrol/passkey/options").json()["options"]
    body = {"name": "手机", "answer": key.makes(options)}
    assert browser.post("/sign-in/enrol/passkey", json=body).json() == {"next": None}
    assert browser.get("/me").status_code == 200
    [known] = browser.get("/me/passkeys").json()
    assert browser.delete(f"/me/passkeys/{known['id']}").status_code == 409, "the only second factor"
    again = town.browser()
    asked = again.post("/sign-in", json={"login": "zhou", "password": PASSWORD})
    assert asked.json() == {"next": "passkey"}
    assert again.post("/sign-in/enrolment").status_code == 409
    assert again.post("/sign-in/enrol/passkey/options").status_code == 401
    assert signed_in(again, key).status_code == 200


def test_a_password_alone_adds_no_passkey(town: Town) -> None:
    town.account()
    browser = town.browser()
    browser.post("/sign-in", json={"login": "zhou", "password": PASSWORD})
    assert browser.post("/sign-in/enrol/passkey/options").status_code == 401
    assert browser.post("/me/passkeys/options").status_code == 401


def test_adding_one_takes_both_factors_given_a_moment_ago(town: Town) -> None:
    secret = town.account()
    browser = town.signed_in("zhou", secret)
    town.passes(600)
    stale = browser.post("/me/passkeys/options")
    assert (stale.status_code, "second factor again" in stale.json()["detail"]) == (401, True)
    assert "insufficient_user_authentication" in stale.headers["WWW-Authenticate"]
    assert browser.post("/sign-in/code", json={"code": town.code(secret)}).status_code == 200
    assert browser.post("/me/passkeys/options").status_code == 200


def test_a_passkey_is_removed_by_its_owner_alone(town: Town) -> None:
    zhou = town.signed_in("zhou", town.account())
    wu = town.signed_in("wu", town.account("wu"))
    key = added(town, zhou)
    [known] = zhou.get("/me/passkeys").json()
    assert (known["name"], known["used_at"]) == ("指纹", None)
    assert wu.get("/me/passkeys").json() == []
    assert wu.delete(f"/me/passkeys/{known['id']}").status_code == 404
    assert zhou.delete(f"/me/passkeys/{known['id']}").status_code == 204
    assert signed_in(town.browser(), key).status_code == 401


def test_a_disabled_account_has_no_passkey_that_lets_in(town: Town) -> None:
    key = added(town, town.signed_in("zhou", town.account()))
    admin = town.signed_in("admin", town.account("admin", Role.ADMINISTRATOR))
    number = next(each["id"] for each in admin.get("/accounts").json() if each["login"] == "zhou")
    assert admin.post(f"/accounts/{number}/disable").status_code == 204
    assert signed_in(town.browser(), key).status_code == 401


def test_a_reset_account_keeps_no_passkey(town: Town) -> None:
    key = added(town, town.signed_in("zhou", town.account()))
    admin = town.signed_in("admin", town.account("admin", Role.ADMINISTRATOR))
    number = next(each["id"] for each in admin.get("/accounts").json() if each["login"] == "zhou")
    assert admin.post(f"/accounts/{number}/reset").status_code == 200
    assert signed_in(town.browser(), key).status_code == 401


def test_passkeys_need_a_name_to_belong_to(town: Town) -> None:
    by_number = f"http://127.0.0.1:{town.served.port}/api/v1/sign-in/passkey/options"
    answer = plain_http.post(by_number, headers={"Sec-Fetch-Site": "same-origin"}, timeout=30)
    assert answer.status_code == 409
    assert "localhost" in answer.json()["detail"]


def test_behind_a_web_server_they_belong_to_the_name_that_people_type(tmp_path: Path) -> None:
    with a_town(tmp_path, address=ELSEWHERE) as town:
        browser = town.signed_in("zhou", town.account())
        browser.headers["Host"] = "liuhen.example.net"
        options = browser.post("/me/passkeys/options").json()["options"]
        assert options["rp"]["id"] == "liuhen.example.net"
        key = Authenticator(ELSEWHERE)
        body = {"name": "指纹", "answer": key.makes(options)}
        assert browser.post("/me/passkeys", json=body).status_code == 201
        assert signed_in(town.browser(), key).status_code == 200
        browser.headers["Host"] = "other.example.net"
        assert browser.get("/me").status_code == 421
