"""Going live in the console: the office writes the assessment, a supervisor reads it and agrees."""

from collections.abc import Iterator

import pytest
from console_support import Console, a_console, faults_of
from sqlalchemy import delete

from bench.assessed import an_assessment
from central.accounts.who import Role
from central.assessments.book import write
from central.assessments.document import Assessment, Controller, missing
from central.console.pages.assessment.form import assessment_of, lines_of, typed_of
from central.console.pages.assessment.sentences import lack_of
from central.errors import BadQuestion
from central.store.assessment_tables import community_live, impact_assessment
from central.store.engine import writing

WHOLE = an_assessment()
FILL = """said => {
  for (const [path, text] of Object.entries(said)) document.getElementsByName(path)[0].value = text;
}"""


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """Its community is prepared, and not live."""
    with a_console(tmp_path_factory.mktemp("assessment")) as made:
        with writing(made.filled.writer) as connection:
            connection.execute(delete(community_live))
            connection.execute(delete(impact_assessment))
        yield made


def test_what_is_typed_and_what_is_stored_are_the_same() -> None:
    assert assessment_of(typed_of(WHOLE)) == WHOLE
    assert assessment_of({}).controllers == []
    with pytest.raises(BadQuestion, match="whole number"):
        assessment_of({"data.register.days": "many"})
    with pytest.raises(BadQuestion, match="too long"):
        assessment_of({"risks": "x" * 4_001})


def test_what_is_one_line_stays_one_although_its_field_takes_several() -> None:
    form = {"assessed_by": "甲单位、\n乙单位", "contact.office": "服务\r\n中心", "risks": "一\n二"}
    found = assessment_of(form)
    assert (found.assessed_by, found.contact.office) == ("甲单位、 乙单位", "服务 中心")
    assert found.risks == "一\n二"


def test_a_long_line_is_seen_whole_on_a_phone(console: Console) -> None:
    with console.as_role(Role.WORKER, "zh", 390) as page:
        page.goto(f"/assessment?community={console.estate.community}")
        field = page.locator("[name=assessed_by]")
        field.fill("东湖社区居民委员会、街道司法所、区数据管理办公室与外聘律师事务所")
        assert field.evaluate("e => e.scrollWidth <= e.clientWidth && e.scrollHeight <= e.clientHeight")
        assert faults_of(page) == []


def test_the_form_has_a_line_for_each_controller_and_an_empty_one() -> None:
    many = [Controller(name=f"单位 {number}", duties="职责") for number in range(1, 9)]
    for count, lines in ((0, 4), (3, 4), (4, 5), (7, 8), (8, 8)):
        document = Assessment(**{**dict(WHOLE), "controllers": many[:count]})
        assert lines_of(typed_of(document)) == lines
        assert assessment_of(typed_of(document)) == document


def test_everything_that_can_be_missing_has_a_name_and_a_field_to_go_to() -> None:
    fields = set(typed_of(WHOLE))
    for path in missing(Assessment(), {}):
        lack = lack_of(path)
        assert lack.path in fields
        assert lack.part
    assert lack_of("controllers.2.duties")[1:] == ("Controllers and their duties", "Duties", "2")


def test_the_office_writes_and_what_is_missing_is_named_with_a_way_to_its_field(console: Console) -> None:
    typed = typed_of(WHOLE)
    with console.as_role(Role.WORKER, "zh", 390) as page:
        page.goto("/visitors")
        page.get_by_role("link", name="尚无有效的影响评估").click()
        page.wait_for_url("**/assessment?community=*")
        page.evaluate(FILL, {**typed, "roles.officer": ""})
        page.get_by_role("button", name="保存为新版本").click()
        page.wait_for_url("**/assessment?community=*")
        assert faults_of(page) == []
        assert page.locator(".lacks li").all_inner_texts() == ["各角色的法律依据: 民警"]
        page.locator(".lacks a").click()
        page.locator('[name="roles.officer"]').fill(typed["roles.officer"])
        page.get_by_role("button", name="保存为新版本").click()
        page.wait_for_function("() => !document.querySelector('.lacks')")
        assert "第 2 版已齐全" in page.locator("main").inner_text()


def test_of_two_who_write_at_once_the_second_keeps_what_they_typed_and_is_told(console: Console) -> None:
    with console.as_role(Role.WORKER, "zh") as page:
        page.goto("/assessment")
        page.locator('[name="risks"]').fill("另有风险")
        with console.estate.desk() as desk:
            write(desk, WHOLE.model_copy(update={"risks": "还有风险"}))
        page.get_by_role("button", name="保存为新版本").click()
        page.get_by_text("填写期间已另存一版").wait_for()
        assert page.locator('[name="risks"]').input_value() == "另有风险"
        page.get_by_role("button", name="保存为新版本").click()
        page.wait_for_url("**/assessment?community=*")
        assert page.locator('[name="risks"]').input_value() == "另有风险"


def test_a_form_that_comes_back_for_another_fault_overwrites_no_newer_version(console: Console) -> None:
    with console.as_role(Role.WORKER, "zh") as page:
        page.goto("/assessment")
        after = page.locator('[name="after"]').input_value()
        page.locator('[name="risks"]').fill("第三种风险")
        with console.estate.desk() as desk:
            write(desk, WHOLE.model_copy(update={"risks": "别人写的"}))
        page.evaluate("""() => {
          const days = document.getElementsByName("data.register.days")[0];
          days.dataset.stood = days.value;
          days.value = "many";
        }""")
        page.get_by_role("button", name="保存为新版本").click()
        page.locator(".notice.bad, .notice").first.wait_for()
        page.wait_for_load_state()
        assert page.locator('[name="risks"]').input_value() == "第三种风险"
        assert page.locator('[name="after"]').input_value() == after
        page.locator('[name="data.register.days"]').fill("30")
        page.get_by_role("button", name="保存为新版本").click()
        page.get_by_text("填写期间已另存一版").wait_for()
        assert page.locator('[name="after"]').input_value() == str(int(after) + 1)
        assert page.locator('[name="risks"]').input_value() == "第三种风险"


def test_a_supervisor_reads_the_newest_version_and_agrees(console: Console) -> None:
    with console.estate.desk() as desk:
        version = write(desk, Assessment(**{**dict(WHOLE), "risks": "行踪外泄"})).version
    with console.as_role(Role.SUPERVISOR, "en", 1280, "dark") as page:
        page.goto("/oversight/assessment")
        assert faults_of(page) == []
        assert "行踪外泄" in page.locator("main").inner_text()
        page.get_by_role("button", name=f"Agree to version {version}").click()
        page.wait_for_url("**/oversight/assessment?community=*")
        assert f"version {version}, agreed to" in page.locator("main").inner_text()
        assert page.get_by_role("button", name="Agree").count() == 0
