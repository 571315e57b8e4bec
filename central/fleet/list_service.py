"""Makes the access lists that are due and sends them at once: a card that was reported lost is refused at
every door with a line some seconds later (trust.md R-30)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, Engine

from central.errors import BrokerUnavailable, OrderRefused, RowRefused, StoreUnavailable
from central.fleet.keys import CentreKeys
from central.fleet.lists import gateways_of, messages_for, messages_of
from central.fleet.made_lists import Due, Made, Worked, due_lists, keep_all, names_few, work_out_all
from central.ingest.outgoing import Outgoing
from central.settings import MqttPart
from central.store.engine import reading, writing
from messages.topics import GatewayTopic, Leaf, from_gateways

log = logging.getLogger(__name__)

ROUND_S: Final = 0.3
TOGETHER: Final = 100
"""Lists noted in one transaction."""

_SEND_S: Final = 5.0


class ListService:
    """`start`, then it runs until `stop`. While the broker is away `order_service` has to send them later."""

    def __init__(self, writer: Engine, reader: Engine, mqtt: MqttPart, keys: CentreKeys) -> None:
        self._writer = writer
        self._reader = reader
        self._key = keys.signing[0]
        self._outgoing = Outgoing(
            mqtt, f"{mqtt.client_id}-lists", from_gateways(Leaf.RESULT), lambda _topic, _payload: None
        )
        self._stopping = threading.Event()
        self._worker = threading.Thread(target=self._run, name="lists", daemon=True)

    def start(self) -> None:
        self._outgoing.start()
        self._worker.start()

    def stop(self) -> None:
        self._stopping.set()
        self._outgoing.stop()
        self._worker.join(timeout=1.0)

    def look(self, now_us: int) -> int:
        """One round; how many lists were made. Raises StoreUnavailable, RowRefused, OrderRefused."""
        with reading(self._reader) as connection:
            due = due_lists(connection, now_us)
        done = 0
        for first in range(0, len(due), TOGETHER):
            if self._stopping.is_set():
                break
            worked = self._worked_out(due[first : first + TOGETHER], now_us)
            with writing(self._writer) as connection:
                made = keep_all(connection, worked, now_us)
            self._send(made)
            done += len(made)
        return done

    def _worked_out(self, dues: Sequence[Due], now_us: int) -> list[Worked]:
        """Beside the writer: records that come meanwhile do not wait for it. Where little changed, together:
        a card of many doors is looked up once."""
        few, many = [due for due in dues if names_few(due)], [due for due in dues if not names_few(due)]
        worked: list[Worked] = []
        for some in [few, *([due] for due in many)]:
            if some:
                with reading(self._reader) as connection:
                    worked += work_out_all(connection, some, now_us)
        return worked

    def _send(self, made: list[Made]) -> None:
        if not made or not self._outgoing.connected:
            return
        with reading(self._reader) as connection:
            has: dict[tuple[str, str], int | None] = {}
            for site in {each.site for each in made}:
                names = [each.gateway for each in made if each.site == site]
                has |= {(site, name): version for name, version in gateways_of(connection, site, names)}
            messages = {
                place: self._messages(connection, each, has[place])
                for each in made
                if (place := (each.site, each.gateway)) in has
            }
        self._outgoing.send_all(
            [
                (str(GatewayTopic(site, name, Leaf.LIST)), payload)
                for (site, name), told in messages.items()
                for payload in told
            ],
            _SEND_S,
        )

    def _messages(self, connection: Connection, made: Made, has: int | None) -> list[bytes]:
        """Most have what was the newest until now: what is to be said to them is at hand."""
        if made.changes is not None and made.base == has:
            return messages_of(self._key, made.site, made.gateway, made.sent, made.changes, base=has)
        return messages_for(connection, self._key, made.site, made.gateway, made.list_id, has=has)

    def _run(self) -> None:
        """The thread's outermost frame: whatever happens, the next round begins."""
        told = False
        while not self._stopping.wait(ROUND_S):
            try:
                if made := self.look(time.time_ns() // 1_000):
                    log.info("lists: %d made", made)
                told = False
            except (StoreUnavailable, RowRefused, OrderRefused, BrokerUnavailable) as error:
                if not told:
                    log.warning("lists: %s; tried again", error)
                told = True
            except Exception:
                log.exception("lists: a fault of this program; tried again")
