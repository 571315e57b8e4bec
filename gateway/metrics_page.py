"""The page of figures for Prometheus: http://HOST:PORT/metrics. Loaded only where settings give it a port.

The only module that knows prometheus_client. One request at a time, answered within seconds or dropped:
whoever asks can make the page slow, never the doors.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import accumulate
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from drivers.base import DeviceState
from gateway.errors import GatewayError
from gateway.metrics import COMMIT_BOUNDS_S, DECISIONS, Metrics, Readings, Totals
from gateway.settings import MetricsPart
from messages.model import ClockQuality, Kind
from messages.topics import Leaf

log = logging.getLogger(__name__)

_PATIENCE_S = 2.0
_WHOLE_REQUEST_S = 10.0
_LOOK_S = 1.0
_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class MetricsUnavailable(GatewayError):
    """The page cannot be offered there; the operator must give it another port. Doors do without it."""


class MetricsPage:
    """`run` in a thread of its own until `stop`; may be run again after it fell."""

    def __init__(
        self, settings: MetricsPart, metrics: Metrics, look: Callable[[], Readings], version: str
    ) -> None:
        """`look` is called for each request, in the page's thread. Raises MetricsUnavailable."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Figures(metrics, look, version))
        self._registry = registry
        assert settings.port is not None, "without a port there is no page"
        try:
            self._server = _server(settings.host, settings.port)
        except OSError as error:
            raise MetricsUnavailable(
                f"metrics.port: nothing can listen at {settings.host}:{settings.port} ({error.strerror});"
                " choose a free port"
            ) from error
        self._server.set_app(self._answer)
        self._stopping = False

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def run(self) -> None:
        while not self._stopping:
            self._server.handle_request()
        self._server.server_close()

    def stop(self) -> None:
        """Returns at once; `run` ends within a second, or after the request that is being answered."""
        self._stopping = True

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _refused(start, "405 Method Not Allowed", [("Allow", "GET, HEAD")])
        if environ["PATH_INFO"] != "/metrics":
            return _refused(start, "404 Not Found", [])
        try:
            page = generate_latest(self._registry)
        except Exception:
            log.exception("the metrics page: figures cannot be read")
            return _refused(start, "500 Internal Server Error", [])
        start("200 OK", [("Content-Type", _TYPE), ("Content-Length", str(len(page)))])
        return [page] if environ["REQUEST_METHOD"] == "GET" else []


class _Figures(Collector):
    def __init__(self, metrics: Metrics, look: Callable[[], Readings], version: str) -> None:
        self._metrics = metrics
        self._look = look
        self._version = version

    def collect(self) -> Iterator[Metric]:
        totals, now = self._metrics.totals(), self._look()
        yield InfoMetricFamily("liuhen_gateway", "The program.", {"version": self._version})
        yield _decisions(totals)
        yield _events(totals)
        yield _commits(totals)
        yield _restarts(totals)
        yield _dropped(totals)
        yield CounterMetricFamily(
            "liuhen_gateway_lost_facts",
            "Facts that had no room in memory while the journal could not take them.",
            totals.lost,
        )
        yield _devices(now)
        if now.clock is not None:
            yield _one_of("clock_quality", "How good the clock is.", "quality", ClockQuality, now.clock)
        for name, text, value in _plain(now):
            if value is not None:
                yield GaugeMetricFamily(f"liuhen_gateway_{name}", text, float(value))


def _plain(now: Readings) -> tuple[tuple[str, str, float | None], ...]:
    return (
        ("inbox_events", "Events that wait for a decision.", now.inbox),
        ("unrecorded_facts", "Facts in memory that the journal could not take.", now.unrecorded),
        ("unacknowledged_records", "Records that the centre has not committed.", now.unacknowledged),
        ("list_version", "Version of the access list in force.", now.list_version),
        ("list_age_seconds", "Age of the access list in force.", now.list_age_s),
        ("uplink_connected", "1 while the broker is connected.", now.connected),
        ("journal_bytes", "What the journal's files take on the disk.", now.journal_bytes),
        ("journal_free_bytes", "What is free on the journal's disk.", now.free_bytes),
    )


