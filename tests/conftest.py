"""For all tests: how long an example takes says more about the machine than about us.

And under xdist the tests of some files stay in one process, in their order: what they share is dear, an
estate of real processes, a browser. (`xdist_group` does nothing with pytest 9.2: pytest-xdist, issue 1386.)
"""

import pytest
from hypothesis import settings

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
