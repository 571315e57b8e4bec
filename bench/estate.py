"""An estate in one folder: broker, centre, gateways and simulated readers as real processes, wired together.

The demo, the campaigns, the benchmarks and the whole-system tests run this; they differ in who swipes.
"""

from __future__ import annotations

import json
import secrets
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

import httpx

from bench import console, limits
from bench.broker import Broker
from bench.key_exchange import CENTRE_KEYS, DEVICE_KEY, exchange_keys
from bench.plan import Board, Building, Door, Plan
from bench.processes import Child
from bench.wiring import Wiring, scene_text
from central.accounts.who import Role
from drivers.base import CredentialKind, Tokenise, pin_number
from firmware_sim.control import Control
from firmware_sim.people import Person, make_people
from firmware_sim.scene import parse_scene
from gateway.tokens import SITE_KEY_BYTES, tokeniser

if TYPE_CHECKING:
    from playwright._impl._api_structures import SetCookieParam

SITE = "riverside"
OSDP_KEY_BYTES = 16
_BIN = Path(sys.executable).parent
_PATIENT_S = 60.0
"""For an answer: an estate may share its machine with others."""


@dataclass
class Estate:
    """Use as a context manager: everything that was started is ended, the folder stays."""

    folder: Path
    plan: Plan
    furnish: Callable[[Estate], None] = lambda _: None
    """Puts more into the centre's folder before anything starts, once all keys and settings are written."""

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
        self.furnish(self)
        if self.plan.keys:
            folders = {each.name: self.gateway_settings(each.name).parent for each in self.plan.buildings}
            exchange_keys(self.centre_settings(), SITE, folders)
        self._token = console.prepare(self.database, SITE)
        if self.plan.demo_accounts:
            folder = self.database.parent
            console.make_demo_accounts(self.database, folder / "accounts.key", folder / "demo-accounts.json")
        environment = self._wiring.environment
        self.centre = self._child("centre", self._centre_command(), r"listening on http")
        self.simulator = self._child("simulator", self._simulator_command(), r"simulator serves")
        self.gateways = {
            building.name: self._child(building.name, self._gateway_command(building), r"^ready", environment)
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

    def journal(self, building: Building) -> Path:
        return self.gateway_settings(building.name).parent / "journal.db"

    def people(self) -> tuple[Person, ...]:
        """Everyone who is on the access lists."""
        return make_people(self.plan.people, self.plan.seed)

    def asked(self, path: str) -> httpx.Response:
        """What the centre answers a machine that may see what an officer sees."""
        headers = {"Authorization": f"Bearer {self._token}"}
        return httpx.get(f"{self.address}{path}", headers=headers, timeout=_PATIENT_S)

    def cookie(self, role: Role = Role.OFFICER, signed: console.Signed = "fresh") -> SetCookieParam:
        """For a browser: somebody of that role has signed in there."""
        return {"name": "liuhen", "value": console.session(self.database, role, signed), "url": self.address}

    def wait_for_devices(self, limit_s: float) -> bool:
        """Until the centre has heard that every reader and lock board works; False if that takes too long."""
        waiting = threading.Event()
        until_s = time.monotonic() + limit_s
        while time.monotonic() < until_s:
            told = {(each["site"], each["gateway"]): each for each in self.asked("/api/v1/gateways").json()}
            gateways = [told.get((SITE, building.name)) for building in self.plan.buildings]
            states = {state for each in gateways if each for state in each["devices"].values()}
            if all(gateways) and states == {"ok"}:
                return True
            waiting.wait(0.2)
        return False

    def send_people_home(self, limit_s: float) -> None:
        """Nobody new comes; waits until whoever stands at a door has gone in or away."""
        waiting = threading.Event()
        until_s = time.monotonic() + limit_s
        with closing(self.control) as control:
            control.set_community_rate(0)
            while control.status()["community"]["at_doors"] and time.monotonic() < until_s:
                waiting.wait(0.1)

    def token_of(self, person: Person, door: str) -> str | None:
        """Of what this person presents at that door; None: nothing that its reader can read."""
        credential = self._wiring.credential_at(door, person)
        return None if credential is None else self._tokenise(*credential)

    def credentials_of(self, person: Person) -> list[tuple[CredentialKind, str]]:
        """What this person presents at the doors, each once, in their order."""
        doors = (door.name for building in self.plan.buildings for door in building.doors)
        found = (self._wiring.credential_at(door, person) for door in doors)
        return list(dict.fromkeys(each for each in found if each is not None))

    @property
    def _tokenise(self) -> Tokenise:
        return tokeniser(self.site_key)

    def _site_key(self) -> bytes:
        return bytes.fromhex(_secret(self.folder / "gateways" / "site.key", SITE_KEY_BYTES))

    def _write_settings(self) -> None:
        centre = _CENTRE.format(plan=self.plan, broker=self.broker) + limits.IN_A_FILE
        if self.plan.demo_accounts:
            centre += '\n[console]\ndemo_accounts = "demo-accounts.json"\n'
        self.centre_settings().write_text(centre)
        for building in self.plan.buildings:
            self.gateway_settings(building.name).parent.mkdir(exist_ok=True)
        scene = scene_text(self.plan, self._osdp_key, self.journal)
        self._scene().write_text(scene)
        self._wiring = Wiring(parse_scene(scene), self.ports)
        access_list = self._access_list()
        for building in self.plan.buildings:
            settings = self.gateway_settings(building.name)
            settings.write_text(self._gateway_text(building))
            (settings.parent / "access-list.json").write_text(access_list)

    def _osdp_key(self, building: Building, key_file: str) -> str:
        """A key of this device's own, where its gateway looks for it."""
        path = self.gateway_settings(building.name).parent / key_file
        return _secret(path, OSDP_KEY_BYTES)

    def _access_list(self) -> str:
        """One entry for each credential that a person carries and some reader reads, with its PIN. The
        same for all gateways: each looks for the names of its own doors."""
        entries = [
            {
                "token": token,
                "holder": f"h-{number:05d}",
                "category": "resident",
                "doors": self._doors_of(person),
                "pin": self._tokenise(CredentialKind.PIN, pin_number(token, person.card.pin)),
            }
            for number, person in enumerate(self.people(), start=1)
            for token in self._tokens_of(person)
        ]
        issued_us = time.time_ns() // 1_000
        return json.dumps({"v": 1, "version": 1, "issued_us": issued_us, "entries": entries})

    def _doors_of(self, person: Person) -> list[str]:
        if not self.plan.used_by:
            return ["*"]
        doors = [door.name for building in self.plan.buildings for door in building.doors]
        return [door for door in doors if person.ref in self.plan.used_by.get(door, (person.ref,))]

    def _tokens_of(self, person: Person) -> list[str]:
        return [self._tokenise(*credential) for credential in self.credentials_of(person)]

    def _gateway_text(self, building: Building) -> str:
        parts = [_GATEWAY.format(site=SITE, building=building, plan=self.plan, broker=self.broker)]
        if self.plan.keys:
            parts.append(_KEYS)
        for board in building.boards:
            extra = self._board_extra(board, contacts=building.contacts)
            parts.append(self._wiring.table("lock_boards", board.name, extra))
            for channel, door in enumerate(board.doors, start=1):
                parts.append(self._wiring.table("readers", door.name, self._reader_extra(door)))
                parts.append(self._door_text(door, board, channel))
                if building.contacts:
                    parts.append(_CONTACT.format(board=board.name, channel=channel, door=door))
        return "\n".join(parts)

    def _door_text(self, door: Door, board: Board, channel: int) -> str:
        return _DOOR.format(
            door=door,
            board=board.name,
            channel=channel,
            pulse_s=self.plan.pulse_s,
            admits=self._admits(door.name),
            asks_pin=str(door.asks_pin).lower(),
        )

    def _board_extra(self, board: Board, *, contacts: bool) -> str:
        if board.kind == "lc_relay":
            # Without a gap an answer may be older than the command it is held against: nobody is asked.
            return f"command_gap_s = {self.plan.command_gap_s}\nstatus_query = false"
        if not contacts:
            return ""
        inputs = (f'{{ channel = {n}, normal = "closed" }}' for n in range(1, len(board.doors) + 1))
        return f"inputs = [{', '.join(inputs)}]"

    def _reader_extra(self, door: Door) -> str:
        lines = [self.plan.reader_extra] if door.reader == "sam_v" else []
        return "\n".join([*lines, *(['pin = "after_card"'] if door.asks_pin else [])])

    def _admits(self, door: str) -> str:
        words = ("listed",) if door in self.plan.listed_only else self.plan.admits
        return ", ".join(f'"{word}"' for word in words)

    def _scene(self) -> Path:
        return self.folder / "scene.toml"

    def _centre_command(self) -> Sequence[str | Path]:
        program = self.plan.centre_program or (str(_BIN / "liuhen-central"),)
        return [*program, "serve", "--settings", self.centre_settings()]

    def _gateway_command(self, building: Building) -> Sequence[str | Path]:
        program = self.plan.gateway_program or (str(_BIN / "liuhen-gateway"),)
        return [*program, "run", "--settings", self.gateway_settings(building.name)]

    def _simulator_command(self) -> Sequence[str | Path]:
        return [_BIN / "liuhen-sim", "serve", self._scene(), "--dir", self.ports]

    def _child(
        self,
        name: str,
        command: Sequence[str | Path],
        ready: str,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> Child:
        return Child(name, command, self.folder / "logs" / f"{name}.log", ready, environment)


def _secret(path: Path, size: int) -> str:
    """So many random bytes in hex, made once and readable by nobody else."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(size))
    return path.read_text()


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
storage = "any"
reserve_mib = 0
keep_acknowledged_days = {plan.keep_acknowledged_days}

[mqtt]
host = "127.0.0.1"
port = {broker.port}
protocol = "{broker.protocol}"
state_every_s = {plan.state_every_s}
first_call_spread_s = 0.0
"""

_DOOR = """\
[[doors]]
name = "{door.name}"
label = "{door.label}"
readers = ["{door.name}"]
lock = {{ board = "{board}", channel = {channel} }}
pulse_s = {pulse_s}
admits = [{admits}]
asks_pin = {asks_pin}
when_not_recordable = "{door.when_not_recordable}"
"""

_CONTACT = """\
[[inputs]]
board = "{board}"
channel = {channel}
function = "contact"
door = "{door.name}"
"""

_KEYS = f"""\
[clock]
kept_right_by = "host"  # a kernel that does not know would take no command

[keys]
device_key_file = "{DEVICE_KEY}"
centre_keys_file = "{CENTRE_KEYS}"
"""
