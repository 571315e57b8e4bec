"""Who it was: one field of one record that was shown, opened after the row about it is committed (R-96)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, and_, or_, select

from central.errors import Clash, IdentityGone, NotThere
from central.honey import touches
from central.identity.opening import row_name
from central.identity.vault import Vault
from central.lookup.masking import hidden_of, of_a_pass
from central.lookup.paging import Found, one
from central.lookup.rules import Asker, checked_why
from central.lookup.service import LookUps, append_of, toucher_of
from central.lookup.states import own_row, state_of
from central.lookup.words import Happened, Shown, Through
from central.store.identity_tables import envelope
from central.store.lookup_tables import case_hold, case_hold_entry
from central.store.register_tables import credential, credential_token, holder, person, place, residency
from central.store.visitor_tables import visitor_pass
from central.visitors.passes import opened_pass
from messages.envelope import VisitorIdentity, unpadded

_DEEPEST: Final = 12
"""Places above a room: more would be a ring."""


class Registered(Struct):
    """What is read of a person's sealed row."""

    name: str | None = None
    number: str | None = None


@dataclass(frozen=True, slots=True)
class Revealed:
    """`value` None: it is not known. `also`: numbers of further records of the same person that bear it."""

    value: str | None
    also: tuple[int, ...]

    def __repr__(self) -> str:
        return "Revealed(...)"


async def reveal(
    look_ups: LookUps, asker: Asker, number: int, record: int, *, shown: Shown, why: str
) -> str | None:
    """None: it is not known. Raises as `reveal_beside` does."""
    return (await reveal_beside(look_ups, asker, number, record, shown=shown, why=why)).value


async def reveal_beside(
    look_ups: LookUps,
    asker: Asker,
    number: int,
    record: int,
    *,
    shown: Shown,
    why: str,
    beside: Collection[int] = (),
) -> Revealed:
    """A name is somebody's, and no record's: of the records `beside` it, those of the same person bear it,
    too, by the same act, which names them. Raises NotThere, BadQuestion, Clash (no such field), IdentityGone,
    StoreUnavailable."""
    checked_why(why)
    row, found, also = await look_ups.questions.ask(
        lambda db: _shown_before(db, asker, number, record, beside if shown is Shown.NAME else ())
    )
    if shown not in hidden_of(found):
        raise Clash("this record has no such field")
    facts: dict[str, Any] = {"record": record, "shown": shown, "why": why}
    if also:
        facts["also"] = also
    now_us = look_ups.now_us()

    def revealed(db: Connection) -> None:
        append_of(db, row, Happened.REVEALED, facts, asker=asker, at_us=now_us)
        people, by = _people_of(db, row.community_id, found, shown), toucher_of(asker)
        touches.note(db, row.community_id, people, by, Through.REVEAL, now_us=now_us, look_up=row.id)

    await look_ups.record(revealed)
    value = await look_ups.questions.ask(lambda db: opened(db, look_ups.vault, row, found, shown))
    return Revealed(value, tuple(also))


def opened(connection: Connection, vault: Vault | None, row: Any, found: Found, shown: Shown) -> str | None:
    """What a record's row in the register of look-ups allows to be read. Raises IdentityGone,
    IdentityDamaged."""
    if vault is None:
        raise IdentityGone("this centre has no key ring")
    if shown is Shown.CARD:
        return _card(connection, vault, row.community_id, found)
    if of_a_pass(found) and shown is not Shown.ID_NUMBER:
        return _on_the_pass(connection, vault, row.community_id, found, shown)
    if found.holder is None or of_a_pass(found):
        visitor = opened_visitor(connection, vault, row, found)
        return visitor.name if shown is Shown.NAME else visitor.number
    holder_row = _holder(connection, row.community_id, found)
    if holder_row is None:
        return None
    if shown is Shown.HOME:
        return _home(connection, holder_row.person_id, found.at_us)
    here = select(person.c.sealed).where(person.c.id == holder_row.person_id)
    sealed = connection.execute(here).scalar_one()
    text = vault.open_register(row.community_id, f"person:{holder_row.person_id}", sealed)
    registered = msgspec.json.decode(text, type=Registered)
    return registered.name if shown is Shown.NAME else registered.number


def _shown_before(
    connection: Connection, asker: Asker, number: int, record: int, beside: Collection[int]
) -> tuple[Any, Found, list[int]]:
    row = own_row(connection, asker, number)
    given = state_of(connection, number).given
    if record not in given:
        raise NotThere("no such record in what this look-up has shown")
    found = one(connection, record)
    if found is None:
        raise NotThere("the record is not here any more")
    others = sorted(given & set(beside) - {record})
    return row, found, list(_of_the_same(connection, row.community_id, found, others))


def _of_the_same(
    connection: Connection, community: int, found: Found, others: Collection[int]
) -> Iterator[int]:
    """Which of the records are of the same pass, or of the person that the same holder was then, too."""
    if found.holder is None:
        return
    held = None if of_a_pass(found) else _holder(connection, community, found)
    for number in others:
        other = one(connection, number)
        if other is None or other.holder != found.holder or of_a_pass(other) != of_a_pass(found):
            continue
        if of_a_pass(other):
            yield number
        elif held is not None:
            then = _holder(connection, community, other)
            if then is not None and then.person_id == held.person_id:
                yield number


