"""Writes what some rows come to into the register: a few statements for hundreds of rows.

Each thing done leaves the same history as one done by hand, and an effect by which it can be undone. Rules of
the register are not asked again here: `plan` asked them of what `Known` found in this same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeGuard

from sqlalchemy import func, select

from central.register.credential_life import CredentialAct, CredentialState
from central.register.credentials import hint_of
from central.register.desk import Desk
from central.register.imports import changes as do
from central.register.imports.bulk import Bulk, Ids, told
from central.register.imports.changes import Change
from central.register.imports.states import Effect
from central.register.leases import GRACE_DAYS, NOTICE_DAYS
from central.register.people import new_reference
from central.register.person_identity import seal, unseal
from central.register.place_names import Spelt, sort_key, spelt
from central.register.words import PersonState, RegisterAct
from central.store import register_tables as tables
from central.store.import_tables import import_effect


class Writing:
    """The changes of one transaction; `write` once."""

    def __init__(self, desk: Desk, import_id: int, ids: Ids) -> None:
        self._desk = desk
        self._ids = ids
        self._bulk = Bulk(desk, import_id)
        self._reason = f"导入 {import_id}"
        self._sites = _sites(desk)

    def write(self, changes: Sequence[tuple[int, Change]]) -> None:
        """`changes` with their rows, in order. Raises RowRefused through the transaction where the database
        does not take one of them."""
        before = {change.person for _, change in changes if _closes(change)}
        touched = self._bulk.gateways_of(before)
        for row, change in changes:
            _DO[type(change)](self, row, change)
        self._bulk.flush()
        leases = [change.lease for _, change in changes if isinstance(change, do.ExtendLease)]
        after = {who for _, change in changes if (who := _whose(change)) is not None}
        touched |= self._bulk.gateways_of(after | self._bulk.people_by(leases))
        self._bulk.mark(touched)

    # --- one kind of change each

    def _place(self, row: int, change: do.NewPlace) -> None:
        name = _spelt(change.name)
        self._bulk.add(
            tables.place,
            id=change.id,
            parent_id=change.parent,
            kind=change.kind.value,
            name=change.name,
            code=change.code,
            sort_key=sort_key(change.name),
            pinyin=name.pinyin,
            initials=name.initials,
            from_at=self._desk.now_us,
        )
        body = {"kind": change.kind, "name": change.name, "parent": change.parent}
        self._bulk.note(RegisterAct.PLACE_CREATED, tables.place, change.id, body)
        self._effect(row, Effect.PLACE_CREATED, change.id, {})

    def _code(self, row: int, change: do.SetCode) -> None:
        mine = tables.place.c.id == change.place
        was = self._desk.connection.execute(select(tables.place).where(mine)).one()
        keep_former_place(self._bulk, was)
        self._bulk.change(tables.place, change.place, code=change.code)
        body = {"name": was.name, "code": change.code, "parent": was.parent_id}
        self._bulk.note(RegisterAct.PLACE_CHANGED, tables.place, change.place, body, self._reason)
        self._effect(row, Effect.CODE_SET, change.place, {"code": change.code})

    def _use(self, row: int, change: do.SetUse) -> None:
        now = self._desk.now_us
        if change.former is not None:
            self._bulk.change(tables.home_use, change.former, until_at=now)
        self._bulk.add(tables.home_use, id=change.id, place_id=change.room, use=change.use.value, from_at=now)
        body = {"room": change.room, "use": change.use, "since": now}
        self._bulk.note(RegisterAct.HOME_USE_SET, tables.home_use, change.id, body)
        self._effect(row, Effect.USE_SET, change.id, {"former": change.former})

    def _person(self, row: int, change: do.NewPerson) -> None:
        now, desk = self._desk.now_us, self._desk
        self._bulk.add(
            tables.person,
            id=change.id,
            state=PersonState.REGISTERED.value,
            category=change.category.value,
            document_type=change.document.value,
            sealed=seal(desk.vault, desk.community, f"person:{change.id}", change.identity),
            number_index=change.indexes.number,
            name_index=change.indexes.name,
            phone_index=change.indexes.phone,
            created_at=now,
            changed_at=now,
        )
        self._bulk.add(tables.holder, person_id=change.id, reference=new_reference(), from_at=now)
        body = {"document": change.document, "category": change.category}
        self._bulk.note(RegisterAct.PERSON_REGISTERED, tables.person, change.id, body)
        self._effect(row, Effect.PERSON_REGISTERED, change.id, {})

    def _written(self, row: int, change: do.WritePerson) -> None:
        """What was written before is kept under a row of its own, sealed for that row."""
        desk = self._desk
        former = self._ids("person_former")
        was = keep_former(self._bulk, change.person, former)
        self._bulk.change(
            tables.person,
            change.person,
            state=PersonState.REGISTERED.value,
            deregistered_at=None,
            category=change.category,
            document_type=change.document,
            sealed=seal(desk.vault, desk.community, f"person:{change.person}", change.identity),
            number_index=change.indexes.number,
            name_index=change.indexes.name,
            phone_index=change.indexes.phone,
            changed_at=desk.now_us,
        )
        if change.again:
            body = {"document": change.document, "category": change.category, "again": True}
            self._bulk.note(RegisterAct.PERSON_REGISTERED, tables.person, was.id, body)
            self._effect(row, Effect.PERSON_REGISTERED, was.id, {})
        else:
            self._bulk.note(RegisterAct.PERSON_CORRECTED, tables.person, was.id, {}, self._reason)
            self._effect(row, Effect.PERSON_CORRECTED, was.id, {"former": former})

    def _lease(self, row: int, change: do.NewLease) -> None:
        self._bulk.add(
            tables.tenancy,
            id=change.id,
            place_id=change.room,
            from_at=change.from_us,
            until_at=change.until_us,
            notice_days=NOTICE_DAYS,
            grace_days=GRACE_DAYS,
        )
        body = {
            "room": change.room,
            "landlord": None,
            "from": change.from_us,
            "until": change.until_us,
            "notice_days": NOTICE_DAYS,
            "grace_days": GRACE_DAYS,
        }
        self._bulk.note(RegisterAct.LEASE_MADE, tables.tenancy, change.id, body)
        self._effect(row, Effect.LEASE_MADE, change.id, {"until": change.until_us})

    def _longer_lease(self, row: int, change: do.ExtendLease) -> None:
        self._bulk.change(tables.tenancy, change.lease, until_at=change.until_us)
        body = {"until": change.until_us, "former": {"until": change.former_us}}
        self._bulk.note(RegisterAct.LEASE_EXTENDED, tables.tenancy, change.lease, body, self._reason)
        self._effect(
            row, Effect.LEASE_EXTENDED, change.lease, {"until": change.until_us, "was": change.former_us}
        )

    def _home(self, row: int, change: do.MoveIn) -> None:
        desk = self._desk
        if change.corrects is not None:
            void = {"voided_at": desk.now_us, "voided_by": desk.account, "void_reason": self._reason}
            self._bulk.change(tables.residency, change.corrects, **void)
        self._bulk.add(
            tables.residency,
            id=change.id,
            person_id=change.person,
            place_id=change.room,
            relation=change.relation.value,
            tenancy_id=change.lease,
            from_at=change.from_us,
            until_at=change.until_us,
            registered_at=desk.now_us,
            registered_by=desk.account,
            corrects=change.corrects,
        )
        body = {
            "person": change.person,
            "room": change.room,
            "relation": change.relation,
            "lease": change.lease,
            "from": change.from_us,
            "until": change.until_us,
        }
        self._bulk.note(RegisterAct.MOVED_IN, tables.residency, change.id, body)
        left: dict[str, object] = {"until": change.until_us}
        if change.corrects is not None:
            corrected = {"instead": change.id}
            act = RegisterAct.RESIDENCY_CORRECTED
            self._bulk.note(act, tables.residency, change.corrects, corrected, self._reason)
            self._effect(row, Effect.RESIDENCY_CORRECTED, change.id, {**left, "corrects": change.corrects})
        else:
            self._effect(row, Effect.MOVED_IN, change.id, left)

    def _end(self, row: int, change: do.EndResidency) -> None:
        ended = {"until_at": change.until_us, "ended_by": self._desk.account, "end_reason": self._reason}
        self._bulk.change(tables.residency, change.residency, **ended)
        body = {"person": change.person, "until": change.until_us}
        self._bulk.note(RegisterAct.MOVED_OUT, tables.residency, change.residency, body, self._reason)
        left = {"until": change.until_us, "was": change.former_us}
        self._effect(row, Effect.RESIDENCY_ENDED, change.residency, left)

    def _card(self, row: int, change: do.NewCard) -> None:
        desk = self._desk
        state = CredentialState.ISSUED.value
        self._bulk.add(
            tables.credential,
            id=change.id,
            person_id=change.person,
            kind=change.kind.value,
            hint=hint_of(change.number),
            sealed=desk.vault.seal_register(
                desk.community, f"credential:{change.id}", change.number.encode()
            ),
            number_index=change.index,
            state=state,
            valid_from=change.from_us,
            valid_until=change.until_us,
            issued_at=desk.now_us,
        )
        for site in self._sites:
            token = desk.vault.token(site, change.kind.value, change.number)
            self._bulk.add(tables.credential_token, credential_id=change.id, site=site, token=token)
        self._bulk.card_event(change.id, CredentialAct.ISSUE, state, change.until_us)
        body = {
            "person": change.person,
            "kind": change.kind,
            "from": change.from_us,
            "until": change.until_us,
            "replaces": None,
        }
        self._bulk.note(RegisterAct.CREDENTIAL_ISSUED, tables.credential, change.id, body)
        self._effect(row, Effect.CARD_ISSUED, change.id, {"until": change.until_us})

    def _longer_card(self, row: int, change: do.ExtendCard) -> None:
        state = CredentialState.EXTENDED.value
        self._bulk.change(tables.credential, change.card, state=state, valid_until=change.until_us)
        self._bulk.card_event(change.card, CredentialAct.EXTEND, state, change.until_us, self._reason)
        body = {"act": CredentialAct.EXTEND, "state": state, "until": change.until_us}
        self._bulk.note(RegisterAct.CREDENTIAL_CHANGED, tables.credential, change.card, body, self._reason)
        left = {"until": change.until_us, "was": change.former_us, "state": change.former_state}
        self._effect(row, Effect.CARD_EXTENDED, change.card, left)

    def _effect(self, row: int, kind: Effect, subject_id: int, body: Mapping[str, object]) -> None:
        self._bulk.add(
            import_effect,
            import_id=self._bulk.import_id,
            row_number=row,
            kind=kind.value,
            subject_id=subject_id,
            at=self._desk.now_us,
            body=told(body),
        )


def keep_former_place(bulk: Bulk, row: Any) -> None:
    """What a place is called and where it stands now, before it is changed."""
    columns = tables.place_former.c
    latest = select(func.max(columns.until_at)).where(columns.place_id == row.id)
    since = bulk.desk.connection.execute(latest).scalar()
    bulk.add(
        tables.place_former,
        place_id=row.id,
        parent_id=row.parent_id,
        name=row.name,
        code=row.code,
        from_at=row.from_at if since is None else since,
        until_at=bulk.desk.now_us,
    )


def keep_former(bulk: Bulk, person_id: int, former: int) -> Any:
    """What is written of somebody now, kept under the id `former`; the row as it is."""
    desk = bulk.desk
    was = desk.connection.execute(select(tables.person).where(tables.person.c.id == person_id)).one()
    identity = unseal(desk.vault, desk.community, f"person:{person_id}", was.sealed)
    bulk.add(
        tables.person_former,
        id=former,
        person_id=person_id,
        category=was.category,
        document_type=was.document_type,
        sealed=seal(desk.vault, desk.community, f"person_former:{former}", identity),
        number_index=was.number_index,
        from_at=was.changed_at,
        until_at=desk.now_us,
    )
    return was


def _closes(change: Change) -> TypeGuard[do.WritePerson | do.EndResidency | do.MoveIn | do.ExtendCard]:
    """Whether somebody may have had a right before it that they have no more."""
    if isinstance(change, do.MoveIn):
        return change.corrects is not None
    return isinstance(change, do.WritePerson | do.EndResidency | do.ExtendCard)


_DO: Final[Mapping[type, Callable[[Writing, int, Any], None]]] = {
    do.NewPlace: Writing._place,
    do.SetCode: Writing._code,
    do.SetUse: Writing._use,
    do.NewPerson: Writing._person,
    do.WritePerson: Writing._written,
    do.NewLease: Writing._lease,
    do.ExtendLease: Writing._longer_lease,
    do.MoveIn: Writing._home,
    do.EndResidency: Writing._end,
    do.NewCard: Writing._card,
    do.ExtendCard: Writing._longer_card,
}


def _whose(change: Change) -> int | None:
    if isinstance(change, do.NewPerson):
        return change.id
    return getattr(change, "person", None)


def _sites(desk: Desk) -> list[str]:
    """Those whose key is here."""
    mine = select(tables.site.c.name).where(tables.site.c.community_id == desk.community)
    names = desk.connection.execute(mine.order_by(tables.site.c.name)).scalars()
    return [name for name in names if desk.vault.has_site(name)]


@lru_cache(maxsize=4096)
def _spelt(name: str) -> Spelt:
    return spelt(name)
