"""Imports over HTTP: from the template to the undo, what is masked, and who is not let in."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from central_web_support import SEALER, WELL, a_settings, somebody
from fastapi import FastAPI, Request
from imports_support import Importing, a_csv, a_row
from register_support import a_number, copied_estate

from central.accounts.who import Role, Who
from central.app import create_app
from central.register.imports.reading import MAX_BYTES
from central.store.register_tables import register_event


class Page:
    """What a page's script would send."""

    def __init__(self, here: Importing) -> None:
        self.here = here
        self.who: Who = somebody(Role.WORKER, here.estate.community)
        self.app: FastAPI = create_app(
            a_settings(),
            here.estate.engine,
            here.estate.engine,
            sealer=SEALER,
            ingest_status=lambda: WELL,
            stopping=threading.Event(),
            vault=here.estate.vault,
            now_us=lambda: here.estate.at(here.days),
        )

        async def identify(_request: Request) -> Who:
            return self.who

        self.app.state.identify = identify

    def __call__(self, method: str, path: str, **sent: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            inside = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=inside, base_url="http://localhost") as client:
                address = f"/api/v1/communities/{self.here.estate.community}/imports{path}"
                return await client.request(method, address, **sent)

        return asyncio.run(asked())

    def brought(self, data: bytes) -> int:
        answer = self("POST", "", content=data)
        assert answer.status_code == 202, answer.text
        number = int(answer.json()["id"])
        assert self("GET", f"/{number}").json()["state"] == "reading"
        self.here.worker.work(number)
        return number


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with copied_estate(tmp_path) as estate:
        yield Page(Importing(estate))


def test_a_file_goes_from_upload_to_undo(page: Page) -> None:
    rows = [a_row(1, 备注="x"), a_row(2, 室="102"), a_row(3, 与房屋关系="朋友")]
    number = page.brought(a_csv(rows))
    told = page("GET", f"/{number}").json()
    assert (told["state"], told["unknown_columns"]) == ("preview", ["备注"])
    assert told["rows"] == {"all": 3, "new": 2, "changed": 0, "same": 0, "wrong": 1}
    assert told["columns"]["姓名"] == "name"
    first = page("GET", f"/{number}/rows", params={"limit": 1}).json()
    assert first["next_after"] == 2
    (row,) = first["rows"]
    assert (row["cells"]["name"], row["cells"]["number"]) == ("王**", f"****{a_number(1)[-4:]}")
    assert {"field": "since", "old": None, "new": "2026-01-05"}.items() <= row["differences"][-2].items()
    (wrong,) = page("GET", f"/{number}/rows", params={"outcome": "wrong"}).json()["rows"]
    (fault,) = wrong["faults"]
    assert (wrong["row"], fault["column"]["zh"]) == (4, "与房屋关系")
    assert fault["write"]["zh"].startswith("请填写：业主、")
    assert page("POST", f"/{number}/consent", json={}).status_code == 409
    assert page("POST", f"/{number}/consent", json={"without_wrong": True}).status_code == 202
    assert page("GET", f"/{number}").json()["progress"] == {"done": 0, "of": 2}
    page.here.worker.work(number)
    told = page("GET", "").json()[0]
    assert (told["state"], told["progress"]) == ("done", {"done": 2, "of": 2})
    assert page("POST", f"/{number}/undo", json={"reason": "错了"}).status_code == 202
    page.here.worker.work(number)
    assert page("GET", f"/{number}").json()["state"] == "undone"
    assert page("GET", f"/{number}/rows", params={"kept": True}).json()["rows"] == []


def test_wrong_rows_go_to_whoever_brought_them_alone_and_on_the_record(page: Page) -> None:
    number = page.brought(a_csv([a_row(3, 与房屋关系="朋友")]))
    sent = page("POST", f"/{number}/wrong-rows", params={"format": "csv"})
    assert a_number(3) in sent.content.decode("utf-8-sig")
    assert sent.headers["content-disposition"] == f'attachment; filename="liuhen-import-{number}-wrong.csv"'
    assert page.here.all_of(register_event)[-1].act == "wrong_rows_taken"
    page.who = somebody(Role.WORKER, page.here.estate.community, account=99)
    assert page("POST", f"/{number}/wrong-rows").status_code == 403


def test_what_is_no_file_or_not_of_the_community_is_refused(page: Page) -> None:
    assert page("GET", "/template").content.startswith(b"PK")
    too_long = page("POST", "", content=b"x" * (MAX_BYTES + 1))
    assert (too_long.status_code, "at most" in too_long.json()["detail"]) == (422, True)
    number = page.brought(a_csv([{"x": "1"}]))
    told = page("GET", f"/{number}").json()
    assert (told["state"], "no headings" in told["trouble"]) == ("refused", True)
    assert page("POST", f"/{number}/consent", json={}).status_code == 409
    assert page("POST", f"/{number}/stop").status_code == 409
    assert page("POST", f"/{number}/discard").status_code == 204
    page.who = somebody(Role.WORKER, page.here.estate.community + 1)
    assert [page("GET", path).status_code for path in ("", "/template", f"/{number}", f"/{number}/rows")] == [
        404
    ] * 4
    assert page("POST", "", content=b"x").status_code == 404
