"""SAM-V ID-card module as bytes in, bytes out (readers.md 1). Knows no port, thread, clock or file.

What it answers stands in one table (1.10); faults change single cells of it for as long as they are on.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import reduce
from operator import xor
from typing import Any

from firmware_sim.cards import Card, WrongText, field_at, spoil_text
from firmware_sim.device import Frame, Notice
from firmware_sim.fault_table import RATES
from firmware_sim.faults import FaultSet
from firmware_sim.kinds import Credential, Kind, Role, Surroundings
from firmware_sim.profiles import INSTANT, REAL, Profile
from firmware_sim.scene_table import Table

PREAMBLE = bytes.fromhex("AA AA AA 96 69")
FACTORY_RATE = RATES[0]
SAM_NUMBER_SIZE = 16

_HEAD_SIZE = len(PREAMBLE) + 2  # preamble and Len
_LENGTH_AT = (len(PREAMBLE), _HEAD_SIZE)
_MIN_LENGTH = 3  # CMD, PARA, CHK
_MAX_LENGTH = 255
_PARTIAL_S = 0.5  # our guess: an unfinished request is forgotten after this silence; it takes 11 ms at 9600
_MIN_RF_FRAME = 24  # 61 FF: 24 to 255


class State(Enum):
    """States of readers.md 1.10."""

    BOOT = "boot"
    EMPTY = "empty"
    IN_FIELD = "in_field"
    FOUND = "found"
    SELECTED = "selected"


class Request(Enum):
    """What a host can ask, and what it can get wrong; the value is CMD and PARA where there is one."""

    RESET = b"\x10\xff"
    STATUS = b"\x11\xff"
    SAM_NUMBER = b"\x12\xff"
    FIND = b"\x20\x01"
    SELECT = b"\x20\x02"
    READ = b"\x30\x01"
    READ_FINGERPRINTS = b"\x30\x10"
    NEWEST_ADDRESS = b"\x30\x03"
    CARD_BODY_NUMBER = b"\x30\x05"
    RF_FRAME = b"\x61\xff"
    SET_RATE = "60 00 to 60 04"
    UNKNOWN = "no such CMD, PARA or value"
    BAD_CHECKSUM = "CHK does not fit"
    BAD_LENGTH = "Len under 3, over 255 or not that of the command"


SUCCESS = 0x90
CARD_FOUND = 0x9F
BAD_CHECKSUM = 0x10
BAD_LENGTH = 0x11
NOT_VALID = 0x21
READ_FAILED = 0x41
SELF_CHECK_FAILED = 0x60
NOT_AUTHORISED = 0x66
FIND_FAILED = 0x80
SELECT_FAILED = 0x81
NO_SUCH_ITEM = 0x91

_E, _I, _F, _S = State.EMPTY, State.IN_FIELD, State.FOUND, State.SELECTED


def _unmoved(status: int) -> dict[State, tuple[int, State]]:
    return {state: (status, state) for state in (_E, _I, _F, _S)}


def _selected_only() -> dict[State, tuple[int, State]]:
    return _unmoved(READ_FAILED) | {_S: (SUCCESS, _S)}


# (status, next state) per request and state; in BOOT nothing is answered.
ANSWERS: dict[Request, dict[State, tuple[int, State]]] = {
    Request.FIND: {_E: (FIND_FAILED, _E), _I: (CARD_FOUND, _F), _F: (CARD_FOUND, _F), _S: (FIND_FAILED, _S)},
    Request.SELECT: _unmoved(SELECT_FAILED) | {_F: (SUCCESS, _S)},
    Request.READ: _selected_only(),
    Request.READ_FINGERPRINTS: _selected_only(),
    Request.NEWEST_ADDRESS: _selected_only(),
    Request.CARD_BODY_NUMBER: _selected_only(),
    Request.SAM_NUMBER: _unmoved(SUCCESS),
    Request.STATUS: _unmoved(SUCCESS),
    Request.RESET: {_E: (SUCCESS, _E), _I: (SUCCESS, _I), _F: (SUCCESS, _I), _S: (SUCCESS, _I)},
    Request.SET_RATE: _unmoved(SUCCESS),
    Request.RF_FRAME: _unmoved(SUCCESS),
    Request.UNKNOWN: _unmoved(NOT_VALID),
    Request.BAD_CHECKSUM: _unmoved(BAD_CHECKSUM),
    Request.BAD_LENGTH: _unmoved(BAD_LENGTH),
}

_READS = frozenset({Request.READ, Request.READ_FINGERPRINTS})
_NEEDS_SELECTED = _READS | {Request.NEWEST_ADDRESS, Request.CARD_BODY_NUMBER}
_NEEDS_STATE = _NEEDS_SELECTED | {Request.SELECT}
_BY_CODE = {request.value: request for request in Request if isinstance(request.value, bytes)}
_SET_RATE = 0x60


def reply(status: int, data: bytes = b"") -> bytes:
    """A complete reply frame: preamble, Len, SW1 SW2 SW3, data, CHK (readers.md 1.2)."""
    body = (4 + len(data)).to_bytes(2, "big") + bytes((0, 0, status)) + data
    return PREAMBLE + body + bytes((reduce(xor, body),))


def sam_number(serial: int) -> bytes:
    """A management number (readers.md 1.5) of a module that nobody built: 05.01-20240101-serial-serial."""
    parts = ((5, 2), (1, 2), (20240101, 4), (serial, 4), (serial, 4))
    return b"".join(value.to_bytes(size, "little") for value, size in parts)


def usual_s(request: Request, state: State, profile: Profile) -> float:
    """Seconds a module of that profile works on a request."""
    if request is Request.FIND:
        return profile.find_card_s if state is _I else profile.find_empty_s
    if request not in _NEEDS_STATE or ANSWERS[request][state][0] != SUCCESS:
        return profile.own_s
    return {
        Request.SELECT: profile.select_s,
        Request.READ: profile.read_s,
        Request.READ_FINGERPRINTS: profile.read_fingerprints_s,
    }.get(request, profile.card_item_s)


@dataclass(frozen=True, slots=True)
class _Pending:
    frame: Frame
    reads_card: bool


class SamModule:
    """One module with its antenna. `now` is the caller's monotonic clock in seconds."""

    def __init__(
        self,
        faults: FaultSet,
        *,
        number: bytes,
        now: float,
        profile: Profile = INSTANT,
        rate: int = FACTORY_RATE,
    ) -> None:
        if len(number) != SAM_NUMBER_SIZE:
            raise ValueError(f"a SAM number has {SAM_NUMBER_SIZE} bytes, not {len(number)}")
        self._faults = faults
        self._number = number
        self._profile = profile
        self._rate = rate
        self._card: Card | None = None
        self._stage = State.IN_FIELD  # where the card stands, if there is one
        self._ready_s = now + profile.boot_s
        self._buffer = bytearray()
        self._last_byte_s = now
        self._pending: deque[_Pending] = deque()
        self._notices: list[Notice] = []
        self.swallowed = 0  # bytes that belonged to no request

    @property
    def rate(self) -> int:
        return self._rate

    @property
    def card(self) -> Card | None:
        """What lies on the reader."""
        return self._card

    def state(self, now: float) -> State:
        """The state of readers.md 1.10."""
        if now < self._ready_s:
            return State.BOOT
        return self._stage if self._card is not None else State.EMPTY

    def present(self, card: Card, now: float) -> None:  # noqa: ARG002 - found when the host asks
        """Lay a card on the reader, in place of any other."""
        self._card = card
        self._stage = State.IN_FIELD
        self._notices.append(Notice("presented", card=card.ref))

    def remove(self, now: float) -> None:  # noqa: ARG002 - missed when the host asks
        """Take the card away. A read in progress becomes 41; what is on the wire already stays."""
        self._lose_card()

    def _lose_card(self) -> None:
        if self._card is None:
            return
        self._notices.append(Notice("removed", card=self._card.ref))
        self._card = None
        failed = reply(READ_FAILED)
        self._pending = deque(
            _Pending(replace(pending.frame, data=failed, read_of=None), reads_card=False)
            if pending.reads_card
            else pending
            for pending in self._pending
        )

    def leave_at(self, rate: int) -> None:
        """Set the rate as another program would have; it outlives power loss (1.7)."""
        self._rate = rate

    def power_cycle(self, now: float) -> None:
        self._ready_s = now + self._profile.boot_s
        self._stage = State.IN_FIELD
        self._buffer.clear()
        self._pending.clear()

    def describe(self, now: float) -> dict[str, Any]:
        return {"ignored_bytes": self.swallowed, "state": self.state(now).value}

    def notices(self) -> list[Notice]:
        notices, self._notices = self._notices, []
        return notices

    def take(self, now: float) -> list[Frame]:
        due: list[Frame] = []
        while self._pending and self._pending[0].frame.due_s <= now:
            due.append(self._pending.popleft().frame)
        return due

    def next_due(self) -> float | None:
        return self._pending[0].frame.due_s if self._pending else None

    def feed(self, data: bytes, now: float) -> None:
        """Take request bytes in any portions. Noise is swallowed; in BOOT everything is."""
        if now < self._ready_s:
            self.swallowed += len(data)
            return
        if now - self._last_byte_s > _PARTIAL_S:
            self._swallow(len(self._buffer))
        self._last_byte_s = now
        self._buffer += data
        while (body := self._next_body()) is not None:
            self._handle(body, now)

    def _next_body(self) -> bytes | None:
        """The bytes after the preamble of one request, Len included; only Len if Len is impossible."""
        buffer = self._buffer
        start = buffer.find(PREAMBLE)
        if start < 0:
            keep = len(PREAMBLE) - 1  # a preamble may have begun
            self._swallow(max(0, len(buffer) - keep))
            return None
        self._swallow(start)
        if len(buffer) < _HEAD_SIZE:
            return None
        length = int.from_bytes(buffer[len(PREAMBLE) : _HEAD_SIZE], "big")
        end = _HEAD_SIZE + (length if _MIN_LENGTH <= length <= _MAX_LENGTH else 0)
        if len(buffer) < end:
            return None
        body = bytes(buffer[len(PREAMBLE) : end])
        del buffer[:end]
        return body

    def _swallow(self, count: int) -> None:
        self.swallowed += count
        del self._buffer[:count]

    def _handle(self, body: bytes, now: float) -> None:
        request = classify(body)
        state = self.state(now)
        status, after = self._decide(request, body, state)
        data = self._data(request, status)
        read_of = self._card.ref if self._card and request in _READS and status == SUCCESS else None
        last_due_s = self._pending[-1].frame.due_s if self._pending else now
        frame = Frame(
            data=reply(status, data),
            due_s=max(now, last_due_s) + usual_s(request, state, self._profile),
            asked_s=now,
            rate=self._rate,
            usual_s=usual_s(request, state, REAL),
            read_of=read_of,
            length_at=_LENGTH_AT,
        )
        self._stage = after if self._card is not None else State.IN_FIELD
        if request is Request.SET_RATE and status == SUCCESS:
            self._rate = RATES[body[3]]
        if read_of is not None and (stop := self._faults.use("stop_mid_frame")) is not None:
            self._lose_card()
            frame = replace(frame, data=frame.data[: stop["at"]], read_of=None)
        if frame.data:
            reads_card = request in _NEEDS_SELECTED and status in (SUCCESS, NO_SUCH_ITEM)
            self._pending.append(_Pending(frame, reads_card and self._card is not None))

    def _decide(self, request: Request, body: bytes, state: State) -> tuple[int, State]:
        """The table's cell, or what a fault makes of it."""
        status, after = ANSWERS[request][state]
        faults = self._faults
        if not faults or request in (Request.BAD_CHECKSUM, Request.BAD_LENGTH):
            return self._no_item(request, status), after
        if faults.use("no_sam") is not None:
            return (SELF_CHECK_FAILED if request is Request.STATUS else NOT_AUTHORISED), state
        if faults.use("stuck_busy") is not None:
            return FIND_FAILED, state
        if request in _NEEDS_STATE and status != SUCCESS:
            impossible = faults.use("impossible_answer")
            return (status if impossible is None else impossible["status"]), after
        if request is Request.FIND and state is State.FOUND and faults.use("find_again_fails") is not None:
            return FIND_FAILED, state
        if request is Request.SELECT and (two := faults.use("two_cards")) is not None:
            return two["status"], state
        if request in _READS and faults.use("lifted") is not None:
            self._lose_card()
            return READ_FAILED, State.EMPTY
        if status in (SUCCESS, CARD_FOUND) and (forced := self._forced_status(body[2:4])) is not None:
            return forced, state
        return self._no_item(request, status), after

    def _forced_status(self, code: bytes) -> int | None:
        forced = self._faults.peek("answer_status")
        if forced is None or (forced["command"] and bytes.fromhex(forced["command"]) != code):
            return None
        self._faults.use("answer_status")
        status: int = forced["status"]
        return status

    def _no_item(self, request: Request, status: int) -> int:
        missing = self._card is not None and self._card.newest_address is None
        return NO_SUCH_ITEM if request is Request.NEWEST_ADDRESS and status == SUCCESS and missing else status

    def _data(self, request: Request, status: int) -> bytes:
        if status == CARD_FOUND and request is Request.FIND:
            return bytes(4)
        if status != SUCCESS:
            return b""
        if request is Request.SAM_NUMBER:
            return self._number
        if request is Request.SELECT:
            return bytes(8)
        return self._card_data(request) if request in _NEEDS_SELECTED else b""

    def _card_data(self, request: Request) -> bytes:
        card = self._card
        assert card is not None, "a request for card data succeeds only with a card"
        if request is Request.NEWEST_ADDRESS:
            return card.newest_address or b""
        if request is Request.CARD_BODY_NUMBER:
            return card.body_number
        wrong = self._faults.use("wrong_text")
        text = card.text if wrong is None else spoil_text(card, WrongText(wrong["kind"]))
        return card.base_info(text) if request is Request.READ else card.base_info_with_fingerprints(text)


