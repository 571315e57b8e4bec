"""The register over HTTP: a worker's day, what is never shown, and who is not let in."""

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from central_web_support import SEALER, WELL, a_settings, somebody
from fastapi import FastAPI, Request
from register_support import DAY_US, EAST, SITE, Estate, a_number, copied_estate

from central.accounts.who import Role, Who
from central.app import create_app

CARD = "04A1B2C3"
PHONE = "13800000000"


class Desk:
    """Whoever sits there, through the application itself; `days` after the community began."""

    def __init__(self, estate: Estate, *, with_keys: bool = True) -> None:
        self.estate = estate
        self.days: float = 0
        self.who: Who = somebody(Role.WORKER, estate.community)
        self.seen: list[str] = []
        self.app: FastAPI = create_app(
            a_settings(),
            estate.engine,
            estate.engine,
            sealer=SEALER,
            ingest_status=lambda: WELL,
            stopping=threading.Event(),
            vault=estate.vault if with_keys else None,
            now_us=lambda: estate.at(self.days),
        )

        async def identify(_request: Request) -> Who:
            return self.who

        self.app.state.identify = identify

    def __call__(self, method: str, path: str, body: object = None, **query: object) -> httpx.Response:
        async def asked() -> httpx.Response:
            inside = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=inside, base_url="http://localhost") as client:
                params = {name: str(value) for name, value in query.items()}
                return await client.request(method, f"/api/v1{path}", json=body, params=params)

        answer = asyncio.run(asked())
        self.seen.append(answer.text)
        return answer

    def here(self, method: str, path: str, body: object = None, /, expect: int = 0, **query: object) -> Any:
        """Within the community; its answer."""
        answer = self(method, f"/communities/{self.estate.community}{path}", body, **query)
        if expect:
            assert answer.status_code == expect, answer.text
            return answer.json()["detail"]
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with copied_estate(tmp_path) as estate:
        yield Desk(estate)


def registered(desk: Desk, name: str = "王小明", serial: int = 1, **more: object) -> int:
    about = {"name": name, "number": a_number(serial), **more}
    return int(desk.here("POST", "/people", about)["id"])


def lives(desk: Desk, person: int, room: str, relation: str = "owner", **more: object) -> int:
    into = {"person": person, "room": desk.estate.places[room], "relation": relation, **more}
    return int(desk.here("POST", "/moves", {"reason": "入住", "into": [into]})[0]["id"])


def test_a_workers_day(desk: Desk) -> None:
    """Somebody rents a room, gets a card, loses it, and leaves."""
    (community,) = desk("GET", "/communities").json()
    assert (community["name"], community["sites"]) == ("东湖社区", [SITE])
    (room,) = desk.here("GET", "/places/search", text="dhxq 101")
    assert room["path"] == "东湖小区 1 号楼 1 单元 101"
    desk.here("PUT", f"/places/{room['id']}/use", {"use": "let"})
    person = registered(desk, phone=PHONE)
    lease = {"room": room["id"], "from": "2026-11-01", "until": "2027-11-01", "grace_days": 14}
    number = desk.here("POST", "/leases", lease)["id"]
    home = lives(desk, person, "101", "tenant", lease=number)
    desk.here("POST", f"/people/{person}/credentials", {"kind": "card_uid", "number": CARD})
    (card,) = desk.here("GET", f"/people/{person}/credentials")
    assert (card["hint"], card["state"], card["sites"]) == ("B2C3", "issued", [SITE])
    assert desk.estate.doors(EAST, CARD) == ("east-front", "east-unit-1")
    lost = desk.here("POST", f"/credentials/{card['id']}/acts", {"act": "report_lost", "reason": "遗失"})
    assert lost == {"state": "lost"}
    assert "allows: lift_loss, return" in desk.here(
        "POST", f"/credentials/{card['id']}/acts", {"act": "extend"}, expect=409
    )
    (found,) = desk.here("POST", "/people/search", {"number": a_number(1)})
    assert (found["name"], found["number"]) == ("王**", f"****{a_number(1)[-4:]}")
    (resident,) = desk.here("GET", f"/places/{desk.estate.places['estate']}/residents")
    assert (resident["person"]["id"], resident["residency"]["path"]) == (person, room["path"])
    desk.days = 30
    desk.here("POST", "/moves", {"reason": "退租", "out": [home], "on": "2026-12-04"})
    desk.here("POST", f"/people/{person}/deregister", {"reason": "人走注销"})
    assert desk.here("GET", f"/people/{person}")["state"] == "deregistered"
    told = [each["act"] for each in desk.here("GET", "/register-events")]
    assert told[:3] == ["person_deregistered", "moved_out", "credential_changed"]


