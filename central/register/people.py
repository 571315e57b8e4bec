"""People of the register: registered, corrected, merged, deregistered. Who they are lies sealed."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from sqlalchemy import func, select, update

from central.errors import BadQuestion, Clash
from central.identity.vault import normalised
from central.register.affected import gateways_of_person
from central.register.desk import Desk
from central.register.person_identity import PersonIdentity, checked, indexes, seal, unseal
from central.register.words import Category, DocumentType, PersonState, RegisterAct
from central.store.register_tables import (
    access_right,
    credential,
    holder,
    person,
    person_former,
    residency,
    tenancy,
)

_UNSEALED_YET = b""

NewReference = Callable[[], str]


def new_reference() -> str:
    """For a holder: says nothing, and is never given twice."""
    return f"h-{secrets.token_hex(8)}"


def register_person(
    desk: Desk,
    *,
    name: str,
    document: DocumentType,
    number: str | None = None,
    phone: str | None = None,
    category: Category = Category.RESIDENT,
    reference: NewReference = new_reference,
) -> int:
    """Somebody new, or somebody who was deregistered and comes back. `category` counts while they live
    nowhere here. Raises BadQuestion; Clash where the number is registered, which names the id of its row."""
    identity = checked(document, name, number, phone)
    found = indexes(desk.vault, desk.community, identity)
    known = _of_number(desk, found.number)
    if known is not None:
        desk.met.add(known.id)
        if known.state == PersonState.REGISTERED:
            raise Clash(f"this number is registered already: person {known.id}")
        return _come_back(desk, known, identity, document=document, category=category)
    made = desk.add(
        person,
        state=PersonState.REGISTERED.value,
        category=category.value,
        document_type=document.value,
        sealed=_UNSEALED_YET,
        number_index=found.number,
        name_index=found.name,
        phone_index=found.phone,
        created_at=desk.now_us,
        changed_at=desk.now_us,
    )
    sealed = seal(desk.vault, desk.community, f"person:{made}", identity)
    desk.connection.execute(update(person).where(person.c.id == made).values(sealed=sealed))
    desk.add(holder, person_id=made, reference=reference(), from_at=desk.now_us)
    body = {"document": document, "category": category}
    desk.note(RegisterAct.PERSON_REGISTERED, person, made, body=body)
    return made


def registered_or_new(
    desk: Desk,
    *,
    name: str,
    document: DocumentType,
    number: str | None,
    phone: str | None,
    category: Category,
) -> int:
    """Who is registered already under that number is who they are; anybody else is registered. Raises
    BadQuestion."""
    return registered_as(desk, document, number) or register_person(
        desk, name=name, document=document, number=number, phone=phone, category=category
    )


def registered_as(desk: Desk, document: DocumentType, number: str | None) -> int | None:
    """The person who is registered under that number; None: nobody. Raises BadQuestion."""
    if not number or document is DocumentType.NONE:
        return None
    index = desk.vault.register_index(desk.community, "id_number", normalised("id_number", number))
    known = _of_number(desk, index)
    if known is not None:
        desk.met.add(known.id)
    return int(known.id) if known is not None and known.state == PersonState.REGISTERED else None


def is_called(desk: Desk, person_id: int, name: str) -> bool:
    """Whether they are registered under just that name. By blind indexes: no name is opened."""
    index = desk.vault.register_index(desk.community, "name", " ".join(name.split()))
    return bool(the_person(desk, person_id).name_index == index)


def correct_person(
    desk: Desk,
    person_id: int,
    *,
    reason: str,
    name: str | None = None,
    document: DocumentType | None = None,
    number: str | None = None,
    phone: str | None = None,
    category: Category | None = None,
) -> None:
    """What is named is written anew; what it was is kept, sealed. Raises BadQuestion, NotThere; Clash where
    the number is another person's: then the two are to be merged."""
    row = the_person(desk, person_id)
    now = identity_of(desk, row)
    kind = DocumentType(row.document_type) if document is None else document
    number_then = None if kind is DocumentType.NONE else (now.number if number is None else number)
    new = checked(kind, name or now.name, number_then, now.phone if phone is None else phone)
    new_category = row.category if category is None else category.value
    if (new, kind.value, new_category) == (now, row.document_type, row.category):
        raise Clash("that is how it is written already")
    found = indexes(desk.vault, desk.community, new)
    other = _of_number(desk, found.number)
    if other is not None and other.id != person_id:
        desk.met.add(other.id)
        raise Clash(f"this number is person {other.id}'s: merge the two")
    _write(desk, row, new, document=kind.value, category=new_category)
    changed = gateways_of_person(desk.connection, person_id, desk.now_us) if category is not None else ()
    names = {"name": name, "document": document, "number": number, "phone": phone, "category": category}
    body = {"corrected": sorted(field for field, value in names.items() if value is not None)}
    desk.note(
        RegisterAct.PERSON_CORRECTED,
        person,
        person_id,
        reason=reason,
        body=body,
        changed=changed,
        person=person_id,
    )


