"""Modbus requests and replies against the documented bytes, at every cut."""

from typing import Any

import pytest
from drivers_support import vectors

from drivers.errors import ConfigurationError
from drivers.modbus_codec import (
    MAX_FRAME,
    Bits,
    Refused,
    Registers,
    Reply,
    ReplyParser,
    Request,
    Written,
    crc16,
    flash_coil,
    read_coils,
    read_inputs,
    read_registers,
    with_crc,
    write_coil,
    write_coils,
)

EXCHANGES = vectors("modbus")["exchange"]
REFUSED = vectors("modbus")["refused"]
RELAY_1_ON = write_coil(1, 0, on=True)
INPUTS = read_inputs(1, 0, 8)
INPUTS_REPLY = bytes.fromhex("01 02 01 02 20 49")
SECOND_ACTIVE = Bits((False, True, False, False, False, False, False, False))


def bits(each: dict[str, Any]) -> tuple[bool, ...]:
    return tuple(bit == "1" for bit in each["bits"])


def asked(each: dict[str, Any]) -> Request:
    unit, address = each.get("unit", 1), each["address"]
    match each["call"]:
        case "read_coils":
            return read_coils(unit, address, each["count"])
        case "read_inputs":
            return read_inputs(unit, address, each["count"])
        case "read_registers":
            return read_registers(unit, address, each["count"])
        case "write_coil":
            return write_coil(unit, address, on=each["on"])
        case "flash_coil":
            return flash_coil(unit, address, each["tenths"])
        case _:
            return write_coils(unit, address, bits(each))


def meant(each: dict[str, Any]) -> Reply:
    if "values" in each:
        return Registers(tuple(each["values"]))
    return Bits(bits(each)) if each["call"].startswith("read") else Written()


def feed(request: Request, *pieces: bytes, echoes: bool = False) -> list[Reply]:
    parser = ReplyParser(request, echoes=echoes)
    return [reply for piece in pieces if (reply := parser.feed(piece)) is not None][:1]


@pytest.mark.parametrize("each", EXCHANGES, ids=lambda each: str(each["name"]))
def test_each_request_is_the_documented_frame(each: dict[str, Any]) -> None:
    assert asked(each).frame == bytes.fromhex(each["request"])


@pytest.mark.parametrize("each", EXCHANGES, ids=lambda each: str(each["name"]))
def test_each_reply_is_understood_at_every_cut(each: dict[str, Any]) -> None:
    reply = bytes.fromhex(each["reply"])
    for cut in range(len(reply) + 1):
        assert feed(asked(each), reply[:cut], reply[cut:]) == [meant(each)]
    assert feed(asked(each), *(bytes((byte,)) for byte in reply)) == [meant(each)]
    assert not feed(asked(each), reply[:-1])


