"""Spreadsheets as rows: encodings, delimiters, headings, cells, and files that are refused."""

import io
import zipfile
from datetime import datetime
from itertools import islice
from typing import Any

import pytest
from imports_support import ZONE, a_book, a_csv, a_row, headed
from register_support import a_number

from central.errors import BadQuestion
from central.register.imports import files, reading
from central.register.imports.columns import CARD_KINDS, HEADINGS, Field, plain, recognised
from central.register.imports.faults import CODES, Fault, says
from central.register.imports.jobs import RowKept, RowShown
from central.register.imports.reading import Format, RawRow, format_of, read
from central.register.imports.rows import Wanted, day_of, parsed
from central.register.imports.states import Outcome
from central.times import micros

TABLE = [{"姓名": "王小明", "室": "101"}, {"姓名": "李芳", "室": "102"}]


def begins(day: Any) -> int:
    return micros(datetime(day.year, day.month, day.day, tzinfo=ZONE))


def rows_in(data: bytes) -> list[RawRow]:
    return list(read(data, format_of(data)).rows)


def only(data: bytes) -> RawRow:
    (row,) = rows_in(data)
    return row


def refusal(data: bytes) -> str:
    with pytest.raises(BadQuestion) as refused:
        rows_in(data)
    return str(refused.value)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_csv_is_read_as_chinese_spreadsheets_write_it(encoding: str, delimiter: str) -> None:
    rows = rows_in(a_csv(TABLE, encoding, delimiter))
    assert [(row.number, row.cells[Field.NAME], row.cells[Field.ROOM]) for row in rows] == [
        (2, "王小明", "101"),
        (3, "李芳", "102"),
    ]


def test_a_workbook_is_read_from_the_sheet_with_headings_below_a_title() -> None:
    data = a_book([["2026 年登记"], [], *headed(TABLE)], before=["说明"])
    assert [(row.number, row.cells[Field.NAME]) for row in rows_in(data)] == [(4, "王小明"), (5, "李芳")]


def test_columns_come_in_any_order_in_either_language_and_unknown_ones_are_told() -> None:
    found = recognised(["Phone", "备注", " 姓 名* ", "室（房号）", "", "id number"])
    assert found is not None
    assert dict(found.at) == {0: Field.PHONE, 2: Field.NAME, 3: Field.ROOM, 5: Field.NUMBER}
    assert found.unknown == ("备注",)
    assert recognised(["王小明", "13800000000"]) is None
    with pytest.raises(BadQuestion, match="two columns are headed 姓名"):
        recognised(["姓名", "Name"])


def test_cells_of_a_workbook_are_text_whole_numbers_and_days() -> None:
    cells = {"室": 101, "楼栋": 3.0, "入住日期": datetime(2026, 1, 5), "姓名": " 王小明 "}  # noqa: DTZ001
    assert only(a_book(headed([cells]))).cells == {
        Field.ROOM: "101",
        Field.BUILDING: "3",
        Field.SINCE: "2026-01-05",
        Field.NAME: "王小明",
    }


def test_cells_that_cannot_be_taken_as_they_are_say_why() -> None:
    cells = {
        "室": "=1+1",
        "卡号": 4123456,
        "证件号码": 1.5e17,
        "楼栋": True,
        "姓名": "王" * 513,
        "单元": "1\n2",
    }
    assert only(a_book(headed([cells]))).odd == {
        Field.ROOM: "formula",
        Field.CARD: "number_cell",
        Field.NUMBER: "number_cell",
        Field.BUILDING: "odd_cell",
        Field.NAME: "too_long",
        Field.UNIT: "control",
    }


