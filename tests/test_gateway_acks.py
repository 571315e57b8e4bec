"""Acknowledgements on their way to the uplink: none is lost to another, whichever way they came."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gateway_support import EPOCH_S, TurnedClock, a_fact, free_port, opened, until

from gateway.acks import CarriedAcks, LineAcks, merged
from gateway.errors import JournalUnavailable
from gateway.journal import Journal
from gateway.journal_reader import JournalReader
from gateway.order_queue import Fate
from gateway.self_report import Report
from gateway.settings import MqttPart
from gateway.uplink import Uplink
from messages.acks import STALE_AFTER_US, tell_ack
from messages.model import Reason
from messages.signing import trusted
from messages.wire import WIRE_VERSION, About, Ack, EpochAck, encode

HASH = "ab" * 32


def through(epoch: int, last: int, digest: str | None = HASH) -> EpochAck:
    return EpochAck(epoch, last, digest, last, [])


def an_ack(*epochs: EpochAck) -> Ack:
    return Ack(WIRE_VERSION, list(epochs))


# --- by the line


def test_of_two_acknowledgements_the_later_word_holds_and_no_epoch_is_forgotten() -> None:
    earlier = an_ack(through(1, 10), through(2, 20))
    later = an_ack(through(2, 15), through(3, 5))  # less than before: the centre was restored
    assert merged(earlier, later) == an_ack(through(1, 10), through(2, 15), through(3, 5))


def test_epochs_without_end_do_not_fill_the_memory() -> None:
    ack = an_ack(through(1, 1))
    for epoch in range(2, 1_000):
        ack = merged(ack, an_ack(through(epoch, 1)))
    assert len(ack.epochs) == 64
    assert ack.epochs[-1] == through(999, 1)


CENTRE_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(32))
NOW_US = 1_700_000_000_000_000
ACK = an_ack(through(1, 10))


def the_line(*keys: Ed25519PrivateKey) -> LineAcks:
    return LineAcks(trusted(*(key.public_key() for key in keys)), "north", "east-1")


def signed(key: Ed25519PrivateKey = CENTRE_KEY, gateway: str = "east-1", at_us: int = NOW_US) -> bytes:
    return tell_ack(ACK, key, "north", gateway, at_us)


def test_without_the_centres_keys_everything_is_taken_as_ever_signed_or_not() -> None:
    line = the_line()
    for payload in (encode(ACK), signed(), signed(STRANGER)):
        taken = line.read(payload, 0.0, kept=False)
        assert isinstance(taken, Ack)
        assert taken.epochs == ACK.epochs
    assert line.read(b"{", 0.0, kept=False) is None


@pytest.mark.parametrize("kept", [False, True])
def test_with_them_what_the_centre_signed_is_taken_also_when_the_broker_kept_it(kept: bool) -> None:
    for _ in range(2):
        assert isinstance(the_line(STRANGER, CENTRE_KEY).read(signed(), 0.0, kept=kept), Ack)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        pytest.param(encode(ACK), Reason.NOT_SIGNED, id="unsigned"),
        pytest.param(signed(STRANGER), Reason.NOT_SIGNED, id="by a stranger"),
        pytest.param(signed(gateway="west-2"), Reason.FOREIGN, id="of another gateway"),
        pytest.param(b"[" * 50_000, Reason.BAD_FILE, id="nested"),
        pytest.param(b"", Reason.BAD_FILE, id="empty"),
    ],
)
def test_anything_else_is_refused_and_told_once_for_each_run(
    payload: bytes, reason: Reason, caplog: pytest.LogCaptureFixture
) -> None:
    line = the_line(CENTRE_KEY)
    assert [line.read(payload, 0.0, kept=False) for _ in range(3)] == [reason, None, None]
    assert caplog.text.count("cannot be taken") == 1
    assert isinstance(line.read(signed(), 0.0, kept=False), Ack)
    assert line.read(payload, 0.0, kept=False) is reason


def test_what_the_broker_kept_of_before_the_keys_is_not_taken_and_makes_no_record() -> None:
    line = the_line(CENTRE_KEY)
    assert line.read(encode(ACK), 0.0, kept=True) is None
    assert line.read(encode(ACK), 0.0, kept=False) is Reason.NOT_SIGNED


def test_an_old_one_played_again_is_refused_once_a_newer_one_was_taken() -> None:
    """A centre that was restored from a backup has less than its older word says."""
    line, later_us = the_line(CENTRE_KEY), NOW_US + STALE_AFTER_US + 1
    assert isinstance(line.read(signed(), 0.0, kept=False), Ack)
    assert isinstance(line.read(signed(at_us=later_us), 0.0, kept=False), Ack)
    assert line.read(signed(), 0.0, kept=False) is Reason.OLDER
    assert isinstance(line.read(signed(at_us=later_us), 0.0, kept=True), Ack)


def test_forgeries_between_true_ones_do_not_fill_the_journal() -> None:
    line, told = the_line(CENTRE_KEY), 0
    for _ in range(500):
        told += line.read(encode(ACK), 0.0, kept=False) is Reason.NOT_SIGNED
        line.read(signed(), 0.0, kept=False)
    assert told == 20


# --- by hand


class Desk:
    def __init__(self) -> None:
        self.acks = CarriedAcks()
        self.fates: list[Fate] = []

    def put(self, *epochs: EpochAck) -> None:
        self.acks.put(encode(an_ack(*epochs)), self.fates.append)

    def take(self) -> None:
        self.acks.take(lambda ack: {each.epoch: each.through for each in ack.epochs})


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_it_is_settled_once_every_epoch_of_it_is_noted(desk: Desk) -> None:
    desk.put(through(1, 10), through(2, 20))
    desk.acks.look(lambda: {1: 10, 2: 20})
    assert desk.fates == []  # nobody has taken it yet
    desk.take()
    desk.acks.look(lambda: {1: 10, 2: 19})
    assert desk.fates == []
    desk.acks.look(lambda: {1: 10, 2: 21})
    assert desk.fates == [Fate.FOR_GOOD]


def test_where_the_line_has_spoken_since_it_says_nothing_any_more(desk: Desk) -> None:
    desk.put(through(1, 10), through(2, 20))
    desk.take()
    desk.acks.overtaken(an_ack(through(2, 5)))
    desk.acks.look(lambda: {1: 10})
    assert desk.fates == [Fate.FOR_GOOD]


def test_while_the_journal_cannot_be_read_it_stays(desk: Desk) -> None:
    def unreadable(*_: object) -> dict[int, int]:
        raise JournalUnavailable("no")

    desk.put(through(1, 10))
    desk.acks.take(unreadable)
    assert desk.fates == [Fate.NOT_NOW]
    desk.put(through(1, 10))
    desk.take()
    desk.acks.look(unreadable)
    assert desk.fates == [Fate.NOT_NOW]


def test_what_is_no_acknowledgement_is_done_with(desk: Desk) -> None:
    desk.acks.put(b"{}", desk.fates.append)
    assert desk.fates == [Fate.FOR_GOOD]


# --- in the uplink


class Building:
    """A journal of eleven records and the uplink above it; no broker answers."""

    def __init__(self, folder: Path, journal: Journal, reader: JournalReader) -> None:
        self.journal = journal
        self.reader = reader
        self.licensed: list[tuple[int, int]] = []
        self.uplink = Uplink(
            settings=MqttPart.model_validate({"port": free_port()}),
            site="north",
            gateway="east-1",
            about=About(WIRE_VERSION, "liuhen 0", "Building 1", []),
            reader=reader,
            clock=TurnedClock(),
            report=lambda: Report(1, {}),
            licensed=lambda epoch, last: self.licensed.append((epoch, last)),
        )
        self.thread = threading.Thread(target=self.uplink.run)

    def ack(self, last: int) -> bytes:
        return encode(an_ack(through(EPOCH_S, last, self.reader.hash_of(EPOCH_S, last))))


@pytest.fixture
def building(tmp_path: Path) -> Iterator[Building]:
    with opened(tmp_path / "journal.db") as journal:
        journal.append([a_fact()] * 10)
        with closing(JournalReader(journal.path)) as reader:
            made = Building(tmp_path, journal, reader)
            yield made
            made.uplink.stop()
            if made.thread.ident is not None:
                made.thread.join(20)
            assert not made.thread.is_alive()


def test_carried_ones_that_come_before_the_uplink_runs_are_all_taken(building: Building) -> None:
    fates: list[Fate] = []
    for last in (3, 7, 5):
        building.uplink.take_ack(building.ack(last), fates.append)
    building.thread.start()
    until(lambda: (EPOCH_S, 7) in building.licensed, "the licence")
    assert building.licensed == [(EPOCH_S, 3), (EPOCH_S, 7)]  # 5 adds nothing
    building.journal.acknowledge(EPOCH_S, 7)
    until(lambda: len(fates) == 3, "the licence to be found noted")
    assert set(fates) == {Fate.FOR_GOOD}


def test_what_the_line_says_does_not_replace_what_was_carried(building: Building) -> None:
    building.uplink.take_ack(building.ack(7))
    building.uplink._on_message("liuhen/v1/north/east-1/ack", building.ack(4), False)
    building.thread.start()
    until(lambda: len(building.licensed) == 2, "both licences")
    assert building.licensed == [(EPOCH_S, 4), (EPOCH_S, 7)]
