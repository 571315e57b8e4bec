"""Finds out what hangs on a port: listens, asks what can do no harm, and waits for a card to be shown.

Sends nothing but what `probe_plan` holds, and nothing at all where somebody else already talks. Card numbers
stay here: whoever watches is shown overwritten bytes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from drivers.probe_finding import Finding, Heard, Sureness
from drivers.probe_guess import another_master, guess, leftover
from drivers.probe_meaning import dissect
from drivers.probe_plan import (
    ASK_RATES,
    CARD_RATES,
    MODBUS_RATE,
    MODBUS_UNITS,
    OSDP_ADDRESSES,
    PAUSE_S,
    Query,
    modbus_call,
    osdp_id,
    queries,
)
from drivers.transport import Transport

USUAL_S = 15.0
OVERHEAR_S = 0.3  # a reader that repeats does so at least three times a second
BRIEFLY_S = 0.45  # per speed: what answers at all usually does within 0.3 s
PATIENTLY_S = 1.3  # per speed, when something answers that is not understood: it may be slow
CARD_S = 1.6  # per speed: to read the request, to lift a card, and to be read
FIRST_CARD_S = 3.0
BURST_GAP_S = 0.08  # so long a silence ends what belongs together
ADDRESS_S = 0.05  # for the answer of one address; a reader's begins within 3 ms (readers.md 6.2)
UNIT_S = 0.09  # for the answer of one board; slow ones need 50 ms (readers.md 7.2)
MORE_ADDRESSES = (
    4  # looked at beyond the first one that answers: further readers of a line are its neighbours
)
MAX_HEARD = 4096  # bytes kept of each speed
USUAL_FRAME = 14  # bytes that a card's number takes on a line, as a rule
PRESENTATIONS = 3


class Watcher(Protocol):
    """Whoever stands at the port."""

    def step(self, text: str) -> None:
        """What is being done."""

    def show_card(self, text: str) -> None:
        """A card or code is to be shown now."""

    def bytes_seen(self, rate: int | None, shown: str, meaning: str, *, sent: bool) -> None:
        """Bytes on the line, in hex with identity overwritten."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`findings`: the surest first; none: it is not known what is there. `note` says what else was seen."""

    findings: tuple[Finding, ...]
    note: str = ""


class _Stopped(Exception):
    """Time is up, or whoever watches has seen enough."""