def test_who_lived_there_on_that_day(desk: Desk) -> None:
    first, second = registered(desk), registered(desk, "李小红", 2)
    home = lives(desk, first, "101")
    desk.days = 10
    into = [{"person": second, "room": desk.estate.places["101"], "relation": "owner"}]
    desk.here("POST", "/moves", {"reason": "换户", "out": [home], "into": into, "on": "2026-11-12"})
    room = f"/places/{desk.estate.places['101']}/residents"
    lived = {
        day: [each["person"]["id"] for each in desk.here("GET", room, on=f"2026-11-{day}")]
        for day in ("03", "04", "11", "12")
    }
    assert lived == {"03": [], "04": [first], "11": [first], "12": [second]}


def test_a_correction_is_a_row_of_its_own_with_its_reason(desk: Desk) -> None:
    person = registered(desk)
    wrong = lives(desk, person, "101")
    instead = {"person": person, "room": desk.estate.places["102"], "relation": "family"}
    correction = {"reason": "房号写错", "instead": instead, "since": "2026-10-01"}
    made = desk.here("POST", f"/residencies/{wrong}/corrections", correction)["id"]
    homes = desk.here("GET", f"/people/{person}")["homes"]
    assert [(each["id"], each["corrects"], each["voided"]) for each in homes] == [
        (made, wrong, False),
        (wrong, None, True),
    ]
    desk.here("POST", f"/people/{person}/corrections", {"reason": "写错", "number": a_number(5)})
    assert desk.here("POST", "/people/search", {"number": a_number(1)}) == []
    assert "merge" in desk.here(
        "POST",
        f"/people/{registered(desk, '王小明', 6)}/corrections",
        {"reason": "x", "number": a_number(5)},
        expect=409,
    )


def test_leases_that_need_an_answer_are_a_list(desk: Desk) -> None:
    room = desk.estate.places["101"]
    desk.here("POST", "/leases", {"room": room, "from": "2026-01-01", "until": "2026-11-20"})
    desk.here("POST", "/leases", {"room": room, "from": "2026-01-01"})
    (soon,) = desk.here("GET", "/leases", state="in_notice")
    assert (soon["path"], soon["doors_until"]) == (
        "东湖小区 1 号楼 1 单元 101",
        "2026-11-26T16:00:00.000000Z",
    )
    desk.here("POST", f"/leases/{soon['id']}/extend", {"until": "2027-11-20"})
    assert desk.here("GET", "/leases", state="in_notice") == []
    desk.here("POST", f"/leases/{soon['id']}/end", {"reason": "提前退租"})
    (grace,) = desk.here("GET", "/leases", state="in_grace")
    assert grace["ended_early"] is not None
    assert len(desk.here("GET", "/leases", room=room)) == 2


def test_places_are_made_renamed_and_ended(desk: Desk) -> None:
    estate = desk.estate.places["estate"]
    made = desk.here("POST", "/places", {"parent": estate, "kind": "building", "name": "10 号楼"})["id"]
    desk.days = 1
    desk.here("PATCH", f"/places/{made}", {"name": "十号楼", "code": "0101", "reason": "更名"})
    listed = [each["name"] for each in desk.here("GET", "/places", parent=estate)]
    assert listed == ["1 号楼", "2 号楼", "十号楼"]
    door = {"site": SITE, "gateway": "ten", "door": "front", "place": made}
    kept = desk.here("POST", "/doors", door)["id"]
    shown = desk.here("GET", f"/places/{made}")
    assert [each["name"] for each in shown["formers"]] == ["10 号楼"]
    assert [each["door"] for each in shown["doors"]] == ["front"]
    assert "a door leads into it" in desk.here("POST", f"/places/{made}/end", {"reason": "拆"}, expect=409)
    desk.here("POST", f"/doors/{kept}/end", {"reason": "拆"})
    desk.here("POST", f"/places/{made}/end", {"reason": "拆"})
    assert len(desk.here("GET", "/places", parent=estate, limit=1, after=desk.estate.places["east"])) == 1
    assert len(desk.here("GET", "/doors")) == 5


