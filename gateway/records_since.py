"""What was recorded since a moment, without reading the journal."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from gateway.facts import Fact, record_of
from messages.model import Record


class RecordsSince:
    """For one thread: that of the journal's writing side."""

    def __init__(self) -> None:
        self._noted: deque[tuple[Fact, int, int]] | None = None

    def begin(self, most: int) -> None:
        """From now on the newest `most` are noted."""
        self._noted = deque(maxlen=most)

    def take(self, facts: Sequence[Fact], epoch: int, seqs: Sequence[int]) -> None:
        """These are durable now, under these numbers of `epoch`."""
        if self._noted is not None:
            self._noted.extend((fact, epoch, seq) for fact, seq in zip(facts, seqs, strict=True))

    def end(self) -> list[Record]:
        """Those noted since `begin`, oldest first. Their chain is left out: they are for who remembers."""
        noted, self._noted = self._noted or (), None
        return [record_of(fact, "", "", epoch=epoch, seq=seq, prev="") for fact, epoch, seq in noted]
