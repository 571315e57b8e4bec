"""The closed words of an import. Values only."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class ImportState(StrEnum):
    READING = "reading"  # the file is here, sealed, and being read
    PREVIEW = "preview"  # waits for somebody's consent; nothing was written
    REFUSED = "refused"  # no such file can be read: `trouble` says why
    IMPORTING = "importing"
    STOPPED = "stopped"  # part of it is imported; goes on with a further consent, or is undone
    DONE = "done"
    UNDOING = "undoing"
    UNDONE = "undone"  # as far as it goes: rows that were kept say why
    DISCARDED = "discarded"  # nobody consented


WORKING: Final = frozenset({ImportState.READING, ImportState.IMPORTING, ImportState.UNDOING})


class Outcome(StrEnum):
    """Of a row: what it comes to."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"
    WRONG = "wrong"


class Effect(StrEnum):
    """What a row did; `subject_id` is of the table in brackets."""

    PLACE_CREATED = "place_created"  # place
    CODE_SET = "code_set"  # place
    USE_SET = "use_set"  # home_use
    PERSON_REGISTERED = "person_registered"  # person
    PERSON_CORRECTED = "person_corrected"  # person
    LEASE_MADE = "lease_made"  # tenancy
    LEASE_EXTENDED = "lease_extended"  # tenancy
    MOVED_IN = "moved_in"  # residency
    RESIDENCY_ENDED = "residency_ended"  # residency
    RESIDENCY_CORRECTED = "residency_corrected"  # residency: the new row
    CARD_ISSUED = "card_issued"  # credential
    CARD_EXTENDED = "card_extended"  # credential


UNDONE: Final = "undone"
"""In `import_effect.undone`; anything else there is the code of why it was kept."""
