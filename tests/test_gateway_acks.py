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
from messages.model import ClockQuality, Reason
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


def the_line(*keys: Ed25519PrivateKey, clock: TurnedClock | None = None) -> LineAcks:
    keys_known = trusted(*(key.public_key() for key in keys))
    return LineAcks(keys_known, "north", "east-1", clock or a_clock())


def a_clock(quality: ClockQuality = ClockQuality.SYNCED) -> TurnedClock:
    clock = TurnedClock(NOW_US // 1_000_000)
    clock.synced = quality
    return clock


def signed(
    key: Ed25519PrivateKey = CENTRE_KEY, gateway: str = "east-1", at_us: int = NOW_US, ack: Ack = ACK
) -> bytes:
    return tell_ack(ack, key, "north", gateway, at_us)


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


class Centre:
    """Its acknowledgements, made `at_s` seconds from now by its clock, and what a gateway made of them."""

    def __init__(self, clock: TurnedClock) -> None:
        self.clock = clock
        self.line = the_line(CENTRE_KEY, clock=clock)

    def says(self, at_s: float, *epochs: EpochAck) -> bool | Reason | None:
        made = signed(at_us=NOW_US + int(at_s * 1_000_000), ack=an_ack(*epochs))
        taken = self.line.read(made, 0.0, kept=False)
        return True if isinstance(taken, Ack) else taken


OLDER_S = -STALE_AFTER_US / 1_000_000 - 1
DAY_S = 86_400


def test_an_old_one_played_again_is_refused_where_it_names_less_than_is_known() -> None:
    centre = Centre(a_clock())
    assert centre.says(0, through(1, 10), through(2, 5)) is True
    assert centre.says(OLDER_S, through(1, 9)) is Reason.OLDER
    assert centre.says(OLDER_S, through(2, 6), through(1, 9)) is None  # of the same run
    assert centre.says(OLDER_S, through(1, 10)) is True  # it says what the newest says


def test_an_old_one_from_before_a_restore_is_refused_until_the_centre_has_again_what_it_had() -> None:
    """Else it would license the deletion of what only the gateway has by now."""
    centre = Centre(a_clock())
    assert centre.says(OLDER_S - 1, through(1, 10)) is True
    assert centre.says(0, through(1, 4)) is True  # restored from a backup
    assert centre.says(OLDER_S, through(1, 10)) is Reason.OLDER
    assert centre.says(OLDER_S, through(2, 3)) is None  # of an epoch not heard of since the start
    assert centre.says(0, through(1, 7)) is True
    assert centre.says(OLDER_S, through(1, 10)) is Reason.OLDER
    assert centre.says(0, through(1, 10)) is True
    assert centre.says(OLDER_S, through(1, 10), through(2, 3)) is True


@pytest.mark.parametrize("quality", list(ClockQuality))
def test_a_centre_whose_clock_was_ahead_for_a_while_is_heard_ever_after(quality: ClockQuality) -> None:
    centre = Centre(a_clock(quality))
    assert centre.says(3 * DAY_S, through(1, 10)) is True
    for last in range(11, 20):
        assert centre.says(last, through(1, last), through(2, 1)) is True


@pytest.mark.parametrize("quality", [ClockQuality.SYNCED, ClockQuality.HELD])
def test_where_our_own_clock_is_set_one_ahead_may_take_back_once_it_is_right_again(
    quality: ClockQuality,
) -> None:
    centre = Centre(a_clock(quality))
    assert centre.says(3 * DAY_S, through(1, 10)) is True
    assert centre.says(1, through(1, 4)) is True  # restored from a backup
    centre.clock.passes(STALE_AFTER_US * 10)
    assert centre.says(1 - OLDER_S * 9, through(1, 5)) is True
    assert centre.says(1, through(1, 10)) is Reason.OLDER


def test_what_was_taken_before_our_own_clock_was_set_silences_nobody_afterwards() -> None:
    centre = Centre(a_clock(ClockQuality.UNKNOWN))
    assert centre.says(3 * DAY_S, through(1, 10)) is True
    assert centre.says(1, through(1, 4)) is Reason.OLDER
    centre.clock.synced = ClockQuality.SYNCED
    assert centre.says(1, through(1, 4)) is True


def test_one_that_is_older_is_not_called_a_forgery(caplog: pytest.LogCaptureFixture) -> None:
    centre = Centre(a_clock())
    centre.says(0, through(1, 10))
    assert centre.says(OLDER_S, through(1, 9)) is Reason.OLDER
    assert "forges" not in caplog.text
    assert "Was the centre's clock put back?" in caplog.text


def test_epochs_without_end_do_not_fill_the_memory_of_the_line() -> None:
    centre = Centre(a_clock())
    for epoch in range(1, 1_000):
        assert centre.says(0, through(epoch, 5)) is True
        assert centre.says(0, through(epoch, 4)) is True
    assert len(centre.line._through) == len(centre.line._taken_back) == 64


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
