"""ASCII-line readers and QR scanners (readers.md 4.7, 5.1, 5.4): payload, what stands around it, when."""

import os
from random import Random

import pytest
from firmware_sim_support import carrying, made, number_of

FUZZ = int(os.environ.get("LIUHEN_FUZZ", "3000"))
UID = bytes.fromhex("26DEFAE7")
QR_LINE = bytes.fromhex(  # readers.md 9, vector 87
    "68 74 74 70 73 3A 2F 2F 65 78 61 6D 70 6C 65 2E 6F 72 67 2F 6B 2F 31 0D 0A"
)


@pytest.mark.parametrize(
    ("options", "sent", "called"),
    [
        ("", b"26DEFAE7\r\n", "32:26DEFAE7"),
        ('format = "hex10"', b"0026DEFAE7\r\n", "32:26DEFAE7"),
        ('format = "dec10"', b"0652147431\r\n", "32:26DEFAE7"),  # readers.md 4.7
        ('format = "facility_card"', b"222,64231\r\n", "26:DEFAE7"),  # readers.md 4.7
        ('suffix = "cr"\nstx = true', b"\x0226DEFAE7\r", "32:26DEFAE7"),
        ('suffix = "silence"', b"26DEFAE7", "32:26DEFAE7"),
        ('suffix = "nul"', b"26DEFAE7\0", "32:26DEFAE7"),
    ],
)
def test_a_uid_is_a_line_in_the_format_that_is_set(options: str, sent: bytes, called: str) -> None:
    reader = made("text", options)
    reader.present(carrying(uid=UID))
    assert reader.sent(5.0) == sent
    assert number_of("text", options, carrying(uid=UID)) == ("card_number", called)


# readers.md 5.1: what is printed on tag 01 026F6C3A.
@pytest.mark.parametrize(
    ("form", "sent"), [("dec10", b"0040856634"), ("dec8", b"07302202"), ("facility_card", b"111,27706")]
)
def test_a_tag_is_a_line_as_it_is_printed_on_its_face(form: str, sent: bytes) -> None:
    reader = made("text", f'source = "em_tag"\nformat = "{form}"')
    reader.present(carrying(em_tag=bytes.fromhex("01026F6C3A")))
    assert reader.sent(1.0) == sent + b"\r\n"


def test_a_long_uid_is_printed_by_its_first_four_bytes() -> None:
    reader = made("text")
    reader.present(carrying(uid=bytes.fromhex("04112233445566")))
    assert reader.sent(1.0) == b"04112233\r\n"


def test_a_card_of_another_kind_is_not_noticed() -> None:
    reader = made("text")
    reader.present(carrying(em_tag=bytes.fromhex("01026F6C3A")))
    assert reader.sent(1.0) == b""
    assert number_of("text", "", carrying()) is None


def test_a_code_is_sent_as_it_is() -> None:
    scanner = made("qr")
    card = carrying(qr_text="https://example.org/k/1")
    scanner.present(card)
    assert scanner.sent(1.0) == QR_LINE
    assert number_of("qr", "", card) == ("qr_code", "https://example.org/k/1")
    assert number_of("qr", "", carrying()) is None


def test_a_code_outside_ascii_is_utf_8() -> None:
    scanner = made("qr", 'suffix = "lf"')
    scanner.present(carrying(qr_text="访客 7"))
    assert scanner.sent(1.0) == bytes.fromhex("E8AEBF E5AEA2 20 37 0A")


def test_a_scanner_may_read_a_code_again_while_it_is_held_there() -> None:
    scanner = made("qr", "repeat_s = 0.5")
    scanner.present(carrying(qr_text="A"))
    assert scanner.sent(1.6) == b"A\r\n" * 4


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_triggered_scanner_looks_between_two_commands_only(cut: int) -> None:
    scanner = made("qr", "trigger = true")
    on, off = bytes.fromhex("16 54 0D"), bytes.fromhex("16 55 0D")  # readers.md 5.4

    def tell(command: bytes) -> None:
        for at in range(0, len(command), cut):
            scanner.feed(command[at : at + cut])

    scanner.present(carrying(qr_text="A"))
    assert scanner.sent(1.0) == b""
    tell(on)
    assert scanner.sent(1.0) == b"A\r\n"
    scanner.remove()
    scanner.present(carrying(qr_text="B"))
    assert scanner.sent(1.0) == b"B\r\n"
    tell(off)
    scanner.remove()
    scanner.present(carrying(qr_text="C"))
    assert scanner.sent(1.0) == b""
    tell(on)
    scanner.device.power_cycle(scanner.now)
    assert scanner.sent(1.0) == b""
    assert scanner.device.card is not None


def test_a_triggered_scanner_forgets_what_is_no_command() -> None:
    rng = Random(16)
    scanner = made("qr", "trigger = true")
    scanner.present(carrying(qr_text="A"))
    for _ in range(FUZZ):
        noise = rng.randbytes(rng.randrange(20)).replace(b"\x16", b"")
        scanner.feed(noise)
        assert scanner.sent(0.01) == b""
    scanner.feed(b"\x16T\r")
    assert scanner.sent(1.0) == b"A\r\n"
