"""Look-ups over HTTP: who may do what, and that no way to a person's entries passes the register by."""

import ast
import asyncio
import re
import threading
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from central_support import SITE
from central_web_support import SEALER, WELL, a_settings
from database_support import new_database
from fastapi import FastAPI, Request
from fastapi.routing import APIRoute, iter_route_contexts
from identity_support import COMMUNITY, DAY_US, NOON_US
from lookup_support import HOUR_US, NUMBER, OTHER, World
from sqlalchemy import event, select

from central.accounts.guard import RoleGuard
from central.accounts.who import Role, Who
from central.app import create_app
from central.errors import NotSignedIn
from central.lookup.words import Happened
from central.store.account_tables import account
from central.store.engine import reading
from central.store.lookup_tables import look_up_event

CENTRAL = Path(__file__).resolve().parent.parent / "central"
ASKED = {
    "question": "person",
    "community": COMMUNITY,
    "purpose": "missing_person",
    "basis": "peoples_police_law",
    "case_number": "A-2026-17",
    "from": "2026-11-04T00:00:00+08:00",
    "until": "2026-11-05T00:00:00+08:00",
    "number": NUMBER,
}
ACCOUNTS = {Role.OFFICER: 41, Role.APPROVER: 42, Role.SUPERVISOR: 44}
UNITS = {41: "一号警务室", 42: "二号警务室", 44: "督察"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    engine = new_database(tmp_path / "central.sqlite")
    made = World(engine, tmp_path)
    made.resident()
    made.enter(*(NOON_US - HOUR_US - n for n in range(30)))
    for number, unit in UNITS.items():
        made.put(
            account,
            id=number,
            login=f"a{number}",
            name="民警",
            role="officer",
            unit=unit,
            second_step=0,
            made_at=1,
        )
    yield made
    made.close()
    engine.dispose()


@lru_cache(1)
def application(world: World) -> FastAPI:
    """The real one; who asks says so in a header."""
    settings = a_settings()
    app = create_app(
        settings,
        world.reader,
        world.engine,
        sealer=SEALER,
        ingest_status=lambda: WELL,
        stopping=threading.Event(),
        vault=world.vault,
        now_us=lambda: world.now_us,
    )

    async def identify(request: Request) -> Who:
        if "role" not in request.headers:
            raise NotSignedIn("sign in first")
        role = Role(request.headers["role"])
        scope = int(request.headers.get("community", COMMUNITY))
        machine = "machine" in request.headers
        fresh = not machine and "stale" not in request.headers
        return Who(ACCOUNTS.get(role, 99), role, frozenset({scope}), machine=machine, fresh=fresh)

    app.state.identify = identify
    return app


def call(
    world: World, method: str, path: str, role: Role | None = Role.OFFICER, body: Any = None, **headers: str
) -> httpx.Response:
    async def called() -> httpx.Response:
        inside = httpx.ASGITransport(app=application(world))
        as_role = {} if role is None else {"role": role.value}
        async with httpx.AsyncClient(transport=inside, base_url="http://localhost/api/v1") as client:
            return await client.request(method, path, json=body, headers={**as_role, **headers})

    return asyncio.run(called())


def kinds(world: World) -> list[str]:
    with reading(world.reader) as connection:
        return list(connection.execute(select(look_up_event.c.kind).order_by(look_up_event.c.id)).scalars())


def test_from_question_to_review(world: World) -> None:
    answer = call(world, "POST", "/look-ups", body=ASKED).json()
    number = answer["look_up"]
    assert (len(answer["entries"]), answer["more"], answer["next_cursor"]) == (25, True, None)
    wanted = {"act": "whole", "why": "案情需要"}
    assert call(world, "POST", f"/look-ups/{number}/approval-requests", body=wanted).status_code == 204
    [waiting] = call(world, "GET", "/look-up-approvals", Role.APPROVER).json()
    assert (waiting["act"], waiting["look_up"]["case_number"]) == ("whole", "A-2026-17")
    agreed = {"agreed": True, "why": "同意查询"}
    assert (
        call(world, "POST", f"/look-ups/{number}/approvals/whole", Role.APPROVER, agreed).status_code == 204
    )
    first = call(world, "GET", f"/look-ups/{number}/pages").json()
    rest = call(world, "GET", f"/look-ups/{number}/pages?cursor={first['next_cursor']}").json()
    assert len(rest["entries"]) == 5
    asked = {"record": rest["entries"][0]["id"], "field": "name", "why": "确认身份"}
    assert call(world, "POST", f"/look-ups/{number}/reveals", body=asked).json() == {"value": "王居民"}
    since = "/look-up-reviews?since=2026-11-01T00:00:00Z"
    [due] = call(world, "GET", since, Role.SUPERVISOR).json()
    assert due["why"] == ["wide"]
    verdict = {"explained": True, "why": "案卷相符"}
    assert call(world, "POST", f"/look-ups/{number}/reviews", Role.SUPERVISOR, verdict).status_code == 204
    assert call(world, "GET", since, Role.SUPERVISOR).json() == []
    events = call(world, "GET", f"/look-up-events?look_up={number}", Role.SUPERVISOR).json()["events"]
    assert [event["kind"] for event in events] == kinds(world)[::-1]
    assert [mine["look_up"] for mine in call(world, "GET", "/look-ups").json()] == [number]


@pytest.mark.parametrize("field", ["purpose", "basis", "case_number", "from", "until", "number"])
def test_what_is_missing_is_refused_by_its_name_and_the_attempt_is_on_record(
    world: World, field: str
) -> None:
    answer = call(world, "POST", "/look-ups", body={k: v for k, v in ASKED.items() if k != field})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"{field}: ")
    assert kinds(world) == [Happened.NOT_ASKED]


