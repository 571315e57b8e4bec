"""Delivery of one epoch: cases by hand, and a model with a bad channel and a centre that forgets."""

from itertools import groupby, pairwise

import pytest
from gateway_support import in_flight
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.delivery import (
    BLOCK_RECORDS,
    FRESH_LAG,
    FRESH_RECORDS,
    NEWEST_FIRST,
    OVERTAKEN_AFTER_S,
    RESEND_AFTER_S,
    WINDOW_BLOCKS,
    WINDOW_FRESH,
    WINDOW_URGENT,
    EpochDelivery,
)
from gateway.ranges import Range
from messages.wire import MAX_RANGES, EpochAck

EPOCH = 3


def ack(through: int, seen: int | None = None, missing: list[Range] | None = None) -> EpochAck:
    digest = "0" * 64 if through else None
    return EpochAck(EPOCH, through, digest, through if seen is None else seen, missing or [])


def blocks(delivery: EpochDelivery, now_s: float = 0.0) -> list[Range]:
    return list(iter(lambda: delivery.next_block(now_s), None))


def fresh(delivery: EpochDelivery, now_s: float = 0.0) -> list[Range]:
    return list(iter(lambda: delivery.next_fresh(now_s), None))


def test_what_is_held_at_the_start_goes_out_in_blocks() -> None:
    delivery = EpochDelivery(EPOCH, 1, 250)
    assert blocks(delivery) == [(1, 100), (101, 200), (201, 250)]
    assert fresh(delivery) == []


def test_what_was_pruned_before_the_start_is_not_asked_for() -> None:
    delivery = EpochDelivery(EPOCH, 120, 250)
    assert blocks(delivery) == [(120, 219), (220, 250)]
    assert delivery.through == 119


def test_a_new_record_goes_out_at_once_beside_a_backlog() -> None:
    delivery = EpochDelivery(EPOCH, 1, 5_000)
    delivery.appended(5_003)
    assert fresh(delivery) == [(5_001, 5_003)]
    assert delivery.next_block(0.0) == (1, 100)


def test_so_many_new_records_that_they_lag_become_a_backlog() -> None:
    delivery = EpochDelivery(EPOCH, 1, 1)
    delivery.acknowledged(ack(1), 0.0)
    delivery.appended(1 + FRESH_LAG)
    assert delivery.backlog == FRESH_LAG
    assert len(fresh(delivery)) == FRESH_LAG // FRESH_RECORDS
    delivery.appended(1 + FRESH_LAG + FRESH_LAG + 1)
    assert fresh(delivery) == []
    assert blocks(delivery)[0] == (FRESH_LAG + 2, FRESH_LAG + 1 + BLOCK_RECORDS)


def test_windows_are_full_until_the_centre_says_what_it_has() -> None:
    delivery = EpochDelivery(EPOCH, 1, 10_000)
    assert len(blocks(delivery)) == WINDOW_BLOCKS
    for head in range(10_001, 10_001 + 2 * WINDOW_FRESH):
        delivery.appended(head)
        delivery.next_fresh(0.0)
    assert in_flight(delivery) == WINDOW_BLOCKS + WINDOW_FRESH
    delivery.acknowledged(ack(200), 0.1)
    assert blocks(delivery, 0.1) == [(3_201, 3_300), (3_301, 3_400)]


def test_late_word_of_an_older_head_takes_nothing_back() -> None:
    delivery = EpochDelivery(EPOCH, 1, 10)
    delivery.appended(9)
    assert delivery.head == 10
    delivery.connection_lost()
    delivery.appended(10)
    assert fresh(delivery) == []
    assert blocks(delivery) == [(1, 10)]


def test_acknowledged_records_are_not_sent_again() -> None:
    delivery = EpochDelivery(EPOCH, 1, 250)
    delivery.acknowledged(ack(250), 0.0)
    assert blocks(delivery) == []
    assert delivery.complete
    assert delivery.through == 250


