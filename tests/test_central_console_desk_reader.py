"""A card on a desk reader that types like a keyboard: its number goes where a card is asked for."""

import re
from collections.abc import Iterator

import pytest
from console_support import CARDS, Console, a_console, faults_of
from playwright.sync_api import Page
from register_support import a_number

from central.accounts.who import Role

CARD = "04A1B2E7"
_LAYS = """([text, pause]) => {
  // what such a reader does: keys, each where the focus is, and Enter at the end; at a speed of its own
  const pressed = (key, at) => {
    const event = new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true});
    Object.defineProperty(event, "timeStamp", {value: at});
    return (document.activeElement ?? document.body).dispatchEvent(event);
  };
  const began = performance.now();
  [...text].forEach((key, turn) => {
    if (pressed(key, began + turn * pause)) document.execCommand("insertText", false, key);
  });
  const sends = pressed("Enter", began + text.length * pause);
  if (sends) document.activeElement.form?.requestSubmit();
}"""


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with a_console(tmp_path_factory.mktemp("desk-reader")) as made:
        yield made


def lays(page: Page, card: str, pause_ms: int = 4) -> None:
    page.evaluate(_LAYS, [card, pause_ms])


def value_of(page: Page, field: str) -> str:
    return page.locator(field).input_value()


def test_each_card_of_a_family_goes_into_its_own_line(console: Console) -> None:
    """Wherever the focus is; what stood there stays, and Enter sends nothing."""
    home = f"/homes/{console.estate.community}/places/{console.estate.places['102']}"
    with console.as_role(Role.WORKER) as page:
        page.goto(f"{home}/move-in")
        page.locator("#name-0").fill("林秋月")
        page.locator("#name-0").focus()
        lays(page, CARD)
        lays(page, "04A1B2E8")
        lays(page, "04A1B2E8")  # twice: it has its line
        assert (value_of(page, "#card-0"), value_of(page, "#card-1")) == (CARD, "04A1B2E8")
        assert (value_of(page, "#name-0"), value_of(page, "#number-1")) == ("林秋月", "")
        count = page.locator("[data-card][id^=card-]").count()
        more = [f"04A1B2E{last:X}" for last in range(9, 9 + count - 2)]
        for card in more:
            lays(page, card)
        lays(page, "04A1B2D1")
        page.get_by_text("Every field for a card is filled").wait_for()
        page.locator("#number-1").focus()
        lays(page, "04A1B2D2")
        laid = [value_of(page, f"#card-{line}") for line in range(count)]
        assert laid == [CARD, "04A1B2E8", *more]
        assert value_of(page, "#number-1") == ""
        assert page.url.endswith("/move-in")


def test_what_a_hand_types_or_a_scanner_reads_of_a_case_stays_where_it_is(console: Console) -> None:
    with console.as_role(Role.OFFICER) as page:
        page.goto("/look-up")
        page.locator("#case_number").focus()
        lays(page, "12345678", pause_ms=150)
        assert (value_of(page, "#case_number"), value_of(page, "#number")) == ("12345678", "")
        page.locator("#case_number").fill("")
        lays(page, "A-2026-1794")
        assert (value_of(page, "#case_number"), value_of(page, "#number")) == ("A-2026-1794", "")
        for case in ("202617940", "20261794000", "2026112700001794"):  # of digits alone, as no card has them
            page.locator("#case_number").fill("")
            lays(page, case)
            assert (value_of(page, "#case_number"), value_of(page, "#number")) == (case, "")
        page.evaluate("localStorage.setItem('liuhen-desk-reader', 'decimal')")
        for case in ("20261127001794", "202611270017"):
            page.locator("#case_number").fill("")
            lays(page, case)
            assert (value_of(page, "#case_number"), value_of(page, "#number")) == (case, "")
        page.locator("#case_number").fill("")
        lays(page, "0077705923")
        assert (value_of(page, "#case_number"), value_of(page, "#number")) == ("", "04A1B2C3")


def test_a_look_up_asks_about_what_was_laid(console: Console) -> None:
    with console.as_role(Role.OFFICER, "zh", 390) as page:
        page.goto("/look-up")
        page.locator("[name=purpose][value=lost_card]").check()
        page.locator("#case_number").fill("A-2026-17")
        lays(page, CARDS["李芳"])
        assert page.locator("[name=question]:checked").get_attribute("value") == "card"
        assert (value_of(page, "#number"), value_of(page, "#case_number")) == (CARDS["李芳"], "A-2026-17")
        lays(page, a_number(1))  # into the field itself now, which sends
        page.wait_for_url(re.compile(r"/look-up/\d+$"))
        assert page.locator(".timeline li").count() > 0


