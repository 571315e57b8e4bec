"""Passes in the database: issued, extended, revoked, and as entries of access lists. Within the caller's
transaction.

A pass is never changed behind its owner's back: extending one is an event, and the text of a QR code that was
handed out stays what it was, so that an extended one gets another code.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import msgpack
from sqlalchemy import Connection, Row, insert, select, update

from central.assessments.gate import refuse_before_live
from central.errors import BadQuestion, Clash, NotThere, StoreUnavailable
from central.identity.periods import day_of
from central.identity.vault import Vault
from central.receipts import new_receipt
from central.register.credentials import good_number
from central.store.register_tables import place, site
from central.store.visitor_tables import visitor_pass, visitor_pass_event
from central.undo import TOO_LATE, is_recent
from central.visitors.ways import meant
from central.visitors.words import PassEvent, PassKind, VisitReason
from messages.access_list import EVERY_DOOR, Entry
from messages.errors import MessageError
from messages.site_settings import VISITOR
from messages.visitor_pass import LONGEST_PASS_MIN, MAX_PASS_DOORS, VisitorPass, doors_of, encode_pass

_MINUTE_US: Final = 60_000_000
LONGEST_US: Final = 31 * 24 * 60 * _MINUTE_US
"""Whoever comes for longer lives here, or has a right of their own."""

MOST_USES: Final = 1_000
PIN_DIGITS: Final = 8
"""One in a hundred million: at five tries a quarter of an hour nobody finds one in its time."""

MAX_PAGE: Final = 500
_MAX_TEXT: Final = 80
_REFERENCE_BYTES: Final = 8
_NAME: Final = "[a-z0-9][a-z0-9-]{0,31}"
_DOOR: Final = re.compile(rf"(\*|@{_NAME}|({_NAME}/)?{_NAME})")

assert LONGEST_US <= LONGEST_PASS_MIN * _MINUTE_US


@dataclass(frozen=True, slots=True, repr=False)
class Visitor:
    """Who comes, as far as somebody asked. Shows nothing of itself."""

    name: str = ""
    phone: str = ""

    def __repr__(self) -> str:
        return "Visitor(...)"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A pass to be issued. `number`: of the card that is lent, or of the document that will be shown, as the
    reader writes it; never kept. Times are UTC microseconds."""

    kind: PassKind
    site: str
    reason: VisitReason
    from_us: int
    until_us: int
    doors: tuple[str, ...] = (EVERY_DOOR,)
    uses: int | None = None
    room: int | None = None
    number: str | None = None

    def __repr__(self) -> str:
        return f"Wanted({self.kind}, {self.site}, {self.reason})"


@dataclass(frozen=True, slots=True)
class Pass:
    """One as it is kept."""

    id: int
    community: int
    site: str
    reference: str
    kind: PassKind
    token: bytes | None
    reason: VisitReason
    room: int | None
    doors: tuple[str, ...]
    from_us: int
    until_us: int
    uses: int | None
    issued_by: str
    issued_us: int
    revoked_us: int | None
    receipt: str | None


@dataclass(frozen=True, slots=True)
class Issued:
    """`shown`: what the visitor gets, once: the digits of a PIN, the text of a QR code."""

    made: Pass
    shown: str | None

    def __repr__(self) -> str:
        return f"Issued({self.made.id})"


