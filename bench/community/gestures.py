"""What is done on a page before its picture is taken: forms are sent, folds opened, mistakes made."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from playwright._impl._api_structures import FilePayload
from playwright.async_api import Page

Gesture = Callable[[Page], Awaitable[object]]

_CASE: Final = "2026-寻-118"
_SETTINGS: Final = '{"doors": {"east-unit-1": {"asks_pin": true}}}'
_HEADS: Final = "姓名,证件类型,证件号码,小区,楼栋,单元,层,室,关系"
_LINE: Final = "方宁,居民身份证,00000019900101001?,滨河花园,1 号楼,1,1,101,业主"


def opens(selector: str) -> Gesture:
    """A fold or a menu."""

    async def gesture(page: Page) -> None:
        await page.locator(selector).first.click()

    return gesture


async def opens_the_palette(page: Page) -> None:
    await page.keyboard.press("Control+k")
    await page.keyboard.type("1 101")
    await page.locator("#palette-found a, #palette-found p").first.wait_for()
    await page.locator("#palette-found", has_text="101").wait_for()


def asks_by(question: str) -> Gesture:
    """Another question is chosen, with times of one's own."""

    async def gesture(page: Page) -> None:
        await page.locator(f"[name=question][value={question}]").check()
        await page.locator("[name=span][value=own]").check()
        if question == "room":
            async with page.expect_response("**/look-up/rooms"):
                await page.locator("#room_name").press_sequentially("1 101")
            await page.locator("[name=room]").first.wait_for(state="attached")

    return gesture


async def asks_wrongly(page: Page) -> None:
    await page.locator("[name=purpose][value=missing_person]").check()
    await page.locator("#case_number").fill("!")
    await _sent(page, ".go button")


async def waits_for_gaps(page: Page) -> None:
    """Of many doors they come a moment after the answer."""
    await page.locator(".completeness [role=status] :is(.blind, p:not(:has(a)))").first.wait_for()


async def unmasks(page: Page) -> None:
    await page.locator("[data-reveal] summary").first.click()
    await page.locator("[data-reveals] input[name=why]").first.fill("核实身份")


async def finds_somebody(page: Page) -> None:
    await page.locator("#text").fill("王建国")
    await _sent(page, ".seek-person button")


async def moves_in_wrongly(page: Page) -> None:
    await page.locator("#name-0").fill("林秋月")
    await page.locator("#number-0").fill("000000199001010010")
    await _sent(page, "main form button:not([name])")


async def brings_a_file(page: Page) -> None:
    file: FilePayload = {
        "name": "list.csv",
        "mimeType": "text/csv",
        "buffer": f"{_HEADS}\n{_LINE}\n".encode(),
    }
    await page.locator("#file").set_input_files(file)
    await _sent(page, ".bring button")
    await page.locator(".counts-of").wait_for()  # it is read while the page waits, which then comes anew
    await page.wait_for_load_state()


async def gives_a_wrong_pass(page: Page) -> None:
    await page.locator("#where").fill("no such home")
    await _sent(page, "main form button:not(.plain)")


async def gives_a_pass(page: Page) -> None:
    await page.locator("#where").fill("滨河花园 3 2 602")
    await _sent(page, "main form button:not(.plain)")


async def reports_a_card_lost(page: Page) -> None:
    await _sent(page, "button:is([value=report_lost], [value=lift_loss])")


async def changes_the_use(page: Page) -> None:
    use = page.locator("#use")
    await use.select_option("owner_occupied" if await use.input_value() == "business" else "business")
    await _sent(page, "form[action$='/use'] button")


async def sees_to_an_alarm(page: Page) -> None:
    await page.locator(".alarms form button").first.click()
    await page.locator("#alarms .undoable").wait_for()


async def gives_a_pin(page: Page) -> None:
    await page.locator("[name=kind][value=pin]").check()
    await _sent(page, "main form.card button")


async def tries_a_rule(page: Page) -> None:
    await _sent(page, "button[name=act][value=try]")


async def looks_at_differences(page: Page) -> None:
    await page.locator("#written").fill(_SETTINGS)
    await _sent(page, "form:has(#written) button")


async def sends_late(page: Page) -> None:
    """The second factor was given too long ago."""
    await looks_at_differences(page)
    await _sent(page, "form[action*='/send'] button")


async def commands_late(page: Page) -> None:
    """As `sends_late`, a command."""
    await page.locator("#door").select_option(index=1)
    await _sent(page, "form[action*='/commands'] button")


async def makes_an_account(page: Page) -> None:
    await page.locator("#name").fill("新同事")
    await page.locator("#login").fill(f"new-{secrets.token_hex(3)}")
    await page.locator("#unit").fill("二号警务室")
    await page.locator("[name=communities]").first.check()
    await _sent(page, "main form button")


async def _sent(page: Page, button: str) -> None:
    async with page.expect_navigation(wait_until="load"):
        await page.locator(button).last.click()
