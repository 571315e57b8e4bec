"""What repeats is left out of the log and counted; what operators must act on is not crowded out."""

from gateway.log_gate import ALIKE_A_MINUTE, ALL_A_MINUTE, SAME_A_MINUTE, LogGate


def admitted(gate: LogGate, count: int, alike: str, now_s: float, *, grave: bool = False) -> int:
    """How many of so many messages that differ in a figure are written."""
    return sum(gate.admits(alike, f"{alike} {n}", grave=grave, now_s=now_s) for n in range(count))


def test_the_same_message_is_written_five_times_a_minute_and_then_counted() -> None:
    gate = LogGate()
    written = [gate.admits("lost", "east lost", grave=True, now_s=100.0) for _ in range(1_000)]
    assert written == [True] * SAME_A_MINUTE + [False] * 995
    assert gate.left_out(159.9) == {}
    assert gate.left_out(160.0) == {"lost": 995}
    assert gate.left_out(161.0) == {}


def test_a_new_minute_begins_with_a_clean_slate() -> None:
    gate = LogGate()
    for now_s in (0.0, 60.0, 120.0):
        written = [gate.admits("lost", "east lost", grave=False, now_s=now_s) for _ in range(50)]
        assert sum(written) == SAME_A_MINUTE


def test_a_device_that_varies_its_babble_is_bounded_too() -> None:
    gate = LogGate()
    assert admitted(gate, 10_000, "%s sent %d bytes too many", 0.0) == ALIKE_A_MINUTE


def test_one_babbler_does_not_silence_another_kind_of_message() -> None:
    gate = LogGate()
    admitted(gate, 10_000, "babble", 0.0)
    assert gate.admits("connected", "connected", grave=False, now_s=1.0)


def test_all_together_are_bounded_but_errors_get_through() -> None:
    gate = LogGate()
    written = sum(admitted(gate, 100, f"kind {kind}", 0.0) for kind in range(100))
    assert written == ALL_A_MINUTE
    assert gate.admits("journal", "nothing can be recorded", grave=True, now_s=1.0)


def test_its_memory_does_not_grow_with_what_is_said() -> None:
    gate = LogGate()
    for minute in range(20):
        admitted(gate, 5_000, "babble", minute * 60.0)
    held = len(gate._same) + len(gate._alike) + len(gate._left_out)
    assert held <= ALIKE_A_MINUTE + 2


def test_what_is_left_out_can_be_asked_for_before_the_minute_is_over() -> None:
    gate = LogGate()
    admitted(gate, ALIKE_A_MINUTE + 7, "babble", 0.0)
    assert gate.flush() == {"babble": 7}
