"""Server of the control API: one JSON object per line each way over DIR/control.sock, for the owner alone.

Checks requests and hands them to the simulator. Wrong input is answered, never fatal:
{"ok": false, "error": "..."}.
"""

import contextlib
import json
import logging
import math
import os
import socket
import stat
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firmware_sim.control import (
    MAX_CODE,
    MAX_EVENTS,
    MAX_REQUEST,
    MAX_SWIPE_S,
    MAX_WAIT_S,
    SOCKET_NAME,
    socket_path,
)
from firmware_sim.device import POWER_INPUT
from firmware_sim.errors import RequestError, SceneError, SimulatorError

if TYPE_CHECKING:
    from firmware_sim.simulator import Simulator

MAX_CONNECTIONS = 64
_MODE = stat.S_IRUSR | stat.S_IWUSR
_MAX_NAME = 100  # characters of a name or a reference
_MAX_NUMBER = 2**53
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a request. `longest`: characters of a text."""

    kind: type
    required: bool = True
    low: float = 0
    high: float = _MAX_NUMBER
    longest: int = _MAX_NAME


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing to ask for. `more_keys`: whatever else comes is handed on as fault parameters."""

    run: Callable[["Simulator", dict[str, Any]], Mapping[str, Any] | None]
    keys: Mapping[str, Key]
    more_keys: bool = False


_NAME = Key(str)
_MAYBE_NAME = Key(str, required=False)

VERBS: Mapping[str, Verb] = {
    "present": Verb(lambda sim, keys: sim.present(**keys), {"reader": _NAME, "card": _NAME}),
    "remove": Verb(lambda sim, keys: sim.remove(**keys), {"reader": _NAME}),
    "swipe": Verb(
        lambda sim, keys: asdict(sim.swipe(**keys)),
        {
            "reader": _NAME,
            "card": _NAME,
            "patience_s": Key(float, required=False, high=MAX_SWIPE_S),
            "hold_s": Key(float, required=False, high=MAX_SWIPE_S),
            "keys": Key(str, required=False),
            "pin": Key(bool, required=False),
            "enter_s": Key(float, required=False, high=MAX_SWIPE_S),
            "code": Key(str, required=False, longest=MAX_CODE),
        },
    ),
    "press": Verb(lambda sim, keys: sim.press(**keys), {"reader": _NAME, "keys": Key(str)}),
    "input": Verb(
        lambda sim, keys: sim.set_input(**keys),
        {"device": _NAME, "number": Key(int, low=POWER_INPUT), "state": _NAME},
    ),
    "door": Verb(
        lambda sim, keys: sim.swing_door(**keys),
        {"door": _NAME, "is_open": Key(bool), "force": Key(bool, required=False)},
    ),
    "rex": Verb(
        lambda sim, keys: sim.press_rex(**keys),
        {"door": _NAME, "hold_s": Key(float, required=False, high=MAX_SWIPE_S)},
    ),
    "fault": Verb(
        lambda sim, keys: sim.fault(**keys),
        {"device": _NAME, "fault": _NAME, "count": Key(int, required=False)},
        more_keys=True,
    ),
    "clear": Verb(
        lambda sim, keys: {"cleared": list(sim.clear(**keys))}, {"device": _MAYBE_NAME, "fault": _MAYBE_NAME}
    ),
    "unplug": Verb(lambda sim, keys: sim.unplug(**keys), {"device": _NAME}),
    "replug": Verb(lambda sim, keys: {"address": sim.replug(**keys)}, {"device": _NAME, "name": _MAYBE_NAME}),
    "power_cycle": Verb(lambda sim, keys: sim.power_cycle(**keys), {"device": _NAME}),
    "status": Verb(lambda sim, _keys: sim.status(), {}),
    "settings": Verb(lambda sim, _keys: _settings(sim), {}),
    "people": Verb(lambda sim, _keys: {"people": sim.people()}, {}),
    "events": Verb(
        lambda sim, keys: {"events": [event.as_json() for event in _events(sim, **keys)]},
        {
            "after": Key(int, required=False),
            "limit": Key(int, required=False, high=MAX_EVENTS),
            "wait": Key(float, required=False, high=MAX_WAIT_S),
        },
    ),
    "community": Verb(lambda sim, keys: sim.set_community_rate(keys["rate"]), {"rate": Key(float)}),
}


def _events(sim: "Simulator", after: int = 0, limit: int = MAX_EVENTS, wait: float = 0.0) -> list[Any]:
    return sim.events(after, limit, wait)


def _settings(sim: "Simulator") -> dict[str, Any]:
    blocks = [{"table": f"{plan.role}s", "settings": sim.settings(plan.name)} for plan in sim.scene.devices]
    return {"settings": blocks, "environment": dict(sim.environment)}


