"""What a case file calls places, people who work there and kinds of things: as pages do, in one language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection

from central.accounts.book import staff_names
from central.console import words
from central.console.labels import labels_of
from central.console.pages.look_up.answer import NOTES
from central.console.views import Views
from central.console.words import N_
from central.lookup.case_file import Called, Vocabulary
from central.register.place_tree import is_room, path_text, paths

_KNOWN: Final[Mapping[Vocabulary, Mapping[str, str]]] = {
    Vocabulary.PURPOSE: words.PURPOSES,
    Vocabulary.BASIS: words.BASES,
    Vocabulary.QUESTION: words.QUESTIONS,
    Vocabulary.EVENT: words.KINDS,
    Vocabulary.REASON: words.REASONS,
    Vocabulary.CATEGORY: words.CATEGORIES,
    Vocabulary.DIRECTION: {"in": N_("in"), "out": N_("out")},
    Vocabulary.CREDENTIAL: words.CARDS,
    Vocabulary.NOTE: NOTES,
}


class CaseWords:
    """For API and pages alike."""

    def __init__(self, views: Views) -> None:
        self._views = views

    def __call__(self, connection: Connection, community: int, language: str | None) -> Called:
        """`language` None: that of the settings."""
        say = self._views.said_in(language)
        labels = labels_of(connection, [community])
        names = staff_names(connection, [community], numbered=True)

        def room(number: int) -> str:
            way = paths(connection, [number]).get(number) if is_room(connection, community, number) else None
            return path_text(way) if way else str(number)

        return Called(
            word=lambda of, code: say(_KNOWN[of].get(code, code)),
            site=labels.site,
            gateway=lambda site, name: labels.gateways.get((site, name), name),
            door=lambda site, name, door: labels.doors.get((site, name, door), door),
            room=room,
            person=lambda number: names.get(number, str(number)),
        )
