"""Files that are imported into the register: what became of each row, and what an undo needs. Values only.

What a file says of anybody lies sealed with the community's register key, and only until its row is imported
or the file is given up. What is kept afterwards are numbers of rows, codes of faults, ids and dates.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Table, Text, UniqueConstraint

from central.store.tables import Whole, metadata

_SEALED_AS: Final = "sealed_as"  # see identity.rotation, which cannot be imported from here

register_import = Table(
    "register_import",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("community_id", Whole, ForeignKey("community.id"), nullable=False),
    Column("account", Whole, nullable=False),  # who brought the file
    Column("created_at", Whole, nullable=False),
    Column("state", Text, nullable=False),  # register.imports.states.ImportState
    Column("format", Text, nullable=False),  # xlsx or csv
    Column("file", LargeBinary, info={_SEALED_AS: "import_file"}),  # until it is read
    Column("sealed", LargeBinary, info={_SEALED_AS: "import"}),  # its headings, as they were written
    Column("trouble", Text),  # why it cannot go on; says nothing of anybody
    Column("rows", Whole, nullable=False),  # in the file, once it is read
    Column("new_rows", Whole, nullable=False),
    Column("changed_rows", Whole, nullable=False),
    Column("same_rows", Whole, nullable=False),
    Column("wrong_rows", Whole, nullable=False),
    Column("through", Whole, nullable=False),  # row, or effect, up to which the present work is done
    Column("steps", Whole, nullable=False),  # how many rows or effects the present work has
    Column("steps_done", Whole, nullable=False),
    Column("consented_at", Whole),
    Column("consented_by", Whole),  # account
    Column("ended_at", Whole),
    Column("undone_by", Whole),  # account
    Column("undo_reason", Text),
    Column("worker", Text),  # the process that works on it, by a word of its own
    Column("worker_at", Whole),  # and when it last did
    Index("register_import_of", "community_id", "id"),
    Index("register_import_by_state", "state", "id"),
    sqlite_strict=True,
)

import_row = Table(
    "import_row",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("community_id", Whole, ForeignKey("community.id"), nullable=False),
    Column("import_id", Whole, ForeignKey("register_import.id"), nullable=False),
    Column("number", Whole, nullable=False),  # as a spreadsheet counts it
    Column("outcome", Text, nullable=False),  # register.imports.states.Outcome
    Column("faults", Text),  # JSON: columns and codes, never values
    Column("sealed", LargeBinary, info={_SEALED_AS: "import_row"}),  # what stands in it, and what differs
    Column("done_at", Whole),
    Column("kept_because", Text),  # JSON: codes of why an undo left something of it as it is
    UniqueConstraint("import_id", "number", name="import_row_once"),
    Index("import_row_by_outcome", "import_id", "outcome", "number"),
    sqlite_strict=True,
)

import_effect = Table(
    "import_effect",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("community_id", Whole, ForeignKey("community.id"), nullable=False),
    Column("import_id", Whole, ForeignKey("register_import.id"), nullable=False),
    Column("row_number", Whole, nullable=False),
    Column("kind", Text, nullable=False),  # register.imports.states.Effect
    Column("subject_id", Whole, nullable=False),  # of the table that the kind says
    Column("at", Whole, nullable=False),
    Column("body", Text, nullable=False),  # JSON: ids, dates and states before and after it
    Column("undone", Text),  # `undone`, or the code of why not
    Index("import_effect_of", "import_id", "id"),
    sqlite_strict=True,
)
"""What a row did to the register, in the order in which it was done; an undo goes backwards."""

import_gateway = Table(
    "import_gateway",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("community_id", Whole, ForeignKey("community.id"), nullable=False),
    Column("import_id", Whole, ForeignKey("register_import.id"), nullable=False),
    Column("site", Text, nullable=False),
    Column("gateway", Text, nullable=False),
    UniqueConstraint("import_id", "site", "gateway", name="import_gateway_once"),
    sqlite_strict=True,
)
"""Whose access lists are old once the import ends: one whole list each, and not one for every person."""
