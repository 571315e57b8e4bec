"""The watch over a real database: what arrives becomes alarms, once, also across stops; API and webhooks."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import plain_http
import pytest
from central_support import SITE, START_US
from central_web_support import (
    COMMUNITY,
    NOW_US,
    SECRET_HOLDER,
    SECRET_TOKEN,
    Chain,
    Filled,
    Served,
    a_filled,
    about,
    online,
    secretive,
    somebody,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import delete, select, update

from central.accounts.book import make_community
from central.accounts.who import Role
from central.alarms import book, integrity, webhooks
from central.alarms.kinds import AlarmKind
from central.alarms.rules import Rules
from central.alarms.watch import Watch
from central.alarms.webhooks import WebhookService, add_webhook
from central.errors import BadQuestion, Clash, RowRefused
from central.fleet.completeness import completeness
from central.store.alarm_tables import alarm_event, webhook_message
from central.store.engine import writing
from messages.model import Kind, Reason
from messages.topics import Leaf

SECOND_US = 1_000_000
OPERATOR = somebody(Role.OPERATOR, COMMUNITY)


class House:
    """A gateway, the watch over it, and a clock of the test's own."""

    def __init__(self, filled: Filled) -> None:
        self.filled = filled
        self.chain = Chain()
        self.now_us = NOW_US
        self.watch = self.a_watch()
        self.watch.begin()

    def a_watch(self) -> Watch:
        return Watch(self.filled.writer, self.filled.reader, lambda: self.now_us, UTC)

    def happens(self, kind: Kind, at_s: int, **changes: object) -> None:
        first = len(self.chain.bodies) + 1
        where = {"door": "door-1", "reader": "reader-1", "reason": None, "at": START_US + at_s * SECOND_US}
        secretive(self.chain, 1, **{**where, **changes, "kind": kind})
        self.filled.take(self.chain.block(first))

    def looks(self) -> None:
        while self.watch.look():
            continue

    def alarms(self, **only: bool) -> list[book.Alarm]:
        with self.filled.reader.connect() as connection:
            return book.alarms(connection, [SITE], self.now_us, **only)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with a_filled(tmp_path) as filled:
        yield House(filled)


def test_a_forced_door_is_there_at_the_next_look_with_its_record(house: House) -> None:
    house.happens(Kind.ACCESS_GRANTED, 1)
    house.happens(Kind.DOOR_FORCED, 2, reason=Reason.NO_RELEASE)
    house.looks()
    [alarm] = house.alarms()
    assert (alarm.kind, alarm.door, alarm.over_us) == (AlarmKind.FORCED, "door-1", None)
    with house.filled.reader.connect() as connection:
        assert book.one_alarm(connection, alarm.id, [SITE], house.now_us).records == ((1, 2),)
    house.happens(Kind.DOOR_CLOSED, 5)
    house.looks()
    [over] = house.alarms()
    assert (over.id, over.over_us) == (alarm.id, START_US + 5 * SECOND_US)


def test_a_watch_that_begins_again_raises_nothing_twice_and_misses_nothing(house: House) -> None:
    house.happens(Kind.DOOR_FORCED, 1)
    house.looks()
    house.watch = house.a_watch()
    house.watch.begin()
    house.happens(Kind.DOOR_CLOSED, 2)
    house.happens(Kind.TAMPER, 3)
    house.looks()
    assert {(alarm.kind, alarm.count) for alarm in house.alarms()} == {
        (AlarmKind.FORCED, 1),
        (AlarmKind.TAMPER, 1),
    }


def test_a_reader_that_is_back_at_once_is_no_alarm(house: House) -> None:
    house.happens(Kind.READER_LOST, 1)
    house.looks()
    house.now_us = START_US + 20 * SECOND_US
    assert house.alarms() == [], "not yet"
    house.happens(Kind.READER_RESTORED, 21)
    house.looks()
    house.now_us = START_US + 3_600 * SECOND_US
    assert house.alarms() == []
    house.happens(Kind.READER_LOST, 100)
    house.looks()
    assert [alarm.kind for alarm in house.alarms()] == [AlarmKind.READER_LOST]


