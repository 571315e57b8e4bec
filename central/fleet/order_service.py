"""Sees to it that every gateway gets what it should have, and notes what became of commands.

What gateways say of themselves stands in the database; each that has another list or other settings than it
should is sent what it lacks, again and again, less and less often, until it says that it has it. With a
gateway that comes back that begins anew.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine

from central.errors import BrokerUnavailable, CentralError, StoreUnavailable
from central.fleet.keys import CentreKeys
from central.fleet.lists import Lack, lacking, messages_for
from central.fleet.orders import (
    lacking_settings,
    note_answer,
    read_answer,
    settings_for,
    signed_command,
)
from central.ingest.outgoing import Outgoing
from central.settings import KeysPart, MqttPart
from central.store.engine import writing
from messages.commands import Command
from messages.errors import MessageError
from messages.topics import GatewayTopic, Leaf, from_gateways, parse_topic

log = logging.getLogger(__name__)

ROUND_S: Final = 1.0
FIRST_US: Final = 3_000_000
"""Whoever notes a list also sends it: so long that is left alone."""

FIRST_RETRY_S: Final = 10.0
LONGEST_RETRY_S: Final = 600.0
MOST_AT_ONCE: Final = 8
"""Lists sent in one round: a district that comes back together is served one after the other."""

MAX_REMEMBERED: Final = 100_000
_SEND_S: Final = 20.0
_COMMAND_S: Final = 3.0


@dataclass(slots=True)
class _Try:
    noted_id: int
    session: str
    times: int = 0
    next_s: float = 0.0

    def put_off(self, now_s: float) -> None:
        self.next_s = now_s + min(FIRST_RETRY_S * 2**self.times, LONGEST_RETRY_S)
        self.times = min(self.times + 1, 16)


class _Tries:
    """What was sent to whom in the connection that it has now."""

    def __init__(self) -> None:
        self._tries: dict[tuple[str, str], _Try] = {}

    def is_due(self, lack: Lack, now_s: float, now_us: int) -> bool:
        attempt = self._tries.get((lack.site, lack.gateway))
        if attempt is None or (attempt.noted_id, attempt.session) != (lack.noted_id, lack.session):
            return now_us - lack.noted_us >= FIRST_US
        return now_s >= attempt.next_s

    def of(self, lack: Lack) -> _Try:
        place = lack.site, lack.gateway
        attempt = self._tries.get(place)
        if attempt is None or (attempt.noted_id, attempt.session) != (lack.noted_id, lack.session):
            if len(self._tries) >= MAX_REMEMBERED:
                self._tries.clear()
            attempt = self._tries[place] = _Try(lack.noted_id, lack.session)
        return attempt


class OrderService:
    """`start`, then it runs until `stop`; a missing broker or database only means that gateways wait."""

    def __init__(self, engine: Engine, mqtt: MqttPart, keys: CentreKeys, files: KeysPart) -> None:
        self._engine = engine
        self._key = keys.signing[0]
        self._files = files
        self._outgoing = Outgoing(
            mqtt, f"{mqtt.client_id}-orders", from_gateways(Leaf.RESULT), self._answered
        )
        self._list_tries, self._settings_tries = _Tries(), _Tries()
        self._ahead: set[tuple[str, str, int]] = set()
        self._stopping = threading.Event()
        self._worker = threading.Thread(target=self._run, name="orders", daemon=True)

    def start(self) -> None:
        self._outgoing.start()
        self._worker.start()

    def stop(self) -> None:
        self._stopping.set()
        self._outgoing.stop()
        self._worker.join(timeout=1.0)

    @property
    def connected(self) -> bool:
        """Whether a command would be sent now."""
        return self._outgoing.connected

    def command(self, site: str, gateway: str, command: Command) -> None:
        """The broker has it when this returns. Raises BrokerUnavailable: no broker was there, or it has not
        said in time that it took it; then it may arrive all the same, as long as the command is good."""
        if not self.connected:
            raise BrokerUnavailable("no broker is connected just now: the command was not sent")
        topic = str(GatewayTopic(site, gateway, Leaf.COMMAND))
        payload = signed_command(self._key, site, gateway, command)
        try:
            self._outgoing.send(topic, [payload], _COMMAND_S)
        except BrokerUnavailable:
            raise BrokerUnavailable(
                "the broker did not answer in time: the command may arrive all the same within eight seconds;"
                " see what became of it"
            ) from None

    def look(self, now_s: float, now_us: int) -> int:
        """One round; how many lists and settings were sent. Raises StoreUnavailable, BrokerUnavailable."""
        with writing(self._engine) as connection:
            lists = [each for each in lacking(connection) if self._list_tries.is_due(each, now_s, now_us)]
            settings = [
                (each, settings_for(connection, self._key, each.site, each.gateway))
                for each in self._behind(lacking_settings(connection))
                if self._settings_tries.is_due(each, now_s, now_us)
            ]
        for lack in lists[:MOST_AT_ONCE]:
            self._send_list(lack, now_s)
        for lack, payload in settings:
            if payload is not None:
                self._send_settings(lack, payload, now_s)
        return len(lists[:MOST_AT_ONCE]) + len(settings)

    def _run(self) -> None:
        """The thread's outermost frame: whatever happens, the next round begins."""
        while not self._stopping.wait(ROUND_S):
            if not self._outgoing.connected:
                continue
            try:
                self.look(time.monotonic(), time.time_ns() // 1_000)
            except (StoreUnavailable, BrokerUnavailable) as error:
                log.warning("orders: %s; tried again", error)
            except Exception:
                log.exception("orders: a fault of this program; tried again")

    def _send_list(self, lack: Lack, now_s: float) -> None:
        """At first what changed; whatever became of that, from then on the whole."""
        attempt = self._list_tries.of(lack)
        has = lack.has if attempt.times == 0 else None
        with writing(self._engine) as connection:
            messages = messages_for(connection, self._key, lack.site, lack.gateway, lack.noted_id, has=has)
        attempt.put_off(now_s)
        _say("list", lack, attempt.times)
        self._outgoing.send(str(GatewayTopic(lack.site, lack.gateway, Leaf.LIST)), messages, _SEND_S)

    def _send_settings(self, lack: Lack, payload: bytes, now_s: float) -> None:
        """The broker keeps them too. An older gateway does not say what it has: once for each connection."""
        attempt = self._settings_tries.of(lack)
        attempt.put_off(now_s)
        if lack.has is None:
            attempt.next_s = float("inf")
        _say("settings", lack, attempt.times)
        topic = str(GatewayTopic(lack.site, lack.gateway, Leaf.SETTINGS))
        self._outgoing.send(topic, [payload], _SEND_S, retain=True)

    def _behind(self, lacks: list[Lack]) -> list[Lack]:
        """Without those that have newer ones than are known here and refuse older ones: that is told once."""
        behind = [lack for lack in lacks if lack.has is None or lack.has < lack.should_have]
        for lack in lacks:
            place = (lack.site, lack.gateway, lack.should_have)
            if lack not in behind and place not in self._ahead:
                self._ahead.add(place)
                log.error(
                    "orders: gateway %s of %s has settings %s, newer than %d which is the newest known here."
                    " Was the centre restored? Send settings with a higher revision",
                    lack.gateway,
                    lack.site,
                    lack.has,
                    lack.should_have,
                )
        return behind

    def _answered(self, topic: str, payload: bytes) -> None:
        """By the network's thread: noted at once, a few milliseconds."""
        try:
            place = parse_topic(topic)
            answer = read_answer(self._files.gateway_keys, place.site, place.gateway, payload)
            with writing(self._engine) as connection:
                noted = note_answer(connection, answer, time.time_ns() // 1_000)
        except (MessageError, CentralError) as error:
            log.warning("orders: %s", error)
            return
        if noted:
            log.info("orders: command %s is %s", answer.result.id, answer.result.outcome)


def _say(what: str, lack: Lack, times: int) -> None:
    log.log(
        logging.WARNING if times > 2 else logging.INFO,  # noqa: PLR2004
        "orders: gateway %s of %s has %s %s and is sent %d, time %d",
        lack.gateway,
        lack.site,
        what,
        lack.has,
        lack.should_have,
        times,
    )
