"""The navigation that a role sees around every page."""

from __future__ import annotations

from dataclasses import dataclass

from central.accounts.who import Role
from central.console.registry import TITLES, Page, Section, all_pages, pages_of


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the navigation; `title` still in English. `current`: one is there, or below it."""

    name: str
    title: str
    path: str
    current: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """`title`: of the page that is shown. `tabs`: the pages beside it, where there are any."""

    title: str
    section: str
    sections: list[Item]
    tabs: list[Item]


def frame_of(role: Role, here: str) -> Frame:
    """`here`: the name of a page, or of none: a page without a place in the navigation."""
    mine = pages_of(role)
    page = next((each for each in mine if each.name == here), None)
    first: dict[Section, Page] = {}
    for each in mine:
        first.setdefault(each.section, each)
    section = page.section if page else None
    sections = [
        Item(each.value, TITLES[each], leads.path, each is section)
        for each, leads in first.items()
        if each is not Section.ACCOUNT
    ]
    beside = [each for each in mine if each.section is section] if section is not Section.ACCOUNT else []
    tabs = [Item(each.name, each.title, each.path, each is page) for each in beside]
    return Frame(
        page.title if page else "", section.value if section else "", sections, tabs if len(tabs) > 1 else []
    )


def first_path(role: Role) -> str | None:
    """Where somebody of that role begins; None: nowhere yet."""
    return next((page.path for page in pages_of(role) if page.section is not Section.ACCOUNT), None)


def leads_to(role: Role, path: str) -> bool:
    """Whether that address lies at or below a page of that role. `path`: without a query."""
    above = [
        each for each in all_pages() if path == each.path or path.startswith(f"{each.path.rstrip('/')}/")
    ]
    below = [each for each in above if each.path != "/" or path == "/"]
    page = max(below, key=lambda each: len(each.path), default=None)
    return page is not None and role in page.roles
