"""Templates in the reader's language and the place's time, for all pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from fastapi import Depends, Query, Request
from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined

from central.console import charts, words
from central.console.catalogue import LANGUAGES, Catalogue, load_catalogues
from central.console.files import Marks
from central.console.frame import frame_of
from central.settings import ConsolePart
from central.times import local

_TEMPLATES = Path(__file__).parent / "templates"
_PAGES = Path(__file__).parent / "pages"
Known = Literal["zh", "en"]
LANGUAGE_COOKIE = "liuhen-language"
_MOST_ACCEPTED: Final = 512
_WEIGHT: Final = re.compile(r"[qQ]=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")


def language_of(request: Request, lang: Annotated[Known | None, Query(alias="lang")] = None) -> str | None:
    """What was asked for now, else what this browser asked for last, else what it prefers."""
    kept = request.cookies.get(LANGUAGE_COOKIE)
    return lang or (kept if kept in LANGUAGES else preferred(request.headers.get("accept-language", "")))


def preferred(accepted: str) -> Known | None:
    """Of the languages of an Accept-Language header (RFC 9110, 12.5.4) the one of ours that it likes most, of
    equal ones the first; None: none of ours."""
    likes: dict[Known, float] = {}
    for each in accepted[:_MOST_ACCEPTED].split(","):
        name, _, weight = each.partition(";")
        match name.strip().lower().partition("-")[0]:
            case "zh" | "en" as known:
                found = _WEIGHT.fullmatch(weight.strip()) if weight else None
                like = float(found[1]) if found else 0.0 if weight else 1.0
                likes[known] = max(likes.get(known, 0.0), like)
    return max((known for known, like in likes.items() if like > 0), key=lambda one: likes[one], default=None)


def asked_language(request: Request) -> Known | None:
    """As a query that may say anything has it; None: nothing that is known."""
    match request.query_params.get("lang"):
        case "zh" | "en" as known:
            return known
        case _:
            return None


Language = Annotated[str | None, Depends(language_of)]


class Views:
    """Renders a template in the language that was asked for, else in that of the settings."""

    def __init__(self, settings: ConsolePart, now_us: Callable[[], int]) -> None:
        self.now_us = now_us
        self._language = settings.language
        self._zone = ZoneInfo(settings.timezone)
        self._catalogues = load_catalogues()
        self._environments = {
            language: self._environment(language, catalogue)
            for language, catalogue in self._catalogues.items()
        }

    def said_in(self, language: str | None) -> Callable[[str], str]:
        """For what is no page: texts in the language that was asked for."""
        return self._catalogues[language or self._language].gettext

    def render(self, language: str | None, template: str, values: Mapping[str, Any]) -> str:
        environment = self._environments[language or self._language]
        today = local(self.now_us(), self._zone).date()
        return environment.get_template(template).render(today=today, **values)

    def _environment(self, language: str, catalogue: Catalogue) -> Environment:
        environment = Environment(
            loader=_loader(),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n", Marks],
        )
        environment.install_gettext_callables(  # type: ignore[attr-defined]
            catalogue.gettext, catalogue.ngettext, newstyle=True
        )
        environment.globals |= {
            "language": language,
            "troubles": words.TROUBLES,
            "kind_words": _words(catalogue, words.KINDS),
            "reason_words": _words(catalogue, words.REASONS),
            "cause_words": _words(catalogue, {**words.KINDS, **words.REASONS}),
            "category_words": _words(catalogue, words.CATEGORIES),
            "condition_words": _words(catalogue, words.CONDITIONS),
            "finding_words": _words(catalogue, words.FINDINGS),
            "role_words": _words(catalogue, words.ROLES),
            "alarm_words": _words(catalogue, words.ALARMS),
            "account_event_words": _words(catalogue, words.ACCOUNT_EVENTS),
            "action_words": _words(catalogue, words.ACTIONS),
            "why_words": _words(catalogue, words.WHYS),
            "standing_words": _words(catalogue, words.STANDINGS),
            "urgency_words": _words(catalogue, words.URGENCIES),
            "purpose_words": _words(catalogue, words.PURPOSES),
            "basis_words": _words(catalogue, words.BASES),
            "question_words": _words(catalogue, words.QUESTIONS),
            "act_words": _words(catalogue, words.ACTS),
            "field_words": _words(catalogue, words.FIELDS),
            "done_sentences": words.DONE,
            "stands_words": _words(catalogue, words.STANDS),
            "gap_words": _words(catalogue, words.GAPS),
            "covered": words.COVERED,
            "charts": charts,
            "pairs": lambda values, said: [(value, said(value)) for value in values],
            "frame_of": frame_of,
            "time": lambda at_us: f"{local(at_us, self._zone):%H:%M:%S}",
            "day": lambda at_us: f"{local(at_us, self._zone):%Y-%m-%d}",
        }
        return environment


def _loader() -> BaseLoader:
    """The frame's own templates by name, those of a page as `page/name`."""
    folders = sorted(folder for folder in _PAGES.glob("*/templates"))
    return ChoiceLoader(
        [
            FileSystemLoader(_TEMPLATES),
            PrefixLoader({folder.parent.name: FileSystemLoader(folder) for folder in folders}),
        ]
    )


def _words(catalogue: Catalogue, known: Mapping[Any, str]) -> Callable[[str], str]:
    """What the code has no sentence for is shown as it is."""
    return lambda word: catalogue.gettext(known.get(word, word))
