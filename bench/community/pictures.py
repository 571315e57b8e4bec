"""Of which pages `./liuhen shots` takes pictures: each that a browser can be sent to, and what pages show
when something was done on them. A test compares the list with the console's routes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Text, cast, func, select

from bench.community import gestures
from bench.community.gestures import Gesture
from bench.community.standing import NO_READER
from bench.community.times import ZONE
from bench.console import LOGINS, Signed
from central.accounts.who import Role
from central.console.registry import all_pages
from central.lookup.words import Asked, Happened
from central.register.words import HomeUse, PlaceKind
from central.store.account_tables import account
from central.store.engine import open_reader, reading
from central.store.import_tables import register_import
from central.store.lookup_tables import look_up, look_up_event
from central.store.register_tables import home_use, place, residency
from central.store.request_tables import own_request
from central.store.tables import sent_settings
from central.store.tour_tables import tour_plan
from central.store.visitor_tables import visitor_pass
from central.times import local

Values = Mapping[str, object]
Finds = Callable[[Connection], Values]
"""What stands in a route's braces, in this community."""


@dataclass(frozen=True, slots=True)
class Picture:
    """`route`: as the application has it. `query`: what is asked there, with braces too. `role`: who looks;
    None: nobody has signed in. `act`: what is done there first. `session`: what a browser has."""

    name: str
    route: str
    role: Role | None
    finds: Finds | None = None
    query: str = ""
    act: Gesture | None = None
    session: Signed = "fresh"

    @property
    def fixed(self) -> bool:
        """Whether it is there in an empty centre, too, and nothing is done there."""
        return self.finds is None and not self.query and self.act is None and self.role is not Role.RESIDENT

    @property
    def turn(self) -> int:
        """What shows what others do comes late, and what writes down that somebody looked comes last."""
        return 2 if self.role is Role.RESIDENT else int(self.name == "now")


def all_pictures() -> list[Picture]:
    return [*_registered(), *_SINGLE, *_STATES]


def found_in(database: Path, pictures: Sequence[Picture]) -> dict[str, str]:
    """The address of each, by its name."""
    engine = open_reader(f"sqlite:///{database}")
    try:
        with reading(engine) as connection:
            return {each.name: _address(connection, each) for each in pictures}
    finally:
        engine.dispose()


def _address(connection: Connection, picture: Picture) -> str:
    values = picture.finds(connection) if picture.finds else {}
    return (picture.route + picture.query).format_map(values)


def _registered() -> Iterator[Picture]:
    """Each that stands in the navigation, as the first role that sees it."""
    for page in all_pages():
        role = next(role for role in Role if role in page.roles)
        for number, path in enumerate((page.path, *page.pictures)):
            yield Picture(f"{page.name}-{number}" if number else page.name, path, role)


# --- single things ---------------------------------------------------------------------------------------


def _a_let_home(connection: Connection) -> Values:
    """One in which several people live by a lease."""
    several = func.count(residency.c.id)
    asked = (
        select(residency.c.place_id, residency.c.community_id)
        .where(residency.c.tenancy_id.is_not(None), residency.c.until_at.is_(None))
        .group_by(residency.c.place_id, residency.c.community_id)
        .order_by(several.desc(), residency.c.place_id)
    )
    row: Any = connection.execute(asked).first()
    person = select(func.min(residency.c.person_id)).where(residency.c.place_id == row.place_id)
    return {"community": row.community_id, "place": row.place_id, "person": _one(connection, person)}


def _a_place(kind: PlaceKind) -> Finds:
    return _least(place.c.id, "place", place.c.kind == kind.value)


def _least(column: Any, name: str, *where: ColumnElement[bool], of: Any = func.min) -> Finds:
    def found(connection: Connection) -> Values:
        community = getattr(column.table.c, "community_id", None)
        number = _one(connection, select(of(column)).where(*where))
        if community is None:
            return {name: number}
        of_it = select(community).where(column == number).limit(1)
        return {name: number, "community": _one(connection, of_it)}

    return found


_OFFICERS: Final = look_up.c.account.in_(select(account.c.id).where(account.c.login == LOGINS[Role.OFFICER]))
"""Asked by the one whose account the sign-in page shows."""


def _answered(asked: Asked, *kinds: Happened, without: Happened | None = None) -> Finds:
    """The officer's newest look-up of that kind to which all of that happened."""

    def found(connection: Connection) -> Values:
        query = select(func.max(look_up.c.id)).where(look_up.c.question == asked.value, _OFFICERS)
        said = look_up_event.c
        for kind in kinds:
            query = query.where(look_up.c.id.in_(select(said.look_up_id).where(said.kind == kind.value)))
        if without is not None:
            query = query.where(
                look_up.c.id.not_in(select(said.look_up_id).where(said.kind == without.value))
            )
        return {"number": _one(connection, query)}

    return found


