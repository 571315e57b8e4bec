"""What can go wrong in the daemon, split by who must act.

GatewayError
├── SettingsError          the installer must act; the text names the key's full path
├── AccessListError        whoever made the list must act; the former list stays in force
├── SiteSettingsError      whoever made the site settings must act; the former ones stay in force
├── CarryError             whoever carries must act: a stick, a bundle or the folder for it cannot be used
├── JournalRefused         the operator must act: this storage cannot keep the promises; the start stops
├── JournalUnavailable     the storage does not take records now; tried again, the door's policy holds
├── RightsRefused          the operator must act: what is in force lies in a file that must not be used
└── RightsUnavailable      the storage does not keep lists, settings or commands now; the former ones hold
"""

from __future__ import annotations


class GatewayError(Exception):
    """Catch this, nothing wider, around anything in `gateway`."""


class SettingsError(GatewayError):
    """A setting is missing, unknown or impossible."""


class AccessListError(GatewayError):
    """An access list cannot be taken."""


class SiteSettingsError(GatewayError):
    """Site settings cannot be taken."""


class CarryError(GatewayError):
    """What is carried by hand cannot be written, read or taken; nothing of it was."""


class JournalRefused(GatewayError):
    """The journal must not be used as it is."""


class JournalUnavailable(GatewayError):
    """A record could not be made durable; it counts as not stored."""


class RightsRefused(GatewayError):
    """The file of what is in force must not be used as it is."""


class RightsUnavailable(GatewayError):
    """A list, settings or a command could not be kept; nothing has changed."""
