"""Builds a scene's devices in a directory and runs them: the one place where all parts of the simulator meet.

Its methods may be called from any thread; the control API offers the same ones over a socket.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from firmware_sim.assembly import EventRecorder, Sockets, make_community, make_lines, slot_plans
from firmware_sim.cards import Card
from firmware_sim.catalogue import number_at, settings_of
from firmware_sim.control_server import ControlServer
from firmware_sim.doors import Doors, Sensed
from firmware_sim.errors import CardThere, RequestError, SceneError
from firmware_sim.events import Event, EventLog
from firmware_sim.fault_table import CATALOGUE
from firmware_sim.faults import check_fault
from firmware_sim.kinds import Role
from firmware_sim.line import Line, LineHub
from firmware_sim.places import LineHands, LinePlace, Place
from firmware_sim.scene import MAX_SWIPES_PER_MINUTE, DoorPlan, Scene, check_scene
from firmware_sim.scene_table import NAME, TAKEN_NAMES
from firmware_sim.slots import FOLDER_NAME as SLOTS_FOLDER
from firmware_sim.slots import SlotService
from firmware_sim.told import Journal

EVENTS_FILE = "events.jsonl"
PATIENCE_S = 3.0  # how long a person waits for the door
REX_S = 0.5  # how long a finger stays on an exit button
_IN_LINE = 2.0  # patiences that a person stands behind whoever lays a card there: others are patient, too
_LOOK_AGAIN_S = 0.5  # how long nobody is told that a card was taken away, at most


@dataclass(frozen=True, slots=True)
class Swipe:
    """What came of one card laid on a reader. Stamps are time.monotonic_ns()."""

    opened: bool
    presented_ns: int
    read_sent_ns: int | None  # right after the write of the read reply's last byte
    relay_on_ns: int | None  # right after the relay's frame was read
    was_open: bool  # the relay was on already when the card was laid
    let_in: bool | None = None  # by the gateway's journal; None: the scene names none, or nothing was decided
    reason: str | None = None  # of that decision, the journal's word
    journalled: bool = False  # the scene names a journal, and it could be read


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
        self._doors = Doors(scene.doors)
        self._lines: tuple[Line, ...] = ()
        self._buses: dict[str, Line] = {}
        self._places: dict[str, Place] = {}
        self._stopped = threading.Event()

    def start(self) -> None:
        """Plug in everything. SceneError: the directory cannot be used."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._events = EventLog(self.directory / EVENTS_FILE)
        except OSError as error:
            raise SceneError(f"directory {self.directory} cannot be used: {error}") from error
        self._hub = LineHub(EventRecorder(self._events, self.scene.doors))
        self._hands = LineHands(self._hub, self._events, self._sockets)
        self._slots = SlotService(slot_plans(self.scene), self.directory / SLOTS_FOLDER, self._events)
        self._control = ControlServer(self, self.directory)
        self._runner = make_community(
            self.scene,
            self._events,
            enrolled=self._enrolled,
            strangers=self._strangers,
            hands=self,
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
        for sensed in self._doors.at_rest():
            self._sense(sensed)
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

    def address(self, device: str) -> str:
        """What a program opens: a path, a socket:// address, or a PC/SC reader's name. A device on a bus has
        that of its bus.
        """
        bus = self._buses.get(device)
        return self._place(device).address() if bus is None else self._hands.address(bus)

    def settings(self, device: str) -> dict[str, Any]:
        """Keys and values of a gateway's table for this device (see `catalogue.settings_of`)."""
        address = self.address(device)
        plan = self.scene.device(device)
        return settings_of(plan.name, plan.kind, plan.options, address)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a program's environment needs to find the devices of this scene."""
        return self._slots.environment

    def present(self, reader: str, card: str) -> None:
        """Lay a card on a reader. RequestError: unknown reader or card, or another card lies there."""
        place = self._place(reader, Role.READER)
        place.present(self._card(card))

    def remove(self, reader: str) -> None:
        """Take the card away. RequestError: none lies there."""
        if not self._place(reader, Role.READER).remove():
            raise RequestError(f"no card lies on {reader}")

    def take_along(self, reader: str) -> None:
        """Take away whatever card lies there."""
        self._place(reader, Role.READER).remove()

    def type_pin(self, reader: str, card: str) -> None:
        """Type a person's own PIN and #. RequestError: the reader has no keys."""
        self.press(reader, f"{self._card(card).pin}#")

    def press(self, reader: str, keys: str) -> None:
        """Type keys of 0 to 9, * and #. RequestError: no such keys, or none at all on this reader."""
        self._place(reader, Role.READER).press(keys)

    def set_input(self, device: str, number: int, state: str) -> None:
        """What a contact says from now on; see device.InputDevice."""
        self._place(device).set_input(number, state)

    def swing_door(self, door: str, *, is_open: bool, force: bool = False) -> None:
        """Open or shut a door's leaf. RequestError: its lock holds it, unless by `force`."""
        plan = self._door(door)
        if is_open and not force and not self._released(plan):
            raise RequestError(f"door {door} is locked; release it first, or force it")
        self._sense(self._doors.swing(door, is_open=is_open))
        self._events.append(plan.lock_board, "door_open" if is_open else "door_shut", door=door)

    def press_rex(self, door: str, hold_s: float = REX_S) -> None:
        """Press the door's exit button for a moment. RequestError: it has none."""
        self._door(door)
        pressed = self._doors.button(door, pressed=True)
        if pressed is None:
            raise RequestError(f"door {door} has no exit button in this scene")
        self._sense(pressed)
        self._stopped.wait(hold_s)
        self._sense(self._doors.button(door, pressed=False))

    def swipe(
        self,
        reader: str,
        card: str,
        *,
        patience_s: float = PATIENCE_S,
        hold_s: float = 0.0,
        keys: str | None = None,
        pin: bool = False,
        enter_s: float | None = None,
        code: str | None = None,
    ) -> Swipe:
        """Lay a card once no other lies there, type `keys` or the person's own PIN once it is read, wait for
        the door's relay or until patience ends, take the card away, not before hold_s. With `enter_s` whoever
        is let in goes in, and the door stands open for so long. `code`: the text of the QR code that they
        hold up instead of their own. RequestError: among others, it was locked again too soon for that.
        CardThere: another card stays.
        """
        door = self._door_of_reader.get(reader)
        place = self._place(reader, Role.READER)
        if pin:
            keys = f"{self._card(card).pin}#"
        if door is None:
            raise RequestError(f"no [[door]] of the scene names reader {reader}")
        laid = self._card(card)
        if code is not None:
            laid = self._holding_up(reader, laid, code)
        journal = None if door.journal is None else Journal(door.journal)
        before, told, was_open, presented_ns = self._laid_in_turn(place, laid, door, journal, patience_s)
        try:
            read, relay = self._await_door(reader, card, door.name, before, patience_s=patience_s, keys=keys)
            self._stopped.wait(max(0.0, hold_s - (time.monotonic_ns() - presented_ns) / 1e9))
        finally:
            place.remove()
        if relay is not None and enter_s is not None:
            self.swing_door(door.name, is_open=True)
            self._stopped.wait(enter_s)
            self.swing_door(door.name, is_open=False)
        decision = None if journal is None or told is None else journal.decided(reader, told)
        return Swipe(
            opened=relay is not None,
            presented_ns=presented_ns,
            read_sent_ns=None if read is None else read.t_ns,
            relay_on_ns=None if relay is None else relay.t_ns,
            was_open=was_open,
            let_in=None if decision is None else decision.let_in,
            reason=None if decision is None else decision.reason,
            journalled=told is not None,
        )

    def fault(
        self, device: str, fault: str, *, count: int | None = None, **parameters: float | str | None
    ) -> None:
        """Switch a fault on, for `count` uses or until cleared. RequestError: unknown, or a bad parameter."""
        place = self._place(device)
        given = {name: value for name, value in parameters.items() if value is not None}
        checked = check_fault(place.kind, fault, given)
        if not CATALOGUE[fault].at_once:
            place.switch_on(fault, given, count)
            return
        if count is not None:
            raise RequestError(f"fault {fault} happens at once and takes no count")
        place.at_once(fault, checked)

    def clear(self, device: str | None = None, fault: str | None = None) -> tuple[str, ...]:
        """Switch faults off: one, all of a device, or all there are. Gives their names."""
        if fault is not None and fault not in CATALOGUE:
            raise RequestError(f"no fault {fault!r}; there are {', '.join(sorted(CATALOGUE))}")
        places = tuple(self._places.values()) if device is None else (self._place(device),)
        return tuple(name for place in places for name in place.clear(fault))

    def unplug(self, device: str) -> None:
        """Pull the plug of a device or a bus: the port vanishes, the power is gone.

        A device on a bus is cut off its line, which stays.
        """
        bus = self._buses.get(device)
        if bus is None:
            self._place(device).unplug()
        else:
            self._hub.call(lambda: self._hands.unplug(bus))

    def replug(self, device: str, name: str | None = None) -> str:
        """Plug in again, under another name if given; gives the address."""
        if name is not None and (not NAME.fullmatch(name) or self._is_taken(name, device)):
            raise RequestError(f"{name!r} cannot name {device}: taken, or not letters, digits, . _ -")
        bus = self._buses.get(device)
        if bus is None:
            return self._place(device).replug(name)
        return self._hub.call(lambda: self._hands.replug(bus, name or device))

    def power_cycle(self, device: str) -> None:
        """The device restarts while its port stays."""
        self._place(device).power_cycle()

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
        devices = {name: place.describe() for name, place in self._places.items()}
        return {
            "profile": self.scene.profile.name,
            "seed": self.scene.seed,
            "people": len(self._enrolled),
            "strangers": len(self._strangers),
            "last_event": self._events.last,
            "community": self._runner.status(),
            "devices": devices,
            "doors": {
                door.name: _described(door) | {"open": self._doors.is_open(door.name)}
                for door in self.scene.doors
            },
        }

    def _laid_in_turn(
        self, place: Place, card: Card, door: DoorPlan, journal: Journal | None, patience_s: float
    ) -> tuple[int, int | None, bool, int]:
        """The newest event and record before (None: no journal can be read), whether the door was open then,
        and when that was."""
        until_s = time.monotonic() + _IN_LINE * patience_s
        while True:
            before, told = self._events.last, None if journal is None else journal.newest()
            was_open, presented_ns = self._released(door), time.monotonic_ns()
            try:
                place.present(card)
            except CardThere as there:
                left_s = until_s - time.monotonic()
                if left_s <= 0 or self._stopped.is_set():
                    raise CardThere(
                        f"{there}: it stayed for {_IN_LINE * patience_s:g} s. Take it away with `remove"
                        f" {door.reader}`, or lay the card once more with a longer --patience"
                    ) from None
                self._events.wait_for(
                    lambda each: (each.event, each.device) == ("removed", door.reader),
                    before,
                    min(left_s, _LOOK_AGAIN_S),
                )
            else:
                return before, told, was_open, presented_ns

    def _await_door(
        self, reader: str, card: str, door: str, before: int, *, patience_s: float, keys: str | None
    ) -> tuple[Event | None, Event | None]:
        deadline_s = time.monotonic() + patience_s
        read = self._events.wait_for(
            lambda each: (each.event, each.device, each.card) == ("read_sent", reader, card),
            before,
            patience_s,
        )
        if read is None:
            return None, None
        if keys is not None:
            self.press(reader, keys)
        left_s = deadline_s - time.monotonic()
        relay = self._events.wait_for(
            lambda each: (each.event, each.door) == ("relay_on", door), read.n, max(0.0, left_s)
        )
        return read, relay

    def _released(self, door: DoorPlan) -> bool:
        return self._places[door.lock_board].relays()[door.channel - 1]

    def _sense(self, sensed: Sensed | None) -> None:
        if sensed is not None:
            self.set_input(sensed.board, sensed.input, sensed.state)

    def _holding_up(self, reader: str, card: Card, code: str) -> Card:
        plan, shown = self.scene.device(reader), replace(card, qr_text=_good_code(code))
        if number_at(plan.kind, plan.options, shown) == number_at(plan.kind, plan.options, card):
            raise RequestError(f"{reader} reads no QR codes")
        return shown

    def _place(self, device: str, role: Role | None = None) -> Place:
        place = self._places.get(device)
        if place is None or (role is not None and self.scene.device(device).role is not role):
            known = [plan.name for plan in self.scene.devices if role in (None, plan.role)]
            raise RequestError(f"no {role or 'device'} {device!r}; there are {', '.join(known) or 'none'}")
        return place

    def _is_taken(self, name: str, device: str) -> bool:
        return name in TAKEN_NAMES or (name != device and (name in self._buses or name in self._places))

    def _door(self, name: str) -> DoorPlan:
        if name not in self._doors:
            raise RequestError(f"no door {name!r}; there are {', '.join(self._doors.names) or 'none'}")
        return self._doors.plan(name)

    def _card(self, ref: str) -> Card:
        card = self._cards.get(ref)
        if card is None:
            last = next(reversed(self._cards), None)
            known = f"P0001 to {last}" if last else "none in this scene"
            raise RequestError(f"no person {ref!r}; there are {known}")
        return card

    def _plug_all(self) -> None:
        self._slots.start()
        self._places |= self._slots.places
        self._lines = make_lines(self.scene, time.monotonic())
        shared = {bus.name for bus in self.scene.buses}
        self._buses |= {line.name: line for line in self._lines if line.name in shared}
        for line in self._lines:
            for station in line.stations:
                self._places[station.name] = LinePlace(self._hands, line, station)
        for line in self._lines:
            try:
                self._hub.plug_in(line, self._sockets.port(line.name))
            except OSError as error:
                raise SceneError(f"{line.name} cannot be plugged in: {error}") from error

    def _unplug_all(self) -> None:
        for line in self._lines:
            if line.port is not None:
                self._hub.unplug(line)
        self._slots.stop()


def _described(door: DoorPlan) -> dict[str, Any]:
    """Its wiring, without who comes here and where its gateway keeps what."""
    said = asdict(door)
    return {key: value for key, value in said.items() if key not in {"used_by", "journal"}}


def _good_code(text: str) -> str:
    """Raises RequestError."""
    if not (text.isascii() and text.isprintable()):
        raise RequestError("a QR code's text is of printable ASCII characters")
    return text
