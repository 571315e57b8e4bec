"""Credentials: issued, extended, reported lost, found again, returned. Their numbers lie sealed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from central.errors import BadQuestion, Clash
from central.register.affected import gateways_of_person
from central.register.credential_forms import as_drivers_write, form_fault
from central.register.credential_life import CredentialAct, CredentialState, PinAct, after
from central.register.desk import Desk, GatewayOf, row_of
from central.register.people import same_person, the_person
from central.register.words import RegisterAct
from central.store.register_tables import (
    community,
    credential,
    credential_event,
    credential_token,
    door_place,
    register_event,
    site,
)

_HINT: Final = 4
_IN_ONE_STATEMENT: Final = 500
_UNSEALED_YET = b""


class CredentialKind(StrEnum):
    """As the readers' drivers call what is presented; the word is part of what a token is made of."""

    ID_CARD = "id_card"
    ID_CARD_CHIP = "id_card_chip"
    CARD_UID = "card_uid"
    EM_TAG = "em_tag"
    CARD_NUMBER = "card_number"
    QR_CODE = "qr_code"


@dataclass(frozen=True, slots=True)
class Credential:
    id: int
    person_id: int
    kind: str
    hint: str | None
    state: str
    valid_from_us: int
    valid_until_us: int | None
    replaces: int | None
    sites: tuple[str, ...]  # whose gateways can know it
    has_pin: bool  # for doors that ask for one, at each of those sites


def issue(
    desk: Desk,
    person_id: int,
    kind: CredentialKind,
    number: str,
    *,
    valid_from_us: int | None = None,
    valid_until_us: int | None = None,
    replaces: int | None = None,
) -> int:
    """发放. `number` as the reader writes it; `replaces`: the lost or returned one in whose place it is.

    Raises NotThere, BadQuestion; Clash where it is somebody's already.
    """
    the_person(desk, person_id)
    number = good_number(kind, number)
    since = desk.now_us if valid_from_us is None else valid_from_us
    if valid_until_us is not None and valid_until_us <= since:
        raise BadQuestion("valid_until", "it ends before it begins")
    index = desk.vault.register_index(desk.community, "card", number)
    _refuse_issued(desk, kind, index)
    if replaces is not None:
        _refuse_replacing(desk, person_id, replaces)
    state = after(None, CredentialAct.ISSUE)
    made = desk.add(
        credential,
        person_id=person_id,
        kind=kind.value,
        hint=hint_of(number),
        sealed=_UNSEALED_YET,
        number_index=index,
        state=state.value,
        valid_from=since,
        valid_until=valid_until_us,
        replaces=replaces,
        issued_at=desk.now_us,
    )
    sealed = desk.vault.seal_register(desk.community, f"credential:{made}", number.encode())
    desk.connection.execute(update(credential).where(credential.c.id == made).values(sealed=sealed))
    _add_tokens(desk, [(made, kind.value, number)], _sites(desk))
    _enter(desk, made, CredentialAct.ISSUE, state, until_us=valid_until_us)
    body = {"person": person_id, "kind": kind, "from": since, "until": valid_until_us, "replaces": replaces}
    changed = gateways_of_person(desk.connection, person_id, desk.now_us)
    desk.note(RegisterAct.CREDENTIAL_ISSUED, credential, made, body=body, changed=changed, person=person_id)
    return made


