"""Every refusal is a problem document that repeats nothing, and every answer carries what browsers heed."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import plain_http
import pytest
from central_support import GATEWAY, SITE, free_port
from central_web_support import Filled, Served, a_filled

from central.errors import IdentityDamaged, IdentityGone
from central.store.engine import open_reader

SECRET = "what-somebody-typed"
GUARDS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
WINDOW = "from=2026-11-23T00:00:00Z&until=2026-11-24T00:00:00Z"
DOOR = f"site={SITE}&gateway={GATEWAY}&door=door-1"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    with a_filled(tmp_path_factory.mktemp("database")) as opened:
        yield opened


@pytest.fixture(scope="module")
def served(filled: Filled) -> Iterator[Served]:
    with Served(filled) as running:
        yield running


def problem_of(answer: httpx.Response) -> dict[str, object]:
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, object] = json.loads(answer.text)
    assert set(found) == {"type", "title", "status", "detail"}
    assert (found["type"], found["status"]) == ("about:blank", answer.status_code)
    assert found["title"]
    assert found["detail"]
    return found


def guarded(answer: httpx.Response) -> None:
    assert {name: answer.headers.get(name) for name in GUARDS} == GUARDS
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "server" not in answer.headers


@pytest.mark.parametrize(
    ("path", "status"),
    [
        *(
            (path, 404)
            for path in ("/nowhere", "/api", "/api/v1/people", "/static/x.css", "/assets/htmx/x.js")
        ),
        *((path, 404) for path in ("/static/../settings.py", "/docs", "/parts/", "/.git/config")),
        (f"/api/v1/gateways/{SITE}/nobody", 404),
        (f"/api/v1/gateways/{SITE}/UPPER{SECRET}", 422),
        (f"/api/v1/entries?{DOOR}", 422),
        (f"/api/v1/entries?{WINDOW}", 422),
        (f"/api/v1/entries?{DOOR}&from={SECRET}&until={SECRET}", 422),
        (f"/api/v1/entries?{DOOR}&{WINDOW}&limit=0", 422),
        (f"/api/v1/entries?{DOOR}&{WINDOW}&limit=501", 422),
        (f"/api/v1/entries?{DOOR}&{WINDOW}&cursor={SECRET}", 422),
        (f"/api/v1/live?after=-1{SECRET}", 422),
        (f"/?lang={SECRET}", 422),
        ("/parts/entries", 422),
    ],
)
def test_what_cannot_be_answered_is_a_problem_that_repeats_no_value(
    served: Served, path: str, status: int
) -> None:
    answer = served.get(path)
    assert answer.status_code == status
    problem_of(answer)
    guarded(answer)
    assert SECRET not in answer.text


@pytest.mark.parametrize("path", ["/", "/api/v1/entries", "/api/v1/health", "/static/liuhen.css"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_written_from_outside(served: Served, method: str, path: str) -> None:
    answer = plain_http.request(method, f"{served.address}{path}")
    assert answer.status_code == 405
    problem_of(answer)
    guarded(answer)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "health", "GET"),
        pytest.param("DELETE", "alarm-rules/back-test", "POST", id="no rule is called back-test"),
        pytest.param("OPTIONS", "communities/1/places/2", "GET, PATCH", id="of several endpoints"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(served: Served, method: str, path: str, allowed: str) -> None:
    answer = plain_http.request(method, f"{served.address}/api/v1/{path}")
    assert answer.headers["allow"] == allowed
    problem_of(answer)


@pytest.mark.parametrize("path", ["/", "/api/v1/health", "/static/liuhen.css", "/assets/htmx/htmx.min.js"])
@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "192.168.1.7:8080"),
        *("evil.example:80@localhost", "localhost:", "localhost:x", "[::2]", "[fe80::1]:80", "127.0.0", ""),
    ],
)
def test_a_stranger_s_name_for_us_is_refused_everywhere(served: Served, host: str, path: str) -> None:
    answer = plain_http.get(f"{served.address}{path}", headers={"Host": host})
    assert answer.status_code == 421
    assert "localhost" in str(problem_of(answer)["detail"])
    assert "evil" not in answer.text
    guarded(answer)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.0.0.2:8080", "[::1]:8080"]
)
def test_our_own_names_are_answered_also_behind_a_tunnel_s_port(served: Served, host: str) -> None:
    assert plain_http.get(f"{served.address}/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        *((path, "no-store") for path in ("/", "/?lang=en", "/parts/gateways", "/api/v1/gateways")),
        *((path, "no-store") for path in ("/api/v1/health", "/api/v1/openapi.json")),
        *((path, "no-cache") for path in ("/static/liuhen.css", "/static/now/now.js", "/static/mark.svg")),
        *((path, "no-cache") for path in ("/assets/htmx/htmx.min.js", "/assets/htmx-sse/sse.min.js")),
    ],
)
def test_every_good_answer_is_guarded_and_no_entry_is_kept_by_the_browser(
    served: Served, path: str, kept: str
) -> None:
    answer = served.get(path)
    assert answer.status_code == 200
    guarded(answer)
    assert answer.headers["cache-control"] == kept


def test_a_file_that_a_page_names_is_asked_for_once(served: Served) -> None:
    """Its address changes with what is in it."""
    named = re.findall(r'(?:src|href)="(/(?:static|assets)/[^"]*)"', served.get("/").text)
    assert len(named) > 3
    for path in named:
        answer = served.get(path)
        guarded(answer)
        assert hashlib.sha256(answer.content).hexdigest().startswith(path.partition("?v=")[2])
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        for strange in (path.partition("?")[0] + "?v=0123456789", path + "&v=1"):
            assert served.get(strange).headers["cache-control"] == "no-cache", strange
    assert served.get("/static/nothing.css?v=0123456789").headers["cache-control"] == "no-cache"


def test_a_stream_is_guarded_too(served: Served) -> None:
    for path in ("/api/v1/live", "/parts/entries?after=0"):
        with plain_http.stream("GET", f"{served.address}{path}") as answer:
            guarded(answer)
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["content-type"].startswith("text/event-stream")


def test_a_fault_of_our_own_says_so_without_its_inside(filled: Filled) -> None:
    serving = Served(filled)

    def broken() -> None:
        raise KeyError(SECRET)

    serving.app.add_api_route("/broken", broken)
    with serving as served:
        answer = served.get("/broken")
    assert answer.status_code == 500
    assert "log" in str(problem_of(answer)["detail"])
    assert SECRET not in answer.text
    assert "Traceback" not in answer.text
    guarded(answer)


def test_identity_whose_key_was_destroyed_is_gone_for_good(filled: Filled) -> None:
    """410 and not 404: whoever asks learns that it was there and that asking again is of no use."""
    serving = Served(filled)

    def gone() -> None:
        raise IdentityGone("its key was destroyed when its time was over")

    serving.app.add_api_route("/gone", gone)
    with serving as served:
        answer = served.get("/gone")
    assert answer.status_code == 410
    assert problem_of(answer)["detail"] == "its key was destroyed when its time was over"
    guarded(answer)


def test_damaged_identity_is_our_fault_and_the_operator_reads_of_it(
    filled: Filled, caplog: pytest.LogCaptureFixture
) -> None:
    serving = Served(filled)

    def damaged(_person: str) -> None:
        raise IdentityDamaged("altered, or sealed for another row")

    serving.app.add_api_route("/persons/{_person}", damaged)
    with serving as served:
        answer = served.get(f"/persons/{SECRET}")
    assert answer.status_code == 500
    assert "the operator must look" in str(problem_of(answer)["detail"])
    guarded(answer)
    assert "altered, or sealed for another row (asked by GET /persons/{_person})" in caplog.text
    assert SECRET not in answer.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "path", ["/", "/parts/gateways", "/api/v1/gateways", f"/api/v1/entries?{DOOR}&{WINDOW}"]
)
def test_a_database_that_does_not_answer_is_said_and_nothing_of_it_is_shown(
    tmp_path: Path, path: str
) -> None:
    reader = open_reader(f"sqlite:///{tmp_path / SECRET / 'gone.sqlite'}")
    with Served(reader) as served:
        answer = served.get(path)
    reader.dispose()
    assert answer.status_code == 503
    assert "ask again" in str(problem_of(answer)["detail"])
    assert SECRET not in answer.text
    assert "sqlite" not in answer.text.lower()
    guarded(answer)


def test_the_document_of_the_api_names_problems_as_what_they_are(served: Served) -> None:
    document = served.get("/api/v1/openapi.json").json()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            refusals = {code: said for code, said in operation["responses"].items() if code >= "400"}
            assert refusals, path
            for code, said in refusals.items():
                if not (path.endswith("/health") and code == "503"):
                    assert list(said["content"]) == ["application/problem+json"], (path, code)
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_the_port_is_free_again_when_it_has_stopped(filled: Filled) -> None:
    port = free_port()
    for _ in range(2):
        with Served(filled, port) as served:
            assert served.get("/api/v1/health").status_code == 200
