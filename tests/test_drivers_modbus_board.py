"""Modbus boards against scripted ones on a pseudo-terminal, several on one line."""

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drivers_support import Ear, Peer, running
from locks_support import gateway_with, wait_until

from drivers import modbus_unit
from drivers.base import DeviceChanged, InputChanged, InputState
from drivers.errors import ConfigurationError, DeviceUnavailable
from drivers.modbus_board import ModbusBoard
from drivers.modbus_codec import Bits, Written
from drivers.modbus_settings import ModbusSettings
from drivers.modbus_unit import ModbusUnit


def signed(body: bytes) -> bytes:
    """With the CRC by the bitwise rule of the standard's appendix."""
    crc = 0xFFFF
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return body + bytes((crc & 0xFF, crc >> 8))


def packed(bits: list[bool]) -> bytes:
    data = bytearray((len(bits) + 7) // 8)
    for at, bit in enumerate(bits):
        data[at // 8] |= bit << at % 8
    return bytes(data)


class ScriptedUnit:
    """A board by the table of readers.md 7.2."""

    def __init__(self, coils: int = 4) -> None:
        self.coils = [True] * coils  # a state that nobody asked for
        self.inputs = [False] * 8
        self.registers = [1000] * 4
        self.refuses: dict[int, int] = {}  # function -> exception
        self.stuck: set[int] = set()
        self.silent = False
        self.wrong_crc = False
        self.written: list[tuple[float, int, bytes]] = []  # when, address, value as on the line

    def answer(self, request: bytes) -> bytes:
        unit, function = request[0], request[1]
        address, count = int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big")
        if function == 5:
            self.written.append((time.monotonic(), address, request[4:6]))
        if self.silent:
            return b""
        if function in self.refuses:
            return signed(bytes((unit, function | 0x80, self.refuses[function])))
        if function == 5:
            coil = address & 0xFF
            if coil >= len(self.coils):
                return signed(bytes((unit, 0x85, 2)))
            if coil not in self.stuck:
                self.coils[coil] = request[4:6] != b"\0\0"
            return request[:-1] + bytes((request[-1] ^ self.wrong_crc,))
        if function == 15:
            for at in range(count):
                self.coils[address + at] = bool(request[7 + at // 8] >> at % 8 & 1)
            return signed(request[:6])
        if function == 4:
            data = b"".join(value.to_bytes(2, "big") for value in self.registers[address : address + count])
        else:
            data = packed((self.coils if function == 1 else self.inputs)[address : address + count])
        reply = signed(bytes((unit, function, len(data))) + data)
        return reply[:-1] + bytes((reply[-1] ^ self.wrong_crc,))

    def told(self, coil: int, value: str, after_s: float = 0.0) -> list[float]:
        """When this was written."""
        wanted = bytes.fromhex(value)
        return [
            at for at, address, data in self.written if at > after_s and (address, data) == (coil, wanted)
        ]


class ScriptedLine:
    """Boards on one pair of wires, and what an adapter or the neighbourhood adds to it."""

    def __init__(self, units: dict[int, ScriptedUnit]) -> None:
        self.units = units
        self.echoes = False
        self.noise = b""
        self.asked: list[tuple[int, int]] = []
        self._rest = b""

    def __call__(self, data: bytes) -> bytes:
        self._rest += data
        answer = b""
        while len(self._rest) >= 8:
            size = 9 + self._rest[6] if self._rest[1] == 15 else 8
            if len(self._rest) < size:
                break
            request, self._rest = self._rest[:size], self._rest[size:]
            assert signed(request[:-2]) == request
            self.asked.append((request[0], request[1]))
            unit = self.units.get(request[0])
            answer += self.noise + (request if self.echoes else b"") + (unit.answer(request) if unit else b"")
        return answer


@pytest.fixture
def unit() -> ScriptedUnit:
    return ScriptedUnit()


@pytest.fixture
def script(unit: ScriptedUnit) -> ScriptedLine:
    return ScriptedLine({1: unit})


@pytest.fixture
def peer(tmp_path: Path, script: ScriptedLine) -> Iterator[Peer]:
    with Peer(tmp_path / "locks", script) as peer:
        yield peer


def board_at(peer: Peer, name: str = "locks", **settings: Any) -> ModbusBoard:
    chosen = {"port": str(peer.path), "channels": 4, "request_gap_s": 0.005} | settings
    return ModbusBoard(name, ModbusSettings.model_validate(chosen))


@contextlib.contextmanager
def driving(peer: Peer, **settings: Any) -> Iterator[tuple[ModbusBoard, Ear]]:
    board = board_at(peer, **settings)
    with running(board) as ear:
        ear.wait_state("ok")
        yield board, ear


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def cause(ear: Ear) -> str:
    return ear.of(DeviceChanged)[-1].cause


def states(ear: Ear, channel: int) -> list[InputState]:
    return [event.state for event in ear.of(InputChanged) if event.input == channel]


def test_every_relay_is_off_before_the_board_is_ready(peer: Peer, unit: ScriptedUnit) -> None:
    with driving(peer):
        assert not any(unit.coils)
        assert [(coil, value) for _, coil, value in unit.written] == [(coil, b"\0\0") for coil in range(4)]


def test_the_first_question_to_a_line_only_reads(peer: Peer, script: ScriptedLine) -> None:
    with driving(peer):
        assert script.asked[0] == (1, 1)


def test_a_pulse_begins_at_once_and_ends_in_time(peer: Peer, unit: ScriptedUnit) -> None:
    with driving(peer) as (board, _):
        start_s = time.monotonic()
        board.release(2, 1.0)
        assert time.monotonic() - start_s < 0.9
        wait_until(lambda: bool(unit.told(1, "FF00")), "relay on")
        on_s = unit.told(1, "FF00")[0]
        assert on_s - start_s < 0.9
        wait_until(lambda: bool(unit.told(1, "0000", after_s=on_s)), "relay off")
        assert 0.95 < unit.told(1, "0000", after_s=on_s)[0] - on_s < 3.0


def test_a_second_release_prolongs_the_pulse(peer: Peer, unit: ScriptedUnit) -> None:
    with driving(peer) as (board, _):
        board.release(1, 1.0)
        wait_until(lambda: unit.coils[0], "relay on")
        start_s = time.monotonic()
        board.release(1, 1.6)
        wait_until(lambda: not unit.coils[0], "relay off")
        assert time.monotonic() - start_s > 1.55


@pytest.mark.parametrize(("kind", "address"), [("value", 1), ("address", 0x0201)])
def test_a_board_with_timed_coils_ends_the_pulse_itself(
    peer: Peer, unit: ScriptedUnit, kind: str, address: int
) -> None:
    with driving(peer, timed_pulse=kind) as (board, ear):
        board.release(2, 1.5)
        wait_until(lambda: bool(unit.told(address, "000F")), "1.5 s in tenths")
        unit.coils[1] = False  # the board was a little early
        wait_until(lambda: bool(unit.told(1, "0000", after_s=unit.told(address, "000F")[0])), "off as well")
        assert not unit.told(1, "FF00")
        assert ear.states() == ["ok"]


@pytest.mark.parametrize("pulse_s", [0.99, 30.01, float("nan")])
def test_a_pulse_outside_its_bounds_is_refused(peer: Peer, pulse_s: float) -> None:
    with driving(peer) as (board, _), pytest.raises(ConfigurationError, match="1 to 30 s"):
        board.release(1, pulse_s)


def test_a_release_before_the_board_is_there_is_refused_at_once(tmp_path: Path) -> None:
    board = ModbusBoard("locks", ModbusSettings(port=str(tmp_path / "none")))
    with pytest.raises(DeviceUnavailable, match="not connected"):
        board.release(1, 5.0)
    with running(board) as ear:
        ear.wait_state("lost")
        with pytest.raises(DeviceUnavailable, match="not connected"):
            board.release(1, 5.0)


def test_stopping_makes_every_relay_safe(peer: Peer, unit: ScriptedUnit) -> None:
    with driving(peer, safe_state={"2": "unlocked"}) as (board, _):
        board.release(3, 30.0)
        wait_until(lambda: unit.coils[2], "relay on")
    assert unit.coils == [False, True, False, False]
    with pytest.raises(DeviceUnavailable):
        board.release(1, 5.0)


def test_a_board_that_is_busy_when_it_is_left_is_told_again(peer: Peer, unit: ScriptedUnit) -> None:
    with driving(peer) as (board, _):
        board.release(3, 30.0)
        wait_until(lambda: unit.coils[2], "the release")
        unit.refuses = {5: 6}
        board.stop()
        before = len(unit.written)
        wait_until(lambda: len(unit.written) >= before + 6, "more than one attempt for each")
        unit.refuses = {}
    assert unit.coils == [False] * 4


def test_the_answer_under_way_when_a_board_is_left_is_not_taken_for_a_farewell() -> None:
    settings = ModbusSettings(port="/dev/ttyS0", channels=2)
    unit = ModbusUnit("locks", settings, Ear(), 0.0)
    first = unit.next(0.0)
    assert first is not None
    unit.answered(first, Bits((True, True)), 0.1)
    under_way = unit.next(0.2)
    assert under_way is not None
    unit.leave()
    unit.answered(under_way, Written(), 0.3)
    told = []
    while not unit.has_left:
        ask = unit.next(0.4)
        assert ask is not None
        told.append(ask.request.address)
        unit.answered(ask, Written(), 0.5)
    assert sorted(told) == [0, 1]
    assert not unit.may_be_unsafe()


def test_a_release_while_the_end_of_the_pulse_before_is_being_told_is_not_lost() -> None:
    unit = ModbusUnit("locks", ModbusSettings(port="/dev/ttyS0", channels=1), Ear(), 0.0)
    first = unit.next(0.0)
    assert first is not None
    unit.answered(first, Bits((False,)), 0.1)
    at_rest = unit.next(0.2)
    assert at_rest is not None
    unit.answered(at_rest, Written(), 0.3)
    unit.release(1, 1.0, 1.0)
    begin = unit.next(1.0)
    assert begin is not None
    unit.answered(begin, Written(), 1.1)
    end = unit.next(2.2)
    assert end is not None
    unit.release(1, 3.0, 2.21)  # while that is on its way
    unit.answered(end, Written(), 2.22)
    again = unit.next(2.23)
    assert again is not None
    assert (end.request.frame[4], again.request.frame[4]) == (0x00, 0xFF)  # off, then on: readers.md 7.2


def test_inputs_are_told_once_at_first_and_then_when_they_change(peer: Peer, unit: ScriptedUnit) -> None:
    unit.inputs[1] = True
    inputs = [{"channel": 1, "normal": "open"}, {"channel": 2, "normal": "closed"}]
    with driving(peer, inputs=inputs) as (_, ear):
        ear.wait(InputChanged, 2)
        assert (states(ear, 1), states(ear, 2)) == ([InputState.NORMAL], [InputState.NORMAL])
        unit.inputs[1] = False
        before_ns = time.monotonic_ns()
        ear.wait(InputChanged, 3)
        changed = ear.of(InputChanged)[-1]
        assert (changed.device, changed.input, changed.state) == ("locks", 2, InputState.ACTIVE)
        assert before_ns - 200_000_000 < changed.at_ns <= time.monotonic_ns()


def test_supervised_lines_are_read_from_their_registers(peer: Peer, unit: ScriptedUnit) -> None:
    bands = {"closed_from": 500, "open_from": 1500, "cut_from": 3000}
    inputs = [{"channel": 2, "normal": "closed", "debounce_s": 0, "supervised": bands}]
    with driving(peer, channels=0, inputs=inputs) as (_, ear):
        for measured, count in ((0, 2), (2000, 3), (65535, 4)):
            unit.registers[1] = measured
            ear.wait(InputChanged, count)
        assert states(ear, 2) == [InputState.NORMAL, InputState.SHORTED, InputState.ACTIVE, InputState.CUT]


def test_unplugging_is_noticed_and_a_pulse_that_is_not_over_is_taken_up_again(
    peer: Peer, unit: ScriptedUnit, caplog: pytest.LogCaptureFixture
) -> None:
    with driving(peer) as (board, ear):
        board.release(1, 6.0)
        wait_until(lambda: unit.coils[0], "relay on")
        peer.unplug()
        ear.wait_state("ok", "lost", deadline_s=5)
        with pytest.raises(DeviceUnavailable):
            board.release(2, 5.0)
        unit.coils = [False] * 4  # relays drop out at power-up
        peer.plug()
        start_s = time.monotonic()
        ear.wait_state("ok", "lost", "recovering", "ok")
        assert time.monotonic() - start_s < 5
        assert unit.coils[0]
    told = [record.getMessage() for record in caplog.records if "locks" in record.getMessage()]
    assert [line.split(":")[1].split(" after")[0].strip() for line in told] == ["ok", "lost", "ok again"]


def test_a_board_that_falls_silent_is_lost_and_comes_back(peer: Peer, unit: ScriptedUnit) -> None:
    with driving(peer, reply_s=0.05) as (_, ear):
        unit.silent = True
        ear.wait_state("ok", "lost")
        assert ear.events[-1].cause == "no answer from unit 1"  # type: ignore[union-attr]
        unit.silent = False
        start_s = time.monotonic()
        ear.wait_state("ok", "lost", "recovering", "ok")
        assert time.monotonic() - start_s < 5


def test_answers_that_make_no_sense_say_what_to_look_at(peer: Peer, unit: ScriptedUnit) -> None:
    unit.wrong_crc = True
    with running(board_at(peer, reply_s=0.05)) as ear:
        ear.wait_state("lost")
        assert "check rate, parity" in cause(ear)
        unit.wrong_crc = False
        ear.wait_state("lost", "recovering", "ok")


def test_one_lost_answer_is_repeated_and_no_change_of_state(peer: Peer, unit: ScriptedUnit) -> None:
    with driving(peer, reply_s=0.05) as (board, ear):
        unit.silent = True
        board.release(1, 1.0)
        wait_until(lambda: len(unit.told(0, "FF00")) >= 1, "the command")
        unit.silent = False
        wait_until(lambda: unit.coils[0], "relay on, at the repeat")
        assert ear.states() == ["ok"]


def test_a_relay_that_does_not_follow_is_told_again_and_reported(
    peer: Peer, unit: ScriptedUnit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modbus_unit, "REPEAT_S", 0.1)
    monkeypatch.setattr(modbus_unit, "WATCH_S", 0.1)
    with driving(peer) as (board, ear):
        unit.stuck = {1}
        board.release(2, 5.0)
        ear.wait_state("ok", "degraded")
        assert len(unit.told(1, "FF00")) >= 2
        unit.stuck = set()
        ear.wait_state("ok", "degraded", "ok")
        assert unit.coils[1]


def test_a_relay_that_dropped_out_is_switched_on_again(
    peer: Peer, unit: ScriptedUnit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modbus_unit, "WATCH_S", 0.1)
    with driving(peer) as (board, ear):
        board.release(2, 10.0)
        wait_until(lambda: unit.coils[1], "relay on")
        unit.coils[1] = False  # a dip in its supply
        wait_until(lambda: unit.coils[1], "relay on again")
        assert ear.states() == ["ok"]


def test_channels_that_the_board_has_not_are_reported(
    peer: Peer, unit: ScriptedUnit, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit.coils = [True] * 2
    unit.refuses = {1: 2}
    monkeypatch.setattr(modbus_unit, "REPEAT_S", 0.1)
    with running(board_at(peer, channels=3)) as ear:
        ear.wait_state("degraded")
        assert "relay 3 does not follow: the board has no such address" in cause(ear)
        assert not any(unit.coils)


def test_a_board_that_cannot_be_read_is_driven_all_the_same(peer: Peer, unit: ScriptedUnit) -> None:
    unit.refuses = {1: 1}
    with driving(peer) as (board, _):
        board.release(1, 5.0)
        wait_until(lambda: unit.coils[0], "relay on")


def test_a_busy_board_gets_its_command_again(peer: Peer, unit: ScriptedUnit) -> None:
    with driving(peer) as (board, ear):
        unit.refuses = {5: 6}
        board.release(1, 5.0)
        wait_until(lambda: len(unit.told(0, "FF00")) >= 2, "the command again")
        unit.refuses = {}
        wait_until(lambda: unit.coils[0], "relay on")
        assert ear.states() == ["ok"]


def test_inputs_that_cannot_be_read_are_reported(peer: Peer, unit: ScriptedUnit) -> None:
    unit.refuses = {2: 1}
    with running(board_at(peer, inputs=[{"channel": 1}])) as ear:
        ear.wait_state("degraded")
        assert "the inputs cannot be read: the board does not know this function" in cause(ear)


def test_an_adapter_that_echoes_cannot_answer_for_the_board(
    peer: Peer, script: ScriptedLine, unit: ScriptedUnit
) -> None:
    script.echoes = True
    with driving(peer, reply_s=0.05) as (board, ear):
        board.release(1, 1.0)
        wait_until(lambda: unit.coils[0], "relay on")
        unit.silent = True
        ear.wait_state("ok", "lost")


def test_noise_before_each_answer_is_no_trouble(peer: Peer, script: ScriptedLine, unit: ScriptedUnit) -> None:
    script.noise = b"\xff\x00\x01\x05\x00"
    with driving(peer) as (board, ear):
        board.release(1, 5.0)
        wait_until(lambda: unit.coils[0], "relay on")
        assert ear.states() == ["ok"]


def test_a_babbling_line_is_lost_and_back_when_it_is_quiet(peer: Peer, unit: ScriptedUnit) -> None:
    with driving(peer, reply_s=0.05) as (board, ear):
        unit.silent = True
        ended = threading.Event()

        def babble() -> None:
            while not ended.wait(0.001):
                peer.send(b"\x01\x02\x01" * 10)

        thread = threading.Thread(target=babble)
        thread.start()
        try:
            ear.wait_state("ok", "lost")
        finally:
            ended.set()
            thread.join()
        unit.silent = False
        ear.wait_state("ok", "lost", "recovering", "ok")
        board.release(1, 5.0)
        wait_until(lambda: unit.coils[0], "relay on")


def three(tmp_path: Path) -> tuple[dict[int, ScriptedUnit], ScriptedLine]:
    units = {number: ScriptedUnit() for number in (1, 2, 7)}
    return units, ScriptedLine(units)


def test_several_boards_share_a_line(tmp_path: Path) -> None:
    units, script = three(tmp_path)
    with Peer(tmp_path / "locks", script) as peer, contextlib.ExitStack() as stack:
        boards = {number: board_at(peer, f"locks-{number}", unit=number) for number in units}
        ears = {number: stack.enter_context(running(board)) for number, board in boards.items()}
        for ear in ears.values():
            ear.wait_state("ok")
        for number, board in boards.items():
            board.release(number % 4 + 1, 5.0)
        for number, unit in units.items():
            wait_until(lambda unit=unit, number=number: unit.coils[number % 4], f"unit {number}")  # type: ignore[misc]
            assert sum(unit.coils) == 1
    assert not any(any(unit.coils) for unit in units.values())


def test_a_dead_board_costs_its_neighbours_little(tmp_path: Path) -> None:
    units, script = three(tmp_path)
    units[2].silent = True
    with (
        Peer(tmp_path / "locks", script) as peer,
        running(board_at(peer, "dead", unit=2)) as dead,
        running(alive := board_at(peer, "alive", unit=1)) as ear,
    ):
        dead.wait_state("lost")
        ear.wait_state("ok")
        slowest_s = 0.0
        for channel in (1, 2, 3, 4) * 3:
            start_s = time.monotonic()
            alive.release(channel, 1.0)
            wait_until(lambda: bool(units[1].told(channel - 1, "FF00", after_s=start_s)), "relay on")  # noqa: B023
            slowest_s = max(slowest_s, units[1].told(channel - 1, "FF00", after_s=start_s)[0] - start_s)
        assert slowest_s < 1.0
        assert ear.states() == ["ok"]
        units[2].silent = False
        dead.wait_state("lost", "recovering", "ok")


def test_a_board_that_leaves_disturbs_nobody(tmp_path: Path) -> None:
    units, script = three(tmp_path)
    with Peer(tmp_path / "locks", script) as peer, running(stays := board_at(peer, "stays", unit=1)) as ear:
        with running(board_at(peer, "leaves", unit=2)) as other:
            other.wait_state("ok")
        asked = script.asked.count((2, 5))
        stays.release(1, 5.0)
        wait_until(lambda: units[1].coils[0], "relay on")
        assert script.asked.count((2, 5)) == asked
        assert ear.states() == ["ok"]


def test_boards_of_one_line_must_agree_about_it(peer: Peer) -> None:
    with running(board_at(peer)) as ear:
        ear.wait_state("ok")
        with pytest.raises(ConfigurationError, match="same rate and parity"):
            board_at(peer, "other", unit=2, rate=19200).run(ear)


@pytest.mark.parametrize(
    "wrong",
    [
        {"unit": 0},
        {"unit": 248},
        {"channels": 65},
        {"channels": 0},
        {"rate": 9601},
        {"poll_s": 0.001},
        {"inputs": [{"channel": 1}, {"channel": 1}]},
        {"safe_state": {"3": "unlocked"}},
        {"timed_pulse": "yes"},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        ModbusSettings.model_validate({"port": "/dev/ttyS0", "channels": 2} | wrong)


def test_boards_of_one_port_differ_in_their_unit() -> None:
    settings = ModbusSettings(port="/dev/ttyS0", unit=3)
    assert (settings.bus, settings.place) == ("modbus", "/dev/ttyS0 unit 3")


def test_a_killed_gateway_leaves_the_relays_in_their_safe_state(peer: Peer, unit: ScriptedUnit) -> None:
    settings = {"port": str(peer.path), "channels": 3, "safe_state": {"3": "unlocked"}}
    with gateway_with("modbus", **settings) as (process, _):
        wait_until(lambda: unit.coils == [True, False, False, True], "the release")
        process.send_signal(signal.SIGKILL)
        wait_until(lambda: unit.coils == [False, False, True, True], "the safe state; relay 4 is not ours")
        wait_until(lambda: len(unit.told(2, "FF00")) == 1, "one by one, for boards that must")
