"""The thread that attends to one PC/SC reader. It alone talks to the service, and may be held there for ever:

a wedged card never gives SCardTransmit back. So nobody waits for it: it tells what it sees in a queue, and
until when it will have come back (`due_s`).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import closing, suppress
from dataclasses import dataclass
from queue import SimpleQueue

from drivers.apdu_codec import light_and_sound
from drivers.base import Indication
from drivers.errors import DeviceUnavailable
from drivers.pcsc_card import Finding, Missed, identify
from drivers.pcsc_service import MUTE, SERVICE, UNPLUGGED, CardFault, ReaderHeld, Service, View

CALL_S = 3.0  # no call of the service takes longer, beside the time it was given to wait
RETRY_S = 0.5
SLICE_S = 0.25  # of a wait for the card: bounds how soon a stop is heard
QUICK_SLICE_S = 0.04  # while an indication may come
SHOWS_SOON_S = 3.0
STALE_S = 2.0  # an indication is of no use to anybody later
ATTEMPTS = 3
AGAIN_S = 0.5  # a card that lies there unread is tried again so often
_QUIET_S = 0.02  # pause after a change that concerns others, who may make many


@dataclass(frozen=True, slots=True)
class Attached:
    reader: str


@dataclass(frozen=True, slots=True)
class Lost:
    cause: str
    gone: bool


@dataclass(frozen=True, slots=True)
class Held:
    cause: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A card was attended to; `at_ns` is when its last byte had come."""

    finding: Finding
    at_ns: int


@dataclass(frozen=True, slots=True)
class Gone:
    """No card lies there."""


Report = Attached | Lost | Held | Seen | Gone


class Attendant:
    """`wanted`: name of the reader or a part of it. `feedback`: auto, acr122 or none."""

    def __init__(
        self,
        wanted: str,
        feedback: str,
        reports: SimpleQueue[Report | None],
        signals: deque[tuple[Indication, float]],
        stopped: threading.Event,
    ) -> None:
        self._wanted = wanted
        self._feedback = feedback
        self._reports = reports
        self._signals = signals
        self._stopped = stopped
        self.due_s = time.monotonic() + CALL_S
        self.attached: str | None = None  # the reader's whole name
        self.reads = False  # a card is being asked
        self._lies = False
        self._events = 0
        self._unread_view: View | None = None  # of a card that is to be tried again
        self._again_s = 0.0
        self._doubted = False  # the card "left" without having been seen to go (`Service.look_again`)
        self._quick_until_s = 0.0

    def run(self) -> None:
        """Until stopped. Raises ConfigurationError: pyscard is missing."""
        while not self._stopped.is_set():
            self._allow(0)
            try:
                with closing(Service()) as service:
                    self._attend_reader(service, self._find(service))
            except DeviceUnavailable as error:
                self._lose(error.cause, gone=error.gone)
            self._allow(RETRY_S)
            self._stopped.wait(RETRY_S)

    def _find(self, service: Service) -> str:
        """The reader's whole name, once it is there; empty when stopped."""
        while not self._stopped.is_set():
            self._allow(SLICE_S)
            names = service.readers()
            fitting = [name for name in names if name == self._wanted] or [
                name for name in names if self._wanted in name
            ]
            if len(fitting) == 1:
                return fitting[0]
            self._lose(_no_reader(len(fitting)), gone=not fitting)
            service.await_reader(len(names), SLICE_S)
            self._stopped.wait(_QUIET_S)
        return ""

    def _attend_reader(self, service: Service, reader: str) -> None:
        known, self._lies, self._unread_view, self._doubted = 0, False, None, False
        has_lights = self._feedback == "acr122" or (self._feedback == "auto" and "ACR122" in reader.upper())
        while not self._stopped.is_set():
            wait_s = QUICK_SLICE_S if has_lights and time.monotonic() < self._quick_until_s else SLICE_S
            self._allow(wait_s)
            view = service.watch(reader, known, wait_s)
            if view is not None:
                if view.is_gone:
                    raise DeviceUnavailable(SERVICE, UNPLUGGED, gone=True)
                self._note(service, reader, view)
                known = view.known
            if self._unread_view is not None and time.monotonic() >= self._again_s:
                self._read(service, reader, self._unread_view)
            if self._doubted and time.monotonic() >= self._again_s:
                self._again_s = time.monotonic() + AGAIN_S
                self._allow(0)
                service.look_again(reader)
            self._show(service, reader, has_lights=has_lights)

    def _note(self, service: Service, reader: str, view: View) -> None:
        is_first = self.attached is None
        if is_first:
            self.attached = reader
            self._reports.put(Attached(reader))
        came_and_went = view.events != self._events
        self._events = view.events
        self._doubted = not view.is_present and not came_and_went and (self._lies or self._doubted)
        if not view.is_present or (self._lies and came_and_went):
            if self._lies or is_first:
                self._reports.put(Gone())
            self._lies, self._unread_view = False, None
        if view.is_present and not self._lies:
            self._lies = True
            self._quick_until_s = time.monotonic() + SHOWS_SOON_S
            self._read(service, reader, view)
        elif not came_and_went:
            self._stopped.wait(_QUIET_S)

    def _read(self, service: Service, reader: str, view: View) -> None:
        """One Seen or Held comes of it; the card is tried again later if it was not read."""
        self._unread_view = view
        self._again_s = time.monotonic() + AGAIN_S
        self.reads = True
        try:
            finding = self._identify(service, reader, view)
        except ReaderHeld as error:
            self._reports.put(Held(str(error)))
            return
        finally:
            self.reads = False
        self._reports.put(Seen(finding, time.monotonic_ns()))
        if not isinstance(finding, Missed):
            self._unread_view = None

    def _identify(self, service: Service, reader: str, view: View) -> Finding:
        finding: Finding = Missed(MUTE)
        for _ in range(ATTEMPTS):
            self._allow(0)
            try:
                with service.card(reader) as card:
                    finding = identify(view.atr, card.transmit)
                    card.power_off = isinstance(finding, Missed)
            except CardFault as error:
                finding = Missed(str(error))
            if not isinstance(finding, Missed) or self._stopped.is_set():
                break
        return finding

    def _show(self, service: Service, reader: str, *, has_lights: bool) -> None:
        while self._signals:
            with suppress(IndexError):  # the newest one pushes an older one out
                signal, given_s = self._signals.popleft()
                if has_lights and time.monotonic() - given_s < STALE_S:
                    self._light(service, reader, light_and_sound(signal))

    def _light(self, service: Service, reader: str, command: bytes) -> None:
        """With a card by way of it; without one the reader's driver must take control commands."""
        self._allow(0)
        if self._lies:
            with suppress(CardFault, ReaderHeld), service.card(reader) as card:
                card.transmit(command)
                return
        service.control(reader, command)

    def _lose(self, cause: str, *, gone: bool) -> None:
        self.attached = None
        self._reports.put(Lost(cause, gone))

    def _allow(self, seconds: float) -> None:
        """The next call may wait so long."""
        self.due_s = time.monotonic() + seconds + CALL_S


def _no_reader(fitting: int) -> str:
    if fitting:
        return "several PC/SC readers fit the setting reader: write the whole name there"
    return "no such PC/SC reader: is it plugged in, and its name as pcsc_scan -r shows it?"
