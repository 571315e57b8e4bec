"""What the API is given as JSON: nothing beside what it knows, and nothing of another type than it says."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator


class In(BaseModel):
    """A body, or a part of one. A truth value is no number here, and a text is neither."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _of_its_own_type(cls, value: Any, about: ValidationInfo) -> Any:
        field = cls.model_fields[about.field_name or ""]
        _refuse_other_types(value, field.annotation)
        return value


def _refuse_other_types(value: Any, annotation: Any) -> None:
    """Raises ValueError where pydantic would make a number of a truth value or a text, or the other way."""
    kinds = _kinds(annotation)
    if isinstance(value, list):
        for kind in kinds:
            if get_origin(kind) is list:
                for each in value:
                    _refuse_other_types(each, get_args(kind)[0])
    elif kinds <= {int, NoneType} and isinstance(value, bool | str):
        raise ValueError("is a whole number")
    elif kinds <= {bool, NoneType} and not isinstance(value, bool | None):
        raise ValueError("is true or false")


def _kinds(annotation: Any) -> set[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kinds(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return set().union(*(_kinds(each) for each in get_args(annotation)))
    return {annotation}
