"""A centre restored from a backup asks again for what it lost; everything comes back (trust.md R-25).

Real broker, real ingest, real uplink over a real journal; only the doors are missing.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from central_support import Broker, a_broker, until
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gateway_support import EPOCH_S, GATEWAY, TurnedClock, a_fact
from sqlalchemy import Table, select

from central.ingest.service import IngestService
from central.settings import MqttPart as CentreMqtt
from central.store.backup import make_backup
from central.store.chains import verify_all
from central.store.engine import migrate, open_reader, open_writer
from central.store.restore import restore
from central.store.tables import finding, lost_range
from gateway.journal import Journal
from gateway.journal_reader import JournalReader
from gateway.self_report import Report
from gateway.settings import MqttPart
from gateway.uplink import Uplink
from messages.wire import WIRE_VERSION, About


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with a_broker(tmp_path) as started:
        yield started


@contextmanager
def a_centre(database: Path, broker: Broker) -> Iterator[IngestService]:
    engine = open_writer(f"sqlite:///{database}")
    migrate(engine)
    service = IngestService(engine, CentreMqtt.model_validate({"port": broker.port, "client_id": "centre"}))
    service.start()
    try:
        yield service
    finally:
        service.stop()
        engine.dispose()


class Building:
    def __init__(self, folder: Path, broker: Broker) -> None:
        self.journal = Journal(folder / "journal.db", GATEWAY, TurnedClock())
        self.reader = JournalReader(folder / "journal.db")
        self.licensed = 0
        self.uplink = Uplink(
            settings=MqttPart.model_validate(
                {"port": broker.port, "drain_spread_s": 0.1, "first_call_spread_s": 0.0}
            ),
            site="north",
            gateway=GATEWAY,
            about=About(WIRE_VERSION, "liuhen 0", "Building 1", []),
            reader=self.reader,
            clock=TurnedClock(),
            report=lambda: Report(1, {}),
            licensed=self._license,
            device_key=Ed25519PrivateKey.generate(),
        )
        self.thread = threading.Thread(target=self.uplink.run)

    def _license(self, _epoch: int, through: int) -> None:
        self.licensed = through

    def append(self, count: int) -> None:
        self.journal.append([a_fact()] * count)
        self.uplink.announce(self.journal.head)

    def everything_is_licensed(self) -> bool:
        return self.licensed == self.journal.head.seq

    def hashes(self) -> dict[int, str | None]:
        return {seq: self.reader.hash_of(EPOCH_S, seq) for seq in range(1, self.journal.head.seq + 1)}


@pytest.fixture
def building(tmp_path: Path, broker: Broker) -> Iterator[Building]:
    building = Building(tmp_path, broker)
    building.thread.start()
    yield building
    building.uplink.stop()
    building.thread.join(20)
    building.reader.close()
    building.journal.close()


def stored(database: Path) -> dict[int, str]:
    with closing(sqlite3.connect(database)) as connection:
        return {seq: digest.hex() for seq, digest in connection.execute("SELECT seq, hash FROM record")}


def count(database: Path, table: Table) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return len(connection.execute(str(select(table.c.gateway_id))).fetchall())


def back_up(database: Path, into: Path) -> Path:
    reader = open_reader(f"sqlite:///{database}")
    made = make_backup(reader, into, datetime(2026, 11, 5, tzinfo=UTC), None)
    reader.dispose()
    return made


def put_back(backup: Path, database: Path) -> None:
    for name in (database.name, f"{database.name}-wal", f"{database.name}-shm"):
        (database.parent / name).unlink(missing_ok=True)
    restore(backup, f"sqlite:///{database}", None)


@pytest.mark.parametrize("broker_too", [False, True], ids=["broker keeps what it knew", "broker wiped"])
def test_what_was_acknowledged_after_the_backup_comes_again(
    tmp_path: Path, broker: Broker, building: Building, broker_too: bool
) -> None:
    database = tmp_path / "central.sqlite"
    with a_centre(database, broker):
        building.append(400)
        until(building.everything_is_licensed, "acknowledgement before the backup")
        backup = back_up(database, tmp_path / "backups")
        building.append(700)
        until(building.everything_is_licensed, "acknowledgement after the backup")
    assert len(stored(database)) == 1_101
    put_back(backup, database)
    assert len(stored(database)) == 401
    if broker_too:
        broker.kill()
        broker.start()
    with a_centre(database, broker):
        building.append(5)
        until(lambda: stored(database) == building.hashes(), "set equality")
        until(building.everything_is_licensed, "acknowledgement of everything")
    assert (count(database, finding), count(database, lost_range)) == (0, 0)
    engine = open_writer(f"sqlite:///{database}")
    assert all(good for _, good in verify_all(engine))
    engine.dispose()


def test_a_centre_that_lost_everything_gets_everything(
    tmp_path: Path, broker: Broker, building: Building
) -> None:
    database = tmp_path / "central.sqlite"
    with a_centre(database, broker):
        building.append(400)
        until(building.everything_is_licensed, "acknowledgement")
    for path in tmp_path.glob("central.sqlite*"):
        path.unlink()
    with a_centre(database, broker):
        until(lambda: stored(database) == building.hashes(), "set equality")
        until(building.everything_is_licensed, "acknowledgement of everything")
    assert count(database, finding) == 0
