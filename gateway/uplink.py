"""The uplink: carries journal records to the centre over MQTT and brings back its acknowledgements.

The only module that knows paho-mqtt. Its own queue is memory and counts for nothing: what to send is read
from the journal, and only the centre's acknowledgement with the right hash settles it (`delivery`).
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.clock import Clock
from gateway.delivery import WINDOW_BLOCKS, WINDOW_FRESH
from gateway.dispatch import Dispatch
from gateway.journal import Head
from gateway.journal_reader import JournalReader
from gateway.settings import MqttPart
from messages.errors import MessageError
from messages.topics import CENTRE_STATE, GatewayTopic, Leaf
from messages.wire import (
    MAX_PAYLOAD_BYTES,
    WIRE_VERSION,
    About,
    Ack,
    CentreState,
    State,
    decode,
    encode,
)

log = logging.getLogger(__name__)

BLOCK_PAUSE_S = 0.002
"""Between two blocks of a backlog: doors decide in between, and a drain never owns the interpreter."""

ACK_WAIT_S = 1.0
"""After a connect the centre is given this long to say what it has, before older records are sent again."""

MAX_QUEUED = WINDOW_BLOCKS + WINDOW_FRESH + 8
"""Messages in paho's memory: full windows and some states, also where a broker takes nothing."""

UNACKNOWLEDGED_S = 90.0
"""Looked at with each state, so that the alarm comes within two minutes."""

_TOGETHER_S = 0.3
"""Readers on one cable fall and come back together."""

_TICK_S = 0.5
_GOODBYE_S = 1.0
_KEEPALIVE_S = 30
_REDIAL_S = 1.0
_LONGEST_REDIAL_S = 30.0
"""A broker that is not there or refuses is asked less and less often."""

_ORDERS = (Leaf.LIST, Leaf.SETTINGS, Leaf.COMMAND)
_MAX_RESULTS = 64
_QOS = 1
_FAILED = 0x80


@dataclass(frozen=True, slots=True)
class Report:
    """What a state message says beside the journal's heads."""

    list_version: int
    devices: dict[str, str]
    unrecorded: int = 0  # facts in memory that the journal could not take
    recorded_until_us: int = 2**53  # nothing that happened before is missing in the journal


