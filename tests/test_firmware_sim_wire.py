"""Every fault of the line does to the bytes what it promises (readers.md 8.1), and nothing else."""

from collections.abc import Mapping
from itertools import pairwise
from random import Random

import pytest
from firmware_sim_support import frame

from firmware_sim.device import Frame
from firmware_sim.fault_table import CATALOGUE, SAM_V
from firmware_sim.faults import FaultSet
from firmware_sim.wire import MAX_WAITING, Piece, Wire, garble

FOUND = frame("reply_found")
NUMBER = frame("reply_sam_number")
NOTHING: Mapping[str, object] = {}


def sent(data: bytes = FOUND, *, due_s: float = 0.0, read_of: str | None = "P0001") -> Frame:
    return Frame(data, due_s, asked_s=0.0, rate=115200, usual_s=0.06, read_of=read_of, length_at=(5, 7))


class Cabling:
    """A wire with one fault on it."""

    def __init__(
        self,
        fault: str | None = None,
        given: Mapping[str, object] = NOTHING,
        *,
        count: int | None = None,
        seed: int = 1,
        paced: bool = False,
    ) -> None:
        self.faults = FaultSet(SAM_V)
        if fault is not None:
            self.faults.switch_on(fault, given, count=count)
        self.wire = Wire(self.faults, Random(seed), paced=paced)

    def pieces(self, *frames: Frame) -> list[Piece]:
        for each in frames or (sent(),):
            self.wire.offer(each)
        return self.wire.due(float("inf"))

    def data(self, *frames: Frame) -> bytes:
        return b"".join(piece.data for piece in self.pieces(*frames))


def test_without_faults_a_frame_is_one_piece_as_it_is() -> None:
    assert Cabling().pieces() == [Piece(FOUND, 0.0, 115200, read_of="P0001")]


def test_frames_wait_for_their_moment_and_keep_their_order() -> None:
    wire = Cabling().wire
    wire.offer(sent(due_s=2.0))
    wire.offer(sent(NUMBER, due_s=1.0))
    assert (wire.due(1.9), wire.next_due()) == ([], 2.0)
    assert [piece.data for piece in wire.due(2.0)] == [FOUND, NUMBER]
    assert wire.next_due() is None


def test_noise_before_and_after_share_the_write_with_a_whole_frame() -> None:
    (before,) = Cabling("noise_before", {"hex": "FFFF"}).pieces()
    assert (before.data, before.read_of) == (b"\xff\xff" + FOUND, "P0001")
    (after,) = Cabling("noise_after", {"hex": "AA AA"}).pieces()
    assert (after.data, after.read_of) == (FOUND + b"\xaa\xaa", "P0001")


def test_noise_between_frames_comes_in_a_write_of_its_own() -> None:
    whole, noise = Cabling("noise_between", {"hex": "00", "gap_s": 0.5}).pieces()
    assert (whole.data, noise.data, noise.due_s) == (FOUND, b"\x00", 0.5)


@pytest.mark.parametrize("seed", range(20))
def test_noise_by_chance_has_1_to_20_bytes_and_repeats_with_its_seed(seed: int) -> None:
    noisy = Cabling("noise_before", seed=seed).data()
    assert noisy.endswith(FOUND)
    assert 1 <= len(noisy) - len(FOUND) <= 20
    assert Cabling("noise_before", seed=seed).data() == noisy


@pytest.mark.parametrize("at", range(len(FOUND)))
def test_a_lost_byte_is_the_one_named(at: int) -> None:
    (piece,) = Cabling("lost_byte", {"at": at}).pieces()
    assert (piece.data, piece.read_of) == (FOUND[:at] + FOUND[at + 1 :], None)


def test_an_inserted_byte_is_the_one_named() -> None:
    (piece,) = Cabling("inserted_byte", {"at": 2, "value": 0}).pieces()
    assert (piece.data[:6], piece.read_of) == (bytes.fromhex("AA AA 00 AA 96 69"), None)
    assert len(piece.data) == len(FOUND) + 1


@pytest.mark.parametrize("seed", range(10))
def test_a_byte_lost_or_inserted_by_chance_changes_the_length_by_one(seed: int) -> None:
    assert len(Cabling("lost_byte", seed=seed).data()) == len(FOUND) - 1
    assert len(Cabling("inserted_byte", seed=seed).data()) == len(FOUND) + 1


