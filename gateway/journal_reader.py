"""Reading the journal, for the uplink and for people: its files together, stored bytes as they are."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from gateway.errors import JournalUnavailable
from gateway.journal_chain import Flaw
from gateway.journal_view import NO_END, FileView, Holdings
from messages.errors import MessageError
from messages.model import Record
from messages.wire import EpochHead

__all__ = ["Flaw", "JournalReader"]

log = logging.getLogger(__name__)

_PLACE_BITS = 48
"""Records a file may ever hold: an id stays below."""


class JournalReader:
    """A read-only view of a journal that may be written meanwhile. Not to be shared between threads.

    With `second_path` both files are read as one journal: each epoch lies in one of them. Every method raises
    JournalUnavailable when what it needs cannot be read; one file that fails does not hide the other.
    """

    def __init__(self, path: Path, second_path: Path | None = None) -> None:
        """Opens nothing yet."""
        paths = [path] if second_path is None else [path, second_path]
        self._both = tuple(FileView(each, one_of_two=second_path is not None) for each in paths)

    @property
    def _files(self) -> list[FileView]:
        """A second file that never had to be made is none."""
        files = [file for file in self._both if file is self._both[0] or file.path.exists()]
        for file in files:
            file.end_id = NO_END
        if len(files) > 1:
            _end_where_the_other_went_on(*files)
            _end_where_the_other_went_on(*reversed(files))
        return files

    def close(self) -> None:
        for file in self._both:
            file.close()

    def epoch_heads(self) -> list[EpochHead]:
        """Oldest and newest record held of each epoch, the newest epoch last.

        Of a file that cannot be read now it is what was read last.
        """
        return self.holdings().heads

    def holdings(self) -> Holdings:
        """The same, and whether that is all: not where a file cannot be read or is not there any more."""
        files = self._files
        failures = [failure for file in files if (failure := self._refresh(file))]
        if len(failures) == len(files):
            raise failures[0]
        heads = sorted((head for file in self._both for head in file.heads), key=lambda head: head.epoch)
        vanished = any(file.heads for file in self._both if file not in files)
        return Holdings(heads, whole=not failures and not vanished and self._knows_all_formers(files))

    def _knows_all_formers(self, files: Sequence[FileView]) -> bool:
        """Whether no file goes on from one that is not at hand, as when a disk is not mounted."""
        try:
            formers = {epoch for file in files for epoch, _, _ in file.left_at()}
            return all(any(file.holds(epoch) for file in files) for epoch in formers)
        except (JournalUnavailable, MessageError) as error:
            log.debug("whether the journal is all here is not known: %s", error)
            return False

    def acknowledged(self) -> dict[int, int]:
        """Up to which record the centre has acknowledged each epoch; an epoch without one is left out."""
        return {epoch: through for file in self._files for epoch, through in file.acknowledged().items()}

    def joined(self, epoch: int, first: int, last: int) -> tuple[bytes, int]:
        """Stored records `first`..`last` joined by commas in SQLite, and how many there were."""
        return self._holding(epoch).joined(epoch, first, last)

    def envelopes(self, epoch: int, first: int, last: int) -> dict[int, bytes]:
        """What is sealed beside these records, by their sequence numbers."""
        return self._holding(epoch).envelopes(epoch, first, last)

    def held(self, epoch: int) -> list[tuple[int, int]]:
        """The records held of an epoch as ranges; more than one where some are missing in between, as in a
        salvaged journal."""
        return self._holding(epoch).held(epoch)

    def hash_of(self, epoch: int, seq: int) -> str | None:
        """Hash of a stored record, None when it is not here."""
        return self._holding(epoch).hash_of(epoch, seq)

    def newest(self, count: int) -> list[Record]:
        """The newest `count` records, oldest first; a body that cannot be read is left out."""
        found = [record for file in self._files for record in file.newest(count)]
        return sorted(found, key=lambda record: (record.epoch, record.seq))[-count:]

    def newest_at_us(self) -> int:
        """When the newest record was made, for the clock's floor; 0 where none can be read."""
        try:
            newest = self.newest(1)
        except JournalUnavailable as error:
            log.info("no time is known from the journal: %s", error)
            return 0
        return newest[0].at if newest else 0

    def after(self, record_id: int) -> tuple[list[Record], int]:
        """Readable records stored after `record_id`, and the id to go on from."""
        records: list[Record] = []
        places = []
        for file, place in zip(self._files, _taken_apart(record_id), strict=False):
            found, place = file.after(place)  # noqa: PLW2901
            records += found
            places.append(place)
        return sorted(records, key=lambda record: (record.epoch, record.seq)), _put_together(places)

    def newest_id(self) -> int:
        """Where `after` goes on from to see only what is still to come; of both files in one number."""
        return _put_together([file.newest_id() for file in self._files])

    def size(self) -> tuple[int, int]:
        """Of the first file: bytes that hold something, and bytes in it that are free for new records."""
        return self._both[0].size()

    def count(self) -> int:
        """Records in the first file."""
        return self._both[0].count()

    def verify(self) -> tuple[int, list[Flaw]]:
        """Walks every epoch: how many records, and each place where one is missing, altered or misplaced.

        The files' own structure is checked in full, too: a flaw of it has epoch and number 0.
        """
        checked, flaws = 0, []
        for file in self._files:
            found, its_flaws = file.verify()
            checked += found
            flaws += its_flaws
        return checked, flaws

    def backup(self, into: Path) -> list[Path]:
        """Copies each file as of one moment, through SQLite's backup interface (trust.md R-17), while it may
        be written to. Returns what was made: `into`, and for a second file `into` with `.second` after it.

        Raises JournalRefused where a file of that name exists, nothing is written over.
        """
        targets = [into, into.with_name(into.name + ".second")]
        return [file.backup(target) for file, target in zip(self._files, targets, strict=False)]

    def _refresh(self, file: FileView) -> JournalUnavailable | None:
        try:
            file.refresh_heads()
        except JournalUnavailable as error:
            return error
        return None

    def _holding(self, epoch: int) -> FileView:
        failure: JournalUnavailable | None = None
        for file in self._files:
            try:
                if file.holds(epoch):
                    return file
            except JournalUnavailable as error:
                failure = error
        raise failure or JournalUnavailable(
            f"{self._files[0].path}: there is no epoch {epoch} in this journal"
        )


def _end_where_the_other_went_on(file: FileView, other: FileView) -> None:
    try:
        for place in other.left_at():
            file.ends_at(*place)
    except (JournalUnavailable, MessageError) as error:  # whoever asks for that file hears of it
        log.debug("where %s ends is not known: %s", file.path, error)


def _put_together(places: Sequence[int]) -> int:
    return sum(place << (_PLACE_BITS * number) for number, place in enumerate(places))


def _taken_apart(place: int) -> tuple[int, int]:
    return place & ((1 << _PLACE_BITS) - 1), place >> _PLACE_BITS
