"""Devices on real pseudo-terminals and sockets, seen from the program's end of the cable."""

import errno
import os
import socket
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
from firmware_sim_support import DEADLINE_S, SCENE, cable, frame, relay, until

from firmware_sim.errors import RequestError, SceneError, SimulatorGone
from firmware_sim.scene import parse_scene
from firmware_sim.simulator import Simulator


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(parse_scene(SCENE), tmp_path) as simulator:
        yield simulator


def open_serial(
    simulator: Simulator, device: str, rate: int, *, timeout_s: float = DEADLINE_S
) -> serial.Serial:
    return serial.Serial(
        simulator.address(device), rate, timeout=timeout_s, write_timeout=timeout_s, exclusive=True
    )


def event_names(simulator: Simulator, device: str) -> list[str]:
    return [event.event for event in simulator.events() if event.device == device]


def test_a_card_is_found_selected_and_read_through_pyserial(sim: Simulator) -> None:
    with open_serial(sim, "east-1", 115200) as port:

        def ask(request: str, size: int) -> bytes:
            port.write(frame(request))
            return bytes(port.read(size))

        assert ask("request_find", 11) == frame("reply_find_failed")
        sim.present("east-1", "P0001")
        assert ask("request_find", 15) == frame("reply_found")
        assert ask("request_select", 19) == frame("reply_selected")
        read = ask("request_read", 1295)
    assert read[:10] == bytes.fromhex("AA AA AA 96 69 05 08 00 00 90")
    event = sim.wait_for_event("read_sent", device="east-1", after=0, timeout_s=DEADLINE_S)
    assert event is not None
    assert (event.device, event.card, event.door) == ("east-1", "P0001", "east")
    assert event.t_before_ns is not None
    assert event.t_before_ns <= event.t_ns


@pytest.mark.parametrize("rate", [57600, 38400, 19200, 9600, 230400, 1200])
def test_at_the_wrong_rate_there_is_garbage_and_no_request_is_understood(sim: Simulator, rate: int) -> None:
    sim.present("east-1", "P0001")
    with cable(sim.address("east-1"), rate) as end:
        end.send(frame("request_find"))
        garbage = end.chunk()
        assert 1 <= len(garbage) <= 16
        assert 0xAA not in garbage
        assert sim.status()["devices"]["east-1"]["state"] == "in_field"
        end.set_rate(115200)
        assert end.ask("request_find", 15) == frame("reply_found")


def test_a_scan_finds_a_module_that_was_left_at_another_rate(sim: Simulator) -> None:
    sim.fault("east-1", "wrong_rate", rate=9600)
    answers = {}
    for rate in (115200, 57600, 38400, 19200, 9600):
        with cable(sim.address("east-1"), rate) as end:
            end.send(frame("request_sam_number"))
            answers[rate] = end.chunk()[:5] == bytes.fromhex("AA AA AA 96 69")
    assert answers == {115200: False, 57600: False, 38400: False, 19200: False, 9600: True}


def test_a_new_rate_holds_from_the_next_request(sim: Simulator) -> None:
    with cable(sim.address("east-1")) as end:
        assert end.ask("request_rate_19200", 11) == frame("reply_success")
        end.send(frame("request_status"))
        assert frame("reply_success") != end.chunk()
        end.set_rate(19200)
        assert end.ask("request_status", 11) == frame("reply_success")


def test_the_lock_board_ignores_commands_at_the_wrong_rate(sim: Simulator) -> None:
    with cable(sim.address("east-locks"), 115200) as end:
        end.send(relay("channel_1_on"))
        until(lambda: sim.status()["devices"]["east-locks"]["ignored_bytes"] >= 1, "noise heard")
        end.set_rate(9600)
        end.send(relay("channel_2_on"))
        until(lambda: "relay_on" in event_names(sim, "east-locks"), "relay 2 on")
    assert sim.status()["devices"]["east-locks"]["relays"] == [False, True, False, False]


def test_relays_are_stamped_and_carry_their_door(sim: Simulator) -> None:
    with cable(sim.address("east-locks"), 9600) as end:
        end.send(relay("channel_1_on"))
        on = sim.wait_for_event("relay_on", device="east-locks", after=0, timeout_s=DEADLINE_S)
        end.send(relay("channel_1_off"))
        off = sim.wait_for_event("relay_off", device="east-locks", after=0, timeout_s=DEADLINE_S)
    assert on is not None
    assert off is not None
    assert (on.channel, on.door, on.edge) == (1, "east", True)
    assert on.t_ns < off.t_ns


