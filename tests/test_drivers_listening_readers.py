"""Drivers of readers that only send, each behind a pseudo-terminal: cards, keys, noise, losses."""

import contextlib
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from drivers_support import Ear, Peer, running, tokenise, vectors

from drivers import allowance, listening
from drivers.base import (
    Assurance,
    CardRead,
    CardRemoved,
    CardUnreadable,
    CredentialKind,
    DeviceChanged,
    Indication,
    pin_number,
)
from drivers.catalogue import READERS
from drivers.serial_reader import SerialReader

DOCS = Path(__file__).parents[1] / "docs" / "readers"
GAP_S = 0.3  # `removal_s` in these tests
LONG_GAP_S = 2.0  # where a busy machine must not make a pause of it
SILENCE_S = 1.0  # ends whatever was begun, on a busy machine too


def em_frame(name: str) -> bytes:
    return next(bytes.fromhex(each["hex"]) for each in vectors("em4100")["frame"] if each["name"] == name)


def converter_frame(name: str) -> bytes:
    return next(
        bytes.fromhex(each["hex"]) for each in vectors("wiegand")["converter"] if each["name"] == name
    )


LINE = bytes.fromhex(vectors("text_lines")["line"][0]["hex"])
CODE = vectors("text_lines")["line"][0]["texts"][0]
RDM, OTHER_RDM = em_frame("rdm6300 01 026F6C3A"), em_frame("rdm6300 00 00D507D0")
ID12 = em_frame("id12 01 026F6C3A")
WIE232, S4A, SR30 = (converter_frame(name) for name in ("WIE232", "S4A", "SR30"))


@dataclass(frozen=True)
class Family:
    """One kind of reader: its driver, two cards as it sends them, and what the first one is."""

    driver: str
    settings: dict[str, Any]
    first: bytes
    second: bytes
    kind: CredentialKind
    number: str


FAMILIES = {
    "rdm6300": Family("rdm6300", {}, RDM, OTHER_RDM, CredentialKind.EM_TAG, "01026F6C3A"),
    "id12": Family("id12", {}, ID12, OTHER_RDM, CredentialKind.EM_TAG, "01026F6C3A"),
    "WIE232": Family("wiegand", {}, WIE232, b"A3641D\r", CredentialKind.CARD_NUMBER, "26:7BB26E"),
    "S4A": Family(
        "wiegand",
        {"framing": "decimal_line"},
        S4A,
        b"0000123479\r\n",
        CredentialKind.CARD_NUMBER,
        "26:01E256",
    ),
    "SR30": Family(
        "wiegand",
        {"framing": "stx_lrc", "bits": 34},
        SR30,
        b"\x0200000001\x03\x00",  # XOR of 02, eight 30 but the last 31, and 03: 02^03 = 01, 30^31 = 01
        CredentialKind.CARD_NUMBER,
        "34:26DEFAE7",
    ),
    "whole words": Family(
        "wiegand",
        {"framing": "bits_line"},
        b"10111101110110010011011101\r\n",
        b"01010001101100100000111010\r\n",
        CredentialKind.CARD_NUMBER,
        "26:7BB26E",
    ),
    "text": Family(
        "text",
        {"base": "decimal", "bits": 32},
        b"0652147431\r\n",
        b"0040856634\r\n",
        CredentialKind.CARD_NUMBER,
        "32:26DEFAE7",
    ),
    "qr": Family("qr", {}, LINE, b"KEY-2\r\n", CredentialKind.QR_CODE, CODE),
}
EACH = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    with Peer(tmp_path / "gate", lambda _: b"") as peer:
        yield peer


@contextlib.contextmanager
def reading(port: str | Path, family: Family, **settings: object) -> Iterator[Ear]:
    kind = READERS[family.driver]()
    chosen = {"port": str(port), "removal_s": GAP_S} | family.settings | settings
    with running(kind.make("gate", kind.settings.model_validate(chosen), tokenise)) as ear:
        ear.wait_until(lambda: bool(ear.states()), "a first state")
        yield ear


