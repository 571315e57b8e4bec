"""Look up 查询: from purpose and case to the answer, in few inputs, masked, and on the record."""

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from console_support import CARDS, WIDTHS, Console, a_console, deeds_on, faults_of
from playwright.sync_api import Page
from register_support import EAST, GATE, SITE, WEST, a_number
from sqlalchemy import select

from central.accounts.who import Role, Who
from central.console.forms import FILE_MADE
from central.console.pages.look_up import show
from central.console.pages.look_up.answer import How, Known, complete_to, covers, how_of
from central.console.pages.look_up.form import FAULTS, Form, asking_of
from central.errors import BadQuestion
from central.fleet.coverage import DoorCoverage, Gap, Span
from central.lookup import acts
from central.lookup.audit import facts_of
from central.lookup.rules import Asker
from central.lookup.service import DoorComplete
from central.lookup.words import Act, Asked, Basis, Happened
from central.register.communities import create_community
from central.register.desk import desk_of
from central.register.place_tree import root_of
from central.register.places import create_place
from central.register.words import PlaceKind
from central.store.engine import reading, writing
from central.store.lookup_tables import look_up, look_up_event
from central.times import local
from messages.model import Kind

MOST_INPUTS = 4
SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW_US = 1_800_000_000_000_000
WHOLE = Form(purpose="missing_person", case_number="A-2026-17", number="000000199001010018", community=1)
IDENTITY = re.compile("王小明|%E7%8E%8B|04A1B2C3|" + a_number(1), re.IGNORECASE)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with a_console(tmp_path_factory.mktemp("look-up")) as made:
        yield made


def ask(page: Page, question: str, **typed: str) -> int:
    """The number of the look-up that was asked."""
    page.goto("/look-up")
    page.locator("[name=purpose][value=missing_person]").check()
    page.locator("#case_number").fill("A-2026-17")
    page.locator(f"[name=question][value={question}]").check()
    for name, value in typed.items():
        if name == "place":
            page.locator("#place").select_option(value)
        else:
            page.locator(f"#{name}").fill(value)
    page.locator(".go button").click()
    page.wait_for_url(re.compile(r"/look-up/\d+$"))
    return int(page.url.rpartition("/")[2])


def happened(console: Console, number: int) -> list[Happened]:
    columns = look_up_event.c
    query = select(columns.kind).where(columns.look_up_id == number).order_by(columns.id)
    with console.filled.reader.connect() as connection:
        return [Happened(kind) for kind in connection.execute(query).scalars()]


def facts_on(console: Console, number: int, kind: Happened) -> list[dict[str, Any]]:
    columns = look_up_event.c
    query = select(look_up_event).where(columns.look_up_id == number, columns.kind == kind)
    with console.filled.reader.connect() as connection:
        return [facts_of(row) for row in connection.execute(query)]


def refused_last(console: Console) -> str:
    """Why the newest question that became no look-up was refused."""
    columns = look_up_event.c
    query = select(look_up_event).where(columns.kind == Happened.NOT_ASKED).order_by(columns.id.desc())
    with console.filled.reader.connect() as connection:
        return str(facts_of(connection.execute(query).first())["why"])


def approves(console: Console, number: int, act: Act) -> None:
    approver = Asker(99, "approver", "分局督察", frozenset({console.estate.community}))
    with writing(console.filled.writer) as connection:
        acts.decide(connection, approver, number, act=act, agreed=True, why="案情需要", now_us=console.now_us)


# --- what is typed, and the question that it makes --------------------------------------------------------


def test_the_law_follows_the_purpose_unless_another_one_is_chosen() -> None:
    assert asking_of(WHOLE, NOW_US, SHANGHAI).basis is Basis.PEOPLES_POLICE
    chosen = replace(WHOLE, basis="data_security_law")
    assert asking_of(chosen, NOW_US, SHANGHAI).basis is Basis.DATA_SECURITY


@pytest.mark.parametrize(
    ("place", "asked"),
    [
        ("riverside/east/front", Asked.DOOR),
        ("riverside/east", Asked.BUILDING),
        ("riverside", Asked.SITE),
    ],
)
def test_a_door_a_building_or_all_of_them_is_what_was_chosen(place: str, asked: Asked) -> None:
    asking = asking_of(replace(WHOLE, question="door", place=place), NOW_US, SHANGHAI)
    assert (asking.asked, asking.number) == (asked, None)
    assert "/".join(part for part in (asking.site, asking.gateway, asking.door) if part) == place


