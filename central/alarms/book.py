"""Rules and alarms in the database: begun, noted, seen to. Within the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, func, insert, or_, select, update

from central.alarms.kinds import DEFAULT_LIMITS, DEFAULT_URGENCY, OF_TOURS, AlarmKind, Urgency
from central.alarms.rules import EVERYWHERE, Lasting, Noticed, Rule, Rules
from central.errors import BadQuestion, Clash, NotThere
from central.store.alarm_tables import (
    alarm,
    alarm_cursor,
    alarm_event,
    alarm_record,
    alarm_rule,
    integrity_declared,
)
from central.store.tables import gateway, record
from central.undo import TOO_LATE, WITHIN_US, is_recent

MAX_LIMIT: Final = 31 * 86_400
MAX_NOTE: Final = 500
THE_CENTRE: Final = "liuhen"
"""Who made the rules that are in force from the beginning."""

SEEN, UNSEEN = "seen", "unseen"
"""What becomes of an alarm by people, as its events and the messages to other programs say it."""

_ONE: Final = 1
_SEEN_ALREADY: Final = "somebody has seen to this alarm already"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One as it is shown; times are UTC microseconds."""

    id: int
    kind: AlarmKind
    urgency: Urgency
    site: str
    gateway: str
    door: str | None
    device: str | None
    began_us: int
    last_us: int
    noticed_us: int
    count: int
    over_us: int | None
    seen_us: int | None
    seen_by: str | None
    note: str | None
    rule_id: int
    records: tuple[tuple[int, int], ...] = ()
    """(epoch, seq) of the first of them, where they were asked for."""


# --- rules -----------------------------------------------------------------------------------------------


def begin_usual_rules(connection: Connection, now_us: int) -> None:
    """Every kind of which no rule was ever made: everywhere, with its usual limits."""
    known = set(connection.execute(select(alarm_rule.c.kind).distinct()).scalars())
    for kind in AlarmKind:
        if kind in known:
            continue
        begin_rule(connection, kind, EVERYWHERE, urgency=None, limits={}, made_by=THE_CENTRE, now_us=now_us)


def begin_rule(
    connection: Connection,
    kind: AlarmKind,
    site: str,
    *,
    urgency: Urgency | None,
    limits: Mapping[str, int],
    made_by: str,
    now_us: int,
) -> Rule:
    """In the place of the one that held there. Raises BadQuestion for limits that this kind does not have."""
    checked = checked_limits(kind, limits)
    here = and_(alarm_rule.c.kind == kind, alarm_rule.c.site == site, alarm_rule.c.until_at.is_(None))
    connection.execute(update(alarm_rule).where(here).values(until_at=now_us))
    urgency = urgency or DEFAULT_URGENCY[kind]
    values = {
        "kind": kind,
        "site": site,
        "urgency": urgency,
        "limits": json.dumps(checked, sort_keys=True),
        "from_at": now_us,
        "made_by": made_by,
    }
    number = connection.execute(insert(alarm_rule).values(values)).inserted_primary_key
    assert number is not None
    return Rule(int(number[0]), kind, site, urgency, checked)


def end_rule(connection: Connection, number: int, now_us: int) -> None:
    """Nothing is raised by it any more. Raises NotThere, Clash."""
    row = connection.execute(select(alarm_rule).where(alarm_rule.c.id == number)).first()
    if row is None:
        raise NotThere("there is no such rule")
    if row.until_at is not None:
        raise Clash("this rule has ended already")
    connection.execute(update(alarm_rule).where(alarm_rule.c.id == number).values(until_at=now_us))


def checked_limits(kind: AlarmKind, limits: Mapping[str, int]) -> dict[str, int]:
    known = DEFAULT_LIMITS.get(kind, {})
    for name, value in limits.items():
        if name not in known:
            told = ", ".join(known) or "none"
            raise BadQuestion("limits", f"{kind} has no limit of that name; it has: {told}")
        if not 0 <= value <= MAX_LIMIT:
            raise BadQuestion("limits", f"{name} is a whole number from 0 to {MAX_LIMIT}")
    return {**known, **limits}


def rules_in_force(connection: Connection) -> list[Rule]:
    rows = connection.execute(
        select(alarm_rule).where(alarm_rule.c.until_at.is_(None)).order_by(alarm_rule.c.id)
    )
    return [_rule(row) for row in rows]


def _rule(row: Row[Any]) -> Rule:
    return Rule(row.id, AlarmKind(row.kind), row.site, Urgency(row.urgency), json.loads(row.limits))


# --- what happened ---------------------------------------------------------------------------------------


def cursor(connection: Connection) -> int:
    """The number of the last record that was looked at; 0 before the first."""
    found = connection.execute(select(alarm_cursor.c.record_id)).scalar()
    return 0 if found is None else int(found)


def set_cursor(connection: Connection, record_id: int) -> None:
    if connection.execute(update(alarm_cursor).values(record_id=record_id)).rowcount == 0:
        connection.execute(insert(alarm_cursor).values(id=_ONE, record_id=record_id))


