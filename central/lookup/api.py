"""API: entries of a door in a window, and entries as they arrive."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import tzinfo
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from central.accounts.book import sites_of
from central.accounts.guard import requires
from central.accounts.who import Role, Who
from central.fleet.completeness import Completeness, completeness
from central.lookup.entries import MAX_PAGE, Entry, Page, Question, Window, entries_of_door
from central.lookup.feed import EventStream, Follower, OpenStreams, as_events, follow, still_there
from central.lookup.rules import moment_us
from central.problems import RESPONSES
from central.retention.marks import ended_until
from central.store.questions import Questions
from central.times import Moment, local, utc_text

READERS = (Role.OFFICER,)
"""Who may see what happened at doors: where, when and why, and nobody's name."""

Reader = Annotated[Who, requires(*READERS)]
_NAME = r"^[a-z0-9][a-z0-9-]{0,31}$"
_EVENTS: dict[int | str, dict[str, Any]] = {
    **RESPONSES,
    200: {
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": 'retry: 1000\n\nid: 1042\nevent: entry\ndata: {"id":1042,"door":"gate"}\n\n',
            }
        },
        "description": "one event `entry` for each",
    },
}


class EntryOut(BaseModel):
    """One record about a door. Nothing in it says who it was."""

    id: int = Field(description="order of arrival at the centre")
    at: str = Field(description="UTC", examples=["2026-11-23T06:03:05.120000Z"])
    local_time: str = Field(description="at the place", examples=["2026-11-23T14:03:05+08:00"])
    site: str
    gateway: str
    door: str | None
    kind: str = Field(examples=["access_granted"])
    granted: bool | None = Field(description="null for what is no decision about a credential")
    direction: str | None
    reason: str | None = Field(examples=["listed"])
    category: str | None = Field(examples=["resident"])
    assurance: str | None = Field(description="L0 and L1 can be copied and are no verified identity")
    clock: str = Field(description="how good the gateway's clock was: synced, held, unknown")

    @classmethod
    def of(cls, entry: Entry, zone: tzinfo) -> EntryOut:
        return cls(
            id=entry.id,
            at=utc_text(entry.at_us),
            local_time=local(entry.at_us, zone).isoformat(timespec="seconds"),
            site=entry.site,
            gateway=entry.gateway,
            door=entry.door,
            kind=entry.kind,
            granted=entry.granted,
            direction=entry.direction,
            reason=entry.reason,
            category=entry.category,
            assurance=entry.assurance,
            clock=entry.clock,
        )


ENDED: Final = "of this time, what had arrived by then has been deleted, as its days were over; null: nothing"


class EntriesOut(BaseModel):
    """One page, newest first. An empty page of a door that is not complete proves nothing."""

    entries: list[EntryOut]
    next_cursor: str | None = Field(description="pass it as `cursor` for the next page; null: this was all")
    complete: bool = Field(
        description="nothing of the gateway is missing, set aside, in conflict or lost, and what it recorded"
        " up to `until` is here"
    )
    complete_until: str | None = Field(description="everything the gateway recorded by then is here, UTC")
    ended_until: str | None = Field(description=ENDED)


def router(questions: Questions, zone: tzinfo, stopping: threading.Event) -> APIRouter:
    api = APIRouter(tags=["entries"])
    streams = OpenStreams()

    @api.get("/entries", responses=RESPONSES, summary="Entries of one door in a window, newest first")
    async def entries(  # noqa: PLR0917  FastAPI passes them by name
        site: Annotated[str, Query(pattern=_NAME, examples=["riverside"])],
        gateway: Annotated[str, Query(pattern=_NAME, examples=["east"])],
        door: Annotated[str, Query(pattern=_NAME, examples=["east-unit-1"])],
        from_: Annotated[Moment, Query(alias="from", examples=["2026-11-23T00:00:00+08:00"])],
        until: Annotated[Moment, Query(examples=["2026-11-24T00:00:00+08:00"])],
        who: Reader,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
        cursor: Annotated[str | None, Query(max_length=64)] = None,
    ) -> EntriesOut:
        window = Window(moment_us("from", from_), moment_us("until", until))
        question = Question(site, gateway, door, window, limit, cursor)
        page, found = await questions.ask(lambda db: _of_door(db, question, who))
        known = found[0] if found else None
        until_us = known.complete_until_us if known else None
        ended_us = known.ended_within(window.from_us) if known else None
        return EntriesOut(
            entries=[EntryOut.of(entry, zone) for entry in page.entries],
            next_cursor=page.next_cursor,
            complete=bool(known and known.is_complete(window.from_us, window.until_us)),
            complete_until=None if until_us is None else utc_text(until_us),
            ended_until=None if ended_us is None else utc_text(ended_us),
        )

    @api.get(
        "/live",
        response_class=StreamingResponse,
        responses=_EVENTS,
        summary="Entries as they arrive (server-sent events)",
    )
    async def live(
        request: Request,
        who: Reader,
        last_event_id: Annotated[str | None, Header(pattern=r"^\d{1,18}$")] = None,
        after: Annotated[int | None, Query(ge=0, le=2**62)] = None,
    ) -> StreamingResponse:
        """Go on after a break with `Last-Event-ID`, as browsers do by themselves: every entry that arrived
        since comes once, in the order of arrival, also after a restart of the centre. An event `again` says
        that the number comes from another database: begin anew. The stream ends with the session or token,
        and when what it may see is changed."""
        start = int(last_event_id) if last_event_id is not None else after
        closed = streams.opened(who.account)
        found = follow(questions, start, stopping, Follower(who.communities, still_there(request, who)))
        return EventStream(as_events(found, as_json), closed)

    async def as_json(entries: Sequence[Entry]) -> list[str]:
        return [EntryOut.of(entry, zone).model_dump_json() for entry in entries]

    return api


def _of_door(connection: Connection, question: Question, who: Who) -> tuple[Page, list[Completeness]]:
    """A site of others is answered like one that there is not."""
    if question.site not in sites_of(connection, who.communities):
        return Page([], None), []
    # In this order: what comes or goes in between makes the answer less complete, and never more.
    found = completeness(connection, site=question.site, name=question.gateway)
    page = entries_of_door(connection, question)
    ended_us = ended_until(connection)
    return page, [replace(each, ended_us=ended_us) for each in found]
