"""What goes to the centre next, and what its acknowledgements mean: every epoch of the journal together.

Between `delivery` (one epoch, pure) and `uplink` (the connection). Knows the journal, not MQTT, and no clock:
`now_s` is an argument.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.ack_check import AckCheck
from gateway.delivery import BLOCK_RECORDS, WINDOW_BLOCKS, WINDOW_FRESH, EpochDelivery
from gateway.epochs import Epochs
from gateway.errors import JournalUnavailable
from gateway.journal import Head
from gateway.journal_view import Holdings
from gateway.pace import Pace
from gateway.ranges import Range, Ranges
from gateway.urgent import LOOK_RECORDS, alarms_in
from messages.wire import MAX_PAYLOAD_BYTES, Ack, EpochAck, join_block

log = logging.getLogger(__name__)

ASKED_RECORDS: Final = 10
"""What was asked for goes out in blocks that every broker takes."""

MAX_ASKED: Final = 64
"""Ranges that wait; a command names no more."""


class Reader(Protocol):
    """What is asked of the journal; all of it raises JournalUnavailable."""

    def holdings(self) -> Holdings: ...
    def acknowledged(self) -> Mapping[int, int]: ...
    def held(self, epoch: int) -> list[tuple[int, int]]: ...
    def joined(self, epoch: int, first: int, last: int) -> tuple[bytes, int]: ...
    def envelopes(self, epoch: int, first: int, last: int) -> dict[int, bytes]: ...
    def hash_of(self, epoch: int, seq: int) -> str | None: ...


@dataclass(frozen=True, slots=True)
class _Asked:
    epoch: int
    records: Ranges  # not empty
    looked: bool = False  # what is not held was taken out


class Dispatch:
    """For the uplink's thread alone. What cannot be read from the journal is tried again later."""

    def __init__(
        self,
        reader: Reader,
        licensed: Callable[[int, int], None],
        pace: Pace | None = None,
        disputed: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`licensed(epoch, through)` is called when the centre's hash was found equal to ours,
        `disputed(epoch)` when it has other records there than we. Without a `pace` windows are as large as
        they can be.

        Raises JournalUnavailable.
        """
        self.payload_limit: int | None = None
        """Bytes that the broker takes in one message."""
        self.last_count = 0
        """Records in the last block that was given out."""
        self._reader = reader
        self._check = AckCheck(reader, licensed, disputed)
        self._pace = pace
        self._arrived_lately = False
        self._too_long_logged = False
        self._asked: deque[_Asked] = deque(maxlen=MAX_ASKED)
        self._epochs = Epochs()
        self._readable = True
        self._look()
        self._epochs.listing()
        self._epochs.take_in()

    @property
    def acked(self) -> int:
        """How far the centre has the newest epoch."""
        return self._epochs.current.through if self._epochs.current else 0

    @property
    def unacknowledged(self) -> tuple[tuple[int, int], ...]:
        """How far the centre is with each epoch that it does not have whole; empty when it has everything."""
        return self._epochs.unacknowledged

    def listing(self) -> Holdings:
        """What is held, as the next state message says it: MAX_EPOCHS epochs at most. Looks into the journal
        for what has become readable, or was pruned, since."""
        try:
            self._look()
        except JournalUnavailable as error:
            log.warning("uplink: %s", error)
            self._readable = False
            return Holdings([], whole=False)
        self._readable = True
        return self._epochs.listing()

    @property
    def untold(self) -> bool:
        """Whether delivery waits for the next state message."""
        return self._readable and self._epochs.untold

    def appended(self, head: Head) -> None:
        self._epochs.appended(head.epoch, head.seq)

    @property
    def backlog(self) -> int:
        """Records that wait to be sent."""
        return self._epochs.backlog

    def newest_first(self) -> None:
        if self._epochs.current:
            self._epochs.current.newest_first()

    def look_for_alarms(self) -> bool:
        """Searches some more of what waits; False when all of it was searched."""
        for delivery in reversed(self._epochs.at_work.values()):
            if span := delivery.to_look_through(LOOK_RECORDS):
                delivery.looked_through(span, alarms_in(self._bodies(delivery.epoch, span)[0]))
                return True
        return False

    def next_urgent(self, now_s: float) -> bytes | None:
        """The next alarm that waits among older records."""
        for delivery in reversed(list(self._epochs.at_work.values())):
            if (span := delivery.next_urgent(now_s)) and (block := self._block(delivery, span)):
                return block
        return None

    @property
    def fresh_waiting(self) -> int:
        """Records that happened and have not gone out yet."""
        return self._epochs.current.fresh_waiting if self._epochs.current else 0

    def next_fresh(self, now_s: float) -> bytes | None:
        """The next records as they happened, ready to be published; None when there is nothing to send."""
        current = self._epochs.current
        if current is None:
            return None
        window = self._pace.window_fresh if self._pace else WINDOW_FRESH
        span = current.next_fresh(now_s, window)
        return self._block(current, span) if span else None

    def send_again(self, epoch: int, first: int, last: int) -> None:
        """Sends these once more, whatever the centre has of them: it was asked for in so many words. What is
        not held is left out."""
        oldest, head = self._epochs.extent(epoch) or (1, 0)
        if records := Ranges.of([(max(first, oldest), min(last, head))]):
            self._asked.append(_Asked(epoch, records))

    def next_block(self, now_s: float) -> bytes | None:
        """The next older records; None when there are none, or enough are on their way."""
        if block := self._next_asked():
            return block
        self._give_up_what_is_overdue(now_s)
        self._epochs.take_in()
        window, records = WINDOW_BLOCKS, BLOCK_RECORDS
        if self._pace:
            window, records = self._pace.window, self._pace.block_records
        aloft = sum(delivery.blocks_aloft for delivery in self._epochs.at_work.values())
        for delivery in list(self._epochs.at_work.values()):
            span = delivery.next_block(now_s, window - aloft + delivery.blocks_aloft, records)
            if span and (block := self._block(delivery, span)):
                return block
        return None

    def _next_asked(self) -> bytes | None:
        while self._asked:
            asked = self._asked.popleft()
            first, last = asked.records.parts[0]
            last = min(last, first + ASKED_RECORDS - 1)
            bodies, count, envelopes = self._with_envelopes(asked.epoch, (first, last))
            if count == last - first + 1:
                if rest := asked.records - Ranges(((first, last),)):
                    self._asked.appendleft(_Asked(asked.epoch, rest, asked.looked))
                self.last_count = count
                return join_block(asked.epoch, first, count, bodies, envelopes)
            if count is not None and not asked.looked:
                missing = Ranges.of([(1, asked.records.parts[-1][1])]) - Ranges.of(
                    self._held(asked.epoch) or ()
                )
                if rest := asked.records - missing:
                    self._asked.appendleft(_Asked(asked.epoch, rest, looked=True))
        return None

    def acknowledged(self, ack: Ack, now_s: float) -> None:
        arrived = lost = 0
        for epoch_ack in ack.epochs:
            if self._epochs.extent(epoch_ack.epoch) is not None:
                heard = self._epochs.acknowledged(epoch_ack, now_s)
                arrived, lost = arrived + heard.arrived, lost + heard.lost
                if self._check.take(epoch_ack, self._newest_of(epoch_ack), now_s):
                    self.send_again(epoch_ack.epoch, *(self._epochs.extent(epoch_ack.epoch) or (1, 0)))
        self._epochs.settle()
        self._arrived_lately |= arrived > 0
        if self._pace:
            self._pace.arrived(arrived)
            if lost:
                self._pace.lost()

    def carried(self, ack: Ack, now_s: float) -> dict[int, int]:
        """Takes an acknowledgement that was carried here by hand: as old as its way was long, so that it only
        ever adds to what is known. Returns how far it licenses which epochs.

        Raises JournalUnavailable; then nothing of it was taken.
        """
        news = [
            each
            for each in ack.epochs
            if self._epochs.extent(each.epoch) and each.through > self._epochs.through(each.epoch)
        ]
        own = {each.epoch: self._reader.hash_of(each.epoch, each.through) for each in news}
        self.acknowledged(Ack(ack.v, news), now_s)
        return {each.epoch: each.through for each in news if each.hash and own[each.epoch] == each.hash}

    def _give_up_what_is_overdue(self, now_s: float) -> None:
        patience = self._pace.patience if self._pace else 1
        late = sum([delivery.overdue(now_s, patience) for delivery in self._epochs.at_work.values()])
        if late and self._pace:
            if self._arrived_lately:
                self._pace.lost()
            else:
                self._pace.unheard()
            self._arrived_lately = False

    def recall(self) -> None:
        """What was on its way counts as lost."""
        for delivery in self._epochs.at_work.values():
            delivery.connection_lost()

    def _look(self) -> None:
        held = self._reader.holdings()
        try:
            licensed = self._reader.acknowledged()
        except JournalUnavailable as error:  # then the centre's own word counts alone
            log.info("uplink: %s", error)
            licensed = {}
        self._epochs.found(held, licensed)

    def _block(self, delivery: EpochDelivery, span: Range) -> bytes | None:
        first, last = span
        bodies, count, envelopes = self._with_envelopes(delivery.epoch, span)
        if count is None:
            return None
        if count < last - first + 1:
            self._find_what_is_left(delivery.epoch)
            return None
        block = join_block(delivery.epoch, first, count, bodies, envelopes)
        if len(block) <= min(self.payload_limit or MAX_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES):
            self.last_count = count
            return block
        return self._cut(delivery, span, len(block))

    def _cut(self, delivery: EpochDelivery, span: Range, size: int) -> bytes | None:
        """The first half of a block that this broker would not take. A record that is too long alone stays on
        its way for the usual time, so that it stands in nobody else's."""
        first, last = span
        if first < last:
            kept = (first + last) // 2
            delivery.cut_short(first, last, kept)
            if self._pace and last - first + 1 >= self._pace.block_records:
                self._pace.too_large()
            return self._block(delivery, (first, kept))
        if not self._too_long_logged:
            self._too_long_logged = True
            log.error(
                "uplink: record %d of epoch %d takes a message of %d bytes, the broker takes %s at most: it"
                " stays here until the broker takes more (Mosquitto: max_packet_size)",
                first,
                delivery.epoch,
                size,
                self.payload_limit,
            )
        return None

    def _bodies(self, epoch: int, span: Range) -> tuple[bytes, int | None]:
        """Records joined, and how many there were; None where the journal cannot be read just now."""
        try:
            return self._reader.joined(epoch, *span)
        except JournalUnavailable as error:
            log.warning("uplink: %s", error)
            return b"", None

    def _with_envelopes(self, epoch: int, span: Range) -> tuple[bytes, int | None, dict[int, bytes]]:
        """As `_bodies`, and what is sealed beside them: never the one without the other."""
        bodies, count = self._bodies(epoch, span)
        if count is None:
            return b"", None, {}
        try:
            return bodies, count, self._reader.envelopes(epoch, *span)
        except JournalUnavailable as error:
            log.warning("uplink: %s", error)
            return b"", None, {}

    def _find_what_is_left(self, epoch: int) -> None:
        """Some were acknowledged and pruned meanwhile, or lost to damage; only the rest is sent."""
        parts = self._held(epoch)
        if parts:
            self._epochs.lacks_all_but(epoch, parts)
        elif parts is not None:
            self._epochs.forget(epoch)

    def _held(self, epoch: int) -> list[Range] | None:
        """None where the journal cannot be read just now."""
        try:
            return self._reader.held(epoch)
        except JournalUnavailable as error:
            log.warning("uplink: %s", error)
            return None

    def _newest_of(self, ack: EpochAck) -> int:
        """Our newest record of an epoch, 0 where that cannot be known now. Word of a commit may be on its way
        to us; what left this house stands in the journal."""
        head = (self._epochs.extent(ack.epoch) or (1, 0))[1]
        if ack.through <= head:
            return head
        try:
            held = self._reader.holdings()
        except JournalUnavailable as error:
            log.warning("uplink: %s", error)
            return 0
        return next((each.head for each in held.heads if each.epoch == ack.epoch), 0)
