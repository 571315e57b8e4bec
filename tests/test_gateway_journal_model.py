"""The journal, its delivery and the centre against a model: drawn schedules, the same ones each time.

More of them: `./liuhen bench journal_model --rounds 100000`.
"""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import Phase
from hypothesis.stateful import run_state_machine_as_test

from bench.journal_model import Centre, JournalMachine, Place, bounded
from messages.wire import Ack

SCHEDULES = 15
UNTIL_FOUND = 400


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Journals are damaged here all the time, and each says so."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_no_schedule_of_faults_breaks_a_promise() -> None:
    run_state_machine_as_test(JournalMachine, settings=bounded(SCHEDULES))


# The model must notice what it is there for.


class PrunesAtOnce(JournalMachine):
    keep_days = 0


class LosesItsLog(JournalMachine):
    """As if what SQLite had written ahead were gone with the process."""

    copied = "*[!l]"


class HastyCentre(Centre):
    """Acknowledges what it has received, and commits it later."""

    def __init__(self) -> None:
        super().__init__()
        self.later: dict[Place, bytes] = {}

    def commit(self) -> list[Place]:
        received, self.received, self.later = self.received, self.later, self.received
        clashes = super().commit()
        self.later = received
        return clashes

    def fall(self) -> None:
        super().fall()
        self.later = {}

    def ack(self, epochs: set[int]) -> Ack:
        former, self.committed = self.committed, {**self.committed, **self.later}
        try:
            return super().ack(epochs)
        finally:
            self.committed = former


class IsAcknowledgedTooSoon(JournalMachine):
    keep_days = 0
    make_centre = HastyCentre


@pytest.mark.parametrize(
    ("machine", "finding"),
    [
        (PrunesAtOnce, "neither here nor at the centre"),
        (LosesItsLog, "neither here nor at the centre"),
        (IsAcknowledgedTooSoon, "neither here nor at the centre"),
    ],
)
def test_a_planted_defect_is_found(machine: type[JournalMachine], finding: str) -> None:
    with pytest.raises(AssertionError, match=finding):
        run_state_machine_as_test(machine, settings=bounded(UNTIL_FOUND, phases=(Phase.generate,)))
