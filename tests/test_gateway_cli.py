"""The program as people and systemd run it: its commands, its signals, its exit codes and its log."""

import json
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
from gateway_support import (
    DEADLINE_S,
    DOOR,
    READER,
    SITE_KEY,
    Centre,
    Mosquitto,
    a_fact,
    access_list,
    install,
    opened,
    until,
)
from program_support import called

from drivers.base import CredentialKind
from firmware_sim.people import Person
from firmware_sim.scene import parse_scene
from firmware_sim.simulator import Simulator
from gateway.cli import SETTINGS_VARIABLE, main, plain_run
from gateway.journal_reader import JournalReader
from gateway.tokens import tokeniser
from messages.model import Kind, Reason, Record

PROGRAM = Path(sys.executable).with_name("liuhen-gateway")
ENDS_WITHIN_S = 5.0

SCENE = """
people = 3
profile = "instant"
[[reader]]
name = "lobby-in"
[[lock_board]]
name = "lobby-board"
channels = 1
[[door]]
name = "lobby"
reader = "lobby-in"
lock_board = "lobby-board"
channel = 1
"""


def liuhen_gateway(*words: str | Path, said: str = "") -> subprocess.CompletedProcess[str]:
    if words[:1] == ("run",):  # it hardens its process before anything else
        return subprocess.run(
            [PROGRAM, *words], input=said, capture_output=True, text=True, check=False, timeout=DEADLINE_S
        )
    return called(main, *words, said=said)