def test_a_gateway_that_falls_silent_is_told_until_it_speaks(house: House) -> None:
    house.happens(Kind.ACCESS_GRANTED, 1)
    house.filled.take(about("东楼"), online(house.chain.head()))
    house.looks()
    assert house.alarms() == []
    house.now_us = NOW_US + 121 * SECOND_US
    house.looks()
    [silent] = house.alarms()
    assert (silent.kind, silent.over_us) == (AlarmKind.GATEWAY_SILENT, None)


def test_records_that_do_not_come_are_told_and_when_they_have_come(house: House) -> None:
    house.happens(Kind.ACCESS_GRANTED, 1)
    secretive(house.chain, 3)
    house.filled.take(online(house.chain.head()))
    house.looks()
    house.now_us += 121 * SECOND_US
    house.looks()
    gap = next(alarm for alarm in house.alarms() if alarm.kind is AlarmKind.GAP)
    assert (gap.count, gap.over_us) == (3, None)
    house.filled.take(house.chain.block(2))
    house.now_us += 11 * SECOND_US
    house.looks()
    assert all(alarm.over_us for alarm in house.alarms() if alarm.kind is AlarmKind.GAP)


def test_what_makes_a_story_doubtful_is_told_once(house: House) -> None:
    house.happens(Kind.ACCESS_GRANTED, 1)
    for text in (b"{", b"[", b"{"):
        house.filled.take((Leaf.JOURNAL, text))
        house.now_us += 11 * SECOND_US
        house.looks()
    [flaw] = [alarm for alarm in house.alarms() if alarm.kind is AlarmKind.INTEGRITY]
    assert (flaw.device, flaw.count, flaw.over_us) == ("poison", 3, None)


def test_a_doubtful_story_ends_when_somebody_declares_what_it_was_and_a_new_break_is_another_alarm(
    house: House,
) -> None:
    def look() -> list[book.Alarm]:
        house.now_us += 11 * SECOND_US
        house.looks()
        return [alarm for alarm in house.alarms() if alarm.kind is AlarmKind.INTEGRITY]

    def declare(number: int, **changes: object) -> book.Alarm:
        said: dict[str, object] = {"count": 1, "found": "换盘时日志损坏", "done": "已核对现场", **changes}
        with writing(house.filled.writer) as connection:
            return integrity.declare(
                connection,
                number,
                [SITE],
                by="account 1",
                now_us=house.now_us,
                **said,  # type: ignore[arg-type]
            )

    house.happens(Kind.ACCESS_GRANTED, 1)
    house.filled.take((Leaf.JOURNAL, b"{"))
    [flaw] = look()
    for wrong, refused in (({"found": " "}, BadQuestion), ({"count": 2}, Clash)):
        with pytest.raises(refused):
            declare(flaw.id, **wrong)
    over = declare(flaw.id)
    assert (over.over_us, over.seen_by) == (house.now_us, "account 1")
    with pytest.raises(Clash):
        declare(flaw.id)
    assert [alarm.id for alarm in look()] == [flaw.id], "nor does it come again"
    with house.filled.reader.connect() as connection:
        [known] = completeness(connection)
        said = integrity.declared_of(connection, [flaw.id])[flaw.id]
    assert (known.complete, known.findings) == (False, {"poison": 1}), "the records stay marked for ever"
    assert (said.by, said.found, said.done, said.count) == ("account 1", "换盘时日志损坏", "已核对现场", 1)
    house.filled.take((Leaf.JOURNAL, b"["))
    newer, older = look()
    assert (newer.over_us, newer.count, older.id) == (None, 1, flaw.id)