def pace(pause_s: float) -> None:
    """The silence that a device keeps on its line between two things it sends."""
    threading.Event().wait(pause_s)


def causes(ear: Ear) -> list[str]:
    return [event.cause for event in ear.of(DeviceChanged) if event.state == "degraded"]


@EACH
def test_a_card_is_read_once_and_its_end_is_told(peer: Peer, family: Family) -> None:
    with reading(peer.path, family) as ear:
        assert ear.states() == ["ok"]
        before_ns = time.monotonic_ns()
        peer.send(family.first)
        (read,) = ear.wait(CardRead)
        ear.wait(CardRemoved)
        assert before_ns < read.at_ns <= time.monotonic_ns()
        assert read == CardRead(
            "gate", family.kind, tokenise(family.kind, family.number), Assurance.L0, read.at_ns
        )
        assert len(ear.events) == 3


@EACH
def test_repeats_of_a_lying_card_are_one_presentation(peer: Peer, family: Family) -> None:
    with reading(peer.path, family, removal_s=LONG_GAP_S) as ear:
        end_s = time.monotonic() + 1.5 * LONG_GAP_S
        while time.monotonic() < end_s:
            peer.send(family.first)
            pace(0.05)
        ear.wait(CardRemoved)
        assert len(ear.of(CardRead)) == 1
        peer.send(family.first)
        ear.wait(CardRead, 2)


@EACH
def test_cards_right_after_one_another_are_all_read(peer: Peer, family: Family) -> None:
    with reading(peer.path, family) as ear:
        peer.send((family.first + family.second) * 5)
        reads = ear.wait(CardRead, 10)
        ear.wait(CardRemoved, 10)
        assert [read.token for read in reads[:2]] == [read.token for read in reads[2:4]]
        assert reads[0].token == tokenise(family.kind, family.number) != reads[1].token
        order = [type(event) for event in ear.events[1:]]
        assert order == [CardRead, CardRemoved] * 10


@EACH
def test_a_frame_in_pieces_is_put_together(peer: Peer, family: Family) -> None:
    can_wait = "idle_ms" in READERS[family.driver]().settings.model_fields
    with reading(peer.path, family, **({"idle_ms": 1000} if can_wait else {})) as ear:
        for byte in family.first:
            peer.send(bytes((byte,)))
            pace(0.005)
        assert ear.wait(CardRead)[0].token == tokenise(family.kind, family.number)


def test_it_says_that_a_card_is_being_read_once_its_first_bytes_are_there(peer: Peer) -> None:
    kind = READERS["rdm6300"]()
    reader, ear = kind.make("gate", kind.settings.model_validate({"port": str(peer.path)}), tokenise), Ear()
    assert isinstance(reader, SerialReader)
    begun = threading.Event()
    reader.while_reading = begun.set
    with running(reader, ear):
        ear.wait_state("ok")
        peer.send(RDM[:3])
        assert begun.wait(20)
        assert ear.of(CardRead) == []
        begun.clear()
        peer.send(RDM[3:])
        ear.wait(CardRead)
        assert not begun.is_set()


@EACH
def test_noise_around_a_card_is_no_card_and_does_not_hide_it(peer: Peer, family: Family) -> None:
    with reading(peer.path, family) as ear:
        peer.send(b"\xff\xff\xfe\x80")
        pace(SILENCE_S)  # noise of a plug ends before a card is presented
        peer.send(family.first)
        ear.wait(CardRead)
        peer.send(b"\xff\xff")
        ear.wait(CardRemoved)
        assert len(ear.of(CardRead)) == 1
        assert ear.of(CardUnreadable) == []
        assert ear.states() == ["ok"]


@EACH
def test_babble_is_told_with_what_to_check_and_is_over_with_the_next_card(peer: Peer, family: Family) -> None:
    with reading(peer.path, family) as ear:
        peer.send(b"\xf8\xe6\x80\xfe\xfc" * 40)
        ear.wait_state("ok", "degraded")
        (cause,) = causes(ear)
        assert "check" in cause
        pace(SILENCE_S)
        peer.send(family.first)
        ear.wait(CardRead)
        ear.wait_state("ok", "degraded", "ok")


