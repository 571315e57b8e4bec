"""What an acknowledgement of one epoch is worth here: its hash against our own record's.

Only a hash that equals ours licenses deletion. The centre gives none where it has not the whole chain behind
it, and another one where it has other records than we: then a journal was put back to an older copy, and uses
numbers again that the centre knows (or somebody has forged records in our name).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, Protocol

from gateway.errors import JournalUnavailable
from messages.wire import EpochAck

log = logging.getLogger(__name__)

TELL_AGAIN_S: Final = 86_400.0
"""How often records are sent again of which nobody can say whether the centre has them."""


class Hashes(Protocol):
    """Raises JournalUnavailable."""

    def hash_of(self, epoch: int, seq: int) -> str | None: ...


class AckCheck:
    def __init__(
        self,
        hashes: Hashes,
        licensed: Callable[[int, int], None],
        disputed: Callable[[int], None],
    ) -> None:
        """See `Dispatch`."""
        self._hashes = hashes
        self._licensed = licensed
        self._disputed = disputed
        self._logged: set[int] = set()
        self._told_again_s: dict[int, float] = {}

    def take(self, ack: EpochAck, head: int, now_s: float) -> bool:
        """`head`: our newest record of that epoch, 0 where that cannot be known now. Whatever cannot be
        confirmed takes back every licence of the epoch: the centre may be another one than it was.

        Returns whether all that is held of the epoch is to be sent again, as the centre's word settles none
        of it: at once, and each day as long as that is so.
        """
        own = self._own_hash(ack) if 0 < ack.through <= head else None
        if own is not None and own == ack.hash:
            self._licensed(ack.epoch, ack.through)
            self._told_again_s.pop(ack.epoch, None)
            self._logged.discard(ack.epoch)
            return False
        self._licensed(ack.epoch, 0)
        if ack.through > head > 0:
            self._disagree("the centre has a record that is not here", ack)
        elif own is None:
            return False
        elif ack.hash is not None:
            self._disagree("the centre's hash is not ours", ack)
        if now_s - self._told_again_s.get(ack.epoch, float("-inf")) < TELL_AGAIN_S:
            return False
        self._told_again_s[ack.epoch] = now_s
        return True

    def _own_hash(self, ack: EpochAck) -> str | None:
        """None where our record is pruned already, or cannot be read just now."""
        try:
            return self._hashes.hash_of(ack.epoch, ack.through)
        except JournalUnavailable as error:
            log.warning("uplink: %s", error)
            return None

    def _disagree(self, what: str, ack: EpochAck) -> None:
        """Logged once, not with every acknowledgement."""
        self._disputed(ack.epoch)
        if ack.epoch not in self._logged:
            self._logged.add(ack.epoch)
            log.error(
                "uplink: record %d of epoch %d: %s; nothing of that epoch is deleted. Was the journal put"
                " back to an older copy, or is there another gateway of this name? Compare `liuhen-gateway"
                " journal verify` here with `liuhen-central verify` there",
                ack.through,
                ack.epoch,
                what,
            )
