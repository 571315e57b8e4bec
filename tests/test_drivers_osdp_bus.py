"""The OSDP drivers against libosdp's own peripherals on a pseudo-terminal: what a reader and a door need."""

import ctypes
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from drivers_support import Ear, running, tokenise
from osdp.control_panel import osdp_sys
from osdp_support import CARD_26, KEY, Line, Pd, fresh_key, output, reader, until, write_key

from drivers import osdp_line, osdp_output
from drivers.base import (
    POWER_INPUT,
    TAMPER_INPUT,
    CardRead,
    CardRemoved,
    CardUnreadable,
    CredentialKind,
    DeviceChanged,
    DeviceState,
    Indication,
    InputChanged,
    InputState,
)
from drivers.errors import ConfigurationError, DeviceUnavailable
from drivers.osdp_codec import Command, packet_from
from drivers.osdp_habits import Mender
from drivers.osdp_output import OsdpOutputSettings
from drivers.osdp_panel import Panel, tells_output
from drivers.osdp_reader import OsdpReaderSettings
from drivers.osdp_seat import Wish

BACK_LIMIT_S = 5.0
_keep = ctypes.pythonapi.Py_IncRef
_keep.argtypes = [ctypes.py_object]
_keep.restype = None
NUMBER = "26:A3641D"  # 163,25629: facility A3, card 641D
TOKEN = tokenise(CredentialKind.CARD_NUMBER, NUMBER)
GONE_S = 0.15
BUSY = bytes.fromhex("53 81 08 00 04 79 72 A1")  # sequence 0 and never secured (readers.md 6.2)


def ok(ear: Ear) -> None:
    ear.wait_until(lambda: ear.states()[-1:] == ["ok"], "ok")


def lost(ear: Ear) -> DeviceChanged:
    ear.wait_until(lambda: ear.states()[-1:] == ["lost"], "lost")
    return ear.of(DeviceChanged)[-1]


def back(ear: Ear) -> None:
    ear.wait_until(lambda: ear.states()[-1:] == ["ok"], "back", BACK_LIMIT_S)


@pytest.fixture
def pd() -> Pd:
    return Pd()


@pytest.fixture
def line(tmp_path: Path, pd: Pd) -> Iterator[Line]:
    line = Line(tmp_path / "rs485", pd)
    yield line
    line.unplug()


def test_a_reader_that_proves_its_key_is_ready_and_says_what_it_is(line: Line, tmp_path: Path) -> None:
    with running(reader(line, write_key(tmp_path))) as ear:
        ok(ear)
    [ready] = ear.of(DeviceChanged)
    assert ready.cause == f"vendor FECA00, model 1.1, firmware 0.0.1, secure channel at {line.path} address 1"


def test_a_card_is_one_presentation_and_gone_after_a_silence(line: Line, pd: Pd, tmp_path: Path) -> None:
    with running(reader(line, write_key(tmp_path), removal_s=GONE_S)) as ear:
        ok(ear)
        line.card(pd)
        ear.wait(CardRead)
        line.card(pd)  # a reader that repeats itself while the card lies there
        ear.wait(CardRemoved)
        line.card(pd)
        ear.wait(CardRemoved, 2)
    assert [(read.reader, read.token) for read in ear.of(CardRead)] == [("unit-1", TOKEN)] * 2


def test_another_card_replaces_the_first(line: Line, pd: Pd, tmp_path: Path) -> None:
    with running(reader(line, write_key(tmp_path), removal_s=5)) as ear:
        ok(ear)
        line.card(pd)
        line.card(pd, bytes.fromhex("0A0B0C0D"), 32)
        ear.wait(CardRead, 2)
    kinds = [type(event).__name__ for event in ear.events if isinstance(event, CardRead | CardRemoved)]
    assert kinds == ["CardRead", "CardRemoved", "CardRead", "CardRemoved"]
    assert ear.of(CardRead)[1].token == tokenise(CredentialKind.CARD_NUMBER, "32:0A0B0C0D")


