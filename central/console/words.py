"""What the words of records mean, as sentences for people. `N_` marks what `translations/` has to say too."""

from __future__ import annotations

from central.accounts.events import AccountEvent
from central.alarms.kinds import AlarmKind, Urgency
from central.console.door_marks import OFFLINE, TAMPERED, WAS_TAMPERED
from central.fleet.commanding import Standing
from central.fleet.coverage import Gap
from central.fleet.door_states import Leaf, Mode
from central.lookup.words import Act, Asked, Basis, Purpose, Shown
from central.register.credentials import CredentialKind
from central.visitors.words import PassKind
from messages.commands import Action, Why
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
    Kind.ACK_REFUSED: N_("acknowledgement refused"),
    Kind.ACCESS_TAKEN: N_("went in"),
    Kind.ACCESS_NOT_TAKEN: N_("did not go in"),
    Kind.DOOR_FORCED: N_("door forced open"),
    Kind.DOOR_HELD: N_("door held open"),
    Kind.DOOR_FREED: N_("door is free to pass"),
    Kind.DOOR_LOCKED_DOWN: N_("door locked down"),
    Kind.DOOR_SECURED: N_("door under control again"),
    Kind.DURESS: N_("opened under duress"),
    Kind.REMOTE_RELEASE: N_("released from the centre"),
    Kind.REPEATED_DENIALS: N_("refused again and again"),
    Kind.PASSBACK_RESET: N_("anti-passback starts afresh"),
    Kind.CLOCK_STEPPED: N_("clock was changed"),
    Kind.STORAGE_LOW: N_("disk is filling up"),
    Kind.STORAGE_RESTORED: N_("disk has room again"),
    Kind.STORAGE_FAULT: N_("disk did not take a record"),
    Kind.SETTINGS_APPLIED: N_("new settings"),
    Kind.SETTINGS_REFUSED: N_("settings refused"),
    Kind.COMMAND_DONE: N_("command carried out"),
    Kind.COMMAND_REFUSED: N_("command refused"),
    Kind.RECORDS_EXPORTED: N_("records copied out by hand"),
    Kind.RECORDS_LOST: N_("records from here to the next one are lost"),
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
    Reason.VISITOR_PASS: N_("valid visitor pass"),
    Reason.FREE_HOURS: N_("the door is free at this hour"),
    Reason.LISTED_PASSED_BACK: N_("on the access list; had not left before"),
    Reason.LOST: N_("card was reported lost"),
    Reason.OUTSIDE_HOURS: N_("not at this hour"),
    Reason.LOCKED_DOWN: N_("the door is locked down"),
    Reason.PASSED_BACK: N_("has not left yet"),
    Reason.INTERLOCKED: N_("the other door is open"),
    Reason.FIRST_PERSON_MISSING: N_("somebody of the staff must come first"),
    Reason.LIST_TOO_OLD: N_("the access list here is too old"),
    Reason.TOO_MANY_TRIES: N_("too many wrong PINs"),
    Reason.CLOCK_NOT_SET: N_("the clock is not set"),
    Reason.PASS_FORGED: N_("the pass is not genuine"),
    Reason.PASS_USED_UP: N_("the pass is used up"),
    Reason.SCHEDULE: N_("by its timetable"),
    Reason.COMMAND: N_("by a command of the centre"),
    Reason.EXIT_BUTTON: N_("after the exit button"),
    Reason.NO_RELEASE: N_("nobody had been let through"),
    Reason.OPEN_TOO_LONG: N_("not closed in time"),
    Reason.SALVAGED_JOURNAL: N_("what could be read of the damaged one is kept"),
    Reason.SECOND_JOURNAL: N_("the first disk takes nothing"),
    Reason.FIRST_JOURNAL_AGAIN: N_("the first disk works again"),
    Reason.OLDER_COPY: N_("put back to an older copy"),
    Reason.NEARLY_FULL: N_("80 % full"),
    Reason.ALMOST_FULL: N_("90 % full"),
    Reason.FULL: N_("full; living on the reserve"),
    Reason.WRITE_FAILED: N_("writing failed"),
    Reason.CLOCK_FORWARD: N_("put forward"),
    Reason.CLOCK_BACK: N_("put back"),
    Reason.BEHIND_RECORDS: N_("earlier than the newest record"),
    Reason.NOT_SIGNED: N_("not signed by the centre"),
    Reason.FOREIGN: N_("meant for another gateway"),
    Reason.OLDER: N_("older than what is in force"),
    Reason.INCOMPLETE: N_("incomplete"),
    Reason.REPLAYED: N_("was carried out before"),
    Reason.TOO_LATE: N_("came too late"),
    Reason.NOT_POSSIBLE: N_("cannot be done here"),
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
        Kind.DOOR_FORCED,
        Kind.DOOR_HELD,
        Kind.DURESS,
        Kind.REPEATED_DENIALS,
        Kind.STORAGE_LOW,
        Kind.STORAGE_FAULT,
        Kind.RECORDS_LOST,
        Kind.SETTINGS_REFUSED,
        Kind.COMMAND_REFUSED,
        Kind.ACK_REFUSED,
    }
)
"""What somebody should see to."""

