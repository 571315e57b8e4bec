"""An authenticator in software: makes passkeys and signs with them, as one with a finger's touch does.

Written from the WebAuthn recommendation (Level 2, sections 6.1, 6.5 and 7), not from the library that checks.
"""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

_PRESENT, _VERIFIED, _ATTESTED = 0x01, 0x04, 0x40
_COORDINATE_BYTES = 32


class Authenticator:
    """Holds one passkey. `verifies`: whether it checks who touches it."""

    def __init__(self, origin: str, *, verifies: bool = True) -> None:
        self.origin = origin
        self.signs = 0
        self._flags = _PRESENT | (_VERIFIED if verifies else 0)
        self._id = secrets.token_bytes(16)
        self._key = ec.generate_private_key(ec.SECP256R1())

    def makes(self, options: dict[str, Any]) -> dict[str, Any]:
        """The answer to `options` of a registration."""
        data = self._data(options["rp"]["id"], self._flags | _ATTESTED)
        data += bytes(16) + len(self._id).to_bytes(2, "big") + self._id + self._public()
        attested = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        told = self._told("webauthn.create", options["challenge"])
        return self._answer({"clientDataJSON": text_of(told), "attestationObject": text_of(attested)})

    def signs_in(self, options: dict[str, Any]) -> dict[str, Any]:
        """The answer to `options` of signing in."""
        self.signs += 1
        data = self._data(options["rpId"], self._flags)
        told = self._told("webauthn.get", options["challenge"])
        signature = self._key.sign(data + sha256(told).digest(), ec.ECDSA(SHA256()))
        parts = {"clientDataJSON": told, "authenticatorData": data, "signature": signature}
        return self._answer({name: text_of(part) for name, part in parts.items()})

    def _data(self, site: str, flags: int) -> bytes:
        return sha256(site.encode()).digest() + bytes([flags]) + self.signs.to_bytes(4, "big")

    def _told(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _public(self) -> bytes:
        """COSE: an elliptic curve's key, ES256, P-256, x, y."""
        numbers = self._key.public_key().public_numbers()
        x, y = (each.to_bytes(_COORDINATE_BYTES, "big") for each in (numbers.x, numbers.y))
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})

    def _answer(self, response: dict[str, str]) -> dict[str, Any]:
        shown = text_of(self._id)
        return {"id": shown, "rawId": shown, "type": "public-key", "response": response}


def text_of(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def bytes_of(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
