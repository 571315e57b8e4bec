"""The register: communities and their sites, places, people, leases, credentials, groups of doors."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from central.store.register_tables import only_grow_statements

revision = "0010"
down_revision = "0009"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _whole(name: str, *, of: str | None = None, key: bool = False, nullable: bool = False) -> sa.Column[int]:
    """`of`: the column that it refers to."""
    if key:
        return sa.Column(name, _WHOLE, primary_key=True)
    refers = [] if of is None else [sa.ForeignKey(of)]
    return sa.Column(name, _WHOLE, *refers, nullable=nullable)


def _text(name: str, *, of: str | None = None, key: bool = False, nullable: bool = False) -> sa.Column[str]:
    if key:
        return sa.Column(name, sa.Text(), primary_key=True)
    refers = [] if of is None else [sa.ForeignKey(of)]
    return sa.Column(name, sa.Text(), *refers, nullable=nullable)


def _bytes(name: str, *, nullable: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=nullable)


def _flag(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _table(name: str, *parts: sa.schema.SchemaItem, **options: bool) -> None:
    op.create_table(name, *parts, sqlite_strict=True, **options)


def _index(name: str, table: str, *columns: str, where: str | None = None) -> None:
    """`where`: unique among such rows."""
    if where is None:
        op.create_index(name, table, list(columns))
    else:
        chosen = sa.text(where)
        op.create_index(name, table, list(columns), unique=True, sqlite_where=chosen, postgresql_where=chosen)


def upgrade() -> None:
    _places()
    _people()
    _rights()
    for statement in only_grow_statements(op.get_bind().dialect.name):
        op.execute(statement)


def _places() -> None:
    _table(
        "community",
        _whole("id", key=True),
        _text("code"),
        _text("name"),
        _whole("created_at"),
        sa.UniqueConstraint("code", name="community_by_code"),
    )
    _table(
        "site",
        _text("name", key=True),
        _whole("community_id", of="community.id"),
        _whole("created_at"),
        sqlite_with_rowid=False,
    )
    _index("site_of_community", "site", "community_id")
    _table(
        "place",
        _whole("id", key=True),
        _whole("community_id", of="community.id"),
        _whole("parent_id", of="place.id", nullable=True),
        _text("kind"),
        _text("name"),
        _text("code", nullable=True),
        _text("sort_key"),
        _text("pinyin"),
        _text("initials"),
        _whole("from_at"),
        _whole("until_at", nullable=True),
    )
    _index("place_by_code", "place", "community_id", "code", where="until_at IS NULL AND code IS NOT NULL")
    _index("place_by_initials", "place", "community_id", "initials")
    _index("place_by_name", "place", "community_id", "name")
    _index("place_by_parent", "place", "parent_id", "sort_key")
    _index("place_by_pinyin", "place", "community_id", "pinyin")
    _table(
        "place_former",
        _whole("id", key=True),
        _whole("community_id", of="community.id"),
        _whole("place_id", of="place.id"),
        _whole("parent_id", of="place.id", nullable=True),
        _text("name"),
        _text("code", nullable=True),
        _whole("from_at"),
        _whole("until_at"),
    )
    _index("place_former_of", "place_former", "place_id", "until_at")
    _table(
        "home_use",
        _whole("id", key=True),
        _whole("community_id", of="community.id"),
        _whole("place_id", of="place.id"),
        _text("use"),
        _whole("from_at"),
        _whole("until_at", nullable=True),
    )
    _index("home_use_of", "home_use", "place_id", "until_at")
    _table(
        "door_place",
        _whole("id", key=True),
        _whole("community_id", of="community.id"),
        _text("site", of="site.name"),
        _text("gateway"),
        _text("door"),
        _whole("place_id", of="place.id"),
        _flag("residents"),
        _whole("from_at"),
        _whole("until_at", nullable=True),
    )
    _index("door_place_by_place", "door_place", "place_id")
    _index("door_place_of", "door_place", "site", "gateway", "door")
    _index("door_place_once", "door_place", "site", "gateway", "door", where="until_at IS NULL")


def _people() -> None:
    _table(
        "person",
        _whole("id", key=True),
        _whole("community_id", of="community.id"),
        _text("state"),
        _whole("merged_into", of="person.id", nullable=True),
        _text("category"),
        _text("document_type"),
        _bytes("sealed"),
        _bytes("number_index", nullable=True),
        _bytes("name_index"),
        _bytes("phone_index", nullable=True),
        _whole("created_at"),
        _whole("changed_at"),
        _whole("deregistered_at", nullable=True),
    )
    _index("person_by_name", "person", "community_id", "name_index")
    _index(
        "person_by_number",
        "person",
        "community_id",
        "number_index",
        where="state <> 'merged' AND number_index IS NOT NULL",
    )
    _index("person_by_phone", "person", "community_id", "phone_index")
    _index("person_merged", "person", "merged_into")
    _table(
        "person_former",
        _whole("id", key=True),
        _whole("community_id", of="community.id"),
        _whole("person_id", of="person.id"),
        _text("category"),
        _text("document_type"),
        _bytes("sealed"),
        _bytes("number_index", nullable=True),
        _whole("from_at"),
        _whole("until_at"),
    )
    _index("person_former_by_number", "person_former", "community_id", "number_index")
    _index("person_former_of", "person_former", "person_id", "until_at")
    _table(
        "holder",
        _whole("id", key=True),
        _whole("community_id", of="community.id"),
        _whole("person_id", of="person.id"),
        _text("reference"),
        _whole("from_at"),
        _whole("until_at", nullable=True),
    )
    _index("holder_by_reference", "holder", "reference", "from_at")
    _index("holder_of", "holder", "person_id")
    _table(
        "tenancy",
        _whole("id", key=True),
        _whole("community_id", of="community.id"),
        _whole("place_id", of="place.id"),
        _whole("landlord_id", of="person.id", nullable=True),
        _whole("from_at"),
        _whole("until_at", nullable=True),
        _whole("notice_days"),
        _whole("grace_days"),
        _whole("ended_at", nullable=True),
        _whole("voided_at", nullable=True),
    )
    _index("tenancy_by_end", "tenancy", "community_id", "until_at")
    _index("tenancy_of_place", "tenancy", "place_id", "until_at")
    _table(
        "residency",
        _whole("id", key=True),
        _whole("community_id", of="community.id"),
        _whole("person_id", of="person.id"),
        _whole("place_id", of="place.id"),
        _text("relation"),
        _whole("tenancy_id", of="tenancy.id", nullable=True),
        _whole("from_at"),
        _whole("until_at", nullable=True),
        _whole("registered_at"),
        _whole("registered_by"),
        _whole("ended_by", nullable=True),
        _text("end_reason", nullable=True),
        _whole("corrects", of="residency.id", nullable=True),
        _whole("voided_at", nullable=True),
        _whole("voided_by", nullable=True),
        _text("void_reason", nullable=True),
    )
    _index("residency_by_tenancy", "residency", "tenancy_id")
    _index("residency_of_person", "residency", "person_id", "from_at")
    _index("residency_of_place", "residency", "place_id", "from_at")
    _index(
        "residency_once", "residency", "person_id", "place_id", where="until_at IS NULL AND voided_at IS NULL"
    )


def _rights() -> None:
    _table(
        "credential",
        _whole("id", key=True),
        _whole("community_id", of="community.id"),
        _whole("person_id", of="person.id"),
        _text("kind"),
        _text("hint", nullable=True),
        _bytes("sealed"),
        _bytes("number_index"),
        _text("state"),
        _whole("valid_from"),
        _whole("valid_until", nullable=True),
        _whole("replaces", of="credential.id", nullable=True),
        _whole("issued_at"),
        _whole("returned_at", nullable=True),
    )
    _index("credential_by_number", "credential", "community_id", "number_index")
    _index("credential_of_person", "credential", "person_id")
    _index(
        "credential_once", "credential", "community_id", "kind", "number_index", where="state <> 'returned'"
    )
    _table(
        "credential_token",
        _whole("id", key=True),
        _whole("community_id", of="community.id"),
        _whole("credential_id", of="credential.id"),
        _text("site", of="site.name"),
        _bytes("token"),
        sa.UniqueConstraint("credential_id", "site", name="credential_token_once"),
    )
    _index("credential_by_token", "credential_token", "site", "token")
    _table(
        "credential_event",
        _whole("id", key=True),
        _whole("community_id", of="community.id"),
        _whole("credential_id", of="credential.id"),
        _text("act"),
        _whole("at"),
        _whole("account"),
        _text("state"),
        _whole("valid_until", nullable=True),
        _text("reason", nullable=True),
    )
    _index("credential_event_of", "credential_event", "credential_id", "id")
    _table(
        "door_group",
        _whole("id", key=True),
        _whole("community_id", of="community.id"),
        _text("name"),
        _whole("from_at"),
        _whole("until_at", nullable=True),
    )
    _index("door_group_of", "door_group", "community_id")
    _table(
        "door_group_door",
        _whole("id", key=True),
        _whole("community_id", of="community.id"),
        _whole("group_id", of="door_group.id"),
        _text("site", of="site.name"),
        _text("gateway"),
        _text("door"),
        _whole("from_at"),
        _whole("until_at", nullable=True),
    )
    _index("door_group_by_door", "door_group_door", "site", "gateway", "door")
    _index("door_group_door_of", "door_group_door", "group_id")
    _table(
        "access_right",
        _whole("id", key=True),
        _whole("community_id", of="community.id"),
        _whole("group_id", of="door_group.id"),
        _whole("person_id", of="person.id", nullable=True),
        _text("category", nullable=True),
        _whole("place_id", of="place.id", nullable=True),
        _text("schedule", nullable=True),
        _whole("from_at"),
        _whole("until_at", nullable=True),
        _text("reason", nullable=True),
    )
    _index("access_right_of_category", "access_right", "community_id", "category")
    _index("access_right_of_group", "access_right", "group_id")
    _index("access_right_of_person", "access_right", "person_id")
    _index("access_right_of_place", "access_right", "place_id")
    _table(
        "register_event",
        _whole("id", key=True),
        _whole("community_id", of="community.id"),
        _whole("at"),
        _whole("account"),
        _text("act"),
        _text("subject"),
        _whole("subject_id"),
        _text("reason", nullable=True),
        _text("body"),
    )
    _index("register_event_by_community", "register_event", "community_id", "id")
    _index("register_event_of", "register_event", "subject", "subject_id", "id")
    _table(
        "rights_changed",
        _whole("id", key=True),
        _whole("community_id", of="community.id"),
        _text("site"),
        _text("gateway"),
        _whole("person_id", of="person.id", nullable=True),
        _whole("at"),
        _whole("event_id", of="register_event.id"),
    )
    _index("rights_changed_of", "rights_changed", "site", "gateway", "id")
