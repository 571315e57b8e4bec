"""Commands and site settings as people give them: over a real broker to a gateway that obeys, and pages."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import plain_http
import pytest
from central_support import DEADLINE_S, SITE, Broker, a_broker, until
from central_web_support import COMMUNITY, NOW_US, Chain, Filled, Served, a_filled, about, online, somebody
from ordered_gateway import NAME, GatewaysEnd

from central.accounts.who import Role, Who
from central.fleet.commanding import Line
from central.fleet.keys import CentreKeys, make_centre_keys, trust_gateway
from central.fleet.order_service import OrderService
from central.fleet.orders import BY_CENTRE, BY_COMMAND_LINE, note_settings
from central.fleet.settings_differences import Difference, differences
from central.settings import KeysPart, MqttPart
from central.store.engine import writing
from gateway.events import CommandGiven, NewSettings
from messages.commands import Action, Why
from messages.keys import encode_keys
from messages.signing import EVERY_GATEWAY
from messages.site_settings import SealingKey, SiteSettings, encode_site_settings

OPERATOR = somebody(Role.OPERATOR, COMMUNITY, account=7)
HERE = f"/api/v1/gateways/{SITE}/{NAME}/commands"
SETTINGS = f"/api/v1/sites/{SITE}/settings"
RELEASE = {"action": "release", "why": "delivery", "door": "lobby"}
PIN_AT_NIGHT = {
    "schedules": {"night": {"windows": [{"from": "22:00", "to": "06:00", "days": ["mon", "sun"]}]}},
    "doors": {"lobby": {"windows": [{"schedule": "night", "asks_pin": True}]}},
}


@dataclass
class Town:
    """A centre, a broker and one gateway that takes what it is ordered."""

    filled: Filled
    broker: Broker
    keys: CentreKeys
    files: KeysPart
    east: GatewaysEnd

    @contextmanager
    def orders(self) -> Iterator[OrderService]:
        service = OrderService(self.filled.writer, MqttPart(port=self.broker.port), self.keys, self.files)
        service.start()
        try:
            until(lambda: service.connected, "the line to the broker")
            yield service
        finally:
            service.stop()

    def served(self, line: Line | None, who: Who = OPERATOR) -> Served:
        signing = self.keys.signing[0]
        return Served(self.filled, who=who, signing=signing, line=line, now_us=now_us)


def now_us() -> int:
    """The gateway takes no command of yesterday."""
    return time.time_ns() // 1_000


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    keys = make_centre_keys(tmp_path / "centre.key")
    (tmp_path / "centre.json").write_bytes(encode_keys(keys.public()))
    (tmp_path / "east").mkdir()
    with a_filled(tmp_path) as filled, a_broker(tmp_path) as broker:
        chain = Chain(NAME)
        chain.grow(5)
        filled.take(
            about("东楼", [("lobby", "大堂", ["reader"])]), chain.block(4), online(chain.head()), gateway=NAME
        )
        east = GatewaysEnd(tmp_path / "east", SITE, broker.port, tmp_path / "centre.json")
        assert east.keys.device is not None
        trust_gateway(tmp_path / "gateway-keys", encode_keys(east.keys.device.public(SITE, NAME)))
        files = KeysPart(centre_key_file=tmp_path / "centre.key", gateway_keys=tmp_path / "gateway-keys")
        try:
            yield Town(filled, broker, keys, files, east)
        finally:
            east.stop()


def sent(served: Served, path: str, body: object) -> httpx.Response:
    return plain_http.post(f"{served.address}{path}", json=body, timeout=DEADLINE_S)


def test_a_door_is_released_and_what_became_of_it_is_told(town: Town) -> None:
    with town.orders() as orders, town.served(orders) as served:
        answer = sent(served, HERE, RELEASE)
        assert answer.status_code == 201, answer.text
        given = answer.json()
        assert (given["action"], given["door"], given["why"], given["operator"]) == (
            "release",
            "lobby",
            "delivery",
            "account-7",
        )

        def answered() -> Any:
            found = served.get(f"/api/v1/commands/{given['id']}").json()
            return found if found["standing"] != "sent" else None

        until(lambda: answered() is not None, "the gateway's answer")
        told = answered()
        assert (told["standing"], told["epoch"], told["seq"], told["reason"]) == ("done", 3, 9, None)
        heard = [each.command for each in town.east.told if isinstance(each, CommandGiven)]
        assert [(c.action, c.door, c.operator, c.why) for c in heard] == [
            (Action.RELEASE, "lobby", "account-7", Why.DELIVERY)
        ]
        again = sent(served, HERE, {"action": "send_records", "why": "maintenance"})
        assert again.status_code == 201, again.text
        until(lambda: len(town.east.told) == 2, "the second command")
        ranges = town.east.told[-1]
        assert isinstance(ranges, CommandGiven)
        assert [(each.epoch, each.first, each.last) for each in ranges.command.ranges] == [(1, 1, 3)]
        page = served.get("/api/v1/commands", limit=1).json()
        assert [each["id"] for each in page["commands"]] == [again.json()["id"]]
        older = served.get("/api/v1/commands", before=page["next_before"]).json()
        assert [each["id"] for each in older["commands"]] == [given["id"]]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        pytest.param({"action": "release", "why": "test"}, 422, "door:", id="no door"),
        pytest.param({**RELEASE, "door": "cellar"}, 404, "no such door", id="a door of others"),
        pytest.param({**RELEASE, "minutes": 5}, 422, "minutes:", id="a time where none belongs"),
        pytest.param({**RELEASE, "action": "free"}, 422, "minutes:", id="free for ever"),
        pytest.param(
            {"action": "reset_passback", "why": "test", "door": "lobby"}, 422, "door:", id="too much"
        ),
        pytest.param(RELEASE, 503, "not sent", id="no broker"),
    ],
)
def test_what_cannot_be_ordered_is_not_sent(town: Town, body: object, status: int, said: str) -> None:
    unstarted = OrderService(town.filled.writer, MqttPart(port=town.broker.port), town.keys, town.files)
    with town.served(unstarted) as served:
        answer = sent(served, HERE, body)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["detail"]


def test_a_centre_without_keys_and_an_operator_of_others_order_nothing(town: Town) -> None:
    with town.served(None) as served:
        assert sent(served, HERE, RELEASE).status_code == 409
        served.is_asked_by(somebody(Role.OPERATOR, COMMUNITY + 1))
        assert served.get("/api/v1/commands").json() == {"commands": [], "next_before": None}
        assert served.get(SETTINGS).status_code == 404
    with town.orders() as orders, town.served(orders, somebody(Role.OPERATOR, COMMUNITY + 1)) as served:
        assert sent(served, HERE, RELEASE).status_code == 404


def test_settings_are_previewed_written_and_reach_the_gateway(town: Town) -> None:
    with town.orders() as orders, town.served(orders) as served:
        first = served.get(SETTINGS).json()
        assert (first["revision"], first["settings"], first["gateways"]) == (0, {}, {NAME: None})
        body = {"settings": PIN_AT_NIGHT}
        preview = sent(served, f"{SETTINGS}/preview", body).json()
        assert {"place": "doors.lobby.windows[1].asks_pin", "before": None, "after": "true"} in preview
        made = sent(served, SETTINGS, body | {"after": 0})
        assert made.status_code == 201, made.text
        assert made.json()["revision"] == 1
        until(lambda: [each for each in town.east.told if isinstance(each, NewSettings)], "settings")
        stale = sent(served, SETTINGS, body | {"after": 0})
        same = sent(served, SETTINGS, body | {"after": 1})
        assert [each.status_code for each in (stale, same)] == [409, 409]
    (told,) = [each.settings for each in town.east.told if isinstance(each, NewSettings)]
    assert told.doors["lobby"].windows[0].asks_pin is True
    assert told.pass_keys == (town.keys.signing[0].public_key().public_bytes_raw().hex(),)


def test_keys_and_revision_are_the_centres_own(town: Town) -> None:
    sealing = SealingKey("2026-11", "ab" * 32)
    former = SiteSettings(1, 40, NOW_US, pass_keys=("cd" * 32,), sealing_key=sealing)
    with writing(town.filled.writer) as db:
        note_settings(db, SITE, EVERY_GATEWAY, encode_site_settings(former), NOW_US, by="test")
    with town.served(None) as served:
        owned: list[dict[str, Any]] = [
            {"revision": 7},
            {"pass_keys": []},
            {"sealing_key": None},
            {"doors": {"x": {"no": 1}}},
        ]
        for own in owned:
            refused = sent(served, f"{SETTINGS}/preview", {"settings": own})
            assert refused.status_code == 422, own
        made = sent(served, SETTINGS, {"settings": PIN_AT_NIGHT, "after": 40})
        assert made.json()["revision"] == 41
        assert "pass_keys" not in made.json()["settings"]
    with town.filled.reader.connect() as db:
        (body,) = db.exec_driver_sql("SELECT body FROM sent_settings WHERE revision = 41").scalars()
    assert b"cd" * 32 in body
    assert b"ab" * 32 in body


def taken(town: Town) -> list[SiteSettings]:
    return [each.settings for each in town.east.told if isinstance(each, NewSettings)]


def test_a_former_revision_is_put_back_as_a_new_one_that_the_gateway_takes(town: Town) -> None:
    """With the keys of today; who wrote which, and what was put back, stays in the list."""
    first, second = PIN_AT_NIGHT, {"doors": {"lobby": {"mode": "free"}}}
    with town.orders() as orders, town.served(orders) as served:
        for after, said in enumerate((first, second)):
            assert sent(served, SETTINGS, {"settings": said, "after": after}).status_code == 201
        listed = served.get(f"{SETTINGS}/revisions").json()["revisions"]
        assert [(each["revision"], each["written_by"], each["in_force"]) for each in listed] == [
            (2, "account 7", True),
            (1, "account 7", False),
        ]
        former = served.get(f"{SETTINGS}/revisions/{listed[1]['id']}").json()
        assert (former["in_force"], former["settings"]["schedules"].keys()) == (2, {"night"})
        assert {"place": "doors.lobby.mode", "before": "free", "after": None} in former["differences"]
        path = f"{SETTINGS}/revisions/{listed[1]['id']}/put-back"
        assert sent(served, path, {"after": 1}).status_code == 409  # others were written since
        made = sent(served, path, {"after": 2})
        assert made.status_code == 201, made.text
        assert made.json()["revision"] == 3
        assert sent(served, path, {"after": 3}).status_code == 409  # nothing differs
        until(lambda: taken(town)[-1:] and taken(town)[-1].revision == 3, "settings")
        page = served.get(f"{SETTINGS}/revisions", limit=1).json()
        assert [(each["revision"], each["puts_back"]) for each in page["revisions"]] == [(3, 1)]
        older = served.get(f"{SETTINGS}/revisions", before=page["next_before"]).json()["revisions"]
        assert [each["revision"] for each in older] == [2, 1]
    assert taken(town)[-1].doors["lobby"].windows[0].asks_pin is True


def test_what_one_gateway_has_alone_is_listed_and_not_put_back(town: Town) -> None:
    whole, alone = (SiteSettings(1, number, NOW_US) for number in (1, 2))
    with writing(town.filled.writer) as db:
        note_settings(db, SITE, EVERY_GATEWAY, encode_site_settings(whole), NOW_US, by=BY_CENTRE)
        note_settings(db, SITE, NAME, encode_site_settings(alone), NOW_US, by=BY_COMMAND_LINE)
        db.exec_driver_sql("UPDATE sent_settings SET written_by = NULL WHERE revision = 1")
    with town.served(None) as served:
        listed = served.get(f"{SETTINGS}/revisions").json()["revisions"]
        assert [(each["gateway"], each["written_by"], each["in_force"]) for each in listed] == [
            (NAME, BY_COMMAND_LINE, True),
            (None, None, True),
        ]
        path = f"{SETTINGS}/revisions/{listed[0]['id']}"
        assert served.get(path).json()["differences"] is None
        assert sent(served, f"{path}/put-back", {"after": 1}).status_code == 409
        served.is_asked_by(somebody(Role.OPERATOR, COMMUNITY + 1))
        assert served.get(f"{SETTINGS}/revisions").status_code == 404
        assert served.get(path).status_code == 404
        assert sent(served, f"{path}/put-back", {"after": 1}).status_code == 404


def test_what_another_program_wrote_is_listed_and_not_put_back(town: Town) -> None:
    with writing(town.filled.writer) as db:
        for number in (1, 2):
            body = encode_site_settings(SiteSettings(1, number, NOW_US))
            note_settings(db, SITE, EVERY_GATEWAY, body, NOW_US, by="account 7")
        db.exec_driver_sql("UPDATE sent_settings SET body = ? WHERE revision = 1", (b'{"v":99}',))
    with town.served(None) as served:
        number = served.get(f"{SETTINGS}/revisions").json()["revisions"][1]["id"]
        former = served.get(f"{SETTINGS}/revisions/{number}").json()
        assert (former["settings"], former["differences"]) == (None, None)
        assert sent(served, f"{SETTINGS}/revisions/{number}/put-back", {"after": 2}).status_code == 409


def test_beside_settings_that_cannot_be_read_a_former_revision_is_shown_without_comparing(town: Town) -> None:
    with writing(town.filled.writer) as db:
        for number in (1, 2):
            body = encode_site_settings(SiteSettings(1, number, NOW_US))
            note_settings(db, SITE, EVERY_GATEWAY, body, NOW_US, by="account 7")
        db.exec_driver_sql("UPDATE sent_settings SET body = ? WHERE revision = 2", (b'{"v":99}',))
    with town.served(None) as served:
        former = served.get(f"{SETTINGS}/revisions/1").json()
        assert (former["in_force"], former["differences"], former["settings"] is None) == (2, None, False)
        headers = {"Accept": "text/html", "Cookie": "liuhen-language=en"}
        for number in (1, 2):
            path = f"{served.address}/operations/settings/revisions/{SITE}/{number}"
            page = plain_http.get(path, headers=headers, timeout=DEADLINE_S)
            assert (page.status_code, page.headers["content-type"][:9]) == (200, "text/html")
            assert f"<title>Revision {number} · {SITE} ·" in page.text
            assert ("A newer program wrote the settings that hold now" in page.text) == (number == 1)
            assert "Put it back" not in page.text


def test_what_is_new_is_told_beside_a_revision_that_lies_on_the_next_page(town: Town) -> None:
    with town.served(None) as served:
        for after, mode in enumerate(("free", "locked_down")):
            body = {"settings": {"doors": {"lobby": {"mode": mode}}}, "after": after}
            assert sent(served, SETTINGS, body).status_code == 201
        with writing(town.filled.writer) as db:
            for number in (3, 4, 5):
                alone = encode_site_settings(SiteSettings(1, number, NOW_US))
                note_settings(db, SITE, NAME, alone, NOW_US, by=BY_COMMAND_LINE)
        page = served.get(f"{SETTINGS}/revisions", before=3, limit=1).json()
        assert [(each["revision"], each["changed"]) for each in page["revisions"]] == [(2, 1)]
        page = served.get(f"{SETTINGS}/revisions", limit=1).json()
        assert [(each["revision"], each["changed"]) for each in page["revisions"]] == [(5, 0)]
        whole = served.get(f"{SETTINGS}/revisions", limit=5).json()["revisions"]
        assert [each["changed"] for each in whole] == [0, 0, None, 1, None]


def test_differences_say_where_and_what() -> None:
    before = {"doors": {"a": {"admits": ["listed"], "asks_pin": False}}, "holidays": {"x": ["2026-01-01"]}}
    after = {"doors": {"a": {"admits": ["listed", "pass"], "asks_pin": False}}, "areas": {}}
    assert differences(before, after) == [
        Difference("areas", None, "-"),
        Difference("doors.a.admits", "listed", "listed, pass"),
        Difference("holidays.x", "2026-01-01", None),
    ]


def test_on_the_page_a_command_takes_a_fresh_factor(town: Town) -> None:
    stale = Who(7, Role.OPERATOR, frozenset({COMMUNITY}))
    with town.orders() as orders, town.served(orders, stale) as served:
        browser = plain_http.Client(
            base_url=served.address, cookies={"liuhen-language": "en"}, timeout=DEADLINE_S
        )
        page = f"/operations/{SITE}/{NAME}"
        form = {"action": "release", "door": "lobby", "why": "visitor", "minutes": "30"}
        late = browser.post(f"{page}/commands", data=form)
        assert (late.status_code, "Nothing was sent" in late.text) == (409, True)
        served.is_asked_by(OPERATOR)
        wrong = browser.post(f"{page}/commands", data=form | {"action": "free", "minutes": "long"})
        assert wrong.status_code == 422
        assert "a whole number from 1 to 44640" in wrong.text
        assert browser.post(f"{page}/commands", data=form).status_code == 303
        until(lambda: "carried out" in browser.get(f"/parts{page}").text, "the answer on the page")
        assert "a visitor" in browser.get("/operations/commands").text
        browser.close()


def test_settings_are_changed_on_the_page(town: Town) -> None:
    with (
        town.served(None) as served,
        plain_http.Client(
            base_url=served.address, cookies={"liuhen-language": "en"}, timeout=DEADLINE_S
        ) as browser,
    ):
        page = f"/operations/settings?site={SITE}"
        assert "None were written yet" in browser.get(page).text
        not_json = browser.post(page, data={"written": '{\n"doors": }'})
        assert (not_json.status_code, "line 2" in not_json.text) == (422, True)
        unknown = browser.post(page, data={"written": '{"gates": {}}'})
        assert (unknown.status_code, "There is no field “gates” here" in unknown.text) == (422, True)
        written = '{"doors": {"lobby": {"mode": "free"}}}'
        shown = browser.post(page, data={"written": written}).text
        assert " › The door<br><code>doors.lobby.mode</code>" in shown
        assert "<ins>stands free at all hours</ins> <code>free</code>" in shown
        send = f"/operations/settings/send?site={SITE}"
        sent = browser.post(send, data={"written": written, "after": "0"}, follow_redirects=True)
        assert "Written." in sent.text
        served.is_asked_by(Who(7, Role.OPERATOR, frozenset({COMMUNITY})))
        other = '{"doors": {"lobby": {"mode": "locked_down"}}}'
        stale = browser.post(send, data={"written": other, "after": "1"}).text
        assert "fresh second factor" in stale
        assert stale.count("locked_down") >= 2
        served.is_asked_by(OPERATOR)
        late = browser.post(send, data={"written": "{}", "after": "0"})
        assert (late.status_code, "Settings were written meanwhile." in late.text) == (409, True)
        assert "Nothing: these are the settings that hold now." in late.text, "nothing of others is undone"


def test_a_former_revision_is_looked_at_and_put_back_on_its_page(town: Town) -> None:
    with (
        town.served(None) as served,
        plain_http.Client(
            base_url=served.address, cookies={"liuhen-language": "en"}, timeout=DEADLINE_S
        ) as browser,
    ):
        settings = f"/operations/settings?site={SITE}"
        for after, mode in enumerate(("free", "locked_down")):
            body = {"settings": {"doors": {"lobby": {"mode": mode}}}, "after": after}
            assert sent(served, SETTINGS, body).status_code == 201
        listed = browser.get(settings).text
        assert "holds now" in listed
        assert "1 place differs from the one before" in listed
        (path,) = set(re.findall(r"/operations/settings/revisions/[a-z-]+/1", listed))
        page = browser.get(path).text
        told = r"<del>locked down at all hours</del>.*<ins>stands free at all hours</ins>"
        assert re.search(told, page, re.DOTALL)
        put_back = f"{path}/put-back"
        served.is_asked_by(Who(7, Role.OPERATOR, frozenset({COMMUNITY})))
        stale = browser.post(put_back, data={"after": "2"})
        assert "fresh second factor" in stale.text
        assert "Put it back: send it to 1 gateway" in stale.text
        served.is_asked_by(OPERATOR)
        late = browser.post(put_back, data={"after": "1"})
        assert (late.status_code, "somebody wrote other settings meanwhile" in late.text) == (409, True)
        assert "Written." in browser.post(put_back, data={"after": "2"}, follow_redirects=True).text
        assert "puts revision 1 back" in browser.get(f"/operations/settings/revisions?site={SITE}").text
        assert "There is nothing to put back." in browser.get(path).text
        served.is_asked_by(somebody(Role.SUPERVISOR, COMMUNITY))
        assert "Put it back" not in browser.get(path).text
        assert browser.post(put_back, data={"after": "3"}).status_code == 403
        served.is_asked_by(somebody(Role.INSTALLER, COMMUNITY))
        assert browser.get(path).status_code == 403
        assert "/settings/revisions" not in browser.get(settings).text
