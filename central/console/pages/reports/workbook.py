"""The report of a month as sheets of a workbook, in the reader's language. Pure."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from central.alarms.response import MINUTE_US, Response
from central.console.pages.reports.words import NO_BUILDING, ROUNDS, TAKEN
from central.console.words import ALARMS, GAPS, N_
from central.fleet.coverage import DoorCoverage, Gap
from central.reports.entries import HOURS
from central.reports.month import Report
from central.small_counts import SMALLEST, Count

Say = Callable[[str], str]
Cell = str | int | float
_FIRST_WIDTH, _WIDTH = 32, 13


@dataclass(frozen=True, slots=True)
class Sheet:
    name: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def sheets_of(report: Report, say: Say) -> list[Sheet]:
    made = (_entries, _stock, _doors, _alarms, _tours)
    return [each(report, say) for each in made]


def written(sheets: Sequence[Sheet], head: Sequence[str]) -> bytes:
    """`head`: lines above each table. What is text stays text, whatever it begins with."""
    import xlsxwriter  # type: ignore[import-untyped]

    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True})
    bold = book.add_format({"bold": True, "bottom": 1})
    for each in sheets:
        sheet = book.add_worksheet(each.name)
        sheet.set_column(0, 0, _FIRST_WIDTH)
        sheet.set_column(1, len(each.heads), _WIDTH)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        for at, line in enumerate(head):
            sheet.write_string(at, 0, line)
        top = len(head) + 1
        for column, text in enumerate(each.heads):
            sheet.write_string(top, column, text, bold)
        for row, cells in enumerate(each.rows, start=top + 1):
            for column, cell in enumerate(cells):
                if isinstance(cell, str):
                    sheet.write_string(row, column, cell)
                else:
                    sheet.write_number(row, column, cell)
        sheet.freeze_panes(top + 1, 1)
    book.close()
    return made.getvalue()


def _sheet(say: Say, name: str, heads: Iterable[str], rows: Iterable[Sequence[Cell]]) -> Sheet:
    return Sheet(say(name), [say(head) for head in heads], list(rows))


def _entries(report: Report, say: Say) -> Sheet:
    heads = (N_("Building"), N_("Times let in"), *(f"{hour:02}:00" for hour in HOURS))
    buildings = report.entries.buildings if report.entries else ()
    rows: list[list[Cell]] = [
        [each.name or say(NO_BUILDING), *map(_kept, (each.entries, *each.hours))] for each in buildings
    ]
    return _sheet(say, N_("Times let in"), heads, rows)


def _stock(report: Report, say: Say) -> Sheet:
    heads = (N_("Building"), N_("Live here"), N_("came"), N_("left"))
    rows: list[list[Cell]] = [
        [each.name or say(N_("in no building")), *map(_told, (each.stock, each.came, each.left))]
        for each in report.stock
    ]
    return _sheet(say, N_("Stock and flow"), heads, rows)


def _doors(report: Report, say: Say) -> Sheet:
    heads = (
        N_("Gateway"),
        N_("Door"),
        N_("could record, %"),
        *(f"{say(said)}, %" for said in GAPS.values()),
    )
    rows: list[list[Cell]] = [
        [each.gateway_label, each.label, *(_percent(each, why) for why in (None, *GAPS))]
        for each in report.doors
        if each.known_us
    ]
    return _sheet(say, N_("Coverage of doors"), heads, rows)


def _alarms(report: Report, say: Say) -> Sheet:
    heads = (N_("Alarm"), N_("Raised"), *(said for said, _ in TAKEN), N_("minutes, median"))
    rows: list[list[Cell]] = [
        [say(ALARMS[each.kind]), each.raised, *each.within, _minutes(each)] for each in report.alarms
    ]
    return _sheet(say, N_("Alarms"), heads, rows)


def _tours(report: Report, say: Say) -> Sheet:
    heads = (N_("Plan"), *(said for said, _ in ROUNDS.values()))
    rows: list[list[Cell]] = [
        [each.plan.name, *(each.rounds[state] for state in ROUNDS)] for each in report.tours.plans
    ]
    return _sheet(say, N_("Guard tours"), heads, rows)


def _told(count: Count) -> Cell:
    return f"<{SMALLEST}" if count is None else count


def _kept(count: Count) -> Cell:
    """Also a larger one may be kept back, so that a small one cannot be worked out."""
    return "·" if count is None else count


def _percent(door: DoorCoverage, why: Gap | None) -> float:
    return round(100 * door.long_us(why) / door.known_us, 2)


def _minutes(alarms: Response) -> Cell:
    return "–" if alarms.median_us is None else round(alarms.median_us / MINUTE_US, 1)
