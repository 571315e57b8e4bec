"""What people of the community did about their own: a resident's passes for visitors, and requests about
data, some answered, one overdue."""

from __future__ import annotations

from typing import Final

from bench.community.times import DAY_US, HOUR_US, MINUTE_US
from bench.community.world import World
from central.accounts.who import Role, Who
from central.register.desk import Desk
from central.requests.book import answer, receive
from central.requests.words import Decision, RequestKind
from central.store.engine import writing
from central.visitors import passes
from central.visitors.own import OwnWanted, give
from central.visitors.words import PassKind, VisitReason

_GIVEN: Final = (
    (PassKind.PIN, VisitReason.REPAIR, 3 * DAY_US, 4 * HOUR_US),
    (PassKind.QR, VisitReason.FAMILY, 40 * MINUTE_US, 8 * HOUR_US),
)
"""What, for whom, how long ago, and for how long."""

_ASKED: Final = (
    (24, RequestKind.CORRECTION, "我的联系电话已经更换，请更正。", Decision.DONE, "已核对证件并更正。"),
    (
        16,
        RequestKind.RESTRICTION,
        "请不要再把我的门卡用于巡查统计。",
        Decision.REFUSED,
        "统计不含个人，已当面说明。",
    ),
    (2, RequestKind.EXPLANATION, "上周三晚上的一次查询是为了什么？", None, ""),
)
"""By the resident: days ago, what, in which words, and what a worker said to it."""

_AT_DESK: Final = (
    (55, RequestKind.CORRECTION, "姓名中有一字登记有误。", Decision.DONE, "已核对证件并更正。"),
    (47, RequestKind.EXPLANATION, "为何登记我的门卡号码？", Decision.DONE, "已当面说明用途与期限。"),
    (33, RequestKind.DELETION, "请删除我的全部出入记录。", Decision.REFUSED, "保存期限未满，依规定保留。"),
    (21, RequestKind.CORRECTION, "与户主关系登记有误。", Decision.DONE, "已更正为家人。"),
    (17, RequestKind.DELETION, "不再需要登记的联系电话，请删除。", None, ""),
    (11, RequestKind.COMPLAINT, "门口的告知书被遮住了。", Decision.DONE, "已移除遮挡，重新张贴。"),
    (4, RequestKind.COMPLAINT, "车库门总把我的卡当作无效卡。", None, ""),
)
"""Of others, taken down by one worker, and answered by the other; one waits for too long."""

_ANSWERED_IN: Final = 4


def did_about_their_own(world: World, resident: Who, others: list[int]) -> None:
    """`resident`: the account of one; `others`: further people of the register."""
    assert resident.person is not None
    assert resident.account is not None
    now_us = world.days.now_us
    desk = passes.Desk(world.vault, world.signing)
    with writing(world.writer) as connection:
        for kind, reason, ago_us, long_us in _GIVEN:
            at_us = (now_us - ago_us) // MINUTE_US * MINUTE_US
            give(connection, desk, resident, OwnWanted(kind, reason, at_us, at_us + long_us), at_us)

        def at(account: int, days_ago: float) -> Desk:
            then_us = now_us - int(days_ago * DAY_US)
            return Desk(connection, world.community, account, then_us, world.vault)

        for days_ago, what, text, decision, said in _ASKED:
            made = receive(
                at(resident.account, days_ago), what, text, person_id=resident.person, at_desk=False
            )
            if decision is not None:
                answer(at(world.worker, days_ago - 3), made.id, decision, said)
        first, second = world.workers
        for (days_ago, what, text, decision, said), person in zip(_AT_DESK, others, strict=False):
            made = receive(at(first, days_ago), what, text, person_id=person, at_desk=True)
            if decision is not None:
                answer(at(second, days_ago - _ANSWERED_IN), made.id, decision, said)


def resident_of(account: int, community: int, person: int) -> Who:
    return Who(account, Role.RESIDENT, frozenset({community}), person)
