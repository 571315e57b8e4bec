"""Receipts: codes made by chance, by whose possession somebody is answered. Pure, but for the chance."""

from __future__ import annotations

import secrets
from typing import Final

_SYMBOLS: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # none is taken for another one
_PARTS, _IN_A_PART = 3, 4
LONGEST: Final = 32


def new_receipt() -> str:
    """Such as 7K3M-Q9TX-2BHD: says nothing, and nobody guesses it (59 bits)."""
    parts = ["".join(secrets.choice(_SYMBOLS) for _ in range(_IN_A_PART)) for _ in range(_PARTS)]
    return "-".join(parts)


def as_made(written: str) -> str:
    """The receipt that somebody wrote down, in small letters and without its dashes too."""
    plain = "".join(each for each in written.upper()[:LONGEST] if each in _SYMBOLS)
    return "-".join(plain[first : first + _IN_A_PART] for first in range(0, len(plain), _IN_A_PART))
