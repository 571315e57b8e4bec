"""A scene: which devices and doors there are, and who walks through them; from TOML into frozen values.

An unknown key, a wrong type or a dangling name stops the start and is named with its full path.
"""

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_sim.errors import SceneError
from firmware_sim.faults import RATES
from firmware_sim.lock_board import MAX_CHANNELS, Spacing
from firmware_sim.people import Person, make_people
from firmware_sim.profiles import INSTANT, PROFILES, REAL, Profile

MAX_DEVICES = 1000
MAX_PEOPLE = 50_000
MAX_SWIPES_PER_MINUTE = 60_000.0
TRANSPORTS = ("pty", "tcp")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_TAKEN_NAMES = ("control.sock", "events.jsonl")
_MIN_STRANGERS = 5  # few strangers would be met again and again


@dataclass(frozen=True, slots=True)
class ReaderPlan:
    """One ID-card reader."""

    name: str
    rate: int = RATES[0]
    transport: str = "pty"


@dataclass(frozen=True, slots=True)
class LockBoardPlan:
    """One relay board."""

    name: str
    channels: int = 1
    transport: str = "pty"
    spacing: Spacing = Spacing.DOCUMENTED
    answers_query: bool = True


@dataclass(frozen=True, slots=True)
class DoorPlan:
    """Which relay opens for which reader."""

    name: str
    reader: str
    lock_board: str
    channel: int


@dataclass(frozen=True, slots=True)
class CommunityPlan:
    """How many people swipe, and how they are spread over the day."""

    swipes_per_minute: float = 0.0
    unknown_share: float = 0.0
    peaks: bool = False  # weigh the rate by the hour of the simulated day
    start_hour: float = 7.5
    speed: float = 1.0  # simulated seconds of the day per real second; people do not move faster for it
    patience_s: float = 3.0  # how long a card lies while the door stays shut
    linger_s: float = 0.8  # how long it stays once the door is open


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything the simulator builds."""

    seed: int = 1
    people: int = 0
    profile: Profile = REAL
    readers: tuple[ReaderPlan, ...] = ()
    lock_boards: tuple[LockBoardPlan, ...] = ()
    doors: tuple[DoorPlan, ...] = ()
    community: CommunityPlan = CommunityPlan()

    @property
    def devices(self) -> tuple[ReaderPlan | LockBoardPlan, ...]:
        """Readers first."""
        return (*self.readers, *self.lock_boards)

    @property
    def strangers(self) -> int:
        """How many people beyond `people` walk about without being enrolled."""
        if not self.community.unknown_share:
            return 0
        return max(_MIN_STRANGERS, math.ceil(self.people * self.community.unknown_share))

    def enrolled(self) -> tuple[Person, ...]:
        """Those who belong on an access list."""
        return make_people(self.people, self.seed)

    def everyone(self) -> tuple[Person, ...]:
        """The enrolled, then the strangers."""
        return make_people(self.people + self.strangers, self.seed)


def load_scene(path: Path) -> Scene:
    """Read a scene file. SceneError: cannot be read, or says something that does not fit."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SceneError(f"scene {path} cannot be read: {error}") from error
    try:
        return parse_scene(text)
    except SceneError as error:
        raise SceneError(f"scene {path}: {error}") from error


