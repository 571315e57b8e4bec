"""What brokers refuse, limit and demand: a real Mosquitto, and a script for what Mosquitto cannot say."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gateway_support import (
    EPOCH_S,
    GATEWAY,
    Centre,
    Mosquitto,
    TurnedClock,
    a_fact,
    in_flight,
    until,
    until_sent,
)
from mqtt5_script import (
    MAXIMUM_PACKET_SIZE,
    MAXIMUM_QOS,
    RECEIVE_MAXIMUM,
    RETAIN_AVAILABLE,
    SERVER_KEEP_ALIVE,
    TOPIC_ALIAS_MAXIMUM,
    Published,
    ScriptedBroker,
    connack,
    disconnect,
)
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.facts import Fact
from gateway.journal import Journal
from gateway.journal_reader import JournalReader
from gateway.pace import SLOWEST_PER_S
from gateway.self_report import Report
from gateway.settings import MqttPart
from gateway.uplink import Uplink
from messages.heads import read_state, vouched
from messages.model import Kind, Reason
from messages.topics import Leaf
from messages.wire import WIRE_VERSION, About, decode, decode_block

ABOUT = About(WIRE_VERSION, "liuhen 0", "Building 1", [])
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


class Gateway:
    """A journal of so many records and the uplink above it."""

    def __init__(self, folder: Path, port: int, records: int = 250, **settings: Any) -> None:
        self.device_key: Ed25519PrivateKey | None = settings.pop("device_key", None)
        devices: dict[str, str] = settings.pop("devices", {})
        self.journal = Journal(folder / "journal.db", GATEWAY, TurnedClock())
        self.journal.append([a_fact()] * (records - 1))
        self.reader = JournalReader(folder / "journal.db")
        self.licensed: list[tuple[int, int]] = []
        self.uplink = Uplink(
            settings=MqttPart.model_validate(
                {"port": port, "drain_spread_s": 0.1, "first_call_spread_s": 0.0, **settings}
            ),
            site="north",
            gateway=GATEWAY,
            about=ABOUT,
            reader=self.reader,
            clock=TurnedClock(),
            report=lambda: Report(5, devices),
            licensed=lambda epoch, through: self.licensed.append((epoch, through)),
            device_key=self.device_key,
        )
        self.thread = threading.Thread(target=self.uplink.run)

    def append(self, *facts: Fact) -> int:
        last = self.journal.append(list(facts))[-1]
        self.uplink.announce(self.journal.head)
        return last


@contextmanager
def running(gateway: Gateway) -> Iterator[Gateway]:
    gateway.thread.start()
    try:
        yield gateway
    finally:
        gateway.uplink.stop()
        gateway.thread.join(20)
        gateway.reader.close()
        gateway.journal.close()
    assert not gateway.thread.is_alive()


@contextmanager
def mosquitto(folder: Path, settings: str = "") -> Iterator[Mosquitto]:
    broker = Mosquitto(folder, settings)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@contextmanager
def a_centre(port: int) -> Iterator[Centre]:
    centre = Centre(port, acknowledging=True)
    try:
        yield centre
    finally:
        centre.close()


@contextmanager
def scripted(
    greeting: Callable[[int], bytes] = lambda _: connack(),
    verdict: Callable[[Published], int | bytes | None] = lambda _: 0,
) -> Iterator[ScriptedBroker]:
    broker = ScriptedBroker(greeting, verdict)
    try:
        yield broker
    finally:
        broker.close()


def acl(folder: Path, *lines: str) -> str:
    path = folder / "acl"
    path.write_text("\n".join(lines) + "\n")
    return f"acl_file {path}\n"


def numbers(centre: Centre) -> set[int]:
    return {seq for _, seq in centre.records()}


# Mosquitto.


def test_records_that_reach_nobody_are_told_of_at_once_and_arrive_when_somebody_listens(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Reason code 0x10: a broker without a centre takes everything and keeps nothing (trust.md R-09)."""
    with mosquitto(tmp_path) as broker, running(Gateway(tmp_path, broker.port)) as gateway:
        until(lambda: "nobody has subscribed" in caplog.text, "the alarm")
        until(lambda: "nobody hears" in gateway.uplink.status().troubles, "the trouble")
        with a_centre(broker.port) as centre:
            centre.is_there(online=True)
            until(lambda: numbers(centre) == set(range(1, 251)), "everything")
            until(lambda: gateway.uplink.status().troubles == (), "the end of the trouble")
    assert caplog.text.count("nobody has subscribed") == 1


