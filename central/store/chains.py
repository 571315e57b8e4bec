"""Walks the stored chains: every record's canonical bytes are made again and compared with its hash.

Altered, missing, added and reordered rows are located exactly: a record's bytes hold the hash of the record
before it, and where a run of records begins and ends is kept apart from the records. Of a run whose time was
over the hashes at both its ends are kept: the records beside it are held against them. The centre has signed
each such run; over all of them as many records have gone as its certificates say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, Engine, func, select

from central.identity.certificates import DataClass, verify_certificates
from central.ingest.segments import meets
from central.ingest.verify import Trouble
from central.retention.marks import ended_until
from central.retention.ranges import EndedRange, ended_ranges, holding, is_signed
from central.store.engine import reading_as_of_now
from central.store.records import gives_its_hash
from central.store.retention_tables import ended_count, ended_range
from central.store.tables import NO_PLACE, finding, gateway, lost_range, quarantine, record, segment

_ROWS_AT_ONCE: Final = 5_000
_MOST_NAMED: Final = 20
"""Places named on one line; the number of all of them stands beside."""


class Fault(StrEnum):
    ALTERED = "altered"  # its bytes do not give its hash
    GONE = "missing"  # settled once, no row now
    ADDED = "added"  # a row that nobody settled
    CUT = "end altered"  # the last record of a run is not the one that came
    UNPROVED = "end not proved"  # said to have been ended, and the centre did not sign that
    EARLY = "ended too early"  # it may have arrived later than anything that is ended by now


@dataclass(frozen=True, slots=True)
class ChainFault:
    epoch: int
    seq: int
    fault: Fault


Signers = Mapping[str, Ed25519PublicKey]
"""The centre's keys by their ids, former ones too."""

NOBODY: Final[Signers] = MappingProxyType({})
GOOD: Final = "good"

_MOST_IN_SHORT: Final = 20
"""Gateways that are named in one line."""


def verify_chain(
    connection: Connection, gateway_id: int, name: str, epoch: int, signers: Signers = NOBODY
) -> Iterator[ChainFault]:
    """What is wrong with what is noted as ended, and then with the rows of one epoch, both in order of
    sequence numbers."""
    ended = ended_ranges(connection, gateway_id, epoch)
    yield from _of_ended(connection, gateway_id, epoch, ended, signers)
    broken = _breaks(connection, gateway_id, epoch)
    runs = connection.execute(_of(segment, gateway_id, epoch).order_by(segment.c.first)).all()
    rows = _Rows(connection, gateway_id, epoch)
    for run in runs:
        yield from _added(epoch, rows.before(run.first))
        yield from _walk_run(epoch, run, name, rows, ended, broken=broken)
    yield from _added(epoch, rows.before(None))


@dataclass(frozen=True, slots=True)
class Walked:
    """What was found of one epoch of a gateway, or (without `gateway`) of what the centre ended; `wrong`:
    empty where all is well."""

    gateway: str | None
    place: str
    held: str
    wrong: str

    @property
    def line(self) -> str:
        return f"{self.place}: {self.held}{self.wrong or GOOD}"


def verify_all(engine: Engine, signers: Signers = NOBODY) -> Iterator[tuple[str, bool]]:
    """The lines of `walk_all`, and whether all is well there."""
    return ((each.line, not each.wrong) for each in walk_all(engine, signers))


def in_short(walked: Iterable[Walked]) -> str:
    """One line: how many gateways are whole, which are not, and why."""
    found: dict[str, list[str]] = {}
    beside: list[str] = []
    for each in walked:
        if each.gateway is not None:
            found.setdefault(each.gateway, [])
        if each.wrong:
            (beside if each.gateway is None else found[each.gateway]).append(each.wrong)
    flawed = {name: why for name, why in found.items() if why}
    told = [f"{name} ({'; '.join(why)})" for name, why in list(flawed.items())[:_MOST_IN_SHORT]]
    if len(flawed) > _MOST_IN_SHORT:
        told.append(f"and {len(flawed) - _MOST_IN_SHORT} more")
    whole = f"{len(found) - len(flawed)} of {len(found)} gateways whole"
    parts = [
        whole,
        *([f"not whole: {', '.join(told)}"] if told else []),
        *(f"centre: {each}" for each in beside),
    ]
    return "; ".join(parts)


