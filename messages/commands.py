"""Commands of the centre to one gateway, and what became of them. Values and their bytes only.

A command is the body of a signed message (Purpose.COMMAND) for exactly one gateway; a result that of one of
the gateway's (Purpose.RESULT). Each is single use, and expires within seconds (trust.md R-54).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from messages.errors import MessageError
from messages.model import Epoch, Micros, Name, Reason, Reference, Seq

COMMAND_VERSION: Final = 1
MAX_COMMAND_BYTES: Final = 16_384
MAX_RANGES: Final = 64

CommandId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
"""128 bits of chance: nobody meets another's, and nobody can tell the next."""


class Action(StrEnum):
    """What is to be done."""

    RELEASE = "release"  # one door, once
    FREE = "free"  # one door stays unlocked until a time
    LOCK_DOWN = "lock_down"  # one door opens to nobody from outside until a time
    BACK_TO_SCHEDULE = "back_to_schedule"  # one door
    RESET_PASSBACK = "reset_passback"
    SEND_RECORDS = "send_records"  # these ranges, once more


class Why(StrEnum):
    """What an operator gives as the reason of a command."""

    VISITOR = "visitor"
    NO_CREDENTIAL = "no_credential"  # a resident without a card
    DELIVERY = "delivery"
    EMERGENCY = "emergency"
    DISTURBANCE = "disturbance"
    MAINTENANCE = "maintenance"
    TEST = "test"


AT_A_DOOR: Final = frozenset({Action.RELEASE, Action.FREE, Action.LOCK_DOWN, Action.BACK_TO_SCHEDULE})
UNTIL: Final = frozenset({Action.FREE, Action.LOCK_DOWN})

LONGEST_LIFE_US: Final = 10_000_000
"""From now to its end, by the gateway's clock (trust.md R-54: a release is valid for 10 s at most)."""

USUAL_LIFE_US: Final = 8_000_000
"""What the centre gives: the clocks may differ by the rest."""


class RecordRange(Struct, frozen=True, forbid_unknown_fields=True):
    """Records `first` .. `last` of one epoch."""

    epoch: Epoch
    first: Seq
    last: Seq


class Command(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the centre wants done, by whose hand and why; times are UTC microseconds."""

    v: int
    id: CommandId
    action: Action
    operator: Reference  # opaque; the centre knows who that is
    why: Why
    issued_us: Micros
    expires_us: Micros
    door: Name | None = None
    until_us: Micros | None = None
    ranges: Annotated[tuple[RecordRange, ...], Meta(max_length=MAX_RANGES)] = ()


class Outcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"


class Result(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What became of a command, and the record that says so in the gateway's journal."""

    v: int
    id: CommandId
    outcome: Outcome
    reason: Reason | None = None  # why it was refused
    epoch: Epoch | None = None  # of that record; None: it could not be recorded
    seq: Seq | None = None


_T = TypeVar("_T", Command, Result)


def encode_order(message: Command | Result) -> bytes:
    return msgspec.json.encode(message)


def decode_command(body: bytes) -> Command:
    """Raises MessageError for what is no command, or one whose parts do not belong together."""
    command = _decoded(body, Command)
    if (command.door is not None) != (command.action in AT_A_DOOR):
        raise MessageError("command: a door where none belongs, or none where one does - at `$.door`")
    if (command.until_us is not None) != (command.action in UNTIL):
        raise MessageError("command: a time where none belongs, or none where one does - at `$.until_us`")
    if bool(command.ranges) != (command.action is Action.SEND_RECORDS):
        raise MessageError("command: ranges where none belong, or none where they do - at `$.ranges`")
    if any(each.last < each.first for each in command.ranges):
        raise MessageError("command: a range that ends before it begins - at `$.ranges`")
    if command.expires_us <= command.issued_us:
        raise MessageError("command: ends before it was issued - at `$.expires_us`")
    return command


def decode_result(body: bytes) -> Result:
    """Raises MessageError for what is no result."""
    return _decoded(body, Result)


def _decoded(body: bytes, kind: type[_T]) -> _T:
    name = kind.__name__.lower()
    if len(body) > MAX_COMMAND_BYTES:
        raise MessageError(f"{name}: {len(body)} bytes; at most {MAX_COMMAND_BYTES}")
    try:
        message = msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise MessageError(f"not a {name}") from None
    if message.v != COMMAND_VERSION:
        raise MessageError(f"{name} version {message.v}; this program knows {COMMAND_VERSION}")
    return message
