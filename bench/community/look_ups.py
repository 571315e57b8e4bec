"""What officers looked up in these days, who agreed, and what supervisors found: asked as pages ask it,
at the time that it was then, so that each row stands in the register of look-ups."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any, Final

from sqlalchemy import Connection

from bench.community.people import Member
from bench.community.places import GATES
from bench.community.times import DAY_US, HOUR_US, MINUTE_US, ZONE, Days
from bench.community.world import World
from central.lookup import acts, reviews
from central.lookup.masking import Masked
from central.lookup.paging import Window
from central.lookup.revealing import reveal
from central.lookup.rules import Asker, Asking
from central.lookup.service import Answer, LookUps
from central.lookup.words import Act, Asked, Basis, Purpose, Shown
from central.store.changes import Changes
from central.store.questions import Questions

_A_DAY: Final = (0, 1, 1, 2, 2, 3)
_CASES: Final = (
    (Purpose.PUBLIC_ORDER_CASE, Basis.PUBLIC_SECURITY_PENALTIES, "治"),
    (Purpose.CRIMINAL_CASE, Basis.CRIMINAL_PROCEDURE, "刑"),
    (Purpose.MISSING_PERSON, Basis.PEOPLES_POLICE, "寻"),
    (Purpose.LOST_CARD, Basis.PEOPLES_POLICE, "卡"),
    (Purpose.DOOR_FAULT, Basis.DATA_SECURITY, "修"),
)
_QUESTIONS: Final = (
    *(Asked.PERSON,) * 5,
    *(Asked.ROOM,) * 3,
    *(Asked.DOOR,) * 5,
    *(Asked.BUILDING,) * 2,
    *(Asked.UNREGISTERED, Asked.DENIED, Asked.LOST_CARD, Asked.REMOTE_RELEASE, Asked.OVERDUE),
)
_WIDE, _AGREED, _REVEALED, _EMERGENCIES = 0.16, 0.85, 0.3, (11, 37)
_ABOUT_THE_RESIDENT: Final = (9, 26)
_WHY_REVEALED: Final = "核实与案件有关人员的身份。"
_WHY_EMERGENCY: Final = "老人走失，需要立即查找。"


@dataclass(frozen=True, slots=True)
class People:
    """Who asks, agrees, and reviews."""

    officer: Asker
    approver: Asker
    supervisor: Asker


def looked_up(world: World, people: People, resident: Member) -> None:
    """Writes all of it; the last wide one still waits for an approver, the last ones for their review.
    `resident`: somebody who is asked about, too, and can read so."""
    asyncio.run(_Asking(world, people, resident).run())


class _Asking:
    def __init__(self, world: World, people: People, resident: Member) -> None:
        self._world, self._people, self._resident = world, people, resident
        self._days: Days = world.days
        self._now_us = world.days.begins(0)
        self._drawn = Random(f"look-ups:{world.seed}")
        self._members = [
            each
            for each in world.population.members()
            if each.room is not None and each.left is None and each.came is None
        ]
        changes, questions = Changes(world.writer), Questions(world.reader, bound=False)
        self._service = LookUps(changes, questions, world.vault, ZONE, lambda: self._now_us)

    async def run(self) -> None:
        for day in range(1, self._days.count):
            if day - 1 in _EMERGENCIES:
                await self._review(day, 8.3)
            for at_us in sorted(self._moments(day)):
                if at_us < self._days.now_us:
                    self._now_us = at_us
                    await self._look_up(day)
            if day % 7 == 0:
                await self._review(day, 19)

    def _moments(self, day: int) -> Iterator[int]:
        for _ in range(self._drawn.choice(_A_DAY)):
            yield self._days.at(day, self._drawn.uniform(8.6, 18.2))
        if day == self._days.last:
            yield self._days.now_us - 35 * MINUTE_US

    async def _look_up(self, day: int) -> None:
        asking = self._asking(day)
        last = self._now_us == self._days.now_us - 35 * MINUTE_US
        if last or (asking.emergency is None and self._drawn.random() < _WIDE):
            asking = replace(asking, window=Window(self._now_us - 12 * DAY_US, self._now_us))
        answer = await self._service.ask(self._people.officer, asking)
        if answer.waits and not last:
            answer = await self._decided(answer)
        if answer.entries and self._drawn.random() < _REVEALED:
            await self._reveal(answer.look_up, self._drawn.choice(answer.entries))

    def _asking(self, day: int) -> Asking:
        emergency = _WHY_EMERGENCY if day in _EMERGENCIES else None
        known = emergency is not None or day in _ABOUT_THE_RESIDENT
        asked = Asked.PERSON if known else self._drawn.choice(_QUESTIONS)
        purpose, basis, sign = _CASES[2] if emergency else self._drawn.choice(_CASES)
        case = f"{self._days.date(day).year}-{sign}-{self._drawn.randrange(100, 999)}"
        back_us = self._drawn.choice((6, 24, 48, 72, 144)) * HOUR_US
        window = Window(self._now_us - back_us, self._now_us)
        bare = Asking(asked, self._world.community, purpose, basis, case, window, emergency=emergency)
        about = self._resident if day in _ABOUT_THE_RESIDENT else self._drawn.choice(self._members)
        return replace(bare, **self._subject(asked, about))  # type: ignore[arg-type]

    def _subject(self, asked: Asked, member: Member) -> dict[str, object]:
        assert member.room is not None
        house, site = member.room.house, member.estate.site
        match asked:
            case Asked.PERSON:
                return {"number": member.person.id_number}
            case Asked.ROOM:
                return {"room": self._world.registered.places[member.room]}
            case Asked.DOOR:
                door = house.door_of(member.room.unit).name
                return {"site": site, "gateway": house.gateway, "door": door}
            case Asked.BUILDING:
                return {"site": site, "gateway": house.gateway}
        return {"site": site, "gateway": GATES}

    async def _decided(self, answer: Answer) -> Answer:
        """Some hours later, mostly with a yes."""
        self._now_us += int(self._drawn.uniform(0.3, 3) * HOUR_US)
        agreed = self._drawn.random() < _AGREED
        why = "与案情相符，同意。" if agreed else "时段过长，请缩小范围。"
        at_us, approver = min(self._now_us, self._days.now_us - HOUR_US), self._people.approver
        await self._service.record(
            lambda db: acts.decide(
                db, approver, answer.look_up, act=Act.WHOLE, agreed=agreed, why=why, now_us=at_us
            )
        )
        return await self._service.page(self._people.officer, answer.look_up) if agreed else answer

    async def _reveal(self, number: int, entry: Masked) -> None:
        if Shown.NAME in entry.hidden and entry.category is not None:
            self._now_us += MINUTE_US
            officer = self._people.officer
            await reveal(self._service, officer, number, entry.id, shown=_shown(entry), why=_WHY_REVEALED)

    async def _review(self, day: int, hour: float) -> None:
        """What is due by then is found explained."""
        self._now_us = max(self._now_us, min(self._days.at(day, hour), self._days.now_us - HOUR_US))
        supervisor, now_us = self._people.supervisor, self._now_us
        due = await self._service.questions.ask(
            lambda db: reviews.to_review(
                db, supervisor, self._days.begins(0), zone=ZONE, now_us=now_us, all_of_them=False
            )
        )
        for each in due:
            await self._service.record(
                partial(_explained, supervisor=supervisor, row=each.row, now_us=now_us)
            )


def _explained(connection: Connection, *, supervisor: Asker, row: Any, now_us: int) -> None:
    why = "目的、案号与范围相符。"
    reviews.review(connection, supervisor, row.id, explained=True, why=why, now_us=now_us)


def _shown(entry: Masked) -> Shown:
    return Shown.HOME if Shown.HOME in entry.hidden and entry.id % 3 == 0 else Shown.NAME
