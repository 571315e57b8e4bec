"""A file as rows of cells: XLSX and CSV, within bounds, and nothing in it is ever worked out or followed.

Bytes in, rows out. What a cell holds is text, a whole number or a day; of anything else a code says what is
wrong with it, and the row goes on.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from itertools import islice
from typing import Any, Final

from central.errors import BadQuestion
from central.register.imports.columns import AS_TEXT, Field, Header, recognised
from central.register.imports.workbook import Line, Workbook

MAX_BYTES: Final = 24 * 2**20
MAX_ROWS: Final = 100_000
MAX_CELL: Final = 512
_MAX_COLUMNS: Final = 200
_MAX_UNPACKED: Final = 128 * 2**20
_MAX_PARTS: Final = 500
_HEADER_WITHIN: Final = 10
"""Rows at the top in which the headings are looked for: a title may stand above them."""

_PROLOG: Final = 4096
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class Format(StrEnum):
    XLSX = "xlsx"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class RawRow:
    """`number` as a spreadsheet counts; `odd`: codes of cells that cannot be taken as they are."""

    number: int
    cells: dict[Field, str]
    odd: dict[Field, str]


@dataclass(frozen=True, slots=True)
class Read:
    header: Header
    rows: Iterator[RawRow]


def format_of(data: bytes) -> Format:
    """By its first bytes. Raises BadQuestion for what is neither."""
    if len(data) > MAX_BYTES:
        raise BadQuestion("file", f"a file has at most {MAX_BYTES // 2**20} MB; cut it into several")
    if not data.strip():
        raise BadQuestion("file", "the file is empty")
    if data.startswith(b"PK"):
        return Format.XLSX
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise BadQuestion("file", "an old .xls file, or one with a password: save it as .xlsx without one")
    return Format.CSV


def read(data: bytes, form: Format) -> Read:
    """Raises BadQuestion where no rows can be had from it: here, or while its rows are walked."""
    lines = _sheet(data) if form is Format.XLSX else _csv(data)
    above = list(islice(lines, _HEADER_WITHIN))
    for place, (_, cells) in enumerate(above):
        header = recognised([_heading(cell) for cell in cells])
        if header is not None:
            return Read(header, _rows(header, [*above[place + 1 :]], lines))
    raise BadQuestion(
        "file",
        "no headings were recognised in its first rows: use those of the template, such as 室 and 姓名",
    )


def _rows(header: Header, first: list[Line], rest: Iterator[Line]) -> Iterator[RawRow]:
    seen = 0
    for lines in (first, rest):
        for number, cells in lines:
            row = _row(header, number, cells)
            if row.cells or row.odd:
                seen += 1
                if seen > MAX_ROWS:
                    raise BadQuestion("file", f"more than {MAX_ROWS} rows: cut it into several files")
                yield row


def _row(header: Header, number: int, cells: Any) -> RawRow:
    found: dict[Field, str] = {}
    odd: dict[Field, str] = {}
    for place, field in header.at.items():
        value = cells[place] if place < len(cells) else None
        if value is None or value == "":
            continue
        text, code = _cell(field, value)
        if code is not None:
            odd[field] = code
        elif text:
            found[field] = text
    return RawRow(number, found, odd)


def _cell(field: Field, value: object) -> tuple[str, str | None]:
    match value:
        case str():
            return _text(value)
        case bool():
            return "", "odd_cell"
        case int() | float() if field in AS_TEXT:
            return "", "number_cell"
        case int():
            return str(value), None
        case float() if value.is_integer():
            return str(int(value)), None
        case datetime():
            return value.date().isoformat(), None
        case date():
            return value.isoformat(), None
    return "", "odd_cell"


def _text(value: str) -> tuple[str, str | None]:
    text = value.strip()
    if len(text) > MAX_CELL:
        return "", "too_long"
    if text.startswith("="):
        return "", "formula"
    return (text, None) if _CONTROL.search(text) is None else ("", "control")


def _heading(value: object) -> str:
    return value if isinstance(value, str) else ""


# --- XLSX


def _sheet(data: bytes) -> Iterator[Line]:
    """The first sheet in which headings are recognised, else the first one."""
    _refuse_bomb(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            book = Workbook.of(packed)
            chosen = next((sheet for sheet in book.sheets if _is_headed(book, sheet)), book.sheets[0])
            yield from book.rows(chosen, _MAX_COLUMNS)
    except BadQuestion:
        raise
    except Exception as error:  # noqa: BLE001  all kinds come out where a file is damaged
        raise BadQuestion("file", f"not a workbook that can be read ({type(error).__name__})") from None


def _is_headed(book: Workbook, sheet: str) -> bool:
    rows = islice(book.rows(sheet, _MAX_COLUMNS), _HEADER_WITHIN)
    return any(recognised([_heading(cell) for cell in cells]) is not None for _, cells in rows)


def _refuse_bomb(data: bytes) -> None:
    """What unpacks to more than a register needs, and XML that defines things of its own."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            parts = packed.infolist()
            if len(parts) > _MAX_PARTS or sum(part.file_size for part in parts) > _MAX_UNPACKED:
                raise BadQuestion("file", "the workbook unpacks to more than is taken: cut it into several")
            for part in parts:
                if part.filename.endswith((".xml", ".rels")) and not _is_plain(packed, part):
                    raise BadQuestion("file", "the workbook holds what no spreadsheet program writes")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError):
        raise BadQuestion("file", "not a workbook that can be read; one with a password cannot be") from None


def _is_plain(packed: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    """Its first element begins soon, with nothing declared before it."""
    with packed.open(part) as opened:
        head = opened.read(_PROLOG)
    begins = re.search(rb"<[A-Za-z]", head)
    return begins is not None and b"<!" not in head[: begins.start()]


# --- CSV


def _csv(data: bytes) -> Iterator[Line]:
    text = _decoded(data)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        yield from enumerate(_bounded(reader), 1)
    except csv.Error:
        raise BadQuestion(
            "file", f"the CSV breaks off at line {reader.line_num}: a quote is not closed"
        ) from None


def _bounded(rows: Iterable[list[str]]) -> Iterator[list[str]]:
    for cells in rows:
        yield cells[:_MAX_COLUMNS]


def _decoded(data: bytes) -> str:
    """UTF-8 with or without its mark, else GB18030 as spreadsheets in China write it."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadQuestion("file", "the file is UTF-16: save it as CSV in UTF-8")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise BadQuestion("file", "the text is neither UTF-8 nor GB18030: save it as CSV in UTF-8")


def _delimiter(text: str) -> str:
    """The one that its first line with any has most of."""
    for line in islice(io.StringIO(text), _HEADER_WITHIN):
        counts = {mark: line.count(mark) for mark in ",;\t"}
        best = max(counts, key=counts.__getitem__)
        if counts[best]:
            return best
    return ","
