"""Within which communities the web asks just now: said once by the guard, heeded by every question.

It belongs to the request that is being answered. Where nobody said anything, nothing is seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final

_NOTHING: Final[frozenset[int]] = frozenset()
_scope: ContextVar[frozenset[int]] = ContextVar("communities", default=_NOTHING)


def ask_within(communities: Iterable[int]) -> None:
    """From now on, for what this request asks."""
    _scope.set(frozenset(communities))


def asked_within() -> frozenset[int]:
    return _scope.get()
