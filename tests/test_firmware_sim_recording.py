"""Recordings: text and back, the man in the middle on real terminals, and replay to a program."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from firmware_sim_support import DEADLINE_S, cable, frame, until

from firmware_sim.cli import main
from firmware_sim.errors import RecordingError
from firmware_sim.record import open_cable, record
from firmware_sim.recording import Chunk, Exchange, Recording, Tape, exchanges, parse_recording
from firmware_sim.replay import ReplayDevice, Replayer, load_recording
from firmware_sim.scene import parse_scene
from firmware_sim.simulator import Simulator

SCENE = """
people = 3
profile = "instant"
[[reader]]
name = "fob"
kind = "id12"
[[reader]]
name = "module"
rate = 19200
"""
FUZZ = int(os.environ.get("LIUHEN_FUZZ", "3000"))
TAG_1 = bytes.fromhex("02 30303030303030303031 3031 0D0A 03")  # what ID-12 sends of tag 00 00000001
FIND, FAILED, FOUND = frame("request_find"), frame("reply_find_failed"), frame("reply_found")


def recorded(*chunks: tuple[float, str, bytes], rate: int = 9600) -> Recording:
    return Recording("sam_v", rate, tuple(Chunk(t_s, who == "device", data) for t_s, who, data in chunks))


DIALOGUE = recorded(
    (0.0, "program", FIND),
    (0.1, "device", FAILED),
    (0.2, "program", FIND[:4]),
    (0.21, "program", FIND[4:]),
    (0.3, "device", FOUND[:5]),
    (0.35, "device", FOUND[5:]),
    (1.0, "program", frame("request_select")),
    (3.0, "program", FIND),
)


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(parse_scene(SCENE), tmp_path / "ports") as simulator:
        yield simulator


@contextmanager
def recording_of(
    address: str, family: str, rate: int, link: Path | None
) -> Iterator[tuple[Tape, list[Recording]]]:
    """Records in a thread for as long as the block lasts; the recording is in the list afterwards."""
    stop, is_ready = threading.Event(), threading.Event()
    end = open_cable(address, rate)
    tape = Tape(family)
    made: list[Recording] = []

    def run() -> None:
        made.append(record(end, tape, rate, link=link, stop=stop, ready=is_ready.set))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert is_ready.wait(DEADLINE_S)
        yield tape, made
    finally:
        stop.set()
        thread.join(DEADLINE_S)
        end.close()
    assert not thread.is_alive()


def said(recording: Recording, *, from_device: bool) -> bytes:
    return b"".join(chunk.data for chunk in recording.chunks if chunk.from_device is from_device)


def test_a_recording_is_text_and_back() -> None:
    whole = Recording(
        "qr", 115200, DIALOGUE.chunks, {"suffix": "cr"}, expect=("read qr_code 00", "removed"), about="门 3"
    )
    assert parse_recording(whole.to_text()) == whole
    assert parse_recording(DIALOGUE.to_text()).expect is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expects a JSON object"),
        ("{}", "line 1: no recording of version 1"),
        ('{"liuhen_recording": 1}', "line 1: KeyError"),
        (DIALOGUE.to_text() + "hello\n", "line 10: expects a JSON object"),
        (DIALOGUE.to_text() + '{"t": 1, "from": "me", "hex": ""}\n', "line 10: from is device or program"),
        (DIALOGUE.to_text() + '{"t": 1, "from": "device", "hex": "0"}\n', "line 10: ValueError"),
    ],
)
def test_what_is_no_recording_is_named_by_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecordingError, match=message):
        load_recording(path)
    with pytest.raises(RecordingError, match="cannot be read"):
        load_recording(tmp_path / "nowhere")


def test_a_dialogue_is_split_into_requests_with_their_answers() -> None:
    first, second, third, fourth = exchanges(DIALOGUE)
    assert first == Exchange(FIND, ((0.1, FAILED),))
    assert second.request == FIND
    assert [data for _, data in second.answers] == [FOUND[:5], FOUND[5:]]
    assert third == Exchange(frame("request_select"), ())
    assert fourth == Exchange(FIND, ())
    assert list(exchanges(recorded())) == []


def answers(device: ReplayDevice, request: bytes, now: float) -> bytes:
    device.feed(request, now)
    return b"".join(each.data for each in device.take(now + 1.0))


def test_requests_are_answered_in_order_and_the_last_answer_again() -> None:
    device = ReplayDevice(
        recorded(*((c.t_s, "device" if c.from_device else "program", c.data) for c in DIALOGUE.chunks[:6]))
    )
    assert answers(device, FIND, 0.0) == FAILED
    assert not device.finished
    assert answers(device, FIND[:3], 10.0) == b""
    assert answers(device, FIND[3:], 10.1) == FOUND
    assert device.finished
    assert answers(device, FIND, 20.0) == FOUND
    assert answers(device, frame("request_status"), 30.0) == b""
    assert answers(device, FIND, 40.0) == FOUND
    assert device.unknown == len(frame("request_status"))


def test_what_was_not_answered_then_is_not_answered_now() -> None:
    device = ReplayDevice(DIALOGUE)
    assert answers(device, frame("request_select"), 0.0) == b""
    assert device.unknown == 0


def test_a_replay_keeps_the_pace_or_another() -> None:
    for speed, due_s in ((1.0, 5.5), (2.0, 5.25)):
        device = ReplayDevice(recorded((3.0, "device", b"a"), (3.5, "device", b"b")), speed=speed)
        assert device.next_due() is None
        device.start(5.0)
        assert [frame_.data for frame_ in device.take(5.0)] == [b"a"]
        assert device.next_due() == pytest.approx(due_s)


def test_a_man_in_the_middle_passes_both_ways_and_takes_over_the_rate(sim: Simulator, tmp_path: Path) -> None:
    link = tmp_path / "program"
    with recording_of(sim.address("module"), "sam_v", 9600, link) as (_, made):
        with cable(str(link), 19200) as end:
            assert end.ask("request_find", 11) == FAILED
            sim.present("module", "P0001")
            assert end.ask("request_find", 15) == FOUND
            end.ask("request_select", 19)
            read = end.ask("request_read", 1295)
        number = sim.scene.everyone()[0].id_number.encode("utf-16-le")
        assert number in read
    (recording,) = made
    assert recording.rate == 19200
    assert said(recording, from_device=False) == FIND + FIND + frame("request_select") + frame("request_read")
    kept = said(recording, from_device=True)
    assert kept.startswith(FAILED + FOUND)
    assert len(kept) == 11 + 15 + 19 + 1295
    assert number not in kept
    assert not link.is_symlink()


def test_a_reader_that_only_speaks_can_just_be_listened_to(sim: Simulator) -> None:
    with recording_of(sim.address("fob"), "id12", 9600, None) as (tape, made):
        for card in ("P0001", "P0002", "P0001"):
            sim.present("fob", card)
            sim.wait_for_event("read_sent", device="fob", after=sim.last_event - 1, timeout_s=DEADLINE_S)
            sim.remove("fob")
        until(lambda: tape.size == 3 * len(TAG_1), "three tags on the tape")
    tags = said(made[0], from_device=True).split(b"\x03")[:-1]
    assert [tag[10:11] for tag in tags] == [b"1", b"2", b"1"]
    assert tags[0] + b"\x03" == TAG_1


def test_a_device_that_goes_ends_the_recording_and_it_is_kept(sim: Simulator) -> None:
    with recording_of(sim.address("fob"), "id12", 9600, None) as (tape, made):
        sim.present("fob", "P0001")
        until(lambda: tape.size == len(TAG_1), "the tag on the tape")
        sim.unplug("fob")
        until(lambda: made, "the end of the recording")
    assert made[0].about.startswith("ended by itself: ")
    assert said(made[0], from_device=True) == TAG_1


def test_a_device_behind_a_socket_can_be_recorded(tmp_path: Path) -> None:
    scene = SCENE.replace('kind = "id12"', 'kind = "id12"\ntransport = "tcp"')
    with Simulator(parse_scene(scene), tmp_path / "ports") as sim:
        with recording_of(sim.address("fob"), "id12", 9600, None) as (tape, made):

            def card_seen() -> bool:
                sim.present("fob", "P0001")
                event = sim.wait_for_event("read_sent", device="fob", after=0, timeout_s=0.2)
                sim.remove("fob")
                return event is not None

            until(card_seen, "a read on the socket")
            until(lambda: tape.size >= len(TAG_1), "the tag on the tape")
        assert said(made[0], from_device=True)[:16] == TAG_1


def test_what_cannot_be_opened_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for address, message in (
        (str(tmp_path / "none"), "cannot be opened"),
        (f"socket://127.0.0.1:{port}", "cannot be reached"),
        ("socket://nowhere", "cannot be reached"),
        ("/dev/null", "cannot be set up"),
    ):
        with pytest.raises(RecordingError, match=message):
            open_cable(address, 9600)


def test_a_replay_is_opened_like_a_device(tmp_path: Path) -> None:
    with Replayer(DIALOGUE, tmp_path / "port") as replayer:
        assert not replayer.wait_opened(threading.Event(), 0.02)
        with cable(replayer.address, 9600) as end:
            assert replayer.wait_opened(threading.Event(), DEADLINE_S)
            replayer.start()
            assert end.ask("request_find", 11) == FAILED
            assert end.ask("request_find", 15) == FOUND
        with cable(replayer.address, 19200) as end:
            end.send(FIND)
            assert end.chunk(0.1) == b""  # at the wrong rate it understands nothing
    assert not (tmp_path / "port").exists()


@contextmanager
def run_cli(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "firmware_sim.cli", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def waiting(fd: int) -> int:
    """Bytes that no program has read yet at a port."""
    return int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_recording_and_replaying_from_the_command_line(sim: Simulator, tmp_path: Path) -> None:
    file = tmp_path / "fob.jsonl"
    options = ("--as", "id12", "--listen", "--about", "a fob")
    with (
        cable(sim.address("fob"), 9600) as peephole,  # opened first: the recorder keeps others out
        run_cli("record", sim.address("fob"), str(file), *options) as tape,
    ):
        assert tape.stdout is not None
        assert "listening; end with Ctrl-C" in tape.stdout.readline()
        sim.present("fob", "P0001")
        sim.wait_for_event("read_sent", device="fob", after=0, timeout_s=DEADLINE_S)
        until(lambda: not waiting(peephole.fd), "the recorder has read it")
        tape.send_signal(signal.SIGINT)
        assert tape.stdout.readline() == "16 bytes in 1 portions; ended by you\n"
        assert tape.wait(DEADLINE_S) == 0
    assert load_recording(file).about == "a fob"
    with run_cli("replay", str(file), "--link", str(tmp_path / "again")) as play:
        assert play.stdout is not None
        assert play.stdout.readline() == f"id12 at 9600: open {tmp_path / 'again'}\n"
        with cable(str(tmp_path / "again"), 9600) as end:
            assert end.read(16) == TAG_1
        assert play.stdout.readline() == "the recording is over\n"
        assert play.wait(DEADLINE_S) == 0


def test_the_command_line_refuses_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", str(tmp_path / "none"), str(tmp_path / "file"), "--as", "id12"]) == 1
    assert "cannot be opened: No such file" in capsys.readouterr().err
    assert main(["replay", os.devnull]) == 1
    assert "line 1: expects a JSON object" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["record", "port", "file", "--as", "gpio"])
    assert "invalid choice: 'gpio'" in capsys.readouterr().err


def test_any_bytes_leave_a_replay_alive() -> None:
    rng = Random(7)
    device = ReplayDevice(DIALOGUE)
    now = 0.0
    for _ in range(FUZZ):
        now += rng.choice((0.0, 0.01, 0.5))
        request = rng.choice((FIND, FIND[:5], FIND[5:], frame("request_select"), rng.randbytes(12)))
        device.feed(request, now)
        assert sum(len(each.data) for each in device.take(now + 10.0)) <= 2 * len(FOUND)
    assert answers(device, FIND, now + 10.0) == FOUND
