"""Takes messages from the broker and settles them: commits first, acknowledges after.

paho's thread only puts messages into a queue; a second one examines them ahead of the worker, which writes
one transaction a batch. What the broker confirmed proves nothing, and what was not acknowledged comes again:
so nothing here is kept across a crash, and a batch that cannot be stored is simply tried again.
"""

from __future__ import annotations

import logging
import random
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

import paho.mqtt.client as mqtt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from sqlalchemy import Engine

from central.errors import RowRefused, StoreRefused, StoreUnavailable
from central.fleet import device_keys
from central.fleet.device_keys import Trusted
from central.identity.opening import Opener
from central.identity.retention_rules import RetentionRules
from central.ingest.ahead import Ahead
from central.ingest.buffered import BufferedClient, Heard
from central.ingest.inbox import Delivery, Inbox
from central.ingest.intake import Examined, Outcome, examine, examine_unread, take_in
from central.ingest.ledger import MAX_GATEWAYS
from central.ingest.reread import reread
from central.ingest.safe_line import NoLine
from central.ingest.telling import Telling
from central.ingest.verify import singly
from central.settings import MqttPart
from central.store.engine import writing
from messages.tls import CUT_SHORT, told
from messages.topics import CENTRE_STATE, Leaf, from_gateways
from messages.wire import WIRE_VERSION, CentreState, encode

log = logging.getLogger(__name__)

MAX_BATCH_MESSAGES: Final = 2_000
MAX_BATCH_BYTES: Final = 600_000
"""About 1,200 records. With 1 MB and twice the writer's cache a backlog went 7 % faster, and the process took
8 MiB more (six runs of each, on SQLite)."""

RECEIVE_MAXIMUM: Final = 2_000
"""Messages that a broker which heeds it may have under way to us unacknowledged: a batch of single ones. What
they take in memory is bounded by `inbox`."""

_FEW_MESSAGES: Final = 50
_FEW_BYTES: Final = 100_000
"""Examined at once, before the worker may take them."""

SESSION_EXPIRY_S: Final = 3_600
KEEPALIVE_S: Final = 30
_QOS: Final = 1
_FAILED: Final = 0x80
_FIRST_RETRY_S: Final = 0.2
_LONGEST_RETRY_S: Final = 10.0
_IDLE_S: Final = 0.5

_FIRST_REDIAL_S: Final = 1.0
_LONGEST_REDIAL_S: Final = 15.0
_STEADY_S: Final = 60.0
"""A connection that lasted so long was a good one: the next is tried soon."""

_SUBSCRIPTIONS: Final = tuple(
    (from_gateways(leaf), _QOS) for leaf in (Leaf.JOURNAL, Leaf.BACKLOG, Leaf.STATE, Leaf.ABOUT)
)


@dataclass(frozen=True, slots=True)
class IngestStatus:
    broker_connected: bool
    database_trouble: str | None
    queue_depth: int
    records_stored: int  # since start


