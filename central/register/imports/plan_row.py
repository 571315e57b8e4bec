"""One row on its way to a plan: what it asks for, what is known, and what it comes to so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec import Struct

from central.identity.vault import Vault
from central.register.imports.changes import Change
from central.register.imports.columns import Field
from central.register.imports.faults import Fault
from central.register.imports.known import Indexed, Known, KnownCard, KnownHome
from central.register.imports.states import Outcome

NewId = Callable[[str], int]
"""For a row of that table; below zero in a preview, which writes nothing."""


class Difference(Struct, frozen=True):
    """`old` None: there was nothing. Identity is masked; days are microseconds UTC."""

    field: Field
    old: str | int | None
    new: str | int


@dataclass(slots=True)
class Planned:
    """`met`: people of the register whom the row names, by their ids."""

    row: int
    changes: list[Change] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    is_new: bool = False
    met: set[int] = field(default_factory=set)

    @property
    def outcome(self) -> Outcome:
        if self.faults:
            return Outcome.WRONG
        if not self.changes:
            return Outcome.SAME
        return Outcome.NEW if self.is_new else Outcome.CHANGED


class OneRow:
    """`takes`: what `known` learns of it, once it is known to be good. `again`: somebody comes back."""

    def __init__(self, row: Indexed, vault: Vault, known: Known, new_id: NewId, now_us: int) -> None:
        self.row, self.wanted = row, row.wanted
        self.vault, self.known, self.new_id, self.now_us = vault, known, new_id, now_us
        self.planned = Planned(row.wanted.row)
        self.takes: list[Callable[[], None]] = []
        self.again = False

    def fail(self, of: Field | None, code: str) -> None:
        self.planned.faults.append(Fault(of, code))

    def differs(self, of: Field, old: str | int | None, new: str | int) -> None:
        self.planned.differences.append(Difference(of, old, new))

    def do(self, change: Change) -> None:
        self.planned.changes.append(change)

    def homes(self, person: int, room: int) -> list[KnownHome]:
        return self.known.homes.get((person, room), [])

    def lasts(self, home: KnownHome) -> bool:
        return home.until_us is None or home.until_us > self.now_us

    def card(self) -> KnownCard | None:
        if self.row.card is None or self.wanted.card_kind is None:
            return None
        found = self.known.cards.get((self.wanted.card_kind, self.row.card))
        if found is not None:
            self.planned.met.add(found.person)
        return found
