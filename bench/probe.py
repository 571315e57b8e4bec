"""Finding out what hangs on a port: each family, over speeds, settings and faults, against the simulators.

`python -m bench probe`. A trial is a simulated device with settings and a fault by chance, a probe, and a
person who shows another card half a second to a second after being asked. Right is: family, speed and the
settings that the line can tell. Lines that two families send alike, byte for byte, are trials of their own:
there the probe can only name both.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.report import quantile, save, show
from drivers.errors import DeviceUnavailable
from drivers.probe import Outcome, Probe
from drivers.transport import open_transport
from firmware_sim.catalogue import settings_of
from firmware_sim.errors import RequestError
from firmware_sim.scene import parse_scene
from firmware_sim.simulator import Simulator

_LIMIT_S = 15.0
_PEOPLE = 40
_ASKED = (115_200, 57_600, 38_400, 19_200, 9_600)
_SPEAKING = (115_200, 57_600, 38_400, 19_200, 9_600, 4_800, 2_400, 1_200)
_DEVICE = "device"

Fault = tuple[str, Mapping[str, Any], int | None] | None
_FAULTS: Sequence[Fault] = (
    None,
    None,
    None,
    ("noise_before", {}, None),
    ("noise_after", {}, None),
    ("noise_between", {}, None),
    ("slow", {"delay_s": 0.35}, None),
    ("slow", {"delay_s": 0.9}, None),
    ("split", {"gap_s": 0.005}, None),
    ("cut", {}, None),
    ("wrong_checksum", {}, 1),
    ("lost_byte", {}, 1),
    ("echo", {}, None),
)


@dataclass(frozen=True)
class Family:
    """`options(chance)`: keys of the scene's table. `told`: settings that the line can tell."""

    driver: str
    options: Callable[[random.Random], dict[str, Any]]
    told: tuple[str, ...] = ()
    is_lock_board: bool = False
    left_at: tuple[int, ...] = ()  # speeds at which another program may have left it
    alike: str = ""  # the family that sends the same bytes


def _rate(chance: random.Random) -> int:
    """Half of them as they left the factory."""
    return chance.choice((9_600, chance.choice(_SPEAKING)))


def _wiegand(chance: random.Random) -> dict[str, Any]:
    framing = chance.choice(("hex_line", "decimal_line", "stx_lrc"))
    bits = (
        26 if framing == "decimal_line" else chance.choice((26, 34, 37) if framing == "hex_line" else (34,))
    )
    return {"rate": _rate(chance), "framing": framing, "bits": bits}


def _text(chance: random.Random) -> dict[str, Any]:
    """Without what a converter of readers.md 5.2 sends too: hex and CR, decimal and CR LF."""
    form = chance.choice(("hex8", "hex10", "dec10", "dec8", "facility_card"))
    suffixes = {"hex8": ("lf", "crlf", "tab", "etx"), "hex10": ("cr", "lf", "crlf", "tab", "etx")}
    suffix = chance.choice(suffixes.get(form, ("cr", "lf", "tab", "etx")))
    return {"rate": _rate(chance), "format": form, "suffix": suffix, "source": "em_tag"}


def _text_alike(chance: random.Random) -> dict[str, Any]:
    form, suffix = chance.choice((("hex8", "cr"), ("dec10", "crlf"), ("dec8", "crlf")))
    return {"rate": _rate(chance), "format": form, "suffix": suffix, "source": "em_tag"}


def _qr(chance: random.Random) -> dict[str, Any]:
    return {
        "rate": chance.choice((9_600, 115_200, 9_600, 115_200, 38_400, 19_200)),
        "suffix": chance.choice(("cr", "lf", "crlf", "tab", "etx", "nul", "silence")),
    }


def _osdp(chance: random.Random) -> dict[str, Any]:
    address = chance.choice((0, 1, 2, chance.randrange(127)))
    return {"rate": chance.choice((*_ASKED, 230_400)), "address": address}


