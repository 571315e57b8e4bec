"""What doors were told in those days. At the last estate settings, others, and the former ones put back; none
of its gateways runs in the demo, so that nobody there takes an order that the demo does not know of. At the
first one, of the simulated buildings: their garages take visitors' passes, too.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from sqlalchemy import Connection, func, select

from bench.community.times import Days
from bench.community.world import World
from central.fleet.orders import note_settings
from central.store.engine import writing
from central.store.tables import sent_settings
from messages.signing import EVERY_GATEWAY
from messages.site_settings import SETTINGS_VERSION

_NIGHT: Final = {"windows": [{"from": "22:00", "to": "06:00", "days": ["mon", "tue", "wed", "thu", "sun"]}]}
_PIN_AT_NIGHT: Final = {
    "schedules": {"night": _NIGHT},
    "doors": {"south-in": {"windows": [{"schedule": "night", "asks_pin": True}]}},
}
_FREE_ON_A_FEAST: Final = {"schedules": {"night": _NIGHT}, "doors": {"south-in": {"asks_pin": False}}}
_GARAGE: Final = "-garage"
_WRITTEN: Final = ((0.1, _PIN_AT_NIGHT, None), (0.6, _FREE_ON_A_FEAST, None), (0.8, _PIN_AT_NIGHT, 1))
"""After which part of the days, what, and which revision that puts back."""


def write_settings(world: World) -> None:
    _write_garages(world)
    site, days = world.estates[-1].site, world.days
    key = world.vault.sealing_key(world.community, days.now_us)
    own: dict[str, Any] = {
        "v": SETTINGS_VERSION,
        "pass_keys": [world.signing.public_key().public_bytes_raw().hex()],
        "sealing_key": key,
    }
    with writing(world.writer) as connection:
        for revision, (part, said, puts_back) in enumerate(_WRITTEN, 1):
            at_us = _at(days, part)
            body = msgspec.json.encode({**said, **own, "revision": revision, "issued_us": at_us})
            by = f"account {world.operator}"
            note_settings(connection, site, EVERY_GATEWAY, body, at_us, by=by, puts_back=puts_back)


def _write_garages(world: World) -> None:
    estate, at_us = world.estates[0], _at(world.days, _WRITTEN[0][0])
    doors = [door.name for house in estate.houses if house.simulated for door in house.doors]
    said: dict[str, Any] = {
        "v": SETTINGS_VERSION,
        "revision": 1,
        "issued_us": at_us,
        "pass_keys": [world.signing.public_key().public_bytes_raw().hex()],
        "doors": {door: {"admits": ["listed", "pass"]} for door in doors if door.endswith(_GARAGE)},
    }
    body, by = msgspec.json.encode(said), f"account {world.operator}"
    with writing(world.writer) as connection:
        note_settings(connection, estate.site, EVERY_GATEWAY, body, at_us, by=by, puts_back=None)


def settings_wanted(connection: Connection) -> dict[str, int]:
    """By site: the revision that its gateways are to have."""
    query = select(sent_settings.c.site, func.max(sent_settings.c.revision)).group_by(sent_settings.c.site)
    return {site: int(revision) for site, revision in connection.execute(query)}


def _at(days: Days, part: float) -> int:
    first_us = days.begins(0)
    return first_us + int((days.now_us - first_us) * part)
