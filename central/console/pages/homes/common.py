"""What the pages of the register share: whose community it is, and what went wrong."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi.responses import HTMLResponse

from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.forms import status_of
from central.console.guard import page_for
from central.console.pages.homes.sentences import BEGINNINGS, KNOWN
from central.errors import BadQuestion, CentralError, Clash
from central.register.desk import Desk
from central.register.people import is_called, registered_as
from central.register.people_found import MaskedPerson, masked_by_id
from central.register.words import DocumentType

Worker = Annotated[Who, page_for(Role.WORKER)]


class RegisteredOtherwise(Clash):
    """The number is somebody's whose name is not the one that was typed: whoever typed it says which of them
    is right. `person`: of the register."""

    def __init__(self, person: int) -> None:
        super().__init__("this number is registered under another name")
        self.person = person


def refuse_other_name(
    desk: Desk, document: DocumentType, number: str | None, name: str, consented: str
) -> None:
    """`consented`: the id of whom somebody agreed to take as registered; of another one they are asked again.
    Raises RegisteredOtherwise."""
    known = registered_as(desk, document, number)
    if known is None or str(known) == consented or not name.strip():
        return
    if not is_called(desk, known, name):
        raise RegisteredOtherwise(known)


async def registered_as_whom(
    centre: Centre, who: Who, community: int, error: CentralError | None
) -> MaskedPerson | None:
    """Whom a page asks about before it takes them as registered, masked as everywhere; None: nobody."""
    if not isinstance(error, RegisteredOtherwise):
        return None
    vault, person = centre.office.vault, error.person
    found = await centre.office.ask_about(
        who, community, lambda db: masked_by_id(db, vault, community, [person]), lambda _: [person]
    )
    return found.get(person)


def told(error: CentralError) -> dict[str, Any]:
    """What a template shows of an error. `sentence`: in English, to be translated, or None where the page has
    none; `field`: the one at fault, where one is."""
    text = str(error)
    known = text if text in KNOWN else None
    begun = next((meant for begins, meant in BEGINNINGS.items() if text.startswith(begins)), known)
    return {
        "sentence": begun,
        "field": error.field if isinstance(error, BadQuestion) else None,
    }


def show(
    centre: Centre,
    who: Who,
    lang: str | None,
    template: str,
    *,
    here: str,
    error: CentralError | None = None,
    **values: Any,
) -> HTMLResponse:
    """A page of this folder. `here`: its name in the registry."""
    shown = {"error": None if error is None else told(error), **values}
    return centre.show(who, lang, f"homes/{template}", here, status=status_of(error), **shown)
