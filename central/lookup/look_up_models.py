"""What the API of look-ups takes and gives. Values only; no field of an answer says who somebody is."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, SecretStr

from central.errors import BadQuestion
from central.given import In
from central.lookup.acts import Waiting
from central.lookup.api import ENDED
from central.lookup.case_formats import Format
from central.lookup.holding import Hold
from central.lookup.masking import Masked
from central.lookup.paging import Window
from central.lookup.reviews import Counts, Due
from central.lookup.rules import Asking, moment_us
from central.lookup.service import Answer, DoorComplete
from central.lookup.words import Act, Asked, Basis, Purpose, Shown
from central.register.words import DocumentType
from central.times import Moment, utc_text

_NAME = r"^[a-z0-9][a-z0-9-]{0,31}$"
Why = Annotated[str, Field(max_length=300, description="read by whoever reviews it; no ID number")]
Name = Annotated[str, Field(pattern=_NAME)]


class QuestionIn(In):
    """What is missing is refused in words, and the attempt is on record."""

    question: Asked
    community: Annotated[int, Field(ge=1, le=2**53)]
    purpose: Annotated[str | None, Field(max_length=40, examples=[Purpose.MISSING_PERSON])] = None
    basis: Annotated[str | None, Field(max_length=40, examples=[Basis.PEOPLES_POLICE])] = None
    case_number: Annotated[str | None, Field(max_length=80, examples=["A-2026-17"])] = None
    from_: Annotated[Moment | None, Field(alias="from", examples=["2026-11-23T00:00:00+08:00"])] = None
    until: Annotated[Moment | None, Field(examples=["2026-11-24T00:00:00+08:00"])] = None
    site: Name | None = None
    gateway: Name | None = None
    door: Name | None = None
    room: Annotated[int | None, Field(ge=1, le=2**53, description="its number in the register")] = None
    card_kind: Annotated[str | None, Field(pattern=r"^[a-z_]{1,24}$")] = None
    number: Annotated[
        SecretStr | None, Field(max_length=64, description="whole: of an ID card, or a card")
    ] = None
    document: Annotated[
        str,
        Field(
            max_length=40,
            description="of which a person's number is: one that such a document cannot have is refused",
            examples=[DocumentType.RESIDENT_ID, DocumentType.PASSPORT],
        ),
    ] = DocumentType.RESIDENT_ID
    emergency: Annotated[str | None, Field(max_length=300, description="why it cannot wait")] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 25

    def asking(self) -> Asking:
        """Raises BadQuestion for what is missing or no word of ours."""
        return Asking(
            asked=self.question,
            community=self.community,
            purpose=_word(Purpose, "purpose", self.purpose),
            basis=_word(Basis, "basis", self.basis),
            case_number=_there("case_number", self.case_number),
            window=Window(_moment("from", self.from_), _moment("until", self.until)),
            site=self.site,
            gateway=self.gateway,
            door=self.door,
            room=self.room,
            card_kind=self.card_kind,
            number=None if self.number is None else self.number.get_secret_value(),
            document=_word(DocumentType, "document", self.document),
            emergency=self.emergency,
        )


class RevealIn(In):
    record: Annotated[int, Field(ge=1, le=2**62)]
    field: Shown
    why: Why


class RevealOut(BaseModel):
    value: str | None = Field(description="null: it is not known")


class ApprovalIn(In):
    act: Act
    why: Why


class DecisionIn(In):
    agreed: bool
    why: Why


class ExportIn(In):
    format: Format
    language: Literal["zh", "en"] | None = Field(
        None, description="of the words in it; null: the one that the centre's settings name"
    )


class HoldIn(In):
    days: Annotated[int, Field(ge=1, le=180)]


class HoldOut(BaseModel):
    hold: int
    until: str
    records: int
    visitors: int = Field(description="of how many it is kept who they were")

    @classmethod
    def of(cls, hold: Hold) -> HoldOut:
        until = utc_text(hold.until_us)
        return cls(hold=hold.id, until=until, records=hold.records, visitors=hold.identities)


class ReviewIn(In):
    explained: bool
    why: Why


class LimitIn(In):
    community: Annotated[int, Field(ge=1, le=2**53)]
    account: Annotated[int, Field(ge=1, le=2**53)]
    an_hour: Annotated[int, Field(ge=1, le=500)]
    a_day: Annotated[int, Field(ge=1, le=500)]
    hours: Annotated[int, Field(ge=1, le=72)]
    why: Why


class FoundOut(BaseModel):
    """One record, masked."""

    id: int
    at: str
    site: str
    gateway: str
    door: str | None
    kind: str
    granted: bool | None
    direction: str | None
    reason: str | None
    category: str | None
    assurance: str | None = Field(description="L0 and L1 can be copied and are no verified identity")
    clock: str
    credential: str | None = Field(description="its kind")
    alias: str | None = Field(description="the same for the same holder or card within this look-up")
    hidden: list[Shown] = Field(description="what may be revealed")

    @classmethod
    def of(cls, found: Masked) -> FoundOut:
        fields = {name: getattr(found, name) for name in cls.model_fields if name not in ("at", "hidden")}
        return cls(at=utc_text(found.at_us), hidden=list(found.hidden), **fields)


class DoorOut(BaseModel):
    site: str
    gateway: str
    door: str
    label: str
    complete: bool
    complete_until: str | None
    ended_until: str | None = Field(description=ENDED)

    @classmethod
    def of(cls, door: DoorComplete) -> DoorOut:
        until = None if door.until_us is None else utc_text(door.until_us)
        ended = None if door.ended_us is None else utc_text(door.ended_us)
        return cls(
            site=door.site,
            gateway=door.gateway,
            door=door.door,
            label=door.label,
            complete=door.complete,
            complete_until=until,
            ended_until=ended,
        )


class AnswerOut(BaseModel):
    """One page, newest first. An empty one that is not complete proves nothing."""

    look_up: int = Field(description="its number in the register of look-ups")
    at: str
    waits_for_approval: list[str] = Field(description="why somebody of another unit must agree first")
    entries: list[FoundOut]
    more: bool
    next_cursor: str | None = Field(description="null although there are more: an approval is needed")
    complete: bool
    doors: list[DoorOut]
    notes: list[str] = Field(description="what could not be searched")

    @classmethod
    def of(cls, answer: Answer) -> AnswerOut:
        return cls(
            look_up=answer.look_up,
            at=utc_text(answer.at_us),
            waits_for_approval=list(answer.waits),
            entries=[FoundOut.of(each) for each in answer.entries],
            more=answer.more,
            next_cursor=answer.cursor,
            complete=answer.complete,
            doors=[DoorOut.of(door) for door in answer.doors],
            notes=list(answer.notes),
        )


class LookUpOut(BaseModel):
    """A look-up as it stands in the register; whom it asks about only as a blind index."""

    look_up: int
    at: str
    community: int
    account: int
    unit: str | None
    question: str
    purpose: str
    basis: str
    case_number: str
    emergency: bool
    from_: str = Field(serialization_alias="from")
    until: str
    parameters: str

    @classmethod
    def of(cls, row: Any) -> LookUpOut:
        return cls(
            look_up=row.id,
            at=utc_text(row.at),
            community=row.community_id,
            account=row.account,
            unit=row.unit,
            question=row.question,
            purpose=row.purpose,
            basis=row.basis,
            case_number=row.case_number,
            emergency=bool(row.emergency),
            from_=utc_text(row.from_at),
            until=utc_text(row.until_at),
            parameters=row.parameters,
        )


class WaitingOut(BaseModel):
    look_up: LookUpOut
    act: Act
    why: str
    at: str

    @classmethod
    def of(cls, waiting: Waiting) -> WaitingOut:
        at = utc_text(waiting.at_us)
        return cls(look_up=LookUpOut.of(waiting.row), act=waiting.act, why=waiting.why, at=at)


class DueOut(BaseModel):
    look_up: LookUpOut
    why: list[str]
    reviewed: str | None
    review_by: str = Field(description="UTC")
    late: bool

    @classmethod
    def of(cls, due: Due) -> DueOut:
        return cls(
            look_up=LookUpOut.of(due.row),
            why=list(due.why),
            reviewed=due.reviewed,
            review_by=utc_text(due.until_us),
            late=due.late,
        )


class DueCountsOut(BaseModel):
    """Of what is left to review."""

    waiting: int
    late: int
    emergencies: int = Field(description="of those that wait; each is to be reviewed within a day")
    unexplained: int = Field(description="were found so, and the account's look-ups rest")

    @classmethod
    def of(cls, counts: Counts) -> DueCountsOut:
        return cls(
            waiting=counts.waiting,
            late=counts.late,
            emergencies=counts.emergencies,
            unexplained=counts.unexplained,
        )


class EventOut(BaseModel):
    """One row of the register."""

    number: int
    kind: str
    look_up: int | None
    at: str
    account: int
    facts: dict[str, Any]
    hash: str


class EventsOut(BaseModel):
    events: list[EventOut]
    next_before: int | None = Field(description="pass it as `before` for the next page")


def _there(field: str, value: str | None) -> str:
    if value is None:
        raise BadQuestion(field, "is needed")
    return value


def _word(words: Any, field: str, value: str | None) -> Any:
    try:
        return words(_there(field, value))
    except ValueError:
        raise BadQuestion(field, f"one of {', '.join(words)}") from None


def _moment(field: str, at: datetime | None) -> int:
    if at is None:
        raise BadQuestion(field, "is needed")
    return moment_us(field, at)
