"""The page on adding a reader is true: what it says is typed into a copy, and the reader works there."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "adding-a-reader.md").read_text(encoding="utf-8")
COPIED = (
    "drivers/*.py",
    "firmware_sim/*.py",
    "tests/*_support.py",
    "tests/conformance_*.py",
    "pyproject.toml",
)
COPIED_TESTS = (
    "tests/test_conformance_readers.py",
    "tests/test_drivers_listening_fuzz.py",
    "tests/vectors/*.toml",
)

BLOCK = re.compile(
    r"^`(?P<path>[\w/.]+)`(?:, (?P<how>above|in) `(?P<where>[^`]+)`)?:\n\n```\w*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
QUICK = "once_however_long or laid_again or burst or not_there_at_the_start or port_is_free or every_driver"


TOUCHED = [block["path"] for block in BLOCK.finditer(PAGE)]


def type_in(folder: Path) -> None:
    """Does what the page says, in a folder with the repository's files."""
    for block in BLOCK.finditer(PAGE):
        path, where, text = folder / block["path"], block["where"], block["text"]
        if where is None:
            assert not path.exists(), f"{block['path']} is there already"
            path.write_text(text, encoding="utf-8")
            continue
        put = above if block["how"] == "above" else into
        path.write_text(put(path.read_text(encoding="utf-8"), where, text), encoding="utf-8")


def above(source: str, where: str, text: str) -> str:
    """`text` before the only line that begins with `where`."""
    (found,) = re.finditer(rf"^{re.escape(where)}\b", source, re.MULTILINE)
    gap = "\n\n" if where.startswith("def ") else ""
    return source[: found.start()] + text + gap + source[found.start() :]


def into(source: str, name: str, text: str) -> str:
    """`text` at the end of the display that is assigned to `name`."""
    (value,) = (value for value in assigned(source, name) if value is not None)
    display = value.args[0] if isinstance(value, ast.Call) else value
    assert display.end_lineno is not None
    assert display.end_col_offset is not None
    lines = source.encode().splitlines(keepends=True)
    end = sum(map(len, lines[: display.end_lineno - 1])) + display.end_col_offset - 1
    before, after = source.encode()[:end].decode(), source.encode()[end:].decode()
    if before.endswith("\n"):
        return before + text + after
    return f"{before}, {text.strip().rstrip(',')}{after}"


def assigned(source: str, name: str) -> Iterator[ast.expr | None]:
    """What the module assigns to `name`."""
    for node in ast.parse(source).body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=found)) | ast.Assign(targets=[ast.Name(id=found)]):
                if found == name:
                    yield node.value


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adding")
    for pattern in (*COPIED, *COPIED_TESTS):
        for source in ROOT.glob(pattern):
            target = folder / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    type_in(folder)
    return folder


def run(copy: Path, arguments: Sequence[str | Path]) -> str:
    """Its output. The copy's own packages come first."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy), "LIUHEN_FUZZ": "500"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def passed(copy: Path, paths: Sequence[str], chosen: str) -> int:
    output = run(copy, ["-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", *paths, "-k", chosen])
    found = re.search(r"(\d+) passed", output)
    assert found is not None, output
    return int(found[1])


def test_a_driver_is_two_files_and_one_row() -> None:
    assert [path for path in TOUCHED if path.startswith("drivers/")] == [
        "drivers/acme_codec.py",
        "drivers/acme_reader.py",
        "drivers/catalogue.py",
        "drivers/catalogue.py",  # the row's function, and the row
    ]
    new = [block["path"] for block in BLOCK.finditer(PAGE) if block["where"] is None]
    assert [path for path in new if path.startswith("firmware_sim/")] == ["firmware_sim/acme_reader.py"]


def test_the_codec_on_the_page_passes_its_tests(copy: Path) -> None:
    paths = ("tests/test_drivers_acme_codec.py", "tests/test_drivers_listening_fuzz.py")
    assert passed(copy, paths, "acme") == 23


def test_the_reader_on_the_page_passes_the_suite(copy: Path) -> None:
    assert (
        passed(copy, ["tests/test_conformance_readers.py"], f"acme_line and ({QUICK}) or every_driver") == 6
    )


def test_what_is_typed_in_is_clean(copy: Path) -> None:
    paths = sorted({path for path in TOUCHED if path.endswith(".py")})
    run(copy, ["-m", "ruff", "check", "--quiet", "--no-cache", *paths])
    run(copy, ["-m", "ruff", "format", "--check", "--quiet", "--no-cache", *paths])
