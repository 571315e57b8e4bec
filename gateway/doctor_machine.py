"""Doctor: the machine under the gateway: versions, the process, the clock."""

from __future__ import annotations

import ctypes
import os
import sqlite3
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.doctor import Finding, Grade, Patient

LEAST_SQLITE = (3, 37, 0)
"""STRICT tables. What else a version must have is the journal's to refuse."""

_PYTHONS = ((3, 11), (3, 14))
_TIMEX_BYTES = 512
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_FAR_OFF_US = 1_000_000  # trust.md R-32: an offset of 1 s at most
_FIRST_YEAR, _LAST_YEAR = 2025, 2099
_FLOCK_FIELDS = 8


@dataclass(frozen=True, slots=True)
class KernelClock:
    """As adjtimex(2) tells: whether something keeps the clock right, and how far off it may be at most."""

    synchronised: bool
    max_error_us: int


def versions() -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    fits = _PYTHONS[0] <= sys.version_info[:2] < _PYTHONS[1]
    remedy = "" if fits else "install one from 3.11 to 3.13"
    yield Finding("python", Grade.OK if fits else Grade.BAD, f"Python {python}", remedy)
    new_enough = sqlite3.sqlite_version_info >= LEAST_SQLITE
    yield Finding(
        "sqlite",
        Grade.OK if new_enough else Grade.BAD,
        f"SQLite {sqlite3.sqlite_version}",
        "" if new_enough else "install a Python with a newer SQLite",
    )


def process(patient: Patient) -> Iterator[Finding]:
    """Whether a gateway runs with these settings, and whether its zone is known here."""
    if patient.pid is None:
        yield Finding(
            "process", Grade.MIND, "no gateway runs with this journal", "systemctl start liuhen-gateway"
        )
    else:
        yield from _of_process(patient.pid)
    try:
        ZoneInfo(patient.settings.gateway.timezone)
    except (ZoneInfoNotFoundError, OSError):
        yield Finding("time zone", Grade.BAD, "its data are not on this machine", "apt install tzdata")


def _of_process(pid: int, proc: Path = Path("/proc")) -> Iterator[Finding]:
    yield Finding("process", Grade.OK, f"the gateway runs as process {pid}")
    if _core_limit(proc / str(pid) / "limits") not in (None, "0"):
        yield Finding(
            "process", Grade.MIND, "it may leave core files when it falls", "say LimitCORE=0 in its unit"
        )


def _core_limit(limits: Path) -> str | None:
    try:
        lines = limits.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((line.split()[4] for line in lines if line.startswith("Max core file size")), None)


def clock(patient: Patient) -> Iterator[Finding]:
    by_host = patient.settings.clock.kept_right_by == "host"
    yield from judge_clock(ask_kernel(), patient.now_us, kept_by_host=by_host)


def judge_clock(now: KernelClock | None, now_us: int, *, kept_by_host: bool = False) -> Iterator[Finding]:
    """Pure. `now` None: the kernel does not tell."""
    at = datetime.fromtimestamp(now_us / 1e6, UTC)
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        yield Finding("clock", Grade.BAD, f"it says {at:%Y-%m-%d}, which cannot be", _SET_IT)
        return
    if now is None:
        yield Finding("clock", Grade.MIND, "the kernel does not tell how good it is", _ALLOW)
    elif not now.synchronised and kept_by_host:
        yield Finding(
            "clock", Grade.MIND, "the host keeps it right, the settings say; the kernel does not know", _HOST
        )
    elif not now.synchronised:
        yield Finding(
            "clock", Grade.MIND, "nothing keeps it right: times in records may be off by anything", _SET_IT
        )
    elif now.max_error_us > _FAR_OFF_US:
        off_s = now.max_error_us / 1e6
        yield Finding("clock", Grade.MIND, f"kept right, but it may be {off_s:.0f} s off", _SET_IT)
    else:
        off_s = now.max_error_us / 1e6
        yield Finding("clock", Grade.OK, f"{at:%Y-%m-%d %H:%M:%S} UTC, at most {off_s:.2f} s off")


_HOST = "compare it with a clock that is right; better, let chrony or systemd-timesyncd keep it here, too"
_SET_IT = "install chrony or systemd-timesyncd, and give it a time server that this machine can reach"
_ALLOW = "allow the gateway adjtimex(2), as the example unit does"


def ask_kernel() -> KernelClock | None:
    """Sets nothing."""
    asked = ctypes.create_string_buffer(_TIMEX_BYTES)
    answer = ctypes.CDLL(None).adjtimex(asked)
    if answer < 0:
        return None
    # struct timex (adjtimex(2)): modes, offset, freq, maxerror, esterror, status; all but the first long
    max_error_us = struct.unpack_from("Illl", asked.raw)[3]
    return KernelClock(answer < _TIME_ERROR, max_error_us)


def running_gateway(journal: Path, proc: Path = Path("/proc")) -> int | None:
    """Who holds the journal's lock, without touching it: a gateway that starts meanwhile must get it."""
    try:
        lock = journal.with_name(journal.name + ".lock").stat()
        lines = (proc / "locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    place = f"{os.major(lock.st_dev):02x}:{os.minor(lock.st_dev):02x}:{lock.st_ino}"
    for fields in (line.split() for line in lines):
        if len(fields) == _FLOCK_FIELDS and fields[1] == "FLOCK" and fields[5] == place:
            pid = int(fields[4])
            return pid if pid > 0 else None
    return None
