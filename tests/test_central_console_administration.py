"""Accounts in the console: made, given a code, changed, ended; and machines' tokens."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import plain_http
import pytest
from central_support import DEADLINE_S
from central_web_support import COMMUNITY, NOW_US, Filled, Served, a_filled, somebody

from central.accounts import book
from central.accounts.who import Role
from central.store.engine import writing

NEW = {
    "login": "officer-2",
    "name": "测试员",
    "role": "officer",
    "unit": "二号警务室",
    "communities": [COMMUNITY],
}
SECRET = re.compile(r'<code class="secret"[^>]*>([^<]+)</code>')


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    with a_filled(tmp_path) as made:
        with writing(made.writer) as db:
            for role in (Role.ADMINISTRATOR, Role.OPERATOR):
                book.make_account(
                    db, role, name="测试员", role=role, unit="信息办", communities=[], by="0", now_us=NOW_US
                )
        yield made


@pytest.fixture
def administrator(filled: Filled) -> Iterator[httpx.Client]:
    """Sees no community."""
    with (
        Served(filled, who=somebody(Role.ADMINISTRATOR)) as served,
        plain_http.Client(
            base_url=served.address,
            follow_redirects=True,
            cookies={"liuhen-language": "en"},
            timeout=DEADLINE_S,
        ) as client,
    ):
        yield client


def account_of(filled: Filled, login: str) -> book.Account:
    with filled.reader.connect() as db:
        return book.one_account(db, book.number_called(db, login))


def test_an_account_is_made_and_its_code_shown_once(filled: Filled, administrator: httpx.Client) -> None:
    made = administrator.post("/administration/new", data=NEW)
    code = SECRET.search(made.text)
    assert code is not None
    with writing(filled.writer) as db:
        assert book.account_of_code(db, code[1], NOW_US).login == "officer-2"
    found = account_of(filled, "officer-2")
    assert (found.role, found.unit, found.communities) == (Role.OFFICER, "二号警务室", frozenset({COMMUNITY}))
    listed = administrator.get("/administration").text
    assert "waits for its owner" in listed
    assert "枫园社区" in listed
    assert code[1] not in listed + administrator.get(f"/administration/{found.id}").text


@pytest.mark.parametrize(
    ("changes", "status", "why"),
    [
        pytest.param({"login": "Officer 2"}, 422, "A login has", id="no login"),
        pytest.param({"unit": " "}, 422, "A unit has", id="no unit"),
        pytest.param({"login": "operator"}, 409, "of this login already", id="taken"),
        pytest.param({"role": "resident"}, 422, "number in the register", id="a resident of nobody"),
        pytest.param({"communities": [77]}, 409, "not in the register", id="no such community"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(
    administrator: httpx.Client, changes: dict[str, object], status: int, why: str
) -> None:
    answer = administrator.post("/administration/new", data=NEW | changes)
    assert (answer.status_code, why in answer.text, "测试员" in answer.text) == (status, True, True)


def test_an_account_is_changed_given_a_new_code_and_ended(
    filled: Filled, administrator: httpx.Client
) -> None:
    number = account_of(filled, "operator").id
    here = f"/administration/{number}"
    assert administrator.post(f"{here}/scope", data={"communities": [COMMUNITY]}).status_code == 200
    changed = administrator.post(f"{here}/role", data={"role": "installer", "unit": "安装队"})
    assert "has another role" in changed.text
    found = account_of(filled, "operator")
    assert (found.role, found.unit, found.communities) == (Role.INSTALLER, "安装队", frozenset({COMMUNITY}))
    assert SECRET.search(administrator.post(f"{here}/reset").text)
    administrator.post(f"{here}/disable")
    assert account_of(filled, "operator").disabled
    again = administrator.post(f"{here}/reset")
    assert (again.status_code, "This account is disabled" in again.text) == (409, True)
    assert "account disabled" in administrator.get("/administration/events").text


def test_nobody_ends_or_changes_their_own(filled: Filled, administrator: httpx.Client) -> None:
    own = f"/administration/{account_of(filled, 'administrator').id}"
    page = administrator.get(own).text
    assert "/disable" not in page
    assert "/role" not in page
    assert administrator.post(f"{own}/disable").status_code == 409
    assert not account_of(filled, "administrator").disabled


def test_a_machine_gets_a_token_that_is_shown_once(administrator: httpx.Client) -> None:
    said = {"name": "wall-display", "role": "operator", "communities": [COMMUNITY], "days": "30"}
    made = administrator.post("/administration/tokens", data=said)
    token = SECRET.search(made.text)
    assert token is not None
    page = administrator.get("/administration/tokens").text
    assert "wall-display" in page
    assert token[1] not in page
    ended = administrator.post("/administration/tokens/end", data={"name": "wall-display"})
    assert "ended" in ended.text
    for changes, why in (({"days": "soon"}, "1 to 365 days"), ({"name": "Wall"}, "lower-case letters")):
        wrong = administrator.post("/administration/tokens", data=said | changes)
        assert (wrong.status_code, why in wrong.text) == (422, True)
