"""What concerns oneself: one's own entries, and who looked at them (trust.md R-97, R-98).

For a resident's account alone, about its own person. Reading leaves its row in the register as well, before
anything is shown. A look-up is told a day after it was asked, so that a delay can be asked for; an approved
delay, or one that waits for its approval, ends with the ninetieth day.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from central.accounts.who import Who
from central.assessments.gate import refuse_before_live
from central.errors import BadQuestion, IdentityGone
from central.fleet.completeness import completeness_of
from central.identity.periods import DAY_US
from central.identity.vault import Vault
from central.lookup import audit, holders, questions
from central.lookup.audit import facts_of
from central.lookup.entries import Entry
from central.lookup.paging import Found, Window, cursor_of, held_by, page, place_of
from central.lookup.service import LookUps
from central.lookup.states import states_of
from central.lookup.subjects import subject_text
from central.lookup.words import Act, Asked, Happened, Shown
from central.register.oneself import community_of, person_of
from central.store.lookup_tables import look_up, look_up_event, look_up_subject
from central.store.register_tables import credential, credential_token, person, person_former, residency

PAGE: Final = 25
MOST_DAYS: Final = 31
TOLD_AFTER_US: Final = DAY_US
LONGEST_DELAY_US: Final = 90 * DAY_US
BACK_US: Final = 366 * DAY_US
"""So far back look-ups are told."""

_ALWAYS: Final = Window(0, 2**62)
_AT_ONCE: Final = 500
"""Look-ups in one statement."""


@dataclass(frozen=True, slots=True)
class OwnEntries:
    """One page, newest first. `until_us`: what all gateways of the community recorded by then is here; None:
    nothing is known of one of them yet. `complete`: that reaches to the end of the window."""

    entries: Sequence[Entry]
    cursor: str | None
    complete: bool
    until_us: int | None
    ended_us: int | None = None
    """Of the window, what had arrived by then has been ended; None: nothing."""


@dataclass(frozen=True, slots=True)
class Looked:
    """A look-up that concerned somebody. Which officer it was stays with the supervisors; the unit answers.

    `revealed`: fields of one's own entries that were unmasked. `exported`: the answer left as a file.
    """

    number: int
    at_us: int
    role: str
    unit: str | None
    purpose: str
    basis: str
    question: str
    revealed: tuple[Shown, ...]
    exported: bool


class Own:
    """Over the service of look-ups: its clock, its keys, its register."""

    def __init__(self, look_ups: LookUps) -> None:
        self._look_ups = look_ups

    async def entries(self, who: Who, window: Window, cursor: str | None, origin: str | None) -> OwnEntries:
        """Raises NotAllowed, BadQuestion, StoreUnavailable, and Clash before the community is live."""
        number = person_of(who)
        if not 0 < window.until_us - window.from_us <= MOST_DAYS * DAY_US:
            raise BadQuestion("until", f"lies after `from`, and at most {MOST_DAYS} days after it")
        community, found = await self._look_ups.questions.ask(lambda db: _entries(db, number, window, cursor))
        facts = {"what": "entries", "from": window.from_us, "until": window.until_us}
        await self._leaves_a_trace(who, community, origin, {**facts, "count": len(found.entries)})
        return found

    async def who_looked(self, who: Who, origin: str | None) -> list[Looked]:
        """Newest first. Raises NotAllowed, StoreUnavailable."""
        number, now_us = person_of(who), self._look_ups.now_us()
        community, found = await self._look_ups.questions.ask(
            lambda db: _who_looked(db, self._look_ups.vault, number, now_us)
        )
        facts = {"what": "look-ups", "count": len(found)}
        await self._leaves_a_trace(who, community, origin, facts)
        return found

    async def _leaves_a_trace(
        self, who: Who, community: int, origin: str | None, facts: Mapping[str, Any]
    ) -> None:
        at_us, by = self._look_ups.now_us(), {"role": who.role, "unit": None, "origin": origin}
        await self._look_ups.record(
            lambda db: audit.append(
                db,
                Happened.OWN_READ,
                look_up=None,
                community=community,
                at_us=at_us,
                account=who.account,
                facts={**facts, "by": by},
            )
        )


def _entries(
    connection: Connection, number: int, window: Window, cursor: str | None
) -> tuple[int, OwnEntries]:
    community = community_of(connection, number)
    refuse_before_live(connection, community)
    after = None if cursor is None else place_of(cursor)
    same = holders.same_as(connection, number)
    held = holders.of_persons(connection, community, same, window)
    branches = [questions.of_holder(each.reference, each.window) for each in held]
    found, more = page(connection, branches, PAGE, after)
    known = completeness_of(connection, questions.gateways_of(connection, community))
    ends = [each.complete_until_us for each in known]
    until_us = min((end for end in ends if end is not None), default=None) if None not in ends else None
    complete = bool(known) and all(each.is_complete(window.from_us, window.until_us) for each in known)
    ended_us = known[0].ended_within(window.from_us) if known else None
    further = cursor_of(found[-1].place) if more else None
    return community, OwnEntries([_entry(each) for each in found], further, complete, until_us, ended_us)


def _entry(found: Found) -> Entry:
    """What may be shown of it; whose it is goes without saying."""
    known = {each.name for each in fields(Found)}
    return Entry(**{each.name: getattr(found, each.name) for each in fields(Entry) if each.name in known})


def _who_looked(
    connection: Connection, vault: Vault | None, number: int, now_us: int
) -> tuple[int, list[Looked]]:
    community = community_of(connection, number)
    same = holders.same_as(connection, number)
    revealed = _revealed(connection, community, same, now_us - BACK_US)
    mine = _Mine(connection, vault, community, same)
    query = (
        select(look_up, look_up_subject.c.sealed)
        .outerjoin(look_up_subject, look_up_subject.c.id == look_up.c.id)
        .where(look_up.c.community_id == community)
        .where(look_up.c.at > now_us - BACK_US, look_up.c.at <= now_us - TOLD_AFTER_US)
        .order_by(look_up.c.id.desc())
    )
    rows = [row for row in connection.execute(query) if row.id in revealed or mine.is_asked_for(row)]
    happened = _happened(connection, [row.id for row in rows])
    states = states_of(connection, [row.id for row in rows])
    return community, [
        _looked(row, revealed.get(row.id, ()), happened[row.id])
        for row in rows
        if Happened.ANSWERED in happened[row.id] and not _is_delayed(row, states[row.id].acts, now_us)
    ]


def _looked(row: Row[Any], revealed: Collection[Shown], happened: Collection[Happened]) -> Looked:
    return Looked(
        number=row.id,
        at_us=row.at,
        role=row.role,
        unit=row.unit,
        purpose=row.purpose,
        basis=row.basis,
        question=row.question,
        revealed=tuple(each for each in Shown if each in revealed),
        exported=Happened.EXPORTED in happened,
    )


def _is_delayed(row: Row[Any], acts: Mapping[Act, str], now_us: int) -> bool:
    return acts.get(Act.DELAY) in ("waits", "approved") and now_us < row.at + LONGEST_DELAY_US


def _revealed(
    connection: Connection, community: int, same: Collection[int], since_us: int
) -> dict[int, set[Shown]]:
    """By look-up: what of one's own entries was unmasked, whatever was asked for."""
    columns = look_up_event.c
    query = select(look_up_event).where(
        columns.community_id == community, columns.kind == Happened.REVEALED, columns.at > since_us
    )
    every = [(row.look_up_id, facts_of(row)) for row in connection.execute(query)]
    references = {each.reference for each in holders.of_persons(connection, community, same, _ALWAYS)}
    mine = held_by(connection, {facts["record"] for _, facts in every}, references)
    found: dict[int, set[Shown]] = defaultdict(set)
    for number, facts in every:
        if facts["record"] in mine:
            found[number].add(Shown(facts["shown"]))
    return found


