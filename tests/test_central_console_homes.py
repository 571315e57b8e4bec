"""Homes and people in the console: a family moves in on one page, cards, leases, stock and flow."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final, Literal
from zoneinfo import ZoneInfo

import httpx
import plain_http
import pytest
from central_support import DEADLINE_S
from central_web_support import Served, somebody
from console_support import CARDS, Console, a_console, faults_of
from register_support import DAY_US, EAST, Estate, a_number, copied_estate
from sqlalchemy import select

from central import register, undo
from central.accounts import residents
from central.accounts.who import Role
from central.console import forms
from central.console.pages.homes import common, moving, sentences
from central.console.pages.homes import leases as leases_page
from central.register.leases import end_lease, get_lease, leases, make_lease
from central.register.people_found import find_people
from central.register.residencies import lived_in, lived_where, move_out
from central.register.words import RegisterAct
from central.store.register_tables import register_event
from central.times import local

HER_NUMBER, HIS_NUMBER = a_number(501), a_number(502)
CARD = "04A1B2D9"
SIGHTS: Final[tuple[tuple[Literal["zh", "en"], int, Literal["light", "dark"]], ...]] = (
    ("zh", 390, "dark"),
    ("en", 1280, "light"),
)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with a_console(tmp_path_factory.mktemp("console")) as made:
        yield made


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    with copied_estate(tmp_path) as made:
        yield made


@pytest.fixture
def worker(estate: Estate) -> Iterator[httpx.Client]:
    """A browser without scripts, of a worker of that community."""
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


def room(estate: Estate, name: str = "102") -> str:
    return f"/homes/{estate.community}/places/{estate.places[name]}"


def line(at: int, /, **said: str) -> dict[str, str]:
    blank = dict.fromkeys(("name", "number", "phone", "card"), "")
    blank |= {"document": "resident_id", "relation": "owner"}
    return {f"{field}-{at}": value for field, value in (blank | said).items()}


def day(at_us: int) -> date:
    """At the place's own clock."""
    return local(at_us, ZoneInfo("Asia/Shanghai")).date()


def living(estate: Estate, name: str = "102") -> list[str]:
    with estate.reading() as db:
        found = lived_in(db, estate.community, estate.places[name], estate.now_us, estate.now_us + 1)
    return [each.relation for each in found]


def test_a_family_moves_in_on_one_page(console: Console) -> None:
    """And their names stand whole nowhere, neither in an address nor in a title."""
    home = f"/homes/{console.estate.community}/places/{console.estate.places['102']}"
    with console.as_role(Role.WORKER, "zh") as page:
        page.goto(home)
        opened: list[str] = []
        page.on("framenavigated", lambda frame: opened.append(frame.url.removeprefix(console.served.address)))
        page.get_by_role("link", name="入住登记").click()
        for at, (name, number) in enumerate({"林秋月": HER_NUMBER, "林一鸣": HIS_NUMBER}.items()):
            page.locator(f"#name-{at}").fill(name)
            page.locator(f"#number-{at}").fill(number)
        page.locator("#card-0").fill(CARD)
        page.get_by_role("button", name="办理入住").click()
        page.wait_for_url(f"**{home}")
        assert opened == [f"{home}/move-in", home]
        shown = page.locator(".people").inner_text()
        assert shown.count("林**") == 2
        assert "林秋月" not in page.content()
        assert page.locator(".people").get_by_text("1 张卡").count() >= 1
        assert faults_of(page) == []

        page.goto("/homes/people")
        page.locator("#text").fill(CARD)
        page.keyboard.press("Enter")
        page.locator(".found a").click()
        assert page.locator("h1").inner_text() == "林**"
        assert "林" not in page.url + page.title()
        page.get_by_role("button", name="挂失").click()
        page.locator(".badge", has_text="已挂失").wait_for()
    assert console.complaints.said == []


def test_the_palette_leads_to_a_home_by_its_initials(console: Console) -> None:
    with console.as_role(Role.WORKER) as page:
        page.goto("/homes")
        page.keyboard.press("Control+k")
        page.locator("#palette input").fill("dhxq 101")
        page.locator("#palette-found a", has_text="101").click()
        page.wait_for_url("**/homes/*/places/*")
        assert page.locator("h1").inner_text() == "101"