def test_overdue_visitors_are_asked_about_a_building_whichever_door_was_chosen() -> None:
    asking = asking_of(replace(WHOLE, question="overdue", place="riverside/east/front"), NOW_US, SHANGHAI)
    assert (asking.asked, asking.gateway, asking.door) == (Asked.OVERDUE, "east", None)


def test_ones_own_times_are_those_of_the_place() -> None:
    own = replace(WHOLE, span="own", from_="2026-11-04T08:00", until="2026-11-04T09:30")
    window = asking_of(own, NOW_US, SHANGHAI).window
    assert window.until_us - window.from_us == 5_400 * 1_000_000
    assert window.from_us % 86_400_000_000 == 0  # eight o'clock there is midnight in UTC


@pytest.mark.parametrize(
    ("form", "field"),
    [
        pytest.param(replace(WHOLE, purpose=""), "purpose", id="no purpose"),
        pytest.param(replace(WHOLE, span="own", from_="", until=""), "from", id="no beginning"),
        pytest.param(replace(WHOLE, span="own", from_="2026-11-04T08:00", until="x"), "until", id="no end"),
    ],
)
def test_what_is_missing_is_told_at_its_field(form: Form, field: str) -> None:
    with pytest.raises(BadQuestion) as told:
        asking_of(form, NOW_US, SHANGHAI)
    assert told.value.field == field
    assert field in FAULTS


def test_a_form_does_not_repeat_what_was_typed() -> None:
    assert WHOLE.number not in repr(WHOLE)


# --- on the page ------------------------------------------------------------------------------------------


def test_an_officer_asks_about_somebody_in_four_inputs_the_sending_counted(console: Console) -> None:
    with console.as_role(Role.OFFICER) as page:
        deeds = deeds_on(page)
        page.goto("/look-up")
        page.get_by_label("Missing person").check()
        page.get_by_label("Case number").fill("A-2026-17")
        page.get_by_label("Whole number").fill(a_number(1))
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(r"/look-up/\d+$"))
        assert page.locator(".timeline li").count() == 4
    assert deeds == ["fills purpose", "fills case_number", "fills number", "sends"]
    assert len(deeds) <= MOST_INPUTS


@pytest.mark.parametrize(
    ("question", "field", "value"),
    [("card", "number", CARDS["王小明"]), ("room", "room_name", "101"), ("door", "place", f"{SITE}/{EAST}")],
)
def test_an_officer_fills_at_most_four_fields_whatever_is_asked(
    console: Console, question: str, field: str, value: str
) -> None:
    with console.as_role(Role.OFFICER) as page:
        deeds = deeds_on(page)
        page.goto("/look-up")
        page.locator("[name=purpose][value=rescue]").check()
        page.locator("#case_number").fill("A-2026-19")
        page.locator(f"[name=question][value={question}]").check()
        if question == "door":
            page.locator(f"#{field}").select_option(value)
        else:
            page.locator(f"#{field}").press_sequentially(value)
        if question == "room":
            page.locator("[name=room]").first.wait_for(state="attached")
        page.locator(f"#{field}").press("Enter")
        if question == "door":  # Enter opens the list of doors
            page.locator(".go button").click()
        page.wait_for_url(re.compile(r"/look-up/\d+$"))
        assert page.locator(".timeline li").count() > 0
    fields = [each for each in deeds if each != "sends"]
    assert len(fields) == MOST_INPUTS


