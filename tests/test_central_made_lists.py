"""Access lists made of register and passes: what a change makes due, what is in the list, what is sent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from central_support import Broker, until
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from paho.mqtt.enums import CallbackAPIVersion
from register_support import EAST, GATE, SITE, WEST, Estate, copied_estate

from central.fleet.keys import CentreKeys
from central.fleet.list_service import ListService
from central.fleet.lists import newest_entries
from central.fleet.made_lists import Made, due_lists, keep_all, make_list, work_out
from central.register.credential_life import CredentialAct
from central.register.credentials import change, credentials_of
from central.settings import MqttPart
from central.store.engine import open_reader, writing
from central.store.tables import gateway
from central.visitors import passes
from central.visitors.passes import Desk, Issued, Visitor, Wanted
from central.visitors.words import PassKind, VisitReason
from messages.access_list import Entry, decode_manifest
from messages.signing import Purpose, opened, trusted
from messages.topics import Leaf, from_gateways, parse_topic

CARD, OTHERS_CARD = "04A1B2C3", "04D5E6F7"
SIGNING = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEYS = CentreKeys((SIGNING,), (X25519PrivateKey.from_private_bytes(bytes(range(32))),))
HOUR_US = 3_600_000_000


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    with copied_estate(tmp_path) as found:
        yield found


def made(estate: Estate, *, days: float = 0) -> dict[str, Made]:
    """Everything that was due, by gateway."""
    now_us = estate.at(days)
    with writing(estate.engine) as connection:
        lists = [make_list(connection, due, now_us) for due in due_lists(connection, now_us)]
    return {each.gateway: each for each in lists if each is not None}


def entries(estate: Estate, name: str) -> dict[str, Entry]:
    with estate.reading() as connection:
        return newest_entries(connection, SITE, name) or {}


def entry(estate: Estate, name: str, number: str) -> Entry | None:
    return entries(estate, name).get(estate.vault.token(SITE, "card_uid", number).hex())


def a_pass(estate: Estate, number: str = "04FFFFFF", hours: int = 4) -> Issued:
    begins_us = estate.now_us // 60_000_000 * 60_000_000
    wanted = Wanted(
        kind=PassKind.CARD,
        site=SITE,
        reason=VisitReason.REPAIR,
        from_us=begins_us,
        until_us=begins_us + hours * HOUR_US,
        number=number,
    )
    with writing(estate.engine) as connection:
        desk = Desk(estate.vault, SIGNING)
        return desk.issue(connection, wanted, Visitor(), by="test", now_us=estate.now_us)


def test_every_gateway_with_a_door_in_the_register_gets_a_list_of_it(estate: Estate) -> None:
    estate.resident("王小明", "101", CARD)
    lists = made(estate)
    assert lists.keys() == {GATE, EAST, WEST}
    for name in lists:
        assert list(entries(estate, name).values()) == sorted(
            estate.rights(name).entries, key=lambda each: each.token
        )
    assert made(estate) == {}, "nothing was changed since"


def test_a_card_reported_lost_makes_the_lists_of_its_doors_alone(estate: Estate) -> None:
    estate.resident("王小明", "101", CARD)
    person = estate.resident("李小红", "201", OTHERS_CARD)
    made(estate)
    with estate.reading() as connection:
        [card] = credentials_of(connection, estate.community, person)
    with estate.desk(days=1) as desk:
        change(desk, card.id, CredentialAct.REPORT_LOST)
    assert made(estate, days=1).keys() == {GATE, WEST}
    for name in (GATE, WEST):
        found = entry(estate, name, OTHERS_CARD)
        assert found is not None
        assert found.lost
    other = entry(estate, GATE, CARD)
    assert other is not None
    assert not other.lost


def test_what_is_made_of_a_change_is_what_would_be_made_of_everything(estate: Estate) -> None:
    estate.resident("王小明", "101", CARD)
    made(estate)
    estate.resident("李小红", "102", OTHERS_CARD)
    a_pass(estate)
    made(estate)
    for name in (GATE, EAST, WEST):
        with estate.reading() as connection:
            visitors = passes.entries_at(name, passes.listed_passes(connection, SITE, estate.now_us))
        whole = {each.token: each for each in (*visitors, *estate.rights(name).entries)}
        assert entries(estate, name) == whole, name


def test_a_pass_is_in_the_lists_from_its_issue_to_its_end(estate: Estate) -> None:
    estate.resident("王小明", "101", CARD)
    made(estate)
    issued = a_pass(estate)
    assert made(estate).keys() == {GATE, EAST, WEST}
    found = entry(estate, WEST, "04FFFFFF")
    assert found is not None
    assert (found.holder, found.blocked) == (issued.made.reference, False)
    with writing(estate.engine) as connection:
        passes.revoke(connection, issued.made.id, [SITE], by="test", now_us=estate.now_us)
    made(estate)
    revoked = entry(estate, WEST, "04FFFFFF")
    assert revoked is not None
    assert revoked.blocked
    assert made(estate, days=1).keys() == {GATE, EAST, WEST}, "its end makes lists due by itself"
    assert entry(estate, WEST, "04FFFFFF") is None
    assert entry(estate, EAST, CARD) is not None


def test_a_residents_own_card_stays_the_residents_when_it_is_also_a_pass(estate: Estate) -> None:
    estate.resident("王小明", "101", CARD)
    made(estate)
    issued = a_pass(estate, CARD)
    made(estate)
    with writing(estate.engine) as connection:
        passes.revoke(connection, issued.made.id, [SITE], by="test", now_us=estate.now_us)
    made(estate)
    found = entry(estate, EAST, CARD)
    assert found is not None
    assert (found.category, found.blocked) == ("resident", False)


def test_versions_go_up_past_whatever_a_gateway_says_it_has(estate: Estate) -> None:
    estate.resident("王小明", "101", CARD)
    with writing(estate.engine) as connection:
        values = {"site": SITE, "name": EAST, "first_heard_at": 1, "list_version": 40}
        connection.execute(gateway.insert().values(values))
    assert made(estate)[EAST].version == 41


# --- over a real broker ----------------------------------------------------------------------------------


@contextmanager
def listening(port: int) -> Iterator[dict[str, list[bytes]]]:
    """What comes to gateways, by their names."""
    came: dict[str, list[bytes]] = {}
    ready = threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2)

    def connected(*_: object) -> None:
        client.subscribe(from_gateways(Leaf.LIST), 1)

    def message(_c: object, _u: object, told: mqtt.MQTTMessage) -> None:
        came.setdefault(parse_topic(told.topic).gateway, []).append(bytes(told.payload))

    client.on_connect = connected
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = message
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        assert ready.wait(20)
        yield came
    finally:
        client.disconnect()
        client.loop_stop()


def test_what_changed_is_on_its_way_at_once_signed_and_as_a_difference(
    estate: Estate, tmp_path: Path
) -> None:
    person = estate.resident("王小明", "101", CARD)
    made(estate)
    with writing(estate.engine) as connection:
        for name in (GATE, EAST, WEST):
            values = {"site": SITE, "name": name, "first_heard_at": 1, "list_version": 1, "online": 1}
            connection.execute(gateway.insert().values(values))
    reader = open_reader(str(estate.engine.url))
    broker = Broker(tmp_path)
    broker.start()
    try:
        with listening(broker.port) as came:
            service = ListService(estate.engine, reader, MqttPart(port=broker.port), KEYS)
            service.start()
            try:
                until(lambda: service._outgoing.connected, "the connection")
                estate.card(person, OTHERS_CARD)
                until(lambda: sorted(map(len, came.values())) == [2, 2], "a manifest and a chunk for each")
            finally:
                service.stop()
    finally:
        broker.kill()
        reader.dispose()
    assert came.keys() == {GATE, EAST}
    body = opened(came[EAST][0], trusted(SIGNING.public_key()), Purpose.LIST, SITE, EAST)
    manifest = decode_manifest(body)
    assert (manifest.base, manifest.version, manifest.entries) == (1, 2, 2)


def test_a_list_that_was_worked_out_gives_way_to_one_that_was_noted_meanwhile(estate: Estate) -> None:
    estate.resident("王小明", "101", CARD)
    made(estate)
    person = estate.resident("李芳", "101", OTHERS_CARD)
    with estate.reading() as connection:
        (due, *_) = (each for each in due_lists(connection, estate.now_us) if each.gateway == GATE)
        slow = work_out(connection, due, estate.now_us)
    with estate.desk() as desk:
        change(desk, credentials_of(desk.connection, desk.community, person)[0].id, CredentialAct.REPORT_LOST)
    made(estate)
    with writing(estate.engine) as connection:
        assert keep_all(connection, [slow], estate.now_us) == []
    found = entry(estate, GATE, OTHERS_CARD)
    assert found is not None
    assert found.lost


def test_what_changes_while_a_list_is_worked_out_makes_it_due_again(estate: Estate) -> None:
    person = estate.resident("王小明", "101", CARD)
    with estate.reading() as connection:
        (due, *_) = (each for each in due_lists(connection, estate.now_us) if each.gateway == GATE)
        slow = work_out(connection, due, estate.now_us)
    with estate.desk() as desk:
        change(desk, credentials_of(desk.connection, desk.community, person)[0].id, CredentialAct.REPORT_LOST)
    with writing(estate.engine) as connection:
        assert len(keep_all(connection, [slow], estate.now_us)) == 1
    made(estate)
    found = entry(estate, GATE, CARD)
    assert found is not None
    assert found.lost
