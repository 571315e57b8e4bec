"""An impact assessment as a form: each field is called by its path. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from central.accounts.who import Role
from central.assessments.document import MAX_CONTROLLERS, Assessment
from central.assessments.words import DataKind, NoticeLanguage
from central.console.pages.assessment.sentences import ASSESSED, CONTACT, CONTROLLER, NOTICE
from central.errors import BadQuestion

_NUMBERS: Final = range(1, MAX_CONTROLLERS + 1)
_LEAST_LINES: Final = 4
_ONE_LINE: Final = frozenset({"assessed_by", "name"})


def lines_of(typed: Mapping[str, str]) -> int:
    """So many lines the form has for controllers: all that there are and an empty one, as far as it goes."""
    used = [number for number in _NUMBERS if any(typed.get(path) for path in _paths_of(number))]
    return min(MAX_CONTROLLERS, max(_LEAST_LINES, 1 + max(used, default=0)))


def _paths_of(number: int) -> list[str]:
    return [f"controllers.{number}.{name}" for name in CONTROLLER]


def assessment_of(form: Mapping[str, str]) -> Assessment:
    """Raises BadQuestion."""
    try:
        return Assessment.model_validate(
            {
                **{name: _line(form, name) if name in _ONE_LINE else _text(form, name) for name in ASSESSED},
                "controllers": [*_controllers(form)],
                "data": {kind: _rule(form, kind) for kind in DataKind},
                "roles": {role: _text(form, f"roles.{role}") for role in Role},
                "notice": {
                    language: {name: _text(form, f"notice.{language}.{name}") for name in NOTICE}
                    for language in NoticeLanguage
                },
                "contact": {name: _line(form, f"contact.{name}") for name in CONTACT},
            }
        )
    except ValidationError as error:
        raise BadQuestion("form", "a text is too long, or has signs that nobody can read") from error


def typed_of(assessment: Assessment) -> dict[str, str]:
    """What stands in the fields, by path; a field that is not in it is empty."""
    return dict(_fields(assessment.model_dump(mode="json"), ""))


def _fields(part: Any, path: str) -> Iterator[tuple[str, str]]:
    below: list[tuple[str, Any]] = []
    if isinstance(part, dict):
        below = [*part.items()]
    elif isinstance(part, list):
        below = [(str(number), each) for number, each in enumerate(part, 1)]
    elif part is not None:
        yield path, str(part)
    for name, each in below:
        yield from _fields(each, f"{path}.{name}" if path else name)


def _controllers(form: Mapping[str, str]) -> Iterator[dict[str, str]]:
    for number in _NUMBERS:
        here = f"controllers.{number}."
        found = {
            name: _line(form, here + name) if name in _ONE_LINE else _text(form, here + name)
            for name in CONTROLLER
        }
        if any(found.values()):
            yield found


def _rule(form: Mapping[str, str], kind: DataKind) -> dict[str, object]:
    days = _text(form, f"data.{kind}.days")
    if days and not (days.isascii() and days.isdigit()):
        raise BadQuestion("days", "days are a whole number")
    return {
        "basis": _text(form, f"data.{kind}.basis"),
        "days": int(days[:9]) if days else None,
        "rule": _text(form, f"data.{kind}.rule"),
    }


def _line(form: Mapping[str, str], name: str) -> str:
    """What is one line, although its field takes several to show all of it."""
    return " ".join(_text(form, name).split("\n"))


def _text(form: Mapping[str, str], name: str) -> str:
    """Browsers end lines with two signs."""
    return str(form.get(name, "")).replace("\r\n", "\n").strip()
