"""Helpers of the tests of how entries end: a centre to which records come day by day, and its clock.

Everything is invented.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from central_support import GATEWAY, SITE, a_chain
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from identity_support import DAY_US, NOON_US, know_site
from sqlalchemy import Engine, func, insert, select, text, update

from central.identity.certificates import Certificate, DataClass, verify_certificates
from central.identity.retention_rules import RetentionRules
from central.ingest.intake import Outcome, examine, take_in
from central.reports.tally import Tally
from central.retention.entries import EntryRetention
from central.retention.ranges import EndedRange, ended_ranges
from central.store.chains import verify_all
from central.store.engine import open_reader, reading, writing
from central.store.tables import gateway, record
from messages.chain import GENESIS, record_hash
from messages.signing import trusted
from messages.topics import GatewayTopic, Leaf
from messages.wire import decode_record, join_block

CENTRE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNERS = trusted(CENTRE.public_key())
DAYS = 180
HOUR_US = DAY_US // 24


class Growing:
    """The chain of one epoch of a gateway. `at` of its records: a second apart."""

    def __init__(self, name: str = GATEWAY, epoch: int = 1) -> None:
        self.name, self.epoch = name, epoch
        self.bodies: list[bytes] = []

    def grow(self, count: int, at_us: int, **more: object) -> bytes:
        """A block of `count` more."""
        first = len(self.bodies) + 1
        for seq in range(first, first + count):
            prev = record_hash(self.bodies[-1]) if self.bodies else GENESIS
            changes = {"gateway": self.name, "epoch": self.epoch, "at": at_us + (seq - first) * 1_000_000}
            self.bodies += a_chain(1, first=seq, prev=prev, **{**changes, **more})
        return self.block(first)

    def block(self, first: int, last: int | None = None) -> bytes:
        part = self.bodies[first - 1 : last]
        return join_block(self.epoch, first, len(part), b",".join(part))


class Archive:
    """A centre with its database; `now_us` is its clock, which is `wrong_us` ahead. Its gateways have theirs
    right, and say so before each run, unless they are `silent`."""

    def __init__(self, engine: Engine, *, days: int = DAYS, at_once: int = 5_000) -> None:
        self.engine = engine
        self.now_us = NOON_US
        self.wrong_us = 0
        self.silent = False
        self.reader = open_reader(engine.url.render_as_string(hide_password=False))
        self._tally = Tally(engine, self.reader, lambda: self.now_us, RetentionRules().zone)
        self._job(days, at_once)
        with writing(engine) as connection:
            know_site(connection)
            here = select(gateway.c.id).where(gateway.c.site == SITE, gateway.c.name == GATEWAY)
            if connection.execute(here).first() is None:
                values = {"site": SITE, "name": GATEWAY, "first_heard_at": self.now_us}
                connection.execute(insert(gateway).values(values))

    @property
    def true_us(self) -> int:
        return self.now_us - self.wrong_us

    def goes_wrong(self, by_us: int) -> None:
        """The clock is set ahead, or back."""
        self.now_us += by_us
        self.wrong_us += by_us

    def speak(self) -> None:
        """Its gateways."""
        with writing(self.engine) as connection:
            connection.execute(update(gateway).values(state_at=self.true_us, online=1))

    def _job(self, days: int, at_once: int) -> None:
        rules = RetentionRules(entry_days=days)
        self.job = EntryRetention(
            self.engine, self.reader, CENTRE, rules, now_us=lambda: self.now_us, at_once=at_once
        )

    def close(self) -> None:
        self.reader.dispose()

    def take(self, *payloads: bytes, name: str = GATEWAY, leaf: Leaf = Leaf.BACKLOG) -> Outcome:
        with writing(self.engine) as connection:
            told = [examine(str(GatewayTopic(SITE, name, leaf)), payload) for payload in payloads]
            return take_in(connection, told, self.now_us)

    def comes(self, chain: Growing, count: int, at_us: int | None = None, **more: object) -> Outcome:
        """So many more records of a chain, made now or at a time of their gateway's clock."""
        grown = chain.grow(count, self.true_us if at_us is None else at_us, **more)
        return self.take(grown, name=chain.name)

    def count(self) -> None:
        while self._tally.look():
            pass

    def runs(self, *, counted: bool = True) -> list[Certificate]:
        if not self.silent:
            self.speak()
        if counted:
            self.count()
        return self.job.run()

    def passes(self, days: float) -> list[Certificate]:
        """The job runs as it does twice a day, at the beginning and at the end of that time, and once a month
        in between: nothing else is noted by the runs that are left out. What it ended."""
        began_us, until_us, half_us = self.now_us, self.now_us + int(days * DAY_US), DAY_US // 2
        monthly = range(began_us + half_us, until_us, 30 * DAY_US)
        made: list[Certificate] = []
        for at_us in sorted({began_us, *monthly, max(began_us, until_us - half_us), until_us}):
            self.now_us = at_us
            made += self.runs()
        return made

    def seqs(self, name: str = GATEWAY, epoch: int = 1) -> list[int]:
        """Of the records that are here."""
        query = (
            select(record.c.seq)
            .join(gateway, gateway.c.id == record.c.gateway_id)
            .where(gateway.c.name == name, record.c.epoch == epoch)
            .order_by(record.c.seq)
        )
        return self.values(query)

    def values(self, query: Any) -> list[Any]:
        with reading(self.engine) as connection:
            return list(connection.execute(query).scalars())

    def ended(self, name: str = GATEWAY, epoch: int = 1) -> list[tuple[int, int]]:
        return [(each.first, each.last) for each in self.ranges(name, epoch)]

    def ranges(self, name: str = GATEWAY, epoch: int = 1) -> list[EndedRange]:
        with reading(self.engine) as connection:
            number = connection.execute(select(gateway.c.id).where(gateway.c.name == name)).scalar_one()
            return ended_ranges(connection, number, epoch)

    def verified(self) -> list[tuple[str, bool]]:
        return [(line.split(" ", 1)[1], good) for line, good in verify_all(self.engine, SIGNERS)]

    def newest_number(self) -> int:
        with reading(self.engine) as connection:
            return connection.execute(select(func.max(record.c.id))).scalar() or 0

    def certified(self) -> list[tuple[int, str, int]]:
        """Community, day and rows of each certificate of entries; all of the certificates are good."""
        with reading(self.engine) as connection:
            found = list(verify_certificates(connection, SIGNERS))
        assert [flaw for _, flaw in found if flaw is not None] == []
        every = [each for each, _ in found if each is not None]
        return [(e.community, e.period, e.rows) for e in every if e.data_class is DataClass.ENTRIES]

    def months(self) -> list[str]:
        """Partitions, on PostgreSQL."""
        asked = "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY relname"
        return self.values(text(asked))


def seqs_of(bodies: Sequence[bytes]) -> list[int]:
    return [decode_record(body).seq for body in bodies]
