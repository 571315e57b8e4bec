"""One Modbus relay board between two exchanges: what to ask it next, and what an answer means.

Knows no port, no thread and no clock: requests come out, replies and silences go in, each with the time in
seconds. Not safe for threads: whoever has the line holds one lock around each call.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from drivers.base import Emit, InputState
from drivers.errors import DeviceUnavailable
from drivers.health import Health
from drivers.inputs import Inputs, contact_state
from drivers.lock_guard import Order
from drivers.modbus_codec import (
    Bits,
    ExceptionCode,
    Refused,
    Registers,
    Reply,
    Request,
    flash_coil,
    read_coils,
    read_inputs,
    read_registers,
    write_coil,
    write_coils,
)
from drivers.modbus_settings import ModbusSettings
from drivers.pulses import Pulses, Relay

MISSES = 3  # so many requests in a row without an answer, and the board is lost
WATCH_S = 1.0  # how often the relays are read back: a board that restarted has dropped them
REPEAT_S = 2.0  # what a board refuses is tried again this often,
BUSY_S = 0.1  # unless it is only busy
_TIMED_SLACK_S = 0.5  # a board that ends pulses by itself may do so that much earlier than we would
_FLASH_ADDRESS = 0x0200  # of makers that keep timed coils at addresses of their own
_FAREWELL_MISSES = 2  # a silent board is not waited for when we leave

_LINE, _INPUTS = "line", "inputs"
_NOT_THERE = (ExceptionCode.ILLEGAL_FUNCTION, ExceptionCode.ILLEGAL_ADDRESS)
_IN_WORDS = {
    ExceptionCode.ILLEGAL_FUNCTION: "the board does not know this function",
    ExceptionCode.ILLEGAL_ADDRESS: "the board has no such address",
    ExceptionCode.ILLEGAL_VALUE: "the board does not take this value",
    ExceptionCode.DEVICE_FAILURE: "the board reports a failure of its own",
    ExceptionCode.ACKNOWLEDGE: "the board is busy",
    ExceptionCode.BUSY: "the board is busy",
}


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, what is to be made of its reply, and the relay that it tells, if it does."""

    request: Request
    heard: Callable[[Reply, float], None]
    relay: Relay | None = None


