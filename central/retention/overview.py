"""What is kept until when, class by class: the oldest that is there, what goes next, what is kept back, and
the certificates of what has gone. Reads only, and says nothing of anybody.

Every table of the data inventory lies in one class here, with the inventory's own word for how long; a test
compares the two, and the classes with those of the certificates.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, and_, func, or_, select, union_all

from central.accounts.book import sites_of
from central.identity.certificates import DataClass
from central.identity.periods import DAY_US, ends_us
from central.identity.retention_rules import RetentionRules
from central.lookup.rules import MOST_HOLD_DAYS
from central.register.imports.jobs import FORGOTTEN_US
from central.retention.marks import Mark, believed_us, days_of, due, mark_of, marks_of, words_of
from central.store.account_tables import account, account_event, session
from central.store.alarm_tables import alarm
from central.store.assessment_tables import impact_assessment
from central.store.backup import KEEP_DAYS
from central.store.count_tables import entry_count
from central.store.identity_tables import deletion_certificate, envelope
from central.store.import_tables import register_import
from central.store.lookup_tables import case_hold, case_hold_entry, look_up_event
from central.store.register_tables import credential_event, person, register_event
from central.store.request_tables import own_request
from central.store.tables import arrival_mark, gateway, quarantine, record, sent_command, sent_settings
from central.store.visitor_tables import visitor_pass


class Kept(StrEnum):
    """Classes of what is kept, in the order in which they are told: what ends by itself comes first."""

    ENTRIES = "entries"
    VISITORS = "visitors"
    HOLDS = "holds"
    IMPORTS = "imports"
    SESSIONS = "sessions"
    FEED = "feed"
    WORKING = "working"
    LOOK_UPS = "look_ups"
    ACCOUNT_EVENTS = "account_events"
    CHANGES = "changes"
    REQUESTS = "requests"
    ASSESSMENTS = "assessments"
    CERTIFICATES = "certificates"
    REGISTER = "register"
    PASSES = "passes"
    PLANS = "plans"
    ACCOUNTS = "accounts"
    ALARMS = "alarms"
    COUNTS = "counts"
    ORDERS = "orders"
    EQUIPMENT = "equipment"
    ASIDE = "aside"
    BACKUPS = "backups"  # outside the database, as the next one
    JOURNALS = "journals"


@dataclass(frozen=True, slots=True)
class Lies:
    """Where a class lies. `word`: the inventory's for how long its tables are kept; None: it lies outside the
    database. `columns`: of tables that are kept for another time. `certified`: what certificates call it."""

    word: str | None
    tables: frozenset[str] = frozenset()
    columns: frozenset[str] = frozenset()
    certified: frozenset[DataClass] = frozenset()


def _in(word: str, tables: str, *certified: DataClass, columns: str = "") -> Lies:
    return Lies(word, frozenset(tables.split()), frozenset(columns.split()), frozenset(certified))


LIES: Final[Mapping[Kept, Lies]] = {
    Kept.ENTRIES: _in("trace", "record", DataClass.ENTRIES),
    Kept.VISITORS: _in(
        "visitor",
        "envelope",
        DataClass.VISITOR_IDENTITY,
        DataClass.VISITOR_KEY_PAIR,
        columns="visitor_pass.sealed visitor_pass.name_sealed",
    ),
    Kept.HOLDS: _in("hold", "case_hold case_hold_entry"),
    Kept.IMPORTS: _in("import", "register_import import_row"),
    Kept.SESSIONS: _in("session", "session"),
    Kept.FEED: _in("current", "arrival_mark"),
    Kept.WORKING: _in(
        "current",
        "gateway_boot ended_count sent_list import_gateway rights_changed passkey_challenge provider_visit"
        " activation alarm_cursor entry_tally list_source",
    ),
    Kept.LOOK_UPS: _in("evidence", "look_up look_up_event look_up_subject honey_record"),
    Kept.ACCOUNT_EVENTS: _in("evidence", "account_event"),
    Kept.CHANGES: _in("evidence", "register_event credential_event visitor_pass_event"),
    Kept.REQUESTS: _in("evidence", "own_request"),
    Kept.ASSESSMENTS: _in("evidence", "impact_assessment community_live notice_hung"),
    Kept.CERTIFICATES: _in("evidence", "deletion_certificate"),
    Kept.REGISTER: _in(
        "history",
        "place place_former home_use door_place person person_former holder tenancy residency credential"
        " credential_token door_group door_group_door access_right import_effect",
    ),
    Kept.PASSES: _in("history", "visitor_pass"),
    Kept.PLANS: _in("history", "tour_point tour_route tour_stop tour_plan tour_guard alarm_rule webhook"),
    Kept.ACCOUNTS: _in(
        "account",
        "account account_community account_person passkey provider_link machine_token"
        " machine_token_community",
    ),
    Kept.ALARMS: _in("lasting", "alarm alarm_event alarm_record integrity_declared webhook_message"),
    Kept.COUNTS: _in("lasting", "entry_count month_told"),
    Kept.ORDERS: _in("lasting", "sent_settings sent_command"),
    Kept.EQUIPMENT: _in(
        "lasting",
        "gateway segment epoch_head lost_range finding record_mark ended_range register_key community site"
        " tour_holiday",
    ),
    Kept.ASIDE: _in("quarantine", "quarantine"),
    Kept.BACKUPS: Lies(None),
    Kept.JOURNALS: Lies(None),
}

BACKUP_DAYS: Final = KEEP_DAYS
HOLD_DAYS: Final = MOST_HOLD_DAYS
IMPORT_DAYS: Final = FORGOTTEN_US // DAY_US


class Stopped(StrEnum):
    """Why entries whose time is over are not ended now."""

    ASSESSMENT = "assessment"  # one in force cannot be read: nobody knows what it promised
    CLOCK = "clock"  # no gateway says that it can be as late as the centre's clock does
    NO_KEYS = "no keys"  # the centre has none to sign certificates with


@dataclass(frozen=True, slots=True)
class Certified:
    """`last`, `period`, `made_us`: of the newest one."""

    count: int
    last: int
    period: str
    made_us: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How a class stands. `oldest_us`: of the oldest that is there, None: nothing is, it lies elsewhere, or
    since when it is here is `unknown`. `due_us`, `due_rows`: when something of it goes next by itself, and
    how much. `over`: whose time is over, and that goes in the next run. `held`, `held_until_us`: what cases
    keep longer, and the last of them."""

    oldest_us: int | None = None
    unknown: bool = False
    due_us: int | None = None
    due_rows: int | None = None
    over: int = 0
    held: int = 0
    held_until_us: int | None = None
    stopped: Stopped | None = None
    certified: Mapping[DataClass, Certified] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """By whom, and when. `signs`: whether the centre has keys to sign with."""

    communities: Collection[int]
    rules: RetentionRules
    now_us: int
    signs: bool


