"""The register of look-ups as it stands: every event, the newest first, each bound to the one before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection, select

from central.accounts.book import staff_names
from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.guard import page_for
from central.console.pages.oversight.asker import asker_of
from central.console.views import Language
from central.console.words import N_
from central.lookup.states import events_page
from central.lookup.words import Happened
from central.store.lookup_tables import look_up
from central.times import micros

Supervisor = Annotated[Who, page_for(Role.SUPERVISOR)]
HAPPENED: Final[dict[str, str]] = {
    Happened.ASKED: N_("asked"),
    Happened.NOT_ASKED: N_("refused before it was asked"),
    Happened.ANSWERED: N_("was answered"),
    Happened.APPROVAL_ASKED: N_("asked for a second person"),
    Happened.APPROVED: N_("approved"),
    Happened.REFUSED: N_("not approved"),
    Happened.REVEALED: N_("revealed a field"),
    Happened.EXPORTED: N_("took a file out"),
    Happened.HELD: N_("held for a case"),
    Happened.HOLD_ENDED: N_("hold ended"),
    Happened.EXPLAINED: N_("reviewed: explained"),
    Happened.UNEXPLAINED: N_("reviewed: not explained"),
    Happened.LIMIT_RAISED: N_("raised a limit"),
    Happened.OWN_READ: N_("read what concerns themselves"),
    Happened.HONEY_PLANTED: N_("planted a honey record"),
    Happened.HONEY_TOUCHED: N_("touched a honey record"),
    Happened.HONEY_SEEN: N_("saw to an alarm about a honey record"),
    Happened.HONEY_REMOVED: N_("removed a honey record"),
}

_LOOKS: Final = frozenset({Happened.ANSWERED, Happened.OWN_READ})
"""What happens again with each look at a page."""

_SAME_WITHIN_US: Final = 5 * 60_000_000


@dataclass(frozen=True, slots=True)
class Line:
    """Events in a row, newest first, that a page tells as one: looks of one account at the same, each within
    five minutes of the next. Any other event is alone."""

    events: tuple[Mapping[str, Any], ...]

    @property
    def newest(self) -> Mapping[str, Any]:
        return self.events[0]

    @property
    def oldest(self) -> Mapping[str, Any]:
        return self.events[-1]


def lines_of(rows: Sequence[Mapping[str, Any]]) -> list[Line]:
    """`rows`: of the register, newest first, with `at_us`. Each stands in one line. Pure."""
    lines: list[Line] = []
    for row in rows:
        if lines and _is_same(lines[-1].oldest, row):
            lines[-1] = Line((*lines[-1].events, row))
        else:
            lines.append(Line((row,)))
    return lines


def _is_same(later: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    looked = row["kind"] in _LOOKS and later["at_us"] - row["at_us"] <= _SAME_WITHIN_US
    return looked and _look(later) == _look(row)


def _look(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Who looked at what, and from where. How complete an answer was may change from one look to the next."""
    facts = row["facts"]
    said = {"records", "by", "after"} if row["kind"] == Happened.ANSWERED else facts.keys()
    return row["kind"], row["account"], row["look_up"], {each: facts.get(each) for each in said}


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/oversight/register", response_class=HTMLResponse, summary="The register of look-ups")
    async def register_page(
        request: Request,
        who: Supervisor,
        before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
        number: Annotated[int | None, Query(ge=1, le=2**53, alias="look_up")] = None,
        lang: Language = None,
    ) -> HTMLResponse:
        """`look_up`: of one look-up alone."""
        supervisor = await asker_of(centre, who, request)

        def asked(db: Connection) -> tuple[list[dict[str, Any]], int | None, dict[int, Any], dict[int, str]]:
            rows, further = events_page(db, supervisor, before, number)
            numbers = {row["look_up"] for row in rows if row["look_up"]}
            found = db.execute(select(look_up).where(look_up.c.id.in_(numbers)))
            return rows, further, {row.id: row for row in found}, staff_names(db, who.communities)

        rows, further, look_ups, names = await centre.questions.ask(asked)
        for row in rows:
            row["at_us"] = micros(datetime.fromisoformat(row["at"]))
        values: dict[str, Any] = {
            "lines": lines_of(rows),
            "further": further,
            "look_ups": look_ups,
            "names": names,
        }
        values |= {"number": number, "happened": HAPPENED}
        return centre.show(who, lang, "oversight/register.html", "look-up-register", **values)

    return pages
