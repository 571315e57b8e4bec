"""Helpers for identity: a key ring, invented visitors, and envelopes as a gateway makes them.

People are invented; area code 000000 was never given to anybody.
"""

from __future__ import annotations

from pathlib import Path

from central_support import GATEWAY, SITE, a_record, topic
from sqlalchemy import Connection, Engine, insert, select

from bench.assessed import goes_live
from central.identity.opening import Opener
from central.identity.retention_rules import RetentionRules
from central.identity.ring import make_ring
from central.identity.suites import INTERNATIONAL, Suite
from central.identity.vault import Vault
from central.ingest.intake import Outcome, examine, take_in
from central.store.engine import writing
from central.store.register_tables import community, site
from messages.chain import GENESIS, record_hash
from messages.envelope import DocumentKind, VisitorIdentity, envelope_hash, seal_identity
from messages.model import Reason
from messages.site_settings import SealingKey
from messages.topics import Leaf
from messages.wire import encode_record, join_block

COMMUNITY = 7
DAY_US = 86_400_000_000
NOON_US = 1_793_764_800_000_000
"""2026-11-04 12:00 in Shanghai."""

DAY = "2026-11-04"
MONTH = "2026-11"
VISITOR = VisitorIdentity("王访客", DocumentKind.RESIDENT, "000000199001010018")


def a_vault(folder: Path, suite: Suite = INTERNATIONAL) -> Vault:
    return Vault(make_ring(folder / "ring", suite), suite)


def a_registers_vault(folder: Path, suite: Suite = INTERNATIONAL, *others: int) -> Vault:
    """With the register keys of COMMUNITY and of `others`."""
    vault = a_vault(folder, suite)
    for each in (COMMUNITY, *others):
        vault.make_register(each)
    return vault


def visits(
    key: SealingKey, at_us: int, *visitors: VisitorIdentity, first: int = 1, prev: str = GENESIS
) -> bytes:
    """A block as its gateway sends it: one granted entry by verified ID card a visitor."""
    bodies, envelopes = [], {}
    for seq, visitor in enumerate(visitors, first):
        envelopes[seq] = seal_identity(visitor, key, SITE, GATEWAY)
        record = a_record(
            seq,
            prev,
            at=at_us,
            holder=None,
            category=None,
            reason=Reason.VERIFIED_ID,
            identity=envelope_hash(envelopes[seq]),
        )
        bodies.append(encode_record(record))
        prev = record_hash(bodies[-1])
    return join_block(1, first, len(bodies), b",".join(bodies), envelopes)


def know_site(connection: Connection, name: str = SITE, number: int = COMMUNITY) -> None:
    """That the site is that community's; does nothing where it is known."""
    if connection.execute(select(site.c.name).where(site.c.name == name)).scalar() is None:
        row = {"id": number, "code": f"C{number}", "name": "东湖社区", "created_at": NOON_US}
        connection.execute(insert(community).values(row))
        connection.execute(insert(site).values(name=name, community_id=number, created_at=NOON_US))
        goes_live(connection, number, NOON_US)


def arrive(engine: Engine, payload: bytes, opener: Opener, now_us: int) -> Outcome:
    """At a centre whose register knows the site."""
    with writing(engine) as connection:
        know_site(connection)
        return take_in(connection, [examine(topic(Leaf.JOURNAL), payload, opener.at(now_us))], now_us)


def opener_of(vault: Vault | None, days: int = 30) -> Opener:
    return Opener(vault, RetentionRules(days))
