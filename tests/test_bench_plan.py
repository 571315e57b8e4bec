"""An estate's files say of every building which door is at which lock board; nothing is started for that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.estate import Estate
from bench.plan import Building, Door, Plan
from drivers.catalogue import LOCK_BOARDS
from gateway.settings import load_settings

_GATE = Door("gate", "大门")
_GARAGE = Door("garage", "车库门")
_CELLAR = Door("cellar", "地下室门", "rdm6300", board_kind="modbus")


def test_doors_share_their_buildings_board_unless_they_have_their_own() -> None:
    building = Building("east", "东楼", (_GATE, _CELLAR, _GARAGE))
    assert [(board.name, board.kind, board.doors) for board in building.boards] == [
        ("east-locks", "lc_relay", (_GATE, _GARAGE)),
        ("cellar-lock", "modbus", (_CELLAR,)),
    ]


def test_a_board_that_no_door_shares_is_not_built() -> None:
    assert [board.name for board in Building("east", "东楼", (_CELLAR,)).boards] == ["cellar-lock"]


@pytest.mark.parametrize("kind", LOCK_BOARDS)
def test_a_gateway_takes_the_settings_of_a_door_with_any_board_of_its_own(tmp_path: Path, kind: str) -> None:
    building = Building("east", "东楼", (_GATE, replace(_CELLAR, board_kind=kind), _GARAGE))
    estate = Estate(tmp_path, Plan(buildings=(building,), people=3))
    settings = load_settings(estate.gateway_settings("east"))
    assert {door.name: (door.lock.board, door.lock.channel) for door in settings.doors} == {
        "gate": ("east-locks", 1),
        "garage": ("east-locks", 2),
        "cellar": ("cellar-lock", 1),
    }
    assert {board.name: board.driver for board in settings.lock_boards} == {
        "east-locks": "lc_relay",
        "cellar-lock": kind,
    }
