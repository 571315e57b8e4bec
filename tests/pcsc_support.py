"""PC/SC drivers on readers of a scene with a daemon of its own.

The drivers are in a process of their own, because libpcsclite reads the daemon's place from its environment
once.
"""

import contextlib
import multiprocessing
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from drivers_support import DEADLINE_S, Ear, tokenise

from drivers.base import CardRead, CardRemoved, CredentialKind, Indication
from drivers.pcsc_reader import PcscReader, PcscSettings
from firmware_sim.scene import Scene, parse_scene
from firmware_sim.simulator import Simulator

STOPS_WITHIN_S = 3.0
_SOON_GONE: Mapping[str, Any] = {"removal_s": 0.3}


class Drivers:
    """Some drivers in one process; all they tell comes to `ear`."""

    def __init__(self, environment: Mapping[str, str], settings: Mapping[str, Mapping[str, Any]]) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(
            target=_keep, args=(dict(environment), {key: dict(settings[key]) for key in settings}, theirs)
        )
        self._process.start()
        theirs.close()
        self.ear = Ear()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        self.stopped = threading.Event()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def indicate(self, name: str, signal: Indication) -> None:
        self._ours.send((name, signal))

    def stop(self) -> None:
        """Stops them all, and sees that they do within the time."""
        self._ours.send(("", None))
        assert self.stopped.wait(STOPS_WITHIN_S), "the drivers did not stop in time"
        self._end()

    def _end(self) -> None:
        self._process.join(DEADLINE_S)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        self._thread.join(DEADLINE_S)

    def close(self) -> None:
        if not self.stopped.is_set():
            with contextlib.suppress(BrokenPipeError):
                self._ours.send(("", None))
            self._end()

    def _listen(self) -> None:
        with contextlib.suppress(EOFError, ConnectionResetError):
            while True:
                event = self._ours.recv()
                if event is None:
                    self.stopped.set()
                else:
                    self.ear(event)


def _keep(environment: dict[str, str], settings: dict[str, dict[str, Any]], pipe: Connection) -> None:
    os.environ.update(environment)
    sending = threading.Lock()

    def emit(event: object) -> None:
        with sending:
            pipe.send(event)

    drivers = {
        name: PcscReader(name, PcscSettings.model_validate(each), tokenise) for name, each in settings.items()
    }
    threads = [threading.Thread(target=driver.run, args=(emit,)) for driver in drivers.values()]
    for thread in threads:
        thread.start()
    while (order := pipe.recv())[0]:
        drivers[order[0]].indicate(order[1])
    for driver in drivers.values():
        driver.stop()
    for thread in threads:
        thread.join()
    emit(None)


class Office:
    """Readers "r1", "r2", ... of a scene, and their drivers once they were started."""

    def __init__(self, scene: Scene, sim: Simulator) -> None:
        self.scene = scene
        self.sim = sim
        self.names = [name for name in sim.status()["devices"] if name.startswith("r")]
        self._drivers: list[Drivers] = []

    def start(self, names: Sequence[str] = (), **more: Any) -> Drivers:
        """Drivers of these readers, or of all; known to be ok unless a reader's name is given."""
        wanted = {
            name: {"reader": self.address(name), **_SOON_GONE, **more} for name in (names or self.names)
        }
        drivers = Drivers(self.sim.environment, wanted)
        self._drivers.append(drivers)
        if "reader" not in more:
            drivers.ear.wait_until(lambda: drivers.ear.states().count("ok") >= len(wanted), "ok")
        return drivers

    def address(self, name: str) -> str:
        address: str = self.sim.status()["devices"][name]["address"]
        return address

    def uid_token(self, ref: str) -> str:
        return tokenise(CredentialKind.CARD_UID, self._card(ref).uid.hex().upper())

    def chip_token(self, ref: str) -> str:
        return tokenise(CredentialKind.ID_CARD_CHIP, self._card(ref).chip_serial.hex().upper())

    def read(self, drivers: Drivers, name: str, ref: str) -> CardRead:
        """A card laid down, read, and taken away."""
        ear = drivers.ear
        before, gone = len(ear.of(CardRead)), len(ear.of(CardRemoved))
        self.sim.present(name, ref)
        read = ear.wait(CardRead, before + 1)[before]
        self.sim.remove(name)
        ear.wait(CardRemoved, gone + 1)
        return read

    def _card(self, ref: str) -> Any:
        return next(person.card for person in self.scene.everyone() if person.ref == ref)

    def close(self) -> None:
        for drivers in self._drivers:
            drivers.close()


@contextlib.contextmanager
def office(*readers: str) -> Iterator[Office]:
    """One reader for each text: more keys of its table in the scene."""
    tables = "".join(
        f'[[reader]]\nname = "r{at}"\nkind = "pcsc"\n{keys}\n' for at, keys in enumerate(readers, start=1)
    )
    scene = parse_scene(f'seed = 11\npeople = 20\nprofile = "instant"\n{tables}')
    folder = Path(tempfile.mkdtemp(prefix="pcsc-"))  # short, because a socket's path is
    try:
        with Simulator(scene, folder / "sim") as sim:
            made = Office(scene, sim)
            try:
                yield made
            finally:
                made.close()
    finally:
        shutil.rmtree(folder)
