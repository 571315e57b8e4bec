"""Settings: every mistake is named by its key's full path, with what to write instead."""

from pathlib import Path

import pytest
from gateway_support import install

from drivers.base import Assurance
from gateway.decision import Admission
from gateway.errors import SettingsError
from gateway.settings import JournalPart, load_settings
from gateway.storage import StorageRule
from messages.model import Direction

EXAMPLE = Path(__file__).resolve().parent.parent / "config" / "gateway.example.toml"

SECOND_READER = '[[readers]]\nname = "{}"\ndriver = "sam_v"\nport = "/dev/ttyUSB7"\n[[lock_boards]]'
SECOND_DOOR = (
    '\n[[doors]]\nname = "{}"\nlabel = "x"\nreaders = ["{}"]\n'
    'lock = {{ board = "lobby-board", channel = 1 }}\n'
)
WIRED = '[[inputs]]\nboard = "{}"\nchannel = {}\nfunction = "{}"\ndoor = "{}"\n[mqtt]'


def refusal(path: Path) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        load_settings(path)
    return [line.removeprefix(f"{path}: ") for line in str(refused.value).splitlines()]


def changed(tmp_path: Path, old: str, new: str) -> Path:
    path = install(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def test_the_example_is_valid_and_says_every_setting() -> None:
    settings = load_settings(EXAMPLE)
    assert settings.gateway.site_key_file == EXAMPLE.parent / "site.key"
    assert settings.journal.path == EXAMPLE.parent / "journal.db"
    text = EXAMPLE.read_text(encoding="utf-8")
    parts = (settings.gateway, settings.journal, settings.mqtt, settings.doors[0], settings.doors[0].lock)
    for part in parts:
        assert [key for key in type(part).model_fields if f"{key} =" not in text] == []


def test_what_is_left_out_has_the_documented_defaults(tmp_path: Path) -> None:
    settings = load_settings(install(tmp_path))
    assert settings.gateway.timezone == "Asia/Shanghai"
    assert settings.journal.keep_acknowledged_days == 7
    assert settings.journal.second_path is None
    assert (settings.mqtt.host, settings.mqtt.protocol, settings.mqtt.state_every_s) == ("127.0.0.1", "5", 30)
    (door,) = settings.doors
    assert (door.direction, door.when_not_recordable) == (Direction.IN, "admit_listed")
    assert (door.open_limit_s, door.exit) == (30.0, "handle")
    assert door.policy.admits == {Admission.LISTED}
    assert door.policy.minimum_assurance is Assurance.L0


def test_relative_paths_are_taken_from_where_the_file_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path)
    monkeypatch.chdir(tmp_path.parent)
    settings = load_settings(Path(tmp_path.name) / "gateway.toml")
    assert settings.gateway.access_list is not None
    assert settings.gateway.access_list.is_file()


def test_absolute_paths_stay(tmp_path: Path) -> None:
    path = changed(tmp_path, '"data/journal.db"', '"/var/lib/liuhen/journal.db"')
    assert load_settings(path).journal.path == Path("/var/lib/liuhen/journal.db")


