"""The shell of a reader on a port of its own: opens it, keeps it, and takes it up again after a loss."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from typing import Protocol

from drivers.base import Emit, Indication
from drivers.errors import DeviceUnavailable
from drivers.health import Health
from drivers.transport import Transport, open_transport


class Session(Protocol):
    """What one kind of reader does with its port; outlives losses of the line."""

    health: Health
    while_reading: Callable[[], None]
    """To be called when a card's bytes are on their way, and by the protocol not here for a while."""

    @property
    def opening_rate(self) -> int:
        """Bits per second to open the port at."""

    def run(self, transport: Transport) -> None:
        """Sets the device up and reads until stopped. Raises DeviceUnavailable."""

    def interrupted(self) -> None:
        """The port was closed: what had begun will not be completed."""


Begin = Callable[[threading.Event, Emit], Session]
"""The event that says stop, and who is told -> a session."""


def nothing() -> None:
    """Nobody wants to know."""


class SerialReader:
    """A `ReaderDriver` of a device that has nothing to show a signal with."""

    def __init__(self, name: str, port: str, begin: Begin) -> None:
        self.name = name
        self._port = port
        self._begin = begin
        self.while_reading: Callable[[], None] = nothing
        """To be set before `run`; called by its thread while a card is being read, and returns at once."""
        self._stopped = threading.Event()
        self._transport: Transport | None = None

    def run(self, emit: Emit) -> None:
        session = self._begin(self._stopped, emit)
        session.while_reading = self.while_reading
        while not self._stopped.is_set():
            try:
                with closing(open_transport(self._port, session.opening_rate)) as transport:
                    self._transport = transport
                    session.run(transport)
            except DeviceUnavailable as error:
                session.health.lost(error.cause, gone=error.gone)
            session.interrupted()
            if not self._stopped.is_set():
                self._stopped.wait(session.health.retry_in_s())

    def indicate(self, signal: Indication) -> None:
        """Returns at once: there is nothing to show it with."""

    def stop(self) -> None:
        self._stopped.set()
        if self._transport is not None:
            self._transport.wake()
