"""Where the notice hangs, for the commissioning file: who saw it at which door, and when (trust.md R-84).

Within the caller's transaction. Rows are only ever added.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from central.accounts.book import sites_of
from central.assessments.book import in_force
from central.errors import Clash, NotThere
from central.fleet.completeness import completeness
from central.register.desk import Desk
from central.register.words import RegisterAct
from central.store.assessment_tables import impact_assessment, notice_hung


@dataclass(frozen=True, slots=True)
class AtDoor:
    """One door of a community. `version`: of the assessment whose notice hung there last; None: none was seen
    there. `current`: it is the one in force."""

    site: str
    gateway: str
    building: str
    door: str
    label: str
    version: int | None
    at_us: int | None
    account: int | None
    current: bool


def saw_it_hang(desk: Desk, site: str, gateway: str, door: str) -> AtDoor:
    """Notes that the notice in force hangs at that door. Raises Clash where no assessment is in force, and
    NotThere for a door that none of the community's gateways has."""
    force = in_force(desk.connection, desk.community)
    if force is None:
        raise Clash("there is no notice yet: the impact assessment has to be agreed to first")
    if not any(_is(each, site, gateway, door) for each in at_doors(desk.connection, desk.community)):
        raise NotThere("no gateway of this community has such a door")
    made = desk.add(
        notice_hung,
        assessment_id=force[0].id,
        site=site,
        gateway=gateway,
        door=door,
        at=desk.now_us,
        account=desk.account,
    )
    desk.note(
        RegisterAct.NOTICE_HUNG, notice_hung, made, body={"door": door, "gateway": gateway, "site": site}
    )
    return next(each for each in at_doors(desk.connection, desk.community) if _is(each, site, gateway, door))


def at_doors(connection: Connection, community: int) -> list[AtDoor]:
    """Every door that gateways of the community have named, in the order of the gateways."""
    force = in_force(connection, community)
    newest = force[0].version if force is not None else None
    seen = _newest(connection, community)
    found = []
    for known in completeness(connection, sites=sites_of(connection, [community])):
        for door in known.doors:
            row = seen.get((known.site, known.name, door.name))
            version, at_us, account = (None, None, None) if row is None else row
            found.append(
                AtDoor(
                    known.site,
                    known.name,
                    known.label,
                    door.name,
                    door.label,
                    version,
                    at_us,
                    account,
                    version is not None and version == newest,
                )
            )
    return found


def _newest(connection: Connection, community: int) -> dict[tuple[str, str, str], tuple[int, int, int]]:
    """Version, time and account by site, gateway and door."""
    columns = notice_hung.c
    place = (columns.site, columns.gateway, columns.door)
    last = select(func.max(columns.id)).where(columns.community_id == community).group_by(*place)
    asked = (
        select(*place, impact_assessment.c.version, columns.at, columns.account)
        .join(impact_assessment, impact_assessment.c.id == columns.assessment_id)
        .where(columns.id.in_(last))
    )
    return {
        (row.site, row.gateway, row.door): (row.version, row.at, row.account)
        for row in connection.execute(asked)
    }


def _is(each: AtDoor, site: str, gateway: str, door: str) -> bool:
    return (each.site, each.gateway, each.door) == (site, gateway, door)
