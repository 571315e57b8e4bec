"""Every fault that the simulator offers, met by the real drivers: survived, told, over; no identity anywhere.

Fault numbers are those of readers.md section 8.1.
"""

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from drivers_support import Ear, running, tokenise

from drivers.base import CardRead, CardRemoved, CardUnreadable, CredentialKind
from drivers.errors import DeviceUnavailable
from drivers.lc_board import LcBoard, LcRelaySettings
from drivers.sam_reader import SamReader, SamVSettings
from firmware_sim.fault_table import CATALOGUE, LC_RELAY, SAM_V
from firmware_sim.people import Person
from firmware_sim.scene import Scene, parse_scene
from firmware_sim.simulator import Simulator

SCENE = """
seed = 7
people = 40
profile = "instant"
[[reader]]
name = "east-1"
[[lock_board]]
name = "east-locks"
channels = 2
[[door]]
name = "east"
reader = "east-1"
lock_board = "east-locks"
channel = 1
"""
BACK_WITHIN_S = 5.0


@dataclass
class Bench:
    """A reader and a lock board of the simulator, and our drivers on them."""

    sim: Simulator
    scene: Scene
    reader: Ear
    locks: Ear
    board: LcBoard
    caplog: pytest.LogCaptureFixture
    used: list[str] = field(default_factory=list)

    def person(self, ref: str) -> Person:
        return next(person for person in self.scene.everyone() if person.ref == ref)

    def lay(self, ref: str) -> None:
        self.used.append(ref)
        self.sim.present("east-1", ref)

    def swipe(self, ref: str = "P0001") -> CardRead:
        """A card that must be read exactly once."""
        before = len(self.reader.of(CardRead))
        self.lay(ref)
        reads = self.reader.wait(CardRead, before + 1)
        removed = len(self.reader.of(CardRemoved))
        self.sim.remove("east-1")
        self.reader.wait(CardRemoved, removed + 1)
        assert len(self.reader.of(CardRead)) == before + 1
        assert reads[-1].token == tokenise(CredentialKind.ID_CARD, self.person(ref).id_number)
        return reads[-1]

    def lines(self, device: str) -> list[str]:
        """What the log says about a device after it was first ready."""
        told = [record.getMessage() for record in self.caplog.records]
        return [line for line in told if f" {device}: " in line and ": ok: " not in line]


@contextlib.contextmanager
def bench(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str = SCENE, **settings: object
) -> Iterator[Bench]:
    caplog.set_level(logging.DEBUG)
    scene = parse_scene(text)
    with Simulator(scene, tmp_path) as sim:
        reader = SamReader(
            "east-1", SamVSettings(port=sim.address("east-1"), poll_s=0.02, presence_s=0.05), tokenise
        )
        options = {"port": sim.address("east-locks"), "channels": 2} | settings
        board = LcBoard("east-locks", LcRelaySettings.model_validate(options))
        with running(reader) as heard, running(board) as locks:
            heard.wait_until(lambda: "ok" in heard.states(), "the reader's first ok")
            locks.wait_until(lambda: "ok" in locks.states(), "the board's first ok")
            made = Bench(sim, scene, heard, locks, board, caplog)
            yield made
        assert_no_identity(made)


def assert_no_identity(used: Bench) -> None:
    seen = "\n".join(
        [used.caplog.text, *(repr(event) for event in (*used.reader.events, *used.locks.events))]
    )
    for ref in set(used.used):
        person = used.person(ref)
        text = person.card.text.decode("utf-16-le", "replace")
        fields = {person.name, person.id_number, *(piece for piece in text.split() if len(piece) >= 4)}
        assert not [piece for piece in fields if piece in seen]
        assert person.card.photo[:11].hex() not in seen.replace(" ", "").lower()


@pytest.fixture
def lab(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Bench]:
    with bench(tmp_path, caplog) as made:
        yield made


# One use each: over by the repeat, so a single line says what it was and how long it took, or nothing at all
# where the manual's "assembled right" leaves nothing to say.
BLIPS = [
    ("noise_before", {}, "noise on the line"),
    ("noise_before", {"hex": "AA AA"}, "noise on the line"),
    ("noise_before", {"hex": "FF FF"}, "noise on the line"),
    ("lost_byte", {"at": 0}, ""),
    ("lost_byte", {"at": 3}, ""),
    ("lost_byte", {"at": 6}, ""),
    ("lost_byte", {"at": 12}, ""),
    ("inserted_byte", {"at": 1, "value": 0}, ""),
    ("inserted_byte", {"at": 8, "value": 85}, ""),
    ("wrong_checksum", {}, "a damaged answer"),
    ("wrong_length", {}, "a damaged answer"),
    ("wrong_length", {"value": 65535}, ""),
    ("merged", {}, ""),
    ("slow", {"delay_s": 0.55}, "no answer in time"),
    ("slow", {"delay_s": 2.5}, ""),
    ("no_answer", {}, "no answer in time"),
    ("bit_flip", {"bit": 8 * 9}, ""),
]


