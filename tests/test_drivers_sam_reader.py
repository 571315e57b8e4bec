"""The SAM-V driver against a scripted module on a pseudo-terminal."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from drivers_support import (
    CANARIES,
    INVENTED_NUMBER,
    Ear,
    Peer,
    ScriptedModule,
    frame,
    invented_block,
    read_reply,
    running,
    text_block,
    tokenise,
)

from drivers import sam_reader
from drivers.base import (
    Assurance,
    CardRead,
    CardRemoved,
    CardUnreadable,
    CredentialKind,
    DeviceChanged,
    Indication,
)
from drivers.sam_codec import READ_NEWEST_ADDRESS
from drivers.sam_reader import SamReader, SamVSettings

PHOTO = ("金丝雀照片" * 300).encode("utf-16-le")[:1024]
CARD = read_reply(bytes(invented_block()), PHOTO)
OTHER_CARD = read_reply(text_block("resident_li"))
TOKEN = tokenise(CredentialKind.ID_CARD, INVENTED_NUMBER)


@pytest.fixture
def module() -> ScriptedModule:
    return ScriptedModule()


@pytest.fixture
def peer(tmp_path: Path, module: ScriptedModule) -> Iterator[Peer]:
    with Peer(tmp_path / "east-1", module) as peer:
        yield peer


@contextlib.contextmanager
def reading(peer: Peer, **settings: object) -> Iterator[Ear]:
    chosen = {"port": str(peer.path), "poll_s": 0.02, "presence_s": 0.05} | settings
    with running(SamReader("east-1", SamVSettings.model_validate(chosen), tokenise)) as ear:
        yield ear


def asked(module: ScriptedModule, name: str, more: int = 1) -> Callable[[], bool]:
    """Whether the module was asked this `more` times from now on."""
    goal = module.asked.count(name) + more
    return lambda: module.asked.count(name) >= goal


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def test_it_finds_resets_and_checks_the_module_before_it_is_ready(peer: Peer, module: ScriptedModule) -> None:
    with reading(peer) as ear:
        ear.wait_state("ok")
        assert module.asked[:3] == ["request_sam_number", "request_reset", "request_status"]
        (ready,) = ear.of(DeviceChanged)
        assert "05.01-20130924-0001234567-0305419896" in ready.cause
        assert "115200" in ready.cause


def test_a_card_is_read_once_however_long_it_lies_and_its_end_is_told(
    peer: Peer, module: ScriptedModule
) -> None:
    with reading(peer) as ear:
        ear.wait_state("ok")
        before_ns = time.monotonic_ns()
        module.lay(CARD)
        (read,) = ear.wait(CardRead)
        assert (read.reader, read.kind, read.token) == ("east-1", CredentialKind.ID_CARD, TOKEN)
        assert (read.assurance, read.valid_from, read.valid_until) == (
            Assurance.L3,
            date(2020, 1, 1),
            date(2040, 1, 1),
        )
        assert before_ns < read.at_ns <= time.monotonic_ns()
        ear.wait_until(asked(module, "request_newest_address", 5), "five looks at the lying card")
        assert ear.of(CardRemoved) == []
        module.lift()
        ear.wait(CardRemoved)
        module.lay(CARD)
        assert len(ear.wait(CardRead, 2)) == 2
        assert ear.of(CardUnreadable) == []


def test_it_says_that_a_card_is_being_read_before_it_tells_the_card(
    peer: Peer, module: ScriptedModule
) -> None:
    settings = SamVSettings.model_validate({"port": str(peer.path), "poll_s": 0.02, "presence_s": 0.05})
    reader, ear = SamReader("east-1", settings, tokenise), Ear()
    told_before: list[int] = []
    reader.while_reading = lambda: told_before.append(len(ear.of(CardRead)))
    with running(reader, ear):
        ear.wait_state("ok")
        assert told_before == []
        module.lay(CARD)
        ear.wait(CardRead)
        assert told_before == [0]


def test_one_missed_look_is_not_a_removal(peer: Peer, module: ScriptedModule) -> None:
    with reading(peer) as ear:
        ear.wait_state("ok")
        module.overrides["request_newest_address"] = [frame("reply_no_such_item"), frame("reply_read_failed")]
        module.lay(CARD)
        ear.wait(CardRead)
        ear.wait_until(asked(module, "request_newest_address", 4), "looks after the missed one")
        assert ear.of(CardRemoved) == []


def test_a_card_left_selected_by_another_program_is_read_after_the_reset(
    peer: Peer, module: ScriptedModule
) -> None:
    module.lay(CARD)
    module.state = "selected"
    with reading(peer) as ear:
        assert ear.wait(CardRead)[0].token == TOKEN


@pytest.mark.parametrize("rate", [115200, 57600, 38400, 19200, 9600])
def test_the_rate_is_found_and_never_set(tmp_path: Path, module: ScriptedModule, rate: int) -> None:
    with Peer(tmp_path / "east-1", module, rate=rate) as peer, reading(peer) as ear:
        ear.wait_until(lambda: "ok" in ear.states(), "ready")
        assert f"at {rate} baud" in ear.of(DeviceChanged)[-1].cause
        assert b"\xaa\xaa\xaa\x96\x69\x00\x03\x60" not in peer.heard


def test_a_fixed_rate_is_the_only_one_tried(tmp_path: Path, module: ScriptedModule) -> None:
    with Peer(tmp_path / "east-1", module, rate=9600) as peer, reading(peer, rate=19200) as ear:
        ear.wait_state("lost")
        assert "no answer at 19200 baud" in ear.of(DeviceChanged)[0].cause
        peer.rate = 19200
        ear.wait_state("lost", "recovering", "ok")


def test_a_read_is_tried_three_times_within_a_placement(peer: Peer, module: ScriptedModule) -> None:
    with reading(peer) as ear:
        ear.wait_state("ok")
        module.overrides["request_read"] = [frame("reply_no_random"), frame("reply_read_failed")]
        module.lay(CARD)
        ear.wait(CardRead)
        assert module.asked.count("request_read") == 3
        assert ear.of(CardUnreadable) == []


def test_a_card_that_cannot_be_read_is_told_once(peer: Peer, module: ScriptedModule) -> None:
    with reading(peer) as ear:
        ear.wait_state("ok")
        module.overrides["request_read"] = [frame("reply_read_failed")] * 3
        module.lay(CARD)
        (unreadable,) = ear.wait(CardUnreadable)
        assert "hold it still" in unreadable.cause
        ear.wait_until(asked(module, "request_newest_address", 3), "waiting for it to be lifted")
        module.lift()
        ear.wait_until(asked(module, "request_find", 3), "an empty reader")
        module.lay(CARD)
        ear.wait(CardRead)
        assert len(ear.of(CardUnreadable)) == 1
        assert ear.of(CardRemoved) == []


def test_two_cards_are_told_once_and_the_one_left_is_read(peer: Peer, module: ScriptedModule) -> None:
    with reading(peer) as ear:
        ear.wait_state("ok")
        module.overrides["request_select"] = [frame("reply_select_failed")] * 8
        module.lay(CARD)
        ear.wait(CardRead)
        assert [event.cause for event in ear.of(CardUnreadable)] == [
            "the card could not be selected: lay down one card alone and hold it still"
        ]


@pytest.mark.parametrize(
    ("block", "cause"),
    [
        (invented_block(number=INVENTED_NUMBER[:-1] + "5"), "check character"),
        (invented_block(valid_until="20400230"), "calendar"),
        (
            invented_block(
                name="\ud800金丝雀".encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
            ),
            "",
        ),
    ],
)
def test_a_wrong_text_is_one_unreadable_card_without_identity(
    peer: Peer, module: ScriptedModule, caplog: pytest.LogCaptureFixture, block: bytearray, cause: str
) -> None:
    if not cause:
        block[0:2] = b"\x00\xd8"
        cause = "damaged"
    with reading(peer) as ear:
        ear.wait_state("ok")
        module.lay(read_reply(bytes(block), PHOTO))
        (unreadable,) = ear.wait(CardUnreadable)
        assert cause in unreadable.cause
        ear.wait_until(asked(module, "request_newest_address", 3), "waiting for it to be lifted")
        assert len(ear.of(CardUnreadable)) == 1
        assert ear.of(CardRead) == []
    assert_no_identity(caplog, ear)


def assert_no_identity(caplog: pytest.LogCaptureFixture, ear: Ear) -> None:
    seen = "\n".join([*lines(caplog), *(repr(event) for event in ear.events), caplog.text])
    for canary in CANARIES:
        assert canary not in seen
        assert canary.encode("utf-16-le").hex(" ") not in seen.lower()


def test_nothing_of_a_card_is_logged_or_emitted(
    peer: Peer, module: ScriptedModule, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = bytearray(CARD)
    damaged[-1] ^= 1
    with reading(peer) as ear:
        ear.wait_state("ok")
        module.overrides["request_read"] = [bytes(damaged), CARD[:700], CARD]
        module.lay(CARD)
        ear.wait(CardRead)
    assert_no_identity(caplog, ear)


def test_a_late_card_of_one_person_is_never_taken_for_the_next(peer: Peer, module: ScriptedModule) -> None:
    with reading(peer) as ear:
        ear.wait_state("ok")
        module.overrides["request_read"] = [b"", b"", b""]
        # the card that was asked for comes when the driver asks for something else
        module.overrides["request_sam_number"] = [CARD + frame("reply_sam_number")] * 3
        module.lay(OTHER_CARD)
        ear.wait(CardUnreadable)
        ear.wait_until(lambda: "ok" in ear.states()[1:] or bool(ear.of(CardRead)), "back")
        assert TOKEN not in [read.token for read in ear.of(CardRead)]


def test_a_slow_answer_does_not_spoil_the_next_exchange(
    peer: Peer, module: ScriptedModule, caplog: pytest.LogCaptureFixture
) -> None:
    with reading(peer) as ear:
        ear.wait_state("ok")
        module.overrides["request_find"] = [b""]
        module.overrides["request_sam_number"] = [frame("reply_find_failed") + frame("reply_sam_number")]
        ear.wait_until(lambda: not module.overrides["request_sam_number"], "the barrier")
        module.lay(CARD)
        ear.wait(CardRead)
        assert ear.states() == ["ok"]
    assert [line for line in lines(caplog) if "no answer in time; over after" in line]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(frame("bad_reply_found_checksum"), id="wrong check byte"),
        pytest.param(frame("reply_found")[:-3], id="cut short"),
        pytest.param(frame("reply_found")[:6] + frame("reply_found")[7:], id="byte lost"),
        pytest.param(b"", id="lost altogether"),
    ],
)
def test_a_found_card_whose_answer_was_lost_is_read_all_the_same(
    peer: Peer, module: ScriptedModule, answer: bytes
) -> None:
    """Some modules then answer 80 (section 1.10): the card waits to be selected."""
    with reading(peer) as ear:
        ear.wait_state("ok")
        module.overrides["request_find"] = [answer, frame("reply_find_failed")]
        module.card, module.state = CARD, "found"
        assert ear.wait(CardRead)[0].token == TOKEN


def test_a_selection_whose_answer_was_lost_counts(peer: Peer, module: ScriptedModule) -> None:
    with reading(peer) as ear:
        ear.wait_state("ok")
        module.overrides["request_select"] = [b""]
        real = module._select

        def select_without_a_word() -> bytes:
            real()
            return b""

        module._select = select_without_a_word  # type: ignore[method-assign]
        module.overrides.clear()
        module.lay(CARD)
        ear.wait_until(lambda: module.state == "selected", "selected")
        module._select = lambda: frame("reply_select_failed")  # type: ignore[method-assign]
        assert ear.wait(CardRead)[0].token == TOKEN
        assert ear.of(CardUnreadable) == []


def test_a_module_without_sam_is_degraded_until_it_is_well(
    peer: Peer, module: ScriptedModule, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sam_reader, "SELF_CHECK_S", 0.05)
    with reading(peer) as ear:
        ear.wait_state("ok")
        module.overrides["request_status"] = [frame("reply_self_check_failed")] * 3
        ear.wait_state("ok", "degraded", "ok")
    faults = [line for line in lines(caplog) if "self check" in line]
    assert len(faults) == 2
    assert faults[0].startswith("reader east-1: degraded: the security module fails its self check")
    assert faults[1].startswith("reader east-1: ok again after")


def test_a_module_stuck_at_80_is_told_and_recovers(
    peer: Peer, module: ScriptedModule, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sam_reader, "SELF_CHECK_S", 0.05)
    with reading(peer) as ear:
        ear.wait_state("ok")
        stuck = peer.answer
        peer.answer = lambda _data: frame("reply_find_failed")
        ear.wait_state("ok", "degraded")
        assert "answers 80" in ear.of(DeviceChanged)[-1].cause
        peer.answer = stuck
        ear.wait_state("ok", "degraded", "ok")
        module.lay(CARD)
        ear.wait(CardRead)
    assert len([line for line in lines(caplog) if "degraded" in line]) == 1


def test_an_idle_reset_shows_a_card_that_was_hidden_but_does_not_open_twice(
    peer: Peer, module: ScriptedModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sam_reader, "RESET_S", 0.3)
    with reading(peer) as ear:
        ear.wait_state("ok")
        module.lay(CARD)
        ear.wait(CardRead)
        # two false misses: the card lies still, selected, and is taken for removed
        module.overrides["request_newest_address"] = [frame("reply_read_failed")] * 2
        ear.wait(CardRemoved)
        ear.wait_until(asked(module, "request_read"), "the hidden card read again")
        module.lift()
        ear.wait(CardRemoved, 2)
        assert len(ear.of(CardRead)) == 1
        module.card, module.state = OTHER_CARD, "selected"  # laid by another program
        ear.wait(CardRead, 2)


def test_unplugging_and_replugging_is_survived_with_the_card_lying(
    peer: Peer, module: ScriptedModule, caplog: pytest.LogCaptureFixture
) -> None:
    with reading(peer) as ear:
        ear.wait_state("ok")
        module.lay(CARD)
        ear.wait(CardRead)
        peer.unplug()
        ear.wait_state("ok", "lost")
        module.state = "in_field"  # power was away
        peer.plug()
        start_s = time.monotonic()
        ear.wait_state("ok", "lost", "recovering", "ok")
        assert time.monotonic() - start_s < 5
        ear.wait_until(asked(module, "request_newest_address", 3), "the lying card looked after")
        module.lift()
        ear.wait(CardRemoved)
        assert len(ear.of(CardRead)) == 1
        module.lay(CARD)
        ear.wait(CardRead, 2)
    told = [line for line in lines(caplog) if "east-1" in line]
    assert len(told) == 3
    assert told[1] == "reader east-1: lost: unplugged"
    assert told[2].startswith("reader east-1: ok again after ")
    assert told[2].endswith(" s (unplugged)")


def test_a_card_taken_away_during_a_loss_is_told_as_removed(peer: Peer, module: ScriptedModule) -> None:
    with reading(peer) as ear:
        ear.wait_state("ok")
        module.lay(CARD)
        ear.wait(CardRead)
        peer.unplug()
        module.lift()
        peer.plug()
        ear.wait(CardRemoved)
        module.lay(OTHER_CARD)
        ear.wait(CardRead, 2)


def test_a_module_that_falls_silent_is_lost_in_time_and_comes_back(
    peer: Peer, module: ScriptedModule
) -> None:
    with reading(peer) as ear:
        ear.wait_state("ok")
        talking = peer.answer
        peer.answer = lambda _data: b""
        ear.wait_state("ok", "lost")
        peer.answer = talking
        start_s = time.monotonic()
        ear.wait_state("ok", "lost", "recovering", "ok")
        assert time.monotonic() - start_s < 5


def test_a_babbling_device_costs_neither_lines_nor_the_processor(
    peer: Peer, module: ScriptedModule, caplog: pytest.LogCaptureFixture
) -> None:
    with reading(peer) as ear:
        ear.wait_state("ok")
        talking = peer.answer
        peer.answer = lambda _data: b"\x55\xaa" * 20_000
        ear.wait_until(lambda: "lost" in ear.states(), "lost")
        used_s = time.process_time()
        peer.answer = talking
        ear.wait_until(lambda: ear.states()[-1] == "ok", "back")
        assert time.process_time() - used_s < 3
    assert len([line for line in lines(caplog) if "east-1" in line]) <= 6


def test_an_echoing_adapter_is_no_noise(
    peer: Peer, module: ScriptedModule, caplog: pytest.LogCaptureFixture
) -> None:
    peer.answer = lambda data: data + module(data)
    with reading(peer) as ear:
        ear.wait_state("ok")
        module.lay(CARD)
        ear.wait(CardRead)
    assert len([line for line in lines(caplog) if "east-1" in line]) == 1


def test_every_byte_on_its_own_is_put_together(peer: Peer, module: ScriptedModule) -> None:
    def drop_by_drop(data: bytes) -> bytes:
        for byte in module(data):
            peer.send(bytes((byte,)))
        return b""

    peer.answer = drop_by_drop
    with reading(peer) as ear:
        ear.wait_state("ok")
        module.lay(CARD)
        ear.wait(CardRead)
        assert ear.states() == ["ok"]


def test_the_reply_of_the_presence_check_may_hold_an_address_of_any_length() -> None:
    assert {70, 140, 210, 280} <= READ_NEWEST_ADDRESS.sizes


def test_a_port_that_is_not_there_yet_is_waited_for(tmp_path: Path, module: ScriptedModule) -> None:
    path = tmp_path / "east-1"
    settings = SamVSettings(port=str(path), poll_s=0.02)
    with running(SamReader("east-1", settings, tokenise)) as ear:
        ear.wait_state("lost")
        assert "no such device" in ear.of(DeviceChanged)[0].cause
        with Peer(path, module):
            ear.wait_state("lost", "recovering", "ok")
        ear.wait_state("lost", "recovering", "ok", "lost")


def test_indicating_shows_nothing_and_returns(tmp_path: Path) -> None:
    reader = SamReader("east-1", SamVSettings(port=str(tmp_path / "none")), tokenise)
    for signal in Indication:
        reader.indicate(signal)
    reader.stop()
    reader.run(Ear())  # stopped before it began: ends at once
