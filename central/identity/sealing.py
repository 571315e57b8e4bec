"""Which key each site's gateways seal visitors' identity for: it stands in the site settings that they have.

Once a month it is another one, so that the former can be destroyed. A new revision of the newest settings is
noted, and sent like any other (`fleet.order_service`). Without a legal basis no settings hold a sealing key,
and gateways that have none seal nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection, func, select

from central.fleet.orders import BY_CENTRE, note_settings
from central.identity.vault import Vault
from central.store.tables import sent_settings
from messages.errors import MessageError
from messages.signing import EVERY_GATEWAY
from messages.site_settings import SealingKey, SiteSettings, decode_site_settings, encode_site_settings

log = logging.getLogger(__name__)

CommunityOf = Callable[[Connection, str], int | None]
"""Of a site; None: the register knows of none."""


class SealingKeys:
    """For all sites of a centre."""

    def __init__(self, vault: Vault, community_of: CommunityOf, *, may_seal: bool) -> None:
        """`may_seal`: the settings name the legal basis for keeping visitors' identity."""
        self._vault = vault
        self._community_of = community_of
        self._may_seal = may_seal

    def renew(self, connection: Connection, now_us: int) -> int:
        """How many settings were noted anew, within the caller's transaction."""
        renewed = 0
        for row in _in_force(connection):
            try:
                settings = decode_site_settings(row.body)
            except MessageError:  # noted by a newer program
                continue
            key = self._key_of(connection, row.site, now_us)
            if settings.sealing_key != key:
                self._note(connection, row.site, row.gateway, replace(settings, sealing_key=key), now_us)
                renewed += 1
        return renewed

    def _key_of(self, connection: Connection, site: str, now_us: int) -> SealingKey | None:
        """None of a site that the register does not know: what its gateways sealed could not be kept."""
        community = self._community_of(connection, site) if self._may_seal else None
        return None if community is None else self._vault.sealing_key(community, now_us)

    def _note(
        self, connection: Connection, site: str, name: str, settings: SiteSettings, now_us: int
    ) -> None:
        highest = connection.execute(
            select(func.max(sent_settings.c.revision)).where(sent_settings.c.site == site)
        ).scalar_one()
        renewed = replace(settings, revision=highest + 1, issued_us=now_us)
        note_settings(connection, site, name, encode_site_settings(renewed), now_us, by=BY_CENTRE)
        what = "get another sealing key" if settings.sealing_key else "seal nothing any more"
        log.info("identity: gateways %s of %s %s: settings %d", name, site, what, highest + 1)


def _in_force(connection: Connection) -> list[Any]:
    """The newest of each address, those for a whole site first; one of a single gateway counts only where it
    is newer than its site's: whoever has the newest id is sent to (`fleet.orders`)."""
    newest = select(func.max(sent_settings.c.id)).group_by(sent_settings.c.site, sent_settings.c.gateway)
    rows = connection.execute(select(sent_settings).where(sent_settings.c.id.in_(newest))).all()
    of_site = {row.site: row for row in rows if row.gateway == EVERY_GATEWAY}
    alone = [
        row
        for row in rows
        if row.gateway != EVERY_GATEWAY and (row.site not in of_site or row.id > of_site[row.site].id)
    ]
    return [*of_site.values(), *alone]
