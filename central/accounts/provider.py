"""A provider of sign-ins (OpenID Connect Core 1.0): where somebody is sent, and what its ID token proves.

Authorization code flow with PKCE (RFC 7636). Imported only where the settings name a provider: authlib is an
extra. Neither claims nor tokens nor what the provider says get into the log: its lines are words of ours.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from central.accounts.provider_words import REFUSED, Proof, Visit
from central.errors import NotSignedIn, ProviderUnavailable
from central.settings import OidcPart, is_this_machine

log = logging.getLogger(__name__)

_ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
"""Asymmetric ones: what everybody can read, the provider's keys or our client_id, signs nothing."""

_Key = RSAKey | ECKey
_MOST_KEYS: Final = 50
_MOST_BYTES: Final = 256 * 1024
"""Of one answer; discovery documents and key sets have some thousand."""

_STEP_S: Final = 5.0
_WHOLE_S: Final = 10.0
"""So long somebody waits for all that we ask the provider, at each turn."""

_KNOWN_US: Final = 3_600 * 1_000_000
_NEW_KEYS_US: Final = 60 * 1_000_000
"""A token of an unknown key makes us ask for keys anew, no more often than this."""

_LEEWAY_S: Final = 60
"""Between the provider's clock and ours."""

_MOST_AGE_S: Final = 15 * 60
"""A second factor that the provider saw longer ago is given here again: so long a session may be idle."""

_IN_THE_FORM: Final = "client_secret_post"
"""Where the provider takes our secret so alone; else it goes into a header."""

_TOLD: Final = frozenset(
    {"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type"}
)
"""Words of RFC 6749 (5.2), which may stand in the log."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What the provider says of itself (OpenID Connect Discovery 1.0), and its keys."""

    document: Mapping[str, Any]
    keys: Sequence[_Key]
    at_us: int


