"""Licences to delete: what the centre had committed by when, and what may go by now. SQL alone, no file.

Called only after the centre's hash was found equal to ours: that is the licence. Nothing unacknowledged is
ever deleted.
"""

from __future__ import annotations

from gateway.clock import Clock
from gateway.journal_store import Store
from messages.model import ClockQuality

_ACKNOWLEDGE = "INSERT OR REPLACE INTO acknowledgements VALUES (?, ?, ?, ?, ?, ?, ?)"
_AGED = "(a.boot = ? AND a.uptime_us <= ? OR a.boot <> ? AND a.clock = 'synced' AND a.at_us <= ?)"
_LICENSED = (
    "SELECT e.first_id, e.first_id + max(a.through) - 1 FROM acknowledgements a JOIN epochs e USING (epoch)"
    " WHERE AGED GROUP BY e.epoch ORDER BY e.first_id"
).replace("AGED", _AGED)
_FORGET = (
    (
        "DELETE FROM acknowledgements AS a WHERE AGED AND a.through < (SELECT max(through)"
        " FROM acknowledgements AS n WHERE n.epoch = a.epoch AND ITS_AGE)"
    )
    .replace("AGED", _AGED)
    .replace("ITS_AGE", _AGED.replace("a.", "n."))
)
"""Of those that have long licensed a deletion, the highest of each epoch says it all."""

_PRUNE_RECORDS = 500
"""Deleted in one transaction: a few milliseconds at most between two swipes."""

_DAY_US = 86_400_000_000
_HOUR_US = 3_600_000_000


def holds(store: Store, epoch: int) -> bool:
    return bool(store.read("SELECT 1 FROM epochs WHERE epoch = ?", (epoch,)))


def note(store: Store, clock: Clock, epoch: int, through: int, least: int) -> None:
    """One row an hour. A centre that now has less than it once had (restored from a backup), or had only
    `least` in the meantime, takes its former licences back: their age counts for nothing (trust.md R-25)."""
    now_us = clock.now_us()
    row = (epoch, now_us // _HOUR_US, through, now_us, clock.boot, clock.uptime_us(), clock.quality())
    store.commit(
        [
            ("DELETE FROM acknowledgements WHERE epoch = ? AND through > ?", [(epoch, least)]),
            (_ACKNOWLEDGE, [row]),
        ]
    )


def prune(store: Store, clock: Clock, keep_days: int) -> int:
    """Deletes some hundred records acknowledged longer ago than that; the newest record always stays.

    Returns how many were deleted.
    """
    if store.head is None:
        return 0
    newest_id, aged = store.head.record_id, _aged(clock, keep_days * _DAY_US)
    licensed = store.read(_LICENSED, aged)
    deleted = sum(_delete(store, first, min(last, newest_id - 1)) for first, last in licensed)
    if not deleted:
        store.write(_FORGET, aged * 2)
    return deleted


def _delete(store: Store, first_id: int, last_id: int) -> int:
    return store.write(
        "DELETE FROM records WHERE id IN"
        " (SELECT id FROM records WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?)",
        (first_id, last_id, _PRUNE_RECORDS),
    )


def _aged(clock: Clock, keep_us: int) -> tuple[object, ...]:
    """What `_AGED` asks for: within this boot only the monotonic clock counts; across boots the time of day,
    and only where it was synchronised then and is now. Else an age is not known, and not reached."""
    synced = clock.quality() is ClockQuality.SYNCED
    before_us = clock.now_us() - keep_us if synced else -1
    return (clock.boot, clock.uptime_us() - keep_us, clock.boot, before_us)
