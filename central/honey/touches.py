"""Who touches a honey record: noted in the register of look-ups, which only grows, and told oversight alone.

Written within the transaction of what touches it, or before the answer where that writes nothing itself. The
answer is what it would be of anybody; that an alarm was raised is in none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, and_, func, select

from central.accounts.who import Role
from central.errors import BadQuestion, Clash, NotThere
from central.identity.vault import Vault
from central.lookup import audit
from central.lookup.audit import facts_of
from central.lookup.words import Asked, Happened, Through
from central.store.account_tables import account, machine_token
from central.store.honey_tables import honey_record
from central.store.lookup_tables import look_up_event
from central.store.register_tables import credential, person, residency

PAGE: Final = 100
MAX_NOTE: Final = 300
OVERSIGHT: Final = frozenset({Role.APPROVER, Role.SUPERVISOR})
"""Who plants honey records, and sees to who touches them."""


@dataclass(frozen=True, slots=True)
class Toucher:
    """By account; `unit` and `origin` (the address) where they are known."""

    account: int
    role: str
    unit: str | None = None
    origin: str | None = None

    def told(self) -> dict[str, str | None]:
        """As facts of a row of the register of look-ups."""
        return {"role": self.role, "unit": self.unit, "origin": self.origin}


@dataclass(frozen=True, slots=True)
class Alarm:
    """`number`: of its row in the register of look-ups. `honey`: which record; `look_up`: by which one."""

    number: int
    at_us: int
    account: int
    role: str
    through: Through
    honey: int
    look_up: int | None
    seen_us: int | None
    seen_by: int | None
    note: str | None


def lasting(community: int) -> Any:
    """Of `honey_record`: those that nobody removed, and whose row is nobody's still. One whose number was
    corrected, that was merged, or into which somebody was merged, may be somebody real: it rests."""
    planted, row, gone = honey_record.c, person.c, person.alias("gone")
    same = select(row.id).where(
        row.id == planted.person_id, row.number_index == planted.number_index, row.merged_into.is_(None)
    )
    merged = select(gone.c.id).where(gone.c.merged_into == planted.person_id)
    return and_(
        planted.community_id == community, planted.removed_at.is_(None), same.exists(), ~merged.exists()
    )


def made_up_among(connection: Connection, community: int, people: Iterable[int]) -> list[int]:
    """Which of these people of the register are honey records that last; ids of `honey_record`."""
    asked = sorted(set(people))
    if not asked:
        return []
    here = lasting(community) & honey_record.c.person_id.in_(asked)
    query = select(honey_record.c.id).where(here).order_by(honey_record.c.id)
    return list(connection.execute(query).scalars())


def made_up_people(connection: Connection, community: int) -> dict[int, int]:
    """By their ids in the register: the honey records that last."""
    query = select(honey_record.c.person_id, honey_record.c.id).where(lasting(community))
    return {row.person_id: row.id for row in connection.execute(query)}


def note(
    connection: Connection,
    community: int,
    people: Iterable[int],
    by: Toucher,
    through: Through,
    *,
    now_us: int,
    look_up: int | None = None,
    among: Mapping[int, int] | None = None,
) -> None:
    """An alarm for each of these people who is made up; oversight itself raises none. `among`: who was, as
    `made_up_people` gives it, before an act that may have made somebody real of them; None: now."""
    if by.role not in OVERSIGHT:
        made_up = made_up_people(connection, community) if among is None else among
        touched = sorted(made_up[each] for each in set(people) & made_up.keys())
        if touched:
            by = _known(connection, by)
        _append(connection, community, touched, by, through, now_us=now_us, look_up=look_up)


def note_look_up(
    connection: Connection,
    vault: Vault | None,
    row: Mapping[str, Any],
    by: Toucher,
    *,
    look_up: int | None,
    number: str | None,
    room: int | None,
) -> None:
    """`row`: of `look_up`, which was written just now; of one that was refused, what it would have said.
    `number`: that it asks for. Of a room whoever lived there is meant; where somebody real did too, there was
    a reason to ask."""
    people = _meant(connection, vault, row, number=number, room=room)
    note(connection, row["community_id"], people, by, Through.LOOK_UP, now_us=row["at"], look_up=look_up)


def note_again(connection: Connection, row: Any, by: Toucher, through: Through, now_us: int) -> None:
    """What comes of a look-up that touched some: `row` of `look_up`."""
    columns = look_up_event.c
    here = (columns.look_up_id == row.id) & (columns.kind == Happened.HONEY_TOUCHED)
    before = {facts_of(each)["honey"] for each in connection.execute(select(look_up_event).where(here))}
    if before:
        still = lasting(row.community_id) & honey_record.c.id.in_(sorted(before))
        query = select(honey_record.c.id).where(still).order_by(honey_record.c.id)
        touched = list(connection.execute(query).scalars())
        _append(connection, row.community_id, touched, by, through, now_us=now_us, look_up=row.id)


# --- what oversight is told


def alarms(
    connection: Connection, community: int, *, before: int | None = None, limit: int = PAGE
) -> list[Alarm]:
    """Newest first; `before`: those with lower numbers alone."""
    columns = look_up_event.c
    here = [columns.community_id == community, columns.kind == Happened.HONEY_TOUCHED]
    here += [] if before is None else [columns.id < before]
    query = select(look_up_event).where(*here).order_by(columns.id.desc()).limit(limit)
    rows = connection.execute(query).all()
    seen = _seen(connection, community, since=min((row.id for row in rows), default=0))
    return [_alarm(row, seen.get(row.id)) for row in rows]


def unseen(connection: Connection, communities: Collection[int]) -> int:
    """How many alarms nobody has seen to."""
    columns = look_up_event.c
    of_kind = select(func.count()).select_from(look_up_event)
    raised, seen = (
        connection.execute(
            of_kind.where(columns.community_id.in_(communities), columns.kind == kind)
        ).scalar_one()
        for kind in (Happened.HONEY_TOUCHED, Happened.HONEY_SEEN)
    )
    return int(raised - seen)


def see_to(
    connection: Connection, community: int, number: int, by: Toucher, *, said: str, now_us: int
) -> Alarm:
    """Somebody has taken it up. Raises BadQuestion, NotThere, and Clash where somebody else has already."""
    if len(said) > MAX_NOTE:
        raise BadQuestion("note", f"at most {MAX_NOTE} letters")
    audit.one_at_a_time(connection)  # whoever comes second finds it seen to
    columns = look_up_event.c
    here = (columns.id == number, columns.community_id == community, columns.kind == Happened.HONEY_TOUCHED)
    row = connection.execute(select(look_up_event).where(*here)).one_or_none()
    if row is None:
        raise NotThere("there is no such alarm")
    if number in _seen(connection, community, since=number):
        raise Clash("somebody has seen to this alarm already")
    facts = {"alarm": number, "note": said or None, "by": by.told()}
    audit.append(
        connection,
        Happened.HONEY_SEEN,
        look_up=row.look_up_id,
        community=community,
        at_us=now_us,
        account=by.account,
        facts=facts,
    )
    return _alarm(row, (now_us, by.account, said or None))


# --- within


def _meant(
    connection: Connection,
    vault: Vault | None,
    row: Mapping[str, Any],
    *,
    number: str | None,
    room: int | None,
) -> list[int]:
    community = row["community_id"]
    made_up = sorted(made_up_people(connection, community))
    if not made_up:
        return []
    match Asked(row["question"]):
        case Asked.PERSON if number is not None and vault is not None:
            index = vault.register_index(community, "id_number", number)
            asked = select(person.c.id).where(person.c.id.in_(made_up), person.c.number_index == index)
        case Asked.CARD if number is not None and vault is not None:
            index = vault.register_index(community, "card", number)
            cards = credential.c
            asked = select(cards.person_id).where(cards.person_id.in_(made_up), cards.number_index == index)
        case Asked.ROOM if room is not None:
            return _lived_alone(connection, row, room, made_up)
        case _:
            return []
    return list(connection.execute(asked).scalars())


def _lived_alone(connection: Connection, row: Mapping[str, Any], room: int, made_up: list[int]) -> list[int]:
    """Those of a room in which nobody else lived within the time."""
    columns = residency.c
    lived = (
        columns.community_id == row["community_id"],
        columns.place_id == room,
        columns.voided_at.is_(None),
        columns.from_at < row["until_at"],
        columns.until_at.is_(None) | (columns.until_at > row["from_at"]),
    )
    there = set(connection.execute(select(columns.person_id).where(*lived)).scalars())
    return sorted(there) if there <= set(made_up) else []


def _append(
    connection: Connection,
    community: int,
    touched: Iterable[int],
    by: Toucher,
    through: Through,
    *,
    now_us: int,
    look_up: int | None,
) -> None:
    for each in touched:
        audit.append(
            connection,
            Happened.HONEY_TOUCHED,
            look_up=look_up,
            community=community,
            at_us=now_us,
            account=by.account,
            facts={"honey": each, "through": through, "by": by.told()},
        )


def _known(connection: Connection, by: Toucher) -> Toucher:
    """With the unit of the account, where whoever noted it did not know it; a machine's token has none."""
    if by.unit is not None or by.account <= 0:
        return by
    asked = select(account.c.unit).where(account.c.id == by.account)
    return replace(by, unit=connection.execute(asked).scalar())


