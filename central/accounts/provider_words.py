"""What is said of a provider of sign-ins without the library that speaks to it. Pure."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Final

REFUSED: Final = "signing in through the provider did not succeed"
"""All that somebody is told who is not let in; why stands in the log."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What goes with somebody to the provider and back. All of it follows from what their browser holds, so
    that another browser's answer fits nowhere, and none of it has to be kept."""

    state: str
    nonce: str
    verifier: str  # of PKCE

    @classmethod
    def of(cls, secret: str) -> Visit:
        """`secret`: what the browser holds, drawn for this visit."""
        return cls(*(_derived(secret, word) for word in ("state", "nonce", "verifier")))

    def __repr__(self) -> str:
        return "Visit(...)"


@dataclass(frozen=True, slots=True)
class Proof:
    """`whom`: the provider and whom it means, which is kept as a keyed hash alone. `second`: the provider saw
    a second factor too, as the settings demand it."""

    whom: str = field(repr=False)
    second: bool


def _derived(secret: str, word: str) -> str:
    """43 characters, as many as PKCE asks for at least (RFC 7636, 4.1)."""
    return urlsafe_b64encode(hmac.digest(secret.encode(), word.encode(), "sha256")).rstrip(b"=").decode()
