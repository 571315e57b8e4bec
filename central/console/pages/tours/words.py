"""What becomes of rounds and their stops, in English, each with its tone; `N_` marks it to be translated."""

from __future__ import annotations

from typing import Final

from central.console.words import N_
from central.register.credentials import CredentialKind
from central.tours.words import OnHolidays, RoundState, StopState

ROUNDS: Final[dict[RoundState, tuple[str, str]]] = {
    RoundState.PLANNED: (N_("planned"), ""),
    RoundState.RUNNING: (N_("under way"), ""),
    RoundState.OVERDUE: (N_("overdue round"), "bad"),
    RoundState.NOT_KNOWN: (N_("not known yet"), "warn"),
    RoundState.DONE: (N_("done in time"), "good"),
    RoundState.LATE: (N_("came late"), "warn"),
    RoundState.OUT_OF_ORDER: (N_("out of order"), "warn"),
    RoundState.TOO_QUICK: (N_("too quick"), "warn"),
    RoundState.INCOMPLETE: (N_("points missed"), "bad"),
    RoundState.MISSED: (N_("missed"), "bad"),
}
STOPS: Final[dict[StopState, tuple[str, str]]] = {
    StopState.DUE: (N_("still to come"), ""),
    StopState.OVERDUE: (N_("should have been read by now"), "bad"),
    StopState.DONE: (N_("read in time"), "good"),
    StopState.LATE: (N_("came late"), "warn"),
    StopState.OUT_OF_ORDER: (N_("out of order"), "warn"),
    StopState.TOO_QUICK: (N_("too quick"), "warn"),
    StopState.MISSED: (N_("missed"), "bad"),
    StopState.NOT_KNOWN: (N_("not known yet"), "warn"),
}
TONES: Final = ("good", "warn", "bad")
"""Of stops, as a bar shows them; what has none is still to come."""

DAYS: Final = (N_("Mon"), N_("Tue"), N_("Wed"), N_("Thu"), N_("Fri"), N_("Sat"), N_("Sun"))
HOLIDAYS: Final[dict[OnHolidays, str]] = {
    OnHolidays.AS_USUAL: N_("on holidays as usual"),
    OnHolidays.NOT: N_("not on holidays"),
    OnHolidays.ONLY: N_("on holidays alone"),
}
TAGS: Final[dict[str, str]] = {
    CredentialKind.CARD_UID: N_("card or sticker"),
    CredentialKind.EM_TAG: N_("key fob (125 kHz)"),
    CredentialKind.CARD_NUMBER: N_("card with a printed number"),
    CredentialKind.QR_CODE: N_("QR code"),
}
"""What may hang at a point."""

FIELDS: Final[dict[str, str]] = {
    "day": N_("choose a day"),
    "name": N_("a name has 1 to 64 characters"),
    "stops": N_("a route passes one point at least; without an order, each once"),
    "days": N_("choose one day at least"),
    "starts": N_("starts are times such as 22:00, and no round begins while the one before still counts"),
}
"""What is wrong, by the field at fault."""
