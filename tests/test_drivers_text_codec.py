"""Lines of readers and scanners at every cut; numbers, codes and what settings make of them."""

import time
from typing import Any

import pytest
from drivers_support import vectors
from pydantic import ValidationError

from drivers.base import CredentialKind
from drivers.listening import Heard, Refused, Shown
from drivers.text_codec import (
    MAX_LINE,
    LineFramer,
    NumberTemplate,
    Suffix,
    ascii_tail,
    seven_bits,
    text_of,
    was_meant,
)
from drivers.text_reader import QrDecoder, QrSettings, TextDecoder, TextSettings

LINES = vectors("text_lines")["line"]
NUMBERS = vectors("text_lines")["number"]
PORT = {"port": "/dev/somewhere"}


def numbers(stream: bytes, **chosen: object) -> list[Heard]:
    decoder = TextDecoder(TextSettings.model_validate(PORT | chosen))
    return decoder.feed(stream) + decoder.idle()


def codes(stream: bytes, **chosen: object) -> list[Heard]:
    decoder = QrDecoder(QrSettings.model_validate(PORT | chosen))
    return decoder.feed(stream) + decoder.idle()


@pytest.mark.parametrize("each", LINES, ids=lambda each: str(each["name"]))
def test_documented_lines_are_found_at_every_cut(each: dict[str, Any]) -> None:
    stream = bytes.fromhex(each["hex"])
    for cut in range(len(stream) + 1):
        framer = LineFramer("auto")
        lines = framer.feed(stream[:cut]) + framer.feed(stream[cut:])
        assert [line.decode() for line in lines] == each["texts"]
        assert framer.discarded == 0


@pytest.mark.parametrize("chunk", [1, 2, 3, 64, 4096])
@pytest.mark.parametrize(
    ("suffix", "stream", "lines", "discarded"),
    [
        pytest.param("auto", b"A\rB\nC\r\nD\0E\x03", [b"A", b"B", b"C", b"D", b"E"], 0, id="any end"),
        pytest.param("auto", b"\x02A\x03\x02B\x03", [b"A", b"B"], 0, id="STX and ETX around"),
        pytest.param("auto", b"\r\n\r\n\0\x03\x02\r", [], 0, id="nothing but ends"),
        pytest.param("auto", b"A\tB\r", [b"A\tB"], 0, id="a tab inside"),
        pytest.param("cr", b"A\r\nB\r\n", [b"A", b"B"], 0, id="CR LF where CR is set"),
        pytest.param("lf", b"A\r\nB\r\n", [b"A", b"B"], 0, id="CR LF where LF is set"),
        pytest.param("crlf", b"A\rB\r\nC\nD\r\n", [b"A\rB", b"C\nD"], 0, id="single ones inside"),
        pytest.param("tab", b"A\tB\t", [b"A", b"B"], 0, id="tab"),
        pytest.param("etx", b"\x02A\x03B\x03", [b"A", b"B"], 0, id="ETX"),
        pytest.param("nul", b"A\0B\0", [b"A", b"B"], 0, id="NUL"),
        pytest.param("silence", b"A\r\nB", [b"A\r\nB"], 0, id="silence alone"),
        pytest.param("auto", b"A\rB", [b"A", b"B"], 0, id="silence ends as well"),
        pytest.param("cr", b"A\rB", [b"A"], 1, id="silence tears"),
        pytest.param("cr", b"x" * MAX_LINE + b"\r", [b"x" * MAX_LINE], 0, id="as long as can be"),
        pytest.param("cr", b"x" * (MAX_LINE + 1) + b"\rA\r", [b"A"], MAX_LINE + 1, id="one too long"),
        pytest.param("crlf", b"x" * (MAX_LINE + 1) + b"\r\nA\r\n", [b"A"], MAX_LINE + 1, id="and with CR LF"),
        pytest.param("crlf", b"x" * 9000 + b"\r\nA\r\n", [b"A"], 9000, id="far too long"),
        pytest.param("silence", b"x" * 9000, [], 9000, id="without any end"),
    ],
)
def test_lines_are_found_at_any_cut(
    suffix: Suffix, stream: bytes, lines: list[bytes], discarded: int, chunk: int
) -> None:
    framer = LineFramer(suffix)
    found = [line for at in range(0, len(stream), chunk) for line in framer.feed(stream[at : at + chunk])]
    assert found + framer.idle() == lines
    assert framer.discarded == discarded
    assert framer.rejected == int(discarded > MAX_LINE)
    assert not framer.collecting


def test_what_comes_after_an_endless_line_and_a_silence_is_a_line() -> None:
    framer = LineFramer("cr")
    framer.feed(b"x" * 9000)
    assert framer.collecting
    assert framer.idle() == []
    assert framer.feed(b"A\r") == [b"A"]


