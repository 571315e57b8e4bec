"""Driver of one ID-card reader with a SAM-V module: keeps the line, finds cards, reads each one once.

Number and name end here: what is emitted holds a token and the document's validity. Knows no doors and no
records.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

from pydantic import Field

from drivers.base import (
    Assurance,
    CardRead,
    CardRemoved,
    CardUnreadable,
    CredentialKind,
    DeviceState,
    Emit,
    Seal,
    Tokenise,
)
from drivers.errors import DeviceUnavailable, ProtocolViolation
from drivers.health import Health
from drivers.id_card_codec import IdCard, parse_read_reply
from drivers.sam_codec import (
    FIND,
    RATES,
    READ_CARD,
    READ_NEWEST_ADDRESS,
    RESET,
    SELECT,
    SELF_CHECK,
    Command,
    Reply,
    SamNumber,
    Status,
)
from drivers.sam_link import Miss, SamLink, rates_to_try
from drivers.serial_reader import SerialReader, nothing
from drivers.settings import DeviceSettings, Port
from drivers.transport import Transport

READ_ATTEMPTS = 3  # one host gives up after as many; a card lying still answers the second at the latest
MISSES_UNTIL_REMOVED = 2  # single ones happen with the card lying still
SILENT_UNTIL_LOST = 3  # requests in a row without an answer
SELF_CHECK_S = 2.0
RESET_S = 30.0  # idle for this long: a card that was selected and never read is found again after a reset
SCAN_PAUSE_S = 0.5  # a scan of all rates takes 1.5 s itself; a module is silent for 2 s after power-up
SCANS_PER_OPEN = 10  # then the port itself is opened anew: its handle may be a dead one

_LINE = "line"
_MODULE = "module"
_NOISE = "noise on the line"
_MODULE_FAULTS = frozenset({Status.SELF_CHECK_FAILED, Status.NOT_AUTHORISED})
_DAMAGED_REQUEST = frozenset({Status.REQUEST_DAMAGED, Status.REQUEST_LENGTH_WRONG})
_NOT_ABOUT_CARDS = frozenset({FIND, SELF_CHECK, RESET})
_REFUSALS = frozenset({Status.COMMAND_NOT_VALID, Status.NO_PRIVILEGE, Status.UNCLASSIFIED, Status.UNKNOWN})
_REFUSED_CARD = frozenset({Status.CARD_REFUSED_SAM, Status.SAM_REFUSED_CARD, Status.CARD_TYPE_UNKNOWN})
_LOST_WHILE_READING = "the reader was lost while it read the card"
NOBODY = "0" * 18
"""No number of a document: its month is 0."""
_HOLD_STILL = Status.READ_FAILED.meaning


class SamVSettings(DeviceSettings):
    """An ID-card reader with a SAM-V module."""

    port: Port
    rate: Literal["auto", 115200, 57600, 38400, 19200, 9600] = "auto"
    poll_s: Annotated[float, Field(ge=0.02, le=2.0)] = 0.1  # how often a card is looked for
    presence_s: Annotated[float, Field(ge=0.05, le=2.0)] = 0.15  # how often a read card is looked after


@dataclass(slots=True)
class _Placement:
    """What we know of the card on the reader, over losses of the line too."""

    token: str | None = None  # of the card that may still lie there: found again, it is no new presentation
    told: bool = False  # CardRead was emitted, CardRemoved not yet
    complained: bool = False  # CardUnreadable was emitted for what lies there
    empty_polls: int = 0


class SamReader(SerialReader):
    """SAM-V modules have neither lamp nor buzzer."""

    def __init__(
        self, name: str, settings: SamVSettings, tokenise: Tokenise, seal: Seal | None = None
    ) -> None:
        """`seal`: for whom it is that comes; without it nothing of that leaves the card's buffer."""
        super().__init__(name, settings.port, partial(_Session, name, settings, tokenise, seal=seal))