def test_a_declaration_stands_also_where_the_watch_saw_the_alarm_lasting(house: House) -> None:
    house.happens(Kind.ACCESS_GRANTED, 1)
    house.filled.take((Leaf.JOURNAL, b"{"))
    house.looks()
    with house.filled.reader.connect() as connection:
        [lasting] = [
            each
            for each in book.lasting(connection, Rules(book.rules_in_force(connection)))
            if each.rule.kind is AlarmKind.INTEGRITY
        ]
    assert lasting.id is not None
    lasting.again(house.now_us)
    with writing(house.filled.writer) as connection:
        said = {"count": 1, "found": "损坏", "done": "核对", "by": "account 1", "now_us": house.now_us}
        integrity.declare(connection, lasting.id, [SITE], **said)  # type: ignore[arg-type]
        book.note(connection, [lasting], house.now_us)
        assert book.one_alarm(connection, lasting.id, [SITE], house.now_us).over_us == house.now_us


def test_an_ended_rule_raises_nothing_more(house: House) -> None:
    with writing(house.filled.writer) as connection:
        rules = {rule.kind: rule for rule in book.rules_in_force(connection)}
        book.end_rule(connection, rules[AlarmKind.FORCED].id, house.now_us)
    house.happens(Kind.DOOR_FORCED, 1)
    house.looks()
    assert house.alarms() == []


# --- the API ---------------------------------------------------------------------------------------------


@pytest.fixture
def served(house: House) -> Iterator[Served]:
    with Served(house.filled, who=OPERATOR, now_us=lambda: house.now_us) as running:
        yield running


def sent(served: Served, method: str, path: str, said: object = None) -> httpx.Response:
    return plain_http.request(method, f"{served.address}/api/v1{path}", json=said, timeout=30)


def test_somebody_sees_to_an_alarm_once_and_it_says_who_and_what_was_found(
    house: House, served: Served
) -> None:
    house.happens(Kind.DOOR_FORCED, 1)
    house.looks()
    [alarm] = sent(served, "GET", "/alarms?unseen=true").json()["alarms"]
    seen = sent(served, "POST", f"/alarms/{alarm['id']}/seen", {"note": "门闩已修"})
    assert seen.status_code == 200
    assert (seen.json()["seen_by"], seen.json()["note"]) == ("account 1", "门闩已修")
    assert sent(served, "POST", f"/alarms/{alarm['id']}/seen", {}).status_code == 409
    again = sent(served, "POST", f"/alarms/{alarm['id']}/unseen")
    assert (again.status_code, again.json()["seen_at"], again.json()["note"]) == (200, None, None)
    assert sent(served, "POST", f"/alarms/{alarm['id']}/unseen").status_code == 409
    sent(served, "POST", f"/alarms/{alarm['id']}/seen", {"note": "门闩已修"})
    assert sent(served, "GET", "/alarms?unseen=true").json()["alarms"] == []
    assert sent(served, "GET", f"/alarms/{alarm['id']}").json()["records"] == [{"epoch": 1, "seq": 1}]


def an_alarm(house: House, kind: Kind = Kind.DOOR_FORCED) -> book.Alarm:
    house.happens(kind, 1)
    house.looks()
    with house.filled.reader.connect() as connection:
        return book.alarms(connection, [SITE], house.now_us)[0]


def test_what_was_noted_stays_in_the_events_when_seeing_to_is_taken_back(house: House) -> None:
    number = an_alarm(house).id
    with writing(house.filled.writer) as connection:
        book.see_to(connection, number, [SITE], who="account 1", note_="门闩已修", now_us=house.now_us)
    with writing(house.filled.writer) as connection:
        book.take_back_seen(connection, number, [SITE], who="account 1", now_us=house.now_us)
    with house.filled.reader.connect() as connection:
        found = connection.execute(select(alarm_event).order_by(alarm_event.c.id)).all()
    assert [(row.event, row.note) for row in found] == [("seen", "门闩已修"), ("unseen", None)]
    for change in (update(alarm_event).values(note=None), delete(alarm_event)):
        with pytest.raises(RowRefused, match="only grow"), writing(house.filled.writer) as connection:
            connection.execute(change)


