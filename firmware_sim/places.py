"""What hands can do at one device: lay cards, press keys, pull plugs. Any thread may ask.

`LinePlace` is a device on a line; everything it does runs on the thread of the lines. `slots` has the others.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from firmware_sim.assembly import Sockets
from firmware_sim.cards import Card
from firmware_sim.device import CardReader, Describing, InputDevice, KeyPad, RelayBoard, Tunable
from firmware_sim.errors import CardThere, RequestError, SceneError
from firmware_sim.events import EventLog
from firmware_sim.fault_table import RATES
from firmware_sim.faults import FaultSet
from firmware_sim.line import Line, LineHub, Station


class Place(Protocol):
    """One device. Every method raises RequestError if the device has no such thing, or it cannot be now."""

    kind: str

    def address(self) -> str:
        """What a program opens."""

    def present(self, card: Card) -> None:
        """Lay a card down where none lies."""

    def remove(self) -> bool:
        """Take the card away; False: none lay there."""

    def press(self, keys: str) -> None:
        """Type keys of 0 to 9, * and #."""

    def set_input(self, number: int, state: str) -> None:
        """What a contact says from now on."""

    def relays(self) -> tuple[bool, ...]:
        """Position of each relay, channel 1 first; empty: it has none."""

    def switch_on(self, fault: str, given: Mapping[str, object], count: int | None) -> None:
        """A fault that lasts."""

    def at_once(self, fault: str, parameters: Mapping[str, Any]) -> None:
        """A fault that just happens."""

    def clear(self, fault: str | None) -> tuple[str, ...]:
        """Switch one fault or all off; gives their names."""

    def unplug(self) -> None:
        """Pull the plug."""

    def replug(self, name: str | None) -> str:
        """Plug in again, under another name if given; gives the address."""

    def power_cycle(self) -> None:
        """Restart it."""

    def describe(self) -> dict[str, Any]:
        """What goes into `status`; references of cards only."""


def describe_device(device: object, faults: FaultSet) -> dict[str, Any]:
    """What all devices can say, and more if they have more to say."""
    about: dict[str, Any] = {"faults": faults.describe()}
    if isinstance(device, Describing):
        about |= device.describe(time.monotonic())
    if isinstance(device, CardReader):
        about["card"] = None if device.card is None else device.card.ref
    if isinstance(device, RelayBoard):
        about["relays"] = list(device.relays)
    return about


class LineHands:
    """What is done to a whole line: plugs. On the thread of the lines."""

    def __init__(self, hub: LineHub, events: EventLog, sockets: Sockets) -> None:
        self.hub = hub
        self.events = events
        self._sockets = sockets

    def address(self, line: Line) -> str:
        if line.port is None:
            raise RequestError(f"{line.name} is unplugged; replug it first")
        return line.port.address

    def unplug(self, line: Line) -> None:
        if line.port is None:
            raise RequestError(f"{line.name} is unplugged already")
        self.hub.unplug(line)
        self._lose_power(line)
        self.events.append(line.name, "unplugged")
        self.hub.refresh(line)

    def replug(self, line: Line, name: str) -> str:
        if line.port is not None:
            raise RequestError(f"{line.name} is plugged in already")
        try:
            port = self._sockets.port(line.name, name)
        except (OSError, SceneError) as error:
            raise RequestError(f"{line.name} cannot be plugged in: {error}") from error
        self._lose_power(line)
        self.hub.plug_in(line, port)
        self.hub.refresh(line)
        self.events.append(line.name, "replugged", detail=port.address)
        return port.address

    def _lose_power(self, line: Line) -> None:
        for station in line.stations:
            station.faults.clear("wedged")
            station.device.power_cycle(time.monotonic())


