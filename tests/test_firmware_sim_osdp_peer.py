"""The simulated OSDP readers against libosdp's control panel, and its own peripheral on our port: peers that
we did not write."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import osdp
import pytest
from firmware_sim_support import until
from osdp_panel_support import Panel, panel

from firmware_sim.catalogue import number_at
from firmware_sim.osdp_crypto import DEFAULT_KEY
from firmware_sim.osdp_packet import Command, Reply
from firmware_sim.osdp_peer import INPUTS, OsdpPeer
from firmware_sim.scene import parse_scene
from firmware_sim.simulator import Simulator

KEY = bytes(range(0x10, 0x20))
OTHER_KEY = bytes(range(0x20, 0x30))

SCENE = f"""
seed = 1
people = 5
profile = "instant"
[[bus]]
name = "line"
[[reader]]
name = "east"
kind = "osdp"
bus = "line"
address = 1
rate = 115200
key = "{KEY.hex()}"
bits = 26
[[reader]]
name = "west"
kind = "osdp"
bus = "line"
address = 2
rate = 115200
key = "{OTHER_KEY.hex()}"
keys_together = true
[[door]]
name = "east"
reader = "east"
lock_board = "east"
channel = 1
"""


@contextmanager
def simulator(folder: Path, scene: str = SCENE) -> Iterator[Simulator]:
    with Simulator(parse_scene(scene), folder) as running:
        yield running


@contextmanager
def both(folder: Path) -> Iterator[tuple[Simulator, Panel]]:
    """Our two readers on one line, and the library's panel that has both keys."""
    with simulator(folder) as running:
        path = running.address("line")
        with panel(path, {1: KEY, 2: OTHER_KEY}) as end:
            end.wait_secured(1)
            end.wait_secured(2)
            yield running, end


def test_libosdp_opens_a_channel_to_both_readers_and_hears_cards_keys_and_contacts(tmp_path: Path) -> None:
    with both(tmp_path) as (running, end):
        running.present("east", "P0001")
        card = end.told(1, osdp.Event.CardRead)
        assert card["length"] == 26
        kind, number = number_of(running, "east", "P0001")
        assert kind == "card_number"
        bits = f"{int.from_bytes(card['data'][:4], 'big'):032b}"
        assert f"26:{int(bits[1:25], 2):06X}" == number
        running.press("west", "12*#")
        assert end.told(2, osdp.Event.KeyPress)["data"] == b"12\x7f\r"
        running.set_input("west", 0, "bad")
        status = end.told(2, osdp.Event.Status)
        assert (status["type"], status["report"]) == (osdp.StatusReportType.Local, b"\1\0")
        running.set_input("east", 2, "closed")
        status = end.told(1, osdp.Event.Status)
        assert (status["type"], status["report"]) == (osdp.StatusReportType.Input, b"\0\1")


def number_of(running: Simulator, reader: str, card: str) -> tuple[str, str]:
    plan = running.scene.device(reader)
    person = next(each for each in running.scene.everyone() if each.ref == card)
    found = number_at(plan.kind, plan.options, person.card)
    assert found is not None
    return found


def test_libosdp_drives_the_output_light_and_buzzer(tmp_path: Path) -> None:
    with both(tmp_path) as (running, end):
        before = running.last_event
        end.order(1, {"command": osdp.Command.Output, "output_no": 0, "control_code": 5, "timer_count": 2})
        for event in ("relay_on", "relay_off"):
            found = running.wait_for_event(event, device="east", after=before, timeout_s=10)
            assert found is not None
            assert (found.channel, found.door) == (1, "east")
        end.order(
            2,
            {"command": osdp.Command.LED, "reader": 0, "led_number": 0, "control_code": 1}
            | {"on_count": 1, "off_count": 0, "on_color": 2, "off_color": 0, "timer_count": 0}
            | {"temporary": False},
        )
        lit = running.wait_for_event("led", device="west", after=before, timeout_s=10)
        assert lit is not None
        assert lit.detail == "steady green"
        end.order(
            2,
            {"command": osdp.Command.Buzzer, "reader": 0, "control_code": 2}
            | {"on_count": 2, "off_count": 1, "rep_count": 3},
        )
        sounded = running.wait_for_event("buzzer", device="west", after=before, timeout_s=10)
        assert sounded is not None
        assert sounded.detail == "3 x 0.2 s"


def test_libosdp_gives_a_new_reader_its_key(tmp_path: Path) -> None:
    scene = SCENE.replace(f'key = "{KEY.hex()}"', 'key = ""')
    with simulator(tmp_path, scene) as running:
        path = running.address("line")
        with panel(path, {1: KEY}, ()) as end:  # not enforcing: default key first, then by itself a KEYSET
            found = running.wait_for_event("key_set", device="east", after=0, timeout_s=10)
            assert found is not None
            again = running.wait_for_event("channel_up", device="east", after=found.n, timeout_s=10)
            assert again is not None, "the library tries the new key at once"
            end.wait_secured(1)
        with panel(path, {1: KEY}) as end:
            end.wait_secured(1)


