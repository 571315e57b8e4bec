"""The pages of guard tours. They say words of rounds, and never who walked one, or at what minute."""

from __future__ import annotations

from fastapi import APIRouter

from central.console.centre import Centre
from central.console.pages.tours import planning, rounds
from central.console.registry import Page, Section
from central.console.words import N_

PAGES = [
    Page("tours", "/tours", N_("Rounds"), Section.OPERATIONS, frozenset(rounds.READERS), 40),
    Page(
        "tour-plans", "/tours/plans", N_("Tour plans"), Section.OPERATIONS, frozenset(planning.PLANNERS), 45
    ),
]


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()
    for each in (rounds, planning):
        pages.include_router(each.router(centre))
    return pages
