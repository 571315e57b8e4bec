"""OSDP packets as values: building, framing, checking (readers.md 6.1 to 6.4). No keys, port or clock."""

from binascii import crc_hqx
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum

SOM = 0x53
BROADCAST = 0x7F
REPLY_BIT = 0x80
MAX_PACKET = 1440  # what a control panel takes; a peripheral may take less
MAC_SIZE = 4  # of the 16 bytes, those on the wire

_HEAD_SIZE = 5  # SOM, address, length, control
_MIN_PACKET = _HEAD_SIZE + 2  # a code and a checksum
_CRC_BIT = 0x04
_SECURITY_BIT = 0x08
_SEQUENCE_BITS = 0x03
_CRC_START = 0x1D0F


class Command(IntEnum):
    """Codes of readers.md 6.3 that a peripheral here knows."""

    POLL = 0x60
    ID = 0x61
    CAP = 0x62
    LSTAT = 0x64
    ISTAT = 0x65
    OSTAT = 0x66
    RSTAT = 0x67
    OUT = 0x68
    LED = 0x69
    BUZ = 0x6A
    TEXT = 0x6B
    COMSET = 0x6E
    KEYSET = 0x75
    CHLNG = 0x76
    SCRYPT = 0x77
    ACURXSIZE = 0x7B
    ABORT = 0xA2
    KEEPACTIVE = 0xA7


class Reply(IntEnum):
    """Codes of readers.md 6.4 that a peripheral here gives."""

    ACK = 0x40
    NAK = 0x41
    PDID = 0x45
    PDCAP = 0x46
    LSTATR = 0x48
    ISTATR = 0x49
    OSTATR = 0x4A
    RSTATR = 0x4B
    RAW = 0x50
    KEYPAD = 0x53
    COM = 0x54
    CCRYPT = 0x76
    RMAC_I = 0x78
    BUSY = 0x79


class Nak(IntEnum):
    """Why a command was refused."""

    CHECK = 0x01
    LENGTH = 0x02
    UNKNOWN_COMMAND = 0x03
    SEQUENCE = 0x04
    NO_SECURITY = 0x05
    SECURITY_NEEDED = 0x06
    RECORD = 0x09


class Scs(IntEnum):
    """Types of security block (readers.md 6.5)."""

    CHLNG = 0x11
    CCRYPT = 0x12
    SCRYPT = 0x13
    RMAC_I = 0x14
    COMMAND = 0x15
    REPLY = 0x16
    COMMAND_DATA = 0x17
    REPLY_DATA = 0x18


_WITH_MAC = frozenset({Scs.COMMAND, Scs.REPLY, Scs.COMMAND_DATA, Scs.REPLY_DATA})


def crc16(data: bytes) -> int:
    """CRC-16 of polynomial 1021, start 1D0F, unreflected."""
    return crc_hqx(data, _CRC_START)


def checksum(data: bytes) -> int:
    """Two's complement of the sum."""
    return -sum(data) & 0xFF


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet with a good check value. `data` may be encrypted; `mac` is what of it was sent."""

    address: int  # 00 to 7F
    sequence: int
    code: int
    data: bytes = b""
    reply: bool = False
    with_crc: bool = True
    security: bytes | None = None  # type and data of the security block, without its length byte
    mac: bytes = b""

    def before_mac(self) -> bytes:
        """What the MAC is made of: SOM up to the last data byte; the length counts MAC and check value."""
        block = b"" if self.security is None else bytes((len(self.security) + 1,)) + self.security
        mac_size = MAC_SIZE if self.carries_mac else 0
        length = _HEAD_SIZE + len(block) + 1 + len(self.data) + mac_size + (2 if self.with_crc else 1)
        control = self.sequence | (_CRC_BIT if self.with_crc else 0) | (_SECURITY_BIT if block else 0)
        address = self.address | (REPLY_BIT if self.reply else 0)
        head = bytes((SOM, address)) + length.to_bytes(2, "little") + bytes((control,))
        return head + block + bytes((self.code,)) + self.data

    def to_bytes(self) -> bytes:
        """The packet with its check value, without a mark byte."""
        data = self.before_mac() + self.mac
        return data + (crc16(data).to_bytes(2, "little") if self.with_crc else bytes((checksum(data),)))

    @property
    def carries_mac(self) -> bool:
        """Whether it belongs to an open secure channel."""
        return self.security is not None and self.security[0] in _WITH_MAC


def parse(raw: bytes) -> Packet | None:
    """The packet in `raw`, None if a check value, a length or the security block does not fit."""
    if len(raw) < _MIN_PACKET or raw[0] != SOM or int.from_bytes(raw[2:4], "little") != len(raw):
        return None
    control = raw[4]
    with_crc = bool(control & _CRC_BIT)
    body, check = (raw[:-2], raw[-2:]) if with_crc else (raw[:-1], raw[-1:])
    good = crc16(body).to_bytes(2, "little") if with_crc else bytes((checksum(body),))
    if check != good:
        return None
    at = _HEAD_SIZE
    security = None
    if control & _SECURITY_BIT:
        size = body[at] if at < len(body) else 0
        security = body[at + 1 : at + size]
        if not security or len(security) != size - 1:
            return None
        at += size
    packet = Packet(
        address=raw[1] & ~REPLY_BIT,
        sequence=control & _SEQUENCE_BITS,
        code=body[at] if at < len(body) else -1,
        data=body[at + 1 :],
        reply=bool(raw[1] & REPLY_BIT),
        with_crc=with_crc,
        security=security,
    )
    return None if packet.code < 0 else _split_mac(packet)


def _split_mac(packet: Packet) -> Packet | None:
    if not packet.carries_mac:
        return packet
    if len(packet.data) < MAC_SIZE:
        return None
    return replace(packet, data=packet.data[:-MAC_SIZE], mac=packet.data[-MAC_SIZE:])


class Framer:
    """Finds packets in a stream. What belongs to none is dropped byte by byte: noise hides no packet."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.dropped = 0

    def feed(self, data: bytes) -> Iterator[tuple[bytes, Packet]]:
        """Take bytes in any portions; gives each good packet with its bytes."""
        self._buffer += data
        while (found := self._next()) is not None:
            yield found

    def reset(self) -> None:
        """Forget an unfinished packet: the line was silent for too long."""
        self._drop(len(self._buffer))

    @property
    def waiting(self) -> bool:
        """Whether a packet is unfinished."""
        return bool(self._buffer)

    def _next(self) -> tuple[bytes, Packet] | None:
        buffer = self._buffer
        while True:
            start = buffer.find(SOM)
            self._drop(len(buffer) if start < 0 else start)
            if len(buffer) < _HEAD_SIZE:
                return None
            length = int.from_bytes(buffer[2:4], "little")
            if not _MIN_PACKET <= length <= MAX_PACKET:
                self._drop(1)
            elif len(buffer) < length:
                return None
            elif (packet := parse(raw := bytes(buffer[:length]))) is None:
                self._drop(1)
            else:
                del buffer[:length]
                return raw, packet

    def _drop(self, count: int) -> None:
        self.dropped += count
        del self._buffer[:count]
