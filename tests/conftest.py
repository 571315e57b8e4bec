"""For all tests: how long an example takes says more about the machine than about us.

And under xdist the tests of some files stay in one process, in their order: what they share is dear, an
estate of real processes, a browser. (`xdist_group` does nothing with pytest 9.2: pytest-xdist, issue 1386.)

What the centre does with its database is tested on both engines: `database_url` and `engine` come twice.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from postgres_support import Postgres
from sqlalchemy import Engine

from central.store.engine import migrate, open_writer

settings.register_profile("liuhen", deadline=None)
settings.load_profile("liuhen")

TOGETHER = ("tests/system/", "tests/test_central_orders.py", "tests/test_central_console_page.py")


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
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'central.sqlite'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """The one that writes, of a database that was brought to this program's form."""
    opened = open_writer(database_url)
    migrate(opened)
    yield opened
    opened.dispose()
