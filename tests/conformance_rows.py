"""What the conformance kit is run against: one row for each driver. Adding a driver means adding a row.

A row names a driver by its catalogue entry and says what its simulated device can and cannot do; everything
else about the device comes from the simulator's catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Options = Mapping[str, Any]


def _nothing(_folder: Path) -> Options:
    return {}


@dataclass(frozen=True, slots=True)
class Row:
    """One driver and the device it is tried with."""

    kind: str
    """Its name in the catalogues of drivers and simulated devices."""
    scene: str = ""
    """More keys of the device's table in the scene."""
    settings: Options = field(default_factory=dict)
    """More settings of the driver; short times make short tests."""
    prepare: Callable[[Path], Options] = _nothing
    """Writes the files that the driver needs into a folder; gives the settings that name them."""
    bus: bool = False
    """The device shares a line."""
    own_process: bool = False
    """The driver's library keeps something for a whole process: each test gives it one of its own."""
    unplugged_by: tuple[str, str] | None = None
    """Faults that take away and give back what has no plug of its own."""
    is_asked: bool = True
    """The driver asks and the device answers, so that silence is noticed."""

    def __str__(self) -> str:
        return self.kind


@dataclass(frozen=True, slots=True)
class ReaderRow(Row):
    shows: str | None = None
    """The event by which the simulator tells that the reader showed something; None: it can show nothing."""
    knows_when_it_goes: bool = True
    """Without it a card counts as gone some time after it was read."""
    holds_silent_card: bool = False
    """A request without answer ends only when the card is taken away."""
    is_checked: bool = True
    """Its frames carry a check value: a disturbed line never makes another number."""


@dataclass(frozen=True, slots=True)
class LockRow(Row):
    """A board of two relays and, where it has inputs, two of these, normally open."""

    inputs: bool = False
    is_guarded: bool = True
    """Killed with a relay on, the program's guard or the device itself drops it."""


OSDP_KEY = "00112233445566778899AABBCCDDEEFF"


def osdp_key_file(folder: Path) -> Options:
    """The key of the simulated device, where its driver looks for it."""
    path = folder / "osdp.key"
    path.touch(mode=0o600)
    path.write_text(OSDP_KEY, encoding="ascii")
    return {"key_file": path}


_SOON_GONE = {"removal_s": 0.7}

_SENDS_ONCE: Any = {
    "settings": _SOON_GONE,
    "is_asked": False,
    "is_checked": False,
    "knows_when_it_goes": False,
}

READERS = (
    ReaderRow("sam_v", settings={"poll_s": 0.02, "presence_s": 0.05}),
    ReaderRow("rdm6300", settings=_SOON_GONE, is_asked=False),
    ReaderRow("id12", settings=_SOON_GONE, is_asked=False, knows_when_it_goes=False),
    ReaderRow("wiegand", **_SENDS_ONCE),
    ReaderRow("text", **_SENDS_ONCE),
    ReaderRow("qr", **_SENDS_ONCE),
    ReaderRow(
        "osdp",
        scene=f'key = "{OSDP_KEY}"',
        settings=_SOON_GONE,
        prepare=osdp_key_file,
        bus=True,
        shows="led",
        knows_when_it_goes=False,
    ),
    ReaderRow(
        "pcsc",
        settings=_SOON_GONE,
        own_process=True,
        unplugged_by=("service_gone", "service_back"),
        holds_silent_card=True,
        is_asked=False,  # not while no card lies there
    ),
    ReaderRow("pn532", settings={"poll_s": 0.02}),
)
_TWO_INPUTS = ({"channel": 1}, {"channel": 2})

LOCK_BOARDS = (
    LockRow("lc_relay", scene="channels = 2", settings={"channels": 2}, is_asked=False),
    LockRow(
        "modbus",
        scene="channels = 2\ninputs = 2",
        settings={"channels": 2, "inputs": _TWO_INPUTS},
        bus=True,
        inputs=True,
    ),
    LockRow("gpio", scene="channels = 2\ninputs = 2", inputs=True),
    LockRow(
        "osdp_out",
        scene=f'channels = 2\ninputs = 2\nkey = "{OSDP_KEY}"',
        settings={"inputs": _TWO_INPUTS},
        prepare=osdp_key_file,
        bus=True,
        inputs=True,
    ),
)
