"""Going live: the impact assessment is written by the community's office and agreed to by a supervisor."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from central.accounts.book import staff_names
from central.accounts.who import Role, Who
from central.assessments import book
from central.assessments.book import MOST_VERSIONS, Overtaken
from central.console.centre import Centre
from central.console.chosen import CommunityAsked, chosen
from central.console.forms import RowId, led_to, status_of
from central.console.guard import page_for
from central.console.pages.assessment.form import assessment_of, lines_of, typed_of
from central.console.pages.assessment.sentences import WORDS, lack_of, told_of
from central.console.registry import Page, Section
from central.console.views import Language
from central.console.words import N_
from central.errors import BadQuestion, CentralError, Clash

_WORKER, _SUPERVISOR = frozenset({Role.WORKER}), frozenset({Role.SUPERVISOR})

PAGES = [
    Page("assessment", "/assessment", N_("Going live"), Section.HOMES, _WORKER, 80),
    Page(
        "overseen-assessment", "/oversight/assessment", N_("Going live"), Section.OVERSIGHT, _SUPERVISOR, 60
    ),
]
Worker = Annotated[Who, page_for(Role.WORKER)]
Supervisor = Annotated[Who, page_for(Role.SUPERVISOR)]
Agreeing = Annotated[Who, page_for(Role.SUPERVISOR, fresh=True)]
VersionAsked = Annotated[int | None, Query(ge=1, le=MOST_VERSIONS)]
_FIELDS: Final = 200
_DIGITS: Final = 4  # of a version's number


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()
    _office(pages, centre)
    _oversight(pages, centre)
    return pages


def _office(pages: APIRouter, centre: Centre) -> None:
    @pages.get("/assessment", response_class=HTMLResponse, summary="The impact assessment, to be written")
    async def assessment_page(
        who: Worker, community: CommunityAsked = None, lang: Language = None
    ) -> HTMLResponse:
        return await shown(who, community, lang)

    @pages.post("/assessment/{community}", response_class=HTMLResponse, summary="Write a further version")
    async def written(request: Request, who: Worker, community: RowId, lang: Language = None) -> Response:
        form = await request.form(max_fields=_FIELDS)
        typed = {name: said for name, said in form.items() if isinstance(said, str)}
        try:
            document = assessment_of(typed)
            after = _version_of(typed.get("after", ""))
            await centre.office.act(who, community, lambda desk: book.write(desk, document, after))
        except (BadQuestion, Clash) as error:
            return await shown(who, community, lang, typed, error)
        return led_to(f"/assessment?community={community}")

    async def shown(
        who: Who,
        community: int | None,
        lang: str | None,
        typed: dict[str, str] | None = None,
        error: CentralError | None = None,
    ) -> HTMLResponse:
        here, all_mine = await chosen(centre, who, community)
        values = await centre.office.ask(who, here.id, lambda db: _standing(centre, db, here.id, None))
        values |= {"place": here, "all_mine": all_mine, "told": told_of(error)}
        values["after"] = values["newest"]
        if typed is not None:
            values |= {"typed": typed, "lines": lines_of(typed)}
            sent = _version_of(typed.get("after", ""))
            if sent is not None and not isinstance(error, Overtaken):
                values["after"] = sent  # of a newer version nobody was told
        status = status_of(error)
        return centre.show(who, lang, "assessment/write.html", "assessment", status=status, **values)


def _version_of(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else None


def _oversight(pages: APIRouter, centre: Centre) -> None:
    address = "/oversight/assessment"

    @pages.get(address, response_class=HTMLResponse, summary="The impact assessment, to be agreed to")
    async def overseen_page(
        who: Supervisor,
        community: CommunityAsked = None,
        version: VersionAsked = None,
        lang: Language = None,
    ) -> HTMLResponse:
        return await shown(who, community, version, lang)

    @pages.post(address + "/{community}", response_class=HTMLResponse, summary="Agree: the community is live")
    async def agreed(
        who: Agreeing,
        community: RowId,
        version: Annotated[int, Form(ge=1, le=MOST_VERSIONS)],
        lang: Language = None,
    ) -> Response:
        try:
            await centre.office.act(who, community, lambda desk: book.agree(desk, version, centre.kept_days))
        except Clash as error:
            return await shown(who, community, version, lang, error)
        return led_to(f"{address}?community={community}")

    async def shown(
        who: Who,
        community: int | None,
        version: int | None,
        lang: str | None,
        error: CentralError | None = None,
    ) -> HTMLResponse:
        here, all_mine = await chosen(centre, who, community)
        values = await centre.office.ask(who, here.id, lambda db: _standing(centre, db, here.id, version))
        values |= {"place": here, "all_mine": all_mine, "told": told_of(error)}
        status = status_of(error)
        return centre.show(who, lang, "assessment/agree.html", "overseen-assessment", status=status, **values)


def _standing(centre: Centre, db: Connection, community: int, version: int | None) -> dict[str, Any]:
    """`version`: the one to read; None: the newest. Raises NotThere."""
    stands = book.standing(db, community, centre.kept_days)
    newest = 0 if stands.written is None else stands.written.version
    read = newest if version is None else version
    document = book.one_version(db, community, read)[1] if read else None
    typed = {} if document is None else typed_of(document)
    return {
        "stands": stands,
        "lacks": [lack_of(path) for path in stands.missing],
        "versions": book.versions(db, community),
        "read": read,
        "newest": newest,
        "typed": typed,
        "lines": lines_of(typed),
        "words": WORDS,
        "names": staff_names(db, [community]),
    }
