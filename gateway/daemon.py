"""The daemon: puts the parts together, one thread a device, one deciding thread, one for the uplink.

No logic of doors or records here; what each part does is in its own module.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from zoneinfo import ZoneInfo

from drivers.base import DeviceChanged, DeviceEvent, DeviceState, Indication
from drivers.errors import ConfigurationError, DriverError
from gateway.access_list import load_access_list
from gateway.clock import Clock
from gateway.controller import AccessPoint, Controller
from gateway.devices import make_lock_boards, make_readers
from gateway.errors import AccessListError
from gateway.events import Acknowledged, ListRefused, NewList, Stop
from gateway.journal import Head, Journal
from gateway.journal_reader import JournalReader
from gateway.sensing import Sensor
from gateway.settings import DoorPart, Settings
from gateway.tokens import load_site_key, tokeniser
from gateway.uplink import Report, Uplink
from messages.wire import WIRE_VERSION, About, DoorAbout

log = logging.getLogger(__name__)

_RESTART_S = 1.0
_LONGEST_RESTART_S = 60.0
"""A part that falls again and again is begun again less and less often."""

_HELD_S = 60.0
"""A part that ran for so long had recovered."""

BOARDS_FIRST_S = 2.0
"""So long after the lock boards the readers are begun at the latest."""

_JOIN_S = 3.0
"""Parts that do not let go within this are left behind, all together: the process ends anyway."""


class Daemon:
    """One building's gateway. `start`, then `wait`; `stop` may be called from a signal handler."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Opens the journal and reads key and list. Raises GatewayError or drivers' ConfigurationError."""
        self._settings = settings
        self._clock = clock
        self._stopped = threading.Event()
        self._boards_known = threading.Event()  # each lock board has said once whether it works
        devices = (*settings.lock_boards, *settings.readers)
        self._devices = {part.name: DeviceState.RECOVERING.value for part in devices}
        self._threads: list[threading.Thread] = []
        self._reloading = threading.Lock()
        self.fell = False  # the deciding thread ended by itself: whoever supervises must start us again
        tokenise = tokeniser(load_site_key(settings.gateway.site_key_file))
        first_list = load_access_list(settings.gateway.access_list)
        self._readers = make_readers(settings, tokenise)
        self._lock_boards = make_lock_boards(settings)
        self._journal = Journal(settings.journal.path, settings.gateway.name, clock)
        self._journal_reader = JournalReader(settings.journal.path)
        self.controller = Controller(
            journal=self._journal,
            clock=clock,
            points={reader: self._point(door) for door in settings.doors for reader in door.readers},
            indicate=self._indicate,
            announce=self._announce,
            zone=ZoneInfo(settings.gateway.timezone),
            keep_acknowledged_days=settings.journal.keep_acknowledged_days,
            sensors={
                (wired.board, wired.channel): Sensor(wired.function, (wired.door,))
                for wired in settings.inputs
            },
        )
        self.controller.inbox.put(NewList(first_list))
        self._uplink = self._make_uplink()

    def start(self) -> None:
        for name, board in self._lock_boards.items():
            self._thread(name, partial(board.run, self._from_device))
        if self._lock_boards:
            self._boards_known.wait(BOARDS_FIRST_S)  # a card that lies there already must find its lock
        for name, reader in self._readers.items():
            self._thread(name, partial(reader.run, self._from_device))
        self._thread("uplink", self._uplink.run)
        self._deciding = threading.Thread(target=self._decide, name="decisions")
        gc.collect()
        gc.freeze()  # what is here now stays: the collector need not look at 50,000 credentials again
        self._deciding.start()

    def wait(self) -> None:
        """Blocks until `stop`, then brings every part to its end; the last record is GATEWAY_STOPPED.

        Doors are released until the last read is decided: the lock boards end after the decisions.
        """
        self._stopped.wait()
        for reader in self._readers.values():
            reader.stop()
        self.controller.inbox.put(Stop())
        self._deciding.join()
        for board in self._lock_boards.values():
            board.stop()
        self._uplink.stop()
        until_s = time.monotonic() + _JOIN_S
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))
        if not any(thread.is_alive() for thread in self._threads):
            self._journal_reader.close()
        self._journal.close()

    def wait_for_stop(self, timeout_s: float) -> bool:
        """Whether `stop` was called, by whomever, within that time; does not end anything yet."""
        return self._stopped.wait(timeout_s)

    def stop(self) -> None:
        self._stopped.set()

    def reload_list(self) -> None:
        """Takes the access list file again; a bad one is refused and the former stays in force."""
        with self._reloading:  # whoever reads last puts last
            self._reload_list()

    def _reload_list(self) -> None:
        try:
            fresh = load_access_list(self._settings.gateway.access_list)
        except AccessListError as error:
            log.error("the access list was not taken, the former one stays in force: %s", error)
            self.controller.inbox.put(ListRefused())
            return
        log.info("access list %d with %d credentials", fresh.version, len(fresh.entries))
        self.controller.inbox.put(NewList(fresh))

    def _point(self, door: DoorPart) -> AccessPoint:
        board = self._lock_boards[door.lock.board]
        return AccessPoint(
            door=door.name,
            direction=door.direction,
            policy=door.policy,
            lock_board=door.lock.board,
            release=partial(board.release, door.lock.channel, door.pulse_s),
            admit_listed_unrecorded=door.when_not_recordable == "admit_listed",
        )

    def _make_uplink(self) -> Uplink:
        gateway = self._settings.gateway
        doors = [DoorAbout(door.name, door.label, list(door.readers)) for door in self._settings.doors]
        return Uplink(
            settings=self._settings.mqtt,
            site=gateway.site,
            gateway=gateway.name,
            about=About(WIRE_VERSION, f"liuhen {version('liuhen')}", gateway.label, doors),
            reader=self._journal_reader,
            clock=self._clock,
            report=self._report,
            licensed=lambda epoch, through: self.controller.inbox.put(Acknowledged(epoch, through)),
        )

    def _from_device(self, event: DeviceEvent) -> None:
        if isinstance(event, DeviceChanged):
            self._devices[event.device] = event.state.value
            if all(self._devices[board] != DeviceState.RECOVERING.value for board in self._lock_boards):
                self._boards_known.set()
            self._uplink.report_soon()
        self.controller.inbox.put(event)

    def _report(self) -> Report:
        version, devices = self.controller.access_list.version, dict(self._devices)
        waiting = self.controller.unrecorded
        if not waiting:
            return Report(version, devices)
        return Report(version, devices, len(waiting), waiting[0].at_us - 1)

    def _announce(self, head: Head) -> None:
        self._uplink.announce(head)

    def _indicate(self, reader: str, signal: Indication) -> None:
        try:
            self._readers[reader].indicate(signal)
        except DriverError as error:
            log.warning("%s cannot show %s: %s", reader, signal, error)

    def _decide(self) -> None:
        """Without decisions there is no gateway: if this thread falls, the process does, and is restarted."""
        try:
            self.controller.run()
        except Exception:
            log.critical("the deciding thread fell; the gateway stops", exc_info=True)
            self.fell = True
            self.stop()

    def _thread(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._keep_going, args=(name, work), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _keep_going(self, name: str, work: Callable[[], None]) -> None:
        """One bad part stays one bad part: it is begun again, and says so."""
        restart_s = _RESTART_S
        while not self._stopped.is_set():
            begun_s = time.monotonic()
            try:
                work()
                log.log(logging.DEBUG if self._stopped.is_set() else logging.ERROR, "%s has ended", name)
            except ConfigurationError as error:
                log.error("%s: %s; mend that and start the gateway again", name, error)
                self._report_lost(name)
                return
            except Exception:  # a thread's outermost frame: whatever it was, only this part fell
                log.exception("%s fell; begun again in %.0f s", name, restart_s)
            if not self._stopped.is_set():
                self._report_lost(name)
            if time.monotonic() - begun_s >= _HELD_S:
                restart_s = _RESTART_S
            self._stopped.wait(restart_s)
            restart_s = min(restart_s * 2, _LONGEST_RESTART_S)

    def _report_lost(self, name: str) -> None:
        """Once, until it is heard of again: a driver that keeps falling does not fill the journal."""
        if self._devices.get(name, DeviceState.LOST) != DeviceState.LOST:
            self._from_device(DeviceChanged(name, DeviceState.LOST, "its driver fell"))