def standings(connection: Connection, asked: Asked) -> dict[Kept, Standing]:
    """Of each class, as far as these communities go; what belongs to none is told as a whole."""
    sites = sites_of(connection, asked.communities)
    certified = _certified(connection, asked.communities)
    found = {kept: Standing(oldest_us=_oldest(connection, kept, asked, sites)) for kept in Kept}
    found[Kept.ENTRIES] = _entries(connection, asked, sites)
    found[Kept.VISITORS] = _visitors(connection, asked)
    found[Kept.HOLDS] = _holds(connection, asked)
    found[Kept.IMPORTS] = _imports(connection, asked)
    return {kept: _with(standing, certified, LIES[kept].certified) for kept, standing in found.items()}


def entry_days(connection: Connection, rules: RetentionRules) -> int | None:
    """As `marks.days_of`: longer than the settings say where an assessment in force promises so."""
    return days_of(connection, rules)


# --- entries


def _entries(connection: Connection, asked: Asked, sites: Collection[str]) -> Standing:
    marks, days = marks_of(connection), days_of(connection, asked.rules)
    believed = believed_us(words_of(connection), asked.now_us)
    first = _first_record(connection, sites)
    held, held_until_us = _entries_held(connection, asked.communities)
    if first is None:
        return Standing(held=held, held_until_us=held_until_us)
    mark = mark_of(marks, first)
    here = Standing(
        oldest_us=None if mark is None else mark.noted_us,
        unknown=mark is None,
        held=held,
        held_until_us=held_until_us,
    )
    if days is None:
        return replace(here, stopped=Stopped.ASSESSMENT)
    over = due(marks, days, asked.now_us)
    last_over = max((each.last_id for each in over), default=0)
    waiting = _going(connection, asked, sites, 0, last_over)
    through, due_us = _next(marks, last_over, days, asked.now_us)
    stopped = None
    if not asked.signs:
        stopped = Stopped.NO_KEYS
    elif believed is None or (waiting and not due(marks, days, believed)):
        stopped = Stopped.CLOCK
    return replace(
        here,
        due_us=None if stopped and not through else due_us,  # no mark is noted, either
        due_rows=_going(connection, asked, sites, last_over, through) if through else None,
        over=waiting,
        stopped=stopped,
    )