@pytest.mark.parametrize(("fault", "parameters", "cause"), BLIPS, ids=str)
def test_a_single_disturbance_is_one_line_and_no_change_of_state(
    lab: Bench, fault: str, parameters: dict[str, Any], cause: str
) -> None:
    lab.swipe("P0001")
    before = lab.sim.last_event
    lab.sim.fault("east-1", fault, count=1, **parameters)
    lab.sim.wait_for_event("fault_over", device="east-1", after=before, timeout_s=5)
    lab.swipe("P0002")
    lab.reader.wait_until(lambda: lab.reader.states()[-1] == "ok", "well again")
    assert len(lab.lines("east-1")) == 1 or (len(lab.lines("east-1")) == 2 and "slow" in fault)
    line = lab.lines("east-1")[-1]
    assert cause in line
    assert "over after" in line or "ok again after" in line


@pytest.mark.parametrize(
    ("fault", "parameters"),
    [
        ("noise_after", {}),
        ("noise_between", {"gap_s": 0.005}),
        ("babble", {"gap_s": 0.005}),
        ("split", {"gap_s": 0.001}),
        ("cut", {"gap_s": 0.005}),
        ("repeated", {}),
        ("echo", {}),
        ("slow", {"delay_s": 0.2}),
        ("find_again_fails", {}),
        ("impossible_answer", {"status": 33}),
        ("impossible_answer", {"status": 64}),
    ],
    ids=str,
)
def test_what_a_line_does_all_the_time_hinders_no_card(
    lab: Bench, fault: str, parameters: dict[str, Any]
) -> None:
    lab.sim.fault("east-1", fault, **parameters)
    for number in range(1, 5):
        lab.swipe(f"P000{number}")
    lab.sim.clear("east-1")
    lab.swipe("P0005")
    assert set(lab.reader.states()) <= {"ok", "degraded"}
    assert len(lab.lines("east-1")) <= 4


@pytest.mark.parametrize(
    "fault", ["wrong_checksum", "lost_byte", "inserted_byte", "wrong_length", "noise_before", "merged"]
)
def test_a_line_that_stays_bad_is_reported_and_is_well_when_it_is_over(lab: Bench, fault: str) -> None:
    lab.sim.fault("east-1", fault)
    lab.reader.wait_until(lambda: bool(lab.lines("east-1")), "a line about it")
    start_s = time.monotonic()
    lab.reader.wait_until(lambda: time.monotonic() - start_s > 3, "three seconds of it", deadline_s=6)
    lab.sim.clear("east-1")
    lab.swipe("P0003")
    lab.reader.wait_until(lambda: lab.reader.states()[-1] == "ok", "well again", deadline_s=30)
    assert len(lab.lines("east-1")) <= 8


def test_a_wedged_module_is_lost_and_comes_back_by_a_restart(lab: Bench) -> None:
    lab.sim.fault("east-1", "wedged")
    lab.reader.wait_until(lambda: lab.reader.states()[-1] == "lost", "lost")
    lab.sim.power_cycle("east-1")
    start_s = time.monotonic()
    lab.reader.wait_until(lambda: lab.reader.states()[-1] == "ok", "well again")
    assert time.monotonic() - start_s < BACK_WITHIN_S
    lab.swipe()


@pytest.mark.parametrize("name", [None, "east-1-replugged"])
def test_unplugged_and_replugged_11_12(lab: Bench, tmp_path: Path, name: str | None) -> None:
    lab.lay("P0001")
    lab.reader.wait(CardRead)
    lab.sim.unplug("east-1")
    lab.reader.wait_until(lambda: lab.reader.states()[-1] == "lost", "lost")
    address = lab.sim.replug("east-1", name)
    if name is not None:  # by its serial path the system finds it again, whatever the kernel calls it now
        (tmp_path / "east-1").unlink(missing_ok=True)
        (tmp_path / "east-1").symlink_to(address)
    start_s = time.monotonic()
    lab.reader.wait_until(lambda: lab.reader.states()[-1] == "ok", "back")
    assert time.monotonic() - start_s < BACK_WITHIN_S
    lost, again = lab.lines("east-1")
    assert lost == "reader east-1: lost: unplugged"
    assert again.startswith("reader east-1: ok again after ")
    assert again.endswith("(unplugged)")
    assert lab.reader.states() == ["ok", "lost", "recovering", "ok"]
    assert len(lab.reader.of(CardRead)) == 1  # of the card that lay there all the time, or was taken away
    lab.board.release(1, 1.0)  # the other device never noticed


