"""Raw bytes of a line nobody knows -> frames, each with one line of meaning. Pure.

Card numbers, keys and whatever may be one are overwritten in what is shown. Bytes that belong to no known
frame are shown as their shape only: they may be a number in a form that is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import xor

from drivers.em_codec import EmFramer
from drivers.errors import ProtocolViolation
from drivers.lc_codec import RelayState, StatusParser
from drivers.modbus_codec import EXCEPTION_BIT, Function, crc16
from drivers.osdp_codec import SOM, Packet, Reply, packet_from
from drivers.osdp_codec import meaning as osdp_meaning
from drivers.probe_plan import LC_START
from drivers.sam_codec import PREAMBLE, SAM_NUMBER_SIZE, SamFramer, SamNumber, Status, xor_of

HIDDEN = "**"
MOST_SHOWN = 28  # bytes of one frame


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of the line that belong together.

    `driver`: whose protocol, None if it is not understood. `form` tells the frames of one driver apart.
    """

    driver: str | None
    form: str
    raw: bytes = field(repr=False)
    shown: str  # in hex, identity overwritten
    meaning: str
    about: str = ""  # what the device says of itself


def dissect(data: bytes) -> list[Piece]:
    """All of `data` in pieces, in order."""
    pieces: list[Piece] = []
    begun = at = 0
    while at < len(data):
        piece = _frame_at(data, at)
        if piece is None:
            at += 1
            continue
        pieces += _lines(data[begun:at])
        pieces.append(piece)
        begun = at = at + len(piece.raw)
    return pieces + _lines(data[begun:])


def show(data: bytes, *, hide: range = range(0)) -> str:
    """Hex, with the bytes at `hide` overwritten and the end left out if it is long."""
    cells = [HIDDEN if at in hide else f"{byte:02X}" for at, byte in enumerate(data[:MOST_SHOWN])]
    rest = len(data) - MOST_SHOWN
    return " ".join(cells) + (f" ... {rest} bytes more" if rest > 0 else "")


def _frame_at(data: bytes, at: int) -> Piece | None:
    finder = _FINDERS.get(data[at])
    piece = finder(data, at) if finder else None
    return piece or _modbus(data, at)


# --- SAM-V (readers.md 1.2) --------------------------------------------------------------------------------

_SAM_HEAD = len(PREAMBLE) + 2
_SAM_REQUEST = 3


def _sam(data: bytes, at: int) -> Piece | None:
    if not data.startswith(PREAMBLE, at) or len(data) < at + _SAM_HEAD:
        return None
    size = _SAM_HEAD + int.from_bytes(data[at + len(PREAMBLE) : at + _SAM_HEAD], "big")
    frame = data[at : at + size]
    if len(frame) < size or size <= _SAM_HEAD or xor_of(frame[len(PREAMBLE) :]):
        return None
    if size == _SAM_HEAD + _SAM_REQUEST:
        return Piece("sam_v", "request", frame, show(frame), "SAM-V request")
    replies = SamFramer().feed(frame)
    if len(replies) != 1:
        return None
    status, content = replies[0].status, replies[0].data
    if status is Status.SUCCESS and len(content) == SAM_NUMBER_SIZE:
        about = f"SAM-V module {SamNumber.from_bytes(content).text}"
        return Piece("sam_v", "reply", frame, show(frame), f"{about} answers", about)
    hidden = range(_SAM_HEAD + _SAM_REQUEST, size - 1)
    return Piece("sam_v", "reply", frame, show(frame, hide=hidden), f"SAM-V reply: {status.meaning}")


# --- PN532 (readers.md 5.3) --------------------------------------------------------------------------------

PN532_START = b"\x00\x00\xff"
_PN532_EMPTY = {
    bytes.fromhex("00 00 FF 00 FF 00"): "PN532: acknowledged",
    bytes.fromhex("00 00 FF FF 00 00"): "PN532: please repeat",
    bytes.fromhex("00 00 FF 01 FF 7F 81 00"): "PN532: does not take the command",
}
_TO_CHIP, _FROM_CHIP = 0xD4, 0xD5
_PN532_HEAD = 5
_FIRMWARE_ANSWER = 0x03
_FIRMWARE_SIZE = 6


