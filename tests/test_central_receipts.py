"""Visitors are told: a notice before anything is recorded, a receipt for what was, and then it is gone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import plain_http
import pytest
from central_support import DEADLINE_S
from central_web_support import Chain, Served, about, somebody
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from identity_support import DAY_US, NOON_US
from register_support import GATE, SITE, Estate, an_estate
from sqlalchemy import Engine, delete, insert, select, update

from central.accounts.who import Role, Who
from central.errors import IdentityGone, NotThere
from central.identity.retention import Retention
from central.identity.retention_rules import RetentionRules
from central.ingest.intake import examine, take_in
from central.lookup.audit import facts_of
from central.receipts import as_made, new_receipt
from central.reports.tally import Tally
from central.retention.entries import EntryRetention
from central.store.engine import open_reader, writing
from central.store.identity_tables import deletion_certificate, envelope
from central.store.lookup_tables import case_hold, case_hold_entry, look_up_event
from central.store.tables import gateway, record
from central.store.visitor_tables import visitor_pass
from central.visitors.passes import Desk, Issued, Visitor, Wanted, forget_visitor, opened_pass, revoke
from central.visitors.receipts import recorded
from central.visitors.receipts_api import statement
from central.visitors.words import PassKind, Standing, VisitReason
from messages.envelope import envelope_hash
from messages.topics import GatewayTopic, Leaf
from messages.wire import encode

CENTRE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
RULES = RetentionRules(30)
NAME = "王访客"
HOUR_US = DAY_US // 24


class Lodge:
    """A community whose visitors get passes."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.estate: Estate = an_estate(engine, folder)
        self.engine = engine
        self.desk = Desk(self.estate.vault, CENTRE)
        self.chain = Chain(GATE)
        self.take(Leaf.ABOUT, encode(about("大门", [("gate-in", "大门进口", [])])))

    def take(self, leaf: Leaf, payload: bytes) -> None:
        with writing(self.engine) as connection:
            take_in(connection, [examine(str(GatewayTopic(SITE, GATE, leaf)), payload)], NOON_US)

    def gives(self, name: str = NAME) -> Issued:
        """A PIN for today."""
        wanted = Wanted(PassKind.PIN, SITE, VisitReason.FRIENDS, NOON_US, NOON_US + 4 * HOUR_US)
        with writing(self.engine) as connection:
            return self.desk.issue(connection, wanted, Visitor(name), by="account 1", now_us=NOON_US)

    def enters(self, given: Issued, count: int = 1, **more: object) -> None:
        first = len(self.chain.bodies) + 1
        self.chain.grow(count, at=NOON_US + HOUR_US, door="gate-in", holder=given.made.reference, **more)
        self.take(*self.chain.block(first))

    def keeps_an_envelope(self) -> None:
        """Of the first record, which names one."""
        with writing(self.engine) as connection:
            here = connection.execute(select(record).where(record.c.seq == 1)).one()
            values = {name: getattr(here, name) for name in ("gateway_id", "epoch", "seq", "at")}
            day = {"community_id": self.estate.community, "period": "2026-11-04"}
            sealed = {"sealing_key": "", "hash": here.identity, "sealed": b"sealed", "waits": 0}
            connection.execute(insert(envelope).values(**values, **day, **sealed))

    def ends(self, after_days: float) -> list[Any]:
        """Whatever is due by then."""
        return Retention(self.engine, self.estate.vault, CENTRE, RULES).run(
            NOON_US + int(after_days * DAY_US)
        )

    def row(self, given: Issued) -> Any:
        with self.estate.reading() as connection:
            return connection.execute(select(visitor_pass).where(visitor_pass.c.id == given.made.id)).one()

    def told(self, receipt: str | None) -> list[tuple[str, str, int | None]]:
        with self.estate.reading() as connection:
            return [
                (each.kind.value, each.state.value, each.certificate)
                for each in recorded(connection, receipt or "", RULES, NOON_US).kept
            ]


@pytest.fixture
def lodge(engine: Engine, tmp_path: Path) -> Lodge:
    return Lodge(engine, tmp_path)


# --- names on passes


def test_a_visitors_name_goes_with_the_keys_of_the_day_and_no_copy_of_it_can_be_read(lodge: Lodge) -> None:
    given = lodge.gives()
    copy = lodge.row(given)
    assert NAME.encode() not in copy.name_sealed
    assert opened_pass(lodge.estate.vault, copy) == (NAME, "")
    assert lodge.ends(29) == []
    assert lodge.row(given).name_sealed is not None
    (made,) = lodge.ends(31)
    assert (made.period, made.rows) == ("2026-11-04", 1)
    assert lodge.row(given).name_sealed is None
    with pytest.raises(IdentityGone):
        opened_pass(lodge.estate.vault, copy)


