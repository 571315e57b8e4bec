"""Somebody who is nobody: an ordinary name, a number and a card that nobody was ever given. Pure.

The number begins with area code 000000, which was never assigned (GB/T 2260), and has the right check
character. The card's begins with 88: that byte announces a longer number and can be the first of none
(ISO/IEC 14443-3, cascade tag), so that no card and no telephone has it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from central.register.person_identity import check_character

NO_AREA: Final = "000000"
NO_CARD: Final = "88"
_FAMILY: Final = "王李张刘陈杨黄赵周吴徐孙马朱胡郭何林高罗"
_GIVEN: Final = (
    *("伟", "敏", "静", "磊", "军", "洋", "勇", "艳", "杰", "涛", "超", "霞", "平", "刚", "鹏", "红", "玲"),
    *("桂英", "秀兰", "建华", "建国", "志强", "海燕", "丽娟", "春梅", "文博", "晓燕", "国强", "玉兰", "雪梅"),
    *("子涵", "思远", "嘉怡", "俊杰", "雨桐", "明辉", "婷婷", "佳慧", "立新", "红梅", "小龙", "学军", "淑芬"),
)
_YOUNGEST_DAYS: Final = 20 * 365
_DAYS: Final = 55 * 365

Below = Callable[[int], int]
"""A number by chance, from 0 to below the one that it is given."""


@dataclass(frozen=True, slots=True)
class MadeUp:
    name: str
    number: str
    card: str


def made_up(below: Below, today: date) -> MadeUp:
    """Somebody of 20 to 75 years."""
    born = today - timedelta(days=_YOUNGEST_DAYS + below(_DAYS))
    body = f"{NO_AREA}{born:%Y%m%d}{1 + below(998):03d}"
    return MadeUp(
        name=_FAMILY[below(len(_FAMILY))] + _GIVEN[below(len(_GIVEN))],
        number=body + check_character(body),
        card=f"{NO_CARD}{below(1 << 24):06X}",
    )
