"""The PN532's driver against a scripted chip on a pseudo-terminal."""

import contextlib
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from drivers_support import Ear, Peer, running, tokenise
from pn532_support import ACK, ID_CARD, OTHER_TYPE_B, SILENT, ScriptedChip, said, type_a

from drivers import uid
from drivers.base import (
    Assurance,
    CardRead,
    CardRemoved,
    CardUnreadable,
    CredentialKind,
    DeviceChanged,
    DeviceState,
    Indication,
)
from drivers.pn532_reader import Pn532Reader, Pn532Settings

CARD = tokenise(CredentialKind.CARD_UID, "26DEFAE7")
LONG_CARD = tokenise(CredentialKind.CARD_UID, "04112233445566")
ID_CARD_CHIP = tokenise(CredentialKind.ID_CARD_CHIP, "1122334455667788")
CANARIES = ("26DEFAE7", "04112233445566", "08A1B2C3", "1122334455667788", "11223344")
BACK_WITHIN_S = 5.0


class Desk:
    """A driver at work, the chip it talks to, and what it tells."""

    def __init__(self, peer: Peer, chip: ScriptedChip, driver: Pn532Reader, ear: Ear) -> None:
        self.peer, self.chip, self.driver, self.ear = peer, chip, driver, ear

    def tokens(self) -> list[str]:
        return [read.token for read in self.ear.of(CardRead)]

    def causes(self) -> list[str]:
        return [unreadable.cause for unreadable in self.ear.of(CardUnreadable)]

    def look(self, times: int = 3) -> None:
        """Until the chip was asked for cards so often from now on."""
        self.chip.wait_asked("list type A", times)


@contextlib.contextmanager
def at_work(folder: Path, chip: ScriptedChip, **chosen: object) -> Iterator[Desk]:
    with Peer(folder / "port", chip) as peer:
        settings = Pn532Settings.model_validate({"port": str(peer.path), "poll_s": 0.02} | chosen)
        driver = Pn532Reader("gate", settings, tokenise)
        with running(driver) as ear:
            yield Desk(peer, chip, driver, ear)


@pytest.fixture
def desk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Desk]:
    caplog.set_level(logging.DEBUG)
    with at_work(tmp_path, ScriptedChip()) as made:
        made.ear.wait_state("ok")
        yield made
    told = (caplog.text + repr(made.ear.events)).upper()
    assert not [canary for canary in CANARIES if canary in told or canary in told.replace(" ", "")]


def test_a_sleeping_chip_is_woken_set_up_and_named(desk: Desk) -> None:
    assert desk.chip.asked[:4] == ["normal mode", "firmware version", "retries", "field on"]
    (change,) = desk.ear.of(DeviceChanged)
    assert change == DeviceChanged("gate", DeviceState.OK, "PN532 firmware 1.6")


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("type A, 4 bytes", "26DEFAE7"),
        ("type A, 7 bytes", "04112233445566"),
        ("type A, 10 bytes", "04112233445566778899"),
        ("type A with ATS", "86CFD936"),
    ],
)
def test_a_type_a_card_is_told_by_its_uid(desk: Desk, answer: str, number: str) -> None:
    before_ns = time.monotonic_ns()
    desk.chip.card = type_a(answer)
    (read,) = desk.ear.wait(CardRead)
    assert read.token == tokenise(CredentialKind.CARD_UID, number)
    assert (read.reader, read.kind, read.assurance) == ("gate", CredentialKind.CARD_UID, Assurance.L0)
    assert before_ns <= read.at_ns <= time.monotonic_ns()


def test_an_id_card_is_told_by_its_chips_serial_after_the_field_was_off(desk: Desk) -> None:
    desk.chip.card = ID_CARD
    (read,) = desk.ear.wait(CardRead)
    assert (read.token, read.kind) == (ID_CARD_CHIP, CredentialKind.ID_CARD_CHIP)
    asked = desk.chip.asked
    at = asked.index("chip serial")
    assert asked[at - 6 : at] == [
        "list type A",
        "field off",
        "field on",
        "registers for type B",
        "REQB",
        "ATTRIB",
    ]


def test_where_no_id_cards_are_used_none_is_looked_for(tmp_path: Path) -> None:
    chip = ScriptedChip()
    with at_work(tmp_path, chip, id_cards=False) as desk:
        chip.card = ID_CARD
        desk.look(5)
        assert "REQB" not in chip.asked
        assert desk.tokens() == []


@pytest.mark.parametrize(("card", "token"), [(type_a(), CARD), (ID_CARD, ID_CARD_CHIP)])
def test_a_card_is_told_once_and_its_going_once(desk: Desk, card: dict[str, str], token: str) -> None:
    for count in (1, 2):
        desk.chip.card = card
        desk.ear.wait(CardRead, count)
        desk.look(5)
        assert desk.tokens() == [token] * count
        desk.chip.card = {}
        desk.ear.wait(CardRemoved, count)
        desk.look(5)
    assert len(desk.ear.of(CardRemoved)) == 2


