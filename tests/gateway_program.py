"""`liuhen-gateway run` as a child, for tests of the whole program; its output goes to a file."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway_support import until

from gateway.journal_reader import JournalReader
from messages.model import Kind

_PROGRAM = Path(sys.executable).with_name("liuhen-gateway")
PROGRAM_READY = "ready\n"


class Program:
    """Use as a context manager; killed at the end where it still runs."""

    def __init__(self, settings: Path) -> None:
        self._settings = settings
        self._log = settings.with_name("gateway.log")

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [_PROGRAM, "run", "-s", self._settings], stdout=log, stderr=subprocess.STDOUT
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def kill(self) -> None:
        """As by `kill -9`: it has no moment to put anything in order."""
        self._process.kill()
        self._process.wait()

    def until_said(self, words: str) -> None:
        until(lambda: words in self.log or self._process.poll() is not None, f"the word {words.strip()!r}")
        assert self._process.poll() is None, self.log

    def kinds(self) -> list[Kind]:
        """Of the newest records, oldest first."""
        with closing(JournalReader(self._settings.parent / "data" / "journal.db")) as reader:
            return [record.kind for record in reader.newest(1_000)]
