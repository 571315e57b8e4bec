"""A journal of more epochs than one message names: all of them reach the centre, in order and once."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from central_support import SITE
from gateway_support import EPOCH_S, TurnedClock, a_fact, begin_epoch, opened
from sqlalchemy import Engine, delete, select

from central.fleet.completeness import Completeness, completeness
from central.ingest.intake import examine, take_in
from central.store.engine import reading, writing
from central.store.tables import epoch_head, finding, lost_range, record, segment
from gateway.delivery import RESEND_AFTER_S
from gateway.dispatch import Dispatch
from gateway.epochs import MAX_HOLES_TOLD, Epochs
from gateway.errors import JournalUnavailable
from gateway.journal import Journal
from gateway.journal_reader import JournalReader
from gateway.journal_view import Holdings
from messages.topics import GatewayTopic, Leaf
from messages.wire import MAX_EPOCHS, WIRE_VERSION, Ack, EpochAck, EpochHead, State, decode_block, encode

NOW_US = 1_800_000_000_000_000
GATEWAY = "east-1"
MANY = 40
EACH = 3  # records
OLDER = MAX_EPOCHS - 1


class Line:
    """Dispatch and the centre's real intake, with nothing between them but messages."""

    def __init__(self, engine: Engine, reader: JournalReader) -> None:
        self.engine = engine
        self.licensed: dict[int, int] = {}
        self.dispatch = Dispatch(reader, self.licensed.__setitem__)
        self.sent: list[tuple[int, int]] = []  # epoch and number of each record, as they went
        self.states = 0
        self.asked_for_again = 0
        self.now_s = 0.0

    def says_state(self) -> Holdings:
        listing = self.dispatch.listing()
        state = State(
            v=WIRE_VERSION,
            online=True,
            boot="0123456789abcdef",
            session="00000000000000aa",
            at=NOW_US,
            epochs=listing.heads,
            whole=listing.whole,
        )
        self.states += 1
        self._put([(Leaf.STATE, encode(state))])
        return listing

    def sends(self) -> int:
        """All that may go now, which the centre takes in one batch; how many messages that was."""
        blocks = list(iter(lambda: self.dispatch.next_block(self.now_s), None))
        for block in map(decode_block, blocks):
            self.sent += [(block.epoch, block.first + at) for at in range(block.count)]
        self._put([(Leaf.BACKLOG, block) for block in blocks])
        return len(blocks)

    def delivers(self) -> None:
        """As the uplink does: the state first, again when it is due, and blocks while there are any."""
        self.says_state()
        while self.dispatch.unacknowledged:
            assert self.sends() or self.dispatch.untold, self.dispatch.unacknowledged
            if self.dispatch.untold:
                self.says_state()

    def _put(self, messages: list[tuple[Leaf, bytes]]) -> None:
        if messages:
            batch = [examine(str(GatewayTopic(SITE, GATEWAY, leaf)), payload) for leaf, payload in messages]
            with writing(self.engine) as connection:
                [ack] = take_in(connection, batch, NOW_US).acks.values()
            self.dispatch.acknowledged(ack, self.now_s)

    def stored(self) -> list[tuple[int, int]]:
        """As the database numbered them: in the order in which they came."""
        query = select(record.c.epoch, record.c.seq).order_by(record.c.id)
        with self.engine.connect() as connection:
            return [(epoch, seq) for epoch, seq in connection.execute(query)]

    def lost(self) -> list[tuple[int, int]]:
        with self.engine.connect() as connection:
            found = connection.execute(select(lost_range.c.first, lost_range.c.last))
            return sorted((first, last) for first, last in found)

    def findings(self) -> set[str]:
        with self.engine.connect() as connection:
            return set(connection.execute(select(finding.c.kind)).scalars())

    def completeness(self) -> Completeness:
        with reading(self.engine) as connection:
            [found] = completeness(connection, site=SITE, name=GATEWAY)
        return found


