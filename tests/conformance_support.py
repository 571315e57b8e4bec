"""A driver on its simulated device, both out of their catalogues, wired by what the scene says."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import pytest
from conformance_rows import LockRow, ReaderRow, Row
from drivers_support import DEADLINE_S, Ear, running, tokenise

from drivers import catalogue as drivers
from drivers.base import (
    CardRead,
    CardRemoved,
    CredentialKind,
    Emit,
    Indication,
    LockDriver,
    ReaderDriver,
)
from firmware_sim.catalogue import number_at
from firmware_sim.fault_table import CATALOGUE
from firmware_sim.people import Person
from firmware_sim.scene import Scene, parse_scene
from firmware_sim.simulator import Simulator

R = TypeVar("R", bound=Row)
DEVICE = "device-1"
BACK_WITHIN_S = 5.0
"""A device that has returned is in use again within this time, without a restart."""

STOPS_WITHIN_S = 3.0

_SCENE = """
seed = 11
people = 40
profile = "instant"
"""


def make_driver(row: Row, options: Mapping[str, Any]) -> ReaderDriver | LockDriver:
    if isinstance(row, ReaderRow):
        reader = drivers.READERS[row.kind]()
        return reader.make(DEVICE, reader.settings.model_validate(options), tokenise)
    board = drivers.LOCK_BOARDS[row.kind]()
    return board.make(DEVICE, board.settings.model_validate(options))


@dataclass
class Rig(Generic[R]):
    """The device, the driver on it, and what the driver told so far."""

    row: R
    sim: Simulator
    scene: Scene
    options: Mapping[str, Any]
    ear: Ear
    driver: Any
    caplog: pytest.LogCaptureFixture
    stopped: threading.Event  # `run` has returned
    used: list[str] = field(default_factory=list)

    def wait_ok(self, deadline_s: float = DEADLINE_S) -> None:
        self.ear.wait_until(lambda: self.ear.states()[-1:] == ["ok"], "ok", deadline_s)

    def wait_not_ok(self, deadline_s: float = DEADLINE_S) -> str:
        self.ear.wait_until(lambda: self.ear.states()[-1:] != ["ok"], "not ok any more", deadline_s)
        return self.ear.states()[-1]

    def wedge(self) -> None:
        """The device hears nothing and says nothing."""
        silent = "wedged" if self.row.kind in CATALOGUE["wedged"].devices else "no_answer"
        self.sim.fault(DEVICE, silent)

    def unplug(self) -> None:
        if self.row.unplugged_by is None:
            self.sim.unplug(DEVICE)
        else:
            self.sim.fault(DEVICE, self.row.unplugged_by[0])

    def replug(self) -> None:
        if self.row.unplugged_by is None:
            self.sim.replug(DEVICE)
        else:
            self.sim.fault(DEVICE, self.row.unplugged_by[1])

    def stop(self) -> None:
        self.driver.stop()
        assert self.stopped.wait(STOPS_WITHIN_S), "the driver did not stop in time"

    def told(self) -> str:
        """All that the driver said, in its log and in its events."""
        return "\n".join([self.caplog.text, *map(repr, self.ear.events)])

    # Readers.

    def token(self, ref: str) -> str:
        """What the driver makes of this person's card."""
        credential = self._credential(ref)
        return tokenise(CredentialKind(credential[0]), credential[1])

    def lay(self, ref: str) -> None:
        self.used.append(ref)
        self.sim.present(DEVICE, ref)

    def lift(self) -> None:
        self.sim.remove(DEVICE)

    def tokens(self) -> list[str]:
        return [read.token for read in self.ear.of(CardRead)]

    def read(self, ref: str) -> None:
        """A card laid down and taken away that is read once."""
        before, gone = len(self.ear.of(CardRead)), len(self.ear.of(CardRemoved))
        self.lay(ref)
        self.ear.wait(CardRead, before + 1)
        self.lift()
        self.ear.wait(CardRemoved, gone + 1)
        assert self.tokens()[before:] == [self.token(ref)]

    def assert_no_identity(self) -> None:
        """No number in any writing, in text or in hex, in what the driver told."""
        said = self.told().upper()
        squeezed = said.replace(" ", "").replace(":", "")
        for ref in set(self.used):
            number = self._credential(ref)[1].upper()
            shown = number.partition(":")[2] or number
            assert shown not in said
            assert shown not in squeezed
            assert number.encode().hex().upper() not in squeezed
            pin = self._person(ref).card.pin
            assert f"'{pin}'" not in self.told()

    def _credential(self, ref: str) -> tuple[str, str]:
        credential = number_at(self.row.kind, self.scene.device(DEVICE).options, self._person(ref).card)
        assert credential is not None
        return credential

    def _person(self, ref: str) -> Person:
        return next(person for person in self.scene.everyone() if person.ref == ref)


