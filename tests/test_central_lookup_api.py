"""Entries over HTTP: by door and window, as they arrive, and never by or about a person."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import plain_http
import pytest
from central_support import BOOT, DEADLINE_S, GATEWAY, SITE, START_US, a_block, until
from central_web_support import (
    DOORLESS,
    SECRET_BOOT,
    SECRET_HINT,
    SECRET_HOLDER,
    SECRET_IDENTITY,
    SECRET_TOKEN,
    Chain,
    Filled,
    Served,
    Stream,
    a_filled,
    about,
    online,
    secretive,
)
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy.exc import OperationalError

from central.lookup.feed import AT_ONCE, OPEN_OF_ONE
from central.store.engine import open_reader
from central.times import utc_text
from messages.topics import Leaf

DOOR = {"site": SITE, "gateway": GATEWAY, "door": "door-1"}
FROM, UNTIL = "2023-11-14T00:00:00Z", "2023-11-16T00:00:00Z"  # START_US is 2023-11-14T22:13:20Z
LIVE = "/api/v1/live"
ENDS_WITHIN_S = 2.0
PAUSE_S = 0.02


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    with a_filled(tmp_path) as opened:
        yield opened


@pytest.fixture
def served(filled: Filled) -> Iterator[Served]:
    with Served(filled) as running:
        yield running


def entries(served: Served, **query: object) -> dict[str, Any]:
    answer = served.get("/api/v1/entries", **{**DOOR, "from_": FROM, "until": UNTIL, **query})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def put(filled: Filled, chain: Chain, count: int = 1, **changes: object) -> None:
    first = len(chain.bodies) + 1
    secretive(chain, count, **{"door": "door-1", **changes})
    filled.take(chain.block(first))


# --- by door and window -------------------------------------------------------------------------------


def test_an_entry_is_given_in_utc_and_in_the_time_of_its_place(filled: Filled, served: Served) -> None:
    put(filled, Chain(), at=START_US + 1)
    [entry] = entries(served)["entries"]
    assert entry == {
        "id": 1,
        "at": "2023-11-14T22:13:20.000001Z",
        "local_time": "2023-11-15T06:13:20+08:00",
        "site": SITE,
        "gateway": GATEWAY,
        "door": "door-1",
        "kind": "access_granted",
        "granted": True,
        "direction": "in",
        "reason": "listed",
        "category": "resident",
        "assurance": "L3",
        "clock": "synced",
    }


def test_pages_follow_each_other_while_more_arrives(filled: Filled, served: Served) -> None:
    chain = Chain()
    put(filled, chain, 25, at=START_US)
    found, cursor = [], None
    while True:
        page = entries(served, limit=4, **({"cursor": cursor} if cursor else {}))
        found += [entry["id"] for entry in page["entries"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        put(filled, chain, at=START_US + 1_000_000)
        put(filled, chain, at=START_US)
    assert found == list(range(25, 0, -1))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        pytest.param({"until": FROM, "from_": UNTIL}, "until: lies not after", id="backwards"),
        pytest.param({"until": FROM}, "until: lies not after", id="empty"),
        pytest.param({"until": "2023-11-21T00:00:00.000001Z"}, "at most 7 days", id="too long"),
        pytest.param({"from_": "2023-11-14T00:00:00"}, "from: a time needs its offset", id="no offset"),
        pytest.param({"until": "2023-11-16"}, "until: a time needs its offset", id="a day alone"),
        pytest.param({"from_": "yesterday"}, "from: ", id="no time"),
        pytest.param({"cursor": "garbage"}, "cursor: is none of ours", id="strange cursor"),
        pytest.param({"cursor": "x" * 65}, "cursor: ", id="long cursor"),
        pytest.param({"limit": 0}, "limit: ", id="no page"),
        pytest.param({"limit": 501}, "limit: ", id="too large a page"),
        pytest.param({"door": "../etc"}, "door: ", id="no door's name"),
    ],
)
def test_a_question_that_cannot_be_asked_says_which_part_and_why(
    served: Served, query: dict[str, object], words: str
) -> None:
    answer = served.get("/api/v1/entries", **{**DOOR, "from_": FROM, "until": UNTIL, **query})
    assert answer.status_code == 422
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(
    "zone", ["2023-11-15T06:13:20%2B08:00", "2023-11-14T22:13:20Z", "2023-11-14T17:13:20-05:00"]
)
def test_a_time_means_the_same_moment_in_every_zone(filled: Filled, served: Served, zone: str) -> None:
    put(filled, Chain(), at=START_US)
    path = f"/api/v1/entries?site={SITE}&gateway={GATEWAY}&door=door-1&until={UNTIL}&from={zone}"
    assert len(served.get(path).json()["entries"]) == 1


def test_an_unknown_gateway_has_an_empty_page_that_claims_nothing(served: Served) -> None:
    assert entries(served) == {
        "entries": [],
        "next_cursor": None,
        "complete": False,
        "complete_until": None,
        "ended_until": None,
    }


def test_an_answer_is_complete_only_if_the_gateway_has_told_of_all_its_window(
    filled: Filled, served: Served
) -> None:
    chain = Chain()
    put(filled, chain, at=START_US)
    filled.take(online(chain.head(), at_us=START_US + 60_000_000))
    told = utc_text(START_US + 60_000_000)
    assert (entries(served)["complete"], entries(served)["complete_until"]) == (False, told)
    assert entries(served, until=told)["complete"]


def test_an_answer_of_a_gateway_that_owes_records_is_not_complete(filled: Filled, served: Served) -> None:
    chain = Chain()
    secretive(chain, 5, at=START_US)
    filled.take(chain.block(1, 2), chain.block(4, 5), online(chain.head(), at_us=START_US + 200_000_000_000))
    page = entries(served)
    assert (page["complete"], page["complete_until"]) == (False, utc_text(START_US))


def test_an_answer_after_a_loss_is_not_complete(filled: Filled, served: Served) -> None:
    chain = Chain()
    secretive(chain, 5, at=START_US)
    filled.take(chain.block(3), online(chain.head(oldest=3), at_us=START_US + 200_000_000_000))
    assert not entries(served)["complete"]


def test_an_answer_is_not_complete_while_a_record_is_only_set_aside(filled: Filled, served: Served) -> None:
    chain = Chain()
    secretive(chain, 5, at=START_US)
    filled.take(chain.block(1, 4), online(chain.head(), at_us=START_US + 200_000_000_000))
    filled.take((Leaf.BACKLOG, a_block([b"{}"], 5)))
    page = entries(served)
    assert (page["complete"], page["complete_until"]) == (False, utc_text(START_US + 200_000_000_000))


# --- as they arrive -----------------------------------------------------------------------------------


def live(served: Served, query: str = "", *, last_event_id: int | None = None) -> Stream:
    return Stream(f"{served.address}{LIVE}{query}", last_event_id=last_event_id)


def test_entries_arrive_after_their_commit_and_doorless_records_do_not(
    filled: Filled, served: Served
) -> None:
    chain = Chain()
    put(filled, chain, 3)
    with live(served, "?after=3") as stream:
        assert re.fullmatch(r"retry: \d+", stream.first)
        chain.grow(**DOORLESS)
        filled.take(chain.block(4))
        put(filled, chain, 2)
        sent = stream.take(2)
    assert [(event.id, event.name) for event in sent] == [(5, "entry"), (6, "entry")]
    assert '"door":"door-1"' in sent[0].data


def test_without_a_number_the_stream_begins_now(filled: Filled, served: Served) -> None:
    chain = Chain()
    put(filled, chain, 3)
    growing = threading.Event()

    def grow() -> None:
        while not growing.wait(PAUSE_S):
            put(filled, chain)

    thread = threading.Thread(target=grow)
    with live(served) as stream:
        thread.start()  # the stream takes its place some time after it was opened
        try:
            first, second = stream.take(2)
        finally:
            growing.set()
            thread.join()
    assert first.id > 3
    assert second.id == first.id + 1


@pytest.mark.parametrize("query", ["", "?after=1"])
def test_a_stream_goes_on_after_the_last_event_that_was_seen(
    filled: Filled, served: Served, query: str
) -> None:
    chain = Chain()
    put(filled, chain, 4)
    with live(served, "?after=0") as stream:
        seen = [event.id for event in stream.take(4)]
    put(filled, chain, 60)
    with live(served, query, last_event_id=seen[-1]) as stream:
        seen += [event.id for event in stream.take(60)]
        put(filled, chain)
        seen += [event.id for event in stream.take(1)]
    assert seen == list(range(1, 66))


def test_who_was_away_for_long_misses_nothing_also_over_a_restart(filled: Filled) -> None:
    chain = Chain()
    put(filled, chain, 250)
    with Served(filled) as before, live(before, last_event_id=10) as stream:
        seen = [event.id for event in stream.take(150)]
    put(filled, chain, 50)
    with Served(filled) as after, live(after, last_event_id=seen[-1]) as stream:
        seen += [event.id for event in stream.take(140)]
        put(filled, chain, 3 * AT_ONCE)
        seen += [event.id for event in stream.take(3 * AT_ONCE)]
    assert seen == list(range(11, 301 + 3 * AT_ONCE))


def test_the_page_shows_the_newest_hundred_of_what_was_missed(filled: Filled, served: Served) -> None:
    chain = Chain()
    put(filled, chain, 250)
    with Stream(f"{served.address}/parts/entries?after=0", last_event_id=10) as stream:
        (passed,) = stream.take(1)
        assert (passed.name, passed.id) == ("passed", 150)
        assert [event.id for event in stream.take(AT_ONCE)] == list(range(151, 251))
        put(filled, chain, 400)
        assert [event.id for event in stream.take(1 + AT_ONCE)] == list(range(550, 651))


def test_nobody_has_more_than_a_few_streams_open(served: Served) -> None:
    with ExitStack() as opened:
        for _ in range(OPEN_OF_ONE):
            opened.enter_context(live(served))
        refused = served.get(LIVE)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    until(lambda: is_open(served), "a place for another stream")


def is_open(served: Served) -> bool:
    with plain_http.stream("GET", f"{served.address}{LIVE}", timeout=DEADLINE_S) as answer:
        return answer.status_code == 200


def test_a_number_from_another_database_means_begin_again(filled: Filled, served: Served) -> None:
    chain = Chain()
    put(filled, chain, 2)
    with live(served, last_event_id=500) as stream:
        [again] = stream.take(1)
        assert (again.name, again.id) == ("again", 2)
        put(filled, chain)
        assert [event.id for event in stream.take(1)] == [3]


@pytest.mark.parametrize("number", ["x", "-1", "1.5", "9" * 19, "1 OR 1"])
def test_a_number_that_is_none_is_refused(served: Served, number: str) -> None:
    answer = plain_http.get(f"{served.address}{LIVE}", headers={"Last-Event-ID": number})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("last-event-id: ")


@pytest.mark.parametrize("path", [LIVE, "/parts/entries?after=0"])
def test_streams_end_soon_when_the_centre_stops(served: Served, path: str) -> None:
    with Stream(f"{served.address}{path}") as one, Stream(f"{served.address}{path}") as other:
        started_s = time.monotonic()
        served.stopping.set()
        told = [
            line for line in one.rest() + other.rest() if line and not line.startswith((": still", "id: "))
        ]
        assert told == []
        assert time.monotonic() - started_s < ENDS_WITHIN_S


def test_a_stream_outlasts_a_database_that_does_not_answer_yet(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    reader = open_reader(f"sqlite:///{folder / 'central.sqlite'}")
    with Served(reader) as served, live(served, "?after=0") as stream:
        assert served.get("/api/v1/health").status_code == 503
        folder.mkdir()
        with a_filled(folder) as filled:
            put(filled, Chain())
            assert [event.id for event in stream.take(1)] == [1]
            reader.dispose()


def test_who_goes_away_is_no_longer_followed(served: Served) -> None:
    with live(served) as stream:
        assert stream.response.status_code == 200
    served.stop()  # within its limit, although nobody said goodbye


# --- what must not be there ---------------------------------------------------------------------------

OF_DOORS = ("/entries", "/live", "/gateways", "/health", "/parts/", "/")
"""Routes about doors and gateways: no register of look-ups stands before these."""

ASKED_BY = {
    "at",
    "lang",
    "only",
    "site",
    "gateway",
    "door",
    "from",
    "until",
    "limit",
    "cursor",
    "after",
    "last-event-id",
}
"""The language of a page is no question."""
PERSONAL = re.compile(
    r"token|holder|hint|boot|identit|credential|person|owner|^name$|number|card|key|prev|hash"
)


def test_no_question_can_name_a_person(served: Served) -> None:
    """Every parameter of every route about doors, the pages' ones too."""
    found = set()
    for context in iter_route_contexts(served.app.routes):
        route = context.original_route
        if isinstance(route, APIRoute) and is_of_doors(route.path):
            for asked in all_of(route.dependant):
                for wanted in (asked.query_params, asked.header_params, asked.path_params):
                    found |= {field.alias for field in wanted}
                assert not asked.body_params
            assert route.methods == {"GET"}
    assert found == ASKED_BY


