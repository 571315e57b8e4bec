"""A model of what journal, delivery, acknowledgement, epochs, pruning and the centre may do together.

Hypothesis draws schedules of appends, lost and late messages, crashes of either side, restarts of the
machine, days that pass, clocks that jump, pruning, centres restored from backups and damaged files, and
compares the real gateway's parts with the model after every step (trust.md R-28). `python -m bench
journal_model` runs many schedules, the tests a few.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run

from bench.deciding import FastClock
from bench.journal_writer import FILE, GATEWAY, fact
from bench.report import save
from bench.verdict import conclude
from bench.witness import everything
from gateway.dispatch import Dispatch
from gateway.journal import Journal
from gateway.journal_reader import JournalReader
from messages.chain import record_hash
from messages.model import ClockQuality
from messages.wire import WIRE_VERSION, Ack, EpochAck, decode_block, encode_record

Place = tuple[int, int]
"""Epoch and sequence number."""

_KEEP_DAYS = 7
_HOUR_US = 3_600_000_000
_KEEP_US = _KEEP_DAYS * 24 * _HOUR_US
_BEGIN_US = 1_700_000_000_000_000
_STEPS = 50
_HEADER_BYTES = 100
_LOST_MESSAGE_S = 3_600
_LAST_ROUNDS = 200


class TrueClock(FastClock):
    """Also knows what time it really is, and is synchronised only while it shows that."""

    def __init__(self) -> None:
        super().__init__(_BEGIN_US)
        self.true_us = _BEGIN_US
        self.boots = 0

    def passes(self, us: int) -> None:
        super().passes(us)
        self.true_us += us

    def is_right(self) -> bool:
        return self.now_us() == self.true_us

    def is_set(self) -> None:
        self.jumps(self.true_us - self.now_us())

    def restarts(self) -> None:
        self.boots += 1
        self.boot = f"{self.boots:016x}"
        self._uptime_us = _HOUR_US // 60

    def quality(self) -> ClockQuality:
        return ClockQuality.SYNCED if self.is_right() else ClockQuality.UNKNOWN


class Centre:
    """What it has received, committed and backed up; the simplest that can be right."""

    def __init__(self) -> None:
        self.received: dict[Place, bytes] = {}
        self.committed: dict[Place, bytes] = {}
        self.backups: list[tuple[int, dict[Place, bytes]]] = []

    def receive(self, payload: bytes) -> None:
        block = decode_block(payload)
        for offset, body in enumerate(block.records):
            self.received[block.epoch, block.first + offset] = bytes(body)

    def commit(self) -> list[Place]:
        """Idempotent on the place; returns those that were there with other bytes."""
        clashes = [p for p, body in self.received.items() if self.committed.get(p, body) != body]
        self.committed = {**self.received, **self.committed}
        self.received = {}
        return clashes

    def fall(self) -> None:
        self.received = {}

    def restore(self, backup: dict[Place, bytes]) -> None:
        self.fall()
        self.committed = dict(backup)

    def ack(self, epochs: set[int]) -> Ack:
        return Ack(WIRE_VERSION, [self._epoch_ack(epoch) for epoch in sorted(epochs)])

    def _epoch_ack(self, epoch: int) -> EpochAck:
        seqs = sorted(seq for known, seq in self.committed if known == epoch)
        through = next((n for n, seq in enumerate(seqs) if seq != n + 1), len(seqs))
        digest = record_hash(self.committed[epoch, through]) if through else None
        holes = [
            (before + 1, after - 1)
            for before, after in zip([0, *seqs], seqs, strict=False)
            if after > before + 1
        ]
        return EpochAck(epoch, through, digest, seqs[-1] if seqs else 0, holes)


class JournalMachine(RuleBasedStateMachine):
    """`promised`: every record that append() returned for, and each epoch's first, with its bytes' hash."""

    keep_days = _KEEP_DAYS
    copied = "*"
    """What of its files a killed gateway leaves behind."""

    make_centre: Callable[[], Centre] = Centre

    @initialize()
    def first_start(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="liuhen-model-"))
        self.generation = 0
        self.clock = TrueClock()
        self.centre = type(self).make_centre()
        self.promised: dict[Place, str] = {}
        self.gone: set[Place] = set()  # with a file that was damaged before the centre had them
        self.spoilt: set[Place] = set()  # by damage of a file
        self.facts = 0
        self.unheard_backup_us: int | None = None  # age of what the centre was restored to, until we hear
        self.folder = self.root / "0"
        self.folder.mkdir()
        self._open()

    def teardown(self) -> None:
        if not hasattr(self, "root"):
            return
        try:
            if sys.exc_info()[0] is None:  # else a step has failed already, and that is what counts
                self._everything_arrives_in_the_end()
        finally:
            self._close()
            shutil.rmtree(self.root, ignore_errors=True)

    # What happens at the gateway ------------------------------------------------------------------

    @rule(count=st.integers(1, 4))
    def append(self, count: int) -> None:
        epoch, seq = self.journal.head.epoch, self.journal.head.seq
        facts = [fact(self.clock, self.facts + n) for n in range(1, count + 1)]
        self.facts += count
        seqs = self.journal.append(facts)
        assert seqs == list(range(seq + 1, seq + count + 1)), "a number was left out or given twice"
        assert (self.journal.head.epoch, self.journal.head.seq) == (epoch, seqs[-1])
        self._promise(epoch, seqs[0], seqs[-1])
        self.dispatch.appended(self.journal.head)

    @rule()
    def gateway_falls(self) -> None:
        """What a killed process leaves: its files as they are, without a last word from SQLite."""
        self._next_folder()
        self._open()

    @rule()
    def machine_restarts(self) -> None:
        self._next_folder()
        self.clock.restarts()
        self._open()

    @rule()
    def gateway_stops_and_starts(self) -> None:
        self._close()
        self._open()

    @rule(damage=st.sampled_from([0, 40, 2_000]))
    @precondition(lambda self: self.generation > 0)
    def file_is_damaged(self, damage: int) -> None:
        """The header, or all of it: what can be saved is the salvage's business, nothing is invented."""
        self._close()
        path = self.folder / FILE
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.write(b"\xa5" * (_HEADER_BYTES if damage == 0 else max(size, damage)))
        former = max(epoch for epoch, _ in self.promised)
        self._open()
        assert self.journal.head.epoch > former, "an epoch was opened again after its file was damaged"
        held = self._held()
        self.spoilt |= {place for place in self.promised if place not in held}
        self.gone |= self.spoilt - set(self.centre.committed)

    @rule(hours=st.integers(1, 120))
    def time_passes(self, hours: int) -> None:
        self.clock.passes(hours * _HOUR_US)

    @rule(hours=st.sampled_from([-50 * 8_766, -72, 72, 10 * 8_766]))
    def clock_jumps(self, hours: int) -> None:
        self.clock.jumps(hours * _HOUR_US)

    @rule()
    def clock_is_set(self) -> None:
        self.clock.is_set()

    @rule()
    def prune(self) -> None:
        """The rule that the seven days stand for: whoever restores a backup lets the gateways hear of it
        before the backup is seven days old."""
        backup_us = self.unheard_backup_us
        if backup_us is not None and self.clock.true_us - backup_us > _KEEP_US:
            return
        while self.journal.prune(self.keep_days):
            continue

    # What happens between them --------------------------------------------------------------------

    @rule(arrives=st.booleans(), older=st.booleans())
    def send(self, *, arrives: bool, older: bool) -> None:
        now_s = self.clock.uptime_us() / 1e6
        payload = self.dispatch.next_block(now_s) if older else self.dispatch.next_fresh(now_s)
        if payload is not None and arrives:
            self.centre.receive(payload)

    @rule()
    def connection_is_lost(self) -> None:
        self.dispatch.recall()

    @rule(noted=st.booleans())
    def acknowledge(self, *, noted: bool) -> None:
        """Upon a state, as always. Not noted: the gateway falls between hearing it and writing it down."""
        self.dispatch.listing()
        self.licences: dict[int, int] = {}
        self.dispatch.acknowledged(self._ack(), self.clock.uptime_us() / 1e6)
        if noted:
            for epoch, through in self.licences.items():
                self.journal.acknowledge(epoch, through)
            self.unheard_backup_us = None

    @rule(count=st.integers(1, 4))
    def ordinary_day(self, count: int) -> None:
        """Schedules that are all trouble never grow old."""
        self.append(count)
        while payload := self._next_payload():
            self.centre.receive(payload)
        self.commit()
        self.acknowledge(noted=True)
        self.time_passes(24)
        self.prune()

    # What happens at the centre -------------------------------------------------------------------

    @rule()
    def commit(self) -> None:
        assert self.centre.commit() == [], "one place came with two contents"

    @rule()
    def centre_falls(self) -> None:
        self.centre.fall()

    @rule()
    def back_up(self) -> None:
        self.centre.backups.append((self.clock.true_us, dict(self.centre.committed)))

    @rule(data=st.data())
    @precondition(lambda self: self._fresh_backups())
    def restore(self, data: st.DataObject) -> None:
        taken_us, backup = data.draw(st.sampled_from(self._fresh_backups()))
        self.centre.restore(backup)
        self.gone |= self.spoilt - set(backup)  # both had it, and both were damaged
        former_us = self.unheard_backup_us
        self.unheard_backup_us = taken_us if former_us is None else min(former_us, taken_us)

    # What must always hold ------------------------------------------------------------------------

    @invariant()
    def nothing_promised_is_lost(self) -> None:
        if not hasattr(self, "journal"):
            return
        held = self._held()
        for place, digest in self.promised.items():
            there = held.get(place) or self._hash_at_the_centre(place)
            assert there is not None or place in self.gone, f"{place} is neither here nor at the centre"
            assert there in (None, digest), f"{place} is another record than was promised"

    @invariant()
    def the_chain_is_whole(self) -> None:
        if hasattr(self, "journal"):
            assert self.reader.verify()[1] == []

    @invariant()
    def the_centre_has_nothing_but_what_was_promised(self) -> None:
        if not hasattr(self, "journal"):
            return
        for place, body in self.centre.committed.items():
            assert self.promised.get(place) == record_hash(body), f"{place} was never promised like this"

    def _everything_arrives_in_the_end(self) -> None:
        self.gateway_stops_and_starts()
        for _ in range(_LAST_ROUNDS):
            self.clock.passes(_LOST_MESSAGE_S * 1_000_000)  # what is on its way is given up by then
            self.dispatch.recall()
            while payload := self._next_payload():
                self.centre.receive(payload)
            self.commit()
            self.acknowledge(noted=True)
            if set(self.promised) - self.gone <= set(self.centre.committed):
                return
        raise AssertionError("not everything was delivered although nothing stood in its way")

    def _next_payload(self) -> bytes | None:
        now_s = self.clock.uptime_us() / 1e6
        return self.dispatch.next_fresh(now_s) or self.dispatch.next_block(now_s)

    # Helpers --------------------------------------------------------------------------------------

    def _open(self) -> None:
        path = self.folder / FILE
        self.journal = Journal(path, GATEWAY, self.clock)
        self.reader = JournalReader(path)
        self.licences = {}
        self.dispatch = Dispatch(self.reader, self._licensed)
        head = self.journal.head
        if (head.epoch, head.seq) not in self.promised:
            self._promise(head.epoch, 1, head.seq)

    def _licensed(self, epoch: int, through: int) -> None:
        self.licences[epoch] = through

    def _close(self) -> None:
        self.reader.close()
        self.journal.close()

    def _next_folder(self) -> None:
        self.generation += 1
        folder = self.root / str(self.generation)
        folder.mkdir()
        for path in self.folder.glob(self.copied):
            shutil.copy2(path, folder)
        self._close()
        shutil.rmtree(self.folder)
        self.folder = folder

    def _promise(self, epoch: int, first: int, last: int) -> None:
        for seq in range(first, last + 1):
            digest = self.reader.hash_of(epoch, seq)
            assert digest is not None, f"{epoch, seq} was said to be stored and is not there"
            self.promised[epoch, seq] = digest

    def _held(self) -> dict[Place, str]:
        held = everything(self.reader)
        return {(record.epoch, record.seq): record_hash(encode_record(record)) for record in held}

    def _hash_at_the_centre(self, place: Place) -> str | None:
        body = self.centre.committed.get(place)
        return None if body is None else record_hash(body)

    def _ack(self) -> Ack:
        return self.centre.ack({epoch for epoch, _ in self.promised})

    def _fresh_backups(self) -> list[tuple[int, dict[Place, bytes]]]:
        oldest_us = self.clock.true_us - _KEEP_US
        return [backup for backup in self.centre.backups if backup[0] >= oldest_us]


def bounded(examples: int, steps: int = _STEPS, **more: object) -> settings:
    """So many schedules of so many steps; the same ones each time."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        **more,  # type: ignore[arg-type]
    )


def main(words: list[str]) -> int:
    arguments = _arguments(words)
    logging.disable(logging.ERROR)  # journals are damaged here all the time
    started = time.monotonic()
    failures = []
    try:
        run(_seeded(arguments.seed), settings=settings(bounded(arguments.rounds), derandomize=False))
    except AssertionError as error:
        failures.append(f"a schedule broke a promise: {error}")
    seconds = time.monotonic() - started
    print(f"{arguments.rounds:,} schedules of up to {_STEPS} steps in {seconds:.0f} s")
    save("journal-model", {"schedules": arguments.rounds, "seed": arguments.seed, "seconds": round(seconds)})
    return conclude(failures)


def _seeded(number: int) -> type[JournalMachine]:
    machine: type[JournalMachine] = seed(number)(JournalMachine)
    return machine


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./liuhen bench journal_model", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10_000, help="schedules")
    parser.add_argument("--seed", type=int, default=20_261_125)
    return parser.parse_args(words)
