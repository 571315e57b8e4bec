"""Operations in the console: gateways and what is missing, alarms, rules tried on the past."""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import plain_http
import pytest
from central_support import DEADLINE_S, SITE
from central_web_support import (
    COMMUNITY,
    NOW_US,
    Chain,
    Filled,
    Served,
    a_filled,
    about,
    online,
    somebody,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select, update

from central.accounts.who import Role
from central.alarms import book
from central.alarms.kinds import AlarmKind, Urgency
from central.alarms.rules import EVERYWHERE
from central.store.alarm_tables import alarm
from central.store.engine import writing
from central.store.tables import sent_command
from messages.model import Kind

GATEWAY = "east"
DOORS = [("unit-1", "1 单元门", ["unit-1"]), ("garage", "车库门", ["garage"])]


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    with a_filled(tmp_path) as made:
        made.take(about("东楼", DOORS), gateway=GATEWAY)
        yield made


def browser_of(filled: Filled, role: Role, *, fresh: bool = True) -> Iterator[httpx.Client]:
    signing = Ed25519PrivateKey.generate()
    with (
        Served(filled, who=replace(somebody(role, COMMUNITY), fresh=fresh), signing=signing) as served,
        plain_http.Client(
            base_url=served.address,
            follow_redirects=True,
            cookies={"liuhen-language": "en"},
            timeout=DEADLINE_S,
        ) as client,
    ):
        yield client


@pytest.fixture
def operator(filled: Filled) -> Iterator[httpx.Client]:
    yield from browser_of(filled, Role.OPERATOR)


@pytest.fixture
def long_ago(filled: Filled) -> Iterator[httpx.Client]:
    """An operator who gave the second factor long ago."""
    yield from browser_of(filled, Role.OPERATOR, fresh=False)


@pytest.fixture
def installer(filled: Filled) -> Iterator[httpx.Client]:
    yield from browser_of(filled, Role.INSTALLER)


def an_alarm(filled: Filled, kind: AlarmKind = AlarmKind.HELD) -> int:
    with writing(filled.writer) as db:
        rule = book.begin_rule(db, kind, EVERYWHERE, urgency=None, limits={}, made_by="test", now_us=NOW_US)
        times = dict.fromkeys(("began_at", "last_at", "noticed_at", "counts_from"), NOW_US - 60_000_000)
        made = db.execute(
            alarm.insert().values(
                kind=kind,
                rule_id=rule.id,
                urgency=Urgency.TODAY,
                gateway_id=1,
                door="unit-1",
                times=1,
                **times,
            )
        ).inserted_primary_key
    assert made is not None
    return int(made[0])


def test_a_gateway_that_is_well_and_one_that_lacks_records(filled: Filled, operator: httpx.Client) -> None:
    chain = Chain(GATEWAY)
    chain.grow(3)
    filled.take(
        chain.block(), online(chain.head(), devices={"unit-1": "ok", "garage": "ok"}), gateway=GATEWAY
    )
    well = operator.get("/operations").text
    assert "东楼" in well
    assert "as they should be" in well
    assert "stretch is missing" not in well
    chain.grow(4)
    filled.take(
        chain.block(6), online(chain.head(), devices={"unit-1": "lost", "garage": "ok"}), gateway=GATEWAY
    )
    lacking = operator.get("/operations").text
    assert "1 stretch is missing" in lacking
    assert "1 does not work" in lacking
    one = operator.get(f"/operations/{SITE}/{GATEWAY}").text
    assert "records 4 to 5" in one
    assert "车库门" in one
    assert operator.get(f"/operations/{SITE}/nowhere").status_code == 404


def test_an_alarm_is_seen_to_once_with_what_was_done(filled: Filled, operator: httpx.Client) -> None:
    number = an_alarm(filled)
    assert "door stands open too long" in operator.get("/operations/alarms", params={"unseen": "true"}).text
    seen = operator.post(f"/operations/alarms/{number}/seen", data={"note": "闭门器已修"})
    assert "闭门器已修" in seen.text
    again = operator.post(f"/operations/alarms/{number}/seen", data={"note": "又一次"})
    assert again.status_code == 200
    assert "又一次" not in again.text
    assert "No alarm that nobody has seen to." in operator.get("/operations/alarms?unseen=true").text


def test_an_alarm_about_records_ends_with_what_was_found_and_done(
    filled: Filled, operator: httpx.Client
) -> None:
    number = an_alarm(filled, AlarmKind.INTEGRITY)
    with writing(filled.writer) as db:
        db.execute(update(alarm).values(door=None, device="chain_break"))
    assert "Declare what was found and done" in operator.get("/operations/alarms").text
    said = {"count": "1", "found": "换盘时日志损坏", "done": ""}
    refused = operator.post(f"/operations/alarms/{number}/declared", data=said)
    assert (refused.status_code, "换盘时日志损坏" in refused.text) == (422, True)
    done = operator.post(f"/operations/alarms/{number}/declared", data=said | {"done": "已核对现场"}).text
    assert re.search(r"Declared on [^<]* by account \d+:", done)
    chinese = operator.get("/operations/alarms?lang=zh").text
    assert re.search(r"由账户 \d+ 声明", chinese)
    assert "已核对现场" in done
    assert "Declare what was found and done" not in done


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        pytest.param("zh", "已记录：您已处置该报警。", id="Chinese"),
        pytest.param("en", "It is noted that you have seen to the alarm.", id="English"),
    ],
)
def test_who_has_done_something_is_told_so_on_the_page_they_are_led_to(
    filled: Filled, operator: httpx.Client, lang: str, said: str
) -> None:
    number = an_alarm(filled)
    operator.cookies.clear()
    operator.get(f"/operations/alarms?lang={lang}")
    page = operator.post(f"/operations/alarms/{number}/seen", data={"note": ""})
    status = re.findall(r'role="status">([^<]+)</p>', page.text)
    assert (page.url.path, said in status) == ("/operations/alarms", True)
    rule = {"kind": "held", "site": SITE, "urgency": "now", "after_s": "", "act": "begin"}
    assert "done=rule" in str(operator.post("/operations/rules", data=rule).url)
    assert operator.get("/operations/rules?done=anything").status_code == 200


