"""Driver of one contactless reader at the system's PC/SC service (readers.md 4).

What it reads anyone can copy: UIDs of type A cards, and the serials of resident ID cards' chips.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from drivers.base import Assurance, CardRead, CardRemoved, CardUnreadable, Emit, Indication, Tokenise
from drivers.health import Health
from drivers.pcsc_attendant import Attached, Attendant, Gone, Held, Lost, Report, Seen
from drivers.pcsc_card import Found, Missed, Refused
from drivers.pcsc_service import require
from drivers.settings import DeviceSettings

STOP_S = 1.0  # a reader that is held by its service for longer is left alone
_TICK_S = 0.25
_MISSES_BORNE = 1  # of a card that was read: it may only have been lifted or disturbed

_CARD = "card"
NO_ANSWER = "the reader does not answer: take the card away; if that does not help, unplug the reader"
_LOST_WHILE_READING = "the reader was lost while it read the card"


class PcscSettings(DeviceSettings):
    """A PC/SC reader. `reader` is its name as the service gives it, or a part that no other has."""

    reader: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=127),
        Field(description="the reader's name as `pcsc_scan -r` shows it, or a part that no other reader has"),
    ]
    feedback: Literal["auto", "acr122", "none"] = "auto"  # auto: by the reader's name
    removal_s: Annotated[float, Field(ge=0.1, le=5.0)] = 0.5  # a card gone for less has never left

    @property
    def place(self) -> str:
        return self.reader


class PcscReader:
    """A `ReaderDriver`. Raises ConfigurationError if pyscard is missing."""

    def __init__(self, name: str, settings: PcscSettings, tokenise: Tokenise) -> None:
        require()
        self.name = name
        self._settings = settings
        self._tokenise = tokenise
        self._stopped = threading.Event()
        self._reports: SimpleQueue[Report | None] = SimpleQueue()
        self._signals: deque[tuple[Indication, float]] = deque(maxlen=1)

    def run(self, emit: Emit) -> None:
        settings = self._settings
        attendant = Attendant(settings.reader, settings.feedback, self._reports, self._signals, self._stopped)
        thread = threading.Thread(target=attendant.run, name=f"pcsc {self.name}", daemon=True)
        thread.start()
        desk = _Desk(self.name, settings.removal_s, self._tokenise, attendant, emit)
        while not self._stopped.is_set():
            try:
                report = self._reports.get(timeout=desk.pause_s())
            except Empty:
                report = None
            if not thread.is_alive() and not self._stopped.is_set():
                raise RuntimeError(f"reader {self.name}: its thread fell")  # whoever supervises begins anew
            desk.look()
            if report is not None:
                desk.take(report)
        thread.join(STOP_S)

    def indicate(self, signal: Indication) -> None:
        self._signals.append((signal, time.monotonic()))

    def stop(self) -> None:
        self._stopped.set()
        self._reports.put(None)


@dataclass(slots=True)
class _Placement:
    """What we know of the card on the reader, over losses of the service too."""

    token: str | None = None
    told: bool = False  # CardRead was emitted, CardRemoved not yet
    complained: bool = False  # CardUnreadable was emitted for what lies there
    misses: int = 0  # since it was read
    gone_s: float | None = None  # since when it is not seen


class _Desk:
    """What `run` holds: the reader's health, and what becomes of the attendant's reports."""

    def __init__(
        self, name: str, removal_s: float, tokenise: Tokenise, attendant: Attendant, emit: Emit
    ) -> None:
        self._name = name
        self._removal_s = removal_s
        self._tokenise = tokenise
        self._attendant = attendant
        self._emit = emit
        self._health = Health("reader", name, emit)
        self._card = _Placement()
        self._is_overdue = False

    def pause_s(self) -> float:
        """For how long nothing is to be done unless a report comes."""
        if self._card.gone_s is None:
            return _TICK_S
        return min(_TICK_S, max(0.0, self._card.gone_s + self._removal_s - time.monotonic()))

    def look(self) -> None:
        """Does what time brings about."""
        now = time.monotonic()
        if self._card.gone_s is not None and now - self._card.gone_s >= self._removal_s:
            self._end_placement()
        if now > self._attendant.due_s:
            self._note_overdue()
        elif self._is_overdue:
            self._is_overdue = False
            self._note_attached(self._attendant.attached)

    def take(self, report: Report) -> None:
        match report:
            case Attached(reader):
                self._note_attached(reader)
            case Lost(cause, gone):
                self._health.lost(cause, gone=gone)
            case Held(cause):
                self._health.degraded(_CARD, cause)
            case Gone():
                self._health.fine(_CARD)
                if self._card.gone_s is None:
                    self._card.gone_s = time.monotonic()
            case Seen(Found() as found, at_ns):
                self._health.fine(_CARD)
                self._tell_read(found, at_ns)
            case Seen(Missed(cause), _):
                self._note_miss(cause)
            case Seen(Refused(cause), _):
                self._health.fine(_CARD)
                self._complain(cause)

    def _note_attached(self, reader: str | None) -> None:
        if reader is not None:
            self._health.recovering(f"{reader} answers")
            self._health.ready(reader)

    def _note_overdue(self) -> None:
        if self._is_overdue:
            return
        self._is_overdue = True
        self._health.lost(NO_ANSWER, gone=False)
        if self._attendant.reads:
            self._complain(_LOST_WHILE_READING)

    def _tell_read(self, found: Found, at_ns: int) -> None:
        token = self._tokenise(found.kind, found.number)
        card = self._card
        card.gone_s, card.misses = None, 0
        if token == card.token:  # it never left: we only lost sight of it
            return
        if card.told:
            self._emit(CardRemoved(self._name))
        self._card = _Placement(token, told=True)
        self._emit(CardRead(self._name, found.kind, token, Assurance.L0, at_ns))

    def _note_miss(self, cause: str) -> None:
        self._card.gone_s = None
        self._card.misses += 1
        if not self._card.told or self._card.misses > _MISSES_BORNE:
            self._complain(cause)

    def _complain(self, cause: str) -> None:
        card = self._card
        card.gone_s = None
        if card.told:
            card.told = False
            self._emit(CardRemoved(self._name))
        if not card.complained:
            card.complained = True
            self._emit(CardUnreadable(self._name, cause))

    def _end_placement(self) -> None:
        told, self._card = self._card.told, _Placement()
        if told:
            self._emit(CardRemoved(self._name))