def test_a_reader_that_invents_cards_is_heard_no_more_often_than_people_can_be(
    line: Line, pd: Pd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.osdp_reader.MOST_READS", 3)
    monkeypatch.setattr("drivers.osdp_reader.READS_PER_S", 0.1)
    monkeypatch.setattr("drivers.allowance.FORGOTTEN_S", 0.5)
    with running(reader(line, write_key(tmp_path))) as ear:
        ok(ear)
        for number in range(1, 7):
            line.card(pd, bytes([number] * 4), 32)
        ear.wait_state("ok", "degraded", "ok")
    numbers = [read.token for read in ear.of(CardRead)]
    assert numbers == [
        tokenise(CredentialKind.CARD_NUMBER, f"32:{bytes([number] * 4).hex()}") for number in range(1, 4)
    ]
    assert len(ear.of(CardRemoved)) == len(numbers)


def test_what_a_reader_refuses_counts_as_what_it_shows(
    line: Line, pd: Pd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.osdp_reader.MOST_READS", 2)
    monkeypatch.setattr("drivers.osdp_reader.READS_PER_S", 0.1)
    with running(reader(line, write_key(tmp_path), bits=[32])) as ear:
        ok(ear)
        for number in range(1, 4):
            line.card(pd, bytes([number] * 4), 32)
            line.card(pd)
        ear.wait_state("ok", "degraded")
    assert (len(ear.of(CardRead)), len(ear.of(CardUnreadable))) == (1, 1)


def test_a_card_with_wrong_parity_is_told_as_unreadable_once(line: Line, pd: Pd, tmp_path: Path) -> None:
    with running(reader(line, write_key(tmp_path))) as ear:
        ok(ear)
        line.card(pd, bytes.fromhex("51B20E C0"))
        line.card(pd, bytes.fromhex("51B20E C0"))
        line.card(pd)
        ear.wait(CardRead)
    assert [each.cause for each in ear.of(CardUnreadable)] == [
        "a 26-bit word with wrong parity: present the card again"
    ]


def test_a_card_of_a_format_that_is_not_set_is_refused(line: Line, pd: Pd, tmp_path: Path) -> None:
    with running(reader(line, write_key(tmp_path), bits=[34, 37])) as ear:
        ok(ear)
        line.card(pd)
        [refused] = ear.wait(CardUnreadable)
    assert "another format" in refused.cause
    assert not ear.of(CardRead)


@pytest.mark.parametrize(("order", "number"), [("as_sent", "04A1B2C3D4E5F6"), ("reversed", "F6E5D4C3B2A104")])
def test_raw_data_may_be_a_uid(line: Line, pd: Pd, tmp_path: Path, order: str, number: str) -> None:
    with running(reader(line, write_key(tmp_path), card="uid", byte_order=order)) as ear:
        ok(ear)
        line.card(pd, bytes.fromhex("04A1B2C3D4E5F6"), 56)
        [read] = ear.wait(CardRead)
    assert (read.kind, read.token) == (CredentialKind.CARD_UID, tokenise(CredentialKind.CARD_UID, number))


def test_a_random_uid_is_refused(line: Line, pd: Pd, tmp_path: Path) -> None:
    with running(reader(line, write_key(tmp_path), card="uid")) as ear:
        ok(ear)
        line.card(pd, bytes.fromhex("08112233"), 32)
        assert "random number" in ear.wait(CardUnreadable)[0].cause


def test_keys_are_a_credential_of_their_own_where_the_settings_say_so(
    line: Line, pd: Pd, tmp_path: Path
) -> None:
    with running(reader(line, write_key(tmp_path), pin="alone")) as ear:
        ok(ear)
        line.keys(pd, b"99\x7f12")  # * forgets what was typed
        line.keys(pd, b"34\x0d")
        [read] = ear.wait(CardRead)
    assert (read.kind, read.token) == (CredentialKind.PIN, tokenise(CredentialKind.PIN, "1234"))


def test_card_and_pin_are_one_presentation(line: Line, pd: Pd, tmp_path: Path) -> None:
    with running(reader(line, write_key(tmp_path), pin="after_card")) as ear:
        ok(ear)
        line.card(pd)
        line.keys(pd, b"1234\x0d")
        [read] = ear.wait(CardRead)
    assert read.token == TOKEN
    assert read.pin == tokenise(CredentialKind.PIN, f"{TOKEN}:1234")


def test_tamper_and_power_are_told_once_after_the_start_and_when_they_change(
    line: Line, pd: Pd, tmp_path: Path
) -> None:
    """By the reader itself, and when it is asked: libosdp's peripheral then says that all is well."""
    with running(reader(line, write_key(tmp_path))) as ear:
        ear.wait(InputChanged, 2)
        line.status(pd, osdp_sys.STATUS_REPORT_LOCAL, b"\x01\x01")
        ear.wait(InputChanged, 6)
    assert [(each.input, each.state) for each in ear.of(InputChanged)] == [
        (TAMPER_INPUT, InputState.NORMAL),
        (POWER_INPUT, InputState.NORMAL),
        (TAMPER_INPUT, InputState.ACTIVE),
        (POWER_INPUT, InputState.ACTIVE),
        (TAMPER_INPUT, InputState.NORMAL),
        (POWER_INPUT, InputState.NORMAL),
    ]


@pytest.mark.parametrize(
    ("signal", "colour", "beeps"),
    [
        (Indication.GRANTED, osdp_sys.LED_COLOR_GREEN, 1),
        (Indication.DENIED, osdp_sys.LED_COLOR_RED, 2),
        (Indication.NOT_NOW, osdp_sys.LED_COLOR_AMBER, 1),
        (Indication.ASK_DESK, osdp_sys.LED_COLOR_RED, 2),
        (Indication.OUT_OF_ORDER, osdp_sys.LED_COLOR_RED, 5),
        (Indication.TRY_AGAIN, osdp_sys.LED_COLOR_AMBER, 3),
        (Indication.HOLD_CARD, osdp_sys.LED_COLOR_AMBER, 0),
    ],
)
def test_a_reader_shows_and_sounds_a_decision(
    tmp_path: Path, pd: Pd, line: Line, *, signal: Indication, colour: int, beeps: int
) -> None:
    driver = reader(line, write_key(tmp_path))
    with running(driver) as ear:
        ok(ear)
        driver.indicate(signal)
        until(lambda: len(pd.commands) == 1 + bool(beeps), "the reader shows it")
    led = pd.commands[0]
    assert (led["command"], led["temporary"], led["on_color"]) == (osdp_sys.CMD_LED, True, colour)
    assert [each["rep_count"] for each in pd.commands[1:]] == [beeps] * bool(beeps)


def test_a_reader_without_lamp_and_buzzer_is_not_asked_to_use_them(tmp_path: Path) -> None:
    pd = Pd(capabilities={3: (1, 0), 8: (1, 0), 9: (1, 1)})
    with Line(tmp_path / "rs485", pd) as line:
        driver = reader(line, write_key(tmp_path))
        with running(driver) as ear:
            ok(ear)
            driver.indicate(Indication.GRANTED)
            line.card(pd)
            ear.wait(CardRead)
        assert pd.commands == []
        assert ear.states() == ["ok"]


def test_a_pulse_is_ended_by_the_device_itself(line: Line, pd: Pd, tmp_path: Path) -> None:
    """OUT with code 5: on for the timer, then back (readers.md 6.3)."""
    board = output(line, write_key(tmp_path), channels=2)
    with running(board) as ear:
        serves(ear, line)
        board.release(2, 3.0)
        until(lambda: bool(pd.commands), "the output is told")
        [command] = pd.commands
        assert (command["output_no"], command["control_code"], command["timer_count"]) == (1, 5, 30)
    assert [(each["output_no"], each["control_code"]) for each in pd.commands[1:]] == [(1, 1)]  # at the end


def test_a_pulse_that_is_too_long_for_the_device_is_told_again_on_its_way(
    line: Line, pd: Pd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library passes on 25.5 s at most; here the limits are shorter, so that the test is."""
    monkeypatch.setattr(osdp_output, "LONGEST_TENTHS", 12)
    monkeypatch.setattr(osdp_output, "RENEWED_S", 0.5)
    board = output(line, write_key(tmp_path))
    with running(board) as ear:
        serves(ear, line)
        board.release(1, 2.4)
        until(lambda: len(pd.commands) == 3, "the output is told again")
    counts = [each["timer_count"] for each in pd.commands]
    assert counts[:2] == [12, 12]
    assert 8 <= counts[2] <= 11  # after 2 x 0.7 s, rounded up


def test_a_device_that_was_away_gets_the_rest_of_a_pulse(line: Line, pd: Pd, tmp_path: Path) -> None:
    board = output(line, write_key(tmp_path))
    with running(board) as ear:
        ok(ear)
        board.release(1, 20.0)
        until(lambda: len(pd.commands) == 1, "the output is told")
        line.do(pd.restart)
        until(lambda: len(pd.commands) == 2, "it is told again")
    assert pd.commands[1]["timer_count"] <= 200  # the rest, and no more


def test_a_relay_that_does_not_follow_is_told_again_and_reported_until_it_does(
    line: Line, pd: Pd, tmp_path: Path
) -> None:
    board = output(line, write_key(tmp_path), channels=2)
    with running(board) as ear:
        serves(ear, line)
        board.release(2, 20.0)
        for times in (1, 2):
            until(lambda times=times: len(pd.commands) == times, "told")  # type: ignore[misc]
            line.status(pd, osdp_sys.STATUS_REPORT_OUTPUT, bytes((0, 0)))
        ear.wait_until(lambda: ear.states()[-1:] == ["degraded"], "degraded")
        assert ear.of(DeviceChanged)[-1].cause == "relay 2 does not follow"
        until(lambda: len(pd.commands) == 3, "told again after a while")
        line.status(pd, osdp_sys.STATUS_REPORT_OUTPUT, bytes((0, 1)))
        ok(ear)
    left = [each["timer_count"] for each in pd.commands[:3]]
    assert {each["output_no"] for each in pd.commands} == {1}
    assert left == sorted(left, reverse=True)  # the rest of one pulse
    assert left[2] < left[0]


def test_a_relay_that_stays_on_is_told_to_end(line: Line, pd: Pd, tmp_path: Path) -> None:
    board = output(line, write_key(tmp_path), channels=2)
    with running(board) as ear:
        serves(ear, line)
        board.release(1, 1.0)
        until(lambda: len(pd.commands) == 1, "told")

        def is_told_off() -> bool:
            line.status(pd, osdp_sys.STATUS_REPORT_OUTPUT, bytes((1, 0)))
            return len(pd.commands) > 1

        until(is_told_off, "told off")
    assert (pd.commands[1]["output_no"], pd.commands[1]["control_code"]) == (0, 1)  # at once (readers.md 6.3)


def test_relays_that_nobody_told_anything_may_do_what_they_like(line: Line, pd: Pd, tmp_path: Path) -> None:
    with running(output(line, write_key(tmp_path), channels=2)) as ear:
        serves(ear, line)
        for report in (bytes((1, 0)), bytes((0, 1))) * 3:
            line.status(pd, osdp_sys.STATUS_REPORT_OUTPUT, report)
        polls_on(line)
    assert ear.states() == ["ok"]
    assert pd.commands == []


def test_a_device_that_does_not_say_what_its_outputs_do_is_asked_twice_and_serves(
    line: Line, pd: Pd, tmp_path: Path
) -> None:
    """libosdp's peripheral does not know OSTAT."""
    board = output(line, write_key(tmp_path), channels=2)
    with running(board) as ear:
        serves(ear, line)
        for channel in (1, 2):
            board.release(channel, 1.0)
        until(lambda: len(pd.commands) == 2, "both pulses")
        polls_on(line)
    assert asked(line, Command.OSTAT) == 2
    assert ear.states() == ["ok"]


def serves(ear: Ear, line: Line) -> None:
    """Ready, and it has refused what it does not know: each refusal took a session with it."""
    ok(ear)
    until(lambda: asked(line, Command.OSTAT) == 2 and asked(line, Command.LSTAT) > 0, "both refusals")
    polls_on(line)


def polls_on(line: Line) -> None:
    polls = asked(line, Command.POLL)
    until(lambda: asked(line, Command.POLL) >= polls + 5, "polled on")


def test_a_longer_pulse_is_told_after_the_shorter_ones_that_wait_before_it(
    line: Line, pd: Pd, tmp_path: Path
) -> None:
    """What the device is told last is what it does."""
    board = output(line, write_key(tmp_path))
    with running(board) as ear:
        ok(ear)
        line.tap = lambda _: BUSY
        for pulse_s in (1.0, 2.0, 3.0, 20.0):
            board.release(1, pulse_s)
        line.tap = lambda data: data
        # Where an answer was lost with the session, the new one is told the longest alone.
        until(lambda: any(each["timer_count"] > 150 for each in pd.commands), "the longest is told")
    counts = [each["timer_count"] for each in pd.commands if each["control_code"] == 5]
    assert counts[-1] == max(counts)


def test_a_release_that_waits_when_the_driver_stops_is_ended_too(line: Line, pd: Pd, tmp_path: Path) -> None:
    board = output(line, write_key(tmp_path), channels=2)
    with running(board) as ear:
        serves(ear, line)
        line.tap = lambda _: BUSY
        for _ in range(2):
            board.release(1, 20.0)
            board.release(2, 20.0)
        board.stop()
        line.tap = lambda data: data
    last = {each["output_no"]: each["control_code"] for each in pd.commands}
    assert set(last.values()) <= {
        1
    }  # where the session fell before anything was told, nothing is to be ended


def test_a_release_that_the_library_does_not_take_is_told_in_a_new_session(
    line: Line, pd: Pd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = output(line, write_key(tmp_path))
    with running(board) as ear:
        ok(ear)
        taken, refused = Panel.submit, threading.Event()

        def submit(panel: Panel, wish: Wish) -> bool:
            if tells_output(wish) and not refused.is_set():
                refused.set()
                return False
            return taken(panel, wish)

        monkeypatch.setattr(Panel, "submit", submit)
        board.release(1, 10.0)
        until(lambda: bool(pd.commands), "the pulse is told all the same")
        assert refused.is_set()
        assert pd.commands[0]["output_no"] == 0


def test_no_number_of_signals_pushes_a_release_out(line: Line, pd: Pd, tmp_path: Path) -> None:
    key = write_key(tmp_path)
    board, lamp = output(line, key, channels=2), reader(line, key, name="lamp")
    with running(board) as ear, running(lamp) as other:
        ok(ear)
        ok(other)
        for channel in (1, 2, 2):
            board.release(channel, 20.0)
        line.tap = lambda _: BUSY  # what was not told yet stands in line
        for _ in range(50):
            lamp.indicate(Indication.DENIED)
        line.tap = lambda data: data
        until(lambda: {each.get("output_no") for each in pd.commands} >= {0, 1}, "both are told")


def test_a_board_that_is_not_there_releases_nothing_and_says_so(tmp_path: Path) -> None:
    board = output(Nowhere(tmp_path / "rs485"), write_key(tmp_path))
    with running(board) as ear:
        lost(ear)
        with pytest.raises(DeviceUnavailable):
            board.release(1, 3.0)
    with pytest.raises(ConfigurationError):
        board.release(2, 3.0)


class Nowhere:
    """A line that was never plugged in."""

    def __init__(self, path: Path) -> None:
        self.path = path


def test_a_board_with_fewer_outputs_than_the_settings_say_is_degraded(line: Line, tmp_path: Path) -> None:
    with running(output(line, write_key(tmp_path), channels=3)) as ear:
        ear.wait_until(lambda: ear.states()[-1:] == ["degraded"], "degraded")
    assert "has 2 outputs" in ear.of(DeviceChanged)[-1].cause


def test_inputs_are_told_settled_and_as_the_settings_say_what_is_normal(
    line: Line, pd: Pd, tmp_path: Path
) -> None:
    inputs = [{"channel": 1}, {"channel": 2, "normal": "closed", "debounce_s": 0}]
    with running(output(line, write_key(tmp_path), inputs=inputs)) as ear:
        ok(ear)
        line.status(pd, osdp_sys.STATUS_REPORT_INPUT, b"\x00\x00")
        ear.wait_until(lambda: len(contacts(ear)) == 2, "both inputs")
        line.status(pd, osdp_sys.STATUS_REPORT_INPUT, b"\x01\x01")
        ear.wait_until(lambda: len(contacts(ear)) == 4, "both changes")
    assert sorted(contacts(ear)) == [
        (1, InputState.ACTIVE),
        (1, InputState.NORMAL),
        (2, InputState.ACTIVE),
        (2, InputState.NORMAL),
    ]


def contacts(ear: Ear) -> list[tuple[int, InputState]]:
    return [(each.input, each.state) for each in ear.of(InputChanged) if each.input > 0]


def test_a_reader_and_its_own_output_are_two_drivers_at_one_address(
    line: Line, pd: Pd, tmp_path: Path
) -> None:
    key = write_key(tmp_path)
    board = output(line, key)
    with running(reader(line, key)) as ear, running(board) as heard:
        ok(ear)
        ok(heard)
        line.card(pd)
        ear.wait(CardRead)
        board.release(1, 1.0)
        until(lambda: bool(pd.commands), "the output is told")
        ear.wait(InputChanged, 2)
    assert not heard.of(CardRead)
    assert not heard.of(InputChanged)  # tamper and power are the reader's


def test_several_readers_share_a_line_and_a_dead_one_takes_little_of_it(tmp_path: Path) -> None:
    keys = [fresh_key() for _ in range(3)]
    pds = [Pd(address, key) for address, key in enumerate(keys)]
    pds[1].is_silent = True
    with Line(tmp_path / "rs485", *pds) as line:
        drivers = [
            reader(line, write_key(tmp_path, key, f"{at}.key"), name=f"unit-{at}", address=at, removal_s=0.1)
            for at, key in enumerate(keys)
        ]
        with running(drivers[0]) as first, running(drivers[1]) as dead, running(drivers[2]) as last:
            ok(first)
            ok(last)
            lost(dead)
            for count in range(1, 6):
                line.card(pds[0])
                line.card(pds[2])
                first.wait(CardRead, count, deadline_s=1.0)
                last.wait(CardRead, count, deadline_s=1.0)
                first.wait(CardRemoved, count)
                last.wait(CardRemoved, count)
            line.do(lambda: setattr(pds[1], "is_silent", False))
            back(dead)
        assert first.states() == last.states() == ["ok"]


def test_a_reader_that_returns_is_back_within_five_seconds(line: Line, pd: Pd, tmp_path: Path) -> None:
    with running(reader(line, write_key(tmp_path))) as ear:
        ok(ear)
        line.do(lambda: setattr(pd, "is_silent", True))
        assert "no answer" in lost(ear).cause
        line.do(lambda: setattr(pd, "is_silent", False))
        line.do(pd.restart)
        back(ear)
        line.card(pd)
        ear.wait(CardRead)


def test_a_port_that_is_pulled_and_plugged_again_is_found_each_time(
    line: Line, pd: Pd, tmp_path: Path
) -> None:
    with running(reader(line, write_key(tmp_path))) as ear:
        ok(ear)
        for count in range(1, 4):
            line.unplug()
            assert lost(ear).cause == "unplugged"
            line.do(pd.restart)
            line.plug()
            back(ear)
            line.card(pd, bits=26 if count % 2 else 32)
            ear.wait(CardRead, count)


def test_one_lost_packet_is_healed_without_a_word(line: Line, pd: Pd, tmp_path: Path) -> None:
    """The same bytes are sent again (readers.md 6.2); the reader acts on them once."""
    with running(reader(line, write_key(tmp_path))) as ear:
        ok(ear)
        losses = iter([True])
        line.cut = lambda _: next(losses, False)
        line.card(pd)
        ear.wait(CardRead)
        until(lambda: next(losses, None) is None, "the loss")
    assert ear.states() == ["ok"]


def test_noise_and_echoes_on_the_line_are_nobodys_answer(line: Line, pd: Pd, tmp_path: Path) -> None:
    line.tap = lambda data: b"\x00\xff\x53" + line.heard[-1] + data + b"\xff"
    with running(reader(line, write_key(tmp_path))) as ear:
        ok(ear)
        line.card(pd)
        [read] = ear.wait(CardRead)
    assert read.token == TOKEN


def test_an_answer_that_comes_twice_counts_once(line: Line, pd: Pd, tmp_path: Path) -> None:
    line.tap = lambda data: data + data
    with running(reader(line, write_key(tmp_path), removal_s=0.1)) as ear:
        ok(ear)
        line.card(pd)
        ear.wait(CardRemoved)
    assert len(ear.of(CardRead)) == 1
    assert ear.states() == ["ok"]


def test_an_answer_cut_into_bytes_is_an_answer(line: Line, pd: Pd, tmp_path: Path) -> None:
    line.in_single_bytes = True
    with running(reader(line, write_key(tmp_path))) as ear:
        ok(ear)
        line.card(pd)
        ear.wait(CardRead)
    assert ear.states() == ["ok"]


def test_a_device_that_refuses_a_question_twice_is_not_asked_again(
    line: Line, pd: Pd, tmp_path: Path
) -> None:
    """One unknown command takes the library's session with it. libosdp's peripheral does not know ISTAT."""
    with running(output(line, write_key(tmp_path), inputs=[{"channel": 1}])) as ear:
        ok(ear)
        until(lambda: asked(line, Command.ISTAT) == 2, "the question")
        until(lambda: asked(line, Command.LSTAT) >= 4, "a third session, and two seconds of it")
    assert ear.states() == ["ok"]
    assert asked(line, Command.ISTAT) == 2


def asked(line: Line, command: Command) -> int:
    sent = [packet_from(data[data.index(0x53) :]) for data in list(line.heard)]
    return sum(packet.code == command for packet in sent)


def test_a_device_that_sends_without_a_pause_is_lost_and_costs_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(osdp_line, "NOISE_BYTES", 512)
    pd = Pd()
    with Line(tmp_path / "rs485", pd) as line:
        driver = reader(line, write_key(tmp_path))
        with running(driver) as ear:
            ok(ear)
            line.babble = b"\x53\x81\x00\x55" * 64
            assert "without a pause" in lost(ear).cause
            line.babble = b""
            back(ear)


def test_a_busy_device_is_waited_for_and_reported_when_it_stays_so(
    line: Line, pd: Pd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BUSY has sequence 0 and is never secured (readers.md 6.2)."""
    monkeypatch.setattr("drivers.osdp_device.BUSY_S", 0.0)
    with running(reader(line, write_key(tmp_path))) as ear:
        ok(ear)
        line.tap = lambda _: BUSY
        ear.wait_until(lambda: ear.states()[-1:] == ["degraded"], "degraded")
        line.tap = lambda data: data
        back(ear)
    assert "busy" in next(each.cause for each in ear.of(DeviceChanged) if each.state is DeviceState.DEGRADED)


def test_a_driver_stops_at_once_whatever_its_line_does(line: Line, pd: Pd, tmp_path: Path) -> None:
    pd.is_silent = True
    with running(reader(line, write_key(tmp_path))) as ear:
        lost(ear)
    assert [each.state for each in ear.of(DeviceChanged)] == [DeviceState.LOST]


def test_drivers_of_one_line_must_agree_on_its_rate(line: Line, tmp_path: Path) -> None:
    other = reader(line, write_key(tmp_path, fresh_key(), "2.key"), name="unit-2", address=2, rate=9600)
    with running(reader(line, write_key(tmp_path))) as ear:
        ok(ear)
        with pytest.raises(ConfigurationError, match="rate 9600"):
            other.run(Ear())


def test_places_on_a_line_differ_by_address_and_by_reader_or_output(tmp_path: Path) -> None:
    key = write_key(tmp_path)
    same = {"port": "/dev/x", "key_file": key}
    first, second = OsdpReaderSettings(**same, address=1), OsdpReaderSettings(**same, address=2)
    outputs = OsdpOutputSettings(**same, address=1)
    assert len({first.place, second.place, outputs.place}) == 3
    assert first.bus == outputs.bus == "osdp"


def test_a_relative_key_file_lies_beside_the_settings(tmp_path: Path) -> None:
    settings = OsdpReaderSettings(port="/dev/x", key_file=Path("reader.key"))
    assert settings.anchored(tmp_path).key_file == tmp_path / "reader.key"


@pytest.mark.parametrize(
    "wrong",
    [
        {"byte_order": "reversed"},
        {"byte_order": "reversed", "bits": [37]},
        {"bits": [0]},
        {"address": 127},
        {"rate": 1200},
        {"install_until": "2026-11-25T10:00:00"},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        OsdpReaderSettings.model_validate({"port": "/dev/x", "key_file": "k"} | wrong)


def test_outputs_without_outputs_and_inputs_are_refused() -> None:
    for wrong in ({"channels": 0}, {"inputs": [{"channel": 1}, {"channel": 1}]}):
        with pytest.raises(ValueError, match="input"):
            OsdpOutputSettings.model_validate({"port": "/dev/x", "key_file": "k"} | wrong)


def test_the_paper_card_is_what_these_tests_show() -> None:
    assert (CARD_26.hex(), len(KEY)) == ("51b20e80", 16)


def test_what_the_binding_forgets_is_taken_back() -> None:
    """A dictionary whose owner has forgotten one reference lives for ever; measured at the first."""
    mender = Mender()
    for _ in range(3):
        handed_out = {"data": b"51B20E80"}
        _keep(handed_out)
        mender.mend(handed_out)
        assert handed_out == {}  # nothing that a person showed is left in it
        assert sys.getrefcount(handed_out) == 2  # this name, and the question itself


def test_a_binding_that_forgets_nothing_is_left_alone() -> None:
    mender = Mender()
    handed_out: dict[str, object] = {"event": 1}
    kept = [handed_out]
    before = sys.getrefcount(handed_out)
    mender.mend(handed_out)
    assert sys.getrefcount(handed_out) == before
    assert kept == [{}]
