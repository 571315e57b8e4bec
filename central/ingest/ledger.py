"""How complete the touched gateways are, loaded from the database and written back in one transaction.

Memory is never trusted from one transaction to the next: another worker may have moved on meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, func, insert, select, update

from central.ingest.segments import Coverage, Range, Segment
from central.ingest.verify import Trouble
from central.store.engine import Statement, answers, gateways_named
from central.store.tables import epoch_head, gateway, lost_range, segment
from messages.topics import GatewayTopic
from messages.wire import MAX_EPOCHS, MAX_RANGES, WIRE_VERSION, Ack, EpochAck, EpochHead

_SEGMENT, _HEAD, _LOST, _BREAK = range(4)
_THERE = "gateway_id {ids}"
_PARTS = f"""
    SELECT {_SEGMENT}, gateway_id, epoch, first, last, first_prev, last_hash FROM segment WHERE {_THERE}
    UNION ALL SELECT {_HEAD}, gateway_id, epoch, head, held, NULL, NULL FROM epoch_head WHERE {_THERE}
    UNION ALL SELECT {_LOST}, gateway_id, epoch, first, last, NULL, NULL FROM lost_range WHERE {_THERE}
    UNION ALL SELECT {_BREAK}, gateway_id, epoch, seq, 0, NULL, NULL FROM finding
        WHERE kind = '{Trouble.CHAIN_BREAK}' AND {_THERE}