class Desk:
    """Issues passes of one community's sites. `signing`: the centre's key, for QR codes."""

    def __init__(self, vault: Vault, signing: Ed25519PrivateKey) -> None:
        self._vault = vault
        self._signing = signing

    def issue(
        self, connection: Connection, wanted: Wanted, visitor: Visitor, *, by: str, now_us: int
    ) -> Issued:
        """Raises BadQuestion, NotThere, Clash; and SettingsError where the register's key was lost."""
        _refuse_impossible(wanted, visitor, now_us)
        community = _community_of(connection, wanted)
        refuse_before_live(connection, community)
        wanted = replace(wanted, doors=meant(connection, wanted.site, wanted.doors))
        reference, token, shown = self._credential(connection, wanted)
        values = {
            "community_id": community,
            "site": wanted.site,
            "reference": reference,
            "kind": wanted.kind,
            "token": token,
            "reason": wanted.reason,
            "room_id": wanted.room,
            "doors": json.dumps(list(wanted.doors)),
            "from_at": wanted.from_us,
            "until_at": wanted.until_us,
            "uses": wanted.uses,
            "issued_by": by,
            "issued_at": now_us,
            "receipt": new_receipt(),
        }
        made = connection.execute(insert(visitor_pass).values(values)).inserted_primary_key
        assert made is not None
        number = int(made[0])
        if visitor != Visitor():
            day = day_of(wanted.until_us, self._vault.zone)
            plain = msgpack.encode([visitor.name, visitor.phone])
            sealed = self._vault.seal_period(community, day, f"visitor_pass:{number}", plain)
            named = {"name_day": day, "name_sealed": sealed}
            connection.execute(update(visitor_pass).where(visitor_pass.c.id == number).values(named))
        _note(connection, number, PassEvent.ISSUED, by, now_us=now_us)
        return Issued(one_pass(connection, number, [wanted.site]), shown)

    def visitor_of(self, connection: Connection, number: int, sites: Sequence[str]) -> Visitor:
        """Raises NotThere, IdentityGone, IdentityDamaged."""
        row = _row(connection, number, sites)
        return Visitor(*(opened_pass(self._vault, row) or ("", "")))

    def text_of(self, found: Pass) -> str:
        """Of its QR code, the same each time. Raises Clash for a pass of another kind."""
        if found.kind is not PassKind.QR:
            raise Clash("only a QR code has a picture")
        return encode_pass(_signed_form(found), self._signing)

    def _credential(self, connection: Connection, wanted: Wanted) -> tuple[str, bytes, str | None]:
        chance = secrets.token_hex(_REFERENCE_BYTES)
        match wanted.kind:
            case PassKind.QR:
                form = VisitorPass(
                    chance, wanted.site, wanted.from_us, wanted.until_us, wanted.doors, wanted.uses
                )
                try:
                    text = encode_pass(form, self._signing)
                except MessageError:
                    raise BadQuestion(
                        "doors", "have names too long for one code; name fewer, or a @group"
                    ) from None
                return form.holder, self._vault.token(wanted.site, wanted.kind, text), text
            case PassKind.PIN:
                pin = f"{secrets.randbelow(10**PIN_DIGITS):0{PIN_DIGITS}d}"
                return f"guest-{chance}", self._vault.token(wanted.site, wanted.kind, pin), pin
            case _:
                assert wanted.number is not None
                number = good_number(wanted.kind, wanted.number)
                token = self._vault.token(wanted.site, wanted.kind, number)
                _refuse_taken(connection, wanted.site, (wanted.from_us, wanted.until_us), token)
                return f"guest-{chance}", token, None


def the_desk(desk: Desk | None) -> Desk:
    """Raises StoreUnavailable."""
    if desk is None:
        raise StoreUnavailable("no passes are issued here: the centre has no key ring, or no keys to sign")
    return desk


def opened_pass(vault: Vault, row: Row[Any]) -> tuple[str, str] | None:
    """Name and phone by a row of `visitor_pass`; None where nothing is kept. Raises IdentityGone where the
    day's keys are destroyed, IdentityDamaged."""
    named = f"visitor_pass:{row.id}"
    if row.name_sealed is not None:
        plain = vault.open_period(row.community_id, row.name_day, named, row.name_sealed)
    elif row.sealed is not None:
        plain = vault.open_register(row.community_id, named, row.sealed)
    else:
        return None
    return msgpack.decode(plain, type=tuple[str, str])