def parse_scene(text: str) -> Scene:
    """A scene from TOML text."""
    try:
        table = _Table("", tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SceneError(f"no valid TOML: {error}") from error
    seed = table.whole("seed", 1, low=-(2**63), high=2**63)
    people = table.whole("people", 0, low=0, high=MAX_PEOPLE)
    profile = PROFILES[table.choice("profile", REAL.name, (REAL.name, INSTANT.name))]
    scene = Scene(
        seed=seed,
        people=people,
        profile=profile,
        readers=tuple(_reader(each) for each in table.tables("reader")),
        lock_boards=tuple(_lock_board(each) for each in table.tables("lock_board")),
        doors=tuple(_door(each) for each in table.tables("door")),
        community=_community(table.table("community")),
    )
    table.done()
    check_scene(scene)
    return scene


def check_scene(scene: Scene) -> None:
    """Names fit together. SceneError names the piece that does not."""
    devices = [plan.name for plan in scene.devices]
    if len(devices) > MAX_DEVICES:
        raise SceneError(f"at most {MAX_DEVICES} devices, not {len(devices)}")
    _no_doubles("reader and lock_board", devices)
    _no_doubles("door", [door.name for door in scene.doors])
    _no_doubles("door, key reader:", [door.reader for door in scene.doors])
    readers = {plan.name for plan in scene.readers}
    channels = {plan.name: plan.channels for plan in scene.lock_boards}
    for door in scene.doors:
        if door.reader not in readers:
            raise SceneError(f"door {door.name!r}, key reader: no reader {door.reader!r}")
        if door.lock_board not in channels:
            raise SceneError(f"door {door.name!r}, key lock_board: no lock board {door.lock_board!r}")
        if door.channel > channels[door.lock_board]:
            raise SceneError(
                f"door {door.name!r}, key channel: {door.lock_board} has"
                f" {channels[door.lock_board]} channels, not {door.channel}"
            )
    if scene.community.swipes_per_minute and not (scene.doors and scene.people):
        raise SceneError("community swipes need people and at least one door: set `people` and a [[door]]")


def _no_doubles(what: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise SceneError(f"{what} {name!r} is there twice")


class _Table:
    """One TOML table being emptied key by key; what is left at the end is unknown."""

    def __init__(self, path: str, values: Mapping[str, Any]) -> None:
        self._path = path
        self._left = dict(values)

    def _where(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def _pop(self, key: str, default: object, kind: type, words: str) -> Any:
        if key not in self._left and default is None:
            raise SceneError(f"key {self._where(key)} is missing")
        value = self._left.pop(key, default)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise SceneError(f"key {self._where(key)}: expects {words}, not {value!r}")
        return value

    def whole(self, key: str, default: int | None, *, low: int, high: int) -> int:
        value: int = self._pop(key, default, int, "a whole number")
        if not low <= value <= high:
            raise SceneError(f"key {self._where(key)}: {low} to {high}, not {value}")
        return value

    def number(self, key: str, default: float, *, low: float, high: float) -> float:
        value: float = self._pop(key, default, float, "a number")
        if not low <= value <= high:
            raise SceneError(f"key {self._where(key)}: {low} to {high}, not {value}")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        value: bool = self._pop(key, default, bool, "true or false")
        return value

    def choice(self, key: str, default: str, choices: tuple[str, ...]) -> str:
        value: str = self._pop(key, default, str, "text")
        if value not in choices:
            raise SceneError(f"key {self._where(key)}: one of {', '.join(choices)}, not {value!r}")
        return value

    def name(self, key: str) -> str:
        value: str = self._pop(key, None, str, "text")
        if not _NAME.fullmatch(value) or value in _TAKEN_NAMES:
            raise SceneError(
                f"key {self._where(key)}: {value!r} is no name: letters, digits, . _ -, up to 63"
            )
        return value

    def table(self, key: str) -> "_Table":
        return _Table(self._where(key), self._pop(key, {}, dict, "a table"))

    def tables(self, key: str) -> list["_Table"]:
        values = self._pop(key, [], list, f"[[{key}]] tables")
        if not all(isinstance(value, dict) for value in values):
            raise SceneError(f"key {self._where(key)}: expects [[{key}]] tables")
        return [_Table(f"{self._where(key)}[{at}]", value) for at, value in enumerate(values)]

    def done(self) -> None:
        for key in self._left:
            raise SceneError(f"key {self._where(key)} is not known")


def _reader(table: _Table) -> ReaderPlan:
    name = table.name("name")
    rate = table.whole("rate", RATES[0], low=min(RATES), high=max(RATES))
    if rate not in RATES:
        raise SceneError(f"reader {name!r}, key rate: one of {', '.join(map(str, RATES))}, not {rate}")
    plan = ReaderPlan(name, rate, table.choice("transport", "pty", TRANSPORTS))
    table.done()
    return plan


def _lock_board(table: _Table) -> LockBoardPlan:
    spacings = tuple(spacing.name.lower() for spacing in Spacing)
    plan = LockBoardPlan(
        name=table.name("name"),
        channels=table.whole("channels", 1, low=1, high=MAX_CHANNELS),
        transport=table.choice("transport", "pty", TRANSPORTS),
        spacing=Spacing[table.choice("spacing", "documented", spacings).upper()],
        answers_query=table.flag("answers_query", default=True),
    )
    table.done()
    return plan


def _door(table: _Table) -> DoorPlan:
    plan = DoorPlan(
        name=table.name("name"),
        reader=table.name("reader"),
        lock_board=table.name("lock_board"),
        channel=table.whole("channel", 1, low=1, high=MAX_CHANNELS),
    )
    table.done()
    return plan


def _community(table: _Table) -> CommunityPlan:
    plan = CommunityPlan(
        swipes_per_minute=table.number("swipes_per_minute", 0.0, low=0.0, high=MAX_SWIPES_PER_MINUTE),
        unknown_share=table.number("unknown_share", 0.0, low=0.0, high=1.0),
        peaks=table.flag("peaks", default=False),
        start_hour=table.number("start_hour", 7.5, low=0.0, high=24.0),
        speed=table.number("speed", 1.0, low=0.001, high=86_400.0),
        patience_s=table.number("patience_s", 3.0, low=0.01, high=60.0),
        linger_s=table.number("linger_s", 0.8, low=0.0, high=60.0),
    )
    table.done()
    return plan
