"""Certificates of deletion: what was deleted, when it was due, which key is destroyed (trust.md R-86)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy import ColumnElement, Connection, select

from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.guard import page_for
from central.console.views import Language
from central.console.words import N_
from central.identity.certificates import Certificate, DataClass
from central.store.identity_tables import deletion_certificate

Supervisor = Annotated[Who, page_for(Role.SUPERVISOR)]
PAGE: Final = 100
CLASSES: Final[dict[str, str]] = {
    DataClass.VISITOR_IDENTITY: N_("identities of visitors"),
    DataClass.VISITOR_KEY_PAIR: N_("key pair of visitors' envelopes"),
    DataClass.ENTRIES: N_("entries"),
}
"""What was deleted."""


@dataclass(frozen=True, slots=True)
class Shown:
    """`hash`: of the certificate, by which the next one names it."""

    certificate: Certificate
    hash: str
    signer: str


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/oversight/deletions", response_class=HTMLResponse, summary="Certificates of deletion")
    async def deletions_page(
        who: Supervisor,
        before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
        of: DataClass | None = None,
        lang: Language = None,
    ) -> HTMLResponse:
        """`of`: of one class alone."""
        found = await centre.questions.ask(lambda db: _certificates(db, who, before, of))
        further = found[PAGE - 1].certificate.number if len(found) > PAGE else None
        values: dict[str, Any] = {"found": found[:PAGE], "further": further, "classes": CLASSES, "of": of}
        return centre.show(who, lang, "oversight/deletions.html", "deletions", **values)

    return pages


def _certificates(db: Connection, who: Who, before: int | None, of: DataClass | None) -> list[Shown]:
    """The newest first, one more than a page."""
    columns = deletion_certificate.c
    mine: list[ColumnElement[bool]] = [columns.community_id.in_(who.communities)]
    mine += [] if before is None else [columns.id < before]
    mine += [] if of is None else [columns.data_class == of]
    asked = select(deletion_certificate).where(*mine).order_by(columns.id.desc()).limit(PAGE + 1)
    return [
        Shown(msgspec.json.decode(row.body, type=Certificate), row.hash.hex(), row.signer)
        for row in db.execute(asked)
    ]
