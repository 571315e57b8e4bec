"""The whole system on real processes: broker, centre, gateway, simulated readers and locks."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bench.centre_view import CentreView
from bench.estate import Estate
from bench.judge import judge, settle
from bench.plan import Building, Door, Plan
from firmware_sim.people import make_people

_EAST = Building("east", "东楼", (Door("east-unit-1", "1 单元门"), Door("east-garage", "车库门")))
_PLAN = Plan(
    buildings=(_EAST,),
    people=20,
    unknown_share=0.2,
    profile="instant",
    pulse_s=1.0,
    command_gap_s=0.0,
    state_every_s=1.0,
)
_LIMIT_S = 20.0


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    with Estate(tmp_path_factory.mktemp("estate"), _PLAN) as running:
        yield running


def swipe(estate: Estate, reader: str, card: str) -> dict[str, Any]:
    with closing(estate.control) as control:
        return control.swipe(reader, card, patience_s=5.0, hold_s=0.0)


def eventually(found: Callable[[], bool]) -> bool:
    waiting = threading.Event()
    until_s = time.monotonic() + _LIMIT_S
    while time.monotonic() < until_s:
        if found():
            return True
        waiting.wait(0.1)
    return False


def records_at_centre(estate: Estate, card: str) -> list[bool]:
    """Of each record about `card`: whether access was granted."""
    person = next(person for person in make_people(2 * _PLAN.people, _PLAN.seed) if person.ref == card)
    token = estate.token_of(person, "east-unit-1")
    return [entry.granted for entry in CentreView(estate.database).entries() if entry.token == token]


def test_an_enrolled_card_opens_the_door_and_appears_at_the_centre(estate: Estate) -> None:
    assert swipe(estate, "east-unit-1", "P0001")["opened"]
    assert eventually(lambda: records_at_centre(estate, "P0001") == [True])


def test_a_card_that_nobody_enrolled_opens_nothing_and_leaves_its_trace(estate: Estate) -> None:
    with closing(estate.control) as control:
        stranger = next(person["ref"] for person in control.people() if not person["enrolled"])
        laid = control.swipe("east-garage", stranger, patience_s=1.0, hold_s=0.0)
    assert not laid["opened"]
    assert eventually(lambda: records_at_centre(estate, stranger) == [False])


def test_the_door_opens_without_broker_and_centre_which_learn_of_it_later(
    estate: Estate,
) -> None:
    estate.broker.kill()
    estate.centre.kill()
    assert swipe(estate, "east-unit-1", "P0002")["opened"]
    assert swipe(estate, "east-garage", "P0003")["opened"]
    estate.broker.wipe()
    estate.broker.start()
    estate.centre.start()
    assert settle(estate, 60)
    assert records_at_centre(estate, "P0002") == records_at_centre(estate, "P0003") == [True]


def test_a_reader_that_was_unplugged_reads_again_without_a_restart(estate: Estate) -> None:
    pid = estate.gateways["east"].pid
    with closing(estate.control) as control:
        control.unplug("east-unit-1")
        control.replug("east-unit-1")
    assert eventually(lambda: bool(swipe(estate, "east-unit-1", "P0004")["opened"]))
    assert estate.gateways["east"].running
    assert estate.gateways["east"].pid == pid


def test_the_page_and_the_api_speak_of_doors_and_never_of_people(estate: Estate) -> None:
    assert swipe(estate, "east-garage", "P0005")["opened"]
    assert settle(estate, 30)
    for path in ("/", "/api/v1/gateways", "/api/v1/health"):
        text = estate.asked(path).text
        for person in estate.people():
            assert person.id_number not in text
            assert str(estate.token_of(person, "east-unit-1")) not in text


def test_no_log_and_no_file_holds_a_name_or_a_number(estate: Estate) -> None:
    assert swipe(estate, "east-unit-1", "P0006")["opened"]
    assert settle(estate, 30)
    for path in [
        *estate.folder.glob("logs/*"),
        *estate.folder.glob("gateways/**/*"),
        *estate.folder.glob("centre/*"),
    ]:
        if not path.is_file():
            continue
        content = path.read_bytes()
        for person in estate.people():
            for secret in (person.id_number, person.name):
                for encoding in ("utf-8", "utf-16-le"):
                    assert secret.encode(encoding) not in content, path.name


def test_the_oracle_finds_nothing_to_complain_about(estate: Estate) -> None:
    assert settle(estate, 30)
    verdict = judge(estate)
    assert verdict.openings >= 5
    assert list(verdict.findings) == []


def test_the_demo_checks_itself_also_where_no_mosquitto_is_installed(tmp_path: Path) -> None:
    demo = [
        sys.executable,
        "-m",
        "bench.demo",
        "--check",
        "--embedded-broker",
        "--seconds",
        "8",
        "--folder",
        str(tmp_path / "demo"),
    ]
    done = subprocess.run(demo, capture_output=True, text=True, timeout=110, check=False)
    assert done.stdout.splitlines()[-2:-1] == ["PASS"], done.stdout + done.stderr
    assert done.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]
    events = (tmp_path / "demo" / "ports" / "events.jsonl").read_text().splitlines()
    assert any(json.loads(line)["event"] == "relay_on" for line in events)
