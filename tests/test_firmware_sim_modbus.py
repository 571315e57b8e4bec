"""The simulated Modbus board against the documented bytes and pymodbus, a peer that we did not write."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from firmware_sim_support import vectors
from pymodbus.client import ModbusSerialClient

from firmware_sim.faults import FaultSet
from firmware_sim.modbus_board import GAP_S, Flash, ModbusBoard
from firmware_sim.modbus_frame import MAX_FRAME, Request, RequestFramer, frame
from firmware_sim.scene import parse_scene
from firmware_sim.simulator import Simulator

EXCHANGES = {each["name"]: each for each in vectors("modbus")["exchange"]}
REFUSED = vectors("modbus")["refused"]
FUZZ_INPUTS = int(os.environ.get("LIUHEN_FUZZ", "20000"))
PATIENCE_S = 5.0

SCENE = """
seed = 1
people = 2
profile = "instant"
[[bus]]
name = "line"
[[lock_board]]
name = "east"
kind = "modbus"
bus = "line"
unit = 1
flash = "value"
[[lock_board]]
name = "west"
kind = "modbus"
bus = "line"
unit = 2
channels = 4
inputs = 4
flash = "address"
[[reader]]
name = "reader"
[[door]]
name = "east"
reader = "reader"
lock_board = "east"
channel = 2
[door.contact]
board = "east"
input = 3
"""


def request(name: str) -> bytes:
    return bytes.fromhex(EXCHANGES[name]["request"])


def reply(name: str) -> bytes:
    return bytes.fromhex(EXCHANGES[name]["reply"])


def board(**options: Any) -> ModbusBoard:
    return ModbusBoard(options.pop("faults", FaultSet("modbus")), **options)


def answer(device: ModbusBoard, data: bytes, now: float = 0.0) -> bytes:
    """All it says to one request."""
    device.feed(data, now)
    return b"".join(each.data for each in device.take(now))


# Paper


@pytest.mark.parametrize(
    "name",
    [
        "relay_1_on",
        "relay_1_off",
        "relay_2_on",
        "relays_1_to_8_on",
        "relays_1_to_8_off",
        "read_coils_1_to_8",
        "read_inputs_1_to_8",
    ],
)
def test_a_documented_request_is_answered_as_printed(name: str) -> None:
    device = board()
    device.set_input(2, "closed", 0.0)
    if name.startswith("read_coils"):
        answer(device, request("relay_1_on"))
        answer(device, frame(1, 5, bytes.fromhex("0002 FF00")))
    assert answer(device, request(name)) == reply(name)


@pytest.mark.parametrize(
    ("name", "first_coil", "first_input"),
    [
        ("standard_read_coils", 19, 0),
        ("standard_read_inputs", 0, 196),
        ("standard_write_coil", 172, 0),
        ("standard_write_coils", 19, 0),
    ],
)
def test_an_example_of_the_standard_is_answered_as_printed(
    name: str, first_coil: int, first_input: int
) -> None:
    device = board(unit=11, channels=22, inputs=22, first_coil=first_coil, first_input=first_input)
    bits = EXCHANGES[name].get("bits", "") if "read" in name else ""
    for number, bit in enumerate(bits):
        if bit == "1":
            device.set_input(number + 1, "closed", 0.0)
            answer(device, frame(11, 5, (first_coil + number).to_bytes(2, "big") + b"\xff\0"))
    assert answer(device, request(name)) == reply(name)
    if name == "standard_write_coils":
        assert device.relays[:10] == tuple(bit == "1" for bit in EXCHANGES[name]["bits"])


def test_a_relay_that_is_not_there_is_refused_as_printed() -> None:
    wanted = bytes.fromhex(REFUSED["request"])
    assert answer(board(first_coil=100), wanted) == bytes.fromhex(REFUSED["reply"])


@pytest.mark.parametrize(
    ("name", "flash", "seconds"),
    [("timed_coil_by_value", Flash.VALUE, 5.0), ("timed_coil_by_address", Flash.ADDRESS, 0.7)],
)
def test_a_timed_coil_drops_out_by_itself(name: str, flash: Flash, seconds: float) -> None:
    device = board(flash=flash)
    assert answer(device, request(name)) == reply(name)
    assert [(n.event, n.channel, n.edge) for n in device.notices()] == [("relay_on", 1, True)]
    assert device.next_due() == pytest.approx(seconds)
    device.take(seconds - 0.01)
    assert device.relays[0]
    device.take(seconds)
    assert [(n.event, n.channel, n.edge) for n in device.notices()] == [("relay_off", 1, True)]
    assert device.next_due() is None


# Behaviour


@pytest.mark.parametrize(
    ("unit_function_data", "exception"),
    [
        ("01 01 0000 0000", 3),
        ("01 01 0000 07D1", 3),
        ("01 01 0004 0005", 2),
        ("01 02 0008 0001", 2),
        ("01 05 0000 0032", 3),
        ("01 05 0008 FF00", 2),
        ("01 0F 0000 0008 02 FF00", 3),
        ("01 0F 0004 0008 01 FF", 2),
        ("01 03 0000 0001", 1),
        ("01 10 0000 0001 02 0000", 1),
        ("01 2B 0E 01 00", 1),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(unit_function_data: str, exception: int) -> None:
    data = bytes.fromhex(unit_function_data)
    device = board()
    wanted = frame(1, data[1] | 0x80, bytes((exception,)))
    assert answer(device, frame(data[0], data[1], data[2:])) == wanted
    assert not any(device.relays)


def test_a_broadcast_is_obeyed_and_not_answered() -> None:
    device = board()
    assert answer(device, frame(0, 5, bytes.fromhex("0001 FF00"))) == b""
    assert device.relays[:2] == (False, True)


def test_requests_to_other_units_are_passed_over() -> None:
    device = board(unit=2)
    assert answer(device, request("relay_1_on")) == b""
    assert not any(device.relays)


def test_a_power_cycle_drops_the_relays() -> None:
    device = board()
    answer(device, request("relays_1_to_8_on"))
    device.notices()
    device.power_cycle(1.0)
    assert [notice.event for notice in device.notices()] == ["relay_off"] * 8


def test_a_command_during_a_timed_pulse_ends_the_timer() -> None:
    device = board(flash=Flash.VALUE)
    answer(device, request("timed_coil_by_value"))
    answer(device, request("relay_1_on"), 1.0)
    device.take(60.0)
    assert device.relays[0]


@pytest.mark.parametrize(("number", "state"), [(0, "bad"), (9, "open"), (1, "cut")])
def test_an_input_that_is_not_there_is_refused(number: int, state: str) -> None:
    with pytest.raises(ValueError, match="input"):
        board().set_input(number, state, 0.0)


def test_a_relay_that_does_not_follow_is_echoed_all_the_same() -> None:
    faults = FaultSet("modbus")
    faults.switch_on("does_not_follow", {"channel": 1})
    device = board(faults=faults)
    assert answer(device, request("relay_1_on")) == reply("relay_1_on")
    answer(device, request("relay_2_on"))
    assert device.relays[:2] == (False, True)


def test_a_failing_board_refuses_with_the_given_exception() -> None:
    faults = FaultSet("modbus")
    faults.switch_on("exception", {"code": 6}, count=1)
    device = board(faults=faults)
    assert answer(device, request("relay_1_on")) == frame(1, 0x85, b"\x06")
    assert answer(device, request("relay_1_on")) == reply("relay_1_on")


def test_a_hasty_request_is_lost() -> None:
    faults = FaultSet("modbus")
    faults.switch_on("swallows_hasty", {})
    device = board(faults=faults)
    assert answer(device, request("relay_1_on"), 0.0)
    assert answer(device, request("relay_2_on"), 0.001) == b""
    assert answer(device, request("relay_2_on"), 0.1) == reply("relay_2_on")


# Robustness

SAMPLES = [request(name) for name in EXCHANGES]


def test_requests_are_found_at_every_cut_and_behind_noise() -> None:
    stream = b"\xff".join(SAMPLES)
    whole = [(each.unit, each.function, each.data) for each in RequestFramer().feed(stream)]
    assert len(whole) == len(SAMPLES)
    for size in (1, 2, 3, 7, 64):
        framer = RequestFramer()
        bounds = [*range(0, len(stream), size), len(stream)]
        pieces = [stream[start:end] for start, end in pairwise(bounds)]
        found = [each for piece in pieces for each in framer.feed(piece)]
        assert [(each.unit, each.function, each.data) for each in found] == whole


def test_an_unfinished_request_is_forgotten_after_a_silence() -> None:
    device = board()
    device.feed(request("relay_1_on")[:5], 0.0)
    assert answer(device, request("relay_2_on"), GAP_S * 2) == reply("relay_2_on")


def test_a_request_is_heard_behind_the_reply_of_another_unit_that_looks_unfinished() -> None:
    device = board()
    others = frame(2, 0x0F, bytes.fromhex("0000 0003"))
    assert others[6] > 8, "taken for a count, the CRC asks for more bytes than come"
    device.feed(others, 0.0)
    assert answer(device, request("relay_2_on"), 0.02) == reply("relay_2_on")


def test_a_damaged_request_gets_no_answer() -> None:
    good = request("relay_1_on")
    device = board()
    assert answer(device, good[:-1] + bytes((good[-1] ^ 1,))) == b""
    assert not any(device.relays)


@pytest.mark.parametrize("seed", range(2))
def test_no_input_makes_it_fall_or_grow_or_miss_the_next_request(seed: int) -> None:
    chance = random.Random(seed)
    device = board(flash=Flash.VALUE)
    now = 0.0
    for _ in range(FUZZ_INPUTS // 2):
        data = bytearray(chance.choice(SAMPLES))
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(data) + 1)
            data[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
        now += 0.001
        device.feed(bytes(data), now)
        device.take(now)
        device.notices()
        assert len(device._framer._buffer) <= MAX_FRAME + len(data)
        if chance.random() < 0.02:
            now += GAP_S * 2
            assert answer(device, request("relay_2_on"), now) == reply("relay_2_on")


def test_a_request_shows_no_data() -> None:
    assert repr(Request(1, 5, b"\0")) == "Request(unit=1, function=5)"


# pymodbus


@contextmanager
def client(running: Simulator) -> Iterator[ModbusSerialClient]:
    end = ModbusSerialClient(
        running.address("line"), baudrate=9600, timeout=1.0, retries=3
    )  # a request torn in two by a busy machine is no request
    assert end.connect()
    try:
        yield end
    finally:
        end.close()  # type: ignore[no-untyped-call]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(parse_scene(SCENE), tmp_path) as simulator:
        yield simulator


def test_pymodbus_drives_relays_of_two_units_on_one_line(running: Simulator) -> None:
    with client(running) as end:
        assert not end.write_coil(1, True, device_id=1).isError()
        assert not end.write_coils(0, [True, False, True], device_id=2).isError()
        assert end.read_coils(0, count=8, device_id=1).bits == [False, True] + [False] * 6
        assert end.read_coils(0, count=4, device_id=2).bits[:4] == [True, False, True, False]
        assert end.read_coils(3, count=4, device_id=2).exception_code == 2
        assert end.read_holding_registers(0, count=1, device_id=1).exception_code == 1
    found = running.wait_for_event("relay_on", device="east", after=0, timeout_s=PATIENCE_S)
    assert found is not None
    assert (found.channel, found.door) == (2, "east")


def test_pymodbus_reads_the_contacts_and_feels_the_door(running: Simulator) -> None:
    with client(running) as end:
        running.set_input("west", 4, "closed")
        assert end.read_discrete_inputs(0, count=4, device_id=2).bits[:4] == [False, False, False, True]
        assert end.read_discrete_inputs(2, count=1, device_id=1).bits[0], "a shut door closes its contact"
        running.swing_door("east", is_open=True, force=True)
        assert not end.read_discrete_inputs(2, count=1, device_id=1).bits[0]


def test_pymodbus_sees_nothing_of_a_unit_that_is_cut_off_and_the_other_goes_on(running: Simulator) -> None:
    from pymodbus.exceptions import ModbusIOException

    with client(running) as end:
        running.unplug("east")
        end.comm_params.timeout_connect = 0.2
        with pytest.raises(ModbusIOException):
            end.read_coils(0, count=8, device_id=1)
        end.comm_params.timeout_connect = PATIENCE_S
        assert not end.read_coils(0, count=4, device_id=2).isError()
        running.replug("east")
        assert not end.read_coils(0, count=8, device_id=1).isError()


def test_pymodbus_is_told_the_exception_of_a_failing_board(running: Simulator) -> None:
    with client(running) as end:
        running.fault("west", "exception", code=4, count=1)
        assert end.write_coil(0, True, device_id=2).exception_code == 4
        assert not end.write_coil(0, True, device_id=2).isError()
