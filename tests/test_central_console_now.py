"""Now 实时: alarms are seen to, the feed is narrowed, and the map says how each door stands."""

from collections.abc import Iterator
from datetime import UTC

import pytest
from central_web_support import Chain, about
from console_support import Console, a_console, faults_of
from register_support import EAST, GATE, SITE, WEST

from central.accounts.who import Role
from central.alarms.watch import Watch
from central.register.places import place_door
from messages.model import Kind, Reason

OF_A_DOOR: dict[str, object] = {"credential": None, "holder": None, "category": None, "reason": None}
WITHIN_MS = 1_000  # a swipe is shown within a second


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with a_console(tmp_path_factory.mktemp("now")) as made:
        yield made


def test_an_alarm_stands_on_top_until_somebody_has_seen_to_it(console: Console) -> None:
    watch = Watch(console.filled.writer, console.filled.reader, lambda: console.now_us, UTC)
    watch.begin()
    console.happens(EAST, kind=Kind.DOOR_FORCED, **OF_A_DOOR)
    watch.look()
    with console.as_role(Role.OFFICER) as page:
        page.goto("/")
        alarm = page.locator(".alarms li", has_text="door was forced")
        assert "1 号楼 · 正门" in alarm.inner_text()
        alarm.get_by_role("button", name="Seen to").click()
        alarm.wait_for(state="detached")
    with console.as_role(Role.SUPERVISOR) as page:
        page.goto("/")
        assert page.locator(".alarms li", has_text="door was forced").count() == 0


def test_the_feed_shows_one_place_and_one_kind_alone(console: Console) -> None:
    with console.as_role(Role.OFFICER) as page:
        page.goto("/")
        with page.expect_navigation():
            page.get_by_label("Place", exact=True).select_option(label="1 号楼")
        assert page.get_by_label("Place", exact=True).input_value() == str(console.estate.places["east"])
        assert set(page.locator("#rows .building").all_inner_texts()) == {"1 号楼"}
        with page.expect_navigation():
            page.get_by_label("Kind", exact=True).select_option("refused")
        before = page.locator("#rows > li").count()
        assert set(page.locator("#rows .result").all_inner_texts()) == {"refused"}
        console.happens(GATE, kind=Kind.ACCESS_DENIED, reason=Reason.EXPIRED, holder=None)
        console.happens(EAST)
        console.happens(EAST, kind=Kind.ACCESS_DENIED, reason=Reason.EXPIRED, holder=None)
        page.locator("#rows > li", has_text="no longer valid").wait_for()
        assert page.locator("#rows > li").count() == before + 1


def test_the_feed_shows_a_unit_or_a_single_door_alone_and_keeps_to_it(console: Console) -> None:
    """In the one control beside estates and buildings; over a reload, and in what arrives after it."""
    console.happens(EAST)
    console.happens(EAST, door="east-unit-1")
    with console.as_role(Role.OFFICER, "zh", 390, "dark") as page:
        page.goto("/")
        place = page.locator("select[name=at]")
        offered = [text.strip() for text in place.locator("option").all_inner_texts()]
        assert offered == [
            *("全部地点", "东湖小区（全部）", "大门入口", "1 号楼", "1 号楼 · 正门"),
            *("1 号楼 1 单元", "1 号楼 1 单元 · 1 单元门", "2 号楼", "2 号楼 · 正门"),
        ]
        with page.expect_navigation():
            place.select_option(label="1 号楼 1 单元")
        assert set(page.locator("#rows .door").all_inner_texts()) == {"1 单元门"}
        with page.expect_navigation():
            place.select_option(label="1 号楼 · 正门")
        assert "?at=riverside%2Feast%2Feast-front" in page.url
        page.reload()
        assert place.input_value() == "riverside/east/east-front"
        assert set(page.locator("#rows .door").all_inner_texts()) == {"正门"}
        before = page.locator("#rows > li").count()
        console.happens(EAST, door="east-unit-1")
        console.happens(WEST)
        console.happens(EAST, kind=Kind.ACCESS_DENIED, reason=Reason.EXPIRED, holder=None)
        page.wait_for_function("rows => document.querySelectorAll('#rows > li').length > rows", arg=before)
        assert page.locator("#rows > li").count() == before + 1
        assert "已过期" in page.locator("#rows > li").first.inner_text()
        assert faults_of(page) == []
        page.goto("/?at=riverside/east/no-such-door")
        assert place.locator("option:checked").inner_text().strip() == "地点已不存在"
        assert page.locator("#rows li").count() == 0


