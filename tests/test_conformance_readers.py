"""What every reader driver must do, whatever the device: one suite, one row a driver in conformance_rows."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from conformance_rows import READERS, ReaderRow
from conformance_support import BACK_WITHIN_S, DEVICE, Rig, make_driver, rig, rows_that_can
from drivers_support import DEADLINE_S, Ear, running

from drivers import catalogue as drivers
from drivers.base import CardRead, CardRemoved, CardUnreadable, Indication
from firmware_sim.fault_table import CATALOGUE

REPLUGS = int(os.environ.get("LIUHEN_REPLUGS", "2"))
REFS = [f"P{number:04d}" for number in range(1, 41)]
ReaderRig = Rig[ReaderRow]


@pytest.fixture
def reader(
    request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Iterator[ReaderRig]:
    with rig(request.param, tmp_path, caplog) as made:
        yield made


on = partial(pytest.mark.parametrize, "reader", ids=str, indirect=True)
ALL = on(READERS)
IN_THIS_PROCESS = on([row for row in READERS if not row.own_process])
ASKED = on([row for row in READERS if row.is_asked])
SHOWING = on([row for row in READERS if row.shows is not None])


def test_every_driver_of_the_catalogue_has_a_row() -> None:
    assert {row.kind for row in READERS} == set(drivers.READERS)


@ALL
def test_a_card_is_read_once_however_long_it_lies(reader: ReaderRig) -> None:
    reader.lay("P0001")
    reader.ear.wait(CardRead)
    threading.Event().wait(1.2)  # it lies there: longer than any pause between two reads of a device
    assert len(reader.ear.of(CardRead)) == 1
    assert reader.ear.of(CardRemoved) == [] or not reader.row.knows_when_it_goes
    reader.lift()
    reader.ear.wait(CardRemoved)
    assert reader.tokens() == [reader.token("P0001")]
    assert len(reader.ear.of(CardRemoved)) == 1


@ALL
def test_the_same_card_laid_again_is_read_again(reader: ReaderRig) -> None:
    reader.read("P0001")
    reader.read("P0001")
    assert len(reader.ear.of(CardRead)) == 2


@ALL
def test_a_burst_of_cards_is_read_one_by_one_in_order(reader: ReaderRig) -> None:
    for ref in REFS[:8]:
        before = len(reader.ear.of(CardRead))
        reader.lay(ref)
        reader.ear.wait(CardRead, before + 1)
        reader.lift()
    assert reader.tokens() == [reader.token(ref) for ref in REFS[:8]]
    assert reader.ear.of(CardUnreadable) == []


@ALL
def test_a_read_says_when_its_last_byte_had_come(reader: ReaderRig) -> None:
    before_ns = time.monotonic_ns()
    reader.read("P0001")
    (read,) = reader.ear.of(CardRead)
    assert before_ns <= read.at_ns <= time.monotonic_ns()
    assert read.reader == DEVICE


@ALL
def test_unplugged_and_plugged_in_again_and_again(reader: ReaderRig) -> None:
    for number in range(REPLUGS):
        reader.unplug()
        reader.ear.wait_until(lambda: reader.ear.states()[-1] in ("lost", "degraded"), "its loss")
        reader.replug()
        started_s = time.monotonic()
        reader.wait_ok()
        assert time.monotonic() - started_s < BACK_WITHIN_S
        reader.read(REFS[number % len(REFS)])
    assert len(reader.ear.of(CardRead)) == REPLUGS


@IN_THIS_PROCESS
def test_a_port_that_is_not_there_at_the_start_is_found_later(reader: ReaderRig) -> None:
    reader.stop()
    reader.unplug()
    with running(make_driver(reader.row, reader.options)) as ear:
        ear.wait_until(lambda: ear.states()[-1:] == ["lost"], "that nothing is there")
        reader.replug()
        ear.wait_until(lambda: ear.states()[-1] == "ok", "ok", BACK_WITHIN_S + 1)


# Once each, then a clean swipe. What a person does whose card is not read: lay it again.
DISTURBANCES = (
    "noise_before",
    "noise_after",
    "noise_between",
    "lost_byte",
    "inserted_byte",
    "split",
    "cut",
    "merged",
    "repeated",
    "wrong_checksum",
    "wrong_length",
    "bit_flip",
    "echo",
    "slow",
    "no_answer",
)


@ALL
def test_a_disturbed_line_never_makes_another_card_and_reads_the_next(reader: ReaderRig) -> None:
    fitting = [fault for fault in DISTURBANCES if reader.row.kind in CATALOGUE[fault].devices]
    for number, fault in enumerate(fitting):
        before = reader.sim.last_event
        reader.sim.fault(DEVICE, fault, count=1)
        reader.lay(REFS[number])
        if fault == "no_answer" and reader.row.holds_silent_card:
            reader.wait_not_ok()
        else:
            over = reader.sim.wait_for_event("fault_over", device=DEVICE, after=before, timeout_s=10)
            assert over is not None, fault
        reader.lift()
        reader.sim.clear(DEVICE)
        threading.Event().wait(0.3)  # one person goes, the next one comes
        read_by_somebody_who_tries_again(reader, REFS[20 + number])
    if reader.row.is_checked:
        laid = {reader.token(ref) for ref in reader.used}
        assert set(reader.tokens()) <= laid


@ALL
def test_a_slow_device_is_waited_for(reader: ReaderRig) -> None:
    reader.sim.fault(DEVICE, "slow", delay_s=0.15)
    reader.read("P0001")
    reader.read("P0002")


@ALL
def test_a_wedged_device_reads_again_when_it_is_over(reader: ReaderRig) -> None:
    reader.wedge()
    reader.lay("P0002")
    threading.Event().wait(0.5)
    assert reader.tokens() == []
    reader.lift()
    reader.sim.clear(DEVICE)
    reader.wait_ok()
    read_by_somebody_who_tries_again(reader, "P0002")


@ASKED
def test_a_wedged_device_that_is_asked_is_noticed_and_taken_up_again(reader: ReaderRig) -> None:
    reader.wedge()
    reader.wait_not_ok()
    reader.sim.clear(DEVICE)
    started_s = time.monotonic()
    reader.wait_ok()
    assert time.monotonic() - started_s < BACK_WITHIN_S
    reader.read("P0001")


@on(rows_that_can(READERS, "babble"))
def test_a_babbling_device_is_told_and_reads_again_when_it_is_over(reader: ReaderRig) -> None:
    reader.sim.fault(DEVICE, "babble", gap_s=0.005)
    state = reader.wait_not_ok(30)
    assert state in ("degraded", "lost", "recovering")
    reader.sim.clear(DEVICE)
    read_by_somebody_who_tries_again(reader, "P0001")  # of a reader that only sends nothing else can tell
    reader.wait_ok(60)
    if reader.row.is_checked:
        assert reader.tokens() == [reader.token("P0001")]


@on(rows_that_can(READERS, "wrong_rate"))
def test_a_wrong_rate_makes_no_card_up(reader: ReaderRig) -> None:
    right = reader.sim.status()["devices"][DEVICE]["rate"]
    reader.sim.fault(DEVICE, "wrong_rate")
    reader.lay("P0001")
    threading.Event().wait(1.0)  # whatever comes of it
    reader.lift()
    assert set(reader.tokens()) <= {reader.token("P0001")}
    reader.sim.fault(DEVICE, "wrong_rate", rate=right)
    read_by_somebody_who_tries_again(reader, "P0002")
    reader.wait_ok(60)


def read_by_somebody_who_tries_again(reader: ReaderRig, ref: str) -> None:
    """A card that is laid again and again until it is read, as people do."""
    end_s = time.monotonic() + DEADLINE_S
    expected = reader.token(ref)  # of a card that was never laid before
    while expected not in reader.tokens():
        assert time.monotonic() < end_s, f"never read; there were {reader.ear.events}"
        reader.lay(ref)
        with contextlib.suppress(AssertionError):
            reader.ear.wait_until(lambda: expected in reader.tokens(), "the read", deadline_s=2.0)
        reader.lift()


@pytest.mark.parametrize("signal", list(Indication), ids=str)
@SHOWING
def test_what_is_indicated_is_shown(reader: ReaderRig, signal: Indication) -> None:
    before = reader.sim.last_event
    reader.driver.indicate(signal)
    assert reader.row.shows is not None
    shown = reader.sim.wait_for_event(reader.row.shows, device=DEVICE, after=before, timeout_s=5)
    assert shown is not None, signal
    reader.read("P0001")


@SHOWING
def test_no_two_signals_look_alike(reader: ReaderRig) -> None:
    assert reader.row.shows is not None
    seen: dict[Indication, str | None] = {}
    for signal in Indication:
        before = reader.sim.last_event
        reader.driver.indicate(signal)
        shown = reader.sim.wait_for_event(reader.row.shows, device=DEVICE, after=before, timeout_s=5)
        assert shown is not None, signal
        reader.stopped.wait(0.5)  # what belongs to it, such as its sound, has come
        told = reader.sim.events(after=before)
        seen[signal] = "; ".join(f"{each.event} {each.detail}" for each in told if each.device == DEVICE)
    assert len(set(seen.values())) == len(Indication), seen


@ALL
def test_the_decision_never_waits_for_a_lamp(reader: ReaderRig) -> None:
    reader.wedge()
    started_s = time.monotonic()
    for _ in range(20):
        for signal in Indication:
            reader.driver.indicate(signal)
    assert time.monotonic() - started_s < 5.0  # each would take longer than that if it waited
    reader.sim.clear(DEVICE)
    reader.wait_ok()


@pytest.mark.parametrize("moment", ["idle", "card lies", "unplugged", "wedged"])
@ALL
def test_it_stops_at_once_whatever_happens(reader: ReaderRig, moment: str) -> None:
    if moment == "card lies":
        reader.lay("P0001")
        reader.ear.wait(CardRead)
    elif moment == "unplugged":
        reader.unplug()
        reader.wait_not_ok()
    elif moment == "wedged":
        reader.wedge()
    reader.stop()


@IN_THIS_PROCESS
def test_its_port_is_free_when_it_has_stopped(reader: ReaderRig) -> None:
    reader.stop()
    with running(make_driver(reader.row, reader.options), Ear()) as again:
        again.wait_until(lambda: again.states()[-1:] == ["ok"], "ok")
        reader.lay("P0003")
        assert [read.token for read in again.wait(CardRead)] == [reader.token("P0003")]