class IngestService:
    """`start`, then it runs until `stop`; a missing broker or database only means that records wait."""

    def __init__(
        self,
        engine: Engine,
        settings: MqttPart,
        trusted: Trusted = device_keys.nobody,
        signing: Ed25519PrivateKey | None = None,
        opener: Opener | None = None,
    ) -> None:
        """`trusted`: the keys of gateways that a person made known here; `signing`: the centre's own, for
        acknowledgements; `opener`: of visitors' envelopes, without one they wait as they came."""
        self._engine = engine
        self._trusted = trusted
        self._opener = opener or Opener(None, RetentionRules())
        self._telling = Telling(signing)
        self._settings = settings
        self._inbox = Inbox()
        self._stopping = threading.Event()
        self._connection = 0  # counts up at every connect
        self._connected = False
        self._answered = False  # by the broker, in this connection
        self._no_line = NoLine(f"{settings.host}:{settings.port}")
        self._full_logged = False
        self._dialling = threading.Lock()
        self._dialled_s = 0.0
        self._redial_s = _FIRST_REDIAL_S
        self._trouble: str | None = None
        self._stored = 0
        self._batch: Sequence[Delivery] = ()
        self._suspects: deque[Delivery] = deque()
        self._unread: Delivery | None = None
        self._client = self._make_client()
        self._ahead = Ahead(
            self._next_few, self._examine, max_messages=MAX_BATCH_MESSAGES, max_bytes=MAX_BATCH_BYTES
        )
        self._examined: Sequence[Examined | None] = ()  # of `_batch`, for one try
        self._worker = threading.Thread(target=self._run, name="ingest", daemon=True)

    def start(self) -> None:
        self._ahead.start()
        self._worker.start()
        with self._dialling:
            self._dial()

    def _dial(self) -> None:
        self._dialled_s = time.monotonic()
        version5 = self._settings.protocol == "5"
        self._client.connect_async(
            self._settings.host,
            self._settings.port,
            keepalive=KEEPALIVE_S,
            clean_start=False if version5 else mqtt.MQTT_CLEAN_START_FIRST_ONLY,
            properties=_connect_properties() if version5 else None,
        )
        self._client.loop_start()

    def stop(self) -> None:
        """Ends within a second or two; what is not yet committed stays unacknowledged and comes again."""
        with self._dialling:
            self._stopping.set()
        self._inbox.close()
        self._ahead.close()
        if self._connected:
            said = self._client.publish(CENTRE_STATE, _centre_state(online=False), qos=_QOS, retain=True)
            if said.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:  # else the line has gone: the will says it
                said.wait_for_publish(timeout=0.5)
        self._client.disconnect()
        self._client.loop_stop()
        self._worker.join(timeout=1.0)
        self._ahead.join(1.0)

    def status(self) -> IngestStatus:
        return IngestStatus(self._connected, self._trouble, len(self._inbox), self._stored)

    # --- where a record becomes acknowledged -----------------------------------------------------------

    def settle(self, batch: Sequence[Delivery]) -> None:
        """The order of these two is the promise: nothing is acknowledged that is not committed."""
        outcome = self.commit(batch)
        self.acknowledge(batch, outcome)

    def commit(self, batch: Sequence[Delivery]) -> Outcome:
        """One transaction. Raises StoreUnavailable or RowRefused; then nothing of the batch is stored."""
        ahead = self._examined if batch is self._batch else ()
        self._examined = ()  # what is taken in is changed by that
        examined = [known or self._examine(delivery) for delivery, known in zip_longest(batch, ahead)]
        with writing(self._engine) as connection:
            now_us = time.time_ns() // 1_000
            outcome = take_in(connection, examined, now_us, self._trusted, self._ahead.go_on)
        self._stored += outcome.stored
        self._telling.of_gateways(outcome)
        if outcome.turned_away and not self._full_logged:
            self._full_logged = True
            log.error("ingest: %d gateways are known; messages of any other are not taken", MAX_GATEWAYS)
        return outcome

    def acknowledge(self, batch: Sequence[Delivery], outcome: Outcome) -> None:
        """To the broker each message of this connection, to each gateway what is now committed of it."""
        self._confirm(batch)
        if self._connected:
            self._client.retain(
                (str(address), self._telling.ack(address, ack, wants_signature=address in outcome.to_sign))
                for address, ack in outcome.acks.items()
            )

    def _confirm(self, batch: Sequence[Delivery]) -> None:
        self._client.confirm(d.mid for d in batch if d.qos > 0 and d.connection == self._connection)

    # --- the worker ------------------------------------------------------------------------------------

    def _run(self) -> None:
        """The thread's outermost frame: after a fault of the program each message is tried alone."""
        self._reread()
        while not self._stopping.is_set():
            try:
                self._work()
            except RowRefused as error:
                log.error("ingest: %s; the messages at hand are tried one by one", error)
                self._suspect(self._batch)
            except Exception:
                log.exception("ingest: a fault of this program; the messages at hand are tried one by one")
                self._suspect(self._batch)

    def _reread(self) -> None:
        """Once at the start, before anything new: an upgraded program may know what it set aside."""
        try:
            reread(self._engine, time.time_ns() // 1_000, self._stopping.is_set)
        except (StoreUnavailable, StoreRefused) as error:
            log.error("ingest: what was set aside is read again at the next start: %s", error)
        except Exception:
            log.exception("ingest: a fault of this program; what was set aside stays so")

    def _work(self) -> None:
        while not self._stopping.is_set():
            if self._suspects:
                self._batch, self._examined = [self._suspects.popleft()], ()
            else:
                self._batch, self._examined = self._ahead.take(_IDLE_S)
            if self._batch:
                self._settle_until_done(self._batch)

    def _suspect(self, batch: Sequence[Delivery]) -> None:
        """What fails alone is set aside unread, so that it stops nobody else: of a block the record."""
        if len(batch) > 1:
            self._suspects.extend(batch)
            return
        for delivery in batch:
            if delivery == self._unread:
                self._give_up(delivery)
            elif parts := _singly(delivery):
                self._suspects.extendleft(reversed(parts))
            else:
                log.error("ingest: a message on %r is set aside unread; see `quarantine`", delivery.topic)
                self._unread = delivery
                self._suspects.appendleft(delivery)

    def _give_up(self, delivery: Delivery) -> None:
        """Not even set aside. Confirmed to the broker alone: the gateway keeps its records and goes on
        sending them, and the broker's window stays free for others."""
        log.error("ingest: a message on %r can be neither stored nor set aside", delivery.topic)
        self._confirm([delivery])

    def _examine(self, delivery: Delivery) -> Examined:
        if delivery == self._unread:
            return examine_unread(delivery.topic, delivery.payload, "program or database fails on it")
        return examine(delivery.topic, delivery.payload, self._opener.at(time.time_ns() // 1_000))

    def _next_few(self) -> list[Delivery]:
        return self._inbox.take(max_messages=_FEW_MESSAGES, max_bytes=_FEW_BYTES, timeout_s=_IDLE_S)

    def _settle_until_done(self, batch: Sequence[Delivery]) -> None:
        delay_s = _FIRST_RETRY_S
        while not self._stopping.is_set():
            try:
                self.settle(batch)
            except (StoreUnavailable, StoreRefused) as error:
                log.error("ingest: %s; nothing is acknowledged, trying again in %.1f s", error, delay_s)
                self._trouble = str(error)
                self._stopping.wait(delay_s * random.uniform(0.5, 1.0))
                delay_s = min(2 * delay_s, _LONGEST_RETRY_S)
            else:
                if self._trouble:
                    log.info("ingest: the database takes records again")
                self._trouble = None
                return

    # --- the broker ------------------------------------------------------------------------------------

    def _make_client(self) -> BufferedClient:
        version5 = self._settings.protocol == "5"
        client = BufferedClient(
            CallbackAPIVersion.VERSION2,
            client_id=self._settings.client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if version5 else MQTTProtocolVersion.MQTTv311,
            clean_session=None if version5 else False,
            manual_ack=True,
        )
        client.speak_tls(self._settings.tls)
        client.will_set(CENTRE_STATE, _centre_state(online=False), qos=_QOS, retain=True)
        client.reconnect_delay_set(min_delay=random.uniform(0.5, 1.5), max_delay=15)  # type: ignore[arg-type]
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_heard = self._on_heard
        client.on_end = self._on_end
        return client

    def _on_connect(self, client: mqtt.Client, _u: Any, _f: Any, code: ReasonCode, _p: Any) -> None:
        self._answered = True
        if code.is_failure:
            address = f"{self._settings.host}:{self._settings.port}"
            log.error("ingest: the broker at %s refuses: %s; see [mqtt]", address, code)
            return
        self._connection += 1
        self._no_line.over()
        client.subscribe(list(_SUBSCRIPTIONS))

    def _on_subscribe(self, client: mqtt.Client, _u: Any, _m: int, codes: list[ReasonCode], _p: Any) -> None:
        """Only now is anyone there to acknowledge: gateways begin to send when they read it."""
        if any(code.value >= _FAILED for code in codes):
            log.error("ingest: the broker refuses subscriptions; allow liuhen/v1/# to this client")
            return
        self._connected = True
        log.info("ingest: connected to the broker")
        client.publish(CENTRE_STATE, _centre_state(online=True), qos=_QOS, retain=True)

    def _on_connect_fail(self, _c: Any, _u: Any) -> None:
        self._no_line.say(told(sys.exception()))  # called by paho while it handles what went wrong

    def _on_disconnect(self, client: Any, _u: Any, _f: Any, code: ReasonCode, _p: Any) -> None:
        if self._connected and not self._stopping.is_set():
            log.warning("ingest: connection to the broker lost (%s); records wait at the gateways", code)
        elif self._settings.tls and not self._answered and not self._stopping.is_set():
            self._no_line.say(client.turned_away or CUT_SHORT)
        self._connected = self._answered = False

    def _on_heard(self, message: Heard) -> None:
        topic, payload, mid, qos = message
        self._inbox.put(Delivery(topic, payload, mid, qos, self._connection))

    def _on_message(self, client: mqtt.Client, _u: Any, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            log.error("ingest: a message is not taken: its topic is not UTF-8, so it is no gateway's")
            client.ack(message.mid, message.qos)
            return
        self._inbox.put(Delivery(topic, bytes(message.payload), message.mid, message.qos, self._connection))

    def _on_end(self) -> None:
        """In the last moments of a network thread: unless we stop, it is followed by a new one."""
        self._connected = False
        if self._stopping.is_set():
            return
        if time.monotonic() - self._dialled_s > _STEADY_S:
            self._redial_s = _FIRST_REDIAL_S
        delay_s = random.uniform(0.5, 1.0) * self._redial_s
        self._redial_s = min(2 * self._redial_s, _LONGEST_REDIAL_S)
        log.warning("ingest: the connection has ended; a new one is made in %.1f s", delay_s)
        self._stopping.wait(delay_s)
        with self._dialling:
            if not self._stopping.is_set():
                self._client = self._make_client()
                self._dial()


def _singly(delivery: Delivery) -> list[Delivery]:
    """Only the last of them confirms the message to the broker."""
    parts = [replace(delivery, payload=payload, qos=0) for payload in singly(delivery.payload)]
    return [*parts[:-1], replace(parts[-1], qos=delivery.qos)] if parts else []


def _connect_properties() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = SESSION_EXPIRY_S
    properties.ReceiveMaximum = RECEIVE_MAXIMUM
    return properties


def _centre_state(*, online: bool) -> bytes:
    return encode(CentreState(v=WIRE_VERSION, online=online))
