"""Scenes with devices of all kinds: on cables of their own and shared ones, with keys, contacts and doors."""

import json
import socket
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from firmware_sim_support import DEADLINE_S, cable, made, until

from firmware_sim.catalogue import LOCK_BOARDS, READERS, kind_of, kinds, number_at, settings_text
from firmware_sim.cli import main
from firmware_sim.control import Control
from firmware_sim.device import CardReader, InputDevice, RelayBoard, Tunable
from firmware_sim.errors import RequestError, SceneError
from firmware_sim.fault_table import CATALOGUE, EVERY
from firmware_sim.kinds import Role
from firmware_sim.scene import parse_scene
from firmware_sim.simulator import Simulator

POLL_1 = bytes.fromhex("53 01 08 00 04 60 BA 00")  # readers.md 9, vector 65
ACK_1 = bytes.fromhex("53 81 08 00 04 40 08 06")  # vector 66
SCENE = """
people = 5
profile = "instant"
[[reader]]
name = "fob"
kind = "rdm6300"
repeat_s = 0.02
[[reader]]
name = "pad"
kind = "wiegand"
framing = "decimal_line"
key_bits = 4
[[reader]]
name = "scanner"
kind = "qr"
transport = "tcp"
[[bus]]
name = "rs485"
[[reader]]
name = "gate"
kind = "osdp"
bus = "rs485"
address = 1
inputs = 2
outputs = 2
[[reader]]
name = "side"
kind = "osdp"
bus = "rs485"
address = 2
[[door]]
name = "gate"
reader = "gate"
lock_board = "gate"
channel = 2
contact = { board = "gate", input = 1 }
rex = { board = "gate", input = 2 }
[[door]]
name = "yard"
reader = "fob"
lock_board = "gate"
"""


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(parse_scene(SCENE), tmp_path) as simulator:
        yield simulator


def inputs_told(sim: Simulator) -> list[tuple[int | None, str | None]]:
    return [(event.channel, event.detail) for event in sim.events() if event.event == "input"]


def test_every_kind_belongs_to_one_table_and_to_the_table_of_faults() -> None:
    assert set(READERS) | set(LOCK_BOARDS) == EVERY
    for role, table in ((Role.READER, READERS), (Role.LOCK_BOARD, LOCK_BOARDS)):
        assert kinds(role) == tuple(table)
        assert all(row().role is role for row in table.values())
    assert {kind for fault in CATALOGUE.values() for kind in fault.devices} == EVERY


@pytest.mark.parametrize("kind", sorted(EVERY))
def test_every_kind_is_made_from_its_name_alone(kind: str) -> None:
    table = kind_of(kind).role
    scene = parse_scene(f'people = 1\n[[{table}]]\nname = "a"\nkind = "{kind}"\n')
    (plan,) = scene.devices
    assert (plan.kind, plan.role, plan.transport) == (kind, table, kind_of(kind).transports[0])
    (person,) = scene.everyone()
    number = number_at(kind, plan.options, person.card)
    assert (number is None) == (table is Role.LOCK_BOARD)
    with pytest.raises(SceneError, match=rf"key {table}\[0\]\.colour is not known"):
        parse_scene(f'[[{table}]]\nname = "a"\nkind = "{kind}"\ncolour = 1\n')


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ('kind = "rdm6300"', 'kind = "lc_relay"', r"key reader\[0\]\.kind: one of sam_v"),
        ("address = 2", "address = 1", "bus 'rs485': another device beside 'gate' answers at address 1"),
        ('name = "rs485"', 'name = "other"', r"reader 'gate', key bus: no \[\[bus\]\] 'rs485'"),
        ("address = 2", 'transport = "tcp"', r"key reader\[4\]\.transport is not known"),
        ("input = 2", "input = 3", "door 'gate', key rex: gate has 2 inputs, not 3"),
        ('board = "gate", input = 1', 'board = "fob", input = 1', "key contact: fob has 0 inputs"),
        ("input = 1", 'input = 1, normal = "ajar"', r"key door\[0\]\.contact\.normal: one of open, closed"),
        (
            'lock_board = "gate"\nchannel',
            'lock_board = "fob"\nchannel',
            "key lock_board: no lock board 'fob'",
        ),
        ("channel = 2", "channel = 3", "key channel: gate has 2 channels, not 3"),
    ],
)
def test_what_does_not_fit_is_named(good: str, bad: str, message: str) -> None:
    with pytest.raises(SceneError, match=message):
        parse_scene(SCENE.replace(good, bad, 1))


