"""Whether a gateway's signed state is newer than what it has said before: an old one, played again, is not.

Whoever owns the broker can keep a signed state and bring it again, to hide that its gateway is silent or to
make it seem that records are gone. A machine's start is named by chance (`boot`) and never comes again, and
within it uptime only grows: so states have one order, whatever clocks and journals do. A state of a start
that was not heard of before is old if its journal ends before the one that is known already. A journal that
was lost begins a new epoch, which nobody has heard of: that is news. Wills need no place in this order:
they count for their own session alone (`messages.wire.State`).

A broker whose line to us drops brings again what we had taken and it had not been told so. So a state that is
but little older than the newest is not taken, and nobody is told of it until it comes again and again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, update

from central.store.tables import epoch_head, gateway_boot
from messages.wire import State

KEPT_BOOTS: Final = 1_000
"""Starts remembered of each machine. A state of an earlier one ends before the journal that is known."""

LATE_WITHIN_US: Final = 300_000_000
"""A broker has some seconds of states under way; with this much nobody hides a silence."""

MOST_LATE: Final = 10
"""Late ones in a row that may be a line which is cut again and again."""


class Age(Enum):
    NEWS = "news"
    SAME = "same"  # the very one that was taken last: a broker keeps it, and says it at every subscription
    LATE = "late"  # little older than the newest: brought again by a broker that was not told that we had it
    OLD = "old"


@dataclass(frozen=True, slots=True)
class Said:
    """When a state was made, as far as it says that; `head` is the last record of its newest `epoch`."""

    boot: str
    uptime_us: int | None
    at: int | None
    epoch: int | None
    head: int | None

    @classmethod
    def of(cls, state: State) -> Said:
        newest = max(state.epochs or (), key=lambda each: each.epoch, default=None)
        epoch, head = (newest.epoch, newest.head) if newest else (None, None)
        return cls(state.boot, state.uptime_us, state.at, epoch, head)


def taken(connection: Connection, gateway_id: int, state: State) -> Age:
    """How old a state is that its gateway has signed; the newest is remembered. One that is late too often
    is OLD."""
    said, last = Said.of(state), _last(connection, gateway_id)
    if last is None:
        _begin(connection, gateway_id, 1, said)
        return Age.NEWS
    turn, newest, late = last
    age = judged(
        said,
        newest,
        boot_is_past=lambda: _is_known(connection, gateway_id, said.boot),
        epoch_is_known=lambda: _has_epoch(connection, gateway_id, said.epoch),
    )
    if age is Age.NEWS and said.boot != newest.boot:
        _begin(connection, gateway_id, turn + 1, said)
    elif age is Age.NEWS:
        _note(connection, gateway_id, turn, _values(said))
    elif age is Age.SAME and late:
        _note(connection, gateway_id, turn, {"late": None})
    elif age is Age.LATE:
        _note(connection, gateway_id, turn, {"late": late + 1})
        return Age.LATE if late < MOST_LATE else Age.OLD
    return age


def judged(
    said: Said, newest: Said, *, boot_is_past: Callable[[], bool], epoch_is_known: Callable[[], bool]
) -> Age:
    """`newest` was taken last. `boot_is_past`: another start has been heard of after the one of `said`;
    `epoch_is_known`: its newest epoch has been heard of. Both are asked only where it matters."""
    age = _ordered(said, newest, boot_is_past, epoch_is_known)
    return Age.LATE if age is Age.OLD and _is_close(said, newest) else age


def _is_close(said: Said, newest: Said) -> bool:
    """Starts of a machine have no common uptime: across them the time of day tells."""
    told, known = said.at, newest.at
    if said.boot == newest.boot and said.uptime_us is not None:
        told, known = said.uptime_us, newest.uptime_us
    return told is not None and known is not None and abs(known - told) < LATE_WITHIN_US


def _ordered(
    said: Said, newest: Said, boot_is_past: Callable[[], bool], epoch_is_known: Callable[[], bool]
) -> Age:
    if said.boot == newest.boot:
        return _within_a_boot(said, newest)
    if boot_is_past():
        return Age.OLD
    if said.epoch is None or said.head is None:
        return Age.NEWS  # a machine that cannot read its journal now
    if said.epoch == newest.epoch:
        return Age.OLD if said.head < (newest.head or 0) else Age.NEWS
    return Age.OLD if epoch_is_known() and said.epoch < (newest.epoch or 0) else Age.NEWS


def _within_a_boot(said: Said, newest: Said) -> Age:
    """A gateway that is put back to a program which does not tell its uptime counts by the time of day."""
    if newest.uptime_us is None:
        return Age.NEWS
    told, known = (
        (said.at or 0, newest.at or 0) if said.uptime_us is None else (said.uptime_us, newest.uptime_us)
    )
    if told == known:
        return Age.SAME
    return Age.NEWS if told > known else Age.OLD


def _last(connection: Connection, gateway_id: int) -> tuple[int, Said, int] | None:
    """Its turn, what it said, and how many late ones have come since."""
    mine = select(gateway_boot).where(gateway_boot.c.gateway_id == gateway_id)
    row = connection.execute(mine.order_by(gateway_boot.c.turn.desc()).limit(1)).first()
    return row and (row.turn, Said(row.boot, row.uptime_us, row.at, row.epoch, row.head), row.late or 0)


def _note(connection: Connection, gateway_id: int, turn: int, values: dict[str, Any]) -> None:
    here = (gateway_boot.c.gateway_id == gateway_id) & (gateway_boot.c.turn == turn)
    connection.execute(update(gateway_boot).where(here).values(values))


def _is_known(connection: Connection, gateway_id: int, boot: str) -> bool:
    here = (gateway_boot.c.gateway_id == gateway_id) & (gateway_boot.c.boot == boot)
    return connection.execute(select(gateway_boot.c.turn).where(here)).first() is not None


def _has_epoch(connection: Connection, gateway_id: int, epoch: int | None) -> bool:
    here = (epoch_head.c.gateway_id == gateway_id) & (epoch_head.c.epoch == epoch)
    return connection.execute(select(epoch_head.c.epoch).where(here)).first() is not None


def _begin(connection: Connection, gateway_id: int, turn: int, said: Said) -> None:
    row = {"gateway_id": gateway_id, "turn": turn, "boot": said.boot, **_values(said)}
    connection.execute(insert(gateway_boot).values(row))
    past = (gateway_boot.c.gateway_id == gateway_id) & (gateway_boot.c.turn <= turn - KEPT_BOOTS)
    connection.execute(delete(gateway_boot).where(past))


def _values(said: Said) -> dict[str, Any]:
    return {"uptime_us": said.uptime_us, "at": said.at, "epoch": said.epoch, "head": said.head, "late": None}
