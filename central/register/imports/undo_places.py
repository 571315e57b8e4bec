"""Takes back leases, uses, codes and places that an import made or changed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from central.register.imports.states import Effect
from central.register.imports.undo_part import Done, Part
from central.register.imports.writing import keep_former_place
from central.register.words import RegisterAct
from central.store.register_tables import (
    access_right,
    door_place,
    home_use,
    place,
    place_former,
    residency,
    tenancy,
)
from central.store.visitor_tables import visitor_pass


def leases(part: Part, all_done: list[Done]) -> None:
    """What was made is voided, what was extended ends as before."""
    ids = [done.subject for done in all_done]
    rows = part.rows(tenancy, ids)
    used = part.found(residency.c.tenancy_id, ids, residency.c.voided_at.is_(None))
    part.touch(part.bulk.people_by(ids))
    for done in all_done:
        row = rows[done.subject]
        if row.voided_at is not None:
            continue
        made = done.kind is Effect.LEASE_MADE
        if row.until_at != done.body["until"] or row.ended_at is not None:
            part.keep(done, "lease_changed")
        elif made and row.id in used:
            part.keep(done, "lease_used")
        elif made:
            part.bulk.change(tenancy, row.id, voided_at=part.desk.now_us)
            part.bulk.note(RegisterAct.LEASE_VOIDED, tenancy, row.id, {}, part.reason)
        else:
            part.bulk.change(tenancy, row.id, until_at=done.body["was"])
            body = {"until": done.body["was"], "former": {"until": row.until_at}}
            part.bulk.note(RegisterAct.LEASE_EXTENDED, tenancy, row.id, body, part.reason)


def uses(part: Part, all_done: list[Done]) -> None:
    """What a home was used for before, it is again from now on; without any, nothing is known of it."""
    now = part.desk.now_us
    rows = part.rows(home_use, (done.subject for done in all_done))
    before = part.rows(home_use, (done.body["former"] for done in all_done if done.body["former"]))
    for done in all_done:
        row = rows[done.subject]
        if row.until_at is not None:
            part.keep(done, "use_changed")
            continue
        part.bulk.change(home_use, row.id, until_at=now)
        body: dict[str, object] = {"room": row.place_id, "use": None, "since": now}
        subject = row.id
        if (former := before.get(done.body["former"])) is not None:
            subject = part.ids("home_use")
            part.bulk.add(home_use, id=subject, place_id=row.place_id, use=former.use, from_at=now)
            body["use"] = former.use
        part.bulk.note(RegisterAct.HOME_USE_SET, home_use, subject, body, part.reason)


def codes(part: Part, all_done: list[Done]) -> None:
    rows = part.rows(place, (done.subject for done in all_done))
    for done in all_done:
        row = rows[done.subject]
        if row.code != done.body["code"] or row.until_at is not None:
            part.keep(done, "place_changed")
            continue
        keep_former_place(part.bulk, row)
        part.bulk.change(place, row.id, code=None)
        body = {"name": row.name, "code": None, "parent": row.parent_id}
        part.bulk.note(RegisterAct.PLACE_CHANGED, place, row.id, body, part.reason)


def places(part: Part, all_done: list[Done]) -> None:
    """They end, the innermost first: `all_done` comes with the last made first."""
    ids = [done.subject for done in all_done]
    rows = part.rows(place, ids)
    why = _needed(part, ids)
    inside: dict[int, set[int]] = {}
    there = select(place.c.id, place.c.parent_id).where(
        place.c.parent_id.in_(ids), place.c.until_at.is_(None)
    )
    for row in part.desk.connection.execute(there):
        inside.setdefault(row.parent_id, set()).add(row.id)
    changed = _renamed(part, ids)
    ended: set[int] = set()
    for done in all_done:
        row = rows[done.subject]
        if row.until_at is not None:
            continue
        if row.id in changed:
            part.keep(done, "place_changed")
        elif row.id in why:
            part.keep(done, why[row.id])
        elif inside.get(row.id, set()) - ended:
            part.keep(done, "place_holds")
        else:
            ended.add(row.id)
            part.bulk.change(place, row.id, until_at=part.desk.now_us)
            part.bulk.note(RegisterAct.PLACE_ENDED, place, row.id, {}, part.reason)


def _renamed(part: Part, ids: list[int]) -> set[int]:
    """Those that had another name, or lay elsewhere, once."""
    other = (place_former.c.name != place.c.name) | (place_former.c.parent_id != place.c.parent_id)
    asked = select(place.c.id).join(place_former, place_former.c.place_id == place.c.id)
    return set(part.desk.connection.execute(asked.where(place.c.id.in_(ids), other)).scalars())


def _needed(part: Part, ids: list[int]) -> dict[int, str]:
    """Of these places, those on which something builds, and what."""
    now = part.desk.now_us

    def lasts(table: Any) -> Any:
        return table.c.until_at.is_(None) | (table.c.until_at > now)

    asked: tuple[tuple[str, Any, tuple[Any, ...]], ...] = (
        (
            "place_has_visitors",
            visitor_pass.c.room_id,
            (visitor_pass.c.revoked_at.is_(None), lasts(visitor_pass)),
        ),
        ("place_has_right", access_right.c.place_id, (lasts(access_right),)),
        ("place_has_door", door_place.c.place_id, (lasts(door_place),)),
        ("place_let", tenancy.c.place_id, (tenancy.c.voided_at.is_(None), tenancy.c.ended_at.is_(None))),
        ("place_lived_in", residency.c.place_id, (residency.c.voided_at.is_(None), lasts(residency))),
    )
    return {each: code for code, column, where in asked for each in part.found(column, ids, *where)}
