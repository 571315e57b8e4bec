"""A look-up as a file for a case: what stands in it, whatever its format. Pure.

Masked like the answer: only fields that were revealed, each with its row in the register, stand in it. Its
last line says that it is complete, and how many records it has; a file without it was cut off.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Final

from central.lookup.masking import Masked
from central.lookup.service import DoorComplete
from central.lookup.words import Shown
from central.times import local, utc_text

COLUMNS: Final = (
    *("序号 No.", "时间 time", "小区 site", "网关 gateway", "门 door", "事件 event", "原因 reason"),
    *("方向 direction", "类别 category", "凭证 credential", "级别 level", "代号 alias"),
    *("姓名 name", "证件号 number", "住址或受访 home", "卡号 card"),
)
MASKED: Final = "＊"
UNKNOWN: Final = "不详 unknown"
DESTROYED: Final = "已销毁 destroyed"

_EVENTS: Final = {"access_granted": "放行", "access_denied": "拒绝", "remote_release": "远程开门"}
_ALWAYS: Final = ("site", "gateway", "door")


@dataclass(frozen=True, slots=True)
class CaseFile:
    """Head, table and end, all of them text."""

    title: str
    watermark: str
    head: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[str]]
    end: str


def case_file(
    row: Any,
    entries: Sequence[Masked],
    revealed: Mapping[tuple[int, str], str | None],
    *,
    doors: Sequence[DoorComplete],
    notes: Sequence[str],
    by: str,
    at_us: int,
    zone: tzinfo,
) -> CaseFile:
    """`row`: of `look_up`. `revealed`: by record and field; None where it is not known. `by`: who takes it
    out."""
    number = f"{row.id}"
    return CaseFile(
        title=f"留痕 查询结果 Liuhen look-up {number}",
        watermark=f"{by} · 查询 {number} · {utc_text(at_us)[:16]}Z",
        head=[
            ("查询编号 look-up", number),
            ("案件编号 case", row.case_number),
            ("目的 purpose", row.purpose),
            ("依据 basis", row.basis),
            ("问题 question", _question(row)),
            ("时段 from", _time(row.from_at, zone)),
            ("至 until", _time(row.until_at, zone)),
            ("查询人 asked by", f"{row.account} {row.unit or ''}".strip()),
            ("导出人 exported by", by),
            ("导出时间 exported at", _time(at_us, zone)),
            *how_complete(doors, notes, zone),
        ],
        rows=[_row(place, each, revealed, zone) for place, each in enumerate(entries, 1)],
        end=f"完整 complete: 共 {len(entries)} 条 records. 查询 {number} 完 end",
    )


def _question(row: Any) -> str:
    places = json.loads(row.parameters)
    return " ".join([row.question, *(f"{places[name]}" for name in (*_ALWAYS, "room") if name in places)])


def how_complete(doors: Sequence[DoorComplete], notes: Sequence[str], zone: tzinfo) -> list[tuple[str, str]]:
    """A line for each door whose records are not all here; one where they are. What a live gateway has under
    way is no fault: of it is said up to when it is complete."""
    lacking = [door for door in doors if not door.complete]
    lines = [
        (
            "数据完整至 complete until" if _keeps_up(door) else "数据不全 incomplete",
            f"{door.site}/{door.gateway}/{door.door}: "
            + ("unknown" if door.until_us is None else f"{_until(door)}{_time(door.until_us, zone)}")
            + ("" if door.ended_us is None else f"; 到期删除至 ended until {_time(door.ended_us, zone)}")
            + ("" if door.sound or door.until_us is None else "; 有记录丢失或存疑 records lost or doubtful"),
        )
        for door in lacking
    ]
    lines += [("未能查到 not searched", note) for note in notes]
    return lines or [("数据完整 data complete", f"{len(doors)} 扇门 doors")]


def _keeps_up(door: DoorComplete) -> bool:
    return door.keeps_up and door.ended_us is None


def _until(door: DoorComplete) -> str:
    return "" if _keeps_up(door) else "至 until "


def _row(
    place: int, entry: Masked, revealed: Mapping[tuple[int, str], str | None], zone: tzinfo
) -> list[str]:
    return [
        str(place),
        _time(entry.at_us, zone) + ("" if entry.clock == "synced" else f" ({entry.clock})"),
        entry.site,
        entry.gateway,
        entry.door or "",
        f"{_EVENTS.get(entry.kind, '')} {entry.kind}".strip(),
        entry.reason or "",
        entry.direction or "",
        entry.category or "",
        entry.credential or "",
        entry.assurance or "",
        entry.alias or "",
        _shown(entry, Shown.NAME, revealed),
        _shown(entry, Shown.ID_NUMBER, revealed),
        _shown(entry, Shown.HOME, revealed) or _shown(entry, Shown.VISITED, revealed),
        _shown(entry, Shown.CARD, revealed),
    ]


def _shown(entry: Masked, field: Shown, revealed: Mapping[tuple[int, str], str | None]) -> str:
    if field not in entry.hidden:
        return ""
    key = (entry.id, field.value)
    return (revealed[key] or UNKNOWN) if key in revealed else MASKED


def _time(at_us: int, zone: tzinfo) -> str:
    return local(at_us, zone).isoformat(sep=" ", timespec="seconds")