NAME_HELP = "write a name of lower-case letters, digits and hyphens such as 'east-1', 32 at most"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param('name = "east-1"', "", f"gateway.name: is missing; {NAME_HELP}", id="missing name"),
        pytest.param(
            'path = "data/journal.db"',
            "",
            "journal.path: is missing; write the path of a file, in quotes",
            id="missing path",
        ),
        pytest.param('driver = "sam_v"', "", "readers[0].driver: is missing", id="missing driver"),
        pytest.param(
            'port = "/dev/serial/by-id/no-reader"',
            "",
            "readers[0].port: is missing",
            id="driver's own missing",
        ),
        pytest.param(
            "board = ",
            "bord = ",
            "doors[0].lock.bord: is not a setting; known here: board, channel",
            id="unknown key, deep",
        ),
        pytest.param(
            "[mqtt]",
            "[mqqt]",
            "mqqt: is not a setting; known here: clock, doors, gateway, inputs, journal, keys,",
            id="unknown table",
        ),
        pytest.param(
            "pulse_s",
            "pulse_ms",
            "doors[0].pulse_ms: is not a setting; known here: admits, asks_pin, direction, exit, label,",
            id="another unit",
        ),
        pytest.param(
            'driver = "sam_v"',
            'driver = "sam_v"\npol_s = 1.0',
            "readers[0].pol_s: is not a setting; known here: poll_s, port, presence_s, rate",
            id="driver's own unknown",
        ),
        pytest.param(
            'driver = "sam_v"',
            'driver = "sam_v"\npoll_s = 9.0',
            "readers[0].poll_s: Input should be less than or equal to 2",
            id="driver's own out of range",
        ),
        pytest.param(
            '"/dev/serial/by-id/no-board"',
            '"foo://x"',
            "lock_boards[0].port: 'foo://x' is no port; write a device such as",
            id="driver's own bad port",
        ),
        pytest.param(
            'driver = "sam_v"',
            'driver = "samv"',
            "readers[0].driver: there is no 'samv'; known: id12, osdp, ",
            id="unknown driver",
        ),
        pytest.param(
            'driver = "lc_relay"',
            'driver = "sam_v"',
            "lock_boards[0].driver: there is no 'sam_v'; known: gpio, lc_relay, modbus, osdp_out",
            id="a reader's driver for a lock board",
        ),
        pytest.param(
            "port = 1\n",
            'port = "1883"\n',
            "mqtt.port: Input should be a valid integer; write the broker's port, a number from 1 to 65535",
            id="number in quotes",
        ),
        pytest.param("port = 1\n", "port = 70000\n", "mqtt.port: Input should be less than or", id="no port"),
        pytest.param(
            "port = 1\n", "port = true\n", "mqtt.port: Input should be a valid integer;", id="truth as number"
        ),
        pytest.param(
            "port = 1\n",
            'protocol = "4"\n',
            "mqtt.protocol: Input should be '5' or '3.1.1'; write \"5\" or \"3.1.1\", in quotes",
            id="unknown protocol",
        ),
        pytest.param(
            "port = 1\n",
            "state_every_s = nan\n",
            "mqtt.state_every_s: Input should be less than or equal to 60;",
            id="not a number",
        ),
        pytest.param(
            'label = "Building 1"',
            "label = 7",
            "gateway.label: is not a text in quotes; write what people call it",
            id="number as text",
        ),
        pytest.param(
            'name = "east-1"', 'name = "East 1"', f"gateway.name: is not a name; {NAME_HELP}", id="no name"
        ),
        pytest.param(
            'site = "north"', 'site = "centre"', "gateway.site: the centre itself is called so;", id="centre"
        ),
        pytest.param(
            'site = "north"',
            'site = "north"\ntimezone = "Mars/Base"',
            "gateway.timezone: no such time zone here; write a time zone such as 'Asia/Shanghai'",
            id="unknown zone",
        ),
        pytest.param(
            'site = "north"',
            'site = "north"\ntimezone = "Asia"',
            "gateway.timezone: no such",
            id="half a zone",
        ),
        pytest.param(
            'path = "data/journal.db"',
            'path = ""',
            "journal.path: names nothing; write the path",
            id="no path",
        ),
        pytest.param(
            "pulse_s = 1.0",
            "pulse_s = 3000.0",
            "doors[0].pulse_s: Input should be less than or equal to 30; write a number of seconds from 1",
            id="milliseconds for seconds",
        ),
        pytest.param(
            'admits = ["listed"]',
            "admits = []",
            'doors[0].admits: is empty; write a list of "listed", "verified_id", "pass"',
            id="a door for nobody",
        ),
        pytest.param(
            'admits = ["listed"]',
            'admits = ["anybody"]',
            "doors[0].admits[0]: Input should be 'listed', 'verified_id' or 'pass'; write a",
            id="unknown word in a list",
        ),
        pytest.param(
            'admits = ["listed"]',
            'admits = "listed"',
            "doors[0].admits: is not a list;",
            id="text for a list",
        ),
        pytest.param(
            'lock = { board = "lobby-board", channel = 1 }',
            'lock = "lobby-board"',
            "doors[0].lock: is not a table; write a table { board = ..., channel = ... }",
            id="text for a table",
        ),
        pytest.param(
            'readers = ["lobby-in"]',
            'readers = ["loby-in"]',
            "doors[0].readers: there is no reader 'loby-in'; known: lobby-in",
            id="dangling reader",
        ),
        pytest.param(
            'board = "lobby-board"',
            'board = "loby-board"',
            "doors[0].lock.board: there is no 'loby-board'; known: lobby-board",
            id="dangling lock board",
        ),
        pytest.param(
            "channel = 1",
            "channel = 2",
            "doors[0].lock.channel: 'lobby-board' has channels 1 to 1; write one of these",
            id="channel beyond the board",
        ),
        pytest.param(
            "channel = 1", "channel = 0", "doors[0].lock.channel: Input should be greater", id="channel zero"
        ),
        pytest.param(
            "[[lock_boards]]",
            SECOND_READER.format("lobby-in"),
            "readers: two have the name 'lobby-in'",
            id="two readers of one name",
        ),
        pytest.param(
            "[[lock_boards]]",
            SECOND_READER.format("lobby-board"),
            "lock_boards: 'lobby-board' is a reader's name already",
            id="reader and board of one name",
        ),
        pytest.param(
            'admits = ["listed"]',
            SECOND_DOOR.format("yard", "lobby-in"),
            "doors: reader 'lobby-in' belongs to two doors",
            id="reader in two doors",
        ),
        pytest.param(
            "[mqtt]",
            WIRED.format("loby-board", 1, "contact", "north-lobby"),
            "inputs[0].board: there is no 'loby-board'; known: lobby-board, lobby-in",
            id="input of no board",
        ),
        pytest.param(
            "[mqtt]",
            WIRED.format("lobby-board", 1, "contact", "yard"),
            "inputs[0].door: there is no door 'yard'",
            id="input of no door",
        ),
        pytest.param(
            "[mqtt]",
            WIRED.format("lobby-board", 1, "contact", "north-lobby"),
            "inputs[0].channel: 'lobby-board' has no input 1; it has no inputs",
            id="input the board does not have",
        ),
        pytest.param(
            "[mqtt]",
            WIRED.format("lobby-board", 1, "bell", "north-lobby"),
            "inputs[0].function: Input should be 'contact', 'rex',",
            id="input for something unknown",
        ),
        pytest.param(
            "[mqtt]",
            WIRED.format("lobby-board", 1, "contact", "north-lobby").replace(
                "[mqtt]", WIRED.format("lobby-board", 2, "contact", "north-lobby")
            ),
            "inputs[1].function: door 'north-lobby' has a contact already; wire several",
            id="two contacts of one door",
        ),
        pytest.param(
            "pulse_s = 1.0",
            'exit = "button"',
            "doors[0].exit: no input with the function 'rex' is wired to this door, so that everybody who",
            id="an exit button that nobody would hear",
        ),
        pytest.param(
            'admits = ["listed"]',
            "open_limit_s = 3600.0",
            "doors[0].open_limit_s: Input should be less than or equal to 600;",
            id="open for an hour",
        ),
        pytest.param(
            'admits = ["listed"]',
            'exit = "knob"',
            "doors[0].exit: Input should be 'button' or 'handle'; write \"button\" or \"handle\"",
            id="an exit of another kind",
        ),
        pytest.param(
            'admits = ["listed"]',
            SECOND_DOOR.format("north-lobby", "lobby-in"),
            "doors: two have the name 'north-lobby'",
            id="two doors of one name",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_to_write(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    lines = refusal(changed(tmp_path, old, new))
    assert any(said in line for line in lines), lines


def test_one_mistake_is_one_line_and_three_are_three(tmp_path: Path) -> None:
    assert len(refusal(changed(tmp_path, "pulse_s = 1.0", "pulse_s = 99.0"))) == 1
    path = changed(tmp_path, 'site = "north"', 'site = "No"')
    path.write_text(
        path.read_text(encoding="utf-8")
        .replace("port = 1\n", "prt = 1\n")
        .replace("channel = 1", "channel = 0"),
        encoding="utf-8",
    )
    assert [line.partition(":")[0] for line in refusal(path)] == [
        "gateway.site",
        "mqtt.prt",
        "doors[0].lock.channel",
    ]


def test_doors_are_needed(tmp_path: Path) -> None:
    path = install(tmp_path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.index("[[doors]]")], encoding="utf-8")
    assert refusal(path) == ["doors: is missing; write 1 to 64 tables [[doors]]"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"[gateway", "not TOML: ", id="cut"),
        pytest.param(b"a = 1\na = 2", "not TOML: ", id="twice"),
        pytest.param(b"\xff\xfe", "not TOML: ", id="no text"),
        pytest.param(b"x = " + b"[" * 5_000, "not TOML: ", id="nested"),
    ],
)
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "gateway.toml"
    path.write_bytes(content)
    (line,) = refusal(path)
    assert line.startswith(said)


