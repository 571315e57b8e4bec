"""Guard tours in the console: points, routes, plans on one page, and rounds that are told without people."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import plain_http
import pytest
from central_support import DEADLINE_S
from central_web_support import Served, somebody
from register_support import EAST, GATE, SITE, Estate, a_number, copied_estate

from central.accounts.who import Role
from central.tours.plans import guards_of, plans_of, points_of

PLANS = "/tours/plans"


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    with copied_estate(tmp_path) as made:
        yield made


@pytest.fixture
def served(estate: Estate) -> Iterator[Served]:
    who = somebody(Role.WORKER, estate.community)
    with Served(estate.engine, who=who, vault=estate.vault, now_us=lambda: estate.now_us) as made:
        yield made


@pytest.fixture
def browser(served: Served) -> Iterator[httpx.Client]:
    """Without scripts; of a worker, until `served` is asked by somebody else."""
    with plain_http.Client(
        base_url=served.address,
        follow_redirects=True,
        cookies={"liuhen-language": "en"},
        timeout=DEADLINE_S,
    ) as client:
        yield client


def planned(browser: httpx.Client, estate: Estate) -> None:
    """The gate first, then the east building; at 19:30 and 22:00 on Wednesdays."""
    here = {"community": estate.community}
    for name, gateway, door in (("东楼", EAST, "east-front"), ("大门", GATE, "gate-in")):
        at = {"name": name, "door": f"{SITE}/{gateway}/{door}"}
        assert browser.post(f"{PLANS}/points", data=here | at).status_code == 200
    route = {"name": "外圈", "ordered": "yes", "within": 30, "grace": 15, "turn-1": "2", "turn-2": "1"}
    assert browser.post(f"{PLANS}/routes", data=here | route).status_code == 200
    plan = {"name": "夜巡", "route": 1, "days": [3], "starts": "19:30、22:00", "window": 10}
    assert "夜巡" in browser.post(f"{PLANS}/plans", data=here | plan).text


def test_points_a_route_and_a_plan_become_rounds_of_the_day(browser: httpx.Client, estate: Estate) -> None:
    planned(browser, estate)
    with estate.reading() as db:
        [(_, plan)] = plans_of(db, estate.community)
    assert ([stop.point for stop in plan.route.stops], plan.starts) == ([2, 1], ("19:30", "22:00"))
    rounds = browser.get("/tours").text
    assert rounds.count("planned</span>") == 2
    assert "start=22:00" in rounds
    one = browser.get("/tours/round?plan=1&day=2026-11-04&start=22:00").text
    assert one.index("大门") < one.index("东楼")
    assert "No round is planned" in browser.get("/tours?day=2026-11-05").text
    assert browser.get("/tours/round?plan=1&day=2026-11-04&start=23:00").status_code == 404


def test_a_point_has_a_tag_whose_number_is_kept_nowhere(browser: httpx.Client, estate: Estate) -> None:
    here = {"community": estate.community, "name": "屋顶", "door": f"{SITE}/{EAST}/east-roof"}
    shown = browser.post(f"{PLANS}/points", data=here | {"tag_kind": "card_uid", "tag": " 04c0ffee "}).text
    assert ("· tag" in shown, "04C0FFEE" in shown.upper()) == (True, False)
    with estate.reading() as db:
        [point] = points_of(db, estate.community)
    assert point.token == estate.vault.token(SITE, "card_uid", "04C0FFEE")
    again = browser.post(f"{PLANS}/points", data=here | {"name": "楼顶", "tag": "04C0FFEE"})
    assert (again.status_code, "Nothing was changed" in again.text) == (409, True)


def test_a_holiday_is_added_and_is_a_day_like_any_other_again(browser: httpx.Client, estate: Estate) -> None:
    here = {"community": estate.community}
    shown = browser.post(f"{PLANS}/holidays", data=here | {"day": "2027-01-01", "name": "元旦"}).text
    assert "元旦" in shown
    for wrong in (
        {"day": "", "name": "元旦"},
        {"day": "2027-01-02", "name": ""},
        {"day": "soon", "name": "x"},
    ):
        assert browser.post(f"{PLANS}/holidays", data=here | wrong).status_code == 422
    gone = browser.post(f"{PLANS}/holidays/2027-01-01/end", data=here)
    assert (gone.status_code, "元旦" in gone.text) == (200, False)
    assert browser.post(f"{PLANS}/holidays/2027-01-01/end", data=here).status_code == 404


def test_a_worker_says_whose_cards_count_and_nobody_else_sees_who(
    browser: httpx.Client, estate: Estate, served: Served
) -> None:
    planned(browser, estate)
    person = estate.person("张保安", number=a_number(701))
    here = {"community": estate.community, "plan": 1}
    nobody = browser.post(f"{PLANS}/guards", data=here | {"text": "没有这人"})
    assert (nobody.status_code, "Nothing was changed" in nobody.text) == (422, True)
    added = browser.post(f"{PLANS}/guards", data=here | {"text": a_number(701)})
    assert (f"/people/{person}" in added.text, a_number(701) in added.text) == (True, False)
    for role in (Role.OPERATOR, Role.SUPERVISOR):
        served.is_asked_by(somebody(role, estate.community))
        pages = [browser.get(path).text for path in ("/tours", PLANS)]
        assert not any("/people/" in page or "guard</summary>" in page for page in pages)
        assert browser.post(f"{PLANS}/guards", data=here | {"text": a_number(701)}).status_code == 403
    served.is_asked_by(somebody(Role.WORKER, estate.community))
    browser.post(f"{PLANS}/guards/1/end", data=here)
    with estate.reading() as db:
        assert guards_of(db, estate.community, 1) == []


def test_what_may_not_be_is_told_and_changes_nothing(browser: httpx.Client, estate: Estate) -> None:
    planned(browser, estate)
    here = {"community": estate.community}
    overlapping = {"name": "紧", "route": 1, "days": [3], "starts": "20:00 20:10", "window": 10}
    refused = browser.post(f"{PLANS}/plans", data=here | overlapping)
    assert (refused.status_code, "while the one before still counts" in refused.text) == (422, True)
    assert browser.post(f"{PLANS}/routes/1/end", data=here).status_code == 409, "a plan asks for it"
    assert browser.post(f"{PLANS}/plans/1/end", data=here).status_code == 200
    assert browser.post(f"{PLANS}/routes/1/end", data=here).status_code == 200
    foreign = {"community": estate.community + 1, "name": "别处", "door": f"{SITE}/{GATE}/gate-in"}
    assert browser.post(f"{PLANS}/points", data=foreign).status_code == 404
