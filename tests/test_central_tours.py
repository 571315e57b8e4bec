"""Guard tours over a real database: what readers record becomes the state of rounds, and names nobody."""

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from central_web_support import SEALER, WELL, Chain, a_settings, online, somebody
from database_support import alter, forbid
from fastapi import Request
from register_support import EAST, GATE, SITE, Estate, an_estate, copied_estate
from sqlalchemy import Engine, delete, select

from central.accounts.who import Role, Who
from central.alarms import book
from central.alarms.back_test import Tried, try_on_the_past
from central.alarms.kinds import OF_TOURS, AlarmKind, Urgency
from central.alarms.rules import EVERYWHERE, Rule
from central.alarms.watch import Watch
from central.app import create_app
from central.errors import RowRefused
from central.ingest.intake import examine, take_in
from central.store.alarm_tables import alarm_rule
from central.store.engine import writing
from central.store.register_tables import holder, register_event
from messages.model import AssuranceLevel, Credential, Kind, Reason
from messages.topics import GatewayTopic, Leaf
from messages.wire import encode

MINUTE_US = 60_000_000
SHANGHAI = ZoneInfo("Asia/Shanghai")
TAG = "04C0FFEE"
DAY = date(2026, 11, 4)
OPENS_US = 1_793_800_800_000_000
"""2026-11-04 22:00 in Shanghai: ten hours after the community began."""


