"""Which kinds of device can be simulated: name in a scene, the same as the driver's -> what makes them.

A row is a function, so that a kind's module is imported only when a scene has such a device. Adding a kind
means adding its function and its line in a table.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from firmware_sim.cards import Card
from firmware_sim.kinds import Credential, Kind, Role


def _sam_v() -> Kind[Any]:
    from firmware_sim.sam_module import KIND

    return KIND


def _rdm6300() -> Kind[Any]:
    from firmware_sim.em_readers import RDM6300

    return RDM6300


def _id12() -> Kind[Any]:
    from firmware_sim.em_readers import ID12

    return ID12


def _wiegand() -> Kind[Any]:
    from firmware_sim.wiegand_converters import KIND

    return KIND


def _text() -> Kind[Any]:
    from firmware_sim.text_readers import TEXT

    return TEXT


def _qr() -> Kind[Any]:
    from firmware_sim.text_readers import QR

    return QR


def _osdp() -> Kind[Any]:
    from firmware_sim.osdp_kinds import KIND

    return KIND


def _osdp_out() -> Kind[Any]:
    from firmware_sim.osdp_kinds import OUT_KIND

    return OUT_KIND


def _pn532() -> Kind[Any]:
    from firmware_sim.pn532_module import KIND

    return KIND


def _pcsc() -> Kind[Any]:
    from firmware_sim.slots import KIND

    return KIND


def _modbus() -> Kind[Any]:
    from firmware_sim.modbus_board import KIND

    return KIND


def _gpio() -> Kind[Any]:
    from firmware_sim.gpio_chip import KIND

    return KIND


def _lc_relay() -> Kind[Any]:
    from firmware_sim.lock_board import KIND

    return KIND


READERS: Mapping[str, Callable[[], Kind[Any]]] = {
    "sam_v": _sam_v,
    "rdm6300": _rdm6300,
    "id12": _id12,
    "wiegand": _wiegand,
    "text": _text,
    "qr": _qr,
    "pn532": _pn532,
    "pcsc": _pcsc,
    "osdp": _osdp,
}
LOCK_BOARDS: Mapping[str, Callable[[], Kind[Any]]] = {
    "lc_relay": _lc_relay,
    "osdp_out": _osdp_out,
    "modbus": _modbus,
    "gpio": _gpio,
}


def kinds(role: Role) -> tuple[str, ...]:
    """Names of the kinds that a scene's table of that role may name."""
    return tuple(READERS if role is Role.READER else LOCK_BOARDS)


def kind_of(name: str) -> Kind[Any]:
    """The row of that name; KeyError: none."""
    row = READERS.get(name) or LOCK_BOARDS[name]
    return row()


def number_at(kind: str, options: Any, card: Card) -> Credential | None:
    """The credential that a person's card yields at such a device, as (kind, number); None: no such card.

    The number is what the driver hands to the token maker, so that a demo can say who is on an access list.
    """
    return kind_of(kind).number_at(options, card)


def settings_of(name: str, kind: str, options: Any, address: str) -> dict[str, Any]:
    """The keys and values of a gateway's [[readers]] or [[lock_boards]] table for this device.

    `address` is what a program opens; None-valued settings are left out.
    """
    about = kind_of(kind)
    block: dict[str, Any] = {"name": name, "driver": kind}
    if address:
        block[about.address_key] = address
    return block | {key: value for key, value in about.settings(options).items() if value is not None}


def settings_text(table: str, settings: Mapping[str, Any]) -> str:
    """One [[table]] of a gateway's settings file, in TOML."""
    lines = [f"{key} = {_toml(value)}" for key, value in settings.items()]
    return "\n".join([f"[[{table}]]", *lines, ""])


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    return repr(value)
