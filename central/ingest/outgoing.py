"""What the centre sends to gateways goes over a connection of its own, beside that of the ingest.

So a command waits behind no batch of records, and a program that only sends needs no ingest.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from central.errors import BrokerUnavailable
from central.ingest.safe_line import SafeClient
from central.settings import MqttPart

log = logging.getLogger(__name__)

_KEEPALIVE_S: Final = 30
_QOS: Final = 1
_FAILED: Final = 0x80
_LONGEST_REDIAL_S: Final = 15


class Outgoing:
    """`start`, then `send` from any thread, then `stop`. Reconnects by itself."""

    def __init__(
        self,
        settings: MqttPart,
        client_id: str,
        hears: str,
        heard: Callable[[str, bytes], None],
    ) -> None:
        """`heard(topic, payload)` with what comes on the subscription `hears`, by the network's thread."""
        self._settings = settings
        self._hears = hears
        self._heard = heard
        self._ready = threading.Event()
        self._client = self._make_client(client_id)

    def start(self) -> None:
        self._client.connect_async(self._settings.host, self._settings.port, keepalive=_KEEPALIVE_S)
        self._client.loop_start()

    def stop(self) -> None:
        self._ready.clear()
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def connected(self) -> bool:
        return self._ready.is_set()

    def wait_connected(self, timeout_s: float) -> None:
        """Until answers can be heard. Raises BrokerUnavailable."""
        if not self._ready.wait(timeout_s):
            raise BrokerUnavailable(
                f"no broker takes us at {self._settings.host}:{self._settings.port} within {timeout_s:.0f} s;"
                " is it running, and are [mqtt] host, port and certificate right?"
            )

    def send(self, topic: str, payloads: Sequence[bytes], timeout_s: float, *, retain: bool = False) -> None:
        """In this order, and each taken by the broker when this returns. Raises BrokerUnavailable.

        That the broker took it proves nothing: only the gateway's own word does (trust.md R-09).
        """
        self.send_all([(topic, payload) for payload in payloads], timeout_s, retain=retain)

    def send_all(
        self, messages: Sequence[tuple[str, bytes]], timeout_s: float, *, retain: bool = False
    ) -> None:
        """`send`, to whatever topics: none waits for the broker's word on the one before."""
        until_s = time.monotonic() + timeout_s
        sent = [self._client.publish(topic, payload, qos=_QOS, retain=retain) for topic, payload in messages]
        for each in sent:
            try:
                if each.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
                    each.wait_for_publish(max(0.0, until_s - time.monotonic()))
            except (RuntimeError, ValueError) as error:
                log.info("orders: the broker does not take a message: %s", error)
            if each.rc != MQTTErrorCode.MQTT_ERR_SUCCESS or not each.is_published():
                raise BrokerUnavailable("the broker did not take all that was to be sent")

    def _make_client(self, client_id: str) -> mqtt.Client:
        version5 = self._settings.protocol == "5"
        client = SafeClient(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if version5 else MQTTProtocolVersion.MQTTv311,
            clean_session=None if version5 else True,
        )
        client.speak_tls(self._settings.tls)
        client.reconnect_delay_set(min_delay=1, max_delay=_LONGEST_REDIAL_S)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        return client

    def _on_connect(self, client: mqtt.Client, _u: Any, _f: Any, code: ReasonCode, _p: Any) -> None:
        if code.is_failure:
            log.error("orders: the broker refuses us: %s; see [mqtt]", code)
            return
        client.subscribe(self._hears, qos=_QOS)

    def _on_subscribe(self, _c: Any, _u: Any, _m: int, codes: list[ReasonCode], _p: Any) -> None:
        if any(code.value >= _FAILED for code in codes):
            log.error("orders: the broker refuses %s; allow liuhen/v1/# to this client", self._hears)
            return
        self._ready.set()

    def _on_disconnect(self, _c: Any, _u: Any, _f: Any, _code: ReasonCode, _p: Any) -> None:
        self._ready.clear()

    def _on_publish(self, _c: Any, _u: Any, _m: int, code: ReasonCode, _p: Any) -> None:
        if code.value >= _FAILED:
            log.error("orders: the broker refused a message: %s; check its access list", code)

    def _on_message(self, _c: Any, _u: Any, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            log.error("orders: a message is not taken: its topic is not UTF-8, so it is no gateway's")
            return
        self._heard(topic, bytes(message.payload))
