"""API: homes, people, leases and cards from a spreadsheet, with preview, progress and undo.

The file itself is the body of the request: nothing of it is written to a temporary file. What stands in it
comes back masked; only whoever brought it fetches the wrong rows as they were written.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from central.errors import BadQuestion
from central.given import In
from central.problems import documented
from central.register.api_words import ANSWERS, MAX_ID, CommunityId, Made, Reason, RowId, Worker, text_of
from central.register.imports import files, jobs
from central.register.imports.columns import DAYS, HEADINGS
from central.register.imports.columns import Field as Column
from central.register.imports.faults import Fault, column_of, says
from central.register.imports.kept import KEPT
from central.register.imports.plan_row import Difference
from central.register.imports.reading import MAX_BYTES, MAX_ROWS, Format
from central.register.imports.rows import shown
from central.register.imports.states import ImportState, Outcome
from central.register.office import Office

_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": f"the file itself: XLSX or CSV, at most {MAX_BYTES // 2**20} MB and {MAX_ROWS} rows",
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in (
                "application/octet-stream",
                *(kind.partition(";")[0] for kind in files.MEDIA_TYPES.values()),
            )
        },
    }
}
_FILE: Final[dict[int | str, dict[str, Any]]] = {
    **ANSWERS,
    200: {
        "description": "the file",
        "content": {kind.partition(";")[0]: {} for kind in files.MEDIA_TYPES.values()},
    },
}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    **ANSWERS,
    410: documented("What the file says was forgotten in time, or its key was destroyed"),
}


class Both(BaseModel):
    zh: str
    en: str


class ProgressOut(BaseModel):
    """Of the present work; `of` 0: not known yet."""

    done: int
    of: int


class CountsOut(BaseModel):
    """Of rows."""

    all: int
    new: int
    changed: int
    same: int
    wrong: int


class ImportOut(BaseModel):
    id: int
    state: ImportState
    format: Format
    account: int
    brought: str | None
    progress: ProgressOut
    rows: CountsOut
    consented: str | None
    ended: str | None
    trouble: str | None = Field(description="why it does not go on")
    undo_begun: bool

    @classmethod
    def of(cls, row: Any) -> ImportOut:
        return cls(
            id=row.id,
            state=ImportState(row.state),
            format=Format(row.format),
            account=row.account,
            brought=text_of(row.created_at),
            progress=ProgressOut(done=row.steps_done, of=row.steps),
            rows=CountsOut(
                all=row.rows,
                new=row.new_rows,
                changed=row.changed_rows,
                same=row.same_rows,
                wrong=row.wrong_rows,
            ),
            consented=text_of(row.consented_at),
            ended=text_of(row.ended_at),
            trouble=row.trouble,
            undo_begun=row.undone_by is not None,
        )


class OneImportOut(ImportOut):
    columns: dict[str, str] | None = Field(description="headings that were recognised, as what")
    unknown_columns: list[str] | None = Field(description="headings that say nothing to us; left out")


class DifferenceOut(BaseModel):
    """`old` null: there was nothing. Identity is masked; days are the community's own."""

    field: Column
    column: Both
    old: str | None
    new: str


class FaultOut(BaseModel):
    """`field` and `column` null: the row as a whole."""

    field: Column | None
    column: Both | None
    code: str
    write: Both = Field(description="what to write instead")


class KeptOut(BaseModel):
    code: str
    why: Both


class RowOut(BaseModel):
    row: int = Field(description="as a spreadsheet counts; the headings have a number too")
    outcome: Outcome
    cells: dict[Column, str] | None = Field(description="masked; null: imported, and forgotten here")
    differences: list[DifferenceOut]
    faults: list[FaultOut]
    kept: list[KeptOut] = Field(description="what an undo left as it is, and why")


class RowsOut(BaseModel):
    rows: list[RowOut]
    next_after: int | None = Field(description="for the next page; null: this was the last one")


class ConsentIn(In):
    without_wrong: Annotated[bool, Field(description="the good rows are imported without the wrong ones")] = (
        False
    )


def router(office: Office) -> APIRouter:
    api = APIRouter(tags=["register: imports"], responses=_ANSWERS)
    _for_files(api, office)
    _for_looking(api, office)
    _for_acts(api, office)
    return api


_HERE: Final = "/communities/{community}/imports"


def _for_files(api: APIRouter, office: Office) -> None:
    @api.get(
        _HERE + "/template",
        responses=_FILE,
        response_class=Response,
        summary="An empty file, explained",
    )
    async def template(
        who: Worker,
        community: CommunityId,
        format: Annotated[Format, Query()] = Format.XLSX,  # noqa: A002
    ) -> Response:
        await office.ask(who, community, lambda _: None)
        return _sent(files.template(format), f"liuhen-import.{format}", format)

    @api.post(_HERE, status_code=202, openapi_extra=_BODY, summary="Bring a file; it is only read")
    async def bring(who: Worker, community: CommunityId, request: Request) -> Made:
        data = await _body(request)
        return Made(id=await office.act(who, community, lambda desk: jobs.begin(desk, data)))

    @api.post(
        _HERE + "/{brought}/wrong-rows",
        responses=_FILE,
        response_class=Response,
        summary="The wrong rows as they were written, with what to write instead; for whoever brought them",
    )
    async def wrong(
        who: Worker,
        community: CommunityId,
        brought: RowId,
        format: Annotated[Format, Query()] = Format.XLSX,  # noqa: A002
    ) -> Response:
        account = who.account  # below 0: a machine's token
        rows = await office.act(who, community, lambda desk: jobs.take_wrong_rows(desk, brought, account))
        return _sent(files.wrong_rows(rows, format), f"liuhen-import-{brought}-wrong.{format}", format)


