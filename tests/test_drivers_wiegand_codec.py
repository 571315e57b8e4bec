"""Converters' frames, keys and words against the documented ones, at every cut, and as settings read them."""

from typing import Any

import pytest
from drivers_support import vectors
from pydantic import ValidationError

from drivers.base import CredentialKind
from drivers.listening import Heard, Refused, Shown, Typed
from drivers.wiegand_codec import MAX_DIGITS, Damaged, Digits, Frame, Framing, Key, Keys, make_framer
from drivers.wiegand_reader import WiegandDecoder, WiegandSettings

CONVERTERS = vectors("wiegand")["converter"]
WORDS = vectors("wiegand")["word"]
BURSTS = vectors("wiegand")["key"]
WIE232, S4A, SR30 = (bytes.fromhex(each["hex"]) for each in CONVERTERS)
BY_NAME = pytest.mark.parametrize("each", CONVERTERS, ids=lambda each: str(each["name"]))
DAMAGED = "the number was damaged between reader and gateway: present the card again"
ALL_KEYS = "0123456789*#"


def settings(**chosen: object) -> WiegandSettings:
    return WiegandSettings.model_validate({"port": "/dev/somewhere"} | chosen)


def decoded(stream: bytes, **chosen: object) -> list[Heard]:
    decoder = WiegandDecoder(settings(**chosen))
    return decoder.feed(stream) + decoder.idle()


def pieces(stream: bytes, chunk: int) -> list[bytes]:
    return [stream[at : at + chunk] for at in range(0, len(stream), chunk)]


@BY_NAME
def test_a_documented_frame_is_its_digits_at_every_cut(each: dict[str, Any]) -> None:
    stream = bytes.fromhex(each["hex"])
    for cut in range(len(stream) + 1):
        framer = make_framer(each["framing"], "burst")
        assert framer.feed(stream[:cut]) + framer.feed(stream[cut:]) == [Digits(each["digits"])]
        assert (framer.discarded, framer.rejected) == (0, 0)


@BY_NAME
def test_a_documented_frame_is_its_card(each: dict[str, Any]) -> None:
    assert decoded(bytes.fromhex(each["hex"]), framing=each["framing"], bits=each["bits"]) == [
        Shown(CredentialKind.CARD_NUMBER, each["number"])
    ]


def test_two_lines_in_one_read_are_two_cards() -> None:
    both = vectors("wiegand")["two_lines"]
    framer = make_framer("decimal_line", "burst")
    assert framer.feed(bytes.fromhex(both["hex"])) == [Digits(digits) for digits in both["digits"]]


@pytest.mark.parametrize("each", WORDS, ids=lambda each: str(each["name"]))
def test_a_whole_word_is_its_card_if_its_parity_is_right(each: dict[str, Any]) -> None:
    (heard,) = decoded(each["line"].encode() + b"\r\n", framing="bits_line", bits=each["bits"])
    if each["must_fail"]:
        assert isinstance(heard, Refused)
        assert "parity" in heard.cause
    else:
        assert heard == Shown(CredentialKind.CARD_NUMBER, each["number"])


def test_a_word_of_another_length_is_refused() -> None:
    (heard,) = decoded(WORDS[4]["line"].encode() + b"\r", framing="bits_line", bits=26)
    assert isinstance(heard, Refused)
    assert "'bits'" in heard.cause


