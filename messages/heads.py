"""A gateway's state with its signature: nobody but the gateway can say how far its journal goes.

A gateway with a device key sends its state inside a signed message (`messages.signing`, Purpose.HEADS), one
without a key sends it bare. Either way the topic is `state`. Pure: keys are arguments (trust.md R-08, R-55).
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import MsgspecError, Raw, Struct
from msgspec.json import Decoder

from messages.errors import MessageError
from messages.signing import Purpose, opened, sign, trusted
from messages.wire import MAX_PAYLOAD_BYTES, State, decode, encode


class ToldState(Struct, frozen=True):
    """A state as it came; `signed` is the whole message where it bears a signature, not yet verified."""

    state: State
    signed: bytes | None = None


class _Envelope(Struct, frozen=True):
    purpose: str | None = None
    body: Raw = Raw(b"")


_envelope = Decoder(_Envelope)


def tell_state(state: State, key: Ed25519PrivateKey | None, site: str, gateway: str) -> bytes:
    """The payload of a `state` message: signed where there is a key."""
    body = encode(state)
    return body if key is None else sign(key, Purpose.HEADS, site, gateway, body)


def read_state(payload: bytes) -> ToldState:
    """What a `state` message says, signed or not. Proves nothing: see `vouched`. Raises MessageError."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise MessageError(f"{len(payload)} bytes; at most {MAX_PAYLOAD_BYTES}")
    try:
        envelope = _envelope.decode(payload)
    except (MsgspecError, UnicodeError, RecursionError):
        envelope = _Envelope()
    if envelope.purpose is None:
        return ToldState(decode(payload, State))
    return ToldState(decode(bytes(envelope.body), State), payload)


def vouched(told: ToldState, key: bytes, site: str, gateway: str) -> bool:
    """Whether this gateway's device `key` (32 bytes, public) has signed just this."""
    if told.signed is None:
        return False
    try:
        known = trusted(Ed25519PublicKey.from_public_bytes(key))
        body = opened(told.signed, known, Purpose.HEADS, site, gateway)
        return decode(body, State) == told.state
    except (MessageError, ValueError):
        return False
