"""Oversight in the console: a second person's word, reviews, the register of look-ups, certificates."""

import asyncio
import re
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

import httpx
import plain_http
import pytest
from central_support import DEADLINE_S
from central_web_support import Chain, Filled, Served, somebody
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from register_support import EAST, SITE, Estate, copied_estate
from sqlalchemy import select

from central import lookup
from central.accounts import book
from central.accounts.who import Role
from central.console.pages.oversight import asker, register, reviews, transparency
from central.identity.certificates import DataClass, certify
from central.lookup import audit
from central.lookup.paging import Window
from central.lookup.rules import Asker, Asking
from central.lookup.service import Answer, LookUps
from central.lookup.transparency import Report
from central.lookup.words import Act, Asked, Basis, Happened, Purpose
from central.store.changes import Changes
from central.store.engine import open_reader, writing
from central.store.lookup_tables import look_up_event
from central.store.questions import Questions

DAY_US = 86_400_000_000
WHY = "核对走失老人最后经过的门"
A_NUMBER = "000000199001010010"
"""Nobody's."""

OFFICER, APPROVER, COLLEAGUE, SUPERVISOR = 1, 2, 3, 4
PEOPLE = {
    OFFICER: ("officer-1", Role.OFFICER, "一号警务室"),
    APPROVER: ("approver-1", Role.APPROVER, "二号警务室"),
    COLLEAGUE: ("approver-2", Role.APPROVER, "一号警务室"),
    SUPERVISOR: ("supervisor-1", Role.SUPERVISOR, "督察"),
}


class District:
    """An estate, its accounts, and look-ups that an officer asked there."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self.reader = open_reader(str(estate.engine.url))
        self.look_ups = LookUps(
            Changes(estate.engine),
            Questions(self.reader),
            estate.vault,
            ZoneInfo("Asia/Shanghai"),
            lambda: estate.now_us,
        )
        with writing(estate.engine) as db:
            for number, (login, role, unit) in PEOPLE.items():
                made, _ = book.make_account(
                    db,
                    login,
                    name=f"测试{number}",
                    role=role,
                    unit=unit,
                    communities=[estate.community],
                    by="test",
                    now_us=estate.now_us,
                )
                assert made == number

    def asks(
        self,
        asked: Asked = Asked.SITE,
        *,
        days: int = 20,
        emergency: str | None = None,
        number: str | None = None,
    ) -> int:
        community = self.estate.community
        officer = Asker(OFFICER, Role.OFFICER, "一号警务室", frozenset({community}), "127.0.0.1")
        window = Window(self.estate.now_us - days * DAY_US, self.estate.now_us)
        asking = Asking(
            asked=asked,
            community=community,
            purpose=Purpose.MISSING_PERSON,
            basis=Basis.PEOPLES_POLICE,
            case_number="A-2026-17",
            window=window,
            site=None if number else SITE,
            gateway=None if number or asked is Asked.SITE else EAST,
            door=None,
            room=None,
            card_kind=None,
            number=number,
            emergency=emergency,
        )
        return _to_its_end(self.look_ups.ask(officer, asking, 25)).look_up

    def of(self, number: int) -> httpx.Client:
        """A browser without scripts, of one of them."""
        who = somebody(PEOPLE[number][1], self.estate.community, account=number)
        served = Served(
            self.estate.engine,
            who=who,
            vault=self.estate.vault,
            signing=Ed25519PrivateKey.generate(),
            now_us=lambda: self.estate.now_us,
        )
        self._served.append(served.__enter__())
        client = plain_http.Client(
            base_url=served.address,
            follow_redirects=True,
            cookies={"liuhen-language": "en"},
            timeout=DEADLINE_S,
        )
        self._clients.append(client)
        return client

    def __enter__(self) -> Self:
        self._served: list[Served] = []
        self._clients: list[httpx.Client] = []
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()
        for served in self._served:
            served.stop()
        self.reader.dispose()


def _to_its_end(coroutine: Coroutine[Any, Any, Answer]) -> Answer:
    """In a thread of its own: the browser's loop may run in this one."""
    found: list[Answer] = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(coroutine)))
    thread.start()
    thread.join()
    return found[0]


