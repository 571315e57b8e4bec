"""What hands do to the devices: lay cards, press keys, pull plugs. All of it on the thread of the lines."""

import time
from collections.abc import Mapping
from typing import Any

from firmware_sim.assembly import Sockets
from firmware_sim.cards import Card
from firmware_sim.device import CardReader, Describing, InputDevice, KeyPad, RelayBoard, Tunable
from firmware_sim.errors import RequestError, SceneError
from firmware_sim.events import EventLog
from firmware_sim.fault_table import RATES
from firmware_sim.line import Line, LineHub, Station


class Hands:
    """Every method belongs on the thread of the lines: hand it to `LineHub.call`."""

    def __init__(self, hub: LineHub, events: EventLog, sockets: Sockets) -> None:
        self._hub = hub
        self._events = events
        self._sockets = sockets

    def present(self, line: Line, station: Station, card: Card) -> None:
        reader = _reader(station)
        if reader.card is not None:
            raise RequestError(f"{reader.card.ref} lies on {station.name}; remove it first")
        reader.present(card, time.monotonic())
        self._hub.refresh(line)

    def remove(self, line: Line, station: Station) -> bool:
        reader = _reader(station)
        if reader.card is None:
            return False
        reader.remove(time.monotonic())
        self._hub.refresh(line)
        return True

    def press(self, line: Line, station: Station, keys: str) -> None:
        if not isinstance(station.device, KeyPad):
            raise RequestError(f"{station.name} has no keys")
        if not keys or set(keys) - set("0123456789*#"):
            raise RequestError("keys are 0 to 9, * and #")
        try:
            station.device.press(keys, time.monotonic())
        except ValueError as error:
            raise RequestError(f"{station.name}: {error}") from None
        self._hub.refresh(line)

    def set_input(self, line: Line, station: Station, number: int, state: str) -> None:
        if not isinstance(station.device, InputDevice):
            raise RequestError(f"{station.name} has no inputs")
        try:
            station.device.set_input(number, state, time.monotonic())
        except ValueError as error:
            raise RequestError(f"{station.name}: {error}") from None
        self._events.append(station.name, "input", channel=number, detail=state)
        self._hub.refresh(line)

    def switch_on(
        self, line: Line, station: Station, fault: str, given: Mapping[str, object], count: int | None
    ) -> None:
        station.faults.switch_on(fault, given, count=count)
        self._events.append(station.name, "fault", detail=fault)
        self._hub.refresh(line)

    def clear(self, line: Line, station: Station, fault: str | None) -> tuple[str, ...]:
        names = station.faults.clear(fault)
        for name in names:
            self._events.append(station.name, "fault_over", detail=name)
        self._hub.refresh(line)
        return names

    def unplug(self, line: Line) -> None:
        if line.port is None:
            raise RequestError(f"{line.name} is unplugged already")
        self._hub.unplug(line)
        self._lose_power(line)
        self._events.append(line.name, "unplugged")
        self._hub.refresh(line)

    def replug(self, line: Line, name: str) -> str:
        if line.port is not None:
            raise RequestError(f"{line.name} is plugged in already")
        try:
            port = self._sockets.port(line.name, name)
        except (OSError, SceneError) as error:
            raise RequestError(f"{line.name} cannot be plugged in: {error}") from error
        self._lose_power(line)
        self._hub.plug_in(line, port)
        self._hub.refresh(line)
        self._events.append(line.name, "replugged", detail=port.address)
        return port.address

    def detach(self, line: Line, station: Station) -> None:
        """Cut one device off the line that it shares; the others stay."""
        if not station.attached:
            raise RequestError(f"{station.name} is unplugged already")
        station.attached = False
        station.wire.drop()
        station.device.power_cycle(time.monotonic())
        self._events.append(station.name, "unplugged")
        self._hub.refresh(line)

    def attach(self, line: Line, station: Station) -> None:
        if station.attached:
            raise RequestError(f"{station.name} is plugged in already")
        station.attached = True
        station.device.power_cycle(time.monotonic())
        self._events.append(station.name, "replugged")
        self._hub.refresh(line)

    def power_cycle(self, line: Line, station: Station) -> None:
        station.wire.drop()
        station.faults.clear("wedged")
        station.device.power_cycle(time.monotonic())
        self._events.append(station.name, "power_cycled")
        self._hub.refresh(line)

    def leave_at(self, line: Line, station: Station, rate: int | None) -> None:
        device = station.device
        assert isinstance(device, Tunable), "the table of faults offers this for devices with a rate alone"
        rate = rate or next(each for each in reversed(RATES) if each != device.rate)
        device.leave_at(rate)
        self._events.append(station.name, "fault", detail=f"wrong_rate {rate}")
        self._hub.refresh(line)

    def describe(self, line: Line, station: Station) -> dict[str, Any]:
        """What goes into `status`; references of cards only."""
        device = station.device
        about: dict[str, Any] = {
            "kind": station.kind,
            "plugged": line.port is not None and station.attached,
            "address": None if line.port is None else line.port.address,
            "rate": device.rate,
            "faults": station.faults.describe(),
            "lost_bytes": line.lost_bytes + station.wire.overrun,
        }
        if isinstance(device, Describing):
            about |= device.describe(time.monotonic())
        if isinstance(device, CardReader):
            about["card"] = None if device.card is None else device.card.ref
        if isinstance(device, RelayBoard):
            about["relays"] = list(device.relays)
        return about

    def _lose_power(self, line: Line) -> None:
        for station in line.stations:
            station.faults.clear("wedged")
            station.device.power_cycle(time.monotonic())


def _reader(station: Station) -> CardReader:
    if not isinstance(station.device, CardReader):
        raise RequestError(f"{station.name} takes no cards")
    return station.device
