"""The register of look-ups: each row chained to the one before it, and the walk that finds what was altered.

Written within the caller's transaction; nothing is answered before it commits (architecture, promise P6). A
signed head, kept elsewhere, shows also that nothing was cut off at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct
from sqlalchemy import Connection, func, insert, select

from central.errors import BadQuestion
from central.lookup.words import Happened
from central.store.lookup_tables import look_up, look_up_event
from messages.signing import key_id

VERSION: Final = 1
FIRST_PREV: Final = bytes(32)
_PAGE: Final = 1_000
_PURPOSE: Final = b"liuhen/v1\0look-ups\0"
"""No other message of the centre begins so (`messages.signing`)."""

Facts = Mapping[str, Any]
_encoder = msgspec.json.Encoder(order="deterministic")


class Event(Struct, frozen=True, forbid_unknown_fields=True):
    """What is hashed of a row, in this order; `facts` are of its kind, and never say who somebody is."""

    v: int
    number: int
    kind: Happened
    look_up: int | None
    community: int
    at: int
    account: int
    facts: dict[str, Any]
    prev: str


class Head(Struct, frozen=True, forbid_unknown_fields=True):
    """How far the register went: kept elsewhere, nobody can shorten or rewrite what is before it."""

    v: int
    number: int
    hash: str
    at: int
    signer: str
    signature: str


@dataclass(frozen=True, slots=True)
class Flaw:
    """`number`: of the row in `look_up_event`, or of the look-up where `of_look_up`."""

    number: int
    what: str
    of_look_up: bool = False

    def __str__(self) -> str:
        return f"{'look-up' if self.of_look_up else 'row'} {self.number}: {self.what}"


def append(
    connection: Connection,
    kind: Happened,
    *,
    look_up: int | None,
    community: int,
    at_us: int,
    account: int,
    facts: Facts,
) -> tuple[int, bytes]:
    """Writes one row; its number and its hash. Raises what the database raises: then nothing may be shown."""
    one_at_a_time(connection)
    columns = look_up_event.c
    newest = connection.execute(
        select(columns.id, columns.hash).order_by(columns.id.desc()).limit(1)
    ).one_or_none()
    prev = newest.hash if newest else FIRST_PREV
    event = Event(
        v=VERSION,
        number=newest.id + 1 if newest else 1,
        kind=kind,
        look_up=look_up,
        community=community,
        at=at_us,
        account=account,
        facts=dict(facts),
        prev=prev.hex(),
    )
    body = _encoder.encode(event)
    digest = sha256(prev + body).digest()
    row = {
        "id": event.number,
        "look_up_id": look_up,
        "community_id": community,
        "kind": kind,
        "at": at_us,
        "account": account,
        "body": body,
        "hash": digest,
    }
    connection.execute(insert(look_up_event).values(row))
    return event.number, digest


def append_look_up(connection: Connection, row: Facts) -> tuple[int, bytes]:
    """A new look-up: `row` has the columns of `look_up` but for its numbers. Its number, its row's hash."""
    one_at_a_time(connection)
    number = (connection.execute(select(func.max(look_up.c.id))).scalar() or 0) + 1
    facts = {name: _plain(value) for name, value in row.items() if name not in _OWN_FIELDS}
    event_id, digest = append(
        connection,
        Happened.ASKED,
        look_up=number,
        community=row["community_id"],
        at_us=row["at"],
        account=row["account"],
        facts=facts,
    )
    connection.execute(insert(look_up).values({**row, "id": number, "event_id": event_id}))
    return number, digest


def facts_of(row: Any) -> dict[str, Any]:
    """Of a row of `look_up_event`."""
    return msgspec.json.decode(row.body, type=Event).facts


def head(connection: Connection, signing: Ed25519PrivateKey, now_us: int) -> Head:
    columns = look_up_event.c
    newest = connection.execute(
        select(columns.id, columns.hash).order_by(columns.id.desc()).limit(1)
    ).one_or_none()
    number, digest = (newest.id, newest.hash) if newest else (0, FIRST_PREV)
    return Head(
        v=VERSION,
        number=number,
        hash=digest.hex(),
        at=now_us,
        signer=key_id(signing.public_key()),
        signature=signing.sign(_what_is_signed(number, digest, now_us)).hex(),
    )


