"""PC/SC readers in a scene: slots of a real daemon, with people, faults and doors like any other reader."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from firmware_sim_support import DEADLINE_S, carrying, until

from firmware_sim.catalogue import kind_of, number_at
from firmware_sim.errors import RequestError, SceneError
from firmware_sim.people import make_people
from firmware_sim.scene import parse_scene
from firmware_sim.simulator import Simulator

SCENE = """
people = 4
profile = "instant"
[[reader]]
name = "desk"
kind = "pcsc"
[[reader]]
name = "gate"
kind = "pcsc"
source = "chip_serial"
[[lock_board]]
name = "locks"
[[door]]
name = "desk"
reader = "desk"
lock_board = "locks"
"""


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with (
        TemporaryDirectory(prefix="slots-") as folder,  # a daemon's socket needs a short path
        Simulator(parse_scene(SCENE), Path(folder)) as simulator,
    ):
        yield simulator


def test_each_reader_is_told_by_its_name_and_the_daemon_by_the_environment(sim: Simulator) -> None:
    assert sim.settings("desk") == {"name": "desk", "driver": "pcsc", "reader": "Virtual PCD 1 00 00"}
    assert sim.address("gate") == "Virtual PCD 1 00 01"
    assert list(sim.environment) == ["PCSCLITE_CSOCK_NAME"]
    assert sim.status()["devices"]["desk"]["environment"] == dict(sim.environment)


def test_a_card_is_laid_powered_up_by_the_daemon_and_taken_away(sim: Simulator) -> None:
    sim.present("desk", "P0002")
    assert sim.status()["devices"]["desk"]["card"] == "P0002"
    with pytest.raises(RequestError, match="P0002 lies on desk; remove it first"):
        sim.present("desk", "P0001")
    sim.remove("desk")
    with pytest.raises(RequestError, match="no card lies on desk"):
        sim.remove("desk")
    told = [(event.event, event.card, event.door) for event in sim.events() if event.device == "desk"]
    assert told == [("presented", "P0002", "desk"), ("removed", "P0002", "desk")]


def test_the_daemon_can_be_killed_and_comes_back(sim: Simulator) -> None:
    sim.fault("desk", "service_gone")
    assert not sim.status()["devices"]["gate"]["plugged"]
    sim.fault("desk", "service_back")
    until(lambda: sim.status()["devices"]["gate"]["plugged"], "the daemon", DEADLINE_S)
    assert sim.address("desk") == "Virtual PCD 1 00 00"


def test_faults_are_switched_on_and_cleared(sim: Simulator) -> None:
    sim.fault("desk", "slow", delay_s=0.5, count=2)
    assert sim.status()["devices"]["desk"]["faults"] == {"slow": {"delay_s": 0.5, "count": 2}}
    assert sim.clear("desk") == ("slow",)
    for refused in ("unplug", "noise_before"):
        with pytest.raises(RequestError, match="not for a pcsc"):
            sim.fault("desk", refused)
    with pytest.raises(RequestError, match="has no plug; stop its daemon with fault service_gone"):
        sim.unplug("desk")
    with pytest.raises(RequestError, match="has no keys"):
        sim.press("desk", "1")


@pytest.mark.parametrize("fault", ["answer_status", "lifted"])
def test_a_fault_that_spoils_a_read_is_told_when_it_is_over(sim: Simulator, fault: str) -> None:
    sim.present("desk", "P0001")
    before = sim.last_event
    sim.fault("desk", fault, count=1)
    desk = sim.address("desk")
    orders = (["await", desk, True], ["send", desk, "FFCA000000"])
    subprocess.run(
        [sys.executable, Path(__file__).with_name("pcsc_client.py")],
        env={**os.environ, **sim.environment},
        input="".join(f"{json.dumps(order)}\n" for order in orders),
        text=True,
        capture_output=True,
        check=True,
    )
    over = sim.wait_for_event("fault_over", device="desk", after=before, timeout_s=DEADLINE_S)
    assert over is not None
    assert over.detail == fault


def test_a_persons_card_has_the_number_that_the_reader_gives() -> None:
    person = make_people(1, seed=1)[0]
    desk, gate = (reader.options for reader in parse_scene(SCENE).readers)
    assert number_at("pcsc", desk, person.card) == ("card_uid", person.card.uid.hex().upper())
    assert number_at("pcsc", gate, person.card) == ("id_card_chip", person.card.chip_serial.hex().upper())
    assert kind_of("pcsc").make is None


def test_more_readers_than_one_daemon_has_are_refused_and_nothing_is_left(tmp_path: Path) -> None:
    readers = "".join(f'[[reader]]\nname = "r{n}"\nkind = "pcsc"\n' for n in range(9))
    with pytest.raises(SceneError, match="1 to 8 virtual PC/SC readers, not 9"):
        Simulator(parse_scene(readers), tmp_path).start()
    assert [path.name for path in tmp_path.iterdir()] == ["events.jsonl"]


def test_a_folder_too_deep_for_a_daemon_is_named(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match="is too long for a socket; take a shorter one"):
        Simulator(parse_scene(SCENE), tmp_path / ("d" * 100)).start()


def test_a_card_that_a_reader_cannot_see_has_no_number_there(sim: Simulator) -> None:
    assert number_at("pcsc", sim.scene.device("desk").options, carrying()) is None
    assert number_at("pcsc", sim.scene.device("gate").options, carrying()) is None
