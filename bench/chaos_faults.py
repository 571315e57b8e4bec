"""Makes the faults of a campaign of chaos happen to an estate, and notes when each stood.

What is taken down is brought back as a supervisor would: at once, and nothing else is ever restarted.
"""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import strace
from bench.chaos_plan import Fault, What
from bench.door_faults import FAILING, fill, storage_paths
from bench.estate import Estate
from bench.loop_disk import LoopDisk
from bench.oracle import Span
from bench.processes import Child
from bench.strace import Attached, StraceMissing, injected
from bench.turned_gateway import turn

_FILL_EVERY_S = 0.2
_END_S = 30.0
_LOOK_S = 0.02
_WAITS = "delay_enter=200000"  # microseconds


@dataclass(frozen=True, slots=True)
class Hit:
    """A fault that took place. Monotonic nanoseconds."""

    fault: Fault
    begun_ns: int
    over_ns: int  # the cause is gone: the plug is in, the program fell and is being started
    real: bool = True  # something was hit by it
    stood: tuple[Span, ...] = ()  # when calls of one and the same process were made to fail or wait

    @property
    def what(self) -> What:
        return self.fault.what


class Breaker:
    """Its methods may run in several threads, but one fault of a track at a time."""

    def __init__(self, estate: Estate, disks: Mapping[str, LoopDisk]) -> None:
        """`disks` by building; without one no fault of a disk may be asked for."""
        self._estate = estate
        self._disks = disks
        self._pause = threading.Event()
        self._traces = itertools.count(1)
        self.failures: list[str] = []

    def suffer(self, fault: Fault) -> Hit:
        """Waits for the fault's time, lets it stand and takes it back. Raises ProcessFailed where what fell
        does not come up again."""
        self._pause.wait(fault.after_s)
        match fault.what:
            case What.GATEWAY_KILLED | What.GATEWAY_ENDED | What.POWER_CUT:
                return self._gateway_falls(fault)
            case What.BROKER_KILLED | What.BROKER_WIPED | What.BROKER_REWOUND:
                return self._broker_falls(fault)
            case What.CENTRE_KILLED:
                return self._centre_falls(fault)
            case What.READER_UNPLUGGED | What.READER_BABBLES:
                return self._reader_suffers(fault)
            case What.DISK_FULL:
                return self._disk_is_full(fault)
            case What.DISK_FAILS:
                kinds = sorted(FAILING)
                kind = kinds[int(fault.lasts_s * 1_000) % len(kinds)]
                return self._calls_suffer(
                    fault, [strace.Fault(call, does, "1+") for call, does in FAILING[kind]]
                )
            case What.DISK_WAITS:
                return self._calls_suffer(fault, [strace.Fault("fdatasync", _WAITS, "1+")])
            case What.CLOCK_STEPPED:
                turn(self._folder(fault.building), fault.clock_s, fault.quality)
                return Hit(fault, time.monotonic_ns(), time.monotonic_ns())

    def who_fell(self) -> list[str]:
        """Programs that ended without being asked to; to be called while nothing is broken."""
        children = (*self._estate.gateways.values(), self._estate.centre, self._estate.broker.child)
        return [child.name for child in children if not child.running]

    def _gateway_falls(self, fault: Fault) -> Hit:
        gateway = self._estate.gateways[fault.building]
        if not gateway.running:
            self.failures.append(f"gateway {fault.building} had ended by itself")
        begun_ns = time.monotonic_ns()
        if fault.what is What.POWER_CUT:
            self._disks[fault.building].cut()  # disk and processor stop at one moment
        elif fault.what is What.GATEWAY_ENDED:
            os.kill(gateway.pid, signal.SIGTERM)
            if not self._until(lambda: not gateway.running, _END_S):
                self.failures.append(
                    f"gateway {fault.building} did not end within {_END_S:.0f} s when asked to"
                )
        gateway.kill()
        over_ns = time.monotonic_ns()
        if fault.what is What.POWER_CUT:
            self._disks[fault.building].unmount()
            self._disks[fault.building].mount()
        gateway.start()
        return Hit(fault, begun_ns, over_ns)

    def _broker_falls(self, fault: Fault) -> Hit:
        broker = self._estate.broker
        if rewinds := fault.what is What.BROKER_REWOUND:
            broker.keep()
            self._pause.wait(fault.lasts_s)
        begun_ns = time.monotonic_ns()
        broker.kill()
        if fault.what is What.BROKER_WIPED:
            broker.wipe()
        real = broker.rewind() if rewinds else True
        self._pause.wait(0.0 if rewinds else fault.lasts_s)
        over_ns = time.monotonic_ns()
        broker.start()
        return Hit(fault, begun_ns, over_ns, real)

    def _centre_falls(self, fault: Fault) -> Hit:
        begun_ns = time.monotonic_ns()
        self._estate.centre.kill()
        self._pause.wait(fault.lasts_s)
        over_ns = time.monotonic_ns()
        self._estate.centre.start()
        return Hit(fault, begun_ns, over_ns)

    def _reader_suffers(self, fault: Fault) -> Hit:
        unplugged = fault.what is What.READER_UNPLUGGED
        with closing(self._estate.control) as control:
            begun_ns = time.monotonic_ns()
            if unplugged:
                control.unplug(fault.door)
            else:
                control.fault(fault.door, "babble")
            self._pause.wait(fault.lasts_s)
            over_ns = time.monotonic_ns()
            if unplugged:
                control.replug(fault.door)
            else:
                control.clear(fault.door, "babble")
        return Hit(fault, begun_ns, over_ns)

    def _disk_is_full(self, fault: Fault) -> Hit:
        """Filled again and again: also what the gateway itself gives back meanwhile."""
        filler = self._folder(fault.building) / "filler"
        begun_ns = time.monotonic_ns()
        until_s = time.monotonic() + fault.lasts_s
        while time.monotonic() < until_s:
            fill(filler)
            self._pause.wait(_FILL_EVERY_S)
        filler.unlink()
        return Hit(fault, begun_ns, time.monotonic_ns())

    def _calls_suffer(self, fault: Fault, faults: list[strace.Fault]) -> Hit:
        """Of the gateway's process, and of the next one where that is ended meanwhile."""
        gateway, paths = self._estate.gateways[fault.building], storage_paths(self._folder(fault.building))
        begun_s, stood, hit = time.monotonic(), [], 0
        while (left_s := begun_s + fault.lasts_s - time.monotonic()) > 0:
            trace = self._estate.folder / "logs" / f"{next(self._traces)}.trace"
            pid = gateway.pid
            try:
                with Attached(pid, faults, paths, trace):
                    first_ns = time.monotonic_ns()
                    self._until(partial(_replaced, gateway, pid), left_s)
                    stood.append((first_ns, time.monotonic_ns()))
            except StraceMissing:  # the process has ended, and the next one is not there yet
                self._pause.wait(_LOOK_S)
            else:
                hit += injected(trace) if trace.exists() else 0  # none is written by one that ends at once
        begun_ns = stood[0][0] if stood else time.monotonic_ns()
        return Hit(fault, begun_ns, time.monotonic_ns(), real=hit > 0, stood=tuple(stood))

    def _until(self, so: Callable[[], bool], limit_s: float) -> bool:
        until_s = time.monotonic() + limit_s
        while not so():
            if time.monotonic() > until_s:
                return False
            self._pause.wait(_LOOK_S)
        return True

    def _folder(self, building: str) -> Path:
        return self._estate.gateway_settings(building).parent


def _replaced(gateway: Child, pid: int) -> bool:
    return gateway.pid != pid or not gateway.running
