"""A page of requests, as those who answer them and those who oversee see it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Query
from sqlalchemy import Connection

from central.accounts.who import Who
from central.console.centre import Centre
from central.console.pages.requests.sentences import WORDS
from central.requests.book import requests

PAGE: Final = 50
Waiting = Annotated[bool, Query()]
After = Annotated[int | None, Query(ge=1, le=2**53)]


def listing(centre: Centre, db: Connection, who: Who, *, waiting: bool, after: int | None) -> dict[str, Any]:
    """Of all communities of whoever asks. Raises NotThere."""
    found = requests(db, who.communities, waiting=waiting, after=after, limit=PAGE + 1)
    further = found[PAGE - 1].id if len(found) > PAGE else None
    values: dict[str, Any] = {"found": found[:PAGE], "further": further, "waiting": waiting, "after": after}
    return {**values, "words": WORDS, "now_us": centre.now_us()}
