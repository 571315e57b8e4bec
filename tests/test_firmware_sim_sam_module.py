"""The SAM-V module against the table and the bytes of the manual (readers.md 1.3 to 1.11)."""

from itertools import product
from random import Random
from typing import Any

import pytest
from firmware_sim_support import SAM_NUMBER, documented_card, frame, plain_card, vectors

from firmware_sim.cards import Card, WrongText, address_item, spoil_text
from firmware_sim.device import Frame, Notice
from firmware_sim.fault_table import SAM_V
from firmware_sim.faults import FaultSet
from firmware_sim.profiles import INSTANT, REAL, Profile
from firmware_sim.sam_module import (
    ANSWERS,
    PREAMBLE,
    Request,
    SamModule,
    State,
    classify,
    sam_number,
    usual_s,
)

REPLIES = {each["hex"][21:29]: each["name"] for each in vectors("sam_v")["frame"] if each["kind"] == "reply"}


class Bench:
    """A module, its faults, and a clock that only the test moves."""

    def __init__(self, profile: Profile = INSTANT, card: Card | None = None) -> None:
        self.faults = FaultSet(SAM_V)
        self.module = SamModule(self.faults, number=SAM_NUMBER, now=0.0, profile=profile)
        self.now = profile.boot_s
        self.card = card or plain_card()

    def frames(self, data: bytes, *, wait_s: float = 5.0) -> list[Frame]:
        self.module.feed(data, self.now)
        self.now += wait_s
        return list(self.module.take(self.now))

    def ask(self, *requests: str) -> bytes:
        """The answer to the last of some documented requests."""
        answer = b""
        for request in requests:
            answer = b"".join(each.data for each in self.frames(frame(request)))
        return answer

    def status(self, *requests: str) -> int:
        return self.ask(*requests)[9]

    def bring_to(self, state: State) -> None:
        if state is State.EMPTY:
            return
        self.module.present(self.card, self.now)
        if state in (State.FOUND, State.SELECTED):
            self.ask("request_find")
        if state is State.SELECTED:
            self.ask("request_select")
        assert self.module.state(self.now) is state

    def fault(self, name: str, *, count: int | None = None, **parameters: object) -> None:
        self.faults.switch_on(name, parameters, count=count)


def at(state: State, card: Card | None = None, profile: Profile = INSTANT) -> Bench:
    bench = Bench(profile, card)
    bench.bring_to(state)
    return bench


def test_a_whole_good_dialogue_is_the_documented_one() -> None:
    bench = Bench(card=documented_card("resident_zhang"))
    assert bench.ask("request_sam_number") == frame("reply_sam_number")
    assert bench.ask("request_find") == frame("reply_find_failed")
    bench.module.present(bench.card, bench.now)
    assert bench.ask("request_find") == frame("reply_found")
    assert bench.ask("request_select") == frame("reply_selected")
    read = bench.ask("request_read")
    assert (len(read), read[:14].hex()) == (1295, "aaaaaa9669050800009001000400")
    assert bench.ask("request_newest_address") == frame("reply_no_such_item")
    assert bench.ask("request_card_body_number") == frame("reply_card_body_number")
    bench.module.remove(bench.now)
    assert bench.ask("request_newest_address") == frame("reply_read_failed")


