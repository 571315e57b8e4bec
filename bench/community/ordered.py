"""Who ordered what gateways did by command: the note of the centre and the answer, for the record of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Final

from sqlalchemy import Connection

from bench.community.happening import Chain, Happening
from bench.community.times import HOUR_US
from central.fleet.orders import Answer, make_command, note_answer, note_command
from messages.commands import COMMAND_VERSION, Action, Outcome, Result, Why
from messages.model import Kind

FREE_US: Final = HOUR_US
"""So long a door is kept open, where it is."""

_BEFORE_US, _ANSWERED_US = 420_000, 260_000
_WHYS: Final = (Why.VISITOR, Why.VISITOR, Why.NO_CREDENTIAL, Why.NO_CREDENTIAL, Why.DELIVERY)
_ACTIONS: Final = {
    Kind.REMOTE_RELEASE: Action.RELEASE,
    Kind.COMMAND_REFUSED: Action.RELEASE,
    Kind.COMMAND_DONE: Action.FREE,
}


def reference_of(account: int) -> str:
    """As commands and the records of them name who gave one."""
    return f"account-{account}"


def note_orders(
    connection: Connection,
    happened: Iterable[tuple[Chain, Sequence[Happening], int]],
    *,
    operators: Sequence[int],
    drawn: Random,
) -> None:
    """`happened`: of a chain what was ordered, among others, and the number that the first of them gets."""
    ordered = [
        (each, chain, seq)
        for chain, theirs, first in happened
        for seq, each in enumerate(theirs, first)
        if each.fields["kind"] in _ACTIONS
    ]
    for each, chain, seq in sorted(ordered, key=lambda found: found[0].at_us):
        action = _ACTIONS[each.fields["kind"]]
        is_free = action is Action.FREE
        issued_us = each.at_us - _BEFORE_US
        number = drawn.randbytes(16).hex()
        command = make_command(
            number,
            action,
            each.fields.get("holder") or reference_of(drawn.choice(operators)),
            Why.MAINTENANCE if is_free else drawn.choice(_WHYS),
            issued_us,
            door=each.fields["door"],
            until_us=issued_us + FREE_US if is_free else None,
        )
        note_command(connection, chain.site, chain.name, command)
        refused = each.fields["kind"] is Kind.COMMAND_REFUSED
        result = Result(
            COMMAND_VERSION,
            number,
            Outcome.REFUSED if refused else Outcome.DONE,
            each.fields["reason"] if refused else None,
            chain.epoch,
            seq,
        )
        note_answer(connection, Answer(chain.site, chain.name, result), each.at_us + _ANSWERED_US)


def note_unanswered(connection: Connection, chain: Chain, operator: int, at_us: int, drawn: Random) -> None:
    """Of a gateway whose line is down."""
    door = chain.doors[0].name
    number, by = drawn.randbytes(16).hex(), reference_of(operator)
    command = make_command(number, Action.RELEASE, by, Why.NO_CREDENTIAL, at_us, door=door)
    note_command(connection, chain.site, chain.name, command)
