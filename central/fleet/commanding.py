"""Commands to gateways as people give them: who, what and why is noted, sent at once, and answered or not.

A command is good for seconds (trust.md R-54): where no broker is there it is not sent, and not later either.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

from sqlalchemy import Connection, select

from central.accounts.book import sites_of
from central.accounts.who import Who
from central.errors import BadQuestion, Clash, NotThere
from central.fleet.command_effects import effects_of
from central.fleet.completeness import Completeness, completeness
from central.fleet.orders import make_command, note_command
from central.store.changes import Changes
from central.store.questions import Questions
from central.store.tables import sent_command
from messages.commands import AT_A_DOOR, MAX_RANGES, UNTIL, Action, Command, Outcome, RecordRange, Why
from messages.model import Kind, Reason

ANSWER_US: Final = 5_000_000
"""After a command has expired: so long its answer may be on its way."""

RECORD_US: Final = 15_000_000
"""After an answer: so long the record of what it led to may be on its way."""

MOST_MINUTES: Final = 44_640
_MINUTE_US: Final = 60_000_000


class Standing(StrEnum):
    """What became of a command."""

    SENT = "sent"  # and not answered yet
    DONE = "done"
    REFUSED = "refused"
    UNANSWERED = "unanswered"  # nothing was heard, and it is good no more


@dataclass(frozen=True, slots=True)
class Given:
    """One command. `epoch` and `seq`: the record in the gateway's journal that tells of it. `until_us`: when
    what it makes of a door ends. `led_to`: what the gateway recorded of the door after it, or had recorded
    where the door was so already; None: nothing that is here."""

    id: str
    site: str
    gateway: str
    action: Action
    door: str | None
    operator: str
    why: Why
    issued_us: int
    standing: Standing
    answered_us: int | None
    reason: Reason | None
    epoch: int | None
    seq: int | None
    until_us: int | None = None
    led_to: Kind | None = None

    @property
    def is_open(self) -> bool:
        return self.standing is Standing.SENT

    def may_say_more(self, now_us: int) -> bool:
        """An answer, or what it led to, may still be on its way."""
        if self.is_open:
            return True
        awaited = self.standing is Standing.DONE and self.action in AT_A_DOOR and self.led_to is None
        return awaited and self.answered_us is not None and now_us - self.answered_us < RECORD_US


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody asks for. `minutes`: for how long a door is to stay free or locked down."""

    action: Action
    why: Why
    door: str | None = None
    minutes: int | None = None


class Line(Protocol):
    """The way to gateways."""

    def command(self, site: str, gateway: str, command: Command) -> None:
        """Sent when this returns; blocks for seconds at most. Raises BrokerUnavailable: it may not be."""


