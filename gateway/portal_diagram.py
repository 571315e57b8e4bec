"""Draws the states of a door from the table: as a diagram in Mermaid's text form, and as tables.

`python -m gateway.portal_diagram` prints the part of docs/doors/door-states.md between its two marks; a test
compares them. With `--write FILE` it puts that part in its place there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.portal_table import MODES, TABLE, Case, Mode, Signal, State, When

BEGIN = "<!-- drawn by python -m gateway.portal_diagram: begin -->"
END = "<!-- drawn by python -m gateway.portal_diagram: end -->"


def diagram() -> str:
    """Every way from one state to another, in Mermaid's stateDiagram-v2. Signals that keep the state are
    left to the table."""
    lines = ["stateDiagram-v2", "    direction LR", f"    [*] --> {State.UNSENSED}: has a contact"]
    lines.append(f"    [*] --> {State.SECURED}: has none")
    for state in State:
        ways: dict[State, list[str]] = {}
        for signal, case in _cases(state):
            if case.next is not state:
                ways.setdefault(case.next, []).append(_label(signal, case))
        lines += [f"    {state} --> {after}: {', '.join(labels)}" for after, labels in ways.items()]
    return "\n".join(lines) + "\n"


def matrix() -> str:
    """A table for each state: what each signal leads to, what is recorded, what goes on inside. Signals
    that change nothing are named together in the last row."""
    return "\n".join(_of_state(state) for state in State)


def _of_state(state: State) -> str:
    lines = [f"### {state}", "", "| Signal | Next | Recorded | Inside |", "|---|---|---|---|"]
    idle = []
    for signal in Signal:
        cases = TABLE[state][signal]
        if cases == (Case(state),):
            idle.append(f"`{signal}`")
            continue
        lines += [_row(state, signal, case) for case in cases]
    lines.append(f"| {', '.join(idle)} | stays | | |")
    return "\n".join(lines) + "\n"


def _row(state: State, signal: Signal, case: Case) -> str:
    after = "stays" if case.next is state else str(case.next)
    return f"| {_label(signal, case)} | {after} | {_words(case.tells)} | {', '.join(case.does)} |"


def modes() -> str:
    """What free hours and lockdowns do to the mode."""
    lines = ["| Mode | Signal | Next | Recorded |", "|---|---|---|---|"]
    for mode in Mode:
        for (before, signal), turn in MODES.items():
            if before is mode and turn.next is not mode:
                lines.append(f"| {mode} | {signal} | {turn.next} | {_words(turn.tells)} |")
    return "\n".join(lines) + "\n"


def drawn() -> str:
    """All of it, between the two marks."""
    return (
        "\n".join([BEGIN, "", "```mermaid", diagram() + "```", "", "### Modes", "", modes(), matrix(), END])
        + "\n"
    )


def redrawn(page: str) -> str:
    """The page with its drawn part made anew. ValueError: it has no marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks a line {BEGIN!r} or {END!r}")
    return before + drawn().removesuffix("\n") + after


def _cases(state: State) -> Iterator[tuple[Signal, Case]]:
    for signal in Signal:
        for case in TABLE[state][signal]:
            yield signal, case


def _label(signal: Signal, case: Case) -> str:
    return str(signal) if case.when is When.ALWAYS else f"{signal} [{case.when}]"


def _words(kinds: Sequence[str]) -> str:
    return ", ".join(f"`{kind}`" for kind in kinds)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m gateway.portal_diagram", description=__doc__)
    parser.add_argument("--write", type=Path, metavar="FILE", help="the page whose drawn part is made anew")
    options = parser.parse_args(arguments)
    if options.write is None:
        sys.stdout.write(drawn())
        return 0
    page: Path = options.write
    page.write_text(redrawn(page.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
