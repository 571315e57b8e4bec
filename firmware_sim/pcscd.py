"""The real PC/SC daemon with the virtual driver of vsmartcard, for itself in a mount namespace.

The daemon's socket has one fixed place in the system. Here `folder` is laid over that place for the daemon
alone, so that any number of them run side by side. A program reaches one by PCSCLITE_CSOCK_NAME in its
environment, which libpcsclite reads once per process.
"""

import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from firmware_sim.errors import SceneError, SimulatorError

DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
SLOTS_PER_DRIVER = 2  # the driver keeps its slots in one table: two more take another copy of it
MAX_SLOTS = 8
SOCKET_NAME = "pcscd.comm"
LOG_NAME = "pcscd.log"
READER_NAME = "Virtual PCD"
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 2.0
_MAX_SOCKET_PATH = 107  # sun_path without its closing zero
_PORTS = range(20_000, 32_000, SLOTS_PER_DRIVER)  # below those that the system gives away by itself
_PORT_TRIES = 20
_SYSTEM_PLACE = "/run/pcscd"
_POLL_S = 0.005

# Runs in the new namespace, in `folder`; the daemon dies with the thread that started it.
_SCRIPT = f"""
[ -d {_SYSTEM_PLACE} ] || {{ mount -t tmpfs none /run && mkdir {_SYSTEM_PLACE}; }} || exit 1
mount --bind . {_SYSTEM_PLACE} || exit 1
exec setpriv --pdeathsig KILL pcscd --foreground --config {_SYSTEM_PLACE}/readers "$@"
"""


class PcscdFailed(SimulatorError):
    """The daemon does not start; the end of its log is in the text."""


