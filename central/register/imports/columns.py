"""The columns of an import: their headings in Chinese and English, and the words that stand in them. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, TypeVar

from central.errors import BadQuestion
from central.register.credentials import CredentialKind
from central.register.words import Category, DocumentType, HomeUse, PlaceKind, Relation


class Field(StrEnum):
    ESTATE = "estate"
    BUILDING = "building"
    UNIT = "unit"
    FLOOR = "floor"
    ROOM = "room"
    CODE = "code"
    USE = "use"
    NAME = "name"
    DOCUMENT = "document"
    NUMBER = "number"
    PHONE = "phone"
    CATEGORY = "category"
    RELATION = "relation"
    SINCE = "since"
    UNTIL = "until"
    LEASE_FROM = "lease_from"
    LEASE_UNTIL = "lease_until"
    CARD_KIND = "card_kind"
    CARD = "card"
    CARD_FROM = "card_from"
    CARD_UNTIL = "card_until"


LEVELS: Final = {
    Field.ESTATE: PlaceKind.ESTATE,
    Field.BUILDING: PlaceKind.BUILDING,
    Field.UNIT: PlaceKind.UNIT,
    Field.FLOOR: PlaceKind.FLOOR,
    Field.ROOM: PlaceKind.ROOM,
}
DAYS: Final = frozenset(
    {Field.SINCE, Field.UNTIL, Field.LEASE_FROM, Field.LEASE_UNTIL, Field.CARD_FROM, Field.CARD_UNTIL}
)
SECRET: Final = frozenset({Field.NAME, Field.NUMBER, Field.PHONE, Field.CARD})
"""Shown masked alone."""

AS_TEXT: Final = frozenset({Field.NUMBER, Field.CARD})
"""Spreadsheets ruin long numbers and leading zeros where such a cell is a number."""


class Heading(NamedTuple):
    """`other`: further headings that are understood; `what`: for the sheet of explanation."""

    zh: str
    en: str
    other: tuple[str, ...]
    zh_what: str
    en_what: str
    example: str


HEADINGS: Final[Mapping[Field, Heading]] = {
    Field.ESTATE: Heading(
        "小区", "Estate", ("小区名称",), "房屋所在小区；没有小区可不填", "where the home lies", "枫园小区"
    ),
    Field.BUILDING: Heading(
        "楼栋", "Building", ("楼", "栋", "幢", "楼号"), "楼栋名称", "its building", "1 号楼"
    ),
    Field.UNIT: Heading("单元", "Unit", ("单元号",), "没有可不填", "may be left out", "1 单元"),
    Field.FLOOR: Heading("层", "Floor", ("楼层",), "没有可不填", "may be left out", ""),
    Field.ROOM: Heading("室", "Room", ("房号", "房间", "门牌", "室号"), "房号", "the home itself", "101"),
    Field.CODE: Heading(
        "地址编码",
        "Address code",
        ("标准地址编码", "code"),
        "标准地址编码；已登记的房屋可只填此项",
        "standard address code; alone it names a home that is registered",
        "",
    ),
    Field.USE: Heading(
        "房屋用途", "Use", ("用途",), "自住、出租、空置或经营", "what the home is for", "自住"
    ),
    Field.NAME: Heading("姓名", "Name", ("名字",), "本行只登记房屋时不填", "empty: a home alone", "王小明"),
    Field.DOCUMENT: Heading(
        "证件类型",
        "Document",
        ("证件种类",),
        "不填：有证件号码时为居民身份证，否则为无",
        "empty: resident ID with a number, none without",
        "居民身份证",
    ),
    Field.NUMBER: Heading(
        "证件号码",
        "Document number",
        ("身份证号", "身份证号码", "证件号", "number", "id number"),
        "文本格式",
        "as text",
        "",
    ),
    Field.PHONE: Heading("电话", "Phone", ("手机", "手机号", "联系电话", "telephone"), "", "", ""),
    Field.CATEGORY: Heading(
        "人员类别",
        "Category",
        ("类别",),
        "不住在本社区的人才需要：居民、租户、家政、工作人员、其他",
        "of whoever lives nowhere here",
        "",
    ),
    Field.RELATION: Heading(
        "与房屋关系",
        "Relation",
        ("关系", "住户关系"),
        "业主、家人、租客、租客家人、借住、家政、员工",
        "why they live there",
        "业主",
    ),
    Field.SINCE: Heading(
        "入住日期", "Lives there from", ("入住", "since"), "不填：导入之时", "empty: from the import on", ""
    ),
    Field.UNTIL: Heading(
        "迁出日期",
        "Lives there until",
        ("迁出", "搬离日期", "until"),
        "不再居住的第一天",
        "the first day on which they do not",
        "",
    ),
    Field.LEASE_FROM: Heading(
        "租期起", "Lease from", ("租赁开始", "起租日期"), "租约的第一天", "first day of the lease", ""
    ),
    Field.LEASE_UNTIL: Heading(
        "租期止",
        "Lease until",
        ("租赁结束", "到期日期"),
        "租约结束后的第一天；不填：无期限",
        "first day after it; empty: no end",
        "",
    ),
    Field.CARD_KIND: Heading(
        "卡类型",
        "Card kind",
        ("卡种类",),
        "读卡器如何称呼它：IC卡、EM卡、卡号、身份证、身份证芯片、二维码",
        "as its reader calls it",
        "",
    ),
    Field.CARD: Heading(
        "卡号",
        "Card number",
        ("门禁卡号", "card"),
        "文本格式，与读卡器所写一致",
        "as text, as the reader writes",
        "",
    ),
    Field.CARD_FROM: Heading(
        "卡有效期起", "Card valid from", (), "不填：导入之时", "empty: from the import on", ""
    ),
    Field.CARD_UNTIL: Heading(
        "卡有效期止", "Card valid until", ("卡有效期",), "失效的第一天；不填：无期限", "empty: no end", ""
    ),
}

_Word = TypeVar("_Word", bound=StrEnum)

USES: Final = {
    "自住": HomeUse.OWNER_OCCUPIED,
    "出租": HomeUse.LET,
    "空置": HomeUse.EMPTY,
    "经营": HomeUse.BUSINESS,
}
DOCUMENTS: Final = {
    "居民身份证": DocumentType.RESIDENT_ID,
    "身份证": DocumentType.RESIDENT_ID,
    "港澳台居民居住证": DocumentType.RESIDENCE_PERMIT,
    "居住证": DocumentType.RESIDENCE_PERMIT,
    "通行证": DocumentType.TRAVEL_PERMIT,
    "外国人永久居留身份证": DocumentType.PERMANENT_RESIDENCE,
    "护照": DocumentType.PASSPORT,
    "其他": DocumentType.OTHER,
    "无": DocumentType.NONE,
}
CATEGORIES: Final = {
    "居民": Category.RESIDENT,
    "租户": Category.TENANT,
    "家政": Category.HELPER,
    "工作人员": Category.WORKER,
    "其他": Category.OTHER,
}
RELATIONS: Final = {
    "业主": Relation.OWNER,
    "家人": Relation.FAMILY,
    "业主家人": Relation.FAMILY,
    "租客": Relation.TENANT,
    "租户": Relation.TENANT,
    "租客家人": Relation.TENANT_FAMILY,
    "借住": Relation.LODGER,
    "家政": Relation.HOUSEHOLD_HELPER,
    "家政人员": Relation.HOUSEHOLD_HELPER,
    "员工": Relation.STAFF,
    "经营场所人员": Relation.STAFF,
}
CARD_KINDS: Final = {
    "IC卡": CredentialKind.CARD_UID,
    "EM卡": CredentialKind.EM_TAG,
    "卡号": CredentialKind.CARD_NUMBER,
    "身份证": CredentialKind.ID_CARD,
    "身份证芯片": CredentialKind.ID_CARD_CHIP,
    "二维码": CredentialKind.QR_CODE,
}
CHOICES: Final[Mapping[Field, Mapping[str, StrEnum]]] = {
    Field.USE: USES,
    Field.DOCUMENT: DOCUMENTS,
    Field.CATEGORY: CATEGORIES,
    Field.RELATION: RELATIONS,
    Field.CARD_KIND: CARD_KINDS,
}


@dataclass(frozen=True, slots=True)
class Header:
    """`at`: the column's place in a row -> what it is; `unknown`: headings that say nothing to us."""

    at: Mapping[int, Field]
    unknown: tuple[str, ...]


