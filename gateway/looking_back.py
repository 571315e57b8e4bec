"""What happened before is found again in the records, where these or the rights could be read only late.

Some days of records take long to read and to decode. `Looking` does that between the orders; `Remembering` is
the side of the deciding thread, which goes on meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from gateway.access import Access
from gateway.errors import JournalUnavailable
from gateway.events import LookBack, LookedBack
from gateway.journal import Head
from gateway.recording import Recorder
from messages.model import Record

log = logging.getLogger(__name__)

REPLAYED = 20_000
"""Records read again at a start, to know who is where and what is used up: some days of a building."""

REPLAYED_AT_LEAST = 500
"""Where nobody is counted anywhere: some minutes, for PINs tried in vain."""

RETRY_US = 30_000_000


def how_many(access: Access) -> int:
    """Records to be read again, by what is in force."""
    return REPLAYED if access.looks_back() else REPLAYED_AT_LEAST


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The newest `count` records that are not after record `seq` of `epoch`."""

    count: int
    epoch: int
    seq: int


class Looking:
    """The side of the thread that reads. One look back at a time: the next one begins after its result."""

    def __init__(
        self, newest: Callable[[int], list[Record]], post: Callable[[LookBack | LookedBack], None]
    ) -> None:
        """`newest(count)` reads the journal, oldest first; it raises JournalUnavailable."""
        self._newest = newest
        self._post = post
        self._asked = self._begun = self._failed = False
        self._again_us = 0
        self._wanted: _Wanted | None = None

    def ask(self) -> None:
        """Something came late: as soon as the journal can be read."""
        self._asked = True

    def failed(self, error: JournalUnavailable, now_us: int) -> None:
        """It could not be read just now. Said once, until it can be."""
        if not self._failed:
            self._failed = True
            log.warning("who is where and what is used up is not known yet: %s", error)
        self._again_us = now_us + RETRY_US
        self._asked = True

    def go_on(self, now_us: int) -> None:
        """What there is to do now; `now_us`: uptime."""
        wanted = self._wanted
        if wanted is not None:
            told = self._look(wanted, now_us)
            self._wanted, self._begun = None, False
            self._post(told)
        elif self._asked and not self._begun and now_us >= self._again_us:
            self._asked, self._begun = False, True
            self._post(LookBack(self._begins))

    def _begins(self, count: int, head: Head) -> None:
        """By the deciding thread."""
        self._wanted = _Wanted(count, head.epoch, head.seq)

    def _look(self, wanted: _Wanted, now_us: int) -> LookedBack:
        try:
            records = self._newest(wanted.count)
        except JournalUnavailable as error:
            self.failed(error, now_us)
            return LookedBack(None)
        if self._failed:
            self._failed = False
            log.info("who is where and what is used up is known again")
        end = wanted.epoch, wanted.seq
        return LookedBack([record for record in records if (record.epoch, record.seq) <= end])


class Remembering:
    """The deciding thread's side.

    No record is missed and none counted twice. A look back begins at the newest record while nothing waits to
    be recorded. However late and however much is read, of that only records up to this one count; each later
    one is noted when its commit returns, and so comes from here alone. Both are put together when again
    nothing waits to be recorded: what the memory that is given up then knew is in the records.
    """

    def __init__(self, access: Access, recorder: Recorder) -> None:
        self._access = access
        self._recorder = recorder
        self._begins: LookBack | None = None
        self._ends: LookedBack | None = None

    def take(self, event: LookBack | LookedBack) -> None:
        if isinstance(event, LookBack):
            self._begins = event
        else:
            self._ends = event

    def go_on(self) -> None:
        """Between two rounds: all that was decided is recorded, or waits to be."""
        if (self._begins is None and self._ends is None) or self._recorder.unrecorded:
            return
        if self._ends is not None:
            self._end(self._ends)
            self._ends = None
        if self._begins is not None:
            self._begin(self._begins)

    def _end(self, found: LookedBack) -> None:
        since = self._recorder.since.end()
        if found.records is not None:
            # If more than this were noted, the oldest of them fell out: then all that was read does, too.
            self._access.replay([*found.records, *since][-REPLAYED:])

    def _begin(self, begins: LookBack) -> None:
        try:
            head = self._recorder.head
        except JournalUnavailable as error:
            log.debug("no record to look back from yet: %s", error)
            return
        self._begins = None
        self._recorder.since.begin(REPLAYED)
        begins.begin(how_many(self._access), head)
