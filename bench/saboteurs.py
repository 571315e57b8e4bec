"""Two defects, put into the real programs, so that the campaign can prove that it would notice them.

`python -m bench.saboteurs unlock-first run --settings FILE` is a gateway that releases the door and makes the
record durable a little later, as many peers do; `ack-first` is a centre that acknowledges what it has
received and commits a little later. Nothing of the product can be configured to behave like this.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import gateway.cli
import gateway.daemon
from central.ingest.inbox import Delivery
from central.ingest.intake import take_in
from central.ingest.service import IngestService
from central.server import serve
from central.settings import load_settings
from central.store.engine import writing
from gateway.controller import Controller
from gateway.events import Event

LINGER_S = 0.3
"""How long these programs gather before they commit: the window that a kill can hit."""

_MODULE = (sys.executable, "-m", "bench.saboteurs")
SABOTAGE: dict[str, dict[str, Any]] = {
    "none": {},
    "unlock-first": {"gateway_program": (*_MODULE, "unlock-first")},
    "ack-first": {"centre_program": (*_MODULE, "ack-first")},
}
VICTIMS = {"none": ("gateway", "broker", "centre"), "unlock-first": ("gateway",), "ack-first": ("centre",)}
"""Sabotage is looked for where it was done."""


class _UnlocksFirst(Controller):
    def handle(self, events: Iterable[Event]) -> None:
        acts = [act for event in events for act in self._acts_on(event)]
        self._carry_out(acts, [None] * len(acts))
        threading.Event().wait(LINGER_S)
        self._recorder.settle([act.fact for act in acts])


class _AcksFirst(IngestService):
    def settle(self, batch: Sequence[Delivery]) -> None:
        """What would be acknowledged is learned from a transaction that is rolled back, and said at once."""
        examined = [self._examine(delivery) for delivery in batch]
        with suppress(_Undone), writing(self._engine) as connection:
            self.acknowledge(batch, take_in(connection, examined, 0))
            raise _Undone
        threading.Event().wait(LINGER_S)
        self.commit(batch)


class _Undone(Exception):
    """Rolls the trial transaction back."""


def unlock_first() -> None:
    """From now on a gateway of this process does."""
    setattr(gateway.daemon, "Controller", _UnlocksFirst)  # noqa: B010  put in from outside, on purpose


def main() -> None:
    which = sys.argv.pop(1)
    if which == "unlock-first":
        unlock_first()
        gateway.cli.main()
    else:
        serve(load_settings(Path(sys.argv[sys.argv.index("--settings") + 1])), make_ingest=_AcksFirst)


if __name__ == "__main__":
    main()
