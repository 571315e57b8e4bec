"""What the register says when something does not go, and its closed words, as sentences for people."""

from __future__ import annotations

from typing import Final

from central.console.words import N_
from central.register.credential_life import CredentialAct, CredentialState, PinAct
from central.register.credentials import CredentialKind
from central.register.imports.states import ImportState, Outcome
from central.register.lease_states import LeaseState
from central.register.words import Category, DocumentType, HomeUse, PersonState, PlaceKind, Relation

KNOWN: Final = frozenset(
    [
        N_("a chip's number has 16 digits and letters A to F, without spaces"),
        N_("a credential's number has 1 to 512 characters, as its reader writes it"),
        N_("a key fob's number has 10 digits and letters A to F, without spaces"),
        N_("a printed number is written with its bits, such as 26:7BB26E"),
        N_("an access card's number has 8, 14 or 20 digits and letters A to F, without spaces"),
        N_("a PIN has 4 to 8 digits"),
        N_("a PIN is not one digit again and again, nor does it count up or down"),
        N_("a card that was lost or returned gets no PIN"),
        N_("a day is written like 2026-03-31"),
        N_("a name has at least one character"),
        N_("a number belongs to a document, and a document has its number"),
        N_("a telephone number has 5 to 20 digits"),
        N_("an early end lies within the lease"),
        N_("an extension ends in the future"),
        N_("an extension ends in the future; to end a lease is another act"),
        N_("ask by a number, a name or a telephone number"),
        N_("choose a file"),
        N_("it ended already"),
        N_("it was corrected already"),
        N_("it was changed since, and cannot be undone any more"),
        N_("it was changed since, or is too long ago"),
        N_("it was changed since: look at the days as they are now"),
        N_("it ends before it begins"),
        N_("it has no PIN"),
        N_("it was undone already"),
        N_("nobody is on this page"),
        N_("say why"),
        N_("such a document's number has 17 digits and a check character"),
        N_("such a document's number has 5 to 24 letters and digits"),
        N_("that is how it is already"),
        N_("that is how it is written already"),
        N_("the file is too large; cut it into several"),
        N_("the PIN for under duress is another one"),
        N_("the PIN was typed differently the second time"),
        N_("such a document's number has 18 digits, or 3 letters and 12 digits"),
        N_("the birth date in the number is no day of the calendar: a digit is mistyped"),
        N_("the check character does not fit: a digit is mistyped"),
        N_("they are the landlord of a lease that runs"),
        N_("they live in this room at that time already"),
        N_("they moved in later than that; correct the residency instead"),
        N_("this lease is over"),
        N_("this lease was ended early"),
        N_("this lease was voided"),
        N_("this number is registered under another name"),
        N_("this person was deregistered"),
    ]
)
"""Texts of errors that these pages can show; a test holds them against what is raised."""

BEGINNINGS: Final[dict[str, str]] = {
    "nobody confirms": N_("nobody confirms an account that they made themselves"),
    "no account of this person": N_("no account with this login waits"),
    "this account is confirmed": N_("it is confirmed already"),
    "it is issued already: ": N_("this card is somebody's already"),
    "this number is person ": N_("this number is another person's; perhaps they are registered twice"),
    "this number is registered already: ": N_("this number is registered already"),
    "no site knows this card yet: ": N_(
        "this centre has no site's key yet; the operator puts it into the key ring"
    ),
    "nobody can be registered: ": N_("this centre has no key ring; the operator makes one"),
}
"""The same of texts that name something, by how they begin."""