def _a_waiting_one(connection: Connection) -> Values:
    said = look_up_event.c
    given = select(said.look_up_id).where(said.kind == Happened.ANSWERED.value)
    waiting = select(func.max(look_up.c.id)).where(look_up.c.id.not_in(given), _OFFICERS)
    return {"number": _one(connection, waiting)}


def _a_round(connection: Connection) -> Values:
    """Yesterday's first of the first plan."""
    row: Any = connection.execute(select(tour_plan).order_by(tour_plan.c.id)).first()
    now: int = connection.execute(select(func.max(look_up.c.at))).scalar_one()
    day = f"{local(now - 86_400_000_000, ZONE):%Y-%m-%d}"
    return {"plan": row.id, "day": day, "start": json.loads(row.starts)[0]}


def _a_former_revision(connection: Connection) -> Values:
    """The newest that says something else than what holds now."""
    columns = sent_settings.c
    asked = select(columns.site, columns.id).where(columns.puts_back.is_(None)).order_by(columns.id.desc())
    row: Any = connection.execute(asked).first()
    return {"site": row.site, "number": row.id}


def _a_gateway(_: Connection) -> Values:
    return {"site": NO_READER[0], "name": NO_READER[1]}


def _one(connection: Connection, asked: Any) -> int:
    return int(connection.execute(asked).scalar_one())


_EMPTY_HOME: Final = _least(
    home_use.c.place_id, "place", home_use.c.use == HomeUse.EMPTY.value, home_use.c.until_at.is_(None)
)
_AN_IMPORT: Final = _least(register_import.c.id, "number")
_A_PASS: Final = _least(visitor_pass.c.id, "number", visitor_pass.c.revoked_at.is_(None), of=func.max)
_A_RESIDENTS_PASS: Final = _least(
    visitor_pass.c.id,
    "number",
    visitor_pass.c.issued_by.in_(
        select("account " + cast(account.c.id, Text)).where(account.c.role == Role.RESIDENT.value)
    ),
    of=func.max,
)
_A_REQUEST: Final = _least(own_request.c.id, "number", own_request.c.decision.is_(None), of=func.max)
_AN_ANSWER: Final = _answered(Asked.DOOR, Happened.REVEALED)
_PLACE, _PERSON = "/homes/{community}/places/{place}", "/homes/{community}/people/{person}"
_SETTINGS = "/operations/settings?site=riverside"
_REVISIONS, _LAKESIDE = "/operations/settings/revisions", "?site=lakeside"
_ANSWER, _ROUND = "/look-up/{number}", "?day={day}&plan={plan}&start={start}"

_SINGLE: Final = (
    Picture("sign-in", "/sign-in", None),
    Picture("activate", "/sign-in/activate", None),
    Picture("receipt", "/receipt", None),
    Picture("public-report-for-everybody", "/public-report", None),
    Picture("code", "/sign-in/code", Role.OPERATOR),
    Picture("enrol", "/sign-in/enrol", Role.WORKER, session="half"),
    Picture(
        "account-of-somebody", "/administration/{number}", Role.ADMINISTRATOR, _least(account.c.id, "number")
    ),
    Picture("estate", _PLACE, Role.WORKER, _a_place(PlaceKind.ESTATE)),
    Picture("building", _PLACE, Role.WORKER, _a_place(PlaceKind.BUILDING)),
    Picture("home", _PLACE, Role.WORKER, _a_let_home),
    Picture("move-in", _PLACE + "/move-in", Role.WORKER, _EMPTY_HOME),
    Picture("person", _PERSON, Role.WORKER, _a_let_home),
    Picture("import", "/homes/{community}/imports/{number}", Role.WORKER, _AN_IMPORT),
    Picture("pass", "/visitors/{number}", Role.WORKER, _A_PASS),
    Picture("visitor-moves-in", "/visitors/{number}/move-in", Role.WORKER, _A_PASS),
    Picture("new-request", "/requests/{community}/new", Role.WORKER, _a_let_home, "?person={person}"),
    Picture("request", "/requests/{community}/{number}", Role.WORKER, _A_REQUEST),
    Picture("answer", _ANSWER, Role.OFFICER, _AN_ANSWER),
    Picture("gateway", "/operations/{site}/{name}", Role.OPERATOR, _a_gateway),
    Picture(
        "settings-door",
        "/operations/settings/door",
        Role.OPERATOR,
        query="?site=riverside&door=east-unit-1",
    ),
    Picture("settings-revisions", _REVISIONS, Role.OPERATOR, query=_LAKESIDE),
    Picture("settings-revision", _REVISIONS + "/{site}/{number}", Role.OPERATOR, _a_former_revision),
    Picture("round", "/tours/round", Role.OPERATOR, _a_round, _ROUND),
    Picture("own-pass", "/own/visitors/{number}", Role.RESIDENT, _A_RESIDENTS_PASS),
)

