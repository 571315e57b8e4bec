"""What must never stand in the repository, looked for in every file that git tracks."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from house_rules import habit_findings, text_findings

ROOT = Path(__file__).resolve().parent.parent

# Put together here, so that this file does not break the rules it tests.
PLANTED_ID = "110105" + "19491231" + "002X"
PLANTED_HOST = "files.python" + "hosted.org"


def tracked_files() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    paths = [ROOT / name for name in done.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]  # not those just being removed


def texts() -> Iterator[tuple[str, str]]:
    for path in tracked_files():
        content = path.read_bytes()
        if b"\0" not in content:
            yield path.relative_to(ROOT).as_posix(), content.decode("utf-8")


def is_python(name: str) -> bool:
    return name.endswith(".py") or name == "liuhen"


def test_git_tracks_the_files_that_are_looked_at() -> None:
    names = {name for name, _ in texts()}
    assert {"liuhen", "pyproject.toml", "requirements/run.txt", "tests/test_house_repository.py"} <= names


def test_no_file_names_a_package_host_a_machine_or_a_person() -> None:
    assert [finding for name, text in texts() for finding in text_findings(text, name)] == []


def test_no_exception_is_swallowed_and_no_test_is_skipped() -> None:
    python = [(name, text) for name, text in texts() if is_python(name)]
    assert [finding for name, text in python for finding in habit_findings(text, name)] == []


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(f"number = '{PLANTED_ID}'", id="ID number"),
        pytest.param(f"{PLANTED_ID[:-1]}x", id="ID number with a small check letter"),
        pytest.param(f"see {PLANTED_HOST}/packages", id="package host"),
        pytest.param("deb http://security.debian" + ".org/ stable main", id="Debian host"),
        pytest.param("index = https://pypi." + "tuna.example.cn/simple", id="mirror"),
        pytest.param("path = '" + "/root" + "/secret.toml'", id="path of one machine"),
    ],
)
def test_a_planted_text_is_found(line: str) -> None:
    findings = text_findings(f"first line\n{line}\n", "gateway/example.py")
    assert len(findings) == 1
    assert findings[0].startswith("gateway/example.py:2 ")


def test_a_finding_does_not_repeat_the_id_number() -> None:
    assert PLANTED_ID not in "".join(text_findings(PLANTED_ID, "README.md"))


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("000000" + "19900307" + "1234", id="unassigned area"),
        pytest.param("at_us = 1764000000000000", id="microseconds"),
        pytest.param("--hash=sha256:a110105194912310021f", id="digits within a hash"),
        pytest.param("GET /api/entries, drivers/root/x, ~/work/x", id="other paths"),
        pytest.param("pip reads its own settings", id="the tool's name alone"),
    ],
)
def test_harmless_text_is_not_reported(line: str) -> None:
    assert text_findings(line, "gateway/example.py") == []


def test_vectors_may_quote_the_numbers_of_their_source() -> None:
    assert text_findings(PLANTED_ID, "tests/vectors/id_number.py") == []


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("try:\n    f()\nexcept ValueError:\n    pass\n", "gateway/example.py"),
        ("try:\n    f()\nexcept:\n    ...\n", "central/example.py"),
        ("with contextlib.suppress(Exception):\n    f()\n", "drivers/example.py"),
        ("@pytest.mark.skipif(True, reason='')\ndef test_x(): ...\n", "tests/test_example.py"),
        ("def test_x():\n    pytest.skip('no broker')\n", "tests/test_example.py"),
        ("@pytest.mark.xfail\ndef test_x(): ...\n", "tests/system/test_example.py"),
    ],
)
def test_a_planted_bad_habit_is_found(source: str, path: str) -> None:
    assert len(habit_findings(source, path)) == 1


def test_a_handled_exception_and_a_skipped_byte_are_not_reported() -> None:
    source = (
        "try:\n    f()\nexcept ValueError:\n    lost += 1\nreader.skip(1)\nwith suppress(OSError):\n    f()\n"
    )
    assert habit_findings(source, "tests/test_example.py") == []
