"""API: alarms, who has seen to them, the rules that raise them, and the programs that are told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from central.accounts.book import sites_of
from central.accounts.guard import requires
from central.accounts.who import Role, Who
from central.alarms import book, integrity, webhooks
from central.alarms.back_test import MAX_DAYS, Tried, try_on_the_past
from central.alarms.book import Alarm
from central.alarms.integrity import Declared
from central.alarms.kinds import AlarmKind, Urgency
from central.alarms.rules import EVERYWHERE, Rule
from central.alarms.webhooks import Webhook
from central.errors import BadQuestion, NotThere
from central.given import In
from central.problems import RESPONSES, documented
from central.store.changes import Changes
from central.store.questions import Questions
from central.times import Moment, micros, utc_text

_NAME = r"^[a-z0-9][a-z0-9-]{0,31}$"
_SITE = r"^(\*|[a-z0-9][a-z0-9-]{0,31})$"
_MAX_PAGE = 500
_CLASH: dict[int | str, dict[str, Any]] = {409: documented("It was done already")}
_NOT_THERE: dict[int | str, dict[str, Any]] = {404: documented("There is no such thing")}

Watcher = Annotated[Who, requires(Role.OPERATOR, Role.OFFICER, Role.SUPERVISOR, Role.INSTALLER)]
Operator = Annotated[Who, requires(Role.OPERATOR)]
SeesTo = Annotated[Who, requires(Role.OPERATOR, Role.OFFICER)]
Declares = Annotated[Who, requires(Role.OPERATOR, fresh=True)]
Number = Annotated[int, InPath(ge=1, le=2**53)]
Limits = Annotated[
    dict[str, Annotated[int, Field(ge=0, le=book.MAX_LIMIT)]],
    Field(max_length=8, description="names and numbers as `kinds` lists them", examples=[{"after_s": 60}]),
]


class RecordOut(BaseModel):
    epoch: int
    seq: int


class AlarmOut(BaseModel):
    """About a door, a device or a gateway; never about a person."""

    id: int
    kind: AlarmKind
    urgency: Urgency
    site: str
    gateway: str
    door: str | None
    device: str | None = Field(
        description="a reader, what of the records is wrong, or plan/day/start of a round"
    )
    began_at: str = Field(description="by the gateway's clock, UTC")
    last_at: str
    noticed_at: str = Field(description="by the centre's clock, UTC")
    count: int = Field(description="how often it happened while it lasted")
    over_at: str | None = Field(description="null: it lasts")
    seen_at: str | None
    seen_by: str | None
    note: str | None
    rule: int
    records: list[RecordOut] = Field(description="the first 20 that it rests on; only where one is asked for")
    declared: DeclaredOut | None = Field(
        None, description="how an alarm of kind `integrity` ended; only where one is asked for"
    )

    @classmethod
    def of(cls, found: Alarm, declared: Declared | None = None) -> AlarmOut:
        return cls(
            declared=None if declared is None else DeclaredOut.of(declared),
            id=found.id,
            kind=found.kind,
            urgency=found.urgency,
            site=found.site,
            gateway=found.gateway,
            door=found.door,
            device=found.device,
            began_at=utc_text(found.began_us),
            last_at=utc_text(found.last_us),
            noticed_at=utc_text(found.noticed_us),
            count=found.count,
            over_at=_text(found.over_us),
            seen_at=_text(found.seen_us),
            seen_by=found.seen_by,
            note=found.note,
            rule=found.rule_id,
            records=[RecordOut(epoch=epoch, seq=seq) for epoch, seq in found.records],
        )


class AlarmsOut(BaseModel):
    alarms: list[AlarmOut]
    next_before: int | None = Field(description="pass it as `before` for the next page; null: this was all")


class SeenIn(In):
    note: Annotated[str, Field(max_length=book.MAX_NOTE, description="what was found or done; no names")] = ""


class DeclarationIn(In):
    """What was found and done about records that do not fit together; no names."""

    count: Annotated[int, Field(ge=1, le=2**53, description="`count` of the alarm that was looked at")]
    found: Annotated[
        str, Field(min_length=1, max_length=integrity.MAX_TEXT, examples=["磁盘更换时一段日志损坏"])
    ]
    done: Annotated[
        str, Field(min_length=1, max_length=integrity.MAX_TEXT, examples=["已更换磁盘，现场核对"])
    ]


class DeclaredOut(BaseModel):
    at: str
    by: str
    count: int
    found: str
    done: str

    @classmethod
    def of(cls, said: Declared) -> DeclaredOut:
        return cls(at=utc_text(said.at_us), by=said.by, count=said.count, found=said.found, done=said.done)


class RuleIn(In):
    kind: AlarmKind
    site: Annotated[str, Field(pattern=_SITE, examples=["riverside"])]
    urgency: Urgency | None = Field(None, description="null: the usual one")
    limits: Limits = {}  # noqa: RUF012  pydantic copies it


class RuleOut(BaseModel):
    id: int
    kind: AlarmKind
    site: str = Field(description="* is everywhere; a site's own rule goes before that")
    urgency: Urgency
    limits: dict[str, int]

    @classmethod
    def of(cls, rule: Rule) -> RuleOut:
        return cls(id=rule.id, kind=rule.kind, site=rule.site, urgency=rule.urgency, limits=dict(rule.limits))


class BackTestIn(RuleIn):
    from_: Annotated[Moment, Field(alias="from", examples=["2026-11-01T00:00:00+08:00"])]
    until: Annotated[Moment, Field(examples=["2026-11-24T00:00:00+08:00"])]


class TriedOut(BaseModel):
    gateway: str
    door: str | None
    device: str | None
    began_at: str
    over_at: str | None
    count: int


class BackTestOut(BaseModel):
    alarms: int = Field(description="that this rule would have raised")
    records: int = Field(description="that it looked at; of guard tours, rounds")
    first: list[TriedOut] = Field(description="the first 100 of them")

    @classmethod
    def of(cls, tried: Tried) -> BackTestOut:
        first = [
            TriedOut(
                gateway=tried.names.get(each.gateway_id, "?"),
                door=each.door,
                device=each.device,
                began_at=utc_text(each.began_us),
                over_at=_text(each.over_us),
                count=each.count,
            )
            for each in tried.alarms[:100]
        ]
        return cls(alarms=len(tried.alarms), records=tried.records, first=first)


class WebhookIn(In):
    site: Annotated[str, Field(pattern=_NAME, examples=["riverside"])]
    url: Annotated[str, Field(max_length=webhooks.MAX_URL, examples=["https://desk.example/alarms"])]
    kinds: Annotated[list[AlarmKind], Field(max_length=len(AlarmKind), description="empty: all")] = []  # noqa: RUF012


class WebhookOut(BaseModel):
    id: int
    site: str
    url: str
    kinds: list[AlarmKind]

    @classmethod
    def of(cls, found: Webhook) -> WebhookOut:
        return cls(id=found.id, site=found.site, url=found.url, kinds=list(found.kinds))


def router(questions: Questions, changes: Changes, now_us: Callable[[], int]) -> APIRouter:
    api = APIRouter(tags=["alarms"])

    @api.get("/alarms", responses=RESPONSES, summary="Alarms, the newest first")
    async def alarms(
        who: Watcher,
        unseen: Annotated[bool, Query(description="only those that nobody has seen to")] = False,  # noqa: FBT002
        lasting: Annotated[bool, Query(description="only those that are not over")] = False,  # noqa: FBT002
        before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
        limit: Annotated[int, Query(ge=1, le=_MAX_PAGE)] = 100,
    ) -> AlarmsOut:
        found = await questions.ask(
            lambda db: book.alarms(
                db,
                sites_of(db, who.communities),
                now_us(),
                unseen=unseen,
                lasting_only=lasting,
                before=before,
                limit=limit + 1,
            )
        )
        page = found[:limit]
        more = page[-1].id if len(found) > limit else None
        return AlarmsOut(alarms=[AlarmOut.of(each) for each in page], next_before=more)

    @api.get("/alarms/{alarm}", responses={**RESPONSES, **_NOT_THERE}, summary="One alarm and its records")
    async def one(alarm: Number, who: Watcher) -> AlarmOut:
        def ask(db: Connection) -> AlarmOut:
            found = book.one_alarm(db, alarm, sites_of(db, who.communities), now_us())
            return AlarmOut.of(found, integrity.declared_of(db, [alarm]).get(alarm))

        return await questions.ask(ask)

    @api.post(
        "/alarms/{alarm}/seen",
        responses={**RESPONSES, **_NOT_THERE, **_CLASH},
        summary="Somebody has seen to it",
    )
    async def seen(alarm: Number, asked: SeenIn, who: SeesTo) -> AlarmOut:
        def change(db: Connection) -> Alarm:
            sites = sites_of(db, who.communities)
            found = book.see_to(db, alarm, sites, who=who.by, note_=asked.note.strip(), now_us=now_us())
            webhooks.announce_seen(db, alarm, now_us())
            return found

        return AlarmOut.of(await changes.make(change))

    @api.post(
        "/alarms/{alarm}/unseen",
        responses={**RESPONSES, **_NOT_THERE, **_CLASH},
        summary="Undo that one has seen to it, a moment later",
    )
    async def unseen(alarm: Number, who: SeesTo) -> AlarmOut:
        """By whoever said so, within a quarter of an hour; what was declared stands."""

        def change(db: Connection) -> Alarm:
            sites = sites_of(db, who.communities)
            book.take_back_seen(db, alarm, sites, who=who.by, now_us=now_us())
            webhooks.announce_unseen(db, alarm, now_us())
            return book.one_alarm(db, alarm, sites, now_us())

        return AlarmOut.of(await changes.make(change))

    @api.post(
        "/alarms/{alarm}/declare",
        responses={**RESPONSES, **_NOT_THERE, **_CLASH},
        summary="End an alarm about records that do not fit together",
    )
    async def declare(alarm: Number, asked: DeclarationIn, who: Declares) -> AlarmOut:
        """Under the name of whoever says so, with what was found and done. What was found stays: the
        gateway's records are not called complete again, and whatever else is found raises another alarm."""

        def change(db: Connection) -> AlarmOut:
            sites = sites_of(db, who.communities)
            ended = integrity.declare(
                db,
                alarm,
                sites,
                count=asked.count,
                found=asked.found,
                done=asked.done,
                by=who.by,
                now_us=now_us(),
            )
            webhooks.announce_over(db, alarm, now_us())
            return AlarmOut.of(ended, integrity.declared_of(db, [alarm])[alarm])

        return await changes.make(change)

    return api


