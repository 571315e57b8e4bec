"""Many rows in few statements, on both engines."""

import pytest
from central_support import a_record
from msgspec.structs import replace
from sqlalchemy import Engine, insert, select

from central.store.engine import (
    answers,
    gateways_named,
    insert_many,
    months_asked,
    put_together,
    rows_of_gateways,
    upsert_many,
    writing,
)
from central.store.records import row_of
from central.store.tables import gateway, record, segment


def know_gateways(engine: Engine, *names: str, site: str = "maple-court") -> None:
    with writing(engine) as connection:
        for name in names:
            connection.execute(insert(gateway).values(site=site, name=name, first_heard_at=1))


@pytest.mark.parametrize("count", [1, 63, 64, 65, 191])
def test_each_row_is_there_once_and_in_its_order(engine: Engine, count: int) -> None:
    know_gateways(engine, "east-1")
    rows = [row_of(1, a_record(seq), seq.to_bytes(32, "big")) for seq in range(1, count + 1)]
    with writing(engine) as connection:
        insert_many(connection, record, rows)
        stored = connection.execute(select(record.c.seq, record.c.hash).order_by(record.c.id)).all()
    assert [(seq, int.from_bytes(digest, "big")) for seq, digest in stored] == [
        (n, n) for n in range(1, count + 1)
    ]


def test_where_the_key_is_there_only_what_may_change_is_changed(engine: Engine) -> None:
    know_gateways(engine, "east-1", "east-2")
    before = [(1, 1, 1, 5, b"a", b"five"), (2, 1, 1, 7, b"b", b"seven")]
    after = [(1, 1, 1, 9, b"other", b"nine"), (1, 1, 20, 30, b"c", b"thirty")]
    with writing(engine) as connection:
        upsert_many(connection, segment, before, ("last", "last_hash"))
        upsert_many(connection, segment, after, ("last", "last_hash"))
        found = sorted(rows_of_gateways(connection, segment, [1]))
        assert [tuple(row) for row in found] == [(1, 1, 1, 9, b"a", b"nine"), after[1]]
        assert len(rows_of_gateways(connection, segment, [1, 2])) == 3
        assert rows_of_gateways(connection, segment, []) == []


def test_gateways_are_found_by_site_and_name_and_their_parts_with_them(engine: Engine) -> None:
    know_gateways(engine, "east-2", "east-1")
    know_gateways(engine, "east-1", site="elm-court")
    know_gateways(engine, 'a "quoted\\ one, {NULL}')
    parts = [(1, 1, 1, 5, b"a", b"five"), (3, 1, 1, 7, b"b", b"seven"), (4, 1, 1, 9, b"c", b"nine")]
    names = [("maple-court", name) for name in ("east-1", "east-2", "west-9", 'a "quoted\\ one, {NULL}')]
    with writing(engine) as connection:
        upsert_many(connection, segment, parts, ("last", "last_hash"))
        asked = gateways_named(
            connection, names, "SELECT last FROM segment WHERE gateway_id {ids} ORDER BY 1"
        )
        gateways, lasts = answers(connection, asked)
    assert [tuple(row[:3]) for row in gateways] == [
        (1, "maple-court", "east-2"),
        (2, "maple-court", "east-1"),
        (4, "maple-court", 'a "quoted\\ one, {NULL}'),
    ]
    assert [tuple(row) for row in lasts] == [(5,), (9,)]


@pytest.mark.parametrize("count", [1, 100, 101, 300])
def test_what_is_put_in_together_is_there_as_it_was_given(engine: Engine, count: int) -> None:
    """Above and below the number from which PostgreSQL is sent a copy; every kind of value with it."""
    know_gateways(engine, "east-1")
    known = a_record(1, holder="Zhang\\ \"the {NULL}, 张\n\t'")
    rows = [row_of(1, replace(known, seq=seq), seq.to_bytes(32, "big")) for seq in range(1, count + 1)]
    parts = [(1, 1, 1, count, b"", b'\0\xff"\\')]
    with writing(engine) as connection:
        months = answers(connection, months_asked(connection, [known.at]))
        put_together(connection, [(record, rows)], [(segment, parts, ("last", "last_hash"))], months)
        put_together(connection, [(record, [])], [(segment, [], ("last", "last_hash"))], [])
        stored = connection.execute(select(record).order_by(record.c.id)).all()
        runs = [tuple(row) for row in rows_of_gateways(connection, segment, [1])]
    assert [tuple(row)[1:] for row in stored] == rows
    assert runs == parts