def test_who_only_looks_sees_no_form_and_may_not_post(filled: Filled, installer: httpx.Client) -> None:
    number = an_alarm(filled)
    page = installer.get("/operations/alarms").text
    assert "door stands open too long" in page
    assert "/seen" not in page
    assert installer.post(f"/operations/alarms/{number}/seen").status_code == 403
    assert installer.get("/operations/rules").status_code == 403


def test_settings_that_were_sent_lead_to_their_page(filled: Filled, operator: httpx.Client) -> None:
    sent = {"written": '{"doors": {"unit-1": {"asks_pin": true}}}', "after": "0"}
    answer = operator.post(f"/operations/settings/send?site={SITE}", data=sent, follow_redirects=False)
    assert answer.status_code == 303
    page = operator.get(answer.headers["location"]).text
    assert "Written. The gateways are sent it" in page
    assert "asks_pin" in page


def test_a_command_that_came_too_late_after_the_code_was_not_sent_and_is_kept_in_the_form(
    filled: Filled, long_ago: httpx.Client
) -> None:
    said = {"action": "lock_down", "door": "garage", "why": "emergency", "minutes": "45"}
    answer = long_ago.post(f"/operations/{SITE}/{GATEWAY}/commands", data=said)
    assert answer.status_code == 409
    assert "Nothing was sent: a command takes a fresh second factor." in answer.text
    assert "/sign-in/code" in answer.text
    assert [
        f'value="{chosen}" selected' in answer.text for chosen in ("lock_down", "garage", "emergency")
    ] == [True] * 3
    assert 'value="45"' in answer.text
    with filled.reader.connect() as db:
        assert db.execute(select(func.count()).select_from(sent_command)).scalar_one() == 0


