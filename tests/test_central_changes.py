"""Changes from the web: whole or not at all, one after the other, answered once they are committed."""

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import Column, Connection, Engine, MetaData, Table, func, insert, select

from central.errors import Clash, RowRefused
from central.store.changes import Changes
from central.store.engine import open_reader, reading
from central.store.tables import Whole

OWN = MetaData()
NOTE = Table("some_note", OWN, Column("id", Whole, primary_key=True))


@pytest.fixture
def changes(engine: Engine) -> Iterator[Changes]:
    OWN.create_all(engine)
    yield Changes(engine)
    OWN.drop_all(engine)


def notes(url: str) -> list[int]:
    """As somebody else sees them."""
    reader = open_reader(url)
    try:
        with reading(reader) as connection:
            return list(connection.execute(select(NOTE.c.id).order_by(NOTE.c.id)).scalars())
    finally:
        reader.dispose()


def test_an_answer_comes_after_the_commit(changes: Changes, database_url: str) -> None:
    def add(connection: Connection) -> str:
        connection.execute(insert(NOTE).values(id=1))
        return "added"

    assert asyncio.run(changes.make(add)) == "added"
    assert notes(database_url) == [1]


def test_a_change_that_raises_is_rolled_back_whole(changes: Changes, database_url: str) -> None:
    def half(connection: Connection) -> None:
        connection.execute(insert(NOTE).values(id=1))
        raise Clash("in the middle")

    with pytest.raises(Clash, match="in the middle"):
        asyncio.run(changes.make(half))
    assert notes(database_url) == []


def test_rows_that_the_database_rejects_change_nothing(changes: Changes, database_url: str) -> None:
    def twice(connection: Connection) -> None:
        for number in (1, 2, 1):
            connection.execute(insert(NOTE).values(id=number))

    with pytest.raises(RowRefused):
        asyncio.run(changes.make(twice))
    assert notes(database_url) == []


def test_changes_that_come_together_are_made_one_after_the_other(changes: Changes, database_url: str) -> None:
    """Each takes the number after the highest: two at once would take the same one."""

    def append(connection: Connection) -> None:
        highest = connection.execute(select(func.coalesce(func.max(NOTE.c.id), 0))).scalar_one()
        connection.execute(insert(NOTE).values(id=highest + 1))

    async def all_at_once() -> None:
        await asyncio.gather(*(changes.make(append) for _ in range(20)))

    asyncio.run(all_at_once())
    assert notes(database_url) == list(range(1, 21))
