"""The tables of drivers, and what an installer may write for each."""

import subprocess
import sys

import pytest
from drivers_support import tokenise
from pydantic import ValidationError

from drivers.catalogue import LOCK_BOARDS, READERS
from drivers.lc_board import LcRelaySettings
from drivers.sam_reader import SamVSettings

PORT = "/dev/serial/by-id/somewhere"


def test_each_driver_is_made_from_its_own_settings() -> None:
    reader = READERS["sam_v"]().make("east-1", SamVSettings(port=PORT), tokenise)
    board = LOCK_BOARDS["lc_relay"]().make("east-locks", LcRelaySettings(port=PORT, channels=4))
    assert (reader.name, board.name) == ("east-1", "east-locks")


def test_settings_are_defined_for_what_is_made() -> None:
    assert READERS["sam_v"]().settings is SamVSettings
    assert LOCK_BOARDS["lc_relay"]().settings is LcRelaySettings


@pytest.mark.parametrize("port", [PORT, "socket://10.0.0.7:4001", "rfc2217://adapter.example:2217"])
def test_a_port_is_a_path_or_an_address(port: str) -> None:
    assert SamVSettings(port=port).port == port


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"port": "COM3"},
        {"port": "http://10.0.0.7:4001"},
        {"port": "socket://10.0.0.7"},
        {"port": "socket://:4001"},
        {"port": "socket://10.0.0.7:99999"},
        {"port": PORT, "rate": 230400},
        {"port": PORT, "rate": "fast"},
        {"port": PORT, "poll_s": 0},
        {"port": PORT, "colour": "green"},
    ],
)
def test_wrong_reader_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SamVSettings.model_validate(settings)


@pytest.mark.parametrize("wrong", [{"channels": 0}, {"channels": 9}, {"command_gap_s": -1}, {"pulse_s": 5}])
def test_wrong_lock_board_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LcRelaySettings.model_validate({"port": PORT} | wrong)


def test_settings_cannot_be_changed_afterwards() -> None:
    settings = SamVSettings(port=PORT)
    with pytest.raises(ValidationError):
        settings.poll_s = 1.0  # type: ignore[misc]


def test_no_driver_is_imported_before_one_is_made() -> None:
    code = "import sys, drivers.catalogue; print({'serial', 'drivers.sam_reader'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