@contextlib.contextmanager
def rig(row: R, folder: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Rig[R]]:
    """The driver at work, known to be ok; what it says is searched for identity in the end."""
    caplog.set_level(logging.DEBUG)
    scene = parse_scene(_scene_of(row))
    with Simulator(scene, folder / "sim") as sim:
        told = {key: value for key, value in sim.settings(DEVICE).items() if key not in ("name", "driver")}
        options = {**told, **row.prepare(folder), **row.settings}
        driver = OwnProcess(row, options, sim.environment) if row.own_process else make_driver(row, options)
        watched = _Watched(driver)
        with running(watched) as ear:
            made = Rig(row, sim, scene, options, ear, driver, caplog, watched.stopped)
            made.wait_ok()
            yield made
        made.assert_no_identity()


def _scene_of(row: Row) -> str:
    table = "lock_board" if isinstance(row, LockRow) else "reader"
    bus = '[[bus]]\nname = "line-1"\n' if row.bus else ""
    on_bus = 'bus = "line-1"\n' if row.bus else ""
    return f'{_SCENE}{bus}[[{table}]]\nname = "{DEVICE}"\nkind = "{row.kind}"\n{on_bus}{row.scene}\n'


def rows_that_can(rows: Sequence[R], fault: str) -> list[R]:
    """Those whose device can have this fault."""
    return [row for row in rows if row.kind in CATALOGUE[fault].devices]


class _Watched:
    """Knows when `run` has returned."""

    def __init__(self, driver: ReaderDriver | LockDriver | OwnProcess) -> None:
        self._driver = driver
        self.stopped = threading.Event()

    def run(self, emit: Emit) -> None:
        self._driver.run(emit)
        self.stopped.set()

    def stop(self) -> None:
        self._driver.stop()


class OwnProcess:
    """A driver in a process of its own, which can also be killed; events come back over a pipe.

    `environment`: what the process has beside ours, such as the place of a simulated service.
    """

    def __init__(
        self, row: Row, options: Mapping[str, Any], environment: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.name = DEVICE
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(
            target=_keep, args=(row, dict(options), dict(environment), theirs), daemon=True
        )
        self._process.start()
        theirs.close()
        self._asking = threading.Lock()

    def run(self, emit: Emit) -> None:
        with contextlib.suppress(EOFError, ConnectionResetError):  # the process has ended
            while True:
                emit(self._ours.recv())
        self._process.join(DEADLINE_S)

    def indicate(self, signal: Indication) -> None:
        self._ask("indicate", signal)

    def release(self, channel: int, pulse_s: float) -> None:
        self._ask("release", channel, pulse_s)

    def stop(self) -> None:
        with contextlib.suppress(BrokenPipeError):  # it was killed
            self._ask("stop")

    def kill(self) -> None:
        """As the kernel does when memory is short: nothing is tidied up."""
        self._process.kill()
        self._process.join(DEADLINE_S)

    def _ask(self, method: str, *arguments: object) -> None:
        with self._asking:
            self._ours.send((method, arguments))


def _keep(row: Row, options: dict[str, Any], environment: dict[str, str], pipe: Connection) -> None:
    """In the other process: the driver on a thread, and orders from the pipe."""
    os.environ.update(environment)
    driver = make_driver(row, options)
    sending = threading.Lock()

    def emit(event: object) -> None:
        with sending:
            pipe.send(event)

    thread = threading.Thread(target=driver.run, args=(emit,))
    thread.start()
    method = ""
    while method != "stop":
        method, arguments = pipe.recv()
        getattr(driver, method)(*arguments)
    thread.join(DEADLINE_S)
    pipe.close()
