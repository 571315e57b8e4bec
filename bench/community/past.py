"""Lets the days happen: day by day, cut where something is to be noticed, through the centre's own
ingest, watch, desk and retention, each told the time that it was then."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Final

from sqlalchemy import delete, func, insert, select

from bench.community import standing
from bench.community.comings import comings
from bench.community.devices import possible
from bench.community.happening import Carried, Chain, Happening, began_epoch, credential_of
from bench.community.ordered import note_orders, note_unanswered
from bench.community.people import Habit, Household, Member
from bench.community.places import GATES, Estate, Room
from bench.community.seen import note_on
from bench.community.settings import settings_wanted, write_settings
from bench.community.times import MINUTE_US, ZONE
from bench.community.tours import plan_tours, rounds, unfinished
from bench.community.trial import TRIAL_DAYS, at_the_gates, taking_part
from bench.community.troubles import lost_card_used, troubles
from bench.community.visits import Shown, Visit, of_a_pass, visits, without_a_pass
from bench.community.world import World
from central.alarms import book as alarm_book
from central.alarms.kinds import WATCHED, AlarmKind
from central.alarms.rules import EVERYWHERE
from central.alarms.watch import Watch
from central.fleet.made_lists import due_lists, make_list
from central.identity.opening import Opener
from central.identity.periods import day_of
from central.identity.retention import Retention
from central.identity.retention_rules import RetentionRules
from central.ingest.intake import examine, take_in
from central.register.credentials import CredentialKind
from central.register.desk import Desk
from central.store.engine import reading, writing
from central.store.retention_tables import record_mark
from central.store.tables import arrival_mark, record
from central.visitors import passes
from firmware_sim.people import Person
from messages.envelope import DocumentKind, VisitorIdentity, seal_identity
from messages.model import Kind, Reason
from messages.topics import GatewayTopic, Leaf
from messages.wire import WIRE_VERSION, About, DoorAbout, encode

_NOTICED_US: Final = 40_000_000
"""So long after a record an alarm is noticed: a reader that is back sooner raises none."""

_PATIENT_S: Final = 26 * 3_600
"""Gateways speak once a day here, instead of once a minute: so much longer they may be silent."""

_SEEN_TO: Final = 0.6
"""Of today's alarms; those of former days were all seen to."""

Say = Callable[[int], None]
"""That so many days are done."""


