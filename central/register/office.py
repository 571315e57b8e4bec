"""What the register's endpoints have in common: whose community it is, days as people write them, one act."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import TypeVar

from sqlalchemy import Connection

from central.accounts.who import Who
from central.errors import Clash, NotThere
from central.identity.vault import Vault
from central.register.desk import Desk, desk_of
from central.store.changes import Changes
from central.store.questions import Questions
from central.times import micros

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Office:
    """`zone`: of the communities' days. `key_ring` None: nobody can be registered."""

    changes: Changes
    questions: Questions
    key_ring: Vault | None
    zone: tzinfo
    now_us: Callable[[], int]

    async def act(self, who: Who, community: int, change: Callable[[Desk], _T]) -> _T:
        """One transaction. Raises NotThere outside the caller's scope, and whatever `change` raises."""
        _refuse_foreign(who, community)
        account = -who.account if who.machine else who.account

        def at_the_desk(connection: Connection) -> _T:
            desk = desk_of(connection, self.key_ring, community, account=account, now_us=self.now_us())
            return change(desk)

        return await self.changes.make(at_the_desk)

    async def ask(self, who: Who, community: int, question: Callable[[Connection], _T]) -> _T:
        """Raises NotThere outside the caller's scope."""
        _refuse_foreign(who, community)
        return await self.questions.ask(question)

    @property
    def vault(self) -> Vault:
        """Raises Clash where there is none: nobody's identity can be read."""
        if self.key_ring is None:
            raise Clash("this centre has no key ring: nobody is registered here")
        return self.key_ring

    def begins(self, day: date) -> int:
        """The first moment of a day, in microseconds UTC."""
        return micros(datetime(day.year, day.month, day.day, tzinfo=self.zone))

    def day_of(self, at_us: int) -> date:
        """The day that a moment lies in."""
        return datetime.fromtimestamp(at_us / 1_000_000, self.zone).date()

    def moment(self, day: date | None) -> int:
        """The beginning of a day; without one, now."""
        return self.now_us() if day is None else self.begins(day)

    def day_or_now(self, day: date | None) -> tuple[int, int]:
        """All of a day; without one, this very moment."""
        if day is None:
            now = self.now_us()
            return now, now + 1
        return self.begins(day), self.begins(day + timedelta(days=1))

    def end(self, day: date | None) -> int | None:
        """The beginning of a day, of something that may have no end."""
        return None if day is None else self.begins(day)

    def month(self, first: date) -> tuple[int, int]:
        """From its first moment until that of the next one."""
        following = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
        return self.begins(first.replace(day=1)), self.begins(following)


def _refuse_foreign(who: Who, community: int) -> None:
    if not who.sees(community):
        raise NotThere("no such community")
