"""Runs of records that were here and have been ended: what they leave in an epoch's chain. Pure, but for
`ended_ranges`, which reads them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, select

from central.store.retention_tables import ended_range

Place = tuple[int, int]
"""Gateway and epoch."""


class EndedRange(Struct, frozen=True):
    """Records `first`..`last`: `last_hash` is the `prev` of the one behind them. All had arrived by
    `arrived_by`."""

    first: int
    last: int
    last_hash: bytes
    arrived_by: int


def joined(ranges: Iterable[EndedRange]) -> list[EndedRange]:
    """Neighbours as one, in their order."""
    found: list[EndedRange] = []
    for each in sorted(ranges, key=lambda known: known.first):
        if found and found[-1].last + 1 == each.first:
            arrived_by = max(found[-1].arrived_by, each.arrived_by)
            found[-1] = replace(each, first=found[-1].first, arrived_by=arrived_by)
        else:
            found.append(each)
    return found


def holding(ranges: Sequence[EndedRange], seq: int) -> EndedRange | None:
    """The one in which that record lay; `ranges` in their order."""
    at = bisect_right(ranges, seq, key=lambda known: known.first)
    return ranges[at - 1] if at and ranges[at - 1].last >= seq else None


def ended_ranges(
    connection: Connection, gateway_id: int, epoch: int, first: int = 1, last: int | None = None
) -> list[EndedRange]:
    """Those of an epoch that reach into `first`..`last`, in their order."""
    columns = ended_range.c
    here = [columns.gateway_id == gateway_id, columns.epoch == epoch, columns.last >= first]
    here += [] if last is None else [columns.first <= last]
    query = select(columns.first, columns.last, columns.last_hash, columns.arrived_by).where(*here)
    return [EndedRange(*row) for row in connection.execute(query.order_by(columns.first))]