FORM = {"free-0-days": ["mon", "fri"], "free-0-from": "08:00", "free-0-to": "18:00", "asks_pin": "yes"}


def test_a_door_is_set_by_a_form_that_shows_what_would_change(filled: Filled, operator: httpx.Client) -> None:
    assert "Open the form" in operator.get(f"/operations/settings?site={SITE}").text
    here = f"/operations/settings/door?site={SITE}&door=unit-1"
    assert "1 单元门" in operator.get(here).text
    previewed = operator.post(here, data=FORM).text
    assert "What would change" in previewed
    assert "东楼 · 1 单元门 › Hours in which it stands free › Row 1 › from" in previewed
    assert "<code>schedules.unit-1-free.windows[1].from</code>" in previewed
    assert "东楼 · 1 单元门 › PIN after the card" in previewed
    written = html.unescape(previewed.split('name="written" value="')[1].partition('">')[0])
    operator.post(f"/operations/settings/send?site={SITE}", data={"written": written, "after": "0"})
    again = operator.get(here).text
    assert 'value="08:00"' in again
    assert re.search(r'value="yes" selected', again)
    assert operator.get(f"/operations/settings/door?site={SITE}&door=nowhere").status_code == 404
    assert operator.get("/operations/settings/door?site=elsewhere&door=unit-1").status_code == 404


def sends(browser: httpx.Client, settings: object, after: int, **more: str) -> httpx.Response:
    said = {"written": json.dumps(settings), "after": str(after), **more}
    return browser.post(f"/operations/settings/send?site={SITE}", data=said)


def hidden(page: str, name: str) -> str:
    return html.unescape(page.split(f'name="{name}" value="')[1].partition('">')[0])


L1, L2 = {"minimum_assurance": "L1"}, {"minimum_assurance": "L2"}


def test_a_change_is_put_on_top_of_what_a_colleague_sent_meanwhile(operator: httpx.Client) -> None:
    sends(operator, {"doors": {"garage": L1}}, 0)
    late = sends(operator, {"doors": {"unit-1": L2}}, 0, door="unit-1")
    assert late.status_code == 409
    told = late.text[late.text.index('id="differences-title"') :]
    assert "Settings were written meanwhile." in told
    assert re.search(r'revisions/[a-z-]+/1">Revision 1</a>.*: 东楼 · 车库门</li>', told)
    assert "<del>" not in told, "nothing of the colleague's is undone"
    assert "<ins>L2: cards that are hard to copy</ins> <code>L2</code>" in told
    assert "Something changes at:</p>" not in told
    assert "<strong>东楼 · 1 单元门</strong>" in told
    assert json.loads(hidden(told, "written")) == {"doors": {"garage": L1, "unit-1": L2}}
    assert 'value="unit-1" selected' in late.text
    again = sends(operator, json.loads(hidden(told, "written")), int(hidden(told, "after")))
    assert "Written." in again.text
    assert ("L1" in again.text, "L2" in again.text) == (True, True)


def test_what_is_looked_at_is_a_change_of_what_the_page_showed(operator: httpx.Client) -> None:
    page = operator.get(f"/operations/settings?site={SITE}").text
    sends(operator, {"doors": {"garage": L1}}, 0)
    said = {"written": json.dumps({"doors": {"unit-1": L2}}), "after": hidden(page, "after")}
    shown = operator.post(f"/operations/settings?site={SITE}", data=said).text
    assert "<del>" not in shown
    assert json.loads(hidden(shown, "written")) == {"doors": {"garage": L1, "unit-1": L2}}