# The table of readers.md 1.10, typed from there: per state EMPTY, IN_FIELD, FOUND, SELECTED the status and
# the state that follows.
TABLE: dict[str, tuple[tuple[int, State], ...]] = {
    "request_find": (
        (0x80, State.EMPTY),
        (0x9F, State.FOUND),
        (0x9F, State.FOUND),
        (0x80, State.SELECTED),
    ),
    "request_select": (
        (0x81, State.EMPTY),
        (0x81, State.IN_FIELD),
        (0x90, State.SELECTED),
        (0x81, State.SELECTED),
    ),
    "request_reset": (
        (0x90, State.EMPTY),
        (0x90, State.IN_FIELD),
        (0x90, State.IN_FIELD),
        (0x90, State.IN_FIELD),
    ),
}
STATES = (State.EMPTY, State.IN_FIELD, State.FOUND, State.SELECTED)
STAY = {
    "request_read": (0x41, 0x41, 0x41, 0x90),
    "request_read_fingerprints": (0x41, 0x41, 0x41, 0x90),
    "request_newest_address": (0x41, 0x41, 0x41, 0x91),
    "request_card_body_number": (0x41, 0x41, 0x41, 0x90),
    "request_sam_number": (0x90, 0x90, 0x90, 0x90),
    "request_status": (0x90, 0x90, 0x90, 0x90),
    "request_rf_frame_80": (0x90, 0x90, 0x90, 0x90),
    "request_rate_115200": (0x90, 0x90, 0x90, 0x90),
}
MALFORMED = {
    "unknown command": ("AA AA AA 96 69 00 03 77 01 75", 0x21),
    "unknown parameter": ("AA AA AA 96 69 00 03 20 07 24", 0x21),
    "rate index 5": ("AA AA AA 96 69 00 03 60 05 66", 0x21),
    "largest RF frame of 23": ("AA AA AA 96 69 00 04 61 FF 17 8D", 0x21),
    "wrong check": ("AA AA AA 96 69 00 03 20 01 23", 0x10),
    "length 2": ("AA AA AA 96 69 00 02 20 22", 0x11),
    "length 0": ("AA AA AA 96 69 00 00", 0x11),
    "length 256": ("AA AA AA 96 69 01 00", 0x11),
    "length FF FF": ("AA AA AA 96 69 FF FF", 0x11),
    "find with a byte of data": ("AA AA AA 96 69 00 04 20 01 00 25", 0x11),
}


def cells() -> list[tuple[str, State, int, State]]:
    moving = [
        (name, state, *cell) for name, row in TABLE.items() for state, cell in zip(STATES, row, strict=True)
    ]
    staying = [
        (name, state, status, state)
        for name, row in STAY.items()
        for state, status in zip(STATES, row, strict=True)
    ]
    return moving + staying


@pytest.mark.parametrize(("request_name", "state", "status", "after"), cells())
def test_every_request_in_every_state_answers_as_the_table_says(
    request_name: str, state: State, status: int, after: State
) -> None:
    bench = at(state)
    assert bench.status(request_name) == status
    assert bench.module.state(bench.now) is after


@pytest.mark.parametrize(("name", "state"), list(product(MALFORMED, STATES)))
def test_a_malformed_request_is_refused_in_every_state_and_changes_nothing(name: str, state: State) -> None:
    bench = at(state)
    request, status = MALFORMED[name]
    (answer,) = bench.frames(bytes.fromhex(request))
    assert answer.data == frame(REPLIES[f"00 00 {status:02X}"])
    assert bench.module.state(bench.now) is state
    assert bench.ask("request_sam_number") == frame("reply_sam_number")


def test_every_request_is_decided_in_every_state_that_answers() -> None:
    answering = set(State) - {State.BOOT}
    assert {request: set(row) for request, row in ANSWERS.items()} == dict.fromkeys(Request, answering)


def test_nothing_is_answered_during_boot() -> None:
    bench = Bench(REAL)
    bench.module.present(bench.card, bench.now)
    bench.module.feed(frame("request_sam_number"), 1.9)
    assert bench.module.state(1.9) is State.BOOT
    assert bench.module.take(100.0) == []
    assert bench.module.state(2.0) is State.IN_FIELD
    assert bench.ask("request_sam_number") == frame("reply_sam_number")


def test_a_power_cycle_forgets_what_was_asked_and_selected_but_not_the_card() -> None:
    bench = at(State.SELECTED, profile=REAL)
    bench.module.feed(frame("request_read"), bench.now)
    bench.module.power_cycle(bench.now)
    assert bench.module.take(bench.now + 100) == []
    assert bench.module.state(bench.now + 1.9) is State.BOOT
    assert bench.module.state(bench.now + 2.0) is State.IN_FIELD


