"""What several rights of one person come to in one entry of an access list. Pure.

An entry has one set of doors, one time from-until and one schedule. So it holds the doors that are open to
somebody now; once that changes, the list is made anew (`Merged.changes_us`). Between two lists a gateway that
hears nothing keeps to the longest of the times: it is late to close, never early.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from central.register.lease_states import DAY_US

EXPLAINED_US: Final = 30 * DAY_US
"""How long somebody whose rights are over is told so at the door, and not that nobody knows them."""


class Grant(NamedTuple):
    """`right`: of the table `access_right`; None: by living there."""

    doors: tuple[str, ...]
    from_us: int
    until_us: int | None
    schedule: str | None = None
    right: int | None = None

    def is_on(self, now_us: int) -> bool:
        return self.from_us <= now_us and (self.until_us is None or now_us < self.until_us)


class Merged(NamedTuple):
    doors: tuple[str, ...]
    from_us: int | None  # None: has begun
    until_us: int | None
    schedule: str | None
    changes_us: int | None  # when it has to be made anew; None: never by itself
    withheld: tuple[int, ...] = ()  # rights on another schedule, which an entry cannot hold beside these


def merge(grants: Sequence[Grant], now_us: int) -> Merged | None:
    """None: nothing that a gateway should know of."""
    changes = _next_change(grants, now_us)
    on = [grant for grant in grants if grant.is_on(now_us)]
    if on:
        chosen, withheld = _of_one_schedule(on)
        return Merged(_doors(chosen), None, _latest(chosen), chosen[0].schedule, changes, withheld)
    to_come = [grant for grant in grants if grant.from_us > now_us and not _is_empty(grant)]
    if to_come:
        first = min(to_come, key=lambda grant: grant.from_us)
        return Merged(first.doors, first.from_us, first.until_us, first.schedule, changes)
    over = [grant for grant in grants if grant.until_us is not None and not _is_empty(grant)]
    recent = [grant for grant in over if (grant.until_us or 0) > now_us - EXPLAINED_US]
    if recent:
        last = max(recent, key=lambda grant: grant.until_us or 0)
        return Merged(last.doors, None, last.until_us, last.schedule, changes)
    return None


def within(grant: Grant, from_us: int, until_us: int | None) -> Grant:
    """As far as a credential is valid."""
    if until_us is None and from_us <= grant.from_us:
        return grant
    ends = [end for end in (grant.until_us, until_us) if end is not None]
    return Grant(
        grant.doors, max(grant.from_us, from_us), min(ends, default=None), grant.schedule, grant.right
    )


def _of_one_schedule(on: Sequence[Grant]) -> tuple[list[Grant], tuple[int, ...]]:
    """Those at any hour come first, as a home must never close at night; without any, those of the oldest
    right's schedule."""
    schedule = None
    if all(grant.schedule is not None for grant in on):
        schedule = min(on, key=lambda grant: grant.right or 0).schedule
    chosen = [grant for grant in on if grant.schedule == schedule]
    return chosen, tuple(sorted(grant.right or 0 for grant in on if grant.schedule != schedule))


def _doors(grants: Sequence[Grant]) -> tuple[str, ...]:
    if len(grants) == 1:
        return grants[0].doors
    return tuple(sorted({door for grant in grants for door in grant.doors}))


def _latest(grants: Iterable[Grant]) -> int | None:
    ends = [grant.until_us for grant in grants]
    return None if None in ends else max(end for end in ends if end is not None)


def _next_change(grants: Iterable[Grant], now_us: int) -> int | None:
    times = [time for grant in grants for time in (grant.from_us, grant.until_us)]
    return min((time for time in times if time is not None and time > now_us), default=None)


def _is_empty(grant: Grant) -> bool:
    return grant.until_us is not None and grant.until_us <= grant.from_us
