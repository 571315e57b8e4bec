"""A visitor stays: from a pass to a home in one act, or nothing of it; the pass ends, and doors follow."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import plain_http
import pytest
from central_support import DEADLINE_S
from central_web_support import Served, somebody
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from register_support import DAY_US, EAST, GATE, SITE, WEST, Estate, a_number, an_estate
from sqlalchemy import Engine, func, select, update

from central.accounts.who import Role
from central.errors import BadQuestion, Clash, NotThere
from central.fleet.made_lists import due_lists, make_list
from central.register.credentials import CredentialKind, issue
from central.register.lease_states import DAY_US as LEASE_DAY_US
from central.register.leases import GRACE_DAYS
from central.register.words import DocumentType, RegisterAct, Relation
from central.store.engine import writing
from central.store.register_tables import person, register_event, residency, tenancy
from central.store.visitor_tables import visitor_pass
from central.visitors import passes
from central.visitors.moving_in import Moved, Stay, stay
from central.visitors.passes import Desk, Issued, Visitor, Wanted
from central.visitors.visits import states
from central.visitors.words import PassKind, VisitReason, VisitState

NAME = "王来访"
SIGNING = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
CARD = "04A1B2C3"


class House:
    def __init__(self, estate: Estate) -> None:
        self.estate = estate

    def gives(self, kind: PassKind = PassKind.PIN, visitor: Visitor = Visitor(NAME, "13800000000")) -> Issued:  # noqa: B008  frozen
        begins_us = self.estate.now_us // 60_000_000 * 60_000_000
        wanted = Wanted(
            kind=kind,
            site=SITE,
            reason=VisitReason.FAMILY,
            from_us=begins_us,
            until_us=begins_us + DAY_US,
            doors=(f"{EAST}/east-front",),
            room=self.estate.places["101"],
        )
        with writing(self.estate.engine) as connection:
            desk = Desk(self.estate.vault, SIGNING)
            return desk.issue(connection, wanted, visitor, by="test", now_us=self.estate.now_us)

    def stays(self, issued: Issued, **changes: object) -> Moved:
        usual: dict[str, object] = {
            "relation": Relation.TENANT,
            "document": DocumentType.RESIDENT_ID,
            "from_us": self.estate.now_us,
            "until_us": self.estate.at(90),
            "reason": "租住",
            "number": a_number(77),
        }
        with self.estate.desk() as desk:
            return stay(desk, issued.made.id, Stay(**{**usual, **changes}), by="test")  # type: ignore[arg-type]

    def count(self) -> tuple[int, ...]:
        with self.estate.reading() as db:
            return tuple(
                db.execute(select(func.count()).select_from(each)).scalar_one()
                for each in (person, residency, tenancy)
            )

    def lists(self) -> None:
        """Makes those that are due."""
        with writing(self.estate.engine) as connection:
            for due in due_lists(connection, self.estate.now_us):
                make_list(connection, due, self.estate.now_us)


@pytest.fixture
def house(engine: Engine, tmp_path: Path) -> House:
    return House(an_estate(engine, tmp_path))


def test_a_visitor_becomes_a_tenant_in_one_act_and_the_pass_ends(house: House) -> None:
    estate, issued = house.estate, house.gives()
    moved = house.stays(issued)
    assert moved.room == estate.places["101"]
    with estate.reading() as db:
        lives = db.execute(select(residency)).one()
        lease = db.execute(select(tenancy)).one()
        event = db.execute(select(register_event).where(register_event.c.act == "visitor_stayed")).one()
        ended = passes.one_pass(db, issued.made.id, [SITE])
        state = states(db, [ended], estate.now_us)[ended.id]
    assert (lives.person_id, lives.relation, lives.tenancy_id) == (moved.person, "tenant", lease.id)
    assert (lease.place_id, lease.until_at) == (moved.room, estate.at(90))
    assert (event.reason, json.loads(event.body)) == (
        "租住",
        {"name_from_pass": True, "pass": issued.made.id},
    )
    assert NAME not in event.body
    assert ended.revoked_us == estate.now_us
    assert state is VisitState.STAYED


def test_the_doors_on_the_way_open_to_the_new_tenant_s_card_and_to_the_pass_no_more(house: House) -> None:
    estate, issued = house.estate, house.gives()
    assert issued.shown is not None
    moved = house.stays(issued)
    with estate.desk() as desk:
        issue(desk, moved.person, CredentialKind.CARD_UID, CARD)
    assert estate.doors(EAST, CARD) == ("east-front", "east-unit-1")
    assert estate.doors(GATE, CARD) == ("gate-in",)
    assert estate.doors(WEST, CARD) is None
    assert estate.listed(EAST, CARD).until_us == estate.at(90) + GRACE_DAYS * LEASE_DAY_US
    with estate.reading() as db:
        listed = passes.listed_passes(db, SITE, estate.now_us)
    assert [each.blocked for each in passes.entries_at(EAST, listed)] == [True]


def test_the_lists_of_the_gateways_are_due_at_once(house: House) -> None:
    issued = house.gives()
    house.lists()
    with house.estate.reading() as db:
        assert due_lists(db, house.estate.now_us) == []
    house.stays(issued)
    with house.estate.reading() as db:
        assert {due.gateway for due in due_lists(db, house.estate.now_us)} == {GATE, EAST, WEST}


def test_who_owns_or_helps_moves_in_without_a_lease(house: House) -> None:
    moved = house.stays(house.gives(), relation=Relation.HOUSEHOLD_HELPER, name="李帮工")
    assert moved.lease is None
    with house.estate.reading() as db:
        assert db.execute(select(residency.c.until_at)).scalar_one() == house.estate.at(90)
        body = db.execute(
            select(register_event.c.body).where(register_event.c.act == RegisterAct.VISITOR_STAYED)
        ).scalar_one()
    assert json.loads(body)["name_from_pass"] is False


def test_a_number_that_is_registered_is_who_it_was(house: House) -> None:
    known = house.estate.person("王来访", number=a_number(78))
    moved = house.stays(house.gives(), number=a_number(78))
    assert (moved.person, moved.known) == (known, True)
    assert not house.stays(house.gives(), number=a_number(77)).known


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        pytest.param({"room": 99_999}, NotThere, id="no such home"),
        pytest.param({"until_us": 1}, BadQuestion, id="ends before it begins"),
        pytest.param({"number": None}, BadQuestion, id="a document without a number"),
        pytest.param({"number": "1"}, BadQuestion, id="no such number"),
    ],
)
def test_what_cannot_be_leaves_the_pass_and_the_register_as_they_were(
    house: House, changes: dict[str, object], wrong: type[Exception]
) -> None:
    issued, before = house.gives(), house.count()
    with pytest.raises(wrong):
        house.stays(issued, **changes)
    assert house.count() == before
    with house.estate.reading() as db:
        assert passes.one_pass(db, issued.made.id, [SITE]).revoked_us is None


def test_a_pass_without_a_name_asks_for_one(house: House) -> None:
    with pytest.raises(BadQuestion, match="ask now"):
        house.stays(house.gives(visitor=Visitor()))


def test_a_pass_becomes_a_home_once(house: House) -> None:
    issued = house.gives(PassKind.QR)
    house.stays(issued)
    with pytest.raises(Clash, match="was revoked"):
        house.stays(issued)


# --- the API and the page -----------------------------------------------------------------------------


@pytest.fixture
def client(house: House) -> Iterator[httpx.Client]:
    estate = house.estate
    worker = somebody(Role.WORKER, estate.community)
    with (
        Served(
            estate.engine, who=worker, vault=estate.vault, signing=SIGNING, now_us=lambda: estate.now_us
        ) as served,
        plain_http.Client(
            base_url=served.address, cookies={"liuhen-language": "en"}, timeout=DEADLINE_S
        ) as opened,
    ):
        yield opened


def test_the_desk_converts_a_pass_over_the_api(house: House, client: httpx.Client) -> None:
    number = house.gives().made.id
    asked = {"relation": "owner", "from": "2026-11-26", "number": a_number(79), "reason": "购房入住"}
    made = client.post(f"/api/v1/passes/{number}/move-in", json=asked)
    assert made.status_code == 201, made.text
    assert (made.json()["lease"], made.json()["known"]) == (None, False)
    assert client.get(f"/api/v1/passes/{number}").json()["state"] == "stayed"
    assert client.post(f"/api/v1/passes/{number}/move-in", json=asked).status_code == 409
    assert client.post("/api/v1/passes/999/move-in", json=asked).status_code == 404


def test_the_page_shows_the_name_masked_keeps_what_was_typed_and_leads_to_the_home(
    house: House, client: httpx.Client
) -> None:
    number = house.gives().made.id
    assert f"/visitors/{number}/move-in" in client.get(f"/visitors/{number}").text
    form = client.get(f"/visitors/{number}/move-in").text
    assert "王**" in form
    assert NAME not in form
    said = {
        "where": "1 102",
        "relation": "tenant",
        "number": a_number(80),
        "reason": "",
        "until": "2099-01-01",
    }
    refused = client.post(f"/visitors/{number}/move-in", data=said)
    assert refused.status_code == 422
    assert "say why" in refused.text
    assert 'value="1 102"' in refused.text
    done = client.post(f"/visitors/{number}/move-in", data={**said, "reason": "租住"})
    home = f"/homes/{house.estate.community}/places/{house.estate.places['102']}"
    assert (done.status_code, done.headers["location"]) == (303, home)
    assert "lives here now" in client.get(f"/visitors/{number}").text


def test_the_page_says_that_the_number_was_registered_already(house: House, client: httpx.Client) -> None:
    """Under another name: that is asked before anything is done."""
    person = house.estate.person("王来访", number=a_number(81))
    said = {"relation": "owner", "number": a_number(81), "name": "王新名", "reason": "购房"}
    path = f"/visitors/{house.gives().made.id}/move-in"
    asked = client.post(path, data=said)
    assert asked.status_code == 409
    assert "registered under another name, 王**" in asked.text
    assert 'value="王新名"' in asked.text
    assert "王来访" not in asked.text
    assert f'name="registered" value="{person}">' in asked.text
    done = client.post(path, data={**said, "registered": f"{person}"})
    assert done.status_code == 200
    assert "This number was registered already" in done.text
    assert "王新名" not in done.text


def test_a_name_whose_key_was_destroyed_is_asked_for_and_nothing_typed_is_lost(
    house: House, client: httpx.Client
) -> None:
    number = house.gives().made.id
    with writing(house.estate.engine) as connection:  # a day of which there is no key
        connection.execute(update(visitor_pass).values(name_day="2000-01-01"))
    assert client.get(f"/visitors/{number}/move-in").status_code == 200
    said = {"relation": "owner", "number": a_number(82), "reason": "购房"}
    refused = client.post(f"/visitors/{number}/move-in", data=said)
    assert (refused.status_code, "ask now" in refused.text, a_number(82) in refused.text) == (422, True, True)
    assert client.post(f"/visitors/{number}/move-in", data=said | {"name": "王来访"}).status_code == 303