def test_a_card_laid_on_the_desk_reader_leads_from_the_palette_to_its_holder(console: Console) -> None:
    """The reader types the number and Enter; the number stands in no address, and the name is masked."""
    with console.as_role(Role.WORKER, "zh") as page:
        page.goto("/visitors")
        page.keyboard.press("Control+k")
        page.locator("#palette[open]").wait_for()
        page.keyboard.type(CARDS["王小明"])
        page.keyboard.press("Enter")
        page.wait_for_url("**/homes/*/people/*")
        assert page.locator("h1").inner_text() == "王**"
        assert CARDS["王小明"] not in page.url + page.title()


def test_what_is_mistyped_is_said_beside_its_line_and_nobody_moves_in(
    worker: httpx.Client, estate: Estate
) -> None:
    mistyped = HIS_NUMBER[:-1] + ("1" if HIS_NUMBER[-1] != "1" else "2")
    typed = line(0, name="林秋月", number=HER_NUMBER) | line(1, name="林一鸣", number=mistyped)
    answer = worker.post(f"{room(estate)}/move-in", data=typed)
    assert answer.status_code == 422
    second = answer.text.split("Person 2")[1]
    assert "the check character does not fit" in second
    assert "the check character does not fit" not in answer.text.split("Person 2")[0]
    assert HER_NUMBER in answer.text, "what was typed is typed once"
    assert living(estate) == []
    with estate.reading() as db:
        assert find_people(db, estate.vault, estate.community, number=HER_NUMBER) == []


def test_one_more_line_keeps_what_was_typed(worker: httpx.Client, estate: Estate) -> None:
    typed = line(0, name="林秋月", relation="tenant") | {"add": "yes"}
    answer = worker.post(f"{room(estate)}/move-in", data=typed)
    assert answer.status_code == 200
    assert 'value="林秋月"' in answer.text
    assert answer.text.count("<fieldset") == 2
    many: dict[str, str] = {}
    for at in range(moving.MOST):
        many |= line(at)
    answer = worker.post(f"{room(estate)}/move-in", data=many | {"add": "yes"})
    assert answer.text.count("<fieldset") == moving.MOST


def test_who_is_registered_already_moves_in_as_who_they_are(worker: httpx.Client, estate: Estate) -> None:
    person = estate.person("林秋月", number=HER_NUMBER)
    again = line(0, name=" 林秋月 ", number=HER_NUMBER, relation="lodger")
    answer = worker.post(f"{room(estate)}/move-in", data=again)
    assert f"/homes/{estate.community}/people/{person}" in answer.text
    assert "林**" in answer.text
    assert living(estate) == ["lodger"]


def test_who_is_registered_under_another_name_moves_in_once_that_was_agreed_to(
    worker: httpx.Client, estate: Estate
) -> None:
    person, other = estate.person("林秋月", number=HER_NUMBER), estate.person("赵强", number=HIS_NUMBER)
    typed = line(0, name="李名错", number=HER_NUMBER, relation="lodger")
    asked = worker.post(f"{room(estate)}/move-in", data=typed)
    assert asked.status_code == 409
    assert "registered under another name, 林**" in asked.text
    assert "林秋月" not in asked.text, "no more of it is told than a worker may see"
    assert 'value="李名错"' in asked.text
    assert HER_NUMBER in asked.text
    assert living(estate) == []
    (tick,) = re.findall(r'name="registered-0" value="(\d+)"( checked)?>', asked.text)
    assert tick == (str(person), ""), "nobody agrees by pressing twice"
    agreed = typed | {"registered-0": tick[0]}
    corrected = worker.post(f"{room(estate)}/move-in", data=agreed | {"number-0": HIS_NUMBER})
    assert corrected.status_code == 409, "of another person one is asked again"
    assert f'value="{other}"' in corrected.text
    kept = worker.post(f"{room(estate)}/move-in", data=agreed | {"add": "yes"})
    assert f'value="{person}" checked' in kept.text
    done = worker.post(f"{room(estate)}/move-in", data=agreed)
    assert done.status_code == 200
    assert f"/homes/{estate.community}/people/{person}" in done.text
    assert living(estate) == ["lodger"]