def a_workbook(rows: str, *, shared: str = "", early: str = "") -> bytes:
    """One sheet, with parts and prefixes as some program may write them."""
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    parts = {
        "_rels/.rels": f'<Relationships><Relationship Id="a" Type="{office}/officeDocument"'
        ' Target="/xl/book.xml"/></Relationships>',
        "xl/book.xml": f'<x:workbook xmlns:x="urn:x" xmlns:r="{office}"><x:workbookPr{early}/>'
        '<x:sheets><x:sheet name="一" r:id="s1"/></x:sheets></x:workbook>',
        "xl/_rels/book.xml.rels": f'<Relationships><Relationship Id="s1" Type="{office}/worksheet"'
        f' Target="sheets/one.xml"/><Relationship Id="t" Type="{office}/sharedStrings"'
        f' Target="texts.xml"/><Relationship Id="l" Type="{office}/styles" Target="looks.xml"/>'
        "</Relationships>",
        "xl/texts.xml": f"<sst><si><t>姓名</t></si><si><t>室</t></si>{shared}</sst>",
        "xl/looks.xml": '<styleSheet><numFmts><numFmt numFmtId="170" formatCode="yyyy/m/d"/></numFmts>'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="170"/></cellXfs></styleSheet>',
        "xl/sheets/one.xml": '<x:worksheet xmlns:x="urn:x"><x:sheetData><x:row r="1"><x:c r="A1" t="s"><x:v>0'
        '</x:v></x:c><x:c r="B1" t="s"><x:v>1</x:v></x:c><x:c r="C1" t="inlineStr"><x:is><x:t>入住日期</x:t>'
        f"</x:is></x:c></x:row>{rows}</x:sheetData></x:worksheet>",
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        for name, text in parts.items():
            packed.writestr(name, text)
    return made.getvalue()


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        pytest.param('<x:c r="A5" t="s"><x:v>2</x:v></x:c>', {Field.NAME: "王小明"}, id="runs, unspoken"),
        pytest.param('<x:c t="str"><x:v>李_x82B3_</x:v></x:c>', {Field.NAME: "李芳"}, id="escaped"),
        pytest.param('<x:c r="C5" s="1"><x:v>46027</x:v></x:c>', {Field.SINCE: "2026-01-05"}, id="a day"),
        pytest.param('<x:c r="C5" t="d"><x:v>2026-01-05</x:v></x:c>', {Field.SINCE: "2026-01-05"}, id="ISO"),
        pytest.param('<x:c r="B5"><x:v>1.01E2</x:v></x:c>', {Field.ROOM: "101"}, id="a number"),
        pytest.param('<x:c r="B5" t="e"><x:v>#N/A</x:v></x:c>', {Field.ROOM: "odd_cell"}, id="an error"),
        pytest.param('<x:c r="C5" s="1"><x:v>1E9</x:v></x:c>', {Field.SINCE: "odd_cell"}, id="no such day"),
        pytest.param('<x:c r="B5"><x:f>1+1</x:f><x:v>2</x:v></x:c>', {Field.ROOM: "formula"}, id="a formula"),
    ],
)
def test_a_cell_is_read_as_spreadsheets_mean_it(cells: str, found: dict[Field, str]) -> None:
    runs = "<si><r><t>王</t></r><r><t>小明</t></r><rPh><t>wáng</t></rPh></si>"
    row = only(a_workbook(f'<x:row r="5">{cells}</x:row>', shared=runs))
    assert (row.number, {**row.cells, **row.odd}) == (5, found)


def test_days_count_from_1904_where_the_workbook_says_so() -> None:
    rows = '<x:row><x:c r="C2" s="1"><x:v>44565</x:v></x:c></x:row>'
    assert only(a_workbook(rows, early=' date1904="1"')).cells == {Field.SINCE: "2026-01-05"}


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param('<x:row r="1"><x:c r="A1"><x:v>1</x:v></x:c></x:row>', id="a row twice"),
        pytest.param('<x:row r="99999999"/>', id="beyond the last row"),
        pytest.param('<x:row r="2"><x:c t="s"><x:v>77</x:v></x:c></x:row>', id="no such text"),
        pytest.param("<x:row>", id="not closed"),
    ],
)
def test_a_damaged_sheet_is_refused(rows: str) -> None:
    assert "not a workbook" in refusal(a_workbook(rows))


def test_rows_without_anything_known_are_not_counted() -> None:
    assert [row.number for row in rows_in("姓名,备注\n王小明,\n,x\n\n李芳,\n".encode())] == [2, 5]