def test_a_refusal_is_shown_among_a_crowd_and_a_page_that_passes_some_over_says_so(console: Console) -> None:
    with console.as_role(Role.OFFICER, "en", 1280) as page, console.as_role(Role.OFFICER, "zh", 390) as all_:
        page.goto("/?only=refused")
        all_.goto("/")
        before = page.locator("#rows > li").count()
        console.happens(GATE, kind=Kind.ACCESS_DENIED, reason=Reason.EXPIRED, holder=None)
        console.happens(WEST, 150, holder=None)
        page.wait_for_function("rows => document.querySelectorAll('#rows > li').length > rows", arg=before)
        assert page.locator("#rows > li").count() == before + 1
        assert page.locator("#passed").is_hidden()
        all_.locator("#passed").wait_for(timeout=20 * WITHIN_MS)
        assert "此处未全部显示" in all_.locator("#passed").inner_text()
        assert faults_of(all_) == []
        all_.locator("#passed a").click()
        all_.locator("#passed").wait_for(state="hidden")


def test_what_came_late_stands_where_it_came_and_says_so(console: Console) -> None:
    """On the page as it is opened, and as it moves: in one order."""
    with console.as_role(Role.OFFICER) as page:
        page.goto("/")
        ids = "() => [...document.querySelectorAll('#rows > li')].map(row => row.id)"
        console.passes(60)  # a mark of its own
        console.happens(WEST)
        console.happens(EAST, 2, at=console.now_us - 3_000 * 1_000_000)
        page.locator("#rows .late").nth(1).wait_for()
        console.happens(GATE)
        page.wait_for_function(
            "() => document.querySelector('#rows > li .building').textContent === '大门'",
            timeout=20 * WITHIN_MS,
        )
        late = page.locator("#rows > li").nth(1)
        assert "late: came here at" in late.inner_text()
        pill = late.locator(".late").bounding_box()
        assert pill is not None
        assert pill["height"] < 30  # in one line
        assert [page.locator("#rows > li").nth(at).locator(".late").count() for at in range(4)] == [
            0,
            1,
            1,
            0,
        ]
        moved = page.evaluate(ids)
        page.reload()
        assert page.evaluate(ids)[: len(moved)] == moved
        assert faults_of(page) == []


def test_the_door_of_a_home_is_not_watched_by_way_of_its_gateway(console: Console) -> None:
    doors = {"flat": [("flat-door", "入户门")], "hall": [("hall-front", "门厅"), ("hall-flat", "入户门")]}
    for gateway, has in doors.items():
        said = about(f"{gateway} 室", [(name, label, ["r"]) for name, label in has])
        console.filled.take(said, gateway=gateway, site=SITE, now_us=console.now_us)
        chain = Chain(gateway)
        for name, _ in has:
            chain.grow(at=console.now_us, door=name)
        console.filled.take(chain.block(), gateway=gateway, site=SITE, now_us=console.now_us)
    with console.estate.desk() as desk:
        for gateway, name in (("flat", "flat-door"), ("hall", "hall-flat")):
            place_door(desk, SITE, gateway, name, console.estate.places["101"])
    with console.as_role(Role.OFFICER) as page:
        shown = {}
        for gateway in doors:
            page.goto(f"/?at={SITE}/{gateway}")
            shown[gateway] = page.locator("#rows .door").all_inner_texts()
        assert shown == {"flat": [], "hall": ["门厅"]}
        found = page.request.post(
            f"{console.served.address}/find",
            form={"text": "室"},
            headers={"Sec-Fetch-Site": "same-origin"},
        ).text()
        assert ("at=riverside/hall" in found, "at=riverside/flat" in found) == (True, False)


