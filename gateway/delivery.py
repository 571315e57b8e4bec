"""Which records of one epoch are still to be sent, on their way, or committed at the centre: pure.

Three lanes share the records: alarms among older ones go first and alone, `fresh` ones go out as they
happen, older ones in blocks. Nothing counts as delivered until the centre says so in an acknowledgement; what
it does not name within `RESEND_AFTER_S` of being sent, or had to have seen before something sent later, is
sent again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from gateway.ranges import Range, Ranges
from gateway.suspects import Suspects
from messages.wire import EpochAck

BLOCK_RECORDS = 100
"""Joined bytes of about 50 KB: large enough to make the MQTT client irrelevant, small enough to be polite."""

SMALL_HOLE = BLOCK_RECORDS
"""A hole of at most one block that stays open is sent in smaller and smaller messages."""

FRESH_RECORDS = 100
WINDOW_BLOCKS = 32
WINDOW_FRESH = 64
WINDOW_URGENT = 8
FRESH_LAG = 500
"""When so many fresh records wait for the lane, they are a backlog."""

NEWEST_FIRST = 50
"""After a reconnect so many of the newest go out as if they had just happened, before anything older."""

RESEND_AFTER_S = 10.0
OVERTAKEN_AFTER_S = 1.0
"""A message is given up as lost this long after it was sent, once one sent later has been committed."""


class Lane(Enum):
    URGENT = "urgent"
    FRESH = "fresh"
    BACKLOG = "backlog"


@dataclass(frozen=True, slots=True)
class Flight:
    """Records sent in one message and not yet named by the centre."""

    first: int
    last: int
    lane: Lane
    sent_s: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What an acknowledgement said of the messages on their way."""

    arrived: int
    lost: int


