"""API: signing in by a passkey, and one's own passkeys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi import Path as InPath
from pydantic import BaseModel, Field

from central.accounts import passkey_book, passkeys
from central.accounts.api import Anybody, Half, JustProved, NextOut
from central.accounts.guard import open_to_all
from central.accounts.identify import address_of, keep, refuse_foreign
from central.accounts.models import CLASH, NOT_THERE, TOO_OFTEN
from central.accounts.passkey_sign_in import PasskeySignIn
from central.accounts.passkeys import Site
from central.accounts.sessions import Session
from central.accounts.sign_in import SignIn
from central.errors import Clash, NotSignedIn
from central.given import In
from central.problems import RESPONSES
from central.times import utc_text

Number = Annotated[int, InPath(ge=1, le=2**53)]
_WORDS = "as JSON, for `PublicKeyCredential.parse...OptionsFromJSON` of the browser"


class PasskeyAnswerIn(In):
    """What the browser's `PublicKeyCredential.toJSON()` gives."""

    answer: dict[str, Any] = Field(examples=[{"id": "...", "response": {}, "type": "public-key"}])


class PasskeyIn(PasskeyAnswerIn):
    name: Annotated[str, Field(max_length=40, examples=["桌上的安全密钥"])]


class PasskeyOptionsOut(BaseModel):
    options: dict[str, Any] = Field(description=_WORDS)


class PasskeyOut(BaseModel):
    id: int
    name: str
    made_at: str = Field(description="UTC", examples=["2026-11-23T06:03:05.120000Z"])
    used_at: str | None = Field(description="UTC")


SiteOf = Callable[[Request], Site]


def router(sign_in: SignIn, address: str | None) -> APIRouter:
    """`address`: the public one of the settings."""
    api = APIRouter(tags=["accounts"])
    with_passkey = PasskeySignIn(sign_in)

    def site(request: Request) -> Site:
        return passkeys.site_of(address, request.url.scheme, request.headers.get("host", ""))

    _signing_in(api, with_passkey, site)
    _enrolling(api, with_passkey, site)
    _own(api, with_passkey, site, sign_in)
    return api


def _signing_in(api: APIRouter, with_passkey: PasskeySignIn, site: SiteOf) -> None:
    @api.post(
        "/sign-in/passkey/options",
        responses={**RESPONSES, **CLASH, **TOO_OFTEN},
        dependencies=[open_to_all()],
        summary="What a passkey is to sign, once, within five minutes",
    )
    async def to_use(request: Request) -> PasskeyOptionsOut:
        refuse_foreign(request)
        return PasskeyOptionsOut(options=await with_passkey.to_use(site(request), address_of(request)))

    @api.post(
        "/sign-in/passkey",
        responses={**RESPONSES, **CLASH, **TOO_OFTEN},
        dependencies=[open_to_all()],
        summary="Both factors at once: what the passkey signed; also again, before what must be sure",
    )
    async def use(asked: PasskeyAnswerIn, request: Request, response: Response) -> NextOut:
        refuse_foreign(request)
        keep(response, request, await with_passkey.use(site(request), asked.answer, address_of(request)))
        return NextOut(next=None)


def _enrolling(api: APIRouter, with_passkey: PasskeySignIn, site: SiteOf) -> None:
    @api.post(
        "/sign-in/enrol/passkey/options",
        responses={**RESPONSES, **CLASH},
        dependencies=[open_to_all()],
        summary="A passkey as the first second factor",
    )
    async def to_enrol(found: Half, request: Request) -> PasskeyOptionsOut:
        _refuse_second(found)
        return PasskeyOptionsOut(options=await with_passkey.to_make(site(request), found))

    @api.post(
        "/sign-in/enrol/passkey",
        responses={**RESPONSES, **CLASH},
        dependencies=[open_to_all()],
        summary="That passkey",
    )
    async def enrol(asked: PasskeyIn, found: Half, request: Request, response: Response) -> NextOut:
        _refuse_second(found)
        keep(response, request, await with_passkey.make(site(request), found, asked.answer, asked.name))
        return NextOut(next=None)


def _own(api: APIRouter, with_passkey: PasskeySignIn, site: SiteOf, sign_in: SignIn) -> None:
    @api.get("/me/passkeys", responses=RESPONSES, summary="One's own passkeys")
    async def mine(who: Anybody) -> list[PasskeyOut]:
        return [
            PasskeyOut(
                id=each.id,
                name=each.name,
                made_at=utc_text(each.made_us),
                used_at=None if each.used_us is None else utc_text(each.used_us),
            )
            for each in await sign_in.questions.ask(lambda db: passkey_book.passkeys_of(db, who.account))
        ]

    @api.post(
        "/me/passkeys/options", responses={**RESPONSES, **CLASH}, summary="What a new passkey is to sign"
    )
    async def to_make(who: JustProved, found: Half, request: Request) -> PasskeyOptionsOut:
        del who
        return PasskeyOptionsOut(options=await with_passkey.to_make(site(request), found))

    @api.post("/me/passkeys", responses={**RESPONSES, **CLASH}, status_code=201, summary="A new passkey")
    async def make(
        asked: PasskeyIn, who: JustProved, found: Half, request: Request, response: Response
    ) -> NextOut:
        del who
        keep(response, request, await with_passkey.make(site(request), found, asked.answer, asked.name))
        return NextOut(next=None)

    @api.delete(
        "/me/passkeys/{passkey}",
        responses={**RESPONSES, **NOT_THERE, **CLASH},
        status_code=204,
        summary="Remove a passkey",
    )
    async def remove(passkey: Number, who: JustProved) -> None:
        now_us = sign_in.now_us()
        await sign_in.changes.make(lambda db: passkey_book.remove(db, who.account, passkey, now_us))


def _refuse_second(found: Session) -> None:
    if found.has_second and not found.complete:
        raise NotSignedIn("the second factor is still to come")
    if found.has_second:
        raise Clash("this account has a second factor; further passkeys are added when signed in")
