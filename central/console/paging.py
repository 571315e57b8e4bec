"""Long lists in numbered pages, for what is known as a whole: how many there are is said. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Generic, TypeVar

from fastapi import Query

_T = TypeVar("_T")

ROWS: Final = 100
"""On a page: some thirty kilobytes."""

PageNumber = Annotated[int, Query(ge=1, le=10_000)]


@dataclass(frozen=True, slots=True)
class Cut(Generic[_T]):
    """`page` of `pages`, both from 1 on; `all`: how many things there are on all of them."""

    things: Sequence[_T]
    page: int
    pages: int
    all: int


def cut(
    things: Sequence[_T], page: int, *, most: int = ROWS, weight: Callable[[_T], int] = lambda _: 1
) -> Cut[_T]:
    """The things of a page, one at the least, which weigh `most` together; a page beyond the last is the
    last."""
    pages: list[list[_T]] = [[]]
    heavy = 0
    for each in things:
        if pages[-1] and heavy + weight(each) > most:
            pages.append([])
            heavy = 0
        pages[-1].append(each)
        heavy += weight(each)
    at = min(page, len(pages))
    return Cut(pages[at - 1], at, len(pages), len(things))
