"""Takes back what an import did, last things first, as long as nothing later builds on them.

Nothing is deleted: cards are returned, residencies voided, people deregistered, places end, each with its
event. What cannot be taken back stays, and its row says why.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import Connection, bindparam, func, select, update

from central.register.desk import Desk
from central.register.imports import undo_people, undo_places
from central.register.imports.bulk import Bulk, Ids
from central.register.imports.states import UNDONE, Effect
from central.register.imports.undo_part import Done, Part
from central.store.import_tables import import_effect, import_row

AT_ONCE: Final = 500
"""Effects in one transaction."""


@dataclass(frozen=True, slots=True)
class Through:
    """`through`: the effect up to which it went, downwards. `all_of_them`: how many there are."""

    through: int
    done: int
    all_of_them: int


_TOGETHER: Final[tuple[tuple[frozenset[Effect], Callable[[Part, list[Done]], None]], ...]] = (
    (frozenset({Effect.CARD_ISSUED, Effect.CARD_EXTENDED}), undo_people.cards),
    (
        frozenset({Effect.MOVED_IN, Effect.RESIDENCY_ENDED, Effect.RESIDENCY_CORRECTED}),
        undo_people.homes,
    ),
    (frozenset({Effect.LEASE_MADE, Effect.LEASE_EXTENDED}), undo_places.leases),
    (frozenset({Effect.PERSON_REGISTERED, Effect.PERSON_CORRECTED}), undo_people.people),
    (frozenset({Effect.USE_SET}), undo_places.uses),
    (frozenset({Effect.CODE_SET}), undo_places.codes),
    (frozenset({Effect.PLACE_CREATED}), undo_places.places),
)
"""In the order in which things build on each other, from the top down. Everything builds on what has a lower
number, so that a part of the highest numbers never takes the ground from under another one."""


def undo_part(desk: Desk, number: int, below: int, reason: str) -> Through | None:
    """The next part; None where there is none. Within the caller's transaction."""
    mine = (import_effect.c.import_id == number) & import_effect.c.undone.is_(None)
    part = select(import_effect).where(mine, import_effect.c.id < below)
    rows = desk.connection.execute(part.order_by(import_effect.c.id.desc()).limit(AT_ONCE)).all()
    if not rows:
        return None
    counted = select(func.count()).select_from(import_effect).where(mine)
    all_of_them = int(desk.connection.execute(counted).scalar_one())
    work = Part(desk, Bulk(desk, number), Ids(desk), f"撤销导入 {number}：{reason}"[:200])
    done = [Done(row.id, Effect(row.kind), row.subject_id, row.at, json.loads(row.body)) for row in rows]
    for kinds, take_back in _TOGETHER:
        chosen = [each for each in done if each.kind in kinds]
        if chosen:
            take_back(work, chosen)
            work.bulk.flush()
    work.mark()
    values = [{"the_id": each.id, "how": work.kept.get(each.id, UNDONE)} for each in done]
    here = import_effect.c.id == bindparam("the_id")
    desk.connection.execute(update(import_effect).where(here).values(undone=bindparam("how")), values)
    return Through(rows[-1].id, len(rows), all_of_them)


def tell_kept(connection: Connection, number: int) -> int:
    """Says at each row why something of it is still there; how many rows."""
    mine = (import_effect.c.import_id == number) & (import_effect.c.undone != UNDONE)
    found: dict[int, set[str]] = defaultdict(set)
    for row in connection.execute(select(import_effect.c.row_number, import_effect.c.undone).where(mine)):
        found[row.row_number].add(row.undone)
    values = [
        {"the_row": row, "why": msgspec.json.encode(sorted(codes)).decode()} for row, codes in found.items()
    ]
    if values:
        here = (import_row.c.import_id == number) & (import_row.c.number == bindparam("the_row"))
        connection.execute(update(import_row).where(here).values(kept_because=bindparam("why")), values)
    return len(values)