@pytest.mark.parametrize(
    ("name", "empty"), [("list type A", "no card"), ("REQB", "card silent"), ("chip serial", "card silent")]
)
def test_one_look_that_fails_is_no_removal(desk: Desk, name: str, empty: str) -> None:
    desk.chip.card = type_a() if name == "list type A" else ID_CARD
    desk.ear.wait(CardRead)
    desk.chip.overrides[name] = [ACK + said(empty)]
    desk.look(5)
    assert desk.ear.of(CardRemoved) == []
    assert len(desk.tokens()) == 1


def test_another_card_in_its_place_is_a_removal_and_a_read(desk: Desk) -> None:
    desk.chip.card = type_a()
    desk.ear.wait(CardRead)
    desk.chip.card = type_a("type A, 7 bytes")
    desk.ear.wait(CardRead, 2)
    kinds = [type(event) for event in desk.ear.events if not isinstance(event, DeviceChanged)]
    assert kinds == [CardRead, CardRemoved, CardRead]
    assert desk.tokens() == [CARD, LONG_CARD]


@pytest.mark.parametrize(
    ("card", "cause"),
    [
        (type_a("type A, all zero"), uid.ALL_ZERO),
        (type_a("type A, random"), uid.RANDOM),
        (type_a("two of type A"), "more than one card: present one alone"),
        (OTHER_TYPE_B, "a type B card that is no resident ID card: enrol another card"),
        (
            ID_CARD | {"chip serial": "chip serial, all zero"},
            "the card was not read to its end: present it again and hold it still",
        ),
        (
            {"REQB": "card's answer damaged"},
            "the card was not read to its end: present it again and hold it still",
        ),
    ],
    ids=["all zero", "random", "two", "other type B", "chip of zeros", "two ID cards"],
)
def test_what_is_no_credential_is_refused_once_a_placement(
    desk: Desk, card: dict[str, str], cause: str
) -> None:
    for count in (1, 2):
        desk.chip.card = card
        desk.ear.wait(CardUnreadable, count)
        desk.look(5)
        assert desk.causes() == [cause] * count
        desk.chip.card = {}
        desk.look(5)
    assert desk.tokens() == []
    assert desk.ear.of(CardRemoved) == []
    desk.chip.card = type_a()
    desk.ear.wait(CardRead)


def test_an_id_card_lifted_while_it_is_read_is_asked_for_again(desk: Desk) -> None:
    desk.chip.overrides["REQB"] = [ACK + said("ATQB")]
    desk.ear.wait(CardUnreadable)
    assert desk.causes() == ["the card was not read to its end: present it again and hold it still"]
    desk.look(5)
    assert len(desk.causes()) == 1
    assert desk.tokens() == []


def test_an_id_card_that_fails_twice_is_read_at_the_third_attempt(desk: Desk) -> None:
    desk.chip.overrides["ATTRIB"] = [ACK + said("card silent"), ACK + said("card's answer damaged")]
    desk.chip.card = ID_CARD
    desk.ear.wait(CardRead)
    assert desk.causes() == []


def damaged(frame: bytes) -> bytes:
    return frame[:-2] + bytes((frame[-2] ^ 1, 0))


@pytest.mark.parametrize(
    "answer",
    [
        SILENT,
        ACK,
        said("type A, 4 bytes"),
        ACK[:-3] + said("type A, 7 bytes"),
        ACK + damaged(said("type A, 7 bytes")),
        ACK + said("type A, 7 bytes")[:-4],
        ACK + said("ERROR"),
        ACK + said("RF configuration"),
        ACK + said("type A, 4 bytes")[:9] + said("type A, 4 bytes")[10:],
    ],
    ids=[
        "silence",
        "never answered",
        "not acknowledged",
        "broken acknowledgement",
        "damaged",
        "cut",
        "refused",
        "another's",
        "lost byte",
    ],
)
def test_an_answer_that_fails_is_asked_for_again(desk: Desk, answer: bytes) -> None:
    breaks = desk.chip.breaks
    desk.chip.overrides["list type A"] = [answer]
    desk.chip.wait_asked("normal mode")  # set up again
    desk.chip.card = type_a()
    desk.ear.wait(CardRead)
    assert desk.tokens() == [CARD]
    assert desk.chip.breaks > breaks
    assert desk.ear.states() == ["ok"]


