"""Takes an approved look-up out as a file, signed by the centre, its hash on record before it is given.

The file comes with its signature beside it, in one archive: whoever gets the file can show that it is the one
that the centre gave, and for which look-up (`liuhen-central audit check`).
"""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from hashlib import sha256
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct
from sqlalchemy import Connection

from central.errors import BadQuestion, Clash, IdentityGone, NotAllowed
from central.honey import touches
from central.lookup.case_file import BY_NAME, DESTROYED, Called, by_whom, case_file
from central.lookup.case_formats import Format, written
from central.lookup.masking import masked
from central.lookup.paging import MAX_PAGE, Found, Place, one
from central.lookup.revealing import opened
from central.lookup.rules import ALONE_RECORDS, Asker
from central.lookup.service import DoorComplete, LookUps, append_of, may, toucher_of
from central.lookup.states import State, own_row, state_of, why_resting
from central.lookup.words import Act, Happened, Shown, Through
from messages.signing import key_id

Wording = Callable[[Connection, int, str | None], Called]
"""What things of a community are called, in a language; None: the usual one."""

MOST_RECORDS: Final = 100_000
VERSION: Final = 1
_PURPOSE: Final = b"liuhen/v1\0case-file\0"


class Signature(Struct, frozen=True, forbid_unknown_fields=True):
    """Lies beside the file. `signature`: Ed25519 over a fixed word, look-up, time and SHA-256 of the file."""

    v: int
    look_up: int
    file: str
    sha256: str
    records: int
    at: int
    signer: str
    signature: str


@dataclass(frozen=True, slots=True)
class Exported:
    """`archive`: a ZIP of the file and its signature."""

    name: str
    archive: bytes


@dataclass(frozen=True, slots=True)
class Gathered:
    row: Any
    found: Sequence[Found]
    doors: Sequence[DoorComplete]
    notes: Sequence[str]
    revealed: Mapping[tuple[int, str], str | None]


async def export(
    look_ups: LookUps,
    signing: Ed25519PrivateKey | None,
    asker: Asker,
    number: int,
    wanted: Format,
    *,
    wording: Wording | None = None,
    language: str | None = None,
) -> Exported:
    """`wording` None: everything is called by the name that programs use. Raises NotThere, NotAllowed, Clash,
    BadQuestion, StoreUnavailable."""
    if signing is None:
        raise Clash("this centre has no keys to sign with; liuhen-central keys make")
    row, state = await look_ups.questions.ask(
        lambda db: may_take_out(db, asker, number, Act.EXPORT, look_ups.now_us())
    )
    all_of_it = await gathered(look_ups, row, state)
    now_us = look_ups.now_us()
    called = BY_NAME
    if wording is not None:
        called = await look_ups.questions.ask(lambda db: _read_out(wording, db, row, language))
    by = by_whom(asker.account, asker.unit, called)
    text = await asyncio.to_thread(
        _text_of, all_of_it, wanted, by=by, at_us=now_us, zone=look_ups.zone, called=called
    )
    name = f"look-up-{number}.{wanted}"
    signature = _signed(signing, number, name, text, records=len(all_of_it.found), at_us=now_us)
    facts = {
        "format": wanted,
        "records": len(all_of_it.found),
        "sha256": signature.sha256,
        "complete": all(door.complete for door in all_of_it.doors) and not all_of_it.notes,
    }

    def exported(db: Connection) -> None:
        append_of(db, row, Happened.EXPORTED, facts, asker=asker, at_us=now_us)
        touches.note_again(db, row, toucher_of(asker), Through.EXPORT, now_us)

    await look_ups.record(exported)
    return Exported(f"look-up-{number}.zip", _archive(name, text, signature))


def _read_out(wording: Wording, connection: Connection, row: Any, language: str | None) -> Called:
    """With the room that was asked about, as nothing is read once the file is being written."""
    called = wording(connection, row.community_id, language)
    asked = json.loads(row.parameters).get("room")
    room = "" if asked is None else called.room(asked)
    return replace(called, room=lambda _: room)