def all_of(dependant: Dependant) -> Iterator[Dependant]:
    """It, and whatever it depends on."""
    yield dependant
    for each in dependant.dependencies:
        yield from all_of(each)


def is_of_doors(path: str) -> bool:
    path = path.removeprefix("/api/v1")
    if path.endswith("/commands") or path.startswith(("/parts/operations/", "/parts/look-up/")):
        return False  # these ask for no entries; `name` is a gateway's there, `number` a look-up's
    return path == "/" or any(path.startswith(each) for each in OF_DOORS if each != "/")


def test_the_document_of_the_api_knows_no_personal_field(served: Served) -> None:
    document = served.get("/api/v1/openapi.json").json()
    operations = [
        operation
        for path, of_path in document["paths"].items()
        if is_of_doors(path)
        for operation in of_path.values()
    ]
    schemas = document["components"]["schemas"]
    shown = set().union(*(schemas_of(operation["responses"]["200"], schemas) for operation in operations))
    names = {field for name in shown for field in schemas[name]["properties"]}
    parameters = {
        parameter["name"] for operation in operations for parameter in operation.get("parameters", ())
    }
    assert {"door", "kind", "at", "missing"} <= names
    assert {"site", "gateway", "door", "cursor"} <= parameters
    assert [name for name in names | parameters if PERSONAL.search(name)] == []


