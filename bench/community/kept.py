"""Keeps a community that was made once today, so that the next demo of the day opens at once.

In the user's cache folder, readable by nobody else: it holds the keys of invented people.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from bench.community.times import ZONE

_MADE_BY: Final = ("bench/community", "central", "messages", "firmware_sim")
_ROOT: Final = Path(__file__).parent.parent.parent
_PRIVATE: Final = 0o700
_PARTS: Final = ("centre", "gateways/site.key")
_MADE_ANEW: Final = ("central.toml", "gateway-keys")
"""Settings name this estate's broker, and its gateways get keys of their own."""


class Shelf:
    """`what`: the plan of the community; another plan, another program or another day makes another one."""

    def __init__(self, what: str) -> None:
        self._folder = _cache() / "liuhen" / "community"
        self._mine = self._folder / f"{datetime.now(ZONE).date()}-{_digest(what)}"

    def bring(self, folder: Path) -> bool:
        """Into an estate's folder; False where none is kept."""
        if not self._mine.exists():
            return False
        for part in _PARTS:
            target = folder / part
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(self._mine / part, target)
        return True

    def keep(self, folder: Path) -> None:
        """Instead of all that were kept before."""
        shutil.rmtree(self._folder, ignore_errors=True)
        partial = self._folder / f"{os.getpid()}.part"
        partial.mkdir(parents=True, mode=_PRIVATE)
        for part in _PARTS:
            (partial / part).parent.mkdir(parents=True, exist_ok=True)
            _copy(folder / part, partial / part)
        partial.rename(self._mine)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*_MADE_ANEW))
    else:
        shutil.copy2(source, target)


def _cache() -> Path:
    told = os.environ.get("XDG_CACHE_HOME")
    return Path(told) if told else Path.home() / ".cache"


def _digest(what: str) -> str:
    digest = sha256(what.encode())
    for path in _sources():
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _sources() -> Iterator[Path]:
    for part in _MADE_BY:
        yield from sorted((_ROOT / part).rglob("*.py"))
