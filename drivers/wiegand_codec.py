"""What Wiegand-to-serial converters send: card digits, whole words, keys. Bytes in, cut anywhere. Pure.

Source: readers.md 5.2. A line ends with CR, LF or both; any byte that can be in no line ends it as noise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from operator import xor
from typing import Literal, Protocol

Framing = Literal["hex_line", "decimal_line", "bits_line", "stx_lrc"]
"""hex_line: WIE232. decimal_line: S4A. stx_lrc: IDTECK SR30. bits_line: the whole word as 0 and 1."""
Keys = Literal["burst", "ascii"]
"""burst: one raw byte, the key's 4 bits or its 8 bits. ascii: the key's own character."""

BAUDRATE = 9600
MAX_DIGITS = 64  # the longest word has fewer bits; a longer line is noise
LRC_FRAME_DIGITS = (8, 10)
MAX_KEY_RUN = 3  # so many keys may have come together before a silence; more digits are a card torn in two
_KEYS = "0123456789*#"
_SHORT = dict(enumerate(_KEYS))
_LONG = {(value ^ 0x0F) << 4 | value: key for value, key in enumerate(_KEYS)}
_STX, _ETX, _CR, _LF = 0x02, 0x03, 0x0D, 0x0A
_HEX = frozenset(b"0123456789ABCDEFabcdef")
_ALPHABETS = {"hex_line": _HEX, "decimal_line": frozenset(b"0123456789"), "bits_line": frozenset(b"01")}
_ASCII = {ord(key): key for key in _KEYS}


@dataclass(frozen=True, slots=True)
class Digits:
    """The content of one frame or line, hex in upper case."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Key:
    """One key: "0" to "9", "*" or "#"."""

    char: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Damaged:
    """A frame or word whose own check fails."""


Frame = Digits | Key | Damaged


class ConverterFramer(Protocol):
    """Converter bytes in, what they say out; holds one line at most."""

    discarded: int  # bytes that belonged to nothing known
    rejected: int  # frames whose own check fails

    @property
    def collecting(self) -> bool:
        """Something has begun; `idle` is to be called after a silence."""

    def feed(self, data: bytes) -> list[Frame]: ...

    def idle(self) -> list[Frame]:
        """The line has been silent: what was begun will not be completed."""

    def reset(self) -> None: ...


def make_framer(framing: Framing, keys: Keys) -> ConverterFramer:
    return LrcFramer(keys) if framing == "stx_lrc" else LineFramer(framing, keys)