def test_a_split_frame_is_one_byte_per_write_with_a_gap() -> None:
    pieces = Cabling("split", {"gap_s": 0.01}).pieces()
    assert [piece.data for piece in pieces] == [bytes([value]) for value in FOUND]
    assert [later.due_s - sooner.due_s for sooner, later in pairwise(pieces)] == pytest.approx([0.01] * 14)
    assert [piece.read_of for piece in pieces] == [None] * 14 + ["P0001"]


@pytest.mark.parametrize("at", range(1, len(FOUND)))
def test_a_cut_frame_comes_in_two_writes_at_the_place_named(at: int) -> None:
    first, second = Cabling("cut", {"at": at, "gap_s": 0.02}).pieces()
    assert (first.data, second.data) == (FOUND[:at], FOUND[at:])
    assert second.due_s == pytest.approx(0.02)
    assert (first.read_of, second.read_of) == (None, "P0001")


def test_a_cut_without_a_place_goes_through_every_place_once() -> None:
    cabling = Cabling("cut")
    places = [len(cabling.pieces()[0].data) for _ in range(len(FOUND))]
    assert places == [*range(1, len(FOUND)), 1]


def test_merged_frames_leave_in_one_write_with_the_second() -> None:
    cabling = Cabling("merged", count=1)
    assert cabling.pieces(sent()) == []
    (piece,) = cabling.pieces(sent(NUMBER, due_s=3.0, read_of=None))
    assert (piece.data, piece.due_s, piece.read_of) == (FOUND + NUMBER, 3.0, "P0001")


def test_a_repeated_frame_is_twice_in_one_write() -> None:
    (piece,) = Cabling("repeated").pieces()
    assert piece.data == FOUND + FOUND


def test_a_wrong_checksum_is_the_last_byte_xor_1() -> None:
    (piece,) = Cabling("wrong_checksum").pieces()
    assert (piece.data, piece.read_of) == (frame("bad_reply_found_checksum"), None)


def test_a_frame_without_a_check_value_or_a_length_cannot_have_a_wrong_one() -> None:
    for name in ("wrong_checksum", "wrong_length"):
        cabling = Cabling(name)
        cabling.wire.offer(Frame(FOUND, 0.0, 0.0, 9600, check_at=None))
        assert b"".join(piece.data for piece in cabling.wire.due(1.0)) == FOUND


@pytest.mark.parametrize("bit", [0, 7, 8, 8 * len(FOUND) - 1])
def test_a_flipped_bit_is_the_one_named(bit: int) -> None:
    (piece,) = Cabling("bit_flip", {"bit": bit}).pieces()
    assert int.from_bytes(piece.data, "little") ^ int.from_bytes(FOUND, "little") == 1 << bit
    assert piece.read_of is None


@pytest.mark.parametrize("seed", range(10))
def test_a_bit_flipped_by_chance_is_one(seed: int) -> None:
    flipped = Cabling("bit_flip", seed=seed).data()
    assert (int.from_bytes(flipped, "little") ^ int.from_bytes(FOUND, "little")).bit_count() == 1


def test_a_wedged_device_says_nothing_until_it_is_cleared() -> None:
    cabling = Cabling("wedged")
    assert cabling.data() == b""
    cabling.faults.clear()
    assert cabling.data() == FOUND


def test_a_babbling_device_sends_without_end_at_its_pace_and_from_its_seed() -> None:
    def babbled(seed: int) -> list[bytes]:
        wire = Cabling("babble", {"size": 4, "gap_s": 0.5}, seed=seed).wire
        heard = []
        now = 10.0
        for _ in range(20):
            wire.babble(now, 9600)
            heard.append(b"".join(piece.data for piece in wire.due(now)))
            assert wire.next_due() == pytest.approx(10.0 + 0.5 * (len([each for each in heard if each])))
            now += 0.25
        return heard

    assert [len(each) for each in babbled(1)] == [4, 0] * 10
    assert babbled(1) == babbled(1) != babbled(2)


def test_a_device_that_stops_babbling_is_quiet() -> None:
    cabling = Cabling("babble", {"hex": "00FF"}, count=1)
    cabling.wire.babble(0.0, 9600)
    assert b"".join(piece.data for piece in cabling.wire.due(0.0)) == b"\x00\xff"
    cabling.wire.babble(1.0, 9600)
    assert (cabling.wire.due(1.0), cabling.wire.next_due()) == ([], None)


