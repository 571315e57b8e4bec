"""Passes for visitors: issued, shown at a real gateway's decision, seen coming and going, revoked."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import plain_http
import pytest
from central_support import GATEWAY, SITE
from central_web_support import (
    COMMUNITY,
    NOW_US,
    Chain,
    Filled,
    Served,
    a_filled,
    about,
    secretive,
    somebody,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from database_support import alter
from identity_support import a_vault
from msgspec.structs import replace
from register_support import a_number
from sqlalchemy import select, update

from central.accounts.book import make_community
from central.accounts.who import Role
from central.errors import BadQuestion, Clash, NotThere
from central.identity.vault import Vault
from central.store.engine import writing
from central.store.visitor_tables import visitor_pass, visitor_pass_event
from central.visitors import passes
from central.visitors.passes import Desk, Issued, Visitor, Wanted
from central.visitors.visits import states
from central.visitors.words import PassKind, Seen, VisitReason, VisitState, state_of
from gateway.passes import PassBook
from messages.model import Direction, Kind, Reason
from messages.signing import trusted
from messages.visitor_pass import VisitorPass, open_pass

HOUR_US = 3_600_000_000
SIGNING = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
BEGINS_US = NOW_US // 60_000_000 * 60_000_000
WANTED = Wanted(
    kind=PassKind.PIN,
    site=SITE,
    reason=VisitReason.FRIENDS,
    from_us=BEGINS_US,
    until_us=BEGINS_US + 4 * HOUR_US,
    doors=(f"{GATEWAY}/unit-1", f"{GATEWAY}/garage"),
    uses=2,
)
NAME = "王来访"


class Gatehouse:
    def __init__(self, filled: Filled, vault: Vault) -> None:
        self.filled = filled
        self.vault = vault
        self.desk = Desk(vault, SIGNING)
        self.chain = Chain()

    def issues(self, wanted: Wanted = WANTED, visitor: Visitor = Visitor()) -> Issued:  # noqa: B008  frozen
        with writing(self.filled.writer) as connection:
            return self.desk.issue(connection, wanted, visitor, by="test", now_us=NOW_US)

    def entries(self, now_us: int = NOW_US) -> dict[str, tuple[str, bool]]:
        """By token: holder, and whether it is blocked."""
        with self.filled.reader.connect() as connection:
            found = passes.listed_passes(connection, SITE, now_us)
        return {each.token: (each.holder, each.blocked) for each in passes.entries_at(GATEWAY, found)}

    def passes_through(self, holder: str, direction: Direction, at_us: int) -> None:
        first = len(self.chain.bodies) + 1
        changes = {"kind": Kind.ACCESS_GRANTED, "holder": holder, "direction": direction, "at": at_us}
        secretive(self.chain, 1, **{**changes, "door": "unit-1"})
        self.filled.take(self.chain.block(first))

    def state(self, issued: Issued, now_us: int) -> VisitState:
        with self.filled.reader.connect() as connection:
            found = passes.one_pass(connection, issued.made.id, [SITE])
            return states(connection, [found], now_us)[found.id]


@pytest.fixture
def gatehouse(tmp_path: Path) -> Iterator[Gatehouse]:
    vault = a_vault(tmp_path / "ring")
    vault.keep_site_key(SITE, bytes(range(32)))
    with a_filled(tmp_path) as filled:
        yield Gatehouse(filled, vault)


def changed(**changes: object) -> Wanted:
    fields = {name: getattr(WANTED, name) for name in Wanted.__slots__}
    return Wanted(**{**fields, **changes})


def test_a_pin_is_an_entry_of_the_access_list_until_its_end(gatehouse: Gatehouse) -> None:
    issued = gatehouse.issues()
    assert issued.shown is not None
    assert len(issued.shown) == passes.PIN_DIGITS
    token = gatehouse.vault.token(SITE, "pin", issued.shown).hex()
    assert gatehouse.entries() == {token: (issued.made.reference, False)}
    assert gatehouse.entries(WANTED.until_us) == {}


def test_a_qr_code_is_judged_by_the_gateway_itself(gatehouse: Gatehouse) -> None:
    issued = gatehouse.issues(changed(kind=PassKind.QR))
    assert issued.shown is not None
    told = open_pass(issued.shown, trusted(SIGNING.public_key()), SITE)
    assert (told.holder, told.doors, told.uses) == (issued.made.reference, WANTED.doors, 2)
    book = PassBook(SITE, GATEWAY)
    book.trust(trusted(SIGNING.public_key()))
    book.take("token", issued.shown)
    assert book.find("token") == replace(told, doors=("unit-1", "garage"))
    assert gatehouse.entries() == {}
    assert gatehouse.desk.text_of(issued.made) == issued.shown, "the same code can be printed again"


@pytest.mark.parametrize("kind", PassKind)
def test_a_revoked_pass_is_blocked_at_the_gateways(gatehouse: Gatehouse, kind: PassKind) -> None:
    number = {PassKind.CARD: "04A1B2C3", PassKind.ID_CARD: a_number(3)}.get(kind)
    issued = gatehouse.issues(changed(kind=kind, number=number))
    with writing(gatehouse.filled.writer) as connection:
        passes.revoke(connection, issued.made.id, [SITE], by="test", now_us=NOW_US)
        with pytest.raises(Clash):
            passes.revoke(connection, issued.made.id, [SITE], by="test", now_us=NOW_US)
    shown = issued.shown or number or ""
    token = gatehouse.vault.token(SITE, kind, shown).hex()
    assert gatehouse.entries() == {token: (issued.made.reference, True)}
    assert gatehouse.state(issued, NOW_US) is VisitState.REVOKED


def test_an_id_card_opens_however_its_number_was_typed_and_is_one_card(gatehouse: Gatehouse) -> None:
    number = a_number(3)
    hyphens = changed(kind=PassKind.ID_CARD, number=f"{number[:6]}-{number[6:14]}-{number[14:].lower()}")
    issued = gatehouse.issues(hyphens)
    token = gatehouse.vault.token(SITE, PassKind.ID_CARD, number).hex()
    assert gatehouse.entries() == {token: (issued.made.reference, False)}, "what the reader gives"
    for again in (number, f" {number[:6]} {number[6:]} "):
        with pytest.raises(Clash, match="another visitor"):
            gatehouse.issues(changed(kind=PassKind.ID_CARD, number=again))


def test_a_card_is_good_for_one_visitor_at_a_time(gatehouse: Gatehouse) -> None:
    lent = changed(kind=PassKind.CARD, number="04A1B2C3")
    first = gatehouse.issues(lent)
    with pytest.raises(Clash, match="another visitor"):
        gatehouse.issues(lent)
    gatehouse.issues(
        changed(
            kind=PassKind.CARD, number="04A1B2C3", from_us=WANTED.until_us, until_us=WANTED.until_us + HOUR_US
        )
    )
    with writing(gatehouse.filled.writer) as connection:
        passes.revoke(connection, first.made.id, [SITE], by="test", now_us=NOW_US)
    gatehouse.issues(lent)


def test_a_card_that_was_lent_again_since_is_not_good_for_the_visitor_before(gatehouse: Gatehouse) -> None:
    """Also when the later pass was taken back: gateways block its card."""
    lent = changed(kind=PassKind.CARD, number="04A1B2C3")
    number = gatehouse.issues(lent).made.id
    with writing(gatehouse.filled.writer) as connection:
        passes.revoke(connection, number, [SITE], by="test", now_us=NOW_US)
    later = gatehouse.issues(lent).made.id
    with writing(gatehouse.filled.writer) as connection:
        passes.revoke(connection, later, [SITE], by="test", now_us=NOW_US)
    with writing(gatehouse.filled.writer) as connection:
        with pytest.raises(Clash, match="changed since"):
            passes.restore(connection, number, [SITE], by="test", now_us=NOW_US)
        assert passes.restore(connection, later, [SITE], by="test", now_us=NOW_US).revoked_us is None


def test_who_comes_is_kept_sealed_and_what_is_shown_is_kept_nowhere(gatehouse: Gatehouse) -> None:
    issued = gatehouse.issues(visitor=Visitor(NAME, "000-1234"))
    gatehouse.issues(changed(kind=PassKind.ID_CARD, number=a_number(4)))
    with gatehouse.filled.reader.connect() as connection:
        assert gatehouse.desk.visitor_of(connection, issued.made.id, [SITE]) == Visitor(NAME, "000-1234")
        dump = "\n".join(connection.connection.driver_connection.iterdump())  # type: ignore[union-attr]
    for secret in (NAME, "000-1234", issued.shown, a_number(4)):
        assert secret is not None
        assert secret not in dump
        assert secret.encode().hex().upper() not in dump


def test_nobody_is_said_not_to_have_come_when_what_the_doors_told_is_deleted(gatehouse: Gatehouse) -> None:
    issued = gatehouse.issues()
    alter(
        gatehouse.filled.writer,
        "INSERT INTO record_mark (noted_at, day, last_id, begun_at) VALUES (:at, '2026-11-05', 1, :at)",
        at=WANTED.from_us + 1,
    )
    assert gatehouse.state(issued, NOW_US) is VisitState.EXPECTED
    assert gatehouse.state(issued, WANTED.until_us) is VisitState.NOT_KNOWN
    gatehouse.passes_through(issued.made.reference, Direction.IN, NOW_US + 1)
    assert gatehouse.state(issued, WANTED.until_us) is VisitState.ENDED, "what is here is told"


def test_visits_follow_from_what_doors_have_recorded(gatehouse: Gatehouse) -> None:
    issued = gatehouse.issues()
    end_us = WANTED.until_us
    assert gatehouse.state(issued, NOW_US) is VisitState.EXPECTED
    assert gatehouse.state(issued, end_us) is VisitState.MISSED
    gatehouse.passes_through(issued.made.reference, Direction.IN, NOW_US + 1)
    assert gatehouse.state(issued, NOW_US + 2) is VisitState.ARRIVED
    assert gatehouse.state(issued, end_us) is VisitState.ENDED, "no door here tells who leaves"
    gatehouse.passes_through("somebody-else", Direction.OUT, NOW_US + 3)
    assert gatehouse.state(issued, end_us) is VisitState.OVERDUE
    gatehouse.passes_through(issued.made.reference, Direction.OUT, NOW_US + 4)
    assert gatehouse.state(issued, end_us) is VisitState.LEFT
    gatehouse.passes_through(issued.made.reference, Direction.IN, NOW_US + 5)
    assert gatehouse.state(issued, NOW_US + 6) is VisitState.ARRIVED


def test_nobody_is_overdue_whose_pass_was_taken_back_or_is_used_up(gatehouse: Gatehouse) -> None:
    end_us = WANTED.until_us
    gatehouse.passes_through("somebody-else", Direction.OUT, NOW_US + 1)
    twice = gatehouse.issues(changed(uses=2))
    gatehouse.passes_through(twice.made.reference, Direction.IN, NOW_US + 2)
    assert gatehouse.state(twice, end_us) is VisitState.OVERDUE
    gatehouse.passes_through(twice.made.reference, Direction.OUT, NOW_US + 3)
    gatehouse.passes_through(twice.made.reference, Direction.IN, NOW_US + 4)
    assert gatehouse.state(twice, NOW_US + 5) is VisitState.ARRIVED
    assert gatehouse.state(twice, end_us) is VisitState.ENDED, "its last use was taken coming in"
    back, here = gatehouse.issues(), gatehouse.issues()
    gatehouse.passes_through(here.made.reference, Direction.IN, NOW_US + 6)
    for each in (back, here):
        with writing(gatehouse.filled.writer) as connection:
            passes.revoke(connection, each.made.id, [SITE], by="test", now_us=NOW_US + 7)
        inside = VisitState.REVOKED_INSIDE if each is here else VisitState.REVOKED
        assert gatehouse.state(each, NOW_US + 8) is inside
        assert gatehouse.state(each, end_us) is inside, "somebody has to go and look all the same"
        assert gatehouse.state(each, NOW_US + 7 + 24 * HOUR_US) is VisitState.REVOKED


@pytest.mark.parametrize(
    ("seen", "revoked", "late", "told", "state"),
    [
        (Seen(), False, False, True, VisitState.EXPECTED),
        (Seen(), False, True, True, VisitState.MISSED),
        (Seen(), True, False, True, VisitState.REVOKED),
        (Seen(5), False, False, True, VisitState.ARRIVED),
        (Seen(), True, True, True, VisitState.REVOKED),
        (Seen(5), True, False, True, VisitState.REVOKED_INSIDE),
        (Seen(5), True, True, True, VisitState.REVOKED_INSIDE),
        (Seen(5), True, False, False, VisitState.REVOKED),
        (Seen(5, used_up=True), True, False, True, VisitState.REVOKED),
        (Seen(5, 6), True, True, True, VisitState.LEFT),
        (Seen(5), False, True, True, VisitState.OVERDUE),
        (Seen(5, used_up=True), False, False, True, VisitState.ARRIVED),
        (Seen(5, used_up=True), False, True, True, VisitState.ENDED),
        (Seen(5), False, True, False, VisitState.ENDED),
        (Seen(5, 6), False, True, True, VisitState.LEFT),
        (Seen(7, 6), False, False, True, VisitState.ARRIVED),
        (Seen(None, 6), False, False, True, VisitState.EXPECTED),
    ],
)
def test_each_state_of_a_visit(seen: Seen, revoked: bool, late: bool, told: bool, state: VisitState) -> None:
    now_us = 100 if late else 10
    revoked_us = 8 if revoked else None
    assert state_of(50, revoked_us=revoked_us, seen=seen, now_us=now_us, exits_are_told=told) is state
    if state is VisitState.REVOKED_INSIDE:
        later_us = 8 + 24 * HOUR_US
        told_later = state_of(50, revoked_us=revoked_us, seen=seen, now_us=later_us, exits_are_told=told)
        assert told_later is VisitState.REVOKED, "nobody looks for them for ever"


def test_an_extended_pass_goes_on_and_says_so(gatehouse: Gatehouse) -> None:
    issued = gatehouse.issues()
    later_us = WANTED.until_us + HOUR_US
    with writing(gatehouse.filled.writer) as connection:
        passes.extend(connection, issued.made.id, later_us, [SITE], by="test", now_us=NOW_US)
        with pytest.raises(BadQuestion):
            passes.extend(connection, issued.made.id, WANTED.until_us, [SITE], by="test", now_us=NOW_US)
    assert len(gatehouse.entries(WANTED.until_us)) == 1
    with gatehouse.filled.reader.connect() as connection:
        events = connection.execute(select(visitor_pass_event.c.event, visitor_pass_event.c.until_at)).all()
    assert [tuple(each) for each in events] == [("issued", None), ("extended", later_us)]


def test_a_qr_code_is_not_extended_as_it_says_itself_when_it_ends(gatehouse: Gatehouse) -> None:
    issued = gatehouse.issues(changed(kind=PassKind.QR))
    with writing(gatehouse.filled.writer) as connection, pytest.raises(Clash, match="says itself"):
        passes.extend(connection, issued.made.id, WANTED.until_us + HOUR_US, [SITE], by="test", now_us=NOW_US)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"from_us": BEGINS_US + 1}, "from"),
        ({"until_us": BEGINS_US}, "until"),
        ({"from_us": BEGINS_US - 9 * HOUR_US, "until_us": BEGINS_US - HOUR_US}, "until"),
        ({"until_us": BEGINS_US + 32 * 24 * HOUR_US}, "until"),
        ({"doors": ()}, "doors"),
        ({"doors": ("Unit 1",)}, "doors"),
        ({"doors": tuple(f"d{n}" for n in range(9))}, "doors"),
        ({"uses": 0}, "uses"),
        ({"number": "04A1B2C3"}, "number"),
        ({"kind": PassKind.CARD}, "number"),
        ({"kind": PassKind.ID_CARD, "number": "1'; --"}, "number"),
        ({"kind": PassKind.CARD, "number": "XYZW"}, "number"),
    ],
)
def test_a_pass_that_cannot_be_is_refused_by_the_field_at_fault(
    gatehouse: Gatehouse, changes: dict[str, object], field: str
) -> None:
    with pytest.raises(BadQuestion) as caught:
        gatehouse.issues(changed(**changes))
    assert caught.value.field == field
    with gatehouse.filled.reader.connect() as connection:
        assert connection.execute(select(visitor_pass)).first() is None


def test_a_door_s_name_alone_is_taken_where_one_gateway_has_it(gatehouse: Gatehouse) -> None:
    gatehouse.filled.take(about("东楼", [("unit-1", "1 单元门", []), ("garage", "车库", [])]), gateway="east")
    gatehouse.filled.take(about("西楼", [("unit-1", "1 单元门", [])]), gateway="west")
    made = gatehouse.issues(changed(doors=("garage", "west/unit-1", "@yard"))).made
    assert made.doors == ("east/garage", "west/unit-1", "@yard")
    with pytest.raises(BadQuestion, match="east/unit-1, west/unit-1"):
        gatehouse.issues(changed(doors=("unit-1",)))
    with pytest.raises(BadQuestion, match="has a door cellar"):
        gatehouse.issues(changed(doors=("cellar",)))


def test_doors_that_are_called_alike_do_not_open_to_each_other_s_passes(gatehouse: Gatehouse) -> None:
    pin = gatehouse.issues(changed(doors=("east/unit-1",)))
    qr = gatehouse.issues(changed(kind=PassKind.QR, doors=("east/unit-1",)))
    assert qr.shown is not None
    with gatehouse.filled.reader.connect() as connection:
        listed = passes.listed_passes(connection, SITE, NOW_US)
    assert [each.doors for each in passes.entries_at("east", listed)] == [("unit-1",)]
    assert passes.entries_at("west", listed) == []
    found = {}
    for gateway in ("east", "west"):
        book = PassBook(SITE, gateway)
        book.trust(trusted(SIGNING.public_key()))
        book.take("token", qr.shown)
        found[gateway] = book.find("token")
    assert isinstance(found["east"], VisitorPass)
    assert found["east"].doors == ("unit-1",)
    assert found["west"] is Reason.NO_RIGHT
    with writing(gatehouse.filled.writer) as connection:
        passes.revoke(connection, pin.made.id, [SITE], by="test", now_us=NOW_US)
        listed = passes.listed_passes(connection, SITE, NOW_US)
    assert [each.blocked for each in passes.entries_at("west", listed)] == [True]


def test_a_pass_of_before_that_names_doors_alone_is_good_until_its_end(gatehouse: Gatehouse) -> None:
    issued = gatehouse.issues()
    with writing(gatehouse.filled.writer) as connection:
        connection.execute(update(visitor_pass).values(doors='["unit-1"]'))
        listed = passes.listed_passes(connection, SITE, NOW_US)
    for gateway in ("east", "west"):
        [entry] = passes.entries_at(gateway, listed)
        assert (entry.holder, entry.doors) == (issued.made.reference, ("unit-1",))


def test_names_that_are_too_long_for_one_code_are_refused(gatehouse: Gatehouse) -> None:
    with pytest.raises(BadQuestion, match="too long for one code"):
        gatehouse.issues(changed(kind=PassKind.QR, doors=tuple(f"{n:0<32}/{n:0<32}" for n in range(1, 9))))


def test_a_site_or_room_that_is_not_there_is_none(gatehouse: Gatehouse) -> None:
    for wanted in (changed(site="elsewhere"), changed(room=7)):
        with pytest.raises(NotThere):
            gatehouse.issues(wanted)


# --- the API ---------------------------------------------------------------------------------------------


@pytest.fixture
def served(gatehouse: Gatehouse) -> Iterator[Served]:
    worker = somebody(Role.WORKER, COMMUNITY)
    with Served(gatehouse.filled, who=worker, vault=gatehouse.vault, signing=SIGNING) as running:
        yield running


ASKED = {
    "kind": "qr_code",
    "site": SITE,
    "reason": "repair",
    "from": "2023-11-14T23:00:00Z",
    "until": "2023-11-15T03:00:00Z",
    "doors": [f"{GATEWAY}/unit-1"],
    "visitor_name": NAME,
}
DAY = "from=2023-11-14T00:00:00Z&until=2023-11-16T00:00:00Z"


def sent(served: Served, method: str, path: str, said: object = None) -> httpx.Response:
    return plain_http.request(method, f"{served.address}/api/v1{path}", json=said, timeout=30)


def test_the_desk_issues_a_pass_sees_it_and_takes_it_back(served: Served) -> None:
    made = sent(served, "POST", "/passes", ASKED)
    assert made.status_code == 201, made.text
    assert made.json()["shown"].startswith("LH1:")
    assert "<svg" in made.json()["picture"]
    [listed] = sent(served, "GET", f"/passes?{DAY}").json()["passes"]
    assert (listed["state"], listed["reason"], listed["from"]) == (
        "expected",
        "repair",
        "2023-11-14T23:00:00.000000Z",
    )
    assert NAME not in sent(served, "GET", f"/passes?{DAY}").text
    forgotten = [sent(served, "POST", f"/passes/{listed['id']}/forget").status_code for _ in range(2)]
    assert forgotten == [204, 409], "the name is deleted, and is there no more"
    gone = sent(served, "POST", f"/passes/{listed['id']}/revoke")
    assert (gone.status_code, gone.json()["state"]) == (200, "revoked")
    assert sent(served, "POST", f"/passes/{listed['id']}/revoke").status_code == 409
    again = sent(served, "POST", f"/passes/{listed['id']}/restore")
    assert (again.status_code, again.json()["state"]) == (200, "expected"), again.text
    assert sent(served, "POST", f"/passes/{listed['id']}/restore").status_code == 409


def test_an_id_card_that_is_typed_with_hyphens_is_the_same_card_to_the_api(served: Served) -> None:
    number = a_number(3)
    asked = {**ASKED, "kind": "id_card", "number": number}
    assert sent(served, "POST", "/passes", asked).status_code == 201
    again = sent(served, "POST", "/passes", {**asked, "number": f"{number[:6]}-{number[6:14]}-{number[14:]}"})
    assert again.status_code == 409, again.text


def test_passes_of_another_community_are_as_if_they_were_not(gatehouse: Gatehouse, served: Served) -> None:
    number = sent(served, "POST", "/passes", ASKED).json()["id"]
    with writing(gatehouse.filled.writer) as connection:
        other = make_community(connection, "2", "别处", ["elsewhere"], NOW_US)
    served.is_asked_by(somebody(Role.WORKER, other))
    assert sent(served, "GET", f"/passes?{DAY}").json()["passes"] == []
    assert sent(served, "POST", "/passes", ASKED).status_code == 404
    assert sent(served, "GET", f"/passes/{number}").status_code == 404
    assert sent(served, "POST", f"/passes/{number}/revoke").status_code == 404
    assert sent(served, "POST", f"/passes/{number}/restore").status_code == 404
    assert sent(served, "POST", f"/passes/{number}/extend", {"until": ASKED["until"]}).status_code == 404


def test_without_keys_no_pass_is_issued_and_it_says_why(gatehouse: Gatehouse) -> None:
    with Served(gatehouse.filled, who=somebody(Role.WORKER, COMMUNITY)) as served:
        answer = sent(served, "POST", "/passes", ASKED)
    assert answer.status_code == 503


def test_an_error_repeats_no_number(served: Served) -> None:
    canary = "00000019900307CANARY"
    answer = sent(served, "POST", "/passes", {**ASKED, "number": canary})
    assert answer.status_code == 422
    assert canary not in answer.text