def test_babble_is_over_when_it_has_been_silent_for_a_while(peer: Peer) -> None:
    with reading(peer.path, FAMILIES["id12"]) as ear:
        peer.send(b"\xf8\xe6\x80\xfe\xfc" * 40)
        ear.wait_state("ok", "degraded", "ok", deadline_s=listening.NOISE_OVER_S + 5)
        peer.send(b"\xf8")  # and told at once when it goes on
        ear.wait_until(lambda: ear.states()[-1] == "degraded", "degraded")


@EACH
def test_a_lost_reader_comes_back_by_itself(peer: Peer, family: Family) -> None:
    with reading(peer.path, family) as ear:
        peer.unplug()
        ear.wait_state("ok", "lost")
        peer.plug()
        back_s = time.monotonic()
        ear.wait_until(lambda: ear.states()[-1] == "ok", "ok")
        assert time.monotonic() - back_s < 5
        peer.send(family.first)
        ear.wait(CardRemoved)
        assert len(ear.of(CardRead)) == 1


@EACH
def test_half_a_frame_before_a_loss_is_forgotten(peer: Peer, family: Family) -> None:
    with reading(peer.path, family) as ear:
        peer.send(family.second)
        (second,) = ear.wait(CardRead)
        peer.send(family.first[:4])
        peer.unplug()
        ear.wait_until(lambda: ear.states()[-1] == "lost", "lost")
        peer.plug()
        ear.wait_until(lambda: ear.states()[-1] == "ok", "ok")
        peer.send(family.first[4:])
        pace(SILENCE_S)
        peer.send(family.second)
        ear.wait_until(lambda: [read.token for read in ear.of(CardRead)].count(second.token) == 2, "second")
        assert tokenise(family.kind, family.number) not in [read.token for read in ear.of(CardRead)]


@EACH
def test_feedback_returns_at_once_and_sends_nothing(peer: Peer, family: Family) -> None:
    kind = READERS[family.driver]()
    reader = kind.make(
        "gate", kind.settings.model_validate({"port": str(peer.path)} | family.settings), tokenise
    )
    with running(reader) as ear:
        ear.wait_state("ok")
        for signal in Indication:
            reader.indicate(signal)
        peer.send(family.first)
        ear.wait(CardRead)
    assert peer.heard == b""


