"""The card that a row names: issued, or extended. Pure."""

from __future__ import annotations

from dataclasses import replace

from central.register.credential_life import CredentialState
from central.register.imports import changes as do
from central.register.imports.columns import Field
from central.register.imports.known import KnownCard
from central.register.imports.plan_row import OneRow
from central.register.person_identity import masked_number


def card(one: OneRow, person: int) -> None:
    wanted, found = one.wanted, one.card()
    assert wanted.card is not None
    assert wanted.card_kind is not None
    assert one.row.card is not None
    until = wanted.card_until_us
    if found is None:
        _new_card(one, person)
    elif found.person != person:
        one.fail(Field.CARD, "card_taken")
    elif until is not None and until != found.until_us:
        if found.row is not None:
            one.fail(Field.CARD_UNTIL, "contradicts")
        elif found.state == CredentialState.LOST:
            one.fail(Field.CARD, "card_lost")
        elif found.until_us is None or until <= max(found.until_us, found.from_us, one.now_us):
            one.fail(Field.CARD_UNTIL, "card_end_past")
        else:
            one.do(do.ExtendCard(found.id, person, until, found.until_us, found.state))
            one.differs(Field.CARD_UNTIL, found.until_us, until)
            extended = CredentialState.EXTENDED
            _take_card(one, replace(found, until_us=until, state=extended, row=wanted.row))


def _new_card(one: OneRow, person: int) -> None:
    wanted = one.wanted
    assert wanted.card is not None
    assert wanted.card_kind is not None
    assert one.row.card is not None
    since = one.now_us if wanted.card_from_us is None else wanted.card_from_us
    if wanted.card_until_us is not None and wanted.card_until_us <= since:
        one.fail(Field.CARD_UNTIL, "ends_before")
        return
    made = one.new_id("credential")
    one.do(do.NewCard(made, person, wanted.card_kind, wanted.card, one.row.card, since, wanted.card_until_us))
    one.differs(Field.CARD, None, masked_number(wanted.card) or "")
    for of, day in ((Field.CARD_FROM, wanted.card_from_us), (Field.CARD_UNTIL, wanted.card_until_us)):
        if day is not None:
            one.differs(of, None, day)
    state = CredentialState.ISSUED
    _take_card(one, KnownCard(made, person, state, since, wanted.card_until_us, wanted.row))


def _take_card(one: OneRow, card: KnownCard) -> None:
    kind, index = one.wanted.card_kind, one.row.card
    assert kind is not None
    assert index is not None
    one.takes.append(lambda: one.known.cards.update({(kind.value, index): card}))