@pytest.mark.parametrize(
    ("prefer", "holds"), [pytest.param("own", L2, id="one's own"), pytest.param("theirs", L1, id="theirs")]
)
def test_what_two_changed_is_decided_before_anything_is_sent(
    operator: httpx.Client, prefer: str, holds: dict[str, str]
) -> None:
    sends(operator, {"doors": {"unit-1": L1}}, 0)
    late = sends(operator, {"doors": {"unit-1": L2, "garage": L2}}, 0)
    assert (late.status_code, "Changed twice" in late.text) == (409, True)
    assert "What would change" not in late.text
    row = late.text[late.text.index('id="differences"') :].split("</tbody>")[0]
    assert ("L1: any card" in row, "L2: cards" in row, "Revision 1" in row) == (True, True, True)
    assert "车库门" not in row
    said = {name: hidden(late.text, name) for name in ("written", "after", "seen")} | {"prefer": prefer}
    decided = operator.post(f"/operations/settings?site={SITE}", data=said).text
    assert json.loads(hidden(decided, "written")) == {"doors": {"unit-1": holds, "garage": L2}}
    assert ("<del>L1: any card" in decided) == (prefer == "own")
    sends(operator, {"doors": {"unit-1": {"minimum_assurance": "L3"}}}, 1)
    later = operator.post(f"/operations/settings?site={SITE}", data=said)
    assert (later.status_code, "Changed twice" in later.text) == (409, True), "more was written since"


def test_a_form_in_which_a_colleague_changed_the_same_keeps_what_was_typed(operator: httpx.Client) -> None:
    """And shows beside it what changed: to go on is a decision."""
    here = f"/operations/settings/door?site={SITE}&door=unit-1"
    assert 'name="after" value="0"' in operator.get(here).text
    sends(operator, {"doors": {"unit-1": {"mode": "locked_down", "asks_pin": False}}}, 0)
    for late in (
        operator.post(here, data={**FORM, "after": "0"}),
        sends(operator, {"doors": {"unit-1": {"asks_pin": True}}}, 0, door="unit-1"),
    ):
        assert late.status_code == 409
        assert "Changed while this form was open" in late.text
        told = late.text[late.text.index('id="differences"') :].split("</tbody>")[0]
        assert "东楼 · 1 单元门 › PIN after the card" in told
        assert ("not asked for" in told, "<ins>asked for</ins>" in told) == (True, True)
        assert "locked_down" not in told
        assert 'value="locked_down" selected' in late.text, "what the colleague alone changed stays"
        assert 'value="yes" selected' in late.text
        assert "What would change" not in late.text
    assert hidden(late.text, "after") == "1"
    decided = operator.post(here, data={**FORM, "after": "1", "mode": "locked_down"}).text
    assert "What would change" in decided
    assert "<del>not asked for</del>" in decided
    assert 'value="08:00"' in operator.post(here, data={**FORM, "after": "0"}).text


def test_a_form_goes_on_where_a_colleague_changed_something_else(operator: httpx.Client) -> None:
    here = f"/operations/settings/door?site={SITE}&door=unit-1"
    sends(operator, {"doors": {"unit-1": {"mode": "locked_down"}, "garage": {"mode": "free"}}}, 0)
    for shown in (operator.post(here, data={**FORM, "after": opened}) for opened in ("no number", "0")):
        assert (shown.status_code, "What would change" in shown.text) == (200, True)
        assert "Settings were written meanwhile." in shown.text
        assert "<del>" not in shown.text
    shown = operator.post(here, data={**FORM, "after": "0"})
    back = sends(operator, json.loads(hidden(shown.text, "written")), 1, door="unit-1", back="yes").text
    assert 'value="yes" selected' in back
    assert 'value="locked_down" selected' in back
    assert 'value="08:00"' in back


@pytest.mark.parametrize(
    ("lang", "where", "what"),
    [
        pytest.param("zh", "常开时段", "第 1 行不完整", id="Chinese"),
        pytest.param("en", "Hours in which it stands free", "Row 1 is not whole", id="English"),
    ],
)
def test_what_lacks_in_a_row_of_hours_is_told_and_what_was_typed_stays(
    operator: httpx.Client, lang: str, where: str, what: str
) -> None:
    here = f"/operations/settings/door?site={SITE}&door=unit-1&lang={lang}"
    answer = operator.post(here, data={**FORM, "free-0-to": ""})
    told = answer.text.split('role="alert"')[1].split("</div>")[0]
    assert answer.status_code == 422
    assert where in told
    assert what in told
    assert 'value="08:00"' in answer.text


