"""What the centre has committed, read from its database beside the running service."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from sqlalchemy import Row, func, select

from bench.oracle import Entry
from central.store.chains import verify_all
from central.store.engine import open_reader, reading
from central.store.tables import gateway, record, segment


class CentreView:
    """Raises central's StoreUnavailable where the database cannot be read."""

    def __init__(self, database: Path) -> None:
        self._engine = open_reader(f"sqlite:///{database}")

    def close(self) -> None:
        self._engine.dispose()

    def entries(self) -> list[Entry]:
        """Every record about a credential."""
        query = (
            select(gateway.c.name, record)
            .join_from(record, gateway)
            .where(record.c.token.is_not(None))
            .order_by(record.c.gateway_id, record.c.epoch, record.c.seq)
        )
        with reading(self._engine) as connection:
            return [_entry(row) for row in connection.execute(query)]

    def through(self) -> dict[tuple[str, int], int]:
        """Committed without a hole up to, by gateway and epoch."""
        query = select(gateway.c.name, segment.c.epoch, segment.c.last).join_from(segment, gateway)
        with reading(self._engine) as connection:
            rows = connection.execute(query.where(segment.c.first == 1)).all()
        return {(name, epoch): last for name, epoch, last in rows}

    def gaps(self) -> list[str]:
        """One sentence for each run of records with a hole before it."""
        query = select(gateway.c.name, segment.c.epoch, segment.c.first).join_from(segment, gateway)
        with reading(self._engine) as connection:
            rows = connection.execute(query.where(segment.c.first != 1)).all()
        return [f"gateway {row.name}, epoch {row.epoch}: nothing is there before {row.first}" for row in rows]

    def kinds(self) -> Counter[tuple[str, str, str]]:
        """How many records there are of each door ("": none), kind and reason ("": none)."""
        query = select(record.c.door, record.c.kind, record.c.reason, func.count())
        with reading(self._engine) as connection:
            rows = connection.execute(query.group_by(record.c.door, record.c.kind, record.c.reason)).all()
        return Counter({(door or "", kind, reason or ""): count for door, kind, reason, count in rows})

    def broken_chains(self) -> list[str]:
        """One sentence for each place where a stored chain does not hold."""
        return [line for line, good in verify_all(self._engine) if not good]


def _entry(row: Row[tuple[object, ...]]) -> Entry:
    return Entry(
        gateway=row.name,
        epoch=row.epoch,
        seq=row.seq,
        door=row.door,
        token=row.token.hex(),
        granted=row.kind == "access_granted",
        uptime_us=row.uptime_us,
        boot=row.boot.hex(),
    )
