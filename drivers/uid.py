"""Which UIDs can be a credential at all (ISO 14443-3; readers.md 4.7). Pure.

A UID is in the order on air. No UID proves anything: it can be read and copied by anyone (assurance L0).
"""

from __future__ import annotations

UID_SIZES = (4, 7, 10)  # single, double and triple size
CASCADE_TAG = 0x88  # announces another part of a longer UID; never a UID's own first byte
RANDOM_UID = 0x08  # first byte of a single-size UID that is drawn anew at every presentation
_PART = 3  # bytes of a UID that stand behind a cascade tag
_TAGGED_SIZES = {8: 1, 12: 2}  # with so many cascade tags left in

ALL_ZERO = "a number of only zeros is no card's own: this reader cannot tell these cards apart"
RANDOM = "a phone or a card with a random number: enrol another card"
WRONG_SIZE = "the card's number has no length that ISO 14443 type A knows: enrol another card"
UNFINISHED = "the reader gave only part of the card's number: present the card again"


def without_cascade_tags(uid: bytes) -> bytes:
    """The UID itself where a reader's firmware left the cascade tags in; else `uid` unchanged."""
    tags = _TAGGED_SIZES.get(len(uid), 0)
    if tags == 0 or any(uid[at * (_PART + 1)] != CASCADE_TAG for at in range(tags)):
        return uid
    parts = (uid[at * (_PART + 1) + 1 : (at + 1) * (_PART + 1)] for at in range(tags))
    return b"".join(parts) + uid[tags * (_PART + 1) :]


def refusal(uid: bytes) -> str | None:
    """Why `uid` cannot be a credential, in one sentence without the number; None if it can."""
    if len(uid) not in UID_SIZES:
        return WRONG_SIZE
    if not any(uid):
        return ALL_ZERO
    if uid[0] == CASCADE_TAG:
        return UNFINISHED
    if len(uid) == UID_SIZES[0] and uid[0] == RANDOM_UID:
        return RANDOM
    return None


def uid_number(uid: bytes) -> str:
    """How a UID is tokenised (CredentialKind.CARD_UID): hex digits in the order on air."""
    return uid.hex().upper()
