"""A scene: which devices and doors there are, and who walks through them; from TOML into frozen values.

An unknown key, a wrong type or a dangling name stops the start and is named with its full path.
"""

import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_sim.catalogue import kind_of, kinds
from firmware_sim.errors import SceneError
from firmware_sim.kinds import CABLES, Kind, Role
from firmware_sim.people import Person, make_people
from firmware_sim.profiles import INSTANT, PROFILES, REAL, Profile
from firmware_sim.scene_table import Table

MAX_DEVICES = 1000
MAX_PEOPLE = 50_000
MAX_SWIPES_PER_MINUTE = 60_000.0
MAX_TERMINALS = 64  # relays or inputs of one board

_DEFAULT_KIND = {Role.READER: "sam_v", Role.LOCK_BOARD: "lc_relay"}
_MIN_STRANGERS = 5  # few strangers would be met again and again


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """One reader or lock board. `options` are its kind's own; on a bus it has no transport of its own."""

    name: str
    role: Role
    kind: str
    options: Any
    transport: str = CABLES[0]
    bus: str | None = None

    @property
    def about(self) -> Kind[Any]:
        """Its row of the catalogue."""
        return kind_of(self.kind)


@dataclass(frozen=True, slots=True)
class BusPlan:
    """One line that several devices share."""

    name: str
    transport: str = CABLES[0]


@dataclass(frozen=True, slots=True)
class Terminal:
    """An input of a board, and what it says while nothing happens."""

    board: str
    input: int
    normal: str


