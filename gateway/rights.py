"""Who may pass here, as lists and settings say: from the centre's signed orders, else from files.

What the centre has signed is not replaced by a file. Where the disk does not let us at what was signed, doors
open by the files until it can be read.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import closing

from gateway.access import Access
from gateway.access_list import AccessList
from gateway.clock import Clock
from gateway.errors import (
    AccessListError,
    CarryError,
    JournalUnavailable,
    RightsUnavailable,
    SiteSettingsError,
)
from gateway.events import (
    DoorsTurned,
    Event,
    ListRefused,
    NewList,
    NewSettings,
    SettingsRefused,
)
from gateway.journal_reader import JournalReader
from gateway.keys import Keys
from gateway.looking_back import REPLAYED, Looking, how_many
from gateway.order_queue import Settle
from gateway.orders import Orders, Told
from gateway.rights_files import load_list_file, load_settings_file
from gateway.rights_store import RightsStore
from gateway.settings import Settings
from messages.commands import Result
from messages.model import Reason, Record
from messages.site_settings import SiteSettings
from messages.topics import Leaf

log = logging.getLogger(__name__)

_ROOM_S = 5.0
"""So long the spool waits for room before it lets its files lie until the next time."""


class Rights:
    """`post` puts events before the deciding thread. Any thread may call what stands after `take_up`."""

    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        clock: Clock,
        *,
        post: Callable[[Event], None],
        publish_result: Callable[[bytes], None],
        close_at_end: Callable[[Callable[[], None]], object],
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock
        self._post = post
        self._publish_result = publish_result
        self._reloading = threading.Lock()
        self._looking = Looking(self._newest, post)
        self._store: RightsStore | None = None
        close_at_end(self._close)
        self._orders = self._orders_at_once()

    def take_up(
        self, access: Access, file_list: AccessList | None, newest: Callable[[int], Iterable[Record]]
    ) -> None:
        """What was in force when the gateway ended, or what the files say; then what happened before, from
        the `newest` records. `file_list`: the list's file where it has been read already. `access` belongs to
        the deciding thread from then on."""
        signed_list, signed_settings = self._signed(access)
        site_settings = signed_settings or load_settings_file(self._settings)
        if site_settings is not None:
            self._post(NewSettings(site_settings))
            access.take_settings(site_settings)
        access_list = signed_list or file_list or load_list_file(self._settings)
        if access_list is None:
            log.warning("there is no access list yet: nobody is on it")
        else:
            self._post(NewList(access_list))
            access.take_list(access_list)
        try:
            access.replay(newest(how_many(access)))
        except JournalUnavailable as error:
            self._looking.failed(error, self._clock.uptime_us())

    def run(self) -> None:
        """Raises RightsUnavailable where the disk still does not let us; begun again a little later."""
        self.look_back()
        if self._orders is None:
            orders = self._make_orders()
            turns = orders.turns()
            access_list, site_settings = orders.restore()
            with self._reloading:  # until `_orders` stands, a reload would put the files over what is signed
                self._post(DoorsTurned(turns))  # first: no door is free for a moment that was locked down
                if site_settings is not None:
                    self._post(NewSettings(site_settings))
                if access_list is not None:
                    self._post(NewList(access_list))
                self._orders = orders
            self._looking.ask()
        self._orders.run(self.look_back)

    def look_back(self) -> None:
        """By the thread of `run`: the next step of finding again what was before, where that came late."""
        self._looking.go_on(self._clock.uptime_us())

    def _newest(self, count: int) -> list[Record]:
        """By whichever thread. Raises JournalUnavailable."""
        journal = self._settings.journal
        with closing(JournalReader(journal.path, journal.second_path)) as reader:
            return reader.newest(count)

    def _known_list_version(self) -> int:
        """Of the lists that the newest records tell of. Raises RightsUnavailable."""
        try:
            versions = [record.list_version for record in self._newest(REPLAYED)]
        except JournalUnavailable as error:
            raise RightsUnavailable(f"which list was in force cannot be known now: {error}") from error
        return max((version for version in versions if version is not None), default=0)

    @property
    def settings_revision(self) -> int | None:
        """Of the site settings that the centre signed, 0 without any; None where that cannot be known yet."""
        return None if self._orders is None else self._orders.settings_revision or 0

    def stop(self) -> bool:
        """Whether there is a run that will end now."""
        if self._orders is None:
            return False
        self._orders.stop()
        return True

    def keep_turns(self) -> None:
        """At the end, after the deciding thread's: what commands made of doors last is known at the next
        start."""
        if self._orders is not None:
            self._orders.keep_turns()

    def take(self, leaf: Leaf, payload: bytes) -> bool:
        """From the broker; whether there was room for it."""
        return self._orders is not None and self._orders.take(leaf, payload)

    def carried(self, leaf: Leaf, payload: bytes, settle: Settle) -> bool:
        """By hand. Waits a little for room. Raises CarryError where nothing can be taken yet."""
        if self._orders is None:
            raise CarryError(f"{self._settings.rights_path}: cannot be used yet; what was carried here waits")
        return self._orders.take(leaf, payload, settle, patience_s=_ROOM_S)

    def answer(self, result: Result) -> None:
        if self._orders is not None:
            self._orders.answer(result)

    def reload(self) -> None:
        """Takes the access list's file and that of the site settings again; bad ones are refused and the
        former stay in force."""
        with self._reloading:  # whoever reads last puts last
            self._reload_list()
            self._reload_settings()

    def _reload_list(self) -> None:
        if self._orders is not None and self._orders.list_version:
            log.warning("the access list's file is not taken: a list that the centre signed is in force")
            return
        try:
            fresh = load_list_file(self._settings)
        except AccessListError as error:
            log.error("the access list was not taken, the former one stays in force: %s", error)
            self._post(ListRefused())
            return
        if fresh is not None:
            log.info("access list %d with %d credentials", fresh.version, len(fresh.entries))
            self._post(NewList(fresh))

    def _reload_settings(self) -> None:
        if self._orders is not None and self._orders.settings_revision is not None:
            if self._settings.gateway.site_settings is not None:
                log.warning("the site settings' file is not taken: what the centre signed is in force")
            return
        try:
            fresh = load_settings_file(self._settings)
        except SiteSettingsError as error:
            log.error("the site settings were not taken, the former stay in force: %s", error)
            self._post(SettingsRefused(Reason.BAD_FILE))
            return
        if fresh is not None:
            self._post(NewSettings(fresh))

    def _signed(self, access: Access) -> tuple[AccessList | None, SiteSettings | None]:
        if self._orders is None:
            return None, None
        try:
            for turn in self._orders.turns():
                access.take_up(turn, self._clock.boot)
            return self._orders.restore()
        except RightsUnavailable as error:
            log.critical("%s; what the centre has signed is taken up as soon as it can be read", error)
            self._orders = None
            return None, None

    def _orders_at_once(self) -> Orders | None:
        """None where the disk does not let us now: doors must open all the same."""
        try:
            return self._make_orders()
        except RightsUnavailable as error:
            log.critical("%s; nothing is taken from the centre until it can be used", error)
            return None

    def _make_orders(self) -> Orders:
        gateway = self._settings.gateway
        self._close()
        self._store = RightsStore(
            self._settings.rights_path, gateway.site, gateway.name, self._known_list_version
        )
        return Orders(
            store=self._store,
            keys=self._keys,
            site=gateway.site,
            gateway=gateway.name,
            doors=[door.name for door in self._settings.doors],
            clock=self._clock,
            post=self._post_signed,
            publish_result=self._publish_result,
        )

    def _post_signed(self, event: Told) -> None:
        """After what a reload, that began before this was signed, still posts of the files."""
        with self._reloading:
            self._post(event)

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
