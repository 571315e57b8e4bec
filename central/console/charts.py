"""The measures of the charts: shares of a width or height in percent, so that they fit any screen. Pure.

Charts are SVG made on the server: they are there without scripts, on paper, and for whoever listens, each
beside the numbers that it is drawn from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from central.fleet.coverage import UNKNOWN, Gap, Span
from central.small_counts import Count

WHOLE: Final = 100.0
LEVELS: Final = 4


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar, in percent of its width. `tone`: a class of the sheet."""

    at: float
    wide: float
    tone: str


def share(count: Count, most: int) -> float:
    """In percent of the longest bar, or of the whole; what is kept back has none."""
    return round(WHOLE * count / most, 2) if count and most else 0.0


def stacked(counts: Iterable[tuple[int, str]]) -> list[Part]:
    """Counts with their tones, one after the other, all of the width together."""
    counts = [(count, tone) for count, tone in counts if count]
    whole = sum(count for count, _ in counts)
    parts: list[Part] = []
    at = 0.0
    for count, tone in counts:
        wide = WHOLE * count / whole
        parts.append(Part(round(at, 3), round(wide, 3), tone))
        at += wide
    return parts


def told_apart(counts: Sequence[int], words: Sequence[tuple[str, str]]) -> list[tuple[int, str]]:
    """Counts with the tones of their words, for `stacked`."""
    return [(count, tone) for count, (_, tone) in zip(counts, words, strict=True)]


def level(count: Count, most: int) -> str:
    """Of a cell of a strip: how dark it is; `kept` where it is not told."""
    if count is None:
        return "kept"
    if not count or not most:
        return "level-0"
    return f"level-{1 + min(LEVELS - 1, LEVELS * count // (most + 1))}"


def most_of(counts: Iterable[Count]) -> int:
    return max((count for count in counts if count is not None), default=0)


def busiest(hours: Sequence[Count]) -> int | None:
    """The hour in which most was told; None where nothing was."""
    told = [(count, -hour) for hour, count in enumerate(hours) if count]
    return -max(told)[1] if told else None


def tone_of(why: Gap | None) -> str:
    return "good" if why is None else "warn" if why in UNKNOWN else "bad"


def laid_along(spans: Sequence[Span], from_us: int, until_us: int) -> list[Part]:
    """A door's time along a strip that goes from one moment to the other."""
    whole = until_us - from_us
    return [
        Part(
            round(WHOLE * (each.from_us - from_us) / whole, 3),
            round(WHOLE * each.long_us / whole, 3),
            tone_of(each.why),
        )
        for each in spans
    ]


def key_of(tones: Mapping[str, str]) -> list[tuple[str, str]]:
    """What the tones mean, for the macro `key`."""
    return [(text, tone) for tone, text in tones.items()]
