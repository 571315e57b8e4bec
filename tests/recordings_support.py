"""Plays a recording to the driver of its family and puts into words what the driver made of it."""

import threading
import time
from pathlib import Path
from typing import Any

from drivers_support import DEADLINE_S, Ear, running

from drivers import catalogue
from drivers.base import CardRead, CardRemoved, CardUnreadable, CredentialKind, DeviceEvent
from firmware_sim.recording import Recording
from firmware_sim.replay import Replayer


def _word(kind: CredentialKind, number: str) -> str:
    """Instead of a token: all numbers of a recording are invented."""
    return f"{kind} {number}"


def in_words(event: DeviceEvent) -> str | None:
    """None: nothing that a recording says anything about."""
    if isinstance(event, CardRead):
        return f"read {event.token}" + ("" if event.pin is None else f", {event.pin}")
    if isinstance(event, CardUnreadable):
        return f"unreadable: {event.cause}"
    return "removed" if isinstance(event, CardRemoved) else None


def reader(recording: Recording, address: str) -> Any:
    """The driver that the recording is for."""
    kind = catalogue.READERS[recording.family]()
    return kind.make("recorded", kind.settings(port=address, **recording.settings), _word)


def heard(recording: Recording, folder: Path, *, deadline_s: float = DEADLINE_S) -> list[str]:
    """What the driver told until the recording was over and as much had come as is expected."""
    ear = Ear()

    def words() -> list[str]:
        return [word for event in list(ear.events) if (word := in_words(event)) is not None]

    with Replayer(recording, folder / "port") as replayer, running(reader(recording, replayer.address), ear):
        assert replayer.wait_opened(threading.Event(), deadline_s), "the driver never opened the port"
        if recording.chunks[0].from_device:  # a driver that only listens drops what came before it was ready
            ear.wait_until(lambda: ear.states()[-1:] == ["ok"], "ok", deadline_s)
        replayer.start()
        expected = len(recording.expect or ())
        end_s = time.monotonic() + deadline_s
        ear.wait_until(
            lambda: replayer.finished and (len(words()) >= expected or time.monotonic() > end_s),
            "the end of the recording",
            deadline_s * 2,
        )
    return words()
