"""API: passes for visitors, and in what state their visits are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import segno
from fastapi import APIRouter, Query
from fastapi import Path as InPath
from pydantic import BaseModel, Field, SecretStr
from sqlalchemy import Connection

from central.accounts.book import sites_of
from central.accounts.guard import requires
from central.accounts.who import Role, Who
from central.errors import BadQuestion, NotThere
from central.given import In
from central.problems import RESPONSES, documented
from central.store.changes import Changes
from central.store.questions import Questions
from central.times import Moment, micros, utc_text
from central.visitors import passes
from central.visitors.passes import Desk, Issued, Pass, Visitor, Wanted, the_desk
from central.visitors.visits import states
from central.visitors.words import PassKind, VisitReason, VisitState

_SITE = r"^[a-z0-9][a-z0-9-]{0,31}$"
CLASH: dict[int | str, dict[str, Any]] = {409: documented("What is there does not allow it")}
NOT_THERE: dict[int | str, dict[str, Any]] = {404: documented("There is no such thing")}

AtTheDesk = Annotated[Who, requires(Role.WORKER)]
Number = Annotated[int, InPath(ge=1, le=2**53)]


class PassIn(In):
    """Asks for no more than a visit needs: a name is left out where nobody has to know it."""

    kind: PassKind
    site: Annotated[str, Field(pattern=_SITE, examples=["riverside"])]
    reason: VisitReason
    from_: Annotated[Moment, Field(alias="from", examples=["2026-11-26T14:00:00+08:00"])]
    until: Annotated[Moment, Field(examples=["2026-11-26T18:00:00+08:00"])]
    doors: Annotated[
        list[str],
        Field(
            min_length=1,
            max_length=8,
            description="gateway/door, @groups, or *; gateway may be left out where only one has such a door",
        ),
    ] = ["*"]  # noqa: RUF012  pydantic copies it
    uses: Annotated[int, Field(ge=1, le=1_000)] | None = None
    room: Annotated[int, Field(ge=1, le=2**53)] | None = Field(None, description="whom the visit is for")
    number: SecretStr | None = Field(
        None, description="of the card that is lent or the document that will be shown; never kept"
    )
    visitor_name: SecretStr | None = Field(None, description="kept sealed; left out where nobody needs it")
    visitor_phone: SecretStr | None = None


class UntilIn(In):
    until: Annotated[Moment, Field(examples=["2026-11-26T20:00:00+08:00"])]


class PassOut(BaseModel):
    """`state` follows from what doors have recorded. `revoked_inside`: whoever came in with it was not seen
    leaving though doors of the site tell that, and it was taken back within the last day; somebody should go
    and look."""

    id: int
    site: str
    kind: PassKind
    reason: VisitReason
    state: VisitState
    doors: list[str]
    from_: str = Field(serialization_alias="from")
    until: str
    uses: int | None
    room: int | None
    issued_at: str

    @classmethod
    def of(cls, found: Pass, state: VisitState) -> PassOut:
        return cls(
            id=found.id,
            site=found.site,
            kind=found.kind,
            reason=found.reason,
            state=state,
            doors=list(found.doors),
            from_=utc_text(found.from_us),
            until=utc_text(found.until_us),
            uses=found.uses,
            room=found.room,
            issued_at=utc_text(found.issued_us),
        )


class IssuedOut(BaseModel):
    """What the visitor gets is shown once."""

    id: int
    shown: str | None = Field(description="the digits of a PIN, the text of a QR code; null for a card")
    picture: str | None = Field(description="of the QR code, as SVG")
    receipt: str | None = Field(
        description="by it the visitor is told what was recorded: `/receipts`", examples=["7K3M-Q9TX-2BHD"]
    )

    @classmethod
    def of(cls, issued: Issued) -> IssuedOut:
        shown = issued.shown
        coded = issued.made.kind is PassKind.QR and shown is not None
        picture = _picture(shown) if coded and shown else None
        return cls(id=issued.made.id, shown=shown, picture=picture, receipt=issued.made.receipt)


class PassesOut(BaseModel):
    passes: list[PassOut]
    next_before: int | None = Field(description="pass it as `before` for the next page; null: this was all")


def router(questions: Questions, changes: Changes, desk: Desk | None, now_us: Callable[[], int]) -> APIRouter:
    """`desk`: None where the centre has no keys to sign passes with."""
    api = APIRouter(tags=["visitors"])

    @api.post(
        "/passes",
        responses={**RESPONSES, **CLASH, **NOT_THERE},
        status_code=201,
        summary="A pass for a visitor",
    )
    async def issue(asked: PassIn, who: AtTheDesk) -> IssuedOut:
        wanted = Wanted(
            kind=asked.kind,
            site=asked.site,
            reason=asked.reason,
            from_us=moment("from", asked.from_),
            until_us=moment("until", asked.until),
            doors=tuple(asked.doors),
            uses=asked.uses,
            room=asked.room,
            number=plain(asked.number),
        )
        visitor = Visitor(plain(asked.visitor_name) or "", plain(asked.visitor_phone) or "")
        there = the_desk(desk)

        def change(db: Connection) -> Issued:
            if asked.site not in sites_of(db, who.communities):
                raise NotThere("there is no such site")
            return there.issue(db, wanted, visitor, by=who.by, now_us=now_us())

        return IssuedOut.of(await changes.make(change))

    @api.get("/passes", responses=RESPONSES, summary="Passes that are good in a window, and their visits")
    async def listed(  # noqa: PLR0917  FastAPI passes them by name
        who: AtTheDesk,
        from_: Annotated[Moment, Query(alias="from", examples=["2026-11-26T00:00:00+08:00"])],
        until: Annotated[Moment, Query(examples=["2026-11-27T00:00:00+08:00"])],
        state: Annotated[VisitState | None, Query(description="of this page's passes, those alone")] = None,
        before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
        limit: Annotated[int, Query(ge=1, le=passes.MAX_PAGE)] = 100,
    ) -> PassesOut:
        window = moment("from", from_), moment("until", until)

        def ask(db: Connection) -> tuple[Sequence[Pass], Mapping[int, VisitState]]:
            sites = sites_of(db, who.communities)
            found = passes.passes(db, sites, *window, before=before, limit=limit + 1)
            return found, states(db, found[:limit], now_us())

        found, by_number = await questions.ask(ask)
        page = found[:limit]
        shown = [PassOut.of(each, by_number[each.id]) for each in page if state in (None, by_number[each.id])]
        return PassesOut(passes=shown, next_before=page[-1].id if len(found) > limit else None)

    @api.get("/passes/{number}", responses={**RESPONSES, **NOT_THERE}, summary="One pass")
    async def one(number: Number, who: AtTheDesk) -> PassOut:
        return await questions.ask(lambda db: _shown(db, number, who, now_us()))

    _later(api, changes, now_us)
    return api


def _later(api: APIRouter, changes: Changes, now_us: Callable[[], int]) -> None:
    """What may be done with a pass once it is given."""

    @api.post(
        "/passes/{number}/extend",
        responses={**RESPONSES, **CLASH, **NOT_THERE},
        summary="A later end",
    )
    async def extend(number: Number, asked: UntilIn, who: AtTheDesk) -> PassOut:
        until_us = moment("until", asked.until)

        def change(db: Connection) -> PassOut:
            sites = sites_of(db, who.communities)
            passes.extend(db, number, until_us, sites, by=who.by, now_us=now_us())
            return _shown(db, number, who, now_us())

        return await changes.make(change)

    @api.post(
        "/passes/{number}/revoke",
        responses={**RESPONSES, **CLASH, **NOT_THERE},
        summary="From now on no door opens to it",
    )
    async def revoke(number: Number, who: AtTheDesk) -> PassOut:
        def change(db: Connection) -> PassOut:
            passes.revoke(db, number, sites_of(db, who.communities), by=who.by, now_us=now_us())
            return _shown(db, number, who, now_us())

        return await changes.make(change)

    @api.post(
        "/passes/{number}/restore",
        responses={**RESPONSES, **CLASH, **NOT_THERE},
        summary="Undo that one took it back, a moment later",
    )
    async def restore(number: Number, who: AtTheDesk) -> PassOut:
        """By whoever revoked it, within a quarter of an hour."""

        def change(db: Connection) -> PassOut:
            passes.restore(db, number, sites_of(db, who.communities), by=who.by, now_us=now_us())
            return _shown(db, number, who, now_us())

        return await changes.make(change)

    @api.post(
        "/passes/{number}/forget",
        responses={**RESPONSES, **CLASH, **NOT_THERE},
        status_code=204,
        summary="Delete the visitor's name and telephone number; the pass stays",
    )
    async def forget(number: Number, who: AtTheDesk) -> None:
        def change(db: Connection) -> None:
            sites = sites_of(db, who.communities)
            passes.forget_visitor(db, number, sites, by=who.by, now_us=now_us())

        await changes.make(change)


def _shown(connection: Connection, number: int, who: Who, now_us: int) -> PassOut:
    found = passes.one_pass(connection, number, sites_of(connection, who.communities))
    return PassOut.of(found, states(connection, [found], now_us)[number])


def _picture(text: str) -> str:
    return segno.make(text, error="m", mode="alphanumeric").svg_inline(scale=4, border=4)


def plain(said: SecretStr | None) -> str | None:
    return None if said is None else said.get_secret_value().strip()


def moment(field: str, at: datetime) -> int:
    """Microseconds UTC. Raises BadQuestion."""
    try:
        return micros(at)
    except ValueError as error:
        raise BadQuestion(field, str(error)) from None
