"""What was done with accounts: rows that are only ever added. Within the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, insert, select

from central.store.account_tables import account_event

EVENTS_PAGE: Final = 200


class AccountEvent(StrEnum):
    MADE = "made"
    ACTIVATED = "activated"
    SIGNED_IN = "signed_in"
    SIGNED_OUT = "signed_out"
    REFUSED = "refused"  # a wrong password, code or passkey, or a provider's word that lets nobody in
    SECOND_FACTOR_SET = "second_factor_set"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    PROVIDER_LINKED = "provider_linked"
    PROVIDER_UNLINKED = "provider_unlinked"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  a word, not a secret
    SCOPE_CHANGED = "scope_changed"
    ROLE_CHANGED = "role_changed"
    DISABLED = "disabled"
    RESET = "reset"
    CONFIRMED = "confirmed"  # a worker saw at the desk whom a resident's account is for
    TOKEN_MADE = "token_made"  # noqa: S105
    TOKEN_ENDED = "token_ended"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Noted:
    """`account`: whom it is about; None: a login that nobody has, or a machine's token. `by`: an account's
    number, or a word for whoever has none."""

    id: int
    at_us: int
    account: int | None
    event: AccountEvent
    by: str


def note(connection: Connection, number: int | None, event: AccountEvent, by: str, now_us: int) -> None:
    connection.execute(insert(account_event).values(at=now_us, account_id=number, event=event, by=by))


def events(connection: Connection, before: int | None = None, *, about: int | None = None) -> list[Noted]:
    """A page of them, newest first; further back from `before`, the last one's id. `about`: one account."""
    query = select(account_event).order_by(account_event.c.id.desc()).limit(EVENTS_PAGE)
    if about is not None:
        query = query.where(account_event.c.account_id == about)
    if before is not None:
        query = query.where(account_event.c.id < before)
    return [
        Noted(row.id, row.at, row.account_id, AccountEvent(row.event), row.by)
        for row in connection.execute(query)
    ]