def _for_looking(api: APIRouter, office: Office) -> None:
    @api.get(_HERE, summary="Imports, newest first")
    async def imports(
        who: Worker,
        community: CommunityId,
        before: Annotated[int | None, Query(ge=1, le=MAX_ID, description="the last id of a page")] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> list[ImportOut]:
        rows = await office.ask(
            who, community, lambda db: jobs.imports_of(db, community, before=before, limit=limit)
        )
        return [ImportOut.of(row) for row in rows]

    @api.get(_HERE + "/{brought}", summary="How an import stands")
    async def one(who: Worker, community: CommunityId, brought: RowId) -> OneImportOut:
        row = await office.ask(who, community, lambda db: jobs.one_import(db, community, brought))
        headings = jobs.headings_of(office.vault, row) if row.sealed is not None else None
        return OneImportOut(
            **ImportOut.of(row).model_dump(),
            columns=None if headings is None else headings.known,
            unknown_columns=None if headings is None else headings.unknown,
        )

    @api.get(_HERE + "/{brought}/rows", summary="What its rows come to, a page in the order of the file")
    async def rows(  # noqa: PLR0917  FastAPI passes them by name
        who: Worker,
        community: CommunityId,
        brought: RowId,
        outcome: Annotated[list[Outcome], Query(description="these alone")] = [],  # noqa: B006  FastAPI copies it
        kept: Annotated[bool, Query(description="those alone of which an undo left something")] = False,  # noqa: FBT002
        after: Annotated[int, Query(ge=0, le=MAX_ID, description="`next_after` of the page before")] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> RowsOut:
        def asked(db: Connection) -> list[jobs.RowShown]:
            jobs.one_import(db, community, brought)
            return jobs.rows_of(
                db,
                office.vault,
                community,
                brought,
                outcomes=outcome,
                kept_alone=kept,
                after=after,
                limit=limit + 1,
            )

        found = await office.ask(who, community, asked)
        page = found[:limit]
        return RowsOut(
            rows=[_row(office, each) for each in page],
            next_after=page[-1].number if len(found) > limit else None,
        )


def _for_acts(api: APIRouter, office: Office) -> None:
    @api.post(_HERE + "/{brought}/consent", status_code=202, summary="Import the good rows")
    async def consent(who: Worker, community: CommunityId, brought: RowId, said: ConsentIn) -> None:
        await office.act(
            who, community, lambda desk: jobs.consent(desk, brought, without_wrong=said.without_wrong)
        )

    @api.post(_HERE + "/{brought}/stop", status_code=204, summary="Stop; what is imported stays")
    async def stop(who: Worker, community: CommunityId, brought: RowId) -> None:
        await office.act(who, community, lambda desk: jobs.stop(desk, brought))

    @api.post(_HERE + "/{brought}/discard", status_code=204, summary="Do not import it: forget it")
    async def discard(who: Worker, community: CommunityId, brought: RowId) -> None:
        await office.act(who, community, lambda desk: jobs.discard(desk, brought))

    @api.post(_HERE + "/{brought}/undo", status_code=202, summary="Take all of it back")
    async def undo(who: Worker, community: CommunityId, brought: RowId, why: Reason) -> None:
        await office.act(who, community, lambda desk: jobs.undo(desk, brought, reason=why.reason))


async def _body(request: Request) -> bytes:
    """Raises BadQuestion as soon as it is too long."""
    found = bytearray()
    async for part in request.stream():
        found += part
        if len(found) > MAX_BYTES:
            raise BadQuestion("file", f"a file has at most {MAX_BYTES // 2**20} MB; cut it into several")
    return bytes(found)


def _sent(data: bytes, name: str, form: Format) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, media_type=files.MEDIA_TYPES[form], headers=headers)


def _row(office: Office, row: jobs.RowShown) -> RowOut:
    return RowOut(
        row=row.number,
        outcome=row.outcome,
        cells=None
        if row.kept is None
        else {(of := Column(name)): shown(of, text) for name, text in row.kept.cells.items()},
        differences=[_difference(office, each) for each in row.kept.differences] if row.kept else [],
        faults=[_fault(each) for each in row.faults],
        kept=[KeptOut(code=code, why=Both(**KEPT[code]._asdict())) for code in row.kept_because],
    )


def _difference(office: Office, each: Difference) -> DifferenceOut:
    def text(value: str | int | None) -> str | None:
        if isinstance(value, int) and each.field in DAYS:
            return office.day_of(value).isoformat()
        return None if value is None else str(value)

    heading = HEADINGS[each.field]
    return DifferenceOut(
        field=each.field,
        column=Both(zh=heading.zh, en=heading.en),
        old=text(each.old),
        new=text(each.new) or "",
    )


def _fault(fault: Fault) -> FaultOut:
    column = column_of(fault)
    return FaultOut(
        field=fault.field,
        column=None if column is None else Both(**column._asdict()),
        code=fault.code,
        write=Both(**says(fault)._asdict()),
    )