def test_an_empty_file_says_what_must_stand_there(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_bytes(b"")
    assert [line.partition(":")[0] for line in refusal(tmp_path / "gateway.toml")] == [
        "gateway",
        "journal",
        "readers",
        "lock_boards",
        "doors",
    ]


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.toml") == ["cannot be read (No such file or directory)"]
    assert refusal(tmp_path) == ["cannot be read (Is a directory)"]


def test_unsafe_storage_is_refused_and_a_reserve_kept_unless_the_file_says_otherwise() -> None:
    journal = JournalPart(path=Path("journal.db"))
    assert (journal.storage, journal.reserve_mib) == (StorageRule.SAFE_ONLY, 64)


def test_the_second_journal_is_another_file(tmp_path: Path) -> None:
    path = changed(tmp_path, "[mqtt]", 'second_path = "data/journal.db"\n[mqtt]')
    assert refusal(path) == ["journal.second_path: is journal.path; name a file on another disk"]
    text = path.read_text(encoding="utf-8").replace('second_path = "data', 'second_path = "other')
    path.write_text(text, encoding="utf-8")
    assert load_settings(path).journal.second_path == tmp_path / "other" / "journal.db"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('storage = "some"', '"safe_only" or "any"'),
        ("reserve_mib = 1025", "a number of mebibytes from 0 to 1024"),
        ("reserve_mib = -1", "a number of mebibytes from 0 to 1024"),
    ],
)
def test_a_wrong_word_about_the_storage_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "gateway.toml"
    key = line.partition(" ")[0]
    lines = install(tmp_path).read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(line if each.startswith(key) else each for each in lines), encoding="utf-8")
    (found,) = refusal(path)
    assert found.startswith(f"journal.{key}: ")
    assert found.endswith(said)