def merge_people(desk: Desk, kept: int, gone: int, *, reason: str) -> None:
    """Two rows are one human. All that is `gone`'s counts as `kept`'s from now on; its rows stay as they are.

    Raises NotThere; Clash where their numbers differ, which says that they are two humans.
    """
    if kept == gone:
        raise BadQuestion("gone", "one person cannot be merged with themself")
    to, source = the_person(desk, kept), the_person(desk, gone)
    if None not in (to.number_index, source.number_index) and to.number_index != source.number_index:
        raise Clash("their numbers differ: correct the wrong one first")
    touched = gateways_of_person(desk.connection, gone, desk.now_us)
    mine = person.c.id == gone
    merged = {"state": PersonState.MERGED.value, "merged_into": kept, "changed_at": desk.now_us}
    desk.connection.execute(update(person).where(mine).values(merged))
    followers = person.c.merged_into == gone
    desk.connection.execute(update(person).where(followers).values(merged_into=kept))
    if to.number_index is None and source.number_index is not None:
        identity, former = identity_of(desk, to), identity_of(desk, source)
        both = PersonIdentity(identity.name, former.number, identity.phone or former.phone)
        _write(desk, to, both, document=source.document_type, category=to.category)
    touched |= gateways_of_person(desk.connection, kept, desk.now_us)
    event = desk.note(
        RegisterAct.PERSON_MERGED,
        person,
        kept,
        reason=reason,
        body={"gone": gone},
        changed=touched,
        person=kept,
    )
    desk.mark(event, touched, gone)


def deregister_person(desk: Desk, person_id: int, *, reason: str) -> None:
    """人走注销: somebody left for good. Their homes and rights end now; their credentials open
    nothing, and are still to be returned. Raises NotThere; Clash where a lease of theirs as landlord runs."""
    row = the_person(desk, person_id)
    leases = (tenancy.c.landlord_id == person_id) & tenancy.c.voided_at.is_(None)
    running = tenancy.c.ended_at.is_(None) & (
        tenancy.c.until_at.is_(None) | (tenancy.c.until_at > desk.now_us)
    )
    if desk.connection.execute(select(tenancy.c.id).where(leases, running).limit(1)).scalar() is not None:
        raise Clash("they are the landlord of a lease that runs")
    touched = gateways_of_person(desk.connection, person_id, desk.now_us)
    same = same_person(person_id)
    homes = residency.c.person_id.in_(same) & residency.c.voided_at.is_(None)
    lasting = residency.c.until_at.is_(None) | (residency.c.until_at > desk.now_us)
    begun = homes & lasting & (residency.c.from_at < desk.now_us)
    ended = {"until_at": desk.now_us, "ended_by": desk.account, "end_reason": reason}
    desk.connection.execute(update(residency).where(begun).values(ended))
    to_come = homes & (residency.c.from_at >= desk.now_us)
    void = {"voided_at": desk.now_us, "voided_by": desk.account, "void_reason": reason}
    desk.connection.execute(update(residency).where(to_come).values(void))
    rights = access_right.c.person_id.in_(same) & access_right.c.until_at.is_(None)
    desk.connection.execute(update(access_right).where(rights).values(until_at=desk.now_us))
    left = {
        "state": PersonState.DEREGISTERED.value,
        "deregistered_at": desk.now_us,
        "changed_at": desk.now_us,
    }
    desk.connection.execute(update(person).where(person.c.id == row.id).values(left))
    desk.note(
        RegisterAct.PERSON_DEREGISTERED,
        person,
        person_id,
        reason=reason,
        changed=touched,
        person=person_id,
    )


def the_person(desk: Desk, person_id: int) -> Any:
    """A row of somebody registered. Raises NotThere, Clash."""
    row = desk.row(person, person_id, "person")
    desk.met.add(person_id)
    if row.state == PersonState.MERGED:
        raise Clash(f"this row was merged: see person {row.merged_into}")
    if row.state != PersonState.REGISTERED:
        raise Clash("this person was deregistered")
    return row


def identity_of(desk: Desk, row: Any) -> PersonIdentity:
    return unseal(desk.vault, desk.community, f"person:{row.id}", row.sealed)


def same_person(person_id: int) -> Any:
    """Ids of all rows of one human."""
    return select(person.c.id).where((person.c.id == person_id) | (person.c.merged_into == person_id))


def holds_credentials(desk: Desk, person_id: int) -> int:
    """How many are still to be returned."""
    mine = credential.c.person_id.in_(same_person(person_id)) & (credential.c.state != "returned")
    return int(desk.connection.execute(select(func.count()).select_from(credential).where(mine)).scalar_one())


def _of_number(desk: Desk, index: bytes | None) -> Any:
    """The row that a number is of, or None."""
    if index is None:
        return None
    mine = (person.c.community_id == desk.community) & (person.c.number_index == index)
    found = select(person).where(mine, person.c.state != PersonState.MERGED.value)
    return desk.connection.execute(found).one_or_none()


def _come_back(
    desk: Desk, row: Any, identity: PersonIdentity, *, document: DocumentType, category: Category
) -> int:
    _write(desk, row, identity, document=document.value, category=category.value)
    back = {"state": PersonState.REGISTERED.value, "deregistered_at": None}
    desk.connection.execute(update(person).where(person.c.id == row.id).values(back))
    body = {"document": document, "category": category, "again": True}
    desk.note(RegisterAct.PERSON_REGISTERED, person, row.id, body=body)
    return int(row.id)


def _write(desk: Desk, row: Any, identity: PersonIdentity, *, document: str, category: str) -> None:
    """What was written before is kept under a row of its own, sealed for that row."""
    found = indexes(desk.vault, desk.community, identity)
    former = desk.add(
        person_former,
        person_id=row.id,
        category=row.category,
        document_type=row.document_type,
        sealed=_UNSEALED_YET,
        number_index=row.number_index,
        from_at=row.changed_at,
        until_at=desk.now_us,
    )
    sealed = seal(desk.vault, desk.community, f"person_former:{former}", identity_of(desk, row))
    desk.connection.execute(update(person_former).where(person_former.c.id == former).values(sealed=sealed))
    new = {
        "category": category,
        "document_type": document,
        "sealed": seal(desk.vault, desk.community, f"person:{row.id}", identity),
        "number_index": found.number,
        "name_index": found.name,
        "phone_index": found.phone,
        "changed_at": desk.now_us,
    }
    desk.connection.execute(update(person).where(person.c.id == row.id).values(new))