@pytest.mark.parametrize("each", EXCHANGES, ids=lambda each: str(each["name"]))
def test_each_altered_bit_is_refused(each: dict[str, Any]) -> None:
    reply = bytes.fromhex(each["reply"])
    for at in range(len(reply) * 8):
        altered = bytearray(reply)
        altered[at // 8] ^= 1 << at % 8
        assert not feed(asked(each), bytes(altered))


def test_the_exception_is_told_from_the_answer() -> None:
    reply = bytes.fromhex(REFUSED["reply"])
    assert RELAY_1_ON.frame == bytes.fromhex(REFUSED["request"])
    for cut in range(len(reply) + 1):
        assert feed(RELAY_1_ON, reply[:cut], reply[cut:]) == [Refused(REFUSED["code"])]


def test_a_good_frame_leaves_no_remainder() -> None:
    frames = [bytes.fromhex(each[side]) for each in EXCHANGES for side in ("request", "reply")]
    assert {crc16(frame) for frame in frames} == {0}
    assert all(with_crc(frame[:-2]) == frame for frame in frames)


@pytest.mark.parametrize("chunk", [1, 2, 3, 64])
@pytest.mark.parametrize(
    ("stream", "replies"),
    [
        pytest.param(b"\xff\x00\x01\x01\x02" + INPUTS_REPLY, [SECOND_ACTIVE], id="noise before"),
        pytest.param(b"\x01\x02" + INPUTS_REPLY, [SECOND_ACTIVE], id="half a frame before"),
        pytest.param(b"\x01" * 5000 + INPUTS_REPLY, [SECOND_ACTIVE], id="a babbling line before"),
        pytest.param(INPUTS.frame + INPUTS_REPLY, [SECOND_ACTIVE], id="our own request echoed"),
        pytest.param(with_crc(b"\x02\x02\x01\x07") + INPUTS_REPLY, [SECOND_ACTIVE], id="another unit"),
        pytest.param(with_crc(b"\x01\x01\x01\x07") + INPUTS_REPLY, [SECOND_ACTIVE], id="another function"),
        pytest.param(with_crc(b"\x01\x02\x02\x07\x00") + INPUTS_REPLY, [SECOND_ACTIVE], id="another length"),
        pytest.param(INPUTS_REPLY + with_crc(b"\x01\x02\x01\x07"), [SECOND_ACTIVE], id="the first counts"),
        pytest.param(INPUTS_REPLY + INPUTS.frame, [SECOND_ACTIVE], id="an echo afterwards"),
        pytest.param(INPUTS_REPLY[:-1] + b"\x00", [], id="a wrong CRC"),
        pytest.param(with_crc(b"\x01\x82"), [], id="an exception without a code"),
    ],
)
def test_a_reply_is_found_at_any_cut(stream: bytes, replies: list[Reply], chunk: int) -> None:
    pieces = [stream[at : at + chunk] for at in range(0, len(stream), chunk)]
    assert feed(INPUTS, *pieces) == replies


def test_the_answer_to_another_relay_is_none() -> None:
    assert not feed(RELAY_1_ON, write_coil(1, 1, on=True).frame)
    assert not feed(RELAY_1_ON, write_coil(1, 0, on=False).frame)


@pytest.mark.parametrize("chunk", [1, 3, 64])
def test_an_adapter_that_echoes_does_not_answer_for_the_board(chunk: int) -> None:
    def cut(stream: bytes) -> list[bytes]:
        return [stream[at : at + chunk] for at in range(0, len(stream), chunk)]

    sent = RELAY_1_ON.frame
    assert feed(RELAY_1_ON, *cut(sent)) == [Written()]  # for all we know
    assert not feed(RELAY_1_ON, *cut(sent), echoes=True)
    assert feed(RELAY_1_ON, *cut(sent + sent), echoes=True) == [Written()]
    refusal = bytes.fromhex(REFUSED["reply"])
    assert feed(RELAY_1_ON, *cut(sent + refusal), echoes=True) == [Refused(2)]


def test_reading_shows_whether_the_adapter_echoes() -> None:
    plain, echoing = ReplyParser(INPUTS), ReplyParser(INPUTS)
    plain.feed(INPUTS_REPLY)
    echoing.feed(INPUTS.frame)
    echoing.feed(INPUTS_REPLY)
    assert (plain.echoed, echoing.echoed) == (False, True)


def test_memory_is_bounded_whatever_comes() -> None:
    parser = ReplyParser(INPUTS)
    parser.feed(b"\x01\x02\x01" * 100_000)
    assert len(parser._buffer) <= MAX_FRAME
    assert parser.heard == 300_000


@pytest.mark.parametrize("unit", [0, 248, -1, 256])
def test_a_unit_that_no_line_has_is_refused(unit: int) -> None:
    with pytest.raises(ConfigurationError, match="units 1 to 247"):
        write_coil(unit, 0, on=True)


@pytest.mark.parametrize(("first", "count"), [(0, 0), (0, 257), (-1, 1), (65535, 2)])
def test_coils_that_no_board_has_are_refused(first: int, count: int) -> None:
    with pytest.raises(ConfigurationError, match="within 0 to 65535"):
        read_coils(1, first, count)


@pytest.mark.parametrize("tenths", [0, -1, 0xFF00, 0xFE01])
def test_a_timed_coil_never_looks_like_on_for_ever(tenths: int) -> None:
    with pytest.raises(ConfigurationError, match="tenths"):
        flash_coil(1, 0, tenths)