class LinePlace:
    """A device on a line, which it may share."""

    def __init__(self, hands: LineHands, line: Line, station: Station) -> None:
        self.kind = station.kind
        self.line = line
        self._hands = hands
        self._station = station
        self._device = station.device
        self._call = hands.hub.call
        self._append = hands.events.append

    @property
    def _is_shared(self) -> bool:
        return self.line.name != self._station.name

    def address(self) -> str:
        return self._hands.address(self.line)

    def present(self, card: Card) -> None:
        reader = self._reader()

        def lay() -> None:
            if reader.card is not None:
                raise CardThere(f"{reader.card.ref} lies on {self._station.name}; remove it first")
            reader.present(card, time.monotonic())
            self._refresh()

        self._call(lay)

    def remove(self) -> bool:
        reader = self._reader()

        def lift() -> bool:
            if reader.card is None:
                return False
            reader.remove(time.monotonic())
            self._refresh()
            return True

        return self._call(lift)

    def press(self, keys: str) -> None:
        device = self._device
        if not isinstance(device, KeyPad):
            raise RequestError(f"{self._station.name} has no keys")
        if not keys or set(keys) - set("0123456789*#"):
            raise RequestError("keys are 0 to 9, * and #")

        def type_them() -> None:
            device.press(keys, time.monotonic())
            self._refresh()

        self._call_device(type_them)

    def set_input(self, number: int, state: str) -> None:
        device = self._device
        if not isinstance(device, InputDevice):
            raise RequestError(f"{self._station.name} has no inputs")

        def move() -> None:
            device.set_input(number, state, time.monotonic())
            self._append(self._station.name, "input", channel=number, detail=state)
            self._refresh()

        self._call_device(move)

    def relays(self) -> tuple[bool, ...]:
        device = self._device
        return self._call(lambda: device.relays) if isinstance(device, RelayBoard) else ()

    def switch_on(self, fault: str, given: Mapping[str, object], count: int | None) -> None:
        def switch() -> None:
            self._station.faults.switch_on(fault, given, count=count)
            self._append(self._station.name, "fault", detail=fault)
            self._refresh()

        self._call(switch)

    def at_once(self, fault: str, parameters: Mapping[str, Any]) -> None:
        if fault == "unplug":
            self.unplug()
        elif fault == "replug":
            self.replug(None)
        elif fault == "power_dip":
            self.power_cycle()
        else:
            self._call(lambda: self._leave_at(parameters["rate"]))

    def clear(self, fault: str | None) -> tuple[str, ...]:
        def switch() -> tuple[str, ...]:
            names = self._station.faults.clear(fault)
            for name in names:
                self._append(self._station.name, "fault_over", detail=name)
            self._refresh()
            return names

        return self._call(switch)

    def unplug(self) -> None:
        self._call(self._detach if self._is_shared else lambda: self._hands.unplug(self.line))

    def replug(self, name: str | None) -> str:
        if self._is_shared:
            self._call(self._attach)
            return self.address()
        return self._call(lambda: self._hands.replug(self.line, name or self._station.name))

    def power_cycle(self) -> None:
        def restart() -> None:
            self._lose_power()
            self._append(self._station.name, "power_cycled")
            self._refresh()

        self._call(restart)

    def describe(self) -> dict[str, Any]:
        return self._call(self._describe)

    # What follows runs on the thread of the lines.

    def _describe(self) -> dict[str, Any]:
        line, station = self.line, self._station
        about: dict[str, Any] = {
            "kind": station.kind,
            "plugged": line.port is not None and station.attached,
            "address": None if line.port is None else line.port.address,
            "rate": station.device.rate,
            "lost_bytes": line.lost_bytes + station.wire.overrun,
        }
        return about | describe_device(station.device, station.faults)

    def _detach(self) -> None:
        """Cut the device off the line that it shares; the others stay."""
        if not self._station.attached:
            raise RequestError(f"{self._station.name} is unplugged already")
        self._station.attached = False
        self._lose_power()
        self._append(self._station.name, "unplugged")
        self._refresh()

    def _attach(self) -> None:
        if self._station.attached:
            raise RequestError(f"{self._station.name} is plugged in already")
        self._station.attached = True
        self._lose_power()
        self._append(self._station.name, "replugged")
        self._refresh()

    def _lose_power(self) -> None:
        self._station.wire.drop()
        self._station.faults.clear("wedged")
        self._device.power_cycle(time.monotonic())

    def _leave_at(self, rate: int | None) -> None:
        device = self._device
        assert isinstance(device, Tunable), "the table of faults offers this for devices with a rate alone"
        rate = rate or next(each for each in reversed(RATES) if each != self._device.rate)
        device.leave_at(rate)
        self._append(self._station.name, "fault", detail=f"wrong_rate {rate}")
        self._refresh()

    def _refresh(self) -> None:
        self._hands.hub.refresh(self.line)

    def _reader(self) -> CardReader:
        if not isinstance(self._device, CardReader):
            raise RequestError(f"{self._station.name} takes no cards")
        return self._device

    def _call_device(self, do: Callable[[], None]) -> None:
        """As `_call`, for devices that refuse by ValueError."""
        try:
            self._call(do)
        except ValueError as error:
            raise RequestError(f"{self._station.name}: {error}") from None
