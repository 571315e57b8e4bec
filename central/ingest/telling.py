"""What ingest tells gateways and operators: acknowledgements, and once what somebody should look at."""

from __future__ import annotations

import logging
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central.ingest.intake import Outcome
from messages.acks import tell_ack
from messages.topics import GatewayTopic
from messages.wire import Ack

log = logging.getLogger(__name__)


class Telling:
    def __init__(self, signing: Ed25519PrivateKey | None) -> None:
        """`signing`: the centre's key, for acknowledgements."""
        self._signing = signing
        self._unbelieved: set[tuple[str, str]] = set()
        self._replayed: set[tuple[str, str]] = set()
        self._unsigned: set[tuple[str, str]] = set()

    def ack(self, address: GatewayTopic, ack: Ack, *, wants_signature: bool) -> bytes:
        """Signed once for each gateway and commit, some 50 us; only for those that know the centre's keys."""
        place = (address.site, address.gateway)
        if wants_signature and self._signing is None and place not in self._unsigned:
            self._unsigned.add(place)
            log.error(
                "ingest: gateway %s of %s takes signed acknowledgements alone, and the centre has no keys: it"
                " deletes nothing and sends its records again and again. Put the centre's keys back",
                address.gateway,
                address.site,
            )
        key = self._signing if wants_signature else None
        return tell_ack(ack, key, *place, time.time_ns() // 1_000)

    def of_gateways(self, outcome: Outcome) -> None:
        for place, key in outcome.keys:
            self._unbelieved.discard((place.site, place.gateway))
            log.warning(
                "ingest: gateway %s of %s is known by the key %s from now on; compare it with `signing` in"
                " what `liuhen-gateway keys show` prints there",
                place.gateway,
                place.site,
                key.hex(),
            )
        for site, name in {(p.site, p.gateway) for p in outcome.unbelieved} - self._unbelieved:
            self._unbelieved.add((site, name))
            log.error(
                "ingest: somebody speaks in the name of gateway %s of %s without its key; that is not"
                " believed. If the gateway has a new key, make it known with `liuhen-central keys trust`",
                name,
                site,
            )
        for site, name in {(p.site, p.gateway) for p in outcome.replayed} - self._replayed:
            self._replayed.add((site, name))
            log.warning(
                "ingest: an old state of gateway %s of %s was said again and is not taken. If that goes on,"
                " somebody plays it: who may write to liuhen/v1/# at the broker?",
                name,
                site,
            )