class Provider:
    """For the event loop. `come_back`: our address for whoever was sent there."""

    def __init__(self, part: OidcPart, client_secret: str, come_back: str, now_us: Callable[[], int]) -> None:
        self._part = part
        self._client_secret = client_secret
        self._come_back = come_back
        self._now_us = now_us
        self._tls = ssl.create_default_context(cafile=part.ca_file)
        self._known: _Known | None = None
        self._asking = asyncio.Lock()

    async def address(self, visit: Visit, *, anew: bool) -> str:
        """Where somebody signs in. `anew`: also one who is signed in there. Raises ProviderUnavailable."""
        async with self._at_the_provider() as client:
            known = await self._about(client)
        asked: dict[str, Any] = {"nonce": visit.nonce}
        if anew:
            asked["prompt"] = "login"
        if self._part.second_factor_acr:
            asked["acr_values"] = " ".join(self._part.second_factor_acr)
        if anew or self._counts_seconds:
            asked["max_age"] = 0 if anew else _MOST_AGE_S  # with it `auth_time` has to be in the token
        made, _ = client.create_authorization_url(
            known.document["authorization_endpoint"], visit.state, visit.verifier, **asked
        )
        return str(made)

    async def proof(
        self, visit: Visit, code: str, issuer: str | None, *, anew_since_us: int | None = None
    ) -> Proof:
        """What `code` is worth. `issuer`: as the answer named it (RFC 9207). `anew_since_us`: they have to
        have signed in there since (UTC in µs). Raises NotSignedIn, ProviderUnavailable."""
        async with self._at_the_provider() as client:
            known = await self._about(client)
            named = known.document.get("authorization_response_iss_parameter_supported") is True
            if issuer != self._part.issuer and (named or issuer is not None):
                raise _refused("the answer is another provider's")
            token = await self._token(client, known, visit, code)
            claims = self._verified(known, token)
            if claims is None and self._now_us() - known.at_us >= _NEW_KEYS_US:
                claims = self._verified(await self._about(client, anew=True), token)
        if claims is None:
            raise _refused("no key of the provider signed the token")
        proof = self._proof(claims, visit)
        if anew_since_us is not None and not self._signed_in_since(claims, anew_since_us // 1_000_000):
            raise _refused("auth_time does not say that they signed in anew")
        return proof

    # --- over the line -----------------------------------------------------------------------------------

    @asynccontextmanager
    async def _at_the_provider(self) -> AsyncIterator[AsyncOAuth2Client]:
        """For one turn. What goes wrong on the way, or lasts too long, is that the provider is away."""
        client = AsyncOAuth2Client(
            self._part.client_id,
            self._client_secret,
            scope=_scope(self._part.claim),
            redirect_uri=self._come_back,
            code_challenge_method="S256",
            transport=_Bounded(httpx2.AsyncHTTPTransport(verify=self._tls, trust_env=False)),
            timeout=_STEP_S,
            follow_redirects=False,
            trust_env=False,
        )
        try:
            async with asyncio.timeout(_WHOLE_S), client:
                yield client
        except TimeoutError:
            raise _unavailable("too slow") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            raise _unavailable(type(error).__name__) from None

    async def _about(self, client: AsyncOAuth2Client, *, anew: bool = False) -> _Known:
        async with self._asking:
            known, now_us = self._known, self._now_us()
            keep_us = _NEW_KEYS_US if anew else _KNOWN_US
            if known is None or not 0 <= now_us - known.at_us < keep_us:
                base = self._part.issuer.rstrip("/")
                document = await _json(client, f"{base}/.well-known/openid-configuration")
                self._check(document)
                known = _Known(document, _keys_in(await _json(client, document["jwks_uri"])), now_us)
                self._known = known
            return known

    async def _token(self, client: AsyncOAuth2Client, known: _Known, visit: Visit, code: str) -> str:
        ways = known.document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if isinstance(ways, list) and "client_secret_basic" not in ways and _IN_THE_FORM in ways:
            client.token_endpoint_auth_method = _IN_THE_FORM
        try:
            answer = await client.fetch_token(
                known.document["token_endpoint"],
                grant_type="authorization_code",
                code=code,
                redirect_uri=self._come_back,
                code_verifier=visit.verifier,
            )
        except OAuthError as error:
            word = error.error if error.error in _TOLD else "another error"
            raise _refused(f"it does not take the code: {word}") from None
        except httpx2.HTTPStatusError as error:
            if error.response.is_server_error:
                raise
            raise _refused("it does not take the code") from None
        token = answer.get("id_token") if isinstance(answer, dict) else None
        if not isinstance(token, str):
            raise _refused("there is no ID token")
        return token

    # --- what is believed --------------------------------------------------------------------------------

    def _check(self, document: Mapping[str, Any]) -> None:
        """Raises ProviderUnavailable where it is of somebody else, or leads where others read along."""
        if document.get("issuer") != self._part.issuer:
            raise _unavailable("its discovery document names another issuer than [oidc] issuer")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not self._is_safe(document.get(name)):
                raise _unavailable(f"its discovery document has no {name} that can be used")

    def _is_safe(self, address: object) -> bool:
        try:
            url = httpx2.URL(address if isinstance(address, str) else "")
        except httpx2.InvalidURL:
            return False
        own_machine = self._part.issuer.startswith("http://") and is_this_machine(url.host)
        return (url.scheme == "https" or (url.scheme == "http" and own_machine)) and bool(url.host)

    def _verified(self, known: _Known, token: str) -> dict[str, Any] | None:
        """The claims of what a key of the provider signed; None where none did."""
        try:
            kid = jws.extract_compact(token.encode()).headers().get("kid")
        except (JoseError, ValueError, TypeError, KeyError):
            raise _refused("the ID token cannot be read") from None
        for key in known.keys:
            if kid is None or key.kid is None or kid == key.kid:
                try:
                    return dict(jwt.decode(token, key, algorithms=_ALGORITHMS).claims)
                except (JoseError, ValueError, TypeError, KeyError):
                    continue
        return None

    def _proof(self, claims: Mapping[str, Any], visit: Visit) -> Proof:
        """Raises NotSignedIn: after OpenID Connect Core 1.0, 3.1.3.7."""
        client, now_s = self._part.client_id, self._now_us() // 1_000_000
        expected = jwt.JWTClaimsRegistry(
            now=now_s,
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": self._part.issuer},
            aud={"essential": True, "value": client},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": visit.nonce},
        )
        try:
            expected.validate(dict(claims))
        except (JoseError, TypeError, ValueError) as error:
            which = getattr(error, "claim", None)
            word = which if which in ("iss", "aud", "exp", "iat", "nbf", "nonce") else "a claim"
            raise _refused(f"{word} is not as it has to be") from None
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if several else client) != client:
            raise _refused("azp is not as it has to be")
        subject = claims.get(self._part.claim)
        if not isinstance(subject, str) or not subject.strip():
            raise _refused("[oidc] claim is not in the token")
        if self._part.claim == "email" and claims.get("email_verified") is not True:
            raise _refused("the provider has not verified the address")
        whom = f"{self._part.issuer}\0{self._part.claim}\0{subject}"
        return Proof(whom, second=self._saw_second(claims, now_s))

    @property
    def _counts_seconds(self) -> bool:
        return bool(self._part.second_factor_acr or self._part.second_factor_amr)

    def _signed_in_since(self, claims: Mapping[str, Any], since_s: int) -> bool:
        """OpenID Connect Core 1.0, 3.1.2.1: `prompt` and `max_age` are asked for, and not always heeded."""
        at_s, now_s = claims.get("auth_time"), self._now_us() // 1_000_000
        if not isinstance(at_s, int) or isinstance(at_s, bool):
            return False
        return since_s - _LEEWAY_S <= at_s <= now_s + _LEEWAY_S

    def _saw_second(self, claims: Mapping[str, Any], now_s: int) -> bool:
        acr, amr, at_s = claims.get("acr"), claims.get("amr"), claims.get("auth_time")
        wanted_acr, wanted_amr = self._part.second_factor_acr, self._part.second_factor_amr
        if not self._counts_seconds or not isinstance(at_s, int):
            return False
        if not -_LEEWAY_S <= now_s - at_s <= _MOST_AGE_S + _LEEWAY_S:
            return False
        if wanted_acr and acr not in wanted_acr:
            return False
        return not wanted_amr or (isinstance(amr, list) and any(each in amr for each in wanted_amr))