def test_a_card_s_number_that_no_reader_gives_is_refused_at_its_field(
    worker: httpx.Client, estate: Estate
) -> None:
    typed = line(0, name="林秋月", number=HER_NUMBER, card="XYZ")
    answer = worker.post(f"{room(estate)}/move-in", data=typed)
    assert answer.status_code == 422
    told = "an access card's number has 8, 14 or 20 digits"
    assert f'id="card-0-told">{told}' in answer.text
    assert living(estate) == []
    here = f"/homes/{estate.community}/people/{estate.person()}/cards"
    wrong = worker.post(here, data={"number": "XYZ", "kind": "em_tag", "until": ""})
    assert wrong.status_code == 422
    assert "a key fob's number has 10 digits" in wrong.text.split('id="number-told"')[1]
    assert 'value="XYZ"' in wrong.text
    assert '<option value="em_tag" selected>' in wrong.text


def test_a_lease_that_was_extended_after_its_end_goes_back_to_it_and_says_so(
    worker: httpx.Client, estate: Estate
) -> None:
    with estate.desk(days=-40) as desk:
        lease = make_lease(
            desk, estate.places["101"], from_us=desk.now_us, until_us=estate.at(-2), grace_days=30
        )
    extend = f"/homes/{estate.community}/leases/{lease}/extend"
    shown = worker.post(extend, data={"until": f"{day(estate.at(90))}"}).text
    (path,) = re.findall(r'action="(/homes/\d+/undo/\d+)"', shown)
    back = worker.post(path)
    assert back.status_code == 200
    assert "Undone: it is as it was before." in back.text
    assert "A lease was extended a moment ago." not in back.text
    with estate.reading() as db:
        assert get_lease(db, estate.community, lease, estate.now_us).dates.until_us == estate.at(-2)
    assert "it was undone already" in worker.post(path).text


def test_an_extension_on_which_somebody_built_says_that_it_is_undone_no_more(
    worker: httpx.Client, estate: Estate
) -> None:
    with estate.desk(days=-40) as desk:
        lease = make_lease(desk, estate.places["101"], from_us=desk.now_us, until_us=estate.at(20))
    extend = f"/homes/{estate.community}/leases/{lease}/extend"
    shown = worker.post(extend, data={"until": f"{day(estate.at(90))}"}).text
    (path,) = re.findall(r'action="(/homes/\d+/undo/\d+)"', shown)
    with estate.desk() as desk:
        end_lease(replace(desk, account=99), lease, at_us=estate.at(5), reason="提前退租")
    late = worker.get("/homes/leases").text
    assert "A lease was extended a moment ago. It cannot be undone any more: it was changed since." in late
    assert path not in late
    assert "it was changed since, and cannot be undone any more" in worker.post(path).text


def test_a_tenant_brings_a_lease_which_is_asked_about_and_goes_on(
    worker: httpx.Client, estate: Estate
) -> None:
    year = day(estate.now_us).year
    until, longer = f"{year + 1}-01-01", f"{year + 2}-01-01"
    typed = line(0, name="赵强", number=HIS_NUMBER, relation="tenant") | {"until": until}
    assert worker.post(f"{room(estate)}/move-in", data=typed).status_code == 200
    with estate.reading() as db:
        (lease,) = leases(db, estate.community, estate.now_us)
    assert until in worker.get("/homes/leases").text
    extend = f"/homes/{estate.community}/leases/{lease.id}/extend"
    assert longer in worker.post(extend, data={"until": longer}).text
    refused = worker.post(extend, data={"until": "2001-01-01"})
    assert refused.status_code == 422
    assert "an extension ends in the future" in refused.text


