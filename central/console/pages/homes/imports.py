"""Bringing a spreadsheet: what it would change is seen first, then consented to, watched, and taken back."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from central.accounts.who import Who
from central.console.centre import Centre
from central.console.chosen import CommunityAsked, chosen
from central.console.forms import RowId, Text, file_to_keep, led_to, reason_of
from central.console.pages.homes.common import Worker, show
from central.console.pages.homes.sentences import IMPORT_STATES, OUTCOMES, WORDS
from central.console.views import Language
from central.errors import BadQuestion, CentralError, Clash
from central.register.imports import files, jobs
from central.register.imports.columns import DAYS, HEADINGS
from central.register.imports.columns import Field as Column
from central.register.imports.faults import column_of, says
from central.register.imports.kept import KEPT
from central.register.imports.reading import MAX_BYTES, Format
from central.register.imports.rows import shown as masked
from central.register.imports.states import WORKING, Outcome

PAGE: Final = 50


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()
    _bringing(pages, centre)
    _looking(pages, centre)
    _acting(pages, centre)
    return pages


def _bringing(pages: APIRouter, centre: Centre) -> None:
    @pages.get("/homes/imports", response_class=HTMLResponse, summary="Imports, and a file to bring")
    async def imports_page(
        who: Worker,
        community: CommunityAsked = None,
        lang: Language = None,
    ) -> HTMLResponse:
        return await _all(centre, who, lang, community)

    @pages.post("/homes/{community}/imports", response_class=HTMLResponse, summary="Bring a file")
    async def brought(request: Request, who: Worker, community: RowId, lang: Language = None) -> Response:
        try:
            data = await _file_of(request)
            made = await centre.office.act(who, community, lambda desk: jobs.begin(desk, data))
        except (BadQuestion, Clash) as error:
            return await _all(centre, who, lang, community, error)
        return led_to(f"/homes/{community}/imports/{made}")


def _looking(pages: APIRouter, centre: Centre) -> None:
    @pages.get("/homes/{community}/imports/{number}", response_class=HTMLResponse, summary="One import")
    async def import_page(  # noqa: PLR0917  FastAPI passes them by name
        who: Worker,
        community: RowId,
        number: RowId,
        only: Annotated[Outcome | None, Query()] = None,
        after: Annotated[int, Query(ge=0, le=2**53)] = 0,
        lang: Language = None,
    ) -> HTMLResponse:
        return await _one(centre, who, lang, (community, number), only=only, after=after)

    @pages.get("/homes/{community}/imports/{number}/progress", response_class=HTMLResponse)
    async def progress_part(
        request: Request, who: Worker, community: RowId, number: RowId, lang: Language = None
    ) -> HTMLResponse:
        row = await centre.office.ask(who, community, lambda db: jobs.one_import(db, community, number))
        if row.state not in WORKING and "hx-request" in request.headers:
            return HTMLResponse("", headers={"HX-Refresh": "true"})
        return centre.part(lang, "homes/progress.html", row=row, states=IMPORT_STATES, community=community)


def _acting(pages: APIRouter, centre: Centre) -> None:
    address = "/homes/{community}/imports/{number}"

    @pages.post(address + "/consent", summary="Import the good rows")
    async def consented(
        who: Worker, community: RowId, number: RowId, without: Text = "", lang: Language = None
    ) -> Response:
        def change(desk: Any) -> None:
            jobs.consent(desk, number, without_wrong=bool(without))

        return await done(who, lang, (community, number), change)

    @pages.post(address + "/discard", summary="Do not import it")
    async def discarded(who: Worker, community: RowId, number: RowId, lang: Language = None) -> Response:
        return await done(who, lang, (community, number), lambda desk: jobs.discard(desk, number))

    @pages.post(address + "/stop", summary="Stop; what is imported stays")
    async def stopped(who: Worker, community: RowId, number: RowId, lang: Language = None) -> Response:
        return await done(who, lang, (community, number), lambda desk: jobs.stop(desk, number))

    @pages.post(address + "/undo", summary="Take all of it back")
    async def undone(
        who: Worker, community: RowId, number: RowId, reason: Text = "", lang: Language = None
    ) -> Response:
        def change(desk: Any) -> None:
            jobs.undo(desk, number, reason=reason_of(reason))

        return await done(who, lang, (community, number), change)

    @pages.post(address + "/wrong-rows", summary="The wrong rows as a file, to be mended")
    async def wrong_rows(request: Request, who: Worker, community: RowId, number: RowId) -> Response:
        account = who.account
        rows = await centre.office.act(
            who, community, lambda desk: jobs.take_wrong_rows(desk, number, account)
        )
        made, name = files.wrong_rows(rows, Format.XLSX), f"liuhen-import-{number}-wrong.{Format.XLSX}"
        return file_to_keep(request, made, files.MEDIA_TYPES[Format.XLSX], name)

    async def done(who: Who, lang: str | None, which: tuple[int, int], change: Any) -> Response:
        community, number = which
        try:
            await centre.office.act(who, community, change)
        except (BadQuestion, Clash) as error:
            return await _one(centre, who, lang, which, error=error)
        return led_to(f"/homes/{community}/imports/{number}")


async def _all(
    centre: Centre, who: Who, lang: str | None, community: int | None, error: CentralError | None = None
) -> HTMLResponse:
    here, all_mine = await chosen(centre, who, community)
    found = await centre.office.ask(
        who, here.id, lambda db: jobs.imports_of(db, here.id, before=None, limit=PAGE)
    )
    values: dict[str, Any] = {"here_id": here.id, "all_mine": all_mine, "found": found}
    values |= {"states": IMPORT_STATES, "words": WORDS}
    return show(centre, who, lang, "imports.html", here="imports", error=error, **values)


async def _one(
    centre: Centre,
    who: Who,
    lang: str | None,
    which: tuple[int, int],
    *,
    only: Outcome | None = None,
    after: int = 0,
    error: CentralError | None = None,
) -> HTMLResponse:
    community, number = which

    def asked(db: Connection) -> tuple[Any, list[jobs.RowShown]]:
        row = jobs.one_import(db, community, number)
        wanted = [Outcome.WRONG] if only is None and row.wrong_rows else [] if only is None else [only]
        found = jobs.rows_of(
            db, centre.office.vault, community, number, outcomes=wanted, after=after, limit=PAGE + 1
        )
        return row, found

    row, found = await centre.office.ask(who, community, asked)
    headings = jobs.headings_of(centre.office.vault, row) if row.sealed is not None else None
    values: dict[str, Any] = {"community": community, "row": row, "only": only, "outcomes": OUTCOMES}
    values |= {"rows": [_shown(centre, each) for each in found[:PAGE]], "states": IMPORT_STATES}
    values |= {"further": found[PAGE - 1].number if len(found) > PAGE else None, "working": WORKING}
    values |= {"unknown": headings.unknown if headings else [], "mine": row.account == who.account}
    return show(centre, who, lang, "import.html", here="imports", error=error, words=WORDS, **values)


def _shown(centre: Centre, row: jobs.RowShown) -> dict[str, Any]:
    """One row as it is shown: masked, with its differences, its faults, and why an undo left it."""

    def text(column: Column, value: str | int | None) -> str:
        if isinstance(value, int) and column in DAYS:
            return centre.office.day_of(value).isoformat()
        return "" if value is None else str(value)

    cells = row.kept.cells if row.kept else {}
    named = [Column(name) for name in cells]
    return {
        "number": row.number,
        "outcome": row.outcome,
        "cells": " · ".join(masked(column, cells[column]) for column in named if cells[column]),
        "differences": [
            (HEADINGS[each.field], text(each.field, each.old), text(each.field, each.new))
            for each in (row.kept.differences if row.kept else [])
        ],
        "faults": [(column_of(each), says(each)) for each in row.faults],
        "kept": [KEPT[code] for code in row.kept_because],
    }


async def _file_of(request: Request) -> bytes:
    """The file of the form, which touches no disk: it may hold everybody's number. Raises BadQuestion."""

    async def bounded() -> AsyncGenerator[bytes, None]:
        left = MAX_BYTES + 4_096  # the form around the file
        async for part in request.stream():
            left -= len(part)
            if left < 0:
                raise BadQuestion("file", "the file is too large; cut it into several")
            yield part

    parser = MultiPartParser(request.headers, bounded(), max_files=1, max_fields=2)
    parser.spool_max_size = MAX_BYTES + 4_096
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError):
        raise BadQuestion("file", "choose a file") from None
    try:
        brought = form.get("file")
        if not isinstance(brought, UploadFile) or not brought.size:
            raise BadQuestion("file", "choose a file")
        return await brought.read()
    finally:
        await form.close()