class House:
    """A community with guards, its gateways, and whoever asks."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self.now_us = estate.now_us
        self.who: Who = somebody(Role.WORKER, estate.community)
        self.chains = {name: Chain(name) for name in (EAST, GATE)}
        self.sent = dict.fromkeys(self.chains, 0)
        self.app = create_app(
            a_settings(),
            estate.engine,
            estate.engine,
            sealer=SEALER,
            ingest_status=lambda: WELL,
            stopping=threading.Event(),
            vault=estate.vault,
            now_us=lambda: self.now_us,
        )

        async def identify(_request: Request) -> Who:
            return self.who

        self.app.state.identify = identify

    def ask(self, method: str, path: str, body: object = None, expect: int = 200, **query: object) -> Any:
        async def asked() -> httpx.Response:
            inside = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=inside, base_url="http://localhost") as client:
                params = {name: str(value) for name, value in query.items()}
                here = f"/api/v1/communities/{self.estate.community}{path}"
                return await client.request(method, here, json=body, params=params)

        answer = asyncio.run(asked())
        assert answer.status_code == expect, answer.text
        return answer.json() if answer.content else None

    def made(self, path: str, body: object) -> int:
        return int(self.ask("POST", path, body, expect=201)["id"])

    def guard(self, name: str = "张保安") -> tuple[int, str]:
        """A person of the register, and what records call them."""
        person = self.estate.person(name)
        self.estate.card(person, f"04AA{person:04X}")
        with self.estate.reading() as connection:
            mine = select(holder.c.reference).where(holder.c.person_id == person)
            return person, connection.execute(mine).scalar_one()

    def happens(self, gateway: str, door: str, minutes: float, **changes: object) -> None:
        where = {"door": door, "reader": f"{door}-in", "at": OPENS_US + int(minutes * MINUTE_US)}
        self.chains[gateway].grow(1, **{**where, **changes})

    def reads_tag(self, minutes: float) -> None:
        token = self.estate.vault.token(SITE, "card_uid", TAG).hex()
        self.happens(
            EAST,
            "east-roof",
            minutes,
            kind=Kind.ACCESS_DENIED,
            reason=Reason.UNKNOWN_CREDENTIAL,
            holder=None,
            category=None,
            credential=Credential("card_uid", token, AssuranceLevel.L0),
        )

    def delivers(self, gateway: str, minutes: float) -> None:
        """All that it has, and its word that there was nothing else until then."""
        chain = self.chains[gateway]
        if not chain.bodies:
            self.happens(gateway, "nobody-s", -600, kind=Kind.REX, holder=None, credential=None, reason=None)
        state = online(chain.head(), at_us=OPENS_US + int(minutes * MINUTE_US))
        said = [chain.block(self.sent[gateway] + 1)] if len(chain.bodies) > self.sent[gateway] else []
        self.sent[gateway] = len(chain.bodies)
        batch = [
            examine(str(GatewayTopic(SITE, gateway, leaf)), payload)
            for leaf, payload in [*said, (Leaf.STATE, encode(state))]
        ]
        with writing(self.estate.engine) as connection:
            take_in(connection, batch, self.now_us)

    def later(self, minutes: float) -> None:
        self.now_us = OPENS_US + int(minutes * MINUTE_US)

    def a_plan(self) -> tuple[int, str]:
        """Gate, then the east building's front door, then a tag on its roof; at 22:00, within 30 minutes.
        The plan, and what records call its guard."""
        points = [
            self.made("/tour-points", {"name": name, "site": SITE, "gateway": gateway, "door": door, **more})
            for name, gateway, door, more in (
                ("大门", GATE, "gate-in", {}),
                ("东楼", EAST, "east-front", {}),
                ("屋顶", EAST, "east-roof", {"tag": {"kind": "card_uid", "number": TAG}}),
            )
        ]
        stops = [{"point": point} for point in points]
        route = {"name": "夜巡", "ordered": True, "within_s": 1_800, "grace_s": 600, "least_s": 30}
        number = self.made("/tour-routes", {**route, "stops": stops})
        plan = {"name": "夜班", "route": number, "days": [3], "starts": ["22:00"], "window_s": 600}
        made = self.made("/tour-plans", plan)
        person, reference = self.guard()
        self.made(f"/tour-plans/{made}/guards", {"person": person})
        return made, reference

    def round(self) -> tuple[str, list[str]]:
        [found] = self.ask("GET", "/tour-rounds", first=DAY, last=DAY)
        return found["state"], [stop["state"] for stop in found["stops"]]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with copied_estate(tmp_path) as estate:
        yield House(estate)


def test_a_round_is_told_by_the_readers_and_only_guards_of_the_plan_count(house: House) -> None:
    _, guard = house.a_plan()
    _, other = house.guard("李保安")
    house.happens(GATE, "gate-in", 1, holder=other)
    house.happens(GATE, "gate-in", 2, holder=guard, kind=Kind.ACCESS_DENIED, reason=Reason.NO_RIGHT)
    house.happens(EAST, "east-front", 4, holder=guard, kind=Kind.ACCESS_DENIED, reason=Reason.LOST)
    house.reads_tag(9)
    house.later(20)
    for gateway in (GATE, EAST):
        house.delivers(gateway, 20)
    assert house.round() == ("running", ["done", "due", "done"])
    house.later(60)
    for gateway in (GATE, EAST):
        house.delivers(gateway, 60)
    assert house.round() == ("incomplete", ["done", "missed", "done"])


def test_what_a_gateway_has_not_delivered_is_not_known_until_it_comes(house: House) -> None:
    _, guard = house.a_plan()
    house.happens(GATE, "gate-in", 2, holder=guard)
    house.delivers(GATE, 300)
    house.delivers(EAST, -5)
    house.later(300)
    assert house.round() == ("not_known", ["done", "not_known", "not_known"])
    house.happens(EAST, "east-front", 4, holder=guard)
    house.reads_tag(9)
    house.delivers(EAST, 300)
    assert house.round() == ("done", ["done", "done", "done"])


def test_of_a_round_whose_records_were_deleted_nothing_is_called_missed(house: House) -> None:
    _, guard = house.a_plan()
    house.happens(GATE, "gate-in", 2, holder=guard)
    house.later(300)
    for gateway in (GATE, EAST):
        house.delivers(gateway, 300)
    assert house.round() == ("incomplete", ["done", "missed", "missed"])
    mark = "INSERT INTO record_mark (noted_at, day, last_id, begun_at) VALUES (:at, '2026-11-04', 1, :at)"
    alter(house.estate.engine, mark, at=OPENS_US - 1)
    assert house.round() == ("incomplete", ["done", "missed", "missed"])
    alter(house.estate.engine, mark, at=OPENS_US + 60 * MINUTE_US)
    assert house.round() == ("not_known", ["done", "not_known", "not_known"])


def test_a_month_in_numbers_is_of_plans_and_points_and_names_nobody(house: House) -> None:
    plan, guard = house.a_plan()
    house.happens(GATE, "gate-in", 2, holder=guard)
    house.later(60 * 24 * 8)
    for gateway in (GATE, EAST):
        house.delivers(gateway, 60 * 24 * 8)
    house.who = somebody(Role.OPERATOR, house.estate.community)
    month = house.ask("GET", "/tour-report", month=DAY)
    assert month["plans"] == [
        {"plan": plan, "name": "夜班", "rounds": {"incomplete": 1, "missed": 1, "planned": 2}}
    ]
    assert month["points"][0]["stops"] == {"done": 1, "missed": 1}
    rounds = house.ask("GET", "/tour-rounds", first=DAY, last=DAY)
    for told in (json.dumps(month), json.dumps(rounds)):
        assert guard not in told
        assert "22:02" not in told
        assert "person" not in told


def test_holidays_and_an_ended_plan_have_no_rounds(house: House) -> None:
    plan, _ = house.a_plan()
    assert len(house.ask("GET", "/tour-rounds", first=DAY, last=date(2026, 11, 30))) == 4
    house.ask("POST", f"/tour-plans/{plan}/end", expect=204)
    assert house.ask("GET", "/tour-rounds", first=DAY, last=date(2026, 11, 30)) == []
    house.ask("PUT", f"/tour-holidays/{DAY}", {"name": "演练日"}, expect=204)
    assert house.ask("GET", "/tour-holidays") == [{"day": DAY.isoformat(), "name": "演练日"}]
    house.ask("DELETE", f"/tour-holidays/{DAY}", expect=204)
    house.ask("DELETE", f"/tour-holidays/{DAY}", expect=404)


def test_what_is_in_use_does_not_end_and_each_act_is_on_record(house: House) -> None:
    plan, _ = house.a_plan()
    [point, *_] = house.ask("GET", "/tour-points")
    [route] = house.ask("GET", "/tour-routes")
    house.ask("POST", f"/tour-points/{point['id']}/end", expect=409)
    house.ask("POST", f"/tour-routes/{route['id']}/end", expect=409)
    [guard] = house.ask("GET", f"/tour-plans/{plan}/guards")
    house.ask("POST", f"/tour-guards/{guard['id']}/end", expect=204)
    house.ask("POST", f"/tour-plans/{plan}/end", expect=204)
    house.ask("POST", f"/tour-routes/{route['id']}/end", expect=204)
    house.ask("POST", f"/tour-points/{point['id']}/end", expect=204)
    with house.estate.reading() as connection:
        acts = list(connection.execute(select(register_event.c.act, register_event.c.body)))
    assert [act for act, _ in acts if act.startswith("tour_")][-4:] == [
        "tour_guard_ended",
        "tour_plan_ended",
        "tour_route_ended",
        "tour_point_ended",
    ]
    assert TAG not in json.dumps([body for _, body in acts])


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        pytest.param(
            "/tour-points",
            {"name": "别处", "site": "hillside", "gateway": "g", "door": "d"},
            "no such site",
            id="foreign site",
        ),
        pytest.param(
            "/tour-plans",
            {"name": "密", "route": 1, "days": [3], "starts": ["22:00", "22:30"], "window_s": 600},
            "a round would begin",
            id="too close",
        ),
        pytest.param(
            "/tour-routes",
            {"name": "乱", "ordered": False, "within_s": 600, "stops": [{"point": 1}, {"point": 1}]},
            "stands in it once",
            id="twice",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_rule(
    house: House, path: str, body: dict[str, Any], says: str
) -> None:
    house.a_plan()
    assert says in house.ask("POST", path, body, expect=422)["detail"]


def test_an_operator_plans_and_sees_no_guard(house: House) -> None:
    plan, _ = house.a_plan()
    house.who = somebody(Role.OPERATOR, house.estate.community)
    assert house.ask("GET", "/tour-plans")[0]["id"] == plan
    house.ask("GET", f"/tour-plans/{plan}/guards", expect=403)


# --- alarms --------------------------------------------------------------------------------------------


class Watched:
    """The watch over a house with a plan."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.plan, self.guard = house.a_plan()
        self.watch = self.a_watch()
        self.watch.begin()

    def a_watch(self) -> Watch:
        engine = self.house.estate.engine
        return Watch(engine, engine, lambda: self.house.now_us, SHANGHAI)

    def is_known_until(self, minutes: float) -> None:
        """Both gateways have told all until then, and it is that late."""
        self.house.later(minutes)
        for gateway in (GATE, EAST):
            self.house.delivers(gateway, minutes)

    def alarms(self) -> list[tuple[str, str | None, bool]]:
        """Of tours, after one more look, the oldest first: kind, door, whether it lasts."""
        while self.watch.look():
            continue
        with self.house.estate.reading() as connection:
            found = book.alarms(connection, [SITE], self.house.now_us)
        return [
            (each.kind.value, each.door, each.over_us is None)
            for each in reversed(found)
            if each.kind in OF_TOURS
        ]

    def tried(self, kind: AlarmKind) -> Tried:
        rule = Rule(0, kind, SITE, Urgency.NOTED, {})
        with self.house.estate.reading() as connection:
            until_us = self.house.now_us
            return try_on_the_past(
                connection, rule, [SITE], until_us - 30 * 86_400_000_000, until_us, zone=SHANGHAI
            )


