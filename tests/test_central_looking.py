"""What looks again and again outlives whatever its looks raise."""

import threading

import pytest

from central.errors import StoreUnavailable
from central.looking import Looking


@pytest.mark.parametrize("error", [ValueError("odd"), StoreUnavailable("away")])
def test_it_looks_again_after_anything(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    looked, again = 0, threading.Event()

    def look() -> bool:
        nonlocal looked
        looked += 1
        if looked == 1:
            raise error
        again.set()
        return False

    looking = Looking("things", look, 0.01)
    looking.start()
    assert again.wait(10)
    looking.stop()
    assert [each.message for each in caplog.records if each.message.startswith("things: ")]
