"""Access lists as the centre sent them: noted before they go, so that each gateway gets what it lacks.

A gateway whose list is still known here gets what changed, any other the whole one. Knows no broker.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, delete, func, insert, select

from central.assessments.gate import NOT_LIVE, sites_not_live
from central.errors import OrderRefused
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

    Raises OrderRefused where a gateway has that version or a later one: it would not take it.
    """
    newest = _newest_version(connection, site, name)
    if file.version <= newest:
        raise OrderRefused(
            f"the list has version {file.version}, and {newest} is known already at {_called(site, name)};"
            f" gateways never go back: write {newest + 1} or more into it"
        )
    made = packed(file.entries)
    return note_packed(
        connection, site, name, made, version=file.version, now_us=now_us, issued_us=file.issued_us
    )


def packed(entries: Iterable[Entry]) -> Packed:
    """As they are noted; of many this takes a while, and needs no database."""
    bodies = [encode_entry(entry) for entry in sorted(entries, key=lambda entry: entry.token)]
    digest = ListDigest()
    digest.take(bodies)
    return Packed(bytes.fromhex(str(digest)), len(bodies), zlib.compress(b"\n".join(bodies)))


def note_packed(
    connection: Connection,
    site: str,
    name: str,
    made: Packed,
    *,
    version: int,
    issued_us: int,
    now_us: int,
) -> int:
    """Of a version that nobody concerned has had (`next_version`); its id. Raises OrderRefused for one with
    anybody in it where the site's community is not live (trust.md R-80)."""
    if made.entries and site in sites_not_live(connection):
        raise OrderRefused(f"site {site} gets no list: {NOT_LIVE}")
    row = {
        "site": site,
        "gateway": name,
        "version": version,
        "issued_us": issued_us,
        "digest": made.digest,
        "entries": made.entries,
        "body": made.body,
        "noted_at": now_us,
    }
    number = connection.execute(insert(sent_list).values(row)).inserted_primary_key
    _forget(connection, site, name)
    assert number is not None
    return int(number[0])


def next_version(connection: Connection, site: str, name: str) -> int:
    """The lowest that nobody concerned has had."""
    return _newest_version(connection, site, name) + 1


def newest_entries(connection: Connection, site: str, name: str) -> dict[str, Entry] | None:
    """By token, of the list that was noted last for this gateway alone; None where there is none. Raises
    OrderRefused for one that is damaged."""
    found = newest_list(connection, site, name)
    return None if found is None else found[1]


def newest_list(connection: Connection, site: str, name: str) -> tuple[int, dict[str, Entry]] | None:
    """As `newest_entries`, with its id."""
    there = (sent_list.c.site == site) & (sent_list.c.gateway == name)
    newest = select(sent_list.c.id, sent_list.c.body).where(there).order_by(sent_list.c.id.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    return None if row is None else (row.id, _entries(row.body))


def newest_id(connection: Connection, site: str, name: str) -> int | None:
    """Of the list that was noted last for this gateway alone."""
    there = (sent_list.c.site == site) & (sent_list.c.gateway == name)
    return connection.execute(select(func.max(sent_list.c.id)).where(there)).scalar()


def gateways_of(connection: Connection, site: str) -> list[tuple[str, int | None]]:
    """Those that have ever spoken, with the version of the list they said they have."""
    there = select(gateway.c.name, gateway.c.list_version).where(gateway.c.site == site)
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
    wanted = _entries(due.body)
    former = _known(connection, site, name, has) if has is not None and has < due.version else None
    put, drop = _changes(former or {}, wanted)
    if former is None or len(put) + len(drop) > MOST_CHANGES:
        former, put, drop = None, list(wanted.values()), []
    chunks = cut(due.version, put, drop)
    manifest = ListManifest(
        v=LIST_VERSION,
        version=due.version,
        issued_us=due.issued_us,
        chunks=tuple(sha256(chunk).hexdigest() for chunk in chunks),
        entries=due.entries,
        digest=due.digest.hex(),
        base=None if former is None else has,
    )
    return [sign(key, Purpose.LIST, site, name, encode_manifest(manifest)), *chunks]


def _newest_version(connection: Connection, site: str, name: str) -> int:
    """The highest that is known here of those whom the list is for, or that they say they have."""
    concerned = [sent_list.c.site == site]
    speaking = [gateway.c.site == site]
    if name != EVERY_GATEWAY:
        concerned.append(sent_list.c.gateway.in_([name, EVERY_GATEWAY]))
        speaking.append(gateway.c.name == name)
    sent = connection.execute(select(func.max(sent_list.c.version)).where(*concerned)).scalar()
    said = connection.execute(select(func.max(gateway.c.list_version)).where(*speaking)).scalar()
    return max(sent or 0, said or 0)


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


def _changes(before: dict[str, Entry], after: dict[str, Entry]) -> tuple[list[Entry], list[str]]:
    put = [entry for token, entry in after.items() if before.get(token) != entry]
    return put, [token for token in before if token not in after]


def _forget(connection: Connection, site: str, name: str) -> None:
    there = (sent_list.c.site == site) & (sent_list.c.gateway == name)
    kept: Iterable[int] = connection.execute(
        select(sent_list.c.id).where(there).order_by(sent_list.c.id.desc()).limit(KEPT_LISTS)
    ).scalars()
    connection.execute(delete(sent_list).where(there, sent_list.c.id.not_in(list(kept))))


def _called(site: str, name: str) -> str:
    return f"site {site}" if name == EVERY_GATEWAY else f"gateway {name} of {site}"
