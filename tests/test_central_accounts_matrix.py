"""Every route has somebody before it, and every role that it does not name is turned away there.

Made from the application itself: whatever is added later is in it.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from central_web_support import COMMUNITY, SEALER, WELL, Served, a_filled, somebody
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy import create_engine

from central.accounts.guard import NoGuard, RoleGuard
from central.accounts.who import Role
from central.app import create_app
from central.settings import Settings

OPEN = frozenset(
    {
        "GET /api/v1/health",
        "POST /api/v1/sign-in",
        "POST /api/v1/sign-in/activation",
        "POST /api/v1/sign-in/code",
        "POST /api/v1/sign-in/enrol",
        "POST /api/v1/sign-in/enrol/passkey",
        "POST /api/v1/sign-in/enrol/passkey/options",
        "POST /api/v1/sign-in/enrolment",
        "POST /api/v1/sign-in/passkey",
        "POST /api/v1/sign-in/passkey/options",
        "POST /api/v1/sign-out",
        "GET /sign-in",
        "POST /sign-in",
        "GET /sign-in/activate",
        "POST /sign-in/activate",
        "GET /sign-in/code",
        "POST /sign-in/code",
        "GET /sign-in/enrol",
        "POST /sign-in/enrol",
        "POST /sign-out",
    }
)
"""Whoever has not signed in gets no further than to these. Each new one is thought about here."""

SEES_NO_PEOPLE = frozenset({Role.ADMINISTRATOR, Role.INSTALLER, Role.OPERATOR})
CHANGES_NOTHING = Role.SUPERVISOR


@dataclass(frozen=True)
class Cell:
    method: str
    path: str
    roles: frozenset[Role] | None  # None: for everybody

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def cells() -> list[Cell]:
    nowhere = create_engine("sqlite://")
    settings = Settings.model_validate({"database": {"path": "nowhere"}})
    app = create_app(
        settings,
        nowhere,
        nowhere,
        sealer=SEALER,
        ingest_status=lambda: WELL,
        stopping=threading.Event(),
    )
    found = []
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, APIRoute):
            roles = roles_of(list(guards_of(route.dependant)))
            found += [Cell(method, str(context.path), roles) for method in sorted(route.methods or ())]
    return found


def guards_of(dependant: Dependant) -> Iterator[RoleGuard | NoGuard]:
    for each in dependant.dependencies:
        if isinstance(each.call, RoleGuard | NoGuard):
            yield each.call
        yield from guards_of(each)


def roles_of(guards: list[RoleGuard | NoGuard]) -> frozenset[Role] | None:
    named = [guard.roles for guard in guards if isinstance(guard, RoleGuard)]
    assert guards, "nobody stands before this route: write requires(...) or open_to_all()"
    return frozenset.intersection(*named) if named else None


CELLS = cells()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("matrix")
    with a_filled(folder) as filled, Served(filled) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """As it is for whoever comes without signing in."""
    folder: Path = tmp_path_factory.mktemp("guarded")
    with a_filled(folder) as filled, Served(filled, who=None) as running:
        yield running


def asked(served: Served, cell: Cell) -> httpx.Response:
    path = cell.path
    while "{" in path:
        before, _, rest = path.partition("{")
        path = f"{before}1{rest.partition('}')[2]}"
    return httpx.request(cell.method, f"{served.address}{path}", timeout=30)


def test_only_what_leads_to_signing_in_is_open_to_all() -> None:
    assert {cell.name for cell in CELLS if cell.roles is None} == OPEN


@pytest.mark.parametrize("cell", [c for c in CELLS if c.roles is not None], ids=lambda cell: cell.name)
def test_a_role_that_a_route_does_not_name_is_turned_away(served: Served, cell: Cell) -> None:
    assert cell.roles is not None
    for role in sorted(set(Role) - cell.roles):
        served.is_asked_by(somebody(role, COMMUNITY))
        answer = asked(served, cell)
        assert answer.status_code == 403, (role, answer.text)
        assert answer.json()["detail"] == f"this is not for the role {role}"


@pytest.mark.parametrize("cell", [c for c in CELLS if c.roles is not None], ids=lambda cell: cell.name)
def test_whoever_has_not_signed_in_gets_nowhere(guarded: Served, cell: Cell) -> None:
    answer = asked(guarded, cell)
    leads_on = answer.status_code == 303 and answer.headers["location"] == "/sign-in"
    assert answer.status_code == 401 or (leads_on and not cell.path.startswith("/api/"))


def test_the_administrator_can_ask_nothing_about_doors_and_people() -> None:
    """trust.md R-62."""
    mine = {c.name for c in CELLS if c.roles is not None and Role.ADMINISTRATOR in c.roles}
    assert all(name == "GET /" or "/v1/me" in name or "/accounts" in name for name in mine), mine


def test_the_supervisor_changes_nothing_but_what_is_theirs() -> None:
    """trust.md R-62: reviews are what a supervisor writes."""
    changing = {
        c.name
        for c in CELLS
        if c.roles is not None and CHANGES_NOTHING in c.roles and c.method not in ("GET", "HEAD")
    }
    assert all("/me/" in name or "review" in name for name in changing), changing
