"""A resident's own cards: their state and history, one reported lost at once, and nothing beyond that."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import plain_http
import pytest
from central_support import DEADLINE_S
from central_web_support import Served, somebody
from register_support import CLERK, EAST, Estate, copied_estate

from central.accounts.book import make_account
from central.accounts.who import Role, Who
from central.register.credential_life import CredentialAct
from central.register.credentials import change
from central.register.people import merge_people
from central.register.pins import set_pin, take_pin_away
from central.register.words import DocumentType
from central.store.engine import writing

CARD, OTHER = "04A1B2C3", "04D4E5F6"


class Holders:
    """Whoever is named asks about their own."""

    def __init__(self, estate: Estate, served: Served, client: httpx.Client) -> None:
        self.estate, self._served, self._client = estate, served, client
        self.person = estate.resident("王小明", "101", CARD)
        self.me = self.account(self.person)

    def account(self, person: int) -> Who:
        with writing(self.estate.engine) as connection:
            made, _code = make_account(
                connection,
                f"resident-{person}",
                name="住户",
                role=Role.RESIDENT,
                unit="住户",
                communities=[],
                by="test",
                now_us=1,
                person=person,
            )
        return somebody(Role.RESIDENT, self.estate.community, account=made, person=person)

    def ask(self, method: str, path: str = "", expect: int = 200, who: Who | None = None) -> Any:
        self._served.is_asked_by(who or self.me)
        answer = self._client.request(method, f"/api/v1/own/cards{path}")
        assert answer.status_code == expect, answer.text
        return answer.json()

    def page(self, method: str, path: str = "") -> httpx.Response:
        self._served.is_asked_by(self.me)
        return self._client.request(method, f"/own/cards{path}", follow_redirects=True)


@pytest.fixture
def holders(tmp_path: Path) -> Iterator[Holders]:
    with (
        copied_estate(tmp_path) as estate,
        Served(estate.engine, vault=estate.vault, now_us=lambda: estate.now_us) as served,
        plain_http.Client(
            base_url=served.address, timeout=DEADLINE_S, cookies={"liuhen-language": "en"}
        ) as client,
    ):
        yield Holders(estate, served, client)


def test_a_card_reported_lost_opens_nothing_at_once_and_only_the_desk_makes_it_good(holders: Holders) -> None:
    (card,) = holders.ask("GET")
    assert (card["hint"], card["state"], card["has_pin"]) == ("B2C3", "issued", False)
    assert CARD not in str(card)
    assert not holders.estate.listed(EAST, CARD).lost
    assert holders.ask("POST", f"/{card['id']}/report-lost")["state"] == "lost"
    assert holders.estate.listed(EAST, CARD).lost
    holders.ask("POST", f"/{card['id']}/report-lost", 409)
    with holders.estate.desk() as desk:
        change(desk, card["id"], CredentialAct.LIFT_LOSS)
    events = holders.ask("GET", f"/{card['id']}/events")
    assert [each["act"] for each in events] == ["issue", "report_lost", "lift_loss"]
    assert [each["account"] for each in events] == [None, holders.me.account, None], "of others: nobody"


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/acts"), ("PUT", "/pin"), ("DELETE", "/pin"), ("POST", "/lift-loss"), ("POST", "/return")],
)
def test_a_resident_can_do_nothing_else_with_a_card(holders: Holders, method: str, path: str) -> None:
    (card,) = holders.ask("GET")
    holders.ask(method, f"/{card['id']}{path}", 404)


def test_nobody_elses_card_is_seen_or_reported(holders: Holders) -> None:
    estate = holders.estate
    theirs = estate.card(estate.person("李小红"), OTHER)
    (mine,) = holders.ask("GET")
    assert mine["id"] != theirs
    for each in (theirs, 9_999):
        holders.ask("POST", f"/{each}/report-lost", 404)
        holders.ask("GET", f"/{each}/events", 404)
    assert holders.page("POST", f"/{theirs}/report-lost").status_code == 404
    nobody = somebody(Role.RESIDENT, estate.community, account=77)
    holders.ask("GET", expect=403, who=nobody)


def test_cards_of_a_row_that_was_merged_are_ones_own_too(holders: Holders) -> None:
    estate = holders.estate
    twin = estate.person("王小明", document=DocumentType.NONE, number=None)
    second = estate.card(twin, OTHER)
    with estate.desk() as desk:
        merge_people(desk, holders.person, twin, reason="同一人")
        change(desk, second, CredentialAct.RETURN)
    assert [each["state"] for each in holders.ask("GET")] == ["issued", "returned"]
    of_the_twin = holders.account(twin)
    assert len(holders.ask("GET", who=of_the_twin)) == 2


def test_that_a_pin_was_set_stands_in_the_history_and_never_which(holders: Holders) -> None:
    (card,) = holders.ask("GET")
    with holders.estate.desk(days=1) as desk:
        set_pin(desk, card["id"], "471180", "805231")
    with holders.estate.desk(days=2) as desk:
        take_pin_away(desk, card["id"])
    events = holders.ask("GET", f"/{card['id']}/events")
    assert [(each["act"], each["state"]) for each in events] == [
        ("issue", "issued"),
        ("pin_set", "issued"),
        ("pin_taken_away", "issued"),
    ]
    page = holders.page("GET").text
    assert "PIN set" in page
    for told in (str(events), page):
        assert "471180" not in told
        assert "805231" not in told
        assert "duress" not in told
    assert CLERK not in {each["account"] for each in events}


def test_the_page_asks_once_more_and_says_what_was_done(holders: Holders) -> None:
    (card,) = holders.ask("GET")
    before = holders.page("GET").text
    assert "Report it lost now" in before
    done = holders.page("POST", f"/{card['id']}/report-lost")
    assert "The card is reported lost" in done.text
    assert "Report it lost now" not in done.text
    assert "by you" in done.text
    again = holders.page("POST", f"/{card['id']}/report-lost")
    assert (again.status_code, "reported lost already" in again.text) == (409, True)
