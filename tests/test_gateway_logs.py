"""The log as it is written: text and JSON, bounded, without values, and never waited for."""

import io
import json
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import TextIO

import pytest
from gateway_support import DEADLINE_S

from gateway.errors import JournalUnavailable
from gateway.log_gate import SAME_A_MINUTE
from gateway.logs import OURS, LogHandler, set_up
from gateway.settings import LogPart

# Area 000000 is nobody's; put together here so that no file holds a whole one.
CANARY = "000000" + "19900307" + "123X"
log = logging.getLogger("gateway.uplink")


class Written(io.StringIO):
    @property
    def lines(self) -> list[str]:
        return self.getvalue().splitlines()


@pytest.fixture
def written() -> Iterator[Written]:
    """What is logged through the settings' set-up; afterwards everything is as it was."""
    root = logging.getLogger()
    former, level, raises = list(root.handlers), root.level, logging.raiseExceptions
    levels = {name: logging.getLogger(name).level for name in OURS}
    yield Written()
    for handler in [handler for handler in root.handlers if handler not in former]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    logging.raiseExceptions = raises
    for name, was in levels.items():
        logging.getLogger(name).setLevel(was)


def all_of(written: Written) -> list[str]:
    """After everything that waits was written."""
    for handler in [each for each in logging.getLogger().handlers if isinstance(each, LogHandler)]:
        handler.close()
    return written.lines


def test_a_line_of_text_says_when_how_grave_who_and_what(written: Written) -> None:
    set_up(LogPart(), written)
    log.warning("nobody answers at %s:%d", "127.0.0.1", 1883)
    (line,) = all_of(written)
    time, rest = line.split(" ", 1)
    assert rest == "WARNING gateway.uplink: nobody answers at 127.0.0.1:1883"
    assert len(time) == len("2026-11-23T07:00:00.123Z")
    assert time.endswith("Z")


def test_a_line_of_json_is_one_object_with_the_same(written: Written) -> None:
    set_up(LogPart(format="json"), written)
    log.error("连接断开: %s", 'a "quoted"\tword')
    (line,) = all_of(written)
    entry = json.loads(line)
    assert list(entry) == ["time", "level", "part", "message"]
    assert (entry["level"], entry["part"]) == ("error", "gateway.uplink")
    assert entry["message"] == '连接断开: a "quoted"\tword'


def test_control_characters_cannot_forge_a_line_of_text(written: Written) -> None:
    set_up(LogPart(), written)
    log.warning("a name: %s", "east\r\x1b[2J\x85")
    (line,) = all_of(written)
    assert line.endswith(r"a name: east\x0d\x1b[2J\x85")


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_exception_tells_where_and_of_which_kind_but_not_what_it_quotes(
    written: Written, form: str
) -> None:
    set_up(LogPart.model_validate({"format": form}), written)
    try:
        int(f"{CANARY}/name")
    except ValueError:
        log.exception("%s fell", "lobby-in")
    text = "\n".join(all_of(written))
    assert CANARY not in text
    assert "lobby-in fell" in text
    assert 'int(f"{CANARY}/name")' in json.loads(text)["trace"] if form == "json" else "ValueError" in text


def test_our_own_errors_keep_their_words_and_causes_are_told(written: Written) -> None:
    set_up(LogPart(), written)
    try:
        try:
            dict[str, int]()[CANARY]
        except KeyError as error:
            raise JournalUnavailable("data/journal.db: the disk is full") from error
    except JournalUnavailable:
        log.exception("the deciding thread fell")
    text = "\n".join(all_of(written))
    assert "JournalUnavailable: data/journal.db: the disk is full" in text
    assert "KeyError" in text
    assert CANARY not in text


def test_what_looks_like_an_id_number_is_withheld_wherever_it_stands(written: Written) -> None:
    set_up(LogPart(), written)
    log.warning("read %s at %s", CANARY, "lobby-in")
    (line,) = all_of(written)
    assert line.endswith("read (withheld) at lobby-in")


def test_the_level_holds_for_our_parts_and_others_are_heard_from_warnings_on(written: Written) -> None:
    set_up(LogPart(level="debug"), written)
    log.debug("ours")
    logging.getLogger("someone.else").info("theirs")
    logging.getLogger("someone.else").warning("their warning")
    lines = all_of(written)
    assert [line.split(": ")[1] for line in lines] == ["ours", "their warning"]


def test_below_the_level_nothing_is_written(written: Written) -> None:
    set_up(LogPart(level="error"), written)
    log.warning("not this")
    log.error("but this")
    assert [line.split(": ")[1] for line in all_of(written)] == ["but this"]


def test_a_babbling_device_is_cut_short_and_counted(written: Written) -> None:
    set_up(LogPart(), written)
    for _ in range(10_000):
        log.warning("%s: too many bytes", "lobby-in")
    lines = all_of(written)
    assert len(lines) == SAME_A_MINUTE + 1
    assert lines[-1].endswith("9995 more like this were left out within a minute: %s: too many bytes")


def test_a_second_set_up_replaces_the_first(written: Written) -> None:
    set_up(LogPart(), written)
    set_up(LogPart(), written)
    log.warning("once")
    assert len(all_of(written)) == 1


def test_a_reader_that_stands_still_holds_nobody_up() -> None:
    """A pipe that nobody empties: its buffer and ours are full, and the caller goes on."""
    reading, writing = os.pipe()
    received: list[bytes] = []
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        handler = LogHandler(stream)
        done = threading.Event()
        threading.Thread(target=_babble, args=(handler, done), daemon=True).start()
        assert done.wait(DEADLINE_S)
        reader = threading.Thread(target=_read_all, args=(reading, received))
        reader.start()
        handler.close()
    reader.join(DEADLINE_S)
    text = b"".join(received).decode()
    lost = "lines of the log were lost: nobody took them"
    assert lost in text
    kept = [line for line in text.splitlines() if lost not in line]
    assert kept[0].startswith("0 x"), "the oldest are kept"


def _read_all(descriptor: int, received: list[bytes]) -> None:
    with os.fdopen(descriptor, "rb") as pipe:
        received.extend(pipe)


def _babble(handler: LogHandler, done: threading.Event) -> None:
    for number in range(3_000):
        log_to(handler, f"{number} " + "x" * 200)
    done.set()


def log_to(handler: LogHandler, text: str) -> None:
    """Each of a kind of its own: the gate lets errors of different kinds through."""
    handler.handle(logging.makeLogRecord({"name": "gateway.x", "levelno": logging.ERROR, "msg": text}))


def test_a_closed_stream_hurts_nobody() -> None:
    stream: TextIO = io.StringIO()
    stream.close()
    with closing(LogHandler(stream)) as handler:
        log_to(handler, "to nobody")