def _holder(connection: Connection, community: int, found: Found) -> Any | None:
    """Whom that holder was then."""
    columns = holder.c
    then = and_(
        columns.from_at <= found.at_us, or_(columns.until_at.is_(None), columns.until_at > found.at_us)
    )
    here = (columns.reference == found.holder, columns.community_id == community)
    return connection.execute(select(columns.person_id).where(*here, then)).first()


def _people_of(connection: Connection, community: int, found: Found, shown: Shown) -> list[int]:
    """Whom of the register a field of a record speaks of."""
    if shown is not Shown.CARD:
        held = None if found.holder is None or of_a_pass(found) else _holder(connection, community, found)
        return [] if held is None else [held.person_id]
    cards = (
        select(credential.c.person_id)
        .join(credential_token, credential_token.c.credential_id == credential.c.id)
        .where(credential_token.c.site == found.site, credential_token.c.token == found.token)
        .where(credential.c.community_id == community)
    )
    return list(connection.execute(cards).scalars())


def _on_the_pass(
    connection: Connection, vault: Vault, community: int, found: Found, shown: Shown
) -> str | None:
    """As it was written when the pass was issued; None where nobody asked."""
    columns = visitor_pass.c
    here = (columns.reference == found.holder, columns.community_id == community)
    row = connection.execute(select(visitor_pass).where(*here)).first()
    if row is None:
        return None
    if shown is Shown.VISITED:
        return None if row.room_id is None else _path(connection, row.room_id)
    kept = opened_pass(vault, row)
    return kept[0] or None if kept else None


def _home(connection: Connection, person_id: int, at_us: int) -> str | None:
    columns = residency.c
    then = (
        columns.person_id == person_id,
        columns.from_at <= at_us,
        columns.until_at.is_(None) | (columns.until_at > at_us),
        columns.voided_at.is_(None),
    )
    rooms = connection.execute(select(columns.place_id).where(*then).order_by(columns.id)).scalars()
    homes = [_path(connection, room) for room in rooms]
    return "; ".join(homes) or None


def _path(connection: Connection, number: int) -> str:
    names: list[str] = []
    at: int | None = number
    while at is not None and len(names) < _DEEPEST:
        row = connection.execute(select(place.c.name, place.c.parent_id).where(place.c.id == at)).one()
        names.append(row.name)
        at = row.parent_id
    return " ".join(reversed(names))


def _card(connection: Connection, vault: Vault, community: int, found: Found) -> str | None:
    """Its number where the register has it; else what the record itself hints at."""
    rows = (
        select(credential.c.id, credential.c.sealed)
        .join(credential_token, credential_token.c.credential_id == credential.c.id)
        .where(credential_token.c.site == found.site, credential_token.c.token == found.token)
        .where(credential.c.community_id == community)
        .order_by(credential.c.id.desc())
    )
    row = connection.execute(rows).first()
    if row is None:
        return None if found.hint is None else f"…{found.hint}"
    return vault.open_register(community, f"credential:{row.id}", row.sealed).decode()


def opened_visitor(connection: Connection, vault: Vault, row: Any, found: Found) -> VisitorIdentity:
    """As long as the day's keys are there; after that as the case of the look-up holds it. Raises
    IdentityGone, IdentityDamaged, Clash."""
    try:
        return _of_the_day(connection, vault, row, found)
    except IdentityGone:
        held = _held(connection, row, found)
        if held is None:
            raise
        name = f"case_hold_entry:{held.id}"
        return unpadded(vault.open_register(row.community_id, name, held.sealed))


def _of_the_day(connection: Connection, vault: Vault, row: Any, found: Found) -> VisitorIdentity:
    columns = envelope.c
    here = (columns.gateway_id == found.gateway_id, columns.epoch == found.epoch, columns.seq == found.seq)
    sealed = connection.execute(
        select(envelope).where(*here, columns.community_id == row.community_id)
    ).first()
    if sealed is None:
        raise IdentityGone("what was kept of this visitor was deleted when its time was over, or never came")
    if sealed.waits:
        raise Clash("this visitor's envelope could not be opened yet; ask again later")
    name = row_name(found.site, found.gateway, found.epoch, found.seq)
    return unpadded(vault.open_period(sealed.community_id, sealed.period, name, sealed.sealed))


def _held(connection: Connection, row: Any, found: Found) -> Any | None:
    columns = case_hold_entry.c
    here = (columns.gateway_id == found.gateway_id, columns.epoch == found.epoch, columns.seq == found.seq)
    query = (
        select(columns.id, columns.sealed)
        .join(case_hold, case_hold.c.id == columns.case_hold_id)
        .where(*here, columns.community_id == row.community_id, columns.sealed.is_not(None))
        .where(case_hold.c.case_number == row.case_number)
    )
    return connection.execute(query.order_by(columns.id.desc()).limit(1)).first()
