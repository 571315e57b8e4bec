"""What went wrong, as problem details (RFC 9457): one form for every endpoint, without any value repeated."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from central.errors import (
    BadQuestion,
    BrokerUnavailable,
    Clash,
    IdentityDamaged,
    IdentityGone,
    NotAllowed,
    NotSignedIn,
    NotThere,
    ProveAgain,
    ProviderUnavailable,
    StoreUnavailable,
    TooOften,
)

log = logging.getLogger(__name__)

PROBLEM = "application/problem+json"


class Problem(BaseModel):
    """Problem details of RFC 9457; `detail` says what is wrong, where, and what to do."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


def documented(description: str) -> dict[str, Any]:
    """How an endpoint says in the OpenAPI document that it answers with a problem."""
    return {"description": description, "content": {PROBLEM: {"schema": Problem.model_json_schema()}}}


ALWAYS: dict[int | str, dict[str, Any]] = {
    400: documented("The request cannot be read"),
    421: documented("The centre is not called so"),
    429: documented("Too many requests; `Retry-After` says how long to wait"),
    500: documented("The centre has a fault of its own, or what it keeps is damaged"),
}
"""How every endpoint may answer."""

RESPONSES: dict[int | str, dict[str, Any]] = {
    401: documented("Nobody is known to be asking; sign in, or send a token"),
    403: documented("The caller's role does not go so far"),
    422: documented("The question cannot be asked like this"),
    503: documented("The database does not answer just now"),
}


_STATUS: dict[type[Exception], int] = {
    NotSignedIn: 401,
    NotAllowed: 403,
    NotThere: 404,
    Clash: 409,
    IdentityGone: 410,  # it was here, was destroyed on purpose, and asking again is of no use
}


Answer = Callable[[Request, Exception], Awaitable[JSONResponse]]
AsPage = Callable[[Request, Response], Awaitable[Response]]
"""A problem as whoever asked wants to be told of it."""


async def _as_it_is(_request: Request, problem: Response) -> Response:
    return problem


def install(app: FastAPI, as_page: AsPage = _as_it_is) -> None:
    def add(kind: type[Exception], answer: Answer) -> None:
        async def told(request: Request, error: Exception) -> Response:
            return await as_page(request, await answer(request, error))

        app.add_exception_handler(kind, told)

    add(RequestValidationError, _refused)
    add(BadQuestion, _bad_question)
    for kind, status in _STATUS.items():
        add(kind, _said(status))
    add(IdentityDamaged, _damaged)
    add(ProveAgain, _prove_again)
    add(TooOften, _too_often)
    add(StoreUnavailable, _unavailable)
    add(BrokerUnavailable, _said(503))
    add(ProviderUnavailable, _said(503))
    add(HTTPException, _http)
    add(Exception, _broken)  # answered here, then raised again for the server's log


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail)
    return JSONResponse(body.model_dump(), status, headers, media_type=PROBLEM)


def _said(status: int) -> Answer:
    async def answer(_request: Request, error: Exception) -> JSONResponse:
        return problem(status, str(error))

    return answer


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = [f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors()]
    return problem(422, "; ".join(faults))


async def _bad_question(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, BadQuestion)
    return problem(422, f"{error.field}: {error}")


async def _prove_again(_request: Request, error: Exception) -> JSONResponse:
    """After RFC 9470: 401, and how to go on."""
    step_up = 'Session error="insufficient_user_authentication"'
    return problem(401, str(error), {"WWW-Authenticate": step_up})


async def _too_often(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TooOften)
    return problem(429, str(error), {"Retry-After": str(error.wait_s)})


async def _damaged(request: Request, error: Exception) -> JSONResponse:
    """The caller asked rightly and can do nothing: 500, and the operator reads of it in the log."""
    log.error("identity: %s (asked by %s %s)", error, request.method, _route(request))
    return problem(500, f"what is kept here is damaged and is not shown: {error}; the operator must look")


def _route(request: Request) -> str:
    """As the endpoint was declared: never what somebody wrote in its place."""
    return str(getattr(request.scope.get("route"), "path", "?"))


async def _unavailable(_request: Request, _error: Exception) -> JSONResponse:
    return problem(503, "the database does not answer just now; ask again in a moment")


async def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, str(error.detail), error.headers)


async def _broken(_request: Request, _error: Exception) -> JSONResponse:
    return problem(500, "the centre has a fault of its own; what happened stands in its log")
