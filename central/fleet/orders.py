"""Site settings and commands as the centre sends them, and what became of them. Noted first, then sent.

A command without its note in the database cannot go out, and what the gateway answers is believed by its
signature alone (trust.md R-54: recorded on both sides). Knows no broker.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, func, insert, select, update

from central.errors import OrderRefused
from central.fleet.keys import gateway_keys
from central.fleet.lists import Lack
from central.store.tables import gateway, sent_command, sent_settings
from messages.commands import (
    COMMAND_VERSION,
    USUAL_LIFE_US,
    Action,
    Command,
    RecordRange,
    Result,
    Why,
    decode_command,
    decode_result,
    encode_order,
)
from messages.errors import MessageError
from messages.signing import EVERY_GATEWAY, Purpose, opened, sign
from messages.site_settings import decode_site_settings

_PUBLISHED = frozenset({"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"})
"""Keys that examples are fond of."""

BY_CENTRE: Final = "centre"
BY_COMMAND_LINE: Final = "command line"
"""Who wrote settings, beside accounts."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A gateway's word on a command, as it is noted."""

    site: str
    gateway: str
    result: Result


def site_of(connection: Connection, name: str) -> str:
    """The site of the one gateway of that name. Raises OrderRefused where there is none, or are several."""
    found = connection.execute(select(gateway.c.site).where(gateway.c.name == name)).scalars().all()
    if len(found) != 1:
        how_many = "no gateway" if not found else f"gateways of {len(found)} sites"
        raise OrderRefused(f"{how_many} of that name ever spoke to this centre; name the site with --site")
    return str(found[0])


# --- settings --------------------------------------------------------------------------------------------


def note_settings(
    connection: Connection,
    site: str,
    name: str,
    body: bytes,
    now_us: int,
    *,
    by: str,
    puts_back: int | None = None,
) -> int:
    """Notes the settings that `name`, or every gateway of the site, is to have; returns their revision. `by`:
    an account, BY_CENTRE or BY_COMMAND_LINE.

    Raises OrderRefused for what are no site settings, and for a revision that is known already.
    """
    try:
        decoded = decode_site_settings(body)
    except MessageError as error:
        raise OrderRefused(f"these are no site settings: {error}") from None
    if _PUBLISHED & set(decoded.pass_keys):
        raise OrderRefused(
            "$.pass_keys holds a key whose private half is published (RFC 8032): anybody could make passes;"
            " write the one that liuhen-central keys show prints under signing"
        )
    revision = decoded.revision
    there = [sent_settings.c.site == site]
    if name != EVERY_GATEWAY:
        there.append(sent_settings.c.gateway.in_([name, EVERY_GATEWAY]))
    newest = connection.execute(select(func.max(sent_settings.c.revision)).where(*there)).scalar()
    if newest is not None and revision <= newest:
        raise OrderRefused(
            f"the settings have revision {revision}, and {newest} is known already; gateways never go back:"
            f" write {newest + 1} or more"
        )
    row = {"site": site, "gateway": name, "revision": revision, "body": body, "noted_at": now_us}
    connection.execute(insert(sent_settings).values(**row, written_by=by, puts_back=puts_back))
    return revision


def lacking_settings(connection: Connection) -> list[Lack]:
    """Connected gateways whose newest settings here are not those they have; `has` None: they do not say."""
    mine = (sent_settings.c.site == gateway.c.site) & sent_settings.c.gateway.in_(
        [gateway.c.name, EVERY_GATEWAY]
    )
    due = select(func.max(sent_settings.c.id)).where(mine).correlate(gateway).scalar_subquery()
    asked = select(
        gateway.c.site,
        gateway.c.name,
        gateway.c.session,
        gateway.c.settings_revision,
        sent_settings.c.revision,
        sent_settings.c.id,
        sent_settings.c.noted_at,
    ).join(sent_settings, sent_settings.c.id == due)
    differ = func.coalesce(gateway.c.settings_revision, -1) != sent_settings.c.revision
    found = connection.execute(asked.where(gateway.c.online == 1, differ).order_by(gateway.c.id))
    return [Lack(*row) for row in found]


def settings_for(connection: Connection, key: Ed25519PrivateKey, site: str, name: str) -> bytes | None:
    """The signed settings that a gateway should have; None: none were ever sent to it."""
    there = (sent_settings.c.site == site) & sent_settings.c.gateway.in_([name, EVERY_GATEWAY])
    body = connection.execute(
        select(sent_settings.c.body).where(there).order_by(sent_settings.c.id.desc()).limit(1)
    ).scalar()
    return None if body is None else sign(key, Purpose.SETTINGS, site, name, body)


# --- commands --------------------------------------------------------------------------------------------


def make_command(
    command_id: str,
    action: Action,
    operator: str,
    why: Why,
    now_us: int,
    *,
    door: str | None = None,
    until_us: int | None = None,
    ranges: tuple[RecordRange, ...] = (),
) -> Command:
    """Raises OrderRefused where its parts do not belong together."""
    command = Command(
        v=COMMAND_VERSION,
        id=command_id,
        action=action,
        operator=operator,
        why=why,
        issued_us=now_us,
        expires_us=now_us + USUAL_LIFE_US,
        door=door,
        until_us=until_us,
        ranges=ranges,
    )
    try:
        return decode_command(encode_order(command))
    except MessageError as error:
        raise OrderRefused(str(error)) from None


def note_command(connection: Connection, site: str, name: str, command: Command) -> None:
    row = {
        "command": command.id,
        "site": site,
        "gateway": name,
        "action": command.action,
        "door": command.door,
        "operator": command.operator,
        "why": command.why,
        "issued_at": command.issued_us,
        "expires_at": command.expires_us,
        "until_at": command.until_us,
    }
    connection.execute(insert(sent_command).values(row))


def signed_command(key: Ed25519PrivateKey, site: str, name: str, command: Command) -> bytes:
    return sign(key, Purpose.COMMAND, site, name, encode_order(command))


def read_answer(folder: Path, site: str, name: str, payload: bytes) -> Answer:
    """Raises OrderRefused for what that gateway has not signed, or whose keys are not known here."""
    known = gateway_keys(folder, site, name)
    if known is None:
        raise OrderRefused(
            f"gateway {name} of {site} answers, but is not known by its keys; bring what its `liuhen-gateway"
            " keys show` prints to `liuhen-central keys trust`"
        )
    try:
        body = opened(payload, known.signers(), Purpose.RESULT, site, name, alone=True)
        return Answer(site, name, decode_result(body))
    except MessageError as error:
        raise OrderRefused(f"an answer of gateway {name} of {site} is not believed: {error}") from None


def note_answer(connection: Connection, answer: Answer, now_us: int) -> bool:
    """The first word on a command counts; False: it was sent to another, never, or answered already."""
    result = answer.result
    there = (sent_command.c.command == result.id) & (sent_command.c.site == answer.site)
    there &= (sent_command.c.gateway == answer.gateway) & sent_command.c.outcome.is_(None)
    done = connection.execute(
        update(sent_command)
        .where(there)
        .values(
            answered_at=now_us,
            outcome=result.outcome,
            reason=result.reason,
            epoch=result.epoch,
            seq=result.seq,
        )
    )
    return done.rowcount == 1
