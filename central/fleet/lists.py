"""Access lists as the centre sent them: noted before they go, so that each gateway gets what it lacks.

A gateway whose list is still known here gets what changed, any other the whole one. Knows no broker.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Select, delete, func, insert, select

from central.assessments.gate import NOT_LIVE, sites_not_live
from central.errors import OrderRefused
from central.store.engine import insert_many, next_ids
from central.store.tables import gateway, sent_list
from messages.access_list import (
    LIST_VERSION,
    Entry,
    ListDigest,
    ListFile,
    ListManifest,
    cut,
    decode_entry,
    encode_entry,
    encode_manifest,
)
from messages.errors import MessageError
from messages.signing import EVERY_GATEWAY, Purpose, sign

KEPT_LISTS: Final = 8
"""Of each site, and of each gateway with lists of its own: enough for those that were away for a while."""

MOST_CHANGES: Final = 2_000
"""A gateway applies changes in one commit; more than this and the whole list is gentler to its disk."""


@dataclass(frozen=True, slots=True)
class Lack:
    """A gateway that should have another list, or other settings, than it says it has."""

    site: str
    gateway: str
    session: str
    has: int | None
    should_have: int
    noted_id: int
    noted_us: int


@dataclass(frozen=True, slots=True)
class Packed:
    """Entries of a list as a row of `sent_list` holds them."""

    digest: bytes
    entries: int
    body: bytes


def note_list(connection: Connection, site: str, name: str, file: ListFile, now_us: int) -> int:
    """Notes the list that `name`, or every gateway of the site, is to have from now on; returns its id.

    Raises OrderRefused where a gateway has that version or a later one, as it would not take it, and as
    `note_packed_all`.
    """
    newest = _newest_versions(connection, site, [name])[name]
    if file.version <= newest:
        raise OrderRefused(
            f"the list has version {file.version}, and {newest} is known already at {_called(site, name)};"
            f" gateways never go back: write {newest + 1} or more into it"
        )
    made = packed(file.entries)
    if made.entries:
        _refuse_before_live(connection, site)
    row = {
        "site": site,
        "gateway": name,
        "version": file.version,
        "issued_us": file.issued_us,
        "digest": made.digest,
        "entries": made.entries,
        "body": made.body,
        "noted_at": now_us,
    }
    number = connection.execute(insert(sent_list).values(row)).inserted_primary_key
    _forget(connection, site, [name])
    assert number is not None
    return int(number[0])


def packed(entries: Iterable[Entry]) -> Packed:
    """As they are noted; of many this takes a while, and needs no database."""
    bodies = [encode_entry(entry) for entry in sorted(entries, key=lambda entry: entry.token)]
    digest = ListDigest()
    digest.take(bodies)
    return Packed(bytes.fromhex(str(digest)), len(bodies), zlib.compress(b"\n".join(bodies)))


def note_packed_all(
    connection: Connection, site: str, lists: Mapping[str, Packed], *, issued_us: int, now_us: int
) -> dict[str, tuple[int, int]]:
    """By gateway, of one site: for each the lowest version that nobody concerned has had; the id that its
    list is noted by, and the version. Raises OrderRefused for any with anybody in it where the site's
    community is not live (trust.md R-80)."""
    if not lists:
        return {}
    if any(made.entries for made in lists.values()):
        _refuse_before_live(connection, site)
    newest = _newest_versions(connection, site, lists)
    ids = next_ids(connection, sent_list, len(lists))
    noted = {name: (number, newest[name] + 1) for name, number in zip(lists, ids, strict=True)}
    rows = [
        (number, site, name, version, issued_us, made.digest, made.entries, made.body, now_us)
        for name, made in lists.items()
        for number, version in (noted[name],)
    ]
    insert_many(connection, sent_list, rows, with_ids=True)
    _forget(connection, site, lists)
    return noted


def newest_entries(connection: Connection, site: str, name: str) -> dict[str, Entry] | None:
    """By token, of the list that was noted last for this gateway alone; None where there is none. Raises
    OrderRefused for one that is damaged."""
    found = newest_lists(connection, site, [name]).get(name)
    return None if found is None else found.entries()


@dataclass(frozen=True, slots=True)
class Newest:
    """The list that was noted last for a gateway alone; packed, as there may be many large ones at a time."""

    id: int
    version: int
    body: bytes

    def entries(self) -> dict[str, Entry]:
        """By token. Raises OrderRefused where it is damaged."""
        return _entries(self.body)


def newest_lists(connection: Connection, site: str, names: Collection[str]) -> dict[str, Newest]:
    """Of those gateways of a site for which there is any."""
    asked = select(sent_list.c.gateway, sent_list.c.id, sent_list.c.version, sent_list.c.body)
    rows = connection.execute(asked.where(sent_list.c.id.in_(_newest_of(site, names))))
    return {row.gateway: Newest(row.id, row.version, row.body) for row in rows}


def newest_ids(connection: Connection, site: str, names: Collection[str]) -> dict[str, int]:
    """As `newest_lists`, their ids alone."""
    asked = select(sent_list.c.gateway, sent_list.c.id).where(sent_list.c.id.in_(_newest_of(site, names)))
    return {row.gateway: row.id for row in connection.execute(asked)}


def _newest_of(site: str, names: Collection[str]) -> Select[tuple[int]]:
    there = (sent_list.c.site == site) & sent_list.c.gateway.in_(names)
    return select(func.max(sent_list.c.id)).where(there).group_by(sent_list.c.gateway)


def gateways_of(
    connection: Connection, site: str, names: Collection[str] | None = None
) -> list[tuple[str, int | None]]:
    """Those that have ever spoken, of `names` alone where they are given, with the version of the list they
    said they have."""
    there = select(gateway.c.name, gateway.c.list_version).where(gateway.c.site == site)
    if names is not None:
        there = there.where(gateway.c.name.in_(names))
    return [(name, version) for name, version in connection.execute(there.order_by(gateway.c.name))]


def lacking(connection: Connection) -> list[Lack]:
    """Connected gateways whose newest list here is not the one they have."""
    mine = (sent_list.c.site == gateway.c.site) & sent_list.c.gateway.in_([gateway.c.name, EVERY_GATEWAY])
    due = select(func.max(sent_list.c.id)).where(mine).correlate(gateway).scalar_subquery()
    asked = select(
        gateway.c.site,
        gateway.c.name,
        gateway.c.session,
        gateway.c.list_version,
        sent_list.c.version,
        sent_list.c.id,
        sent_list.c.noted_at,
    ).join(sent_list, sent_list.c.id == due)
    found = connection.execute(
        asked.where(
            gateway.c.online == 1, func.coalesce(gateway.c.list_version, -1) != sent_list.c.version
        ).order_by(gateway.c.id)
    )
    return [Lack(*row) for row in found]


def messages_for(
    connection: Connection,
    key: Ed25519PrivateKey,
    site: str,
    name: str,
    list_id: int,
    *,
    has: int | None,
) -> list[bytes]:
    """The signed manifest and the chunks that bring one gateway from the list it `has` to another.

    `has` None sends the whole, as does a list that is not known here any more.
    """
    due = connection.execute(select(sent_list).where(sent_list.c.id == list_id)).one()
    sent = Sent(due.version, due.issued_us, due.digest, due.entries)
    wanted = _entries(due.body)
    former = _known(connection, site, name, has) if has is not None and has < due.version else None
    if former is not None and (changes := changes_of(former, wanted)) is not None:
        return messages_of(key, site, name, sent, changes, base=has)
    return messages_of(key, site, name, sent, Changes(list(wanted.values()), []), base=None)


@dataclass(frozen=True, slots=True)
class Sent:
    """A list on its way; `entries`: how many it has."""

    version: int
    issued_us: int
    digest: bytes
    entries: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What brings one list from another: entries, and tokens of those that it has no more."""

    put: list[Entry]
    drop: list[str]


