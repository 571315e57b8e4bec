"""What the words of records mean, as sentences for people. `N_` marks what `translations/` has to say too."""

from __future__ import annotations

from messages.model import Kind, Reason


def N_(text: str) -> str:  # noqa: N802  gettext's own name for "to be translated where it is shown"
    return text


KINDS: dict[str, str] = {
    Kind.ACCESS_GRANTED: N_("let in"),
    Kind.ACCESS_DENIED: N_("refused"),
    Kind.RELEASE_FAILED: N_("the lock did not answer"),
    Kind.READER_LOST: N_("reader lost"),
    Kind.READER_DEGRADED: N_("reader disturbed"),
    Kind.READER_RECOVERING: N_("reader coming back"),
    Kind.READER_RESTORED: N_("reader ready"),
    Kind.LOCK_LOST: N_("lock lost"),
    Kind.LOCK_DEGRADED: N_("lock disturbed"),
    Kind.LOCK_RECOVERING: N_("lock coming back"),
    Kind.LOCK_RESTORED: N_("lock ready"),
    Kind.DOOR_OPENED: N_("door opened"),
    Kind.DOOR_CLOSED: N_("door closed"),
    Kind.REX: N_("exit button pressed"),
    Kind.TAMPER: N_("tampered with"),
    Kind.TAMPER_RESTORED: N_("tamper contact closed again"),
    Kind.FIRE_INPUT: N_("fire alarm reported"),
    Kind.FIRE_INPUT_RESTORED: N_("fire alarm over"),
    Kind.MAINS_FAILED: N_("mains power failed"),
    Kind.MAINS_RESTORED: N_("mains power is back"),
    Kind.BATTERY_LOW: N_("battery low"),
    Kind.BATTERY_RESTORED: N_("battery good again"),
    Kind.JOURNAL_OPENED: N_("a new journal begins"),
    Kind.GATEWAY_STARTED: N_("gateway started"),
    Kind.GATEWAY_STOPPED: N_("gateway stopped"),
    Kind.LIST_APPLIED: N_("new access list"),
    Kind.LIST_REFUSED: N_("access list refused"),
}

REASONS: dict[str, str] = {
    Reason.LISTED: N_("on the access list"),
    Reason.VERIFIED_ID: N_("verified ID card"),
    Reason.LISTED_UNRECORDED: N_("on the access list; recorded afterwards"),
    Reason.UNKNOWN_CREDENTIAL: N_("not on the access list"),
    Reason.NO_RIGHT: N_("no right to this door"),
    Reason.NOT_YET_VALID: N_("not valid yet"),
    Reason.EXPIRED: N_("no longer valid"),
    Reason.BLOCKED: N_("card is blocked"),
    Reason.ASSURANCE_TOO_LOW: N_("this kind of card is not enough here"),
    Reason.DOCUMENT_EXPIRED: N_("the document has expired"),
    Reason.UNREADABLE: N_("card could not be read"),
    Reason.PIN_MISSING: N_("the PIN is missing"),
    Reason.PIN_WRONG: N_("wrong PIN"),
    Reason.NOT_RECORDABLE: N_("could not be recorded"),
    Reason.NEW_JOURNAL: N_("first start"),
    Reason.DAMAGED_JOURNAL: N_("the former one is damaged"),
    Reason.NO_ANSWER: N_("no answer"),
    Reason.DEVICE_FAULT: N_("fault of the device"),
    Reason.ANSWERS_AGAIN: N_("answers"),
    Reason.NOT_SECURE: N_("could not prove itself: wrong key or no encryption"),
    Reason.LINE_CUT: N_("its line is cut"),
    Reason.LINE_SHORTED: N_("its line is shorted"),
    Reason.LOST_DRIVE: N_("the command did not reach it"),
    Reason.BAD_FILE: N_("the file is not a list"),
}

TROUBLES = frozenset(
    {
        Kind.RELEASE_FAILED,
        Kind.READER_LOST,
        Kind.READER_DEGRADED,
        Kind.LOCK_LOST,
        Kind.LOCK_DEGRADED,
        Kind.TAMPER,
        Kind.FIRE_INPUT,
        Kind.MAINS_FAILED,
        Kind.BATTERY_LOW,
    }
)
"""What somebody should see to."""

CATEGORIES: dict[str, str] = {
    "resident": N_("resident"),
    "worker": N_("worker"),
    "visitor": N_("visitor"),
}

CONDITIONS: dict[str, str] = {
    "ok": N_("works"),
    "degraded": N_("disturbed"),
    "lost": N_("lost"),
    "recovering": N_("coming back"),
}

FINDINGS: dict[str, str] = {
    "chain_break": N_("chain broken"),
    "conflict": N_("two different records with one number"),
    "poison": N_("unreadable records"),
    "lost": N_("stretches that were lost"),
    "wrong_gateway": N_("records of another gateway"),
}
