"""libosdp's control panel on a pseudo-terminal, for tests of the simulated OSDP readers."""

import os
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import osdp
from firmware_sim_support import until

from firmware_sim.osdp_packet import Framer

GIVEN_UP_S = 0.4
SECURE = (osdp.LibFlag.EnforceSecure,)


class Cable(osdp.Channel):  # type: ignore[misc]  # the library ships no types
    """A program's end of a pseudo-terminal, as the library wants it."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self.fd)
        settings = termios.tcgetattr(self.fd)
        settings[4] = settings[5] = termios.B115200
        termios.tcsetattr(self.fd, termios.TCSAFLUSH, settings)  # a late reply to whoever was here before

        self.last_asked_s = time.monotonic()
        self.commands: list[int] = []  # codes of what went out
        self.replies: list[int] = []  # and of what came in
        self._sent = Framer()
        self._heard = Framer()

    def read(self, max_bytes: int) -> bytes:
        try:
            data = os.read(self.fd, max_bytes)
        except BlockingIOError:
            return b""
        self.replies += [packet.code for _, packet in self._heard.feed(data)]
        return data

    def write(self, buf: bytes) -> int:
        self.last_asked_s = time.monotonic()
        self.commands += [packet.code for _, packet in self._sent.feed(buf)]
        return os.write(self.fd, buf)

    def flush(self) -> None:
        while self.read(4096):
            continue


class Panel:
    """libosdp's control panel with what it was told so far."""

    def __init__(self, path: str, readers: dict[int, bytes | None], flags: tuple[int, ...]) -> None:
        self.cable = Cable(path)
        self.events: list[tuple[int, dict[str, Any]]] = []
        infos = [
            osdp.PDInfo(address, self.cable, scbk=key, flags=list(flags)) for address, key in readers.items()
        ]
        self.addresses = list(readers)
        self.library = osdp.ControlPanel(
            infos, log_level=osdp.LogLevel.Emergency, event_handler=self._happened
        )

    def _happened(self, reader: int, event: dict[str, Any]) -> int:
        self.events.append((self.addresses[reader], event))
        return 0

    def secured(self, address: int) -> bool:
        return bool(self.library.is_sc_active(address))

    def wait_secured(self, address: int) -> None:
        until(lambda: self.secured(address), f"a secure channel with reader {address}")

    def told(self, address: int, kind: int) -> dict[str, Any]:
        """The next event of that kind from that reader."""
        found = until(
            lambda: next(
                (each for each in self.events if (each[0], each[1]["event"]) == (address, kind)), None
            ),
            f"event {kind} of reader {address}",
        )
        self.events.remove(found)
        return found[1]

    def wait_given_up(self) -> None:
        """Until it asks nothing any more; it polls ten times a second as long as it hopes."""
        until(lambda: time.monotonic() - self.cable.last_asked_s > GIVEN_UP_S, "the end of the asking")

    def order(self, address: int, command: dict[str, Any]) -> None:
        assert self.library.submit_command(address, command)


@contextmanager
def panel(path: str, readers: dict[int, bytes | None], flags: tuple[int, ...] = SECURE) -> Iterator[Panel]:
    end = Panel(path, readers, flags)
    end.library.start()
    try:
        yield end
    finally:
        end.library.teardown()
        os.close(end.cable.fd)