class _TooLong(httpx2.ReadError):
    pass


class _Bounded(httpx2.AsyncBaseTransport):
    """No answer is longer than `_MOST_BYTES`, nor unpacks to more."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.headers["Accept-Encoding"] = "identity"
        answer = await self._inner.handle_async_request(request)
        if answer.headers.get("content-encoding", "identity") != "identity":
            await answer.aclose()
            raise _TooLong("packed", request=request)
        assert isinstance(answer.stream, httpx2.AsyncByteStream)
        bounded = _BoundedStream(answer.stream)
        return httpx2.Response(
            answer.status_code, headers=answer.headers, stream=bounded, extensions=answer.extensions
        )

    async def aclose(self) -> None:
        await self._inner.aclose()


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = _MOST_BYTES
        async for piece in self._inner:
            left -= len(piece)
            if left < 0:
                raise _TooLong("too long")
            yield piece

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _json(client: AsyncOAuth2Client, address: str) -> dict[str, Any]:
    """Raises httpx2.HTTPError, ValueError."""
    answer = await client.get(address, auth=None, headers={"Accept": "application/json"})
    if not answer.is_success:
        raise _unavailable(f"status {answer.status_code}")
    found = answer.json()
    if not isinstance(found, dict):
        raise _unavailable("what it says of itself cannot be read")
    return found


def _keys_in(found: Mapping[str, Any]) -> list[_Key]:
    """Those that sign; others, and what cannot be read, are passed over."""
    keys: list[_Key] = []
    listed = found.get("keys")
    for each in listed[:_MOST_KEYS] if isinstance(listed, list) else ():
        if isinstance(each, dict) and each.get("use", "sig") == "sig":
            try:
                key = _key_of(each)
            except (JoseError, ValueError, TypeError, KeyError):
                log.warning("the provider's key set: a key that cannot be read is passed over")
            else:
                keys += [] if key is None else [key]
    return keys


def _key_of(found: dict[str, Any]) -> _Key | None:
    """None for one of another kind. Raises as the library does where it cannot be read."""
    match found.get("kty"):
        case "RSA":
            return RSAKey.import_key(found)
        case "EC":
            return ECKey.import_key(found)
        case _:
            return None


def _scope(claim: str) -> str:
    """No more than what holds the claim."""
    return {"sub": "openid", "email": "openid email"}.get(claim, "openid profile")


def _refused(why: str) -> NotSignedIn:
    log.warning("a sign-in through the provider is refused: %s", why)
    return NotSignedIn(REFUSED)


def _unavailable(why: str) -> ProviderUnavailable:
    log.warning("the provider of sign-ins cannot be used: %s", why)
    return ProviderUnavailable("the provider of sign-ins does not answer as it should; sign in another way")
