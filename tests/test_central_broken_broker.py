"""Ingest at a broker that breaks the rules of MQTT 3.1.1: it goes on, and says when it cannot.

The broker is a script on a real socket; packets are written out byte by byte from the standard.
"""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from central_support import DEADLINE_S, until
from database_support import new_database

from central.ingest.service import IngestService
from central.settings import MqttPart

CONNECT, PUBACK, SUBSCRIBE = 0x10, 0x40, 0x82
CONNACK = bytes((0x20, 2, 0, 0))
NOT_UTF8 = bytes((0x32, 7, 0, 2, 0xFF, 0xFE, 0, 7)) + b"x"  # PUBLISH, quality 1, message 7
STUMBLE = b"stumble"
STUMBLING_BLOCK = bytes((0x32, 12, 0, 1, 0x61, 0, 8)) + STUMBLE


class Peer:
    """The broker's end of one connection."""

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(DEADLINE_S)
        self.socket = connected
        self._stream = connected.makefile("rb")

    def await_packet(self, kind: int) -> bytes:
        """The body of the next packet of this kind; others are passed over."""
        while True:
            first = self._read(1)[0]
            body = self._read(self._length())
            if first == kind:
                return body

    def greet(self) -> None:
        """Takes connection and subscription, as a good broker does."""
        self.await_packet(CONNECT)
        self.socket.sendall(CONNACK)
        wanted = self.await_packet(SUBSCRIBE)
        self.socket.sendall(bytes((0x90, 6)) + wanted[:2] + bytes((1, 1, 1, 1)))

    def close(self) -> None:
        self._stream.close()
        self.socket.close()

    def _length(self) -> int:
        length, shift = 0, 0
        while True:
            digit = self._read(1)[0]
            length |= (digit & 0x7F) << shift
            shift += 7
            if digit < 0x80:
                return length

    def _read(self, size: int) -> bytes:
        found = self._stream.read(size)
        assert len(found) == size, "the centre has hung up"
        return found


class _Stumbling(IngestService):
    """Has a fault in its network thread that one message brings out."""

    def _on_message(self, client: mqtt.Client, _u: object, message: mqtt.MQTTMessage) -> None:
        if message.payload == STUMBLE:
            raise ZeroDivisionError
        super()._on_message(client, _u, message)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        opened.settimeout(DEADLINE_S)
        yield opened


@pytest.fixture
def ingest(tmp_path: Path, listener: socket.socket) -> Iterator[IngestService]:
    engine = new_database(tmp_path / "central.sqlite")
    settings = MqttPart.model_validate(
        {"port": listener.getsockname()[1], "protocol": "3.1.1", "client_id": "test-centre"}
    )
    started = _Stumbling(engine, settings)
    started.start()
    yield started
    started.stop()
    engine.dispose()


@pytest.fixture
def peers(listener: socket.socket, ingest: IngestService) -> Iterator[Iterator[Peer]]:
    """Each connection that the centre makes, one after the other."""
    accepted: list[Peer] = []

    def each() -> Iterator[Peer]:
        while True:
            accepted.append(Peer(listener.accept()[0]))
            yield accepted[-1]

    yield each()
    for peer in accepted:
        peer.close()


def test_a_topic_that_is_no_text_is_confirmed_so_that_it_does_not_come_again(
    ingest: IngestService, peers: Iterator[Peer], caplog: pytest.LogCaptureFixture
) -> None:
    peer = next(peers)
    peer.greet()
    until(lambda: ingest.status().broker_connected, "connection")
    peer.socket.sendall(NOT_UTF8)
    assert peer.await_packet(PUBACK) == bytes((0, 7))
    assert ingest.status().broker_connected
    assert ingest.status().queue_depth == 0
    assert "not UTF-8" in caplog.text


def test_a_fault_in_the_network_thread_ends_that_connection_and_another_is_made(
    ingest: IngestService, peers: Iterator[Peer], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        peer = next(peers)
        peer.greet()
        until(lambda: ingest.status().broker_connected, "connection")
        peer.socket.sendall(STUMBLING_BLOCK)
        until(lambda: not ingest.status().broker_connected, "noticed end")
    next(peers).greet()
    until(lambda: ingest.status().broker_connected, "third connection")
    assert caplog.text.count("a new one is made in") == 2


def test_it_stops_at_once_while_it_waits_to_connect_again(
    ingest: IngestService, peers: Iterator[Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "_redial_s", 10 * DEADLINE_S)
    peer = next(peers)
    peer.greet()
    until(lambda: ingest.status().broker_connected, "connection")
    peer.socket.sendall(STUMBLING_BLOCK)
    until(lambda: not ingest.status().broker_connected, "noticed end")
    began_s = time.monotonic()
    ingest.stop()
    assert time.monotonic() - began_s < DEADLINE_S
    assert not ingest.status().broker_connected
