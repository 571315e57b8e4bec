"""What the simulator's tests share: the documented bytes, small scenes, and a program's end of a cable."""

import os
import select
import termios
import time
import tomllib
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from firmware_sim.cards import Card, Layout, text_block
from firmware_sim.catalogue import kind_of, number_at
from firmware_sim.device import Frame
from firmware_sim.faults import FaultSet
from firmware_sim.kinds import Surroundings
from firmware_sim.people import make_people
from firmware_sim.profiles import INSTANT, Profile
from firmware_sim.scene_table import Table

T = TypeVar("T")
VECTORS = Path(__file__).parent / "vectors"
DEADLINE_S = 10.0

# Requests as printed in the manual; the simulator's own encoder has no part in them.
LAYOUT_OF = {
    "resident": Layout.RESIDENT,
    "J": Layout.PERMIT_J,
    "I": Layout.FOREIGNER_I,
    "Y": Layout.FOREIGNER_Y,
}
BODY_NUMBER = bytes.fromhex(
    "01 02 03 04 11 12 13 14 15 16 17 18 20 21 22 23 24 25 26 27 28 29 2A 2B 2C 2D 2E 2F"
)
SAM_NUMBER = bytes.fromhex("05 00 01 00 6C 2C 33 01 87 D6 12 00 78 56 34 12")

SCENE = """
seed = 1
people = 20
profile = "instant"
[[reader]]
name = "east-1"
[[lock_board]]
name = "east-locks"
channels = 4
[[door]]
name = "east"
reader = "east-1"
lock_board = "east-locks"
channel = 1
"""


@cache
def vectors(name: str) -> dict[str, Any]:
    """A file of tests/vectors."""
    with (VECTORS / f"{name}.toml").open("rb") as file:
        return tomllib.load(file)


@cache
def frame(name: str) -> bytes:
    """A documented SAM-V frame."""
    found = [each for each in vectors("sam_v")["frame"] if each["name"] == name]
    assert len(found) == 1, name
    return bytes.fromhex(found[0]["hex"])


@cache
def relay(name: str) -> bytes:
    """A documented relay command."""
    found = [each for each in vectors("lock_board")["frame"] if each["name"] == name]
    assert len(found) == 1, name
    return bytes.fromhex(found[0]["hex"])


def documented_card(block: str, photo: str = "wl", fingerprints: bytes = b"") -> Card:
    """A card with one of the documented text blocks, laid out by the simulator from its fields."""
    found = next(each for each in vectors("sam_v")["text_block"] if each["name"] == block)
    head = bytes.fromhex(vectors("sam_v")["photo_wl_head"]) if photo == "wl" else b""
    layout = LAYOUT_OF[found["layout"]]
    return Card(
        ref="P0001",
        layout=layout,
        text=text_block(layout, found["fields"]),
        body_number=BODY_NUMBER,
        photo=head.ljust(1024, b"\0"),
        fingerprints=fingerprints,
    )


@cache
def plain_card() -> Card:
    """An invented resident without fingerprints and newest address."""
    return next(
        person.card
        for person in make_people(50, seed=1)
        if person.card.layout is Layout.RESIDENT
        and not person.card.fingerprints
        and person.card.newest_address is None
    )


def until(get: Callable[[], T | None], what: str, deadline_s: float = DEADLINE_S) -> T:
    """Ask again and again until there is an answer."""
    end_s = time.monotonic() + deadline_s
    while (found := get()) is None or found is False:
        assert time.monotonic() < end_s, f"never came: {what}"
        select.select([], [], [], 0.005)
    return found


@dataclass(frozen=True)
class Cable:
    """A program's end of a pseudo-terminal."""

    fd: int

    def set_rate(self, rate: int) -> None:
        settings = termios.tcgetattr(self.fd)
        settings[4] = settings[5] = getattr(termios, f"B{rate}")
        termios.tcsetattr(self.fd, termios.TCSANOW, settings)

    def send(self, data: bytes) -> None:
        assert os.write(self.fd, data) == len(data)

    def chunk(self, timeout_s: float = DEADLINE_S) -> bytes:
        """One read; empty after the timeout."""
        if not select.select([self.fd], [], [], timeout_s)[0]:
            return b""
        return os.read(self.fd, 4096)

    def read(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            piece = self.chunk()
            assert piece, f"{len(got)} of {size} bytes came: {got[:40].hex(' ')}"
            got += piece
        return got

    def ask(self, request: str, size: int) -> bytes:
        self.send(frame(request))
        return self.read(size)

    def answer(self, request: str) -> bytes:
        """One whole reply, as long as its Len says."""
        head = self.ask(request, 7)
        missing = 7 + int.from_bytes(head[5:7], "big") - len(head)
        return head + (self.read(missing) if missing > 0 else b"")


@contextmanager
def cable(path: str, rate: int = 115200) -> Iterator[Cable]:
    """Open a simulated port as a program does."""
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        tty.setraw(fd)
        end = Cable(fd)
        end.set_rate(rate)
        yield end
    finally:
        os.close(fd)


@dataclass
class Made:
    """A device made from the catalogue as a scene would, with its faults and a clock that the test moves."""

    device: Any
    faults: FaultSet
    now: float = 0.0

    def fault(self, name: str, *, count: int | None = None, **parameters: object) -> None:
        self.faults.switch_on(name, parameters, count=count)

    def frames(self, wait_s: float = 0.0) -> list[Frame]:
        """What comes within that time."""
        end_s = self.now + wait_s
        frames: list[Frame] = []
        while (due_s := self.device.next_due()) is not None and due_s <= end_s:
            self.now = max(self.now, due_s)
            frames += self.device.take(self.now)
        self.now = end_s
        return frames

    def sent(self, wait_s: float = 0.0) -> bytes:
        return b"".join(each.data for each in self.frames(wait_s))

    def present(self, card: Card) -> None:
        self.device.present(card, self.now)

    def remove(self) -> None:
        self.device.remove(self.now)

    def feed(self, data: bytes) -> None:
        self.device.feed(data, self.now)


def made(kind: str, options: str = "", *, profile: Profile = INSTANT, seed: int = 1) -> Made:
    """`options`: the kind's own keys in TOML."""
    about = kind_of(kind)
    table = Table("reader[0]", tomllib.loads(options))
    read = about.read(table)
    table.done()
    faults = FaultSet(kind)
    around = Surroundings(faults=faults, profile=profile, rng=Random(seed), now=0.0, serial=1)
    assert about.make is not None, f"{kind} is no device on a line"
    return Made(about.make(read, around), faults)


def number_of(kind: str, options: str, card: Card) -> tuple[str, str] | None:
    """The credential that the catalogue expects there."""
    return number_at(kind, kind_of(kind).read(Table("reader[0]", tomllib.loads(options))), card)


def carrying(**carried: Any) -> Card:
    """A person with these cards in the pocket, and no others."""
    nothing: dict[str, Any] = {
        "ref": "P0001",
        "uid": b"",
        "chip_serial": b"",
        "em_tag": b"",
        "qr_text": "",
        "pin": "",
    }
    return replace(plain_card(), **(nothing | carried))
