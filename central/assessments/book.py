"""Impact assessments in the database, and communities that go live; within the caller's transaction.

Whoever wrote a version cannot agree to it: it takes two people. Rows are only ever added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from central.assessments.document import Assessment, decoded, encoded, hash_of, missing
from central.assessments.words import DataKind, LiveAct
from central.errors import Clash, NotThere
from central.register.desk import Desk
from central.register.words import RegisterAct
from central.store.assessment_tables import community_live, impact_assessment

MOST_VERSIONS: Final = 200
KeptDays = Mapping[DataKind, int]


class Overtaken(Clash):
    """Somebody wrote a newer version meanwhile."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version, without what it says; `hash`: SHA-256 of its stored form."""

    id: int
    community: int
    version: int
    written_us: int
    written_by: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a community stands. `live_us`: since when; None: not live. `act`: how it came to be; `agreed`:
    the newest version that was agreed to, None for one from before the gate. `written`: the newest version at
    all. `missing`: in the newest version, by path; of no version everything."""

    live_us: int | None
    act: LiveAct | None
    agreed: int | None
    agreed_us: int | None
    agreed_by: int | None
    written: Version | None
    missing: tuple[str, ...]

    @property
    def to_do(self) -> bool:
        """Somebody has to act: it is not live, or only from before the gate."""
        return self.agreed is None


def write(desk: Desk, assessment: Assessment, after: int | None = None) -> Version:
    """A further version, finished or not. `after`: the version that it was written from, 0 for none. Raises
    Overtaken; Clash where it says what the last one says, or where there are too many."""
    newest = newest_version(desk.connection, desk.community)
    if after is not None and newest is not None and newest.version != after:
        raise Overtaken(f"meanwhile version {newest.version} was written: read that one first")
    body = encoded(assessment)
    if newest is not None and newest.hash == hash_of(body):
        raise Clash(f"it says what version {newest.version} says")
    number = 1 if newest is None else newest.version + 1
    if number > MOST_VERSIONS:
        raise Clash(f"there are {MOST_VERSIONS} versions, and no more are kept")
    made = desk.add(
        impact_assessment,
        version=number,
        written_at=desk.now_us,
        written_by=desk.account,
        body=body,
        hash=hash_of(body),
    )
    desk.note(RegisterAct.ASSESSMENT_WRITTEN, impact_assessment, made, body={"version": number})
    return Version(made, desk.community, number, desk.now_us, desk.account, hash_of(body))


def agree(desk: Desk, version: int, kept_days: KeptDays) -> Standing:
    """The community is live from now on, by this version, which has to be the newest. Raises NotThere, and
    Clash for one that is unfinished, was agreed to, is not the newest, or that the same account wrote."""
    found, assessment = one_version(desk.connection, desk.community, version)
    before = standing(desk.connection, desk.community, kept_days)
    assert before.written is not None
    if found.version != before.written.version:
        raise Clash(f"version {before.written.version} is newer: read that one")
    if before.agreed == found.version:
        raise Clash("this version was agreed to already")
    if lacks := missing(assessment, kept_days):
        raise Clash(f"not live: the assessment lacks {', '.join(lacks)}")
    if found.written_by == desk.account:
        raise Clash("nobody agrees to what they wrote themselves: a second person has to")
    desk.add(
        community_live,
        act=LiveAct.AGREED.value,
        at=desk.now_us,
        account=desk.account,
        assessment_id=found.id,
    )
    desk.note(RegisterAct.WENT_LIVE, impact_assessment, found.id, body={"version": found.version})
    return standing(desk.connection, desk.community, kept_days)


def standing(connection: Connection, community: int, kept_days: KeptDays) -> Standing:
    here = community_live.c.community_id == community
    asked = (
        select(community_live, impact_assessment.c.version)
        .outerjoin(impact_assessment, impact_assessment.c.id == community_live.c.assessment_id)
        .where(here)
        .order_by(community_live.c.id)
    )
    rows = connection.execute(asked).all()
    agreed = next((row for row in reversed(rows) if row.version is not None), None)
    written = newest_version(connection, community)
    newest = Assessment() if written is None else _document(connection, written.id)
    return Standing(
        live_us=rows[0].at if rows else None,
        act=LiveAct(rows[0].act) if rows else None,
        agreed=None if agreed is None else agreed.version,
        agreed_us=None if agreed is None else agreed.at,
        agreed_by=None if agreed is None else agreed.account,
        written=written,
        missing=tuple(missing(newest, kept_days)),
    )


def newest_version(connection: Connection, community: int) -> Version | None:
    asked = _versions(community).limit(1)
    row = connection.execute(asked).first()
    return None if row is None else _version(row)


def versions(connection: Connection, community: int) -> list[Version]:
    """The newest first."""
    return [_version(row) for row in connection.execute(_versions(community))]


def one_version(connection: Connection, community: int, version: int) -> tuple[Version, Assessment]:
    """Raises NotThere."""
    row = connection.execute(_versions(community).where(impact_assessment.c.version == version)).first()
    if row is None:
        raise NotThere("no such version of this community's assessment")
    return _version(row), _document(connection, row.id)


def in_force(connection: Connection, community: int) -> tuple[Version, Assessment] | None:
    """The version that was agreed to last; None: none was."""
    columns = community_live.c
    asked = (
        select(columns.assessment_id)
        .where(columns.community_id == community, columns.assessment_id.is_not(None))
        .order_by(columns.id.desc())
        .limit(1)
    )
    number = connection.execute(asked).scalar()
    if number is None:
        return None
    row = connection.execute(_versions(community).where(impact_assessment.c.id == number)).one()
    return _version(row), _document(connection, number)


def _versions(community: int) -> Any:
    columns = impact_assessment.c
    said = (columns.id, columns.community_id, columns.version, columns.written_at, columns.written_by)
    here = columns.community_id == community
    return select(*said, columns.hash).where(here).order_by(columns.version.desc())


def _document(connection: Connection, number: int) -> Assessment:
    here = impact_assessment.c.id == number
    return decoded(connection.execute(select(impact_assessment.c.body).where(here)).scalar_one())


def _version(row: Row[Any]) -> Version:
    return Version(row.id, row.community_id, row.version, row.written_at, row.written_by, row.hash)
