"""All gateways: whether each works, lacks nothing, and has what was sent to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection, func, select

from central.accounts.book import sites_of
from central.accounts.who import Role, Who
from central.alarms import book
from central.alarms.book import Alarm
from central.console.centre import Centre
from central.console.door_marks import DoorMarks, Places, marks_of
from central.console.guard import page_for
from central.console.labels import sites_called
from central.console.paging import PageNumber, cut
from central.console.views import Language
from central.console.words import N_
from central.fleet.completeness import Completeness, completeness
from central.store.tables import gateway, sent_list, sent_settings
from messages.signing import EVERY_GATEWAY

SiteAsked = Annotated[str, Query(pattern=r"^([a-z0-9][a-z0-9-]{0,31})?$")]
Looking = Annotated[Who, page_for(Role.OPERATOR, Role.INSTALLER, Role.SUPERVISOR)]
_MOST_ALARMS = 500
MOST_DOORS: Final = 4
"""Of a gateway, of those that stand out of the ordinary."""
ALL_SITES: Final = N_("All sites")


@dataclass(frozen=True, slots=True)
class Desired:
    """What a gateway should have and what it says it has; None: nothing was sent, or it does not say."""

    list_wanted: int | None
    list_has: int | None
    settings_wanted: int | None
    settings_has: int | None

    @property
    def is_met(self) -> bool:
        lists = self.list_wanted in {None, self.list_has}
        return lists and self.settings_wanted in {None, self.settings_has}


@dataclass(frozen=True, slots=True)
class Standing:
    """`alarms`: how many last at it."""

    gateway: Completeness
    desired: Desired
    alarms: int

    @property
    def troubled(self) -> int:
        """Readers and lock boards that do not work."""
        return sum(state != "ok" for state in self.gateway.devices.values()) if self.gateway.online else 0

    @property
    def is_well(self) -> bool:
        whole = self.gateway.online and self.gateway.complete and self.desired.is_met
        return whole and not self.troubled and not self.alarms


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/operations", response_class=HTMLResponse, summary="All gateways")
    async def fleet_page(
        who: Looking, site: SiteAsked = "", *, ill: bool = False, page: PageNumber = 1, lang: Language = None
    ) -> HTMLResponse:
        """`site`: of that one alone. `ill`: those alone that want looking at."""
        found = await centre.questions.ask(lambda db: standing_of(centre, db, who))
        wanted = [each for each in found if site in {"", each.gateway.site} and not (ill and each.is_well)]
        shown = cut(wanted, page)
        sites: dict[str, list[Standing]] = {}
        for each in shown.things:
            sites.setdefault(each.gateway.site, []).append(each)
        values: dict[str, Any] = {"sites": sites, "every": found, "shown": shown, "site": site, "ill": ill}
        values["all_sites"] = sorted({each.gateway.site for each in found})
        values["called"] = await centre.questions.ask(lambda db: sites_called(db, who.communities))
        values["site_choices"] = [("", centre.views.said_in(lang)(ALL_SITES))]
        values["site_choices"] += [(each, values["called"].get(each, each)) for each in values["all_sites"]]
        here = [each.gateway for each in shown.things]
        stands = await centre.questions.ask(lambda db: marks_of(db, here, centre.now_us()))
        values |= {
            "marked": {(each.site, each.name): _marked(each, stands) for each in here},
            "most": MOST_DOORS,
        }
        values["doors"] = sum(len(each.gateway.doors) for each in found)
        return centre.show(who, lang, "operations/fleet.html", "gateways", **values)

    return pages


def _marked(of: Completeness, stands: Places) -> list[tuple[str, DoorMarks]]:
    """What those doors are called that stand out of the ordinary, the worst first."""
    found = [(each.label, stands[of.site, of.name, each.name]) for each in of.doors]
    return sorted((each for each in found if each[1].unusual), key=lambda each: each[1].badness)


def standing_of(
    centre: Centre, db: Connection, who: Who, site: str | None = None, name: str | None = None
) -> list[Standing]:
    sites = sites_of(db, who.communities)
    lasting: dict[tuple[str, str], int] = {}
    for each in lasting_at(centre, db, sites):
        lasting[each.site, each.gateway] = lasting.get((each.site, each.gateway), 0) + 1
    desired = _desired(db, sites)
    nothing = Desired(None, None, None, None)
    return [
        Standing(each, desired.get((each.site, each.name), nothing), lasting.get((each.site, each.name), 0))
        for each in completeness(db, site=site, name=name, sites=sites)
    ]


def lasting_at(centre: Centre, db: Connection, sites: Any, name: str | None = None) -> list[Alarm]:
    found = book.alarms(db, sites, centre.now_us(), lasting_only=True, limit=_MOST_ALARMS)
    return [each for each in found if name in {None, each.gateway}]


def _desired(db: Connection, sites: Any) -> dict[tuple[str, str], Desired]:
    lists = {
        (row.site, row.gateway): row.version
        for row in db.execute(
            select(sent_list.c.site, sent_list.c.gateway, func.max(sent_list.c.version).label("version"))
            .where(sent_list.c.site.in_(sites))
            .group_by(sent_list.c.site, sent_list.c.gateway)
        )
    }
    settings: dict[tuple[str, str], tuple[int, int]] = {}
    asked = select(sent_settings).where(sent_settings.c.site.in_(sites)).order_by(sent_settings.c.id)
    for row in db.execute(asked):
        settings[row.site, row.gateway] = (row.id, row.revision)
    found = {}
    for row in db.execute(select(gateway).where(gateway.c.site.in_(sites))):
        own = [settings.get((row.site, row.name)), settings.get((row.site, EVERY_GATEWAY))]
        newest = max((each for each in own if each is not None), default=None)
        found[row.site, row.name] = Desired(
            list_wanted=lists.get((row.site, row.name)),
            list_has=row.list_version,
            settings_wanted=None if newest is None else newest[1],
            settings_has=row.settings_revision,
        )
    return found
