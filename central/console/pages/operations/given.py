"""What pages show of commands: those of late, and the form to give one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection

from central.accounts.book import sites_of, staff_names
from central.accounts.who import Who
from central.console.centre import Centre
from central.console.words import N_
from central.errors import BadQuestion, BrokerUnavailable, CentralError, Clash, ProveAgain
from central.fleet.commanding import MOST_MINUTES, Given, Order
from central.fleet.completeness import Completeness, completeness
from messages.commands import AT_A_DOOR, UNTIL, Action, Why

OF_LATE: Final = 8
USUAL_MINUTES: Final = "30"
_MOST_DIGITS: Final = 12
_TOLD: Final[dict[type[CentralError], str]] = {
    BrokerUnavailable: N_(
        "The broker does not answer. Whether the command arrived stands below; it is good for eight seconds."
    ),
    Clash: N_("There is nothing to send: no record is awaited, or the centre has no keys to sign with."),
    ProveAgain: N_(
        "Nothing was sent: a command takes a fresh second factor. Give it in another tab, then send again."
    ),
    BadQuestion: N_("Nothing was sent: look at what is marked below."),
}
_NO_DOOR: Final = N_("Choose the door at which it is to be done.")
_NO_MINUTES: Final = N_("Write for how many minutes: a whole number from 1 to %(most)s, which is a month.")


class NotAnOrder(BadQuestion):
    """What somebody typed is no command; `faults` says of each field what it wants."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__(next(iter(faults)), "is not what this command takes")
        self.faults = faults


def order_of(action: Action, why: Why, door: str, minutes: str) -> Order:
    """Only what the action takes, whatever else the form holds. Raises NotAnOrder."""
    faults = {}
    if action in AT_A_DOOR and not door:
        faults["door"] = _NO_DOOR
    typed = minutes.strip()
    number = int(typed[:_MOST_DIGITS]) if typed.isascii() and typed.isdigit() else 0
    if action in UNTIL and not 0 < number <= MOST_MINUTES:
        faults["minutes"] = _NO_MINUTES
    if faults:
        raise NotAnOrder(faults)
    return Order(action, why, door if action in AT_A_DOOR else None, number if action in UNTIL else None)


async def late_values(centre: Centre, who: Who, gateway: Completeness) -> dict[str, Any]:
    """What was ordered of a gateway of late."""
    site, name = gateway.site, gateway.name
    found, _ = await centre.commands.newest(who, gateway=f"{site}/{name}", limit=OF_LATE)
    awaited = any(each.may_say_more(centre.now_us()) for each in found)
    values: dict[str, Any] = {"commands": found, "awaited": awaited, "part": False}
    return {**values, "place": f"/operations/{site}/{name}", "places": {(site, name): gateway}}


def form_values(error: CentralError | None, said: dict[str, Any] | None) -> dict[str, Any]:
    """For the form at a gateway's page."""
    blank = {"action": Action.RELEASE, "why": Why.VISITOR, "door": "", "minutes": USUAL_MINUTES}
    return {
        "said": said or blank,
        "stale": isinstance(error, ProveAgain),
        "told": _told(error),
        "faults": error.faults if isinstance(error, NotAnOrder) else {},
        "most_minutes": MOST_MINUTES,
        "actions": list(Action),
        "with_door": [each for each in Action if each in AT_A_DOOR],
        "with_minutes": [each for each in Action if each in UNTIL],
        "whys": list(Why),
    }


def _told(error: CentralError | None) -> str | None:
    return next((text for kind, text in _TOLD.items() if isinstance(error, kind)), None)


def names(db: Connection, who: Who, found: list[Given]) -> dict[str, Any]:
    """Gateways by site and name, and who gave these commands."""
    if not found:
        return {"places": {}, "givers": {}}
    staff = staff_names(db, who.communities)
    gateways = completeness(db, sites=sites_of(db, who.communities))
    return {
        "places": {(each.site, each.name): each for each in gateways},
        "givers": {f"account-{number}": name for number, name in staff.items()},
    }
