"""Small counts are kept back: who is meant by one could be guessed (trust.md R-101). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SMALLEST: Final = 10
"""A smaller count that is not none is told nobody."""

Count = int | None
"""None: fewer than SMALLEST and not none; or kept back so that another one cannot be worked out."""

_STEP: Final = 5
"""What is told again and again is rounded to fives, so that the difference of two reports says little."""


def alone(count: int) -> Count:
    """A count that is no part of a whole that is told."""
    return None if 0 < count < SMALLEST else count


def rounded(count: int) -> Count:
    """As `alone`, of what is told again after one of it came or went."""
    return None if 0 < count < SMALLEST else _STEP * ((count + _STEP // 2) // _STEP)


def kept_back(counts: Mapping[str, int]) -> dict[str, Count]:
    """Parts of a whole that is told. What is kept back of it is never one part alone, and together at least
    SMALLEST: else the whole minus the others would say it."""
    ordered = sorted((count, name) for name, count in counts.items() if count)
    hidden: list[tuple[int, str]] = [each for each in ordered if each[0] < SMALLEST]
    if hidden:
        for each in ordered[len(hidden) :]:
            if len(hidden) > 1 and sum(count for count, _ in hidden) >= SMALLEST:
                break
            hidden.append(each)
    names = {name for _, name in hidden}
    return {name: None if name in names else count for name, count in counts.items()}
