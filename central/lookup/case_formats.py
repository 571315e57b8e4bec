"""A case file as a workbook, as CSV and as PDF. Pure but for the font that PDF needs.

Every cell is text: a number of 18 digits stays one, and nothing that begins like a formula is one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Final

from central.errors import Clash
from central.lookup.case_file import COLUMNS, CaseFile


class Format(StrEnum):
    XLSX = "xlsx"
    CSV = "csv"
    PDF = "pdf"


_FONTS: Final = (
    ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", 2),  # 2: the Simplified Chinese one of it
    ("/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc", 2),
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_WIDTHS: Final = (14, 27, 14, 16, 18, 26, 20, 17, 18, 22, 14, 14, 16, 26, 24, 18)
"""In characters of a workbook; the PDF shares its width out alike."""

_MARK_COLOUR: Final = 225
_BLACK: Final = 0
_SIZE, _LINE, _MARK_SIZE, _TITLE_SIZE = 6.5, 4.2, 26, 13


def written(file: CaseFile, wanted: Format) -> bytes:
    """Raises Clash where PDF is wanted and no font with Chinese characters is installed."""
    makers: dict[Format, Callable[[CaseFile], bytes]] = {
        Format.XLSX: _xlsx,
        Format.CSV: _csv,
        Format.PDF: _pdf,
    }
    return makers[wanted](file)


def _csv(file: CaseFile) -> bytes:
    """With the mark by which spreadsheets know UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([file.title])
    writer.writerows([_guarded(cell) for cell in line] for line in file.head)
    writer.writerow(COLUMNS)
    writer.writerows([_guarded(cell) for cell in row] for row in file.rows)
    writer.writerow([file.end])
    return text.getvalue().encode("utf-8-sig")


def _guarded(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _xlsx(file: CaseFile) -> bytes:
    import xlsxwriter  # type: ignore[import-untyped]

    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True, "constant_memory": True})
    bold = book.add_format({"bold": True})
    sheet = book.add_worksheet("查询结果")
    sheet.set_header(f"&C{file.watermark.replace('&', '&&')}")
    for column, width in enumerate(_WIDTHS):
        sheet.set_column(column, column, width)
    sheet.write_string(0, 0, file.title, bold)
    at = 1
    for line in file.head:
        for column, cell in enumerate(line):
            sheet.write_string(at, column, cell)
        at += 1
    for column, cell in enumerate(COLUMNS):
        sheet.write_string(at, column, cell, bold)
    for row in file.rows:
        at += 1
        for column, cell in enumerate(row):
            sheet.write_string(at, column, cell)
    sheet.write_string(at + 1, 0, file.end, bold)
    book.close()
    return made.getvalue()


def _pdf(file: CaseFile) -> bytes:
    from fpdf import FPDF

    path, face = _font()

    class Pages(FPDF):
        def header(self) -> None:
            self.set_font("cjk", size=_MARK_SIZE)
            self.set_text_color(_MARK_COLOUR)
            with self.rotation(25, self.w / 2, self.h / 2):
                self.text(self.w * 0.12, self.h / 2, file.watermark)
            self.set_text_color(_BLACK)
            self.set_font("cjk", size=_SIZE)

        def footer(self) -> None:
            self.set_y(-10)
            self.cell(0, 5, f"{file.watermark}    {self.page_no()} / {{nb}}", align="C")

    pages = Pages(orientation="L", format="A4")
    pages.set_margins(8, 10, 8)
    pages.set_auto_page_break(True, 12)  # noqa: FBT003
    pages.add_font("cjk", fname=path, collection_font_number=face)
    pages.add_page()
    pages.set_font("cjk", size=_TITLE_SIZE)
    pages.cell(0, 8, file.title, new_x="LMARGIN", new_y="NEXT")
    pages.set_font("cjk", size=_SIZE)
    for name, value in file.head:
        pages.cell(45, _LINE, name)
        pages.cell(0, _LINE, value, new_x="LMARGIN", new_y="NEXT")
    unit = pages.epw / sum(_WIDTHS)
    for row in (COLUMNS, *file.rows):
        for cell, width in zip(row, _WIDTHS, strict=True):
            pages.cell(width * unit, _LINE, _fitting(pages, cell, width * unit), border="B")
        pages.ln(_LINE)
    pages.cell(0, _LINE * 2, file.end)
    return bytes(pages.output())


def _fitting(pages: object, cell: str, width: float) -> str:
    """Cut off with a mark where it is too wide; the other formats hold it whole."""
    wide: Callable[[str], float] = pages.get_string_width  # type: ignore[attr-defined]
    room = width - 2
    if wide(cell) <= room:
        return cell
    while cell and wide(f"{cell}…") > room:
        cell = cell[:-1]
    return f"{cell}…"


def _font() -> tuple[str, int]:
    for path, face in _FONTS:
        if Path(path).is_file():
            return path, face
    raise Clash("no font with Chinese characters is installed: apt-get install fonts-noto-cjk")
