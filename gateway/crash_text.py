"""What may be said of an exception that nobody expected: where, and of which kind. Pure.

Its own text may quote what was being worked on (`invalid literal for int(): ...`), and that may have been a
card (trust.md R-65). Only errors whose texts are written to quote nothing are given in full.
"""

from __future__ import annotations

import sqlite3
import traceback

from drivers.errors import DriverError
from gateway.errors import GatewayError
from messages.errors import MessageError

_QUOTE_NOTHING = (GatewayError, DriverError, MessageError, sqlite3.Error)
_MAX_FRAMES = 30  # the newest: a recursion without end is a thousand
_MAX_LINKS = 5


def crash_text(error: BaseException) -> str:
    """Several lines: source lines as in a traceback, no values, the first cause first."""
    chain: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in chain and len(chain) < _MAX_LINKS:
        chain.append(at)
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    return "\nwhich led to:\n".join(_one(link) for link in reversed(chain))


def said_of(error: BaseException) -> str:
    """One line: the kind of error, and its text where that quotes nothing."""
    kind = type(error).__name__
    if isinstance(error, OSError):
        return f"{kind}: {error.strerror}" if error.strerror else kind
    return f"{kind}: {error}" if isinstance(error, _QUOTE_NOTHING) else kind


def _one(error: BaseException) -> str:
    frames = traceback.format_list(traceback.extract_tb(error.__traceback__, limit=-_MAX_FRAMES))
    return "".join([*frames, said_of(error)])
