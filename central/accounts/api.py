"""API: signing in and out, one's own account, and the accounts of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from central.accounts import book
from central.accounts.book import Account, Session
from central.accounts.guard import EVERY_ROLE, open_to_all, requires
from central.accounts.identify import Identify, address_of, forget, keep, refuse_foreign
from central.accounts.sign_in import SignIn
from central.accounts.who import Role, Who
from central.problems import RESPONSES, documented
from central.store.changes import Changes
from central.store.questions import Questions

_Text = Annotated[SecretStr, Field(max_length=512)]
_TOO_OFTEN: dict[int | str, dict[str, Any]] = {
    429: documented("Too many wrong tries; `Retry-After` says how long")
}
_CLASH: dict[int | str, dict[str, Any]] = {409: documented("What is there does not allow it")}
_NOT_THERE: dict[int | str, dict[str, Any]] = {404: documented("There is no such thing")}


async def half_signed_in(request: Request) -> Session:
    """Also one whose second factor is still to come."""
    identify: Identify = request.app.state.identify
    return await identify.session(request)


Half = Annotated[Session, Depends(half_signed_in)]
Anybody = Annotated[Who, requires(*EVERY_ROLE)]
Administrator = Annotated[Who, requires(Role.ADMINISTRATOR)]
AccountNumber = Annotated[int, InPath(ge=1, le=2**53)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PasswordIn(_In):
    login: Annotated[str, Field(max_length=80, examples=["officer-1"])]
    password: _Text


class CodeIn(_In):
    code: Annotated[str, Field(pattern=r"^\s*\d{6}\s*$", examples=["123456"])]


class EnrolIn(CodeIn):
    secret: Annotated[SecretStr, Field(max_length=64)]


class ActivateIn(_In):
    code: _Text
    password: _Text


class ChangeIn(_In):
    old: _Text
    new: _Text


class NextOut(BaseModel):
    """`next`: code (of the authenticator), enrol (an authenticator first), or nothing: signed in."""

    next: str | None = Field(examples=["code"])


class EnrolmentOut(BaseModel):
    secret: str
    address: str = Field(description="what a QR code for an authenticator says")


class MeOut(BaseModel):
    name: str
    role: Role
    unit: str
    communities: list[int]


class AccountOut(BaseModel):
    id: int
    login: str
    name: str
    role: Role
    unit: str
    communities: list[int]
    active: bool = Field(description="has a password and a second factor")
    disabled: bool

    @classmethod
    def of(cls, found: Account) -> AccountOut:
        return cls(
            id=found.id,
            login=found.login,
            name=found.name,
            role=found.role,
            unit=found.unit,
            communities=sorted(found.communities),
            active=found.active,
            disabled=found.disabled,
        )


class AccountIn(_In):
    login: Annotated[str, Field(max_length=32, examples=["officer-2"])]
    name: Annotated[str, Field(max_length=80, examples=["王警官"])]
    role: Role
    unit: Annotated[str, Field(max_length=80, examples=["一号警务室"])]
    communities: Annotated[list[int], Field(max_length=1_000)] = []


class ScopeIn(_In):
    communities: Annotated[list[int], Field(max_length=1_000)]


class CodeOut(BaseModel):
    """To be handed to the account's owner, who sets a password by it within a day."""

    id: int
    code: str


