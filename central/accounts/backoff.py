"""Who has failed too often waits: by account and by address, in memory (trust.md R-64; ASVS 2.4.1).

Counted in this process alone: where several serve the pages, whoever guesses has that many times the tries.
"""

from __future__ import annotations

import time
from hashlib import sha256
from typing import Final

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from central.errors import TooOften

_OF_AN_ACCOUNT: Final = RateLimitItemPerMinute(5, 15)
_OF_AN_ADDRESS: Final = RateLimitItemPerMinute(50, 15)
"""Many people may come from one office."""

_BEGUN: Final = RateLimitItemPerMinute(100, 15)
"""What costs us a row though nobody is known to be asking."""


_UNGUESSABLE: Final = RateLimitItemPerMinute(100, 15)
"""Of what no number of tries finds: far from what an office does, so that nobody keeps the others out."""


_WAIT: Final = "too many wrong tries; wait before the next one"


class Counter:
    """What was done within a while, in memory."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def hit(self, item: RateLimitItem, key: str, text: str) -> None:
        """Counts this one. Raises TooOften where there were as many already."""
        if not self._limiter.hit(item, key):
            raise self._too_often(item, key, text)

    def note(self, item: RateLimitItem, key: str) -> None:
        self._limiter.hit(item, key)

    def test(self, item: RateLimitItem, key: str, text: str) -> None:
        """Counts nothing. Raises TooOften."""
        if not self._limiter.test(item, key):
            raise self._too_often(item, key, text)

    def _too_often(self, item: RateLimitItem, key: str, text: str) -> TooOften:
        reset_s = self._limiter.get_window_stats(item, key).reset_time
        return TooOften(text, max(1, round(reset_s - time.time())))


class Backoff:
    """`refuse_if_too_often` before a try, `failed` after one that was wrong."""

    def __init__(self) -> None:
        self._counter = Counter()

    def refuse_if_too_often(self, who: str | None, address: str) -> None:
        """Raises TooOften. `who`: a login or an account's number, whether there is such a one or not; None:
        the address alone is known, and has its own, larger limit."""
        for item, key in _keys(who, address):
            self._counter.test(item, key, _WAIT)

    def refuse_if_too_many_begun(self, what: str, address: str) -> None:
        """Counts this one, each `what` by itself: "passkey", "provider". Raises TooOften."""
        self._counter.hit(_BEGUN, f"begun {what} {address}", "too many begun and not finished; wait")

    def refuse_unguessable(self, what: str, address: str) -> None:
        """Before a try of what is too long to guess: "passkey", "activation". Raises TooOften."""
        self._counter.test(_UNGUESSABLE, f"{what} {address}", _WAIT)

    def failed_unguessable(self, what: str, address: str) -> None:
        """Counts for nothing else: passwords are still tried from there."""
        self._counter.note(_UNGUESSABLE, f"{what} {address}")

    def failed(self, who: str | None, address: str) -> None:
        for item, key in _keys(who, address):
            self._counter.note(item, key)


def _keys(who: str | None, address: str) -> tuple[tuple[RateLimitItemPerMinute, str], ...]:
    of_address = (_OF_AN_ADDRESS, f"address {address}")
    if who is None:
        return (of_address,)
    named = sha256(who.encode()).hexdigest()[:32]
    return (_OF_AN_ACCOUNT, f"account {named}"), of_address
