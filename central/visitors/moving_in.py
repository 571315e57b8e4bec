"""A visitor stays: whoever came with a pass becomes somebody who lives here, in one act. Given a `Desk`.

What the register knows of a person is asked for, as of anybody who moves in; only the name may be taken from
the pass, where it was asked for then, and the act says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import select

from central.errors import BadQuestion, Clash, IdentityGone
from central.register.desk import Desk
from central.register.leases import make_lease
from central.register.people import register_person, registered_as
from central.register.residencies import Arrival, move_in
from central.register.words import CATEGORY_OF, RENTERS, DocumentType, RegisterAct, Relation
from central.store.register_tables import residency, site
from central.visitors.passes import Pass, end_for_a_home, named_on, one_pass


@dataclass(frozen=True, slots=True, repr=False)
class Stay:
    """`room`: None is the one that the visit was for. `name`, `phone`: None are taken from the pass. Times
    are UTC microseconds; `until_us` None: no end is agreed."""

    relation: Relation
    document: DocumentType
    from_us: int
    until_us: int | None
    reason: str
    room: int | None = None
    name: str | None = None
    number: str | None = None
    phone: str | None = None

    def __repr__(self) -> str:
        return f"Stay({self.relation})"


@dataclass(frozen=True, slots=True)
class Moved:
    """`lease`: None where nothing is rented. `known`: the number was registered already, so that neither name
    nor phone were written down."""

    person: int
    residency: int
    lease: int | None
    room: int
    known: bool


_NO_NAME: Final = "nobody was asked for it when this pass was given; ask now"
_NAME_GONE: Final = "what this pass said of it was deleted when its time was over; ask now"


def stay(desk: Desk, number: int, wanted: Stay, *, by: str) -> Moved:
    """The person is registered, or is who they are already; they move in, tenants by a lease of their own;
    the pass ends. Doors follow: those on the way to the home open to the person's credentials.

    Raises NotThere, BadQuestion, Clash.
    """
    given = _pass_of(desk, number)
    if given.revoked_us is not None:
        raise Clash("this pass was revoked; whoever has none moves in from the page of the home")
    room = given.room if wanted.room is None else wanted.room
    if room is None:
        raise BadQuestion("room", "the visit was for no home: say for which one")
    name, phone = _identity(desk, given, wanted)
    known = registered_as(desk, wanted.document, wanted.number)
    person = known or register_person(
        desk,
        name=name,
        document=wanted.document,
        number=wanted.number,
        phone=phone,
        category=CATEGORY_OF[wanted.relation],
    )
    lease = None
    if wanted.relation in RENTERS:
        lease = make_lease(desk, room, from_us=wanted.from_us, until_us=wanted.until_us)
    arrival = Arrival(person, room, wanted.relation, lease, None if lease else wanted.until_us)
    lives = move_in(desk, arrival, since_us=wanted.from_us)
    body = {"pass": given.id, "name_from_pass": wanted.name is None}
    desk.note(RegisterAct.VISITOR_STAYED, residency, lives, reason=wanted.reason, body=body)
    end_for_a_home(desk.connection, given, by=by, now_us=desk.now_us)
    return Moved(person, lives, lease, room, known is not None)


def _pass_of(desk: Desk, number: int) -> Pass:
    """Raises NotThere."""
    mine = select(site.c.name).where(site.c.community_id == desk.community)
    return one_pass(desk.connection, number, list(desk.connection.execute(mine).scalars()))


def _identity(desk: Desk, given: Pass, wanted: Stay) -> tuple[str, str | None]:
    """Raises BadQuestion, IdentityDamaged."""
    if wanted.name is not None:
        return wanted.name, wanted.phone
    try:
        name, phone = named_on(desk.connection, desk.vault, given) or ("", "")
    except IdentityGone:  # the day's key went before its row
        raise BadQuestion("name", _NAME_GONE) from None
    if not name:
        raise BadQuestion("name", _NO_NAME)
    return name, wanted.phone or phone or None