def test_leases_are_filtered_by_state_and_building_and_come_by_pages(
    worker: httpx.Client, estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases_page, "_PAGE", 2)
    rooms = {"101": 10, "102": 300, "201": 200}  # days until they end; one of them soon
    with estate.desk() as desk:
        for name, days in rooms.items():
            make_lease(desk, estate.places[name], from_us=desk.now_us, until_us=estate.at(days))

    def listed(query: str = "") -> list[str]:
        return re.findall(r"places/\d+\">([^<]+)</a></th>", worker.get(f"/homes/leases?{query}").text)

    east, west = "东湖小区 1 号楼 1 单元", "东湖小区 2 号楼"
    assert listed() == [f"{east} 101", f"{west} 201"], "what ends first"
    (further,) = re.findall(r'rel="next" href="/homes/leases\?([^"]+)"', worker.get("/homes/leases").text)
    further = further.replace("&amp;", "&")
    assert listed(further) == [f"{east} 102"]
    assert "From the first on" in worker.get(f"/homes/leases?{further}").text
    assert listed("after=typed") == [f"{east} 101", f"{west} 201"], "the first page is what was meant"
    assert listed("state=in_notice") == [f"{east} 101"]
    assert listed("state=running&building=") == [f"{west} 201", f"{east} 102"]
    building = estate.places["east"]
    assert listed(f"building={building}") == [f"{east} 101", f"{east} 102"]
    assert listed(f"building={building}&state=running") == [f"{east} 102"]
    assert "No lease is like that." in worker.get(f"/homes/leases?building={building}&state=upcoming").text
    assert worker.get("/homes/leases?building=x").status_code == 422
    page = worker.get(f"/homes/leases?state=in_notice&building={building}").text
    (extend,) = re.findall(r'action="(/homes/\d+/leases/\d+/extend[^"]*)"', page)
    longer = f"{day(estate.at(12))}"
    back = worker.post(extend.replace("&amp;", "&"), data={"until": longer})
    assert dict(back.url.params) == {
        "community": str(estate.community),
        "state": "in_notice",
        "building": str(building),
    }
    assert longer in back.text


def test_moving_out_needs_a_reason_and_the_day_still_tells_who_lived_there(
    worker: httpx.Client, estate: Estate
) -> None:
    worker.post(f"{room(estate)}/move-in", data=line(0, name="林秋月", number=HER_NUMBER))
    page = worker.get(f"{room(estate)}").text
    (residency,) = re.findall(r'name="residency" value="(\d+)"', page)
    estate.now_us += 40 * DAY_US
    refused = worker.post(f"{room(estate)}/move-out", data={"residency": residency})
    assert refused.status_code == 422
    assert "say why" in refused.text
    gone = worker.post(f"{room(estate)}/move-out", data={"residency": residency, "reason": "搬离"})
    assert "Nobody is registered here." in gone.text
    then = day(estate.now_us - 20 * DAY_US)
    assert "林**" in worker.get(f"{room(estate)}?on={then}").text
    assert worker.get(f"{room(estate)}?on=yesterday").status_code == 422


def test_wrong_days_of_a_home_are_corrected_with_a_reason_and_stay_in_the_history(
    worker: httpx.Client, estate: Estate
) -> None:
    worker.post(f"{room(estate)}/move-in", data=line(0, name="林秋月", number=HER_NUMBER))
    (person,) = re.findall(r"/people/(\d+)", worker.get(room(estate)).text)
    here = f"/homes/{estate.community}/people/{person}"
    page = worker.get(here).text
    (dates,) = re.findall(r'action="([^"]*/dates)"', page)
    since, until = day(estate.now_us - 40 * DAY_US), day(estate.now_us - 10 * DAY_US)
    was = dict(re.findall(r'name="(was_\w+)" value="(\d*)"', page))
    assert "say why" in worker.post(dates, data={"since": str(since)}).text
    backwards = worker.post(dates, data=was | {"since": str(until), "until": str(since), "reason": "笔误"})
    assert (backwards.status_code, "it ends before it begins" in backwards.text) == (422, True)
    assert f'value="{until}"' in backwards.text  # what was typed stays
    same = worker.post(dates, data=was | {"since": str(day(estate.now_us)), "reason": "笔误"})
    assert (same.status_code, "that is how it is already" in same.text) == (409, True)
    right = was | {"since": str(since), "until": str(until), "reason": "按租约更正"}
    done = worker.post(dates, data=right).text
    assert f"{since} – {until}" in re.sub(r"\s+", " ", done)
    assert "was corrected" in done
    assert "按租约更正" in done
    assert worker.post(dates, data=was | {"since": str(since), "reason": "又一次"}).status_code == 409
    assert "Nobody is registered here." in worker.get(room(estate)).text
    assert "林**" in worker.get(f"{room(estate)}?on={day(estate.now_us - 20 * DAY_US)}").text
    other = re.sub(r"/people/\d+/", "/people/99/", dates)
    assert worker.post(other, data={"since": str(since), "reason": "别人"}).status_code == 404
    with estate.reading() as db:
        act = select(register_event.c.reason).where(register_event.c.act == RegisterAct.RESIDENCY_CORRECTED)
        assert db.execute(act).scalars().all() == ["按租约更正"]


