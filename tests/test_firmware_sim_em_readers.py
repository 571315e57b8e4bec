"""RDM6300 and ID-12 against the frames of the manual (readers.md 5.1): what they send, and when."""

from itertools import pairwise

import pytest
from firmware_sim_support import Made, carrying, made, number_of, vectors

from firmware_sim.device import Notice
from firmware_sim.profiles import REAL

FRAMES = [each for each in vectors("em4100")["frame"] if not each["must_fail"]]
TAG = bytes.fromhex("01026F6C3A")
RDM = bytes.fromhex("02 30 31 30 32 36 46 36 43 33 41 33 41 03")  # readers.md 9, vector 47
BAD = bytes.fromhex("02 30 31 30 32 36 46 36 43 33 41 33 42 03")  # the same, XOR off by its lowest bit


@pytest.mark.parametrize("vector", FRAMES, ids=lambda each: each["name"])
def test_a_tag_is_sent_as_the_manual_prints_it(vector: dict[str, str]) -> None:
    reader = made(vector["reader"], "repeat_s = 0")
    reader.present(carrying(em_tag=bytes.fromhex(vector["tag"])))
    assert reader.sent(1.0).upper() == bytes.fromhex(vector["hex"]).upper()


def test_an_rdm6300_repeats_for_as_long_as_the_tag_lies_there() -> None:
    reader = made("rdm6300")
    reader.present(carrying(em_tag=TAG))
    frames = reader.frames(1.01)
    assert {frame.data for frame in frames} == {RDM}
    assert [later.due_s - sooner.due_s for sooner, later in pairwise(frames)] == pytest.approx([0.05] * 20)
    reader.remove()
    assert reader.sent(1.0) == b""


def test_an_id12_sends_once_per_placement() -> None:
    reader = made("id12")
    for _ in range(2):
        reader.present(carrying(em_tag=TAG))
        assert reader.sent(5.0) == RDM[:-1] + b"\r\n\x03"
        reader.remove()


def test_lower_case_and_another_rate_are_options() -> None:
    reader = made("rdm6300", "lower_case = true\nrate = 19200\nrepeat_s = 0")
    reader.present(carrying(em_tag=TAG))
    (frame,) = reader.frames(1.0)
    assert (frame.data, frame.rate) == (RDM.lower(), 19200)


def test_a_card_without_a_tag_is_not_noticed() -> None:
    reader = made("rdm6300")
    reader.present(carrying(uid=bytes.fromhex("26DEFAE7")))
    assert reader.sent(1.0) == b""
    assert number_of("rdm6300", "", carrying(uid=bytes.fromhex("26DEFAE7"))) is None


def test_the_number_is_version_and_number_in_hex() -> None:
    assert number_of("rdm6300", "", carrying(em_tag=TAG)) == ("em_tag", "01026F6C3A")
    assert number_of("id12", "", carrying(em_tag=TAG)) == ("em_tag", "01026F6C3A")


def test_a_wrong_checksum_is_in_hex_digits_and_no_read() -> None:
    reader = made("rdm6300")
    reader.fault("wrong_checksum", count=1)
    reader.present(carrying(em_tag=TAG))
    bad, good = reader.frames(0.05)
    assert (bad.data, bad.read_of) == (BAD, None)
    assert (good.data, good.read_of) == (RDM, "P0001")


def test_a_tag_that_lies_there_is_read_again_after_a_power_dip_at_either_reader() -> None:
    for kind in ("rdm6300", "id12"):
        reader = made(kind)
        reader.present(carrying(em_tag=TAG))
        reader.frames(1.0)
        reader.device.power_cycle(reader.now)
        assert reader.sent(0.01).startswith(RDM[:-1])


def test_the_real_profile_needs_a_moment_to_find_a_tag() -> None:
    reader = made("rdm6300", profile=REAL)
    reader.present(carrying(em_tag=TAG))
    assert reader.sent(0.02) == b""
    assert reader.sent(0.02) == RDM


def test_a_reader_hears_nothing_and_counts_it() -> None:
    reader = made("rdm6300")
    reader.feed(RDM)
    assert reader.device.describe(0.0) == {"ignored_bytes": len(RDM)}
    assert reader.sent(1.0) == b""


def notices(reader: Made) -> list[Notice]:
    return list(reader.device.notices())


def test_cards_are_noticed_by_their_reference_alone() -> None:
    reader = made("id12")
    reader.present(carrying(em_tag=TAG))
    reader.remove()
    reader.remove()
    assert notices(reader) == [Notice("presented", card="P0001"), Notice("removed", card="P0001")]
    assert notices(reader) == []
