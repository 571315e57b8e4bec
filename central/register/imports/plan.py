"""What one row comes to: changes of the register, differences to be shown, or faults. Pure but for the vault.

A row is taken whole or not at all: where anything of it is wrong, nothing of it is done. What a row leaves
out stays as it is, and nothing is ever taken away because a file does not name it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from central.identity.vault import Vault
from central.register.imports import plan_cards, plan_homes, plan_people, plan_places
from central.register.imports.columns import LEVELS, Field
from central.register.imports.faults import Fault
from central.register.imports.known import Indexed, Known
from central.register.imports.plan_row import Difference, NewId, OneRow, Planned


@dataclass(frozen=True, slots=True)
class Planner:
    """For rows of one file, in their order; `known` grows with each good one."""

    vault: Vault
    known: Known
    new_id: NewId
    now_us: int

    def plan(self, row: Indexed, shown: Sequence[Difference] | None = None) -> Planned:
        """`shown`: what somebody agreed to; where it would be anything else, the row is wrong. What rows of
        one home share, the first good one of them makes, whichever that is by now."""
        one = OneRow(row, self.vault, self.known, self.new_id, self.now_us)
        _go(one)
        if shown is not None and (one.planned.faults or _own(one.planned.differences) != _own(shown)):
            one.planned.faults = [Fault(None, "changed_meanwhile")]
        if not one.planned.faults:
            for take in one.takes:
                take()
        return one.planned


_SHARED: Final = frozenset({*LEVELS, Field.CODE, Field.USE, Field.LEASE_FROM, Field.LEASE_UNTIL})


def _own(differences: Sequence[Difference]) -> list[Difference]:
    return [each for each in differences if each.old is not None or each.field not in _SHARED]


def _go(one: OneRow) -> None:
    room = plan_places.room(one)
    if room is not None:
        plan_places.use(one, room)
    if one.wanted.name is None:
        return
    found = plan_people.person(one, room)
    if found is None:
        return
    person, fresh = found
    lease = None if room is None else plan_homes.lease(one, room)
    if room is not None and not one.planned.faults:
        plan_homes.home(one, person, fresh=fresh, room=room, lease=lease)
    if one.wanted.card is not None:
        plan_cards.card(one, person)
