"""The daemon: puts the parts together, one thread a device, one deciding thread, one for the uplink.

No logic of doors or records here; what each part does is in its own module.
"""

from __future__ import annotations

import gc
import logging
import shutil
import threading
import time
from contextlib import ExitStack, closing
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from drivers.base import CardRead, DeviceChanged, DeviceEvent, DeviceState, Indication, InputChanged
from drivers.errors import DriverError
from drivers.serial_reader import SerialReader
from gateway.about import about
from gateway.assembly import make_access, make_doorways, make_points, make_sensors
from gateway.clock import Clock
from gateway.controller import Controller
from gateway.devices import make_lock_boards, make_readers
from gateway.doors import Doors
from gateway.errors import CarryError
from gateway.events import Acknowledged, AckRefused, EpochDisputed, Event, NewSettings, RecordsExported, Stop
from gateway.journal import Head
from gateway.journal_reader import JournalReader
from gateway.journal_start import make_journal, newest_us
from gateway.keys import load_keys
from gateway.memory import give_back
from gateway.metrics import Metrics, Readings
from gateway.order_queue import Fate, Settle
from gateway.parts import Parts
from gateway.passes import PassBook
from gateway.power_watch import PowerWatch
from gateway.rights import Rights
from gateway.rights_files import load_list_file
from gateway.sealing import Sealer
from gateway.self_report import Report
from gateway.senses import Senses
from gateway.service_manager import OFTENEST_S, ServiceManager
from gateway.settings import Settings
from gateway.spool import Spool, spool_folder
from gateway.storage_space import StorageWatch
from gateway.surroundings import Surroundings
from gateway.timekeeping import Timekeeper
from gateway.tokens import load_site_key, tokeniser
from gateway.uplink import Uplink
from messages.commands import Command, Result
from messages.model import Kind, Reason
from messages.topics import Leaf

if TYPE_CHECKING:
    from gateway.metrics_page import MetricsPage

log = logging.getLogger(__name__)

BOARDS_FIRST_S = 2.0
"""So long after the lock boards the readers are begun at the latest."""

_SPOOL_EVERY_S = 5.0


