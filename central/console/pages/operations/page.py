"""Operations: what stands at the doors, whether it works, and what has to be done. No person is in it."""

from __future__ import annotations

from fastapi import APIRouter

from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.labels import labels_of
from central.console.pages.operations import (
    alarms,
    commands,
    coverage,
    fleet,
    one_door,
    one_gateway,
    revisions,
    rules,
    settings,
)
from central.console.registry import Found, Page, Section
from central.console.words import N_

_MOST_FOUND = 8
_LOOK = frozenset({Role.OPERATOR, Role.INSTALLER, Role.SUPERVISOR})

PAGES = [
    Page("gateways", "/operations", N_("Gateways"), Section.OPERATIONS, _LOOK, 10),
    Page("coverage", "/operations/coverage", N_("Coverage"), Section.OPERATIONS, _LOOK, 15),
    Page("alarms", "/operations/alarms", N_("Alarms"), Section.OPERATIONS, _LOOK, 20),
    Page(
        "commands",
        "/operations/commands",
        N_("Commands"),
        Section.OPERATIONS,
        frozenset({Role.OPERATOR, Role.SUPERVISOR}),
        22,
    ),
    Page("settings", "/operations/settings", N_("Settings of doors"), Section.OPERATIONS, _LOOK, 26),
    Page("rules", "/operations/rules", N_("Rules"), Section.OPERATIONS, frozenset({Role.OPERATOR}), 30),
]


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()
    for each in (
        alarms,
        rules,
        coverage,
        commands,
        revisions,
        one_door,
        settings,
        fleet,
        one_gateway,
    ):  # the addresses of single gateways last
        pages.include_router(each.router(centre))
    return pages


async def find(centre: Centre, who: Who, text: str) -> list[Found]:
    """Gateways by a part of what they, or their doors, are called."""
    if who.role not in _LOOK:
        return []
    labels = await centre.questions.ask(lambda db: labels_of(db, who.communities))
    return [Found(label, name, f"/operations/{site}/{name}") for (site, name), label in labels.called(text)][
        :_MOST_FOUND
    ]
