"""Somebody in an OSDP line: what he can do to libosdp's panel, and what he cannot."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import osdp
import pytest
from firmware_sim_support import until, vectors
from osdp_panel_support import Panel, panel

from firmware_sim.osdp_packet import Command, Packet, Reply, parse
from firmware_sim.osdp_saboteur import Mode, SabotagedLine, Saboteur
from firmware_sim.scene import parse_scene
from firmware_sim.simulator import Simulator

KEY = bytes(range(0x10, 0x20))
RATE = 115200
PAPER = vectors("osdp_dialogue")

SCENE = f"""
seed = 1
people = 5
profile = "instant"
[[reader]]
name = "east"
kind = "osdp"
address = 1
rate = {RATE}
key = "{KEY.hex()}"
bits = 26
"""


@contextmanager
def sabotaged(folder: Path) -> Iterator[tuple[Simulator, SabotagedLine]]:
    with (
        Simulator(parse_scene(SCENE), folder) as running,
        SabotagedLine(folder / "tapped", running.address("east"), rate=RATE) as line,
    ):
        yield running, line


def seed_the_library(seed: int) -> None:
    """libosdp takes RND.A from the C library's generator (readers.md 6.8)."""
    ctypes.CDLL(None).srand(seed)


def record_a_card(running: Simulator, line: SabotagedLine) -> None:
    with panel(line.address, {1: KEY}) as end:
        end.wait_secured(1)
        running.present("east", "P0001")
        end.told(1, osdp.Event.CardRead)
        until(lambda: line.recorded > 4, "a recording")


def test_nobody_notices_him_while_he_records(tmp_path: Path) -> None:
    with sabotaged(tmp_path) as (running, line):
        record_a_card(running, line)


def test_an_unseeded_panel_takes_a_replayed_card_for_a_new_one(tmp_path: Path) -> None:
    with sabotaged(tmp_path) as (running, line):
        seed_the_library(1)
        record_a_card(running, line)
        line.set_mode(Mode.REPLAY)
        seed_the_library(1)
        with panel(line.address, {1: KEY}) as end:
            end.wait_secured(1)
            end.told(1, osdp.Event.CardRead)


def test_a_seeded_panel_refuses_the_replayed_session(tmp_path: Path) -> None:
    with sabotaged(tmp_path) as (running, line):
        seed_the_library(1)
        record_a_card(running, line)
        line.set_mode(Mode.REPLAY)
        seed_the_library(2)
        with panel(line.address, {1: KEY}) as end:
            until(lambda: line.replayed > 0, "the replayed cryptogram")
            refused(end)


def refused(end: Panel) -> None:
    """The panel goes on with nothing: no SCRYPT, no POLL, no event."""
    end.wait_given_up()
    assert Command.SCRYPT not in end.cable.commands
    assert Command.POLL not in end.cable.commands
    assert not end.events


def test_a_panel_that_enforces_security_is_not_downgraded(tmp_path: Path) -> None:
    with sabotaged(tmp_path) as (_, line):
        line.set_mode(Mode.DOWNGRADE)
        with panel(line.address, {1: KEY}) as end:
            until(lambda: Reply.PDCAP in end.cable.replies, "the changed capabilities")
            refused(end)


def test_a_panel_that_does_not_enforce_it_goes_on_in_plain_text(tmp_path: Path) -> None:
    with sabotaged(tmp_path) as (_, line):
        line.set_mode(Mode.DOWNGRADE)
        with panel(line.address, {1: KEY}, ()) as end:
            until(lambda: Command.POLL in end.cable.commands, "a poll")
            assert not end.secured(1)


def test_a_card_injected_in_plain_text_is_not_taken(tmp_path: Path) -> None:
    with sabotaged(tmp_path) as (_, line), panel(line.address, {1: KEY}) as end:
        end.wait_secured(1)
        line.inject(26, bytes.fromhex("51 B2 0E 80"))
        until(lambda: not end.secured(1), "the end of the channel")
        assert not end.events


# Pure


def documented(step: int, side: str) -> bytes:
    return bytes.fromhex(PAPER["secure"][step][side])


@pytest.fixture
def informed() -> Saboteur:
    """One who has seen the documented dialogue."""
    saboteur = Saboteur()
    for step in PAPER["secure"]:
        assert saboteur.from_panel(bytes.fromhex(step["command"])).to_reader == bytes.fromhex(step["command"])
        assert saboteur.from_reader(bytes.fromhex(step["reply"])).to_panel == bytes.fromhex(step["reply"])
    saboteur.mode = Mode.REPLAY
    return saboteur


def test_he_replays_the_documented_dialogue_byte_for_byte(informed: Saboteur) -> None:
    for step in PAPER["secure"]:
        onward = informed.from_panel(bytes.fromhex(step["command"]))
        assert onward == (b"", bytes.fromhex(step["reply"])), step["name"]
    assert informed.replayed == informed.recorded == len(PAPER["secure"]) - 1


def test_he_answers_a_repeated_command_with_the_same_bytes(informed: Saboteur) -> None:
    informed.from_panel(documented(0, "command"))
    assert informed.from_panel(documented(1, "command")) == informed.from_panel(documented(1, "command"))


def test_he_fits_the_sequence_number_where_no_mac_protects_it(informed: Saboteur) -> None:
    poll = Packet(1, 2, Command.POLL).to_bytes()
    assert parse(informed.from_panel(poll).to_panel) == Packet(1, 2, Reply.ACK, reply=True)


def test_he_is_silent_where_he_knows_nothing(informed: Saboteur) -> None:
    assert informed.from_panel(Packet(1, 1, Command.LSTAT).to_bytes()) == (b"", b"")


def test_he_hears_nothing_of_the_reader_that_he_cut_off(informed: Saboteur) -> None:
    assert informed.from_reader(documented(0, "reply")) == (b"", b"")
