"""Whether stored records are the chain that they were: pure."""

from __future__ import annotations

from dataclasses import dataclass

from messages.chain import GENESIS, record_hash
from messages.errors import MessageError
from messages.wire import decode_record


@dataclass(frozen=True, slots=True)
class Flaw:
    """One place where the stored chain does not hold; epoch and seq are 0 where the file itself is spoilt."""

    epoch: int
    seq: int
    what: str


@dataclass(frozen=True, slots=True)
class EpochSpan:
    """Which ids in the file are an epoch's."""

    epoch: int
    first_id: int
    end_id: int  # first id after this epoch


class ChainWalk:
    """Checks one epoch's records as they come; pruned records at its beginning are no flaw.

    Each flaw is named once, and where it is. A record that was altered spoils its own hash, so the link that
    breaks is the next record's; whether that one is vouched for by its own successor tells the two apart.
    """

    def __init__(self, epoch: EpochSpan) -> None:
        self._epoch = epoch
        self._next_id: int | None = None
        self._prev: str | None = None  # None: it is not known what must be followed
        self._broken_at: int | None = None  # does not follow the record before it; whose fault is open
        self._flaws: list[Flaw] = []

    def take(self, record_id: int, body: bytes) -> None:
        seq = record_id - self._epoch.first_id + 1
        if self._next_id not in (None, record_id):
            self._missing(seq, record_id - (self._next_id or 0))
        self._next_id = record_id + 1
        prev = self._prev_of(seq, body)
        if prev is None:
            self._blame_the_link()
            self._prev = None  # flawed itself: what follows it is not blamed
            return
        self._follow(seq, prev)
        self._prev = record_hash(body)

    def ended(self) -> list[Flaw]:
        self._blame_the_link()
        return self._flaws

    def _prev_of(self, seq: int, body: bytes) -> str | None:
        """What the record says it follows; None when it is flawed in itself."""
        try:
            record = decode_record(body)
        except MessageError as error:
            self._flaw(seq, f"cannot be read: {error}")
            return None
        if (record.epoch, record.seq) != (self._epoch.epoch, seq):
            self._flaw(seq, "stands at another's place")
            return None
        return record.prev

    def _follow(self, seq: int, prev: str) -> None:
        expected = GENESIS if seq == 1 else self._prev
        follows = expected is None or prev == expected
        if self._broken_at is not None:
            self._flaw(max(self._broken_at - follows, 1), "was altered")
            self._broken_at = None
        elif not follows:
            self._broken_at = seq

    def _missing(self, seq: int, count: int) -> None:
        self._blame_the_link()
        self._prev = None
        self._flaw(seq - count, "is missing" if count == 1 else f"and {count - 1} after it are missing")

    def _blame_the_link(self) -> None:
        if self._broken_at is not None:
            self._flaw(self._broken_at, "does not follow the record before it: one of the two was altered")
            self._broken_at = None

    def _flaw(self, seq: int, what: str) -> None:
        self._flaws.append(Flaw(self._epoch.epoch, seq, what))
