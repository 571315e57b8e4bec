"""The SAM-V codec against the documented bytes, at every cut of the stream."""

from itertools import pairwise
from typing import Any

import pytest
from drivers_support import frame, read_reply, sam_frame, text_block, vectors

from drivers.errors import ProtocolViolation
from drivers.sam_codec import (
    FIND,
    MAX_REPLY_LEN,
    READ_CARD,
    READ_NEWEST_ADDRESS,
    READ_SAM_NUMBER,
    RESET,
    SELECT,
    SELF_CHECK,
    Command,
    Reply,
    SamFramer,
    SamNumber,
    Status,
    request,
    xor_of,
)

FRAMES = vectors("sam_v")["frame"]
REPLIES = [each for each in FRAMES if each["kind"] == "reply" and not each["must_fail"]]
STATUS_OF = {int(each["hex"].split()[9], 16): each for each in REPLIES if each["hex"].split()[6] == "04"}
PREAMBLE = bytes.fromhex("AA AA AA 96 69")
FOUND = frame("reply_found")
BAD = frame("bad_reply_found_checksum")


def feed_in(framer: SamFramer, stream: bytes, chunk: int) -> list[tuple[Status, bytes]]:
    pieces = (stream[at : at + chunk] for at in range(0, len(stream), chunk))
    return [(reply.status, bytes(reply.data)) for piece in pieces for reply in framer.feed(piece)]


def as_told(content: str) -> tuple[int, bytes]:
    data = bytes.fromhex(content)
    return data[9], data[10:-1]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (RESET, "request_reset"),
        (SELF_CHECK, "request_status"),
        (READ_SAM_NUMBER, "request_sam_number"),
        (FIND, "request_find"),
        (SELECT, "request_select"),
        (READ_CARD, "request_read"),
        (READ_NEWEST_ADDRESS, "request_newest_address"),
    ],
)
def test_each_command_is_the_documented_frame(command: Command, name: str) -> None:
    assert command.frame == frame(name)


@pytest.mark.parametrize(
    ("code", "parameter", "data", "name"),
    [
        (0x30, 0x05, b"", "request_card_body_number"),
        (0x30, 0x10, b"", "request_read_fingerprints"),
        (0x61, 0xFF, b"\x50", "request_rf_frame_80"),
        (0x60, 0x00, b"", "request_rate_115200"),
        (0x60, 0x01, b"", "request_rate_57600"),
        (0x60, 0x02, b"", "request_rate_38400"),
        (0x60, 0x03, b"", "request_rate_19200"),
        (0x60, 0x04, b"", "request_rate_9600"),
    ],
)
def test_requests_that_are_never_sent_are_built_as_documented_too(
    code: int, parameter: int, data: bytes, name: str
) -> None:
    assert request(code, parameter, data) == frame(name)


@pytest.mark.parametrize("each", REPLIES, ids=lambda each: str(each["name"]))
def test_every_documented_reply_is_found_at_every_cut(each: dict[str, str]) -> None:
    stream = bytes.fromhex(each["hex"])
    status, data = as_told(each["hex"])
    for cut in range(len(stream) + 1):
        framer = SamFramer()
        replies = framer.feed(stream[:cut]) + framer.feed(stream[cut:])
        assert [(reply.status, bytes(reply.data)) for reply in replies] == [(status, data)]
        assert framer.discarded == 0


@pytest.mark.parametrize("each", [e for e in FRAMES if e["must_fail"]], ids=lambda each: str(each["name"]))
@pytest.mark.parametrize("chunk", [1, 2, 3, 64])
def test_every_documented_bad_frame_is_refused_and_the_next_is_found(
    each: dict[str, str], chunk: int
) -> None:
    framer = SamFramer()
    assert feed_in(framer, bytes.fromhex(each["hex"]), chunk) == []
    assert feed_in(framer, FOUND, chunk) == [(Status.FOUND, bytes(4))]
    assert framer.discarded == len(bytes.fromhex(each["hex"]))


