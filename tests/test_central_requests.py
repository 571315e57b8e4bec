"""What people ask for about their own data: received, due, answered by somebody else, seen when overdue."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import plain_http
import pytest
from central_support import DEADLINE_S
from central_web_support import Served, somebody
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from register_support import DAY_US, SITE, Estate, an_estate
from sqlalchemy import Engine, select

from central.accounts.who import Role, Who
from central.identity.rotation import reseal
from central.register.oneself import homes_of
from central.register.people import merge_people
from central.register.words import DocumentType
from central.requests import book
from central.store.register_tables import register_event
from central.store.request_tables import own_request

TEXT = "姓名写错了一个字，应为王晓明"
ANSWER = "已更正登记姓名"


def counted(**some: int) -> dict[str, int]:
    """The rest is none."""
    kinds = ("waiting", "overdue", "too_late", "answered", "answered_late", "withdrawn", "withdrawn_late")
    return dict.fromkeys(kinds, 0) | some


class Hall:
    """A community's office over the API. `who`: whoever asks next; `days` after the community began."""

    def __init__(self, estate: Estate, served: Served, client: httpx.Client, clock: list[int]) -> None:
        self.estate, self._served, self._client, self._clock = estate, served, client, clock
        self.here = f"/communities/{estate.community}"
        self.person = estate.resident("王小明", "101", "04A1B2C3")
        self.resident = somebody(Role.RESIDENT, estate.community, account=9, person=self.person)
        self.clerk = somebody(Role.WORKER, estate.community, account=21)
        self.colleague = somebody(Role.WORKER, estate.community, account=22)
        self.supervisor = somebody(Role.SUPERVISOR, estate.community, account=23)

    def later(self, days: float) -> None:
        self._clock[0] += int(days * DAY_US)

    def ask(self, who: Who, method: str, path: str, body: object = None, expect: int = 200) -> Any:
        self._served.is_asked_by(who)
        answer = self._client.request(method, f"/api/v1{path}", json=body)
        assert answer.status_code == expect, answer.text
        return answer.json()

    def asks(self, kind: str = "correction", text: str = TEXT, expect: int = 201) -> Any:
        return self.ask(self.resident, "POST", "/own/requests", {"kind": kind, "text": text}, expect)

    def answers(self, who: Who, number: int, decision: str = "done", expect: int = 200) -> Any:
        body = {"decision": decision, "text": ANSWER}
        return self.ask(who, "POST", f"{self.here}/requests/{number}/answer", body, expect)

    def counts(self) -> dict[str, int]:
        return dict(self.ask(self.supervisor, "GET", f"{self.here}/request-counts"))


@pytest.fixture
def hall(engine: Engine, tmp_path: Path) -> Iterator[Hall]:
    estate = an_estate(engine, tmp_path)
    clock = [estate.now_us]
    signing = Ed25519PrivateKey.generate()
    with (
        Served(engine, vault=estate.vault, signing=signing, now_us=lambda: clock[0]) as served,
        plain_http.Client(base_url=served.address, timeout=DEADLINE_S) as client,
    ):
        yield Hall(estate, served, client, clock)


def test_a_resident_asks_and_is_answered_by_a_worker_in_fifteen_days(hall: Hall) -> None:
    made = hall.asks()
    assert (made["state"], made["at_desk"], made["overdue"]) == ("waiting", False, False)
    assert (made["received"][:10], made["due"][:10], made["latest"][:10]) == (
        "2026-11-04",
        "2026-11-19",
        "2026-12-04",
    )
    (line,) = hall.ask(hall.colleague, "GET", f"{hall.here}/requests")["requests"]
    assert not {"text", "person", "receipt"} & line.keys()
    seen = hall.ask(hall.colleague, "GET", f"{hall.here}/requests/{made['id']}")
    assert (seen["text"], seen["person"], seen["receipt"]) == (TEXT, hall.person, made["receipt"])
    hall.answers(hall.colleague, made["id"], "refused")
    (mine,) = hall.ask(hall.resident, "GET", "/own/requests")
    assert (mine["state"], mine["answer"], mine["answered_by"]) == ("refused", ANSWER, 22)
    assert "answered already" in hall.answers(hall.clerk, made["id"], expect=409)["detail"]


