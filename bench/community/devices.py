"""What does not work lets nobody in: of what was to happen on a day, what can have happened. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from bench.community.happening import Happening
from messages.model import Kind

_GONE: Final = frozenset({Kind.READER_LOST, Kind.LOCK_LOST})
_BACK: Final = frozenset({Kind.READER_RESTORED, Kind.LOCK_RESTORED})
_AT_A_READER: Final = frozenset({Kind.ACCESS_GRANTED, Kind.ACCESS_DENIED, Kind.REPEATED_DENIALS})


def possible(happened: Iterable[Happening]) -> Iterator[Happening]:
    """In the order of time, as they came; without what a reader would have seen that was not there, or a lock
    have done. Nothing lasts from one day into the next but on the last one."""
    gone: set[tuple[str, str, str]] = set()
    for each in happened:
        kind, at = each.fields["kind"], (each.site, each.gateway, str(each.fields.get("door")))
        if kind in _GONE:
            gone.add(at)
        elif kind in _BACK:
            gone.discard(at)
        elif kind in _AT_A_READER and at in gone:
            continue
        yield each
