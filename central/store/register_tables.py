"""The tables of the register: places, who lives in them, by which credential they come in. Values only.

History is never overwritten. A row ends (`until_at`, exclusive; NULL: it lasts), one that was wrong from the
beginning is voided and another stands in its place with the reason, and where a row itself changes (`place`,
`person`), what it was stands in a `former` one. `register_event` says who did what, and when.

Who somebody is lies sealed with the community's register key (docs/identity.md); what can be searched for is
a blind index. `account` columns are ids of whoever did it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    DDL,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    event,
    text,
)

from central.store.tables import Whole, metadata

_SEALED_AS: Final = "sealed_as"  # see identity.rotation, which cannot be imported from here

community = Table(
    "community",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("code", Text, nullable=False),  # as the authorities write it, or one of the operator's own
    Column("name", Text, nullable=False),
    Column("created_at", Whole, nullable=False),
    UniqueConstraint("code", name="community_by_code"),
    sqlite_strict=True,
)

site = Table(
    "site",
    metadata,
    Column("name", Text, primary_key=True),  # as in topics
    Column("community_id", Whole, ForeignKey("community.id"), nullable=False),
    Column("created_at", Whole, nullable=False),
    Index("site_of_community", "community_id"),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)
"""Which gateways are whose: a site belongs to one community for good."""


def _community() -> Column[int]:
    return Column("community_id", Whole, ForeignKey("community.id"), nullable=False)


def _place(name: str = "place_id", *, nullable: bool = False) -> Column[int]:
    return Column(name, Whole, ForeignKey("place.id"), nullable=nullable)


def _person(name: str = "person_id", *, nullable: bool = False) -> Column[int]:
    return Column(name, Whole, ForeignKey("person.id"), nullable=nullable)


def _from() -> Column[int]:
    return Column("from_at", Whole, nullable=False)


def _until() -> Column[int]:
    return Column("until_at", Whole)


# --- places

place = Table(
    "place",
    metadata,
    Column("id", Whole, primary_key=True),
    _community(),
    _place("parent_id", nullable=True),  # NULL: the community itself
    Column("kind", Text, nullable=False),  # register.words.PlaceKind
    Column("name", Text, nullable=False),  # among its siblings, such as 3 单元 or 301
    Column("code", Text),  # standard address code
    Column("sort_key", Text, nullable=False),  # among its siblings; numbers in their order
    Column("pinyin", Text, nullable=False),  # of the name, without spaces
    Column("initials", Text, nullable=False),
    _from(),
    _until(),  # torn down, joined with another
    Index("place_by_parent", "parent_id", "sort_key"),
    Index("place_by_name", "community_id", "name"),
    Index("place_by_pinyin", "community_id", "pinyin"),
    Index("place_by_initials", "community_id", "initials"),
    Index(
        "place_by_code",
        "community_id",
        "code",
        unique=True,
        sqlite_where=text("until_at IS NULL AND code IS NOT NULL"),
        postgresql_where=text("until_at IS NULL AND code IS NOT NULL"),
    ),
    sqlite_strict=True,
)
"""A place as it is now; its id stays through every change."""

place_former = Table(
    "place_former",
    metadata,
    Column("id", Whole, primary_key=True),
    _community(),
    _place(),
    _place("parent_id", nullable=True),
    Column("name", Text, nullable=False),
    Column("code", Text),
    _from(),
    Column("until_at", Whole, nullable=False),
    Index("place_former_of", "place_id", "until_at"),
    sqlite_strict=True,
)
"""What a place was called and where it stood in the tree, until then."""

home_use = Table(
    "home_use",
    metadata,
    Column("id", Whole, primary_key=True),
    _community(),
    _place(),  # a room
    Column("use", Text, nullable=False),  # register.words.HomeUse
    _from(),
    _until(),
    Index("home_use_of", "place_id", "until_at"),
    sqlite_strict=True,
)

door_place = Table(
    "door_place",
    metadata,
    Column("id", Whole, primary_key=True),
    _community(),
    Column("site", Text, ForeignKey("site.name"), nullable=False),
    Column("gateway", Text, nullable=False),
    Column("door", Text, nullable=False),
    _place(),  # what it leads into
    Column("residents", Integer, nullable=False),  # 1: opens for all who live in there; 0: for groups alone
    _from(),
    _until(),
    Index("door_place_of", "site", "gateway", "door"),
    Index("door_place_by_place", "place_id"),
    Index(
        "door_place_once",
        "site",
        "gateway",
        "door",
        unique=True,
        sqlite_where=text("until_at IS NULL"),
        postgresql_where=text("until_at IS NULL"),
    ),
    sqlite_strict=True,
)

# --- people

person = Table(
    "person",
    metadata,
    Column("id", Whole, primary_key=True),
    _community(),
    Column("state", Text, nullable=False),  # register.words.PersonState
    _person("merged_into", nullable=True),  # the same human, registered twice
    Column("category", Text, nullable=False),  # register.words.Category, where no residency says it
    Column("document_type", Text, nullable=False),  # register.words.DocumentType: neutral, no nationality
    Column("sealed", LargeBinary, nullable=False, info={_SEALED_AS: "person"}),  # name, number, phone
    Column("number_index", LargeBinary),  # blind; NULL: no number is known
    Column("name_index", LargeBinary, nullable=False),
    Column("phone_index", LargeBinary),
    Column("created_at", Whole, nullable=False),
    Column("changed_at", Whole, nullable=False),
    Column("deregistered_at", Whole),
    Index(
        "person_by_number",
        "community_id",
        "number_index",
        unique=True,
        sqlite_where=text("state <> 'merged' AND number_index IS NOT NULL"),
        postgresql_where=text("state <> 'merged' AND number_index IS NOT NULL"),
    ),
    Index(
        "person_merged_by_number",
        "community_id",
        "number_index",
        sqlite_where=text("state = 'merged'"),
        postgresql_where=text("state = 'merged'"),
    ),
    Index("person_by_name", "community_id", "name_index"),
    Index("person_by_phone", "community_id", "phone_index"),
    Index("person_merged", "merged_into"),
    sqlite_strict=True,
)

person_former = Table(
    "person_former",
    metadata,
    Column("id", Whole, primary_key=True),
    _community(),
    _person(),
    Column("category", Text, nullable=False),
    Column("document_type", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False, info={_SEALED_AS: "person_former"}),
    Column("number_index", LargeBinary),
    _from(),
    Column("until_at", Whole, nullable=False),
    Index("person_former_of", "person_id", "until_at"),
    Index("person_former_by_number", "community_id", "number_index"),
    sqlite_strict=True,
)
"""What was written of a person before it was corrected."""

holder = Table(
    "holder",
    metadata,
    Column("id", Whole, primary_key=True),
    _community(),
    _person(),
    Column("reference", Text, nullable=False),  # opaque; stands in records as `holder`
    _from(),
    _until(),
    Index("holder_by_reference", "reference", "from_at"),
    Index("holder_of", "person_id"),
    sqlite_strict=True,
)
"""Whom a record's holder was, at the time of the record."""

