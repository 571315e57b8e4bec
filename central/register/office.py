"""What the register's endpoints have in common: whose community it is, days as people write them, one act."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from typing import TypeVar

from sqlalchemy import Connection

from central.accounts.who import Who
from central.errors import Clash, NotThere
from central.honey import touches
from central.honey.late import LateAlarms
from central.identity.vault import Vault
from central.lookup.words import Through
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
    late: LateAlarms = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "late", LateAlarms(self.changes))

    async def act(self, who: Who, community: int, change: Callable[[Desk], _T]) -> _T:
        """One transaction. Raises NotThere outside the caller's scope, and whatever `change` raises. Whom it
        named stands in an alarm where they are made up, also if it changed nothing."""
        _refuse_foreign(who, community)
        now_us, met = self.now_us(), set[int]()

        def told(connection: Connection, among: Mapping[int, int] | None = None) -> None:
            by = _toucher(who)
            touches.note(connection, community, met, by, Through.CHANGED, now_us=now_us, among=among)

        def at_the_desk(connection: Connection) -> _T:
            desk = desk_of(connection, self.key_ring, community, account=who.account, now_us=now_us, met=met)
            made_up = touches.made_up_people(connection, community)
            done = change(desk)
            told(connection, made_up)  # who was: the act itself may have made somebody real of them
            return done

        try:
            return await self.changes.make(at_the_desk)
        except Exception:  # also of a fault of ours: it was tried all the same
            if met:
                await self.late.write(told)
            raise

    async def ask(self, who: Who, community: int, question: Callable[[Connection], _T]) -> _T:
        """Raises NotThere outside the caller's scope."""
        _refuse_foreign(who, community)
        return await self.questions.ask(question)

    async def ask_about(
        self,
        who: Who,
        community: int,
        question: Callable[[Connection], _T],
        people: Callable[[_T], Iterable[int]],
        through: Through = Through.OPENED,
    ) -> _T:
        """As `ask`, of which `people` are shown by themselves, not in a list: whether one is made up is noted
        before the answer is given, or as soon as that can be written. Raises NotThere outside the caller's
        scope."""

        def asked(connection: Connection) -> tuple[_T, list[int], dict[int, int]]:
            found = question(connection)
            shown = list(people(found))
            made_up = touches.made_up_people(connection, community) if shown else {}
            return found, shown, {each: made_up[each] for each in shown if each in made_up}

        found, shown, touched = await self.ask(who, community, asked)
        if touched:
            by, now_us = _toucher(who), self.now_us()
            await self.late.write(
                lambda db: touches.note(db, community, shown, by, through, now_us=now_us, among=touched)
            )
        return found

    @staticmethod
    def shown_account(who: Who, account: int) -> int | None:
        """Who acted, as `who` is shown it: themselves, a machine's token (below 0), the operator (0); None:
        another person. Who planted a honey record would stand out among the accounts of a community's
        workers, and any other account in its place would be blamed for what it never did."""
        return account if account <= 0 or account == who.account else None

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


def _toucher(who: Who) -> touches.Toucher:
    return touches.Toucher(who.account, who.role)


def _refuse_foreign(who: Who, community: int) -> None:
    if not who.sees(community):
        raise NotThere("no such community")
