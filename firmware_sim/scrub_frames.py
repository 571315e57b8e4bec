"""Scrubbers of the lines that carry frames: SAM-V, PN532, OSDP, Modbus, LC boards. Pure.

Frames keep their length, and a check value that was wrong stays wrong by as much.
"""

import re
from dataclasses import replace
from functools import cache, reduce
from operator import xor

from firmware_sim.cards import PHOTO, Layout, address_item, field_at
from firmware_sim.modbus_frame import crc16 as modbus_crc
from firmware_sim.osdp_packet import SOM, Command, Packet, Reply, parse
from firmware_sim.people import make_people
from firmware_sim.pn532_frame import FROM_CHIP, TO_CHIP, crc_b
from firmware_sim.sam_module import PREAMBLE, sam_number
from firmware_sim.scrub import Aliases, Family, blank
from firmware_sim.wiegand import SIZES, data_bits, word

_ALIAS_SEED = 0

# SAM-V (readers.md 1.2, 1.6)
_SAM_HEAD = len(PREAMBLE) + 2
_SAM_MAX = 4096
_SAM_REQUEST_MAX = 4
_TEXT_SIZE = 256
_PHOTO_SIZE = 1024
_NUMBER_SIZE = 16
_BODY_SIZE = 28
_ADDRESS = address_item("示例市示例路1号")
_LAYOUT_AT = 248


def find_sam_reply(buffer: bytes, aliases: Aliases, final: bool) -> bytes | None:  # noqa: FBT001 - see Finder
    """One reply of a module."""
    length = _sam_length(buffer)
    if length is None:
        return None if not final and PREAMBLE.startswith(buffer[: len(PREAMBLE)]) else blank(buffer[:1])
    if not _SAM_REQUEST_MAX <= length <= _SAM_MAX:
        return buffer[:_SAM_HEAD]
    end = _SAM_HEAD + length
    if len(buffer) < end:
        return buffer[:_SAM_HEAD] if final else None
    body = buffer[len(PREAMBLE) : end]
    status, data = body[2:5], body[5:-1]
    said = _sam_data(data, aliases) if reduce(xor, body) == 0 else bytes(len(data))
    new = body[:2] + status + said
    return PREAMBLE + new + bytes((reduce(xor, body) ^ reduce(xor, new),))


def find_sam_request(buffer: bytes, _aliases: Aliases, final: bool) -> bytes | None:  # noqa: FBT001
    """One request of a host: it carries no identity, if it is none too long to be one."""
    length = _sam_length(buffer)
    if length is None:
        return None if not final and PREAMBLE.startswith(buffer[: len(PREAMBLE)]) else blank(buffer[:1])
    end = _SAM_HEAD + length
    if length > _SAM_REQUEST_MAX:
        return buffer[:_SAM_HEAD]
    if len(buffer) < end and not final:
        return None
    return buffer[:end]


def _sam_length(buffer: bytes) -> int | None:
    if not buffer.startswith(PREAMBLE) or len(buffer) < _SAM_HEAD:
        return None
    return int.from_bytes(buffer[len(PREAMBLE) : _SAM_HEAD], "big")


