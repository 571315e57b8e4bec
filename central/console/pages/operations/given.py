"""What pages show of commands: those of late, and the form to give one."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection

from central.accounts.book import sites_of, staff_names
from central.accounts.who import Who
from central.console.centre import Centre
from central.console.words import N_
from central.errors import BadQuestion, BrokerUnavailable, CentralError, Clash, ProveAgain
from central.fleet.commanding import Given
from central.fleet.completeness import completeness
from messages.commands import Action, Why

OF_LATE: Final = 8
USUAL_MINUTES: Final = "30"
_TOLD: Final[dict[type[CentralError], str]] = {
    BrokerUnavailable: N_(
        "The broker does not answer. Whether the command arrived stands below; it is good for eight seconds."
    ),
    Clash: N_("There is nothing to send: no record is awaited, or the centre has no keys to sign with."),
    ProveAgain: N_(
        "Nothing was sent: a command takes a fresh second factor. Give it in another tab, then send again."
    ),
    BadQuestion: N_("Choose a door for what is done at one, and minutes from 1 to 44640."),
}


async def late_values(centre: Centre, who: Who, site: str, name: str) -> dict[str, Any]:
    """What was ordered of a gateway of late, and the names of who did."""
    found, _ = await centre.commands.newest(who, gateway=f"{site}/{name}", limit=OF_LATE)
    known = await centre.questions.ask(lambda db: names(db, who, found))
    awaited = any(each.may_say_more(centre.now_us()) for each in found)
    return {"commands": found, "awaited": awaited, "place": f"/operations/{site}/{name}", **known}


def form_values(error: CentralError | None, said: dict[str, Any] | None) -> dict[str, Any]:
    """For the form at a gateway's page."""
    blank = {"action": Action.RELEASE, "why": Why.VISITOR, "door": "", "minutes": USUAL_MINUTES}
    return {
        "said": said or blank,
        "stale": isinstance(error, ProveAgain),
        "told": None if error is None else _TOLD[type(error)],
        "actions": list(Action),
        "whys": list(Why),
    }


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