tenancy = Table(
    "tenancy",
    metadata,
    Column("id", Whole, primary_key=True),
    _community(),
    _place(),  # a room
    _person("landlord_id", nullable=True),
    _from(),
    _until(),  # as agreed; NULL: without an end
    Column("notice_days", Whole, nullable=False),
    Column("grace_days", Whole, nullable=False),
    Column("ended_at", Whole),  # ended early
    Column("voided_at", Whole),  # was never so
    Index("tenancy_of_place", "place_id", "until_at"),
    Index("tenancy_by_end", "community_id", "until_at"),
    sqlite_strict=True,
)
"""Its state (upcoming, running, in notice, in grace, ended) follows from its dates: `register.tenancies`."""

residency = Table(
    "residency",
    metadata,
    Column("id", Whole, primary_key=True),
    _community(),
    _person(),
    _place(),  # a room
    Column("relation", Text, nullable=False),  # register.words.Relation
    Column("tenancy_id", Whole, ForeignKey("tenancy.id")),  # lives there by this lease
    _from(),
    _until(),
    Column("registered_at", Whole, nullable=False),
    Column("registered_by", Whole, nullable=False),  # account
    Column("ended_by", Whole),  # account
    Column("end_reason", Text),
    Column("corrects", Whole, ForeignKey("residency.id")),  # the voided row in whose place it stands
    Column("voided_at", Whole),  # was never so
    Column("voided_by", Whole),  # account
    Column("void_reason", Text),
    Index("residency_of_place", "place_id", "from_at"),
    Index("residency_of_person", "person_id", "from_at"),
    Index("residency_by_tenancy", "tenancy_id"),
    Index(
        "residency_once",
        "person_id",
        "place_id",
        unique=True,
        sqlite_where=text("until_at IS NULL AND voided_at IS NULL"),
        postgresql_where=text("until_at IS NULL AND voided_at IS NULL"),
    ),
    sqlite_strict=True,
)

