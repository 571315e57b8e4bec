"""A resident's own cards: what state they are in, and reported lost at once by whoever holds them.

Found again, extended, given or with another PIN: that is the desk's, where somebody sees who stands there. A
session that somebody else got hold of could otherwise open a door that its owner had shut.

Within the caller's transaction.
"""

from __future__ import annotations

from sqlalchemy import Connection

from central.accounts.who import Who
from central.errors import NotThere
from central.register.credential_life import CredentialAct, CredentialState
from central.register.credentials import Credential, LifeEvent, change, credentials_of, history_of
from central.register.desk import Desk
from central.register.oneself import community_of, counting, person_of


def own_community(connection: Connection, who: Who) -> int:
    """Raises NotAllowed, NotThere."""
    return community_of(connection, person_of(who))


def own_cards(connection: Connection, who: Who) -> list[Credential]:
    """All of one's own, also of a row that was merged, returned ones last. Raises NotAllowed, NotThere."""
    number = person_of(who)
    found = credentials_of(connection, community_of(connection, number), counting(connection, number))
    return sorted(found, key=lambda each: each.state == CredentialState.RETURNED)


def own_history(connection: Connection, who: Who, card: int) -> list[LifeEvent]:
    """Of one of one's own, oldest first. Raises NotAllowed, NotThere."""
    _the_own(connection, who, card)
    return history_of(connection, own_community(connection, who), card)


def report_own_lost(desk: Desk, who: Who, card: int) -> Credential:
    """As the desk does. Raises NotAllowed, NotThere; Clash for one that is lost already, or returned."""
    _the_own(desk.connection, who, card)
    change(desk, card, CredentialAct.REPORT_LOST)
    return _the_own(desk.connection, who, card)


def _the_own(connection: Connection, who: Who, card: int) -> Credential:
    for each in own_cards(connection, who):
        if each.id == card:
            return each
    raise NotThere("this is no card of yours")