def acting_as(connection: Connection, number: int) -> Toucher:
    """Whoever works for an account without being signed in, an import for who consented to it: the account's
    role, or the token's (below 0)."""
    table, key = (account, number) if number > 0 else (machine_token, -number)
    role = connection.execute(select(table.c.role).where(table.c.id == key)).scalar()
    return _known(connection, Toucher(number, role or Role.WORKER))


def _seen(connection: Connection, community: int, since: int) -> dict[int, tuple[int, int, str | None]]:
    """By the alarm's number: when, by whom, with which note. `since`: number of the oldest alarm."""
    columns = look_up_event.c
    here = (columns.community_id == community, columns.kind == Happened.HONEY_SEEN, columns.id > since)
    found = {}
    for row in connection.execute(select(look_up_event).where(*here)):
        facts = facts_of(row)
        found[facts["alarm"]] = (row.at, row.account, facts["note"])
    return found


def _alarm(row: Any, seen: tuple[int, int, str | None] | None) -> Alarm:
    facts = facts_of(row)
    seen_us, seen_by, said = seen or (None, None, None)
    return Alarm(
        number=row.id,
        at_us=row.at,
        account=row.account,
        role=facts["by"]["role"],
        through=Through(facts["through"]),
        honey=facts["honey"],
        look_up=row.look_up_id,
        seen_us=seen_us,
        seen_by=seen_by,
        note=said,
    )
