"""How complete the touched gateways are, loaded from the database and written back in one transaction.

Memory is never trusted from one transaction to the next: another worker may have moved on meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

from central.ingest.segments import Coverage, Range, Segment
from central.store.tables import epoch_head, gateway, lost_range, segment
from messages.topics import GatewayTopic
from messages.wire import MAX_EPOCHS, MAX_RANGES, WIRE_VERSION, Ack, EpochAck, EpochHead

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

    def __init__(self, connection: Connection, names: Iterable[GatewayName], now_us: int) -> None:
        self._connection = connection
        self._now_us = now_us
        self.gateways = self._find(sorted(set(names)))
        if self.gateways:
            self._load()

    def get(self, topic: GatewayTopic) -> GatewayLedger | None:
        """None beyond MAX_GATEWAYS."""
        return self.gateways.get((topic.site, topic.gateway))

    def _find(self, names: list[GatewayName]) -> dict[GatewayName, GatewayLedger]:
        # Rows are locked in one order, so that workers which share gateways wait and never dead-lock.
        known = self._connection.execute(
            select(
                gateway.c.id,
                gateway.c.site,
                gateway.c.name,
                gateway.c.session,
                gateway.c.device_key,
                gateway.c.signed_acks,
            )
            .where(gateway.c.name.in_({name for _, name in names}))
            .order_by(gateway.c.id)
            .with_for_update()
        )
        wanted = set(names)
        found = {
            (g.site, g.name): GatewayLedger(g.id, g.session, g.device_key, bool(g.signed_acks))
            for g in known
            if (g.site, g.name) in wanted
        }
        for name in names:
            if name not in found and (number := self._enter(name)):
                found[name] = GatewayLedger(number, None)
        return found

    def _enter(self, name: GatewayName) -> int | None:
        if len(self._connection.execute(select(gateway.c.id).limit(MAX_GATEWAYS)).all()) >= MAX_GATEWAYS:
            return None
        values = {"site": name[0], "name": name[1], "first_heard_at": self._now_us}
        number: int = self._connection.execute(insert(gateway).returning(gateway.c.id), values).scalar_one()
        return number

    def _load(self) -> None:
        by_id = {ledger.id: ledger for ledger in self.gateways.values()}
        lost = self._by_epoch(lost_range, list(by_id))
        segments = self._by_epoch(segment, list(by_id))
        for key in {*lost, *segments}:
            parts = [Segment(s.first, s.last, s.first_prev, s.last_hash) for s in segments[key]]
            gone = [(r.first, r.last) for r in lost[key]]
            by_id[key[0]].epochs[key[1]] = EpochLedger(
                Coverage(parts, gone), {part.first: part for part in parts}, sorted(gone)
            )
        for (number, epoch), [head] in self._by_epoch(epoch_head, list(by_id)).items():
            by_id[number].heads[epoch] = (head.head, bool(head.held))

    def _by_epoch(self, table: Table, by_id: list[int]) -> dict[tuple[int, int], list[Any]]:
        found: dict[tuple[int, int], list[Any]] = defaultdict(list)
        for row in self._connection.execute(select(table).where(table.c.gateway_id.in_(by_id))):
            found[row.gateway_id, row.epoch].append(row)
        return found

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

    def save(self) -> None:
        changes = _Changes()
        for owner in self.gateways.values():
            for number, entry in owner.epochs.items():
                changes.note_segments(owner.id, number, entry)
                changes.note_lost(owner.id, number, entry, self._now_us)
        changes.write(self._connection)


class _Changes:
    """Differences between what was loaded and what is now, for all epochs together: few statements."""

    def __init__(self) -> None:
        self._gone: dict[str, list[dict[str, Any]]] = {"segment": [], "lost_range": []}
        self._new: dict[str, list[dict[str, Any]]] = {"segment": [], "lost_range": []}
        self._grown: list[dict[str, Any]] = []

    def note_segments(self, gateway_id: int, epoch: int, entry: EpochLedger) -> None:
        now = {s.first: s for s in entry.coverage.segments}
        for first in entry.stored_segments.keys() - now.keys():
            self._gone["segment"].append({"g": gateway_id, "e": epoch, "f": first})
        for first, part in now.items():
            before = entry.stored_segments.get(first)
            if before is None:
                self._new["segment"].append(_segment_row(gateway_id, epoch, part))
            elif before != part:
                grown = {"g": gateway_id, "e": epoch, "f": first, "l": part.last, "h": part.last_hash}
                self._grown.append(grown)

    def note_lost(self, gateway_id: int, epoch: int, entry: EpochLedger, now_us: int) -> None:
        before, now = set(entry.stored_lost), set(entry.coverage.still_lost())
        self._gone["lost_range"] += [{"g": gateway_id, "e": epoch, "f": first} for first, _ in before - now]
        self._new["lost_range"] += [
            {"gateway_id": gateway_id, "epoch": epoch, "first": first, "last": last, "declared_at": now_us}
            for first, last in now - before
        ]

    def write(self, connection: Connection) -> None:
        for table in (segment, lost_range):
            if gone := self._gone[table.name]:
                connection.execute(delete(table).where(_at(table)), gone)
            if new := self._new[table.name]:
                connection.execute(insert(table), new)
        if self._grown:
            values: dict[str, Any] = {"last": bindparam("l"), "last_hash": bindparam("h")}
            connection.execute(update(segment).where(_at(segment)).values(values), self._grown)


def _at(table: Table) -> Any:
    return (
        (table.c.gateway_id == bindparam("g"))
        & (table.c.epoch == bindparam("e"))
        & (table.c.first == bindparam("f"))
    )


def _segment_row(gateway_id: int, epoch: int, part: Segment) -> dict[str, Any]:
    return {
        "gateway_id": gateway_id,
        "epoch": epoch,
        "first": part.first,
        "last": part.last,
        "first_prev": part.first_prev,
        "last_hash": part.last_hash,
    }
