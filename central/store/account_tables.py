"""The tables of accounts and sessions. Values only.

Of passwords and session tokens only hashes lie here; the secrets of second factors are sealed with a key that
lies outside the database (trust.md R-60, R-61, R-66).
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from central.store.tables import Whole, metadata

account = Table(
    "account",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("login", Text, nullable=False),
    Column("name", Text, nullable=False),  # shown to colleagues
    Column("role", Text, nullable=False),  # accounts.who.Role
    Column("unit", Text, nullable=False),  # police room or office; nobody approves for their own
    Column("password", Text),  # Argon2id; NULL until the account is activated
    Column("second", LargeBinary),  # the secret of the second factor, sealed; NULL until there is one
    Column("second_step", Whole, nullable=False),  # the last 30 s step whose code was used
    Column("made_at", Whole, nullable=False),
    Column("disabled_at", Whole),
    UniqueConstraint("login", name="account_by_login"),
    sqlite_strict=True,
)

account_community = Table(
    "account_community",
    metadata,
    Column("account_id", Whole, ForeignKey("account.id"), nullable=False),
    Column("community_id", Whole, ForeignKey("community.id"), nullable=False),
    PrimaryKeyConstraint("account_id", "community_id"),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)

activation = Table(
    "activation",
    metadata,
    Column("account_id", Whole, ForeignKey("account.id"), primary_key=True),
    Column("code", LargeBinary, nullable=False),  # SHA-256
    Column("until_at", Whole, nullable=False),
    sqlite_strict=True,
)
"""A code by which somebody sets the first password, or a new one, once."""

session = Table(
    "session",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("token", LargeBinary, nullable=False),  # SHA-256
    Column("account_id", Whole, ForeignKey("account.id"), nullable=False),
    Column("begun_at", Whole, nullable=False),
    Column("used_at", Whole, nullable=False),
    Column("proved_at", Whole),  # when both factors were given last; NULL: the second is still to come
    Column("ended_at", Whole),
    UniqueConstraint("token", name="session_by_token"),
    Index("session_of", "account_id", "ended_at"),
    sqlite_strict=True,
)

machine_token = Table(
    "machine_token",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("token", LargeBinary, nullable=False),  # SHA-256
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("made_at", Whole, nullable=False),
    Column("until_at", Whole, nullable=False),
    Column("ended_at", Whole),
    UniqueConstraint("token", name="machine_token_by_token"),
    sqlite_strict=True,
)

machine_token_community = Table(
    "machine_token_community",
    metadata,
    Column("machine_token_id", Whole, ForeignKey("machine_token.id"), nullable=False),
    Column("community_id", Whole, ForeignKey("community.id"), nullable=False),
    PrimaryKeyConstraint("machine_token_id", "community_id"),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)

account_event = Table(
    "account_event",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("at", Whole, nullable=False),
    Column("account_id", Whole),  # whom it is about; NULL: a login that nobody has
    Column("event", Text, nullable=False),  # accounts.events.AccountEvent
    Column("by", Text, nullable=False),  # whose doing: an account's number, a token's, or the operator's
    Index("account_event_of", "account_id", "id"),
    sqlite_strict=True,
)
"""What was done with accounts. Rows are only ever added."""