def rules_router(
    questions: Questions, changes: Changes, now_us: Callable[[], int], zone: tzinfo
) -> APIRouter:
    api = APIRouter(tags=["alarms"])

    @api.get("/alarm-rules", responses=RESPONSES, summary="The rules in force")
    async def rules(who: Watcher) -> list[RuleOut]:
        def ask(db: Connection) -> list[Rule]:
            sites = {EVERYWHERE, *sites_of(db, who.communities)}
            return [rule for rule in book.rules_in_force(db) if rule.site in sites]

        return [RuleOut.of(rule) for rule in await questions.ask(ask)]

    @api.post(
        "/alarm-rules",
        responses={**RESPONSES, **_NOT_THERE},
        status_code=201,
        summary="A rule, in the place of the site's former one",
    )
    async def begin(asked: RuleIn, who: Operator) -> RuleOut:
        def change(db: Connection) -> Rule:
            _refuse_foreign(db, asked.site, who)
            return book.begin_rule(
                db,
                asked.kind,
                asked.site,
                urgency=asked.urgency,
                limits=asked.limits,
                made_by=who.by,
                now_us=now_us(),
            )

        return RuleOut.of(await changes.make(change))

    @api.delete(
        "/alarm-rules/{rule}",
        responses={**RESPONSES, **_NOT_THERE, **_CLASH},
        status_code=204,
        summary="Nothing is raised by it any more",
    )
    async def end(rule: Number, who: Operator) -> None:
        def change(db: Connection) -> None:
            known = {each.id: each for each in book.rules_in_force(db)}.get(rule)
            if known is None:
                raise NotThere("there is no such rule in force")
            _refuse_foreign(db, known.site, who)
            book.end_rule(db, rule, now_us())

        await changes.make(change)

    @api.post(
        "/alarm-rules/back-test",
        responses={**RESPONSES, **_NOT_THERE},
        summary=f"What a rule would have raised, over {MAX_DAYS} days at most",
    )
    async def back_test(asked: BackTestIn, who: Operator) -> BackTestOut:
        from_us, until_us = _moment("from", asked.from_), _moment("until", asked.until)

        def ask(db: Connection) -> Tried:
            _refuse_foreign(db, asked.site, who)
            limits = book.checked_limits(asked.kind, asked.limits)
            rule = Rule(0, asked.kind, asked.site, asked.urgency or Urgency.NOTED, limits)
            return try_on_the_past(db, rule, sites_of(db, who.communities), from_us, until_us, zone=zone)

        return BackTestOut.of(await questions.ask(ask))

    return api


