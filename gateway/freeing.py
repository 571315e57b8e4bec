"""Doors begin to stand free. What opens one to everybody is on record first, as any grant is (trust.md R-01).

While nothing can be recorded, only doors that admit people unrecorded begin, with a record in memory
(trust.md R-15). The others stay as they are, and begin by themselves once what waits has been recorded.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.clock import Moment
from gateway.doors import Doors, Freed
from gateway.facts import Fact
from gateway.recording import Recorder
from messages.model import Kind


def begin_free(doors: Doors, recorder: Recorder, now: Moment, now_s: float) -> None:
    """After `Doors.turn`, which says who waits for it. `now_s`: of the monotonic clock."""
    waiting = doors.to_be_free()
    if not waiting:
        return
    if recorder.unrecorded or not recorder.store(_facts(waiting, recorder)):
        waiting = [each for each in waiting if each.admits_unrecorded]
        recorder.keep_in_memory([*_facts(waiting, recorder), *recorder.troubles()])
    doors.begin_free(waiting, now, now_s)


def _facts(waiting: Iterable[Freed], recorder: Recorder) -> list[Fact]:
    return [recorder.fact(Kind.DOOR_FREED, door=each.door, reason=each.reason) for each in waiting]