@dataclass(frozen=True, slots=True)
class DoorPlan:
    """Which relay opens for which reader, and which inputs feel the door."""

    name: str
    reader: str
    lock_board: str
    channel: int
    contact: Terminal | None = None
    rex: Terminal | None = None
    pin: bool = False  # people of the community type their PIN after the card
    used_by: frozenset[str] = frozenset()  # references of who comes here by themselves; empty: everybody
    journal: Path | None = None  # of the gateway that decides here, which calls the reader as the scene does


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
    stays_out_share: float = 0.0  # of those who are let in, how many do not open the door


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything the simulator builds."""

    seed: int = 1
    people: int = 0
    profile: Profile = REAL
    readers: tuple[DevicePlan, ...] = ()
    lock_boards: tuple[DevicePlan, ...] = ()
    buses: tuple[BusPlan, ...] = ()
    doors: tuple[DoorPlan, ...] = ()
    community: CommunityPlan = CommunityPlan()

    @property
    def devices(self) -> tuple[DevicePlan, ...]:
        """Readers first."""
        return (*self.readers, *self.lock_boards)

    def device(self, name: str) -> DevicePlan:
        """The device of that name; KeyError: none."""
        return {plan.name: plan for plan in self.devices}[name]

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
        table = Table("", tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SceneError(f"no valid TOML: {error}") from error
    seed = table.whole("seed", 1, low=-(2**63), high=2**63)
    people = table.whole("people", 0, low=0, high=MAX_PEOPLE)
    profile = PROFILES[table.choice("profile", REAL.name, (REAL.name, INSTANT.name))]
    scene = Scene(
        seed=seed,
        people=people,
        profile=profile,
        readers=tuple(_device(each, Role.READER) for each in table.tables("reader")),
        lock_boards=tuple(_device(each, Role.LOCK_BOARD) for each in table.tables("lock_board")),
        buses=tuple(_bus(each) for each in table.tables("bus")),
        doors=tuple(_door(each) for each in table.tables("door")),
        community=_community(table.table("community")),
    )
    table.done()
    check_scene(scene)
    return scene


def check_scene(scene: Scene) -> None:
    """Names fit together. SceneError names the piece that does not."""
    devices = [plan.name for plan in scene.devices] + [bus.name for bus in scene.buses]
    if len(devices) > MAX_DEVICES:
        raise SceneError(f"at most {MAX_DEVICES} devices, not {len(devices)}")
    _no_doubles("reader, lock_board or bus", devices)
    _no_doubles("door", [door.name for door in scene.doors])
    _no_doubles("door, key reader:", [door.reader for door in scene.doors])
    _check_buses(scene)
    enrolled = {person.ref for person in scene.enrolled()} if any(d.used_by for d in scene.doors) else set()
    for door in scene.doors:
        _check_door(scene, door)
        if unknown := sorted(door.used_by - enrolled):
            raise SceneError(f"door {door.name!r}, key used_by: no person {unknown[0]!r} of `people`")
    if scene.community.swipes_per_minute and not (scene.doors and scene.people):
        raise SceneError("community swipes need people and at least one door: set `people` and a [[door]]")


def _check_buses(scene: Scene) -> None:
    buses = {bus.name for bus in scene.buses}
    on_bus: dict[str, list[DevicePlan]] = {name: [] for name in buses}
    for plan in scene.devices:
        if plan.bus is None:
            continue
        if plan.bus not in buses:
            raise SceneError(f"{plan.role} {plan.name!r}, key bus: no [[bus]] {plan.bus!r}")
        on_bus[plan.bus].append(plan)
    for name, plans in on_bus.items():
        places = [plan.about.place(plan.options) for plan in plans]
        for plan, place in zip(plans, places, strict=True):
            if places.count(place) > 1:
                raise SceneError(f"bus {name!r}: another device beside {plan.name!r} answers at {place}")


def _check_door(scene: Scene, door: DoorPlan) -> None:
    devices = {plan.name: plan for plan in scene.devices}
    reader = devices.get(door.reader)
    if reader is None or reader.role is not Role.READER:
        raise SceneError(f"door {door.name!r}, key reader: no reader {door.reader!r}")
    board = devices.get(door.lock_board)
    channels = 0 if board is None else board.about.channels(board.options)
    if not channels:
        raise SceneError(f"door {door.name!r}, key lock_board: no lock board {door.lock_board!r}")
    if door.channel > channels:
        raise SceneError(
            f"door {door.name!r}, key channel: {door.lock_board} has {channels} channels, not {door.channel}"
        )
    for key, terminal in (("contact", door.contact), ("rex", door.rex)):
        if terminal is None:
            continue
        board = devices.get(terminal.board)
        inputs = 0 if board is None else board.about.inputs(board.options)
        if terminal.input > inputs:
            raise SceneError(
                f"door {door.name!r}, key {key}: {terminal.board} has {inputs} inputs, not {terminal.input}"
            )


def _no_doubles(what: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise SceneError(f"{what} {name!r} is there twice")


def _device(table: Table, role: Role) -> DevicePlan:
    name = table.name("name")
    kind = table.choice("kind", _DEFAULT_KIND[role], kinds(role))
    about = kind_of(kind)
    bus = table.name("bus") if about.on_bus and table.has("bus") else None
    transport = about.transports[0]
    if bus is None:
        transport = table.choice("transport", transport, about.transports)
    plan = DevicePlan(name, role, kind, about.read(table), transport, bus)
    table.done()
    return plan


def _bus(table: Table) -> BusPlan:
    plan = BusPlan(table.name("name"), table.choice("transport", CABLES[0], CABLES))
    table.done()
    return plan


def _door(table: Table) -> DoorPlan:
    plan = DoorPlan(
        name=table.name("name"),
        reader=table.name("reader"),
        lock_board=table.name("lock_board"),
        channel=table.whole("channel", 1, low=1, high=MAX_TERMINALS),
        contact=_terminal(table, "contact", "closed"),
        rex=_terminal(table, "rex", "open"),
        pin=table.flag("pin", default=False),
        used_by=frozenset(table.texts("used_by")),
        journal=Path(table.text("journal", None)) if table.has("journal") else None,
    )
    table.done()
    return plan


def _terminal(table: Table, key: str, normal: str) -> Terminal | None:
    if not table.has(key):
        return None
    inner = table.table(key)
    terminal = Terminal(
        board=inner.name("board"),
        input=inner.whole("input", None, low=1, high=MAX_TERMINALS),
        normal=inner.choice("normal", normal, ("open", "closed")),
    )
    inner.done()
    return terminal


def _community(table: Table) -> CommunityPlan:
    plan = CommunityPlan(
        swipes_per_minute=table.number("swipes_per_minute", 0.0, low=0.0, high=MAX_SWIPES_PER_MINUTE),
        unknown_share=table.number("unknown_share", 0.0, low=0.0, high=1.0),
        peaks=table.flag("peaks", default=False),
        start_hour=table.number("start_hour", 7.5, low=0.0, high=24.0),
        speed=table.number("speed", 1.0, low=0.001, high=86_400.0),
        patience_s=table.number("patience_s", 3.0, low=0.01, high=60.0),
        linger_s=table.number("linger_s", 0.8, low=0.0, high=60.0),
        stays_out_share=table.number("stays_out_share", 0.0, low=0.0, high=1.0),
    )
    table.done()
    return plan
