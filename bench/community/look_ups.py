"""What officers looked up in these days and in the trial before them, who agreed, and what supervisors found:
asked as pages ask it, at the time that it was then, so that each row stands in the register of look-ups."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Final

from sqlalchemy import Connection

from bench.community.people import OF_AGE, Member
from bench.community.places import GATES
from bench.community.times import DAY_US, HOUR_US, MINUTE_US, ZONE, Days
from bench.community.trial import TRIAL_DAYS, taking_part
from bench.community.world import World
from central.errors import BadQuestion
from central.honey import touches
from central.lookup import acts, reviews
from central.lookup.case_formats import Format
from central.lookup.exporting import export
from central.lookup.holding import end_holds, hold
from central.lookup.masking import Masked
from central.lookup.paging import Window
from central.lookup.revealing import reveal
from central.lookup.rules import Asker, Asking
from central.lookup.service import Answer, LookUps, toucher_of
from central.lookup.words import Act, Asked, Basis, Purpose, Shown, Through
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
_ABOUT_PEOPLE: Final = (
    *(Asked.PERSON,) * 6,
    *(Asked.ROOM,) * 4,
    *(Asked.DOOR,) * 3,
    *(Asked.BUILDING, Asked.UNREGISTERED, Asked.OVERDUE),
)
_QUESTIONS: Final = {
    Purpose.LOST_CARD: (Asked.LOST_CARD, Asked.LOST_CARD, Asked.PERSON, Asked.DOOR),
    Purpose.DOOR_FAULT: (Asked.DOOR, Asked.DOOR, Asked.BUILDING, Asked.DENIED, Asked.REMOTE_RELEASE),
}
"""What is asked for a purpose; of others as about people."""
_WIDE, _AGREED, _REVEALED, _TAKEN_OUT, _NOT_ASKED = 0.16, 0.85, 0.3, 0.12, 0.04
_FIRST_OFFICER: Final = 0.6
"""Of so many look-ups: the officer whose account the sign-in page shows."""

_EMERGENCIES: Final = (-97, -52, -18, 11, 37)
_ABOUT_THE_RESIDENT: Final = (9, 26)
_HELD: Final = (-60, 44, 52)
"""On these days: a look-up of which what it found is held for its case."""

_HOLD_DAYS: Final = 90
_LIMIT_RAISED: Final = 30
_REVIEWED_BACK_US: Final = 28 * DAY_US
_WHY_REVEALED: Final = "核实与案件有关人员的身份。"
_WHY_EMERGENCY: Final = "老人走失，需要立即查找。"
_WHY_OUT: Final = "移送案卷，需要附卷。"
_WHY_HELD: Final = "案件尚在侦办，需要保全。"

_BROWSED_AGO, _OPENED_DAY, _OPENED_AGO_US = 5, -44, 26 * HOUR_US
"""When honey records were touched: days before the last one, by a look-up; and twice at the register."""

_WHY_UNEXPLAINED: Final = "案号查无此案，对象与门禁故障无关。"
_SEEN_TO: Final = ("误点相邻条目，已提醒。", "无正当理由查询，已约谈并移交督察。")


@dataclass(frozen=True, slots=True)
class People:
    """Who asks, agrees, and reviews. `officer`: whose account is shown; `second` asks once what they may not;
    `worker`: reads at the register what they need not."""

    officer: Asker
    second: Asker
    third: Asker
    approver: Asker
    supervisor: Asker
    worker: Asker


def looked_up(world: World, people: People, resident: Member) -> None:
    """Writes all of it; the last wide one still waits for an approver, the last ones for their review.
    `resident`: somebody who is asked about, too, and can read so."""
    asyncio.run(_Asking(world, people, resident).run())


class _Asking:
    def __init__(self, world: World, people: People, resident: Member) -> None:
        self._world, self._people, self._resident = world, people, resident
        self._days: Days = world.days
        self._now_us = world.days.begins(-TRIAL_DAYS)
        self._drawn = Random(f"look-ups:{world.seed}")
        self._members = [
            each
            for each in world.population.members()
            if each.room is not None and each.left is None and each.came is None and each.age >= OF_AGE
        ]
        self._taking_part = [each for some in taking_part(world.population).values() for each in some]
        changes, questions = Changes(world.writer), Questions(world.reader, bound=False)
        self._service = LookUps(changes, questions, world.vault, ZONE, lambda: self._now_us)

    async def run(self) -> None:
        browsed = self._days.last - _BROWSED_AGO
        for day in range(1 - TRIAL_DAYS, self._days.count):
            await self._service.record(partial(end_holds, now_us=self._days.begins(day)))
            if day - 1 in _EMERGENCIES:
                await self._review(day, 8.3)
            if day == _OPENED_DAY + 1:
                await self._sees_to_honey(day, _SEEN_TO[0])
            if day == browsed + 1:
                await self._finds_unexplained(day)
            for at_us in sorted(self._moments(day)):
                if at_us < self._days.now_us:
                    self._now_us = max(self._now_us, at_us)
                    if at_us == self._shown_us:
                        await self._look_up_a_door(day)
                    else:
                        await self._look_up(day, last=at_us == self._last_us)
            if day == _LIMIT_RAISED:
                await self._raises_a_limit()
            if day == _OPENED_DAY:
                await self._touches(Through.OPENED, self._days.at(day, 18.7), 0)
            if day == browsed:
                await self._browses(day)
            if day % 7 == 0:
                await self._review(day, 19)
        await self._touches(Through.FOUND, max(self._now_us, self._days.now_us - 12 * MINUTE_US), 1)

    @property
    def _last_us(self) -> int:
        return self._days.now_us - 35 * MINUTE_US

    @property
    def _shown_us(self) -> int:
        """When something was looked up in which there is most to see."""
        return self._days.now_us - 85 * MINUTE_US

    @property
    def _decided_by_us(self) -> int:
        """Nobody has decided anything since."""
        return self._days.now_us - HOUR_US

    def _moments(self, day: int) -> Iterator[int]:
        wanted = self._drawn.choice(_A_DAY)
        for _ in range(max(wanted, int(day in (*_EMERGENCIES, *_HELD, *_ABOUT_THE_RESIDENT)))):
            yield self._days.at(day, self._drawn.uniform(8.6, 18.2))
        if day == self._days.last:
            yield self._shown_us
            yield self._last_us

    def _officer(self, day: int) -> Asker:
        """The look-ups of the second one rest once they were found unexplained."""
        if day in _EMERGENCIES or self._drawn.random() < _FIRST_OFFICER:
            return self._people.officer
        others = [self._people.third]
        others += [self._people.second] if day <= self._days.last - _BROWSED_AGO else []
        return self._drawn.choice(others)

    async def _look_up(self, day: int, *, last: bool) -> None:
        asking, officer = self._asking(day), self._people.officer if last else self._officer(day)
        if self._drawn.random() < _NOT_ASKED and not last and asking.emergency is None:
            fault = BadQuestion("case_number", "4 to 40 letters, digits and - . / ( ); and no ID number")
            await self._service.refuse(officer, asking.community, asking.asked, fault)
            return
        held = day in _HELD
        if last or (asking.emergency is None and not held and self._drawn.random() < _WIDE):
            asking = replace(asking, window=Window(self._now_us - 12 * DAY_US, self._now_us))
        answer = await self._service.ask(officer, asking)
        if answer.waits and not last:
            answer = await self._decided(officer, answer)
        if answer.entries and self._drawn.random() < _REVEALED:
            await self._reveal(officer, answer.look_up, self._drawn.choice(answer.entries))
        if answer.entries and not answer.more and (held or self._drawn.random() < _TAKEN_OUT):
            await self._taken_out(officer, answer.look_up, Act.HOLD if held else Act.EXPORT, day)

    async def _look_up_a_door(self, day: int) -> None:
        """Of three days, with somebody's name read; to take it out was asked for, and nobody has decided."""
        members = [each for each in self._members if not each.room.house.simulated]  # type: ignore[union-attr]
        about = members[len(members) // 3]
        asking = Asking(
            Asked.DOOR,
            self._world.community,
            *_CASES[0][:2],
            case_number=f"{self._days.date(day).year}-治-{self._drawn.randrange(100, 999)}",
            window=Window(self._now_us - 3 * DAY_US, self._now_us),
        )
        asking = replace(asking, **self._subject(Asked.DOOR, about, day))  # type: ignore[arg-type]
        answer = await self._service.ask(self._people.officer, asking)
        for entry in [each for each in answer.entries if Shown.NAME in each.hidden][:1]:
            await self._reveal(self._people.officer, answer.look_up, entry)
        await self._taken_out(self._people.officer, answer.look_up, Act.EXPORT, day)

    def _asking(self, day: int) -> Asking:
        emergency = _WHY_EMERGENCY if day in _EMERGENCIES else None
        known = emergency is not None or day in _ABOUT_THE_RESIDENT
        purpose, basis, sign = _CASES[2] if emergency else self._drawn.choice(_CASES[: 3 if known else None])
        if day in _HELD:
            purpose, basis, sign = _CASES[1]
        asked = self._drawn.choice(_QUESTIONS.get(purpose, _ABOUT_PEOPLE))
        asked = Asked.PERSON if known else Asked.ROOM if day in _HELD else asked
        case = f"{self._days.date(day).year}-{sign}-{self._drawn.randrange(100, 999)}"
        back_us = self._drawn.choice((6, 24, 48, 72, 144)) * HOUR_US
        if day < 0 or day in _HELD:  # few come through the gates of the trial
            back_us = 144 * HOUR_US
        window = Window(self._now_us - back_us, self._now_us)
        bare = Asking(asked, self._world.community, purpose, basis, case, window, emergency=emergency)
        members = self._taking_part if day < 0 else self._members
        about = self._resident if day in _ABOUT_THE_RESIDENT else self._drawn.choice(members)
        return replace(bare, **self._subject(asked, about, day))  # type: ignore[arg-type]

    def _subject(self, asked: Asked, member: Member, day: int) -> dict[str, object]:
        assert member.room is not None
        house, site = member.room.house, member.estate.site
        gateway, door = house.gateway, house.door_of(member.room.unit).name
        if day < 0:
            gateway, door = GATES, self._drawn.choice(member.estate.gates).name
        match asked:
            case Asked.PERSON:
                return {"number": member.person.id_number, "document": member.document}
            case Asked.ROOM:
                return {"room": self._world.registered.places[member.room]}
            case Asked.DOOR:
                return {"site": site, "gateway": gateway, "door": door}
            case Asked.BUILDING:
                return {"site": site, "gateway": gateway}
        return {"site": site, "gateway": GATES}

    # --- what others do about it

    async def _decided(self, officer: Asker, answer: Answer) -> Answer:
        """Some hours later, mostly with a yes; what was asked for lately nobody has decided yet."""
        decided_us = self._now_us + int(self._drawn.uniform(0.3, 3) * HOUR_US)
        if decided_us > self._decided_by_us:
            return answer
        self._now_us = decided_us
        agreed = self._drawn.random() < _AGREED
        why = "与案情相符，同意。" if agreed else "时段过长，请缩小范围。"
        await self._decide(answer.look_up, Act.WHOLE, why, agreed=agreed)
        return await self._service.page(officer, answer.look_up) if agreed else answer

    async def _decide(self, number: int, act: Act, why: str, *, agreed: bool) -> None:
        at_us, approver = self._now_us, self._people.approver
        await self._service.record(
            lambda db: acts.decide(db, approver, number, act=act, agreed=agreed, why=why, now_us=at_us)
        )

    async def _taken_out(self, officer: Asker, number: int, act: Act, day: int) -> None:
        """For the case's file, or kept for it; what was asked for lately nobody has decided yet."""
        why, asked_us = _WHY_HELD if act is Act.HOLD else _WHY_OUT, self._now_us + 4 * MINUTE_US
        await self._service.record(
            lambda db: acts.ask_for(db, officer, number, act=act, why=why, now_us=asked_us)
        )
        decided_us = asked_us + int(self._drawn.uniform(0.3, 2) * HOUR_US)
        if day == self._days.last or decided_us > self._decided_by_us:
            return
        self._now_us = decided_us
        agreed = act is Act.HOLD or self._drawn.random() < _AGREED
        why = "同意，限本案使用。" if agreed else "未说明为何需要附卷。"
        await self._decide(number, act, why, agreed=agreed)
        if agreed and act is Act.HOLD:
            await hold(self._service, officer, number, _HOLD_DAYS)
        elif agreed:
            self._now_us += 9 * MINUTE_US
            await export(self._service, self._world.signing, officer, number, Format.CSV)

    async def _reveal(self, officer: Asker, number: int, entry: Masked) -> None:
        if Shown.NAME in entry.hidden and entry.category is not None:
            self._now_us += MINUTE_US
            await reveal(self._service, officer, number, entry.id, shown=_shown(entry), why=_WHY_REVEALED)

    async def _raises_a_limit(self) -> None:
        self._now_us = max(self._now_us, self._days.at(_LIMIT_RAISED, 18.4))
        approver, about, now_us = self._people.approver, self._people.third.account, self._now_us
        why = "系列盗窃案集中核查。"
        await self._service.record(
            lambda db: acts.raise_limit(
                db,
                approver,
                community=self._world.community,
                account=about,
                an_hour=40,
                a_day=120,
                hours=48,
                why=why,
                now_us=now_us,
            )
        )

    async def _review(self, day: int, hour: float) -> None:
        """What is due by then is found explained."""
        self._now_us = max(self._now_us, min(self._days.at(day, hour), self._days.now_us - HOUR_US))
        supervisor, now_us = self._people.supervisor, self._now_us
        due = await self._service.questions.ask(
            lambda db: reviews.to_review(
                db, supervisor, now_us - _REVIEWED_BACK_US, zone=ZONE, now_us=now_us, all_of_them=False
            )
        )
        for each in due:
            if each.reviewed is None:
                why = "目的、案号与范围相符。"
                await self._reviewed(each.row.id, why, explained=True)

    async def _reviewed(self, number: int, why: str, *, explained: bool) -> None:
        supervisor, now_us = self._people.supervisor, self._now_us
        await self._service.record(
            partial(
                _review, supervisor=supervisor, number=number, explained=explained, why=why, now_us=now_us
            )
        )

    # --- honey records

    async def _touches(self, through: Through, at_us: int, honey: int) -> None:
        """The worker, at the register."""
        self._now_us = max(self._now_us, at_us)
        person, by, now_us = self._world.honeys.people[honey], toucher_of(self._people.worker), self._now_us
        await self._service.record(
            lambda db: touches.note(db, self._world.community, [person], by, through, now_us=now_us)
        )

    async def _browses(self, day: int) -> None:
        """The second officer looks up who lives in a home that nobody has a reason to ask about."""
        self._now_us = max(self._now_us, self._days.at(day, 18.6))
        asking = Asking(
            Asked.ROOM,
            self._world.community,
            Purpose.DOOR_FAULT,
            Basis.DATA_SECURITY,
            f"{self._days.date(day).year}-修-{self._drawn.randrange(100, 999)}",
            Window(self._now_us - 2 * DAY_US, self._now_us),
            room=self._world.honeys.rooms[-1],
        )
        await self._service.ask(self._people.second, asking)

    async def _finds_unexplained(self, day: int) -> None:
        """The look-up by which somebody browsed; and says that they saw to it."""
        self._now_us = max(self._now_us, self._days.at(day, 8.7))
        [alarm] = await self._service.questions.ask(
            lambda db: touches.alarms(db, self._world.community, limit=1)
        )
        assert alarm.look_up is not None
        await self._reviewed(alarm.look_up, _WHY_UNEXPLAINED, explained=False)
        self._now_us += 7 * MINUTE_US
        await self._sees_to_honey(day, _SEEN_TO[1])

    async def _sees_to_honey(self, day: int, said: str) -> None:
        self._now_us = max(self._now_us, self._days.at(day, 8.5))
        community, by, now_us = self._world.community, toucher_of(self._people.supervisor), self._now_us
        [alarm] = await self._service.questions.ask(lambda db: touches.alarms(db, community, limit=1))
        await self._service.record(
            lambda db: touches.see_to(db, community, alarm.number, by, said=said, now_us=now_us)
        )


def _review(
    connection: Connection, *, supervisor: Asker, number: int, explained: bool, why: str, now_us: int
) -> None:
    reviews.review(connection, supervisor, number, explained=explained, why=why, now_us=now_us)


def _shown(entry: Masked) -> Shown:
    return Shown.HOME if Shown.HOME in entry.hidden and entry.id % 3 == 0 else Shown.NAME
