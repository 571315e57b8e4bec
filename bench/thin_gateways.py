"""Many gateways in one thread, for load: prepared records, the gateway's own delivery rules, bare MQTT 3.1.1.

A real gateway is a process; fifty of them would measure this machine's scheduler instead of the centre. What
is thin is the client: packets are joined by hand, as fifty MQTT libraries would cost more than the centre.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from bench import thin_mqtt
from gateway.delivery import EpochDelivery
from messages.topics import GatewayTopic, Leaf
from messages.wire import Ack, decode, join_block

_READ_BYTES = 65_536


@dataclass
class ThinGateway:
    """One gateway's records, what became of them, and its connection."""

    site: str
    name: str
    epoch: int
    bodies: Sequence[bytes]
    singly: bool
    socket: socket.socket = field(init=False)
    _in: bytearray = field(default_factory=bytearray)
    _mid: int = 0

    def __post_init__(self) -> None:
        # one by one: as if each record had just happened; in blocks: as if all had happened in an outage
        held = 0 if self.singly else len(self.bodies)
        self.delivery = EpochDelivery(self.epoch, 1, held)
        self.sent_s: dict[int, float] = {}

    def connect(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(thin_mqtt.connect(f"thin-{self.name}"))
        self.socket.sendall(thin_mqtt.subscribe(str(GatewayTopic(self.site, self.name, Leaf.ACK))))

    def send(self, now_s: float) -> int:
        """Sends whatever the delivery rules allow now; returns how many records that were."""
        spans = self._spans(now_s)
        if spans:
            self.socket.sendall(b"".join(self._publish(leaf, *span) for leaf, span in self._cut(spans)))
        return sum(last - first + 1 for _, (first, last) in spans)

    def happen(self, count: int, now_s: float) -> None:
        """`count` more records have just been written (one by one only)."""
        head = min(len(self.bodies), self.delivery.head + count)
        self.sent_s.update(dict.fromkeys(range(self.delivery.head + 1, head + 1), now_s))
        self.delivery.appended(head)

    def receive(self, now_s: float) -> list[float]:
        """Takes what the broker sent; returns, for each record now known as committed, how long that took."""
        self._in += self.socket.recv(_READ_BYTES)
        before = self.delivery.through
        for kind, body in thin_mqtt.packets(self._in):
            if kind & 0xF0 == thin_mqtt.PUBLISH:
                self._acknowledged(kind, body, now_s)
        return [
            now_s - self.sent_s.pop(seq)
            for seq in range(before + 1, self.delivery.through + 1)
            if seq in self.sent_s
        ]

    @property
    def done(self) -> bool:
        return self.delivery.through >= len(self.bodies)

    def _spans(self, now_s: float) -> list[tuple[Leaf, tuple[int, int]]]:
        self.delivery.overdue(now_s)
        found: list[tuple[Leaf, tuple[int, int]]] = []
        found += ((Leaf.BACKLOG, span) for span in iter(lambda: self.delivery.next_block(now_s), None))
        found += ((Leaf.JOURNAL, span) for span in iter(lambda: self.delivery.next_fresh(now_s), None))
        return found

    def _cut(self, spans: list[tuple[Leaf, tuple[int, int]]]) -> Iterator[tuple[Leaf, tuple[int, int]]]:
        """One record a message where that is what is measured."""
        for leaf, (first, last) in spans:
            if self.singly:
                yield from ((leaf, (seq, seq)) for seq in range(first, last + 1))
            else:
                yield leaf, (first, last)

    def _publish(self, leaf: Leaf, first: int, last: int) -> bytes:
        self._mid = self._mid % 65_535 + 1
        bodies = b",".join(self.bodies[first - 1 : last])
        block = join_block(self.epoch, first, last - first + 1, bodies)
        return thin_mqtt.publish(str(GatewayTopic(self.site, self.name, leaf)), self._mid, block)

    def _acknowledged(self, kind: int, body: bytes, now_s: float) -> None:
        _, mid, payload = thin_mqtt.published(kind, body)
        if mid:
            self.socket.sendall(thin_mqtt.confirm(mid))
        for epoch in decode(payload, Ack).epochs:
            if epoch.epoch == self.epoch:
                self.delivery.acknowledged(epoch, now_s)


def run(
    gateways: Sequence[ThinGateway], pace: Callable[[float], int] | None = None, limit_s: float = 120
) -> Outcome:
    """Sends everything and waits for the centre's word. `pace(elapsed_s)`: how many records each gateway may
    have written by then (one by one only). Raises TimeoutError."""
    started = time.monotonic()
    latencies: list[float] = []
    with selectors.DefaultSelector() as selector:
        for gateway in gateways:
            selector.register(gateway.socket, selectors.EVENT_READ, gateway)
        while not all(gateway.done for gateway in gateways):
            now_s = time.monotonic()
            if now_s - started > limit_s:
                raise TimeoutError(f"not committed after {limit_s:.0f} s")
            for gateway in gateways:
                if pace is not None:
                    gateway.happen(pace(now_s - started) - gateway.delivery.head, now_s)
                gateway.send(now_s)
            for key, _ in selector.select(timeout=0.001):
                latencies += key.data.receive(time.monotonic())
    return Outcome(time.monotonic() - started, sum(len(g.bodies) for g in gateways), latencies)


@dataclass(frozen=True, slots=True)
class Outcome:
    seconds: float
    records: int
    latencies_s: Sequence[float]

    @property
    def rate(self) -> float:
        return self.records / self.seconds