CATEGORIES: dict[str, str] = {
    "resident": N_("resident"),
    "worker": N_("worker"),
    "visitor": N_("visitor"),
    "operator": N_("operator"),
}

CONDITIONS: dict[str, str] = {
    "ok": N_("works"),
    "degraded": N_("disturbed"),
    "lost": N_("lost"),
    "recovering": N_("coming back"),
}

STANDS: dict[str, str] = {
    Leaf.CLOSED: N_("closed"),
    Leaf.OPEN: N_("open"),
    Leaf.HELD: N_("held open"),
    Leaf.FORCED: N_("forced open"),
    Mode.FREE: N_("free to pass"),
    Mode.LOCKED_DOWN: N_("locked down"),
    OFFLINE: N_("gateway offline"),
    TAMPERED: KINDS[Kind.TAMPER],
    WAS_TAMPERED: N_("was tampered with; nobody has seen to it"),
    Kind.READER_LOST: KINDS[Kind.READER_LOST],
    Kind.READER_DEGRADED: KINDS[Kind.READER_DEGRADED],
    Kind.READER_RECOVERING: KINDS[Kind.READER_RECOVERING],
}
"""How a door stands."""

DONE: dict[str, str] = {
    "undone": N_("Undone: it is as it was before. What was done and its undo both stay in the history."),
    "card-lost": N_("The card is reported lost. No door opens to it any more, within seconds."),
    "pin-set": N_("The PIN is set. Doors that ask for one know it within seconds."),
    "pin-gone": N_("The PIN is taken away. Doors that ask for one do not open to this card."),
    "request-sent": N_("Your request was received. Its receipt and its date stand beside it."),
    "request-withdrawn": N_("Your request is withdrawn. It stays on record."),
    "command": N_("The command was sent. Below stands what became of it."),
    "alarm-seen": N_("It is noted that you have seen to the alarm."),
    "alarm-unseen": N_("Taken back: nobody has seen to the alarm yet."),
    "alarm-declared": N_("Your declaration is on record, and the alarm is over."),
    "rule": N_("The rule holds from now on."),
    "agreed": N_("You agreed. Whoever asked can go on; it is on record."),
    "refused": N_("You refused, with your reason. It is on record."),
    "explained": N_("Your review is on record: the look-up is explained."),
    "unexplained": N_("Your review is on record. Whoever asked cannot look up until this is settled."),
    "honey-planted": N_("The honey record is planted."),
    "honey-removed": N_("The honey record is removed; that it was there stays on record."),
    "honey-seen": N_("It is noted that you have seen to it."),
    "account": N_("The account was changed."),
    "tokens-ended": N_("The tokens of that name have ended."),
}
"""What somebody has just done, as the page says it that they are led to."""

FINDINGS: dict[str, str] = {
    "chain_break": N_("chain broken"),
    "conflict": N_("two different records with one number"),
    "poison": N_("unreadable records"),
    "lost": N_("stretches that were lost"),
    "wrong_gateway": N_("records of another gateway"),
    "wrong_signature": N_("said in its name without its signature"),
    "old_state": N_("old messages played again"),
    "envelope": N_("visitors' envelopes that do not fit their records"),
}

