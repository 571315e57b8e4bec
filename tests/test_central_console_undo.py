"""What one did a moment ago is undone from the page to which it led: with one press, in either language."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest
from console_support import CARDS, WIDTHS, Console, a_console, faults_of
from playwright.sync_api import Page
from register_support import EAST, GATE, WEST, a_number
from sqlalchemy import select

from central.accounts.book import account_called
from central.accounts.who import Role
from central.alarms.watch import Watch
from central.register.credentials import CredentialKind, issue
from central.register.desk import Desk, desk_of
from central.register.leases import get_lease, make_lease
from central.store.alarm_tables import alarm_event
from central.store.engine import reading, writing
from central.store.register_tables import register_event
from central.store.visitor_tables import visitor_pass, visitor_pass_event
from central.times import local
from messages.model import Kind

OF_A_DOOR: dict[str, object] = {"credential": None, "holder": None, "category": None, "reason": None}
UNDO = ".undoable button"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


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
        page.get_by_text("Undone: it is as it was before.").wait_for()
        assert page.locator(".undoable").count() == 0, "that it was given is long past"
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


@pytest.mark.parametrize(("gateway", "scripts"), [(WEST, True), (GATE, False)])
def test_that_an_alarm_stays_seen_to_is_said(console: Console, gateway: str, *, scripts: bool) -> None:
    watch = Watch(console.filled.writer, console.filled.reader, lambda: console.now_us, UTC)
    watch.begin()
    console.happens(gateway, kind=Kind.DOOR_FORCED, **OF_A_DOOR)
    watch.look()
    with console.as_role(Role.OFFICER) as page:
        page.route("**/parts/alarms*", lambda route: route.fulfill(status=204))  # as it was a moment ago
        page.goto("/")
        forced = page.locator(".alarms li", has_text="door was forced")
        forced.first.get_by_role("button", name="Seen to").click()
        page.locator("#alarms .undoable").wait_for()
        if not scripts:
            page.locator("#alarms .undoable").evaluate("form => form.replaceWith(form.cloneNode(true))")
        path = page.locator("#alarms .undoable").get_attribute("action") or ""
        assert page.request.post(path, headers=SAME_ORIGIN).ok
        page.locator(UNDO).click()
        page.locator(".toast", has_text="somebody has seen to it").wait_for()


@contextmanager
def the_worker_s_desk(console: Console) -> Iterator[Desk]:
    """Of whoever is signed in as a worker, at this moment."""
    with writing(console.filled.writer) as db:
        row = account_called(db, f"{Role.WORKER}-1")
        assert row is not None
        estate = console.estate
        yield desk_of(db, estate.vault, estate.community, account=row.id, now_us=console.now_us)


def deed_at(console: Console) -> int:
    with reading(console.filled.reader) as db:
        columns = register_event.c
        asked = select(columns.id).where(columns.at == console.now_us).order_by(columns.id)
        return int(db.execute(asked.limit(1)).scalar_one())


def test_what_no_page_offers_to_undo_is_not_undone(console: Console) -> None:
    room = console.estate.places["201"]
    with console.as_role(Role.WORKER) as page:
        with the_worker_s_desk(console) as desk:
            lease = make_lease(desk, room, from_us=desk.now_us, until_us=None)
        path = f"/homes/{console.estate.community}/undo/{deed_at(console)}"
        told = page.request.post(path, headers=SAME_ORIGIN)
        assert (told.status, "too long ago" in told.text()) == (409, True)
    with reading(console.filled.reader) as db:
        stands = get_lease(db, console.estate.community, lease, console.now_us)
    assert stands.id == lease


def test_a_card_that_was_given_with_a_lease_leads_to_whose_it_was(console: Console) -> None:
    room = console.estate.places["201"]
    with console.as_role(Role.WORKER) as page:
        person = console.estate.person("赵同时")
        with the_worker_s_desk(console) as desk:
            make_lease(desk, room, from_us=desk.now_us, until_us=None)
            issue(desk, person, CredentialKind.CARD_UID, "04A1B2E1")
        page.goto(f"/homes/{console.estate.community}/people/{person}")
        assert "A card was given" in page.locator(".undoable").inner_text()
        console.passes(1)
        page.locator(UNDO).click()
        page.get_by_text("Undone: it is as it was before.").wait_for()
        assert page.url.endswith(f"/people/{person}")
        assert page.locator(".undoable").count() == 0
        page.reload()
        assert page.get_by_text("Undone").count() == 0, "it is said once"
