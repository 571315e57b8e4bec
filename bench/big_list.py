"""A list of 50,000 credentials comes from the centre while people stand at the door.

`python -m bench big_list`. One thread decides as the gateway's does: it looks a credential up and makes the
record durable before it goes on. Beside it the gateway's own `Orders` verifies, stores and applies a signed
list, in rounds with and without. Goal: under 5 s, and no decision waits more than 50 ms for it.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bench.report import quantile, save, show
from gateway.access_list import AccessList
from gateway.clock import SystemClock
from gateway.events import NewList
from gateway.facts import Fact
from gateway.journal import Journal
from gateway.keys import Keys
from gateway.orders import Orders, Told
from gateway.rights_store import RightsStore
from messages.access_list import (
    LIST_VERSION,
    Entry,
    ListDigest,
    ListManifest,
    cut,
    encode_entry,
    encode_manifest,
)
from messages.keys import KEYS_VERSION, CentrePublic
from messages.model import ClockQuality, Kind, Reason
from messages.signing import Purpose, sign
from messages.topics import Leaf

SITE, GATEWAY = "riverside", "east"
_BETWEEN_S = 0.004
"""Some 200 decisions a second: more than any building has, so that many fall into the work on the list."""

_LIMIT_S = 60.0


@dataclass
class _Door:
    """Decides without end in a thread of its own."""

    journal: Journal
    access_list: AccessList = field(default_factory=AccessList)
    waits_s: list[float] = field(default_factory=list)
    stopping: bool = False

    def run(self) -> None:
        number = 0
        while not self.stopping:
            number += 1
            begun_s = time.monotonic()
            entry = self.access_list.find(f"{number % 60_000:032x}")
            kind = Kind.ACCESS_GRANTED if entry else Kind.ACCESS_DENIED
            self.journal.append([_fact(kind, entry)])
            self.waits_s.append(time.monotonic() - begun_s)
            time.sleep(_BETWEEN_S)


def _fact(kind: Kind, entry: Entry | None) -> Fact:
    reason = Reason.LISTED if entry else Reason.UNKNOWN_CREDENTIAL
    return Fact(
        kind=kind, at_us=time.time_ns() // 1_000, uptime_us=7, clock=ClockQuality.SYNCED, reason=reason
    )


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench big_list", description=__doc__)
    parser.add_argument("--credentials", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="on the disk to be measured")
    chosen = parser.parse_args(words)
    centre = Ed25519PrivateKey.generate()
    rows = []
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        bench = _Bench(Path(folder), centre)
        for number in range(1, chosen.rounds + 1):
            quiet = bench.quiet()
            applied_s, busy = bench.apply(_list(centre, number, chosen.credentials))
            rows.append([applied_s, *_figures(quiet), *_figures(busy)])
        bench.close()
    heads = ["applied s", "alone p50 ms", "p99", "longest", "beside p50 ms", "p99", "longest"]
    show(
        "a list while people stand at the door", heads, [[f"{figure:.2f}" for figure in row] for row in rows]
    )
    save("big_list", {"credentials": chosen.credentials, "heads": heads, "rounds": rows})
    return 0


class _Bench:
    def __init__(self, folder: Path, centre: Ed25519PrivateKey) -> None:
        clock = SystemClock()
        self._told: list[Told] = []
        self._arrived = threading.Event()
        self._journal = Journal(folder / "journal.db", GATEWAY, clock)
        self._store = RightsStore(folder / "rights.db", SITE, GATEWAY)
        public = centre.public_key().public_bytes_raw().hex()
        opening = X25519PrivateKey.generate().public_key().public_bytes_raw().hex()
        self._orders = Orders(
            store=self._store,
            keys=Keys(centre=CentrePublic(KEYS_VERSION, (public,), (opening,))),
            site=SITE,
            gateway=GATEWAY,
            doors=(),
            clock=clock,
            post=self._post,
            publish_result=lambda _: None,
        )
        self._orders.restore()
        self._door = _Door(self._journal)
        self._threads = [threading.Thread(target=work) for work in (self._door.run, self._orders.run)]
        for thread in self._threads:
            thread.start()

    def quiet(self, seconds: float = 2.0) -> list[float]:
        return self._during(lambda: time.sleep(seconds))

    def apply(self, payloads: Sequence[bytes]) -> tuple[float, list[float]]:
        """How long it took until the list was in force, and the decisions until its remains were gone."""
        self._arrived.clear()
        taken_s = 0.0

        def work() -> None:
            nonlocal taken_s
            begun_s = time.monotonic()
            for payload in payloads:
                self._orders.take(Leaf.LIST, payload)
            if not self._arrived.wait(_LIMIT_S):
                raise TimeoutError(f"no list within {_LIMIT_S:.0f} s: {self._told}")
            taken_s = time.monotonic() - begun_s
            while self._orders.busy:
                time.sleep(0.01)

        waits = self._during(work)
        return taken_s, waits

    def close(self) -> None:
        self._door.stopping = True
        self._orders.stop()
        for thread in self._threads:
            thread.join()
        self._journal.close()
        self._store.close()

    def _during(self, work: Callable[[], None]) -> list[float]:
        before = len(self._door.waits_s)
        work()
        return self._door.waits_s[before:]

    def _post(self, told: Told) -> None:
        self._told.append(told)
        if isinstance(told, NewList):
            self._door.access_list = told.access_list
            self._arrived.set()


def _list(centre: Ed25519PrivateKey, version: int, count: int) -> list[bytes]:
    """Each round another one, so that every entry is new."""
    entries = [
        Entry(f"{number:032x}", f"h-{number:05d}-{version}", "resident", ("*",)) for number in range(count)
    ]
    return signed_list(centre, version, entries)


def signed_list(centre: Ed25519PrivateKey, version: int, entries: Sequence[Entry]) -> list[bytes]:
    """The manifest and the chunks of a whole list for our gateway; `entries` in the order of their tokens."""
    digest = ListDigest()
    digest.take(map(encode_entry, entries))
    chunks = cut(version, entries)
    manifest = ListManifest(
        v=LIST_VERSION,
        version=version,
        issued_us=time.time_ns() // 1_000,
        chunks=tuple(sha256(chunk).hexdigest() for chunk in chunks),
        entries=len(entries),
        digest=str(digest),
    )
    return [sign(centre, Purpose.LIST, SITE, GATEWAY, encode_manifest(manifest)), *chunks]


def _figures(waits_s: Sequence[float]) -> list[float]:
    """p50, p99 and the longest, in milliseconds."""
    ordered = sorted(1_000 * each for each in waits_s)
    return [quantile(ordered, 0.5), quantile(ordered, 0.99), ordered[-1]]
