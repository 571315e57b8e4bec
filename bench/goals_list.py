"""Large access lists for the gateway of an estate, signed as its centre's and sent over its broker.

They are made before anything is measured: at a site that work is done on another machine. What the gateway
has of them is read from its own file.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from itertools import count, islice

from bench.big_list import signed_list
from bench.estate import SITE, Estate
from bench.plan import Building
from central.fleet.keys import make_centre_keys
from central.ingest.outgoing import Outgoing
from central.settings import MqttPart
from messages.access_list import EVERY_DOOR, Entry
from messages.keys import encode_keys
from messages.topics import GatewayTopic, Leaf, from_gateways

_FIRST_VERSION = 2  # the file that the gateway starts with is 1
_LOOK_EVERY_S = 0.1
_SEND_S = 30.0
_IN_FORCE_S = 60.0
_HAS = (
    "SELECT (SELECT version FROM list),"
    " (SELECT min(generation) FROM entries) = (SELECT max(generation) FROM entries)"
)
_KEYS = '\n[keys]\ncentre_keys_file = "centre.json"\n'


class Lists:
    """Made before the gateway starts, because that has to know our key."""

    def __init__(self, estate: Estate, building: Building, credentials: int) -> None:
        self._topic = str(GatewayTopic(SITE, building.name, Leaf.LIST))
        self._broker = estate.broker
        centre = make_centre_keys(estate.centre_settings().parent / "centre.key")
        self._key = centre.signing[0]
        self._versions = count(_FIRST_VERSION)
        door = building.doors[0].name
        tokens = {token for person in estate.people() if (token := estate.token_of(person, door))}
        strangers = (f"{number:032x}" for number in range(credentials - len(tokens)))
        self._tokens = sorted({*tokens, *strangers})
        settings = estate.gateway_settings(building.name)
        self._rights = settings.parent / "rights.db"
        (settings.parent / "centre.json").write_bytes(encode_keys(centre.public()))
        settings.write_text(settings.read_text() + _KEYS)

    def make(self, number: int) -> list[tuple[int, list[bytes]]]:
        """So many lists, each with its version; everyone of the estate is on each, and every entry is new."""
        return [(version, self._made(version)) for version in islice(self._versions, number)]

    def send(self, lists: Sequence[tuple[int, list[bytes]]]) -> list[float]:
        """One after the other; seconds until each was in force and the former one gone from the disk.

        Raises central's BrokerUnavailable, and TimeoutError where the gateway does not take one.
        """
        settings = MqttPart.model_validate({"port": self._broker.port, "protocol": self._broker.protocol})
        outgoing = Outgoing(settings, "liuhen-bench-lists", from_gateways(Leaf.RESULT), lambda *_: None)
        outgoing.start()
        try:
            outgoing.wait_connected(_SEND_S)
            return [self._send(outgoing, version, messages) for version, messages in lists]
        finally:
            outgoing.stop()

    def _send(self, outgoing: Outgoing, version: int, messages: Sequence[bytes]) -> float:
        begun_s = time.monotonic()
        outgoing.send(self._topic, messages, _SEND_S)
        waiting = threading.Event()
        while not self.in_force(version):
            if time.monotonic() > begun_s + _IN_FORCE_S:
                raise TimeoutError(f"the gateway has not taken list {version} in {_IN_FORCE_S:.0f} s")
            waiting.wait(_LOOK_EVERY_S)
        return time.monotonic() - begun_s

    def in_force(self, version: int) -> bool:
        """And nothing is left of the former list."""
        with closing(sqlite3.connect(f"file:{self._rights}?mode=ro", uri=True)) as rights:
            has, is_all = rights.execute(_HAS).fetchone()
        return bool(has == version and is_all)

    def _made(self, version: int) -> list[bytes]:
        entries = [
            Entry(token, f"h-{number:05d}-{version}", "resident", (EVERY_DOOR,))
            for number, token in enumerate(self._tokens)
        ]
        return signed_list(self._key, version, entries)