# --- credentials

credential = Table(
    "credential",
    metadata,
    Column("id", Whole, primary_key=True),
    _community(),
    _person(),
    Column("kind", Text, nullable=False),  # as the readers' drivers call it
    Column("hint", Text),  # at most its last four characters
    Column("sealed", LargeBinary, nullable=False, info={_SEALED_AS: "credential"}),  # its number
    Column("number_index", LargeBinary, nullable=False),  # blind
    Column("state", Text, nullable=False),  # register.credential_life.CredentialState
    Column("valid_from", Whole, nullable=False),
    Column("valid_until", Whole),  # exclusive; NULL: without an end
    Column("replaces", Whole, ForeignKey("credential.id")),
    Column("issued_at", Whole, nullable=False),
    Column("returned_at", Whole),
    Index("credential_of_person", "person_id"),
    Index(
        "credential_once",
        "community_id",
        "kind",
        "number_index",
        unique=True,
        sqlite_where=text("state <> 'returned'"),
        postgresql_where=text("state <> 'returned'"),
    ),
    Index("credential_by_number", "community_id", "number_index"),
    sqlite_strict=True,
)

credential_token = Table(
    "credential_token",
    metadata,
    Column("id", Whole, primary_key=True),
    _community(),
    Column("credential_id", Whole, ForeignKey("credential.id"), nullable=False),
    Column("site", Text, ForeignKey("site.name"), nullable=False),
    Column("token", LargeBinary, nullable=False),  # 16 bytes: what that site's gateways call it
    Column("pin", LargeBinary),  # 16 bytes: of the PIN after it, where one is set (register.pins)
    Column("duress_pin", LargeBinary),  # 16 bytes: of the one for under duress
    UniqueConstraint("credential_id", "site", name="credential_token_once"),
    Index("credential_by_token", "site", "token"),
    sqlite_strict=True,
)
"""Each site has its own key, so that a card has another token at each. Of a card that was returned and given
to somebody else there are two credentials with one token."""

credential_event = Table(
    "credential_event",
    metadata,
    Column("id", Whole, primary_key=True),
    _community(),
    Column("credential_id", Whole, ForeignKey("credential.id"), nullable=False),
    Column("act", Text, nullable=False),  # register.credential_life.Act
    Column("at", Whole, nullable=False),
    Column("account", Whole, nullable=False),
    Column("state", Text, nullable=False),  # after it
    Column("valid_until", Whole),  # after it
    Column("reason", Text),
    Index("credential_event_of", "credential_id", "id"),
    sqlite_strict=True,
)

# --- rights beside those of residents at their own doors

