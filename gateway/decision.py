"""decide(): may this credential pass this door now, and why. Pure: no I/O, clock or memory, always a reason.

What depends on the site's settings and on what happened before comes as `Circumstances`; `gateway.access`
finds them. docs/access.md says the same in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from msgspec import Struct

from drivers.base import Assurance, CredentialKind
from messages.access_list import EVERY_DOOR, Entry
from messages.model import Reason
from messages.site_settings import VISITOR, Admission, DoorMode, Passback
from messages.visitor_pass import VisitorPass

__all__ = ["Admission", "Circumstances", "Decision", "DoorPolicy", "Presented", "decide"]


@dataclass(frozen=True, slots=True)
class DoorPolicy:
    admits: frozenset[Admission] = frozenset({Admission.LISTED})
    minimum_assurance: Assurance = Assurance.L0
    asks_pin: bool = False  # whoever is on the list types the PIN after the card


class Presented(Struct, frozen=True, gc=False):
    """What a decision needs to know of a credential; the dates are those printed on a document."""

    assurance: Assurance
    valid_from: date | None = None
    valid_until: date | None = None
    pin: str | None = None  # the token of what was typed after it
    token: str = ""
    kind: CredentialKind | None = None


class Circumstances(Struct, frozen=True, kw_only=True, gc=False):
    """What a decision depends on beside credential, rights and policy; without any, nothing is in the way.

    A Struct like `_Case`, because one is made for each decision: a frozen dataclass takes five times as long.
    """

    mode: DoorMode = DoorMode.CONTROLLED
    passes_locked_down: bool = False  # the holder's category does
    names: frozenset[str] = frozenset()  # what rights may call the door beside its name
    unset_us: int | None = None  # the clock is not set, and it is this late at the least
    schedule_holds: bool = True  # the one of the right
    list_too_old: bool = False  # for the holder's category
    used: int = 0  # how often the right was used up to now
    tries_over: bool = False
    visitor: VisitorPass | Reason | None = None  # what the credential says by itself, or why that is nothing
    passed_back: Passback | None = None  # by the records the holder is inside already
    waits_for_first: bool = False
    interlocked: bool = False


_ORDINARY = Circumstances()


class Decision(Struct, frozen=True, gc=False):
    """`repeated`: so many wrong credentials in a row that REPEATED_DENIALS is to be recorded as well."""

    granted: bool
    reason: Reason
    entry: Entry | None = None
    visitor: VisitorPass | None = None
    duress: bool = False  # somebody is being made to open: recorded, and never shown at the door
    repeated: bool = False

    @property
    def holder(self) -> str | None:
        """The reference for the record."""
        if self.entry is not None:
            return self.entry.holder
        return self.visitor.holder if self.visitor is not None else None

    @property
    def category(self) -> str | None:
        if self.entry is not None:
            return self.entry.category
        return VISITOR if self.visitor is not None else None


def decide(
    presented: Presented,
    entry: Entry | None,
    door: str,
    policy: DoorPolicy,
    *,
    now_us: int,
    today: date,
    around: Circumstances = _ORDINARY,
) -> Decision:
    """`today` is the site's local date. A lost or blocked credential opens nothing; then the door's mode
    decides, then the list. Whoever the list does not let in may still pass with what the credential says by
    itself, a pass or a verified document, where the door admits that."""
    case = _Case(presented, entry, door, policy, now_us, today, around)
    duress = entry is not None and entry.duress_pin is not None and presented.pin == entry.duress_pin
    reason = _barred(case) or _right(case)
    if reason in _RIGHTS:
        reason = _as_things_stand(reason, around)
    visitor = around.visitor if isinstance(around.visitor, VisitorPass) else None
    return Decision(granted=reason in _GRANTS, reason=reason, entry=entry, visitor=visitor, duress=duress)


_RIGHTS = frozenset({Reason.LISTED, Reason.VERIFIED_ID, Reason.VISITOR_PASS})
_GRANTS = _RIGHTS | {Reason.FREE_HOURS, Reason.LISTED_PASSED_BACK}


class _Case(Struct, frozen=True, gc=False):
    """All that a decision is made of."""

    presented: Presented
    entry: Entry | None
    door: str
    policy: DoorPolicy
    now_us: int
    today: date
    around: Circumstances

    def names_door(self, doors: tuple[str, ...]) -> bool:
        return EVERY_DOOR in doors or self.door in doors or not self.around.names.isdisjoint(doors)


def _barred(case: _Case) -> Reason | None:
    """What goes before any right; FREE_HOURS is the one that grants."""
    entry, around = case.entry, case.around
    if entry is not None and entry.lost:
        return Reason.LOST
    if entry is not None and entry.blocked:
        return Reason.BLOCKED
    if around.mode is DoorMode.FREE:
        return Reason.FREE_HOURS
    if around.mode is DoorMode.LOCKED_DOWN and (entry is None or not around.passes_locked_down):
        return Reason.LOCKED_DOWN
    if around.tries_over:
        return Reason.TOO_MANY_TRIES
    return Reason.ASSURANCE_TOO_LOW if case.presented.assurance < case.policy.minimum_assurance else None


def _right(case: _Case) -> Reason:
    """One of `_RIGHTS`, or why there is none."""
    refusal = _refused_by_list(case) or _refused_by_pin(case)
    if refusal is None:
        return Reason.LISTED
    if case.around.mode is DoorMode.LOCKED_DOWN:
        return refusal  # a door that opens to a few of the listed takes no passes or documents meanwhile
    if case.around.visitor is not None:
        otherwise = _refused_by_pass(case, case.around.visitor) or Reason.VISITOR_PASS
    elif Admission.VERIFIED_ID in case.policy.admits and case.presented.assurance is Assurance.L3:
        otherwise = _document_flaw(case) or Reason.VERIFIED_ID
    else:
        return refusal
    guessed = refusal is Reason.PIN_WRONG and otherwise not in _RIGHTS
    return refusal if guessed else otherwise  # a wrong PIN hides behind nothing: it is counted


def _refused_by_list(case: _Case) -> Reason | None:
    entry, around = case.entry, case.around
    if entry is None:
        return Reason.UNKNOWN_CREDENTIAL
    if Admission.LISTED not in case.policy.admits or not case.names_door(entry.doors):
        return Reason.NO_RIGHT
    limited_in_time = entry.from_us is not None or entry.until_us is not None
    if limited_in_time and (flaw := _time_flaw(entry.from_us, entry.until_us, case)):
        return flaw
    if entry.schedule is not None and around.unset_us is not None:
        return Reason.CLOCK_NOT_SET
    if entry.schedule is not None and not around.schedule_holds:
        return Reason.OUTSIDE_HOURS
    return _no_longer(entry.uses, around)


def _refused_by_pass(case: _Case, visitor: VisitorPass | Reason) -> Reason | None:
    if isinstance(visitor, Reason):
        return visitor
    if Admission.PASS not in case.policy.admits or not case.names_door(visitor.doors):
        return Reason.NO_RIGHT
    return _time_flaw(visitor.from_us, visitor.until_us, case) or _no_longer(visitor.uses, case.around)


def _time_flaw(from_us: int | None, until_us: int | None, case: _Case) -> Reason | None:
    """With a clock that is not set, only what has begun and has no end is certain, and what has ended."""
    unset_us = case.around.unset_us
    if unset_us is not None:
        if until_us is not None and until_us <= unset_us:
            return Reason.EXPIRED
        begun = from_us is None or from_us <= unset_us
        return None if begun and until_us is None else Reason.CLOCK_NOT_SET
    if from_us is not None and case.now_us < from_us:
        return Reason.NOT_YET_VALID
    if until_us is not None and case.now_us >= until_us:
        return Reason.EXPIRED
    return None


def _no_longer(uses: int | None, around: Circumstances) -> Reason | None:
    if uses is not None and around.used >= uses:
        return Reason.PASS_USED_UP
    return Reason.LIST_TOO_OLD if around.list_too_old else None


def _refused_by_pin(case: _Case) -> Reason | None:
    entry, pin = case.entry, case.presented.pin
    if not case.policy.asks_pin or entry is None:
        return None
    if pin is None or (entry.pin is None and entry.duress_pin is None):
        return Reason.PIN_MISSING
    return None if pin in (entry.pin, entry.duress_pin) else Reason.PIN_WRONG


def _document_flaw(case: _Case) -> Reason | None:
    """A document is valid on its first and on its last day; None where nothing is wrong with it."""
    begins, ends = case.presented.valid_from, case.presented.valid_until
    if case.around.unset_us is not None and (begins is not None or ends is not None):
        return Reason.CLOCK_NOT_SET
    if begins is not None and case.today < begins:
        return Reason.NOT_YET_VALID
    if ends is not None and case.today > ends:
        return Reason.DOCUMENT_EXPIRED
    return None


def _as_things_stand(reason: Reason, around: Circumstances) -> Reason:
    """There is a right; is there also a way?"""
    if around.passed_back is Passback.HARD:
        return Reason.PASSED_BACK
    if around.waits_for_first:
        return Reason.FIRST_PERSON_MISSING
    if around.interlocked:
        return Reason.INTERLOCKED
    if around.passed_back is Passback.SOFT and reason is Reason.LISTED:
        return Reason.LISTED_PASSED_BACK
    return reason
