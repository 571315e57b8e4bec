"""The relay board against the documented commands (readers.md 7.1)."""

from random import Random
from typing import Any

import pytest
from firmware_sim_support import relay, vectors

from firmware_sim.device import Notice
from firmware_sim.fault_table import LC_RELAY
from firmware_sim.faults import FaultSet
from firmware_sim.lock_board import LockBoard, Spacing

FRAMES = vectors("lock_board")["frame"]
GOOD = [each for each in FRAMES if not each["must_fail"]]
BAD = [each for each in FRAMES if each["must_fail"]]
SPACING_OF = {
    "documented": Spacing.DOCUMENTED,
    "no_space": Spacing.TIGHT,
    "wide": Spacing.WIDE,
    "lower_case_and_tab": Spacing.LOWER,
}


def board(channels: int = 8, spacing: Spacing = Spacing.DOCUMENTED) -> LockBoard:
    return LockBoard(channels, FaultSet(LC_RELAY), spacing=spacing)


def faulty(name: str, *, count: int | None = None, **parameters: object) -> tuple[LockBoard, FaultSet]:
    faults = FaultSet(LC_RELAY)
    faults.switch_on(name, parameters, count=count)
    return LockBoard(2, faults), faults


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector["name"])
def test_a_documented_command_moves_its_relay_alone_and_is_not_answered(vector: dict[str, Any]) -> None:
    lock = board()
    for channel in range(1, 9):
        before = not vector["on"]
        lock.feed(bytes([0xA0, channel, before, (0xA0 + channel + before) & 0xFF]), 0.0)
    lock.feed(bytes.fromhex(vector["hex"]), 1.0)
    expected = [not vector["on"]] * 8
    expected[vector["channel"] - 1] = vector["on"]
    assert list(lock.relays) == expected
    assert lock.take(100.0) == []
    event = "relay_on" if vector["on"] else "relay_off"
    assert lock.notices()[-1] == Notice(event, channel=vector["channel"], edge=True)


@pytest.mark.parametrize("vector", BAD, ids=lambda vector: vector["name"])
def test_a_bad_command_moves_nothing_and_the_next_good_one_does(vector: dict[str, Any]) -> None:
    lock = board()
    lock.feed(bytes.fromhex(vector["hex"]), 0.0)
    assert lock.relays == (False,) * 8
    lock.feed(relay("channel_2_on"), 0.0)
    assert lock.relays[1]


def test_a_channel_that_the_board_does_not_have_is_ignored() -> None:
    lock = board(channels=1)
    lock.feed(relay("channel_2_on") + relay("channel_1_on"), 0.0)
    assert lock.relays == (True,)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("noise", ["", "A0", "A0 01", "A0 A0 A0", "00 41 A1", "A0 01 01"])
def test_commands_are_found_at_every_cut_and_behind_noise(noise: str, size: int) -> None:
    lock = board()
    stream = bytes.fromhex(noise) + relay("channel_1_on") + relay("channel_3_on")
    for start in range(0, len(stream), size):
        lock.feed(stream[start : start + size], 0.0)
    assert lock.relays[:4] == (True, False, True, False)


@pytest.mark.parametrize("vector", vectors("lock_board")["status_reply"], ids=lambda vector: vector["name"])
def test_the_status_query_is_answered_in_each_make_s_spacing(vector: dict[str, Any]) -> None:
    lock = board(len(vector["states"]), SPACING_OF[vector["name"]])
    lock.feed(relay("channel_1_on") + bytes.fromhex(vectors("lock_board")["query"]["hex"]), 0.0)
    (answer,) = lock.take(0.0)
    assert (answer.data.decode("ascii"), answer.rate) == (vector["text"], 9600)


def test_a_board_without_status_query_stays_silent() -> None:
    lock = LockBoard(1, FaultSet(LC_RELAY), answers_query=False)
    lock.feed(b"\xff", 0.0)
    assert lock.take(100.0) == []
    assert lock.next_due() is None


def test_a_board_may_take_its_time_to_answer() -> None:
    lock = LockBoard(1, FaultSet(LC_RELAY), answer_s=0.01)
    lock.feed(b"\xff", 5.0)
    assert lock.take(5.005) == []
    assert lock.next_due() == pytest.approx(5.01)
    assert len(lock.take(5.02)) == 1


def test_repeating_a_command_is_noticed_but_is_no_edge() -> None:
    lock = board()
    lock.feed(relay("channel_1_on") + relay("channel_1_on") + relay("channel_1_off"), 0.0)
    assert lock.notices() == [
        Notice("relay_on", channel=1, edge=True),
        Notice("relay_on", channel=1, edge=False),
        Notice("relay_off", channel=1, edge=True),
    ]
    assert lock.notices() == []


def test_relays_drop_out_when_power_fails() -> None:
    lock = board()
    lock.feed(relay("channel_3_on") + b"\xff\xa0", 0.0)
    lock.notices()
    lock.power_cycle(1.0)
    assert lock.relays == (False,) * 8
    assert lock.notices() == [Notice("relay_off", channel=3, edge=True)]
    assert lock.take(100.0) == []


def test_a_relay_that_does_not_follow_stays_and_the_others_move() -> None:
    lock, faults = faulty("does_not_follow", channel=1)
    lock.feed(relay("channel_1_on") + relay("channel_2_on"), 0.0)
    assert lock.relays == (False, True)
    faults.clear()
    lock.feed(relay("channel_1_on"), 0.0)
    assert lock.relays == (True, True)


def test_all_relays_stick_when_no_channel_is_named() -> None:
    lock, _ = faulty("does_not_follow", count=2)
    lock.feed(relay("channel_1_on") + relay("channel_2_on"), 0.0)
    assert (lock.relays, lock.notices()) == ((False, False), [])
    lock.feed(relay("channel_1_on"), 0.0)
    assert lock.relays == (True, False)


def test_a_board_that_wants_100_ms_loses_hasty_commands() -> None:
    lock, _ = faulty("swallows_hasty")
    lock.feed(relay("channel_1_on"), 10.0)
    lock.feed(relay("channel_2_on"), 10.09)
    assert lock.relays == (True, False)
    lock.feed(relay("channel_2_on"), 10.2)
    assert lock.relays == (True, True)


def test_any_bytes_leave_the_board_small_and_willing() -> None:
    rng = Random(4)
    lock = board()
    for _ in range(20_000):
        lock.feed(rng.randbytes(rng.randrange(8)), 0.0)
        lock.take(1.0)
        lock.notices()
        assert len(lock._buffer) < 4
    lock.feed(relay("channel_1_off") * 2 + relay("channel_1_on"), 0.0)
    assert lock.relays[0]


@pytest.mark.parametrize("channels", [0, 9])
def test_a_board_has_one_to_eight_channels(channels: int) -> None:
    with pytest.raises(ValueError, match="1 to 8"):
        board(channels)
