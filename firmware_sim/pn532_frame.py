"""Frames of a PN532's serial line, and CRC_B of the cards behind it (readers.md 5.3 and 4.1). Pure."""

from dataclasses import dataclass

ACK = bytes.fromhex("00 00 FF 00 FF 00")
APPLICATION_ERROR = bytes.fromhex("00 00 FF 01 FF 7F 81 00")
TO_CHIP = 0xD4
FROM_CHIP = 0xD5
LENGTH_AT = (3, 4)
CHECK_AT = -2

_START = b"\x00\xff"
_ACK_CODE = b"\x00\xff"
_NACK_CODE = b"\xff\x00"
_EXTENDED = b"\xff\xff"
_CODE_END = len(_START) + 2
_EXTENDED_HEAD = _CODE_END + 3
_MAX_LENGTH = 265  # TFI, command, and what the chip can hold


@dataclass(frozen=True, slots=True)
class Command:
    """A good command: its code, and what follows."""

    code: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Signal:
    """An ACK or NACK of the host."""

    repeat: bool


def answer(data: bytes) -> bytes:
    """The frame with TFI and `data`, which begins with the answer's code."""
    body = bytes((FROM_CHIP,)) + data
    length = len(body)
    return b"\x00\x00\xff" + bytes((length, -length & 0xFF)) + body + bytes((-sum(body) & 0xFF, 0))


def crc_b(data: bytes) -> bytes:
    """CRC_B of ISO 14443-3, low byte first."""
    crc = 0xFFFF
    for value in data:
        crc ^= value
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return (crc ^ 0xFFFF).to_bytes(2, "little")


class CommandFinder:
    """Bytes of a host in, commands and signals out; what is neither is counted and skipped."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.skipped = 0

    def feed(self, data: bytes) -> list[Command | Signal]:
        self._buffer += data
        found: list[Command | Signal] = []
        while True:
            start = self._buffer.find(_START)
            if start < 0:
                self._skip(max(0, len(self._buffer) - 1))  # the last zero may begin one
                return found
            self._skip(start)
            size = self._size()
            if size is None or len(self._buffer) < size:
                return found
            self._take(size, found)

    def clear(self) -> None:
        self._skip(len(self._buffer))

    def _size(self) -> int | None:
        """Bytes from the start code to the frame's last one; 1: its length is bad; None: too few yet."""
        buffer = self._buffer
        if len(buffer) < _CODE_END:
            return None
        code = bytes(buffer[2:_CODE_END])
        if code in (_ACK_CODE, _NACK_CODE):
            return _CODE_END
        if code == _EXTENDED:
            if len(buffer) < _EXTENDED_HEAD:
                return None
            length = int.from_bytes(buffer[4:6], "big")
            good = sum(buffer[4:7]) & 0xFF == 0
            return _EXTENDED_HEAD + length + 1 if good and 0 < length <= _MAX_LENGTH else 1
        return _CODE_END + code[0] + 1 if sum(code) & 0xFF == 0 else 1

    def _take(self, size: int, found: list[Command | Signal]) -> None:
        frame = bytes(self._buffer[:size])
        if size == _CODE_END:
            found.append(Signal(repeat=frame[2:] == _NACK_CODE))
        elif size == 1:
            self._skip(1)
            return
        else:
            head = _EXTENDED_HEAD if frame[2:4] == _EXTENDED else _CODE_END
            body = frame[head:-1]
            if len(body) < len(b"\xd4\x00") or body[0] != TO_CHIP or (sum(body) + frame[-1]) & 0xFF:
                self._skip(1)
                return
            found.append(Command(body[1], body[2:]))
        del self._buffer[:size]

    def _skip(self, count: int) -> None:
        self.skipped += count
        del self._buffer[:count]