door_group = Table(
    "door_group",
    metadata,
    Column("id", Whole, primary_key=True),
    _community(),
    Column("name", Text, nullable=False),
    _from(),
    _until(),
    Index("door_group_of", "community_id"),
    sqlite_strict=True,
)

door_group_door = Table(
    "door_group_door",
    metadata,
    Column("id", Whole, primary_key=True),
    _community(),
    Column("group_id", Whole, ForeignKey("door_group.id"), nullable=False),
    Column("site", Text, ForeignKey("site.name"), nullable=False),
    Column("gateway", Text, nullable=False),
    Column("door", Text, nullable=False),
    _from(),
    _until(),
    Index("door_group_door_of", "group_id"),
    Index("door_group_by_door", "site", "gateway", "door"),
    sqlite_strict=True,
)

access_right = Table(
    "access_right",
    metadata,
    Column("id", Whole, primary_key=True),
    _community(),
    Column("group_id", Whole, ForeignKey("door_group.id"), nullable=False),
    # one of these three says whose
    _person(nullable=True),
    Column("category", Text),  # register.words.Category
    _place(nullable=True),  # all who live in there
    Column("schedule", Text),  # of the site settings; NULL: at any hour
    _from(),
    _until(),
    Column("reason", Text),
    Index("access_right_of_group", "group_id"),
    Index("access_right_of_person", "person_id"),
    Index("access_right_of_place", "place_id"),
    Index("access_right_of_category", "community_id", "category"),
    sqlite_strict=True,
)

# --- what was done, and what follows from it

register_event = Table(
    "register_event",
    metadata,
    Column("id", Whole, primary_key=True),
    _community(),
    Column("at", Whole, nullable=False),
    Column("account", Whole, nullable=False),
    Column("act", Text, nullable=False),  # register.words.Act
    Column("subject", Text, nullable=False),  # name of the table that `subject_id` is of
    Column("subject_id", Whole, nullable=False),
    Column("reason", Text),
    Column("body", Text, nullable=False),  # JSON: ids and dates, never who somebody is
    Index("register_event_of", "subject", "subject_id", "id"),
    Index("register_event_by_community", "community_id", "id"),
    sqlite_strict=True,
)
"""Rows are only ever added: the database itself refuses to change or delete one."""

rights_changed = Table(
    "rights_changed",
    metadata,
    Column("id", Whole, primary_key=True),
    _community(),
    Column("site", Text, nullable=False),
    Column("gateway", Text, nullable=False),  # whose access list is not what it should be any more
    _person(nullable=True),  # whose entries alone may differ; NULL: anybody's
    Column("at", Whole, nullable=False),
    Column("event_id", Whole, ForeignKey("register_event.id"), nullable=False),
    Index("rights_changed_of", "site", "gateway", "id"),
    sqlite_strict=True,
)
"""Written in the transaction that changes somebody's rights; rows go once the list was noted for sending."""

_VERBS: Final = ("UPDATE", "DELETE")
_ONLY_GROW: Final = ("register_event", "credential_event")


def only_grow_statements(dialect: str) -> list[str]:
    """What makes a database refuse to change or delete what was done; also for its migration."""
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table}"
            " BEGIN SELECT RAISE(ABORT, 'the history of the register only grows'); END"
            for table in _ONLY_GROW
            for verb in _VERBS
        ]
    says = "RAISE EXCEPTION 'the history of the register only grows' USING ERRCODE = 'check_violation'"
    return [
        f"CREATE FUNCTION register_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {says}; END $$",
        *(
            f"CREATE TRIGGER {table}_only_grows BEFORE {' OR '.join(_VERBS)} ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION register_only_grows()"
            for table in _ONLY_GROW
        ),
    ]


for _dialect in ("sqlite", "postgresql"):
    for _statement in only_grow_statements(_dialect):
        _made = DDL(_statement).execute_if(dialect=_dialect)  # type: ignore[no-untyped-call]
        event.listen(metadata, "after_create", _made)