class Running:
    """`liuhen-gateway run` as a child; its output goes to a file."""

    def __init__(self, settings: Path) -> None:
        self.settings = settings
        self.log_file = settings.with_name("gateway.log")
        with self.log_file.open("a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "run", "-s", settings], stdout=log, stderr=subprocess.STDOUT
            )

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    def until_ready(self) -> None:
        until(lambda: "ready\n" in self.log or self.process.poll() is not None, "the start")
        assert self.process.poll() is None, self.log

    def end(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Exit code and how long it took, in seconds."""
        begun_s = time.monotonic()
        self.process.send_signal(how)
        return self.process.wait(DEADLINE_S), time.monotonic() - begun_s

    def used_s(self) -> float:
        """Seconds of a core so far."""
        return sum(psutil.Process(self.process.pid).cpu_times()[:2])

    def records(self) -> list[Record]:
        with closing(JournalReader(self.settings.parent / "data" / "journal.db")) as reader:
            checked, flaws = reader.verify()
            assert flaws == []
            return reader.newest(max(checked, 1))

    def kinds(self) -> list[Kind]:
        return [record.kind for record in self.records()]


@contextmanager
def running(settings: Path) -> Iterator[Running]:
    gateway = Running(settings)
    try:
        gateway.until_ready()
        yield gateway
    finally:
        if gateway.process.poll() is None:
            gateway.process.kill()
            gateway.process.wait()


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(parse_scene(SCENE), tmp_path / "ports") as simulator:
        yield simulator


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def settings(tmp_path: Path, simulator: Simulator, broker: Mosquitto) -> Path:
    """A gateway whose reader and lock are simulated, with two of three people on its list."""
    people = simulator.scene.enrolled()
    return install(
        tmp_path,
        *(token_of(person) for person in people[:2]),
        reader_port=simulator.address("lobby-in"),
        board_port=simulator.address("lobby-board"),
        mqtt_port=broker.port,
    )


def token_of(person: Person) -> str:
    return tokeniser(SITE_KEY)(CredentialKind.ID_CARD, person.id_number)


# run


def test_cards_are_decided_recorded_and_reported_and_the_log_names_nobody(
    settings: Path, simulator: Simulator, broker: Mosquitto
) -> None:
    people = simulator.scene.enrolled()
    centre = Centre(broker.port)
    with running(settings) as gateway:
        until(lambda: Kind.READER_RESTORED in gateway.kinds(), "the reader")
        until(lambda: Kind.LOCK_RESTORED in gateway.kinds(), "the lock")
        assert simulator.swipe("lobby-in", people[0].ref, patience_s=DEADLINE_S).opened
        assert not simulator.swipe("lobby-in", people[2].ref, patience_s=1.0).opened
        until(lambda: Kind.ACCESS_DENIED in gateway.kinds(), "the denial")
        code, _ = gateway.end()
    assert code == 0
    decisions = [r for r in gateway.records() if r.kind in (Kind.ACCESS_GRANTED, Kind.ACCESS_DENIED)]
    assert [(r.kind, r.door, r.reader, r.holder) for r in decisions] == [
        (Kind.ACCESS_GRANTED, DOOR, READER, "holder-0"),
        (Kind.ACCESS_DENIED, DOOR, READER, None),
    ]
    until(lambda: len(centre.records()) >= decisions[-1].seq, "the records at the centre")
    centre.close()
    for person in people:
        for secret in (token_of(person), person.id_number, person.name):
            assert secret not in gateway.log
    assert "holder-" not in gateway.log
    assert SITE_KEY.hex() not in gateway.log


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
def test_a_signal_ends_it_within_five_seconds_and_the_last_record_says_so(
    settings: Path, how: signal.Signals
) -> None:
    with running(settings) as gateway:
        code, took_s = gateway.end(how)
    assert code == 0
    assert took_s < ENDS_WITHIN_S
    assert gateway.kinds()[-1] is Kind.GATEWAY_STOPPED


def test_it_ends_in_time_also_without_devices_and_with_a_broker_that_does_not_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        path = install(tmp_path, mqtt_port=silent.getsockname()[1])
        with running(path) as gateway:
            until(lambda: Kind.READER_LOST in gateway.kinds(), "the loss of the reader")
            _, took_s = gateway.end()
    assert took_s < ENDS_WITHIN_S
    assert gateway.kinds()[-1] is Kind.GATEWAY_STOPPED


def test_many_signals_at_once_are_one_end(settings: Path) -> None:
    with running(settings) as gateway:
        for how in (signal.SIGHUP, signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            gateway.process.send_signal(how)
        assert gateway.end()[0] == 0
    assert gateway.kinds().count(Kind.GATEWAY_STOPPED) == 1


def test_a_hang_up_takes_the_new_list_and_refuses_a_bad_one(settings: Path, simulator: Simulator) -> None:
    people = simulator.scene.enrolled()
    list_file = settings.with_name("list.json")
    with running(settings) as gateway:
        until(lambda: Kind.LOCK_RESTORED in gateway.kinds(), "the lock")
        until(lambda: Kind.READER_RESTORED in gateway.kinds(), "the reader")
        list_file.write_text(access_list(token_of(people[2]), version=2), encoding="utf-8")
        gateway.process.send_signal(signal.SIGHUP)
        until(lambda: gateway.kinds().count(Kind.LIST_APPLIED) == 2, "the new list")
        assert simulator.swipe("lobby-in", people[2].ref, patience_s=DEADLINE_S).opened
        list_file.write_text('{"v": 1, "entries": [', encoding="utf-8")
        gateway.process.send_signal(signal.SIGHUP)
        until(lambda: Kind.LIST_REFUSED in gateway.kinds(), "the refusal")
        assert not simulator.swipe("lobby-in", people[0].ref, patience_s=1.0).opened
        assert gateway.end()[0] == 0
    assert "the access list was not taken, the former one stays in force" in gateway.log


def test_a_kill_leaves_a_will_and_the_next_start_goes_on(settings: Path, broker: Mosquitto) -> None:
    centre = Centre(broker.port)
    with running(settings) as gateway:
        online = until(centre.states, "the state")[-1]
        before = len(gateway.records())
        gateway.end(signal.SIGKILL)
        gone = until(lambda: [s for s in centre.states() if not s.online], "the will")
    assert gone[0].session in {state.session for state in centre.states() if state.online}
    assert gone[0].boot == online.boot
    gateway.log_file.unlink()
    with running(settings) as gateway:
        until(lambda: gateway.kinds().count(Kind.GATEWAY_STARTED) == 2, "the second start")
        assert len(gateway.records()) > before
        assert {record.epoch for record in gateway.records()} == {gateway.records()[0].epoch}
        gateway.end()
    centre.close()


def test_idle_gateways_take_less_than_a_hundredth_of_a_core(tmp_path: Path) -> None:
    """One with a broker and one without. Their own threads; what a reader costs is the driver's matter."""
    broker = Mosquitto(tmp_path)
    broker.start()
    folders = tmp_path / "connected", tmp_path / "alone"
    for folder in folders:
        folder.mkdir()
    with (
        closing(socket.socket()) as nobody,
        running(install(folders[0], mqtt_port=broker.port, reader_port="socket://127.0.0.1:1")) as connected,
        running(install(folders[1], mqtt_port=refusing(nobody), reader_port="socket://127.0.0.1:1")) as alone,
    ):
        gateways = connected, alone
        for gateway in gateways:
            until(lambda gateway=gateway: Kind.READER_LOST in gateway.kinds(), "the loss of the reader")  # type: ignore[misc]
        until(lambda: "uplink: connected" in connected.log, "the connection")
        threading.Event().wait(2.0)  # what the start leaves behind
        used_s, begun_s = [gateway.used_s() for gateway in gateways], time.monotonic()
        threading.Event().wait(8.0)  # the measured stretch itself
        took_s = time.monotonic() - begun_s
        for gateway, before_s in zip(gateways, used_s, strict=True):
            assert (gateway.used_s() - before_s) / took_s < 0.01
            gateway.end()
    broker.stop()


def refusing(unheard: socket.socket) -> int:
    """A port that is taken and that nobody listens to."""
    unheard.bind(("127.0.0.1", 0))
    port: int = unheard.getsockname()[1]
    return port


# What keeps it from starting: one message, exit code 2.


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("settings", r"gateway\.toml: mqtt\.prt: is not a setting; known here: ca_file, .*, host, .*, port"),
        ("key", r"gateway\.site_key_file: .*site\.key can be read by others \(mode 644\); run: chmod 600"),
        ("list", r"list\.json: not an access list"),
        ("no list", r"list\.json: cannot be read \(No such file or directory\)"),
    ],
    ids=["settings", "key", "list", "no list"],
)
def test_an_error_is_one_message_and_exit_code_2(tmp_path: Path, command: str, spoil: str, said: str) -> None:
    path = install(tmp_path)
    match spoil:
        case "settings":
            path.write_text(
                path.read_text(encoding="utf-8").replace("port = 1\n", "prt = 1\n"), encoding="utf-8"
            )
        case "key":
            (tmp_path / "site.key").chmod(0o644)
        case "list":
            (tmp_path / "list.json").write_text("no list", encoding="utf-8")
        case _:
            (tmp_path / "list.json").unlink()
    done = liuhen_gateway(command, "--settings", path)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert re.match(f"liuhen-gateway: .*{said}", line)


