"""Which methods each address of the API takes: of several templates that fit, the one that says most.

`/alarm-rules/back-test` is an address of its own, and not that of a rule called so. The framework answers
such a request with what it thinks of the rule, and names the methods of the first template alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache


class Methods:
    """Of the templates of addresses that lie below `prefix`, which ends with a slash."""

    def __init__(self, templates: Iterable[tuple[str, frozenset[str]]], prefix: str) -> None:
        self._prefix = prefix
        self._known: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for path, methods in templates:
            if path.startswith(self._prefix):
                self._known[path.count("/")][path] |= methods
        self._shapes = {
            path: re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)))
            for templates in self._known.values()
            for path in templates
        }
        self.of = lru_cache(1_024)(self._of)

    def _of(self, path: str) -> frozenset[str]:
        """None of them where there is no such address."""
        if not path.startswith(self._prefix):
            return frozenset()
        templates = self._known.get(path.count("/"), {})
        fitting = [each for each in templates if self._shapes[each].fullmatch(path)]
        if not fitting:
            return frozenset()
        return frozenset(templates[min(fitting, key=lambda each: each.count("{"))])
