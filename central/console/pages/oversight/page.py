"""Oversight: who looks at those who look. Nothing here says whom a look-up was about."""

from __future__ import annotations

from fastapi import APIRouter

from central.accounts.who import Role
from central.console.centre import Centre
from central.console.pages.oversight import approvals, deletions, honey, kept, register, reviews, transparency
from central.console.registry import Page, Section
from central.console.words import N_
from central.lookup.transparency_api import READERS

_APPROVER, _SUPERVISOR = frozenset({Role.APPROVER}), frozenset({Role.SUPERVISOR})

PAGES = [
    Page("approvals", "/oversight/approvals", N_("Approvals"), Section.OVERSIGHT, _APPROVER, 10),
    Page("reviews", "/oversight/reviews", N_("Reviews"), Section.OVERSIGHT, _SUPERVISOR, 20),
    Page("look-up-register", "/oversight/register", N_("Every look-up"), Section.OVERSIGHT, _SUPERVISOR, 30),
    Page("deletions", "/oversight/deletions", N_("Deletions"), Section.OVERSIGHT, _SUPERVISOR, 40),
    Page("honey", "/oversight/honey", N_("Honey records"), Section.OVERSIGHT, _APPROVER | _SUPERVISOR, 35),
    Page("kept", "/oversight/kept", N_("What is kept until when"), Section.OVERSIGHT, _SUPERVISOR, 45),
    Page(
        "transparency",
        "/oversight/transparency",
        N_("Public report"),
        Section.OVERSIGHT,
        frozenset(READERS),
        50,
    ),
]


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()
    for each in (approvals, reviews, register, honey, deletions, kept, transparency):
        pages.include_router(each.router(centre))
    return pages
