"""The pages of the register, for community workers: places and homes, people, leases, stock and flow."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import Connection

from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.pages.homes import (
    imports,
    leases,
    leaving,
    moving,
    people,
    person,
    places,
    stock,
    undoing,
)
from central.console.registry import Found, Page, Section
from central.console.words import N_
from central.register.place_tree import path_text, paths, search

_WORKER = frozenset({Role.WORKER})
_MOST_FOUND = 8

PAGES = [
    Page("homes", "/homes", N_("Places and homes"), Section.HOMES, _WORKER, 10),
    Page("people", "/homes/people", N_("People"), Section.HOMES, _WORKER, 20),
    Page("leases", "/homes/leases", N_("Leases"), Section.HOMES, _WORKER, 30),
    Page("imports", "/homes/imports", N_("Import"), Section.HOMES, _WORKER, 50),
    Page("stock", "/homes/stock", N_("Stock and flow"), Section.HOMES, _WORKER, 40),
]


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()
    for each in (places, people, person, moving, leaving, leases, imports, stock, undoing):
        pages.include_router(each.router(centre))
    return pages


async def find(centre: Centre, who: Who, text: str) -> list[Found]:
    """Whom a card laid on the desk reader, a whole number or a whole name means; and places by the beginning
    of their name, pinyin or initials: `dhxq 3 301`."""
    if who.role is not Role.WORKER:
        return []
    found: list[Found] = []
    for community in sorted(who.communities):

        def places_called(db: Connection, community: int = community) -> list[Found]:
            there = search(db, community, text, limit=_MOST_FOUND)
            ways = paths(db, [each.id for each in there])
            return [
                Found(each.name, path_text(ways[each.id][:-1]), f"/homes/{community}/places/{each.id}")
                for each in there
            ]

        if centre.vault is not None:
            found += [
                Found(each.name, where, f"/homes/{community}/people/{each.id}")
                for each, where in await people.found_by(centre, who, community, text)
            ]
        found += await centre.office.ask(who, community, places_called)
    return found
