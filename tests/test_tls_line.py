"""Mutual TLS between gateway, broker and centre, on a real Mosquitto with our access list (trust.md R-50)."""

import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from central_support import Broker, until
from database_support import new_database
from gateway_support import TurnedClock, a_fact
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode
from tls_support import LONG_AGO, Authority, a_safe_broker

from central.ingest.service import IngestService
from central.settings import MqttPart as CentreMqtt
from gateway.journal import Journal
from gateway.journal_reader import JournalReader
from gateway.self_report import Report
from gateway.settings import MqttPart
from gateway.uplink import Uplink
from messages.tls import TlsFiles, TlsRefused
from messages.wire import WIRE_VERSION, About

GATEWAY = "east-1"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def broker(tmp_path: Path, authority: Authority) -> Iterator[Broker]:
    with a_safe_broker(tmp_path, authority) as started:
        yield started


@dataclass
class Building:
    """The delivering half of a gateway, on a line with these files."""

    journal: Journal
    uplink: Uplink
    licensed: dict[int, int]


@contextmanager
def a_building(folder: Path, broker: Broker, files: dict[str, Path]) -> Iterator[Building]:
    licensed: dict[int, int] = {}
    path = folder / "journal.db"
    settings = {"port": broker.port, "drain_spread_s": 0.1, "first_call_spread_s": 0.0, **files}
    with closing(Journal(path, GATEWAY, TurnedClock())) as journal, closing(JournalReader(path)) as reader:
        uplink = Uplink(
            settings=MqttPart.model_validate(settings),
            site="north",
            gateway=GATEWAY,
            about=About(WIRE_VERSION, "liuhen 0", "Building 1", []),
            reader=reader,
            clock=TurnedClock(),
            report=lambda: Report(1, {}),
            licensed=licensed.__setitem__,
        )
        thread = threading.Thread(target=uplink.run)
        thread.start()
        try:
            yield Building(journal, uplink, licensed)
        finally:
            uplink.stop()
            thread.join(20)


@contextmanager
def a_centre(folder: Path, broker: Broker, files: dict[str, Path]) -> Iterator[None]:
    engine = new_database(folder / "central.sqlite")
    settings = CentreMqtt.model_validate({"port": broker.port, "client_id": "centre", **files})
    service = IngestService(engine, settings)
    service.start()
    try:
        yield
    finally:
        service.stop()
        engine.dispose()


def test_records_reach_the_centre_and_its_acknowledgement_comes_back(
    tmp_path: Path, broker: Broker, authority: Authority
) -> None:
    with (
        a_centre(tmp_path, broker, authority.settings("centre")),
        a_building(tmp_path, broker, authority.settings(GATEWAY)) as building,
    ):
        head = building.journal.append([a_fact()])[-1]
        building.uplink.announce(building.journal.head)
        until(lambda: building.licensed.get(building.journal.head.epoch, 0) >= head, "acknowledgement")


_OVER = re.compile("turns us away: our certificate is over|is our certificate over")
"""The broker's own word may be lost when it hangs up."""


def unsafe(building: Building) -> bool:
    return "no safe line" in building.uplink.status().troubles


