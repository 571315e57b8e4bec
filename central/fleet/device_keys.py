"""By which key a gateway is known: the first one that it shows is kept, and from then on nothing else counts.

A key that was made known by hand (`liuhen-central keys trust`) stands above that: it alone is kept first, and
it alone replaces another one. So a gateway whose device was exchanged is believed again once a person has
carried its new key to the centre (trust.md R-51, R-55).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, update

from central.errors import SettingsError
from central.fleet.keys import gateway_keys
from central.store.tables import gateway
from messages.topics import GatewayTopic

log = logging.getLogger(__name__)

Trusted = Callable[[str, str], bytes | None]
"""The signing key of (site, gateway) that a person made known; None where nobody did."""


def nobody(_site: str, _gateway: str) -> None:
    """A centre to which no key was carried."""


def trusted_in(folder: Path) -> Trusted:
    """What lies in the folder of `liuhen-central keys trust`, looked up anew each time."""
    return partial(_signing_key, folder)


def _signing_key(folder: Path, site: str, name: str) -> bytes | None:
    try:
        keys = gateway_keys(folder, site, name)
    except SettingsError as error:
        log.error("ingest: %s", error)
        return None
    return bytes.fromhex(keys.signing) if keys else None


def may_be_kept(offered: bytes, known: bytes | None, place: GatewayTopic, trusted: Trusted) -> bool:
    """Whether `offered` is this gateway's key from now on; `known` is the one that was kept before."""
    by_hand = trusted(place.site, place.gateway)
    return offered == by_hand if by_hand is not None else known is None


def keep(connection: Connection, gateway_id: int, key: bytes, now_us: int) -> None:
    here = gateway.c.id == gateway_id
    connection.execute(update(gateway).where(here).values(device_key=key, device_key_at=now_us))


def note_replay(connection: Connection, gateway_id: int, replayed_us: int | None) -> None:
    """When an old state of this gateway was played again; None: it has said something newer since."""
    here = gateway.c.id == gateway_id
    connection.execute(update(gateway).where(here).values(replayed_at=replayed_us))


def note_belief(connection: Connection, gateway_id: int, unbelieved_us: int | None) -> None:
    """When something was said in this gateway's name that it did not sign; None: it has signed since."""
    here = gateway.c.id == gateway_id
    connection.execute(update(gateway).where(here).values(unbelieved_at=unbelieved_us))