def _next(marks: list[Mark], last_over: int, days: int, now_us: int) -> tuple[int, int | None]:
    """The last number that goes next, and when; without a mark yet not before so many days from now."""
    ahead = [each for each in marks if each.last_id > last_over and each.due_us(days) > now_us]
    if not ahead:
        return 0, now_us + days * DAY_US
    soonest = min(ahead, key=lambda each: each.due_us(days))
    return soonest.last_id, soonest.due_us(days)


def _first_record(connection: Connection, sites: Collection[str]) -> int | None:
    """Along the numbers, of which few are looked at: the sum keeps a planner from the index by gateway. Where
    none is there all would be: that is asked first, by that index."""
    numbers = connection.execute(select(gateway.c.id).where(gateway.c.site.in_(sites))).scalars().all()
    if not any(_recorded(connection, each) for each in numbers):
        return None
    along = gateway.c.id == record.c.gateway_id + 0
    query = select(record.c.id).join_from(record, gateway, along).where(gateway.c.site.in_(sites))
    return connection.execute(query.order_by(record.c.id).limit(1)).scalar()


def _recorded(connection: Connection, number: int) -> bool:
    """Whether something of this gateway is here."""
    query = select(record.c.id).where(record.c.gateway_id == number)
    by_place = query.order_by(record.c.epoch, record.c.seq)  # whatever a planner knows: along an index
    return connection.execute(by_place.limit(1)).first() is not None


def _records(connection: Connection, sites: Collection[str], after: int, through: int) -> int:
    along = gateway.c.id == record.c.gateway_id + 0
    query = select(func.count()).select_from(record).join(gateway, along)
    here = (record.c.id > after, record.c.id <= through, gateway.c.site.in_(sites))
    return connection.execute(query.where(*here)).scalar_one()


def _going(connection: Connection, asked: Asked, sites: Collection[str], after: int, through: int) -> int:
    """Without what cases hold."""
    held = _records_held(connection, asked, after, through)
    return max(0, _records(connection, sites, after, through) - held)


def _records_held(connection: Connection, asked: Asked, after: int, through: int) -> int:
    same = [case_hold_entry.c[name] == record.c[name] for name in ("gateway_id", "epoch", "seq")]
    query = select(func.count(func.distinct(record.c.id))).join_from(case_hold_entry, record, and_(*same))
    numbers = (record.c.id > after, record.c.id <= through)
    here = (case_hold_entry.c.community_id.in_(asked.communities), *numbers)
    return connection.execute(query.where(*here)).scalar_one()


def _entries_held(connection: Connection, communities: Collection[int]) -> tuple[int, int | None]:
    lasting = case_hold.c.ended_at.is_(None) & case_hold.c.community_id.in_(communities)
    place = [case_hold_entry.c[name] for name in ("gateway_id", "epoch", "seq")]
    each = select(*place).join(case_hold).where(lasting).distinct().subquery()
    until = select(func.max(case_hold.c.until_at)).where(lasting)
    held = connection.execute(select(func.count()).select_from(each)).scalar_one()
    return held, connection.execute(until).scalar() if held else None


# --- visitors, holds, imports


def _visitors(connection: Connection, asked: Asked) -> Standing:
    """Days of which rows are here, of envelopes and of passes' names."""
    rows = union_all(
        select(envelope.c.period.label("day")).where(envelope.c.community_id.in_(asked.communities)),
        select(visitor_pass.c.name_day.label("day")).where(
            visitor_pass.c.community_id.in_(asked.communities), visitor_pass.c.name_sealed.is_not(None)
        ),
    ).subquery()
    query = select(rows.c.day, func.count().label("rows")).group_by(rows.c.day).order_by(rows.c.day)
    days = connection.execute(query).all()
    ahead = [row for row in days if asked.rules.due_us(row.day) > asked.now_us]
    held, held_until_us = _identities_held(connection, asked.communities)
    return Standing(
        oldest_us=ends_us(days[0].day, asked.rules.zone) - DAY_US if days else None,
        due_us=asked.rules.due_us(ahead[0].day) if ahead else None,
        due_rows=ahead[0].rows if ahead else None,
        over=sum(row.rows for row in days if row not in ahead),
        held=held,
        held_until_us=held_until_us,
    )


def _identities_held(connection: Connection, communities: Collection[int]) -> tuple[int, int | None]:
    lasting = case_hold.c.ended_at.is_(None) & case_hold.c.community_id.in_(communities)
    query = select(func.count(case_hold_entry.c.id), func.max(case_hold.c.until_at)).join_from(
        case_hold_entry, case_hold
    )
    count, until_us = connection.execute(query.where(lasting, case_hold_entry.c.sealed.is_not(None))).one()
    return count, until_us