def change(
    desk: Desk,
    credential_id: int,
    act: CredentialAct,
    *,
    valid_until_us: int | None = None,
    reason: str | None = None,
    restores: bool = False,
) -> CredentialState:
    """延期、挂失、解挂、退卡. `valid_until_us` counts for an extension alone; None: without an end.
    `restores`: an extension is taken back, so its end may be past, as it was.

    Raises NotThere, BadQuestion; Clash where its state does not allow it.
    """
    row = desk.row(credential, credential_id, "credential")
    desk.met.add(row.person_id)
    state = after(CredentialState(row.state), act)
    new: dict[str, Any] = {"state": state.value}
    if act is CredentialAct.EXTEND:
        past = valid_until_us is not None and valid_until_us <= max(desk.now_us, row.valid_from)
        if past and not restores:
            raise BadQuestion("valid_until", "an extension ends in the future")
        new["valid_until"] = valid_until_us
    if act is CredentialAct.RETURN:
        new["returned_at"] = desk.now_us
        forget_pins(desk.connection, [credential_id])
    desk.connection.execute(update(credential).where(credential.c.id == credential_id).values(new))
    until = new.get("valid_until", row.valid_until)
    _enter(desk, credential_id, act, state, until_us=until, reason=reason)
    body = {"act": act, "state": state, "until": until}
    desk.note(
        RegisterAct.CREDENTIAL_CHANGED,
        credential,
        credential_id,
        reason=reason,
        body=body,
        changed=gateways_of_person(desk.connection, row.person_id, desk.now_us),
        person=row.person_id,
    )
    return state


def forget_pins(connection: Connection, credentials: Sequence[int]) -> None:
    """Of cards that are taken back."""
    for at in range(0, len(credentials), _IN_ONE_STATEMENT):
        mine = credential_token.c.credential_id.in_(credentials[at : at + _IN_ONE_STATEMENT])
        gone = update(credential_token).where(mine, credential_token.c.pin.is_not(None))
        connection.execute(gone.values(pin=None, duress_pin=None))


def complete_tokens(desk: Desk, site_name: str) -> int:
    """Gives every credential in use its token at a site, once the site's key is here; how many had none."""
    if desk.key_ring is None or not desk.key_ring.has_site(site_name):
        return 0
    known = select(credential_token.c.credential_id).where(credential_token.c.site == site_name)
    lacking = (
        (credential.c.community_id == desk.community)
        & (credential.c.state != CredentialState.RETURNED.value)
        & credential.c.id.not_in(known)
    )
    rows = desk.connection.execute(
        select(credential.c.id, credential.c.kind, credential.c.sealed).where(lacking)
    ).all()
    if not rows:
        return 0
    opened = [
        (
            row.id,
            row.kind,
            desk.vault.open_register(desk.community, f"credential:{row.id}", row.sealed).decode(),
        )
        for row in rows
    ]
    _add_tokens(desk, opened, [site_name])
    doors = select(door_place.c.site, door_place.c.gateway).where(door_place.c.site == site_name)
    changed = {GatewayOf(*row) for row in desk.connection.execute(doors.distinct())}
    body = {"site": site_name, "count": len(rows)}
    desk.note(RegisterAct.TOKENS_COMPLETED, community, desk.community, body=body, changed=changed)
    return len(rows)


def credentials_of(connection: Connection, community_id: int, person_id: int) -> list[Credential]:
    """All of somebody's, returned ones too, oldest first."""
    mine = (credential.c.community_id == community_id) & credential.c.person_id.in_(same_person(person_id))
    rows = connection.execute(select(credential).where(mine).order_by(credential.c.id)).all()
    sites: dict[int, list[str]] = {}
    without_pin: set[int] = set()
    asked = select(credential_token).where(credential_token.c.credential_id.in_([row.id for row in rows]))
    for row in connection.execute(asked.order_by(credential_token.c.site)):
        sites.setdefault(row.credential_id, []).append(row.site)
        if row.pin is None:
            without_pin.add(row.credential_id)
    return [
        Credential(
            row.id,
            row.person_id,
            row.kind,
            row.hint,
            row.state,
            row.valid_from,
            row.valid_until,
            row.replaces,
            tuple(sites.get(row.id, ())),
            row.id in sites and row.id not in without_pin,
        )
        for row in rows
    ]


def person_of(connection: Connection, community_id: int, credential_id: int) -> int:
    """Whose it is. Raises NotThere."""
    return int(row_of(connection, credential, community_id, credential_id, "credential").person_id)


