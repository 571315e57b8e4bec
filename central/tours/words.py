"""The words of guard tours. Values only."""

from __future__ import annotations

from enum import StrEnum


class OnHolidays(StrEnum):
    AS_USUAL = "as_usual"
    NOT = "not"
    ONLY = "only"


class StopState(StrEnum):
    """What became of one stop of a round."""

    DUE = "due"  # there is time left
    OVERDUE = "overdue"  # its time is over; it may still come late
    DONE = "done"
    LATE = "late"
    OUT_OF_ORDER = "out_of_order"
    TOO_QUICK = "too_quick"  # sooner after the stop before than anybody walks
    MISSED = "missed"
    NOT_KNOWN = "not_known"  # records of its gateway have not come yet


class RoundState(StrEnum):
    PLANNED = "planned"  # its start is still to come
    RUNNING = "running"
    OVERDUE = "overdue"  # something of it should have been done by now
    NOT_KNOWN = "not_known"
    DONE = "done"
    LATE = "late"
    OUT_OF_ORDER = "out_of_order"
    TOO_QUICK = "too_quick"
    INCOMPLETE = "incomplete"  # some stops were missed
    MISSED = "missed"  # all of them


SETTLED = frozenset(
    {
        RoundState.DONE,
        RoundState.LATE,
        RoundState.OUT_OF_ORDER,
        RoundState.TOO_QUICK,
        RoundState.INCOMPLETE,
        RoundState.MISSED,
    }
)
"""States that no later record changes, but for one that was lost on its way and found again."""