def _pn532(data: bytes, at: int) -> Piece | None:
    if not data.startswith(PN532_START, at):
        return None
    for empty, meaning in _PN532_EMPTY.items():
        if data.startswith(empty, at):
            return Piece("pn532", "empty", empty, show(empty), meaning)
    if len(data) < at + _PN532_HEAD + 1 or (data[at + 3] + data[at + 4]) & 0xFF or not data[at + 3]:
        return None
    length = data[at + 3]
    body = data[at + _PN532_HEAD : at + _PN532_HEAD + length]
    frame = data[at : at + _PN532_HEAD + length + 2]
    if len(frame) < _PN532_HEAD + length + 1 or sum(frame[_PN532_HEAD:][: length + 1]) & 0xFF:
        return None
    if body[0] == _TO_CHIP:
        return Piece("pn532", "request", frame, show(frame), "PN532 command")
    if body[0] != _FROM_CHIP or length == 1:
        return None
    if body[1] == _FIRMWARE_ANSWER and length == _FIRMWARE_SIZE:
        about = f"PN5{body[2]:02X} with firmware {body[3]}.{body[4]}"
        return Piece("pn532", "reply", frame, show(frame), f"{about} answers", about)
    hidden = range(_PN532_HEAD + 2, len(frame) - 1)
    words = f"PN532 answers command {body[1] - 1:02X}"
    return Piece("pn532", "reply", frame, show(frame, hide=hidden), words)


# --- OSDP (readers.md 6.1) ---------------------------------------------------------------------------------

_OSDP_SMALLEST = 7
_OSDP_LARGEST = 1440
_OPEN_REPLIES = frozenset(
    {Reply.ACK, Reply.NAK, Reply.PDID, Reply.PDCAP, Reply.LSTATR, Reply.ISTATR, Reply.OSTATR, Reply.RSTATR}
    | {Reply.COM, Reply.BUSY}
)
"""Replies whose data is about the device; all others may carry a card or keys."""


def _osdp(data: bytes, at: int) -> Piece | None:
    size = int.from_bytes(data[at + 2 : at + 4], "little")
    if not _OSDP_SMALLEST <= size <= min(_OSDP_LARGEST, len(data) - at):
        return None
    frame = data[at : at + size]
    try:
        packet = packet_from(frame)
    except ProtocolViolation:
        return None
    hidden = range(0) if _is_open(packet) else range(_OSDP_SMALLEST - 1, size)
    form = "reply" if packet.is_reply else "request"
    words = osdp_meaning(packet)
    about = f"OSDP reader: {words}" if packet.is_reply and packet.code == Reply.PDID else ""
    return Piece("osdp", form, frame, show(frame, hide=hidden), f"OSDP {words}", about)


def _is_open(packet: Packet) -> bool:
    return not packet.data or (packet.is_reply and packet.code in _OPEN_REPLIES and not packet.is_encrypted)


# --- Modbus RTU (readers.md 7.2) ---------------------------------------------------------------------------

_MAX_UNIT = 247
_MODBUS_SHORT, _MODBUS_REQUEST = 5, 8
_READS = {Function.READ_COILS: "relays", Function.READ_INPUTS: "inputs"}
_KNOWN_FUNCTIONS = frozenset(Function)


def _modbus(data: bytes, at: int) -> Piece | None:
    if not 1 <= data[at] <= _MAX_UNIT or len(data) < at + _MODBUS_SHORT:
        return None
    unit, function, third = data[at : at + 3]
    if function in _READS and _fits(data, at, _MODBUS_SHORT + third) and third:
        frame = data[at : at + _MODBUS_SHORT + third]
        states = f"{frame[3]:08b}"[::-1] if third == 1 else f"{third} bytes"
        words = f"Modbus unit {unit} answers: {_READS[Function(function)]} {states}"
        return Piece("modbus", "reply", frame, show(frame), words)
    if function & ~EXCEPTION_BIT in _KNOWN_FUNCTIONS and function & EXCEPTION_BIT:
        if not _fits(data, at, _MODBUS_SHORT):
            return None
        frame = data[at : at + _MODBUS_SHORT]
        return Piece("modbus", "refusal", frame, show(frame), f"Modbus unit {unit} refuses with code {third}")
    if function in _KNOWN_FUNCTIONS and _fits(data, at, _MODBUS_REQUEST):
        frame = data[at : at + _MODBUS_REQUEST]
        return Piece("modbus", "request", frame, show(frame), f"Modbus request to unit {unit}")
    return None


def _fits(data: bytes, at: int, size: int) -> bool:
    return len(data) >= at + size and crc16(data[at : at + size]) == 0


# --- LC relay boards (readers.md 7.1) ----------------------------------------------------------------------

_LC_LINE = re.compile(rb"CH\s{0,3}[1-8]\s{0,3}[:=]\s{0,3}(?:ON|OFF) {0,3}\r?\n?", re.IGNORECASE)
_LC_COMMAND_SIZE = 4


