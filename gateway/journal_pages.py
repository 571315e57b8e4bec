"""A journal's bytes without SQLite: which rows still stand in its pages and in its log. Pure, bounded.

Only as much of the file format (sqlite.org/fileformat2.html) as a table of `(id, body, crc)` takes: leaf
pages are looked for everywhere, so broken inner pages, tables and headers do not matter. Nothing found here
is believed: `journal_salvage` weighs it.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

PAGE_SIZE = 4_096
"""SQLite's own choice since 2016, and never changed by us."""

_MAGIC = b"SQLite format 3\x00"
_FILE_HEADER = 100
_LEAF = 0x0D
_LEAF_HEADER = 8
_LEAST_PAGE, _MOST_PAGE = 512, 65_536
_MAX_BODY = 4_000  # what fits into one page; far more than a record takes

_WAL_MAGIC = 0x377F0682  # its lowest bit: checksums over big-endian words
_WAL_HEADER = 32
_FRAME_HEADER = 24
_COMMITS_OF_A_TORN_END = 1
"""After a power cut the last transaction may be torn, with its own commit mark whole. A second mark shows
that a later transaction had begun, so the torn one had been confirmed: that is damage."""

_INTEGERS = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 0, 9: 0}  # serial type: bytes it takes
_ONE = 9
_FIRST_BLOB = 12


@dataclass(frozen=True, slots=True)
class Row:
    """What a row says: nothing is checked but that it is of the shape of a record's row."""

    id: int
    body: bytes
    crc: int | None


@dataclass(frozen=True, slots=True)
class Wal:
    """Where in the log which page stands (offsets into it)."""

    page_size: int
    newest: dict[int, int] = field(default_factory=dict)  # of each page: its newest committed state
    left_over: list[int] = field(default_factory=list)  # pages that SQLite does not get to, in order
    torn_inside: bool = False  # confirmed commits stand behind a place that cannot be read


def page_size_of(header: bytes) -> int | None:
    """What a database file's first bytes say, None where they say nothing sensible."""
    if len(header) < _FILE_HEADER or not header.startswith(_MAGIC):
        return None
    size = int(struct.unpack_from(">H", header, 16)[0])
    size = _MOST_PAGE if size == 1 else size
    return size if _is_page_size(size) else None


def _is_page_size(size: int) -> bool:
    return _LEAST_PAGE <= size <= _MOST_PAGE and size & (size - 1) == 0


def rows_of(page: bytes, *, first: bool = False) -> Iterator[Row]:
    """The rows of one page, if it is a leaf of such a table; `first` is the page with the file's header."""
    at = _FILE_HEADER if first else 0
    if len(page) < at + _LEAF_HEADER or page[at] != _LEAF:
        return
    count = int.from_bytes(page[at + 3 : at + 5], "big")
    end = min(at + _LEAF_HEADER + 2 * count, len(page))
    for pointer in range(at + _LEAF_HEADER, end - 1, 2):
        row = _row_at(page, int.from_bytes(page[pointer : pointer + 2], "big"))
        if row is not None:
            yield row


def _row_at(page: bytes, at: int) -> Row | None:
    length, at = _varint(page, at)
    row_id, at = _varint(page, at)
    payload = page[at : at + length]
    if len(payload) != length or not 0 < row_id < 1 << 62:
        return None
    header_size, place = _varint(payload, 0)
    types = []
    while place < header_size <= length:
        serial, place = _varint(payload, place)
        types.append(serial)
    if place != header_size or len(types) not in (2, 3) or types[0] != 0:
        return None
    body_size, odd = divmod(types[1] - _FIRST_BLOB, 2)
    body = payload[place : place + max(body_size, 0)]
    if types[1] < _FIRST_BLOB or odd or len(body) != body_size or body_size > _MAX_BODY:
        return None
    return Row(row_id, body, _integer(payload, place + body_size, types[2]) if len(types) > 2 else None)  # noqa: PLR2004


