"""The data inventory: what lies in each column, why, for how long, and who may read it.

`inventory.toml` says it; a test compares it with the tables. `python -m central.store.inventory --write
docs/data-inventory.md` makes the page of it.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import MetaData

FILE: Final = Path(__file__).with_name("inventory.toml")
BEGIN: Final = "<!-- made of central/store/inventory.toml -->\n"

_WORDS: Final = {"purpose": "purposes", "basis": "bases", "kept": "kept_for", "read_by": "readers"}
"""Of a table or a column: the word's key, and the part of the file that explains such words."""

_HEADINGS: Final = {
    "classes": ("Classes", "What a column may hold"),
    "purposes": ("Purposes", "Nothing is kept for any other"),
    "bases": ("Legal bases", "To be confirmed by each community's own counsel before it goes live"),
    "kept_for": ("How long", "And what ends it"),
    "readers": ("Who may read", "Keys and files lie elsewhere: see [identity](identity.md)"),
}


class InventoryError(Exception):
    """The file cannot be read as an inventory: what is wrong, and where."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is said of one column; all but `note` are words that the inventory explains."""

    table: str
    column: str
    data_class: str
    purpose: str
    basis: str
    kept: str
    read_by: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Inventory:
    words: Mapping[str, Mapping[str, str]]
    """Part of the file -> word -> what it means."""
    tables: Mapping[str, str]
    """Table -> what a row of it is."""
    entries: Sequence[Entry]

    def of(self, table: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.table == table]


def load(file: Path = FILE) -> Inventory:
    """Raises InventoryError with one line for each thing that is wrong."""
    return parsed(tomllib.loads(file.read_text(encoding="utf-8")))


def parsed(data: Mapping[str, Any]) -> Inventory:
    """Raises InventoryError."""
    words = {part: data.get(part, {}) for part in _HEADINGS}
    wrong: list[str] = []
    entries: list[Entry] = []
    for name, table in data.get("tables", {}).items():
        wrong += _wrong_words(name, table, words)
        entries += _entries(name, table)
    twice = {entry for entry in _places(entries) if _places(entries).count(entry) > 1}
    wrong += [f"{place}: is in two classes" for place in sorted(twice)]
    if wrong:
        raise InventoryError("\n".join(wrong))
    return Inventory(words, {name: table["what"] for name, table in data["tables"].items()}, entries)


def differences(inventory: Inventory, metadata: MetaData) -> list[str]:
    """What the inventory says too little or too much, each with what to write. Empty: it fits the tables."""
    there = {f"{table.name}.{column.name}" for table in metadata.tables.values() for column in table.columns}
    said = set(_places(inventory.entries))
    new_tables = metadata.tables.keys() - inventory.tables.keys()
    found = [
        f"[tables.{name}] is missing in inventory.toml: describe it as at the head of that file, with each"
        f" of its columns in a class: {' '.join(column.name for column in metadata.tables[name].columns)}"
        for name in sorted(new_tables)
    ]
    found += [
        f"{place} has no class: add it to a line columns.CLASS of [tables.{place.partition('.')[0]}];"
        f" classes: {', '.join(inventory.words['classes'])}"
        for place in sorted(there - said)
        if place.partition(".")[0] not in new_tables
    ]
    return found + [
        f"{place} is in inventory.toml and in no table: remove it" for place in sorted(said - there)
    ]


def _places(entries: Iterable[Entry]) -> list[str]:
    return [f"{entry.table}.{entry.column}" for entry in entries]


def _wrong_words(
    name: str, table: Mapping[str, Any], words: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    classes = table.get("columns", {})
    columns = {column for names in classes.values() for column in names.split()}
    for key in ("what", *_WORDS):
        if key not in table:
            yield f"[tables.{name}] {key} is missing"
    for key in table.keys() - {"what", "columns", "notes", "differs", *_WORDS}:
        yield f"[tables.{name}] {key}: no such key"
    for each in classes.keys() - words["classes"].keys():
        yield f"[tables.{name}] columns.{each}: no such class; classes: {', '.join(words['classes'])}"
    for key in ("notes", "differs"):
        for column in table.get(key, {}).keys() - columns:
            yield f"[tables.{name}] {key}.{column}: no such column here"
    for said in (table, *table.get("differs", {}).values()):
        for key in said.keys() & _WORDS.keys():
            known = words[_WORDS[key]]
            if said[key] not in known:
                yield f"[tables.{name}] {key} = {said[key]!r}: no such word; known: {', '.join(known)}"


def _entries(name: str, table: Mapping[str, Any]) -> Iterator[Entry]:
    usual = {key: table.get(key, "") for key in _WORDS}
    for data_class, columns in table.get("columns", {}).items():
        for column in columns.split():
            said = usual | table.get("differs", {}).get(column, {})
            yield Entry(name, column, data_class, note=table.get("notes", {}).get(column, ""), **said)


# --- the page


def page(inventory: Inventory) -> str:
    """All of it as Markdown."""
    parts = [_words(inventory.words[part], *_HEADINGS[part]) for part in _HEADINGS]
    tables = [_table(inventory, name) for name in inventory.tables]
    return BEGIN + "\n".join([*parts, "## Tables\n", *tables])


def redrawn(text: str, inventory: Inventory) -> str:
    """The page with everything below the mark made again."""
    return text.partition(BEGIN)[0] + page(inventory)


def _words(words: Mapping[str, str], heading: str, what: str) -> str:
    lines = [f"| `{word}` | {meaning} |\n" for word, meaning in words.items()]
    return f"## {heading}\n\n{what}.\n\n| Word | Means |\n|---|---|\n{''.join(lines)}"


def _table(inventory: Inventory, name: str) -> str:
    groups: dict[tuple[str, ...], list[str]] = {}
    for entry in inventory.of(name):
        group = (entry.data_class, entry.purpose, entry.basis, entry.kept, entry.read_by)
        note = f" ({entry.note})" if entry.note else ""
        groups.setdefault(group, []).append(f"`{entry.column}`{note}")
    lines = [f"| {', '.join(columns)} | {' | '.join(group)} |\n" for group, columns in groups.items()]
    head = "| Columns | Class | Purpose | Basis | Kept | Read by |\n|---|---|---|---|---|---|\n"
    return f"### `{name}`\n\n{inventory.tables[name]}.\n\n{head}{''.join(lines)}"


def main(arguments: Sequence[str]) -> int:
    match arguments:
        case ["--write", path]:
            file = Path(path)
            file.write_text(redrawn(file.read_text(encoding="utf-8"), load()), encoding="utf-8")
            return 0
    print("usage: python -m central.store.inventory --write docs/data-inventory.md", file=sys.stderr)  # noqa: T201
    return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
