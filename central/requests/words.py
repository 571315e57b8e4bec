"""The words of people's requests about their own data, and when each is due. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from central.identity.periods import DAY_US

DUE_US: Final = 15 * DAY_US
"""Within this time each is answered (trust.md R-97)."""

LATEST_US: Final = 30 * DAY_US
"""The law's own end (trust.md R-97)."""

COUNTED_US: Final = 366 * DAY_US
"""So far back answered ones are counted."""


class RequestKind(StrEnum):
    """What somebody wants with their own data; to see and copy it takes no request."""

    CORRECTION = "correction"
    DELETION = "deletion"
    RESTRICTION = "restriction"  # kept, and used no more
    EXPLANATION = "explanation"
    COMPLAINT = "complaint"


class Decision(StrEnum):
    DONE = "done"
    REFUSED = "refused"


class RequestState(StrEnum):
    WAITING = "waiting"
    DONE = "done"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"  # by whose it is, while nobody had answered it; nothing is due any more


def state_of(decision: str | None) -> RequestState:
    return RequestState.WAITING if decision is None else RequestState(decision)


def is_overdue(due_us: int, decided_us: int | None, now_us: int) -> bool:
    """Not answered in time; of an answered or withdrawn one, whether that came after its date."""
    return (now_us if decided_us is None else decided_us) > due_us
