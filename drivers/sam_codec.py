"""SAM-V serial protocol: requests out, replies in (readers.md section 1). Pure: no port, thread or clock.

A frame is AA AA AA 96 69, length (two bytes, of what follows), content, check byte (XOR from the length on).
Replies may hold a person's data: buffers are bytearrays in one place, overwritten as soon as they are done.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import reduce
from operator import xor

from drivers.errors import ProtocolViolation

PREAMBLE = bytes.fromhex("AA AA AA 96 69")
RATES = (115_200, 57_600, 38_400, 19_200, 9_600)  # in the order in which they are met in practice
MIN_REPLY_LEN = 4  # three status bytes and the check byte
MAX_REPLY_LEN = 4096  # the largest ordinary reply has 2314; beyond this it is noise
_HEADER = len(PREAMBLE) + 2
_STATUS = 3
_REQUEST_LEN = 3  # a request without data; no reply is that short, so it is our own, echoed
_CAPACITY = _HEADER + MAX_REPLY_LEN
_WORD = 8  # the check byte is folded in words of this many bytes


def xor_of(data: bytes | bytearray | memoryview) -> int:
    """XOR of all bytes, in words of eight: a card takes microseconds, and no copy of it is left behind."""
    with memoryview(data) as view:
        whole = len(view) - len(view) % _WORD
        words = reduce(xor, view[:whole].cast("Q"), 0)
        for shift in (32, 16, 8):
            words ^= words >> shift
        return reduce(xor, view[whole:], words & 0xFF)


class Status(IntEnum):
    """SW3 of a reply; `meaning` is for a person."""

    SUCCESS = 0x90
    FOUND = 0x9F
    REQUEST_DAMAGED = 0x10
    REQUEST_LENGTH_WRONG = 0x11
    COMMAND_NOT_VALID = 0x21
    NO_PRIVILEGE = 0x23
    UNCLASSIFIED = 0x24
    CARD_REFUSED_SAM = 0x31
    SAM_REFUSED_CARD = 0x32
    CARD_NOT_GENUINE = 0x33
    CARD_TYPE_UNKNOWN = 0x40
    READ_FAILED = 0x41
    NO_RANDOM_NUMBER = 0x47
    SELF_CHECK_FAILED = 0x60
    NOT_AUTHORISED = 0x66
    NOT_FOUND = 0x80  # no card, or the one in the field has been selected already
    SELECT_FAILED = 0x81
    NO_SUCH_ITEM = 0x91
    UNKNOWN = 0x100  # not in the manual; no byte has this value

    @property
    def meaning(self) -> str:
        return _MEANINGS[self]


_MEANINGS = {
    Status.SUCCESS: "done",
    Status.FOUND: "a card is there",
    Status.REQUEST_DAMAGED: "the reader received a damaged request: look after cable and adapter",
    Status.REQUEST_LENGTH_WRONG: "the reader received a request cut short: look after cable and adapter",
    Status.COMMAND_NOT_VALID: "the reader does not take this command now",
    Status.NO_PRIVILEGE: "the reader may not carry out this command",
    Status.UNCLASSIFIED: "the security module reports an error of its own",
    Status.CARD_REFUSED_SAM: "the card does not accept this reader's security module",
    Status.SAM_REFUSED_CARD: "the security module does not accept this card",
    Status.CARD_NOT_GENUINE: "what is on the card fails its verification",
    Status.CARD_TYPE_UNKNOWN: "no identity card, or more than one at a time",
    Status.READ_FAILED: "the card was moved or lifted too early: hold it still",
    Status.NO_RANDOM_NUMBER: "card and security module could not agree: lay the card down again",
    Status.SELF_CHECK_FAILED: "the security module fails its self check: have the reader repaired",
    Status.NOT_AUTHORISED: "the security module is missing or not authorised: ask the reader's supplier",
    Status.NOT_FOUND: "no card was found",
    Status.SELECT_FAILED: "the card could not be selected: lay down one card alone and hold it still",
    Status.NO_SUCH_ITEM: "the card does not hold this",
    Status.UNKNOWN: "the reader gave an answer that its manual does not know",
}
_KNOWN = {status.value: status for status in Status if status is not Status.UNKNOWN}


@dataclass(slots=True, repr=False)
class Reply:
    """One good frame. `data` is whoever receives it to `wipe`; it is never shown."""

    status: Status
    data: bytearray

    def wipe(self) -> None:
        self.data[:] = bytes(len(self.data))

    def __repr__(self) -> str:
        return f"Reply({self.status.name}, {len(self.data)} bytes)"


@dataclass(frozen=True, slots=True)
class SamNumber:
    """The module's own number (reply to 12 FF), as printed on it. It is no person's."""

    text: str

    @classmethod
    def from_bytes(cls, data: bytes | bytearray) -> SamNumber:
        """Takes the 16 data bytes, five little-endian integers (readers.md 1.5)."""
        if len(data) != SAM_NUMBER_SIZE:
            raise ProtocolViolation(f"the module's number has {len(data)} bytes instead of {SAM_NUMBER_SIZE}")
        a, b, c, d, e = (
            int.from_bytes(data[at:end], "little") for at, end in ((0, 2), (2, 4), (4, 8), (8, 12), (12, 16))
        )
        return cls(f"{a:02}.{b:02}-{c:08}-{d:010}-{e:010}")


SAM_NUMBER_SIZE = 16
_FOUND_SIZE = 4
_SELECTED_SIZE = 8
_READ_SIZE = 4 + 256 + 1024
_MAX_ADDRESS = 4 * 70


def request(code: int, parameter: int, data: bytes = b"") -> bytes:
    """A whole request frame."""
    content = (len(data) + _REQUEST_LEN).to_bytes(2, "big") + bytes((code, parameter)) + data
    return PREAMBLE + content + bytes((xor_of(content),))


@dataclass(frozen=True, slots=True)
class Command:
    """A request and what its answer can look like: replies carry no number, so this tells late ones apart."""

    name: str
    frame: bytes
    good: Status
    sizes: frozenset[int]  # of the data in a good reply
    foreign: frozenset[Status]  # statuses that only other commands are answered with

    def may_be_answered_by(self, reply: Reply) -> bool:
        if reply.status is self.good:
            return len(reply.data) in self.sizes
        return reply.status not in self.foreign


def _command(
    name: str, frame: bytes, good: Status, *, sizes: Iterable[int], foreign: Iterable[Status]
) -> Command:
    return Command(name, frame, good, frozenset(sizes), frozenset(foreign))


_OF_FIND = {Status.FOUND, Status.NOT_FOUND}
_OF_SELECT = {Status.SELECT_FAILED}
_OF_READ = {Status.READ_FAILED, Status.CARD_NOT_GENUINE, Status.NO_RANDOM_NUMBER}
_OF_ITEM = {Status.NO_SUCH_ITEM}
_OF_CARDS = _OF_FIND | _OF_SELECT | _OF_READ | _OF_ITEM

RESET = _command("reset", request(0x10, 0xFF), Status.SUCCESS, sizes={0}, foreign=_OF_CARDS)
SELF_CHECK = _command("self check", request(0x11, 0xFF), Status.SUCCESS, sizes={0}, foreign=_OF_CARDS)
READ_SAM_NUMBER = _command(
    "read module number", request(0x12, 0xFF), Status.SUCCESS, sizes={SAM_NUMBER_SIZE}, foreign=_OF_CARDS
)
FIND = _command(
    "find card",
    request(0x20, 0x01),
    Status.FOUND,
    sizes={_FOUND_SIZE},
    foreign={Status.SUCCESS} | _OF_SELECT | _OF_READ | _OF_ITEM,
)
SELECT = _command(
    "select card",
    request(0x20, 0x02),
    Status.SUCCESS,
    sizes={_SELECTED_SIZE},
    foreign=_OF_FIND | _OF_READ | _OF_ITEM,
)
READ_CARD = _command(
    "read card",
    request(0x30, 0x01),
    Status.SUCCESS,
    sizes={_READ_SIZE},
    foreign=_OF_FIND | _OF_SELECT | _OF_ITEM,
)
# Asked only to see whether the card still lies there; the address it may bring is overwritten unread.
READ_NEWEST_ADDRESS = _command(
    "presence check",
    request(0x30, 0x03),
    Status.SUCCESS,
    sizes=set(range(2, _MAX_ADDRESS + 1, 2)) - {_SELECTED_SIZE, SAM_NUMBER_SIZE},
    foreign={Status.FOUND},
)


class SamFramer:
    """Module bytes in, replies out, cut anywhere. Holds at most one frame, in one place of fixed size."""

    def __init__(self) -> None:
        self._buffer = bytearray(_CAPACITY)
        self._view = memoryview(self._buffer)
        self._size = 0
        self.discarded = 0  # bytes that belonged to no good frame
        self.rejected = 0  # frames with a wrong check byte
        self.echoed = 0  # requests of our own that the line gave back

    @property
    def collecting(self) -> bool:
        """A frame has begun and is not complete."""
        return self._size >= len(PREAMBLE)  # what is kept always begins like a preamble

    def feed(self, data: bytes | bytearray | memoryview) -> list[Reply]:
        """Takes the next bytes of the line, as many as there are. The caller overwrites `data` if it must."""
        replies: list[Reply] = []
        with memoryview(data) as incoming:
            at = 0
            while at < len(incoming):
                count = min(_CAPACITY - self._size, len(incoming) - at)
                self._view[self._size : self._size + count] = incoming[at : at + count]
                self._size += count
                at += count
                self._take_frames(replies)
        return replies

    def reset(self) -> None:
        """Forgets a frame that will not be completed."""
        self.discarded += self._size
        self._drop(self._size)

    def _take_frames(self, replies: list[Reply]) -> None:
        at = 0
        while (start := self._next_preamble(at)) + _HEADER <= self._size:
            self.discarded += start - at
            at = start
            length = int.from_bytes(self._view[start + len(PREAMBLE) : start + _HEADER], "big")
            end = start + _HEADER + length
            if length == _REQUEST_LEN and end > self._size:
                break
            if length != _REQUEST_LEN and not MIN_REPLY_LEN <= length <= MAX_REPLY_LEN:
                at = self._skip_one(at)
            elif end > self._size:
                break
            elif xor_of(self._view[start + len(PREAMBLE) : end]) != 0:
                self.rejected += 1
                at = self._skip_one(at)  # a false preamble, or a damaged frame: a good one may start inside
            elif length == _REQUEST_LEN:
                self.echoed += 1
                at = end
            else:
                replies.append(self._reply(start + _HEADER, end - 1))
                at = end
        start = self._next_preamble(at)
        self.discarded += start - at
        self._drop(start)

    def _next_preamble(self, at: int) -> int:
        """Where the next preamble stands, or what may still become one; the end of the buffer if nothing."""
        found = self._buffer.find(PREAMBLE, at, self._size)
        if found >= 0:
            return found
        for start in range(max(at, self._size - len(PREAMBLE) + 1), self._size):
            if PREAMBLE.startswith(self._buffer[start : self._size]):
                return start
        return self._size

    def _skip_one(self, at: int) -> int:
        self.discarded += 1
        return at + 1

    def _reply(self, start: int, end: int) -> Reply:
        sw1, sw2, sw3 = self._view[start : start + _STATUS]
        known = _KNOWN.get(sw3, Status.UNKNOWN) if sw1 == sw2 == 0 else Status.UNKNOWN
        return Reply(known, self._buffer[start + _STATUS : end])

    def _drop(self, count: int) -> None:
        """Removes the first bytes and leaves zeros where data has been."""
        if count == 0:
            return
        rest = self._size - count
        self._view[:rest] = self._view[count : self._size]
        self._view[rest : self._size] = bytes(self._size - rest)
        self._size = rest
