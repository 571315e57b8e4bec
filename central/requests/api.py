"""API: requests about people's own data: made by residents themselves, taken down at the desk, answered by
community workers; supervisors see how many there are and which are overdue, and nothing of what they say."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, SecretStr

from central.accounts.guard import requires
from central.accounts.who import Role, Who
from central.given import In
from central.register.api_words import ANSWERS, MAX_ID, CommunityId, Id, RowId, Worker, text_of
from central.register.office import Office
from central.requests import book, own
from central.requests.book import Counts, OwnRequest, Texts
from central.requests.words import COUNTED_US, Decision, RequestKind, RequestState
from central.times import utc_text

Resident = Annotated[Who, requires(Role.RESIDENT)]
Sees = Annotated[Who, requires(Role.WORKER, Role.SUPERVISOR)]
_HERE: Final = "/communities/{community}/requests"
_Said = Annotated[SecretStr, Field(min_length=1, max_length=book.MAX_TEXT)]


class OwnRequestIn(In):
    kind: RequestKind
    text: _Said = Field(description="what it is about, and why; kept sealed", examples=["姓名写错了一个字"])


class RequestIn(OwnRequestIn):
    """One of the two names whose data it is."""

    person: Id | None = Field(None, description="of the register")
    given: Id | None = Field(None, description="a visitor's pass, whose visitor asks", alias="pass")


class AnswerIn(In):
    decision: Decision
    text: _Said = Field(description="what was done, or why it is refused; whose it is reads it")


class LineOut(BaseModel):
    """What everybody who has to do with it may know of it."""

    id: int
    kind: RequestKind
    state: RequestState
    at_desk: bool = Field(description="a worker took it down for somebody without an account")
    received: str = Field(description="UTC")
    due: str = Field(description="UTC; 15 days after it was received")
    latest: str = Field(description="UTC; the law's own end, 30 days after it was received")
    overdue: bool = Field(
        description="not answered when it was due; of an answered or withdrawn one: that came late"
    )
    answered: str | None = Field(description="UTC; of a withdrawn one: when it was withdrawn")
    answered_by: int | None = Field(
        description="account; null for a withdrawn one, which nobody answered: whose it is withdrew it"
    )

    @classmethod
    def of(cls, found: OwnRequest, now_us: int) -> LineOut:
        return cls(**_line(found, now_us))


class OwnRequestOut(LineOut):
    """One's own, with what it says."""

    receipt: str = Field(examples=["7K3M-Q9TX-2BHD"], description="by it the desk finds the request again")
    text: str
    answer: str | None

    @classmethod
    def whole(cls, found: OwnRequest, texts: Texts, now_us: int) -> OwnRequestOut:
        return cls(**_line(found, now_us), receipt=found.receipt, text=texts.asked, answer=texts.answer)


class RequestOut(OwnRequestOut):
    """For whoever answers it: also whose data it is about."""

    person: int | None
    given: int | None = Field(serialization_alias="pass")

    @classmethod
    def whole(cls, found: OwnRequest, texts: Texts, now_us: int) -> RequestOut:
        own_part = OwnRequestOut.whole(found, texts, now_us).model_dump()
        return cls(**own_part, person=found.person, given=found.given)


class RequestsOut(BaseModel):
    """`waiting` ones begin with what is due first, answered ones with the newest."""

    requests: list[LineOut]
    next_after: int | None = Field(description="pass it as `after` for the next page; null: this was all")


class CountsOut(BaseModel):
    waiting: int
    overdue: int = Field(description="of those that wait")
    too_late: int = Field(description="of those that wait: beyond the law's own end")
    answered: int = Field(description="in the last year")
    answered_late: int = Field(description="of these")
    withdrawn: int = Field(description="in the last year")
    withdrawn_late: int = Field(description="of these: after the day the answer was due")

    @classmethod
    def of(cls, found: Counts) -> CountsOut:
        return cls(
            waiting=found.waiting,
            overdue=found.overdue,
            too_late=found.too_late,
            answered=found.answered,
            answered_late=found.answered_late,
            withdrawn=found.withdrawn,
            withdrawn_late=found.withdrawn_late,
        )


def router(office: Office) -> APIRouter:
    api = APIRouter(tags=["requests"], responses=ANSWERS)
    _own(api, office)
    _desk(api, office)
    _oversight(api, office)
    return api


