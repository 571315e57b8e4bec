"""What goes to the centre next, and what its acknowledgements mean: every epoch of the journal together.

Between `delivery` (one epoch, pure) and `uplink` (the connection). Knows the journal, not MQTT, and no clock:
`now_s` is an argument.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from gateway.delivery import EpochDelivery
from gateway.errors import JournalUnavailable
from gateway.journal import Head
from gateway.journal_reader import JournalReader
from gateway.ranges import Range
from messages.wire import Ack, EpochAck, EpochHead, join_block

log = logging.getLogger(__name__)


class Dispatch:
    """For the uplink's thread alone. What cannot be read from the journal is tried again later."""

    def __init__(self, reader: JournalReader, licensed: Callable[[int, int], None]) -> None:
        """`licensed(epoch, through)` is called when the centre's hash was found equal to ours.

        Raises JournalUnavailable.
        """
        self._reader = reader
        self._licensed = licensed
        self._deliveries = {
            held.epoch: EpochDelivery(held.epoch, held.oldest, held.head) for held in reader.epoch_heads()
        }
        self._current = next(reversed(self._deliveries.values()), None)
        self._disagreement_logged = False

    @property
    def acked(self) -> int:
        """How far the centre has the newest epoch."""
        return self._current.through if self._current else 0

    @property
    def unacknowledged(self) -> tuple[tuple[int, int], ...]:
        """How far the centre is with each epoch that it does not have whole; empty when it has everything."""
        waiting = (delivery for delivery in self._deliveries.values() if not delivery.complete)
        return tuple((delivery.epoch, delivery.through) for delivery in waiting)

    def heads(self) -> list[EpochHead]:
        """What is held of each epoch, as a state message says it."""
        try:
            return self._reader.epoch_heads()
        except JournalUnavailable as error:
            log.warning("uplink: %s", error)
            return []

    def appended(self, head: Head) -> None:
        if head.epoch not in self._deliveries:
            self._deliveries[head.epoch] = EpochDelivery(head.epoch, 1, head.seq)
        self._current = self._deliveries[head.epoch]
        self._current.appended(head.seq)

    def next_fresh(self, now_s: float) -> bytes | None:
        """The next records as they happened, ready to be published; None when there is nothing to send."""
        span = self._current.next_fresh(now_s) if self._current else None
        return self._block(self._current, span) if self._current and span else None

    def next_block(self, now_s: float) -> bytes | None:
        """The next older records; None when there are none, or enough are on their way."""
        for delivery in list(self._deliveries.values()):
            delivery.overdue(now_s)
            span = delivery.next_block(now_s)
            if span and (block := self._block(delivery, span)):
                return block
        return None

    def acknowledged(self, ack: Ack, now_s: float) -> None:
        for epoch_ack in ack.epochs:
            delivery = self._deliveries.get(epoch_ack.epoch)
            if delivery is not None:
                delivery.acknowledged(epoch_ack, now_s)
                self._license(epoch_ack, delivery.head)

    def recall(self) -> None:
        """What was on its way counts as lost."""
        for delivery in self._deliveries.values():
            delivery.connection_lost()

    def _block(self, delivery: EpochDelivery, span: Range) -> bytes | None:
        first, last = span
        try:
            bodies, count = self._reader.joined(delivery.epoch, first, last)
        except JournalUnavailable as error:
            log.warning("uplink: %s", error)
            return None
        if count == last - first + 1:
            return join_block(delivery.epoch, first, count, bodies)
        self._left_by_pruning(delivery)
        return None

    def _left_by_pruning(self, delivery: EpochDelivery) -> None:
        """Some of these were acknowledged and pruned meanwhile; only the rest is asked for again."""
        held = {head.epoch: head for head in self.heads()}
        if delivery.epoch in held:
            delivery.pruned(held[delivery.epoch].oldest)
        elif held:  # else it cannot be read just now
            del self._deliveries[delivery.epoch]

    def _license(self, ack: EpochAck, head: int) -> None:
        """Only a hash that equals our own licenses deletion. Whatever cannot be confirmed takes back every
        licence of this epoch: the centre may be another one than it was."""
        own = self._own_hash(ack) if 0 < ack.through <= head else None
        if own is not None and own == ack.hash:
            self._licensed(ack.epoch, ack.through)
            self._disagreement_logged = False
            return
        self._licensed(ack.epoch, 0)
        if ack.through > head:
            self._disagree("the centre has a record that is not here", ack)
        elif own is not None and ack.hash is not None:
            self._disagree("the centre's hash is not ours", ack)

    def _own_hash(self, ack: EpochAck) -> str | None:
        """None where our record is pruned already, or cannot be read just now."""
        try:
            return self._reader.hash_of(ack.epoch, ack.through)
        except JournalUnavailable as error:
            log.warning("uplink: %s", error)
            return None

    def _disagree(self, what: str, ack: EpochAck) -> None:
        """Said once, not with every acknowledgement: only a person can find out which side is wrong."""
        if not self._disagreement_logged:
            self._disagreement_logged = True
            log.error(
                "uplink: record %d of epoch %d: %s; nothing is deleted."
                " Compare `liuhen-gateway journal verify` here with `liuhen-central verify` there",
                ack.through,
                ack.epoch,
                what,
            )