def test_a_small_hole_that_stays_open_goes_out_in_smaller_and_smaller_pieces() -> None:
    delivery = EpochDelivery(EPOCH, 1, 300)
    blocks(delivery)
    delivery.acknowledged(ack(100, 300, [(101, 200)]), OVERTAKEN_AFTER_S)
    assert blocks(delivery, OVERTAKEN_AFTER_S) == []  # all were sent at one moment: none overtook
    rounds = []
    for number in range(1, 5):
        delivery.overdue(number * RESEND_AFTER_S)
        rounds.append(blocks(delivery, number * RESEND_AFTER_S))
    assert rounds[0] == [(101, 200)]
    assert rounds[1] == [(first, first + 9) for first in range(101, 201, 10)]
    assert rounds[2] == rounds[3] == [(seq, seq) for seq in range(101, 101 + WINDOW_BLOCKS)]


def test_what_arrived_is_no_longer_suspect() -> None:
    delivery = EpochDelivery(EPOCH, 1, 100)
    for number in range(4):
        blocks(delivery, number * RESEND_AFTER_S)
        delivery.overdue((number + 1) * RESEND_AFTER_S)
    delivery.acknowledged(ack(100), 50.0)
    delivery.acknowledged(ack(0), 51.0)
    assert blocks(delivery, 51.0) == [(1, 100)]


def test_a_large_hole_goes_out_in_blocks_until_its_rest_is_small() -> None:
    delivery = EpochDelivery(EPOCH, 1, 1_000)
    for number in range(3):
        blocks(delivery, number * RESEND_AFTER_S)
        delivery.overdue((number + 1) * RESEND_AFTER_S)
    delivery.acknowledged(ack(100, 600, [(301, 550)]), 3 * RESEND_AFTER_S)
    assert blocks(delivery, 3 * RESEND_AFTER_S)[:3] == [(301, 400), (401, 500), (501, 501)]


@pytest.mark.parametrize(("age_s", "resent"), [(OVERTAKEN_AFTER_S, True), (OVERTAKEN_AFTER_S - 0.01, False)])
def test_a_block_is_lost_when_one_sent_later_arrived_and_some_time_has_passed(
    age_s: float, resent: bool
) -> None:
    delivery = EpochDelivery(EPOCH, 1, 200)
    assert delivery.next_block(0.0) == (1, 100)
    assert delivery.next_block(0.1) == (101, 200)
    delivery.acknowledged(ack(0, 200, [(1, 100)]), age_s)
    assert bool(blocks(delivery, age_s)) is resent


@pytest.mark.parametrize("lane", ["fresh", "backlog"])
def test_what_is_never_named_is_sent_again_after_some_seconds(lane: str) -> None:
    delivery = EpochDelivery(EPOCH, 1, 1)
    if lane == "fresh":
        delivery.acknowledged(ack(1), 0.0)
        delivery.appended(2)
        fresh(delivery)
    else:
        blocks(delivery)
    delivery.overdue(RESEND_AFTER_S - 0.01)
    assert blocks(delivery) == []
    delivery.overdue(RESEND_AFTER_S)
    assert blocks(delivery) == [(delivery.head, delivery.head)]


def test_a_lost_connection_gives_everything_on_its_way_up() -> None:
    delivery = EpochDelivery(EPOCH, 1, 300)
    blocks(delivery)
    delivery.appended(302)
    fresh(delivery)
    delivery.appended(304)
    delivery.connection_lost()
    assert in_flight(delivery) == 0
    assert blocks(delivery)[:3] == [(1, 100), (101, 200), (201, 300)]


def test_a_centre_restored_from_a_backup_gets_again_what_it_lost() -> None:
    delivery = EpochDelivery(EPOCH, 1, 500)
    blocks(delivery)
    delivery.acknowledged(ack(500), 0.0)
    delivery.acknowledged(ack(100), 1.0)
    assert delivery.through == 100
    assert blocks(delivery, 1.0)[:2] == [(101, 200), (201, 300)]


