"""What stands before an endpoint: nobody gets behind it whom it does not name.

An endpoint writes `who: Officer`, with `Officer = Annotated[Who, requires(Role.OFFICER)]` in its module.
`open_to_all` is said in so many words, so that a test can tell what was forgotten from what was meant.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant

from central.accounts.identify import address_of
from central.accounts.rates import Rates
from central.accounts.who import Role, Who
from central.errors import NotAllowed, NotSignedIn, ProveAgain, StoreUnavailable
from central.store.scope import ask_within

Identify = Callable[[Request], Awaitable[Who]]
"""Raises NotSignedIn."""

EVERY_ROLE: Final = tuple(Role)


_PARTS: Final = "/parts/"
"""What an open page asks for by itself, every few seconds: nobody is kept from work by their own pages. From
an address it counts all the same."""


class RoleGuard:
    """As a dependency: gives the endpoint who asks. `fresh`: whose both factors were given a moment ago,
    which no machine's token is. Raises NotSignedIn, NotAllowed, ProveAgain, TooOften."""

    def __init__(self, roles: frozenset[Role], *, fresh: bool = False) -> None:
        self.roles = roles
        self.fresh = fresh

    async def __call__(self, request: Request) -> Who:
        identify: Identify = request.app.state.identify
        rates: Rates = request.app.state.rates
        ask_within(())
        rates.asked_from(address_of(request))
        who = await identify(request)
        request.state.who = who  # what frames the answer, also a refusal, is told to whom
        if not request.url.path.startswith(_PARTS):
            rates.asked_by(who)
        ask_within(who.communities)
        if who.role not in self.roles:
            raise NotAllowed(f"this is not for the role {who.role}")
        if self.fresh and who.machine:
            raise NotAllowed("this is for people, not for a machine's token")
        if self.fresh and not who.fresh:
            raise ProveAgain("give the second factor again: this takes one that was given a moment ago")
        return who


class NoGuard:
    """As a dependency: this endpoint is meant for everybody."""

    async def __call__(self, request: Request) -> None:
        """Raises TooOften."""
        rates: Rates = request.app.state.rates
        rates.asked_from(address_of(request))
        ask_within(())


async def is_still(request: Request, who: Who) -> bool:
    """Whether `who` may go on as they began, for what lasts: the session or token is good, and theirs is what
    it was. Keeps no session alive."""
    identify: Identify = request.app.state.identify
    request.state.looks_on = True
    try:
        now = await identify(request)
    except (NotSignedIn, NotAllowed):
        return False
    except StoreUnavailable:
        return True
    return (now.account, now.role, now.communities) == (who.account, who.role, who.communities)


def requires(*roles: Role, fresh: bool = False) -> Any:
    """`fresh`: for exports, approvals and what touches accounts (trust.md R-61)."""
    return Depends(RoleGuard(frozenset(roles), fresh=fresh))


def open_to_all() -> Any:
    return Depends(NoGuard())


def guards_of(dependant: Dependant) -> Iterator[RoleGuard | NoGuard]:
    """All that stand before an endpoint."""
    for each in dependant.dependencies:
        if isinstance(each.call, RoleGuard | NoGuard):
            yield each.call
        yield from guards_of(each)