@pytest.mark.parametrize(
    ("given", "length"), [({}, "00 09"), ({"value": 0xFFFF}, "FF FF"), ({"value": 0}, "00 00")]
)
def test_a_wrong_length_is_one_too_large_or_as_given(given: dict[str, int], length: str) -> None:
    (piece,) = Cabling("wrong_length", given).pieces()
    assert piece.data == FOUND[:5] + bytes.fromhex(length) + FOUND[7:]
    assert piece.read_of is None


@pytest.mark.parametrize(
    ("given", "due_s"), [({}, 1.0), ({"delay_s": 0.4}, 0.4), ({"delay_s": 0.0}, 0.0), ({"factor": 5.0}, 0.3)]
)
def test_a_slow_answer_comes_later_by_seconds_or_by_a_factor(given: dict[str, float], due_s: float) -> None:
    (piece,) = Cabling("slow", given).pieces()
    assert piece.due_s == pytest.approx(due_s)
    assert piece.data == FOUND


def test_no_answer_is_silence() -> None:
    assert Cabling("no_answer").pieces() == []


def test_a_counted_fault_ends_by_itself_and_says_so_once() -> None:
    cabling = Cabling("no_answer", count=2)
    assert [cabling.data() for _ in range(3)] == [b"", b"", FOUND]
    assert (cabling.faults.spent(), cabling.faults.spent()) == (("no_answer",), ())


def test_a_cleared_fault_is_over() -> None:
    cabling = Cabling("no_answer")
    assert cabling.data() == b""
    assert cabling.faults.clear() == ("no_answer",)
    assert cabling.data() == FOUND


def test_two_faults_work_together() -> None:
    cabling = Cabling("wrong_checksum")
    cabling.faults.switch_on("noise_before", {"hex": "00"})
    assert cabling.data() == b"\x00" + frame("bad_reply_found_checksum")


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_no_fault_breaks_on_a_frame_of_one_byte(name: str) -> None:
    if SAM_V in CATALOGUE[name].devices:
        for _ in range(3):
            Cabling(name).pieces(sent(b"\xaa"))


@pytest.mark.parametrize(("rate", "size"), [(115200, 1295), (9600, 1295), (9600, 10), (115200, 1)])
def test_a_paced_line_takes_the_time_of_its_bytes(rate: int, size: int) -> None:
    wire = Cabling(paced=True).wire
    data = bytes(at % 251 for at in range(size))
    wire.offer(Frame(data, 1.0, 0.0, rate, read_of="P0001"))
    pieces = wire.due(float("inf"))
    assert b"".join(piece.data for piece in pieces) == data
    assert pieces[-1].due_s == pytest.approx(1.0 + size * 10 / rate)
    assert all(len(piece.data) <= 32 for piece in pieces)
    assert [piece.read_of for piece in pieces] == [None] * (len(pieces) - 1) + ["P0001"]


def test_paced_frames_follow_each_other_on_the_line() -> None:
    pieces = Cabling(paced=True).pieces(sent(), sent(NUMBER))
    assert pieces[-1].due_s == pytest.approx((len(FOUND) + len(NUMBER)) * 10 / 115200)


def test_what_was_on_the_way_is_gone_after_a_power_loss() -> None:
    cabling = Cabling("merged", count=1)
    cabling.wire.offer(sent())
    cabling.wire.offer_raw(b"\x00", 9.0, 9600)
    cabling.wire.drop()
    assert cabling.data(sent(NUMBER)) == NUMBER


def test_too_much_waiting_is_lost_and_counted() -> None:
    wire = Cabling().wire
    for _ in range(20):
        wire.offer(Frame(bytes(4096), 5.0, 0.0, 115200))
    assert sum(len(piece.data) for piece in wire.due(5.0)) == MAX_WAITING
    assert wire.overrun == 20 * 4096 - MAX_WAITING


@pytest.mark.parametrize(
    ("sent_at", "read_at", "size"),
    [(9600, 115200, 120), (115200, 9600, 1), (0, 115200, 10), (9600, 0, 10), (300, 115200, 3840)],
)
def test_the_wrong_rate_makes_noise_of_another_length_and_never_a_frame(
    sent_at: int, read_at: int, size: int
) -> None:
    for seed in range(50):
        noise = garble(frame("request_find"), sent_at, read_at, Random(seed))
        assert len(noise) == size
        assert not set(noise) & {0xAA, 0xA0, 0xFF}