def test_an_answer_said_twice_does_not_become_the_next_one(desk: Desk) -> None:
    desk.chip.card = type_a()
    desk.ear.wait(CardRead)
    stale = said("type A, 7 bytes")
    desk.chip.overrides["list type A"] = [stale + ACK + said("type A, 4 bytes") + stale] * 5
    desk.look(8)
    assert desk.tokens() == [CARD]


def test_an_answer_between_noise_is_read(desk: Desk) -> None:
    noise = b"\xff\xff\x00\x00\xff\x55"
    desk.chip.overrides["list type A"] = [noise + ACK + noise + said("type A, 4 bytes")] * 20
    desk.ear.wait(CardRead)
    assert desk.tokens() == [CARD]


def test_a_chip_that_lost_its_power_is_woken_and_set_up_again(desk: Desk) -> None:
    desk.chip.lose_power()
    started_s = time.monotonic()
    desk.chip.wait_asked("retries")
    desk.chip.card = type_a()
    desk.ear.wait(CardRead)
    assert time.monotonic() - started_s < BACK_WITHIN_S
    assert desk.ear.states() == ["ok"]


def test_a_chip_that_acknowledges_and_never_answers_is_told(desk: Desk) -> None:
    desk.chip.overrides["list type A"] = [ACK] * 3
    desk.ear.wait_until(lambda: desk.ear.states()[-1] == "degraded", "degraded")
    desk.chip.card = type_a()
    desk.ear.wait(CardRead)
    desk.ear.wait_state("ok", "degraded", "ok")


def test_a_silent_chip_is_lost_and_taken_up_again_with_its_card_told_once(desk: Desk) -> None:
    desk.chip.card = type_a()
    desk.ear.wait(CardRead)
    desk.chip.mute = True
    desk.ear.wait_state("ok", "lost")
    desk.chip.mute = False
    started_s = time.monotonic()
    desk.ear.wait_state("ok", "lost", "recovering", "ok")
    assert time.monotonic() - started_s < BACK_WITHIN_S
    desk.look(5)
    assert desk.tokens() == [CARD]
    assert desk.ear.of(CardRemoved) == []


def test_a_card_taken_away_while_the_port_was_gone_is_removed(desk: Desk) -> None:
    desk.chip.card = ID_CARD
    desk.ear.wait(CardRead)
    desk.peer.unplug()
    desk.ear.wait_state("ok", "lost")
    desk.chip.card = {}
    desk.peer.plug()
    started_s = time.monotonic()
    desk.ear.wait(CardRemoved)
    assert time.monotonic() - started_s < BACK_WITHIN_S
    desk.chip.card = ID_CARD
    desk.ear.wait(CardRead, 2)


def test_an_id_card_whose_reader_is_lost_while_it_reads_is_told(desk: Desk) -> None:
    desk.chip.overrides["ATTRIB"] = [SILENT]
    desk.chip.overrides["normal mode"] = [SILENT] * 2
    desk.chip.card = ID_CARD
    desk.ear.wait(CardUnreadable)
    assert desk.causes() == ["the reader was lost while it read the card"]
    desk.ear.wait(CardRead)


def test_a_device_that_babbles_is_given_up_at_once_and_taken_up_when_it_is_over(desk: Desk) -> None:
    desk.chip.overrides["list type A"] = [bytes(range(1, 256)) * 80]
    desk.ear.wait_until(lambda: "lost" in desk.ear.states(), "lost")
    desk.chip.card = type_a()
    desk.ear.wait(CardRead)
    assert desk.tokens() == [CARD]


def test_something_else_at_the_port_is_told_with_a_hint(tmp_path: Path) -> None:
    with (
        Peer(tmp_path / "port", lambda _: b"CH1: OFF\r\n") as peer,
        running(Pn532Reader("gate", Pn532Settings(port=str(peer.path)), tokenise)) as ear,
    ):
        ear.wait_until(lambda: ear.states() == ["lost"], "lost")
        (change,) = ear.of(DeviceChanged)
        assert change.cause == "the PN532 does not answer; is it powered, connected and switched to HSU?"


def test_nothing_is_written_for_what_cannot_be_shown(desk: Desk) -> None:
    for signal in Indication:
        desk.driver.indicate(signal)
    desk.look()
    assert desk.ear.states() == ["ok"]


@pytest.mark.parametrize("moment", ["idle", "card", "silent", "unplugged"])
def test_it_stops_at_once(tmp_path: Path, moment: str) -> None:
    chip = ScriptedChip()
    with at_work(tmp_path, chip, poll_s=2.0) as desk:
        desk.ear.wait_state("ok")
        if moment == "card":
            chip.card = type_a()
        elif moment == "silent":
            chip.mute = True
        elif moment == "unplugged":
            desk.peer.unplug()
        started_s = time.monotonic()
        desk.driver.stop()
    assert time.monotonic() - started_s < 1.0
