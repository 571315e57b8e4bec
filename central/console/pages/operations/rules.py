"""The rules that raise alarms, and what a rule would have raised in the past, before it is switched on."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from central.accounts.book import sites_of
from central.accounts.who import Role, Who
from central.alarms import book
from central.alarms.back_test import Tried, try_on_the_past
from central.alarms.kinds import BY_STATE, DEFAULT_LIMITS, AlarmKind, Urgency
from central.alarms.rules import EVERYWHERE, Rule
from central.console.centre import Centre
from central.console.forms import Done, Text, led_to, status_of
from central.console.guard import page_for
from central.console.labels import Labels, labels_of
from central.console.views import Language
from central.console.words import N_
from central.errors import BadQuestion, NotThere

Operator = Annotated[Who, page_for(Role.OPERATOR)]
_DAY_US: Final = 86_400_000_000
BACK_DAYS: Final = 30
MOST_SHOWN: Final = 20
AFTER: Final = "after_s"
NOT_TRIED: Final = N_("this kind follows from how gateways are now; of that no past is kept")
NOT_A_NUMBER: Final = N_("seconds are a whole number, up to 31 days")


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/operations/rules", response_class=HTMLResponse, summary="Rules that raise alarms")
    async def rules_page(who: Operator, done: Done = None, lang: Language = None) -> HTMLResponse:
        return await shown(who, lang, done=done)

    @pages.post("/operations/rules", summary="Try a rule on the past, or switch it on")
    async def asked_for(  # noqa: PLR0917  FastAPI passes them by name
        who: Operator,
        kind: Annotated[AlarmKind, Form()],
        site: Text,
        urgency: Annotated[Urgency, Form()],
        after_s: Text = "",
        act: Text = "try",
        lang: Language = None,
    ) -> Response:
        said = {"kind": kind, "site": site, "urgency": urgency, "after_s": after_s}
        try:
            limits = _limits(kind, after_s)
            if act == "begin":
                await centre.changes.make(lambda db: _begin(centre, db, who, said, limits))
                return led_to("/operations/rules", "rule")
            rule = Rule(0, kind, site, urgency, book.checked_limits(kind, limits))
            tried = await centre.questions.ask(lambda db: _tried(centre, db, who, rule))
        except BadQuestion as error:
            return await shown(who, lang, error, said=said)
        return await shown(who, lang, said=said, tried=tried)

    async def shown(
        who: Who,
        lang: str | None,
        error: BadQuestion | None = None,
        *,
        said: dict[str, Any] | None = None,
        tried: Tried | None = None,
        done: str | None = None,
    ) -> HTMLResponse:
        def asked(db: Connection) -> tuple[list[Rule], list[str], Labels]:
            sites = sites_of(db, who.communities)
            here = {EVERYWHERE, *sites}
            rules = [each for each in book.rules_in_force(db) if each.site in here]
            return rules, list(sites), labels_of(db, who.communities)

        rules, sites, labels = await centre.questions.ask(asked)
        blank = {"kind": AlarmKind.HELD, "site": sites[0] if sites else "", "urgency": Urgency.TODAY}
        values: dict[str, Any] = {
            "rules": rules,
            "sites": sites,
            "kinds": list(AlarmKind),
            "tried": tried,
            "just_done": done,
        }
        values |= {
            "said": said or {**blank, "after_s": ""},
            "days": BACK_DAYS,
            "most": MOST_SHOWN,
            "labels": labels,
        }
        values |= {"urgencies": list(Urgency), "tolerant": set(DEFAULT_LIMITS)}
        values["told"] = None if error is None else NOT_TRIED if error.field == "kind" else NOT_A_NUMBER
        status = status_of(error)
        return centre.show(who, lang, "operations/rules.html", "rules", status=status, **values)

    return pages


def _limits(kind: AlarmKind, after_s: str) -> dict[str, int]:
    """Raises BadQuestion."""
    if kind not in DEFAULT_LIMITS or not after_s.strip():
        return {}
    if not after_s.strip().isdecimal():
        raise BadQuestion(AFTER, "is a whole number of seconds")
    return {AFTER: int(after_s.strip()[:12])}


def _begin(centre: Centre, db: Connection, who: Who, said: dict[str, Any], limits: dict[str, int]) -> None:
    """Raises NotThere for a site of others, BadQuestion."""
    if said["site"] not in sites_of(db, who.communities):
        raise NotThere("there is no such site")
    book.begin_rule(
        db,
        said["kind"],
        said["site"],
        urgency=said["urgency"],
        limits=limits,
        made_by=who.by,
        now_us=centre.now_us(),
    )


def _tried(centre: Centre, db: Connection, who: Who, rule: Rule) -> Tried:
    """Raises NotThere for a site of others, BadQuestion."""
    sites = sites_of(db, who.communities)
    if rule.site not in sites:
        raise NotThere("there is no such site")
    if rule.kind in BY_STATE:
        raise BadQuestion("kind", NOT_TRIED)
    now_us = centre.now_us()
    return try_on_the_past(db, rule, sites, now_us - BACK_DAYS * _DAY_US, now_us + 1, zone=centre.zone)
