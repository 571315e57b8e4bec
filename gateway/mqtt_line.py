"""One connection to the MQTT broker, and everything that the broker says about it in codes and limits.

The only module that knows paho-mqtt. A line serves one connection: nothing that it still had queued can reach
into the next one. What happens is told in `news`, from paho's thread.
"""

from __future__ import annotations

import logging
import socket
import ssl
import sys
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.broker import PROTOCOL_ERROR, Consequence, Fallback, Limits, consequence
from gateway.settings import MqttPart
from gateway.troubles import NOT_HEARD, Complaint
from messages.at_once import sends_at_once
from messages.tls import CUT_SHORT, TlsRefused, told
from messages.wire import MAX_PAYLOAD_BYTES

log = logging.getLogger(__name__)

IN_FLIGHT: Final = 20
"""Messages that the broker may have unconfirmed; fewer where it says so (receive maximum)."""

_KEEPALIVE_S: Final = 30
_GOODBYE_S: Final = 1.0
_QOS: Final = 1

Tell = Callable[[str, object], None]


class Line:
    """`dial`, then `publish` once "connected" was told; "ended" comes last, whatever ended it.

    News: "connected" with Limits; "refuses", "ends the connection" and "lets us not hear the centre" with a
    Complaint; "hears the centre"; "silence" when nobody answers at all, with a text where TLS did not come
    about; "confirmed" when `confirmations` has
    something; "ended". All but the two callbacks is for one thread.
    """

    def __init__(
        self,
        settings: MqttPart,
        client_id: str,
        *,
        will: tuple[str, bytes],
        fallback: Fallback,
        max_queued: int,
        news: Tell,
        message: Callable[[str, bytes, bool], None],
    ) -> None:
        self.limits = Limits()
        self._answered = False
        self._greeted = False
        self._settings = settings
        self._news = news
        self._message = message
        self._topics: dict[int, str] = {}  # of messages that the broker has not confirmed
        self._waiting: Counter[str] = Counter()
        self._confirmed: deque[tuple[int, ReasonCode]] = deque()  # paho may confirm before `publish` returns
        self.client = self._make_client(client_id, max_queued)
        self.client.will_set(*will, qos=fallback.qos, retain=fallback.retain)

    def dial(self) -> None:
        try:
            if files := self._settings.tls:
                self.client.tls_set_context(files.context())
        except TlsRefused as error:
            self._news("silence", str(error))
            self._news("ended", None)
            return
        self.client.connect_async(
            self._settings.host,
            self._settings.port,
            keepalive=_KEEPALIVE_S,
            properties=self._connect_properties(),
        )
        self.client.loop_start()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """False where the client's queue is full."""
        info = self._publish(topic, payload, retain=retain)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        self._topics[info.mid] = topic
        self._waiting[topic] += 1
        return True

    def _publish(self, topic: str, payload: bytes, *, retain: bool) -> mqtt.MQTTMessageInfo:
        qos, kept = min(_QOS, self.limits.qos), retain and self.limits.retain
        return self.client.publish(topic, payload, qos=qos, retain=kept)

    def unconfirmed(self, topic: str) -> int:
        """Messages on `topic` that the broker has not confirmed, as of the last `confirmations`."""
        return self._waiting[topic]

    def confirmations(self) -> list[Complaint]:
        """Takes what the broker has confirmed since; returns what it had to say against it."""
        complaints = []
        while self._confirmed:
            mid, code = self._confirmed.popleft()
            if (topic := self._topics.pop(mid, None)) is not None:
                self._waiting[topic] -= 1
                if consequence(code.value) is not Consequence.NONE:
                    complaints.append(Complaint(code.value, str(code), topic))
        return complaints

    def subscribe(self, *topics: str) -> None:
        self.client.subscribe([(topic, _QOS) for topic in topics])

    def say_goodbye(self, topic: str, payload: bytes) -> None:
        """Waits a moment until that is on its way."""
        last = self._publish(topic, payload, retain=True)
        if last.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            try:
                last.wait_for_publish(timeout=_GOODBYE_S)
            except (RuntimeError, ValueError) as error:
                log.info("uplink: the broker did not hear that we go: %s", error)

    def hang_up(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _connect_properties(self) -> Properties | None:
        """Nobody has to send us more at once than the longest message there is."""
        if self._settings.protocol != "5":
            return None
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = MAX_PAYLOAD_BYTES * 2
        return properties

    def _make_client(self, client_id: str, max_queued: int) -> _Client:
        version5 = self._settings.protocol == "5"
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if version5 else MQTTProtocolVersion.MQTTv311,
            clean_session=None if version5 else True,
            reconnect_on_failure=False,
        )
        client.max_queued_messages_set(max_queued)
        client.on_connect = self._on_connect
        # Called by paho while it handles what went wrong.
        client.on_connect_fail = lambda *_: self._news("silence", told(sys.exception()))
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = lambda _c, _u, message: self._message(
            message.topic, bytes(message.payload), message.retain
        )
        client.on_publish = self._on_publish
        client.on_end = lambda: self._news("ended", None)
        return client

    def _on_connect(self, _c: object, _u: object, _f: object, code: ReasonCode, properties: object) -> None:
        self._answered = True
        if code.is_failure:
            self._news("refuses", Complaint(code.value, str(code)))
            return
        self._greeted = True
        self.limits = Limits.of(properties)
        self.client.heed(self.limits.receive_maximum)
        self._news("connected", self.limits)

    def _on_disconnect(
        self, _c: object, _u: object, flags: mqtt.DisconnectFlags, code: ReasonCode, _p: object
    ) -> None:
        """The broker's own word, or that it spoke no MQTT; a line that was cut has neither."""
        broken = self._greeted and code.value == PROTOCOL_ERROR
        if flags.is_disconnect_packet_from_server or broken:
            self._news("ends the connection", Complaint(code.value, str(code)))
        elif not self._answered and code.is_failure and self._settings.tls:
            self._news("silence", self.client.turned_away or CUT_SHORT)

    def _on_subscribe(self, _c: object, _u: object, _m: int, codes: list[ReasonCode], _p: object) -> None:
        refused = [code for code in codes if code.is_failure]
        if refused:
            self._news(NOT_HEARD, Complaint(refused[0].value, str(refused[0])))
        else:
            self._news("hears the centre", None)

    def _on_publish(self, _c: object, _u: object, mid: int, code: ReasonCode, _p: object) -> None:
        self._confirmed.append((mid, code))
        self._news("confirmed", None)


class _Client(mqtt.Client):
    """paho's client, whose network thread does not end unheard, whatever a broker made it stumble over."""

    on_end: Callable[[], None]
    turned_away: str | None = None
    """What the broker said of our certificate: in TLS 1.3 that comes when our end is through already."""

    def heed(self, receive_maximum: int) -> None:
        """Before anything is published. paho itself lets this number be set before the connect only, and the
        broker's is not known then."""
        self._max_inflight_messages = min(IN_FLIGHT, receive_maximum)

    def _create_socket_connection(self) -> socket.socket:
        return sends_at_once(super()._create_socket_connection())

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        """paho's own forgets to close the socket where the handshake fails."""
        assert self._ssl_context is not None
        tcp_sock.settimeout(self._keepalive)
        return self._ssl_context.wrap_socket(tcp_sock, server_hostname=self._host)

    def _sock_recv(self, bufsize: int) -> bytes:
        try:
            return super()._sock_recv(bufsize)
        except ssl.SSLError as error:
            self.turned_away = told(error)
            raise

    def loop_forever(self, *args: Any, **kwargs: Any) -> MQTTErrorCode:
        try:
            return super().loop_forever(*args, **kwargs)
        finally:
            self.on_end()