def test_unplugging_is_an_error_for_the_program_and_the_name_goes(sim: Simulator) -> None:
    path = Path(sim.address("east-1"))
    with open_serial(sim, "east-1", 115200) as port:
        sim.unplug("east-1")
        assert not path.is_symlink()
        with pytest.raises((serial.SerialException, OSError)):
            port.read(1)
        with pytest.raises(serial.SerialException, match=os.strerror(errno.EIO)):
            port.write(b"x")
    with pytest.raises(RequestError, match="east-1 is unplugged; replug it first"):
        sim.address("east-1")
    with pytest.raises(RequestError, match="unplugged already"):
        sim.unplug("east-1")


def test_a_replugged_device_is_back_under_its_name_and_powered_up_anew(sim: Simulator) -> None:
    with cable(sim.address("east-locks"), 9600) as end:
        end.send(relay("channel_1_on"))
        until(lambda: "relay_on" in event_names(sim, "east-locks"), "relay on")
        sim.unplug("east-locks")
    assert sim.replug("east-locks") == sim.address("east-locks")
    assert sim.status()["devices"]["east-locks"]["relays"] == [False] * 4
    with cable(sim.address("east-locks"), 9600) as end:
        end.send(b"\xff")
        assert end.read(40) == b"CH1: OFF\r\nCH2: OFF\r\nCH3: OFF\r\nCH4: OFF\r\n"
    names = event_names(sim, "east-locks")
    assert names == ["relay_on", "unplugged", "relay_off", "replugged"]
    with pytest.raises(RequestError, match="plugged in already"):
        sim.replug("east-locks")


def test_a_device_can_come_back_under_another_name(sim: Simulator, tmp_path: Path) -> None:
    sim.unplug("east-1")
    assert sim.replug("east-1", "usb-7") == str(tmp_path / "usb-7")
    assert not (tmp_path / "east-1").is_symlink()
    with cable(str(tmp_path / "usb-7")) as end:
        assert end.ask("request_find", 11) == frame("reply_find_failed")
    sim.unplug("east-1")
    assert not (tmp_path / "usb-7").is_symlink()
    for name in ("east-locks", "../usb", "events.jsonl", "control.sock"):
        with pytest.raises(RequestError, match=r"cannot (name|be plugged in)"):
            sim.replug("east-1", name)


def test_a_selected_card_must_be_found_again_after_a_power_dip(sim: Simulator) -> None:
    sim.present("east-1", "P0001")
    with cable(sim.address("east-1")) as end:
        end.ask("request_find", 15)
        end.ask("request_select", 19)
        sim.fault("east-1", "power_dip")
        assert end.ask("request_read", 11) == frame("reply_read_failed")
        assert end.ask("request_find", 15) == frame("reply_found")


def test_echo_comes_before_the_answer(sim: Simulator) -> None:
    sim.fault("east-1", "echo", count=1)
    with cable(sim.address("east-1")) as end:
        assert end.ask("request_find", 21) == frame("request_find") + frame("reply_find_failed")
        assert end.ask("request_find", 11) == frame("reply_find_failed")


def test_blocked_writes_time_out_and_go_on_when_cleared(sim: Simulator) -> None:
    sim.fault("east-1", "write_blocks")
    with open_serial(sim, "east-1", 115200, timeout_s=0.2) as port:
        with pytest.raises(serial.SerialTimeoutException):
            port.write(frame("request_find"))
        sim.clear("east-1")
        port.timeout = DEADLINE_S
        port.write(frame("request_find"))
        assert port.read(11) == frame("reply_find_failed")


def test_noise_split_and_merged_frames_reach_the_program_as_bytes(sim: Simulator) -> None:
    with cable(sim.address("east-1")) as end:
        sim.fault("east-1", "noise_before", hex="FFFF", count=1)
        assert end.ask("request_find", 13) == b"\xff\xff" + frame("reply_find_failed")
        sim.fault("east-1", "split", gap_s=0.005, count=1)
        end.send(frame("request_find"))
        chunks = [end.chunk()]
        while len(b"".join(chunks)) < 11:
            chunks.append(end.chunk())
        assert len(chunks) > 1
        assert b"".join(chunks) == frame("reply_find_failed")
        sim.fault("east-1", "merged", count=1)
        end.send(frame("request_find"))
        assert end.ask("request_sam_number", 11)[:11] == frame("reply_find_failed")


def test_a_damaged_read_is_not_reported_as_sent(sim: Simulator) -> None:
    sim.present("east-1", "P0001")
    sim.fault("east-1", "wrong_checksum", count=3)
    with cable(sim.address("east-1")) as end:
        end.ask("request_find", 15)
        end.ask("request_select", 19)
        end.ask("request_read", 1295)
        assert "read_sent" not in event_names(sim, "east-1")
        end.ask("request_read", 1295)
        until(lambda: "read_sent" in event_names(sim, "east-1"), "the good read")
    assert "fault_over" in event_names(sim, "east-1")