class Commands:
    """`line` None: the centre has no keys to sign with."""

    def __init__(
        self, questions: Questions, changes: Changes, line: Line | None, now_us: Callable[[], int]
    ) -> None:
        self._questions = questions
        self._changes = changes
        self._line = line
        self._now_us = now_us

    async def give(self, who: Who, site: str, name: str, order: Order) -> Given:
        """Noted, then sent; what was noted and could not be sent stays noted, and is over in a moment. Raises
        BadQuestion, NotThere, Clash, BrokerUnavailable."""
        line, command = await self._changes.make(lambda db: self._noted(db, who, site, name, order))
        await asyncio.to_thread(line.command, site, name, command)
        return await self.one(who, command.id)

    async def one(self, who: Who, command: str) -> Given:
        """Raises NotThere."""

        def asked(db: Connection) -> list[Given]:
            mine = sent_command.c.site.in_(sites_of(db, who.communities)) & (
                sent_command.c.command == command
            )
            return given(db, db.execute(select(sent_command).where(mine)).all(), self._now_us())

        found = await self._questions.ask(asked)
        if not found:
            raise NotThere("there is no such command")
        return found[0]

    async def newest(
        self, who: Who, *, gateway: str | None = None, before: int | None = None, limit: int = 50
    ) -> tuple[list[Given], int | None]:
        """Newest first; and what to pass as `before` for the next page, None where this was all. `gateway`
        as site/name. Raises NotThere for a gateway of others."""

        def asked(db: Connection) -> tuple[list[Given], int | None]:
            sites = sites_of(db, who.communities)
            if gateway is not None and gateway.partition("/")[0] not in sites:
                raise NotThere("no such gateway has spoken yet")
            rows = commands_of(db, sites, gateway, before=before, limit=limit + 1)
            further = rows[limit - 1].id if len(rows) > limit else None
            return given(db, rows[:limit], self._now_us()), further

        return await self._questions.ask(asked)

    def _noted(self, db: Connection, who: Who, site: str, name: str, order: Order) -> tuple[Line, Command]:
        found = completeness(db, site=site, name=name, sites=sites_of(db, who.communities))
        if not found:
            raise NotThere("no such gateway has spoken yet")
        _check(order, found[0])
        if self._line is None:
            raise Clash("the centre has no keys to sign commands with; make them: liuhen-central keys make")
        now_us = self._now_us()
        command = make_command(
            secrets.token_hex(16),
            order.action,
            who.reference,
            order.why,
            now_us,
            door=order.door,
            until_us=None if order.minutes is None else now_us + order.minutes * _MINUTE_US,
            ranges=_awaited(found[0]) if order.action is Action.SEND_RECORDS else (),
        )
        note_command(db, site, name, command)
        return self._line, command


def commands_of(
    db: Connection, sites: Collection[str], gateway: str | None, *, before: int | None, limit: int
) -> list[Any]:
    """Rows, newest first. `gateway` as site/name."""
    columns = sent_command.c
    asked = select(sent_command).where(columns.site.in_(sites)).order_by(columns.id.desc()).limit(limit)
    if gateway is not None:
        site, _, name = gateway.partition("/")
        asked = asked.where(columns.site == site, columns.gateway == name)
    if before is not None:
        asked = asked.where(columns.id < before)
    return list(db.execute(asked))


def given(db: Connection, rows: Sequence[Any], now_us: int) -> list[Given]:
    """Rows of `sent_command` with what each led to."""
    effects = effects_of(db, rows)
    return [_given(row, now_us, effects.get(row.command)) for row in rows]


def _given(row: Any, now_us: int, led_to: Kind | None) -> Given:
    if row.outcome is not None:
        standing = Standing.DONE if row.outcome == Outcome.DONE else Standing.REFUSED
    else:
        standing = Standing.SENT if now_us < row.expires_at + ANSWER_US else Standing.UNANSWERED
    return Given(
        row.command,
        row.site,
        row.gateway,
        Action(row.action),
        row.door,
        row.operator,
        Why(row.why),
        row.issued_at,
        standing,
        row.answered_at,
        None if row.reason is None else Reason(row.reason),
        row.epoch,
        row.seq,
        row.until_at,
        led_to,
    )


def _check(order: Order, gateway: Completeness) -> None:
    """Raises BadQuestion for parts that do not belong together, NotThere for a door of others."""
    if (order.door is not None) != (order.action in AT_A_DOOR):
        raise BadQuestion("door", "names a door for what is done at one, and nothing else")
    if order.door is not None and order.door not in {each.name for each in gateway.doors}:
        raise NotThere("this gateway has told of no such door")
    if (order.minutes is not None) != (order.action in UNTIL):
        raise BadQuestion("minutes", "says for how long a door stays free or locked down, and nothing else")
    if order.minutes is not None and not 0 < order.minutes <= MOST_MINUTES:
        raise BadQuestion("minutes", f"is a number from 1 to {MOST_MINUTES}, a month")


def _awaited(gateway: Completeness) -> tuple[RecordRange, ...]:
    """What is not here and may still be there. Raises Clash where that is nothing."""
    awaited = [each for each in gateway.missing if not each.lost]
    if not awaited:
        raise Clash("nothing of this gateway is missing that it could still have")
    return tuple(RecordRange(each.epoch, each.first, each.last) for each in awaited[:MAX_RANGES])
