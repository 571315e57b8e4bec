"""Records that were carried here by hand, through the same intake as those that come by MQTT.

A bundle is verified from end to end before anything of it is taken. Taking it twice, or after the line came
back, changes nothing. May be done beside a serving centre: the database has one writer at a time
(`store/one_writer`), and each transaction of either reads anew what the other one has settled (`ledger`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import Connection, Engine, func, select

from central.errors import BundleRefused, RowRefused, StoreUnavailable
from central.fleet.completeness import Completeness, completeness
from central.identity.opening import UNOPENED
from central.ingest.intake import Examined, Outcome, examine, examine_unread, take_in
from central.ingest.ledger import MAX_GATEWAYS
from central.ingest.verify import singly
from central.store.engine import reading, writing
from central.store.tables import gateway, quarantine
from messages.bundle import Bundle, BundleError, Cargo, Header, Part
from messages.errors import MessageError
from messages.topics import GatewayTopic, Leaf

BATCH_BLOCKS: Final = 20
"""Some 2,000 records a transaction, as the service takes: a serving centre waits for one at most."""

_LEAVES: Final = {Part.BLOCK: Leaf.BACKLOG, Part.ABOUT: Leaf.ABOUT}
_RETRIES: Final = 6
_RETRY_S: Final = 1.0

KeysOf = Callable[[str, str], Mapping[str, Ed25519PublicKey] | None]
"""Site and gateway to the keys that gateway signs with, by their ids; None: not known here."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a bundle. `known` were here already; `aside` are kept as they came, see `quarantine`."""

    header: Header
    records: int
    stored: int
    aside: int
    state: Completeness

    @property
    def known(self) -> int:
        return max(0, self.records - self.stored - self.aside)


def take_bundle(
    engine: Engine, path: Path, keys_of: KeysOf, openers: Mapping[str, X25519PrivateKey], now_us: int
) -> Taken:
    """Verifies a bundle of records and settles it.

    Raises BundleRefused for one that cannot be trusted, read or opened: nothing of it was taken. Raises
    StoreUnavailable where the database does not take it: what was committed by then stays, take it again.
    """
    try:
        with path.open("rb") as file:
            return _take(engine, file, keys_of, openers, now_us)
    except OSError as error:
        raise BundleRefused(f"{path}: cannot be read ({error.strerror})") from error
    except MessageError as error:
        raise BundleRefused(f"{path}: not taken: {error}") from error


def _take(
    engine: Engine,
    file: BinaryIO,
    keys_of: KeysOf,
    openers: Mapping[str, X25519PrivateKey],
    now_us: int,
) -> Taken:
    bundle = Bundle(file, lambda header: _signers(header, keys_of), openers)
    settling = _Settling(engine, bundle.header, now_us)
    for batch in _batches(bundle, with_about=_is_news(engine, bundle.header)):
        settling.settle(batch)
    place = GatewayTopic(bundle.header.site, bundle.header.gateway, Leaf.BACKLOG)
    contents = bundle.closing.contents
    settling.commit([Examined(str(place), place, heads=contents.heads)])
    with reading(engine) as connection:
        [state] = completeness(connection, site=bundle.header.site, name=bundle.header.gateway)
    return Taken(bundle.header, contents.records, settling.stored, settling.aside, state)


def _signers(header: Header, keys_of: KeysOf) -> Mapping[str, Ed25519PublicKey]:
    if header.cargo is not Cargo.RECORDS:
        raise BundleError("it holds rights on their way to a gateway; there `liuhen-gateway import` takes it")
    keys = keys_of(header.site, header.gateway)
    if keys is None:
        raise BundleError(
            f"gateway {header.gateway} of {header.site} is not known here; make it known with"
            " `liuhen-central keys trust` and what its `liuhen-gateway keys show` prints"
        )
    return keys


def _is_news(engine: Engine, header: Header) -> bool:
    """Whether the gateway has not said by MQTT, since it wrote this, what it is."""
    here = (gateway.c.site == header.site) & (gateway.c.name == header.gateway)
    with reading(engine) as connection:
        heard_us = connection.execute(select(gateway.c.about_received_at).where(here)).scalar()
    return heard_us is None or heard_us < header.made_us


def _batches(bundle: Bundle, *, with_about: bool) -> Iterator[list[tuple[str, bytes]]]:
    """Messages as they would come by MQTT: topic and payload."""
    header, batch = bundle.header, list[tuple[str, bytes]]()
    for part, payload in bundle.parts():
        if part is Part.ABOUT and not with_about:
            continue
        batch.append((str(GatewayTopic(header.site, header.gateway, _LEAVES[part])), payload))
        if len(batch) >= BATCH_BLOCKS:
            yield batch
            batch = []
    if batch:
        yield batch


class _Settling:
    """One bundle into the database, some blocks a transaction."""

    def __init__(self, engine: Engine, header: Header, now_us: int) -> None:
        self._engine = engine
        self._header = header
        self._now_us = now_us
        self.stored = 0
        self.aside = 0

    def settle(self, batch: Sequence[tuple[str, bytes]]) -> None:
        """What the database rejects is tried record by record, then set aside unread: the rest goes on."""
        try:
            self.commit([examine(topic, payload, UNOPENED.at(self._now_us)) for topic, payload in batch])
        except RowRefused:
            for topic, payload in batch:
                for one in singly(payload) or [payload]:
                    self._settle_alone(topic, one)

    def commit(self, batch: Sequence[Examined]) -> None:
        for attempt in range(_RETRIES):
            try:
                with writing(self._engine) as connection:
                    stored, aside = self._take_in(connection, batch)
            except StoreUnavailable:
                if attempt == _RETRIES - 1:
                    raise
                time.sleep(_RETRY_S)  # another writer has it; nobody waits for this program
            else:
                self.stored += stored
                self.aside += aside
                return

    def _settle_alone(self, topic: str, payload: bytes) -> None:
        try:
            self.commit([examine(topic, payload, UNOPENED.at(self._now_us))])
        except RowRefused:
            self.commit([examine_unread(topic, payload, "program or database fails on it")])

    def _take_in(self, connection: Connection, batch: Sequence[Examined]) -> tuple[int, int]:
        """How many were stored and how many set aside, once this is committed."""
        before = self._set_aside(connection)
        outcome: Outcome = take_in(connection, batch, self._now_us)
        if outcome.turned_away:
            raise BundleRefused(f"{MAX_GATEWAYS} gateways are known; records of any other are not taken")
        return outcome.stored, self._set_aside(connection) - before

    def _set_aside(self, connection: Connection) -> int:
        here = (gateway.c.site == self._header.site) & (gateway.c.name == self._header.gateway)
        count = select(func.count()).select_from(quarantine.join(gateway)).where(here)
        return int(connection.execute(count).scalar_one())
