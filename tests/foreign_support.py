"""A database full of somebody else's, and a request to every route that names what is theirs.

Made from the tables and the application themselves: whatever is added later is in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from sqlalchemy import Column, Connection, Integer, LargeBinary, Table, insert, select

from central.accounts.matrix import Guarded
from central.store.schema import metadata

CANARY: Final = "canary"
THEIRS: Final = 7_001_337_001
"""The id of each of their rows."""

_DATES: Final = {"date": "2026-11-23", "date-time": "2026-11-23T00:00:00+08:00"}
_HOUR_US: Final = 3_600_000_000
THEIR_WORDS: Final = {"site": f"{CANARY}-site", "gateway": f"{CANARY}-gateway", "door": f"{CANARY}-door"}
_NAMES: Final = {("gateway", "name"): THEIR_WORDS["gateway"], ("site", "name"): THEIR_WORDS["site"]}


# --- what is theirs --------------------------------------------------------------------------------------


def fill(connection: Connection, at_us: int) -> None:
    """A row of theirs in every table, each of its columns a canary."""
    for table in metadata.sorted_tables:
        if table.name != "account_event":
            row = {column.name: _value(table, column, at_us) for column in table.columns}
            connection.execute(insert(table).values(row))


def theirs(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Every row that names anything of theirs, by table."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for table in metadata.sorted_tables:
        rows = [tuple(row) for row in connection.execute(select(table))]
        found[table.name] = sorted(filter(_names_them, rows), key=repr)
    return found


def _names_them(row: tuple[Any, ...]) -> bool:
    return any(value == THEIRS or CANARY in str(value) for value in row)


def _value(table: Table, column: Column[Any], at_us: int) -> Any:
    if (table.name, column.name) in _NAMES:
        return _NAMES[table.name, column.name]
    if column.name in THEIR_WORDS:
        return THEIR_WORDS[column.name]
    if isinstance(column.type, LargeBinary):
        return f"{CANARY}-{table.name}-{column.name}".encode()
    if isinstance(column.type, Integer):
        return _moment(column.name, at_us) or THEIRS
    return f"{CANARY}-{column.name}"


def _moment(name: str, at_us: int) -> int | None:
    """Long enough, and not over yet."""
    if name.startswith("until"):
        return at_us + _HOUR_US
    return at_us if name == "at" or name.endswith("_at") else None


# --- requests that name it -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """One that names what is theirs."""

    path: str
    query: dict[str, Any]
    body: Any
    form: dict[str, str] | None = None


def requests_to(route: Guarded, document: dict[str, Any]) -> list[Request]:
    """With what it demands, and then with each thing more that it takes."""
    described = document["paths"].get(route.path, {}).get(route.method.lower(), {})
    parts = described.get("parameters", [])
    path = route.path
    for part in parts:
        if part["in"] == "path":
            path = path.replace(
                f"{{{part['name']}}}", str(_of_theirs(part["name"], part["schema"], document))
            )
    for part in route.route.dependant.path_params:  # of pages, which the document leaves out
        path = path.replace(f"{{{part.alias}}}", _typed(part.alias, part.field_info.annotation))
    queries = [part for part in parts if part["in"] == "query"]
    needed = {part["name"]: _said(part, document) for part in queries if part.get("required")}
    more = [
        {part["name"]: _of_theirs(part["name"], part["schema"], document)}
        for part in queries
        if not part.get("required")
    ]
    schema = described.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    bodies = [None] if schema is None else _bodies(schema, document)
    form = None
    if not described and route.route.dependant.body_params:
        fields = route.route.dependant.body_params
        form = {each.alias: _typed(each.alias, each.field_info.annotation) for each in fields}
        for each in fields:
            most = [limit.le for limit in each.field_info.metadata if hasattr(limit, "le")]
            if most and form[each.alias] == str(THEIRS):
                form[each.alias] = str(min(THEIRS, *most))
    return [Request(path, {**needed, **each}, body, form) for each in [{}, *more] for body in bodies]


def _typed(name: str, kind: Any) -> str:
    """What a person types or chooses in a page's form, or follows in its address."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return str(next(iter(kind)).value)
    if get_origin(kind) is Literal:
        return str(get_args(kind)[0])
    if kind is bool:
        return "true"
    if kind is date:
        return "2026-05-01"
    if get_origin(kind) in {list, Annotated}:
        return _typed(name, get_args(kind)[0])
    return str(THEIRS) if kind is int else THEIR_WORDS.get(name, CANARY)


def _said(part: dict[str, Any], document: dict[str, Any]) -> Any:
    return _of_theirs(part["name"], {"examples": part.get("examples"), **part["schema"]}, document)


def _bodies(schema: dict[str, Any], document: dict[str, Any]) -> list[Any]:
    """What it demands, alone; and with everything else that it takes."""
    least, most = (_of_theirs("", schema, document, optional=optional) for optional in (False, True))
    return [least] if least == most else [least, most]


def _of_theirs(name: str, schema: dict[str, Any], document: dict[str, Any], *, optional: bool = False) -> Any:
    """A value that the schema allows; where it may name something of theirs, that."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    kinds = schema.get("anyOf") or schema.get("oneOf")
    if kinds:
        first = next(each for each in kinds if each.get("type") != "null")
        return _of_theirs(
            name, {**schema, "anyOf": None, "oneOf": None, **first}, document, optional=optional
        )
    if name in THEIR_WORDS and schema.get("type") == "string":
        return THEIR_WORDS[name]
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    match schema.get("type"):
        case "integer" | "number":
            return min(THEIRS, schema.get("maximum", THEIRS), schema.get("exclusiveMaximum", THEIRS + 1) - 1)
        case "boolean":
            return True
        case "array":
            return [_of_theirs(name.removesuffix("s"), schema["items"], document, optional=optional)]
        case "object":
            needed = schema.get("required", [])
            return {
                each: _of_theirs(each, part, document, optional=optional)
                for each, part in schema.get("properties", {}).items()
                if optional or each in needed
            }
    return next(iter(schema.get("examples") or ()), _DATES.get(schema.get("format", ""), CANARY))
