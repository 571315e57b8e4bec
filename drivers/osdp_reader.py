"""Driver of one OSDP reader: cards, keys, tamper and power in, light and sound out.

Several may share a line. Nothing is taken from a reader that has not proved its own key (trust.md R-42).
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from drivers.allowance import MOST_READS, READS_PER_S, TOO_MUCH, Allowance
from drivers.base import (
    POWER_INPUT,
    TAMPER_INPUT,
    Assurance,
    CardRead,
    CardRemoved,
    CardUnreadable,
    CredentialKind,
    Emit,
    Indication,
    InputChanged,
    InputState,
    Tokenise,
)
from drivers.card_number import MAX_BITS, ByteOrder, may_be_reversed, number_of_bytes
from drivers.errors import ProtocolViolation
from drivers.health import Health
from drivers.keypad import Entry, PinPad, PinSettings
from drivers.osdp_bus import Seat, join
from drivers.osdp_panel import buzzer_wish, led_wish, require_library
from drivers.osdp_seat import (
    FLOOD,
    TICK_S,
    Bulletin,
    Fine,
    Inbox,
    Installed,
    Item,
    Local,
    Offline,
    Online,
    Shown,
    Trouble,
    Typed,
)
from drivers.osdp_settings import OsdpSettings
from drivers.uid import refusal, uid_number, without_cascade_tags

log = logging.getLogger(__name__)

_RED, _GREEN, _AMBER = 1, 2, 3  # readers.md 6.3
_LIGHTS = {  # colour, tenths of a second on and off, and in all
    Indication.GRANTED: (_GREEN, 2, 1, 30),
    Indication.DENIED: (_RED, 10, 0, 20),
    Indication.NOT_NOW: (_AMBER, 5, 5, 30),
    Indication.ASK_DESK: (_RED, 5, 5, 40),
    Indication.OUT_OF_ORDER: (_RED, 1, 1, 30),
    Indication.HOLD_CARD: (_AMBER, 10, 0, 30),
    Indication.TRY_AGAIN: (_AMBER, 2, 2, 20),
}
_SOUNDS = {  # tenths of a second on and off, how often
    Indication.GRANTED: (2, 1, 1),
    Indication.DENIED: (4, 2, 2),
    Indication.NOT_NOW: (10, 1, 1),
    Indication.ASK_DESK: (10, 3, 2),
    Indication.OUT_OF_ORDER: (1, 1, 5),
    Indication.TRY_AGAIN: (1, 1, 3),
}
_OTHER_LENGTH = "a card of another format: enrol it at a reader that is set to its format"
_OBSOLETE = "the reader sends cards as text: set it to raw data"


class OsdpReaderSettings(OsdpSettings, PinSettings):
    """A reader on an OSDP line."""

    card: Literal["number", "uid"] = "number"
    """What the reader's raw data is: a Wiegand word or other number, or the UID of an ISO 14443 A card."""
    bits: Annotated[
        tuple[Annotated[int, Field(strict=True, ge=1, le=MAX_BITS)], ...], Field(max_length=16)
    ] = ()
    """Card formats by length, parity included; cards of another length are refused. Empty: any."""
    byte_order: ByteOrder = "as_sent"
    removal_s: Annotated[float, Field(ge=0.1, le=30)] = 1.0
    """So long after it was read last a card is gone, and its next is a new presentation."""

    @model_validator(mode="after")
    def _must_fit(self) -> Self:
        if self.byte_order == "reversed" and not (self.bits or self.card == "uid"):
            raise ValueError("byte_order: say in bits which formats the cards have")
        for bits in self.bits if self.byte_order == "reversed" else ():
            if not may_be_reversed(bits):
                raise ValueError(f"byte_order: {bits}-bit cards have no whole bytes; leave it out")
        return self


class OsdpReader:
    """A `ReaderDriver`."""

    def __init__(self, name: str, settings: OsdpReaderSettings, tokenise: Tokenise) -> None:
        """Raises ConfigurationError if libosdp is missing, or there is no key that may be used."""
        require_library()
        self.name = name
        self._settings = settings
        self._tokenise = tokenise
        self._key = settings.make_key()
        self._inbox = Inbox()
        self._stopped = threading.Event()
        self._seat: Seat | None = None
        self._leds = self._buzzers = 0

    def run(self, emit: Emit) -> None:
        session = _Session(self.name, self._settings, self._tokenise, emit)
        seat = join(self._settings.on_line, self._key, self._inbox, is_reader=True)
        self._seat = seat
        try:
            while not self._stopped.is_set():
                item = self._inbox.take(session.wait_s(time.monotonic()))
                if isinstance(item, Online):
                    self._leds, self._buzzers = item.leds, item.buzzers
                session.take(item)
        finally:
            self._seat = None
            seat.leave()
        session.interrupted()

    def indicate(self, signal: Indication) -> None:
        seat = self._seat
        if seat is None:
            return
        if self._leds:
            color, on, off, total = _LIGHTS[signal]
            seat.wish(led_wish(color, on=on, off=off, total=total))
        if self._buzzers and signal in _SOUNDS:
            on, off, count = _SOUNDS[signal]
            seat.wish(buzzer_wish(on=on, off=off, count=count))

    def stop(self) -> None:
        self._stopped.set()
        self._inbox.wake()