def _lc_status(data: bytes, at: int) -> Piece | None:
    found = _LC_LINE.match(data, at)
    states: list[RelayState] = StatusParser().feed(found[0] + b"\r\n") if found else []
    if not found or not states:
        return None
    relay = states[0]
    words = f"LC board: relay {relay.channel} is {'on' if relay.on else 'off'}"
    return Piece("lc_relay", "status", found[0], show(found[0]), words, str(relay.channel))


def _lc_command(data: bytes, at: int) -> Piece | None:
    frame = data[at : at + _LC_COMMAND_SIZE]
    if len(frame) < _LC_COMMAND_SIZE or sum(frame[:3]) & 0xFF != frame[3] or not 1 <= frame[1] <= 8:  # noqa: PLR2004
        return None
    return Piece("lc_relay", "command", frame, show(frame), f"a command to relay {frame[1]} of an LC board")


# --- readers that speak unasked (readers.md 5.1, 5.2) ------------------------------------------------------

_EM = re.compile(rb"\x02[0-9A-Fa-f]{12}(\r\n)?\x03")
_LRC = re.compile(rb"\x02(?:[0-9A-Fa-f]{8}|[0-9A-Fa-f]{10})\x03")


def _after_stx(data: bytes, at: int) -> Piece | None:
    if found := _EM.match(data, at):
        frames = EmFramer().feed(found[0])
        if len(frames) != 1 or frames[0].tag is None:
            return None
        driver = "id12" if found[1] else "rdm6300"
        return Piece(driver, "tag", found[0], _shape(found[0]), "EM4100 tag, check digits right")
    found = _LRC.match(data, at)
    if not found or found.end() >= len(data) or reduce(xor, found[0]) != data[found.end()]:
        return None
    frame = data[at : found.end() + 1]
    words = f"card of {len(frame) - 3} hex digits, check byte right"
    return Piece("wiegand", "stx_lrc", frame, f"{_shape(frame[:-1])} {HIDDEN}", words)


_FINDERS: Mapping[int, Callable[[bytes, int], Piece | None]] = {
    PREAMBLE[0]: _sam,
    PN532_START[0]: _pn532,
    SOM: _osdp,
    LC_START: _lc_command,
    0x02: _after_stx,
    ord("C"): _lc_status,
    ord("c"): _lc_status,
}

# --- lines of text, and what is left (readers.md 5.2, 5.4) -------------------------------------------------

_TEXT = re.compile(
    rb"(\x02?)((?:[\x20-\x7e]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}){4,})"
    rb"(\r\n|\r|\n|\t|\x03|\x00|\Z)"
)
_FRAMING = frozenset(b"\x00\x02\x03\t\r\n\xff")
_ENDS = {
    b"\r\n": "CR LF",
    b"\r": "CR",
    b"\n": "LF",
    b"\t": "TAB",
    b"\x03": "ETX",
    b"\0": "NUL",
    b"": "silence",
}


def _lines(data: bytes) -> list[Piece]:
    """Lines of text in bytes that hold no frame, and the rest."""
    pieces: list[Piece] = []
    begun = 0
    for found in _TEXT.finditer(data):
        pieces += _unknown(data[begun : found.start()])
        words = f"line of {kind_of_text(found[2])}, ended by {_ENDS[found[3]]}"
        pieces.append(Piece("text", "line", found[0], _shape(found[0]), words))
        begun = found.end()
    return pieces + list(_unknown(data[begun:]))


def line_parts(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """Prefix, content and end of a piece of form "line"."""
    found = _TEXT.fullmatch(raw)
    assert found, "only pieces of this form are asked for"
    return found[1], found[2], found[3]


def kind_of_text(text: bytes) -> str:
    """What the characters are, in words, without any of them."""
    size = len(text)
    if text.isdigit():
        return f"{size} decimal digits"
    if re.fullmatch(rb"[0-9A-Fa-f]+", text):
        return f"{size} hex digits"
    if re.fullmatch(rb"\d{1,5},\d{1,6}", text):
        return "two decimal numbers with a comma"
    return f"{size} bytes of text"


def _unknown(data: bytes) -> Iterator[Piece]:
    if data:
        yield Piece(None, "unknown", data, _shape(data), f"{len(data)} bytes not understood")


def _shape(data: bytes) -> str:
    """Only what frames a number; the bytes between are overwritten."""
    cells = [f"{byte:02X}" if byte in _FRAMING else HIDDEN for byte in data[:MOST_SHOWN]]
    rest = len(data) - MOST_SHOWN
    return " ".join(cells) + (f" ... {rest} bytes more" if rest > 0 else "")
