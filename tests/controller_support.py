"""A building with two doors and its journal, for tests of the controller."""

import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway_support import EPOCH_S, TurnedClock, files_limited_to
from msgspec import structs

from drivers.base import (
    Assurance,
    CardRead,
    CredentialKind,
    Indication,
)
from drivers.errors import DeviceUnavailable
from gateway.access import Access
from gateway.access_list import AccessList
from gateway.controller import Controller
from gateway.decision import Admission, DoorPolicy
from gateway.doors import AccessPoint, Doors, Doorway
from gateway.events import (
    Stop,
)
from gateway.journal import Head, Journal
from gateway.journal_reader import JournalReader
from gateway.passes import PassBook
from gateway.portal import Portal
from gateway.senses import Senses
from gateway.sensing import InputFunction, Sensor
from gateway.surroundings import Surroundings
from messages.access_list import Entry
from messages.commands import Command, Result
from messages.model import Direction, Kind, Reason, Record

S = 1_000_000_000
LISTED, BLOCKED, STRANGER = "a" * 32, "b" * 32, "c" * 32
PIN, OTHER_PIN = "d" * 32, "e" * 32
ENTRIES = {
    LISTED: Entry(LISTED, "h-7", "resident", ("*",)),
    BLOCKED: Entry(BLOCKED, "h-8", "resident", ("*",), blocked=True),
}
PEOPLE = [f"{number:032x}" for number in range(200)]
ENTRIES |= {token: Entry(token, "h-9", "resident", ("*",)) for token in PEOPLE}
LIST = AccessList(5, (EPOCH_S - 90) * 1_000_000, ENTRIES)


class Board:
    """A lock board that, when a door is released, looks whether the record is already on the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.committed_before: list[Record] = []
        self.released = 0
        self.broken = False
        self.can_look = True
        self.lingers: Callable[[], object] = bool  # while the lock is driven

    def release(self) -> None:
        if self.broken:
            raise DeviceUnavailable("/dev/ttyUSB9", "it does not answer")
        self.released += 1
        if self.can_look:
            with closing(JournalReader(self._path)) as reader:
                self.committed_before.append(reader.newest(1)[0])
        self.lingers()


class House:
    """A building with two doors, its journal and what everybody was shown and told."""

    def __init__(self, folder: Path, *, asks_pin: bool = False) -> None:
        self.path = folder / "journal.db"
        self.clock = TurnedClock()
        self.journal = Journal(self.path, "east-1", self.clock)
        self.board = Board(self.path)
        self.shown: list[tuple[str, Indication]] = []
        self.announced: list[Head] = []
        self.answers: list[Result] = []
        self.sent_again: list[Command] = []
        self.disk: list[tuple[Kind, Reason | None]] = []
        lobby = AccessPoint("lobby", Direction.IN, "lobby-board", self.board.release)
        garage = dataclasses.replace(
            lobby, door="garage", direction=Direction.OUT, admit_listed_unrecorded=False
        )
        points = {"lobby-in": lobby, "garage-out": garage}
        both = DoorPolicy(frozenset(Admission))
        self.access = Access(
            {"lobby": dataclasses.replace(both, asks_pin=asks_pin), "garage": both},
            ZoneInfo("Asia/Shanghai"),
            PassBook("north", "east"),
            contacts=("garage",),
        )
        self.access.take_list(LIST)
        sensors = {
            ("lobby-board", 1): Sensor(InputFunction.CONTACT, ("garage",)),
            ("sensing-board", 1): Sensor(InputFunction.REX, ("garage",)),
        }
        portals = {
            door: Portal(release_s=5.0, open_limit_s=30.0, has_contact=door == "garage", exit_by_handle=True)
            for door in ("lobby", "garage")
        }
        self.controller = Controller(
            journal=self.journal,
            clock=self.clock,
            access=self.access,
            points=points,
            doors=Doors(
                [Doorway(portals["lobby"], (lobby,)), Doorway(portals["garage"], (garage,))], self.access
            ),
            senses=Senses(points, sensors),
            surroundings=Surroundings(
                indicate=lambda reader, signal: self.shown.append((reader, signal)),
                announce=self.announced.append,
                list_changed=lambda: None,
                answer=self.answers.append,
                send_again=self.sent_again.append,
                beat=lambda: None,
                troubles=lambda: [self.disk.pop() for _ in self.disk[:1]],
                input_changed=lambda _: None,
            ),
            keep_acknowledged_days=0,
        )

    def reads(self, *tokens: str, reader: str = "lobby-in", at_s: float = 0.0, level: str = "L0") -> None:
        self.controller.handle([read(token, reader=reader, at_s=at_s, level=level) for token in tokens])

    def gives_pins(self, pin: str) -> None:
        """Everybody on the list has this one."""
        entries = {token: structs.replace(entry, pin=pin) for token, entry in ENTRIES.items()}
        self.access.take_list(AccessList(LIST.version, LIST.issued_us, entries))

    def records(self) -> list[Record]:
        """Without the one that opened the journal."""
        with closing(JournalReader(self.path)) as reader:
            checked, flaws = reader.verify()
            assert flaws == []
            return reader.newest(checked)[1:]

    def happenings(self) -> list[Record]:
        """Without what is told of the journal's own storage."""
        storage = (Kind.STORAGE_FAULT, Kind.STORAGE_RESTORED, Kind.STORAGE_LOW)
        return [record for record in self.records() if record.kind not in storage]

    def reasons(self) -> list[Reason | None]:
        return [record.reason for record in self.records()]


def read(
    token: str,
    *,
    reader: str = "lobby-in",
    at_s: float = 0.0,
    level: str = "L0",
    until: date | None = None,
    pin: str | None = None,
) -> CardRead:
    return CardRead(reader, CredentialKind.ID_CARD, token, Assurance(level), int(at_s * S), None, until, pin)


@contextmanager
def house_in(folder: Path, *, asks_pin: bool = False) -> Iterator[House]:
    """`asks_pin`: the lobby asks for the PIN after the card."""
    house = House(folder, asks_pin=asks_pin)
    yield house
    house.journal.close()


@contextmanager
def no_room(house: House) -> Iterator[None]:
    """Nothing can be written: as on a full disk."""
    house.board.can_look = False
    with files_limited_to(1):
        yield
    house.board.can_look = True


@contextmanager
def running(house: House) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=house.controller.run)
    thread.start()
    try:
        yield thread
    finally:
        house.controller.inbox.put(Stop())
        thread.join(20)
        assert not thread.is_alive()
