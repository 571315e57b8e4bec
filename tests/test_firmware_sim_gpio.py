"""The simulated GPIO chip keeps the protocol of its socket: requests, values, edges, and what it refuses."""

import json
import os
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.faults import FaultSet
from firmware_sim.gpio_chip import MAX_LINE, GpioChip
from firmware_sim.scene import parse_scene
from firmware_sim.simulator import Simulator

FUZZ_INPUTS = int(os.environ.get("LIUHEN_FUZZ", "10000"))
PATIENCE_S = 5.0

# As printed in the driver's description, with the names of the simulated chip's lines.
REQUEST: dict[str, Any] = {
    "op": "request",
    "id": 1,
    "consumer": "liuhen header",
    "outputs": [{"line": "RELAY1", "active_low": False, "value": 0}],
    "inputs": [{"line": "INPUT1", "active_low": False, "bias": "pull_up", "debounce_us": 50000}],
}

SCENE = """
seed = 1
people = 2
profile = "instant"
[[lock_board]]
name = "header"
kind = "gpio"
[[reader]]
name = "reader"
[[door]]
name = "east"
reader = "reader"
lock_board = "header"
channel = 1
[door.contact]
board = "header"
input = 1
"""


def line(said: object) -> bytes:
    return json.dumps(said).encode() + b"\n"


def heard(chip: GpioChip, now: float = 0.0) -> list[dict[str, Any]]:
    """What the chip says by now."""
    data = b"".join(frame.data for frame in chip.take(now))
    assert data == b"" or data.endswith(b"\n")
    return [json.loads(each) for each in data.splitlines()]


def ask(chip: GpioChip, said: object, now: float = 0.0) -> dict[str, Any]:
    """The one answer to a line."""
    chip.feed(line(said), now)
    answers = heard(chip, now)
    assert len(answers) == 1
    return answers[0]


def chip(**options: Any) -> GpioChip:
    return GpioChip(options.pop("faults", FaultSet("gpio")), **options)


def requested(**options: Any) -> GpioChip:
    made = chip(**options)
    assert ask(made, REQUEST)["ok"]
    return made


def changed(**keys: Any) -> dict[str, Any]:
    return REQUEST | keys


def test_a_request_is_answered_with_the_inputs_as_they_are() -> None:
    assert ask(chip(), REQUEST) == {"id": 1, "ok": True, "label": "simulated", "values": {"INPUT1": 1}}


def test_an_output_is_driven_at_once_and_a_set_moves_the_relay() -> None:
    made = chip()
    ask(made, changed(outputs=[{"line": "RELAY2", "active_low": False, "value": 1}]))
    assert made.relays == (False, True)
    assert ask(made, {"op": "set", "id": 2, "values": {"RELAY2": 0}}) == {"id": 2, "ok": True}
    assert made.relays == (False, False)
    assert [(n.event, n.channel) for n in made.notices()] == [("relay_on", 2), ("relay_off", 2)]


@pytest.mark.parametrize("relay_low", [False, True])
@pytest.mark.parametrize("line_low", [False, True])
def test_a_relay_is_on_when_the_physical_level_is_the_one_it_wants(relay_low: bool, line_low: bool) -> None:
    made = chip(active_low=relay_low)
    ask(made, changed(outputs=[{"line": "RELAY1", "active_low": line_low, "value": 1}]))
    assert made.relays[0] is (relay_low == line_low)


@pytest.mark.parametrize(
    ("bias", "active_low", "closed_value"),
    [("pull_up", False, 0), ("pull_up", True, 1), ("pull_down", False, 1), ("pull_down", True, 0)],
)
def test_a_closed_contact_has_its_logical_value(bias: str, active_low: bool, closed_value: int) -> None:
    made = chip()
    made.set_input(1, "closed", 0.0)
    wanted = {"line": "INPUT1", "active_low": active_low, "bias": bias, "debounce_us": 0}
    assert ask(made, changed(inputs=[wanted]))["values"] == {"INPUT1": closed_value}
    assert ask(made, {"op": "get", "id": 3}) == {"id": 3, "ok": True, "values": {"INPUT1": closed_value}}


def test_an_edge_is_told_once_it_has_lasted() -> None:
    made = requested()
    made.set_input(1, "closed", 1.0)
    assert made.next_due() == pytest.approx(1.05)
    assert heard(made, 1.04) == []
    assert heard(made, 1.06) == [{"event": "edge", "line": "INPUT1", "value": 0}]
    assert made.next_due() is None


