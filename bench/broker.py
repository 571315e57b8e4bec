"""A broker to run the system with: an installed Mosquitto, or the embedded one where there is none."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import sys
import threading
from pathlib import Path

from bench.processes import Child, ProcessFailed, free_port

_UP_S = 10.0
_WRITTEN_S = 0.2
_PROGRAM_PATHS = "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin"

_MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
"""
"""Everything else as Mosquitto comes: what it drops by default, the system has to bear."""


class Broker:
    """Listens on a free port of the loopback. `protocol` is what clients may speak with it."""

    def __init__(self, folder: Path, log: Path, extra: str = "", *, embedded: bool = False) -> None:
        self._folder = folder
        self.port = free_port()
        program = None if embedded else shutil.which("mosquitto", path=_PROGRAM_PATHS)
        self.embedded = program is None
        self.protocol = "3.1.1" if self.embedded else "5"
        folder.mkdir(parents=True, exist_ok=True)
        if program is None:
            command: list[str | Path] = [sys.executable, "-m", "bench.embedded_broker", str(self.port)]
        else:
            settings = folder / "mosquitto.conf"
            settings.write_text(_MOSQUITTO.format(port=self.port, folder=folder) + extra + _user_line())
            command = [program, "-c", settings]
        self.child = Child("broker", command, log, ready=r"running|up on")

    @property
    def name(self) -> str:
        return "amqtt (embedded, MQTT 3.1.1)" if self.embedded else "mosquitto (MQTT 5)"

    def start(self) -> None:
        self.child.start()
        self._wait_until_it_takes_connections()

    def kill(self) -> None:
        self.child.kill()

    def stop(self) -> None:
        self.child.stop()

    def keep(self) -> None:
        """Has it write what it holds to its disk, and keeps a copy to which `rewind` goes back."""
        if not self.embedded:
            os.kill(self.child.pid, signal.SIGUSR1)
            threading.Event().wait(_WRITTEN_S)
            if self._store.exists():
                shutil.copy(self._store, self._kept)

    def rewind(self) -> bool:
        """It has what it had when `keep` was called; only while it is down. False where nothing was kept."""
        if self._kept.exists():
            shutil.copy(self._kept, self._store)
        return self._kept.exists()

    def wipe(self) -> None:
        """Everything it had stored is gone; only while it is down."""
        self._store.unlink(missing_ok=True)

    @property
    def _store(self) -> Path:
        return self._folder / "mosquitto.db"

    @property
    def _kept(self) -> Path:
        return self._folder / "kept.db"

    def _wait_until_it_takes_connections(self) -> None:
        waited = threading.Event()
        for _ in range(int(_UP_S / 0.02)):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except ConnectionRefusedError:
                waited.wait(0.02)
            else:
                return
        raise ProcessFailed(f"the broker takes no connections on port {self.port}; see {self.child.log}")


def _user_line() -> str:
    """Started by root, Mosquitto would become another user that cannot write into our folder."""
    return f"user {getpass.getuser()}\n"
