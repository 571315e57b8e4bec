"""Recordings of a line: bytes of both directions with their times, identity overwritten; values and text.

The text is one JSON object a line: first what was recorded and what a driver must make of it, then the bytes.
Knows no port and no clock.
"""

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from firmware_sim import fault_table as kind
from firmware_sim.errors import RecordingError
from firmware_sim.scrub import Family, Scrubber

VERSION = 1
MAX_BYTES = 16_000_000  # of one recording: a day of a busy reader
REQUEST_GAP_S = 0.05  # a silence this long between two portions of a program: two requests
HOLD_S = 0.5  # a silence this long ends what looked like the begin of a frame

_MARK = "liuhen_recording"
_DEVICE = "device"
_PROGRAM = "program"


def _lines() -> Family:
    from firmware_sim.scrub_lines import LINES

    return LINES


def _words() -> Family:
    from firmware_sim.scrub_lines import WORDS

    return WORDS


def _tags() -> Family:
    from firmware_sim.scrub_lines import EM

    return EM


def _frames(name: str) -> Callable[[], Family]:
    def load() -> Family:
        from firmware_sim import scrub_frames

        family: Family = getattr(scrub_frames, name)
        return family

    return load


# Who overwrites what the line of a kind of device says. A kind that is not here cannot be recorded.
FAMILIES: Mapping[str, Callable[[], Family]] = {
    kind.SAM_V: _frames("SAM_V"),
    kind.RDM6300: _tags,
    kind.ID12: _tags,
    kind.WIEGAND: _words,
    kind.TEXT: _lines,
    kind.QR: _lines,
    kind.PN532: _frames("PN532"),
    kind.OSDP: _frames("OSDP"),
    kind.OSDP_OUT: _frames("OSDP"),
    kind.MODBUS: _frames("MODBUS"),
    kind.LC_RELAY: _frames("LC_RELAY"),
}


