"""The uplink: carries journal records to the centre over MQTT and brings back its acknowledgements.

paho's own queue is memory and counts for nothing (trust.md R-22): what to send is read from the journal, and
only the centre's acknowledgement with the right hash settles it (`delivery`).
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.acks import CarriedAcks, LineAcks, merged
from gateway.broker import Consequence, Fallback, Limits, consequence
from gateway.clock import Clock
from gateway.delivery import WINDOW_BLOCKS, WINDOW_FRESH, WINDOW_URGENT
from gateway.dispatch import Dispatch
from gateway.journal import Head
from gateway.journal_reader import JournalReader
from gateway.mqtt_line import Line
from gateway.order_queue import Settle, untold
from gateway.pace import Backoff, Pace, first_call_s
from gateway.self_report import Report, SelfReport
from gateway.sending import IDLE_S, Sending
from gateway.settings import MqttPart
from gateway.troubles import NOT_HEARD, Complaint, Troubles, UplinkStatus
from messages.errors import MessageError
from messages.model import Reason
from messages.topics import CENTRE_STATE, GatewayTopic, Leaf
from messages.wire import About, Ack, CentreState, decode

__all__ = ["MAX_QUEUED", "Report", "Uplink"]

log = logging.getLogger(__name__)

MAX_QUEUED = WINDOW_BLOCKS + WINDOW_FRESH + WINDOW_URGENT + 8
"""Messages in paho's memory: full windows and some states, also where a broker takes nothing."""

_TOGETHER_S = 0.3
"""Readers on one cable fall and come back together."""

_WATCH_EVERY_S: Final = 1.0
_REDIAL_S: Final = 2.0
_LONGEST_REDIAL_S: Final = 60.0
"""A broker that is not there, refuses or throws us out is asked less and less often."""

_SUBSCRIBE_AGAIN_S: Final = 60.0
"""A broker's access list may have been mended meanwhile."""

