"""Client of a running simulator: one JSON object per line each way over DIR/control.sock.

For tests, benchmarks and the command line. Knows the protocol, not what a device does with it.
"""

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from firmware_sim.errors import RequestError, SimulatorGone

SOCKET_NAME = "control.sock"
MAX_CODE = 512  # characters of a QR code: more than any pass has
MAX_REQUEST = 65_536  # bytes of one request line
MAX_ANSWER = 4_194_304  # bytes of one answer line: 1000 events or all people fit
MAX_SWIPE_S = 600.0  # patience and hold of one swipe, each
MAX_EVENTS = 1000
MAX_WAIT_S = 10.0  # one wait for events; ask again for more

_NO_KEYS: Mapping[str, object] = {}
_ANSWER_TIMEOUT_S = 40.0  # longer than the simulator's own limit for anything but a swipe


@contextlib.contextmanager
def socket_path(directory: Path) -> Iterator[str]:
    """The socket's path by way of an open directory: a path of any length fits into a socket address."""
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{fd}/{SOCKET_NAME}"
    finally:
        os.close(fd)


class Control:
    """A connection to the simulator that serves `directory`. One request at a time; threads take turns.

    Every method raises RequestError when the simulator refuses, SimulatorGone when it does not answer.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            with socket_path(directory) as path:
                self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise SimulatorGone(
                f"no simulator serves {directory}: start one with"
                f" `liuhen-sim serve SCENE.toml --dir {directory}`,"
                " or name its directory with --dir or LIUHEN_SIM_DIR"
            ) from error
        self._answers = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._answers.close()
        self._socket.close()

    def present(self, reader: str, card: str) -> None:
        """Lay a card on a reader."""
        self._ask("present", {"reader": reader, "card": card})

    def remove(self, reader: str) -> None:
        """Take the card away."""
        self._ask("remove", {"reader": reader})

    def swipe(
        self,
        reader: str,
        card: str,
        *,
        patience_s: float | None = None,
        hold_s: float | None = None,
        keys: str | None = None,
        pin: bool = False,
        enter_s: float | None = None,
        code: str | None = None,
    ) -> dict[str, Any]:
        """Lay, type `keys` or the own PIN, wait for the door, take away, go in: as simulator.Swipe."""
        extra_s = (patience_s or 0.0) + (hold_s or 0.0) + (enter_s or 0.0)
        asked = {"reader": reader, "card": card, "patience_s": patience_s, "hold_s": hold_s, "keys": keys}
        asked |= {"enter_s": enter_s, "code": code}
        return self._ask("swipe", asked | ({"pin": True} if pin else {}), extra_s=extra_s)

    def press(self, reader: str, keys: str) -> None:
        """Type keys of 0 to 9, * and #."""
        self._ask("press", {"reader": reader, "keys": keys})

    def set_input(self, device: str, number: int, state: str) -> None:
        """What a contact says from now on; 0 is the device's own tamper contact, -1 its power supply."""
        self._ask("input", {"device": device, "number": number, "state": state})

    def swing_door(self, door: str, *, is_open: bool, force: bool = False) -> None:
        """Open or shut a door; a locked one only by force."""
        self._ask("door", {"door": door, "is_open": is_open, "force": force})

    def press_rex(self, door: str, *, hold_s: float | None = None) -> None:
        """Press a door's exit button and let it go."""
        self._ask("rex", {"door": door, "hold_s": hold_s}, extra_s=hold_s or 0.0)

    def settings(self) -> dict[str, Any]:
        """`settings`: table and settings of each device for a gateway; `environment`: what it needs there."""
        return self._ask("settings")

    def fault(
        self, device: str, fault: str, *, count: int | None = None, **parameters: float | str | None
    ) -> None:
        """Switch a fault on, for `count` uses or until cleared."""
        self._ask("fault", {"device": device, "fault": fault, "count": count, **parameters})

    def clear(self, device: str | None = None, fault: str | None = None) -> list[str]:
        """Switch faults off; gives their names."""
        names: list[str] = self._ask("clear", {"device": device, "fault": fault})["cleared"]
        return names

    def unplug(self, device: str) -> None:
        """Pull the plug."""
        self._ask("unplug", {"device": device})

    def replug(self, device: str, name: str | None = None) -> str:
        """Plug in again, under another name if given; gives the address."""
        return str(self._ask("replug", {"device": device, "name": name})["address"])

    def power_cycle(self, device: str) -> None:
        """Restart the device."""
        self._ask("power_cycle", {"device": device})

    def status(self) -> dict[str, Any]:
        """What everything is doing."""
        return self._ask("status")

    def people(self) -> list[dict[str, Any]]:
        """ref, layout and enrolled of everyone."""
        people: list[dict[str, Any]] = self._ask("people")["people"]
        return people

    def events(self, after: int = 0, limit: int = MAX_EVENTS, wait_s: float = 0.0) -> list[dict[str, Any]]:
        """Events numbered above `after`, as in events.jsonl."""
        answer = self._ask("events", {"after": after, "limit": limit, "wait": wait_s}, extra_s=wait_s)
        events: list[dict[str, Any]] = answer["events"]
        return events

    def set_community_rate(self, per_minute: float) -> None:
        """Swipes per minute in the whole scene; 0 stops new ones."""
        self._ask("community", {"rate": per_minute})

    def _ask(self, do: str, keys: Mapping[str, object] = _NO_KEYS, *, extra_s: float = 0.0) -> dict[str, Any]:
        request = {"do": do} | {key: value for key, value in keys.items() if value is not None}
        with self._lock:
            try:
                self._socket.settimeout(_ANSWER_TIMEOUT_S + extra_s)
                self._socket.sendall(json.dumps(request).encode() + b"\n")
                line = self._answers.readline(MAX_ANSWER)
            except OSError as error:
                raise SimulatorGone(f"the simulator in {self._directory} does not answer: {error}") from error
        if not line.endswith(b"\n"):
            raise SimulatorGone(f"the simulator in {self._directory} has stopped")
        answer: dict[str, Any] = json.loads(line)
        if not answer.pop("ok"):
            raise RequestError(answer["error"])
        return answer