def test_a_topic_that_the_access_list_forbids_is_told_of_by_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Reason code 0x87; what is allowed goes on."""
    rules = acl(
        tmp_path, *(f"topic readwrite liuhen/v1/north/+/{leaf}" for leaf in ("state", "about", "ack"))
    )
    with mosquitto(tmp_path, rules) as broker, running(Gateway(tmp_path, broker.port)):
        until(lambda: f"liuhen/v1/north/{GATEWAY}/backlog: Not authorized" in caplog.text, "the alarm")
        until(lambda: f"liuhen/v1/north/{GATEWAY}/journal: Not authorized" in caplog.text, "the alarm")
    assert "allow it to write and read" in caplog.text
    assert f"{GATEWAY}/state: Not" not in caplog.text


@pytest.mark.parametrize("size", [2_600, 12_000])
def test_blocks_and_states_fit_into_the_packets_that_the_broker_takes(tmp_path: Path, size: int) -> None:
    devices = {f"reader-{number}": "ok" for number in range(150)}
    with (
        mosquitto(tmp_path, f"max_packet_size {size}\n") as broker,
        a_centre(broker.port) as centre,
        running(Gateway(tmp_path, broker.port, devices=devices)) as gateway,
    ):
        until(lambda: numbers(centre) == set(range(1, 251)), "everything")
        until(centre.states, "the state")
        assert (centre.states()[0].devices is None) == (size == 2_600)
        assert gateway.uplink.status().troubles == ()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_limit_that_the_broker_keeps_to_itself_is_found(
    tmp_path: Path, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mosquitto's message_size_limit: larger ones are dropped, on 3.1.1 without a word."""
    monkeypatch.setattr("gateway.delivery.RESEND_AFTER_S", 0.2)
    with (
        mosquitto(tmp_path, "message_size_limit 15000\n") as broker,
        a_centre(broker.port) as centre,
        running(Gateway(tmp_path, broker.port, protocol=protocol)),
    ):
        until(lambda: numbers(centre) == set(range(1, 251)), "everything")


def test_a_broker_that_takes_one_message_at_a_time_gets_one(tmp_path: Path) -> None:
    with (
        mosquitto(tmp_path, "max_inflight_messages 1\n") as broker,
        a_centre(broker.port) as centre,
        running(Gateway(tmp_path, broker.port, records=1_000)),
    ):
        until(lambda: numbers(centre) == set(range(1, 1_001)), "everything")


def test_a_broker_without_retained_messages_and_quality_one_is_lived_with(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        mosquitto(tmp_path, "max_qos 0\nretain_available false\n") as broker,
        _a_plain_centre(broker.port) as heard,
        running(Gateway(tmp_path, broker.port)),
    ):
        until(lambda: heard >= set(range(1, 251)), "everything")
    assert "retain_available true" in caplog.text
    assert "max_qos 1" in caplog.text


@contextmanager
def _a_plain_centre(port: int) -> Iterator[set[int]]:
    """Hears with quality 0, and has no retained messages either."""
    heard: set[int] = set()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)

    def take(_c: object, _u: object, message: mqtt.MQTTMessage) -> None:
        block = decode_block(bytes(message.payload))
        heard.update(range(block.first, block.first + block.count))

    client.on_message = take
    client.connect("127.0.0.1", port)
    client.subscribe([(f"liuhen/v1/north/{GATEWAY}/{leaf}", 0) for leaf in ("journal", "backlog")])
    client.loop_start()
    try:
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


