"""Two communities never see each other on PostgreSQL, also where the code forgets to ask whose rows they are.

Every table gets a row of either community, made from its columns alone: a table that is added later is in it.
"""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, date
from itertools import count

import httpx
import psycopg
import pytest
from central_support import GATEWAY, START_US, a_block, a_chain
from central_web_support import SEALER, WELL, a_settings
from fastapi import FastAPI, Request
from postgres_support import Postgres
from sqlalchemy import (
    Column,
    Engine,
    Executable,
    Integer,
    LargeBinary,
    Table,
    func,
    insert,
    make_url,
    select,
    text,
    update,
)

from central.accounts.book import make_community
from central.accounts.guard import NoGuard
from central.accounts.rates import Rates
from central.accounts.who import Role, Who
from central.app import create_app
from central.errors import NotThere, StoreRefused, StoreUnavailable
from central.ingest.intake import examine, take_in
from central.lookup.public_reports import PublicReports
from central.store.engine import migrate, open_reader, open_writer, reading, writing
from central.store.questions import Questions
from central.store.row_policies import FREE, admit_receipt, apply_policies, bind, condition_of, undeclared
from central.store.schema import metadata
from central.store.scope import ask_within, asked_within
from central.store.tables import gateway, record
from central.store.visitor_tables import visitor_pass, visitor_pass_event
from messages.topics import GatewayTopic, Leaf

OURS, THEIRS = 1, 2
BOUND = [table for table in metadata.sorted_tables if condition_of(table) is not None]

Row = dict[str, object]


def test_every_table_is_bound_to_communities_or_declared_free_of_them() -> None:
    assert undeclared() == [], (
        "say in central/store/row_policies.py whose rows these are: VIA, or FREE with the reason; or, for"
        " names that are no table any more, remove them"
    )
    assert len(BOUND) > 30


def a_row(table: Table, community: int, made: dict[str, Row], numbers: Iterator[int]) -> Row:
    """Of a community, fit for the table's columns; refers to rows of the same community."""

    def value(column: Column[object]) -> object:
        if column.name == "community_id" or (table.name, column.name) == ("community", "id"):
            return community
        for key in column.foreign_keys:
            if key.column.table is table:
                return None
            return made[key.column.table.name][key.column.name]
        if column.name == "gateway_id":
            return made["gateway"]["id"]
        if column.name == "site":
            return made["site"]["name"]
        if column.nullable:
            return None
        if isinstance(column.type, LargeBinary):
            return next(numbers).to_bytes(16)
        return next(numbers) if isinstance(column.type, Integer) else f"t{next(numbers)}"

    return {column.name: value(column) for column in table.columns}


@pytest.fixture(scope="module")
def url(postgres: Postgres, migrated_database: str) -> str:
    """Of a database where every table has one row of either community."""
    address = postgres.new_database(migrated_database)
    writer, numbers, first = open_writer(address), count(1_000), ("community", "site", "gateway")
    with writing(writer) as connection:
        for community in (OURS, THEIRS):
            made: dict[str, Row] = {}
            ordered = {each: number for number, each in enumerate(first)}
            for table in sorted(metadata.sorted_tables, key=lambda each: ordered.get(each.name, len(first))):
                made[table.name] = a_row(table, community, made, numbers)
                connection.execute(insert(table).values(made[table.name]))
    writer.dispose()
    return address


@pytest.fixture
def reader(url: str) -> Iterator[Engine]:
    opened = open_reader(url)
    yield opened
    opened.dispose()


def seen(reader: Engine, table: Table, *communities: int) -> int:
    with reading(reader) as connection:
        bind(connection, frozenset(communities))
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def bound(reader: Engine, statement: Executable) -> None:
    with reading(reader) as connection:
        bind(connection, frozenset({OURS}))
        connection.execute(statement)


@pytest.mark.parametrize("table", BOUND, ids=lambda table: table.name)
def test_each_community_sees_its_own_rows_and_whoever_has_no_scope_sees_none(
    reader: Engine, table: Table
) -> None:
    found = [seen(reader, table, *scope) for scope in ((), (OURS,), (THEIRS,), (OURS, THEIRS), (99,))]
    assert found == [0, 1, 1, 2, 0]


def test_what_is_free_of_communities_is_read_by_all(reader: Engine) -> None:
    assert {name: seen(reader, metadata.tables[name]) for name in FREE} == dict.fromkeys(FREE, 2)