def test_a_tag_repeats_on_its_line_and_its_read_is_told_once(sim: Simulator) -> None:
    person = sim.scene.everyone()[1]
    with cable(sim.address("fob"), 9600) as end:
        sim.present("fob", "P0002")
        heard = end.read(3 * 14)
    digits = person.card.em_tag.hex().upper().encode()
    assert heard[:14] == heard[14:28] == heard[28:]
    assert heard[1:11] == digits
    told = [(event.event, event.card, event.door) for event in sim.events() if event.device == "fob"]
    assert told == [("presented", "P0002", "yard"), ("read_sent", "P0002", "yard")]
    sim.remove("fob")
    sim.present("fob", "P0002")
    until(lambda: [e.event for e in sim.events()].count("read_sent") == 2, "the second placement")


def test_a_reader_at_another_rate_is_heard_as_garbage(sim: Simulator) -> None:
    sim.fault("fob", "wrong_rate", rate=19200)
    with cable(sim.address("fob"), 9600) as end:
        sim.present("fob", "P0001")
        assert b"\x02" not in end.read(7)[:1]
        end.set_rate(19200)
        until(lambda: end.chunk()[:1] == b"\x02", "a good frame")


def test_a_rate_nobody_named_is_another_than_the_present_one(sim: Simulator) -> None:
    sim.fault("fob", "wrong_rate")
    assert sim.status()["devices"]["fob"]["rate"] == 19200
    sim.fault("fob", "wrong_rate")
    assert sim.status()["devices"]["fob"]["rate"] == 9600


def test_a_card_that_lies_there_is_read_after_a_replug(sim: Simulator) -> None:
    sim.present("fob", "P0001")
    sim.unplug("fob")
    sim.replug("fob")
    with cable(sim.address("fob"), 9600) as end:  # what came before the rate was set is garbage
        until(lambda: end.chunk()[:1] == b"\x02", "a good frame")


def test_a_wedged_reader_is_mended_by_a_restart(sim: Simulator) -> None:
    sim.fault("fob", "wedged")
    sim.present("fob", "P0001")
    with cable(sim.address("fob"), 9600) as end:
        assert end.chunk(0.1) == b""
        sim.power_cycle("fob")
        assert end.read(14)[:1] == b"\x02"


def test_a_babbling_reader_never_stops(sim: Simulator) -> None:
    with cable(sim.address("pad"), 9600) as end:
        sim.fault("pad", "babble", hex="55AA", gap_s=0.001)
        assert end.read(200) == bytes.fromhex("55AA") * 100
        sim.clear("pad")
        until(lambda: end.chunk(0.05) == b"", "silence")


def test_somebody_holds_up_the_code_of_a_pass_instead_of_their_own(tmp_path: Path) -> None:
    scene = SCENE.replace('kind = "qr"\ntransport = "tcp"', 'kind = "qr"')
    scene += '[[door]]\nname = "hall"\nreader = "scanner"\nlock_board = "gate"\nchannel = 1\n'
    with (
        Simulator(parse_scene(scene), tmp_path) as sim,
        Control(sim.directory) as control,
        cable(sim.address("scanner"), 9600) as end,
    ):
        control.swipe("scanner", "P0001", patience_s=0.2, code="LH1:A PASS")
        assert end.read(12) == b"LH1:A PASS\r\n"
        for refused in ("", "密", "A" * 513, "A\nB"):
            with pytest.raises(RequestError, match=r"1 to 512 characters|printable ASCII characters"):
                control.swipe("scanner", "P0001", patience_s=0.2, code=refused)
        with pytest.raises(RequestError, match="fob reads no QR codes"):
            control.swipe("fob", "P0001", patience_s=0.2, code="LH1:A PASS")
        own = sim.scene.everyone()[0].card.qr_text
        control.swipe("scanner", "P0001", patience_s=0.2)
        assert end.read(len(own) + 2) == f"{own}\r\n".encode()
    assert "A PASS" not in (tmp_path / "events.jsonl").read_text(encoding="utf-8")


