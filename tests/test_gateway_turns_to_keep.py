"""What recorded commands made of doors reaches the disk, at once or as soon as it takes writes."""

import logging
from contextlib import closing
from pathlib import Path

import pytest
from gateway_support import written_by_nobody

from gateway.commanded import Turn
from gateway.rights_store import RightsStore
from gateway.turns_to_keep import TurnsToKeep

LOCKED = Turn("lobby", "locked_down", 99, 5, "b" * 16, 1_099)
FREED = Turn("lobby", "free", 77, 5, "b" * 16, 1_077)
GARAGE = Turn("garage", "free", 77, 5, "b" * 16, 1_077)


def a_store(folder: Path) -> RightsStore:
    return RightsStore(folder / "rights.db", "north", "east-1")


def test_of_one_door_the_last_turn_is_kept_and_of_each_door_its_own(tmp_path: Path) -> None:
    with closing(a_store(tmp_path)) as store:
        turns = TurnsToKeep(store)
        for turn in (FREED, GARAGE, LOCKED):
            turns.add(turn)
        assert store.turns() == []
        turns.keep(0.0)
        assert store.turns() == [GARAGE, LOCKED]
        turns.add(Turn("garage", None))
        turns.keep(0.0)
        assert store.turns() == [LOCKED]


def test_what_the_disk_does_not_take_is_tried_again_every_five_seconds_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    a_store(tmp_path).close()
    with written_by_nobody(tmp_path):
        store = a_store(tmp_path)
        turns = TurnsToKeep(store)
        turns.add(LOCKED)
        caplog.clear()
        for now_s in (100.0, 101.0, 105.0):
            turns.keep(now_s)
    assert [record.levelno for record in caplog.records].count(logging.ERROR) == 1
    assert "door lobby" in caplog.text
    with closing(store):
        turns.keep(109.9)
        assert store.turns() == []
        turns.keep(110.0)
        assert store.turns() == [LOCKED]