def walk_all(engine: Engine, signers: Signers = NOBODY) -> Iterator[Walked]:
    """One for each gateway and epoch; and one where more or fewer records have gone than is certified. Raises
    StoreUnavailable."""
    with reading_as_of_now(engine) as connection:
        for owner in connection.execute(select(gateway).order_by(gateway.c.site, gateway.c.name)).all():
            found = _findings(connection, owner.id)
            for epoch in _epochs(connection, owner.id, found):
                yield _line(connection, owner, epoch, found[epoch], signers)
        noted, certified = _noted(connection), _certified(connection, signers)
    if noted != certified:
        wrong = f"{noted} records are noted as ended, {certified} are certified or still to be"
        yield Walked(None, "centre", "", wrong)


class _Rows:
    """The stored and the set-aside records of an epoch in order, one after the other."""

    def __init__(self, connection: Connection, gateway_id: int, epoch: int) -> None:
        stored = _of(record, gateway_id, epoch).order_by(record.c.seq)
        self._stored = iter(connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(stored))
        aside = _of(quarantine, gateway_id, epoch).where(quarantine.c.settled == 1)
        self._aside = {row.seq: row for row in connection.execute(aside)}
        self._next = next(self._stored, None)

    def before(self, seq: int | None) -> Iterator[Any]:
        """The rows up to, but without, `seq`; None: the rest."""
        while self._next is not None and (seq is None or self._next.seq < seq):
            yield self._next
            self._next = next(self._stored, None)

    def at(self, seq: int) -> Any | None:
        if self._next is not None and self._next.seq == seq:
            found, self._next = self._next, next(self._stored, None)
            return found
        return self._aside.get(seq)


def _of_ended(
    connection: Connection, gateway_id: int, epoch: int, ended: Sequence[EndedRange], signers: Signers
) -> Iterator[ChainFault]:
    until_us = ended_until(connection) if ended else None
    for each in ended:
        if not is_signed((gateway_id, epoch), each, signers):
            yield ChainFault(epoch, each.first, Fault.UNPROVED)
        if until_us is None or each.arrived_by > until_us:
            yield ChainFault(epoch, each.first, Fault.EARLY)


def _walk_run(
    epoch: int, run: Any, name: str, rows: _Rows, ended: Sequence[EndedRange], *, broken: Collection[int]
) -> Iterator[ChainFault]:
    prev: bytes | None = run.first_prev
    seq = run.first - 1
    doubtful = True  # whether the record that was reached is known to be wrong, or is none
    while seq < run.last:
        seq += 1
        if (gone := holding(ended, seq)) is not None and gone.last <= run.last:
            follows = seq != gone.first or prev is None or meets(prev, gone.first_prev)
            if not follows and not doubtful and seq not in broken:
                yield ChainFault(epoch, seq - 1, Fault.ALTERED)
            doubtful = False
            yield from _added(epoch, rows.before(gone.last + 1))
            seq, prev = gone.last, gone.last_hash
            continue
        row = rows.at(seq)
        doubtful = row is None or not _holds(row, name, prev)
        if doubtful:
            yield ChainFault(epoch, seq, Fault.GONE if row is None else Fault.ALTERED)
        # After a fault the chain is taken up as found, so that one altered record is located once.
        prev = None if row is None else row.hash
    if prev is not None and prev != run.last_hash:
        yield ChainFault(epoch, run.last, Fault.CUT)