@pytest.mark.parametrize("chunk", [1, 2, 3, 64])
@pytest.mark.parametrize(
    ("stream", "replies", "discarded"),
    [
        pytest.param(FOUND + FOUND, 2, 0, id="two frames back to back"),
        pytest.param(frame("noise_then_find_failed"), 1, 4, id="documented noise, two of it AA"),
        pytest.param(BAD + FOUND, 1, 15, id="bad check byte, then a good frame"),
        pytest.param(b"\xaa\xaa" + FOUND, 1, 2, id="half a preamble before the frame"),
        pytest.param(PREAMBLE + FOUND, 1, 5, id="a preamble alone before the frame"),
        pytest.param(PREAMBLE + b"\xff\xff" + FOUND, 1, 7, id="length FFFF"),
        pytest.param(PREAMBLE + b"\x00\x02" + FOUND, 1, 7, id="length below any reply"),
        pytest.param(FOUND[:5] + b"\x00\x09" + FOUND[7:] + b"\xff" + FOUND, 1, 16, id="length one too large"),
        pytest.param(FOUND[:-1], 0, 0, id="frame cut short"),
        pytest.param(FOUND[:9] + FOUND, 1, 9, id="the rest of a frame lost"),
        pytest.param(frame("request_find") + FOUND, 1, 0, id="our own request echoed"),
        pytest.param(b"\xff" * 50 + FOUND + b"\xff" * 50, 1, 100, id="noise on both sides"),
    ],
)
def test_frames_are_found_at_any_cut(stream: bytes, replies: int, discarded: int, chunk: int) -> None:
    framer = SamFramer()
    assert len(feed_in(framer, stream, chunk)) == replies
    assert framer.discarded == discarded


@pytest.mark.parametrize(
    "each", vectors("sam_v")["read_reply"], ids=lambda e: f"{e['text_block']}-{e['photo']}"
)
@pytest.mark.parametrize("chunk", [1, 2, 3, 64])
def test_whole_card_replies_are_found_at_any_cut(each: dict[str, Any], chunk: int) -> None:
    head = bytes.fromhex(vectors("sam_v")["photo_wl_head"]) if each["photo"] == "wl" else b""
    fingers = {"5A": b"\x5a" * 1024, "none": b""}.get(each.get("fingerprints", ""), b"")
    lengths = bytes.fromhex("0100 0400") + (
        len(fingers).to_bytes(2, "big") if each["command"] == "30 10" else b""
    )
    content = bytes.fromhex("000090") + lengths + text_block(each["text_block"]) + head.ljust(1024, b"\0")
    stream = sam_frame(content + fingers)
    assert len(stream) == each["size"]
    assert stream[-1] == int(each["chk"], 16)
    assert feed_in(SamFramer(), stream, chunk) == [(Status.SUCCESS, content[3:] + fingers)]


def test_a_card_reply_is_found_at_every_single_cut() -> None:
    stream = read_reply(text_block("resident_zhang"))
    framer = SamFramer()
    for cut in range(len(stream) + 1):
        assert len(framer.feed(stream[:cut]) + framer.feed(stream[cut:])) == 1
    assert framer.discarded == 0


def test_a_preamble_inside_a_photo_begins_no_frame() -> None:
    photo = (FOUND * 70)[:1024]
    assert feed_in(SamFramer(), read_reply(text_block("resident_zhang"), photo), 64)[0][1][-1024:] == photo
    assert len(feed_in(SamFramer(), read_reply(text_block("resident_zhang"), photo), 7)) == 1


def test_one_lost_byte_of_a_card_costs_that_frame_only() -> None:
    whole = read_reply(text_block("resident_zhang"))
    for lost in range(0, len(whole), 13):
        framer = SamFramer()
        framer.feed(whole[:lost] + whole[lost + 1 :])
        framer.reset()  # after the silence that the driver notices
        assert len(framer.feed(FOUND)) == 1


