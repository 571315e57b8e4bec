"""The routes of the application and its document, each made once a process: that takes seconds."""

from functools import cache
from typing import Any

from fastapi import FastAPI

from central.accounts.matrix import Guarded, an_application, routes_of


@cache
def the_application() -> FastAPI:
    return an_application()


@cache
def the_routes() -> tuple[Guarded, ...]:
    """All of them, but for files."""
    return tuple(routes_of(the_application()))


@cache
def the_document() -> dict[str, Any]:
    """Of the API."""
    return the_application().openapi()
