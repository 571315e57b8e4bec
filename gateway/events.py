"""What the deciding thread is told: by devices, by the centre (verified and stored), by the daemon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.base import CardRead, CardRemoved, CardUnreadable, DeviceChanged, InputChanged
from messages.model import Reason, Record

if TYPE_CHECKING:
    from gateway.access_list import AccessList
    from gateway.commanded import Turn
    from gateway.journal import Head
    from messages.commands import Command
    from messages.site_settings import SiteSettings


@dataclass(frozen=True, slots=True)
class NewList:
    """Is on the disk already, whole."""

    access_list: AccessList


@dataclass(frozen=True, slots=True)
class ListRefused:
    """A new list could not be taken; the former one stays in force."""

    reason: Reason = Reason.BAD_FILE


@dataclass(frozen=True, slots=True)
class NewSettings:
    """Site settings, decoded by the function that `Orders` was given; on the disk already."""

    settings: SiteSettings


@dataclass(frozen=True, slots=True)
class SettingsRefused:
    """The former ones stay in force."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class DoorsTurned:
    """By commands before this start, as is known only now."""

    turns: Sequence[Turn]


@dataclass(frozen=True, slots=True)
class LookBack:
    """List and settings, or the journal, came late, before this: what is in force makes something of former
    records, and that is to be found again.

    `begin` is called by the deciding thread once all that was decided is recorded: how many records it wants,
    and the newest one that counts.
    """

    begin: Callable[[int, Head], None]


@dataclass(frozen=True, slots=True)
class LookedBack:
    """The records that were wanted, oldest first; None where they could not be read."""

    records: Sequence[Record] | None


@dataclass(frozen=True, slots=True)
class CommandGiven:
    """Verified, in time, and noted as used: it is carried out now or never. `noted` is called once its record
    is durable."""

    command: Command
    noted: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class CommandRefused:
    """`command_id` is None where it is not known who sent it: such an id would be anybody's word."""

    command_id: str | None
    reason: Reason
    door: str | None = None


@dataclass(frozen=True, slots=True)
class RecordsExported:
    """Records were copied out to be carried to the centre by hand. `noted` is called once that is durable."""

    noted: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The centre has committed `epoch` through `through`, and its hash was found equal to ours; with through
    0 it has nothing of it (any more)."""

    epoch: int
    through: int


@dataclass(frozen=True, slots=True)
class AckRefused:
    """Something that is not the centre's word would have licensed a deletion."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class EpochDisputed:
    """The centre has other records in `epoch` than we; said with each of its acknowledgements."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Ends the deciding thread; everything before it in the inbox is still done."""


Event = (
    CardRead
    | CardRemoved
    | CardUnreadable
    | DeviceChanged
    | InputChanged
    | NewList
    | ListRefused
    | NewSettings
    | SettingsRefused
    | DoorsTurned
    | LookBack
    | LookedBack
    | CommandGiven
    | CommandRefused
    | RecordsExported
    | Acknowledged
    | AckRefused
    | EpochDisputed
    | Stop
)
