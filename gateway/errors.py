"""What can go wrong in the daemon, split by who must act.

GatewayError
├── SettingsError          the installer must act; the text names the key's full path
├── AccessListError        whoever made the list must act; the former list stays in force
├── JournalRefused         the operator must act: this storage cannot keep the promises; the start stops
└── JournalUnavailable     the storage does not take records now; tried again, the door's policy holds
"""

from __future__ import annotations


class GatewayError(Exception):
    """Catch this, nothing wider, around anything in `gateway`."""


class SettingsError(GatewayError):
    """A setting is missing, unknown or impossible."""


class AccessListError(GatewayError):
    """An access list cannot be taken."""


class JournalRefused(GatewayError):
    """The journal must not be used as it is."""


class JournalUnavailable(GatewayError):
    """A record could not be made durable; it counts as not stored."""