def test_a_question_that_names_the_other_community_gets_nothing(reader: Engine) -> None:
    """Not by its id, not by a join, not by the partition's own name."""
    with reading(reader) as connection:
        theirs = connection.execute(select(gateway.c.id).order_by(gateway.c.id.desc())).scalars().first()
    with reading(reader) as connection:
        bind(connection, frozenset({OURS}))
        assert connection.execute(select(record).where(record.c.gateway_id == theirs)).all() == []
        joined = select(record.c.id).join(gateway, gateway.c.id == record.c.gateway_id)
        assert len(connection.execute(joined).all()) == 1
    with pytest.raises(StoreUnavailable, match="permission denied"):
        bound(reader, text("SELECT * FROM record_other"))


def test_the_web_asks_within_what_its_guard_said_and_the_next_request_within_nothing(reader: Engine) -> None:
    questions = Questions(reader)
    app = FastAPI()
    app.state.rates = Rates(an_account=1, a_token=1, an_address=1)

    async def asked(*communities: int) -> int:
        ask_within(communities)
        return await questions.ask(
            lambda db: db.execute(select(func.count()).select_from(record)).scalar_one()
        )

    async def open_to_all() -> int:
        ask_within({OURS})
        await NoGuard()(Request({"type": "http", "app": app, "client": ("192.0.2.1", 1)}))
        return await questions.ask(
            lambda db: db.execute(select(func.count()).select_from(record)).scalar_one()
        )

    async def all_at_once() -> list[int]:
        return await asyncio.gather(
            *(asked(*scope) for scope in ((OURS,), (), (OURS, THEIRS)) * 5), open_to_all()
        )

    assert asyncio.run(all_at_once()) == [1, 0, 2] * 5 + [0]


def test_the_bound_reader_writes_nothing(reader: Engine) -> None:
    with pytest.raises(StoreUnavailable, match="read-only"):
        bound(reader, insert(gateway).values(site="a", name="b", first_heard_at=1))


HELD, OTHERS, LOCKED = "7K3M-Q9TX-2BHD", "2BHD-7K3M-Q9TX", "Q9TX-2BHD-7K3M"


@pytest.fixture
def with_receipts(url: str) -> Iterator[None]:
    """Two passes of their community have one; ours has none."""
    writer = open_writer(url)
    theirs = (visitor_pass.c.community_id == THEIRS, visitor_pass.c.community_id == OURS)
    with writing(writer) as connection:
        for where, receipt in zip(theirs, (HELD, OTHERS), strict=True):
            connection.execute(update(visitor_pass).where(where).values(receipt=receipt))
    yield
    with writing(writer) as connection:
        connection.execute(update(visitor_pass).values(receipt=None))
    writer.dispose()


@pytest.mark.usefixtures("with_receipts")
@pytest.mark.parametrize("scope", [(), (99,)], ids=["no scope", "another community"])
def test_whoever_holds_a_receipt_sees_that_pass_and_nothing_else(
    reader: Engine, scope: tuple[int, ...]
) -> None:
    with reading(reader) as connection:
        bind(connection, frozenset(scope))
        admit_receipt(connection, HELD)
        assert connection.execute(select(visitor_pass.c.receipt)).scalars().all() == [HELD]
        others = [table for table in BOUND if table.name not in {"visitor_pass", "visitor_pass_event"}]
        rows = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in others
        }
        assert rows == dict.fromkeys(rows, 0)
        assert len(connection.execute(select(visitor_pass_event)).all()) == 1, "of that pass"
    assert seen(reader, visitor_pass) == 0, "the next question holds none"


def test_the_public_report_names_communities_to_whoever_has_no_scope(reader: Engine) -> None:
    """And asks within the one alone that it is about."""
    seen_by: list[int] = []

    async def told() -> None:
        reports = PublicReports(Questions(reader), UTC, lambda: START_US)
        seen_by.extend(each.id for each in await reports.communities("127.0.0.1"))
        assert (await reports.told(OURS, date(2023, 1, 1))).community == OURS
        assert asked_within() == {OURS}
        with pytest.raises(NotThere):
            await reports.told(99, date(2023, 1, 1))

    asyncio.run(told())
    assert seen_by == [OURS, THEIRS]


@pytest.mark.usefixtures("with_receipts")
@pytest.mark.parametrize("held", ["", "%", "_" * 14, LOCKED, HELD.lower(), HELD[:-1], f"{HELD},{OTHERS}"])
def test_what_is_no_receipt_opens_no_pass(reader: Engine, held: str) -> None:
    with reading(reader) as connection:
        bind(connection, frozenset())
        admit_receipt(connection, held)
        assert connection.execute(select(visitor_pass.c.id)).all() == []


