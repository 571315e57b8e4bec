"""A provider of sign-ins (OpenID Connect) on loopback, with switches to misbehave.

Written from OpenID Connect Core 1.0, Discovery 1.0 and RFC 7636; it signs by cryptography alone, not by
the library that checks.
"""

from __future__ import annotations

import gzip
import hmac
import json
import secrets
import threading
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CLIENT = "liuhen"
CLIENT_SECRET = "canary-client-secret"
SUBJECT = "canary-subject-7f3a"
_COORDINATE_BYTES = 32
_PAGE = b'<!doctype html><link rel="icon" href="data:,"><form method="post"><button>Let me in</button></form>'


class AProvider:
    """`wrong`: how it misbehaves from now on. `claims` go over those of its tokens; `document` over its own
    description. `asked`: with what people were sent here."""

    def __init__(self, now_s: Callable[[], int]) -> None:
        self.wrong: str | None = None
        self.claims: dict[str, Any] = {}
        self.document: dict[str, Any] = {}
        self.asked: list[dict[str, str]] = []
        self.requests: list[str] = []
        self.said: list[str] = []  # what nobody may find in a log
        self.go_on = threading.Event()
        self.now_s = now_s
        self._codes: dict[str, tuple[dict[str, str], dict[str, Any]]] = {}
        self.turn_keys()
        self._server = _Server(self)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="provider")
        self._thread.start()

    def stop(self) -> None:
        self.go_on.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def turn_keys(self) -> None:
        """Others from now on."""
        self._rsa = rsa.generate_private_key(65_537, 2_048)
        self._curve = ec.generate_private_key(ec.SECP256R1())
        self._turn = secrets.token_hex(4)

    # --- what it says ------------------------------------------------------------------------------------

    def described(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "code_challenge_methods_supported": ["S256"],
            **self.document,
        }

    def keys(self) -> dict[str, Any]:
        n, e = (self._rsa.public_key().public_numbers().n, 65_537)
        point = self._curve.public_key().public_numbers()
        return {
            "keys": [
                {"kty": "oct", "k": text_of(b"nobody's"), "use": "sig"},
                {"kty": "RSA", "kid": f"rsa-{self._turn}", "use": "sig", "n": number(n), "e": number(e)},
                {
                    "kty": "EC",
                    "kid": f"ec-{self._turn}",
                    "crv": "P-256",
                    "x": text_of(point.x.to_bytes(_COORDINATE_BYTES, "big")),
                    "y": text_of(point.y.to_bytes(_COORDINATE_BYTES, "big")),
                },
            ]
        }

    def lets_in(self, address: str, subject: str = SUBJECT) -> str:
        """`address`: where somebody was sent. Where they are sent back to, having signed in here."""
        asked = dict(parse_qsl(urlsplit(address).query))
        code = secrets.token_urlsafe(16)
        self.asked.append(asked)
        self.said.append(code)
        self._codes[code] = (asked, {"sub": subject, **self.claims})
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, asked: dict[str, list[str]], authorization: str) -> tuple[int, Any]:
        """Status and body, as the token endpoint answers."""
        name, _, password = b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        if not authorization:
            name, password = asked["client_id"][0], asked["client_secret"][0]
        if (unquote(name), unquote(password)) != (CLIENT, CLIENT_SECRET):
            return 401, {"error": "invalid_client"}
        known = self._codes.pop(asked["code"][0], None)
        if known is None:
            return 400, {"error": "invalid_grant", "error_description": "canary-of-the-provider"}
        begun, claims = known
        challenge = text_of(sha256(asked["code_verifier"][0].encode()).digest())
        if (begun["code_challenge_method"], begun["code_challenge"]) != ("S256", challenge):
            return 400, {"error": "invalid_grant"}
        if begun["redirect_uri"] != asked["redirect_uri"][0]:
            return 400, {"error": "invalid_grant"}
        signed = self._signed(self._claims(begun, claims))
        access = secrets.token_urlsafe(16)
        self.said += [signed, access]
        answer = {"access_token": access, "token_type": "Bearer", "expires_in": 60, "id_token": signed}
        match self.wrong:
            case "no token":
                del answer["id_token"]
            case "a list":
                return 200, [answer]
            case "an error of its own":
                return 500, {}
        return 200, answer

    def _claims(self, begun: dict[str, str], claims: dict[str, Any]) -> dict[str, Any]:
        now_s = self.now_s()
        plain = {"iss": self.issuer, "aud": CLIENT, "iat": now_s, "exp": now_s + 300, "nonce": begun["nonce"]}
        if "max_age" in begun:
            plain["auth_time"] = now_s
        match self.wrong:
            case "nonce":
                plain["nonce"] = "another"
            case "no nonce":
                del plain["nonce"]
            case "audience":
                plain["aud"] = "another"
            case "audiences":
                plain["aud"] = [CLIENT, "another"]
            case "party":
                plain["azp"] = "another"
            case "expired":
                plain |= {"iat": now_s - 900, "exp": now_s - 600}
            case "never ends":
                del plain["exp"]
            case "issuer":
                plain["iss"] = "https://login.example"
            case "no subject":
                claims = {**claims, "sub": ""}
        return {**plain, **claims}

    def _signed(self, claims: dict[str, Any]) -> str:
        match self.wrong:
            case "alg none":
                return f"{_part({'alg': 'none'})}.{_part(claims)}."
            case "HS256 by the public key":
                public = self._rsa.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
                head = f"{_part({'alg': 'HS256', 'kid': f'rsa-{self._turn}'})}.{_part(claims)}"
                return f"{head}.{text_of(hmac.digest(public, head.encode(), 'sha256'))}"
            case "HS256 by the client's secret":
                head = f"{_part({'alg': 'HS256'})}.{_part(claims)}"
                return f"{head}.{text_of(hmac.digest(CLIENT_SECRET.encode(), head.encode(), 'sha256'))}"
            case "ES256":
                head = f"{_part({'alg': 'ES256', 'kid': f'ec-{self._turn}'})}.{_part(claims)}"
                r, s = decode_dss_signature(self._curve.sign(head.encode(), ec.ECDSA(SHA256())))
                return (
                    f"{head}.{text_of(b''.join(each.to_bytes(_COORDINATE_BYTES, 'big') for each in (r, s)))}"
                )
            case "no JWT":
                return "canary-no-jwt"
        key = rsa.generate_private_key(65_537, 2_048) if self.wrong == "another key" else self._rsa
        named = {} if self.wrong == "no kid" else {"kid": f"rsa-{self._turn}"}
        text = f"{_part({'alg': 'RS256', **named})}.{_part(claims)}"
        return f"{text}.{text_of(key.sign(text.encode(), padding.PKCS1v15(), SHA256()))}"