def extend(
    connection: Connection, number: int, until_us: int, sites: Sequence[str], *, by: str, now_us: int
) -> Pass:
    """Raises NotThere, BadQuestion, and Clash for one that was revoked or is a QR code, which says itself
    when it ends. How long a name is kept stays counted from the first end."""
    found = one_pass(connection, number, sites)
    if found.revoked_us is not None:
        raise Clash("this pass was revoked; issue another one")
    if found.kind is PassKind.QR:
        raise Clash("a QR code says itself when it ends; issue another one")
    if until_us <= found.until_us or until_us - found.from_us > LONGEST_US:
        raise BadQuestion("until", "lies after the present end, and a month after its beginning at most")
    connection.execute(update(visitor_pass).where(visitor_pass.c.id == number).values(until_at=until_us))
    _note(connection, number, PassEvent.EXTENDED, by, now_us=now_us, until_us=until_us)
    return one_pass(connection, number, sites)


def revoke(connection: Connection, number: int, sites: Sequence[str], *, by: str, now_us: int) -> Pass:
    """From now on no door opens to it; doors without a line learn of it with their next list. Raises
    NotThere, Clash."""
    if one_pass(connection, number, sites).revoked_us is not None:
        raise Clash("this pass was revoked already")
    connection.execute(update(visitor_pass).where(visitor_pass.c.id == number).values(revoked_at=now_us))
    _note(connection, number, PassEvent.REVOKED, by, now_us=now_us)
    return one_pass(connection, number, sites)


def restore(connection: Connection, number: int, sites: Sequence[str], *, by: str, now_us: int) -> Pass:
    """Revoked a moment ago by the same account, it is good again. Raises NotThere; Clash where it is too
    late, or its card was given to another visitor since, also where that one's pass was revoked: gateways
    block its card."""
    row = _row(connection, number, sites)
    if not can_restore(connection, _pass(row), by=by, now_us=now_us):
        raise Clash(TOO_LATE)
    connection.execute(update(visitor_pass).where(visitor_pass.c.id == number).values(revoked_at=None))
    _note(connection, number, PassEvent.RESTORED, by, now_us=now_us)
    return one_pass(connection, number, sites)


def can_restore(connection: Connection, found: Pass, *, by: str, now_us: int) -> bool:
    if not was_just_revoked(connection, found, by=by, now_us=now_us):
        return False
    passes_ = visitor_pass.c
    later = (passes_.site == found.site) & (passes_.token == found.token) & (passes_.id > found.id)
    return connection.execute(select(passes_.id).where(later).limit(1)).first() is None


def was_just_revoked(connection: Connection, found: Pass, *, by: str, now_us: int) -> bool:
    """By that account, as the last that became of it, and its time is not over."""
    columns = visitor_pass_event.c
    asked = select(visitor_pass_event).where(columns.pass_id == found.id).order_by(columns.id.desc()).limit(1)
    last = connection.execute(asked).first()
    if last is None or (last.event, last.by) != (PassEvent.REVOKED, by):
        return False
    return is_recent(last.at, now_us) and found.until_us > now_us


def nothing_since(connection: Connection, found: Pass) -> bool:
    """Whether that it was given is the last that became of it."""
    asked = select(visitor_pass_event.c.id).where(visitor_pass_event.c.pass_id == found.id)
    return len(connection.execute(asked.limit(2)).all()) == 1


def end_for_a_home(connection: Connection, found: Pass, *, by: str, now_us: int) -> None:
    """The visitor lives here now: no door opens to the pass any more."""
    ended = update(visitor_pass).where(visitor_pass.c.id == found.id).values(revoked_at=now_us)
    connection.execute(ended)
    _note(connection, found.id, PassEvent.STAYED, by, now_us=now_us)


def named_on(connection: Connection, vault: Vault, found: Pass) -> tuple[str, str] | None:
    """Name and phone; None: nobody asked. Raises IdentityGone, IdentityDamaged."""
    return opened_pass(vault, _row(connection, found.id, [found.site]))