IMPOSSIBLE = {
    "too short": "12345",
    "check character": f"{NUMBER[:-1]}{(int(NUMBER[-1]) + 1) % 10}",
    "birth date": "000000199002300017",
}


@pytest.mark.parametrize("number", IMPOSSIBLE.values(), ids=list(IMPOSSIBLE))
@pytest.mark.parametrize("of", [{}, {"question": "card", "card_kind": "id_card"}], ids=["person", "id card"])
def test_a_number_that_nobody_can_have_is_no_look_up(world: World, number: str, of: dict[str, str]) -> None:
    answer = call(world, "POST", "/look-ups", body={**ASKED, **of, "number": number})
    assert (answer.status_code, answer.json()["detail"].partition(":")[0]) == (422, "number")
    assert number not in answer.text
    assert call(world, "GET", "/look-ups").json() == []
    assert kinds(world) == [Happened.NOT_ASKED]


@pytest.mark.parametrize("kind", ["card_uid", "em_tag", "id_card_chip", "card_number", "pin"])
def test_a_card_s_number_that_no_reader_gives_is_no_look_up(world: World, kind: str) -> None:
    body = {**ASKED, "question": "card", "card_kind": kind, "number": "XYZ"}
    answer = call(world, "POST", "/look-ups", body=body)
    assert (answer.status_code, answer.json()["detail"].partition(":")[0]) == (422, "number")
    assert "XYZ" not in answer.text
    assert call(world, "GET", "/look-ups").json() == []
    assert kinds(world) == [Happened.NOT_ASKED]


def test_a_number_of_a_document_that_cannot_be_judged_is_looked_up(world: World) -> None:
    passport = {**ASKED, "number": "12345", "document": "passport"}
    assert call(world, "POST", "/look-ups", body=passport).status_code == 200
    refused = call(world, "POST", "/look-ups", body={**passport, "document": "none"})
    assert (refused.status_code, refused.json()["detail"].partition(":")[0]) == (422, "document")


def test_blanks_between_the_digits_are_nobody_s(world: World) -> None:
    spaced = f"{NUMBER[:6]} {NUMBER[6:14]} {NUMBER[14:]}"
    found = call(world, "POST", "/look-ups", body={**ASKED, "number": spaced}).json()
    assert len(found["entries"]) > 0


@pytest.mark.parametrize("purpose", ["marketing", "arrears", "attendance", "credit", "research"])
def test_there_is_no_word_for_what_nobody_may_look_up(world: World, purpose: str) -> None:
    assert call(world, "POST", "/look-ups", body={**ASKED, "purpose": purpose}).status_code == 422


def test_limits_and_foreign_scope_have_their_own_answers(world: World) -> None:
    foreign = call(world, "POST", "/look-ups", body=ASKED, community=str(OTHER))
    assert foreign.status_code == 404
    for _ in range(20):
        assert call(world, "POST", "/look-ups", body=ASKED).status_code == 200
    refused = call(world, "POST", "/look-ups", body=ASKED)
    assert (refused.status_code, refused.headers["retry-after"].isdigit()) == (429, True)


def test_a_machine_s_token_looks_nothing_up(world: World) -> None:
    assert call(world, "POST", "/look-ups", body=ASKED, machine="1").status_code == 403


