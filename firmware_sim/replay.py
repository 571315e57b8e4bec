"""Plays a recording on a pseudo-terminal: unasked bytes in their rhythm, answers after their requests."""

import threading
import time
from itertools import chain
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from firmware_sim.device import Frame, Notice, Outbox
from firmware_sim.errors import RecordingError
from firmware_sim.faults import FaultSet
from firmware_sim.line import Line, LineHub, Station
from firmware_sim.ports import PtyPort
from firmware_sim.recording import Exchange, Recording, exchanges, parse_recording
from firmware_sim.wire import Wire

_FORGET_S = 0.3  # a request that did not come whole in this time is another one
_POLL_S = 0.01


def load_recording(path: Path) -> Recording:
    """RecordingError: it cannot be read, or is none."""
    try:
        return parse_recording(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path} cannot be read: {error}") from error
    except RecordingError as error:
        raise RecordingError(f"{path}, {error}") from error


class ReplayDevice:
    """The device of a recording. `now` is the caller's monotonic clock in seconds.

    A request is answered as the next equal one of the recording was, or, when there is none left, as the last
    equal one that was; an unknown request is not answered.
    """

    def __init__(self, recording: Recording, *, speed: float = 1.0) -> None:
        self._rate = recording.rate
        self._speed = speed
        played = list(exchanges(recording))
        self._unasked = played.pop(0) if played and not played[0].request else None
        self._exchanges: list[Exchange] = played
        self._longest = max((len(each.request) for each in played), default=0)
        self._at = 0
        self._heard = b""
        self._heard_s = 0.0
        self._started = False
        self._outbox = Outbox()
        self.unknown = 0  # bytes of requests that the recording does not know

    @property
    def rate(self) -> int:
        return self._rate

    @property
    def finished(self) -> bool:
        """Whether everything that the recording holds was asked for and is out."""
        return self._started and self._at >= len(self._exchanges) and self._outbox.next_due() is None

    def start(self, now: float) -> None:
        """A program is there: what came unasked begins now. A second start does nothing."""
        if self._started:
            return
        self._started = True
        if self._unasked is not None:
            first_s = self._unasked.answers[0][0]
            for t_s, data in self._unasked.answers:
                self._say(data, now + (t_s - first_s) / self._speed, now)

    def feed(self, data: bytes, now: float) -> None:
        self.start(now)
        if now - self._heard_s > _FORGET_S:
            self._miss()
        self._heard_s = now
        self._heard += data
        while self._heard and (found := self._find()) is not None:
            exchange = self._exchanges[found]
            self._heard = self._heard[len(exchange.request) :]
            self._at = max(self._at, found + 1)
            for delay_s, answer in exchange.answers:
                self._say(answer, now + delay_s / self._speed, now)
        if len(self._heard) > self._longest:
            self._miss()

    def take(self, now: float) -> list[Frame]:
        return self._outbox.take(now)

    def next_due(self) -> float | None:
        return self._outbox.next_due()

    def notices(self) -> list[Notice]:
        return self._outbox.notices()

    def power_cycle(self, now: float) -> None:  # noqa: ARG002 - a recording goes on where it was
        self._outbox.clear()
        self._heard = b""

    def _find(self) -> int | None:
        """The exchange whose request was heard: the next such one, else the last before that was answered."""
        ahead = range(self._at, len(self._exchanges))
        behind = range(self._at - 1, -1, -1)
        answered = (at for at in behind if self._exchanges[at].answers)
        for at in chain(ahead, answered):
            if self._heard.startswith(self._exchanges[at].request):
                return at
        return None

    def _miss(self) -> None:
        self.unknown += len(self._heard)
        self._heard = b""

    def _say(self, data: bytes, due_s: float, now: float) -> None:
        self._outbox.put(Frame(data, due_s, now, self._rate, check_at=None))


class Replayer:
    """Offers a recording at `link`. `with Replayer(recording, link) as replayer:`"""

    def __init__(self, recording: Recording, link: Path, *, speed: float = 1.0) -> None:
        self.device = ReplayDevice(recording, speed=speed)
        faults = FaultSet(recording.family)
        wire = Wire(faults, Random(0), paced=False)
        station = Station("replay", recording.family, self.device, faults, wire, Random(0), babbles=False)
        self._line = Line("replay", (station,))
        self._link = link
        self._hub = LineHub(self)
        self.trouble: str | None = None

    def __enter__(self) -> Self:
        self._port = PtyPort(self._link)
        self._port.forget_rate()
        self._hub.plug_in(self._line, self._port)
        self._hub.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hub.stop()
        if self._line.port is not None:
            self._hub.unplug(self._line)

    @property
    def address(self) -> str:
        """What a program opens."""
        return self._port.address

    @property
    def opened(self) -> bool:
        """Whether a program has opened the port: it has set a rate."""
        return self._hub.call(self._port.rate) != 0

    def wait_opened(self, stop: threading.Event, timeout_s: float) -> bool:
        """Until a program has opened the port, or `stop`."""
        end_s = time.monotonic() + timeout_s
        while not (opened := self.opened) and time.monotonic() < end_s and not stop.wait(_POLL_S):
            continue
        return opened

    @property
    def finished(self) -> bool:
        """Whether the recording is over."""
        return self._hub.call(lambda: self.device.finished)

    def start(self) -> None:
        """Begin with what came unasked."""
        self._hub.call(self._start)

    def _start(self) -> None:
        self.device.start(time.monotonic())
        self._hub.refresh(self._line)

    # The hub tells these; a recording has nothing to add.

    def notice(self, station: Station, notice: Notice, t_ns: int) -> None:
        """A recording notices nothing."""

    def read_sent(self, station: Station, card: str, t_before_ns: int, t_ns: int) -> None:
        """It knows no cards."""

    def fault_over(self, station: Station, name: str) -> None:
        """It has no faults of its own."""

    def port_lost(self, line: Line, why: str) -> None:
        self.trouble = f"{line.name}: {why}"
