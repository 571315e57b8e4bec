"""What is written when somebody has seen to an alarm, by what it is about. Pure."""

from __future__ import annotations

from random import Random
from typing import Final

from central.alarms.kinds import OF_TOURS, AlarmKind

_NOTES: Final[dict[AlarmKind, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    AlarmKind.HELD: (
        ("保安已前往关门。", "住户搬家具，已提醒随手关门。"),
        ("已到现场查看，门已关好。", "保洁支门通风，已提醒。"),
    ),
    AlarmKind.FORCED: (
        ("保安已前往现场。",),
        ("已到现场查看，系用力拉门，门锁完好。", "现场未见异常，已回看监控。"),
    ),
    AlarmKind.TAMPER: (("已派人查看设备。",), ("设备检修所致，已复位。", "外壳松动，已紧固。")),
    AlarmKind.LOST_CARD: (
        ("已联系持卡人核实。",),
        ("持卡人确认并非本人使用，已登记。", "家人误用旧卡，已收回。"),
    ),
    AlarmKind.REPEATED_TRIES: (
        ("保安已前往询问。",),
        ("访客走错楼栋，已指引。", "住户拿错卡，已协助开门。"),
    ),
    AlarmKind.READER_LOST: (
        ("已通知维修人员。", "备件已领，正在更换。"),
        ("重新上电后恢复。", "接线松动，已紧固。"),
    ),
    AlarmKind.LOCK_LOST: (("已通知维修人员。",), ("接线松动，已紧固。",)),
    AlarmKind.LOCK_NOT_DRIVEN: (("已通知维修人员。",), ("锁具已检修，试开正常。",)),
    AlarmKind.MAINS_FAILED: (("配电检修，网关由电池供电。",), ("已恢复供电。",)),
    AlarmKind.STORAGE: (("已安排清理日志。",), ("已清理日志，空间正常。",)),
    AlarmKind.CLOCK_OFF: (("已重新对时。",), ("已重新对时。",)),
    AlarmKind.RECORDS_LOST: (
        ("存储卡损坏，已更换；缺失的记录无法恢复。",),
        ("存储卡损坏，已更换；缺失的记录无法恢复。",),
    ),
    AlarmKind.GATEWAY_SILENT: (("线路检修，已联系运营商。",), ("线路已恢复，记录已补传。",)),
    AlarmKind.GAP: (("等待网关补传。",), ("记录已补传，核对无缺。",)),
}
"""While it lasts, and once it is over."""

_OF_TOURS: Final = ("临时处置纠纷，未能按时巡完，已说明。", "交接班延误，已提醒。")
_OF_OTHERS: Final = ("已处理，继续观察。",)


def note_on(kind: AlarmKind, drawn: Random, *, is_over: bool) -> str:
    if kind in OF_TOURS:
        return drawn.choice(_OF_TOURS)
    while_it_lasts, afterwards = _NOTES.get(kind, (_OF_OTHERS, _OF_OTHERS))
    return drawn.choice(afterwards if is_over else while_it_lasts)
