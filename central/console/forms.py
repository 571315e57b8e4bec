"""What pages with forms share: numbers in addresses, days as they are typed, where one is led afterwards."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Final

from fastapi import Form, Query, Request
from fastapi import Path as InPath
from fastapi.responses import RedirectResponse, Response

from central.console.centre import Centre
from central.errors import BadQuestion, CentralError
from central.times import FIRST_DAY, LAST_DAY, local

RowId = Annotated[int, InPath(ge=1, le=2**53)]
Text = Annotated[str, Form(max_length=512)]
_SEE_OTHER: Final = 303
_UNFIT, _NOT_SO = 422, 409


def day_of(text: str, field: str) -> date | None:
    """Raises BadQuestion for what is no day."""
    if not text.strip():
        return None
    try:
        found = date.fromisoformat(text.strip())
    except ValueError:
        raise BadQuestion(field, "a day is written like 2026-03-31") from None
    if not FIRST_DAY <= found <= LAST_DAY:
        raise BadQuestion(field, "a day lies between 1900 and 2200")
    return found


def reason_of(text: str) -> str:
    """Raises BadQuestion for an empty one."""
    if not text.strip():
        raise BadQuestion("reason", "say why")
    return text.strip()


def today(centre: Centre) -> date:
    return local(centre.now_us(), centre.zone).date()


Done = Annotated[str | None, Query(max_length=24, description="what was done a moment ago")]
"""Of a page that somebody is led to: a word of `words.DONE`, which the frame says in a sentence."""


def led_to(path: str, done: str | None = None) -> Response:
    """After something was done, which the page there says: loading again does not do it twice."""
    if done is not None:
        page, mark, place = path.partition("#")
        path = f"{page}{'&' if '?' in page else '?'}done={done}{mark}{place}"
    return RedirectResponse(path, _SEE_OTHER)


FILE_MADE: Final = "liuhen-file-"
"""Before the number that a page's script asked for a file with: a cookie of that name says that it was made,
and no more. What is answered with a file to keep leads nowhere, so that else nothing on the page would say
so."""

_TOLD_WITHIN_S: Final = 60
_ASKED_WITH: Final = re.compile(r"[0-9a-f]{8}")


def file_to_keep(request: Request, content: bytes, media_type: str, name: str) -> Response:
    """An answer that the browser keeps as a file; the form or link that asked for it has `data-file`."""
    made = Response(content, media_type=media_type)
    made.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    number, safe = request.query_params.get("file", ""), request.url.scheme == "https"
    if _ASKED_WITH.fullmatch(number):
        made.set_cookie(f"{FILE_MADE}{number}", "1", _TOLD_WITHIN_S, path="/", secure=safe, samesite="strict")
    return made


def status_of(error: CentralError | None) -> int:
    if error is None:
        return 200
    return _UNFIT if isinstance(error, BadQuestion) else _NOT_SO