def _holds(connection: Connection, asked: Asked) -> Standing:
    columns = case_hold.c
    lasting = columns.ended_at.is_(None) & columns.community_id.in_(asked.communities)
    ahead = lasting & (columns.until_at > asked.now_us)
    oldest_us = connection.execute(select(func.min(columns.made_at)).where(lasting)).scalar()
    due_us = connection.execute(select(func.min(columns.until_at)).where(ahead)).scalar()
    at_once = select(func.count()).where(ahead, columns.until_at == due_us)
    over = select(func.count()).where(lasting, columns.until_at <= asked.now_us)
    return Standing(
        oldest_us=oldest_us,
        due_us=due_us,
        due_rows=None if due_us is None else connection.execute(at_once).scalar_one(),
        over=connection.execute(over).scalar_one(),
    )


def _imports(connection: Connection, asked: Asked) -> Standing:
    """Of which something that a file says is still there."""
    columns = register_import.c
    mine = columns.community_id.in_(asked.communities)
    there = or_(columns.sealed.is_not(None), columns.file.is_not(None))
    times = sorted(connection.execute(select(columns.created_at).where(mine, there)).scalars())
    ahead = [each + FORGOTTEN_US for each in times if each + FORGOTTEN_US > asked.now_us]
    return Standing(
        oldest_us=times[0] if times else None,
        due_us=ahead[0] if ahead else None,
        due_rows=ahead.count(ahead[0]) if ahead else None,
        over=len(times) - len(ahead),
    )


# --- what does not end by itself, or all at once


def _oldest(connection: Connection, kept: Kept, asked: Asked, sites: Collection[str]) -> int | None:
    found = [_first_of(connection, column, asked.communities, sites) for column in _BEGINS.get(kept, ())]
    return min((each for each in found if each is not None), default=None)


def _first_of(
    connection: Connection, column: Column[Any], communities: Collection[int], sites: Collection[str]
) -> int | None:
    query, where = select(func.min(column)), _whose(column, communities, sites)
    found: int | None = connection.execute(query if where is None else query.where(where)).scalar()
    return found


def _whose(
    column: Column[Any], communities: Collection[int], sites: Collection[str]
) -> ColumnElement[bool] | None:
    """None: it belongs to no community."""
    columns = column.table.c
    if "community_id" in columns:
        return columns["community_id"].in_(communities)
    if "site" in columns:
        return columns["site"].in_(sites)
    if "gateway_id" in columns:
        return columns["gateway_id"].in_(select(gateway.c.id).where(gateway.c.site.in_(sites)))
    return None


_BEGINS: Final[Mapping[Kept, tuple[Column[Any], ...]]] = {
    Kept.SESSIONS: (session.c.begun_at,),
    Kept.FEED: (arrival_mark.c.noted_at,),
    Kept.LOOK_UPS: (look_up_event.c.at,),
    Kept.ACCOUNT_EVENTS: (account_event.c.at,),
    Kept.CHANGES: (register_event.c.at, credential_event.c.at),
    Kept.REQUESTS: (own_request.c.received_at,),
    Kept.ASSESSMENTS: (impact_assessment.c.written_at,),
    Kept.CERTIFICATES: (deletion_certificate.c.made_at,),
    Kept.REGISTER: (person.c.created_at,),
    Kept.PASSES: (visitor_pass.c.issued_at,),
    Kept.ACCOUNTS: (account.c.made_at,),
    Kept.ALARMS: (alarm.c.began_at,),
    Kept.COUNTS: (entry_count.c.hour_at,),
    Kept.ORDERS: (sent_settings.c.noted_at, sent_command.c.issued_at),
    Kept.EQUIPMENT: (gateway.c.first_heard_at,),
    Kept.ASIDE: (quarantine.c.received_at,),
}
"""The times of first rows."""

DATED: Final = frozenset({*_BEGINS, Kept.ENTRIES, Kept.VISITORS, Kept.HOLDS, Kept.IMPORTS})
"""Classes of which it is known here since when they are kept."""


# --- certificates


def _certified(connection: Connection, communities: Collection[int]) -> dict[DataClass, Certified]:
    columns = deletion_certificate.c
    each = (
        select(columns.data_class, func.count().label("made"), func.max(columns.id).label("last"))
        .where(columns.community_id.in_(communities))
        .group_by(columns.data_class)
        .subquery()
    )
    query = select(each, columns.period, columns.made_at).join(each, each.c.last == columns.id)
    return {
        DataClass(row.data_class): Certified(row.made, row.last, row.period, row.made_at)
        for row in connection.execute(query)
    }


def _with(
    standing: Standing, certified: Mapping[DataClass, Certified], classes: Collection[DataClass]
) -> Standing:
    mine = {each: certified[each] for each in DataClass if each in classes and each in certified}
    return replace(standing, certified=mine)
