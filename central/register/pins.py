"""The PIN that somebody types after a card, at doors that ask for both; and the one for under duress.

No page and no answer tells a PIN again: what is kept is what each site's gateways compare, made with the
site's key of the card's token and the digits. Whoever has that key tries all PINs in a moment; so have its
gateways. A site that comes later, or whose key is not here now, does not know it: it is set again. With the
card it goes.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import select, update

from central.errors import BadQuestion, Clash
from central.register.affected import gateways_of_person
from central.register.credential_life import CredentialState
from central.register.desk import Desk
from central.register.words import PersonState, RegisterAct
from central.store.register_tables import credential, credential_token, person

LEAST_DIGITS: Final = 4
MOST_DIGITS: Final = 8
"""As many as a reader takes unless its settings say otherwise."""

_UP: Final = "01234567890"


def set_pin(desk: Desk, credential_id: int, pin: str, duress_pin: str | None = None) -> None:
    """In place of what was set before. Doors ask for it as soon as their gateways have their lists.

    Raises NotThere, BadQuestion; Clash where the card was lost or returned, its holder was deregistered, or
    no site knows it yet.
    """
    pin = good_pin(pin, "pin")
    duress = None if duress_pin is None else good_pin(duress_pin, "duress_pin")
    if duress == pin:
        raise BadQuestion("duress_pin", "the PIN for under duress is another one")
    row = desk.row(credential, credential_id, "credential")
    desk.met.add(row.person_id)
    if row.state in {CredentialState.LOST, CredentialState.RETURNED}:
        raise Clash("a card that was lost or returned gets no PIN")
    _refuse_deregistered(desk, row.person_id)
    known = credential_token.c.credential_id == credential_id
    tokens = desk.connection.execute(select(credential_token).where(known)).all()
    if not any(desk.vault.has_site(token.site) for token in tokens):
        raise Clash("no site knows this card yet: the keys of its sites are not in the key ring")
    for token in tokens:
        here = desk.vault.has_site(token.site)
        values = {
            "pin": _token(desk, token.site, token.token, pin) if here else None,
            "duress_pin": _token(desk, token.site, token.token, duress) if here and duress else None,
        }
        this = credential_token.c.id == token.id
        desk.connection.execute(update(credential_token).where(this).values(values))
    _note(desk, credential_id, row.person_id, {"pin": True, "duress_pin": duress is not None})


def take_pin_away(desk: Desk, credential_id: int) -> None:
    """At doors that ask for one the card opens nothing then. Raises NotThere; Clash where it has none."""
    row = desk.row(credential, credential_id, "credential")
    desk.met.add(row.person_id)
    set_ones = (credential_token.c.credential_id == credential_id) & credential_token.c.pin.is_not(None)
    gone = desk.connection.execute(update(credential_token).where(set_ones).values(pin=None, duress_pin=None))
    if not gone.rowcount:
        raise Clash("it has no PIN")
    _note(desk, credential_id, row.person_id, {"pin": False, "duress_pin": False})


def good_pin(text: str, field: str) -> str:
    """Its digits. Refused are those that are tried first: one digit again and again, and counting up or
    down. Raises BadQuestion, which names `field`."""
    pin = text.strip()
    if not (pin.isascii() and pin.isdecimal() and LEAST_DIGITS <= len(pin) <= MOST_DIGITS):
        raise BadQuestion(field, "a PIN has 4 to 8 digits")
    if len(set(pin)) == 1 or pin in _UP or pin[::-1] in _UP:
        raise BadQuestion(field, "a PIN is not one digit again and again, nor does it count up or down")
    return pin


def _refuse_deregistered(desk: Desk, person_id: int) -> None:
    """Of somebody who was registered twice the row that counts says it."""
    row = desk.row(person, person_id, "person")
    counting = row if row.merged_into is None else desk.row(person, row.merged_into, "person")
    if counting.state == PersonState.DEREGISTERED:
        raise Clash("this person was deregistered")


def _token(desk: Desk, site: str, card: bytes, pin: str) -> bytes:
    """What a gateway makes of digits after that card (docs/access.md): equal PINs do not look equal."""
    return desk.vault.token(site, "pin", f"{card.hex()}:{pin}")


def _note(desk: Desk, credential_id: int, person_id: int, body: dict[str, object]) -> None:
    changed = gateways_of_person(desk.connection, person_id, desk.now_us)
    act = RegisterAct.CREDENTIAL_PIN_SET
    desk.note(act, credential, credential_id, body=body, changed=changed, person=person_id)
