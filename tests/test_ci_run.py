"""What runs beside something else ends with it when whoever watches interrupts."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from central_support import DEADLINE_S, until

RUN = Path(__file__).parent.parent / ".ci/run"
_BOTH = """
far() { sh -c 'echo $$ >"$TMPDIR/../far"; exec sleep 300'; }
near() { sleep 300; }
beside far near
"""


def lives(process: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_the_programs_of_both(tmp_path: Path, by: signal.Signals) -> None:
    functions, found, _ = RUN.read_text().partition("\nstep ./liuhen test\n")
    assert found
    script, words, far = tmp_path / "ci/run", tmp_path / "words", tmp_path / "far"
    script.parent.mkdir()
    words.mkdir()
    script.write_text(functions + _BOTH)
    with subprocess.Popen(
        ["bash", str(script)], env={**os.environ, "TMPDIR": str(words)}, start_new_session=True
    ) as run:
        until(lambda: far.exists() and far.read_text().strip(), "the programs of both")
        beside = int(far.read_text())
        try:
            os.killpg(run.pid, by)  # as a terminal does
            assert run.wait(DEADLINE_S) != 0
            until(lambda: not lives(beside), "the programs of both")
        finally:
            if lives(beside):
                os.kill(beside, signal.SIGKILL)
    assert list(words.iterdir()) == []