def test_days_that_were_written_beside_others_undo_no_moving_out(
    worker: httpx.Client, estate: Estate
) -> None:
    person = estate.resident("周正", "101", "04A1B2F2")
    here = f"/homes/{estate.community}/people/{person}"
    estate.now_us += 10 * DAY_US
    page = worker.get(here).text
    (dates,) = re.findall(r'action="([^"]*/dates)"', page)
    was = dict(re.findall(r'name="(was_\w+)" value="(\d*)"', page))
    with estate.desk(days=0) as desk:
        home = int(re.findall(r"residencies/(\d+)/", dates)[0])
        move_out(desk, home, at_us=estate.now_us - DAY_US, reason="搬离")
    typed = {"since": "2024-03-01", "until": "", "reason": "登记时写错月份"}
    seens: list[dict[str, str]] = [{}, was]  # a form without them has seen nothing
    fields: dict[str, str] = {}
    again: dict[str, str] = {}
    for seen in seens:
        stale = worker.post(dates, data=seen | typed)
        assert (stale.status_code, "it was changed since" in stale.text) == (409, True)
        assert 'value="登记时写错月份"' in stale.text
        assert "You had typed: 2024-03-01 – until now" in stale.text
        # the day that nobody else touched stays as typed; the other is the one that holds now
        fields = dict(re.findall(r'name="(since|until)" type="date" value="([^"]*)"', stale.text))
        assert fields["since"] == ("2024-03-01" if seen else str(day(estate.now_us - 10 * DAY_US)))
        assert fields["until"] == str(day(estate.now_us - DAY_US))
        again = dict(re.findall(r'name="(was_\w+)" value="(\d*)"', stale.text)) | fields
    with estate.reading() as db:
        (row,) = lived_where(db, estate.community, person)
    assert (row.until_us, row.voided_us) == (estate.now_us - DAY_US, None)
    assert worker.post(dates, data=again | {"reason": "登记时写错月份"}).status_code == 200
    with estate.reading() as db:
        kept = [each for each in lived_where(db, estate.community, person) if each.voided_us is None]
    assert [each.until_us for each in kept] == [estate.now_us - DAY_US], "a second press undoes nothing"
    now = dict(re.findall(r'name="(was_\w+)" value="(\d*)"', worker.get(here).text))
    (dates,) = re.findall(r'action="([^"]*/dates)"', worker.get(here).text)
    assert worker.post(dates, data=now | typed).status_code == 200  # who has seen it may


def test_a_press_that_lacked_a_reason_makes_no_stale_days_good(worker: httpx.Client, estate: Estate) -> None:
    person = estate.resident("周正", "101", "04A1B2F3")
    here = f"/homes/{estate.community}/people/{person}"
    estate.now_us += 10 * DAY_US
    page = worker.get(here).text
    (dates,) = re.findall(r'action="([^"]*/dates)"', page)
    was = dict(re.findall(r'name="(was_\w+)" value="(\d*)"', page))
    home = int(re.findall(r"residencies/(\d+)/", dates)[0])
    with estate.desk(days=0) as desk:
        move_out(desk, home, at_us=estate.now_us - DAY_US, reason="搬离")
    typed = {"since": "2024-03-01", "until": ""}
    lacking = worker.post(dates, data=was | typed | {"reason": " "})
    assert lacking.status_code == 422
    again = dict(re.findall(r'name="(was_\w+)" value="(\d*)"', lacking.text))
    second = worker.post(dates, data=again | typed | {"reason": "登记时写错月份"})
    assert (second.status_code, "it was changed since" in second.text) == (409, True)
    with estate.reading() as db:
        (row,) = lived_where(db, estate.community, person)
    assert row.until_us == estate.now_us - DAY_US