def _text_of(found: Gathered, wanted: Format, *, by: str, at_us: int, zone: tzinfo, called: Called) -> bytes:
    """Of 10,000 records CSV takes 0.1 s, XLSX 3 s and PDF 18 s of a processor: never in the event loop."""
    made = case_file(
        found.row,
        [masked(each, found.row.asked_hash) for each in found.found],
        found.revealed,
        doors=found.doors,
        notes=found.notes,
        by=by,
        at_us=at_us,
        zone=zone,
        called=called,
    )
    return written(made, wanted)


def check(text: bytes, beside: bytes, signers: Mapping[str, Ed25519PublicKey]) -> Signature:
    """Raises BadQuestion where the file is not the one that the centre signed."""
    try:
        found = msgspec.json.decode(beside, type=Signature)
        signed = _what_is_signed(found.look_up, found.at, sha256(text).digest())
        signers[found.signer].verify(bytes.fromhex(found.signature), signed)
    except KeyError:
        raise BadQuestion("signature", "of a key that is not known here") from None
    except InvalidSignature:
        raise BadQuestion("signature", "does not fit: the file is not the one that was signed") from None
    except (msgspec.MsgspecError, ValueError, OverflowError):
        raise BadQuestion("signature", "not what lies beside a case file") from None
    return found


def may_take_out(
    connection: Connection, asker: Asker, number: int, act: Act, now_us: int
) -> tuple[Any, State]:
    """The row of a look-up of one's own, and its state. Raises NotThere, NotAllowed."""
    row = own_row(connection, asker, number)
    resting = why_resting(connection, asker, now_us)
    if resting is not None:
        raise NotAllowed(f"your look-ups rest: {resting}")
    state = state_of(connection, number)
    if not state.approved(act):
        raise NotAllowed(f"this needs the approval of somebody of another unit: {act}")
    return row, state


async def gathered(look_ups: LookUps, row: Any, state: State) -> Gathered:
    """All records of an approved look-up, with what of them was revealed."""
    found: list[Found] = []
    noted: dict[str, None] = {}
    doors: list[DoorComplete] | None = None
    after: Place | None = None
    while True:
        page, more, doors_now, notes = await look_ups.questions.ask(
            lambda db, at=after: look_ups.find(db, row, MAX_PAGE, at)  # type: ignore[misc]
        )
        doors = doors_now if doors is None else doors  # of the newest page: what came since may be in none
        noted |= dict.fromkeys(notes)
        found += page
        if not may(state, row, Act.WHOLE) and len(found) > ALONE_RECORDS:
            raise NotAllowed(f"more than {ALONE_RECORDS} records: the whole answer must be approved, too")
        if len(found) > MOST_RECORDS:
            raise BadQuestion("format", f"more than {MOST_RECORDS} records; ask for a shorter time")
        if not more:
            break
        after = page[-1].place
    here = {each.id for each in found}
    shown = sorted(each for each in state.revealed if each[0] in here)
    revealed = await look_ups.questions.ask(lambda db: _opened(db, look_ups, row, shown))
    return Gathered(row, found, doors, tuple(noted), revealed)


def _opened(
    connection: Connection, look_ups: LookUps, row: Any, shown: Sequence[tuple[int, str]]
) -> dict[tuple[int, str], str | None]:
    """What was revealed, each with its row in the register, as far as it can still be read."""
    values: dict[tuple[int, str], str | None] = {}
    for number, field in shown:
        found = one(connection, number)
        if found is None:
            continue
        try:
            values[number, field] = opened(connection, look_ups.vault, row, found, Shown(field))
        except IdentityGone:
            values[number, field] = DESTROYED
    return values


def _signed(
    signing: Ed25519PrivateKey, number: int, name: str, text: bytes, *, records: int, at_us: int
) -> Signature:
    digest = sha256(text).digest()
    return Signature(
        v=VERSION,
        look_up=number,
        file=name,
        sha256=digest.hex(),
        records=records,
        at=at_us,
        signer=key_id(signing.public_key()),
        signature=signing.sign(_what_is_signed(number, at_us, digest)).hex(),
    )


def _what_is_signed(number: int, at_us: int, digest: bytes) -> bytes:
    return _PURPOSE + number.to_bytes(8, "big") + at_us.to_bytes(8, "big") + digest


def _archive(name: str, text: bytes, signature: Signature) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
        archive.writestr(f"{name}.signature.json", msgspec.json.encode(signature))
    return made.getvalue()