class LineFramer:
    """A `ConverterFramer` for converters that end a card with a line end."""

    def __init__(self, framing: Framing, keys: Keys) -> None:
        self._framing = framing
        self._alphabet = _ALPHABETS[framing]
        self._keys = _ASCII if keys == "ascii" else {**_SHORT, **_LONG}
        self._keys_are_digits = keys == "ascii"
        self._line = bytearray()
        self._overlong = False
        self._after_cr = False
        self.discarded = 0
        self.rejected = 0

    @property
    def collecting(self) -> bool:
        return self._begun or self._after_cr

    @property
    def _begun(self) -> bool:
        return bool(self._line) or self._overlong

    def feed(self, data: bytes) -> list[Frame]:
        frames: list[Frame] = []
        for byte in data:
            after_cr, self._after_cr = self._after_cr, byte == _CR
            if byte in self._alphabet:
                self._add(byte)
            elif byte == _CR or (byte == _LF and self._begun):
                frames += self._end_line()
            elif byte != _LF or not after_cr:
                frames += self._other(byte)
        return frames

    def idle(self) -> list[Frame]:
        return self._as_keys(MAX_KEY_RUN)

    def reset(self) -> None:
        self.discarded += len(self._line)
        self._line.clear()
        self._overlong = self._after_cr = False

    def _add(self, byte: int) -> None:
        if self._overlong:
            self.discarded += 1
            return
        self._line.append(byte)
        if len(self._line) > MAX_DIGITS:
            self.reset()
            self._overlong = True

    def _end_line(self) -> list[Frame]:
        text, overlong = self._line.decode("ascii").upper(), self._overlong
        self._line.clear()
        self._overlong = False
        if overlong or not text:
            return []
        if len(text) in _BURST_DIGITS.get(self._framing, ()):
            return [self._burst(int(text, 2 if self._framing == "bits_line" else 16), len(text))]
        return [Digits(text)]

    def _burst(self, value: int, digits: int) -> Frame:
        """A key that the converter passes on like a card."""
        table = _SHORT if digits == min(_BURST_DIGITS[self._framing]) else _LONG
        if value in table:
            return Key(table[value])
        self.rejected += 1
        return Damaged()

    def _as_keys(self, at_most: int) -> list[Frame]:
        """A line that did not end: keys, if keys are digits and it is short; else it is dropped."""
        line = self._line.decode("ascii")
        if not (self._keys_are_digits and line.isdecimal() and len(line) <= at_most):
            line = ""
            self.discarded += len(self._line)
        self._line.clear()
        self._overlong = self._after_cr = False
        return [Key(char) for char in line]

    def _other(self, byte: int) -> list[Frame]:
        """A byte that is in no line: a key, if none has begun, or after keys; else noise, as is the line."""
        if byte in self._keys and not self._begun:
            return [Key(self._keys[byte])]
        if byte in self._keys and self._keys_are_digits:
            return [*self._as_keys(MAX_DIGITS), Key(self._keys[byte])]
        self.reset()
        self.discarded += 1
        return []


_BURST_DIGITS: dict[str, tuple[int, ...]] = {"hex_line": (1, 2), "bits_line": (4, 8)}


class LrcFramer:
    """A `ConverterFramer` for STX, 8 or 10 hex digits, ETX, and the XOR of all from STX to ETX."""

    def __init__(self, keys: Keys) -> None:
        # a key's 4 bits could as well be STX or ETX, so that only its 8 bits can be told from a frame
        self._keys = _LONG if keys == "burst" else _ASCII
        self._frame = bytearray()
        self._torn = False  # until a silence or the next STX, what follows may be the rest of a frame
        self.discarded = 0
        self.rejected = 0

    @property
    def collecting(self) -> bool:
        return bool(self._frame) or self._torn

    def feed(self, data: bytes) -> list[Frame]:
        frames: list[Frame] = []
        for byte in data:
            if self._frame[-1:] == bytes((_ETX,)):
                frames += self._end_frame(byte)
            elif byte == _STX:
                self._begin()
            elif not self._frame:
                frames += self._outside(byte)
            else:
                self._inside(byte)
        return frames

    def idle(self) -> list[Frame]:
        self.reset()
        return []

    def reset(self) -> None:
        self.discarded += len(self._frame)
        self._frame.clear()
        self._torn = False

    def _tear(self) -> None:
        self.reset()
        self._torn = True

    def _begin(self) -> None:
        self.reset()
        self._frame.append(_STX)

    def _outside(self, byte: int) -> list[Frame]:
        if byte in self._keys and not self._torn:
            return [Key(self._keys[byte])]
        self.discarded += 1
        return []

    def _inside(self, byte: int) -> None:
        self._frame.append(byte)
        digits = len(self._frame) - 1
        if byte == _ETX:
            if digits - 1 not in LRC_FRAME_DIGITS:
                self._tear()
        elif byte not in _HEX or digits > max(LRC_FRAME_DIGITS):
            self._tear()

    def _end_frame(self, check: int) -> list[Frame]:
        if reduce(xor, self._frame) == check:
            text = self._frame[1:-1].decode("ascii").upper()
            self._frame.clear()
            return [Digits(text)]
        self.rejected += 1
        self._tear()
        if check == _STX:  # the check byte was lost, and this is the next frame
            self._begin()
        else:
            self.discarded += 1
        return [Damaged()]
