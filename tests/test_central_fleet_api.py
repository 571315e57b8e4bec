"""Gateways and the centre's own health over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plain_http
import pytest
from central_support import (
    GATEWAY,
    SITE,
    START_US,
    Broker,
    a_central,
    a_chain,
    a_gateway,
    until,
)
from central_web_support import COMMUNITY, NOW_US, WELL, Chain, Filled, Served, a_filled, about, online

from central.accounts.book import add_site
from central.ingest.service import IngestStatus
from central.store.engine import open_reader, writing
from central.times import utc_text


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    with a_filled(tmp_path) as opened:
        yield opened


@pytest.fixture
def served(filled: Filled) -> Iterator[Served]:
    with Served(filled) as running:
        yield running


def asked(served: Served, path: str) -> Any:
    answer = served.get(f"/api/v1{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_nobody_has_spoken_yet(served: Served) -> None:
    assert asked(served, "/gateways") == []


def test_a_gateway_is_described_with_all_that_is_missing(filled: Filled, served: Served) -> None:
    chain = Chain()
    chain.grow(12)
    state = online(
        chain.head(oldest=3), at_us=START_US + 60_000_000, devices={"reader-1": "ok", "locks": "lost"}
    )
    filled.take(about("东楼", [("door-1", "1 单元门", ["reader-1"])]), state, chain.block(5, 8))
    assert asked(served, f"/gateways/{SITE}/{GATEWAY}") == {
        "site": SITE,
        "gateway": GATEWAY,
        "label": "东楼",
        "online": True,
        "heard_at": utc_text(NOW_US),
        "complete": False,
        "complete_until": None,
        "epoch": 1,
        "through": 2,
        "head": 12,
        "behind": 6,
        "missing": [
            {"epoch": 1, "first": 1, "last": 2, "lost": True},
            {"epoch": 1, "first": 3, "last": 4, "lost": False},
            {"epoch": 1, "first": 9, "last": 12, "lost": False},
        ],
        "missing_ranges": 3,
        "findings": {"lost": 1},
        "signs_as": None,
        "unbelieved_since": None,
        "replayed_at": None,
        "doors": [{"door": "door-1", "label": "1 单元门"}],
        "devices": {"reader-1": "ok", "locks": "lost"},
        "journal": None,
        "list_version": None,
        "software": "1.2",
    }


def test_when_all_is_here_the_list_says_up_to_when(filled: Filled, served: Served) -> None:
    chain = Chain()
    chain.grow(3)
    filled.take(chain.block(), online(chain.head(), at_us=START_US + 60_000_000))
    [gateway] = asked(served, "/gateways")
    assert (gateway["complete"], gateway["behind"], gateway["missing"]) == (True, 0, [])
    assert gateway["complete_until"] == "2023-11-14T22:14:20.000000Z"


def test_each_gateway_is_listed_once_by_site_and_name(filled: Filled, served: Served) -> None:
    with writing(filled.writer) as connection:
        for site in ("a", "b"):
            add_site(connection, COMMUNITY, site, NOW_US)
    for site, name in (("b", "two"), ("a", "two"), ("b", "one")):
        filled.take(about(f"{site}-{name}"), gateway=name, site=site)
    found = [(gateway["site"], gateway["gateway"]) for gateway in asked(served, "/gateways")]
    assert found == [("a", "two"), ("b", "one"), ("b", "two")]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param(f"/{SITE}/nobody", 404, id="never heard of"),
        pytest.param(f"/oak-lane/{GATEWAY}", 404, id="of another site"),
        pytest.param(f"/{SITE}/No-Name", 422, id="no name"),
        pytest.param(f"/{SITE}/{'x' * 33}", 422, id="too long a name"),
    ],
)
def test_a_gateway_that_is_not_there_is_a_problem(
    filled: Filled, served: Served, path: str, status: int
) -> None:
    filled.take(about("东楼"))
    answer = served.get(f"/api/v1/gateways{path}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_well_centre_is_ready(served: Served) -> None:
    assert asked(served, "/health") == {
        "ready": True,
        "broker_connected": True,
        "database": "ok",
        "waiting_messages": 0,
        "records_stored": 0,
    }


def test_a_database_that_cannot_be_written_is_not_ready(filled: Filled) -> None:
    status = IngestStatus(
        broker_connected=True, database_trouble="disk full", queue_depth=7, records_stored=2
    )
    with Served(filled, status=status) as served:
        answer = served.get("/api/v1/health")
    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "broker_connected": True,
        "database": "disk full",
        "waiting_messages": 7,
        "records_stored": 2,
    }


def test_a_database_that_cannot_be_read_is_not_ready(tmp_path: Path) -> None:
    reader = open_reader(f"sqlite:///{tmp_path / 'nowhere' / 'central.sqlite'}")
    with Served(reader, status=WELL) as served:
        answer = served.get("/api/v1/health")
    reader.dispose()
    assert (answer.status_code, answer.json()["ready"]) == (503, False)
    assert "could not be read" in answer.json()["database"]


def test_the_real_centre_waits_for_a_broker_loses_it_and_recovers_by_itself(tmp_path: Path) -> None:
    def ready() -> int:
        return plain_http.get(f"{central.address}/api/v1/health").status_code

    broker = Broker(tmp_path)
    with a_central(tmp_path, broker.port) as central:
        health = plain_http.get(f"{central.address}/api/v1/health")
        assert (health.status_code, health.json()["broker_connected"]) == (503, False)
        assert central.get("/").status_code == 200
        broker.start()
        try:
            until(lambda: ready() == 200, "readiness")
            with a_gateway(broker.port) as end:
                end.send(a_chain(20))
                end.acknowledged(20)
            [gateway] = central.get("/api/v1/gateways").json()
            assert (gateway["gateway"], gateway["through"], gateway["complete"]) == (GATEWAY, 20, True)
            broker.kill()
            until(lambda: ready() == 503, "word that the broker is away")
            assert central.get("/").status_code == 200
            broker.start()
            until(lambda: ready() == 200, "recovery")
        finally:
            broker.kill()
