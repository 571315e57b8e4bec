"""Just enough MQTT 3.1.1 to play many clients in one thread: packets joined by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

CONNACK: Final = 0x20
PUBLISH: Final = 0x30
PUBACK: Final = 0x40
_CONNECT, _SUBSCRIBE = 0x10, 0x82
RETAIN: Final = 0x01
_QOS1 = 0x02
_KEEPALIVE_S = 600


def connect(client_id: str) -> bytes:
    head = text("MQTT") + bytes([4, 0x02]) + _KEEPALIVE_S.to_bytes(2, "big")
    return packet(_CONNECT, head + text(client_id))


def subscribe(*topics: str) -> bytes:
    return packet(_SUBSCRIBE, b"\x00\x01" + b"".join(text(topic) + b"\x01" for topic in topics))


def publish(topic: str, mid: int, payload: bytes, *, retain: bool = False) -> bytes:
    """With quality 1."""
    kind = PUBLISH | _QOS1 | (RETAIN if retain else 0)
    return packet(kind, text(topic) + mid.to_bytes(2, "big") + payload)


def confirm(mid: bytes) -> bytes:
    return packet(PUBACK, mid)


def published(kind: int, body: bytes) -> tuple[str, bytes, bytes]:
    """Topic, number (empty at quality 0) and payload of a PUBLISH that came in."""
    end = 2 + int.from_bytes(body[:2], "big")
    topic = body[2:end].decode()
    if kind & _QOS1:
        return topic, body[end : end + 2], body[end + 2 :]
    return topic, b"", body[end:]


def packet(kind: int, body: bytes) -> bytes:
    length, left = bytearray(), len(body)
    while True:
        left, digit = divmod(left, 128)
        length.append(digit | (0x80 if left else 0))
        if not left:
            return bytes([kind]) + bytes(length) + body


def text(words: str) -> bytes:
    data = words.encode()
    return len(data).to_bytes(2, "big") + data


def packets(data: bytearray) -> Iterator[tuple[int, bytes]]:
    """Kind and body of each whole packet, which is taken out of `data`."""
    while (found := _first(data)) is not None:
        kind, start, end = found
        body = bytes(data[start:end])
        del data[:end]
        yield kind, body


def _first(data: bytearray) -> tuple[int, int, int] | None:
    """(kind, start, end) of the first whole packet's body, None while it is not whole."""
    length, shift = 0, 0
    for at in range(1, min(len(data), 5)):
        length |= (data[at] & 0x7F) << shift
        shift += 7
        if not data[at] & 0x80:
            start, end = at + 1, at + 1 + length
            return (data[0], start, end) if len(data) >= end else None
    return None
