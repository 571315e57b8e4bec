"""What an OSDP reader is apart from its protocol: outputs, lights, sounds, contacts, what waits to be told.

Times are the caller's monotonic seconds. Numbers of outputs and contacts count from 0 as on the wire; notices
and `set_input` count from 1 as on the terminal block.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from firmware_sim.cards import Card
from firmware_sim.device import Notice
from firmware_sim.osdp_packet import Command, Reply

TAMPER_INPUT = 0
POWER_INPUT = -1
TICK_S = 0.1  # unit of all times in commands

_MAX_EVENTS = 64
_LED_RECORD = 14
_OUT_RECORD = 4
_BUZ_SIZE = 5
_TEXT_HEAD = 6
_COLOURS = ("black", "red", "green", "amber", "blue", "magenta", "cyan", "white")
_SET_TEMPORARY = 2
_CANCEL_TEMPORARY = 1
_SET_PERMANENT = 1
_TONE_OFF = 1

_REPORTS = {
    Command.LSTAT: Reply.LSTATR,
    Command.ISTAT: Reply.ISTATR,
    Command.OSTAT: Reply.OSTATR,
    Command.RSTAT: Reply.RSTATR,
}
# OUT codes (readers.md 6.3): what becomes of the permanent state, and whether a running timer is aborted.
_PERMANENT = {1: (False, True), 2: (True, True), 3: (False, False), 4: (True, False)}
_TEMPORARY = {5: True, 6: False}


Bits = tuple[int, bytes]  # how many, and the bytes that hold them, the first bit in bit 7


def _always(_channel: int) -> bool:
    return True


def uid_bits(card: Card) -> Bits:
    """The card's UID as it is on air, all of it."""
    return len(card.uid) * 8, card.uid


class BadRecord(Exception):
    """A record names what is not there, or has the wrong size."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What PDID says, and the client id of the handshake."""

    vendor: bytes = bytes.fromhex("AA BB CC")
    model: int = 1
    version: int = 2
    serial: int = 0x12345678
    firmware: bytes = bytes((3, 4, 5))

    def pdid(self) -> bytes:
        """Data of the reply to ID."""
        serial = self.serial.to_bytes(4, "little")
        return self.vendor + bytes((self.model, self.version)) + serial + self.firmware

    def client_id(self) -> bytes:
        """The eight bytes at the head of CCRYPT."""
        return self.vendor + bytes((self.model,)) + self.serial.to_bytes(4, "little")


@dataclass(slots=True)
class Output:
    """One relay: its permanent state, and what a timer makes of it for a while."""

    permanent: bool = False
    temporary: bool | None = None
    until_s: float = 0.0

    @property
    def on(self) -> bool:
        return self.permanent if self.temporary is None else self.temporary


@dataclass(slots=True)
class Led:
    """One light: colour while nothing else is asked, and a colour for a while."""

    permanent: str = "black"
    temporary: str | None = None
    until_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Event:
    """What the next POLL is answered with."""

    reply: Reply
    data: bytes = field(repr=False)
    card: str | None = None


