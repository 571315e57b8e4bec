"""PN532 over serial (HSU): commands out, frames in (readers.md 4.6, 5.3). Pure: no port, thread or clock.

A frame is 00 00 FF, LEN and LCS (sum 0), TFI with data, DCS (sum 0), 00. The chip acknowledges a command with
an empty frame of its own and answers later; an answer begins with the command's code plus one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

from drivers.errors import ProtocolViolation

BAUD_RATE = 115_200
TO_CHIP, FROM_CHIP = 0xD4, 0xD5
START = b"\x00\xff"  # what a frame is found by; the zero before it is only filling
MAX_BODY = 265  # TFI and data of the longest frame that the chip makes
_ERROR_TFI = 0x7F
_SHORT_HEADER = len(START) + 2
_LONG_HEADER = len(START) + 5
_LONGEST_SHORT = 0xFF
_LONG_MARK = (0xFF, 0xFF)
_ACK_MARK = (0x00, 0xFF)
_NACK_MARK = (0xFF, 0x00)
_TAIL = 2  # DCS and a last zero: without the zero, a frame that lost a zero inside would pass the check
_CAPACITY = _LONG_HEADER + MAX_BODY + _TAIL

ACK_FRAME = bytes.fromhex("00 00 FF 00 FF 00")  # from the host: break off what is running
WAKE_UP = bytes.fromhex("55 55") + bytes(14)  # before the first command, and after each power-down


class Signal(Enum):
    """Frames without content."""

    ACK = "ack"
    NACK = "nack"
    ERROR = "error"  # the chip does not take the command


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """One good frame from the chip. `data` may hold a card's number and is never shown."""

    code: int  # the command's, plus one
    data: bytes

    def __repr__(self) -> str:
        return f"Answer({self.code:02X}, {len(self.data)} bytes)"


Frame = Signal | Answer


def frame(body: bytes) -> bytes:
    """A whole frame around TFI and data: 1 to 255 bytes, which every command of ours has."""
    length = len(body)
    checks = bytes((length, -length & 0xFF)), bytes((-sum(body) & 0xFF,))
    return b"\x00" + START + checks[0] + body + checks[1] + b"\x00"


@dataclass(frozen=True, slots=True, repr=False)
class Command:
    name: str
    code: int
    data: bytes = b""

    @property
    def frame(self) -> bytes:
        return frame(bytes((TO_CHIP, self.code)) + self.data)

    def __repr__(self) -> str:
        return f"Command({self.name})"

    def is_answered_by(self, answer: Answer) -> bool:
        return answer.code == self.code + 1


FIRMWARE_VERSION = Command("firmware version", 0x02)
SAM_NORMAL = Command("normal mode", 0x14, b"\x01")
RETRY_ONCE = Command("retries", 0x32, b"\x05\x00\x01\x02")  # else listing waits until a card comes
FIELD_OFF = Command("field off", 0x32, b"\x01\x00")
FIELD_ON = Command("field on", 0x32, b"\x01\x01")
LIST_TYPE_A = Command("list type A", 0x4A, b"\x01\x00")

# Type B by hand: registers (address, value), after which plain frames are exchanged (readers.md 4.6).
# Addresses are those of the PN532 data sheet. With 83 instead of 03 in both modes the chip adds and checks
# CRC_B itself.
_TYPE_B_REGISTERS = (
    (0x6301, 0xFF),  # CIU_Mode
    (0x6305, 0x00),  # CIU_TxAuto
    (0x6302, 0x83),  # CIU_TxMode
    (0x6303, 0x83),  # CIU_RxMode
    (0x630E, 0x03),  # CIU_TypeB
    (0x6309, 0x4D),  # CIU_Demod
    (0x6317, 0xFF),  # CIU_GsNOn
    (0x6318, 0x3F),  # CIU_CWGsP
    (0x6319, 0x18),  # CIU_ModGsP
    (0x6308, 0x4D),  # CIU_RxThreshold
    (0x6314, 0x68),  # CIU_ModWidth
    (0x630D, 0x10),  # CIU_ManualRCV
)
SPEAK_TYPE_B = Command(
    "registers for type B",
    0x08,
    b"".join(address.to_bytes(2, "big") + bytes((value,)) for address, value in _TYPE_B_REGISTERS),
)


def _through(name: str, data: str) -> Command:
    return Command(name, 0x42, bytes.fromhex(data))


REQB = _through("REQB", "05 00 00")
ATTRIB = _through("ATTRIB", "1D 00 00 00 00 00 08 01 08")
GET_CHIP_SERIAL = _through("chip serial", "00 36 00 00 08")


class Status(IntEnum):
    """First byte of the answer to an exchange with a card."""

    GOOD = 0x00
    TIME_OUT = 0x01  # nothing answers: no card, or one that hangs
    DAMAGED = 0x100  # CRC, parity, framing and all others; no byte has this value


@dataclass(frozen=True, slots=True, repr=False)
class Exchange:
    """What came of sending a plain frame to a card."""

    status: Status
    data: bytes

    def __repr__(self) -> str:
        return f"Exchange({self.status.name}, {len(self.data)} bytes)"


def firmware_text(data: bytes) -> str:
    """IC, version and revision in words. Raises ProtocolViolation."""
    if len(data) != 4:  # noqa: PLR2004 - IC, version, revision, what it supports
        raise ProtocolViolation("the answer with the chip's version has a wrong length")
    chip, version, revision, _ = data
    return f"PN5{chip:02X} firmware {version}.{revision}"


def parse_exchange(data: bytes) -> Exchange:
    """The answer to InCommunicateThru (code 43). Raises ProtocolViolation."""
    if not data:
        raise ProtocolViolation("an answer about a card without a status")
    status = data[0] & 0x3F  # the upper bits say whether there is more to come
    known = Status(status) if status in (Status.GOOD, Status.TIME_OUT) else Status.DAMAGED
    return Exchange(known, data[1:] if known is Status.GOOD else b"")


