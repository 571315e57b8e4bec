"""Forms that the register's endpoints share."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Path as InPath
from pydantic import BaseModel, Field

from central.accounts.guard import requires
from central.accounts.who import Role, Who
from central.given import In
from central.problems import RESPONSES, documented
from central.times import FIRST_DAY, LAST_DAY, CalendarDay, utc_text

MAX_ID: Final = 2**53
_PRINTED: Final = r"^[^\x00-\x1f\x7f]*$"

Worker = Annotated[Who, requires(Role.WORKER)]
CommunityId = Annotated[int, InPath(ge=1, le=MAX_ID)]
RowId = Annotated[int, InPath(ge=1, le=MAX_ID)]
Id = Annotated[int, Field(ge=1, le=MAX_ID)]
Words = Annotated[str, Field(min_length=1, max_length=200, pattern=_PRINTED)]
Short = Annotated[str, Field(min_length=1, max_length=64, pattern=_PRINTED)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", examples=["riverside"])]
Day = Annotated[CalendarDay, Field(ge=FIRST_DAY, le=LAST_DAY, description="by the community's own clock")]

ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    **RESPONSES,
    404: documented("There is no such thing in this community, or no such community for the caller"),
    409: documented("What is there does not allow it; the text says what"),
}


class Reason(In):
    reason: Words = Field(examples=["登记有误"])


class Made(BaseModel):
    id: int


def text_of(at_us: int | None) -> str | None:
    return None if at_us is None else utc_text(at_us)
