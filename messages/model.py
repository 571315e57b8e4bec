"""The record (one thing that happened at a door) and the words it may use. Values only, no I/O.

The order of the fields of `Record` is the order of its canonical bytes: it is part of the contract and
changes only together with `RECORD_VERSION`.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import Annotated

from msgspec import Meta, Struct

RECORD_VERSION = 1

NAME = r"[a-z0-9][a-z0-9-]{0,31}"
REFERENCE = r"[A-Za-z0-9._-]{1,64}"
HASH = r"[0-9a-f]{64}"
TOKEN = r"[0-9a-f]{32}"  # noqa: S105  its form, not a secret
BOOT = r"[0-9a-f]{16}"

Name = Annotated[str, Meta(pattern=rf"^{NAME}\Z")]
"""A site, gateway, door or reader: lower-case letters, digits and hyphens, at most 32; safe in a topic."""

Reference = Annotated[str, Meta(pattern=rf"^{REFERENCE}\Z")]
"""An opaque reference such as a credential holder's; never a name, never an ID number."""

HashHex = Annotated[str, Meta(pattern=rf"^{HASH}\Z")]
TokenHex = Annotated[str, Meta(pattern=rf"^{TOKEN}\Z")]
BootId = Annotated[str, Meta(pattern=rf"^{BOOT}\Z")]

Micros = Annotated[int, Meta(ge=0, le=2**53)]
"""Microseconds; 2**53 is exact in every JSON reader and lasts until the year 2255."""

Epoch = Annotated[int, Meta(ge=1, le=2**40)]
Seq = Annotated[int, Meta(ge=1, le=2**48)]
Count = Annotated[int, Meta(ge=0, le=2**48)]


class Kind(StrEnum):
    """What happened; the closed vocabulary, after IEC 60839-11-1."""

    ACCESS_GRANTED = "access_granted"
    ACCESS_DENIED = "access_denied"
    RELEASE_FAILED = "release_failed"  # granted and recorded, but the lock could not be driven
    READER_LOST = "reader_lost"
    READER_DEGRADED = "reader_degraded"
    READER_RECOVERING = "reader_recovering"  # found again, being set up
    READER_RESTORED = "reader_restored"
    LOCK_LOST = "lock_lost"
    LOCK_DEGRADED = "lock_degraded"
    LOCK_RECOVERING = "lock_recovering"
    LOCK_RESTORED = "lock_restored"
    DOOR_OPENED = "door_opened"  # the contact's word, whoever opened it
    DOOR_CLOSED = "door_closed"
    REX = "rex"  # somebody asked to leave
    TAMPER = "tamper"
    TAMPER_RESTORED = "tamper_restored"
    FIRE_INPUT = "fire_input"  # observed; the release itself is hard-wired
    FIRE_INPUT_RESTORED = "fire_input_restored"
    MAINS_FAILED = "mains_failed"
    MAINS_RESTORED = "mains_restored"
    BATTERY_LOW = "battery_low"
    BATTERY_RESTORED = "battery_restored"
    JOURNAL_OPENED = "journal_opened"  # the first record of every epoch
    GATEWAY_STARTED = "gateway_started"
    GATEWAY_STOPPED = "gateway_stopped"
    LIST_APPLIED = "list_applied"
    LIST_REFUSED = "list_refused"
    ACCESS_TAKEN = "access_taken"  # the door was opened after the decision that `links` names
    ACCESS_NOT_TAKEN = "access_not_taken"  # released, and nobody opened the door
    DOOR_FORCED = "door_forced"  # opened although nothing had released it
    DOOR_HELD = "door_held"  # open for longer than it may be
    DOOR_FREED = "door_freed"  # not locked: free hours, or a command
    DOOR_LOCKED_DOWN = "door_locked_down"  # opens to nobody from outside
    DOOR_SECURED = "door_secured"  # locked again after being free or locked down
    DURESS = "duress"  # somebody was made to open; the door shows nothing of it
    REMOTE_RELEASE = "remote_release"  # released by a signed command of the centre
    REPEATED_DENIALS = "repeated_denials"  # so many refusals in a row at one reader
    PASSBACK_RESET = "passback_reset"  # everybody counts as being nowhere
    CLOCK_STEPPED = "clock_stepped"  # the time of day was changed; `at` is the new one
    STORAGE_LOW = "storage_low"  # the journal's disk is filling up
    STORAGE_RESTORED = "storage_restored"
    STORAGE_FAULT = "storage_fault"  # a write failed; what was to be recorded went elsewhere or waited
    SETTINGS_APPLIED = "settings_applied"
    SETTINGS_REFUSED = "settings_refused"
    COMMAND_DONE = "command_done"  # any but a release
    COMMAND_REFUSED = "command_refused"
    ACK_REFUSED = "ack_refused"  # not signed by the centre: nothing is deleted for it
    RECORDS_EXPORTED = "records_exported"  # carried to the centre by hand
    RECORDS_LOST = "records_lost"  # from `at` to the next record: nothing could be stored, memory was full