@pytest.fixture
def district(tmp_path: Path) -> Iterator[District]:
    with copied_estate(tmp_path) as estate, District(estate) as made:
        chain = Chain(EAST)
        filled = Filled.__new__(Filled)
        filled.writer = estate.engine
        chain.grow(3, at=estate.now_us - DAY_US, door="east-front")
        filled.take(chain.block(), gateway=EAST, site=SITE)
        yield made


def test_a_second_person_of_another_unit_agrees_with_a_reason(district: District) -> None:
    number = district.asks()
    approver = district.of(APPROVER)
    page = approver.get("/oversight/approvals").text
    assert "Whole estate" in page
    assert "A-2026-17" in page
    decide = f"/oversight/approvals/{number}/{Act.WHOLE}"
    refused = approver.post(decide, data={"agreed": "true", "why": ""})
    assert refused.status_code == 422
    assert "Write why in 4 to 300 characters." in refused.text
    short = approver.post(decide, data={"agreed": "true", "why": "同意"}).text
    field = re.search(rf'<input id="why-{number}-{Act.WHOLE}".*?</p>', short, re.DOTALL)
    assert field is not None
    assert 'value="同意"' in field[0], "what was typed stays"
    assert "Write why in 4 to 300 characters." in field[0], "and what is wrong with it stands beside it"
    assert f'{decide}#why-{number}-{Act.WHOLE}"' in short, "the browser is led back there"
    about = approver.post(decide, data={"agreed": "true", "why": f"核对 {A_NUMBER}"}).text
    assert "looks like somebody's ID number" in about
    agreed = approver.post(decide, data={"agreed": "true", "why": WHY})
    assert "Nothing waits for your word." in agreed.text
    twice = approver.post(decide, data={"agreed": "true", "why": WHY})
    assert twice.status_code == 409
    assert "nobody waits for this any more" in twice.text


def test_nobody_of_ones_own_unit_is_even_asked(district: District) -> None:
    number = district.asks()
    colleague = district.of(COLLEAGUE)
    assert "Nothing waits for your word." in colleague.get("/oversight/approvals").text
    decided = colleague.post(
        f"/oversight/approvals/{number}/{Act.WHOLE}", data={"agreed": "true", "why": WHY}
    )
    assert decided.status_code == 409
    assert "only somebody of another unit" in decided.text


def test_emergencies_and_wide_ones_are_reviewed_and_the_register_tells_all(district: District) -> None:
    urgent = district.asks(Asked.BUILDING, days=1, emergency="老人走失，天黑前要找到")
    wide = district.asks()
    supervisor = district.of(SUPERVISOR)
    page = supervisor.get("/oversight/reviews").text
    assert f"Look-up {urgent}" in page
    assert f"Look-up {wide}" in page
    data = {"explained": "true", "why": "与报案记录一致"}
    after = supervisor.post(f"/oversight/reviews/{urgent}", data=data).text
    assert f"Look-up {urgent}</a>" not in after
    assert "1 reviewed" in after
    doubted = {"explained": "false", "why": "与报案记录不符", "sure": "true"}
    assert counts_of(after) == ["1 to review", "1 reviewed"]
    after = supervisor.post(f"/oversight/reviews/{wide}", data=doubted).text
    assert counts_of(after) == ["0 to review", "1 not explained so far", "1 reviewed"], "it waits for another"
    told = supervisor.get("/oversight/register").text
    for sentence in ("asked for a second person", "was answered", "reviewed: explained"):
        assert sentence in told
    assert "测试1 · 一号警务室" in told
    of_one = supervisor.get("/oversight/register", params={"look_up": wide}).text
    assert f">{urgent}</a>" not in of_one


def counts_of(page: str) -> list[str]:
    """What the page of reviews says on top."""
    return re.findall(r'class="badge[^"]*">(\d+ (?:to review|not explained so far|reviewed))<', page)


def test_the_register_calls_nobody_what_they_are_not(district: District) -> None:
    """A visitor who holds a receipt is not the centre, and an officer who has left is no resident."""
    acts: list[tuple[Happened, int, dict[str, Any]]] = [
        (Happened.OWN_READ, 0, {"what": "receipt", "by": {"role": "visitor", "unit": None}}),
        (Happened.HOLD_ENDED, 0, {"hold": 1, "records": 2}),
        (Happened.NOT_ASKED, 77, {"role": "officer", "question": "site", "why": "TooOften", "field": None}),
        (Happened.OWN_READ, 78, {"what": "entries", "by": {"role": "resident", "unit": None}}),
        (Happened.LIMIT_RAISED, 79, {"account": 1, "an_hour": 2, "a_day": 2, "until": 1, "why": WHY}),
    ]
    with writing(district.estate.engine) as db:
        for kind, account, facts in acts:
            audit.append(
                db,
                kind,
                look_up=None,
                community=district.estate.community,
                at_us=district.estate.now_us,
                account=account,
                facts=facts,
            )
    page = district.of(SUPERVISOR).get("/oversight/register").text
    who = re.findall(r'data-label="Who"><div>(.*?)</div>', page)
    said = [re.sub("<.*?>", "", each) for each in reversed(who)]
    assert said == ["a visitor, by a receipt", "the centre itself", "Officer 77", "Resident 78", "account 79"]


