"""Passes that residents give: for their own home alone, each seen and taken back by whoever gave it.

Within the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Text, cast, literal, select

from central.accounts.book import sites_of
from central.accounts.who import Who
from central.errors import BadQuestion, Clash, NotThere
from central.register.oneself import OwnHome, community_of, homes_of, person_of
from central.store.account_tables import account, account_person
from central.store.register_tables import person
from central.store.visitor_tables import visitor_pass
from central.undo import TOO_LATE
from central.visitors import passes
from central.visitors.passes import Desk, Issued, Pass, Visitor, Wanted
from central.visitors.ways import way_to
from central.visitors.words import PassKind, VisitReason
from messages.access_list import EVERY_DOOR

MOST_GOOD: Final = 10
"""Of one resident at one time."""

_CENTRE: Final = "the centre"
"""Who takes back what nobody is there to take back."""

OWN_KINDS: Final = (PassKind.QR, PassKind.PIN)
"""What a resident can hand on; cards are lent, and documents read, at the desk."""


@dataclass(frozen=True, slots=True)
class OwnWanted:
    """`room`: None is the only home. Times are UTC microseconds, of whole minutes."""

    kind: PassKind
    reason: VisitReason
    from_us: int
    until_us: int
    uses: int | None = None
    room: int | None = None


def own_homes(connection: Connection, who: Who, now_us: int) -> list[OwnHome]:
    """Raises NotAllowed, NotThere."""
    number = person_of(who)
    return homes_of(connection, community_of(connection, number), number, now_us)


def give(connection: Connection, desk: Desk, who: Who, wanted: OwnWanted, now_us: int) -> Issued:
    """Raises NotAllowed, NotThere, BadQuestion, and Clash where too many are good already."""
    if wanted.kind not in OWN_KINDS:
        raise BadQuestion("kind", "is a QR code or a PIN; cards are lent at the desk")
    home = _home(own_homes(connection, who, now_us), wanted.room)
    if home.until_us is not None and wanted.until_us > home.until_us:
        raise BadQuestion("until", "lies after the day on which your own right to this home ends")
    way = way_to(connection, home.room)
    if way is None:
        raise BadQuestion("room", "no door leads to this home yet")
    if EVERY_DOOR in way.doors:
        raise Clash("more doors lead to this home than a pass can name; ask at the desk")
    _refuse_many(connection, who, now_us)
    asked = Wanted(
        kind=wanted.kind,
        site=way.site,
        reason=wanted.reason,
        from_us=wanted.from_us,
        until_us=wanted.until_us,
        doors=way.doors,
        uses=wanted.uses,
        room=home.room,
    )
    return desk.issue(connection, asked, Visitor(), by=who.by, now_us=now_us)


def own_passes(connection: Connection, who: Who) -> list[Pass]:
    """All that this account gave, the newest first. Raises NotAllowed."""
    person_of(who)
    return passes.given_by(connection, who.by)


def own_pass(connection: Connection, who: Who, number: int) -> Pass:
    """Raises NotAllowed, NotThere."""
    person_of(who)
    found = passes.one_pass(connection, number, sites_of(connection, who.communities))
    if found.issued_by != who.by:
        raise NotThere("there is no such pass")
    return found


def revoke(connection: Connection, who: Who, number: int, now_us: int) -> Pass:
    """Raises NotAllowed, NotThere, and Clash for one that was revoked already."""
    found = own_pass(connection, who, number)
    return passes.revoke(connection, number, [found.site], by=who.by, now_us=now_us)


def restore(connection: Connection, who: Who, number: int, now_us: int) -> Pass:
    """Taken back a moment ago, it is good again. Raises NotAllowed, NotThere; Clash also where its home is
    not theirs any more, or not for so long."""
    found = own_pass(connection, who, number)
    if not can_restore(connection, who, found, now_us):
        raise Clash(TOO_LATE)
    _refuse_many(connection, who, now_us)
    return passes.restore(connection, number, [found.site], by=who.by, now_us=now_us)


def can_restore(connection: Connection, who: Who, found: Pass, now_us: int) -> bool:
    """Raises NotAllowed, NotThere."""
    if not passes.can_restore(connection, found, by=who.by, now_us=now_us):
        return False
    return _is_theirs(own_homes(connection, who, now_us), found.room, found.until_us)


def end_without_right(connection: Connection, now_us: int) -> int:
    """Takes back what is good still although whoever gave it lives there no more, or not for so long, or has
    no account any more; how many."""
    columns = visitor_pass.c
    asked = (
        select(
            columns.id, columns.site, columns.room_id, columns.until_at, person.c.id, account.c.disabled_at
        )
        .join(account, columns.issued_by == literal("account ") + cast(account.c.id, Text))
        .join(account_person, account_person.c.account_id == account.c.id)
        .join(person, person.c.id == account_person.c.person_id)
        .where(columns.until_at > now_us, columns.revoked_at.is_(None))
    )
    ended = 0
    for number, site, room, until_us, giver, disabled_at in connection.execute(asked).all():
        homes = (
            []
            if disabled_at is not None
            else homes_of(connection, community_of(connection, giver), giver, now_us)
        )
        if not _is_theirs(homes, room, until_us):
            passes.revoke(connection, number, [site], by=_CENTRE, now_us=now_us)
            ended += 1
    return ended


def _is_theirs(homes: Sequence[OwnHome], room: int | None, until_us: int) -> bool:
    ends = [each.until_us for each in homes if each.room == room]
    return any(end_us is None or end_us >= until_us for end_us in ends)


def _refuse_many(connection: Connection, who: Who, now_us: int) -> None:
    """Raises Clash."""
    given = own_passes(connection, who)
    if sum(each.revoked_us is None and each.until_us > now_us for each in given) >= MOST_GOOD:
        raise Clash(f"{MOST_GOOD} of your passes are good already; take one back first")


def _home(homes: Sequence[OwnHome], room: int | None) -> OwnHome:
    """Raises NotThere, BadQuestion."""
    if not homes:
        raise NotThere("the register knows no home of yours now; your community answers for it")
    if room is None:
        if len(homes) > 1:
            raise BadQuestion("room", "you have several homes: say for which one")
        return homes[0]
    for each in homes:
        if each.room == room:
            return each
    raise NotThere("this is no home of yours")