def read_head(text: bytes, signers: Mapping[str, Ed25519PublicKey]) -> Head:
    """Raises BadQuestion for what is no head that the centre signed."""
    try:
        found = msgspec.json.decode(text, type=Head)
        signer = signers[found.signer]
        signed = _what_is_signed(found.number, bytes.fromhex(found.hash), found.at)
        signer.verify(bytes.fromhex(found.signature), signed)
    except KeyError:
        raise BadQuestion("head", "signed by a key that is not known here") from None
    except InvalidSignature:
        raise BadQuestion("head", "the signature does not fit") from None
    except (msgspec.MsgspecError, ValueError):
        raise BadQuestion("head", "not what `audit head` writes") from None
    return found


def verify(connection: Connection, heads: tuple[Head, ...] = ()) -> Iterator[Flaw]:
    """Walks the whole register; every place where something is wrong, in order. After a flaw the chain is
    taken up as found, so that one altered row is told of once."""
    known = {found.number: found for found in heads}
    number, look_ups = 0, 0
    prev: bytes | None = FIRST_PREV
    while rows := connection.execute(
        select(look_up_event).where(look_up_event.c.id > number).order_by(look_up_event.c.id).limit(_PAGE)
    ).all():
        asked = _look_ups(connection, rows)
        for row in rows:
            if row.id != number + 1:
                gap = f"{number + 1}" if row.id == number + 2 else f"{number + 1} to {row.id - 1}"
                yield Flaw(number + 1, f"missing ({gap})")
                prev = None
            event = _read(row.body)
            if what := _wrong(row, event, prev):
                yield Flaw(row.id, what)
            if row.id in known and known.pop(row.id).hash != row.hash.hex():
                yield Flaw(row.id, "not the one that a signed head names")
            if event is not None and event.kind is Happened.ASKED:
                yield from _wrong_look_up(event, row.id, asked.get(row.id), look_ups + 1)
                look_ups = event.look_up or look_ups + 1
            number, prev = row.id, row.hash
    for found in known.values():
        if found.number:
            yield Flaw(found.number, "missing, and a signed head names it")
    strays = select(look_up.c.id).where(look_up.c.id > look_ups).order_by(look_up.c.id)
    for stray in connection.execute(strays).scalars():
        yield Flaw(stray, "has no row in the register", of_look_up=True)


def count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(look_up_event)).scalar_one()


def _wrong(row: Any, event: Event | None, prev: bytes | None) -> str | None:
    if event is None:
        return "altered: it cannot be read"
    if sha256(bytes.fromhex(event.prev) + row.body).digest() != row.hash:
        return "altered"
    if prev is not None and event.prev != prev.hex():
        return "does not follow from the one before it"
    stands = (row.id, row.kind, row.look_up_id, row.community_id, row.at, row.account)
    said = (event.number, event.kind, event.look_up, event.community, event.at, event.account)
    return None if stands == said else "altered: its columns say something else than what was hashed"


def _wrong_look_up(event: Event, number: int, row: Any | None, expected: int) -> Iterator[Flaw]:
    if event.look_up != expected:
        yield Flaw(number, f"look-up {expected} should be here")
    if row is None:
        yield Flaw(event.look_up or 0, "its row is missing", of_look_up=True)
        return
    own = {"community_id": event.community, "at": event.at, "account": event.account, "id": event.look_up}
    stands = {name: _plain(value) for name, value in row._mapping.items() if name != "event_id"}
    if stands != {**event.facts, **own}:
        yield Flaw(row.id, "altered: it says something else than the register", of_look_up=True)


def _look_ups(connection: Connection, rows: Any) -> dict[int, Any]:
    """By the number of the row that made each."""
    columns = look_up.c
    within = (columns.event_id >= rows[0].id) & (columns.event_id <= rows[-1].id)
    return {row.event_id: row for row in connection.execute(select(look_up).where(within))}


def _read(body: bytes) -> Event | None:
    try:
        event = msgspec.json.decode(body, type=Event)
        bytes.fromhex(event.prev)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return event


_OWN_FIELDS: Final = frozenset({"community_id", "at", "account"})


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


def _what_is_signed(number: int, digest: bytes, at_us: int) -> bytes:
    return _PURPOSE + number.to_bytes(8, "big") + digest + at_us.to_bytes(8, "big")


def one_at_a_time(connection: Connection) -> None:
    """Until the transaction ends nobody else adds a row; SQLite has one writer anyhow."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE look_up_event IN SHARE ROW EXCLUSIVE MODE")
