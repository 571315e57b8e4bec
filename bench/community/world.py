"""A centre in which the community is: its database and keys, and who lives there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine

from bench.community.people import Population
from bench.community.places import Estate
from bench.community.register import Registered
from bench.community.times import Days
from central.identity.vault import Vault


@dataclass(frozen=True)
class World:
    """`worker`, `operator`: accounts of who gives passes, and of who plans tours and sees to alarms."""

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