def test_an_acknowledgement_beyond_what_is_here_does_no_harm() -> None:
    delivery = EpochDelivery(EPOCH, 1, 5)
    delivery.acknowledged(ack(1_000), 0.0)
    assert delivery.through == 5
    delivery.appended(6)
    assert fresh(delivery) == [(6, 6)]


@pytest.mark.parametrize("missing", [[(9, 3)], [(1, 2**48)], [(1, 1), (1, 1), (1, 5)], [(50, 60)]], ids=repr)
def test_senseless_missing_ranges_do_no_harm(missing: list[Range]) -> None:
    delivery = EpochDelivery(EPOCH, 1, 10)
    delivery.acknowledged(EpochAck(EPOCH, 4, "0" * 64, 3, missing), 0.0)
    assert {n for first, last in blocks(delivery) for n in range(first, last + 1)} <= set(range(1, 11))


def test_pruned_records_are_no_longer_asked_for_nor_on_their_way() -> None:
    delivery = EpochDelivery(EPOCH, 1, 5_000)
    assert delivery.next_block(0.0) == (1, 100)
    assert delivery.next_block(0.0) == (101, 200)
    delivery.pruned(151)
    assert in_flight(delivery) == 1
    delivery.overdue(RESEND_AFTER_S)
    delivery.pruned(4_999)
    assert blocks(delivery, RESEND_AFTER_S) == [(4_999, 5_000)]


def test_an_acknowledgement_from_before_the_pruning_brings_nothing_back() -> None:
    delivery = EpochDelivery(EPOCH, 1, 10)
    delivery.acknowledged(ack(10), 0.0)
    delivery.pruned(8)
    delivery.acknowledged(ack(2), 0.0)
    assert blocks(delivery) == [(8, 10)]


def test_what_lies_in_a_hole_is_neither_sent_nor_on_its_way() -> None:
    delivery = EpochDelivery(EPOCH, 1, 400)
    assert delivery.next_block(0.0) == (1, 100)
    assert delivery.next_block(0.0) == (101, 200)
    delivery.lacks_all_but([(3, 149), (300, 350), (352, 400)])
    assert delivery.holes == ((150, 299), (351, 351))
    assert blocks(delivery) == [(101, 149), (300, 350), (352, 400)]
    delivery.connection_lost()
    assert blocks(delivery) == [(3, 102), (103, 149), (300, 350), (352, 400)]


def test_a_hole_that_the_centre_counts_as_lost_is_not_told_again() -> None:
    delivery = EpochDelivery(EPOCH, 1, 20)
    delivery.lacks_all_but([(1, 5), (8, 12), (15, 20)])
    delivery.acknowledged(ack(5, 20, [(6, 7), (13, 14)]), 0.0)
    assert (delivery.idle, delivery.complete, delivery.holes) == (True, False, ((6, 7), (13, 14)))
    delivery.acknowledged(ack(12, 20, [(13, 14)]), 0.0)
    assert delivery.holes == ((13, 14),)
    delivery.acknowledged(ack(20), 0.0)
    assert delivery.complete
    assert not delivery.holes


# What must not wait behind a backlog.


def urgent(delivery: EpochDelivery, now_s: float = 0.0) -> list[Range]:
    return list(iter(lambda: delivery.next_urgent(now_s), None))


def look_through(delivery: EpochDelivery, alarms: set[int], most: int = 200) -> list[Range]:
    """Everything that waits, some at a time; returns what was looked at."""
    looked = []
    while span := delivery.to_look_through(most):
        delivery.looked_through(span, sorted(alarms & set(range(span[0], span[1] + 1))))
        looked.append(span)
    return looked


