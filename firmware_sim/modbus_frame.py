"""Modbus RTU requests in a stream, and frames around replies (readers.md 7.2). No coils, port or clock."""

from collections.abc import Iterator
from dataclasses import dataclass, field

BROADCAST = 0
MAX_FRAME = 256
MAX_UNIT = 247

_MIN_FRAME = 4  # unit, function, CRC
_CRC_SIZE = 2
_MAX_UNKNOWN = 16  # whole size of a request whose function we do not know; a longer one is noise
_FIXED = {1: 8, 2: 8, 3: 8, 4: 8, 5: 8, 6: 8}  # whole size of requests by function
_COUNTED = {0x0F: 6, 0x10: 6}  # where the count of the data bytes stands that follow it


def _table() -> tuple[int, ...]:
    values = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
        values.append(crc)
    return tuple(values)


_TABLE = _table()


def crc16(data: bytes | bytearray) -> bytes:
    """CRC-16/MODBUS as sent, low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")


def frame(unit: int, function: int, data: bytes) -> bytes:
    """Unit, function, data, CRC."""
    body = bytes((unit, function)) + data
    return body + crc16(body)


@dataclass(frozen=True, slots=True)
class Request:
    """One request with a good CRC, to whatever unit."""

    unit: int
    function: int
    data: bytes = field(repr=False)


class RequestFramer:
    """Finds requests by length and CRC; what is none is dropped byte by byte: noise hides no request.

    On a shared line the replies of other units come by, too, and may look like the head of a longer request.
    Therefore a request that begins after a silence wins over what was unfinished before. A request of an
    unknown function ends where a CRC fits for the first time.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._silence_at = 0  # where in the buffer the bytes after the last silence begin
        self.dropped = 0

    def feed(self, data: bytes, *, after_silence: bool = False) -> Iterator[Request]:
        """Take bytes in any portions; `after_silence`: the line was idle before them for 3.5 characters."""
        if after_silence:
            self._silence_at = len(self._buffer)
        self._buffer += data
        while (found := self._next()) is not None:
            yield found

    def reset(self) -> None:
        """Forget an unfinished request: the line was silent for long."""
        self._drop(len(self._buffer))

    @property
    def waiting(self) -> bool:
        """Whether a request is unfinished."""
        return bool(self._buffer)

    def _next(self) -> Request | None:
        while self._buffer:
            size = self._size_at(0)
            if size is None and self._silence_at and self._size_at(self._silence_at):
                self._drop(self._silence_at)
            elif size is None:
                return None
            elif size:
                head = bytes(self._buffer[: size - _CRC_SIZE])
                self._take(size)
                return Request(head[0], head[1], head[2:])
            else:
                self._drop(1)
        return None

    def _size_at(self, start: int) -> int | None:
        """Of the good request that begins there; 0: there is none; None: more bytes are needed to tell."""
        buffer = self._buffer[start : start + MAX_FRAME]
        if buffer and buffer[0] > MAX_UNIT:
            return 0
        if len(buffer) < _MIN_FRAME:
            return None
        at = _COUNTED.get(buffer[1])
        size = _FIXED.get(buffer[1])
        if at is not None:
            if len(buffer) <= at:
                return None
            size = at + 1 + buffer[at] + _CRC_SIZE
        if size is None:
            return _unknown_size(buffer)
        if size > MAX_FRAME:
            return 0
        if len(buffer) < size:
            return None
        return size if _fits(buffer, size) else 0

    def _drop(self, count: int) -> None:
        self.dropped += count
        self._take(count)

    def _take(self, count: int) -> None:
        del self._buffer[:count]
        self._silence_at = max(0, self._silence_at - count)


def _unknown_size(buffer: bytearray) -> int | None:
    ends = range(_MIN_FRAME, min(len(buffer), _MAX_UNKNOWN) + 1)
    found = next((end for end in ends if _fits(buffer, end)), None)
    return 0 if found is None and len(buffer) >= _MAX_UNKNOWN else found


def _fits(buffer: bytearray, end: int) -> bool:
    return crc16(buffer[: end - _CRC_SIZE]) == buffer[end - _CRC_SIZE : end]