def test_a_reveal_says_in_the_register_of_how_many_records_it_was(district: District) -> None:
    number = district.asks(Asked.BUILDING, days=1)
    facts = {"record": 7, "shown": "name", "why": WHY}
    with writing(district.estate.engine) as db:
        for more in ({}, {"also": [8, 9]}):
            audit.append(
                db,
                Happened.REVEALED,
                look_up=number,
                community=district.estate.community,
                at_us=district.estate.now_us,
                account=1,
                facts={**facts, **more},
            )
    page = district.of(SUPERVISOR).get("/oversight/register", params={"look_up": number}).text
    told = [re.sub("<.*?>", "", each) for each in re.findall(r'data-label="What"><div>(.*?)</div>', page)]
    assert ["3 records" in each for each in told[:2]] == [True, False]


def test_looks_at_the_same_in_a_row_are_one_line_of_the_register_s_page(district: District) -> None:
    """Every one of them stays on record, and a later one has a line of its own."""
    number = district.asks(Asked.BUILDING, days=1)
    officer, supervisor = district.of(OFFICER), district.of(SUPERVISOR)
    for view in ("timeline", "table", "places"):
        district.estate.now_us += 60_000_000
        assert officer.get(f"/look-up/{number}", params={"view": view}).status_code == 200
    district.estate.now_us += 3_600_000_000
    officer.get(f"/look-up/{number}")
    with district.reader.connect() as db:
        kinds = db.execute(select(look_up_event.c.kind)).scalars().all()
    assert kinds.count(Happened.ANSWERED) == 5, "the answer, and four looks at its page"
    page = supervisor.get("/oversight/register", params={"look_up": number}).text
    table = page[page.index("<tbody>") :]
    assert len(re.findall("was answered", table)) == 2
    assert re.findall(r"seen \d+ times", table) == ["seen 4 times"]


def test_what_is_told_as_one_line_is_the_same_look_of_one_account() -> None:
    def row(minute: float, **changes: Any) -> dict[str, Any]:
        facts = {"records": [1, 2], "by": {"role": "officer"}, "after": None, "complete": minute > 1}
        made = {"kind": "answered", "account": 1, "look_up": 5, "at_us": int(minute * 60_000_000)}
        return {**made, "facts": facts, **changes}

    rows = [row(9), row(5), row(0), row(-6)]
    assert [len(each.events) for each in register.lines_of(rows)] == [3, 1], "each near the next"
    for other in ({"account": 2}, {"look_up": 6}, {"facts": {"records": [1]}}):
        assert len(register.lines_of([row(3), row(2, **other), row(1)])) == 3
    approved = [row(minute, kind="approved") for minute in (2, 1)]
    assert len(register.lines_of(approved)) == 2, "an act is no look"
    assert [one for line in register.lines_of(rows) for one in line.events] == rows, "none is left out"


def test_a_look_up_that_is_not_explained_stays_until_it_is(district: District) -> None:
    urgent = district.asks(Asked.BUILDING, days=1, emergency="老人走失，天黑前要找到")
    supervisor = district.of(SUPERVISOR)
    for explained, stays in (("false", True), ("true", False)):
        data = {"explained": explained, "why": "与报案记录核对", "sure": "true"}
        after = supervisor.post(f"/oversight/reviews/{urgent}", data=data).text
        assert (f"Look-up {urgent}</a>" in after) is stays
        assert ("not explained so far" in after) is stays