@dataclass(frozen=True, slots=True)
class LifeEvent:
    """`state`, `valid_until_us`: after it."""

    act: CredentialAct | PinAct
    at_us: int
    account: int
    state: str
    valid_until_us: int | None
    reason: str | None = None


def history_of(connection: Connection, community_id: int, credential_id: int) -> list[LifeEvent]:
    """What became of it, and of its PIN, oldest first."""
    mine = (credential_event.c.credential_id == credential_id) & (
        credential_event.c.community_id == community_id
    )
    rows = connection.execute(select(credential_event).where(mine).order_by(credential_event.c.id))
    found = [
        LifeEvent(CredentialAct(row.act), row.at, row.account, row.state, row.valid_until, row.reason)
        for row in rows
    ]
    columns = register_event.c
    of_pins = (
        (columns.subject == credential.name)
        & (columns.subject_id == credential_id)
        & (columns.community_id == community_id)
        & (columns.act == RegisterAct.CREDENTIAL_PIN_SET.value)
    )
    for row in connection.execute(select(register_event).where(of_pins).order_by(columns.id)):
        act = PinAct.SET if json.loads(row.body)["pin"] else PinAct.TAKEN_AWAY
        last = next((each for each in reversed(found) if each.at_us <= row.at), found[0])
        found.append(LifeEvent(act, row.at, row.account, last.state, last.valid_until_us))
        found.sort(key=lambda each: each.at_us)  # what came at one moment stays in its order
    return found


def good_number(kind: str, number: str) -> str:
    """As it is kept and as tokens are made of it: exactly what readers give. Raises BadQuestion."""
    number = as_drivers_write(kind, number)
    if fault := form_fault(kind, number):
        raise BadQuestion("number", fault)
    return number


def hint_of(number: str) -> str:
    """At most its last four characters, and of a short one half."""
    return number[len(number) - min(_HINT, len(number) // 2) :]


def _refuse_issued(desk: Desk, kind: CredentialKind, index: bytes) -> None:
    same = (credential.c.community_id == desk.community) & (credential.c.number_index == index)
    used = same & (credential.c.kind == kind.value) & (credential.c.state != CredentialState.RETURNED.value)
    found = desk.connection.execute(select(credential.c.id, credential.c.person_id).where(used)).one_or_none()
    if found is not None:
        desk.met.add(found.person_id)
        raise Clash(f"it is issued already: credential {found.id} of person {found.person_id}")


def _refuse_replacing(desk: Desk, person_id: int, replaces: int) -> None:
    row = desk.row(credential, replaces, "credential")
    same = set(desk.connection.execute(same_person(person_id)).scalars())
    if row.person_id not in same:
        raise BadQuestion("replaces", "that one is somebody else's")
    if row.state not in {CredentialState.LOST, CredentialState.RETURNED}:
        raise Clash("the one that it replaces is neither lost nor returned")


def _sites(desk: Desk) -> list[str]:
    """Those whose key is here."""
    mine = select(site.c.name).where(site.c.community_id == desk.community).order_by(site.c.name)
    return [name for name in desk.connection.execute(mine).scalars() if desk.vault.has_site(name)]


def _add_tokens(desk: Desk, numbers: Iterable[tuple[int, str, str]], sites: list[str]) -> None:
    rows = [
        {
            "community_id": desk.community,
            "credential_id": credential_id,
            "site": name,
            "token": desk.vault.token(name, kind, number),
        }
        for credential_id, kind, number in numbers
        for name in sites
    ]
    if rows:
        desk.connection.execute(insert(credential_token), rows)


def _enter(
    desk: Desk,
    credential_id: int,
    act: CredentialAct,
    state: CredentialState,
    *,
    until_us: int | None,
    reason: str | None = None,
) -> None:
    desk.add(
        credential_event,
        credential_id=credential_id,
        act=act.value,
        at=desk.now_us,
        account=desk.account,
        state=state.value,
        valid_until=until_us,
        reason=reason,
    )
