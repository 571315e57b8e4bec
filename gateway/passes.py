"""The pass book: what the visitor passes shown here say.

The one place where readers' threads and the deciding thread meet over a pass; its text goes no further.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec.structs import replace

from messages.errors import MessageError
from messages.model import Reason
from messages.signing import WrongAudience
from messages.visitor_pass import VisitorPass, doors_of, open_pass

MAX_KEPT = 1_024
"""A pass is taken at each presentation, a moment before it is decided on: older ones may go."""


class PassBook:
    """Thread-safe. Keeps what a pass says of this gateway's doors under its token, or why it says nothing."""

    def __init__(self, site: str, gateway: str) -> None:
        self._site = site
        self._gateway = gateway
        self._lock = threading.Lock()
        self._keys: Mapping[str, Ed25519PublicKey] = {}
        self._kept: OrderedDict[str, VisitorPass | Reason] = OrderedDict()

    def trust(self, keys: Mapping[str, Ed25519PublicKey]) -> None:
        """From now on these keys alone sign passes (`SiteSettings.pass_signers`)."""
        with self._lock:
            self._keys = dict(keys)
            self._kept.clear()

    def take(self, token: str, text: str) -> None:
        """A text that claims to be a pass was shown; `token` is what decisions know it by. Never raises."""
        with self._lock:
            keys = self._keys
        found = self._judged(text, keys)
        with self._lock:
            if keys is not self._keys:  # changed meanwhile: whoever shows it again is judged by the new ones
                return
            self._kept[token] = found
            self._kept.move_to_end(token)
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)

    def find(self, token: str) -> VisitorPass | Reason | None:
        """The pass; or why there is none (PASS_FORGED; NO_RIGHT: of another site or gateway); None: never
        shown."""
        with self._lock:
            return self._kept.get(token)

    def _judged(self, text: str, keys: Mapping[str, Ed25519PublicKey]) -> VisitorPass | Reason:
        try:
            visitor = open_pass(text, keys, self._site)
        except WrongAudience:
            return Reason.NO_RIGHT
        except MessageError:
            return Reason.PASS_FORGED
        own = doors_of(self._gateway, visitor.doors)
        return replace(visitor, doors=own) if own else Reason.NO_RIGHT