def test_that_somebody_s_look_ups_shall_rest_is_asked_once_more_by_name(district: District) -> None:
    urgent = district.asks(Asked.BUILDING, days=1, emergency="老人走失，天黑前要找到")
    supervisor = district.of(SUPERVISOR)
    data = {"explained": "false", "why": "与报案记录核对", "days": "90"}
    short = supervisor.post(f"/oversight/reviews/{urgent}", data={**data, "why": "不明"})
    assert (short.status_code, 'value="不明"' in short.text) == (422, True)
    assert "rest?" not in short.text, "first a reason that can stand"
    asked = supervisor.post(f"/oversight/reviews/{urgent}", data=data).text
    assert "Let the look-ups of 测试1 · 一号警务室 rest?" in asked
    assert 'value="与报案记录核对"' in asked, "what was typed stays"
    assert 'name="days" value="90"' in asked
    assert "not explained so far" not in supervisor.get("/oversight/reviews").text, "nothing was done yet"
    after = supervisor.post(f"/oversight/reviews/{urgent}", data={**data, "sure": "true"}).text
    assert "not explained so far" in after
    supervisor.post(f"/oversight/reviews/{urgent}", data=data | {"explained": "true"})
    late = supervisor.post(f"/oversight/reviews/{urgent}", data={**data, "sure": "true"})
    assert (late.status_code, "nobody waits for this any more" in late.text) == (409, True)


def test_certificates_of_deletion_are_shown_to_who_oversees_that_community(district: District) -> None:
    estate = district.estate
    key = Ed25519PrivateKey.generate()
    with writing(estate.engine) as db:
        for community, period in ((estate.community, "2026-08-01"), (estate.community + 1, "2026-08-02")):
            certify(
                db,
                key,
                community=community,
                data_class=DataClass.VISITOR_IDENTITY,
                period=period,
                due_us=estate.now_us - 3 * DAY_US,
                now_us=estate.now_us,
                keys=("visitor-2026-08-01",),
                rows=17,
            )
    page = district.of(SUPERVISOR).get("/oversight/deletions").text
    assert "2026-08-01" in page
    assert "identities of visitors" in page
    assert re.search(r">17<", page)
    assert "late" in page
    assert "2026-08-02" not in page


def test_every_word_has_its_sentence() -> None:
    assert set(register.HAPPENED) == set(Happened)
    said = " ".join(file.read_text(encoding="utf-8") for file in Path(lookup.__file__).parent.glob("*.py"))
    for text in (*reviews.WHY, *asker.KNOWN):
        assert text in said, text


def test_the_public_report_tells_a_quarter_that_is_over_and_no_small_count(district: District) -> None:
    district.asks()
    officer = district.of(OFFICER)
    path = "/oversight/transparency"
    assert officer.get(f"{path}?quarter=2026-Q4").status_code == 422
    assert "2026-Q3" in officer.get(path).text, "the last one that is over"
    district.estate.now_us += 100 * DAY_US
    page = officer.get(path).text
    assert "2026-Q4" in page
    assert re.search(r"<strong>(<span[^>]*>)?&lt;10", page)
    assert "2027-Q1, is told from 2027-04-01 on" in page, "that one is not over"
    assert "?quarter=2027-Q1" not in page
    assert officer.get(f"{path}?community={district.estate.community + 1}").status_code == 404


