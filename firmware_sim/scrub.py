"""Overwrites identity in what a line says, so that a recording can be kept: as many bytes come out as go in.

What a family's finder does not understand is overwritten too: a number must never get through because it came
damaged. Equal cards get equal numbers, others other ones, so that a recording still tells them apart. Pure.
"""

from collections.abc import Callable
from dataclasses import dataclass

MAX_HELD = 8192  # bytes that may wait for the rest of their frame; no frame of any family is as long

DIGITS = b"0123456789"
HEX_DIGITS = DIGITS + b"ABCDEFabcdef"
LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_WORDS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ASCII_END = 0x80
_SPACE = 0x20
_PORTION = 256  # taken up at once: a finder looks at all that is held for each byte of noise


class Aliases:
    """Numbers that stand for what was overwritten, in order of appearance; forgotten with the recording."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}

    def number(self, real: bytes) -> int:
        """1 for the first that came, and the same for it ever after."""
        return self._numbers.setdefault(real, len(self._numbers) + 1)

    def of_size(self, real: bytes) -> bytes:
        """The number in as many bytes; all zeros stay so, as they name nobody."""
        if not any(real):
            return real
        return (self.number(real) % (1 << 8 * len(real))).to_bytes(len(real), "big")


Finder = Callable[[bytes, Aliases, bool], bytes | None]
"""(buffer, aliases, nothing more comes) -> what its first bytes become; None: it takes more of them to tell.

With nothing more to come it always gives at least one.
"""


@dataclass(frozen=True, slots=True)
class Family:
    """How both directions of one kind of line are read."""

    device: Finder
    program: Finder


class Scrubber:
    """One line. Bytes in as they came, scrubbed bytes out as soon as it is certain what they are."""

    def __init__(self, family: Family) -> None:
        self._family = family
        self._aliases = Aliases()
        self._held = {True: bytearray(), False: bytearray()}

    def feed(self, data: bytes, *, from_device: bool) -> bytes:
        """What can be given out now, of this direction, in order."""
        held = self._held[from_device]
        out = b""
        for at in range(0, len(data), _PORTION):
            held += data[at : at + _PORTION]
            out += self._run(from_device, final=len(held) > MAX_HELD)
        return out

    def flush(self, *, from_device: bool) -> bytes:
        """All that is held: nothing more belongs to it."""
        return self._run(from_device, final=True)

    def _run(self, from_device: bool, *, final: bool) -> bytes:  # noqa: FBT001 - key of a table
        find = self._family.device if from_device else self._family.program
        buffer = self._held[from_device]
        out = bytearray()
        while buffer:
            said = find(bytes(buffer), self._aliases, final)
            if said is None:
                break
            out += said
            del buffer[: len(said)]
        return bytes(out)


def blank(data: bytes, keep: bytes = b"") -> bytes:
    """Bytes of which nothing is known: zeros, but for those in `keep`."""
    return bytes(value if value in keep else 0 for value in data)


def alias_text(text: bytes, aliases: Aliases) -> bytes:
    """The same shape with another number in it: digits stay digits, hex stays hex, signs stay in place."""
    places = [at for at, value in enumerate(text) if value in DIGITS + LETTERS]
    meant = bytes(text[at] for at in places)
    base = 10 if not meant.strip(DIGITS) else 16 if not meant.strip(HEX_DIGITS) else len(_WORDS)
    lower = any(value in LETTERS.lower() for value in meant) and not any(
        value in LETTERS[:26] for value in meant
    )
    number = aliases.number(text)
    out = bytearray(
        value if _SPACE <= value < _ASCII_END else ord("?") if value >= _ASCII_END else 0 for value in text
    )
    for at in reversed(places):
        number, digit = divmod(number, base)
        out[at] = ord(_WORDS[digit].lower() if lower else _WORDS[digit])
    return bytes(out)


def keep_only(*commands: bytes) -> Finder:
    """A finder for a direction that says nothing but these; all else is blanked."""

    def find(buffer: bytes, _aliases: Aliases, final: bool) -> bytes | None:  # noqa: FBT001 - see Finder
        for command in commands:
            if buffer.startswith(command):
                return command
        if not final and any(command.startswith(buffer) for command in commands):
            return None
        return blank(buffer[:1])

    return find
