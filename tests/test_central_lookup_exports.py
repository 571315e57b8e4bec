"""A case file: approved, masked, signed, on record before it is given, and complete to its last line."""

import csv
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from database_support import forbid, new_database
from identity_support import COMMUNITY, NOON_US, VISITOR
from lookup_support import APPROVER, HOUR_US, NUMBER, OFFICER, ZONE, World, run
from sqlalchemy import Connection, select, update

from central.accounts.book import staff_names
from central.console.case_words import CaseWords
from central.console.views import Views
from central.errors import BadQuestion, Clash, NotAllowed, StoreUnavailable
from central.lookup import acts, audit, case_formats, exporting
from central.lookup.case_file import COLUMNS, DESTROYED, MASKED, how_complete
from central.lookup.case_formats import Format
from central.lookup.exporting import Signature, check, export
from central.lookup.paging import Found, Place
from central.lookup.revealing import reveal
from central.lookup.service import DoorComplete
from central.lookup.states import row_of, state_of
from central.lookup.words import Act, Asked, Happened, Shown
from central.settings import ConsolePart
from central.store.account_tables import account, account_community
from central.store.engine import reading, writing
from central.store.lookup_tables import look_up_event
from central.store.tables import gateway
from messages.signing import trusted

SIGNING = Ed25519PrivateKey.generate()
SIGNERS = trusted(SIGNING.public_key())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    engine = new_database(tmp_path / "central.sqlite")
    made = World(engine, tmp_path)
    token = made.card(made.resident())
    made.enter(*(NOON_US - HOUR_US - n * 1_000_000 for n in range(3)), token=token)
    yield made
    made.close()
    engine.dispose()


def approved(world: World, *granted: Act, about: str = NUMBER) -> int:
    """A look-up for a person of whom those acts were approved."""
    number = run(world.look_ups.ask(OFFICER, world.asking(number=about))).look_up
    approve(world, number, *granted)
    return number


def approve(world: World, number: int, *granted: Act) -> None:
    with writing(world.engine) as connection:
        for act in granted:
            acts.ask_for(connection, OFFICER, number, act=act, why="移送案卷", now_us=NOON_US)
            acts.decide(connection, APPROVER, number, act=act, agreed=True, why="同意导出", now_us=NOON_US)


def taken_out(world: World, number: int, wanted: Format) -> tuple[bytes, Signature]:
    """The file, once its signature is known to fit."""
    made = run(export(world.look_ups, SIGNING, OFFICER, number, wanted))
    with zipfile.ZipFile(io.BytesIO(made.archive)) as archive:
        name, beside = archive.namelist()
        text = archive.read(name)
        return text, check(text, archive.read(beside), SIGNERS)


def cells(text: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.decode("utf-8-sig"))))


def table(rows: list[list[str]]) -> list[list[str]]:
    return rows[rows.index(list(COLUMNS)) + 1 : -1]


