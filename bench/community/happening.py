"""What happens at a door, before it stands in its gateway's chain; and a gateway's chain of the past."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, NamedTuple

from bench.community.people import Member
from bench.community.places import GATES, Door
from bench.community.times import DAY_US
from central.register.credentials import CredentialKind, hint_of
from gateway.facts import Fact, record_of
from messages.chain import GENESIS, record_hash
from messages.model import AssuranceLevel, ClockQuality, Credential, Direction, Kind, Reason
from messages.topics import GatewayTopic, Leaf
from messages.wire import MAX_BLOCK_RECORDS, WIRE_VERSION, EpochHead, State, encode_record, join_block

LIST_AGE_S: Final = 3_600


class Happening(NamedTuple):
    """`fields`: of a `Fact`, but for its times."""

    at_us: int
    site: str
    gateway: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Carried:
    """A member with what they present at the doors of their estate."""

    member: Member
    credential: Credential
    holder: str

    def at(self, at_us: int, gateway: str, door: Door, **other: object) -> Happening:
        """They show it there; let in, unless `other` says something else."""
        fields = {
            "kind": Kind.ACCESS_GRANTED,
            "reason": Reason.LISTED,
            "door": door.name,
            "reader": door.name,
            "direction": door.direction,
            "credential": self.credential,
            "holder": self.holder,
            "category": self.member.category.value,
            "list_version": 1,
            "list_age_s": LIST_AGE_S,
        }
        return Happening(at_us, self.member.estate.site, gateway, fields | other)

    def at_home(self, at_us: int, **other: object) -> Happening:
        room = self.member.room
        assert room is not None
        return self.at(at_us, room.house.gateway, room.house.door_of(room.unit), **other)

    def at_the_gate(self, at_us: int, direction: Direction, drawn: Random) -> Happening:
        gates = [gate for gate in self.member.estate.gates if gate.direction is direction]
        return self.at(at_us, GATES, drawn.choice(gates))


def credential_of(kind: CredentialKind, number: str, token: bytes) -> Credential:
    """As a reader of that kind tells it."""
    if kind is CredentialKind.ID_CARD:
        return Credential(kind.value, token.hex(), AssuranceLevel.L3)
    return Credential(kind.value, token.hex(), AssuranceLevel.L1, hint_of(number))


@dataclass
class Chain:
    """A gateway's journal so far. `holes`: what damage took from it before it came to the centre."""

    site: str
    name: str
    boot: str
    epoch: int
    doors: tuple[Door, ...]
    seq: int = 0
    prev: str = GENESIS
    holes: tuple[tuple[int, int], ...] = ()
    envelopes: dict[int, bytes] = field(default_factory=dict)

    def grow(self, happened: Iterable[Happening]) -> list[bytes]:
        """The canonical bytes of further records; `happened` in the order of time."""
        bodies = []
        for each in happened:
            self.seq += 1
            uptime_us = each.at_us - self.epoch * 1_000_000
            fact = Fact(at_us=each.at_us, uptime_us=uptime_us, clock=ClockQuality.SYNCED, **each.fields)
            body = encode_record(
                record_of(fact, self.name, self.boot, epoch=self.epoch, seq=self.seq, prev=self.prev)
            )
            self.prev = record_hash(body)
            if fact.envelope is not None:
                self.envelopes[self.seq] = fact.envelope
            bodies.append(body)
        return bodies

    def blocks(self, bodies: list[bytes]) -> Iterable[tuple[str, bytes]]:
        """Messages that bring the newest records, without those of `holes`: topic and payload."""
        first = self.seq - len(bodies) + 1
        topic = str(GatewayTopic(self.site, self.name, Leaf.BACKLOG))
        lost = {seq for a, b in self.holes for seq in range(a, b + 1)}
        runs: list[tuple[int, list[bytes]]] = []  # the number of the first, and what follows without a hole
        for seq, body in enumerate(bodies, first):
            if seq in lost:
                continue
            if not runs or runs[-1][0] + len(runs[-1][1]) != seq or len(runs[-1][1]) == MAX_BLOCK_RECORDS:
                runs.append((seq, []))
            runs[-1][1].append(body)
        for start, run in runs:
            numbers = range(start, start + len(run))
            sealed = {seq: self.envelopes.pop(seq) for seq in numbers if seq in self.envelopes}
            yield topic, join_block(self.epoch, start, len(run), b",".join(run), sealed)

    def state(
        self,
        at_us: int,
        *,
        list_version: int | None,
        settings_revision: int | None = None,
        devices: Mapping[str, str] = {},
    ) -> State:
        """What it says of itself."""
        told = {door.name: "ok" for door in self.doors} | dict(devices)
        head = EpochHead(self.epoch, 1, self.seq, self.prev, self.holes)
        return State(
            WIRE_VERSION,
            online=True,
            boot=self.boot,
            session=f"{self.epoch:016x}",
            at=at_us,
            epochs=[head] if self.seq else [],
            acked=self.seq,
            list_version=list_version,
            settings_revision=settings_revision,
            devices=told,
            journal="ok",
            whole=True,
            uptime_us=at_us - self.epoch * 1_000_000,
        )


def began_epoch(first_us: int, chance: int) -> int:
    """An epoch is called by the second in which its journal was begun: some weeks before the first day."""
    return (first_us - (20 + chance % 40) * DAY_US) // 1_000_000 + chance