def test_a_journal_in_use_keeps_a_second_one_from_starting(tmp_path: Path) -> None:
    path = install(tmp_path)
    with opened(tmp_path / "data" / "journal.db"):
        done = liuhen_gateway("run", "-s", path)
    assert done.returncode == 2
    assert "another gateway process uses this journal; stop it first" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words", [["run", "--settings", "g.toml"], ["run", "-s", "g.toml"], ["run", "--settings=g.toml"], ["run"]]
)
def test_a_plain_run_is_known_without_what_reads_arguments(words: list[str]) -> None:
    assert plain_run(words, {SETTINGS_VARIABLE: "g.toml"}) == Path("g.toml")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["run"],
        ["run", "--help"],
        ["run", "--settings"],
        ["run", "--settings", "--help"],
        ["run", "--settings="],
        ["run", "--settings", "g.toml", "--quick"],
        ["run", "g.toml"],
        ["--settings", "g.toml", "run"],
        ["check", "--settings", "g.toml"],
    ],
)
def test_any_other_words_are_looked_at_closely(words: list[str]) -> None:
    assert plain_run(words, {}) is None


def test_a_running_gateway_has_not_loaded_what_only_other_commands_need() -> None:
    """It would keep some MiB for months."""
    code = "import gateway.cli, gateway.running, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    named = set(loaded.stdout.split())
    assert "gateway.daemon" in named
    assert not {name for name in named if name.startswith("gateway.cli_")}
    assert not named & {"typer", "click", "sqlite_utils", "gateway.doctor", "gateway.bundles"}


