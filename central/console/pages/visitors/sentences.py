"""The words of visits, and what may be wrong with a pass, as sentences for people."""

from __future__ import annotations

from typing import Final

from central.console.words import N_
from central.visitors.words import PassKind, VisitReason, VisitState

LENGTHS: Final[dict[str, str]] = {
    "2h": N_("2 hours"),
    "4h": N_("4 hours"),
    "today": N_("until midnight"),
    "3d": N_("3 days"),
    "7d": N_("a week"),
}
"""How long a pass may last; hours and days."""

KINDS: Final[dict[str, str]] = {
    PassKind.QR: N_("QR code"),
    PassKind.PIN: N_("PIN"),
    PassKind.CARD: N_("a card is lent"),
    PassKind.ID_CARD: N_("own identity card"),
}
REASONS: Final[dict[str, str]] = {
    VisitReason.FAMILY: N_("family"),
    VisitReason.FRIENDS: N_("friends"),
    VisitReason.DELIVERY: N_("delivery"),
    VisitReason.REPAIR: N_("repair"),
    VisitReason.CARE: N_("care"),
    VisitReason.VIEWING: N_("viewing a home"),
    VisitReason.OFFICIAL: N_("official business"),
    VisitReason.OTHER: N_("something else"),
}
STATES: Final[dict[str, str]] = {
    VisitState.EXPECTED: N_("expected"),
    VisitState.ARRIVED: N_("here"),
    VisitState.LEFT: N_("left again"),
    VisitState.OVERDUE: N_("overdue"),
    VisitState.MISSED: N_("did not come"),
    VisitState.ENDED: N_("came; time is over"),
    VisitState.REVOKED_INSIDE: N_("taken back, still inside"),
    VisitState.REVOKED: N_("taken back"),
    VisitState.STAYED: N_("lives here now"),
    VisitState.NOT_KNOWN: N_("not known any more"),
}
WORDS: Final[dict[str, dict[str, str]]] = {"kind": KINDS, "reason": REASONS, "state": STATES}
"""By what they are words of; templates translate them."""

KNOWN: Final = frozenset(
    [
        N_("choose how long"),
        N_("it was changed since, or is too long ago"),
        N_("name the home that the visit is for"),
        N_("no door leads to this home yet"),
        N_("no home is called so"),
        N_("several homes are called so; choose one, or write more of its name"),
        N_("is that of the card or document, as its reader writes it"),
        N_("an access card's number has 8, 14 or 20 digits and letters A to F, without spaces"),
        N_("such a document's number has 18 digits, or 3 letters and 12 digits"),
        N_("the birth date in the number is no day of the calendar: a digit is mistyped"),
        N_("the check character does not fit: a digit is mistyped"),
        N_("a QR code says itself when it ends; issue another one"),
        N_("this card is good for another visitor in that time; revoke that pass first"),
        N_("of whom this pass is for nothing is kept"),
        N_("this pass was revoked already"),
        N_("this pass was revoked; issue another one"),
        N_("this pass was revoked; whoever has none moves in from the page of the home"),
        N_("nobody was asked for it when this pass was given; ask now"),
        N_("what this pass said of it was deleted when its time was over; ask now"),
        N_("lies after the day on which your own right to this home ends"),
        N_("you have several homes: say for which one"),
        N_("this is no home of yours"),
        N_("the register knows no home of yours now; your community answers for it"),
        N_("more doors lead to this home than a pass can name; ask at the desk"),
        N_("lies after the present end, and a month after its beginning at most"),
    ]
)
KNOWN_BEGINNINGS: Final[dict[str, str]] = {
    "10 of your passes": N_("ten of your passes are good already; take one back first"),
    "is a QR code or a PIN": N_("a visitor of yours shows a QR code or a PIN; cards are lent at the desk"),
    "is for a card that is lent": N_("a number is typed for a lent card or an identity card alone"),
}
