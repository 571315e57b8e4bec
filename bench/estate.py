"""An estate in one folder: broker, centre, gateways and simulated readers as real processes, wired together.

The demo, the campaigns, the benchmarks and the whole-system tests run this; they differ in who swipes.
"""

from __future__ import annotations

import json
import secrets
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx

from bench.broker import Broker
from bench.processes import Child
from drivers.base import CredentialKind
from firmware_sim.control import Control
from firmware_sim.people import Person, make_people
from gateway.tokens import SITE_KEY_BYTES, tokeniser

SITE = "riverside"
_BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Building:
    """One gateway and the doors it serves: each with one reader, all on one lock board."""

    name: str
    label: str
    doors: tuple[tuple[str, str], ...]  # name, label

    @property
    def board(self) -> str:
        return f"{self.name}-locks"


BUILDINGS = (
    Building(
        "east", "东楼", (("east-unit-1", "1 单元门"), ("east-unit-2", "2 单元门"), ("east-garage", "车库门"))
    ),
    Building(
        "west", "西楼", (("west-unit-1", "1 单元门"), ("west-unit-2", "2 单元门"), ("west-garage", "车库门"))
    ),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What kind of estate to build."""

    buildings: tuple[Building, ...] = BUILDINGS
    people: int = 200
    seed: int = 1
    profile: str = "real"
    swipes_per_minute: float = 0.0
    unknown_share: float = 0.0
    pulse_s: float = 3.0
    command_gap_s: float = 0.12
    reader_extra: str = ""  # more settings for every reader
    admits: tuple[str, ...] = ("listed",)
    listed_only: tuple[str, ...] = ()  # doors that admit nobody else, whatever `admits` says
    keep_acknowledged_days: int = 7
    centre_port: int = 0
    embedded_broker: bool = False
    broker_extra: str = ""
    state_every_s: float = 10.0
    gateway_program: tuple[str, ...] = ()  # instead of liuhen-gateway: the campaigns' saboteurs
    centre_program: tuple[str, ...] = ()


@dataclass
class Estate:
    """Use as a context manager: everything that was started is ended, the folder stays."""

    folder: Path
    plan: Plan
    broker: Broker = field(init=False)
    centre: Child = field(init=False)
    simulator: Child = field(init=False)
    gateways: dict[str, Child] = field(init=False)

    def __post_init__(self) -> None:
        for name in ("broker", "centre", "gateways", "ports", "logs"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.site_key = self._site_key()
        self.broker = Broker(
            self.folder / "broker",
            self.folder / "logs" / "broker.log",
            self.plan.broker_extra,
            embedded=self.plan.embedded_broker,
        )
        self._write_settings()
        self.centre = self._child("centre", self._centre_command(), r"listening on http")
        self.simulator = self._child("simulator", self._simulator_command(), r"simulator serves")
        self.gateways = {
            building.name: self._child(building.name, self._gateway_command(building), r"^ready")
            for building in self.plan.buildings
        }

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Everything at once; then waits for each. Raises ProcessFailed."""
        self.broker.start()
        children = (self.simulator, self.centre, *self.gateways.values())
        for child in children:
            child.start(wait=False)
        for child in children:
            child.wait_ready()

    def stop(self) -> None:
        for child in (*self.gateways.values(), self.simulator, self.centre):
            child.stop()
        self.broker.stop()

    @property
    def ports(self) -> Path:
        """Where the simulated cables end, and where the simulator is controlled."""
        return self.folder / "ports"

    @property
    def control(self) -> Control:
        return Control(self.ports)

    @property
    def address(self) -> str:
        """Of the centre's pages, as it said itself."""
        return self.centre.ready_line.split()[-1]

    @property
    def database(self) -> Path:
        return self.folder / "centre" / "central.db"

    def centre_settings(self) -> Path:
        return self.folder / "centre" / "central.toml"

    def gateway_settings(self, building: str) -> Path:
        return self.folder / "gateways" / building / "gateway.toml"

    def people(self) -> tuple[Person, ...]:
        """Everyone who is on the access lists."""
        return make_people(self.plan.people, self.plan.seed)

    def wait_for_devices(self, limit_s: float) -> bool:
        """Until the centre has heard that every reader and lock board works; False if that takes too long."""
        waiting = threading.Event()
        until_s = time.monotonic() + limit_s
        while time.monotonic() < until_s:
            gateways = httpx.get(f"{self.address}/api/v1/gateways").json()
            states = [state for gateway in gateways for state in gateway["devices"].values()]
            if len(gateways) == len(self.plan.buildings) and set(states) == {"ok"}:
                return True
            waiting.wait(0.2)
        return False

    def token_of(self, person: Person) -> str:
        return tokeniser(self.site_key)(CredentialKind.ID_CARD, person.id_number)

    def _site_key(self) -> bytes:
        path = self.folder / "gateways" / "site.key"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(SITE_KEY_BYTES))
        return bytes.fromhex(path.read_text())

    def _write_settings(self) -> None:
        self.centre_settings().write_text(_CENTRE.format(plan=self.plan, broker=self.broker))
        self._scene().write_text(self._scene_text())
        access_list = self._access_list()
        for building in self.plan.buildings:
            settings = self.gateway_settings(building.name)
            settings.parent.mkdir(exist_ok=True)
            settings.write_text(self._gateway_text(building))
            (settings.parent / "access-list.json").write_text(access_list)

    def _access_list(self) -> str:
        entries = [
            {
                "token": self.token_of(person),
                "holder": f"h-{number:05d}",
                "category": "resident",
                "doors": ["*"],
            }
            for number, person in enumerate(self.people(), start=1)
        ]
        issued_us = time.time_ns() // 1_000
        return json.dumps({"v": 1, "version": 1, "issued_us": issued_us, "entries": entries})

    def _gateway_text(self, building: Building) -> str:
        parts = [
            _GATEWAY.format(
                site=SITE,
                building=building,
                channels=len(building.doors),
                plan=self.plan,
                broker=self.broker,
                ports=self.ports,
            )
        ]
        for channel, (name, label) in enumerate(building.doors, start=1):
            parts.append(
                _DOOR.format(
                    name=name,
                    label=label,
                    port=self.ports / name,
                    board=building.board,
                    channel=channel,
                    pulse_s=self.plan.pulse_s,
                    admits=self._admits(name),
                    reader_extra=self.plan.reader_extra,
                )
            )
        return "".join(parts)

    def _admits(self, door: str) -> str:
        words = ("listed",) if door in self.plan.listed_only else self.plan.admits
        return ", ".join(f'"{word}"' for word in words)

    def _scene(self) -> Path:
        return self.folder / "scene.toml"

    def _scene_text(self) -> str:
        parts = [_SCENE.format(plan=self.plan)]
        for building in self.plan.buildings:
            parts.append(_BOARD.format(name=building.board, channels=len(building.doors)))
            for channel, (name, _) in enumerate(building.doors, start=1):
                parts.append(_SCENE_DOOR.format(name=name, board=building.board, channel=channel))
        return "".join(parts)

    def _centre_command(self) -> Sequence[str | Path]:
        program = self.plan.centre_program or (str(_BIN / "liuhen-central"),)
        return [*program, "serve", "--settings", self.centre_settings()]

    def _gateway_command(self, building: Building) -> Sequence[str | Path]:
        program = self.plan.gateway_program or (str(_BIN / "liuhen-gateway"),)
        return [*program, "run", "--settings", self.gateway_settings(building.name)]

    def _simulator_command(self) -> Sequence[str | Path]:
        return [_BIN / "liuhen-sim", "serve", self._scene(), "--dir", self.ports]

    def _child(self, name: str, command: Sequence[str | Path], ready: str) -> Child:
        return Child(name, command, self.folder / "logs" / f"{name}.log", ready)