def test_groups_of_doors_and_who_may_pass_them(desk: Desk) -> None:
    worker = registered(desk, category="worker")
    desk.here("POST", f"/people/{worker}/credentials", {"kind": "card_uid", "number": CARD})
    group = desk.here("POST", "/groups", {"name": "保洁"})["id"]
    door = {"site": SITE, "gateway": EAST, "door": "east-roof"}
    desk.here("PUT", f"/groups/{group}/doors", {"doors": [door]})
    right = {"person": worker, "schedule": "work-hours", "from": "2026-11-01", "until": "2027-01-01"}
    made = desk.here("POST", f"/groups/{group}/rights", right)["id"]
    (shown,) = desk.here("GET", "/groups")
    assert (shown["doors"], shown["rights"][0]["schedule"]) == ([door], "work-hours")
    assert desk.estate.doors(EAST, CARD) == ("east-roof",)
    assert "a right is of" in desk.here("POST", f"/groups/{group}/rights", {}, expect=422)
    desk.here("POST", f"/rights/{made}/end", {"reason": "离职"})
    desk.here("POST", f"/groups/{group}/end", {"reason": "解散"})
    assert desk.here("GET", "/groups") == []


def test_two_rows_of_one_human_are_merged(desk: Desk) -> None:
    kept, gone = registered(desk), desk.here("POST", "/people", {"name": "王小明", "document": "none"})["id"]
    desk.here("POST", f"/people/{kept}/merge", {"gone": gone, "reason": "同一人"})
    assert desk.here("GET", f"/people/{gone}")["merged_into"] == kept
    assert [each["id"] for each in desk.here("POST", "/people/search", {"name": "王小明"})] == [kept]


def test_a_months_report_counts_and_tells_less_outside(desk: Desk) -> None:
    for serial in range(1, 14):
        lives(desk, registered(desk, "王小明", serial), "101")
    lives(desk, registered(desk, "李小红", 14), "201", "tenant")
    desk.days = 1
    (east, west) = desk.here("GET", "/report", month="2026-11")
    assert (east["path"], east["category"], east["stock"], east["came"], east["left"]) == (
        "东湖小区 1 号楼",
        "resident",
        13,
        13,
        0,
    )
    assert (west["category"], west["stock"]) == ("tenant", 1)
    outside = desk.here("GET", "/report", month="2026-11", leaving=True)
    assert [(each["stock"], each["came"], each["left"]) for each in outside] == [
        ("15", "15", "0"),
        ("<10", "<10", "0"),
    ]
    assert desk.here("GET", "/report", month="2026-10") == [], "before there was any building"


def test_a_building_in_which_nobody_lives_stands_with_zeros(desk: Desk) -> None:
    lives(desk, registered(desk, "李小红", 14), "201", "tenant")
    for leaving, one in ((False, 1), (True, "<10")):
        east, west = desk.here("GET", "/report", month="2026-11", leaving=leaving)
        none = type(one)(0)
        assert east["path"] == "东湖小区 1 号楼"
        assert [east[each] for each in ("stock", "came", "left")] == [none] * 3
        assert (west["category"], west["stock"]) == ("tenant", one)


def test_what_one_did_a_moment_ago_is_undone_whole_by_oneself_alone(desk: Desk) -> None:
    person = registered(desk)
    desk.days = 0.005
    lives(desk, person, "101")
    (deed,) = desk.here("GET", "/undo")
    assert deed["acts"] == ["moved_in"], "the registration has been built on since"
    assert deed["at"] < deed["until"]
    me, here = desk.who, desk.estate.community
    desk.who = somebody(Role.WORKER, here, account=8)
    assert desk.here("GET", "/undo") == []
    assert "too long ago" in desk.here("POST", f"/undo/{deed['id']}", expect=409)
    for stranger in (somebody(Role.WORKER, here + 1), somebody(Role.OFFICER, here)):
        desk.who = stranger
        path = f"/communities/{here}/undo"
        answers = [desk("GET", path), desk("POST", f"{path}/{deed['id']}")]
        assert {each.status_code for each in answers} <= {403, 404}
    desk.who = me
    desk.here("POST", f"/undo/{deed['id']}")
    (home,) = desk.here("GET", f"/people/{person}")["homes"]
    assert home["voided"]
    desk.here("POST", f"/undo/{deed['id']}", expect=409)
    (registration,) = desk.here("GET", "/undo")
    assert registration["acts"] == ["person_registered"]
    desk.days = 0.5
    assert desk.here("GET", "/undo") == []
    desk.here("POST", f"/undo/{registration['id']}", expect=409)


