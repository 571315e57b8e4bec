"""Several pictures of one page on one sheet, drawn by the browser itself: to be looked at together."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from playwright.async_api import Browser

_WIDTH: Final = 1500
_HEIGHT: Final = 1160
_AT_A_DESK: Final = 2
_STYLE: Final = """
body { margin: 0; background: #888; display: grid; grid-template-columns: repeat(4, 1fr); gap: 8px;
  padding: 8px; width: 1500px; height: 1160px; box-sizing: border-box; grid-template-rows: repeat(2, 1fr); }
.wide { grid-column: 1 / 3; } .narrow { grid-row: 1 / 3; }
.narrow:nth-of-type(3) { grid-column: 3; } .narrow:nth-of-type(4) { grid-column: 4; }
div { overflow: hidden; } img { width: 100%; display: block; }
"""


@dataclass(frozen=True, slots=True)
class Sheet:
    """`pictures`: two as seen at a desk, then two as seen on a phone, of which the beginning is shown."""

    name: str
    pictures: Sequence[Path]


async def draw(browser: Browser, sheet: Sheet, folder: Path) -> None:
    """Into the folder, which is there."""
    page = await browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT})
    shown = "".join(
        _shown(each, "wide" if place < _AT_A_DESK else "narrow") for place, each in enumerate(sheet.pictures)
    )
    await page.set_content(
        f"<!doctype html><title>{html.escape(sheet.name)}</title><style>{_STYLE}</style>{shown}"
    )
    await page.screenshot(path=folder / f"{sheet.name}.png")
    await page.close()


def _shown(picture: Path, kind: str) -> str:
    data = base64.b64encode(picture.read_bytes()).decode()
    return f'<div class="{kind}"><img alt="" src="data:image/png;base64,{data}"></div>'