@pytest.fixture
def watched(house: House) -> Watched:
    return Watched(house)


def test_a_round_that_is_late_is_an_alarm_until_it_is_settled_and_what_was_missed_is_another(
    engine: Engine, tmp_path: Path
) -> None:
    watched = Watched(House(an_estate(engine, tmp_path)))
    house = watched.house
    watched.is_known_until(5)
    assert watched.alarms() == [], "it may still begin"
    watched.is_known_until(12)
    assert watched.alarms() == [("tour_late", "gate-in", True)]
    house.happens(GATE, "gate-in", 13, holder=watched.guard)
    watched.is_known_until(14)
    assert watched.alarms() == [("tour_late", "gate-in", True)], "once"
    watched.is_known_until(60)
    settled = [("tour_late", "gate-in", False), ("tour_missed", "east-front", False)]
    assert watched.alarms() == settled
    watched.watch = watched.a_watch()
    watched.is_known_until(70)
    assert watched.alarms() == settled, "nor again after a restart"


def test_an_alarm_that_could_not_be_written_down_comes_with_the_next_look(
    engine: Engine, tmp_path: Path
) -> None:
    watched = Watched(House(an_estate(engine, tmp_path)))
    watched.is_known_until(5)
    watched.alarms()
    watched.is_known_until(70)
    forbid(engine, "INSERT", "alarm", "not yet", when=f"NEW.noticed_at <= {watched.house.now_us}")
    with pytest.raises(RowRefused):
        watched.alarms()
    watched.house.now_us += 1
    assert [(kind, door) for kind, door, _ in watched.alarms()] == [
        ("tour_missed", "gate-in"),
    ]