@pytest.mark.parametrize("fault", ["wrong_key", "default_key", "plain_text"])
def test_libosdp_opens_no_channel_to_a_reader_that_does_not_prove_itself(tmp_path: Path, fault: str) -> None:
    with simulator(tmp_path) as running:
        running.fault("east", fault)
        path = running.address("line")
        with panel(path, {1: KEY, 2: OTHER_KEY}) as end:
            end.wait_secured(2)
            assert not end.secured(1)
            running.present("west", "P0002")
            end.told(2, osdp.Event.CardRead)
            assert not end.secured(1)


def test_libosdp_repeats_a_command_whose_reply_was_lost_and_the_card_is_told_once(tmp_path: Path) -> None:
    with both(tmp_path) as (running, end):
        running.fault("east", "no_answer", count=1)
        running.present("east", "P0001")
        end.told(1, osdp.Event.CardRead)
        running.press("east", "7")
        end.told(1, osdp.Event.KeyPress)
        assert [event for address, event in end.events if address == 1] == []


def test_libosdp_takes_a_reader_up_again_after_a_damaged_reply(tmp_path: Path) -> None:
    """One reply with a wrong CRC is enough for the library to wait 300 s (measured with 3.2.9)."""
    with both(tmp_path) as (running, end):
        running.fault("east", "wrong_checksum", count=1)
        until(lambda: not end.secured(1), "the loss of the channel")
        assert end.library.disable_pd(1)
        until(lambda: end.library.enable_pd(1), "the end of the disabling")
        end.wait_secured(1)
        running.present("east", "P0001")
        end.told(1, osdp.Event.CardRead)


# libosdp's own peripheral on our port


@contextmanager
def peer(folder: Path, key: bytes | None = KEY) -> Iterator[OsdpPeer]:
    with OsdpPeer(folder / "peer", address=3, key=key) as running:
        yield running


def test_the_peer_tells_cards_keys_and_states_through_its_channel(tmp_path: Path) -> None:
    with peer(tmp_path) as reader, panel(reader.address, {3: KEY}) as end:
        end.wait_secured(3)
        until(lambda: reader.secure and reader.online, "the peer's own view")
        reader.present(26, bytes.fromhex("51 B2 0E 80"))
        card = end.told(3, osdp.Event.CardRead)
        assert (card["length"], card["data"]) == (26, bytes.fromhex("51 B2 0E 80"))
        reader.press("1*#")
        assert end.told(3, osdp.Event.KeyPress)["data"] == b"1\x7f\r"
        reader.set_status(tamper=True)
        assert end.told(3, osdp.Event.Status)["report"] == b"\1\0"
        reader.set_inputs([True])
        assert end.told(3, osdp.Event.Status)["report"] == b"\1\0\0\0"
        with pytest.raises(ValueError, match="contacts"):
            reader.set_inputs([True] * (INPUTS + 1))


def test_the_peer_keeps_what_it_was_commanded(tmp_path: Path) -> None:
    with peer(tmp_path) as reader, panel(reader.address, {3: KEY}) as end:
        end.wait_secured(3)
        assert reader.command(0.0) is None
        end.order(3, {"command": osdp.Command.Output, "output_no": 1, "control_code": 5, "timer_count": 30})
        command = reader.command(10.0)
        assert command is not None
        assert (command["output_no"], command["control_code"], command["timer_count"]) == (1, 5, 30)


@pytest.mark.parametrize("key", [OTHER_KEY, DEFAULT_KEY, None], ids=["another", "default", "none"])
def test_the_peer_with_another_key_gets_no_channel(tmp_path: Path, key: bytes | None) -> None:
    with peer(tmp_path, key) as reader, panel(reader.address, {3: KEY}) as end:
        until(lambda: bool({Reply.CCRYPT, Reply.NAK} & {*end.cable.replies}), "an answer to the handshake")
        end.wait_given_up()
        assert not reader.secure
    assert Command.CHLNG in end.cable.commands
    assert Reply.RMAC_I not in end.cable.replies
    assert Command.POLL not in end.cable.commands, "and goes on with nothing else"


def test_the_peer_comes_back_after_silence_and_restart(tmp_path: Path) -> None:
    with peer(tmp_path) as reader:
        with panel(reader.address, {3: KEY}) as end:
            end.wait_secured(3)
            reader.silence(on=True)
            reader.silence(on=False)
            reader.restart()
        with panel(reader.address, {3: KEY}) as end:
            end.wait_secured(3)