def test_a_restored_copy_is_emptied_again_and_certified_again(lodge: Lodge) -> None:
    given = lodge.gives()
    copy = lodge.row(given)
    lodge.ends(31)
    with writing(lodge.engine) as connection:
        here = visitor_pass.c.id == given.made.id
        connection.execute(update(visitor_pass).where(here).values(name_sealed=copy.name_sealed))
    (again,) = lodge.ends(31)
    assert (again.period, again.rows) == ("2026-11-04", 1)
    assert lodge.row(given).name_sealed is None


def test_names_from_before_there_were_keys_of_a_day_are_deleted_in_their_time(lodge: Lodge) -> None:
    given = lodge.gives("")
    named = f"visitor_pass:{given.made.id}"
    plain = b"\x92\xa3\xe7\x8e\x8b\xa0"  # 王, and no telephone, as MessagePack
    sealed = lodge.estate.vault.seal_register(lodge.estate.community, named, plain)
    with writing(lodge.engine) as connection:
        here = visitor_pass.c.id == given.made.id
        connection.execute(update(visitor_pass).where(here).values(sealed=sealed))
    assert opened_pass(lodge.estate.vault, lodge.row(given)) == ("王", "")
    lodge.ends(29)
    assert lodge.row(given).sealed is not None
    lodge.ends(31)
    assert lodge.row(given).sealed is None


# --- receipts


def test_a_receipt_says_what_was_recorded_and_after_the_deletion_which_certificate_proves_it(
    lodge: Lodge,
) -> None:
    given = lodge.gives()
    assert lodge.told(given.made.receipt) == [("visitor_passes", "kept", None)]
    lodge.enters(given, 3)
    kept = [("visitor_passes", "kept", None), ("entry_records", "kept", None)]
    assert lodge.told(given.made.receipt) == kept, "a door once a day"
    (made,) = lodge.ends(31)
    gone = [("visitor_passes", "deleted", made.number), ("entry_records", "kept", None)]
    assert lodge.told(given.made.receipt) == gone


def test_a_receipt_says_how_the_pass_stands(lodge: Lodge) -> None:
    given = lodge.gives()

    def stands(now_us: int) -> Standing:
        with lodge.estate.reading() as connection:
            return recorded(connection, given.made.receipt or "", RULES, now_us).standing

    over_us = NOON_US + 4 * HOUR_US
    moments = (NOON_US - 1, NOON_US, over_us - 1, over_us)
    assert [stands(at) for at in moments] == ["not_yet", "good", "good", "over"]
    with writing(lodge.engine) as connection:
        revoke(connection, given.made.id, [SITE], by="account 1", now_us=NOON_US + HOUR_US)
    assert {stands(at) for at in (NOON_US + HOUR_US, over_us)} == {"taken_back"}


def test_what_was_deleted_because_somebody_asked_needs_no_certificate(lodge: Lodge) -> None:
    given = lodge.gives()
    with writing(lodge.engine) as connection:
        forget_visitor(connection, given.made.id, [SITE], by="account 1", now_us=NOON_US)
    lodge.ends(31)
    assert lodge.told(given.made.receipt) == [("visitor_passes", "deleted_as_asked", None)]
    assert lodge.told(lodge.gives("").made.receipt) == [], "of whom nobody asked for a name"


def test_an_identity_that_was_never_kept_is_not_called_deleted(lodge: Lodge) -> None:
    """A child's, a damaged one, or one that came too late: the record names it, and no row holds it."""
    given = lodge.gives("")
    lodge.enters(given, identity=envelope_hash(b"sealed"))
    entry = ("entry_records", "kept", None)
    assert lodge.told(given.made.receipt) == [entry, ("visitor_identity", "not_kept", None)]
    lodge.keeps_an_envelope()
    assert lodge.told(given.made.receipt) == [entry, ("visitor_identity", "kept", None)]
    (made,) = lodge.ends(31)
    assert lodge.told(given.made.receipt) == [entry, ("visitor_identity", "deleted", made.number)]