def who_stayed(connection: Connection, numbers: Sequence[int]) -> set[int]:
    """Of these passes, those whose visitors live here now."""
    columns = visitor_pass_event.c
    here = columns.pass_id.in_(numbers) & (columns.event == PassEvent.STAYED)
    return set(connection.execute(select(columns.pass_id).where(here)).scalars())


def forget_visitor(
    connection: Connection, number: int, sites: Sequence[str], *, by: str, now_us: int
) -> None:
    """Name and telephone go, because somebody asked for that; the pass stays as it is. Raises NotThere, and
    Clash where nothing is kept."""
    row = _row(connection, number, sites)
    if row.sealed is None and row.name_sealed is None:
        raise Clash("of whom this pass is for nothing is kept")
    gone = {"sealed": None, "name_sealed": None}
    connection.execute(update(visitor_pass).where(visitor_pass.c.id == number).values(gone))
    _note(connection, number, PassEvent.NAME_FORGOTTEN, by, now_us=now_us)


def one_pass(connection: Connection, number: int, sites: Sequence[str]) -> Pass:
    """Raises NotThere."""
    return _pass(_row(connection, number, sites))


def passes(
    connection: Connection,
    sites: Sequence[str],
    from_us: int,
    until_us: int,
    *,
    before: int | None = None,
    limit: int = 100,
) -> list[Pass]:
    """Those that are good at any moment of that time, the newest first; `before`: with lower ids alone."""
    here = [
        visitor_pass.c.site.in_(sites),
        visitor_pass.c.until_at > from_us,
        visitor_pass.c.from_at < until_us,
    ]
    if before is not None:
        here.append(visitor_pass.c.id < before)
    query = select(visitor_pass).where(*here).order_by(visitor_pass.c.id.desc()).limit(limit)
    return [_pass(row) for row in connection.execute(query)]


def given_by(connection: Connection, by: str, *, limit: int = MAX_PAGE) -> list[Pass]:
    """By one account, the newest first."""
    here = visitor_pass.c.issued_by == by
    query = select(visitor_pass).where(here).order_by(visitor_pass.c.id.desc()).limit(limit)
    return [_pass(row) for row in connection.execute(query)]


def listed_passes(connection: Connection, site_name: str, now_us: int) -> list[Pass]:
    """Those that the access lists of a site's gateways speak of: what may come in, and what was revoked
    before its end. QR codes are judged by the gateway itself; only those that were revoked are in a list."""
    here = (visitor_pass.c.site == site_name) & (visitor_pass.c.until_at > now_us)
    rows = connection.execute(select(visitor_pass).where(here).order_by(visitor_pass.c.id))
    found = [_pass(row) for row in rows]
    return [each for each in found if each.kind is not PassKind.QR or each.revoked_us is not None]


def entries_at(gateway: str, found: Sequence[Pass]) -> list[Entry]:
    """Of those, what is in the list of one gateway: with its own doors alone, and nothing where a pass
    names none of them. What was revoked is blocked at every gateway."""
    own = [(each, doors_of(gateway, each.doors)) for each in found]
    return [_entry(each, doors) for each, doors in own if doors or each.revoked_us is not None]


def next_end_us(connection: Connection, site_name: str, now_us: int) -> int | None:
    """When the first of a site's passes ends by itself and its entry can go; None: there is none."""
    here = (visitor_pass.c.site == site_name) & (visitor_pass.c.until_at > now_us)
    query = select(visitor_pass.c.until_at).where(here).order_by(visitor_pass.c.until_at).limit(1)
    return connection.execute(query).scalar()


def _entry(found: Pass, doors: tuple[str, ...]) -> Entry:
    assert found.token is not None
    return Entry(
        token=found.token.hex(),
        holder=found.reference,
        category=VISITOR,
        doors=doors,
        from_us=found.from_us,
        until_us=found.until_us,
        blocked=found.revoked_us is not None,
        uses=found.uses,
    )


def _signed_form(found: Pass) -> VisitorPass:
    number = found.reference.removeprefix("pass-")
    return VisitorPass(number, found.site, found.from_us, found.until_us, found.doors, found.uses)