ROLES: dict[str, str] = {
    "officer": N_("Officer"),
    "approver": N_("Approver"),
    "supervisor": N_("Supervisor"),
    "worker": N_("Community worker"),
    "installer": N_("Installer"),
    "operator": N_("Operator"),
    "administrator": N_("Administrator"),
    "resident": N_("Resident"),
}

ACTIONS: dict[str, str] = {
    Action.RELEASE: N_("open once"),
    Action.FREE: N_("keep open for a time"),
    Action.LOCK_DOWN: N_("lock down for a time"),
    Action.BACK_TO_SCHEDULE: N_("back to its timetable"),
    Action.RESET_PASSBACK: N_("start anti-passback afresh"),
    Action.SEND_RECORDS: N_("send missing records again"),
}

WHYS: dict[str, str] = {
    Why.VISITOR: N_("a visitor"),
    Why.NO_CREDENTIAL: N_("a resident without a card"),
    Why.DELIVERY: N_("a delivery"),
    Why.EMERGENCY: N_("an emergency"),
    Why.DISTURBANCE: N_("a disturbance"),
    Why.MAINTENANCE: N_("maintenance"),
    Why.TEST: N_("a test"),
}

STANDINGS: dict[str, str] = {
    Standing.SENT: N_("sent"),
    Standing.DONE: N_("carried out"),
    Standing.REFUSED: N_("refused"),
    Standing.UNANSWERED: N_("no answer"),
}

ACCOUNT_EVENTS: dict[str, str] = {
    AccountEvent.MADE: N_("made"),
    AccountEvent.ACTIVATED: N_("password set with a code"),
    AccountEvent.SIGNED_IN: N_("signed in"),
    AccountEvent.SIGNED_OUT: N_("signed out"),
    AccountEvent.REFUSED: N_("sign-in refused"),
    AccountEvent.SECOND_FACTOR_SET: N_("second factor set up"),
    AccountEvent.PASSKEY_ADDED: N_("passkey added"),
    AccountEvent.PASSKEY_REMOVED: N_("passkey removed"),
    AccountEvent.PROVIDER_LINKED: N_("linked to the provider's sign-in"),
    AccountEvent.PROVIDER_UNLINKED: N_("no longer linked to the provider's sign-in"),
    AccountEvent.PASSWORD_CHANGED: N_("password changed"),
    AccountEvent.SCOPE_CHANGED: N_("sees other communities"),
    AccountEvent.ROLE_CHANGED: N_("has another role"),
    AccountEvent.DISABLED: N_("account disabled"),
    AccountEvent.RESET: N_("to begin anew with a code"),
    AccountEvent.CONFIRMED: N_("identity checked at the desk"),
    AccountEvent.TOKEN_MADE: N_("token of a machine made"),
    AccountEvent.TOKEN_ENDED: N_("token of a machine ended"),
}

ALARMS: dict[str, str] = {
    AlarmKind.DURESS: N_("opened under threat"),
    AlarmKind.FORCED: N_("door was forced"),
    AlarmKind.HELD: N_("door stands open too long"),
    AlarmKind.TAMPER: N_("device was tampered with"),
    AlarmKind.FIRE: N_("fire alarm"),
    AlarmKind.LOST_CARD: N_("a card reported lost was used"),
    AlarmKind.REPEATED_TRIES: N_("many refused tries"),
    AlarmKind.LOCK_NOT_DRIVEN: N_("lock did not open"),
    AlarmKind.READER_LOST: N_("reader does not answer"),
    AlarmKind.LOCK_LOST: N_("lock does not answer"),
    AlarmKind.MAINS_FAILED: N_("no mains power"),
    AlarmKind.BATTERY_LOW: N_("battery nearly empty"),
    AlarmKind.STORAGE: N_("disk has trouble"),
    AlarmKind.RECORDS_LOST: N_("records are lost"),
    AlarmKind.CLOCK_OFF: N_("clock is off"),
    AlarmKind.GATEWAY_SILENT: N_("gateway is silent"),
    AlarmKind.GAP: N_("records do not arrive"),
    AlarmKind.INTEGRITY: N_("records do not fit together"),
    AlarmKind.TOUR_LATE: N_("a guard's round is late"),
    AlarmKind.TOUR_MISSED: N_("points of a guard's round were missed"),
    AlarmKind.TOUR_OUT_OF_ORDER: N_("a guard's round was walked out of order"),
    AlarmKind.TOUR_TOO_QUICK: N_("a guard's round was walked too quickly"),
}