def test_another_client_under_our_name_is_told_of_where_the_broker_does_not_say_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Mosquitto 2.0 throws the older one out without a word."""
    with mosquitto(tmp_path) as broker, running(Gateway(tmp_path, broker.port)) as gateway:
        for _ in range(5):
            until(lambda: gateway.uplink._connected, "the connection")
            session = gateway.uplink._session
            intruder = mqtt.Client(
                CallbackAPIVersion.VERSION2,
                client_id=f"liuhen-north-{GATEWAY}",
                protocol=MQTTProtocolVersion.MQTTv5,
            )
            intruder.connect("127.0.0.1", broker.port)
            until(lambda: not gateway.uplink._connected, "the end")
            intruder.disconnect()
            gateway.uplink._dial_at_s = 0.0  # the wait itself is not the matter here
            until(lambda: gateway.uplink._session != session, "the next call")  # noqa: B023  waited for here
        until(lambda: "5 connections in a row" in caplog.text, "the alarm")
        assert gateway.uplink._backoff.bound_s >= 60.0


def test_an_alarm_overtakes_a_backlog_that_drains_slowly(tmp_path: Path) -> None:
    """trust.md R-23: within 2 s, also one that lies deep in the backlog."""
    with (
        mosquitto(tmp_path) as broker,
        a_centre(broker.port) as centre,
        running(Gateway(tmp_path, broker.port, records=1, drain_per_s=50.0)) as gateway,
    ):
        until(lambda: numbers(centre) == {1}, "the first record")
        broker.stop()
        deep = gateway.append(*[a_fact()] * 300, a_fact(Kind.DOOR_FORCED, Reason.NO_RELEASE))
        gateway.append(*[a_fact()] * 5_000)
        broker.start()
        with a_centre(broker.port) as again:
            until(lambda: deep in numbers(again), "the alarm from the backlog")
            until(lambda: gateway.journal.head.seq in numbers(again), "the newest")
            began_s = time.monotonic()
            now = gateway.append(a_fact(Kind.DURESS, None))
            until(lambda: now in numbers(again), "the alarm of this moment")
            assert time.monotonic() - began_s < 2.0
            assert len(numbers(again)) < 2_000  # the backlog is far from its end


# What Mosquitto cannot say.


def test_no_more_messages_are_unconfirmed_than_the_broker_allows(tmp_path: Path) -> None:
    limits = bytes((RECEIVE_MAXIMUM, 0, 5, TOPIC_ALIAS_MAXIMUM, 0, 9, SERVER_KEEP_ALIVE, 0, 20))
    with (
        scripted(lambda _: connack(0, limits), lambda _: None) as broker,
        running(Gateway(tmp_path, broker.port)) as gateway,
    ):
        until(lambda: broker.calls and len(broker.calls[0].published) == 5, "five messages")
        delivery = gateway.uplink._dispatch._epochs.at_work[EPOCH_S]
        for _ in range(10):  # each in a message of its own, which is on its way before the next happens
            happened = gateway.append(a_fact())
            until_sent(delivery, happened)
        assert in_flight(delivery) >= 10
        assert len(broker.calls[0].published) == 5
        assert all(published.topic.startswith("liuhen/v1/north/") for published in broker.calls[0].published)


def test_what_the_broker_cannot_do_is_not_asked_of_it(tmp_path: Path) -> None:
    limits = bytes((MAXIMUM_QOS, 0, RETAIN_AVAILABLE, 0, MAXIMUM_PACKET_SIZE, 0, 0, 0x20, 0))
    with scripted(lambda _: connack(0, limits)) as broker, running(Gateway(tmp_path, broker.port)):
        until(lambda: broker.published("backlog"), "a block")
        sent = broker.calls[0].published
        assert {(each.qos, each.retain) for each in sent} == {(0, False)}
        assert max(each.size for each in sent) <= 0x2000


def test_a_will_that_the_broker_refuses_is_left_out_at_the_next_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A will is sent before any limit is known: 0x9A and 0x9B."""
    greetings = [connack(0x9A), connack(0x9B), connack()]
    with scripted(lambda n: greetings[min(n, 2)]) as broker, running(Gateway(tmp_path, broker.port)):
        until(lambda: broker.published("about"), "the connection")
        assert [(call.will_retain, call.will_qos) for call in broker.calls] == [
            (True, 1),
            (False, 1),
            (False, 0),
        ]
    assert "connected again without them" in caplog.text


