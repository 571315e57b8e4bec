"""What the pages of settings share: reading them as they are typed, and who wrote some."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

from fastapi import Form, Query

from central.accounts.book import staff_names
from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.guard import page_for
from central.console.pages.operations.faults import NotJson
from central.console.words import N_
from central.fleet.orders import BY_CENTRE, BY_COMMAND_LINE

Writer = Annotated[Who, page_for(Role.OPERATOR)]
_NAME: Final = r"^[a-z0-9][a-z0-9-]{0,31}$"
Site = Annotated[str, Query(pattern=_NAME)]
Door = Annotated[str, Query(pattern=_NAME)]
FormDoor = Annotated[str, Form(pattern=rf"^$|{_NAME}")]
"""The door whose form one came from; empty: none."""

_WRITERS: Final = {
    BY_CENTRE: N_("the centre itself"),
    BY_COMMAND_LINE: N_("on the command line"),
    None: N_("not noted at that time"),
}
NOBODY: Final[dict[str, Any]] = {"staff": {}, "writers": _WRITERS}


async def writers(centre: Centre, who: Who) -> dict[str, Any]:
    """What those are called who write settings: people, and what else does, in words to be translated."""
    staff = await centre.questions.ask(lambda db: staff_names(db, who.communities))
    return {**NOBODY, "staff": {f"account {number}": name for number, name in staff.items()}}


def read(written: str) -> dict[str, Any]:
    """Raises BadQuestion."""
    try:
        found = json.loads(written)
    except json.JSONDecodeError as error:
        raise NotJson(error.lineno) from None
    except (RecursionError, ValueError):  # too deep, or a number of thousands of digits
        raise NotJson(1) from None
    if not isinstance(found, dict):
        raise NotJson(1)
    return found


def as_text(written: dict[str, Any]) -> str:
    return json.dumps(written, ensure_ascii=False, indent=2)
