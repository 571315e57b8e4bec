"""Alarms of which no record tells: a gateway that is silent, records that do not come, a story with a flaw.

They are found by looking again and again at what is known of each gateway.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from central.alarms.book import gateway_numbers
from central.alarms.integrity import flaws_now
from central.alarms.kinds import UNBELIEVED, AlarmKind
from central.alarms.rules import Lasting, Rules, Subject
from central.fleet.completeness import completeness


@dataclass(frozen=True, slots=True)
class Found:
    """What is so now. `since_us`: since when at the least; `count`: of what."""

    subject: Subject
    site: str
    since_us: int
    count: int = 1


def found_now(connection: Connection, now_us: int) -> list[Found]:
    """Whatever the rules say: they decide about it later."""
    ids = gateway_numbers(connection)
    flaws: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for (gateway_id, flaw), count in flaws_now(connection).items():
        flaws[gateway_id].append((flaw, count))
    found = []
    for each in completeness(connection):
        number = ids.get((each.site, each.name))
        if number is None:
            continue
        if each.heard_us is not None:
            silent = (number, AlarmKind.GATEWAY_SILENT, None, None)
            found.append(Found(silent, each.site, each.heard_us))
        if awaited := sum(hole.count for hole in each.missing if not hole.lost):
            found.append(Found((number, AlarmKind.GAP, None, None), each.site, now_us, awaited))
        found += [
            Found((number, AlarmKind.INTEGRITY, None, flaw), each.site, now_us, count)
            for flaw, count in flaws[number]
        ]
        if each.unbelieved_us is not None:
            subject = (number, AlarmKind.INTEGRITY, None, UNBELIEVED)
            found.append(Found(subject, each.site, each.unbelieved_us))
    return found


def compared(rules: Rules, found: Iterable[Found], lasting: Iterable[Lasting], now_us: int) -> list[Lasting]:
    """What has begun, grown or ended since `lasting`. Pure. A silent gateway is heard again when its last
    word is young enough; of a flaw only its growth is news."""
    known = {each.subject: each for each in lasting}
    changed: list[Lasting] = []
    still: set[Subject] = set()
    for each in found:
        rule = rules.of(each.subject[1], each.site)
        if rule is None or (rule.kind is AlarmKind.GATEWAY_SILENT and now_us - each.since_us < rule.after_us):
            continue
        still.add(each.subject)
        before = known.get(each.subject)
        if before is None:
            gateway_id, _, door, device = each.subject
            begun = Lasting(rule, gateway_id, door, device, each.since_us, now_us, each.count)
            changed.append(begun)
        elif each.count > before.count:
            before.last_us, before.count, before.changed = now_us, each.count, True
            changed.append(before)
    for subject, before in known.items():
        if subject not in still:
            before.ends(now_us)
            changed.append(before)
    return changed
