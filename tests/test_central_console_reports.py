"""Reports in the console: a month in numbers, as a page and as a workbook, with nobody in it."""

import io
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import httpx
import openpyxl
import plain_http
import pytest
from central_support import DEADLINE_S
from central_web_support import Served, somebody
from console_support import Console, a_console, faults_of
from register_support import EAST, GATE

from central.accounts.who import Role
from central.alarms import book
from central.alarms.kinds import AlarmKind
from central.alarms.rules import EVERYWHERE
from central.reports.tally import Tally
from central.store.alarm_tables import alarm
from central.store.engine import writing
from messages.model import Kind

DAY_US = 86_400_000_000
MINUTE_US = 60_000_000
NEXT_MONTH_S = 40 * 86_400


MORE_ALARMS = (AlarmKind.FORCED, AlarmKind.TAMPER, AlarmKind.FIRE, AlarmKind.LOST_CARD, AlarmKind.READER_LOST)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """In December; the community began in November."""
    with a_console(tmp_path_factory.mktemp("console")) as made:
        for door, count in (("east-front", 30), ("east-unit-1", 4)):
            made.happens(EAST, count, door=door)
        made.happens(GATE, 10)
        lost = {"credential": None, "holder": None, "reason": None, "door": "east-front", "reader": "front"}
        made.happens(EAST, 1, kind=Kind.READER_LOST, **lost)
        made.happens(EAST, 1, kind=Kind.READER_RESTORED, **{**lost, "at": made.now_us + DAY_US})
        an_alarm(made, seen_after=20)
        an_alarm(made, seen_after=None)
        for kind in MORE_ALARMS:
            an_alarm(made, seen_after=5, kind=kind)
        made.passes(NEXT_MONTH_S)
        tally = Tally(made.filled.writer, made.filled.reader, lambda: made.now_us, ZoneInfo("Asia/Shanghai"))
        while tally.look() or tally.look():
            continue
        yield made


def an_alarm(console: Console, seen_after: int | None, kind: AlarmKind = AlarmKind.HELD) -> None:
    at = console.now_us
    with writing(console.filled.writer) as db:
        rule = book.begin_rule(db, kind, EVERYWHERE, urgency=None, limits={}, made_by="test", now_us=at)
        times = dict.fromkeys(("began_at", "last_at", "noticed_at", "counts_from"), at)
        seen = None if seen_after is None else at + seen_after * MINUTE_US
        said = {"kind": rule.kind, "rule_id": rule.id, "urgency": rule.urgency, "gateway_id": 1, "times": 1}
        db.execute(alarm.insert().values(**said, **times, seen_at=seen))


@pytest.fixture
def asked(console: Console) -> Iterator[httpx.Client]:
    """A browser without scripts, of an operator."""
    who = somebody(Role.OPERATOR, console.estate.community)
    with (
        Served(console.filled, who=who, now_us=lambda: console.now_us) as served,
        plain_http.Client(
            base_url=served.address, cookies={"liuhen-language": "zh"}, timeout=DEADLINE_S
        ) as client,
    ):
        yield client


def test_a_supervisor_reads_a_month_on_one_page_and_small_counts_are_in_none_of_it(console: Console) -> None:
    with console.as_role(Role.SUPERVISOR, "en", 390, "dark") as page:
        page.goto("/")
        page.get_by_role("link", name="Reports").click()
        assert "2026-11" in page.get_by_role("heading", level=1).inner_text()
        cells = page.locator("#entries tbody tr").filter(has_text="1 号楼").locator("td")
        assert cells.first.inner_text() == "40"
        assert "<10" in page.locator("#stock").inner_text(), "two homes of that building"
        assert "reader lost" in page.locator("#coverage").inner_text()
        held = page.locator("#response tbody tr").filter(has_text="door stands open too long")
        assert "20 min" in held.inner_text()
        assert page.locator("#response tbody tr").count() == 1 + len(MORE_ALARMS)
        page.get_by_text("Hour by hour, as a table").click()
        assert faults_of(page) == []
        page.get_by_role("link", name="2026-12").click()
        assert page.get_by_text("This month is not closed yet.").is_visible()
    assert console.complaints.said == []


def test_the_workbook_says_the_same_and_its_name_nobody(asked: httpx.Client, console: Console) -> None:
    answer = asked.get("/reports/workbook?month=2026-11&file=0123abcd")
    assert answer.headers["set-cookie"].startswith("liuhen-file-0123abcd=1;"), (
        "the page says that it was made"
    )
    assert "set-cookie" not in asked.get("/reports/workbook?month=2026-11&file=;%20a=b").headers
    assert answer.headers["content-disposition"] == 'attachment; filename="report-2026-11.xlsx"'
    book_ = openpyxl.load_workbook(io.BytesIO(answer.content))
    assert book_.sheetnames == ["准入次数", "人口统计", "各门覆盖", "报警", "巡更"]
    rows = {sheet.title: list(sheet.iter_rows(min_row=5, values_only=True)) for sheet in book_}
    assert rows["准入次数"][0][:2] == ("东湖小区 1 号楼", 40)
    assert ("东湖小区 1 号楼", "<10", "<10", 0) in [row[:4] for row in rows["人口统计"]]
    assert ("门长时间未关", 2, 0, 1) in [row[:4] for row in rows["报警"]]
    every = " ".join(str(cell) for sheet in rows.values() for row in sheet for cell in row)
    assert "王小明" not in every


def test_whoever_is_of_another_community_or_role_gets_none(asked: httpx.Client, console: Console) -> None:
    assert asked.get(f"/reports?community={console.estate.community + 1}").status_code == 404
    assert asked.get("/reports?month=2026-13").status_code == 422
    with Served(console.filled, who=somebody(Role.APPROVER, console.estate.community)) as served:
        assert plain_http.get(f"{served.address}/reports").status_code == 403
