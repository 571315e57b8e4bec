"""What the service manager is told: ready, reloading, stopping, a line of status, and that decisions go on.

The protocol of sd_notify(3): one datagram of `KEY=value` lines to the socket that $NOTIFY_SOCKET names. It is
written here because it is these few lines; the packages for it either need the C library of systemd or have
swallowed every error since 2017. Outside a service manager every call does nothing.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

_BEATS_PER_LIMIT = 3
"""sd_watchdog_enabled(3) asks for two at least; with three, one may be lost."""

OFTENEST_S = 1.0
"""The deciding loop may wait as long for something to decide: beats cannot be promised more often."""

_STATUS_CHARS = 200


class ServiceManager:
    """`beat` is the deciding loop's: one that stands still is silent, and is started again (trust.md R-20).

    Never waits and never raises: a service manager that does not listen must not keep a door shut.
    """

    def __init__(
        self,
        address: str | None = None,
        watchdog_s: float | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`address`: a path, or `@name` in the abstract namespace; None: nobody is listening.

        `watchdog_s`: after so many seconds without a beat we are ended; None: nobody looks.
        """
        self._monotonic_s = monotonic_s
        self._socket = None if address is None else _connected(address)
        watched = self._socket is not None and watchdog_s is not None
        self._beat_every_s = (watchdog_s or 0.0) / _BEATS_PER_LIMIT if watched else float("inf")
        self._next_beat_s = 0.0 if watched else float("inf")
        self._silence_logged = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> ServiceManager:
        """As systemd says it to a service: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID."""
        return cls(environ.get("NOTIFY_SOCKET") or None, _watchdog_s(environ))

    @property
    def beat_every_s(self) -> float:
        """Seconds between two beats that are sent; infinite where nobody looks."""
        return self._beat_every_s

    def ready(self, status: str = "") -> None:
        """The start, or a reload, is done."""
        self._send("READY=1", *_status_line(status))

    def reloading(self) -> None:
        """`ready` must follow. The time stamp is for units of the type notify-reload."""
        stamp_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
        self._send("RELOADING=1", f"MONOTONIC_USEC={stamp_us}")

    def stopping(self, status: str = "") -> None:
        self._send("STOPPING=1", *_status_line(status))

    def status(self, text: str) -> None:
        """One line for whoever asks `systemctl status`: no identity, like everything that is logged."""
        self._send(*_status_line(text))

    def beat(self) -> None:
        """Called in each round of the deciding loop: two numbers are compared, and seldom something sent."""
        now_s = self._monotonic_s()
        if now_s >= self._next_beat_s and self._send("WATCHDOG=1"):
            self._next_beat_s = now_s + self._beat_every_s  # one that was not taken is tried next round

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> bool:
        if self._socket is None:
            return False
        try:
            self._socket.send("\n".join(lines).encode())
        except OSError as error:  # nobody reads, or its queue is full
            if not self._silence_logged:
                self._silence_logged = True
                log.warning("the service manager does not take our messages (%s)", error.strerror)
            return False
        self._silence_logged = False
        return True


def _connected(address: str) -> socket.socket | None:
    """A socket that never waits: who reads slowly loses messages, and the deciding loop no time."""
    if address[0] not in "/@":
        log.warning("NOTIFY_SOCKET is of a kind that is not known here; the service manager hears nothing")
        return None
    name = "\0" + address[1:] if address[0] == "@" else address
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    channel.settimeout(0.0)
    try:
        channel.connect(name)
    except OSError as error:
        log.warning("the service manager cannot be reached at NOTIFY_SOCKET (%s)", error.strerror or error)
        channel.close()
        return None
    return channel


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    """None where nobody looks, or where the beats of another process are awaited."""
    limit_us, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not limit_us.isdecimal() or int(limit_us) == 0:
        return None
    if pid and pid != str(os.getpid()):
        return None
    return int(limit_us) / 1e6


def _status_line(text: str) -> tuple[str, ...]:
    line = " ".join(text.split())[:_STATUS_CHARS]
    return (f"STATUS={line}",) if line else ()
