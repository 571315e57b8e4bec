"""What the report says of tours and alarms, in English; `N_` marks it to be translated."""

from __future__ import annotations

from typing import Final

from central.console.words import N_
from central.tours.words import RoundState

NO_BUILDING: Final = N_("Gates and doors of no building")

ROUNDS: Final[dict[RoundState, tuple[str, str]]] = {
    RoundState.DONE: (N_("done in time"), "good"),
    RoundState.LATE: (N_("came late"), "warn"),
    RoundState.TOO_QUICK: (N_("too quick"), "warn"),
    RoundState.OUT_OF_ORDER: (N_("out of order"), "warn"),
    RoundState.INCOMPLETE: (N_("points missed"), "bad"),
    RoundState.MISSED: (N_("missed"), "bad"),
    RoundState.NOT_KNOWN: (N_("not known yet"), "quiet"),
}
"""States of rounds that are over or not known, each with its tone; the others are still to come."""

ROUND_KEY: Final = (
    (N_("done in time"), "good"),
    (N_("late, too quick or out of order"), "warn"),
    (N_("some or all points missed"), "bad"),
    (N_("not known yet"), "quiet"),
)
"""What the colours mean."""

TAKEN: Final = (
    (N_("within 5 minutes"), "good"),
    (N_("within 30 minutes"), "fair"),
    (N_("within 4 hours"), "warn"),
    (N_("later"), "late"),
    (N_("not yet seen to"), "bad"),
)
"""How soon an alarm was seen to, as `alarms.response.LIMITS_US` has it."""