@pytest.mark.parametrize("rate", [115200, 57600, 38400, 19200, 9600])
def test_a_new_rate_is_acknowledged_at_the_old_one_and_outlives_power_loss(rate: int) -> None:
    bench = Bench()
    (answer,) = bench.frames(frame(f"request_rate_{rate}"))
    assert (answer.data, answer.rate) == (frame("reply_success"), 115200)
    bench.module.power_cycle(bench.now)
    (answer,) = bench.frames(frame("request_sam_number"))
    assert (answer.rate, bench.module.rate) == (rate, rate)


def test_a_card_taken_away_and_laid_again_is_found_again() -> None:
    bench = at(State.SELECTED)
    assert bench.status("request_find") == 0x80
    bench.module.remove(bench.now)
    assert bench.status("request_find") == 0x80
    bench.module.present(bench.card, bench.now)
    assert bench.status("request_find") == 0x9F


def test_a_card_lifted_while_it_is_read_gives_41_and_no_data() -> None:
    bench = at(State.SELECTED, profile=REAL)
    bench.module.feed(frame("request_read"), bench.now)
    bench.module.remove(bench.now)
    (answer,) = bench.module.take(bench.now + 1)
    assert (answer.data, answer.read_of) == (frame("reply_read_failed"), None)
    assert bench.module.state(bench.now) is State.EMPTY


def test_a_card_lifted_after_the_read_left_does_not_change_it() -> None:
    bench = at(State.SELECTED)
    bench.module.feed(frame("request_read"), bench.now)
    (answer,) = bench.module.take(bench.now)
    bench.module.remove(bench.now)
    assert (len(answer.data), answer.read_of) == (1295, bench.card.ref)


@pytest.mark.parametrize("request_name", ["request_newest_address", "request_card_body_number"])
def test_a_card_lifted_during_a_presence_check_gives_41(request_name: str) -> None:
    bench = at(State.SELECTED, profile=REAL)
    bench.module.feed(frame(request_name), bench.now)
    bench.module.remove(bench.now)
    (answer,) = bench.module.take(bench.now + 1)
    assert answer.data == frame("reply_read_failed")


def test_the_newest_address_is_delivered_where_there_is_one() -> None:
    plain = plain_card()
    address = address_item("上海市黄浦区示例路9号")
    card = Card(plain.ref, plain.layout, plain.text, plain.body_number, newest_address=address)
    assert at(State.SELECTED, card).ask("request_newest_address") == frame("reply_newest_address")


def test_fingerprints_make_the_long_reply_longer_but_not_the_short_one() -> None:
    card = documented_card("resident_zhang", "zeros", b"\x5a" * 1024)
    assert len(at(State.SELECTED, card).ask("request_read_fingerprints")) == 2321
    assert len(at(State.SELECTED, card).ask("request_read")) == 1295
    assert len(at(State.SELECTED).ask("request_read_fingerprints")) == 1297


@pytest.mark.parametrize(
    "noise", ["FF FF", "AA AA", "AA AA AA 96", "00", "AA AA AA AA AA", "AA 00 AA AA 96 69"]
)
def test_noise_before_a_request_is_swallowed(noise: str) -> None:
    bench = Bench()
    (answer,) = bench.frames(bytes.fromhex(noise) + frame("request_find"))
    assert answer.data == frame("reply_find_failed")
    assert bench.module.swallowed == len(bytes.fromhex(noise))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_requests_are_understood_at_every_cut(size: int) -> None:
    bench = Bench()
    stream = b"\xff\xaa" + frame("request_find") + frame("request_sam_number") + frame("request_rf_frame_80")
    for start in range(0, len(stream), size):
        bench.module.feed(stream[start : start + size], bench.now)
    answers = b"".join(each.data for each in bench.module.take(bench.now))
    assert answers == frame("reply_find_failed") + frame("reply_sam_number") + frame("reply_success")


def test_an_unfinished_request_is_forgotten_after_a_silence() -> None:
    bench = Bench()
    bench.module.feed(frame("request_read")[:9], bench.now)
    bench.now += 1.0
    assert bench.ask("request_find") == frame("reply_find_failed")


