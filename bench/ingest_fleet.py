"""Hundreds or thousands of gateways in one thread, for load on the centre: what they hold is ready, and to
send it costs as little as it can. Each has a window of messages that no acknowledgement has named yet.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench import thin_mqtt
from bench.centre_alone import SITE
from bench.prefill import PREPARED_EPOCH, chained
from gateway.facts import Fact
from gateway.journal_view import FileView
from messages.chain import record_hash
from messages.topics import GatewayTopic, Leaf
from messages.wire import Ack, decode, join_block

_READ_BYTES = 262_144
_SUBACK = 0x90
_LIMIT_S = 120.0
_LONGEST_LOOK_S = 0.05


class Holding(Protocol):
    """What a gateway holds of one epoch, from record 1 on."""

    @property
    def epoch(self) -> int: ...

    def joined(self, first: int, last: int) -> bytes:
        """Records as they stand in a block."""

    def envelopes(self, first: int, last: int) -> Mapping[int, bytes] | None: ...

    def hash_of(self, seq: int) -> str | None: ...


@dataclass(frozen=True, slots=True)
class InMemory:
    """Records that have just happened."""

    bodies: Sequence[bytes]
    sealed: Mapping[int, bytes] = field(default_factory=dict)
    epoch: int = PREPARED_EPOCH

    @classmethod
    def of(cls, name: str, facts: Iterable[Fact], boot: str) -> InMemory:
        made = list(facts)
        sealed = {seq: each.envelope for seq, each in enumerate(made, start=1) if each.envelope is not None}
        return cls(chained(name, made, boot), sealed)

    def joined(self, first: int, last: int) -> bytes:
        return b",".join(self.bodies[first - 1 : last])

    def envelopes(self, first: int, last: int) -> Mapping[int, bytes] | None:
        return {seq: self.sealed[seq] for seq in range(first, last + 1) if seq in self.sealed}

    def hash_of(self, seq: int) -> str | None:
        return record_hash(self.bodies[seq - 1])


class OnDisk:
    """A real journal of a gateway, read as its uplink reads it."""

    def __init__(self, path: Path) -> None:
        self._view = FileView(path)
        self._view.refresh_heads()
        self.epoch = self._view.heads[-1].epoch

    def joined(self, first: int, last: int) -> bytes:
        return self._view.joined(self.epoch, first, last)[0]

    def envelopes(self, first: int, last: int) -> Mapping[int, bytes] | None:
        return self._view.envelopes(self.epoch, first, last)

    def hash_of(self, seq: int) -> str | None:
        return self._view.hash_of(self.epoch, seq)


class Member:
    """One gateway: how far it has sent, and how far it was told that all is committed."""

    def __init__(self, name: str, holding: Holding, leaf: Leaf) -> None:
        self.name = name
        self.holding = holding
        self.sent = self.through = 0
        self.proved: str | None = None  # the hash of `through`, as the centre said it
        self._topic = str(GatewayTopic(SITE, name, leaf))
        self._mid = 0
        self._in = bytearray()

    def connect(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ack = str(GatewayTopic(SITE, self.name, Leaf.ACK))
        self.socket.sendall(thin_mqtt.connect(f"load-{self.name}") + thin_mqtt.subscribe(ack))

    def wait_subscribed(self) -> None:
        while not any(kind == _SUBACK for kind, _ in thin_mqtt.packets(self._in)):
            self._in += self.socket.recv(_READ_BYTES)

    def block(self, first: int, last: int) -> bytes:
        bodies, envelopes = self.holding.joined(first, last), self.holding.envelopes(first, last)
        return join_block(self.holding.epoch, first, last - first + 1, bodies, envelopes)

    def message(self, first: int, last: int) -> bytes:
        self._mid = self._mid % 65_535 + 1
        return thin_mqtt.publish(self._topic, self._mid, self.block(first, last))

    def send(self, upto: int, together: int, window: int) -> None:
        """Records up to `upto`, so many in a message, while so many messages are on their way."""
        parts = []
        while self.sent < min(upto, self.through + together * window):
            last = min(upto, self.sent + together)
            parts.append(self.message(self.sent + 1, last))
            self.sent = last
        if parts:
            self.socket.sendall(b"".join(parts))

    def receive(self) -> None:
        self._in += self.socket.recv(_READ_BYTES)
        told: bytes | None = None
        for kind, body in thin_mqtt.packets(self._in):
            if kind & 0xF0 == thin_mqtt.PUBLISH:
                _, mid, told = thin_mqtt.published(kind, body)
                if mid:
                    self.socket.sendall(thin_mqtt.confirm(mid))
        if told is not None:  # the last one says all that those before it said
            for epoch in decode(told, Ack).epochs:
                if epoch.epoch == self.holding.epoch:
                    self.through, self.proved = epoch.through, epoch.hash

    def check(self, upto: int) -> None:
        """Raises RuntimeError where the centre's word is not about this gateway's own chain."""
        if self.through != upto or self.proved != self.holding.hash_of(upto):
            raise RuntimeError(
                f"{self.name}: {self.through} of {upto} are acknowledged, or with another hash"
            )


class Fleet(AbstractContextManager["Fleet"]):
    """`members` connected to a broker, on which the centre listens already."""

    def __init__(self, members: Sequence[Member], port: int) -> None:
        self.members = members
        self._selector = selectors.DefaultSelector()
        for member in members:
            member.connect(port)
        for member in members:
            member.wait_subscribed()
            self._selector.register(member.socket, selectors.EVENT_READ, member)

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        for member in self.members:
            member.socket.close()

    def drain(self, upto: int, together: int, window: int) -> float:
        """Seconds until each member's records up to `upto` are committed and acknowledged. Raises
        TimeoutError, RuntimeError."""
        begun_s = time.monotonic()
        left = {member.name for member in self.members}
        for member in self.members:
            member.send(upto, together, window)
        while left:
            if time.monotonic() - begun_s > _LIMIT_S:
                raise TimeoutError(f"{len(left)} gateways wait after {_LIMIT_S:.0f} s")
            for key, _ in self._selector.select(timeout=1.0):
                member = key.data
                member.receive()
                member.send(upto, together, window)
                if member.through >= upto:
                    left.discard(member.name)
        seconds = time.monotonic() - begun_s
        for member in self.members:
            member.check(upto)
        return seconds

    def flood(self, each: int, aloft: int, counted: Callable[[], int]) -> None:
        """So many single records of each member, one member after the other, for somebody who acknowledges
        nothing: at most `aloft` more than `counted` says. Returns when all are. Raises TimeoutError."""
        begun_s, sent, total = time.monotonic(), 0, each * len(self.members)
        while (done := counted()) < total:
            if time.monotonic() - begun_s > _LIMIT_S:
                raise TimeoutError(f"{total - done} messages are not counted after {_LIMIT_S:.0f} s")
            while sent < min(total, done + aloft):
                member = self.members[sent % len(self.members)]
                member.socket.sendall(member.message(member.sent + 1, member.sent + 1))
                member.sent += 1
                sent += 1
            for key, _ in self._selector.select(0.001):
                key.data.receive()

    def offered(self, rate: float, count: int) -> list[float]:
        """One record after the other happens, `rate` in a second, at one gateway after the other; so many at
        each. Seconds from the moment at which it was due to its acknowledged commit, of each. Raises
        TimeoutError, RuntimeError."""
        total, begun_s, sent, taken = count * len(self.members), time.monotonic(), 0, list[float]()
        before = [member.through for member in self.members]
        place = {member.name: number for number, member in enumerate(self.members)}
        while len(taken) < total:
            now_s = time.monotonic() - begun_s
            if now_s > _LIMIT_S:
                raise TimeoutError(f"{total - len(taken)} records wait after {_LIMIT_S:.0f} s")
            while sent < total and sent / rate <= now_s:
                member = self.members[sent % len(self.members)]
                member.send(member.sent + 1, 1, count)
                sent += 1
            look_s = begun_s + sent / rate - time.monotonic() if sent < total else _LONGEST_LOOK_S
            for key, _ in self._selector.select(max(0.0, min(look_s, _LONGEST_LOOK_S))):
                member, known = key.data, key.data.through
                member.receive()
                now_s, here = time.monotonic() - begun_s, place[member.name]
                turns = range(known - before[here], member.through - before[here])
                taken += [now_s - (turn * len(self.members) + here) / rate for turn in turns]
        for member, already in zip(self.members, before, strict=True):
            member.check(already + count)
        return taken
