"""A look-up as a file for a case: what stands in it, whatever its format. Pure.

Masked like the answer: only fields that were revealed, each with its row in the register, stand in it. Its
last line says that it is complete, and how many records it has; a file without it was cut off.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum
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


class Vocabulary(StrEnum):
    """Of which kind a closed word is."""

    PURPOSE = "purpose"
    BASIS = "basis"
    QUESTION = "question"
    EVENT = "event"
    REASON = "reason"
    CATEGORY = "category"
    DIRECTION = "direction"
    CREDENTIAL = "credential"
    NOTE = "note"  # what could not be searched


@dataclass(frozen=True, slots=True)
class Called:
    """What things are called where somebody reads of them, in one language; what is not known there, by its
    own name. `gateway` and `door` come with their sites; `room` and `person`, an account, by number."""

    word: Callable[[Vocabulary, str], str]
    site: Callable[[str], str]
    gateway: Callable[[str, str], str]
    door: Callable[[str, str, str], str]
    room: Callable[[int], str]
    person: Callable[[int], str]


BY_NAME: Final = Called(
    word=lambda _, code: code,
    site=lambda name: name,
    gateway=lambda _, name: name,
    door=lambda _site, _gateway, name: name,
    room=str,
    person=str,
)
"""By the names that programs use."""


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
    called: Called = BY_NAME,
) -> CaseFile:
    """`row`: of `look_up`. `revealed`: by record and field; None where it is not known. `by`: who takes it
    out."""
    number, word = f"{row.id}", called.word
    return CaseFile(
        title=f"留痕 查询结果 Liuhen look-up {number}",
        watermark=f"{by} · 查询 {number} · {utc_text(at_us)[:16]}Z",
        head=[
            ("查询编号 look-up", number),
            ("案件编号 case", row.case_number),
            ("目的 purpose", word(Vocabulary.PURPOSE, row.purpose)),
            ("依据 basis", word(Vocabulary.BASIS, row.basis)),
            ("问题 question", _question(row, called)),
            ("时段 from", _time(row.from_at, zone)),
            ("至 until", _time(row.until_at, zone)),
            ("查询人 asked by", by_whom(row.account, row.unit, called)),
            ("导出人 exported by", by),
            ("导出时间 exported at", _time(at_us, zone)),
            *how_complete(doors, notes, zone, called),
        ],
        rows=[_row(place, each, revealed, zone, called) for place, each in enumerate(entries, 1)],
        end=f"完整 complete: 共 {len(entries)} 条 records. 查询 {number} 完 end",
    )


def by_whom(account: int, unit: str | None, called: Called) -> str:
    """By the name of the account, which has its unit and number beside it; where it has none, by its
    number."""
    name = called.person(account)
    return name if name != str(account) else f"{name} {unit or ''}".strip()


def _question(row: Any, called: Called) -> str:
    places = json.loads(row.parameters)
    said = [called.word(Vocabulary.QUESTION, row.question)]
    site, gateway, door = (places.get(name) for name in ("site", "gateway", "door"))
    estate, building = called.site(site) if site else "", called.gateway(site, gateway) if gateway else ""
    said += [estate] if estate and not building.startswith(estate) else []
    said += [building] if building else []
    said += [called.door(site, gateway, door)] if door else []
    said += [called.room(places["room"])] if "room" in places else []
    return " ".join(said)


def how_complete(
    doors: Sequence[DoorComplete], notes: Sequence[str], zone: tzinfo, called: Called = BY_NAME
) -> list[tuple[str, str]]:
    """A line for each door whose records are not all here; one where they are. What a live gateway has under
    way is no fault: of it is said up to when it is complete."""
    lacking = [door for door in doors if not door.complete]
    lines = [
        (
            "数据完整至 complete until" if _keeps_up(door) else "数据不全 incomplete",
            f"{_where(door, called)}: "
            + (UNKNOWN if door.until_us is None else f"{_until(door)}{_time(door.until_us, zone)}")
            + ("" if door.ended_us is None else f"; 到期删除至 ended until {_time(door.ended_us, zone)}")
            + ("" if door.sound or door.until_us is None else "; 有记录丢失或存疑 records lost or doubtful"),
        )
        for door in lacking
    ]
    lines += [("未能查到 not searched", called.word(Vocabulary.NOTE, note)) for note in notes]
    return lines or [("数据完整 data complete", f"{len(doors)} 扇门 doors")]


def _where(door: DoorComplete, called: Called) -> str:
    named = (called.site(door.site), called.gateway(door.site, door.gateway))
    return "/".join([*named, called.door(door.site, door.gateway, door.door)])


def _keeps_up(door: DoorComplete) -> bool:
    return door.keeps_up and door.ended_us is None


def _until(door: DoorComplete) -> str:
    return "" if _keeps_up(door) else "至 until "


def _row(
    place: int,
    entry: Masked,
    revealed: Mapping[tuple[int, str], str | None],
    zone: tzinfo,
    called: Called,
) -> list[str]:
    def word(of: Vocabulary, code: str | None) -> str:
        return called.word(of, code) if code else ""

    return [
        str(place),
        _time(entry.at_us, zone) + ("" if entry.clock == "synced" else f" ({entry.clock})"),
        called.site(entry.site),
        called.gateway(entry.site, entry.gateway),
        called.door(entry.site, entry.gateway, entry.door) if entry.door else "",
        word(Vocabulary.EVENT, entry.kind),
        word(Vocabulary.REASON, entry.reason),
        word(Vocabulary.DIRECTION, entry.direction),
        word(Vocabulary.CATEGORY, entry.category),
        word(Vocabulary.CREDENTIAL, entry.credential),
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