def test_an_emergency_and_what_takes_out_need_a_second_factor_of_just_now(world: World) -> None:
    urgent = {**ASKED, "emergency": "有人正在危险之中"}
    assert call(world, "POST", "/look-ups", body=urgent, stale="1").status_code == 401
    assert kinds(world) == [Happened.NOT_ASKED]
    assert call(world, "POST", "/look-ups", body=urgent).status_code == 200
    for path, body in (("exports", {"format": "csv"}), ("holds", {"days": 9})):
        refused = call(world, "POST", f"/look-ups/1/{path}", body=body, stale="1")
        assert (refused.status_code, "second factor" in refused.json()["detail"]) == (401, True)
        assert call(world, "POST", f"/look-ups/1/{path}", body=body).status_code in (403, 409)


def test_the_quarter_s_report_is_of_what_is_over_and_of_one_s_own_community(world: World) -> None:
    call(world, "POST", "/look-ups", body=ASKED)
    path = f"/transparency-reports/{COMMUNITY}/2026/4"
    assert call(world, "GET", path).status_code == 422
    world.now_us += 100 * DAY_US
    report = call(world, "GET", path, Role.RESIDENT).json()
    assert (report["look_ups"], report["by_purpose"]["missing_person"]) == (None, None)
    assert (report["by_purpose"]["rescue"], report["from"]) == (0, "2026-09-30T16:00:00.000000Z")
    assert call(world, "GET", path, community=str(OTHER)).status_code == 404


def test_without_signing_in_there_is_nothing(world: World) -> None:
    assert call(world, "POST", "/look-ups", None, ASKED).status_code == 401


# --- no way past the register ---------------------------------------------------------------------------


def routes(world: World) -> list[APIRoute]:
    found = [context.original_route for context in iter_route_contexts(application(world).routes)]
    return [route for route in found if isinstance(route, APIRoute)]


def guards(route: APIRoute) -> list[frozenset[Role]]:
    return [each.call.roles for each in route.dependant.dependencies if isinstance(each.call, RoleGuard)]


def test_each_endpoint_of_look_ups_is_for_one_role_and_the_administrator_is_none(world: World) -> None:
    mine = [r for r in routes(world) if "/look-ups" in r.path or "/look-up-" in r.path]
    found = {f"{min(r.methods or [])} {r.path}": guards(r) for r in mine}
    assert len(found) == 14
    for name, roles in found.items():
        assert len(roles) == 1, name
        assert roles[0] in ({Role.OFFICER}, {Role.APPROVER}, {Role.SUPERVISOR}), name
    changing = {name for name, roles in found.items() if roles == [{Role.SUPERVISOR}] and "GET" not in name}
    assert changing == {"POST /look-ups/{number}/reviews"}


PERSONAL = re.compile(r"token|holder|hint|identit|person|owner|^name$|^value$|id_number|phone")


ELSEWHERE = (
    *("accounts", "me", "sign-in", "sign-out", "alarm", "webhooks", "communities", "passes"),
    "own/cards",
)
"""Paths of the API, by their beginning, that speak of accounts, of the register, of alarms and of passes: who
somebody is stands there, masked, and of entries there is nothing."""


def test_only_a_revealed_field_of_a_look_up_says_who_it_was(world: World) -> None:
    """Every field of every answer in the API's description."""
    document = application(world).openapi()
    schemas = document["components"]["schemas"]
    answers = {
        path: schemas_of([each["responses"] for each in operations.values()], schemas)
        for path, operations in document["paths"].items()
        if not path.removeprefix("/api/v1/").startswith(ELSEWHERE)
    }
    holders = {
        name
        for names in answers.values()
        for name in names
        for field in schemas[name].get("properties", {})
        if PERSONAL.search(field)
    }
    assert holders == {"RevealOut"}
    using = [path for path, names in answers.items() if "RevealOut" in names]
    assert using == ["/api/v1/look-ups/{number}/reveals"]
    assert any("RevealOut" in str(operations) for operations in document["paths"].values())


def schemas_of(said: object, schemas: dict[str, Any]) -> set[str]:
    """The names of all schemas that an answer is made of."""
    if isinstance(said, list):
        return set().union(*(schemas_of(each, schemas) for each in said))
    if not isinstance(said, dict):
        return set()
    found = set().union(*(schemas_of(each, schemas) for each in said.values()))
    if "$ref" in said:
        name = str(said["$ref"]).rpartition("/")[2]
        found |= {name} | schemas_of(schemas[name], schemas)
    return found


BY_PERSON = {
    "lookup/paging.py",
    "lookup/questions.py",
    "store/chains.py",
    "ingest/intake.py",
    "visitors/visits.py",
    "visitors/receipts.py",
    "tours/reads.py",
}
"""Those that may name whose a record is."""