def test_an_answer_is_masked_until_a_field_is_revealed_with_a_reason(console: Console) -> None:
    with console.as_role(Role.OFFICER) as page:
        number = ask(page, "card", number=CARDS["王小明"])
        assert page.locator(".timeline li").count() == 4
        assert not IDENTITY.search(page.content())
        assert "until it is left or loaded again" in page.locator("main").inner_text()
        first = page.locator(".timeline li").first
        first.locator("summary").click()
        first.get_by_label("Reason").fill("identify the missing person")
        first.get_by_role("button", name="Reveal").click()
        first.locator(".value", has_text="王小明").wait_for()
        assert page.locator(".timeline li .value", has_text="王小明").count() == 4, "of one person"
        assert len(IDENTITY.findall(page.locator("main").inner_text())) == 4, "and nothing else of them"
        assert happened(console, number).count(Happened.REVEALED) == 1, "one act, which names all four"
        assert {len(facts.get("also", ())) for facts in facts_on(console, number, Happened.REVEALED)} == {3}
        second = page.locator(".timeline li").nth(1)
        second.locator("summary").click()
        assert "name" not in second.get_by_label("What").locator("option").evaluate_all(
            "all => all.map((each) => each.value)"
        ), "it stands there already"
        second.get_by_label("Reason").fill("      ")
        second.get_by_role("button", name="Reveal").click()
        second.locator(".error", has_text="Say in 4 to 300 letters why").wait_for()
        assert second.get_by_label("Reason").input_value() == "      ", "what was typed is kept"
        page.reload()
        assert not IDENTITY.search(page.content())


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("12345", "17 digits and a check character"),
        (a_number(1)[:-1] + "9", "a digit is mistyped"),
        ("000000199002300017", "no day of any calendar"),
    ],
    ids=["short", "check", "birth"],
)
@pytest.mark.parametrize("width", WIDTHS.values(), ids=list(WIDTHS))
def test_a_number_that_nobody_can_have_is_said_and_not_looked_up(
    console: Console, number: str, said: str, width: int
) -> None:
    with console.as_role(Role.OFFICER, width=width) as page:
        page.goto("/look-up")
        page.locator("[name=purpose][value=missing_person]").check()
        page.locator("#case_number").fill("A-2026-17")
        page.locator("#number").fill(number)
        page.keyboard.press("Enter")
        told = page.locator("#number-told")
        told.wait_for()
        assert said in told.inner_text()
        assert number not in told.inner_text()
        assert page.locator("#number").get_attribute("aria-invalid") == "true"
        assert faults_of(page) == []
        assert refused_last(console) == "BadQuestion"


def test_a_card_typed_in_small_letters_is_the_one_that_doors_read(console: Console) -> None:
    with console.as_role(Role.OFFICER) as page:
        ask(page, "card", number=CARDS["王小明"].lower())
        assert page.locator(".timeline li").count() == 4


def test_three_views_and_my_look_ups_have_no_fault(console: Console) -> None:
    with console.as_role(Role.OFFICER, "zh", 390) as page:
        number = ask(page, "door", place=f"{SITE}/{EAST}")
        for view, shown in (("timeline", ".timeline li"), ("table", "tbody tr"), ("places", ".short li")):
            page.goto(f"/look-up/{number}?view={view}")
            assert page.locator(shown).count() >= 6
            assert faults_of(page) == []
        page.goto("/look-up/mine")
        assert page.get_by_role("link", name=str(number), exact=True).is_visible()


def test_overdue_visitors_of_a_building_are_asked_about_on_the_page(console: Console) -> None:
    with console.as_role(Role.OFFICER) as page:
        number = ask(page, "overdue", place=f"{SITE}/{EAST}")
        assert "Overdue visitors" in page.locator("main").inner_text()
        assert happened(console, number)[0] is Happened.ASKED


def begin_with_room(page: Page) -> None:
    page.goto("/look-up")
    page.locator("[name=purpose][value=rescue]").check()
    page.locator("#case_number").fill("A-2026-18")
    page.locator("[name=question][value=room]").check()


def test_a_room_is_found_by_its_name_while_one_types(console: Console) -> None:
    with console.as_role(Role.OFFICER) as page:
        begin_with_room(page)
        page.locator("#room_name").press_sequentially("101")
        page.locator("[name=room]").first.wait_for(state="attached")
        page.locator(".go button").click()
        page.wait_for_url(re.compile(r"/look-up/\d+$"))
        assert page.locator(".timeline li").count() == 4


def ask_for_room(page: Page, name: str) -> None:
    """As by somebody who types faster than rooms can be found: nothing of the page's own finds them."""
    page.route("**/look-up/rooms", lambda route: route.abort())
    begin_with_room(page)
    page.locator("#room_name").fill(name)
    page.locator("#room_name").press("Enter")


def test_a_room_that_only_one_is_called_needs_not_be_chosen(console: Console) -> None:
    with console.as_role(Role.OFFICER) as page:
        ask_for_room(page, "101")
        page.wait_for_url(re.compile(r"/look-up/\d+$"))
        assert page.locator(".timeline li").count() == 4
        assert "101" in page.locator(".facts").inner_text()


