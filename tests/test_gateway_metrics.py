"""The metrics page over real HTTP: what it says, what it never says, and that nobody can hold it up long."""

import http.client
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from gateway_support import free_port, install

from gateway import metrics_page as page_module
from gateway.errors import SettingsError
from gateway.metrics import Metrics, Readings
from gateway.metrics_page import MetricsPage, MetricsUnavailable
from gateway.settings import MetricsPart, load_settings
from messages.model import ClockQuality, Kind, Reason

READINGS = Readings(
    inbox=3,
    unrecorded=0,
    unacknowledged=17,
    list_version=12,
    list_age_s=90,
    connected=True,
    journal_bytes=40_960,
    free_bytes=1_000_000,
    clock=ClockQuality.HELD,
    devices={"lobby-in": "ok", "lobby-board": "lost"},
)


@contextmanager
def served(metrics: Metrics, readings: Readings | None = READINGS) -> Iterator[MetricsPage]:
    """`readings` None: they cannot be read."""

    def look() -> Readings:
        if readings is None:
            raise ValueError("CANARY-4711")
        return readings

    page = MetricsPage(MetricsPart(port=free_port()), metrics, look, "liuhen 0.1.0")
    thread = threading.Thread(target=page.run)
    thread.start()
    try:
        yield page
    finally:
        page.stop()
        thread.join()