class Body:
    """One reader with its terminals. Raises BadRecord for commands that do not fit it."""

    def __init__(self, *, outputs: int, inputs: int) -> None:
        self.outputs = [Output() for _ in range(outputs)]
        self.inputs = [False] * inputs
        self.led = Led()
        self.tamper = False
        self.power_failure = False
        self.display = ""
        self._events: deque[Event] = deque(maxlen=_MAX_EVENTS)
        self._changed: set[Reply] = set()
        self._notices: list[Notice] = []

    def power_off(self) -> None:
        """Relays drop out, lights go off, what waits is lost; contacts are as they are."""
        for number, output in enumerate(self.outputs):
            self._move(number, Output(), was_on=output.on)
        self.led = Led()
        self.display = ""
        self.forget_events()
        self._changed.clear()

    def notices(self) -> list[Notice]:
        notices, self._notices = self._notices, []
        return notices

    def note(self, notice: Notice) -> None:
        self._notices.append(notice)

    # Time

    def tick(self, now: float) -> None:
        """End what lasts for a while only."""
        for number, output in enumerate(self.outputs):
            if output.temporary is not None and output.until_s <= now:
                self._move(number, Output(output.permanent), was_on=output.on)
        if self.led.temporary is not None and self.led.until_s <= now:
            self.led = Led(self.led.permanent)

    def next_tick(self) -> float | None:
        """When an output's timer ends."""
        ends = [output.until_s for output in self.outputs if output.temporary is not None]
        return min(ends, default=None)

    # What people do

    def tell(self, event: Event) -> None:
        """Keep for a POLL; the oldest goes when too many wait."""
        self._events.append(event)

    def set_input(self, number: int, state: str) -> None:
        """As InputDevice; ValueError: no such input or state."""
        if number in (TAMPER_INPUT, POWER_INPUT):
            if state not in ("good", "bad"):
                raise ValueError(f"tamper and power are good or bad, not {state!r}")
            self._set_condition(number, bad=state == "bad")
            return
        if not 1 <= number <= len(self.inputs):
            raise ValueError(f"the reader has inputs 1 to {len(self.inputs)}, not {number}")
        if state not in ("open", "closed"):
            raise ValueError(f"an input of a reader is open or closed, not {state!r}")
        closed = state == "closed"
        if self.inputs[number - 1] is not closed:
            self.inputs[number - 1] = closed
            self._changed.add(Reply.ISTATR)

    def _set_condition(self, number: int, *, bad: bool) -> None:
        name = "tamper" if number == TAMPER_INPUT else "power_failure"
        if getattr(self, name) is bad:
            return
        setattr(self, name, bad)
        self._changed.add(Reply.LSTATR)

    # What the panel asks

    def capabilities(self, *, buffer: int, secure: bool) -> bytes:
        """Data of PDCAP: triples of function, compliance, number (readers.md 6.4)."""
        triples = (
            (1, 1, len(self.inputs)),
            (2, 4, len(self.outputs)),
            (3, 1, 1),  # card data as bits
            (4, 4, 1),  # one light, all colours
            (5, 2, 1),
            (6, 1, 1),
            (8, 1, 0),  # CRC-16
            (9, secure, secure),  # AES-128, default key known
            (10, buffer & 0xFF, buffer >> 8),
            (13, 1, 1),
        )
        return b"".join(bytes(triple) for triple in triples)

    def next_event(self) -> Event | None:
        """What to answer a POLL with: a change of contacts first, then cards and keys as they came."""
        for reply in (Reply.LSTATR, Reply.ISTATR):
            if reply in self._changed:
                self._changed.discard(reply)
                return Event(reply, self.report(reply))
        return self._events.popleft() if self._events else None

    def forget_events(self) -> None:
        """Cards and keys that nobody fetched; a contact's change stays to be told."""
        self._events.clear()

    def report(self, reply: Reply) -> bytes:
        """Data of a status reply."""
        match reply:
            case Reply.LSTATR:
                return bytes((self.tamper, self.power_failure))
            case Reply.ISTATR:
                return bytes(self.inputs)
            case Reply.OSTATR:
                return bytes(output.on for output in self.outputs)
            case _:
                return bytes((2 if self.tamper else 0,))  # RSTATR: 2 is tamper

    def do(
        self, code: int, data: bytes, now: float, *, follows: Callable[[int], bool] = _always
    ) -> tuple[Reply, bytes] | None:
        """The reply to a command on lights, sounds, outputs or states; None: it is none of these.

        Relays of which `follows`, asked by their number from 1, says no stay as they are.
        """
        match code:
            case Command.LSTAT | Command.ISTAT | Command.OSTAT | Command.RSTAT:
                return _REPORTS[Command(code)], self.report(_REPORTS[Command(code)])
            case Command.OUT:
                self.out(data, now, follows=follows)
                return Reply.OSTATR, self.report(Reply.OSTATR)
            case Command.LED:
                self.light(data, now)
            case Command.BUZ:
                self.sound(data)
            case Command.TEXT:
                self.show(data)
            case _:
                return None
        return Reply.ACK, b""

    def out(self, data: bytes, now: float, *, follows: Callable[[int], bool] = _always) -> None:
        """OUT."""
        for record in _records(data, _OUT_RECORD):
            number, code, ticks = record[0], record[1], int.from_bytes(record[2:4], "little")
            if number >= len(self.outputs) or not (code == 0 or code in _PERMANENT or code in _TEMPORARY):
                raise BadRecord
            if code and follows(number + 1):
                self._switch(number, code, now + ticks * TICK_S)

    def _switch(self, number: int, code: int, until_s: float) -> None:
        output = self.outputs[number]
        if code in _TEMPORARY:
            fresh = Output(output.permanent, _TEMPORARY[code], until_s)
        else:
            permanent, aborts = _PERMANENT[code]
            fresh = Output(permanent) if aborts else Output(permanent, output.temporary, output.until_s)
        self._move(number, fresh, was_on=output.on, always=True)

    def _move(self, number: int, fresh: Output, *, was_on: bool, always: bool = False) -> None:
        self.outputs[number] = fresh
        edge = fresh.on is not was_on
        if edge or always:
            event = "relay_on" if fresh.on else "relay_off"
            self.note(Notice(event, channel=number + 1, edge=edge))

    def light(self, data: bytes, now: float) -> None:
        """LED records."""
        for record in _records(data, _LED_RECORD):
            reader, led, temporary, permanent = record[0], record[1], record[2:9], record[9:14]
            if reader or led or temporary[3] >= len(_COLOURS) or permanent[3] >= len(_COLOURS):
                raise BadRecord
            if permanent[0] == _SET_PERMANENT:
                self.led.permanent = _COLOURS[permanent[3]]
                self.note(Notice("led", detail=f"steady {self.led.permanent}"))
            if temporary[0] == _CANCEL_TEMPORARY:
                self.led = Led(self.led.permanent)
            elif temporary[0] == _SET_TEMPORARY:
                lasts_s = int.from_bytes(temporary[5:7], "little") * TICK_S
                self.led = Led(self.led.permanent, _COLOURS[temporary[3]], now + lasts_s)
                self.note(Notice("led", detail=f"{self.led.temporary} for {lasts_s:.1f} s"))

    def sound(self, data: bytes) -> None:
        """BUZ."""
        if len(data) != _BUZ_SIZE or data[0]:
            raise BadRecord
        _, tone, on, _, count = data
        if tone > _TONE_OFF:
            self.note(Notice("buzzer", detail=f"{count} x {on * TICK_S:.1f} s"))

    def show(self, data: bytes) -> None:
        """TEXT; what it says stays in `display`, because it may name a person."""
        if len(data) < _TEXT_HEAD or data[0] or len(data) != _TEXT_HEAD + data[5]:
            raise BadRecord
        self.display = data[_TEXT_HEAD:].decode("ascii", "replace")
        self.note(Notice("text", detail=f"{len(self.display)} characters"))


def _records(data: bytes, size: int) -> list[bytes]:
    if not data or len(data) % size:
        raise BadRecord
    return [data[at : at + size] for at in range(0, len(data), size)]