class Past:
    def __init__(self, world: World) -> None:
        self._world = world
        self._days = world.days
        self._opener = Opener(world.vault, RetentionRules())
        self._desk = passes.Desk(world.vault, world.signing)
        self._clock_us = self._days.begins(0)
        self._watch = Watch(world.writer, world.reader, lambda: self._clock_us, ZONE)
        self._retention = Retention(world.writer, world.vault, world.signing, RetentionRules())
        self._drawn = Random(f"past:{world.seed}")
        self._carried = [
            self._carries(member, member.kind)
            for member in world.population.members()
            if member.kind is not None
        ]
        self._of_estate: dict[str, list[Carried]] = defaultdict(list)
        for each in self._carried:
            self._of_estate[each.member.estate.site].append(each)
        self._homes: dict[str, list[Household]] = defaultdict(list)
        for household in world.population.households:
            self._homes[household.room.house.site].append(household)
        self._chains = {(chain.site, chain.name): chain for chain in self._new_chains()}
        self._waiting: list[tuple[str, bytes]] = []
        self._looked_at: set[int] = set()
        self._ordered: list[tuple[Chain, Sequence[Happening], int]] = []
        self._sites = [estate.site for estate in world.estates]

    def happens(self, say: Say) -> None:
        self._trial()
        self._clock_us = self._days.begins(0)
        self._watch.begin()
        self._be_patient(_PATIENT_S, self._days.begins(0))
        self._first_words([chain for chain in self._chains.values() if chain.name != GATES])
        self._tours()
        for day in range(self._days.count):
            self._day(day)
            say(day + 1)
        self._lists()
        self._ends()

    def _be_patient(self, after_s: int | None, at_us: int) -> None:
        """None: as usual."""
        limits = {} if after_s is None else {"after_s": after_s}
        with writing(self._world.writer) as connection:
            alarm_book.begin_rule(
                connection,
                AlarmKind.GATEWAY_SILENT,
                EVERYWHERE,
                urgency=None,
                limits=limits,
                made_by=f"account {self._world.operator}",
                now_us=at_us,
            )

    # --- who is there

    def _carries(self, member: Member, kind: CredentialKind) -> Carried:
        number = member.credential
        token = self._world.vault.token(member.estate.site, kind.value, number)
        reference = self._world.registered.references[member.number]
        return Carried(member, credential_of(kind, number, token), reference)

    def _carries_on(self, each: Carried, day: int) -> Carried:
        """The card that replaced a lost one, where there is one by then."""
        since, number = self._world.registered.replaced.get(each.member.number, (day, ""))
        if day <= since:
            return each
        token = self._world.vault.token(each.member.estate.site, CredentialKind.CARD_UID.value, number)
        return replace(each, credential=credential_of(CredentialKind.CARD_UID, number, token))

    def _new_chains(self) -> Iterator[Chain]:
        for estate in self._world.estates:
            doors = [(GATES, estate.gates), *((house.gateway, house.doors) for house in estate.houses)]
            for name, there in doors:
                first_us = self._days.begins(-TRIAL_DAYS if name == GATES else 0)
                epoch = began_epoch(first_us, self._drawn.randrange(3_000))
                yield Chain(estate.site, name, self._drawn.randbytes(8).hex(), epoch, there)

    def _first_words(self, chains: Iterable[Chain]) -> None:
        names = {(each.site, GATES): f"{each.name}大门" for each in self._world.estates}
        for estate in self._world.estates:
            names |= {(each.site, each.gateway): f"{estate.name} {each.name}" for each in estate.houses}
        messages = []
        for chain in chains:
            site, name = chain.site, chain.name
            doors = [DoorAbout(door.name, door.label, [door.name]) for door in chain.doors]
            about = About(WIRE_VERSION, "1.0.0", names[site, name], doors)
            messages.append((str(GatewayTopic(site, name, Leaf.ABOUT)), encode(about)))
            begun = [
                Happening(self._clock_us, site, name, {"kind": kind, "reason": reason})
                for kind, reason in ((Kind.JOURNAL_OPENED, Reason.NEW_JOURNAL), (Kind.GATEWAY_STARTED, None))
            ]
            messages += chain.blocks(chain.grow(begun))
        self._arrive(messages, self._clock_us)

    def _tours(self) -> None:
        world = self._world
        guards = {
            estate: [
                world.registered.people[each.number]
                for each in world.population.workers
                if each.estate == estate and each.habit is Habit.GUARD
            ]
            for estate in world.estates
        }
        with writing(world.writer) as connection:
            desk = Desk(connection, world.community, world.operator, self._days.at(0, 9), world.vault)
            plan_tours(desk, world.estates, guards)

    # --- before the days

    def _trial(self) -> None:
        gates = [chain for chain in self._chains.values() if chain.name == GATES]
        self._clock_us = self._days.begins(-TRIAL_DAYS)
        self._first_words(gates)
        part = {each.number for some in taking_part(self._world.population).values() for each in some}
        some = {
            site: [each for each in there if each.member.number in part]
            for site, there in self._of_estate.items()
        }
        for day in range(-TRIAL_DAYS, 0):
            drawn = Random(f"{self._world.seed}:{day}")
            messages: list[tuple[str, bytes]] = []
            for chain in gates:
                opens = self._world.registered.opens
                there = [each for each in some[chain.site] if opens(each.member.number, day)]
                theirs = list(at_the_gates(there, self._days, day, drawn, self._world.operators))
                self._ordered.append((chain, theirs, chain.seq + 1))
                messages += chain.blocks(chain.grow(theirs))
                said = chain.state(self._days.ends(day), list_version=1)
                messages.append((str(GatewayTopic(chain.site, chain.name, Leaf.STATE)), encode(said)))
            self._arrive(messages, self._days.ends(day))
            self._mark(self._days.ends(day))

    # --- one day

    def _day(self, day: int) -> None:
        drawn = Random(f"{self._world.seed}:{day}")
        happened = list(possible(sorted(self._happened(day, drawn), key=lambda each: each.at_us)))
        at = 0
        for end_us in self._cuts(happened, day):
            upto = next((n for n in range(at, len(happened)) if happened[n].at_us >= end_us), len(happened))
            self._slice(happened[at:upto], day, end_us)
            at = upto
        self._retention.run(self._days.ends(day))
        if day < self._days.last:
            self._mark(self._days.ends(day))

    def _happened(self, day: int, drawn: Random) -> Iterator[Happening]:
        world, days = self._world, self._days
        for estate in world.estates:
            there = [
                self._carries_on(each, day)
                for each in self._of_estate[estate.site]
                if each.member.is_there(day) and world.registered.opens(each.member.number, day)
            ]
            residents = [each for each in there if each.member.room is not None]
            guards = [each for each in there if each.member.habit is Habit.GUARD]
            yield from comings(residents, days, day, drawn)
            yield from troubles(estate, residents, days, day, drawn, operators=world.operators)
            yield from rounds(estate, guards, days, day, drawn)
            homes = [each.room for each in self._homes[estate.site] if _is_at_home(each, day)]
            for visit, shown in self._issued(estate, self._planned(homes, day, drawn)):
                yield from of_a_pass(estate, visit, shown, days.ends(day), drawn)
            yield from without_a_pass(
                estate,
                world.population.visitors,
                days,
                day,
                drawn,
                seal=lambda who, at_us, site=estate.site: self._sealed(site, who, at_us),  # type: ignore[misc]
                token=lambda who, site=estate.site: world.vault.token(site, "id_card", who.id_number),  # type: ignore[misc]
            )
        for carried in self._carried:
            if world.registered.lost.get(carried.member.number) == day - 1:
                found = lost_card_used(carried, days, day - 1, drawn)
                if found.at_us < days.ends(day):
                    yield found
        yield from standing.happened(days, day)

    def _planned(self, homes: Sequence[Room], day: int, drawn: Random) -> Iterator[Visit]:
        """Of the last day only what was issued by now, and some of the day after."""
        visitors, now_us = self._world.population.visitors, self._days.now_us
        found = list(visits(homes, visitors, self._days, day, drawn))
        if day == self._days.last:
            found += visits(homes, visitors, self._days, day + 1, drawn)
        return (each for each in found if each.issued_us < now_us)

    def _issued(self, estate: Estate, planned: Iterable[Visit]) -> list[tuple[Visit, Shown]]:
        world, found = self._world, []
        with writing(world.writer) as connection:
            for visit in planned:
                wanted = passes.Wanted(
                    visit.kind,
                    estate.site,
                    visit.reason,
                    visit.from_us,
                    visit.until_us,
                    room=world.registered.places[visit.room],
                )
                visitor, by = passes.Visitor(visit.visitor.name), f"account {world.worker}"
                made = self._desk.issue(connection, wanted, visitor, by=by, now_us=visit.issued_us).made
                assert made.token is not None
                found.append((visit, Shown(made.reference, made.token)))
                if visit.revoked_us is not None and visit.revoked_us < self._days.now_us:
                    passes.revoke(connection, made.id, [estate.site], by=by, now_us=visit.revoked_us)
        return found

    def _sealed(self, site: str, who: Person, at_us: int) -> bytes:
        key = self._world.vault.sealing_key(self._world.community, at_us)
        return seal_identity(
            VisitorIdentity(who.name, DocumentKind.RESIDENT, who.id_number), key, site, GATES
        )

    # --- what of it comes to the centre, and when

    def _cuts(self, happened: Sequence[Happening], day: int) -> list[int]:
        """Moments after something that raises an alarm, and the end of the day."""
        ends_us = self._days.ends(day)
        moments = {each.at_us + _NOTICED_US for each in happened if _is_noticed(each)}
        moments |= set(unfinished(happened, self._world.estates, self._days, day))
        if day == self._days.last:
            moments.add(standing.went_silent_us(self._days))
        return [*sorted(each for each in moments if each < ends_us), ends_us]

    def _slice(self, happened: Sequence[Happening], day: int, end_us: int) -> None:
        by_gateway: dict[tuple[str, str], list[Happening]] = defaultdict(list)
        for each in happened:
            by_gateway[each.site, each.gateway].append(each)
        messages, self._waiting = self._waiting, []
        for place, theirs in by_gateway.items():
            chain = self._chains[place]
            self._ordered.append((chain, theirs, chain.seq + 1))
            for topic, payload in standing.sent(chain, theirs, self._days, day):
                (self._waiting if standing.is_silent(chain, self._days, end_us) else messages).append(
                    (topic, payload)
                )
        if end_us == standing.went_silent_us(self._days):
            silent = self._chains[standing.SILENT]
            topic = str(GatewayTopic(silent.site, silent.name, Leaf.STATE))
            before = silent.state(end_us - MINUTE_US, list_version=1)
            messages += [(topic, encode(before)), (topic, encode(standing.last_word(silent, end_us)))]
        day_is_over = end_us == self._days.ends(day)
        self._arrive([*messages, *(self._states(end_us) if day_is_over else ())], end_us)
        while self._watch.look():
            continue
        self._see_to(end_us)

    def _states(self, at_us: int, list_version: int = 1) -> Iterator[tuple[str, bytes]]:
        with reading(self._world.reader) as connection:
            revisions = settings_wanted(connection)
        for (site, name), chain in self._chains.items():
            state = standing.state(chain, self._days, at_us, list_version, revisions.get(site))
            if state is not None:
                yield str(GatewayTopic(site, name, Leaf.STATE)), encode(state)

    def _arrive(self, messages: Iterable[tuple[str, bytes]], at_us: int) -> None:
        self._clock_us = at_us
        opened = self._opener.at(at_us)
        batch = [examine(topic, payload, opened) for topic, payload in messages]
        world, ordered = self._world, self._ordered
        self._ordered = []
        with writing(world.writer) as connection:
            take_in(connection, batch, at_us)
            note_orders(connection, ordered, operators=world.operators, drawn=self._drawn)

    def _mark(self, at_us: int) -> None:
        """How far arrivals have come, as the centre notes it: entries are kept for so long from then on."""
        with writing(self._world.writer) as connection:
            last = connection.execute(select(func.max(record.c.id))).scalar_one()
            values = {"noted_at": at_us, "day": day_of(at_us - 1, ZONE), "last_id": last}
            connection.execute(insert(record_mark).values(values))

    def _see_to(self, at_us: int) -> None:
        """Somebody takes up what was noticed just now, some minutes later; not all of it."""
        with reading(self._world.reader) as connection:
            unseen = alarm_book.alarms(connection, self._sites, at_us, unseen=True, limit=20)
        for alarm in unseen:
            if alarm.id in self._looked_at:
                continue
            self._looked_at.add(alarm.id)
            seen_us = at_us + int(self._drawn.lognormvariate(2.2, 0.9) * MINUTE_US)
            alone = standing.is_left_alone(alarm.site, alarm.gateway, self._days, at_us)
            today = at_us >= self._days.begins(self._days.last)
            seen = not alone and seen_us < self._days.now_us
            is_over = alarm.over_us is not None and alarm.over_us <= seen_us
            if seen and (not today or self._drawn.random() < _SEEN_TO):
                with writing(self._world.writer) as connection:
                    alarm_book.see_to(
                        connection,
                        alarm.id,
                        self._sites,
                        who=f"account {self._drawn.choice(self._world.operators)}",
                        note_=note_on(alarm.kind, self._drawn, is_over=is_over),
                        now_us=seen_us,
                    )

    # --- the end: now

    def _lists(self) -> None:
        """As the centre would make them at its start, so that none is on the way when the demo opens."""
        world = self._world
        with reading(world.reader) as connection:
            due = due_lists(connection, self._days.now_us)
        for each in due:
            with writing(world.writer) as connection:
                make_list(connection, each, self._days.now_us)

    def _ends(self) -> None:
        now_us = self._days.now_us
        stopped: list[tuple[str, bytes]] = []
        for estate in self._world.estates:
            for house in estate.houses:
                if house.simulated:
                    chain = self._chains[house.site, house.gateway]
                    last = Happening(now_us, house.site, house.gateway, {"kind": Kind.GATEWAY_STOPPED})
                    stopped += chain.blocks(chain.grow([last]))
        write_settings(self._world)
        with writing(self._world.writer) as connection:
            silent, asked_us = self._chains[standing.SILENT], standing.went_silent_us(self._days)
            asked_us = min(asked_us + 40 * MINUTE_US, now_us - MINUTE_US)
            note_unanswered(connection, silent, self._world.operator, asked_us, self._drawn)
        self._arrive([*stopped, *self._states(now_us)], now_us)
        self._be_patient(None, now_us)
        with writing(self._world.writer) as connection:
            # Days came in at once: nothing of them came late.
            connection.execute(delete(arrival_mark))


def _is_at_home(household: Household, day: int) -> bool:
    """Whether they may have asked somebody to come on that day: the day before, they lived there, too."""
    first = household.members[0]
    return first.is_there(day) and first.is_there(day - 1)


def _is_noticed(each: Happening) -> bool:
    kind = each.fields["kind"]
    return kind in WATCHED and (kind is not Kind.ACCESS_DENIED or each.fields.get("reason") is Reason.LOST)
