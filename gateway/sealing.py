"""Who a visitor is, sealed for the centre alone: this gateway cannot read it again (architecture: identity).

Called by readers' drivers, so that name and number go no further than there; whether an envelope is kept, the
decision says (`at_the_reader`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date, datetime, tzinfo

from messages.envelope import DocumentKind, VisitorIdentity, is_child, seal_identity
from messages.site_settings import SealingKey

log = logging.getLogger(__name__)

_LONGEST_NAME = 120
_NO_NAME = "-"


class Sealer:
    """The drivers' `Seal`. Its key comes with the site settings; any thread may use it."""

    def __init__(self, site: str, gateway: str, zone: tzinfo, now_us: Callable[[], int]) -> None:
        """`zone`: of the doors, for the day on which somebody comes of age."""
        self._site = site
        self._gateway = gateway
        self._zone = zone
        self._now_us = now_us
        self._key: SealingKey | None = None

    def use(self, key: SealingKey | None) -> None:
        """From now on; None: nothing is sealed."""
        self._key = key

    @property
    def wanted(self) -> bool:
        return self._key is not None

    def _today(self) -> date:
        return datetime.fromtimestamp(max(self._now_us(), 0) // 1_000_000, self._zone).date()

    def seal(self, document: str, name: str, number: str) -> bytes | None:
        """None without a key, and for children (trust.md R-86)."""
        key = self._key
        if key is None or is_child(number, self._today()):
            return None
        identity = VisitorIdentity(name[:_LONGEST_NAME] or _NO_NAME, DocumentKind(document), number)
        try:
            return seal_identity(identity, key, self._site, self._gateway)
        except ValueError:  # signed by the centre, and no key all the same: the door must go on
            log.error("sealing key %s cannot be used: visitors' identity is not kept", key.id)
            return None
