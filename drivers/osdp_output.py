"""Driver of an OSDP device's outputs and inputs: each pulse is ended by the device itself.

It may be a board of its own, or the reader that another driver serves at the same address.
"""

from __future__ import annotations

import math
import threading
import time
from typing import Annotated, Self

from pydantic import Field, model_validator

from drivers.base import POWER_INPUT, TAMPER_INPUT, Emit, InputChanged, InputState
from drivers.errors import DeviceUnavailable
from drivers.health import Health
from drivers.inputs import Inputs, contact_state
from drivers.osdp_bus import Seat, join
from drivers.osdp_panel import output_off_wish, output_wish, require_library
from drivers.osdp_seat import TICK_S, Bulletin, Contacts, Inbox, Item, Local, Online, Outputs
from drivers.osdp_settings import OsdpSettings
from drivers.pulses import Pulses, Relay
from drivers.settings import InputSettings

LONGEST_TENTHS = 255  # what the library's binding passes on; a longer pulse is told again on its way
FAREWELL_S = 2.0  # for the last commands: longer than a device may be silent before its session is begun anew
RENEWED_S = 5.0  # before the device would end it
REPEAT_S = 1.0  # what did not help is told again this often
EARLY_S, LATE_S = 0.2, 1.5  # the device ends a pulse by its own clock, from when the command came to it

_INPUTS = "inputs"
_OUTPUTS = "outputs"


class OsdpOutputSettings(OsdpSettings):
    """Outputs and inputs on an OSDP line."""

    channels: Annotated[int, Field(strict=True, ge=0, le=64)] = 1
    inputs: Annotated[tuple[InputSettings, ...], Field(max_length=64)] = ()

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        numbers = [each.channel for each in self.inputs]
        if len(set(numbers)) < len(numbers):
            raise ValueError("inputs: each channel may stand there once")
        if not self.channels and not numbers:
            raise ValueError("the device has neither outputs nor inputs: set 'channels' or 'inputs'")
        return self

    @property
    def place(self) -> str:
        """A reader may be at the same address: its outputs are another place."""
        return f"{self.on_line} outputs"


