"""Passkeys (WebAuthn): what an authenticator is asked for, and whether it answered. Pure.

One that checks who holds it (by a PIN or a finger) is both factors at once, and nothing is typed that another
site could ask for (trust.md R-59). The library is loaded by who has a passkey: with all kinds of attestation
it takes 5 MiB.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from central.errors import Clash, NotSignedIn

_NAME: Final = "Liuhen 留痕"
_REFUSED: Final = "this passkey was not accepted; begin again, or take the authenticator's code"


@dataclass(frozen=True, slots=True)
class Site:
    """What a passkey belongs to: it is offered to pages of `origin` alone, and signs for `name`."""

    name: str
    origin: str


@dataclass(frozen=True, slots=True)
class Passkey:
    """`signs`: the authenticator's counter; a lower one later tells of a copy."""

    credential: bytes
    public_key: bytes
    signs: int


def site_of(address: str | None, scheme: str, host: str) -> Site:
    """`address`: the public one of the settings; without one, as the request says. Raises Clash where that is
    no name that passkeys can belong to."""
    origin = address or f"{scheme}://{host}"
    name = urlsplit(origin).hostname or ""
    if address is None and name != "localhost":
        raise Clash("passkeys need a name: open the pages as localhost, or write [listen] address")
    return Site(name, origin)


def to_make(site: Site, number: int, login: str, known: list[bytes], challenge: bytes) -> dict[str, Any]:
    """For `navigator.credentials.create`. `known`: those that the account has already."""
    import webauthn
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    asked = webauthn.generate_registration_options(
        rp_id=site.name,
        rp_name=_NAME,
        user_id=f"account {number}".encode(),
        user_name=login,
        challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=each) for each in known],
    )
    return _plain(webauthn.options_to_json(asked))


def to_use(site: Site, challenge: bytes) -> dict[str, Any]:
    """For `navigator.credentials.get`: whichever passkey of this site there is, so that no login is asked."""
    import webauthn
    from webauthn.helpers.structs import UserVerificationRequirement

    asked = webauthn.generate_authentication_options(
        rp_id=site.name, challenge=challenge, user_verification=UserVerificationRequirement.REQUIRED
    )
    return _plain(webauthn.options_to_json(asked))


def challenge_in(answer: dict[str, Any]) -> bytes:
    """Which challenge it says it signed; that it did is for the others to find. Raises NotSignedIn."""
    from webauthn.helpers import base64url_to_bytes, parse_client_data_json

    try:
        told = base64url_to_bytes(answer["response"]["clientDataJSON"])
        return parse_client_data_json(told).challenge
    except _bad():
        raise NotSignedIn(_REFUSED) from None


def credential_in(answer: dict[str, Any]) -> bytes:
    """Raises NotSignedIn."""
    from webauthn.helpers import base64url_to_bytes

    try:
        return base64url_to_bytes(answer["id"])
    except _bad():
        raise NotSignedIn(_REFUSED) from None


def made(site: Site, answer: dict[str, Any], challenge: bytes) -> Passkey:
    """Raises NotSignedIn."""
    import webauthn

    try:
        found = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site.name,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except _bad():
        raise NotSignedIn(_REFUSED) from None
    return Passkey(found.credential_id, found.credential_public_key, found.sign_count)


def used(site: Site, answer: dict[str, Any], challenge: bytes, known: Passkey) -> int:
    """Its counter now. Raises NotSignedIn, also for a counter that went back."""
    import webauthn

    try:
        found = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site.name,
            expected_origin=site.origin,
            credential_public_key=known.public_key,
            credential_current_sign_count=known.signs,
            require_user_verification=True,
        )
    except _bad():
        raise NotSignedIn(_REFUSED) from None
    return found.new_sign_count


def _bad() -> tuple[type[Exception], ...]:
    """What reading something that is no answer of an authenticator may raise."""
    from cbor2 import CBORError
    from webauthn.helpers.exceptions import WebAuthnException

    return (WebAuthnException, CBORError, ValueError, KeyError, TypeError, IndexError)


def _plain(text: str) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(text)
    return plain
