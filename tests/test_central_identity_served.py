"""The real centre with a key ring: visitors come in by MQTT; what waited or is due is seen to beside them."""

import sqlite3
import time
from pathlib import Path
from typing import Any

from central_support import GATEWAY, SITE, Central, a_broker, a_gateway, until
from database_support import new_database
from identity_support import COMMUNITY, VISITOR, a_vault, arrive, visits
from program_support import called

from central.cli import main
from central.identity.opening import UNOPENED, row_name
from messages.envelope import unpadded
from messages.topics import Leaf


def asked(central: Central, sql: str) -> list[Any]:
    connection = sqlite3.connect(central.database)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_a_centre_opens_what_comes_and_what_waited_and_ends_what_is_due(tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    now_us = time.time_ns() // 1_000
    key = vault.sealing_key(COMMUNITY, now_us)
    with a_broker(tmp_path) as broker:
        central = Central(tmp_path, broker.port)
        with central.settings.open("a") as settings:
            settings.write('[identity]\nkey_ring = "ring"\n')
        assert called(main, "keys", "make", "--settings", central.settings).returncode == 0
        engine = new_database(central.database)
        arrive(engine, visits(key, now_us, VISITOR), UNOPENED, now_us)  # as `liuhen-central take` does
        engine.dispose()
        vault.seal_period(COMMUNITY, "2020-01-01", "row", b"")  # long due
        central.start()
        try:
            until(
                lambda: asked(central, "SELECT 1 FROM envelope WHERE waits = 0"), "envelope that had waited"
            )
            certified = "SELECT 1 FROM deletion_certificate WHERE period = '2020-01-01'"
            until(lambda: asked(central, certified), "certificate")
            with a_gateway(broker.port) as gateway:
                gateway.publish(Leaf.JOURNAL, visits(key, now_us, VISITOR, first=2))
                gateway.acknowledged(2)
            ((period, sealed),) = asked(
                central, "SELECT period, sealed FROM envelope WHERE seq = 2 AND waits = 0"
            )
            plain = vault.open_period(COMMUNITY, period, row_name(SITE, GATEWAY, 1, 2), sealed)
            assert unpadded(plain) == VISITOR
        finally:
            assert central.stop() == 0
        for secret in (VISITOR.name, VISITOR.number):
            assert secret not in central.log()
        assert vault.periods(COMMUNITY)[0] != "2020-01-01"
        checked = called(main, "identity", "certificates", "--settings", central.settings)
        assert checked.returncode == 0
        assert "visitor_identity of 2020-01-01" in checked.stdout
