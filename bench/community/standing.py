"""What does not work in the community, so that its pages have something to show: which gateway is silent,
which owes records, which has lost some, which reader is gone, which door stands open. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bench.community.happening import Chain, Happening
from bench.community.times import HOUR_US, MINUTE_US, Days
from messages.model import Kind, Reason
from messages.wire import WIRE_VERSION, State

SILENT: Final = ("lakeside", "building-07")
_SILENT_FOR_US: Final = 3 * HOUR_US + 20 * MINUTE_US
"""Nobody has heard of it since."""

_WAS_SILENT: Final = ("maple", "building-09")
_WAS_SILENT_DAY: Final = 41
_OWES: Final = ("maple", "building-05")
_OWES_US: Final = 2 * HOUR_US
"""What happened there since did not come yet."""

_LOST: Final = ("riverside", "building-08")
_LOST_DAY: Final = 33
_LOST_RECORDS: Final = 6
NO_READER: Final = ("maple", "building-03", "unit-2")
_READER_LOST_US: Final = 47 * MINUTE_US
_OPEN: Final = ("lakeside", "building-02", "unit-1")
_OPEN_SINCE_US: Final = 6 * MINUTE_US


def happened(days: Days, day: int) -> Iterator[Happening]:
    """The last day's, which is not over yet."""
    if day == days.last:
        site, gateway, door = NO_READER
        lost = {"kind": Kind.READER_LOST, "reason": Reason.NO_ANSWER, "door": door, "reader": door}
        yield Happening(_today(days, _READER_LOST_US), site, gateway, lost)
        site, gateway, door = _OPEN
        held = {"kind": Kind.DOOR_HELD, "reason": Reason.OPEN_TOO_LONG, "door": door}
        yield Happening(_today(days, _OPEN_SINCE_US), site, gateway, held)


def sent(chain: Chain, theirs: Sequence[Happening], days: Days, day: int) -> list[tuple[str, bytes]]:
    """The messages that bring what happened at a gateway, as far as they are sent."""
    place = (chain.site, chain.name)
    if place == SILENT:
        theirs = [each for each in theirs if each.at_us < went_silent_us(days)]
    if place == _LOST and day == _LOST_DAY and not chain.holes and len(theirs) > _LOST_RECORDS:
        chain.holes = ((chain.seq + 1, chain.seq + _LOST_RECORDS),)
    owed = [each for each in theirs if place == _OWES and each.at_us >= days.now_us - _OWES_US]
    messages = list(chain.blocks(chain.grow(theirs[: len(theirs) - len(owed)])))
    chain.grow(owed)
    return messages


def went_silent_us(days: Days) -> int:
    return _today(days, _SILENT_FOR_US)


def is_left_alone(site: str, gateway: str, days: Days, at_us: int) -> bool:
    """Whether nobody has seen yet to what happens there."""
    return at_us >= days.begins(days.last) and (site, gateway) in (_OPEN[:2], NO_READER[:2], SILENT)


def last_word(chain: Chain, at_us: int) -> State:
    """What the broker says in its stead, once its line is gone."""
    told = chain.state(at_us, list_version=None)
    return State(WIRE_VERSION, online=False, boot=told.boot, session=told.session)


def is_silent(chain: Chain, days: Days, at_us: int) -> bool:
    """Whether its line is down then, so that what happens comes later."""
    began_us = days.at(_WAS_SILENT_DAY, 9.2)
    return (chain.site, chain.name) == _WAS_SILENT and began_us <= at_us < began_us + 50 * HOUR_US


def state(
    chain: Chain, days: Days, at_us: int, list_version: int, settings_revision: int | None = None
) -> State | None:
    """What it says of itself then; None: nothing."""
    place = (chain.site, chain.name)
    if is_silent(chain, days, at_us):
        return None
    if place == SILENT and at_us >= went_silent_us(days):
        return None
    lost = place == NO_READER[:2] and at_us >= _today(days, _READER_LOST_US)
    return chain.state(
        at_us,
        list_version=list_version,
        settings_revision=settings_revision,
        devices={NO_READER[2]: "lost"} if lost else {},
    )


def _today(days: Days, ago_us: int) -> int:
    """So long ago, but not before today."""
    return max(days.begins(days.last) + MINUTE_US, days.now_us - ago_us)