def test_two_devices_on_one_port_are_refused(tmp_path: Path) -> None:
    path = install(tmp_path, reader_port="/dev/ttyUSB7", board_port="/dev/ttyUSB7")
    assert refusal(path) == ["lobby-board: port /dev/ttyUSB7 is that of lobby-in; give each its own"]


def test_a_door_that_asks_for_a_pin_needs_a_reader_that_takes_one_after_a_card(tmp_path: Path) -> None:
    path = changed(tmp_path, 'admits = ["listed"]', "asks_pin = true")
    said = (
        "doors[0].asks_pin: reader 'lobby-in' takes no PIN after a card; if it has keys, write"
        ' pin = "after_card" in its table'
    )
    assert refusal(path) == [said]
    text = path.read_text(encoding="utf-8").replace('"sam_v"', '"wiegand"\nframing = "hex_line"\nbits = 26')
    path.write_text(text, encoding="utf-8")
    assert refusal(path) == [said]
    path.write_text(text.replace("bits = 26", 'bits = 26\npin = "after_card"'), encoding="utf-8")
    assert load_settings(path).doors[0].asks_pin


ON_ONE_LINE = """
[[readers]]
name = "gate-in"
driver = "osdp"
port = "/dev/ttyS9"
address = 1
key_file = "in.key"
[[readers]]
name = "gate-out"
driver = "osdp"
port = "/dev/ttyS9"
address = 2
rate = {rate}
key_file = "out.key"
"""


def test_devices_of_one_line_have_one_rate(tmp_path: Path) -> None:
    path = install(tmp_path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text + ON_ONE_LINE.format(rate=9600), encoding="utf-8")
    assert len(load_settings(path).readers) == 3
    path.write_text(text + ON_ONE_LINE.format(rate=19200), encoding="utf-8")
    assert refusal(path) == ["gate-out: rate differs from that of gate-in on one line; give both one"]


def test_two_names_of_one_port_are_one_port(tmp_path: Path) -> None:
    (tmp_path / "ttyUSB0").touch()
    for name in ("by-id", "by-path"):
        (tmp_path / name).symlink_to(tmp_path / "ttyUSB0")
    path = install(tmp_path, reader_port=str(tmp_path / "by-id"), board_port=str(tmp_path / "by-path"))
    (line,) = refusal(path)
    assert line == f"lobby-board: port {tmp_path / 'by-path'} is that of lobby-in; give each its own"


def test_each_osdp_device_has_a_key_of_its_own(tmp_path: Path) -> None:
    osdp = 'driver = "osdp"\nport = "/dev/ttyS1"\nkey_file = "a.key"\naddress = {}\n'
    readers = "".join(f'[[readers]]\nname = "r-{n}"\n{osdp.format(n)}' for n in (1, 2))
    path = changed(tmp_path, "[[doors]]", f"{readers}[[doors]]")
    (line,) = refusal(path)
    assert line == f"r-2: key_file {tmp_path / 'a.key'} is that of r-1; give each device its own"