def test_a_swipe_appears_within_a_second(console: Console) -> None:
    with console.as_role(Role.OFFICER) as page:
        page.goto("/")
        first = page.locator("#rows > li").first.get_attribute("id")
        console.happens(WEST)
        page.wait_for_function(
            f"() => document.querySelector('#rows > li').id !== '{first}'", timeout=20 * WITHIN_MS
        )


def test_the_map_says_how_each_door_stands(console: Console) -> None:
    console.happens(WEST, kind=Kind.DOOR_HELD, **OF_A_DOOR)
    console.happens(EAST, kind=Kind.DOOR_CLOSED, door="east-unit-1", **OF_A_DOOR)
    with console.as_role(Role.INSTALLER) as page:
        page.goto("/")
        tiles = {tile.locator("h4").inner_text(): tile for tile in page.locator(".tiles .tile").all()}
        assert "held open" in tiles["2 号楼"].inner_text()
        assert "1 单元门" in tiles["1 号楼"].inner_text()
        assert tiles["1 号楼"].locator("li", has_text="1 单元门").locator(".says").inner_text() == "closed"
        assert "大门入口" in page.locator(".gate").inner_text()
        assert page.locator("#rows").count() == 0
        console.happens(WEST, kind=Kind.DOOR_CLOSED, **OF_A_DOOR)
        tiles["2 号楼"].locator("li.good").wait_for()


def test_the_map_marks_a_lockdown_and_a_tamper_with_sign_and_word(console: Console) -> None:
    """The tamper until somebody has seen to it, once it is over."""
    watch = Watch(console.filled.writer, console.filled.reader, lambda: console.now_us, UTC)
    watch.begin()
    watch.look()
    console.happens(EAST, kind=Kind.DOOR_CLOSED, **OF_A_DOOR)
    console.happens(EAST, kind=Kind.DOOR_LOCKED_DOWN, **{**OF_A_DOOR, "reason": Reason.COMMAND})
    console.happens(EAST, kind=Kind.TAMPER, door="east-unit-1", reader="unit-1", **OF_A_DOOR)
    watch.look()
    with console.as_role(Role.OFFICER) as page:
        page.goto("/")
        tile = page.locator(".tiles .tile", has_text="1 号楼")
        front, unit = tile.locator("li", has_text="正门"), tile.locator("li", has_text="1 单元门")
        assert "locked down" in front.inner_text()
        assert front.locator(".stands svg").count() == 1
        assert "tampered with" in unit.inner_text()
        assert "bad" in (tile.get_attribute("class") or "")
        assert faults_of(page) == []
        console.happens(EAST, kind=Kind.TAMPER_RESTORED, door="east-unit-1", reader="unit-1", **OF_A_DOOR)
        console.happens(EAST, kind=Kind.DOOR_SECURED, **{**OF_A_DOOR, "reason": Reason.COMMAND})
        watch.look()
        unit.get_by_text("was tampered with").wait_for()
        page.locator(".alarms li", has_text="tampered").get_by_role("button").click()
        unit.get_by_text("tampered").wait_for(state="detached")
        front.get_by_text("locked down").wait_for(state="detached")


def test_a_tile_of_the_map_leads_to_what_happens_there(console: Console) -> None:
    """And the estate to all of its buildings and gates, those of the palette by their gateway still."""
    console.happens(GATE)
    with console.as_role(Role.OFFICER, "zh", 390) as page:
        page.goto("/")
        page.locator(".tile h4 a", has_text="2 号楼").click()
        page.wait_for_url(f"**/?at={console.estate.places['west']}#entries")
        assert set(page.locator("#rows .building").all_inner_texts()) == {"2 号楼"}
        assert faults_of(page) == []
        page.locator(".map h3 a", has_text="东湖小区").click()
        page.wait_for_url(f"**/?at={console.estate.places['estate']}#entries")
        assert {"大门", "1 号楼", "2 号楼"} <= set(page.locator("#rows .building").all_inner_texts())
        page.goto(f"/?at=riverside/{EAST}")
        assert set(page.locator("#rows .building").all_inner_texts()) == {"1 号楼"}
        assert page.locator("select[name=at]").input_value() == f"riverside/{EAST}"
        page.goto("/?at=999999")
        assert page.locator("#rows li").count() == 0
