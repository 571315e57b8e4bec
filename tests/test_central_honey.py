"""Honey records, made-up people whom nobody has a reason to look up: oversight is told who did, and nobody
else can tell them from anybody."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from central_support import DEADLINE_S, a_record
from central_web_support import SEALER, WELL, a_settings
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from database_support import new_database
from fastapi import FastAPI, Request
from identity_support import COMMUNITY, NOON_US
from imports_support import Importing, a_csv, a_row
from lookup_support import World
from register_support import DAY_US, EAST, GATE, SITE, Estate, a_number, an_estate
from sqlalchemy import Connection, Engine, Select, insert, select

from central.accounts import book as accounts
from central.accounts.who import Role, Who
from central.app import create_app
from central.errors import StoreUnavailable
from central.honey import book, touches
from central.honey.late import LateAlarms
from central.honey.made_up import made_up
from central.honey.touches import Toucher
from central.lookup import audit
from central.lookup.words import Happened, Through
from central.register.desk import Desk, desk_of
from central.register.office import Office
from central.register.person_identity import number_fault
from central.register.words import DocumentType
from central.store.changes import Changes
from central.store.engine import insert_many, open_reader, reading, writing
from central.store.honey_tables import honey_record
from central.store.lookup_tables import look_up_event
from central.store.questions import Questions
from central.store.records import row_of
from central.store.register_tables import credential, credential_token, register_event
from central.store.tables import gateway, record
from messages.model import AssuranceLevel, Credential, Kind, Reason

NAMES = {
    Role.OFFICER: "一号警务室",
    Role.APPROVER: "二号警务室",
    Role.SUPERVISOR: "督察",
    Role.WORKER: "社区",
    Role.ADMINISTRATOR: "中心",
    Role.OPERATOR: "中心",
}
ASKED = {"purpose": "missing_person", "basis": "peoples_police_law", "case_number": "A-2026-17"}


class Town:
    """A community with accounts of each role, over HTTP."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self.reader = open_reader(estate.engine.url.render_as_string(hide_password=False))
        self.who: Who | None = None
        self.accounts: dict[Role, int] = {}
        with writing(estate.engine) as db:
            for role, unit in NAMES.items():
                self.accounts[role], _ = accounts.make_account(
                    db,
                    f"{role}-1",
                    name="测试",
                    role=role,
                    unit=unit,
                    communities=[estate.community],
                    by="test",
                    now_us=estate.now_us,
                )
        self.app: FastAPI = create_app(
            a_settings(),
            self.reader,
            estate.engine,
            sealer=SEALER,
            ingest_status=lambda: WELL,
            stopping=threading.Event(),
            vault=estate.vault,
            signing=Ed25519PrivateKey.generate(),
            now_us=lambda: estate.now_us,
        )

        async def identify(_request: Request) -> Who:
            assert self.who is not None
            return self.who

        self.app.state.identify = identify

    def asks(self, role: Role, method: str, path: str, body: object = None) -> httpx.Response:
        """`path` of the API."""
        self.who = Who(self.accounts[role], role, frozenset({self.estate.community}), fresh=True)
        self.estate.now_us += 1_000_000

        async def asked() -> httpx.Response:
            inside = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=inside, base_url="http://localhost") as client:
                return await client.request(method, f"/api/v1{path}", json=body)

        return asyncio.run(asked())

    def here(self, role: Role, method: str, path: str, body: object = None) -> Any:
        answer = self.asks(role, method, f"/communities/{self.estate.community}{path}", body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def plants(self, **wanted: object) -> dict[str, Any]:
        """When nothing happened for a while."""
        self.estate.now_us += 600_000_000
        found: dict[str, Any] = self.here(Role.APPROVER, "POST", "/honey-records", wanted)
        return found

    def looks_up(self, question: str, **wanted: object) -> dict[str, Any]:
        window = {"from": "2026-11-04T00:00:00+08:00", "until": "2026-11-05T00:00:00+08:00"}
        body = {"question": question, "community": self.estate.community, **ASKED, **window, **wanted}
        answer = self.asks(Role.OFFICER, "POST", "/look-ups", body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def told(self) -> list[tuple[Role, Through, int | None]]:
        """Who touched what by which look-up, as the supervisor is told it, oldest first."""
        found = self.here(Role.SUPERVISOR, "GET", "/honey-alarms")["alarms"]
        roles = {number: role for role, number in self.accounts.items()}
        return [(roles[each["account"]], each["through"], each["look_up"]) for each in reversed(found)]

    def card_of(self, row: int) -> str:
        """The whole number of somebody's card."""
        with reading(self.reader) as db:
            found = db.execute(select(credential).where(credential.c.person_id == row)).one()
        name = f"credential:{found.id}"
        return self.estate.vault.open_register(self.estate.community, name, found.sealed).decode()

    def kinds(self) -> list[str]:
        with reading(self.reader) as db:
            return list(db.execute(select(look_up_event.c.kind).order_by(look_up_event.c.id)).scalars())


@pytest.fixture
def town(engine: Engine, tmp_path: Path) -> Iterator[Town]:
    """On both engines."""
    made = Town(an_estate(engine, tmp_path))
    yield made
    made.reader.dispose()


def shape_of(answer: Any) -> Any:
    """What of an answer is the same for everybody: names, kinds and numbers of its parts."""
    if isinstance(answer, dict):
        return {name: shape_of(value) for name, value in answer.items()}
    if isinstance(answer, list):
        return [shape_of(each) for each in answer]
    return type(answer).__name__


def test_nobody_can_be_who_is_made_up_and_nothing_about_them_stands_out() -> None:
    for seed in range(500):
        drawn = iter(range(seed, seed + 10**6, 7919))
        found = made_up(lambda below, drawn=drawn: next(drawn) % below, date(2026, 11, 4))  # type: ignore[misc]
        assert number_fault(DocumentType.RESIDENT_ID, found.number) is None
        assert found.number.startswith("000000"), "an area that was never assigned"
        assert 1951 <= int(found.number[6:10]) <= 2006
        assert len(found.name) in (2, 3)
        assert (found.card[:2], len(found.card)) == ("88", 8), "no card's number begins so"


def test_a_look_up_of_one_alarms_oversight_alone_and_is_answered_like_any_other(town: Town) -> None:
    planted = town.plants(room=town.estate.places["201"])
    ordinary = town.estate.resident("李芳", "102", "04A1B2C4")
    assert ordinary
    card = town.card_of(planted["row"])
    pairs: list[tuple[str, dict[str, object], dict[str, object]]] = [
        ("person", {"number": planted["number"]}, {"number": a_number(1)}),
        ("card", {"number": card, "card_kind": "card_uid"}, {"number": "04A1B2C4", "card_kind": "card_uid"}),
        ("room", {"room": town.estate.places["201"]}, {"room": town.estate.places["102"]}),
    ]
    touched = []
    for question, of_honey, of_somebody in pairs:
        answer, usual = town.looks_up(question, **of_honey), town.looks_up(question, **of_somebody)
        assert shape_of(answer) == shape_of(usual), question
        assert (answer["entries"], answer["notes"]) == ([], usual["notes"]), question
        touched.append((Role.OFFICER, Through.LOOK_UP, answer["look_up"]))
    assert town.told() == touched
    mine = town.asks(Role.OFFICER, "GET", "/look-ups").json()
    assert len({str(shape_of(each)) for each in mine}) == 1, "they stand among one's own like any other"
    for role in (Role.OFFICER, Role.WORKER, Role.ADMINISTRATOR, Role.OPERATOR):
        for path in ("honey-records", "honey-alarms"):
            refused = town.asks(role, "GET", f"/communities/{town.estate.community}/{path}")
            assert refused.status_code == 403
    assert town.asks(Role.OFFICER, "GET", "/alarms").json()["alarms"] == []
    with reading(town.reader) as db:
        assert list(audit.verify(db)) == [], "each stands in the chain"


def test_one_whose_number_was_corrected_is_somebody_real(town: Town) -> None:
    planted = town.plants(room=town.estate.places["201"])
    row, number = planted["row"], a_number(77)
    body = {"name": "赵强", "number": number, "reason": "登记有误"}
    town.here(Role.WORKER, "POST", f"/people/{row}/corrections", body)
    assert town.told() == [(Role.WORKER, Through.CHANGED, None)], "the act that made somebody real of it"
    token = _new_card(town, row, "04C9D8E7")
    assert _listed(town) == {token}, "their own card opens, the made-up one does not"
    for each in (planted["number"], number):
        town.looks_up("person", number=each)
    town.looks_up("room", room=town.estate.places["201"])
    town.here(Role.WORKER, "GET", f"/people/{row}")
    assert len(town.told()) == 1, "whoever asks for somebody real raises nothing"
    [shown] = town.here(Role.SUPERVISOR, "GET", "/honey-records")
    assert (shown["name"], shown["number"], shown["home"], shown["rests"]) == (None, None, None, True)
    assert shown["hint"] == planted["hint"]
    town.here(Role.APPROVER, "POST", f"/honey-records/{planted['id']}/removal", {"reason": "误植"})
    assert town.here(Role.WORKER, "GET", f"/people/{row}")["state"] == "registered", "they stay"
    assert _listed(town) == {token}


def test_who_comes_back_to_the_row_of_a_removed_one_has_cards_that_open(town: Town) -> None:
    planted = town.plants(room=town.estate.places["201"])
    body = {"name": "赵强", "number": a_number(77), "reason": "登记有误"}
    town.here(Role.WORKER, "POST", f"/people/{planted['row']}/corrections", body)
    town.here(Role.WORKER, "POST", f"/people/{planted['row']}/deregister", {"reason": "搬离"})
    town.here(Role.APPROVER, "POST", f"/honey-records/{planted['id']}/removal", {"reason": "误植"})
    again = town.here(Role.WORKER, "POST", "/people", {"name": "赵强", "number": a_number(77)})
    assert again["id"] == planted["row"]
    town.estate.lives(again["id"], "201")
    token = _new_card(town, again["id"], "04C9D8E7")
    assert _listed(town) == {token}
    [shown] = town.here(Role.SUPERVISOR, "GET", "/honey-records")
    assert (shown["name"], shown["number"]) == (None, None)


def test_somebody_real_who_was_merged_into_one_has_cards_that_open(town: Town) -> None:
    planted = town.plants(room=town.estate.places["201"])
    real = town.here(Role.WORKER, "POST", "/people", {"name": "赵强", "document": "none"})["id"]
    town.here(Role.WORKER, "POST", f"/people/{planted['row']}/merge", {"gone": real, "reason": "同一人"})
    assert [through for _, through, _ in town.told()] == [Through.CHANGED]
    token = _new_card(town, planted["row"], "04C9D8E7")
    assert _listed(town) == {token}
    town.here(Role.WORKER, "GET", f"/people/{planted['row']}")
    assert len(town.told()) == 1
    [shown] = town.here(Role.SUPERVISOR, "GET", "/honey-records")
    assert (shown["name"], shown["rests"]) == (None, True)


def test_a_look_up_that_is_refused_is_told_like_any_other(town: Town) -> None:
    planted = town.plants(room=town.estate.places["201"])
    card = town.card_of(planted["row"])
    window = {"from": "2026-11-04T00:00:00+08:00", "until": "2026-11-05T00:00:00+08:00"}
    of_person = {"question": "person", "number": planted["number"]}
    refused: list[dict[str, object]] = [
        {**of_person, **window, **ASKED, "case_number": "?"},
        {**of_person, **window},
        {"question": "card", "number": card.lower(), "card_kind": "card_uid", **ASKED},
        {"question": "room", "room": town.estate.places["201"], **window},
        {"question": "person", "number": a_number(1), **window},
    ]
    for each in refused:
        body = {"community": town.estate.community, **each}
        assert town.asks(Role.OFFICER, "POST", "/look-ups", body).status_code == 422
    assert town.told() == [(Role.OFFICER, Through.LOOK_UP, None)] * 4


def test_a_room_that_others_share_raises_nothing(town: Town) -> None:
    town.plants(room=town.estate.places["201"])
    person = town.estate.person("赵强")
    town.estate.lives(person, "201")
    town.looks_up("room", room=town.estate.places["201"])
    assert town.told() == []


def test_in_the_register_whoever_finds_opens_or_changes_one_is_named(town: Town) -> None:
    planted = town.plants(room=town.estate.places["201"])
    row, somebody = planted["row"], town.estate.resident("李芳", "102", "04A1B2C4")
    opened = [
        (
            town.here(Role.WORKER, "GET", path.format(row)),
            town.here(Role.WORKER, "GET", path.format(somebody)),
        )
        for path in ("/people/{}", "/people/{}/credentials")
    ]
    for answer, usual in opened:
        assert shape_of(answer) == shape_of(usual)
    assert town.here(Role.WORKER, "POST", "/people/search", {"number": planted["number"]})[0]["id"] == row
    assert town.here(Role.WORKER, "POST", "/people/search", {"card": town.card_of(row)})[0]["id"] == row
    with reading(town.reader) as db:
        assert {audit.facts_of(each)["by"]["unit"] for each in db.execute(_of_touches())} == {"社区"}
    same = town.asks(
        Role.WORKER,
        "POST",
        f"/communities/{town.estate.community}/people/{row}/corrections",
        {"name": planted["name"], "reason": "核对"},
    )
    assert same.status_code == 409, "and yet it was tried"
    assert [through for _, through, _ in town.told()] == [
        Through.OPENED,
        Through.OPENED,
        Through.FOUND,
        Through.FOUND,
        Through.CHANGED,
    ]


def test_its_accounts_and_a_request_for_it_are_opened_as_well(town: Town) -> None:
    planted = town.plants()
    town.here(Role.WORKER, "GET", f"/people/{planted['row']}/accounts")
    wanted = {"person": planted["row"], "kind": "correction", "text": "要一份复印件"}
    made = town.here(Role.WORKER, "POST", "/requests", wanted)
    town.here(Role.WORKER, "GET", f"/requests/{made['id']}")
    assert [through for _, through, _ in town.told()] == [Through.OPENED, Through.CHANGED, Through.OPENED]


def test_while_the_store_cannot_be_written_a_page_is_answered_and_the_alarm_is_kept(tmp_path: Path) -> None:
    engine = new_database(tmp_path / "central.sqlite")
    town = Town(an_estate(engine, tmp_path))
    planted = town.plants()
    office = Office(Changes(engine), Questions(town.reader), town.estate.vault, UTC, lambda: 1)
    worker = Who(town.accounts[Role.WORKER], Role.WORKER, frozenset({town.estate.community}))

    async def opened() -> list[int]:
        other = sqlite3.connect(tmp_path / "central.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        waiting = []
        for _ in range(2):
            answer = await office.ask_about(
                worker, town.estate.community, lambda _: "answered", lambda _: [planted["row"]]
            )
            assert answer == "answered"
            waiting.append(office.late.waiting)
        other.execute("ROLLBACK")
        other.close()
        await office.late.settle()
        return waiting

    assert asyncio.run(opened()) == [1, 2]
    assert town.told() == [(Role.WORKER, Through.OPENED, None)] * 2
    town.reader.dispose()
    engine.dispose()


def test_alarms_are_tried_again_and_beyond_a_thousand_the_log_says_that_one_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = new_database(tmp_path / "central.sqlite")
    refusals = iter([StoreUnavailable("full"), StoreUnavailable("full")])
    written = []

    def alarm(_: Connection) -> None:
        for refused in refusals:
            raise refused
        written.append("alarm")

    async def raised() -> None:
        late = LateAlarms(Changes(engine), most=1, wait_s=0, again_s=0)
        await late.write(alarm)
        await late.write(alarm)
        await late.settle()
        assert late.waiting == 0

    asyncio.run(raised())
    assert written == ["alarm"]
    assert "an alarm about the register is lost" in caplog.text
    engine.dispose()


def test_an_act_that_fails_by_a_fault_of_ours_is_told_all_the_same(town: Town) -> None:
    planted = town.plants()
    office = Office(Changes(town.estate.engine), Questions(town.reader), town.estate.vault, UTC, lambda: 1)
    worker = Who(town.accounts[Role.WORKER], Role.WORKER, frozenset({town.estate.community}))

    def fails(desk: Desk) -> None:
        desk.met.add(planted["row"])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(office.act(worker, town.estate.community, fails))
    assert town.told() == [(Role.WORKER, Through.CHANGED, None)]


def test_what_everybody_does_all_day_raises_nothing(town: Town) -> None:
    planted = town.plants(room=town.estate.places["201"])
    town.here(Role.WORKER, "GET", f"/places/{town.estate.places['201']}/residents")
    found = town.here(Role.WORKER, "POST", "/people/search", {"name": planted["name"]})
    assert [each["id"] for each in found] == [planted["row"]]
    town.here(Role.WORKER, "GET", "/register-events")
    _hear(town)
    town.looks_up("building", site=SITE, gateway=EAST)
    assert town.told() == []


def test_the_register_s_own_events_do_not_name_who_planted(town: Town) -> None:
    town.here(Role.WORKER, "POST", "/people", {"name": "李芳", "number": a_number(50)})
    planted = town.plants(room=town.estate.places["201"])
    town.here(Role.APPROVER, "POST", f"/honey-records/{planted['id']}/removal", {"reason": "搬离"})
    shown = town.here(Role.WORKER, "GET", "/register-events")
    assert {"person_registered", "moved_in", "credential_issued", "person_deregistered"} <= {
        each["act"] for each in shown[:6]
    }
    others = {each["account"] for each in shown[:4]}
    assert others == {None}, "another person did it: neither the approver, nor the reader, nor a colleague"
    assert shown[4]["account"] == town.accounts[Role.WORKER]
    [card] = town.here(Role.WORKER, "GET", f"/people/{planted['row']}/credentials")
    life = town.here(Role.WORKER, "GET", f"/credentials/{card['id']}/events")
    assert [each["account"] for each in life] == [None]
    with reading(town.reader) as db:
        truly = db.execute(select(register_event.c.account)).scalars().all()
    assert truly.count(town.accounts[Role.APPROVER]) == 4, "the register itself says it truly"


def test_it_opens_no_door(town: Town) -> None:
    planted = town.plants(room=town.estate.places["201"])
    town.estate.resident("李芳", "201", "04A1B2C4")
    with reading(town.reader) as db:
        cards = select(credential_token.c.token).join(
            credential, credential.c.id == credential_token.c.credential_id
        )
        token = db.execute(cards.where(credential.c.person_id == planted["row"])).scalar_one()
    for name in (GATE, "west"):
        listed = {entry.token for entry in town.estate.rights(name).entries}
        assert (len(listed), token.hex() in listed) == (1, False)
        few = town.estate.rights(name, people={planted["row"]})
        assert few.entries == []


def test_whose_card_was_refused_is_not_revealed_unnoticed(town: Town) -> None:
    """No card has that number, but for one that somebody made: it leaves an unknown card's refusal."""
    planted = town.plants()
    refused = _swiped(town, planted["row"])
    answer = town.looks_up("door", site=SITE, gateway=EAST, door="east-front")
    assert [each["id"] for each in answer["entries"]] == [refused]
    assert town.told() == []
    number = answer["look_up"]
    body = {"record": refused, "field": "card", "why": "核对卡片"}
    revealed = town.asks(Role.OFFICER, "POST", f"/look-ups/{number}/reveals", body)
    assert revealed.json() == {"value": town.card_of(planted["row"])}
    assert town.told() == [(Role.OFFICER, Through.REVEAL, number)]


def test_what_is_taken_out_of_such_a_look_up_is_told_again(town: Town) -> None:
    planted = town.plants()
    number = town.looks_up("person", number=planted["number"])["look_up"]
    for act in ("export", "hold"):
        wanted = {"act": act, "why": "案情需要"}
        assert town.asks(Role.OFFICER, "POST", f"/look-ups/{number}/approval-requests", wanted).is_success
        agreed = {"agreed": True, "why": "同意查询"}
        assert town.asks(Role.APPROVER, "POST", f"/look-ups/{number}/approvals/{act}", agreed).is_success
    assert town.asks(Role.OFFICER, "POST", f"/look-ups/{number}/exports", {"format": "csv"}).is_success
    assert town.asks(Role.OFFICER, "POST", f"/look-ups/{number}/holds", {"days": 9}).is_success
    assert [through for _, through, _ in town.told()] == [Through.LOOK_UP, Through.EXPORT, Through.HOLD]


def test_a_file_that_names_one_is_told_when_it_is_previewed_and_when_it_is_imported(town: Town) -> None:
    planted = town.plants()
    importing = Importing(town.estate)
    rows = [a_row(60), a_row(61, 姓名=planted["name"], 证件号码=planted["number"])]
    importing.brought(a_csv(rows[:1]))
    assert _touched(town) == []
    importing.imported(rows)
    assert _touched(town) == [Through.IMPORT, Through.IMPORT]
    with reading(town.reader) as db:
        known = touches.acting_as(db, town.accounts[Role.ADMINISTRATOR])
        kept = [audit.facts_of(each)["by"] for each in db.execute(_of_touches())]
    assert (known.role, known.unit) == (Role.ADMINISTRATOR, "中心"), "as the account of who consented says"
    assert len(kept) == 2


def test_an_alarm_is_seen_to_once_by_a_supervisor(town: Town) -> None:
    planted = town.plants()
    town.looks_up("person", number=planted["number"])
    [alarm] = town.here(Role.APPROVER, "GET", "/honey-alarms")["alarms"]
    path = f"/communities/{town.estate.community}/honey-alarms/{alarm['number']}/seen"
    assert town.asks(Role.APPROVER, "POST", path, {}).status_code == 403
    seen = town.asks(Role.SUPERVISOR, "POST", path, {"note": "已约谈"}).json()
    assert (seen["note"], seen["seen_by"]) == ("已约谈", town.accounts[Role.SUPERVISOR])
    assert town.asks(Role.SUPERVISOR, "POST", path, {}).status_code == 409
    assert town.asks(Role.SUPERVISOR, "POST", path.replace(str(alarm["number"]), "1"), {}).status_code == 404
    assert town.here(Role.APPROVER, "GET", "/honey-alarms")["alarms"] == [seen]
    assert town.kinds() == ["honey_planted", "asked", "honey_touched", "answered", "honey_seen"]


def test_removed_it_is_somebody_who_left_and_raises_nothing_more(town: Town) -> None:
    planted = town.plants(room=town.estate.places["201"])
    town.here(Role.APPROVER, "POST", f"/honey-records/{planted['id']}/removal", {"reason": "搬离"})
    person = town.here(Role.WORKER, "GET", f"/people/{planted['row']}")
    assert (person["state"], person["homes"][0]["until"]) == ("deregistered", person["deregistered"])
    town.looks_up("person", number=planted["number"])
    assert town.told() == []
    [kept] = town.here(Role.SUPERVISOR, "GET", "/honey-records")
    assert (kept["id"], kept["removed_by"]) == (planted["id"], town.accounts[Role.APPROVER])
    again = town.asks(
        Role.APPROVER,
        "POST",
        f"/communities/{town.estate.community}/honey-records/{planted['id']}/removal",
        {"reason": "搬离"},
    )
    assert again.status_code == 409


def test_the_acts_of_planting_lie_apart_as_by_hand(town: Town) -> None:
    town.here(Role.WORKER, "POST", "/people", {"name": "李芳", "number": a_number(50)})
    path = f"/communities/{town.estate.community}/honey-records"
    soon = town.asks(Role.APPROVER, "POST", path, {"room": town.estate.places["201"]})
    assert soon.status_code == 409, "there is no time that they could have taken"
    town.plants(room=town.estate.places["201"])
    shown = town.here(Role.WORKER, "GET", "/register-events")
    times = [datetime.fromisoformat(each["at"]).timestamp() for each in reversed(shown)][-4:]
    assert times == sorted(times), "in the order of the register"
    assert all(then - now >= 20 for now, then in pairwise(times[1:]))
    assert len({each["at"][-7:] for each in shown[:3]}) == 3


def test_one_is_planted_only_where_nobody_lives_or_will(town: Town) -> None:
    town.estate.resident("李芳", "102", "04A1B2C4")
    tomorrow = town.estate.person("赵强")
    town.estate.lives(tomorrow, "201", since=1)
    town.estate.now_us += 600_000_000
    path = f"/communities/{town.estate.community}/honey-records"
    for room in ("102", "201"):
        refused = town.asks(Role.APPROVER, "POST", path, {"room": town.estate.places[room]})
        assert refused.status_code == 409
    with reading(town.reader) as db:
        assert db.execute(select(honey_record)).all() == []


def test_the_quarter_s_public_report_counts_the_look_up_and_tells_nothing_else(town: Town) -> None:
    planted = town.plants()
    town.looks_up("person", number=planted["number"])
    town.estate.now_us += 100 * DAY_US
    path = f"/transparency-reports/{town.estate.community}/2026/4"
    assert "honey" not in town.asks(Role.WORKER, "GET", path).text


KILLED = """
import asyncio, sys, threading
from dataclasses import replace
from pathlib import Path
from lookup_support import OFFICER, World
from central.store.engine import open_writer

folder = Path(sys.argv[1])
world = World.again(open_writer(f"sqlite:///{folder / 'central.sqlite'}"), folder)

async def waits_for_ever(question):
    print("before the answer", flush=True)
    threading.Event().wait()

world.look_ups.questions.ask = waits_for_ever
asyncio.run(world.look_ups.ask(OFFICER, replace(world.asking(), number=sys.argv[2])))
"""


def test_a_process_killed_between_row_and_answer_leaves_row_and_alarm(tmp_path: Path) -> None:
    engine = new_database(tmp_path / "central.sqlite")
    world = World(engine, tmp_path)
    with writing(engine) as db:
        desk = desk_of(db, world.vault, COMMUNITY, account=42, now_us=NOON_US + 600_000_000)
        honey = book.plant(desk, Toucher(42, Role.APPROVER), today=date(2026, 11, 4))
        number = book.one_honey_record(db, world.vault, COMMUNITY, honey).number
    assert number is not None
    helpers = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-c", KILLED, str(tmp_path), number]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=helpers) as started:
        assert started.stdout is not None
        said = started.stdout.readline()
        started.send_signal(signal.SIGKILL)
        assert started.wait(DEADLINE_S) == -signal.SIGKILL
    assert said == "before the answer\n"
    with reading(world.reader) as db:
        kinds = list(db.execute(select(look_up_event.c.kind).order_by(look_up_event.c.id)).scalars())
        [alarm] = touches.alarms(db, COMMUNITY)
    assert kinds == [Happened.HONEY_PLANTED, Happened.ASKED, Happened.HONEY_TOUCHED]
    assert (alarm.account, alarm.honey, alarm.look_up) == (41, honey, 1)
    world.close()
    engine.dispose()


def _touched(town: Town) -> list[Through]:
    with reading(town.reader) as db:
        return [each.through for each in reversed(touches.alarms(db, town.estate.community))]


def _new_card(town: Town, row: int, number: str) -> str:
    """Its token at the community's site."""
    body = {"kind": "card_uid", "number": number}
    made = town.here(Role.WORKER, "POST", f"/people/{row}/credentials", body)["id"]
    with reading(town.reader) as db:
        asked = select(credential_token.c.token).where(credential_token.c.credential_id == made)
        return bytes(db.execute(asked).scalar_one()).hex()


def _listed(town: Town) -> set[str]:
    return {entry.token for entry in town.estate.rights(GATE).entries}


def _of_touches() -> Select[Any]:
    return select(look_up_event).where(look_up_event.c.kind == Happened.HONEY_TOUCHED)


def _hear(town: Town) -> None:
    with writing(town.estate.engine) as db:
        values = {"site": SITE, "name": EAST, "first_heard_at": 1, "doors": "[]"}
        db.execute(insert(gateway).values(values))


def _swiped(town: Town, row: int) -> int:
    """The number of the refusal."""
    _hear(town)
    with reading(town.reader) as db:
        cards = select(credential_token.c.token).join(
            credential, credential.c.id == credential_token.c.credential_id
        )
        token = db.execute(cards.where(credential.c.person_id == row)).scalar_one()
        gateway_id = db.execute(select(gateway.c.id)).scalar_one()
    refusal = a_record(
        1,
        at=NOON_US - 1_000_000,
        gateway=EAST,
        kind=Kind.ACCESS_DENIED,
        door="east-front",
        holder=None,
        reason=Reason.UNKNOWN_CREDENTIAL,
        credential=Credential("card_uid", token.hex(), AssuranceLevel.L0, "0000"),
    )
    with writing(town.estate.engine) as db:
        insert_many(db, record, [row_of(gateway_id, refusal, bytes(32))])
        return int(db.execute(select(record.c.id)).scalar_one())