def newest_record(connection: Connection) -> int:
    return connection.execute(select(func.max(record.c.id))).scalar() or 0


def number_of(connection: Connection, gateway_id: int, epoch: int, seq: int) -> int:
    """The number by arrival of a record that is here."""
    here = (record.c.gateway_id == gateway_id) & (record.c.epoch == epoch) & (record.c.seq == seq)
    return int(connection.execute(select(record.c.id).where(here)).scalar_one())


def noticed(
    connection: Connection, where: ColumnElement[bool], kinds: Iterable[str], most: int | None = None
) -> list[Noticed]:
    """Records of these kinds, in the order of their arrival."""
    columns = record.c
    query = (
        select(
            columns.gateway_id,
            gateway.c.site,
            columns.epoch,
            columns.seq,
            columns.kind,
            columns.at,
            columns.door,
            columns.reader,
            columns.reason,
        )
        .join_from(record, gateway)
        .where(where, columns.kind.in_(list(kinds)))
        .order_by(columns.id)
    )
    return [Noticed(*row) for row in connection.execute(query if most is None else query.limit(most))]


def lasting(connection: Connection, rules: Rules) -> list[Lasting]:
    """Alarms that are not over. One whose rule has ended is over with it, and noted so when it is met."""
    query = select(alarm, gateway.c.site).join_from(alarm, gateway).where(alarm.c.over_at.is_(None))
    found = []
    for row in connection.execute(query):
        kind = AlarmKind(row.kind)
        rule = rules.of(kind, row.site) or Rule(row.rule_id, kind, row.site, Urgency(row.urgency), {})
        found.append(
            Lasting(
                rule=rule,
                gateway_id=row.gateway_id,
                door=row.door,
                device=row.device,
                began_us=row.began_at,
                last_us=row.last_at,
                count=row.times,
                id=row.id,
                changed=False,
            )
        )
    return found


def noted_rounds(connection: Connection, since_us: int) -> set[tuple[AlarmKind, str]]:
    """Of which rounds of guard tours, by their keys, there was an alarm of which kind."""
    columns = alarm.c
    here = columns.kind.in_(sorted(OF_TOURS)) & (columns.began_at >= since_us)
    rows = connection.execute(select(columns.kind, columns.device).where(here))
    return {(AlarmKind(kind), device) for kind, device in rows}


def gateway_numbers(connection: Connection) -> dict[tuple[str, str], int]:
    """By site and name."""
    rows = connection.execute(select(gateway.c.id, gateway.c.site, gateway.c.name))
    return {(row.site, row.name): row.id for row in rows}


def note(connection: Connection, changed: Iterable[Lasting], now_us: int) -> list[tuple[int, Lasting]]:
    """Writes down what a walk has found; what was over too soon to be an alarm leaves no trace. Returns the
    number of each that is an alarm."""
    noted = []
    for each in changed:
        if each.id is None:
            if not each.counts:
                continue
            number = connection.execute(insert(alarm).values(_begun(each, now_us))).inserted_primary_key
            assert number is not None
            each.id = int(number[0])
        values = {"last_at": each.last_us, "times": each.count, "over_at": each.over_us}
        here = (alarm.c.id == each.id) & alarm.c.over_at.is_(None)  # what somebody ended meanwhile stays so
        connection.execute(update(alarm).where(here).values(values))
        if each.records:
            rows = [{"alarm_id": each.id, "epoch": epoch, "seq": seq} for epoch, seq in each.records]
            connection.execute(insert(alarm_record), rows)
            each.records = []
        noted.append((each.id, each))
    return noted


def _begun(each: Lasting, now_us: int) -> dict[str, Any]:
    return {
        "rule_id": each.rule.id,
        "kind": each.rule.kind,
        "urgency": each.rule.urgency,
        "gateway_id": each.gateway_id,
        "door": each.door,
        "device": each.device,
        "began_at": each.began_us,
        "last_at": each.last_us,
        "counts_from": each.counts_from_us,
        "noticed_at": now_us,
        "times": each.count,
    }


# --- what is shown ---------------------------------------------------------------------------------------


def alarms(
    connection: Connection,
    sites: Sequence[str],
    now_us: int,
    *,
    unseen: bool = False,
    lasting_only: bool = False,
    before: int | None = None,
    limit: int = 100,
) -> list[Alarm]:
    """The newest first; `before`: those with lower numbers alone. Of `sites` alone."""
    conditions = [gateway.c.site.in_(sites), counts_now(now_us)]
    if unseen:
        conditions.append(alarm.c.seen_at.is_(None))
    if lasting_only:
        conditions.append(alarm.c.over_at.is_(None))
    if before is not None:
        conditions.append(alarm.c.id < before)
    query = _shown().where(*conditions).order_by(alarm.c.id.desc()).limit(limit)
    return [_alarm(row) for row in connection.execute(query)]


