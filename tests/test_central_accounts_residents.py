"""Whoever keeps accounts cannot take a resident's for themselves: a worker sees whom its code is for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import plain_http
import pytest
from central_support import DEADLINE_S
from central_web_support import Served, somebody
from identity_support import NOON_US
from register_support import Estate, an_estate
from sqlalchemy import Engine, select

from central.accounts import book, residents
from central.accounts.identify import Identify
from central.accounts.who import Role, Who
from central.errors import Clash, NotAllowed
from central.register.desk import desk_of
from central.store.account_tables import account_event
from central.store.engine import reading, writing

ADMINISTRATOR, WORKER = 3, 21
PASSWORD = "柳树湾的风筝真高"


@pytest.fixture
def estate(engine: Engine, tmp_path: Path) -> Estate:
    made = an_estate(engine, tmp_path)
    made.resident("王小明", "101", "04A1B2C3")
    return made


def made(estate: Estate, login: str = "wang") -> tuple[int, str]:
    """An account for person 1, by an administrator; its number and its code."""
    about: dict[str, Any] = {
        "name": "王小明",
        "role": Role.RESIDENT,
        "unit": "-",
        "communities": [],
        "person": 1,
    }
    with writing(estate.engine) as connection:
        return book.make_account(connection, login, by=str(ADMINISTRATOR), now_us=NOON_US, **about)


def confirms(estate: Estate, login: str = "wang", account: int = WORKER) -> residents.Waiting:
    with writing(estate.engine) as connection:
        desk = desk_of(connection, estate.vault, estate.community, account=account, now_us=NOON_US)
        return residents.confirm(desk, 1, login)


def whose(estate: Estate, code: str) -> int:
    with reading(estate.engine) as connection:
        return int(book.account_of_code(connection, code, NOON_US).id)


def test_a_code_is_of_no_use_before_a_worker_has_seen_whom_it_is_for(estate: Estate) -> None:
    number, code = made(estate)
    with pytest.raises(NotAllowed, match="at the desk"):
        whose(estate, code)
    with pytest.raises(Clash, match="nobody confirms"):
        confirms(estate, account=ADMINISTRATOR)
    assert confirms(estate).confirmed
    assert whose(estate, code) == number
    with pytest.raises(Clash, match="already"):
        confirms(estate)
    with reading(estate.engine) as connection:
        last = connection.execute(select(account_event).order_by(account_event.c.id.desc())).first()
    assert last is not None
    assert (last.account_id, last.event, last.by) == (number, "confirmed", str(WORKER))


def test_the_word_counts_for_the_one_account_whose_code_the_person_holds(estate: Estate) -> None:
    made(estate)
    _, taken = made(estate, "wang-too")
    confirms(estate)
    with pytest.raises(NotAllowed):
        whose(estate, taken)
    with pytest.raises(Clash, match="no account"):
        confirms(estate, "somebody-else")


def test_nobody_confirms_with_an_account_whose_code_they_made(estate: Estate) -> None:
    """An administrator makes a worker's account, keeps its code, and would see the resident at the desk."""
    _, code = made(estate)
    about: dict[str, Any] = {"name": "李社工", "role": Role.WORKER, "unit": "居委会"}
    communities, other = [estate.community], "4"
    with writing(estate.engine) as connection:
        theirs = {"communities": communities, "now_us": NOON_US, **about}
        own, _ = book.make_account(connection, "li", by=str(ADMINISTRATOR), **theirs)
        reset, _ = book.make_account(connection, "zhao", by=other, **theirs)
        book.reset(connection, reset, str(ADMINISTRATOR), NOON_US)
        good, _ = book.make_account(connection, "qian", by=other, **theirs)
    for account in (own, reset):
        with pytest.raises(Clash, match="nobody confirms"):
            confirms(estate, account=account)
    with pytest.raises(NotAllowed):
        whose(estate, code)
    assert confirms(estate, account=good).confirmed


def test_a_new_code_is_confirmed_anew(estate: Estate) -> None:
    number, _ = made(estate)
    confirms(estate)
    with writing(estate.engine) as connection:
        code = book.reset(connection, number, str(ADMINISTRATOR), NOON_US)
    with pytest.raises(NotAllowed):
        whose(estate, code)


def test_codes_of_those_who_work_here_need_no_such_word(estate: Estate) -> None:
    about: dict[str, Any] = {"name": "李社工", "role": Role.WORKER, "unit": "居委会"}
    with writing(estate.engine) as connection:
        number, code = book.make_account(
            connection, "li", communities=[estate.community], by=str(ADMINISTRATOR), now_us=NOON_US, **about
        )
    assert whose(estate, code) == number


class Doors:
    """The application: as a worker, and as whoever has not signed in."""

    def __init__(self, served: Served, client: httpx.Client) -> None:
        self._served, self.client = served, client
        self._signed_in: Identify = served.app.state.identify

    def worker(self, community: int) -> None:
        self._served.is_asked_by(somebody(Role.WORKER, community, account=WORKER))

    def supervisor(self, community: int) -> None:
        self._served.is_asked_by(Who(23, Role.SUPERVISOR, frozenset({community})))


@pytest.fixture
def doors(estate: Estate) -> Iterator[Doors]:
    with (
        Served(estate.engine, who=None, vault=estate.vault, now_us=lambda: NOON_US) as served,
        plain_http.Client(
            base_url=served.address,
            timeout=DEADLINE_S,
            headers={"Sec-Fetch-Site": "same-origin"},
            cookies={"liuhen-language": "en"},
        ) as client,
    ):
        yield Doors(served, client)


def test_over_api_and_page_the_worker_confirms_and_only_then_a_password_is_set(
    estate: Estate, doors: Doors
) -> None:
    _, code = made(estate)
    given = {"code": code, "password": PASSWORD}
    refused = doors.client.post("/api/v1/sign-in/activation", json=given)
    assert refused.status_code == 403
    assert "at the desk" in refused.json()["detail"]
    page = doors.client.post("/sign-in/activate", data=given)
    assert "show your identity card at the community" in page.text
    here = f"/api/v1/communities/{estate.community}/people/1/accounts"
    doors.supervisor(estate.community)
    assert doors.client.get(here).status_code == 403
    doors.worker(estate.community)
    (waits,) = doors.client.get(here).json()
    assert (waits["login"], waits["confirmed"]) == ("wang", False)
    person = f"/homes/{estate.community}/people/1"
    assert "Identity checked at the desk" in doors.client.get(person).text
    done = doors.client.post(f"{person}/accounts", data={"login": "wang"})
    assert done.headers["location"] == f"{person}#accounts"
    assert "Identity checked at the desk" not in doors.client.get(person).text
    assert doors.client.post(here, json={"login": "wang"}).status_code == 409
    answer = doors.client.post("/api/v1/sign-in/activation", json=given)
    assert (answer.status_code, answer.json()) == (200, {"next": "enrol"})
