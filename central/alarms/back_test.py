"""What a rule would have raised in the past, before it is switched on. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from sqlalchemy import Connection, select

from central.alarms import book
from central.alarms.kinds import BY_STATE, OF_TOURS
from central.alarms.rounds import Grounds, settled_by
from central.alarms.rules import EVERYWHERE, Lasting, Rule, Rules, Walk, kinds_of_records
from central.errors import BadQuestion
from central.store.register_tables import site
from central.store.tables import gateway, record
from central.times import local
from central.tours.reads import Point
from central.tours.rounds import Judged
from central.tours.walked import walked

MAX_DAYS: Final = 92
_DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Tried:
    """`names`: of the gateways, by their numbers."""

    alarms: Sequence[Lasting]
    records: int
    names: dict[int, str]


def try_on_the_past(
    connection: Connection, rule: Rule, sites: Sequence[str], from_us: int, until_us: int, *, zone: tzinfo
) -> Tried:
    """The window is by the gateways' clocks; of rounds, by the clock of `zone`. Raises BadQuestion for what
    no past is kept of."""
    if until_us <= from_us or until_us - from_us > MAX_DAYS * _DAY_US:
        raise BadQuestion("until", f"lies after `from`, by {MAX_DAYS} days at most")
    if rule.kind in BY_STATE:
        raise BadQuestion("kind", "cannot be tried on the past: how gateways were then is not kept")
    wanted = sites if rule.site == EVERYWHERE else [rule.site]
    if rule.kind in OF_TOURS:
        return _tried_on_rounds(connection, rule, wanted, from_us, until_us, zone=zone)
    rows = connection.execute(select(gateway.c.id, gateway.c.name).where(gateway.c.site.in_(wanted)))
    names = {row.id: row.name for row in rows}
    here = record.c.gateway_id.in_(list(names)) & (record.c.at >= from_us) & (record.c.at < until_us)
    records = book.noticed(connection, here, kinds_of_records([rule.kind]))
    walk = Walk(Rules([rule]))
    for each in records:
        walk.take(each)
    return Tried([each for each in walk.changed() if each.counts], len(records), names)


def _tried_on_rounds(
    connection: Connection, rule: Rule, sites: Sequence[str], from_us: int, until_us: int, *, zone: tzinfo
) -> Tried:
    """`records` are rounds here: those that opened in the window and of which all is known."""
    asked = select(site.c.community_id).where(site.c.name.in_(sites)).distinct()
    rounds: list[Judged] = []
    points: dict[int, Point] = {}
    for here in connection.execute(asked).scalars().all():
        first, last = local(from_us, zone).date(), local(until_us, zone).date()
        found = walked(connection, here, first, last, zone=zone, now_us=until_us)
        points |= found.points
        rounds += [each for each in found.rounds if from_us <= each.round.opens_us < until_us]
    numbers = book.gateway_numbers(connection)
    mine = {place: number for place, number in numbers.items() if place[0] in sites}
    alarms = settled_by(Rules([rule]), rounds, Grounds(points, mine), until_us)
    return Tried(alarms, len(rounds), {number: name for (_, name), number in mine.items()})
