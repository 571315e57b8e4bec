"""Importing a spreadsheet in the console: seen first, consented to, and taken back."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import plain_http
import pytest
from central_support import DEADLINE_S
from central_web_support import Served, somebody
from imports_support import Importing, a_csv, a_row
from register_support import a_number, copied_estate

from central.accounts.who import Role
from central.console.forms import FILE_MADE
from central.register.imports.reading import Format, read
from central.store.register_tables import register_event

NAME = "王小明"


@pytest.fixture
def importing(tmp_path: Path) -> Iterator[Importing]:
    with copied_estate(tmp_path) as estate:
        yield Importing(estate)


@pytest.fixture
def worker(importing: Importing) -> Iterator[httpx.Client]:
    """A browser without scripts."""
    estate = importing.estate
    who = somebody(Role.WORKER, estate.community)
    with (
        Served(estate.engine, who=who, vault=estate.vault, now_us=lambda: estate.now_us) as served,
        plain_http.Client(
            base_url=served.address,
            follow_redirects=True,
            cookies={"liuhen-language": "en"},
            timeout=DEADLINE_S,
        ) as client,
    ):
        yield client


def bring(worker: httpx.Client, importing: Importing, data: bytes) -> str:
    """The address of the import, which is read by then."""
    here = f"/homes/{importing.estate.community}/imports"
    answer = worker.post(here, files={"file": ("list.csv", data, "text/csv")})
    assert answer.status_code == 200
    assert "being read" in answer.text
    importing.worker.work(1)
    return f"{here}/1"


def test_what_would_change_is_seen_masked_and_the_good_rows_are_imported(
    worker: httpx.Client, importing: Importing
) -> None:
    rows = [a_row(1), a_row(2, 姓名="李芳", 室="102"), a_row(3, 证件号码=a_number(3)[:-1] + "?")]
    here = bring(worker, importing, a_csv(rows))
    preview = worker.get(here).text
    assert "waits for your consent" in preview
    assert "证件号码" not in preview
    assert "17 digits and a check character" in preview
    assert NAME not in preview
    every = worker.get(here, params={"only": "new"}).text
    assert "王**" in every
    refused = worker.post(f"{here}/consent")
    assert refused.status_code == 409
    assert importing.there()["people"] == 0
    going_on = worker.post(f"{here}/consent", data={"without": "yes"})
    assert "being imported" in going_on.text
    importing.worker.work(1)
    assert "Take all of it back" in worker.get(here).text
    assert importing.there()["people"] == 2
    assert "say why" in worker.post(f"{here}/undo", data={"reason": " "}).text
    worker.post(f"{here}/undo", data={"reason": "错了"})
    importing.worker.work(1)
    assert "was taken back" in worker.get(here).text


def test_wrong_rows_go_out_as_a_file_and_the_page_says_that_it_was_made(
    worker: httpx.Client, importing: Importing
) -> None:
    here = bring(worker, importing, a_csv([a_row(1), a_row(3, 与房屋关系="朋友")]))
    page = worker.get(here).text
    assert f'action="{here}/wrong-rows"' in page
    assert 'data-file="wrong-rows-made"' in page
    assert 'id="wrong-rows-made"' in page
    sent = worker.post(f"{here}/wrong-rows?file=0123abcd")
    assert sent.headers["content-disposition"] == 'attachment; filename="liuhen-import-1-wrong.xlsx"'
    assert a_number(3) in [
        cell for row in read(sent.content, Format.XLSX).rows for cell in row.cells.values()
    ]
    assert sent.headers["set-cookie"].startswith(f"{FILE_MADE}0123abcd=1;")
    assert importing.all_of(register_event)[-1].act == "wrong_rows_taken"


def test_the_progress_renews_the_page_when_it_is_over(worker: httpx.Client, importing: Importing) -> None:
    here = bring(worker, importing, a_csv([a_row(1)]))
    part = worker.get(f"{here}/progress", headers={"HX-Request": "true"})
    assert part.headers["HX-Refresh"] == "true"


def test_a_file_of_everybody_is_written_to_no_temporary_file(
    worker: httpx.Client, importing: Importing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_disk(*_: object, **__: object) -> None:
        raise AssertionError("a temporary file was made")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", on_disk)
    data = a_csv([a_row(serial, 备注="x" * 1_500) for serial in range(1, 999)])
    assert len(data) > 2**20
    answer = worker.post(
        f"/homes/{importing.estate.community}/imports", files={"file": ("list.csv", data, "text/csv")}
    )
    assert answer.status_code == 200
    assert "being read" in answer.text


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param({"data": {"file": ""}}, id="no form of files"),
        pytest.param({"files": {"file": ("empty.csv", b"", "text/csv")}}, id="an empty file"),
        pytest.param({"files": {"other": ("list.csv", b"x", "text/csv")}}, id="another name"),
    ],
)
def test_without_a_file_one_is_asked_for(
    worker: httpx.Client, importing: Importing, sent: dict[str, object]
) -> None:
    answer = worker.post(f"/homes/{importing.estate.community}/imports", **sent)  # type: ignore[arg-type]
    assert answer.status_code == 422
    assert "choose a file" in answer.text
