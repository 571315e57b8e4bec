"""Door leaves: what contacts and buttons wired to a board's inputs say. Pure; knows no board and no clock."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from firmware_sim.scene import DoorPlan, Terminal

_OTHER = {"open": "closed", "closed": "open"}


@dataclass(frozen=True, slots=True)
class Sensed:
    """An input of a board is to say this from now on."""

    board: str
    input: int
    state: str


class Doors:
    """Which doors stand open, and which exit buttons are pressed."""

    def __init__(self, doors: Sequence[DoorPlan]) -> None:
        self._doors = {door.name: door for door in doors}
        self._open: set[str] = set()

    def __contains__(self, door: str) -> bool:
        return door in self._doors

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._doors)

    def plan(self, door: str) -> DoorPlan:
        """KeyError: no such door."""
        return self._doors[door]

    def is_open(self, door: str) -> bool:
        return door in self._open

    def at_rest(self) -> Iterator[Sensed]:
        """What all inputs say with every door shut and no button pressed."""
        for door in self._doors.values():
            for terminal in (door.contact, door.rex):
                if terminal is not None:
                    yield _normal(terminal)

    def swing(self, door: str, *, is_open: bool) -> Sensed | None:
        """Open or shut the leaf; gives what its contact says now, None if it has none."""
        if is_open:
            self._open.add(door)
        else:
            self._open.discard(door)
        contact = self._doors[door].contact
        if contact is None:
            return None
        return _active(contact) if is_open else _normal(contact)

    def button(self, door: str, *, pressed: bool) -> Sensed | None:
        """Press or let go the exit button; None if the door has none."""
        rex = self._doors[door].rex
        if rex is None:
            return None
        return _active(rex) if pressed else _normal(rex)


def _normal(terminal: Terminal) -> Sensed:
    return Sensed(terminal.board, terminal.input, terminal.normal)


def _active(terminal: Terminal) -> Sensed:
    return Sensed(terminal.board, terminal.input, _OTHER[terminal.normal])