def scrubber(family: str) -> Scrubber:
    """RecordingError: nobody can overwrite identity on such a line."""
    load = FAMILIES.get(family)
    if load is None:
        raise RecordingError(
            f"lines of kind {family!r} cannot be recorded: nothing overwrites identity there;"
            f" there are {', '.join(FAMILIES)}"
        )
    return Scrubber(load())


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that came at once, `t_s` seconds after the recording began."""

    t_s: float
    from_device: bool
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Recording:
    """What a line said. `settings` and `expect` make it a test: None means that nobody has said yet."""

    family: str
    rate: int
    chunks: tuple[Chunk, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    expect: tuple[str, ...] | None = None
    about: str = ""

    def to_text(self) -> str:
        head = {
            _MARK: VERSION,
            "family": self.family,
            "rate": self.rate,
            "about": self.about,
            "settings": dict(self.settings),
            "expect": None if self.expect is None else list(self.expect),
        }
        lines = [json.dumps(head, ensure_ascii=False)]
        for chunk in self.chunks:
            said = {
                "t": round(chunk.t_s, 4),
                "from": _DEVICE if chunk.from_device else _PROGRAM,
                "hex": chunk.data.hex(" "),
            }
            lines.append(json.dumps(said))
        return "\n".join(lines) + "\n"


def parse_recording(text: str) -> Recording:
    """RecordingError names the line that is none of a recording's."""
    lines = text.splitlines()
    head = _object(lines[0] if lines else "", 1)
    if head.get(_MARK) != VERSION:
        raise RecordingError(f"line 1: no recording of version {VERSION}")
    try:
        expect = head["expect"]
        return Recording(
            family=str(head["family"]),
            rate=int(head["rate"]),
            chunks=tuple(_chunk(line, number) for number, line in enumerate(lines[1:], start=2)),
            settings=dict(head["settings"]),
            expect=None if expect is None else tuple(map(str, expect)),
            about=str(head.get("about", "")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(f"line 1: {error!r}") from error


def _chunk(line: str, number: int) -> Chunk:
    said = _object(line, number)
    try:
        if said["from"] not in (_DEVICE, _PROGRAM):
            raise RecordingError(f"line {number}: from is {_DEVICE} or {_PROGRAM}")
        return Chunk(float(said["t"]), said["from"] == _DEVICE, bytes.fromhex(said["hex"]))
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(f"line {number}: {error!r}") from error


def _object(line: str, number: int) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise RecordingError(f"line {number}: expects a JSON object")
    return said


class Tape:
    """Takes bytes as they come and keeps them with their times, scrubbed."""

    def __init__(self, family: str, *, max_bytes: int = MAX_BYTES) -> None:
        self.family = family
        self._max_bytes = max_bytes
        self._scrubber = scrubber(family)
        self._marks: dict[bool, deque[tuple[float, int]]] = {True: deque(), False: deque()}
        self._last_s = {True: 0.0, False: 0.0}
        self._chunks: list[Chunk] = []
        self._size = 0

    def heard(self, t_s: float, data: bytes, *, from_device: bool) -> None:
        """Bytes of one read. RecordingError: the recording is full."""
        self._size += len(data)
        if self._size > self._max_bytes:
            raise RecordingError(f"a recording holds {self._max_bytes} bytes; start another one")
        if self.family in kind.ASKED:  # one speaks at a time: what the other began will not go on
            self._end(from_device=not from_device)
        self._marks[from_device].append((t_s, len(data)))
        self._last_s[from_device] = t_s
        self._keep(self._scrubber.feed(data, from_device=from_device), from_device=from_device)

    @property
    def size(self) -> int:
        """Bytes heard so far."""
        return self._size

    def settle(self, now_s: float) -> None:
        """To be called now and then: what has waited through a silence is no frame's begin."""
        for from_device, marks in self._marks.items():
            if marks and now_s - self._last_s[from_device] > HOLD_S:
                self._end(from_device=from_device)

    def recording(self, rate: int, about: str = "") -> Recording:
        """All of it, in the order of time."""
        for from_device in self._marks:
            self._end(from_device=from_device)
        chunks = tuple(sorted(self._chunks, key=lambda chunk: chunk.t_s))
        return Recording(self.family, rate, chunks, about=about)

    def _end(self, *, from_device: bool) -> None:
        self._keep(self._scrubber.flush(from_device=from_device), from_device=from_device)

    def _keep(self, data: bytes, *, from_device: bool) -> None:
        """Give scrubbed bytes the times of those that they stand for."""
        marks = self._marks[from_device]
        while data:
            t_s, size = marks[0]
            piece, data = data[:size], data[size:]
            self._add(Chunk(t_s, from_device, piece))
            if len(piece) < size:
                marks[0] = (t_s, size - len(piece))
            else:
                marks.popleft()

    def _add(self, chunk: Chunk) -> None:
        last = self._chunks[-1] if self._chunks else None
        if last is not None and (last.t_s, last.from_device) == (chunk.t_s, chunk.from_device):
            self._chunks[-1] = replace(last, data=last.data + chunk.data)
        else:
            self._chunks.append(chunk)


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a device said after a request, with seconds from its end; or unasked, after the start."""

    request: bytes
    answers: tuple[tuple[float, bytes], ...]


def exchanges(recording: Recording) -> Iterator[Exchange]:
    """The recording as requests with their answers; first what came unasked, if anything did."""
    request, since_s = b"", 0.0
    answers: list[tuple[float, bytes]] = []
    for chunk in recording.chunks:
        if chunk.from_device:
            answers.append((chunk.t_s - since_s, chunk.data))
            continue
        if answers or (request and chunk.t_s - since_s > REQUEST_GAP_S):
            yield Exchange(request, tuple(answers))
            request, answers = b"", []
        request += chunk.data
        since_s = chunk.t_s
    if request or answers:
        yield Exchange(request, tuple(answers))
