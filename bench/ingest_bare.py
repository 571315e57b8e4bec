"""What stands beside the centre's figures in the same run: the engine's own bulk insert of the same records,
and a subscriber that does nothing but count. `python -m bench.ingest_bare PORT FILE` is that subscriber.
"""

from __future__ import annotations

import itertools
import sqlite3
import struct
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from mmap import PROT_READ, mmap
from pathlib import Path
from typing import Any, Final, Self

import paho.mqtt.client as mqtt
import psycopg
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from sqlalchemy import insert, make_url

from bench.broker import Broker
from bench.centre_alone import QUEUE_ALL, CentreAlone
from bench.ingest_fleet import Fleet, Member
from bench.processes import Child
from central.ingest.service import RECEIVE_MAXIMUM
from central.store.engine import open_writer, writing
from central.store.months import make_months
from central.store.records import Row, row_of
from central.store.tables import gateway, record
from messages.chain import record_hash
from messages.topics import Leaf, from_gateways
from messages.wire import decode_block, decode_record, join_block

_TOGETHER: Final = 2_000
_A_BLOCK: Final = 100
_NAMES: Final = [column.name for column in record.columns if column.name != "id"]
_COUNT: Final = struct.Struct("<Q")


class BulkInsert:
    """Into the centre's own table with all its indexes, durably, in batches. Rows are ready in memory, in the
    order in which gateways send blocks; there are more from round to round, as at the centre."""

    def __init__(self, centre: CentreAlone, gateways: int) -> None:
        self._url = centre.new_database("bare")
        self._sqlite = centre.server is None
        engine = open_writer(self._url)
        with writing(engine) as connection:
            numbers = range(1, gateways + 1)
            named = [{"id": n, "site": "bare", "name": f"g{n}", "first_heard_at": 0} for n in numbers]
            connection.execute(insert(gateway), named)
            if not self._sqlite:
                make_months(connection, {time.time_ns() // 1_000})
        engine.dispose()

    def rate(self, members: Sequence[Member], first: int, last: int) -> float:
        """Rows a second of each member's records `first` to `last`."""
        rows = [
            row
            for start in range(first, last + 1, _A_BLOCK)
            for number, member in enumerate(members, start=1)
            for row in _rows(number, member, start, min(start + _A_BLOCK - 1, last))
        ]
        portions = [rows[at : at + _TOGETHER] for at in range(0, len(rows), _TOGETHER)]
        seconds = self._into_sqlite(portions) if self._sqlite else self._into_postgresql(portions)
        return len(rows) / seconds

    def _into_sqlite(self, portions: Sequence[Sequence[Row]]) -> float:
        path = make_url(self._url).database
        statement = f"INSERT INTO record ({', '.join(_NAMES)}) VALUES ({', '.join('?' * len(_NAMES))})"  # noqa: S608  our names
        with closing(sqlite3.connect(str(path), isolation_level=None)) as connection:
            for pragma in ("synchronous = FULL", "wal_autocheckpoint = 20000", "cache_size = -8192"):
                connection.execute(f"PRAGMA {pragma}")
            begun_s = time.perf_counter()
            for portion in portions:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(statement, portion)
                connection.execute("COMMIT")
            return time.perf_counter() - begun_s

    def _into_postgresql(self, portions: Sequence[Sequence[Row]]) -> float:
        url = make_url(self._url)
        copy_in = f"COPY record ({', '.join(_NAMES)}) FROM STDIN".encode()
        host = str(url.query["host"])
        with psycopg.connect(host=host, user=url.username, dbname=url.database) as connection:
            begun_s = time.perf_counter()
            for portion in portions:
                with connection.cursor() as cursor, cursor.copy(copy_in) as copy:
                    for row in portion:
                        copy.write_row(row)
                connection.commit()
            return time.perf_counter() - begun_s


def _rows(number: int, member: Member, first: int, last: int) -> list[Row]:
    joined = member.holding.joined(first, last)
    block = decode_block(join_block(member.holding.epoch, first, last - first + 1, joined))
    bodies = [bytes(raw) for raw in block.records]
    return [row_of(number, decode_record(body), bytes.fromhex(record_hash(body))) for body in bodies]


class BareSubscriber:
    """A process at a broker of its own. Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.broker = Broker(folder, folder / "broker.log", QUEUE_ALL)
        self._counted = folder / "counted"
        self._counted.write_bytes(bytes(_COUNT.size))
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "bench.ingest_bare",
            str(self.broker.port),
            self._counted,
        ]
        self._child = Child("bare subscriber", command, folder / "subscriber.log", ready="listens")

    def __enter__(self) -> Self:
        self.broker.start()
        self._child.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._child.stop()
        self.broker.stop()

    def rate(self, members: Sequence[Member], each: int, aloft: int) -> float:
        """Messages a second of so many single records of each member."""
        with (
            Fleet(members, self.broker.port) as fleet,
            self._counted.open("rb") as file,
            mmap(file.fileno(), _COUNT.size, prot=PROT_READ) as shared,
        ):
            before = _COUNT.unpack(shared[:])[0]
            begun_s = time.monotonic()
            fleet.flood(each, aloft, lambda: int(_COUNT.unpack(shared[:])[0] - before))
            return each * len(members) / (time.monotonic() - begun_s)


def main(port: int, counted: Path) -> None:
    """Quality 1, the window of the centre's own subscription, everything else as paho comes. Counts in a file
    of one number, for whoever sends."""
    with counted.open("r+b") as file, mmap(file.fileno(), _COUNT.size) as shared:
        count = itertools.count(1)

        def on_message(_c: mqtt.Client, _u: Any, _message: mqtt.MQTTMessage) -> None:
            shared[:] = _COUNT.pack(next(count))

        client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        client.on_connect = lambda client, *_: client.subscribe(from_gateways(Leaf.JOURNAL), 1)
        client.on_subscribe = lambda *_: print("listens", flush=True)
        client.on_message = on_message
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        client.connect("127.0.0.1", port, properties=properties)
        client.loop_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