class _Session:
    """The reading thread's own state; outlives losses of the line."""

    def __init__(
        self,
        name: str,
        settings: SamVSettings,
        tokenise: Tokenise,
        stopped: threading.Event,
        emit: Emit,
        *,
        seal: Seal | None,
    ) -> None:
        self._name = name
        self._settings = settings
        self._tokenise = tokenise
        self._seal = seal
        self._stopped = stopped
        self._emit = emit
        self.health = Health("reader", name, emit)
        self.while_reading: Callable[[], None] = nothing
        self.rate: int | None = None
        self._card = _Placement()
        self._last_token: str | None = None
        self._silent = self._failed = 0  # requests in a row: without an answer, with a wrong one
        self._repeated = False  # the last request was asked twice
        self._next_check_s = self._next_reset_s = 0.0
        self._port = settings.port
        self._link: SamLink

    @property
    def opening_rate(self) -> int:
        return self.rate or RATES[0]

    def interrupted(self) -> None:
        """A card that lies there all the time is the same when the line is back."""

    def run(self, transport: Transport) -> None:
        """Probes, sets up and reads until stopped. Raises DeviceUnavailable."""
        self._link = SamLink(transport, self._stopped.is_set)
        self._silent = self._failed = 0
        number = self._probe(transport)
        if self._stopped.is_set():
            return
        where = f"at {self.rate} baud" if transport.sets_rate else f"at {self._port}"
        self.health.recovering(f"answers {where}")
        self._ask(RESET)
        self._check_module()
        self.health.ready(f"SAM-V module {number.text if number else 'without a number'} {where}")
        self._postpone_reset()
        while not self._stopped.is_set():
            self._round()

    # --- getting in touch ---------------------------------------------------------------------------------

    def _probe(self, transport: Transport) -> SamNumber | None:
        fixed = None if self._settings.rate == "auto" else self._settings.rate
        rates = rates_to_try(fixed, self.rate, sets_rate=transport.sets_rate)
        for scan in range(SCANS_PER_OPEN):
            found = self._link.find_rate(rates)
            if found is not None:
                self.rate = found[0]
                return found[1]
            if self._stopped.is_set():
                return None
            may_be_waking_up = scan == 0 and self.rate is None
            if self.health.state is not DeviceState.LOST and not may_be_waking_up:
                self.health.lost(_no_answer_at(rates), gone=False)
            self._stopped.wait(SCAN_PAUSE_S)
        raise DeviceUnavailable(self._port, _no_answer_at(rates))

    def _check_module(self) -> None:
        self._next_check_s = time.monotonic() + SELF_CHECK_S
        answer = self._ask(SELF_CHECK)
        if isinstance(answer, Reply) and answer.status is Status.SUCCESS:
            self.health.fine(_MODULE)
        elif isinstance(answer, Reply):
            self.health.degraded(_MODULE, answer.status.meaning)
        elif answer.status is not None:
            self.health.degraded(_MODULE, answer.cause)

    # --- asking -------------------------------------------------------------------------------------------

    def _ask(self, command: Command) -> Reply | Miss:
        """Asks, once more if that fails, and keeps account of the line. The caller wipes the reply."""
        answer = self._ask_once(command)
        self._repeated = bool(self._failed or self._silent)
        return self._ask_once(command) if self._repeated else answer

    def _ask_once(self, command: Command, meanwhile: Callable[[], None] | None = None) -> Reply | Miss:
        answer = self._link.ask(command, meanwhile)
        if self._stopped.is_set():
            return answer
        if isinstance(answer, Miss):
            self._note_miss(answer)
        elif answer.status in _DAMAGED_REQUEST or (
            command in _NOT_ABOUT_CARDS and answer.status in _REFUSALS
        ):
            self._note_failure(answer.status.meaning)
        else:
            self._note_good(answer)
        return answer

    def _note_good(self, reply: Reply) -> None:
        self._silent = self._failed = 0
        if self._link.noise:
            self.health.blip(_NOISE)
        if reply.status in _MODULE_FAULTS:
            self.health.degraded(_MODULE, reply.status.meaning)
        self.health.fine(_LINE)

    def _note_miss(self, miss: Miss) -> None:
        if not miss.silent:
            self._note_failure(miss.cause)
            return
        self._silent += 1
        if self._silent >= SILENT_UNTIL_LOST:
            raise DeviceUnavailable(self._port, "the module does not answer; is it powered and connected?")
        self.health.blip(miss.cause)

    def _note_failure(self, cause: str) -> None:
        self._silent = 0
        self._failed += 1
        if self._failed > 1:  # the repeat failed too
            self.health.degraded(_LINE, cause)
        else:
            self.health.blip(cause)

    # --- cards --------------------------------------------------------------------------------------------

    def _round(self) -> None:
        """One look for a card, with what is due beside it, and the pause after it."""
        started = time.monotonic()
        if started >= self._next_check_s:
            self._check_module()
        if started >= self._next_reset_s:
            self._look_under_the_carpet()
        answer = self._ask(FIND)
        if isinstance(answer, Reply) and answer.status is Status.FOUND:
            self._take_card()
        elif isinstance(answer, Reply) and answer.status is Status.NOT_FOUND:
            if self._repeated and self._is_found_already():
                self._read_selected()
            else:
                self._nothing_found()
        elif isinstance(answer, Reply) and answer.status in _REFUSED_CARD:
            self._complain(answer.status.meaning)
        self._stopped.wait(max(0.0, started + self._settings.poll_s - time.monotonic()))

    def _is_found_already(self) -> bool:
        """Some modules do not find a card twice: if the first answer was lost, it may wait to be selected."""
        answer = self._ask_once(SELECT)
        return isinstance(answer, Reply) and answer.status is Status.SUCCESS

    def _nothing_found(self) -> None:
        self._card.empty_polls += 1
        self._card.token = None
        if self._card.told:
            self._tell_removed()
        if self._card.empty_polls >= MISSES_UNTIL_REMOVED:
            self._card.complained = False

    def _take_card(self) -> None:
        """Selects and reads the card just found; one CardRead or CardUnreadable comes of its placement."""
        self._card.empty_polls = 0
        try:
            refusal = self._select()
        except DeviceUnavailable:
            self._complain(_LOST_WHILE_READING)
            raise
        if refusal is None:
            self._read_selected()
        else:
            self._complain(refusal)

    def _read_selected(self) -> None:
        try:
            result = self._read()
        except DeviceUnavailable:
            self._complain(_LOST_WHILE_READING)
            raise
        if isinstance(result, IdCard):
            self._tell_read(result)
        else:
            self._complain(result)
        self._watch_card()
        self._postpone_reset()

    def _select(self) -> str | None:
        """None, or why the card could not be selected."""
        answer = self._ask_once(SELECT)
        repeated = isinstance(answer, Miss)
        if repeated:
            answer = self._ask_once(SELECT)
        if isinstance(answer, Miss):
            return _HOLD_STILL
        if answer.status is Status.SELECT_FAILED and repeated:
            return None  # a selected card is not selected again: the lost answer may have been a good one
        return None if answer.status is Status.SUCCESS else answer.status.meaning

    def _read(self) -> IdCard | str:
        """The card, or why there is none."""
        cause = _HOLD_STILL
        for _ in range(READ_ATTEMPTS):
            answer = self._ask_once(READ_CARD, self._rehearse)  # the module takes most of a second for it
            if self._stopped.is_set():
                break
            if isinstance(answer, Reply):
                if answer.status is Status.SUCCESS:
                    return _parse(answer, with_name=self._seal is not None and self._seal.wanted)
                cause = answer.status.meaning
        return cause

    def _rehearse(self) -> None:
        self._tokenise(CredentialKind.ID_CARD, NOBODY)
        self.while_reading()

    def _tell_read(self, card: IdCard) -> None:
        token = self._tokenise(CredentialKind.ID_CARD, card.number)
        known, self._last_token = self._card.token, token
        if token == known:  # it never left: we only lost sight of it
            self._card = _Placement(token, told=True)
            return
        if self._card.told:
            self._tell_removed()
        self._card = _Placement(token, told=True)
        self._emit(
            CardRead(
                reader=self._name,
                kind=CredentialKind.ID_CARD,
                token=token,
                assurance=Assurance.L3,
                at_ns=self._link.read_at_ns,
                valid_from=card.valid_from,
                valid_until=card.valid_until,
                sealed=self._sealed(card),
            )
        )

    def _sealed(self, card: IdCard) -> bytes | None:
        if self._seal is None or card.name is None:
            return None
        return self._seal.seal(card.document, card.name, card.number)

    def _watch_card(self) -> None:
        """Waits until the selected card is lifted: it is asked for an item, and may well not have it.

        Whether it is gone says the next find: a module that restarted finds it again where it lay.
        """
        misses = 0
        while misses < MISSES_UNTIL_REMOVED and not self._stopped.wait(self._settings.presence_s):
            answer = self._ask(READ_NEWEST_ADDRESS)
            if isinstance(answer, Reply):
                misses = 0 if _is_presence(answer) else misses + 1
                answer.wipe()
            elif answer.status is not None:
                misses += 1

    def _look_under_the_carpet(self) -> None:
        """A card may lie there selected, which find does not show: after a reset it is found.

        If it answers as a selected card does, it is likely the last one, taken for removed by mistake: read
        again, it must not open the door again with nobody in front of it.
        """
        self._postpone_reset()
        answer = self._ask(READ_NEWEST_ADDRESS)
        if isinstance(answer, Reply):
            if _is_presence(answer):
                self._card.token = self._last_token
            answer.wipe()
        self._ask(RESET)

    def _complain(self, cause: str) -> None:
        if self._card.told:
            self._tell_removed()
        if not self._card.complained and not self._stopped.is_set():
            self._card.complained = True
            self._emit(CardUnreadable(self._name, cause))

    def _tell_removed(self) -> None:
        self._card.told = False
        self._emit(CardRemoved(self._name))

    def _postpone_reset(self) -> None:
        self._next_reset_s = time.monotonic() + RESET_S


def _parse(reply: Reply, *, with_name: bool) -> IdCard | str:
    try:
        return parse_read_reply(reply.data, with_name=with_name)
    except ProtocolViolation as error:
        return str(error)
    finally:
        reply.wipe()


def _is_presence(reply: Reply) -> bool:
    return reply.status in (Status.SUCCESS, Status.NO_SUCH_ITEM)


def _no_answer_at(rates: tuple[int, ...]) -> str:
    if len(rates) == 1:
        return f"no answer at {rates[0]} baud; is the module powered?"
    return "no answer at any rate; is the module powered, and is this its port?"
