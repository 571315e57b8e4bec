"""A gateway that runs for weeks takes no more room, memory, files or threads, and writes only what is new."""

import gc
import os
import threading
from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from gateway_program import PROGRAM_READY, Program
from gateway_support import EPOCH_S, Centre, Mosquitto, TurnedClock, install, until

from drivers.base import (
    Assurance,
    CardRead,
    CardUnreadable,
    CredentialKind,
    DeviceChanged,
    DeviceState,
    InputChanged,
    InputState,
)
from gateway import recording
from gateway.access import Access
from gateway.access_list import AccessList
from gateway.controller import Controller
from gateway.decision import Admission, DoorPolicy
from gateway.doors import AccessPoint, Doors, Doorway
from gateway.events import Acknowledged, Event, NewList, Stop
from gateway.journal import Head, Journal
from gateway.journal_file import open_for_reading
from gateway.passes import PassBook
from gateway.portal import Portal
from gateway.senses import Senses
from gateway.sensing import InputFunction, Sensor
from gateway.surroundings import Surroundings
from messages.access_list import Entry
from messages.model import Direction, Kind
from messages.wire import EpochAck

PEOPLE = [f"{number:032x}" for number in range(1_000)]
ENTRIES = {token: Entry(token, "h-9", "resident", ("*",)) for token in PEOPLE}
ROUNDS_A_DAY = 60
EVENTS_A_ROUND = 100
QUIET_S = 10.0
STATES_BETWEEN = 3


