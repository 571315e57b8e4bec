"""Passes that residents give: for the own home alone, within their own right to it, taken back by them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import plain_http
import pytest
from central_support import DEADLINE_S
from central_web_support import Served, somebody
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from register_support import DAY_US, EAST, GATE, SITE, Estate, an_estate
from sqlalchemy import Engine

from central.accounts.book import disable, make_account
from central.accounts.who import Role, Who
from central.errors import Clash
from central.register.leases import make_lease
from central.register.residencies import move_out
from central.register.words import Relation
from central.store.engine import writing
from central.times import utc_text
from central.visitors.own import MOST_GOOD, end_without_right, restore
from central.visitors.passes import entries_at, listed_passes

HOUR_US = DAY_US // 24


class Homes:
    """A community whose residents have accounts; whoever is named asks."""

    def __init__(self, estate: Estate, served: Served, client: httpx.Client) -> None:
        self.estate, self._served, self._client = estate, served, client
        self._accounts = 50

    def lives(self, room: str, relation: Relation = Relation.OWNER, lease: int | None = None) -> Who:
        person = self.estate.person(f"住户{self._accounts}")
        self.estate.lives(person, room, relation, since=-10, lease=lease)
        return self.account(person)

    def account(self, person: int) -> Who:
        self._accounts += 1
        return somebody(Role.RESIDENT, self.estate.community, account=self._accounts, person=person)

    def ask(self, who: Who, method: str, path: str, body: object = None, expect: int = 200) -> Any:
        self._served.is_asked_by(who)
        answer = self._client.request(method, f"/api/v1/own/passes{path}", json=body)
        assert answer.status_code == expect, answer.text
        return answer.json()

    def gives(self, who: Who, expect: int = 201, hours: int = 4, **more: object) -> Any:
        begins = self.estate.now_us
        window = {"from": utc_text(begins), "until": utc_text(begins + hours * HOUR_US)}
        return self.ask(who, "POST", "", {"reason": "friends", **window, **more}, expect)


@pytest.fixture
def homes(engine: Engine, tmp_path: Path) -> Iterator[Homes]:
    estate = an_estate(engine, tmp_path)
    signing = Ed25519PrivateKey.generate()
    with (
        Served(engine, vault=estate.vault, signing=signing, now_us=lambda: estate.now_us) as served,
        plain_http.Client(base_url=served.address, timeout=DEADLINE_S) as client,
    ):
        yield Homes(estate, served, client)


def test_a_resident_gives_a_pass_for_the_own_home_sees_it_and_takes_it_back(homes: Homes) -> None:
    mine, neighbour = homes.lives("101"), homes.lives("201")
    given = homes.gives(mine)
    assert given["picture"].startswith("<svg")
    pin = homes.gives(mine, kind="pin", uses=1)["shown"]
    assert len(pin) == 8
    (second, first) = homes.ask(mine, "GET", "")
    assert (first["id"], first["state"]) == (given["id"], "expected")
    assert (first["room"], first["doors"]) == (
        homes.estate.places["101"],
        [f"{GATE}/gate-in", f"{EAST}/east-front", f"{EAST}/east-unit-1"],
    )
    assert homes.ask(neighbour, "GET", "") == []
    homes.ask(neighbour, "POST", f"/{first['id']}/revoke", expect=404)
    assert homes.ask(mine, "POST", f"/{second['id']}/revoke")["state"] == "revoked"
    homes.ask(neighbour, "POST", f"/{second['id']}/restore", expect=404)
    assert homes.ask(mine, "POST", f"/{second['id']}/restore")["state"] == "expected"
    homes.ask(mine, "POST", f"/{second['id']}/restore", expect=409)
    homes.ask(mine, "POST", f"/{second['id']}/revoke")
    homes.ask(mine, "POST", f"/{second['id']}/revoke", expect=409)
    with homes.estate.reading() as db:
        (entry,) = entries_at(EAST, listed_passes(db, SITE, homes.estate.now_us))
    assert entry.blocked


def test_no_pass_leads_to_another_s_home_or_from_where_one_only_works_or_lives_no_more(homes: Homes) -> None:
    estate = homes.estate
    mine, helper = homes.lives("101"), homes.lives("101", Relation.HOUSEHOLD_HELPER)
    for room in (estate.places["201"], 999):
        homes.gives(mine, 404, room=room)
    assert "no home of yours" in homes.gives(helper, 404)["detail"]
    homes.gives(mine, 422, kind="card_uid")
    left = homes.account(estate.person("已搬走"))
    assert left.person is not None
    with estate.desk(days=-10) as desk:
        lease = make_lease(
            desk, estate.places["102"], from_us=estate.at(-10), until_us=estate.at(2), grace_days=0
        )
    estate.lives(left.person, "102", Relation.TENANT, since=-10, days=-10, lease=lease)
    assert "your own right" in homes.gives(left, 422, hours=72)["detail"]
    homes.gives(left, hours=24)
    estate.now_us += 3 * DAY_US
    homes.gives(left, 404)


def test_of_several_homes_one_is_named_and_ten_good_passes_are_enough(homes: Homes) -> None:
    mine = homes.lives("101")
    assert mine.person is not None
    homes.estate.lives(mine.person, "201", since=-1)
    assert "for which one" in homes.gives(mine, 422)["detail"]
    room = homes.estate.places["201"]
    made = [homes.gives(mine, room=room)["id"] for _ in range(MOST_GOOD)]
    assert "take one back" in homes.gives(mine, 409, room=room)["detail"]
    homes.ask(mine, "POST", f"/{made[0]}/revoke")
    homes.gives(mine, room=room)


def test_who_was_moved_out_meanwhile_does_not_make_a_pass_good_again(homes: Homes) -> None:
    estate = homes.estate
    gone, stays, shorter = (estate.person(name) for name in ("先搬走", "仍住着", "早些搬"))
    lived = {each: estate.lives(each, "101", since=-10) for each in (gone, stays, shorter)}
    who = {each: homes.account(each) for each in lived}
    given = {each: homes.gives(who[each], hours=48)["id"] for each in lived}
    for each in lived:
        homes.ask(who[each], "POST", f"/{given[each]}/revoke")
    with estate.desk() as desk:
        move_out(desk, lived[gone], at_us=estate.now_us, reason="搬走")
        move_out(desk, lived[shorter], at_us=estate.at(1), reason="搬走")
    estate.now_us += 1
    for each, refused in ((gone, True), (shorter, True), (stays, False)):
        with writing(estate.engine) as db:
            if refused:
                with pytest.raises(Clash, match="changed since"):
                    restore(db, who[each], given[each], estate.now_us)
            else:
                assert restore(db, who[each], given[each], estate.now_us).revoked_us is None


def test_a_pass_is_taken_back_when_the_right_behind_it_ends(homes: Homes) -> None:
    """Also when the account is disabled; and what others gave stays good."""
    estate = homes.estate
    people = [estate.person(name) for name in ("先搬走", "账户停", "仍住着")]
    lived = [estate.lives(person, "101", Relation.OWNER, since=-10) for person in people]
    with writing(estate.engine) as db:
        made = [
            make_account(
                db,
                f"resident-{person}",
                name="住户",
                role=Role.RESIDENT,
                unit="居民",
                communities=[],
                by="test",
                now_us=estate.now_us,
                person=person,
            )[0]
            for person in people
        ]
    who = [
        somebody(Role.RESIDENT, estate.community, account=number, person=person)
        for number, person in zip(made, people, strict=True)
    ]
    for each in who:
        homes.gives(each, hours=48)
    with writing(estate.engine) as db:
        assert end_without_right(db, estate.now_us) == 0
        disable(db, made[1], "test", estate.now_us)
    with estate.desk() as desk:
        move_out(desk, lived[0], at_us=estate.now_us, reason="搬走")
    with writing(estate.engine) as db:
        assert end_without_right(db, estate.now_us + 1) == 2
        assert end_without_right(db, estate.now_us + 1) == 0
    assert [homes.ask(each, "GET", "")[0]["state"] for each in who] == ["revoked", "revoked", "expected"]