def test_a_round_in_time_is_no_alarm_and_one_out_of_order_is(watched: Watched) -> None:
    house = watched.house
    house.happens(EAST, "east-front", 1, holder=watched.guard)
    house.happens(GATE, "gate-in", 4, holder=watched.guard)
    house.reads_tag(9)
    watched.is_known_until(60)
    assert [(kind, lasts) for kind, _, lasts in watched.alarms()] == [("tour_out_of_order", False)]
    week = 7 * 24 * 60
    for gateway, door, minutes in ((GATE, "gate-in", 1), (EAST, "east-front", 4)):
        house.happens(gateway, door, week + minutes, holder=watched.guard)
    house.reads_tag(week + 9)
    watched.is_known_until(week + 60)
    assert len(watched.alarms()) == 1


def test_what_is_not_known_is_no_alarm_before_its_records_come(watched: Watched) -> None:
    house = watched.house
    house.happens(GATE, "gate-in", 2, holder=watched.guard)
    house.delivers(GATE, 60)
    house.delivers(EAST, -5)
    house.later(60)
    assert watched.alarms() == []
    house.happens(EAST, "east-front", 3, holder=watched.guard)
    house.reads_tag(3.2)
    watched.is_known_until(65)
    assert watched.alarms() == [("tour_too_quick", "east-roof", False)]


def test_a_rule_about_tours_is_tried_on_the_rounds_of_the_past(watched: Watched) -> None:
    watched.is_known_until(60)
    missed = watched.tried(AlarmKind.TOUR_MISSED)
    assert [(each.device, each.count) for each in missed.alarms] == [(f"{watched.plan}/{DAY}/22:00", 3)]
    assert missed.records == 1
    assert watched.tried(AlarmKind.TOUR_OUT_OF_ORDER).alarms == []


def test_a_database_of_before_gets_the_rules_of_new_kinds_and_keeps_its_own(watched: Watched) -> None:
    engine = watched.house.estate.engine
    with writing(engine) as connection:
        connection.execute(delete(alarm_rule).where(alarm_rule.c.kind.in_(sorted(OF_TOURS))))
        for rule in book.rules_in_force(connection):
            if rule.kind is AlarmKind.HELD:
                book.end_rule(connection, rule.id, 1)
    watched.watch.begin()
    with watched.house.estate.reading() as connection:
        kinds = {rule.kind for rule in book.rules_in_force(connection) if rule.site == EVERYWHERE}
    assert kinds == set(AlarmKind) - {AlarmKind.HELD}, "what somebody ended stays ended"
