"""Records read in order of their numbers: none is passed over that is committed later than a higher one."""

from postgres_support import Postgres
from sqlalchemy import text

from central.store.engine import open_reader, open_writer, reading
from central.store.settled import Settled


def test_what_was_there_is_settled_when_all_are_over_that_wrote_at_the_time(
    postgres: Postgres, migrated_database: str
) -> None:
    address = postgres.new_database(migrated_database)
    slow, reader = open_writer(address), open_reader(address)
    settled = Settled()

    def through(newest: int) -> int:
        with reading(reader) as connection:
            return settled.through(connection, newest)

    try:
        assert through(3) == 3
        with slow.begin() as connection:
            # as by the lock on its gateways' rows, before it draws a number
            connection.execute(text("SELECT pg_current_xact_id()"))
            assert [through(5), through(6)] == [3, 3]
        assert through(7) >= 5
    finally:
        slow.dispose()
        reader.dispose()
