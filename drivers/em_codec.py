"""EM4100 tags from RDM6300 and ID-12 readers: bytes in, tags out, cut anywhere. Pure (readers.md 5.1).

A frame is STX, ten hex digits of tag, two of check (XOR of the five bytes), ETX. ID-12 puts CR LF before ETX.
"""

from __future__ import annotations

from dataclasses import dataclass, field

BAUDRATE = 9600
FRAME_SIZE = 14  # of an RDM6300's; an ID-12's has two more
_STX, _ETX = 0x02, 0x03
_LINE_END = b"\r\n"
_TAG_DIGITS, _ALL_DIGITS = 10, 12
_HEX = frozenset(b"0123456789ABCDEFabcdef")


@dataclass(frozen=True, slots=True)
class EmFrame:
    """One frame of the right form. `tag`: 10 hex digits in upper case, None if the check digits differ."""

    tag: str | None = field(repr=False)


class EmFramer:
    """Reader bytes in, frames out. Holds the digits of one frame at most."""

    def __init__(self) -> None:
        self._digits = bytearray()
        self._inside = False
        self._size = 0  # of the frame begun, for `discarded`
        self.discarded = 0  # bytes that belonged to no good frame
        self.rejected = 0  # frames with wrong check digits

    @property
    def collecting(self) -> bool:
        """A frame has begun and is not complete."""
        return self._inside

    def feed(self, data: bytes) -> list[EmFrame]:
        """The frames that `data` completes, those with wrong check digits among them."""
        frames: list[EmFrame] = []
        for byte in data:
            if byte == _STX:
                self.reset()
                self._inside, self._size = True, 1
            elif not self._inside:
                self.discarded += 1
            elif byte == _ETX and len(self._digits) == _ALL_DIGITS:
                self._size += 1
                frames.append(self._complete())
            else:
                self._take(byte)
        return frames

    def idle(self) -> list[EmFrame]:
        """The line has been silent: a frame that was begun will not be completed."""
        self.reset()
        return []

    def reset(self) -> None:
        """Forgets a frame that will not be completed."""
        self.discarded += self._size
        self._begin_anew()

    def _take(self, byte: int) -> None:
        self._size += 1
        if byte in _HEX and len(self._digits) < _ALL_DIGITS:
            self._digits.append(byte)
        elif byte not in _LINE_END or self._size > FRAME_SIZE + 1:
            self.reset()  # no frame: the next one begins with its own STX

    def _complete(self) -> EmFrame:
        tag = bytes.fromhex(self._digits.decode("ascii"))
        good = not tag[0] ^ tag[1] ^ tag[2] ^ tag[3] ^ tag[4] ^ tag[5]
        digits = self._digits[:_TAG_DIGITS].decode("ascii").upper()
        if good:
            self._begin_anew()
            return EmFrame(digits)
        self.rejected += 1
        self.reset()
        return EmFrame(None)

    def _begin_anew(self) -> None:
        self._digits.clear()
        self._inside, self._size = False, 0