def _refuse_impossible(wanted: Wanted, visitor: Visitor, now_us: int) -> None:
    """Raises BadQuestion."""
    if wanted.from_us % _MINUTE_US or wanted.until_us % _MINUTE_US:
        raise BadQuestion("from", "begins and ends with a whole minute")
    if wanted.until_us <= max(wanted.from_us, now_us):
        raise BadQuestion("until", "lies after the beginning, and not in the past")
    if wanted.until_us - wanted.from_us > LONGEST_US:
        raise BadQuestion("until", "is 31 days after the beginning at most")
    if not 1 <= len(wanted.doors) <= MAX_PASS_DOORS or not all(map(_DOOR.fullmatch, wanted.doors)):
        raise BadQuestion("doors", f"are 1 to {MAX_PASS_DOORS} doors as gateway/door, @groups, or *")
    if wanted.uses is not None and not 1 <= wanted.uses <= MOST_USES:
        raise BadQuestion("uses", f"is 1 to {MOST_USES}, or left out")
    needs = wanted.kind in (PassKind.CARD, PassKind.ID_CARD)
    if needs and wanted.number is None:
        raise BadQuestion("number", "is that of the card or document, as its reader writes it")
    if needs and wanted.number is not None:
        good_number(wanted.kind, wanted.number)
    if not needs and wanted.number is not None:
        raise BadQuestion("number", "is for a card that is lent, or a document that will be shown")
    for field, text in (("name", visitor.name), ("phone", visitor.phone)):
        if len(text) > _MAX_TEXT:
            raise BadQuestion(field, f"has {_MAX_TEXT} characters at most")


def _community_of(connection: Connection, wanted: Wanted) -> int:
    """Raises NotThere."""
    found = connection.execute(select(site.c.community_id).where(site.c.name == wanted.site)).scalar()
    if found is None:
        raise NotThere("there is no such site")
    if wanted.room is not None:
        here = (place.c.id == wanted.room) & (place.c.community_id == found) & place.c.until_at.is_(None)
        if connection.execute(select(place.c.id).where(here)).first() is None:
            raise NotThere("there is no such room")
    return int(found)


def _refuse_taken(connection: Connection, site_name: str, during: tuple[int, int], token: bytes) -> None:
    """Raises Clash: one card cannot be two visitors at one time."""
    from_us, until_us = during
    here = (
        (visitor_pass.c.site == site_name)
        & (visitor_pass.c.token == token)
        & visitor_pass.c.revoked_at.is_(None)
        & (visitor_pass.c.until_at > from_us)
        & (visitor_pass.c.from_at < until_us)
    )
    if connection.execute(select(visitor_pass.c.id).where(here)).first() is not None:
        raise Clash("this card is good for another visitor in that time; revoke that pass first")


def _row(connection: Connection, number: int, sites: Sequence[str]) -> Row[Any]:
    here = (visitor_pass.c.id == number) & visitor_pass.c.site.in_(sites)
    row = connection.execute(select(visitor_pass).where(here)).first()
    if row is None:
        raise NotThere("there is no such pass")
    return row


def _pass(row: Row[Any]) -> Pass:
    return Pass(
        id=row.id,
        community=row.community_id,
        site=row.site,
        reference=row.reference,
        kind=PassKind(row.kind),
        token=row.token,
        reason=VisitReason(row.reason),
        room=row.room_id,
        doors=tuple(json.loads(row.doors)),
        from_us=row.from_at,
        until_us=row.until_at,
        uses=row.uses,
        issued_by=row.issued_by,
        issued_us=row.issued_at,
        revoked_us=row.revoked_at,
        receipt=row.receipt,
    )


def _note(
    connection: Connection,
    number: int,
    event: PassEvent,
    by: str,
    *,
    now_us: int,
    until_us: int | None = None,
) -> None:
    values = {"pass_id": number, "at": now_us, "event": event, "by": by, "until_at": until_us}
    connection.execute(insert(visitor_pass_event).values(values))
