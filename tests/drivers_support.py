"""What the drivers' tests share: documented bytes, a scripted device behind a terminal, an ear for events."""

import contextlib
import os
import pty
import select
import termios
import threading
import time
import tomllib
import tty
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache, reduce
from operator import xor
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from drivers.base import CredentialKind, DeviceChanged, DeviceEvent, Emit

E = TypeVar("E")
VECTORS = Path(__file__).parent / "vectors"
DEADLINE_S = 20.0
SPEEDS = {getattr(termios, f"B{rate}"): rate for rate in (115200, 57600, 38400, 19200, 9600)}


@cache
def vectors(name: str) -> dict[str, Any]:
    with (VECTORS / f"{name}.toml").open("rb") as file:
        return tomllib.load(file)


@cache
def frame(name: str) -> bytes:
    """A documented SAM-V frame."""
    return next(bytes.fromhex(each["hex"]) for each in vectors("sam_v")["frame"] if each["name"] == name)


@cache
def text_block(name: str) -> bytes:
    return next(bytes.fromhex(each["hex"]) for each in vectors("sam_v")["text_block"] if each["name"] == name)


def sam_frame(content: bytes) -> bytes:
    """Puts preamble, length and check byte around a reply's status and data, as section 1.2 says."""
    body = (len(content) + 1).to_bytes(2, "big") + content
    return bytes.fromhex("AAAAAA9669") + body + bytes((reduce(xor, body),))


def read_reply(block: bytes, photo: bytes = bytes(1024)) -> bytes:
    """A whole good reply to 30 01 (section 1.6)."""
    return sam_frame(bytes.fromhex("000090 0100 0400") + block + photo)


# A person nobody is: area code 000000. Check character by section 3.1: weighted sum 129, remainder 8.
INVENTED_NUMBER = "00000019900307001" + "4"