READ_RECORDS = {
    "ingest/intake.py": "what is there of a record that came again",
    "ingest/branches.py": "hashes of another history",
    "fleet/completeness.py": "the time of the last one",
    "store/chains.py": "walks hashes; gives places alone",
    "alarms/book.py": "what raised an alarm, by place",
    "alarms/back_test.py": "counts what would have raised one",
    "alarms/watch.py": "the newest ones, for alarms",
    "lookup/entries.py": "without a person: by door and window, and the live feed",
    "lookup/holding.py": "numbers alone: whether they are there still",
    "lookup/paging.py": "behind the register",
    "lookup/questions.py": "conditions alone",
    "visitors/visits.py": "whether a pass came and went; gives a word alone, no time and no place",
    "retention/entries.py": "deletes what is over; places and hashes alone",
    "retention/marks.py": "what gateways' clocks said; times alone",
    "retention/overview.py": "how many there are, and since when; counts and times alone",
    "reports/tally.py": "counts who is let in, by door and hour",
    "fleet/coverage.py": "starts, stops, lost readers, lost records; of the others the time of one alone",
    "fleet/door_states.py": "what the contact of a door said last, and whether it is free or locked down",
    "fleet/command_effects.py": "what a command led to at its door; the kind of one record alone",
    "lookup/decided.py": "a column alone: why a door had been released through which nobody went",
    "visitors/receipts.py": "doors and days of one visit, for whoever holds its receipt; on the register",
    "tours/reads.py": "when a point was read by any guard of a plan; what is shown of it is a word",
}
"""All modules that read records, and why no way to a person's entries begins there."""

BEHIND = {
    "page": {"service.py", "own.py"},
    "held_by": {"own.py"},
    "of_persons": {"own.py"},
    "one": {"revealing.py", "exporting.py"},
    "subject_of": {"service.py"},
    "find": {"service.py", "exporting.py"},
    "gathered": {"exporting.py", "holding.py"},
    "opened": {"revealing.py", "exporting.py"},
    "opened_visitor": {"revealing.py", "holding.py"},
}
"""Functions that give entries with whose they are, and the only modules that call them: each writes its row
before it shows anything; `own.py` reads what is of the account's own person alone."""


def test_every_module_that_reads_records_is_known_and_shows_no_person_or_stands_behind_the_register() -> None:
    found = {
        str(path.relative_to(CENTRAL))
        for path in CENTRAL.rglob("*.py")
        if "migrations" not in path.parts
        and re.search(r"\brecord\.c\b|\bselect\(\s*record\b|\brecord\.join", path.read_text())
    }
    assert found == READ_RECORDS.keys()
    for name in found - BY_PERSON:
        text = (CENTRAL / name).read_text()
        assert not re.search(r"\b(record\.c|columns)\.(holder|token|hint|identity|credential)\b", text), name


def test_what_gives_entries_with_a_person_is_called_by_the_look_up_alone() -> None:
    for path in (CENTRAL / "lookup").glob("*.py"):
        tree = ast.parse(path.read_text())
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        called = {each.id for each in calls if isinstance(each, ast.Name)}
        called |= {each.attr for each in calls if isinstance(each, ast.Attribute)} & {"find"}
        for name, allowed in BEHIND.items():
            assert name not in called or path.name in allowed, f"{path.name} calls {name}"
    outside = [
        p for p in CENTRAL.rglob("*.py") if p.parent.name != "lookup" and "lookup.paging" in p.read_text()
    ]
    assert outside == []


def test_the_page_and_the_reveal_commit_their_row_before_they_return(world: World) -> None:
    """In the order in which the database itself sees it."""
    order: list[str] = []
    begin = len(kinds(world))

    def committed(_: object) -> None:
        order.extend(kinds(world)[begin + sum(each != "reads" for each in order) :])

    def executed(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM record" in statement and order[-1:] != ["reads"]:
            order.append("reads")

    event.listen(world.engine, "checkin", lambda *_: committed(None))
    event.listen(world.reader, "before_cursor_execute", executed)
    answer = call(world, "POST", "/look-ups", body=ASKED).json()
    body = {"record": answer["entries"][0]["id"], "field": "name", "why": "确认身份"}
    call(world, "POST", f"/look-ups/{answer['look_up']}/reveals", body=body)
    assert order == ["asked", "reads", "answered", "reads", "revealed"]


def test_a_door_s_entries_hold_nothing_personal_although_they_need_no_look_up(world: World) -> None:
    day = "from=2026-11-04T00:00:00Z&until=2026-11-05T00:00:00Z"
    answer = call(world, "GET", f"/entries?site={SITE}&gateway=east&door=door-1&{day}")
    assert len(answer.json()["entries"]) == 30
    for secret in ("H-1", NUMBER, "王居民"):
        assert secret not in answer.text
