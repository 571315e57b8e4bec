"""The live feed: entries as they arrive, from committed rows only, for API and page alike."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from central.accounts.book import sites_of
from central.errors import StoreUnavailable
from central.lookup.entries import EVERYTHING, Entry, Wanted, arrived_after, newest_id
from central.store.questions import Questions

LOOK_EVERY_S = 0.3
MAX_REPLAYED = 100
"""Whoever comes back after long, or while a backlog pours in, gets only the newest: nobody reads thousands
a second."""

COMMENT_EVERY_S = 10.0
"""Something is sent even when nobody swipes, so that a broken connection is noticed on both sides."""


RETRY_MS = 1_000
"""How long a browser waits before it takes up a broken stream again."""


@dataclass(frozen=True, slots=True)
class News:
    """What one look found: entries in order of arrival, none of them as a sign of life.

    `number` is where to go on. `begin_again`: the reader's own number is higher than any here, so it comes
    from another database and means nothing.
    """

    number: int
    entries: Sequence[Entry] = ()
    begin_again: bool = False


async def follow(
    questions: Questions,
    after: int | None,
    stopping: threading.Event,
    gone: Callable[[], Awaitable[bool]],
    communities: Collection[int],
    *,
    wanted: Wanted = EVERYTHING,
) -> AsyncIterator[News]:
    """Yields what arrives of these communities after the record numbered `after` (None: from now on), and is
    wanted. Ends when the centre stops or the other side has gone."""
    at = after
    silent_s = 0.0
    while not stopping.is_set() and not await gone():
        with contextlib.suppress(StoreUnavailable):  # the health endpoint says it; the feed goes on after it
            news = await questions.ask(partial(_look, after=at, communities=communities, wanted=wanted))
            at = news.number
            if news.entries or news.begin_again or silent_s >= COMMENT_EVERY_S:
                silent_s = 0.0
                yield news
        await asyncio.sleep(LOOK_EVERY_S)
        silent_s += LOOK_EVERY_S


def _look(connection: Connection, after: int | None, communities: Collection[int], wanted: Wanted) -> News:
    last = newest_id(connection)
    if after is None:
        return News(last)
    if after > last:
        return News(last, begin_again=True)
    sites = sites_of(connection, communities)
    entries = arrived_after(connection, max(after, last - MAX_REPLAYED), MAX_REPLAYED, sites, wanted)
    return News(entries[-1].id if entries else after, entries)


async def as_events(
    found: AsyncIterator[News], show: Callable[[Sequence[Entry]], Awaitable[list[str]]]
) -> AsyncIterator[str]:
    """The feed as server-sent events: `entry` with what `show` makes of each, and `again`. It ends when
    `show` cannot read the database: the browser comes back and asks for what it has not seen."""
    yield f"retry: {RETRY_MS}\n\n"
    async for news in found:
        if news.begin_again:
            yield _event(news.number, "again", "begin anew")
        elif not news.entries:
            yield ": still here\n\n"
        else:
            try:
                shown = await show(news.entries)
            except StoreUnavailable:
                return
            yield "".join(_event(e.id, "entry", text) for e, text in zip(news.entries, shown, strict=True))


def _event(number: int, name: str, text: str) -> str:
    data = "".join(f"data: {line}\n" for line in text.splitlines())
    return f"id: {number}\nevent: {name}\n{data}\n"