def test_days_are_corrected_by_keyboard_at_any_width(console: Console) -> None:
    estate = console.estate
    person = estate.resident("周正", "201", "04A1B2F1")
    for lang, width, scheme in SIGHTS:
        with console.as_role(Role.WORKER, lang, width, scheme) as page:
            page.goto(f"/homes/{estate.community}/people/{person}")
            fold = page.locator("#homes details summary").first
            fold.focus()
            page.keyboard.press("Enter")
            assert faults_of(page) == []
            page.locator("#homes details[open] [name=since]").fill(
                "2024-03-01" if lang == "zh" else "2024-04-01"
            )
            page.locator("#homes details[open] [name=reason]").fill("登记时写错月份")
            page.keyboard.press("Enter")
            page.wait_for_url("**#homes")
            assert "登记时写错月份" in page.locator("#homes").inner_text()
            assert faults_of(page) == []


def test_somebody_without_a_home_is_registered_given_a_card_and_deregistered(
    worker: httpx.Client, estate: Estate
) -> None:
    new = {"community": str(estate.community), "name": "孙洁", "number": HER_NUMBER, "category": "worker"}
    page = worker.post("/homes/people/new", data=new)
    assert page.status_code == 200
    assert "No home here." in page.text
    here = str(page.url).partition("?")[0]
    assert CARD[-4:] in worker.post(f"{here}/cards", data={"number": CARD, "kind": "card_uid"}).text
    twice = worker.post(f"{here}/cards", data={"number": CARD, "kind": "card_uid"})
    assert twice.status_code == 409
    assert "this card is somebody" in twice.text
    right = {"name": "李对名", "reason": "写错一个字"}
    assert "say why" in worker.post(f"{here}/correct", data={**right, "reason": ""}).text
    assert "李**" in worker.post(f"{here}/correct", data=right).text
    assert "written already" in worker.post(f"{here}/correct", data=right).text
    assert "say why" in worker.post(f"{here}/deregister", data={"reason": " "}).text
    assert "deregistered" in worker.post(f"{here}/deregister", data={"reason": "离职"}).text


def test_a_card_gets_a_pin_that_nobody_reads_again_and_loses_it(worker: httpx.Client, estate: Estate) -> None:
    person = estate.resident("王小明", "102", CARD)
    here = f"/homes/{estate.community}/people/{person}"
    before = worker.get(here).text
    assert ("Set a PIN" in before, "with a PIN" in before) == (True, False)
    (card,) = re.findall(r"/cards/(\d+)/pin", before)
    refused = worker.post(f"{here}/cards/{card}/pin", data=twice("1234"))
    assert refused.status_code == 422
    assert "Nothing was changed: a PIN is not one digit again and again" in refused.text
    assert 'value="1234"' not in refused.text
    differs = worker.post(f"{here}/cards/{card}/pin", data={"pin": "471100", "pin_again": "471101"})
    assert (differs.status_code, "differently the second time" in differs.text) == (422, True)
    page = worker.post(f"{here}/cards/{card}/pin", data=twice("471100", duress="8052")).text
    assert ("with a PIN" in page, "Another PIN" in page) == (True, True)
    assert ('value="471100"' in page, 'value="8052"' in page) == (False, False)
    assert "Both former PINs count no more" in page
    assert ("The PIN is set." in page, "PIN set</strong>" in page, "by you" in page) == (True, True, True)
    for reloaded in (worker.get(here).text, worker.get(f"{here}?pin=nonsense").text):
        assert "The PIN is set." not in reloaded
    assert estate.listed(EAST, CARD).pin is not None
    other = estate.resident("李雷", "201", "04A1B2E8")
    elsewhere = f"/homes/{estate.community}/people/{other}/cards/{card}"
    assert worker.post(f"{elsewhere}/pin", data=twice("8052")).status_code == 404
    assert worker.post(elsewhere, data={"act": "report_lost"}).status_code == 404
    gone = worker.post(f"{here}/cards/{card}/pin", data={"take_away": "1"}).text
    assert "with a PIN" not in gone
    assert ("The PIN is taken away." in gone, "PIN taken away</strong>" in gone) == (True, True)
    assert "471100" not in gone
    assert estate.listed(EAST, CARD).pin is None


