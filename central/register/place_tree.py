"""Questions about the tree of places: what lies above and below one, where a name is found. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import CTE, Connection, Select, and_, func, literal_column, or_, select

from central.errors import NotThere
from central.register.desk import row_of
from central.register.place_names import tidy
from central.register.words import PlaceKind
from central.store.register_tables import door_place, home_use, place, place_former

MAX_CHILDREN: Final = 2_000
_CANDIDATES: Final = 2_000
_LONGEST_ROOM: Final = 16
_IN_ONE_QUESTION: Final = 500


@dataclass(frozen=True, slots=True)
class Place:
    id: int
    parent_id: int | None
    kind: str
    name: str
    code: str | None
    from_us: int
    until_us: int | None


class Step(NamedTuple):
    """One place on the way from the community down to another one."""

    id: int
    kind: str
    name: str


def place_of(row: Any) -> Place:
    return Place(row.id, row.parent_id, row.kind, row.name, row.code, row.from_at, row.until_at)


def get_place(connection: Connection, community: int, place_id: int) -> Place:
    """Raises NotThere."""
    return place_of(row_of(connection, place, community, place_id, "place"))


def root_of(connection: Connection, community: int) -> Place:
    """The community as a place. Raises NotThere."""
    mine = (place.c.community_id == community) & place.c.parent_id.is_(None)
    row = connection.execute(select(place).where(mine).order_by(place.c.id).limit(1)).one_or_none()
    if row is None:
        raise NotThere("no such community")
    return place_of(row)


def children(
    connection: Connection, community: int, parent: int, *, after: Place | None = None, limit: int = 200
) -> list[Place]:
    """Those that are there now, in their order; `after`: the last one of the page before."""
    there = [place.c.community_id == community, place.c.parent_id == parent, place.c.until_at.is_(None)]
    if after is not None:
        last = select(place.c.sort_key).where(place.c.id == after.id).scalar_subquery()
        there.append(or_(place.c.sort_key > last, and_(place.c.sort_key == last, place.c.id > after.id)))
    asked = select(place).where(*there).order_by(place.c.sort_key, place.c.id).limit(limit)
    return [place_of(row) for row in connection.execute(asked)]


def below(starts: Select[Any]) -> CTE:
    """(start, id) of every place that lies in one of `starts`, itself included; `starts` gives ids."""
    first = starts.subquery()
    begun = select(first.c[0].label("start"), first.c[0].label("id")).cte("below", recursive=True)
    step = select(begun.c.start, place.c.id).join(begun, place.c.parent_id == begun.c.id)
    return begun.union_all(step)


def above(starts: Select[Any]) -> CTE:
    """(start, id, depth) of every place that one of `starts` lies in, itself included at depth 0."""
    first = starts.subquery()
    begun = (
        select(first.c[0].label("start"), place.c.id, place.c.parent_id, literal_column("0").label("depth"))
        .join(place, place.c.id == first.c[0])
        .cte("above", recursive=True)
    )
    step = select(begun.c.start, place.c.id, place.c.parent_id, begun.c.depth + 1).join(
        begun, place.c.id == begun.c.parent_id
    )
    return begun.union_all(step)


def ancestors(connection: Connection, place_id: int) -> list[int]:
    """Itself, what it lies in, and so on up to the community."""
    chain = above(select(place.c.id).where(place.c.id == place_id))
    return list(connection.execute(select(chain.c.id).order_by(chain.c.depth)).scalars())


def paths(connection: Connection, places: Iterable[int]) -> dict[int, tuple[Step, ...]]:
    """From below the community down to each of them."""
    wanted = sorted(set(places))
    found: dict[int, list[Step]] = {}
    for at in range(0, len(wanted), _IN_ONE_QUESTION):
        chain = above(select(place.c.id).where(place.c.id.in_(wanted[at : at + _IN_ONE_QUESTION])))
        asked = (
            select(chain.c.start, place.c.id, place.c.kind, place.c.name)
            .join(place, place.c.id == chain.c.id)
            .where(place.c.parent_id.is_not(None))
            .order_by(chain.c.start, chain.c.depth.desc())
        )
        for start, *step in connection.execute(asked):
            found.setdefault(start, []).append(Step(*step))
    return {start: tuple(steps) for start, steps in found.items()}


def path_text(path: Sequence[Step]) -> str:
    """Such as 东湖小区 3 号楼 2 单元 301."""
    return " ".join(step.name for step in path)


def search(connection: Connection, community: int, text: str, *, limit: int = 20) -> list[Place]:
    """Places by the beginning of their name, pinyin, initials or code. Of several words the last one is of
    the place itself, each other one of something that it lies in: `dhxq 3 301`."""
    words = tidy(text).lower().split()
    if not words:
        return []
    there = (place.c.community_id == community) & place.c.until_at.is_(None) & place.c.parent_id.is_not(None)
    asked = select(place).where(there, _begins(words[-1])).order_by(place.c.sort_key, place.c.id)
    rows = connection.execute(asked.limit(limit if len(words) == 1 else _CANDIDATES)).all()
    if len(words) > 1:
        within = _matching(connection, community, words[:-1], [row.id for row in rows])
        rows = [row for row in rows if row.id in within][:limit]
    return [place_of(row) for row in rows]


def rooms_written(connection: Connection, community: int, text: str) -> list[int]:
    """Rooms whose way is written so, from some place above them down, with or without spaces: of
    枫林家园 1 号楼 101 and of 1号楼101 that one, though 1 is also how 10 号楼 begins."""
    written = _closed(tidy(text))
    endings = [written[at:] for at in range(max(1, len(written) - _LONGEST_ROOM), len(written))]
    name = func.replace(func.lower(place.c.name), " ", "")
    room = (place.c.kind == PlaceKind.ROOM) & place.c.until_at.is_(None) & name.in_(endings)
    asked = select(place.c.id).where(place.c.community_id == community, room)
    rooms = connection.execute(asked).scalars().all()
    return [
        found
        for found, way in paths(connection, rooms).items()
        if any(_closed(path_text(way[at:])) == written for at in range(len(way) - 1))
    ]


def _closed(name: str) -> str:
    return name.replace(" ", "").lower()


def is_room(connection: Connection, community: int, place_id: int) -> bool:
    """One of that community, that is there or was."""
    mine = (place.c.id == place_id) & (place.c.community_id == community) & (place.c.kind == PlaceKind.ROOM)
    return connection.execute(select(place.c.id).where(mine)).first() is not None


def name_as_of(connection: Connection, community: int, place_id: int, at_us: int) -> str:
    """What it was called at that time. Raises NotThere."""
    now = get_place(connection, community, place_id)
    former = (place_former.c.place_id == place_id) & (place_former.c.until_at > at_us)
    asked = select(place_former.c.name).where(former).order_by(place_former.c.until_at).limit(1)
    found = connection.execute(asked).scalar()
    return now.name if found is None else str(found)


def formers(connection: Connection, community: int, place_id: int) -> list[Any]:
    """What it was called and where it stood, oldest first: rows of `place_former`."""
    mine = (place_former.c.place_id == place_id) & (place_former.c.community_id == community)
    return list(connection.execute(select(place_former).where(mine).order_by(place_former.c.until_at)))


def uses(connection: Connection, community: int, rooms: Collection[int]) -> Mapping[int, str]:
    """What each of these rooms is used for now, where it is known."""
    mine = (home_use.c.community_id == community) & home_use.c.until_at.is_(None)
    asked = select(home_use.c.place_id, home_use.c.use).where(mine, home_use.c.place_id.in_(list(rooms)))
    return {row.place_id: row.use for row in connection.execute(asked)}


def _begins(word: str) -> Any:
    """Chinese also in the midst of a name: of 1 号楼 people say 号楼, but of 101 nobody says 01."""
    name = func.replace(func.lower(place.c.name), " ", "")
    of_name = (
        name.startswith(word, autoescape=True) if word.isascii() else name.contains(word, autoescape=True)
    )
    return or_(
        of_name,
        place.c.pinyin.startswith(word, autoescape=True),
        place.c.initials.startswith(word, autoescape=True),
        func.lower(place.c.code).startswith(word, autoescape=True),
    )


def doors_lead(
    connection: Connection, communities: Collection[int], *, former: bool = False
) -> dict[tuple[str, str, str], int]:
    """By site, gateway and door: the place that it leads to; `former`: or that it led to last."""
    columns = door_place.c
    query = select(columns.site, columns.gateway, columns.door, columns.place_id)
    query = query.where(columns.community_id.in_(communities)).order_by(columns.id)
    rows = connection.execute(query if former else query.where(columns.until_at.is_(None)))
    return {(row.site, row.gateway, row.door): row.place_id for row in rows}


def _matching(connection: Connection, community: int, words: list[str], candidates: list[int]) -> set[int]:
    """Those candidates above which there is a place for each of the words."""
    wanted: dict[int, set[int]] = {}
    for rank, word in enumerate(words):
        mine = (place.c.community_id == community) & place.c.until_at.is_(None)
        for found in connection.execute(select(place.c.id).where(mine, _begins(word))).scalars():
            wanted.setdefault(found, set()).add(rank)
    chosen = set()
    for start, path in paths(connection, candidates).items():
        met: set[int] = set()
        for step in path[:-1]:
            met |= wanted.get(step.id, set())
        if len(met) == len(words):
            chosen.add(start)
    return chosen
