"""Finds out what hangs on a port: listens, asks what can do no harm, and waits for a card to be shown.

Sends nothing but what `probe_plan` holds, and nothing at all where somebody else already talks.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from drivers.probe_finding import Finding
from drivers.probe_guess import another_master, begins_well, has_told_abilities
from drivers.probe_line import ProbedLine, Stopped, Watcher
from drivers.probe_plan import (
    ASK_RATES,
    CARD_RATES,
    LC_STATUS,
    MODBUS_RATE,
    MODBUS_UNITS,
    OSDP_ADDRESSES,
    Query,
    modbus_call,
    modbus_inputs,
    modbus_relays,
    osdp_abilities,
    osdp_id,
    queries,
)
from drivers.transport import Transport

USUAL_S = 14.0
OVERHEAR_S = 0.3  # a reader that repeats does so at least three times a second
BRIEFLY_S = 0.45  # per speed: what answers at all usually does within 0.3 s
PATIENTLY_S = 1.3  # per speed, when something answers that is not understood: it may be slow
ROUNDS = 2  # what is damaged once comes again
LATE_BY = 3  # so many speeds later the answer of a slow device may come
FIRST_CARD_S = 3.0  # to read the request, to find a card, and to be read
CARD_S = 2.0
ADDRESS_S = 0.05  # for the answer of one address; a reader's begins within 3 ms (readers.md 6.2)
UNIT_S = 0.07  # for the answer of one board; slow ones need 50 ms (readers.md 7.2)
LINES_S = 0.3  # for the lines of eight relays, 0.1 s at 9600 (readers.md 7.1)
FIRST_ADDRESSES = range(4)  # where the readers of most lines are
MORE_ADDRESSES = 4  # looked at beyond the first that answers: readers of one line are numbered in a row
MORE_UNITS = 3
USUAL_FRAME = 14  # bytes that a card's number takes on a line, as a rule
PRESENTATIONS = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """`findings`: the surest first; none: it is not known what is there. `note` says what else was seen."""

    findings: tuple[Finding, ...]
    note: str = ""


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
        self._watcher = watcher
        self._line = ProbedLine(transport, watcher, time.monotonic() + limit_s, stopping)
        self._terminals: dict[int, tuple[int, int]] = {}  # Modbus unit -> relays, inputs

    def run(self) -> Outcome:
        """Blocks until it is known what is there, or time is up. Raises DeviceUnavailable."""
        note = ""
        try:
            note = self._look()
        except Stopped:
            self._watcher.step("time is up")
        finally:
            self._line.end_burst()
            findings = tuple(self._with_terminals(each) for each in self._line.findings())
            odd = ", ".join(_at(rate) for rate in self._line.odd_rates())
            self._line.forget()
        if not findings and not note and odd:
            note = f"bytes came that are not understood ({odd})"
        return Outcome(findings, note)

    def _look(self) -> str:
        """Goes on until something is found; returns what hinders, if anything does. Raises Stopped."""
        talks = self._overhear()
        if master := another_master(self._line.heard()):
            return f"{master}: nothing was sent; stop it or take its wire off, then probe again"
        if not talks:
            self._ask_all()
            if self._line.is_certain():
                self._ask_further()
        if not self._line.is_certain():
            self._await_cards()
        return ""

    def _overhear(self) -> bool:
        """Whether the line speaks by itself, twice; then it is not asked."""
        self._watcher.step("listening")
        first = [self._hears_at(rate) for rate in self._line.settable(CARD_RATES[:2])]
        if not any(first):
            return False
        if self._line.is_certain():
            return True
        again = False
        for rate in self._line.settable(CARD_RATES):
            again |= self._hears_at(rate)
            if self._line.is_certain():
                return True
        return again

    def _hears_at(self, rate: int | None) -> bool:
        self._line.set(rate)
        return self._line.hears(OVERHEAR_S)

    # --- devices that answer -------------------------------------------------------------------------------

    def _ask_all(self) -> None:
        line = self._line
        line.trail.clear()
        self._ask(line.settable(ASK_RATES), BRIEFLY_S)
        for _ in range(ROUNDS):
            if not line.is_certain() and line.odd_rates():
                self._ask(self._suspected()[:LATE_BY], PATIENTLY_S, FIRST_ADDRESSES)
            if not line.is_certain():
                self._call()
            if line.is_certain() or not line.odd_rates():
                return
        self._ask(self._suspected(), PATIENTLY_S, FIRST_ADDRESSES)

    def _ask(self, rates: Iterable[int | None], dwell_s: float, addresses: range = range(0)) -> None:
        """`addresses`: OSDP devices asked one by one; several that are asked together drown each other."""
        for rate in rates:
            self._line.set(rate)
            self._watcher.step(f"asking {_at(rate)}")
            end_s = time.monotonic() + dwell_s
            for query in (*_queries(rate), *(osdp_id(address) for address in addresses)):
                self._line.send(query)
                if self._line.is_certain():
                    return
            if self._line.listen(end_s - time.monotonic(), self._line.is_certain):
                return

    def _suspected(self) -> list[int | None]:
        """Where to ask again, likeliest first.

        A late answer comes when the next speeds are tried already; a damaged one at once. And a device that
        answers nonsense with nonsense is silent at its own speed, while it starts.
        """
        rates = list(self._line.settable(ASK_RATES))
        odd = self._line.odd_rates()
        trail = self._line.trail
        first = next((at for at, visit in enumerate(trail) if visit.heard and visit.rate in odd), 0)
        just_before = [visit.rate for visit in trail[max(0, first - LATE_BY) : first]][::-1]
        damaged = odd if len(odd) < LATE_BY else []
        begun = [each.rate for each in self._line.heard() if begins_well(each)]
        silent = [rate for rate in rates if rate not in odd]
        return list(dict.fromkeys([*begun, *just_before[:1], *damaged, *just_before, *silent, *rates]))

    def _call(self) -> None:
        """Boards whose number is not 1, at the speed that they have from the factory."""
        self._line.set(*self._line.settable((MODBUS_RATE,)))
        self._watcher.step(f"calling Modbus boards 2 to {MODBUS_UNITS[-1]} {_at(self._line.rate)}")
        for unit in MODBUS_UNITS[1:]:
            self._line.send(modbus_call(unit), UNIT_S)
            if self._line.is_certain():
                return

    def _ask_further(self) -> None:
        finding = self._line.findings()[0]
        if finding.rate != self._line.rate:
            self._line.set(finding.rate)
        if finding.driver == "osdp":
            self._look_for_addresses()
        elif finding.driver == "modbus":
            self._look_for_units()
        elif finding.driver == "lc_relay":
            self._line.listen(LINES_S)
            self._line.send(LC_STATUS, LINES_S)  # its first lines may have been lost

    def _look_for_addresses(self) -> None:
        """The devices of the line, and what each has."""
        self._watcher.step("looking for the devices' addresses")
        left = MORE_ADDRESSES
        for address in OSDP_ADDRESSES:
            left -= bool(self._addresses())
            if not left:
                break
            self._call_address(address)
        for address in sorted(self._addresses()):
            self._line.send(osdp_abilities(address), ADDRESS_S + _wire_s(self._line.rate))
            if not self._has_told_abilities(address):
                self._line.listen(PATIENTLY_S, partial(self._has_told_abilities, address))

    def _has_told_abilities(self, address: int) -> bool:
        return any(has_told_abilities(each, address) for each in self._line.heard())

    def _call_address(self, address: int) -> None:
        """Twice, if what comes back is damaged."""
        for _ in range(2):
            answer = self._line.send(osdp_id(address), ADDRESS_S + _wire_s(self._line.rate))
            if all(piece.driver for piece in answer):
                return

    def _addresses(self) -> set[int]:
        found = [each for each in self._line.findings() if each.driver == "osdp"]
        return {int(each.options["address"]) for each in found if "address" in each.options}

    def _look_for_units(self) -> None:
        """Further boards of the line, and how many relays and inputs each lets us read."""
        first = min(self._units())
        for unit in range(first + 1, min(first + MORE_UNITS, MODBUS_UNITS[-1]) + 1):
            self._line.send(modbus_call(unit), UNIT_S)
        for unit in sorted(self._units() & set(MODBUS_UNITS)):
            self._watcher.step(f"counting relays and inputs of unit {unit}")
            relays = self._count(modbus_relays(unit))
            self._terminals[unit] = relays, self._count(modbus_inputs(unit))

    def _units(self) -> set[int]:
        return {int(each.options["unit"]) for each in self._line.findings() if each.driver == "modbus"}

    def _count(self, asked: Iterable[Query]) -> int:
        """Of the first question, most first, that is answered and not refused."""
        for query in asked:
            answers = self._line.send(query, UNIT_S)
            if any(piece.form == "reply" and piece.raw[1] == query.data[1] for piece in answers):
                return query.count
        return 0

    def _with_terminals(self, finding: Finding) -> Finding:
        relays, inputs = self._terminals.get(int(finding.options.get("unit", 0)), (0, 0))
        if finding.driver != "modbus" or not (relays or inputs):
            return finding
        mind = [f"channels: it lets {relays} relays be read; count those on the board"] if relays else []
        if inputs:
            mind.append(f"inputs: {inputs} can be read; name those in use, as inputs = [{{ channel = 1 }}]")
        options = {**finding.options, "channels": relays}
        return replace(finding, options=options, mind=(*mind, *finding.mind))

    # --- devices that only send ----------------------------------------------------------------------------

    def _await_cards(self) -> None:
        text, dwell_s = "show a card or code", FIRST_CARD_S
        while True:
            rates = list(self._line.settable(CARD_RATES))
            while rates:
                rate = rates.pop(0)
                self._line.set(rate)
                self._watcher.show_card(f"{text} (listening {_at(rate)})")
                self._line.listen(dwell_s, lambda: self._found() or self._line.is_odd())
                if self._found():
                    return self._confirm()
                text, dwell_s = "show a card or code again", CARD_S
                if self._line.is_odd():
                    rates.sort(key=self._oddness)

    def _found(self) -> bool:
        return bool(self._line.findings())

    def _oddness(self, rate: int | None) -> float:
        """How unusual the length of what came last would be, had it been sent at `rate`."""
        length = statistics.median(self._line.portions) * (rate or 1) / (self._line.rate or 1)
        return abs(math.log(length / USUAL_FRAME))

    def _confirm(self) -> None:
        """A form that no check proves is surer when it comes again."""
        for _ in range(PRESENTATIONS - 1):
            if self._line.is_certain():
                return
            self._watcher.show_card("show another card or code")
            self._line.listen(CARD_S, self._found)  # judged only when something has come


def _at(rate: int | None) -> str:
    return f"at {rate} baud" if rate else "at the adapter's speed"


def _wire_s(rate: int | None) -> float:
    """What question and answer of an OSDP reader take on the line, about 50 bytes."""
    return 500 / (rate or MODBUS_RATE)


def _queries(rate: int | None) -> tuple[Query, ...]:
    """What is asked at this speed; all there is where we do not set it."""
    if rate is not None:
        return queries(rate)
    return tuple({query.data: query for each in ASK_RATES for query in queries(each)}.values())
