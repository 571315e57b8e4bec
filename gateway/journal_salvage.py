"""Salvage: what a damaged journal still holds is taken over, byte for byte and at its place, into a new file.

A row is believed if its body decodes as a record of this gateway, its number fits its place, and either its
own check holds or the record after it vouches for it. Everything else stays behind in the damaged file, which
is never changed (trust.md R-16).
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from gateway.journal_pages import PAGE_SIZE, Row, Wal, page_size_of, read_wal, rows_of
from messages.chain import record_hash
from messages.envelope import ENVELOPE_VERSION, MAX_ENVELOPE_BYTES, envelope_hash
from messages.errors import MessageError
from messages.model import Reason, Record
from messages.wire import decode_record

log = logging.getLogger(__name__)

_TOGETHER = 256  # pages read at once
_IN_ONE_GO = 2_000  # rows
_MAX_WAL = 256 << 20
"""Bytes of a log that are looked at. SQLite folds its log into the file at 4 MiB."""


def crc_of(record_id: int, body: bytes) -> int:
    """The check stored beside a body; it covers the place, too."""
    return crc32(body, record_id & 0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What was taken over."""

    records: int
    highest_epoch: int


def log_is_damaged(path: Path) -> bool:
    """Whether the journal's log has lost confirmed commits: SQLite itself would pass over that in silence."""
    wal = _wal_of(path)
    return wal is not None and wal[1].torn_inside


def salvage(path: Path, gateway: str, into: sqlite3.Connection) -> Salvaged:
    """Copies what can be believed of the damaged journal at `path` into the empty journal `into`.

    Runs inside the caller's transaction. Raises sqlite3.Error only where `into` cannot be written to; what
    cannot be read of `path` is passed over.
    """
    places: Counter[tuple[int, int]] = Counter()
    log_bytes, log_told = _wal_of(path) or (b"", Wal(PAGE_SIZE))
    told = (page_size_of(_read(path, 0, PAGE_SIZE)), log_told.page_size, PAGE_SIZE)
    for page_size in dict.fromkeys(size for size in told if size is not None):
        _take(_rows(path, page_size, log_bytes, log_told), gateway, into, places)
        if places:
            break
    _take_left_over(log_bytes, log_told, gateway, into, places)
    epochs = _fitting(places)
    _drop_unbelieved(into, epochs)
    _drop_foreign_envelopes(into)
    _name_epochs(into, epochs)
    held = into.execute("SELECT count(*), (SELECT coalesce(max(epoch), 0) FROM epochs) FROM records")
    return Salvaged(*held.fetchone())


def _take(
    rows: Iterator[Row], gateway: str, into: sqlite3.Connection, places: Counter[tuple[int, int]]
) -> None:
    for row in rows:
        if (record := _record_in(row, gateway)) is None:
            _keep_if_an_envelope(row, into)
            continue
        known = _put(into, row)
        if known:
            places[record.epoch, row.id - record.seq + 1] += 1


def _take_left_over(
    wal: bytes, told: Wal, gateway: str, into: sqlite3.Connection, places: Counter[tuple[int, int]]
) -> None:
    """Newer records from the log's pages behind a spoilt one, as far as they go on from what is known: of a
    commit that failed the log may hold a record whose number was used again."""
    pages = [wal[at : at + told.page_size] for at in told.left_over]
    rows = [row for page in pages for row in rows_of(page)]
    found = {row.id: row for row in rows if not _keep_if_an_envelope(row, into)}
    newest = into.execute("SELECT max(id) FROM records").fetchone()[0] or 0
    before = into.execute("SELECT body FROM records WHERE id = ?", (newest,)).fetchone()
    last_id, last_hash = newest, record_hash(before[0]) if before else None
    for row_id in sorted(row_id for row_id in found if row_id > newest):
        row = found[row_id]
        record = _record_in(row, gateway)
        if record is None or (row_id == last_id + 1 and last_hash not in (None, record.prev)):
            continue
        if _put(into, row):
            places[record.epoch, row_id - record.seq + 1] += 1
            last_id, last_hash = row_id, record_hash(row.body)


def _record_in(row: Row, gateway: str) -> Record | None:
    try:
        record = decode_record(row.body)
    except MessageError:
        return None
    return record if record.gateway == gateway and record.seq <= row.id else None


def _put(into: sqlite3.Connection, row: Row) -> bool:
    """Stored without its check where that does not hold: its successor must vouch for it then. A row that
    holds is not replaced by one that does not."""
    holds = row.crc == crc_of(row.id, row.body)
    done = into.execute(
        "INSERT INTO records VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body,"
        " crc = excluded.crc WHERE records.crc IS NULL",
        (row.id, row.body, row.crc if holds else None),
    )
    return done.rowcount == 1


