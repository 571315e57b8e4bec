"""What the way from device to program does with whole frames: spoils, cuts, delays and paces them.

Pure: chance and time are arguments, no port is known here. Bytes keep their order.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random
from typing import Any

from firmware_sim.device import Frame
from firmware_sim.faults import FaultSet

BITS_PER_BYTE = 10  # 8N1
MAX_NOISE_BY_CHANCE = 20  # readers.md 8.1, fault 1
MAX_WAITING = 65_536  # bytes that may wait for their moment; more is lost, as in a device's own buffer

_PACED_CHUNK = 32  # bytes handed over at once on a paced line: what a UART's fifo passes on, 2.8 ms at 115200
_SLOW_S = 1.0  # when the fault says neither delay nor factor
# Garbage must not become a frame, a command or a status query by chance.
_GARBAGE = bytes(value for value in range(256) if value not in (0xAA, 0x96, 0xA0, 0xFF))
_MAX_GARBAGE = 4096  # bytes out of one read


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that leave in one write, not before `due_s`."""

    data: bytes
    due_s: float
    rate: int
    read_of: str | None = None  # with this piece a read is out, undamaged


def garble(data: bytes, sent_at: int, read_at: int, rng: Random) -> bytes:
    """What arrives when the two ends differ in rate: noise, in proportion to the rates, never a frame.

    A rate of 0 is one that nobody uses: the noise is as long as the data.
    """
    size = len(data) * read_at // sent_at if sent_at and read_at else len(data)
    return bytes(rng.choices(_GARBAGE, k=min(max(size, 1), _MAX_GARBAGE)))


class Wire:
    """The outgoing direction of one device."""

    def __init__(self, faults: FaultSet, rng: Random, *, paced: bool) -> None:
        self._faults = faults
        self._rng = rng
        self._paced = paced
        self._pieces: deque[Piece] = deque()
        self._waiting = 0
        self._free_s = 0.0  # when the last byte on the way is through
        self._held: Frame | None = None
        self._babble_s: float | None = None  # when the next senseless bytes come
        self.overrun = 0  # bytes lost because too many waited

    def offer(self, frame: Frame) -> None:
        """Take a whole frame from the device."""
        for piece in self._through_faults(frame):
            self._queue(piece)

    def offer_raw(self, data: bytes, now: float, rate: int) -> None:
        """Bytes that are no frame: echo, garbage of a wrong rate."""
        self._queue(Piece(data, now, rate))

    def babble(self, now: float, rate: int) -> None:
        """Send senseless bytes if that fault is on; to be called whenever `next_due` has come."""
        fault = self._faults.peek("babble")
        if fault is None:
            self._babble_s = None
            return
        if self._babble_s is not None and now < self._babble_s:
            return
        self._faults.use("babble")
        data = self._rng.randbytes(fault["size"]) if fault["hex"] is None else bytes.fromhex(fault["hex"])
        self.offer_raw(data, now, rate)
        self._babble_s = now + fault["gap_s"]

    def due(self, now: float) -> list[Piece]:
        """Pieces to write by now, in order."""
        due: list[Piece] = []
        while self._pieces and self._pieces[0].due_s <= now:
            piece = self._pieces.popleft()
            self._waiting -= len(piece.data)
            due.append(piece)
        return due

    def next_due(self) -> float | None:
        """The moment of the next piece."""
        first_s = self._pieces[0].due_s if self._pieces else None
        if self._babble_s is None or first_s is None:
            return self._babble_s if first_s is None else first_s
        return min(first_s, self._babble_s)

    def drop(self) -> None:
        """The device lost power or its plug: nothing more comes."""
        self._pieces.clear()
        self._waiting = 0
        self._held = None
        self._babble_s = None
        self._free_s = 0.0

    def _queue(self, piece: Piece) -> None:
        if self._waiting + len(piece.data) > MAX_WAITING:
            self.overrun += len(piece.data)
            return
        start_s = max(piece.due_s, self._free_s)
        chunks = _paced(piece, start_s) if self._paced else [replace(piece, due_s=start_s)]
        self._pieces.extend(chunks)
        self._waiting += len(piece.data)
        self._free_s = chunks[-1].due_s

    def _through_faults(self, frame: Frame) -> list[Piece]:
        faults = self._faults
        if not faults and self._held is None:
            return [Piece(frame.data, frame.due_s, frame.rate, frame.read_of)]
        if faults.peek("wedged") is not None or faults.use("no_answer") is not None:
            return []
        if (slow := faults.use("slow")) is not None:
            frame = _late(frame, slow)
        frame = self._damaged(frame)
        if self._held is not None:
            held, self._held = self._held, None
            frame = replace(frame, data=held.data + frame.data, read_of=frame.read_of or held.read_of)
        elif faults.use("merged") is not None:
            self._held = frame
            return []
        return self._cut(frame)

    def _damaged(self, frame: Frame) -> Frame:
        for name, damage in _DAMAGES.items():
            if (parameters := self._faults.use(name)) is not None:
                frame = replace(frame, data=damage(frame, parameters, self._rng), read_of=None)
        for name, change in _ADDITIONS.items():
            if (parameters := self._faults.use(name)) is not None:
                frame = replace(frame, data=change(frame, parameters, self._rng))
        return frame

    def _cut(self, frame: Frame) -> list[Piece]:
        data = frame.data
        cuts: list[int] = []
        gap_s = 0.0
        if (split := self._faults.use("split")) is not None:
            cuts, gap_s = list(range(1, len(data))), split["gap_s"]
        elif (cut := self._faults.use("cut")) is not None and len(data) > 1:
            at = cut["at"] or (max(self._faults.used("cut"), 1) - 1) % (len(data) - 1) + 1
            cuts, gap_s = [min(at, len(data) - 1)], cut["gap_s"]
        bounds = [0, *cuts, len(data)]
        pieces = [
            Piece(data[start:end], frame.due_s + at * gap_s, frame.rate)
            for at, (start, end) in enumerate(pairwise(bounds))
        ]
        pieces[-1] = replace(pieces[-1], read_of=frame.read_of)
        if (noise := self._faults.use("noise_between")) is not None:
            later_s = pieces[-1].due_s + noise["gap_s"]
            pieces.append(Piece(_noise(noise, self._rng), later_s, frame.rate))
        return pieces