def answer(simulator: "Simulator", line: bytes) -> dict[str, Any]:
    """Do what one request line says."""
    try:
        verb, keys = read_request(line)
        return {"ok": True, **(verb.run(simulator, keys) or {})}
    except SimulatorError as error:
        return {"ok": False, "error": str(error)}


def read_request(line: bytes) -> tuple[Verb, dict[str, Any]]:
    """A checked request. RequestError says what does not fit."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise RequestError("expects one JSON object per line") from None
    if not isinstance(request, dict):
        raise RequestError("expects one JSON object per line")
    do = request.pop("do", None)
    verb = VERBS.get(do) if isinstance(do, str) else None
    if verb is None:
        raise RequestError(f"key do: one of {', '.join(VERBS)}")
    return verb, _checked(verb, request)


def _checked(verb: Verb, request: dict[str, Any]) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    for name, key in verb.keys.items():
        if name in request:
            checked[name] = _value(name, key, request.pop(name))
        elif key.required:
            raise RequestError(f"key {name} is missing")
    if request and not verb.more_keys:
        raise RequestError(f"key {next(iter(request))[:_MAX_NAME]} is not known here")
    return checked | request


def _value(name: str, key: Key, value: object) -> object:
    if key.kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(min(max(value, -_MAX_NUMBER), _MAX_NUMBER))
    if not isinstance(value, key.kind) or (isinstance(value, bool) and key.kind is not bool):
        raise RequestError(f"key {name}: expects {key.kind.__name__}")
    if isinstance(value, str) and not 0 < len(value) <= key.longest:
        raise RequestError(f"key {name}: 1 to {key.longest} characters")
    if isinstance(value, int | float) and not (math.isfinite(value) and key.low <= value <= key.high):
        raise RequestError(f"key {name}: {key.low:g} to {key.high:g}")
    return value


class ControlServer:
    """Accepts on one thread, answers each connection on its own."""

    def __init__(self, simulator: "Simulator", directory: Path) -> None:
        self._simulator = simulator
        self._directory = directory
        self._listener = socket.socket(socket.AF_UNIX)
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._stopping = False
        self._bound = False
        self._thread = threading.Thread(target=self._accept, name="simulator-control", daemon=True)

    def open(self) -> None:
        """Take the socket's place in the directory. SceneError: another simulator serves it."""
        try:
            with socket_path(self._directory) as path:
                self._make_room(path)
                # Private from its first moment: the file is born with the mode of the unbound socket.
                os.fchmod(self._listener.fileno(), _MODE)
                self._listener.bind(path)
                self._bound = True
            (self._directory / SOCKET_NAME).chmod(_MODE)
            self._listener.listen(MAX_CONNECTIONS)
        except OSError as error:
            self._listener.close()
            raise SceneError(f"directory {self._directory} cannot hold {SOCKET_NAME}: {error}") from error

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Closes every connection and waits for their threads."""
        self._stopping = True
        with contextlib.suppress(OSError):  # wakes the accepting thread
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        with self._lock:
            threads = dict(self._open)
        for connection, thread in threads.items():
            with contextlib.suppress(OSError):  # it may have gone by itself
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()
        self.close()

    def close(self) -> None:
        """Give up the socket's place, if it was taken."""
        self._listener.close()
        if self._bound:
            (self._directory / SOCKET_NAME).unlink(missing_ok=True)

    def _make_room(self, path: str) -> None:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(path)
            except FileNotFoundError:
                return
            except ConnectionRefusedError:
                (self._directory / SOCKET_NAME).unlink()  # left by one that was killed
                return
        raise SceneError(f"another simulator serves {self._directory}: stop it, or take another directory")

    def _accept(self) -> None:
        while not self._stopping:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if not self._stopping:
                    _log.error("the simulator takes no more control connections: %s", error)
                return
            with self._lock:
                full = len(self._open) >= MAX_CONNECTIONS
                if not full and not self._stopping:
                    thread = threading.Thread(
                        target=self._serve,
                        args=(connection,),
                        name="simulator-control-connection",
                        daemon=True,
                    )
                    self._open[connection] = thread
                    thread.start()
                    continue
            connection.close()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as lines:
                while line := lines.readline(MAX_REQUEST + 1):
                    if len(line) > MAX_REQUEST:
                        _send(
                            connection, {"ok": False, "error": f"a request has at most {MAX_REQUEST} bytes"}
                        )
                        return  # the rest of the line cannot be told from the next request
                    _send(connection, answer(self._simulator, line))
        except OSError:
            return  # the client has gone
        except Exception:  # noqa: BLE001 - outermost frame: this connection ends, and the log says why
            _log.exception("a control connection ended by a fault of the simulator")
        finally:
            with self._lock:
                self._open.pop(connection, None)


def _send(connection: socket.socket, reply: Mapping[str, Any]) -> None:
    connection.sendall(json.dumps(reply).encode() + b"\n")
