"""Scrubbers of readers that send text: EM4100, Wiegand converters, ASCII lines, QR (readers.md 5). Pure."""

from functools import reduce
from operator import xor

from firmware_sim.scrub import HEX_DIGITS, Aliases, Family, alias_text, blank, keep_only
from firmware_sim.text_readers import TRIGGER_OFF, TRIGGER_ON

_STX = 0x02
_ETX = 0x03
_FRAMING = b"\x02\x03\x09\x0a\x0d"
_ENDS = b"\x00\x03\x09\x0a\x0d"
_MAX_TAG_FRAME = 16
_TAG_DIGITS = 12  # ten of the tag, two of the XOR
_TAG_SIZE = 5
_MAX_LINE = 1024
_MAX_LRC_DIGITS = 10
_KEY_DIGITS = (1, 2)  # a key burst of 4 or 8 bits as hex
_SIGN_KEYS = (b"A", b"B", b"5A", b"4B")  # * and #
_LONG_SIGNS = b"\x5a\x4b"
_LONG_ZERO = b"\xf0"
_LAST_KEY = 0x0B
_EIGHT_BITS = 0x80


def find_tag(buffer: bytes, aliases: Aliases, final: bool) -> bytes | None:  # noqa: FBT001 - see Finder
    """One frame of an RDM6300 or ID-12; a wrong checksum stays wrong in the same bits."""
    if buffer[0] != _STX:
        return blank(buffer[:1], _FRAMING)
    end = buffer.find(_ETX, 0, _MAX_TAG_FRAME)
    if end < 0:
        return None if len(buffer) < _MAX_TAG_FRAME and not final else buffer[:1]
    places = [at for at in range(end) if buffer[at] in HEX_DIGITS]
    if len(places) != _TAG_DIGITS:
        return buffer[:1]
    decoded = bytes.fromhex(bytes(buffer[at] for at in places).decode("ascii"))
    tag = aliases.of_size(decoded[:_TAG_SIZE])
    digits = (tag + bytes((reduce(xor, decoded) ^ reduce(xor, tag),))).hex()
    lower = any(chr(buffer[at]) in "abcdef" for at in places)
    out = bytearray(blank(buffer[: end + 1], _FRAMING))
    for at, digit in zip(places, digits if lower else digits.upper(), strict=True):
        out[at] = ord(digit)
    return bytes(out)


def find_line(buffer: bytes, aliases: Aliases, final: bool) -> bytes | None:  # noqa: FBT001 - see Finder
    """One line up to its end, or up to a silence."""
    if buffer[0] in _FRAMING:
        return buffer[:1]
    ends = [at for end in _ENDS if (at := buffer.find(end, 0, _MAX_LINE)) >= 0]
    if ends:
        return alias_text(buffer[: max(min(ends), 1)], aliases)
    if final or len(buffer) >= _MAX_LINE:
        return alias_text(buffer[:_MAX_LINE], aliases)
    return None


def find_word(buffer: bytes, aliases: Aliases, final: bool) -> bytes | None:  # noqa: FBT001 - see Finder
    """What a converter made of a Wiegand word or a key; digits of a PIN all become 0."""
    first = buffer[0]
    if first == _STX:
        return _framed_word(buffer, aliases, final=final)
    if first in b"\r\n" or first in _LONG_SIGNS:
        return buffer[:1]
    if first not in HEX_DIGITS:
        if first >= _EIGHT_BITS and (first >> 4) ^ 0xF == first & 0xF:
            return _LONG_ZERO
        return buffer[:1] if first == _LAST_KEY else b"\x00"
    size = next((at for at, value in enumerate(buffer) if value not in HEX_DIGITS + b","), len(buffer))
    if size == len(buffer) < _MAX_LINE and not final:
        return None
    word = buffer[:size]
    if size in _KEY_DIGITS:
        return word if word in _SIGN_KEYS else b"0" if size == 1 else b"F0"
    return alias_text(word, aliases)


def _framed_word(buffer: bytes, aliases: Aliases, *, final: bool) -> bytes | None:
    """STX, hex digits, ETX, LRC; a wrong LRC stays wrong in the same bits. A lone 02 may be the key 2."""
    end = buffer.find(_ETX, 0, _MAX_LRC_DIGITS + 2)
    if end < 0 or len(buffer) < end + 2:
        wait = len(buffer) < _MAX_LRC_DIGITS + 3 and not buffer[1:end].strip(HEX_DIGITS)
        return None if wait and not final else b"\x00"
    digits = buffer[1:end]
    if not digits or digits.strip(HEX_DIGITS):
        return b"\x00"
    framed = bytes((_STX,)) + alias_text(digits, aliases) + bytes((_ETX,))
    return framed + bytes((reduce(xor, buffer[: end + 2]) ^ reduce(xor, framed),))


_SILENT = keep_only()
EM = Family(find_tag, _SILENT)
LINES = Family(find_line, keep_only(TRIGGER_ON, TRIGGER_OFF))
WORDS = Family(find_word, _SILENT)
