"""The machine's clock, against what the machine says elsewhere."""

import re
import time
from pathlib import Path

from gateway.clock import SystemClock
from messages.model import ClockQuality


def test_the_boot_is_the_machines_and_the_same_for_every_clock() -> None:
    clock = SystemClock()
    assert re.fullmatch("[0-9a-f]{16}", clock.boot)
    assert Path("/proc/sys/kernel/random/boot_id").read_text().replace("-", "").startswith(clock.boot)
    assert SystemClock().boot == clock.boot


def test_times_are_microseconds_and_uptime_never_goes_back() -> None:
    clock = SystemClock()
    before, now, after = time.time(), clock.now_us() / 1e6, time.time()
    assert before - 0.001 <= now <= after + 0.001
    uptimes = [clock.uptime_us() for _ in range(1_000)]
    assert uptimes == sorted(uptimes)
    assert abs(uptimes[-1] / 1e6 - float(Path("/proc/uptime").read_text().split()[0])) < 5


class AnsweringClock(SystemClock):
    """The kernel's answers (adjtimex(2)) are the test's; asked at every look."""

    def __init__(self, *answers: int) -> None:
        super().__init__()
        self._answers = iter(answers)
        self._libc = type("Libc", (), {"adjtimex": lambda _self, _buffer: next(self._answers)})()

    def quality(self) -> ClockQuality:
        self._asked_s = float("-inf")
        return super().quality()


def test_a_clock_that_was_synchronised_is_held_when_it_no_longer_is() -> None:
    clock = AnsweringClock(5, -1, 0, 4, 5, -1, 0)
    unknown, synced, held = ClockQuality.UNKNOWN, ClockQuality.SYNCED, ClockQuality.HELD
    assert [clock.quality() for _ in range(7)] == [unknown, unknown, synced, synced, held, held, synced]


def test_the_kernel_really_answers_and_is_not_asked_for_every_record() -> None:
    clock = SystemClock()
    first = clock.quality()
    assert first in ClockQuality
    asked_s = clock._asked_s
    assert clock.quality() is first
    assert clock._asked_s == asked_s


class Hosted(AnsweringClock):
    """Whose host keeps the time, at `said_us`."""

    def __init__(self, said_us: int, *answers: int) -> None:
        super().__init__(*answers)
        self._kept_by_host, self._said_us = True, said_us

    def now_us(self) -> int:
        return self._said_us


def test_a_clock_that_the_host_keeps_is_held_and_no_more_while_the_kernel_does_not_know() -> None:
    clock = Hosted(1_795_752_000_000_000, 5, 5, 0, 5)
    held, synced = ClockQuality.HELD, ClockQuality.SYNCED
    assert [clock.quality() for _ in range(4)] == [held, held, synced, held]


def test_a_time_before_this_program_existed_is_not_believed_on_the_hosts_word_alone() -> None:
    assert Hosted(1_000_000, 5).quality() is ClockQuality.UNKNOWN


def test_who_keeps_the_clock_is_an_argument() -> None:
    assert (SystemClock()._kept_by_host, SystemClock(kept_by_host=True)._kept_by_host) == (False, True)