def a_zip(**parts: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            packed.writestr(name.replace("_", "."), content)
    return made.getvalue()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b" \n", "empty", id="empty"),
        pytest.param("姓名,室\n".encode("utf-16"), "UTF-16", id="UTF-16"),
        pytest.param(b"\xd0\xcf\x11\xe0\xa1\xb1", "old .xls", id="old or with a password"),
        pytest.param("王小明,101\n".encode(), "no headings", id="no headings"),
        pytest.param(a_book([["王小明"]]), "no headings", id="a workbook without headings"),
        pytest.param('姓名,室\n"王小明,101\n'.encode(), "a quote is not closed", id="open quote"),
        pytest.param(b"\xff\x81\x30", "neither UTF-8 nor GB18030", id="other bytes"),
        pytest.param(b"PK\x03\x04 no zip", "not a workbook", id="no zip"),
        pytest.param(a_zip(a_txt=b"x"), "not a workbook", id="another zip"),
        pytest.param(a_zip(a_xml=b"\n<!DOCTYPE a><a/>"), "no spreadsheet program", id="entities"),
    ],
)
def test_what_is_no_such_file_is_refused_in_plain_words(data: bytes, says: str) -> None:
    assert says in refusal(data)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_part_of_another_name_that_declares_entities_is_refused(encoding: str) -> None:
    """And without the declaration it is read: parts may be called as they like."""

    def renamed(before: str) -> bytes:
        made = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(a_book(headed(TABLE)))) as book, zipfile.ZipFile(made, "w") as packed:
            for name in book.namelist():
                text = book.read(name)
                if name == "xl/workbook.xml":
                    text = (before + text.decode().partition("?>")[2]).encode(encoding)
                if name == "_rels/.rels":
                    text = text.replace(b"xl/workbook.xml", b"xl/book.bin")
                packed.writestr(name.replace("workbook.xml", "book.bin"), text)
        return made.getvalue()

    there = [row.cells for row in rows_in(a_book(headed(TABLE)))]
    assert [row.cells for row in read(renamed(""), Format.XLSX).rows] == there != []
    assert "not a workbook" in refusal(renamed("<!DOCTYPE a [<!ENTITY b 'c'>]>"))


def test_files_over_the_bounds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 1000)
    assert "at most" in refusal(b"x" * 1001)
    monkeypatch.setattr(reading, "MAX_ROWS", 1)
    assert "more than 1 rows" in refusal(a_csv(TABLE))
    monkeypatch.undo()
    monkeypatch.setattr(reading, "_MAX_UNPACKED", 100_000)
    assert "unpacks to more" in refusal(a_zip(a_xml=b"<a>" + b" " * 200_000 + b"</a>"))


def test_the_template_is_recognised_whole_in_both_forms() -> None:
    for form in Format:
        header = read(files.template(form), form).header
        assert (set(header.at.values()), header.unknown) == (set(Field), ())
    assert len({plain(heading.zh) for heading in HEADINGS.values()}) == len(HEADINGS)


def test_wrong_rows_go_out_with_what_to_write_and_can_be_brought_again() -> None:
    kept = RowKept({Field.NAME: "=王小明", Field.ROOM: "101"})
    shown = RowShown(7, Outcome.WRONG, [Fault(Field.RELATION, "relation_missing")], [], kept)
    for form in Format:
        found = read(files.wrong_rows([shown], form), form)
        assert found.header.unknown == ("行 Row", "列 Column", "请改为 What to write")
        (row,) = islice(found.rows, 2)
        assert row.cells[Field.ROOM] == "101"
    text = files.wrong_rows([shown], Format.CSV).decode("utf-8-sig")
    assert "请填写与房屋的关系" in text
    assert "'=王小明" in text  # no program takes it for a formula


# --- what a row says