def twice(pin: str, duress: str = "") -> dict[str, str]:
    return {"pin": pin, "pin_again": pin, "duress_pin": duress}


def test_why_a_lost_card_gets_no_pin_is_said_beside_it(worker: httpx.Client, estate: Estate) -> None:
    """On a page that was opened before it was lost."""
    person = estate.resident("王小明", "102", CARD)
    here = f"/homes/{estate.community}/people/{person}"
    (card,) = re.findall(r"/cards/(\d+)/pin", worker.get(here).text)
    worker.post(f"{here}/cards/{card}", data={"act": "report_lost"})
    late = worker.post(f"{here}/cards/{card}/pin", data=twice("471100"))
    assert (late.status_code, "lost or returned gets no PIN" in late.text) == (409, True)


def test_a_pin_is_set_by_keyboard_at_any_width(console: Console) -> None:
    person = console.estate.resident("何小雨", "102", "04A1B2E7")
    for language, width, scheme in SIGHTS:
        with console.as_role(Role.WORKER, language, width=width, scheme=scheme) as page:
            page.goto(f"/homes/{console.estate.community}/people/{person}")
            page.locator("details[id^=pin-] summary").focus()
            page.keyboard.press("Enter")
            assert faults_of(page) == []
            for _ in range(2):
                page.keyboard.press("Tab")
                page.keyboard.type("471100")
            page.keyboard.press("Enter")
            page.locator("main > .notice.good").wait_for()
            badge = {"zh": "已设密码", "en": "with a PIN"}[language]
            assert page.locator("#cards").get_by_text(badge).is_visible()


def test_a_building_shows_its_homes_and_an_estate_its_buildings(worker: httpx.Client, estate: Estate) -> None:
    estate.resident("王小明", "101", "04A1B2C3")
    building = worker.get(f"{room(estate, 'east')}").text
    assert "1 单元" in building
    assert building.count('class="room') == 2
    assert building.count('class="room lived"') == 1
    assert "东湖小区" in worker.get("/homes").text
    counts = worker.get(f"{room(estate, 'estate')}").text
    assert re.search(r"1 号楼.*?<strong>2</strong> homes.*?<strong>1</strong> person", counts, re.DOTALL)


def test_stock_and_flow_are_numbers_of_a_month(worker: httpx.Client, estate: Estate) -> None:
    estate.resident("王小明", "101", "04A1B2C3")
    page = worker.get("/homes/stock").text
    assert re.search(r"东湖小区 1 号楼.*?<strong>1</strong> <span class=\"came\">\+1", page, re.DOTALL)
    assert re.search(r"东湖小区 2 号楼\s*</th>\s*<td[^>]*><span class=\"days\"><strong>0</strong>", page)
    assert worker.get("/homes/stock?month=2026-13").status_code == 422


def test_another_community_is_not_there(worker: httpx.Client, estate: Estate) -> None:
    for path in (f"/homes?community={estate.community + 1}", f"/homes/{estate.community + 1}/people/1"):
        assert worker.get(path).status_code == 404


def test_every_sentence_for_an_error_is_one_that_the_register_says() -> None:
    folders = [Path(register.__file__).parent, Path(common.__file__).parent]
    files = [
        Path(forms.__file__),
        Path(residents.__file__),
        Path(undo.__file__),
        *(file for folder in folders for file in folder.glob("*.py")),
    ]
    source = " ".join(file.read_text(encoding="utf-8") for file in files)
    plain = re.sub(r'"\s*\n\s*f?"', "", source)
    own = Path(sentences.__file__).read_text(encoding="utf-8")
    for text in (*sentences.KNOWN, *sentences.BEGINNINGS):
        assert plain.count(text) > own.count(text), text