@EACH
def test_no_number_is_logged_or_told(peer: Peer, family: Family, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with reading(peer.path, family) as ear:
        peer.send(b"\xff" * 100 + family.first[:-3] + b"\xff" + family.first + family.first[2:])
        pace(SILENCE_S)
        peer.send(family.first)
        ear.wait(CardRead)
        said = caplog.text + repr(ear.events)
    digits = family.number.rpartition(":")[2]
    assert digits not in said
    assert digits.lower() not in said


def test_a_lying_tag_is_no_new_presentation_when_the_line_comes_back(peer: Peer) -> None:
    family = FAMILIES["rdm6300"]
    with reading(peer.path, family, removal_s=LONG_GAP_S) as ear:
        peer.send(family.first)
        ear.wait(CardRead)
        peer.unplug()
        ear.wait_until(lambda: ear.states()[-1] == "lost", "lost")
        peer.plug()
        ear.wait_until(lambda: ear.states()[-1] == "ok", "ok")
        peer.send(family.first)
        ear.wait(CardRemoved)
        assert len(ear.of(CardRead)) == 1


def test_a_damaged_frame_of_a_repeating_reader_is_passed_over(peer: Peer) -> None:
    with reading(peer.path, FAMILIES["rdm6300"]) as ear:
        peer.send(em_frame("rdm6300 wrong check") + RDM + em_frame("rdm6300 wrong check") + RDM)
        ear.wait(CardRemoved)
        assert (len(ear.of(CardRead)), ear.of(CardUnreadable)) == (1, [])


def test_a_damaged_frame_of_a_reader_that_sends_once_is_told_once(peer: Peer) -> None:
    with reading(peer.path, FAMILIES["id12"]) as ear:
        peer.send(em_frame("rdm6300 wrong check") * 2)
        (unreadable,) = ear.wait(CardUnreadable)
        assert "present it again" in unreadable.cause
        peer.send(ID12)
        ear.wait(CardRead)
        assert len(ear.of(CardUnreadable)) == 1


@pytest.mark.parametrize(
    ("family", "wrong", "cause"),
    [
        ("WIE232", b"26DEFAE7\r", "another form"),
        ("WIE232", b"000000\r", "zeros"),
        ("S4A", b"0999999999\r\n", "'bits'"),
        ("SR30", SR30[:-1] + b"\x70", "damaged"),
        ("whole words", b"10111101110110010011011100\r\n", "parity"),
        ("text", b"HELLO WORLD\r\n", "another form"),
        ("qr", b"CODE\xffCODE\r\n", "'charset'"),
        ("rdm6300", b"\x02000000000000\x03", "zeros"),
    ],
)
def test_what_is_no_credential_is_told_once_with_its_cause(
    peer: Peer, family: str, wrong: bytes, cause: str
) -> None:
    with reading(peer.path, FAMILIES[family]) as ear:
        peer.send(wrong * 3)
        (unreadable,) = ear.wait(CardUnreadable)
        assert cause in unreadable.cause
        peer.send(FAMILIES[family].first)
        ear.wait(CardRead)
        assert len(ear.of(CardUnreadable)) == 1


# --- keys --------------------------------------------------------------------------------------------------

KEYPAD = FAMILIES["WIE232"]
TOKEN = tokenise(CredentialKind.CARD_NUMBER, "26:7BB26E")
BURSTS = {each["key"]: int(each["long"], 2) for each in vectors("wiegand")["key"]}


def keys(*pressed: str) -> bytes:
    return bytes(BURSTS[key] for key in pressed)


def test_a_card_and_the_pin_after_it_are_one_presentation(peer: Peer) -> None:
    with reading(peer.path, KEYPAD, pin="after_card") as ear:
        peer.send(WIE232 + keys("5", "0", "9", "5", "#"))
        (read,) = ear.wait(CardRead)
        assert (read.token, read.pin) == (TOKEN, tokenise(CredentialKind.PIN, pin_number(TOKEN, "5095")))
        ear.wait(CardRemoved)
        assert [type(event) for event in ear.events[1:]] == [CardRead, CardRemoved]


def test_a_card_whose_pin_never_comes_is_told_alone(peer: Peer) -> None:
    with reading(peer.path, KEYPAD, pin="after_card", pin_timeout_s=1) as ear:
        peer.send(WIE232 + keys("5", "0"))
        (read,) = ear.wait(CardRead)
        assert (read.token, read.pin) == (TOKEN, None)
        ear.wait(CardRemoved)


def test_a_card_that_waits_for_its_pin_is_told_when_the_reader_is_lost(peer: Peer) -> None:
    seen = threading.Event()

    def tell_when_seen(kind: CredentialKind, number: str) -> str:
        seen.set()
        return tokenise(kind, number)

    kind = READERS["wiegand"]()
    settings = kind.settings.model_validate({"port": str(peer.path), "pin": "after_card"})
    with running(kind.make("gate", settings, tell_when_seen)) as ear:
        ear.wait_state("ok")
        peer.send(WIE232)
        assert seen.wait(20)
        peer.unplug()
        assert ear.wait(CardRead)[0].pin is None
        peer.plug()


def test_another_card_takes_the_place_of_one_that_waits(peer: Peer) -> None:
    with reading(peer.path, KEYPAD, pin="after_card") as ear:
        peer.send(WIE232 + b"A3641D\r" + keys("9", "#"))
        first, second = ear.wait(CardRead, 2)
        assert (first.token, first.pin) == (TOKEN, None)
        assert second.pin == tokenise(CredentialKind.PIN, pin_number(second.token, "9"))
        ear.wait(CardRemoved, 2)
        assert [type(event) for event in ear.events[1:]] == [CardRead, CardRemoved] * 2


def test_a_pin_alone_is_a_credential_and_nothing_is_removed_after_it(peer: Peer) -> None:
    with reading(peer.path, KEYPAD, pin="alone") as ear:
        peer.send(keys("5", "*", "9", "0", "5", "5", "#"))
        (read,) = ear.wait(CardRead)
        assert (read.kind, read.token) == (CredentialKind.PIN, tokenise(CredentialKind.PIN, "9055"))
        peer.send(WIE232)
        ear.wait(CardRemoved)
        assert [type(event) for event in ear.events[1:]] == [CardRead, CardRead, CardRemoved]


def test_keys_of_a_keypad_that_is_off_mean_nothing(peer: Peer) -> None:
    with reading(peer.path, KEYPAD) as ear:
        peer.send(keys("5", "9", "#") + WIE232)
        ear.wait(CardRead)
        assert len(ear.of(CardRead)) == 1


def test_digits_are_neither_logged_nor_told(peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with reading(peer.path, FAMILIES["S4A"], pin="alone", keys="ascii") as ear:
        peer.send(b"90559055\xff#90559055#")
        ear.wait(CardRead)
        assert "9055" not in caplog.text + repr(ear.events)


# --- one bad part stays one bad part -----------------------------------------------------------------------


@pytest.fixture
def flood() -> Iterator[int]:
    """A port that sends as fast as anybody takes it."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(ConnectionError):
                while not ended.is_set():
                    connection.sendall(b"\xf8\xe6" * 2048)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        ended.set()
        thread.join(20)


def test_a_device_that_never_stops_sending_costs_next_to_nothing(flood: int) -> None:
    with reading(f"socket://127.0.0.1:{flood}", FAMILIES["rdm6300"]) as ear:
        ear.wait_until(lambda: "degraded" in ear.states(), "degraded")
        begun_s, used_s = time.monotonic(), os.times()
        pace(1.5)
        spent_s = sum(now - then for now, then in zip(os.times()[:2], used_s[:2], strict=True))
        assert spent_s < 0.5 * (time.monotonic() - begun_s)  # both ends of the line live in this process
    assert ear.of(CardRead) == []


def test_a_device_that_invents_cards_is_heard_no_more_often_than_people_can_be(peer: Peer) -> None:
    with reading(peer.path, FAMILIES["WIE232"]) as ear:
        for number in range(1, 1001):
            peer.send(b"%06X\r" % number)
        ear.wait_until(lambda: "degraded" in ear.states(), "degraded")
        assert len(ear.of(CardRead)) <= allowance.MOST_READS * 1.5


def test_a_port_that_appears_later_is_taken_up(tmp_path: Path) -> None:
    with reading(tmp_path / "gate", FAMILIES["rdm6300"]) as ear:
        assert ear.states() == ["lost"]
        with Peer(tmp_path / "gate", lambda _: b"") as peer:
            ear.wait_until(lambda: ear.states()[-1] == "ok", "ok")
            peer.send(RDM)
            ear.wait(CardRead)


@EACH
def test_it_stops_at_once(peer: Peer, family: Family) -> None:
    kind = READERS[family.driver]()
    reader = kind.make(
        "gate", kind.settings.model_validate({"port": str(peer.path)} | family.settings), tokenise
    )
    ear = Ear()
    with running(reader, ear):
        ear.wait_state("ok")
        begun_s = time.monotonic()
    assert time.monotonic() - begun_s < 2


@pytest.mark.parametrize(
    ("page", "drivers"),
    [("em", ("rdm6300", "id12")), ("wiegand", ("wiegand",)), ("text-and-qr", ("text", "qr"))],
)
def test_the_page_names_every_setting_and_no_other(page: str, drivers: tuple[str, ...]) -> None:
    told = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([a-z_]+)` \| [^|]*[`0-9]", told, re.MULTILINE))
    known = {name for driver in drivers for name in READERS[driver]().settings.model_fields}
    assert named | {"port"} == known