def test_a_share_of_the_public_report_is_of_all_look_ups_and_tells_no_small_count(
    district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    purposes: dict[str, int | None] = {
        Purpose.MISSING_PERSON: 31,
        Purpose.RESCUE: None,
        Purpose.DOOR_FAULT: 0,
    }
    told = Report(district.estate.community, 0, 1, 130, purposes, {}, {}, {}, 0, {}, 0)
    monkeypatch.setattr(transparency, "report", lambda *_: told)
    page = district.of(OFFICER).get("/oversight/transparency").text
    rows = re.findall(r'data-label="Share">(.*?)</td>', page, re.DOTALL)
    assert [re.findall(r"\d+%</span>", each) for each in rows] == [["24%</span>"], [], ["0%</span>"]]
    assert ['class="brand" width="23.85%"' in each for each in rows] == [True, False, False]
    assert "<svg" not in rows[1], "what is kept back has no bar at all"


def test_the_public_report_is_read_without_an_account(district: District) -> None:
    """R-108: what is hung up in the stairwell is no secret here either."""
    district.asks()
    community = district.estate.community
    with Served(district.estate.engine, who=None, now_us=lambda: district.estate.now_us) as served:

        def told(**asked: Any) -> httpx.Response:
            return plain_http.get(f"{served.address}/public-report", params={"lang": "en", **asked})

        assert told(quarter="2026-Q4").status_code == 422, "it is not over"
        district.estate.now_us += 100 * DAY_US
        first = told().text
        assert "2026-Q4" in first
        assert re.search(r"<strong>(<span[^>]*>)?&lt;10", first)
        assert "?quarter=2027-Q1" not in first
        assert told(community=community).text == first, "from memory"
        assert told(community=community + 1).status_code == 404
        assert "/public-report?lang=en" in plain_http.get(f"{served.address}/sign-in?lang=en").text
        often = [told().status_code for _ in range(30)]
        assert (often[0], often[-1]) == (200, 429)


def test_the_public_report_opens_on_the_last_quarter_with_look_ups_and_says_so(
    district: District,
) -> None:
    district.asks()
    district.estate.now_us += 300 * DAY_US
    officer = district.of(OFFICER)
    page = officer.get("/oversight/transparency").text
    assert '<strong aria-current="date">2026-Q4' in page
    assert "up to the end of 2027-Q2 there were none" in page
    later = officer.get("/oversight/transparency?quarter=2027-Q2").text
    assert "Nothing was looked up in this quarter." in later


def test_an_approver_plants_somebody_made_up_and_a_supervisor_sees_who_looked(district: District) -> None:
    estate = district.estate
    estate.now_us += 600_000_000  # nothing happened for a while
    path, here = "/oversight/honey", f"/oversight/honey/{estate.community}"
    approver, supervisor = district.of(APPROVER), district.of(SUPERVISOR)
    assert "There is none yet." in approver.get(path).text
    form = {"room": str(estate.places["201"]), "card": "true"}
    page = approver.post(here, data=form).text
    number = re.search(r">(000000\d{11}[\dX])<", page)
    assert number is not None
    assert "2 号楼 201" in page
    assert "Nobody has touched one." in page
    assert approver.post(here, data=form).status_code == 409, "somebody lives there now"
    asked = district.asks(Asked.PERSON, days=1, number=number[1])
    for who in (approver, supervisor):
        page = who.get(path).text
        assert "1 that nobody has seen to" in page
        assert f"Look-up {asked}" in page
        assert "测试1 · 一号警务室" in page
    assert "1 touched a honey record" in supervisor.get("/oversight/reviews").text
    [alarm] = re.findall(rf"{here}/alarms/(\d+)/seen", supervisor.get(path).text)
    assert "/seen" not in approver.get(path).text, "an approver sees to nothing"
    page = supervisor.post(f"{here}/alarms/{alarm}/seen", data={"note": "已约谈"}).text
    assert "已约谈" in page
    assert "nobody has seen to" not in page
    assert supervisor.post(f"{here}/alarms/{alarm}/seen").status_code == 409
    assert approver.post(f"{here}/1/removal", data={"reason": ""}).status_code == 422
    assert "Plant one" not in supervisor.get(path).text
    page = approver.post(f"{here}/1/removal", data={"reason": "搬离"}).text
    assert f"{here}/1/removal" not in page
    for name in ("planted", "touched", "removed"):
        assert f"{name} a honey record" in supervisor.get("/oversight/register").text
    assert district.of(OFFICER).get(path).status_code == 403


def test_what_is_kept_until_when_leads_to_the_certificates_of_what_has_gone(district: District) -> None:
    estate = district.estate
    key = Ed25519PrivateKey.generate()
    with writing(estate.engine) as db:
        for data_class, period in (
            (DataClass.VISITOR_IDENTITY, "2026-08-01"),
            (DataClass.ENTRIES, "2026-04-02"),
        ):
            certify(
                db,
                key,
                community=estate.community,
                data_class=data_class,
                period=period,
                due_us=estate.now_us,
                now_us=estate.now_us,
                keys=(),
                rows=3,
            )
    browser = district.of(SUPERVISOR)
    page = browser.get("/oversight/kept").text
    assert "180 days after they came to the centre" in page
    assert "identities of visitors: 1, the newest of 2026-08-01" in page
    (entries,) = re.findall(r'href="(/oversight/deletions\?of=entries)"', page)
    certificates = browser.get(entries).text
    assert "2026-04-02" in certificates
    assert "2026-08-01" not in certificates
    assert browser.get("/oversight/deletions?of=everything").status_code == 422
    assert district.of(APPROVER).get("/oversight/kept").status_code == 403