def missing_packages() -> tuple[str, ...]:
    """Debian packages that a virtual PC/SC reader needs and this machine lacks."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    lacks = {"pcscd": shutil.which("pcscd", path=path) is None, "vsmartcard-vpcd": not DRIVER.exists()}
    return tuple(name for name, lacking in lacks.items() if lacking)


class Pcscd:
    """One daemon with `slots` virtual readers, an odd number rounded up. `with Pcscd(folder, 2) as pcscd:`

    `folder` must have a short path, for the socket in it, and be nobody else's. SceneError: it cannot be
    used. The methods may be called from any thread, one at a time.
    """

    def __init__(self, folder: Path, slots: int, *, name: str = READER_NAME) -> None:
        if not 1 <= slots <= MAX_SLOTS:
            raise SceneError(f"1 to {MAX_SLOTS} virtual PC/SC readers, not {slots}")
        self.folder = folder.resolve()
        self.socket_path = self.folder / SOCKET_NAME
        if len(os.fsencode(self.socket_path)) > _MAX_SOCKET_PATH:
            raise SceneError(f"the path of folder {self.folder} is too long for a socket; take a shorter one")
        self._drivers = -(-slots // SLOTS_PER_DRIVER)
        self._slots = slots
        self._name = name
        self._first_ports: tuple[int, ...] = ()
        self._daemon: _Daemon | None = None
        self._serves = False  # a signal before would end it

    @property
    def environment(self) -> Mapping[str, str]:
        """What a client's environment needs."""
        return {"PCSCLITE_CSOCK_NAME": str(self.socket_path)}

    @property
    def ports(self) -> tuple[int, ...]:
        """TCP port of each slot, known from the first start and the same ever after."""
        pairs = [first + at for first in self._first_ports for at in range(SLOTS_PER_DRIVER)]
        return tuple(pairs[: self._slots])

    @property
    def reader_names(self) -> tuple[str, ...]:
        """What clients see, in the order of the ports, without the reader that rounding up added."""
        names = [f"{self._name} {at + 1} 00 {slot:02X}" for at in range(self._drivers) for slot in (0, 1)]
        return tuple(names[: self._slots])

    @property
    def pid(self) -> int | None:
        """Process id while the daemon runs."""
        daemon = self._daemon
        return daemon.process.pid if daemon is not None and daemon.process.poll() is None else None

    def start(self) -> None:
        """Start the daemon and wait until it serves. PcscdFailed: it does not, or packages are missing."""
        if missing := missing_packages():
            raise PcscdFailed(f"install {' and '.join(missing)} to have virtual PC/SC readers")
        if self.pid is not None:
            raise PcscdFailed("this PC/SC daemon runs already")
        readers = self.folder / "readers"
        try:
            readers.mkdir(parents=True, exist_ok=True)
            for at in range(1, self._drivers):
                shutil.copyfile(DRIVER, self.folder / _copy_name(at))
        except OSError as error:
            raise SceneError(f"folder {self.folder} cannot be used: {error}") from error
        if self._first_ports:
            self._launch(self._first_ports)
        else:
            self._first_ports = self._launch_on_free_ports()

    def kill(self) -> None:
        """SIGKILL, as the kernel's memory killer would: clients and cards lose their connections."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Let the daemon end in order; does nothing if it does not run."""
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Kill it and start it again, on the same ports."""
        self.kill()
        self.start()

    def nudge(self) -> None:
        """Have the daemon look at its slots now, as it does when a USB reader interrupts it.

        The virtual driver cannot: it is asked every 400 ms, and the signal ends that wait. What the signal
        means to the daemon, to look for new readers, is harmless. Does nothing while no daemon serves.
        """
        pid = self.pid
        if pid is not None and self._serves:
            for thread in _sleeping_threads(pid):
                ctypes.CDLL(None).tgkill(pid, thread, signal.SIGUSR1)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch_on_free_ports(self) -> tuple[int, ...]:
        for _ in range(_PORT_TRIES):
            first_ports = tuple(random.sample(_PORTS, self._drivers))
            if not all(_is_free(port) for port in _all_ports(first_ports)):
                continue
            self._launch(first_ports, must_listen=False)
            if self._listens_on(first_ports):
                return first_ports
            self._end(signal.SIGKILL)  # somebody else was quicker
        raise PcscdFailed(f"no free TCP ports for virtual PC/SC readers in {_PORT_TRIES} tries")

    def _launch(self, first_ports: Sequence[int], *, must_listen: bool = True) -> None:
        self._write_readers(first_ports)
        for name in (SOCKET_NAME, "pcscd.pid"):
            (self.folder / name).unlink(missing_ok=True)
        self._daemon = daemon = _Daemon(self.folder)
        end_s = time.monotonic() + START_TIMEOUT_S
        while not _accepts(self.socket_path):
            if daemon.process.poll() is not None or time.monotonic() > end_s:
                self._end(signal.SIGKILL)
                raise PcscdFailed(f"the PC/SC daemon does not start: {self._log_tail()}")
            time.sleep(_POLL_S)
        if must_listen and not self._listens_on(first_ports):
            self._end(signal.SIGKILL)
            raise PcscdFailed(f"ports {min(first_ports)} and following are taken: {self._log_tail()}")
        self._serves = True

    def _write_readers(self, first_ports: Sequence[int]) -> None:
        blocks = [
            f'FRIENDLYNAME "{self._name} {at + 1}"\nDEVICENAME /dev/null:0x{port:04X}\n'
            f"LIBPATH {DRIVER if at == 0 else f'{_SYSTEM_PLACE}/{_copy_name(at)}'}\nCHANNELID 0x{port:04X}\n"
            for at, port in enumerate(first_ports)
        ]
        (self.folder / "readers" / "virtual").write_text("\n".join(blocks), encoding="ascii")

    def _listens_on(self, first_ports: Sequence[int]) -> bool:
        pid = self.pid
        return pid is not None and set(_all_ports(first_ports)) <= _listening_ports(pid)

    def _log_tail(self) -> str:
        text = (self.folder / LOG_NAME).read_text(encoding="utf-8", errors="replace")
        return " | ".join(text.splitlines()[-3:]) or "it said nothing"

    def _end(self, how: signal.Signals) -> None:
        self._serves = False
        daemon, self._daemon = self._daemon, None
        if daemon is not None:
            daemon.end(how)


class _Daemon:
    """The process, and a thread to be its parent: it must die with this program, and not before."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = threading.Event()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="pcscd", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread.join()
            raise PcscdFailed(f"the PC/SC daemon does not start: {self._failure}") from self._failure

    def _run(self) -> None:
        namespace = ["unshare", "-m" if os.geteuid() == 0 else "-Urm"]
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        try:
            options = ["--disable-polkit"] if _has_option("--disable-polkit") else []
            with (self._folder / LOG_NAME).open("ab") as log:
                self.process = subprocess.Popen(
                    [*namespace, "sh", "-c", _SCRIPT, "pcscd", *options],
                    cwd=self._folder,
                    env={**os.environ, "PATH": path},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
        except OSError as error:
            self._failure = error
            return
        finally:
            self._started.set()
        self.process.wait()

    def end(self, how: signal.Signals) -> None:
        self.process.send_signal(how)
        self._thread.join(STOP_TIMEOUT_S)
        if self._thread.is_alive():
            self.process.kill()  # a daemon that waits for a silent card does not hear SIGTERM
            self._thread.join()


def _copy_name(at: int) -> str:
    return f"driver-{at}.so"


def _all_ports(first_ports: Sequence[int]) -> list[int]:
    return [first + at for first in first_ports for at in range(SLOTS_PER_DRIVER)]


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        try:
            trial.bind(("", port))
        except OSError:
            return False
        return True


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as trial:
        try:
            trial.connect(str(path))
        except OSError:
            return False
        return True


def _has_option(option: str) -> bool:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    done = subprocess.run(
        ["pcscd", "--help"], capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
    )
    return option in done.stdout


def _listening_ports(pid: int) -> set[int]:
    """TCP ports on which a process listens. Asking by a connection would be inserting a card."""
    links = [_link(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()]
    inodes = {link.removeprefix("socket:[").rstrip("]") for link in links if link.startswith("socket:[")}
    ports = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text(encoding="ascii").splitlines()[1:] if table.exists() else ():
            columns = line.split()
            local, state, inode = columns[1], columns[3], columns[9]
            if state == "0A" and inode in inodes:
                ports.add(int(local.rpartition(":")[2], 16))
    return ports


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""  # closed since it was listed


def _sleeping_threads(pid: int) -> list[int]:
    """Threads that wait for their next look at a slot; all but the first where the kernel does not say."""
    threads = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            where = (task / "wchan").read_text(encoding="ascii")
            if "nanosleep" in where or (where in ("", "0") and task.name != str(pid)):
                threads.append(int(task.name))
    except OSError:
        return []  # it has just ended
    return threads