def changes_of(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> Changes | None:
    """None: so many that the whole is to be sent. Both by token."""
    put = [entry for token, entry in after.items() if before.get(token) != entry]
    drop = [token for token in before if token not in after]
    return Changes(put, drop) if len(put) + len(drop) <= MOST_CHANGES else None


def messages_of(
    key: Ed25519PrivateKey, site: str, name: str, sent: Sent, changes: Changes, *, base: int | None
) -> list[bytes]:
    """The signed manifest, and the chunks with what changes from the list of version `base`; None: from none
    at all. Pure."""
    chunks = cut(sent.version, changes.put, changes.drop)
    manifest = ListManifest(
        v=LIST_VERSION,
        version=sent.version,
        issued_us=sent.issued_us,
        chunks=tuple(sha256(chunk).hexdigest() for chunk in chunks),
        entries=sent.entries,
        digest=sent.digest.hex(),
        base=base,
    )
    return [sign(key, Purpose.LIST, site, name, encode_manifest(manifest)), *chunks]


def _refuse_before_live(connection: Connection, site: str) -> None:
    if site in sites_not_live(connection):
        raise OrderRefused(f"site {site} gets no list: {NOT_LIVE}")


def _newest_versions(connection: Connection, site: str, names: Collection[str]) -> dict[str, int]:
    """Of each the highest version that is known here of those whom its list is for, or that they say they
    have; 0 where there is none. A list for every gateway concerns all of the site, and they it."""
    sent = select(sent_list.c.gateway, func.max(sent_list.c.version)).where(sent_list.c.site == site)
    said = select(gateway.c.name, func.max(gateway.c.list_version)).where(gateway.c.site == site)
    if EVERY_GATEWAY not in names:
        sent = sent.where(sent_list.c.gateway.in_([*names, EVERY_GATEWAY]))
        said = said.where(gateway.c.name.in_(names))
    found: dict[str, int] = defaultdict(int)
    for asked in (sent.group_by(sent_list.c.gateway), said.group_by(gateway.c.name)):
        for name, version in connection.execute(asked):
            found[name] = max(found[name], version or 0)
    whole = max(found.values(), default=0)
    return {
        name: whole if name == EVERY_GATEWAY else max(found[name], found[EVERY_GATEWAY]) for name in names
    }


def _known(connection: Connection, site: str, name: str, version: int) -> dict[str, Entry] | None:
    there = (sent_list.c.site == site) & sent_list.c.gateway.in_([name, EVERY_GATEWAY])
    newest = select(sent_list.c.body).where(there, sent_list.c.version == version)
    body = connection.execute(newest.order_by(sent_list.c.id.desc()).limit(1)).scalar()
    return None if body is None else _entries(body)


def _entries(body: bytes) -> dict[str, Entry]:
    try:
        entries = [decode_entry(line) for line in zlib.decompress(body).split(b"\n") if line]
    except (MessageError, zlib.error):
        raise OrderRefused("a list in the database is damaged; send one anew") from None
    return {entry.token: entry for entry in entries}


def _forget(connection: Connection, site: str, names: Collection[str]) -> None:
    there = (sent_list.c.site == site) & sent_list.c.gateway.in_(names)
    newer = func.row_number().over(partition_by=sent_list.c.gateway, order_by=sent_list.c.id.desc())
    ranked = select(sent_list.c.id, newer.label("place")).where(there).subquery()
    old = select(ranked.c.id).where(ranked.c.place > KEPT_LISTS)
    connection.execute(delete(sent_list).where(sent_list.c.id.in_(old)))


def _called(site: str, name: str) -> str:
    return f"site {site}" if name == EVERY_GATEWAY else f"gateway {name} of {site}"
