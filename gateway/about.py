"""What this gateway and its doors are called, as the centre is told: by MQTT and in bundles."""

from __future__ import annotations

from importlib.metadata import version

from gateway.settings import Settings
from messages.wire import WIRE_VERSION, About, DoorAbout


def about(settings: Settings) -> About:
    doors = [DoorAbout(door.name, door.label, list(door.readers)) for door in settings.doors]
    return About(
        WIRE_VERSION,
        f"liuhen {version('liuhen')}",
        settings.gateway.label,
        doors,
        signed_acks=settings.keys.centre_keys_file is not None,
    )
