"""Keeps, for a case and for a time, who the visitors of a look-up were, beyond the end of their day's keys.

Approved by a second person like an export. What is held is sealed with the community's register key and can
be revealed by look-ups of the same case alone; when its time is over it is deleted (trust.md section 5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update

from central.errors import BadQuestion, Clash, IdentityGone
from central.honey import touches
from central.identity.periods import DAY_US
from central.identity.vault import Vault
from central.lookup import audit
from central.lookup.exporting import gathered, may_take_out
from central.lookup.paging import Found
from central.lookup.revealing import opened_visitor
from central.lookup.rules import MOST_HOLD_DAYS, Asker
from central.lookup.service import LookUps, append_of, toucher_of
from central.lookup.words import Act, Happened, Through
from central.store.lookup_tables import case_hold, case_hold_entry
from central.store.tables import record
from messages.envelope import padded

MOST_HELD: Final = 2_000
_NOBODY: Final = 0
"""In the register of look-ups, as account: the centre itself, because the time was over."""


@dataclass(frozen=True, slots=True)
class Hold:
    id: int
    until_us: int
    records: int
    identities: int
    """Of how many it is known who they were; of residents the register says it."""


async def hold(look_ups: LookUps, asker: Asker, number: int, days: int) -> Hold:
    """Raises NotThere, NotAllowed, BadQuestion, Clash, StoreUnavailable."""
    if not 1 <= days <= MOST_HOLD_DAYS:
        raise BadQuestion("days", f"1 to {MOST_HOLD_DAYS}")
    vault = look_ups.vault
    if vault is None:
        raise Clash("this centre has no key ring, and nothing to hold")
    now_us = look_ups.now_us()
    row, state = await look_ups.questions.ask(lambda db: may_take_out(db, asker, number, Act.HOLD, now_us))
    found = (await gathered(look_ups, row, state)).found
    if len(found) > MOST_HELD:
        raise BadQuestion("days", f"more than {MOST_HELD} records; ask for a shorter time")
    until_us = now_us + days * DAY_US
    return await look_ups.record(
        lambda db: _held(db, vault, row, found, asker=asker, now_us=now_us, until_us=until_us)
    )


def end_holds(connection: Connection, now_us: int) -> int:
    """Deletes what is held for longer than it may be; how many holds. Within the caller's transaction."""
    columns = case_hold.c
    due = select(case_hold).where(columns.ended_at.is_(None), columns.until_at <= now_us)
    rows = connection.execute(due.order_by(columns.id)).all()
    for row in rows:
        here = case_hold_entry.c.case_hold_id == row.id
        gone = connection.execute(delete(case_hold_entry).where(here)).rowcount
        connection.execute(update(case_hold).where(columns.id == row.id).values(ended_at=now_us))
        audit.append(
            connection,
            Happened.HOLD_ENDED,
            look_up=row.look_up_id,
            community=row.community_id,
            at_us=now_us,
            account=_NOBODY,
            facts={"hold": row.id, "records": gone},
        )
    return len(rows)


def holds_on(connection: Connection, gateway_id: int, epoch: int, seq: int) -> int:
    """How many cases still need that record: `retention.entries` leaves it where it is."""
    columns = case_hold_entry.c
    here = (columns.gateway_id == gateway_id, columns.epoch == epoch, columns.seq == seq)
    return connection.execute(select(func.count()).select_from(case_hold_entry).where(*here)).scalar_one()


def _held(
    connection: Connection,
    vault: Vault,
    row: Any,
    found: Sequence[Found],
    *,
    asker: Asker,
    now_us: int,
    until_us: int,
) -> Hold:
    _keep_back(connection, found)
    own = {"community_id": row.community_id, "look_up_id": row.id, "case_number": row.case_number}
    made = connection.execute(insert(case_hold).values(**own, made_at=now_us, until_at=until_us))
    assert made.inserted_primary_key is not None
    number = int(made.inserted_primary_key[0])
    identities = sum([_entry(connection, vault, row, number, each) for each in found])
    facts = {"hold": number, "until": until_us, "records": len(found), "identities": identities}
    append_of(connection, row, Happened.HELD, facts, asker=asker, at_us=now_us)
    touches.note_again(connection, row, toucher_of(asker), Through.HOLD, now_us)
    return Hold(number, until_us, len(found), identities)


def _keep_back(connection: Connection, found: Sequence[Found]) -> None:
    """From now until this transaction has ended nobody deletes these records, and after it they are held.
    Raises Clash where some were deleted since they were found."""
    numbers = [each.id for each in found]
    there = select(record.c.id).where(record.c.id.in_(numbers)).with_for_update(read=True)
    if len(connection.execute(there).all()) < len(numbers):
        raise Clash("the time of some of these records was over just now; ask again")


def _entry(connection: Connection, vault: Vault, row: Any, number: int, found: Found) -> bool:
    """Whether it is known who that was."""
    place = {"gateway_id": found.gateway_id, "epoch": found.epoch, "seq": found.seq, "at": found.at_us}
    own = {"community_id": row.community_id, "case_hold_id": number}
    made = connection.execute(insert(case_hold_entry).values(**own, **place))
    if found.identity is None:
        return False
    try:
        identity = opened_visitor(connection, vault, row, found)
    except (IdentityGone, Clash):
        return False  # its day is over, or it waits: the record alone is held
    assert made.inserted_primary_key is not None
    entry = int(made.inserted_primary_key[0])
    sealed = vault.seal_register(row.community_id, f"case_hold_entry:{entry}", padded(identity))
    here = case_hold_entry.c.id == entry
    connection.execute(update(case_hold_entry).where(here).values(sealed=sealed))
    return True
