"""The page on devices leads to all others, and names every driver there is; no page leads nowhere."""

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from drivers.catalogue import LOCK_BOARDS, READERS, DriverKind

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
LINK = re.compile(r"\]\((?P<page>[\w./-]+\.md)?(?:#(?P<part>[\w-]+))?\)")
INVENTED = "acme_line"  # the reader that is added in adding-a-reader.md
ALSO_LINKED = {"probe.md", "simulator.md", "adding-a-reader.md", "running.md"}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))


def parts(page: Path) -> set[str]:
    """What a link to a part of the page may name: its headings, as they are written in addresses."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.finditer(page.read_text(encoding="utf-8")):
        target = page.parent / link["page"] if link["page"] else page
        assert target.is_file(), link[0]
        assert link["part"] is None or link["part"] in parts(target), link[0]


def test_the_page_on_devices_leads_to_every_device_and_tool() -> None:
    linked = {link["page"] for link in LINK.finditer((DOCS / "devices.md").read_text(encoding="utf-8"))}
    devices = {page.relative_to(DOCS).as_posix() for page in PAGES if page.parent != DOCS}
    assert devices | ALSO_LINKED <= linked


def test_every_driver_has_its_line() -> None:
    page = (DOCS / "devices.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| \[?`(\w+)`", page, re.MULTILINE)
    assert set(READERS) | set(LOCK_BOARDS) <= set(named)


@pytest.mark.parametrize(("table", "kinds"), [("readers", READERS), ("lock_boards", LOCK_BOARDS)])
def test_the_settings_shown_are_taken_by_their_drivers(
    table: str, kinds: Mapping[str, Callable[[], DriverKind[Any]]]
) -> None:
    shown = [settings for page in PAGES for block in blocks(page) for settings in block.get(table, [])]
    assert len(shown) > 5
    for settings in shown:
        if settings["driver"] != INVENTED:
            own = {key: value for key, value in settings.items() if key not in ("name", "driver")}
            kinds[settings["driver"]]().settings.model_validate(own)


def blocks(page: Path) -> list[dict[str, Any]]:
    """The settings that a page shows."""
    found = re.findall(r"^```toml\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [tomllib.loads(block) for block in found]
