"""Keeps a promise for the lock drivers: if this process dies, each lock goes to its declared safe state.

One small child process holds a duplicate of each lock board's port, and what must be written there. It acts
when our end of a pair of sockets closes, which the kernel does for us however we die. It cannot help against
what kills both processes at once, or the machine.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import errno
import itertools
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from drivers.errors import DeviceUnavailable

log = logging.getLogger(__name__)

_CHILD = Path(__file__).with_name("lock_guard_child.py")
ANSWER_LIMIT_S = 1.0  # the child does nothing but wait for us; later than this it is stuck
ACT_LIMIT_S = 10.0  # orders carried out on our behalf take their pauses
_RESTART_S = (0.0, 1.0, 5.0, 30.0)  # pauses before starting another child, by how often it died lately
_HEALTHY_S = 60.0  # a child that lived so long has died for the first time
MESSAGE_LIMIT = 1 << 17  # what the child reads at once: orders for over a thousand relays at one port
_ANSWER_SIZE = 4096


@dataclass(frozen=True, slots=True)
class Order:
    """Bytes to write to a port, or with `ioctl` the argument of that call, after a pause."""

    pause_s: float
    data: bytes
    ioctl: int | None = None

    def as_json(self) -> list[float | int | str]:
        middle = [] if self.ioctl is None else [self.ioctl]
        return [self.pause_s, *middle, self.data.hex()]


@dataclass(frozen=True, slots=True)
class _Kept:
    descriptor: int
    orders: Sequence[Order]


class Guarded:
    """A port under guard, inside its `protecting` block."""

    def __init__(self, guard: LockGuard, key: int) -> None:
        self._guard = guard
        self._key = key

    def update(self, orders: Sequence[Order]) -> None:
        """From now on these are carried out; at no moment there are none."""
        self._guard.update(self._key, orders)


class LockGuard:
    """The child process and what it was given. One for a process is enough: `shared_guard`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards all below; held for one message at most
        self._keys = itertools.count(1)
        self._kept: dict[int, _Kept] = {}
        self._waiting: dict[int, threading.Event] = {}
        self._socket: socket.socket | None = None
        self._pid: int | None = None
        self._listener: threading.Thread | None = None
        self._deaths = 0
        self._started_s = 0.0
        self._ended = threading.Event()

    @property
    def pid(self) -> int | None:
        """The child's, while there is one."""
        return self._pid

    def start(self) -> None:
        """Starts the child unless it runs. A machine that cannot start it is told in the log, not refused."""
        with self._lock:
            if self._socket is None and not self._ended.is_set():
                self._start()

    @contextlib.contextmanager
    def protecting(self, descriptor: int, orders: Sequence[Order]) -> Iterator[Guarded]:
        """While the block runs, `orders` are carried out at `descriptor` should this process die.

        Also when the block ends by an error that is no loss of the device: then nobody else will. The
        descriptor must stay open until the block has ended; afterwards no duplicate of it is left.
        """
        self.start()
        key = next(self._keys)
        self._keep(key, descriptor, orders)
        try:
            yield Guarded(self, key)
        except DeviceUnavailable:
            self._let_go(key, "drop", ANSWER_LIMIT_S)
            raise
        except BaseException:
            self._let_go(key, "act", ACT_LIMIT_S)
            raise
        self._let_go(key, "drop", ANSWER_LIMIT_S)

    def close(self) -> None:
        """Ends the child, which acts for whoever is still protected."""
        self._ended.set()
        with self._lock:
            if self._socket is not None:
                # the listening thread sees the end and reaps; it must not find a number that is another's
                self._socket.shutdown(socket.SHUT_RDWR)
            listener = self._listener
        if listener is not None:
            listener.join(ANSWER_LIMIT_S)

    def forget(self) -> None:
        """In a forked child: our end must not be held open by anybody but us."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    # --- under the lock ------------------------------------------------------------------------------------

    def _start(self) -> None:
        ours, childs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with childs:
            try:
                self._pid = self._spawn(childs)
            except OSError as error:
                ours.close()
                log.error("locks are not guarded: no guard process: %s", error.strerror)
                return
        self._socket = ours
        for key in self._kept:
            self._send_kept(key)
        self._started_s = time.monotonic()
        self._listener = threading.Thread(
            target=self._listen, args=(ours, self._pid), name="lock guard", daemon=True
        )
        self._listener.start()

    @staticmethod
    def _spawn(childs: socket.socket) -> int:
        quiet = os.open(os.devnull, os.O_WRONLY)
        try:
            return os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", str(_CHILD)],
                {},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, childs.fileno(), 0),
                    (os.POSIX_SPAWN_DUP2, quiet, 1),
                ],
                setsid=True,  # a signal to our group, from a terminal or a supervisor, is not for the child
            )
        finally:
            os.close(quiet)

    def _send_kept(self, key: int) -> None:
        kept = self._kept[key]
        rights = array.array("i", [kept.descriptor])
        message = {"keep": key, "orders": [order.as_json() for order in kept.orders]}
        self._send(message, [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])

    def _send(self, message: object, rights: Sequence[tuple[int, int, array.array[int]]] = ()) -> None:
        if self._socket is None:
            return
        data = json.dumps(message).encode()
        assert len(data) <= MESSAGE_LIMIT, "the child reads no more: fewer orders for one port"
        try:
            self._socket.sendmsg([data], rights)
        except OSError as error:  # the child is gone; the listening thread starts another, which is told all
            log.debug("lock guard: %s", errno.errorcode.get(error.errno or 0, "no number"))

    # --- callers -------------------------------------------------------------------------------------------

    def update(self, key: int, orders: Sequence[Order]) -> None:
        """See Guarded."""
        self._keep(key, self._kept[key].descriptor, orders)

    def _keep(self, key: int, descriptor: int, orders: Sequence[Order]) -> None:
        with self._lock:
            self._kept[key] = _Kept(descriptor, tuple(orders))
            answered = self._waiting[key] = threading.Event()
            self._send_kept(key)
            alive = self._socket is not None
        if alive and not answered.wait(ANSWER_LIMIT_S):
            self._end_stuck_child()

    def _let_go(self, key: int, word: str, limit_s: float) -> None:
        with self._lock:
            del self._kept[key]
            answered = self._waiting[key] = threading.Event()
            self._send({word: key})
            alive = self._socket is not None
        if alive and not answered.wait(limit_s):
            self._end_stuck_child()
        with self._lock:
            self._waiting.pop(key, None)

    def _end_stuck_child(self) -> None:
        """A duplicate left open would keep the port busy: without its process there is none."""
        with self._lock:
            if self._pid is not None:
                log.warning("the lock guard did not answer; it is started again")
                os.kill(self._pid, signal.SIGKILL)

    # --- the listening thread ------------------------------------------------------------------------------

    def _listen(self, ours: socket.socket, pid: int) -> None:
        with contextlib.suppress(OSError):
            while data := ours.recv(_ANSWER_SIZE):
                self._answered(int(json.loads(data)["done"]))
        with self._lock:
            ours.close()
            self._socket = None
            os.waitpid(pid, 0)  # it ends by itself when its end is closed; its orders take seconds at most
            self._pid = None
            for waiting in self._waiting.values():
                waiting.set()  # nothing is held by a process that is gone
        if not self._ended.is_set():
            self._start_again()

    def _answered(self, key: int) -> None:
        with self._lock:
            if waiting := self._waiting.pop(key, None):
                waiting.set()

    def _start_again(self) -> None:
        if time.monotonic() - self._started_s > _HEALTHY_S:
            self._deaths = 0
        pause_s = _RESTART_S[min(self._deaths, len(_RESTART_S) - 1)]
        self._deaths += 1
        log.warning("the lock guard ended; it is started again")
        if not self._ended.wait(pause_s):
            self.start()


_shared: list[LockGuard] = []
_sharing = threading.Lock()


def shared_guard() -> LockGuard:
    """The one of this process, made at the first call and ended with the process."""
    with _sharing:
        if not _shared:
            guard = LockGuard()
            _shared.append(guard)
            atexit.register(guard.close)
            os.register_at_fork(after_in_child=guard.forget)
        return _shared[0]
