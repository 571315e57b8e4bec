"""What was recorded since a moment is known without the journal, the newest of it."""

from gateway_support import a_fact
from msgspec.structs import replace

from gateway.facts import Placed
from gateway.records_since import RecordsSince
from messages.model import Kind


def test_only_what_is_recorded_between_beginning_and_end_is_noted() -> None:
    since = RecordsSince()
    since.take([a_fact()], 3, [8])
    since.begin(10)
    since.take([a_fact(), a_fact(Kind.ACCESS_TAKEN, None)], 3, [9, 10])
    since.take([a_fact()], 4, [2])
    assert [(record.epoch, record.seq, record.kind) for record in since.end()] == [
        (3, 9, Kind.ACCESS_GRANTED),
        (3, 10, Kind.ACCESS_TAKEN),
        (4, 2, Kind.ACCESS_GRANTED),
    ]
    since.take([a_fact()], 4, [3])
    assert since.end() == []


def test_a_link_to_a_decision_of_the_same_epoch_is_kept() -> None:
    since = RecordsSince()
    since.begin(10)
    since.take([a_fact(), replace(a_fact(Kind.ACCESS_TAKEN, None), links=Placed(1, 4))], 4, [1, 2])
    assert [record.links for record in since.end()] == [None, 1]


def test_of_too_many_the_newest_are_kept() -> None:
    since = RecordsSince()
    since.begin(3)
    for seq in range(1, 6):
        since.take([a_fact()], 3, [seq])
    assert [record.seq for record in since.end()] == [3, 4, 5]
