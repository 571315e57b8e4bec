"""Which role gets behind which route: read from the guards that stand there, and shown as a page.

`python -m central.accounts.matrix --write docs/roles.md` makes the page; a test compares it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy import create_engine

from central.accounts.guard import RoleGuard, guards_of
from central.accounts.second_factor import Sealer
from central.accounts.who import Role
from central.app import create_app
from central.identity.suites import INTERNATIONAL, Key
from central.ingest.service import IngestStatus
from central.settings import DatabasePart, Settings

BEGIN: Final = "<!-- made of the guards: python -m central.accounts.matrix --write docs/roles.md -->\n"
_API: Final = "/api/v1"


class Unguarded(Exception):
    """Nobody stands before a route; the text names it."""


@dataclass(frozen=True)
class Guarded:
    """One method of one route. `roles`: None where it is for everybody; `fresh`: both factors given a moment
    ago."""

    method: str
    path: str
    roles: frozenset[Role] | None
    fresh: bool
    summary: str
    route: APIRoute = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def routes_of(app: FastAPI) -> list[Guarded]:
    """All of them, but for files. Raises Unguarded."""
    found: list[Guarded] = []
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, APIRoute):
            found += _of_route(route, str(context.path))
    return found


def an_application() -> FastAPI:
    """For its routes alone: it has no database."""
    nowhere = create_engine("sqlite://")
    well = IngestStatus(broker_connected=True, database_trouble=None, queue_depth=0, records_stored=0)
    return create_app(
        Settings(database=DatabasePart(path=Path("nowhere"))),
        nowhere,
        nowhere,
        sealer=Sealer(Key(bytes(8), INTERNATIONAL, bytes(INTERNATIONAL.key_bytes))),
        ingest_status=lambda: well,
        stopping=threading.Event(),
    )


def _of_route(route: APIRoute, path: str) -> Iterator[Guarded]:
    guards = list(guards_of(route.dependant))
    if not guards:
        raise Unguarded(f"{path}: write requires(...) or open_to_all()")
    named = [guard for guard in guards if isinstance(guard, RoleGuard)]
    roles = frozenset.intersection(*(guard.roles for guard in named)) if named else None
    fresh = any(guard.fresh for guard in named)
    for method in sorted(route.methods or ()):
        yield Guarded(method, path, roles, fresh, route.summary or "", route)


# --- the page --------------------------------------------------------------------------------------------


def redrawn(text: str, routes: Sequence[Guarded]) -> str:
    """The page with what is made of the guards made again; what stands before it is kept."""
    return text.partition(BEGIN)[0] + BEGIN + page(routes)


def page(routes: Sequence[Guarded]) -> str:
    ordered = sorted(routes, key=lambda route: (route.path, route.method))
    api = [route for route in ordered if route.path.startswith(_API)]
    pages = [route for route in ordered if not route.path.startswith(_API)]
    return f"\n## API, below `{_API}`\n\n{_table(api)}\n## Pages\n\n{_table(pages)}"


def _table(routes: Sequence[Guarded]) -> str:
    head = f"| Route | {' | '.join(Role)} | What |\n|---|{':-:|' * len(Role)}---|\n"
    return head + "".join(_line(route) for route in routes)


def _line(route: Guarded) -> str:
    path = route.path.removeprefix(_API)
    if route.roles is None:
        marks = ["○"] * len(Role)
    else:
        mark = "◆" if route.fresh else "●"
        marks = [mark if role in route.roles else "" for role in Role]
    return f"| `{route.method} {path}` | {' | '.join(marks)} | {route.summary} |\n"


def main(arguments: Sequence[str]) -> int:
    match arguments:
        case ["--write", path]:
            file = Path(path)
            text = redrawn(file.read_text(encoding="utf-8"), routes_of(an_application()))
            file.write_text(text, encoding="utf-8")
            return 0
    print("usage: python -m central.accounts.matrix --write docs/roles.md", file=sys.stderr)  # noqa: T201
    return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