_TARGET_HEADER = 5  # target's number, SENS_RES (2), SEL_RES, length of the UID
_SEL_RES_PART_4 = 0x20  # an ATS follows


def parse_type_a(data: bytes) -> list[bytes]:
    """UIDs of the targets in the answer to InListPassiveTarget (code 4B). Raises ProtocolViolation."""
    if not data:
        raise ProtocolViolation("a list of cards without their number")
    uids: list[bytes] = []
    rest = data[1:]
    for _ in range(data[0]):
        uid, rest = _take_target(rest)
        uids.append(uid)
    if rest:
        raise ProtocolViolation("a list of cards that is longer than it says")
    return uids


def _take_target(data: bytes) -> tuple[bytes, bytes]:
    size = data[_TARGET_HEADER - 1] if len(data) >= _TARGET_HEADER else 0
    end = _TARGET_HEADER + size
    if size == 0 or len(data) < end:
        raise ProtocolViolation("a list of cards that is cut short")
    after = end
    if data[3] & _SEL_RES_PART_4 and len(data) > end:
        after = end + data[end]  # an ATS counts its own length byte
    return data[_TARGET_HEADER:end], data[max(after, end) :]


_ATQB_SIZE = 12
_ATQB = 0x50
_SERIAL_SIZE = 8
_SW_GOOD = bytes.fromhex("90 00")


def is_atqb(data: bytes) -> bool:
    """Whether a type B card's answer to REQB is whole."""
    return len(data) == _ATQB_SIZE and data[0] == _ATQB


def is_id_card(atqb: bytes) -> bool:
    """Whether a type B card may be a resident ID card: its pseudo number is only zeros (readers.md 4.1)."""
    return is_atqb(atqb) and not any(atqb[1:5])


def chip_serial(data: bytes) -> bytes | None:
    """The 8 bytes of an ID card's chip out of the card's answer; None if that is anything else."""
    if len(data) != _SERIAL_SIZE + len(_SW_GOOD) or not data.endswith(_SW_GOOD):
        return None
    serial = data[:_SERIAL_SIZE]
    return serial if any(serial) else None


class FrameParser:
    """The chip's bytes in, frames out, cut anywhere. Holds at most one frame and the beginning of a next."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.discarded = 0  # bytes that belonged to no good frame; zeros between frames do not count
        self.rejected = 0  # frames with a wrong check byte
        self.echoed = 0  # commands of our own that the line gave back

    @property
    def collecting(self) -> bool:
        """A frame has begun and is not complete."""
        return len(self._buffer) >= len(START)

    def feed(self, data: bytes) -> list[Frame]:
        """Takes the next bytes of the line, as many as there are."""
        frames: list[Frame] = []
        for at in range(0, len(data), _CAPACITY):
            self._buffer += data[at : at + _CAPACITY]
            self._take_frames(frames)
        return frames

    def reset(self) -> None:
        """Forgets a frame that will not be completed."""
        self._skip(len(self._buffer))

    def _take_frames(self, frames: list[Frame]) -> None:
        while self._find_start():
            size = self._size()
            if size is None or size > len(self._buffer):
                return
            if size == 0:
                self._skip(1)
            else:
                self._take(size, frames)

    def _find_start(self) -> bool:
        """Drops what stands before the next start of a frame; keeps a zero that may become one."""
        at = self._buffer.find(START)
        if at < 0:
            self._skip(len(self._buffer) - self._buffer.endswith(START[:1]))
            return False
        self._skip(at)
        return True

    def _size(self) -> int | None:
        """Bytes of the frame at the buffer's begin; None: not known yet, 0: it cannot be a frame."""
        if len(self._buffer) < _SHORT_HEADER:
            return None
        length, check = mark = (self._buffer[2], self._buffer[3])
        if mark in (_ACK_MARK, _NACK_MARK):
            return _SHORT_HEADER
        if mark == _LONG_MARK:
            return self._long_size()
        return _SHORT_HEADER + length + _TAIL if (length + check) & 0xFF == 0 and length else 0

    def _long_size(self) -> int | None:
        if len(self._buffer) < _LONG_HEADER:
            return None
        high, low, check = self._buffer[4:7]
        length = high << 8 | low
        fits = (high + low + check) & 0xFF == 0 and 0 < length <= MAX_BODY
        return _LONG_HEADER + length + _TAIL if fits else 0

    def _take(self, size: int, frames: list[Frame]) -> None:
        mark = (self._buffer[2], self._buffer[3])
        if size == _SHORT_HEADER:
            frames.append(Signal.ACK if mark == _ACK_MARK else Signal.NACK)
            del self._buffer[:size]
            return
        body = self._buffer[_LONG_HEADER if mark == _LONG_MARK else _SHORT_HEADER : size]
        if sum(body) & 0xFF or body[-1]:
            self.rejected += 1
            self._skip(1)  # a damaged frame, or a false start: a good one may begin inside
            return
        del self._buffer[:size]
        self._sort(bytes(body[:-_TAIL]), frames)

    def _sort(self, body: bytes, frames: list[Frame]) -> None:
        if body[0] == _ERROR_TFI and len(body) == 1:
            frames.append(Signal.ERROR)
        elif body[0] == FROM_CHIP and len(body) > 1:
            frames.append(Answer(body[1], body[2:]))
        elif body[0] == TO_CHIP:
            self.echoed += 1
        else:
            self.discarded += len(body)

    def _skip(self, count: int) -> None:
        self.discarded += count - self._buffer.count(0, 0, count)
        del self._buffer[:count]
