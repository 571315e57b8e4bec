"""The journal: every record of this gateway, durable before anything depends on it.

Written by the deciding thread alone. Normally one file takes every record; where that fails, the reserve is
released, or a second file on another disk goes on in an epoch of its own (trust.md R-13, R-14). Nothing
unacknowledged is ever deleted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from gateway import journal_file, journal_licences
from gateway.clock import Clock
from gateway.errors import JournalRefused, JournalUnavailable
from gateway.facts import Fact, Placed
from gateway.journal_head import Head
from gateway.journal_store import Store
from gateway.storage import StorageRule, refuse_unsafe
from gateway.storage_space import Reserve
from messages.errors import MessageError
from messages.model import Kind, Reason

__all__ = ["Head", "Journal"]

log = logging.getLogger(__name__)

_FIRST_RETURN_US = 60_000_000
_LONGEST_RETURN_US = 3_600_000_000
"""How long the second journal goes on before the first is tried again: a disk that comes and goes must not
make an epoch a minute."""

_MAX_WAITING = 64
"""Acknowledgements kept for a file that cannot be written to now: one for each epoch."""


class Journal:
    """The writing side. `append` returns after the commit, or raises JournalUnavailable: nothing stored."""

    def __init__(
        self,
        path: Path,
        gateway: str,
        clock: Clock,
        *,
        second_path: Path | None = None,
        reserve_bytes: int = 0,
        storage_rule: StorageRule = StorageRule.ANY,
    ) -> None:
        """Opens or makes the journal at `path`; a damaged file is set aside and salvaged into a new epoch.

        Where no file takes records now (a full or failing disk) there is a journal all the same: `append`
        raises JournalUnavailable until one does. Raises JournalRefused where another process, another gateway
        or a newer program owns a file, or where the storage must not be used.
        """
        self.path = path
        paths = [path] if second_path is None else [path, second_path]
        for each in paths:
            if doubt := refuse_unsafe(each, storage_rule):
                log.warning("journal %s: %s; records can be lost", each, doubt)
        journal_file.tell_library()
        self._clock = clock
        self._reserve = Reserve(path, reserve_bytes)
        self._stores = [Store(each, gateway, clock) for each in paths]
        self._first = self._stores[0]
        self._current: Store | None = None
        self._head: Head | None = None
        self._faulty = self._was_full = False
        self._troubles: list[tuple[Kind, Reason | None]] = []
        self._waiting: dict[int, tuple[int, int]] = {}  # of files that cannot be written to now
        self._return_after_us = _FIRST_RETURN_US
        self._return_at_us = 0
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    @property
    def head(self) -> Head:
        """The newest record. Raises JournalUnavailable while nothing could be read or written yet."""
        if self._head is None:
            raise JournalUnavailable(f"{self.path}: could not be opened yet")
        return self._head

    def append(self, facts: Sequence[Fact]) -> list[int]:
        """Makes `facts` durable in one commit and returns their sequence numbers, all of one epoch.

        They are `Placed`: a fact that links to one of an earlier epoch is recorded without that link.
        """
        store = self._in_use or self._find_store()
        try:
            return self._append_to(store, facts)
        except JournalUnavailable as error:
            instead = self._instead_of(store, error)
            if instead is None:
                raise
            return self._append_to(instead, facts)

    def rehearse(self, fact: Fact) -> None:
        """Goes the way of `append` up to its commit, and stores nothing."""
        if (store := self._in_use) is not None:
            store.rehearse(fact)

    def begin_anew(self, epoch: int) -> bool:
        """Goes on in a new epoch where `epoch` is the one that is written to: the centre has other records in
        it than this file, which was put back to an older copy. False where that was left already.

        Raises JournalUnavailable; then the next record begins one.
        """
        store = self._in_use or self._find_store()
        if self.head.epoch != epoch:
            return False
        log.error("journal %s: put back to an older copy, it seems; a new epoch begins", store.path)
        store.wants = Reason.OLDER_COPY
        self._use(store)
        return True

    def acknowledge(self, epoch: int, through: int, least: int | None = None) -> bool:
        """Notes that the centre has committed `epoch` up to `through`; with 0 it has nothing of it. `least`:
        what it had in the meantime, if that was less.

        Returns False where too many wait already for a file that cannot be written to now: nothing is noted,
        and it is to be said again. Raises JournalUnavailable.
        """
        if self._in_use is None:
            self._find_store()
        waited, _ = self._waiting.get(epoch, (through, through))
        least = min(through if least is None else least, waited)
        if self._note(epoch, through, least):
            self._waiting.pop(epoch, None)
            return True
        if self._all_open:
            return True  # nobody holds it
        if epoch not in self._waiting and len(self._waiting) >= _MAX_WAITING:
            return False
        self._waiting[epoch] = least, through
        return True

    def prune(self, keep_acknowledged_days: int) -> int:
        """Care between events: deletes some hundred records acknowledged longer ago than that, the newest
        record always stays; brings the first journal and the reserve back.

        Returns how many were deleted; call again until it is none.
        """
        if (self._in_use or self._find_store()) is not self._first:
            self._return_to_the_first()
        self._restore_the_reserve()
        for epoch, (least, through) in list(self._waiting.items()):
            if self._note(epoch, through, least) or self._all_open:
                del self._waiting[epoch]
        return sum(self._prune(each, keep_acknowledged_days) for each in self._stores if each.is_open)

    def troubles(self) -> list[tuple[Kind, Reason | None]]:
        """What there is to record about the storage since this was asked last; to be asked after `append`
        and `prune`."""
        found, self._troubles = self._troubles, []
        return found

    def close(self) -> None:
        for store in self._stores:
            store.close()

    def _start(self) -> None:
        """Every file is looked at, so that an older epoch is never gone on with; the first that works is
        used."""
        for store in self._stores:
            try:
                self._with_room(store, partial(store.take_up, self._newest_epoch()))
            except JournalUnavailable as error:
                log.error("%s", error)
        self._take_out_what_failed()
        for store in self._stores:
            if store.is_open and self._current is None:
                self._try_to_use(store)
        self._reserve.restore()
        if self._current is not self._first:
            self._is_faulty()
        if self._current is None:
            log.critical("journal %s: no record can be stored now; doors follow their policy", self.path)

    def _take_out_what_failed(self) -> None:
        """Records that one file could not confirm and the other then stored: they must not be there twice."""
        usable = [store for store in self._stores if store.is_open]
        try:
            for place in [place for store in usable for place in store.left_at()]:
                for store in usable:
                    store.ends_at(*place)
        except (JournalUnavailable, MessageError) as error:
            log.error("%s", error)

    @property
    def _in_use(self) -> Store | None:
        return self._current if self._current is not None and self._current.is_open else None

    def _append_to(self, store: Store, facts: Sequence[Fact]) -> list[int]:
        before = self.head
        self._head = store.append(facts)
        return [Placed(seq, before.epoch) for seq in range(before.seq + 1, self._head.seq + 1)]

    def _find_store(self) -> Store:
        """The first file that can be used. Raises JournalUnavailable."""
        failure: JournalUnavailable | None = None
        for store in self._stores:
            try:
                return self._use(store)
            except JournalRefused as error:
                failure = JournalUnavailable(str(error))
            except JournalUnavailable as error:
                failure = error
        assert failure is not None
        raise failure

    def _instead_of(self, store: Store, error: JournalUnavailable) -> Store | None:
        """Where to store what `store` did not take: itself once there is room again, or the other file. With
        neither, the door does not wait until the file is checked: the next append does."""
        log.error("%s", error)
        self._current = None
        if store.looks_full and self._make_room(store) and self._try_to_use(store):
            return store
        self._is_faulty()
        return next((other for other in self._stores if other is not store and self._try_to_use(other)), None)

    def _try_to_use(self, store: Store) -> bool:
        try:
            self._use(store)
        except (JournalUnavailable, JournalRefused) as error:
            log.error("%s", error)
            return False
        return True

    def _use(self, store: Store) -> Store:
        """From now on `store` takes the records. Raises JournalUnavailable, JournalRefused."""
        self._with_room(store, partial(self._make_ready, store))
        assert store.head is not None
        for other in self._stores:
            other.note_epoch(store.head.epoch)
        if store is not self._first and self._current is not store:
            self._rest_from_the_first()
        self._current, self._head = store, store.head
        if self._faulty and store is self._first:
            self._faulty = False
            self._tell(Kind.STORAGE_RESTORED, None)
        return store

    def _make_ready(self, store: Store) -> None:
        """Goes on in its newest epoch if no newer one is known anywhere; else begins one that says why."""
        store.take_up(self._newest_epoch())
        newest = self._newest_epoch()
        if store.head is None or store.wants is not None or store.head.epoch < newest:
            after = self._head if self._current is not store else None
            store.begin_epoch(self._reason_for(store), newest, after)

    def _with_room(self, store: Store, act: Callable[[], None]) -> None:
        """Where the disk is full, once more with the reserve's room."""
        try:
            act()
        except JournalUnavailable:
            if not (store.looks_full and self._make_room(store)):
                raise
            act()

    def _reason_for(self, store: Store) -> Reason:
        begins_anew = store.wants is Reason.NEW_JOURNAL and store is not self._first
        if store.wants is not None and not begins_anew:
            return store.wants
        return Reason.FIRST_JOURNAL_AGAIN if store is self._first else Reason.SECOND_JOURNAL

    def _newest_epoch(self) -> int:
        return max(store.newest_epoch for store in self._stores)

    def _make_room(self, store: Store) -> bool:
        """The reserve lies beside the first journal and helps that one alone."""
        if store is not self._first or not self._reserve.release():
            return False
        self._was_full = True
        self._tell(Kind.STORAGE_LOW, Reason.FULL)
        store.wake()
        return True

    def _rest_from_the_first(self) -> None:
        self._return_at_us = self._clock.uptime_us() + self._return_after_us
        self._return_after_us = min(self._return_after_us * 2, _LONGEST_RETURN_US)

    def _return_to_the_first(self) -> None:
        if self._clock.uptime_us() < self._return_at_us:
            return
        self._first.wake()
        if not self._try_to_use(self._first):
            self._rest_from_the_first()

    def _restore_the_reserve(self) -> None:
        if not self._reserve.is_there and self._reserve.restore() and self._was_full:
            self._was_full = False
            self._tell(Kind.STORAGE_RESTORED, None)

    @property
    def _all_open(self) -> bool:
        return all(store.is_open for store in self._stores)

    def _note(self, epoch: int, through: int, least: int) -> bool:
        """Whether a file that holds `epoch` could take the note."""
        for store in self._stores:
            with self._at_fault(store):
                if store.is_open and journal_licences.holds(store, epoch):
                    journal_licences.note(store, self._clock, epoch, through, least)
                    return True
        return False

    def _prune(self, store: Store, keep_days: int) -> int:
        with self._at_fault(store):
            return journal_licences.prune(store, self._clock, keep_days)
        return 0

    @contextmanager
    def _at_fault(self, store: Store) -> Iterator[None]:
        """A failure of the file that takes the records is one for the caller; of the other one it is not."""
        try:
            yield
        except JournalUnavailable as error:
            if store is self._current:
                self._is_faulty()
                raise
            log.warning("%s; it is not in use now", error)

    def _is_faulty(self) -> None:
        """Told once until the first journal works again."""
        if not self._faulty:
            self._faulty = True
            self._tell(Kind.STORAGE_FAULT, Reason.WRITE_FAILED)

    def _tell(self, kind: Kind, reason: Reason | None) -> None:
        if (kind, reason) not in self._troubles:
            self._troubles.append((kind, reason))
