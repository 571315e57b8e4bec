"""The page on the simulator says what there is: its scene can be built, its tables are whole."""

import re
from pathlib import Path

import pytest

from firmware_sim.catalogue import LOCK_BOARDS, READERS
from firmware_sim.cli import main
from firmware_sim.recording import FAMILIES, parse_recording
from firmware_sim.scene import load_scene, parse_scene

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def rows(heading: str) -> str:
    """The table under a heading."""
    section = PAGE.partition(heading)[2].partition("\n## ")[0]
    return "\n".join(line for line in section.splitlines() if line.startswith("|"))


def test_the_scenes_shown_can_be_built() -> None:
    (scene,) = blocks("toml")
    assert [plan.name for plan in parse_scene(scene).devices] == ["unit-1", "pad-1", "gate", "locks"]
    assert load_scene(ROOT / "config" / "scene.example.toml").readers


def test_every_kind_has_its_row() -> None:
    named = set(re.findall(r"`(\w+)`", rows("## Scenes")))
    assert set(READERS) | set(LOCK_BOARDS) <= named


def test_every_kind_that_can_be_recorded_says_what_is_overwritten() -> None:
    assert set(FAMILIES) <= set(re.findall(r"`(\w+)`", rows("## Recording a real line"))) | {"osdp_out"}


def test_the_recording_shown_is_one() -> None:
    (first_line,) = blocks("json")
    assert parse_recording(first_line).expect == ("read em_tag 0000000001", "removed")


def test_every_command_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^    (\w+) ", capsys.readouterr().out, re.MULTILINE)
    assert len(commands) > 15
    code = "\n".join(re.findall(r"`([^`]+)`", PAGE) + blocks(""))
    assert [name for name in commands if not re.search(rf"\b{name}\b", code)] == []
