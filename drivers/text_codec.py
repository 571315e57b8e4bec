"""Lines of text from readers and scanners that send ASCII, UTF-8 or GBK: bytes in, lines out. Pure.

Source: readers.md 5.4. Also how a number is found in such a line: by a template, not by an expression of the
installer's, so that no setting can make one line keep the processor busy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

Suffix = Literal["auto", "cr", "lf", "crlf", "tab", "etx", "nul", "silence"]
"""What ends a line; auto: CR, LF, both, NUL, ETX or a silence."""
Charset = Literal["utf-8", "gbk", "latin-1"]
Base = Literal["hex", "decimal"]

MAX_LINE = 1024
MEANT = 4  # so many printable ASCII characters in a row were sent on purpose; less is noise
_ENDS: dict[str, tuple[bytes, ...]] = {
    "auto": (b"\r", b"\n", b"\0", b"\x03"),
    "cr": (b"\r",),
    "lf": (b"\n",),
    "crlf": (b"\r\n",),
    "tab": (b"\t",),
    "etx": (b"\x03",),
    "nul": (b"\0",),
    "silence": (),
}
_AROUND = b"\x02\r\n"  # a prefix of some readers, and the other half of a line end
_EVEN = bytes(value & 0x7F if value.bit_count() % 2 == 0 else 0xFF for value in range(256))


def seven_bits(data: bytes) -> bytes:
    """What a line set to 7E1 carried, read as 8N1: a byte with wrong parity becomes FF, which is no text."""
    return data.translate(_EVEN)


class LineFramer:
    """Bytes in, raw lines out, at least one byte each. Holds one line of at most MAX_LINE bytes."""

    def __init__(self, suffix: Suffix) -> None:
        ends = _ENDS[suffix]
        self._end = re.compile(b"|".join(re.escape(end) for end in ends)) if ends else None
        self._longest_end = max(map(len, ends), default=0)
        self._ends_in_silence = suffix in ("auto", "silence")
        self._line = bytearray()
        self._overlong = False
        self.discarded = 0  # bytes that belonged to no line
        self.rejected = 0  # lines longer than MAX_LINE

    @property
    def collecting(self) -> bool:
        """A line has begun; `idle` is to be called after a silence."""
        return bool(self._line) or self._overlong

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes."""
        lines: list[bytes] = []
        searched = max(0, len(self._line) - self._longest_end + 1)
        self._line += data
        begin = 0
        while self._end and (found := self._end.search(self._line, max(begin, searched))):
            lines += self._complete(bytes(self._line[begin : found.start()]))
            begin = found.end()
        del self._line[:begin]
        self._bound()
        return lines

    def idle(self) -> list[bytes]:
        """The line has been silent: what was begun is complete, or will never be."""
        line = bytes(self._line)
        self._line.clear()
        if self._ends_in_silence:
            return self._complete(line)
        self.discarded += len(line.strip(_AROUND))
        self._overlong = False
        return []

    def reset(self) -> None:
        """Forgets a line that will not be completed."""
        self.discarded += len(self._line)
        self._line.clear()
        self._overlong = False

    def _complete(self, line: bytes) -> list[bytes]:
        if self._overlong or len(line) > MAX_LINE:
            self.rejected += not self._overlong
            self.discarded += len(line)
            self._overlong = False
            return []
        content = line.strip(_AROUND)
        return [content] if content else []

    def _bound(self) -> None:
        """A line that has become too long is dropped up to its end, whenever that comes."""
        if not self._overlong and len(self._line) <= MAX_LINE + self._longest_end:
            return
        keep = max(0, self._longest_end - 1)  # may be the first half of the end
        self.rejected += not self._overlong
        self._overlong = True
        dropped = max(0, len(self._line) - keep)
        self.discarded += dropped
        del self._line[:dropped]


_PRINTABLE = re.compile(rb"[\x20-\x7e]+")
_MEANT = re.compile(rb"[\x20-\x7e]{%d}" % MEANT)


def ascii_tail(line: bytes) -> str:
    """The last run of printable ASCII: noise before a line of digits ends with the last byte that is none."""
    runs = _PRINTABLE.findall(line)
    return runs[-1].decode("ascii") if runs else ""


def was_meant(line: bytes) -> bool:
    """Whether somebody sent this on purpose, as far as one can tell from the bytes."""
    return _MEANT.search(line) is not None


def text_of(line: bytes, charset: Charset) -> str | None:
    """The text of a line; None if it is none in this character set, or holds control characters."""
    try:
        text = line.decode(charset)
    except UnicodeDecodeError:
        return None
    return text if text and text.isprintable() else None


@dataclass(frozen=True, slots=True)
class NumberParts:
    """The digits that a template found: a whole number, or facility and card."""

    digits: tuple[str, ...] = field(repr=False)


NUMBER, FACILITY, CARD, ANY = "{number}", "{facility}", "{card}", "{any}"
_PLACE = re.compile(r"(\{[^{}]*\})")
MAX_ANY = 2
MAX_NUMBER_LINE = 128  # bounds how long `{any}` can be looked for; no reader's line with a number is longer


class NumberTemplate:
    """Finds the number in a line: literal text around `{number}`, or around `{facility}` and `{card}`.

    `{any}` stands for text that changes. Raises ValueError, for a person, if the template cannot work.
    """

    def __init__(self, pattern: str, base: Base) -> None:
        pieces = _PLACE.split(pattern)
        places = [piece for piece in pieces if _PLACE.fullmatch(piece)]
        found = sorted(piece for piece in places if piece != ANY)
        if found not in ([NUMBER], [CARD, FACILITY]) or places.count(ANY) > MAX_ANY:
            raise ValueError(
                f"pattern {pattern!r} must hold '{NUMBER}' once, or '{FACILITY}' and '{CARD}' once each, and "
                f"'{ANY}' {MAX_ANY} times at most"
            )
        if found == [CARD, FACILITY] and places.index(FACILITY) > places.index(CARD):
            raise ValueError(f"pattern {pattern!r} must name '{FACILITY}' before '{CARD}'")
        if any(first in places and second in places for first, second in _neighbours(pieces)):
            raise ValueError(f"pattern {pattern!r} needs some text between its places")
        digit = "[0-9A-Fa-f]" if base == "hex" else "[0-9]"
        self._expression = re.compile(
            "".join(
                (".*?" if piece == ANY else f"({digit}+)") if piece in places else re.escape(piece)
                for piece in pieces
            )
        )

    def find(self, line: str) -> NumberParts | None:
        """The digits, or None if the line does not look like this."""
        found = self._expression.fullmatch(line) if len(line) <= MAX_NUMBER_LINE else None
        return NumberParts(found.groups()) if found else None


def _neighbours(pieces: list[str]) -> Iterator[tuple[str, str]]:
    return pairwise(piece for piece in pieces if piece)