def test_a_line_cut_off_is_forgotten() -> None:
    framer = LineFramer("auto")
    framer.feed(b"ABC")
    framer.reset()
    assert framer.feed(b"D\r") == [b"D"]
    assert framer.discarded == 3


def test_seven_bits_with_even_parity_are_read_and_checked() -> None:
    # ASCII "7" = 0110111 and "1" = 0110001 have odd numbers of ones, "3" = 0110011 and CR = 0001101:
    # even parity sets bit 7 of "7", "1" and CR alone
    assert seven_bits(b"\xb7\xb1\x33\x8d") == b"713\r"
    assert seven_bits(b"\x37") == b"\xff"


def test_noise_before_a_line_ends_with_the_last_byte_that_is_no_text() -> None:
    assert ascii_tail(b"\x8fA\xff7BB26E") == "7BB26E"
    assert ascii_tail(b"\xff\xfe") == ""


def test_only_what_is_long_enough_was_meant() -> None:
    assert was_meant(b"\xffKEY1\xff")
    assert not was_meant(b"\xffKEY\xff1\xffAB")


# --- numbers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("each", NUMBERS, ids=lambda each: str(each["name"]))
def test_a_printed_number_is_the_same_credential_in_every_notation(each: dict[str, Any]) -> None:
    names = {"base", "bits", "byte_order", "pattern", "digits"}
    chosen = {name: value for name, value in each.items() if name in names}
    assert numbers(each["text"].encode() + b"\r\n", **chosen) == [
        Shown(CredentialKind.CARD_NUMBER, each["number"])
    ]


@pytest.mark.parametrize(
    ("line", "chosen", "kind", "number"),
    [
        pytest.param(b"7BB26E\r", {}, "card_number", "26:7BB26E", id="hex"),
        pytest.param(b"6eb27b\r", {"byte_order": "reversed"}, "card_number", "26:7BB26E", id="reversed"),
        pytest.param(b"01026f6c3a\r", {"kind": "em_tag"}, "em_tag", "01026F6C3A", id="EM tag"),
        pytest.param(b"26DEFAE7\r", {"kind": "card_uid"}, "card_uid", "26DEFAE7", id="UID"),
        pytest.param(
            b"66554433221104\r",
            {"kind": "card_uid", "byte_order": "reversed"},
            "card_uid",
            "04112233445566",
            id="long UID",
        ),
        pytest.param(
            b"Card No: 7BB26E!\r", {"pattern": "Card No: {number}!"}, "card_number", "26:7BB26E", id="text"
        ),
        pytest.param(
            b"12:30:59;7BB26E;ok\r", {"pattern": "{any};{number};{any}"}, "card_number", "26:7BB26E", id="any"
        ),
        pytest.param(b"BB\r", {"digits": "any"}, "card_number", "26:0000BB", id="any number of digits"),
        pytest.param(b"0000BB\r", {"digits": 6}, "card_number", "26:0000BB", id="so many digits"),
        pytest.param(b"\xb7\x42\x42\xb2\x36\xc5\x8d", {"line": "7e1"}, "card_number", "26:7BB26E", id="7E1"),
        pytest.param(b"\x8f\x13\x7f7BB26E\r", {}, "card_number", "26:7BB26E", id="noise before"),
        pytest.param(b"7BB26E", {}, "card_number", "26:7BB26E", id="no suffix"),
    ],
)
def test_settings_say_how_a_line_is_read(line: bytes, chosen: dict[str, Any], kind: str, number: str) -> None:
    assert numbers(line, **chosen) == [Shown(CredentialKind(kind), number)]


@pytest.mark.parametrize(
    ("line", "chosen", "cause"),
    [
        pytest.param(b"7BB26\r", {}, "another form", id="a digit lost"),
        pytest.param(b"7BB\xff26E5\r", {}, "another form", id="noise inside"),
        pytest.param(b"0652147431\r", {"base": "decimal"}, "'bits'", id="too large"),
        pytest.param(b"000000\r", {}, "zeros", id="zeros"),
        pytest.param(b"0000000000\r", {"kind": "em_tag"}, "zeros", id="a tag of zeros"),
        pytest.param(b"08ABCDEF\r", {"kind": "card_uid"}, "random", id="a random UID"),
        pytest.param(b"88041122\r", {"kind": "card_uid"}, "only part", id="a part of a UID"),
        pytest.param(b"004BB26E\r", {"kind": "em_tag"}, "another form", id="a short tag"),
        pytest.param(
            b"111,277\r", {"pattern": "{facility},{card}", "base": "decimal"}, "another form", id="lost"
        ),
    ],
)
def test_what_is_no_credential_says_why(line: bytes, chosen: dict[str, Any], cause: str) -> None:
    (heard,) = numbers(line, **chosen)
    assert isinstance(heard, Refused)
    assert cause in heard.cause