@pytest.mark.parametrize(
    ("cells", "column", "code"),
    [
        ({"房屋用途": "住"}, "use", "word"),
        ({"证件类型": "学生证"}, "document", "word"),
        ({"入住日期": "去年"}, "since", "day"),
        ({"入住日期": "2026-02-30"}, "since", "day"),
        ({"室": None, "与房屋关系": None, "入住日期": None}, "room", "room_missing"),
        ({"室": "1" * 65}, "room", "place_name"),
        ({"地址编码": "a b"}, "code", "code_form"),
        ({"姓名": None}, "name", "name_missing"),
        ({"姓名": "王" * 121}, "name", "name_form"),
        ({"证件号码": None, "证件类型": "护照"}, "number", "number_missing"),
        ({"证件类型": "无"}, "document", "number_without_document"),
        ({"证件号码": "12345"}, "number", "number_form_18"),
        ({"证件号码": "000000199001010000"}, "number", "number_check"),
        ({"证件号码": "000000199002300017"}, "number", "number_birth"),
        ({"证件类型": "外国人永久居留身份证", "证件号码": "12345"}, "number", "number_form_permanent"),
        ({"证件类型": "护照", "证件号码": "1-2"}, "number", "number_form"),
        ({"电话": "12"}, "phone", "phone_form"),
        ({"卡号": None}, "card", "card_missing"),
        ({"卡类型": None}, "card_kind", "card_kind_missing"),
        ({"卡类型": "IC卡", "卡号": "04A1"}, "card", "card_form_uid"),
        ({"卡类型": "EM卡", "卡号": "04A1B2C3"}, "card", "card_form_em"),
        ({"卡类型": "卡号", "卡号": "04A1B2C3"}, "card", "card_form_printed"),
        ({"卡类型": "身份证", "卡号": "12345"}, "card", "number_form_permanent"),
        ({"卡类型": "身份证", "卡号": "000000199001010000"}, "card", "number_check"),
        ({"卡类型": "身份证", "卡号": "000000199002300017"}, "card", "number_birth"),
        ({"卡类型": "身份证芯片", "卡号": "04A1B2C3"}, "card", "card_form_chip"),
        ({"卡类型": "二维码", "卡号": "a\u200bb"}, "card", "card_form"),
        ({"卡有效期起": "2026-02-01", "卡有效期止": "2026-01-01"}, "card_until", "ends_before"),
        ({"迁出日期": "2026-01-05"}, "until", "ends_before"),
        ({"租期止": "2026-01-05"}, "lease_from", "lease_from_missing"),
    ],
)
def test_each_wrong_cell_is_told_at_its_column(cells: dict[str, Any], column: str, code: str) -> None:
    found = parsed(only(a_csv([a_row(1, **cells)])), begins)
    assert isinstance(found, list)
    assert [(fault.field, fault.code) for fault in found] == [(column, code)]


def test_columns_that_need_a_home_say_so() -> None:
    row = a_row(1, 小区=None, 楼栋=None, 室=None, 入住日期=None)
    assert parsed(only(a_csv([row])), begins) == [Fault(Field.RELATION, "needs_home")]


def test_every_fault_says_what_to_write_in_both_languages_and_repeats_no_cell() -> None:
    for code in CODES:
        said = says(Fault(Field.RELATION, code))
        assert said.zh
        assert said.en
        assert "{" not in said.zh + said.en
    assert "业主、家人" in says(Fault(Field.RELATION, "word")).zh


def test_a_card_of_every_kind_is_read_as_its_reader_gives_it() -> None:
    number = a_number(2)
    typed = {
        "IC卡": ("04a1b2c3", "04A1B2C3"),
        "EM卡": ("2a00bc614e", "2A00BC614E"),
        "卡号": ("26:7bb26e", "26:7BB26E"),
        "身份证": (f"{number[:6]}-{number[6:14]}-{number[14:]}", number),
        "身份证芯片": ("0123456789abcdef", "0123456789ABCDEF"),
        "二维码": ("aB-c", "aB-c"),
    }
    assert typed.keys() == CARD_KINDS.keys()
    for kind, (cell, kept) in typed.items():
        found = parsed(only(a_csv([a_row(1, 卡类型=kind, 卡号=cell)])), begins)
        assert isinstance(found, Wanted), kind
        assert found.card == kept


def test_a_good_row_is_read_in_full_and_shows_nothing_of_itself() -> None:
    spaced = f"{a_number(1)[:6]} {a_number(1)[6:14]} {a_number(1)[14:].lower()}"
    found = parsed(only(a_csv([a_row(1, 证件号码=spaced)])), begins)
    assert isinstance(found, Wanted)
    assert (found.number, found.path[-1][1]) == (a_number(1), "101")
    assert found.since_us == begins(datetime(2026, 1, 5, tzinfo=ZONE))
    assert repr(found) == "Wanted(row=2)"


@pytest.mark.parametrize(
    "text", ["2026-01-05", "2026/1/5", "2026.1.5", "2026年1月5日", "20260105", "2026-01-05 00:00:00"]
)
def test_days_are_understood_as_people_write_them(text: str) -> None:
    assert str(day_of(text)) == "2026-01-05"