class OsdpOutput:
    """A `LockDriver`."""

    def __init__(self, name: str, settings: OsdpOutputSettings) -> None:
        """Raises ConfigurationError if libosdp is missing, or there is no key that may be used."""
        require_library()
        self.name = name
        self._settings = settings
        self._key = settings.make_key()
        self._inbox = Inbox()
        self._stopped = threading.Event()
        self._seat: Seat | None = None
        self._lock = threading.Lock()  # guards the pulses
        self._pulses = Pulses(name, settings.channels)
        self._renew_s: dict[int, float] = {}  # channel -> when it is to be told again
        self._told_ns: dict[int, int] = {}  # channel -> when it was told last
        self._unlike: dict[int, int] = {}  # channels found otherwise than told, and how often

    def run(self, emit: Emit) -> None:
        health = Health("lock board", self.name, emit)
        seat = join(
            self._settings.on_line,
            self._key,
            self._inbox,
            is_reader=False,
            wants_contacts=bool(self._settings.inputs),
            wants_outputs=self._settings.channels > 0,
        )
        self._seat = seat
        reports = _Reports(self.name, self._settings, emit)
        bulletin = Bulletin(health)
        try:
            while not self._stopped.is_set():
                item = self._inbox.take(min(TICK_S, self._wait_s(), reports.wait_s()))
                if item is None:
                    bulletin.tick()
                elif not reports.take(item):
                    bulletin.note(item)
                if isinstance(item, Online):
                    self._begin(item, health)
                elif isinstance(item, Outputs):
                    self._compare(item, health)
                self._renew(seat)
                reports.tick()
                if bulletin.is_online:
                    reports.tell_trouble(health)
        finally:
            self._seat = None
            self._end_pulses(seat)
            seat.leave()

    def release(self, channel: int, pulse_s: float) -> None:
        with self._lock:
            now = time.monotonic()
            self._pulses.check(channel, pulse_s)
            relay = self._pulses.ask(channel, pulse_s, now)
            seat = self._seat
            if seat is None or self._stopped.is_set() or not self._tell(seat, relay, now):
                relay.give_up()
                raise DeviceUnavailable(self._settings.port, f"lock board {self.name} is not there now")
        self._inbox.wake()

    def stop(self) -> None:
        self._stopped.set()
        self._inbox.wake()

    def _end_pulses(self, seat: Seat) -> None:
        """The device would end them itself, but who stops the gateway expects shut doors."""
        with self._lock:
            now = time.monotonic()
            running = [relay.number for relay in self._pulses.relays if relay.wanted(now)]
        until_s = now + FAREWELL_S
        while running and (left_s := until_s - time.monotonic()) > 0:
            fallen = seat.fallen
            told = [seat.wish(output_off_wish(number - 1), urgent=True) for number in running]
            seat.settle(left_s)
            if all(told) and seat.fallen == fallen:
                return
            self._inbox.take(TICK_S / 10)  # the session fell, and its wishes with it: the next one is near

    def _begin(self, online: Online, health: Health) -> None:
        """A device that was away has forgotten: whoever waits for the rest of a pulse gets it."""
        if online.outputs < self._settings.channels:
            health.degraded(
                _OUTPUTS,
                f"the device says that it has {online.outputs} outputs; the setting 'channels' says"
                f" {self._settings.channels}",
            )
        else:
            health.fine(_OUTPUTS)
        with self._lock:
            now = time.monotonic()
            self._renew_s = {
                relay.number: now
                for relay in self._pulses.relays
                if relay.wanted(now) or relay.number in self._unlike
            }

    def _tell(self, seat: Seat, relay: Relay, now: float) -> bool:
        tenths = min(LONGEST_TENTHS, math.ceil(relay.left_s(now) * 10))
        if not seat.wish(output_wish(relay.number - 1, tenths), urgent=True):
            return False
        relay.told(on=True, now=now)
        self._told_ns[relay.number] = time.monotonic_ns()
        self._renew_s.pop(relay.number, None)
        if relay.until_s is not None and relay.until_s > now + tenths / 10:
            self._renew_s[relay.number] = now + tenths / 10 - RENEWED_S
        return True

    def _renew(self, seat: Seat) -> None:
        with self._lock:
            now = time.monotonic()
            for number in [number for number, due_s in self._renew_s.items() if now >= due_s]:
                del self._renew_s[number]
                relay = next(each for each in self._pulses.relays if each.number == number)
                if relay.wanted(now):
                    self._tell(seat, relay, now)
                elif number in self._unlike and seat.wish(output_off_wish(number - 1), urgent=True):
                    relay.told(on=False, now=now)
                    self._told_ns[number] = time.monotonic_ns()

    def _compare(self, report: Outputs, health: Health) -> None:
        """Do the relays do what they were told? Of one that was never told nothing is known."""
        with self._lock:
            for relay, is_on in zip(self._pulses.relays, report.on, strict=False):
                expected = self._expected(relay, report.at_ns)
                if expected is is_on:
                    self._unlike.pop(relay.number, None)
                    health.fine(f"relay {relay.number}")
                elif expected is not None:
                    self._found_unlike(relay, health)

    def _expected(self, relay: Relay, at_ns: int) -> bool | None:
        """Whether it should have been on; None if that cannot be said."""
        at_s = at_ns / 1e9
        told_ns = self._told_ns.get(relay.number)
        if relay.written is None or told_ns is None or at_ns < told_ns:
            return None
        if relay.until_s is None or at_s > relay.until_s + LATE_S:
            return False
        return True if at_s < relay.until_s - EARLY_S else None

    def _found_unlike(self, relay: Relay, health: Health) -> None:
        relay.written = None  # told again: at once, or after a while if that did not help
        times = self._unlike[relay.number] = self._unlike.get(relay.number, 0) + 1
        cause = f"relay {relay.number} does not follow"
        if times == 1:
            health.blip(cause)
        else:
            health.degraded(f"relay {relay.number}", cause)
        due_s = time.monotonic() + (REPEAT_S if times > 1 else 0.0)
        self._renew_s[relay.number] = min(due_s, self._renew_s.get(relay.number, due_s))

    def _wait_s(self) -> float:
        with self._lock:
            return max(0.0, min(self._renew_s.values(), default=math.inf) - time.monotonic())


class _Reports:
    """Inputs, tamper and power, as the device reports them."""

    def __init__(self, name: str, settings: OsdpOutputSettings, emit: Emit) -> None:
        self._name = name
        self._emit = emit
        self._inputs = Inputs(name, settings.inputs)
        self._normal = {each.channel: each.normal for each in settings.inputs}
        self._own: dict[int, InputState] = {}

    def take(self, item: Item) -> bool:
        """Whether it was a report."""
        match item:
            case Contacts():
                for number, closed in enumerate(item.active, start=1):
                    if number in self._normal:
                        state = contact_state(closed=closed, normal=self._normal[number])
                        self._send(self._inputs.see(number, state, item.at_ns))
            case Local():
                self._tell_own(TAMPER_INPUT, active=item.tampered, at_ns=item.at_ns)
                self._tell_own(POWER_INPUT, active=item.power_failed, at_ns=item.at_ns)
            case _:
                return False
        return True

    def tick(self) -> None:
        self._send(self._inputs.tick(time.monotonic_ns()))

    def tell_trouble(self, health: Health) -> None:
        if trouble := self._inputs.trouble(time.monotonic_ns()):
            health.degraded(_INPUTS, trouble)
        else:
            health.fine(_INPUTS)

    def wait_s(self) -> float:
        next_ns = self._inputs.next_ns()
        return math.inf if next_ns is None else max(0.0, (next_ns - time.monotonic_ns()) / 1e9)

    def _tell_own(self, number: int, *, active: bool, at_ns: int) -> None:
        state = InputState.ACTIVE if active else InputState.NORMAL
        if self._own.get(number) is not state:
            self._own[number] = state
            self._emit(InputChanged(self._name, number, state, at_ns))

    def _send(self, changes: list[InputChanged]) -> None:
        for change in changes:
            self._emit(change)
