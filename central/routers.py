"""The routers of an application, each made when the first request for one of its addresses comes.

To make them all takes FastAPI longer than most requests ever will, and some 15 MiB to keep. The first
application of a process makes each once and forgets it, to learn which addresses it has; what is asked for is
made then, and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute

from central.methods import Methods


@dataclass(frozen=True)
class _Addresses:
    """Of one router: which methods it takes at each, and the heads under which all of them lie."""

    methods: tuple[tuple[str, frozenset[str]], ...]
    heads: frozenset[str]


_known: Final[dict[Callable[..., APIRouter], _Addresses]] = {}


@dataclass(frozen=True)
class _Waiting:
    order: int
    make: Callable[[], APIRouter]
    how: dict[str, Any]


class Routers:
    """Of `app`. What lies below `prefix`, the API, is told apart by the segment behind it; all else by its
    first segment. Not for several threads."""

    def __init__(self, app: FastAPI, prefix: str) -> None:
        self._app = app
        self._prefix = f"{prefix}/"
        self._names: list[Callable[..., APIRouter]] = []
        self._waiting: dict[Callable[..., APIRouter], _Waiting] = {}
        self._order: dict[int, int] = {}
        self._methods: Methods | None = None

    def add(self, router: Callable[..., APIRouter], *parts: object, **how: Any) -> None:
        """`router(*parts)` is included as `how` says, before those that are added later."""
        waiting = _Waiting(len(self._names), lambda: router(*parts), how)
        self._names.append(router)
        self._waiting[router] = waiting
        if router not in _known:
            apart = APIRouter()  # the application would hold on to it for good, by its lifespan
            apart.include_router(waiting.make(), **how)
            _known[router] = self._addresses(apart.routes)

    def include_for(self, path: str) -> None:
        """Makes what may have this address."""
        if self._waiting:
            head = self._head(path)
            for router in [each for each in self._waiting if head in _known[each].heads]:
                self._include(router)

    def include_all(self) -> None:
        for router in list(self._waiting):
            self._include(router)

    def methods(self, path: str) -> frozenset[str]:
        """Which this address takes; none where it is not of the API, or there is none."""
        if self._methods is None:
            pairs = (pair for router in self._names for pair in _known[router].methods)
            self._methods = Methods(pairs, self._prefix)
        return self._methods.of(path)

    def _include(self, router: Callable[..., APIRouter]) -> None:
        waiting = self._waiting.pop(router)
        routes = self._app.router.routes
        self._app.include_router(waiting.make(), **waiting.how)
        included = routes.pop()
        self._order[id(included)] = waiting.order
        later = (place for place, each in enumerate(routes) if self._order.get(id(each), -1) > waiting.order)
        routes.insert(next(later, len(routes)), included)

    def _addresses(self, routes: Sequence[BaseRoute]) -> _Addresses:
        found = tuple(
            (str(context.path), frozenset(context.original_route.methods or ()))
            for context in iter_route_contexts(routes)
            if isinstance(context.original_route, APIRoute)
        )
        return _Addresses(found, frozenset(self._head(path) for path, _ in found))

    def _head(self, path: str) -> str:
        behind = path.removeprefix(self._prefix)
        kind = "" if behind == path else self._prefix
        return kind + behind.lstrip("/").partition("/")[0]