def test_of_two_who_act_at_once_on_an_alarm_the_second_one_clashes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    unseen = an_alarm(house)
    number, at_us = unseen.id, house.now_us
    with writing(house.filled.writer) as connection:
        seen = book.see_to(connection, number, [SITE], who="account 1", note_="", now_us=at_us)
    with monkeypatch.context() as patched, writing(house.filled.writer) as connection:
        patched.setattr(book, "one_alarm", lambda *_: unseen)
        with pytest.raises(Clash, match="already"):
            book.see_to(connection, number, [SITE], who="account 2", note_="", now_us=at_us)
    with writing(house.filled.writer) as connection:
        book.take_back_seen(connection, number, [SITE], who="account 1", now_us=at_us)
        book.see_to(connection, number, [SITE], who="account 2", note_="", now_us=at_us + 1)
    with monkeypatch.context() as patched, writing(house.filled.writer) as connection:
        patched.setattr(book, "one_alarm", lambda *_: seen)
        with pytest.raises(Clash, match="changed since"):
            book.take_back_seen(connection, number, [SITE], who="account 1", now_us=at_us + 1)
    with house.filled.reader.connect() as connection:
        events = connection.execute(select(alarm_event.c.event).order_by(alarm_event.c.id)).scalars()
        assert list(events) == ["seen", "unseen", "seen"]


def test_a_declaration_takes_a_fresh_factor_and_says_who_and_what(house: House, served: Served) -> None:
    house.happens(Kind.ACCESS_GRANTED, 1)
    house.filled.take((Leaf.JOURNAL, b"{"))
    house.looks()
    number = next(alarm.id for alarm in house.alarms() if alarm.kind is AlarmKind.INTEGRITY)
    said = {"count": 1, "found": "换盘时日志损坏", "done": "已核对现场"}
    served.is_asked_by(replace(OPERATOR, fresh=False))
    assert sent(served, "POST", f"/alarms/{number}/declare", said).status_code == 401
    served.is_asked_by(OPERATOR)
    done = sent(served, "POST", f"/alarms/{number}/declare", said)
    assert (done.status_code, done.json()["declared"]["by"]) == (200, "account 1")
    assert sent(served, "GET", f"/alarms/{number}").json()["declared"]["found"] == "换盘时日志损坏"
    assert sent(served, "POST", f"/alarms/{number}/declare", said).status_code == 409
    house.happens(Kind.DOOR_FORCED, 2)
    house.looks()
    forced = next(alarm.id for alarm in house.alarms() if alarm.kind is AlarmKind.FORCED)
    assert sent(served, "POST", f"/alarms/{forced}/declare", said).status_code == 409


def test_alarms_of_others_are_as_if_they_were_not(house: House, served: Served) -> None:
    house.happens(Kind.DOOR_FORCED, 1)
    house.looks()
    number = sent(served, "GET", "/alarms").json()["alarms"][0]["id"]
    with writing(house.filled.writer) as connection:
        other = make_community(connection, "2", "别处", ["elsewhere"], NOW_US)
    served.is_asked_by(somebody(Role.OPERATOR, other))
    assert sent(served, "GET", "/alarms").json()["alarms"] == []
    for method, path, said in (
        ("GET", f"/alarms/{number}", None),
        ("POST", f"/alarms/{number}/seen", {}),
        ("POST", f"/alarms/{number}/unseen", None),
        ("POST", "/alarm-rules", {"kind": "held", "site": SITE}),
        ("POST", "/webhooks", {"site": SITE, "url": "https://desk.example/"}),
    ):
        assert sent(served, method, path, said).status_code == 404, (method, path)