def test_a_missing_option_and_an_unknown_command_are_said(tmp_path: Path) -> None:
    for words in (["run"], ["fly"], ["journal"], []):
        done = liuhen_gateway(*words)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


# check


def test_check_says_what_it_found_and_starts_nothing(tmp_path: Path) -> None:
    done = liuhen_gateway("check", "-s", install(tmp_path, "a" * 32))
    assert done.returncode == 0
    first, *doubts = [line for line in done.stdout.splitlines() if "records can be lost" not in line]
    assert first.endswith("1 readers, 1 lock boards, 1 doors; access list 1 with 1 credentials")
    assert [doubt.split(": ")[1] for doubt in doubts] == ["lobby-in", "lobby-board"]
    assert all("nothing is plugged in at" in doubt for doubt in doubts)
    assert not (tmp_path / "data").exists()


def test_check_minds_entries_of_the_list_that_can_open_nothing(tmp_path: Path) -> None:
    path = install(tmp_path)
    listed = {"token": "b" * 32, "holder": "h-2", "category": "resident"}
    entries = [
        {**listed, "doors": ["loby"]},
        {**listed, "token": "c" * 32, "doors": ["*"], "from_us": 9, "until_us": 9},
    ]
    text = json.dumps({"v": 1, "version": 1, "issued_us": 0, "entries": entries})
    (tmp_path / "list.json").write_text(text, encoding="utf-8")
    done = liuhen_gateway("check", "-s", path)
    assert done.returncode == 0
    assert "names doors that are not here: loby" in done.stdout
    assert "entries that never hold, until_us is not after from_us: 1" in done.stdout


def test_check_warns_when_records_stay_too_short_for_a_restored_centre(tmp_path: Path) -> None:
    path = install(tmp_path)
    text = path.read_text(encoding="utf-8").replace("[mqtt]", "keep_acknowledged_days = 0\n[mqtt]")
    path.write_text(text, encoding="utf-8")
    done = liuhen_gateway("check", "-s", path)
    assert done.returncode == 0
    assert "journal.keep_acknowledged_days: 0 is short" in done.stdout


# token


def test_token_reads_the_number_from_standard_input_alone(tmp_path: Path) -> None:
    done = liuhen_gateway("token", "-s", install(tmp_path), said="00000019491231006x\n")
    # printf 'id_card:00000019491231006X' | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102...1e1f
    assert done.stdout == "fe3e6dafa081e269fd532f5ad4bb8bee\n"
    assert liuhen_gateway("token", "-s", install(tmp_path), "00000019491231006X").returncode == 2


@pytest.mark.parametrize(
    ("kind", "said", "token"),
    [
        # printf 'em_tag:0C00A1B2C3' | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102...1e1f
        pytest.param(
            "em_tag", "0c00a1b2c3\n", "45ae53d7f64c3844b43da22204b99a45", id="hex digits in upper case"
        ),
        pytest.param(
            "qr_code",
            "Guest 7 \r\n",
            "a22bf01ce81159fde123954a884ff196",
            id="the text of a code as it is printed",
        ),
    ],
)
def test_token_takes_every_kind_of_credential(tmp_path: Path, kind: str, said: str, token: str) -> None:
    assert liuhen_gateway("token", "-s", install(tmp_path), "--kind", kind, said=said).stdout == f"{token}\n"


