"""What can be wrong with a row, and what to write instead, in both languages. Values only: no text repeats
what stands in a cell."""

from __future__ import annotations

from typing import Final, NamedTuple

from central.register.imports.columns import CHOICES, HEADINGS, Field


class Fault(NamedTuple):
    """`field` None: the row as a whole."""

    field: Field | None
    code: str


class Says(NamedTuple):
    zh: str
    en: str


_SAYS: Final = {
    "formula": Says("单元格是公式：请改为数值或文本", "the cell holds a formula: paste its value instead"),
    "number_cell": Says(
        "单元格是数字，可能已丢失数位或前面的零：请把该列设为文本后重新填写",
        "a number here may have lost digits or zeros: format the column as text, write it again",
    ),
    "odd_cell": Says("单元格不是文本、数字或日期", "the cell holds no text, number or day"),
    "too_long": Says("内容过长：最多 512 个字符", "too long: 512 characters at most"),
    "control": Says("含有不可见字符：请重新填写", "holds invisible characters: write it again"),
    "word": Says("请填写：{choices}", "write one of: {choices}"),
    "day": Says("请按 2026-11-05 的样子填写日期", "write the day like 2026-11-05"),
    "place_name": Says("名称为 1 到 64 个字符", "a name has 1 to 64 characters"),
    "room_missing": Says("请填写房号", "write the room too"),
    "code_form": Says(
        "地址编码最多 40 位数字、大写字母、点或短横",
        "an address code has at most 40 digits, capitals, dots or hyphens",
    ),
    "code_unknown": Says(
        "没有这个地址编码的房屋：请填写楼栋和房号", "no home has this code: write building and room"
    ),
    "code_taken": Says("这个地址编码属于另一处", "this code is another place's"),
    "other_code": Says(
        "该房屋已登记了另一个地址编码：请在房屋页面更改", "the home has another code: change it on its page"
    ),
    "other_kind": Says("这个名称在登记中不是这一级", "what is called so is of another level in the register"),
    "name_missing": Says("请填写姓名", "write the name too"),
    "name_form": Says("姓名为 1 到 120 个字符", "a name has 1 to 120 characters"),
    "number_missing": Says(
        "这种证件要有号码；没有证件请填“无”", "such a document has a number; without one write none"
    ),
    "number_without_document": Says(
        "有号码就要有证件类型，不能是“无”", "a number belongs to a document, not to none"
    ),
    "number_form_18": Says("应为 17 位数字加一位校验码", "such a number has 17 digits and a check character"),
    "number_check": Says("校验码不符：有一位写错了", "the check character does not fit: a digit is mistyped"),
    "number_form_permanent": Says(
        "应为 18 位数字，或 3 个字母加 12 位数字", "such a number has 18 digits, or 3 letters and 12 digits"
    ),
    "number_birth": Says(
        "号码中的出生日期不存在：有一位写错了",
        "the birth date in it is no day of the calendar: a digit is mistyped",
    ),
    "number_form": Says("应为 5 到 24 位字母和数字", "such a number has 5 to 24 letters and digits"),
    "phone_form": Says("电话号码为 5 到 20 位数字", "a telephone number has 5 to 20 digits"),
    "find_again": Says(
        "没有证件号码时，请填写房屋、电话或卡号，以便以后找到同一个人",
        "without a document number write a home, phone or card too, so that the same person is found again",
    ),
    "ambiguous": Says(
        "登记中有多个同名的人符合：请填写证件号码", "several of that name fit: write the document number"
    ),
    "contradicts": Says(
        "与本文件前面的行不一致：请改成一致", "an earlier row of this file says otherwise: make them agree"
    ),
    "number_of_another": Says(
        "该人已登记了另一个证件号码：请在人员页面更正", "they have another number: correct it on their page"
    ),
    "relation_missing": Says("请填写与房屋的关系：{choices}", "write why they live there: {choices}"),
    "needs_home": Says("填了此项就要填写房屋", "needs a home in the same row"),
    "needs_person": Says("填了此项就要填写姓名", "needs a name in the same row"),
    "ends_before": Says("结束不能早于开始", "ends before it begins"),
    "lived_before": Says(
        "该人已登记在此居住过，时间与本行重叠：请在人员页面更正",
        "they are registered there at an overlapping time: correct it on their page",
    ),
    "lease_from_missing": Says("请填写租期起", "write when the lease begins"),
    "lease_over": Says("该租约已提前结束", "this lease was ended early"),
    "lease_end_past": Says(
        "租约只能延长：提前结束请在租约页面办理", "a lease is only extended here: end it on its page"
    ),
    "card_kind_missing": Says("请填写卡类型：{choices}", "write the kind of card: {choices}"),
    "card_missing": Says("请填写卡号", "write the card's number"),
    "card_form": Says(
        "请按读卡器的写法填写卡号，1 到 512 个字符",
        "write the number as its reader does, in 1 to 512 characters",
    ),
    "card_form_uid": Says(
        "IC 卡号为 8、14 或 20 位数字和字母 A–F，不带空格",
        "an access card's number has 8, 14 or 20 digits and letters A to F, without spaces",
    ),
    "card_form_em": Says(
        "EM 卡号为 10 位数字和字母 A–F，不带空格",
        "a key fob's number has 10 digits and letters A to F, without spaces",
    ),
    "card_form_chip": Says(
        "身份证芯片号为 16 位数字和字母 A–F，不带空格",
        "a chip's number has 16 digits and letters A to F, without spaces",
    ),
    "card_form_printed": Says(
        "印刷卡号要连同位数填写，例如 26:7BB26E",
        "a printed number is written with its bits, such as 26:7BB26E",
    ),
    "card_taken": Says("这张卡已发给另一个人", "this card is somebody else's"),
    "card_lost": Says("这张卡已挂失：请先解挂", "this card is reported lost: lift the loss first"),
    "card_end_past": Says("卡只能延期到将来", "a card is only extended, into the future"),
    "changed_meanwhile": Says(
        "预览之后登记有了变化：请重新上传，再看一遍",
        "the register changed since the preview: upload it again",
    ),
}
CODES: Final = frozenset(_SAYS)


def says(fault: Fault) -> Says:
    """What to write instead."""
    text = _SAYS[fault.code]
    choices = CHOICES.get(fault.field, {}) if fault.field is not None else {}
    zh = "、".join(dict.fromkeys(choices))
    en = ", ".join(dict.fromkeys(value.value for value in choices.values()))
    return Says(text.zh.replace("{choices}", zh), text.en.replace("{choices}", en))


def column_of(fault: Fault) -> Says | None:
    """The heading of its column; None: of no single one."""
    if fault.field is None:
        return None
    heading = HEADINGS[fault.field]
    return Says(heading.zh, heading.en)