def test_of_several_rooms_of_a_name_nothing_is_chosen_for_anybody(console: Console) -> None:
    with console.as_role(Role.OFFICER) as page:
        ask_for_room(page, "1")
        page.locator("[name=room]").nth(1).wait_for(state="attached")
        assert page.url.endswith("/look-up")
        assert page.locator("[name=room]:checked").count() == 0
        with page.expect_navigation():
            page.locator("#room_name").press("Enter")
        assert "Choose one of the rooms of that name." in page.get_by_role("alert").inner_text()
        assert page.locator("#room_name").input_value() == "1"
        assert page.locator("#case_number").input_value() == "A-2026-18"
        assert faults_of(page) == []
        page.locator("[name=room]").nth(1).check()
        page.locator("#room_name").press("Enter")
        page.wait_for_url(re.compile(r"/look-up/\d+$"))


def test_a_room_that_stood_there_for_another_name_is_not_asked_about(console: Console) -> None:
    with console.as_role(Role.OFFICER) as page:
        begin_with_room(page)
        page.locator("#room_name").press_sequentially("101")
        page.locator("[name=room]").first.wait_for(state="attached")
        page.route("**/look-up/rooms", lambda route: route.abort())
        page.locator("#room_name").fill("no such room")
        page.locator("#room_name").press("Enter")
        page.get_by_text("No room is called that.").wait_for()


def test_that_more_rooms_bear_a_name_than_are_shown_is_said(console: Console) -> None:
    unit = console.estate.places["unit"]
    with console.estate.desk() as desk:
        for number in range(701, 701 + show.MOST_ROOMS):
            create_place(desk, unit, PlaceKind.ROOM, str(number))
    more = "There are more rooms of that name."
    with console.as_role(Role.OFFICER) as page:
        begin_with_room(page)
        page.locator("#room_name").fill("7")
        page.locator("[name=room]").first.wait_for(state="attached")
        assert more not in page.locator("#rooms").inner_text()
        with console.estate.desk() as desk:
            create_place(desk, unit, PlaceKind.ROOM, "799")
        page.locator("#room_name").fill("7 ")
        page.get_by_text(more).wait_for()
        assert page.locator("[name=room]").count() == show.MOST_ROOMS


def test_of_101_and_1010_the_one_that_is_called_just_so_is_meant() -> None:
    rooms = [("1", "东湖小区 1 号楼 101"), ("2", "东湖小区 1 号楼 1010")]
    assert show.meant(rooms, "1 101") == "1"
    assert show.meant(rooms, "1 10") == ""
    assert show.meant([*rooms, ("3", "东湖小区 2 号楼 101")], "101") == ""
    assert show.meant(rooms[1:], "10") == "2"


def test_a_room_that_was_found_for_another_name_was_chosen_by_nobody() -> None:
    who = Who(1, Role.OFFICER, frozenset({1}))
    sent = {"question": "room", "room": "7", "room_for": "101", "room_name": "102"}
    assert show.typed_of(sent, who).room == ""
    assert show.typed_of({**sent, "room_name": "101"}, who).room == "7"


def test_a_room_of_another_community_cannot_be_asked_about(console: Console) -> None:
    mine, room = console.estate.community, console.estate.places["101"]
    with writing(console.filled.writer) as db:
        vault = console.estate.vault
        other = create_community(db, vault, "000000002", "秘密社区", account=1, now_us=NOW_US)
        desk = desk_of(db, vault, other, account=1, now_us=NOW_US)
        foreign = create_place(desk, root_of(db, other).id, PlaceKind.ROOM, "901")
    building = console.estate.places["east"]
    with console.as_role(Role.OFFICER) as page:
        for community, place in ((other, room), (mine, foreign), (mine, building), (mine, 10**17)):
            form = {"question": "room", "purpose": "rescue", "case_number": "A-2026-18", "room": str(place)}
            answer = page.request.post(
                "/look-up",
                form={**form, "community": str(community)},
                headers={"Sec-Fetch-Site": "same-origin"},
            )
            assert answer.status == 404
            assert "There is no such place in your communities." in answer.text()
            assert "901" not in answer.text()