def test_keys_are_pressed_by_hand_and_by_the_card_holder(sim: Simulator) -> None:
    pin = sim.scene.everyone()[0].card.pin
    with Control(sim.directory) as control, cable(sim.address("pad"), 9600) as end:
        control.press("pad", "12#")
        assert end.read(3) == bytes.fromhex("01 02 0B")
        for refused, message in (("1a", "0 to 9"), ("", "1 to 100 characters")):
            with pytest.raises(RequestError, match=message):
                control.press("pad", refused)
        with pytest.raises(RequestError, match="fob: it has no keys"):
            control.press("fob", "1")
    with Control(sim.directory) as control:
        swipe = control.swipe("fob", "P0001", patience_s=0.2)
        assert not swipe["opened"]
    events = (sim.directory / "events.jsonl").read_text(encoding="utf-8")
    assert f'"{pin}"' not in events
    assert pin not in [event.detail for event in sim.events()]


def test_a_scanner_on_a_socket_sends_the_persons_code(sim: Simulator) -> None:
    host, number = sim.address("scanner").removeprefix("socket://").split(":")
    with socket.create_connection((host, int(number)), DEADLINE_S) as program:
        until(lambda: sim.status()["devices"]["scanner"]["plugged"], "the cable")
        text = sim.scene.everyone()[2].card.qr_text.encode()

        def scan() -> bool:
            sim.present("scanner", "P0003")
            program.settimeout(0.2)
            try:
                return program.recv(100) == text + b"\r\n"
            except TimeoutError:
                return False
            finally:
                sim.remove("scanner")

        until(scan, "the code")


def test_devices_on_a_bus_answer_for_themselves_and_can_be_cut_off_alone(sim: Simulator) -> None:
    assert sim.address("gate") == sim.address("side") == str(sim.directory / "rs485")
    with cable(sim.address("gate"), 9600) as end:
        end.send(POLL_1)
        assert end.read(8) == ACK_1
        until(lambda: end.chunk(0.05) == b"", "silence")
        sim.unplug("gate")
        assert not sim.status()["devices"]["gate"]["plugged"]
        assert sim.status()["devices"]["side"]["plugged"]
        end.send(POLL_1)
        assert end.chunk(0.1) == b""
        with pytest.raises(RequestError, match="gate is unplugged already"):
            sim.unplug("gate")
        assert sim.replug("gate") == sim.address("side")
        end.send(POLL_1)
        assert end.read(8) == ACK_1
    with pytest.raises(RequestError, match="gate is plugged in already"):
        sim.replug("gate")


def test_a_bus_is_unplugged_with_all_its_devices(sim: Simulator) -> None:
    path = Path(sim.address("side"))
    sim.unplug("rs485")
    assert not path.is_symlink()
    assert not any(sim.status()["devices"][name]["plugged"] for name in ("gate", "side"))
    with pytest.raises(RequestError, match="rs485 is unplugged; replug it first"):
        sim.address("gate")
    assert sim.replug("rs485") == str(path)


def test_a_door_moves_its_contact_and_its_button(sim: Simulator) -> None:
    with Control(sim.directory) as control:
        assert inputs_told(sim) == [(1, "closed"), (2, "open")]  # at rest
        with pytest.raises(RequestError, match="door gate is locked; release it first, or force it"):
            control.swing_door("gate", is_open=True)
        control.swing_door("gate", is_open=True, force=True)
        assert control.status()["doors"]["gate"]["open"]
        control.swing_door("gate", is_open=False)
        control.press_rex("gate", hold_s=0.01)
        assert inputs_told(sim)[2:] == [(1, "open"), (1, "closed"), (2, "closed"), (2, "open")]
        with pytest.raises(RequestError, match="door yard has no exit button"):
            control.press_rex("yard")
        with pytest.raises(RequestError, match="no door 'attic'; there are gate, yard"):
            control.swing_door("attic", is_open=True)
        control.swing_door("yard", is_open=True, force=True)
    told = [(event.event, event.door) for event in sim.events() if event.event.startswith("door_")]
    assert told == [("door_open", "gate"), ("door_shut", "gate"), ("door_open", "yard")]


