"""decide(): may this credential pass this door now, and why. Pure: no I/O, no clock, always a reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from drivers.base import Assurance
from messages.access_list import EVERY_DOOR, Entry
from messages.model import Reason


class Admission(StrEnum):
    """Who a door admits."""

    LISTED = "listed"  # credentials on the access list
    VERIFIED_ID = "verified_id"  # any valid identity document read through a security module


@dataclass(frozen=True, slots=True)
class DoorPolicy:
    admits: frozenset[Admission] = frozenset({Admission.LISTED})
    minimum_assurance: Assurance = Assurance.L0
    asks_pin: bool = False  # whoever is on the list types the PIN after the card


@dataclass(frozen=True, slots=True)
class Presented:
    """What a decision needs to know of a credential; `today` is the site's local date."""

    assurance: Assurance
    valid_from: date | None
    valid_until: date | None
    pin: str | None = None  # the token of what was typed after it


@dataclass(frozen=True, slots=True)
class Decision:
    granted: bool
    reason: Reason
    entry: Entry | None = None


def decide(
    presented: Presented, entry: Entry | None, door: str, policy: DoorPolicy, *, now_us: int, today: date
) -> Decision:
    """The list decides first. A blocked credential opens nothing; otherwise, whoever the list does not let
    in may still pass as anybody would with a verified identity document, where the door admits that."""
    if entry is not None and entry.blocked:
        return Decision(granted=False, reason=Reason.BLOCKED, entry=entry)
    if presented.assurance < policy.minimum_assurance:
        return Decision(granted=False, reason=Reason.ASSURANCE_TOO_LOW, entry=entry)
    refusal = _refused_by_list(entry, door, policy, now_us) or _refused_by_pin(presented, entry, policy)
    if refusal is None:
        return Decision(granted=True, reason=Reason.LISTED, entry=entry)
    if Admission.VERIFIED_ID in policy.admits and presented.assurance is Assurance.L3:
        flaw = _document_flaw(presented, today)
        return Decision(granted=flaw is None, reason=flaw or Reason.VERIFIED_ID, entry=entry)
    return Decision(granted=False, reason=refusal, entry=entry)


def _refused_by_list(entry: Entry | None, door: str, policy: DoorPolicy, now_us: int) -> Reason | None:
    if entry is None:
        return Reason.UNKNOWN_CREDENTIAL
    if Admission.LISTED not in policy.admits or not _names_door(entry, door):
        return Reason.NO_RIGHT
    if entry.from_us is not None and now_us < entry.from_us:
        return Reason.NOT_YET_VALID
    if entry.until_us is not None and now_us >= entry.until_us:
        return Reason.EXPIRED
    return None


def _names_door(entry: Entry, door: str) -> bool:
    return EVERY_DOOR in entry.doors or door in entry.doors


def _refused_by_pin(presented: Presented, entry: Entry | None, policy: DoorPolicy) -> Reason | None:
    if not policy.asks_pin or entry is None:
        return None
    if presented.pin is None or entry.pin is None:
        return Reason.PIN_MISSING
    return None if presented.pin == entry.pin else Reason.PIN_WRONG


def _document_flaw(presented: Presented, today: date) -> Reason | None:
    """A document is valid on its first and on its last day; None where nothing is wrong with it."""
    if presented.valid_from is not None and today < presented.valid_from:
        return Reason.NOT_YET_VALID
    if presented.valid_until is not None and today > presented.valid_until:
        return Reason.DOCUMENT_EXPIRED
    return None
