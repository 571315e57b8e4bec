"""`liuhen-gateway devices` and `probe` as an installer runs them, and what is pasted works."""

import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from gateway_support import DEADLINE_S
from program_support import called

from drivers.probe import Outcome
from drivers.probe_finding import Finding, Sureness
from drivers.transport import open_transport
from firmware_sim.pcscd import Pcscd
from firmware_sim.scene import parse_scene
from firmware_sim.simulator import Simulator
from gateway.cli import main
from gateway.cli_devices import report
from gateway.settings import load_settings

PROGRAM = Path(sys.executable).with_name("liuhen-gateway")

SCENE = """
people = 1
profile = "instant"
seed = 1
[[reader]]
name = "reader"
[[reader]]
name = "tags"
kind = "rdm6300"
[[lock_board]]
name = "board"
channels = 4
[[lock_board]]
name = "far"
transport = "tcp"
"""

SETTINGS = """
[gateway]
site = "north"
name = "east-1"
label = "Building 1"
site_key_file = "site.key"
access_list = "list.json"
[journal]
path = "journal.db"
[[doors]]
name = "lobby"
label = "Lobby"
readers = ["reader"]
lock = { board = "board", channel = 4 }
"""


def probed(*words: str) -> subprocess.CompletedProcess[str]:
    return called(main, "probe", *words)


def liuhen_gateway(
    *words: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
        env={**os.environ, **(environment or {})},
    )


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(parse_scene(SCENE), tmp_path / "scene") as running:
        yield running


def block_in(printed: str, name: str) -> str:
    """The table to paste, with the name that the installer gives it."""
    found = re.search(r"^\[\[\w+\]\]\n(?:.+\n)+", printed, re.MULTILINE)
    assert found, printed
    return found[0].replace("new-device", name)


def test_what_is_printed_is_pasted_and_the_gateway_takes_it(simulator: Simulator, tmp_path: Path) -> None:
    blocks = []
    for name in ("reader", "board"):
        found = probed(simulator.address(name))
        assert found.returncode == 0, found.stderr
        assert found.stdout.startswith("certain: ")
        blocks.append(block_in(found.stdout, name))
    settings = tmp_path / "gateway.toml"
    settings.write_text(SETTINGS + "".join(blocks), encoding="utf-8")
    loaded = load_settings(settings)
    assert [each.driver for each in (*loaded.readers, *loaded.lock_boards)] == ["sam_v", "lc_relay"]
    assert loaded.lock_boards[0].options.model_dump()["channels"] == 4


def test_a_board_behind_a_network_adapter_is_found_without_setting_a_speed(simulator: Simulator) -> None:
    found = probed(simulator.address("far"))
    assert 'driver = "lc_relay"' in found.stdout
    assert "baud" not in found.stdout


@contextmanager
def showing_cards(simulator: Simulator) -> Iterator[None]:
    """Somebody who lays a tag down and takes it away, again and again."""
    ended = threading.Event()

    def show() -> None:
        while not ended.wait(0.2):
            simulator.present("tags", "P0001")
            ended.wait(0.3)
            simulator.remove("tags")

    thread = threading.Thread(target=show)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_live_shows_frames_and_their_meaning_and_no_number(simulator: Simulator) -> None:
    with showing_cards(simulator):
        found = probed(simulator.address("tags"), "--live")
    assert 'driver = "rdm6300"' in found.stdout
    frames = [line for line in found.stderr.splitlines() if "EM4100 tag" in line]
    assert frames
    assert all(re.search(r"9600 <- 02( \*\*){12} 03 ", line) for line in frames)


def test_a_silent_line_is_not_known_and_the_installer_is_told_what_to_try(simulator: Simulator) -> None:
    found = probed(simulator.address("tags"), "--seconds", "5")
    assert found.returncode == 1
    assert "not known" in found.stdout
    assert "show a card" in found.stdout
    assert "show a card or code (listening at 9600 baud)" in found.stderr


@pytest.mark.parametrize(
    ("port", "says"), [("/dev/no-such-port", "is it plugged in?"), ("COM3", "is no port")]
)
def test_a_port_that_cannot_be_opened_is_one_message(port: str, says: str) -> None:
    found = probed(port)
    assert found.returncode == 2
    assert says in found.stderr
    assert len(found.stderr.splitlines()) == 1


def test_a_port_in_use_is_told_as_such(simulator: Simulator) -> None:
    with closing(open_transport(simulator.address("board"), 9_600)):
        found = probed(simulator.address("board"))
    assert found.returncode == 2
    assert "another program uses this port" in found.stderr


def test_devices_lists_ports_or_says_that_there_are_none() -> None:
    found = liuhen_gateway("devices")
    assert found.returncode == 0
    assert "/dev/" in found.stdout or "no serial ports" in found.stdout


def test_devices_lists_pcsc_readers_by_the_name_to_write() -> None:
    with tempfile.TemporaryDirectory(prefix="lh-") as folder, Pcscd(Path(folder) / "pcscd", 2) as pcscd:
        found = liuhen_gateway("devices", environment=pcscd.environment)
        for name in pcscd.reader_names:
            assert f'PC/SC reader, driver "pcsc": {name}\n' in found.stdout
    assert found.returncode == 0


def test_devices_says_what_to_do_where_pcsc_readers_cannot_be_seen(tmp_path: Path) -> None:
    found = liuhen_gateway("devices", environment={"PCSCLITE_CSOCK_NAME": str(tmp_path / "none")})
    assert found.returncode == 0
    assert "PC/SC readers cannot be listed: " in found.stdout
    assert "install pcscd" in found.stdout


def test_each_reader_of_a_bus_gets_a_table_and_a_name_of_its_own() -> None:
    findings = tuple(
        Finding("osdp", 9_600, Sureness.CERTAIN, "OSDP reader", "it answered", {"address": address})
        for address in (0, 1)
    )
    lines = "\n".join(report(Outcome(findings), "/dev/ttyS0"))
    assert lines.count("[[readers]]") == 2
    assert 'name = "new-device-1"' in lines
    assert 'name = "new-device-2"' in lines


def test_what_hindered_is_said_beside_what_to_try() -> None:
    lines = report(Outcome((), "another program talks"), "/dev/ttyS0")
    assert lines[0] == "another program talks"
    assert "not known" in lines[1]
