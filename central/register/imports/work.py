"""The work on one import, part by part: each part is one transaction, and notes how far it came.

A process that is killed leaves whole parts behind; whoever comes next goes on after the last one. Two
processes never work on one import: each says a word of its own, and finds out when another took over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from itertools import count, islice
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Engine, delete, or_, select, update

from central.errors import BadQuestion, IdentityGone
from central.honey import touches
from central.identity.vault import Vault
from central.lookup.words import Through
from central.register.desk import Desk, desk_of
from central.register.imports import undoing
from central.register.imports.bulk import KNOWN_BY_ID, Ids
from central.register.imports.columns import HEADINGS
from central.register.imports.faults import Fault
from central.register.imports.jobs import BUT_THE_FILE, Headings, RowKept, row_shown, seal_kept, settle
from central.register.imports.known import Indexed, Known, indexed
from central.register.imports.plan import Planner
from central.register.imports.plan_row import Planned
from central.register.imports.reading import Format, RawRow, Read, read
from central.register.imports.rows import parsed
from central.register.imports.states import WORKING, ImportState, Outcome
from central.register.imports.writing import Writing
from central.register.words import RegisterAct
from central.store.engine import count_for_plans, insert_many, next_ids, reading, writing
from central.store.import_tables import import_row, register_import
from central.times import micros

READ_AT_ONCE: Final = 500
WRITE_AT_ONCE: Final = 300
"""Rows in one transaction: records that come meanwhile wait no longer than for these."""

STALE_US: Final = 10_000_000
"""A process that did nothing for so long is taken for dead."""


_IMPORTED: Final = (Outcome.NEW, Outcome.CHANGED)

_Previewed = tuple[RawRow, Indexed | None, Planned]
"""A row, what it asks for where nothing is wrong with its cells, and what it comes to."""


class TakenOver(Exception):
    """Another process works on it, or somebody stopped it."""


@dataclass(frozen=True, slots=True)
class Worker:
    """`word`: of this process alone. `zone`: of the communities' days."""

    writer: Engine
    reader: Engine
    vault: Vault
    zone: tzinfo
    now_us: Callable[[], int]
    word: str
    pause: Callable[[], bool] = field(default=lambda: False)
    """Between two parts, so that others may write; True: the process ends, and the rest waits."""

    def due(self) -> Any:
        """The next import that there is something to do for, or None."""
        columns = register_import.c
        dead = columns.worker_at < self.now_us() - STALE_US
        free = or_(columns.worker.is_(None), columns.worker == self.word, dead)
        working = columns.state.in_([each.value for each in WORKING])
        asked = select(columns.id, columns.state, columns.community_id)
        with reading(self.reader) as connection:
            return connection.execute(asked.where(working, free).order_by(columns.id).limit(1)).one_or_none()

    def work(self, number: int) -> None:
        """All that there is to do for it now. Raises StoreUnavailable, RowRefused, TakenOver, and what the
        vault raises."""
        row = self._claim(number)
        try:
            match ImportState(row.state):
                case ImportState.READING:
                    self._read(row)
                case ImportState.IMPORTING:
                    while not self.pause() and self._import_part(number):
                        continue
                case ImportState.UNDOING:
                    while not self.pause() and self._undo_part(number):
                        continue
        except TakenOver:
            self._release(number)
            raise
        self._release(number)

    def give_up(self, number: int, trouble: str) -> None:
        """It cannot go on: that is said, and what was done stays. `trouble` says nothing of anybody."""
        with writing(self.writer) as connection:
            row = self._row(connection, number)
            if row.state == ImportState.READING:
                self._refuse(connection, self._held(connection, number), trouble)
                return
            row, desk = self._held_at_desk(connection, row)
            act = RegisterAct.IMPORT_UNDONE if row.state == ImportState.UNDOING else RegisterAct.IMPORT_ENDED
            settle(desk, number, ImportState.STOPPED, act, {"stopped": True})
            self._note(connection, number, trouble=trouble, worker=None, worker_at=None)

    # --- reading the file, and what it comes to

    def _read(self, row: Any) -> None:
        with reading(self.reader) as connection:
            asked = select(register_import.c.file).where(register_import.c.id == row.id)
            sealed = connection.execute(asked).scalar_one()
        data = self.vault.open_register(row.community_id, f"import_file:{row.id}", sealed)
        with writing(self.writer) as connection:
            self._held(connection, row.id)
            connection.execute(delete(import_row).where(import_row.c.import_id == row.id))
            self._note(connection, row.id, rows=0, steps=0, steps_done=0)
        counts = dict.fromkeys(Outcome, 0)
        try:
            found = read(data, Format(row.format))
            for part in self._previewed(row.community_id, found):
                if self.pause():
                    raise TakenOver
                self._keep(row, part, counts)
        except BadQuestion as error:
            with writing(self.writer) as connection:
                self._refuse(connection, self._held(connection, row.id), str(error))
            return
        known = {HEADINGS[each].zh: each.value for each in found.header.at.values()}
        headings = Headings(known, list(found.header.unknown))
        with writing(self.writer) as connection:
            self._held(connection, row.id)
            self._note(
                connection,
                row.id,
                state=ImportState.PREVIEW.value,
                file=None,
                sealed=seal_kept(self.vault, row.community_id, f"import:{row.id}", headings),
                **{f"{outcome}_rows": number for outcome, number in counts.items()},
            )

    def _refuse(self, connection: Connection, row: Any, trouble: str) -> None:
        connection.execute(delete(import_row).where(import_row.c.import_id == row.id))
        self._note(
            connection,
            row.id,
            state=ImportState.REFUSED.value,
            trouble=trouble,
            file=None,
            ended_at=self.now_us(),
            worker=None,
            worker_at=None,
        )

    def _previewed(self, community: int, found: Read) -> Iterator[list[_Previewed]]:
        """Parts of the file with what they come to, as if all before them were imported already."""
        with reading(self.reader) as connection:
            known = Known.of(connection, community)
        below_zero = count(-1, -1)
        now_us = self.now_us()
        while part := list(islice(found.rows, READ_AT_ONCE)):
            vault = self.vault.at_one_look()
            planner = Planner(vault, known, lambda _table: next(below_zero), now_us)
            good, wrong = self._parsed(vault, community, part)
            with reading(self.reader) as connection:
                known.load(connection, [*good.values()])
            yield [
                (raw, said, wrong[raw.number] if said is None else planner.plan(said))
                for raw in part
                for said in (good.get(raw.number),)
            ]

    def _parsed(
        self, vault: Vault, community: int, part: list[RawRow]
    ) -> tuple[dict[int, Indexed], dict[int, Planned]]:
        good: dict[int, Indexed] = {}
        wrong: dict[int, Planned] = {}
        for raw in part:
            wanted = parsed(raw, self._begins)
            if isinstance(wanted, list):
                wrong[raw.number] = Planned(raw.number, faults=wanted)
            else:
                good[raw.number] = indexed(vault, community, wanted)
        return good, wrong

    def _keep(self, row: Any, part: list[_Previewed], counts: dict[Outcome, int]) -> None:
        vault = self.vault.at_one_look()
        with writing(self.writer) as connection:
            self._held(connection, row.id)
            ids = next_ids(connection, import_row, len(part))
            rows = []
            for row_id, (raw, said, planned) in zip(ids, part, strict=True):
                outcome = planned.outcome
                counts[outcome] += 1
                needed = said if outcome in _IMPORTED else None
                kept = RowKept(raw.cells, raw.odd, planned.differences, needed)
                sealed = seal_kept(vault, row.community_id, f"import_row:{row_id}", kept)
                faults = _encoded(planned.faults)
                rows.append(
                    (row_id, row.community_id, row.id, raw.number, outcome, faults, sealed, None, None)
                )
            insert_many(connection, import_row, rows, with_ids=True)
            self._tell(connection, row, row.account, [planned for _, _, planned in part])
            self._note(connection, row.id, rows=sum(counts.values()), steps_done=sum(counts.values()))

    # --- writing it into the register

    def _import_part(self, number: int) -> bool:
        """Whether there is more to do."""
        with reading(self.reader) as connection:
            row = connection.execute(select(register_import).where(register_import.c.id == number)).one()
            wanted = import_row.c.outcome.in_([each.value for each in _IMPORTED])
            mine = (import_row.c.import_id == number) & (import_row.c.number > row.through)
            asked = select(import_row).where(mine, wanted).order_by(import_row.c.number).limit(WRITE_AT_ONCE)
            rows = connection.execute(asked).all()
        vault = self.vault.at_one_look()
        shown = {each.number: row_shown(vault, each) for each in rows}
        good = {each.number: _said(each.kept) for each in shown.values()}
        with writing(self.writer) as connection:
            held, desk = self._held_at_desk(connection, row)
            if held.through != row.through or held.state != ImportState.IMPORTING:
                raise TakenOver
            if not rows:
                body = {"rows": held.steps_done}
                settle(desk, number, ImportState.DONE, RegisterAct.IMPORT_ENDED, body)
                return False
            known = Known.of(connection, row.community_id)
            known.load(connection, [*good.values()])
            ids = Ids(desk)
            planner = Planner(desk.vault, known, ids, desk.now_us)
            changes, stale, all_planned = [], [], []
            for each in shown.values():
                assert each.kept is not None
                planned = planner.plan(good[each.number], each.kept.differences)
                all_planned.append(planned)
                if planned.faults:
                    stale.append(each)
                changes += [(each.number, change) for change in planned.changes if not planned.faults]
            self._tell(connection, row, desk.account, all_planned)  # before anything is changed
            Writing(desk, number, ids).write(changes)
            last = rows[-1].number
            self._mark_done(connection, number, (row.through, last), [each.number for each in stale])
            self._note(
                connection,
                number,
                through=last,
                steps_done=held.steps_done + len(rows) - len(stale),
                steps=held.steps - len(stale),
                wrong_rows=held.wrong_rows + len(stale),
                new_rows=held.new_rows - sum(each.outcome is Outcome.NEW for each in stale),
                changed_rows=held.changed_rows - sum(each.outcome is Outcome.CHANGED for each in stale),
            )
        if _tenfold(held.steps_done, held.steps_done + len(rows)):
            with writing(self.writer) as connection:
                count_for_plans(connection, KNOWN_BY_ID)
        return True

    def _tell(self, connection: Connection, row: Any, account: int, planned: list[Planned]) -> None:
        """Oversight, of rows that name a honey record."""
        met = set[int]().union(*(each.met for each in planned))
        by = touches.acting_as(connection, account)
        touches.note(connection, row.community_id, met, by, Through.IMPORT, now_us=self.now_us())

    def _mark_done(
        self, connection: Connection, number: int, between: tuple[int, int], stale: list[int]
    ) -> None:
        """What imported rows say is forgotten: the register has it now."""
        here = import_row.c.import_id == number
        if stale:
            changed = {
                "outcome": Outcome.WRONG.value,
                "faults": _encoded([Fault(None, "changed_meanwhile")]),
            }
            connection.execute(update(import_row).where(here, import_row.c.number.in_(stale)).values(changed))
        part = here & (import_row.c.number > between[0]) & (import_row.c.number <= between[1])
        good = import_row.c.outcome != Outcome.WRONG.value
        done = {"done_at": self.now_us(), "sealed": None}
        connection.execute(update(import_row).where(part, good).values(done))

    # --- undoing it

    def _undo_part(self, number: int) -> bool:
        """Whether there is more to do."""
        with writing(self.writer) as connection:
            held, desk = self._held_at_desk(connection, self._row(connection, number))
            if held.state != ImportState.UNDOING:
                raise TakenOver
            part = undoing.undo_part(desk, number, held.through, held.undo_reason)
            if part is None:
                kept = undoing.tell_kept(connection, number)
                settle(desk, number, ImportState.UNDONE, RegisterAct.IMPORT_UNDONE, {"kept_rows": kept})
                return False
            self._note(
                connection,
                number,
                through=part.through,
                steps=held.steps or part.all_of_them,
                steps_done=held.steps_done + part.done,
            )
        return True

    # --- what they have in common

    def _claim(self, number: int) -> Any:
        with writing(self.writer) as connection:
            row = self._row(connection, number, lock=True)
            free = row.worker in {None, self.word} or row.worker_at < self.now_us() - STALE_US
            if not free or row.state not in WORKING:
                raise TakenOver
            self._note(connection, number, worker=self.word)
        return row

    def _release(self, number: int) -> None:
        with writing(self.writer) as connection:
            mine = (register_import.c.id == number) & (register_import.c.worker == self.word)
            free = {"worker": None, "worker_at": None}
            connection.execute(update(register_import).where(mine).values(free))

    def _held(self, connection: Connection, number: int) -> Any:
        """The row, while nobody else works on it. Raises TakenOver."""
        row = self._row(connection, number, lock=True)
        if row.worker != self.word:
            raise TakenOver
        return row

    @staticmethod
    def _row(connection: Connection, number: int, *, lock: bool = False) -> Any:
        asked = select(*BUT_THE_FILE).where(register_import.c.id == number)
        found = connection.execute(asked.with_for_update() if lock else asked).one_or_none()
        if found is None:
            raise TakenOver
        return found

    def _note(self, connection: Connection, number: int, **values: object) -> None:
        new = {"worker_at": self.now_us(), **values}
        connection.execute(update(register_import).where(register_import.c.id == number).values(new))

    def _held_at_desk(self, connection: Connection, row: Any) -> tuple[Any, Desk]:
        """At the desk of whoever consented, or asked for the undo. The community is locked before the
        import, as by everybody who changes the register. Raises TakenOver."""
        by = row.undone_by if row.state == ImportState.UNDOING else row.consented_by
        vault = self.vault.at_one_look()
        desk = desk_of(connection, vault, row.community_id, account=by, now_us=self.now_us())
        return self._held(connection, row.id), desk

    def _begins(self, day: date) -> int:
        return micros(datetime(day.year, day.month, day.day, tzinfo=self.zone))


def _tenfold(before: int, now: int) -> bool:
    """Whether there is a digit more, or something where there was nothing."""
    return before == 0 or len(str(now)) > len(str(before))


def _said(kept: RowKept | None) -> Indexed:
    if kept is None or kept.said is None:
        raise IdentityGone("what this import says is forgotten, or an older program read it: bring it again")
    return kept.said


def _encoded(faults: list[Fault]) -> str | None:
    return msgspec.json.encode(faults).decode() if faults else None
