"""API: signing in and out, and one's own account."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field, SecretStr

from central.accounts import book
from central.accounts.guard import EVERY_ROLE, open_to_all, requires
from central.accounts.identify import Identify, address_of, forget, keep, refuse_foreign
from central.accounts.models import CLASH, TOO_OFTEN, Secret
from central.accounts.sessions import Session
from central.accounts.sign_in import SignIn
from central.accounts.who import Role, Who
from central.given import In
from central.problems import RESPONSES


async def half_signed_in(request: Request) -> Session:
    """Also one whose second factor is still to come."""
    identify: Identify = request.app.state.identify
    return await identify.session(request)


Half = Annotated[Session, Depends(half_signed_in)]
Anybody = Annotated[Who, requires(*EVERY_ROLE)]
JustProved = Annotated[Who, requires(*EVERY_ROLE, fresh=True)]


class PasswordIn(In):
    login: Annotated[str, Field(max_length=80, examples=["officer-1"])]
    password: Secret


class CodeIn(In):
    code: Annotated[str, Field(pattern=r"^\s*\d{6}\s*$", examples=["123456"])]


class EnrolIn(CodeIn):
    secret: Annotated[SecretStr, Field(max_length=64)]


class ActivateIn(In):
    code: Secret
    password: Secret


class ChangeIn(In):
    old: Secret
    new: Secret


class NextOut(BaseModel):
    """`next`: code (of the authenticator), passkey, enrol (one of the two first), or nothing: signed in."""

    next: Literal["code", "passkey", "enrol"] | None = Field(examples=["code"])


class EnrolmentOut(BaseModel):
    secret: str
    address: str = Field(description="what a QR code for an authenticator says")


class MeOut(BaseModel):
    name: str
    role: Role
    unit: str
    communities: list[int]


def sign_in_router(sign_in: SignIn) -> APIRouter:
    api = APIRouter(tags=["accounts"])

    @api.post(
        "/sign-in",
        responses={**RESPONSES, **TOO_OFTEN},
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
        responses={**RESPONSES, **TOO_OFTEN},
        dependencies=[open_to_all()],
        summary="The second factor; again before what must be sure, such as an export",
    )
    async def code(asked: CodeIn, found: Half, request: Request, response: Response) -> NextOut:
        keep(response, request, await sign_in.second(found, asked.code, address_of(request)))
        return NextOut(next=None)

    @api.post(
        "/sign-in/enrolment",
        responses={**RESPONSES, **CLASH},
        dependencies=[open_to_all()],
        summary="A secret for an authenticator",
    )
    async def enrolment(found: Half) -> EnrolmentOut:
        made = sign_in.enrolment(found)
        return EnrolmentOut(secret=made.secret, address=made.address)

    @api.post(
        "/sign-in/enrol",
        responses={**RESPONSES, **CLASH, **TOO_OFTEN},
        dependencies=[open_to_all()],
        summary="The first code of that authenticator",
    )
    async def enrol(asked: EnrolIn, found: Half, request: Request, response: Response) -> NextOut:
        secret = asked.secret.get_secret_value()
        keep(response, request, await sign_in.enrol(found, secret, asked.code, address_of(request)))
        return NextOut(next=None)

    @api.post(
        "/sign-in/activation",
        responses={**RESPONSES, **TOO_OFTEN},
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


def router(sign_in: SignIn) -> APIRouter:
    api = APIRouter(tags=["accounts"])

    @api.get("/me", responses=RESPONSES, summary="Who is signed in")
    async def me(who: Anybody) -> MeOut:
        if who.machine:
            return MeOut(name="", role=who.role, unit="", communities=sorted(who.communities))
        found = await sign_in.questions.ask(lambda db: book.one_account(db, who.account))
        return MeOut(name=found.name, role=found.role, unit=found.unit, communities=sorted(found.communities))

    @api.post(
        "/me/password",
        responses={**RESPONSES, **TOO_OFTEN},
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

    @api.post("/me/totp", responses=RESPONSES, summary="A secret for another authenticator")
    async def another(who: JustProved, found: Half) -> EnrolmentOut:
        """It counts for nothing until its first code is given; the former one stays good till then."""
        del who
        made = sign_in.enrolment(found, again=True)
        return EnrolmentOut(secret=made.secret, address=made.address)

    @api.put(
        "/me/totp",
        responses={**RESPONSES, **TOO_OFTEN},
        status_code=204,
        summary="The first code of that authenticator, which takes the former one's place",
    )
    async def replace(
        asked: EnrolIn, who: JustProved, found: Half, request: Request, response: Response
    ) -> None:
        del who
        secret, from_where = asked.secret.get_secret_value(), address_of(request)
        keep(response, request, await sign_in.enrol(found, secret, asked.code, from_where, again=True))

    return api


def next_step(found: Session) -> Literal["code", "passkey", "enrol"] | None:
    if found.complete:
        return None
    if found.has_code:
        return "code"
    return "passkey" if found.has_passkey else "enrol"
