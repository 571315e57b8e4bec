"""The watch: reads what has arrived, lets the rules look at it, and writes down what they found."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from typing import Final

from sqlalchemy import Engine

from central.alarms import book, webhooks
from central.alarms.kinds import BY_STATE, OF_TOURS, SIGNS, WATCHED
from central.alarms.rounds import BACK_US, Grounds, compared_rounds
from central.alarms.rules import Lasting, Rules, Walk
from central.alarms.states import compared, found_now
from central.store.engine import reading, writing
from central.store.tables import record
from central.tours.walked import lately
from central.tours.words import SETTLED

EVERY_S: Final = 0.5
STATES_EVERY_US: Final = 10_000_000
ROUNDS_EVERY_US: Final = 60_000_000
MOST_RECORDS: Final = 2_000
"""Looked at in one go: a backlog of months must not become one transaction."""

NOTED_EVERY: Final = 20_000
"""So many records may be read a second time after a stop, when none of them was worth a note."""


class Watch:
    """One look at a time; keeps nothing that the database does not."""

    def __init__(self, writer: Engine, reader: Engine, now_us: Callable[[], int], zone: tzinfo) -> None:
        """`zone`: of the communities' clocks, by which rounds begin."""
        self._writer = writer
        self._reader = reader
        self._now_us = now_us
        self._zone = zone
        self._at: int | None = None
        self._noted = 0
        self._states_at_us = 0
        self._rounds_at_us = 0
        self._settled: dict[str, int] = {}  # rounds by their keys, and when they opened
        self._settled_now: dict[str, int] = {}

    def begin(self) -> None:
        """Raises StoreUnavailable, RowRefused."""
        with writing(self._writer) as connection:
            book.begin_usual_rules(connection, self._now_us())

    def look(self) -> bool:
        """Whether there is more to look at. Raises StoreUnavailable, RowRefused: then nothing was noted, and
        it is looked at again."""
        self._settled_now = {}  # those of a look that could not be written down are not settled
        now_us = self._now_us()
        states_due = now_us - self._states_at_us >= STATES_EVERY_US
        rounds_due = now_us - self._rounds_at_us >= ROUNDS_EVERY_US
        with reading(self._reader) as connection:
            rules = Rules(book.rules_in_force(connection))
            first = self._at if self._at is not None else book.cursor(connection)
            newest = book.newest_record(connection)
            here = (record.c.id > first) & (record.c.id <= newest)
            rows = book.noticed(connection, here, WATCHED, MOST_RECORDS)
            more = len(rows) == MOST_RECORDS
            last = rows[-1] if more else None
            through = book.number_of(connection, last.gateway_id, last.epoch, last.seq) if last else newest
            looks = rows or states_due or rounds_due
            lasting = book.lasting(connection, rules) if looks else []
        walk = Walk(rules, (each for each in lasting if each.rule.kind in SIGNS))
        for row in rows:
            walk.take(row)
        changed = walk.changed()
        if states_due:
            changed += self._of_states(rules, lasting, now_us)
        if rounds_due:
            changed += self._of_rounds(rules, lasting, now_us)
        if changed or through - self._noted >= NOTED_EVERY:
            self._note(changed, through)
        self._states_at_us = now_us if states_due else self._states_at_us
        self._rounds_at_us = now_us if rounds_due else self._rounds_at_us
        self._settled |= self._settled_now
        self._at = through
        return more

    def _of_states(self, rules: Rules, lasting: list[Lasting], now_us: int) -> list[Lasting]:
        with reading(self._reader) as connection:
            found = found_now(connection, now_us)
        of_states = [each for each in lasting if each.rule.kind in BY_STATE]
        return compared(rules, found, of_states, now_us)

    def _of_rounds(self, rules: Rules, lasting: list[Lasting], now_us: int) -> list[Lasting]:
        begins_us = now_us - BACK_US
        self._settled = {key: opened for key, opened in self._settled.items() if opened >= begins_us}
        with reading(self._reader) as connection:
            found = lately(connection, now_us, back_us=BACK_US, zone=self._zone, but=self._settled)
            noted = book.noted_rounds(connection, begins_us)
            grounds = Grounds(found.points, book.gateway_numbers(connection), noted)
        of_rounds = [each for each in lasting if each.rule.kind in OF_TOURS]
        self._settled_now = {
            each.round.key: each.round.opens_us for each in found.rounds if each.state in SETTLED
        }
        return compared_rounds(rules, found.rounds, of_rounds, grounds, now_us)

    def _note(self, changed: list[Lasting], through: int) -> None:
        now_us = self._now_us()
        with writing(self._writer) as connection:
            for number, each in book.note(connection, changed, now_us):
                webhooks.announce(connection, number, each, now_us)
            book.set_cursor(connection, through)
        self._noted = through
