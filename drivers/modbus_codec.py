"""Modbus RTU as relay boards speak it: requests made, replies found in whatever comes back. Pure.

Source: readers.md 7.2; MODBUS over Serial Line V1.02 (frames, CRC), MODBUS Application Protocol V1.1b3.
The silence that ends a frame cannot be seen behind a USB adapter. It need not be: who asks knows how long the
answer is, so a reply is found by its unit, its function, its length and its CRC, wherever it begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from drivers.errors import ConfigurationError

MAX_UNIT = 247  # 248 to 255 are reserved; 0 is for all, and nobody answers it
MAX_FRAME = 256
MAX_BITS = 256  # the standard allows 2,000; no board has as many
MAX_REGISTERS = 64
MAX_TENTHS = 0xFE00  # a timed coil's value must not look like FF 00, which is "on for ever"
EXCEPTION_BIT = 0x80
_ON = 0xFF00


class Function(IntEnum):
    READ_COILS = 0x01
    READ_INPUTS = 0x02
    READ_REGISTERS = 0x04  # input registers: where boards with supervised lines put what they measure
    WRITE_COIL = 0x05
    WRITE_COILS = 0x0F


class ExceptionCode(IntEnum):
    ILLEGAL_FUNCTION = 0x01
    ILLEGAL_ADDRESS = 0x02
    ILLEGAL_VALUE = 0x03
    DEVICE_FAILURE = 0x04
    ACKNOWLEDGE = 0x05
    BUSY = 0x06


@dataclass(frozen=True, slots=True)
class Bits:
    """Coils or inputs, in order, as many as were asked for."""

    states: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Registers:
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """The board repeats what it was told: it has done so."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An exception reply; `code` is one of ExceptionCode, or whatever the maker made up."""

    code: int


Reply = Bits | Registers | Written | Refused


@dataclass(frozen=True)
class Request:
    """What one unit is asked; made by the functions below."""

    unit: int
    function: Function
    address: int
    count: int  # of coils, inputs or registers
    data: bytes  # what follows the address

    @cached_property
    def frame(self) -> bytes:
        """The bytes on the line, CRC included."""
        return with_crc(bytes((self.unit, self.function)) + self.address.to_bytes(2, "big") + self.data)

    @property
    def reply_size(self) -> int:
        """Bytes of the reply that is no exception."""
        match self.function:
            case Function.READ_COILS | Function.READ_INPUTS:
                return 5 + (self.count + 7) // 8
            case Function.READ_REGISTERS:
                return 5 + 2 * self.count
            case _:
                return 8