def ask(page: MetricsPage, path: str = "/metrics", method: str = "GET") -> tuple[int, str]:
    with closing(http.client.HTTPConnection("127.0.0.1", page.port, timeout=20)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.fixture
def metrics() -> Metrics:
    metrics = Metrics()
    metrics.recorded([(Kind.GATEWAY_STARTED, None)])
    for _ in range(3):
        metrics.recorded([(Kind.ACCESS_GRANTED, Reason.LISTED)])
    metrics.recorded([(Kind.ACCESS_DENIED, Reason.UNKNOWN_CREDENTIAL)])
    metrics.recorded([(Kind.DOOR_FORCED, Reason.NO_RELEASE)])
    metrics.committed(0.0009)
    metrics.committed(0.02)
    metrics.committed(60.0)
    metrics.restarted("lobby-in")
    metrics.dropped("list")
    metrics.lost(4)
    return metrics


def test_the_page_says_what_was_counted_and_what_is_so_now(metrics: Metrics) -> None:
    with served(metrics) as page:
        status, text = ask(page)
    assert status == 200
    lines = text.splitlines()
    for line in (
        'liuhen_gateway_info{version="liuhen 0.1.0"} 1.0',
        'liuhen_gateway_decisions_total{reason="listed",result="granted"} 3.0',
        'liuhen_gateway_decisions_total{reason="unknown_credential",result="denied"} 1.0',
        'liuhen_gateway_records_total{kind="access_granted"} 3.0',
        'liuhen_gateway_records_total{kind="door_forced"} 1.0',
        'liuhen_gateway_records_total{kind="door_held"} 0.0',
        'liuhen_gateway_commit_seconds_bucket{le="0.001"} 1.0',
        'liuhen_gateway_commit_seconds_bucket{le="0.025"} 2.0',
        'liuhen_gateway_commit_seconds_bucket{le="10.0"} 2.0',
        'liuhen_gateway_commit_seconds_bucket{le="+Inf"} 3.0',
        "liuhen_gateway_commit_seconds_count 3.0",
        "liuhen_gateway_commit_seconds_sum 60.0209",
        'liuhen_gateway_part_restarts_total{part="lobby-in"} 1.0',
        'liuhen_gateway_orders_dropped_total{leaf="list"} 1.0',
        'liuhen_gateway_orders_dropped_total{leaf="command"} 0.0',
        "liuhen_gateway_lost_facts_total 4.0",
        'liuhen_gateway_device_state{device="lobby-board",state="lost"} 1.0',
        'liuhen_gateway_device_state{device="lobby-board",state="ok"} 0.0',
        'liuhen_gateway_clock_quality{quality="held"} 1.0',
        'liuhen_gateway_clock_quality{quality="synced"} 0.0',
        "liuhen_gateway_inbox_events 3.0",
        "liuhen_gateway_unrecorded_facts 0.0",
        "liuhen_gateway_unacknowledged_records 17.0",
        "liuhen_gateway_list_version 12.0",
        "liuhen_gateway_list_age_seconds 90.0",
        "liuhen_gateway_uplink_connected 1.0",
        "liuhen_gateway_journal_bytes 40960.0",
        "liuhen_gateway_journal_free_bytes 1e+06",
    ):
        assert line in lines, line


def test_what_is_not_known_is_not_shown(metrics: Metrics) -> None:
    with served(metrics, Readings()) as page:
        _, text = ask(page)
    assert "unacknowledged" not in text
    assert "clock_quality" not in text
    assert "liuhen_gateway_records_total" in text


def test_its_labels_are_bounded_by_vocabularies_and_settings(metrics: Metrics) -> None:
    for kind in Kind:
        for reason in (None, *Reason):
            metrics.recorded([(kind, reason)])
    with served(metrics) as page:
        _, text = ask(page)
    assert len(text.splitlines()) < 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_but_reading_is_allowed(metrics: Metrics, method: str) -> None:
    with served(metrics) as page:
        status, _ = ask(page, method=method)
    assert status == 405


def test_there_is_no_other_page(metrics: Metrics) -> None:
    with served(metrics) as page:
        assert ask(page, "/")[0] == 404
        assert ask(page, "/metrics/../../etc/passwd")[0] == 404
        assert ask(page, method="HEAD") == (200, "")


def test_figures_that_cannot_be_read_are_an_error_without_values(
    metrics: Metrics, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with served(metrics, None) as page:
        status, text = ask(page)
    assert (status, text) == (500, "500 Internal Server Error\n")
    assert "figures cannot be read" in caplog.text
    assert "CANARY" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("says", [b"", b"GET /metrics HT", b"\x16\x03\x01\x00\xff nonsense\r\n\r\n"])
def test_whoever_stalls_or_talks_nonsense_is_dropped(metrics: Metrics, says: bytes) -> None:
    with served(metrics) as page, socket.create_connection(("127.0.0.1", page.port)) as stalled:
        stalled.sendall(says)
        assert ask(page)[0] == 200


def test_whoever_drips_is_cut_off(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module, "_WHOLE_REQUEST_S", 0.5)
    with served(metrics) as page, socket.create_connection(("127.0.0.1", page.port)) as dripping:
        stopping = threading.Event()
        thread = threading.Thread(target=_drip, args=(dripping, stopping))
        thread.start()
        assert ask(page)[0] == 200
        stopping.set()
        thread.join()


def _drip(connection: socket.socket, stopping: threading.Event) -> None:
    try:
        while not stopping.wait(0.05):
            connection.sendall(b"G")
    except OSError:
        return


def test_a_port_that_is_taken_is_said_with_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = MetricsPart(port=taken.getsockname()[1])
        with pytest.raises(MetricsUnavailable, match=r"metrics\.port: nothing can listen at 127\.0\.0\.1"):
            MetricsPage(settings, Metrics(), lambda: READINGS, "liuhen")


def test_counting_from_many_threads_loses_nothing() -> None:
    metrics = Metrics()

    def count() -> None:
        for _ in range(5_000):
            metrics.recorded([(Kind.ACCESS_GRANTED, Reason.LISTED)])
            metrics.committed(0.002)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    totals = metrics.totals()
    assert totals.records == {(Kind.ACCESS_GRANTED, Reason.LISTED): 20_000}
    assert sum(totals.commits) == 20_000


def test_the_library_is_loaded_only_where_the_page_is_wanted() -> None:
    code = "import sys, gateway.daemon, gateway.metrics; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def with_metrics(folder: Path, *lines: str) -> Path:
    settings = install(folder)
    text = "\n".join(["[metrics]", *lines, settings.read_text(encoding="utf-8")])
    settings.write_text(text, encoding="utf-8")
    return settings


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("0.0.0.0", "other machines could read the page there"),  # noqa: S104  refused
        ("192.0.2.7", "other machines could read the page there"),
        ("gateway", "is not an IP address"),
    ],
)
def test_a_page_that_others_could_read_has_to_be_wanted(tmp_path: Path, host: str, said: str) -> None:
    with pytest.raises(SettingsError, match=rf"metrics\.host: {said}"):
        load_settings(with_metrics(tmp_path, "port = 9464", f'host = "{host}"'))


@pytest.mark.parametrize("lines", [("port = 9464", 'host = "0.0.0.0"', "beyond_loopback = true"), ()])
def test_it_can_be_wanted_and_it_can_be_left_out(tmp_path: Path, lines: tuple[str, ...]) -> None:
    assert load_settings(with_metrics(tmp_path, *lines)).metrics.port == (9464 if lines else None)
