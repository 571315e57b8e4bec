"""A visitor's envelope as it arrives: opened, indexed, sealed again under its day's keys. No statements.

What comes too late, or is of a child, is not kept; the record that names it stays whole without it. Where the
key ring cannot be used just now the envelope waits as it came: no record waits for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from central.errors import IdentityDamaged, IdentityGone, SettingsError
from central.identity.keyfiles import sealed_for
from central.identity.periods import day_of
from central.identity.retention_rules import MOST_DAYS, RetentionRules
from central.identity.vault import Vault, VisitorKeys
from messages.envelope import (
    Envelope,
    EnvelopeError,
    bound,
    decode_envelope,
    is_child,
    padded,
)
from messages.model import ClockQuality, Record

log = logging.getLogger(__name__)


class Visitor(Struct, frozen=True):
    """What is kept of an envelope: a row of `envelope` but for its place."""

    community: int
    period: str  # a day
    at: int
    sealing_key: str
    hash: bytes
    number_index: bytes | None
    sealed: bytes
    waits: int

    def __repr__(self) -> str:
        return f"Visitor({self.community}, {self.period})"


class Unfit(Exception):
    """Not an envelope of that gateway, altered, or for nobody here; a person should know."""


OpenVisitor = Callable[[str, Record, bytes], Visitor | None]
"""Site, record and what came with it; as `Opener.open`."""


class Opener:
    """Without a vault, or while its keys cannot be read, envelopes wait. Safe to use from several threads."""

    def __init__(self, vault: Vault | None, rules: RetentionRules) -> None:
        self._vault = vault
        self._rules = rules
        self._told = False

    def at(self, now_us: int) -> OpenVisitor:
        """`open` as of now, for what comes together: each key is looked up once."""
        return partial(self.open, now_us, None if self._vault is None else self._vault.visitor_keys())

    def open(
        self, now_us: int, keys: VisitorKeys | None, site: str, record: Record, envelope: bytes
    ) -> Visitor | None:
        """None: nothing is to be kept of it. Raises Unfit."""
        try:
            taken = decode_envelope(envelope)
        except EnvelopeError as error:
            raise Unfit(str(error)) from None
        owner = sealed_for(taken.key)
        if owner is None or record.identity is None:
            raise Unfit("sealed for a key that is not of this centre")
        at_us = visit_us(record, now_us)
        day = day_of(at_us, self._rules.zone)
        if now_us >= self._rules.due_us(day):
            return None
        waiting = Visitor(owner[0], day, at_us, taken.key, bytes.fromhex(record.identity), None, envelope, 1)
        row = row_name(site, record.gateway, record.epoch, record.seq)
        return self._settle(row, waiting, taken, bound(site, record.gateway, taken.key), keys)

    def settle(self, site: str, gateway: str, epoch: int, seq: int, waiting: Visitor) -> Visitor | None:
        """What waited, opened; itself where it must go on waiting, None where nothing is to be kept of it.
        Raises Unfit."""
        try:
            taken = decode_envelope(waiting.sealed)
        except EnvelopeError as error:
            raise Unfit(str(error)) from None
        row = row_name(site, gateway, epoch, seq)
        keys = None if self._vault is None else self._vault.visitor_keys()
        return self._settle(row, waiting, taken, bound(site, gateway, taken.key), keys)

    def _settle(
        self, row: str, waiting: Visitor, taken: Envelope, bound_to: bytes, keys: VisitorKeys | None
    ) -> Visitor | None:
        vault = self._vault
        if vault is None or keys is None:
            return waiting
        owner = sealed_for(taken.key)
        if owner is None:
            raise Unfit("sealed for a key that is not of this centre")
        try:
            identity = keys.open(*owner, taken.sealed, bound_to)
            if is_child(identity.number, date.fromisoformat(waiting.period)):
                return None
            sealed, index = keys.keep(
                waiting.community, waiting.period, row, padded(identity), identity.number
            )
        except IdentityGone:
            if vault.is_gone(*owner) or vault.is_gone(waiting.community, waiting.period):
                return None
            return self._lost(waiting, taken.key)
        except IdentityDamaged as error:
            if not vault.has_pair(*owner, taken.key):
                return self._lost(waiting, taken.key)
            raise Unfit(str(error)) from None
        except (SettingsError, OSError) as error:
            self._say_once(error)
            return waiting
        self._told = False
        return replace(waiting, number_index=index, sealed=sealed, waits=0)

    def _lost(self, waiting: Visitor, key: str) -> Visitor:
        """Its key was not destroyed, and is not here: it may be brought back until the day is over."""
        self._say_once(f"sealing key {key} is not in the key ring, and was not destroyed; bring it back")
        return waiting

    def _say_once(self, why: object) -> None:
        if not self._told:
            self._told = True
            log.error("identity: visitors' envelopes wait: %s", why)


UNOPENED: Final = Opener(None, RetentionRules(visitor_days=MOST_DAYS))
"""For whoever has no keys at hand: everything waits for the serving centre."""


def visitor_row(gateway_id: int, epoch: int, seq: int, visitor: Visitor) -> tuple[object, ...]:
    """The columns of `envelope` without `id`, in order."""
    return (
        gateway_id,
        epoch,
        seq,
        visitor.community,
        visitor.period,
        visitor.at,
        visitor.sealing_key,
        visitor.hash,
        visitor.number_index,
        visitor.sealed,
        visitor.waits,
    )


def row_name(site: str, gateway: str, epoch: int, seq: int) -> str:
    """What a visitor's sealed identity is bound to."""
    return f"envelope:{site}/{gateway}/{epoch}/{seq}"


def visit_us(record: Record, now_us: int) -> int:
    """From when on the retention of a visit counts: its own time, or when we heard of it, where the gateway
    did not know the time or was ahead of it."""
    return now_us if record.clock is ClockQuality.UNKNOWN else min(record.at, now_us)