URGENCIES: dict[str, str] = {
    Urgency.NOW: N_("go and look now"),
    Urgency.TODAY: N_("today"),
    Urgency.NOTED: N_("when there is time"),
}

PURPOSES: dict[str, str] = {
    Purpose.CRIMINAL_CASE: N_("Criminal case"),
    Purpose.PUBLIC_ORDER_CASE: N_("Public order case"),
    Purpose.MISSING_PERSON: N_("Missing person"),
    Purpose.RESCUE: N_("Rescue or emergency"),
    Purpose.LOST_CARD: N_("Use of a lost card"),
    Purpose.DOOR_FAULT: N_("Fault of a door"),
}

BASES: dict[str, str] = {
    Basis.CRIMINAL_PROCEDURE: N_("Criminal Procedure Law"),
    Basis.PUBLIC_SECURITY_PENALTIES: N_("Public Security Administration Penalties Law"),
    Basis.PEOPLES_POLICE: N_("People's Police Law"),
    Basis.COUNTER_TERRORISM: N_("Counter-Terrorism Law"),
    Basis.EMERGENCY_RESPONSE: N_("Emergency Response Law"),
    Basis.DATA_SECURITY: N_("Data Security Law"),
}

QUESTIONS: dict[str, str] = {
    Asked.PERSON: N_("Person"),
    Asked.CARD: N_("Card"),
    Asked.ROOM: N_("Room"),
    Asked.DOOR: N_("Door"),
    Asked.BUILDING: N_("Building"),
    Asked.SITE: N_("Whole estate"),
    Asked.UNREGISTERED: N_("Let in, in no register"),
    Asked.DENIED: N_("Refused tries"),
    Asked.LOST_CARD: N_("Tries with lost cards"),
    Asked.REMOTE_RELEASE: N_("Remote releases"),
    Asked.OVERDUE: N_("Overdue visitors"),
}
"""What a look-up asks about."""

CARDS: dict[str, str] = {
    CredentialKind.CARD_UID: N_("Access card"),
    CredentialKind.EM_TAG: N_("Key fob (EM)"),
    CredentialKind.CARD_NUMBER: N_("Numbered card"),
    CredentialKind.ID_CARD: N_("ID card"),
    CredentialKind.ID_CARD_CHIP: N_("Chip of an ID card"),
    CredentialKind.QR_CODE: N_("QR code"),
    PassKind.PIN: N_("PIN"),
}
"""By what somebody was known at a door."""

ACTS: dict[str, str] = {
    Act.WHOLE: N_("the whole answer"),
    Act.EXPORT: N_("a case file"),
    Act.HOLD: N_("to hold it for the case"),
    Act.DELAY: N_("to tell it later to whom it is about"),
}
"""What a second person's word is asked for."""

FIELDS: dict[str, str] = {
    Shown.NAME: N_("Name"),
    Shown.ID_NUMBER: N_("ID number"),
    Shown.HOME: N_("Home address"),
    Shown.CARD: N_("Card number"),
    Shown.VISITED: N_("Home visited"),
}
"""What is masked until it is revealed."""

COVERED: dict[str, str] = {"good": N_("could record"), "bad": N_("could not"), "warn": N_("not known")}
"""What the tones of a door's time mean."""

GAPS: dict[Gap, str] = {
    Gap.ENDED: N_("records deleted, as their time was over"),
    Gap.LOST: N_("records lost"),
    Gap.STOPPED: KINDS[Kind.GATEWAY_STOPPED],
    Gap.READER: KINDS[Kind.READER_LOST],
    Gap.SILENT: N_("gateway went without a word"),
    Gap.AWAITED: N_("records still to come"),
}
"""Why a door could not record, or why that is not known."""

WAITS: dict[str, str] = {
    "more than 7 days": N_("it is about more than 7 days"),
    "several buildings": N_("it is about several buildings"),
}
"""Why a look-up waits for somebody of another unit (`lookup.rules.why_wide`)."""
