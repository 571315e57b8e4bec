"""Helpers for imports: spreadsheets as people write them, and a community that they are brought to.

People are invented; area code 000000 was never given to anybody.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import xlsxwriter  # type: ignore[import-untyped]
from register_support import CLERK, Estate, a_number
from sqlalchemy import func, select

from central.register.imports import jobs
from central.register.imports.states import ImportState, Outcome
from central.register.imports.work import Worker
from central.store.engine import reading
from central.store.register_tables import (
    credential,
    holder,
    home_use,
    person,
    place,
    register_event,
    residency,
    tenancy,
)

ZONE = ZoneInfo("Asia/Shanghai")
HOME = {"楼栋": "3号楼", "室": "101"}
"""Not there before the import."""


def a_row(serial: int, **cells: object) -> dict[str, Any]:
    """Somebody who lives in a new home, with a card."""
    return {
        "小区": "东湖小区",
        **HOME,
        "姓名": "王小明",
        "证件号码": a_number(serial),
        "电话": f"138{serial:08d}",
        "与房屋关系": "业主",
        "入住日期": "2026-01-05",
        "卡类型": "IC卡",
        "卡号": f"04A1{serial:04X}",
        **cells,
    }


def headed(rows: Sequence[dict[str, Any]]) -> list[list[Any]]:
    headings = list(dict.fromkeys(name for row in rows for name in row))
    return [headings, *([row.get(name) for name in headings] for row in rows)]


def a_csv(rows: Sequence[dict[str, Any]], encoding: str = "utf-8", delimiter: str = ",") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(headed(rows))
    return text.getvalue().encode(encoding)


def a_book(table: Sequence[Sequence[Any]], *, sheet: str = "登记", before: Sequence[str] = ()) -> bytes:
    """`before`: names of sheets that come first, and hold a note."""
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True})
    for name in before:
        book.add_worksheet(name).write(0, 0, "请看下一页")
    page = book.add_worksheet(sheet)
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    for at, row in enumerate(table):
        for column, cell in enumerate(row):
            if hasattr(cell, "isoformat"):
                page.write_datetime(at, column, cell, day)
            elif isinstance(cell, str) and cell.startswith("="):
                page.write_formula(at, column, cell)
            elif isinstance(cell, str):
                page.write_string(at, column, cell)
            elif cell is not None:
                page.write(at, column, cell)
    book.close()
    return made.getvalue()


COUNTED = {
    "places": place,
    "uses": home_use,
    "people": person,
    "holders": holder,
    "leases": tenancy,
    "homes": residency,
    "cards": credential,
    "events": register_event,
}


@dataclass
class Importing:
    """Whoever brings files to the register of an estate; `days` after it began."""

    estate: Estate
    days: float = 0
    worker: Worker = field(init=False)

    def __post_init__(self) -> None:
        self.worker = self.another("first")

    def another(self, word: str, *, parts: int | None = None) -> Worker:
        """Another process; with `parts` it is gone after so many of them."""
        left = [parts]

        def pause() -> bool:
            if left[0] is None:
                return False
            left[0] -= 1
            return left[0] < 0

        engine = self.estate.engine
        clock = lambda: self.estate.at(self.days)  # noqa: E731
        return Worker(engine, engine, self.estate.vault, ZONE, clock, word, pause)

    def brought(self, data: bytes) -> int:
        """And read: a preview."""
        with self.estate.desk(days=self.days) as desk:
            number = jobs.begin(desk, data)
        self.worker.work(number)
        return number

    def imported(self, rows: Sequence[dict[str, Any]]) -> int:
        number = self.brought(a_csv(rows))
        assert self.state(number) is ImportState.PREVIEW, self.row(number).trouble
        self.agreed(number)
        return number

    def agreed(self, number: int) -> None:
        with self.estate.desk(days=self.days) as desk:
            jobs.consent(desk, number, without_wrong=True)
        self.worker.work(number)

    def undone(self, number: int) -> None:
        with self.estate.desk(days=self.days) as desk:
            jobs.undo(desk, number, reason="错了")
        self.worker.work(number)

    def row(self, number: int) -> Any:
        with self.estate.reading() as connection:
            return jobs.one_import(connection, self.estate.community, number)

    def state(self, number: int) -> ImportState:
        return ImportState(self.row(number).state)

    def counts(self, number: int) -> tuple[int, int, int, int]:
        """New, changed, same, wrong."""
        row = self.row(number)
        return row.new_rows, row.changed_rows, row.same_rows, row.wrong_rows

    def rows(self, number: int, *outcomes: Outcome, kept: bool = False) -> list[jobs.RowShown]:
        with self.estate.reading() as connection:
            return jobs.rows_of(
                connection,
                self.estate.vault,
                self.estate.community,
                number,
                outcomes=outcomes,
                kept_alone=kept,
                limit=1000,
            )

    def faults(self, *rows: dict[str, Any]) -> list[tuple[int, str | None, str]]:
        """Of a file of these rows: row, column, code."""
        number = self.brought(a_csv(rows))
        return [
            (row.number, None if fault.field is None else fault.field.value, fault.code)
            for row in self.rows(number)
            for fault in row.faults
        ]

    def there(self) -> dict[str, int]:
        """How many rows of each table."""
        with reading(self.estate.engine) as connection:
            return {
                name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
                for name, table in COUNTED.items()
            }

    def all_of(self, table: Any, **where: Any) -> list[Any]:
        asked = select(table).order_by(table.c.id)
        for name, value in where.items():
            asked = asked.where(table.c[name] == value)
        with self.estate.reading() as connection:
            return list(connection.execute(asked))


__all__ = ["CLERK", "ZONE", "Importing", "a_book", "a_csv", "a_row", "headed"]