def test_any_bytes_leave_the_module_small_and_willing() -> None:
    rng = Random(20)
    bench = Bench()
    for _ in range(20_000):
        noise = rng.randbytes(rng.randrange(12))
        if rng.random() < 0.3:
            noise = PREAMBLE[: rng.randrange(6)] + noise
        bench.module.feed(noise, bench.now)
        bench.module.take(bench.now)
        assert len(bench.module._buffer) <= 300
    bench.now += 1.0
    assert bench.ask("request_sam_number") == frame("reply_sam_number")


def test_requests_in_a_row_are_answered_in_their_order_one_after_the_other() -> None:
    bench = Bench(REAL)
    bench.module.feed(frame("request_find") + frame("request_sam_number"), bench.now)
    first, second = bench.module.take(bench.now + 1)
    assert (first.data, second.data) == (frame("reply_find_failed"), frame("reply_sam_number"))
    assert first.due_s < second.due_s


@pytest.mark.parametrize(
    ("request_name", "state", "delay_s"),
    [
        ("request_find", State.EMPTY, 0.03),
        ("request_find", State.IN_FIELD, 0.06),
        ("request_select", State.FOUND, 0.06),
        ("request_read", State.SELECTED, 0.6),
        ("request_newest_address", State.SELECTED, 0.08),
        ("request_sam_number", State.EMPTY, 0.01),
    ],
)
def test_the_real_profile_takes_the_documented_time(request_name: str, state: State, delay_s: float) -> None:
    bench = at(state, profile=REAL)
    asked_s = bench.now
    bench.module.feed(frame(request_name), asked_s)
    assert bench.module.next_due() == pytest.approx(asked_s + delay_s)
    assert bench.module.take(asked_s + delay_s * 0.99) == []
    (answer,) = bench.module.take(asked_s + delay_s * 1.01)
    assert answer.usual_s == pytest.approx(delay_s)


def test_the_instant_profile_answers_at_once_and_still_knows_the_usual_time() -> None:
    bench = at(State.SELECTED)
    bench.module.feed(frame("request_read"), bench.now)
    (answer,) = bench.module.take(bench.now)
    assert (answer.due_s, answer.usual_s) == (bench.now, 0.6)
    assert usual_s(Request.READ, State.SELECTED, INSTANT) == 0.0


def test_presenting_and_removing_are_noticed_by_reference() -> None:
    bench = Bench()
    bench.module.present(bench.card, bench.now)
    bench.module.remove(bench.now)
    bench.module.remove(bench.now)
    ref = bench.card.ref
    assert bench.module.notices() == [Notice("presented", card=ref), Notice("removed", card=ref)]
    assert bench.module.notices() == []


def test_a_number_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        SamModule(FaultSet(SAM_V), number=b"1", now=0.0)


def test_every_reader_of_a_scene_has_its_own_number_of_16_bytes() -> None:
    assert len({sam_number(serial) for serial in range(1, 100)}) == 99
    assert sam_number(1) == bytes.fromhex("05 00 01 00 E5 D6 34 01 01 00 00 00 01 00 00 00")


def test_the_documented_requests_are_classified_as_what_they_are() -> None:
    codes = {
        each["hex"]: classify(bytes.fromhex(each["hex"])[5:])
        for each in vectors("sam_v")["frame"]
        if each["kind"] == "request"
    }
    assert not {Request.UNKNOWN, Request.BAD_CHECKSUM, Request.BAD_LENGTH} & set(codes.values())


# Faults of the module itself; those of the wire are tested with the wire.


def test_stuck_busy_answers_80_to_everything_until_cleared() -> None:
    bench = at(State.SELECTED)
    bench.fault("stuck_busy")
    for request in ("request_find", "request_select", "request_read", "request_sam_number", "request_reset"):
        assert bench.ask(request) == frame("reply_find_failed")
    bench.faults.clear("stuck_busy")
    assert len(bench.ask("request_read")) == 1295


def test_a_module_without_sam_fails_its_self_check_and_is_not_authorised() -> None:
    bench = at(State.SELECTED)
    bench.fault("no_sam")
    assert bench.ask("request_status") == frame("reply_self_check_failed")
    for request in ("request_find", "request_select", "request_read", "request_sam_number"):
        assert bench.ask(request) == frame("reply_not_authorised")


