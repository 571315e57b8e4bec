"""The PIN after a card: set by a worker, kept as each site's gateways compare it, readable by nobody."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from register_support import EAST, GATE, SITE, Estate, copied_estate
from sqlalchemy import select

from central.errors import BadQuestion, Clash, NotThere
from central.register.communities import add_site
from central.register.credential_life import CredentialAct
from central.register.credentials import CredentialKind as Kind
from central.register.credentials import change, complete_tokens, credentials_of, issue, person_of
from central.register.people import deregister_person
from central.register.pins import set_pin, take_pin_away
from central.register.words import RegisterAct
from central.store.register_tables import credential_token, register_event
from drivers.base import CredentialKind, pin_number
from gateway.tokens import tokeniser

CARD, OTHER = "04A1B2C3", "04D4E5F6"
PIN, DURESS = "471100", "471199"


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    with copied_estate(tmp_path) as copied:
        yield copied


@pytest.fixture
def card(estate: Estate) -> int:
    person = estate.person()
    estate.lives(person, "101")
    return estate.card(person, CARD)


def is_set(estate: Estate, card: int, pin: str = PIN, duress: str | None = None) -> None:
    with estate.desk() as desk:
        set_pin(desk, card, pin, duress)


def test_lists_have_what_the_gateways_of_the_site_make_of_the_card_and_the_digits(
    estate: Estate, card: int
) -> None:
    is_set(estate, card, PIN, DURESS)
    tokenise = tokeniser(estate.vault.site_key(SITE))
    token = tokenise(CredentialKind.CARD_UID, CARD)
    entry = estate.listed(EAST, CARD)
    assert entry.token == token
    assert entry.pin == tokenise(CredentialKind.PIN, pin_number(token, PIN))
    assert entry.duress_pin == tokenise(CredentialKind.PIN, pin_number(token, DURESS))


def test_equal_pins_of_two_cards_do_not_look_equal(estate: Estate, card: int) -> None:
    person = estate.person()
    estate.lives(person, "101")
    is_set(estate, estate.card(person, OTHER))
    is_set(estate, card)
    assert estate.listed(EAST, CARD).pin != estate.listed(EAST, OTHER).pin


def test_a_new_pin_takes_the_place_of_both_former_ones(estate: Estate, card: int) -> None:
    is_set(estate, card, PIN, DURESS)
    before = estate.listed(EAST, CARD)
    is_set(estate, card, "8052")
    after = estate.listed(EAST, CARD)
    assert None not in (before.pin, before.duress_pin, after.pin)
    assert (after.pin == before.pin, after.duress_pin) == (False, None)


def test_a_pin_that_is_taken_away_is_in_no_list_any_more(estate: Estate, card: int) -> None:
    is_set(estate, card, PIN, DURESS)
    with estate.desk() as desk:
        take_pin_away(desk, card)
    entry = estate.listed(EAST, CARD)
    assert (entry.pin, entry.duress_pin) == (None, None)
    with estate.desk() as desk, pytest.raises(Clash, match="it has no PIN"):
        take_pin_away(desk, card)


def test_setting_a_pin_makes_the_lists_of_its_persons_gateways_old(estate: Estate, card: int) -> None:
    with estate.desk() as desk:
        desk.connection.exec_driver_sql("DELETE FROM rights_changed")
    is_set(estate, card)
    (who,) = {person for _, person in estate.changed()}
    assert estate.changed() == {(GATE, who), (EAST, who)}


@pytest.mark.parametrize(
    "pin", ["", "123", "123456789", "12a4", "１２３４", "-471", "0000", "1234", "98765", "7890"]
)
def test_what_is_no_pin_or_is_guessed_first_is_refused(estate: Estate, card: int, pin: str) -> None:
    with estate.desk() as desk, pytest.raises(BadQuestion) as refused:
        set_pin(desk, card, pin)
    assert refused.value.field == "pin"
    assert estate.listed(EAST, CARD).pin is None


def test_the_pin_for_under_duress_is_another_one(estate: Estate, card: int) -> None:
    with estate.desk() as desk, pytest.raises(BadQuestion) as refused:
        set_pin(desk, card, PIN, f" {PIN} ")
    assert refused.value.field == "duress_pin"


@pytest.mark.parametrize("act", [CredentialAct.REPORT_LOST, CredentialAct.RETURN])
def test_a_card_that_is_lost_or_returned_gets_no_pin(estate: Estate, card: int, act: CredentialAct) -> None:
    with estate.desk() as desk:
        change(desk, card, act)
    with estate.desk() as desk, pytest.raises(Clash, match="lost or returned"):
        set_pin(desk, card, PIN)


def test_a_card_that_was_found_again_has_the_pin_it_had(estate: Estate, card: int) -> None:
    is_set(estate, card)
    before = estate.listed(EAST, CARD)
    for act in (CredentialAct.REPORT_LOST, CredentialAct.LIFT_LOSS):
        with estate.desk() as desk:
            change(desk, card, act)
    assert estate.listed(EAST, CARD) == before


def test_a_card_that_no_site_knows_gets_no_pin(estate: Estate, card: int) -> None:
    with estate.desk() as desk:
        desk.connection.exec_driver_sql("DELETE FROM credential_token")
    with estate.desk() as desk, pytest.raises(Clash, match="no site knows this card yet"):
        set_pin(desk, card, PIN)


def test_a_card_that_is_taken_back_loses_its_pin_also_where_that_is_undone(estate: Estate, card: int) -> None:
    is_set(estate, card, PIN, DURESS)
    with estate.desk() as desk:
        change(desk, card, CredentialAct.RETURN)
        kept = desk.connection.execute(select(credential_token.c.pin, credential_token.c.duress_pin)).all()
    assert {tuple(row) for row in kept} == {(None, None)}
    with estate.desk() as desk:
        issue(desk, person_of(desk.connection, estate.community, card), Kind.CARD_UID, CARD)
    assert (estate.listed(EAST, CARD).pin, estate.listed(EAST, CARD).duress_pin) == (None, None)


def test_at_a_site_that_came_later_it_is_not_said_to_be_set(estate: Estate, card: int) -> None:
    is_set(estate, card)
    with estate.desk() as desk:
        connection, community = desk.connection, estate.community
        person = person_of(connection, community, card)
        assert [each.has_pin for each in credentials_of(connection, community, person)] == [True]
        add_site(desk, "lakeside")
        estate.vault.keep_site_key("lakeside", bytes(32))
        assert complete_tokens(desk, "lakeside") == 1
        assert [each.has_pin for each in credentials_of(connection, community, person)] == [False]
    is_set(estate, card)
    with estate.reading() as db:
        assert [each.has_pin for each in credentials_of(db, community, person)] == [True]
        pins = db.execute(select(credential_token.c.pin)).scalars().all()
    assert len(set(pins)) == 2, "each site has a form of its own"


def test_whoever_was_deregistered_gets_no_pin(estate: Estate, card: int) -> None:
    with estate.desk() as desk:
        person = person_of(desk.connection, estate.community, card)
        deregister_person(desk, person, reason="搬走")
    with estate.desk() as desk, pytest.raises(Clash, match="this person was deregistered"):
        set_pin(desk, card, PIN)


def test_a_card_of_nobody_here_is_not_there(estate: Estate) -> None:
    with estate.desk() as desk, pytest.raises(NotThere):
        set_pin(desk, 999, PIN)
    with estate.desk() as desk, pytest.raises(NotThere):
        take_pin_away(desk, 999)


def test_the_register_notes_that_a_pin_was_set_and_nothing_of_it(estate: Estate, card: int) -> None:
    is_set(estate, card, PIN, DURESS)
    with estate.reading() as db:
        asked = select(register_event).where(register_event.c.act == RegisterAct.CREDENTIAL_PIN_SET)
        (event,) = db.execute(asked).all()
        (found,) = credentials_of(db, estate.community, person_of(db, estate.community, card))
    assert (event.subject, event.subject_id) == ("credential", card)
    assert json.loads(event.body) == {"pin": True, "duress_pin": True}
    assert found.has_pin
