"""What is wrong in a settings file, in words: where, what, and what could stand there instead. Pure."""

from __future__ import annotations

from typing import get_args

from pydantic import BaseModel, ValidationError

_Loc = tuple[int | str, ...]
_PLAIN = {
    "missing": "is missing",
    "model_type": "is not a table",
    "tuple_type": "is not a list",
    "frozen_set_type": "is not a list",
    "too_short": "is empty",
    "string_type": "is not a text in quotes",
    "path_type": "is not a text in quotes",
}


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line for each fault: the key's full path, what is wrong, and what could stand there."""
    faults = error.errors()
    places = [fault["loc"] for fault in faults]
    return [
        _line(fault["loc"], fault["type"], fault["msg"], model)
        for fault in faults
        if fault["type"] != "too_short" or not _is_consequence(fault["loc"], places)
    ]


def _is_consequence(loc: _Loc, places: list[_Loc]) -> bool:
    """A list looks too short when what it holds is wrong: the items are named, the list need not be."""
    return any(len(place) > len(loc) and place[: len(loc)] == loc for place in places)


def _line(loc: _Loc, kind: str, text: str, model: type[BaseModel]) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")
    if kind == "extra_forbidden":
        known = sorted(_model_at(loc[:-1], model).model_fields)
        return f"{path}: is not a setting; known here: {', '.join(known)}"
    found = _PLAIN.get(kind) or text.removeprefix("Value error, ")
    help_text = _what_to_write(loc, model)
    line = f"{found}; write {help_text}" if help_text else found
    return f"{path}: {line}" if path else line


def _model_at(loc: _Loc, model: type[BaseModel]) -> type[BaseModel]:
    for part in loc:
        if part in model.model_fields:
            model = _inner_model(model.model_fields[str(part)].annotation) or model
    return model


def _what_to_write(loc: _Loc, model: type[BaseModel]) -> str | None:
    """The description of the innermost setting that `loc` leads to."""
    names = [part for part in loc if isinstance(part, str)]
    field = _model_at(tuple(names[:-1]), model).model_fields.get(names[-1]) if names else None
    return field.description if field else None


def _inner_model(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for arg in get_args(annotation) if (m := _inner_model(arg)) is not None), None)
