"""Driver of an LC / LCUS relay board: releases at once, ends every pulse itself, keeps the port.

The board has no watchdog and confirms nothing: what it should be doing is kept here, and written again when
the board may have forgotten. Knows no doors.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing
from typing import Annotated, Self

from pydantic import Field, model_validator

from drivers.base import Emit
from drivers.errors import DeviceUnavailable
from drivers.health import Health
from drivers.lc_codec import BAUDRATE, MAX_CHANNEL, QUERY, RelayState, StatusParser, set_relay
from drivers.lock_guard import Order, shared_guard
from drivers.pulses import Pulses, Relay, SafeStates, check_safe_states
from drivers.settings import DeviceSettings, Port
from drivers.transport import Transport, open_transport

log = logging.getLogger(__name__)

ANSWER_LIMIT_S = 0.5  # for the lines of a status query: eight take 0.1 s
REPEAT_S = 2.0  # a relay that does not follow is told again this often, after one repeat at once
IDLE_S = 3600.0  # nothing is due: only bytes, a loss or a wake-up end the wait

_RELAY = "relay"


class LcRelaySettings(DeviceSettings):
    """A relay board of the LC / LCUS kind."""

    port: Port
    channels: Annotated[int, Field(ge=1, le=MAX_CHANNEL)] = 1
    command_gap_s: Annotated[float, Field(ge=0, le=1.0)] = 0.12
    """The board loses commands less than 0.1 s apart; the rest is what adapters add and take."""
    status_query: bool = False  # True only for boards that answer FF
    safe_state: SafeStates = Field(default_factory=dict)

    @model_validator(mode="after")
    def _safe_states_exist(self) -> Self:
        check_safe_states(self.safe_state, self.channels)
        return self


class LcBoard:
    """A `LockDriver`."""

    def __init__(self, name: str, settings: LcRelaySettings) -> None:
        self.name = name
        self._settings = settings
        self._lock = threading.Lock()  # guards all below; held for one write at most
        self._pulses = Pulses(name, settings.channels, settings.safe_state)
        self._transport: Transport | None = None
        self._broken: DeviceUnavailable | None = None  # seen by a caller of `release`, for the own thread
        self._last_command_s = 0.0
        self._ask_at_s: float | None = None  # a status query is due then
        self._asked_s: float | None = None  # one waits for its lines since then,
        self._heard: dict[int, bool] = {}  # of which these came
        self._mismatches = 0
        self._stopping = threading.Event()
        self._was_there = False

    def run(self, emit: Emit) -> None:
        health = Health("lock board", self.name, emit)
        while not self._stopping.is_set():
            try:
                with (
                    closing(open_transport(self._settings.port, BAUDRATE)) as transport,
                    shared_guard().protecting(transport.descriptor(), self._last_orders(transport)),
                ):
                    try:
                        self._keep(transport, health)
                    finally:
                        self._let_go()  # before it is closed: no caller may write to a closed port
            except DeviceUnavailable as error:
                health.lost(error.cause, gone=error.gone)
            if not self._stopping.is_set():
                self._stopping.wait(health.retry_in_s())
        self._say_what_is_left()

    def release(self, channel: int, pulse_s: float) -> None:
        """Switches the relay on, from the caller's own thread where the board's pause allows it.

        A second call during a pulse prolongs it. Raises DeviceUnavailable, or ConfigurationError if channel
        or pulse cannot be.
        """
        self._pulses.check(channel, pulse_s)
        with self._lock:
            transport = self._usable()
            now = time.monotonic()
            relay = self._pulses.ask(channel, pulse_s, now)
            if self._gap_left(now) <= 0:
                self._write_for_a_caller(transport, relay, now)
            transport.wake()  # the own thread has a new end of a pulse to wait for

    def stop(self) -> None:
        self._stopping.set()
        with self._lock:
            if self._transport is not None:
                self._transport.wake()

    # --- under the lock ------------------------------------------------------------------------------------

    def _usable(self) -> Transport:
        if self._transport is None or self._stopping.is_set():
            raise DeviceUnavailable(self._settings.port, f"lock board {self.name} is not connected now")
        self._raise_if_broken()
        return self._transport

    def _raise_if_broken(self) -> None:
        if self._broken is not None:
            raise DeviceUnavailable(self._broken.port, self._broken.cause, gone=self._broken.gone)

    def _gap_left(self, now: float) -> float:
        return self._last_command_s + self._settings.command_gap_s - now

    def _write_for_a_caller(self, transport: Transport, relay: Relay, now: float) -> None:
        """A release that failed is over for its caller; the own thread takes the port up again."""
        try:
            self._write(transport, relay, now)
        except DeviceUnavailable as error:
            relay.give_up()
            self._broken = error
            transport.wake()
            raise

    def _write(self, transport: Transport, relay: Relay, now: float) -> None:
        self._write_state(transport, relay, on=relay.wanted(now))
        self._asked_s = None  # an answer on its way speaks of what was before
        if self._settings.status_query:
            self._ask_at_s = self._last_command_s

    def _write_state(self, transport: Transport, relay: Relay, *, on: bool) -> None:
        relay.written = None  # until it is written it is not known
        transport.write(set_relay(relay.number, on=on))
        self._last_command_s = time.monotonic()
        relay.told(on=on, now=self._last_command_s)

    # --- the own thread ------------------------------------------------------------------------------------

    def _keep(self, transport: Transport, health: Health) -> None:
        """Serves the board until stopped. Raises DeviceUnavailable."""
        parser = StatusParser()
        transport.flush_input()
        self._begin(transport)
        ready = False
        while not self._stopping.is_set():
            with self._lock:
                pause_s = self._serve(transport)
                settled = not self._pulses.due(time.monotonic())
            if settled and not ready:
                ready = True
                health.recovering("takes commands")
                health.ready(f"relays 1 to {len(self._pulses)} at {self._settings.port}")
            states = parser.feed(transport.read(pause_s))
            self._hear(states, health)
        self._make_safe(transport)

    def _begin(self, transport: Transport) -> None:
        with self._lock:
            self._pulses.forget()  # a board that was away has forgotten
            self._broken = None
            self._ask_at_s = self._asked_s = None
            self._mismatches = 0
            self._last_command_s = time.monotonic()  # whoever had the port before us may have just written
            self._transport = transport
            self._was_there = True

    def _serve(self, transport: Transport) -> float:
        """Writes what is due and may be written now; returns for how long nothing more is."""
        self._raise_if_broken()
        while self._gap_left(now := time.monotonic()) <= 0:
            if due := self._pulses.due(now):
                self._write(transport, due[0], now)
            elif self._ask_at_s is not None and now >= self._ask_at_s:
                transport.write(QUERY)
                self._ask_at_s = None
                self._asked_s = self._last_command_s = now
                self._heard.clear()
            else:
                break
        return self._pause(now)

    def _pause(self, now: float) -> float:
        ends = [now + IDLE_S]
        if self._pulses.due(now):
            ends.append(now + self._gap_left(now))
        if (end_s := self._pulses.next_end_s(now)) is not None:
            ends.append(end_s)
        if self._ask_at_s is not None:
            ends.append(max(self._ask_at_s, now + self._gap_left(now)))
        if self._asked_s is not None:
            ends.append(self._asked_s + ANSWER_LIMIT_S)
        return max(0.0, min(ends) - now)

    def _hear(self, states: list[RelayState], health: Health) -> None:
        """Does the board do what it was told? Only boards that answer can be asked."""
        with self._lock:
            if self._asked_s is None:
                return
            self._heard.update({state.channel: state.on for state in states})
            now = time.monotonic()
            complete = all(relay.number in self._heard for relay in self._pulses.relays)
            if not complete and now - self._asked_s < ANSWER_LIMIT_S:
                return
            self._asked_s = None
            cause = self._judge(now)
        if not cause:
            health.fine(_RELAY)
        elif self._mismatches > 1:
            health.degraded(_RELAY, cause)
        else:
            health.blip(cause)

    def _judge(self, now: float) -> str:
        """What is wrong, if anything; relays that do otherwise are told again, for their state is unknown."""
        wrong = [
            relay
            for relay in self._pulses.relays
            if relay.written is not None and self._heard.get(relay.number) is not relay.written
        ]
        if not wrong:
            self._mismatches = 0
            return ""
        self._mismatches += 1
        self._ask_at_s = now if self._mismatches == 1 else now + REPEAT_S
        for relay in wrong:
            relay.written = None
        if not self._heard:
            return "no answer to the status query; if this board has none, set status_query = false"
        return f"relay {wrong[0].number} does not follow"

    def _make_safe(self, transport: Transport) -> None:
        with self._lock:
            self._transport = None  # from here on nobody else writes
        for relay in sorted(self._pulses.relays, key=lambda relay: relay.written is relay.safe):
            time.sleep(max(0.0, self._gap_left(time.monotonic())))  # the board's own pause
            self._write_state(transport, relay, on=relay.safe)

    def _last_orders(self, transport: Transport) -> list[Order]:
        """What is written should we die. The first one twice: it may complete one that we left unfinished."""
        commands = [set_relay(relay.number, on=relay.safe) for relay in self._pulses.relays]
        gap_s = self._settings.command_gap_s
        return [Order(gap_s, transport.as_sent(command)) for command in (commands[0], *commands)]

    def _let_go(self) -> None:
        with self._lock:
            self._transport = None

    def _say_what_is_left(self) -> None:
        if not self._was_there:
            return
        for relay in self._pulses.unsafe():
            state = "on" if not relay.safe else "off"
            log.warning("lock board %s: stopped while relay %d may be %s", self.name, relay.number, state)
