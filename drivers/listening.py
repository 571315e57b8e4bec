"""The shell of all drivers whose device only sends: keeps the port, tells cards, keys and noise in time.

Such a device cannot be told from silence: it is `ok` once its port is open, `degraded` when bytes arrive that
are none of its own. Cards are its placements: told once, removed after a silence. Knows no protocol.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Generic, Literal, Protocol, TypeVar

from pydantic import Field

from drivers.allowance import MOST_READS, READS_PER_S, TOO_MUCH, Allowance
from drivers.base import (
    Assurance,
    CardRead,
    CardRemoved,
    CardUnreadable,
    CredentialKind,
    Emit,
    Tokenise,
)
from drivers.health import Health
from drivers.keypad import Entry, PinPad
from drivers.serial_reader import SerialReader, nothing
from drivers.settings import DeviceSettings, Port
from drivers.transport import Transport

Rate = Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200]

TICK_S = 1.0  # how often health looks whether a trouble is over
BURST_GAP_S = 0.2  # noise after so long a silence is another burst
NOISE_FORGOTTEN_S = 60.0
NOISE_OVER_S = (
    4.0  # a silent device looks like a good one; until forgotten, the next noise tells on it at once
)
NOISE_BYTES, NOISE_BURSTS = 64, 3  # so much without one good frame is no accident any more
MOST_BYTES, BYTES_PER_S = 64 * 1024, 32 * 1024  # the fastest line carries 11,520 bytes a second

_LINE = "line"
_FRAMES = "frames"
_FLOOD = "flood"
_NOISE = "noise on the line"


class ListeningSettings(DeviceSettings):
    """A reader that only sends."""

    port: Port
    rate: Rate = 9600
    removal_s: Annotated[float, Field(ge=0.1, le=30)] = 1.0
    """So long after its last frame a card is gone, and its next is a new presentation."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A card or code in its canonical form, as CredentialKind describes it."""

    kind: CredentialKind
    number: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Typed:
    """A key: "0" to "9", "*" or "#"."""

    char: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """Something was presented and is no credential; `cause` is for a person and holds no number."""

    cause: str


Heard = Shown | Typed | Refused


F = TypeVar("F")


class Framer(Protocol[F]):
    """Bytes of one device in, frames out. Pure: holds one frame at most."""

    discarded: int
    """Bytes so far that belonged to no frame."""

    @property
    def collecting(self) -> bool:
        """A frame has begun; `idle` is to be called after a silence."""

    def feed(self, data: bytes) -> list[F]: ...

    def idle(self) -> list[F]:
        """The line has been silent: what was begun is complete, or will never be."""

    def reset(self) -> None:
        """Forgets what was begun."""


class Decoder(ABC, Generic[F]):
    """A framer, and what its frames mean. Pure."""

    def __init__(self, framer: Framer[F], idle_s: float) -> None:
        self._framer = framer
        self._misread = 0  # bytes of frames that mean nothing
        self.idle_s = idle_s

    @property
    def discarded(self) -> int:
        """Bytes so far that meant nothing."""
        return self._framer.discarded + self._misread

    @property
    def collecting(self) -> bool:
        """A frame has begun; `idle` is to be called after a silence of `idle_s`."""
        return self._framer.collecting

    def feed(self, data: bytes) -> list[Heard]:
        return self._meanings(self._framer.feed(data))

    def idle(self) -> list[Heard]:
        return self._meanings(self._framer.idle())

    def reset(self) -> None:
        self._framer.reset()

    def _meanings(self, frames: list[F]) -> list[Heard]:
        return [heard for frame in frames if (heard := self._meaning(frame)) is not None]

    @abstractmethod
    def _meaning(self, frame: F) -> Heard | None:
        """What one frame says; None if that is nothing."""