class _Session:
    """The driver's own thread: from what the line tells to what is emitted."""

    def __init__(self, name: str, settings: OsdpReaderSettings, tokenise: Tokenise, emit: Emit) -> None:
        self._name = name
        self._settings = settings
        self._tokenise = tokenise
        self._emit = emit
        self._bulletin = Bulletin(Health("reader", name, emit))
        self._pad = PinPad(settings.pin, settings.pin_max_digits, settings.pin_timeout_s)
        self._card: tuple[str, float] | None = None  # token, and when it was seen last
        self._told = False  # CardRead was emitted, CardRemoved not yet
        self._complained_s: float | None = None
        self._inputs: dict[int, InputState] = {}
        self._reads = Allowance(MOST_READS, READS_PER_S)

    def wait_s(self, now: float) -> float:
        ends = [TICK_S]
        if self._card is not None and not self._pad.holds_card:
            ends.append(self._card[1] + self._settings.removal_s - now)
        if (pad_s := self._pad.wait_s(now)) is not None:
            ends.append(pad_s)
        return max(0.0, min(ends))

    def take(self, item: Item | None) -> None:
        now = time.monotonic()
        self._tell(self._pad.tick(now), now)
        if self._reads.is_kept(now):
            self._bulletin.note(Fine(FLOOD))
        if not self._pad.holds_card and not self._is_there(now):
            self._remove()
        match item:
            case None:
                self._bulletin.tick()
            case Shown():
                self._show(item, now)
            case Typed():
                for char in item.keys:
                    self._tell(self._pad.key(char, now), now)
            case Local():
                self._tell_input(TAMPER_INPUT, active=item.tampered, at_ns=item.at_ns)
                self._tell_input(POWER_INPUT, active=item.power_failed, at_ns=item.at_ns)
            case Installed():
                log.info("reader %s: has taken its own key; the installation is over", self._name)
            case _:
                self._bulletin.note(item)
                if isinstance(item, Offline):
                    self._tell(self._pad.give_up(), now)

    def interrupted(self) -> None:
        """Reading stops."""
        self._tell(self._pad.give_up(), time.monotonic())
        self._remove()

    # --- cards --------------------------------------------------------------------------------------------

    def _is_there(self, now: float) -> bool:
        return self._card is not None and now < self._card[1] + self._settings.removal_s

    def _show(self, shown: Shown, now: float) -> None:
        try:
            kind, number = self._number(shown)
        except ProtocolViolation as error:
            self._refuse(str(error), now)
            return
        token = self._tokenise(kind, number)
        if self._card is not None and self._card[0] == token:
            self._card = (token, now)  # it lies there still: what was over is removed already
            return
        if not self._pad.holds_card:
            self._remove()
        read = CardRead(self._name, kind, token, Assurance.L0, shown.at_ns)
        self._tell(self._pad.card(read, now), now, newest=read)
        self._card = (token, now)
        self._complained_s = None

    def _number(self, shown: Shown) -> tuple[CredentialKind, str]:
        """Kind and number of the card. Raises ProtocolViolation if it is none."""
        settings = self._settings
        if not shown.is_word:
            raise ProtocolViolation(_OBSOLETE)
        if settings.bits and shown.bits not in settings.bits:
            raise ProtocolViolation(_OTHER_LENGTH)
        if settings.card == "number":
            return CredentialKind.CARD_NUMBER, number_of_bytes(shown.bits, shown.data, settings.byte_order)
        uid = shown.data if settings.byte_order == "as_sent" else shown.data[::-1]
        uid = without_cascade_tags(uid)
        if cause := refusal(uid):
            raise ProtocolViolation(cause)
        return CredentialKind.CARD_UID, uid_number(uid)

    def _refuse(self, cause: str, now: float) -> None:
        again = self._complained_s is not None and now < self._complained_s + self._settings.removal_s
        self._complained_s = now
        if not again and self._may_tell(now):
            self._emit(CardUnreadable(self._name, cause))

    def _may_tell(self, now: float) -> bool:
        if self._reads.take(1, now):
            return True
        self._bulletin.note(Trouble(FLOOD, TOO_MUCH))
        return False

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

    # --- the reader itself --------------------------------------------------------------------------------

    def _tell_input(self, number: int, *, active: bool, at_ns: int) -> None:
        state = InputState.ACTIVE if active else InputState.NORMAL
        if self._inputs.get(number) is not state:
            self._inputs[number] = state
            self._emit(InputChanged(self._name, number, state, at_ns))