@pytest.mark.parametrize("code", [0x97, 0x96, 0x93], ids=["quota", "rate", "receive maximum"])
def test_a_broker_that_complains_gets_less(
    tmp_path: Path, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    said = code if code == 0x97 else disconnect(code)
    with (
        scripted(verdict=lambda published: said if published.topic.endswith("backlog") else 0) as broker,
        running(Gateway(tmp_path, broker.port, drain_per_s=400.0)) as gateway,
    ):
        until(lambda: gateway.uplink._pace.per_s < 400.0, "the slower pace")
        assert gateway.uplink._pace.per_s >= SLOWEST_PER_S
    assert "sent more slowly now" in caplog.text


def test_another_client_under_our_name_is_told_of_and_we_do_not_fight_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        scripted(verdict=lambda _: disconnect(0x8E)) as broker,
        running(Gateway(tmp_path, broker.port)) as gateway,
    ):
        until(lambda: "another client has connected under our name" in caplog.text, "the alarm")
        until(lambda: gateway.uplink._backoff.bound_s >= 60.0, "the long wait")


def test_a_broker_with_too_many_calls_is_left_alone_for_long(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with scripted(lambda _: connack(0x9F)) as broker, running(Gateway(tmp_path, broker.port)) as gateway:
        until(lambda: "called again later" in caplog.text, "the refusal")
        until(lambda: gateway.uplink._backoff.bound_s >= 60.0, "the long wait")


def test_a_broker_that_ends_each_connection_at_once_is_not_called_every_second(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        scripted(verdict=lambda _: disconnect(0x83)) as broker,
        running(Gateway(tmp_path, broker.port)) as gateway,
    ):
        until(lambda: len(broker.calls) >= 2, "the second call")
        until(lambda: gateway.uplink._backoff.bound_s >= 8.0, "a longer wait")
    assert "ends the connection: Implementation specific error" in caplog.text


def test_a_centre_that_never_acknowledges_is_sent_less_and_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.delivery.RESEND_AFTER_S", 0.05)
    with scripted() as broker, running(Gateway(tmp_path, broker.port, records=5_000)) as gateway:
        until(lambda: gateway.uplink._pace.patience >= 32, "patience")
        first = len(broker.published("backlog"))
        began_s = time.monotonic()
        until(lambda: len(broker.published("backlog")) >= first + 2, "two more attempts")
        assert time.monotonic() - began_s >= 0.05 * 32 / 2
        assert max(decode_count(each) for each in broker.published("backlog")[first:]) <= 3


def decode_count(published: Published) -> int:
    return decode_block(published.payload).count


# Signed heads.


def test_with_a_device_key_every_state_is_signed_and_the_key_is_shown(tmp_path: Path) -> None:
    public = KEY.public_key().public_bytes_raw()
    with mosquitto(tmp_path) as broker, a_centre(broker.port) as centre:
        gateway = Gateway(tmp_path, broker.port, device_key=KEY)
        with running(gateway):
            [payload, *_] = until(lambda: centre.heard(Leaf.STATE), "the state")
            told = read_state(payload)
            assert vouched(told, public, "north", GATEWAY)
            assert told.state.epochs == [gateway.reader.epoch_heads()[0]]
            shown = decode(until(lambda: centre.heard(Leaf.ABOUT), "about")[0], About)
            assert shown.device_key == public.hex()
        goodbye = until(
            lambda: [p for p in centre.heard(Leaf.STATE) if not read_state(p).state.online], "goodbye"
        )
        assert vouched(read_state(goodbye[0]), public, "north", GATEWAY)
