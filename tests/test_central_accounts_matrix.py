"""Every route has somebody before it, and every role that it does not name is turned away there.

Made from the application itself: whatever is added later is in it.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import plain_http
import pytest
from central_web_support import COMMUNITY, Served, a_filled, somebody
from fastapi import FastAPI
from routes_support import the_routes

from central.accounts.matrix import Guarded, Unguarded, redrawn, routes_of
from central.accounts.who import Role

PAGE = Path(__file__).parent.parent / "docs" / "roles.md"
OPEN = frozenset(
    {
        "GET /api/v1/health",
        "POST /api/v1/receipts",
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
        "GET /public-report",
        "GET /receipt",
        "POST /receipt",
        "GET /sign-in",
        "POST /sign-in",
        "GET /sign-in/activate",
        "POST /sign-in/activate",
        "GET /sign-in/code",
        "POST /sign-in/code",
        "GET /sign-in/enrol",
        "GET /sign-in/on",
        "POST /sign-in/enrol",
        "POST /sign-in/provider",
        "GET /sign-in/provider/callback",
        "POST /sign-out",
    }
)
"""Whoever has not signed in gets no further than to these. Each new one is thought about here."""

SEES_NO_PEOPLE = frozenset({Role.ADMINISTRATOR, Role.INSTALLER, Role.OPERATOR})
CHANGES_NOTHING = Role.SUPERVISOR


CELLS = the_routes()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("matrix")
    with a_filled(folder) as filled, Served(filled) as running:
        yield running


@pytest.fixture(scope="module")
def shut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Where one has to sign in."""
    with a_filled(tmp_path_factory.mktemp("shut")) as filled, Served(filled, who=None) as running:
        yield running


def asked(served: Served, cell: Guarded) -> httpx.Response:
    path = cell.path
    while "{" in path:
        before, _, rest = path.partition("{")
        path = f"{before}1{rest.partition('}')[2]}"
    return plain_http.request(cell.method, f"{served.address}{path}", timeout=30)


def test_the_page_says_what_the_guards_say() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert redrawn(text, CELLS) == text, "run: python -m central.accounts.matrix --write docs/roles.md"


def test_a_route_with_nobody_before_it_is_found() -> None:
    app = FastAPI()
    app.add_api_route("/forgotten", lambda: "all of it")
    with pytest.raises(Unguarded, match="/forgotten"):
        routes_of(app)


def test_only_what_leads_to_signing_in_is_open_to_all() -> None:
    assert {cell.name for cell in CELLS if cell.roles is None} == OPEN


@pytest.mark.parametrize("cell", [c for c in CELLS if c.roles is not None], ids=lambda cell: cell.name)
def test_a_role_that_a_route_does_not_name_is_turned_away(served: Served, cell: Guarded) -> None:
    assert cell.roles is not None
    for role in sorted(set(Role) - cell.roles):
        served.is_asked_by(somebody(role, COMMUNITY))
        answer = asked(served, cell)
        assert answer.status_code == 403, (role, answer.text)
        assert answer.json()["detail"] == f"this is not for the role {role}"


@pytest.mark.parametrize("cell", [c for c in CELLS if c.roles is not None], ids=lambda cell: cell.name)
def test_whoever_has_not_signed_in_gets_nowhere(shut: Served, cell: Guarded) -> None:
    answer = asked(shut, cell)
    leads_on = answer.status_code == 303 and answer.headers["location"] == "/sign-in"
    assert answer.status_code == 401 or (leads_on and not cell.path.startswith("/api/"))


def test_the_administrator_can_ask_nothing_about_doors_and_people() -> None:
    """trust.md R-62."""
    mine = {c.name for c in CELLS if c.roles is not None and Role.ADMINISTRATOR in c.roles}
    harmless = {"GET /", "POST /find"}  # the pages of one's role alone
    of_accounts = ("/v1/me", "/account", " /administration")  # the last: the console's pages of accounts
    assert all(name in harmless or any(part in name for part in of_accounts) for name in mine), mine


def test_the_supervisor_changes_nothing_but_what_is_theirs() -> None:
    """trust.md R-62: reviews are what a supervisor writes, and that they saw to an alarm of their own (R-64);
    and R-80: their word that a community is live."""
    changing = {
        c.name
        for c in CELLS
        if c.roles is not None and CHANGES_NOTHING in c.roles and c.method not in ("GET", "HEAD")
    }
    changing -= {"POST /find"}  # by POST for what is typed, which no address holds
    theirs = (
        "/me/",
        " /account/",
        "review",
        "/honey-alarms/{alarm}/seen",
        "/oversight/honey/{community}/alarms/{number}/seen",
        "POST /api/v1/communities/{community}/live",
        "/oversight/assessment",
    )
    assert all(any(part in name for part in theirs) for name in changing), changing