def test_one_id_card_is_issued_once_however_its_number_is_typed(desk: Desk) -> None:
    number = a_number(1)
    first = registered(desk)
    other = desk.here("POST", "/people", {"name": "另一人", "document": "none"})["id"]
    hyphens = f"{number[:6]}-{number[6:14]}-{number[14:]}"
    desk.here("POST", f"/people/{first}/credentials", {"kind": "id_card", "number": hyphens})
    for again in (number, hyphens, f"{number[:6]} {number[6:]}"):
        said = desk.here(
            "POST", f"/people/{other}/credentials", {"kind": "id_card", "number": again}, expect=409
        )
        assert "issued already" in said
        (found,) = desk.here("POST", "/people/search", {"card": again})
        assert found["id"] == first


def test_nobodys_name_or_number_is_ever_answered_or_stands_in_an_address(desk: Desk) -> None:
    person = registered(desk, phone=PHONE)
    lives(desk, person, "101")
    desk.here("POST", f"/people/{person}/credentials", {"kind": "id_card", "number": a_number(1)})
    desk.here("POST", "/people/search", {"name": "王小明"})
    desk.here("POST", "/people/search", {"card": a_number(1)})
    desk.here("GET", f"/places/{desk.estate.places['101']}/residents")
    desk.here("GET", f"/people/{person}")
    desk.here("POST", "/people", {"name": "另一人", "number": a_number(1)}, expect=409)
    desk.here("POST", "/people", {"name": "另一人", "number": a_number(1)[:-1]}, expect=422)
    desk.here("POST", "/people", {"name": "王小明", "phone": PHONE, "what": PHONE}, expect=422)
    desk.here("GET", "/register-events")
    for secret in ("王小明", "另一人", a_number(1), a_number(1)[:-1], PHONE):
        assert not any(secret in text for text in desk.seen)
    described = desk("GET", "/openapi.json").json()["paths"]
    ours = [json.dumps(said) for path, said in described.items() if path.startswith("/api/v1/communities")]
    asked = {name for said in ours for name in re.findall(r'"name": "(\w+)", "in": "(?:query|path)"', said)}
    assert {"community", "person", "text"} <= asked
    assert asked.isdisjoint({"name", "number", "phone", "card"})


def test_another_community_is_as_if_it_were_not_there(desk: Desk) -> None:
    person = registered(desk)
    desk.who = somebody(Role.WORKER, desk.estate.community + 1)
    assert desk("GET", "/communities").json() == []
    asked = [desk.here("GET", path, expect=404) for path in (f"/people/{person}", "/groups", "/doors")]
    asked.append(desk.here("POST", "/people", {"name": "x", "document": "none"}, expect=404))
    assert set(asked) == {"no such community"}


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.WORKER}))
def test_the_register_is_kept_by_workers_alone(desk: Desk, role: Role) -> None:
    desk.who = somebody(role, desk.estate.community)
    assert desk("GET", "/communities").status_code == 403
    desk.here("POST", "/people/search", {"name": "王小明"}, expect=403)


def test_without_a_key_ring_places_are_kept_and_nobody_is_registered(tmp_path: Path) -> None:
    with copied_estate(tmp_path) as estate:
        desk = Desk(estate, with_keys=False)
        assert "no key ring" in desk.here("POST", "/people", {"name": "王", "document": "none"}, expect=409)
        assert desk.here("GET", f"/places/{estate.places['101']}/residents") == []


def test_each_change_says_who_made_it(desk: Desk) -> None:
    desk.who = Who(41, Role.WORKER, frozenset({desk.estate.community}))
    desk.here("POST", "/groups", {"name": "保洁"})
    desk.who = Who(-41, Role.WORKER, frozenset({desk.estate.community}), machine=True)
    desk.here("POST", "/groups", {"name": "保安"})
    two = desk.here("GET", "/register-events", limit=2)
    assert [each["account"] for each in two] == [-41, None], "a machine's token, and another person"
    desk.who = Who(41, Role.WORKER, frozenset({desk.estate.community}))
    assert [each["account"] for each in desk.here("GET", "/register-events", limit=2)] == [-41, 41]
    assert len(desk.here("GET", "/register-events", before=two[-1]["id"], limit=1)) == 1


def test_a_day_is_the_communitys_own(desk: Desk) -> None:
    desk.days = (desk.estate.now_us % DAY_US) / DAY_US
    into = [{"person": registered(desk), "room": desk.estate.places["101"], "relation": "owner"}]
    desk.here("POST", "/moves", {"reason": "入住", "into": into, "on": "2026-11-05"})
    ((home,),) = [desk.here("GET", f"/people/{into[0]['person']}")["homes"]]
    assert home["from"] == "2026-11-04T16:00:00.000000Z"
