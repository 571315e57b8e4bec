"""For all tests: how long an example takes says more about the machine than about us.

And under xdist the tests of some files stay in one process, in their order: what they share is dear, an
estate of real processes, a browser, a filled database. (`xdist_group` does nothing with pytest 9.2:
pytest-xdist, issue 1386.)

What the centre does with its database is tested on both engines: `database_url` and `engine` come twice. They
are copies of one that was migrated, because migrating takes longer than most tests.
"""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from database_support import new_database
from hypothesis import settings
from postgres_support import Postgres
from sqlalchemy import Engine, make_url

from central.store.engine import migrate, open_writer

settings.register_profile("liuhen", deadline=None)
settings.load_profile("liuhen")

DEAR = (
    "tests/test_central_console_frame.py",
    "tests/system/test_one_swipe.py",
    "tests/test_central_console_tasks.py",
    "tests/test_central_console_page.py",
    "tests/test_central_console_",
    "tests/system/",
    "tests/test_central_accounts_matrix.py",
    "tests/test_central_accounts_scope.py",
    "tests/test_central_orders.py",
    "tests/test_central_api_document.py",
    "tests/test_central_problems.py",
    "tests/test_bench_community.py",
    "tests/test_bench_",
)
"""They compute long: they begin first, so that none of them is left when all others are done."""

TOGETHER = tuple(name for name in DEAR if name != "tests/test_bench_")

WAITING = ("tests/test_drivers_", "tests/test_gateway_", "tests/test_conformance_")
"""They wait for devices and brokers more than they compute: they run beside those that compute."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is collected are some hundred thousand objects that stay: the collector of memory is not to look
    at them again and again, neither meanwhile nor as the tests run."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()  # what was only passed through
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        dear = (number for number, name in enumerate(DEAR) if item.nodeid.startswith(name))
        waiting = (number for number, name in enumerate(WAITING) if item.nodeid.startswith(name))
        return next(dear, len(DEAR) + 1 + next(waiting, -1))

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    from xdist.scheduler import LoadScopeScheduling

    class FromBothEnds(LoadScopeScheduling):  # type: ignore[misc] # xdist ships no types
        """Every second process begins with what waits, so that at no time all compute, or all wait."""

        def _split_scope(self, nodeid: str) -> str:
            return nodeid.partition("::")[0] if nodeid.startswith(TOGETHER) else nodeid

        def _assign_work_unit(self, node: Any) -> None:
            if self.nodes.index(node) % 2:
                self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
            super()._assign_work_unit(node)

    config.option.loadscopereorder = False
    return FromBothEnds(config, log)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests of this process."""
    with Postgres() as started:
        yield started


@pytest.fixture(params=["sqlite", "postgresql"])
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def empty_database_url(engine_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database with nothing in it."""
    if engine_name == "sqlite":
        yield f"sqlite:///{tmp_path / 'central.sqlite'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.a_database() as address:
        yield address


@pytest.fixture(scope="session")
def migrated_database(postgres: Postgres) -> str:
    """The name of a database in this program's form, to be copied."""
    address = postgres.new_database()
    opened = open_writer(address)
    migrate(opened)
    opened.dispose()
    return str(make_url(address).database)


@pytest.fixture
def database_url(engine_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without rows, in this program's form."""
    if engine_name == "sqlite":
        opened = new_database(tmp_path / "central.sqlite")
        opened.dispose()
        yield str(opened.url)
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.a_database(request.getfixturevalue("migrated_database")) as address:
        yield address


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """The one that writes."""
    opened = open_writer(database_url)
    yield opened
    opened.dispose()
