"""What a rule would have raised in the past, before it is switched on. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from central.alarms import book
from central.alarms.kinds import BY_STATE, SIGNS
from central.alarms.rules import EVERYWHERE, Lasting, Rule, Rules, Walk, kinds_of_records
from central.errors import BadQuestion
from central.store.tables import gateway, record

MAX_DAYS: Final = 92
_DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Tried:
    """`names`: of the gateways, by their numbers."""

    alarms: Sequence[Lasting]
    records: int
    names: dict[int, str]


def try_on_the_past(
    connection: Connection, rule: Rule, sites: Sequence[str], from_us: int, until_us: int
) -> Tried:
    """The window is by the gateways' clocks. Raises BadQuestion for what no past is kept of."""
    if until_us <= from_us or until_us - from_us > MAX_DAYS * _DAY_US:
        raise BadQuestion("until", f"lies after `from`, by {MAX_DAYS} days at most")
    if rule.kind in BY_STATE or rule.kind not in SIGNS:
        raise BadQuestion("kind", "cannot be tried on the past: how gateways were then is not kept")
    wanted = sites if rule.site == EVERYWHERE else [rule.site]
    rows = connection.execute(select(gateway.c.id, gateway.c.name).where(gateway.c.site.in_(wanted)))
    names = {row.id: row.name for row in rows}
    here = record.c.gateway_id.in_(list(names)) & (record.c.at >= from_us) & (record.c.at < until_us)
    records = book.noticed(connection, here, kinds_of_records([rule.kind]))
    walk = Walk(Rules([rule]))
    for each in records:
        walk.take(each)
    return Tried([each for each in walk.changed() if each.counts], len(records), names)
