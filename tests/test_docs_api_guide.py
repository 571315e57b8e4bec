"""The guide's example runs against a centre, and both languages of the guide say the same."""

import contextlib
import importlib.util
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from accounts_support import PASSWORD, a_town
from central_support import DEADLINE_S, GATEWAY, SITE
from central_web_support import COMMUNITY, Chain, Served, a_filled, secretive
from routes_support import the_document

from central.accounts.tokens import make_machine_token
from central.accounts.who import Role
from central.store.engine import writing
from central.times import utc_text

DOCS = Path(__file__).parent.parent / "docs"
GUIDES = [(DOCS / name).read_text(encoding="utf-8") for name in ("api-guide.md", "api-guide.zh.md")]


@pytest.fixture
def client() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("api_client", DOCS / "examples" / "api_client.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_looks_up_page_by_page_and_follows_the_feed(client: ModuleType, tmp_path: Path) -> None:
    with a_town(tmp_path) as town:
        chain = Chain()
        secretive(chain, 60, door="door-1", at=town.now_us - 60_000_000)
        town.filled.take(chain.block())
        secret = town.account()
        person = client.Centre(town.served.address)
        with pytest.raises(client.Refused, match="401 Unauthorized: sign in first"):
            person.send("GET", "/me")
        person.sign_in("zhou", PASSWORD, town.code(secret))
        question = {
            "question": "door",
            "community": COMMUNITY,
            "purpose": "missing_person",
            "basis": "peoples_police_law",
            "case_number": "A-2026-17",
            "site": SITE,
            "gateway": GATEWAY,
            "door": "door-1",
            "from": utc_text(town.now_us - 3_600_000_000),
            "until": utc_text(town.now_us),
        }
        pages = list(person.pages(question))
        assert len(pages[0]["entries"]) == client.PAGE
        with pytest.raises(client.Refused, match=r"422 .*purpose: is needed"):
            list(person.pages({**question, "purpose": None}))

        with writing(town.filled.writer) as connection:
            token = make_machine_token(
                connection,
                "wall-display",
                role=Role.OFFICER,
                communities=[COMMUNITY],
                days=1,
                by="test",
                now_us=town.now_us,
            )
        feed = client.Centre(town.served.address, token).feed(after=50)
        seen = [next(feed)["id"] for _ in range(5)]
        town.served.stop()
        with Served(town.filled, town.served.port, who=None, now_us=lambda: town.now_us):
            seen += [next(feed)["id"] for _ in range(5)]
            feed.close()
        assert seen == list(range(51, 61))


def test_the_example_takes_up_a_feed_that_broke_before_the_first_entry(
    client: ModuleType, tmp_path: Path
) -> None:
    alive = threading.Event()

    class Watched(client.Centre):  # type: ignore[misc, name-defined] # a module from a file
        def open(self, *asked: Any, **how: Any) -> Any:
            stream = super().open(*asked, **how)
            return contextlib.closing(self.lines(stream))

        def lines(self, stream: Any) -> Iterator[bytes]:
            for line in stream:
                yield line
                if line.startswith(b"id: "):
                    told.append(line)
                elif told:
                    alive.set()  # the client has taken up what is behind the number

    told: list[bytes] = []
    with a_filled(tmp_path) as filled, ThreadPoolExecutor(1) as beside:
        chain = Chain()
        secretive(chain, 3, door="door-1")
        filled.take(chain.block())
        with Served(filled) as served:
            feed = Watched(served.address).feed()
            first = beside.submit(next, feed)
            assert alive.wait(DEADLINE_S)
        secretive(chain, 1, door="door-1")
        filled.take(chain.block(4))
        with Served(filled, served.port):
            assert first.result(DEADLINE_S)["id"] == 4
            feed.close()


def test_both_languages_quote_the_same_and_only_what_there_is() -> None:
    known = set(the_document()["paths"])
    quoted = [re.findall(r"```\n(.*?)```", guide, re.DOTALL) for guide in GUIDES]
    assert quoted[0] == quoted[1]
    paths = {path.partition("?")[0] for guide in GUIDES for path in re.findall(r"/api/v1/[\w/?=-]+", guide)}
    assert {path.replace("/31/", "/{number}/") for path in paths} <= known | {"/api/v1/openapi"}
    assert len(paths) > 4
    assert [len(re.findall("^## ", guide, re.MULTILINE)) for guide in GUIDES] == [5, 5]
