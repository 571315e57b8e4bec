"""Whose data a resident's account is about: its own person's, and nobody else's."""

from __future__ import annotations

from sqlalchemy import Connection, select

from central.accounts.who import Who
from central.errors import NotAllowed, NotThere
from central.store.register_tables import person


def person_of(who: Who) -> int:
    """Of the register. Raises NotAllowed."""
    if who.machine or who.person is None:
        raise NotAllowed("this is for residents alone, each with an account of their own")
    return who.person


def community_of(connection: Connection, number: int) -> int:
    """Of a person of the register. Raises NotThere."""
    found = connection.execute(select(person.c.community_id).where(person.c.id == number)).scalar()
    if found is None:
        raise NotThere("the register has you no longer; your community answers for it")
    return int(found)
