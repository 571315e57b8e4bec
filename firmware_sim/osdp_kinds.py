"""OSDP readers and output boards as rows of the catalogue: their keys in a scene, and gateway settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from firmware_sim.cards import Card
from firmware_sim.errors import SceneError
from firmware_sim.kinds import Credential, Kind, Role, Surroundings
from firmware_sim.osdp_body import Bits, Identity, uid_bits
from firmware_sim.osdp_crypto import KEY_SIZE
from firmware_sim.osdp_peripheral import FACTORY_RATE, RATES, OsdpPeripheral
from firmware_sim.scene_table import Table
from firmware_sim.wiegand import SIZES, card_data, number, word

MAX_TERMINALS = 16
_RAW = 0  # `bits` of a reader that passes a UID on as it is
_ANSWER_S = 0.003  # typical (readers.md 6.2)
_BOOT_S = 1.0  # our guess


@dataclass(frozen=True, slots=True)
class OsdpOptions:
    """Keys of a scene's table of kind osdp or osdp_out."""

    address: int
    rate: int
    key: bytes | None = field(repr=False)
    key_file: str
    secure: bool
    outputs: int
    inputs: int
    bits: int = _RAW
    source: str = "uid"
    keys_together: bool = False
    mark: bool = False


def _key(table: Table) -> bytes | None:
    text = table.text("key", "")
    if not text:
        return None
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_SIZE:
        raise SceneError(f"key of an OSDP reader: {KEY_SIZE} bytes in hex, or empty for one without a key")
    return key


def _read(table: Table, *, reader: bool) -> OsdpOptions:
    address = table.whole("address", 1, low=0, high=0x7E)
    return OsdpOptions(
        address=address,
        rate=table.rate("rate", FACTORY_RATE, RATES),
        key=_key(table),
        key_file=table.text("key_file", f"osdp-{address}.key"),
        secure=table.flag("secure", default=True),
        outputs=(
            table.whole("outputs", 2, low=0, high=MAX_TERMINALS)
            if reader
            else table.whole("channels", 4, low=1, high=MAX_TERMINALS)
        ),
        inputs=table.whole("inputs", 2 if reader else 4, low=0, high=MAX_TERMINALS),
        bits=table.rate("bits", _RAW, (_RAW, *SIZES)) if reader else _RAW,
        source=table.choice("source", "uid", ("uid", "em_tag")) if reader else "uid",
        keys_together=table.flag("keys_together", default=False) if reader else False,
        mark=table.flag("mark", default=False),
    )


def _wiegand_bits(size: int, source: str, card: Card) -> Bits:
    data = card_data(card, size, source, "last")
    if data is None:
        return 0, b""
    bits = word(size, data)
    return size, int(bits.ljust(-(-size // 8) * 8, "0"), 2).to_bytes(-(-size // 8), "big")


def _bits_of(options: OsdpOptions) -> Callable[[Card], Bits]:
    return partial(_wiegand_bits, options.bits, options.source) if options.bits else uid_bits


def _make(options: OsdpOptions, around: Surroundings) -> OsdpPeripheral:
    return OsdpPeripheral(
        around.faults,
        address=options.address,
        random_bytes=around.rng.randbytes,
        key=options.key,
        secure=options.secure,
        rate=options.rate,
        identity=Identity(serial=around.serial),
        card_bits=_bits_of(options),
        outputs=options.outputs,
        inputs=options.inputs,
        keys_together=options.keys_together,
        mark=options.mark,
        answer_s=_ANSWER_S if around.profile.paced else 0.0,
        boot_s=_BOOT_S if around.profile.paced else 0.0,
    )


def _settings(options: OsdpOptions) -> Mapping[str, Any]:
    """The key file is to hold `key`, in hex; whoever runs the gateway writes it."""
    return {"address": options.address, "rate": options.rate, "key_file": options.key_file}


def _reader_settings(options: OsdpOptions) -> Mapping[str, Any]:
    return {**_settings(options), "card": "number" if options.bits else "uid"}


def _out_settings(options: OsdpOptions) -> Mapping[str, Any]:
    return {**_settings(options), "channels": options.outputs}


def _number_at(options: OsdpOptions, card: Card) -> Credential | None:
    if options.bits:
        data = card_data(card, options.bits, options.source, "last")
        return None if data is None else ("card_number", number(options.bits, data))
    return ("card_uid", card.uid.hex().upper()) if card.uid else None


def _place(options: OsdpOptions) -> str:
    return f"address {options.address}"


def _outputs(options: OsdpOptions) -> int:
    return options.outputs


def _inputs(options: OsdpOptions) -> int:
    return options.inputs


KIND = Kind(
    role=Role.READER,
    read=partial(_read, reader=True),
    make=_make,
    settings=_reader_settings,
    number_at=_number_at,
    channels=_outputs,
    inputs=_inputs,
    place=_place,
    on_bus=True,
)
OUT_KIND = Kind(
    role=Role.LOCK_BOARD,
    read=partial(_read, reader=False),
    make=_make,
    settings=_out_settings,
    channels=_outputs,
    inputs=_inputs,
    place=_place,
    on_bus=True,
)
