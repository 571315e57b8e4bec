"""What the centre orders: access lists, site settings, commands. Verified, stored, then told to who decides.

Nothing is believed because of where it came from: the broker is anybody's. What is refused is told with its
reason, and the former list and settings stay in force (trust.md R-53, R-54).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import TypeVar

from drivers.allowance import Allowance
from gateway.access_list import AccessList
from gateway.applying import NotWhole, apply
from gateway.clock import Clock, Moment
from gateway.commanded import Turn, turn_of
from gateway.errors import RightsUnavailable
from gateway.events import (
    CommandGiven,
    CommandRefused,
    ListRefused,
    NewList,
    NewSettings,
    SettingsRefused,
)
from gateway.keys import Keys
from gateway.order_queue import Fate, Order, OrderQueue, Settle, untold
from gateway.rights_store import RightsStore
from gateway.transfer import Announced, Transfer
from gateway.turns_to_keep import TurnsToKeep
from messages.access_list import CHUNK_START, decode_manifest
from messages.commands import (
    LONGEST_LIFE_US,
    Action,
    Command,
    Result,
    decode_command,
    encode_order,
)
from messages.errors import MessageError
from messages.model import ClockQuality, Reason
from messages.signing import NotTrusted, Purpose, WrongAudience, body_unproved, opened, sign
from messages.site_settings import SiteSettings, decode_site_settings
from messages.topics import Leaf

log = logging.getLogger(__name__)

Told = NewList | ListRefused | NewSettings | SettingsRefused | CommandGiven | CommandRefused

_MOST_REFUSALS, _REFUSALS_PER_S = 20, 1 / 60
"""Each is a record: whoever owns the broker must not fill the journal with forgeries."""

_IDLE_S = 0.5
_BREATH_S = 0.001
"""Between two parts of a list: whoever stands at a door is decided on in between."""

_T = TypeVar("_T")


class Orders:
    """Runs in a thread of its own. `take`, `answer` and `stop` are for others, and return at once."""

    def __init__(
        self,
        *,
        store: RightsStore,
        keys: Keys,
        site: str,
        gateway: str,
        doors: Collection[str],
        clock: Clock,
        post: Callable[[Told], None],
        publish_result: Callable[[bytes], None],
    ) -> None:
        """`post` gives an event to the deciding thread; `publish_result` is the uplink's."""
        self._store = store
        self._keys = keys
        self._signers = keys.signers
        self._site = site
        self._gateway = gateway
        self._doors = frozenset(doors)
        self._clock = clock
        self._post = post
        self._publish_result = publish_result
        self._list = AccessList()
        self._revision: int | None = None
        self._settings_floor: int | None = None  # none up to this revision is taken
        self._transfer = Transfer()
        self._work: Iterator[None] | None = None
        self._refusals = {leaf: Allowance(_MOST_REFUSALS, _REFUSALS_PER_S) for leaf in Leaf}
        self._queue = OrderQueue()
        self._turns = TurnsToKeep(store)
        self._list_settles: list[Settle] = []  # of the parts of the list that is on its way, or applied
        self._stopping = self._running = False

    def turns(self) -> list[Turn]:
        """The doors that commands have turned before this start. Raises RightsUnavailable."""
        return self._store.turns()

    @property
    def list_version(self) -> int:
        """Of the signed list in force; 0: none, the file's may be used."""
        return self._list.version

    @property
    def settings_revision(self) -> int | None:
        """Of the signed site settings in force; None: there are none, the file's may be used."""
        return self._revision

    def restore(self) -> tuple[AccessList | None, SiteSettings | None]:
        """What was in force when the gateway ended; called once, before `run`. Raises RightsUnavailable.

        What is lost is told: from now on a file may say what is in force, until the centre sends it again.
        """
        self._work = self._cleaning()
        if self._store.begun_again:
            self._post(ListRefused(Reason.INCOMPLETE))
            self._post(SettingsRefused(Reason.INCOMPLETE))
        return self._stored_list(), self._stored_settings()

    def take(self, leaf: Leaf, payload: bytes, settle: Settle = untold, *, patience_s: float = 0.0) -> bool:
        """From any thread: something came for this gateway. Whether there was room for it, waiting so long;
        then `settle` is called once it is applied, refused for good, or to be taken again."""
        return self._queue.put(Order(leaf, payload, settle), patience_s)

    def answer(self, result: Result) -> None:
        """From any thread: tells the centre what became of a command; nothing without keys of our own."""
        if self._keys.device is not None:
            body = encode_order(result)
            self._publish_result(
                sign(self._keys.device.signing, Purpose.RESULT, self._site, self._gateway, body)
            )

    def stop(self) -> None:
        self._stopping = True
        self._queue.close()

    def run(self, between: Callable[[], None] = lambda: None) -> None:
        """Until `stop`; calls `between` again and again, between other work. May be called again after any
        exception: what was on its way comes again."""
        self._work = self._cleaning()
        self._running = True
        try:
            while not self._stopping:
                found = self._queue.take(commands_only=self.busy, timeout_s=_IDLE_S)
                if found is not None:
                    self.handle(*found)
                self._turns.keep(self._now_s())
                self.go_on()
                between()
        finally:
            self._running = False
            self._list_settled(Fate.NOT_NOW)

    def keep_turns(self) -> None:
        """After the deciding thread has ended: what it obeyed last. Nothing where `run` hangs: the store is
        its own."""
        if not self._running:
            self._turns.keep(self._now_s())

    def handle(self, leaf: Leaf, payload: bytes, settle: Settle = untold) -> None:
        """One message; what is to be said of it is posted. `settle` is called at once, or with the list that
        it is a part of."""
        try:
            fate = self._handled(leaf, payload)
        except BaseException:
            settle(Fate.NOT_NOW)
            raise
        if fate is None:
            self._list_settles.append(settle)
        else:
            settle(fate)

    def _handled(self, leaf: Leaf, payload: bytes) -> Fate | None:
        """None: it is decided with the list on its way."""
        match leaf:
            case Leaf.COMMAND:
                self._take_command(payload)
            case Leaf.SETTINGS:
                return self._take_settings(payload)
            case Leaf.LIST if payload.startswith(CHUNK_START):
                if self._transfer.offer(payload, self._now_s()):
                    self._begin_when_complete()
                    return None
            case Leaf.LIST:
                return self._take_manifest(payload)
            case _:
                log.warning("orders: nothing is taken on %s", leaf)
        return Fate.FOR_GOOD

    def go_on(self) -> None:
        """A part of the work at hand, and whether what was announced still comes."""
        if self._work is not None:
            if next(self._work, _DONE) is _DONE:
                self._work = None
            time.sleep(_BREATH_S)
        elif self._transfer.is_lost(self._now_s()):
            self._transfer.drop()
            self._refuse(Leaf.LIST, Reason.INCOMPLETE, "parts of the list did not come, or were altered")
            self._list_settled(Fate.FOR_GOOD)

    @property
    def busy(self) -> bool:
        """A list is being applied, or what is left of an older one removed."""
        return self._work is not None

    # --- lists ------------------------------------------------------------------------------------------

    def _take_manifest(self, payload: bytes) -> Fate | None:
        body = self._opened(Leaf.LIST, Purpose.LIST, payload)
        manifest = None if body is None else self._decoded(Leaf.LIST, decode_manifest, body)
        if manifest is None:
            return Fate.FOR_GOOD
        in_force = self._store.version
        if manifest.version == in_force == self._list.version:
            return Fate.FOR_GOOD  # sent once more, because word of it was on its way
        if manifest.version < max(in_force + 1, self._transfer.version):
            self._refuse(Leaf.LIST, Reason.OLDER, "a list older than the one in force")
            on_its_way = manifest.version > in_force  # the newer one may never come whole
            return Fate.NOT_NOW if on_its_way else Fate.FOR_GOOD
        if manifest.base is not None and manifest.base != self._list.version:
            self._refuse(Leaf.LIST, Reason.NOT_POSSIBLE, "a change to another list than the one in force")
            return Fate.FOR_GOOD
        if self._transfer.begin(Announced(manifest, payload), self._now_s()):
            self._list_settled(Fate.NOT_NOW)  # of the one that it replaces
        self._begin_when_complete()
        return None

    def _begin_when_complete(self) -> None:
        complete = self._transfer.take()
        if complete is not None:
            self._work = self._applying(*complete)

    def _applying(self, announced: Announced, chunks: list[bytes]) -> Iterator[None]:
        """Yields after each part. The last part of all is to remove what is no longer in force."""
        try:
            fresh = yield from apply(self._store, self._list, announced, chunks)
        except NotWhole as error:
            self._refuse(Leaf.LIST, Reason.INCOMPLETE, error)
        except MessageError as error:
            self._refuse(Leaf.LIST, Reason.BAD_FILE, error)
        except RightsUnavailable as error:
            self._refuse(Leaf.LIST, Reason.WRITE_FAILED, error)
            self._list_settled(Fate.NOT_NOW)
            return
        else:
            self._list = fresh
            self._post(NewList(fresh))
            log.info("orders: access list %d with %d credentials", fresh.version, len(fresh.entries))
        self._list_settled(Fate.FOR_GOOD)
        yield from self._cleaning()

    def _list_settled(self, fate: Fate) -> None:
        settles, self._list_settles = self._list_settles, []
        for settle in settles:
            settle(fate)

    def _cleaning(self) -> Iterator[None]:
        try:
            while self._store.clean():
                yield
        except RightsUnavailable as error:
            log.warning("orders: what is left of former lists stays for now: %s", error)

    def _stored_list(self) -> AccessList | None:
        listed = self._store.lists()
        stored = self._store.load_list()
        if stored is None:
            if listed:
                self._post(ListRefused(Reason.INCOMPLETE))
            return None
        self._list = stored.access_list
        self._prove_again("access list", Purpose.LIST, stored.signed)
        return stored.access_list

    # --- settings ---------------------------------------------------------------------------------------

    def _take_settings(self, payload: bytes) -> Fate:
        body = self._opened(Leaf.SETTINGS, Purpose.SETTINGS, payload)
        settings = None if body is None else self._decoded(Leaf.SETTINGS, decode_site_settings, body)
        if settings is None:
            return Fate.FOR_GOOD
        if self._settings_floor is not None and settings.revision <= self._settings_floor:
            if settings.revision != self._revision:
                self._refuse(Leaf.SETTINGS, Reason.OLDER, "site settings older than those in force")
            return Fate.FOR_GOOD  # the broker keeps them and says them at every connect
        try:
            self._store.keep_settings(settings.revision, payload)
        except RightsUnavailable as error:
            self._refuse(Leaf.SETTINGS, Reason.WRITE_FAILED, error)
            return Fate.NOT_NOW
        self._revision = self._settings_floor = settings.revision
        self._post(NewSettings(settings))
        log.info("orders: site settings %d", settings.revision)
        return Fate.FOR_GOOD

    def _stored_settings(self) -> SiteSettings | None:
        signed, self._settings_floor = self._store.settings(), self._store.settings_revision()
        if signed is None or self._settings_floor is None:
            return None
        try:
            settings = decode_site_settings(body_unproved(signed))
        except MessageError as error:
            log.error("the stored site settings cannot be used: %s; the centre sends them again", error)
            self._settings_floor -= 1  # the same may come again
            self._post(SettingsRefused(Reason.INCOMPLETE))
            return None
        self._prove_again("site settings", Purpose.SETTINGS, signed)
        self._revision = settings.revision
        return settings

    # --- commands ---------------------------------------------------------------------------------------

    def _take_command(self, payload: bytes) -> None:
        body = self._opened(Leaf.COMMAND, Purpose.COMMAND, payload)
        command = None if body is None else self._decoded(Leaf.COMMAND, decode_command, body)
        if command is None:
            return
        reason = self._why_not(command)
        if reason is not None:
            self._refuse(Leaf.COMMAND, reason, "a command", command)
            return
        log.info("orders: %s, command %s", command.action, command.id)
        now = Moment(self._clock.now_us(), self._clock.quality(), self._clock.uptime_us())
        turn = turn_of(command, now, self._clock.boot)
        self._post(CommandGiven(command, None if turn is None else partial(self._is_recorded, turn)))

    def _why_not(self, command: Command) -> Reason | None:
        """Notes the command as used where there is no reason against it."""
        if command.door is not None and command.door not in self._doors:
            return Reason.NOT_POSSIBLE
        now_us = self._clock.now_us()
        if command.action is not Action.SEND_RECORDS:
            if self._clock.quality() is ClockQuality.UNKNOWN:
                return Reason.CLOCK_NOT_SET  # held back for hours, it would seem to come in time
            if now_us >= command.expires_us:
                return Reason.TOO_LATE
            if command.expires_us - now_us > LONGEST_LIFE_US:
                return Reason.NOT_POSSIBLE  # good for longer than any may be, or one of the clocks is wrong
        try:
            fresh = self._store.use(command.id, command.expires_us, now_us)
            return None if fresh else Reason.REPLAYED
        except RightsUnavailable as error:
            log.error("orders: a command could not be noted as used: %s", error)
            return Reason.WRITE_FAILED

    def _is_recorded(self, turn: Turn) -> None:
        """By the deciding thread; returns at once."""
        self._turns.add(turn)
        self._queue.wake()

    # --- for all of them --------------------------------------------------------------------------------

    def _opened(self, leaf: Leaf, purpose: Purpose, payload: bytes) -> bytes | None:
        alone = purpose is Purpose.COMMAND
        try:
            return opened(payload, self._signers, purpose, self._site, self._gateway, alone=alone)
        except NotTrusted as error:
            self._refuse(leaf, Reason.NOT_SIGNED, error)
        except WrongAudience as error:
            self._refuse(leaf, Reason.FOREIGN, error)
        except MessageError as error:
            self._refuse(leaf, Reason.BAD_FILE, error)
        return None

    def _decoded(self, leaf: Leaf, decode: Callable[[bytes], _T], body: bytes) -> _T | None:
        try:
            return decode(body)
        except MessageError as error:
            self._refuse(leaf, Reason.BAD_FILE, error)
            return None

    def _refuse(
        self,
        leaf: Leaf,
        reason: Reason,
        why: MessageError | RightsUnavailable | str,
        command: Command | None = None,
    ) -> None:
        if not self._refusals[leaf].take(1, self._now_s()):
            return  # so many were told already that one more says nothing
        log.warning("orders: %s refused, %s: %s", leaf, reason, why)
        match leaf:
            case Leaf.LIST:
                self._post(ListRefused(reason))
            case Leaf.SETTINGS:
                self._post(SettingsRefused(reason))
            case _ if command is None:
                self._post(CommandRefused(None, reason))
            case _:
                self._post(CommandRefused(command.id, reason, command.door))

    def _prove_again(self, what: str, purpose: Purpose, signed: bytes) -> None:
        """It was proved when it came. A key that was given up since then shuts nobody out."""
        try:
            opened(signed, self._signers, purpose, self._site, self._gateway)
        except MessageError as error:
            log.warning("orders: the stored %s stays in force, but: %s", what, error)

    def _now_s(self) -> float:
        return self._clock.uptime_us() / 1e6


_DONE = object()