@dataclass(frozen=True, slots=True)
class Device:
    """What distinguishes one kind of listening driver from another."""

    decoder: Decoder[Any]
    not_ours: str
    """Cause when bytes arrive and none are a frame of this device: what to check."""
    repeats: bool = False
    """It sends again and again while a card lies there; else once for each."""
    pad: PinPad = field(default_factory=lambda: PinPad("off", 1, 1.0))


class ListeningReader(SerialReader):
    """A reader that only sends."""

    def __init__(self, name: str, settings: ListeningSettings, tokenise: Tokenise, device: Device) -> None:
        super().__init__(name, settings.port, partial(_Session, name, settings, tokenise, device=device))


@dataclass(slots=True)
class _Noise:
    """What arrived and meant nothing, since the last good frame."""

    bytes: int = 0
    bursts: int = 0
    last_s: float | None = None

    def add(self, count: int, now: float) -> bool:
        """Whether this is no accident any more."""
        if self.last_s is None or now - self.last_s > NOISE_FORGOTTEN_S:
            self.bytes = self.bursts = 0
        if not self.bursts or self.last_s is None or now - self.last_s > BURST_GAP_S:
            self.bursts += 1
        self.bytes += count
        self.last_s = now
        return self.bytes >= NOISE_BYTES or self.bursts >= NOISE_BURSTS

    def is_over(self, now: float) -> bool:
        return self.last_s is None or now - self.last_s >= NOISE_OVER_S


@dataclass(slots=True)
class _Placement:
    """The card that was seen last and has not been away for `removal_s`."""

    token: str
    seen_s: float