_CENTRE = """\
[listen]
host = "127.0.0.1"
port = {plan.centre_port}

[database]
path = "central.db"

[mqtt]
host = "127.0.0.1"
port = {broker.port}
protocol = "{broker.protocol}"
client_id = "liuhen-centre"
"""

_GATEWAY = """\
[gateway]
site = "{site}"
name = "{building.name}"
label = "{building.label}"
site_key_file = "../site.key"
access_list = "access-list.json"

[journal]
path = "journal.db"
keep_acknowledged_days = {plan.keep_acknowledged_days}

[mqtt]
host = "127.0.0.1"
port = {broker.port}
protocol = "{broker.protocol}"
state_every_s = {plan.state_every_s}

[[lock_boards]]
name = "{building.board}"
driver = "lc_relay"
port = "{ports}/{building.board}"
channels = {channels}
command_gap_s = {plan.command_gap_s}
"""

_DOOR = """
[[readers]]
name = "{name}"
driver = "sam_v"
port = "{port}"
{reader_extra}

[[doors]]
name = "{name}"
label = "{label}"
readers = ["{name}"]
lock = {{ board = "{board}", channel = {channel} }}
pulse_s = {pulse_s}
admits = [{admits}]
"""

_SCENE = """\
seed = {plan.seed}
people = {plan.people}
profile = "{plan.profile}"

[community]
swipes_per_minute = {plan.swipes_per_minute}
unknown_share = {plan.unknown_share}
"""

_BOARD = """
[[lock_board]]
name = "{name}"
channels = {channels}
"""

_SCENE_DOOR = """
[[reader]]
name = "{name}"

[[door]]
name = "{name}"
reader = "{name}"
lock_board = "{board}"
channel = {channel}
"""
