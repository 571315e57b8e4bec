"""The live page: entries as they arrive, and how complete each gateway is, in two languages."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from central.console import words
from central.console.catalogue import Catalogue, load_catalogues
from central.fleet.completeness import Completeness, completeness
from central.lookup.entries import Entry, newest
from central.lookup.feed import as_events, follow
from central.settings import ConsolePart
from central.store.questions import Questions
from central.times import local

ROWS = 100
_TEMPLATES = Path(__file__).parent / "templates"
Language = Annotated[Literal["zh", "en"] | None, Query(alias="lang")]


def router(questions: Questions, settings: ConsolePart, stopping: threading.Event) -> APIRouter:
    pages = APIRouter()
    views = {
        language: _View(language, catalogue, ZoneInfo(settings.timezone))
        for language, catalogue in load_catalogues().items()
    }

    def view(language: str | None) -> _View:
        return views[language or settings.language]

    @pages.get("/", response_class=HTMLResponse)
    async def live_page(lang: Language = None) -> str:
        entries, gateways = await questions.ask(lambda db: (newest(db, ROWS), completeness(db)))
        return view(lang).page(entries, gateways)

    @pages.get("/parts/gateways", response_class=HTMLResponse)
    async def gateways_part(lang: Language = None) -> str:
        return view(lang).gateways(await questions.ask(completeness))

    @pages.get("/parts/entries")
    async def entries_stream(
        request: Request,
        after: Annotated[int, Query(ge=0, le=2**62)],
        last_event_id: Annotated[str | None, Header(pattern=r"^\d{1,18}$")] = None,
        lang: Language = None,
    ) -> StreamingResponse:
        start = int(last_event_id) if last_event_id is not None else after
        found = follow(questions, start, stopping, request.is_disconnected)

        async def as_rows(entries: Sequence[Entry]) -> list[str]:
            gateways = await questions.ask(completeness)
            return [view(lang).row(entry, gateways) for entry in entries]

        return StreamingResponse(as_events(found, as_rows), media_type="text/event-stream")

    return pages


class _View:
    """Renders in one language and time zone."""

    def __init__(self, language: str, catalogue: Catalogue, zone: tzinfo) -> None:
        self._zone = zone
        self._environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        self._environment.install_gettext_callables(  # type: ignore[attr-defined]
            catalogue.gettext, catalogue.ngettext, newstyle=True
        )
        self._environment.globals |= {
            "language": language,
            "rows_kept": ROWS,
            "troubles": words.TROUBLES,
            "kind_words": _words(catalogue, words.KINDS),
            "reason_words": _words(catalogue, words.REASONS),
            "category_words": _words(catalogue, words.CATEGORIES),
            "condition_words": _words(catalogue, words.CONDITIONS),
            "finding_words": _words(catalogue, words.FINDINGS),
            "time": self._time,
            "day": self._day,
        }

    def page(self, entries: Sequence[Entry], gateways: Sequence[Completeness]) -> str:
        newest_id = entries[0].id if entries else 0
        entries = sorted(entries, key=lambda entry: entry.at_us, reverse=True)
        return self._render(
            "live.html", entries=entries, places=_places(gateways), gateways=gateways, newest_id=newest_id
        )

    def gateways(self, gateways: Sequence[Completeness]) -> str:
        return self._render("gateways.html", gateways=gateways)

    def row(self, entry: Entry, gateways: Sequence[Completeness]) -> str:
        return self._render("row.html", entry=entry, places=_places(gateways))

    def _render(self, template: str, **values: Any) -> str:
        today = datetime.now(self._zone).date()
        return self._environment.get_template(template).render(today=today, **values)

    def _time(self, at_us: int) -> str:
        return f"{local(at_us, self._zone):%H:%M:%S}"

    def _day(self, at_us: int) -> str:
        return f"{local(at_us, self._zone):%Y-%m-%d}"


def _words(catalogue: Catalogue, known: Mapping[str, str]) -> Callable[[str], str]:
    """What the code has no sentence for is shown as it is."""
    return lambda word: catalogue.gettext(known.get(word, word))


def _places(gateways: Sequence[Completeness]) -> Mapping[tuple[str, str], Completeness]:
    return {(found.site, found.name): found for found in gateways}
