"""For all tests: how long an example takes says more about the machine than about us.

And under xdist the tests of some files stay in one process, in their order: what they share is dear, an
estate of real processes, a browser. (`xdist_group` does nothing with pytest 9.2: pytest-xdist, issue 1386.)

What the centre does with its database is tested on both engines: `database_url` and `engine` come twice. They
are copies of one that was migrated, because migrating takes longer than most tests.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from database_support import new_database
from hypothesis import settings
from postgres_support import Postgres
from sqlalchemy import Engine, make_url

from central.store.engine import migrate, open_writer

settings.register_profile("liuhen", deadline=None)
settings.load_profile("liuhen")

TOGETHER = (
    "tests/system/",
    "tests/test_central_orders.py",
    "tests/test_central_console_",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    from xdist.scheduler import LoadScopeScheduling

    class Sharing(LoadScopeScheduling):  # type: ignore[misc] # xdist ships no types
        def _split_scope(self, nodeid: str) -> str:
            return nodeid.partition("::")[0] if nodeid.startswith(TOGETHER) else nodeid

    return Sharing(config, log)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests of this process."""
    with Postgres() as started:
        yield started


@pytest.fixture(params=["sqlite", "postgresql"])
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def empty_database_url(engine_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with nothing in it."""
    if engine_name == "sqlite":
        return f"sqlite:///{tmp_path / 'central.sqlite'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture(scope="session")
def migrated_database(postgres: Postgres) -> str:
    """The name of a database in this program's form, to be copied."""
    address = postgres.new_database()
    opened = open_writer(address)
    migrate(opened)
    opened.dispose()
    return str(make_url(address).database)


@pytest.fixture
def database_url(engine_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without rows, in this program's form."""
    if engine_name == "sqlite":
        opened = new_database(tmp_path / "central.sqlite")
        opened.dispose()
        return str(opened.url)
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database(request.getfixturevalue("migrated_database"))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """The one that writes."""
    opened = open_writer(database_url)
    yield opened
    opened.dispose()
