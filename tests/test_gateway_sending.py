"""What goes next and when, over a real journal; time and chance are the test's."""

from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from gateway_support import EPOCH_S, a_fact, opened

from gateway.delivery import FRESH_RECORDS
from gateway.dispatch import Dispatch
from gateway.journal import Journal
from gateway.journal_reader import JournalReader
from gateway.pace import FIRST_WINDOW, Pace
from gateway.sending import ACK_WAIT_S, AT_THE_BROKER, GATHER_S, IDLE_S, Sending
from messages.model import Kind, Reason
from messages.topics import Leaf
from messages.wire import WIRE_VERSION, Ack, EpochAck, decode_block

Sent = tuple[Leaf, int, int]
SPREAD_S = 5.0


class Desk:
    """5,000 older records, one of them an alarm, and the sending above them."""

    def __init__(self, journal: Journal, reader: JournalReader, seed: int = 1) -> None:
        self.journal = journal
        self.reader = reader
        self.dispatch = Dispatch(reader, lambda *_: None, Pace(50_000))
        self.sending = Sending(self.dispatch, self.dispatch._pace or Pace(1.0), SPREAD_S, Random(seed))

    def sent(self, now_s: float, at_the_broker: int = 0) -> list[Sent]:
        found = []
        while message := self.sending.next(now_s, at_the_broker):
            block = decode_block(message[1])
            found.append((message[0], block.first, block.first + block.count - 1))
        return found

    def acknowledge(self, through: int, now_s: float) -> None:
        epoch = EpochAck(EPOCH_S, through, self.reader.hash_of(EPOCH_S, through), through, [])
        self.sending.acknowledged(Ack(WIRE_VERSION, [epoch]), now_s)

    def until(self, end_s: float, start_s: float = 0.0) -> dict[Sent, float]:
        """Everything that goes, and when, asked as the uplink asks."""
        when: dict[Sent, float] = {}
        now_s = start_s
        while now_s < end_s:
            for each in self.sent(now_s):
                when.setdefault(each, now_s)
            now_s = max(now_s + 0.001, self.sending.due_s(now_s, 0))
        return when


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with opened(tmp_path / "journal.db") as journal:
        journal.append(
            [a_fact()] * 1_000 + [a_fact(Kind.DOOR_FORCED, Reason.NO_RELEASE)] + [a_fact()] * 3_998
        )
        with closing(JournalReader(journal.path)) as reader:
            yield Desk(journal, reader)


ALARM: Sent = (Leaf.JOURNAL, 1_002, 1_002)


def test_before_the_centre_has_said_what_it_has_only_what_just_happened_goes(desk: Desk) -> None:
    desk.sending.begin(0.0, together=False)
    assert desk.sent(0.5) == []
    desk.journal.append([a_fact()])
    desk.dispatch.appended(desk.journal.head)
    assert desk.sent(0.5) == [(Leaf.JOURNAL, 5_001, 5_001)]


def test_the_centres_word_ends_the_wait(desk: Desk) -> None:
    desk.sending.begin(0.0, together=False)
    desk.acknowledge(300, 0.1)
    sent = desk.sent(0.1)
    assert sent == [(Leaf.JOURNAL, 4_951, 5_000), (Leaf.BACKLOG, 301, 400)]


def test_a_silent_centre_does_not_hold_it_up_for_long(desk: Desk) -> None:
    desk.sending.begin(0.0, together=False)
    assert desk.sending.due_s(0.0, 0) <= IDLE_S
    assert desk.sent(ACK_WAIT_S - 0.01) == []
    assert (Leaf.BACKLOG, 1, 100) in desk.sent(ACK_WAIT_S)


def test_the_newest_and_the_alarms_are_away_within_two_seconds_of_a_reconnect(desk: Desk) -> None:
    """Also where older records wait for their turn among many gateways (trust.md R-23)."""
    desk.sending.begin(0.0, together=True)
    when = desk.until(2.0)
    assert when[ALARM] < 2.0
    assert when[Leaf.JOURNAL, 4_951, 5_000] < 2.0


