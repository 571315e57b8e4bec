"""The API's document leaves nothing out: what each operation is for, who may, how it is refused, and examples
that the API itself would take."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from routes_support import the_document, the_routes

from central.api_examples import NoExample, example_of
from central.problems import PROBLEM

NAMES = [route.name for route in the_routes() if route.path.startswith("/api/")]
ALWAYS = {"400", "421", "429", "500"}
NO_PROBLEM = {("GET /api/v1/health", "503")}
"""Says what is wrong in the form in which it otherwise says that all is well."""


def operations() -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in the_document()["paths"].items()
        for method, operation in methods.items()
    }


def test_each_route_of_the_api_is_an_operation_and_each_operation_a_route() -> None:
    assert sorted(operations()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_operation_says_what_it_is_for_and_how_it_is_refused(name: str) -> None:
    operation = operations()[name]
    assert operation["summary"].strip()
    refusals = {status for status in operation["responses"] if status >= "400"}
    assert refusals >= ALWAYS
    for status in refusals:
        if (name, status) not in NO_PROBLEM:
            content = operation["responses"][status]["content"]
            assert list(content) == [PROBLEM], status
            assert content[PROBLEM]["example"]["status"] == int(status)
    assert "Retry-After" in operation["responses"]["429"]["headers"]


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_what_its_schema_says(name: str) -> None:
    operation = operations()[name]
    found = dict(examples_of(operation))
    assert len(found) >= len(operation["responses"]) - 1, "204 alone has nothing to show"
    for where, (schema, example) in found.items():
        whole = {**schema, "components": the_document()["components"]}
        validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        assert list(validator.iter_errors(example)) == [], where


def examples_of(operation: dict[str, Any]) -> Iterator[tuple[str, tuple[dict[str, Any], Any]]]:
    for each in operation.get("parameters", ()):
        yield f"{each['in']} {each['name']}", shown(each, each["name"])
    contents = {"body": operation.get("requestBody", {}), **operation["responses"]}
    for where, said in contents.items():
        for kind, content in said.get("content", {}).items():
            if "json" in kind or kind == "text/event-stream":  # files are bytes
                yield f"{where} {kind}", shown(content)


def shown(described: dict[str, Any], name: str = "") -> tuple[dict[str, Any], Any]:
    """The schema and the example. Raises NoExample, which says what to do."""
    schema = described["schema"]
    if "example" not in described:
        example_of(schema, the_document()["components"]["schemas"], name)
    return schema, described["example"]


def test_whoever_must_sign_in_is_said_so() -> None:
    unguarded = {f"{route.method} {route.path}" for route in the_routes() if route.roles is None}
    silent = {name for name, operation in operations().items() if not operation.get("security")}
    assert silent <= unguarded
    assert silent >= {"POST /api/v1/sign-in", "GET /api/v1/health"}


def test_people_in_examples_are_invented() -> None:
    numbers = re.findall(r"\b\d{17}[\dX]\b", json.dumps(the_document()))
    assert numbers
    assert {number[:6] for number in numbers} == {"000000"}


def test_a_field_without_any_example_is_found() -> None:
    unheard = {"properties": {"never_called_so": {"type": "string"}}}
    with pytest.raises(NoExample, match="never_called_so"):
        example_of(unheard, {})