def test_when_an_entry_has_gone_a_receipt_names_the_certificate_and_says_nothing_of_a_hold(
    lodge: Lodge,
) -> None:
    given = lodge.gives("")
    lodge.enters(given, 2)
    now_us = [NOON_US]
    reader = open_reader(lodge.engine.url.render_as_string(hide_password=False))
    tally = Tally(lodge.engine, reader, lambda: now_us[0], RULES.zone)
    job = EntryRetention(lodge.engine, reader, CENTRE, RULES, now_us=lambda: now_us[0])
    with writing(lodge.engine) as connection:
        row = connection.execute(select(record).where(record.c.seq == 1)).one()
        place = {name: getattr(row, name) for name in ("gateway_id", "epoch", "seq", "at")}
        case = {"community_id": lodge.estate.community, "look_up_id": 1, "case_number": "A-1"}
        connection.execute(insert(case_hold).values(id=1, made_at=1, until_at=2, **case))
        own = {"community_id": lodge.estate.community, "case_hold_id": 1}
        connection.execute(insert(case_hold_entry).values(id=1, **own, **place))
    for days in (0, 1, 31, 61, 91, 121, 151, 180, 182):
        now_us[0] = NOON_US + days * DAY_US
        with writing(lodge.engine) as connection:
            connection.execute(update(gateway).values(state_at=now_us[0], online=1))
        tally.look()
        job.run()
    with lodge.estate.reading() as connection:
        kept = recorded(connection, given.made.receipt or "", RULES, now_us[0]).kept
        proof = connection.execute(select(deletion_certificate.c.id)).scalar_one()
    assert [(each.state, each.until_us, each.certificate) for each in kept] == [
        ("kept", None, None),
        ("deleted", None, proof),
    ]
    with writing(lodge.engine) as connection:
        connection.execute(delete(case_hold_entry))
    job.run()
    with lodge.estate.reading() as connection:
        (gone,) = recorded(connection, given.made.receipt or "", RULES, now_us[0]).kept
    assert (gone.kind, gone.state, gone.certificate) == ("entry_records", "deleted", proof + 1)
    reader.dispose()


def test_no_receipt_and_a_strange_one_are_nobodys(lodge: Lodge) -> None:
    lodge.gives()
    for wrong in ("", new_receipt(), "%", "7K3M"):
        with pytest.raises(NotThere):
            lodge.told(wrong)


def test_a_receipt_may_be_written_as_people_write() -> None:
    made = new_receipt()
    assert as_made(f" {made.lower().replace('-', ' ')} ") == made


class Asks:
    def __init__(self, served: Served, client: httpx.Client) -> None:
        self._served, self._client = served, client

    def by(self, who: Who, method: str, path: str, body: object = None) -> httpx.Response:
        self._served.is_asked_by(who)
        return self._client.request(method, path, json=body)

    def typed(self, receipt: str | None) -> httpx.Response:
        return self._client.post("/api/v1/receipts", json={"receipt": receipt})

    def page(self, receipt: str | None, lang: str = "en") -> httpx.Response:
        return self._client.post(f"/receipt?lang={lang}", data={"receipt": receipt})


@pytest.fixture
def asks(lodge: Lodge) -> Iterator[Asks]:
    vault, reader = lodge.estate.vault, open_reader(lodge.engine.url.render_as_string(hide_password=False))
    with (
        Served(
            lodge.engine, who=None, vault=vault, signing=CENTRE, now_us=lambda: NOON_US, reader=reader
        ) as served,
        plain_http.Client(base_url=served.address, timeout=DEADLINE_S) as client,
    ):
        yield Asks(served, client)
    reader.dispose()


def test_whoever_holds_it_is_answered_without_an_account_signed_and_on_record(
    lodge: Lodge, asks: Asks
) -> None:
    given = lodge.gives()
    lodge.enters(given)
    answer = asks.typed(given.made.receipt)
    said = answer.json()
    name, entry = said["kept"]
    assert (name["kind"], name["until"]) == ("visitor_passes", "2026-12-04T15:00:00.000000Z")
    assert [entry[each] for each in ("day", "site", "gateway", "door")] == [
        "2026-11-04",
        SITE,
        GATE,
        "gate-in",
    ]
    assert (entry["state"], entry["until"][:10]) == ("kept", "2027-05-04"), "180 days, at most one more"
    assert (entry["set_days"], "责成系统运维方删除" in entry["rule"]) == (180, True)
    for secret in (NAME, given.made.reference, "12:00", "13:00"):
        assert secret not in answer.text
    CENTRE.public_key().verify(bytes.fromhex(said["signature"]), statement(said["at"], said["kept"]))
    with lodge.estate.reading() as connection:
        (event,) = connection.execute(select(look_up_event)).all()
    assert (event.kind, event.account, facts_of(event)["what"]) == ("own_read", 0, "receipt")
    told = asks.page(given.made.receipt)
    assert "大门 大门进口" in told.text
    assert "gate-in" not in told.text
    assert "gone by 2026-12-04" in told.text
    assert "gone by 2027-05-04" in told.text
    assert "责成系统运维方删除" in told.text
    in_chinese = asks.page(given.made.receipt, "zh").text
    assert "最迟 2026-12-04 删除" in in_chinese
    assert "最迟 2027-05-04 删除" in in_chinese


