"""What stands before an endpoint: whoever it does not name is refused, and sees no more than their places."""

import asyncio
from collections.abc import Callable
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, Request

from central import problems
from central.accounts.guard import EVERY_ROLE, open_to_all, requires
from central.accounts.who import Role, Who
from central.errors import NotSignedIn

Officer = Annotated[Who, requires(Role.OFFICER, Role.SUPERVISOR)]
MINE, THEIRS = 7, 8


def an_application() -> FastAPI:
    """Whoever asks says their role in a header; nothing said: nobody is known to be asking."""
    app = FastAPI()
    problems.install(app)

    async def identify(request: Request) -> Who:
        if "role" not in request.headers:
            raise NotSignedIn("sign in first")
        return Who(1, Role(request.headers["role"]), frozenset({MINE}))

    app.state.identify = identify

    @app.get("/guarded")
    async def guarded(who: Officer) -> str:
        return who.role

    @app.get("/open", dependencies=[open_to_all()])
    async def for_all() -> str:
        return "open"

    return app


Ask = Callable[..., httpx.Response]


@pytest.fixture
def ask() -> Ask:
    async def asked(path: str, headers: dict[str, str]) -> httpx.Response:
        inside = httpx.ASGITransport(app=an_application())
        async with httpx.AsyncClient(transport=inside, base_url="http://localhost") as client:
            return await client.get(path, headers=headers)

    return lambda path, **headers: asyncio.run(asked(path, headers))


@pytest.mark.parametrize("role", [Role.OFFICER, Role.SUPERVISOR])
def test_whom_an_endpoint_names_gets_in_and_is_known_there(ask: Ask, role: Role) -> None:
    answer = ask("/guarded", role=role.value)
    assert (answer.status_code, answer.json()) == (200, role.value)


@pytest.mark.parametrize("role", sorted(set(EVERY_ROLE) - {Role.OFFICER, Role.SUPERVISOR}))
def test_every_other_role_is_refused(ask: Ask, role: Role) -> None:
    answer = ask("/guarded", role=role.value)
    assert answer.status_code == 403
    assert answer.json()["detail"] == f"this is not for the role {role}"


def test_whoever_has_not_signed_in_is_told_to(ask: Ask) -> None:
    assert ask("/guarded").status_code == 401


def test_what_is_open_to_all_asks_nobody_who_they_are(ask: Ask) -> None:
    assert (ask("/open").status_code, ask("/open", role="resident").status_code) == (200, 200)


def test_an_account_sees_its_own_communities_alone() -> None:
    who = Who(1, Role.WORKER, frozenset({MINE}))
    assert (who.sees(MINE), who.sees(THEIRS), who.sees(None)) == (True, False, False)
    assert who.only([MINE, THEIRS]) == {MINE}
    assert Who(2, Role.WORKER, frozenset()).only([MINE, THEIRS]) == set()
