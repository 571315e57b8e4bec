"""The sheets of a workbook as rows of cells, read while they are walked (ECMA-376 part 1, clauses 12 and 18).

Only what a register needs of it, as a library that knows all of it takes several times as long: of a formula
that it is one and never what came of it, of styles which of them are of days, of text none of its looks.
Elements are known by their names alone; what declares a document type is refused.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from posixpath import join, normpath
from typing import Any, Final, Protocol
from xml.etree.ElementTree import Element, fromstring
from xml.parsers import expat

FORMULA: Final = "="
"""In place of any formula."""

ODD: Final = object()
"""In place of what is no text, number, truth or day: an error of the sheet's, a day outside the calendar."""

_CHUNK: Final = 65_536
_LAST_ROW: Final = 2**20
_ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")

Line = tuple[int, list[Any]]
"""A row's number, and its cells from the first column on, as far as there are any: str, int, float, bool,
what `openpyxl.utils.datetime` makes of a day or a time, ODD, None."""


class NoWorkbook(Exception):
    """It is not what a spreadsheet program writes."""


@dataclass(frozen=True, slots=True)
class Workbook:
    """`sheets`: their parts of the file, in order. `day_of`: what a number is in the style of a day."""

    packed: zipfile.ZipFile
    sheets: Sequence[str]
    strings: Sequence[str]
    day_styles: frozenset[str]
    day_of: Callable[[float], object]

    @classmethod
    def of(cls, packed: zipfile.ZipFile) -> Workbook:
        """Raises NoWorkbook, and what zipfile, ElementTree and expat raise where it is damaged."""
        from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH, from_excel

        main = next(iter(_related(packed, "", "officeDocument").values()), None)
        if main is None:
            raise NoWorkbook("it has no workbook")
        book, named = _root(packed, main), _related(packed, main, "worksheet")
        ids = [value for each in _all(book, "sheet") for name, value in each.items() if name.endswith("}id")]
        sheets = [named[each] for each in ids if each in named]
        if not sheets:
            raise NoWorkbook("it has no sheet")
        early = any(each.get("date1904") in {"1", "true"} for each in _all(book, "workbookPr"))
        strings = _related(packed, main, "sharedStrings").values()
        styles = _related(packed, main, "styles").values()
        return cls(
            packed,
            sheets,
            [text for part in strings for text in _walked(packed, part, _Strings())],
            frozenset(style for part in styles for style in _day_styles(_root(packed, part))),
            partial(from_excel, epoch=MAC_EPOCH if early else WINDOWS_EPOCH),
        )

    def rows(self, sheet: str, most_columns: int) -> Iterator[Line]:
        """Of those that are there. Raises as `of`."""
        return _walked(self.packed, sheet, _Rows(self, most_columns))


# --- what is small is taken as a whole


def _root(packed: zipfile.ZipFile, part: str) -> Element:
    """`reading` looks at parts of the usual names alone; this one may have any, and be in UTF-16."""
    text = packed.read(part)
    plain = text.replace(b"\0", b"")
    if b"<!DOCTYPE" in plain or b"<!ENTITY" in plain:
        raise NoWorkbook("it declares things of its own")
    return fromstring(text)  # noqa: S314  it declares nothing


def _all(element: Element, name: str) -> Iterator[Element]:
    return element.iterfind(f".//{{*}}{name}")


def _related(packed: zipfile.ZipFile, part: str, kind: str) -> dict[str, str]:
    """Parts of a kind that `part` names, by what it calls them."""
    folder, _, name = part.rpartition("/")
    found = {}
    for each in _all(_root(packed, join(folder, "_rels", f"{name}.rels")), "Relationship"):
        if each.get("Type", "").endswith(f"/{kind}"):
            target = join("/", folder, each.get("Target", ""))
            found[each.get("Id", "")] = normpath(target).lstrip("/")
    return found


def _day_styles(styles: Element) -> Iterator[str]:
    """As cells name them: by their places."""
    from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format

    own = {each.get("numFmtId"): each.get("formatCode") for each in _all(styles, "numFmt")}
    for place, each in enumerate(styles.iterfind("./{*}cellXfs/{*}xf")):
        number = each.get("numFmtId", "0")
        form = own.get(number) or BUILTIN_FORMATS.get(int(number))
        if form is not None and is_date_format(form):
            yield str(place)


# --- what is long is taken while it is walked


class _Taker(Protocol):
    done: list[Any]

    def begin(self, name: str, attributes: dict[str, str]) -> None: ...
    def end(self, name: str) -> None: ...
    def say(self, text: str) -> None: ...