def test_what_is_overdue_is_seen_by_supervisors_who_see_neither_whose_it_is_nor_what_it_says(
    hall: Hall,
) -> None:
    first = hall.asks("deletion")
    hall.later(15)
    second = hall.asks("explanation")
    assert hall.counts()["overdue"] == 0, "the fifteenth day is not over"
    hall.later(1)
    lines = hall.ask(hall.supervisor, "GET", f"{hall.here}/requests")["requests"]
    assert [(each["id"], each["overdue"]) for each in lines] == [(first["id"], True), (second["id"], False)]
    hall.later(15)
    assert hall.counts() == counted(waiting=2, overdue=2, too_late=1)
    hall.answers(hall.clerk, first["id"])
    assert hall.counts() == counted(waiting=1, overdue=1, answered=1, answered_late=1)
    hall.ask(hall.supervisor, "GET", f"{hall.here}/requests/{first['id']}", expect=403)
    (late,) = hall.ask(hall.supervisor, "GET", f"{hall.here}/requests?waiting=false")["requests"]
    assert late["overdue"]


def test_the_desk_takes_it_down_for_others_and_a_colleague_answers(hall: Hall) -> None:
    window = {"from": "2026-11-04T12:00:00+08:00", "until": "2026-11-04T18:00:00+08:00"}
    asked = {"kind": "qr_code", "site": SITE, "reason": "friends", **window}
    given = hall.ask(hall.clerk, "POST", "/passes", asked, 201)["id"]
    requests = f"{hall.here}/requests"
    about = {"kind": "deletion", "text": TEXT}
    made = hall.ask(hall.clerk, "POST", requests, {**about, "pass": given}, 201)
    assert (made["pass"], made["person"], made["at_desk"]) == (given, None, True)
    assert "a colleague" in hall.answers(hall.clerk, made["id"], expect=409)["detail"]
    assert hall.answers(hall.colleague, made["id"])["state"] == "done"
    with hall.estate.reading() as db:
        receipt = made["receipt"].lower().replace("-", " ")
        assert book.by_receipt(db, [hall.estate.community], receipt).id == made["id"]
    hall.ask(hall.clerk, "POST", requests, {**about, "person": hall.person}, 201)
    (mine,) = hall.ask(hall.resident, "GET", "/own/requests")
    assert mine["at_desk"], "taken down for them, and shown to them"
    for wrong in ({}, {"person": hall.person, "pass": given}):
        hall.ask(hall.clerk, "POST", requests, {**about, **wrong}, 422)
    for foreign in ({"person": 999}, {"pass": 999}):
        hall.ask(hall.clerk, "POST", requests, {**about, **foreign}, 404)


def test_who_was_registered_twice_has_the_requests_and_the_home_of_both_rows(hall: Hall) -> None:
    hall.asks()
    kept = hall.estate.person("王小明", document=DocumentType.NONE, number=None)
    with hall.estate.desk() as desk:
        merge_people(desk, kept, hall.person, reason="同一人")
    assert hall.asks()["state"] == "waiting"
    assert len(hall.ask(hall.resident, "GET", "/own/requests")) == 2
    with hall.estate.reading() as db:
        (home,) = homes_of(db, hall.estate.community, hall.person, hall.estate.now_us)
    assert home.room == hall.estate.places["101"]


def test_a_neighbour_s_are_not_shown_and_ten_that_wait_are_enough(hall: Hall) -> None:
    neighbour = hall.estate.resident("李芳", "102", "04A1B2C4")
    for _ in range(10):
        hall.asks()
    assert "once they are answered" in hall.asks(expect=409)["detail"]
    who = somebody(Role.RESIDENT, hall.estate.community, account=10, person=neighbour)
    assert hall.ask(who, "GET", "/own/requests") == []
    page = hall.ask(hall.clerk, "GET", f"{hall.here}/requests?limit=6")
    rest = hall.ask(hall.clerk, "GET", f"{hall.here}/requests?limit=6&after={page['next_after']}")
    assert (len(page["requests"]), len(rest["requests"]), rest["next_after"]) == (6, 4, None)


