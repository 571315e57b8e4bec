"""What the deciding thread tells others, and asks of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from drivers.base import Indication, InputChanged
from gateway.journal import Head
from messages.commands import Command, Result
from messages.model import Kind, Reason


def _nothing(*_: object) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything that the deciding thread tells; each returns at once and belongs to another part."""

    indicate: Callable[[str, Indication], None]  # (reader, signal)
    announce: Callable[[Head], None]  # a commit has moved the head
    list_changed: Callable[[], None] = _nothing  # another list decides now
    answer: Callable[[Result], None] = _nothing  # what became of a command
    send_again: Callable[[Command], None] = _nothing  # records that the centre wants once more
    beat: Callable[[], None] = _nothing  # one more round was made: the loop is alive
    input_changed: Callable[[InputChanged], None] = _nothing  # for whoever watches the power
    troubles: Callable[[], Iterable[tuple[Kind, Reason | None]]] = tuple  # what changed of disk and clock
