"""Ends entries: what arrived longer ago than it may be kept is deleted, and a certificate is written
(trust.md R-88, and section 5: 180 days). Safe to be killed anywhere and to be run again.

Some thousand rows in one transaction, which also notes what has gone of which chain, so that `verify` and
ingest tell what was ended from what is missing. Kept back is what a case holds, and what is not counted yet.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import astuple
from sqlalchemy import Connection, Engine, and_, delete, func, insert, select, text, update

from central.errors import StoreUnavailable
from central.identity.certificates import Certificate, DataClass, certify
from central.identity.periods import day_of
from central.identity.retention_rules import RetentionRules
from central.ingest.branches import settled_hashes
from central.ingest.segments import UNKNOWN_PREV
from central.retention.marks import Mark, days_of, due, is_behind, mark_of, marks_of, mistaken, to_note
from central.retention.ranges import EndedRange, Place, is_signed, joined, signed
from central.store.count_tables import entry_tally
from central.store.engine import reading, rows_of_gateways, upsert_many, writing
from central.store.identity_tables import envelope
from central.store.lookup_tables import case_hold_entry
from central.store.months import drop_empty_months
from central.store.records import gives_its_hash
from central.store.register_tables import site
from central.store.retention_tables import ended_count, ended_range, record_mark
from central.store.tables import gateway, record, segment
from messages.signing import trusted

log = logging.getLogger(__name__)

EVERY_S: Final = 600.0
AT_ONCE: Final = 5_000
"""Rows in one transaction: so long ingest waits for its turn on SQLite, well below a second."""

_LOCK: Final = 6543210990
"""Advisory: of several processes one at a time."""


class EntryRetention:
    """One chunk at each look. Keeps nothing that the database does not, but for how far it has looked."""

    def __init__(
        self,
        writer: Engine,
        reader: Engine,
        signing: Ed25519PrivateKey,
        rules: RetentionRules,
        *,
        now_us: Callable[[], int],
        at_once: int = AT_ONCE,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._signing = signing
        self._rules = rules
        self._now_us = now_us
        self._at_once = at_once
        self._after = 0  # the last record looked at in this pass
        self._said = ""

    def look(self) -> bool:
        """Whether there is more to end now. Raises StoreUnavailable, RowRefused: then nothing of this chunk
        was done."""
        more, _ = self._step(self._now_us())
        return more

    def run(self) -> list[Certificate]:
        """All that is due by now. Raises as `look`."""
        found: list[Certificate] = []
        more = True
        while more:
            more, made = self._step(self._now_us())
            found += made
        return found

    def _step(self, now_us: int) -> tuple[bool, list[Certificate]]:
        self._note(now_us)
        pass_ = self._pass(now_us)
        if pass_ is None:
            self._after = 0
            return False, []
        with writing(self._writer) as connection:
            if not _mine(connection):
                return False, []
            after = _Chunk(connection, pass_, self._at_once, self._signing).end(self._after, now_us)
            made = [] if after else self._certify(connection, pass_, now_us)
        self._after = after
        if after:
            return True, []
        for each in made:
            log.info("entries of %s, community %d: %d ended", each.period, each.community, each.rows)
        self._drop_months(pass_)
        return False, made

    def _note(self, now_us: int) -> None:
        """A mark, where it is time for one."""
        with reading(self._reader) as connection:
            marks = marks_of(connection)
        wrong = mistaken(marks, now_us)
        if wrong is None and not to_note(marks, now_us):
            self._say(
                "the clock says less than it did: no entry is ended" if is_behind(marks, now_us) else ""
            )
            return
        with writing(self._writer) as connection:
            if connection.dialect.name == "postgresql":
                # Whoever has drawn a lower number has committed by then, and nobody draws one meanwhile.
                connection.exec_driver_sql("LOCK TABLE ONLY record IN SHARE MODE")
            marks = marks_of(connection)
            if wrong is not None:
                connection.execute(delete(record_mark).where(record_mark.c.noted_at == wrong.noted_us))
            elif to_note(marks, now_us):
                newest = connection.execute(select(func.max(record.c.id))).scalar() or 0
                last = max([newest, *(each.last_id for each in marks)])
                values = {"day": day_of(now_us, self._rules.zone), "last_id": last, "noted_at": now_us}
                connection.execute(insert(record_mark).values(values))

    def _pass(self, now_us: int) -> _Pass | None:
        """None: nothing is due that was not seen to."""
        with reading(self._reader) as connection:
            marks = marks_of(connection)
            over = due(marks, days := days_of(connection, self._rules), now_us)
            if not over:
                return None
            counted = connection.execute(select(entry_tally.c.record_id)).scalar() or 0
            waiting = frozenset(connection.execute(select(ended_count.c.day)).scalars())
            through = min(over[-1].last_id, counted)
            found = _Pass(over, days, through, _communities(connection), waiting)
            here = select(record.c.id).where(record.c.id <= through).limit(1)
            left = waiting or connection.execute(here).first()
        return found if left or not all(each.begun for each in over) else None

    def _certify(self, connection: Connection, pass_: _Pass, now_us: int) -> list[Certificate]:
        """For each day and community what has gone since the last time. What was kept back is due from when
        it is kept back no longer."""
        dues = {each.day: each.due_us(pass_.days) for each in pass_.marks if pass_.is_first_of(each)}
        columns = ended_count.c
        waiting = connection.execute(select(ended_count).order_by(columns.day, columns.community_id)).all()
        connection.execute(delete(ended_count))
        return [
            certify(
                connection,
                self._signing,
                community=row.community_id,
                data_class=DataClass.ENTRIES,
                period=row.day,
                due_us=dues.get(row.day, now_us),
                now_us=now_us,
                keys=(),
                rows=row.entries,
            )
            for row in waiting
        ]

    def _drop_months(self, pass_: _Pass) -> None:
        """Of PostgreSQL, those that are over for so long that nothing in them was left."""
        if self._writer.dialect.name != "postgresql":
            return
        try:
            with writing(self._writer) as connection:
                gone = drop_empty_months(connection, max(each.noted_us for each in pass_.marks))
        except StoreUnavailable as error:  # somebody reads them: the next time
            log.info("entries: empty months are dropped later: %s", error)
            return
        for name in gone:
            log.info("entries: %s was empty, and is dropped", name)

    def _say(self, said: str) -> None:
        if said and said != self._said:
            log.error("entries: %s", said)
        self._said = said


@dataclass(frozen=True, slots=True)
class _Pass:
    """`marks`: what is due. Records up to `through` go. `communities`: by gateway. `waiting`: days of which
    something has gone, and no certificate says so."""

    marks: Sequence[Mark]
    days: int
    through: int
    communities: Mapping[int, int]
    waiting: frozenset[str]

    def is_first_of(self, mark: Mark) -> bool:
        """That all of its day goes, and not what was kept back when it went."""
        return not mark.begun or mark.day in self.waiting


class _Chunk:
    """Some records, within one transaction."""

    def __init__(
        self, connection: Connection, pass_: _Pass, at_once: int, signing: Ed25519PrivateKey
    ) -> None:
        self._connection = connection
        self._pass = pass_
        self._at_once = at_once
        self._signing = signing
        self._signers = trusted(signing.public_key())

    def end(self, after: int, now_us: int) -> int:
        """The last record that was looked at; 0 when there are no more."""
        columns = record.c
        found = self._connection.execute(
            select(record)
            .where(columns.id > after, columns.id <= self._pass.through)
            .order_by(columns.id)
            .limit(self._at_once)
            .with_for_update(skip_locked=True)  # of a hold that is being made: the next time
        ).all()
        begun = and_(record_mark.c.begun_at.is_(None), record_mark.c.noted_at <= self._newest_us)
        self._connection.execute(update(record_mark).where(begun).values(begun_at=now_us))
        if found:
            held = self._held(found[0].id, found[-1].id)
            self._delete([row for row in found if row.id not in held])
        return int(found[-1].id) if len(found) == self._at_once else 0

    @property
    def _newest_us(self) -> int:
        return max(each.noted_us for each in self._pass.marks)

    def _held(self, first: int, last: int) -> set[int]:
        """Which of them a case still needs (R-88); asked once they are locked, so that none is held after."""
        rows = case_hold_entry.join(record, _same_place(case_hold_entry))
        query = select(record.c.id).select_from(rows).where(record.c.id.between(first, last))
        return set(self._connection.execute(query).scalars())

    def _delete(self, rows: Sequence[Any]) -> None:
        if not rows:
            return
        numbers = [row.id for row in rows]
        at = record.c.at
        within = at.between(min(row.at for row in rows), max(row.at for row in rows))  # which months
        for first in range(0, len(numbers), _NAMED_AT_ONCE):
            here = and_(record.c.id.in_(numbers[first : first + _NAMED_AT_ONCE]), within)
            self._connection.execute(delete(record).where(here))
        self._delete_envelopes([(r.gateway_id, r.epoch, r.seq) for r in rows if r.identity is not None])
        self._note_ranges(rows)
        self._note_counts(rows)

    def _delete_envelopes(self, places: Sequence[tuple[int, int, int]]) -> None:
        """What a wrong clock dated into the future would outlast its record."""
        columns = envelope.c
        by_chain: dict[Place, list[int]] = defaultdict(list)
        for gateway_id, epoch, seq in places:
            by_chain[gateway_id, epoch].append(seq)
        for (gateway_id, epoch), seqs in by_chain.items():
            of_chain = (columns.gateway_id == gateway_id, columns.epoch == epoch)
            for first in range(0, len(seqs), _NAMED_AT_ONCE):
                here = columns.seq.in_(seqs[first : first + _NAMED_AT_ONCE])
                self._connection.execute(delete(envelope).where(*of_chain, here))

    def _note_counts(self, rows: Sequence[Any]) -> None:
        counts = Counter(
            (self._mark(row.id).day, self._pass.communities.get(row.gateway_id, 0)) for row in rows
        )
        self._connection.execute(
            _ADD, [{"day": d, "community": c, "more": n} for (d, c), n in counts.items()]
        )

    def _note_ranges(self, rows: Sequence[Any]) -> None:
        """Neighbours of what has gone before are one run with it. One that is not signed stays by itself:
        our word for all of it would hide that somebody made it up, or altered it."""
        known: dict[Place, list[EndedRange]] = defaultdict(list)
        gateways = sorted({row.gateway_id for row in rows})
        for gateway_id, epoch, *run in rows_of_gateways(self._connection, ended_range, gateways):
            known[gateway_id, epoch].append(EndedRange(*run))
        fresh: dict[Place, list[Any]] = defaultdict(list)
        for row in rows:
            fresh[row.gateway_id, row.epoch].append(row)
        for place, ones in fresh.items():
            first, last = min(row.seq for row in ones), max(row.seq for row in ones)
            near = [each for each in known[place] if each.first <= last + 1 and each.last >= first - 1]
            ours = [each for each in near if is_signed(place, each, self._signers)]
            self._keep(place, ours, joined([*ours, *self._alone(place, ones, ours)]))

    def _alone(self, place: Place, rows: Sequence[Any], known: Sequence[EndedRange]) -> list[EndedRange]:
        """Each of them as a run, with what it named as the record before it."""
        hashes = {each.last: each.last_hash for each in known} | {row.seq: row.hash for row in rows}
        return [
            EndedRange(
                row.seq,
                row.seq,
                row.odd_prev or hashes.get(row.seq - 1) or self._hash_before(place, row),
                row.hash,
                self._mark(row.id).noted_us,
            )
            for row in rows
        ]

    def _hash_before(self, place: Place, row: Any) -> bytes:
        """Of the record that lies there; where none does, as the settled run has it that begins here. If one
        of both was altered since it came, that stays to be seen."""
        before = settled_hashes(self._connection, *place, row.seq - 1, row.seq - 1)
        columns = segment.c
        here = (columns.gateway_id == place[0], columns.epoch == place[1], columns.first == row.seq)
        run = select(columns.first_prev).where(*here)
        prev: bytes | None = before.get(row.seq - 1) or self._connection.execute(run).scalar()
        if not prev:
            return UNKNOWN_PREV
        name = self._connection.execute(select(gateway.c.name).where(gateway.c.id == place[0])).scalar_one()
        return prev if gives_its_hash(row, name, prev) else _NO_HASH

    def _keep(self, place: Place, before: Sequence[EndedRange], now: Sequence[EndedRange]) -> None:
        columns = ended_range.c
        for each in {run.first for run in before} - {run.first for run in now}:
            here = (columns.gateway_id == place[0], columns.epoch == place[1], columns.first == each)
            self._connection.execute(delete(ended_range).where(*here))
        changed = set(now) - set(before)
        rows = [(*place, *astuple(signed(self._signing, place, each))) for each in changed]
        upsert_many(self._connection, ended_range, rows, EndedRange.__struct_fields__[1:])

    def _mark(self, number: int) -> Mark:
        found = mark_of(self._pass.marks, number)
        assert found is not None, "what lies under no mark is not ended"
        return found


_NAMED_AT_ONCE: Final = 1_000

_NO_HASH: Final = b"\0"
"""No record has it."""

_ADD: Final = text(f"""
    INSERT INTO {ended_count.name} (day, community_id, entries) VALUES (:day, :community, :more)
    ON CONFLICT (day, community_id) DO UPDATE SET entries = {ended_count.name}.entries + excluded.entries
""")  # noqa: S608  our own names


def _same_place(table: Any) -> Any:
    return and_(*(table.c[name] == record.c[name] for name in ("gateway_id", "epoch", "seq")))


def _communities(connection: Connection) -> dict[int, int]:
    """By gateway; those of a site that no community has are left out."""
    query = select(gateway.c.id, site.c.community_id).join(site, site.c.name == gateway.c.site)
    return {number: int(owner) for number, owner in connection.execute(query) if owner is not None}


def _mine(connection: Connection) -> bool:
    """On PostgreSQL: that no other process ends entries now. On SQLite whoever writes is alone."""
    if connection.dialect.name == "sqlite":
        return True
    return bool(connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}).scalar())
