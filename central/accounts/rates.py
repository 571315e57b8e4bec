"""How often the centre is asked: by account, by a machine's token and by address, in memory (ASVS 2.4.1).

Counted in this process alone, as the wrong tries of `backoff`.
"""

from __future__ import annotations

from limits import RateLimitItemPerMinute

from central.accounts.backoff import Counter
from central.accounts.who import Who


class Rates:
    """How many a minute of each."""

    def __init__(self, *, an_account: int, a_token: int, an_address: int) -> None:
        self._account = RateLimitItemPerMinute(an_account)
        self._token = RateLimitItemPerMinute(a_token)
        self._address = RateLimitItemPerMinute(an_address)
        self._counter = Counter()

    def asked_from(self, address: str) -> None:
        """Counts this one. Raises TooOften."""
        self._counter.hit(self._address, f"asked from {address}", "too many requests from this address; wait")

    def asked_by(self, who: Who) -> None:
        """Counts this one. Raises TooOften."""
        item = self._token if who.machine else self._account
        whose = "of this token" if who.machine else "of this account"
        self._counter.hit(item, f"asked by {who.account}", f"too many requests {whose}; wait")
