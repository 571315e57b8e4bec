"""What the administrator does: roles, scopes, tokens; and what each leaves behind."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import plain_http
import pytest
from accounts_support import PASSWORD, Town, a_town
from central_web_support import COMMUNITY
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import DatabaseError

from central.accounts import book, tokens
from central.accounts.who import Role
from central.errors import BadQuestion, Clash, NotThere, RowRefused, StoreUnavailable
from central.store.account_tables import account_event
from central.store.engine import migrate, open_writer, writing
from central.store.register_tables import person


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with a_town(tmp_path) as town:
        yield town


@pytest.fixture
def admin(town: Town) -> httpx.Client:
    return town.signed_in("admin", town.account("admin", Role.ADMINISTRATOR))


def number_of(admin: httpx.Client, login: str) -> int:
    return next(int(each["id"]) for each in admin.get("/accounts").json() if each["login"] == login)


def a_person(town: Town) -> int:
    values = {"category": "resident", "document_type": "none", "sealed": b"x", "name_index": b"x"}
    times = {"created_at": town.now_us, "changed_at": town.now_us}
    with writing(town.filled.writer) as connection:
        row = {"community_id": COMMUNITY, "state": "registered", **values, **times}
        made = connection.execute(insert(person).values(row))
    assert made.inserted_primary_key is not None
    return int(made.inserted_primary_key[0])


def test_another_role_ends_what_the_former_one_was_doing(town: Town, admin: httpx.Client) -> None:
    secret = town.account()
    browser = town.signed_in("zhou", secret)
    number = number_of(admin, "zhou")
    changed = admin.put(f"/accounts/{number}/role", json={"role": "worker", "unit": "居委会"}).json()
    assert (changed["role"], changed["unit"]) == ("worker", "居委会")
    assert browser.get("/me").status_code == 401
    town.passes(30)
    assert town.signed_in("zhou", secret).get("/me").json()["role"] == "worker"


def test_nobody_changes_or_disables_their_own(town: Town, admin: httpx.Client) -> None:
    """So that one administrator at least is left."""
    number = number_of(admin, "admin")
    role = {"role": "officer", "unit": "一号警务室"}
    assert admin.put(f"/accounts/{number}/role", json=role).status_code == 409
    assert admin.post(f"/accounts/{number}/disable").status_code == 409
    assert admin.get("/me").json()["role"] == "administrator"


def test_what_touches_accounts_takes_both_factors_given_a_moment_ago(town: Town) -> None:
    secret = town.account("admin", Role.ADMINISTRATOR)
    admin = town.signed_in("admin", secret)
    town.passes(600)
    assert admin.get("/accounts").status_code == 200
    new = {"login": "li", "name": "李社工", "role": "worker", "unit": "居委会"}
    assert admin.post("/accounts", json=new).status_code == 401
    admin.post("/sign-in/code", json={"code": town.code(secret)})
    assert admin.post("/accounts", json=new).status_code == 201


def test_a_machine_gets_a_token_once_and_it_is_ended_by_name(town: Town, admin: httpx.Client) -> None:
    asked = {"name": "wall-display", "role": "operator", "communities": [COMMUNITY]}
    token = admin.post("/accounts/tokens", json=asked).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    gateways = f"{town.served.address}/api/v1/gateways"
    assert plain_http.get(gateways, headers=headers, timeout=30).status_code == 200
    [shown] = admin.get("/accounts/tokens").json()
    assert (shown["name"], shown["ended"], token in str(shown)) == ("wall-display", False, False)
    assert admin.delete("/accounts/tokens/wall-display").status_code == 204
    assert plain_http.get(gateways, headers=headers, timeout=30).status_code == 401
    assert admin.delete("/accounts/tokens/wall-display").status_code == 404
    assert town.events()[-2:] == ["token_made", "token_ended"]


@pytest.mark.parametrize("role", ["worker", "supervisor", "approver", "administrator", "resident"])
def test_no_token_gets_the_administrator_to_a_person(admin: httpx.Client, role: str) -> None:
    asked = {"name": "side-door", "role": role, "communities": [COMMUNITY]}
    assert admin.post("/accounts/tokens", json=asked).status_code == 422


def test_a_token_keeps_no_accounts(town: Town) -> None:
    with writing(town.filled.writer) as connection:
        token = tokens.make_machine_token(
            connection,
            "side-door",
            role=Role.ADMINISTRATOR,
            communities=(),
            days=1,
            by="test",
            now_us=town.now_us,
        )
    headers = {"Authorization": f"Bearer {token}"}
    new = {"login": "li", "name": "李社工", "role": "worker", "unit": "居委会"}
    answer = plain_http.post(f"{town.served.address}/api/v1/accounts", headers=headers, json=new, timeout=30)
    assert (answer.status_code, "machine" in answer.json()["detail"]) == (403, True)


def test_what_was_done_is_shown_to_supervisors_too(town: Town, admin: httpx.Client) -> None:
    new = {"login": "li", "name": "李社工", "role": "officer", "unit": "一号警务室"}
    number = admin.post("/accounts", json=new).json()["id"]
    by = str(number_of(admin, "admin"))
    supervisor = town.signed_in("sun", town.account("sun", Role.SUPERVISOR))
    found = supervisor.get("/accounts/events").json()
    [made] = [each for each in found if each["account"] == number]
    assert (made["event"], made["by"]) == ("made", by)
    earlier = supervisor.get("/accounts/events", params={"before": made["id"]}).json()
    assert [each["id"] for each in earlier] == [each["id"] for each in found if each["id"] < made["id"]]


def test_nobody_changes_what_was_done(database_url: str) -> None:
    engine = open_writer(database_url)
    migrate(engine)
    row = {"at": 1, "account_id": 1, "event": "made", "by": "1"}
    with writing(engine) as connection:
        connection.execute(insert(account_event).values(row))
    for change in (update(account_event).values(by="2"), delete(account_event)):
        with (
            pytest.raises((DatabaseError, RowRefused, StoreUnavailable), match="only grow"),
            writing(engine) as connection,
        ):
            connection.execute(change)
    engine.dispose()


def test_a_residents_account_is_for_one_person_and_sees_their_community(town: Town) -> None:
    number = a_person(town)
    with writing(town.filled.writer) as connection:
        make = {"name": "王居民", "unit": "-", "by": "test", "now_us": town.now_us, "communities": ()}
        made, _ = book.make_account(connection, "wang", role=Role.RESIDENT, person=number, **make)  # type: ignore[arg-type]
        found = book.one_account(connection, made)
        assert (found.person, set(found.communities)) == (number, {COMMUNITY})
        with pytest.raises(BadQuestion):
            book.make_account(connection, "wang2", role=Role.RESIDENT, **make)  # type: ignore[arg-type]
        with pytest.raises(BadQuestion):
            book.make_account(connection, "wang3", role=Role.OFFICER, person=number, **make)  # type: ignore[arg-type]
        with pytest.raises(NotThere):
            book.make_account(connection, "wang4", role=Role.RESIDENT, person=number + 1, **make)  # type: ignore[arg-type]
        with pytest.raises(Clash):
            book.set_scope(connection, made, [], "test", town.now_us)
        with pytest.raises(Clash):
            book.set_role(connection, made, Role.OFFICER, "x", by="test", now_us=town.now_us)


def test_another_authenticator_takes_the_former_ones_place(town: Town) -> None:
    former = town.account()
    browser = town.signed_in("zhou", former)
    secret = browser.post("/me/totp").json()["secret"]
    assert browser.put("/me/totp", json={"secret": secret, "code": "000000"}).status_code == 401
    assert browser.put("/me/totp", json={"secret": "AA", "code": town.code(secret)}).status_code == 422
    assert browser.put("/me/totp", json={"secret": secret, "code": town.code(secret)}).status_code == 204
    town.passes(30)
    again = town.browser()
    again.post("/sign-in", json={"login": "zhou", "password": PASSWORD})
    assert again.post("/sign-in/code", json={"code": town.code(former)}).status_code == 401
    assert again.post("/sign-in/code", json={"code": town.code(secret)}).status_code == 200