def _modbus(chance: random.Random) -> dict[str, Any]:
    unit = chance.choice((1, 1, chance.randrange(1, 17)))
    rate = 9_600 if unit > 1 else chance.choice((*_ASKED, 4_800))
    return {"rate": rate, "unit": unit, "channels": chance.choice((1, 2, 4, 8, 16))}


FAMILIES: Mapping[str, Family] = {
    "sam_v": Family("sam_v", lambda _: {}, left_at=_ASKED),
    "pn532": Family("pn532", lambda _: {}),
    "rdm6300": Family("rdm6300", lambda chance: {"rate": _rate(chance)}, told=("rate",)),
    "id12": Family("id12", lambda chance: {"rate": _rate(chance)}, told=("rate",)),
    "wiegand": Family("wiegand", _wiegand, told=("rate", "framing", "bits")),
    "text": Family("text", _text, told=("rate",)),
    "text, as a converter's": Family("text", _text_alike, told=("rate",), alike="wiegand"),
    "qr": Family("qr", _qr, told=("rate",)),
    "osdp": Family("osdp", _osdp, told=("rate", "address")),
    "osdp_out": Family(
        "osdp_out",
        lambda chance: _osdp(chance) | {"channels": chance.choice((1, 2, 4, 8))},
        told=("address", "channels"),
        is_lock_board=True,
    ),
    "lc_relay": Family(
        "lc_relay",
        lambda chance: {"channels": chance.randint(1, 8)},
        told=("channels",),
        is_lock_board=True,
    ),
    "modbus": Family("modbus", _modbus, told=("rate", "unit", "channels"), is_lock_board=True),
    "nothing": Family("", lambda _: {}),
}


@dataclass
class Person:
    """A `Watcher` who shows a card when asked, if the device is one for cards."""

    simulator: Simulator
    chance: random.Random
    shows: bool
    shown: int = 0
    _threads: list[threading.Thread] = field(default_factory=list)

    def step(self, text: str) -> None:
        """Does not look at the screen."""

    def bytes_seen(self, rate: int | None, shown: str, meaning: str, *, sent: bool) -> None:
        """Does not look at the line."""

    def show_card(self, text: str) -> None:  # noqa: ARG002 - the text is for people
        if self.shows:
            after_s, card = self.chance.uniform(0.5, 1.0), f"P{self.chance.randint(1, _PEOPLE):04d}"
            thread = threading.Thread(target=self._show, args=(after_s, card))
            self._threads.append(thread)
            thread.start()

    def leave(self) -> None:
        for thread in self._threads:
            thread.join()

    def _show(self, after_s: float, card: str) -> None:
        time.sleep(after_s)
        try:
            self.simulator.present(_DEVICE, card)
        except RequestError:
            return  # the card before is still there: a person has one hand for them
        self.shown += 1
        time.sleep(0.3)
        self.simulator.remove(_DEVICE)


@dataclass(frozen=True)
class Trial:
    family: str
    fault: str
    said: str
    took_s: float
    right: bool = False
    sureness: str = ""


def run_trial(name: str, seed: str) -> Trial:
    family, chance = FAMILIES[name], random.Random(f"{name} {seed}")
    options = family.options(chance)
    scene = parse_scene(_scene(family, options, chance))
    with tempfile.TemporaryDirectory() as folder, Simulator(scene, Path(folder)) as simulator:
        fault = _switch_on(simulator, family, chance)
        person = Person(simulator, chance, shows=bool(family.driver) and not family.is_lock_board)
        started = time.monotonic()
        try:
            with closing(open_transport(simulator.address(_DEVICE), 115_200)) as transport:
                outcome = Probe(transport, person).run()
        except DeviceUnavailable as error:
            took_s = time.monotonic() - started
            return Trial(name, fault=fault, said=str(error), took_s=took_s)
        took_s = time.monotonic() - started
        person.leave()
    plan = scene.devices[0]
    truth = settings_of(_DEVICE, plan.kind, plan.options, "") if family.driver else {}
    right, said = _judge(family, options, truth, outcome)
    sureness = outcome.findings[0].sureness.value if outcome.findings else "not known"
    in_time = took_s < _LIMIT_S
    return Trial(name, f"{fault} {options}", said, took_s, right and in_time, sureness)


