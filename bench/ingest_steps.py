"""What each step of taking records in costs: in one thread, over blocks that are ready in memory.

Decode: bytes to records. Verify: each one its own gateway's, at its place, and hashed. Open: visitors'
envelopes, and sealed again under their day's keys. Insert: the chain, rows, ledger, commit. Acknowledge: what
each gateway is told.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Engine

from bench.assessed import goes_live
from bench.centre_alone import SITE, CentreAlone
from bench.ingest_fleet import Member
from central.accounts import book
from central.identity.opening import Opener
from central.identity.retention_rules import RetentionRules
from central.ingest.intake import Examined, take_in
from central.ingest.telling import Telling
from central.ingest.verify import open_visitors, take_apart
from central.store.engine import migrate, open_writer, writing
from messages.topics import GatewayTopic, Leaf
from messages.wire import decode_block, decode_record

STEPS: Final = ("decode", "verify", "open", "insert", "acknowledge")
_A_BLOCK: Final = 100
_TOGETHER: Final = 20
"""Blocks in one transaction, as many as the centre takes."""


class Steps:
    """On a database of its own."""

    def __init__(self, centre: CentreAlone) -> None:
        self._engine: Engine = open_writer(centre.new_database("steps"))
        migrate(self._engine)
        with writing(self._engine) as connection:
            made = book.make_community(
                connection, "310101001001", "滨河社区", [SITE], time.time_ns() // 1_000, vault=centre.vault
            )
            goes_live(connection, made, time.time_ns() // 1_000)
        self._opener = Opener(centre.vault, RetentionRules())
        self._telling = Telling(None)

    def close(self) -> None:
        self._engine.dispose()

    def microseconds(self, members: Sequence[Member], first: int, last: int) -> dict[str, float]:
        """By step, of each record; each member's records `first` to `last`."""
        spent = dict.fromkeys(STEPS, 0.0)
        blocks = [
            (member, member.block(start, min(start + _A_BLOCK - 1, last)))
            for start in range(first, last + 1, _A_BLOCK)
            for member in members
        ]
        for at in range(0, len(blocks), _TOGETHER):
            self._settle(blocks[at : at + _TOGETHER], spent)
        return {step: 1e6 * seconds / (last - first + 1) / len(members) for step, seconds in spent.items()}

    def _settle(self, blocks: Sequence[tuple[Member, bytes]], spent: dict[str, float]) -> None:
        clock = _Clock(spent)
        for _, payload in blocks:
            for raw in decode_block(payload).records:
                decode_record(bytes(raw))
        clock.spent_on("decode")
        taken = [take_apart(member.name, payload) for member, payload in blocks]
        clock.spent_on("verify")
        spent["verify"] -= clock.last_decode  # it has decoded them, too
        now_us = time.time_ns() // 1_000
        for each in taken:
            open_visitors(each, self._opener.at(now_us), SITE)
        clock.spent_on("open")
        places = [GatewayTopic(SITE, member.name, Leaf.BACKLOG) for member, _ in blocks]
        examined = [
            Examined(str(place), place, taken=each) for place, each in zip(places, taken, strict=True)
        ]
        with writing(self._engine) as connection:
            outcome = take_in(connection, examined, now_us)
        clock.spent_on("insert")
        for address, ack in outcome.acks.items():
            self._telling.ack(address, ack, wants_signature=False)
        clock.spent_on("acknowledge")


class _Clock:
    def __init__(self, spent: dict[str, float]) -> None:
        self._spent = spent
        self._since_s = time.perf_counter()
        self.last_decode = 0.0

    def spent_on(self, step: str) -> None:
        now_s = time.perf_counter()
        self._spent[step] += now_s - self._since_s
        if step == "decode":
            self.last_decode = now_s - self._since_s
        self._since_s = now_s


def shares(spent: dict[str, float]) -> dict[str, float]:
    """Each step's share of all, in per cent. Pure."""
    total = sum(spent.values())
    return {step: 100 * value / total for step, value in spent.items()}
