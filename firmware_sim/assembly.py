"""Makes the parts of a scene: lines with their devices, ports, the community, and the names in their events.

Starts nothing; `simulator` puts the parts together and runs them.
"""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from firmware_sim.community import CommunityRunner, Crowd, Hands, doors_by_person, visits
from firmware_sim.device import Notice
from firmware_sim.events import EventLog
from firmware_sim.fault_table import LISTENED_TO
from firmware_sim.faults import FaultSet
from firmware_sim.kinds import PCSC, PTY, UNIX, Role, Surroundings
from firmware_sim.line import Line, Station
from firmware_sim.ports import Port, PtyPort, TcpPort, UnixPort
from firmware_sim.scene import DevicePlan, DoorPlan, Scene
from firmware_sim.slots import SlotPlan, usual_s
from firmware_sim.wire import Wire

_log = logging.getLogger(__name__)


def make_lines(scene: Scene, now: float) -> tuple[Line, ...]:
    """Every cable of the scene with its devices, switched on at `now`, not plugged in."""
    plans = [plan for plan in scene.devices if plan.transport != PCSC]
    stations = {plan.name: make_station(scene, plan, now) for plan in plans}
    alone = [Line(plan.name, (stations[plan.name],)) for plan in plans if plan.bus is None]
    shared = [
        Line(bus.name, tuple(stations[plan.name] for plan in plans if plan.bus == bus.name))
        for bus in scene.buses
    ]
    return (*alone, *shared)


def make_station(scene: Scene, plan: DevicePlan, now: float) -> Station:
    """A device behind its own transmitter. Chance comes from seed and name."""
    rng = Random(f"line:{scene.seed}:{plan.name}")
    about = plan.about
    assert about.make is not None, "all devices on lines can be made"
    faults = FaultSet(plan.kind)
    peers = scene.readers if plan.role is Role.READER else scene.lock_boards
    around = Surroundings(
        faults=faults,
        profile=scene.profile,
        rng=Random(f"device:{scene.seed}:{plan.name}"),
        now=now,
        serial=peers.index(plan) + 1,
    )
    return Station(
        plan.name,
        plan.kind,
        about.make(plan.options, around),
        faults,
        Wire(faults, rng, paced=scene.profile.paced),
        rng,
        babbles=about.babbles,
    )


def slot_plans(scene: Scene) -> tuple[SlotPlan, ...]:
    """The PC/SC readers of the scene."""
    doors = {door.reader: door.name for door in scene.doors}
    return tuple(
        SlotPlan(
            plan.name,
            plan.options,
            door=doors.get(plan.name),
            usual_s=usual_s(paced=scene.profile.paced),
            seed=f"device:{scene.seed}:{plan.name}",
        )
        for plan in scene.devices
        if plan.transport == PCSC
    )


class Sockets:
    """Where lines are plugged in: names in the directory, and TCP ports that outlive a replug."""

    def __init__(self, scene: Scene, directory: Path) -> None:
        self._transports = {plan.name: plan.transport for plan in scene.devices} | {
            bus.name: bus.transport for bus in scene.buses
        }
        self._directory = directory
        self._numbers: dict[str, int] = {}

    def port(self, line: str, name: str | None = None) -> Port:
        """A fresh port, under another name if given. SceneError or OSError: it cannot be had."""
        path = self._directory / (name or line)
        if self._transports[line] == PTY:
            return PtyPort(path)
        if self._transports[line] == UNIX:
            return UnixPort(path)
        port = TcpPort(self._numbers.get(line, 0))
        self._numbers[line] = port.number
        return port


def make_community(
    scene: Scene,
    events: EventLog,
    *,
    enrolled: Sequence[str],
    strangers: Sequence[str],
    hands: Hands,
) -> CommunityRunner:
    """The people of the scene, by reference, not yet walking."""
    rng = Random(f"community:{scene.seed}")
    theirs = doors_by_person(scene.doors, enrolled)
    return CommunityRunner(
        Crowd(scene.doors),
        events,
        plan_visits=lambda rate, from_s: visits(
            scene.community,
            rng,
            rate_per_minute=rate,
            from_s=from_s,
            enrolled=enrolled,
            strangers=strangers,
            doors=[door.name for door in scene.doors],
            doors_of=theirs,
        ),
        hands=hands,
    )


class EventRecorder:
    """Adds the door to what the lines report."""

    def __init__(self, events: EventLog, doors: Sequence[DoorPlan]) -> None:
        self._events = events
        self._door_of_reader = {door.reader: door.name for door in doors}
        self._read_at: dict[str, str] = {}  # reader that repeats -> the card whose read was told already
        self._door_of_relay = {(door.lock_board, door.channel): door.name for door in doors}

    def notice(self, station: Station, notice: Notice, t_ns: int) -> None:
        if notice.event in ("presented", "removed"):
            self._read_at.pop(station.name, None)
        door = self._door_of_reader.get(station.name)
        if notice.channel is not None:
            door = self._door_of_relay.get((station.name, notice.channel))
        self._events.append(
            station.name,
            notice.event,
            t_ns=t_ns,
            card=notice.card,
            channel=notice.channel,
            edge=notice.edge,
            door=door,
            detail=notice.detail,
        )

    def read_sent(self, station: Station, card: str, t_before_ns: int, t_ns: int) -> None:
        if station.kind in LISTENED_TO and self._read_at.get(station.name) == card:
            return  # repeated while the card lies
        self._read_at[station.name] = card
        door = self._door_of_reader.get(station.name)
        self._events.append(
            station.name, "read_sent", t_ns=t_ns, card=card, door=door, t_before_ns=t_before_ns
        )

    def fault_over(self, station: Station, name: str) -> None:
        self._events.append(station.name, "fault_over", detail=name)

    def port_lost(self, line: Line, why: str) -> None:
        _log.warning("%s lost its port (%s); replug it", line.name, why)
        for station in line.stations:
            station.device.power_cycle(time.monotonic())
        self._events.append(line.name, "unplugged", detail="the operating system took the port away")
