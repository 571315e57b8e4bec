"""Makes the parts of a scene: lines with their devices, ports, the community, and the names in their events.

Starts nothing; `simulator` puts the parts together and runs them.
"""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from firmware_sim.community import CommunityRunner, Crowd, visits
from firmware_sim.device import Notice
from firmware_sim.events import EventLog
from firmware_sim.faults import LOCK_BOARD, READER, FaultSet
from firmware_sim.line import Line
from firmware_sim.lock_board import LockBoard
from firmware_sim.ports import Port, PtyPort, TcpPort
from firmware_sim.sam_module import SamModule, sam_number
from firmware_sim.scene import DoorPlan, LockBoardPlan, ReaderPlan, Scene
from firmware_sim.wire import Wire

_log = logging.getLogger(__name__)


def make_line(scene: Scene, plan: ReaderPlan | LockBoardPlan, now: float) -> Line:
    """A device behind its wire, switched on at `now`, not plugged in. Chance comes from seed and name."""
    rng = Random(f"line:{scene.seed}:{plan.name}")
    kind = READER if isinstance(plan, ReaderPlan) else LOCK_BOARD
    faults = FaultSet(kind)
    wire = Wire(faults, rng, paced=scene.profile.paced)
    device = _make_device(scene, plan, faults, now)
    return Line(plan.name, kind, device, faults, wire, rng, babbles=kind == READER)


def _make_device(
    scene: Scene, plan: ReaderPlan | LockBoardPlan, faults: FaultSet, now: float
) -> SamModule | LockBoard:
    if isinstance(plan, ReaderPlan):
        number = sam_number(scene.readers.index(plan) + 1)
        return SamModule(faults, number=number, now=now, profile=scene.profile, rate=plan.rate)
    return LockBoard(
        plan.channels,
        faults,
        spacing=plan.spacing,
        answers_query=plan.answers_query,
        answer_s=scene.profile.own_s,
    )


class Sockets:
    """Where devices are plugged in: names in the directory, and TCP ports that outlive a replug."""

    def __init__(self, scene: Scene, directory: Path) -> None:
        self._transports = {plan.name: plan.transport for plan in scene.devices}
        self._directory = directory
        self._numbers: dict[str, int] = {}

    def port(self, device: str, name: str | None = None) -> Port:
        """A fresh port, under another name if given. SceneError or OSError: it cannot be had."""
        if self._transports[device] == "pty":
            return PtyPort(self._directory / (name or device))
        port = TcpPort(self._numbers.get(device, 0))
        self._numbers[device] = port.number
        return port


def make_community(
    scene: Scene,
    events: EventLog,
    *,
    enrolled: Sequence[str],
    strangers: Sequence[str],
    lay: Callable[[str, str], None],
    lift: Callable[[str], None],
) -> CommunityRunner:
    """The people of the scene, by reference, not yet walking."""
    rng = Random(f"community:{scene.seed}")
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
        ),
        lay=lay,
        lift=lift,
    )


class EventRecorder:
    """Adds the door to what the lines report."""

    def __init__(self, events: EventLog, doors: Sequence[DoorPlan]) -> None:
        self._events = events
        self._door_of_reader = {door.reader: door.name for door in doors}
        self._door_of_relay = {(door.lock_board, door.channel): door.name for door in doors}

    def notice(self, line: Line, notice: Notice, t_ns: int) -> None:
        door = self._door_of_reader.get(line.name)
        if notice.channel is not None:
            door = self._door_of_relay.get((line.name, notice.channel))
        self._events.append(
            line.name,
            notice.event,
            t_ns=t_ns,
            card=notice.card,
            channel=notice.channel,
            edge=notice.edge,
            door=door,
        )

    def read_sent(self, line: Line, card: str, t_before_ns: int, t_ns: int) -> None:
        door = self._door_of_reader.get(line.name)
        self._events.append(line.name, "read_sent", t_ns=t_ns, card=card, door=door, t_before_ns=t_before_ns)

    def fault_over(self, line: Line, name: str) -> None:
        self._events.append(line.name, "fault_over", detail=name)

    def port_lost(self, line: Line, why: str) -> None:
        _log.warning("%s lost its port (%s); replug it", line.name, why)
        line.device.power_cycle(time.monotonic())
        self._events.append(line.name, "unplugged", detail="the operating system took the port away")
