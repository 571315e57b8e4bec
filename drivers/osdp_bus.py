"""OSDP devices on one RS-485 line: a thread that lets one of them speak at a time, whoever drives them.

Each device has a panel of its own, so that none is disturbed by another's coming, going or silence.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing

from drivers.errors import ConfigurationError, DeviceUnavailable
from drivers.health import BACK_OFF_S
from drivers.osdp_device import POLL_S, RING, Device
from drivers.osdp_keys import ReaderKey
from drivers.osdp_line import Line
from drivers.osdp_panel import require_library
from drivers.osdp_seat import (
    Inbox,
    Wish,
)
from drivers.osdp_settings import Place
from drivers.transport import Transport, open_transport

log = logging.getLogger(__name__)


class Seat:
    """A driver's place at a device: an inbox, and wishes."""

    def __init__(
        self,
        bus: _Bus,
        device: Device,
        inbox: Inbox,
        *,
        is_reader: bool,
        wants_contacts: bool,
        wants_outputs: bool,
    ) -> None:
        self._bus = bus
        self._device = device
        self.inbox = inbox
        self.is_reader = is_reader
        self.wants_contacts = wants_contacts
        self.wants_outputs = wants_outputs

    def wish(self, wish: Wish, *, urgent: bool = False) -> bool:
        """Puts a command in line; False if the device is not there. From any thread, returns at once."""
        accepted = self._device.wish(wish, urgent=urgent)
        if accepted:
            self._bus.wake()
        return accepted

    @property
    def fallen(self) -> int:
        """How many sessions have ended: a wish is gone with its session."""
        return self._device.fallen

    def settle(self, limit_s: float) -> None:
        """Until all wishes were carried out; no longer than `limit_s`, nor for a device that is away."""
        self._device.settle(limit_s)

    def leave(self) -> None:
        """Nothing is put into the inbox from here on; the last to leave closes the port."""
        _leave(self._bus, self._device, self)


class _Bus:
    """The thread of one port."""

    def __init__(self, port: str, rate: int) -> None:
        self._port = port
        self.rate = rate
        self.devices: dict[int, Device] = {}
        self._transport: Transport | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"osdp {port}")

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ending.set()
        self.wake()
        self._thread.join()

    def wake(self) -> None:
        transport = self._transport
        if transport is not None:
            transport.wake()

    def _work(self) -> None:
        attempts = 0
        while not self._ending.is_set():
            opened_s = time.monotonic()
            try:
                with closing(open_transport(self._port, self.rate)) as transport:
                    self._transport = transport
                    self._serve(Line(transport, self.rate))
            except DeviceUnavailable as error:
                self._lose(error)
            except Exception as error:  # the thread's outermost frame: seen, and begun anew
                log.exception("OSDP line %s: begins anew after an error of our own", self._port)
                self._lose(DeviceUnavailable(self._port, f"an error of our own ({type(error).__name__})"))
            self._transport = None
            attempts = 0 if time.monotonic() - opened_s > max(BACK_OFF_S) else attempts
            self._ending.wait(BACK_OFF_S[min(attempts, len(BACK_OFF_S) - 1)])
            attempts += 1

    def _serve(self, line: Line) -> None:
        while not self._ending.is_set():
            devices = list(self.devices.values())
            for device in devices:
                device.step(line, time.monotonic())
                if self._ending.is_set():
                    return
            now = time.monotonic()
            due_s = min((device.due_s(now) for device in devices), default=now + POLL_S)
            line.rest(min(max(0.0, due_s - now), POLL_S))

    def _lose(self, error: DeviceUnavailable) -> None:
        for device in list(self.devices.values()):
            device.line_is_lost(error)


_buses: dict[str, _Bus] = {}
_joining = threading.Lock()


def join(
    place: Place,
    key: ReaderKey,
    inbox: Inbox,
    *,
    is_reader: bool,
    wants_contacts: bool = False,
    wants_outputs: bool = False,
) -> Seat:
    """Takes a place at a device; the first on a port opens it. Raises ConfigurationError."""
    require_library()
    with _joining:
        bus = _buses.get(place.port)
        if bus is not None and bus.rate != place.rate:
            raise ConfigurationError(
                f"rate {place.rate} at {place.port}: others there have {bus.rate}; give all one"
            )
        begins = bus is None
        bus = bus or _Bus(place.port, place.rate)
        device = bus.devices.get(place.address)
        if device is None:
            device = Device(place, key)
        elif device.key.file != key.file:
            raise ConfigurationError(
                f"key_file at {place}: another driver there names another file; give both one"
            )
        if (known := key.known()) is not None:
            RING.claim(known, str(place))
        seat = Seat(
            bus,
            device,
            inbox,
            is_reader=is_reader,
            wants_contacts=wants_contacts,
            wants_outputs=wants_outputs,
        )
        device.seats.append(seat)
        bus.devices[place.address] = device
        if begins:
            _buses[place.port] = bus
            bus.start()
        bus.wake()
        return seat


def _leave(bus: _Bus, device: Device, seat: Seat) -> None:
    with _joining:
        device.seats.remove(seat)
        if device.seats:
            return
        bus.devices.pop(device.place.address)
        if not bus.devices:
            del _buses[device.place.port]
            bus.end()
        device.retire()
