"""The daemon's parts together: a bad part stays one bad part, and the end comes in time and in order."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import cast

import pytest
from gateway_support import BOARD, DOOR, READER, access_list, install, opened, until

from drivers.base import (
    Assurance,
    CardRead,
    CredentialKind,
    DeviceChanged,
    DeviceState,
    Emit,
    Indication,
    LockDriver,
    ReaderDriver,
)
from drivers.catalogue import LOCK_BOARDS, READERS, LockBoardKind, ReaderKind
from drivers.errors import ConfigurationError, DeviceUnavailable
from drivers.settings import DeviceSettings
from gateway import parts as parts_module
from gateway.clock import SystemClock
from gateway.controller import Controller
from gateway.daemon import Daemon
from gateway.errors import AccessListError, JournalRefused, SettingsError
from gateway.journal_reader import JournalReader
from gateway.settings import load_settings
from messages.model import Kind, Reason, Record

TOKEN = "a" * 32


class Device:
    """Stands in for a driver: what `run` does is the test's business."""

    def __init__(self, name: str, work: Callable[["Device", Emit], None]) -> None:
        self.name = name
        self.work = work
        self.runs = 0
        self.stopping = threading.Event()
        self.let_go = threading.Event()
        self.emit: Emit | None = None
        self.shown: list[Indication] = []
        self.released = 0
        self.released_after_stop = 0

    def run(self, emit: Emit) -> None:
        self.runs += 1
        self.emit = emit
        self.work(self, emit)

    def stop(self) -> None:
        self.stopping.set()

    def indicate(self, signal: Indication) -> None:
        self.shown.append(signal)

    def release(self, channel: int, pulse_s: float) -> None:
        self.released += 1
        self.released_after_stop += self.stopping.is_set()


def waits(device: Device, emit: Emit) -> None:
    emit(DeviceChanged(device.name, DeviceState.OK, "answers"))
    device.stopping.wait()


def falls(device: Device, emit: Emit) -> None:
    emit(DeviceChanged(device.name, DeviceState.RECOVERING, "opening"))
    raise RuntimeError("a mistake in the driver")


def ends(device: Device, emit: Emit) -> None:
    return


def is_misconfigured(device: Device, emit: Emit) -> None:
    raise ConfigurationError("readers.lobby-in.port: not a serial port; write another")


def does_not_let_go(device: Device, emit: Emit) -> None:
    device.let_go.wait(30)


class _AnySettings(DeviceSettings):
    port: str = ""
    channels: int = 1


