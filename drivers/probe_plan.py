"""What the probe may send to a line nobody knows, and at which speeds. Pure; nothing else is ever sent.

Each query only asks, and devices of other kinds take it for noise: a lock must stay locked whatever hangs on
the line. Sources: readers.md 1.3 (SAM-V), 5.3 (PN532), 6.2 and 6.3 (OSDP), 7.1 (LC), 7.2 (Modbus).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from drivers.lc_codec import BAUDRATE as LC_RATE
from drivers.lc_codec import QUERY as LC_QUERY
from drivers.modbus_codec import read_coils, read_inputs
from drivers.osdp_codec import BROADCAST, MAX_ADDRESS, Command, Packet
from drivers.osdp_codec import RATES as OSDP_RATES
from drivers.sam_codec import RATES as SAM_RATES
from drivers.sam_codec import READ_SAM_NUMBER

PAUSE_S = 0.06
"""Between two queries: a line at rest ends whatever a device took for the beginning of a command."""

ASK_RATES = (115_200, 9_600, 57_600, 38_400, 19_200, 230_400, 4_800)
"""In the order in which devices that answer are met."""

CARD_RATES = (9_600, 115_200, 19_200, 38_400, 57_600, 4_800, 2_400, 1_200)
"""In the order in which devices that speak unasked are met."""

LC_START = 0xA0
PN532_RATE = 115_200  # after each power-up, whatever it was set to
_MODBUS_RATES = frozenset({4_800, 9_600, 19_200, 38_400, 57_600, 115_200})
OSDP_ADDRESSES = range(MAX_ADDRESS + 1)
MODBUS_RATE = 9_600  # from the factory
MODBUS_UNITS = range(1, 17)  # makers start at 1; the switches on most boards have four bits
_MODBUS_COUNTS = (32, 16, 8, 4, 2, 1)

# The first bytes only wake it; the zero that ends them may begin the frame (readers.md 5.3).
_PN532_WAKE = bytes.fromhex("55 55" + "00" * 14)
_PN532_SAM_CONFIGURATION = bytes.fromhex(
    "00 00 FF 03 FD D4 14 01 17 00"
)  # normal mode: the secure element off
PN532_FIRMWARE = bytes.fromhex("00 00 FF 02 FE D4 02 2A 00")


@dataclass(frozen=True, slots=True)
class Query:
    """One request, sent in one piece."""

    driver: str  # who would answer
    what: str  # for a person
    data: bytes
    count: int = 0  # of relays or inputs that are read


def osdp_id(address: int) -> Query:
    """Asks a reader who it is. Sequence 0 makes it begin anew, so a secure channel must be set up again."""
    return _osdp("who are you", address, Command.ID)


def osdp_abilities(address: int) -> Query:
    """Asks what it has: readers, outputs, inputs."""
    return _osdp("what have you", address, Command.CAP)


def _osdp(what: str, address: int, command: Command) -> Query:
    whom = "all devices" if address == BROADCAST else f"device {address}"
    by_crc, by_sum = (Packet(address, command, b"\0", with_crc=crc).to_bytes() for crc in (True, False))
    return Query("osdp", f"OSDP: {what}, to {whom}", by_crc if _is_clear(by_crc) else by_sum)


def modbus_relays(unit: int) -> tuple[Query, ...]:
    """Reads as many relays as a board may have, most first: the first that is answered tells how many."""
    frames = {count: read_coils(unit, 0, count).frame for count in _MODBUS_COUNTS}
    return _modbus("relays", unit, frames)


def modbus_inputs(unit: int) -> tuple[Query, ...]:
    frames = {count: read_inputs(unit, 0, count).frame for count in _MODBUS_COUNTS}
    return _modbus("inputs", unit, frames)


def modbus_call(unit: int) -> Query:
    """The smallest thing that a board can be asked: is it there?"""
    return modbus_relays(unit)[-1]


def _modbus(what: str, unit: int, frames: dict[int, bytes]) -> tuple[Query, ...]:
    return tuple(
        Query("modbus", f"Modbus: read {count} {what} of unit {unit}", frame, count)
        for count, frame in frames.items()
        if _is_clear(frame)
    )


def _is_clear(data: bytes) -> bool:
    """Not even the first byte of an LC board's command stands in it, nor does another speed make its end."""
    return LC_START not in data and data not in _DOUBTFUL


# Sent at 19200 and heard at 9600 with a clock 3 % off it becomes 00 04 A4: after A0 that would be a command.
_DOUBTFUL = frozenset({bytes.fromhex("03 01 00 00 00 10 3C 24")})


SAM_NUMBER = Query("sam_v", "SAM-V: read the module's number", READ_SAM_NUMBER.frame)
PN532_WAKE = Query("pn532", "PN532: wake up", _PN532_WAKE + _PN532_SAM_CONFIGURATION)
PN532_VERSION = Query("pn532", "PN532: read the firmware's version", PN532_FIRMWARE)
LC_STATUS = Query("lc_relay", "LC board: read the relays' state", LC_QUERY)


def queries(rate: int) -> tuple[Query, ...]:
    """What is asked at this speed, in this order."""
    asked: list[Query] = []
    if rate == PN532_RATE:
        asked += [PN532_WAKE, PN532_VERSION]
    if rate in SAM_RATES:
        asked.append(SAM_NUMBER)
    if rate in OSDP_RATES:
        asked.append(osdp_id(BROADCAST))
    if rate in _MODBUS_RATES:
        asked.append(modbus_call(MODBUS_UNITS[0]))
    if rate == LC_RATE:
        asked.append(LC_STATUS)
    return tuple(asked)


def everything() -> Iterator[Query]:
    """Each query that there is, in the order in which a probe that finds nothing would send them all."""
    for rate in ASK_RATES:
        yield from queries(rate)
    for address in OSDP_ADDRESSES:
        yield osdp_id(address)
        yield osdp_abilities(address)
    for unit in MODBUS_UNITS:
        yield from modbus_relays(unit)
        yield from modbus_inputs(unit)
