"""Retention: when a day of visitors' identity is over, its keys are destroyed, then its rows, and a
certificate is written (trust.md R-88, R-89). Safe to be killed anywhere and to be run again.

Keys go first: from then on no copy of that day's rows can be read, in whatever backup. A month's key pair,
which gateways seal for, goes when its last day is over and every gateway has moved on; for one that does not,
some weeks more, and the certificate names it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Engine, delete, func, or_, select, union, update

from central.identity.certificates import Certificate, DataClass, certify
from central.identity.keyfiles import sealed_for
from central.identity.opening import Opener, Unfit, Visitor
from central.identity.periods import DAY_US, month_of_day
from central.identity.retention_rules import LONGEST_WAIT_US, RetentionRules
from central.identity.vault import Vault
from central.store.engine import reading, writing
from central.store.identity_tables import deletion_certificate, envelope
from central.store.tables import gateway, sent_settings
from central.store.visitor_tables import visitor_pass
from messages.errors import MessageError
from messages.site_settings import decode_site_settings

log = logging.getLogger(__name__)

WAITING_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Retention:
    """`run` once in a while."""

    engine: Engine
    vault: Vault
    signing: Ed25519PrivateKey
    rules: RetentionRules

    def run(self, now_us: int) -> list[Certificate]:
        """Whatever is due by now is gone when this returns. Raises StoreUnavailable, SettingsError; what was
        destroyed by then stays so, and its rows and certificate follow the next time."""
        self._destroy_days(now_us)
        made = [self._end_of_day(*each, now_us) for each in self._days_due(now_us)]
        made += [self._end_of_month(*each, now_us) for each in list(self._months_due(now_us))]
        self._drop_older_names(now_us)
        self._forget(now_us)
        for certificate in made:
            log.info(
                "identity: community %d, %s %s: %d rows deleted, keys destroyed",
                certificate.community,
                certificate.data_class,
                certificate.period,
                certificate.rows,
            )
        return made

    def destroy(self, community: int, period: str, now_us: int) -> Certificate:
        """A day or a month before its time, because a person said so. Raises as `run`."""
        if month_of_day(period) != period:
            return self._end_of_day(community, period, now_us)
        with reading(self.engine) as connection:
            days = {day for owner, day in _days_stored(connection) if owner == community}
        days.update(self.vault.periods(community))
        for day in sorted(days):
            if day != period and month_of_day(day) == period:
                self._end_of_day(community, day, now_us)
        return self._end_of_month(community, period, now_us)

    def _forget(self, now_us: int) -> None:
        """What a certificate says need not be remembered in the key ring for ever."""
        with reading(self.engine) as connection:
            for each in self.vault.all_gone():
                over = now_us >= self.rules.due_us(each[1]) + LONGEST_WAIT_US
                if over and _is_certified(connection, *each):
                    self.vault.forget_gone(*each)

    def _drop_older_names(self, now_us: int) -> None:
        """Of passes that were issued before their names had keys of a day: the rows alone can be ended."""
        over = visitor_pass.c.until_at <= now_us - self.rules.visitor_days * DAY_US
        with writing(self.engine) as connection:
            here = visitor_pass.c.sealed.is_not(None) & over
            connection.execute(update(visitor_pass).where(here).values(sealed=None))

    # --- days

    def _destroy_days(self, now_us: int) -> None:
        """Before anything is asked of the database, which may be away."""
        for community in self.vault.communities():
            for day in self.vault.periods(community):
                if month_of_day(day) != day and now_us >= self.rules.due_us(day):
                    self.vault.destroy_period(community, day)

    def _days_due(self, now_us: int) -> list[tuple[int, str]]:
        """Of rows that are here, and of keys that are destroyed, perhaps by a run that was killed then."""
        with reading(self.engine) as connection:
            stored = _days_stored(connection)
        found = {each for each in stored if now_us >= self.rules.due_us(each[1]) or self.vault.gone(*each)}
        found |= {each for each in self._gone_unsaid() if month_of_day(each[1]) != each[1]}
        return sorted(found)

    def _gone_unsaid(self) -> list[tuple[int, str]]:
        """Destroyed, and no certificate says so."""
        with reading(self.engine) as connection:
            return [each for each in self.vault.all_gone() if not _is_certified(connection, *each)]

    def _end_of_day(self, community: int, day: str, now_us: int) -> Certificate:
        self.vault.destroy_period(community, day)
        with writing(self.engine) as connection:
            here = (envelope.c.community_id == community) & (envelope.c.period == day)
            rows = connection.execute(delete(envelope).where(here)).rowcount
            names = (visitor_pass.c.community_id == community) & (visitor_pass.c.name_day == day)
            named = names & visitor_pass.c.name_sealed.is_not(None)
            rows += connection.execute(update(visitor_pass).where(named).values(name_sealed=None)).rowcount
            return self._certify(connection, DataClass.VISITOR_IDENTITY, community, day, now_us, rows=rows)

    # --- months

    def _months_due(self, now_us: int) -> Iterator[tuple[int, str]]:
        for community in self.vault.communities():
            for month in self.vault.periods(community):
                if month_of_day(month) != month or now_us < (due_us := self.rules.due_us(month)):
                    continue
                if now_us >= due_us + LONGEST_WAIT_US or not self._stragglers(community, month):
                    yield community, month
        yield from [each for each in self._gone_unsaid() if month_of_day(each[1]) == each[1]]

    def _stragglers(self, community: int, month: str) -> tuple[str, ...]:
        with reading(self.engine) as connection:
            return tuple(_still_sealing_for(connection, community, month))

    def _end_of_month(self, community: int, month: str, now_us: int) -> Certificate:
        stragglers = self._stragglers(community, month)
        self.vault.destroy_period(community, month)
        with writing(self.engine) as connection:
            kind = DataClass.VISITOR_KEY_PAIR
            return self._certify(connection, kind, community, month, now_us, stragglers=stragglers)

    def _certify(
        self,
        connection: Connection,
        kind: DataClass,
        community: int,
        period: str,
        now_us: int,
        *,
        rows: int = 0,
        stragglers: tuple[str, ...] = (),
    ) -> Certificate:
        return certify(
            connection,
            self.signing,
            community=community,
            data_class=kind,
            period=period,
            due_us=self.rules.due_us(period),
            now_us=now_us,
            keys=self.vault.gone(community, period),
            rows=rows,
            stragglers=stragglers,
        )


def open_waiting(engine: Engine, opener: Opener, after: int = 0) -> int:
    """Some envelopes that could not be opened when they came; the id of the last one looked at, 0 after all.

    Raises StoreUnavailable. What turns out not to be an envelope is deleted: its record stays.
    """
    with writing(engine) as connection:
        rows = connection.execute(
            select(envelope, gateway.c.site, gateway.c.name)
            .join(gateway, gateway.c.id == envelope.c.gateway_id)
            .where(envelope.c.waits == 1, envelope.c.id > after)
            .order_by(envelope.c.id)
            .limit(WAITING_AT_ONCE)
        ).all()
        for row in rows:
            waiting = Visitor(
                row.community_id, row.period, row.at, row.sealing_key, row.hash, None, row.sealed, 1
            )
            here = envelope.c.id == row.id
            try:
                visitor = opener.settle(row.site, row.name, row.epoch, row.seq, waiting)
            except Unfit as error:
                log.warning("identity: an envelope of %s/%s is not kept: %s", row.site, row.name, error)
                visitor = None
            if visitor is None:
                connection.execute(delete(envelope).where(here))
            elif not visitor.waits:
                connection.execute(
                    update(envelope)
                    .where(here)
                    .values(number_index=visitor.number_index, sealed=visitor.sealed, waits=0)
                )
    return rows[-1].id if len(rows) == WAITING_AT_ONCE else 0


def _days_stored(connection: Connection) -> list[tuple[int, str]]:
    columns, passes = envelope.c, visitor_pass.c
    came = select(columns.community_id, columns.period)
    named = select(passes.community_id, passes.name_day).where(passes.name_sealed.is_not(None))
    found = connection.execute(union(came, named))
    return [(row[0], row[1]) for row in found]


def _is_certified(connection: Connection, community: int, period: str) -> bool:
    columns = deletion_certificate.c
    here = (columns.community_id == community) & (columns.period == period)
    here &= columns.data_class != DataClass.ENTRIES  # for which no key is destroyed
    return bool(connection.execute(select(func.count()).where(here)).scalar())


def _still_sealing_for(connection: Connection, community: int, month: str) -> Iterator[str]:
    """Gateways whose settings in force have the month's sealing key, or an older one, of this community."""
    theirs = (sent_settings.c.site == gateway.c.site) & or_(
        sent_settings.c.gateway == gateway.c.name, sent_settings.c.gateway == "*"
    )
    rows = connection.execute(
        select(gateway.c.site, gateway.c.name, sent_settings.c.body)
        .join(sent_settings, theirs & (sent_settings.c.revision == gateway.c.settings_revision))
        .order_by(gateway.c.site, gateway.c.name)
    )
    for row in rows:
        if _seals_for(row.body, community, month):
            yield f"{row.site}/{row.name}"


def _seals_for(body: bytes, community: int, month: str) -> bool:
    try:
        key = decode_site_settings(body).sealing_key
    except MessageError:
        return False
    owner = sealed_for(key.id) if key else None
    return owner is not None and owner[0] == community and owner[1] <= month
