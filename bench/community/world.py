"""A centre in which the community is: its database and keys, and who lives there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine

from bench.community.colleagues import SECOND_OPERATOR, SECOND_WORKER
from bench.community.honey import Honeys
from bench.community.people import Population
from bench.community.places import Estate
from bench.community.register import Registered
from bench.community.times import Days
from central.identity.vault import Vault


@dataclass(frozen=True)
class World:
    """`worker`, `operator`: accounts of who gives passes, and of who plans tours and sees to alarms;
    `colleagues`: by login, of those who share the work with them; `honeys`: the honey records."""

    writer: Engine
    reader: Engine
    vault: Vault
    signing: Ed25519PrivateKey
    community: int
    estates: Sequence[Estate]
    population: Population
    registered: Registered
    days: Days
    seed: int
    worker: int
    operator: int
    colleagues: Mapping[str, int]
    honeys: Honeys

    @property
    def workers(self) -> tuple[int, int]:
        return self.worker, self.colleagues[SECOND_WORKER]

    @property
    def operators(self) -> tuple[int, int]:
        return self.operator, self.colleagues[SECOND_OPERATOR]
