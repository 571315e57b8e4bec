"""Closed vocabularies of impact assessments and of going live."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class LiveAct(StrEnum):
    """How a community came to be live, or what was agreed to since."""

    BEFORE_THE_GATE = "before_the_gate"  # it was there when the program began to ask for an assessment
    AGREED = "agreed"  # a supervisor agreed to a version that somebody else wrote


class DataKind(StrEnum):
    """What is kept of people, as a legal basis and a time are named for it."""

    REGISTER = "register"  # who lives where, their cards and leases
    ENTRY_RECORDS = "entry_records"  # what happened at doors, and when
    VISITOR_IDENTITY = "visitor_identity"  # name and number of a visitor who showed an identity card
    VISITOR_PASSES = "visitor_passes"  # passes, and the name that one is given to
    LOOK_UPS = "look_ups"  # who asked for whose entries, and why
    ACCOUNTS = "accounts"  # of those who work with the program


class NoticeLanguage(StrEnum):
    """In which the notice at the door is written (trust.md R-84)."""

    ZH = "zh"
    EN = "en"


OF_VISITORS: Final = (DataKind.VISITOR_IDENTITY, DataKind.VISITOR_PASSES)
"""What `[identity] visitor_days` ends."""

ENDED_BY_THE_PROGRAM: Final = (*OF_VISITORS, DataKind.ENTRY_RECORDS)

USUAL_DAYS: Final[dict[DataKind, int]] = {
    DataKind.ENTRY_RECORDS: 180,
    DataKind.VISITOR_IDENTITY: 30,
    DataKind.VISITOR_PASSES: 30,
}
"""Longer takes a cited rule (trust.md R-88 and section 5)."""

LEAST_DAYS: Final[dict[DataKind, int]] = {DataKind.LOOK_UPS: 3 * 365}
"""Shorter is not lawful (trust.md R-94)."""

MOST_DAYS: Final = 36_500