def _walked(packed: zipfile.ZipFile, part: str, taker: _Taker) -> Iterator[Any]:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = taker.begin
    parser.EndElementHandler = taker.end
    parser.CharacterDataHandler = taker.say
    with packed.open(part) as opened:
        last = False
        while not last:
            chunk = opened.read(_CHUNK)
            last = not chunk
            parser.Parse(chunk, last)
            done, taker.done = taker.done, []
            yield from done


def _refuse(*_: object) -> None:
    raise NoWorkbook("it declares a document type")


class _Strings:
    """The texts that cells share."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self._pieces: list[str] = []
        self._open = False
        self._spoken = False

    def begin(self, name: str, _attributes: dict[str, str]) -> None:
        match name.rpartition(":")[2]:
            case "si":
                self._pieces = []
            case "t":
                self._open = not self._spoken
            case "rPh":  # how it is spoken, and no part of it
                self._spoken = True

    def end(self, name: str) -> None:
        match name.rpartition(":")[2]:
            case "si":
                self.done.append(_joined(self._pieces))
            case "t":
                self._open = False
            case "rPh":
                self._spoken = False

    def say(self, text: str) -> None:
        if self._open:
            self._pieces.append(text)


class _Rows:
    """The rows of a sheet."""

    def __init__(self, book: Workbook, most_columns: int) -> None:
        self.done: list[Line] = []
        self._book = book
        self._columns = {_letters(column): column for column in range(most_columns)}
        self._most = most_columns
        self._number = 0
        self._cells: list[Any] = []
        self._column: int | None = -1  # of the cell; None: too far to the right
        self._kind = "n"
        self._style: str | None = None
        self._formula = False
        self._pieces: list[str] = []
        self._open = False
        self._spoken = False

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if ":" in name:
            name = name.rpartition(":")[2]
        if name == "c":
            self._cell(attributes)
        elif name in {"v", "t"}:
            self._open = not self._spoken
        elif name == "f":
            self._formula = True
        elif name == "row":
            self._row(attributes)
        elif name == "rPh":
            self._spoken = True

    def end(self, name: str) -> None:
        if ":" in name:
            name = name.rpartition(":")[2]
        if name in {"v", "t"}:
            self._open = False
        elif name == "c":
            if self._column is not None:
                self._cells += [None] * (self._column + 1 - len(self._cells))
                self._cells[self._column] = self._value()
        elif name == "row":
            self.done.append((self._number, self._cells))
        elif name == "rPh":
            self._spoken = False

    def say(self, text: str) -> None:
        if self._open:
            self._pieces.append(text)

    def _row(self, attributes: dict[str, str]) -> None:
        number = int(attributes.get("r", self._number + 1))
        if not self._number < number <= _LAST_ROW:
            raise NoWorkbook("its rows are not in order")
        self._number, self._cells, self._column = number, [], -1

    def _cell(self, attributes: dict[str, str]) -> None:
        where = attributes.get("r")
        if where is not None:
            self._column = self._columns.get(where.rstrip("0123456789"))
        elif self._column is not None:
            self._column = self._column + 1 if self._column + 1 < self._most else None
        self._kind = attributes.get("t", "n")
        self._style = attributes.get("s")
        self._formula = False
        self._pieces = []

    def _value(self) -> Any:
        if self._formula:
            return FORMULA
        if not self._pieces:
            return None
        match self._kind:
            case "s":
                return self._book.strings[int("".join(self._pieces))]
            case "inlineStr" | "str":
                return _joined(self._pieces)
            case "n":
                return self._number_or_day("".join(self._pieces))
            case "b":
                return "".join(self._pieces).strip() == "1"
            case "d":
                return _day_said("".join(self._pieces))
        return ODD

    def _number_or_day(self, text: str) -> object:
        number = int(text) if text.strip().lstrip("-").isdecimal() else float(text)
        if self._style not in self._book.day_styles:
            return number
        try:
            return self._book.day_of(number)
        except (OverflowError, ValueError):
            return ODD


def _joined(pieces: list[str]) -> str:
    """With what XML cannot hold as a sheet writes it: _x000D_ (clause 22.9.2.19)."""
    text = "".join(pieces)
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def _day_said(text: str) -> object:
    from openpyxl.utils.datetime import from_ISO8601

    try:
        return from_ISO8601(text)  # type: ignore[no-untyped-call]
    except ValueError:
        return ODD


def _letters(column: int) -> str:
    """A, B, ... Z, AA, ..."""
    before, last = divmod(column, 26)
    return (_letters(before - 1) if before else "") + chr(ord("A") + last)
