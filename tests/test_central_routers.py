"""An application makes its routers when they are asked for, and nobody can tell."""

import asyncio

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from central.routers import Routers

API = "/api/v1"


class Made:
    """An application of two routers that share a head, and of one of the API; it says what was made."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.app = FastAPI()
        self.routers = Routers(self.app, API)
        self.routers.add(_particular, self.made)
        self.routers.add(_general, self.made)
        self.routers.add(_of_the_api, self.made, prefix=API)

    def get(self, path: str) -> httpx.Response:
        async def asked() -> httpx.Response:
            inside = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=inside, base_url="http://localhost") as client:
                return await client.get(path)

        self.routers.include_for(path)
        return asyncio.run(asked())


def _router(made: list[str], name: str, *paths: str) -> APIRouter:
    made.append(name)
    router = APIRouter()
    for path in paths:
        router.get(path)(lambda: name)
    return router


def _particular(made: list[str]) -> APIRouter:
    return _router(made, "particular", "/own/passes", "/desk")


def _general(made: list[str]) -> APIRouter:
    return _router(made, "general", "/own/{thing}", "/hall")


def _of_the_api(made: list[str]) -> APIRouter:
    return _router(made, "api", "/own/entries")


def test_the_first_application_of_a_process_makes_all_and_the_next_ones_none() -> None:
    Made()
    assert Made().made == []


def test_what_the_first_one_made_to_learn_its_addresses_is_made_again_when_it_is_asked_for() -> None:
    def alone(made: list[str]) -> APIRouter:
        return _router(made, "alone", "/alone")

    first = Made()
    before = list(first.app.router.routes)
    first.routers.add(alone, first.made)
    assert first.app.router.routes == before
    first.made.clear()
    assert first.get("/alone").json() == "alone"
    assert first.get("/alone").json() == "alone"
    assert first.made == ["alone"]


@pytest.mark.parametrize(
    ("path", "answers", "made"),
    [
        ("/own/passes", "particular", ["particular", "general"]),
        ("/own/anything", "general", ["particular", "general"]),
        ("/desk", "particular", ["particular"]),
        (f"{API}/own/entries", "api", ["api"]),
    ],
)
def test_an_address_is_answered_by_whoever_has_it(path: str, answers: str, made: list[str]) -> None:
    Made()
    late = Made()
    assert late.get(path).json() == answers
    assert late.made == made


def test_what_was_added_first_is_asked_first_even_if_it_was_made_last() -> None:
    Made()
    late = Made()
    assert late.get("/hall").json() == "general"
    assert late.made == ["general"]
    assert late.get("/own/passes").json() == "particular"
    assert late.made == ["general", "particular"]


def test_an_address_that_nobody_has_is_not_there() -> None:
    Made()
    late = Made()
    assert late.get("/nowhere").status_code == 404
    assert late.made == []


def test_the_methods_of_an_address_are_known_before_its_router_is_made() -> None:
    Made()
    late = Made()
    assert late.routers.methods(f"{API}/own/entries") == {"GET"}
    assert late.routers.methods(f"{API}/own/passes") == frozenset()
    assert late.made == []


def test_whoever_wants_all_gets_all() -> None:
    Made()
    late = Made()
    late.routers.include_all()
    assert late.made == ["particular", "general", "api"]