def test_contacts_can_be_moved_one_by_one(sim: Simulator) -> None:
    with Control(sim.directory) as control:
        control.set_input("gate", 0, "bad")
        control.set_input("gate", -1, "good")
        for device, number, state, message in (
            ("gate", 9, "open", "gate: the reader has inputs 1 to 2, not 9"),
            ("gate", 1, "ajar", "gate: an input of a reader is open or closed"),
            ("fob", 1, "open", "fob has no inputs"),
            ("gate", -2, "open", "key number: -1 to"),
        ):
            with pytest.raises(RequestError, match=message):
                control.set_input(device, number, state)


def test_the_settings_of_a_gateway_are_told_for_each_device(sim: Simulator) -> None:
    with Control(sim.directory) as control:
        told = control.settings()
    blocks = {each["settings"]["name"]: each for each in told["settings"]}
    assert list(blocks) == ["fob", "pad", "scanner", "gate", "side"]
    assert blocks["fob"]["table"] == "readers"
    assert blocks["fob"]["settings"] == {
        "name": "fob",
        "driver": "rdm6300",
        "port": str(sim.directory / "fob"),
    }
    assert blocks["side"]["settings"]["port"] == str(sim.directory / "rs485")
    assert told["environment"] == {}


def test_settings_are_printed_as_they_are_pasted(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIUHEN_SIM_DIR", str(sim.directory))
    assert main(["settings"]) == 0
    printed = tomllib.loads(capsys.readouterr().out)
    assert [table["name"] for table in printed["readers"]] == ["fob", "pad", "scanner", "gate", "side"]


def test_settings_of_any_shape_are_valid_toml() -> None:
    settings = {
        "name": 'a "quoted" 门',
        "channels": 4,
        "gap_s": 0.12,
        "on": True,
        "inputs": [{"channel": 1, "normal": "open"}, {"channel": 2, "normal": "closed"}],
    }
    assert tomllib.loads(settings_text("lock_boards", settings)) == {"lock_boards": [settings]}


def test_doors_keys_and_contacts_are_in_reach_of_the_command_line(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIUHEN_SIM_DIR", str(sim.directory))
    before = sim.last_event
    assert main(["door", "gate", "open"]) == 1
    assert "release it first" in capsys.readouterr().err
    assert main(["door", "gate", "open", "--force"]) == 0
    assert main(["door", "gate", "shut"]) == 0
    assert main(["rex", "gate", "--hold", "0.01"]) == 0
    assert main(["input", "gate", "0", "bad"]) == 0
    assert main(["press", "pad", "7*"]) == 0
    assert main(["lay", "fob", "P0001", "--patience", "0.05", "--pin"]) == 1
    assert main(["kinds"]) == 0
    assert "reader      rdm6300\n" in capsys.readouterr().out
    told = [event.event for event in sim.events(after=before)]
    assert told[:8] == ["input", "door_open", "input", "door_shut", "input", "input", "input", "typed"]


def test_status_holds_no_identity(sim: Simulator) -> None:
    for reader in ("fob", "pad", "scanner", "gate"):
        sim.present(reader, "P0001")
    text = json.dumps(sim.status()).lower()
    card = sim.scene.everyone()[0].card
    for secret in (card.uid.hex(), card.em_tag.hex(), card.chip_serial.hex(), card.qr_text.lower()):
        assert secret not in text


@pytest.mark.parametrize("kind", sorted(EVERY))
def test_a_device_can_do_what_its_kind_and_the_table_of_faults_say(kind: str) -> None:
    about = kind_of(kind)
    if about.make is None:
        assert about.transports == ("pcsc",)
        return
    device = made(kind).device
    (plan,) = parse_scene(f'[[{about.role}]]\nname = "a"\nkind = "{kind}"\n').devices
    assert isinstance(device, Tunable) == (kind in CATALOGUE["wrong_rate"].devices)
    assert isinstance(device, CardReader) or about.role is Role.LOCK_BOARD
    assert isinstance(device, RelayBoard) == bool(about.channels(plan.options))
    if isinstance(device, RelayBoard):
        assert len(device.relays) == about.channels(plan.options)
    assert isinstance(device, InputDevice) == bool(about.inputs(plan.options))
