"""What stands before an endpoint: whoever it does not name is refused, and sees no more than their places."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, Request

from central import problems
from central.accounts.guard import EVERY_ROLE, open_to_all, requires
from central.accounts.rates import Rates
from central.accounts.who import Role, Who
from central.errors import NotSignedIn

Officer = Annotated[Who, requires(Role.OFFICER, Role.SUPERVISOR)]
MINE, THEIRS = 7, 8
AN_ACCOUNT, AN_ADDRESS = 3, 7


def an_application() -> FastAPI:
    """Whoever asks says their role in a header; nothing said: nobody is known to be asking."""
    app = FastAPI()
    problems.install(app)

    async def identify(request: Request) -> Who:
        if "role" not in request.headers:
            raise NotSignedIn("sign in first")
        account = int(request.headers.get("account", 1))
        return Who(account, Role(request.headers["role"]), frozenset({MINE}), machine=account < 0)

    app.state.identify = identify
    app.state.rates = Rates(an_account=AN_ACCOUNT, a_token=AN_ACCOUNT, an_address=AN_ADDRESS)

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


def test_whoever_asks_too_often_waits_and_nobody_else_with_them() -> None:
    """An account, a machine's token, and an address; also of those who have not signed in."""
    app = an_application()

    async def asked() -> list[list[int]]:
        async with AsyncExitStack() as opened:
            here, elsewhere = [
                await opened.enter_async_context(
                    httpx.AsyncClient(
                        transport=httpx.ASGITransport(app=app, client=(address, 1)),
                        base_url="http://localhost",
                    )
                )
                for address in ("192.0.2.1", "192.0.2.2")
            ]
            mine = [await here.get("/guarded", headers={"role": "officer"}) for _ in range(AN_ACCOUNT + 1)]
            token = {"role": "officer", "account": "-1"}
            others = [await elsewhere.get("/guarded", headers=token) for _ in range(AN_ACCOUNT + 1)]
            strangers = [await here.get("/open") for _ in range(AN_ADDRESS - AN_ACCOUNT)]
            others.append(await elsewhere.get("/open"))
        for answer in (mine[-1], others[AN_ACCOUNT], strangers[-1]):
            assert answer.headers["content-type"] == problems.PROBLEM
            assert 1 <= int(answer.headers["retry-after"]) <= 60
        return [[answer.status_code for answer in answers] for answers in (mine, others, strangers)]

    mine, others, strangers = asyncio.run(asked())
    assert mine == [200] * AN_ACCOUNT + [429]
    assert others == [200] * AN_ACCOUNT + [429, 200]
    assert strangers == [200] * (AN_ADDRESS - AN_ACCOUNT - 1) + [429]