def test_a_guess_keeps_no_record_waiting(lodge: Lodge, asks: Asks) -> None:
    """It is told from what nobody writes, also while somebody writes."""
    lodge.gives()
    with writing(lodge.engine) as connection:
        connection.execute(update(visitor_pass).values(issued_by="somebody"))
        assert asks.typed(new_receipt()).status_code == 404
        assert asks.page(new_receipt()).status_code == 404
    with lodge.estate.reading() as connection:
        assert connection.execute(select(look_up_event)).all() == []


def test_receipts_cannot_be_tried_out(lodge: Lodge, asks: Asks) -> None:
    answers = [asks.typed(new_receipt()) for _ in range(11)]
    assert [each.status_code for each in answers] == [404] * 10 + [429]
    assert answers[-1].headers["Retry-After"]
    assert "Too many tries" in asks.page(lodge.gives().made.receipt).text


# --- the notice


def test_the_notice_says_all_that_it_must_in_both_languages_to_each_of_them(lodge: Lodge, asks: Asks) -> None:
    community = lodge.estate.community
    lodge.estate.resident("王小明", "101", "04A1B2C3")
    resident = somebody(Role.RESIDENT, community, account=9, person=1)
    zh, en = asks.by(resident, "GET", f"/api/v1/communities/{community}/notice").json()
    assert [each["heading"] for each in en["paragraphs"]] == [
        "Who",
        "Why",
        "What",
        "Why it is needed, and what it means for you",
        "How long",
        "Who receives it",
        "Your rights",
        "Contact",
    ]
    kept = zh["paragraphs"][4]["text"]
    assert "通行记录 180 天；" in kept
    assert "访客姓名 30 天" in kept
    worker = somebody(Role.WORKER, community, account=21)
    given = lodge.gives()
    shown = f"/visitors/{given.made.id}"
    for who, path in ((resident, "/own/notice"), (worker, "/notice?door=East"), (worker, shown)):
        page = asks.by(who, "GET", path).text
        assert zh["paragraphs"][6]["text"] in page, path
        assert "000-0000-0000" in page, path
    assert str(given.made.receipt) in asks.by(worker, "GET", shown).text


def test_that_it_hangs_at_a_door_is_on_record_until_there_is_a_newer_one(lodge: Lodge, asks: Asks) -> None:
    here = f"/api/v1/communities/{lodge.estate.community}"
    installer = somebody(Role.INSTALLER, lodge.estate.community, account=31)
    worker = somebody(Role.WORKER, lodge.estate.community, account=21)
    (door,) = asks.by(installer, "GET", f"{here}/notices-hung").json()
    assert (door["label"], door["version"], door["current"]) == ("大门进口", None, False)
    at = {"site": SITE, "gateway": GATE, "door": "gate-in"}
    seen = asks.by(installer, "POST", f"{here}/notices-hung", at).json()
    assert (seen["version"], seen["account"], seen["current"]) == (1, 31, True)
    assert asks.by(installer, "POST", f"{here}/notices-hung", {**at, "door": "roof"}).status_code == 404
    document = asks.by(worker, "GET", f"{here}/assessments/1").json()["document"]
    asks.by(worker, "POST", f"{here}/assessments", {**document, "risks": "另有风险"})
    supervisor = somebody(Role.SUPERVISOR, lodge.estate.community, account=23)
    assert asks.by(supervisor, "POST", f"{here}/live", {"version": 2}).status_code == 200
    (door,) = asks.by(installer, "GET", f"{here}/notices-hung").json()
    assert (door["version"], door["current"]) == (1, False)
    page = asks.by(worker, "GET", "/notice?lang=en").text
    assert "an older one" in page
    assert "I saw it hang" in page