class Reason(StrEnum):
    """Why: one closed table for decisions and one for the events that need a cause."""

    # granted
    LISTED = "listed"  # the credential is on the access list and valid for this door now
    VERIFIED_ID = "verified_id"  # any ID card read through a security module is admitted and traced
    LISTED_UNRECORDED = "listed_unrecorded"  # let in while the journal could not write; recorded afterwards
    VISITOR_PASS = "visitor_pass"  # noqa: S105  a signed pass that is valid here and now
    FREE_HOURS = "free_hours"  # the door is free now; whoever swipes is recorded all the same
    LISTED_PASSED_BACK = "listed_passed_back"  # let in, though by the records the holder had not left
    # denied
    UNKNOWN_CREDENTIAL = "unknown_credential"
    NO_RIGHT = "no_right"  # on the list, but not for this door
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    BLOCKED = "blocked"  # reported lost, or withdrawn
    ASSURANCE_TOO_LOW = "assurance_too_low"
    DOCUMENT_EXPIRED = "document_expired"
    UNREADABLE = "unreadable"  # a card was there and could not be read
    PIN_MISSING = "pin_missing"  # the door asks for card and PIN
    PIN_WRONG = "pin_wrong"
    NOT_RECORDABLE = "not_recordable"  # the journal cannot write and the door's policy then sends to a person
    LOST = "lost"  # reported lost
    OUTSIDE_HOURS = "outside_hours"  # has a right to this door, at other times
    LOCKED_DOWN = "locked_down"
    PASSED_BACK = "passed_back"  # by the records the holder is inside already
    INTERLOCKED = "interlocked"  # the other door of the pair is open
    FIRST_PERSON_MISSING = "first_person_missing"  # the door waits for somebody of another category
    LIST_TOO_OLD = "list_too_old"  # the list is older than this category may be decided on
    TOO_MANY_TRIES = "too_many_tries"  # wrong PINs; to be tried again later
    CLOCK_NOT_SET = "clock_not_set"  # a right that ends cannot be judged without the time
    PASS_FORGED = "pass_forged"  # noqa: S105  a pass whose signature is not of a key trusted here
    PASS_USED_UP = "pass_used_up"  # noqa: S105  a word, not a secret
    # doors
    SCHEDULE = "schedule"
    COMMAND = "command"
    EXIT_BUTTON = "exit_button"
    NO_RELEASE = "no_release"  # nobody had been let in or out
    OPEN_TOO_LONG = "open_too_long"
    # epochs
    NEW_JOURNAL = "new_journal"
    DAMAGED_JOURNAL = "damaged_journal"  # the former file was set aside
    SALVAGED_JOURNAL = "salvaged_journal"  # what could still be read of the damaged file is kept
    SECOND_JOURNAL = "second_journal"  # the first one cannot be written to
    FIRST_JOURNAL_AGAIN = "first_journal_again"
    OLDER_COPY = "older_copy"  # the centre has other records: numbers would be used twice
    # storage
    NEARLY_FULL = "nearly_full"  # 80 % of the disk
    ALMOST_FULL = "almost_full"  # 90 % of the disk
    FULL = "full"  # only the reserve is left
    WRITE_FAILED = "write_failed"
    # clock
    CLOCK_FORWARD = "clock_forward"
    CLOCK_BACK = "clock_back"
    BEHIND_RECORDS = "behind_records"  # earlier than the newest record; that one's time is used
    # devices
    NO_ANSWER = "no_answer"  # unplugged, without power or silent
    DEVICE_FAULT = "device_fault"
    ANSWERS_AGAIN = "answers_again"
    NOT_SECURE = "not_secure"  # wrong or default key, plain text or a replay: refused
    LINE_CUT = "line_cut"  # a supervised input line
    LINE_SHORTED = "line_shorted"
    LOST_DRIVE = "lost_drive"  # the lock board could not take the command
    # lists, settings and commands
    BAD_FILE = "bad_file"
    NOT_SIGNED = "not_signed"  # not by a key that this gateway trusts
    FOREIGN = "foreign"  # for another site or gateway
    OLDER = "older"  # than what is in force
    INCOMPLETE = "incomplete"  # a part is missing or altered
    REPLAYED = "replayed"  # carried out once already
    TOO_LATE = "too_late"  # its time is over
    NOT_POSSIBLE = "not_possible"  # understood, and cannot be done here


