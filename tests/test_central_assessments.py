"""No community starts without an impact assessment that one person wrote and another agreed to (R-80)."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import plain_http
import pytest
from central_support import DEADLINE_S
from central_web_support import Served, somebody
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from identity_support import COMMUNITY, NOON_US
from lookup_support import OFFICER, World, run
from register_support import GATE, SITE, Estate, an_estate
from sqlalchemy import Connection, Engine, delete, insert, select

from bench.assessed import an_assessment, goes_live
from central.accounts.who import Role, Who
from central.assessments import book
from central.assessments.document import Assessment, missing
from central.assessments.gate import NOT_LIVE, is_live
from central.assessments.words import DataKind, LiveAct
from central.errors import Clash, NotAllowed, NotThere, OrderRefused
from central.fleet.lists import note_list
from central.fleet.made_lists import due_lists, make_list
from central.identity.sites import community_of
from central.lookup.words import Happened
from central.register.desk import Desk, desk_of
from central.store.assessment_tables import community_live, impact_assessment
from central.store.engine import migrate, open_writer, upgrade, writing
from central.store.lookup_tables import look_up_event
from central.store.register_tables import community, register_event
from messages.access_list import Entry, ListFile

OFFICE = somebody(Role.WORKER, 1, account=21)
SUPERVISOR = somebody(Role.SUPERVISOR, 1, account=23)
WHOLE = an_assessment()
DOCUMENT: dict[str, Any] = WHOLE.model_dump(mode="json")


@pytest.fixture
def estate(engine: Engine, tmp_path: Path) -> Estate:
    """Prepared, with somebody in it, and not live yet."""
    made = an_estate(engine, tmp_path)
    with writing(engine) as connection:
        connection.execute(delete(community_live))
        connection.execute(delete(impact_assessment))
    made.resident("王小明", "101", "04A1B2C3")
    return made


def writes(estate: Estate, document: Assessment = WHOLE, account: int = 21) -> book.Version:
    with writing(estate.engine) as connection:
        return book.write(_desk(estate, connection, account), document)


def agrees(estate: Estate, version: int = 1, account: int = 23, **kept: int) -> book.Standing:
    with writing(estate.engine) as connection:
        return book.agree(
            _desk(estate, connection, account), version, {DataKind(kind): days for kind, days in kept.items()}
        )


def _desk(estate: Estate, connection: Connection, account: int) -> Desk:
    return desk_of(connection, estate.vault, estate.community, account=account, now_us=NOON_US)


# --- what a whole assessment is


def test_an_empty_assessment_lacks_every_part_that_the_requirement_names() -> None:
    lacks = missing(Assessment(), {})
    for part in ("necessity", "risks", "safeguards", "controllers", "contact.office"):
        assert part in lacks
    assert {f"data.{kind}.basis" for kind in DataKind} <= set(lacks)
    assert {f"data.{kind}.days" for kind in DataKind} <= set(lacks)
    assert {f"roles.{role}" for role in Role} <= set(lacks)
    assert {"notice.zh.why", "notice.en.rights"} <= set(lacks)


@pytest.mark.parametrize(
    ("part", "change", "lacks"),
    [
        ("controllers", [{"name": "居委会", "duties": " "}], "controllers.1.duties"),
        ("data", {**DOCUMENT["data"], "register": {"basis": "法", "days": 0}}, "data.register.rule"),
        (
            "data",
            {**DOCUMENT["data"], "visitor_identity": {"basis": "法", "days": 60}},
            "data.visitor_identity.rule",
        ),
        ("data", {**DOCUMENT["data"], "look_ups": {"basis": "法", "days": 365}}, "data.look_ups.days"),
        (
            "data",
            {**DOCUMENT["data"], "entry_records": {"basis": "法", "days": 1, "rule": " "}},
            "data.entry_records.rule",
        ),
        (
            "data",
            {**DOCUMENT["data"], "entry_records": {"basis": "法", "days": 0}},
            "data.entry_records.days",
        ),
        ("roles", {**DOCUMENT["roles"], "officer": ""}, "roles.officer"),
        ("notice", {"zh": DOCUMENT["notice"]["zh"]}, "notice.en.who"),
        ("contact", {**DOCUMENT["contact"], "phone": ""}, "contact.phone"),
    ],
)
def test_whatever_is_left_out_is_named_by_its_path(part: str, change: object, lacks: str) -> None:
    assert lacks in missing(Assessment.model_validate({**DOCUMENT, part: change}), {})


def test_a_whole_assessment_lacks_nothing_but_what_the_settings_keep_longer() -> None:
    assert missing(WHOLE, {}) == []
    assert missing(WHOLE, {DataKind.VISITOR_IDENTITY: 60}) == ["data.visitor_identity.days"]


# --- two persons


def test_one_writes_another_agrees_and_it_is_on_record_who_and_when(estate: Estate) -> None:
    assert writes(estate).version == 1
    with pytest.raises(Clash, match="nobody agrees to what they wrote themselves"):
        agrees(estate, account=21)
    standing = agrees(estate)
    assert (standing.live_us, standing.act, standing.agreed_by) == (NOON_US, LiveAct.AGREED, 23)
    with estate.reading() as connection:
        events = connection.execute(select(register_event.c.account, register_event.c.act)).all()
    assert [tuple(each) for each in events[-2:]] == [(21, "assessment_written"), (23, "went_live")]


def test_an_unfinished_version_is_kept_and_nobody_can_agree_to_it(estate: Estate) -> None:
    writes(estate, Assessment.model_validate({**DOCUMENT, "contact": {}, "roles": {}}))
    with pytest.raises(Clash, match=r"lacks roles.officer, .*contact.phone"):
        agrees(estate)
    with estate.reading() as connection:
        assert not is_live(connection, estate.community)
    with pytest.raises(Clash, match=r"data.visitor_passes.days"):
        agrees(estate, writes(estate).version, visitor_passes=90)


def test_later_versions_stand_beside_the_former_ones_and_only_the_newest_is_agreed_to(estate: Estate) -> None:
    writes(estate)
    with pytest.raises(Clash, match="says what version 1 says"):
        writes(estate)
    agrees(estate)
    changed = Assessment.model_validate({**DOCUMENT, "risks": "另有风险"})
    writes(estate, changed)
    with pytest.raises(Clash, match="version 2 is newer"):
        agrees(estate, 1)
    with estate.reading() as connection:
        found = book.in_force(connection, estate.community)
    assert found is not None
    assert found[1] == WHOLE, "until somebody agrees to the newer one"
    assert agrees(estate, 2).agreed == 2
    with pytest.raises(Clash, match="agreed to already"):
        agrees(estate, 2)
    with estate.reading() as connection:
        assert [each.version for each in book.versions(connection, estate.community)] == [2, 1]
        assert book.one_version(connection, estate.community, 1)[1] == WHOLE


def test_of_two_who_write_at_once_the_second_is_told_and_nothing_is_replaced_unread(estate: Estate) -> None:
    writes(estate)
    mine, theirs = (
        Assessment.model_validate({**DOCUMENT, "risks": risks}) for risks in ("另有风险", "还有风险")
    )
    with estate.desk() as desk:
        book.write(desk, theirs, after=1)
    with pytest.raises(Clash, match="version 2 was written"), estate.desk() as desk:
        book.write(desk, mine, after=1)
    with estate.desk() as desk:
        assert book.write(desk, mine, after=2).version == 3, "once it was read"


def test_a_version_of_nobody_is_not_there(estate: Estate) -> None:
    with pytest.raises(NotThere):
        agrees(estate, 9)


# --- the gate


def test_until_then_gateways_get_no_list_and_from_then_on_they_do(estate: Estate) -> None:
    with estate.reading() as connection:
        assert due_lists(connection, NOON_US) == []
    by_hand = ListFile(
        v=1, version=1, issued_us=NOON_US, entries=(Entry("ab" * 16, "H-1", "resident", ("*",)),)
    )
    with pytest.raises(OrderRefused, match="not live yet"), writing(estate.engine) as connection:
        note_list(connection, SITE, GATE, by_hand, NOON_US)
    writes(estate)
    agrees(estate)
    with writing(estate.engine) as connection:
        made = [make_list(connection, due, NOON_US) for due in due_lists(connection, NOON_US)]
    assert GATE in {each.gateway for each in made if each is not None}


def test_until_then_no_visitors_identity_is_sealed_or_kept(estate: Estate) -> None:
    with estate.reading() as connection:
        assert community_of(connection, SITE) is None
    writes(estate)
    agrees(estate)
    with estate.reading() as connection:
        assert community_of(connection, SITE) == estate.community


class Office:
    """The API, to whoever asks next."""

    def __init__(self, estate: Estate, served: Served, client: httpx.Client) -> None:
        self._served, self._client = served, client
        self.here = f"/communities/{estate.community}"

    def ask(self, who: Who, method: str, path: str, body: object = None, expect: int = 200) -> Any:
        self._served.is_asked_by(who)
        answer = self._client.request(method, f"/api/v1{path}", json=body)
        assert answer.status_code == expect, answer.text
        return answer.json()


@pytest.fixture
def office(estate: Estate) -> Iterator[Office]:
    signing = Ed25519PrivateKey.generate()
    with (
        Served(estate.engine, vault=estate.vault, signing=signing, now_us=lambda: NOON_US) as served,
        plain_http.Client(base_url=served.address, timeout=DEADLINE_S) as client,
    ):
        yield Office(estate, served, client)


PASS = {
    "kind": "pin",
    "site": SITE,
    "reason": "friends",
    "from": "2026-11-04T12:00:00+08:00",
    "until": "2026-11-04T18:00:00+08:00",
}


def test_over_the_api_the_office_writes_the_supervisor_agrees_and_only_then_passes_are_given(
    office: Office,
) -> None:
    here = office.here
    assert NOT_LIVE in office.ask(OFFICE, "POST", "/passes", PASS, 409)["detail"]
    stands = office.ask(SUPERVISOR, "GET", f"{here}/live")
    assert (stands["live"], stands["written"]) == (False, None)
    assert "roles.officer" in stands["missing"]
    half = {**DOCUMENT, "roles": {}}
    assert office.ask(OFFICE, "POST", f"{here}/assessments", half, 201)["version"] == 1
    refused = office.ask(SUPERVISOR, "POST", f"{here}/live", {"version": 1}, 409)
    assert "roles.officer" in refused["detail"]
    assert "notice" not in refused["detail"]
    made = office.ask(OFFICE, "POST", f"{here}/assessments", DOCUMENT, 201)
    found = office.ask(SUPERVISOR, "GET", f"{here}/assessments/2")
    assert (found["document"], found["hash"]) == (DOCUMENT, made["hash"])
    stands = office.ask(SUPERVISOR, "POST", f"{here}/live", {"version": 2})
    assert (stands["live"], stands["agreed"], stands["agreed_by"], stands["missing"]) == (True, 2, 23, [])
    assert [each["version"] for each in office.ask(OFFICE, "GET", f"{here}/assessments")] == [2, 1]
    office.ask(OFFICE, "POST", "/passes", PASS, 201)


def test_the_supervisor_proves_themselves_again_and_the_office_cannot_agree(office: Office) -> None:
    stale = Who(23, Role.SUPERVISOR, frozenset({1}))
    office.ask(OFFICE, "POST", f"{office.here}/assessments", DOCUMENT, 201)
    office.ask(stale, "POST", f"{office.here}/live", {"version": 1}, 401)
    office.ask(OFFICE, "POST", f"{office.here}/live", {"version": 1}, 403)
    office.ask(SUPERVISOR, "POST", f"{office.here}/assessments", DOCUMENT, 403)
    elsewhere = somebody(Role.SUPERVISOR, 2, account=23)
    office.ask(elsewhere, "POST", f"{office.here}/live", {"version": 1}, 404)


def test_ones_own_entries_are_not_shown_before_either(estate: Estate, office: Office) -> None:
    resident = somebody(Role.RESIDENT, estate.community, account=9, person=1)
    window = "from=2026-11-04T00:00:00Z&until=2026-11-04T04:00:00Z"
    assert NOT_LIVE in office.ask(resident, "GET", f"/own/entries?{window}", expect=409)["detail"]


def test_until_then_no_look_up_is_answered_and_that_it_was_asked_is_on_record(
    engine: Engine, tmp_path: Path
) -> None:
    world = World(engine, tmp_path)
    with closing(world):
        with writing(engine) as connection:
            connection.execute(delete(community_live))
        with pytest.raises(NotAllowed, match="not live yet"):
            run(world.look_ups.ask(OFFICER, world.asking()))
        with writing(engine) as connection:
            (event,) = connection.execute(select(look_up_event)).all()
            assert event.kind == Happened.NOT_ASKED
            connection.execute(insert(community_live).values(LIVE_AGAIN))
        assert run(world.look_ups.ask(OFFICER, world.asking())).look_up == 1


LIVE_AGAIN = {"community_id": COMMUNITY, "act": "before_the_gate", "at": 1, "account": 0}


def test_a_community_that_was_there_before_the_gate_goes_on_and_has_something_to_do(
    empty_database_url: str,
) -> None:
    engine = open_writer(empty_database_url)
    with closing(_Disposing(engine)):
        with writing(engine) as connection:
            upgrade(connection, "0022")
            row = {"id": 5, "code": "000000-5", "name": "松园", "created_at": 77}
            connection.execute(insert(community).values(row))
        migrate(engine)
        with writing(engine) as connection:
            found = book.standing(connection, 5, {})
            assert (found.live_us, found.act, found.agreed) == (77, LiveAct.BEFORE_THE_GATE, None)
            assert found.to_do
            goes_live(connection, 5, NOON_US)
            found = book.standing(connection, 5, {})
        assert (found.live_us, found.agreed_us, found.to_do) == (77, NOON_US, False)


class _Disposing:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def close(self) -> None:
        self._engine.dispose()