def sign_in_router(sign_in: SignIn) -> APIRouter:
    api = APIRouter(tags=["accounts"])

    @api.post(
        "/sign-in",
        responses={**RESPONSES, **_TOO_OFTEN},
        dependencies=[open_to_all()],
        summary="The first factor: login and password",
    )
    async def password(asked: PasswordIn, request: Request, response: Response) -> NextOut:
        refuse_foreign(request)
        token = await sign_in.password(asked.login, asked.password.get_secret_value(), address_of(request))
        keep(response, request, token)
        return NextOut(next=next_step(await sign_in.session(token)))

    @api.post(
        "/sign-in/code",
        responses={**RESPONSES, **_TOO_OFTEN},
        dependencies=[open_to_all()],
        summary="The second factor; again before what must be sure, such as an export",
    )
    async def code(asked: CodeIn, found: Half, request: Request, response: Response) -> NextOut:
        keep(response, request, await sign_in.second(found, asked.code, address_of(request)))
        return NextOut(next=None)

    @api.post(
        "/sign-in/enrolment",
        responses={**RESPONSES, **_CLASH},
        dependencies=[open_to_all()],
        summary="A secret for an authenticator",
    )
    async def enrolment(found: Half) -> EnrolmentOut:
        made = sign_in.enrolment(found)
        return EnrolmentOut(secret=made.secret, address=made.address)

    @api.post(
        "/sign-in/enrol",
        responses={**RESPONSES, **_CLASH, **_TOO_OFTEN},
        dependencies=[open_to_all()],
        summary="The first code of that authenticator",
    )
    async def enrol(asked: EnrolIn, found: Half, request: Request, response: Response) -> NextOut:
        secret = asked.secret.get_secret_value()
        keep(response, request, await sign_in.enrol(found, secret, asked.code, address_of(request)))
        return NextOut(next=None)

    @api.post(
        "/sign-in/activation",
        responses={**RESPONSES, **_TOO_OFTEN},
        dependencies=[open_to_all()],
        summary="Set a password by a code",
    )
    async def activation(asked: ActivateIn, request: Request, response: Response) -> NextOut:
        refuse_foreign(request)
        code_, password_ = asked.code.get_secret_value(), asked.password.get_secret_value()
        token = await sign_in.activate(code_, password_, address_of(request))
        keep(response, request, token)
        return NextOut(next=next_step(await sign_in.session(token)))

    @api.post(
        "/sign-out", responses=RESPONSES, dependencies=[open_to_all()], status_code=204, summary="Sign out"
    )
    async def sign_out(found: Half, request: Request, response: Response) -> None:
        await sign_in.end(found)
        forget(response, request)

    return api


def router(sign_in: SignIn, questions: Questions, changes: Changes, now_us: Callable[[], int]) -> APIRouter:
    api = APIRouter(tags=["accounts"])

    @api.get("/me", responses=RESPONSES, summary="Who is signed in")
    async def me(who: Anybody) -> MeOut:
        if who.machine:
            return MeOut(name="", role=who.role, unit="", communities=sorted(who.communities))
        found = await questions.ask(lambda db: book.one_account(db, who.account))
        return MeOut(name=found.name, role=found.role, unit=found.unit, communities=sorted(found.communities))

    @api.post(
        "/me/password",
        responses={**RESPONSES, **_TOO_OFTEN},
        status_code=204,
        summary="Another password; all sessions end",
    )
    async def change(
        asked: ChangeIn, who: Anybody, found: Half, request: Request, response: Response
    ) -> None:
        del who
        old, new = asked.old.get_secret_value(), asked.new.get_secret_value()
        await sign_in.change_password(found, old, new, address_of(request))
        forget(response, request)

    @api.get("/accounts", responses=RESPONSES, summary="All accounts")
    async def accounts(who: Administrator) -> list[AccountOut]:
        del who
        return [AccountOut.of(found) for found in await questions.ask(book.accounts)]

    @api.post("/accounts", responses={**RESPONSES, **_CLASH}, status_code=201, summary="A new account")
    async def make(asked: AccountIn, who: Administrator) -> CodeOut:
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
            )
        )
        return CodeOut(id=number, code=made)

    @api.put(
        "/accounts/{account}/communities",
        responses={**RESPONSES, **_NOT_THERE},
        summary="Which communities an account sees",
    )
    async def scope(account: AccountNumber, asked: ScopeIn, who: Administrator) -> AccountOut:
        by, wanted = str(who.account), frozenset(asked.communities)
        await changes.make(lambda db: book.set_scope(db, account, wanted, by, now_us()))
        return AccountOut.of(await questions.ask(lambda db: book.one_account(db, account)))

    @api.post(
        "/accounts/{account}/disable",
        responses={**RESPONSES, **_NOT_THERE},
        status_code=204,
        summary="Disable an account for good, and end its sessions",
    )
    async def disable(account: AccountNumber, who: Administrator) -> None:
        await changes.make(lambda db: book.disable(db, account, str(who.account), now_us()))

    @api.post(
        "/accounts/{account}/reset",
        responses={**RESPONSES, **_NOT_THERE, **_CLASH},
        summary="Password and second factor anew, by a code",
    )
    async def reset(account: AccountNumber, who: Administrator) -> CodeOut:
        made = await changes.make(lambda db: book.reset(db, account, str(who.account), now_us()))
        return CodeOut(id=account, code=made)

    return api


def next_step(found: Session) -> str | None:
    if found.proved_us is not None:
        return None
    return "code" if found.has_second else "enrol"
