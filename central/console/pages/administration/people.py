"""What the pages of accounts share: communities by name, who keeps accounts, what went wrong."""

from __future__ import annotations

from typing import Annotated, Final

from central.accounts import book
from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.guard import page_for
from central.console.words import N_
from central.errors import BadQuestion, CentralError, Clash, NotThere
from central.register.communities import Community

Keeper = Annotated[Who, page_for(Role.ADMINISTRATOR)]
Change = Annotated[Who, page_for(Role.ADMINISTRATOR, fresh=True)]

_BY_FIELD: Final = {
    "login": N_("A login has 2 to 32 lower-case letters, digits, full stops and hyphens."),
    "name": N_("A name has 1 to 80 characters; that of a machine lower-case letters, digits and hyphens."),
    "unit": N_("A unit has 1 to 80 characters."),
    "person": N_("For a resident, and for nobody else, give their number in the register."),
    "days": N_("A token is good for 1 to 365 days."),
}
_CLASHES: Final = {
    "there is an account": N_("There is an account of this login already."),
    "nobody changes": N_("Nobody changes their own role; another administrator does."),
    "nobody disables": N_("Nobody disables their own account; another administrator does."),
    "a resident's account": N_("A resident's account is made for one person and stays so."),
    "this account is disabled": N_("This account is disabled; make another one."),
}
_GONE: Final = N_("What is named there is not in the register.")
_ELSE: Final = N_("What was sent is not what the form holds.")


async def all_communities(centre: Centre) -> list[Community]:
    """Also those that the administrator does not see: their names are no secret, and others are given them.
    Asked where nothing is bound to the asker's communities."""
    return await centre.changes.make(book.communities)


def told_of(error: CentralError | None) -> str | None:
    """A sentence, to be translated."""
    match error:
        case None:
            return None
        case BadQuestion(field=field):
            return _BY_FIELD.get(field, _ELSE)
        case Clash():
            text = str(error)
            return next((said for begins, said in _CLASHES.items() if text.startswith(begins)), _ELSE)
        case NotThere():
            return _GONE
        case _:
            return _ELSE