def test_left_at_another_rate_13(lab: Bench) -> None:
    lab.sim.fault("east-1", "wrong_rate", rate=9600)
    lab.reader.wait_state("ok", "lost", "recovering", "ok")
    lab.swipe()
    assert len(lab.lines("east-1")) == 2


@pytest.mark.parametrize(
    ("fault", "parameters"),
    [
        ("lifted", {}),
        ("stop_mid_frame", {"at": 600}),
        ("stop_mid_frame", {"at": 3}),
        ("stop_mid_frame", {"at": 0}),
    ],
    ids=str,
)
def test_lifted_while_being_read_14(lab: Bench, fault: str, parameters: dict[str, Any]) -> None:
    lab.sim.fault("east-1", fault, count=1, **parameters)
    lab.lay("P0001")
    (unreadable,) = lab.reader.wait(CardUnreadable)
    assert "hold it still" in unreadable.cause
    assert lab.reader.of(CardRead) == []
    lab.swipe("P0001")
    assert len(lab.reader.of(CardUnreadable)) == 1


@pytest.mark.parametrize("status", [0x81, 0x40])
def test_two_cards_16(lab: Bench, status: int) -> None:
    lab.sim.fault("east-1", "two_cards", status=status)
    lab.lay("P0001")
    (unreadable,) = lab.reader.wait(CardUnreadable)
    assert "one" in unreadable.cause
    lab.sim.clear("east-1")
    lab.reader.wait(CardRead)
    assert len(lab.reader.of(CardUnreadable)) == 1
    lab.sim.remove("east-1")


@pytest.mark.parametrize("kind", ["lone_surrogate", "nul_inside", "all_nul", "invalid_date", "check_digit"])
def test_wrong_text_17(lab: Bench, kind: str) -> None:
    lab.sim.fault("east-1", "wrong_text", count=1, kind=kind)
    lab.lay("P0001")
    lab.reader.wait(CardUnreadable)
    assert lab.reader.of(CardRead) == []
    lab.sim.remove("east-1")
    lab.swipe("P0001")
    assert len(lab.reader.of(CardUnreadable)) == 1


def test_padding_with_nul_is_no_wrong_text(lab: Bench) -> None:
    lab.sim.fault("east-1", "wrong_text", count=1, kind="nul_padding")
    lab.swipe("P0001")
    assert lab.reader.of(CardUnreadable) == []


@pytest.mark.parametrize("fault", ["no_sam", "stuck_busy"])
def test_a_module_that_cannot_work_10_20(lab: Bench, fault: str) -> None:
    lab.sim.fault("east-1", fault)
    lab.reader.wait_state("ok", "degraded")
    lab.sim.clear("east-1")
    start_s = time.monotonic()
    lab.reader.wait_state("ok", "degraded", "ok")
    assert time.monotonic() - start_s < BACK_WITHIN_S
    lab.swipe()
    assert len(lab.lines("east-1")) == 2


def test_silence_9_costs_the_other_device_nothing(lab: Bench) -> None:
    lab.sim.fault("east-1", "no_answer")
    lab.reader.wait_state("ok", "lost")
    lab.board.release(1, 1.0)
    assert lab.locks.states() == ["ok"]
    lab.sim.clear("east-1")
    start_s = time.monotonic()
    lab.reader.wait_state("ok", "lost", "recovering", "ok")
    assert time.monotonic() - start_s < BACK_WITHIN_S
    lab.swipe()
    assert len(lab.lines("east-1")) == 2


def test_a_blocked_line_25(lab: Bench) -> None:
    lab.sim.fault("east-1", "write_blocks")
    lab.reader.wait_until(lambda: lab.reader.states()[-1] == "lost", "lost")
    lab.sim.clear("east-1")
    lab.reader.wait_until(lambda: lab.reader.states()[-1] == "ok", "back")
    lab.swipe()
    assert len(lab.lines("east-1")) == 2


@pytest.mark.parametrize("profile", ["instant", "real"])
def test_a_power_dip_24_is_no_new_presentation(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, profile: str
) -> None:
    """Missed or not: a card that lay there all the time is one placement."""
    with bench(tmp_path, caplog, SCENE.replace("instant", profile)) as lab:
        lab.lay("P0001")
        lab.reader.wait(CardRead)
        started = len(lab.lines("east-1"))
        before = lab.sim.last_event
        lab.sim.fault("east-1", "power_dip")
        sent = lab.sim.wait_for_event("read_sent", device="east-1", after=before, timeout_s=10)
        assert sent is not None  # it was found and read again,
        lab.sim.remove("east-1")
        lab.reader.wait(CardRemoved)
        assert len(lab.reader.of(CardRead)) == 1  # and not told again
        lab.swipe("P0001")
        assert len(lab.lines("east-1")) - started <= 2