class EpochDelivery:
    """`oldest`..`head` are the records held; `through` is what the centre has of them without a hole."""

    def __init__(self, epoch: int, oldest: int, head: int) -> None:
        self.epoch = epoch
        self.oldest = oldest
        self.head = head
        self.through = oldest - 1
        self._fresh_from = head + 1  # everything before is, or was, the backlog's
        self._pending = Ranges.of([(oldest, head)])
        self._suspects = Suspects()
        self._flights: list[Flight] = []
        self._urgent: deque[int] = deque()
        self._looked = Ranges()  # searched for alarms already
        self._holes = Ranges()  # between oldest and head, and not held

    @property
    def backlog(self) -> int:
        """Records waiting to be sent."""
        return self._pending.total() + self.head - self._fresh_from + 1

    @property
    def fresh_waiting(self) -> int:
        """Records that happened and have not gone out yet."""
        return self.head - self._fresh_from + 1

    @property
    def complete(self) -> bool:
        return self.through >= self.head

    @property
    def idle(self) -> bool:
        """Nothing that is held waits or is on its way."""
        return not self._pending and not self._flights and self._fresh_from > self.head

    @property
    def holes(self) -> tuple[Range, ...]:
        """What is not held between records that are, beyond what the centre knows to be lost."""
        return (self._holes - Ranges.of([(1, self.through)])).parts

    @property
    def blocks_aloft(self) -> int:
        return self._flying(Lane.BACKLOG)

    def appended(self, head: int) -> None:
        """Records up to `head` are held; word of it may come late, after a newer head was read."""
        self.head = max(self.head, head)
        if self.head - self._fresh_from >= FRESH_LAG:
            self.let_wait()

    def newest_first(self) -> None:
        """The last moments before a connection was lost do not wait behind a long backlog."""
        if self._fresh_from <= self.head or self._pending.total() <= BLOCK_RECORDS:
            return
        first, last = self._pending.parts[-1]
        if last == self.head:
            self._fresh_from = max(first, last - NEWEST_FIRST + 1)
            self._pending -= Ranges(((self._fresh_from, last),))

    def to_look_through(self, most: int) -> Range | None:
        """Waiting records that nobody has searched for alarms yet, the newest first; None when there are
        none, or alarms enough wait already."""
        if len(self._urgent) >= WINDOW_URGENT or self._pending.total() <= BLOCK_RECORDS:
            return None
        unlooked = (self._pending - self._looked).parts
        return (max(unlooked[-1][0], unlooked[-1][1] - most + 1), unlooked[-1][1]) if unlooked else None

    def looked_through(self, looked: Range, alarms: Iterable[int]) -> None:
        self._looked |= Ranges((looked,))
        self._urgent.extend(seq for seq in alarms if looked[0] <= seq <= looked[1])

    def next_urgent(self, now_s: float) -> Range | None:
        """The next alarm that waits among older records."""
        while self._urgent and self._flying(Lane.URGENT) < WINDOW_URGENT:
            seq = self._urgent.popleft()
            if self._pending.overlaps(seq, seq):
                self._pending -= Ranges(((seq, seq),))
                return self._take_off(seq, seq, Lane.URGENT, now_s)
        return None

    def next_fresh(self, now_s: float, window: int = WINDOW_FRESH) -> Range | None:
        """The records to publish at once, as they happened; None when there are none or the lane is full."""
        if self._fresh_from > self.head:
            return None
        if self._flying(Lane.FRESH) >= window:
            if window < WINDOW_FRESH:  # nobody acknowledges: it will take long
                self.let_wait()
            return None
        first, last = self._fresh_from, min(self.head, self._fresh_from + FRESH_RECORDS - 1)
        self._fresh_from = last + 1
        return self._take_off(first, last, Lane.FRESH, now_s)

    def next_block(
        self, now_s: float, window: int = WINDOW_BLOCKS, records: int = BLOCK_RECORDS
    ) -> Range | None:
        """The next older records; None when there are none or the window is full."""
        if not self._pending or self._flying(Lane.BACKLOG) >= window:
            return None
        first, end = self._pending.parts[0]
        if end - first < SMALL_HOLE:
            records = self._suspects.size(first, records)
        last = min(end, first + records - 1)
        self._pending -= Ranges(((first, last),))
        return self._take_off(first, last, Lane.BACKLOG, now_s)

    def cut_short(self, first: int, last: int, kept: int) -> None:
        """Of what was to be sent as `first`..`last` only records up to `kept` went. What was pruned meanwhile
        had been acknowledged, and does not wait again."""
        self._flights = [
            replace(f, last=kept) if (f.first, f.last) == (first, last) else f for f in self._flights
        ]
        self._pending |= Ranges.of([(max(kept + 1, self.oldest), last)])

    def acknowledged(self, ack: EpochAck, now_s: float) -> Heard:
        """Takes the centre's word, also when it has less than it once had (restored from a backup)."""
        committed = Ranges.of([(1, ack.seen)]) - Ranges.of(_honest(ack.missing))
        if ack.through < self.through:
            self._looked = Ranges()
        self.through = min(ack.through, self.head)
        before = len(self._flights)
        aloft = [f for f in self._flights if not committed.covers(f.first, f.last)]
        newest_s = self._newest_arrived(aloft)
        self._flights = [f for f in aloft if not _overtaken(f, newest_s, now_s)]
        still = {f.first for f in self._flights}
        self._urgent.extend(f.first for f in aloft if f.lane is Lane.URGENT and f.first not in still)
        self._queue_what_is_neither_there_nor_on_its_way(committed)
        return Heard(before - len(aloft), len(aloft) - len(self._flights))

    def overdue(self, now_s: float, patience: int = 1) -> int:
        """Gives up what the centre has not named for too long; says how many messages that were."""
        late = [f for f in self._flights if now_s - f.sent_s >= RESEND_AFTER_S * patience]
        if late:
            self._suspects.lost(self._give_up(late))
        return len(late)

    def connection_lost(self) -> None:
        """What was on its way may have gone with the connection: no reason to suspect any single record."""
        self._give_up(self._flights)
        self.let_wait()

    def pruned(self, oldest: int) -> None:
        """Records before `oldest` are gone; they had been acknowledged. Nothing asks for them again."""
        self.oldest = max(self.oldest, oldest)
        gone = Ranges.of([(1, self.oldest - 1)])
        self._pending -= gone
        self._suspects.cleared(gone)
        self._flights = [
            replace(f, first=max(f.first, self.oldest)) for f in self._flights if f.last >= self.oldest
        ]

    def lacks_all_but(self, parts: Sequence[Range]) -> None:
        """`parts` are held, at least one. What lies before them was pruned; what is missing between them is
        never sent, and stands in no other record's way."""
        self.pruned(parts[0][0])
        self._holes = Ranges.of([(parts[0][0], parts[-1][1])]) - Ranges.of(parts)
        self._give_up([f for f in self._flights if self._holes.overlaps(f.first, f.last)])
        self._pending -= self._holes
        self._suspects.cleared(self._holes)

    def _newest_arrived(self, aloft: list[Flight]) -> float:
        still = {f.first for f in aloft}
        return max((f.sent_s for f in self._flights if f.first not in still), default=float("-inf"))

    def _queue_what_is_neither_there_nor_on_its_way(self, committed: Ranges) -> None:
        held = Ranges.of([(self.oldest, self._fresh_from - 1)]) - self._holes
        flying = Ranges.of((f.first, f.last) for f in self._flights)
        waiting = held - committed - flying
        self._suspects.cleared(committed)
        self._suspects.lost(waiting - self._pending)
        self._pending = waiting

    def _give_up(self, flights: list[Flight]) -> Ranges:
        lost = Ranges.of((f.first, f.last) for f in flights)
        self._urgent.extend(f.first for f in flights if f.lane is Lane.URGENT)
        given_up = {f.first for f in flights}
        self._flights = [f for f in self._flights if f.first not in given_up]
        self._pending |= lost
        return lost

    def let_wait(self) -> None:
        """Fresh records that cannot go become older ones, where their alarms are looked for."""
        self._pending |= Ranges.of([(self._fresh_from, self.head)]) - self._holes
        self._fresh_from = self.head + 1

    def _take_off(self, first: int, last: int, lane: Lane, now_s: float) -> Range:
        self._flights.append(Flight(first, last, lane, now_s))
        return first, last

    def _flying(self, lane: Lane) -> int:
        return sum(f.lane is lane for f in self._flights)


def _honest(ranges: Iterable[Range]) -> list[Range]:
    return [(first, last) for first, last in ranges if first <= last]


def _overtaken(flight: Flight, newest_s: float, now_s: float) -> bool:
    return flight.sent_s < newest_s and now_s - flight.sent_s >= OVERTAKEN_AFTER_S