def _holds(row: Any, name: str, prev: bytes | None) -> bool:
    if "payload" in row._fields:
        return bool(sha256(row.payload).digest() == row.hash)
    prev = row.odd_prev or prev
    if prev is None:
        return True  # the record before is gone: this one's bytes cannot be made again
    return gives_its_hash(row, name, prev)


def _added(epoch: int, rows: Iterable[Any]) -> Iterator[ChainFault]:
    return (ChainFault(epoch, row.seq, Fault.ADDED) for row in rows)


def _of(table: Any, gateway_id: int, epoch: int) -> Any:
    return select(table).where((table.c.gateway_id == gateway_id) & (table.c.epoch == epoch))


def _findings(connection: Connection, gateway_id: int) -> dict[int, list[tuple[str, int]]]:
    found: dict[int, list[tuple[str, int]]] = defaultdict(list)
    query = select(finding).where(finding.c.gateway_id == gateway_id).order_by(finding.c.kind, finding.c.seq)
    for row in connection.execute(query):
        found[row.epoch].append((row.kind.replace("_", " "), row.seq))
    return found


def _breaks(connection: Connection, gateway_id: int, epoch: int) -> frozenset[int]:
    """Where a record came whose `prev` was not the hash of the one before it: told as a finding."""
    columns = finding.c
    here = (columns.gateway_id == gateway_id, columns.epoch == epoch, columns.kind == Trouble.CHAIN_BREAK)
    return frozenset(connection.execute(select(columns.seq).where(*here)).scalars())


def _noted(connection: Connection) -> int:
    each = ended_range.c
    return int(connection.execute(select(func.sum(each.last - each.first + 1))).scalar() or 0)


def _certified(connection: Connection, signers: Signers) -> int:
    """Of certificates in whose place nothing else could stand, and of what has gone since."""
    certified = sum(
        found.rows
        for found, flaw in verify_certificates(connection, signers)
        if found is not None and flaw is None and found.data_class is DataClass.ENTRIES
    )
    return certified + int(connection.execute(select(func.sum(ended_count.c.entries))).scalar() or 0)


def _epochs(connection: Connection, gateway_id: int, found: Iterable[int]) -> list[int]:
    epochs = set(found)
    for table in (segment, record, lost_range, ended_range):
        query = select(table.c.epoch).where(table.c.gateway_id == gateway_id).distinct()
        epochs.update(connection.execute(query).scalars())
    return sorted(epochs)


def _line(
    connection: Connection, owner: Any, epoch: int, found: list[tuple[str, int]], signers: Signers
) -> Walked:
    name = f"{owner.site}/{owner.name}"
    if epoch == NO_PLACE:
        return Walked(name, f"{name} without a place", "", _spoken(found))
    runs = connection.execute(_of(segment, owner.id, epoch).order_by(segment.c.first)).all()
    faults = [(f.fault, f.seq) for f in verify_chain(connection, owner.id, owner.name, epoch, signers)]
    wrong = [*((str(fault), seq) for fault, seq in faults), *found]
    held = ", ".join(f"{run.first}-{run.last}" for run in runs[:_MOST_NAMED]) or "nothing"
    ended = sum(each.count for each in ended_ranges(connection, owner.id, epoch))
    of_them = f", of which {ended} were ended" if ended else ""
    return Walked(name, f"{name} epoch {epoch}", f"{held}{of_them}; ", _spoken(wrong))


def _spoken(wrong: list[tuple[str, int]]) -> str:
    """Like `altered 7, 9; chain break 12`; of nothing, nothing."""
    places: dict[str, list[int]] = defaultdict(list)
    for what, seq in wrong:
        places[what].append(seq)
    return "; ".join(f"{what} {_named(seqs)}".rstrip() for what, seqs in places.items())


def _named(seqs: list[int]) -> str:
    named = ", ".join(str(seq) for seq in seqs[:_MOST_NAMED] if seq != NO_PLACE)
    return f"{named} and {len(seqs) - _MOST_NAMED} more" if len(seqs) > _MOST_NAMED else named