def _sam_data(data: bytes, aliases: Aliases) -> bytes:
    if not any(data):
        return data
    if len(data) == _NUMBER_SIZE:
        return sam_number(1)
    if len(data) == _BODY_SIZE:
        return aliases.of_size(data)
    sizes = _TEXT_SIZE.to_bytes(2, "big") + _PHOTO_SIZE.to_bytes(2, "big")
    start = len(sizes) if len(data) == len(sizes) + _TEXT_SIZE + _PHOTO_SIZE else len(sizes) + 2
    end = start + _TEXT_SIZE + _PHOTO_SIZE
    if data.startswith(sizes) and len(data) >= end:
        block = _alias_block(data[start : start + _TEXT_SIZE], aliases)
        return data[:start] + block + PHOTO + b"\x5a" * (len(data) - end)
    if len(data) % len(_ADDRESS) == 0:
        return _ADDRESS * (len(data) // len(_ADDRESS))
    return bytes(len(data))


def _alias_block(text: bytes, aliases: Aliases) -> bytes:
    """An invented person's block of the same layout; a flag that no layout has stays as it is."""
    flag = text[_LAYOUT_AT : _LAYOUT_AT + 2]
    layout = next((each for each in Layout if each.value.encode("utf-16-le") == flag), Layout.RESIDENT)
    number = aliases.number(text)
    if any(text[field_at(layout, "id_number")]):
        block = _invented(layout)[number % len(_invented(layout))]
        return block[:_LAYOUT_AT] + flag + block[_LAYOUT_AT + 2 :]
    return bytes(_LAYOUT_AT) + flag + bytes(6)


@cache
def _invented(layout: Layout) -> tuple[bytes, ...]:
    return tuple(
        person.card.text for person in make_people(2000, _ALIAS_SEED) if person.card.layout is layout
    )


# PN532 (readers.md 5.3)
_START = b"\x00\xff"
_PN532_HEAD = 4
_ACKS = (b"\x00\xff", b"\xff\x00")
_WAKING = b"\x00\x55"
_SELF_CONTAINED = frozenset({0x03, 0x05, 0x07, 0x09, 0x15, 0x17, 0x33, 0x53, 0x55})
_LIST_ANSWER = 0x4B
_EXCHANGE_ANSWERS = (0x41, 0x43)
_KEPT_COMMANDS = frozenset({0x02, 0x04, 0x06, 0x08, 0x14, 0x16, 0x32, 0x52, 0x54})
_LIST = 0x4A
_EXCHANGE = 0x40
_THRU = 0x42
_CARD_FRAMES = tuple(
    bytes.fromhex(frame)
    for frame in (
        "05 00 00",
        "1D 00 00 00 00 00 08 01 08",
        "1D 00 00 00 00 00 08 01 01",
        "00 36 00 00 08",
        "00 84 00 00 08",
    )
)
_ATQB_HEAD = 0x50
_ATQB_SIZE = 12
_SERIAL_SIZE = 8
_GOOD = b"\x90\x00"


def find_pn532(buffer: bytes, aliases: Aliases, final: bool) -> bytes | None:  # noqa: FBT001 - see Finder
    """One frame of either direction, a signal, or a byte of waking."""
    if not buffer.startswith(_START):
        if buffer == b"\x00" and not final:
            return None
        return blank(buffer[:1], _WAKING)
    if len(buffer) < _PN532_HEAD:
        return buffer[:1] if final else None
    code = buffer[2:_PN532_HEAD]
    if code in _ACKS:
        return buffer[:_PN532_HEAD]
    if sum(code) & 0xFF or code == b"\xff\xff":
        return buffer[:2]  # a spoilt length, or one too long for what cards say
    end = _PN532_HEAD + code[0] + 1
    if len(buffer) < end:
        return buffer[:_PN532_HEAD] if final else None
    body = buffer[_PN532_HEAD : end - 1]
    off = (sum(body) + buffer[end - 1]) & 0xFF
    said = _pn532_body(body, aliases) if not off else blank(body)
    return buffer[:_PN532_HEAD] + said + bytes(((off - sum(said)) & 0xFF,))


def _pn532_body(body: bytes, aliases: Aliases) -> bytes:
    if len(body) < len(b"\xd4\x00"):
        return body if body == b"\x7f" else blank(body)
    head, data = body[:2], body[2:]
    if body[0] == TO_CHIP:
        return head + _pn532_command(body[1], data)
    if body[0] != FROM_CHIP:
        return blank(body)
    if body[1] == _LIST_ANSWER:
        return head + _targets(data, aliases)
    if body[1] in _EXCHANGE_ANSWERS:
        return head + data[:1] + _card_said(data[1:], aliases)
    return head + (data if body[1] in _SELF_CONTAINED else blank(data))


def _pn532_command(code: int, data: bytes) -> bytes:
    if code in _KEPT_COMMANDS:
        return data
    if code == _THRU and any(data in (frame, frame + crc_b(frame)) for frame in _CARD_FRAMES):
        return data
    kept = {_LIST: 3 if data[1:2] == b"\x03" else 2, _EXCHANGE: 3}.get(code, 0)
    return data[:kept] + blank(data[kept:])


def _targets(data: bytes, aliases: Aliases) -> bytes:
    """NbTg and the targets, of type A (Tg SENS_RES SEL_RES len UID) or B (Tg ATQB len ATTRIB_RES)."""
    out, at = data[:1], 1
    while at < len(data):
        if data[at + 1 : at + 2] == bytes((_ATQB_HEAD,)):
            end = at + 1 + _ATQB_SIZE
            out += data[at : at + 1] + _card_said(data[at + 1 : end], aliases) + data[end : end + 2]
            at = end + 2
            continue
        size = data[at + 4] if at + 4 < len(data) else 0
        uid = data[at + 5 : at + 5 + size]
        if len(uid) != size or not size:
            return out + blank(data[at:])
        out += data[at : at + 5] + _alias_uid(uid, aliases)
        at += 5 + size
    return out + blank(data[len(out) :])


def _alias_uid(uid: bytes, aliases: Aliases) -> bytes:
    """Its first byte says what kind of UID it is, and stays."""
    alias = aliases.of_size(uid)
    return uid[:1] + alias[1:] if any(uid) else uid


def _card_said(data: bytes, aliases: Aliases) -> bytes:
    """A card's own answer with or without its CRC: ATQB, ATTRIB's echo, or the chip's serial."""
    for check_size in (0, 2):
        said, check = data[: len(data) - check_size], data[len(data) - check_size :]
        if check and crc_b(said) != check:
            continue
        if len(said) == _ATQB_SIZE and said[0] == _ATQB_HEAD:
            new = said[:1] + bytes(4) + said[5:]
        elif said in (b"\x08", b"\x01"):
            new = said
        elif len(said) == _SERIAL_SIZE + len(_GOOD) and said.endswith(_GOOD):
            new = aliases.of_size(said[:_SERIAL_SIZE]) + _GOOD
        else:
            continue
        return new + (crc_b(new) if check else b"")
    return blank(data)


# OSDP (readers.md 6)
_OSDP_HEAD = 5
_OSDP_MAX = 1440
_OSDP_MIN = 7
_MARK = 0xFF
_OSDP_KEPT = frozenset(Command) - {Command.KEYSET, Command.TEXT} | frozenset(Reply) - {
    Reply.RAW,
    Reply.KEYPAD,
}


def find_osdp(buffer: bytes, aliases: Aliases, final: bool) -> bytes | None:  # noqa: FBT001 - see Finder
    """One packet of either direction. What a secure channel carries is blanked with its MAC."""
    if buffer[0] != SOM:
        return blank(buffer[:1], bytes((_MARK,)))
    if len(buffer) < _OSDP_HEAD:
        return blank(buffer[:1]) if final else None
    length = int.from_bytes(buffer[2:4], "little")
    if not _OSDP_MIN <= length <= _OSDP_MAX:
        return blank(buffer[:1])
    if len(buffer) < length:
        return buffer[:_OSDP_HEAD] if final else None
    packet = parse(buffer[:length])
    if packet is None:
        return buffer[:_OSDP_HEAD]
    return replace(packet, data=_osdp_data(packet, aliases), mac=bytes(len(packet.mac))).to_bytes()


def _osdp_data(packet: Packet, aliases: Aliases) -> bytes:
    data = packet.data
    if packet.security is not None:
        return blank(data)
    if packet.code == Reply.KEYPAD and packet.reply:
        return data[:2] + bytes(0x30 if chr(key).isdecimal() else key for key in data[2:])
    if packet.code == Reply.RAW and packet.reply:
        return data[:4] + _alias_bits(int.from_bytes(data[2:4], "little"), data[4:], aliases)
    return data if packet.code in _OSDP_KEPT else blank(data)


def _alias_bits(size: int, bits: bytes, aliases: Aliases) -> bytes:
    if size not in SIZES or len(bits) != -(-size // 8):
        return aliases.of_size(bits)
    alias = aliases.number(bits) % (1 << data_bits(size))
    return int(word(size, alias).ljust(8 * len(bits), "0"), 2).to_bytes(len(bits), "big")


# Modbus RTU and LC boards carry no identity; what is no frame of theirs is blanked all the same.
_FUNCTIONS = frozenset({0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0F, 0x10})
_MODBUS_MIN = 4
_MODBUS_MAX = 256
_LC_COMMAND = 4
_LC_STATUS = re.compile(rb"ch\d\s?:\s?(on|off) ?\r\n", re.IGNORECASE)
_LC_STATUS_MAX = 12


def find_modbus(buffer: bytes, _aliases: Aliases, final: bool) -> bytes | None:  # noqa: FBT001 - see Finder
    """One frame whose CRC fits."""
    if len(buffer) > 1 and buffer[1] & 0x7F in _FUNCTIONS:
        for end in range(_MODBUS_MIN, min(len(buffer), _MODBUS_MAX) + 1):
            if modbus_crc(buffer[: end - 2]) == buffer[end - 2 : end]:
                return buffer[:end]
    elif len(buffer) > 1:
        return blank(buffer[:1])
    return blank(buffer[:1]) if final or len(buffer) >= _MODBUS_MAX else None


def find_lc_command(buffer: bytes, _aliases: Aliases, final: bool) -> bytes | None:  # noqa: FBT001
    """One command or the query."""
    if buffer[0] == 0xFF:  # noqa: PLR2004 - the query (readers.md 7.1)
        return buffer[:1]
    if buffer[0] != 0xA0:  # noqa: PLR2004 - the start byte
        return blank(buffer[:1])
    if len(buffer) < _LC_COMMAND and not final:
        return None
    command = buffer[:_LC_COMMAND]
    good = len(command) == _LC_COMMAND and sum(command[:3]) & 0xFF == command[3]
    return command if good else blank(buffer[:1])


def find_lc_status(buffer: bytes, _aliases: Aliases, final: bool) -> bytes | None:  # noqa: FBT001
    """One line of status."""
    match = _LC_STATUS.match(buffer)
    if match is not None:
        return match[0]
    if buffer[:1].lower() == b"c" and len(buffer) < _LC_STATUS_MAX and not final:
        return None
    return blank(buffer[:1])


SAM_V = Family(find_sam_reply, find_sam_request)
PN532 = Family(find_pn532, find_pn532)
OSDP = Family(find_osdp, find_osdp)
MODBUS = Family(find_modbus, find_modbus)
LC_RELAY = Family(find_lc_status, find_lc_command)
