"""Messages taken out of a piece of what came over the line; bytes by MQTT 5.0 and 3.1.1, section 3.3."""

import pytest

from central.ingest.buffered import Heard, whole_message

# PUBLISH, quality 1, topic "a/b", identifier 10, no properties (MQTT 5), payload "hi"
VERSION_5 = bytes.fromhex("32 0a 00 03 61 2f 62 00 0a 00 68 69")
VERSION_3 = bytes.fromhex("32 09 00 03 61 2f 62 00 0a 68 69")
FIRST = Heard("a/b", b"hi", 10, 1)


def told(data: bytes, *, version5: bool = True) -> tuple[Heard, int] | None:
    return whole_message(memoryview(data), version5=version5)


def test_a_message_is_taken_with_where_it_ends() -> None:
    assert told(VERSION_5 + VERSION_5) == (FIRST, len(VERSION_5))
    assert told(VERSION_3 + b"\xd0\x00", version5=False) == (FIRST, len(VERSION_3))


def test_quality_0_has_no_identifier_and_properties_are_passed_over() -> None:
    expires = bytes.fromhex("31 0d 00 03 61 2f 62 05 02 00 00 00 3c 68 69")  # retained, gone after a minute
    assert told(expires) == (Heard("a/b", b"hi", 0, 0), 15)


def test_a_long_payload_has_a_length_of_several_bytes() -> None:
    body = VERSION_5[2:10] + b"x" * 20_000
    data = b"\x32" + bytes((len(body) & 0x7F | 0x80, len(body) >> 7 & 0x7F | 0x80, len(body) >> 14)) + body
    assert told(data) == (Heard("a/b", b"x" * 20_000, 10, 1), len(data))


@pytest.mark.parametrize("end", range(len(VERSION_5)))
def test_a_part_of_a_message_is_left(end: int) -> None:
    assert told(VERSION_5[:end]) is None


@pytest.mark.parametrize(
    "strange",
    [
        pytest.param("d0 00", id="an answer to a ping"),
        pytest.param("34 0a 00 03 61 2f 62 00 0a 00 68 69", id="quality 2"),
        pytest.param("32 0a 00 03 61 ff 62 00 0a 00 68 69", id="a topic that is no text"),
        pytest.param("32 07 00 00 00 0a 00 68 69", id="no topic"),
        pytest.param("32 0a 00 03 61 2f 62 00 00 00 68 69", id="identifier 0"),
        pytest.param("32 05 00 09 61 2f 62", id="a topic longer than the message"),
        pytest.param("32 0a 00 03 61 2f 62 00 0a 09 68 69", id="properties longer than the message"),
        pytest.param("32 07 00 03 61 2f 62 00 0a", id="without its properties"),
        pytest.param("32 ff ff ff ff 01", id="a length without end"),
        pytest.param("32 01 00", id="a message of one byte"),
    ],
)
def test_what_is_no_message_as_the_standard_has_it_is_left_to_paho(strange: str) -> None:
    assert told(bytes.fromhex(strange) + VERSION_5) is None
