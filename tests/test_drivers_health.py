"""What a device's health tells the gateway and the log, on a clock that the test moves."""

import logging
from collections.abc import Callable

import pytest
from drivers_support import Ear

from drivers.health import BACK_OFF_S, NOISY_BLIPS, Health


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def health(clock: Clock, ear: Ear, caplog: pytest.LogCaptureFixture) -> Health:
    caplog.set_level(logging.INFO)
    return Health("reader", "east-1", ear, clock=clock)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    return lambda: [record.getMessage() for record in caplog.records]


def test_a_loss_is_two_lines_and_two_events(
    health: Health, clock: Clock, ear: Ear, lines: Callable[[], list[str]]
) -> None:
    health.ready("module 1")
    health.lost("unplugged", gone=True)
    for _ in range(5):
        clock.now += 0.6
        health.lost("no such device; is it plugged in?", gone=True)
    clock.now += 0.2
    health.recovering("answers")
    health.ready("module 1")
    assert ear.states() == ["ok", "lost", "recovering", "ok"]
    assert lines() == [
        "reader east-1: ok: module 1",
        "reader east-1: lost: unplugged",
        "reader east-1: ok again after 3.2 s (unplugged)",
    ]


def test_another_reason_that_someone_must_act_on_is_said_once(
    health: Health, clock: Clock, ear: Ear, lines: Callable[[], list[str]]
) -> None:
    health.lost("unplugged", gone=True)
    for _ in range(5):
        clock.now += 1
        health.lost("no permission", gone=False)
    assert lines() == ["reader east-1: lost: unplugged", "reader east-1: still lost: no permission"]
    assert ear.states() == ["lost"]


def test_a_blip_over_by_the_repeat_is_one_line_and_no_event(
    health: Health, clock: Clock, ear: Ear, lines: Callable[[], list[str]]
) -> None:
    health.ready("module 1")
    health.blip("a damaged answer")
    clock.now += 0.03
    health.fine("line")
    health.fine("line")
    assert lines()[1:] == ["reader east-1: a damaged answer; over after 0.03 s"]
    assert ear.states() == ["ok"]


def test_a_device_that_answers_wrong_is_degraded_until_that_part_is_fine(
    health: Health, clock: Clock, ear: Ear, lines: Callable[[], list[str]]
) -> None:
    health.ready("module 1")
    health.blip("a damaged answer")
    clock.now += 0.5
    health.degraded("module", "not authorised")
    health.degraded("module", "not authorised")
    clock.now += 1.0
    health.fine("line")
    assert ear.states() == ["ok", "degraded"]
    clock.now += 1.0
    health.fine("module")
    assert ear.states() == ["ok", "degraded", "ok"]
    assert lines()[1:] == [
        "reader east-1: degraded: not authorised",
        "reader east-1: ok again after 2.5 s (not authorised)",
    ]


def test_a_device_degraded_from_the_start_is_never_called_ready(health: Health, ear: Ear) -> None:
    health.degraded("module", "not authorised")
    health.ready("module 1")
    assert ear.states() == ["degraded"]


def test_a_good_exchange_does_not_make_a_lost_device_ready(health: Health, ear: Ear) -> None:
    health.lost("unplugged", gone=True)
    health.fine("line")
    assert ear.states() == ["lost"]
    health.recovering("answers")
    health.fine("line")
    assert ear.states() == ["lost", "recovering"]


def test_a_flood_of_small_troubles_is_counted_not_written(
    health: Health, clock: Clock, ear: Ear, lines: Callable[[], list[str]]
) -> None:
    health.ready("module 1")
    for _ in range(10 * 60):  # ten a second for a minute
        health.blip("noise on the line")
        clock.now += 0.1
        health.fine("line")
    clock.now += 60
    health.fine("line")
    assert len(lines()) < 12
    assert any("again and again: noise on the line" in line for line in lines())
    assert sum(int(line.split(": ")[1].split()[0]) for line in lines() if "times more" in line) >= 590
    assert ear.states()[-1] == "ok"
    assert NOISY_BLIPS < 100


def test_a_device_that_flaps_must_stay_well_longer_each_time(
    health: Health, clock: Clock, ear: Ear, lines: Callable[[], list[str]]
) -> None:
    health.ready("module 1")
    for _ in range(600):  # every second call is bad, for two minutes
        health.degraded("line", "damaged")
        clock.now += 0.1
        health.fine("line")
        clock.now += 0.1
    assert len(lines()) <= 6
    clock.now += 50
    health.fine("line")
    assert ear.states()[-1] == "ok"


def test_attempts_slow_down_to_two_seconds_and_begin_again_after_a_healthy_minute(
    health: Health, clock: Clock
) -> None:
    health.lost("unplugged", gone=True)
    assert [health.retry_in_s() for _ in range(5)] == [0.5, 1.0, 2.0, 2.0, 2.0]
    health.ready("module 1")
    clock.now += 59
    health.lost("unplugged", gone=True)
    assert health.retry_in_s() == BACK_OFF_S[-1]
    health.ready("module 1")
    clock.now += 61
    health.lost("unplugged", gone=True)
    assert health.retry_in_s() == BACK_OFF_S[0]
