"""The words of requests about one's own data, and what may be wrong with one, as sentences for people."""

from __future__ import annotations

from typing import Final

from central.console.words import N_
from central.errors import BadQuestion, CentralError
from central.requests.words import Decision, RequestKind, RequestState

KINDS: Final[dict[str, str]] = {
    RequestKind.CORRECTION: N_("correction"),
    RequestKind.DELETION: N_("deletion"),
    RequestKind.RESTRICTION: N_("restriction of use"),
    RequestKind.EXPLANATION: N_("explanation"),
    RequestKind.COMPLAINT: N_("complaint"),
}
STATES: Final[dict[str, str]] = {
    RequestState.WAITING: N_("waits for an answer"),
    RequestState.DONE: N_("granted"),
    RequestState.REFUSED: N_("not granted"),
    RequestState.WITHDRAWN: N_("withdrawn"),
}
DECISIONS: Final[dict[str, str]] = {
    Decision.DONE: N_("It is done"),
    Decision.REFUSED: N_("It is not granted"),
}
WORDS: Final[dict[str, dict[str, str]]] = {"kind": KINDS, "state": STATES, "decision": DECISIONS}
"""By what they are words of; templates translate them."""

_KNOWN: Final[dict[str, str]] = {
    "has 1 to": N_("say what it is about, in a few sentences"),
    "ten requests": N_(
        "ten requests wait, or were withdrawn within a day; ask again once they are answered, or tomorrow"
    ),
    "choose what is asked for": N_("choose what is asked for"),
    "this request is answered": N_("it is answered already"),
    "this request was withdrawn": N_("it was withdrawn"),
    "nobody answers what they took down": N_("nobody answers what they took down themselves"),
    "no request has this receipt": N_("no request has this receipt"),
}
"""Beginnings of what the centre says, and the sentence for it."""

NO_KIND: Final = "choose what is asked for"

_ELSE: Final = N_("what is there does not allow it")


def kind_of(chosen: RequestKind | None) -> RequestKind:
    """None stands beforehand: whoever asks chooses. Raises BadQuestion."""
    if chosen is None:
        raise BadQuestion("kind", NO_KIND)
    return chosen


def told_of(error: CentralError | None) -> str | None:
    """A sentence in English, to be translated."""
    if error is None:
        return None
    text = str(error)
    return next((meant for begins, meant in _KNOWN.items() if text.startswith(begins)), _ELSE)