class ClockQuality(StrEnum):
    SYNCED = "synced"
    HELD = "held"  # was synchronised in this boot, is not now
    UNKNOWN = "unknown"


class Direction(StrEnum):
    IN = "in"
    OUT = "out"


class AssuranceLevel(StrEnum):
    """How hard the credential is to copy (trust.md R-40); only L3 is a verified identity."""

    L0 = "L0"
    L1 = "L1"
    L2 = "L2"
    L3 = "L3"


class Credential(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """What was presented, without saying whose it is."""

    kind: str  # lower-case letters and underscores
    token: str  # TokenHex
    assurance: AssuranceLevel
    hint: Annotated[str, Meta(max_length=4)] | None = None


class Record(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """One row of a gateway's journal (architecture: the record).

    Spellings are checked by `misspelt`, not while decoding: most words come again and again, and a regular
    expression for each of ten fields would cost four times what all the rest of decoding does.
    """

    v: int
    gateway: str  # Name
    epoch: Epoch
    seq: Seq
    kind: Kind
    at: Micros  # UTC since 1970
    boot: str  # BootId
    uptime_us: Micros  # monotonic since boot, sleep included
    clock: ClockQuality
    prev: str  # HashHex
    door: str | None = None  # Name
    reader: str | None = None  # Name
    direction: Direction | None = None
    credential: Credential | None = None
    holder: str | None = None  # Reference
    category: str | None = None  # Reference
    reason: Reason | None = None
    list_version: Count | None = None
    list_age_s: Count | None = None
    links: Seq | None = None  # the decision, in the same epoch, that this record belongs to
    identity: str | None = None  # HashHex of the sealed envelope's ciphertext


_REMEMBERED = 16_384
"""Words remembered as well spelt: names and boots of a district, holders of some buildings."""

_is_name = lru_cache(_REMEMBERED)(re.compile(NAME).fullmatch)
_is_reference = lru_cache(_REMEMBERED)(re.compile(REFERENCE).fullmatch)
_is_boot = lru_cache(_REMEMBERED)(re.compile(BOOT).fullmatch)
_is_hash = re.compile(HASH).fullmatch
_is_token = re.compile(TOKEN).fullmatch
_is_credential_kind = lru_cache(64)(re.compile(r"[a-z_]{1,24}").fullmatch)


def misspelt(record: Record) -> str | None:
    """The path of the first field whose text is not of its form, None when all are."""
    if not _is_name(record.gateway):
        return "$.gateway"
    if not _is_boot(record.boot):
        return "$.boot"
    if not _is_hash(record.prev):
        return "$.prev"
    if record.door is not None and not _is_name(record.door):
        return "$.door"
    if record.reader is not None and not _is_name(record.reader):
        return "$.reader"
    if record.holder is not None and not _is_reference(record.holder):
        return "$.holder"
    if record.category is not None and not _is_reference(record.category):
        return "$.category"
    if record.identity is not None and not _is_hash(record.identity):
        return "$.identity"
    return None if record.credential is None else _misspelt_credential(record.credential)


def _misspelt_credential(credential: Credential) -> str | None:
    if not _is_credential_kind(credential.kind):
        return "$.credential.kind"
    return None if _is_token(credential.token) else "$.credential.token"