@contextmanager
def of_epochs(path: Path, count: int) -> Iterator[tuple[Journal, JournalReader]]:
    """A journal of so many epochs, one second after the other, of EACH records."""
    clock = TurnedClock()
    with opened(path, clock) as journal:
        journal.append([a_fact()] * (EACH - 1))
        for number in range(1, count):
            clock.now = (EPOCH_S + number) * 1_000_000
            begin_epoch(journal)
            journal.append([a_fact()] * (EACH - 1))
        with closing(JournalReader(path)) as reader:
            yield journal, reader


def everything(count: int) -> list[tuple[int, int]]:
    return [(EPOCH_S + number, seq) for number in range(count) for seq in range(1, EACH + 1)]


def change(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql)


# Many epochs, and a real centre.


def test_forty_epochs_arrive_each_record_once_and_the_oldest_first(engine: Engine, tmp_path: Path) -> None:
    with of_epochs(tmp_path / "journal.db", MANY) as (journal, reader):
        line = Line(engine, reader)
        line.delivers()
        assert sorted(line.stored()) == everything(MANY)
        assert len(line.sent) == len(set(line.sent)) == MANY * EACH
        older = [place for place in line.sent if place[0] != journal.head.epoch]
        assert older == everything(MANY - 1)
        assert line.licensed == {EPOCH_S + number: EACH for number in range(MANY)}
        assert line.findings() == set()
        assert line.completeness().complete
        assert line.states <= MANY / (OLDER - 1) + 2


def test_the_centre_never_takes_itself_to_be_complete_before_it_is(engine: Engine, tmp_path: Path) -> None:
    with of_epochs(tmp_path / "journal.db", MANY) as (_, reader):
        line = Line(engine, reader)
        while line.dispatch.unacknowledged:
            line.says_state()
            while line.sends():
                assert line.completeness().complete == (len(line.stored()) == MANY * EACH)
        assert line.completeness().complete


def test_a_gateway_that_starts_again_sends_nothing_again_of_what_is_licensed(
    engine: Engine, tmp_path: Path
) -> None:
    with of_epochs(tmp_path / "journal.db", MANY) as (journal, reader):
        line = Line(engine, reader)
        line.delivers()
        for epoch, through in line.licensed.items():
            journal.acknowledge(epoch, through)
        again = Line(engine, reader)
        again.delivers()
        assert {epoch for epoch, _ in again.sent} <= {journal.head.epoch}
        assert again.dispatch.backlog == 0


def test_a_centre_that_was_restored_gets_again_what_it_lost_of_any_epoch(
    engine: Engine, tmp_path: Path
) -> None:
    with of_epochs(tmp_path / "journal.db", MANY) as (_, reader):
        line = Line(engine, reader)
        line.delivers()
        with writing(engine) as connection:
            for table in (record, segment, epoch_head):
                connection.execute(delete(table))
        line.sent.clear()
        for _ in range(6):  # the oldest of forty has its turn in one of them
            line.says_state()
            while line.sends():
                pass
        assert sorted(line.stored()) == everything(MANY)
        assert line.licensed == {EPOCH_S + number: EACH for number in range(MANY)}


def test_with_a_centre_that_is_away_no_more_are_begun_than_one_message_names(tmp_path: Path) -> None:
    with of_epochs(tmp_path / "journal.db", MANY) as (journal, reader):
        dispatch = Dispatch(reader, lambda *_: None)
        begun = {
            decode_block(block).epoch for now_s in range(0, 60, 20) for block in iter_blocks(dispatch, now_s)
        }
        assert begun == {EPOCH_S + number for number in range(OLDER - 1)} | {journal.head.epoch}
        assert len(dispatch.unacknowledged) == MANY
        assert dispatch.backlog <= MANY * EACH


def iter_blocks(dispatch: Dispatch, now_s: float) -> Iterator[bytes]:
    return iter(lambda: dispatch.next_block(now_s), None)


# What a state says.


