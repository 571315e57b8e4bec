"""The live feed: entries as they arrive, from committed rows only, for API and page alike."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial

from sqlalchemy import Connection

from central.errors import StoreUnavailable
from central.lookup.entries import Entry, arrived_after, newest, newest_id
from central.store.questions import Questions

LOOK_EVERY_S = 0.3
MAX_AT_ONCE = 100
MAX_REPLAYED = 100
"""A reader that comes back after long does not get everything that it missed, only the newest."""

COMMENT_EVERY_S = 10.0
"""Something is sent even when nobody swipes, so that a broken connection is noticed on both sides."""


async def follow(
    questions: Questions,
    after: int | None,
    stopping: threading.Event,
    gone: Callable[[], Awaitable[bool]],
) -> AsyncIterator[Sequence[Entry]]:
    """Yields entries as they arrive after the one numbered `after` (None: from now on); empty ones as a
    sign of life. Ends when the centre stops or the other side has gone."""
    at = await questions.ask(lambda db: _start(newest(db, MAX_REPLAYED + 1), after))
    silent_s = 0.0
    while not stopping.is_set() and not await gone():
        try:
            found = await questions.ask(partial(_next, after=at))
        except StoreUnavailable:
            found = []  # said by the health endpoint; the feed goes on when the database does
        if found:
            at, silent_s = found[-1].id, 0.0
            yield found
        elif silent_s >= COMMENT_EVERY_S:
            silent_s = 0.0
            yield ()
        if len(found) < MAX_AT_ONCE:
            await asyncio.sleep(LOOK_EVERY_S)
            silent_s += LOOK_EVERY_S


def _next(connection: Connection, after: int) -> list[Entry]:
    """What arrived, but while a backlog pours in only the newest: nobody reads thousands a second."""
    start = max(after, newest_id(connection) - MAX_REPLAYED)
    return arrived_after(connection, start, MAX_AT_ONCE)


def _start(recent: Sequence[Entry], after: int | None) -> int:
    """The number to go on from: no further back than what is replayed."""
    if not recent:
        return 0
    oldest = recent[-1].id if len(recent) > MAX_REPLAYED else 0
    return recent[0].id if after is None else max(after, oldest)


def event(number: int, name: str, lines: str) -> str:
    """One server-sent event; `lines` may have several lines."""
    data = "".join(f"data: {line}\n" for line in lines.splitlines())
    return f"id: {number}\nevent: {name}\n{data}\n"


SIGN_OF_LIFE = ": still here\n\n"