def _fitting(places: Counter[tuple[int, int]]) -> dict[int, int]:
    """The first id of each epoch: where most of its records say it is, and in the order of the epochs."""
    chosen: dict[int, int] = {}
    for (epoch, first_id), _ in sorted(places.items(), key=lambda found: (-found[1], found[0])):
        others = chosen.items()
        in_order = all((epoch < other) == (first_id < its_first) for other, its_first in others)
        if epoch not in chosen and first_id not in chosen.values() and in_order:
            chosen[epoch] = first_id
    return dict(sorted(chosen.items()))


def _drop_unbelieved(into: sqlite3.Connection, epochs: dict[int, int]) -> None:
    starts = sorted(epochs.values())
    ends = dict(zip(starts, [*starts[1:], 1 << 62], strict=False))
    unbelieved: list[tuple[int]] = []
    unsure: tuple[int, str] | None = None  # a row without a check that holds, and its hash
    for row_id, body, crc in _walk(into):
        record = decode_record(body)
        if unsure is not None and not (row_id == unsure[0] + 1 and record.prev == unsure[1]):
            unbelieved.append((unsure[0],))
        unsure = None
        first_id = epochs.get(record.epoch)
        if first_id is None or row_id != first_id + record.seq - 1 or row_id >= ends[first_id]:
            unbelieved.append((row_id,))
        elif crc is None:
            unsure = (row_id, record_hash(body))
    if unsure is not None:
        unbelieved.append((unsure[0],))
    into.executemany("DELETE FROM records WHERE id = ?", unbelieved)
    if unbelieved:
        log.warning("salvage: %d rows are not what they were, and stay behind", len(unbelieved))


def _keep_if_an_envelope(row: Row, into: sqlite3.Connection) -> bool:
    """Of the same shape as a record's row; whether it belongs to one is said by that one's hash, later."""
    looks = row.crc is None and row.body[:1] == bytes((ENVELOPE_VERSION,))
    if looks and len(row.body) <= MAX_ENVELOPE_BYTES:
        into.execute("INSERT OR REPLACE INTO envelopes VALUES (?, ?)", (row.id, row.body))
    return looks


def _drop_foreign_envelopes(into: sqlite3.Connection) -> None:
    """Those that no believed record at their place names."""
    foreign = []
    for row_id, sealed in into.execute("SELECT id, body FROM envelopes").fetchall():
        found = into.execute("SELECT body FROM records WHERE id = ?", (row_id,)).fetchone()
        if found is None or decode_record(found[0]).identity != envelope_hash(sealed):
            foreign.append((row_id,))
    into.executemany("DELETE FROM envelopes WHERE id = ?", foreign)


def _walk(into: sqlite3.Connection) -> Iterator[tuple[int, bytes, int | None]]:
    at = 0
    while rows := into.execute(
        "SELECT id, body, crc FROM records WHERE id > ? ORDER BY id LIMIT ?", (at, _IN_ONE_GO)
    ).fetchall():
        yield from rows
        at = rows[-1][0]


def _name_epochs(into: sqlite3.Connection, epochs: dict[int, int]) -> None:
    """As their records tell: the damaged file's own table of epochs may say anything."""
    for epoch, first_id in epochs.items():
        row = into.execute(
            "SELECT id, body FROM records WHERE id >= ? ORDER BY id LIMIT 1", (first_id,)
        ).fetchone()
        record = decode_record(row[1]) if row else None
        if record is None or record.epoch != epoch:
            continue  # none of its records was believed in the end
        reason = record.reason if row[0] == first_id and record.reason else Reason.SALVAGED_JOURNAL
        into.execute(
            "INSERT INTO epochs VALUES (?, ?, ?, ?, NULL, NULL)", (epoch, first_id, record.at, reason)
        )


def _rows(path: Path, page_size: int, wal: bytes, told: Wal) -> Iterator[Row]:
    """Of every page in its newest state: from the log where it is there, from the file where it is not."""
    newest = told.newest if told.page_size == page_size else {}
    for number, page in _pages(path, page_size):
        if number not in newest:
            yield from rows_of(page, first=number == 1)
    for number, at in sorted(newest.items()):
        yield from rows_of(wal[at : at + page_size], first=number == 1)


def _pages(path: Path, page_size: int) -> Iterator[tuple[int, bytes]]:
    """Each page with its number from 1; a place of the disk that cannot be read costs its own page only."""
    size = _size_of(path)
    chunk = page_size * _TOGETHER
    for start in range(0, size, chunk):
        data = _read(path, start, chunk)
        for at in range(start, min(start + chunk, size), page_size):
            page = data[at - start : at - start + page_size] if data else _read(path, at, page_size)
            yield at // page_size + 1, page


def _wal_of(path: Path) -> tuple[bytes, Wal] | None:
    wal = path.with_name(path.name + "-wal")
    data = _read(wal, 0, min(_size_of(wal), _MAX_WAL))
    told = read_wal(data)
    return None if told is None else (data, told)


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _read(path: Path, at: int, size: int) -> bytes:
    """Nothing where the disk does not give it."""
    try:
        with path.open("rb") as file:
            return os.pread(file.fileno(), size, at)
    except OSError as error:
        log.debug("salvage: %d bytes at %d cannot be read (%s)", size, at, error.strerror)
        return b""