def test_rooms_of_a_community_that_is_not_ones_own_are_not_named(console: Console) -> None:
    east, room = console.estate.community, str(console.estate.places["101"])
    elsewhere = Who(1, Role.OFFICER, frozenset({east + 1}))
    with reading(console.filled.reader) as connection:
        for community in (east, east + 1):
            sent = {"question": "room", "community": str(community), "room": room}
            typed = show.typed_of(sent, elsewhere)
            assert (typed.room, typed.community) == (room, 0 if community == east else community)
            assert show.form_values(connection, elsewhere, typed)["rooms"] == []
            assert show.rooms_called(connection, elsewhere, community, "101") == []


def test_a_room_with_a_number_that_no_database_holds_was_chosen_by_nobody() -> None:
    sent = {"question": "room", "community": "9" * 40, "room": "9" * 40}
    typed = show.typed_of(sent, Who(1, Role.OFFICER, frozenset({1})))
    assert (typed.room, typed.community) == ("", 0)


def test_what_is_missing_is_said_beside_it_and_what_was_typed_stays(console: Console) -> None:
    with console.as_role(Role.OFFICER, "zh") as page:
        page.goto("/look-up")
        page.locator("[name=purpose][value=rescue]").check()
        page.locator("#case_number").fill("A")
        page.locator("#number").fill(a_number(1))
        page.locator(".go button").click()
        page.locator("#case_number-told").wait_for()
        assert "案件编号" in page.locator("#case_number-told").inner_text()
        assert page.locator("[name=purpose][value=rescue]").is_checked()
        assert faults_of(page) == []


def test_a_blind_gateway_is_said_beside_the_answer(console: Console) -> None:
    with console.as_role(Role.OFFICER) as page:
        console.passes(600)
        ask(page, "door", place=f"{SITE}/{WEST}")
        told = page.locator(".completeness").inner_text()
        assert "not complete" in told
        assert re.search(r"2 号楼 · [^\n]+\s+complete to 11-04 13:00:00", told)


def test_an_answer_of_a_gateway_that_spoke_a_minute_ago_says_to_when_it_is_complete(console: Console) -> None:
    """And cries nothing: what is under way is under way of every live gateway."""
    with console.as_role(Role.OFFICER, "en", WIDTHS["phone"]) as page:
        console.happens(EAST)
        spoke = f"{local(console.now_us, SHANGHAI):%m-%d %H:%M:%S}"
        console.passes(60)
        ask(page, "door", place=f"{SITE}/{EAST}")
        told = page.locator(".completeness").inner_text()
        assert "not complete" not in told
        assert told.count(f"complete to {spoke}") == 2  # of all of them, and of the one that there is
        assert "may still be on its way" in told
        assert faults_of(page) == []


def a_door(**changes: object) -> DoorComplete:
    whole = DoorComplete("s", "g", "d", "正门", complete=False, until_us=NOW_US, sound=True, keeps_up=True)
    return replace(whole, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("door", "how"),
    [
        pytest.param(a_door(complete=True), How.COMPLETE, id="all of the time is here"),
        pytest.param(a_door(), How.LIVE, id="all but the last minute"),
        pytest.param(a_door(ended_us=NOW_US - 1), How.ENDED, id="a part of it is deleted"),
        pytest.param(a_door(keeps_up=False), How.BEHIND, id="silent for long, or owing records"),
        pytest.param(a_door(sound=False, keeps_up=False), How.DOUBTFUL, id="lost for good, or set aside"),
        pytest.param(a_door(until_us=None, sound=False, keeps_up=False), How.UNKNOWN, id="never heard"),
    ],
)
def test_how_complete_a_door_is_claims_no_more_than_is_known(door: DoorComplete, how: How) -> None:
    assert how_of(door) is how


def test_an_answer_is_complete_to_where_the_slowest_of_its_gateways_is() -> None:
    fast, slow = (Known("楼", (), How.LIVE, NOW_US - lag) for lag in (1, 2))
    assert complete_to([fast, slow]) == NOW_US - 2
    assert complete_to([fast, replace(slow, how=How.DOUBTFUL)]) is None
    assert complete_to([]) is None


