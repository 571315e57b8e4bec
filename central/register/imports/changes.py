"""What an import does to the register, one value for each thing done. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from central.register.credentials import CredentialKind
from central.register.person_identity import Indexes, PersonIdentity
from central.register.words import Category, DocumentType, HomeUse, PlaceKind, Relation


@dataclass(frozen=True, slots=True)
class NewPlace:
    id: int
    parent: int
    kind: PlaceKind
    name: str
    code: str | None


@dataclass(frozen=True, slots=True)
class SetCode:
    place: int
    code: str


@dataclass(frozen=True, slots=True)
class SetUse:
    """`former`: the row of `home_use` that ends with it."""

    id: int
    room: int
    use: HomeUse
    former: int | None


@dataclass(frozen=True, slots=True)
class NewPerson:
    id: int
    identity: PersonIdentity
    indexes: Indexes
    document: DocumentType
    category: Category


@dataclass(frozen=True, slots=True)
class WritePerson:
    """Somebody's row is written anew. `again`: they were deregistered and come back."""

    person: int
    identity: PersonIdentity
    indexes: Indexes
    document: str
    category: str
    again: bool


@dataclass(frozen=True, slots=True)
class NewLease:
    id: int
    room: int
    from_us: int
    until_us: int | None


@dataclass(frozen=True, slots=True)
class ExtendLease:
    lease: int
    until_us: int
    former_us: int | None


@dataclass(frozen=True, slots=True)
class MoveIn:
    """`corrects`: the row that is voided, in whose place it stands."""

    id: int
    person: int
    room: int
    relation: Relation
    lease: int | None
    from_us: int
    until_us: int | None
    corrects: int | None


@dataclass(frozen=True, slots=True)
class EndResidency:
    residency: int
    person: int
    until_us: int
    former_us: int | None


@dataclass(frozen=True, slots=True)
class NewCard:
    id: int
    person: int
    kind: CredentialKind
    number: str
    index: bytes
    from_us: int
    until_us: int | None


@dataclass(frozen=True, slots=True)
class ExtendCard:
    card: int
    person: int
    until_us: int
    former_us: int | None
    former_state: str


Change = (
    NewPlace
    | SetCode
    | SetUse
    | NewPerson
    | WritePerson
    | NewLease
    | ExtendLease
    | MoveIn
    | EndResidency
    | NewCard
    | ExtendCard
)