def _decisions(totals: Totals) -> Metric:
    family = CounterMetricFamily(
        "liuhen_gateway_decisions", "Access decisions recorded.", labels=("result", "reason")
    )
    for (kind, reason), count in sorted(totals.records.items(), key=str):
        if kind in DECISIONS:
            result = "granted" if kind is Kind.ACCESS_GRANTED else "denied"
            family.add_metric((result, reason or ""), count)
    return family


def _events(totals: Totals) -> Metric:
    family = CounterMetricFamily(
        "liuhen_gateway_records", "Records made durable, of every kind.", labels=("kind",)
    )
    for kind in Kind:
        family.add_metric((kind,), sum(n for (each, _), n in totals.records.items() if each is kind))
    return family


def _commits(totals: Totals) -> Metric:
    bounds = [*(str(bound) for bound in COMMIT_BOUNDS_S), "+Inf"]
    return HistogramMetricFamily(
        "liuhen_gateway_commit_seconds",
        "How long a commit of the journal takes.",
        buckets=list(zip(bounds, accumulate(totals.commits), strict=True)),
        sum_value=totals.commit_s,
    )


def _restarts(totals: Totals) -> Metric:
    family = CounterMetricFamily(
        "liuhen_gateway_part_restarts", "Parts of the program begun again.", labels=("part",)
    )
    for part, count in sorted(totals.restarts.items()):
        family.add_metric((part,), count)
    return family


def _dropped(totals: Totals) -> Metric:
    family = CounterMetricFamily(
        "liuhen_gateway_orders_dropped", "Messages of the centre not looked at.", labels=("leaf",)
    )
    for leaf in (Leaf.LIST, Leaf.SETTINGS, Leaf.COMMAND):
        family.add_metric((leaf,), totals.dropped.get(leaf, 0))
    return family


def _devices(now: Readings) -> Metric:
    family = GaugeMetricFamily(
        "liuhen_gateway_device_state", "1 for the state each device is in.", labels=("device", "state")
    )
    for device, state in sorted(now.devices.items()):
        for each in DeviceState:
            family.add_metric((device, each.value), float(state == each.value))
    return family


def _one_of(name: str, text: str, label: str, values: Iterable[ClockQuality], now: ClockQuality) -> Metric:
    family = GaugeMetricFamily(f"liuhen_gateway_{name}", text, labels=(label,))
    for each in values:
        family.add_metric((each.value,), float(each is now))
    return family


class _Request(WSGIRequestHandler):
    timeout = _PATIENCE_S  # of each read and write

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name there
        """Who asks what is nobody's business, and could be anything."""


class _Server(WSGIServer):
    timeout = _LOOK_S
    request_queue_size = 8

    def server_bind(self) -> None:
        """Without the look-up of our own name, which waits for a name server."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "gateway", int(self.server_address[1])
        self.setup_environ()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Who sends a byte now and then is cut off as well."""
        guard = threading.Timer(_WHOLE_REQUEST_S, _cut, (request,))
        guard.daemon = True
        guard.start()
        try:
            super().finish_request(request, client_address)
        finally:
            guard.cancel()

    def handle_error(self, *_: object) -> None:
        log.info("the metrics page: a request broke off")


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):  # gone already
        connection.shutdown(socket.SHUT_RDWR)


def _server(host: str, port: int) -> _Server:
    kind = type("_Server6", (_Server,), {"address_family": socket.AF_INET6}) if ":" in host else _Server
    server: _Server = kind((host, port), _Request)
    return server


def _refused(start: Callable[..., Any], status: str, headers: list[tuple[str, str]]) -> Iterable[bytes]:
    body = f"{status}\n".encode()
    start(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *headers])
    return [body]
