"""API: accounts of others, machines' tokens, and what was done with either. For the administrator.

What changes something takes both factors given a moment ago (trust.md R-61; ASVS 7.5.3).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from pydantic import BaseModel, Field

from central.accounts import book, tokens
from central.accounts.book import Account
from central.accounts.events import AccountEvent, events
from central.accounts.guard import requires
from central.accounts.models import CLASH, NOT_THERE
from central.accounts.who import Role, Who
from central.errors import NotThere
from central.given import In
from central.problems import RESPONSES
from central.store.changes import Changes
from central.store.questions import Questions
from central.times import utc_text

Administrator = Annotated[Who, requires(Role.ADMINISTRATOR)]
Change = Annotated[Who, requires(Role.ADMINISTRATOR, fresh=True)]
Reviewer = Annotated[Who, requires(Role.ADMINISTRATOR, Role.SUPERVISOR)]
AccountNumber = Annotated[int, InPath(ge=1, le=2**53)]


class AccountOut(BaseModel):
    id: int
    login: str
    name: str
    role: Role
    unit: str
    communities: list[int]
    person: int | None = Field(description="of the register: whom a resident's account is for")
    active: bool = Field(description="has a password and a second factor")
    disabled: bool
    linked: bool = Field(description="the provider's sign-in stands for its password")

    @classmethod
    def of(cls, found: Account) -> AccountOut:
        return cls(
            id=found.id,
            login=found.login,
            name=found.name,
            role=found.role,
            unit=found.unit,
            communities=sorted(found.communities),
            person=found.person,
            active=found.active,
            disabled=found.disabled,
            linked=found.linked,
        )


class AccountIn(In):
    login: Annotated[str, Field(max_length=32, examples=["officer-2"])]
    name: Annotated[str, Field(max_length=80, examples=["王警官"])]
    role: Role
    unit: Annotated[str, Field(max_length=80, examples=["一号警务室"])]
    communities: Annotated[list[int], Field(default_factory=list, max_length=1_000)]
    person: Annotated[
        int | None, Field(ge=1, le=2**53, description="for a resident's account, and for no other")
    ] = None


class ScopeIn(In):
    communities: Annotated[list[int], Field(max_length=1_000)]


class CodeOut(BaseModel):
    """To be handed to the account's owner, who sets a password by it within a day."""

    id: int
    code: str


class RoleIn(In):
    role: Role
    unit: Annotated[str, Field(max_length=80, examples=["一号警务室"])]


class MachineTokenIn(In):
    name: Annotated[str, Field(max_length=32, examples=["wall-display"])]
    role: Literal["officer", "operator", "installer"] = Field(description="none that gets to a person")
    communities: Annotated[list[int], Field(max_length=1_000)]
    days: Annotated[int, Field(ge=1, le=tokens.TOKEN_DAYS)] = 90


class MachineTokenMade(BaseModel):
    """For the header `Authorization: Bearer ...`. It is kept nowhere and not shown again."""

    token: str


class MachineTokenOut(BaseModel):
    id: int
    name: str
    role: Role
    communities: list[int]
    until: str = Field(description="UTC", examples=["2026-11-23T06:03:05.120000Z"])
    ended: bool


class EventOut(BaseModel):
    id: int
    at: str = Field(description="UTC", examples=["2026-11-23T06:03:05.120000Z"])
    account: int | None = Field(description="whom it is about; null: nobody known, or a token")
    event: AccountEvent
    by: str = Field(description="an account's number, or a word for whoever has none", examples=["1"])


def router(questions: Questions, changes: Changes, now_us: Callable[[], int]) -> APIRouter:
    api = APIRouter(tags=["accounts"])
    _accounts(api, questions, changes, now_us)
    _tokens(api, questions, changes, now_us)

    @api.get("/accounts/events", responses=RESPONSES, summary="What was done with accounts, newest first")
    async def done(
        who: Reviewer, before: Annotated[int | None, Query(ge=1, le=2**53)] = None
    ) -> list[EventOut]:
        """A page of 200; `before`: the last one's id, for the next page."""
        del who
        return [
            EventOut(id=each.id, at=utc_text(each.at_us), account=each.account, event=each.event, by=each.by)
            for each in await questions.ask(lambda db: events(db, before))
        ]

    return api


