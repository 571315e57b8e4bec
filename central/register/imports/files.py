"""Files that go out: the template with its explanation, and the wrong rows with what to write instead. Pure.

Every cell is text, so that a number of 18 digits stays one and nothing that begins like a formula is one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, Final

from central.register.imports.columns import CHOICES, HEADINGS, Field
from central.register.imports.faults import column_of, says
from central.register.imports.jobs import RowShown
from central.register.imports.reading import MAX_BYTES, MAX_ROWS, Format

MEDIA_TYPES: Final = {
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.CSV: "text/csv; charset=utf-8",
}

_SHEET: Final = "登记"
_EXPLAINED: Final = "说明"
_WRONG: Final = "有误的行"
_WIDTH: Final = 16
_WIDE: Final = 44
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_EXPLANATION: Final = (
    (
        "一行登记一个人和他的房屋；同一个人有几处房屋或几张卡，就写几行。",
        "A row is a person and their home; with several homes or cards, as many rows.",
    ),
    (
        "列的次序不限，用不到的列可以删去。空格表示保持登记中的内容，不会删除任何东西。",
        "Columns in any order; leave out what is not needed. An empty cell leaves the register as it is.",
    ),
    (
        "同一个人靠证件号码认出；没有号码时靠姓名加房屋、电话或卡号。",
        "People are known again by their document number; without one by name and home, phone or card.",
    ),
    ("日期写作 2026-11-05。", "Days are written 2026-11-05."),
    ("公式不会被计算：请填数值。", "Formulas are never worked out: write their values."),
    (
        f"一个文件最多 {MAX_ROWS} 行、{MAX_BYTES // 2**20} MB。",
        f"At most {MAX_ROWS} rows and {MAX_BYTES // 2**20} MB a file.",
    ),
    (
        "上传后先看预览，同意后才会写入；整个导入可以撤销。",
        "A preview comes first, nothing is written without consent, and an import can be undone.",
    ),
)
_BESIDE: Final = ("行 Row", "列 Column", "请改为 What to write")


def template(form: Format) -> bytes:
    """Empty, with all columns; as a workbook with a sheet that explains them."""
    headings = [f"{heading.zh} {heading.en}" for heading in HEADINGS.values()]
    if form is Format.CSV:
        return _csv([headings])
    return _book([(_SHEET, [headings], _WIDTH), (_EXPLAINED, _explanation(), _WIDE)])


def wrong_rows(rows: Iterable[RowShown], form: Format) -> bytes:
    """As they were written, each with its faults beside it; can be mended and brought again."""
    table = [[f"{heading.zh} {heading.en}" for heading in HEADINGS.values()] + list(_BESIDE)]
    for row in rows:
        cells = {} if row.kept is None else row.kept.cells
        columns = [where.zh if (where := column_of(fault)) is not None else "—" for fault in row.faults]
        said = [f"{what.zh} / {what.en}" for what in map(says, row.faults)]
        beside = [str(row.number), "；".join(columns), "；".join(said)]
        table.append([*(cells.get(field, "") for field in Field), *beside])
    return _csv(table) if form is Format.CSV else _book([(_WRONG, table, _WIDTH)])


def _explanation() -> list[list[str]]:
    table = [[zh, en] for zh, en in _EXPLANATION]
    table += [[], ["列", "Column", "填什么", "What", "可填", "Words", "例"]]
    for field, heading in HEADINGS.items():
        choices = CHOICES.get(field, {})
        words = "、".join(choices)
        codes = ", ".join(dict.fromkeys(value.value for value in choices.values()))
        row = [heading.zh, heading.en, heading.zh_what, heading.en_what, words, codes, heading.example]
        table.append(row)
    return table


def _csv(table: Sequence[Sequence[str]]) -> bytes:
    """With the mark by which spreadsheets know UTF-8."""
    text = io.StringIO()
    csv.writer(text).writerows([_guarded(cell) for cell in row] for row in table)
    return text.getvalue().encode("utf-8-sig")


def _guarded(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _book(sheets: Sequence[tuple[str, Sequence[Sequence[str]], int]]) -> bytes:
    import xlsxwriter  # type: ignore[import-untyped]

    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True, "constant_memory": True})
    bold, text = book.add_format({"bold": True, "num_format": "@"}), book.add_format({"num_format": "@"})
    for name, table, width in sheets:
        sheet: Any = book.add_worksheet(name)
        sheet.set_column(0, max(len(row) for row in table) - 1, width, text)
        sheet.freeze_panes(1 if name != _EXPLAINED else 0, 0)
        for at, row in enumerate(table):
            for column, cell in enumerate(row):
                if cell:
                    sheet.write_string(at, column, cell, bold if at == 0 else text)
    book.close()
    return made.getvalue()
