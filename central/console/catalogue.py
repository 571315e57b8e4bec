"""Words in the reader's language: gettext catalogues (.po), read once at start.

English is what stands in the code; `translations/zh.po` and each page's own `zh.po` say the same in Chinese.
Chinese has one form for any number, English has two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from gettext import NullTranslations
from pathlib import Path

LANGUAGES = ("zh", "en")
_CONSOLE = Path(__file__).parent
_STRING = re.compile(r'^(?:(msgid_plural|msgid|msgstr(?:\[0\])?)\s+)?"(.*)"$')
_ESCAPES = {"\\n": "\n", '\\"': '"', "\\\\": "\\"}


class Catalogue(NullTranslations):
    """The texts of one language; what is not in it stays English."""

    def __init__(self, texts: dict[str, str]) -> None:
        super().__init__()
        self.texts = texts

    def gettext(self, message: str) -> str:
        return self.texts.get(message, message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.texts.get(msgid1, msgid1 if n == 1 else msgid2)


def catalogue_files() -> list[Path]:
    """The frame's first, then those of the pages."""
    return [_CONSOLE / "translations" / "zh.po", *sorted((_CONSOLE / "pages").glob("*/zh.po"))]


def load_catalogues() -> dict[str, Catalogue]:
    texts = [dict(parse_po(path.read_text(encoding="utf-8"))) for path in reversed(catalogue_files())]
    return {
        "zh": Catalogue({english: chinese for known in texts for english, chinese in known.items()}),
        "en": Catalogue({}),
    }


def parse_po(text: str) -> Iterator[tuple[str, str]]:
    """(English, translation) of every entry. Raises ValueError for a line that is no part of an entry."""
    entry: dict[str, str] = {}
    key = ""
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        stripped = line.strip()
        if not stripped:
            if entry.get("msgid") and entry.get("msgstr"):
                yield entry["msgid"], entry["msgstr"]
            entry = {}
            continue
        if stripped.startswith("#"):
            continue
        found = _STRING.match(stripped)
        if found is None:
            raise ValueError(f"line {number}: no part of a catalogue")
        key = (found[1] or key).removesuffix("[0]")
        entry[key] = entry.get(key, "") + re.sub(r'\\[n"\\]', lambda m: _ESCAPES[m[0]], found[2])
