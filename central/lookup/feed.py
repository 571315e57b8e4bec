"""The live feed: entries as they arrive, from committed rows only, for API and page alike."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection
from starlette.types import Receive, Scope, Send

from central.accounts.book import sites_of
from central.accounts.guard import is_still
from central.accounts.who import Who
from central.errors import StoreUnavailable, TooOften
from central.lookup.entries import (
    EVERYTHING,
    Entry,
    Wanted,
    arrived_after,
    entries_numbered,
    newest_between,
    newest_id,
    numbers_between,
)
from central.store.questions import Questions
from central.store.settled import Settled

LOOK_EVERY_S = 0.3
AT_ONCE = 100
"""So many are read at a time, and no more before they were sent: a slow reader costs nobody any memory."""

COMMENT_EVERY_S = 10.0
"""Something is sent even when nobody swipes, so that a broken connection is noticed on both sides."""

AT_MOST_UNSETTLED = 10_000
"""Numbers that were drawn and are not committed, at any moment: a few processes with a batch each."""

STILL_EVERY_S = 1.0
"""So often it is asked whether the reader still may."""

RETRY_MS = 1_000
"""How long a browser waits before it takes up a broken stream again."""

OPEN_OF_ONE = 8
"""Streams that an account or a token has open at once."""


@dataclass(frozen=True, slots=True)
class News:
    """What one look found: entries in order of arrival, none of them as a sign of life.

    `number` is where to go on. `begin_again`: the reader's own number is higher than any here, so it comes
    from another database and means nothing. `more`: the next look will find something at once. `passed_over`:
    before these entries came others, or may have come, that are told to nobody.
    """

    number: int
    entries: Sequence[Entry] = ()
    begin_again: bool = False
    more: bool = False
    passed_over: bool = False


@dataclass(frozen=True, slots=True)
class Follower:
    """Who follows. `may`: whether they still may, and are still there. `newest_alone`: of what they have
    missed they want the newest hundred, as nobody reads thousands a second on a page; that there were more is
    said."""

    communities: Collection[int]
    may: Callable[[], Awaitable[bool]]
    wanted: Wanted = EVERYTHING
    newest_alone: bool = False


async def follow(
    questions: Questions, after: int | None, stopping: threading.Event, reader: Follower
) -> AsyncIterator[News]:
    """Yields what arrives after the record numbered `after` (None: from now on), and is wanted. Ends when the
    centre stops or the reader may not go on or has gone."""
    following = _Following(after, reader)
    silent_s = COMMENT_EVERY_S if after is None else 0.0  # a break before the first entry is taken up, too
    while not stopping.is_set() and await reader.may():
        news = None
        with contextlib.suppress(StoreUnavailable):  # the health endpoint says it; the feed goes on after it
            news = await questions.ask(following.look)
        if news is not None and (_says_something(news) or silent_s >= COMMENT_EVERY_S):
            silent_s = 0.0
            yield news
        if news is None or not news.more:
            await asyncio.sleep(LOOK_EVERY_S)
            silent_s += LOOK_EVERY_S


def _says_something(news: News) -> bool:
    return bool(news.entries) or news.begin_again or news.passed_over


class _Following:
    """Where one reader is, from look to look."""

    def __init__(self, after: int | None, reader: Follower) -> None:
        self._at = after
        self._reader = reader
        self._settled = Settled()
        self._there_already: frozenset[int] | None = None

    def look(self, connection: Connection) -> News | None:
        """None: where to begin is not known yet."""
        last = newest_id(connection)
        if self._at is None:
            self._at = self._begin(connection, last)
        if self._there_already is not None:
            return self._first(connection, self._at, last)
        if self._at > last:
            self._at = last
            return News(last, begin_again=True)
        return self._further(connection, self._at, last)

    def _begin(self, connection: Connection, last: int) -> int:
        """From now on: also what is being written now under a number below the newest."""
        settled = self._settled.through(connection, last) >= last
        already = () if settled else numbers_between(connection, last - AT_MOST_UNSETTLED, last)
        self._there_already = frozenset(already)
        return last

    def _first(self, connection: Connection, begun: int, last: int) -> News | None:
        if self._settled.through(connection, last) < begun:
            return None
        assert self._there_already is not None
        late: set[int] = set()
        if self._there_already:
            late = {*numbers_between(connection, begun - AT_MOST_UNSETTLED, begun)} - self._there_already
        sites = sites_of(connection, self._reader.communities)
        entries = entries_numbered(connection, late, sites, self._reader.wanted)
        self._there_already = None
        return News(begun, entries, more=True)

    def _further(self, connection: Connection, after: int, last: int) -> News:
        through = self._settled.through(connection, last)
        sites = sites_of(connection, self._reader.communities)
        wanted = self._reader.wanted
        if self._reader.newest_alone:
            self._at = max(after, through)
            found, passed = newest_between(connection, after, AT_ONCE, sites, wanted, through=through)
            return News(self._at, found, passed_over=passed)
        entries = arrived_after(connection, after, AT_ONCE, sites, wanted, through=through)
        more = len(entries) == AT_ONCE
        self._at = entries[-1].id if more else max(after, through)
        return News(self._at, entries, more=more)


class OpenStreams:
    """How many each account or token has open, in this process."""

    def __init__(self) -> None:
        self._open: Counter[int] = Counter()

    def opened(self, account: int) -> Callable[[], None]:
        """To be called at its end. Raises TooOften."""
        if self._open[account] >= OPEN_OF_ONE:
            raise TooOften("too many streams are open of this account; close one", RETRY_MS // 1_000)
        self._open[account] += 1

        def closed() -> None:
            self._open[account] -= 1

        return closed


class EventStream(StreamingResponse):
    """`closed` is called when it is over, whatever ended it."""

    def __init__(self, events: AsyncIterator[str], closed: Callable[[], None]) -> None:
        super().__init__(events, media_type="text/event-stream")
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._closed()


def still_there(request: Request, who: Who) -> Callable[[], Awaitable[bool]]:
    """Whether whoever asked is connected, and may go on."""
    asked_s = time.monotonic()

    async def may() -> bool:
        nonlocal asked_s
        if await request.is_disconnected():
            return False
        if time.monotonic() - asked_s < STILL_EVERY_S:
            return True
        asked_s = time.monotonic()
        return await is_still(request, who)

    return may


async def as_events(
    found: AsyncIterator[News], show: Callable[[Sequence[Entry]], Awaitable[list[str]]]
) -> AsyncIterator[str]:
    """The feed as server-sent events: `entry` with what `show` makes of each, `passed` where some before
    them were passed over, and `again`. It ends when `show` cannot read the database: the browser comes back
    and asks for what it has not seen."""
    yield f"retry: {RETRY_MS}\n\n"
    async for news in found:
        if news.begin_again:
            yield _event(news.number, "again", "begin anew")
        elif not news.entries:
            yield f"{_passed(news)}: still here\nid: {news.number}\n\n"
        else:
            try:
                shown = await show(news.entries)
            except StoreUnavailable:
                return
            rows = (_event(e.id, "entry", text) for e, text in zip(news.entries, shown, strict=True))
            yield _passed(news) + "".join(rows)


def page_goes_on_after(connection: Connection, newest: int) -> int:
    """The number after which the page that has just read the newest entries follows: on PostgreSQL some may
    be committed late, among them. What it has already it does not show twice."""
    return newest if connection.dialect.name == "sqlite" else max(0, newest - AT_ONCE)


def _passed(news: News) -> str:
    """Who breaks off after it has seen none of the entries that follow: its number is one less."""
    number = news.entries[0].id - 1 if news.entries else news.number
    return _event(number, "passed", "some were passed over") if news.passed_over else ""


def _event(number: int, name: str, text: str) -> str:
    data = "".join(f"data: {line}\n" for line in text.splitlines())
    return f"id: {number}\nevent: {name}\n{data}\n"
