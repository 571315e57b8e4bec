"""The table of honey records: which people of the register are made up, and by whom. Values only.

Who touches one stands in the register of look-ups, not here: that only grows, and each row is bound to the
one before it.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Table, UniqueConstraint

from central.store.tables import Whole, metadata

honey_record = Table(
    "honey_record",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("community_id", Whole, ForeignKey("community.id"), nullable=False),
    Column("person_id", Whole, ForeignKey("person.id"), nullable=False),  # a row like any other
    # of the number that was made up: a row that has another one is somebody real by now
    Column("number_index", LargeBinary, nullable=False),
    Column("credential_id", Whole, ForeignKey("credential.id")),  # the card that was made up; NULL: none
    Column("planted_at", Whole, nullable=False),
    Column("planted_by", Whole, nullable=False),  # account
    Column("removed_at", Whole),  # NULL: it lasts
    Column("removed_by", Whole),  # account
    UniqueConstraint("person_id", name="honey_record_once"),
    Index("honey_record_of", "community_id"),
    sqlite_strict=True,
)