def _own(api: APIRouter, office: Office) -> None:
    @api.get("/own/requests", summary="One's own requests, newest first, and their answers")
    async def made(who: Resident) -> list[OwnRequestOut]:
        now_us = office.now_us()
        return [OwnRequestOut.whole(*each, now_us) for each in await own.made(office, who)]

    @api.post("/own/requests", status_code=201, summary="Ask for a correction, a deletion, an explanation …")
    async def asked(who: Resident, wanted: OwnRequestIn) -> OwnRequestOut:
        found = await own.make(office, who, wanted.kind, wanted.text.get_secret_value())
        return OwnRequestOut.whole(found, await _texts(office, who, found), office.now_us())

    @api.post("/own/requests/{request}/withdraw", summary="Withdraw one that nobody has answered")
    async def withdrawn(who: Resident, request: RowId) -> OwnRequestOut:
        """It stays on record, as withdrawn; nothing is due any more. 409 once it was answered."""
        found = await own.withdraw(office, who, request)
        return OwnRequestOut.whole(found, await _texts(office, who, found), office.now_us())


def _desk(api: APIRouter, office: Office) -> None:
    @api.post(_HERE, status_code=201, summary="Take a request down for somebody without an account")
    async def taken_down(who: Worker, community: CommunityId, wanted: RequestIn) -> RequestOut:
        text = wanted.text.get_secret_value()
        found = await office.act(
            who,
            community,
            lambda desk: book.receive(
                desk, wanted.kind, text, person_id=wanted.person, given=wanted.given, at_desk=True
            ),
        )
        return await _whole(office, who, found)

    @api.get(_HERE + "/{request}", summary="One request, and what it says")
    async def one(who: Worker, community: CommunityId, request: RowId) -> RequestOut:
        found = await office.ask_about(
            who, community, lambda db: book.one_request(db, community, request), book.people_of
        )
        return await _whole(office, who, found)

    @api.post(_HERE + "/{request}/answer", summary="Answer it; never what one took down oneself")
    async def answered(who: Worker, community: CommunityId, request: RowId, answer: AnswerIn) -> RequestOut:
        text = answer.text.get_secret_value()
        found = await office.act(
            who, community, lambda desk: book.answer(desk, request, answer.decision, text)
        )
        return await _whole(office, who, found)


def _oversight(api: APIRouter, office: Office) -> None:
    @api.get(_HERE, summary="Requests that wait, what is due first; or answered and withdrawn ones")
    async def listed(
        who: Sees,
        community: CommunityId,
        *,
        waiting: bool = True,
        after: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
        limit: Annotated[int, Query(ge=1, le=book.MAX_PAGE)] = 100,
    ) -> RequestsOut:
        found = await office.ask(
            who,
            community,
            lambda db: book.requests(db, [community], waiting=waiting, after=after, limit=limit + 1),
        )
        lines = [LineOut.of(each, office.now_us()) for each in found[:limit]]
        return RequestsOut(requests=lines, next_after=lines[-1].id if len(found) > limit else None)

    @api.get("/communities/{community}/request-counts", summary="How many requests wait, and are overdue")
    async def counted(who: Sees, community: CommunityId) -> CountsOut:
        now_us = office.now_us()
        found = await office.ask(
            who, community, lambda db: book.counts(db, [community], now_us - COUNTED_US, now_us)
        )
        return CountsOut.of(found)


async def _whole(office: Office, who: Who, found: OwnRequest) -> RequestOut:
    return RequestOut.whole(found, await _texts(office, who, found), office.now_us())


async def _texts(office: Office, who: Who, found: OwnRequest) -> Texts:
    return await office.ask(who, found.community, lambda db: book.texts_of(db, office.vault, found))


def _line(found: OwnRequest, now_us: int) -> dict[str, Any]:
    return {
        "id": found.id,
        "kind": found.kind,
        "state": found.state,
        "at_desk": found.at_desk,
        "received": utc_text(found.received_us),
        "due": utc_text(found.due_us),
        "latest": utc_text(found.latest_us),
        "overdue": found.is_overdue(now_us),
        "answered": text_of(found.decided_us),
        "answered_by": None if found.state is RequestState.WITHDRAWN else found.decided_by,
    }