def test_a_file_says_how_complete_it_was_when_its_newest_page_was_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came while the older pages were read may be in none of them."""
    number = approved(world, Act.EXPORT)
    find, read_at_us = world.look_ups.find, iter(range(1, 100))

    def counted(
        connection: Connection, row: Any, limit: int, after: Place | None = None
    ) -> tuple[list[Found], bool, list[DoorComplete], tuple[str, ...]]:
        found, more, doors, _ = find(connection, row, limit, after)
        page = next(read_at_us)
        return found, more, [replace(each, until_us=page) for each in doors], (f"page {page}",)

    monkeypatch.setattr(exporting, "MAX_PAGE", 1)
    monkeypatch.setattr(world.look_ups, "find", counted)
    with reading(world.reader) as connection:
        row, state = row_of(connection, number), state_of(connection, number)
    whole = run(exporting.gathered(world.look_ups, row, state))
    assert len(whole.found) == 3
    assert {each.until_us for each in whole.doors} == {1}
    assert whole.notes == ("page 1", "page 2", "page 3")


def test_it_holds_each_record_masked_but_for_what_was_revealed(world: World) -> None:
    number = approved(world, Act.EXPORT)
    for field in (Shown.NAME, Shown.ID_NUMBER):
        run(reveal(world.look_ups, OFFICER, number, 1, shown=field, why="确认身份"))
    rows = cells(taken_out(world, number, Format.CSV)[0])
    assert [row[-4:] for row in table(rows)] == [
        ["王居民", NUMBER, MASKED, MASKED],
        *[[MASKED] * 4] * 2,
    ]
    assert ["案件编号 case", "A-2026-17"] in rows
    assert rows[-1] == [f"完整 complete: 共 3 条 records. 查询 {number} 完 end"]


def test_it_says_which_doors_are_not_complete(world: World) -> None:
    rows = cells(taken_out(world, approved(world, Act.EXPORT), Format.CSV)[0])
    assert [row[1] for row in rows if row[0].startswith("数据不全")] == [
        "maple-court/east/door-1: 不详 unknown",
        "maple-court/west/door-1: 不详 unknown",
    ]


def test_it_says_to_when_a_door_is_complete_whose_gateway_only_has_the_last_minute_under_way() -> None:
    door = DoorComplete("s", "g", "d", "正门", complete=False, until_us=NOON_US, sound=True, keeps_up=True)
    lost = replace(door, sound=False, keeps_up=False)
    said = [value for _, value in how_complete([door, lost], (), ZONE)]
    assert said == [
        "s/g/d: 2026-11-04 12:00:00+08:00",
        "s/g/d: 至 until 2026-11-04 12:00:00+08:00; 有记录丢失或存疑 records lost or doubtful",
    ]


@pytest.mark.parametrize("wanted", [Format.CSV, Format.XLSX])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_it_calls_everything_as_pages_do_in_the_reader_s_language(
    world: World, language: str, wanted: Format
) -> None:
    """No code and no name of a gateway is left in it; who it was stays masked. Who asked has the number of
    the account behind the name: a colleague of the same name and unit is another."""
    named(world)
    number = approved(world, Act.EXPORT)
    wording = CaseWords(Views(ConsolePart(), lambda: NOON_US))
    made = run(export(world.look_ups, SIGNING, OFFICER, number, wanted, wording=wording, language=language))
    with zipfile.ZipFile(io.BytesIO(made.archive)) as archive:
        text = archive.read(archive.namelist()[0])
    rows = cells(text) if wanted is Format.CSV else in_workbook(text)
    head = dict(row[:2] for row in rows[1 : rows.index(list(COLUMNS))])
    assert head["查询人 asked by"] == head["导出人 exported by"] == f"周警官 · 一号警务室 #{OFFICER.account}"
    told = {
        "zh": ("走失、失踪人员", "人民警察法", "人员"),
        "en": ("Missing person", "People's Police Law", "Person"),
    }
    assert (head["目的 purpose"], head["依据 basis"], head["问题 question"]) == told[language]
    assert [value for said, value in head.items() if said.startswith("数据不全")] == [
        "枫园/枫园西门/侧门: 不详 unknown",
    ]
    entry = {
        "zh": ("准入", "在名单内", "进", "居民"),
        "en": ("let in", "on the access list", "in", "resident"),
    }
    assert {tuple(row[2:9]) for row in table(rows)} == {("枫园", "枫园东门", "正门", *entry[language])}
    assert {tuple(row[-4:]) for row in table(rows)} == {(MASKED,) * 4}


def test_two_colleagues_who_are_called_alike_are_told_apart_wherever_names_stand(world: World) -> None:
    named(world)
    values = {"role": "officer", "unit": "一号警务室", "second_step": 0, "made_at": 1}
    for number, name in ((77, "周警官"), (78, "吴警官")):
        world.put(account, id=number, login=f"officer-{number}", name=name, **values)
        world.put(account_community, account_id=number, community_id=COMMUNITY)
    with reading(world.reader) as connection:
        called = staff_names(connection, [COMMUNITY])
    alike = {number: f"周警官 · 一号警务室 #{number}" for number in (OFFICER.account, 77)}
    assert called == {**alike, 78: "吴警官 · 一号警务室"}


def named(world: World) -> None:
    """Gateways and doors have told what they are called, and the officer has an account."""
    with writing(world.engine) as connection:
        for name, label, door in (("east", "枫园东门", "正门"), ("west", "枫园西门", "侧门")):
            doors = json.dumps([{"door": "door-1", "label": door, "readers": ["door-1"]}])
            here = gateway.c.name == name
            connection.execute(update(gateway).where(here).values(label=label, doors=doors))
    values = {"login": "zhou", "name": "周警官", "role": "officer", "unit": "一号警务室"}
    world.put(account, id=OFFICER.account, second_step=0, made_at=1, **values)
    world.put(account_community, account_id=OFFICER.account, community_id=COMMUNITY)


def in_workbook(text: bytes) -> list[list[str]]:
    sheet = openpyxl.load_workbook(io.BytesIO(text)).worksheets[0]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    return [
        [str(cell or "") for cell in row] if row[2] else [str(cell) for cell in row if cell] for row in rows
    ]


def test_its_hash_is_on_record_before_it_is_given(world: World) -> None:
    number = approved(world, Act.EXPORT)
    _, signature = taken_out(world, number, Format.XLSX)
    with reading(world.reader) as connection:
        newest = connection.execute(select(look_up_event).order_by(look_up_event.c.id.desc())).first()
        assert newest is not None
        facts = audit.facts_of(newest)
    assert (newest.kind, facts["sha256"], facts["records"]) == (Happened.EXPORTED, signature.sha256, 3)
    forbid(world.engine, "INSERT", "look_up_event", "tired")
    with pytest.raises(StoreUnavailable):
        taken_out(world, number, Format.XLSX)


def test_a_workbook_keeps_numbers_as_text_and_computes_nothing(world: World) -> None:
    number = approved(world, Act.EXPORT)
    run(reveal(world.look_ups, OFFICER, number, 1, shown=Shown.ID_NUMBER, why="确认身份"))
    text, _ = taken_out(world, number, Format.XLSX)
    sheet = openpyxl.load_workbook(io.BytesIO(text)).worksheets[0]
    values = [cell for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in values} == {"s"}
    assert NUMBER in {cell.value for cell in values}
    assert str(values[-1].value).startswith("完整 complete: 共 3 条")


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_csv_begins_like_a_formula(begins: str) -> None:
    assert case_formats._guarded(f"{begins}cmd") == f"'{begins}cmd"


def spoken(pdf: bytes) -> str:
    """The text of all pages, in order: glyphs by the map that viewers use to copy text."""
    streams = [_plain(found) for found in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL)]
    glyphs: dict[int, str] = {}
    for stream in streams:
        if b"begincmap" in stream:
            for code, text in re.findall(rb"<([0-9A-Fa-f]{4})> <([0-9A-Fa-f]+)>\s", stream):
                glyphs[int(code, 16)] = bytes.fromhex(text.decode()).decode("utf-16-be")
    pages = [stream for stream in streams if b"BT" in stream and b"Tj" in stream]
    return "\n".join(_text(found, glyphs) for page in pages for found in _strings(page))


def _plain(stream: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(stream)  # what comes after its end is no part of it
    except zlib.error:
        return stream


def _strings(page: bytes) -> list[bytes]:
    escaped = re.findall(rb"\(((?:\\.|[^\\)])*)\) Tj", page, re.DOTALL)
    plain = {b"\\r": b"\r", b"\\n": b"\n"}
    return [re.sub(rb"\\(.)", lambda m: plain.get(m[0], m[1]), found, flags=re.DOTALL) for found in escaped]


def _text(found: bytes, glyphs: dict[int, str]) -> str:
    codes = (int.from_bytes(found[at : at + 2], "big") for at in range(0, len(found), 2))
    return "".join(glyphs.get(code, "") for code in codes)


def test_a_pdf_bears_officer_and_look_up_on_every_page_and_ends_with_its_last_line(world: World) -> None:
    world.enter(*(NOON_US - 2 * HOUR_US - n for n in range(80)))
    number = approved(world, Act.WHOLE, Act.EXPORT)
    run(reveal(world.look_ups, OFFICER, number, 1, shown=Shown.NAME, why="确认身份"))
    text, signature = taken_out(world, number, Format.PDF)
    assert text.startswith(b"%PDF")
    said = spoken(text).splitlines()
    pages = [line for line in said if line.endswith(" / ")]
    assert len(pages) >= 3
    marks = [line for line in said if line.startswith(f"41 一号警务室 · 查询 {number} ·")]
    assert len(marks) == 2 * len(pages)
    assert "王居民" in said
    assert [at for at, line in enumerate(said) if line.startswith("完整 complete")] == [len(said) - 3]
    assert signature.records == 83


def test_without_a_font_for_chinese_a_pdf_is_refused_with_what_to_install(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case_formats, "_FONTS", ())
    with pytest.raises(Clash, match="fonts-noto-cjk"):
        taken_out(world, approved(world, Act.EXPORT), Format.PDF)


def test_nothing_is_taken_out_without_a_second_person_or_a_key(world: World) -> None:
    with pytest.raises(NotAllowed, match="another unit"):
        taken_out(world, approved(world), Format.CSV)
    with pytest.raises(Clash, match="keys make"):
        run(export(world.look_ups, None, OFFICER, approved(world, Act.EXPORT), Format.CSV))
    world.enter(*(NOON_US - 2 * HOUR_US - n for n in range(30)))
    with pytest.raises(NotAllowed, match="more than 25 records"):
        taken_out(world, approved(world, Act.EXPORT), Format.CSV)
    assert len(table(cells(taken_out(world, approved(world, Act.EXPORT, Act.WHOLE), Format.CSV)[0]))) == 33


def test_an_altered_file_is_not_the_one_that_was_signed(world: World) -> None:
    made = run(export(world.look_ups, SIGNING, OFFICER, approved(world, Act.EXPORT), Format.CSV))
    with zipfile.ZipFile(io.BytesIO(made.archive)) as archive:
        name, beside = archive.namelist()
        text, signature = archive.read(name), archive.read(beside)
    with pytest.raises(BadQuestion, match="not the one"):
        check(text.replace(b"door-1", b"door-2"), signature, SIGNERS)
    with pytest.raises(BadQuestion, match="not known here"):
        check(text, signature, trusted(Ed25519PrivateKey.generate().public_key()))
    with pytest.raises(BadQuestion, match="not what lies beside"):
        check(text, b"{}", SIGNERS)


def test_a_visitor_whose_day_was_destroyed_is_not_found_and_the_file_says_so(world: World) -> None:
    world.visit(NOON_US - HOUR_US)
    number = approved(world, Act.EXPORT, about=VISITOR.number)
    assert len(table(cells(taken_out(world, number, Format.CSV)[0]))) == 1
    world.vault.destroy_period(COMMUNITY, "2026-11-04")
    rows = cells(taken_out(world, number, Format.CSV)[0])
    assert table(rows) == []
    assert ["未能查到 not searched", "visitors_of_some_days_destroyed"] in rows


def test_what_was_revealed_at_a_door_and_destroyed_since_is_said_to_be(world: World) -> None:
    world.visit(NOON_US - HOUR_US)
    asking = world.asking(Asked.DOOR, gateway="east-1", door="door-2")
    answer = run(world.look_ups.ask(OFFICER, asking))
    record = answer.entries[0].id
    run(reveal(world.look_ups, OFFICER, answer.look_up, record, shown=Shown.NAME, why="确认身份"))
    approve(world, answer.look_up, Act.EXPORT)
    assert table(cells(taken_out(world, answer.look_up, Format.CSV)[0]))[0][-4] == VISITOR.name
    world.vault.destroy_period(COMMUNITY, "2026-11-04")
    assert table(cells(taken_out(world, answer.look_up, Format.CSV)[0]))[0][-4] == DESTROYED
