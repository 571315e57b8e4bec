"""Figures for people and for machines: a table on the terminal, the same as JSON in a file."""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path("bench-results")


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed. Raises ValueError without values."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values were measured")
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, smallest and largest."""
    return statistics.median(values), min(values), max(values)


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*(f"{cell:,.3f}" if isinstance(cell, float) else str(cell) for cell in row))
    Console(width=110).print(table)


def save(name: str, figures: Mapping[str, object], folder: Path = RESULTS) -> Path:
    """Writes the figures with what they were measured on; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    machine = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.platform(),
    }
    at = datetime.now(UTC).isoformat(timespec="seconds")
    path.write_text(json.dumps({"measured": at, "on": machine, **figures}, indent=2) + "\n")
    print(f"figures: {path}")
    return path
