"""The person that a row names: known again, made, or written anew. Pure but for the vault."""

from __future__ import annotations

from central.register.imports import changes as do
from central.register.imports.columns import Field
from central.register.imports.known import KnownPerson
from central.register.imports.plan_row import OneRow
from central.register.person_identity import Indexes, PersonIdentity, masked_name, masked_number, unseal
from central.register.words import Category, DocumentType, PersonState


def person(one: OneRow, room: int | None) -> tuple[int, bool] | None:
    """Who it is, and whether they are new."""
    found = _same_human(one, room)
    if found is not None:
        one.planned.met.add(found.id)
    if one.planned.faults:
        return None
    if found is None:
        if one.wanted.number is None and not _can_be_found_again(one, room):
            one.fail(Field.NUMBER, "find_again")
            return None
        return _new_person(one), True
    _compare(one, found)
    return found.id, False


def _same_human(one: OneRow, room: int | None) -> KnownPerson | None:
    known, indexes = one.known, one.row.indexes
    if indexes.number is not None and (mine := known.by_number.get(indexes.number)) is not None:
        return known.people[mine]
    named = known.by_name if indexes.number is None else known.without_number
    candidates = [known.people[each] for each in sorted(named.get(indexes.name, ()))]
    fit = [each for each in candidates if _fits(one, each, room)]
    if len(fit) > 1:
        one.fail(Field.NUMBER, "ambiguous")
    return fit[0] if len(fit) == 1 else None


def _fits(one: OneRow, person: KnownPerson, room: int | None) -> bool:
    """Of the same name, and by something else too the one that the row means."""
    phone = one.row.indexes.phone
    if room is not None and any(one.lasts(home) for home in one.homes(person.id, room)):
        return True
    if phone is not None and phone == person.indexes.phone:
        return True
    card = one.card()
    return card is not None and card.person == person.id


def _can_be_found_again(one: OneRow, room: int | None) -> bool:
    return room is not None or one.wanted.phone is not None or one.wanted.card is not None


def _new_person(one: OneRow) -> int:
    wanted = one.wanted
    assert wanted.name is not None
    document = wanted.document or (DocumentType.RESIDENT_ID if wanted.number else DocumentType.NONE)
    category = wanted.category or Category.RESIDENT
    identity = PersonIdentity(wanted.name, wanted.number, wanted.phone)
    made = one.new_id("person")
    one.do(do.NewPerson(made, identity, one.row.indexes, document, category))
    one.planned.is_new = True
    _shown(one, None, identity)
    one.differs(Field.DOCUMENT, None, document.value)
    if wanted.category is not None:
        one.differs(Field.CATEGORY, None, category.value)
    person = KnownPerson(made, PersonState.REGISTERED, category, document, one.row.indexes, None, wanted.row)
    one.takes.append(lambda: one.known.take_person(person))
    return made


def _compare(one: OneRow, found: KnownPerson) -> None:
    """What the row says otherwise than the register."""
    wanted, indexes = one.wanted, one.row.indexes
    again = one.again = found.state == PersonState.DEREGISTERED
    document = found.document
    if wanted.number is not None:
        document = wanted.document or (
            DocumentType.RESIDENT_ID if found.indexes.number is None else DocumentType(found.document)
        )
    category = wanted.category or found.category
    new = Indexes(indexes.name, indexes.number or found.indexes.number, indexes.phone or found.indexes.phone)
    if not again and (new, document, category) == (found.indexes, found.document, found.category):
        return
    if found.row is not None:
        one.fail(Field.NUMBER if wanted.number else Field.NAME, "contradicts")
        return
    assert found.sealed is not None
    old = unseal(one.vault, one.known.community, f"person:{found.id}", found.sealed)
    assert wanted.name is not None
    identity = PersonIdentity(wanted.name, wanted.number or old.number, wanted.phone or old.phone)
    one.do(do.WritePerson(found.id, identity, new, document, category, again))
    one.planned.is_new |= again
    _shown(one, None if again else old, identity)
    if document != found.document:
        one.differs(Field.DOCUMENT, found.document, document)
    if category != found.category:
        one.differs(Field.CATEGORY, found.category, category)
    written = KnownPerson(found.id, PersonState.REGISTERED, category, document, new, found.sealed, wanted.row)
    one.takes.append(lambda: one.known.take_person(written))


def _shown(one: OneRow, old: PersonIdentity | None, new: PersonIdentity) -> None:
    if old is None or old.name != new.name:
        one.differs(Field.NAME, None if old is None else masked_name(old.name), masked_name(new.name))
    for of, before, after in (
        (Field.NUMBER, None if old is None else old.number, new.number),
        (Field.PHONE, None if old is None else old.phone, new.phone),
    ):
        if after is not None and before != after:
            one.differs(of, masked_number(before), masked_number(after) or "")