@pytest.mark.parametrize(
    ("status", "reply"), [(0x81, "reply_select_failed"), (0x40, "reply_card_type_unknown")]
)
def test_two_cards_are_found_but_neither_is_selected(status: int, reply: str) -> None:
    bench = at(State.IN_FIELD)
    bench.fault("two_cards", status=status)
    assert bench.ask("request_find") == frame("reply_found")
    assert bench.ask("request_select") == frame(reply)
    assert bench.status("request_read") == 0x41


def test_a_card_lifted_by_the_fault_is_gone_after_one_41() -> None:
    bench = at(State.SELECTED)
    bench.fault("lifted", count=1)
    assert bench.ask("request_read") == frame("reply_read_failed")
    assert bench.module.state(bench.now) is State.EMPTY
    assert Notice("removed", card=bench.card.ref) in bench.module.notices()
    bench.bring_to(State.SELECTED)
    assert len(bench.ask("request_read")) == 1295


@pytest.mark.parametrize("stop", [0, 1, 600, 1294])
def test_a_read_that_stops_mid_frame_sends_its_beginning_and_loses_the_card(stop: int) -> None:
    bench = at(State.SELECTED)
    whole = bench.ask("request_read")
    bench.fault("stop_mid_frame", at=stop, count=1)
    frames = bench.frames(frame("request_read"))
    assert b"".join(each.data for each in frames) == whole[:stop]
    assert all(each.read_of is None for each in frames)
    assert bench.module.state(bench.now) is State.EMPTY


@pytest.mark.parametrize("kind", WrongText)
def test_a_wrong_text_comes_in_a_frame_that_is_right(kind: WrongText) -> None:
    bench = at(State.SELECTED)
    bench.fault("wrong_text", kind=kind.value, count=1)
    spoiled = bench.ask("request_read")
    assert (spoiled[:14], len(spoiled)) == (bytes.fromhex("AAAAAA9669 0508 000090 0100 0400"), 1295)
    assert spoiled[14:270] == spoil_text(bench.card, kind)
    check = 0
    for value in spoiled[5:]:
        check ^= value
    assert check == 0
    assert bench.ask("request_read")[14:270] == bench.card.text


@pytest.mark.parametrize("status", [0x21, 0x31, 0x32, 0x40, 0x41])
def test_answers_in_impossible_states_can_be_chosen(status: int) -> None:
    for state in (State.EMPTY, State.IN_FIELD):
        bench = at(state)
        bench.fault("impossible_answer", status=status)
        assert bench.ask("request_read") == frame(REPLIES[f"00 00 {status:02X}"])
        assert bench.ask("request_select") == frame(REPLIES[f"00 00 {status:02X}"])
        assert bench.status("request_sam_number") == 0x90


def test_find_after_find_can_fail() -> None:
    bench = at(State.FOUND)
    bench.fault("find_again_fails")
    assert bench.status("request_find") == 0x80
    assert bench.status("request_select") == 0x90


ALL_STATUSES = [each for each in vectors("sam_v")["frame"] if each["source"].startswith("readers.md 1.4")]


@pytest.mark.parametrize("vector", ALL_STATUSES, ids=lambda vector: vector["name"])
def test_every_documented_status_can_be_produced(vector: dict[str, Any]) -> None:
    reply = bytes.fromhex(vector["hex"])
    request = "request_find" if reply[9] == 0x9F else "request_reset"
    bench = at(State.IN_FIELD)
    bench.fault("answer_status", status=reply[9])
    assert bench.ask(request) == reply


def test_a_chosen_status_can_be_limited_to_one_command() -> None:
    bench = at(State.SELECTED)
    bench.fault("answer_status", status=0x33, command="30 01", count=1)
    assert bench.status("request_card_body_number") == 0x90
    assert bench.ask("request_read") == frame("reply_verification_failed")
    assert len(bench.ask("request_read")) == 1295


def test_a_rate_left_by_another_program_stays() -> None:
    bench = Bench()
    bench.module.leave_at(9600)
    bench.module.power_cycle(bench.now)
    assert bench.module.rate == 9600