class Probe:
    """One look at one port; `transport` is open and nobody else's."""

    def __init__(
        self,
        transport: Transport,
        watcher: Watcher,
        *,
        limit_s: float = USUAL_S,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._transport = transport
        self._watcher = watcher
        self._end_s = time.monotonic() + limit_s
        self._stopping = stopping
        self._heard: dict[int | None, bytearray] = {}
        self._rate: int | None = None
        self._burst = bytearray()
        self._burst_at_s = 0.0

    def run(self) -> Outcome:
        """Blocks until it is known what is there, or time is up. Raises DeviceUnavailable."""
        note = ""
        try:
            note = self._look()
        except _Stopped:
            self._watcher.step("time is up")
        self._end_burst()
        findings = tuple(guess(self._everything()))
        if not findings and not note:
            note = self._what_was_odd()
        for data in self._heard.values():
            data[:] = bytes(len(data))
        return Outcome(findings, note)

    # --- the steps -----------------------------------------------------------------------------------------

    def _look(self) -> str:
        """Goes on until something is found; returns what hinders, if anything does."""
        talks = self._overhear()
        if master := another_master(self._everything()):
            return f"{master}: nothing was sent; stop it or take its wire off, then probe again"
        if not talks:
            self._ask(self._settable(ASK_RATES), BRIEFLY_S)
            if not self._certain() and self._odd_rates():
                self._ask(self._suspected(), PATIENTLY_S)
            if not self._certain():
                self._call()
        if self._certain():
            self._ask_further()
        else:
            self._await_cards()
        return ""

    def _overhear(self) -> bool:
        """Whether the line speaks by itself, twice; then it is not asked."""
        self._watcher.step("listening")
        if not any([self._hears_at(rate) for rate in self._settable(CARD_RATES[:2])]):  # noqa: C419 - at all
            return False
        if self._certain():
            return True
        heard = [rate for rate in self._settable(CARD_RATES) if not self._certain() and self._hears_at(rate)]
        return bool(heard)

    def _hears_at(self, rate: int | None) -> bool:
        self._set(rate)
        before = len(self._at(rate))
        self._listen(OVERHEAR_S)
        return len(self._at(rate)) > before

    def _ask(self, rates: Iterable[int | None], dwell_s: float) -> None:
        for rate in rates:
            self._set(rate)
            self._watcher.step(f"asking {_at(rate)}")
            end_s = time.monotonic() + dwell_s
            for query in queries(rate) if rate else _every_query():
                self._send(query)
                if self._certain():
                    return
            if self._listen(end_s - time.monotonic(), self._certain):
                return

    def _suspected(self) -> list[int | None]:
        """All rates, that first at which something was asked before the first bytes came at another rate."""
        rates = list(self._settable(ASK_RATES))
        first = next((at for at, rate in enumerate(rates) if rate in self._odd_rates()), 0)
        before = rates[max(0, first - 1) : first + 1]
        return [*before, *(rate for rate in rates if rate not in before)]

    def _call(self) -> None:
        """Boards whose number is not 1, at the speed that they have from the factory."""
        self._set(MODBUS_RATE if self._transport.sets_rate else None)
        self._watcher.step(f"calling Modbus boards 2 to {MODBUS_UNITS[-1]} {_at(self._rate)}")
        for unit in MODBUS_UNITS[1:]:
            self._send(modbus_call(unit), UNIT_S)
            if self._certain():
                return

    def _await_cards(self) -> None:
        again = ""
        while True:
            rates = list(self._settable(CARD_RATES))
            dwell_s = FIRST_CARD_S
            while rates:
                rate = rates.pop(0)
                self._set(rate)
                self._watcher.show_card(f"show a card or code{again} (listening {_at(rate)})")
                again = " again"
                before = len(self._at(rate))
                if self._listen(dwell_s, self._found):
                    return self._confirm()
                dwell_s = CARD_S
                if burst := len(self._at(rate)) - before:
                    rates.sort(key=lambda each: _oddness(burst, rate, each))

    def _confirm(self) -> None:
        """A form that no check proves is surer when it comes again."""
        for _ in range(PRESENTATIONS - 1):
            if self._certain() or not self._found():
                return
            self._watcher.show_card("show another card or code")
            self._listen(CARD_S, self._found)  # judged only when something has come

    def _ask_further(self) -> None:
        finding = guess(self._everything())[0]
        if finding.rate is not None and finding.rate != self._rate:
            self._set(finding.rate)
        if finding.driver == "osdp":
            self._look_for_addresses()

    def _look_for_addresses(self) -> None:
        self._watcher.step("looking for the readers' addresses")
        left = MORE_ADDRESSES
        for address in OSDP_ADDRESSES:
            left -= self._has_address()
            if not left:
                return
            self._send(osdp_id(address), ADDRESS_S + _wire_s(self._rate))

    def _has_address(self) -> bool:
        return any("address" in each.options for each in guess(self._everything()) if each.driver == "osdp")

    # --- the line ------------------------------------------------------------------------------------------

    def _settable(self, rates: Iterable[int]) -> Iterable[int | None]:
        return rates if self._transport.sets_rate else (None,)

    def _set(self, rate: int | None) -> None:
        self._end_burst()
        if rate is not None and rate != self._rate:
            self._transport.set_rate(rate)
        self._rate = rate

    def _send(self, query: Query, wait_s: float = PAUSE_S) -> None:
        self._end_burst()
        self._watcher.bytes_seen(self._rate, query.data.hex(" ").upper(), query.what, sent=True)
        self._transport.write(query.data)
        self._listen(max(wait_s, PAUSE_S))

    def _listen(self, for_s: float, enough: Callable[[], bool] | None = None) -> bool:
        """Whether it was enough. Judged when the line falls silent: a line of text is whole only then."""
        end_s = min(time.monotonic() + for_s, self._end_s)
        while (left_s := end_s - time.monotonic()) > 0:
            if self._stopping():
                raise _Stopped
            data = self._transport.read(min(left_s, BURST_GAP_S))
            self._take(data)
            if self._burst and (not data or self._is_long()):
                self._end_burst()
                if enough and enough():
                    return True
        if time.monotonic() >= self._end_s:
            raise _Stopped
        return False

    def _take(self, data: bytes) -> None:
        if not data:
            return
        kept = self._heard.setdefault(self._rate, bytearray())
        kept += data
        if len(kept) > MAX_HEARD:
            del kept[: len(kept) - MAX_HEARD // 2]
        if not self._burst:
            self._burst_at_s = time.monotonic()
        self._burst += data

    def _is_long(self) -> bool:
        """A device that speaks without a pause must not be waited for."""
        return len(self._burst) >= MAX_HEARD // 8 or time.monotonic() - self._burst_at_s > OVERHEAR_S

    def _end_burst(self) -> None:
        for piece in dissect(bytes(self._burst)):
            self._watcher.bytes_seen(self._rate, piece.shown, piece.meaning, sent=False)
        self._burst[:] = bytes(len(self._burst))
        self._burst.clear()

    # --- what is known so far ------------------------------------------------------------------------------

    def _at(self, rate: int | None) -> bytearray:
        return self._heard.setdefault(rate, bytearray())

    def _everything(self) -> list[Heard]:
        return [Heard(rate, bytes(data)) for rate, data in self._heard.items() if data]

    def _found(self) -> bool:
        return bool(guess(self._everything()))

    def _certain(self) -> bool:
        found = guess(self._everything())
        return bool(found) and found[0].sureness is Sureness.CERTAIN

    def _odd_rates(self) -> list[int | None]:
        return [each.rate for each in self._everything() if leftover(each)]

    def _what_was_odd(self) -> str:
        rates = [_at(rate) for rate in self._odd_rates()]
        return f"bytes came that are not understood ({', '.join(rates)})" if rates else ""


def _at(rate: int | None) -> str:
    return f"at {rate} baud" if rate else "at the adapter's speed"


def _wire_s(rate: int | None) -> float:
    """What question and answer of an OSDP reader take on the line."""
    return 300 / (rate or ASK_RATES[1])


def _oddness(burst: int, at: int | None, rate: int | None) -> float:
    """How unusual the length of what was sent would be, had it come at `rate`."""
    length = burst * (rate or 1) / (at or 1)
    return abs(math.log(max(length, 0.1) / USUAL_FRAME))


def _every_query() -> tuple[Query, ...]:
    return tuple({query.data: query for rate in ASK_RATES for query in queries(rate)}.values())
