"""What is not understood or not believed: kept as it came, found once, and bounded.

What has a place is kept without limit and for good, as records are: the gateway may delete its own copy on
the strength of it, whether it stands for the record there (`settled`) or the place was taken. Everything else
is kept up to a limit and then only counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from sqlalchemy import Connection, func, insert, select, update

from central.ingest.verify import Trouble
from central.store.tables import NO_PLACE, finding, quarantine

MAX_LOOSE: Final = 10_000
"""Set-aside payloads of one gateway that have no place."""


@dataclass(frozen=True, slots=True)
class Place:
    epoch: int
    seq: int


class SetAside:
    """Quarantine and findings within one transaction."""

    def __init__(self, connection: Connection, now_us: int) -> None:
        self._connection = connection
        self._now_us = now_us

    def keep(
        self,
        gateway_id: int | None,
        topic: str,
        payload: bytes,
        reason: str,
        *,
        place: Place | None = None,
        settled: bool = False,
    ) -> None:
        """Keeps one copy of a payload; a repeat only raises its count."""
        spot = (place.epoch, place.seq) if place else (None, None)
        key = sha256(repr((topic, spot)).encode() + payload).digest()
        if self._counted(key) or not (place or self._room(gateway_id)):
            return
        self._connection.execute(
            insert(quarantine).values(
                gateway_id=gateway_id,
                topic=topic,
                received_at=self._now_us,
                epoch=spot[0],
                seq=spot[1],
                settled=int(settled),
                reason=reason,
                payload=payload,
                hash=sha256(payload).digest(),
                key=key,
                count=1,
            )
        )

    def find(self, gateway_id: int, trouble: Trouble, epoch: int = NO_PLACE, seq: int = NO_PLACE) -> None:
        """The same finding again only raises its count."""
        there = (
            (finding.c.gateway_id == gateway_id)
            & (finding.c.kind == trouble)
            & (finding.c.epoch == epoch)
            & (finding.c.seq == seq)
        )
        again = self._connection.execute(update(finding).where(there).values(count=finding.c.count + 1))
        if again.rowcount == 0:
            self._connection.execute(
                insert(finding).values(
                    gateway_id=gateway_id,
                    kind=str(trouble),
                    epoch=epoch,
                    seq=seq,
                    first_seen=self._now_us,
                    count=1,
                )
            )

    def _counted(self, key: bytes) -> bool:
        here = quarantine.c.key == key
        again = self._connection.execute(update(quarantine).where(here).values(count=quarantine.c.count + 1))
        return again.rowcount > 0

    def _room(self, gateway_id: int | None) -> bool:
        loose = select(func.count()).where(quarantine.c.gateway_id.is_not_distinct_from(gateway_id))
        return self._connection.execute(loose.where(quarantine.c.epoch.is_(None))).scalar_one() < MAX_LOOSE
