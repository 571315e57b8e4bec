"""The uplink: carries journal records to the centre over MQTT and brings back its acknowledgements.

The only module that knows paho-mqtt. Its own queue is memory and counts for nothing: what to send is read
from the journal, and only the centre's acknowledgement with the right hash settles it (`delivery`).
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from gateway.clock import Clock
from gateway.delivery import EpochDelivery
from gateway.errors import JournalUnavailable
from gateway.journal import Head
from gateway.journal_reader import JournalReader
from gateway.settings import MqttPart
from messages.errors import MessageError
from messages.topics import CENTRE_STATE, GatewayTopic, Leaf
from messages.wire import WIRE_VERSION, About, Ack, CentreState, EpochAck, State, decode, encode, join_block

log = logging.getLogger(__name__)

BLOCK_PAUSE_S = 0.002
"""Between two blocks of a backlog: doors decide in between, and a drain never owns the interpreter."""

ACK_WAIT_S = 1.0
"""After a connect the centre is given this long to say what it has, before older records are sent again."""

_TICK_S = 0.5
_QOS = 1
_FAILED = 0x80
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Report:
    """What a state message says beside the journal's heads."""

    list_version: int
    devices: dict[str, str]


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
    ) -> None:
        """`licensed(epoch, through)` is called when the centre's hash was found equal to ours."""
        self._settings = settings
        self._topics = {leaf: str(GatewayTopic(site, gateway, leaf)) for leaf in Leaf}
        self._about = about
        self._reader = reader
        self._clock = clock
        self._report = report
        self._licensed = licensed
        self._session = secrets.token_hex(8)
        self._deliveries: dict[int, EpochDelivery] = {}
        self._head: Head | None = None
        self._changed = threading.Condition()
        self._inbox: list[tuple[str, object]] = []
        self._connected = False
        self._centre_away = False
        self._stopping = False
        self._backlog_from_s = 0.0
        self._next_block_s = 0.0
        self._next_state_s = 0.0
        self._mismatch_logged = False
        self._client = self._make_client(f"liuhen-{site}-{gateway}")

    def announce(self, head: Head) -> None:
        """A commit has moved the head. Returns at once."""
        self._head = head
        self._tell("head", None)

    def stop(self) -> None:
        self._tell("stop", None)

    def run(self) -> None:
        """Delivers until `stop`; a missing broker or centre only means that records wait."""
        for held in self._reader.epoch_heads():
            self._deliveries[held.epoch] = EpochDelivery(held.epoch, held.oldest, held.head)
        self._client.connect_async(self._settings.host, self._settings.port, keepalive=30)
        self._client.loop_start()
        while not self._stopping:
            for what, value in self._news():
                self._take(what, value)
            if self._connected and not self._stopping:
                self._send()
        self._say_goodbye()

    def _take(self, what: str, value: object) -> None:
        match what, value:
            case "ack", bytes():
                self._acknowledged(value)
            case "centre", bytes():
                self._centre_said(value)
            case "connected", _:
                self._on_line()
            case "disconnected", _:
                self._off_line()
            case "stop", _:
                self._stopping = True

    def _send(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_state_s:
            self._publish_state(now_s)
        if self._centre_away:
            return
        current = self._current()
        while current and (span := current.next_fresh(now_s)):
            self._publish(Leaf.JOURNAL, current, *span)
        if now_s >= max(self._next_block_s, self._backlog_from_s):
            self._send_block(now_s)

    def _send_block(self, now_s: float) -> None:
        for delivery in self._deliveries.values():
            delivery.overdue(now_s)
            if span := delivery.next_block(now_s):
                self._publish(Leaf.BACKLOG, delivery, *span)
                self._next_block_s = now_s + BLOCK_PAUSE_S
                return
        self._next_block_s = now_s + _TICK_S

    def _publish(self, leaf: Leaf, delivery: EpochDelivery, first: int, last: int) -> None:
        try:
            bodies, count = self._reader.joined(delivery.epoch, first, last)
        except JournalUnavailable as error:
            log.warning("uplink: %s", error)
            return
        if count == last - first + 1:
            block = join_block(delivery.epoch, first, count, bodies)
            self._client.publish(self._topics[leaf], block, qos=_QOS)
        else:
            self._left_by_pruning(delivery)

    def _left_by_pruning(self, delivery: EpochDelivery) -> None:
        """Some of these were acknowledged and pruned meanwhile; the rest is asked of the journal again."""
        for held in self._reader.epoch_heads():
            if held.epoch == delivery.epoch:
                delivery.pruned(held.oldest)

    def _current(self) -> EpochDelivery | None:
        head = self._head
        if head is None:
            return None
        delivery = self._deliveries.get(head.epoch)
        if delivery is None:
            delivery = self._deliveries[head.epoch] = EpochDelivery(head.epoch, 1, head.seq)
        delivery.appended(head.seq)
        return delivery

    def _acknowledged(self, payload: bytes) -> None:
        try:
            ack = decode(payload, Ack)
        except MessageError as error:
            log.warning("uplink: an acknowledgement cannot be taken: %s", error)
            return
        self._backlog_from_s = 0.0
        now_s = time.monotonic()
        for epoch_ack in ack.epochs:
            delivery = self._deliveries.get(epoch_ack.epoch)
            if delivery is not None:
                delivery.acknowledged(epoch_ack, now_s)
                self._license(epoch_ack)
        self._next_block_s = 0.0

    def _license(self, ack: EpochAck) -> None:
        """Deletion is licensed only for a hash that equals our own."""
        if ack.through == 0 or ack.hash is None:
            return
        try:
            own = self._reader.hash_of(ack.epoch, ack.through)
        except JournalUnavailable as error:
            log.warning("uplink: %s", error)
            return
        if own == ack.hash:
            self._licensed(ack.epoch, ack.through)
            self._mismatch_logged = False
        elif own is not None and not self._mismatch_logged:
            self._mismatch_logged = True
            log.error(
                "uplink: the centre's hash of record %d of epoch %d is not ours; nothing is deleted."
                " Compare `liuhen-gateway journal verify` here with `liuhen-central verify` there",
                ack.through,
                ack.epoch,
            )

    def _centre_said(self, payload: bytes) -> None:
        try:
            away = not decode(payload, CentreState).online
        except MessageError as error:
            log.warning("uplink: the centre's state cannot be taken: %s", error)
            return
        if away != self._centre_away:
            log.info("uplink: the centre is %s", "away; records wait here" if away else "there")
        self._centre_away = away
        if away:
            self._recall()
        else:
            self._await_ack()

    def _on_line(self) -> None:
        log.info("uplink: connected to %s:%d", self._settings.host, self._settings.port)
        self._connected = True
        self._client.subscribe([(self._topics[Leaf.ACK], _QOS), (CENTRE_STATE, _QOS)])
        self._client.publish(self._topics[Leaf.ABOUT], encode(self._about), qos=_QOS, retain=True)
        self._await_ack()

    def _off_line(self) -> None:
        if self._connected:
            log.warning("uplink: connection lost; records wait here")
        self._connected = False
        self._centre_away = False
        self._recall()

    def _recall(self) -> None:
        for delivery in self._deliveries.values():
            delivery.connection_lost()

    def _await_ack(self) -> None:
        self._next_state_s = 0.0
        self._backlog_from_s = time.monotonic() + ACK_WAIT_S

    def _publish_state(self, now_s: float) -> None:
        self._next_state_s = now_s + self._settings.state_every_s
        current, report = self._current(), self._report()
        state = State(
            v=WIRE_VERSION,
            online=True,
            boot=self._clock.boot,
            session=self._session,
            at=self._clock.now_us(),
            epochs=self._reader.epoch_heads(),
            acked=current.through if current else 0,
            list_version=report.list_version,
            devices=report.devices,
            journal="ok",
        )
        self._client.publish(self._topics[Leaf.STATE], encode(state), qos=_QOS, retain=True)

    def _gone(self) -> bytes:
        return encode(State(v=WIRE_VERSION, online=False, boot=self._clock.boot, session=self._session))

    def _say_goodbye(self) -> None:
        if self._connected:
            last = self._client.publish(self._topics[Leaf.STATE], self._gone(), qos=_QOS, retain=True)
            last.wait_for_publish(timeout=1.0)
        self._client.disconnect()
        self._client.loop_stop()

    def _tell(self, what: str, value: object) -> None:
        with self._changed:
            self._inbox.append((what, value))
            self._changed.notify()

    def _news(self) -> list[tuple[str, object]]:
        """What others told since the last time; waits until something is due."""
        with self._changed:
            if not self._inbox:
                self._changed.wait(timeout=self._pause_s())
            news, self._inbox = self._inbox, []
            return news

    def _pause_s(self) -> float:
        if not self._connected or self._centre_away:
            return _TICK_S
        return min(_TICK_S, max(0.0, self._next_block_s - time.monotonic()))

    def _make_client(self, client_id: str) -> mqtt.Client:
        version5 = self._settings.protocol == "5"
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if version5 else MQTTProtocolVersion.MQTTv311,
            clean_session=None if version5 else True,
        )
        client.will_set(self._topics[Leaf.STATE], self._gone(), qos=_QOS, retain=True)
        client.reconnect_delay_set(min_delay=1, max_delay=30)
        client.on_connect = self._on_connect
        client.on_disconnect = lambda *_: self._tell("disconnected", None)
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        return client

    def _on_connect(self, _c: object, _u: object, _f: object, code: ReasonCode, _p: object) -> None:
        if code.is_failure:
            log.error("uplink: %s:%d refuses: %s", self._settings.host, self._settings.port, code)
        else:
            self._tell("connected", None)

    def _on_message(self, _c: object, _u: object, message: mqtt.MQTTMessage) -> None:
        self._tell("centre" if message.topic == CENTRE_STATE else "ack", message.payload)

    def _on_publish(self, _c: object, _u: object, _m: int, code: ReasonCode, _p: object) -> None:
        if code.value >= _FAILED:
            log.error("uplink: the broker refused a message: %s; check its access list", code)
