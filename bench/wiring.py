"""The simulated devices of an estate: the scene they stand in, and what a gateway is told of them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from bench.plan import Board, Building, Plan
from drivers.base import CredentialKind
from firmware_sim.catalogue import number_at, settings_of, settings_text
from firmware_sim.kinds import PCSC, UNIX
from firmware_sim.pcscd import Pcscd, missing_packages
from firmware_sim.people import Person
from firmware_sim.scene import DevicePlan, Scene
from firmware_sim.slots import FOLDER_NAME


def pcsc_is_here() -> bool:
    """Whether this machine can simulate PC/SC readers and talk to them."""
    return not missing_packages() and find_spec("smartcard") is not None


KeyOf = Callable[[Building, str], str]
"""A building and the name of a key file of its gateway -> the OSDP key in it, made on the way."""


JournalOf = Callable[[Building], Path]
"""Where the gateway of a building keeps its journal."""


def scene_text(plan: Plan, key_of: KeyOf, journal_of: JournalOf) -> str:
    """The scene in TOML: the boards of each building, a reader for each door."""
    parts = [_SCENE.format(plan=plan)]
    for building in plan.buildings:
        for board in building.boards:
            parts += _board(plan, building, board, key_of, journal_of)
    return "".join(parts)


def _board(
    plan: Plan, building: Building, board: Board, key_of: KeyOf, journal_of: JournalOf
) -> Iterator[str]:
    """A lock board and what is at each of its channels."""
    key = _key(building, board.name, board.kind, key_of)
    yield _BOARD.format(board=board, channels=len(board.doors), key=key)
    if building.contacts:
        yield f"inputs = {len(board.doors)}\n"
    for channel, door in enumerate(board.doors, start=1):
        yield _READER.format(door=door, key=_key(building, door.name, door.reader, key_of))
        yield _DOOR.format(door=door, board=board.name, channel=channel)
        yield f"journal = {json.dumps(str(journal_of(building)))}\n"
        if theirs := plan.used_by.get(door.name):
            yield f"used_by = {json.dumps(sorted(theirs))}\n"
        if door.asks_pin:
            yield "pin = true\n"
        if building.contacts:
            yield f'contact = {{ board = "{board.name}", input = {channel} }}\n'


class Wiring:
    """What a gateway has to know of the devices of a scene that is served in `ports`."""

    def __init__(self, scene: Scene, ports: Path) -> None:
        self._scene = scene
        self._ports = ports
        self._slots = [plan.name for plan in scene.readers if plan.transport == PCSC]
        self._daemon = Pcscd(ports / FOLDER_NAME, len(self._slots)) if self._slots else None

    @property
    def environment(self) -> Mapping[str, str]:
        """What a gateway's environment needs so that it finds them."""
        return {} if self._daemon is None else self._daemon.environment

    def table(self, name: str, device: str, extra: str) -> str:
        """The device's [[readers]] or [[lock_boards]] table; `extra`: more settings, in TOML."""
        plan = self._scene.device(device)
        settings = settings_of(plan.name, plan.kind, plan.options, self._address(plan))
        return settings_text(name, {**settings, **tomllib.loads(extra)})

    def credential_at(self, reader: str, person: Person) -> tuple[CredentialKind, str] | None:
        """What a person's card is at that reader."""
        plan = self._scene.device(reader)
        credential = number_at(plan.kind, plan.options, person.card)
        return None if credential is None else (CredentialKind(credential[0]), credential[1])

    def _address(self, plan: DevicePlan) -> str:
        if self._daemon is not None and plan.name in self._slots:
            return self._daemon.reader_names[self._slots.index(plan.name)]
        path = self._ports / (plan.bus or plan.name)
        return f"socket://{path}" if plan.transport == UNIX else str(path)


def _key(building: Building, device: str, kind: str, key_of: KeyOf) -> str:
    if kind not in _WITH_KEYS:
        return ""
    key_file = f"{device}.key"
    return f'key_file = "{key_file}"\nkey = "{key_of(building, key_file)}"\n'


_WITH_KEYS = ("osdp", "osdp_out")

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
name = "{board.name}"
kind = "{board.kind}"
channels = {channels}
{key}"""

_READER = """
[[reader]]
name = "{door.name}"
kind = "{door.reader}"
{door.scene}
{key}"""

_DOOR = """
[[door]]
name = "{door.name}"
reader = "{door.name}"
lock_board = "{board}"
channel = {channel}
"""
