"""Every column is classed: what lies in it, why, for how long, who may read it. The page says the same."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, LargeBinary, MetaData, Table

from central.store.inventory import InventoryError, differences, load, parsed, redrawn
from central.store.schema import metadata

PAGE = Path(__file__).parent.parent / "docs" / "data-inventory.md"


def test_every_column_is_classed_and_nothing_else() -> None:
    found = differences(load(), metadata)
    assert found == [], "\n".join(found)


def test_the_page_says_what_the_inventory_says() -> None:
    text = PAGE.read_text(encoding="utf-8")
    again = "run: python -m central.store.inventory --write docs/data-inventory.md"
    assert redrawn(text, load()) == text, again


def test_every_word_is_used_so_that_none_promises_what_is_not_there() -> None:
    inventory = load()
    for part, key in {
        "classes": "data_class",
        "purposes": "purpose",
        "bases": "basis",
        "kept_for": "kept",
        "readers": "read_by",
    }.items():
        assert {getattr(entry, key) for entry in inventory.entries} == set(inventory.words[part]), part


def test_what_is_sealed_in_the_tables_is_sealed_in_the_inventory() -> None:
    """Columns that are sealed again when keys change say so themselves."""
    classes = {(entry.table, entry.column): entry.data_class for entry in load().entries}
    sealed = {
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.columns
        if "sealed_as" in column.info
    }
    assert {classes[place] for place in sealed} == {"sealed"}
    assert len(sealed) > 3


def test_a_new_table_a_new_column_and_one_that_is_gone_are_named_with_what_to_write() -> None:
    known = load()
    changed = MetaData()
    for table in metadata.tables.values():
        table.to_metadata(changed)
    changed.tables["person"].append_column(Column("voice_print", LargeBinary))
    Table("diary", changed, Column("page", LargeBinary))
    changed.remove(changed.tables["alarm_cursor"])
    found = "\n".join(differences(known, changed))
    assert "person.voice_print has no class: add it to a line columns.CLASS of [tables.person]" in found
    assert "[tables.diary] is missing in inventory.toml" in found
    assert "alarm_cursor.record_id is in inventory.toml and in no table: remove it" in found


def an_inventory(**table: Any) -> dict[str, Any]:
    words = {"classes": {"key": ""}, "purposes": {"door": ""}, "bases": {"none": ""}}
    usual = {"what": "x", "purpose": "door", "basis": "none", "kept": "lasting", "read_by": "nobody"}
    return {
        **words,
        "kept_for": {"lasting": ""},
        "readers": {"nobody": ""},
        "tables": {"example": {**usual, "columns": {"key": "id"}, **table}},
    }


@pytest.mark.parametrize(
    ("table", "says"),
    [
        pytest.param(
            {"purpose": "marketing"}, "purpose = 'marketing': no such word; known: door", id="purpose"
        ),
        pytest.param({"columns": {"secret": "id"}}, "no such class; classes: key", id="class"),
        pytest.param({"notes": {"number": "x"}}, "notes.number: no such column here", id="note"),
        pytest.param({"differs": {"id": {"kept": "ever"}}}, "kept = 'ever': no such word", id="difference"),
        pytest.param({"columns": {"key": "id id"}}, "example.id: is in two classes", id="twice"),
        pytest.param({"column": {"key": "id"}}, "column: no such key", id="key"),
    ],
)
def test_a_word_that_nobody_explained_is_refused(table: dict[str, Any], says: str) -> None:
    with pytest.raises(InventoryError) as caught:
        parsed(an_inventory(**table))
    assert says in str(caught.value)
