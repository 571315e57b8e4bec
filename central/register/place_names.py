"""Names of places: how they are ordered, and how somebody finds them who types letters alone. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NamedTuple

_DIGITS: Final = {digit: value for value, digit in enumerate("零一二三四五六七八九")}
_NUMERAL: Final = re.compile(r"[零一二三四五六七八九]?十[一二三四五六七八九]?|[零一二三四五六七八九]+")
_WIDTH: Final = 8


class Spelt(NamedTuple):
    pinyin: str  # lower-case letters and digits without spaces
    initials: str


def tidy(name: str) -> str:
    """One spelling of a name: no wide digits, no spaces at its ends or in a row."""
    return " ".join(unicodedata.normalize("NFKC", name).split())


def sort_key(name: str) -> str:
    """Orders 2 before 10, and 二单元 before 十单元."""
    plain = _NUMERAL.sub(lambda found: str(_number(found.group())), tidy(name))
    return re.sub(r"\d+", lambda found: found.group().zfill(_WIDTH), plain)


def spelt(name: str) -> Spelt:
    """How somebody types it who does not want to switch to Chinese."""
    from pypinyin import Style, lazy_pinyin

    text = tidy(name).lower()
    return Spelt(_letters(lazy_pinyin(text)), _letters(lazy_pinyin(text, style=Style.FIRST_LETTER)))


def _letters(syllables: list[str]) -> str:
    return re.sub(r"[^a-z0-9]", "", "".join(syllables).lower())


def _number(numeral: str) -> int:
    if "十" not in numeral:
        return int("".join(str(_DIGITS[digit]) for digit in numeral))
    tens, _, ones = numeral.partition("十")
    return (_DIGITS[tens] if tens else 1) * 10 + (_DIGITS[ones] if ones else 0)
