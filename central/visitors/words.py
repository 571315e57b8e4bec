"""The words of visitors' passes, and what state a visit is in. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

LOOKED_FOR_US: Final = 24 * 60 * 60 * 1_000_000
"""So long a visitor whose pass was taken back counts as inside, unless seen leaving: no door takes the pass
as they leave, so that nothing else would end it."""


class PassKind(StrEnum):
    """How a visitor shows it at the door; the value is the kind of credential it is there."""

    QR = "qr_code"  # shown on a telephone or on paper; judged by the gateway itself, also offline
    PIN = "pin"  # typed
    CARD = "card_uid"  # lent by the desk, and given back
    ID_CARD = "id_card"  # will show the own identity card; nothing is handed out


class VisitReason(StrEnum):
    FAMILY = "family"
    FRIENDS = "friends"
    DELIVERY = "delivery"
    REPAIR = "repair"
    CARE = "care"
    VIEWING = "viewing"  # of a home to let or to sell
    OFFICIAL = "official"
    OTHER = "other"


class PassEvent(StrEnum):
    ISSUED = "issued"
    EXTENDED = "extended"
    REVOKED = "revoked"
    RESTORED = "restored"  # by whoever revoked it, a moment later
    NAME_FORGOTTEN = "name_forgotten"
    STAYED = "stayed"  # the visitor lives here now, and the pass has ended


class Standing(StrEnum):
    """Of a pass, as whoever holds its receipt is told."""

    NOT_YET = "not_yet"
    GOOD = "good"
    USED_UP = "used_up"
    OVER = "over"
    TAKEN_BACK = "taken_back"
    ENDED = "ended"  # sooner than it would have been over, by nobody who took it back


class KeptState(StrEnum):
    """Of what a receipt tells of."""

    KEPT = "kept"
    DELETED = "deleted"  # its time was over
    DELETED_AS_ASKED = "deleted_as_asked"  # somebody asked for it
    NOT_KEPT = "not_kept"  # seen at the door, never stored here, or not known to have been


class VisitState(StrEnum):
    EXPECTED = "expected"
    ARRIVED = "arrived"
    LEFT = "left"
    OVERDUE = "overdue"  # arrived, not seen leaving, and the time of a pass that is good is over
    MISSED = "missed"  # the time is over, and nobody came
    ENDED = "ended"  # arrived; the time is over, and no door can tell any more who leaves
    REVOKED_INSIDE = "revoked_inside"  # in the last day, of somebody who came in and was not seen leaving
    REVOKED = "revoked"
    STAYED = "stayed"  # lives here now
    NOT_KNOWN = "not_known"  # over for so long that what doors told of it is deleted


@dataclass(frozen=True, slots=True)
class Seen:
    """When doors let the visitor in and out last; UTC microseconds."""

    in_us: int | None = None
    out_us: int | None = None
    used_up: bool = False
    """A gateway has let it through as often as the pass says: there it lets nobody out with it either."""


def state_of(
    until_us: int, *, revoked_us: int | None, seen: Seen, now_us: int, exits_are_told: bool
) -> VisitState:
    """`exits_are_told`: the site has doors where whoever leaves shows the pass again. Nobody is overdue whose
    pass was taken back or used up: no door takes it as they leave. Who came in with one
    that was then taken back, and whose leaving doors would have told, is said to be inside for a day, so that
    somebody goes and looks."""
    over = now_us >= until_us
    if seen.in_us is not None and seen.out_us is not None and seen.out_us >= seen.in_us:
        return VisitState.LEFT
    leaving_is_told = exits_are_told and not seen.used_up
    if revoked_us is not None:
        is_looked_for = seen.in_us is not None and leaving_is_told and now_us < revoked_us + LOOKED_FOR_US
        return VisitState.REVOKED_INSIDE if is_looked_for else VisitState.REVOKED
    if seen.in_us is None:
        return VisitState.MISSED if over else VisitState.EXPECTED
    if not over:
        return VisitState.ARRIVED
    return VisitState.OVERDUE if leaving_is_told else VisitState.ENDED
