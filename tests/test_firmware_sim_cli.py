"""liuhen-sim as people use it: a process that serves, and commands beside it."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from firmware_sim_support import DEADLINE_S, SCENE, cable, frame, relay, until

from firmware_sim.cli import main
from firmware_sim.scene import parse_scene
from firmware_sim.simulator import Simulator


@pytest.fixture
def sim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    monkeypatch.setenv("LIUHEN_SIM_DIR", str(tmp_path))
    with Simulator(parse_scene(SCENE), tmp_path) as simulator:
        yield simulator


def serve(scene: Path, directory: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "firmware_sim.cli", "serve", str(scene), "--dir", str(directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_runs_until_told_to_end_and_leaves_only_its_events(
    tmp_path: Path, number: signal.Signals
) -> None:
    scene, directory = tmp_path / "scene.toml", tmp_path / "run"
    scene.write_text(SCENE, encoding="utf-8")
    with serve(scene, directory) as process:
        assert process.stdout is not None
        try:
            lines = [process.stdout.readline() for _ in range(3)]
            assert "stop it with Ctrl-C" in lines[0]
            assert "east-1" in lines[1]
            with cable(str(directory / "east-1")) as end:
                assert end.ask("request_find", 11) == frame("reply_find_failed")
            process.send_signal(number)
            assert process.wait(DEADLINE_S) == 0
        finally:
            process.kill()
    assert [path.name for path in directory.iterdir()] == ["events.jsonl"]


def test_serve_says_what_is_wrong_with_a_scene(tmp_path: Path) -> None:
    scene = tmp_path / "scene.toml"
    scene.write_text("sead = 1", encoding="utf-8")
    with serve(scene, tmp_path / "run") as process:
        _, errors = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, "key sead is not known" in errors) == (1, True)


def open_once(sim: Simulator) -> None:
    with cable(sim.address("east-1")) as reader, cable(sim.address("east-locks"), 9600) as locks:
        until(lambda: reader.answer("request_find") == frame("reply_found") or None, "a card")
        reader.answer("request_select")
        reader.answer("request_read")
        locks.send(relay("channel_1_on"))
        until(lambda: sim.status()["devices"]["east-1"]["card"] is None or None, "the card taken away")


def test_lay_says_after_how_long_the_door_opened(sim: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    keeper = threading.Thread(target=open_once, args=(sim,))
    keeper.start()
    assert main(["lay", "east-1", "P0007", "--patience", "10", "--hold", "0.1"]) == 0
    keeper.join(DEADLINE_S)
    assert capsys.readouterr().out.startswith("door opened after 0.")


def test_who_is_let_in_goes_in_when_told_to(sim: Simulator) -> None:
    keeper = threading.Thread(target=open_once, args=(sim,))
    keeper.start()
    assert main(["lay", "east-1", "P0007", "--patience", "10", "--enter", "0.01"]) == 0
    keeper.join(DEADLINE_S)
    moves = [(each.event, each.door) for each in sim.events() if each.event.startswith("door_")]
    assert moves == [("door_open", "east"), ("door_shut", "east")]


def test_who_is_not_let_in_does_not_go_in(sim: Simulator) -> None:
    assert main(["lay", "east-1", "P0007", "--patience", "0.05", "--enter", "0.01"]) == 1
    assert [each for each in sim.events() if each.event.startswith("door_")] == []


def test_lay_says_that_the_door_stayed_shut(sim: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lay", "east-1", "P0007", "--patience", "0.05"]) == 1
    assert capsys.readouterr().out == "the door stayed shut: nobody read the card\n"


def journal_with(path: Path, *kinds: tuple[str, str]) -> Path:
    """As a gateway keeps it, with a decision at the reader for each."""
    with closing(sqlite3.connect(path)) as opened, opened:
        opened.execute("CREATE TABLE IF NOT EXISTS records (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        for kind, reason in kinds:
            record = {"kind": kind, "reason": reason, "door": "east", "reader": "east-1"}
            opened.execute("INSERT INTO records (body) VALUES (?)", [json.dumps(record).encode()])
    return path


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Simulator, Path]]:
    """A simulator that knows the journal of the gateway of its door, in which somebody came before."""
    journal = journal_with(tmp_path / "journal.db", ("access_granted", "listed"))
    scene = SCENE + f"journal = {json.dumps(str(journal))}\n"
    monkeypatch.setenv("LIUHEN_SIM_DIR", str(tmp_path / "run"))
    with Simulator(parse_scene(scene), tmp_path / "run") as simulator:
        yield simulator, journal


def decide_once(sim: Simulator, journal: Path, kind: str, reason: str, *, opens: bool) -> None:
    """A program that reads the card, writes what it decides, and opens the door or does not."""
    with cable(sim.address("east-1")) as reader, cable(sim.address("east-locks"), 9600) as locks:
        until(lambda: reader.answer("request_find") == frame("reply_found") or None, "a card")
        reader.answer("request_select")
        reader.answer("request_read")
        journal_with(journal, (kind, reason))
        if opens:
            locks.send(relay("channel_1_on"))
        until(lambda: sim.status()["devices"]["east-1"]["card"] is None or None, "the card taken away")


@pytest.mark.parametrize(
    ("kind", "reason", "opens", "code", "said"),
    [
        ("access_granted", "listed", True, 0, "let in (listed); door opened after 0."),
        ("access_denied", "no_right", False, 1, "refused (no_right); the door stayed shut\n"),
        ("access_granted", "listed", False, 0, "let in (listed); the door stayed shut\n"),
    ],
)
def test_lay_says_what_the_door_decided_and_what_the_lock_did(  # noqa: PLR0917  one of a table
    told: tuple[Simulator, Path],
    capsys: pytest.CaptureFixture[str],
    kind: str,
    reason: str,
    opens: bool,
    code: int,
    said: str,
) -> None:
    keeper = threading.Thread(target=decide_once, args=(*told, kind, reason), kwargs={"opens": opens})
    keeper.start()
    patience = str(DEADLINE_S) if opens else "1"
    assert main(["lay", "east-1", "P0007", "--patience", patience]) == code
    keeper.join(DEADLINE_S)
    assert capsys.readouterr().out.startswith(said)


@pytest.mark.parametrize(
    ("kind", "reason", "code", "said"),
    [
        ("access_denied", "pass_used_up", 1, "refused (pass_used_up); the door was open already"),
        ("access_granted", "listed", 0, "let in (listed); the door was open already"),
    ],
)
def test_lay_says_what_was_decided_also_where_the_door_is_open_already(  # noqa: PLR0917  one of a table
    told: tuple[Simulator, Path],
    capsys: pytest.CaptureFixture[str],
    kind: str,
    reason: str,
    code: int,
    said: str,
) -> None:
    sim, _ = told
    with cable(sim.address("east-locks"), 9600) as locks:
        locks.send(relay("channel_1_on"))
        until(lambda: sim.status()["devices"]["east-locks"]["relays"][0] or None, "the door open")
    keeper = threading.Thread(target=decide_once, args=(*told, kind, reason), kwargs={"opens": False})
    keeper.start()
    assert main(["lay", "east-1", "P0007", "--patience", "1"]) == code
    keeper.join(DEADLINE_S)
    assert capsys.readouterr().out.startswith(said)


def test_lay_says_that_nothing_was_decided_about_a_card_that_was_read(
    told: tuple[Simulator, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    sim, _ = told

    def read_once() -> None:
        with cable(sim.address("east-1")) as reader:
            until(lambda: reader.answer("request_find") == frame("reply_found") or None, "a card")
            reader.answer("request_select")
            reader.answer("request_read")
            until(lambda: sim.status()["devices"]["east-1"]["card"] is None or None, "the card taken away")

    keeper = threading.Thread(target=read_once)
    keeper.start()
    assert main(["lay", "east-1", "P0007", "--patience", "1"]) == 1
    keeper.join(DEADLINE_S)
    said = capsys.readouterr().out
    assert said.startswith("nothing was decided: within seconds the same card is the same swipe")
    assert said.endswith("the door stayed shut\n")


def test_a_journal_that_is_not_there_or_says_nothing_of_the_card_leaves_the_words_as_they_are(
    told: tuple[Simulator, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _, journal = told
    for _ in range(2):
        assert main(["lay", "east-1", "P0007", "--patience", "0.05"]) == 1
        assert capsys.readouterr().out == "the door stayed shut: nobody read the card\n"
        journal.unlink(missing_ok=True)


def test_lay_stands_behind_whoever_is_at_the_reader(
    sim: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    sim.present("east-1", "P0001")
    leaves = threading.Timer(0.2, sim.remove, ["east-1"])
    leaves.start()
    assert main(["lay", "east-1", "P0007", "--patience", "2"]) == 1
    leaves.join()
    assert capsys.readouterr().out == "the door stayed shut: nobody read the card\n"
    laid = [each.card for each in sim.events() if each.event == "presented"]
    assert laid == ["P0001", "P0007"]


def test_lay_says_what_to_do_where_another_card_stays(
    sim: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    sim.present("east-1", "P0001")
    assert main(["lay", "east-1", "P0007", "--pin", "--patience", "0.05"]) == 1
    said = capsys.readouterr().err
    assert "P0001 lies on east-1" in said
    assert "Take it away with `remove east-1`, or lay the card once more with a longer --patience" in said
    assert sim.status()["devices"]["east-1"]["card"] == "P0001"


def test_faults_are_switched_and_cleared_by_hand(sim: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fault", "east-1", "inserted_byte", "at=2", "value=0xAA", "--count", "2"]) == 0
    assert main(["fault", "east-1", "slow", "factor=1.5"]) == 0
    faults = sim.status()["devices"]["east-1"]["faults"]
    assert faults == {"inserted_byte": {"at": 2, "value": 0xAA, "count": 2}, "slow": {"factor": 1.5}}
    assert main(["clear", "east-1", "slow"]) == 0
    assert main(["clear"]) == 0
    assert capsys.readouterr().out == "cleared: slow\ncleared: inserted_byte\n"


def test_plugs_and_cards_are_moved_by_hand(sim: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["unplug", "east-1"]) == 0
    assert main(["replug", "east-1", "--name", "other"]) == 0
    assert capsys.readouterr().out == f"{sim.directory / 'other'}\n"
    sim.present("east-1", "P0001")
    assert main(["remove", "east-1"]) == 0
    assert main(["remove", "east-1"]) == 1
    assert capsys.readouterr().err == "liuhen-sim: no card lies on east-1\n"


def test_lists_show_references_and_kinds_only(sim: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("people", "status", "events", "faults"):
        assert main([command]) == 0
    shown = capsys.readouterr().out
    assert "P0001  resident\n" in shown
    assert '"east-locks"' in shown
    assert "noise_before" in shown
    assert not any(person.name in shown or person.id_number in shown for person in sim.scene.everyone())


def test_events_can_be_followed(sim: Simulator) -> None:
    command = [sys.executable, "-m", "firmware_sim.cli", "events", "--follow"]
    environment = os.environ | {"LIUHEN_SIM_DIR": str(sim.directory)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            assert json.loads(process.stdout.readline())["event"] == "started"
            sim.present("east-1", "P0004")
            assert json.loads(process.stdout.readline())["card"] == "P0004"
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 130


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fault", "east-1", "slow", "speed=1"], "fault slow takes delay_s=..., factor=..."),
        (["fault", "east-1", "slow", "factor=fast"], "expects float"),
        (["fault", "east-1", "no_answer", "x=1"], "fault no_answer takes nothing"),
        (["lay", "east-1", "P9999"], "no person 'P9999'; there are P0001 to P0020"),
        (["lay", "west", "P0001"], "no reader 'west'"),
        (["status", "--dir", "nowhere"], "no simulator serves nowhere"),
    ],
)
def test_mistakes_are_answered_with_what_to_do(
    sim: Simulator, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(arguments) == 1
    assert message in capsys.readouterr().err


def test_without_a_directory_the_command_asks_for_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LIUHEN_SIM_DIR", raising=False)
    assert main(["people"]) == 1
    assert "--dir, or set LIUHEN_SIM_DIR" in capsys.readouterr().err


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "Lay a card on a reader" in capsys.readouterr().out