def _scene(family: Family, options: Mapping[str, Any], chance: random.Random) -> str:
    table = "lock_board" if family.is_lock_board else "reader"
    lines = [f"people = {_PEOPLE}", 'profile = "real"', f"seed = {chance.randrange(1_000_000)}"]
    lines += [f"[[{table}]]", f'name = "{_DEVICE}"', f'kind = "{family.driver or "rdm6300"}"']
    lines += [f"{key} = {value!r}".replace("'", '"') for key, value in options.items()]
    return "\n".join(lines)


def _switch_on(simulator: Simulator, family: Family, chance: random.Random) -> str:
    if family.left_at and chance.randrange(3):
        simulator.fault(_DEVICE, "wrong_rate", rate=chance.choice(family.left_at))
    fault = chance.choice(_FAULTS)
    if fault is None or not family.driver:
        return "none"
    name, parameters, count = fault
    try:
        simulator.fault(_DEVICE, name, count=count, **parameters)
    except RequestError:
        return "none"  # this kind cannot have it
    return name


def _judge(
    family: Family, options: Mapping[str, Any], truth: Mapping[str, Any], outcome: Outcome
) -> tuple[bool, str]:
    if not family.driver:
        return not outcome.findings, str([each.driver for each in outcome.findings])
    if not outcome.findings:
        return False, f"nothing; {outcome.note}"
    first = next((each for each in outcome.findings if each.driver == family.driver), outcome.findings[0])
    if first.driver != "osdp_out":  # which comes beside the reader that such a device is, too
        first = outcome.findings[0]
    said = f"{first.driver} {first.rate} {dict(first.options)}"
    names = [first.driver, *(family.driver for mind in first.mind if f'"{family.driver}"' in mind)]
    wanted = {**options, **truth}
    expected = {key: wanted[key] for key in family.told if key in wanted}
    told = {"rate": first.rate, **first.options}
    wrong = {key for key, value in expected.items() if told.get(key, value) != value}
    if family.alike:  # the right one of two that cannot be told apart must at least be named
        return family.driver in names and first.rate == options["rate"], said
    return first.driver == family.driver and not wrong, said


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench probe", description=__doc__)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--together", type=int, default=10, help="trials at the same time")
    parser.add_argument("--families", nargs="*", default=list(FAMILIES), choices=list(FAMILIES))
    parser.add_argument("--seed", default="1")
    arguments = parser.parse_args(words)
    rows, figures, complete = [], {}, True
    for name in arguments.families:
        with ThreadPoolExecutor(arguments.together) as pool:
            seeds = [f"{arguments.seed}-{number}" for number in range(arguments.trials)]
            trials = list(pool.map(lambda seed, name=name: run_trial(name, seed), seeds))
        right = sum(trial.right for trial in trials)
        took = [trial.took_s for trial in trials]
        sure = Counter(trial.sureness for trial in trials)
        words_of_sureness = ", ".join(f"{count} {word}" for word, count in sure.most_common())
        rows.append((name, f"{right}/{len(trials)}", quantile(took, 0.5), max(took), words_of_sureness))
        figures[name] = {"right": right, "of": len(trials), "p50 s": quantile(took, 0.5), "max s": max(took)}
        complete &= right >= 0.95 * len(trials)
        for trial in trials:
            if not trial.right:
                print(f"{name}: {trial.fault}: said {trial.said} after {trial.took_s:.1f} s", file=sys.stderr)
    show("What hangs on a port", ("family", "right", "p50 s", "max s", "how sure"), rows)
    save("probe", figures)
    return 0 if complete else 1