def test_the_newest_of_a_backlog_go_out_as_if_they_had_just_happened() -> None:
    delivery = EpochDelivery(EPOCH, 1, 5_000)
    delivery.newest_first()
    assert fresh(delivery) == [(5_001 - NEWEST_FIRST, 5_000)]
    assert delivery.next_block(0.0) == (1, 100)
    assert delivery.backlog == 5_000 - NEWEST_FIRST - 100


def test_what_the_centre_has_of_the_newest_is_not_sent_again() -> None:
    delivery = EpochDelivery(EPOCH, 1, 5_000)
    delivery.acknowledged(ack(0, 5_000, [(1, 4_990), (4_995, 4_996)]), 0.0)
    delivery.newest_first()
    assert fresh(delivery) == []
    delivery.acknowledged(ack(0, 4_998, [(1, 4_990)]), 0.0)
    delivery.newest_first()
    assert fresh(delivery) == [(4_999, 5_000)]


def test_a_backlog_of_one_block_is_not_torn() -> None:
    delivery = EpochDelivery(EPOCH, 1, BLOCK_RECORDS)
    delivery.newest_first()
    assert delivery.to_look_through(200) is None
    assert (fresh(delivery), blocks(delivery)) == ([], [(1, BLOCK_RECORDS)])


def test_alarms_of_a_backlog_go_out_alone_and_are_not_sent_twice() -> None:
    delivery = EpochDelivery(EPOCH, 1, 1_000)
    looked = look_through(delivery, {3, 450, 999})
    assert looked == [(801, 1_000), (601, 800), (401, 600), (201, 400), (1, 200)]
    assert urgent(delivery) == [(999, 999), (450, 450), (3, 3)]
    assert blocks(delivery)[:2] == [(1, 2), (4, 103)]
    delivery.acknowledged(ack(1_000), 0.0)
    assert (urgent(delivery), in_flight(delivery)) == ([], 0)


def test_alarms_have_a_window_of_their_own_and_so_does_the_search_for_them() -> None:
    delivery = EpochDelivery(EPOCH, 1, 1_000)
    blocks(delivery)
    delivery.appended(2_000)
    assert blocks(delivery) != []
    delivery = EpochDelivery(EPOCH, 1, 10_000)
    assert len(blocks(delivery)) == WINDOW_BLOCKS
    looked = look_through(delivery, set(range(9_000, 9_100)))
    assert looked[-1] == (9_001, 9_200)
    assert len(urgent(delivery)) == WINDOW_URGENT
    delivery.acknowledged(ack(0, 9_002, [(1, 9_000)]), 0.0)
    assert len(urgent(delivery)) == 2


def test_an_alarm_that_something_later_overtook_goes_first_again_soon() -> None:
    delivery = EpochDelivery(EPOCH, 1, 1_000)
    look_through(delivery, {500})
    assert urgent(delivery, 0.0) == [(500, 500)]
    assert delivery.next_block(0.1) == (1, 100)
    delivery.acknowledged(ack(100), OVERTAKEN_AFTER_S)
    assert urgent(delivery, OVERTAKEN_AFTER_S) == [(500, 500)]


def test_an_alarm_that_got_lost_goes_first_again() -> None:
    delivery = EpochDelivery(EPOCH, 1, 1_000)
    look_through(delivery, {500})
    assert urgent(delivery) == [(500, 500)]
    delivery.connection_lost()
    assert urgent(delivery) == [(500, 500)]
    delivery.overdue(RESEND_AFTER_S)
    assert urgent(delivery, RESEND_AFTER_S) == [(500, 500)]


def test_what_the_centre_once_had_is_searched_again_when_it_asks_for_it() -> None:
    delivery = EpochDelivery(EPOCH, 1, 1_000)
    look_through(delivery, {500})
    delivery.acknowledged(ack(1_000), 0.0)
    delivery.acknowledged(ack(100), 1.0)
    look_through(delivery, {500})
    assert urgent(delivery, 1.0) == [(500, 500)]