class ModbusUnit:
    """A board as its driver knows it."""

    def __init__(self, name: str, settings: ModbusSettings, emit: Emit, now: float) -> None:
        self.name = name
        self.settings = settings
        self._emit = emit
        self._health = Health("lock board", name, emit)
        self._pulses = Pulses(name, settings.channels, settings.safe_state)
        self._inputs = Inputs(name, settings.inputs)
        self._reads = self._input_reads()
        self._read_at_s = [now] * len(self._reads)
        self._unheard = set(range(len(self._reads)))  # reads without an answer since the board is there
        self._watch_at_s = now
        self._can_be_read_back = True
        self._answers = False
        self._was_there = False
        self._ready = False
        self._misses = 0
        self._retry_at_s = now
        self._held_until_s: dict[int, float] = {}  # relays whose command was refused
        self._unlike: dict[int, int] = {}  # relays found otherwise than told, and how often
        self._leaving = False
        self._farewell: list[Relay] = []  # when leaving: what is still to be made safe
        self._parting: Ask | None = None  # the last question of these

    def release(self, channel: int, pulse_s: float, now: float) -> None:
        """Asks for a pulse. Raises DeviceUnavailable, or ConfigurationError if channel or pulse cannot be."""
        self._pulses.check(channel, pulse_s)
        if not self._answers or self._leaving:
            raise DeviceUnavailable(self.settings.port, f"lock board {self.name} is not connected now")
        self._held_until_s.pop(channel, None)
        self._pulses.ask(channel, pulse_s, now)

    def leave(self) -> None:
        """What is asked from now on makes the board safe; then it `has_left`."""
        self._leaving = True
        self._misses = 0
        if self._answers:
            self._farewell = sorted(self._pulses.relays, key=lambda relay: relay.written is relay.safe)

    @property
    def has_left(self) -> bool:
        return self._leaving and not self._farewell

    def may_be_unsafe(self) -> list[int]:
        """Relays of a board that was there once, which may not be in their safe state."""
        return [relay.number for relay in self._pulses.unsafe()] if self._was_there else []

    # --- what to ask ---------------------------------------------------------------------------------------

    def rank(self, now: float) -> int:
        """Who goes first on the line: 0 a door to be released, 1 any other command, 2 whoever only asks."""
        commands = self._tellable(now) if self._answers else []
        return min((1 - relay.wanted(now) for relay in commands), default=2)

    def next_at_s(self, now: float) -> float:
        """When there is something to ask."""
        if self._leaving:
            return now if self._farewell else math.inf
        if not self._answers:
            return self._retry_at_s
        if self._tellable(now):
            return now
        ends = [end_s] if (end_s := self._pulses.next_end_s(now)) is not None else []
        return min([*self._read_at_s, self._next_watch_s(), *self._held_until_s.values(), *ends])

    def next(self, now: float) -> Ask | None:
        """What is to be asked now, people who wait first."""
        if self._leaving:
            return self._part(now) if self._farewell else None
        if not self._answers:
            return self._first_question() if now >= self._retry_at_s else None
        if tellable := self._tellable(now):
            return self._tell(tellable[0], on=tellable[0].wanted(now), now=now)
        due = [(at_s, number) for number, at_s in enumerate(self._read_at_s) if now >= at_s]
        if self._next_watch_s() <= now and (not due or self._watch_at_s < min(due)[0]):
            return self._watch(now)
        return self._reads[min(due)[1]] if due else None

    def _part(self, now: float) -> Ask:
        self._parting = self._tell(self._farewell[0], on=self._farewell[0].safe, now=now)
        return self._parting

    def last_orders(self, pause_s: float) -> list[Order]:
        """What is written should we die: all at once where the board can, then each where it cannot."""
        if not self.settings.channels:
            return []
        unit, relays = self.settings.unit, self._pulses.relays
        requests = [write_coils(unit, 0, [relay.safe for relay in relays])]
        requests += [write_coil(unit, relay.number - 1, on=relay.safe) for relay in relays]
        return [Order(pause_s, request.frame) for request in requests]

    def _tellable(self, now: float) -> list[Relay]:
        return [relay for relay in self._pulses.due(now) if now >= self._held_until_s.get(relay.number, now)]

    def _next_watch_s(self) -> float:
        return self._watch_at_s if self.settings.channels else math.inf

    def _first_question(self) -> Ask:
        """A reading one: what answers may be anybody's board."""
        if not self.settings.channels:
            return self._reads[0]
        return Ask(read_coils(self.settings.unit, 0, self.settings.channels), self._heard_coils)

    def _watch(self, now: float) -> Ask:
        self._watch_at_s = now + WATCH_S
        if self._can_be_read_back:
            return self._first_question()
        relay = self._pulses.relays[0]  # a board that cannot be read is told again what it does already
        return self._tell(relay, on=relay.wanted(now), now=now)

    def _tell(self, relay: Relay, *, on: bool, now: float) -> Ask:
        unit, coil = self.settings.unit, relay.number - 1
        relay.written = None  # until it is confirmed it is not known
        timed = self.settings.timed_pulse
        if on and timed != "none" and not self._leaving:
            address = coil + (_FLASH_ADDRESS if timed == "address" else 0)
            request = flash_coil(unit, address, max(1, math.ceil(relay.left_s(now) * 10)))
        else:
            request = write_coil(unit, coil, on=on)
        asked = relay.asked
        return Ask(request, lambda reply, at_s: self._heard_of(relay, asked, reply, at_s, on=on), relay)

    def _input_reads(self) -> list[Ask]:
        unit, inputs = self.settings.unit, self.settings.inputs
        contacts = [each.channel for each in inputs if each.supervised is None]
        measured = [each.channel for each in inputs if each.supervised is not None]
        reads = [Ask(read_inputs(unit, 0, max(contacts)), self._heard_contacts)] if contacts else []
        if measured:
            reads.append(Ask(read_registers(unit, 0, max(measured)), self._heard_measures))
        return reads

    # --- what it means -------------------------------------------------------------------------------------

    def answered(self, ask: Ask, reply: Reply, now: float) -> None:
        """The reply to what `next` gave."""
        self._misses = 0
        if not self._answers:
            self._return(now)
        if ask in self._reads:
            self._read_at_s[self._reads.index(ask)] = now + self.settings.poll_s
        ask.heard(reply, now)
        if self._leaving:
            if ask is self._parting:  # not what was under way when we were told to leave
                relay, *rest = self._farewell
                self._farewell = [*rest, relay] if _is_busy(reply) else rest
            return
        self._health.fine(_LINE)
        if not self._ready and not self._pulses.due(now) and not self._unheard:
            self._ready = True
            self._health.ready(self._detail())

    def silent(self, ask: Ask, cause: str, now: float) -> None:
        """No reply came to what `next` gave."""
        self._misses += 1
        if self._leaving:
            self._farewell = self._farewell if self._misses < _FAREWELL_MISSES else []
        elif not self._answers or self._misses >= MISSES:
            self.lost(cause, gone=False, now=now)
        else:
            if ask in self._reads:
                self._read_at_s[self._reads.index(ask)] = now
            self._health.blip(cause)

    def lost(self, cause: str, *, gone: bool, now: float) -> None:
        """It does not answer, or its line cannot be used."""
        self._answers = self._ready = False
        self._misses = 0
        self._farewell = []
        self._pulses.forget()
        self._health.lost(cause, gone=gone)
        self._retry_at_s = now + self._health.retry_in_s()

    def line_opened(self, now: float) -> None:
        """The line is there again: ask at once."""
        self._retry_at_s = now

    def _return(self, now: float) -> None:
        self._answers = self._was_there = True
        self._can_be_read_back = True
        self._pulses.forget()  # a board that was away has forgotten
        self._held_until_s.clear()
        self._unlike.clear()
        self._read_at_s = [now] * len(self._reads)
        self._unheard = set(range(len(self._reads)))
        self._watch_at_s = now + WATCH_S
        self._health.recovering("answers")

    def _detail(self) -> str:
        parts = [f"relays 1 to {self.settings.channels}"] if self.settings.channels else []
        parts += [f"{len(self.settings.inputs)} inputs"] if self.settings.inputs else []
        return f"{' and '.join(parts)} at {self.settings.place}"

    def _heard_of(self, relay: Relay, asked: int, reply: Reply, now: float, *, on: bool) -> None:
        """`asked`: what `relay.asked` was when the command left; later wishes are yet to be told."""
        source = f"relay {relay.number}"
        if not isinstance(reply, Refused):
            if relay.asked == asked:
                relay.told(on=on, now=now)
            self._watch_at_s = min(self._watch_at_s, now + WATCH_S)
            self._held_until_s.pop(relay.number, None)
            if relay.number not in self._unlike:
                self._health.fine(source)
            return
        busy = _is_busy(reply)
        self._held_until_s[relay.number] = now + (BUSY_S if busy else REPEAT_S)
        if busy:
            self._health.blip(in_words(reply))
        elif not self._leaving:
            self._health.degraded(source, f"{source} does not follow: {in_words(reply)}")

    def _heard_coils(self, reply: Reply, now: float) -> None:
        """Do the relays do what they were told?"""
        if isinstance(reply, Refused):
            self._can_be_read_back = reply.code not in _NOT_THERE
            return
        assert isinstance(reply, Bits)
        for relay, is_on in zip(self._pulses.relays, reply.states, strict=True):
            if relay.written is None or self._may_have_ended(relay, now):
                continue
            if is_on is relay.written:
                if self._unlike.pop(relay.number, 0):
                    self._health.fine(f"relay {relay.number}")
            else:
                self._found_unlike(relay, now)

    def _found_unlike(self, relay: Relay, now: float) -> None:
        relay.written = None  # told again: at once, or after a while if that did not help
        self._unlike[relay.number] = self._unlike.get(relay.number, 0) + 1
        cause = f"relay {relay.number} does not follow"
        if self._unlike[relay.number] == 1:
            self._health.blip(cause)
            self._watch_at_s = now
        else:
            self._health.degraded(f"relay {relay.number}", cause)
            self._held_until_s[relay.number] = now + REPEAT_S

    def _may_have_ended(self, relay: Relay, now: float) -> bool:
        timed = self.settings.timed_pulse != "none"
        return timed and relay.written is True and relay.left_s(now) < _TIMED_SLACK_S

    def _heard_contacts(self, reply: Reply, now: float) -> None:
        if isinstance(reply, Refused):
            self._inputs_refused(reply, 0, now)
            return
        assert isinstance(reply, Bits)
        for each in self.settings.inputs:
            if each.supervised is None:
                state = contact_state(closed=reply.states[each.channel - 1], normal=each.normal)
                self._see(each.channel, state, now)
        self._inputs_heard(0, now)

    def _heard_measures(self, reply: Reply, now: float) -> None:
        if isinstance(reply, Refused):
            self._inputs_refused(reply, len(self._reads) - 1, now)
            return
        assert isinstance(reply, Registers)
        for each in self.settings.inputs:
            if each.supervised is not None:
                state = each.supervised.state(reply.values[each.channel - 1], each.normal)
                self._see(each.channel, state, now)
        self._inputs_heard(len(self._reads) - 1, now)

    def _see(self, channel: int, state: InputState, now: float) -> None:
        for change in self._inputs.see(channel, state, round(now * 1e9)):
            self._emit(change)

    def _inputs_heard(self, number: int, now: float) -> None:
        self._unheard.discard(number)
        if trouble := self._inputs.trouble(round(now * 1e9)):
            self._health.degraded(_INPUTS, trouble)
        else:
            self._health.fine(_INPUTS)

    def _inputs_refused(self, reply: Refused, number: int, now: float) -> None:
        self._read_at_s[number] = now + REPEAT_S
        self._health.degraded(_INPUTS, f"the inputs cannot be read: {in_words(reply)}")


def _is_busy(reply: Reply) -> bool:
    """The same command may be taken a moment later."""
    return isinstance(reply, Refused) and reply.code in (ExceptionCode.BUSY, ExceptionCode.ACKNOWLEDGE)


def in_words(reply: Refused) -> str:
    """What an exception reply says."""
    known = {code.value: text for code, text in _IN_WORDS.items()}
    return known.get(reply.code, f"the board answers with exception {reply.code}")