def _integer(payload: bytes, at: int, serial: int) -> int | None:
    size = _INTEGERS.get(serial)
    if serial == 0 or size is None or at + size > len(payload):
        return None
    return int(serial == _ONE) if size == 0 else int.from_bytes(payload[at : at + size], "big", signed=True)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Its value, and where it ends; past the end of `data` it reads zeros."""
    value = 0
    for step in range(9):
        byte = data[at + step] if at + step < len(data) else 0
        if step == 8:  # noqa: PLR2004  the ninth byte has no mark of its own
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:  # noqa: PLR2004
            return value, at + step + 1
    raise AssertionError("a varint has nine bytes at most")


def read_wal(wal: bytes) -> Wal | None:
    """What stands in a write-ahead log; None where there is none."""
    if len(wal) < _WAL_HEADER + _FRAME_HEADER + _LEAST_PAGE:
        return None
    magic, _, page_size = struct.unpack_from(">3I", wal)
    order = ">" if magic & 1 else "<"
    sums = _checksum(order, wal[:_FRAME_HEADER], (0, 0))
    if magic & ~1 == _WAL_MAGIC and _is_page_size(page_size) and sums == struct.unpack_from(">2I", wal, 24):
        return _read_frames(wal, page_size, order, sums)
    return _without_a_header(wal)


def _read_frames(wal: bytes, page_size: int, order: str, sums: tuple[int, int]) -> Wal:
    salts = wal[16:24]
    newest: dict[int, int] = {}
    open_pages: dict[int, int] = {}
    frames = range(_WAL_HEADER, len(wal) - _FRAME_HEADER - page_size + 1, _FRAME_HEADER + page_size)
    for at in frames:
        number, commit = struct.unpack_from(">2I", wal, at)
        content = at + _FRAME_HEADER
        if wal[at + 8 : at + 16] != salts or number == 0:
            return _with_what_is_left(wal, page_size, newest, range(at, frames.stop, frames.step), salts)
        sums = _checksum(order, wal[at : at + 8] + wal[content : content + page_size], sums)
        if sums != struct.unpack_from(">2I", wal, at + 16):
            return _with_what_is_left(wal, page_size, newest, range(at, frames.stop, frames.step), salts)
        open_pages[number] = content
        if commit:
            newest |= open_pages
            open_pages.clear()
    return Wal(page_size, newest)


def _with_what_is_left(
    wal: bytes, page_size: int, newest: dict[int, int], frames: range, salts: bytes
) -> Wal:
    """Behind a frame that is not whole: pages of the same log up to its last commit."""
    left_over: list[int] = []
    commits = committed = 0
    for at in frames:
        if wal[at + 8 : at + 16] != salts:
            continue  # of an earlier time of this log, or itself the spoilt one
        left_over.append(at + _FRAME_HEADER)
        if wal[at + 4 : at + 8] != b"\0\0\0\0":
            commits, committed = commits + 1, len(left_over)
    torn_inside = commits > _COMMITS_OF_A_TORN_END
    return Wal(page_size, newest, left_over[:committed], torn_inside)


def _without_a_header(wal: bytes) -> Wal | None:
    """The log's own header is spoilt: SQLite would take the whole log for empty."""
    frames = range(_WAL_HEADER, len(wal) - _FRAME_HEADER - PAGE_SIZE + 1, _FRAME_HEADER + PAGE_SIZE)
    salts = Counter(wal[at + 8 : at + 16] for at in frames).most_common(1)
    return _with_what_is_left(wal, PAGE_SIZE, {}, frames, salts[0][0]) if salts else None


def _checksum(order: str, data: bytes, sums: tuple[int, int]) -> tuple[int, int]:
    first, second = sums
    words = iter(struct.unpack(f"{order}{len(data) // 4}I", data))
    for one, two in zip(words, words, strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return first, second
