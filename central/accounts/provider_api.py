"""API: the end of an account's link to the provider's sign-in, which begins on a page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Request, Response

from central.accounts import book
from central.accounts.administration_api import AccountNumber, Change
from central.accounts.guard import requires
from central.accounts.identify import forget
from central.accounts.models import NOT_THERE
from central.accounts.who import STAFF, Who
from central.problems import RESPONSES
from central.store.changes import Changes

JustProvedStaff = Annotated[Who, requires(*STAFF, fresh=True)]


def router(changes: Changes, now_us: Callable[[], int]) -> APIRouter:
    api = APIRouter(tags=["accounts"])

    @api.delete(
        "/me/provider",
        responses={**RESPONSES, **NOT_THERE},
        status_code=204,
        summary="No longer by the provider's sign-in; all sessions end",
    )
    async def own(who: JustProvedStaff, request: Request, response: Response) -> None:
        await changes.make(lambda db: book.unlink(db, who.account, str(who.account), now_us()))
        forget(response, request)

    @api.delete(
        "/accounts/{account}/provider",
        responses={**RESPONSES, **NOT_THERE},
        status_code=204,
        summary="An account no longer by the provider's sign-in; its sessions end",
    )
    async def of_another(account: AccountNumber, who: Change) -> None:
        await changes.make(lambda db: book.unlink(db, account, str(who.account), now_us()))

    return api
