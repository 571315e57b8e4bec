"""One process of the centre: ingest beside API and pages, from start to clean end. Wiring, no logic."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol
from zoneinfo import ZoneInfo

import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine

from central.accounts.second_factor import sealer_of
from central.alarms.watch import EVERY_S as ALARMS_EVERY_S
from central.alarms.watch import Watch
from central.alarms.webhooks import WebhookService
from central.app import create_app
from central.errors import CannotListen
from central.fleet.device_keys import Trusted, trusted_in
from central.fleet.keys import CentreKeys, load_centre_keys
from central.fleet.list_service import ListService
from central.fleet.order_service import OrderService
from central.identity.opening import Opener
from central.identity.wiring import identity_service, rules_of, vault_of
from central.ingest.service import IngestService
from central.looking import Looking
from central.lookup.holding import end_holds
from central.memory import keep_small, settle
from central.register.imports.jobs import forget_imports
from central.register.imports.service import ImportService
from central.reports.tally import EVERY_S as TALLY_EVERY_S
from central.reports.tally import Tally
from central.retention.entries import EVERY_S as ENTRIES_EVERY_S
from central.retention.entries import EntryRetention
from central.settings import ListenPart, MqttPart, Settings
from central.store.ended_months import EndedMonths
from central.store.engine import migrate, open_reader, open_writer
from central.visitors.own import end_without_right

log = logging.getLogger(__name__)

MakeIngest = Callable[[Engine, MqttPart, Trusted, Ed25519PrivateKey | None, Opener], IngestService]

_SHUTDOWN_S = 1
"""An open event stream would otherwise keep the server from ever stopping."""


_SWITCH_S = 0.0005
"""So long a thread that comes back from the database or the network waits for its turn where another one
computes. Python's own 5 ms at each statement were most of the time of a batch while messages came in."""


class Server(uvicorn.Server):
    """Tells the event streams to end before uvicorn waits for them."""

    def __init__(self, config: uvicorn.Config, stopping: threading.Event) -> None:
        super().__init__(config)
        self._stopping = stopping
        settle()  # all is loaded by now

    def handle_exit(self, sig: int, frame: object) -> None:
        self._stopping.set()
        super().handle_exit(sig, frame)  # type: ignore[arg-type]


def serve(settings: Settings, make_ingest: MakeIngest = IngestService) -> None:
    """Runs until SIGTERM or Ctrl-C. Raises CentralError when it cannot start.

    `make_ingest` is there for the fault campaigns, which need an ingest that keeps its promises badly.
    """
    keep_small()
    listener = _listen(settings.listen)
    sys.setswitchinterval(_SWITCH_S)
    with contextlib.ExitStack() as open_things:
        open_things.callback(listener.close)
        writer = open_writer(settings.database.address)
        open_things.callback(writer.dispose)
        migrate(writer)
        reader = open_reader(settings.database.address)
        open_things.callback(reader.dispose)
        keys = _keys(settings)
        signing = keys.signing[0] if keys else None
        vault = vault_of(settings, reader)
        opener = Opener(vault, rules_of(settings))
        ingest = make_ingest(writer, settings.mqtt, trusted_in(settings.keys.gateway_keys), signing, opener)
        stopping = threading.Event()
        sealer = sealer_of(settings.accounts.key_file)
        orders = OrderService(writer, settings.mqtt, keys, settings.keys) if keys else None
        app = create_app(
            settings,
            reader,
            writer,
            sealer=sealer,
            ingest_status=ingest.status,
            stopping=stopping,
            vault=vault,
            signing=signing,
            line=orders,
        )
        config = uvicorn.Config(
            app,
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=_SHUTDOWN_S,
        )
        _run(open_things, ingest)
        zone = ZoneInfo(settings.console.timezone)
        watch = Watch(writer, reader, _now_us, zone)
        for looking in (
            Looking("alarms", watch.look, ALARMS_EVERY_S, watch.begin),
            Looking("tally", Tally(writer, reader, _now_us, zone).look, TALLY_EVERY_S),
        ):
            _run(open_things, looking)
        if writer.dialect.name == "postgresql":
            _run(open_things, EndedMonths(settings.database.address, _now_us))
        if vault is not None:
            imports = ImportService(writer, reader, vault, zone, _now_us)
            _run(open_things, imports)
        if keys is not None and orders is not None:
            _run(open_things, orders)
            lists = ListService(writer, reader, settings.mqtt, keys)
            _run(open_things, lists)
            entries = EntryRetention(writer, reader, keys.signing[0], rules_of(settings), now_us=_now_us)
            _run(open_things, Looking("entries", entries.look, ENTRIES_EVERY_S))
            webhooks = WebhookService(writer, reader, keys.signing[0], _now_us)
            _run(open_things, webhooks)
            if vault is not None:
                identity = identity_service(settings, writer, vault, opener, keys.signing[0], also=_ENDING)
                _run(open_things, identity)
        host, port = listener.getsockname()[:2]
        server = Server(config, stopping)
        with signals_only_stop(server):
            # one piece, also where nothing is buffered: the log may share the pipe
            sys.stdout.write(f"listening on http://{f'[{host}]' if ':' in host else host}:{port}\n")
            sys.stdout.flush()
            server.run(sockets=[listener])


_ENDING = (end_holds, forget_imports, end_without_right)
"""What is over by the time, beside identities."""


class _Service(Protocol):
    def start(self) -> None: ...
    def stop(self) -> None: ...


def _run(open_things: contextlib.ExitStack, service: _Service) -> None:
    """Until these end."""
    service.start()
    open_things.callback(service.stop)


def _now_us() -> int:
    return time.time_ns() // 1_000


def _keys(settings: Settings) -> CentreKeys | None:
    """None, and a word about it, where the centre has no keys to sign with."""
    if not settings.keys.centre_key_file.exists():
        log.warning(
            "no keys: gateways are sent nothing, acknowledgements bear no signature, and no entry is ended;"
            " make them with liuhen-central keys make"
        )
        return None
    return load_centre_keys(settings.keys.centre_key_file)


@contextlib.contextmanager
def signals_only_stop(server: Server) -> Iterator[None]:
    """Also one that comes before uvicorn listens to them. Once stopped, uvicorn raises what it was sent
    again: we are still cleaning up then."""
    signals = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, server.handle_exit) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def _listen(part: ListenPart) -> socket.socket:
    try:
        return socket.create_server(
            (part.host, part.port),
            family=socket.AF_INET6 if ":" in part.host else socket.AF_INET,
            backlog=256,
        )
    except OSError as error:
        raise CannotListen(
            f"[listen] {part.host}:{part.port} cannot be listened to ({error.strerror});"
            " stop the program that uses it, or write another port (0: any free one)"
        ) from error