def _accounts(api: APIRouter, questions: Questions, changes: Changes, now_us: Callable[[], int]) -> None:
    @api.get("/accounts", responses=RESPONSES, summary="All accounts")
    async def accounts(who: Administrator) -> list[AccountOut]:
        del who
        return [AccountOut.of(found) for found in await questions.ask(book.accounts)]

    @api.post(
        "/accounts", responses={**RESPONSES, **NOT_THERE, **CLASH}, status_code=201, summary="A new account"
    )
    async def make(asked: AccountIn, who: Change) -> CodeOut:
        by, scope = str(who.account), frozenset(asked.communities)
        number, made = await changes.make(
            lambda db: book.make_account(
                db,
                asked.login,
                name=asked.name,
                role=asked.role,
                unit=asked.unit,
                communities=scope,
                by=by,
                now_us=now_us(),
                person=asked.person,
            )
        )
        return CodeOut(id=number, code=made)

    @api.put(
        "/accounts/{account}/communities",
        responses={**RESPONSES, **NOT_THERE, **CLASH},
        summary="Which communities an account sees",
    )
    async def scope(account: AccountNumber, asked: ScopeIn, who: Change) -> AccountOut:
        by, wanted = str(who.account), frozenset(asked.communities)
        await changes.make(lambda db: book.set_scope(db, account, wanted, by, now_us()))
        return AccountOut.of(await questions.ask(lambda db: book.one_account(db, account)))

    @api.post(
        "/accounts/{account}/disable",
        responses={**RESPONSES, **NOT_THERE, **CLASH},
        status_code=204,
        summary="Disable an account for good, and end its sessions",
    )
    async def disable(account: AccountNumber, who: Change) -> None:
        await changes.make(lambda db: book.disable(db, account, str(who.account), now_us()))

    @api.post(
        "/accounts/{account}/reset",
        responses={**RESPONSES, **NOT_THERE, **CLASH},
        summary="Password and second factor anew, by a code",
    )
    async def reset(account: AccountNumber, who: Change) -> CodeOut:
        made = await changes.make(lambda db: book.reset(db, account, str(who.account), now_us()))
        return CodeOut(id=account, code=made)

    @api.put(
        "/accounts/{account}/role",
        responses={**RESPONSES, **NOT_THERE, **CLASH},
        summary="Another role or unit; its sessions end",
    )
    async def role(account: AccountNumber, asked: RoleIn, who: Change) -> AccountOut:
        by = str(who.account)
        await changes.make(
            lambda db: book.set_role(db, account, asked.role, asked.unit, by=by, now_us=now_us())
        )
        return AccountOut.of(await questions.ask(lambda db: book.one_account(db, account)))


def _tokens(api: APIRouter, questions: Questions, changes: Changes, now_us: Callable[[], int]) -> None:
    @api.get("/accounts/tokens", responses=RESPONSES, summary="Machines' tokens, newest first")
    async def all_tokens(who: Administrator) -> list[MachineTokenOut]:
        del who
        return [
            MachineTokenOut(
                id=each.id,
                name=each.name,
                role=each.role,
                communities=sorted(each.communities),
                until=utc_text(each.until_us),
                ended=each.ended,
            )
            for each in await questions.ask(tokens.machine_tokens)
        ]

    @api.post(
        "/accounts/tokens",
        responses={**RESPONSES, **NOT_THERE},
        status_code=201,
        summary="A token for a machine",
    )
    async def token(asked: MachineTokenIn, who: Change) -> MachineTokenMade:
        made = await changes.make(
            lambda db: tokens.make_machine_token(
                db,
                asked.name,
                role=Role(asked.role),
                communities=frozenset(asked.communities),
                days=asked.days,
                by=str(who.account),
                now_us=now_us(),
            )
        )
        return MachineTokenMade(token=made)

    @api.delete(
        "/accounts/tokens/{name}",
        responses={**RESPONSES, **NOT_THERE},
        status_code=204,
        summary="End the tokens of this name",
    )
    async def end(name: Annotated[str, InPath(max_length=32)], who: Change) -> None:
        ended = await changes.make(lambda db: tokens.end_machine_token(db, name, str(who.account), now_us()))
        if not ended:
            raise NotThere("there is no token of this name that is good")
