"""LC board commands and status lines against the documented ones."""

import pytest
from drivers_support import vectors

from drivers.errors import ConfigurationError
from drivers.lc_codec import QUERY, RelayState, StatusParser, set_relay

FRAMES = vectors("lock_board")["frame"]
REPLIES = vectors("lock_board")["status_reply"]
EVERY_COMMAND = {set_relay(channel, on=on) for channel in range(1, 9) for on in (False, True)}


@pytest.mark.parametrize(
    "each", [e for e in FRAMES if not e["must_fail"]], ids=lambda each: str(each["name"])
)
def test_each_command_is_the_documented_frame(each: dict[str, str]) -> None:
    assert set_relay(int(each["channel"]), on=bool(each["on"])) == bytes.fromhex(each["hex"])


@pytest.mark.parametrize("each", [e for e in FRAMES if e["must_fail"]], ids=lambda each: str(each["name"]))
def test_a_frame_that_a_board_refuses_is_never_made(each: dict[str, str]) -> None:
    assert bytes.fromhex(each["hex"]) not in EVERY_COMMAND
    assert len(EVERY_COMMAND) == 16


@pytest.mark.parametrize("channel", [0, 9, -1, 256])
def test_a_channel_that_no_board_has_is_refused(channel: int) -> None:
    with pytest.raises(ConfigurationError, match="1 to 8"):
        set_relay(channel, on=True)


def test_the_query_is_the_documented_byte() -> None:
    assert bytes.fromhex(vectors("lock_board")["query"]["hex"]) == QUERY


@pytest.mark.parametrize("each", REPLIES, ids=lambda each: str(each["name"]))
def test_status_lines_are_understood_at_every_cut(each: dict[str, list[bool]]) -> None:
    stream = str(each["text"]).encode()
    expected = [RelayState(number, state) for number, state in enumerate(each["states"], start=1)]
    for cut in range(len(stream) + 1):
        parser = StatusParser()
        assert parser.feed(stream[:cut]) + parser.feed(stream[cut:]) == expected
        assert parser.discarded == 0


@pytest.mark.parametrize("chunk", [1, 2, 3, 64])
@pytest.mark.parametrize(
    ("stream", "states"),
    [
        pytest.param(b"\x00\xffCH1: ON\r\n", [(1, True)], id="noise before"),
        pytest.param(b"CH1: ON\r\n\xfe\xfd", [(1, True)], id="noise after"),
        pytest.param(b"\xa0\x01\x01\xa2\xffCH1: ON\r\n", [(1, True)], id="command and query echoed"),
        pytest.param(b"CH1: O\r\nCH2: OFF\r\n", [(2, False)], id="a byte lost"),
        pytest.param(b"CH9: ON\r\nCH0: ON\r\nCH1: ONE\r\n", [], id="what no board says"),
        pytest.param(b"CH1: ON\nCH2: OFF\rCH3 = on\r\n", [(1, True), (2, False), (3, True)], id="line ends"),
        pytest.param(b"x" * 5000 + b"\r\nCH1: ON\r\n", [(1, True)], id="an endless line"),
        pytest.param(b"CH1: ON", [], id="a line without end"),
    ],
)
def test_states_are_found_at_any_cut(stream: bytes, states: list[tuple[int, bool]], chunk: int) -> None:
    parser = StatusParser()
    found = [s for at in range(0, len(stream), chunk) for s in parser.feed(stream[at : at + chunk])]
    assert found == [RelayState(*state) for state in states]
    assert len(parser._line) <= 64


def test_a_line_cut_off_is_forgotten() -> None:
    parser = StatusParser()
    parser.feed(b"CH1: O")
    parser.reset()
    assert parser.feed(b"N\r\nCH2: ON\r\n") == [RelayState(2, True)]
