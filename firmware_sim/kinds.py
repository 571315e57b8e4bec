"""What the simulator must know of one kind of device; `catalogue` lists them all.

A kind reads its own keys of a scene table, makes the device, and says what a gateway has to be told: the
settings of the driver, and which credential a person's card yields there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any, Generic, TypeVar

from firmware_sim.cards import Card
from firmware_sim.device import Device
from firmware_sim.faults import FaultSet
from firmware_sim.profiles import Profile
from firmware_sim.scene_table import Table

PTY = "pty"
TCP = "tcp"
UNIX = "unix"  # a socket in the file system
PCSC = "pcsc"  # no port: a slot of the PC/SC service
CABLES = (PTY, TCP)

Options = TypeVar("Options")

Credential = tuple[str, str]
"""Kind and number as a driver tokenises them, such as ("em_tag", "01026F6C3A")."""


class Role(StrEnum):
    """Which table of a scene a device stands in."""

    READER = "reader"
    LOCK_BOARD = "lock_board"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a device is made with beside its own options."""

    faults: FaultSet
    profile: Profile
    rng: Random
    now: float
    serial: int  # from 1, another one for each device of a scene


def _no_settings(_options: Any) -> Mapping[str, Any]:
    return {}


def _no_credential(_options: Any, _card: Card) -> Credential | None:
    return None


def _nowhere(_options: Any) -> str:
    return "no address"


def _none(_options: Any) -> int:
    return 0


@dataclass(frozen=True, slots=True)
class Kind(Generic[Options]):
    """One row of the catalogue. `Options`: the frozen options that `read` takes from a scene table."""

    role: Role
    read: Callable[[Table], Options]
    make: Callable[[Options, Surroundings], Device] | None
    """None: it is no device on a line; see `slots`."""
    settings: Callable[[Options], Mapping[str, Any]] = _no_settings
    """What a gateway's table for it needs beside name, driver and port."""
    number_at: Callable[[Options, Card], Credential | None] = _no_credential
    """The credential that this card yields at this device; None: it cannot read such cards."""
    channels: Callable[[Options], int] = _none
    """Relays."""
    inputs: Callable[[Options], int] = _none
    """Contacts to sense."""
    transports: tuple[str, ...] = CABLES
    """How it can be plugged in; the first is the default."""
    place: Callable[[Options], str] = _nowhere
    """Its address on a bus, in words: no two devices of a bus may have the same."""
    address_key: str = "port"
    """The setting that says where the device is."""
    on_bus: bool = False
    """It has an address, so that several can share one line."""
    babbles: bool = False
    """It answers bytes at the wrong rate with bytes of its own."""
