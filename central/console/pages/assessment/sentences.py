"""What the parts of an impact assessment are called, in words for people; templates translate them."""

from __future__ import annotations

from typing import Final, NamedTuple

from central.assessments.words import DataKind, LiveAct, NoticeLanguage
from central.console.words import N_, ROLES
from central.errors import CentralError

ASSESSED: Final[dict[str, str]] = {
    "assessed_by": N_("Who assessed it"),
    "necessity": N_("Why it is lawful, legitimate and necessary"),
    "risks": N_("What it means for people, and what can go wrong"),
    "safeguards": N_("Why the protection is lawful, effective and fits the risk"),
}
CONTROLLER: Final[dict[str, str]] = {"name": N_("Controller"), "duties": N_("Duties")}
KINDS: Final[dict[str, str]] = {
    DataKind.REGISTER: N_("Register of homes and people"),
    DataKind.ENTRY_RECORDS: N_("Entries at doors"),
    DataKind.VISITOR_IDENTITY: N_("Identity of visitors who show an ID card"),
    DataKind.VISITOR_PASSES: N_("Passes of visitors, and their names"),
    DataKind.LOOK_UPS: N_("Register of look-ups"),
    DataKind.ACCOUNTS: N_("Accounts of those who work here"),
}
RULE: Final[dict[str, str]] = {
    "basis": N_("Legal basis"),
    "days": N_("Kept for days"),
    "rule": N_("Rule that says how long"),
}
NOTICE: Final[dict[str, str]] = {
    "who": N_("Who decides about your data"),
    "why": N_("What for"),
    "what": N_("What is recorded"),
    "effect": N_("Why it is needed, and what it means for you"),
    "receives": N_("Who receives it"),
    "rights": N_("Your rights"),
}
LANGUAGES: Final[dict[str, str]] = {
    NoticeLanguage.ZH: N_("Notice in Chinese"),
    NoticeLanguage.EN: N_("Notice in English"),
}
CONTACT: Final[dict[str, str]] = {
    "office": N_("Office to turn to"),
    "phone": N_("Telephone"),
    "address": N_("Address"),
}
ACTS: Final[dict[str, str]] = {
    LiveAct.BEFORE_THE_GATE: N_("live since before an assessment was asked for"),
    LiveAct.AGREED: N_("live"),
}
WORDS: Final[dict[str, dict[str, str]]] = {
    "assessed": ASSESSED,
    "controller": CONTROLLER,
    "kind": KINDS,
    "rule": RULE,
    "role": ROLES,
    "notice": NOTICE,
    "language": LANGUAGES,
    "contact": CONTACT,
    "act": ACTS,
}
_CONTROLLERS: Final = N_("Controllers and their duties")
_BASIS_OF_ROLE: Final = N_("Legal basis of each role")
_CONTACT: Final = N_("Contact")

_KNOWN: Final[dict[str, str]] = {
    "it says what version": N_("it says what the last version says"),
    "meanwhile version": N_(
        "another version was written meanwhile. What you typed still stands here: read the other one first"
    ),
    "there are": N_("there are too many versions"),
    "version": N_("a newer version was written meanwhile; read that one"),
    "this version was agreed": N_("it was agreed to already"),
    "not live": N_("something is missing in it"),
    "nobody agrees": N_("nobody agrees to what they wrote themselves: a second person has to"),
    "days are": N_("days are a whole number"),
    "a text": N_("a text is too long, or has signs that nobody can read"),
}
"""Beginnings of what the centre says, and the sentence for it."""

_ELSE: Final = N_("what is there does not allow it")


class Lack(NamedTuple):
    """`path`: of the field; `part` and `field`: English, to be translated. `number`: of a controller."""

    path: str
    part: str
    field: str = ""
    number: str = ""


def lack_of(path: str) -> Lack:
    """What is missing by its path, such as `data.register.basis`."""
    part, _, rest = path.partition(".")
    which, _, field = rest.partition(".")
    match part:
        case "controllers":
            return Lack(
                path if rest else "controllers.1.name", _CONTROLLERS, CONTROLLER.get(field, ""), which
            )
        case "data":
            return Lack(path, KINDS[which], RULE[field])
        case "roles":
            return Lack(path, _BASIS_OF_ROLE, ROLES[which])
        case "notice":
            return Lack(path, LANGUAGES[which], NOTICE[field])
        case "contact":
            return Lack(path, _CONTACT, CONTACT[which])
        case _:
            return Lack(path, ASSESSED[part])


def told_of(error: CentralError | None) -> str | None:
    """A sentence in English, to be translated."""
    if error is None:
        return None
    text = str(error)
    return next((meant for begins, meant in _KNOWN.items() if text.startswith(begins)), _ELSE)