def tampers(connection: Connection, sites: Sequence[str], now_us: int) -> list[Alarm]:
    """Those that last, and those that nobody has seen to."""
    stands = or_(alarm.c.over_at.is_(None), alarm.c.seen_at.is_(None))
    here = (alarm.c.kind == AlarmKind.TAMPER, gateway.c.site.in_(sites), counts_now(now_us), stands)
    return [_alarm(row) for row in connection.execute(_shown().where(*here).order_by(alarm.c.id.desc()))]


def one_alarm(connection: Connection, number: int, sites: Sequence[str], now_us: int) -> Alarm:
    """With its records. Raises NotThere."""
    query = _shown().where(alarm.c.id == number, gateway.c.site.in_(sites), counts_now(now_us))
    row = connection.execute(query).first()
    if row is None:
        raise NotThere("there is no such alarm")
    places = select(alarm_record.c.epoch, alarm_record.c.seq).where(alarm_record.c.alarm_id == number)
    found = connection.execute(places.order_by(alarm_record.c.epoch, alarm_record.c.seq))
    return _alarm(row, tuple((epoch, seq) for epoch, seq in found))


def see_to(
    connection: Connection, number: int, sites: Sequence[str], *, who: str, note_: str, now_us: int
) -> Alarm:
    """Somebody has taken it up. Raises NotThere, and Clash where somebody else has already."""
    known = one_alarm(connection, number, sites, now_us)
    if known.seen_us is not None:
        raise Clash(_SEEN_ALREADY)
    here = and_(alarm.c.id == number, alarm.c.seen_at.is_(None))
    values = {"seen_at": now_us, "seen_by": who, "note": note_ or None}
    if connection.execute(update(alarm).where(here).values(values)).rowcount == 0:
        raise Clash(_SEEN_ALREADY)
    _note_of(connection, number, SEEN, who, now_us, note_=note_ or None)
    return one_alarm(connection, number, sites, now_us)


def take_back_seen(
    connection: Connection, number: int, sites: Sequence[str], *, who: str, now_us: int
) -> None:
    """Nobody has seen to it, after all, says who said otherwise a moment ago; what they noted then stays in
    its events. Raises NotThere, Clash."""
    found = one_alarm(connection, number, sites, now_us)
    if not can_take_back(connection, found, who, now_us):
        raise Clash(TOO_LATE)
    here = and_(alarm.c.id == number, alarm.c.seen_by == who, alarm.c.seen_at == found.seen_us)
    nobody = {"seen_at": None, "seen_by": None, "note": None}
    if connection.execute(update(alarm).where(here).values(nobody)).rowcount == 0:
        raise Clash(TOO_LATE)
    _note_of(connection, number, UNSEEN, who, now_us)


def can_take_back(connection: Connection, found: Alarm, who: str, now_us: int) -> bool:
    """What was declared stands for ever."""
    if found.seen_by != who or found.seen_us is None or not is_recent(found.seen_us, now_us):
        return False
    declared = select(integrity_declared.c.id).where(integrity_declared.c.alarm_id == found.id)
    return connection.execute(declared).first() is None


def seen_of_late(connection: Connection, sites: Sequence[str], *, who: str, now_us: int) -> list[Alarm]:
    """Those whose seeing to somebody may take back, the last one first."""
    recent = (alarm.c.seen_by == who, alarm.c.seen_at > now_us - WITHIN_US, gateway.c.site.in_(sites))
    query = _shown().where(*recent, counts_now(now_us)).order_by(alarm.c.seen_at.desc(), alarm.c.id.desc())
    found = [_alarm(row) for row in connection.execute(query)]
    return [each for each in found if can_take_back(connection, each, who, now_us)]


def _note_of(
    connection: Connection, number: int, event: str, who: str, now_us: int, *, note_: str | None = None
) -> None:
    values = {"alarm_id": number, "at": now_us, "by": who, "event": event, "note": note_}
    connection.execute(insert(alarm_event).values(values))


def counts_now(now_us: int) -> ColumnElement[bool]:
    """What lasted so long that it is an alarm."""
    return and_(
        alarm.c.counts_from <= now_us,
        or_(alarm.c.over_at.is_(None), alarm.c.over_at >= alarm.c.counts_from),
    )


def _shown() -> Any:
    return select(alarm, gateway.c.site, gateway.c.name).join_from(alarm, gateway)


def _alarm(row: Row[Any], records: tuple[tuple[int, int], ...] = ()) -> Alarm:
    return Alarm(
        id=row.id,
        kind=AlarmKind(row.kind),
        urgency=Urgency(row.urgency),
        site=row.site,
        gateway=row.name,
        door=row.door,
        device=row.device,
        began_us=row.began_at,
        last_us=row.last_at,
        noticed_us=row.noticed_at,
        count=row.times,
        over_us=row.over_at,
        seen_us=row.seen_at,
        seen_by=row.seen_by,
        note=row.note,
        rule_id=row.rule_id,
        records=records,
    )