@pytest.mark.parametrize("chunk", [1, 2, 3, 64])
@pytest.mark.parametrize(
    ("framing", "stream", "expected", "discarded"),
    [
        pytest.param("hex_line", b"\xff\xfe" + WIE232, ["7BB26E"], 2, id="noise before"),
        pytest.param("hex_line", WIE232 + b"\xff\xff", ["7BB26E"], 2, id="noise after"),
        pytest.param("hex_line", b"7BB\xff" + WIE232, ["7BB26E"], 4, id="noise inside the line before"),
        pytest.param("hex_line", b"7bb26e\n", ["7BB26E"], 0, id="lower case, LF alone"),
        pytest.param("hex_line", b"\r\r\r", [], 0, id="empty lines"),
        pytest.param("hex_line", b"A" * 200 + b"\r" + WIE232, ["7BB26E"], 200, id="an endless line"),
        pytest.param("hex_line", b"A" * 200 + b"\xff" + WIE232, ["7BB26E"], 201, id="an endless line torn"),
        pytest.param("hex_line", b"7BB26E", [], 0, id="not complete yet"),
        pytest.param("decimal_line", b"12AB34\r\n" + S4A, ["34", "0000123478"], 4, id="no decimal digits"),
        pytest.param("stx_lrc", SR30 + SR30, ["26DEFAE7"] * 2, 0, id="frames back to back"),
        pytest.param("stx_lrc", b"\xff\x02\x02" + SR30, ["26DEFAE7"], 3, id="starts without frames"),
        pytest.param("stx_lrc", SR30[:6] + SR30, ["26DEFAE7"], 6, id="a frame torn off"),
        pytest.param("stx_lrc", SR30[:-1] + SR30, [None, "26DEFAE7"], 10, id="the check byte lost"),
        pytest.param("stx_lrc", SR30[:-1] + b"\x70" + SR30, [None, "26DEFAE7"], 11, id="a wrong check byte"),
        pytest.param("stx_lrc", SR30[:4] + SR30[5:], [], 10, id="a digit lost"),
        pytest.param("stx_lrc", b"\x02" + b"0" * 50, [], 51, id="digits without end"),
        pytest.param(
            "bits_line", b"10111101110110010011011101\r", ["10111101110110010011011101"], 0, id="bits"
        ),
    ],
)
def test_frames_are_found_at_any_cut(
    framing: Framing, stream: bytes, expected: list[str | None], discarded: int, chunk: int
) -> None:
    framer = make_framer(framing, "burst")
    frames = [frame for piece in pieces(stream, chunk) for frame in framer.feed(piece)]
    assert frames == [Damaged() if digits is None else Digits(digits) for digits in expected]
    assert framer.discarded == discarded
    assert framer.rejected == expected.count(None)


@pytest.mark.parametrize("each", BURSTS, ids=lambda each: str(each["key"]))
def test_a_key_burst_is_its_key_as_byte_and_as_line(each: dict[str, str]) -> None:
    key = [Key(each["key"])]
    for framing in ("hex_line", "decimal_line", "bits_line"):
        assert make_framer(framing, "burst").feed(bytes((int(each["long"], 2),))) == key
        assert make_framer(framing, "burst").feed(bytes((int(each["short"], 2),))) == key
    assert make_framer("stx_lrc", "burst").feed(bytes((int(each["long"], 2),))) == key
    for burst in (each["long"], each["short"]):
        assert make_framer("bits_line", "burst").feed(burst.encode() + b"\r\n") == key
        digits = f"{int(burst, 2):0{len(burst) // 4}X}"
        assert make_framer("hex_line", "burst").feed(digits.encode() + b"\r") == key


def test_a_burst_that_is_no_key_is_damaged() -> None:
    for framing, stream in (("bits_line", b"1111\r10100100\r"), ("hex_line", b"F\rA4\r")):
        assert decoded(stream, framing=framing) == [Refused(DAMAGED)] * 2


@pytest.mark.parametrize("framing", ["hex_line", "decimal_line", "bits_line", "stx_lrc"])
@pytest.mark.parametrize("keys", ["burst", "ascii"])
def test_every_key_is_told_apart_in_every_framing(framing: Framing, keys: Keys) -> None:
    framer = make_framer(framing, keys)
    heard: list[Frame] = []
    for value, key in enumerate(ALL_KEYS):
        code = ((value ^ 15) << 4 | value) if keys == "burst" else ord(key)
        heard += framer.feed(bytes((code,))) + framer.idle()
    assert heard == [Key(key) for key in ALL_KEYS]


def test_a_line_feed_after_a_carriage_return_is_no_key_and_alone_it_is_one() -> None:
    framer = make_framer("decimal_line", "burst")
    assert framer.feed(S4A) == [Digits("0000123478")]
    assert framer.feed(b"\x0a") == [Key("*")]
    assert framer.feed(b"0000123478\r") == [Digits("0000123478")]
    assert framer.collecting
    assert framer.idle() == []
    assert framer.feed(b"\x0a") == [Key("*")]


def test_digits_before_a_hash_or_star_key_are_keys_however_fast_they_came() -> None:
    framer = make_framer("decimal_line", "ascii")
    assert framer.feed(b"47110#") == [Key(char) for char in "47110#"]


def test_a_card_torn_by_a_silence_is_not_taken_for_keys() -> None:
    framer = make_framer("decimal_line", "ascii")
    assert framer.feed(S4A[:6]) + framer.idle() == []
    assert framer.discarded == 6