@pytest.mark.parametrize("laid", [a_number(2), "04A1B2C4", "04a1b2c3d4e5f6"])
def test_what_is_laid_while_a_reason_is_typed_is_no_reason(console: Console, laid: str) -> None:
    """Nothing is revealed, and no number stands in the register of look-ups."""
    sent: list[str] = []
    with console.as_role(Role.OFFICER) as page:
        page.on("request", lambda asked: sent.append(asked.url))
        page.goto("/look-up")
        page.locator("[name=purpose][value=lost_card]").check()
        page.locator("#case_number").fill("A-2026-18")
        page.locator("#number").focus()
        lays(page, CARDS["王小明"])
        page.wait_for_url(re.compile(r"/look-up/\d+$"))
        first = page.locator(".timeline li").first
        first.locator("summary").click()
        why = first.get_by_label("Reason")
        why.fill("lost at the ")
        why.focus()
        with page.expect_response("**/find"):
            lays(page, laid)
        assert page.locator("[data-palette] [name=text]").input_value() == laid.upper()
        assert why.input_value() == "lost at the "
        assert page.locator(".revealed .value").count() == 0
        assert not [url for url in sent if url.endswith("/reveals")]


def test_a_lent_card_opens_its_fold_and_says_how_the_pass_is_shown(console: Console) -> None:
    with console.as_role(Role.WORKER) as page:
        page.goto("/visitors/new")
        page.locator("#where").fill("1 101")
        page.locator("#where").focus()
        lays(page, CARD)
        assert page.locator("#number").is_visible()
        assert (value_of(page, "#number"), value_of(page, "#where")) == (CARD, "1 101")
        assert page.locator("[name=kind]:checked").get_attribute("value") == "card_uid"
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(r"/visitors/\d+$"))
        assert page.get_by_text("a card is lent").is_visible()


def test_a_card_is_given_by_laying_it_and_found_from_any_page(console: Console) -> None:
    with console.as_role(Role.WORKER) as page:
        page.goto("/homes/people")
        lays(page, CARDS["赵强"])
        page.locator(".found a").click()
        page.locator("#number").focus()
        lays(page, "04A1B2F1")
        page.get_by_text("····B2F1").wait_for()
        page.goto("/homes/leases")
        lays(page, "04A1B2F1")
        page.locator("#palette-found a", has_text="赵*").wait_for()


@pytest.mark.parametrize(
    ("writes", "laid", "read"),
    [
        ("hex", "04A1B2C3", "04A1B2C3"),
        ("hex", "04a1b2c3", "04A1B2C3"),
        ("hex-turned", "C3B2A104", "04A1B2C3"),
        ("decimal", "0077705923", "04A1B2C3"),
        ("decimal", "77705923", "04A1B2C3"),
        ("decimal-turned", "3283263748", "04A1B2C3"),
        ("hex", "04a1b2c3d4e580", "04A1B2C3D4E580"),
        ("hex-turned", "80e5d4c3b2a104", "04A1B2C3D4E580"),
        ("decimal", str(0x04A1B2C3D4E580), "04A1B2C3D4E580"),
        ("decimal", str(0x04A1B2C3D4E500), "04A1B2C3D4E500"),
        ("decimal-turned", str(0x80E5D4C3B2A104), "04A1B2C3D4E580"),
        ("decimal-turned", str(0x00E5D4C3B2A104), "04A1B2C3D4E500"),
        ("decimal-turned", f"{0x00A1B2C3:010}", "C3B2A100"),
        ("decimal-turned", f"{0x0000B2C3:010}", "C3B20000"),
        ("decimal-turned", f"{0x000000C3B2A104:017}", "04A1B2C3000000"),
        ("decimal", str(0x04A1B2C3D4E5F6A7B8C9), "04A1B2C3D4E5F6A7B8C9"),
    ],
)
def test_a_reader_that_writes_otherwise_is_understood(
    console: Console, writes: str, laid: str, read: str
) -> None:
    page = console.kept(Role.WORKER, "en", 1280, "light")
    page.goto("/account")
    page.locator("[data-reader-writes]").select_option(writes)
    lays(page, laid)
    assert value_of(page, "#tried") == read


def test_what_such_a_reader_writes_is_found(console: Console) -> None:
    with console.as_role(Role.WORKER) as page:
        page.goto("/account")
        page.locator("[data-reader-writes]").select_option("decimal-turned")
        lays(page, "3283263748")
        assert value_of(page, "#tried") == "04A1B2C3"
        assert faults_of(page) == []
        page.goto("/homes/people")
        lays(page, "3283263748")
        page.locator(".found a", has_text="王*").wait_for()
