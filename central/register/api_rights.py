"""API: credentials and their life, groups of doors and who may pass them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field, SecretStr
from sqlalchemy import Connection

from central.given import In
from central.register.api_words import (
    ANSWERS,
    CommunityId,
    Day,
    Id,
    Made,
    Name,
    Reason,
    RowId,
    Short,
    Words,
    Worker,
    text_of,
)
from central.register.credential_life import TRANSITIONS, CredentialAct, CredentialState, PinAct
from central.register.credentials import (
    Credential,
    CredentialKind,
    LifeEvent,
    change,
    credentials_of,
    history_of,
    issue,
    person_of,
)
from central.register.groups import (
    Door,
    Group,
    Right,
    Whose,
    create_group,
    end_group,
    end_right,
    grant,
    groups,
    set_doors,
)
from central.register.office import Office
from central.register.pins import set_pin, take_pin_away
from central.register.words import Category


class CredentialOut(BaseModel):
    id: int
    person: int
    kind: CredentialKind
    hint: str | None = Field(description="at most its last four characters")
    state: CredentialState
    valid_from: str | None
    valid_until: str | None
    replaces: int | None
    sites: list[str] = Field(description="whose gateways can know it: their keys are in the key ring")
    has_pin: bool = Field(description="for doors that ask for one after the card")
    acts: list[CredentialAct] = Field(description="what its state allows")

    @classmethod
    def of(cls, found: Credential) -> CredentialOut:
        state = CredentialState(found.state)
        return cls(
            id=found.id,
            person=found.person_id,
            kind=CredentialKind(found.kind),
            hint=found.hint,
            state=state,
            valid_from=text_of(found.valid_from_us),
            valid_until=text_of(found.valid_until_us),
            replaces=found.replaces,
            sites=list(found.sites),
            has_pin=found.has_pin,
            acts=list(TRANSITIONS[state]),
        )


class CredentialIn(In):
    kind: CredentialKind
    number: Annotated[SecretStr, Field(max_length=512)] = Field(description="as the reader writes it")
    valid_from: Day | None = Field(None, description="without one: from now on")
    valid_until: Day | None = Field(None, description="the first day on which it is not valid any more")
    replaces: Id | None = Field(None, description="the lost or returned one in whose place it is")


class CredentialActIn(In):
    act: CredentialAct
    valid_until: Day | None = Field(None, description="of an extension; without one: without an end")
    reason: Words | None = None


class PinIn(In):
    pin: Annotated[SecretStr, Field(max_length=32)] = Field(
        description="4 to 8 digits, typed by whose card it is; never shown again", examples=["4711"]
    )
    duress_pin: Annotated[SecretStr, Field(max_length=32)] | None = Field(
        None, description="opens like the other, and raises a silent alarm; without one: there is none"
    )


class CredentialEventOut(BaseModel):
    act: CredentialAct | PinAct
    state: CredentialState = Field(description="after it")
    at: str | None
    account: int | None = Field(
        description="the reader's own; below 0: a machine's token; 0: the operator; null: another person"
    )
    valid_until: str | None
    reason: str | None

    @classmethod
    def of(cls, event: LifeEvent, account: int | None) -> CredentialEventOut:
        return cls(
            act=event.act,
            state=CredentialState(event.state),
            at=text_of(event.at_us),
            account=account,
            valid_until=text_of(event.valid_until_us),
            reason=event.reason,
        )


class StateOut(BaseModel):
    state: CredentialState


class GroupDoor(In):
    site: Name
    gateway: Name
    door: Name


class RightOut(BaseModel):
    id: int
    person: int | None
    category: Category | None
    place: int | None
    schedule: str | None
    from_: str | None = Field(alias="from")
    until: str | None
    reason: str | None

    @classmethod
    def of(cls, found: Right) -> RightOut:
        return cls.model_validate(
            {
                "id": found.id,
                "person": found.whose.person,
                "category": found.whose.category,
                "place": found.whose.place,
                "schedule": found.schedule,
                "from": text_of(found.from_us),
                "until": text_of(found.until_us),
                "reason": found.reason,
            }
        )


class GroupOut(BaseModel):
    id: int
    name: str
    doors: list[GroupDoor]
    rights: list[RightOut]

    @classmethod
    def of(cls, found: Group) -> GroupOut:
        doors = [GroupDoor(site=each.site, gateway=each.gateway, door=each.door) for each in found.doors]
        rights = [RightOut.of(each) for each in found.rights]
        return cls(id=found.id, name=found.name, doors=doors, rights=rights)


class GroupIn(In):
    name: Short = Field(examples=["保洁"])


class DoorsIn(In):
    doors: Annotated[list[GroupDoor], Field(max_length=1_000)]


class RightIn(In):
    """Of one of these three."""

    person: Id | None = None
    category: Category | None = None
    place: Id | None = Field(None, description="all who live in there")
    schedule: Name | None = Field(None, description="of the site settings; without one: at any hour")
    from_: Day | None = Field(None, alias="from", description="without one: from now on")
    until: Day | None = Field(None, description="the first day after it")
    reason: Words | None = None


def _pins(api: APIRouter, here: str, office: Office) -> None:
    @api.put(here + "/credentials/{credential}/pin", status_code=204, summary="Set the PIN of a card")
    async def pin_set(who: Worker, community: CommunityId, credential: RowId, wanted: PinIn) -> None:
        """In place of the one before, the one for under duress too. Nobody can read it again."""
        pin, duress = wanted.pin.get_secret_value(), wanted.duress_pin
        duress_pin = None if duress is None else duress.get_secret_value()
        await office.act(who, community, lambda desk: set_pin(desk, credential, pin, duress_pin))

    @api.delete(here + "/credentials/{credential}/pin", status_code=204, summary="Take the PIN away")
    async def pin_gone(who: Worker, community: CommunityId, credential: RowId) -> None:
        """At doors that ask for one the card opens nothing then."""
        await office.act(who, community, lambda desk: take_pin_away(desk, credential))


def router(office: Office) -> APIRouter:
    api = APIRouter(tags=["register: credentials and rights"], responses=ANSWERS)
    here = "/communities/{community}"

    @api.post(here + "/people/{person}/credentials", status_code=201, summary="Issue a credential (发放)")
    async def issued(who: Worker, community: CommunityId, person: RowId, wanted: CredentialIn) -> Made:
        made = await office.act(
            who,
            community,
            lambda desk: issue(
                desk,
                person,
                wanted.kind,
                wanted.number.get_secret_value(),
                valid_from_us=office.end(wanted.valid_from),
                valid_until_us=office.end(wanted.valid_until),
                replaces=wanted.replaces,
            ),
        )
        return Made(id=made)

    @api.get(here + "/people/{person}/credentials", summary="Somebody's credentials, returned ones too")
    async def held(who: Worker, community: CommunityId, person: RowId) -> list[CredentialOut]:
        found = await office.ask_about(
            who, community, lambda db: credentials_of(db, community, person), lambda _: [person]
        )
        return [CredentialOut.of(each) for each in found]

    @api.post(here + "/credentials/{credential}/acts", summary="Extend, report lost, lift the loss, return")
    async def act(
        who: Worker, community: CommunityId, credential: RowId, wanted: CredentialActIn
    ) -> StateOut:
        """延期、挂失、解挂、退卡."""
        state = await office.act(
            who,
            community,
            lambda desk: change(
                desk,
                credential,
                wanted.act,
                valid_until_us=office.end(wanted.valid_until),
                reason=wanted.reason,
            ),
        )
        return StateOut(state=state)

    _pins(api, here, office)

    @api.get(here + "/credentials/{credential}/events", summary="The life of a credential")
    async def life(who: Worker, community: CommunityId, credential: RowId) -> list[CredentialEventOut]:
        """With its PIN, set or taken away, by whom and when; never the PIN itself."""

        def asked(db: Connection) -> tuple[list[LifeEvent], list[int]]:
            events = history_of(db, community, credential)
            whose = [person_of(db, community, credential)] if events else []
            return events, whose

        events, _ = await office.ask_about(who, community, asked, lambda found: found[1])
        return [CredentialEventOut.of(each, office.shown_account(who, each.account)) for each in events]

    @api.get(here + "/groups", summary="Groups of doors and who may pass them")
    async def all_groups(who: Worker, community: CommunityId) -> list[GroupOut]:
        now = office.now_us()
        found = await office.ask(who, community, lambda db: groups(db, community, now))
        return [GroupOut.of(each) for each in found]

    @api.post(here + "/groups", status_code=201, summary="A group of doors")
    async def new_group(who: Worker, community: CommunityId, wanted: GroupIn) -> Made:
        return Made(id=await office.act(who, community, lambda desk: create_group(desk, wanted.name)))

    @api.put(here + "/groups/{group}/doors", status_code=204, summary="The doors of a group")
    async def doors(who: Worker, community: CommunityId, group: RowId, wanted: DoorsIn) -> None:
        chosen = frozenset(Door(each.site, each.gateway, each.door) for each in wanted.doors)
        await office.act(who, community, lambda desk: set_doors(desk, group, chosen))

    @api.post(here + "/groups/{group}/end", status_code=204, summary="A group is there no more")
    async def group_end(who: Worker, community: CommunityId, group: RowId, why: Reason) -> None:
        await office.act(who, community, lambda desk: end_group(desk, group, reason=why.reason))

    @api.post(here + "/groups/{group}/rights", status_code=201, summary="Who may pass a group of doors")
    async def new_right(who: Worker, community: CommunityId, group: RowId, wanted: RightIn) -> Made:
        whose = Whose(wanted.person, wanted.category, wanted.place)
        made = await office.act(
            who,
            community,
            lambda desk: grant(
                desk,
                group,
                whose,
                schedule=wanted.schedule,
                from_us=office.end(wanted.from_),
                until_us=office.end(wanted.until),
                reason=wanted.reason,
            ),
        )
        return Made(id=made)

    @api.post(here + "/rights/{right}/end", status_code=204, summary="A right ends now")
    async def right_end(who: Worker, community: CommunityId, right: RowId, why: Reason) -> None:
        await office.act(who, community, lambda desk: end_right(desk, right, reason=why.reason))

    return api