def test_a_bounce_is_not_told() -> None:
    made = requested()
    made.set_input(1, "closed", 1.0)
    made.set_input(1, "open", 1.02)
    assert heard(made, 2.0) == []


def test_contacts_nobody_asked_for_are_not_told() -> None:
    made = requested()
    made.set_input(2, "closed", 0.0)
    assert heard(made, 1.0) == []


@pytest.mark.parametrize(
    ("said", "error", "name"),
    [
        ({"op": "set", "id": 2, "values": {"RELAY2": 1}}, "EINVAL", "RELAY2"),
        ({"op": "set", "id": 2, "values": {"INPUT1": 1}}, "EINVAL", "INPUT1"),
        ({"op": "set", "id": 2, "values": {"GPIO99": 1}}, "ENOENT", "GPIO99"),
        ({"op": "set", "id": 2, "values": {"RELAY1": 2}}, "EINVAL", "RELAY1"),
        ({"op": "set", "id": 2, "values": {"RELAY1": 1.0}}, "EINVAL", "RELAY1"),
        ({"op": "set", "id": 2, "values": {"RELAY1": True}}, "EINVAL", "RELAY1"),
        ({"op": "set", "id": 2}, "EINVAL", None),
        ({"op": "burn", "id": 2}, "EINVAL", None),
        (changed(id=2), "EINVAL", None),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(
    said: dict[str, Any], error: str, name: str | None
) -> None:
    made = requested()
    assert ask(made, said) == {"id": 2, "ok": False, "error": error, "line": name}
    assert not any(made.relays)
    assert ask(made, {"op": "get", "id": 3})["ok"], "the connection goes on"


@pytest.mark.parametrize(
    ("keys", "error", "name"),
    [
        ({"outputs": [{"line": "GPIO99", "active_low": False, "value": 0}]}, "ENOENT", "GPIO99"),
        ({"outputs": [{"line": "INPUT2", "active_low": False, "value": 0}]}, "EINVAL", "INPUT2"),
        ({"outputs": [{"line": "RELAY1", "active_low": 0, "value": 0}]}, "EINVAL", "RELAY1"),
        ({"outputs": [{"line": "RELAY1", "active_low": False}]}, "EINVAL", "RELAY1"),
        ({"outputs": REQUEST["outputs"] * 2}, "EINVAL", "RELAY1"),
        ({"outputs": [1]}, "EINVAL", None),
        ({"outputs": None}, "EINVAL", None),
        ({"consumer": 7}, "EINVAL", None),
        (
            {"inputs": [{"line": "INPUT1", "active_low": False, "bias": "none", "debounce_us": 0}]},
            "EINVAL",
            "INPUT1",
        ),
        (
            {"inputs": [{"line": "INPUT1", "active_low": False, "bias": "as_is", "debounce_us": -1}]},
            "EINVAL",
            "INPUT1",
        ),
    ],
)
def test_a_request_is_taken_whole_or_not_at_all(keys: dict[str, Any], error: str, name: str | None) -> None:
    made = chip()
    assert ask(made, changed(**keys)) == {"id": 1, "ok": False, "error": error, "line": name}
    assert ask(made, REQUEST)["ok"], "nothing was taken"


@pytest.mark.parametrize(
    "data", [b"[]", b"7", b"{", b"\xff\xfe", b'{"id": "x"}', b'{"id": true}', b"[" * 60_000]
)
def test_a_line_that_is_no_request_is_answered_without_a_number(data: bytes) -> None:
    made = requested()
    made.feed(data + b"\n", 0.0)
    assert heard(made) == [{"id": None, "ok": False, "error": "EINVAL", "line": None}]


def test_empty_lines_are_passed_over_and_asking_before_the_request_is_refused() -> None:
    made = chip()
    made.feed(b"\n \n", 0.0)
    assert heard(made) == []
    assert ask(made, {"op": "get", "id": 1})["error"] == "EINVAL"


def test_when_the_program_leaves_lines_are_free_and_relays_stay() -> None:
    made = requested()
    ask(made, {"op": "set", "id": 2, "values": {"RELAY1": 1}})
    made.hung_up(1.0)
    assert made.relays[0]
    assert ask(made, REQUEST)["ok"]
    assert not made.relays[0], "the next program drives it to its own value"


def test_a_chip_that_is_pulled_out_drops_its_relays() -> None:
    made = requested()
    ask(made, {"op": "set", "id": 2, "values": {"RELAY1": 1}})
    made.power_cycle(1.0)
    assert not any(made.relays)


def test_a_line_that_is_too_long_ends_the_talk_until_the_program_comes_again() -> None:
    made = requested()
    made.feed(b"x" * MAX_LINE, 0.0)
    made.feed(b"\n" + line({"op": "get", "id": 3}), 0.0)
    assert heard(made) == []
    made.hung_up(0.0)
    assert ask(made, REQUEST)["ok"]


def test_faults_take_the_lines_and_hold_the_relay() -> None:
    faults = FaultSet("gpio")
    made = chip(faults=faults)
    faults.switch_on("line_taken", {}, count=1)
    assert ask(made, REQUEST) == {"id": 1, "ok": False, "error": "EBUSY", "line": "RELAY1"}
    assert ask(made, REQUEST)["ok"]
    faults.switch_on("does_not_follow", {"channel": 1})
    assert ask(made, {"op": "set", "id": 2, "values": {"RELAY1": 1}})["ok"]
    assert not made.relays[0]


def test_lines_are_found_at_every_cut() -> None:
    stream = line(REQUEST) + b"\n" + line({"op": "set", "id": 2, "values": {"RELAY1": 1}})
    for cut in range(1, len(stream)):
        made = chip()
        made.feed(stream[:cut], 0.0)
        made.feed(stream[cut:], 0.0)
        assert [answer["ok"] for answer in heard(made)] == [True, True]


def test_no_input_makes_it_fall_or_grow() -> None:
    chance = random.Random(3)
    samples = [
        line(REQUEST),
        line({"op": "set", "id": 2, "values": {"RELAY1": 1}}),
        line({"op": "get", "id": 3}),
    ]
    made = chip()
    for _ in range(FUZZ_INPUTS):
        data = bytearray(chance.choice(samples))
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(data) + 1)
            data[at : at + chance.randrange(4)] = chance.randbytes(chance.randrange(4))
        made.feed(bytes(data), 0.0)
        heard(made)
        made.notices()
        assert len(made._buffer) < MAX_LINE
        if chance.random() < 0.02:
            made.hung_up(0.0)
            assert ask(made, REQUEST)["ok"]


@pytest.mark.parametrize(("number", "state"), [(0, "open"), (3, "open"), (1, "good")])
def test_an_input_that_is_not_there_is_refused(number: int, state: str) -> None:
    with pytest.raises(ValueError, match="input"):
        chip().set_input(number, state, 0.0)


# In a scene, over a real socket


@contextmanager
def program(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as end:
        end.settimeout(PATIENCE_S)
        end.connect(address.removeprefix("socket://"))
        yield end


def talk(end: socket.socket, said: object) -> dict[str, Any]:
    end.sendall(line(said))
    return read(end)


def read(end: socket.socket) -> dict[str, Any]:
    data = b""
    while not data.endswith(b"\n"):
        data += end.recv(1)
    found: dict[str, Any] = json.loads(data)
    return found


def test_a_program_drives_the_door_and_feels_it(tmp_path: Path) -> None:
    with Simulator(parse_scene(SCENE), tmp_path) as running:
        settings = running.settings("header")
        assert settings["driver"] == "gpio"
        assert settings["relays"][0] == {"channel": 1, "line": "RELAY1", "active_low": False}
        with program(settings["chip"]) as end:
            assert talk(end, REQUEST)["values"] == {"INPUT1": 0}, "a shut door closes its contact"
            assert talk(end, {"op": "set", "id": 2, "values": {"RELAY1": 1}})["ok"]
            opened = running.wait_for_event("relay_on", device="header", after=0, timeout_s=PATIENCE_S)
            assert opened is not None
            assert opened.door == "east"
            running.swing_door("east", is_open=True)
            assert read(end) == {"event": "edge", "line": "INPUT1", "value": 1}
        with program(settings["chip"]) as end:
            assert talk(end, REQUEST)["ok"], "the lines are free again"


def test_a_chip_that_is_pulled_out_closes_its_connection_and_comes_back(tmp_path: Path) -> None:
    with Simulator(parse_scene(SCENE), tmp_path) as running:
        with program(running.address("header")) as end:
            talk(end, REQUEST)
            running.unplug("header")
            assert end.recv(1) == b""
        running.replug("header")
        with program(running.address("header")) as end:
            assert talk(end, REQUEST)["ok"]
