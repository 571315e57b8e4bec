"""Commands of the programs, run in this process: to start another costs a second of a core each time.

That the programs start, take signals and end as processes do is for tests that start them.
"""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch


def called(
    program: Callable[[], None], *words: str | Path, said: str = ""
) -> subprocess.CompletedProcess[str]:
    """What a console script writes and its exit code, with `said` on its standard input.

    `program`: its `main`. An exception that `main` lets through is the test's, as a traceback would be.
    """
    argv = [program.__module__, *map(str, words)]
    given, out, err = (
        io.TextIOWrapper(io.BytesIO(text), encoding="utf-8") for text in (said.encode(), b"", b"")
    )
    code: object = 0
    streams = patch.object(sys, "stdin", given), redirect_stdout(out), redirect_stderr(err)
    with patch.object(sys, "argv", argv), streams[0], streams[1], streams[2]:
        try:
            program()
        except SystemExit as end:
            code = end.code or 0
    assert isinstance(code, int), f"ended with the text {code}"
    return subprocess.CompletedProcess(argv, code, _text(out), _text(err))


def _text(written: io.TextIOWrapper) -> str:
    written.seek(0)
    return written.read()
