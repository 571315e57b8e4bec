"""The tables of the centre's database, for SQLite and PostgreSQL alike. Values only, no statements.

Times are microseconds since 1970 (UTC). Closed vocabularies are kept as their words. `migrations/` makes the
same tables step by step; a test compares the two.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

Whole = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits in both engines; on SQLite the word INTEGER makes the primary key the row id."""

NO_PLACE: Final = 0
"""In `finding`: no epoch or sequence number; NULLs would defeat the unique key."""

OF_COVERAGE: Final = (
    "kind IN ('gateway_started', 'gateway_stopped', 'reader_lost', 'reader_restored', 'records_lost')"
)
"""Records that say whether a door could record. Whoever asks for them says it in these words: only then is
the index known to hold all of them."""

OF_TURNS: Final = "kind IN ('door_freed', 'door_locked_down', 'door_secured')"
"""Records that say of a door whether it is free or locked down, to be asked for in these words as well."""

OF_LEAVES: Final = "kind IN ('door_closed', 'door_opened', 'door_held', 'door_forced')"
"""Records of a door's contact, likewise."""

metadata = MetaData()

gateway = Table(
    "gateway",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("site", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("first_heard_at", Whole, nullable=False),
    # its last state
    Column("state_at", Whole),  # by the gateway's clock
    Column("state_received_at", Whole),  # by ours
    Column("online", Integer),
    Column("boot", Text),
    Column("session", Text),
    Column("acked", Whole),
    Column("list_version", Whole),
    Column("devices", Text),  # JSON object: device -> condition
    Column("journal", Text),
    # what it says it is
    Column("about_received_at", Whole),
    Column("software", Text),
    Column("label", Text),
    Column("doors", Text),  # JSON array of {door, label, readers}
    # how its states are believed
    Column("device_key", LargeBinary),  # 32 bytes: the key that is known here
    Column("device_key_at", Whole),
    Column("unbelieved_at", Whole),  # its last state was not signed with that key
    # more of what it says, in the order of the steps that added it
    Column("settings_revision", Whole),  # NULL: a gateway that does not say it
    Column("signed_acks", Integer),  # 1: it takes acknowledgements with our signature alone
    Column("replayed_at", Whole),  # its last state was an old one, played again
    UniqueConstraint("site", "name", name="gateway_by_name"),
    sqlite_strict=True,
)


def _gateway_id(*, nullable: bool = False) -> Column[int]:
    return Column("gateway_id", Whole, ForeignKey("gateway.id"), nullable=nullable)


gateway_boot = Table(
    "gateway_boot",
    metadata,
    _gateway_id(),
    Column("turn", Whole, nullable=False),  # counts up; the highest is the boot that it spoke of last
    Column("boot", Text, nullable=False),
    # of the newest state that was taken in that boot
    Column("uptime_us", Whole),  # NULL: of a gateway that does not say it
    Column("at", Whole),
    Column("epoch", Whole),  # the newest that it named
    Column("head", Whole),
    Column("late", Whole),  # little older ones that have come since, in a row
    PrimaryKeyConstraint("gateway_id", "turn"),
    UniqueConstraint("gateway_id", "boot", name="gateway_boot_once"),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)
"""The starts of each machine in their order, of gateways that sign: an old state is known by them."""


def _for_look_ups() -> list[Index]:
    """Each holds only the rows that are asked for so: every row in every index would halve the ingest."""
    held, let_in_unknown = "holder IS NOT NULL", "kind = 'access_granted' AND holder IS NULL"
    wanted = {
        "record_by_holder": (("holder", "at"), held),
        "record_by_token": (("token", "at"), "holder IS NULL AND token IS NOT NULL"),
        "record_unregistered": (("gateway_id", "at"), let_in_unknown),
        "record_denied": (("gateway_id", "at"), "kind = 'access_denied'"),
        "record_released": (("gateway_id", "at"), "kind = 'remote_release'"),
        "record_of_coverage": (("gateway_id", "at"), OF_COVERAGE),
        "record_of_turns": (("gateway_id", "door", "epoch", "seq"), OF_TURNS),
        "record_of_leaves": (("gateway_id", "door", "epoch", "seq"), OF_LEAVES),
    }
    return [
        Index(name, *columns, sqlite_where=text(rows), postgresql_where=text(rows))
        for name, (columns, rows) in wanted.items()
    ]


record = Table(
    "record",
    metadata,
    Column("id", Whole, primary_key=True),  # order of arrival
    _gateway_id(),
    Column("epoch", Whole, nullable=False),
    Column("seq", Whole, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", Whole, nullable=False),
    Column("boot", LargeBinary, nullable=False),  # 8 bytes
    Column("uptime_us", Whole, nullable=False),
    Column("clock", Text, nullable=False),
    Column("door", Text),
    Column("reader", Text),
    Column("direction", Text),
    Column("credential", Text),  # its kind
    Column("token", LargeBinary),  # 16 bytes
    Column("assurance", Text),
    Column("hint", Text),
    Column("holder", Text),
    Column("category", Text),
    Column("reason", Text),
    Column("list_version", Whole),
    Column("list_age_s", Whole),
    Column("links", Whole),
    Column("identity", LargeBinary),  # hash of the sealed envelope
    Column("odd_prev", LargeBinary),  # `prev` where it is not the hash of the record before: a chain break
    Column("hash", LargeBinary, nullable=False),  # SHA-256 of the canonical bytes
    UniqueConstraint("gateway_id", "epoch", "seq", name="record_by_place"),
    Index("record_by_door", "gateway_id", "door", "at"),
    *_for_look_ups(),
    sqlite_strict=True,
    postgresql_partition_by="RANGE (at)",
)
"""Canonical bytes are not kept: they are made again from these columns and the hash of the record before.

On PostgreSQL in one partition a month (`months`), where both keys hold `at` too."""

arrival_mark = Table(
    "arrival_mark",
    metadata,
    Column("noted_at", Whole, primary_key=True),
    Column("last_id", Whole, nullable=False),  # whatever has a higher number came here after that time
    Index("arrival_mark_by_last", "last_id", "noted_at"),
    sqlite_strict=True,
)
"""How far arrivals had come, every half minute in which something came, for a month: by it the feed says of
an entry that it came late. Retention counts by `record_mark`, which is coarse and lasting."""

segment = Table(
    "segment",
    metadata,
    _gateway_id(),
    Column("epoch", Whole, nullable=False),
    Column("first", Whole, nullable=False),
    Column("last", Whole, nullable=False),
    Column("first_prev", LargeBinary, nullable=False),
    Column("last_hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("gateway_id", "epoch", "first"),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)
"""Runs without a hole of what is settled: stored, or set aside under its place."""

epoch_head = Table(
    "epoch_head",
    metadata,
    _gateway_id(),
    Column("epoch", Whole, nullable=False),
    Column("oldest", Whole, nullable=False),
    Column("head", Whole, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("held", Integer, nullable=False),  # 0: no longer in the gateway's journal
    PrimaryKeyConstraint("gateway_id", "epoch"),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)
"""What a gateway last said it holds of each epoch."""

lost_range = Table(
    "lost_range",
    metadata,
    _gateway_id(),
    Column("epoch", Whole, nullable=False),
    Column("first", Whole, nullable=False),
    Column("last", Whole, nullable=False),
    Column("declared_at", Whole, nullable=False),
    PrimaryKeyConstraint("gateway_id", "epoch", "first"),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)
"""Records that never came and that the gateway no longer has."""

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Whole, primary_key=True),
    _gateway_id(nullable=True),
    Column("topic", Text, nullable=False),
    Column("received_at", Whole, nullable=False),
    Column("epoch", Whole),
    Column("seq", Whole),
    Column("settled", Integer, nullable=False),  # 1: stands for the record at its place
    Column("reason", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),  # SHA-256 of the payload
    Column("key", LargeBinary, nullable=False),  # SHA-256 of topic, place and payload
    Column("count", Whole, nullable=False),
    UniqueConstraint("key", name="quarantine_by_key"),
    Index("quarantine_by_place", "gateway_id", "epoch", "seq"),
    sqlite_strict=True,
)

finding = Table(
    "finding",
    metadata,
    Column("id", Whole, primary_key=True),
    _gateway_id(),
    Column("kind", Text, nullable=False),
    Column("epoch", Whole, nullable=False),
    Column("seq", Whole, nullable=False),
    Column("first_seen", Whole, nullable=False),
    Column("count", Whole, nullable=False),
    UniqueConstraint("gateway_id", "kind", "epoch", "seq", name="finding_once"),
    sqlite_strict=True,
)

sent_list = Table(
    "sent_list",
    metadata,
    Column("id", Whole, primary_key=True),  # the newest of a gateway is the one that it should have
    Column("site", Text, nullable=False),
    Column("gateway", Text, nullable=False),  # or * for all of the site
    Column("version", Whole, nullable=False),
    Column("issued_us", Whole, nullable=False),
    Column("digest", LargeBinary, nullable=False),  # SHA-256, see messages.access_list.ListDigest
    Column("entries", Whole, nullable=False),
    Column("body", LargeBinary, nullable=False),  # zlib: its entries, one a line, by their tokens
    Column("noted_at", Whole, nullable=False),
    UniqueConstraint("site", "gateway", "version", name="sent_list_once"),
    sqlite_strict=True,
)

sent_settings = Table(
    "sent_settings",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("site", Text, nullable=False),
    Column("gateway", Text, nullable=False),  # or *
    Column("revision", Whole, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("noted_at", Whole, nullable=False),
    Column("written_by", Text),  # an account, `command line` or `centre`; NULL: before that was noted
    Column("puts_back", Whole),  # the former revision of the whole site that it says again
    UniqueConstraint("site", "gateway", "revision", name="sent_settings_once"),
    sqlite_strict=True,
)

sent_command = Table(
    "sent_command",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("command", Text, nullable=False),
    Column("site", Text, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("door", Text),
    Column("operator", Text, nullable=False),  # opaque reference
    Column("why", Text, nullable=False),
    Column("issued_at", Whole, nullable=False),
    Column("expires_at", Whole, nullable=False),
    # what the gateway said became of it
    Column("answered_at", Whole),
    Column("outcome", Text),
    Column("reason", Text),
    Column("epoch", Whole),
    Column("seq", Whole),
    # of what lasts a while; NULL too of commands from before that was noted
    Column("until_at", Whole),
    UniqueConstraint("command", name="sent_command_once"),
    sqlite_strict=True,
)
"""Written before the command is sent: an order without its note cannot be."""
