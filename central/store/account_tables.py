"""The tables of accounts and sessions. Values only.

Of passwords and session tokens only hashes lie here; the secrets of second factors are sealed with a key that
lies outside the database (trust.md R-60, R-61, R-66).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    DDL,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    event,
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

account_person = Table(
    "account_person",
    metadata,
    Column("account_id", Whole, ForeignKey("account.id"), primary_key=True),
    Column("person_id", Whole, ForeignKey("person.id"), nullable=False),
    sqlite_strict=True,
)
"""Whom of the register a resident's account is for."""

activation = Table(
    "activation",
    metadata,
    Column("account_id", Whole, ForeignKey("account.id"), primary_key=True),
    Column("code", LargeBinary, nullable=False),  # SHA-256
    Column("until_at", Whole, nullable=False),
    Column("made_by", Text),  # an account's number, or a word for whoever has none
    Column("confirmed_at", Whole),  # of a resident's: until then it is of no use
    Column("confirmed_by", Whole),  # account
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
    Column("vouched_at", Whole),  # when the provider said that it had seen both factors; NULL: it did not
    UniqueConstraint("token", name="session_by_token"),
    Index("session_of", "account_id", "ended_at"),
    sqlite_strict=True,
)

passkey = Table(
    "passkey",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("account_id", Whole, ForeignKey("account.id"), nullable=False),
    Column("credential", LargeBinary, nullable=False),  # its id, as the authenticator drew it
    Column("public_key", LargeBinary, nullable=False),  # COSE
    Column("signs", Whole, nullable=False),  # its counter of signatures; 0 where it keeps none
    Column("name", Text, nullable=False),  # its owner's word for it
    Column("made_at", Whole, nullable=False),
    Column("used_at", Whole),
    UniqueConstraint("credential", name="passkey_by_credential"),
    Index("passkey_of", "account_id"),
    sqlite_strict=True,
)

passkey_challenge = Table(
    "passkey_challenge",
    metadata,
    Column("challenge", LargeBinary, primary_key=True),
    Column("account_id", Whole),  # who adds a passkey; NULL: somebody wants to sign in with one
    Column("until_at", Whole, nullable=False),
    sqlite_strict=True,
)
"""What an authenticator is to sign, once."""

provider_link = Table(
    "provider_link",
    metadata,
    Column("account_id", Whole, ForeignKey("account.id"), primary_key=True),
    Column("subject", LargeBinary, nullable=False),  # HMAC-SHA-256 of whom the provider means; key outside
    Column("made_at", Whole, nullable=False),
    UniqueConstraint("subject", name="provider_link_by_subject"),
    sqlite_strict=True,
)
"""Whose sign-in at the provider stands for an account's password."""

provider_visit = Table(
    "provider_visit",
    metadata,
    Column("secret", LargeBinary, primary_key=True),  # SHA-256 of what the browser holds
    Column("session_token", LargeBinary),  # SHA-256; of whoever links; NULL: somebody wants to sign in
    Column("account_id", Whole),  # which is to be linked; NULL likewise
    Column("until_at", Whole, nullable=False),
    sqlite_strict=True,
)
"""Somebody who was sent to the provider, and is to come back once."""

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

_REFUSING: Final = """
CREATE FUNCTION account_events_only_grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'account events only grow' USING ERRCODE = 'check_violation'; END $$
"""


def events_only_grow_statements(dialect: str) -> list[str]:
    """What makes a database refuse to change or delete them; also for its migration."""
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER account_event_no_{verb.lower()} BEFORE {verb} ON account_event"
            " BEGIN SELECT RAISE(ABORT, 'account events only grow'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    made = "CREATE TRIGGER account_event_only_grows BEFORE UPDATE OR DELETE ON account_event"
    return [_REFUSING, f"{made} FOR EACH ROW EXECUTE FUNCTION account_events_only_grow()"]


for _dialect in ("sqlite", "postgresql"):
    for _statement in events_only_grow_statements(_dialect):
        _made = DDL(_statement).execute_if(dialect=_dialect)  # type: ignore[no-untyped-call]
        event.listen(metadata, "after_create", _made)
