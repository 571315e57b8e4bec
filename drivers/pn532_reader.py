"""Driver of a PN532 on a serial line: finds cards, tells each once, and notices when it is taken away.

Type A cards are told by their UID, resident ID cards by their chip's serial (readers.md 4.1, 4.6): both can
be read and copied by anyone and prove nothing. Knows no doors and no records.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Annotated

from pydantic import Field

from drivers.base import (
    Assurance,
    CardRead,
    CardRemoved,
    CardUnreadable,
    CredentialKind,
    Emit,
    Tokenise,
)
from drivers.errors import DeviceUnavailable, ProtocolViolation
from drivers.health import Health
from drivers.pn532_codec import (
    ATTRIB,
    BAUD_RATE,
    FIELD_OFF,
    FIELD_ON,
    GET_CHIP_SERIAL,
    LIST_TYPE_A,
    REQB,
    SPEAK_TYPE_B,
    Answer,
    Command,
    Exchange,
    Status,
    chip_serial,
    is_atqb,
    is_id_card,
    parse_exchange,
    parse_type_a,
)
from drivers.pn532_link import Miss, Pn532Link
from drivers.serial_reader import SerialReader, nothing
from drivers.settings import DeviceSettings, Port
from drivers.transport import Transport
from drivers.uid import refusal, uid_number, without_cascade_tags

FIELD_PAUSE_S = 0.01  # without power for so long, a chip of a card that hangs has forgotten why
MISSES_UNTIL_REMOVED = 2  # single ones happen with the card lying still
FAILURES_BORNE = 3  # of a card that is there and was read before; of one that was not, attempts to read it
SILENT_UNTIL_LOST = 3  # commands in a row without an answer

_LINE = "line"
_NOISE = "noise on the line"
_SILENT = "the PN532 does not answer; is it powered, connected and switched to HSU?"
_HOLD_STILL = "the card was not read to its end: present it again and hold it still"
_NO_ID_CARD = "a type B card that is no resident ID card: enrol another card"
_TWO_CARDS = "more than one card: present one alone"
_LOST_WHILE_READING = "the reader was lost while it read the card"


class Pn532Settings(DeviceSettings):
    """A PN532 on a serial line (HSU)."""

    port: Port
    poll_s: Annotated[float, Field(ge=0.02, le=2.0)] = 0.1  # how often cards are looked for
    id_cards: bool = True  # resident ID cards too; false where there are none, for a quicker look


@dataclass(frozen=True, slots=True, repr=False)
class _Found:
    """A card with a number that can be a credential."""

    kind: CredentialKind
    number: str


@dataclass(frozen=True, slots=True)
class _Refused:
    """A card that cannot be a credential."""

    cause: str


class _Failed(Enum):
    """A look that tells no card, and not that there is none."""

    CARD = "card"  # one is there and was not read this time
    NOISE = "noise"  # something answers without sense: two ID cards at once, or none at all
    LINE = "line"  # an answer of the chip was lost: nothing is known that was not before


_Look = _Found | _Refused | _Failed | None  # None: no card


@dataclass(slots=True)
class _Placement:
    """What we know of the card on the reader, over losses of the line too."""

    token: str | None = None  # of the card that lies there and was told
    complained: bool = False  # CardUnreadable was emitted for what lies there
    misses: int = 0  # looks in a row that found nothing
    failures: int = 0  # looks in a row that met something and did not read it
    seen: bool = False  # that was a card without doubt


class Pn532Reader(SerialReader):
    """The chip has neither lamp nor buzzer."""

    def __init__(self, name: str, settings: Pn532Settings, tokenise: Tokenise) -> None:
        super().__init__(name, settings.port, partial(_Session, name, settings, tokenise))


class _Session:
    """The reading thread's own state; outlives losses of the line."""

    def __init__(
        self, name: str, settings: Pn532Settings, tokenise: Tokenise, stopped: threading.Event, emit: Emit
    ) -> None:
        self._name = name
        self._settings = settings
        self._tokenise = tokenise
        self._stopped = stopped
        self._emit = emit
        self.health = Health("reader", name, emit)
        self.while_reading: Callable[[], None] = nothing  # a UID comes at once: there is no while
        self._card = _Placement()
        self._silent = self._failed = 0  # commands in a row: without an answer, with a wrong one
        self._link: Pn532Link

    @property
    def opening_rate(self) -> int:
        return BAUD_RATE

    def interrupted(self) -> None:
        """A card that lies there all the time is the same when the line is back."""

    def run(self, transport: Transport) -> None:
        """Sets the chip up and reads until stopped. Raises DeviceUnavailable."""
        self._link = Pn532Link(transport, self._stopped.is_set)
        self._silent = self._failed = 0
        miss = self._link.set_up() and self._link.set_up()  # the first may fall into the chip's waking up
        if self._stopped.is_set():
            return
        if miss is not None:
            raise DeviceUnavailable(transport.port, _SILENT if miss.silent else miss.cause)
        self.health.recovering(f"answers at {transport.port}")
        self.health.ready(self._link.firmware)
        while not self._stopped.is_set():
            self._round()

    def _round(self) -> None:
        """One look for a card, what comes of it, and the pause after it."""
        started = time.monotonic()
        try:
            look = self._look()
        except DeviceUnavailable:
            if self._card.seen:
                self._complain(_LOST_WHILE_READING)
            raise
        if not self._stopped.is_set():
            self._take(look)
            self._stopped.wait(max(0.0, started + self._settings.poll_s - time.monotonic()))

    # --- looking ------------------------------------------------------------------------------------------

    def _look(self) -> _Look:
        answer = self._ask(LIST_TYPE_A)
        if isinstance(answer, Miss):
            return _Failed.LINE
        try:
            uids = parse_type_a(answer.data)
        except ProtocolViolation as error:
            self._note_failure(str(error))
            return _Failed.LINE
        if uids:
            return _judge(uids)
        return self._look_for_id_card() if self._settings.id_cards else None

    def _look_for_id_card(self) -> _Look:
        """Type B by hand, in a field that was off: an ID card's chip hangs now and then (readers.md 4.1)."""
        for command in (FIELD_OFF, FIELD_ON, SPEAK_TYPE_B):
            if isinstance(self._ask(command), Miss):
                return _Failed.LINE
            if command is not SPEAK_TYPE_B:
                self._stopped.wait(FIELD_PAUSE_S)
        atqb = self._through(REQB)
        if atqb is None:
            return _Failed.LINE
        if atqb.status is Status.TIME_OUT:
            return None
        if not is_atqb(atqb.data):
            return _Failed.NOISE
        if not is_id_card(atqb.data):
            return _Refused(_NO_ID_CARD)
        return self._read_id_card()

    def _read_id_card(self) -> _Look:
        for command in (ATTRIB, GET_CHIP_SERIAL):
            answer = self._through(command)
            if answer is None or answer.status is not Status.GOOD:
                return _Failed.CARD
            if command is GET_CHIP_SERIAL:
                serial = chip_serial(answer.data)
                if serial is not None:
                    return _Found(CredentialKind.ID_CARD_CHIP, serial.hex().upper())
        return _Failed.CARD

    def _through(self, command: Command) -> Exchange | None:
        """What the card answers; None if the line failed."""
        answer = self._ask(command)
        if isinstance(answer, Miss):
            return None
        try:
            return parse_exchange(answer.data)
        except ProtocolViolation as error:
            self._note_failure(str(error))
            return None

    # --- asking -------------------------------------------------------------------------------------------

    def _ask(self, command: Command) -> Answer | Miss:
        """Asks, and keeps account of the line. Raises DeviceUnavailable."""
        answer = self._link.ask(command)
        if self._stopped.is_set():
            return answer
        if isinstance(answer, Answer):
            self._silent = self._failed = 0
            if self._link.noise:
                self.health.blip(_NOISE)
            self.health.fine(_LINE)
        elif answer.silent:
            self._silent += 1
            if self._silent >= SILENT_UNTIL_LOST:
                raise DeviceUnavailable(self._settings.port, _SILENT)
            self.health.blip(answer.cause)
        else:
            self._note_failure(answer.cause)
        return answer

    def _note_failure(self, cause: str) -> None:
        self._silent = 0
        self._failed += 1
        if self._failed > 1:  # twice in a row
            self.health.degraded(_LINE, cause)
        else:
            self.health.blip(cause)

    # --- cards --------------------------------------------------------------------------------------------

    def _take(self, look: _Look) -> None:
        match look:
            case None:
                self._nothing_found()
            case _Found():
                self._tell_read(look)
            case _Refused(cause):
                self._card.misses = 0
                self._complain(cause)
            case _Failed.CARD | _Failed.NOISE:
                self._note_unread(is_card=look is _Failed.CARD)

    def _nothing_found(self) -> None:
        card = self._card
        card.misses += 1
        if card.seen and card.token is None:  # it left before it was read
            self._complain(_HOLD_STILL)
        card.seen, card.failures = False, 0
        if card.misses >= MISSES_UNTIL_REMOVED:
            self._end_placement()

    def _tell_read(self, found: _Found) -> None:
        token = self._tokenise(found.kind, found.number)
        if token != self._card.token:
            self._tell_removed()
            self._card = _Placement(token)
            self._emit(CardRead(self._name, found.kind, token, Assurance.L0, self._link.read_at_ns))
        self._card.misses = self._card.failures = 0
        self._card.seen = False

    def _note_unread(self, *, is_card: bool) -> None:
        self._card.misses = 0
        self._card.seen = self._card.seen or is_card
        self._card.failures += 1
        if self._card.failures >= FAILURES_BORNE:
            self._complain(_HOLD_STILL)

    def _complain(self, cause: str) -> None:
        self._tell_removed()
        if not self._card.complained and not self._stopped.is_set():
            self._card.complained = True
            self._emit(CardUnreadable(self._name, cause))

    def _tell_removed(self) -> None:
        if self._card.token is not None:
            self._card.token = None
            self._emit(CardRemoved(self._name))

    def _end_placement(self) -> None:
        self._tell_removed()
        self._card = _Placement()


def _judge(uids: list[bytes]) -> _Found | _Refused:
    if len(uids) > 1:
        return _Refused(_TWO_CARDS)
    uid = without_cascade_tags(uids[0])
    cause = refusal(uid)
    return _Refused(cause) if cause else _Found(CredentialKind.CARD_UID, uid_number(uid))