def test_token_of_anything_but_a_pin_is_never_made_after_a_card(tmp_path: Path) -> None:
    done = liuhen_gateway("token", "-s", install(tmp_path), "--after", "a" * 32, said="2580\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--kind pin" in done.stderr


def test_token_of_a_pin_depends_on_the_card_it_is_typed_after(tmp_path: Path) -> None:
    path = install(tmp_path)
    tokens = [
        liuhen_gateway("token", "-s", path, "--kind", "pin", *after, said="2580\n").stdout
        for after in ((), ("--after", "a" * 32), ("--after", "b" * 32))
    ]
    # printf 'pin:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:2580' | openssl ...
    assert tokens[1] == "dfe43c532f39b8a036a49d6cd40b1c91\n"
    assert len(set(tokens)) == 3


def test_token_without_a_number_says_what_to_do(tmp_path: Path) -> None:
    done = liuhen_gateway("token", "-s", install(tmp_path))
    assert done.returncode == 2
    assert done.stderr == "liuhen-gateway: no number on standard input; type it and press Enter\n"


# journal


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Settings of a gateway that has recorded thirty things."""
    path = install(tmp_path)
    with opened(tmp_path / "data" / "journal.db") as journal:
        journal.append([a_fact()] * 29)
    return path


LINE = re.compile(r"\d+/(\d+)  2023-11-14 22:13:20\.000Z  access_granted  lobby  listed")


def test_journal_list_explains_decisions_to_whoever_asks(tmp_path: Path) -> None:
    settings = install(tmp_path)
    with opened(tmp_path / "data" / "journal.db") as journal:
        journal.append([a_fact(Kind.ACCESS_DENIED, Reason.OUTSIDE_HOURS)])
    lines = liuhen_gateway("journal", "list", "-s", settings, "--explain").stdout.splitlines()
    assert "new_journal" in lines[0]  # no decision: nothing to explain at the door
    assert lines[1].endswith("outside_hours")
    assert lines[2].strip().startswith("不在允许的时段内。")
    assert lines[3].strip().startswith("Your credential is not valid at this hour.")


def test_journal_list_shows_the_newest_records_oldest_first(recorded: Path) -> None:
    done = liuhen_gateway("journal", "list", "-s", recorded, "--last", "3")
    assert done.returncode == 0
    assert [found[1] for found in map(LINE.fullmatch, done.stdout.splitlines()) if found] == [
        "28",
        "29",
        "30",
    ]
    assert len(liuhen_gateway("journal", "list", "-s", recorded).stdout.splitlines()) == 20


def test_journal_verify_says_how_many_records_hold_and_names_each_flaw(recorded: Path) -> None:
    done = liuhen_gateway("journal", "verify", "-s", recorded)
    assert (done.returncode, done.stdout) == (0, "30 records checked, 0 flaws\n")
    with closing(sqlite3.connect(recorded.parent / "data" / "journal.db")) as connection, connection:
        connection.execute("DELETE FROM records WHERE id = 7")
    done = liuhen_gateway("journal", "verify", "-s", recorded)
    assert done.returncode == 1
    assert done.stdout == "epoch 1700000000 record 7: is missing\n29 records checked, 1 flaws\n"


def test_journal_can_be_looked_into_while_it_is_written(recorded: Path) -> None:
    with opened(recorded.parent / "data" / "journal.db") as journal:
        journal.append([a_fact()])
        assert liuhen_gateway("journal", "verify", "-s", recorded).stdout == "31 records checked, 0 flaws\n"


def test_journal_follow_prints_records_as_they_are_written_until_interrupted(recorded: Path) -> None:
    output = recorded.with_name("followed")
    with opened(recorded.parent / "data" / "journal.db") as journal, output.open("w") as file:
        following = subprocess.Popen(
            [PROGRAM, "journal", "follow", "-s", recorded], stdout=file, stderr=subprocess.STDOUT
        )
        try:
            until(lambda: journal.append([a_fact()]) and output.read_text(), "the first line")
            (last,) = journal.append([a_fact()])
            until(lambda: f"/{last}  " in output.read_text(), "the last line")
        finally:
            following.send_signal(signal.SIGINT)
            code = following.wait(DEADLINE_S)
    seqs = [int(found[1]) for found in map(LINE.fullmatch, output.read_text().splitlines()) if found]
    assert seqs == list(range(seqs[0], last + 1))
    assert code in (1, 130)
    assert "Traceback" not in output.read_text()


def test_a_journal_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = liuhen_gateway("journal", "list", "-s", install(tmp_path))
    assert done.returncode == 2
    assert "journal.db: cannot be opened" in done.stderr
