"""EM4100 frames against the documented ones, whole and at every cut."""

import pytest
from drivers_support import vectors

from drivers.em_codec import EmFrame, EmFramer

FRAMES = vectors("em4100")["frame"]
GOOD = [each for each in FRAMES if not each["must_fail"]]
RDM, OTHER, BAD, ID12 = (bytes.fromhex(each["hex"]) for each in FRAMES)
TAG, OTHER_TAG = "01026F6C3A", "0000D507D0"
WRONG = None


def tags(frames: list[EmFrame]) -> list[str | None]:
    return [frame.tag for frame in frames]


@pytest.mark.parametrize("each", GOOD, ids=lambda each: str(each["name"]))
def test_a_documented_frame_is_its_tag_at_every_cut(each: dict[str, str]) -> None:
    stream = bytes.fromhex(each["hex"])
    for cut in range(len(stream) + 1):
        framer = EmFramer()
        assert tags(framer.feed(stream[:cut]) + framer.feed(stream[cut:])) == [each["tag"]]
        assert (framer.discarded, framer.rejected) == (0, 0)


def test_lower_case_is_read_too() -> None:
    assert tags(EmFramer().feed(RDM.lower())) == [TAG]


@pytest.mark.parametrize("chunk", [1, 2, 3, 64])
@pytest.mark.parametrize(
    ("stream", "expected", "discarded"),
    [
        pytest.param(RDM + OTHER, [TAG, OTHER_TAG], 0, id="two frames back to back"),
        pytest.param(ID12 + RDM, [TAG, TAG], 0, id="both kinds of frame"),
        pytest.param(BAD, [WRONG], 14, id="wrong check"),
        pytest.param(BAD + RDM, [WRONG, TAG], 14, id="a good frame after a wrong one"),
        pytest.param(b"\xff\x00\x41" + RDM, [TAG], 3, id="noise before"),
        pytest.param(RDM + b"\xff\xff", [TAG], 2, id="noise after"),
        pytest.param(RDM[:7] + RDM, [TAG], 7, id="a frame torn off, then a good one"),
        pytest.param(b"\x02\x02\x02" + RDM, [TAG], 3, id="starts without frames"),
        pytest.param(RDM[:5] + RDM[6:], [], 13, id="a byte lost"),
        pytest.param(RDM[:5] + b"0" + RDM[5:], [], 15, id="a digit inserted"),
        pytest.param(RDM[:5] + b"\xf0" + RDM[5:], [], 15, id="noise inside"),
        pytest.param(RDM[:5] + b"G" + RDM[6:], [], 14, id="no hex digit"),
        pytest.param(ID12[:-1] + b"\r\n" * 3, [], 21, id="line ends without end"),
        pytest.param(b"\x02" + b"\r" * 50, [], 51, id="nothing but line ends"),
        pytest.param(RDM[:-1], [], 0, id="not complete yet"),
        pytest.param(b"7BB26E\r\n" * 3, [], 24, id="another reader's lines"),
    ],
)
def test_frames_are_found_at_any_cut(
    stream: bytes, expected: list[str | None], discarded: int, chunk: int
) -> None:
    framer = EmFramer()
    frames = [f for at in range(0, len(stream), chunk) for f in framer.feed(stream[at : at + chunk])]
    assert tags(frames) == expected
    assert framer.discarded == discarded
    assert len(framer._digits) <= 12


def test_every_changed_digit_is_found() -> None:
    for at in range(1, 13):
        for digit in b"0123456789ABCDEF":
            stream = RDM[:at] + bytes((digit,)) + RDM[at + 1 :]
            assert tags(EmFramer().feed(stream)) == ([TAG] if stream == RDM else [WRONG])


def test_a_frame_cut_off_is_forgotten() -> None:
    framer = EmFramer()
    framer.feed(RDM[:9])
    framer.reset()
    assert tags(framer.feed(RDM[9:] + OTHER)) == [OTHER_TAG]
    assert framer.discarded == 14


def test_a_tag_is_not_shown() -> None:
    assert TAG not in repr(EmFramer().feed(RDM))
