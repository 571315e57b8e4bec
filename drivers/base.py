"""What every driver offers and emits: values and protocols, no behaviour.

Drivers know readers, cards and relays. They do not know doors, people, records or brokers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol


class CredentialKind(StrEnum):
    """What was presented; the value is part of what a token is made of and never changes."""

    ID_CARD = "id_card"  # any identity document with a SAM-readable chip; which one is not told apart


class Assurance(StrEnum):
    """How hard the credential is to copy (trust.md R-40)."""

    L0 = "L0"  # an identifier anyone can read and copy
    L1 = "L1"  # readable memory, weak or default keys
    L2 = "L2"  # mutual authentication with a key per card
    L3 = "L3"  # identity document read through a security module


class Indication(StrEnum):
    """What a reader shows to the person in front of it."""

    GRANTED = "granted"
    DENIED = "denied"
    HOLD_CARD = "hold_card"
    TRY_AGAIN = "try_again"


class DeviceState(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"  # answers, but not as it should
    LOST = "lost"  # unplugged or silent
    RECOVERING = "recovering"  # being opened and probed


Tokenise = Callable[[CredentialKind, str], str]
"""Turns a credential's number into the site's token (32 hex digits); the number goes no further."""


@dataclass(frozen=True, slots=True)
class CardRead:
    """One presentation of one card; name and number have stayed in the driver."""

    reader: str
    kind: CredentialKind
    token: str
    assurance: Assurance
    at_ns: int  # time.monotonic_ns() when the last byte had been read
    valid_from: date | None = None  # of the document itself
    valid_until: date | None = None  # None: without end, or the document does not say


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


ReaderEvent = CardRead | CardRemoved | CardUnreadable | DeviceChanged
Emit = Callable[[ReaderEvent], None]


class ReaderDriver(Protocol):
    """One reader. `run` keeps the device: it opens, probes, reads, and takes it up again after a loss."""

    name: str

    def run(self, emit: Emit) -> None:
        """Blocks until `stop`. Raises only ConfigurationError."""

    def indicate(self, signal: Indication) -> None:
        """Shows `signal` where the reader can; returns at once."""

    def stop(self) -> None: ...


class LockDriver(Protocol):
    """One board of relays that release doors."""

    name: str

    def run(self, emit: Emit) -> None:
        """Blocks until `stop`: keeps the port, ends each pulse in time. Raises only ConfigurationError."""

    def release(self, channel: int, pulse_s: float) -> None:
        """Energises `channel` for `pulse_s` seconds; a second call during a pulse prolongs it.

        Returns once the command was handed to the port or, within the device's own pause between two
        commands, put in line. Never blocks longer than one write. Raises DeviceUnavailable.
        """

    def stop(self) -> None: ...