def test_while_nobody_acknowledges_new_records_wait_with_the_others() -> None:
    delivery = EpochDelivery(EPOCH, 1, 1)
    delivery.acknowledged(ack(1), 0.0)
    for head in range(2, 40):
        delivery.appended(head)
        delivery.next_fresh(0.0, window=4)
    assert in_flight(delivery) == 4
    assert blocks(delivery, 0.0) == [(6, 39)]


def test_a_lost_connection_makes_no_record_suspect() -> None:
    delivery = EpochDelivery(EPOCH, 1, 150)
    blocks(delivery)
    delivery.connection_lost()
    assert blocks(delivery) == [(1, 100), (101, 150)]


def test_what_did_not_fit_into_a_message_goes_with_the_next() -> None:
    delivery = EpochDelivery(EPOCH, 1, 150)
    assert delivery.next_block(0.0) == (1, 100)
    delivery.cut_short(1, 100, 25)
    assert blocks(delivery, 0.0) == [(26, 125), (126, 150)]
    assert delivery.acknowledged(ack(25), 0.0).arrived == 1


def test_what_was_pruned_meanwhile_does_not_wait_again() -> None:
    delivery = EpochDelivery(EPOCH, 1, 150)
    assert delivery.next_block(0.0) == (1, 100)
    delivery.acknowledged(ack(60), 0.0)
    delivery.pruned(41)
    delivery.cut_short(1, 100, 25)
    delivery.connection_lost()
    assert blocks(delivery, 0.0) == [(41, 140), (141, 150)]
    delivery.pruned(151)
    delivery.cut_short(141, 150, 145)
    assert blocks(delivery, 0.0) == []


def test_an_acknowledgement_says_how_many_messages_arrived_and_how_many_did_not() -> None:
    delivery = EpochDelivery(EPOCH, 1, 300)
    for sent_s in (0.0, 0.1, 0.2):
        delivery.next_block(sent_s)
    heard = delivery.acknowledged(ack(100, 300, [(101, 200)]), 5.0)
    assert (heard.arrived, heard.lost) == (2, 1)


class Centre:
    """Commits what arrives, and says what it has as the real one does."""

    def __init__(self) -> None:
        self.committed: set[int] = set()

    def says(self) -> EpochAck:
        seen = max(self.committed, default=0)
        missing = _ranges(set(range(1, seen + 1)) - self.committed)
        if len(missing) > MAX_RANGES:
            seen = missing[MAX_RANGES][0] - 1
            missing = missing[:MAX_RANGES]
        return ack(missing[0][0] - 1 if missing else seen, seen, missing)


def _ranges(numbers: set[int]) -> list[Range]:
    runs = groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0])
    return [(run[0][1], run[-1][1]) for run in (list(group) for _, group in runs)]


def test_the_model_centre_names_its_holes() -> None:
    centre = Centre()
    centre.committed = {1, 2, 5, 6, 9}
    assert centre.says() == ack(2, 9, [(3, 4), (7, 8)])