def _happened(connection: Connection, numbers: Sequence[int]) -> dict[int, set[Happened]]:
    columns, found = look_up_event.c, {number: set[Happened]() for number in numbers}
    for first in range(0, len(numbers), _AT_ONCE):
        these = columns.look_up_id.in_(numbers[first : first + _AT_ONCE])
        for row in connection.execute(select(columns.look_up_id, columns.kind).where(these)):
            found[row.look_up_id].add(Happened(row.kind))
    return found


class _Mine:
    """What a look-up may have named of one: the number, also a former one; a room while one lived there; a
    card while it was theirs."""

    def __init__(
        self, connection: Connection, vault: Vault | None, community: int, same: Collection[int]
    ) -> None:
        self._vault = vault
        self._indexes = set(_indexes(connection, same))
        lived = residency.c
        rooms = select(lived.place_id, lived.from_at, lived.until_at).where(
            lived.community_id == community, lived.person_id.in_(same), lived.voided_at.is_(None)
        )
        self._lived = connection.execute(rooms).all()
        cards = (
            select(credential_token.c.site, credential_token.c.token)
            .join(credential, credential.c.id == credential_token.c.credential_id)
            .where(credential.c.community_id == community, credential.c.person_id.in_(same))
        )
        self._tokens = {(row.site, row.token) for row in connection.execute(cards)}

    def is_asked_for(self, row: Row[Any]) -> bool:
        match row.question:
            case Asked.PERSON:
                return row.subject in self._indexes
            case Asked.ROOM:
                asked, room = Window(row.from_at, row.until_at), json.loads(row.parameters)["room"]
                return any(
                    each.place_id == room and asked.cut(each.from_at, each.until_at) for each in self._lived
                )
            case Asked.CARD:
                return self._is_my_card(row)
        return False

    def _is_my_card(self, row: Row[Any]) -> bool:
        if self._vault is None or not self._tokens:
            return False
        try:
            text = subject_text(self._vault, row)
        except IdentityGone:
            return False  # what number that was is kept nowhere any more
        return any(
            self._vault.token(site, text["kind"], text["number"]) == token
            for site, token in self._tokens
            if self._vault.has_site(site)
        )


def _indexes(connection: Connection, same: Collection[int]) -> Iterator[bytes]:
    former = person_former.c
    for column, whose in ((person.c.number_index, person.c.id), (former.number_index, former.person_id)):
        query = select(column).where(whose.in_(same), column.is_not(None))
        yield from connection.execute(query).scalars()