def _paced(piece: Piece, start_s: float) -> list[Piece]:
    data = piece.data
    byte_s = BITS_PER_BYTE / piece.rate
    ends = [*range(_PACED_CHUNK, len(data), _PACED_CHUNK), len(data)]
    starts = [0, *ends[:-1]]
    chunks = [
        Piece(data[start:end], start_s + end * byte_s, piece.rate)
        for start, end in zip(starts, ends, strict=True)
    ]
    chunks[-1] = replace(chunks[-1], read_of=piece.read_of)
    return chunks


def _late(frame: Frame, parameters: Mapping[str, Any]) -> Frame:
    if parameters["factor"] is not None:
        return replace(frame, due_s=frame.asked_s + frame.usual_s * parameters["factor"])
    delay_s = _SLOW_S if parameters["delay_s"] is None else parameters["delay_s"]
    return replace(frame, due_s=frame.asked_s + delay_s)


def _noise(parameters: Mapping[str, Any], rng: Random) -> bytes:
    if parameters["hex"] is not None:
        return bytes.fromhex(parameters["hex"])
    return rng.randbytes(rng.randint(1, MAX_NOISE_BY_CHANCE))


def _lose_byte(frame: Frame, parameters: Mapping[str, Any], rng: Random) -> bytes:
    data = frame.data
    at = rng.randrange(len(data)) if parameters["at"] is None else min(parameters["at"], len(data) - 1)
    return data[:at] + data[at + 1 :]


def _insert_byte(frame: Frame, parameters: Mapping[str, Any], rng: Random) -> bytes:
    data = frame.data
    at = rng.randrange(len(data)) if parameters["at"] is None else min(parameters["at"], len(data))
    value = rng.randrange(256) if parameters["value"] is None else parameters["value"]
    return data[:at] + bytes([value]) + data[at:]


def _flip_bit(frame: Frame, parameters: Mapping[str, Any], rng: Random) -> bytes:
    data = bytearray(frame.data)
    bits = len(data) * 8
    bit = rng.randrange(bits) if parameters["bit"] is None else parameters["bit"] % bits
    data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


def _spoil_checksum(frame: Frame, _parameters: Mapping[str, Any], _rng: Random) -> bytes:
    if frame.check_at is None:
        return frame.data
    data = bytearray(frame.data)
    data[frame.check_at] ^= 0x01
    return bytes(data)


def _spoil_length(frame: Frame, parameters: Mapping[str, Any], _rng: Random) -> bytes:
    if frame.length_at is None:
        return frame.data
    start, end = frame.length_at
    most = (1 << 8 * (end - start)) - 1
    length = int.from_bytes(frame.data[start:end], "big") + 1
    if parameters["value"] is not None:
        length = parameters["value"]
    return frame.data[:start] + (length & most).to_bytes(end - start, "big") + frame.data[end:]


def _noise_before(frame: Frame, parameters: Mapping[str, Any], rng: Random) -> bytes:
    return _noise(parameters, rng) + frame.data


def _noise_after(frame: Frame, parameters: Mapping[str, Any], rng: Random) -> bytes:
    return frame.data + _noise(parameters, rng)


def _repeat(frame: Frame, _parameters: Mapping[str, Any], _rng: Random) -> bytes:
    return frame.data + frame.data


_Change = Callable[[Frame, Mapping[str, Any], Random], bytes]

# The frame is no good any more.
_DAMAGES: dict[str, _Change] = {
    "wrong_checksum": _spoil_checksum,
    "wrong_length": _spoil_length,
    "lost_byte": _lose_byte,
    "inserted_byte": _insert_byte,
    "bit_flip": _flip_bit,
}
# The frame is still in there.
_ADDITIONS: dict[str, _Change] = {
    "repeated": _repeat,
    "noise_before": _noise_before,
    "noise_after": _noise_after,
}