class Building:
    """A daemon with one reader and one lock board of ours."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.reader = Device(READER, waits)
        self.board = Device(BOARD, waits)
        self.settings_file = install(folder, TOKEN)
        settings = load_settings(self.settings_file)
        monkeypatch.setitem(
            READERS, "sam_v", lambda: ReaderKind(_AnySettings, lambda *_: cast("ReaderDriver", self.reader))
        )
        monkeypatch.setitem(
            LOCK_BOARDS,
            "lc_relay",
            lambda: LockBoardKind(_AnySettings, lambda *_: cast("LockDriver", self.board)),
        )
        monkeypatch.setattr(parts_module, "_RESTART_S", 0.05)
        self.daemon = Daemon(settings, SystemClock())

    @contextmanager
    def running(self) -> Iterator[None]:
        self.daemon.start()
        try:
            yield
        finally:
            self.daemon.stop()
            self.daemon.wait()

    def records(self) -> list[Record]:
        with closing(JournalReader(self.folder / "data" / "journal.db")) as reader:
            checked, flaws = reader.verify()
            assert flaws == []
            return reader.newest(max(checked, 1))

    def kinds(self) -> list[Kind]:
        return [record.kind for record in self.records()]

    def swipe(self, token: str = TOKEN) -> None:
        assert self.reader.emit is not None
        self.reader.emit(CardRead(READER, CredentialKind.ID_CARD, token, Assurance.L3, time.monotonic_ns()))


@pytest.fixture
def building(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Building:
    return Building(tmp_path, monkeypatch)


def test_a_swipe_goes_from_the_reader_to_the_lock_and_into_the_journal(building: Building) -> None:
    with building.running():
        until(lambda: building.reader.emit, "the reader")
        building.swipe()
        until(lambda: building.reader.shown == [Indication.GRANTED], "the green light")
        assert building.board.released == 1
    kinds = building.kinds()
    assert kinds[:3] == [Kind.JOURNAL_OPENED, Kind.GATEWAY_STARTED, Kind.LIST_APPLIED]
    assert kinds[-1] is Kind.GATEWAY_STOPPED
    (granted,) = [record for record in building.records() if record.kind is Kind.ACCESS_GRANTED]
    assert (granted.door, granted.reader, granted.reason) == (DOOR, READER, Reason.LISTED)


def test_a_read_that_came_before_the_end_still_opens_the_door(building: Building) -> None:
    """The lock boards outlive the decisions."""
    with building.running():
        until(lambda: building.reader.emit, "the reader")
        for number in range(100):
            building.swipe(f"{number:032x}")
        building.swipe()
    assert building.board.released == 1
    assert building.board.released_after_stop == 0
    assert building.kinds().count(Kind.ACCESS_DENIED) == 100


def test_a_driver_that_falls_is_begun_again_and_recorded_once_for_each_loss(
    building: Building, caplog: pytest.LogCaptureFixture
) -> None:
    building.reader.work = falls
    with building.running():
        until(lambda: building.reader.runs >= 3, "three attempts")
        building.reader.work = waits
        until(lambda: Kind.READER_RESTORED in building.kinds(), "the reader's return")
    assert building.kinds().count(Kind.READER_RESTORED) == 1
    assert building.kinds().count(Kind.READER_LOST) <= building.reader.runs
    assert "lobby-in fell; begun again" in caplog.text


def test_a_driver_that_keeps_falling_without_a_word_is_recorded_once(building: Building) -> None:
    def falls_silently(device: Device, emit: Emit) -> None:
        raise RuntimeError("a mistake in the driver")

    building.reader.work = falls_silently
    with building.running():
        until(lambda: building.reader.runs >= 4, "four attempts")
    assert building.kinds().count(Kind.READER_LOST) == 1


def test_a_driver_that_ends_by_itself_is_not_begun_again_in_a_busy_loop(
    building: Building, caplog: pytest.LogCaptureFixture
) -> None:
    building.reader.work = ends
    with building.running():
        until(lambda: building.reader.runs >= 3, "three attempts")
        assert building.reader.runs < 20
        until(lambda: Kind.READER_LOST in building.kinds(), "the loss")
    assert "lobby-in has ended" in caplog.text


def test_a_driver_that_needs_the_installer_is_said_once_and_not_tried_again(
    building: Building, caplog: pytest.LogCaptureFixture
) -> None:
    building.reader.work = is_misconfigured
    with building.running():
        until(lambda: Kind.READER_LOST in building.kinds(), "the loss")
        until(lambda: not _thread(READER), "the end of its thread")
    assert building.reader.runs == 1
    assert caplog.text.count("not a serial port; write another; mend that and start the gateway again") == 1


def _thread(name: str) -> bool:
    return any(thread.name == name for thread in threading.enumerate())


def test_one_bad_part_does_not_stop_the_others(building: Building) -> None:
    building.board.work = falls
    with building.running():
        until(lambda: building.reader.emit, "the reader")
        building.swipe()
        until(lambda: building.reader.shown, "the decision")
    assert Kind.ACCESS_GRANTED in building.kinds()


def test_a_reader_that_cannot_show_anything_does_not_stop_the_decisions(
    building: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(signal: Indication) -> None:
        raise DeviceUnavailable("/dev/ttyUSB9", "it does not answer")

    monkeypatch.setattr(building.reader, "indicate", cannot)
    with building.running():
        until(lambda: building.reader.emit, "the reader")
        building.swipe("b" * 32)
        building.swipe()
        until(lambda: building.board.released, "the release")
    assert not building.daemon.fell


def test_parts_that_do_not_let_go_are_left_behind_in_time(building: Building) -> None:
    building.reader.work = building.board.work = does_not_let_go
    with building.running():
        until(lambda: building.reader.runs and building.board.runs, "both devices")
        begun_s = time.monotonic()
    assert time.monotonic() - begun_s < 5
    assert building.kinds()[-1] is Kind.GATEWAY_STOPPED
    for device in (building.reader, building.board):
        device.let_go.set()
    until(lambda: not _thread(READER) and not _thread(BOARD), "the end of their threads")


def test_without_decisions_there_is_no_gateway(
    building: Building, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def mistake(self: Controller, events: object) -> None:
        raise RuntimeError("a mistake in a decision")

    monkeypatch.setattr(Controller, "handle", mistake)
    building.daemon.start()
    building.daemon.wait()
    assert building.daemon.fell
    assert "the deciding thread fell; the gateway stops" in caplog.text


def test_a_decision_that_fails_on_a_readers_thread_ends_the_gateway_too(
    building: Building, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def mistake(self: Controller, read: CardRead) -> None:
        raise RuntimeError("a mistake in a decision")

    monkeypatch.setattr(Controller, "read", mistake)
    monkeypatch.setattr(building.daemon, "_lending", frozenset({READER}))
    with building.running():
        until(lambda: building.reader.emit, "the reader")
        building.swipe()
        assert building.daemon.wait_for_stop(20)
    assert building.daemon.fell
    assert "a decision fell; the gateway stops" in caplog.text


def test_lists_are_taken_and_bad_ones_refused_while_it_runs(
    building: Building, caplog: pytest.LogCaptureFixture
) -> None:
    path = building.folder / "list.json"
    with building.running():
        until(lambda: building.reader.emit, "the reader")
        path.write_text(access_list("b" * 32, version=2), encoding="utf-8")
        building.daemon.reload()
        building.swipe("b" * 32)
        until(lambda: building.board.released == 1, "the newly listed")
        path.write_text("{", encoding="utf-8")
        building.daemon.reload()
        path.unlink()
        building.daemon.reload()
        building.swipe(TOKEN)
        until(lambda: Indication.DENIED in building.reader.shown, "the one no longer listed")
    kinds = [(r.kind, r.list_version) for r in building.records() if r.list_version is not None]
    assert kinds[:2] == [(Kind.LIST_APPLIED, 1), (Kind.LIST_APPLIED, 2)]
    assert kinds.count((Kind.LIST_REFUSED, 2)) == 2
    assert "the access list was not taken, the former one stays in force" in caplog.text
    assert not any(secret in caplog.text for secret in (TOKEN, "b" * 32, "holder-0"))


# What keeps it from starting.


def test_a_start_without_key_list_or_journal_says_which(tmp_path: Path) -> None:
    settings = load_settings(install(tmp_path))
    (tmp_path / "list.json").write_text("{", encoding="utf-8")
    with pytest.raises(AccessListError, match=r"list\.json: not an access list"):
        Daemon(settings, SystemClock())
    (tmp_path / "site.key").unlink()
    with pytest.raises(SettingsError, match=r"gateway\.site_key_file"):
        Daemon(settings, SystemClock())


def test_a_second_daemon_on_the_same_journal_is_refused(tmp_path: Path) -> None:
    settings = load_settings(install(tmp_path))
    with opened(settings.journal.path), pytest.raises(JournalRefused, match="another gateway process"):
        Daemon(settings, SystemClock())
