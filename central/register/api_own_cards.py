"""API: a resident's own cards."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from central.accounts.guard import requires
from central.accounts.who import Role, Who
from central.register.api_rights import CredentialEventOut
from central.register.api_words import ANSWERS, RowId, text_of
from central.register.credential_life import CredentialState
from central.register.credentials import Credential, CredentialKind
from central.register.office import Office
from central.register.own_cards import own_cards, own_community, own_history, report_own_lost

Resident = Annotated[Who, requires(Role.RESIDENT)]


class OwnCardOut(BaseModel):
    id: int
    kind: CredentialKind
    hint: str | None = Field(description="at most its last four characters")
    state: CredentialState
    valid_from: str | None
    valid_until: str | None
    has_pin: bool = Field(
        description="for doors that ask for one after the card; set and changed at the desk"
    )

    @classmethod
    def of(cls, found: Credential) -> OwnCardOut:
        return cls(
            id=found.id,
            kind=CredentialKind(found.kind),
            hint=found.hint,
            state=CredentialState(found.state),
            valid_from=text_of(found.valid_from_us),
            valid_until=text_of(found.valid_until_us),
            has_pin=found.has_pin,
        )


def router(office: Office) -> APIRouter:
    api = APIRouter(tags=["own"], responses=ANSWERS)

    @api.get("/own/cards", summary="One's own cards, returned ones last")
    async def cards(who: Resident) -> list[OwnCardOut]:
        found = await office.questions.ask(lambda db: own_cards(db, who))
        return [OwnCardOut.of(each) for each in found]

    @api.get("/own/cards/{card}/events", summary="What became of a card of one's own")
    async def life(card: RowId, who: Resident) -> list[CredentialEventOut]:
        """With its PIN, set or taken away; never the PIN itself. Of whoever else acted no more than that it
        was somebody else."""
        events = await office.questions.ask(lambda db: own_history(db, who, card))
        return [CredentialEventOut.of(each, office.shown_account(who, each.account)) for each in events]

    @api.post("/own/cards/{card}/report-lost", summary="Report a card of one's own lost (挂失)")
    async def lost(card: RowId, who: Resident) -> OwnCardOut:
        """No door opens to it from then on, within seconds. Only the desk lifts the loss again."""
        community = await office.questions.ask(lambda db: own_community(db, who))
        return OwnCardOut.of(await office.act(who, community, lambda desk: report_own_lost(desk, who, card)))

    return api
