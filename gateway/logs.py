"""The log: one line for each event on standard error, text or JSON; no identity, bounded, never waited for.

A message says what happened to a part, never who stood there. As a last line of defence, what looks like an
ID number is withheld (trust.md R-65).
"""

from __future__ import annotations

import logging
import queue
import re
import signal
import threading
import time
from datetime import UTC, datetime
from typing import TextIO

import msgspec

from gateway.crash_text import crash_text
from gateway.log_gate import LogGate
from gateway.settings import LogPart

OURS = ("gateway", "drivers", "messages")

_MAX_WAITING = 1_000
_LAST_WORDS_S = 2.0
_LOOKS_LIKE_IDENTITY = re.compile(r"(?<![0-9A-Za-z])\d{17}[\dXx](?![0-9A-Za-z])")
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


def set_up(settings: LogPart, stream: TextIO) -> None:
    """Replaces what was set up. Our parts log from the settings' level on, all others from warnings on."""
    root = logging.getLogger()
    for former in [handler for handler in root.handlers if isinstance(handler, LogHandler)]:
        root.removeHandler(former)
        former.close()
    logging.raiseExceptions = False  # a log that cannot be written would print the arguments of the message
    handler = LogHandler(stream)
    handler.setFormatter(JsonFormatter() if settings.format == "json" else TextFormatter())
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(settings.level.upper())


class LogHandler(logging.Handler):
    """Lines go through a queue: a reader of our standard error that stands still does not stop a decision."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._gate = LogGate()
        self._lines: queue.Queue[str | None] = queue.Queue(_MAX_WAITING)
        self._lost = 0
        self._writer = threading.Thread(target=self._write, name="log", daemon=True)
        _start_without_signals(self._writer)

    def emit(self, record: logging.LogRecord) -> None:
        now_s = time.monotonic()
        self._tell_left_out(self._gate.left_out(now_s))
        alike = f"{record.name} {record.msg}"
        grave = record.levelno >= logging.ERROR
        if self._gate.admits(alike, record.getMessage(), grave=grave, now_s=now_s):
            self._put(record)

    def close(self) -> None:
        """Writes what waits, for two seconds at most."""
        if self._writer.is_alive():
            self._tell_left_out(self._gate.flush())
            try:
                self._lines.put(None, timeout=_LAST_WORDS_S)
            except queue.Full:
                self._lost += 1
            self._writer.join(_LAST_WORDS_S)
        super().close()

    def _tell_left_out(self, counts: dict[str, int]) -> None:
        for alike, count in counts.items():
            name, _, message = alike.partition(" ")
            self._put(logging.makeLogRecord(_left_out(name, message, count)))

    def _put(self, record: logging.LogRecord) -> None:
        try:
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            self._lost += 1

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            lost, self._lost = self._lost, 0
            note = f"{lost} lines of the log were lost: nobody took them\n" if lost else ""
            try:
                self._stream.write(f"{note}{line}\n")
                self._stream.flush()
            except (OSError, ValueError):  # a full disk or a closed pipe: there is nobody to tell
                self._lost += 1


def _start_without_signals(thread: threading.Thread) -> None:
    """Signals are for the main thread, which waits for them; a thread inherits what its maker blocks."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


class TextFormatter(logging.Formatter):
    """`TIME LEVEL PART: MESSAGE`; a trace follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        message, trace = _message_and_trace(record)
        line = f"{_time(record)} {record.levelname} {record.name}: {message.translate(_CONTROLS)}"
        return f"{line}\n{trace}" if trace else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, part, message, and where there is one the trace."""

    def format(self, record: logging.LogRecord) -> str:
        message, trace = _message_and_trace(record)
        entry = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "part": record.name,
            "message": message,
        }
        return msgspec.json.encode({**entry, "trace": trace} if trace else entry).decode()


def _message_and_trace(record: logging.LogRecord) -> tuple[str, str]:
    """Whatever follows the first line of a message is a trace as well."""
    message, _, trace = record.getMessage().partition("\n")
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        trace = crash_text(error)
    return _withhold(message), _withhold(trace)


def _withhold(text: str) -> str:
    return _LOOKS_LIKE_IDENTITY.sub("(withheld)", text)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _left_out(name: str, message: str, count: int) -> dict[str, object]:
    return {
        "name": name,
        "levelno": logging.WARNING,
        "levelname": "WARNING",
        "msg": "%d more like this were left out within a minute: %s",
        "args": (count, message),
    }