"""  # noqa: S608  our own names
"""One statement, as it is asked for each batch."""

GatewayName = tuple[str, str]
"""Site and name."""

MAX_GATEWAYS = 5_000
"""Names are free until gateways are enrolled: whoever owns the broker must not fill the database."""


@dataclass(slots=True)
class EpochLedger:
    coverage: Coverage
    stored_segments: dict[int, Segment]
    stored_lost: list[Range]
    fresh: dict[int, bytes] = field(default_factory=dict)  # hash of what this transaction adds


@dataclass(slots=True)
class GatewayLedger:
    """One gateway: its row, its epochs, and what it last said that it holds."""

    id: int
    session: str | None
    device_key: bytes | None = None
    signed_acks: bool = False  # it takes them with our signature alone
    epochs: dict[int, EpochLedger] = field(default_factory=dict)
    heads: dict[int, tuple[int, bool]] = field(default_factory=dict)  # epoch: head, still held
    spoken_of: set[int] = field(default_factory=set)  # epochs, by the gateway, in this transaction

    def epoch(self, number: int) -> EpochLedger:
        if number not in self.epochs:
            self.epochs[number] = EpochLedger(Coverage(), {}, [])
        return self.epochs[number]

    def acknowledgement(self) -> Ack:
        """What the gateway has just spoken of; beside that the newest epochs, but not those that are complete
        and that the gateway no longer holds."""
        spoken_of = sorted(self.spoken_of)
        answered = spoken_of[: MAX_EPOCHS - 1] + spoken_of[MAX_EPOCHS - 1 :][-1:]
        others = [
            number
            for number in sorted({*self.epochs, *self.heads} - self.spoken_of)
            if not self.settled_for_good(number)
        ]
        if room := MAX_EPOCHS - len(answered):
            answered += others[-room:]
        return Ack(v=WIRE_VERSION, epochs=[self._epoch_ack(number) for number in sorted(answered)])

    def knows_more_than(self, head: EpochHead) -> bool:
        """Whether the gateway has told more of this epoch since."""
        known, held = self.heads.get(head.epoch, (0, True))
        return head.head < known or not held

    def settled_for_good(self, number: int) -> bool:
        """Complete as far as the gateway ever told, and no longer held there."""
        head, held = self.heads.get(number, (0, True))
        return not held and self.epoch(number).coverage.through()[0] >= head

    def _epoch_ack(self, number: int) -> EpochAck:
        coverage = self.epoch(number).coverage
        if (whole := coverage.whole) is not None:
            return EpochAck(number, whole.last, whole.last_hash.hex(), whole.last, [])
        through, digest = coverage.through()
        missing = list(islice(coverage.missing(), MAX_RANGES + 1))
        # What is beyond the ranges that fit is not spoken of: else it would count as committed.
        seen = missing.pop()[0] - 1 if len(missing) > MAX_RANGES else coverage.seen
        return EpochAck(
            epoch=number,
            through=through,
            hash=None if digest is None else digest.hex(),
            seen=seen,
            missing=missing,
        )


class Ledger:
    """The gateways named in a batch. `save` writes what was changed."""

    def __init__(
        self,
        connection: Connection,
        names: Iterable[GatewayName],
        now_us: int,
        also: Sequence[Statement] = (),
    ) -> None:
        """`also`: what the caller asks at the same time; `answers` has what was found."""
        self._connection = connection
        self._now_us = now_us
        self.gateways: dict[GatewayName, GatewayLedger] = {}
        self.breaks: dict[tuple[int, int], set[int]] = defaultdict(set)  # by gateway and epoch
        self.answers: Sequence[Sequence[tuple[Any, ...]]] = ()
        if wanted := sorted(set(names)):
            *self.answers, known, parts = answers(
                connection, [*also, *gateways_named(connection, wanted, _PARTS)]
            )
            for number, site, name, session, device_key, signed_acks in known:
                self.gateways[site, name] = GatewayLedger(number, session, device_key, bool(signed_acks))
            self._read(parts)
            self._enter([name for name in wanted if name not in self.gateways])

    def get(self, topic: GatewayTopic) -> GatewayLedger | None:
        """None beyond MAX_GATEWAYS."""
        return self.gateways.get((topic.site, topic.gateway))

    def _enter(self, names: list[GatewayName]) -> None:
        if not names:
            return
        there = self._connection.execute(select(func.count()).select_from(gateway)).scalar_one()
        values = [
            {"site": site, "name": name, "first_heard_at": self._now_us}
            for site, name in names[: max(0, MAX_GATEWAYS - there)]
        ]
        if values:
            columns = gateway.c
            made = insert(gateway).returning(columns.id, columns.site, columns.name)
            for number, site, name in self._connection.execute(made, values):
                self.gateways[site, name] = GatewayLedger(number, None)

    def _read(self, found: Iterable[tuple[Any, ...]]) -> None:
        by_id = {ledger.id: ledger for ledger in self.gateways.values()}
        lost: dict[tuple[int, int], list[Range]] = defaultdict(list)
        parts: dict[tuple[int, int], list[Segment]] = defaultdict(list)
        for of, number, epoch, first, last, first_prev, last_hash in found:
            if number not in by_id:
                continue  # entered by another process since: to enter it here fails, and it is tried again
            if of == _SEGMENT:
                parts[number, epoch].append(Segment(first, last, first_prev, last_hash))
            elif of == _HEAD:
                by_id[number].heads[epoch] = (first, bool(last))
            elif of == _LOST:
                lost[number, epoch].append((first, last))
            else:
                self.breaks[number, epoch].add(first)
        for key in {*lost, *parts}:
            by_id[key[0]].epochs[key[1]] = EpochLedger(
                Coverage(parts[key], lost[key]), {part.first: part for part in parts[key]}, sorted(lost[key])
            )

    def report_head(self, owner: GatewayLedger, head: EpochHead) -> None:
        values = {"oldest": head.oldest, "head": head.head, "hash": bytes.fromhex(head.hash), "held": 1}
        self._put_head(owner, head.epoch, values)
        owner.heads[head.epoch] = (head.head, True)

    def no_longer_held(self, owner: GatewayLedger, epoch: int) -> None:
        head, _ = owner.heads.get(epoch, (owner.epoch(epoch).coverage.seen, True))
        if epoch in owner.heads:
            self._put_head(owner, epoch, {"held": 0})
        owner.heads[epoch] = (head, False)

    def _put_head(self, owner: GatewayLedger, epoch: int, values: dict[str, Any]) -> None:
        if epoch in owner.heads:
            here = (epoch_head.c.gateway_id == owner.id) & (epoch_head.c.epoch == epoch)
            self._connection.execute(update(epoch_head).where(here).values(values))
        else:
            self._connection.execute(
                insert(epoch_head).values({"gateway_id": owner.id, "epoch": epoch, **values})
            )

    def save(self) -> list[tuple[Any, ...]]:
        """Rows of `segment` that the caller still has to put in: of those that are there already, all columns
        but the last two stay as they are."""
        changes = _Changes()
        for owner in self.gateways.values():
            for number, entry in owner.epochs.items():
                changes.note_segments(owner.id, number, entry)
                changes.note_lost(owner.id, number, entry, self._now_us)
        changes.write(self._connection)
        return changes.parts


class _Changes:
    """Differences between what was loaded and what is now, for all epochs together: few statements."""

    def __init__(self) -> None:
        self._gone: dict[str, list[dict[str, Any]]] = {"segment": [], "lost_range": []}
        self._new_lost: list[dict[str, Any]] = []
        self.parts: list[tuple[Any, ...]] = []

    def note_segments(self, gateway_id: int, epoch: int, entry: EpochLedger) -> None:
        now = {s.first: s for s in entry.coverage.segments}
        for first in entry.stored_segments.keys() - now.keys():
            self._gone["segment"].append({"g": gateway_id, "e": epoch, "f": first})
        self.parts += (
            (gateway_id, epoch, part.first, part.last, part.first_prev, part.last_hash)
            for first, part in now.items()
            if entry.stored_segments.get(first) != part
        )

    def note_lost(self, gateway_id: int, epoch: int, entry: EpochLedger, now_us: int) -> None:
        before, now = set(entry.stored_lost), set(entry.coverage.still_lost())
        self._gone["lost_range"] += [{"g": gateway_id, "e": epoch, "f": first} for first, _ in before - now]
        self._new_lost += [
            {"gateway_id": gateway_id, "epoch": epoch, "first": first, "last": last, "declared_at": now_us}
            for first, last in now - before
        ]

    def write(self, connection: Connection) -> None:
        for table in (segment, lost_range):
            if gone := self._gone[table.name]:
                connection.execute(delete(table).where(_at(table)), gone)
        if self._new_lost:
            connection.execute(insert(lost_range), self._new_lost)


def _at(table: Table) -> Any:
    return (
        (table.c.gateway_id == bindparam("g"))
        & (table.c.epoch == bindparam("e"))
        & (table.c.first == bindparam("f"))
    )
