"""A resident's own requests: made about themselves, read with their answers, withdrawn before them."""

from __future__ import annotations

from sqlalchemy import Connection

from central.accounts.who import Who
from central.register.desk import Desk
from central.register.office import Office
from central.register.oneself import community_of, counting, person_of
from central.requests import book
from central.requests.book import OwnRequest, Texts
from central.requests.words import RequestKind


async def make(office: Office, who: Who, kind: RequestKind, text: str) -> OwnRequest:
    """Raises NotAllowed, NotThere, BadQuestion, Clash."""
    number = person_of(who)
    community = await office.questions.ask(lambda db: community_of(db, number))

    def change(desk: Desk) -> OwnRequest:
        return book.receive(desk, kind, text, person_id=counting(desk.connection, number), at_desk=False)

    return await office.act(who, community, change)


async def withdraw(office: Office, who: Who, number: int) -> OwnRequest:
    """One that nobody has answered. Raises NotAllowed, NotThere, Clash."""
    whose = person_of(who)
    community = await office.questions.ask(lambda db: community_of(db, whose))

    def change(desk: Desk) -> OwnRequest:
        return book.withdraw(desk, number, of_person=counting(desk.connection, whose))

    return await office.act(who, community, change)


async def made(office: Office, who: Who) -> list[tuple[OwnRequest, Texts]]:
    """The newest first. Raises NotAllowed, NotThere."""
    number = person_of(who)

    def ask(db: Connection) -> list[tuple[OwnRequest, Texts]]:
        found = book.requests_of_person(db, community_of(db, number), counting(db, number))
        return [(each, book.texts_of(db, office.vault, each)) for each in found]

    return await office.questions.ask(ask)
