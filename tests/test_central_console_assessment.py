"""Going live in the console: the office writes the assessment, a supervisor reads it and agrees."""

from collections.abc import Iterator

import pytest
from console_support import Console, a_console, faults_of
from playwright.sync_api import Page
from sqlalchemy import delete

from bench.assessed import an_assessment
from central.accounts.who import Role
from central.assessments.document import Assessment, missing
from central.console.pages.assessment.form import assessment_of, typed_of
from central.console.pages.assessment.sentences import lack_of
from central.errors import BadQuestion
from central.store.assessment_tables import community_live, impact_assessment
from central.store.engine import writing

WHOLE = an_assessment()


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """Its community is prepared, and not live."""
    with a_console(tmp_path_factory.mktemp("assessment")) as made:
        with writing(made.filled.writer) as connection:
            connection.execute(delete(community_live))
            connection.execute(delete(impact_assessment))
        yield made


def is_well(page: Page, path: str) -> str:
    page.goto(path)
    assert faults_of(page) == []
    return page.locator("main").inner_text()


def test_what_is_typed_and_what_is_stored_are_the_same() -> None:
    assert assessment_of(typed_of(WHOLE)) == WHOLE
    assert assessment_of({}).controllers == []
    with pytest.raises(BadQuestion, match="whole number"):
        assessment_of({"data.register.days": "many"})
    with pytest.raises(BadQuestion, match="too long"):
        assessment_of({"risks": "x" * 4_001})


def test_everything_that_can_be_missing_has_a_name_and_a_field_to_go_to() -> None:
    fields = set(typed_of(WHOLE))
    for path in missing(Assessment(), {}):
        lack = lack_of(path)
        assert lack.path in fields
        assert lack.part
    assert lack_of("controllers.2.duties")[1:] == ("Controllers and their duties", "Duties", "2")


def test_the_office_writes_what_is_missing_is_named_and_a_supervisor_agrees(console: Console) -> None:
    typed = typed_of(WHOLE)
    with console.as_role(Role.WORKER, "zh", 390) as page:
        assert "未启用" in is_well(page, "/assessment")
        for path, text in typed.items():
            page.locator(f'[name="{path}"]').fill("" if path == "roles.officer" else text)
        page.get_by_role("button", name="保存为新版本").click()
        page.wait_for_url("**/assessment?community=*")
        lacks = page.locator(".lacks li").all_inner_texts()
        assert lacks == ["各角色的法律依据: 民警"]
        page.locator(".lacks a").click()
        page.locator('[name="roles.officer"]').fill(typed["roles.officer"])
        page.get_by_role("button", name="保存为新版本").click()
        page.wait_for_function("() => !document.querySelector('.lacks')")
        assert "第 2 版已齐全" in is_well(page, "/assessment")
    with console.as_role(Role.SUPERVISOR, "en", 1280, "dark") as page:
        console.proves_again(page, Role.SUPERVISOR)
        assert "not live" in is_well(page, "/oversight/assessment")
        assert WHOLE.risks in page.locator("main").inner_text()
        page.get_by_role("button", name="Agree to version 2").click()
        page.wait_for_url("**/oversight/assessment?community=*")
        told = is_well(page, "/oversight/assessment?version=1")
        assert "version 2, agreed to" in told
        assert page.get_by_role("button", name="Agree").count() == 0
