"""Taking back what one did a moment ago: by whom, for how long, and what is said where it is too late."""

from __future__ import annotations

from typing import Final

WITHIN_US: Final = 15 * 60 * 1_000_000
"""Long enough to notice a slip; what stood longer was meant, and is corrected with a reason."""

TOO_LATE: Final = "it was changed since, or is too long ago"
CHANGED_SINCE: Final = "it was changed since, and cannot be undone any more"
UNDONE_ALREADY: Final = "it was undone already"


def is_recent(at_us: int, now_us: int) -> bool:
    return at_us > now_us - WITHIN_US