def webhooks_router(questions: Questions, changes: Changes, now_us: Callable[[], int]) -> APIRouter:
    api = APIRouter(tags=["alarms"])

    @api.get("/webhooks", responses=RESPONSES, summary="The programs that are told of alarms")
    async def hooks(who: Operator) -> list[WebhookOut]:
        found = await questions.ask(lambda db: webhooks.webhooks(db, sites_of(db, who.communities)))
        return [WebhookOut.of(each) for each in found]

    @api.post("/webhooks", responses={**RESPONSES, **_NOT_THERE}, status_code=201, summary="Tell a program")
    async def add(asked: WebhookIn, who: Operator) -> WebhookOut:
        def change(db: Connection) -> Webhook:
            _refuse_foreign(db, asked.site, who)
            return webhooks.add_webhook(
                db, asked.site, asked.url, kinds=tuple(asked.kinds), made_by=who.by, now_us=now_us()
            )

        return WebhookOut.of(await changes.make(change))

    @api.delete(
        "/webhooks/{webhook}",
        responses={**RESPONSES, **_NOT_THERE},
        status_code=204,
        summary="Tell it no more",
    )
    async def stop(webhook: Number, who: Operator) -> None:
        await changes.make(
            lambda db: webhooks.end_webhook(db, webhook, sites_of(db, who.communities), now_us())
        )

    return api


def _refuse_foreign(connection: Connection, site: str, who: Who) -> None:
    """Raises NotThere. Rules for everywhere are the operator's of the installation, by the command line."""
    if site not in sites_of(connection, who.communities):
        raise NotThere("there is no such site")


def _moment(field: str, at: datetime) -> int:
    try:
        return micros(at)
    except ValueError as error:
        raise BadQuestion(field, str(error)) from None


def _text(at_us: int | None) -> str | None:
    return None if at_us is None else utc_text(at_us)
