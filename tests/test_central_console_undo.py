"""What one did a moment ago is undone from the page to which it led: with one press, in either language."""

import re
from collections.abc import Iterator
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest
from console_support import CARDS, WIDTHS, Console, a_console, faults_of
from playwright.sync_api import Page
from register_support import EAST, a_number
from sqlalchemy import select

from central.accounts.who import Role
from central.alarms.watch import Watch
from central.store.alarm_tables import alarm_event
from central.store.engine import reading
from central.store.visitor_tables import visitor_pass, visitor_pass_event
from central.times import local
from messages.model import Kind

OF_A_DOOR: dict[str, object] = {"credential": None, "holder": None, "category": None, "reason": None}
UNDO = ".undoable button"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with a_console(tmp_path_factory.mktemp("undo")) as made:
        yield made


@pytest.fixture(autouse=True)
def another_moment(console: Console) -> None:
    """What is done at one moment is one deed."""
    console.passes(1)


def home_of(console: Console, room: str) -> str:
    return f"/homes/{console.estate.community}/places/{console.estate.places[room]}"


def passes_on(console: Console, page: Page) -> list[str]:
    number = int(page.url.rsplit("/", 1)[-1])
    columns = visitor_pass_event.c
    with reading(console.filled.reader) as db:
        events = select(columns.event).where(columns.pass_id == number).order_by(columns.id)
        return list(db.execute(events).scalars())


def test_a_family_that_moved_in_by_mistake_never_did(console: Console) -> None:
    home = home_of(console, "102")
    with console.as_role(Role.WORKER, "zh", WIDTHS["phone"], "dark") as page:
        page.goto(f"{home}/move-in")
        page.locator("#name-0").fill("林秋月")
        page.locator("#number-0").fill(a_number(70))
        page.locator("#card-0").fill("04A1B2D0")
        page.get_by_role("button", name="办理入住").click()
        page.wait_for_url(f"**{home}")
        assert page.locator(".people li").count() == 2
        assert "刚刚办理了入住" in page.locator(".undoable").inner_text()
        assert faults_of(page) == []
        with page.expect_navigation():
            page.locator(UNDO).click()
        assert page.url.endswith(home)
        assert (page.locator(".people li").count(), page.locator(".undoable").count()) == (1, 0)
    console.passes(1)
    with console.as_role(Role.WORKER) as page:
        page.goto("/homes/people")
        page.locator("#text").fill(a_number(70))
        page.keyboard.press("Enter")
        assert page.locator(".found .badge").inner_text() == "deregistered"
        assert page.locator(".found").get_by_text("no home here").is_visible()


def test_who_was_moved_out_by_mistake_lives_on(console: Console) -> None:
    home = home_of(console, "201")
    tomorrow = f"{local(console.now_us, ZoneInfo('Asia/Shanghai')).date() + timedelta(days=1)}"
    with console.as_role(Role.WORKER) as page:
        page.goto(home)
        page.locator(".people input").first.check()
        page.locator("details.fold summary").click()
        page.locator("#out-on").fill(tomorrow)
        page.locator("#reason").fill("moved away")
        page.get_by_role("button", name="Move out").click()
        page.locator(".undoable", has_text="Moved out").wait_for()
        assert f"until {tomorrow}" in page.locator(".people").inner_text()
        page.locator(UNDO).click()
        page.locator(".undoable").wait_for(state="detached")
        assert tomorrow not in page.locator(".people").inner_text()


def test_who_never_lived_here_is_struck_out(console: Console) -> None:
    home = home_of(console, "102")
    with console.as_role(Role.WORKER) as page:
        page.goto(f"{home}/move-in")
        page.locator("#name-0").fill("吴认错")
        page.locator("#number-0").fill(a_number(71))
        page.get_by_role("button", name="They move in").click()
        page.wait_for_url(f"**{home}")
        console.passes(1)
        page.locator(".people li", has_text="吴").locator("input").check()
        page.locator("details.fold summary").click()
        page.locator("#reason").fill("another family")
        page.get_by_role("button", name="They never lived here").click()
        page.locator(".people li").nth(1).wait_for(state="detached")
        assert "李*" in page.locator(".people").inner_text()


def test_a_card_reported_lost_by_mistake_opens_again(console: Console) -> None:
    with console.as_role(Role.WORKER, "zh") as page:
        page.goto("/homes/people")
        page.locator("#text").fill(CARDS["李芳"])
        page.keyboard.press("Enter")
        page.locator(".found a").click()
        page.get_by_role("button", name="挂失").click()
        page.wait_for_load_state()
        console.passes(60)
        page.locator(UNDO).click()
        page.locator(".undoable").wait_for(state="detached")
        assert page.get_by_role("button", name="挂失").count() == 1
        assert faults_of(page) == []


@pytest.mark.parametrize(
    ("role", "begin"), [(Role.WORKER, "/visitors/new"), (Role.RESIDENT, "/own/visitors")]
)
def test_a_pass_is_taken_back_and_given_back(console: Console, role: Role, begin: str) -> None:
    with console.as_role(role, width=WIDTHS["phone"]) as page:
        page.goto(begin)
        if role is Role.WORKER:
            page.locator("#where").fill("1 101")
        page.get_by_role("button", name="Give this pass").click()
        page.wait_for_url(re.compile(r"/visitors/\d+$"))
        for _ in range(2):
            console.passes(1)
            page.locator(UNDO).click()
            page.wait_for_load_state()
        assert passes_on(console, page) == ["issued", "revoked", "restored"]
        assert page.locator(".code svg").is_visible()
        assert faults_of(page) == []
    with reading(console.filled.reader) as db:
        assert (
            db.execute(select(visitor_pass.c.revoked_at).order_by(visitor_pass.c.id.desc())).scalar() is None
        )


def test_an_alarm_is_not_seen_to_after_all_and_the_trail_says_both(console: Console) -> None:
    watch = Watch(console.filled.writer, console.filled.reader, lambda: console.now_us, UTC)
    watch.begin()
    console.happens(EAST, kind=Kind.DOOR_FORCED, **OF_A_DOOR)
    watch.look()
    with console.as_role(Role.OFFICER) as page:
        page.goto("/")
        forced = page.locator(".alarms li", has_text="door was forced")
        forced.get_by_role("button", name="Seen to").click()
        page.locator("#alarms .undoable").wait_for()
        assert faults_of(page) == []
        page.locator(UNDO).click()
        forced.wait_for()
    with console.as_role(Role.OPERATOR) as page:
        page.goto("/operations/alarms")
        row = page.locator("#alarms tr", has_text="door was forced")
        for name in ("Seen to", "Undo", "Seen to"):
            console.passes(1)
            row.get_by_role("button", name=name).click()
            page.wait_for_load_state()
        assert faults_of(page) == []
    with console.as_role(Role.OFFICER) as page:  # what another one did
        page.goto("/")
        assert page.locator(UNDO).count() == 0
    with reading(console.filled.reader) as db:
        events = list(db.execute(select(alarm_event.c.event).order_by(alarm_event.c.id)).scalars())
    assert events == ["seen", "unseen", "seen", "unseen", "seen"]