class _Session:
    """The reading thread's own state; outlives losses of the line."""

    def __init__(
        self,
        name: str,
        settings: ListeningSettings,
        tokenise: Tokenise,
        stopped: threading.Event,
        emit: Emit,
        *,
        device: Device,
    ) -> None:
        self._name = name
        self._settings = settings
        self._tokenise = tokenise
        self._device = device
        self._decoder = device.decoder
        self._pad = device.pad
        self._stopped = stopped
        self._emit = emit
        self.health = Health("reader", name, emit)
        self.while_reading: Callable[[], None] = nothing
        self._card: _Placement | None = None
        self._told = False  # CardRead was emitted, CardRemoved not yet
        self._complained_s: float | None = None
        self._heard_s = 0.0
        self._noise = _Noise()
        self._frames_are_good = True
        self._bytes = Allowance(MOST_BYTES, BYTES_PER_S)
        self._reads = Allowance(MOST_READS, READS_PER_S)

    @property
    def opening_rate(self) -> int:
        return self._settings.rate

    def run(self, transport: Transport) -> None:
        """Listens until stopped. Raises DeviceUnavailable."""
        transport.flush_input()  # whatever was sent while nobody listened opens no door now
        self.health.recovering("the port is open")
        where = f"at {self._settings.rate} baud" if transport.sets_rate else f"at {self._settings.port}"
        self.health.ready(f"listens {where}")
        self._noise, self._frames_are_good = _Noise(), True
        if self._card is not None:
            self._card.seen_s = time.monotonic()
        while not self._stopped.is_set():
            data = transport.read(self._wait_s(time.monotonic()))
            now = time.monotonic()
            if data and not self._bytes.take(len(data), now):
                self._wait_out_the_flood(transport)
            elif data:
                self._heard_s = now
                had_begun = self._decoder.collecting
                self._take(self._decoder.feed, data, now)
                if self._decoder.collecting and not had_begun:
                    self.while_reading()  # the rest takes a millisecond a byte at the usual speed
            elif self._decoder.collecting and now >= self._heard_s + self._decoder.idle_s:
                self._take(lambda _: self._decoder.idle(), b"", now)
            self._do_what_is_due(now)

    def interrupted(self) -> None:
        """The line is gone, or reading stops. A card that repeats itself may lie there when it returns."""
        self._decoder.reset()
        self._tell(self._pad.give_up(), time.monotonic())
        if not self._device.repeats or self._stopped.is_set():
            self._remove()

    # --- time ---------------------------------------------------------------------------------------------

    def _wait_s(self, now: float) -> float:
        ends = [TICK_S]
        if self._decoder.collecting:
            ends.append(self._heard_s + self._decoder.idle_s - now)
        if self._card is not None and not self._pad.holds_card:
            ends.append(self._card.seen_s + self._settings.removal_s - now)
        pad_s = self._pad.wait_s(now)
        return max(0.0, min(ends if pad_s is None else [*ends, pad_s]))

    def _do_what_is_due(self, now: float) -> None:
        self._tell(self._pad.tick(now), now)
        if self._card is not None and not self._pad.holds_card and not self._is_there(now):
            self._remove()
        self.health.fine(_LINE)
        if self._noise.is_over(now):
            self._frames_are_good = True
        if self._frames_are_good:
            self.health.fine(_FRAMES)
        if self._bytes.is_kept(now) and self._reads.is_kept(now):
            self.health.fine(_FLOOD)

    def _is_there(self, now: float) -> bool:
        return self._card is not None and now < self._card.seen_s + self._settings.removal_s

    def _wait_out_the_flood(self, transport: Transport) -> None:
        """The device costs no more than this thread's own sleep; cards in the flood are not read."""
        self.health.degraded(_FLOOD, TOO_MUCH)
        self._stopped.wait(TICK_S)
        transport.flush_input()
        self._decoder.reset()

    def _may_tell(self, now: float) -> bool:
        if self._reads.take(1, now):
            return True
        self.health.degraded(_FLOOD, TOO_MUCH)
        return False

    # --- what was heard -----------------------------------------------------------------------------------

    def _take(self, decode: Callable[[bytes], list[Heard]], data: bytes, now: float) -> None:
        at_ns = time.monotonic_ns()
        before = self._decoder.discarded
        heard = decode(data)
        self._account(heard, self._decoder.discarded - before, now)
        for each in heard:
            match each:
                case Shown():
                    self._shown(each, now, at_ns)
                case Typed():
                    self._tell(self._pad.key(each.char, now), now)
                case Refused():
                    self._refused(each, now)

    def _account(self, heard: list[Heard], noise: int, now: float) -> None:
        """Noise beside good frames is an accident; noise without any is a wrong setting."""
        if any(isinstance(each, Shown) for each in heard):
            self._noise = _Noise()
            self._frames_are_good = True
        elif noise and self._noise.add(noise, now):
            self._frames_are_good = False
            self.health.degraded(_FRAMES, self._device.not_ours)
        if noise and self._frames_are_good:
            self.health.blip(_NOISE)

    def _shown(self, shown: Shown, now: float, at_ns: int) -> None:
        token = self._tokenise(shown.kind, shown.number)
        if self._card is not None and self._card.token == token and self._is_there(now):
            self._card.seen_s = now
            return
        if not self._pad.holds_card:
            self._remove()
        read = CardRead(self._name, shown.kind, token, Assurance.L0, at_ns)
        self._tell(self._pad.card(read, now), now, newest=read)
        self._card = _Placement(token, now)
        self._complained_s = None

    def _refused(self, refused: Refused, now: float) -> None:
        if self._device.repeats and self._is_there(now):
            return  # a damaged frame of the card that is known already
        again = self._complained_s is not None and now < self._complained_s + self._settings.removal_s
        self._complained_s = now
        if not again and self._may_tell(now):
            self._emit(CardUnreadable(self._name, refused.cause))

    def _tell(self, entries: list[Entry], now: float, newest: CardRead | None = None) -> None:
        """Emits what is complete. A card before `newest` has made room for it."""
        for entry in entries:
            if not self._may_tell(now):
                continue
            self._emit(entry.as_read(self._name, self._tokenise, time.monotonic_ns()))
            self._told = self._told or entry.card is not None
            if newest is not None and entry.card is not newest:
                self._remove()

    def _remove(self) -> None:
        self._card = None
        if self._told:
            self._told = False
            self._emit(CardRemoved(self._name))
