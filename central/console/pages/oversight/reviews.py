"""Look-ups to review: every emergency, all that is wide or was taken out, and a share of the others."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response

from central.accounts.book import staff_names
from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.forms import Done, RowId, Text, led_to, status_of
from central.console.guard import page_for
from central.console.labels import labels_of
from central.console.pages.oversight.asker import asker_of, reason_fault, told, where_of
from central.console.views import Language
from central.console.words import N_
from central.errors import BadQuestion, CentralError, NotAllowed
from central.honey import touches
from central.lookup import reviews
from central.lookup.rules import Asker, checked_why
from central.lookup.words import Happened

Supervisor = Annotated[Who, page_for(Role.SUPERVISOR)]
_DAY_US: Final = 86_400_000_000
DAYS: Final = (30, 90, 366)
WHY: Final[dict[str, str]] = {
    "emergency": N_("emergency"),
    "wide": N_("wide"),
    "exported or held": N_("taken out or held"),
    "told later": N_("told later"),
    "sample": N_("by chance"),
}
"""Why a look-up is reviewed."""


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/oversight/reviews", response_class=HTMLResponse, summary="Look-ups to review")
    async def reviews_page(
        request: Request,
        who: Supervisor,
        days: Annotated[int, Query(ge=1, le=366)] = DAYS[0],
        done: Done = None,
        lang: Language = None,
    ) -> HTMLResponse:
        return await shown(request, who, lang, days, done=done)

    @pages.post("/oversight/reviews/{number}", summary="Review a look-up")
    async def reviewed(  # noqa: PLR0917  FastAPI passes them by name
        request: Request,
        who: Supervisor,
        number: RowId,
        explained: Annotated[bool, Form()],
        why: Text = "",
        days: Annotated[int, Form(ge=1, le=366)] = DAYS[0],
        sure: Text = "",
        lang: Language = None,
    ) -> Response:
        """What makes somebody's look-ups rest is asked once more."""
        supervisor, now_us = await asker_of(centre, who, request), centre.now_us()
        if not explained:
            due = _due(await every_one(supervisor, now_us, days))
            if number not in {each.row.id for each in due}:  # somebody else has just found it explained
                gone = NotAllowed("nobody waits for this review any more")
                return await shown(request, who, lang, days, error=gone, at=number)
        try:
            checked_why(why)
            if not explained and not sure:
                return await shown(request, who, lang, days, at=number, typed=why, doubts=True)
            await centre.look_ups.record(
                lambda db: reviews.review(
                    db, supervisor, number, explained=explained, why=why.strip(), now_us=now_us
                )
            )
        except (BadQuestion, NotAllowed) as error:
            return await shown(request, who, lang, days, error=error, at=number, typed=why, doubts=bool(sure))
        return led_to(f"/oversight/reviews?days={days}", "explained" if explained else "unexplained")

    async def every_one(supervisor: Asker, now_us: int, days: int) -> list[reviews.Due]:
        zone, since_us = centre.look_ups.zone, now_us - days * _DAY_US
        return await centre.questions.ask(
            lambda db: reviews.to_review(db, supervisor, since_us, zone=zone, now_us=now_us, all_of_them=True)
        )

    async def shown(
        request: Request,
        who: Who,
        lang: str | None,
        days: int,
        *,
        error: CentralError | None = None,
        at: int | None = None,
        typed: str = "",
        doubts: bool = False,
        done: str | None = None,
    ) -> HTMLResponse:
        """`at`: the look-up that `error` is about, or, with `doubts`, that is to be found not explained;
        `typed`: why."""
        supervisor = await asker_of(centre, who, request)
        every = await every_one(supervisor, centre.now_us(), days)
        names = await centre.questions.ask(lambda db: staff_names(db, who.communities))
        touched = await centre.questions.ask(lambda db: touches.unseen(db, who.communities))
        labels = await centre.questions.ask(lambda db: labels_of(db, who.communities))
        due = _due(every)
        unexplained = sum(each.reviewed is not None for each in due)
        values: dict[str, Any] = {"due": due, "done": len(every) - len(due), "days": days, "choices": DAYS}
        values |= {"waiting": len(due) - unexplained, "unexplained": unexplained}
        values |= {
            "names": names,
            "where_of": partial(where_of, labels),
            "why_words": WHY,
            "at": at,
            "just_done": done,
            "typed": typed,
            "doubts": doubts,
        }
        fault = reason_fault(error)
        values |= {
            "fault": fault,
            "told": None if error is None or fault else told(error),
            "touched": touched,
        }
        status = status_of(error)
        return centre.show(who, lang, "oversight/reviews.html", "reviews", status=status, **values)

    return pages


def _due(every: Iterable[reviews.Due]) -> list[reviews.Due]:
    return [each for each in every if each.reviewed is not Happened.EXPLAINED]