@pytest.mark.parametrize(
    ("lang", "where", "what"),
    [
        pytest.param("zh", "门 › <code>unit-1</code> › 方式", "不认识这个词", id="Chinese"),
        pytest.param("en", "doors › <code>unit-1</code> › mode", "This word is not known", id="English"),
    ],
)
def test_a_mistake_in_written_settings_is_told_in_the_language_of_who_wrote_it(
    operator: httpx.Client, lang: str, where: str, what: str
) -> None:
    said = {"written": '{"doors": {"unit-1": {"mode": "opn"}}}'}
    answer = operator.post(f"/operations/settings?site={SITE}&lang={lang}", data=said)
    told = answer.text.split('role="alert"')[1].split("</div>")[0]
    assert answer.status_code == 422
    assert where in told
    assert what in told
    assert "controlled, free, locked_down" in told
    broken = operator.post(f"/operations/settings?site={SITE}&lang={lang}", data={"written": "{\n,"})
    assert {"zh": "第 2 行", "en": "line 2"}[lang] in broken.text


def test_a_rule_is_tried_on_the_past_and_then_switched_on(filled: Filled, operator: httpx.Client) -> None:
    chain = Chain(GATEWAY)
    chain.grow(2, at=NOW_US - 3_600_000_000, kind=Kind.DOOR_HELD, door="unit-1")
    filled.take(chain.block(), gateway=GATEWAY)
    rule = {"kind": "held", "site": SITE, "urgency": "now", "after_s": ""}
    tried = operator.post("/operations/rules", data=rule | {"act": "try"}).text
    assert "<strong>1</strong>" in tried
    assert "alarm it would have raised" in tried
    with filled.reader.connect() as db:
        assert book.rules_in_force(db) == []
    assert operator.post("/operations/rules", data=rule | {"act": "begin"}).status_code == 200
    with filled.reader.connect() as db:
        (made,) = book.rules_in_force(db)
    assert (made.kind, made.site, made.urgency) == (AlarmKind.HELD, SITE, Urgency.NOW)


@pytest.mark.parametrize(
    ("changes", "status", "why"),
    [
        pytest.param({"kind": "gap"}, 422, "of that no past is kept", id="no past"),
        pytest.param({"kind": "reader_lost", "after_s": "soon"}, 422, "whole number", id="no number"),
        pytest.param({"site": "elsewhere"}, 404, "", id="a site of others"),
    ],
)
def test_what_cannot_be_tried_is_told(
    operator: httpx.Client, changes: dict[str, str], status: int, why: str
) -> None:
    rule = {"kind": "held", "site": SITE, "urgency": "now", "after_s": "", "act": "try"}
    answer = operator.post("/operations/rules", data=rule | changes)
    assert answer.status_code == status
    assert why in answer.text


def test_each_door_shows_when_it_could_not_record_and_why(filled: Filled, operator: httpx.Client) -> None:
    chain = Chain(GATEWAY)
    nothing = {"credential": None, "holder": None, "reason": None, "door": None, "reader": None}
    at = {"door": "unit-1", "reader": "unit-1"}
    for hours, kind, more in (
        (20, Kind.GATEWAY_STARTED, {}),
        (10, Kind.READER_LOST, at),
        (5, Kind.READER_RESTORED, at),
    ):
        chain.grow(1, **{**nothing, **more, "kind": kind, "at": NOW_US - hours * 3_600_000_000})
    filled.take(chain.block(), online(chain.head(), at_us=NOW_US), gateway=GATEWAY)
    page = operator.get("/operations/coverage?days=1").text
    assert "1 / 2" in page, "the garage could record all of the time"
    assert "75.0 %" in page
    assert "1 gap" in page
    assert "reader lost 5 h" in " ".join(page.split())
    gaps = operator.get("/operations/coverage?days=1&gaps=true").text
    assert gaps.count('class="marked"') == 1
    assert ("1 gap" in gaps, "1 / 2" in gaps) == (True, True), "the share is still that of all doors"
    assert "days=7&amp;of=&amp;gaps=true" in gaps
    assert operator.get("/operations/coverage?days=99").status_code == 422