class Building:
    """A controller over a real journal, in a thread of its own; the test turns the clock."""

    def __init__(self, folder: Path) -> None:
        self.clock = TurnedClock()
        self.folder = folder
        self.journal = Journal(folder / "journal.db", "east-1", self.clock)
        self.head: Head | None = None
        self.released = 0
        lobby = AccessPoint("lobby", Direction.IN, "lobby-board", self._release)
        access = Access(
            {"lobby": DoorPolicy(frozenset({Admission.LISTED}))},
            ZoneInfo("Asia/Shanghai"),
            PassBook("north", "east"),
            contacts=("lobby",),
        )
        access.take_list(AccessList(1, EPOCH_S * 1_000_000, ENTRIES))
        portal = Portal(release_s=5.0, open_limit_s=30.0, has_contact=True, exit_by_handle=True)
        points = {"lobby-in": lobby}
        sensors = {("lobby-board", 1): Sensor(InputFunction.CONTACT, ("lobby",))}
        self.controller = Controller(
            journal=self.journal,
            clock=self.clock,
            access=access,
            points=points,
            doors=Doors([Doorway(portal, (lobby,))], access),
            senses=Senses(points, sensors),
            surroundings=Surroundings(
                indicate=lambda *_: None,
                announce=self._announce,
                answer=lambda _: None,
                send_again=lambda _: None,
                beat=lambda: None,
                troubles=list,
                input_changed=lambda _: None,
            ),
            keep_acknowledged_days=1,
        )
        self._thread = threading.Thread(target=self.controller.run)
        self._thread.start()

    def a_day(self, day: int) -> None:
        """Everybody's comings and goings, acknowledged by the centre as they come, and kept for a day.

        Each entry makes about two records: the decision, and that nobody opened the door.
        """
        for number in range(ROUNDS_A_DAY):
            for event in _events(day * ROUNDS_A_DAY + number):
                self.controller.inbox.put(event)
            before = self.released
            until(lambda: self.controller.inbox.empty() and self.released > before, "the round")  # noqa: B023
            head = self.journal.head
            self.controller.inbox.put(Acknowledged(head.epoch, head.seq))
            self.clock.passes(86_400_000_000 // ROUNDS_A_DAY)
        if day >= 1:
            until(lambda: self.records_held() <= 1.3 * ROUNDS_A_DAY * EVENTS_A_ROUND * 2, "the pruning")

    def stop(self) -> None:
        self.controller.inbox.put(Stop())
        self._thread.join()
        self.journal.close()

    def records_held(self) -> int:
        with closing(open_for_reading(self.journal.path)) as connection:
            return int(connection.execute("SELECT count(*) FROM records").fetchone()[0])

    def bytes_on_disk(self) -> int:
        return sum(path.stat().st_size for path in self.folder.iterdir())

    def _announce(self, head: Head) -> None:
        self.head = head

    def _release(self) -> None:
        self.released += 1


def _events(number: int) -> list[Event]:
    """A round of people, strangers, cards that cannot be read, doors, devices that come and go, new lists."""
    at_ns = number * EVENTS_A_ROUND * 5_000_000_000
    events: list[Event] = [
        CardRead(
            "lobby-in",
            CredentialKind.ID_CARD,
            PEOPLE[(number * EVENTS_A_ROUND + each) % len(PEOPLE)] if each % 10 else f"{number:031x}f",
            Assurance.L3,
            at_ns + each * 5_000_000_000,
        )
        for each in range(EVENTS_A_ROUND)
    ]
    state = (DeviceState.LOST, DeviceState.OK)[number % 2]
    contact = (InputState.ACTIVE, InputState.NORMAL)[number % 2]
    return [
        *events,
        CardUnreadable("lobby-in", "the card was taken away too soon"),
        DeviceChanged("lobby-in", state, "cable"),
        InputChanged("lobby-board", 1, contact, at_ns),
        NewList(AccessList(number + 2, EPOCH_S * 1_000_000, dict(ENTRIES))),
    ]


def resident_bytes() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def open_files() -> int:
    """Without those of other tests' garbage."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def test_days_of_events_leave_files_memory_and_threads_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """trust.md R-27, with the clock turned and the care for the journal in each pause."""
    monkeypatch.setattr(recording, "CARE_EVERY_S", 0.001)
    building = Building(tmp_path)
    try:
        for day in range(3):
            building.a_day(day)
        before = building.bytes_on_disk(), open_files(), threading.active_count(), resident_bytes()
        for day in range(3, 8):
            building.a_day(day)
        after = building.bytes_on_disk(), open_files(), threading.active_count(), resident_bytes()
    finally:
        building.stop()
    assert building.head is not None
    assert building.head.seq > 8 * ROUNDS_A_DAY * EVENTS_A_ROUND
    assert after[0] <= before[0] * 1.15
    assert after[1:3] == before[1:3]
    assert after[3] <= before[3] * 1.15  # beside other work the allocator keeps more


def written_bytes(pid: int) -> int:
    """What the process has sent towards a disk, by the kernel's own count."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def test_an_idle_gateway_writes_nothing_to_its_disk_but_tells_that_it_lives(tmp_path: Path) -> None:
    """trust.md R-26: what wears a flash card is events, not time."""
    broker = Mosquitto(tmp_path)
    broker.start()
    centre = Centre(broker.port)
    settings = install(tmp_path, mqtt_port=broker.port, reader_port="socket://127.0.0.1:1")
    text = settings.read_text(encoding="utf-8").replace("[mqtt]", "[mqtt]\nstate_every_s = 1.0")
    settings.write_text(text, encoding="utf-8")
    try:
        with Program(settings) as gateway:
            gateway.until_said(PROGRAM_READY)
            until(lambda: gateway.kinds().count(Kind.READER_LOST), "the loss of the reader")
            (newest,) = until(centre.states, "the state")[-1].epochs or []
            centre.acknowledges(EpochAck(newest.epoch, newest.head, newest.hash, newest.head, []))
            _until_quiet(gateway.pid)
            before, states = written_bytes(gateway.pid), len(centre.states())
            threading.Event().wait(QUIET_S)  # the measured stretch itself
            assert written_bytes(gateway.pid) == before
            assert len(centre.states()) >= states + STATES_BETWEEN
    finally:
        centre.close()
        broker.stop()


def _until_quiet(pid: int) -> None:
    """Until what the start left behind is written: lost devices, the first acknowledgement."""
    seen = [-1]

    def is_quiet() -> bool:
        before, seen[0] = seen[0], written_bytes(pid)
        return before == seen[0]

    pause = threading.Event()
    until(lambda: pause.wait(3.0) or is_quiet(), "a quiet disk", 90.0)