def test_whose_it_is_withdraws_it_while_nobody_has_answered(hall: Hall) -> None:
    made, answered = hall.asks(), hall.asks("deletion")
    hall.answers(hall.colleague, answered["id"])
    neighbour = hall.estate.resident("李芳", "102", "04A1B2C4")
    other = somebody(Role.RESIDENT, hall.estate.community, account=10, person=neighbour)
    path = f"/own/requests/{made['id']}/withdraw"
    hall.ask(other, "POST", path, expect=404)
    hall.ask(hall.clerk, "POST", path, expect=403)
    hall.later(16)
    back = hall.ask(hall.resident, "POST", path)
    assert (back["state"], back["text"], back["answer"]) == ("withdrawn", TEXT, None)
    assert (back["overdue"], back["answered_by"]) == (True, None), "nobody answered it in time"
    assert "was withdrawn" in hall.ask(hall.resident, "POST", path, expect=409)["detail"]
    assert "was withdrawn" in hall.answers(hall.clerk, made["id"], expect=409)["detail"]
    already = f"/own/requests/{answered['id']}/withdraw"
    assert "answered already" in hall.ask(hall.resident, "POST", already, expect=409)["detail"]
    lines = hall.ask(hall.clerk, "GET", f"{hall.here}/requests?waiting=false")["requests"]
    assert [each["state"] for each in lines] == ["done", "withdrawn"], "the office sees both"
    assert hall.counts() == counted(answered=1, withdrawn=1, withdrawn_late=1)
    with hall.estate.reading() as db:
        acts = list(db.execute(select(register_event.c.act)).scalars())
    assert acts.count("request_withdrawn") == 1


def test_a_withdrawn_one_does_not_tell_supervisors_whose_it_was(hall: Hall) -> None:
    made = hall.asks()
    hall.ask(hall.resident, "POST", f"/own/requests/{made['id']}/withdraw")
    (line,) = hall.ask(hall.supervisor, "GET", f"{hall.here}/requests?waiting=false")["requests"]
    assert (line["state"], line["overdue"], line["answered_by"]) == ("withdrawn", False, None)
    assert hall.resident.account not in line.values()
    assert not {"text", "person", "receipt"} & line.keys()
    assert hall.counts() == counted(withdrawn=1), "in time"


def test_whoever_withdraws_asks_no_more_than_ten_times_a_day_all_the_same(hall: Hall) -> None:
    hall.answers(hall.clerk, hall.asks()["id"])
    for _ in range(10):
        made = hall.asks()
        hall.ask(hall.resident, "POST", f"/own/requests/{made['id']}/withdraw")
    assert "within a day" in hall.asks(expect=409)["detail"]
    hall.later(1)
    hall.asks()


def test_who_was_taken_down_for_at_the_desk_withdraws_it_themselves(hall: Hall) -> None:
    about = {"kind": "complaint", "text": TEXT, "person": hall.person}
    made = hall.ask(hall.clerk, "POST", f"{hall.here}/requests", about, 201)
    assert hall.ask(hall.resident, "POST", f"/own/requests/{made['id']}/withdraw")["state"] == "withdrawn"


def test_what_was_said_lies_sealed_and_is_sealed_again_with_another_key(hall: Hall) -> None:
    number = hall.asks()["id"]
    hall.answers(hall.clerk, number)
    with hall.estate.reading() as db:
        row = db.execute(select(own_request)).one()
        noted = [tuple(each) for each in db.execute(select(register_event))]
    for said in (TEXT, ANSWER):
        assert said.encode() not in row.sealed + row.answer
        assert said not in str(noted)
    assert {"request_received", "request_answered"} <= {each for row in noted for each in row}
    hall.estate.vault.rotate_register(hall.estate.community)
    assert reseal(hall.estate.engine, hall.estate.vault, hall.estate.community) >= 2
    (mine,) = hall.ask(hall.resident, "GET", "/own/requests")
    assert (mine["text"], mine["answer"]) == (TEXT, ANSWER)
