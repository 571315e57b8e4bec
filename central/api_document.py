"""The API's document (OpenAPI 3.1), complete: who may call what, how it can be refused, and examples.

What an endpoint says of itself stands with it; here is added what the application knows of all of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from central.accounts.guard import RoleGuard, guards_of
from central.accounts.who import MACHINES_ROLES
from central.api_examples import NoExample, example_of
from central.problems import PROBLEM, Problem

_JSON: Final = "application/json"
_FOR_PEOPLE: Final = frozenset({"look-ups"})
"""Tags of what no machine's token gets behind."""

_SCHEMES: Final = {
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-liuhen",
        "description": "of whoever signed in with both factors; what changes something must come from a page"
        " of the centre: `Sec-Fetch-Site: same-origin`, or its own `Origin`. Over plain HTTP, on the"
        " centre's machine, the cookie is called `liuhen`",
    },
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "a machine's token, made by an administrator; no way to a person",
    },
}
Document = dict[str, Any]


def complete(document: Document, app: FastAPI) -> Document:
    """The same document, with that. What there is no example of has none: a test finds it."""
    schemas = document["components"]["schemas"]
    schemas["Problem"] = Problem.model_json_schema()
    document["components"]["securitySchemes"] = _SCHEMES
    for context in iter_route_contexts(app.routes):
        route, path = context.original_route, str(context.path)
        if isinstance(route, APIRoute):
            for method in route.methods or ():
                operation = document["paths"].get(path, {}).get(method.lower())
                if operation is not None:
                    _say_who(operation, route)
                    _say_how_refused(operation)
                    _show_examples(operation, schemas)
    return document


def _say_who(operation: Document, route: APIRoute) -> None:
    guards = [guard for guard in guards_of(route.dependant) if isinstance(guard, RoleGuard)]
    half = "half_signed_in" in set(_names_in(route))
    if guards:
        roles = frozenset.intersection(*(guard.roles for guard in guards))
        fresh = any(guard.fresh for guard in guards)
        words = [f"For: {', '.join(sorted(roles))}."]
        if fresh:
            words.append("Both factors must have been given within the last ten minutes.")
        operation["description"] = "\n\n".join(filter(None, (operation.get("description"), " ".join(words))))
        machine = not fresh and not half and roles & MACHINES_ROLES and not _FOR_PEOPLE & {*operation["tags"]}
        operation["security"] = [{"session": []}, *([{"token": []}] if machine else [])]
    elif half:
        operation["security"] = [{"session": []}]


def _names_in(route: APIRoute) -> Iterator[str]:
    """Of all that stands before it."""
    waiting = [route.dependant]
    while waiting:
        each = waiting.pop()
        yield getattr(each.call, "__name__", "")
        waiting += each.dependencies


def _say_how_refused(operation: Document) -> None:
    """Each answer that is a problem, in one form."""
    for status, answer in operation["responses"].items():
        if PROBLEM in answer.get("content", {}):
            answer["content"] = {
                PROBLEM: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "example": _problem(int(status), answer["description"]),
                }
            }
        if status == "429":
            answer["headers"] = {
                "Retry-After": {
                    "description": "seconds until it is worth trying again",
                    "required": True,
                    "schema": {"type": "integer", "minimum": 1},
                    "example": 30,
                }
            }


def _problem(status: int, detail: str) -> dict[str, Any]:
    return Problem(title=HTTPStatus(status).phrase, status=status, detail=detail).model_dump()


def _show_examples(operation: Document, schemas: Mapping[str, Any]) -> None:
    for each in operation.get("parameters", ()):
        said = each.pop("examples", None) or each["schema"].get("examples")
        if said:
            each["example"] = said[0]
        elif "example" not in each:
            with contextlib.suppress(NoExample):
                each["example"] = example_of(each["schema"], schemas, each["name"])
    contents: list[Document] = [operation.get("requestBody", {}), *operation["responses"].values()]
    for each in contents:
        for kind, content in each.get("content", {}).items():
            if kind != _JSON:
                content.setdefault("schema", {"type": "string", "format": "binary"})
            elif not content.get("schema"):  # `-> None`: FastAPI answers with null
                content.update(schema={"type": "null"}, example=None)
            elif "example" not in content:
                with contextlib.suppress(NoExample):
                    content["example"] = example_of(content["schema"], schemas)
