"""What the API's parts about accounts have in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, SecretStr

from central.problems import documented

Secret = Annotated[SecretStr, Field(max_length=512)]

TOO_OFTEN: dict[int | str, dict[str, Any]] = {
    429: documented("Too many wrong tries; `Retry-After` says how long")
}
CLASH: dict[int | str, dict[str, Any]] = {409: documented("What is there does not allow it")}
NOT_THERE: dict[int | str, dict[str, Any]] = {404: documented("There is no such thing")}
