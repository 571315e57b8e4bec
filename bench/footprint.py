"""How large a gateway is and how soon it decides: sixteen doors, fifty thousand credentials."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.estate import Estate
from bench.plan import Building, Door, Plan

DOORS, CREDENTIALS = 16, 50_000
_ON_ONE_BOARD = 8  # relays of the simulated board; the other doors have one of their own each
_BUILDING = Building(
    "east",
    "东楼",
    tuple(
        Door(f"door-{n}", f"{n}", board_kind="" if n <= _ON_ONE_BOARD else "lc_relay")
        for n in range(1, DOORS + 1)
    ),
)
_KIB = 1_024
_AT_REST_S = 1.0
_PATIENCE_S = 20.0
_LIBRARIES = "import sqlite3, msgspec, serial, paho.mqtt.client, cryptography.hazmat.primitives.ciphers"


@dataclass(frozen=True, slots=True)
class Footprint:
    first_decision_s: float  # from the start of the process to the first relay driven
    memory_mib: float  # resident, after some swipes at every door
    bare_mib: float  # an interpreter with the same libraries, and nothing else


def footprints(folder: Path, rounds: int, people: int = CREDENTIALS) -> list[Footprint]:
    """The gateway is started so often; a card lies at a reader again and again from the beginning."""
    plan = Plan(
        buildings=(_BUILDING,),
        people=people,
        profile="instant",
        pulse_s=1.0,
        command_gap_s=0.0,
        reader_extra="poll_s = 0.02\npresence_s = 0.05",
    )
    estate = Estate(folder, plan)
    try:
        estate.simulator.start()
        return [_footprint(estate) for _ in range(rounds)]
    finally:
        estate.stop()


def _footprint(estate: Estate) -> Footprint:
    gateway = estate.gateways[_BUILDING.name]
    cards = [person.ref for person in estate.people()[: DOORS + 1]]
    with closing(estate.control) as control:
        started_ns = time.monotonic_ns()
        gateway.start(wait=False)
        first = control.swipe(_BUILDING.doors[0].name, cards[0], patience_s=_PATIENCE_S, hold_s=0.0)
        gateway.wait_ready()
        opened = [
            control.swipe(door.name, ref, patience_s=_PATIENCE_S, hold_s=0.0)["relay_on_ns"]
            for door, ref in zip(_BUILDING.doors, cards[1:], strict=True)
        ]
        if first["relay_on_ns"] is None or None in opened:
            raise RuntimeError("a door stayed shut")
        threading.Event().wait(_AT_REST_S)
        memory_mib = resident_mib(gateway.pid)
    gateway.stop()
    return Footprint((first["relay_on_ns"] - started_ns) / 1e9, memory_mib, _bare_mib())


def resident_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / _KIB


def _bare_mib() -> float:
    code = f"{_LIBRARIES}\nprint(open('/proc/self/status').read())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return next(int(x.split()[1]) for x in done.stdout.splitlines() if x.startswith("VmRSS:")) / _KIB