def test_a_program_that_does_not_read_loses_bytes_and_the_device_lives_on(sim: Simulator) -> None:
    sim.present("east-1", "P0001")
    with cable(sim.address("east-1")) as end:
        end.ask("request_find", 15)
        end.ask("request_select", 19)
        for _ in range(400):
            end.send(frame("request_read"))

        def lost() -> bool:
            return bool(sim.status()["devices"]["east-1"]["lost_bytes"])

        until(lost, "bytes lost on a full line")
        termios.tcflush(end.fd, termios.TCIFLUSH)
    with cable(sim.address("east-1")) as end:
        until(lambda: end.chunk(0.05) == b"" or None, "an empty line")
        assert end.ask("request_sam_number", 27)[:7] == bytes.fromhex("AA AA AA 96 69 00 14")


def test_the_real_profile_is_silent_after_power_up_and_paces_its_bytes(tmp_path: Path) -> None:
    scene = parse_scene(SCENE.replace('"instant"', '"real"'))
    with Simulator(scene, tmp_path) as sim, cable(sim.address("east-1")) as end:
        end.send(frame("request_find"))
        assert end.chunk(0.5) == b""
        until(lambda: sim.status()["devices"]["east-1"]["state"] == "empty", "end of boot")
        sim.present("east-1", "P0001")
        end.ask("request_find", 15)
        end.ask("request_select", 19)
        began_s = time.monotonic()
        assert len(end.ask("request_read", 1295)) == 1295
        assert time.monotonic() - began_s >= 0.6 + 1295 * 10 / 115200


def test_a_device_on_a_socket_speaks_the_same_bytes_and_survives_a_hang_up(tmp_path: Path) -> None:
    scene = parse_scene(SCENE.replace('name = "east-1"\n', 'name = "east-1"\ntransport = "tcp"\n', 1))
    with Simulator(scene, tmp_path) as sim:
        for _ in range(3):
            with serial.serial_for_url(sim.address("east-1"), timeout=DEADLINE_S) as port:
                port.write(frame("request_find"))
                assert port.read(11) == frame("reply_find_failed")
        address = sim.address("east-1")
        host, number = address.removeprefix("socket://").split(":")
        with socket.create_connection((host, int(number)), DEADLINE_S) as program:
            program.sendall(frame("request_find"))
            assert program.recv(11) == frame("reply_find_failed")
            sim.unplug("east-1")
            assert program.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(number)), DEADLINE_S)
        assert sim.replug("east-1") == address
        with serial.serial_for_url(address, timeout=DEADLINE_S) as port:
            port.write(frame("request_find"))
            assert port.read(11) == frame("reply_find_failed")


def test_a_second_program_on_a_socket_takes_the_cable_over(tmp_path: Path) -> None:
    scene = parse_scene(SCENE.replace('name = "east-1"\n', 'name = "east-1"\ntransport = "tcp"\n', 1))
    with Simulator(scene, tmp_path) as sim:
        host, number = sim.address("east-1").removeprefix("socket://").split(":")
        with socket.create_connection((host, int(number)), DEADLINE_S) as first:
            first.sendall(frame("request_find"))
            first.recv(11)
            with socket.create_connection((host, int(number)), DEADLINE_S) as second:
                second.sendall(frame("request_find"))
                assert second.recv(11) == frame("reply_find_failed")
                assert first.recv(1) == b""


def test_a_program_may_come_and_go_while_the_device_stays(sim: Simulator) -> None:
    for _ in range(20):
        with cable(sim.address("east-1")) as end:
            assert end.ask("request_find", 11) == frame("reply_find_failed")


def test_a_file_in_a_devices_place_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "east-1").write_text("mine", encoding="utf-8")
    with pytest.raises(SceneError, match="is in the way"):
        Simulator(parse_scene(SCENE), tmp_path).start()
    assert (tmp_path / "east-1").read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "control.sock").exists()


def test_a_link_left_by_a_killed_simulator_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "east-1").symlink_to("/dev/pts/gone")
    with Simulator(parse_scene(SCENE), tmp_path) as sim, cable(sim.address("east-1")) as end:
        assert end.ask("request_find", 11) == frame("reply_find_failed")


def test_after_stop_everything_is_gone_and_calls_say_so(tmp_path: Path) -> None:
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    simulator = Simulator(parse_scene(SCENE), tmp_path)
    simulator.start()
    simulator.stop()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.jsonl"]
    with pytest.raises(SimulatorGone, match="has stopped"):
        simulator.present("east-1", "P0001")
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before


def test_many_devices_live_on_one_thread(tmp_path: Path) -> None:
    readers = "".join(f'[[reader]]\nname = "r{n}"\n' for n in range(30))
    with Simulator(parse_scene('profile = "instant"\n' + readers), tmp_path) as sim:
        serials = []
        for n in range(30):
            with cable(sim.address(f"r{n}")) as end:
                serials.append(int.from_bytes(end.ask("request_sam_number", 27)[18:22], "little"))
    assert serials == list(range(1, 31))
