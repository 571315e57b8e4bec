"""What is kept until when: each class with its rule and setting, the oldest that is there, what goes next,
what cases keep longer, and the certificates of what has gone (trust.md R-88)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.guard import page_for
from central.console.pages.oversight.deletions import CLASSES
from central.console.views import Language
from central.console.words import N_
from central.ingest.arrivals import KEPT_US
from central.retention import overview
from central.retention.overview import Asked, Kept, Standing, Stopped

Supervisor = Annotated[Who, page_for(Role.SUPERVISOR)]
_DAY_US: Final = 86_400_000_000

_EVIDENCE: Final = N_("Three years at least. No part of the program changes or deletes it.")
_ADDED_TO: Final = N_(
    "Three years at least. No part of the program deletes it. Only what comes later is added: an answer, or "
    "that something is over."
)
_HISTORY: Final = N_(
    "As long as the register needs it: who lives where, and who did. Nothing ends by itself."
)
_LASTING: Final = N_("As long as the installation runs.")


@dataclass(frozen=True, slots=True)
class Told:
    """A class in words: what it is called, what lies in it, and how long it is kept."""

    name: str
    what: str
    how_long: str


CLASSES_TOLD: Final[dict[Kept, Told]] = {
    Kept.ENTRIES: Told(
        N_("What happened at doors"),
        N_(
            "All that a gateway recorded: who was let in or refused at which door, what doors and devices "
            "did."
        ),
        N_(
            "%(days)s days after they came to the centre, at the latest a day more. Then they are deleted, "
            "and a certificate says so. What is not counted for the reports yet goes a little later."
        ),
    ),
    Kept.VISITORS: Told(
        N_("Visitors' identities"),
        N_("Name and ID number of who came as a visitor, sealed; names on passes."),
        N_(
            "%(days)s days after the visit, at the latest a day more. Then the day's key is destroyed, and "
            "with it every copy, and a certificate says so."
        ),
    ),
    Kept.HOLDS: Told(
        N_("Holds of cases"),
        N_("Entries and visitors' identities that a case needs for longer, agreed to by a second person."),
        N_(
            "Until the time that was agreed to is over, %(days)s days at most. Then what was held is "
            "deleted; that there was a hold stays in the register of look-ups."
        ),
    ),
    Kept.IMPORTS: Told(
        N_("Files that were imported"),
        N_("What a file says of homes and people, before it is in the register."),
        N_("Until its rows are in the register, %(days)s days at most. That there was an import stays."),
    ),
    Kept.SESSIONS: Told(
        N_("Who is signed in"),
        N_("Sessions of those who work here."),
        N_("15 minutes unused, 12 hours at most. The row goes when next somebody signs in."),
    ),
    Kept.FEED: Told(
        N_("The live feed"),
        N_("It shows entries and keeps none. Up to which of them had come is noted every half minute."),
        N_("%(days)s days; then the oldest note goes with the next one."),
    ),
    Kept.WORKING: Told(
        N_("Notes for the moment"),
        N_("Access lists as they were sent, codes for a first password, how far something was counted."),
        N_("Replaced by the next one, or removed when it is over."),
    ),
    Kept.LOOK_UPS: Told(
        N_("The register of look-ups"),
        N_("Who looked up what, why and with whose word; the number that was asked for, sealed."),
        _ADDED_TO,
    ),
    Kept.ACCOUNT_EVENTS: Told(
        N_("What was done with accounts"),
        N_("Accounts that were made, changed, locked; who signed in."),
        _EVIDENCE,
    ),
    Kept.CHANGES: Told(
        N_("Changes of the register, cards and passes"),
        N_("Who changed what, and why."),
        _EVIDENCE,
    ),
    Kept.REQUESTS: Told(
        N_("Requests about one's own data"),
        N_("What somebody asked for about their own data, and the answer, sealed."),
        _ADDED_TO,
    ),
    Kept.ASSESSMENTS: Told(
        N_("Impact assessments and notices"),
        N_("What two people agreed to before the community began, and where the notice hung."),
        _EVIDENCE,
    ),
    Kept.CERTIFICATES: Told(
        N_("Certificates of deletion"),
        N_("That something was deleted when its time was over, each bound to the one before."),
        _EVIDENCE,
    ),
    Kept.REGISTER: Told(
        N_("Homes and people"),
        N_(
            "Places, people, who lived where from when to when, leases, cards and rights; names and numbers "
            "sealed."
        ),
        _HISTORY,
    ),
    Kept.PASSES: Told(
        N_("Passes for visitors"),
        N_("Which pass was given for which door and time. Names on it end as visitors' identities do."),
        N_("As long as visits are to be told by it. Nothing ends by itself."),
    ),
    Kept.PLANS: Told(
        N_("Plans of tours, rules of alarms"),
        N_("Points, routes, plans; what is watched for, and which programs are told."),
        N_("As long as the register needs it: what goes by it, and what went. Nothing ends by itself."),
    ),
    Kept.ACCOUNTS: Told(
        N_("Accounts"),
        N_("Login, name, role and unit of those who may sign in; passwords as hashes."),
        N_("As long as the account is there, and for what it did as long as that is kept."),
    ),
    Kept.ALARMS: Told(
        N_("Alarms"),
        N_("What was noticed at a door, a device or a gateway, and who saw to it. Never about a person."),
        _LASTING,
    ),
    Kept.COUNTS: Told(
        N_("Counts for the reports"),
        N_("How often somebody was let in at a door within an hour. Of nobody."),
        _LASTING,
    ),
    Kept.ORDERS: Told(
        N_("Settings and commands"),
        N_("What was sent to gateways, and by whom."),
        _LASTING,
    ),
    Kept.EQUIPMENT: Told(
        N_("Gateways and their numbering"),
        N_("What gateways say of themselves, which records are here, missing or ended. Of nobody."),
        _LASTING,
    ),
    Kept.ASIDE: Told(
        N_("Messages that cannot be read"),
        N_("As they came. Visitors' identities in them end with their month's key."),
        N_("Until they can be read. What nobody can read is not ended by the program."),
    ),
    Kept.BACKUPS: Told(
        N_("Backups"),
        N_("Copies of the database, without the keys. Where they lie this page does not know."),
        N_(
            "%(days)s days, unless the backup is told otherwise; the oldest goes after a good new one. A "
            "restored one ends what is due at its start."
        ),
    ),
    Kept.JOURNALS: Told(
        N_("Journals of the gateways"),
        N_("On each gateway's own disk, with identities sealed so that it cannot open them."),
        N_(
            "As long after the centre has taken a record in as each gateway's own settings say "
            "(keep_acknowledged_days: 0 to 365 days, 7 unless changed). What it has not taken in is never "
            "overwritten."
        ),
    ),
}
"""In the order of `Kept`: a test holds the two together."""

ENDING: Final = (Kept.ENTRIES, Kept.VISITORS, Kept.HOLDS, Kept.IMPORTS)
"""What ends by itself, of which somebody asks when."""

SHORT: Final = (Kept.SESSIONS, Kept.FEED, Kept.WORKING)
LASTING: Final = tuple(
    kept for kept in Kept if kept not in {*ENDING, *SHORT} and overview.LIES[kept].word is not None
)
ELSEWHERE: Final = tuple(kept for kept in Kept if overview.LIES[kept].word is None)
GROUPS: Final = (
    ("short", N_("What goes by itself within hours or weeks"), SHORT),
    ("lasting", N_("What stays"), LASTING),
    ("elsewhere", N_("Outside the database"), ELSEWHERE),
)

SETTINGS: Final = {Kept.ENTRIES: "[identity] entry_days", Kept.VISITORS: "[identity] visitor_days"}
SET_BY: Final = {
    Kept.HOLDS: N_("agreed to for each case"),
    Kept.IMPORTS: N_("by the program"),
    Kept.BACKUPS: N_("--keep-days of the backup"),
}
STOPPED: Final = {
    Stopped.ASSESSMENT: N_("Nothing is ended: an impact assessment in force cannot be read."),
    Stopped.CLOCK: N_(
        "Nothing is ended now: no gateway of the centre confirms that it is as late as the centre says."
    ),
    Stopped.NO_KEYS: N_("Nothing is ended: the centre has no keys to sign certificates with."),
}


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/oversight/kept", response_class=HTMLResponse, summary="What is kept until when")
    async def kept_page(who: Supervisor, lang: Language = None) -> HTMLResponse:
        rules, now_us = centre.retention.rules, centre.now_us()
        asked = Asked(who.communities, rules, now_us, signs=centre.signing is not None)

        def found(db: Connection) -> tuple[dict[Kept, Standing], int | None]:
            return overview.standings(db, asked), overview.entry_days(db, rules)

        standings, entry_days = await centre.questions.ask(found)
        values: dict[str, Any] = {
            "standings": standings,
            "told": CLASSES_TOLD,
            "ending": ENDING,
            "groups": GROUPS,
            "days": _days(rules.visitor_days, entry_days),
            "longer": entry_days is not None and entry_days > rules.entry_days,
            "settings": SETTINGS,
            "set_by": SET_BY,
            "stopped": STOPPED,
            "cited": {
                Kept.ENTRIES: centre.retention.entry_rule,
                Kept.VISITORS: centre.retention.visitor_rule,
            },
            "classes": CLASSES,
            "dated": overview.DATED,
        }
        return centre.show(who, lang, "oversight/kept.html", "kept", **values)

    return pages


def _days(visitor_days: int, entry_days: int | None) -> dict[Kept, int | str]:
    """Those that stand in the sentences."""
    return {
        Kept.ENTRIES: "?" if entry_days is None else entry_days,
        Kept.VISITORS: visitor_days,
        Kept.HOLDS: overview.HOLD_DAYS,
        Kept.IMPORTS: overview.IMPORT_DAYS,
        Kept.FEED: KEPT_US // _DAY_US,
        Kept.BACKUPS: overview.BACKUP_DAYS,
    }