class DeliveryModel(RuleBasedStateMachine):
    """Messages and acknowledgements are lost, doubled, overtaken and late; the centre may be restored."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.delivery = EpochDelivery(EPOCH, 1, 1)
        self.centre = Centre()
        self.backups: list[set[int]] = []
        self.records: list[Range] = []  # on their way to the centre
        self.acks: list[EpochAck] = []  # on their way back
        self.licensed = 0

    @rule(count=st.sampled_from([1, 2, 9, 60, 700, 4_000]))
    def append(self, count: int) -> None:
        self.delivery.appended(self.delivery.head + count)

    @rule(messages=st.integers(1, 120))
    def send(self, messages: int) -> None:
        self._send(messages)

    @rule(seconds=st.sampled_from([0.01, 0.5, 1.5, 11.0]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.delivery.overdue(self.now_s)

    @precondition(lambda self: self.records)
    @rule(data=st.data())
    def a_message_arrives(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.records) - 1))
        first, last = self.records[index]
        if not data.draw(st.booleans(), "doubled"):
            del self.records[index]
        self.centre.committed |= set(range(first, last + 1))

    @precondition(lambda self: self.records)
    @rule(keep=st.integers(0, 3))
    def messages_are_lost(self, keep: int) -> None:
        self.records = self.records[::4][:keep]

    @rule()
    def the_centre_acknowledges(self) -> None:
        self.acks.append(self.centre.says())

    @precondition(lambda self: self.acks)
    @rule(data=st.data())
    def an_acknowledgement_arrives(self, data: st.DataObject) -> None:
        said = self.acks.pop(data.draw(st.integers(0, len(self.acks) - 1)))
        self.delivery.acknowledged(said, self.now_s)

    @rule()
    def the_connection_is_lost(self) -> None:
        self.delivery.connection_lost()

    @rule()
    def the_newest_come_first(self) -> None:
        self.delivery.newest_first()

    @rule(most=st.integers(1, 300), every=st.sampled_from([1, 7, 1_000]))
    def alarms_are_looked_for(self, most: int, every: int) -> None:
        if span := self.delivery.to_look_through(most):
            self.delivery.looked_through(span, range(span[0], span[1] + 1, every))

    @precondition(lambda self: self.records)
    @rule(kept=st.integers(1, 99))
    def a_message_is_cut_short(self, kept: int) -> None:
        first, last = self.records[-1]
        if first + kept - 1 < last:
            self.records[-1] = (first, first + kept - 1)
            self.delivery.cut_short(first, last, first + kept - 1)

    @rule()
    def a_backup_is_made(self) -> None:
        self.backups.append(set(self.centre.committed))

    @precondition(lambda self: self.backups)
    @rule(data=st.data())
    def the_centre_is_restored(self, data: st.DataObject) -> None:
        self.centre.committed = set(data.draw(st.sampled_from(self.backups)))

    @rule()
    def old_records_are_pruned(self) -> None:
        """Days later: what every backup has too, and never the newest."""
        least = min((_contiguous(kept) for kept in [self.centre.committed, *self.backups]), default=0)
        oldest = min(least, self.delivery.head - 1) + 1
        self.delivery.pruned(oldest)

    @invariant()
    def the_windows_hold(self) -> None:
        assert in_flight(self.delivery) <= WINDOW_BLOCKS + WINDOW_FRESH + WINDOW_URGENT
        assert self.delivery.through <= self.delivery.head

    def teardown(self) -> None:
        """From here on the channel is good: everything must come to be committed, in bounded time."""
        for step in range(2_000):
            self._send(200)
            for first, last in self.records:
                self.centre.committed |= set(range(first, last + 1))
            if self.records or step == 0:  # a centre that hears nothing says nothing
                self.delivery.acknowledged(self.centre.says(), self.now_s)
            self.records.clear()
            if self.centre.committed == set(range(1, self.delivery.head + 1)):
                break
            self.now_s += 0.5
            self.delivery.overdue(self.now_s)
        assert self.centre.committed == set(range(1, self.delivery.head + 1))
        assert self.delivery.complete
        assert self._next() is None
        assert self.delivery.backlog == 0

    def _send(self, messages: int) -> None:
        for _ in range(messages):
            sent = self._next()
            if sent is None:
                return
            first, last = sent
            assert self.delivery.oldest <= first <= last <= self.delivery.head
            assert last - first < BLOCK_RECORDS
            self.records.append(sent)

    def _next(self) -> Range | None:
        urgent = self.delivery.next_urgent(self.now_s)
        return urgent or self.delivery.next_fresh(self.now_s) or self.delivery.next_block(self.now_s)


def _contiguous(numbers: set[int]) -> int:
    ordered = sorted(numbers)
    if not ordered or ordered[0] != 1:
        return 0
    return next((a for a, b in pairwise(ordered) if b != a + 1), ordered[-1])


DeliveryModel.TestCase.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
TestDeliveryOverABadChannel = DeliveryModel.TestCase
