"""Acknowledgements with the centre's signature: nobody else licenses a deletion.

A gateway that knows the centre's keys says so (`About.signed_acks`); then the centre sends it its `ack`
inside a signed message (`messages.signing`, Purpose.ACK), for that site and gateway alone. Any other gateway
is sent it bare.

The broker may keep one, and nobody has to count them: what one names is committed and stays so. Two things
are wrong with an old one that is played again. Where it names less than is known, it only makes work: records
are sent again. Where the centre was restored from a backup since, it licenses what the centre has no more.
Therefore a signed one says when it was made (`is_stale`). That time is the word of a clock that may have been
wrong, so it alone refuses nothing: a stale one that lowers nothing, while no restore is known, is as good as
any. Pure: keys are arguments (trust.md R-09, R-25).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec.structs import replace

from messages.errors import MessageError
from messages.signing import Purpose, body_unproved, opened, sign
from messages.wire import Ack, decode, encode

STALE_AFTER_US: Final = 60_000_000
"""Processes of one centre may acknowledge in turn, and their clocks differ a little."""


def tell_ack(ack: Ack, key: Ed25519PrivateKey | None, site: str, gateway: str, now_us: int) -> bytes:
    """The payload of an `ack` message; signed, and with its time, where there is a key."""
    if key is None:
        return encode(ack)
    return sign(key, Purpose.ACK, site, gateway, encode(replace(ack, at=now_us)))


def read_ack(payload: bytes) -> Ack:
    """What an `ack` message says, signed or not. Proves nothing. Raises MessageError."""
    try:
        body = body_unproved(payload)
    except MessageError:
        body = payload
    return decode(body, Ack)


def opened_ack(payload: bytes, keys: Mapping[str, Ed25519PublicKey], site: str, gateway: str) -> Ack:
    """What the centre has signed for this gateway; raises as `messages.signing.opened` does."""
    return decode(opened(payload, keys, Purpose.ACK, site, gateway, alone=True), Ack)


def is_stale(ack: Ack, newest_us: int) -> bool:
    """Whether it says that it was made before one that was taken; `newest_us`: when the newest of those was
    made, no later than now."""
    return (ack.at or 0) < newest_us - STALE_AFTER_US
