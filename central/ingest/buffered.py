"""A paho client that moves large pieces at its socket and whose network thread does not end unheard.

paho asks the socket for one byte, then for another one or two, then for the rest of each packet, and makes an
object, a log line and a round of `select` of each; with single records that was most of the time. Here what
nearly all packets are, messages of quality 0 and 1, is taken out of a piece at once; everything else, and
whatever is not as the standard has it, goes paho's way. What is written for many messages is one packet to
paho, too.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion

from central.ingest.safe_line import SafeClient

log = logging.getLogger(__name__)

_PIECE: Final = 262_144
"""Some blocks of a hundred records: of those that a piece cuts in two, paho puts the parts together."""

_PUBLISH, _PUBACK, _RETAIN, _QOS_1, _QOS_2 = 0x30, 0x40, 0x01, 0x02, 0x04
_KIND: Final = 0xF0
_MORE: Final = 0x80
_LONGEST_LENGTH: Final = 4  # bytes


class Heard(NamedTuple):
    """A message; `mid` is to be confirmed where `qos` is 1."""

    topic: str
    payload: bytes
    mid: int
    qos: int


class BufferedSocket:
    """A connected socket whose `recv` answers from memory while it can."""

    def __init__(self, inner: socket.socket) -> None:
        self._inner = inner
        self._buffer = memoryview(b"")

    def recv(self, size: int) -> bytes:
        if not self._buffer:
            self._buffer = memoryview(self._inner.recv(max(size, _PIECE)))
        piece, self._buffer = bytes(self._buffer[:size]), self._buffer[size:]
        return piece

    def next_message(self, *, version5: bool) -> Heard | None:
        """Takes a whole message out of memory; None where none begins there, or only a part is there."""
        found = whole_message(self._buffer, version5=version5)
        if found is None:
            return None
        self._buffer = self._buffer[found[1] :]
        return found[0]

    def pending(self) -> int:
        inner = getattr(self._inner, "pending", None)
        return len(self._buffer) + (inner() if inner else 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def whole_message(data: memoryview, *, version5: bool) -> tuple[Heard, int] | None:
    """The message of quality 0 or 1 with which `data` begins, and where it ends (MQTT 5.0 and 3.1.1, 3.3).
    None for all else: another packet, a part of one, or one that is not as it should be. Pure."""
    if not data or data[0] & _KIND != _PUBLISH or data[0] & _QOS_2:
        return None
    if (sized := _number(data, 1)) is None:
        return None
    at, end = sized[1], sized[1] + sized[0]
    if end > len(data) or end - at < 2:  # noqa: PLR2004  the length of the topic
        return None
    ends = at + 2 + (data[at] << 8 | data[at + 1])
    topic, at, mid, qos = data[at + 2 : ends], ends, 0, 0
    if data[0] & _QOS_1:
        if at + 2 > end:
            return None
        mid, qos, at = data[at] << 8 | data[at + 1], 1, at + 2
    if version5:
        if at >= end or (properties := _number(data, at)) is None:
            return None
        at = properties[1] + properties[0]
    if at > end or not topic or (qos and not mid):
        return None
    try:
        return Heard(str(topic, "utf-8"), bytes(data[at:end]), mid, qos), end
    except UnicodeDecodeError:
        return None


def _number(data: memoryview, at: int) -> tuple[int, int] | None:
    """A variable byte integer and where it ends; None where it does not."""
    value = 0
    for place, byte in enumerate(data[at : at + _LONGEST_LENGTH]):
        value |= (byte & ~_MORE) << 7 * place
        if not byte & _MORE:
            return value, at + place + 1
    return None


class BufferedClient(SafeClient):
    on_heard: Callable[[Heard], None]
    """Called by the network thread for each message; nothing else is, but for what goes paho's way."""

    on_end: Callable[[], None]
    """Called last of all by the network thread, whatever ended it; the socket is closed by then."""

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """What is in memory first: paho would select and ask again for each of them."""
        while (message := self._next_message()) is not None:
            self.on_heard(message)
        return super().loop_read(max_packets)

    def confirm(self, mids: Iterable[int]) -> None:
        """To the broker, messages of quality 1 of this connection."""
        if packets := b"".join(b"\x40\x02" + mid.to_bytes(2, "big") for mid in mids):
            self._write(packets)

    def retain(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Publishes each of them, for the broker to keep, with quality 0: what the line loses is lost."""
        empty = b"\0" if self._version5 else b""
        if packets := b"".join(_retained(topic.encode(), empty + payload) for topic, payload in messages):
            self._write(packets)

    def loop_forever(self, *args: Any, **kwargs: Any) -> MQTTErrorCode:
        """The thread's outermost frame: a message over which it stumbles ends this connection only."""
        try:
            return super().loop_forever(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  its text may repeat what was in the packet
            log.error("ingest: the network thread fails on a message (%s)", type(error).__name__)
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        finally:
            self._sock_close()
            self.on_end()

    def _next_message(self) -> Heard | None:
        """None where paho has begun with a packet, too."""
        sock = self._sock
        if not isinstance(sock, BufferedSocket) or self._in_packet["command"]:
            return None
        return sock.next_message(version5=self._version5)

    @property
    def _version5(self) -> bool:
        return self._protocol == MQTTProtocolVersion.MQTTv5

    def _write(self, packets: bytes) -> None:
        """Whole packets of whatever kind. paho knows them as one that nobody waits for."""
        if self._sock is not None:
            self._packet_queue(_PUBACK, packets, 0, 0)

    def _create_socket(self) -> Any:
        return BufferedSocket(super()._create_socket())  # type: ignore[arg-type]


def _retained(topic: bytes, rest: bytes) -> bytes:
    length, left = bytearray(), 2 + len(topic) + len(rest)
    while left > ~_MORE & 0xFF:
        length.append(left & ~_MORE & 0xFF | _MORE)
        left >>= 7
    length.append(left)
    return bytes((_PUBLISH | _RETAIN, *length)) + len(topic).to_bytes(2, "big") + topic + rest
