"""Builds a scene's devices in a directory and runs them: the one place where all parts of the simulator meet.

Its methods may be called from any thread; the control API offers the same ones over a socket.
"""

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from firmware_sim.assembly import EventRecorder, Sockets, make_community, make_line
from firmware_sim.cards import Card
from firmware_sim.control_server import ControlServer
from firmware_sim.errors import RequestError, SceneError
from firmware_sim.events import Event, EventLog
from firmware_sim.faults import CATALOGUE, READER, check_fault
from firmware_sim.line import Line, LineHub
from firmware_sim.lock_board import LockBoard
from firmware_sim.sam_module import SamModule
from firmware_sim.scene import MAX_SWIPES_PER_MINUTE, Scene, check_scene

EVENTS_FILE = "events.jsonl"
PATIENCE_S = 3.0  # how long a person waits for the door
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True)
class Swipe:
    """What came of one card laid on a reader. Stamps are time.monotonic_ns()."""

    opened: bool
    presented_ns: int
    read_sent_ns: int | None  # right after the write of the read reply's last byte
    relay_on_ns: int | None  # right after the relay's frame was read
    was_open: bool  # the relay was on already when the card was laid


class Simulator:
    """All devices of a scene. `with Simulator(scene, directory) as simulator:` or start and stop."""

    def __init__(self, scene: Scene, directory: Path) -> None:
        check_scene(scene)
        self.scene = scene
        self.directory = directory
        everyone = scene.everyone()
        self._cards = {person.ref: person.card for person in everyone}
        self._enrolled = tuple(person.ref for person in everyone[: scene.people])
        self._strangers = tuple(person.ref for person in everyone[scene.people :])
        self._door_of_reader = {door.reader: door for door in scene.doors}
        self._sockets = Sockets(scene, directory)
        self._lines: dict[str, Line] = {}
        self._stopped = threading.Event()

    def start(self) -> None:
        """Plug in everything. SceneError: the directory cannot be used."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._events = EventLog(self.directory / EVENTS_FILE)
        except OSError as error:
            raise SceneError(f"directory {self.directory} cannot be used: {error}") from error
        self._hub = LineHub(EventRecorder(self._events, self.scene.doors))
        self._control = ControlServer(self, self.directory)
        self._runner = make_community(
            self.scene,
            self._events,
            enrolled=self._enrolled,
            strangers=self._strangers,
            lay=self.present,
            lift=self._lift,
        )
        try:
            self._control.open()  # first: it refuses a directory that another simulator serves
            self._events.append("simulator", "started")
            self._plug_all()
        except BaseException:
            self._unplug_all()
            self._hub.stop()
            self._control.close()
            self._events.close()
            raise
        self._hub.start()
        self._runner.start()
        self._control.start()
        if self.scene.community.swipes_per_minute:
            self._runner.set_rate(self.scene.community.swipes_per_minute)

    def stop(self) -> None:
        """Everyone goes home, every plug is pulled, every thread has ended."""
        self._stopped.set()
        self._runner.stop()
        self._events.release()
        self._control.stop()
        self._hub.stop()
        self._unplug_all()
        self._events.append("simulator", "stopped")
        self._events.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def failure(self) -> Exception | None:
        """Why the thread of the lines ended by itself, None as long as all is well."""
        return self._hub.failure

    def wait_stopped(self, timeout_s: float) -> bool:
        """Whether `stop` was called within that time."""
        return self._stopped.wait(timeout_s)

    def address(self, device: str) -> str:
        """What a program opens: a path, or a socket:// address."""
        line = self._line(device)
        if line.port is None:
            raise RequestError(f"{device} is unplugged; replug it first")
        return line.port.address

    def present(self, reader: str, card: str) -> None:
        """Lay a card on a reader. RequestError: unknown reader or card, or another card lies there."""
        line = self._line(reader, READER)
        laid = self._card(card)
        self._hub.call(lambda: self._present(line, laid))

    def remove(self, reader: str) -> None:
        """Take the card away. RequestError: none lies there."""
        line = self._line(reader, READER)
        if not self._hub.call(lambda: self._remove(line)):
            raise RequestError(f"no card lies on {reader}")

    def swipe(self, reader: str, card: str, *, patience_s: float = PATIENCE_S, hold_s: float = 0.0) -> Swipe:
        """Lay a card, wait for the door's relay or until patience ends, take it away, not before hold_s."""
        door = self._door_of_reader.get(reader)
        line = self._line(reader, READER)
        if door is None:
            raise RequestError(f"no [[door]] of the scene names reader {reader}")
        board = self._line(door.lock_board).device
        assert isinstance(board, LockBoard)
        before = self._events.last
        was_open = board.relays[door.channel - 1]
        presented_ns = time.monotonic_ns()
        self.present(reader, card)
        try:
            read, relay = self._await_door(reader, card, door.name, before, patience_s)
            self._stopped.wait(max(0.0, hold_s - (time.monotonic_ns() - presented_ns) / 1e9))
        finally:
            self._hub.call(lambda: self._remove(line))
        return Swipe(
            opened=relay is not None,
            presented_ns=presented_ns,
            read_sent_ns=None if read is None else read.t_ns,
            relay_on_ns=None if relay is None else relay.t_ns,
            was_open=was_open,
        )

    def fault(
        self, device: str, fault: str, *, count: int | None = None, **parameters: float | str | None
    ) -> None:
        """Switch a fault on, for `count` uses or until cleared. RequestError: unknown, or a bad parameter."""
        line = self._line(device)
        given = {name: value for name, value in parameters.items() if value is not None}
        checked = check_fault(line.kind, fault, given)
        if CATALOGUE[fault].at_once:
            if count is not None:
                raise RequestError(f"fault {fault} happens at once and takes no count")
            self._at_once(line, fault, checked)
            return
        self._hub.call(lambda: self._switch_on(line, fault, given, count))

    def clear(self, device: str | None = None, fault: str | None = None) -> tuple[str, ...]:
        """Switch faults off: one, all of a device, or all there are. Gives their names."""
        if fault is not None and fault not in CATALOGUE:
            raise RequestError(f"no fault {fault!r}; there are {', '.join(sorted(CATALOGUE))}")
        lines = tuple(self._lines.values()) if device is None else (self._line(device),)
        return self._hub.call(lambda: tuple(name for line in lines for name in self._clear(line, fault)))

    def unplug(self, device: str) -> None:
        """Pull the plug: the port vanishes, the device loses power."""
        line = self._line(device)
        self._hub.call(lambda: self._unplug(line))

    def replug(self, device: str, name: str | None = None) -> str:
        """Plug in again, under another name if given; gives the new address."""
        line = self._line(device)
        if name is not None and (
            not _NAME.fullmatch(name) or (name in self._lines and name != device) or name == EVENTS_FILE
        ):
            raise RequestError(f"{name!r} cannot name {device}: taken, or not letters, digits, . _ -")
        return self._hub.call(lambda: self._replug(line, name or device))

    def power_cycle(self, device: str) -> None:
        """The device restarts while its port stays."""
        line = self._line(device)
        self._hub.call(lambda: self._power_cycle(line))

    def people(self) -> list[dict[str, Any]]:
        """References, layouts and whether enrolled; never a name or a number."""
        refs = ((ref, True) for ref in self._enrolled), ((ref, False) for ref in self._strangers)
        return [
            {"ref": ref, "layout": self._cards[ref].layout.name.lower(), "enrolled": enrolled}
            for group in refs
            for ref, enrolled in group
        ]

    def events(self, after: int = 0, limit: int = 1000, wait_s: float = 0.0) -> list[Event]:
        """Events numbered above `after`, oldest first; waits up to `wait_s` for the first."""
        return self._events.wait_after(after, limit, wait_s) if wait_s else self._events.after(after, limit)

    def wait_for_event(self, event: str, *, device: str, after: int, timeout_s: float) -> Event | None:
        """The first such event of a device numbered above `after`."""
        return self._events.wait_for(
            lambda each: (each.event, each.device) == (event, device), after, timeout_s
        )

    @property
    def last_event(self) -> int:
        """Number of the newest event."""
        return self._events.last

    def set_community_rate(self, per_minute: float) -> None:
        """Swipes per minute in the whole scene from now on; 0: nobody new comes."""
        if not 0 <= per_minute <= MAX_SWIPES_PER_MINUTE:
            raise RequestError(f"community rate: 0 to {MAX_SWIPES_PER_MINUTE:g} per minute, not {per_minute}")
        if per_minute and not (self.scene.doors and self.scene.people):
            raise RequestError("the scene has no people or no doors: nobody can swipe")
        self._runner.set_rate(per_minute)

    def status(self) -> dict[str, Any]:
        """What everything is doing; references only."""
        devices = self._hub.call(lambda: {name: self._describe(line) for name, line in self._lines.items()})
        return {
            "profile": self.scene.profile.name,
            "seed": self.scene.seed,
            "people": len(self._enrolled),
            "strangers": len(self._strangers),
            "last_event": self._events.last,
            "community": self._runner.status(),
            "devices": devices,
            "doors": {door.name: asdict(door) for door in self.scene.doors},
        }

    # What follows runs on the thread of the lines.

    def _present(self, line: Line, card: Card) -> None:
        module = _module(line)
        if module.card is not None:
            raise RequestError(f"{module.card.ref} lies on {line.name}; remove it first")
        module.present(card)
        self._hub.refresh(line)

    def _remove(self, line: Line) -> bool:
        module = _module(line)
        if module.card is None:
            return False
        module.remove()
        self._hub.refresh(line)
        return True

    def _switch_on(self, line: Line, fault: str, given: Mapping[str, object], count: int | None) -> None:
        line.faults.switch_on(fault, given, count=count)
        self._events.append(line.name, "fault", detail=fault)
        self._hub.refresh(line)

    def _clear(self, line: Line, fault: str | None) -> tuple[str, ...]:
        names = line.faults.clear(fault)
        for name in names:
            self._events.append(line.name, "fault_over", detail=name)
        self._hub.refresh(line)
        return names

    def _unplug(self, line: Line) -> None:
        if line.port is None:
            raise RequestError(f"{line.name} is unplugged already")
        self._hub.unplug(line)
        line.device.power_cycle(time.monotonic())
        self._events.append(line.name, "unplugged")
        self._hub.refresh(line)

    def _replug(self, line: Line, name: str) -> str:
        if line.port is not None:
            raise RequestError(f"{line.name} is plugged in already")
        try:
            port = self._sockets.port(line.name, name)
        except (OSError, SceneError) as error:
            raise RequestError(f"{line.name} cannot be plugged in: {error}") from error
        line.device.power_cycle(time.monotonic())
        self._hub.plug_in(line, port)
        self._hub.refresh(line)
        self._events.append(line.name, "replugged", detail=port.address)
        return port.address

    def _power_cycle(self, line: Line) -> None:
        line.wire.drop()
        line.device.power_cycle(time.monotonic())
        self._events.append(line.name, "power_cycled")
        self._hub.refresh(line)

    def _leave_at(self, line: Line, rate: int) -> None:
        _module(line).leave_at(rate)
        self._events.append(line.name, "fault", detail=f"wrong_rate {rate}")

    def _describe(self, line: Line) -> dict[str, Any]:
        about: dict[str, Any] = {
            "kind": line.kind,
            "plugged": line.port is not None,
            "address": None if line.port is None else line.port.address,
            "rate": line.device.rate,
            "faults": line.faults.describe(),
            "lost_bytes": line.lost_bytes + line.wire.overrun,
        }
        if isinstance(line.device, SamModule):
            about["ignored_bytes"] = line.device.swallowed
            about["state"] = line.device.state(time.monotonic()).value
            about["card"] = None if line.device.card is None else line.device.card.ref
        elif isinstance(line.device, LockBoard):
            about["ignored_bytes"] = line.device.ignored
            about["relays"] = list(line.device.relays)
        return about

    # Any thread again.

    def _at_once(self, line: Line, fault: str, parameters: Mapping[str, Any]) -> None:
        if fault == "unplug":
            self.unplug(line.name)
        elif fault == "replug":
            self.replug(line.name)
        elif fault == "power_dip":
            self.power_cycle(line.name)
        else:
            self._hub.call(lambda: self._leave_at(line, parameters["rate"]))

    def _await_door(
        self, reader: str, card: str, door: str, before: int, patience_s: float
    ) -> tuple[Event | None, Event | None]:
        deadline_s = time.monotonic() + patience_s
        read = self._events.wait_for(
            lambda each: (each.event, each.device, each.card) == ("read_sent", reader, card),
            before,
            patience_s,
        )
        if read is None:
            return None, None
        left_s = deadline_s - time.monotonic()
        relay = self._events.wait_for(
            lambda each: (each.event, each.door) == ("relay_on", door), read.n, max(0.0, left_s)
        )
        return read, relay

    def _line(self, device: str, kind: str | None = None) -> Line:
        line = self._lines.get(device)
        if line is None or (kind is not None and line.kind != kind):
            known = [name for name, each in self._lines.items() if kind in (None, each.kind)]
            raise RequestError(f"no {kind or 'device'} {device!r}; there are {', '.join(known) or 'none'}")
        return line

    def _card(self, ref: str) -> Card:
        card = self._cards.get(ref)
        if card is None:
            last = next(reversed(self._cards), None)
            known = f"P0001 to {last}" if last else "none in this scene"
            raise RequestError(f"no person {ref!r}; there are {known}")
        return card

    def _lift(self, reader: str) -> None:
        line = self._line(reader, READER)
        self._hub.call(lambda: self._remove(line))

    def _plug_all(self) -> None:
        for plan in self.scene.devices:
            line = make_line(self.scene, plan, time.monotonic())
            self._lines[plan.name] = line
            try:
                self._hub.plug_in(line, self._sockets.port(plan.name))
            except OSError as error:
                raise SceneError(f"{plan.name} cannot be plugged in: {error}") from error

    def _unplug_all(self) -> None:
        for line in self._lines.values():
            if line.port is not None:
                self._hub.unplug(line)


def _module(line: Line) -> SamModule:
    assert isinstance(line.device, SamModule), "only readers carry cards"
    return line.device