def classify(body: bytes) -> Request:
    """What a request is, from its bytes after the preamble (Len, CMD, PARA, data, CHK)."""
    if len(body) < 2 + _MIN_LENGTH:
        return Request.BAD_LENGTH
    if reduce(xor, body) != 0:
        return Request.BAD_CHECKSUM
    code, data = body[2:4], body[4:-1]
    if code[0] == _SET_RATE:
        return Request.SET_RATE if code[1] < len(RATES) and not data else Request.UNKNOWN
    request = _BY_CODE.get(code, Request.UNKNOWN)
    if request is Request.RF_FRAME and len(data) == 1:
        return request if data[0] >= _MIN_RF_FRAME else Request.UNKNOWN
    if request is Request.RF_FRAME or (request is not Request.UNKNOWN and data):
        return Request.BAD_LENGTH
    return request


@dataclass(frozen=True, slots=True)
class SamOptions:
    """Keys of a scene's [[reader]] of kind sam_v."""

    rate: int = FACTORY_RATE


def _read_options(table: Table) -> SamOptions:
    return SamOptions(table.rate("rate", FACTORY_RATE, RATES))


def _make(options: SamOptions, around: Surroundings) -> SamModule:
    number = sam_number(around.serial)
    return SamModule(around.faults, number=number, now=around.now, profile=around.profile, rate=options.rate)


def _settings(_options: SamOptions) -> Mapping[str, Any]:
    return {}  # the driver finds the rate by itself


def _number_at(_options: SamOptions, card: Card) -> Credential:
    return "id_card", card.text[field_at(card.layout, "id_number")].decode("utf-16-le").rstrip(" ")


KIND = Kind(
    role=Role.READER,
    read=_read_options,
    make=_make,
    settings=_settings,
    number_at=_number_at,
    babbles=True,
)
