"""Records, confirmations and acknowledgements wait for no other small message before them."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from central.ingest.buffered import BufferedClient
from central.ingest.safe_line import SafeClient
from gateway.broker import Fallback
from gateway.mqtt_line import Line
from gateway.settings import MqttPart


@pytest.fixture
def port() -> Iterator[int]:
    """Of somebody who takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def gateways_own() -> mqtt.Client:
    line = Line(
        MqttPart(),
        "gate-1",
        will=("left", b""),
        fallback=Fallback(),
        max_queued=10,
        news=lambda *_: None,
        message=lambda *_: None,
    )
    return line.client


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(gateways_own, id="a gateway's line"),
        pytest.param(lambda: BufferedClient(CallbackAPIVersion.VERSION2), id="the centre's, for records"),
        pytest.param(lambda: SafeClient(CallbackAPIVersion.VERSION2), id="the centre's, for orders"),
    ],
)
def test_a_line_sends_small_messages_at_once(made: object, port: int) -> None:
    client = made()  # type: ignore[operator]
    client.connect("127.0.0.1", port)
    connected = client.socket()
    try:
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    finally:
        connected.close()