PLACE_KINDS: Final[dict[str, str]] = {
    PlaceKind.COMMUNITY: N_("community"),
    PlaceKind.ESTATE: N_("estate"),
    PlaceKind.BUILDING: N_("building"),
    PlaceKind.UNIT: N_("unit"),
    PlaceKind.FLOOR: N_("floor"),
    PlaceKind.ROOM: N_("room"),
}
HOME_USES: Final[dict[str, str]] = {
    HomeUse.OWNER_OCCUPIED: N_("lived in by its owner"),
    HomeUse.LET: N_("let"),
    HomeUse.EMPTY: N_("empty"),
    HomeUse.BUSINESS: N_("business"),
}
RELATIONS: Final[dict[str, str]] = {
    Relation.OWNER: N_("owner"),
    Relation.FAMILY: N_("owner's family"),
    Relation.TENANT: N_("tenant"),
    Relation.TENANT_FAMILY: N_("tenant's family"),
    Relation.LODGER: N_("lodger"),
    Relation.HOUSEHOLD_HELPER: N_("household helper"),
    Relation.STAFF: N_("staff of the business"),
}
DOCUMENTS: Final[dict[str, str]] = {
    DocumentType.RESIDENT_ID: N_("resident identity card"),
    DocumentType.RESIDENCE_PERMIT: N_("residence permit (Hong Kong, Macao, Taiwan)"),
    DocumentType.TRAVEL_PERMIT: N_("mainland travel permit"),
    DocumentType.PERMANENT_RESIDENCE: N_("permanent residence card"),
    DocumentType.PASSPORT: N_("passport"),
    DocumentType.OTHER: N_("other document"),
    DocumentType.NONE: N_("no document"),
}
CATEGORIES: Final[dict[str, str]] = {
    Category.RESIDENT: N_("resident"),
    Category.TENANT: N_("renter"),
    Category.HELPER: N_("helper"),
    Category.WORKER: N_("worker"),
    Category.OTHER: N_("other"),
}
PERSON_STATES: Final[dict[str, str]] = {
    PersonState.REGISTERED: N_("registered"),
    PersonState.DEREGISTERED: N_("deregistered"),
    PersonState.MERGED: N_("registered twice"),
}
CARD_KINDS: Final[dict[str, str]] = {
    CredentialKind.CARD_UID: N_("access card"),
    CredentialKind.ID_CARD: N_("identity card, by its number"),
    CredentialKind.ID_CARD_CHIP: N_("identity card, by its chip"),
    CredentialKind.EM_TAG: N_("key fob (125 kHz)"),
    CredentialKind.CARD_NUMBER: N_("card with a printed number"),
    CredentialKind.QR_CODE: N_("QR code"),
}
CARD_STATES: Final[dict[str, str]] = {
    CredentialState.ISSUED: N_("in use"),
    CredentialState.EXTENDED: N_("in use, extended"),
    CredentialState.LOST: N_("reported lost"),
    CredentialState.FOUND: N_("in use, found again"),
    CredentialState.RETURNED: N_("returned"),
}
CARD_ACTS: Final[dict[str, str]] = {
    CredentialAct.REPORT_LOST: N_("Report lost"),
    CredentialAct.LIFT_LOSS: N_("Found again"),
    CredentialAct.RETURN: N_("Take back"),
    CredentialAct.EXTEND: N_("Extend"),
}
CARD_EVENTS: Final[dict[str, str]] = {
    CredentialAct.ISSUE: N_("given"),
    CredentialAct.EXTEND: N_("extended"),
    CredentialAct.REPORT_LOST: N_("reported lost"),
    CredentialAct.LIFT_LOSS: N_("found again"),
    CredentialAct.RETURN: N_("taken back"),
    PinAct.SET: N_("PIN set"),
    PinAct.TAKEN_AWAY: N_("PIN taken away"),
}
"""What became of a card, in its history."""

LEASE_STATES: Final[dict[str, str]] = {
    LeaseState.UPCOMING: N_("begins later"),
    LeaseState.RUNNING: N_("runs"),
    LeaseState.IN_NOTICE: N_("ends soon"),
    LeaseState.IN_GRACE: N_("over, doors still open"),
    LeaseState.ENDED: N_("over"),
}
IMPORT_STATES: Final[dict[str, str]] = {
    ImportState.READING: N_("being read"),
    ImportState.PREVIEW: N_("waits for your consent"),
    ImportState.REFUSED: N_("could not be read"),
    ImportState.IMPORTING: N_("being imported"),
    ImportState.STOPPED: N_("stopped on the way"),
    ImportState.DONE: N_("imported"),
    ImportState.UNDOING: N_("being taken back"),
    ImportState.UNDONE: N_("was taken back"),
    ImportState.DISCARDED: N_("not imported"),
}
OUTCOMES: Final[dict[str, str]] = {
    Outcome.NEW: N_("new"),
    Outcome.CHANGED: N_("changed"),
    Outcome.SAME: N_("as it is already"),
    Outcome.WRONG: N_("wrong"),
}

WORDS: Final[dict[str, dict[str, str]]] = {
    "place_kind": PLACE_KINDS,
    "use": HOME_USES,
    "relation": RELATIONS,
    "document": DOCUMENTS,
    "category": CATEGORIES,
    "person_state": PERSON_STATES,
    "card_kind": CARD_KINDS,
    "card_state": CARD_STATES,
    "card_act": CARD_ACTS,
    "card_event": CARD_EVENTS,
    "lease_state": LEASE_STATES,
}
"""By what they are words of; templates translate them."""
