"""The feed where several processes write: what is committed after a higher number is not passed over."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from central_support import SITE
from central_web_support import COMMUNITY, NOW_US, Chain, Filled, a_filled, secretive
from postgres_support import Postgres
from sqlalchemy import Connection

from central.accounts.book import make_community
from central.ingest.intake import examine, take_in
from central.lookup.entries import EVERYTHING, Wanted, newest
from central.lookup.feed import AT_ONCE, Follower, News, follow, page_goes_on_after
from central.store.engine import open_reader, open_writer, reading, writing
from central.store.questions import Questions
from messages.model import Kind
from messages.topics import GatewayTopic

SLOW, QUICK = "slow", "quick"


@pytest.fixture
def address(postgres: Postgres, migrated_database: str) -> Iterator[str]:
    made = postgres.new_database(migrated_database)
    writer = open_writer(made)
    with writing(writer) as connection:
        make_community(connection, "310101001001", "枫园社区", [SITE], NOW_US)
        for name in (SLOW, QUICK):
            take(connection, Chain(name))
    yield made
    writer.dispose()


def take(connection: Connection, chain: Chain) -> None:
    """Its next record."""
    secretive(chain, 1, door="door-1")
    leaf, payload = chain.block(len(chain.bodies))
    take_in(connection, [examine(str(GatewayTopic(SITE, chain.gateway, leaf)), payload)], NOW_US)


def grown(name: str) -> Chain:
    """As the fixture left it."""
    chain = Chain(name)
    secretive(chain, 1, door="door-1")
    return chain


async def until_looked(found: AsyncIterator[News], looks: asyncio.Semaphore) -> asyncio.Task[News]:
    """The next news, while it is waited for, after the feed has looked once more in vain."""
    waiting = asyncio.ensure_future(anext(found))
    for _ in range(2):
        await looks.acquire()
    assert not waiting.done()
    return waiting


def test_a_record_that_is_committed_after_a_higher_one_is_told_to_who_follows_from_now_on(
    address: str,
) -> None:
    writers = [open_writer(address) for _ in (SLOW, QUICK)]
    reader = open_reader(address)

    async def told() -> list[str]:
        looks = asyncio.Semaphore(0)

        async def may() -> bool:
            looks.release()
            return True

        seen: list[str] = []
        slow, quick = grown(SLOW), grown(QUICK)
        follower = Follower([1], may)
        found = follow(Questions(reader, bound=False), None, threading.Event(), follower)
        with writing(writers[0]) as late:
            take(late, slow)
            with writing(writers[1]) as early:
                take(early, quick)
            waiting = await until_looked(found, looks)
        seen += [entry.gateway for entry in (await waiting).entries]
        with writing(writers[1]) as early:
            take(early, quick)
        while len(seen) < 2:
            seen += [entry.gateway for entry in (await anext(found)).entries]
        return seen

    try:
        assert asyncio.run(told()) == [SLOW, QUICK]
    finally:
        for each in (*writers, reader):
            each.dispose()


def test_what_came_late_is_told_from_the_marks_that_processes_note_beside_each_other(address: str) -> None:
    writers, reader = [open_writer(address) for _ in (SLOW, QUICK)], open_reader(address)
    with writing(writers[0]) as late:
        take(late, grown(SLOW))
        with writing(writers[1]) as early:
            take(early, grown(QUICK))
    with reading(reader) as connection:
        found = newest(connection, 10, [SITE])
        one = Wanted(doors=frozenset({(SITE, QUICK, "door-1")}))
        assert [each.gateway for each in newest(connection, 10, [SITE], one)] == [QUICK, QUICK]
        marks = connection.exec_driver_sql("SELECT count(*) FROM arrival_mark").scalar()
    assert {each.came_after_us for each in found} == {NOW_US}
    assert (len(found), marks) == (4, 1)
    for each in (*writers, reader):
        each.dispose()


def test_a_crowd_at_one_door_hides_no_refusal_at_another_and_what_is_passed_over_is_said(
    tmp_path: Path,
) -> None:
    """Of what came between two looks: as when a gateway sends its backlog, or a page comes back."""

    def looked(filled: Filled, wanted: Wanted) -> list[News]:
        async def told() -> list[News]:
            looks = iter([True, False])

            async def may() -> bool:
                return next(looks)

            follower = Follower([COMMUNITY], may, wanted, newest_alone=True)
            found = follow(Questions(filled.reader, bound=False), 0, threading.Event(), follower)
            return [news async for news in found]

        return asyncio.run(told())

    with a_filled(tmp_path) as filled:
        quiet, crowd = Chain("quiet"), Chain("crowd")
        quiet.grow(door="door-1", kind=Kind.ACCESS_DENIED)
        crowd.grow(2 * AT_ONCE, door="door-1")
        for chain in (quiet, crowd):
            filled.take(chain.block(), gateway=chain.gateway)
        for wanted in (
            Wanted(SITE, "quiet"),
            Wanted(kinds=frozenset({Kind.ACCESS_DENIED})),
            Wanted(doors=frozenset({(SITE, "quiet", "door-1")})),
        ):
            (news,) = looked(filled, wanted)
            assert ([each.id for each in news.entries], news.passed_over) == ([1], False)
            assert news.number == 2 * AT_ONCE + 1
        (all_of_it,) = looked(filled, EVERYTHING)
        assert [each.id for each in all_of_it.entries] == list(range(AT_ONCE + 2, 2 * AT_ONCE + 2))
        assert all_of_it.passed_over


def test_a_page_reads_again_what_may_come_late_among_what_it_shows(address: str) -> None:
    reader = open_reader(address)
    with reading(reader) as connection:
        assert page_goes_on_after(connection, 350) == 250
    reader.dispose()
