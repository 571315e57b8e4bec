"""API: people and where they live. Numbers and names come in bodies alone and go out masked."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, SecretStr
from sqlalchemy import Connection

from central.errors import BadQuestion
from central.given import In
from central.lookup.words import Through
from central.register import people
from central.register.api_words import (
    ANSWERS,
    MAX_ID,
    CommunityId,
    Day,
    Id,
    Made,
    Reason,
    RowId,
    Worker,
    text_of,
)
from central.register.office import Office
from central.register.people_found import (
    MaskedPerson,
    find_by_card,
    find_people,
    get_person,
    masked_by_id,
)
from central.register.place_tree import get_place, path_text, paths
from central.register.residencies import (
    Arrival,
    Residency,
    correct_residency,
    lived_where,
    living_in,
    move,
)
from central.register.words import Category, DocumentType, PersonState, Relation
from central.times import CalendarDay

_Secret = Annotated[SecretStr, Field(max_length=120)]


class PersonOut(BaseModel):
    """Masked: the first character of a name, the last of a number."""

    id: int
    name: str = Field(examples=["王**"])
    number: str | None = Field(examples=["****001X"])
    phone: str | None
    document: DocumentType
    category: Category
    state: PersonState
    merged_into: int | None
    registered: str | None
    deregistered: str | None

    @classmethod
    def of(cls, found: MaskedPerson) -> PersonOut:
        return cls(
            id=found.id,
            name=found.name,
            number=found.number,
            phone=found.phone,
            document=DocumentType(found.document),
            category=Category(found.category),
            state=PersonState(found.state),
            merged_into=found.merged_into,
            registered=text_of(found.created_us),
            deregistered=text_of(found.deregistered_us),
        )


class ResidencyOut(BaseModel):
    id: int
    person: int
    room: int
    path: str
    relation: Relation
    lease: int | None
    from_: str | None = Field(alias="from")
    until: str | None
    corrects: int | None = Field(description="the row that was wrong, in whose place this one stands")
    voided: bool = Field(description="was wrong from the beginning")


class HomesOut(PersonOut):
    homes: list[ResidencyOut]


class ResidentOut(BaseModel):
    person: PersonOut
    residency: ResidencyOut


class PersonIn(In):
    name: _Secret
    document: DocumentType = DocumentType.RESIDENT_ID
    number: _Secret | None = Field(None, description="none with the document `none`")
    phone: _Secret | None = None
    category: Category = Field(Category.RESIDENT, description="counts while they live nowhere here")


class CorrectionIn(Reason):
    """What is not named stays."""

    name: _Secret | None = None
    document: DocumentType | None = None
    number: _Secret | None = None
    phone: _Secret | None = None
    category: Category | None = None


class SearchIn(In):
    """By the whole of what is known; a card alone, as its reader writes it."""

    number: _Secret | None = None
    name: _Secret | None = None
    phone: _Secret | None = None
    card: Annotated[SecretStr, Field(max_length=512)] | None = None


class MergeIn(Reason):
    gone: Id = Field(description="the other row of the same human")


class ArrivalIn(In):
    person: Id
    room: Id
    relation: Relation
    lease: Id | None = None
    until: Day | None = Field(None, description="the first day on which they do not live there any more")


class MoveIn(Reason):
    """A household's move in one act: out of here, into there."""

    on: Day | None = Field(None, description="without one: now")
    out: Annotated[list[Id], Field(max_length=50)] = Field([], description="residencies")
    into: Annotated[list[ArrivalIn], Field(max_length=50)] = Field([])


class ResidencyCorrectionIn(Reason):
    instead: ArrivalIn | None = Field(None, description="without one: it was never so")
    since: Day | None = Field(None, description="without one: as the wrong one")