def heads(count: int, records: int = EACH) -> list[EpochHead]:
    return [EpochHead(number, 1, records, f"{number:064x}") for number in range(1, count + 1)]


def named(epochs: Epochs) -> list[int]:
    return [head.epoch for head in epochs.listing().heads]


def has_whole(epochs: Epochs, *numbers: int) -> None:
    for number in numbers:
        epochs.acknowledged(EpochAck(number, EACH, f"{number:064x}", EACH, []), 0.0)
    epochs.settle()


def test_a_state_names_the_newest_epoch_and_the_oldest_that_are_not_acknowledged() -> None:
    epochs = Epochs()
    epochs.found(Holdings(heads(MANY), whole=True), {1: EACH, 2: EACH, 5: EACH - 1})
    assert named(epochs) == [*range(3, 3 + OLDER), MANY]
    assert not epochs.listing().whole


def test_a_state_that_names_all_epochs_says_so() -> None:
    epochs = Epochs()
    epochs.found(Holdings(heads(MAX_EPOCHS), whole=True), {})
    assert epochs.listing() == Holdings(heads(MAX_EPOCHS), whole=True)


def test_a_state_says_nothing_of_all_where_a_file_could_not_be_read() -> None:
    epochs = Epochs()
    epochs.found(Holdings(heads(2), whole=False), {})
    assert epochs.listing() == Holdings(heads(2), whole=False)


def test_what_is_acknowledged_is_named_in_its_turn_where_there_is_room() -> None:
    epochs = Epochs()
    epochs.found(Holdings(heads(MANY), whole=True), dict.fromkeys(range(1, MANY + 1), EACH))
    told = [number for _ in range(3) for number in named(epochs)]
    assert set(told) == set(range(1, MANY + 1))
    assert told.count(MANY) == 3


def test_the_next_state_is_due_when_what_was_named_is_done() -> None:
    epochs = Epochs()
    epochs.found(Holdings(heads(MANY), whole=True), {})
    first = named(epochs)
    epochs.take_in()
    assert list(epochs.at_work) == [*range(1, OLDER), MANY]  # the last one that is named is kept back
    has_whole(epochs, *first[: OLDER - 2])
    assert not epochs.untold
    has_whole(epochs, OLDER - 1)
    epochs.take_in()
    assert epochs.untold
    assert named(epochs)[0] == OLDER
    assert not epochs.untold


def test_an_epoch_that_becomes_readable_is_delivered_after_the_next_look() -> None:
    epochs = Epochs()
    epochs.found(Holdings(heads(4)[2:], whole=False), {})
    assert named(epochs) == [3, 4]
    epochs.found(Holdings(heads(4), whole=True), {})
    assert named(epochs) == [1, 2, 3, 4]
    epochs.take_in()
    assert list(epochs.at_work) == [1, 2, 3, 4]


def test_an_epoch_that_cannot_be_read_any_more_stays_known_until_it_is_surely_gone() -> None:
    epochs = Epochs()
    epochs.found(Holdings(heads(2), whole=True), {})
    epochs.found(Holdings(heads(2)[1:], whole=False), {})
    assert named(epochs) == [1, 2]
    epochs.found(Holdings(heads(2)[1:], whole=True), {})
    assert (named(epochs), list(epochs.at_work)) == ([2], [2])


def test_the_former_epochs_last_records_go_when_a_new_one_was_begun_before_word_of_them_came() -> None:
    epochs = Epochs()
    epochs.found(Holdings(heads(1), whole=True), {})
    epochs.appended(1, EACH + 1)
    epochs.appended(2, 1)
    now = [EpochHead(1, 1, EACH + 4, "a" * 64), EpochHead(2, 1, 1, "b" * 64)]
    epochs.found(Holdings(now, whole=True), {})
    assert epochs.at_work[1].next_block(0.0) == (1, EACH + 4)