class Uplink:
    """Runs in one thread of its own, beside paho's network thread. `announce` and `stop` are for others."""

    def __init__(
        self,
        *,
        settings: MqttPart,
        site: str,
        gateway: str,
        about: About,
        reader: JournalReader,
        clock: Clock,
        report: Callable[[], Report],
        licensed: Callable[[int, int], None],
        orders: Callable[[Leaf, bytes], None] | None = None,
    ) -> None:
        """`licensed(epoch, through)` is called when the centre's hash was found equal to ours;
        `orders(leaf, payload)` with lists, settings and commands, unread, by the network's thread."""
        self._settings = settings
        self._topics = {leaf: str(GatewayTopic(site, gateway, leaf)) for leaf in Leaf}
        self._about = about
        self._reader = reader
        self._clock = clock
        self._report = report
        self._licensed = licensed
        self._orders = orders
        self._ordered = {self._topics[leaf]: leaf for leaf in _ORDERS} if orders else {}
        self._results: deque[bytes] = deque(maxlen=_MAX_RESULTS)
        self._client_id = f"liuhen-{site}-{gateway}"
        self._changed = threading.Condition()
        self._news: dict[str, object] = {}
        self._head: Head | None = None
        self._stopping = False
        self._connected = False
        self._silence_logged = False
        self._centre_away = False
        self._dial_at_s = 0.0
        self._backlog_from_s = 0.0
        self._next_block_s = 0.0
        self._next_state_s = 0.0
        self._redial_s = _REDIAL_S
        self._waiting: tuple[tuple[int, int], ...] = ()
        self._waiting_since_s = 0.0
        self._stall_logged = False

    def announce(self, head: Head) -> None:
        """A commit has moved the head. Returns at once, and costs no memory however often it is called."""
        with self._changed:
            self._head = head
            self._changed.notify()

    def report_soon(self) -> None:
        """A device has changed its state; several changes at once make one message."""
        self._tell("devices", None)

    def publish_result(self, payload: bytes) -> None:
        """From any thread. The journal is the witness: while there is no line only the newest are kept."""
        self._results.append(payload)
        self._tell("results", None)

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def run(self) -> None:
        """Delivers until `stop`; a missing broker or centre only means that records wait.

        Raises JournalUnavailable when it cannot even begin; may be called again after any exception.
        """
        self._dispatch = Dispatch(self._reader, self._licensed)
        self._news = {}
        self._dial()
        try:
            while not self._stopping:
                if time.monotonic() >= self._dial_at_s:
                    self._dial()
                self._take_news()
                if self._connected:
                    self._send()
        finally:
            self._hang_up()

    def _dial(self) -> None:
        """A client serves one connection: nothing that it still had queued can reach into the next one."""
        self._connected = False
        self._centre_away = False
        self._dial_at_s = float("inf")
        self._session = secrets.token_hex(8)
        self._client = self._make_client()
        self._client.connect_async(
            self._settings.host,
            self._settings.port,
            keepalive=_KEEPALIVE_S,
            properties=self._connect_properties(),
        )
        self._client.loop_start()

    def _take_news(self) -> None:
        """Waits until something was told or is due."""
        with self._changed:
            if not self._news and self._head is None and not self._stopping:
                self._changed.wait(timeout=self._pause_s())
            news, self._news = self._news, {}
            head, self._head = self._head, None
        if head is not None:
            self._dispatch.appended(head)
        for what, value in news.items():
            self._take(what, value)

    def _take(self, what: str, value: object) -> None:
        match what, value:
            case "ack", bytes():
                self._acknowledged(value)
            case "centre", bytes():
                self._centre_said(value)
            case "devices", _:
                self._next_state_s = min(self._next_state_s, time.monotonic() + _TOGETHER_S)
            case "connected", _:
                self._on_line()
            case "ended", _:
                self._off_line()

    def _send(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_state_s:
            self._publish_state(now_s)
            self._watch_progress(now_s)
        while self._results:  # also while the centre is away: an operator's terminal may be waiting
            self._client.publish(self._topics[Leaf.RESULT], self._results.popleft(), qos=_QOS)
        if self._centre_away:
            return
        while block := self._dispatch.next_fresh(now_s):
            self._client.publish(self._topics[Leaf.JOURNAL], block, qos=_QOS)
        if now_s >= max(self._next_block_s, self._backlog_from_s):
            self._send_block(now_s)

    def _send_block(self, now_s: float) -> None:
        block = self._dispatch.next_block(now_s)
        if block is not None:
            self._client.publish(self._topics[Leaf.BACKLOG], block, qos=_QOS)
        self._next_block_s = now_s + (_TICK_S if block is None else BLOCK_PAUSE_S)

    def _acknowledged(self, payload: bytes) -> None:
        try:
            ack = decode(payload, Ack)
        except MessageError as error:
            log.warning("uplink: an acknowledgement cannot be taken: %s", error)
            return
        self._dispatch.acknowledged(ack, time.monotonic())
        self._backlog_from_s = self._next_block_s = 0.0

    def _centre_said(self, payload: bytes) -> None:
        try:
            away = not decode(payload, CentreState).online
        except MessageError as error:
            log.warning("uplink: the centre's state cannot be taken: %s", error)
            return
        if away != self._centre_away:
            log.info("uplink: the centre is %s", "away; records wait here" if away else "there")
        self._centre_away = away
        self._dispatch.recall()  # what was sent before it came may have reached nobody
        if not away:
            self._await_ack()

    def _on_line(self) -> None:
        log.info("uplink: connected to %s:%d", self._settings.host, self._settings.port)
        self._connected = True
        self._silence_logged = False
        self._redial_s = _REDIAL_S
        heard = (self._topics[Leaf.ACK], CENTRE_STATE, *self._ordered)
        self._client.subscribe([(topic, _QOS) for topic in heard])
        self._client.publish(self._topics[Leaf.ABOUT], encode(self._about), qos=_QOS, retain=True)
        self._await_ack()

    def _off_line(self) -> None:
        if self._connected:
            log.warning("uplink: connection lost; records wait here")
        self._connected = False
        self._dispatch.recall()
        self._dial_at_s = time.monotonic() + self._redial_s
        self._redial_s = min(self._redial_s * 2, _LONGEST_REDIAL_S)

    def _await_ack(self) -> None:
        self._next_state_s = 0.0
        self._backlog_from_s = time.monotonic() + ACK_WAIT_S

    def _publish_state(self, now_s: float) -> None:
        report = self._report()
        state = State(
            v=WIRE_VERSION,
            online=True,
            boot=self._clock.boot,
            session=self._session,
            at=min(self._clock.now_us(), report.recorded_until_us),
            epochs=self._dispatch.heads(),
            acked=self._dispatch.acked,
            list_version=report.list_version,
            devices=report.devices,
            journal="ok" if report.unrecorded == 0 else "not_recording",
        )
        queued = self._client.publish(self._topics[Leaf.STATE], encode(state), qos=_QOS, retain=True)
        again = queued.rc == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE
        self._next_state_s = now_s + (_TICK_S if again else self._settings.state_every_s)

    def _watch_progress(self, now_s: float) -> None:
        """A broker may confirm what nobody hears (trust.md R-09): only acknowledgements tell."""
        waiting = self._dispatch.unacknowledged
        if not waiting or waiting != self._waiting or self._centre_away:
            self._waiting, self._waiting_since_s, self._stall_logged = waiting, now_s, False
        elif now_s - self._waiting_since_s >= UNACKNOWLEDGED_S and not self._stall_logged:
            self._stall_logged = True
            log.error(
                "uplink: the broker takes records, but for %.0f s nobody has acknowledged any; they stay"
                " here. Is the centre running, and may both sides use liuhen/v1/# at the broker?",
                now_s - self._waiting_since_s,
            )

    def _gone(self) -> bytes:
        return encode(State(v=WIRE_VERSION, online=False, boot=self._clock.boot, session=self._session))

    def _hang_up(self) -> None:
        if self._connected:
            last = self._client.publish(self._topics[Leaf.STATE], self._gone(), qos=_QOS, retain=True)
            if last.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
                _wait_for(last)
        self._client.disconnect()
        self._client.loop_stop()

    def _tell(self, what: str, value: object) -> None:
        """From any thread. Of each kind of news only the newest counts, so they need no more room."""
        with self._changed:
            self._news.pop(what, None)
            self._news[what] = value
            self._changed.notify()

    def _pause_s(self) -> float:
        """Half a second at most; overdue messages and dead devices are noticed in that time."""
        if not self._connected or self._centre_away:
            return _TICK_S
        due_s = min(max(self._next_block_s, self._backlog_from_s), self._next_state_s)
        return min(_TICK_S, max(0.0, due_s - time.monotonic()))

    def _connect_properties(self) -> Properties | None:
        """Nobody has to send us more at once than the longest message there is."""
        if self._settings.protocol != "5":
            return None
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = MAX_PAYLOAD_BYTES * 2
        return properties

    def _make_client(self) -> mqtt.Client:
        version5 = self._settings.protocol == "5"
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if version5 else MQTTProtocolVersion.MQTTv311,
            clean_session=None if version5 else True,
            reconnect_on_failure=False,
        )
        client.will_set(self._topics[Leaf.STATE], self._gone(), qos=_QOS, retain=True)
        client.max_queued_messages_set(MAX_QUEUED)
        client.reconnect_delay_set(min_delay=int(_REDIAL_S), max_delay=int(_LONGEST_REDIAL_S))
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_end = lambda: self._tell("ended", None)
        return client

    def _on_connect(self, _c: object, _u: object, _f: object, code: ReasonCode, _p: object) -> None:
        if code.is_failure:
            log.error("uplink: %s:%d refuses: %s", self._settings.host, self._settings.port, code)
        else:
            self._tell("connected", None)

    def _on_connect_fail(self, _c: object, _u: object) -> None:
        """Said once for each time that the broker is away."""
        if not self._silence_logged:
            self._silence_logged = True
            log.warning(
                "uplink: nobody answers at %s:%d; records wait here. Is the broker running, and are [mqtt]"
                " host and port right?",
                self._settings.host,
                self._settings.port,
            )

    def _on_subscribe(self, _c: object, _u: object, _m: int, codes: list[ReasonCode], _p: object) -> None:
        refused = [code for code in codes if code.is_failure]
        if refused:
            log.error("uplink: the broker lets us not hear the centre: %s; check its access list", refused[0])

    def _on_message(self, _c: object, _u: object, message: mqtt.MQTTMessage) -> None:
        if self._orders and (leaf := self._ordered.get(message.topic)):
            self._orders(leaf, bytes(message.payload))
            return
        self._tell("centre" if message.topic == CENTRE_STATE else "ack", message.payload)

    def _on_publish(self, _c: object, _u: object, _m: int, code: ReasonCode, _p: object) -> None:
        if code.value >= _FAILED:
            log.error("uplink: the broker refused a message: %s; check its access list", code)


class _Client(mqtt.Client):
    """paho's client, whose network thread does not end unheard, whatever a broker made it stumble over."""

    on_end: Callable[[], None]

    def loop_forever(self, *args: Any, **kwargs: Any) -> MQTTErrorCode:
        try:
            return super().loop_forever(*args, **kwargs)
        finally:
            self.on_end()


def _wait_for(message: mqtt.MQTTMessageInfo) -> None:
    try:
        message.wait_for_publish(timeout=_GOODBYE_S)
    except (RuntimeError, ValueError) as error:
        log.info("uplink: the broker did not hear that we go: %s", error)