class Daemon:
    """One building's gateway. `start`, then `wait`; `stop` may be called from a signal handler."""

    def __init__(self, settings: Settings, clock: Clock, service: ServiceManager | None = None) -> None:
        """Opens the journal and reads keys, list and site settings. Raises GatewayError or drivers'
        ConfigurationError."""
        self._settings = settings
        self._machine_clock = clock
        self._clock = Timekeeper(clock, newest_us(settings))
        self._service = service or ServiceManager(None)
        self._stopped = threading.Event()
        self._metrics = Metrics()
        self._parts = Parts(self._stopped, self._fell)
        self._boards_known = threading.Event()  # each lock board has said once whether it works
        devices = (*settings.lock_boards, *settings.readers)
        self._devices = {part.name: DeviceState.RECOVERING.value for part in devices}
        self._former_list_left = False
        self.fell = False  # a decision ended by itself: whoever supervises must start us again
        gateway, passes = settings.gateway, PassBook(settings.gateway.site, settings.gateway.name)
        self._keys = load_keys(settings.keys.device_key_file, settings.keys.centre_keys_file)
        sealer = Sealer(gateway.site, gateway.name, ZoneInfo(gateway.timezone), self._clock.now_us)
        tokenise = tokeniser(load_site_key(gateway.site_key_file), passes)
        self._readers = make_readers(settings, tokenise, sealer)
        self._lending = frozenset(
            name for name, reader in self._readers.items() if isinstance(reader, SerialReader)
        )
        for name, reader in self._readers.items():
            if isinstance(reader, SerialReader):
                reader.while_reading = partial(self._rehearse, name)
        self._lock_boards = make_lock_boards(settings)
        self._sensors = make_sensors(settings)
        self._access = make_access(settings, passes, sealer)
        self._power = PowerWatch(gateway.stop_on_battery_low_s)
        self._spool = Spool(spool_folder(settings.journal.path))
        self._storage = StorageWatch(
            [path for path in (settings.journal.path, settings.journal.second_path) if path is not None]
        )
        # A mistake in it is told before anything is made.
        self._file_list = None if settings.rights_path.exists() else load_list_file(settings)
        self._closing = ExitStack()
        try:
            self._open()
        except BaseException:
            self._closing.close()
            raise

    def _open(self) -> None:
        settings = self._settings
        self._journal = self._closing.enter_context(closing(make_journal(settings, self._clock)))
        self._journal_reader = JournalReader(settings.journal.path, settings.journal.second_path)
        self._closing.callback(self._journal_reader.close)
        self._clock.not_before(self._journal_reader.newest_at_us())  # known better once it is salvaged
        self.controller = self._make_controller()
        self._uplink = self._make_uplink()
        self._rights = Rights(
            settings,
            self._keys,
            self._clock,
            post=self._from_the_centre,
            publish_result=self._uplink.publish_result,
            close_at_end=self._closing.callback,
        )
        self._page = self._make_page()
        self._rights.take_up(self._access, self._file_list, self._journal_reader.newest)
        self._file_list = None

    def start(self) -> None:
        for name, board in self._lock_boards.items():
            self._parts.start(name, partial(board.run, self._from_device))
        if self._lock_boards:
            self._boards_known.wait(BOARDS_FIRST_S)  # a card that lies there already must find its lock
        for name, reader in self._readers.items():
            self._parts.start(name, partial(reader.run, self._from_device))
        self._parts.start("uplink", self._uplink.run)
        self._parts.start("orders", self._rights.run)
        self._parts.start("spool", self._watch_spool)
        if self._page is not None:
            self._parts.start("metrics", self._page.run)
        self._deciding = threading.Thread(target=self._decide, name="decisions")
        gc.collect()
        give_back()
        gc.freeze()  # what is here now stays: the collector need not look at 50,000 credentials again
        self._deciding.start()
        if self._service.beat_every_s < OFTENEST_S:
            log.warning("WatchdogSec of the service unit is too short: a quiet gateway would be ended")
        self._service.ready()

    def wait(self) -> None:
        """Blocks until `stop`, then brings every part to its end; the last record is GATEWAY_STOPPED.

        Doors are released until the last read is decided: the lock boards end after the decisions.
        """
        self._stopped.wait()
        self._service.stopping()
        for reader in self._readers.values():
            reader.stop()
        if self._rights.stop():
            self._parts.join_one("orders")  # a command that was noted as used is still answered
        self.controller.inbox.put(Stop())
        self._deciding.join()
        self._rights.keep_turns()
        for board in self._lock_boards.values():
            board.stop()
        self._uplink.stop()
        if self._page is not None:
            self._page.stop()
        if self._parts.join():
            self._closing.close()
        else:
            self._journal.close()  # what somebody may still be reading from goes with the process

    def wait_for_stop(self, timeout_s: float) -> bool:
        """Whether `stop` was called, by whomever, within that time; does not end anything yet."""
        return self._stopped.wait(timeout_s)

    def stop(self) -> None:
        self._stopped.set()

    def reload(self) -> None:
        """Takes the access list's file and that of the site settings again; bad ones are refused and the
        former stay in force. What the centre has signed is not replaced by a file."""
        self._rights.reload()

    def _make_controller(self) -> Controller:
        points = make_points(self._settings, self._lock_boards)
        return Controller(
            journal=self._journal,
            clock=self._clock,
            access=self._access,
            points=points,
            doors=Doors(make_doorways(self._settings, points), self._access),
            senses=Senses(points, self._sensors),
            surroundings=Surroundings(
                indicate=self._indicate,
                announce=self._announce,
                list_changed=self._list_changed,
                answer=self._answer,
                send_again=self._send_again,
                beat=self._beat,
                troubles=self._troubles,
                input_changed=self._watch_power,
            ),
            keep_acknowledged_days=self._settings.journal.keep_acknowledged_days,
            wall_us=self._machine_clock.now_us,
            metrics=self._metrics,
        )

    def _make_uplink(self) -> Uplink:
        gateway = self._settings.gateway
        return Uplink(
            settings=self._settings.mqtt,
            site=gateway.site,
            gateway=gateway.name,
            about=about(self._settings),
            reader=self._journal_reader,
            clock=self._clock,
            report=self._report,
            licensed=lambda epoch, through: self.controller.inbox.put(Acknowledged(epoch, through)),
            orders=self._take_order,
            device_key=self._keys.device.signing if self._keys.device else None,
            centre_keys=self._keys.signers,
            ack_refused=lambda reason: self.controller.inbox.put(AckRefused(reason)),
            disputed=lambda epoch: self.controller.inbox.put(EpochDisputed(epoch)),
        )

    def _make_page(self) -> MetricsPage | None:
        """Loaded only where the settings want one."""
        if self._settings.metrics.port is None:
            return None
        from gateway.metrics_page import MetricsPage

        return MetricsPage(self._settings.metrics, self._metrics, self._readings, version("liuhen"))

    def _readings(self) -> Readings:
        status, now = self._uplink.status(), self._clock.now_us()
        journal = self._settings.journal
        paths = [path for path in (journal.path, journal.second_path) if path is not None]
        files = [path.with_name(path.name + suffix) for path in paths for suffix in ("", "-wal", "-shm")]
        return Readings(
            inbox=self.controller.inbox.qsize(),
            unrecorded=len(self.controller.unrecorded),
            unacknowledged=status.waiting,
            list_version=self.controller.access_list.version,
            list_age_s=self.controller.access_list.age_s(now),
            connected=status.connected,
            journal_bytes=sum(file.stat().st_size for file in files if file.exists()),
            free_bytes=shutil.disk_usage(journal.path.parent).free,
            clock=self._clock.quality(),
            devices=dict(self._devices),
        )

    def _watch_spool(self) -> None:
        """What was carried here by hand is taken as if it had come by MQTT. Nobody waits for this thread: it
        also clears away after a list."""
        while not self._stopped.is_set():
            if self._former_list_left:
                self._former_list_left = False
                give_back()
            try:
                self._spool.take(self._carried, self._exported)
            except CarryError as error:
                log.error("%s", error)
            self._stopped.wait(_SPOOL_EVERY_S)

    def _take_order(self, leaf: Leaf, payload: bytes) -> None:
        taken = self._rights.take(leaf, payload)
        if not taken and not self._stopped.is_set():
            self._metrics.dropped(leaf)

    def _answer(self, result: Result) -> None:
        self._rights.answer(result)

    def _carried(self, leaf: Leaf, payload: bytes, settle: Settle) -> bool:
        if leaf is Leaf.ACK:
            self._uplink.take_ack(payload, settle)
            return True
        return self._rights.carried(leaf, payload, settle)

    def _exported(self, settle: Settle) -> None:
        self.controller.inbox.put(RecordsExported(partial(settle, Fate.FOR_GOOD)))

    def _from_device(self, event: DeviceEvent) -> None:
        if isinstance(event, DeviceChanged):
            self._devices[event.device] = event.state.value
            if all(self._devices[board] != DeviceState.RECOVERING.value for board in self._lock_boards):
                self._boards_known.set()
            self._uplink.report_soon()
        if isinstance(event, CardRead) and event.reader in self._lending:
            self._decide_here(event)
        else:
            self.controller.inbox.put(event)

    def _decide_here(self, read: CardRead) -> None:
        """On the reader's own thread, where that has nobody else to serve meanwhile."""
        try:
            self.controller.read(read)
        except Exception:
            log.critical("a decision fell; the gateway stops", exc_info=True)
            self._cannot_decide()

    def _rehearse(self, reader: str) -> None:
        try:
            self.controller.rehearse(reader)
        except Exception:
            log.exception("a rehearsal of a decision failed; nothing of it counts")

    def _report(self) -> Report:
        list_version, devices = self.controller.access_list.version, dict(self._devices)
        waiting, revision = self.controller.unrecorded, self._rights.settings_revision
        if not waiting:
            return Report(list_version, devices, settings_revision=revision)
        return Report(list_version, devices, len(waiting), waiting[0].at_us - 1, revision)

    def _announce(self, head: Head) -> None:
        self._clock.not_before(self._clock.now_us())  # as late as it was when this record was made
        self._uplink.announce(head)

    def _from_the_centre(self, event: Event) -> None:
        self.controller.inbox.put(event)
        if isinstance(event, NewSettings):
            self._uplink.report_soon()

    def _list_changed(self) -> None:
        self._service.status(f"access list {self.controller.access_list.version}")
        self._former_list_left = True
        self._uplink.report_soon()

    def _indicate(self, reader: str, signal: Indication) -> None:
        try:
            self._readers[reader].indicate(signal)
        except DriverError as error:
            log.warning("%s cannot show %s: %s", reader, signal, error)

    def _send_again(self, command: Command) -> None:
        for each in command.ranges:
            self._uplink.send_again(each.epoch, each.first, each.last)

    def _troubles(self) -> list[tuple[Kind, Reason | None]]:
        stepped = self._clock.stepped()
        return [*self._storage.look(), *([stepped] if stepped else [])]

    def _watch_power(self, event: InputChanged) -> None:
        sensor = self._sensors.get((event.device, event.input))
        if sensor is not None:
            place = (event.device, event.input)
            self._power.take(place, sensor.function, event.state, time.monotonic())

    def _beat(self) -> None:
        self._service.beat()
        if self._power.should_stop(time.monotonic()) and not self._stopped.is_set():
            log.critical("the battery is low and there is no mains: the gateway stops while it can")
            self.stop()

    def _decide(self) -> None:
        """Without decisions there is no gateway: if this thread falls, the process does, and is restarted."""
        try:
            self.controller.run()
        except Exception:
            log.critical("the deciding thread fell; the gateway stops", exc_info=True)
            self._cannot_decide()

    def _cannot_decide(self) -> None:
        self.fell = True
        self.stop()

    def _fell(self, name: str) -> None:
        self._metrics.restarted(name)
        self._report_lost(name)

    def _report_lost(self, name: str) -> None:
        """Once, until it is heard of again: a driver that keeps falling does not fill the journal."""
        if self._devices.get(name, DeviceState.LOST) != DeviceState.LOST:
            self._from_device(DeviceChanged(name, DeviceState.LOST, "its driver fell"))