def router(office: Office) -> APIRouter:
    api = APIRouter(tags=["register: people"], responses=ANSWERS)
    here = "/communities/{community}"

    @api.post(here + "/people", status_code=201, summary="Register somebody (人来登记)")
    async def new_person(who: Worker, community: CommunityId, about: PersonIn) -> Made:
        made = await office.act(
            who,
            community,
            lambda desk: people.register_person(
                desk,
                name=about.name.get_secret_value(),
                document=about.document,
                number=_said(about.number),
                phone=_said(about.phone),
                category=about.category,
            ),
        )
        return Made(id=made)

    @api.post(here + "/people/search", summary="People by a whole number, name, telephone number or card")
    async def search(who: Worker, community: CommunityId, asked: SearchIn) -> list[PersonOut]:
        card = _said(asked.card)
        number, name, phone = _said(asked.number), _said(asked.name), _said(asked.phone)
        if card and (number or name or phone):
            raise BadQuestion("card", "a card is asked for alone")

        def question(db: Connection) -> list[MaskedPerson]:
            if card:
                return find_by_card(db, office.vault, community, card)
            return find_people(db, office.vault, community, number=number, name=name, phone=phone)

        def meant(found: list[MaskedPerson]) -> list[int]:
            return [each.id for each in found] if card or number or phone else []

        found = await office.ask_about(who, community, question, meant, Through.FOUND)
        return [PersonOut.of(each) for each in found]

    @api.get(here + "/people/{person}", summary="Somebody and all their homes")
    async def person(who: Worker, community: CommunityId, person: RowId) -> HomesOut:
        def question(db: Connection) -> HomesOut:
            found = PersonOut.of(get_person(db, office.vault, community, person))
            homes = _residencies(db, lived_where(db, community, person))
            return HomesOut(**found.model_dump(), homes=homes)

        return await office.ask_about(who, community, question, lambda _: [person])

    @api.post(here + "/people/{person}/corrections", status_code=204, summary="Correct what is written")
    async def correction(who: Worker, community: CommunityId, person: RowId, to: CorrectionIn) -> None:
        await office.act(
            who,
            community,
            lambda desk: people.correct_person(
                desk,
                person,
                reason=to.reason,
                name=_said(to.name),
                document=to.document,
                number=_said(to.number),
                phone=_said(to.phone),
                category=to.category,
            ),
        )

    @api.post(here + "/people/{person}/merge", status_code=204, summary="Two rows are one human")
    async def merge(who: Worker, community: CommunityId, person: RowId, wanted: MergeIn) -> None:
        await office.act(
            who,
            community,
            lambda desk: people.merge_people(desk, person, wanted.gone, reason=wanted.reason),
        )

    @api.post(here + "/people/{person}/deregister", status_code=204, summary="Deregister (人走注销)")
    async def deregister(who: Worker, community: CommunityId, person: RowId, why: Reason) -> None:
        """Homes and rights end at once; credentials open nothing, and are still to be returned."""
        await office.act(
            who, community, lambda desk: people.deregister_person(desk, person, reason=why.reason)
        )

    return api


def homes_router(office: Office) -> APIRouter:
    """Who lives where."""
    api = APIRouter(tags=["register: people"], responses=ANSWERS)
    here = "/communities/{community}"

    @api.get(here + "/places/{place}/residents", summary="Who lives in a place, or lived there on a day")
    async def residents(  # noqa: PLR0917  FastAPI passes them by name
        who: Worker,
        community: CommunityId,
        place: RowId,
        on: Annotated[CalendarDay | None, Query(description="without one: now")] = None,
        after: Annotated[int, Query(ge=0, le=MAX_ID, description="the last residency of a page")] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> list[ResidentOut]:
        from_us, until_us = office.day_or_now(on)

        def question(db: Connection) -> list[ResidentOut]:
            get_place(db, community, place)
            found = living_in(db, community, place, from_us, until_us, after=after, limit=limit)
            if not found:
                return []
            who_they_are = masked_by_id(db, office.vault, community, [each.person_id for each in found])
            return [
                ResidentOut(person=PersonOut.of(who_they_are[each.person_id]), residency=shown)
                for each, shown in zip(found, _residencies(db, found), strict=True)
            ]

        return await office.ask(who, community, question)

    @api.post(here + "/moves", status_code=201, summary="Move in, move out, or both in one act")
    async def moves(who: Worker, community: CommunityId, wanted: MoveIn) -> list[Made]:
        if not wanted.out and not wanted.into:
            raise BadQuestion("into", "nobody moves")
        at = office.moment(wanted.on)
        into = [_arrival(office, each) for each in wanted.into]
        made = await office.act(
            who,
            community,
            lambda desk: move(desk, wanted.out, into, at_us=at, reason=wanted.reason),
        )
        return [Made(id=each) for each in made]

    @api.post(here + "/residencies/{residency}/corrections", summary="Correct who lived where")
    async def residency_correction(
        who: Worker, community: CommunityId, residency: RowId, wanted: ResidencyCorrectionIn
    ) -> Made | None:
        """The wrong row stays and is marked; null: nothing stands in its place."""
        instead = None if wanted.instead is None else _arrival(office, wanted.instead)
        made = await office.act(
            who,
            community,
            lambda desk: correct_residency(
                desk, residency, reason=wanted.reason, instead=instead, since_us=office.end(wanted.since)
            ),
        )
        return None if made is None else Made(id=made)

    return api


def _said(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()


def _arrival(office: Office, wanted: ArrivalIn) -> Arrival:
    return Arrival(wanted.person, wanted.room, wanted.relation, wanted.lease, office.end(wanted.until))


def _residencies(db: Connection, found: list[Residency]) -> list[ResidencyOut]:
    named = paths(db, [each.place_id for each in found])
    return [
        ResidencyOut.model_validate(
            {
                "id": each.id,
                "person": each.person_id,
                "room": each.place_id,
                "path": path_text(named[each.place_id]),
                "relation": each.relation,
                "lease": each.tenancy_id,
                "from": text_of(each.from_us),
                "until": text_of(each.until_us),
                "corrects": each.corrects,
                "voided": each.voided_us is not None,
            }
        )
        for each in found
    ]
