"""Takes back cards, residencies and people that an import made or changed."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import select

from central.register.credential_life import CredentialAct, CredentialState
from central.register.credentials import forget_pins
from central.register.imports.states import Effect
from central.register.imports.undo_part import Done, Part
from central.register.imports.writing import keep_former
from central.register.person_identity import indexes, seal, unseal
from central.register.words import PersonState, RegisterAct
from central.store.account_tables import account_person
from central.store.register_tables import (
    access_right,
    credential,
    person,
    person_former,
    residency,
    tenancy,
)

_LIVE_CARD: Final = credential.c.state != CredentialState.RETURNED.value


def cards(part: Part, all_done: list[Done]) -> None:
    """What was issued is returned, what was extended ends as before."""
    rows = part.rows(credential, (done.subject for done in all_done))
    part.touch(row.person_id for row in rows.values())
    returned: list[int] = []
    for done in all_done:
        row = rows[done.subject]
        if row.state == CredentialState.RETURNED:
            continue
        extended = done.kind is Effect.CARD_EXTENDED
        expected = CredentialState.EXTENDED if extended else CredentialState.ISSUED
        if (row.state, row.valid_until) != (expected, done.body["until"]):
            part.keep(done, "card_changed")
        elif extended:
            _card(part, row, CredentialAct.EXTEND, CredentialState.EXTENDED, done.body["was"])
        else:
            _card(part, row, CredentialAct.RETURN, CredentialState.RETURNED, row.valid_until)
            returned.append(row.id)
    forget_pins(part.desk.connection, returned)


def _card(part: Part, row: Any, act: CredentialAct, state: CredentialState, until_us: int | None) -> None:
    new: dict[str, Any] = {"state": state.value, "valid_until": until_us}
    if act is CredentialAct.RETURN:
        new["returned_at"] = part.desk.now_us
    part.bulk.change(credential, row.id, **new)
    part.bulk.card_event(row.id, act, state.value, until_us, part.reason)
    body = {"act": act, "state": state, "until": until_us}
    part.bulk.note(RegisterAct.CREDENTIAL_CHANGED, credential, row.id, body, part.reason)


def homes(part: Part, all_done: list[Done]) -> None:
    """Whoever moved in never did; what was ended or corrected stands again as it was, in a new row."""
    rows = part.rows(residency, (done.subject for done in all_done))
    before = part.rows(residency, (done.body["corrects"] for done in all_done if "corrects" in done.body))
    part.touch(row.person_id for row in rows.values())
    for done in all_done:
        row = rows[done.subject]
        if row.voided_at is not None:
            continue
        if row.until_at != done.body["until"]:
            part.keep(done, "home_changed")
            continue
        _void(part, row)
        if done.kind is Effect.RESIDENCY_ENDED:
            _stand_again(part, row, row, done.body["was"])
        elif done.kind is Effect.RESIDENCY_CORRECTED:
            was = before[done.body["corrects"]]
            _stand_again(part, row, was, was.until_at)


def _void(part: Part, row: Any) -> None:
    desk = part.desk
    part.bulk.change(
        residency, row.id, voided_at=desk.now_us, voided_by=desk.account, void_reason=part.reason
    )
    act = RegisterAct.RESIDENCY_CORRECTED
    part.bulk.note(act, residency, row.id, {"person": row.person_id, "room": row.place_id}, part.reason)


def _stand_again(part: Part, wrong: Any, was: Any, until_us: int | None) -> None:
    part.bulk.add(
        residency,
        id=part.ids("residency"),
        person_id=was.person_id,
        place_id=was.place_id,
        relation=was.relation,
        tenancy_id=was.tenancy_id,
        from_at=was.from_at,
        until_at=until_us,
        registered_at=part.desk.now_us,
        registered_by=part.desk.account,
        corrects=wrong.id,
    )


def people(part: Part, all_done: list[Done]) -> None:
    """Whoever was registered is deregistered; what was corrected is written as it was."""
    registered = [done for done in all_done if done.kind is Effect.PERSON_REGISTERED]
    corrected = [done for done in all_done if done.kind is Effect.PERSON_CORRECTED]
    rows = part.rows(person, (done.subject for done in all_done))
    why = _needed(part, [done.subject for done in registered])
    for done in registered:
        row = rows[done.subject]
        if row.state == PersonState.DEREGISTERED:
            continue
        if row.state == PersonState.MERGED or row.changed_at != done.at_us:
            part.keep(done, "person_changed")
        elif row.id in why:
            part.keep(done, why[row.id])
        else:
            _deregister(part, row)
    former = part.rows(person_former, (done.body["former"] for done in corrected))
    part.touch(done.subject for done in corrected)
    for done in corrected:
        row = rows[done.subject]
        if row.state != PersonState.REGISTERED or row.changed_at != done.at_us:
            part.keep(done, "person_changed")
        else:
            _write_back(part, done, row, former[done.body["former"]])


def _needed(part: Part, ids: list[int]) -> dict[int, str]:
    """Of these people, those on whom something builds, and what."""
    now = part.desk.now_us
    lasting = residency.c.until_at.is_(None) | (residency.c.until_at > now)
    right = access_right.c.until_at.is_(None) | (access_right.c.until_at > now)
    let = tenancy.c.voided_at.is_(None) & tenancy.c.ended_at.is_(None)
    asked: tuple[tuple[str, Any, tuple[Any, ...]], ...] = (
        ("person_changed", person.c.merged_into, ()),
        ("person_has_account", account_person.c.person_id, ()),
        ("person_is_landlord", tenancy.c.landlord_id, (let,)),
        ("person_has_right", access_right.c.person_id, (right,)),
        ("person_has_card", credential.c.person_id, (_LIVE_CARD,)),
        ("person_lives", residency.c.person_id, (residency.c.voided_at.is_(None), lasting)),
    )
    return {each: code for code, column, where in asked for each in part.found(column, ids, *where)}


def _deregister(part: Part, row: Any) -> None:
    now = part.desk.now_us
    left = {"state": PersonState.DEREGISTERED.value, "deregistered_at": now, "changed_at": now}
    part.bulk.change(person, row.id, **left)
    part.bulk.note(RegisterAct.PERSON_DEREGISTERED, person, row.id, {}, part.reason)


def _write_back(part: Part, done: Done, row: Any, former: Any) -> None:
    desk = part.desk
    identity = unseal(desk.vault, desk.community, f"person_former:{former.id}", former.sealed)
    found = indexes(desk.vault, desk.community, identity)
    if found.number is not None and found.number != row.number_index and _is_taken(part, found.number):
        part.keep(done, "number_taken")
        return
    keep_former(part.bulk, row.id, part.ids("person_former"))
    part.bulk.change(
        person,
        row.id,
        category=former.category,
        document_type=former.document_type,
        sealed=seal(desk.vault, desk.community, f"person:{row.id}", identity),
        number_index=found.number,
        name_index=found.name,
        phone_index=found.phone,
        changed_at=desk.now_us,
    )
    part.bulk.note(RegisterAct.PERSON_CORRECTED, person, row.id, {}, part.reason)


def _is_taken(part: Part, number: bytes) -> bool:
    mine = (person.c.community_id == part.desk.community) & (person.c.number_index == number)
    asked = select(person.c.id).where(mine, person.c.state != PersonState.MERGED.value).limit(1)
    return part.desk.connection.execute(asked).scalar() is not None
