"""The visitors' desk in the console: a pass in at most four inputs, and what becomes of visits."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import plain_http
import pytest
from central_support import DEADLINE_S
from central_web_support import Chain, Filled, Served, somebody
from console_support import Console, a_console, deeds_on, faults_of
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from identity_support import NOON_US
from playwright.sync_api import Page
from register_support import DAY_US, EAST, SITE, Estate, copied_estate
from sqlalchemy import select

from central.accounts.who import Role
from central.console.pages.visitors import page
from central.store.engine import open_reader
from central.store.visitor_tables import visitor_pass
from central.times import local
from messages.model import Direction, Kind

MOST_INPUTS = 4
NAME = "王来访"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with a_console(tmp_path_factory.mktemp("console")) as made:
        yield made


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    with copied_estate(tmp_path) as made:
        yield made


@pytest.fixture
def desk(estate: Estate) -> Iterator[httpx.Client]:
    with a_desk(estate) as client:
        yield client


@contextmanager
def a_desk(estate: Estate, public: str | None = None) -> Iterator[httpx.Client]:
    """A browser without scripts, of a worker of that community. `public`: the address in the settings."""
    with (
        Served(
            estate.engine,
            who=somebody(Role.WORKER, estate.community),
            vault=estate.vault,
            signing=Ed25519PrivateKey.generate(),
            now_us=lambda: estate.now_us,
            public=public,
        ) as served,
        plain_http.Client(
            base_url=served.address,
            follow_redirects=True,
            cookies={"liuhen-language": "en"},
            timeout=DEADLINE_S,
        ) as client,
    ):
        yield client


def given(desk: httpx.Client, **said: str) -> httpx.Response:
    form = {"where": "1 101", "reason": "friends", "kind": "qr_code", "length": "4h", **said}
    return desk.post("/visitors/new", data=form)


def comes(estate: Estate, chain: Chain, direction: Direction = Direction.IN) -> None:
    """Whoever has the newest pass, at the door of the east building."""
    filled = Filled.__new__(Filled)
    filled.writer, filled.reader = estate.engine, open_reader(str(estate.engine.url))
    with estate.reading() as db:
        holder = db.execute(select(visitor_pass.c.reference).order_by(visitor_pass.c.id.desc())).scalar()
    first = len(chain.bodies) + 1
    known = {"kind": Kind.ACCESS_GRANTED, "holder": holder, "direction": direction, "at": estate.now_us}
    chain.grow(1, **{**known, "door": "east-front"})
    filled.take(chain.block(first), gateway=EAST, site=SITE)
    filled.reader.dispose()


def test_a_pass_takes_at_most_four_inputs_and_shows_its_code(console: Console) -> None:
    with console.as_role(Role.WORKER, "zh", 390) as page:
        page.goto("/visitors")
        page.get_by_role("link", name="发放通行证").first.click()
        deeds = deeds_on(page)
        page.reload()
        page.locator("#where").fill("1 101")
        page.get_by_label("维修").check()
        page.get_by_label("至今日午夜").check()
        page.get_by_role("button", name="发放").click()
        page.wait_for_url(re.compile(r"/visitors/\d+$"))
        assert deeds == ["fills where", "fills reason", "fills length", "sends"]
        assert len(deeds) <= MOST_INPUTS
        assert page.locator(".code svg").is_visible()
        assert page.locator("h1").inner_text() == "东湖小区 1 号楼 1 单元 101"
        assert "1 单元门" in page.locator(".facts").inner_text()
        assert faults_of(page) == []
        page.get_by_role("link", name="在此居住").click()
        page.wait_for_url(re.compile(r"/visitors/\d+/move-in$"))
        assert faults_of(page) == []
        page.goto("/visitors")
        assert "维修" in page.locator(".visits").inner_text()
        assert faults_of(page) == []
    assert console.complaints.said == []


def is_copied(page: Page, button: str, said: str) -> None:
    """By keyboard; where the browser gives no clipboard too, and where nothing copies at all it is marked."""
    told = page.locator("[data-copied] [role=status]")
    for taken_away in ("", "navigator.clipboard.writeText = () => Promise.reject(new Error())"):
        page.evaluate(f"{taken_away}; undefined")
        page.get_by_role("button", name=button).focus()
        page.keyboard.press("Enter")
        told.get_by_text(said).wait_for()
    page.evaluate("document.execCommand = () => false; undefined")
    page.keyboard.press("Enter")
    told.get_by_text("Ctrl+C").wait_for()
    marked = page.evaluate("String(window.getSelection())")
    assert marked == page.locator("code.key").inner_text()


def test_a_resident_gives_a_pass_for_the_own_home_in_at_most_four_inputs_and_takes_it_back(
    console: Console,
) -> None:
    with console.as_role(Role.RESIDENT, "zh", 390) as page:
        page.goto("/own/visitors")
        assert faults_of(page) == []
        deeds = deeds_on(page)
        page.reload()
        for each in ("维修", "密码", "至今日午夜"):
            page.get_by_label(each).check()
        page.get_by_role("button", name="发放").click()
        page.locator(".pin").wait_for()
        assert deeds == ["fills reason", "fills kind", "fills length", "sends"]
        assert len(deeds) <= MOST_INPUTS
        assert re.fullmatch(r"\d{4} \d{4}", page.locator(".pin").inner_text())
        page.goto("/own/visitors")
        page.get_by_role("button", name="发放").click()
        page.wait_for_url(re.compile(r"/own/visitors/\d+$"))
        assert page.locator(".code svg").is_visible()
        page.get_by_text("二维码文本").click()
        assert page.locator("code.key").inner_text().startswith("LH1:")
        is_copied(page, "复制", "已复制")
        assert page.locator("h1").inner_text() == "东湖小区 2 号楼 201"
        page.get_by_role("button", name="收回").click()
        page.get_by_text("已收回").wait_for()
        assert faults_of(page) == []
        assert page.locator(".code").count() == 0
        page.goto("/own/visitors")
        assert page.locator(".visits li").count() == 2
        assert faults_of(page) == []
        refused = page.goto("/own/visitors/999")
        assert refused is not None
        assert refused.status == 404
    assert [text for text in console.complaints.said if "404" not in text] == []


def test_a_pin_is_shown_once(desk: httpx.Client) -> None:
    made = given(desk, kind="pin")
    digits = re.search(r"<strong>(\d{4}) (\d{4})</strong>", made.text)
    assert digits is not None
    again = desk.get("/visitors/1")
    assert again.status_code == 200
    assert digits[1] + digits[2] not in again.text.replace(" ", "")
    assert "Who forgot it gets another pass" in again.text


def test_a_lent_card_needs_its_number_and_is_one_visitors_at_a_time(desk: httpx.Client) -> None:
    refused = given(desk, kind="card_uid")
    assert refused.status_code == 422
    assert "as its reader writes it" in refused.text
    assert '<details class="more" open>' in refused.text
    assert given(desk, kind="card_uid", number="04A1B2D7").status_code == 200
    taken = given(desk, kind="card_uid", number="04A1B2D7")
    assert taken.status_code == 409
    assert "good for another visitor" in taken.text


@pytest.mark.parametrize(
    ("where", "why"),
    [
        pytest.param("999", "no home is called so", id="none"),
        pytest.param("10", "several homes are called so", id="several"),
    ],
)
def test_a_home_that_is_none_or_several_is_asked_again(desk: httpx.Client, where: str, why: str) -> None:
    refused = given(desk, where=where, reason="repair")
    assert refused.status_code == 422
    assert why in refused.text
    assert f'value="{where}"' in refused.text
    assert re.search(r'value="repair" checked', refused.text)


def test_of_several_homes_one_is_chosen_by_its_whole_name(desk: httpx.Client) -> None:
    offered = re.findall(r'name="chosen" value="([^"]+)"', given(desk, where="10").text)
    assert len(offered) > 1
    chosen = {"where": "10", "chosen": offered[1], "chosen_for": "10"}
    assert offered[1] in given(desk, **chosen).text
    assert given(desk, **chosen | {"where": "999"}).status_code == 422, "it was chosen for another name"


def test_a_visit_is_seen_coming_and_stays_overdue_until_somebody_looks(
    desk: httpx.Client, estate: Estate
) -> None:
    chain = Chain(EAST)
    given(desk, kind="pin", length="2h")
    comes(estate, chain, Direction.OUT)  # this site has doors that tell who leaves
    given(desk, kind="pin", length="2h")
    assert desk.get("/visitors").text.count("expected") >= 1
    comes(estate, chain)
    assert 'id="arrived-title"' in desk.get("/visitors").text
    estate.now_us += 2 * DAY_US
    later = desk.get("/visitors").text
    assert 'id="overdue-title"' in later
    assert re.search(
        rf'class="when">{local(NOON_US, ZoneInfo("Asia/Shanghai")):%m-%d} \d\d:\d\d – ', later
    ), "of which day"
    assert 'id="expected-title"' not in later


def test_whoever_is_inside_when_the_pass_is_taken_back_stands_at_the_head_of_the_list(
    desk: httpx.Client, estate: Estate
) -> None:
    chain = Chain(EAST)
    given(desk, kind="pin", length="2h")
    comes(estate, chain, Direction.OUT)  # this site has doors that tell who leaves
    given(desk, kind="pin", length="2h")
    comes(estate, chain)
    given(desk, kind="pin", length="2h")
    shown = desk.post("/visitors/2/revoke").text
    assert "taken back, still inside" in shown
    assert "Go and look" in shown
    listed = desk.get("/visitors").text
    assert listed.index('id="revoked_inside-title"') < listed.index('id="expected-title"')
    window = {"from": "2026-11-04T00:00:00+08:00", "until": "2026-11-05T00:00:00+08:00"}
    found = desk.get("/api/v1/passes", params={**window, "state": "revoked_inside"}).json()["passes"]
    assert [each["id"] for each in found] == [2]
    back = desk.post("/visitors/2/restore").text
    assert "Undone: it is as it was before." in back
    assert "still inside" not in back


def test_that_a_pass_is_taken_back_for_good_by_now_is_said(desk: httpx.Client) -> None:
    """Its card was given to another visitor meanwhile."""
    lent = {"kind": "card_uid", "number": "04A1B2D7"}
    given(desk, **lent)
    desk.post("/visitors/1/revoke")
    assert "/visitors/1/restore" in desk.get("/visitors/1").text
    given(desk, **lent)
    late = desk.get("/visitors/1").text
    assert "Taken back a moment ago. It cannot be undone any more: it was changed since." in late
    assert "/visitors/1/restore" not in late


def test_a_days_list_leaves_no_visit_out_however_many_there_are(
    desk: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "MAX_PAGE", 2)
    made = [given(desk, kind="pin") for _ in range(5)]
    assert [each.status_code for each in made] == [200] * 5
    assert len(set(re.findall(r'href="(/visitors/\d+)"', desk.get("/visitors").text))) == 5


def test_a_pass_says_the_whole_address_at_which_its_receipt_is_typed(estate: Estate) -> None:
    with a_desk(estate, "https://liuhen.example") as desk:
        assert "Typed at https://liuhen.example/receipt it says" in given(desk, kind="pin").text


def test_where_no_address_is_named_a_pass_makes_none_up(desk: httpx.Client) -> None:
    """This machine's own would lead a visitor's telephone to itself."""
    page = given(desk, kind="pin").text
    assert "Typed at" not in page
    assert "Whoever brings it to the community's desk is told what was recorded" in page
    assert re.search(r'data-screen><br><a href="/receipt">', page), "for whoever gives it, and not on paper"


def test_a_pass_goes_on_longer_or_is_taken_back(desk: httpx.Client) -> None:
    given(desk, kind="pin", length="2h", name=NAME)
    page = desk.get("/visitors/1").text
    assert "王**" in page
    assert NAME not in page
    until = re.findall(r"<dd>([\d-]+ [\d:]+)</dd>", page)[1]
    longer = desk.post("/visitors/1/extend", data={"length": "4h"}).text
    assert re.findall(r"<dd>([\d-]+ [\d:]+)</dd>", longer)[1] > until
    assert "choose how long" in desk.post("/visitors/1/extend", data={"length": "9y"}).text
    assert "王**" not in desk.post("/visitors/1/forget").text
    assert "nothing is kept" in desk.post("/visitors/1/forget").text
    assert "good no more" in desk.post("/visitors/1/revoke").text
    assert desk.post("/visitors/1/revoke").status_code == 409
    given(desk)
    assert "says itself when it ends" in desk.post("/visitors/2/extend", data={"length": "4h"}).text


def test_a_pass_of_another_community_is_not_there(desk: httpx.Client, estate: Estate) -> None:
    given(desk)
    stranger = somebody(Role.WORKER, estate.community + 1)
    with (
        Served(estate.engine, who=stranger, vault=estate.vault, now_us=lambda: estate.now_us) as served,
        plain_http.Client(base_url=served.address, timeout=DEADLINE_S) as theirs,
    ):
        assert theirs.get("/visitors/1").status_code == 404
        assert "/visitors/1" not in theirs.get("/visitors").text