def recognised(cells: Sequence[str]) -> Header | None:
    """None: this row is no header, as it names neither rooms nor people. Raises BadQuestion where two columns
    are of one kind."""
    at: dict[int, Field] = {}
    unknown: list[str] = []
    for place, cell in enumerate(cells):
        field = _BY_HEADING.get(plain(cell))
        if field is not None and field in at.values():
            raise BadQuestion("file", f"two columns are headed {HEADINGS[field].zh} ({HEADINGS[field].en})")
        if field is not None:
            at[place] = field
        elif cell.strip():
            unknown.append(cell.strip()[:64])
    if not {Field.ROOM, Field.CODE, Field.NAME} & set(at.values()):
        return None
    return Header(at, tuple(unknown))


def word(choices: Mapping[str, _Word], text: str) -> _Word | None:
    """A word of a column's, in Chinese or as the API writes it."""
    if (found := choices.get(text)) is not None:
        return found
    wanted = plain(text)
    for name, value in choices.items():
        if wanted in {plain(name), plain(value.value)}:
            return value
    return None


def plain(text: str) -> str:
    """As headings and words are compared: no width, case, spaces or marks, nothing in brackets."""
    return re.sub(r"\(.*?\)|[\s*:_\-/]", "", unicodedata.normalize("NFKC", text)).casefold()


def _by_heading() -> dict[str, Field]:
    found: dict[str, Field] = {}
    for field, heading in HEADINGS.items():
        for name in (heading.zh, heading.en, f"{heading.zh} {heading.en}", field.value, *heading.other):
            if found.setdefault(plain(name), field) is not field:
                raise AssertionError(f"two columns are called {name}")
    return found


_BY_HEADING: Final = _by_heading()
