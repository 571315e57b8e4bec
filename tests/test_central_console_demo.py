"""What the console shows in the demo, and nowhere else."""

from pathlib import Path

import httpx
import msgspec
from central_web_support import Served, a_filled

from central.accounts.who import Role
from central.console.demo_accounts import DemoAccount, DemoSubject

SUBJECT = DemoSubject("000000199001010018", "04A1B2C3", "1 号楼 101")
TITLE = "演示数据，可供试查"


def ask_page(served: Served) -> str:
    return httpx.get(f"{served.address}/look-up?lang=zh").raise_for_status().text


def test_in_the_demo_an_officer_is_told_whom_to_look_up(tmp_path: Path) -> None:
    officer = DemoAccount("officer-1", "周警官", Role.OFFICER, "word", "SECRET", SUBJECT)
    shown = tmp_path / "demo-accounts.json"
    shown.write_bytes(msgspec.json.encode([officer]))
    with a_filled(tmp_path) as filled, Served(filled, console={"demo_accounts": shown}) as served:
        page = ask_page(served)
    assert all(text in page for text in (TITLE, SUBJECT.number, SUBJECT.card, SUBJECT.room))


def test_without_the_demo_s_accounts_there_is_nobody_to_try(tmp_path: Path) -> None:
    with a_filled(tmp_path) as filled, Served(filled) as served:
        assert TITLE not in ask_page(served)


def test_whom_to_try_stands_in_no_text_about_it() -> None:
    assert SUBJECT.number not in repr(DemoAccount("o", "周", Role.OFFICER, "word", "SECRET", SUBJECT))
    assert SUBJECT.number not in repr(SUBJECT)