_STATES: Final = (
    Picture("nowhere", "/nowhere", Role.WORKER),
    Picture("not-for-this-role", "/administration", Role.WORKER),
    Picture("palette", "/homes", Role.WORKER, act=gestures.opens_the_palette),
    Picture("menu", "/homes", Role.WORKER, act=gestures.opens(".menu summary")),
    Picture("look-up-room", "/look-up", Role.OFFICER, act=gestures.asks_by("room")),
    Picture("look-up-door", "/look-up", Role.OFFICER, act=gestures.asks_by("door")),
    Picture("look-up-urgent", "/look-up", Role.OFFICER, act=gestures.opens(".urgent summary")),
    Picture("look-up-wrong", "/look-up", Role.OFFICER, act=gestures.asks_wrongly),
    Picture("answer-table", _ANSWER, Role.OFFICER, _AN_ANSWER, "?view=table"),
    Picture("answer-places", _ANSWER, Role.OFFICER, _AN_ANSWER, "?view=places"),
    Picture("answer-unmasking", _ANSWER, Role.OFFICER, _AN_ANSWER, act=gestures.unmasks),
    Picture(
        "answer-about-somebody",
        _ANSWER,
        Role.OFFICER,
        _answered(Asked.PERSON, Happened.ANSWERED),
        act=gestures.waits_for_gaps,
    ),
    Picture("answer-waits", _ANSWER, Role.OFFICER, _a_waiting_one),
    Picture("people-found", "/homes/people", Role.WORKER, act=gestures.finds_somebody),
    Picture("people-new", "/homes/people", Role.WORKER, act=gestures.opens("details.fold summary")),
    Picture("move-in-wrong", _PLACE + "/move-in", Role.WORKER, _EMPTY_HOME, act=gestures.moves_in_wrongly),
    Picture("home-moving-out", _PLACE, Role.WORKER, _a_let_home, act=gestures.opens("details.fold summary")),
    Picture(
        "person-correcting", _PERSON, Role.WORKER, _a_let_home, act=gestures.opens("details.fold summary")
    ),
    Picture("import-being-read", "/homes/imports", Role.WORKER, act=gestures.brings_a_file),
    Picture("pass-more", "/visitors/new", Role.WORKER, act=gestures.opens("details.more summary")),
    Picture("pass-wrong", "/visitors/new", Role.WORKER, act=gestures.gives_a_wrong_pass),
    Picture("pass-given", "/visitors/new", Role.WORKER, act=gestures.gives_a_pass),
    Picture("person-card-lost", _PERSON, Role.WORKER, _a_let_home, act=gestures.reports_a_card_lost),
    Picture("home-use-changed", _PLACE, Role.WORKER, _a_let_home, act=gestures.changes_the_use),
    Picture("lease-ends", "/homes/leases", Role.WORKER, act=gestures.opens("details.fold summary")),
    Picture("now-alarm-seen", "/", Role.OFFICER, act=gestures.sees_to_an_alarm),
    Picture("now-one-building", "/", Role.OFFICER, _a_place(PlaceKind.BUILDING), "?at={place}"),
    Picture("own-pin", "/own/visitors", Role.RESIDENT, act=gestures.gives_a_pin),
    Picture("rule-tried", "/operations/rules", Role.OPERATOR, act=gestures.tries_a_rule),
    Picture("settings-differences", _SETTINGS, Role.OPERATOR, act=gestures.looks_at_differences),
    Picture(
        "command-late",
        "/operations/{site}/{name}",
        Role.OPERATOR,
        _a_gateway,
        act=gestures.commands_late,
        session="stale",
    ),
    Picture("settings-stale", _SETTINGS, Role.OPERATOR, act=gestures.sends_late, session="stale"),
    Picture("tour-plans-new", "/tours/plans", Role.WORKER, act=gestures.opens("details.fold summary")),
    Picture("account-made", "/administration/new", Role.ADMINISTRATOR, act=gestures.makes_an_account),
)
