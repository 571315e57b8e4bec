"""Makes gateways and centre of an estate known to each other, as `keys make`, `show` and `trust` do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from central.fleet.keys import load_centre_keys, make_centre_keys, trust_gateway
from central.settings import load_settings as load_centre_settings
from gateway.keys import load_device_keys, make_device_keys
from messages.keys import encode_keys

CENTRE_KEYS = "centre-keys.json"
DEVICE_KEY = "device.key"


def exchange_keys(centre_settings: Path, site: str, gateways: Mapping[str, Path]) -> None:
    """`gateways`: the folder of each, by name; what was made before stays. Raises SettingsError."""
    keys = load_centre_settings(centre_settings).keys
    own = keys.centre_key_file
    centre = load_centre_keys(own) if own.exists() else make_centre_keys(own)
    for name, folder in gateways.items():
        (folder / CENTRE_KEYS).write_bytes(encode_keys(centre.public()))
        file = folder / DEVICE_KEY
        device = load_device_keys(file) if file.exists() else make_device_keys(file)
        trust_gateway(keys.gateway_keys, encode_keys(device.public(site, name)))
