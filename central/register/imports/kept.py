"""Why an undo leaves something as it is, in both languages. Values only."""

from __future__ import annotations

from typing import Final

from central.register.imports.faults import Says

KEPT: Final = {
    "card_changed": Says("卡在导入后延期或挂失过", "the card was extended or reported lost after the import"),
    "home_changed": Says("居住记录在导入后改过", "the residency was changed after the import"),
    "home_again": Says(
        "此人在该房屋另有居住记录", "they are registered in that home by another residency meanwhile"
    ),
    "lease_changed": Says("租约在导入后改过", "the lease was changed after the import"),
    "lease_used": Says("还有人按该租约居住", "somebody lives there by this lease"),
    "person_changed": Says("人员信息在导入后更正或合并过", "they were corrected or merged after it"),
    "person_lives": Says("此人还有住处", "they live somewhere still"),
    "person_has_card": Says("此人还有卡未退", "they have a card still"),
    "person_has_right": Says("此人有门组权限", "they have a right at a group of doors"),
    "person_is_landlord": Says("此人是租约的房东", "they are the landlord of a lease"),
    "person_has_account": Says("此人有登录账户", "there is an account for them"),
    "number_taken": Says("原证件号码已登记给另一个人", "their former number is another person's meanwhile"),
    "use_changed": Says("房屋用途在导入后改过", "the use was changed after the import"),
    "place_changed": Says("此处在导入后改过名称或位置", "it was renamed or moved after the import"),
    "place_holds": Says("此处之下还有别处", "something lies in it still"),
    "place_lived_in": Says("还有人住在这里", "somebody lives there still"),
    "place_let": Says("此处有租约", "there is a lease of it"),
    "place_has_door": Says("有门通向此处", "a door leads into it"),
    "place_has_right": Says("此处的住户有门组权限", "those who live there have a right at a group of doors"),
    "place_has_visitors": Says("此处有访客通行证", "a visitor's pass names it"),
}
"""By code, as in `import_effect.undone`."""
