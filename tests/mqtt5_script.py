"""An MQTT 5 broker's end of a connection that says what a test wants; packets are written out by hand from
the standard (OASIS MQTT 5.0, section 3).
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

CONNECT, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, DISCONNECT = 1, 3, 4, 8, 9, 12, 14

# Properties of a CONNACK: identifier and value (section 3.2.2.3).
RECEIVE_MAXIMUM = 0x21
MAXIMUM_QOS = 0x24
RETAIN_AVAILABLE = 0x25
MAXIMUM_PACKET_SIZE = 0x27
TOPIC_ALIAS_MAXIMUM = 0x22
SERVER_KEEP_ALIVE = 0x13

_LOOK_S = 0.1


def connack(code: int = 0, properties: bytes = b"") -> bytes:
    return bytes((0x20, 3 + len(properties), 0, code, len(properties))) + properties


def disconnect(code: int) -> bytes:
    return bytes((0xE0, 2, code, 0))


@dataclass
class Call:
    """One connection of the client: what its CONNECT asked for and what it published."""

    will_qos: int
    will_retain: bool
    published: list[Published] = field(default_factory=list)


@dataclass(frozen=True)
class Published:
    topic: str
    payload: bytes
    qos: int
    retain: bool
    size: int  # of the whole packet


class ScriptedBroker:
    """Takes one call after the other. `greeting(n)` are the bytes that answer the n-th CONNECT, from 0;
    `verdict(published)` is the reason code of its PUBACK, None for no PUBACK at all, or bytes to send instead
    of it. After a greeting that refuses, or a DISCONNECT, the line is closed."""

    def __init__(
        self,
        greeting: Callable[[int], bytes] = lambda _: connack(),
        verdict: Callable[[Published], int | bytes | None] = lambda _: 0,
    ) -> None:
        self.calls: list[Call] = []
        self._greeting = greeting
        self._verdict = verdict
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(_LOOK_S)
        self.port: int = self._server.getsockname()[1]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(20)
        self._server.close()

    def published(self, leaf: str) -> list[Published]:
        return [each for call in self.calls for each in call.published if each.topic.endswith(leaf)]

    def _serve(self) -> None:
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                line, _ = self._server.accept()
                with line, suppress(OSError, EOFError):
                    line.settimeout(_LOOK_S)
                    self._talk(_Reader(line, self._stopping), line)

    def _talk(self, reader: _Reader, line: socket.socket) -> None:
        first, body = reader.packet()
        assert first >> 4 == CONNECT
        flags = body[7]
        self.calls.append(Call(flags >> 3 & 3, bool(flags & 0x20)))
        greeting = self._greeting(len(self.calls) - 1)
        line.sendall(greeting)
        if greeting[3] == 0:
            self._converse(reader, line)

    def _converse(self, reader: _Reader, line: socket.socket) -> None:
        while not self._stopping.is_set():
            first, body = reader.packet()
            if first >> 4 == SUBSCRIBE:
                line.sendall(bytes((SUBACK << 4, 5)) + body[:2] + bytes((0, 1, 1)))
            elif first >> 4 == PINGREQ:
                line.sendall(bytes((0xD0, 0)))
            elif first >> 4 == DISCONNECT:
                return
            elif first >> 4 == PUBLISH:
                published, mid = _published(first, body)
                self.calls[-1].published.append(published)
                if not self._answer(line, published, mid):
                    return

    def _answer(self, line: socket.socket, published: Published, mid: bytes) -> bool:
        said = self._verdict(published)
        if isinstance(said, bytes):
            line.sendall(said)
            return False
        if published.qos and said is not None:
            line.sendall(bytes((PUBACK << 4, 3)) + mid + bytes((said,)))
        return True


class _Reader:
    def __init__(self, line: socket.socket, stopping: threading.Event) -> None:
        self._line = line
        self._stopping = stopping
        self._buffer = b""

    def packet(self) -> tuple[int, bytes]:
        first = self._take(1)[0]
        length, shift = 0, 0
        while True:
            digit = self._take(1)[0]
            length |= (digit & 0x7F) << shift
            shift += 7
            if digit < 0x80:
                return first, self._take(length)

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            if self._stopping.is_set():
                raise EOFError
            with suppress(TimeoutError):
                piece = self._line.recv(65_536)
                if not piece:
                    raise EOFError
                self._buffer += piece
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken


def _published(first: int, body: bytes) -> tuple[Published, bytes]:
    qos = first >> 1 & 3
    end = 2 + int.from_bytes(body[:2], "big")
    topic, mid = body[2:end].decode(), b""
    if qos:
        mid, end = body[end : end + 2], end + 2
    payload = body[end + 1 + body[end] :]  # after the properties, shorter than 128 bytes
    size = 1 + (1 if len(body) < 128 else 2 if len(body) < 16_384 else 3) + len(body)
    return Published(topic, payload, qos, bool(first & 1), size), mid