def test_a_long_list_of_gateways_comes_in_pages_and_is_narrowed(
    filled: Filled, operator: httpx.Client
) -> None:
    for number in range(230):
        filled.take(about(f"{number} 号楼", [("front", "正门", ["front"])]), gateway=f"b{number:03d}")
    fleet = operator.get("/operations")
    assert "Page 1 of 3" in fleet.text
    assert fleet.text.count("<tr>") == 101
    assert len(fleet.content) < 300_000
    assert not re.search(r'name="ill"[^>]* checked', fleet.text)
    last = operator.get("/operations?page=99").text
    assert ("Page 3 of 3" in last, "b229" in last) == (True, True)
    assert "None is so." not in operator.get(f"/operations?ill=true&site={SITE}").text
    coverage = operator.get("/operations/coverage")
    assert "Page 1 of 3" in coverage.text
    assert len(coverage.content) < 300_000
    one = operator.get(f"/operations/coverage?of={SITE}/b007").text
    assert one.count('aria-labelledby="gateway-') == 1
    assert "7 号楼" in one


@pytest.mark.parametrize(
    ("lang", "door", "minutes"),
    [
        pytest.param("zh", "请选择要执行该指令的门。", "请填写分钟数：1 至 44640", id="Chinese"),
        pytest.param("en", "Choose the door", "a whole number from 1 to 44640", id="English"),
    ],
)
def test_a_command_that_lacks_a_door_and_minutes_is_told_so_at_each_field(
    filled: Filled, operator: httpx.Client, lang: str, door: str, minutes: str
) -> None:
    said = {"action": "free", "door": "", "why": "emergency", "minutes": "0"}
    here = f"/operations/{SITE}/{GATEWAY}/commands?lang={lang}"
    operator.cookies.clear()
    answer = operator.post(here, data=said)
    assert answer.status_code == 422
    for field, told in (("door", door), ("minutes", minutes)):
        assert re.search(
            rf'id="{field}"[^>]* aria-invalid="true" aria-describedby="{field}-told"', answer.text
        )
        assert re.search(rf'class="error" id="{field}-told">[^<]*{told}', answer.text)
    assert all(kept in answer.text for kept in ('value="free" selected', 'value="emergency" selected'))
    assert 'name="minutes" type="text" value="0"' in answer.text
    only = operator.post(here, data=said | {"minutes": "12", "door": ""}).text
    assert ('id="door-told"' in only, 'class="error" id="minutes-told"' in only) == (True, False)
    assert operator.post(here, data=said | {"minutes": "١٢", "door": "garage"}).status_code == 422
    with filled.reader.connect() as db:
        assert db.execute(select(func.count()).select_from(sent_command)).scalar_one() == 0


def test_that_a_command_was_sent_is_said_at_the_list_that_one_is_led_to(operator: httpx.Client) -> None:
    page = operator.get(f"/operations/{SITE}/{GATEWAY}?done=command").text
    assert page.count("The command was sent.") == 1
    assert page.index('id="commands"') < page.index("The command was sent.")


def test_doors_are_refreshed_together_with_the_commands(filled: Filled, operator: httpx.Client) -> None:
    chain = Chain(GATEWAY)
    chain.grow(kind=Kind.DOOR_LOCKED_DOWN, door="garage", reason=None, credential=None, holder=None)
    filled.take(chain.block(), online(chain.head()), gateway=GATEWAY)
    part = operator.get(f"/parts/operations/{SITE}/{GATEWAY}").text
    doors = part[part.index('<div id="doors-now" hx-swap-oob="true">') :]
    assert "None was given yet." in part
    assert "locked down" in doors
    page = operator.get(f"/operations/{SITE}/{GATEWAY}").text
    assert page.count('id="doors-now"') == 1
    assert "hx-swap-oob" not in page
