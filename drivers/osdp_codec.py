"""OSDP packets: bytes in, packets out, and what they mean. Pure; holds no key and computes no cryptogram.

Source: readers.md 6 (IEC 60839-11-5, SIA OSDP 2.2). Secured packets are seen from outside: who, which code,
which sequence number; their data stays encrypted. What packets mean is told without any card number or digit.
"""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import dataclass, field
from enum import IntEnum

from drivers.errors import ConfigurationError, ProtocolViolation

MARK = 0xFF
SOM = 0x53
BROADCAST = 0x7F
MAX_ADDRESS = 0x7E
MAX_PACKET = 1440  # readers.md 6.1: what an ACU must be able to take
RATES = (9600, 115200, 38400, 57600, 19200, 230400)  # the factory's first
DEFAULT_KEY = bytes(range(0x30, 0x40))  # SCBK-D, readers.md 6.5

_REPLY_BIT = 0x80
_HEADER = 5
_CRC_BIT = 0x04
_BLOCK_BIT = 0x08
_BLOCK_HEAD = 2  # its length and its type
_MAC_SIZE = 4
_CODE_SIZE = 1


class Command(IntEnum):
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
    RMODE = 0x6C
    TDSET = 0x6D
    COMSET = 0x6E
    BIOREAD = 0x73
    BIOMATCH = 0x74
    KEYSET = 0x75
    CHLNG = 0x76
    SCRYPT = 0x77
    ACURXSIZE = 0x7B
    FILETRANSFER = 0x7C
    MFG = 0x80
    XWR = 0xA1
    ABORT = 0xA2
    PIVDATA = 0xA3
    GENAUTH = 0xA4
    CRAUTH = 0xA5
    KEEPACTIVE = 0xA7


class Reply(IntEnum):
    ACK = 0x40
    NAK = 0x41
    PDID = 0x45
    PDCAP = 0x46
    LSTATR = 0x48
    ISTATR = 0x49
    OSTATR = 0x4A
    RSTATR = 0x4B
    RAW = 0x50
    FMT = 0x51
    KEYPAD = 0x53
    COM = 0x54
    BIOREADR = 0x57
    BIOMATCHR = 0x58
    CCRYPT = 0x76
    RMAC_I = 0x78
    BUSY = 0x79
    FTSTAT = 0x7A
    PIVDATAR = 0x80
    GENAUTHR = 0x81
    CRAUTHR = 0x82
    MFGSTATR = 0x83
    MFGERRR = 0x84
    MFGREP = 0x90
    XRD = 0xB1


class Nak(IntEnum):
    BAD_CHECK = 1
    BAD_LENGTH = 2
    UNKNOWN_COMMAND = 3
    WRONG_SEQUENCE = 4
    NO_SECURITY_BLOCK = 5
    ENCRYPTION_REQUIRED = 6
    BIO_TYPE = 7
    BIO_FORMAT = 8
    NOT_PROCESSED = 9
    UNSPECIFIC = 0xFF

    @property
    def meaning(self) -> str:
        return _NAK_MEANINGS[self]


_NAK_MEANINGS = {
    Nak.BAD_CHECK: "bad check character or CRC",
    Nak.BAD_LENGTH: "bad length",
    Nak.UNKNOWN_COMMAND: "unknown command",
    Nak.WRONG_SEQUENCE: "unexpected sequence number",
    Nak.NO_SECURITY_BLOCK: "security block not supported",
    Nak.ENCRYPTION_REQUIRED: "encryption required",
    Nak.BIO_TYPE: "biometric type not supported",
    Nak.BIO_FORMAT: "biometric format not supported",
    Nak.NOT_PROCESSED: "record could not be processed",
    Nak.UNSPECIFIC: "no reason given",
}


class Block(IntEnum):
    """Types of security block, SCS_11 to SCS_18 (readers.md 6.5)."""

    CHALLENGE = 0x11
    CLIENT = 0x12
    SERVER = 0x13
    FIRST_MAC = 0x14
    COMMAND_PLAIN = 0x15  # authenticated by a MAC, nothing to encrypt
    REPLY_PLAIN = 0x16
    COMMAND_SECRET = 0x17  # authenticated and encrypted
    REPLY_SECRET = 0x18


