"""The lease by which somebody lives in a home, and since when: made, extended, ended, corrected. Pure."""

from __future__ import annotations

from dataclasses import replace

from central.register.imports import changes as do
from central.register.imports.columns import Field
from central.register.imports.known import KnownHome, KnownLease
from central.register.imports.plan_row import OneRow
from central.register.words import Relation


def lease(one: OneRow, room: int) -> int | None:
    begins, ends = one.wanted.lease_from_us, one.wanted.lease_until_us
    if begins is None:
        return None
    found = one.known.leases.get((room, begins))
    if found is None:
        made = one.new_id("tenancy")
        one.do(do.NewLease(made, room, begins, ends))
        one.differs(Field.LEASE_FROM, None, begins)
        if ends is not None:
            one.differs(Field.LEASE_UNTIL, None, ends)
        lease = KnownLease(made, ends, None)
        one.takes.append(lambda: one.known.leases.update({(room, begins): lease}))
        return made
    if found.ended_us is not None:
        one.fail(Field.LEASE_FROM, "lease_over")
    elif ends is not None and ends != found.until_us:
        if found.until_us is None or ends <= max(found.until_us, one.now_us):
            one.fail(Field.LEASE_UNTIL, "lease_end_past")
        else:
            one.do(do.ExtendLease(found.id, ends, found.until_us))
            one.differs(Field.LEASE_UNTIL, found.until_us, ends)
            lease = replace(found, until_us=ends)
            one.takes.append(lambda: one.known.leases.update({(room, begins): lease}))
    return found.id


def home(one: OneRow, person: int, *, fresh: bool, room: int, lease: int | None) -> None:
    wanted = one.wanted
    homes = [] if fresh else [home for home in one.homes(person, room) if _overlaps(one, home)]
    if len(homes) > 1:
        one.fail(Field.SINCE, "lived_before")
        return
    if homes:
        _same_home(one, person, room, homes[0], lease)
        return
    if wanted.relation is None:
        one.fail(Field.RELATION, "relation_missing")
        return
    since = one.now_us if wanted.since_us is None else wanted.since_us
    if wanted.until_us is not None and wanted.until_us <= since:
        one.fail(Field.UNTIL, "ends_before")
        return
    made = one.new_id("residency")
    one.do(do.MoveIn(made, person, room, wanted.relation, lease, since, wanted.until_us, None))
    one.differs(Field.RELATION, None, wanted.relation.value)
    for of, day in ((Field.SINCE, wanted.since_us), (Field.UNTIL, wanted.until_us)):
        if day is not None:
            one.differs(of, None, day)
    home = KnownHome(made, wanted.relation, lease, since, wanted.until_us, wanted.row)
    one.takes.append(lambda: one.known.homes[person, room].append(home))


def _overlaps(one: OneRow, home: KnownHome) -> bool:
    """Whether the row speaks of a time in which they lived there by that home."""
    wanted = one.wanted
    if wanted.since_us is None and wanted.until_us is None:
        return one.lasts(home)
    if wanted.since_us is None:
        return one.lasts(home) or home.until_us == wanted.until_us
    before = wanted.until_us is None or home.from_us < wanted.until_us
    return before and (home.until_us is None or home.until_us > wanted.since_us)


def _same_home(one: OneRow, person: int, room: int, home: KnownHome, lease: int | None) -> None:
    wanted = one.wanted
    since = home.from_us if wanted.since_us is None else wanted.since_us
    until = home.until_us if wanted.until_us is None else wanted.until_us
    relation = home.relation if wanted.relation is None else wanted.relation.value
    by = home.lease if lease is None else lease
    same = (since, until, relation, by) == (home.from_us, home.until_us, home.relation, home.lease)
    if same and not one.again:
        return
    if home.row is not None:
        one.fail(Field.RELATION, "contradicts")
        return
    if until is not None and until <= since:
        one.fail(Field.UNTIL, "ends_before")
        return
    if not one.lasts(home):
        one.fail(Field.SINCE, "lived_before")
        return
    for of, old, new in (
        (Field.RELATION, home.relation, relation),
        (Field.SINCE, home.from_us, since),
        (Field.UNTIL, home.until_us, until),
    ):
        if old != new:
            assert new is not None
            one.differs(of, old, new)
    if by != home.lease and not any(each.field is Field.LEASE_FROM for each in one.planned.differences):
        assert wanted.lease_from_us is not None
        one.differs(Field.LEASE_FROM, None, wanted.lease_from_us)
    if (since, relation, by) == (home.from_us, home.relation, home.lease):
        assert until is not None
        one.do(do.EndResidency(home.id, person, until, home.until_us))
        written = replace(home, until_us=until, row=wanted.row)
    else:
        made = one.new_id("residency")
        one.do(do.MoveIn(made, person, room, Relation(relation), by, since, until, home.id))
        written = KnownHome(made, relation, by, since, until, wanted.row)
    one.takes.append(lambda: _put_instead(one.homes(person, room), home, written))


def _put_instead(homes: list[KnownHome], old: KnownHome, new: KnownHome) -> None:
    homes[homes.index(old)] = new