def test_a_wide_look_up_waits_and_is_taken_out_when_somebody_else_agrees(console: Console) -> None:
    with console.as_role(Role.OFFICER) as page:
        number = ask(page, "door", place=SITE)
        assert "Nothing is shown before" in page.locator("main").inner_text()
        assert page.locator(".timeline").count() == 0
        approves(console, number, Act.WHOLE)
        page.reload()
        assert page.locator(".timeline li").count() > 8
        page.locator("#why-export").fill("for the case file")
        page.get_by_role("button", name="Ask for approval").first.click()
        page.get_by_text("waits for somebody of another unit").wait_for()
        approves(console, number, Act.EXPORT)
        here = page.url.partition("#")[0]
        console.passes(660)  # the second factor was given too long ago to take anything out
        page.reload()
        page.get_by_role("button", name="Export").click()
        page.wait_for_url(re.compile("/sign-in/code"))
        urgent: dict[str, str | float | bool] = {"urgent": "yes", "emergency": "cannot wait"}
        led = page.request.post("/look-up", form=urgent, headers={"Sec-Fetch-Site": "same-origin"})
        assert led.status == 401
        assert "cannot wait" in led.text()  # what was typed is kept
        assert 'href="/sign-in/code"' in led.text()
        assert refused_last(console) == "ProveAgain"
        console.proves_again(page, Role.OFFICER)
        page.goto(here)
        page.get_by_label("Format").select_option("csv")
        with page.expect_download() as taken:
            page.get_by_role("button", name="Export").click()
        path = Path(taken.value.path())
        assert not IDENTITY.search(taken.value.suggested_filename)
        assert any(
            name.endswith(".csv") for name in zipfile.ZipFile(io.BytesIO(path.read_bytes())).namelist()
        )
        page.get_by_text("it was taken out is on the register of look-ups").wait_for()
        assert happened(console, number)[-1] is Happened.EXPORTED
        assert not any(each["name"].startswith(FILE_MADE) for each in page.context.cookies())
        assert faults_of(page) == []
        page.goto(here)
        assert "CSV" in page.locator("[aria-labelledby=out-title] .known").inner_text()


def test_a_file_of_many_entries_is_made_beside_the_page_and_a_small_one_as_before(
    console: Console, tmp_path: Path
) -> None:
    """Of a console of its own: an officer may ask only so often in an hour."""
    with (
        a_console(tmp_path, console.browser) as own,
        own.as_role(Role.OFFICER, "zh", WIDTHS["phone"]) as page,
    ):
        own.happens(EAST, 30)
        own.passes(60)
        for place, beside in ((f"{SITE}/{EAST}", "_blank"), (f"{SITE}/{WEST}", None)):
            number = ask(page, "door", place=place)
            page.locator("#why-export").fill("for the case file")
            page.locator("#why-export").press("Enter")
            page.get_by_text("等待其他单位审批").first.wait_for()
            approves(own, number, Act.EXPORT)
            page.reload()
            assert page.locator(".take-out").get_attribute("target") == beside
            assert ("期间可以离开本页" in page.locator("main").inner_text()) is (beside is not None)
            assert faults_of(page) == []


def test_no_address_and_no_title_says_whom_a_look_up_is_about(console: Console) -> None:
    said: list[str] = []
    with console.as_role(Role.OFFICER) as page:
        page.on("request", lambda asked: said.append(asked.url))
        ask(page, "person", number=a_number(1))
        said.append(page.title())
        page.goto("/look-up/mine")
        said.append(page.title())
    assert len(said) > 5
    assert [each for each in said if IDENTITY.search(each)] == []


def test_a_question_that_was_none_is_on_the_record_too(console: Console) -> None:
    with console.as_role(Role.OFFICER) as page:
        page.goto("/look-up")
        [session] = [each for each in page.context.cookies() if each["name"] == "liuhen"]
        sent = page.request.post("/look-up", form={"number": a_number(1)}, headers={"Sec-Fetch-Site": "none"})
        assert (sent.status, bool(session)) == (422, True)
    query = select(look_up_event).where(look_up_event.c.kind == Happened.NOT_ASKED)
    with console.filled.reader.connect() as connection:
        facts = [facts_of(row) for row in connection.execute(query)]
        asked = connection.execute(select(look_up.c.id)).all()
    assert facts[-1]["field"] == "purpose"
    assert asked