def test_pages_of_alarms_follow_each_other_without_a_hole(house: House, served: Served) -> None:
    for second in range(7):
        house.happens(Kind.DURESS, second)
    house.looks()
    found: list[int] = []
    before = ""
    while True:
        page = sent(served, "GET", f"/alarms?limit=3{before}").json()
        found += [alarm["id"] for alarm in page["alarms"]]
        if page["next_before"] is None:
            break
        before = f"&before={page['next_before']}"
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 7


def test_a_rule_is_tried_on_the_past_before_it_is_switched_on(house: House, served: Served) -> None:
    for second, back in ((10, 25), (100, 400), (1_000, 1_010)):
        house.happens(Kind.READER_LOST, second)
        house.happens(Kind.READER_RESTORED, back)
    window = {"from": "2023-11-14T00:00:00Z", "until": "2023-11-16T00:00:00Z"}

    def raised(after_s: int) -> int:
        asked = {"kind": "reader_lost", "site": SITE, "limits": {"after_s": after_s}, **window}
        answer = sent(served, "POST", "/alarm-rules/back-test", asked)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["alarms"])

    assert [raised(after_s) for after_s in (0, 12, 60, 600)] == [3, 2, 1, 0]
    of_states = {"kind": "gateway_silent", "site": SITE, **window}
    assert "cannot be tried" in sent(served, "POST", "/alarm-rules/back-test", of_states).json()["detail"]
    made = sent(
        served, "POST", "/alarm-rules", {"kind": "reader_lost", "site": SITE, "limits": {"after_s": 60}}
    )
    assert made.status_code == 201
    rules = [rule for rule in sent(served, "GET", "/alarm-rules").json() if rule["kind"] == "reader_lost"]
    assert [(rule["site"], rule["limits"]) for rule in rules] == [
        ("*", {"after_s": 30}),
        (SITE, {"after_s": 60}),
    ]
    assert sent(served, "DELETE", f"/alarm-rules/{made.json()['id']}").status_code == 204


def test_a_limit_that_a_kind_does_not_have_is_refused_with_those_it_has(served: Served) -> None:
    asked = {"kind": "reader_lost", "site": SITE, "limits": {"after": 1}}
    answer = sent(served, "POST", "/alarm-rules", asked)
    assert (answer.status_code, "it has: after_s" in answer.json()["detail"]) == (422, True)


# --- webhooks --------------------------------------------------------------------------------------------


@contextmanager
def a_program(*answers: int) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """A real HTTP server that answers so, one after the other; what it was told, headers and body."""
    told: list[tuple[dict[str, str], bytes]] = []
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.append((dict(self.headers), body))
            self.send_response(left.pop(0) if left else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Into nobody's way."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/alarms?desk=1", told
        finally:
            server.shutdown()
            thread.join()


def hooked(house: House, url: str, *kinds: AlarmKind) -> WebhookService:
    with writing(house.filled.writer) as connection:
        add_webhook(connection, SITE, url, kinds=kinds, made_by="test", now_us=NOW_US)
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    return WebhookService(house.filled.writer, house.filled.reader, key, lambda: house.now_us)


def test_a_program_is_told_of_begin_and_end_with_a_signature_and_nothing_of_persons(house: House) -> None:
    with a_program() as (url, told):
        service = hooked(house, url)
        house.happens(Kind.DOOR_FORCED, 1)
        house.looks()
        assert service.send_what_is_due() == 1
        house.happens(Kind.DOOR_CLOSED, 9)
        house.looks()
        assert service.send_what_is_due() == 1
        assert service.send_what_is_due() == 0
    events = [json.loads(body)["event"] for _, body in told]
    assert events == ["began", "over"]
    for headers, body in told:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(headers["Liuhen-Key"]))
        signed = headers["Liuhen-Time"].encode() + b"." + body
        key.verify(bytes.fromhex(headers["Liuhen-Signature"]), signed)  # raises where it does not hold
        assert SECRET_TOKEN.encode() not in body
        assert SECRET_HOLDER.encode() not in body
    alarm = json.loads(told[0][1])["alarm"]
    assert (alarm["kind"], alarm["site"], alarm["door"], alarm["over_at"]) == ("forced", SITE, "door-1", None)