def test_gateways_that_were_cut_off_together_begin_their_drain_at_different_times(tmp_path: Path) -> None:
    begun = []
    with opened(tmp_path / "journal.db") as journal:
        journal.append([a_fact()] * 500)
        with closing(JournalReader(journal.path)) as reader:
            for seed in range(40):
                desk = Desk(journal, reader, seed)
                desk.sending.begin(0.0, together=True)
                desk.acknowledge(1, 0.01)
                when = desk.until(SPREAD_S + 0.5)
                begun.append(min(at_s for sent, at_s in when.items() if sent[0] is Leaf.BACKLOG))
    assert max(begun) <= SPREAD_S + 0.1
    for third in range(3):
        assert sum(third * SPREAD_S / 3 <= at_s < (third + 1) * SPREAD_S / 3 for at_s in begun) >= 4


def test_the_centres_word_does_not_cut_that_wait_short(desk: Desk) -> None:
    desk.sending.begin(0.0, together=True)
    drain_s = desk.sending._drain_s
    desk.sending.begin(0.01, together=False)  # it says that it is there
    desk.acknowledge(1, 0.02)
    assert desk.sending._drain_s == drain_s


def test_without_a_word_of_the_centre_a_few_blocks_go_and_no_more(desk: Desk) -> None:
    desk.sending.begin(0.0, together=False)
    when = desk.until(8.0)
    assert sum(sent[0] is Leaf.BACKLOG for sent in when) == FIRST_WINDOW


def test_no_block_is_handed_over_while_the_broker_has_not_confirmed_enough(desk: Desk) -> None:
    desk.sending.begin(0.0, together=False)
    desk.acknowledge(1, 0.0)
    desk.sent(0.0, AT_THE_BROKER)
    desk.journal.append([a_fact()])
    desk.dispatch.appended(desk.journal.head)
    assert desk.sent(0.1, AT_THE_BROKER) == [(Leaf.JOURNAL, 5_001, 5_001)]
    assert (Leaf.BACKLOG, 2, 101) in desk.sent(0.1, AT_THE_BROKER - 1)


def test_blocks_keep_their_pause(desk: Desk) -> None:
    desk.sending.begin(0.0, together=False)
    desk.acknowledge(1, 0.0)
    times = sorted(at_s for sent, at_s in desk.until(0.5).items() if sent[0] is Leaf.BACKLOG)
    assert all(b - a >= 0.0019 for a, b in pairwise(times))


def test_what_happens_at_rest_goes_at_once(desk: Desk) -> None:
    desk.sending.begin(0.0, together=False)
    for now_s in (0.1, 0.1 + GATHER_S, 0.5):
        assert happened(desk, 1, now_s) == [(Leaf.JOURNAL, desk.journal.head.seq, desk.journal.head.seq)]


def test_what_happens_in_a_rush_is_gathered_for_a_moment(desk: Desk) -> None:
    desk.sending.begin(0.0, together=False)
    assert happened(desk, 1, 0.1) == [(Leaf.JOURNAL, 5_001, 5_001)]
    assert happened(desk, 2, 0.101) == []
    assert happened(desk, 1, 0.11) == []
    assert desk.sending.due_s(0.11, 0) == desk.sending.gathers_until_s == pytest.approx(0.1 + GATHER_S)
    assert desk.sent(0.1 + GATHER_S) == [(Leaf.JOURNAL, 5_002, 5_004)]


def test_a_full_message_is_not_kept_back(desk: Desk) -> None:
    desk.sending.begin(0.0, together=False)
    assert happened(desk, 1, 0.1) == [(Leaf.JOURNAL, 5_001, 5_001)]
    assert happened(desk, FRESH_RECORDS + 1, 0.101) == [(Leaf.JOURNAL, 5_002, 5_001 + FRESH_RECORDS)]


def happened(desk: Desk, count: int, now_s: float) -> list[Sent]:
    """What goes after so many more records, but for older ones."""
    desk.journal.append([a_fact()] * count)
    desk.dispatch.appended(desk.journal.head)
    return [each for each in desk.sent(now_s) if each[0] is Leaf.JOURNAL]
