"""What a simulated GPIO chip is told and tells: one JSON object a line. Pure.

The protocol stands at the head of gpio_board.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drivers.errors import ProtocolViolation

MAX_LINE = 65_536


@dataclass(frozen=True, slots=True)
class Done:
    """The chip did what request `id` asked; `values` are inputs that it told of, by line."""

    id: int
    values: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class NotDone:
    id: int | None
    error: str
    line: str | None


@dataclass(frozen=True, slots=True)
class Edge:
    line: str
    value: bool


def encode(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


class ChipParser:
    """The chip's bytes in, cut anywhere; what it said out. Not more than one line is kept."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Done | NotDone | Edge]:
        """All that `data` completes. Raises ProtocolViolation: the connection is of no use any more."""
        *lines, rest = bytes(self._buffer + data).split(b"\n")
        self._buffer[:] = rest
        if max(map(len, (*lines, rest))) > MAX_LINE:
            raise ProtocolViolation("a line has no end")
        return [_parse(line) for line in lines if line]


def _parse(line: bytes) -> Done | NotDone | Edge:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise ProtocolViolation("a line is no JSON") from None
    match message:
        case {"event": "edge", "line": str(name), "value": value} if _is_level(value):
            return Edge(name, bool(value))
        case {"id": int(number), "ok": True}:
            return Done(number, _values(message.get("values", {})))
        case {"id": int() | None as id_or_none, "ok": False, "error": str(error)}:
            line_or_none = message.get("line")
            return NotDone(id_or_none, error, line_or_none if isinstance(line_or_none, str) else None)
    raise ProtocolViolation("a line says nothing known")


def _is_level(value: Any) -> bool:
    return type(value) is int and value in (0, 1)


def _values(values: Any) -> Mapping[str, bool]:
    if not isinstance(values, dict) or not all(_is_level(value) for value in values.values()):
        raise ProtocolViolation("values are levels by line")
    return {line: bool(value) for line, value in values.items()}
