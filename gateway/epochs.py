"""Which epochs of the journal are being delivered, which wait, and which the centre has whole: pure.

A gateway that was damaged, salvaged or changed its disk often has more epochs than one message names
(MAX_EPOCHS). The newest is always at work, of the older ones so many as messages name, the oldest first. The
others follow as these are acknowledged.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from gateway.delivery import EpochDelivery, Heard
from gateway.journal_view import Holdings
from messages.wire import MAX_EPOCHS, EpochAck, EpochHead

MAX_HOLES_TOLD = 16
"""In one state, of all epochs together, so that it stays small; the next ones follow when these are known."""


class Epochs:
    def __init__(self) -> None:
        self.at_work: dict[int, EpochDelivery] = {}  # oldest first
        self.current: EpochDelivery | None = None  # of the epoch that is written to
        self._held: dict[int, EpochHead] = {}  # oldest first
        self._whole = False
        self._licensed: Mapping[int, int] = {}
        self._heard: dict[int, EpochAck] = {}  # the centre's newest word of each
        self._waiting: list[int] = []  # oldest first
        self._may_begin: set[int] = set()
        self._named_last = 0  # of those that are named in turn
        self._holes_found = False

    def found(self, held: Holdings, licensed: Mapping[int, int]) -> None:
        """The journal was read. `licensed`: how far it notes each epoch as acknowledged, which counts until
        the centre has spoken of that one itself."""
        now = {head.epoch: head for head in held.heads}
        self._held = now if held.whole else dict(sorted((self._held | now).items()))
        self._whole, self._licensed = held.whole, licensed
        for epoch, delivery in list(self.at_work.items()):
            head = self._held.get(epoch)
            if head and delivery is not self.current and head.head < delivery.head:
                del self.at_work[epoch]  # salvaged meanwhile, and shorter: it begins anew
            elif head:
                delivery.pruned(head.oldest)
                if delivery is not self.current:  # of a former one the last word may never have come
                    delivery.appended(head.head)
                    delivery.let_wait()
            elif delivery is not self.current:
                del self.at_work[epoch]
        self._heard = {n: ack for n, ack in self._heard.items() if n in self._held or n in self.at_work}
        newest = max(self._held, default=0)
        if self._held and (self.current is None or newest > self.current.epoch):
            self.current = self.at_work.get(newest) or self._begin(newest)
        self._sort_out()

    def appended(self, epoch: int, seq: int) -> None:
        """Record `seq` is the newest of all, and `epoch` the one that is written to."""
        if self.current is None or epoch != self.current.epoch:
            former = self.current
            self.current = self.at_work.get(epoch) or self._begin(epoch, seq)
            if former:
                former.let_wait()
            if former and self._busy > MAX_EPOCHS - 1:  # it takes its turn behind older ones
                del self.at_work[former.epoch]
        self.current.appended(seq)

    def take_in(self) -> None:
        """Begins with the next ones that wait, as far as others have made room."""
        while self._waiting and self._waiting[0] in self._may_begin and self._busy < MAX_EPOCHS - 1:
            self._begin(self._waiting.pop(0))

    def extent(self, epoch: int) -> tuple[int, int] | None:
        """The oldest and newest record of an epoch that is held."""
        if delivery := self.at_work.get(epoch):
            return delivery.oldest, delivery.head
        head = self._held.get(epoch)
        return (head.oldest, head.head) if head else None

    def through(self, epoch: int) -> int:
        """Up to which record the centre has an epoch, as far as is known."""
        if delivery := self.at_work.get(epoch):
            return delivery.through
        heard = self._heard.get(epoch)
        return heard.through if heard else self._licensed.get(epoch, 0)

    def acknowledged(self, ack: EpochAck, now_s: float) -> Heard:
        """The centre's word of an epoch that is held, at work or not; call `settle` after the last one."""
        self._heard[ack.epoch] = ack
        delivery = self.at_work.get(ack.epoch)
        return delivery.acknowledged(ack, now_s) if delivery else Heard(0, 0)

    def settle(self) -> None:
        """What the centre has whole by now makes room for others."""
        for epoch, delivery in list(self.at_work.items()):
            if delivery.complete and delivery is not self.current:
                del self.at_work[epoch]
        self._sort_out()

    def forget(self, epoch: int) -> None:
        """None of its records is here any more."""
        self._held.pop(epoch, None)
        if self.current is None or epoch != self.current.epoch:
            self.at_work.pop(epoch, None)

    def lacks_all_but(self, epoch: int, parts: list[tuple[int, int]]) -> None:
        """Damage or pruning left just these records of an epoch at work."""
        if delivery := self.at_work.get(epoch):
            delivery.lacks_all_but(parts)
            self._holes_found |= bool(delivery.holes)

    @property
    def unacknowledged(self) -> tuple[tuple[int, int], ...]:
        """How far the centre is with each epoch that it does not have whole."""
        open_epochs = {*self._waiting, *(d.epoch for d in self.at_work.values() if not d.complete)}
        return tuple((epoch, self.through(epoch)) for epoch in sorted(open_epochs))

    @property
    def backlog(self) -> int:
        """Records that wait to be sent."""
        waiting = (self._held[epoch] for epoch in self._waiting if epoch in self._held)
        later = sum(head.head - max(head.oldest - 1, self.through(head.epoch)) for head in waiting)
        return later + sum(delivery.backlog for delivery in self.at_work.values())

    @property
    def untold(self) -> bool:
        """Whether a new state has something to say without which the centre, or we, cannot go on."""
        stuck = bool(self._waiting) and self._waiting[0] not in self._may_begin and self._busy == 0
        return stuck or self._holes_found

    def listing(self) -> Holdings:
        """What the next state says: the newest epoch, the oldest ones that have something to deliver, and as
        many others as there is room for, each in its turn: a centre that was restored must hear of them.

        Where epochs with something to deliver are left out, the last one that is named is not begun: the
        centre always knows of one that it has not whole, and never takes itself to be complete.
        """
        if self.current is None or not self._held:
            return Holdings([], whole=False)
        older = [epoch for epoch in self._held if epoch != self.current.epoch]
        to_deliver = [
            e for e in older if e in self._waiting or (e in self.at_work and not self.at_work[e].idle)
        ]
        named = to_deliver[: MAX_EPOCHS - 1]
        self._may_begin = set(named[:-1] if len(named) < len(to_deliver) else named)
        others = [epoch for epoch in older if epoch not in to_deliver]
        named += self._in_turn(others, MAX_EPOCHS - 1 - len(named))
        heads = self._with_holes(sorted({*named, self.current.epoch} & self._held.keys()))
        self._holes_found = False
        return Holdings(heads, whole=self._whole and len(heads) == len(self._held))

    def _in_turn(self, others: list[int], room: int) -> list[int]:
        if len(others) <= room:
            return others
        later = [epoch for epoch in others if epoch > self._named_last]
        named = (later + others)[:room]
        self._named_last = named[-1] if named else self._named_last
        return named

    def _with_holes(self, epochs: list[int]) -> list[EpochHead]:
        heads, room = [], MAX_HOLES_TOLD
        for epoch in epochs:
            delivery = self.at_work.get(epoch)
            holes = delivery.holes[:room] if delivery else ()
            room -= len(holes)
            heads.append(replace(self._held[epoch], holes=holes) if holes else self._held[epoch])
        return heads

    @property
    def _busy(self) -> int:
        older = (delivery for delivery in self.at_work.values() if delivery is not self.current)
        return sum(not delivery.idle for delivery in older)

    def _begin(self, epoch: int, head: int = 0) -> EpochDelivery:
        held = self._held.get(epoch)
        oldest, head = (held.oldest, held.head) if held else (1, head)
        delivery = EpochDelivery(epoch, oldest, head)
        if heard := self._heard.get(epoch):
            delivery.acknowledged(heard, 0.0)
        self.at_work = dict(sorted((self.at_work | {epoch: delivery}).items()))
        return delivery

    def _sort_out(self) -> None:
        self._waiting = [
            epoch
            for epoch, head in self._held.items()
            if epoch not in self.at_work and self.through(epoch) < head.head
        ]