def test_what_is_collected_never_grows_beyond_one_frame() -> None:
    framer = SamFramer()
    before = framer.__sizeof__(), len(framer._buffer)
    for _ in range(100):
        framer.feed(PREAMBLE + MAX_REPLY_LEN.to_bytes(2, "big") + bytes(5000))
    assert (framer.__sizeof__(), len(framer._buffer)) == before
    assert framer._size <= len(framer._buffer)


def test_nothing_of_a_card_is_left_in_the_framer_or_in_a_wiped_reply() -> None:
    framer = SamFramer()
    block = text_block("resident_zhang")
    whole = read_reply(block, b"\x5a" * 1024)
    for stream in (whole, whole[:700], b"\xff" + whole[:-1] + b"\x00"):  # good, cut off, damaged
        for reply in framer.feed(stream):
            reply.wipe()
            assert not any(reply.data)
        framer.reset()
        assert not any(framer._buffer)


def test_a_frame_begun_is_told_from_an_idle_line() -> None:
    framer = SamFramer()
    assert not framer.collecting
    framer.feed(b"\x00\xff\xaa")
    assert not framer.collecting
    framer.feed(FOUND[:8])
    assert framer.collecting
    framer.reset()
    assert not framer.collecting


def test_every_documented_status_is_known_and_means_something() -> None:
    known = {status.value: status for status in Status}
    assert STATUS_OF.keys() | {0x90, 0x9F} <= known.keys()
    meanings = [status.meaning for status in Status]
    assert len(set(meanings)) == len(meanings)


@pytest.mark.parametrize("content", ["05 05 05", "00 00 77", "01 00 90", "00 01 9F"])
def test_a_status_outside_the_manual_is_an_unknown_one(content: str) -> None:
    (reply,) = SamFramer().feed(sam_frame(bytes.fromhex(content)))
    assert reply.status is Status.UNKNOWN


def test_the_module_number_is_printed_as_documented() -> None:
    (reply,) = SamFramer().feed(frame("reply_sam_number"))
    assert SamNumber.from_bytes(reply.data).text == "05.01-20130924-0001234567-0305419896"
    with pytest.raises(ProtocolViolation):
        SamNumber.from_bytes(bytes(15))


def test_a_late_reply_is_told_from_the_awaited_one() -> None:
    def may(command: Command, name: str) -> bool:
        (reply,) = SamFramer().feed(frame(name))
        return command.may_be_answered_by(reply)

    order = [FIND, SELECT, READ_SAM_NUMBER]
    good = ["reply_found", "reply_selected", "reply_sam_number"]
    assert [may(command, name) for command, name in zip(order, good, strict=True)] == [True] * 3
    assert not any(may(command, name) for (command, _), (_, name) in pairwise(zip(order, good, strict=True)))
    assert not any(may(command, name) for (_, name), (command, _) in pairwise(zip(order, good, strict=True)))
    (card,) = SamFramer().feed(read_reply(text_block("resident_li")))
    assert [
        c.name for c in (*order, RESET, READ_NEWEST_ADDRESS, READ_CARD) if c.may_be_answered_by(card)
    ] == [READ_CARD.name]
    assert may(READ_NEWEST_ADDRESS, "reply_newest_address")
    assert all(may(command, "reply_not_authorised") for command in (*order, READ_CARD))


def test_a_reply_shows_nothing_of_its_data() -> None:
    (reply,) = SamFramer().feed(read_reply(text_block("resident_zhang")))
    assert repr(reply) == "Reply(SUCCESS, 1284 bytes)"
    assert isinstance(reply, Reply)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 16, 1289, 1290])
def test_the_check_byte_is_the_xor_of_every_byte(size: int) -> None:
    data = bytes(at * 7 & 0xFF for at in range(size))
    expected = 0
    for byte in data:
        expected ^= byte
    assert xor_of(data) == expected
