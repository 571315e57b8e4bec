"""Acknowledgements between the threads that hear of them and the uplink's, which alone takes them."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from gateway.errors import JournalUnavailable
from gateway.order_queue import Fate, Settle
from messages.errors import MessageError
from messages.wire import MAX_EPOCHS, Ack, decode

log = logging.getLogger(__name__)

_MOST_EPOCHS: Final = 4 * MAX_EPOCHS


def read_ack(payload: bytes) -> Ack | None:
    """None, and a word about it, where it is none."""
    try:
        return decode(payload, Ack)
    except MessageError as error:
        log.warning("uplink: an acknowledgement cannot be taken: %s", error)
        return None


def merged(earlier: Ack, later: Ack) -> Ack:
    """Of each epoch the later word, which may be less: the centre may have been restored from a backup."""
    epochs = {each.epoch: each for each in (*earlier.epochs, *later.epochs)}
    return Ack(later.v, [epochs[number] for number in sorted(epochs)[-_MOST_EPOCHS:]])


class CarriedAcks:
    """Acknowledgements that were carried here by hand, each until what it licenses is noted in the journal:
    nobody sends them again.

    `put` is for any thread, everything else for the uplink's.
    """

    def __init__(self) -> None:
        self._new: deque[tuple[Ack, Settle]] = deque()
        self._taken: list[tuple[dict[int, int], Settle]] = []  # what is not noted yet: epoch to record

    def put(self, payload: bytes, settle: Settle) -> None:
        ack = read_ack(payload)
        if ack is None:
            settle(Fate.FOR_GOOD)
        else:
            self._new.append((ack, settle))

    def take(self, licensed_by: Callable[[Ack], Mapping[int, int]]) -> None:
        """Gives those that have come since to `licensed_by`, which says how far they license which epoch."""
        while self._new:
            ack, settle = self._new.popleft()
            try:
                self._taken.append((dict(licensed_by(ack)), settle))
            except JournalUnavailable as error:
                log.warning("uplink: an acknowledgement that was carried here is taken again: %s", error)
                settle(Fate.NOT_NOW)

    def overtaken(self, ack: Ack) -> None:
        """The line has spoken: of these epochs what was carried says nothing any more."""
        for waiting, _ in self._taken:
            for each in ack.epochs:
                waiting.pop(each.epoch, None)

    def look(self, noted: Callable[[], Mapping[int, int]]) -> None:
        """`noted` says up to which record each epoch's licence is durable; it raises JournalUnavailable where
        that cannot be read."""
        if not self._taken:
            return
        try:
            durable = noted()
        except JournalUnavailable:
            return  # who writes to the journal says what is wrong with it
        still = []
        for waiting, settle in self._taken:
            if all(durable.get(epoch, 0) >= through for epoch, through in waiting.items()):
                settle(Fate.FOR_GOOD)
            else:
                still.append((waiting, settle))
        self._taken = still