def test_scraps_are_noise_and_counted() -> None:
    decoder = TextDecoder(TextSettings.model_validate(PORT))
    assert decoder.feed(b"\xffAB\r\x80\x81\x82\r") == []
    assert decoder.discarded == 6


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"pattern": "no place"}, "must hold"),
        ({"pattern": "{number}{number}"}, "must hold"),
        ({"pattern": "{number},{card}"}, "must hold"),
        ({"pattern": "{nummer}"}, "must hold"),
        ({"pattern": "{any};{any};{any};{number}"}, "times at most"),
        ({"pattern": "{any}{number}"}, "some text between"),
        ({"pattern": "{card},{facility}", "base": "decimal"}, "before"),
        ({"pattern": "{facility},{card}"}, "decimal"),
        ({"pattern": "{facility},{card}", "base": "decimal", "bits": 32}, "26, 34, 35 or 37"),
        ({"pattern": "{facility},{card}", "base": "decimal", "byte_order": "reversed"}, "whole bytes"),
        ({"kind": "em_tag", "base": "decimal"}, "hex"),
        ({"bits": 37, "byte_order": "reversed"}, "whole bytes"),
        ({"bits": 7}, "bits"),
        ({"digits": "some"}, "digits"),
        ({"suffix": "\r"}, "suffix"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        TextSettings.model_validate(PORT | wrong)


def test_braces_and_signs_in_a_pattern_are_plain_text() -> None:
    found = NumberTemplate("[.*+({number})$", "hex").find("[.*+(BEEF)$")
    assert found
    assert found.digits == ("BEEF",)


def test_no_line_keeps_the_processor_busy() -> None:
    template = NumberTemplate("{any};{number};{any};", "hex")
    begun_s = time.process_time()
    for line in (";1" * 512, "1;" * 512 + "x", "1" * 1024, ";1" * 63 + "x"):
        assert template.find(line) is None
    assert time.process_time() - begun_s < 1.0


# --- codes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "chosen", "expected"),
    [
        pytest.param("访客-7\r\n".encode(), {}, ["访客-7"], id="UTF-8"),
        pytest.param("访客-7\r\n".encode("gbk"), {"charset": "gbk"}, ["访客-7"], id="GBK"),
        pytest.param(b"caf\xe9\r\n", {"charset": "latin-1"}, ["café"], id="Latin-1"),
        pytest.param(b"]Q1KEY-1\r]Q1KEY-2\r", {"prefix": "]Q1"}, ["KEY-1", "KEY-2"], id="prefix"),
        pytest.param(b"KEY-1", {}, ["KEY-1"], id="no suffix"),
        pytest.param(b" KEY 1 \r", {}, [" KEY 1 "], id="spaces belong to it"),
    ],
)
def test_codes_are_told_as_they_are(stream: bytes, chosen: dict[str, Any], expected: list[str]) -> None:
    assert codes(stream, **chosen) == [Shown(CredentialKind.QR_CODE, text) for text in expected]


@pytest.mark.parametrize(
    ("stream", "chosen"),
    [
        pytest.param("访客-7777\r\n".encode("gbk"), {}, id="another character set"),
        pytest.param(b"KEY-\x011\r\n", {}, id="control characters"),
        pytest.param(b"\xffKEY-1\r\n", {}, id="noise stuck to it"),
        pytest.param(b"KEY-1\r\n", {"prefix": "]Q1"}, id="without its prefix"),
        pytest.param(b"]Q1]\r\n", {"prefix": "]Q1]"}, id="nothing but its prefix"),
    ],
)
def test_what_is_no_text_is_no_code_and_never_a_part_of_one(stream: bytes, chosen: dict[str, Any]) -> None:
    (heard,) = codes(stream, **chosen)
    assert isinstance(heard, Refused)


def test_noise_is_no_code() -> None:
    assert codes(b"\xff\xfe\x80\r\xf8\xe6\n") == []


def test_text_with_a_byte_that_is_none_has_no_text() -> None:
    assert text_of(b"A\xffB", "utf-8") is None
    assert text_of(b"", "utf-8") is None
    assert text_of(b"A\x7f", "latin-1") is None


def test_what_was_shown_is_not_shown_by_its_repr() -> None:
    assert "KEY-1" not in repr(codes(b"KEY-1\r"))
    assert "BEEF" not in repr(NumberTemplate("{number}", "hex").find("BEEF"))