def _remainder(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return value


_TABLE = tuple(_remainder(value) for value in range(256))


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS: polynomial A001 reflected, start FFFF."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc


def with_crc(body: bytes) -> bytes:
    return body + crc16(body).to_bytes(2, "little")


def read_coils(unit: int, first: int, count: int) -> Request:
    """`first` counts from 0. Raises ConfigurationError, as all of these do, for what cannot be asked."""
    return _read(unit, Function.READ_COILS, first, count, MAX_BITS)


def read_inputs(unit: int, first: int, count: int) -> Request:
    return _read(unit, Function.READ_INPUTS, first, count, MAX_BITS)


def read_registers(unit: int, first: int, count: int) -> Request:
    return _read(unit, Function.READ_REGISTERS, first, count, MAX_REGISTERS)


def write_coil(unit: int, coil: int, *, on: bool) -> Request:
    return _write(unit, coil, _ON if on else 0)


def flash_coil(unit: int, coil: int, tenths: int) -> Request:
    """Switches a coil on for `tenths` of a second, after which the board switches it off by itself.

    Makers' own: the time stands where others write FF 00. Which address it takes differs; the caller knows.
    """
    if not 1 <= tenths <= MAX_TENTHS:
        raise ConfigurationError(f"a timed coil of {tenths} tenths of a second: write 1 to {MAX_TENTHS}")
    return _write(unit, coil, tenths)


def write_coils(unit: int, first: int, states: Sequence[bool]) -> Request:
    _check(unit, first, len(states), MAX_BITS)
    packed = sum(on << at for at, on in enumerate(states)).to_bytes((len(states) + 7) // 8, "little")
    data = len(states).to_bytes(2, "big") + bytes((len(packed),)) + packed
    return Request(unit, Function.WRITE_COILS, first, len(states), data)


def _read(unit: int, function: Function, first: int, count: int, most: int) -> Request:
    _check(unit, first, count, most)
    return Request(unit, function, first, count, count.to_bytes(2, "big"))


def _write(unit: int, coil: int, value: int) -> Request:
    _check(unit, coil, 1, 1)
    return Request(unit, Function.WRITE_COIL, coil, 1, value.to_bytes(2, "big"))


def _check(unit: int, first: int, count: int, most: int) -> None:
    if not 1 <= unit <= MAX_UNIT:
        raise ConfigurationError(f"unit {unit}: a Modbus line has units 1 to {MAX_UNIT}")
    if not 1 <= count <= most or not 0 <= first <= 0x10000 - count:
        raise ConfigurationError(f"{count} from address {first}: write 1 to {most}, within 0 to 65535")


class ReplyParser:
    """The line's bytes in, cut anywhere, the one reply to `request` out.

    Noise, another unit's words, a late answer to something else and, on adapters that return what was sent,
    our own request do not count. `echoes`: such an adapter; without it the echo of a write cannot be told
    from the answer, for they are equal. Memory is bounded by two longest frames.
    """

    def __init__(self, request: Request, *, echoes: bool = False) -> None:
        self._request = request
        self._buffer = bytearray()
        self._echo_to_come = echoes and request.function is Function.WRITE_COIL  # others differ from theirs
        self.heard = 0  # bytes so far, for diagnostics
        self.echoed = False  # the request itself was heard; after a write that may have been the answer

    def feed(self, data: bytes) -> Reply | None:
        """The reply, as soon as it is complete; None while it is not. What comes after it does not count."""
        self.heard += len(data)
        for start in range(0, len(data), MAX_FRAME):
            self._buffer += data[start : start + MAX_FRAME]
            if (reply := self._find()) is not None:
                return reply
            # a frame that began before these bytes would be complete by now
            del self._buffer[: max(0, len(self._buffer) - MAX_FRAME)]
        return None

    def _find(self) -> Reply | None:
        buffer, request = self._buffer, self._request
        at = buffer.find(request.unit)
        while at >= 0:
            self.echoed = self.echoed or buffer.startswith(request.frame, at)
            reply = self._reply_at(at)
            if isinstance(reply, Written) and self._echo_to_come:
                self._echo_to_come = False
                del buffer[: at + request.reply_size]
                at = -1
            elif reply is not None:
                return reply
            at = buffer.find(request.unit, at + 1)
        return None

    def _reply_at(self, at: int) -> Reply | None:
        head = self._buffer[at : at + 3]
        if len(head) < 3:  # noqa: PLR2004 - unit, function, and the byte that says more
            return None
        request = self._request
        if head[1] == request.function | EXCEPTION_BIT:
            return Refused(head[2]) if self._frame(at, 5) else None
        if head[1] != request.function:
            return None
        frame = self._frame(at, request.reply_size)
        return self._meaning(frame) if frame else None

    def _frame(self, at: int, size: int) -> bytes | None:
        frame = bytes(self._buffer[at : at + size])
        return frame if len(frame) == size and crc16(frame) == 0 else None

    def _meaning(self, frame: bytes) -> Reply | None:
        request = self._request
        if request.function is Function.WRITE_COIL:
            return Written() if frame == request.frame else None
        if request.function is Function.WRITE_COILS:
            return Written() if frame[:6] == request.frame[:6] else None
        if frame[2] != len(frame) - 5:
            return None
        if request.function is Function.READ_REGISTERS:
            words = range(3, len(frame) - 2, 2)
            return Registers(tuple(int.from_bytes(frame[word : word + 2], "big") for word in words))
        packed = int.from_bytes(frame[3:-2], "little")
        return Bits(tuple(bool(packed >> at & 1) for at in range(request.count)))
