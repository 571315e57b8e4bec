"""What the card on a PC/SC reader is: its UID, or the serial of a resident ID card's chip (readers.md 4).

Both can be read and copied by anyone (assurance L0). Knows no service and no thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.apdu_codec import (
    CHIP_SERIAL_SIZE,
    GET_CHIP_SERIAL,
    GET_UID,
    Answer,
    CardClass,
    card_class,
    parse_answer,
    with_length,
)
from drivers.base import CredentialKind
from drivers.errors import ProtocolViolation
from drivers.uid import ALL_ZERO, refusal, uid_number, without_cascade_tags

Transmit = Callable[[bytes], bytes]
"""APDU -> what the reader answered."""

_PUPI_SIZE = 4

NOT_TYPE_A = "a card of a kind that has no number to rely on: enrol another card"
TYPE_B_NUMBER = "a type B card draws its number anew each time: enrol another card"
NOT_PASSED_ON = "this reader does not pass on the ID card's own command: take another reader for ID cards"
CHIP_NOT_READ = "the ID card's chip did not answer: hold it still; if it never does, take another reader"


@dataclass(frozen=True, slots=True)
class Found:
    """The card's number; it goes no further than the driver."""

    kind: CredentialKind
    number: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """This card cannot be a credential, however often it is read."""

    cause: str


@dataclass(frozen=True, slots=True)
class Missed:
    """The card was not read; the next attempt may succeed."""

    cause: str


Finding = Found | Refused | Missed


def identify(atr: bytes, transmit: Transmit) -> Finding:
    """Asks the card in at most three APDUs. Lets through what `transmit` raises."""
    kind = card_class(atr)
    if kind is CardClass.OTHER:
        return Refused(NOT_TYPE_A)
    try:
        answer = _ask(GET_UID, transmit)
        if answer.is_good:
            return _by_uid(kind, without_cascade_tags(answer.data), transmit)
        if answer.is_refusal and kind is not CardClass.TYPE_A:
            return _by_chip(transmit)
    except ProtocolViolation as error:
        return Missed(str(error))
    return Missed(answer.cause)


def _by_uid(kind: CardClass, uid: bytes, transmit: Transmit) -> Finding:
    if not any(uid) and kind is not CardClass.TYPE_A:  # an ID card's PUPI is all zeros (4.1)
        return _by_chip(transmit)
    if kind is CardClass.TYPE_B and len(uid) == _PUPI_SIZE:
        return Refused(TYPE_B_NUMBER)
    cause = refusal(uid)
    return Found(CredentialKind.CARD_UID, uid_number(uid)) if cause is None else Refused(cause)


def _by_chip(transmit: Transmit) -> Finding:
    answer = _ask(GET_CHIP_SERIAL, transmit)
    if answer.is_refusal or (answer.is_good and len(answer.data) != CHIP_SERIAL_SIZE):
        return Refused(NOT_PASSED_ON)
    if not answer.is_good:
        return Missed(CHIP_NOT_READ)
    if not any(answer.data):
        return Refused(ALL_ZERO)
    return Found(CredentialKind.ID_CARD_CHIP, answer.data.hex().upper())


def _ask(command: bytes, transmit: Transmit) -> Answer:
    answer = parse_answer(transmit(command))
    length = answer.right_length
    return answer if length is None else parse_answer(transmit(with_length(command, length)))
