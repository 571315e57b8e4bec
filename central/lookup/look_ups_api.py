"""API: look-ups, from question to review. Numbers of people and cards come in bodies, never in a URL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as InPath

from central.accounts.book import one_account
from central.accounts.guard import requires
from central.accounts.identify import address_of
from central.accounts.who import Role, Who
from central.errors import BadQuestion, NotAllowed, ProveAgain
from central.lookup import acts, reviews
from central.lookup.exporting import Wording, export
from central.lookup.holding import hold
from central.lookup.look_up_models import (
    AnswerOut,
    ApprovalIn,
    DecisionIn,
    DueCountsOut,
    DueOut,
    EventOut,
    EventsOut,
    ExportIn,
    HoldIn,
    HoldOut,
    LimitIn,
    LookUpOut,
    QuestionIn,
    RevealIn,
    RevealOut,
    ReviewIn,
    WaitingOut,
)
from central.lookup.revealing import reveal
from central.lookup.rules import Asker, Asking, moment_us
from central.lookup.service import LookUps, Named
from central.lookup.states import events_page, look_ups_of
from central.lookup.words import Act
from central.problems import RESPONSES, documented
from central.times import Moment

_SINCE = "2026-11-01T00:00:00+08:00"
_ZIP = "application/zip"

Officer = Annotated[Who, requires(Role.OFFICER)]
TakingOut = Annotated[Who, requires(Role.OFFICER, fresh=True)]
Approver = Annotated[Who, requires(Role.APPROVER)]
Deciding = Annotated[Who, requires(Role.APPROVER, fresh=True)]
Supervisor = Annotated[Who, requires(Role.SUPERVISOR)]
Number = Annotated[int, InPath(ge=1, le=2**53)]
_ANSWERS: dict[int | str, dict[str, Any]] = {
    **RESPONSES,
    401: documented("Nobody is known to be asking"),
    403: documented("Somebody else may, or somebody else must agree first"),
    404: documented("There is no such thing, or not for the caller"),
}
_CLASH: dict[int | str, dict[str, Any]] = {**_ANSWERS, 409: documented("What is there does not allow it")}
_ASKED: dict[int | str, dict[str, Any]] = {**_ANSWERS, 429: documented("Too many look-ups")}
_REVEALED: dict[int | str, dict[str, Any]] = {**_CLASH, 410: documented("Its keys were destroyed in time")}


def router(
    look_ups: LookUps, signing: Ed25519PrivateKey | None = None, wording: Wording | None = None
) -> APIRouter:
    """`signing`: the centre's key; without it nothing can be exported. `wording`: of what is."""
    api = APIRouter(tags=["look-ups"])

    async def asker_of(who: Who, request: Request) -> Asker:
        return await asker_for(look_ups, who, request)

    _for_officers(api, look_ups, asker_of)
    _for_exports(api, look_ups, asker_of, signing, wording)
    _for_approvers(api, look_ups, asker_of)
    _for_supervisors(api, look_ups, asker_of)
    return api


async def asker_for(look_ups: LookUps, who: Who, request: Request) -> Asker:
    """Who asks, for API and pages alike. Raises NotAllowed for a machine's token."""
    if who.machine:
        raise NotAllowed("look-ups are for people, not for a machine's token")
    account = await look_ups.questions.ask(lambda db: one_account(db, who.account))
    return Asker(who.account, who.role, account.unit, who.communities, address_of(request))


AskerOf = Callable[[Who, Request], Awaitable[Asker]]


