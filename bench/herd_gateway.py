"""A gateway as far as delivery goes, many in one thread: the product's own lanes, pace, back-off and windows
over prepared records in memory, and a bare MQTT client on a socket that never blocks.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from random import Random

from bench import thin_mqtt
from bench.prefill import PREPARED_EPOCH
from gateway.dispatch import Dispatch
from gateway.journal import Head
from gateway.journal_view import Holdings
from gateway.pace import Backoff, Pace
from gateway.sending import Sending
from gateway.settings import MqttPart
from messages.chain import record_hash
from messages.topics import CENTRE_STATE, GatewayTopic, Leaf
from messages.wire import WIRE_VERSION, Ack, CentreState, EpochHead, State, decode, encode

_READ_BYTES = 65_536
_STATE_EVERY_S = 30.0
_BOOT = "0123456789abcdef"
_SESSION = "00000000000000aa"


class MemoryJournal:
    """What `Dispatch` asks of a journal."""

    def __init__(self, bodies: list[bytes]) -> None:
        self.bodies = bodies
        self.count = len(bodies)

    def holdings(self) -> Holdings:
        head = EpochHead(PREPARED_EPOCH, 1, self.count, record_hash(self.bodies[self.count - 1]))
        return Holdings([head], whole=True)

    def acknowledged(self) -> dict[int, int]:
        return {}

    def held(self, _epoch: int) -> list[tuple[int, int]]:
        return [(1, self.count)]

    def joined(self, _epoch: int, first: int, last: int) -> tuple[bytes, int]:
        bodies = self.bodies[first - 1 : min(last, self.count)]
        return b",".join(bodies), len(bodies)

    def envelopes(self, _epoch: int, _first: int, _last: int) -> dict[int, bytes]:
        return {}

    def hash_of(self, _epoch: int, seq: int) -> str | None:
        return record_hash(self.bodies[seq - 1]) if 0 < seq <= self.count else None


class HerdGateway:
    """`bodies` without the last one are the backlog; the last one happens when `alarm` is called."""

    def __init__(self, site: str, name: str, bodies: list[bytes], chance: Random) -> None:
        self._topics = {leaf: str(GatewayTopic(site, name, leaf)) for leaf in Leaf}
        self._client_id = f"liuhen-{site}-{name}"
        self.journal = MemoryJournal(bodies)
        self.journal.count -= 1
        settings = MqttPart()
        pace = Pace(settings.drain_per_s)
        self._dispatch = Dispatch(self.journal, lambda *_: None, pace)
        self._sending = Sending(self._dispatch, pace, settings.drain_spread_s, chance)
        self._backoff = Backoff(2.0, 60.0, chance)
        self._together = False
        self._mid = 0
        self._leaves: dict[int, Leaf] = {}
        self._waiting = 0
        self._state_s = 0.0
        self._centre_away = False
        self.socket: socket.socket | None = None
        self.greeted = False
        self.heard = False  # the centre, in this connection
        self.dial_at_s = 0.0
        self.calls = 0
        self.messages = 0  # with records
        self.alarm_s: float | None = None
        self.alarm_took_s: float | None = None
        self._in, self._out = bytearray(), bytearray()

    @property
    def committed(self) -> int:
        return self._dispatch.acked

    def dial(self, port: int) -> None:
        self.calls += 1
        self.dial_at_s = float("inf")
        self._in.clear()
        self._out.clear()
        self._leaves.clear()
        self._waiting = 0
        self.greeted = self._centre_away = False
        self.socket = socket.socket()
        self.socket.settimeout(0.0)
        self.socket.connect_ex(("127.0.0.1", port))
        self._out += thin_mqtt.connect(self._client_id)
        self._out += thin_mqtt.subscribe(self._topics[Leaf.ACK], CENTRE_STATE)

    def lost(self, now_s: float) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None
        self.greeted = self.heard = False
        self._together = True
        self._dispatch.recall()
        self.dial_at_s = now_s + self._backoff.next_s()

    def alarm(self, now_s: float) -> None:
        """The last record happens now."""
        self.alarm_s = now_s
        self.journal.count = len(self.journal.bodies)
        last = self.journal.bodies[-1]
        self._dispatch.appended(Head(PREPARED_EPOCH, len(self.journal.bodies), record_hash(last), 0))

    def send(self, now_s: float) -> float:
        """Sends what may go; returns when to call again."""
        if not self.greeted:
            return float("inf")
        if now_s >= self._state_s:
            self._say_state(now_s)
        while not self._centre_away and (message := self._sending.next(now_s, self._waiting)):
            leaf, payload = message
            self.messages += 1
            self._publish(leaf, payload)
        self.flush()
        return min(self._sending.due_s(now_s, self._waiting), self._state_s)

    def flush(self) -> bool:
        """Whether everything is out. Raises OSError."""
        if self._out and self.socket is not None:
            with suppress(BlockingIOError):
                del self._out[: self.socket.send(self._out)]
        return not self._out

    def receive(self, now_s: float) -> None:
        """Takes what the broker sent. Raises OSError at the end of the connection."""
        assert self.socket is not None
        with suppress(BlockingIOError):
            piece = self.socket.recv(_READ_BYTES)
            if not piece:
                raise ConnectionResetError
            self._in += piece
        for kind, body in thin_mqtt.packets(self._in):
            self._take(kind, body, now_s)

    def _take(self, kind: int, body: bytes, now_s: float) -> None:
        match kind & 0xF0:
            case thin_mqtt.CONNACK:
                self.greeted = True
                self._begin(now_s)
            case thin_mqtt.PUBACK:
                leaf = self._leaves.pop(int.from_bytes(body[:2], "big"), None)
                self._waiting -= leaf is Leaf.BACKLOG
            case thin_mqtt.PUBLISH:
                topic, mid, payload = thin_mqtt.published(kind, body)
                if mid:
                    self._out += thin_mqtt.confirm(mid)
                if topic == CENTRE_STATE:
                    self._together |= not kind & thin_mqtt.RETAIN
                    self._centre_said(decode(payload, CentreState), now_s)
                else:
                    self._acknowledged(decode(payload, Ack), now_s)

    def _centre_said(self, state: CentreState, now_s: float) -> None:
        self._centre_away = not state.online
        self._begin(now_s)

    def _begin(self, now_s: float) -> None:
        self._sending.begin(now_s, together=self._together)
        self._state_s = self._sending.state_due_s
        self._together = False

    def _acknowledged(self, ack: Ack, now_s: float) -> None:
        self._sending.acknowledged(ack, now_s)
        self.heard = True
        last = len(self.journal.bodies)
        if self.alarm_s is None or self.alarm_took_s is not None:
            return
        for epoch in ack.epochs:
            if epoch.seen >= last and not any(first <= last <= end for first, end in epoch.missing):
                self.alarm_took_s = now_s - self.alarm_s

    def _say_state(self, now_s: float) -> None:
        listing = self._dispatch.listing()
        state = State(
            v=WIRE_VERSION,
            online=True,
            boot=_BOOT,
            session=_SESSION,
            at=0,
            epochs=listing.heads,
            acked=self._dispatch.acked,
            whole=listing.whole,
        )
        self._publish(Leaf.STATE, encode(state), retain=True)
        self._state_s = now_s + _STATE_EVERY_S

    def _publish(self, leaf: Leaf, payload: bytes, *, retain: bool = False) -> None:
        self._mid = self._mid % 65_535 + 1
        self._leaves[self._mid] = leaf
        self._waiting += leaf is Leaf.BACKLOG
        self._out += thin_mqtt.publish(self._topics[leaf], self._mid, payload, retain=retain)
