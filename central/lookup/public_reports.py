"""The public report for whoever asks, without an account: of quarters that are over, small counts kept back.

R-108 calls it public, and it names nobody. A quarter that is over says the same for good: it is counted once,
and told from memory after that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta, tzinfo
from typing import Final, TypeVar

from limits import RateLimitItemPerMinute
from sqlalchemy import Connection, select

from central.accounts.backoff import Counter
from central.errors import NotThere
from central.lookup.transparency import Report, last_asked, quarter_of, report
from central.register.communities import Community, communities
from central.store.account_tables import account_community
from central.store.questions import Questions
from central.store.scope import ask_within
from central.times import local, micros

_T = TypeVar("_T")

AN_ADDRESS: Final = RateLimitItemPerMinute(30)
_TOO_OFTEN: Final = "too many reports from this address; wait"
MOST_KEPT: Final = 500
"""Reports in memory, of a few kilobytes each; the oldest goes first."""

_MONTHS: Final = 3


class PublicReports:
    """Belongs to one event loop: one is counted at a time, whoever else asks for it waits."""

    def __init__(self, questions: Questions, zone: tzinfo, now_us: Callable[[], int]) -> None:
        self._questions = questions
        self._zone = zone
        self._now_us = now_us
        self._counter = Counter()
        self._one_at_a_time = asyncio.Lock()
        self._kept: dict[tuple[int, date], Report] = {}
        self._newest: dict[tuple[int, date], date] = {}

    async def communities(self, address: str) -> Sequence[Community]:
        """Those that have an account. Raises TooOften for one address, StoreUnavailable."""
        self._counter.hit(AN_ADDRESS, f"public report from {address}", _TOO_OFTEN)
        # Names of communities and counts are all that is asked within this wider scope.
        ask_within(await self._questions.ask(_with_accounts))
        return await self._questions.ask(lambda db: communities(db, _with_accounts(db)))

    async def newest(self, community: int) -> date:
        """The first day of the last quarter that is over and has look-ups to tell of."""
        running = first_day(local(self._now_us(), self._zone).date())
        if (community, running) not in self._newest:
            ask_within([community])
            found = await self._questions.ask(lambda db: newest(db, community, running, self._zone))
            _keep(self._newest, (community, running), found)
        return self._newest[community, running]

    async def told(self, community: int, first: date) -> Report:
        """Of the quarter that begins on that day. Raises BadQuestion for one that is not over, NotThere."""
        span = quarter_of(first.year, number_of(first), self._zone, self._now_us())
        async with self._one_at_a_time:
            if (community, first) not in self._kept:
                ask_within([community])
                found = await self._questions.ask(lambda db: _counted(db, community, span))
                _keep(self._kept, (community, first), found)
            return self._kept[community, first]


def first_day(day: date) -> date:
    """Of the quarter that a day lies in."""
    return date(day.year, (day.month - 1) // _MONTHS * _MONTHS + 1, 1)


def number_of(first: date) -> int:
    """From 1 to 4."""
    return (first.month - 1) // _MONTHS + 1


def newest(connection: Connection, community: int, running: date, zone: tzinfo) -> date:
    """The first day of the last quarter that has look-ups to tell of; where none has, of the last one. Never
    the running one: whoever reads it twice could subtract, and learn of a single look-up."""
    before_us = micros(datetime(running.year, running.month, 1, tzinfo=zone))
    at_us = last_asked(connection, community, before_us)
    return first_day(running - timedelta(days=1) if at_us is None else local(at_us, zone).date())


def _counted(connection: Connection, community: int, span: tuple[int, int]) -> Report:
    """Raises NotThere."""
    if community not in _with_accounts(connection):
        raise NotThere("no such community")
    return report(connection, community, *span)


def _with_accounts(connection: Connection) -> frozenset[int]:
    return frozenset(connection.execute(select(account_community.c.community_id).distinct()).scalars())


def _keep(kept: dict[tuple[int, date], _T], key: tuple[int, date], found: _T) -> None:
    while len(kept) >= MOST_KEPT:
        del kept[next(iter(kept))]
    kept[key] = found
