"""A process that sees card numbers leaves no core, lets nobody look in, and falls without quoting."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from gateway_support import DEADLINE_S

PROGRAM = Path(__file__).with_name("gateway_hardened.py")
SECRET = "CANARY-" + "4711"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, PROGRAM, *words], capture_output=True, text=True, check=False, timeout=DEADLINE_S
    )


def end_of(folder: Path, *words: str) -> int:
    """How a child ended, as waitpid(2) says it: subprocess does not tell of cores."""
    with (folder / "output").open("wb") as output:
        pid = os.posix_spawn(
            "/bin/sh",
            [
                "sh",
                "-c",
                'cd "$1"; shift; exec "$@"',
                "sh",
                str(folder),
                sys.executable,
                str(PROGRAM),
                *words,
            ],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, output.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, output.fileno(), 2),
            ],
        )
        return os.waitpid(pid, 0)[1]


def owner_of_memory(*words: str) -> int:
    """The user whom the kernel lets look into the process, which itself runs as nobody."""
    process = subprocess.Popen(
        [sys.executable, PROGRAM, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        return Path(f"/proc/{process.pid}/mem").stat().st_uid
    finally:
        process.communicate(b"\n", timeout=DEADLINE_S)


def test_an_abort_leaves_no_core(tmp_path: Path) -> None:
    status = end_of(tmp_path, "abort")
    assert os.WTERMSIG(status) == signal.SIGABRT
    assert not os.WCOREDUMP(status)
    assert {path.name for path in tmp_path.iterdir()} == {"output"}
    assert "in main" in (tmp_path / "output").read_text()  # where it stood


def test_without_hardening_the_same_abort_would_leave_one(tmp_path: Path) -> None:
    assert os.WCOREDUMP(end_of(tmp_path, "soft", "abort"))


def test_other_processes_of_the_same_user_cannot_look_into_its_memory() -> None:
    assert owner_of_memory("wait") == 0
    assert owner_of_memory("soft", "wait") == 65_534


@pytest.mark.parametrize("end", ["fall", "thread", "unraisable"])
def test_a_fall_names_lines_and_kinds_and_no_values(end: str) -> None:
    done = run(end)
    assert SECRET not in done.stdout + done.stderr
    assert "ValueError" in done.stderr
    assert (end == "unraisable") or "in fall" in done.stderr
    assert SECRET in run("soft", end).stderr  # as Python would have said it


def test_a_fallen_thread_is_named() -> None:
    assert "lobby-in fell" in run("thread").stderr
