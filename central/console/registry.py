"""Which pages there are, and who finds them in the navigation.

A page is a folder of `pages/`, found by itself.

`pages/NAME/page.py` holds `PAGES`, one or more of `Page`, and `router(centre) -> APIRouter`; where it can be
searched from the command palette, also `find(centre, who, text) -> list[Found]`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

from fastapi import APIRouter

from central.accounts.who import Role, Who
from central.console import pages
from central.console.words import N_

if TYPE_CHECKING:
    from central.console.centre import Centre

FOLDER: Final = Path(pages.__file__).parent


class Section(StrEnum):
    """What stands in the navigation, in this order. The value names the icon, too."""

    NOW = "now"
    OWN = "own"
    LOOK_UP = "look-up"
    HOMES = "homes"
    VISITORS = "visitors"
    OVERSIGHT = "oversight"
    OPERATIONS = "operations"
    REPORTS = "reports"
    ADMINISTRATION = "administration"
    ACCOUNT = "account"  # in the menu at the top, not in the navigation


TITLES: Final[dict[Section, str]] = {
    Section.NOW: N_("Now"),
    Section.OWN: N_("About me"),
    Section.LOOK_UP: N_("Look up"),
    Section.HOMES: N_("Homes and people"),
    Section.VISITORS: N_("Visitors"),
    Section.OVERSIGHT: N_("Oversight"),
    Section.OPERATIONS: N_("Operations"),
    Section.REPORTS: N_("Reports"),
    Section.ADMINISTRATION: N_("Accounts"),
    Section.ACCOUNT: N_("Your account"),
}


@dataclass(frozen=True)
class Page:
    """`title`: English, marked with N_. `order`: within its section; the first that a role may see is where
    the navigation leads. `pictures`: further addresses of which `./liuhen shots` takes pictures."""

    name: str
    path: str
    title: str
    section: Section
    roles: frozenset[Role]
    order: int = 10
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What the command palette leads to. `title`, `where`: shown as they are. `path` holds no identity."""

    title: str
    where: str
    path: str


class Find(Protocol):
    async def __call__(self, centre: Centre, who: Who, text: str, /) -> list[Found]: ...


class PageFolder(Protocol):
    PAGES: Sequence[Page]

    def router(self, centre: Centre) -> APIRouter: ...


@cache
def folders() -> tuple[tuple[str, PageFolder], ...]:
    """Each folder's name and its `page` module."""
    names = sorted(found.name for found in pkgutil.iter_modules(pages.__path__) if found.ispkg)
    modules = [importlib.import_module(f"{pages.__name__}.{name}.page") for name in names]
    return tuple(zip(names, (cast(PageFolder, module) for module in modules), strict=True))


@cache
def all_pages() -> tuple[Page, ...]:
    """In the order of the navigation."""
    found = [page for _, folder in folders() for page in folder.PAGES]
    sections = list(Section)
    return tuple(sorted(found, key=lambda page: (sections.index(page.section), page.order, page.name)))


def pages_of(role: Role) -> list[Page]:
    return [page for page in all_pages() if role in page.roles]


def finders() -> list[Find]:
    return [cast(Find, folder.find) for _, folder in folders() if hasattr(folder, "find")]
