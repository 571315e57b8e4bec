"""GPIO lines: the driver against a scripted chip on a real socket. No test machine has a real chip."""

import contextlib
import json
import logging
import os
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from drivers_support import DEADLINE_S, Ear, running
from hypothesis import given
from hypothesis import strategies as st
from locks_support import gateway_with, wait_until
from pydantic import ValidationError

from drivers import gpio_chip
from drivers.base import DeviceChanged, InputChanged, InputState
from drivers.errors import ConfigurationError, DeviceUnavailable, ProtocolViolation
from drivers.gpio_board import GpioBoard
from drivers.gpio_chip import GpioSettings
from drivers.gpio_codec import MAX_LINE, ChipParser, Done, Edge, NotDone

FUZZ = int(os.environ.get("LIUHEN_FUZZ", "20000"))
RELAYS = [{"channel": 1, "line": "GPIO17"}, {"channel": 2, "line": "GPIO18"}]
DOOR = {"channel": 1, "line": "GPIO27", "normal": "closed"}


class ScriptedChip:
    """The other end of the socket, after the protocol at the head of gpio_board.py."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = ["GPIO17", "GPIO18", "GPIO27"]
        self.outputs: dict[str, int] = {}
        self.inputs = {"GPIO27": 1}
        self.requests: list[dict[str, Any]] = []
        self.set: list[tuple[float, str, int]] = []
        self.answers: dict[str, dict[str, Any]] = {}  # op -> what is said instead
        self.silent = False
        self._connection: socket.socket | None = None
        self.plug()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    def plug(self) -> None:
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(self.path))
        self._server.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def unplug(self) -> None:
        self.path.unlink()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(DEADLINE_S)
        self._server.close()

    def drive(self, line: str, value: int) -> None:
        self.inputs[line] = value
        self.say({"event": "edge", "line": line, "value": value})

    def say(self, message: object) -> None:
        assert self._connection is not None
        self._connection.sendall(json.dumps(message).encode() + b"\n")

    def when(self, line: str, value: int, after_s: float = 0.0) -> list[float]:
        return [at for at, name, level in self.set if at > after_s and (name, level) == (line, value)]

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._connection, _ = self._server.accept()
                with self._connection, self._connection.makefile("rb") as stream:
                    for line in stream:
                        self._hear(line)

    def _hear(self, line: bytes) -> None:
        if not line.strip():
            return
        message = json.loads(line)
        if self.silent:
            return
        answer = self.answers.get(message["op"]) or self._do(message)
        self.say({"id": message["id"]} | answer)

    def _do(self, message: dict[str, Any]) -> dict[str, Any]:
        match message["op"]:
            case "request":
                self.requests.append(message)
                for each in [*message["outputs"], *message["inputs"]]:
                    if each["line"] not in self.lines:
                        return {"ok": False, "error": "ENOENT", "line": each["line"]}
                self.outputs |= {each["line"]: each["value"] for each in message["outputs"]}
                asked = {each["line"] for each in message["inputs"]}
                return {"ok": True, "label": "scripted", "values": self._values(asked)}
            case "set":
                self.outputs |= message["values"]
                self.set += [(time.monotonic(), *pair) for pair in message["values"].items()]
                return {"ok": True}
            case _:
                return {"ok": True, "values": self._values(self.inputs.keys())}

    def _values(self, lines: Any) -> dict[str, int]:
        return {line: value for line, value in self.inputs.items() if line in lines}


@pytest.fixture
def chip(tmp_path: Path) -> Iterator[ScriptedChip]:
    with ScriptedChip(tmp_path / "chip") as chip:
        yield chip


def board_at(chip: ScriptedChip, **settings: Any) -> GpioBoard:
    chosen = {"chip": f"socket://{chip.path}", "relays": RELAYS, "inputs": [DOOR]} | settings
    return GpioBoard("header", GpioSettings.model_validate(chosen))


@contextlib.contextmanager
def driving(chip: ScriptedChip, **settings: Any) -> Iterator[tuple[GpioBoard, Ear]]:
    board = board_at(chip, **settings)
    with running(board) as ear:
        ear.wait_state("ok")
        yield board, ear


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def states(ear: Ear) -> list[InputState]:
    return [event.state for event in ear.of(InputChanged)]


def test_all_lines_are_taken_with_every_relay_off(chip: ScriptedChip) -> None:
    with driving(chip, relays=[*RELAYS[:1], RELAYS[1] | {"active_low": True}]):
        assert chip.outputs == {"GPIO17": 0, "GPIO18": 0}
        request = chip.requests[0]
        assert [(each["line"], each["active_low"]) for each in request["outputs"]] == [
            ("GPIO17", False),
            ("GPIO18", True),
        ]
        assert request["inputs"] == [
            {"line": "GPIO27", "active_low": True, "bias": "pull_up", "debounce_us": 50_000}
        ]


def test_a_pulse_begins_at_once_and_ends_in_time(chip: ScriptedChip) -> None:
    with driving(chip) as (board, _):
        start_s = time.monotonic()
        board.release(2, 1.0)
        wait_until(lambda: bool(chip.when("GPIO18", 1)), "line on")
        on_s = chip.when("GPIO18", 1)[0]
        assert on_s - start_s < 0.9
        wait_until(lambda: bool(chip.when("GPIO18", 0, after_s=on_s)), "line off")
        assert 0.95 < chip.when("GPIO18", 0, after_s=on_s)[0] - on_s < 3.0


def test_a_second_release_prolongs_the_pulse(chip: ScriptedChip) -> None:
    with driving(chip) as (board, _):
        start_s = time.monotonic()
        board.release(1, 1.0)
        board.release(1, 1.6)
        wait_until(lambda: chip.outputs["GPIO17"] == 1, "line on")
        wait_until(lambda: chip.outputs["GPIO17"] == 0, "line off")
        assert time.monotonic() - start_s > 1.55


@pytest.mark.parametrize(("channel", "pulse_s"), [(1, 0.5), (1, 31.0), (3, 5.0), (0, 5.0)])
def test_what_cannot_be_is_refused(chip: ScriptedChip, channel: int, pulse_s: float) -> None:
    with driving(chip) as (board, _), pytest.raises(ConfigurationError):
        board.release(channel, pulse_s)


def test_stopping_leaves_the_safe_state(chip: ScriptedChip) -> None:
    with driving(chip, safe_state={"2": "unlocked"}) as (board, _):
        board.release(1, 30.0)
    wait_until(lambda: chip.outputs == {"GPIO17": 0, "GPIO18": 1}, "the safe state")
    with pytest.raises(DeviceUnavailable):
        board.release(1, 5.0)


def test_a_contact_is_told_at_first_and_when_it_changes(chip: ScriptedChip) -> None:
    with driving(chip) as (_, ear):
        ear.wait(InputChanged)
        chip.drive("GPIO27", 0)
        ear.wait(InputChanged, 2)
        assert states(ear) == [InputState.NORMAL, InputState.ACTIVE]
        assert ear.of(InputChanged)[1].input == 1


def test_a_chip_pulled_out_is_lost_and_a_pulse_that_is_not_over_goes_on_when_it_returns(
    chip: ScriptedChip, caplog: pytest.LogCaptureFixture
) -> None:
    with driving(chip) as (board, ear):
        board.release(1, 8.0)
        wait_until(lambda: chip.outputs["GPIO17"] == 1, "line on")
        chip.unplug()
        ear.wait_state("ok", "lost", deadline_s=5)
        with pytest.raises(DeviceUnavailable, match="not connected"):
            board.release(2, 5.0)
        chip.outputs.clear()
        chip.plug()
        start_s = time.monotonic()
        ear.wait_state("ok", "lost", "recovering", "ok")
        assert time.monotonic() - start_s < 5
        assert chip.requests[-1]["outputs"][0]["value"] == 1
    told = [record.getMessage() for record in caplog.records if "header" in record.getMessage()]
    assert [line.split(":")[1].split(" after")[0].strip() for line in told] == ["ok", "lost", "ok again"]


def test_a_change_while_the_chip_was_away_is_told_on_its_return(chip: ScriptedChip) -> None:
    with driving(chip) as (_, ear):
        ear.wait(InputChanged)
        chip.unplug()
        ear.wait_state("ok", "lost")
        chip.inputs["GPIO27"] = 0
        chip.plug()
        ear.wait(InputChanged, 2)
        assert states(ear) == [InputState.NORMAL, InputState.ACTIVE]


def test_a_stuck_chip_is_noticed_without_a_release(
    chip: ScriptedChip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpio_chip, "REFRESH_S", 0.1)
    monkeypatch.setattr(gpio_chip, "ANSWER_LIMIT_S", 0.2)
    with driving(chip) as (_, ear):
        chip.silent = True
        ear.wait_state("ok", "lost")
        assert ear.of(DeviceChanged)[-1].cause == "the chip does not answer"
        chip.silent = False
        ear.wait_state("ok", "lost", "recovering", "ok")


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ({"ok": False, "error": "ENOENT", "line": "GPIO99"}, "there is no line GPIO99 on this chip"),
        ({"ok": False, "error": "EBUSY", "line": "GPIO17"}, "line GPIO17 is used by another program"),
        ({"ok": False, "error": "EINVAL", "line": None}, "the chip refused a command (EINVAL)"),
        ({"ok": "perhaps"}, "the chip does not keep to its protocol"),
        ({"ok": True, "values": {"GPIO27": 7}}, "the chip does not keep to its protocol"),
    ],
)
def test_a_chip_that_refuses_says_why(chip: ScriptedChip, answer: dict[str, Any], cause: str) -> None:
    chip.answers["request"] = answer
    with running(board_at(chip)) as ear:
        ear.wait_state("lost")
        assert ear.of(DeviceChanged)[-1].cause.startswith(cause)
        chip.answers.clear()
        ear.wait_until(lambda: ear.states()[-1] == "ok", "ok")


def test_a_killed_gateway_leaves_the_lines_in_their_safe_state(chip: ScriptedChip) -> None:
    settings = {"chip": f"socket://{chip.path}", "relays": RELAYS, "safe_state": {"2": "unlocked"}}
    with gateway_with("gpio", **settings) as (process, _):
        wait_until(lambda: chip.outputs == {"GPIO17": 1, "GPIO18": 0}, "the release")
        process.send_signal(signal.SIGKILL)
        wait_until(lambda: chip.outputs == {"GPIO17": 0, "GPIO18": 1}, "the safe state")


@pytest.mark.parametrize("name", ["/dev/null", "/dev/gpiochip-none", "no-such-label"])
def test_a_real_chip_that_is_not_there_is_lost_with_a_cause(name: str) -> None:
    board = GpioBoard("header", GpioSettings.model_validate({"chip": name, "relays": RELAYS}))
    with running(board) as ear:
        ear.wait_state("lost")
        assert ear.of(DeviceChanged)[-1].cause
        with pytest.raises(DeviceUnavailable):
            board.release(1, 5.0)


def test_without_the_package_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpiod", None)
    with pytest.raises(ConfigurationError, match="pip install"):
        GpioBoard("header", GpioSettings.model_validate({"chip": "some-label", "relays": RELAYS}))


def test_a_simulated_chip_needs_no_package(monkeypatch: pytest.MonkeyPatch, chip: ScriptedChip) -> None:
    monkeypatch.setitem(sys.modules, "gpiod", None)
    with driving(chip):
        pass


@pytest.mark.parametrize(
    "wrong",
    [
        {"relays": []},
        {"relays": [{"channel": 2, "line": "GPIO17"}]},
        {"relays": [*RELAYS, {"channel": 2, "line": "GPIO19"}]},
        {"relays": RELAYS, "inputs": [DOOR | {"line": "GPIO17"}]},
        {"relays": RELAYS, "inputs": [DOOR, DOOR | {"line": "GPIO22"}]},
        {"relays": RELAYS, "safe_state": {"3": "unlocked"}},
        {"relays": RELAYS, "chip": ""},
        {"relays": RELAYS, "inputs": [DOOR | {"bias": "up"}]},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GpioSettings.model_validate({"chip": "label"} | wrong)


def test_the_settings_say_how_many_channels_there_are() -> None:
    settings = GpioSettings.model_validate({"chip": "label", "relays": RELAYS})
    assert (settings.channels, settings.place) == (2, "label")


GOOD = b'{"event": "edge", "line": "GPIO27", "value": 0}\n'
LINES = [
    GOOD,
    b'{"id": 1, "ok": true, "label": "simulated", "values": {"GPIO27": 1}}\n',
    b'{"id": 2, "ok": false, "error": "EINVAL", "line": "GPIO99"}\n',
    b'{"id": 2, "ok": true}\n',
    b'{"id": null, "ok": false, "error": "EINVAL", "line": null}\n',
    b"\n",
]


def test_what_the_chip_says_is_understood_at_every_cut() -> None:
    stream = b"".join(LINES)
    said = [
        Edge("GPIO27", False),
        Done(1, {"GPIO27": True}),
        NotDone(2, "EINVAL", "GPIO99"),
        Done(2, {}),
        NotDone(None, "EINVAL", None),
    ]
    for cut in range(len(stream) + 1):
        parser = ChipParser()
        assert parser.feed(stream[:cut]) + parser.feed(stream[cut:]) == said


@pytest.mark.parametrize(
    "line",
    [
        *(b"{", b"7", b"[]", b"\xff", b"[" * 60_000),
        *(b'{"event": "edge", "line": [], "value": 1}', b'{"event": "edge", "line": "GPIO27", "value": 2}'),
        *(b'{"id": [], "ok": true}', b'{"id": 1, "ok": true, "values": [1]}'),
        b'{"event": "edge", "line": "GPIO27", "value": true}',
    ],
)
def test_what_is_no_such_line_is_a_violation(line: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        ChipParser().feed(line + b"\n")


def test_a_line_without_end_is_a_violation_and_not_kept() -> None:
    parser = ChipParser()
    parser.feed(b"x" * MAX_LINE)
    with pytest.raises(ProtocolViolation, match="no end"):
        parser.feed(b"x")


@pytest.mark.parametrize("seed", range(4))
def test_mutated_lines_are_understood_or_a_violation(seed: int) -> None:
    chance = random.Random(seed)
    outcomes = {"understood": 0, "refused": 0}
    for _ in range(FUZZ // 4):
        data = bytearray(chance.choice(LINES))
        for _ in range(chance.randrange(3)):
            at = chance.randrange(len(data) + 1)
            data[at : at + chance.randrange(3)] = chance.choice(
                (b"", b"0", b"[", b'"', b"\xff", b"null", b"\n")
            )
        parser = ChipParser()
        try:
            parser.feed(bytes(data))
            outcomes["understood"] += 1
        except ProtocolViolation:
            outcomes["refused"] += 1
        assert len(parser._buffer) <= len(data)
    assert min(outcomes.values()) > FUZZ // 4 // 10  # both ways were taken, and often


@given(st.lists(st.binary(max_size=100)))
def test_anything_is_understood_or_a_violation(pieces: list[bytes]) -> None:
    parser = ChipParser()
    with contextlib.suppress(ProtocolViolation):
        for piece in pieces:
            parser.feed(piece)
