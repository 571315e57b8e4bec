"""How large the community is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """`houses`: of each estate, with a gateway each; `floors`: of each, with four homes on each. `residents`:
    who is there to live in them, a few more than do. `days`: that lie behind it, today the last."""

    houses: tuple[int, int, int] = (14, 14, 12)
    floors: int = 7
    residents: int = 3_300
    days: int = 60


WHOLE = Size()