def _for_officers(api: APIRouter, look_ups: LookUps, asker_of: AskerOf) -> None:
    @api.post("/look-ups", responses=_ASKED, summary="Ask, and be given the first page, masked")
    async def ask(asked: QuestionIn, who: Officer, request: Request) -> AnswerOut:
        asker = await asker_of(who, request)
        try:
            asking = _proved(who, asked.asking())
        except (BadQuestion, ProveAgain) as error:
            number = None if asked.number is None else asked.number.get_secret_value()
            named = Named(number, asked.card_kind, asked.room)
            await look_ups.refuse(asker, asked.community, asked.question, error, named)
            raise
        return AnswerOut.of(await look_ups.ask(asker, asking, asked.limit))

    @api.get("/look-ups", responses=_ANSWERS, summary="One's own look-ups, newest first")
    async def mine(
        who: Officer, request: Request, before: Annotated[int | None, Query(ge=1, le=2**53)] = None
    ) -> list[LookUpOut]:
        asker = await asker_of(who, request)
        rows = await look_ups.questions.ask(lambda db: look_ups_of(db, asker, before))
        return [LookUpOut.of(row) for row in rows]

    @api.get("/look-ups/{number}/pages", responses=_ANSWERS, summary="A page of one's own look-up")
    async def page(
        number: Number,
        who: Officer,
        request: Request,
        cursor: Annotated[str | None, Query(max_length=64)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 25,
    ) -> AnswerOut:
        asker = await asker_of(who, request)
        return AnswerOut.of(await look_ups.page(asker, number, cursor, limit))

    @api.post("/look-ups/{number}/reveals", responses=_REVEALED, summary="Reveal one field of one record")
    async def revealed(number: Number, asked: RevealIn, who: Officer, request: Request) -> RevealOut:
        asker = await asker_of(who, request)
        value = await reveal(look_ups, asker, number, asked.record, shown=asked.field, why=asked.why)
        return RevealOut(value=value)

    @api.post(
        "/look-ups/{number}/approval-requests",
        responses=_CLASH,
        status_code=204,
        summary="Ask for a second person's word: for the whole answer, an export or a hold",
    )
    async def ask_for(number: Number, asked: ApprovalIn, who: Officer, request: Request) -> None:
        asker, now_us = await asker_of(who, request), look_ups.now_us()
        await look_ups.record(
            lambda db: acts.ask_for(db, asker, number, act=asked.act, why=asked.why, now_us=now_us)
        )


def _for_exports(
    api: APIRouter,
    look_ups: LookUps,
    asker_of: AskerOf,
    signing: Ed25519PrivateKey | None,
    wording: Wording | None,
) -> None:
    @api.post(
        "/look-ups/{number}/exports",
        responses={**_CLASH, 200: {"content": {_ZIP: {}}, "description": "the file and its signature"}},
        response_class=Response,
        summary="Take an approved look-up out as a signed file",
    )
    async def taken_out(number: Number, asked: ExportIn, who: TakingOut, request: Request) -> Response:
        asker = await asker_of(who, request)
        made = await export(
            look_ups, signing, asker, number, asked.format, wording=wording, language=asked.language
        )
        headers = {"Content-Disposition": f'attachment; filename="{made.name}"'}
        return Response(made.archive, media_type=_ZIP, headers=headers)

    @api.post("/look-ups/{number}/holds", responses=_CLASH, summary="Hold an approved look-up for its case")
    async def held(number: Number, asked: HoldIn, who: TakingOut, request: Request) -> HoldOut:
        return HoldOut.of(await hold(look_ups, await asker_of(who, request), number, asked.days))


def _for_approvers(api: APIRouter, look_ups: LookUps, asker_of: AskerOf) -> None:
    @api.get("/look-up-approvals", responses=_ANSWERS, summary="What waits for one's own word")
    async def waiting(who: Approver, request: Request) -> list[WaitingOut]:
        approver = await asker_of(who, request)
        found = await look_ups.questions.ask(lambda db: acts.waiting(db, approver))
        return [WaitingOut.of(each) for each in found]

    @api.post(
        "/look-ups/{number}/approvals/{act}",
        responses=_CLASH,
        status_code=204,
        summary="Agree or refuse; never what one asked oneself, or somebody of one's own unit",
    )
    async def decide(number: Number, act: Act, asked: DecisionIn, who: Deciding, request: Request) -> None:
        approver, now_us = await asker_of(who, request), look_ups.now_us()
        await look_ups.record(
            lambda db: acts.decide(
                db, approver, number, act=act, agreed=asked.agreed, why=asked.why, now_us=now_us
            )
        )

    @api.post(
        "/look-up-limits", responses=_ANSWERS, status_code=204, summary="Raise an officer's limit for hours"
    )
    async def raise_limit(asked: LimitIn, who: Deciding, request: Request) -> None:
        approver, now_us = await asker_of(who, request), look_ups.now_us()
        await look_ups.record(lambda db: acts.raise_limit(db, approver, **asked.model_dump(), now_us=now_us))


def _for_supervisors(api: APIRouter, look_ups: LookUps, asker_of: AskerOf) -> None:
    @api.get("/look-up-events", responses=_ANSWERS, summary="The register of look-ups, newest first")
    async def events(
        who: Supervisor,
        request: Request,
        before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
        look_up: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    ) -> EventsOut:
        asker = await asker_of(who, request)
        rows, further = await look_ups.questions.ask(lambda db: events_page(db, asker, before, look_up))
        return EventsOut(events=[EventOut(**row) for row in rows], next_before=further)

    @api.get("/look-up-reviews", responses=_ANSWERS, summary="Look-ups that must be reviewed, oldest first")
    async def due(
        who: Supervisor,
        request: Request,
        since: Annotated[Moment, Query(examples=[_SINCE])],
        reviewed: Annotated[bool, Query(description="also those that were")] = False,  # noqa: FBT002
    ) -> list[DueOut]:
        asker, since_us = await asker_of(who, request), moment_us("since", since)
        found = await _due(look_ups, asker, since_us, all_of_them=reviewed)
        return [DueOut.of(due) for due in found]

    @api.get("/look-up-review-counts", responses=_ANSWERS, summary="How many look-ups are left to review")
    async def counts(
        who: Supervisor, request: Request, since: Annotated[Moment, Query(examples=[_SINCE])]
    ) -> DueCountsOut:
        asker, since_us = await asker_of(who, request), moment_us("since", since)
        return DueCountsOut.of(reviews.counted(await _due(look_ups, asker, since_us, all_of_them=False)))

    @api.post("/look-ups/{number}/reviews", responses=_ANSWERS, status_code=204, summary="Review a look-up")
    async def review(number: Number, asked: ReviewIn, who: Supervisor, request: Request) -> None:
        asker, now_us = await asker_of(who, request), look_ups.now_us()
        await look_ups.record(
            lambda db: reviews.review(
                db, asker, number, explained=asked.explained, why=asked.why, now_us=now_us
            )
        )


async def _due(look_ups: LookUps, asker: Asker, since_us: int, *, all_of_them: bool) -> list[reviews.Due]:
    zone, now_us = look_ups.zone, look_ups.now_us()
    return await look_ups.questions.ask(
        lambda db: reviews.to_review(db, asker, since_us, zone=zone, now_us=now_us, all_of_them=all_of_them)
    )


def _proved(who: Who, asking: Asking) -> Asking:
    """Raises ProveAgain: in an emergency nobody else agrees before the answer is given."""
    if asking.emergency is not None and not who.fresh:
        raise ProveAgain("give the second factor again: in an emergency nobody else agrees first")
    return asking