def test_the_answer_says_which_door_could_not_record_from_when_until_when(console: Console) -> None:
    since = console.now_us - 1_800 * 1_000_000
    of_a_reader: dict[str, object] = {"credential": None, "holder": None, "category": None, "reason": None}
    for kind, minute in ((Kind.READER_LOST, 2), (Kind.READER_RESTORED, 6)):
        at = since + minute * 60 * 1_000_000
        console.happens(EAST, kind=kind, at=at, reader="unit-1", door=None, **of_a_reader)
    times = [f"{local(since + minute * 60 * 1_000_000, SHANGHAI):%H:%M}" for minute in (2, 6)]
    with console.as_role(Role.OFFICER, "en", WIDTHS["phone"]) as page:
        ask(page, "door", place=f"{SITE}/{EAST}/east-unit-1")
        blind = page.locator(".blind li").all_inner_texts()
        assert [" ".join(each.split()) for each in blind] == [
            f"1 号楼 · 1 单元门 {local(since, SHANGHAI):%m-%d} {times[0]} – {times[1]} · reader lost"
        ]
        assert faults_of(page) == []
        ask(page, "door", place=f"{SITE}/{EAST}/east-front")
        assert page.locator(".blind").count() == 0


def test_of_many_doors_it_is_told_a_moment_later(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """For one's own look-up alone, and of no site of others."""
    monkeypatch.setattr(show, "FEW", 0)
    lost: dict[str, object] = {"credential": None, "holder": None, "category": None, "reason": None}
    console.happens(WEST, kind=Kind.READER_LOST, reader="front", door=None, **lost)
    console.passes(120)
    with console.as_role(Role.OFFICER, "zh", WIDTHS["phone"], "dark") as page:
        number = ask(page, "card", number=CARDS["李芳"])
        page.locator(".blind li", has_text="2 号楼 · 正门").wait_for()
        assert faults_of(page) == []
        path = f"{console.served.address}/parts/look-up/{number}/blind?at="
        assert "正门" in page.request.get(f"{path}{SITE}/{WEST}").text()
        assert "正门" not in page.request.get(f"{path}elsewhere/{WEST}").text()
        assert page.request.get(path.replace(f"/{number}/", "/999/")).status == 404


def test_that_doors_could_record_is_said_only_of_what_is_known(console: Console) -> None:
    with console.as_role(Role.OFFICER) as page:
        number = ask(page, "door", place=f"{SITE}/{GATE}")
        path = f"{console.served.address}/parts/look-up/{number}/blind?at="

        def told(query: str) -> str:
            return page.request.get(path + query).text()

        for query in ("", f"{SITE}/none", f"elsewhere/{GATE}", f"{SITE}/{EAST}"):
            assert "could record all of the time" not in told(query)
            assert "nothing says" in told(query)
        assert "could record all of the time" not in told(f"{SITE}/{GATE}")  # it began within this week
        page.goto("/look-up")
        page.locator("[name=purpose][value=missing_person]").check()
        page.locator("#case_number").fill("A-2026-17")
        page.locator("[name=question][value=door]").check()
        page.locator("#place").select_option(f"{SITE}/{GATE}")
        page.locator("[name=span][value=own]").check()
        for field, minute in (("from", 1), ("until", 4)):
            at = f"{local(console.at(minute), SHANGHAI):%Y-%m-%dT%H:%M}"
            page.locator(f"[name={field}]").fill(at)
        page.locator(".go button").click()
        page.wait_for_url(re.compile(r"/look-up/\d+$"))
        number = int(page.url.rpartition("/")[2])
        path = f"{console.served.address}/parts/look-up/{number}/blind?at="
        assert "could record all of the time" in told(f"{SITE}/{GATE}")
        assert "could record all of the time" not in told(f"{SITE}/{GATE}&at={SITE}/{EAST}")


def test_all_of_the_time_means_every_door_from_beginning_to_end() -> None:
    place, ten, end = ("site", "gate"), 10, 20

    def door(*spans: Span, name: str = "front") -> DoorCoverage:
        return DoorCoverage(*place, "大门", name, "正门", spans)

    whole = door(Span(10, 20, None))
    assert covers([whole], [place], None, ten, end)
    assert covers([whole, door(name="back")], [place], "front", ten, end)
    assert not covers([], [], None, ten, end)
    assert not covers([], [place], None, ten, end)
    assert not covers([whole], [place, ("site", "other")], None, ten, end)
    assert not covers([whole, door(name="back")], [place], None, ten, end)
    assert not covers([whole], [place], "unknown", ten, end)
    assert not covers([door(Span(11, 20, None))], [place], None, ten, end)
    assert not covers([door(Span(10, 19, None))], [place], None, ten, end)
    assert not covers([door(Span(10, 15, None), Span(15, 20, Gap.SILENT))], [place], None, ten, end)