def test_a_broker_of_another_authority_is_not_believed(
    tmp_path: Path, broker: Broker, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    files = authority.settings(GATEWAY) | {"ca_file": Authority(tmp_path, "foreign").ca}
    with a_building(tmp_path, broker, files) as building:
        until(lambda: unsafe(building), "word of the certificate")
        assert not building.uplink.status().connected
    assert "the broker's certificate is not believed: its authority is not in ca_file" in caplog.text


@pytest.mark.parametrize(
    ("made", "doubt"),
    [
        ({"hosts": ["broker.example.net", "192.0.2.7"]}, "it is for other addresses than [mqtt] host"),
        ({"ago": LONG_AGO}, "it is over"),
    ],
    ids=["another name", "over"],
)
def test_a_broker_whose_certificate_does_not_hold_is_not_believed(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture, made: dict[str, Any], doubt: str
) -> None:
    with (
        a_safe_broker(tmp_path, authority, **made) as broker,
        a_building(tmp_path, broker, authority.settings(GATEWAY)) as building,
    ):
        until(lambda: unsafe(building), "word of the certificate")
    assert f"the broker's certificate is not believed: {doubt}" in caplog.text


def test_a_gateway_cannot_stand_for_the_broker(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """Also not where its certificate were made for the broker's very name."""
    with (
        a_safe_broker(tmp_path, authority, hosts=[]) as broker,
        a_building(tmp_path, broker, authority.settings(GATEWAY)) as building,
    ):
        until(lambda: unsafe(building), "word of the certificate")
    assert (
        "the broker's certificate is not believed: it was made for something else than a broker"
        in caplog.text
    )


def test_a_gateway_of_another_authority_is_not_let_in(
    tmp_path: Path, broker: Broker, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    foreign = Authority(tmp_path, "foreign").settings(GATEWAY) | {"ca_file": authority.ca}
    with closing(Listener(broker, foreign)) as listener:
        assert not listener.greeted()
    with a_building(tmp_path, broker, foreign) as building:
        until(lambda: unsafe(building), "word that nobody lets it in")
    assert re.search("turns us away: it does not know the authority|is our certificate over", caplog.text)


def test_a_renewed_certificate_is_taken_up_without_a_restart(
    tmp_path: Path, broker: Broker, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    files = authority.settings(GATEWAY, ago=LONG_AGO)
    with a_building(tmp_path, broker, files) as building:
        until(lambda: unsafe(building), "word that nobody lets it in")
        authority.make(GATEWAY)
        until(lambda: building.uplink.status().connected, "connection with the renewed one")
        assert not unsafe(building)
    assert _OVER.search(caplog.text)


def test_the_centre_takes_a_renewed_certificate_up_without_a_restart(
    tmp_path: Path, broker: Broker, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    files = authority.settings("centre", ago=LONG_AGO)
    with caplog.at_level("INFO"), a_centre(tmp_path, broker, files):
        until(lambda: _OVER.search(caplog.text), "word that nobody lets it in")
        files["key_file"].unlink()
        until(lambda: "key: No such file or directory" in caplog.text, "word of the missing key")
        authority.make("centre")
        until(lambda: "connected to the broker" in caplog.text, "connection with the renewed one")


def test_the_centre_says_what_it_does_not_believe(
    tmp_path: Path, broker: Broker, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    files = authority.settings("centre") | {"ca_file": Authority(tmp_path, "foreign").ca}
    with a_centre(tmp_path, broker, files):
        until(lambda: "its authority is not in ca_file" in caplog.text, "word of the certificate")


def test_files_that_do_not_belong_together_are_told_and_the_doors_go_on(
    tmp_path: Path, broker: Broker, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    files = authority.settings(GATEWAY) | {"key_file": authority.make("west-1")[1]}
    with a_building(tmp_path, broker, files) as building:
        until(lambda: unsafe(building), "word of the files")
    assert "they have to belong together" in caplog.text


class Listener:
    """A bare client with a certificate: what the broker lets it do."""

    def __init__(self, broker: Broker, files: dict[str, Path]) -> None:
        self._greeted = threading.Event()
        self._ended = threading.Event()
        self.topics: list[str] = []
        self.codes: list[ReasonCode] = []
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=False
        )
        context = TlsFiles(files["ca_file"], files["certificate_file"], files["key_file"]).context()
        self._client.tls_set_context(context)
        self._client.on_connect = lambda *_: self._greeted.set()
        self._client.on_disconnect = lambda *_: self._ended.set()
        self._client.on_connect_fail = lambda *_: self._ended.set()
        self._client.on_publish = lambda _c, _u, _m, code, _p: self.codes.append(code)
        self._client.on_message = lambda _c, _u, message: self.topics.append(message.topic)
        self._client.connect_async("127.0.0.1", broker.port)
        self._client.loop_start()

    def greeted(self) -> bool:
        until(lambda: self._greeted.is_set() or self._ended.is_set(), "the broker's answer")
        return self._greeted.is_set()

    def publish(self, topic: str) -> ReasonCode:
        before = len(self.codes)
        self._client.publish(topic, b"x", qos=1)
        until(lambda: len(self.codes) > before, "the broker's word")
        return self.codes[-1]

    def subscribe(self, topic: str) -> None:
        self._client.subscribe(topic, 1)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def test_a_gateway_reaches_its_own_subtree_alone(broker: Broker, authority: Authority) -> None:
    """0 messages across (trust.md R-50)."""
    ours = Listener(broker, authority.settings("east-1"))
    theirs = Listener(broker, authority.settings("west-1"))
    centre = Listener(broker, authority.settings("centre"))
    with closing(ours), closing(theirs), closing(centre):
        assert ours.greeted()
        assert theirs.greeted()
        assert centre.greeted()
        theirs.subscribe("liuhen/#")
        ours.subscribe("liuhen/v1/north/east-1/ack")
        for leaf in ("state", "about", "journal", "backlog", "result"):
            assert ours.publish(f"liuhen/v1/north/west-1/{leaf}").is_failure, leaf
            assert ours.publish(f"liuhen/v1/north/east-1/{leaf}").value in (0, 16), leaf
        for leaf in ("ack", "list", "settings", "command"):
            assert ours.publish(f"liuhen/v1/north/east-1/{leaf}").is_failure, leaf
            assert centre.publish(f"liuhen/v1/north/west-1/{leaf}").value in (0, 16), leaf
            centre.publish(f"liuhen/v1/north/east-1/{leaf}")
        until(lambda: "liuhen/v1/north/east-1/ack" in ours.topics, "what is ours")
        until(lambda: len(theirs.topics) == 4, "what is theirs")
        assert all(topic.startswith("liuhen/v1/north/west-1/") for topic in theirs.topics)


def test_a_gateway_that_shows_anothers_certificate_is_told_so(
    tmp_path: Path, broker: Broker, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    with a_building(tmp_path, broker, authority.settings("west-1")) as building:
        until(lambda: "Not authorized" in caplog.text, "the broker's word")
        assert building.licensed == {}
    assert "is the common name of that our [gateway] name?" in caplog.text


def test_a_stolen_gateways_name_can_be_taken_out_of_the_access_list(
    tmp_path: Path, authority: Authority
) -> None:
    """With the lines that docs/running.md names, its certificate being good for weeks still."""
    page = (Path(__file__).parent.parent / "docs" / "running.md").read_text(encoding="utf-8")
    lines = re.search("the access list: `(user east-1)` with `(topic deny [^`]*)`", page)
    assert lines
    with a_safe_broker(tmp_path, authority, forbidden="\n".join(lines.groups())) as broker:
        stolen, other = (Listener(broker, authority.settings(name)) for name in ("east-1", "west-1"))
        with closing(stolen), closing(other):
            assert stolen.greeted()
            assert other.greeted()
            assert stolen.publish("liuhen/v1/north/east-1/journal").is_failure
            assert not other.publish("liuhen/v1/north/west-1/journal").is_failure


def test_nobody_gets_in_without_a_certificate(broker: Broker, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=authority.ca)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.tls_set_context(context)
    greeted, ended = threading.Event(), threading.Event()
    client.on_connect = lambda *_: greeted.set()
    client.on_disconnect = lambda *_: ended.set()
    client.connect_async("127.0.0.1", broker.port)
    client.loop_start()
    try:
        assert ended.wait(20)
        assert not greeted.is_set()
    finally:
        client.disconnect()
        client.loop_stop()


def test_some_files_alone_are_no_settings() -> None:
    for part in (MqttPart, CentreMqtt):
        with pytest.raises(ValueError, match="name all three, or none"):
            part.model_validate({"ca_file": "site-ca.pem"})


def test_a_key_that_others_can_read_is_not_used(authority: Authority) -> None:
    files = authority.settings(GATEWAY)
    files["key_file"].chmod(0o640)
    safe = TlsFiles(files["ca_file"], files["certificate_file"], files["key_file"])
    with pytest.raises(TlsRefused, match=r"can be read by others \(mode 640\); run: chmod 600"):
        safe.context()
    files["key_file"].chmod(0o600)
    assert safe.context().minimum_version is ssl.TLSVersion.TLSv1_3


def test_what_is_no_certificate_is_told_with_its_name(tmp_path: Path, authority: Authority) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing\n")
    certificate, key = authority.make(GATEWAY)
    with pytest.raises(TlsRefused, match=r"ca_file .*empty\.pem"):
        TlsFiles(empty, certificate, key).context()
    with pytest.raises(TlsRefused, match=r"certificate_file .*empty\.pem"):
        TlsFiles(authority.ca, empty, key).context()
    with pytest.raises(TlsRefused, match="ca_file"):
        TlsFiles(tmp_path / "nowhere.pem", certificate, key).context()