def schemas_of(said: object, schemas: dict[str, object]) -> set[str]:
    """The names of all schemas that an answer is made of."""
    if isinstance(said, list):
        return set().union(*(schemas_of(each, schemas) for each in said))
    if not isinstance(said, dict):
        return set()
    found = set().union(*(schemas_of(each, schemas) for each in said.values()))
    if "$ref" in said:
        name = str(said["$ref"]).rpartition("/")[2]
        found |= {name} | schemas_of(schemas[name], schemas)
    return found


def keys_of(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*(keys_of(inner) for inner in value.values()))
    return set().union(*(keys_of(inner) for inner in value)) if isinstance(value, list) else set()


def test_no_answer_shows_who_it_was(filled: Filled, served: Served) -> None:
    chain = Chain()
    put(filled, chain, 3)
    put(filled, chain, 1, kind="access_denied", reason="blocked")
    devices = {"reader-1": "ok", "locks": "lost"}
    filled.take(about("东楼", [("door-1", "1 单元门", ["reader-1"])]), online(chain.head(), devices=devices))
    filled.take((Leaf.JOURNAL, f'{{"holder":"{SECRET_HOLDER}"}}'.encode()))  # into quarantine
    paths = ["/", "/?lang=en", "/?lang=zh", "/parts/gateways", f"/api/v1/gateways/{SITE}/{GATEWAY}"]
    paths += [f"/api/v1/{name}" for name in ("gateways", "health", "openapi.json")]
    answers = [served.get(path) for path in paths]
    answers.append(served.get("/api/v1/entries", **DOOR, from_=FROM, until=UNTIL))
    assert {answer.status_code for answer in answers} == {200}
    texts = [answer.text for answer in answers]
    for path in (f"{LIVE}?after=0", "/parts/entries?after=0"):
        with Stream(f"{served.address}{path}") as stream:
            texts.append("\n".join(event.data for event in stream.take(4)))
    for text in texts:
        for secret in (SECRET_TOKEN, SECRET_HOLDER, SECRET_HINT, SECRET_BOOT, SECRET_IDENTITY, BOOT):
            assert secret not in text
    for answer in answers:
        if answer.headers["content-type"] == "application/json" and "openapi" not in str(answer.url):
            assert not [key for key in keys_of(answer.json()) if PERSONAL.search(key)]


@pytest.mark.parametrize("name", ["holder", "token", "credential", "person", "hint", "q", "search"])
def test_a_parameter_that_would_name_a_person_changes_nothing(
    filled: Filled, served: Served, name: str
) -> None:
    chain = Chain()
    put(filled, chain, 2)
    put(filled, chain, 1, holder="H-other")
    assert entries(served, **{name: SECRET_HOLDER}) == entries(served)
    assert len(entries(served)["entries"]) == 3


def test_the_web_application_can_write_nothing(filled: Filled) -> None:
    with filled.reader.connect() as connection, pytest.raises(OperationalError, match="readonly"):
        connection.exec_driver_sql("DELETE FROM record")


def test_health_is_not_awaited_behind_open_streams(filled: Filled, served: Served) -> None:
    with live(served), live(served), live(served):
        until(lambda: served.get("/api/v1/health").status_code == 200, "answer beside three streams")
