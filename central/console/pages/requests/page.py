"""Requests about people's own data: made by residents, answered by workers, overseen by supervisors."""

from __future__ import annotations

from fastapi import APIRouter

from central.accounts.who import Role
from central.console.centre import Centre
from central.console.pages.requests import desk, oversight, own
from central.console.registry import Page, Section
from central.console.words import N_

_RESIDENT, _WORKER, _SUPERVISOR = (
    frozenset({Role.RESIDENT}),
    frozenset({Role.WORKER}),
    frozenset({Role.SUPERVISOR}),
)

PAGES = [
    Page("own-requests", "/own/requests", N_("My requests"), Section.OWN, _RESIDENT, 30),
    Page("requests", "/requests", N_("People's requests"), Section.HOMES, _WORKER, 35),
    Page(
        "overseen-requests",
        "/oversight/requests",
        N_("People's requests"),
        Section.OVERSIGHT,
        _SUPERVISOR,
        35,
    ),
]


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()
    for each in (own, desk, oversight):
        pages.include_router(each.router(centre))
    return pages