def test_the_next_transaction_of_a_connection_is_not_bound_by_the_last_one(url: str) -> None:
    writer = open_writer(url)  # one connection
    with writing(writer) as connection:
        bind(connection, frozenset({OURS}))
    with writing(writer) as connection:
        assert connection.execute(select(func.count()).select_from(record)).scalar_one() == 2
    writer.dispose()


def test_policies_that_somebody_removed_are_there_again_after_a_start(postgres: Postgres, url: str) -> None:
    writer = open_writer(url)
    with writing(writer) as connection:
        connection.execute(text("ALTER TABLE person DISABLE ROW LEVEL SECURITY"))
        connection.execute(text("DROP POLICY liuhen_communities ON record"))
        connection.execute(text("COMMENT ON POLICY liuhen_communities ON holder IS 'of an older program'"))
    migrate(writer)
    writer.dispose()
    again = open_reader(url)
    assert [seen(again, metadata.tables[name], OURS) for name in ("person", "record", "holder")] == [1, 1, 1]
    again.dispose()


def test_a_start_that_finds_them_as_they_should_be_changes_nothing(url: str) -> None:
    writer = open_writer(url)
    with writing(writer) as connection:
        before = connection.execute(text("SELECT oid, xmin FROM pg_policy ORDER BY oid")).all()
        apply_policies(connection)
        assert connection.execute(text("SELECT oid, xmin FROM pg_policy ORDER BY oid")).all() == before
    writer.dispose()


def test_a_user_that_may_make_no_role_is_told_what_to_ask_for() -> None:
    """In a PostgreSQL of its own: roles are of the whole server."""
    with Postgres() as server:
        with server.connect("postgres") as connection:
            connection.execute("CREATE ROLE plain LOGIN")
            connection.execute("CREATE DATABASE plain OWNER plain")
        address = make_url(server.new_database()).set(username="plain", database="plain")
        writer = open_writer(address.render_as_string(hide_password=False))
        with pytest.raises(StoreRefused, match="CREATE ROLE liuhen_reader NOLOGIN; GRANT liuhen_reader"):
            migrate(writer)
        with server.connect("postgres") as connection:
            connection.execute("CREATE ROLE liuhen_reader NOLOGIN")
            connection.execute("GRANT liuhen_reader TO plain")
        migrate(writer)
        with writing(writer) as connection:
            bind(connection, frozenset({OURS}))
            assert connection.execute(select(record)).all() == []
        writer.dispose()
        with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
            psycopg.connect(host=address.query["host"], user="liuhen_reader", dbname="plain")  # type: ignore[arg-type]


def test_two_communities_stay_apart_over_the_api_with_the_code_s_check_removed(
    postgres: Postgres, migrated_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = postgres.new_database(migrated_database)
    writer, reader = open_writer(address), open_reader(address)
    for site in ("ours", "theirs"):
        with writing(writer) as connection:
            community = make_community(connection, site, site, [site], START_US)
            block = a_block(a_chain(3, door="main"))
            take_in(connection, [examine(str(GatewayTopic(site, GATEWAY, Leaf.JOURNAL)), block)], START_US)
    for module in ("central.fleet.api", "central.lookup.api"):
        monkeypatch.setattr(f"{module}.sites_of", lambda *_: ["ours", "theirs"])
    app = create_app(
        a_settings(database={"url": address}),
        reader,
        writer,
        sealer=SEALER,
        ingest_status=lambda: WELL,
        stopping=threading.Event(),
    )

    async def identify(_: Request) -> Who:
        return Who(1, Role.OFFICER, frozenset({community}))

    app.state.identify = identify
    question = {"gateway": GATEWAY, "door": "main", "from": "2023-11-14T00:00Z", "until": "2023-11-16T00:00Z"}

    async def asked() -> tuple[list[str], list[int]]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            seen = [each["site"] for each in (await client.get("/api/v1/gateways")).json()]
            doors = [
                await client.get("/api/v1/entries", params={"site": site, **question})
                for site in ("theirs", "ours")
            ]
            return seen, [len(door.json()["entries"]) for door in doors]

    assert asyncio.run(asked()) == (["theirs"], [3, 0])
    reader.dispose()
    writer.dispose()
