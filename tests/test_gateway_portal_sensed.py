"""A simulated board with a contact, an exit button and a fire input, its real driver, and the portal behind
it: what people do at the door arrives as what there is to record."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from drivers_support import DEADLINE_S, Ear, running

from drivers.base import DeviceChanged, DeviceEvent, DeviceState, InputChanged, InputState
from drivers.modbus_board import ModbusBoard
from drivers.modbus_settings import ModbusSettings
from firmware_sim.scene import parse_scene
from firmware_sim.simulator import Simulator
from gateway.portal import Portal, Told
from gateway.portal_table import Signal
from gateway.sensing import InputFunction, sensed
from messages.model import Kind, Reason

SCENE = """
people = 1
profile = "instant"
[[reader]]
name = "lobby-in"
[[lock_board]]
name = "hall"
kind = "modbus"
channels = 1
inputs = 3
[[door]]
name = "lobby"
reader = "lobby-in"
lock_board = "hall"
contact = { board = "hall", input = 1 }
rex = { board = "hall", input = 2 }
[community]
patience_s = 60
"""
INPUTS = [
    {"channel": 1, "normal": "closed"},
    {"channel": 2, "normal": "open"},
    {"channel": 3, "normal": "open"},
]
WIRED = {1: InputFunction.CONTACT, 2: InputFunction.REX, 3: InputFunction.FIRE}
LOOK_S = 0.01
PULSE_S = 8.0  # long enough for a busy machine to open the door in time


class Gatekeeper:
    """Does with the board's events what the deciding thread does: inputs to the portal, in real time."""

    def __init__(self, board: ModbusBoard, simulator: Simulator, ear: Ear) -> None:
        self.board, self.simulator = board, simulator
        self.portal = Portal(release_s=PULSE_S, open_limit_s=5.0, has_contact=True, exit_by_handle=False)
        self.told: list[Told | Kind] = []
        self._ear = ear
        self._heard = 0
        self._inputs: dict[int, InputState] = {}

    def look(self) -> None:
        with_news = self._ear.events[self._heard :]
        self._heard += len(with_news)
        for event in with_news:
            self._take(event)
        self.told += self.portal.tick(time.monotonic())

    def _take(self, event: DeviceEvent) -> None:
        if isinstance(event, DeviceChanged):
            lost = event.state is DeviceState.LOST
            self._signal(Signal.LINE_LOST if lost else Signal.LINE_BACK)
        elif isinstance(event, InputChanged):
            found = sensed(WIRED[event.input], self._inputs.get(event.input), event.state)
            self._inputs[event.input] = event.state
            self.told += [kind for kind, _ in found.meanings]
            if found.signal is not None:
                self._signal(found.signal)

    def _signal(self, signal: Signal, decision: int | None = None) -> None:
        self.told += self.portal.signal(signal, time.monotonic(), decision)

    def let_in(self, decision: int) -> None:
        before = self.simulator.last_event
        self.board.release(1, PULSE_S)
        self._signal(Signal.GRANTED, decision)
        assert self.simulator.wait_for_event("relay_on", device="hall", after=before, timeout_s=DEADLINE_S)

    def wait_until(self, met: Callable[[], bool], what: str) -> None:
        end_s = time.monotonic() + DEADLINE_S
        while not met():
            assert time.monotonic() < end_s, f"never came: {what}; told: {self.told}"
            threading.Event().wait(LOOK_S)
            self.look()

    def wait_told(self, *told: Told | Kind) -> None:
        """Until exactly this was told since the last time."""
        self.wait_until(lambda: len(self.told) >= len(told), f"{told}")
        assert self.told == list(told)
        self.told = []

    def swing(self, *, is_open: bool, force: bool = False) -> None:
        self.simulator.swing_door("lobby", is_open=is_open, force=force)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Gatekeeper]:
    with ExitStack() as stack:
        simulator = stack.enter_context(Simulator(parse_scene(SCENE), tmp_path))
        settings = ModbusSettings.model_validate(
            {"port": simulator.address("hall"), "channels": 1, "inputs": INPUTS}
        )
        board = ModbusBoard("hall", settings)
        keeper = Gatekeeper(board, simulator, stack.enter_context(running(board)))
        keeper.wait_until(lambda: keeper.portal.is_open is False, "a shut door")
        yield keeper


def test_who_is_let_in_and_goes_in_is_told_as_taken(door: Gatekeeper) -> None:
    door.let_in(7)
    door.swing(is_open=True)
    door.wait_told(Told(Kind.DOOR_OPENED, links=7), Told(Kind.ACCESS_TAKEN, links=7))
    door.swing(is_open=False)
    door.wait_told(Told(Kind.DOOR_CLOSED, links=7))


def test_who_is_let_in_and_stays_outside_is_told_as_not_taken(door: Gatekeeper) -> None:
    door.let_in(7)
    door.wait_told(Told(Kind.ACCESS_NOT_TAKEN, links=7))


def test_a_door_torn_open_is_told_as_forced_and_one_left_open_as_held(door: Gatekeeper) -> None:
    door.swing(is_open=True, force=True)
    door.wait_told(Told(Kind.DOOR_OPENED), Told(Kind.DOOR_FORCED, Reason.NO_RELEASE))
    door.swing(is_open=False)
    door.wait_told(Told(Kind.DOOR_CLOSED))
    door.let_in(8)
    door.swing(is_open=True)
    door.wait_told(Told(Kind.DOOR_OPENED, links=8), Told(Kind.ACCESS_TAKEN, links=8))
    door.wait_told(Told(Kind.DOOR_HELD, Reason.OPEN_TOO_LONG, 8))


def test_who_leaves_by_the_exit_button_forces_nothing(door: Gatekeeper) -> None:
    door.simulator.press_rex("lobby")
    door.wait_told(Told(Kind.REX))
    door.swing(is_open=True, force=True)  # the button's second contact cuts the lock's supply by itself
    door.wait_told(Told(Kind.DOOR_OPENED, Reason.EXIT_BUTTON))


def test_in_a_fire_a_door_that_opens_is_told_and_nothing_more(door: Gatekeeper) -> None:
    door.simulator.set_input("hall", 3, "closed")
    door.wait_told(Kind.FIRE_INPUT)
    door.swing(is_open=True, force=True)
    door.wait_told(Told(Kind.DOOR_OPENED))


def test_a_door_opened_while_its_board_was_cut_off_is_found_open(door: Gatekeeper) -> None:
    door.simulator.unplug("hall")
    door.wait_until(lambda: door.portal.is_open is None, "the loss of the board")
    door.swing(is_open=True, force=True)
    door.simulator.replug("hall")
    door.wait_told(Told(Kind.DOOR_OPENED))
    assert door.portal.is_open


def test_a_person_of_the_community_who_is_let_in_opens_the_door_and_shuts_it(door: Gatekeeper) -> None:
    door.simulator.set_community_rate(600)
    laid = door.simulator.wait_for_event("presented", device="lobby-in", after=0, timeout_s=DEADLINE_S)
    assert laid is not None
    door.simulator.set_community_rate(0)
    door.let_in(7)
    door.wait_told(
        Told(Kind.DOOR_OPENED, links=7), Told(Kind.ACCESS_TAKEN, links=7), Told(Kind.DOOR_CLOSED, links=7)
    )
