"""Of which single things of the community `./liuhen shots` takes pictures: pages without a fixed address."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, func, select

from bench.community.standing import NO_READER
from central.accounts.who import Role
from central.lookup.words import Asked, Happened
from central.register.words import HomeUse, PlaceKind
from central.store.engine import open_reader, reading
from central.store.import_tables import register_import
from central.store.lookup_tables import look_up, look_up_event
from central.store.register_tables import home_use, place, residency
from central.store.visitor_tables import visitor_pass


class Picture(NamedTuple):
    """`role`: who looks; None: nobody has signed in."""

    name: str
    path: str
    role: Role | None


_OF_A_GATEWAY: Final = f"/operations/{NO_READER[0]}/{NO_READER[1]}"


def pictures_of(database: Path) -> list[Picture]:
    engine = open_reader(f"sqlite:///{database}")
    try:
        with reading(engine) as connection:
            return list(_pictures(connection))
    finally:
        engine.dispose()


def _pictures(connection: Connection) -> Iterator[Picture]:
    yield Picture("sign-in", "/sign-in", None)
    home = _let_home(connection)
    here = f"/homes/{home.community_id}"
    building = select(func.min(place.c.id)).where(place.c.kind == PlaceKind.BUILDING)
    empty = select(func.min(home_use.c.place_id)).where(_used(HomeUse.EMPTY))
    person = select(func.min(residency.c.person_id)).where(residency.c.place_id == home.place_id)
    pass_ = select(func.max(visitor_pass.c.id)).where(visitor_pass.c.revoked_at.is_(None))
    single = {
        "building": f"{here}/places/{_one(connection, building)}",
        "home": f"{here}/places/{home.place_id}",
        "move-in": f"{here}/places/{_one(connection, empty)}/move-in",
        "person": f"{here}/people/{_one(connection, person)}",
        "import": f"{here}/imports/{_one(connection, select(func.min(register_import.c.id)))}",
        "pass": f"/visitors/{_one(connection, pass_)}",
    }
    for name, path in single.items():
        yield Picture(name, path, Role.WORKER)
    yield Picture("answer", f"/look-up/{_answered(connection)}", Role.OFFICER)
    yield Picture("gateway", _OF_A_GATEWAY, Role.OPERATOR)


def _let_home(connection: Connection) -> Any:
    """One in which several people live by a lease."""
    several = func.count(residency.c.id)
    asked = (
        select(residency.c.place_id, residency.c.community_id)
        .where(residency.c.tenancy_id.is_not(None), residency.c.until_at.is_(None))
        .group_by(residency.c.place_id, residency.c.community_id)
        .order_by(several.desc(), residency.c.place_id)
    )
    return connection.execute(asked).first()


def _used(use: HomeUse) -> Any:
    return (home_use.c.use == use.value) & home_use.c.until_at.is_(None)


def _answered(connection: Connection) -> int:
    """The officer's newest look-up of a door that was answered, and of which something was revealed."""
    said = look_up_event.c
    asked = (
        select(func.max(look_up.c.id))
        .join(look_up_event, said.look_up_id == look_up.c.id)
        .where(look_up.c.question == Asked.DOOR, said.kind == Happened.REVEALED)
    )
    return _one(connection, asked)


def _one(connection: Connection, asked: Any) -> int:
    return int(connection.execute(asked).scalar_one())