_ORDERS = (Leaf.LIST, Leaf.SETTINGS, Leaf.COMMAND)
_MAX_RESULTS = 64
_OUTLAST = ("ack", "again", "devices")
"""News that is still true when a new line is made: none of the former line itself."""


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
        device_key: Ed25519PrivateKey | None = None,
        centre_keys: Mapping[str, Ed25519PublicKey] | None = None,
        ack_refused: Callable[[Reason], None] = lambda _: None,
        disputed: Callable[[int], None] = lambda _: None,
        chance: Random | None = None,
    ) -> None:
        """`licensed(epoch, through)` is called when the centre's hash was found equal to ours;
        `orders(leaf, payload)` with lists, settings and commands, unread, by the network's thread. States are
        signed with `device_key` where there is one. With `centre_keys` (by their id) only acknowledgements
        that the centre signed are taken, and `ack_refused(reason)` is called once for each run of others.
        `disputed(epoch)`: the centre has other records there than we, said with each acknowledgement.
        `chance` spreads calls and drains of many gateways."""
        self._settings = settings
        self._topics = {leaf: str(GatewayTopic(site, gateway, leaf)) for leaf in Leaf}
        self._self_report = SelfReport(site, gateway, about, clock, device_key)
        self._reader = reader
        self._report = report
        self._licensed = licensed
        self._orders = orders
        self._ordered = {self._topics[leaf]: leaf for leaf in _ORDERS} if orders else {}
        self._results: deque[bytes] = deque(maxlen=_MAX_RESULTS)
        self._client_id = f"liuhen-{site}-{gateway}"
        self._changed = threading.Condition()
        self._news: dict[str, object] = {}
        self._carried = CarriedAcks()
        self._line_acks = LineAcks(centre_keys or {}, site, gateway, clock)
        self._ack_refused = ack_refused
        self._disputed = disputed
        self._head: Head | None = None
        self._stopping = False
        self._connected = False
        self._centre_away = False
        self._fallback = Fallback()
        self._chance = chance or Random()
        self._backoff = Backoff(_REDIAL_S, _LONGEST_REDIAL_S, self._chance)
        self._pace = Pace(settings.drain_per_s)
        self._dial_at_s = 0.0
        self._dialled = False
        self._connected_s = 0.0
        self._together = False  # a connection was lost, or could not be had: others are in the same position
        self._next_state_s = self._next_watch_s = 0.0
        self._subscribe_again_s = float("inf")
        self._gathers_until_s = 0.0  # until then new records are not told of, but found
        self._troubles = Troubles(f"{settings.host}:{settings.port}")
        self._status = UplinkStatus()

    def announce(self, head: Head) -> None:
        """A commit has moved the head. Returns at once, and costs no memory however often it is called."""
        with self._changed:
            self._head = head
            if time.monotonic() >= self._gathers_until_s:
                self._changed.notify()

    def report_soon(self) -> None:
        """A device has changed its state; several changes at once make one message."""
        self._tell("devices", None)

    def publish_result(self, payload: bytes) -> None:
        """From any thread. The journal is the witness: while there is no line only the newest are kept."""
        self._results.append(payload)
        self._tell("results", None)

    def take_ack(self, payload: bytes, settle: Settle = untold) -> None:
        """From any thread: an acknowledgement that was carried here by hand; `settle` is called once what it
        licenses is noted in the journal, or it counts for nothing."""
        self._carried.put(payload, settle)
        self._tell("carried", None)

    def send_again(self, epoch: int, first: int, last: int) -> None:
        """From any thread: the centre asks for these records once more. While there is no line it is
        forgotten: a command is for now."""
        self._tell(f"again {epoch} {first}", (epoch, first, last))

    def status(self) -> UplinkStatus:
        """From any thread; at most some seconds old."""
        return self._status

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def run(self) -> None:
        """Delivers until `stop`; a missing broker or centre only means that records wait.

        Raises JournalUnavailable when it cannot even begin; may be called again after any exception.
        """
        self._dispatch = Dispatch(self._reader, self._licensed, self._pace, self._disputed)
        self._sending = Sending(self._dispatch, self._pace, self._settings.drain_spread_s, self._chance)
        with self._changed:
            self._news = {what: told for what, told in self._news.items() if what.startswith(_OUTLAST)}
        self._connected = self._dialled = False
        self._dial_at_s = time.monotonic() + first_call_s(self._settings.first_call_spread_s, self._chance)
        try:
            while not self._stopping:
                if time.monotonic() >= self._dial_at_s:
                    self._dial()
                self._take_news()
                if self._connected:
                    self._send()
                self._watch(time.monotonic())
        finally:
            self._hang_up()

    def _dial(self) -> None:
        """A line serves one connection: nothing that it still had queued can reach into the next one."""
        self._connected = False
        self._centre_away = False
        self._dial_at_s = float("inf")
        self._session = secrets.token_hex(8)
        self._line = Line(
            self._settings,
            self._client_id,
            will=(self._topics[Leaf.STATE], self._self_report.gone(self._session)),
            fallback=self._fallback,
            max_queued=MAX_QUEUED,
            news=self._tell,
            message=self._on_message,
        )
        self._dialled = True
        self._line.dial()

    def _take_news(self) -> None:
        """Waits until something was told or is due."""
        with self._changed:
            if not self._news and not self._stopping and (pause_s := self._pause_s()) > 0:
                self._changed.wait(timeout=pause_s)
            news, self._news = self._news, {}
            head, self._head = self._head, None
        if head is not None:
            self._dispatch.appended(head)
        for what, value in news.items():
            self._take(what, value)
        self._carried.take(lambda ack: self._sending.carried(ack, time.monotonic()))

    def _take(self, what: str, value: object) -> None:
        match what, value:
            case "ack", Ack():
                self._acknowledged(value)
            case _, Reason():
                self._troubles.not_the_centres()
                self._ack_refused(value)
            case "centre" | "centre, kept", bytes():
                self._centre_said(value, now=what == "centre")
            case _, (int(epoch), int(first), int(last)):
                self._dispatch.send_again(epoch, first, last)
            case "devices", _:
                self._next_state_s = min(self._next_state_s, time.monotonic() + _TOGETHER_S)
            case _:
                self._take_of_the_line(what, value)

    def _take_of_the_line(self, what: str, value: object) -> None:
        match what, value:
            case "connected", Limits():
                self._on_line(value)
            case "confirmed", _:
                for complaint in self._line.confirmations():
                    self._troubles.complained(complaint)
                    self._follow(complaint)
            case "refuses" | "lets us not hear the centre" | "ends the connection", Complaint():
                self._turned_away(what, value)
            case "hears the centre", _:
                self._troubles.heard()
            case "silence", why:
                self._troubles.nobody_answers(why if isinstance(why, str) else None)
            case "ended", _:
                self._off_line()

    def _send(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_state_s:
            self._publish_state(now_s)
        while self._results:  # also while the centre is away: an operator's terminal may be waiting
            self._line.publish(self._topics[Leaf.RESULT], self._results.popleft())
        if now_s >= self._subscribe_again_s:
            self._subscribe()
        if self._centre_away:
            return
        while message := self._sending.next(now_s, self._at_the_broker):
            leaf, payload = message
            self._line.publish(self._topics[leaf], payload)
        self._gathers_until_s = self._sending.gathers_until_s
        if self._dispatch.untold:
            self._next_state_s = min(self._next_state_s, now_s + _TOGETHER_S)

    @property
    def _at_the_broker(self) -> int:
        return self._line.unconfirmed(self._topics[Leaf.BACKLOG])

    def _acknowledged(self, ack: Ack) -> None:
        self._carried.overtaken(ack)
        self._troubles.acknowledged()
        self._sending.acknowledged(ack, time.monotonic())

    def _centre_said(self, payload: bytes, *, now: bool) -> None:
        """`now`: it has just come or gone, and every gateway hears of it; else the broker kept it for us."""
        try:
            away = not decode(payload, CentreState).online
        except MessageError as error:
            log.warning("uplink: the centre's state cannot be taken: %s", error)
            return
        if away != self._centre_away:
            log.info("uplink: the centre is %s", "away; records wait here" if away else "there")
        self._together |= now
        self._centre_away = away
        self._begin()  # what was sent before it came may have reached nobody

    def _on_line(self, limits: Limits) -> None:
        log.info("uplink: connected to %s:%d", self._settings.host, self._settings.port)
        self._troubles.connected()
        self._troubles.shortcomings(limits.shortcomings())
        self._connected = True
        self._connected_s = time.monotonic()
        self._dispatch.payload_limit = limits.payload_bytes(self._topics[Leaf.BACKLOG])
        self._subscribe()
        self._line.publish(self._topics[Leaf.ABOUT], self._self_report.about(), retain=True)
        self._begin()

    def _subscribe(self) -> None:
        self._subscribe_again_s = float("inf")
        self._line.subscribe(self._topics[Leaf.ACK], CENTRE_STATE, *self._ordered)

    def _begin(self) -> None:
        self._sending.begin(time.monotonic(), together=self._together)
        self._next_state_s = self._sending.state_due_s
        self._together = False

    def _off_line(self) -> None:
        now_s = time.monotonic()
        if self._connected:
            log.warning("uplink: connection lost; records wait here")
            if self._troubles.lasted(now_s - self._connected_s):
                self._backoff.reset()  # else a broker that throws us out would be called every second
        self._connected = False
        self._together = True
        self._dispatch.recall()
        self._dial_at_s = now_s + self._backoff.next_s()

    def _turned_away(self, what: str, complaint: Complaint) -> None:
        if what == "refuses":
            self._fallback = self._fallback.after(complaint.code)
        elif what == NOT_HEARD:
            self._subscribe_again_s = time.monotonic() + _SUBSCRIBE_AGAIN_S
        self._troubles.turned_away(what, complaint)
        self._follow(complaint)

    def _follow(self, complaint: Complaint) -> None:
        match consequence(complaint.code):
            case Consequence.SLOW_DOWN:
                self._pace.slow_down(time.monotonic())
            case Consequence.SMALLER:
                self._pace.too_large()
            case Consequence.STAY_AWAY:
                self._backoff.stay_away()
            case Consequence.UNHEARD if complaint.about == self._topics[Leaf.BACKLOG]:
                self._pace.unheard()

    def _publish_state(self, now_s: float) -> None:
        topic = self._topics[Leaf.STATE]
        limit = self._line.limits.payload_bytes(topic)
        state = self._self_report.here(self._session, self._dispatch, self._report(), limit)
        taken = self._line.publish(topic, state, retain=True)
        self._next_state_s = now_s + (self._settings.state_every_s if taken else IDLE_S)

    def _watch(self, now_s: float) -> None:
        if now_s < self._next_watch_s:
            return
        self._next_watch_s = now_s + _WATCH_EVERY_S
        self._carried.look(self._reader.acknowledged)
        listening = self._connected and not self._centre_away
        stalled_s = self._troubles.watch(self._dispatch.unacknowledged, now_s, listening=listening)
        self._status = UplinkStatus(
            self._connected, self._centre_away, self._dispatch.backlog, stalled_s, self._troubles.now
        )

    def _hang_up(self) -> None:
        if self._connected:
            gone = self._self_report.gone(self._session)
            self._line.say_goodbye(self._topics[Leaf.STATE], gone)
        if self._dialled:
            self._line.hang_up()

    def _tell(self, what: str, value: object) -> None:
        """From any thread. Of each kind of news only the newest counts, so they need no more room."""
        with self._changed:
            before = self._news.pop(what, None)
            if isinstance(before, Ack) and isinstance(value, Ack):
                value = merged(before, value)
            self._news[what] = value
            self._changed.notify()

    def _pause_s(self) -> float:
        """Half a second at most; overdue messages and dead devices are noticed in that time. Word of new
        records ends the wait, or, while they are gathered, is found when that is over."""
        now_s = time.monotonic()
        gathers_s = self._gathers_until_s - now_s
        if gathers_s <= 0 and self._head is not None:
            return 0.0
        pause_s = self._pause_on_the_line_s(now_s)
        return min(pause_s, gathers_s) if gathers_s > 0 else pause_s

    def _pause_on_the_line_s(self, now_s: float) -> float:
        if not self._connected:
            return max(0.0, min(IDLE_S, self._dial_at_s - now_s))
        if self._centre_away:
            return IDLE_S
        due_s = min(self._sending.due_s(now_s, self._at_the_broker), self._next_state_s)
        return max(0.0, due_s - now_s)

    def _on_message(self, topic: str, payload: bytes, kept: bool) -> None:  # noqa: FBT001  paho's own
        if self._orders and (leaf := self._ordered.get(topic)):
            self._orders(leaf, payload)
            return
        if topic == CENTRE_STATE:
            self._tell("centre, kept" if kept else "centre", payload)
            return
        match self._line_acks.read(payload, time.monotonic(), kept=kept):
            case Ack() as ack:
                self._tell("ack", ack)
            case Reason() as reason:
                self._tell("ack, refused", reason)