@pytest.mark.parametrize("status", [0x10, 0x11, 0x21, 0x23, 0x24, 0x31, 0x32, 0x33, 0x47, 0x05])
def test_any_status_to_a_read_is_one_unreadable_card(lab: Bench, status: int) -> None:
    lab.sim.fault("east-1", "answer_status", status=status, command="3001")
    lab.lay("P0001")
    lab.reader.wait(CardUnreadable)
    lab.sim.remove("east-1")
    lab.sim.clear("east-1")
    lab.swipe("P0001")
    assert len(lab.reader.of(CardUnreadable)) == 1


@pytest.mark.parametrize("status", [0x10, 0x21, 0x24, 0x05, 0x66])
def test_any_status_to_every_request_is_survived(lab: Bench, status: int) -> None:
    lab.sim.fault("east-1", "answer_status", status=status)
    lab.reader.wait_until(lambda: "degraded" in lab.reader.states(), "degraded")
    lab.sim.clear("east-1")
    lab.reader.wait_until(lambda: lab.reader.states()[-1] == "ok", "well again")
    lab.swipe()
    assert len(lab.lines("east-1")) == 2


# --- the lock board --------------------------------------------------------------------------------


def relay(lab: Bench, *, on: bool, after: int) -> int:
    """The number of the simulator's event that the first relay went on or off."""
    event = lab.sim.wait_for_event(
        "relay_on" if on else "relay_off", device="east-locks", after=after, timeout_s=10
    )
    assert event is not None
    return event.n


def pulse(lab: Bench) -> None:
    before = lab.sim.last_event
    lab.board.release(1, 1.0)
    relay(lab, on=False, after=relay(lab, on=True, after=before))


def test_hasty_commands_are_not_lost(lab: Bench) -> None:
    lab.sim.fault("east-locks", "swallows_hasty")
    for _ in range(2):
        pulse(lab)
    assert lab.lines("east-locks") == []


@pytest.mark.parametrize(
    "fault",
    [
        "noise_before",
        "noise_after",
        "noise_between",
        "lost_byte",
        "inserted_byte",
        "split",
        "cut",
        "merged",
        "repeated",
        "slow",
        "no_answer",
        "echo",
        "write_blocks",
    ],
)
def test_a_lock_board_works_whatever_it_sends(lab: Bench, fault: str) -> None:
    parameters: dict[str, Any] = {"delay_s": 1.0} if fault == "slow" else {}
    lab.sim.fault("east-locks", fault, **parameters)
    if fault == "write_blocks":  # what it does not take it carries out when it takes it again
        lab.board.release(1, 1.0)
        lab.sim.clear("east-locks")
    pulse(lab)
    assert "lost" not in lab.locks.states()


def test_a_lock_board_unplugged_in_a_pulse_11(lab: Bench) -> None:
    lab.board.release(1, 2.0)
    relay(lab, on=True, after=0)
    lab.sim.unplug("east-locks")
    lab.locks.wait_state("ok", "lost")
    with pytest.raises(DeviceUnavailable):
        lab.board.release(1, 1.0)
    lab.sim.replug("east-locks")
    start_s = time.monotonic()
    lab.locks.wait_state("ok", "lost", "recovering", "ok")
    assert time.monotonic() - start_s < BACK_WITHIN_S
    pulse(lab)
    lost, again = lab.lines("east-locks")
    assert lost == "lock board east-locks: lost: unplugged"
    assert again.startswith("lock board east-locks: ok again after ")


def test_a_relay_that_does_not_follow_23(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with bench(tmp_path, caplog, status_query=True) as lab:
        lab.sim.fault("east-locks", "does_not_follow", channel=1)
        lab.board.release(1, 20.0)
        lab.locks.wait_state("ok", "degraded")
        lab.sim.clear("east-locks")
        lab.locks.wait_state("ok", "degraded", "ok")
        degraded, again = lab.lines("east-locks")
        assert degraded == "lock board east-locks: degraded: relay 1 does not follow"
        assert again.startswith("lock board east-locks: ok again after ")


def test_a_lock_board_that_restarts_24_takes_the_next_pulse(lab: Bench) -> None:
    lab.sim.fault("east-locks", "power_dip")
    pulse(lab)


def test_no_fault_of_these_devices_is_left_out() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    theirs = {name for name, fault in CATALOGUE.items() if fault.devices & {SAM_V, LC_RELAY}}
    left_out = {name for name in theirs if f'"{name}"' not in text and f".{name}(" not in text}
    assert left_out == set()
