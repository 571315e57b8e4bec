"""What every driver offers and emits: values and protocols, no behaviour.

Drivers know readers, cards, relays and inputs. They do not know doors, people, records or brokers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class CredentialKind(StrEnum):
    """What was presented; the value is part of what a token is made of and never changes."""

    ID_CARD = "id_card"  # any identity document with a SAM-readable chip; which one is not told apart
    ID_CARD_CHIP = "id_card_chip"  # serial of a resident ID card's chip, 16 hex digits; anyone can read it
    CARD_UID = "card_uid"  # ISO 14443 A UID, 8, 14 or 20 hex digits, bytes in the order on air
    EM_TAG = "em_tag"  # 125 kHz EM4100 tag, 10 hex digits: version byte, then the 32-bit number
    CARD_NUMBER = "card_number"  # what a reader made of a card: "bits:hex", such as "26:7BB26E"
    QR_CODE = "qr_code"  # the text of a QR code or barcode
    PIN = "pin"  # typed digits alone; the PIN after a card is part of that card's presentation


class Assurance(StrEnum):
    """How hard the credential is to copy (trust.md R-40)."""

    L0 = "L0"  # an identifier anyone can read and copy
    L1 = "L1"  # readable memory, weak or default keys
    L2 = "L2"  # mutual authentication with a key per card
    L3 = "L3"  # identity document read through a security module


class Indication(StrEnum):
    """What a reader shows to the person in front of it."""

    GRANTED = "granted"
    DENIED = "denied"  # not for this door, or not known
    NOT_NOW = "not_now"  # later, or by another door
    ASK_DESK = "ask_desk"  # the credential itself is not good any more: a person must help
    OUT_OF_ORDER = "out_of_order"  # the door cannot judge: nothing is wrong with the credential
    HOLD_CARD = "hold_card"
    TRY_AGAIN = "try_again"


class InputState(StrEnum):
    """What one input of a board or reader says (readers.md 7.5)."""

    NORMAL = "normal"
    ACTIVE = "active"  # the contact is not as it normally is
    SHORTED = "shorted"  # supervised lines only: no resistance left
    CUT = "cut"  # supervised lines only: nothing connected any more


class DeviceState(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"  # answers, but not as it should
    LOST = "lost"  # unplugged or silent
    RECOVERING = "recovering"  # being opened and probed


Tokenise = Callable[[CredentialKind, str], str]
"""Turns a credential's number into the site's token (32 hex digits); the number goes no further."""


class Seal(Protocol):
    """Seals what an identity document says of its holder, so that nobody here can read it again."""

    @property
    def wanted(self) -> bool:
        """Whether there is a key to seal for; without one no name is even decoded."""

    def seal(self, document: str, name: str, number: str) -> bytes | None:
        """The sealed envelope; None where nothing is to be kept of this person. Never raises."""


class CardRead(Struct, frozen=True, gc=False):
    """One presentation of one card; name and number have stayed in the driver, or are sealed."""

    reader: str
    kind: CredentialKind
    token: str
    assurance: Assurance
    at_ns: int  # time.monotonic_ns() when the last byte had been read
    valid_from: date | None = None  # of the document itself
    valid_until: date | None = None  # None: without end, or the document does not say
    pin: str | None = None  # token of the PIN typed after this card, made by `pin_number`
    sealed: bytes | None = None  # who it is, made by `Seal`


@dataclass(frozen=True, slots=True)
class CardRemoved:
    reader: str


@dataclass(frozen=True, slots=True)
class CardUnreadable:
    """A card was there and could not be read or was refused; `cause` is one short sentence."""

    reader: str
    cause: str


@dataclass(frozen=True, slots=True)
class DeviceChanged:
    """A reader or lock board changed its state; `cause` is one short sentence without identity."""

    device: str
    state: DeviceState
    cause: str
    insecure: bool = False  # the device failed to prove itself: wrong key, default key, plain text, a replay


TAMPER_INPUT = 0
"""The number of a reader's or board's own tamper contact; inputs with terminals count from 1."""

POWER_INPUT = -1
"""The number of a reader's or board's own report on its power supply."""


@dataclass(frozen=True, slots=True)
class InputChanged:
    """An input has been in this state for its debounce time; each is told once after a start, too."""

    device: str
    input: int
    state: InputState
    at_ns: int  # time.monotonic_ns() when the change was first seen


DeviceEvent = CardRead | CardRemoved | CardUnreadable | DeviceChanged | InputChanged
Emit = Callable[[DeviceEvent], None]


def pin_number(token: str, pin: str) -> str:
    """What is tokenised as CredentialKind.PIN for a PIN typed after a card: equal PINs do not look equal."""
    return f"{token}:{pin}"


class ReaderDriver(Protocol):
    """One reader. `run` keeps the device: it opens, probes, reads, and takes it up again after a loss."""

    name: str

    def run(self, emit: Emit) -> None:
        """Blocks until `stop`. Raises only ConfigurationError."""

    def indicate(self, signal: Indication) -> None:
        """Shows `signal` where the reader can; returns at once."""

    def stop(self) -> None: ...


class LockDriver(Protocol):
    """One board of relays that release doors, and of inputs where it has them."""

    name: str

    def run(self, emit: Emit) -> None:
        """Blocks until `stop`: keeps the port, ends each pulse in time. Raises only ConfigurationError."""

    def release(self, channel: int, pulse_s: float) -> None:
        """Energises `channel` (from 1) for `pulse_s` seconds; a second call during a pulse prolongs it.

        Returns once the command was handed to the port or, within the device's own pause between two
        commands, put in line. Never blocks longer than one write. Raises DeviceUnavailable.
        """

    def stop(self) -> None: ...
