"""The control API over its socket: every request, and every way of asking wrongly."""

import json
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from firmware_sim_support import DEADLINE_S, SCENE, cable, frame, relay, until

from firmware_sim.control import MAX_REQUEST, Control, socket_path
from firmware_sim.control_server import MAX_CONNECTIONS
from firmware_sim.errors import RequestError, SceneError, SimulatorGone
from firmware_sim.scene import parse_scene
from firmware_sim.simulator import Simulator


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(parse_scene(SCENE), tmp_path) as simulator:
        yield simulator


@pytest.fixture
def control(sim: Simulator) -> Iterator[Control]:
    with Control(sim.directory) as client:
        yield client


def raw(directory: Path, data: bytes) -> list[bytes]:
    """Answers to bytes that need not be requests."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE_S)
        with socket_path(directory) as path:
            connection.connect(path)
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as answers:
            return answers.readlines()


def doorkeeper(sim: Simulator, reads: int) -> None:
    """A program that waits for a card, reads it and opens the door, a number of times."""
    with cable(sim.address("east-1")) as reader, cable(sim.address("east-locks"), 9600) as locks:
        for _ in range(reads):
            until(lambda: reader.answer("request_find") == frame("reply_found") or None, "a card")
            reader.answer("request_select")
            assert len(reader.answer("request_read")) == 1295
            locks.send(relay("channel_1_on"))


def test_a_card_is_laid_and_taken_away(control: Control) -> None:
    control.present("east-1", "P0007")
    device = control.status()["devices"]["east-1"]
    assert (device["card"], device["state"]) == ("P0007", "in_field")
    control.remove("east-1")
    assert control.status()["devices"]["east-1"]["card"] is None
    assert [event["event"] for event in control.events()] == ["started", "presented", "removed"]


def test_a_swipe_waits_for_the_door_and_gives_the_stamps(sim: Simulator, control: Control) -> None:
    keeper = threading.Thread(target=doorkeeper, args=(sim, 1))
    keeper.start()
    swipe = control.swipe("east-1", "P0003", patience_s=DEADLINE_S)
    keeper.join(DEADLINE_S)
    assert swipe["opened"]
    assert swipe["presented_ns"] < swipe["read_sent_ns"] < swipe["relay_on_ns"]
    assert not swipe["was_open"]
    assert control.status()["devices"]["east-1"]["card"] is None


def test_a_swipe_that_nobody_reads_ends_with_patience(control: Control) -> None:
    swipe = control.swipe("east-1", "P0003", patience_s=0.05)
    assert (swipe["opened"], swipe["read_sent_ns"], swipe["relay_on_ns"]) == (False, None, None)
    assert control.status()["devices"]["east-1"]["card"] is None


def test_a_fault_is_switched_on_described_and_cleared(control: Control) -> None:
    control.fault("east-1", "slow", count=3, factor=2.0)
    control.fault("east-locks", "does_not_follow", channel=1)
    devices = control.status()["devices"]
    assert devices["east-1"]["faults"] == {"slow": {"factor": 2.0, "count": 3}}
    assert devices["east-locks"]["faults"] == {"does_not_follow": {"channel": 1}}
    assert control.clear("east-1") == ["slow"]
    assert control.clear() == ["does_not_follow"]
    assert [(event["event"], event["detail"]) for event in control.events(after=1)] == [
        ("fault", "slow"),
        ("fault", "does_not_follow"),
        ("fault_over", "slow"),
        ("fault_over", "does_not_follow"),
    ]


def test_plugs_power_and_rate_are_in_reach(control: Control, tmp_path: Path) -> None:
    control.unplug("east-1")
    assert not control.status()["devices"]["east-1"]["plugged"]
    assert control.replug("east-1", "elsewhere") == str(tmp_path / "elsewhere")
    control.power_cycle("east-1")
    control.fault("east-1", "wrong_rate", rate=19200)
    assert control.status()["devices"]["east-1"]["rate"] == 19200
    control.fault("east-1", "unplug")
    control.fault("east-1", "replug")
    names = [event["event"] for event in control.events(after=1)]
    assert names == ["unplugged", "replugged", "power_cycled", "fault", "unplugged", "replugged"]


def test_people_are_references_and_layouts_only(control: Control) -> None:
    people = control.people()
    assert len(people) == 20
    assert people[0] == {"ref": "P0001", "layout": "resident", "enrolled": True}
    assert {key for person in people for key in person} == {"ref", "layout", "enrolled"}


def test_events_are_numbered_paged_and_can_be_waited_for(sim: Simulator, control: Control) -> None:
    for _ in range(5):
        control.present("east-1", "P0001")
        control.remove("east-1")
    numbers = [event["n"] for event in control.events(after=3, limit=4)]
    assert numbers == [4, 5, 6, 7]
    assert control.events(after=11, wait_s=0.01) == []
    waiting = threading.Timer(0.05, sim.present, ("east-1", "P0002"))
    waiting.start()
    (event,) = control.events(after=11, wait_s=DEADLINE_S)
    waiting.join()
    assert (event["n"], event["card"], event["door"]) == (12, "P0002", "east")


def test_the_file_of_events_says_the_same_and_survives_a_new_run(tmp_path: Path) -> None:
    for _ in range(2):
        with Simulator(parse_scene(SCENE), tmp_path) as sim:
            sim.present("east-1", "P0001")
    lines = [
        json.loads(line) for line in (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [(line["n"], line["event"]) for line in lines[: len(lines) // 2]] == [
        (line["n"], line["event"]) for line in lines[len(lines) // 2 :]
    ]
    assert [line["event"] for line in lines[:2]] == ["started", "presented"]
    people = parse_scene(SCENE).everyone()
    text = (tmp_path / "events.jsonl").read_text(encoding="utf-8")
    assert not any(person.id_number in text or person.name in text for person in people)


def test_the_community_rate_is_set(control: Control) -> None:
    control.set_community_rate(12)
    assert control.status()["community"]["rate"] == 12
    control.set_community_rate(0)


@pytest.mark.parametrize(
    ("request_line", "message"),
    [
        ("", "expects one JSON object per line"),
        ("hello", "expects one JSON object per line"),
        ("[1]", "expects one JSON object per line"),
        ("[" * 60_000, "expects one JSON object per line"),
        ("{}", "key do: one of present, remove"),
        ('{"do": "fly"}', "key do: one of present"),
        ('{"do": ["present"]}', "key do: one of present"),
        ('{"do": "present", "reader": "east-1"}', "key card is missing"),
        ('{"do": "present", "reader": "east-1", "card": 7}', "key card: expects str"),
        ('{"do": "present", "reader": "east-1", "card": ""}', "key card: 1 to 100 characters"),
        ('{"do": "present", "reader": "east-1", "card": "P0001", "x": 1}', "key x is not known here"),
        ('{"do": "present", "reader": "west", "card": "P0001"}', "no reader 'west'; there are east-1"),
        ('{"do": "present", "reader": "east-locks", "card": "P0001"}', "no reader 'east-locks'"),
        ('{"do": "present", "reader": "east-1", "card": "P9999"}', "there are P0001 to P0020"),
        ('{"do": "remove", "reader": "east-1"}', "no card lies on east-1"),
        ('{"do": "swipe", "reader": "east-1", "card": "P0001", "patience_s": -1}', "patience_s: 0 to 600"),
        ('{"do": "swipe", "reader": "east-1", "card": "P0001", "patience_s": NaN}', "patience_s: 0 to 600"),
        ('{"do": "fault", "device": "east-1", "fault": "gremlins"}', "no fault 'gremlins'"),
        ('{"do": "fault", "device": "east-1", "fault": "slow", "count": 0}', "count is 1 to"),
        ('{"do": "fault", "device": "east-1", "fault": "slow", "delay_s": {}}', "expects float, not dict"),
        ('{"do": "fault", "device": "east-1", "fault": "slow", "line": 1}', "no parameter 'line'"),
        ('{"do": "fault", "device": "east-1", "fault": "slow", "parameters": 1}', "no parameter"),
        ('{"do": "fault", "device": "east-1", "fault": "unplug", "count": 1}', "takes no count"),
        ('{"do": "clear", "fault": "gremlins"}', "no fault 'gremlins'"),
        ('{"do": "replug", "device": "east-1"}', "east-1 is plugged in already"),
        ('{"do": "events", "limit": 5000}', "key limit: 0 to 1000"),
        ('{"do": "events", "after": true}', "key after: expects int"),
        ('{"do": "events", "after": 1e400}', "key after: expects int"),
        ('{"do": "events", "after": ' + "9" * 30 + "}", "key after: 0 to"),
        ('{"do": "community", "rate": 1e9}', "community rate: 0 to 60000"),
        ('{"do": "community", "rate": ' + "9" * 400 + "}", "key rate: 0 to|community rate: 0 to 60000"),
    ],
)
def test_a_wrong_request_is_answered_and_the_next_one_served(
    sim: Simulator, request_line: str, message: str
) -> None:
    answers = raw(sim.directory, request_line.encode() + b'\n{"do": "people"}\n')
    refused, served = (json.loads(answer) for answer in answers)
    assert refused["ok"] is False
    assert any(part in refused["error"] for part in message.split("|"))
    assert served["ok"] is True


def test_a_second_card_on_a_reader_is_refused_by_name(control: Control) -> None:
    control.present("east-1", "P0001")
    with pytest.raises(RequestError, match="P0001 lies on east-1; remove it first"):
        control.present("east-1", "P0002")


def test_a_line_without_end_is_cut_off(sim: Simulator) -> None:
    (answer,) = raw(sim.directory, b"x" * (MAX_REQUEST + 1))
    assert json.loads(answer) == {"ok": False, "error": f"a request has at most {MAX_REQUEST} bytes"}


def test_any_bytes_are_answered_and_never_end_the_simulator(sim: Simulator, control: Control) -> None:
    rng = Random(11)
    words = [
        b'{"do":',
        b'"swipe"',
        b'"fault"',
        b"}",
        b"[",
        b"\xff",
        b"null",
        b'"device":"east-1"',
        b",",
        b"1e999",
    ]
    for _ in range(200):
        line = b"".join(rng.choices(words, k=rng.randrange(8))) + rng.randbytes(rng.randrange(5))
        for answer in raw(sim.directory, line.replace(b"\n", b"") + b"\n"):
            assert json.loads(answer)["ok"] is False
    assert control.status()["devices"]["east-1"]["plugged"]


def test_the_socket_is_for_its_owner_alone(sim: Simulator) -> None:
    mode = (sim.directory / "control.sock").stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_a_directory_with_a_very_long_name_serves_as_well(tmp_path: Path) -> None:
    directory = tmp_path / ("d" * 120) / ("e" * 120)
    with Simulator(parse_scene(SCENE), directory), Control(directory) as control:
        assert control.status()["profile"] == "instant"


def test_too_many_connections_are_turned_away_and_room_comes_back(sim: Simulator) -> None:
    clients = [Control(sim.directory) for _ in range(MAX_CONNECTIONS)]
    for client in clients:
        client.people()
    with Control(sim.directory) as late, pytest.raises(SimulatorGone):
        late.people()
    for client in clients:
        client.close()

    def served() -> bool:
        with Control(sim.directory) as client:
            try:
                return bool(client.people())
            except SimulatorGone:
                return False

    until(served, "a free connection")


def test_a_second_simulator_in_the_same_directory_is_refused_and_harms_nothing(sim: Simulator) -> None:
    with pytest.raises(SceneError, match="another simulator serves"):
        Simulator(parse_scene(SCENE), sim.directory).start()
    with cable(sim.address("east-1")) as end:
        assert end.ask("request_find", 11) == frame("reply_find_failed")
    with Control(sim.directory) as control:
        control.people()


def test_a_socket_left_by_a_killed_simulator_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead, socket_path(tmp_path) as path:
        dead.bind(path)
    with Simulator(parse_scene(SCENE), tmp_path), Control(tmp_path) as control:
        control.people()


def test_without_a_simulator_the_client_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(SimulatorGone, match=r"no simulator serves .*liuhen-sim serve SCENE.toml --dir"):
        Control(tmp_path)
    with pytest.raises(SimulatorGone, match="no simulator serves"):
        Control(tmp_path / "nowhere")


def test_a_client_learns_that_the_simulator_stopped(tmp_path: Path) -> None:
    simulator = Simulator(parse_scene(SCENE), tmp_path)
    simulator.start()
    with Control(tmp_path) as control:
        control.people()
        simulator.stop()
        with pytest.raises(SimulatorGone):
            control.people()


def swipe_long(control: Control) -> None:
    with suppress(SimulatorGone):  # the answer may still get through
        control.swipe("east-1", "P0001", patience_s=500, hold_s=500)


def test_stopping_does_not_wait_for_a_patient_swipe(tmp_path: Path) -> None:
    simulator = Simulator(parse_scene(SCENE), tmp_path)
    simulator.start()
    with Control(tmp_path) as control:
        patient = threading.Thread(target=swipe_long, args=(control,))
        patient.start()
        until(lambda: simulator.status()["devices"]["east-1"]["card"], "the card lies there")
        simulator.stop()
        patient.join(DEADLINE_S)
        assert not patient.is_alive()