def test_many_epochs_that_begin_one_after_the_other_wait_like_older_ones() -> None:
    epochs = Epochs()
    for number in range(1, MANY + 1):
        epochs.appended(number, EACH)
        epochs.found(Holdings(heads(number), whole=True), {})
    assert len(epochs.at_work) <= MAX_EPOCHS
    assert len(epochs.unacknowledged) == MANY
    assert epochs.backlog == MANY * EACH


# Holes.


def test_what_salvage_could_not_save_is_told_and_holds_up_nothing(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with of_epochs(path, 1) as (journal, reader):
        journal.append([a_fact()] * 1_000)
        last = journal.head.seq
        begin_epoch(journal)
        change(path, "DELETE FROM records WHERE id BETWEEN 5 AND 8 OR id BETWEEN 300 AND 900 OR id = 950")
        line = Line(engine, reader)
        line.delivers()
        held = [*range(1, 5), *range(9, 300), *range(901, 950), *range(951, last + 1)]
        assert [seq for epoch, seq in line.stored() if epoch == EPOCH_S] == held
        assert [seq for epoch, seq in line.sent if epoch == EPOCH_S] == held  # each one once
        assert line.lost() == [(5, 8), (300, 900), (950, 950)]
        assert line.findings() == {"lost"}
        assert line.licensed[EPOCH_S] == last
        assert line.completeness().behind == 0


def test_many_holes_are_told_some_with_each_state(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with of_epochs(path, 1) as (journal, reader):
        journal.append([a_fact()] * 150)
        begin_epoch(journal)
        change(path, "DELETE FROM records WHERE id % 4 = 3 AND id < 150")
        line = Line(engine, reader)
        told = 0
        line.says_state()
        while line.sends():
            pass
        while line.dispatch.unacknowledged:
            [older, _] = line.says_state().heads
            assert 0 < len(older.holes) <= MAX_HOLES_TOLD
            told += len(older.holes)
        assert told == len(line.lost()) == 37
        assert line.completeness().behind == 0


def test_a_hole_is_looked_for_once_and_not_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with of_epochs(path, 2) as (_, reader):
        change(path, "DELETE FROM records WHERE id = 2")
        looks: list[int] = []
        held = reader.held
        dispatch = Dispatch(Counted(reader, looks), lambda *_: None)
        for round_ in range(5):
            list(iter_blocks(dispatch, round_ * RESEND_AFTER_S))
            dispatch.listing()
        assert looks == [EPOCH_S]
        assert held(EPOCH_S) == [(1, 1), (3, 3)]


class Counted:
    """A reader that notes which epochs were looked through."""

    def __init__(self, reader: JournalReader, looks: list[int]) -> None:
        self._looks = looks
        self._held = reader.held
        self.holdings = reader.holdings
        self.acknowledged = reader.acknowledged
        self.joined = reader.joined
        self.envelopes = reader.envelopes
        self.hash_of = reader.hash_of

    def held(self, epoch: int) -> list[tuple[int, int]]:
        self._looks.append(epoch)
        return self._held(epoch)


# What the centre asks for again.


def asked_for(dispatch: Dispatch) -> list[tuple[int, int]]:
    blocks = [decode_block(block) for block in iter_blocks(dispatch, 0.0)]
    return [(block.first, block.first + block.count - 1) for block in blocks]


def test_asked_for_again_goes_what_is_held_of_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with of_epochs(path, 1) as (journal, reader):
        journal.append([a_fact()] * 2_000)
        dispatch = Dispatch(reader, lambda *_: None)
        list(iter_blocks(dispatch, 0.0))
        change(path, "DELETE FROM records WHERE id < 1500 OR id BETWEEN 1510 AND 1989")
        dispatch.send_again(EPOCH_S, 1, 1_993)
        assert asked_for(dispatch) == [(1_500, 1_509), (1_990, 1_993)]
        dispatch.send_again(EPOCH_S, 1, 1_400)
        dispatch.send_again(EPOCH_S, 1_600, 1_700)
        dispatch.send_again(EPOCH_S, 9_000, 9_100)
        dispatch.send_again(EPOCH_S + 7, 1, 2)
        assert asked_for(dispatch) == []


# The whole journal, or a part.


def test_a_journal_whose_second_file_is_away_is_not_all_of_it(tmp_path: Path) -> None:
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    with opened(first):
        pass
    with opened(second, TurnedClock(EPOCH_S + 9)):
        pass
    with closing(JournalReader(first, second)) as reader:
        both = reader.holdings()
        assert (len(both.heads), both.whole) == (2, True)
        second.rename(tmp_path / "away")
        assert reader.holdings() == Holdings(both.heads, whole=False)
        (tmp_path / "away").rename(second)
        assert reader.holdings() == both
        first.rename(tmp_path / "away")
        assert not reader.holdings().whole
    with closing(JournalReader(first, second)) as reader:  # one that never saw the first
        assert [head.epoch for head in reader.holdings().heads] == [EPOCH_S + 9]
        assert not reader.holdings().whole


def test_a_file_that_goes_on_from_another_one_is_not_all_of_it_alone(tmp_path: Path) -> None:
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    with opened(first) as journal:
        journal.append([a_fact()])
    first.rename(tmp_path / "away")
    with opened(second, TurnedClock(EPOCH_S + 9)):
        pass
    change(second, "UPDATE epochs SET former_epoch = 1700000000, former_seq = 2")
    with closing(JournalReader(second)) as reader:
        assert not reader.holdings().whole
    (tmp_path / "away").rename(first)
    with closing(JournalReader(second, first)) as reader:
        assert reader.holdings().whole


def test_a_file_that_cannot_be_read_at_the_start_is_delivered_once_it_can(
    engine: Engine, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    with opened(first) as journal:
        journal.append([a_fact()] * 4)
    with opened(second, TurnedClock(EPOCH_S + 9)) as journal:
        journal.append([a_fact()])
    first.rename(tmp_path / "away")
    with closing(JournalReader(first, second)) as reader:
        line = Line(engine, reader)
        line.delivers()
        assert [epoch for epoch, _ in line.sent] == [EPOCH_S + 9] * 2
        (tmp_path / "away").rename(first)
        line.delivers()
        assert [place for place in line.sent if place[0] == EPOCH_S] == [(EPOCH_S, n) for n in range(1, 6)]
        assert line.findings() == set()


def test_dispatch_does_not_begin_where_nothing_can_be_read(tmp_path: Path) -> None:
    with (
        closing(JournalReader(tmp_path / "no.db")) as reader,
        pytest.raises(JournalUnavailable, match=r"no\.db: cannot be opened"),
    ):
        Dispatch(reader, lambda *_: None)


# An acknowledgement that names more.


def test_the_centres_word_of_an_epoch_that_waits_is_kept_for_its_turn() -> None:
    epochs = Epochs()
    epochs.found(Holdings(heads(MANY), whole=True), {})
    epochs.listing()
    epochs.acknowledged(EpochAck(30, 1, None, EACH, [(2, 2)]), 0.0)
    has_whole(epochs, *range(1, 30))
    epochs.listing()
    epochs.take_in()
    assert epochs.at_work[30].next_block(0.0) == (2, 2)
    assert epochs.at_work[30].next_block(0.0) is None


def test_what_waits_is_licensed_by_its_own_hash(tmp_path: Path) -> None:
    with of_epochs(tmp_path / "journal.db", MANY) as (_, reader):
        licensed: list[tuple[int, int]] = []
        dispatch = Dispatch(reader, lambda epoch, through: licensed.append((epoch, through)))
        waits = EPOCH_S + 30
        ack = EpochAck(waits, EACH, reader.hash_of(waits, EACH), EACH, [])
        dispatch.acknowledged(Ack(WIRE_VERSION, [ack]), 0.0)
        assert licensed == [(waits, EACH)]
        assert waits not in dict(dispatch.unacknowledged)
