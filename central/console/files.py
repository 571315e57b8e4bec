"""The files that pages load: where they lie, and addresses that change with what is in them.

A page names each with a mark of its content (`/static/liuhen.css?v=…`), so that a browser need not ask again
whether it is still the same: an answer comes one way to the centre sooner.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Final

from jinja2.ext import Extension

from central.console import registry

_CONSOLE: Final = Path(__file__).parent
_MODULES: Final = _CONSOLE / "assets" / "node_modules"

FOLDERS: Final[dict[str, Path]] = {
    "/assets/htmx": _MODULES / "htmx.org" / "dist",
    "/assets/htmx-sse": _MODULES / "htmx-ext-sse" / "dist",
    **{f"/static/{folder.parent.name}": folder for folder in sorted(registry.FOLDER.glob("*/static"))},
    "/static": _CONSOLE / "static",
}
"""By the beginning of their addresses, the longer before the shorter."""

MARK: Final = "v"
_NAMED: Final = re.compile(r'((?:src|href)=")(/(?:static|assets)/[\w./-]+)(?=")')
_MARK_CHARACTERS: Final = 10


@cache
def marked(address: str) -> str:
    """`address` with the mark of its file; as it is where there is no such file, which set-up brings."""
    for beginning, folder in FOLDERS.items():
        if address.startswith(f"{beginning}/"):
            path = folder / address.removeprefix(f"{beginning}/")
            if path.is_file():
                found = hashlib.sha256(path.read_bytes()).hexdigest()
                return f"{address}?{MARK}={found[:_MARK_CHARACTERS]}"
    return address


class Marks(Extension):
    """For Jinja: marks every file that a template names."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002
        return _NAMED.sub(lambda found: found[1] + marked(found[2]), source)
