"""Administration: accounts, machines' tokens, and what was done with either."""

from __future__ import annotations

from fastapi import APIRouter

from central.accounts.who import Role
from central.console.centre import Centre
from central.console.pages.administration import accounts, events, one_account, tokens
from central.console.registry import Page, Section
from central.console.words import N_

_KEEPS = frozenset({Role.ADMINISTRATOR})

PAGES = [
    Page(
        "accounts",
        "/administration",
        N_("Accounts"),
        Section.ADMINISTRATION,
        _KEEPS,
        10,
        pictures=("/administration/new",),
    ),
    Page("tokens", "/administration/tokens", N_("Machines"), Section.ADMINISTRATION, _KEEPS, 20),
    Page("account-events", "/administration/events", N_("What was done"), Section.ADMINISTRATION, _KEEPS, 30),
]


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()
    for each in (accounts, tokens, events, one_account):  # the addresses of single accounts last
        pages.include_router(each.router(centre))
    return pages