class _Server(ThreadingHTTPServer):
    """Many at once; none of them keeps a test from its end."""

    daemon_threads = True

    def __init__(self, provider: AProvider) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.provider = provider


class _Handler(BaseHTTPRequestHandler):
    @property
    def provider(self) -> AProvider:
        assert isinstance(self.server, _Server)
        return self.server.provider

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.provider.requests.append(self.path)
        match path, self.provider.wrong:
            case "/authorize", _:
                self.answer(200, _PAGE, "text/html")
            case _, "slow":
                self.provider.go_on.wait()
                self.answer(503, b"")
            case _, "leads elsewhere":
                self.answer(302, b"", location=f"{self.provider.issuer}{path}?again")
            case _, "too long":
                self.json(200, self.provider.described() | {"more": "x" * 300_000})
            case _, "packed":
                body = gzip.compress(json.dumps(self.provider.described()).encode())
                self.answer(200, body, "application/json", packed=True)
            case _, "no JSON":
                self.answer(200, b"<html>", "text/html")
            case "/.well-known/openid-configuration", _:
                self.json(200, self.provider.described())
            case "/keys", _:
                self.json(200, self.provider.keys())
            case _:
                self.answer(404, b"")

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        self.provider.requests.append(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if path == "/authorize":
            self.answer(303, b"", location=self.provider.lets_in(self.path))
        elif self.provider.wrong == "slow to change codes":
            self.provider.go_on.wait()
            self.answer(503, b"")
        else:
            self.json(*self.provider.token(parse_qs(body.decode()), self.headers.get("authorization", "")))

    def json(self, status: int, body: Any) -> None:
        self.answer(status, json.dumps(body).encode(), "application/json")

    def answer(
        self,
        status: int,
        body: bytes,
        kind: str = "text/plain",
        *,
        location: str | None = None,
        packed: bool = False,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if packed:
            self.send_header("Content-Encoding", "gzip")
        if location is not None:
            self.send_header("Location", location)
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # whoever asked has gone

    def log_message(self, *_: object) -> None:
        """Nothing: tests say what went wrong."""


@contextmanager
def a_provider(now_s: Callable[[], int]) -> Iterator[AProvider]:
    provider = AProvider(now_s)
    try:
        yield provider
    finally:
        provider.stop()


def text_of(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int) -> str:
    return text_of(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _part(value: dict[str, Any]) -> str:
    return text_of(json.dumps(value).encode())
