"""Acknowledgements between the threads that hear of them and the uplink's, which alone takes them.

Where the centre's keys are here, what comes by the line counts by its signature alone: the hash in it proves
only that somebody has seen our record, and whoever owns the broker has (`messages.acks`).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from drivers.allowance import Allowance
from gateway.clock import Clock
from gateway.errors import JournalUnavailable
from gateway.order_queue import Fate, Settle
from gateway.timekeeping import LATEST_US
from messages.acks import is_stale, opened_ack, read_ack
from messages.errors import MessageError
from messages.model import ClockQuality, Reason
from messages.signing import NotTrusted, WrongAudience
from messages.wire import MAX_EPOCHS, Ack, decode

log = logging.getLogger(__name__)

_MOST_EPOCHS: Final = 4 * MAX_EPOCHS

_MOST_REFUSALS, _REFUSALS_PER_S = 20, 1 / 60
"""Each is a record: whoever owns the broker must not fill the journal with forgeries."""

_ADVICE: Final = (
    "Has the centre keys, and is [keys] centre_keys_file what `liuhen-central keys show` prints? If so,"
    " somebody forges"
)
_ADVICE_IF_OLDER: Final = (
    "It is the centre's own, and names less than is known, or is from before a restore. Was the centre's"
    " clock put back? Then restart this gateway. If not, somebody plays old ones again"
)


class LineAcks:
    """What comes on `ack`, by the line. For the network's thread alone."""

    def __init__(self, keys: Mapping[str, Ed25519PublicKey], site: str, gateway: str, clock: Clock) -> None:
        """`keys`: the centre's, by their id; without any, everything is taken. `clock`: our own; a time of
        the centre's beyond it is not believed where it was synchronised."""
        self._keys = keys
        self._site, self._gateway = site, gateway
        self._clock = clock
        self._newest_us = 0
        self._through: dict[int, int] = {}  # the last word of each epoch
        self._taken_back: dict[int, int] = {}  # what the centre once had of an epoch, and has no more
        self._refusing = False
        self._allowance = Allowance(_MOST_REFUSALS, _REFUSALS_PER_S)

    def read(self, payload: bytes, now_s: float, *, kept: bool) -> Ack | Reason | None:
        """What may be acted on, or why not: a reason for the first of a run of refused ones, None for others
        and for what the broker `kept`, which may be of a time before the keys. `now_s`: monotonic."""
        if not self._keys:
            return _taken(payload)
        try:
            ack = opened_ack(payload, self._keys, self._site, self._gateway)
        except NotTrusted as error:
            return self._refused(Reason.NOT_SIGNED, error, now_s, kept=kept)
        except WrongAudience as error:
            return self._refused(Reason.FOREIGN, error, now_s, kept=kept)
        except MessageError as error:
            if _is_bare(payload):
                return self._refused(Reason.NOT_SIGNED, "it bears no signature", now_s, kept=kept)
            return self._refused(Reason.BAD_FILE, error, now_s, kept=kept)
        latest_us = self._latest_us()
        if is_stale(ack, min(self._newest_us, latest_us)) and not self._lowers_nothing(ack):
            return self._refused(Reason.OLDER, "it was made before one that was taken", now_s, kept=kept)
        self._newest_us = min(max(self._newest_us, ack.at or 0), latest_us)
        self._note(ack)
        self._refusing = False
        return ack

    def _latest_us(self) -> int:
        """Nothing was made later than now. A centre whose clock was ahead would else silence itself."""
        known = self._clock.quality() is not ClockQuality.UNKNOWN
        return self._clock.now_us() if known else LATEST_US

    def _lowers_nothing(self, ack: Ack) -> bool:
        """While the centre has less of an epoch than it once had, an old word may be of a time before its
        restore: it would license what only we have."""
        if self._taken_back:
            return False
        return all(each.through >= self._through.get(each.epoch, 0) for each in ack.epochs)

    def _note(self, ack: Ack) -> None:
        for each in ack.epochs:
            before = self._through.get(each.epoch, 0)
            once = max(before, self._taken_back.pop(each.epoch, 0))
            if each.through < once:
                self._taken_back[each.epoch] = once
            self._through[each.epoch] = each.through
        for epoch in sorted(self._through)[:-_MOST_EPOCHS]:
            del self._through[epoch]
            self._taken_back.pop(epoch, None)

    def _refused(self, reason: Reason, why: MessageError | str, now_s: float, *, kept: bool) -> Reason | None:
        if kept:
            log.warning("uplink: what the broker kept on ack cannot be taken, %s: %s", reason, why)
            return None
        if self._refusing or not self._allowance.take(1, now_s):
            return None
        self._refusing = True
        log.error(
            "uplink: an acknowledgement cannot be taken, %s: %s; nothing is deleted. %s",
            reason,
            why,
            _ADVICE_IF_OLDER if reason is Reason.OLDER else _ADVICE,
        )
        return reason


def _taken(payload: bytes) -> Ack | None:
    """None, and a word about it, where it is none."""
    try:
        return read_ack(payload)
    except MessageError as error:
        log.warning("uplink: an acknowledgement cannot be taken: %s", error)
        return None


def _is_bare(payload: bytes) -> bool:
    try:
        decode(payload, Ack)
    except MessageError:
        return False
    return True


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
        ack = _taken(payload)  # the bundle that it came in was signed
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
