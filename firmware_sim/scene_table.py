"""One table of a scene file, being emptied key by key: what is left at the end is unknown."""

import re
from collections.abc import Mapping
from typing import Any

from firmware_sim.errors import SceneError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
TAKEN_NAMES = ("control.sock", "events.jsonl", "pcscd")


class Table:
    """A TOML table with its path. Each method takes one key out, or raises SceneError with the key's path."""

    def __init__(self, path: str, values: Mapping[str, Any]) -> None:
        self._path = path
        self._left = dict(values)

    def _where(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def _pop(self, key: str, default: object, kind: type, words: str) -> Any:
        if key not in self._left and default is None:
            raise SceneError(f"key {self._where(key)} is missing")
        value = self._left.pop(key, default)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise SceneError(f"key {self._where(key)}: expects {words}, not {value!r}")
        return value

    def whole(self, key: str, default: int | None, *, low: int, high: int) -> int:
        value: int = self._pop(key, default, int, "a whole number")
        if not low <= value <= high:
            raise SceneError(f"key {self._where(key)}: {low} to {high}, not {value}")
        return value

    def number(self, key: str, default: float, *, low: float, high: float) -> float:
        value: float = self._pop(key, default, float, "a number")
        if not low <= value <= high:
            raise SceneError(f"key {self._where(key)}: {low} to {high}, not {value}")
        return value

    def rate(self, key: str, default: int, rates: tuple[int, ...]) -> int:
        value: int = self._pop(key, default, int, "a whole number")
        if value not in rates:
            raise SceneError(f"key {self._where(key)}: one of {', '.join(map(str, rates))}, not {value}")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        value: bool = self._pop(key, default, bool, "true or false")
        return value

    def choice(self, key: str, default: str, choices: tuple[str, ...]) -> str:
        value: str = self._pop(key, default, str, "text")
        if value not in choices:
            raise SceneError(f"key {self._where(key)}: one of {', '.join(choices)}, not {value!r}")
        return value

    def text(self, key: str, default: str | None) -> str:
        value: str = self._pop(key, default, str, "text")
        return value

    def texts(self, key: str) -> list[str]:
        """None where the key is not there."""
        values: list[object] = self._pop(key, [], list, "a list of texts")
        if not all(isinstance(value, str) for value in values):
            raise SceneError(f"key {self._where(key)}: expects a list of texts, not {values!r}")
        return [str(value) for value in values]

    def name(self, key: str, default: str | None = None) -> str:
        value: str = self._pop(key, default, str, "text")
        if not NAME.fullmatch(value) or value in TAKEN_NAMES:
            raise SceneError(
                f"key {self._where(key)}: {value!r} is no name: letters, digits, . _ -, up to 63"
            )
        return value

    def has(self, key: str) -> bool:
        return key in self._left

    def table(self, key: str) -> "Table":
        return Table(self._where(key), self._pop(key, {}, dict, "a table"))

    def tables(self, key: str) -> list["Table"]:
        values = self._pop(key, [], list, f"[[{key}]] tables")
        if not all(isinstance(value, dict) for value in values):
            raise SceneError(f"key {self._where(key)}: expects [[{key}]] tables")
        return [Table(f"{self._where(key)}[{at}]", value) for at, value in enumerate(values)]

    def done(self) -> None:
        for key in self._left:
            raise SceneError(f"key {self._where(key)} is not known")