@pytest.mark.parametrize("keys", ["burst", "ascii"])
def test_the_rest_of_a_torn_frame_is_not_taken_for_keys(keys: Keys) -> None:
    framer = make_framer("stx_lrc", keys)
    for torn in (
        SR30[:4] + b"\xff" + SR30[4:],
        SR30[:3] + SR30[4:] + b"123",
        SR30[:-1] + b"\x99" + b"\xa5123",
    ):
        assert Key not in {type(frame) for frame in framer.feed(torn)}
        assert framer.collecting
        framer.idle()
    assert framer.feed(SR30) == [Digits("26DEFAE7")]


def test_a_line_is_bounded() -> None:
    for framing in ("hex_line", "decimal_line", "bits_line", "stx_lrc"):
        framer = make_framer(framing, "burst")
        for _ in range(100):
            framer.feed(b"\x02" + b"1" * 1000)
        assert len(vars(framer).get("_line", b"")) <= MAX_DIGITS
        assert len(vars(framer).get("_frame", b"")) <= 12


# --- what the settings make of it --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "chosen", "number"),
    [
        pytest.param(b"6EB27B\r", {"byte_order": "reversed"}, "26:7BB26E", id="bytes backwards"),
        pytest.param(b"26DEFAE7\r", {"bits": 34}, "34:26DEFAE7", id="34 bits"),
        pytest.param(b"000000001\r", {"bits": 37}, "37:000000001", id="37 bits"),
        pytest.param(
            b"12345678\r\n",
            {"framing": "decimal_line", "notation": "facility_card"},
            "26:7BB26E",
            id="FFFCCCCC",
        ),
        pytest.param(
            b"0995064231\r\n",
            {"framing": "decimal_line", "notation": "facility_card", "bits": 34},
            "34:26DEFAE7",
            id="FFFFFCCCCC",
        ),
        pytest.param(
            b"08106606\r\n", {"framing": "decimal_line", "digits": 8}, "26:7BB26E", id="eight digits"
        ),
        pytest.param(
            b"\x020001E25678\x03\x7b", {"framing": "stx_lrc", "bits": 34}, "34:01E25678", id="ten digits"
        ),
    ],
)
def test_settings_say_how_a_number_is_read(stream: bytes, chosen: dict[str, Any], number: str) -> None:
    assert decoded(stream, **chosen) == [Shown(CredentialKind.CARD_NUMBER, number)]


@pytest.mark.parametrize(
    ("stream", "chosen"),
    [
        pytest.param(b"7BB26\r", {}, id="a digit lost"),
        pytest.param(b"7BB26E0\r", {}, id="a digit too many"),
        pytest.param(b"000123478\r\n", {"framing": "decimal_line"}, id="a decimal digit lost"),
        pytest.param(
            b"1234567\r\n", {"framing": "decimal_line", "notation": "facility_card"}, id="a card digit lost"
        ),
        pytest.param(
            b"99999999\r\n", {"framing": "decimal_line", "notation": "facility_card"}, id="no such facility"
        ),
        pytest.param(SR30, {"framing": "stx_lrc", "bits": 26}, id="a larger card than set"),
    ],
)
def test_a_number_in_another_form_is_never_another_card(stream: bytes, chosen: dict[str, Any]) -> None:
    (heard,) = decoded(stream, **chosen)
    assert isinstance(heard, Refused)
    assert not any(char.isdigit() for char in heard.cause.replace("26", ""))


def test_scraps_are_noise_and_nobodys_card() -> None:
    decoder = WiegandDecoder(settings())
    assert decoder.feed(b"ABC\r") == []
    assert decoder.discarded == 3


def test_keys_are_typed() -> None:
    assert decoded(b"\xa5\x4b") == [Typed("5"), Typed("#")]


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"bits": 32}, "bits"),
        ({"bits": 37, "byte_order": "reversed"}, "whole bytes"),
        ({"notation": "facility_card"}, "decimal_line"),
        (
            {"framing": "decimal_line", "notation": "facility_card", "byte_order": "reversed"},
            "no byte order",
        ),
        ({"framing": "lines"}, "framing"),
        ({"digits": 3}, "digits"),
        ({"pin": "always"}, "pin"),
        ({"rate": 9601}, "rate"),
        ({"colour": "green"}, "colour"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        settings(**wrong)