def test_what_was_told_stays_on_record_and_is_told_again_each_time_it_is_so_again(house: House) -> None:
    with a_program() as (url, told):
        service = hooked(house, url)
        number = an_alarm(house).id
        for announce in (webhooks.announce_seen, webhooks.announce_unseen) * 2:
            with writing(house.filled.writer) as connection:
                announce(connection, number, house.now_us)
            service.send_what_is_due()
        for announce in (webhooks.announce_seen, webhooks.announce_unseen, webhooks.announce_seen):
            with writing(house.filled.writer) as connection:  # before anybody was told
                announce(connection, number, house.now_us)
        service.send_what_is_due()
    events = [json.loads(body)["event"] for _, body in told]
    assert events == ["began", "seen", "unseen", "seen", "unseen", "seen"]
    assert len({json.loads(body)["id"] for _, body in told}) == len(told)
    with house.filled.reader.connect() as connection:
        kept = connection.execute(select(webhook_message).order_by(webhook_message.c.id)).all()
    assert [row.event for row in kept if row.delivered_at is not None] == events


def test_what_is_not_taken_is_tried_again_later_under_the_same_number(house: House) -> None:
    with a_program(500, 302, 200) as (url, told):
        service = hooked(house, url)
        house.happens(Kind.DURESS, 1)
        house.looks()
        assert service.send_what_is_due() == 1
        assert service.send_what_is_due() == 0, "not at once"
        for _ in range(2):
            house.now_us += 60 * SECOND_US
            assert service.send_what_is_due() == 1
        house.now_us += 86_400 * SECOND_US
        assert service.send_what_is_due() == 0
    assert len({json.loads(body)["id"] for _, body in told}) == 1
    with house.filled.reader.connect() as connection:
        row = connection.execute(select(webhook_message)).one()
    assert (row.tries, row.last_answer, row.delivered_at is not None) == (3, "200", True)


def test_one_that_never_answers_is_given_up_after_days_and_keeps_nobody_waiting(house: House) -> None:
    with a_program() as (url, told):
        service = hooked(house, "http://127.0.0.1:1/nobody")
        hooked(house, url)
        for second in range(30):
            house.happens(Kind.DURESS, second)
        house.looks()
        service.send_what_is_due()
        service.send_what_is_due()
        assert len(told) > 10
        for _ in range(40):
            house.now_us += 4 * 3_600 * SECOND_US
            service.send_what_is_due()
    with house.filled.reader.connect() as connection:
        rows = connection.execute(select(webhook_message)).all()
    assert all(row.next_try_at is None for row in rows if row.delivered_at is not None)
    assert len([row for row in rows if row.delivered_at is not None]) == 30


def test_only_the_kinds_that_were_asked_for_are_told(house: House) -> None:
    with a_program() as (url, told):
        service = hooked(house, url, AlarmKind.DURESS)
        house.happens(Kind.DOOR_FORCED, 1)
        house.happens(Kind.DURESS, 2)
        house.looks()
        service.send_what_is_due()
    assert [json.loads(body)["alarm"]["kind"] for _, body in told] == ["duress"]


@pytest.mark.parametrize(
    "url",
    [
        "http://desk.example/",
        "ftp://desk.example/",
        "https://name:secret@desk.example/",
        "https:///nowhere",
        "https://desk.example:0/",
        "https://desk.example:99999/",
        "http://127.0.0.1.evil.example/",
        "https://desk.example/" + "x" * 500,
    ],
)
def test_an_address_that_could_be_read_on_the_way_is_refused(url: str) -> None:
    with pytest.raises(BadQuestion):
        webhooks.checked_url(url)
