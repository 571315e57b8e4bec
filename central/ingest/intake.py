"""A batch of messages into the database, within one transaction of the caller. Knows no MQTT connection.

`examine` is pure and done before the transaction begins; `take_in` writes and says what may be acknowledged
once the caller has committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from msgspec import Struct
from sqlalchemy import Connection, update

from central.fleet import device_keys, freshness
from central.fleet.device_keys import Trusted
from central.fleet.freshness import Age
from central.fleet.reports import note_about, note_state
from central.identity.opening import OpenVisitor, visitor_row
from central.identity.sites import community_of
from central.ingest.arrivals import asked_of_arrivals, note_arrivals
from central.ingest.branches import aside_body, proved, settled_hashes
from central.ingest.ledger import EpochLedger, GatewayLedger, Ledger
from central.ingest.segments import Break, Range, Segment, meets
from central.ingest.setaside import Place, SetAside
from central.ingest.verify import Arrived, Refused, Taken, Trouble, open_visitors, take_apart, unread
from central.retention.ranges import EndedRange, ended_ranges, holding
from central.store.engine import months_asked, put_together
from central.store.identity_tables import envelope
from central.store.records import Row
from central.store.tables import record, segment
from messages.errors import MessageError
from messages.heads import ToldState, read_state, vouched
from messages.model import ClockQuality, Record
from messages.topics import GatewayTopic, Leaf, parse_topic
from messages.wire import About, Ack, EpochHead, State, decode

_place_of = lru_cache(maxsize=8_192)(parse_topic)
"""Five topics of each of some thousand gateways; looking up is a tenth of parsing."""


class Examined(Struct):
    """One message, understood as far as it can be without the database."""

    topic: str
    place: GatewayTopic | None = None
    taken: Taken | None = None
    report: ToldState | About | None = None
    refused: Refused | None = None
    heads: Sequence[EpochHead] = ()  # carried by hand: no state, as nobody is on a line


@dataclass(slots=True)
class Outcome:
    """What a transaction did; `acks` by gateway hold only once it is committed."""

    acks: dict[GatewayTopic, Ack] = field(default_factory=dict)
    stored: int = 0
    turned_away: bool = False  # messages of gateways beyond MAX_GATEWAYS
    keys: list[tuple[GatewayTopic, bytes]] = field(default_factory=list)  # kept as these gateways' own
    unbelieved: list[GatewayTopic] = field(default_factory=list)  # whose names were used without their key
    replayed: list[GatewayTopic] = field(default_factory=list)  # whose old states were played again
    to_sign: set[GatewayTopic] = field(default_factory=set)  # of `acks`, those that need our signature


def examine(topic: str, payload: bytes, open_visitor: OpenVisitor | None = None) -> Examined:
    """Never raises: whatever is wrong becomes `refused`. Visitors' envelopes are opened here, before any
    transaction begins; without `open_visitor` nothing is kept of them."""
    try:
        place = _place_of(topic)
    except MessageError as error:
        return Examined(topic, refused=Refused(payload, str(error)))
    try:
        match place.leaf:
            case Leaf.JOURNAL | Leaf.BACKLOG:
                taken = take_apart(place.gateway, payload)
                if open_visitor is not None:
                    open_visitors(taken, open_visitor, place.site)
                return Examined(topic, place, taken=taken)
            case Leaf.STATE:
                return Examined(topic, place, report=read_state(payload))
            case Leaf.ABOUT:
                return Examined(topic, place, report=decode(payload, About))
    except MessageError as error:
        return Examined(topic, place, refused=Refused(payload, str(error)))
    return Examined(topic, place, refused=Refused(payload, "not a topic on which gateways speak"))


def examine_unread(topic: str, payload: bytes, reason: str) -> Examined:
    """For what must not be looked into: it is set aside as it came, under its place where it has one."""
    try:
        place = _place_of(topic)
    except MessageError:
        return Examined(topic, refused=Refused(payload, reason))
    if place.leaf in (Leaf.JOURNAL, Leaf.BACKLOG):
        return Examined(topic, place, taken=unread(payload, reason))
    return Examined(topic, place, refused=Refused(payload, reason))


def nothing() -> None:
    """Nobody waits for it."""


def take_in(
    connection: Connection,
    batch: Sequence[Examined],
    now_us: int,
    trusted: Trusted = device_keys.nobody,
    before_writing: Callable[[], None] = nothing,
) -> Outcome:
    """`trusted`: the keys of gateways that a person made known here. `before_writing` is called once all is
    computed, and the database has most of what is left to do.

    Raises whatever the database raises; then nothing of the batch is stored.
    """
    return _Transaction(connection, batch, now_us, trusted, before_writing).run()


class _Transaction:
    def __init__(
        self,
        connection: Connection,
        batch: Sequence[Examined],
        now_us: int,
        trusted: Trusted,
        before_writing: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._before_writing = before_writing
        # A broker hands over what it kept in any order: keys come before what is signed with them.
        self._batch = sorted(batch, key=lambda examined: not isinstance(examined.report, About))
        self._now_us = now_us
        self._trusted = trusted
        self._keys: list[tuple[GatewayTopic, bytes]] = []
        self._unbelieved: list[GatewayTopic] = []
        self._replayed: list[GatewayTopic] = []
        self._aside = SetAside(connection, now_us)
        places = (e.place for e in batch if e.place)
        times = [
            arrived.record.at
            for each in batch
            if each.taken
            for arrived in each.taken.arrived
            if arrived.record is not None
        ]
        asked = [*asked_of_arrivals(now_us), *months_asked(connection, times)] if times else ()
        self._ledger = Ledger(connection, ((p.site, p.gateway) for p in places), now_us, asked)
        self._rows: list[Row] = []
        self._visitors: list[Row] = []
        self._odd: list[tuple[int, int, Break]] = []
        self._communities: dict[str, int | None] = {}  # by site

    def run(self) -> Outcome:
        touched: dict[GatewayTopic, GatewayLedger] = {}
        for examined in _joined(self._batch):
            owner = self._ledger.get(examined.place) if examined.place else None
            self._take(examined, owner)
            if examined.place and owner:
                address = GatewayTopic(examined.place.site, examined.place.gateway, Leaf.ACK)
                touched[address] = owner
        self._write()
        breaks = self._ledger.breaks
        acks = {
            address: proved(self._connection, owner.id, owner.acknowledgement(), breaks)
            for address, owner in touched.items()
        }
        turned_away = any(e.place and not self._ledger.get(e.place) for e in self._batch)
        to_sign = {address for address, owner in touched.items() if owner.signed_acks}
        return Outcome(
            acks, len(self._rows), turned_away, self._keys, self._unbelieved, self._replayed, to_sign
        )

    def _write(self) -> None:
        parts = self._ledger.save()
        if self._rows and not self._ledger.answers[0]:
            note_arrivals(self._connection, self._now_us)
        self._before_writing()
        put_together(
            self._connection,
            [(record, self._rows), (envelope, self._visitors)],
            [(segment, parts, ("last", "last_hash"))],
            self._ledger.answers[1:],
        )
        self._mark_odd()

    def _take(self, examined: Examined, owner: GatewayLedger | None) -> None:
        if examined.refused:
            self._refuse(owner, examined.topic, examined.refused)
        if owner is None or examined.place is None:
            return
        if examined.taken:
            self._take_records(owner, examined.topic, examined.taken)
        for head in examined.heads:
            if not owner.knows_more_than(head):
                self._take_head(owner, head)
        if isinstance(examined.report, ToldState):
            if self._believes(owner, examined.place, examined.report) and self._is_news(
                owner, examined.place, examined.report.state
            ):
                self._take_state(owner, examined.report.state)
        elif isinstance(examined.report, About):
            self._take_about(owner, examined.place, examined.report)

    def _refuse(self, owner: GatewayLedger | None, topic: str, refused: Refused) -> None:
        self._aside.keep(owner.id if owner else None, topic, refused.body, refused.reason)
        if owner:
            self._aside.find(owner.id, refused.trouble)

    # --- records ---------------------------------------------------------------------------------------

    def _take_records(self, owner: GatewayLedger, topic: str, taken: Taken) -> None:
        for refused in taken.refused:
            self._refuse(owner, topic, refused)
        for run in taken.runs():
            owner.spoken_of.add(taken.epoch)
            entry = owner.epoch(taken.epoch)
            first = run[0].seq
            new = entry.coverage.uncovered(first, run[-1].seq)
            if sum(b - a + 1 for a, b in new) < len(run):
                self._compare(owner, topic, taken.epoch, entry, _outside(run, new))
            for a, b in new:
                self._settle_run(owner, topic, taken.epoch, entry, run[a - first : b - first + 1])

    def _settle_run(
        self, owner: GatewayLedger, topic: str, epoch: int, entry: EpochLedger, run: Sequence[Arrived]
    ) -> None:
        """A run of which nothing is known yet: rows, segment, and what is wrong with it."""
        breaks = [Break(b.seq, b.prev) for a, b in pairwise(run) if not meets(a.hash, b.prev)]
        breaks += entry.coverage.add(Segment(run[0].seq, run[-1].seq, run[0].prev, run[-1].hash))
        for broken in breaks:
            self._aside.find(owner.id, Trouble.CHAIN_BREAK, epoch, broken.seq)
            self._odd.append((owner.id, epoch, broken))
            self._ledger.breaks[owner.id, epoch].add(broken.seq)
        for arrived in run:
            if arrived.record is not None:
                self._rows.append((owner.id, *arrived.columns))
                if arrived.visitor is not None or arrived.foreign:
                    self._take_visitor(owner, topic, epoch, arrived)
            else:
                self._set_aside(owner, topic, epoch, arrived, settled=True)
                self._aside.find(owner.id, Trouble.POISON, epoch, arrived.seq)
        entry.fresh.update((arrived.seq, arrived.hash) for arrived in run)

    def _take_visitor(self, owner: GatewayLedger, topic: str, epoch: int, arrived: Arrived) -> None:
        visitor, foreign = arrived.visitor, arrived.foreign
        if visitor is not None:
            foreign = self._community_of(_place_of(topic).site) != visitor.community
        if foreign:
            self._aside.find(owner.id, Trouble.ENVELOPE, epoch, arrived.seq)
        elif visitor is not None:
            self._visitors.append(visitor_row(owner.id, epoch, arrived.seq, visitor))

    def _community_of(self, site: str) -> int | None:
        """A gateway of a site may speak of visitors of that community alone; of one that the register does
        not know, of none."""
        if site not in self._communities:
            self._communities[site] = community_of(self._connection, site)
        return self._communities[site]

    def _compare(
        self, owner: GatewayLedger, topic: str, epoch: int, entry: EpochLedger, again: Sequence[Arrived]
    ) -> None:
        """What is settled already: the same is nothing new, something else is never written over it. Of what
        was ended only the last hash of a run is here: any other record is the same if a clock that was right
        says that it was made before that had come."""
        first, last = again[0].seq, again[-1].seq
        ended = ended_ranges(self._connection, owner.id, epoch, first, last)
        known = settled_hashes(self._connection, owner.id, epoch, first, last, ended=ended) | entry.fresh
        for arrived in again:
            was = holding(ended, arrived.seq)
            if arrived.seq not in known and was is not None:
                same = arrived.record is not None and _is_as_old(arrived.record, was)
            else:
                same = known.get(arrived.seq, arrived.hash) == arrived.hash
            if not same:
                self._set_aside(owner, topic, epoch, arrived, settled=False)
                self._aside.find(owner.id, Trouble.CONFLICT, epoch, arrived.seq)

    def _set_aside(
        self, owner: GatewayLedger, topic: str, epoch: int, arrived: Arrived, *, settled: bool
    ) -> None:
        place = Place(epoch, arrived.seq)
        reason = arrived.reason or "another record is stored at this place"
        envelope = None if arrived.visitor is None else arrived.envelope
        body = aside_body(epoch, arrived.seq, arrived.body, envelope)
        self._aside.keep(owner.id, topic, body, reason, place=place, settled=settled)

    def _mark_odd(self) -> None:
        """A `prev` that is not the hash of the record before it cannot be made again: it is kept."""
        for gateway_id, epoch, broken in self._odd:
            there = (record.c.gateway_id == gateway_id) & (record.c.epoch == epoch)
            there &= record.c.seq == broken.seq
            self._connection.execute(update(record).where(there).values(odd_prev=broken.prev))

    # --- who says so -----------------------------------------------------------------------------------

    def _take_about(self, owner: GatewayLedger, place: GatewayTopic, about: About) -> None:
        """Nobody signs it. So it may ask for signed acknowledgements, which every gateway reads, and take
        that back only with a device key that is new here: else anyone could end all deletion there."""
        before = owner.device_key
        if about.device_key is not None:
            self._shown_key(owner, place, bytes.fromhex(about.device_key))
        exchanged = before is not None and owner.device_key != before
        owner.signed_acks = about.signed_acks or (owner.signed_acks and not exchanged)
        note_about(self._connection, owner.id, about, self._now_us, signed_acks=owner.signed_acks)

    def _shown_key(self, owner: GatewayLedger, place: GatewayTopic, key: bytes) -> None:
        if key == owner.device_key:
            return
        if device_keys.may_be_kept(key, owner.device_key, place, self._trusted):
            self._keep_key(owner, place, key)
        else:
            self._disbelieve(owner, place)

    def _keep_key(self, owner: GatewayLedger, place: GatewayTopic, key: bytes) -> None:
        device_keys.keep(self._connection, owner.id, key, self._now_us)
        owner.device_key = key
        self._keys.append((place, key))

    def _believes(self, owner: GatewayLedger, place: GatewayTopic, told: ToldState) -> bool:
        """That a line is gone may be said without a signature: whoever owns the broker can cut it anyway."""
        if not told.state.online or owner.device_key is None:
            return True
        believed = vouched(told, owner.device_key, place.site, place.gateway)
        if not believed and (carried := self._trusted(place.site, place.gateway)):
            believed = vouched(told, carried, place.site, place.gateway)
            if believed:
                self._keep_key(owner, place, carried)
        if believed:
            device_keys.note_belief(self._connection, owner.id, None)
        else:
            self._disbelieve(owner, place)
        return believed

    def _disbelieve(self, owner: GatewayLedger, place: GatewayTopic) -> None:
        self._aside.find(owner.id, Trouble.WRONG_SIGNATURE)
        device_keys.note_belief(self._connection, owner.id, self._now_us)
        self._unbelieved.append(place)

    def _is_news(self, owner: GatewayLedger, place: GatewayTopic, state: State) -> bool:
        """Also true of a will: it was made when its connection was, and counts by its session. What is not
        signed could say any time it likes."""
        if not state.online or owner.device_key is None:
            return True
        age = freshness.taken(self._connection, owner.id, state)
        if age is Age.OLD:
            self._aside.find(owner.id, Trouble.OLD_STATE)
            self._replayed.append(place)
        if age is not Age.LATE:
            device_keys.note_replay(self._connection, owner.id, self._now_us if age is Age.OLD else None)
        return age is Age.NEWS

    # --- state -----------------------------------------------------------------------------------------

    def _take_state(self, owner: GatewayLedger, state: State) -> None:
        if not state.online and state.session != owner.session:
            return  # the will of a connection that a newer one has replaced
        note_state(self._connection, owner.id, state, self._now_us)
        owner.session = state.session
        if not state.epochs:
            return
        for head in state.epochs:
            owner.spoken_of.add(head.epoch)
            if owner.device_key is None or not owner.knows_more_than(
                head
            ):  # an old one, signed, played again
                self._take_head(owner, head)
        for epoch in _dropped(owner, state.epochs) if state.whole else ():
            self._ledger.no_longer_held(owner, epoch)
            self._lose(owner, epoch, [(1, owner.heads[epoch][0])])

    def _take_head(self, owner: GatewayLedger, head: EpochHead) -> None:
        self._ledger.report_head(owner, head)
        below_head = ((first, min(last, head.head - 1)) for first, last in head.holes)
        self._lose(owner, head.epoch, [(1, head.oldest - 1), *below_head])
        ends = (s.last_hash for s in owner.epoch(head.epoch).coverage.segments if s.last == head.head)
        if next(ends, bytes.fromhex(head.hash)) != bytes.fromhex(head.hash):
            self._aside.find(owner.id, Trouble.CONFLICT, head.epoch, head.head)

    def _lose(self, owner: GatewayLedger, epoch: int, ranges: Iterable[Range]) -> None:
        for first, _ in owner.epoch(epoch).coverage.lose(ranges):
            self._aside.find(owner.id, Trouble.LOST, epoch, first)


def _is_as_old(found: Record, ended: EndedRange) -> bool:
    """A clock that was not set may say anything: of such a record nobody knows."""
    return found.clock is ClockQuality.SYNCED and found.at <= ended.arrived_by


def _joined(batch: Iterable[Examined]) -> list[Examined]:
    """Messages of one topic that continue each other, as one."""
    joined: list[Examined] = []
    latest: dict[str, Taken] = {}
    for examined in batch:
        taken, before = examined.taken, latest.get(examined.topic)
        if taken and before and before.continue_with(taken):
            continue
        joined.append(examined)
        if taken:
            latest[examined.topic] = taken
    return joined


def _outside(run: Sequence[Arrived], parts: Iterable[tuple[int, int]]) -> Sequence[Arrived]:
    new = {seq for first, last in parts for seq in range(first, last + 1)}
    return [arrived for arrived in run if arrived.seq not in new]


def _dropped(owner: GatewayLedger, heads: Sequence[EpochHead]) -> list[int]:
    """Older epochs that a state does not name although it says that it names everything that is held."""
    listed = {head.epoch for head in heads}
    known = {*owner.epochs, *owner.heads} - listed
    return [epoch for epoch in sorted(known) if epoch < max(listed) and not owner.settled_for_good(epoch)]