def invented_block(number: str = INVENTED_NUMBER, **fields: str) -> bytearray:
    """A resident's text block (section 2.2), with a canary in each field that may not be kept."""
    values = {
        "name": "张金丝",
        "sex": "2",
        "ethnicity": "97",
        "born": "19900307",
        "address": "金丝雀市金丝雀路7号",
        "number": number,
        "issuer": "金丝雀市公安局",
        "valid_from": "20200101",
        "valid_until": "20400101",
        "reserved": "",
    } | fields
    sizes = (30, 2, 4, 16, 70, 36, 30, 16, 16, 36)
    padded = (value.ljust(size // 2) for value, size in zip(values.values(), sizes, strict=True))
    return bytearray("".join(padded).encode("utf-16-le"))


def tokenise(kind: CredentialKind, number: str) -> str:
    """Not what a gateway does, but a bijection that a test can read: no number leaves through it."""
    return f"{kind.value}-{sum(ord(char) * 31**at for at, char in enumerate(number)) % 10**9}"


class Ear:
    """Collects what a driver emits; waits for it with a deadline."""

    def __init__(self) -> None:
        self.events: list[DeviceEvent] = []
        self._changed = threading.Condition()

    def __call__(self, event: DeviceEvent) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def of(self, kind: type[E]) -> list[E]:
        with self._changed:
            return [event for event in self.events if isinstance(event, kind)]

    def states(self) -> list[str]:
        return [event.state.value for event in self.of(DeviceChanged)]

    def wait(self, kind: type[E], count: int = 1, deadline_s: float = DEADLINE_S) -> list[E]:
        self.wait_until(lambda: len(self.of(kind)) >= count, f"{count} x {kind.__name__}", deadline_s)
        return self.of(kind)

    def wait_state(self, *states: str, deadline_s: float = DEADLINE_S) -> None:
        """Until the device's states were exactly these, in order."""
        self.wait_until(lambda: self.states() == list(states), f"states {states}", deadline_s)

    def wait_until(self, met: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
        end_s = time.monotonic() + deadline_s
        with self._changed:
            while not met():
                left_s = end_s - time.monotonic()
                assert left_s > 0, f"never came: {what}; there were {self.events}"
                self._changed.wait(min(left_s, 0.05))


class Driver(Protocol):
    def run(self, emit: Emit) -> None: ...
    def stop(self) -> None: ...


@contextlib.contextmanager
def running(driver: Driver, ear: Ear | None = None) -> Iterator[Ear]:
    """The driver on a thread of its own, as in the gateway; it must end by itself when told to."""
    ear = ear or Ear()
    fallen: list[BaseException] = []

    def work() -> None:
        try:
            driver.run(ear)
        except BaseException as error:
            fallen.append(error)
            raise

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield ear
    finally:
        driver.stop()
        thread.join(DEADLINE_S)
    assert not thread.is_alive(), "the driver did not stop"
    assert not fallen


class Peer:
    """The other end of a cable: a pseudo-terminal behind a fixed name, and a script that answers.

    `answer(data)` gets what the program wrote and returns what to write back. Unplugging closes the terminal.
    """

    def __init__(self, path: Path, answer: Callable[[bytes], bytes], *, rate: int | None = None) -> None:
        self.path = path
        self.answer = answer
        self.rate = rate
        self.heard = bytearray()
        self.heard_at_s: list[tuple[float, bytes]] = []
        self._master = -1
        self._slave = -1
        self._thread: threading.Thread | None = None
        self._end_r, self._end_w = os.pipe()
        self.plug()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()
        os.close(self._end_r)
        os.close(self._end_w)

    def plug(self) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.path.symlink_to(os.ttyname(self._slave))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def unplug(self) -> None:
        if self._thread is None:
            return
        os.write(self._end_w, b"x")
        self._thread.join(DEADLINE_S)
        os.read(self._end_r, 1)
        self._thread = None
        self.path.unlink()
        os.close(self._slave)
        os.close(self._master)

    def send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._master, data) :]

    def speed(self) -> int | None:
        return SPEEDS.get(termios.tcgetattr(self._master)[5])

    def _serve(self) -> None:
        while True:
            ready = select.select([self._master, self._end_r], [], [])[0]
            if self._end_r in ready:
                return
            data = os.read(self._master, 4096)
            self.heard += data
            self.heard_at_s.append((time.monotonic(), data))
            if self.rate is not None and self.speed() != self.rate:
                self.send(b"\xf8\x00\xe6\x7e")  # what a wrong speed makes of a frame
            elif answer := self.answer(data):
                self.send(answer)


class ScriptedModule:
    """A SAM-V module by the table of section 1.10, as far as a driver's test needs it."""

    def __init__(self) -> None:
        self.card: bytes | None = None  # a whole good read reply
        self.state = "empty"
        self.asked: list[str] = []
        self.overrides: dict[str, list[bytes]] = {}  # request -> answers to give first; b"" is silence

    def lay(self, reply: bytes) -> None:
        self.card, self.state = reply, "in_field"

    def lift(self) -> None:
        self.card, self.state = None, "empty"

    def __call__(self, data: bytes) -> bytes:
        name = next((name for name in _REQUESTS if frame(name) == data), None)
        assert name is not None, f"no documented request: {data.hex(' ')}"
        self.asked.append(name)
        if self.overrides.get(name):
            return self.overrides[name].pop(0)
        return self._answers()[name]()

    def _answers(self) -> dict[str, Callable[[], bytes]]:
        return {
            "request_reset": self._reset,
            "request_status": lambda: frame("reply_success"),
            "request_sam_number": lambda: frame("reply_sam_number"),
            "request_find": self._find,
            "request_select": self._select,
            "request_read": self._read,
            "request_newest_address": self._item,
        }

    def _reset(self) -> bytes:
        self.state = "in_field" if self.card else "empty"
        return frame("reply_success")

    def _find(self) -> bytes:
        if self.state in ("empty", "selected"):
            return frame("reply_find_failed")
        self.state = "found"
        return frame("reply_found")

    def _select(self) -> bytes:
        if self.state != "found":
            return frame("reply_select_failed")
        self.state = "selected"
        return frame("reply_selected")

    def _read(self) -> bytes:
        return self.card if self.card and self.state == "selected" else frame("reply_read_failed")

    def _item(self) -> bytes:
        return frame("reply_newest_address" if self.state == "selected" else "reply_read_failed")


_REQUESTS = (
    "request_reset",
    "request_status",
    "request_sam_number",
    "request_find",
    "request_select",
    "request_read",
    "request_newest_address",
)

CANARIES = (
    "张金丝",
    "金丝雀",
    INVENTED_NUMBER,
    INVENTED_NUMBER[:17],
    "19900307",
    date(1990, 3, 7).isoformat(),
)
