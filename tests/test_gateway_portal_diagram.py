"""The drawing of a door's states: made from the table, and as it stands in the documentation."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.portal_diagram import BEGIN, END, diagram, drawn, main, matrix, modes, redrawn
from gateway.portal_table import MODES, TABLE, Signal, State

PAGE = Path(__file__).parent.parent / "docs" / "doors" / "door-states.md"


def ways() -> set[tuple[str, str, str]]:
    """From, to and signal of each arrow drawn."""
    found = set()
    for before, after, labels in re.findall(r"^ +(\w+) --> (\w+): (.+)$", diagram(), re.MULTILINE):
        found |= {(before, after, word) for word in re.findall(r"\b[a-z_]+\b(?![^\[]*\])", labels)}
    return found


def test_the_page_shows_the_table_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert redrawn(page) == page, "run: python -m gateway.portal_diagram --write docs/doors/door-states.md"


def test_each_change_of_state_is_drawn_once_and_nothing_else_is() -> None:
    changes = {
        (state, case.next, signal)
        for state, row in TABLE.items()
        for signal, cases in row.items()
        for case in cases
        if case.next is not state
    }
    assert ways() == changes
    assert ("secured", "forced", "opened") in changes


def test_each_state_has_a_table_with_each_signal() -> None:
    tables = dict(re.findall(r"### (\w+)\n(.+?)(?=\n### |\Z)", matrix(), re.DOTALL))
    assert tables.keys() == {str(state) for state in State}
    for table in tables.values():
        assert [signal for signal in Signal if not re.search(rf"[| `]{signal}\b", table)] == []


def test_each_change_of_mode_is_a_line() -> None:
    changes = [turn for (mode, _), turn in MODES.items() if turn.next is not mode]
    assert len(modes().splitlines()) == 2 + len(changes)
    assert "| free | lockdown_began | locked_down | `door_locked_down` |" in modes()


def test_a_page_is_drawn_anew_between_its_marks_only(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    assert main(["--write", str(page)]) == 0
    assert page.read_text(encoding="utf-8") == f"before\n{drawn()}after\n"


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing to draw\n", encoding="utf-8")
    with pytest.raises(ValueError, match="lacks a line"):
        main(["--write", str(page)])
    assert page.read_text(encoding="utf-8") == "nothing to draw\n"


def test_it_prints_what_belongs_on_the_page() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "gateway.portal_diagram"], capture_output=True, text=True, check=True
    )
    assert printed.stdout == drawn()