_WITH_MAC = frozenset({Block.COMMAND_PLAIN, Block.REPLY_PLAIN, Block.COMMAND_SECRET, Block.REPLY_SECRET})
_ENCRYPTED = frozenset({Block.COMMAND_SECRET, Block.REPLY_SECRET})


class Capability(IntEnum):
    """Functions in a PDCAP reply (readers.md 6.4)."""

    CONTACTS = 1
    OUTPUTS = 2
    CARD_FORMAT = 3
    LED = 4
    BUZZER = 5
    TEXT = 6
    TIME = 7
    CHECK_CHARACTER = 8
    SECURITY = 9
    RECEIVE_BUFFER = 10
    COMBINED_MESSAGE = 11
    SMART_CARD = 12
    READERS = 13
    BIOMETRICS = 14
    SECURE_PIN = 15
    VERSION = 16


def crc16(data: bytes) -> int:
    """CRC of readers.md 6.1: polynomial 1021, start 1D0F, nothing reflected."""
    return crc_hqx(data, 0x1D0F)


def checksum(data: bytes) -> int:
    return -sum(data) & 0xFF


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet without its mark byte. `data` and `mac` may hold identity and are in no `repr`."""

    address: int
    code: int
    data: bytes = field(default=b"", repr=False)
    sequence: int = 0
    is_reply: bool = False
    block: int | None = None  # type of the security block
    block_data: bytes = b""
    mac: bytes = field(default=b"", repr=False)  # the first 4 bytes, as sent
    with_crc: bool = True

    @property
    def is_secured(self) -> bool:
        """It carries a MAC: sent inside a secure channel. Whether the MAC is right is not known here."""
        return self.block in _WITH_MAC

    @property
    def is_encrypted(self) -> bool:
        return self.block in _ENCRYPTED

    @property
    def uses_default_key(self) -> bool:
        """A packet of the handshake that says so itself; its last packet says "success" in that place."""
        return self.block in (Block.CHALLENGE, Block.CLIENT, Block.SERVER) and self.block_data[:1] == b"\0"

    @property
    def name(self) -> str:
        table: type[Reply | Command] = Reply if self.is_reply else Command
        return table(self.code).name if self.code in table.__members__.values() else f"{self.code:02X}"

    def to_bytes(self) -> bytes:
        """As on the line, check included, mark byte not. Raises ConfigurationError if it cannot be."""
        block = b""
        if self.block is not None:
            block = bytes((_BLOCK_HEAD + len(self.block_data), self.block)) + self.block_data
        check = 2 if self.with_crc else 1
        length = _HEADER + len(block) + _CODE_SIZE + len(self.data) + len(self.mac) + check
        if length > MAX_PACKET or not 0 <= self.address <= BROADCAST:
            raise ConfigurationError(f"no such packet: {length} bytes to address {self.address}")
        control = self.sequence & 3 | _CRC_BIT * self.with_crc | _BLOCK_BIT * (self.block is not None)
        head = bytes((SOM, self.address | _REPLY_BIT * self.is_reply)) + length.to_bytes(2, "little")
        body = head + bytes((control,)) + block + bytes((self.code,)) + self.data + self.mac
        return body + (crc16(body).to_bytes(2, "little") if self.with_crc else bytes((checksum(body),)))


def packet_from(frame: bytes) -> Packet:
    """One whole packet from SOM to check. Raises ProtocolViolation."""
    if len(frame) < _HEADER + _CODE_SIZE + 1 or frame[0] != SOM:
        raise ProtocolViolation("too short for a packet")
    control = frame[4]
    with_crc = bool(control & _CRC_BIT)
    check = 2 if with_crc else 1
    body = frame[:-check]
    expected = crc16(body).to_bytes(2, "little") if with_crc else bytes((checksum(body),))
    if int.from_bytes(frame[2:4], "little") != len(frame) or frame[-check:] != expected:
        raise ProtocolViolation("length or check is wrong")
    rest = body[_HEADER:]
    block, block_data = None, b""
    if control & _BLOCK_BIT:
        if not rest or not _BLOCK_HEAD <= rest[0] < len(rest):
            raise ProtocolViolation("the security block does not fit")
        block, block_data, rest = rest[1], rest[_BLOCK_HEAD : rest[0]], rest[rest[0] :]
    mac = b""
    if block in _WITH_MAC:
        if len(rest) < _CODE_SIZE + _MAC_SIZE:
            raise ProtocolViolation("no room for the MAC")
        rest, mac = rest[:-_MAC_SIZE], rest[-_MAC_SIZE:]
    if not rest:
        raise ProtocolViolation("no code")
    return Packet(
        address=frame[1] & ~_REPLY_BIT,
        code=rest[0],
        data=rest[1:],
        sequence=control & 3,
        is_reply=bool(frame[1] & _REPLY_BIT),
        block=block,
        block_data=block_data,
        mac=mac,
        with_crc=with_crc,
    )


class OsdpFramer:
    """Line bytes in, packets out, in both directions, cut anywhere. Waits for one longest packet at most."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.discarded = 0  # noise so far; mark bytes are none
        self.broken = 0  # packets that had their length and not their check

    @property
    def is_waiting(self) -> bool:
        """Part of a packet is there. A gap inside a packet is 20 ms at most: then call `reset`."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[Packet]:
        return [packet_from(frame) for frame in self.feed_raw(data)]

    def feed_raw(self, data: bytes) -> list[bytes]:
        """As `feed`: whole valid packets, as bytes from SOM to check."""
        self._buffer += data
        frames: list[bytes] = []
        start = 0  # all before it is done with
        while (begin := self._buffer.find(SOM, start)) >= 0:
            self._drop(start, begin)
            start = begin
            size = self._size_at(start)
            if size is None or len(self._buffer) - start < size:
                break
            frame = bytes(self._buffer[start : start + size])
            if size and _is_whole(frame):
                frames.append(frame)
                start += size
            else:
                self.broken += bool(size)
                self.discarded += 1  # a false SOM: the real packet may begin inside
                start += 1
        else:
            self._drop(start, len(self._buffer))
            start = len(self._buffer)
        del self._buffer[:start]
        return frames

    def reset(self) -> list[Packet]:
        """After a silence: what was begun ends no more. Returns packets that a false beginning had hidden."""
        return [packet_from(frame) for frame in self.reset_raw()]

    def reset_raw(self) -> list[bytes]:
        """As `reset`: whole valid packets, as bytes from SOM to check."""
        frames: list[bytes] = []
        while self._buffer:
            self.discarded += 1
            del self._buffer[0]
            frames += self.feed_raw(b"")
        return frames

    def _size_at(self, start: int) -> int | None:
        """Of the packet at `start`: None if not known yet, 0 if none can begin here."""
        if len(self._buffer) - start < _HEADER - 1:
            return None
        size = int.from_bytes(self._buffer[start + 2 : start + 4], "little")
        return size if _HEADER + _CODE_SIZE + 1 <= size <= MAX_PACKET else 0

    def _drop(self, start: int, end: int) -> None:
        self.discarded += end - start - self._buffer.count(MARK, start, end)


def _is_whole(frame: bytes) -> bool:
    try:
        packet_from(frame)
    except ProtocolViolation:
        return False
    return True


# --- what replies carry ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Identity:
    """What a device says of itself (PDID)."""

    vendor: str  # 6 hex digits
    model: int
    version: int
    serial: int
    firmware: str

    @classmethod
    def from_bytes(cls, data: bytes) -> Identity:
        """Data of a PDID reply, 12 bytes. Raises ProtocolViolation."""
        if len(data) != 12:  # noqa: PLR2004 - 3 + 1 + 1 + 4 + 3
            raise ProtocolViolation("an identity has 12 bytes")
        firmware = ".".join(str(part) for part in data[9:12])
        return cls(data[:3].hex().upper(), data[3], data[4], int.from_bytes(data[5:9], "little"), firmware)


@dataclass(frozen=True, slots=True)
class Ability:
    compliance: int
    number: int


def capabilities_from(data: bytes) -> dict[int, Ability]:
    """Data of a PDCAP reply: function -> what it can. Raises ProtocolViolation."""
    if len(data) % 3:
        raise ProtocolViolation("capabilities come in threes")
    return {data[at]: Ability(data[at + 1], data[at + 2]) for at in range(0, len(data), 3)}


def is_able_to_encrypt(abilities: dict[int, Ability]) -> bool:
    security = abilities.get(Capability.SECURITY)
    return security is not None and bool(security.compliance & 1)


@dataclass(frozen=True, slots=True)
class RawCard:
    reader: int
    is_wiegand: bool
    bits: int
    data: bytes = field(repr=False)  # the first bit is bit 7 of the first byte

    @classmethod
    def from_bytes(cls, data: bytes) -> RawCard:
        """Data of a RAW reply. Raises ProtocolViolation."""
        if len(data) < 4:  # noqa: PLR2004 - reader, format, bits
            raise ProtocolViolation("a card reply has at least 4 bytes")
        bits = int.from_bytes(data[2:4], "little")
        if len(data) != 4 + (bits + 7) // 8:
            raise ProtocolViolation("a card reply's bits and bytes differ")
        return cls(data[0], data[1] == 1, bits, data[4:])


@dataclass(frozen=True, slots=True)
class Keys:
    reader: int
    keys: str = field(repr=False)  # "0" to "9", "*" and "#"

    @classmethod
    def from_bytes(cls, data: bytes) -> Keys:
        """Data of a KEYPAD reply. Raises ProtocolViolation."""
        if len(data) < 2 or len(data) != 2 + data[1]:  # noqa: PLR2004 - reader, count
            raise ProtocolViolation("a keypad reply's count is wrong")
        return cls(data[0], keys_from(data[2:]))


def keys_from(data: bytes) -> str:
    """The keys of a KEYPAD reply, bytes that are no key left out (readers.md 6.4)."""
    return "".join(_KEYS.get(byte, "") for byte in data)


_KEYS = {byte: chr(byte) for byte in b"0123456789*#"} | {0x7F: "*", 0x0D: "#"}


# --- what may be asked -------------------------------------------------------------------------------------


def poll(address: int, sequence: int = 0) -> Packet:
    return Packet(address, Command.POLL, sequence=sequence)


def identify(address: int = BROADCAST, sequence: int = 0) -> Packet:
    """Asks a device who it is; answered in clear text also by one that enforces its secure channel."""
    return Packet(address, Command.ID, b"\0", sequence)


def ask_capabilities(address: int = BROADCAST, sequence: int = 0) -> Packet:
    return Packet(address, Command.CAP, b"\0", sequence)


# --- in words ----------------------------------------------------------------------------------------------


def meaning(packet: Packet) -> str:
    """One line on what `packet` is, without any credential: for a person who watches the line."""
    address = "all" if packet.address == BROADCAST else str(packet.address)
    who = f"{address} answers" if packet.is_reply else f"to {address}"
    detail = _detail(packet)
    seal = ""
    if packet.is_encrypted:
        seal = ", encrypted"
    elif packet.is_secured:
        seal = ", with MAC"
    elif packet.uses_default_key:
        seal = ", default key"
    return f"{who}: {packet.name}{f' ({detail})' if detail else ''}{seal}"


def _detail(packet: Packet) -> str:
    if packet.is_encrypted or not packet.is_reply:
        return ""
    try:
        return _reply_detail(packet)
    except ProtocolViolation as error:
        return str(error)


def _reply_detail(packet: Packet) -> str:
    match packet.code:
        case Reply.PDID:
            who = Identity.from_bytes(packet.data)
            return f"vendor {who.vendor}, model {who.model}.{who.version}, firmware {who.firmware}"
        case Reply.PDCAP:
            able = is_able_to_encrypt(capabilities_from(packet.data))
            return "can encrypt" if able else "cannot encrypt"
        case Reply.NAK:
            return nak_meaning(packet.data)
        case Reply.RAW:
            return f"a card of {RawCard.from_bytes(packet.data).bits} bits"
        case Reply.KEYPAD:
            Keys.from_bytes(packet.data)
            return "keys"
    return ""


def nak_meaning(data: bytes) -> str:
    """Data of a NAK reply in words."""
    known = bool(data) and data[0] in Nak.__members__.values()
    return Nak(data[0]).meaning if known else Nak.UNSPECIFIC.meaning
