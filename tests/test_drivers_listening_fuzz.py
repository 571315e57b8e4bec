"""Mutated and random inputs for the parsers of readers that only send: none falls, grows, or stays confused.

LIUHEN_FUZZ says how many inputs each parser gets; the suite's own number is small, so that it stays quick.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest
from drivers_support import vectors
from fuzz_support import inputs, mutated
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import CredentialKind
from drivers.em_codec import EmFramer
from drivers.em_reader import EmDecoder
from drivers.listening import Decoder, Refused, Shown, Typed
from drivers.text_codec import MAX_LINE, LineFramer
from drivers.text_reader import QrDecoder, QrSettings, TextDecoder, TextSettings
from drivers.wiegand_codec import MAX_DIGITS, make_framer
from drivers.wiegand_reader import WiegandDecoder, WiegandSettings

INPUTS = inputs(4_000)
PORT = {"port": "/dev/somewhere"}

EM = [bytes.fromhex(each["hex"]) for each in vectors("em4100")["frame"]]
CONVERTERS = [bytes.fromhex(each["hex"]) for each in vectors("wiegand")["converter"]]
WORDS = [each["line"].encode() + b"\r\n" for each in vectors("wiegand")["word"]]
KEYS = [bytes((int(each[size], 2),)) for each in vectors("wiegand")["key"] for size in ("short", "long")]
LINES = [bytes.fromhex(each["hex"]) for each in vectors("text_lines")["line"]]
NUMBERS = [each["text"].encode() + b"\r\n" for each in vectors("text_lines")["number"]]


def wiegand(**chosen: object) -> Callable[[], Decoder[Any]]:
    return lambda: WiegandDecoder(WiegandSettings.model_validate(PORT | chosen))


def text(**chosen: object) -> Callable[[], Decoder[Any]]:
    return lambda: TextDecoder(TextSettings.model_validate(PORT | chosen))


def qr(**chosen: object) -> Callable[[], Decoder[Any]]:
    return lambda: QrDecoder(QrSettings.model_validate(PORT | chosen))


PARSERS: dict[str, tuple[Callable[[], Decoder[Any]], list[bytes], bytes]] = {
    "em, repeating": (lambda: EmDecoder(once=False), EM, EM[0]),
    "em, once": (lambda: EmDecoder(once=True), EM, EM[3]),
    "hex_line": (wiegand(), CONVERTERS + KEYS, CONVERTERS[0]),
    "decimal_line": (wiegand(framing="decimal_line"), CONVERTERS + KEYS, CONVERTERS[1]),
    "ascii keys": (wiegand(framing="decimal_line", keys="ascii"), [*CONVERTERS, b"4711#"], CONVERTERS[1]),
    "facility_card": (
        wiegand(framing="decimal_line", notation="facility_card"),
        [b"12345678\r\n", *CONVERTERS],
        b"12345678\r\n",
    ),
    "stx_lrc": (wiegand(framing="stx_lrc", bits=34), CONVERTERS + KEYS, CONVERTERS[2]),
    "bits_line": (wiegand(framing="bits_line"), WORDS + KEYS, WORDS[0]),
    "bits_line, 37": (wiegand(framing="bits_line", bits=37), WORDS + KEYS, WORDS[6]),
    "text, decimal": (text(base="decimal", bits=32), NUMBERS, NUMBERS[0]),
    "text, any digits": (text(base="decimal", bits=32, digits="any", suffix="crlf"), NUMBERS, NUMBERS[0]),
    "text, 7e1": (text(line="7e1"), [b"\xb7\x42\x42\xb2\x36\xc5\x8d"], b"\xb7\x42\x42\xb2\x36\xc5\x8d"),
    "text, uid": (text(kind="card_uid"), [b"26DEFAE7\r", b"04112233445566\r"], b"26DEFAE7\r"),
    "text, pattern": (
        text(pattern="{any} {facility},{card}", base="decimal"),
        NUMBERS,
        NUMBERS[-1],
    ),
    "qr": (qr(), [*LINES, "访客-7\r\n".encode()], LINES[0]),
    "qr, gbk": (qr(charset="gbk", suffix="crlf"), [*LINES, "访客-7\r\n".encode("gbk")], LINES[0]),
    "qr, no suffix": (qr(suffix="silence"), [b"KEY-1"], b"KEY-1"),
}
EACH = pytest.mark.parametrize("parser", PARSERS)
LARGEST = MAX_LINE + 2


def mutations(good: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    chance = random.Random(seed)
    for _ in range(count):
        yield mutated(chance, chance.choice(good), good)


def held(decoder: Decoder[Any]) -> int:
    """How many bytes a decoder keeps."""
    return max(len(part) for part in vars(decoder._framer).values() if isinstance(part, bytearray))


@EACH
def test_a_parser_survives_whatever_comes(parser: str) -> None:
    make, good, probe = PARSERS[parser]
    decoder = make()
    (expected,) = decoder.feed(probe) + decoder.idle()
    assert isinstance(expected, Shown)
    cards = 0
    for number, data in enumerate(mutations([probe] * len(good) + good, INPUTS, seed=0)):
        discarded = decoder.discarded
        heard = decoder.feed(data) + (decoder.idle() if number % 3 == 0 else [])
        cards += sum(isinstance(each, Shown) for each in heard)
        assert all(isinstance(each, Shown | Typed | Refused) for each in heard)
        assert len(heard) <= len(data) + MAX_DIGITS  # digits before a key may turn out to be keys themselves
        assert decoder.discarded >= discarded
        assert held(decoder) <= LARGEST
        if number % 50 == 0:  # after a silence the next frame must be found
            decoder.idle()
            found = decoder.feed(probe) + decoder.idle()
            assert expected in found
    assert cards > INPUTS // 50  # good ones among the inputs were found, and often


class Parser(Protocol):
    discarded: int
    rejected: int

    @property
    def collecting(self) -> bool: ...

    def feed(self, data: bytes) -> list[Any]: ...


FRAMERS: dict[str, Callable[[], Parser]] = {
    "em": EmFramer,
    "hex_line": lambda: make_framer("hex_line", "burst"),
    "decimal_line": lambda: make_framer("decimal_line", "ascii"),
    "bits_line": lambda: make_framer("bits_line", "burst"),
    "stx_lrc": lambda: make_framer("stx_lrc", "burst"),
    "auto": lambda: LineFramer("auto"),
    "crlf": lambda: LineFramer("crlf"),
    "silence": lambda: LineFramer("silence"),
}
EVERYTHING = list(dict.fromkeys(frame for _, good, _ in PARSERS.values() for frame in good))


@pytest.mark.parametrize("name", FRAMERS)
@given(
    parts=st.lists(st.one_of(st.sampled_from(EVERYTHING), st.binary(max_size=30)), max_size=12),
    chunk=st.integers(1, 40),
)
def test_cutting_a_stream_elsewhere_changes_nothing(name: str, parts: list[bytes], chunk: int) -> None:
    stream = b"".join(parts)
    whole, cut = FRAMERS[name](), FRAMERS[name]()
    expected = whole.feed(stream)
    assert [f for at in range(0, len(stream), chunk) for f in cut.feed(stream[at : at + chunk])] == expected
    assert (cut.discarded, cut.rejected, cut.collecting) == (
        whole.discarded,
        whole.rejected,
        whole.collecting,
    )


@given(repeat=st.integers(1, 4000), byte=st.integers(0, 255), chunk=st.sampled_from([1, 7, 1024, 4096]))
def test_a_device_that_says_one_thing_for_ever_is_bounded(repeat: int, byte: int, chunk: int) -> None:
    stream = bytes((byte,)) * repeat
    for make in FRAMERS.values():
        framer = make()
        for at in range(0, len(stream), chunk):
            framer.feed(stream[at : at + chunk])
            parts = [part for part in vars(framer).values() if isinstance(part, bytearray)]
            assert max(map(len, parts)) <= LARGEST
    assert MAX_DIGITS < LARGEST


@given(tag=st.binary(min_size=5, max_size=5).filter(any))
def test_any_tag_is_read_as_it_was_sent(tag: bytes) -> None:
    check = tag[0] ^ tag[1] ^ tag[2] ^ tag[3] ^ tag[4]
    frame = b"\x02" + (tag + bytes((check,))).hex().encode() + b"\x03"
    assert EmDecoder(once=True).feed(frame) == [Shown(CredentialKind.EM_TAG, tag.hex().upper())]
