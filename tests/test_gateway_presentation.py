"""One lying card is one act of one person."""

from gateway.presentation import REPEAT_WINDOW_S, RepeatWindow

S = 1_000_000_000


def test_the_first_read_is_no_repeat_at_whatever_time() -> None:
    assert not RepeatWindow().is_repeat("lobby", "token", 0)


def test_a_card_that_lies_there_for_a_minute_is_one_presentation() -> None:
    window = RepeatWindow()
    found = [window.is_repeat("lobby", "token", at * S // 10) for at in range(600)]
    assert found == [False] + [True] * 599


def test_a_card_that_was_away_for_the_window_is_presented_anew() -> None:
    window = RepeatWindow()
    last_ns = int(REPEAT_WINDOW_S * S)
    assert not window.is_repeat("lobby", "token", 0)
    assert window.is_repeat("lobby", "token", last_ns - 1)
    assert not window.is_repeat("lobby", "token", last_ns - 1 + last_ns)


def test_another_card_is_not_a_repeat_and_neither_is_the_first_after_it() -> None:
    window = RepeatWindow()
    assert [window.is_repeat("lobby", token, at) for at, token in enumerate(["a", "b", "a", "a"])] == [
        False,
        False,
        False,
        True,
    ]


def test_one_card_at_two_readers_is_two_presentations() -> None:
    window = RepeatWindow()
    assert not window.is_repeat("lobby", "token", 0)
    assert not window.is_repeat("garage", "token", 1)
    assert window.is_repeat("lobby", "token", 2)
